"""
Whether a robot that drives gets anywhere: seen by where it is, not by how fast it moves.

Before a narrow gap a share of the samples drives through and the others hit its sides; their
average does neither, and the robot moves to and fro for ever.
"""

from __future__ import annotations

import math

from mppi_ros.driving.motion import State
from mppi_ros.driving.settings import Limits

SHARE = 0.25  # of what top speed would reach in the same time
REACH = 0.3  # [m] farther away from where it was, even a fast robot gets somewhere
TURN = 1.0  # [rad] and so does one that has turned by more


class Headway:
    """Remembers where the robot was when it last had got anywhere."""

    def __init__(self) -> None:
        self._anchor: State | None = None
        self._since = -math.inf

    def restart(self) -> None:
        """Forget where the robot was, after it did not want to drive."""
        self._anchor = None

    def stuck(self, now: float, state: State, limits: Limits, patience: float) -> bool:
        """
        Tell whether the robot has hardly moved for longer than `patience` [s].

        It stays so until the robot leaves the place. A patience of 0 never ends.
        """
        reach = min(REACH, SHARE * limits.vx_max * patience)
        turn = min(TURN, SHARE * limits.wz_max * patience)
        at = self._anchor
        if (
            at is None
            or now < self._since
            or math.dist((at.x, at.y), (state.x, state.y)) > reach
            or abs(math.remainder(state.yaw - at.yaw, math.tau)) > turn
        ):
            self._anchor, self._since = state, now
        return patience > 0.0 and now - self._since > patience
