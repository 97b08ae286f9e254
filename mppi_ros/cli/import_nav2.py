"""mppi_import_nav2: our parameters from those of Nav2's controllers, and what has no match."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import os
from pathlib import Path
import sys

from mppi_ros.cli.arguments import Parser
from mppi_ros.nav2_import.convert import DISTROS, convert
from mppi_ros.nav2_import.read import read
from mppi_ros.nav2_import.report import INFO, Part, fitted, report, write
from mppi_ros.parameters.errors import ParameterError

__all__ = ['convert', 'main']


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command.

    Returns
    -------
    int
        0 if the file was written, 2 if nothing can be taken from it.

    """
    options = _parser().parse_args(argv)
    try:
        done = convert(read(options.file), options.controller, _distro(options.distro),
                       options.wheelbase)
        text = write(done, options.file.name)
        lines = [f'{done.controller}, ROS 2 {done.distro}', *filter(None, [done.hint]),
                 *(line for part in Part for line in report(done, part))]
        said = '\n'.join(lines) + '\n'
        if options.report:
            options.report.write_text(said, 'utf-8')
        if options.output:
            options.output.write_text(text, 'utf-8')
            print(said, end='', file=sys.stderr)
        else:
            print(text, end='')
    except OSError as error:
        return _complain(f'{error.filename}: {error.strerror}')
    except ParameterError as error:
        return _complain(f'{options.file}: {error}')
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog='mppi_import_nav2',
        description="Write the parameters of mppi_controller from those of Nav2's controller "
        'server and local costmap (branches humble to main): limits, horizon, samples, tolerances '
        'and the outline of the robot; of MPPI the weights, too, in proportion to what Nav2 '
        'ships. A report says what was taken, changed and left out, and what has to be measured '
        'on the robot; it is in the comments of the file that is written.',
        epilog='exit code: 0 written, with whatever could be taken; 2 the file cannot be read, is '
        'not YAML or has no controller',
    )
    parser.add_argument('file', type=Path, metavar='nav2_params.yaml')
    parser.add_argument('--output', type=Path, metavar='FILE',
                        help='default: standard output; with it the report goes to standard error')
    parser.add_argument('--report', type=Path, metavar='FILE', help='the report alone, as text')
    parser.add_argument('--controller', default='', metavar='NAME',
                        help='the controller plugin, as in FollowPath; default: the one that is '
                        'MPPI, or the first')
    parser.add_argument('--distro', choices=DISTROS, default='',
                        help='whose defaults hold for what is not in the file, Twist or '
                        'TwistStamped among them; default: $ROS_DISTRO, or what the file looks '
                        'like')
    parser.add_argument('--wheelbase', type=_wheelbase, metavar='M',
                        help='distance between the axles of a car [m]; default: an estimate')
    return parser


def _distro(given: str) -> str:
    around = os.environ.get('ROS_DISTRO', '')
    return given or (around if around in DISTROS else '')


def _wheelbase(text: str) -> float:
    name = 'limits.wheelbase'
    value, why = fitted(name, text)
    if value is None or why:
        raise argparse.ArgumentTypeError(f'{text} is outside {INFO[name].range_text}')
    return float(value)


def _complain(message: str) -> int:
    print(f'mppi_import_nav2: {" ".join(message.split())}', file=sys.stderr)
    return 2
