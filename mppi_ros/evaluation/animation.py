"""Drawings of an episode: a picture, an animation, or a small animation for a web page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mppi_ros.evaluation.report import write_report
from mppi_ros.parameters.errors import InputError

if TYPE_CHECKING:
    from mppi_ros.simulation.episode_result import Trace

FRAME_RATE = 10  # [Hz] of an animation
MAX_FRAMES = 400  # longer drives are shown faster
SMALL_FILM_SIZE = 320  # pixels of the longer side of a small animation
SMALL_FRAME_PERIOD = 0.2  # [s] simulated time between its frames, shown at twice the speed
MAX_SMALL_FRAMES = 80
FILM_SIZE, LEAST_WIDTH = 440, 220  # pixels of a film of two drives
STRIP_HEIGHT = 16  # pixels of the times below it
FILM_MARGIN = 1.2  # [m] around two drives
LAST_FRAME = 1500  # [ms]
BEFORE, AFTER = '#7b8794', '#2f6fde'  # robots of a film of two drives
PAPER, UNSEEN, WALLS, PLANNED, GOAL, STRANGE, TRAIL, BODY, OLD_TRAIL, OLD_BODY = range(10)
PALETTE = bytes.fromhex(
    f'ffffff e9ecf0 3e4c59 f0883e d9a400 c2453d 9dbcf5 {AFTER[1:]} c5cbd3 {BEFORE[1:]}'
)
COLORS = (OLD_TRAIL, OLD_BODY), (TRAIL, BODY)


def writer_of(path: Path) -> Callable[[Trace, Path, str], None]:
    """
    Return the function that draws an episode as PNG or GIF, by the suffix of the file.

    Raises
    ------
    InputError
        The suffix is neither .png nor .gif.

    """
    if path.suffix not in WRITERS:
        raise InputError(f'--replay {path}: the name of the file must end in .png or .gif')
    return WRITERS[path.suffix]


def write_animation(trace: Trace, path: Path, title: str = '') -> None:
    """Draw an episode as a GIF animation: robot, map, tracked obstacles and predictions."""
    from matplotlib.animation import FuncAnimation, PillowWriter
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle, Polygon

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
    caption = axes.text(0.01, 0.01, '', transform=axes.transAxes, fontsize=9)
    times = np.arange(trace.time[0], trace.time[-1] + 1.0 / FRAME_RATE, 1.0 / FRAME_RATE)
    times = times[:: 1 + len(times) // MAX_FRAMES]

    shown: list[Any] = []

    def draw_obstacles(k: int) -> None:
        while shown:
            shown.pop().remove()
        for obstacle in trace.obstacles[k] if k < len(trace.obstacles) else ():
            (x, y, _), *_ = discs = obstacle.discs.tolist()
            shown.append(axes.add_patch(Circle((x, y), obstacle.radius, color='#c2453d')))
            shown.extend(
                axes.add_patch(Circle(disc[:2], disc[2], fill=False, color='#c2453d', alpha=0.4))
                for disc in discs
            )
            shown.append(axes.text(x, y, str(obstacle.id), ha='center', va='center', fontsize=7))

    def draw(time: float) -> tuple[Any, ...]:
        k = min(int(np.searchsorted(trace.time, time)), len(trace.time) - 1)
        x, y, yaw = trace.pose[k]
        turn = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
        body.set_xy(trace.footprint @ turn + (x, y))
        draw_obstacles(k)
        trail.set_data(*trace.pose[: k + 1, :2].T)
        caption.set_text(
            f'{trace.time[k]:5.1f} s   {trace.twist[k, 0]:5.2f} m/s   '
            f'clearance {trace.clearance[k]:.2f} m'
        )
        return body, trail, caption, *shown

    film = FuncAnimation(figure, draw, frames=times, blit=False)
    film.save(path, PillowWriter(fps=FRAME_RATE), dpi=80)


def write_small_animation(
    trace: Trace,
    path: Path,
    discs: Callable[[float], NDArray[np.float64]],
    before: Trace | None = None,
) -> None:
    """
    Draw an episode as a GIF animation of few colours: map, plan, unmapped obstacles, robot.

    Parameters
    ----------
    trace : Trace
        The episode.
    path : Path
        The file to write.
    discs : function of the time [s]
        Obstacles that the map does not show, float64[n, 3] (x, y, radius [m]).
    before : Trace, optional
        The same episode with other parameters, drawn below with the same clock. The picture is
        then limited to the drives, and shows the time of both.

    """
    from PIL import Image, ImageDraw

    traces = [trace] if before is None else [before, trace]
    ground, scale, corner = _ground(trace, traces)
    strip = STRIP_HEIGHT if before is not None else 0
    margin = max(LEAST_WIDTH - ground.width, 0) // 2 if before is not None else 0

    def pixels(points: NDArray[np.float64]) -> list[tuple[float, float]]:
        x = (points[:, 0] - corner[0]) * scale + margin
        y = ground.height - (points[:, 1] - corner[1]) * scale
        return list(zip(x.tolist(), y.tolist(), strict=True))

    base = Image.new('P', (ground.width + 2 * margin, ground.height + strip), PAPER)
    base.putpalette(PALETTE)
    base.paste(ground, (margin, 0))
    pen = ImageDraw.Draw(base)
    if len(trace.plan) > 1 and before is None:
        pen.line(pixels(trace.plan[:, :2]), PLANNED, 2)
    ((x, y),) = pixels(np.array([trace.goal[:2]]))
    pen.ellipse((x - 4, y - 4, x + 4, y + 4), GOAL)
    frames = []
    duration = max(float(each.time[-1]) for each in traces)
    period = max(SMALL_FRAME_PERIOD, duration / MAX_SMALL_FRAMES)
    for time in np.arange(0.0, duration + period, period):
        frame = base.copy()
        pen = ImageDraw.Draw(frame)
        for centre_x, centre_y, radius in discs(float(time)):
            ((x, y),) = pixels(np.array([[centre_x, centre_y]]))
            reach = radius * scale
            pen.ellipse((x - reach, y - reach, x + reach, y + reach), STRANGE)
        for drawn, (trail, body) in zip(traces, COLORS[-len(traces) :], strict=True):
            k = min(int(np.searchsorted(drawn.time, time)), len(drawn.time) - 1)
            if k:
                pen.line(pixels(drawn.pose[: k + 1, :2]), trail, 2)
            x, y, yaw = drawn.pose[k]
            turn = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
            pen.polygon(pixels(drawn.footprint @ turn + (x, y)), body)
            nose = np.array([[0.0, 0.0], [drawn.footprint[:, 0].max(), 0.0]]) @ turn + (x, y)
            pen.line(pixels(nose), PAPER, 2)
        if strip:
            pen.rectangle((0, ground.height, frame.width, frame.height), PAPER)
            for place, drawn, name, (_, color) in zip(
                (0, frame.width // 2), traces, ('start', 'tuned'), COLORS, strict=True
            ):
                now = min(float(time), float(drawn.time[-1]))
                pen.text((place + 4, ground.height + 2), f'{name} {now:.1f} s', color)
        frames.append(frame)
    shown = round(500 * SMALL_FRAME_PERIOD)
    frames[0].save(
        path,
        save_all=True,
        append_images=frames[1:],
        duration=[*[shown] * (len(frames) - 1), LAST_FRAME if strip else shown],
        loop=0,
        optimize=False,
    )


def _ground(
    trace: Trace, traces: Sequence[Trace]
) -> tuple[Any, float, tuple[float, float]]:
    """
    Return the map as an image, pixels per metre, and its lower left corner [m].

    With two traces the map is limited to their drives.
    """
    from PIL import Image

    grid = trace.map
    height, width = grid.shape
    shade = np.where(grid.data >= 99, WALLS, np.where(grid.data < 0, UNSEEN, PAPER))
    left, bottom, right, top = 0, 0, width, height
    if len(traces) > 1:
        points = np.vstack([*[each.pose[:, :2] for each in traces], [trace.goal[:2]]])
        origin = np.array([grid.origin_x, grid.origin_y])
        low = (points.min(axis=0) - FILM_MARGIN - origin) / grid.resolution
        high = (points.max(axis=0) + FILM_MARGIN - origin) / grid.resolution
        left, bottom = (max(int(each), 0) for each in low)
        right, top = min(int(high[0]) + 1, width), min(int(high[1]) + 1, height)
        shade = shade[bottom:top, left:right]
    scale = (FILM_SIZE if len(traces) > 1 else SMALL_FILM_SIZE) / (
        grid.resolution * max(shade.shape))
    size = tuple(max(round(cells * grid.resolution * scale), 1) for cells in shade.shape[::-1])
    ground = Image.fromarray(np.flipud(shade).astype(np.uint8), 'P').resize(size, 0)
    ground.putpalette(PALETTE)
    corner = grid.origin_x + left * grid.resolution, grid.origin_y + bottom * grid.resolution
    return ground, scale, corner


WRITERS: dict[str, Callable[[Trace, Path, str], None]] = {
    '.png': write_report, '.gif': write_animation,
}  # fmt: skip
