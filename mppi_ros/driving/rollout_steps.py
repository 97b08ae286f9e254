"""
Command and motion of a block of 64 samples: loops around the equations of a motion model.

The state of a block is a tuple of rows, `body`: x, y, c, s, v, w, vy, curvature. Its command is a
tuple of three rows, `given`, and the part in effect after delay and dead band is `acts`. Rows that
a model does not use are never accessed, so the compiler removes them. A function without a body
documents an overload, which kernels select by the type of the model.
"""

from typing import Any, NamedTuple

from numba import types
import numpy as np

from mppi_ros.driving import critics
from mppi_ros.driving.motion_models import (
    MAX_DELAY_STEPS,
    Ackermann,
    Omni,
    apply_dead_band,
    apply_limits,
    clip_to_ellipse,
    controls_at,
    forward_share,
    ground_speed,
    integrate,
    integrate_rolling,
    integrate_slipping,
    limit_forward_speed,
    limit_lateral_speed,
    limit_turning_rate,
)
from mppi_ros.driving.plugin import (
    COMMAND_CURVATURE,
    COMMAND_V,
    COMMAND_VY,
    COMMAND_W,
    COS,
    CURVATURE,
    SIN,
    VY,
    V,
    W,
    X,
    Y,
)
from mppi_ros.jit.simd import (
    BLOCK,
    inline_njit,
    kernel_only,
    overload_by_type,
    stack_array,
    stack_row,
)

DELAY_LINE_LENGTH = MAX_DELAY_STEPS + 1

stack_delay_line = stack_array(types.float32, DELAY_LINE_LENGTH, 3, BLOCK)


class RolloutStart(NamedTuple):
    """
    Initial values of a rollout: heading, velocity, controls of the last command, progress.

    The position is (0, 0). The first step may change the last command by the limits of `reach`
    steps; see `motion_models.first_step_reach`.
    """

    c: float
    s: float
    v: float
    w: float
    vy: float
    curvature: float
    first: float
    second: float
    third: float
    arc: float
    reach: float


@kernel_only
def command(
    t: Any, mean: Any, factor: Any, sign: Any, noise: Any, model: Any, weights: Any, given: Any,
    total: Any,
) -> None:  # fmt: skip
    """
    Limit the samples x̄ + sign · L n of step t, and add the cost of their change.

    The limits are part of f; the sample itself remains Gaussian.
    """


@kernel_only
def move(model: Any, acts: Any, body: Any) -> None:
    """Advance plant and pose by one step."""


@kernel_only
def apply_delay_and_dead_band(
    t: Any, model: Any, pending: Any, ring: Any, given: Any, acts: Any
) -> None:
    """
    Apply per-axis transport delay and dead band to the commands of step t.

    `ring` stores the commands of the previous steps; see `motion_models.delayed_command`.
    """


def _command_two(
    t: Any, mean: Any, factor: Any, sign: Any, noise: Any, model: Any, weights: Any, given: Any,
    total: Any,
) -> None:  # fmt: skip
    a, b = controls_at(mean, t, model)
    aa, ba, bb = sign * factor[0, 0], sign * factor[1, 0], sign * factor[1, 1]
    noise_a, noise_b = noise[2 * t], noise[2 * t + 1]
    first, second, _ = given
    for j in range(BLOCK):
        last = first[j], second[j]
        now = apply_limits(
            (a + aa * noise_a[j], b + ba * noise_a[j] + bb * noise_b[j]), last, model
        )
        first[j], second[j] = now
        total[j] += critics.smoothness(now[0] - last[0], now[1] - last[1], weights)


