"""Result of a control tick: command, state, reason and statistics."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
import math
from typing import NamedTuple

from mppi_ros.control.inputs import Command

NAN = math.nan


class ControllerState(str, Enum):
    """State of the controller."""

    WAITING = 'waiting'  # an input is missing; zero velocity
    DRIVING = 'driving'
    REACHED = 'reached'  # zero velocity until a new plan or goal
    BRAKING = 'braking'  # decelerating within the limits
    STOPPED = 'stopped'  # zero velocity; see the reason


class Reason(str, Enum):
    """Reason of the state, for programs: the meaning of a code never changes."""

    NONE = 'none'
    # Driving, with a remark.
    IN_CONTACT = 'in_contact'
    NO_PROGRESS = 'no_progress'
    FALLBACK_COMMAND = 'fallback_command'
    EVADING = 'evading'
    # Not driving, without a fault.
    GOAL_REACHED = 'goal_reached'
    ODOMETRY_MISSING = 'odometry_missing'
    COSTMAP_MISSING = 'costmap_missing'
    COSTMAP_PENDING = 'costmap_pending'
    PLAN_MISSING = 'plan_missing'
    # The path is not free.
    COLLISION_AHEAD = 'collision_ahead'
    PATH_BLOCKED = 'path_blocked'
    PROGRESS_TIMEOUT = 'progress_timeout'
    # An input, the clock or the program is faulty.
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
    EXTERNAL_STOP = 'external_stop'
    NO_FINITE_PLAN = 'no_finite_plan'
    INTERNAL_ERROR = 'internal_error'


# Ends of driving after which it resumes without a recovery time.
NON_FAULTS = frozenset({
    Reason.GOAL_REACHED, Reason.ODOMETRY_MISSING, Reason.COSTMAP_MISSING, Reason.COSTMAP_PENDING,
    Reason.PLAN_MISSING, Reason.COLLISION_AHEAD, Reason.PATH_BLOCKED, Reason.PROGRESS_TIMEOUT,
})  # fmt: skip


# Faults after which zero has been sent without a tick: the next command starts from rest.
ZERO_SENT = frozenset({Reason.TICK_LATE, Reason.EXTERNAL_STOP})


class Fault(NamedTuple):
    """A reason code for programs and a message for people."""

    code: Reason
    message: str


class Stop(Exception):
    """
    Condition under which a tick must not drive.

    Attributes
    ----------
    fault : Fault
        The reason.
    rest : ControllerState
        State to report once the robot is at rest.
    over : bool
        The fault has cleared, but not yet for the recovery time.

    """

    def __init__(
        self,
        code: Reason,
        message: str,
        rest: ControllerState = ControllerState.STOPPED,
        *,
        over: bool = False,
    ) -> None:
        super().__init__(message)
        self.fault = Fault(code, message)
        self.rest = rest
        self.over = over


def stop_after(error: Exception, before: Stop | None) -> Stop:
    """Return the stop for an error that is raised while driving or while handling `before`."""
    if isinstance(error, Stop):
        return error
    message = f'{type(error).__name__}: {error}'
    if before is None:
        return Stop(Reason.INTERNAL_ERROR, message)
    return Stop(
        before.fault.code, f'{before.fault.message}; {message}', before.rest, over=before.over
    )


@dataclass
class Statistics:
    """Statistics of a tick; NaN if not computed in it."""

    smoothed_objective: float = NAN
    ess: float = NAN
    temperature: float = NAN
    score_norm: float = NAN
    kl: float = NAN
    samples: float = NAN
    sigma_scale: float = NAN
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
    characteristic_speed: float = NAN
    odom_age: float = NAN
    costmap_age: float = NAN
    plan_age: float = NAN


@dataclass(frozen=True)
class TickResult:
    """Result of a tick; `reason` is the message for `code`, '' without a remark."""

    command: Command
    state: ControllerState
    code: Reason
    reason: str
    statistics: Statistics
