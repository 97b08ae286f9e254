"""What one tick says: the command, the state, the reason and the numbers behind them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
import math
from typing import NamedTuple

from mppi_ros.control.inputs import Command

NAN = math.nan


class ControllerState(str, Enum):
    """What the controller is doing."""

    WAITING = 'waiting'  # an input never came; zero
    DRIVING = 'driving'
    REACHED = 'reached'  # zero until a new plan or goal comes
    BRAKING = 'braking'  # coming to rest within the limits
    STOPPED = 'stopped'  # zero; the reason says why


class Reason(str, Enum):
    """Why the controller does what it does: for programs, so no code ever changes its meaning."""

    NONE = 'none'
    # It drives, and something is worth a word.
    IN_CONTACT = 'in_contact'
    NO_PROGRESS = 'no_progress'
    FALLBACK_COMMAND = 'fallback_command'
    # It does not drive, and nothing is wrong.
    GOAL_REACHED = 'goal_reached'
    ODOMETRY_MISSING = 'odometry_missing'
    COSTMAP_MISSING = 'costmap_missing'
    COSTMAP_PENDING = 'costmap_pending'
    PLAN_MISSING = 'plan_missing'
    # The way is not free.
    COLLISION_AHEAD = 'collision_ahead'
    PATH_BLOCKED = 'path_blocked'
    PROGRESS_TIMEOUT = 'progress_timeout'
    # Something must not be trusted.
    ODOMETRY_OLD = 'odometry_old'
    ODOMETRY_AHEAD = 'odometry_ahead'
    ODOMETRY_JUMPED = 'odometry_jumped'
    ODOMETRY_FROZEN = 'odometry_frozen'
    ODOMETRY_REFUSED = 'odometry_refused'
    COSTMAP_OLD = 'costmap_old'
    COSTMAP_AHEAD = 'costmap_ahead'
    COSTMAP_REFUSED = 'costmap_refused'
    PLAN_OLD = 'plan_old'
    PLAN_AHEAD = 'plan_ahead'
    PLAN_REFUSED = 'plan_refused'
    TRANSFORM_MISSING = 'transform_missing'
    TRANSFORM_OLD = 'transform_old'
    OUTSIDE_COSTMAP = 'outside_costmap'
    CLOCK_INVALID = 'clock_invalid'
    CLOCK_BACK = 'clock_back'
    CLOCK_AHEAD = 'clock_ahead'
    TICK_LATE = 'tick_late'
    NO_FINITE_PLAN = 'no_finite_plan'
    INTERNAL_ERROR = 'internal_error'


# Ends of a drive that need no caution before the next one begins.
NON_FAULTS = frozenset({
    Reason.GOAL_REACHED, Reason.ODOMETRY_MISSING, Reason.COSTMAP_MISSING, Reason.COSTMAP_PENDING,
    Reason.PLAN_MISSING, Reason.COLLISION_AHEAD, Reason.PATH_BLOCKED, Reason.PROGRESS_TIMEOUT,
})  # fmt: skip


class Fault(NamedTuple):
    """Why not to drive: a code for programs and a sentence for people."""

    code: Reason
    message: str


class Stop(Exception):
    """
    A condition under which a tick must not drive.

    Attributes
    ----------
    fault : Fault
        The reason.
    rest : State
        State to report once the robot is at rest.
    over : bool
        The fault has cleared, but for less than the recovery time.

    """

    def __init__(
        self,
        code: Reason,
        words: str,
        rest: ControllerState = ControllerState.STOPPED,
        *,
        over: bool = False,
    ) -> None:
        super().__init__(words)
        self.fault = Fault(code, words)
        self.rest = rest
        self.over = over


def stop_after(error: Exception, before: Stop | None) -> Stop:
    """Return the stop that follows from an error, raised while driving or in a stop `before`."""
    if isinstance(error, Stop):
        return error
    words = f'{type(error).__name__}: {error}'
    if before is None:
        return Stop(Reason.INTERNAL_ERROR, words)
    return Stop(
        before.fault.code, f'{before.fault.message}; {words}', before.rest, over=before.over
    )


@dataclass
class Statistics:
    """What one tick saw; NaN stands for 'not computed in this tick'."""

    smoothed_objective: float = NAN
    ess: float = NAN
    temperature: float = NAN
    score_norm: float = NAN
    kl: float = NAN
    samples: float = NAN
    solve_ms: float = NAN
    tick_ms: float = NAN
    clearance: float = NAN
    distance_to_goal: float = NAN
    cross_track: float = NAN
    progress: float = NAN
    delay_linear: float = NAN
    delay_angular: float = NAN
    lag_linear: float = NAN
    lag_angular: float = NAN
    gain_linear: float = NAN
    gain_angular: float = NAN
    odom_age: float = NAN
    costmap_age: float = NAN
    plan_age: float = NAN


@dataclass(frozen=True)
class TickResult:
    """The result of a tick; `reason` is a plain sentence, '' when all is well, for its `code`."""

    command: Command
    state: ControllerState
    code: Reason
    reason: str
    statistics: Statistics
