"""Situations of a robot in which one solve is timed."""

from __future__ import annotations

from dataclasses import dataclass
import math
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.motion_models import MotionState
from mppi_ros.files import reading
from mppi_ros.parameters.errors import InputError

OBSTACLE_RADIUS = 0.3  # [m] of the moving obstacles
OBSTACLE_DISTANCES = (1.0, 6.0)  # [m] least and greatest distance of their centres from the robot
OBSTACLE_SPEED = 1.0  # [m/s] their greatest speed
# Minimum shape of each array of a situation.
MIN_SHAPES: dict[str, tuple[int, ...]] = {
    'resolution': (), 'costmap': (1, 1), 'plan': (1, 3), 'robot_pose': (3,), 'robot_speed': (1,),
    'origin': (2,),
}  # fmt: skip
MAX_UNPACKED_BYTES = 1_000_000_000  # [bytes] unpacked size of an .npz file


@dataclass(frozen=True)
class Situation:
    """
    Inputs of a solve.

    Attributes
    ----------
    name : str
        Name in the results.
    costmap : Costmap
        Costmap around the robot.
    plan : float64[P, 3]
        x [m], y [m], yaw [rad] of the path.
    state : MotionState
        State of the robot.

    """

    name: str
    costmap: Costmap
    plan: NDArray[np.float64]
    state: MotionState


def load_situation(path: Path | None) -> Situation:
    """
    Read a situation from an .npz file; without a file, return the built-in one.

    The file holds costmap uint8[H, W] with the values of Nav2 (254 lethal, 255 unknown),
    resolution, origin, plan [P, 3], robot_pose and robot_speed.

    Raises
    ------
    InputError
        The file is missing, invalid or lacks a value.

    """
    if path is None:
        return _built_in()
    values = _arrays(path)
    for name, wanted in MIN_SHAPES.items():
        shape, kind = values[name].shape, values[name].dtype.kind
        fits = len(shape) == len(wanted) and all(map(int.__ge__, shape, wanted))
        if not fits or kind not in 'fiu' or not np.isfinite(values[name]).all():
            raise InputError(f'{path}: {name} has shape {list(shape)}, or is not finite numbers; '
                             f'at least {list(wanted)} is expected')
    cost = values['costmap'].astype(np.int64)
    if cost.min() < 0 or cost.max() > 255:
        raise InputError(f'{path}: costmap holds {cost.min()} to {cost.max()}, not 0 to 255')
    known = np.where(cost >= 253, cost - 154, (98 * cost + 251) // 252)
    data = np.where(cost == 255, -1, known).astype(np.int8)
    x, y = values['origin'][:2]
    costmap = Costmap(data, float(values['resolution']), float(x), float(y))
    x, y, yaw = map(float, values['robot_pose'][:3])
    speed = values['robot_speed']
    state = MotionState(x, y, yaw, float(speed[0]), float(speed[-1]))
    return Situation(path.stem, costmap, values['plan'].astype(np.float64), state)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz file of at most MAX_UNPACKED_BYTES."""
    with reading(path, 'an .npz file of a situation'), ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > MAX_UNPACKED_BYTES:
            raise InputError(f'{path} unpacks to more than {MAX_UNPACKED_BYTES / 1e6:g} MB')
        with np.load(path) as file:
            return {name: np.asarray(file[name]) for name in MIN_SHAPES}


def _built_in() -> Situation:
    """Return a winding corridor with pillars, 10 × 10 m, and a moving robot in it."""
    size, resolution = 200, 0.05
    x = (np.arange(size) + 0.5) * resolution
    data = np.zeros((size, size), np.int8)
    middle = 5.0 + 1.5 * np.sin(1.2 * x)
    data[np.abs(x[:, None] - middle) > 1.4] = 100
    for along in (2.0, 4.5, 7.5):
        across = 5.0 + 1.5 * math.sin(1.2 * along) + 0.9
        data[np.hypot(x - along, x[:, None] - across) < 0.15] = 100
    arc = np.arange(0.5, 9.5, 0.02)
    slope = 1.8 * np.cos(1.2 * arc)
    plan = np.stack([arc, 5.0 + 1.5 * np.sin(1.2 * arc), np.arctan(slope)], axis=1)
    start_x, start_y, start_yaw = map(float, plan[len(plan) // 5])
    state = MotionState(start_x, start_y, start_yaw, 0.45, 0.3)
    return Situation('built-in', Costmap(data, resolution, 0.0, 0.0), plan, state)


def obstacles_around(
    state: MotionState, count: int, velocity_std: float, comfort_distance: float
) -> NDArray[np.float64]:
    """
    Return moving obstacles around a robot, the same for the same count.

    Returns
    -------
    float64[count, 7]
        As of `obstacle_prediction.expected_obstacles`.

    """
    draw = np.random.default_rng(0)
    least, most = OBSTACLE_DISTANCES
    distance = np.sqrt(draw.uniform(least**2, most**2, count))  # uniform over the ring's area
    bearing, heading = draw.uniform(-math.pi, math.pi, (2, count))
    speed = draw.uniform(0.0, OBSTACLE_SPEED, count)
    return np.stack([
        state.x + distance * np.cos(bearing), state.y + distance * np.sin(bearing),
        speed * np.cos(heading), speed * np.sin(heading),
        np.full(count, OBSTACLE_RADIUS), np.full(count, velocity_std),
        np.full(count, comfort_distance),
    ], axis=1)  # fmt: skip
