"""mppi_tune: search parameters for a robot and its maps; accept them by held-out drives."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
import signal
import sys
import time
from typing import Any

from mppi_ros.cli.arguments import Parser, add_processes, integer, listed, number
from mppi_ros.cli.console import interruptible, show_table
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.evaluation import results
from mppi_ros.evaluation.request import read_robot
from mppi_ros.evaluation.tuning.drives import drive_all, halves, identified
from mppi_ros.evaluation.tuning.objective import OBJECTIVES, TERMS, Objective
from mppi_ros.evaluation.tuning.output import (
    FIGURE,
    PARAMETERS,
    RESULT,
    Change,
    changes_of,
    reasons,
    write_parameters,
    write_result,
)
from mppi_ros.evaluation.tuning.search import Progress, Search
from mppi_ros.evaluation.tuning.space import searched
from mppi_ros.evaluation.tuning.verdict import Verdict, comparison, judge
from mppi_ros.parameters.declaration import replace as with_changes
from mppi_ros.parameters.errors import MppiError

RESERVE = 2.2  # time of the held-out drives, relative to one pass of the search drives


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
        with interruptible(signal.SIGTERM):
            return _tune(options)
    except MppiError as error:
        print(f'mppi_tune: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f'mppi_tune: interrupted; the same command continues in {options.output}',
              file=sys.stderr)
        return 1


def _tune(options: argparse.Namespace) -> int:
    begin = time.monotonic()
    objective = _objective(options)
    original = read_robot(options.robot)
    start, why = _identify(original, options.recording)
    axes = searched(start, options.parameters)
    options.output.mkdir(parents=True, exist_ok=True)
    results.check_writable(options.output / RESULT)
    search_half, held_out = halves(
        options.robot, start, options.maps, options.drives, options.generated, options.seed
    )
    setup = {
        'objective': {name: str(value) for name, value in asdict(objective).items()},
        'searched': [axis.name for axis in axes],
        'drives': [drive.name for drive in search_half],
        'start': [axis.value(start) for axis in axes],
    }
    search = Search(
        options.output, start, axes, objective, search_half, seed=options.seed,
        jobs=options.jobs, cluster=options.cluster, setup=setup,
    )
    end = begin + 3600.0 * options.hours
    with _display(end, options.hours) as show:
        before_start = time.monotonic()
        search.start(lambda count: show(f'start: {count} of {len(search_half)} drives', ''))
        one_pass = time.monotonic() - before_start
        deadline = end - RESERVE * one_pass * len(held_out) / len(search_half)
        search.run(deadline, lambda progress: show(*_state(progress)))
        values, gain = search.best()
        tuned = search.with_values(values) if gain < 0.0 else start
        records = [
            drive_all(
                held_out, configuration, options.jobs, options.cluster,
                lambda count: show(f'held out: {count} of {len(held_out)} drives', ''),
            )
            for configuration in dict.fromkeys((start, tuned))
        ]
    verdict = judge(records[0], records[-1], objective)
    why |= reasons(axes, search.importance())
    accepted = verdict.accepted
    final = tuned if accepted else start
    changes = changes_of(original, final, why)
    write_result(options.output, search, held_out, (start, tuned), (records[0], records[-1]),
                 verdict)
    _show(verdict, comparison(records[0], records[-1]), changes)
    path = options.output / PARAMETERS
    path.unlink(missing_ok=True)
    if not accepted:
        print(f'The parameters at the start stand: {verdict.reason}.')
        return 1
    write_parameters(path, final, changes, f'Tuned by mppi_tune: {verdict.reason}.')
    print(f'{path}: {verdict.reason}.')
    return 0


def _objective(options: argparse.Namespace) -> Objective:
    """Return the chosen objective with the weights and limits given one by one."""
    chosen = replace(
        OBJECTIVES[options.objective], max_jerk=options.max_jerk,
        max_acceleration=options.max_acceleration,
    )
    return replace(chosen, **options.weights)


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


def _show(
    verdict: Verdict, rows: dict[str, tuple[Any, Any]], changes: Sequence[Change]
) -> None:
    show_table(
        f'{verdict.drives} held-out drives', ('measure', 'start', 'tuned'),
        [['cost', verdict.before, verdict.after], *([name, *pair] for name, pair in rows.items())],
    )
    if changes:
        show_table('changes', ('parameter', 'from', 'to', 'why'),
                   [[each.name, str(each.before), str(each.after), each.why] for each in changes])


def _state(progress: Progress) -> tuple[str, str]:
    """Return the state as a line, and the message of a trial that ended."""
    values = ' '.join(
        f'{name.removeprefix("critics.")}={value:g}' for name, value in progress.running.items()
    )
    state = f'{progress.trials} trials, best {progress.best:+.3f}, trying {values}'
    return state, progress.message


@contextmanager
def _display(end: float, hours: float) -> Iterator[Any]:
    """Show the remaining time and the state; messages of ended trials stay."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (BarColumn(20), TextColumn('{task.fields[left]} left, {task.description}'))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task('', total=3600.0 * hours, left='')

        def show(state: str, message: str) -> None:
            left = max(end - time.monotonic(), 0.0)
            clock = f'{int(left // 3600)}:{int(left // 60) % 60:02}:{int(left) % 60:02}'
            bar.update(task, completed=3600.0 * hours - left, description=state, left=clock)
            if message:
                bar.console.print(f'{message}; {clock} left; {state.split(", trying")[0]}',
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
        '--objective', choices=OBJECTIVES, default='quick',
        help='what the drives shall be; default: %(default)s',
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
    parser.add_argument(
        '--seed', type=integer(0, 2**31 - 2), default=0, metavar='N',
        help='first seed; default: %(default)s',
    )
    parser.add_argument(
        '--output', type=Path, required=True, metavar='DIR',
        help=f'folder for the search, {PARAMETERS}, {RESULT} and {FIGURE}',
    )
    options = parser.parse_args(argv)
    if not (options.maps or options.generated):
        parser.error('--maps or --generated is needed')
    return options


if __name__ == '__main__':
    raise SystemExit(main())
