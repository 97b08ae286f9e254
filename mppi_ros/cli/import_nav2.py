"""mppi_import_nav2: convert the parameters of a Nav2 controller, and report the differences."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import os
from pathlib import Path
import sys

from mppi_ros.cli.arguments import Parser
from mppi_ros.nav2_import.convert import convert
from mppi_ros.nav2_import.distro import DISTROS
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
        0 if the file was written, 2 if the input cannot be converted.

    """
    options = _parser().parse_args(argv)
    try:
        done = convert(read(options.file), options.controller, _distro(options.distro),
                       options.wheelbase)
        text = write(done, options.file.name)
        lines = [f'{done.controller}, {done.release}', *filter(None, [done.hint]),
                 *(line for part in Part for line in report(done, part))]
        summary = '\n'.join(lines) + '\n'
        if options.report:
            options.report.write_text(summary, 'utf-8')
        if options.output:
            options.output.write_text(text, 'utf-8')
            print(summary, end='', file=sys.stderr)
        else:
            print(text, end='')
    except OSError as error:
        return _fail(f'{error.filename}: {error.strerror}')
    except ParameterError as error:
        return _fail(f'{options.file}: {error}')
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog='mppi_import_nav2',
        description="Convert the parameters of Nav2's controller server, local costmap and "
        'velocity smoother (branches humble to main) to those of mppi_controller: limits, '
        'horizon, samples, tolerances and footprint; for MPPI also the weights, relative to the '
        'defaults of Nav2. A report lists the parameters that were converted, changed and left '
        'out, and those to be measured on the robot. It is included in the output as comments.',
        epilog='exit code: 0 the output was written, 2 the file cannot be read, is not YAML, has '
        'no controller, no known parameter of one, or no valid key ros__parameters',
    )
    parser.add_argument('file', type=Path, metavar='nav2_params.yaml')
    parser.add_argument('--output', type=Path, metavar='FILE',
                        help='write to FILE and print the report to standard error; default: '
                        'standard output')
    parser.add_argument('--report', type=Path, metavar='FILE',
                        help='write the report to FILE as text')
    parser.add_argument('--controller', default='', metavar='NAME',
                        help='name of the controller plugin, such as FollowPath; default: the '
                        'MPPI controller, or else the first')
    parser.add_argument('--distro', choices=DISTROS, default='',
                        help='distribution whose defaults apply to parameters that the file '
                        'does not set, and that selects Twist or TwistStamped; default: '
                        '$ROS_DISTRO, or a guess from the file')
    parser.add_argument('--wheelbase', type=_wheelbase, metavar='M',
                        help='distance between the axles of a car [m]; default: an estimate from '
                        'the footprint')
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


def _fail(message: str) -> int:
    print(f'mppi_import_nav2: {" ".join(message.split())}', file=sys.stderr)
    return 2
