"""Report of a drive as a picture: path on the map, and signals of the controller over time."""

from __future__ import annotations

from collections.abc import Callable
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mppi_ros.simulation.episode_result import Trace

INK = '#1f2933'
MUTED = '#7b8794'
GRID = '#e4e7eb'
FREE, UNKNOWN, OCCUPIED = '#ffffff', '#e9ecf0', '#3e4c59'
PLAN = '#f0883e'
LINE = '#2f6fde'
COMMAND = '#f0883e'
ALARM = '#d64545'
# Background of the panels by state of the controller; none for driving.
STATE_COLORS = {
    'waiting': '#cbd2d9', 'braking': '#f7c948', 'stopped': '#e66a6a', 'reached': '#7bc47f',
}
MAP_MARGIN = 1.2  # [m] around the driven path and the plan
FOOTPRINTS = 24


def write_report(trace: Trace, path: Path, title: str = '') -> None:
    """
    Draw a drive as a PNG file.

    Parameters
    ----------
    trace : Trace
        Drive, sampled at the control ticks.
    path : Path
        File to write.
    title : str
        Title of the picture.

    """
    from matplotlib import rc_context

    style: dict[Any, Any] = {
        'font.size': 8.5, 'text.color': INK, 'axes.edgecolor': MUTED, 'axes.labelcolor': INK,
        'xtick.color': MUTED, 'ytick.color': MUTED, 'axes.linewidth': 0.7,
        'xtick.major.width': 0.7, 'ytick.major.width': 0.7, 'axes.axisbelow': True,
    }
    with rc_context(style):
        figure = _draw(trace, title)
        figure.savefig(path, dpi=110)


