"""DynaBARN: cylinders on splines in an arena, with the protocol of its repository."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from mppi_ros.evaluation.people.trajectories import Trajectory, cardinal_spline
from mppi_ros.files import read_text, reading
from mppi_ros.parameters.errors import InputError

Pose = tuple[float, float, float]
Circle = tuple[float, float, float]

START: Pose = (11.0, 0.0, math.pi)
GOAL: Pose = (-9.0, 0.0, math.pi)
GOAL_RADIUS = 1.0  # [m]
TIMEOUT = 100.0  # [s]
GENTLE_SPEED = 0.5  # [m/s] limit of the robot in the gentle variant
BOUNDS = (-11.0, -11.0, 13.0, 11.0)  # [m]
WALL_RADIUS = 0.05  # [m] of the circles that make the walls, and their spacing


def worlds(folder: Path) -> dict[str, Path]:
    """Return {number: file} of the worlds in a folder, in the order of their numbers."""
    found = {path.stem.removeprefix('world_'): path for path in folder.glob('world_*.json')}
    numbers = sorted((name for name in found if name.isdecimal()), key=int)
    return {name: found[name] for name in numbers}


def load(path: Path, seed: int) -> tuple[Trajectory, ...]:
    """
    Read the obstacles of a world; the seed determines the phase of each.

    Raises
    ------
    InputError
        The file is unreadable, lacks a field, or has an invalid curve or radius.

    """
    rng = np.random.default_rng([seed, 0xBA])
    with reading(path, 'a DynaBARN world'):
        content = json.loads(read_text(path))
        radius = float(content['radius_m'])
        if not 0.0 < radius < 10.0:
            raise InputError(f'{path}: radius_m = {radius!r} m is outside (0, 10) m')
        moving_obstacles = []
        for number, obstacle in enumerate(content['obstacles']):
            period = float(obstacle['period_s'])
            frames = np.array(obstacle['keyframes'], np.float64)
            if frames.ndim != 2 or frames.shape[1] != 3:
                raise InputError(f'{path}: obstacle {number}: keyframes are not [t, x, y]')
            try:
                curve = cardinal_spline(frames[:, 0], frames[:, 1:])
            except InputError as error:
                raise InputError(f'{path}: obstacle {number}: {error}') from None
            if frames[0, 0] != 0.0 or abs(frames[-1, 0] - period) > 1e-6:
                raise InputError(
                    f'{path}: obstacle {number}: keyframes must go from 0 to '
                    f'period_s = {period:g} s'
                )
            phase = float(rng.uniform(0.0, period))
            moving_obstacles.append(Trajectory(curve, radius, 0.0, period, phase, periodic=True))
    return tuple(moving_obstacles)


def walls() -> tuple[Circle, ...]:
    """Return the walls x = −10 m and y = ±10 m of the arena as rows of circles."""
    along = np.arange(-10.0, 10.0 + 1e-9, WALL_RADIUS)
    lines = [(x, y) for y in (-10.0, 10.0) for x in along] + [(-10.0, y) for y in along[1:-1]]
    return tuple((round(float(x), 3), round(float(y), 3), WALL_RADIUS) for x, y in lines)
