"""
What the drives make of a command, as configured and as learnt.

A robot that turns by three quarters of what it is told has smaller limits than its commands have.
So the controller thinks in what the robot does, `made`, and only what is sent is divided by the
gain: the optimiser, the prediction and the plan check need not know that there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.identification import FopdtModel, Identification
from mppi_ros.control.inputs import Odometry
from mppi_ros.control.tick_result import Statistics
from mppi_ros.driving.motion_models import Ackermann, Controls, Model
from mppi_ros.driving.parameters import Limits, PredictionParameters

Floats = NDArray[np.float64]
DELAY_TOLERANCE = 0.04  # [s] two learnt delays differ by less without a reason


class PlantEstimate:
    """
    Delay, lag and gain of the drives now.

    Speed and turning rate are watched. Sideways an omnidirectional robot is taken to answer as it
    does ahead; what is learnt of the turning rate of a car counts for its steering.

    Parameters
    ----------
    limits, prediction : parameter groups
        Of the commands, and what is believed before anything was seen.
    vehicle : type of Model
        How the robot moves.
    learns : bool
        Whether to learn at all.

    Attributes
    ----------
    limits : Limits
        Of what the robot does.
    prediction : Prediction
        The plant as it is believed to be.
    conservative : Prediction
        The slower of what is configured and what was learnt, for the plan check.

    """

    def __init__(
        self, limits: Limits, prediction: PredictionParameters, vehicle: type[Model], learns: bool
    ) -> None:
        self._configured = limits, prediction
        self._steers = vehicle is Ackermann
        self._controls = vehicle.controls()
        turning = prediction.gain_angular * (prediction.gain_linear if self._steers else 1.0)
        axes = [
            FopdtModel(prediction.delay_linear, prediction.lag_linear, prediction.gain_linear),
            FopdtModel(prediction.delay_angular, prediction.lag_angular, turning),
        ]
        self._learner = Identification(axes, (limits.vx_max, limits.wz_max)) if learns else None
        self._believe(axes)

    def set_limits(self, limits: Limits) -> None:
        """Take over new limits of the commands; what was learnt is kept."""
        self._configured = limits, self._configured[1]
        self._believe(self._axes)

    @property
    def delay_margin(self) -> float:
        """Time [s] by which commands may act later than predicted."""
        return self.conservative.first_delay - self.prediction.first_delay

    def observe(self, odometry: Odometry, sent: Floats) -> bool:
        """
        Learn from a measurement; tell whether anything has changed.

        Parameters
        ----------
        odometry : Odometry
            The measurement.
        sent : float64[N, 1 + m]
            Time [s] and controls of the commands sent, oldest first.

        """
        if self._learner is None:
            return False
        told = sent[:, [0, 1, -1]]
        if self._steers:
            told[:, 2] *= told[:, 1]
        if not self._learner.observe(odometry.stamp, (odometry.vx, odometry.wz), told):
            return False
        self._believe(self._learner.learned)
        return True

    def show(self, statistics: Statistics) -> None:
        """Write delay, lag and gain into the statistics of a tick."""
        plant = self.prediction
        statistics.delay_linear, statistics.delay_angular = plant.delay_linear, plant.delay_angular
        statistics.lag_linear, statistics.lag_angular = plant.lag_linear, plant.lag_angular
        statistics.gain_linear, statistics.gain_angular = plant.gain_linear, plant.gain_angular

    def forget_sent(self) -> None:
        """Take note that nobody knows what the robot was sent last."""
        if self._learner is not None:
            self._learner.restart()

    def achieved(self, sent: Floats) -> Floats:
        """Return what the robot makes of controls, float64[..., m]."""
        made: Floats = sent * self._gain
        return made

    def commanded(self, made: Controls) -> Controls:
        """Return the controls with which the robot does something."""
        return tuple(value / gain for value, gain in zip(made, self._gain.tolist(), strict=True))

    def _believe(self, axes: Sequence[FopdtModel]) -> None:
        self._axes = tuple(axes)
        limits, prediction = self._configured
        linear, turning = axes
        ahead, angular = linear.gain, turning.gain
        if self._steers:
            angular /= ahead
        self._gain = np.array([ahead] * (self._controls - 1) + [angular])
        self.limits = replace(
            limits,
            vx_max=limits.vx_max * ahead, vx_min=limits.vx_min * ahead,
            ax_max=limits.ax_max * ahead, ax_min=limits.ax_min * ahead,
            vy_max=limits.vy_max * ahead, wz_max=limits.wz_max * turning.gain,
            az_max=limits.az_max * angular, steering_rate=limits.steering_rate * angular,
            turning_radius_min=limits.turning_radius_min / angular,
        )  # fmt: skip
        if not self._steers:  # what the tyres of a car hold does not depend on its drives
            self.limits = replace(
                self.limits, ay_max=limits.ay_max * ahead, ay_min=limits.ay_min * ahead
            )
        delays = linear.delay, turning.delay
        configured = prediction.delay_linear - prediction.delay_angular
        if abs(linear.delay - turning.delay - configured) < DELAY_TOLERANCE:
            middle = 0.5 * (linear.delay + turning.delay)
            delays = middle + 0.5 * configured, middle - 0.5 * configured
        self.prediction = replace(
            prediction,
            delay_linear=delays[0], delay_angular=delays[1], lag_linear=linear.lag,
            lag_angular=turning.lag, gain_linear=ahead, gain_angular=angular,
            dead_band_linear=prediction.dead_band_linear * ahead,
            dead_band_angular=prediction.dead_band_angular * angular,
        )  # fmt: skip
        self.conservative = replace(
            self.prediction,
            delay_linear=max(prediction.delay_linear, delays[0]),
            delay_angular=max(prediction.delay_angular, delays[1]),
            lag_linear=max(prediction.lag_linear, linear.lag),
            lag_angular=max(prediction.lag_angular, turning.lag),
        )
