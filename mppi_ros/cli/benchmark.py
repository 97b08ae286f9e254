"""mppi_benchmark: computing time of the solve and the node, closed loop, laws of the theory."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
import signal
import sys
from typing import Any

from mppi_ros.benchmark.comparison import Rows, ratios, read_result
from mppi_ros.cli import benchmark_commands as commands
from mppi_ros.cli.arguments import Parser, integer, listed, number
from mppi_ros.cli.console import interruptible
from mppi_ros.evaluation import results
from mppi_ros.files import reading
from mppi_ros.parameters.errors import InputError, MppiError


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one benchmark.

    Returns
    -------
    int
        0 on success, 1 if a drive failed or a law does not hold, 2 for invalid arguments or input.

    """
    argv = sys.argv[1:] if argv is None else argv
    options = _parse(argv)
    try:
        if options.json:
            results.check_writable(options.json)
        with interruptible(signal.SIGTERM):
            if options.benchmark == 'compare':
                return _compare(options)
            result = _measure(options, argv)
            if options.json:
                results.write_json(options.json, result)
            _report(options, result)
            return int(not all(map(_is_good, result['rows'])))
    except MppiError as error:
        print(f'mppi_benchmark: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('mppi_benchmark: interrupted, nothing was written', file=sys.stderr)
        return 1


def _measure(options: argparse.Namespace, argv: Sequence[str]) -> dict[str, Any]:
    machine = results.machine()
    rows = options.measure(options)
    return {
        'benchmark': options.benchmark, 'arguments': list(argv), 'machine': machine, 'rows': rows
    }


def _report(options: argparse.Namespace, result: dict[str, Any]) -> None:
    options.show(options, result['rows'])
    machine = result['machine']
    print(
        f'{machine["cpu"]}, {machine["cores"]} cores, load before {machine["load"]}, numba '
        f'{machine["numba"]} ({machine["thread_layer"]}), commit {machine["commit"]}'
    )


def _is_good(row: dict[str, Any]) -> bool:
    return bool(row.get('holds', True)) and row.get('reached', 0) == row.get('runs', 0)


def _compare(options: argparse.Namespace) -> int:
    """Print this ÷ other for each row in common; measure again if there is no second file."""
    other = read_result(options.other)
    if options.this:
        this = read_result(options.this)
    else:
        this = _measure(_parse(other['arguments']), other['arguments'])
    if other['benchmark'] != this['benchmark']:
        raise InputError(
            f'{options.this} holds {this["benchmark"]}, {options.other} {other["benchmark"]}'
        )
    with reading(options.other, 'a result to compare with'):
        rows = ratios(other['rows'], this['rows'])
    if not rows:
        raise InputError(f'{options.other} has no row in common with this')
    for name, result in (('other', other), ('this', this)):
        machine = result['machine']
        print(f'{name}: {machine["cpu"]}, {machine["cores"]} cores, commit {machine["commit"]}')
    commands.show_rows(
        f'{this["benchmark"]}: this ÷ other', ('row', 'value', 'other', 'this', 'ratio'), rows
    )
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog='mppi_benchmark',
        description='Measure the controller, and check the laws of the theory.',
        epilog='exit code: 0 success, 1 a drive failed or a law does not hold, 2 invalid '
        'arguments or input',
    )
    subparsers = parser.add_subparsers(required=True, metavar='BENCHMARK')

    def command(
        name: str,
        summary: str,
        measure: Callable[..., Rows] | None = None,
        show: Callable[..., None] | None = None,
        *,
        takes_parameters: bool = True,
    ) -> Parser:
        added = subparsers.add_parser(name, help=summary, description=summary)
        added.set_defaults(benchmark=name, measure=measure, show=show, json=None)
        if measure:
            added.add_argument('--json', type=Path, metavar='OUT', help='write the results to OUT')
        if measure and takes_parameters:
            added.add_argument(
                '--params', type=Path, metavar='FILE', help='ROS parameter file of the node'
            )
        return added

    solve = command(
        'solve', 'time one solve and its phases', commands.solve, commands.show_solve
    )
    peers = command(
        'peers', 'time one solve alternately with pytorch_mppi', commands.peers,
        commands.show_peers,
    )
    peers.add_argument(
        '--problems', metavar='NAME,NAME', type=lambda text: text.split(','), default=(),
        help='compare the cost on standard problems with that of all installed peers instead; '
        "'all' for all problems",
    )
    peers.add_argument(
        '--seeds', type=integer(1, 10_000), metavar='N', default=20,
        help='runs of each problem; default: %(default)s',
    )
    tuners = command(
        'tuners', 'compare the search of mppi_tune with pytorch_mppi.autotune', commands.tuners,
        commands.show_tuners, takes_parameters=False,
    )
    tuners.add_argument(
        '--evaluations', type=listed(integer(1, 100_000)), metavar='N,N',
        default=(22, 55, 110, 220),
        help='evaluations after which the cost is measured; default: 22,55,110,220',
    )
    tuners.add_argument(
        '--seeds', type=integer(1, 1000), metavar='N', default=5,
        help='searches of each tuner; default: %(default)s',
    )
    limit = command(
        'limit', 'time one solve alternately with a hand-written C++ step', commands.limit,
        commands.show_limit,
    )
    limit.add_argument(
        '--yardstick', type=Path, metavar='DIR', required=True,
        help='folder with mppi_limit.cpp, mppi_limit.py and limit_problem.py',
    )
    for added, calls, share in (
        (solve, 600, 'in a hot loop; a third of it at 20 Hz'),
        (peers, 200, 'of mppi_ros; a quarter of it of a peer'),
        (limit, 600, 'in a hot loop; a third of it at 20 Hz'),
    ):
        added.add_argument(
            '--scenario', type=Path, metavar='FILE.npz',
            help='situation to solve; default: a built-in one',
        )
        added.add_argument(
            '--samples', type=listed(integer(16, 131072)), metavar='K,K', help='sample counts'
        )
        if added is not limit:
            added.add_argument(
                '--steps', type=listed(integer(2, 512)), metavar='T,T', help='horizon lengths'
            )
        added.add_argument(
            '--threads', type=listed(integer(1, 256)), metavar='N,N', default=(1, 2),
            help='thread counts; default: 1,2',
        )
        added.add_argument(
            '--calls', type=integer(1, 1_000_000), metavar='N', default=calls,
            help=f'timed calls of each size {share}; default: %(default)s',
        )
    solve.add_argument(
        '--obstacles', type=listed(integer(1, 1000)), metavar='N,N', default=(),
        help='also solve among N moving obstacles within 6 m of the robot',
    )
    closed = command(
        'closed-loop', 'drive the situations that Nav2 was measured in', commands.closed_loop,
        commands.show_closed_loop,
    )
    closed.add_argument(
        '--scenario', type=Path, metavar='FILE.npz', nargs='+',
        help='situations to drive; default: a built-in one',
    )
    closed.add_argument(
        '--runs', type=integer(1, 10_000), metavar='N', default=10,
        help='drives in each situation; default: %(default)s',
    )
    latency = command(
        'latency', 'time the node over DDS from another process', commands.latency,
        commands.show_latency,
    )
    latency.add_argument(
        '--rate', type=number(5.0, 500.0, 'Hz'), metavar='HZ', default=20.0,
        help='control rate; default: %(default)g',
    )
    latency.add_argument(
        '--seconds', type=number(1.0, 3600.0, 's'), metavar='S', default=30.0,
        help='duration of a measurement; default: %(default)g',
    )
    latency.add_argument(
        '--cells', type=listed(integer(60, 5000)), metavar='N,N', default=(60, 200, 1000),
        help='side lengths of the costmap in cells; default: 60,200,1000',
    )
    latency.add_argument(
        '--stress', type=integer(0, 256), metavar='N', default=0,
        help='number of cores to keep busy with other processes; default: %(default)s',
    )
    latency.add_argument(
        '--dashboard', type=integer(0, 1000), metavar='N', default=0,
        help='measure each costmap N times without and with the live page open in headless '
        'Chromium, in turns; default: %(default)s',
    )
    soak = command(
        'soak', 'measure memory and time over a long closed loop', commands.soak,
        commands.show_soak,
    )
    soak.add_argument(
        '--ticks', type=integer(1000, 1_000_000_000), metavar='N', default=1_000_000,
        help='number of control ticks; default: %(default)s',
    )
    command(
        'messages', 'time the processing of long messages', commands.messages,
        commands.show_messages, takes_parameters=False,
    )
    command(
        'start', 'measure the processor time to compile and load all kernels', commands.start,
        commands.show_start, takes_parameters=False,
    )
    command(
        'theory', 'check the laws of the theory', commands.theory, commands.show_theory,
        takes_parameters=False,
    )
    compare = command('compare', 'print the ratio of each row of two results')
    compare.add_argument('other', type=Path, metavar='OTHER.json')
    compare.add_argument(
        'this', type=Path, metavar='THIS.json', nargs='?',
        help='default: measure again with the arguments of OTHER',
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    raise SystemExit(main())
