"""
Speed limit in a bounded costmap: the robot must be able to stop inside it.

A costmap that rolls with the robot is updated with a period P. Until the next update the robot
approaches its edge, so a speed v is allowed if d ≥ v (P + t) + v² / (2 a), with the distance d
to the edge, the time t until braking acts and the deceleration a. With d from the centre, this is
the rule for the size of the costmap. With d from the position of the robot and the rest of P, it
limits the speed of a tick, to the same value at any time of a period.
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
MAX_UPDATE_PERIOD = 2.0  # [s] a costmap with a longer period is static
UPDATES_COUNTED = 4  # updates of the moving maximum
CENTRE_TOLERANCE = 0.1  # of a side: distance of a rolling costmap's centre from the robot
MAX_LAG_SHARE = 0.15  # of a side: distance of the robot from the last place of rolling


def allowed_speed(way: float, deceleration: float, seconds: float) -> float:
    """Return the speed [m/s] that allows a stop within `way` [m] after `seconds` of driving."""
    t, a = seconds, deceleration
    return max(a * (math.sqrt(t * t + 2.0 * max(way, 0.0) / a) - t), 0.0)


def required_distance(speed: float, deceleration: float, seconds: float) -> float:
    """Return the stopping distance [m] from `speed` [m/s] after `seconds` of driving."""
    return speed * seconds + speed * speed / (2.0 * deceleration)


def deceleration(limits: Limits, motion_model: str) -> float:
    """Return the deceleration in the worst direction of driving [m/s²]."""
    return min(-limits.ax_min, -limits.ay_min) if motion_model == 'omni' else -limits.ax_min


def distance_to_side(x: float, y: float, field: DistanceField) -> float:
    """Return the distance from a point to the nearest side of a field [m]; negative outside."""
    height, width = field.distance.shape
    ahead, up = x - field.origin_x, y - field.origin_y
    right, top = width * field.resolution, height * field.resolution
    return float(min(ahead, up, right - ahead, top - up))


def distance_to_rim(
    poses: NDArray[np.float64], footprint: Footprint, field: DistanceField
) -> float:
    """
    Return the distance that the body travels along poses, then straight, to leave a field [m].

    Parameters
    ----------
    poses : float64[n, 3]
        x, y [m] and yaw [rad], n ≥ 2.
    footprint : Footprint
        Footprint of the robot.
    field : DistanceField
        Distance field with the extent.

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
    # A body that already extends over the edge may return.
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
    """Return whether a path, float64[n, 3], leads forward rather than backward."""
    x, y, yaw = poses[0]
    return bool((poses[-1, 0] - x) * math.cos(yaw) + (poses[-1, 1] - y) * math.sin(yaw) >= 0.0)


@dataclass(frozen=True)
class RollingWindow:
    """
    Speed limit of a costmap that rolls with the robot.

    Attributes
    ----------
    width, height : float
        Extent of the costmap along x and y [m].
    period : float
        Update period [s].
    needed : float
        Minimum side for top speed [m].
    speed : float
        Speed that is allowed with this costmap [m/s].
    top_speed : float
        Configured top speed [m/s].

    """

    width: float
    height: float
    period: float
    needed: float
    speed: float
    top_speed: float

    @property
    def warning(self) -> str:
        """Return a message if the costmap is too small for top speed; '' otherwise."""
        if min(self.width, self.height) >= self.needed:
            return ''
        every = f' every {self.period:.2g} s' if self.period > 0.0 else ''
        return (
            f'the costmap of {self.width:.1f} x {self.height:.1f} m{every} allows '
            f'{self.speed:.2f} m/s of limits.vx_max = {self.top_speed:g} m/s: '
            f'a side of {self.needed:.1f} m is required'
        )


def window_of(
    configuration: ControllerParameters,
    footprint: Footprint,
    extent: tuple[float, float],
    period: float,
    age: float = 0.0,
) -> RollingWindow:
    """
    Return the speed limit of a costmap that rolls with the robot.

    Parameters
    ----------
    configuration, footprint : ControllerParameters, Footprint
        Parameters and footprint of the robot.
    extent : (float, float)
        Width and height of the costmap [m].
    period, age : float
        Update period, and age of a costmap on arrival [s].

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
    Update period of the costmap, and whether it rolls with the robot.

    Without further evidence, a costmap centred near the robot is assumed to roll.

    Attributes
    ----------
    rolls : bool
        The costmap follows the robot.
    age : float
        Age of the last costmap on arrival [s].

    """

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=UPDATES_COUNTED)
        self._stamp = self._since = -math.inf
        self._grid: tuple[float, ...] = ()
        self._place = (0.0, 0.0)
        self.rolls = False
        self.age = 0.0

    def restart(self, now: float) -> None:
        """Forget the times of before a jump of the clock to `now` [s]."""
        self._times.clear()
        self._since = now

    def take(self, now: float, stamp: float, costmap: Costmap, place: Place) -> None:
        """Add the costmap at the time `now` [s], with the position of the robot [m] [m]."""
        if self._times and now < self._times[-1]:  # the clock went back
            self.restart(now)
        new = stamp != self._stamp
        if new:
            self._stamp = stamp
            if stamp >= self._since:
                self.age = max(now - stamp, 0.0)
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
        else:  # first costmap, or changed extent
            middle = grid[0] + 0.5 * grid[2], grid[1] + 0.5 * grid[3]
            self.rolls = math.dist(middle, place) <= CENTRE_TOLERANCE * side + 2.0 * cell
            self._place = place
        self._grid = grid

    @property
    def period(self) -> float:
        """The longest recent update period [s]; 0 before the second costmap."""
        return min(float(np.diff(self._times).max(initial=0.0)), MAX_UPDATE_PERIOD)

    def wait(self, now: float) -> float:
        """Return the time until the next costmap [s]; 0 for a static one."""
        if not self.rolls or not self._times:
            return 0.0
        return max(self._times[-1] + self.period - now, 0.0)
