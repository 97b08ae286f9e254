"""mppi_evaluate: run suites of closed-loop episodes and report their results."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import inspect
from pathlib import Path
import signal
import sys
from typing import Any

from mppi_ros.cli import compare, identify, replay
from mppi_ros.cli.arguments import Parser, Subparsers, add_processes, integer, listed
from mppi_ros.cli.console import interruptible, show_table
from mppi_ros.cli.physics_arguments import add_physics, physics_of
from mppi_ros.evaluation import results as result_files
from mppi_ros.evaluation.aggregate import (
    EpisodeRecord,
    reason_of_failure,
    result_content,
    summarise,
    summarise_by_plant,
)
from mppi_ros.evaluation.case import Case
from mppi_ros.evaluation.people.baselines import BASELINES
from mppi_ros.evaluation.request import Request
from mppi_ros.evaluation.suites import SUITES, cases_of
from mppi_ros.parameters.errors import InputError, MppiError

MAX_LISTED_EPISODES = 60  # of more episodes the table lists only those that failed
OUTPUT_OPTIONS = ('json', 'replay', 'gif')  # they do not affect the results
COMMANDS = {'compare': compare.run, 'identify': identify.run, 'replay': replay.run}


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run a suite or one of the other commands.

    Returns
    -------
    int
        0 if every episode passed, 1 if not, 2 for wrong use or bad input.

    """
    options = _parse(sys.argv[1:] if argv is None else argv)
    try:
        with interruptible(signal.SIGTERM):
            if options.suite in COMMANDS:
                return COMMANDS[options.suite](options)
            return _evaluate(options)
    except MppiError as error:
        print(f'mppi_evaluate: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('mppi_evaluate: interrupted', file=sys.stderr)
        return 1


def _evaluate(options: argparse.Namespace) -> int:
    request = Request(
        data=options.data, only=options.only, runs=options.runs, seed=options.seed,
        plants=options.plant, robot=options.robot, params=options.params,
        baseline=getattr(options, 'baseline', ''), generated=getattr(options, 'generated', 0),
        physics=physics_of(options),
    )
    for path in (options.json, options.replay):
        if path:
            result_files.check_writable(path)
    if options.replay and options.gif:
        raise InputError('--replay and --gif exclude each other: both draw the episodes')
    cases = cases_of(options.suite, request)
    machine = result_files.machine()
    if options.replay:
        return _replay(options, cases, machine)
    if options.gif:
        return _films(options, cases, machine)
    results: dict[int, EpisodeRecord] = {}
    whole = False
    try:
        _run(options, cases, results)
        whole = True
    except KeyboardInterrupt:
        print(f'mppi_evaluate: interrupted after {len(results)} of {len(cases)} episodes',
              file=sys.stderr)
    finally:
        episodes = [results[index] for index in sorted(results)]
        if options.json and episodes:
            result_files.write_json(options.json, _content(options, cases, episodes, machine))
    _show(options.suite, episodes)
    return int(not (whole and all(episode['passed'] for episode in episodes)))


def _run(
    options: argparse.Namespace, cases: Sequence[Case], results: dict[int, EpisodeRecord]
) -> None:
    from mppi_ros.evaluation.runner import run_cases

    with _progress(len(cases)) as advance:
        for index, result in run_cases(cases, options.jobs, options.cluster):
            results[index] = result
            advance(not result['passed'])


def _replay(
    options: argparse.Namespace, cases: Sequence[Case], machine: dict[str, Any]
) -> int:
    from mppi_ros.evaluation.animation import writer_of

    if len(cases) != 1:
        raise InputError(
            f'--replay draws one episode, {len(cases)} are chosen: use --only, --plant, --seed'
        )
    write = writer_of(options.replay)
    result, episode = cases[0].run()
    how = reason_of_failure(result) or 'passed'
    case = cases[0]
    title = f'{case.suite} {case.scenario}, {case.plant}, seed {case.seed}: {how}'
    write(episode.trace, options.replay, title)
    if options.json:
        result_files.write_json(options.json, _content(options, cases, [result], machine))
    _show(options.suite, [result])
    return int(not result['passed'])


def _films(
    options: argparse.Namespace, cases: Sequence[Case], machine: dict[str, Any]
) -> int:
    """Run the cases one by one and write a small animation of each."""
    from mppi_ros.evaluation.animation import write_small_animation

    result_files.make_folder(options.gif, '--gif')
    results = []
    for case in cases:
        result, episode = case.run()
        results.append(result)
        more = [case.plant] * (len({each.plant for each in cases}) > 1)
        more += [str(case.seed)] * (len({each.seed for each in cases}) > 1)
        path = options.gif / ('_'.join([case.scenario.replace('/', '_'), *more]) + '.gif')
        write_small_animation(episode.trace, path, case.discs)
        print(f'{path}: {", ".join(result["failed"]) or "passed"}, {path.stat().st_size} bytes')
    if options.json:
        result_files.write_json(options.json, _content(options, cases, results, machine))
    _show(options.suite, results)
    return int(not all(result['passed'] for result in results))


def _content(
    options: argparse.Namespace, cases: Sequence[Case], episodes: Sequence[EpisodeRecord],
    machine: dict[str, Any],
) -> dict[str, Any]:
    request = {
        name: value for name, value in vars(options).items() if name not in OUTPUT_OPTIONS
    }
    return result_content(options.suite, request, cases, episodes, machine)


def _show(suite: str, episodes: Sequence[EpisodeRecord]) -> None:
    if not episodes:
        return
    shown_of_each = (
        'scenario', 'plant', 'seed', 'time_s', 'score', 'min_clearance_m', 'cross_track_rms_m',
        'reversals', 'longest_standing_s',
    )  # fmt: skip
    shown = episodes
    if len(episodes) > MAX_LISTED_EPISODES:
        shown = [each for each in episodes if not each['passed']]
    rows = [
        [*(episode[name] for name in shown_of_each), episode['solve_ms']['p50'],
         reason_of_failure(episode) or 'passed']
        for episode in shown
    ]  # fmt: skip
    if rows:
        title = suite if shown is episodes else f'{suite}: {len(rows)} of {len(episodes)} failed'
        show_table(title, (*shown_of_each, 'solve p50 ms', 'verdict'), rows, keys=3)
    summaries = summarise_by_plant(episodes)
    if len(summaries) > 1:
        summaries['all'] = summarise(episodes)
    columns = ('plant', *next(iter(summaries.values())))
    show_table(suite, columns, [[name, *each.values()] for name, each in summaries.items()])


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
               TextColumn('{task.description}'))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task('', total=total)

        failures = 0

        def advance(failed: bool) -> None:
            nonlocal failures
            failures += failed
            bar.update(task, advance=1, description=f'{failures} failed' if failures else '')

        yield advance


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog='mppi_evaluate',
        description='Run suites of closed-loop episodes without ROS, compare two results, '
        'identify a robot, or replay a record.',
        epilog='exit code of a suite: 0 all episodes passed, 1 an episode failed or the run was '
        'interrupted, 2 invalid arguments or input. Variants of the optimiser are compared by '
        'python -m mppi_ros.cli.ablation, defaults are cross-validated by '
        'python -m mppi_ros.cli.cross_validation.',
    )
    commands = parser.add_subparsers(
        required=True, metavar='SUITE|compare|identify|replay', dest='suite'
    )
    for name, cases in SUITES.items():
        summary = str(inspect.getdoc(cases)).splitlines()[0].split(': ')[0]
        _add_suite(commands, name, summary)
    for command in (compare, identify, replay):
        command.add_parser(commands)
    return parser.parse_args(argv)


