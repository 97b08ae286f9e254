"""Suite f1tenth: flying laps of a 1:10 car on race tracks, with centre line and walls known."""

from __future__ import annotations

from collections.abc import Iterator
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mppi_ros.evaluation.case import RUN_UP_LENGTH, Case, Pose
from mppi_ros.evaluation.request import Request, data_folder, selected
from mppi_ros.files import reading
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.world import World

ROBOT, ROBOT_WITH_TYRES = 'f1tenth_racing', 'f1tenth_racing_tyres'
LAPS = 2  # flying laps
COURSE_SPACING = 0.1  # [m]
MIN_ACCELERATION = 0.1  # [m/s²] that a race line has to reach to determine a limit
GRIP_SHARE = 0.9  # lateral acceleration limit of the car relative to the grip of the tyres


def f1tenth(request: Request) -> Iterator[Case]:
    """Race a 1:10 car: flying laps on each track, with centre line and walls known."""
    data = data_folder(
        request, 'a folder with tracks: NAME_centerline.csv, _raceline.csv, _map.yaml'
    )
    ending = '_centerline.csv'
    files = {path.name.removesuffix(ending): path for path in sorted(data.rglob(f'*{ending}'))}
    if not files:
        raise InputError(f'no track (*{ending}) lies below {data}')
    for name in selected(request, list(files)):
        folder = files[name].parent
        world = folder / f'{name}_map.yaml'
        World.load(world)
        course = _course(files[name])
        lap_time, grip, limits = _raceline(folder / f'{name}_raceline.csv')
        limits['limits.ay_max'] = round(GRIP_SHARE * grip, 3)
        slips = request.physics.kind == 'single_track'
        configuration = request.configuration(ROBOT_WITH_TYRES if slips else ROBOT, limits)
        for plant in request.plants or ('nominal',):
            for run in range(request.runs):
                yield Case(
                    suite='f1tenth', scenario=name, plant=plant, seed=request.seed + run,
                    start=course[0], goal=course[-1], configuration=configuration, sensing='map',
                    timeout=3.0 * LAPS * lap_time, world=str(world), path=course, laps=LAPS,
                    lap_time=lap_time, grip=grip,
                )  # fmt: skip


def _course(path: Path) -> tuple[Pose, ...]:
    """Return one lap of the centre line x, y, yaw, from RUN_UP_LENGTH before its first point."""
    from scipy.interpolate import CubicSpline

    points = _columns(path, ',', 2)[:, :2]
    if math.dist(points[0], points[-1]) > 1e-6:
        points = np.vstack([points, points[:1]])
    steps = np.hypot(*np.diff(points, axis=0).T)
    arc = np.concatenate([[0.0], steps.cumsum()])
    if not (steps.min() > 0.0 and arc[-1] > 2.0 * RUN_UP_LENGTH):
        raise InputError(f'{path} is not a course of at least {2 * RUN_UP_LENGTH:g} m')
    points[-1] = points[0]
    spline = CubicSpline(arc, points, bc_type='periodic')
    way = np.linspace(0.0, arc[-1], math.ceil(arc[-1] / COURSE_SPACING)) - RUN_UP_LENGTH
    yaw = np.arctan2(*spline(way, 1).T[::-1])
    return tuple(
        (round(float(x), 4), round(float(y), 4), round(float(turn), 4))
        for x, y, turn in np.column_stack([spline(way), yaw])
    )


def _raceline(path: Path) -> tuple[float, float, dict[str, float]]:
    """
    Return lap time [s], maximum lateral acceleration [m/s²] and limits of a race line.

    A race line at constant speed, as on an oval, does not determine the longitudinal limits.
    """
    arc, _, _, _, curvature, speed, acceleration = _columns(path, ';', 7)[:, :7].T
    if speed.min() <= 0.0 or np.diff(arc).min() < 0.0:
        raise InputError(f'{path} is not a race line: s, x, y, psi, kappa, vx, ax')
    time = float(np.sum(np.diff(arc) / (0.5 * (speed[:-1] + speed[1:]))))
    limits = {'limits.vx_max': speed.max()}
    if acceleration.max() >= MIN_ACCELERATION:
        limits['limits.ax_max'] = acceleration.max()
    if acceleration.min() <= -MIN_ACCELERATION:
        limits['limits.ax_min'] = acceleration.min()
    grip = round(float(np.max(speed**2 * np.abs(curvature))), 3)
    return time, grip, {name: round(float(value), 3) for name, value in limits.items()}


def _columns(path: Path, delimiter: str, least: int) -> NDArray[np.float64]:
    """Read a table of at least `least` columns; lines that start with # are comments."""
    with reading(path, 'a table of numbers'):
        values = np.loadtxt(path, delimiter=delimiter, comments='#', ndmin=2)
    if len(values) < 3 or values.shape[1] < least or not np.isfinite(values).all():
        raise InputError(f'{path} does not hold at least 3 lines of {least} finite numbers')
    return values
