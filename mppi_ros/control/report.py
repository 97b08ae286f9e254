"""What one tick says: the command, the state, the reason and the numbers behind them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
import math

from mppi_ros.control.inputs import Command

NAN = math.nan


class State(str, Enum):
    """What the controller is doing."""

    WAITING = 'waiting'  # an input never came; zero
    DRIVING = 'driving'
    REACHED = 'reached'  # zero until a new plan or goal comes
    BRAKING = 'braking'  # coming to rest within the limits
    STOPPED = 'stopped'  # zero; the reason says why


@dataclass
class Statistics:
    """What one tick saw; NaN stands for 'not computed in this tick'."""

    smoothed_objective: float = NAN
    ess: float = NAN
    temperature: float = NAN
    score_norm: float = NAN
    kl: float = NAN
    solve_ms: float = NAN
    tick_ms: float = NAN
    clearance: float = NAN
    distance_to_goal: float = NAN
    cross_track: float = NAN
    progress: float = NAN
    odom_age: float = NAN
    costmap_age: float = NAN
    plan_age: float = NAN


@dataclass(frozen=True)
class Tick:
    """The result of a tick; `reason` is a plain sentence, '' when all is well."""

    command: Command
    state: State
    reason: str
    statistics: Statistics
