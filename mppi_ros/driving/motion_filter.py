"""Motion filter: position and velocity of a disc by a Kalman filter of constant velocity."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ACCELERATION_STD = 1.5  # [m/s²] by which a moving obstacle changes its velocity
INDEPENDENT_POINTS = 6.0  # of the surface, however many points show it
POSITION_STD, VELOCITY_STD = 0.08, 0.3  # [m] [m/s] of a new track
FIT_STEPS = 4
MAX_SHIFT = 0.3  # [m] of the centre in one step of the fit


class MotionFilter(NamedTuple):
    """
    Estimate of a disc at `stamp` [s].

    `mean`, float64[4], is x, y [m], vx, vy [m/s], `covariance`, float64[4, 4], its covariance and
    `radius` [m] that of the disc.
    """

    stamp: float
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    radius: float

    @classmethod
    def begin(
        cls, stamp: float, centre: tuple[float, float], velocity: tuple[float, float],
        radius: float,
    ) -> MotionFilter:  # fmt: skip
        """Return the estimate of a disc that was seen to move."""
        deviations = [POSITION_STD, POSITION_STD, VELOCITY_STD, VELOCITY_STD]
        return cls(stamp, np.array([*centre, *velocity]), np.diag(np.square(deviations)), radius)

    @property
    def speed(self) -> float:
        """Return the speed [m/s]."""
        return math.hypot(self.mean[2], self.mean[3])

    @property
    def position_std(self) -> float:
        """Return the standard deviation of the position along its widest axis [m]."""
        return math.sqrt(max(np.linalg.eigvalsh(self.covariance[:2, :2])[-1], 0.0))

    def at(self, stamp: float) -> MotionFilter:
        """Predict the estimate for a time [s]."""
        dt = stamp - self.stamp
        step = np.eye(4)
        step[0, 2] = step[1, 3] = dt
        push = np.array([[0.5 * dt * dt, 0.0], [0.0, 0.5 * dt * dt], [dt, 0.0], [0.0, dt]])
        covariance = step @ self.covariance @ step.T + ACCELERATION_STD**2 * push @ push.T
        return self._replace(stamp=stamp, mean=step @ self.mean, covariance=covariance)

    def fitted(
        self, x: NDArray[np.float64], y: NDArray[np.float64], width: float, surface_std: float
    ) -> MotionFilter | None:
        """
        Return the estimate after points x, y [m] of the surface were seen.

        Their standard deviation from it is `surface_std` [m]; points farther than `width` [m]
        from it do not count. Only what the points determine is changed: those of one side do not
        move the disc along that side. None without points.
        """
        prior = np.linalg.inv(self.covariance)
        mean = self.mean.copy()
        for _ in range(FIT_STEPS):
            dx, dy = x - mean[0], y - mean[1]
            away = np.maximum(np.hypot(dx, dy), 1e-6)
            error = away - self.radius
            weight = np.square(np.maximum(1.0 - np.square(error / width), 0.0))
            total = float(weight.sum())
            if total < 1.0:
                return None
            weight *= min(INDEPENDENT_POINTS / total, 1.0) / surface_std**2
            towards = np.array([dx / away, dy / away])
            information = prior.copy()
            information[:2, :2] += (weight * towards) @ towards.T
            gradient = prior @ (self.mean - mean)
            gradient[:2] += towards @ (weight * error)
            covariance = np.linalg.inv(information)
            change = covariance @ gradient
            change *= min(1.0, MAX_SHIFT / max(math.hypot(change[0], change[1]), 1e-9))
            mean = mean + change
        return self._replace(mean=mean, covariance=0.5 * (covariance + covariance.T))