def _command_three(
    t: Any, mean: Any, factor: Any, sign: Any, noise: Any, model: Any, weights: Any, given: Any,
    total: Any,
) -> None:  # fmt: skip
    a, b, c = controls_at(mean, t, model)
    aa, ba, bb = sign * factor[0, 0], sign * factor[1, 0], sign * factor[1, 1]
    ca, cb, cc = sign * factor[2, 0], sign * factor[2, 1], sign * factor[2, 2]
    noise_a, noise_b, noise_c = noise[3 * t], noise[3 * t + 1], noise[3 * t + 2]
    first, second, third = given
    wanted_v, wanted_vy, share = stack_row(), stack_row(), stack_row()
    change_v, change_vy, one = stack_row(), stack_row(), np.float32(1.0)
    # The steps of Omni.apply_limits, each for all samples: a vector then need not wait for its
    # own roots. In one loop a rollout takes 14 % longer.
    for j in range(BLOCK):
        share[j] = forward_share(second[j], model, one)
    for j in range(BLOCK):
        wanted_v[j], wanted_vy[j] = clip_to_ellipse(
            a + aa * noise_a[j], b + ba * noise_a[j] + bb * noise_b[j], model, one
        )
    for j in range(BLOCK):
        last = first[j]
        first[j] = limit_forward_speed(wanted_v[j], last, share[j], model)
        change_v[j] = first[j] - last
    for j in range(BLOCK):
        last = second[j]
        second[j] = limit_lateral_speed(wanted_vy[j], last, first[j], model, one)
        change_vy[j] = second[j] - last
    for j in range(BLOCK):
        last = third[j]
        third[j] = limit_turning_rate(
            c + ca * noise_a[j] + cb * noise_b[j] + cc * noise_c[j], last, model
        )
        total[j] += critics.smoothness(
            change_v[j], third[j] - last, weights
        ) + critics.smoothness_aside(change_vy[j], weights)


def _move_two(model: Any, acts: Any, body: Any) -> None:
    first, second, _ = acts
    x, y, c, s, v, w, vy, curvature = body
    for j in range(BLOCK):
        state = x[j], y[j], c[j], s[j], v[j], w[j], vy[j], curvature[j]
        x[j], y[j], c[j], s[j], v[j], w[j], vy[j], curvature[j] = integrate(
            state, (first[j], second[j]), model
        )


def _move_car(model: Any, acts: Any, body: Any) -> None:
    first, second, _ = acts
    x, y, c, s, v, w, vy, curvature = body
    if model.understeer > np.float32(0.0):
        for j in range(BLOCK):
            state = x[j], y[j], c[j], s[j], v[j], w[j], vy[j], curvature[j]
            x[j], y[j], c[j], s[j], v[j], w[j], vy[j], curvature[j] = integrate_slipping(
                state, (first[j], second[j]), model
            )
        return
    for j in range(BLOCK):
        state = x[j], y[j], c[j], s[j], v[j], w[j], vy[j], curvature[j]
        x[j], y[j], c[j], s[j], v[j], w[j], vy[j], curvature[j] = integrate_rolling(
            state, (first[j], second[j]), model
        )


def _move_three(model: Any, acts: Any, body: Any) -> None:
    first, second, third = acts
    x, y, c, s, v, w, vy, curvature = body
    for j in range(BLOCK):
        state = x[j], y[j], c[j], s[j], v[j], w[j], vy[j], curvature[j]
        x[j], y[j], c[j], s[j], v[j], w[j], vy[j], curvature[j] = integrate(
            state, (first[j], second[j], third[j]), model
        )


@kernel_only
def ground_speeds(model: Any, body: Any, out: Any) -> Any:
    """Return the row of speeds over ground, which is `out` if it has to be computed."""


@inline_njit
def _magnitudes(model: Any, body: Any, out: Any) -> Any:
    v, vy = body[4], body[6]
    for j in range(BLOCK):
        out[j] = ground_speed(v[j], vy[j], model)
    return out


@overload_by_type(ground_speeds)
def _ground_speeds(model: Any, body: Any, out: Any) -> Any:
    if model.instance_class is Omni:
        return lambda model, body, out: _magnitudes(model, body, out)
    return lambda model, body, out: body[4]


@inline_njit
def has_no_delay(model: Any) -> Any:
    """Return whether commands act unchanged: without dead band and relative delay."""
    return (
        model.dead_v == np.float32(0.0)
        and model.dead_w == np.float32(0.0)
        and model.later_v == np.float32(0.0)
        and model.later_w == np.float32(0.0)
    )


