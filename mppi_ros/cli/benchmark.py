"""mppi_benchmark: time the solve, also beside peers; drive; time the node; check the theory."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
import itertools
from pathlib import Path
import signal
import sys
from typing import Any

from mppi_ros.cli.arguments import Parser, integer, listed, number
from mppi_ros.cli.console import interruptible, show_table
from mppi_ros.control.parameters import ControllerParameters, read_yaml
from mppi_ros.evaluation import results
from mppi_ros.files import reading, shortened
from mppi_ros.parameters.errors import InputError, MppiError
from mppi_ros.share import share_path

SAMPLES, STEPS = (500, 1000, 2000, 4000, 8000, 16000), (28, 56, 112)
PEER_SAMPLES = (500, 1000, 2000, 4000)
LIMIT_SAMPLES = (2000, 16000)
# Nav2's MPPI (main, a3a97043), one call on map200, 2 vCPU Zen 4: K, T, pace → median [ms].
# With fresh noise in each call at 2000 × 56; with noise drawn once, which is faster, elsewhere.
NAV2_SOLVE = {
    (1000, 56, 'hot'): 0.99,
    (2000, 56, 'hot'): 2.34,
    (4000, 56, 'hot'): 5.34,
    (2000, 100, 'hot'): 4.53,
    (2000, 56, '20Hz'): 4.97,
}
# What names a row; everything else in it is measured.
IDENTITY = (
    'scenario', 'problem', 'program', 'samples', 'steps', 'threads', 'pace', 'phase',
    'costmap_cells', 'what', 'unit', 'law',
)
MEASURED = ('median_ms', 'p99_ms', 'value', 'time_s', 'solve_median_ms', 'measured', 'cost')

Progress = Callable[[str, float], None]
Rows = list[dict[str, Any]]


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one benchmark.

    Returns
    -------
    int
        0 when done and good, 1 when a drive failed or a law does not hold, 2 for wrong use.

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


def _solve(options: argparse.Namespace) -> Rows:
    from mppi_ros.benchmark.solve import load_situation, measure

    situation = load_situation(options.scenario)
    configuration = _configuration(options)
    default = configuration.mppi.samples, configuration.mppi.horizon_steps
    sizes = list(itertools.product(options.samples or SAMPLES, options.steps or STEPS))
    # The whole grid at 20 Hz would take an hour.
    paced = sizes if options.samples or options.steps else [default]
    if default in paced and default not in sizes:
        sizes.append(default)
    with _progress() as progress:
        rows = list(
            measure(
                situation, configuration, sizes, paced, options.threads, options.calls, progress
            )
        )
    rows.sort(key=lambda row: (not row['phase'].startswith('solve'), row['pace'] != 'hot'))
    for row in rows:
        row['scenario'] = situation.name
        if situation.name == 'map200' and row['phase'] == 'solve':
            theirs = NAV2_SOLVE.get((row['samples'], row['steps'], row['pace']))
            row['nav2_median_ms'] = theirs
    return rows


def _show_solve(_options: argparse.Namespace, rows: Rows) -> None:
    columns = ('samples', 'steps', 'threads', 'pace', 'phase', 'median_ms', 'p90_ms', 'p99_ms',
               'p999_ms', 'max_ms', 'ns_per_sample_step', 'nav2_median_ms')
    _show(f'solve on {rows[0]["scenario"]}', columns, rows)


def _peers(options: argparse.Namespace) -> Rows:
    if options.problems:
        return _on_problems(options)
    from mppi_ros.benchmark.peers import measure
    from mppi_ros.benchmark.solve import load_situation

    situation = load_situation(options.scenario)
    sizes = list(itertools.product(options.samples or PEER_SAMPLES, options.steps or (56,)))
    with _progress() as progress:
        rows = list(
            measure(
                situation, _configuration(options), sizes, options.threads, options.calls, progress
            )
        )
    for row in rows:
        row['scenario'] = situation.name
    return rows


def _on_problems(options: argparse.Namespace) -> Rows:
    from mppi_ros.benchmark.peers import peers_on_problems
    from mppi_ros.benchmark.problems import PROBLEMS, measure, our_programs

    names = list(PROBLEMS) if 'all' in options.problems else options.problems
    if unknown := [name for name in names if name not in PROBLEMS]:
        raise InputError(f'{unknown[0]!r} is none of the problems {", ".join(PROBLEMS)}, all')
    programs = {**our_programs(), **peers_on_problems()}
    with _progress() as progress:
        return list(measure(names, options.seeds, programs, progress))


def _show_peers(options: argparse.Namespace, rows: Rows) -> None:
    if options.problems:
        columns = ('problem', 'program', 'samples', 'steps', 'cost', 'cost_error', 'seeds',
                   'command_ms', 'time_ratio')  # fmt: skip
        _show('cost of closed loops, mean and standard error; times in turns', columns, rows)
        return
    columns = ('program', 'samples', 'steps', 'threads', 'median_ms', 'p90_ms', 'p99_ms',
               'max_ms', 'calls')
    _show(f'beside peers on {rows[0]["scenario"]}, in turns', columns, rows)


def _limit(options: argparse.Namespace) -> Rows:
    from mppi_ros.benchmark.limit import measure
    from mppi_ros.benchmark.solve import load_situation

    with _progress() as progress:
        return list(
            measure(
                options.yardstick, load_situation(options.scenario), _configuration(options),
                options.samples or LIMIT_SAMPLES, options.threads, options.calls, progress,
            )
        )  # fmt: skip


def _show_limit(_options: argparse.Namespace, rows: Rows) -> None:
    columns = ('program', 'samples', 'threads', 'pace', 'median_ms', 'p99_ms', 'max_ms', 'ratio',
               'least_ratio')
    _show('beside the yardstick, in turns', columns, rows)


def _closed_loop(options: argparse.Namespace) -> Rows:
    from mppi_ros.benchmark.closed_loop import ROBOT, measure
    from mppi_ros.benchmark.solve import load_situation

    situations = [load_situation(path) for path in options.scenario or (None,)]
    base = read_yaml(share_path('config', 'robots', f'{ROBOT}.yaml'))
    configuration = read_yaml(options.params, base) if options.params else base
    with _progress() as progress:
        return measure(situations, configuration, options.runs, progress)


def _show_closed_loop(_options: argparse.Namespace, rows: Rows) -> None:
    shown = []
    for row in rows:
        nav2 = row['nav2'] or {}
        for who, values in (('mppi_ros', row), ('Nav2', nav2)):
            if values:
                shown.append({'scenario': row['scenario'], 'controller': who, **values})
    columns = ('scenario', 'controller', 'reached', 'runs', 'time_s', 'time_range_s',
               'min_distance_m', 'cross_track_rms_m', 'solve_median_ms', 'solve_p99_ms')
    _show('closed loop at 20 Hz, ideal unicycle', columns, shown)


def _latency(options: argparse.Namespace) -> Rows:
    from mppi_ros.ros import use_wheels

    use_wheels()
    from mppi_ros.benchmark.latency import measure

    _configuration(options)
    with _progress() as progress:
        return measure(
            options.rate, options.seconds, options.cells, options.params, progress,
            stress=options.stress,
        )  # fmt: skip


def _show_latency(options: argparse.Namespace, rows: Rows) -> None:
    timed = [row for row in rows if 'median_ms' in row]
    columns = ('what', 'costmap_cells', 'median_ms', 'p90_ms', 'p99_ms', 'p999_ms', 'max_ms')
    busy = f', {options.stress} busy processes' if options.stress else ''
    title = f'the node over DDS, {options.rate:g} Hz, {options.seconds:g} s{busy}'
    _show(title, columns, timed)
    single = [row for row in rows if 'value' in row]
    _show('the process of the node', ('what', 'costmap_cells', 'value', 'unit'), single)


def _soak(options: argparse.Namespace) -> Rows:
    from mppi_ros.benchmark.soak import measure

    with _progress() as progress:
        return measure(options.ticks, _configuration(options), progress)


def _show_soak(options: argparse.Namespace, rows: Rows) -> None:
    columns = ('phase', 'median_ms', 'p99_ms', 'p999_ms', 'max_ms', 'processor_ms', 'resident_mib')
    _show(f'{options.ticks} ticks of closed loop', columns, [r for r in rows if 'phase' in r])
    _show('what must hold', ('law', 'measured', 'limit', 'holds'), [r for r in rows if 'law' in r])


def _messages(_options: argparse.Namespace) -> Rows:
    from mppi_ros.ros import use_wheels

    use_wheels()
    from mppi_ros.benchmark.messages import measure

    return list(measure())


def _show_messages(_options: argparse.Namespace, rows: Rows) -> None:
    columns = 'what', 'median_ms', 'p99_ms', 'max_ms'
    _show('long messages in the thread of the node', columns, rows)


def _start(_options: argparse.Namespace) -> Rows:
    from mppi_ros.benchmark.startup import measure

    return measure()


def _show_start(_options: argparse.Namespace, rows: Rows) -> None:
    _show('processor time of a start', ('what', 'value', 'unit'), rows)


def _theory(_options: argparse.Namespace) -> Rows:
    from mppi_ros.benchmark.theory import theory_rows

    return [dict(row) for row in theory_rows()]


def _show_theory(_options: argparse.Namespace, rows: Rows) -> None:
    _show('the laws of the score-ascent view',
          ('law', 'predicted', 'measured', 'tolerance', 'holds'), rows)


def _compare(options: argparse.Namespace) -> int:
    """Print this ÷ other for each row of both; without a second result, measure anew."""
    other = _read_result(options.other)
    if options.this:
        this = _read_result(options.this)
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
        told = result['machine']
        print(f'{name}: {told["cpu"]}, {told["cores"]} cores, commit {told["commit"]}')
    _show(f'{this["benchmark"]}: this ÷ other', ('row', 'value', 'other', 'this', 'ratio'), rows)
    return 0


def _read_result(path: Path) -> dict[str, Any]:
    """Return a result of this program from a file."""
    result = results.read_json(path, 'benchmark', 'arguments', 'machine', 'rows')
    for name, kind in (('arguments', str), ('rows', dict)):
        members = result[name]
        if not isinstance(members, list) or not all(isinstance(each, kind) for each in members):
            raise InputError(f'{path}: {name} = {shortened(members)}')
    machine = result['machine']
    if not isinstance(machine, dict) or not {'cpu', 'cores', 'commit'} <= machine.keys():
        raise InputError(f'{path}: machine = {shortened(machine)}')
    return result


def ratios(other: Rows, this: Rows) -> Rows:
    """Return this ÷ other of every measured value in rows that both have, in their order."""

    def name(row: dict[str, Any]) -> str:
        return ', '.join(f'{key} {row[key]}' for key in IDENTITY if row.get(key) is not None)

    known = {name(row): row for row in other}
    found = []
    for row in this:
        before = known.get(name(row), {})
        for value in MEASURED:
            new, old = row.get(value), before.get(value)
            if isinstance(new, (int, float)) and isinstance(old, (int, float)):
                ratio = round(new / old, 4) if old else None
                found.append(
                    {'row': name(row), 'value': value, 'other': old, 'this': new, 'ratio': ratio}
                )
    return found


def _configuration(options: argparse.Namespace) -> ControllerParameters:
    return read_yaml(options.params) if options.params else ControllerParameters()


def _show(title: str, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    used = [name for name in columns if any(row.get(name) is not None for row in rows)]
    show_table(title, used, [[row.get(name) for name in used] for row in rows])


@contextmanager
def _progress() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = BarColumn(), TimeElapsedColumn(), TextColumn('{task.description}')
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task('', total=1.0)
        yield lambda words, share: bar.update(task, description=words, completed=share)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog='mppi_benchmark', description='Time the controller and check it.',
        epilog='exit code: 0 done and good, 1 a drive failed or a law does not hold, 2 wrong use',
    )
    commands = parser.add_subparsers(required=True, metavar='BENCHMARK')

    def command(
        name: str,
        words: str,
        measure: Callable[..., Rows] | None = None,
        show: Callable[..., None] | None = None,
    ) -> Any:
        made = commands.add_parser(name, help=words, description=words)
        made.set_defaults(benchmark=name, measure=measure, show=show, json=None)
        if measure:
            made.add_argument('--json', type=Path, metavar='OUT', help='write the results here')
        if measure not in (None, _theory, _messages, _start):
            made.add_argument('--params', type=Path, metavar='FILE', help="the node's ROS YAML")
        return made

    solve = command('solve', 'time one solve and its phases', _solve, _show_solve)
    peers = command(
        'peers', 'time one solve beside pytorch_mppi, in turns', _peers, _show_peers
    )
    peers.add_argument(
        '--problems', metavar='NAME,NAME', type=lambda text: text.split(','), default=(),
        help='compare the cost reached on well-known problems instead, beside the peers that are '
        "installed; 'all' for all of them",
    )
    peers.add_argument(
        '--seeds', type=integer(1, 10_000), metavar='N', default=20,
        help='runs on each of the problems; default: %(default)s',
    )
    limit = command(
        'limit', 'time one solve beside a step by hand in C++, in turns', _limit, _show_limit
    )
    limit.add_argument(
        '--yardstick', type=Path, metavar='DIR', required=True,
        help='folder of mppi_limit.cpp, mppi_limit.py and limit_problem.py',
    )
    for made, calls, words in (
        (solve, 600, 'in a hot loop, a third of it at 20 Hz'),
        (peers, 200, 'of our own, a quarter of it of a peer'),
        (limit, 600, 'in a hot loop, a third of it at 20 Hz'),
    ):
        made.add_argument(
            '--scenario', type=Path, metavar='FILE.npz',
            help='the situation; default: a built-in one',
        )
        made.add_argument('--samples', type=listed(integer(16, 131072)), metavar='K,K')
        if made is not limit:
            made.add_argument('--steps', type=listed(integer(2, 512)), metavar='T,T')
        made.add_argument('--threads', type=listed(integer(1, 256)), metavar='N,N', default=(1, 2))
        made.add_argument(
            '--calls', type=integer(1, 1_000_000), metavar='N', default=calls,
            help=f'timed calls of each size {words}; default: %(default)s',
        )
    closed = command(
        'closed-loop', 'drive situations Nav2 was measured in', _closed_loop, _show_closed_loop
    )
    closed.add_argument('--scenario', type=Path, metavar='FILE.npz', nargs='+')
    closed.add_argument('--runs', type=integer(1, 10_000), metavar='N', default=10)
    latency = command(
        'latency', 'time the real node over DDS from another process', _latency, _show_latency
    )
    latency.add_argument('--rate', type=number(5.0, 500.0, 'Hz'), metavar='HZ', default=20.0)
    latency.add_argument('--seconds', type=number(1.0, 3600.0, 's'), metavar='S', default=30.0)
    latency.add_argument(
        '--cells', type=listed(integer(60, 5000)), metavar='N,N', default=(60, 200, 1000),
        help='side of the costmap in cells; default: 60,200,1000',
    )
    latency.add_argument(
        '--stress', type=integer(0, 256), metavar='N', default=0,
        help='keep N cores busy with other processes; default: none',
    )
    soak = command('soak', 'drive for very many ticks: memory and time', _soak, _show_soak)
    soak.add_argument(
        '--ticks', type=integer(1000, 1_000_000_000), metavar='N', default=1_000_000,
        help='default: %(default)s',
    )
    command('messages', 'time what the node does with long messages', _messages, _show_messages)
    command('start', 'processor time to compile and to load all kernels', _start, _show_start)
    command('theory', 'check the laws of the theory', _theory, _show_theory)
    compare = command('compare', 'ratio of each row of two results')
    compare.add_argument('other', type=Path, metavar='OTHER.json')
    compare.add_argument(
        'this', type=Path, metavar='THIS.json', nargs='?', help='default: measure now, likewise'
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    raise SystemExit(main())
