"""
Consistency of pose and twist in the odometry: each can freeze while the other changes.

A value is frozen if it is constant to the last bit while the other half of the message implies a
change. If both halves change, nothing is compared: slip, drift and localisation corrections are
not faults.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from mppi_ros.control.inputs import Odometry

MIN_FREEZE_TIME = 0.15  # [s] pose and twist may be updated at different rates
MAX_LAG_MESSAGES = 2.0  # lag of one half behind the other
POSE_TOLERANCE = (0.05, 0.05, 0.1)  # [m] [m] [rad] motion implied by the twist, pose frozen
TWIST_TOLERANCE = (0.1, 0.1, 0.2)  # [m] [m] [rad] motion of the pose, twist frozen
TWIST_TOLERANCE_SHARE = 0.3  # of the motion implied by the twist, which may be a command
COMPARISON_WINDOW = 2.0  # [s] time constant of the comparison, so that corrections do not add up
TWIST_NOISE = 0.02  # [m/s] [rad/s] lower values count as rest
MAX_MESSAGE_GAP = 0.2  # [s] longer gaps are not compared
MAX_SPEED_RATIO = 1.5  # of top speed; faster motion is a correction of the localisation

POSE_NAMES, TWIST_NAMES = ('x', 'y', 'yaw'), ('vx', 'vy', 'wz')
UNITS = ('m', 'm', 'rad')


class BodyTwist(NamedTuple):
    """Top speeds of the robot [m/s] [m/s] [rad/s]; 0 if it cannot move in a direction."""

    ahead: float = math.inf
    aside: float = 0.0
    turn: float = math.inf


class OdometryConsistency:
    """
    Compares each component of pose and twist with the other half of the message.

    Attributes
    ----------
    message : str
        Description of the frozen component; '' without one.

    """

    def __init__(self) -> None:
        self.message = ''
        self._last: Odometry | None = None
        self._frozen: tuple[str, float] | None = None  # frozen component and its value
        self._forgiven: tuple[str, float] | None = None  # was retried once
        self.restart()

    def restart(self) -> None:
        """Clear the accumulated differences."""
        self._same = dict.fromkeys(POSE_NAMES + TWIST_NAMES, 0.0)  # [s]
        self._unseen = dict.fromkeys(POSE_NAMES + TWIST_NAMES, 0.0)  # [m] [rad] missing motion
        self._implied = dict.fromkeys(TWIST_NAMES, 0.0)  # [m] [rad] by a twist

    def forgive(self) -> None:
        """
        Retry a frozen component after a rest.

        A pose is retried only once before it changes, since the robot moves blindly each time. A
        twist may be constant at rest and is always retried.
        """
        if self._frozen is None or self._frozen == self._forgiven:
            return
        if self._frozen[0] in POSE_NAMES:
            self._forgiven = self._frozen
        self.message, self._frozen = '', None
        self.restart()

    def take(self, odometry: Odometry, moving: bool, speeds: BodyTwist) -> None:
        """Compare a measurement with the last; `moving` is whether motion was commanded."""
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
        motion = cosine * dx + sine * dy, cosine * dy - sine * dx, turn
        for place, name in enumerate(POSE_NAMES):
            self._compare_pose(place, name, last, seconds if moving else 0.0, rates[place])
        for place, name in enumerate(TWIST_NAMES):
            limit = MAX_SPEED_RATIO * speeds[place] * seconds
            moved = min(max(motion[place], -limit), limit)
            if speeds[place]:
                self._compare_twist(place, name, last, seconds if moving else 0.0, moved)

    def _compare_pose(
        self, place: int, name: str, last: Odometry, seconds: float, rate: float
    ) -> None:
        """Accumulate the motion implied by the twist while a pose component is constant."""
        if not self._stays(name, last, seconds):
            return
        self._unseen[name] += rate * seconds
        limit = POSE_TOLERANCE[place] + MAX_LAG_MESSAGES * abs(rate) * seconds
        if abs(self._unseen[name]) > limit and self._same[name] > MIN_FREEZE_TIME:
            self._set_frozen(
                name, f'odometry {name} is constant for {self._same[name]:.2f} s, but its twist '
                f'implies a change of {self._unseen[name]:.2f} {UNITS[place]}'
            )  # fmt: skip

    def _compare_twist(
        self, place: int, name: str, last: Odometry, seconds: float, moved: float
    ) -> None:
        """Accumulate the motion of the pose that a constant twist component does not imply."""
        if not self._stays(name, last, seconds):
            self._implied[name] = 0.0
            return
        value = getattr(last, name)
        keep = math.exp(-seconds / COMPARISON_WINDOW)
        implied = value * seconds
        self._unseen[name] = keep * self._unseen[name] + (moved - implied if seconds else 0.0)
        self._implied[name] = keep * self._implied[name] + abs(implied)
        unseen = self._unseen[name]
        limit = TWIST_TOLERANCE[place] + TWIST_TOLERANCE_SHARE * self._implied[name]
        if abs(unseen) > limit and self._same[name] > MIN_FREEZE_TIME:
            self._set_frozen(
                name, f'odometry {name} is constant at {value:.2f} {UNITS[place]}/s for '
                f'{self._same[name]:.2f} s, which deviates from the pose by {abs(unseen):.2f} '
                f'{UNITS[place]}'
            )  # fmt: skip

    def _stays(self, name: str, last: Odometry, seconds: float) -> bool:
        if getattr(self._last, name) != getattr(last, name):
            self._same[name] = self._unseen[name] = 0.0
            if self._forgiven is not None and self._forgiven[0] == name:
                self._forgiven = None
            return False
        self._same[name] += seconds
        return True

    def _set_frozen(self, name: str, message: str) -> None:
        self.message, self._frozen = message, (name, getattr(self._last, name))
