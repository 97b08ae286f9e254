"""
Whether a robot that drives gets anywhere: seen by where it is, not by how fast it moves.

Before a narrow gap a share of the samples drives through and the others hit its sides; their
average does neither, and the robot moves to and fro for ever.
"""

from __future__ import annotations

import math

from mppi_ros.driving.motion_models import MotionState
from mppi_ros.driving.parameters import Limits

MIN_SPEED_SHARE = 0.25  # of what top speed would reach in the same time
STUCK_RADIUS = 0.3  # [m] farther away from where it was, even a fast robot gets somewhere
STUCK_ANGLE = 1.0  # [rad] and so does one that has turned by more
MIN_PROGRESS = 0.3  # [m] by which the way left must become shorter to be progress
NEW_PATH_LENGTH = 1.0  # [m] by which a way that is longer is another one
MAX_PAUSE = 0.5  # [s] without being asked that do not count

RECOVERIES = ('fewer and better samples decide', 'a wider search', 'backing up')
SEARCH_WIDER, BACK_UP = 2, 3  # places in REMEDIES, counted from 1


def next_recovery(spans: float) -> int:
    """Return which of the REMEDIES is in turn, counted from 1; 0 within the first patience."""
    return 1 + int(spans - 1.0) % len(RECOVERIES) if spans > 1.0 else 0


class StuckDetector:
    """Remembers where the robot was when it last had got anywhere."""

    def __init__(self) -> None:
        self._anchor: MotionState | None = None
        self._since = -math.inf

    def restart(self) -> None:
        """Forget where the robot was, after it did not want to drive."""
        self._anchor = None

    def spans(self, now: float, state: MotionState, limits: Limits, patience: float) -> float:
        """
        Return for how many times `patience` [s] the robot has hardly moved.

        That grows until the robot leaves the place. A patience of 0 never ends.
        """
        reach = min(STUCK_RADIUS, MIN_SPEED_SHARE * limits.vx_max * patience)
        turn = min(STUCK_ANGLE, MIN_SPEED_SHARE * limits.wz_max * patience)
        at = self._anchor
        if (
            at is None
            or now < self._since
            or math.dist((at.x, at.y), (state.x, state.y)) > reach
            or abs(math.remainder(state.yaw - at.yaw, math.tau)) > turn
        ):
            self._anchor, self._since = state, now
        return (now - self._since) / patience if patience > 0.0 else 0.0


class ProgressChecker:
    """
    Watches the way left, to know when to give up.

    Two clocks run. One since the way left has become shorter, from where it last was: it begins
    anew where the way is another one, which may be longer. The other since it was shorter than
    ever on the way to this goal, so that a robot which drives in circles, or to and fro between
    plans, is noticed: a longer way gets the time that it takes at a slow pace, and no more.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin anew, with another goal or after somebody has helped."""
        self._left = self._least = math.inf  # [m]
        self._most = 0.0  # [m] since it was shorter than ever
        self._goal = (math.inf, math.inf)  # [m] [m]
        self._since = self._least_since = self._asked = 0.0

    def hopeless(
        self,
        now: float,
        left: float,
        goal: tuple[float, float],
        seconds: float,
        speed: float,
    ) -> bool:
        """
        Tell whether the way left [m] has not become shorter for so long; 0 s never gives up.

        Another goal begins anew. Time in which nobody asked does not count. `speed` is the pace
        [m/s] that is expected on a longer way.
        """
        if now - self._asked > MAX_PAUSE:
            self._since += now - self._asked
            self._least_since += now - self._asked
        self._asked = now
        if now < self._since or not math.dist(goal, self._goal) <= MIN_PROGRESS:
            self._goal, self._least = goal, math.inf
        if left < self._least - MIN_PROGRESS:
            self._least, self._most, self._least_since = left, left, now
            self._left, self._since = left, now
        self._most = max(self._most, left)
        if not self._left - MIN_PROGRESS <= left <= self._left + NEW_PATH_LENGTH:
            self._left, self._since = left, now
        longer = (self._most - self._least) / speed
        return seconds > 0.0 and (
            now - self._since > seconds or now - self._least_since > seconds + longer
        )
