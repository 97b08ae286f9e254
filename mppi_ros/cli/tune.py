"""
mppi_tune: search parameters for a robot and its maps; accept them by held-out drives.

More than 400 lines: a quarter of them declare the command line.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from hashlib import sha256
import math
from pathlib import Path
import signal
import sys
import time
from typing import Any

from mppi_ros import __version__
from mppi_ros.cli.arguments import Parser, add_processes, integer, listed, number
from mppi_ros.cli.console import interruptible, show_table
from mppi_ros.cli.physics_arguments import add_physics, physics_of
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.evaluation import results
from mppi_ros.evaluation.request import read_robot
from mppi_ros.evaluation.tuning.drives import Drive, drive_all, halves, identified
from mppi_ros.evaluation.tuning.front import MAX_POINTS, FrontSearch
from mppi_ros.evaluation.tuning.objective import OBJECTIVES, TERMS, Objective, Record
from mppi_ros.evaluation.tuning.output import (
    PARAMETERS,
    RESULT,
    Tested,
    changes_of,
    parameter_files,
    reasons,
    write_parameters,
    write_result,
)
from mppi_ros.evaluation.tuning.report import REPORT, films_of, measures_of, write_report
from mppi_ros.evaluation.tuning.search import Progress, Search
from mppi_ros.evaluation.tuning.space import Axis, searched
from mppi_ros.evaluation.tuning.verdict import (
    PointVerdict,
    Verdict,
    judge,
    judge_point,
)
from mppi_ros.parameters.declaration import flatten
from mppi_ros.parameters.declaration import replace as with_changes
from mppi_ros.parameters.errors import InputError, MppiError

MAP_FILES = '.yaml', '.yml', '.pgm', '.png', '.bmp', '.jpg'  # those that map_server reads
RESERVE = 1.1  # time of the drives after the search, relative to that of the start


def main(argv: Sequence[str] | None = None) -> int:
    """
    Tune a robot.

    Returns
    -------
    int
        0 if better parameters are written, 1 if the parameters at the start stand or the search
        was interrupted, 2 for wrong use or bad input.

    """
    options = _parse(sys.argv[1:] if argv is None else argv)
    try:
        with interruptible(signal.SIGTERM, signal.SIGHUP):
            return _tune(options)
    except MppiError as error:
        print(f'mppi_tune: {error}', file=sys.stderr)
        return 2
    except OSError as error:
        print(f'mppi_tune: {error.filename or options.output}: {error.strerror or error}',
              file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f'mppi_tune: interrupted; the same command continues in {options.output}',
              file=sys.stderr)
        return 1


def _tune(options: argparse.Namespace) -> int:
    begin = time.monotonic()
    objectives = _objectives(options)
    if options.maps is not None and not options.maps.is_dir():
        raise InputError(f'--maps {options.maps} is not a folder')
    if options.drives * bool(options.maps) + options.generated < 2:
        print('mppi_tune: a single held-out drive gives no interval, so that nothing can be '
              'accepted; use more --drives or --generated', file=sys.stderr)
    original = read_robot(options.robot)
    start, why = _identify(original, options.recording)
    axes = searched(start, options.parameters)
    search_half, held_out = halves(
        options.robot, start, options.maps, options.drives, options.generated, options.seed,
        physics_of(options),
    )
    results.make_folder(options.output, '--output')
    results.check_writable(options.output / RESULT)
    search = _open(options, start, axes, objectives, search_half)
    end = begin + 3600.0 * options.hours
    with _display(end, options.hours) as show:
        show('start', f'driving the start in {len(search_half)} drives')
        search.start(lambda count: show(f'start: {count} of {len(search_half)} drives', ''))
        search.run(
            end - _reserve(search, len(held_out), options.jobs),
            lambda progress: show(*_state(progress)),
        )
        points = search.points()
        candidates = [search.with_values(point.values) for point in points]
        labels = ['the start', *(point.name or 'the best trial' for point in points)]
        records = [
            drive_all(
                held_out, configuration, options.jobs, options.cluster,
                partial(_show_held_out, show, label, len(held_out)),
            )
            for label, configuration in zip(labels, (start, *candidates), strict=True)
        ]
        why |= reasons(axes, search.importances())
        tested = [
            Tested(point, configuration, rows, _verdict(search, records[0], rows, len(points)),
                   changes_of(original, configuration, why))
            for point, configuration, rows in zip(points, candidates, records[1:], strict=True)
        ]  # fmt: skip
        show('report', '')
        stands = _why_it_stands(search, tested, len(held_out), options)
        ran = _description(options, objectives)
        accepted = _write_accepted(options.output, tested)
        write_result(options.output / RESULT, search, held_out, records[0], tested, stands, ran)
        write_report(
            options.output / REPORT, Path(options.robot).stem, list(objectives), search, held_out,
            start, records[0], tested, stands, ran,
        )
    _show(search, records[0], tested)
    for each in accepted:
        print(f'{options.output / each.file}: {each.verdict.reason}.')
    if not accepted:
        print(f'The parameters at the start stand: {stands}.')
    print(f'Report: {options.output / REPORT}')
    return int(not accepted)


def _show_held_out(show: Any, label: str, drives: int, count: int) -> None:
    show(f'held-out drives of {label}: {count} of {drives}', '')


def _write_accepted(folder: Path, tested: Sequence[Tested]) -> list[Tested]:
    """Write the parameter files of what is accepted, which it returns; remove all others."""
    for name in parameter_files(list(OBJECTIVES)):
        (folder / name).unlink(missing_ok=True)
    accepted = [each for each in tested if each.verdict.accepted]
    for each in accepted:
        write_parameters(folder / each.file, each.configuration, each.changes,
                         f'Tuned by mppi_tune: {each.verdict.reason}.')
    return accepted


def _description(
    options: argparse.Namespace, objectives: Mapping[str, Objective]
) -> dict[str, str]:
    """Return what is run, for result and report."""
    goals = [
        f'{name} ({", ".join(f"{key} {value:g}" for key, value in asdict(each).items())})'
        for name, each in objectives.items()
    ]
    return {
        'version': __version__, 'date': time.strftime('%Y-%m-%d %H:%M'),
        'robot': str(options.robot), 'maps': str(options.maps or 'none'),
        'recording': str(options.recording or 'none'),
        'drives on the maps': str(options.drives if options.maps else 0),
        'generated worlds': str(options.generated), 'seed': str(options.seed),
        'physics': str(physics_of(options)), 'objective': '; '.join(goals),
        'duration of this call': f'{options.hours:g} h',
    }  # fmt: skip


def _digest(options: argparse.Namespace) -> str:
    """Return a digest of the maps below the folder."""
    digest = sha256()
    for path in sorted(options.maps.rglob('*')) if options.maps else ():
        if path.suffix in MAP_FILES and path.is_file():
            digest.update(f'{path.relative_to(options.maps)}'.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _open(
    options: argparse.Namespace, start: ControllerParameters, axes: Sequence[Axis],
    objectives: Mapping[str, Objective], drives: Sequence[Drive],
) -> Search:
    """Open or create the search in the output folder."""
    texts = {
        name: {key: str(value) for key, value in asdict(objective).items()}
        for name, objective in objectives.items()
    }
    setup: dict[str, Any] = {
        'objective (--objective, --weights, --max-jerk, --max-acceleration)':
            texts if len(objectives) > 1 else next(iter(texts.values())),
        'set of parameters (--parameters)': [axis.name for axis in axes],
        'set of drives (--drives, --generated, --seed)': [drive.name for drive in drives],
        'robot (--robot, --recording)': sha256(repr(flatten(start)).encode()).hexdigest(),
        'content of --maps': _digest(options),
        'physics': str(physics_of(options)),
    }  # fmt: skip
    words: dict[str, Any] = {
        'seed': options.seed, 'jobs': options.jobs, 'cluster': options.cluster, 'setup': setup,
    }
    if len(objectives) > 1:
        return FrontSearch(options.output, start, axes, objectives, drives, **words)
    (objective,) = objectives.values()
    return Search(options.output, start, axes, objective, drives, **words)


def _why_it_stands(
    search: Search, tested: Sequence[Tested], held_out: int, options: argparse.Namespace
) -> str:
    """Return why the start stands if nothing is accepted."""
    if not search.trials():
        needed = 2.0 * RESERVE * search.start_seconds + _reserve(search, held_out, options.jobs)
        hours = math.ceil(needed / 36.0) / 100.0
        return f'the time was too short for a trial, which takes --hours {hours:g} at least'
    if tested and len(search.objectives) == 1:
        return tested[0].verdict.reason
    if tested:
        return 'no point of the front is accepted'
    if len(search.objectives) == 1:
        return 'no trial is better in the drives of the search'
    return ('no trial on the front is better in one objective and not worse in the other, in the '
            'drives of the search')  # fmt: skip


def _reserve(search: Search, held_out: int, jobs: int) -> float:
    """Return the time [s] that the held-out drives and the films may take."""
    points = MAX_POINTS if isinstance(search, FrontSearch) else 1
    one_drive = search.start_seconds / len(search.drives)
    return RESERVE * one_drive * (held_out * (1 + points) + jobs * films_of(points))


def _verdict(
    search: Search, before: Sequence[Record], after: Sequence[Record], points: int
) -> Verdict | PointVerdict:
    if isinstance(search, FrontSearch):
        return judge_point(before, after, search.objectives, points)
    return judge(before, after, search.objective)


def _objectives(options: argparse.Namespace) -> dict[str, Objective]:
    """Return the chosen objectives with the weights and limits given one by one."""
    limits = {'max_jerk': options.max_jerk, 'max_acceleration': options.max_acceleration}
    objectives = {
        name: replace(OBJECTIVES[name], **limits, **options.weights)
        for name in options.objective
    }
    for each in objectives.values():
        if not any(getattr(each, measure) for measure in TERMS):
            raise InputError('--weights: all weights are 0, so all drives cost the same')
    return objectives


def _identify(
    configuration: ControllerParameters, recording: Path | None
) -> tuple[ControllerParameters, dict[str, str]]:
    """Return the configuration with the plant of the recording, and the reasons."""
    if recording is None:
        return configuration, {}
    changes, doubtful = identified(recording)
    if doubtful:
        print(f'mppi_tune: {recording}: not trusted and not used: {", ".join(doubtful)}',
              file=sys.stderr)
    return with_changes(configuration, changes), dict.fromkeys(
        changes, f'identified from {recording.name}'
    )


def _show(search: Search, before: Sequence[Record], tested: Sequence[Tested]) -> None:
    """Print the measures, and what changed in parameters that were accepted."""
    show_table(f'{len(before)} held-out drives',
               ('measure', 'start', *(each.label for each in tested)),
               measures_of(search, before, tested))
    for each in tested:
        if isinstance(each.verdict, PointVerdict) and not each.verdict.accepted:
            print(f'{each.label}, not accepted: {each.verdict.reason}.')
        if each.verdict.accepted and each.changes:
            show_table(f'changes, {each.label}' if each.point.name else 'changes',
                       ('parameter', 'from', 'to', 'why'),
                       [[change.name, str(change.before), str(change.after), change.why]
                        for change in each.changes])  # fmt: skip


def _state(progress: Progress) -> tuple[str, str]:
    """Return the state as a line, and the message of a trial that ended."""
    values = ' '.join(
        f'{name.removeprefix("critics.")}={value:g}' for name, value in progress.running.items()
    )
    state = f'{progress.trials} trials, {progress.best}, trying {values}'
    return state, progress.message


@contextmanager
def _display(end: float, hours: float) -> Iterator[Any]:
    """Show the remaining time and the state; messages of ended trials stay."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.text import Text

    def clock(left: float) -> str:
        return f'{int(left // 3600)}:{int(left // 60) % 60:02}:{int(left) % 60:02}'

    class Left(ProgressColumn):
        """Remaining time, also between two drives."""

        def render(self, task: Task) -> Text:
            return Text(f'{clock(max(end - time.monotonic(), 0.0))} left,')

    console = Console(stderr=True)
    columns = (BarColumn(20), Left(), TextColumn('{task.description}'))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task('', total=3600.0 * hours)

        def show(state: str, message: str) -> None:
            left = max(end - time.monotonic(), 0.0)
            bar.update(task, completed=3600.0 * hours - left, description=state)
            if message:
                bar.console.print(f'{message}; {clock(left)} left; {state.split(", trying")[0]}',
                                  highlight=False, markup=False, soft_wrap=True)

        yield show


