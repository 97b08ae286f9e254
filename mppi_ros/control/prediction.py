"""Prediction of the robot state at the time when the next command begins to act."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.command_response import (
    MAX_STEP,
    acting_at,
    car_response,
    sent_at,
    undelayed,
)
from mppi_ros.control.inputs import Odometry
from mppi_ros.control.plant_estimate import PlantEstimate
from mppi_ros.driving.motion_models import (
    Ackermann,
    Controls,
    Model,
    MotionState,
    delay_steps,
    trajectory,
    with_wheel_angle,
)
from mppi_ros.driving.parameters import Limits, PredictionParameters

HISTORY = 512  # number of stored commands


class InitialState(NamedTuple):
    """
    Where a rollout begins.

    `state` is the robot state when the next command begins to act; `pending`, float32[n, m],
    holds the commands already sent that the slower axis has not executed yet; `time` is the time
    of the state on the controller's clock [s].
    """

    state: MotionState
    pending: NDArray[np.float32]
    time: float = 0.0

    def poses(self, controls: NDArray[np.float32], model: Model) -> NDArray[np.float64]:
        """Return the poses, float64[T + 1, 3], of a control sequence, float32[T, m]."""
        return trajectory(controls, self.state, model, self.pending)[:, :3]

    def trajectory(self, controls: NDArray[np.float32], model: Model) -> NDArray[np.float64]:
        """
        Return the trajectory, float64[T + 1, 7], of a control sequence, float32[T, m].

        Each row is time [s], x [m], y [m], yaw [rad], vx [m/s], vy [m/s], wz [rad/s].
        """
        states = trajectory(controls, self.state, model, self.pending)
        times = self.time + float(model.dt) * np.arange(len(states))
        return np.column_stack([times, states[:, [0, 1, 2, 3, 5, 4]]])


class CommandHistory:
    """
    The commands sent most recently, and the robot state that follows from them.

    Controls are given and returned as achieved by the robot; the plant estimate converts them to
    commanded values.

    Parameters
    ----------
    vehicle : type of Model
        Motion model.
    plant : PlantEstimate
        Plant estimate; may be replaced.

    """

    def __init__(self, vehicle: type[Model], plant: PlantEstimate) -> None:
        self.plant = plant
        self._vehicle = vehicle
        self._sent = np.empty((HISTORY, 1 + vehicle.controls()))
        self.assume((0.0,) * vehicle.controls())

    @property
    def sent(self) -> NDArray[np.float64]:
        """Time [s] and commanded controls, float64[N, 1 + m], oldest first."""
        return self._sent

    @property
    def achieved(self) -> NDArray[np.float64]:
        """Time [s] and achieved controls, float64[N, 1 + m], oldest first."""
        return np.column_stack([self._sent[:, 0], self.plant.achieved(self._sent[:, 1:])])

    @property
    def last(self) -> Controls:
        """Achieved controls of the last command."""
        return tuple(self.plant.achieved(self._sent[-1, 1:]).tolist())

    def record(self, time: float, controls: Controls) -> Controls:
        """Append a command sent at a time [s]; return its commanded controls."""
        self._sent[:-1] = self._sent[1:]
        time_sent = time if math.isfinite(time) else self._sent[-2, 0]
        self._sent[-1] = time_sent, *self.plant.commanded(controls)
        return tuple(self._sent[-1, 1:].tolist())

    def assume(self, controls: Controls) -> None:
        """Replace the complete history by one constant command."""
        self._sent[:] = -math.inf, *self.plant.commanded(controls)
        self.plant.forget_sent()

    def measured(self, odometry: Odometry) -> MotionState:
        """Return the measured state, reduced to the degrees of freedom of the motion model."""
        lateral = odometry.vy if self._vehicle.controls() == 3 else 0.0
        values = (odometry.x, odometry.y, odometry.yaw, odometry.vx, odometry.wz, lateral)
        return MotionState(*(float(value) for value in values))

    def predict(self, odometry: Odometry, until: float) -> MotionState:
        """Return the state at a time [s], predicted from a measurement."""
        return predict(
            self.measured(odometry), odometry.stamp, until, self.achieved, self.plant.prediction,
            self._vehicle, self.plant.limits,
        )  # fmt: skip

    def pending(self, now: float, model: Model) -> NDArray[np.float32]:
        """Return the commands before `now` [s] that the slower axis has still to execute."""
        return pending(self.achieved, now, model)


def predict(
    state: MotionState,
    since: float,
    until: float,
    sent: NDArray[np.float64],
    prediction: PredictionParameters,
    model: type[Model],
    limits: Limits,
) -> MotionState:
    """
    Integrate a measured state over the commands sent since the measurement.

    Parameters
    ----------
    state : MotionState
        Measured state.
    since, until : float
        Time of the measurement and of the prediction [s].
    sent : float64[N, 1 + m]
        Time [s] and controls of the commands sent, oldest first.
    prediction : PredictionParameters
        The plant: each axis executes a command after its own delay.
    model, limits
        Motion model and its limits.

    """
    span = until - since
    steps = max(math.ceil(span / MAX_STEP), 1)
    middles = since + (np.arange(steps) + 0.5) * (max(span, 0.0) / steps)
    commands = acting_at(sent, middles, prediction)
    if model is Ackermann and prediction.characteristic_speed > 0.0:
        # No sensor measures the slip, and while it builds up the turning rate does not show the
        # curvature of the wheels.
        expected = car_response(since, sent, prediction, limits)
        state = state._replace(vy=expected.vy, curvature=expected.curvature)
    elif model is Ackermann:
        state = with_wheel_angle(state, float(commands[0, 1]))
    if span <= 0.0:
        return state
    step = undelayed(model.of(limits, prediction, span / steps))
    return MotionState(*trajectory(commands, state, step)[-1].tolist())


def pending(
    sent: NDArray[np.float64], now: float, model: Model
) -> NDArray[np.float32]:
    """Return the commands before `now` [s] that the slower axis has still to execute."""
    count = delay_steps(model)
    before = (np.arange(count) + 0.5 - count) * float(model.dt)
    return sent_at(sent, now + before).astype(np.float32)
