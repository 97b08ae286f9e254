"""
Estimate of the plant: delay, lag and gain of each axis, as configured and as identified.

The gain is the ratio of achieved to commanded velocity. The controller works with achieved
velocities and limits, and only the command that is sent is divided by the gain. The optimiser,
the prediction and the stopping check therefore do not depend on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import math

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.command_response import car_response
from mppi_ros.control.identification import FopdtModel, Identification
from mppi_ros.control.inputs import Odometry
from mppi_ros.control.tick_result import Statistics
from mppi_ros.control.understeer import MAX_GRIP_SHARE, UndersteerEstimate
from mppi_ros.driving.motion_models import Ackermann, Controls, Model
from mppi_ros.driving.parameters import Limits, PredictionParameters

Floats = NDArray[np.float64]
STEADY_SHARE = 0.04  # of top speed: speed still to be gained where the understeer is observed
DELAY_TOLERANCE = 0.04  # [s] smaller differences of identified delays are not significant


class PlantEstimate:
    """
    Current delay, lag and gain of each axis.

    Forward speed and turning rate are identified. The lateral axis of an omnidirectional robot is
    assumed equal to the forward axis; for a car the turning rate identifies the steering and the
    characteristic speed.

    Parameters
    ----------
    limits, prediction : Limits, PredictionParameters
        Limits of the commands, and the configured plant.
    vehicle : type of Model
        Motion model.
    learns : bool
        Enable the identification.

    Attributes
    ----------
    limits : Limits
        Limits of the achieved motion.
    prediction : PredictionParameters
        Estimated plant.
    conservative : PredictionParameters
        The slower of configured and estimated plant, for the stopping check.

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
        slips = learns and self._steers and prediction.characteristic_speed > 0.0
        self._understeer = (
            UndersteerEstimate(prediction.characteristic_speed, limits.vx_max) if slips else None
        )
        self._learner = Identification(axes, (limits.vx_max, limits.wz_max)) if learns else None
        self._set_axes(axes)

    def set_limits(self, limits: Limits) -> None:
        """Set new limits of the commands; the estimate is kept."""
        self._configured = limits, self._configured[1]
        self._set_axes(self._axes)

    @property
    def delay_margin(self) -> float:
        """Time by which commands may act later than predicted [s]."""
        return self.conservative.first_delay - self.prediction.first_delay

    def observe(self, odometry: Odometry, sent: Floats) -> bool:
        """
        Add a measurement to the identification; return whether the estimate has changed.

        Parameters
        ----------
        odometry : Odometry
            The measurement.
        sent : float64[N, 1 + m]
            Time [s] and controls of the commands sent, oldest first.

        """
        if self._learner is None:
            return False
        commanded, turning = sent[:, [0, 1, -1]], float(odometry.wz)
        counts, changed = True, False
        if self._steers:
            commanded[:, 2] *= commanded[:, 1]
        if self._understeer is not None:
            turning, counts, changed = self._without_slip(self._understeer, odometry, sent)
        measured = odometry.vx, turning
        changed |= self._learner.observe(odometry.stamp, measured, commanded, (True, counts))
        if changed:
            self._set_axes(self._learner.learned)
        return changed

    def show(self, statistics: Statistics) -> None:
        """Set delay, lag, gain and characteristic speed in the statistics of a tick."""
        plant = self.prediction
        statistics.delay_linear, statistics.delay_angular = plant.delay_linear, plant.delay_angular
        statistics.lag_linear, statistics.lag_angular = plant.lag_linear, plant.lag_angular
        statistics.gain_linear, statistics.gain_angular = plant.gain_linear, plant.gain_angular
        if plant.characteristic_speed > 0.0:
            statistics.characteristic_speed = plant.characteristic_speed

    def forget_sent(self) -> None:
        """Restart the identification, since the past commands are unknown."""
        if self._learner is not None:
            self._learner.restart()
        if self._understeer is not None:
            self._understeer.restart()

    def achieved(self, sent: Floats) -> Floats:
        """Convert commanded to achieved controls, float64[..., m]."""
        achieved: Floats = sent * self._gain
        return achieved

    def commanded(self, achieved: Controls) -> Controls:
        """Convert achieved to commanded controls."""
        gains = self._gain.tolist()
        return tuple(value / gain for value, gain in zip(achieved, gains, strict=True))

    def _without_slip(
        self, understeer: UndersteerEstimate, odometry: Odometry, sent: Floats
    ) -> tuple[float, bool, bool]:
        """
        Return the turning rate that a car would have if its tyres did not slip [rad/s].

        Also return whether steering is identified from it, as the slip is uncertain near the limit
        of the grip, and whether the understeer has changed.
        """
        achieved = np.column_stack([sent[:, 0], self.achieved(sent[:, 1:])])
        softer = replace(self.prediction, characteristic_speed=understeer.softer)
        expected, other = (
            car_response(odometry.stamp, achieved, prediction, self.limits)
            for prediction in (self.prediction, softer)
        )
        grip = abs(expected.v * expected.w) / self.limits.ay_max
        steady = abs(achieved[-1, 1] - expected.v) < STEADY_SHARE * self.limits.vx_max
        changed = understeer.observe(
            odometry.stamp, float(odometry.wz), expected.w, other.w, grip if steady else math.inf
        )
        turning = float(odometry.wz) + expected.v * expected.curvature - expected.w
        return turning, grip <= MAX_GRIP_SHARE, changed

    def _set_axes(self, axes: Sequence[FopdtModel]) -> None:
        self._axes = tuple(axes)
        limits, prediction = self._configured
        linear, turning = axes
        forward, angular = linear.gain, turning.gain
        if self._steers:
            angular /= forward
        self._gain = np.array([forward] * (self._controls - 1) + [angular])
        self.limits = replace(
            limits,
            vx_max=limits.vx_max * forward, vx_min=limits.vx_min * forward,
            ax_max=limits.ax_max * forward, ax_min=limits.ax_min * forward,
            vy_max=limits.vy_max * forward, wz_max=limits.wz_max * turning.gain,
            az_max=limits.az_max * angular, steering_rate=limits.steering_rate * angular,
            turning_radius_min=limits.turning_radius_min / angular,
        )  # fmt: skip
        if self._controls == 3:  # ay of others is centripetal and limited by the tyres
            self.limits = replace(
                self.limits, ay_max=limits.ay_max * forward, ay_min=limits.ay_min * forward
            )
        delays = linear.delay, turning.delay
        configured = prediction.delay_linear - prediction.delay_angular
        if abs(linear.delay - turning.delay - configured) < DELAY_TOLERANCE:
            middle = 0.5 * (linear.delay + turning.delay)
            delays = middle + 0.5 * configured, middle - 0.5 * configured
        self.prediction = replace(
            prediction,
            delay_linear=delays[0], delay_angular=delays[1], lag_linear=linear.lag,
            lag_angular=turning.lag, gain_linear=forward, gain_angular=angular,
            dead_band_linear=prediction.dead_band_linear * forward,
            dead_band_angular=prediction.dead_band_angular * angular,
        )  # fmt: skip
        if self._understeer is not None:
            self.prediction = replace(
                self.prediction, characteristic_speed=self._understeer.characteristic_speed
            )
        self.conservative = replace(
            self.prediction,
            delay_linear=max(prediction.delay_linear, delays[0]),
            delay_angular=max(prediction.delay_angular, delays[1]),
            lag_linear=max(prediction.lag_linear, linear.lag),
            lag_angular=max(prediction.lag_angular, turning.lag),
        )
