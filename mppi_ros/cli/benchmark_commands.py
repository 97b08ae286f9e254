"""Measurement and printed tables of each benchmark of mppi_benchmark."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
import itertools
from typing import Any

from mppi_ros.cli.console import show_table
from mppi_ros.control.parameters import ControllerParameters, read_yaml
from mppi_ros.parameters.errors import InputError
from mppi_ros.share import share_path

SAMPLES, STEPS = (500, 1000, 2000, 4000, 8000, 16000), (28, 56, 112)
PEER_SAMPLES = (500, 1000, 2000, 4000)
LIMIT_SAMPLES = (2000, 16000)
# Median [ms] of one call of Nav2's MPPI (main, a3a97043) on map200, 2 vCPU Zen 4, by K, T, pace.
# At 2000 × 56 each call draws new noise; elsewhere it is drawn once, which is faster.
NAV2_SOLVE_MS = {
    (1000, 56, 'hot'): 0.99,
    (2000, 56, 'hot'): 2.34,
    (4000, 56, 'hot'): 5.34,
    (2000, 100, 'hot'): 4.53,
    (2000, 56, '20Hz'): 4.97,
}

Progress = Callable[[str, float], None]
Rows = list[dict[str, Any]]


def solve(options: argparse.Namespace) -> Rows:
    """Time the solve and its phases on a grid of sizes."""
    from mppi_ros.benchmark.situation import load_situation
    from mppi_ros.benchmark.solve import measure

    situation = load_situation(options.scenario)
    configuration = _configuration(options)
    default = configuration.mppi.samples, configuration.mppi.horizon_steps
    sizes = list(itertools.product(options.samples or SAMPLES, options.steps or STEPS))
    # The complete grid at 20 Hz would take an hour.
    paced = sizes if options.samples or options.steps else [default]
    if default in paced and default not in sizes:
        sizes.append(default)
    with _progress() as progress:
        rows = list(
            measure(
                situation, configuration, sizes, paced, options.threads, options.calls, progress,
                options.obstacles,
            )  # fmt: skip
        )
    rows.sort(key=lambda row: (not row['phase'].startswith('solve'), row['pace'] != 'hot'))
    for row in rows:
        row['scenario'] = situation.name
        if situation.name == 'map200' and row['phase'] == 'solve':
            nav2_ms = NAV2_SOLVE_MS.get((row['samples'], row['steps'], row['pace']))
            row['nav2_median_ms'] = nav2_ms
    return rows


def show_solve(_options: argparse.Namespace, rows: Rows) -> None:
    """Print the measured rows."""
    columns = ('samples', 'steps', 'threads', 'pace', 'phase', 'median_ms', 'p90_ms', 'p99_ms',
               'p999_ms', 'max_ms', 'ns_per_sample_step', 'nav2_median_ms')
    show_rows(f'solve on {rows[0]["scenario"]}', columns, rows)


def peers(options: argparse.Namespace) -> Rows:
    """Time the solve alternately with peers, or compare costs on problems."""
    if options.problems:
        return _on_problems(options)
    from mppi_ros.benchmark.peers import measure
    from mppi_ros.benchmark.situation import load_situation

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
        raise InputError(f'{unknown[0]!r} is not one of the problems {", ".join(PROBLEMS)}, all')
    programs = {**our_programs(), **peers_on_problems()}
    with _progress() as progress:
        return list(measure(names, options.seeds, programs, progress))


def show_peers(options: argparse.Namespace, rows: Rows) -> None:
    """Print the measured rows."""
    if options.problems:
        columns = ('problem', 'program', 'samples', 'steps', 'cost', 'cost_error', 'seeds',
                   'command_ms', 'time_ratio')  # fmt: skip
        show_rows('cost of closed loops, mean and standard error; alternating runs', columns, rows)
        return
    columns = ('program', 'samples', 'steps', 'threads', 'median_ms', 'p90_ms', 'p99_ms',
               'max_ms', 'calls')
    show_rows(f'alternating with peers on {rows[0]["scenario"]}', columns, rows)


def tuners(options: argparse.Namespace) -> Rows:
    """Compare the search of mppi_tune with that of pytorch_mppi."""
    from mppi_ros.benchmark.tuners import measure

    with _progress() as progress:
        return list(measure(options.evaluations, options.seeds, progress))


def show_tuners(_options: argparse.Namespace, rows: Rows) -> None:
    """Print the measured rows."""
    columns = ('controller', 'tuner', 'evaluations', 'cost', 'least', 'greatest', 'seeds',
               'seconds')
    show_rows('cost of plans round a hill with tuned λ and Σ, unseen seeds', columns, rows)


def limit(options: argparse.Namespace) -> Rows:
    """Time the solve alternately with the hand-written C++ step."""
    from mppi_ros.benchmark.limit import measure
    from mppi_ros.benchmark.situation import load_situation

    with _progress() as progress:
        return list(
            measure(
                options.yardstick, load_situation(options.scenario), _configuration(options),
                options.samples or LIMIT_SAMPLES, options.threads, options.calls, progress,
            )
        )  # fmt: skip


def show_limit(_options: argparse.Namespace, rows: Rows) -> None:
    """Print the measured rows."""
    columns = ('program', 'samples', 'threads', 'pace', 'median_ms', 'p99_ms', 'max_ms', 'ratio',
               'least_ratio')
    show_rows('alternating with the hand-written step', columns, rows)


def closed_loop(options: argparse.Namespace) -> Rows:
    """Drive the situations that Nav2 was measured in."""
    from mppi_ros.benchmark.closed_loop import ROBOT, measure
    from mppi_ros.benchmark.situation import load_situation

    situations = [load_situation(path) for path in options.scenario or (None,)]
    base = read_yaml(share_path('config', 'robots', f'{ROBOT}.yaml'))
    configuration = read_yaml(options.params, base) if options.params else base
    with _progress() as progress:
        return measure(situations, configuration, options.runs, progress)


def show_closed_loop(_options: argparse.Namespace, rows: Rows) -> None:
    """Print the measured rows."""
    shown = []
    for row in rows:
        nav2 = row['nav2'] or {}
        for controller, values in (('mppi_ros', row), ('Nav2', nav2)):
            if values:
                shown.append({'scenario': row['scenario'], 'controller': controller, **values})
    columns = ('scenario', 'controller', 'reached', 'runs', 'time_s', 'time_range_s',
               'min_distance_m', 'cross_track_rms_m', 'solve_median_ms', 'solve_p99_ms')
    show_rows('closed loop at 20 Hz, ideal unicycle', columns, shown)


def latency(options: argparse.Namespace) -> Rows:
    """Time the node over DDS from another process."""
    from mppi_ros.ros import use_wheels

    use_wheels()
    from mppi_ros.benchmark.latency import measure

    _configuration(options)
    with _progress() as progress:
        return measure(
            options.rate, options.seconds, options.cells, options.params, progress,
            stress=options.stress, turns=options.dashboard,
        )  # fmt: skip


def show_latency(options: argparse.Namespace, rows: Rows) -> None:
    """Print the measured rows."""
    timed = [row for row in rows if 'median_ms' in row]
    run = ('what', 'costmap_cells', 'page', 'turn')
    columns = (*run, 'median_ms', 'p90_ms', 'p99_ms', 'p999_ms', 'max_ms')
    busy = f', {options.stress} busy processes' if options.stress else ''
    title = f'the node over DDS, {options.rate:g} Hz, {options.seconds:g} s{busy}'
    show_rows(title, columns, timed)
    single = [row for row in rows if 'value' in row]
    show_rows('the process of the node', (*run, 'value', 'unit'), single)


def soak(options: argparse.Namespace) -> Rows:
    """Measure memory and time over many ticks of closed loop."""
    from mppi_ros.benchmark.soak import measure

    with _progress() as progress:
        return measure(options.ticks, _configuration(options), progress)


def show_soak(options: argparse.Namespace, rows: Rows) -> None:
    """Print the measured rows."""
    columns = ('phase', 'median_ms', 'p99_ms', 'p999_ms', 'max_ms', 'processor_ms', 'resident_mib')
    show_rows(f'{options.ticks} ticks of closed loop', columns, [r for r in rows if 'phase' in r])
    laws = [row for row in rows if 'law' in row]
    show_rows('requirements', ('law', 'measured', 'limit', 'holds'), laws)


def messages(_options: argparse.Namespace) -> Rows:
    """Time the processing of long messages."""
    from mppi_ros.ros import use_wheels

    use_wheels()
    from mppi_ros.benchmark.messages import measure

    return list(measure())


def show_messages(_options: argparse.Namespace, rows: Rows) -> None:
    """Print the measured rows."""
    columns = 'what', 'median_ms', 'p99_ms', 'max_ms'
    show_rows('long messages in the thread of the node', columns, rows)


def start(_options: argparse.Namespace) -> Rows:
    """Measure the processor time to compile and load all kernels."""
    from mppi_ros.benchmark.startup import measure

    return measure()


def show_start(_options: argparse.Namespace, rows: Rows) -> None:
    """Print the measured rows."""
    show_rows('processor time of a start', ('what', 'value', 'unit'), rows)


def theory(_options: argparse.Namespace) -> Rows:
    """Check the laws of the theory."""
    from mppi_ros.benchmark.theory import theory_rows

    return [dict(row) for row in theory_rows()]


def show_theory(_options: argparse.Namespace, rows: Rows) -> None:
    """Print the measured rows."""
    show_rows('the laws of the score-ascent view',
          ('law', 'predicted', 'measured', 'tolerance', 'holds'), rows)


def _configuration(options: argparse.Namespace) -> ControllerParameters:
    return read_yaml(options.params) if options.params else ControllerParameters()


def show_rows(title: str, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Print those columns of a table that hold a value."""
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
        yield lambda text, share: bar.update(task, description=text, completed=share)
