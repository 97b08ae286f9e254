"""Report of the tuner: one HTML file with verdict, changes, figures, and films of drives."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
import tempfile
from typing import Any

import numpy as np

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.evaluation.animation import AFTER, BEFORE, write_small_animation
from mppi_ros.evaluation.results import write_text
from mppi_ros.evaluation.tuning.drives import Drive
from mppi_ros.evaluation.tuning.figures import (
    draw_costs,
    draw_front,
    draw_history,
    draw_importance,
)
from mppi_ros.evaluation.tuning.front import FrontSearch
from mppi_ros.evaluation.tuning.objective import Record
from mppi_ros.evaluation.tuning.output import Tested
from mppi_ros.evaluation.tuning.search import Search
from mppi_ros.evaluation.tuning.verdict import comparison
from mppi_ros.simulation.episode_result import EpisodeResult

REPORT = 'report.html'
TEMPLATE = 'report.html.j2'
FILMED = 3  # drives


def write_report(
    path: Path,
    robot: str,
    objectives: Sequence[str],
    search: Search,
    drives: Sequence[Drive],
    start: ControllerParameters,
    before: Sequence[Record],
    tested: Sequence[Tested],
    stands: str,
    ran: Mapping[str, str],
) -> None:
    """
    Write the report; the drives that changed most are run again to be filmed.

    The file needs no other file and no network.

    Parameters
    ----------
    path : Path
        HTML file.
    robot : str
        Name of the robot.
    objectives : sequence of str
        Names of the objectives.
    search : Search
        The search.
    drives : sequence of Drive
        Held-out drives.
    start : ControllerParameters
        Parameters at the start.
    before : sequence of Record
        Records of the held-out drives with these.
    tested : sequence of Tested
        The tuned parameters, or the points of the front.
    stands : str
        Why the start stands if nothing was tested.
    ran : dict
        What was run, as text: robot, maps, physics and others.

    """
    from jinja2 import Environment, PackageLoader

    importances = {name: shares for name, shares in search.importances().items() if shares}
    figures = {}
    if importances:
        figures['Importance for each parameter (PED-ANOVA)'] = draw_importance(importances)
    if isinstance(search, FrontSearch):
        figures = {
            'Search and Pareto front; circles: points that were tested, diamonds: the same points '
            'in the held-out drives, with 95 % intervals': draw_front(search, tested),
            **figures,
        }
    else:
        figures = {'Trials that drove everything': draw_history(search), **figures}
    for name in search.objectives if tested else ():
        title = f'Held-out drives: cost {name}' if name != 'cost' else 'Held-out drives'
        figures[title] = draw_costs(search, before, tested, name)
    environment = Environment(
        loader=PackageLoader('mppi_ros.evaluation.tuning', ''), autoescape=True,
        trim_blocks=True, lstrip_blocks=True,
    )
    text = environment.get_template(TEMPLATE).render(
        robot=robot, objectives=objectives,
        points=[_point(each, search, start) for each in tested],
        stands=f'{stands[0].upper()}{stands[1:]}.',
        about=f'{search.trials()} trials in {len(search.drives)} drives; '
        f'{len(search.complete()) - 1} of them drove everything. Verdict by {len(drives)} other '
        'drives.',
        measures=_measures(search, before, tested), ran=ran,
        importance_names=['importance'] if len(importances) == 1 else
        [f'importance, {name}' for name in importances],
        figures=[(name, _url(image, 'svg+xml')) for name, image in figures.items()],
        films=_films(search, drives, start, before, tested),
        before_color=BEFORE, after_color=AFTER,
    )  # fmt: skip
    write_text(path, text)


def _point(tested: Tested, search: Search, start: ControllerParameters) -> dict[str, Any]:
    """Return what the page shows of tuned parameters."""
    importances = [shares for shares in search.importances().values() if shares]
    rows: list[dict[str, Any]] = [
        {'name': axis.name, 'before': f'{axis.value(start):g}',
         'after': f'{axis.value(tested.configuration):g}', 'effect': axis.reason,
         'shares': [shares.get(axis.name, 0.0) for shares in importances]}
        for axis in search.axes if axis.value(start) != axis.value(tested.configuration)
    ]  # fmt: skip
    rows.sort(key=lambda row: -max(row['shares'], default=0.0))
    parameters = {axis.parameter for axis in search.axes}
    rows += [
        {'name': change.name, 'before': str(change.before), 'after': str(change.after),
         'effect': change.why, 'shares': [None for _ in importances]}
        for change in tested.changes if change.name not in parameters
    ]  # fmt: skip
    return {
        'label': tested.label, 'title': tested.label.capitalize() + ' parameters' * (
            not tested.point.name), 'file': tested.file, 'accepted': tested.verdict.accepted,
        'reason': tested.verdict.reason[0].upper() + tested.verdict.reason[1:], 'changes': rows,
    }  # fmt: skip


def _measures(
    search: Search, before: Sequence[Record], tested: Sequence[Tested]
) -> list[tuple[str, list[str]]]:
    """Return rows of the table of measures: start, then each of the tuned parameters."""
    columns = measures_of(search, before, tested)
    return [(name, [_number(value) for value in values]) for name, *values in columns]


def measures_of(
    search: Search, before: Sequence[Record], tested: Sequence[Tested]
) -> list[list[Any]]:
    """Return rows (measure, value at the start, value of each of the tuned parameters)."""
    runs = [before, *(each.records for each in tested)]
    costs = [
        ['cost' if name == 'cost' else f'cost {name}',
         *(float(np.mean([objective.cost(row) for row in rows])) for rows in runs)]
        for name, objective in search.objectives.items()
    ]  # fmt: skip
    return costs + [[name, *values] for name, values in comparison(*runs).items()]


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f'{value:.3g}'


def _films(
    search: Search, drives: Sequence[Drive], start: ControllerParameters,
    before: Sequence[Record], tested: Sequence[Tested],
) -> list[dict[str, str]]:
    """Return films of the drives whose cost changed most; both runs in one picture."""
    found = []
    for each in tested:
        costs = [
            {name: (objective.cost(one), objective.cost(two))
             for name, objective in search.objectives.items()}
            for one, two in zip(before, each.records, strict=True)
        ]  # fmt: skip
        changes = [max(abs(two - one) for one, two in pairs.values()) for pairs in costs]
        order = np.argsort(changes)[::-1]
        for k in order[: FILMED if len(tested) == 1 else 1].tolist():
            one, two = (
                drives[k].with_configuration(configuration).run()[1]
                for configuration in (start, each.configuration)
            )
            text = ', '.join(
                f'{name} {first:.2f} to {last:.2f}' for name, (first, last) in costs[k].items()
            )
            found.append({
                'name': drives[k].name + (f', {each.label}' if len(tested) > 1 else ''),
                'text': f'{_end(one)} at the start, {_end(two)} tuned; {text}',
                'image': _url(_film(drives[k], one, two), 'gif'),
            })
    return found


def _film(drive: Drive, before: EpisodeResult, after: EpisodeResult) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'film.gif'
        write_small_animation(after.trace, path, drive.discs, before.trace)
        return path.read_bytes()


def _end(result: EpisodeResult) -> str:
    how = '' if result.success else 'contact after ' if result.collision else 'not reached in '
    return f'{how}{result.time_s:.1f} s'


def _url(content: bytes, kind: str) -> str:
    return f'data:image/{kind};base64,{b64encode(content).decode()}'


def films_of(points: int) -> int:
    """Return how many drives the films take for so many points."""
    return 2 * FILMED if points == 1 else 2 * points
