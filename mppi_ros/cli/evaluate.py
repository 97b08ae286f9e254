"""mppi_evaluate: drive suites of episodes and tell in numbers how well it went."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import os
from pathlib import Path
import sys
from typing import Any

import numpy as np

from mppi_ros import __version__
from mppi_ros.cli.arguments import Parser, integer, listed
from mppi_ros.evaluation import results as result_files
from mppi_ros.evaluation.bootstrap import CONFIDENCE
from mppi_ros.evaluation.case import Case
from mppi_ros.evaluation.people.metrics import summary as people_summary
from mppi_ros.evaluation.results import show_table
from mppi_ros.evaluation.suites import SUITES, Request, cases_of
from mppi_ros.parameters.declaration import flatten
from mppi_ros.parameters.errors import InputError, MppiError

FULL = 60  # episodes of which the table still shows each one

Result = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run a suite, compare two results, or identify a robot.

    Returns
    -------
    int
        0 if every episode passed, 1 if not, 2 for wrong use or bad input.

    """
    options = _parse(sys.argv[1:] if argv is None else argv)
    try:
        with result_files.interruptible():
            act = {'compare': _compare, 'identify': _identify, 'replay': _repeat}.get(
                options.suite, _evaluate
            )
            return act(options)
    except MppiError as error:
        print(f'mppi_evaluate: {error}', file=sys.stderr)
        return 2


def _evaluate(options: argparse.Namespace) -> int:
    request = Request(
        data=options.data, only=options.only, runs=options.runs, seed=options.seed,
        plants=options.plant, robot=options.robot, params=options.params,
        baseline=getattr(options, 'baseline', ''),
    )
    for path in (options.json, options.replay):
        if path:
            result_files.check_writable(path)
    cases = cases_of(options.suite, request)
    machine = result_files.machine()
    if options.replay:
        return _replay(options, cases, machine)
    if options.gif:
        return _films(options.gif, cases)
    results: dict[int, Result] = {}
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


def _run(options: argparse.Namespace, cases: Sequence[Case], results: dict[int, Result]) -> None:
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
    how = 'passed' if result['passed'] else 'failed: ' + ', '.join(result['failed'])
    case = cases[0]
    title = f'{case.suite} {case.scenario}, {case.plant}, seed {case.seed}: {how}'
    write(episode.trace, options.replay, title)
    if options.json:
        result_files.write_json(options.json, _content(options, cases, [result], machine))
    _show(options.suite, [result])
    return int(not result['passed'])


def _films(folder: Path, cases: Sequence[Case]) -> int:
    """Run the cases one by one and leave a small film of each."""
    from mppi_ros.evaluation.animation import write_small_film

    folder.mkdir(parents=True, exist_ok=True)
    passed = True
    for case in cases:
        result, episode = case.run()
        passed &= result['passed']
        more = [case.plant] * (len({each.plant for each in cases}) > 1)
        more += [str(case.seed)] * (len({each.seed for each in cases}) > 1)
        path = folder / ('_'.join([case.scenario.replace('/', '_'), *more]) + '.gif')
        write_small_film(episode.trace, path, case.discs)
        print(f'{path}: {", ".join(result["failed"]) or "passed"}, {path.stat().st_size} bytes')
    return int(not passed)


def _content(
    options: argparse.Namespace, cases: Sequence[Case], episodes: Sequence[Result],
    machine: dict[str, Any],
) -> dict[str, Any]:
    flat = {each: flatten(each) for each in dict.fromkeys(case.configuration for case in cases)}
    first, *others = flat.values()
    shared = {
        name: value for name, value in first.items()
        if all(each[name] == value for each in others)
    }  # fmt: skip
    own = {
        case.scenario: {
            name: value for name, value in flat[case.configuration].items() if name not in shared
        }
        for case in cases
    }
    return {
        'suite': options.suite,
        'version': __version__,
        'machine': machine,
        'request': {
            name: [str(each) for each in value] if isinstance(value, tuple) else
            str(value) if isinstance(value, Path) else value
            for name, value in vars(options).items() if name not in ('json', 'replay', 'gif')
        },
        'parameters': shared,
        'parameters_of_scenario': {name: each for name, each in own.items() if each},
        'summary': summarise(episodes),
        'summary_of_plant': _of_plants(episodes),
        'episodes': list(episodes),
    }  # fmt: skip