def _add_suite(commands: Subparsers, name: str, summary: str) -> None:
    suite = commands.add_parser(name, help=summary, description=summary)
    suite.add_argument(
        '--data', type=Path, metavar='DIR', help='folder with the data of the suite'
    )
    suite.add_argument(
        '--only', type=listed(str), default=(), metavar='A,B', help='run these scenarios only'
    )
    suite.add_argument(
        '--runs', type=integer(1, 100_000), default=1, metavar='N',
        help='runs of each scenario; the seeds start at --seed; default: %(default)s',
    )
    suite.add_argument(
        '--seed', type=integer(0, 2**31 - 1), default=0, metavar='N',
        help='seed of the first run; default: %(default)s',
    )
    add_processes(suite)
    suite.add_argument(
        '--plant', type=listed(str), default=(), metavar='A,B',
        help='dynamics of the simulated robot: nominal, hard, extreme, heavy, ideal',
    )
    suite.add_argument(
        '--robot', default='', metavar='NAME', help='robot in config/robots, or a YAML file'
    )
    suite.add_argument(
        '--params', type=Path, metavar='FILE',
        help='ROS parameter file that overrides the parameters of the robot',
    )
    add_physics(suite)
    suite.add_argument('--json', type=Path, metavar='OUT', help='write the results to OUT')
    suite.add_argument(
        '--replay', type=Path, metavar='FILE',
        help='run the single selected episode and draw it: .png for a picture, .gif for an '
        'animation',
    )
    suite.add_argument(
        '--gif', type=Path, metavar='DIR',
        help='run the episodes one by one and write a small animation of each to DIR',
    )
    if name == 'barn':
        suite.add_argument(
            '--generated', type=integer(1, 100_000), default=0, metavar='N',
            help='generate N worlds from --seed by the published procedure instead of --data',
        )
    if name == 'people':
        suite.add_argument(
            '--baseline', choices=BASELINES, default='',
            help='drive with this baseline instead of the controller',
        )


if __name__ == '__main__':
    raise SystemExit(main())