def _draw(trace: Trace, title: str) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    left, right, bottom, top = _view(trace)
    aspect = (top - bottom) / (right - left)
    if aspect > 1.0:
        size = (13.0, 12.0)
        outer: dict[str, Any] = {'nrows': 1, 'ncols': 2, 'width_ratios': (8.5 / aspect, 7.5)}
        rows, columns = 8, 1
    else:
        height = 11.5 * aspect
        size = (13.0, height + 5.2)
        outer = {'nrows': 2, 'ncols': 1, 'height_ratios': (height, 4.0)}
        rows, columns = 2, 4
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1, wspace=0.03, hspace=0.03)
    figure = Figure(figsize=size, layout=layout, facecolor='white')
    cells = figure.add_gridspec(**outer)
    _draw_map(figure, figure.add_subplot(cells[0]), trace, (left, right, bottom, top))
    panels = cells[1].subgridspec(rows, columns)
    axes: Axes | None = None
    for k, draw in enumerate(PANELS):
        axes = figure.add_subplot(panels[k // columns, k % columns], sharex=axes)
        draw(axes, trace)
        _shade_states(axes, trace)
        # The last cell holds the legend, so the axis above it needs labels.
        _finish(axes, trace, last=k >= len(PANELS) - columns)
    _draw_legend(figure.add_subplot(panels[-1, -1]), trace)
    if title:
        figure.suptitle(title, x=0.012, ha='left', fontsize=13, fontweight='bold')
    return figure


def _view(trace: Trace) -> tuple[float, float, float, float]:
    points = np.vstack([trace.pose[:, :2], trace.plan[:, :2], np.array([trace.goal[:2]])])
    grid = trace.map
    height, width = grid.shape
    low = np.maximum(points.min(axis=0) - MAP_MARGIN, (grid.origin_x, grid.origin_y))
    high = np.minimum(
        points.max(axis=0) + MAP_MARGIN,
        (grid.origin_x + width * grid.resolution, grid.origin_y + height * grid.resolution),
    )
    return float(low[0]), float(high[0]), float(low[1]), float(high[1])


def _draw_map(
    figure: Figure, axes: Axes, trace: Trace, view: tuple[float, float, float, float]
) -> None:
    from matplotlib.collections import LineCollection, PolyCollection
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    grid = trace.map
    height, width = grid.shape
    shade = np.where(grid.data < 0, 1, np.where(grid.data >= 99, 2, 0))
    extent = (
        grid.origin_x, grid.origin_x + width * grid.resolution,
        grid.origin_y, grid.origin_y + height * grid.resolution,
    )
    axes.imshow(
        shade, origin='lower', extent=extent, interpolation='nearest', vmin=0, vmax=2,
        cmap=ListedColormap([FREE, UNKNOWN, OCCUPIED]),
    )
    if len(trace.plan):
        # Wide and pale, so that it stays visible below the driven path.
        axes.plot(
            *trace.plan[:, :2].T, color=PLAN, lw=7.0, alpha=0.35, label='plan', zorder=2,
            solid_capstyle='round',
        )
    bodies = [_placed(trace.footprint, pose) for pose in trace.pose[_spaced(trace.pose)]]
    axes.add_collection(
        PolyCollection(bodies, facecolor='none', edgecolor=INK, lw=0.6, alpha=0.45, zorder=3)
    )
    xy = trace.pose[:, :2]
    axes.plot(*xy.T, color=INK, lw=4.4, solid_capstyle='round', zorder=4)
    driven = LineCollection(
        list(np.stack([xy[:-1], xy[1:]], axis=1)), cmap='viridis', lw=3.0, zorder=4.5,
        capstyle='round',
    )
    speed = np.hypot(trace.twist[:-1, 0], trace.twist[:-1, 1])
    driven.set_array(speed)
    driven.set_clim(0.0, max(float(speed.max(initial=0.0)), 0.1))
    axes.add_collection(driven)
    bar = figure.colorbar(driven, ax=axes, shrink=0.6, aspect=32, pad=0.01)
    bar.set_label('speed [m/s]')
    bar.outline.set_visible(False)
    axes.plot(*xy[0], 'o', color='white', mec=INK, mew=1.6, ms=8, label='start', zorder=5)
    x, y, yaw = trace.goal
    axes.plot(x, y, '*', color='#f7c948', mec=INK, mew=1.0, ms=15, label='goal', zorder=5)
    axes.annotate(
        '', (x + 0.6 * np.cos(yaw), y + 0.6 * np.sin(yaw)), (x, y), zorder=5,
        arrowprops={'arrowstyle': '-|>', 'color': INK, 'lw': 1.2, 'shrinkA': 6, 'shrinkB': 0},
    )
    axes.set(xlim=view[:2], ylim=view[2:], xlabel='x [m]', ylabel='y [m]', aspect='equal')
    cells = [
        Patch(facecolor=color, edgecolor=MUTED, lw=0.5, label=label)
        for value, color, label in ((2, OCCUPIED, 'occupied'), (1, UNKNOWN, 'unknown'))
        if (shade == value).any()
    ]
    axes.legend(
        handles=[*axes.get_legend_handles_labels()[0], *cells], loc='best', framealpha=0.9,
        edgecolor=GRID,
    )  # fmt: skip


def _spaced(pose: NDArray[np.float64]) -> list[int]:
    """Select ticks at equal distances along the driven path."""
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(pose[:, :2], axis=0).T))])
    marks = np.linspace(0.0, arc[-1], FOOTPRINTS)
    return sorted(set(np.searchsorted(arc, marks).clip(max=len(arc) - 1).tolist()))


def _placed(polygon: NDArray[np.float64], pose: NDArray[np.float64]) -> NDArray[np.float64]:
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    turned: NDArray[np.float64] = polygon @ np.array([[cos, sin], [-sin, cos]])
    return turned + pose[:2]


def _finish(axes: Axes, trace: Trace, last: bool) -> None:
    axes.spines[['top', 'right']].set_visible(False)
    axes.grid(color=GRID, lw=0.7)
    axes.margins(x=0.0)
    axes.set_xlim(trace.time[0], max(trace.time[-1], trace.time[0] + 1e-3))
    axes.tick_params(labelbottom=last)
    if last:
        axes.set_xlabel('time [s]')


def _states(trace: Trace) -> list[tuple[str, float, float]]:
    """Return the intervals (state, first time, last time [s]) of constant state."""
    runs: list[tuple[str, float, float]] = []
    for reason, begin, end in zip(trace.reasons, trace.time[:-1], trace.time[1:], strict=False):
        state = reason.split(':')[0]
        if runs and runs[-1][0] == state:
            begin = runs.pop()[1]
        runs.append((state, float(begin), float(end)))
    return runs