def summarise(episodes: Sequence[Result]) -> dict[str, Any]:
    """Return the rates and means over episodes; the mean time is over the successful ones."""

    def rate(name: str) -> float:
        return round(float(np.mean([bool(episode[name]) for episode in episodes])), 4)

    def mean(values: Sequence[float]) -> float | None:
        return round(float(np.mean(values)), 4) if values else None

    # As BARN reports it: the mean over scenarios of the mean over their runs.
    by_scenario: dict[str, list[float]] = {}
    for episode in episodes:
        by_scenario.setdefault(episode['scenario'], []).append(episode['score'])
    succeeded = [episode for episode in episodes if episode['success']]
    return {
        'episodes': len(episodes),
        'success_rate': rate('success'),
        'collision_rate': rate('collision'),
        'timeout_rate': rate('timeout'),
        'pass_rate': rate('passed'),
        'mean_score': mean([float(np.mean(scores)) for scores in by_scenario.values()]),
        'mean_time_s': mean([episode['time_s'] for episode in succeeded]),
        'min_clearance_m': min(episode['min_clearance_m'] for episode in episodes),
        'mean_solve_ms': mean(
            [p50 for episode in episodes if np.isfinite(p50 := episode['solve_ms']['p50'])]
        ),
        **people_summary(episodes),
    }


def _show(suite: str, episodes: Sequence[Result]) -> None:
    if not episodes:
        return
    shown_of_each = (
        'scenario', 'plant', 'seed', 'time_s', 'score', 'min_clearance_m', 'cross_track_rms_m',
        'reversals', 'longest_standing_s',
    )  # fmt: skip
    shown = [e for e in episodes if not e['passed']] if len(episodes) > FULL else episodes
    rows = [
        [*(episode[name] for name in shown_of_each), episode['solve_ms']['p50'],
         ', '.join(_failures(episode)) or 'passed']
        for episode in shown
    ]  # fmt: skip
    if rows:
        title = suite if shown is episodes else f'{suite}: {len(rows)} of {len(episodes)} failed'
        show_table(title, (*shown_of_each, 'solve p50 ms', 'verdict'), rows)
    summaries = _of_plants(episodes)
    if len(summaries) > 1:
        summaries['all'] = summarise(episodes)
    columns = ('plant', *next(iter(summaries.values())))
    show_table(suite, columns, [[name, *each.values()] for name, each in summaries.items()])


def _of_plants(episodes: Sequence[Result]) -> dict[str, dict[str, Any]]:
    plants = dict.fromkeys(episode['plant'] for episode in episodes)
    return {
        plant: summarise([episode for episode in episodes if episode['plant'] == plant])
        for plant in plants
    }


def _failures(episode: Result) -> list[str]:
    kind = 'contact' if episode['collision'] else 'time-out' if episode['timeout'] else ''
    rest = [name for name in episode['failed'] if name not in ('reached', 'no contact')]
    if not (kind or episode['success']):
        kind = f'stopped elsewhere ({episode["reason"]})'
    return [f'not {name}' for name in rest] if not kind else [kind]


def _compare(options: argparse.Namespace) -> int:
    from mppi_ros.evaluation.comparison import (
        changed,
        check_episodes,
        differences,
        name_of,
        pair,
    )

    a, b = (result_files.read_json(path, 'suite', 'episodes') for path in (options.a, options.b))
    for path, result in ((options.a, a), (options.b, b)):
        check_episodes(path, result['episodes'])
    if a['suite'] != b['suite']:
        raise InputError(f'{options.a} holds suite {a["suite"]}, {options.b} {b["suite"]}')
    pairs = pair(a['episodes'], b['episodes'])
    found = differences(pairs)
    share = f'{100 * CONFIDENCE:.0f} %'
    show_table(
        f'{a["suite"]}: B − A over {len(pairs)} paired episodes',
        ('measure', 'pairs', 'A', 'B', 'B − A', f'{share} from', 'to', 'verdict'),
        [[d.measure, d.pairs, d.before, d.after, d.mean, d.low, d.high, d.verdict] for d in found],
    )
    better, worse = changed(pairs)
    for word, episodes in (('better', better), ('worse', worse)):
        print(f'{len(episodes)} episodes got {word}')
        for one, two in episodes:
            print(f'  {name_of(one)}: {_told(one)} → {_told(two)}')
    if options.json:
        result_files.write_json(options.json, {
            'comparison': a['suite'], 'pairs': len(pairs), 'confidence': CONFIDENCE,
            'differences': [{**vars(d), 'verdict': d.verdict} for d in found],
            'better': [name_of(one) for one, _ in better],
            'worse': [name_of(one) for one, _ in worse],
        })  # fmt: skip
    return 0


