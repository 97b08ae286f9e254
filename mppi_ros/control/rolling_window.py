"""
How fast a robot may drive in a costmap that ends: it must come to rest inside of what it knows.

A costmap that rolls with the robot is renewed once a period P. Until then the robot drives on
towards the rim, so a speed v can be kept where d ≥ v (P + t) + v² / (2 a): d is the way to the
rim, t the time until braking acts and a the deceleration. With d from the middle of the window
this is the rule for its size; with d from where the robot is, and with what is left of P, it is
the speed of a tick: the same one at any time of a period, so that it does not go up and down.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.distance_field import DistanceField
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.parameters import Limits

Place = tuple[float, float]
MAX_UPDATE_PERIOD = 2.0  # [s] of a period: what is renewed more rarely is a map and no window
UPDATES_COUNTED = 4  # renewals whose times are remembered
CENTRE_TOLERANCE = (
    0.1  # of a side within which the middle of a window that rolls is from the robot
)
MAX_LAG_SHARE = 0.15  # of a side by which a robot has moved away from where a window rolled last


def allowed_speed(way: float, deceleration: float, seconds: float) -> float:
    """Return the speed [m/s] from which a robot stops on a way [m], after driving on for t [s]."""
    t, a = seconds, deceleration
    return max(a * (math.sqrt(t * t + 2.0 * max(way, 0.0) / a) - t), 0.0)


def required_distance(speed: float, deceleration: float, seconds: float) -> float:
    """Return the way [m] on which a robot stops from a speed, after driving on for t [s]."""
    return speed * seconds + speed * speed / (2.0 * deceleration)


def deceleration(limits: Limits, motion_model: str) -> float:
    """Return how fast a robot slows down in any direction of driving [m/s²]."""
    return min(-limits.ax_min, -limits.ay_min) if motion_model == 'omni' else -limits.ax_min


def distance_to_side(x: float, y: float, field: DistanceField) -> float:
    """Return the distance from a place to the nearest side of a field [m]; negative outside."""
    height, width = field.distance.shape
    ahead, up = x - field.origin_x, y - field.origin_y
    right, top = width * field.resolution, height * field.resolution
    return float(min(ahead, up, right - ahead, top - up))


def distance_to_rim(
    poses: NDArray[np.float64], footprint: Footprint, field: DistanceField
) -> float:
    """
    Return how far the body goes along poses, and straight on, until it leaves a field [m].

    Parameters
    ----------
    poses : float64[n, 3]
        x, y [m] and yaw [rad], n ≥ 2.
    footprint : Footprint
        The body.
    field : DistanceField
        The grid.

    """
    height, width = field.distance.shape
    low = np.array([field.origin_x, field.origin_y])
    high = low + field.resolution * np.array([width, height])
    x, y, yaw = poses.T
    cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    ahead, aside, radius = footprint.discs.T
    places = np.stack(
        [x[:, None] + cos * ahead - sin * aside, y[:, None] + sin * ahead + cos * aside], axis=-1
    )
    sides = np.concatenate([high - places, places - low], axis=-1) - radius[:, None]
    room = sides.min(axis=(1, 2))
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    # A body that reaches over the rim already may come back.
    beyond = np.flatnonzero(room[1:] < min(0.0, room[0]))
    if len(beyond):
        before = int(beyond[0])
        share = max(room[before], 0.0) / (room[before] - room[before + 1])
        return float(arc[before] + share * (arc[before + 1] - arc[before]))
    towards = poses[-1, :2] - poses[-2, :2]
    length = math.hypot(*towards)
    if length < 1e-4:
        towards, length = np.array([cos[-1, 0], sin[-1, 0]]), 1.0
    pace = np.concatenate([towards, -towards]) / length
    nearing = pace > 1e-9
    left = np.maximum(sides[-1][:, nearing], 0.0) / pace[nearing]
    return float(arc[-1] + left.min())


def leads_ahead(poses: NDArray[np.float64]) -> bool:
    """Tell whether a way, float64[n, 3], leads ahead rather than back."""
    x, y, yaw = poses[0]
    return bool((poses[-1, 0] - x) * math.cos(yaw) + (poses[-1, 1] - y) * math.sin(yaw) >= 0.0)


@dataclass(frozen=True)
class RollingWindow:
    """
    What a costmap that rolls with the robot allows.

    Attributes
    ----------
    width, height : float
        Extent of the costmap along x and y [m].
    period : float
        Time from one to the next [s].
    needed : float
        Least side with which top speed can be kept [m].
    speed : float
        That can be kept with this one [m/s].
    top_speed : float
        That is configured [m/s].

    """

    width: float
    height: float
    period: float
    needed: float
    speed: float
    top_speed: float

    @property
    def warning(self) -> str:
        """Say that the window is smaller than the speed needs; '' where it is not."""
        if min(self.width, self.height) >= self.needed:
            return ''
        every = f' every {self.period:.2g} s' if self.period > 0.0 else ''
        return (
            f'the costmap of {self.width:.1f} x {self.height:.1f} m{every} allows '
            f'{self.speed:.2f} m/s of limits.vx_max = {self.top_speed:g} m/s: '
            f'{self.needed:.1f} m a side are needed'
        )


def window_of(
    configuration: ControllerParameters,
    footprint: Footprint,
    extent: tuple[float, float],
    period: float,
    age: float = 0.0,
) -> RollingWindow:
    """
    Return what a costmap that rolls with the robot allows.

    Parameters
    ----------
    configuration, footprint : Configuration, Footprint
        Of the robot.
    extent : (float, float)
        Width and height of the costmap [m].
    period, age : float
        Time from one costmap to the next, and age of one when it comes [s].

    """
    c = configuration
    top, slowing = c.limits.vx_max, deceleration(c.limits, c.motion_model)
    delays = c.prediction.delay_linear + c.prediction.lag_linear + 1.0 / c.control_rate
    seconds = period + age + delays
    needed = 2.0 * (required_distance(top, slowing, seconds) + footprint.reach)
    speed = allowed_speed(0.5 * min(extent) - footprint.reach, slowing, seconds)
    return RollingWindow(*extent, period, needed, min(speed, top), top)


class UpdateTracker:
    """
    When costmaps come, and whether they are windows that roll with the robot.

    Before there is more to go by, one whose middle is near the robot is taken to be such a window.

    Attributes
    ----------
    rolls : bool
        The costmap follows the robot, as far as is known.
    age : float
        Of the last costmap when it came [s].

    """

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=UPDATES_COUNTED)
        self._stamp = -math.inf
        self._grid: tuple[float, ...] = ()
        self._place = (0.0, 0.0)
        self.rolls = False
        self.age = 0.0

    def take(self, now: float, stamp: float, costmap: Costmap, place: Place) -> None:
        """Take note of the costmap in force at `now` [s], and where the robot is [m] [m]."""
        if self._times and now < self._times[-1]:  # the clock went back
            self._times.clear()
        new = stamp != self._stamp
        if new:
            self._stamp, self.age = stamp, max(now - stamp, 0.0)
            self._times.append(now)
        elif self._times and now - self._times[-1] <= MAX_UPDATE_PERIOD:
            return
        height, width = costmap.shape
        cell = costmap.resolution
        grid = costmap.origin_x, costmap.origin_y, width * cell, height * cell
        side = min(grid[2:])
        if self._grid and grid[2:] == self._grid[2:]:
            if math.dist(grid[:2], self._grid[:2]) > 0.5 * cell:
                self.rolls, self._place = True, place
            elif math.dist(place, self._place) > MAX_LAG_SHARE * side:
                self.rolls = False
        else:  # the first one, or a map that has grown
            middle = grid[0] + 0.5 * grid[2], grid[1] + 0.5 * grid[3]
            self.rolls = math.dist(middle, place) <= CENTRE_TOLERANCE * side + 2.0 * cell
            self._place = place
        self._grid = grid

    @property
    def period(self) -> float:
        """The longest time of late from one costmap to the next [s]; 0 before the second."""
        return min(float(np.diff(self._times).max(initial=0.0)), MAX_UPDATE_PERIOD)

    def wait(self, now: float) -> float:
        """Return how long it takes until a costmap shows more [s]; 0 where none will."""
        if not self.rolls or not self._times:
            return 0.0
        return max(self._times[-1] + self.period - now, 0.0)
