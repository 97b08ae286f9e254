"""
Progress of a robot, measured by its position rather than by its speed.

In front of a narrow gap some samples pass through and others hit its sides. Their average does
neither, so the robot may oscillate indefinitely.
"""

from __future__ import annotations

import math

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving.motion_models import MotionState
from mppi_ros.driving.parameters import Limits

MIN_SPEED_SHARE = 0.25  # of the distance or angle at top speed
STUCK_RADIUS = 0.3  # [m] upper limit of the distance, for fast robots
STUCK_ANGLE = 1.0  # [rad] upper limit of the angle
MIN_PROGRESS = 0.3  # [m] decrease of the remaining length that counts as progress
NEW_PATH_LENGTH = 1.0  # [m] increase of the remaining length that indicates another path
MAX_PAUSE = 0.5  # [s] longer gaps between calls are not counted

RECOVERIES = ('λ reduced', 'search widened', 'backing up')
SEARCH_WIDER, BACK_UP = 2, 3  # indices into RECOVERIES, from 1


def next_recovery(spans: float) -> int:
    """Return the index of the due recovery in RECOVERIES, from 1; 0 for none."""
    return 1 + int(spans - 1.0) % len(RECOVERIES) if spans > 1.0 else 0


class MovementTimer:
    """Measures the time since the robot last moved by a distance or an angle."""

    def __init__(self) -> None:
        self._anchor: tuple[float, float, float] | None = None
        self._since = -math.inf

    def restart(self) -> None:
        """Discard the pose: the next one is the first."""
        self._anchor = None

    def skip(self, seconds: float) -> None:
        """Do not count a time [s]."""
        self._since += seconds

    def elapsed(
        self, now: float, pose: tuple[float, float, float], radius: float, angle: float
    ) -> float:
        """
        Return the time [s] since the robot moved by more than `radius` [m] or `angle` [rad].

        `pose` is x [m], y [m], yaw [rad]. A clock that jumps back restarts the timer.
        """
        at = self._anchor
        if (
            at is None
            or now < self._since
            or math.dist(at[:2], pose[:2]) > radius
            or abs(math.remainder(pose[2] - at[2], math.tau)) > angle
        ):
            self._anchor, self._since = pose, now
        return now - self._since


class StuckDetector:
    """Measures how long the robot has hardly moved."""

    def __init__(self) -> None:
        self._timer = MovementTimer()
        self.restart = self._timer.restart  # when driving was not intended

    def spans(self, now: float, state: MotionState, limits: Limits, patience: float) -> float:
        """
        Return the time for which the robot has hardly moved, in units of `patience` [s].

        It grows until the robot leaves the place. It is 0 if `patience` is 0.
        """
        reach = min(STUCK_RADIUS, MIN_SPEED_SHARE * limits.vx_max * patience)
        turn = min(STUCK_ANGLE, MIN_SPEED_SHARE * limits.wz_max * patience)
        seconds = self._timer.elapsed(now, (state.x, state.y, state.yaw), reach, turn)
        return seconds / patience if patience > 0.0 else 0.0


class ProgressChecker:
    """
    Detects that the remaining path length does not decrease.

    Two timers run. The first measures the time since the remaining length last decreased, and
    restarts when the path changes. The second measures the time since its minimum for this goal,
    which detects a robot that drives in circles or alternates between plans. A longer path extends
    the second by the time that it takes at a slow speed.
    """

    def __init__(self) -> None:
        self._movement = MovementTimer()
        self.restart()

    def restart(self) -> None:
        """Restart all timers, for another goal or after an intervention."""
        self.restart_movement()
        self._left = self._least = math.inf  # [m]
        self._most = 0.0  # [m] maximum since the minimum
        self._goal = (math.inf, math.inf)  # [m] [m]
        self._since = self._least_since = self._asked = 0.0

    def fault(
        self,
        now: float,
        left: float,
        goal: tuple[float, float, float],
        state: MotionState,
        c: ControllerParameters,
    ) -> str:
        """
        Return a message on a robot that makes too little progress, '' for one that makes enough.

        `left` [m] is the remaining length of the path to `goal`, x [m], y [m], yaw [rad].
        """
        timeout, required = c.recovery.progress_timeout, c.follow_path
        pace = MIN_SPEED_SHARE * c.limits.vx_max
        if self.timed_out(now, left, goal[:2], timeout, pace):
            return f'no progress for {timeout:g} s; {left:.1f} m of the path remain'
        pose = state.x, state.y, state.yaw
        if c.recovery.require_movement and (
            self.since_movement(now, pose, *required.movement) > required.progress_time
        ):
            return required.too_little
        return ''

    def timed_out(
        self,
        now: float,
        left: float,
        goal: tuple[float, float],
        seconds: float,
        speed: float,
    ) -> bool:
        """
        Return whether the remaining length `left` [m] has not decreased for `seconds`; 0 disables.

        Another goal restarts the timers. Gaps between calls are not counted. `speed` is the
        expected speed on a longer path [m/s].
        """
        if now - self._asked > MAX_PAUSE:
            self._since += now - self._asked
            self._least_since += now - self._asked
            self._movement.skip(now - self._asked)
        self._asked = now
        if now < self._since or not math.dist(goal, self._goal) <= MIN_PROGRESS:
            self._goal, self._least = goal, math.inf
            self.restart_movement()
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

    def restart_movement(self) -> None:
        """Restart the timer of `since_movement`, after the plan was withdrawn."""
        self._movement.restart()

    def since_movement(
        self, now: float, pose: tuple[float, float, float], radius: float, angle: float
    ) -> float:
        """
        Return the time since the last movement [s]; see `MovementTimer.elapsed`.

        Call it after `timed_out`, which discounts gaps and restarts the timer for another goal.
        """
        return self._movement.elapsed(now, pose, radius, angle)