@inline_njit
def _delay_one(
    t: Any, control: Any, later: Any, dead: Any, pending: Any, ring: Any, given: Any, acts: Any
) -> None:
    """Apply delay and dead band to one control."""
    kept = ring[t % DELAY_LINE_LENGTH, control]
    for j in range(BLOCK):
        kept[j] = given[j]
    row = t - np.int64(later)
    part = later - np.floor(later)
    if row >= 1 or (row == 0 and part == np.float32(0.0)):
        now, before = (
            ring[row % DELAY_LINE_LENGTH, control],
            ring[max(row - 1, 0) % DELAY_LINE_LENGTH, control],
        )
        for j in range(BLOCK):
            acts[j] = apply_dead_band(now[j] + part * (before[j] - now[j]), dead)
        return
    first = pending.shape[0]
    older = pending[max(first + row - 1, 0), control]
    if row == 0:
        now = ring[0, control]
        for j in range(BLOCK):
            acts[j] = apply_dead_band(now[j] + part * (older - now[j]), dead)
        return
    newer = pending[first + row, control]
    value = apply_dead_band(newer + part * (older - newer), dead)
    for j in range(BLOCK):
        acts[j] = value


def _delay_two(
    t: Any, model: Any, pending: Any, ring: Any, given: Any, acts: Any
) -> None:
    _delay_one(t, 0, model.later_v, model.dead_v, pending, ring, given[0], acts[0])
    _delay_one(t, 1, model.later_w, model.dead_w, pending, ring, given[1], acts[1])


def _delay_three(
    t: Any, model: Any, pending: Any, ring: Any, given: Any, acts: Any
) -> None:
    _delay_one(t, 0, model.later_v, model.dead_v, pending, ring, given[0], acts[0])
    _delay_one(t, 1, model.later_v, model.dead_v, pending, ring, given[1], acts[1])
    _delay_one(t, 2, model.later_w, model.dead_w, pending, ring, given[2], acts[2])


@overload_by_type(apply_delay_and_dead_band)
def _delay(
    t: Any, model: Any, pending: Any, ring: Any, given: Any, acts: Any
) -> Any:
    return _delay_two if model.instance_class.controls() == 2 else _delay_three


@overload_by_type(command)
def _command(
    t: Any, mean: Any, factor: Any, sign: Any, noise: Any, model: Any, weights: Any, given: Any,
    total: Any,
) -> Any:  # fmt: skip
    return _command_two if model.instance_class.controls() == 2 else _command_three


@overload_by_type(move)
def _move(model: Any, acts: Any, body: Any) -> Any:
    if model.instance_class is Ackermann:
        return _move_car
    return _move_two if model.instance_class.controls() == 2 else _move_three


@kernel_only
def export_command(given: Any, model: Any, rows: Any) -> None:
    """Copy the command to the rows of a plugin."""


def _export_command_two(given: Any, model: Any, rows: Any) -> None:
    first, second, _ = given
    for j in range(BLOCK):
        rows[COMMAND_V, j], rows[COMMAND_W, j] = first[j], second[j]


def _export_command_three(given: Any, model: Any, rows: Any) -> None:
    first, second, third = given
    for j in range(BLOCK):
        rows[COMMAND_V, j], rows[COMMAND_VY, j], rows[COMMAND_W, j] = first[j], second[j], third[j]


def _export_command_car(given: Any, model: Any, rows: Any) -> None:
    first, second, _ = given
    for j in range(BLOCK):
        rows[COMMAND_V, j], rows[COMMAND_CURVATURE, j] = first[j], second[j]
        rows[COMMAND_W, j] = first[j] * second[j]


@overload_by_type(export_command)
def _export_command(given: Any, model: Any, rows: Any) -> Any:
    if model.instance_class is Ackermann:
        return _export_command_car
    return _export_command_two if model.instance_class.controls() == 2 else _export_command_three


@inline_njit
def export_state(body: Any, rows: Any) -> None:
    """
    Copy the state to the rows of a plugin.

    It is copied because rows that escape might be modified, which would slow down every loop.
    """
    x, y, c, s, v, w, vy, curvature = body
    for j in range(BLOCK):
        rows[X, j], rows[Y, j], rows[COS, j], rows[SIN, j] = x[j], y[j], c[j], s[j]
        rows[V, j], rows[W, j], rows[VY, j], rows[CURVATURE, j] = v[j], w[j], vy[j], curvature[j]


@inline_njit
def import_state(rows: Any, body: Any) -> None:
    """Copy the state from the rows of a plugin."""
    x, y, c, s, v, w, vy, curvature = body
    for j in range(BLOCK):
        x[j], y[j], c[j], s[j] = rows[X, j], rows[Y, j], rows[COS, j], rows[SIN, j]
        v[j], w[j], vy[j], curvature[j] = rows[V, j], rows[W, j], rows[VY, j], rows[CURVATURE, j]