def _identify(options: argparse.Namespace) -> int:
    from mppi_ros.evaluation import identify

    if options.json:
        result_files.check_writable(options.json)
    found = identify.identify(options.bag, options.odom, options.cmd)
    if options.json:
        result_files.write_json(options.json, identify.content(options.bag, found))
    identify.show(options.bag, found)
    return int(not all(told.trusted for told in found.values()))


def _repeat(options: argparse.Namespace) -> int:
    from mppi_ros.evaluation.replay import replay

    if options.json:
        result_files.check_writable(options.json)
    return replay(options.record, options.tick, options.json)


def _told(episode: Result) -> str:
    words = ', '.join(_failures(episode)) if episode.get('failed') else ''
    return words or f'score {episode["score"]:.3f} in {episode["time_s"]:.1f} s'


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
        description='Drive suites of episodes without ROS, compare two results, identify a robot.',
        epilog='exit code: 0 every episode passed, 1 one did not, 2 wrong use or bad input',
    )
    cores = len(os.sched_getaffinity(0))
    suites = parser.add_subparsers(
        required=True, metavar='SUITE|compare|identify|replay', dest='suite'
    )
    for name in SUITES:
        words = str(SUITES[name].__doc__).split(': ')[0].splitlines()[0]
        suite = suites.add_parser(name, help=words, description=words)
        suite.add_argument('--data', type=Path, metavar='DIR', help="folder of the suite's files")
        suite.add_argument(
            '--only', type=listed(str), default=(), metavar='A,B', help='these scenarios alone'
        )
        suite.add_argument(
            '--runs', type=integer(1, 100_000), default=1, metavar='N',
            help='of each scenario, with seeds from --seed on',
        )
        suite.add_argument('--seed', type=integer(0, 2**31 - 1), default=0, metavar='N')
        suite.add_argument(
            '--jobs', type=integer(1, 1024), default=cores, metavar='N',
            help='processes; the results do not depend on it; default: %(default)s, the cores',
        )
        suite.add_argument(
            '--cluster', default='', metavar='ADDRESS', help='run on a Dask cluster, same results'
        )
        suite.add_argument(
            '--plant', type=listed(str), default=(), metavar='A,B',
            help='how the robot truly answers: nominal, hard, extreme, heavy, ideal',
        )
        suite.add_argument(
            '--robot', default='', metavar='NAME', help='of config/robots, or a YAML file'
        )
        suite.add_argument(
            '--params', type=Path, metavar='FILE', help="the node's ROS YAML, over the robot's"
        )
        suite.add_argument('--json', type=Path, metavar='OUT', help='write the results here')
        suite.add_argument(
            '--replay', type=Path, metavar='FILE',
            help='run the one episode chosen and draw it: .png a picture, .gif a film',
        )
        suite.add_argument(
            '--gif', type=Path, metavar='DIR',
            help='run the episodes one by one and leave a small film of each in this folder',
        )
    from mppi_ros.evaluation.people.baselines import BASELINES

    suites.choices['people'].add_argument(
        '--baseline', choices=BASELINES, default='', help='drive so instead of the controller'
    )
    compare = suites.add_parser('compare', help='two results, paired episode by episode')
    compare.add_argument('a', type=Path, metavar='A.json')
    compare.add_argument('b', type=Path, metavar='B.json')
    compare.add_argument('--json', type=Path, metavar='OUT', help='write the comparison here')
    identify = suites.add_parser('identify', help='what a recording says of a robot')
    identify.add_argument('bag', type=Path, metavar='BAG', help='ROS 1 bag, rosbag2 folder, MCAP')
    identify.add_argument('--odom', default='', metavar='TOPIC', help='of the odometry')
    identify.add_argument('--cmd', default='', metavar='TOPIC', help='of the commands')
    identify.add_argument('--json', type=Path, metavar='OUT', help='write the result here')
    replay = suites.add_parser('replay', help='run what a controller recorded once more')
    replay.add_argument('record', type=Path, metavar='RECORD', help="the node's: record:=FILE")
    replay.add_argument('--tick', type=int, metavar='N', help='show all of this tick')
    replay.add_argument('--json', type=Path, metavar='OUT', help='write all ticks here')
    return parser.parse_args(argv)


if __name__ == '__main__':
    raise SystemExit(main())
