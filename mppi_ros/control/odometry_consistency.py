"""
Whether pose and twist of the odometry agree: each of them can freeze while the other moves.

A value that stays the same to the last bit while the other half of the message says that it
changes is frozen. Where both halves change, nothing is compared: slip, drift and corrections of a
localisation are no faults.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from mppi_ros.control.inputs import Odometry

MIN_FREEZE_TIME = (
    0.15  # [s] that a value may stay the same: pose and twist may come at unequal rates
)
MAX_LAG_MESSAGES = 2.0  # by which one half may lag behind the other
POSE_TOLERANCE = (
    0.05,
    0.05,
    0.1,
)  # [m] [m] [rad] of motion by the twist that a frozen pose does not show
TWIST_TOLERANCE = (
    0.1,
    0.1,
    0.2,
)  # [m] [m] [rad] of motion of the pose that a frozen twist does not say
TWIST_TOLERANCE_SHARE = 0.3  # and in addition this share of what it says: twists may be commands
COMPARISON_WINDOW = 2.0  # [s] so long a difference counts, so that corrections do not add up
TWIST_NOISE = 0.02  # [m/s] [rad/s] of a twist that is no motion
MAX_MESSAGE_GAP = 0.2  # [s] a longer silence says nothing about the motion meanwhile
MAX_SPEED_RATIO = 1.5  # of top speed: what exceeds it is the correction of a localisation

POSE_NAMES, TWIST_NAMES = ('x', 'y', 'yaw'), ('vx', 'vy', 'wz')
UNITS = ('m', 'm', 'rad')


class BodyTwist(NamedTuple):
    """Top speeds of the robot [m/s] [m/s] [rad/s]; 0 aside says that it cannot move there."""

    ahead: float = math.inf
    aside: float = 0.0
    turn: float = math.inf


class OdometryConsistency:
    """
    Holds each number of pose and twist against the other half of the message.

    Attributes
    ----------
    words : str
        Which number is frozen; '' while none is.

    """

    def __init__(self) -> None:
        self.message = ''
        self._last: Odometry | None = None
        self._frozen: tuple[str, float] | None = None  # the number that is, and its value
        self._forgiven: tuple[str, float] | None = None  # it was given another chance before
        self.restart()

    def restart(self) -> None:
        """Begin anew: nothing is known of how the robot came to where it is."""
        self._same = dict.fromkeys(POSE_NAMES + TWIST_NAMES, 0.0)  # [s]
        self._unseen = dict.fromkeys(POSE_NAMES + TWIST_NAMES, 0.0)  # [m] [rad] in the other half
        self._said = dict.fromkeys(TWIST_NAMES, 0.0)  # [m] [rad] by a twist

    def forgive(self) -> None:
        """
        Give what is frozen another chance after a rest.

        A pose gets no second one before it changes: the robot would move blindly by a little each
        time. A twist does, since it may stay the same at rest.
        """
        if self._frozen is None or self._frozen == self._forgiven:
            return
        if self._frozen[0] in POSE_NAMES:
            self._forgiven = self._frozen
        self.message, self._frozen = '', None
        self.restart()

    def take(self, odometry: Odometry, moving: bool, speeds: BodyTwist) -> None:
        """Compare a measurement with the last; `moving` says that motion was commanded."""
        last, self._last = self._last, odometry
        if self._frozen is not None and getattr(odometry, self._frozen[0]) != self._frozen[1]:
            self.message, self._frozen, self._forgiven = '', None, None
            self.restart()
        if last is None or self._frozen is not None:
            return
        seconds = odometry.stamp - last.stamp
        if not 0.0 < seconds <= MAX_MESSAGE_GAP:
            return
        turn = math.remainder(odometry.yaw - last.yaw, math.tau)
        middle = last.yaw + 0.5 * turn
        cosine, sine = math.cos(middle), math.sin(middle)
        vx, vy, wz = (
            value if abs(value) > TWIST_NOISE else 0.0
            for value in (odometry.vx, odometry.vy, odometry.wz)
        )  # fmt: skip
        dx, dy = odometry.x - last.x, odometry.y - last.y
        rates = cosine * vx - sine * vy, sine * vx + cosine * vy, wz
        ways = cosine * dx + sine * dy, cosine * dy - sine * dx, turn
        for place, name in enumerate(POSE_NAMES):
            self._compare_pose(place, name, last, seconds if moving else 0.0, rates[place])
        for place, name in enumerate(TWIST_NAMES):
            farthest = MAX_SPEED_RATIO * speeds[place] * seconds
            way = min(max(ways[place], -farthest), farthest)
            if speeds[place]:
                self._compare_twist(place, name, last, seconds if moving else 0.0, way)

    def _compare_pose(
        self, place: int, name: str, last: Odometry, seconds: float, rate: float
    ) -> None:
        """Add what the twist says [m/s] [rad/s] to what a pose that stays the same misses."""
        if not self._stays(name, last, seconds):
            return
        self._unseen[name] += rate * seconds
        limit = POSE_TOLERANCE[place] + MAX_LAG_MESSAGES * abs(rate) * seconds
        if abs(self._unseen[name]) > limit and self._same[name] > MIN_FREEZE_TIME:
            self._say(
                name, f'odometry {name} has stayed the same for {self._same[name]:.2f} s, while '
                f'its twist says {self._unseen[name]:.2f} {UNITS[place]}'
            )  # fmt: skip

    def _compare_twist(
        self, place: int, name: str, last: Odometry, seconds: float, way: float
    ) -> None:
        """Add how far the pose moved [m] [rad], and a twist that stays the same did not say."""
        if not self._stays(name, last, seconds):
            self._said[name] = 0.0
            return
        value = getattr(last, name)
        keep = math.exp(-seconds / COMPARISON_WINDOW)
        said = value * seconds
        self._unseen[name] = keep * self._unseen[name] + (way - said if seconds else 0.0)
        self._said[name] = keep * self._said[name] + abs(said)
        unseen, limit = (
            self._unseen[name],
            TWIST_TOLERANCE[place] + TWIST_TOLERANCE_SHARE * self._said[name],
        )
        if abs(unseen) > limit and self._same[name] > MIN_FREEZE_TIME:
            self._say(
                name, f'odometry {name} has stayed {value:.2f} {UNITS[place]}/s for '
                f'{self._same[name]:.2f} s, which is off by {abs(unseen):.2f} {UNITS[place]} from '
                f'its pose'
            )  # fmt: skip

    def _stays(self, name: str, last: Odometry, seconds: float) -> bool:
        if getattr(self._last, name) != getattr(last, name):
            self._same[name] = self._unseen[name] = 0.0
            if self._forgiven is not None and self._forgiven[0] == name:
                self._forgiven = None
            return False
        self._same[name] += seconds
        return True

    def _say(self, name: str, words: str) -> None:
        self.message, self._frozen = words, (name, getattr(self._last, name))
