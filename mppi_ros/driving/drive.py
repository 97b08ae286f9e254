"""
How a block of 64 samples is commanded and moved: the loops around the laws of a motion model.

Rows that a model does not use are never touched, so the compiler leaves them out.
"""

from typing import Any, NamedTuple

import numpy as np

from mppi_ros.driving import critics
from mppi_ros.driving.motion import Ackermann, controls_at, limited, stepped
from mppi_ros.driving.plugin import (
    COMMAND_CURVATURE,
    COMMAND_V,
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
from mppi_ros.mppi.blocks import BLOCK, chosen_by_type, inlined


class Start(NamedTuple):
    """
    Where a rollout begins: heading, velocity, controls of the last command, progress.

    The position is (0, 0); the kernel for all threads takes no tuple within this one.
    """

    c: np.float32
    s: np.float32
    v: np.float32
    w: np.float32
    vy: np.float32
    curvature: np.float32
    first: np.float32
    second: np.float32
    third: np.float32
    arc: np.float32


def controls_of(model: Any) -> int:
    """Return m, the number of controls; a constant of the kernel."""
    return int(model.controls())


@chosen_by_type(controls_of)
def _controls_of(model: Any) -> Any:
    controls = model.instance_class.controls()
    return lambda model: controls


def command(
    t: Any, mean: Any, factor: Any, sign: Any, noise: Any, model: Any, weights: Any, first: Any,
    second: Any, third: Any, total: Any,
) -> None:  # fmt: skip
    """
    Bring the samples x̄ + sign · L n of step t within the limits, and charge their change.

    The limits belong to f; the sample itself stays Gaussian.
    """


def move(
    model: Any, first: Any, second: Any, third: Any, x: Any, y: Any, c: Any, s: Any, v: Any,
    w: Any, vy: Any, curvature: Any,
) -> None:  # fmt: skip
    """Move the plant, which lags behind its command, and the pose on by one step."""


def _command_two(
    t: Any, mean: Any, factor: Any, sign: Any, noise: Any, model: Any, weights: Any, first: Any,
    second: Any, third: Any, total: Any,
) -> None:  # fmt: skip
    a, b = controls_at(mean, t, model)
    aa, ba, bb = sign * factor[0, 0], sign * factor[1, 0], sign * factor[1, 1]
    noise_a, noise_b = noise[2 * t], noise[2 * t + 1]
    for j in range(BLOCK):
        last = first[j], second[j]
        now = limited(
            (a + aa * noise_a[j], b + ba * noise_a[j] + bb * noise_b[j]), last, model
        )
        first[j], second[j] = now
        total[j] += critics.smoothness(now[0] - last[0], now[1] - last[1], weights)


def _move_two(
    model: Any, first: Any, second: Any, third: Any, x: Any, y: Any, c: Any, s: Any, v: Any,
    w: Any, vy: Any, curvature: Any,
) -> None:  # fmt: skip
    for j in range(BLOCK):
        state = x[j], y[j], c[j], s[j], v[j], w[j], vy[j], curvature[j]
        x[j], y[j], c[j], s[j], v[j], w[j], vy[j], curvature[j] = stepped(
            state, (first[j], second[j]), model
        )


@chosen_by_type(command)
def _command(
    t: Any, mean: Any, factor: Any, sign: Any, noise: Any, model: Any, weights: Any, first: Any,
    second: Any, third: Any, total: Any,
) -> Any:  # fmt: skip
    return _command_two


@chosen_by_type(move)
def _move(
    model: Any, first: Any, second: Any, third: Any, x: Any, y: Any, c: Any, s: Any, v: Any,
    w: Any, vy: Any, curvature: Any,
) -> Any:  # fmt: skip
    return _move_two


def show_command(first: Any, second: Any, third: Any, model: Any, rows: Any) -> None:
    """Copy the command for a function of the user."""


def _show_command_two(first: Any, second: Any, third: Any, model: Any, rows: Any) -> None:
    for j in range(BLOCK):
        rows[COMMAND_V, j], rows[COMMAND_W, j] = first[j], second[j]


def _show_command_car(first: Any, second: Any, third: Any, model: Any, rows: Any) -> None:
    for j in range(BLOCK):
        rows[COMMAND_V, j], rows[COMMAND_CURVATURE, j] = first[j], second[j]
        rows[COMMAND_W, j] = first[j] * second[j]


@chosen_by_type(show_command)
def _show_command(first: Any, second: Any, third: Any, model: Any, rows: Any) -> Any:
    return _show_command_car if model.instance_class is Ackermann else _show_command_two


@inlined
def show_state(
    x: Any, y: Any, c: Any, s: Any, v: Any, w: Any, vy: Any, curvature: Any, rows: Any
) -> None:
    """
    Copy the state for a function of the user.

    Copies, because rows that are handed out might be changed by anyone: no loop over them would
    stay as fast.
    """
    for j in range(BLOCK):
        rows[X, j], rows[Y, j], rows[COS, j], rows[SIN, j] = x[j], y[j], c[j], s[j]
        rows[V, j], rows[W, j], rows[VY, j], rows[CURVATURE, j] = v[j], w[j], vy[j], curvature[j]


@inlined
def take_state(
    rows: Any, x: Any, y: Any, c: Any, s: Any, v: Any, w: Any, vy: Any, curvature: Any
) -> None:
    """Copy back what a motion model of the user has moved."""
    for j in range(BLOCK):
        x[j], y[j], c[j], s[j] = rows[X, j], rows[Y, j], rows[COS, j], rows[SIN, j]
        v[j], w[j], vy[j], curvature[j] = rows[V, j], rows[W, j], rows[VY, j], rows[CURVATURE, j]
