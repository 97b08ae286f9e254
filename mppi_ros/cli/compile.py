"""mppi_compile: compile the kernels ahead of the first start of the controller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
import sys
import time

from mppi_ros.cli.arguments import Parser
from mppi_ros.control.parameters import ControllerParameters, read_yaml
from mppi_ros.control.warm_up import warm_up
from mppi_ros.driving.motion_models import MODELS
from mppi_ros.jit.cache import is_writable
from mppi_ros.parameters.errors import MppiError
from mppi_ros.ros import use_wheels

# They compile their kernels when they are imported.
NODES = ('controller.node', 'kinematic_simulator', 'path_planner')


def main(argv: Sequence[str] | None = None) -> int:
    """
    Compile all kernels into the cache.

    Returns
    -------
    int
        0 if the next start finds them, 1 if the cache is not writable, 2 for invalid input.

    """
    options = _parser().parse_args(argv)
    begun = time.monotonic()
    try:
        configurations = {str(file): read_yaml(file) for file in options.params}
    except MppiError as error:
        print(f'mppi_compile: {error}', file=sys.stderr)
        return 2
    models = MODELS if options.all else [] if configurations else ['diff_drive']
    for model in models:
        configurations[model] = replace(ControllerParameters(), motion_model=model)
    for name, configuration in configurations.items():
        print(f'compiling the kernels for {name}', flush=True)
        try:
            warm_up(configuration)
        except MppiError as error:
            print(f'mppi_compile: {name}: {error}', file=sys.stderr)
            return 2
    print('compiling the kernels of the simulation', flush=True)
    try:
        use_wheels()
        for node in NODES:
            import_module(f'mppi_ros.nodes.{node}')
    except ImportError as error:
        print(f'not those of the nodes: {error}')
    if not is_writable():
        print('mppi_compile: the cache is not writable', file=sys.stderr)
        return 1
    print(f'all kernels are ready after {time.monotonic() - begun:.1f} s')
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog='mppi_compile',
        description='Compile the kernels of the controller and of the simulator into the cache, '
        'so that the first start loads them, for example in the image of a robot. The cache is '
        'that of the user, the processor and the sources: run it as the user of the controller.',
        epilog='exit code: 0 success, 1 the cache is not writable, 2 invalid input',
    )
    parser.add_argument(
        '--params', type=Path, action='append', default=[], metavar='FILE',
        help='parameters of a robot, for its motion model; may be repeated (default: diff_drive)',
    )
    parser.add_argument('--all', action='store_true', help='for all motion models')
    return parser
