"""Subcommand `mppi_evaluate identify`: delay, lag and gain of each axis from a recording."""

from __future__ import annotations

import argparse
from dataclasses import astuple
from pathlib import Path

from mppi_ros.cli.arguments import Subparsers
from mppi_ros.cli.console import show_table
from mppi_ros.control.identification import ParameterEstimate
from mppi_ros.evaluation import identify, results


def add_parser(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        'identify', help='estimate delay, lag and gain of a robot from a recording',
        description='Estimate delay, lag and gain of each axis of a robot from its odometry and '
        'its commands in a recording.',
        epilog='exit code: 0 all estimates are to be trusted, 1 one is not, 2 invalid arguments '
        'or input',
    )
    parser.add_argument(
        'bag', type=Path, metavar='BAG', help='ROS 1 bag, rosbag2 folder or MCAP file'
    )
    parser.add_argument('--odom', default='', metavar='TOPIC', help='topic of the odometry')
    parser.add_argument('--cmd', default='', metavar='TOPIC', help='topic of the commands')
    parser.add_argument('--json', type=Path, metavar='OUT', help='write the result to OUT')


def run(options: argparse.Namespace) -> int:
    """Print the estimates; return 1 if one of them is not to be trusted."""
    if options.json:
        results.check_writable(options.json)
    found = identify.identify(options.bag, options.odom, options.cmd)
    if options.json:
        results.write_json(options.json, identify.content(options.bag, found))
    show_table(
        str(options.bag),
        ('axis', 'delay s', 'lag s', 'gain', 'explained', 'from s of data', 'trusted'),
        [_row(axis, estimate) for axis, estimate in found.items()],
    )
    return int(not all(estimate.trusted for estimate in found.values()))


def _row(axis: str, estimate: ParameterEstimate) -> list[str | float]:
    pairs = zip(astuple(estimate.value), astuple(estimate.deviation), strict=True)
    values = [f'{value:.3f} ± {deviation:.3f}' for value, deviation in pairs]
    share = f'{100.0 * estimate.explained:.1f} %'
    return [axis, *values, share, estimate.excited, 'yes' if estimate.trusted else 'no']
