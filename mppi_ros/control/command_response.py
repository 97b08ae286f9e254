"""Response of the plant to the commands sent: what acts at a time, and the slip of a car."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.motion_models import Ackermann, Model, MotionState, trajectory
from mppi_ros.driving.parameters import Limits, PredictionParameters

MAX_STEP = 0.01  # [s] of the integration
SLIP_MEMORY = 0.6  # [s] of commands that determine the slip of the tyres


def sent_at(
    sent: NDArray[np.float64], times: NDArray[Any], delay: float = 0.0
) -> NDArray[np.float64]:
    """Return the controls, float64[n, m], that act at times [s], each `delay` after sending."""
    index = np.searchsorted(sent[:, 0] + delay, times, side='right') - 1
    return sent[np.maximum(index, 0), 1:]


def acting_at(
    sent: NDArray[np.float64], times: NDArray[Any], prediction: PredictionParameters
) -> NDArray[np.float32]:
    """Return the controls, float32[n, m], that act at times [s], each axis after its delay."""
    linear = sent_at(sent, times, prediction.delay_linear)
    angular = sent_at(sent, times, prediction.delay_angular)
    return np.column_stack([linear[:, :-1], angular[:, -1]]).astype(np.float32)


def undelayed(model: Model) -> Model:
    """Return the model for commands that act already."""
    return model._replace(later_v=np.float32(0.0), later_w=np.float32(0.0))


def car_response(
    time: float,
    sent: NDArray[np.float64],
    prediction: PredictionParameters,
    limits: Limits,
) -> MotionState:
    """
    Return the state that the commands of the last SLIP_MEMORY give a car at a time.

    After this time neither the slip of the tyres nor the angle of the wheels depends on what it
    was before. The pose is relative to that at the start of this time.

    Parameters
    ----------
    time : float
        Time of the state [s].
    sent : float64[N, 3]
        Time [s], speed [m/s] and curvature [1/m] of the commands sent, oldest first.
    prediction, limits
        Plant and limits of the motion.

    """
    count = round(SLIP_MEMORY / MAX_STEP)
    times = time + (np.arange(count) + 0.5 - count) * MAX_STEP
    commands = acting_at(sent, times, prediction)
    v, curvature = commands[0].tolist()
    model = Ackermann.of(limits, prediction, MAX_STEP)
    w = v * curvature / (1.0 + float(model.understeer) * v * v)
    start = MotionState(0.0, 0.0, 0.0, v, w, curvature=curvature)
    return MotionState(*trajectory(commands, start, undelayed(model))[-1].tolist())
