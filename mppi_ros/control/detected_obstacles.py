"""Moving obstacles from a detector outside of the controller, in place of its own tracks."""

from __future__ import annotations

from collections.abc import Sequence
import math

from mppi_ros.driving.cluster_motion import MIN_OBSTACLE_SPEED, Blob
from mppi_ros.driving.motion_filter import MotionFilter
from mppi_ros.driving.obstacle_prediction import DynamicObstacle, ObstacleKind
from mppi_ros.driving.obstacle_tracking import HIDDEN, Track
from mppi_ros.parameters.errors import InputError, check_stamp

MAX_DETECTION_AGE = 0.5  # [s] beyond which the own tracks are used again
MAX_DETECTIONS = 200


class DetectedObstacles:
    """
    The latest obstacles of a detector.

    Attributes
    ----------
    tracks : tuple of Track
        Those that move, and people.

    """

    def __init__(self) -> None:
        self.tracks: tuple[Track, ...] = ()
        self._stamp = -math.inf

    def set(self, stamp: float, obstacles: Sequence[DynamicObstacle], ids: Sequence[int]) -> bool:
        """Take obstacles seen at a time [s]; return whether they are newer than the last ones."""
        if 0.0 <= self._stamp - stamp < MAX_DETECTION_AGE:
            return False
        self.tracks = tuple(
            _track(each, number)
            for each, number in zip(obstacles, ids, strict=True)
            if each.kind == ObstacleKind.PERSON
            or math.hypot(each.vx, each.vy) >= MIN_OBSTACLE_SPEED
        )
        self._stamp = stamp
        return True

    def forget(self) -> None:
        """Discard everything: it belongs to another frame."""
        self.tracks, self._stamp = (), -math.inf

    def is_current(self, time: float) -> bool:
        """Return whether the latest obstacles are not older than MAX_DETECTION_AGE."""
        return abs(time - self._stamp) <= MAX_DETECTION_AGE


def check_obstacles(
    stamp: float, obstacles: Sequence[DynamicObstacle], ids: Sequence[int]
) -> None:
    """Raise InputError if a value is not valid."""
    check_stamp('obstacles', stamp)
    if len(obstacles) > MAX_DETECTIONS:
        raise InputError(f'{len(obstacles)} obstacles are more than {MAX_DETECTIONS}')
    if len(ids) != len(obstacles):
        raise InputError(f'there are {len(obstacles)} obstacles and {len(ids)} ids')
    for number, obstacle in enumerate(obstacles):
        if not all(map(math.isfinite, obstacle)):
            raise InputError(f'obstacle {number} has a value that is not finite: {obstacle}')
        if not obstacle.radius > 0.0:
            raise InputError(f'obstacle {number}: radius = {obstacle.radius!r} m is not positive')


def _track(obstacle: DynamicObstacle, number: int) -> Track:
    stamp, x, y, vx, vy, radius, *_ = obstacle
    edges = x - radius, y - radius, x + radius, y + radius
    blob = Blob(edges, (0.0,) * 4, HIDDEN, (x, y), x, y, radius)
    motion = MotionFilter.begin(stamp, (x, y), (vx, vy), radius)
    return Track((), blob, stamp, motion, id=number, kind=ObstacleKind(int(obstacle.kind)))
