"""Prediction of moving obstacles: positions, uncertainty, and effect on a distance field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import IntEnum
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.driving.distance_field import DistanceField

POSITION_STD = 0.05  # [m] standard deviation of the position of a moving obstacle
GROWTH_TIME = 1.5  # [s] after which it is constant: the robot observes the obstacle meanwhile
SPREAD = 2.0  # standard deviations beyond which a position is not expected
MAX_PERSON_RADIUS = 0.8  # [m] of one person or of two side by side
MAX_PERSON_SPEED = 3.5  # [m/s]


class ObstacleKind(IntEnum):
    """Class of a moving obstacle as a detector reports it."""

    UNKNOWN = 0
    PERSON = 1
    OBJECT = 2


class DynamicObstacle(NamedTuple):
    """A disc that moves: centre x, y [m] at `stamp` [s], velocity [m/s], radius [m], and kind."""

    stamp: float
    x: float
    y: float
    vx: float
    vy: float
    radius: float
    kind: float = ObstacleKind.UNKNOWN

    @property
    def is_person(self) -> bool:
        """Whether it is a person; what is not known is one by its size and speed."""
        if self.kind == ObstacleKind.UNKNOWN:
            slow = math.hypot(self.vx, self.vy) <= MAX_PERSON_SPEED
            return self.radius <= MAX_PERSON_RADIUS and slow
        return self.kind == ObstacleKind.PERSON


def predict_obstacles(
    moving_obstacles: Sequence[DynamicObstacle], time: float
) -> NDArray[np.float64]:
    """Return x, y, vx, vy, radius of each moving obstacle at a time [s], float64[n, 5]."""
    rows = [
        (m.x + (time - m.stamp) * m.vx, m.y + (time - m.stamp) * m.vy, m.vx, m.vy, m.radius)
        for m in moving_obstacles
    ]
    return np.array(rows, np.float64).reshape(-1, 5)


def expected_obstacles(
    moving_obstacles: Sequence[DynamicObstacle],
    time: float,
    velocity_std: float,
    distances: tuple[float, float],
) -> NDArray[np.float64]:
    """
    Return the obstacles at a time [s] as the rollout expects them.

    Parameters
    ----------
    moving_obstacles : sequence of DynamicObstacle
        Obstacles at their own times.
    time : float
        Time of the result [s].
    velocity_std : float
        Standard deviation of each velocity [m/s].
    distances : (float, float)
        Comfort distances of people and of other obstacles [m].

    Returns
    -------
    float64[n, 7]
        x, y [m], vx, vy [m/s], radius [m], standard deviation of the velocity [m/s], comfort
        distance [m].

    """
    of_people, of_objects = distances
    known = [
        (velocity_std, of_people if m.is_person else of_objects) for m in moving_obstacles
    ]
    columns = np.array(known, np.float64).reshape(-1, 2)
    return np.hstack([predict_obstacles(moving_obstacles, time), columns])


def position_std(velocity_std: ArrayLike, time: ArrayLike) -> NDArray[np.float64]:
    """Return the standard deviation [m] of positions predicted over times [s]."""
    return POSITION_STD + np.multiply(velocity_std, np.minimum(time, GROWTH_TIME))


def field_with_obstacles(
    still: DistanceField,
    moving_obstacles: Sequence[DynamicObstacle],
    place: tuple[float, float],
    speed: float,
    longest: float,
) -> DistanceField:
    """
    Return a field with each moving obstacle where a robot from `place` at `speed` [m/s] meets it.

    The prediction ends after `longest` [s].
    """
    if not moving_obstacles:
        return still
    height, width = still.distance.shape
    x = still.origin_x + (np.arange(width) + 0.5) * still.resolution
    y = (still.origin_y + (np.arange(height) + 0.5) * still.resolution)[:, None]
    distance = still.distance
    for m in moving_obstacles:
        later = min(math.dist(place, (m.x, m.y)) / speed, longest)
        away = np.hypot(x - m.x - later * m.vx, y - m.y - later * m.vy) - m.radius
        distance = np.minimum(distance, np.maximum(away, 0.0).astype(np.float32))
    return replace(still, distance=distance)


def within_reach(
    moving_obstacles: NDArray[np.float64],
    horizon: float,
    reach: float,
    speed: float,
) -> NDArray[np.float64]:
    """
    Return the obstacles that may come near a robot at the origin, wherever it drives.

    Near is the comfort distance, or the spread of the predicted position if that is larger.

    That is decided by the closest approach of each obstacle to the origin, less all that the robot
    can drive: obstacles are kept that never come near, but none is dropped that does.

    Parameters
    ----------
    moving_obstacles : float64[n, 7]
        As of `expected_obstacles`, relative to the robot.
    horizon : float
        Length of the prediction [s].
    reach : float
        Distance of the farthest point of the robot from its origin [m].
    speed : float
        Greatest speed of the robot [m/s].

    Returns
    -------
    float64[k, 7]
        The rows of these obstacles, in their order.

    """
    x, y, vx, vy, radius, velocity_std, distance = moving_obstacles.T
    squared = np.maximum(vx * vx + vy * vy, 1e-12)
    time = np.minimum(np.maximum(-(x * vx + y * vy) / squared, 0.0), horizon)
    closest = np.hypot(x + vx * time, y + vy * time)
    spread = SPREAD * position_std(velocity_std, horizon)
    near: NDArray[np.bool_] = (
        closest <= radius + reach + np.maximum(distance, spread) + horizon * speed
    )
    return moving_obstacles[near]
