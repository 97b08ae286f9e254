"""Output of the tuner: parameter file with reasons, result file and figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from mppi_ros.control.parameters import NODE_NAME, ControllerParameters
from mppi_ros.evaluation.results import write_json
from mppi_ros.evaluation.tuning.drives import Drive
from mppi_ros.evaluation.tuning.objective import Record
from mppi_ros.evaluation.tuning.search import Search
from mppi_ros.evaluation.tuning.space import Axis
from mppi_ros.evaluation.tuning.verdict import Verdict, comparison
from mppi_ros.parameters.declaration import flatten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mppi_ros.simulation.episode_result import Trace

BEFORE, AFTER = '#7b8794', '#2f6fde'
MAX_BARS = 12
DRAWN = 3  # drives in the figure
PARAMETERS, RESULT, FIGURE = 'tuned.yaml', 'result.json', 'report.png'


@dataclass(frozen=True)
class Change:
    """A changed parameter: its values, and why it was changed."""

    name: str
    before: Any
    after: Any
    why: str


def changes_of(
    before: ControllerParameters, after: ControllerParameters, why: Mapping[str, str]
) -> list[Change]:
    """Return the parameters that differ; `why` has the reason by dotted name."""
    old, new = flatten(before), flatten(after)
    return [
        Change(name, old[name], new[name], why.get(name, ''))
        for name in new if old[name] != new[name]
    ]  # fmt: skip


def reasons(axes: Sequence[Axis], importance: Mapping[str, float]) -> dict[str, str]:
    """Return effect and importance of each searched parameter; of each element of a list."""
    found: dict[str, list[str]] = {}
    for axis in axes:
        text = f'{axis.reason}, importance {importance.get(axis.name, 0.0):.0%}'
        found.setdefault(axis.parameter, []).append(text)
    return {name: '; '.join(texts) for name, texts in found.items()}


def write_parameters(
    path: Path, configuration: ControllerParameters, changes: Sequence[Change], heading: str
) -> None:
    """
    Write a ROS parameter file with all values that are not defaults.

    Each changed value has a comment with its former value and the reason.
    """
    usual, values = flatten(ControllerParameters()), flatten(configuration)
    changed = {change.name: change for change in changes}
    lines = [*(f'# {line}' for line in heading.splitlines()), f'/**/{NODE_NAME}:',
             '  ros__parameters:']
    for name, value in values.items():
        if name not in changed and value == usual[name]:
            continue
        if name in changed:
            change = changed[name]
            lines.append(f'    # {_text(change.before)} -> {_text(change.after)}: {change.why}')
        lines.append(f'    {name}: {_text(value)}')
    path.write_text('\n'.join(lines) + '\n', encoding='utf-8')


def _text(value: Any) -> str:
    """Return a value as YAML in one line."""
    plain = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True, width=10_000).split('\n...')[0].strip()


def write_figure(
    path: Path,
    title: str,
    history: Sequence[tuple[int, float, str]],
    costs: tuple[Sequence[float], Sequence[float]],
    importance: Mapping[str, float],
    traces: Sequence[tuple[str, Trace, Trace]],
) -> None:
    """
    Draw the search, the held-out drives before and after, and those that changed most.

    Parameters
    ----------
    path : Path
        PNG file.
    title : str
        Title of the figure.
    history : sequence of (number, difference of the cost, sampler)
        Trials that drove everything.
    costs : (float[n], float[n])
        Costs of the held-out drives, before and after.
    importance : mapping
        Importance of each searched number.
    traces : sequence of (name, before, after)
        Drives that changed most.

    """
    from matplotlib.figure import Figure

    rows = 1 + bool(traces)
    figure = Figure(figsize=(14.0, 4.6 * rows), layout='constrained', facecolor='white')
    figure.suptitle(title, x=0.01, ha='left', fontsize=11, fontweight='bold')
    parts = figure.subfigures(rows, 1, squeeze=False)[:, 0]
    axes = parts[0].subplots(1, 3)
    _draw_history(axes[0], history)
    _draw_costs(axes[1], *costs)
    _draw_importance(axes[2], importance)
    if traces:
        for panel, drive in zip(parts[1].subplots(1, len(traces), squeeze=False)[0], traces,
                                strict=True):
            _draw_drive(panel, *drive)
    figure.savefig(path, dpi=100)


def _draw_history(axes: Axes, history: Sequence[tuple[int, float, str]]) -> None:
    axes.set(title='search: trials that drove everything', xlabel='trial',
             ylabel='cost, difference from the start')
    for sampler in dict.fromkeys(each[2] for each in history):
        points = [(number, value) for number, value, of in history if of == sampler]
        axes.plot(*zip(*points, strict=True), 'o', ms=5, label=sampler)
    best = np.minimum.accumulate([value for _, value, _ in history])
    axes.step([number for number, _, _ in history], best, where='post', color='black', lw=1.0,
              label='best')
    axes.axhline(0.0, color=BEFORE, lw=0.8, ls='--')
    axes.legend()


def _draw_costs(axes: Axes, before: Sequence[float], after: Sequence[float]) -> None:
    axes.set(title='held-out drives', xlabel='cost at the start', ylabel='cost, tuned')
    ends = [min(*before, *after), max(*before, *after)]
    axes.plot(ends, ends, color=BEFORE, lw=0.8, ls='--', label='equal')
    axes.plot(before, after, 'o', color=AFTER, ms=5)
    axes.legend()


def _draw_importance(axes: Axes, importance: Mapping[str, float]) -> None:
    axes.set(title='importance (PED-ANOVA)', xlabel='share')
    shown = sorted(importance.items(), key=lambda each: each[1])[-MAX_BARS:]
    axes.barh([name for name, _ in shown], [share for _, share in shown], color=AFTER)
    axes.tick_params(axis='y', labelsize=8)


def _draw_drive(axes: Axes, name: str, before: Trace, after: Trace) -> None:
    grid = after.map
    height, width = grid.shape
    extent = (grid.origin_x, grid.origin_x + width * grid.resolution,
              grid.origin_y, grid.origin_y + height * grid.resolution)  # fmt: skip
    axes.imshow(np.where(grid.data >= 99, 0.25, np.where(grid.data < 0, 0.92, 1.0)),
                origin='lower', extent=extent, cmap='gray', vmin=0.0, vmax=1.0)
    for trace, color, label in ((before, BEFORE, 'start'), (after, AFTER, 'tuned')):
        axes.plot(*trace.pose[:, :2].T, color=color, lw=1.8,
                  label=f'{label}, {trace.time[-1]:.1f} s')
    axes.plot(*after.goal[:2], '*', color='#f7c948', mec='black', ms=12)
    points = np.vstack([before.pose[:, :2], after.pose[:, :2], [after.goal[:2]]])
    low, high = points.min(axis=0) - 1.0, points.max(axis=0) + 1.0
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect='equal')
    axes.set_title(name, fontsize=9)
    axes.legend(fontsize=8, loc='upper center', bbox_to_anchor=(0.5, -0.06), ncol=2)


def write_result(
    folder: Path, search: Search, drives: Sequence[Drive],
    configurations: tuple[ControllerParameters, ControllerParameters],
    records: tuple[Sequence[Record], Sequence[Record]], verdict: Verdict,
) -> None:
    """
    Write RESULT and FIGURE; the drives that changed most are run again to be drawn.

    Parameters
    ----------
    folder : Path
        Folder of the files.
    search : Search
        The search.
    drives : sequence of Drive
        Held-out drives.
    configurations, records : pairs
        At the start and tuned.
    verdict : Verdict
        Verdict on the held-out drives.

    """
    (before, after), objective, importance = records, search.objective, search.importance()
    costs = [objective.cost(row) for row in before], [objective.cost(row) for row in after]
    trials = search.complete()
    write_json(folder / RESULT, {
        'verdict': {**asdict(verdict), 'accepted': verdict.accepted, 'reason': verdict.reason},
        'objective': asdict(objective), 'importance': importance,
        'trials': len(search.study.get_trials(deepcopy=False)), 'complete': len(trials),
        'comparison': comparison(before, after),
        'drives': [
            {'drive': drive.name, 'before': one, 'after': two}
            for drive, one, two in zip(drives, before, after, strict=True)
        ],
    })  # fmt: skip
    order = sorted(range(len(drives)), key=lambda k: -abs(costs[1][k] - costs[0][k]))
    traces = []
    if configurations[0] != configurations[1]:
        for k in order[:DRAWN]:
            one, two = (drives[k].with_configuration(each).run()[1].trace
                        for each in configurations)
            name = f'{drives[k].name}: cost {costs[0][k]:.2f} to {costs[1][k]:.2f}'
            traces.append((name, one, two))
    answer = 'accepted' if verdict.accepted else 'not accepted'
    write_figure(
        folder / FIGURE, f'{answer}: {verdict.reason}',
        [(trial.number, trial.value, trial.user_attrs['sampler']) for trial in trials],
        costs, importance, traces,
    )