def _shade_states(axes: Axes, trace: Trace) -> None:
    for state, begin, end in _states(trace):
        if state in STATE_COLORS:
            axes.axvspan(begin, end, color=STATE_COLORS[state], alpha=0.35, lw=0, zorder=0)


def _draw_legend(axes: Axes, trace: Trace) -> None:
    """Draw the legend of lines and backgrounds, with the time spent in each state."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    axes.axis('off')
    lines = [
        Line2D([], [], color=LINE, lw=1.2, label='measured'),
        Line2D([], [], color=COMMAND, lw=0.9, label='commanded'),
    ]
    spent: dict[str, float] = {}
    for state, begin, end in _states(trace):
        spent[state] = spent.get(state, 0.0) + end - begin
    patches = [
        Patch(
            facecolor=STATE_COLORS.get(state, 'white'), alpha=0.35 if state in STATE_COLORS else 1,
            edgecolor=MUTED, label=f'{state} {seconds:.1f} s',
        )
        for state, seconds in spent.items()
    ]  # fmt: skip
    axes.legend(
        handles=[*lines, *patches], loc='upper left', frameon=False, borderaxespad=0.0
    )


def _name(axes: Axes, name: str) -> None:
    axes.set_title(name, loc='left', fontsize=9, fontweight='bold', pad=4)


def _draw_speed(axes: Axes, trace: Trace) -> None:
    sideways = bool(np.abs(trace.command[:, 1]).max(initial=0.0) > 0.0)
    _name(axes, 'speed [m/s]: forward, to the left (dashed)' if sideways else 'speed [m/s]')
    for axis, style in ((0, '-'), (1, '--'))[: 1 + sideways]:
        axes.plot(trace.time, trace.twist[:, axis], style, color=LINE, lw=1.2)
        axes.plot(trace.time, trace.command[:, axis], style, color=COMMAND, lw=0.9)


def _draw_turning_rate(axes: Axes, trace: Trace) -> None:
    _name(axes, 'turning rate [rad/s]')
    axes.plot(trace.time, trace.twist[:, 2], color=LINE, lw=1.2)
    axes.plot(trace.time, trace.command[:, 2], color=COMMAND, lw=0.9)


def _draw_clearance(axes: Axes, trace: Trace) -> None:
    least = float(np.min(trace.clearance))
    known = f'least {least:.2f}' if math.isfinite(least) else 'no obstacle'
    _name(axes, f'clearance [m], {known}')
    axes.fill_between(trace.time, trace.clearance, 0.0, color=LINE, alpha=0.15, lw=0)
    axes.plot(trace.time, trace.clearance, color=LINE, lw=1.2)
    axes.axhline(0.0, color=ALARM, lw=1.0)


def _draw_solve(axes: Axes, trace: Trace) -> None:
    solve = trace.statistics['solve_ms']
    known = solve[np.isfinite(solve)]
    name = 'solve time [ms]'
    if known.size:
        p99 = float(np.percentile(known, 99))
        name += f', p50 {np.median(known):.2f}, p99 {p99:.2f}'
        axes.axhline(p99, color=ALARM, lw=0.8, ls=(0, (4, 2)))
    _name(axes, name)
    axes.plot(trace.time, solve, '.', color=LINE, ms=2.5)
    axes.set_ylim(bottom=0.0)


def _draw_temperature(axes: Axes, trace: Trace) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    _name(axes, r'temperature $\lambda$')
    axes.semilogy(trace.time, trace.statistics['temperature'], color=LINE, lw=1.0)
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:g}'))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw_objective(axes: Axes, trace: Trace) -> None:
    _name(axes, r'smoothed objective $L_\Sigma$')
    axes.plot(trace.time, trace.statistics['smoothed_objective'], color=LINE, lw=1.0)


def _draw_ess(axes: Axes, trace: Trace) -> None:
    _name(axes, 'effective sample size')
    ess = trace.statistics['ess']
    axes.plot(trace.time, ess, color=LINE, lw=1.0)
    axes.set_ylim(0.0, 1.3 * max(float(np.nanmax(ess, initial=1.0)), 1.0))


PANELS: tuple[Callable[[Axes, Trace], None], ...] = (
    _draw_speed,
    _draw_turning_rate,
    _draw_clearance,
    _draw_objective,
    _draw_ess,
    _draw_temperature,
    _draw_solve,
)
