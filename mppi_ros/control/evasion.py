"""
Evasion: manoeuvres around moving obstacles that braking to rest does not avoid.

A robot at rest is not safe from a moving obstacle. Where no command leaves both room to brake and
a rest without contact, manoeuvres are compared over a horizon in which robot and obstacles are
predicted. The guarantee for static obstacles holds: each command leaves room to brake before them.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.stopping_check import (
    CONTACT_TOLERANCE,
    INTEGRATION_STEP,
    NO_OBSTACLES,
    CollisionModel,
    clearances,
    moving_obstacle_distance,
)
from mppi_ros.driving.motion_models import (
    Controls,
    Model,
    MotionState,
    applied_command,
    apply_limits,
    controls_at,
    integrate,
)
from mppi_ros.jit.cache import cached_njit

HORIZON = 1.5  # [s] over which manoeuvres are compared
STRIDE = 5  # integration steps between two tests of the clearance
ENOUGH_CLEARANCE = 0.2  # [m] to moving obstacles; more of it is not better


class Manoeuvre(NamedTuple):
    """
    The prediction of a manoeuvre.

    `clearance` [m] is the least distance to moving obstacles, `shortfall` [m s] the integral of
    what it lacks of ENOUGH_CLEARANCE, and `added_penetration` [m] how much deeper a disc of the
    footprint gets in static obstacles than it is at the start.
    """

    clearance: float
    shortfall: float
    added_penetration: float

    @property
    def key(self) -> tuple[float, float]:
        """Return the sort key: the better of two manoeuvres has the greater one."""
        if self.added_penetration > CONTACT_TOLERANCE:
            return -math.inf, -self.added_penetration
        return min(self.clearance, ENOUGH_CLEARANCE), -self.shortfall


def predict_manoeuvre(
    state: MotionState,
    last: Controls,
    commands: NDArray[np.float64],
    period: float,
    collision_model: CollisionModel,
    model: Model,
    waiting: NDArray[np.float32],
) -> Manoeuvre:
    """
    Drive towards commands within the limits, over HORIZON.

    Parameters
    ----------
    state : MotionState
        State of the robot when the first command begins to act.
    last : (float, ...)
        The command before.
    commands : float64[k, m]
        Each is held for `period` [s], the last one to the end.
    collision_model : CollisionModel
        Static and moving obstacles.
    model : Model
        Limits and lags for steps of INTEGRATION_STEP.
    waiting : float32[waits, m]
        Commands still pending on the slower axis.

    """
    still = collision_model._replace(moving_obstacles=NO_OBSTACLES)
    held = max(round(period / INTEGRATION_STEP), 1)
    steps = round(HORIZON / INTEGRATION_STEP)
    return Manoeuvre(
        *_follow(state, last, commands, held, steps, waiting, collision_model, still, model)
    )


@cached_njit(nogil=True)
def _follow(
    start: Any, last: Any, commands: Any, held: Any, steps: Any, waiting: Any, around: Any,
    still: Any, model: Any,
) -> Any:  # fmt: skip
    """Integrate a manoeuvre; see `Manoeuvre`."""
    first, discs = waiting.shape[0], around.discs.shape[0]
    sent = np.empty((first + steps, len(last)))
    for step in range(first):  # a slice would bring in error messages: 3 s of compilation
        for n in range(len(last)):
            sent[step, n] = waiting[step, n]
    state = (
        start.x, start.y, math.cos(start.yaw), math.sin(start.yaw), start.v, start.w, start.vy,
        start.curvature,
    )  # fmt: skip
    begin, room = np.empty(discs), np.empty(discs)
    clearances(state[0], state[1], state[2], state[3], 0.0, still, begin)
    least, shortfall, deeper = np.inf, 0.0, 0.0
    for step in range(steps):
        wanted = controls_at(commands, min(step // held, commands.shape[0] - 1), model)
        last = apply_limits(wanted, last, model)
        for n in range(len(last)):
            sent[first + step, n] = last[n]
        state = integrate(state, applied_command(sent, first + step, model), model)
        if (step + 1) % STRIDE:
            continue
        x, y, c, s = state[0], state[1], state[2], state[3]
        clearances(x, y, c, s, 0.0, still, room)
        for n in range(discs):
            deeper = max(deeper, min(around.margin, begin[n]) - room[n])
        time, near = (step + 1) * INTEGRATION_STEP, np.inf
        for n in range(discs):
            ahead, aside = around.discs[n, 0], around.discs[n, 1]
            at_x, at_y = x + ahead * c - aside * s, y + ahead * s + aside * c
            away = moving_obstacle_distance(at_x, at_y, time, around)
            near = min(near, away - around.discs[n, 2])
        least = min(least, near)
        shortfall += max(ENOUGH_CLEARANCE - near, 0.0) * STRIDE * INTEGRATION_STEP
    return least, shortfall, deeper
