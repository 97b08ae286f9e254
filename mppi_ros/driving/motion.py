"""
The motion model that rollout, prediction and plan check share: limits, first-order lag, pose.

The same two functions move one state here and 64 samples at a time in the rollout.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.settings import Limits, Prediction
from mppi_ros.mppi.blocks import inlined, kernel


class State(NamedTuple):
    """Pose x, y [m], yaw [rad] in the planning frame; speed v [m/s] and turning rate w [rad/s]."""

    x: float
    y: float
    yaw: float
    v: float
    w: float


class Model(NamedTuple):
    """
    Differential drive with limits and first-order lag, for one step of dt [s].

    Speeds in [m/s] and [rad/s]; rise, fall, turn: greatest change of the command in a step;
    follow_v, follow_w: share 1 − exp(−dt/τ) of the way to the command that a step covers.
    """

    dt: np.float32
    v_min: np.float32
    v_max: np.float32
    w_max: np.float32
    rise: np.float32
    fall: np.float32
    turn: np.float32
    follow_v: np.float32
    follow_w: np.float32

    @classmethod
    def of(cls, limits: Limits, prediction: Prediction, dt: float) -> Model:
        """Return the model of a robot with these limits and lags."""

        def follow(lag: float) -> float:
            return 1.0 - math.exp(-dt / lag) if lag > 0.0 else 1.0

        values = (
            dt, limits.vx_min, limits.vx_max, limits.wz_max, limits.ax_max * dt,
            -limits.ax_min * dt, limits.az_max * dt, follow(prediction.lag_linear),
            follow(prediction.lag_angular),
        )  # fmt: skip
        return cls(*(np.float32(value) for value in values))


@inlined
def limited(v: Any, w: Any, last_v: Any, last_w: Any, model: Any) -> Any:
    """
    Return the command nearest to (v, w) within the limits of speed and acceleration.

    Speeding up is limited by `rise`, slowing down by `fall`, whatever the direction.
    """
    up = model.rise if last_v >= np.float32(0.0) else model.fall
    down = model.fall if last_v > np.float32(0.0) else model.rise
    v = min(max(v, model.v_min), model.v_max)
    w = min(max(w, -model.w_max), model.w_max)
    v = min(max(v, last_v - down), last_v + up)
    w = min(max(w, last_w - model.turn), last_w + model.turn)
    return v, w


@inlined
def moved(x: Any, y: Any, c: Any, s: Any, way: Any, angle: Any) -> Any:
    """
    Return the pose after `way` along the mean heading of a turn by `angle`.

    The heading (c, s) is rotated by polynomials of the small angle: no sine, no cosine.
    """
    q = angle * angle
    sine = angle * (
        np.float32(1.0)
        + q * (np.float32(-1 / 6) + q * (np.float32(1 / 120) - q * np.float32(1 / 5040)))
    )
    cosine = np.float32(1.0) + q * (
        np.float32(-0.5) + q * (np.float32(1 / 24) - q * np.float32(1 / 720))
    )
    next_c = c * cosine - s * sine
    next_s = s * cosine + c * sine
    half = np.float32(0.5) * way
    return x + half * (c + next_c), y + half * (s + next_s), next_c, next_s


@kernel
def _limit(mean: Any, last_v: Any, last_w: Any, model: Any) -> None:
    """Replace mean, float32[T, 2], by the commands that the limits allow, one after the other."""
    for t in range(mean.shape[0]):
        last_v, last_w = limited(mean[t, 0], mean[t, 1], last_v, last_w, model)
        mean[t, 0], mean[t, 1] = last_v, last_w


@kernel
def _advance(commands: Any, state: Any, model: Any, out: Any) -> None:
    """Fill out, float64[T + 1, 5], with the states that follow on commands, float32[T, 2]."""
    x, y = np.float32(0.0), np.float32(0.0)
    c, s = np.float32(math.cos(state[2])), np.float32(math.sin(state[2]))
    v, w = np.float32(state[3]), np.float32(state[4])
    half = np.float32(0.5) * model.dt
    yaw = state[2]
    out[0, 0], out[0, 1], out[0, 2], out[0, 3], out[0, 4] = state[0], state[1], yaw, v, w
    for t in range(commands.shape[0]):
        next_v = v + model.follow_v * (commands[t, 0] - v)
        next_w = w + model.follow_w * (commands[t, 1] - w)
        angle = half * (w + next_w)
        x, y, c, s = moved(x, y, c, s, half * (v + next_v), angle)
        yaw += angle
        v, w = next_v, next_w
        row = out[t + 1]
        row[0], row[1], row[2], row[3], row[4] = state[0] + x, state[1] + y, yaw, v, w


def limit(mean: NDArray[np.float32], last: tuple[float, float], model: Model) -> None:
    """Replace mean, float32[T, 2], by what can be executed after the command `last`, in place."""
    _limit(mean, np.float32(last[0]), np.float32(last[1]), model)


def trajectory(
    commands: NDArray[np.float32], state: State, model: Model, out: NDArray[np.float64]
) -> NDArray[np.float64]:
    """
    Fill out, float64[T + 1, 5], with x, y, yaw, v, w from `state` on under commands (T, 2).

    The commands are taken as they are; see `limit`.
    """
    _advance(commands, np.asarray(state, np.float64), model, out)
    return out
