"""
Where the robot will be: the state when a command acts, and the way it takes to come to rest.

A command is safe when, after it has acted for one period, at least one way of braking brings the
robot to rest without the footprint going deeper into obstacles than it stands already. A robot
that stays with safe commands can always stop in time.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numba import njit
import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.distance_field import DistanceField
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.motion import Model, State, moved, trajectory
from mppi_ros.driving.motion import limited as limited_step
from mppi_ros.driving.settings import Limits, Prediction

STEP = 0.01  # [s] of the integration
LONGEST = 2000  # steps: no check takes longer, however weak the brakes
TOUCH = 1e-6  # [m] of depth that is rounding
CRAWL = 0.02  # [m/s] below which a command has no curvature worth following


class Surroundings(NamedTuple):
    """The distance field and the body in it, as the kernels take them."""

    distance: NDArray[np.float32]
    resolution: float
    origin_x: float
    origin_y: float
    outside: float
    discs: NDArray[np.float64]
    margin: float

    @classmethod
    def of(cls, field: DistanceField, footprint: Footprint, margin: float) -> Surroundings:
        """Return the surroundings of a footprint that must keep `margin` [m] of clearance."""
        return cls(
            distance=field.distance,
            resolution=field.resolution,
            origin_x=field.origin_x,
            origin_y=field.origin_y,
            outside=field.outside,
            discs=footprint.discs,
            margin=margin,
        )


class Check(NamedTuple):
    """
    The best way of braking after a command has acted.

    `deeper` [m] is how much deeper in obstacles any disc of the footprint gets on the way than it
    is at the start; `begin` and `clearance` [m] are the clearance at the start and the least on
    the way; `turn` is the curvature [rad/m] that braking follows.
    """

    deeper: float
    begin: float
    clearance: float
    turn: float

    @property
    def safe(self) -> bool:
        """Tell whether the robot can come to rest without going deeper into obstacles."""
        return self.deeper <= TOUCH


def limited(
    wanted: tuple[float, float], last: tuple[float, float], limits: Limits, seconds: float
) -> tuple[float, float]:
    """
    Return the command nearest to `wanted` that `seconds` after the command `last` may be sent.

    The law of `motion.limited`, in double precision. When the speed limits have just been
    lowered, the command comes down to them as fast as it may.
    """
    v = min(max(wanted[0], limits.vx_min), limits.vx_max)
    w = min(max(wanted[1], -limits.wz_max), limits.wz_max)
    up = (limits.ax_max if last[0] >= 0.0 else -limits.ax_min) * seconds
    down = (-limits.ax_min if last[0] > 0.0 else limits.ax_max) * seconds
    turn = limits.az_max * seconds
    return (
        min(max(v, last[0] - down), last[0] + up),
        min(max(w, last[1] - turn), last[1] + turn),
    )


def braking(
    last: tuple[float, float], curvature: float, limits: Limits, seconds: float
) -> tuple[float, float]:
    """Return the command that brakes as hard as it may, turning by `curvature` [rad/m]."""
    v, _ = limited((0.0, 0.0), last, limits, seconds)
    return limited((v, curvature * v), last, limits, seconds)


def curvature_of(command: tuple[float, float]) -> float:
    """Return the curvature [rad/m] that a command v, w drives, 0 where it hardly moves."""
    v, w = command
    return w / v if abs(v) > CRAWL else 0.0


def predict(
    state: State,
    since: float,
    until: float,
    sent: NDArray[np.float64],
    limits: Limits,
    prediction: Prediction,
) -> State:
    """
    Roll a measured state forward with the commands that were sent meanwhile.

    Parameters
    ----------
    state : State
        What was measured.
    since, until : float
        Time of the measurement and of the prediction [s].
    sent : float64[N, 3]
        Time [s], v [m/s], w [rad/s] of the commands sent, oldest first.
    limits, prediction : parameter groups
        The plant; a command acts `prediction.delay` after it was sent.

    """
    span = until - since
    if span <= 0.0:
        return state
    steps = math.ceil(span / STEP)
    middles = since + (np.arange(steps) + 0.5) * (span / steps)
    acting = np.searchsorted(sent[:, 0] + prediction.delay, middles, side='right') - 1
    commands = sent[np.maximum(acting, 0), 1:].astype(np.float32)
    out = np.empty((steps + 1, 5))
    model = Model.of(limits, prediction, span / steps)
    return State(*trajectory(commands, state, model, out)[-1].tolist())


def check(
    state: State,
    command: tuple[float, float],
    hold: float,
    surroundings: Surroundings,
    model: Model,
) -> Check:
    """
    Return the best of a few ways to brake after `command` has acted for `hold` [s].

    They follow the curvature of the command, go straight, or bend to either side of it.

    Parameters
    ----------
    state : State
        Where and how fast the robot is when the command begins to act.
    command : (float, float)
        v [m/s], w [rad/s].
    hold : float
        Time until braking begins to act [s].
    surroundings : Surroundings
        What must not be touched.
    model : Model
        Limits and lags for steps of STEP.

    """
    along = curvature_of(command)
    bend = float(model.w_max / max(model.v_max, -model.v_min))
    best = Check(math.inf, -math.inf, -math.inf, 0.0)
    for turn in (along, 0.0, along + bend, along - bend):
        deeper, begin, clearance = _brake(state, *command, hold, turn, surroundings, model)
        found = Check(deeper, begin, clearance, turn)
        if found.safe:
            return found
        if (found.deeper, -found.clearance) < (best.deeper, -best.clearance):
            best = found
    return best


@njit(cache=True, nogil=True)
def _distance(x: Any, y: Any, around: Any) -> Any:
    """
    Interpolate the distance field between the centres of four cells.

    A robot in contact must see the smallest motion away from the obstacle, which the value of
    the nearest cell would hide.
    """
    height, width = around.distance.shape
    column = (x - around.origin_x) / around.resolution
    row = (y - around.origin_y) / around.resolution
    if not (0.0 <= column < width and 0.0 <= row < height):
        return around.outside
    column = min(max(column - 0.5, 0.0), width - 1.0)
    row = min(max(row - 0.5, 0.0), height - 1.0)
    j, i = int(column), int(row)
    right, up = min(j + 1, width - 1), min(i + 1, height - 1)
    a, b = column - j, row - i
    low = (1.0 - a) * around.distance[i, j] + a * around.distance[i, right]
    high = (1.0 - a) * around.distance[up, j] + a * around.distance[up, right]
    return (1.0 - b) * low + b * high


@njit(cache=True, nogil=True)
def _room(x: Any, y: Any, c: Any, s: Any, around: Any, room: Any) -> None:
    """Fill room[n] with the clearance of each disc at a pose."""
    for n in range(around.discs.shape[0]):
        ahead, aside = around.discs[n, 0], around.discs[n, 1]
        distance = _distance(x + ahead * c - aside * s, y + ahead * s + aside * c, around)
        room[n] = distance - around.discs[n, 2]


@njit(cache=True, nogil=True)
def _brake(
    state: Any, command_v: Any, command_w: Any, hold: Any, curvature: Any, around: Any, model: Any
) -> Any:
    """Hold a command, then brake to rest; see Check."""
    x, y, c, s = state.x, state.y, math.cos(state.yaw), math.sin(state.yaw)
    v, w = state.v, state.w
    begin, room = np.empty(around.discs.shape[0]), np.empty(around.discs.shape[0])
    _room(x, y, c, s, around, begin)
    clearance = begin.min()
    deeper = 0.0
    for step in range(LONGEST):
        if step * STEP >= hold:
            slower, _ = limited_step(0.0, 0.0, command_v, command_w, model)
            command_v, command_w = limited_step(
                slower, curvature * slower, command_v, command_w, model
            )
        next_v = v + model.follow_v * (command_v - v)
        next_w = w + model.follow_w * (command_w - w)
        way, angle = 0.5 * STEP * (v + next_v), 0.5 * STEP * (w + next_w)
        x, y, c, s = moved(x, y, c, s, way, angle)
        v, w = next_v, next_w
        _room(x, y, c, s, around, room)
        for n in range(room.size):
            deeper = max(deeper, min(around.margin, begin[n]) - room[n])
            clearance = min(clearance, room[n])
        at_rest = abs(v) < 0.005 and abs(w) < 0.005
        if at_rest and command_v == 0.0 and command_w == 0.0:
            break
    return deeper, begin.min(), clearance
