"""Figures of the tuner's report: history or Pareto front, held-out costs, importance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from mppi_ros.evaluation.animation import AFTER, BEFORE
from mppi_ros.evaluation.tuning.front import FrontSearch
from mppi_ros.evaluation.tuning.output import Tested
from mppi_ros.evaluation.tuning.search import Search
from mppi_ros.evaluation.tuning.verdict import PointVerdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALE = '#c5cbd3'
COLORS = (AFTER, '#d9822b', '#3f8f5b')  # of points, and of objectives
MAX_BARS = 12
MIN_SHOWN = 1e-3  # of a difference of the cost
WIDTH, HEIGHT = 6.4, 4.2  # of a figure [in]


def draw_history(search: Search) -> bytes:
    """Draw the values of the trials that drove everything, and the best so far, as SVG."""

    def draw(axes: Axes) -> None:
        trials = search.complete()
        axes.set(xlabel='trial', ylabel='cost, difference from the start')
        for sampler in dict.fromkeys(trial.user_attrs['sampler'] for trial in trials):
            points = [
                (trial.number, trial.value) for trial in trials
                if trial.user_attrs['sampler'] == sampler
            ]  # fmt: skip
            axes.plot(*zip(*points, strict=True), 'o', ms=5, label=sampler)
        best = np.minimum.accumulate([trial.value for trial in trials])
        axes.step([trial.number for trial in trials], best, where='post', color='black', lw=1.0,
                  label='best')  # fmt: skip
        axes.axhline(0.0, color=BEFORE, lw=0.8, ls='--')
        # Trials that are much worse than the start are outside: they would hide all gains.
        high = max(-best.min(), float(np.median([trial.value for trial in trials])), MIN_SHOWN)
        axes.set_ylim(min(1.1 * best.min(), -0.1 * high), 1.1 * high)
        axes.legend()

    return _svg(draw)


def draw_front(search: FrontSearch, tested: Sequence[Tested]) -> bytes:
    """Draw trials, front and start in the search, and the points as held out, as SVG."""

    def draw(axes: Axes) -> None:
        first, second = search.objectives
        front = np.array([trial.values for trial in search.front()])
        trials = np.array([trial.values for trial in search.complete()])
        axes.set(xlabel=f'cost {first}, difference from the start',
                 ylabel=f'cost {second}, difference from the start')  # fmt: skip
        axes.axhline(0.0, color=PALE, lw=0.8, ls='--')
        axes.axvline(0.0, color=PALE, lw=0.8, ls='--')
        axes.plot(*trials.T, 'o', color=PALE, ms=5, label='trial, in the search')
        axes.plot(*front.T, 'o-', color='black', ms=5, lw=0.8, drawstyle='steps-post',
                  label='front, in the search')  # fmt: skip
        axes.plot(0.0, 0.0, 's', color=BEFORE, ms=8, label='start')
        shown = [front, np.zeros((1, 2))]
        for each, color in zip(tested, COLORS, strict=False):
            assert isinstance(each.verdict, PointVerdict)
            x, y = (each.verdict.objectives[name] for name in (first, second))
            bars = [np.abs(np.array([[v.low], [v.high]]) - v.mean) for v in (x, y)]
            if np.isfinite(bars).all():
                axes.errorbar(x.mean, y.mean, xerr=bars[0], yerr=bars[1], color=color, lw=1.2)
                shown.append(np.array([(x.low, y.low), (x.high, y.high)]))
            shown.append(np.array([(x.mean, y.mean)]))
            axes.plot(x.mean, y.mean, 'D', color=color, ms=8, label=f'{each.label}, held out')
            axes.plot(*each.point.gains, 'o', ms=10, mfc='none', mec=color, mew=1.5)
        # Trials that fail would hide the front.
        corners = np.vstack(shown)
        low, high = corners.min(axis=0), corners.max(axis=0)
        margin = 0.12 * np.maximum(high - low, 1e-3)
        axes.set(xlim=(low[0] - margin[0], high[0] + margin[0]),
                 ylim=(low[1] - margin[1], high[1] + margin[1]))  # fmt: skip
        outside = ((trials > high + margin) | (trials < low - margin)).any(axis=1).sum()
        if outside:
            axes.set_title(f'outside of the figure: {outside}', fontsize=9, loc='right')
        axes.legend(fontsize=8)

    return _svg(draw)


def draw_costs(search: Search, before: Sequence[Mapping[str, object]],
               tested: Sequence[Tested], objective: str) -> bytes:  # fmt: skip
    """Draw the cost of each held-out drive before and after, as SVG."""

    def draw(axes: Axes) -> None:
        cost = search.objectives[objective].cost
        one = [cost(row) for row in before]
        axes.set(xlabel=f'{_costs(objective)} at the start', ylabel=f'{_costs(objective)}, tuned')
        every = list(one)
        for each, color in zip(tested, COLORS, strict=False):
            two = [cost(row) for row in each.records]
            every += two
            axes.plot(one, two, 'o', color=color, ms=5, label=each.label)
        axes.plot(*[[min(every), max(every)]] * 2, color=BEFORE, lw=0.8, ls='--', label='equal')
        if min(every) > 0.0 and max(every) > 20.0 * min(every):  # a drive failed
            axes.set(xscale='log', yscale='log')
        axes.legend()

    return _svg(draw)


def draw_importance(importances: Mapping[str, Mapping[str, float]]) -> bytes:
    """Draw the importance of the parameters for each objective, as SVG."""

    def draw(axes: Axes) -> None:
        most = {
            name: max(shares.get(name, 0.0) for shares in importances.values())
            for shares in importances.values() for name in shares
        }  # fmt: skip
        names = sorted(most, key=lambda name: most[name])[-MAX_BARS:]
        height = 0.8 / len(importances)
        for k, (objective, shares) in enumerate(importances.items()):
            rows = np.arange(len(names)) + height * ((len(importances) - 1) / 2 - k)
            axes.barh(rows, [shares.get(name, 0.0) for name in names], height, color=COLORS[k],
                      label=objective)  # fmt: skip
        axes.set(xlabel='share', yticks=np.arange(len(names)), yticklabels=names)
        axes.tick_params(axis='y', labelsize=8)
        if len(importances) > 1:
            axes.legend()

    return _svg(draw)


def _costs(objective: str) -> str:
    return 'cost' if objective == 'cost' else f'cost {objective}'


def _svg(draw: Callable[[Axes], None]) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), layout='constrained', facecolor='none')
    axes = figure.add_subplot()
    axes.spines[['top', 'right']].set_visible(False)
    draw(axes)
    file = BytesIO()
    figure.savefig(file, format='svg', metadata={'Date': None})
    return file.getvalue()
