"""CrowdNav: test cases of five people, recorded without a robot or reacting to it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mppi_ros.evaluation.people.crowd import CrowdScene, Person
from mppi_ros.evaluation.people.trajectories import Trajectory, polyline
from mppi_ros.files import reading
from mppi_ros.parameters.errors import InputError

START = (0.0, -4.0, 0.5 * math.pi)
GOAL = (0.0, 4.0, 0.5 * math.pi)
GOAL_RADIUS = 0.3  # [m] the radius of the robot, as in the original
TIMEOUT = 25.0  # [s]
RADIUS, SPEED = 0.3, 1.0  # [m] [m/s] of the robot
BOUNDS = (-9.0, -9.0, 9.0, 9.0)  # [m]


def read(path: Path) -> tuple[NDArray[np.float64], float, float]:
    """
    Return positions float64[case, step, person, 2] [m], time step [s] and radius of a person [m].

    Raises
    ------
    InputError
        The file is not such a record.

    """
    with reading(path, 'a record of CrowdNav cases'), np.load(path, allow_pickle=False) as file:
        found = np.asarray(file['positions'], np.float64)
        step, radius = float(file['time_step']), float(file['radius'])
    if found.ndim != 4 or found.shape[3] != 2 or found.shape[1] < 2 or not found.size:
        raise InputError(
            f'{path}: positions have shape {list(found.shape)}; [case, step, person, 2] is '
            f'expected'
        )
    if not np.isfinite(found).all():
        raise InputError(f'{path}: a position is not finite')
    if not (0.0 < step < 10.0 and 0.0 < radius < 10.0):
        raise InputError(
            f'{path}: time_step = {step!r} s or radius = {radius!r} m is outside (0, 10)'
        )
    return found, step, radius


def load(path: Path, case: int) -> tuple[Trajectory, ...]:
    """Read the people of a case; after the record they stand still."""
    found, step, radius = read(path)
    times = step * np.arange(found.shape[1])
    far = times[-1] + 1e4
    return tuple(
        Trajectory(
            polyline([*times, far], np.vstack([track, track[-1:]])), radius, 0.0, float(far)
        )
        for track in found[case].transpose(1, 0, 2)
    )


def reacting(path: Path, case: int) -> CrowdScene:
    """Return the people of a case, who walk to the opposite side and react to the robot."""
    found, _, radius = read(path)
    people = tuple(
        Person((x, y), ((-x, -y),), SPEED, radius) for x, y in found[case, 0].tolist()
    )
    return CrowdScene(START, GOAL, BOUNDS, people)
