"""Show an episode: a picture of the whole drive, or a film of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mppi_ros.mppi.errors import InputError
from mppi_ros.tools.report import write_report

if TYPE_CHECKING:
    from mppi_ros.simulation.episode import Trace

FRAMES = 10  # [Hz] of the film
MOST_FRAMES = 400  # a longer drive is shown faster


def writer_of(path: Path) -> Callable[[Trace, Path, str], None]:
    """
    Return what draws an episode as a PNG picture or a GIF film, by the suffix of the file.

    Raises
    ------
    InputError
        The suffix is neither .png nor .gif.

    """
    if path.suffix not in WRITERS:
        raise InputError(f'--replay {path}: the name of the file must end in .png or .gif')
    return WRITERS[path.suffix]


def write_film(trace: Trace, path: Path, title: str = '') -> None:
    """Draw an episode as a GIF film of the robot on its map."""
    from matplotlib.animation import FuncAnimation, PillowWriter
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure
    from matplotlib.patches import Polygon

    grid = trace.map
    height, width = grid.shape
    figure = Figure(figsize=(7.0, min(9.0, max(3.5, 7.0 * height / width + 0.6))))
    axes = figure.add_subplot(aspect='equal')
    shade = np.where(grid.data < 0, 1, np.where(grid.data >= 99, 2, 0))
    left, bottom = grid.origin_x, grid.origin_y
    extent = (
        left, left + width * grid.resolution, bottom, bottom + height * grid.resolution
    )
    axes.imshow(
        shade, origin='lower', extent=extent, cmap=ListedColormap(['white', '#e9ecf0', '#3e4c59']),
        vmin=0, vmax=2, interpolation='nearest',
    )
    if len(trace.plan):
        axes.plot(*trace.plan[:, :2].T, '--', color='#f0883e', lw=1.2)
    axes.plot(*trace.goal[:2], '*', color='#f7c948', mec='black', ms=14)
    (trail,) = axes.plot([], [], color='#2f6fde', lw=2.0)
    body: Any = axes.add_patch(Polygon(trace.footprint, facecolor='#2f6fde80', edgecolor='black'))
    axes.set_title(title, loc='left', fontsize=9)
    told = axes.text(0.01, 0.01, '', transform=axes.transAxes, fontsize=9)
    times = np.arange(trace.time[0], trace.time[-1] + 1.0 / FRAMES, 1.0 / FRAMES)
    times = times[:: 1 + len(times) // MOST_FRAMES]

    def draw(time: float) -> tuple[Any, ...]:
        k = min(int(np.searchsorted(trace.time, time)), len(trace.time) - 1)
        x, y, yaw = trace.pose[k]
        turn = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
        body.set_xy(trace.footprint @ turn + (x, y))
        trail.set_data(*trace.pose[: k + 1, :2].T)
        told.set_text(
            f'{trace.time[k]:5.1f} s   {trace.twist[k, 0]:5.2f} m/s   '
            f'clearance {trace.clearance[k]:.2f} m'
        )
        return body, trail, told

    film = FuncAnimation(figure, draw, frames=times, blit=False)
    film.save(path, PillowWriter(fps=FRAMES), dpi=80)


WRITERS: dict[str, Callable[[Trace, Path, str], None]] = {
    '.png': write_report, '.gif': write_film,
}  # fmt: skip