def _weights(text: str) -> dict[str, float]:
    """Convert name=weight,... to a dictionary."""
    found = {}
    for part in text.split(','):
        name, _, value = part.partition('=')
        if name.strip() not in TERMS:
            raise argparse.ArgumentTypeError(
                f'{part!r} is not NAME=WEIGHT with one of {", ".join(TERMS)}'
            )
        found[name.strip()] = number(0.0, 1e6, '')(value)
    return found


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog='mppi_tune',
        description='Search the parameters of a robot in simulated drives on its maps and in '
        'generated worlds. The result is accepted only if it is better in drives that the search '
        'has not seen. The same command continues an interrupted search, also on several '
        'machines that share the output folder.',
        epilog='exit code: 0 better parameters are written, 1 the parameters at the start stand '
        'or the search was interrupted, 2 invalid arguments or input',
    )
    parser.add_argument(
        '--robot', required=True, metavar='NAME', help='YAML file, or a robot in config/robots'
    )
    parser.add_argument(
        '--maps', type=Path, metavar='DIR', help='folder with maps in map_server format'
    )
    parser.add_argument(
        '--drives', type=integer(1, 10_000), default=12, metavar='N',
        help='drives on the maps in each half; default: %(default)s',
    )
    parser.add_argument(
        '--generated', type=integer(0, 10_000), default=12, metavar='N',
        help='generated worlds in each half; default: %(default)s',
    )
    parser.add_argument(
        '--recording', type=Path, metavar='BAG',
        help='recording from which delay, lag and gain are identified; default: as in prediction',
    )
    parser.add_argument(
        '--objective', type=listed(str), action='extend', default=[], metavar='NAME[,NAME]',
        help=f'what the drives shall be: {", ".join(OBJECTIVES)}; two of them for the Pareto '
        'front; default: quick',
    )
    parser.add_argument(
        '--weights', type=_weights, default={}, metavar='NAME=W,...',
        help=f'weights that replace those of the objective: {", ".join(TERMS)}',
    )
    parser.add_argument(
        '--max-jerk', type=number(1e-3, 1e9, 'm/s³'), default=float('inf'), metavar='J',
        help='hard limit of the RMS jerk of a drive [m/s³]',
    )
    parser.add_argument(
        '--max-acceleration', type=number(1e-3, 1e9, 'm/s²'), default=float('inf'), metavar='A',
        help='hard limit of the RMS horizontal acceleration of a drive [m/s²]',
    )
    parser.add_argument(
        '--parameters', type=listed(str), default=(), metavar='A,B',
        help='search these parameters only',
    )
    parser.add_argument(
        '--hours', type=number(0.0, 10_000.0, 'h'), default=1.0, metavar='H',
        help='duration of this call; default: %(default)s',
    )
    add_processes(parser)
    add_physics(parser)
    parser.add_argument(
        '--seed', type=integer(0, 2**31 - 2), default=0, metavar='N',
        help='first seed; default: %(default)s',
    )
    parser.add_argument(
        '--output', type=Path, required=True, metavar='DIR',
        help=f'folder for the search, {PARAMETERS}, {RESULT} and {REPORT}',
    )
    options = parser.parse_args(argv)
    if not (options.maps or options.generated):
        parser.error('--maps or --generated is needed')
    options.objective = list(dict.fromkeys(options.objective)) or ['quick']
    unknown = [name for name in options.objective if name not in OBJECTIVES]
    if unknown:
        parser.error(f'argument --objective: {unknown[0]!r} is not one of {", ".join(OBJECTIVES)}')
    if len(options.objective) > 2:
        parser.error('argument --objective: at most two objectives are possible')
    if len(options.objective) > 1 and options.weights:
        parser.error('argument --weights: not possible with two objectives')
    return options


if __name__ == '__main__':
    raise SystemExit(main())
