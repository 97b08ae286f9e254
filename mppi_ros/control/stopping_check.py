"""
Stopping check: whether the robot can come to rest without contact after a command has acted.

A command is safe if at least one way of braking, after the command has acted for one period,
brings the robot to rest without increasing the penetration of the footprint into obstacles. A
robot that executes only safe commands can always stop in time.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.distance_field import DistanceField
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.motion_models import (
    Controls,
    Model,
    MotionState,
    applied_command,
    brake_command,
    delay_steps,
    integrate,
    is_stop,
)
from mppi_ros.jit.cache import cached_njit

INTEGRATION_STEP = 0.01  # [s] of the integration
MAX_STOP_STEPS = 2000  # steps: a stop that takes longer counts as none, however much room there is
EVASION_FACTORS = (1.0, -1.0, 0.5, -0.5, 0.25, -0.25)  # ways of braking aside, tried in turn
CONTACT_TOLERANCE = 1e-6  # [m] of depth that is rounding
REST_STEPS = 5  # integration steps between two looks at moving obstacles around a robot at rest
NO_OBSTACLES = np.zeros((0, 5))


class CollisionModel(NamedTuple):
    """The distance field and the body in it, as the kernels take them."""

    distance: NDArray[np.float32]
    resolution: float
    origin_x: float
    origin_y: float
    outside: float
    discs: NDArray[np.float64]
    margin: float
    moving_obstacles: NDArray[np.float64]
    rest_time: float

    @classmethod
    def of(
        cls,
        field: DistanceField,
        footprint: Footprint,
        margin: float,
        moving_obstacles: NDArray[np.float64] = NO_OBSTACLES,
        rest_time: float = 0.0,
    ) -> CollisionModel:
        """
        Return the collision model of a footprint that must keep `margin` [m] of clearance.

        A row of `moving_obstacles`, float64[n, 5], is x, y [m], vx, vy [m/s] and radius [m]. The
        robot must also stay clear of them for `rest_time` [s] after it has come to rest.
        """
        return cls(
            distance=field.distance,
            resolution=field.resolution,
            origin_x=field.origin_x,
            origin_y=field.origin_y,
            outside=field.outside,
            discs=footprint.fine_discs,
            margin=margin,
            moving_obstacles=moving_obstacles,
            rest_time=rest_time,
        )


class StoppingCheck(NamedTuple):
    """
    Result of braking after a command.

    `added_penetration` [m] is how much deeper in obstacles any disc of the footprint gets than it
    is at the start; `begin` and `clearance` [m] are the clearance at the start and the least on
    the way; `turn` is the curvature [rad/m] that braking follows; `rest` is the state at
    rest. A stop that takes more than MAX_STOP_STEPS counts as infinitely deep.
    """

    added_penetration: float
    begin: float
    clearance: float
    turn: float
    rest: MotionState

    @property
    def safe(self) -> bool:
        """Return whether the robot can come to rest without going deeper into obstacles."""
        return self.added_penetration <= CONTACT_TOLERANCE


def check(
    state: MotionState,
    command: Controls,
    hold: float,
    collision_model: CollisionModel,
    model: Model,
    waiting: NDArray[np.float32] | None = None,
) -> StoppingCheck:
    """
    Return the best of a few ways to brake after `command` has acted for `hold` [s].

    They follow the curvature of the command, go straight, or bend more or less to either side.

    Parameters
    ----------
    state : MotionState
        State of the robot when the command begins to act.
    command : (float, ...)
        The m controls.
    hold : float
        Time until braking begins to act [s].
    collision_model : CollisionModel
        Obstacles and footprint.
    model : Model
        Limits and lags for steps of INTEGRATION_STEP.
    waiting : float32[waits, m], optional
        Commands still pending on the slower axis; see `pending`.

    """
    if waiting is None:
        waiting = np.zeros((delay_steps(model), len(command)), np.float32)
    along, bend = model.curvature(command), model.evasive_curvature(state.v)
    best = StoppingCheck(math.inf, -math.inf, -math.inf, 0.0, state)
    for turn in (along, 0.0, *(along + share * bend for share in EVASION_FACTORS)):
        deeper, begin, clearance, *rest = _brake(
            state, command, hold, turn, waiting, collision_model, model
        )
        found = StoppingCheck(deeper, begin, clearance, turn, MotionState(*rest))
        if found.safe:
            return found
        if (found.added_penetration, -found.clearance) < (best.added_penetration, -best.clearance):
            best = found
    return best


@cached_njit(nogil=True)
def _distance(x: Any, y: Any, around: Any) -> Any:
    """
    Interpolate the distance field between the centres of four cells; the rim counts, too.

    A robot in contact must see the smallest motion away from the obstacle, which the value of
    the nearest cell would hide. Where the outside is an obstacle, the distance to the rim is
    negative beyond it.
    """
    height, width = around.distance.shape
    column = (x - around.origin_x) / around.resolution
    row = (y - around.origin_y) / around.resolution
    rim = min(min(column, width - column), min(row, height - row)) * around.resolution
    if around.outside > 0.0:
        rim = around.outside
    if not (0.0 <= column < width and 0.0 <= row < height):
        return rim
    column = min(max(column - 0.5, 0.0), width - 1.0)
    row = min(max(row - 0.5, 0.0), height - 1.0)
    j, i = int(column), int(row)
    right, up = min(j + 1, width - 1), min(i + 1, height - 1)
    a, b = column - j, row - i
    low = (1.0 - a) * around.distance[i, j] + a * around.distance[i, right]
    high = (1.0 - a) * around.distance[up, j] + a * around.distance[up, right]
    return min((1.0 - b) * low + b * high, rim)


@cached_njit(nogil=True)
def moving_obstacle_distance(x: Any, y: Any, time: Any, around: Any) -> Any:
    """Return the distance of a point to the nearest moving obstacle after `time` [s]."""
    distance = np.inf
    for m in range(around.moving_obstacles.shape[0]):
        dx = x - around.moving_obstacles[m, 0] - time * around.moving_obstacles[m, 2]
        dy = y - around.moving_obstacles[m, 1] - time * around.moving_obstacles[m, 3]
        distance = min(distance, math.sqrt(dx * dx + dy * dy) - around.moving_obstacles[m, 4])
    return distance


@cached_njit(nogil=True)
def clearances(x: Any, y: Any, c: Any, s: Any, time: Any, around: Any, room: Any) -> None:
    """Fill room[n] with the clearance of each disc at a pose, after `time` [s]."""
    for n in range(around.discs.shape[0]):
        ahead, aside = around.discs[n, 0], around.discs[n, 1]
        disc_x, disc_y = x + ahead * c - aside * s, y + ahead * s + aside * c
        still = _distance(disc_x, disc_y, around)
        moving = moving_obstacle_distance(disc_x, disc_y, time, around)
        room[n] = min(still, moving) - around.discs[n, 2]


@cached_njit(nogil=True)
def _brake(
    start: Any, command: Any, hold: Any, curvature: Any, waiting: Any, around: Any, model: Any
) -> Any:
    """Hold a command, then brake to rest; see `StoppingCheck`."""
    first = waiting.shape[0]
    sent = np.empty((first + MAX_STOP_STEPS, len(command)))
    for step in range(first):  # a slice would bring in error messages: 3 s of compilation
        for n in range(len(command)):
            sent[step, n] = waiting[step, n]
    state = (
        start.x, start.y, math.cos(start.yaw), math.sin(start.yaw), start.v, start.w, start.vy,
        start.curvature,
    )  # fmt: skip
    begin, room = np.empty(around.discs.shape[0]), np.empty(around.discs.shape[0])
    clearances(state[0], state[1], state[2], state[3], 0.0, around, begin)
    clearance = begin.min()
    deeper = 0.0
    rested = False
    for step in range(MAX_STOP_STEPS):
        if step * INTEGRATION_STEP >= hold:
            command = brake_command(command, curvature, model)
        for n in range(len(command)):
            sent[first + step, n] = command[n]
        state = integrate(state, applied_command(sent, first + step, model), model)
        x, y, c, s, v, w, vy, _ = state
        clearances(x, y, c, s, (step + 1) * INTEGRATION_STEP, around, room)
        for n in range(room.size):
            deeper = max(deeper, min(around.margin, begin[n]) - room[n])
            clearance = min(clearance, room[n])
        at_rest = abs(v) < 0.005 and abs(w) < 0.005 and abs(vy) < 0.005
        if at_rest and step >= first and is_stop(command, model):
            rested = True
            break
    if rested and around.moving_obstacles.shape[0]:
        for later in range(REST_STEPS, round(around.rest_time / INTEGRATION_STEP) + 1, REST_STEPS):
            time = (step + 1 + later) * INTEGRATION_STEP
            clearances(state[0], state[1], state[2], state[3], time, around, room)
            for n in range(room.size):
                deeper = max(deeper, min(around.margin, begin[n]) - room[n])
                clearance = min(clearance, room[n])
    lost = True
    for n in range(begin.size):
        lost = lost and begin[n] + around.discs[n, 2] <= CONTACT_TOLERANCE
    # In the middle of an obstacle no motion seems to lead deeper. Of a robot that still moves
    # nothing is known of what it meets later.
    if lost or not rested:
        deeper = math.inf
    heading = math.atan2(state[3], state[2])
    return deeper, begin.min(), clearance, state[0], state[1], heading, v, w
