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
SHORTER = 0.3  # [m] by which the way left must become shorter to be progress
ANOTHER = 1.0  # [m] by which a way that is longer is another one
PAUSE = 0.5  # [s] without being asked that do not count

REMEDIES = ('fewer and better samples decide', 'a wider search', 'backing up')
SEARCH_WIDER, BACK_UP = 2, 3  # places in REMEDIES, counted from 1


def remedy(spans: float) -> int:
    """Return which of the REMEDIES is in turn, counted from 1; 0 within the first patience."""
    return 1 + int(spans - 1.0) % len(REMEDIES) if spans > 1.0 else 0


class Headway:
    """Remembers where the robot was when it last had got anywhere."""

    def __init__(self) -> None:
        self._anchor: State | None = None
        self._since = -math.inf

    def restart(self) -> None:
        """Forget where the robot was, after it did not want to drive."""
        self._anchor = None

    def spans(self, now: float, state: State, limits: Limits, patience: float) -> float:
        """
        Return for how many times `patience` [s] the robot has hardly moved.

        That grows until the robot leaves the place. A patience of 0 never ends.
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
        return (now - self._since) / patience if patience > 0.0 else 0.0


class Endeavour:
    """Remembers when the way left had become shorter last, to know when to give up."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin anew, with another goal or after somebody has helped."""
        self._left = math.inf  # [m]
        self._goal = (math.inf, math.inf)  # [m] [m]
        self._since = self._asked = 0.0

    def hopeless(
        self, now: float, left: float, goal: tuple[float, float], seconds: float
    ) -> bool:
        """
        Tell whether the way left [m] has not become shorter for so long; 0 s never gives up.

        Another goal, or a way that is longer by ANOTHER, begins anew. Time in which nobody asked
        does not count.
        """
        if now - self._asked > PAUSE:
            self._since += now - self._asked
        self._asked = now
        if (
            now < self._since
            or not self._left - SHORTER <= left <= self._left + ANOTHER
            or not math.dist(goal, self._goal) <= SHORTER
        ):
            self._left, self._goal, self._since = left, goal, now
        return 0.0 < seconds < now - self._since
