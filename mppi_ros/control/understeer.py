"""
Identification of the understeer of a car: the characteristic speed from the turning rate.

A car that is steered to the curvature κ turns at w = g v κ / (1 + u v²) in steady state; g is the
gain of the steering, u = 1 / v_ch² the understeer. The model predicts w from the commands, for the
published u and for one a little greater; their difference is the sensitivity S = ∂w / ∂u. Then
w = g w(u₀) + S (u − u₀), and g and u follow by recursive least squares. Only bends at a steady
speed count that take MIN_GRIP_SHARE to MAX_GRIP_SHARE of the grip for SETTLING_TIME: tyres are
linear there, and the slip has built up. The configured value is kept unless the estimate differs
notably.
"""

from __future__ import annotations

import math

import numpy as np

LOW_PASS = 0.1  # [s]
MAX_GAP = 0.5  # [s] between measurements, after which the filters restart
SETTLING_TIME = 0.3  # [s] from the start of a bend that counts
MIN_GRIP_SHARE, MAX_GRIP_SHARE = 0.05, 0.5  # expected lateral acceleration of bends that count
MEMORY = 20.0  # [s] of bends
MIN_TIME = 2.0  # [s] of bends before an estimate
NOISE = 0.025  # [rad/s] error of the turning rate
CORRELATION_TIME = 0.5  # [s] of this error
PRIOR_GAIN_STD = 0.1
PRIOR_STD = 0.5  # of u v², at full speed
STEP = 0.05  # of u v², at full speed, of the sensitivity
MIN_CORRECTION = 0.1  # of u v², at full speed; smaller deviations are ignored
SIGNIFICANCE = 3.0  # standard deviations that a deviation must exceed
MAX_RATE = 0.5  # [1/s] of u v² at full speed
MIN_UNDERSTEER, MAX_UNDERSTEER = 0.02, 8.0  # u v² at full speed


class UndersteerEstimate:
    """
    Estimates the characteristic speed of a car.

    Parameters
    ----------
    configured : float
        Characteristic speed [m/s].
    full : float
        Full speed [m/s].

    Attributes
    ----------
    understeer : float
        1 / v_ch² [s²/m²], as published.

    """

    def __init__(self, configured: float, full: float) -> None:
        self._speed = configured
        self._configured = self.understeer = 1.0 / configured**2
        self._full, self._step = full, STEP / full**2
        self._matrix, self._vector = np.zeros((2, 2)), np.zeros(2)
        self._seconds = 0.0
        self.restart()

    @property
    def characteristic_speed(self) -> float:
        """Speed at which the car turns half as much as its wheels [m/s]."""
        if self.understeer == self._configured:
            return self._speed
        return 1.0 / math.sqrt(self.understeer)

    def restart(self) -> None:
        """Restart the filters, since the past commands are unknown."""
        self._stamp: float | None = None

    @property
    def softer(self) -> float:
        """Characteristic speed of a car with somewhat more understeer [m/s]; see `observe`."""
        return 1.0 / math.sqrt(self.understeer + self._step)

    def observe(self, stamp: float, w: float, expected: float, softer: float, grip: float) -> bool:
        """
        Add a measurement; return whether the estimate has changed.

        Parameters
        ----------
        stamp : float
            Time of the measurement [s].
        w : float
            Turning rate [rad/s].
        expected, softer : float
            Turning rate that the commands give a car with the published characteristic speed, and
            with `softer` [rad/s].
        grip : float
            Expected lateral acceleration relative to its maximum; inf where the speed changes,
            which shifts load between the axles.

        """
        now = np.array([expected, (softer - expected) / self._step, w])
        now[2] += self.understeer * now[1]
        if self._stamp is None or not self._stamp <= stamp <= self._stamp + MAX_GAP:
            self._stamp, self._filtered, self._settling = stamp, now, SETTLING_TIME
            return False
        dt = stamp - self._stamp
        self._stamp = stamp
        self._filtered = self._filtered + (1.0 - math.exp(-dt / LOW_PASS)) * (now - self._filtered)
        counts = MIN_GRIP_SHARE <= grip <= MAX_GRIP_SHARE
        self._settling = max(self._settling - dt, 0.0) if counts else SETTLING_TIME
        turning, sensitivity, measured = self._filtered.tolist()
        if self._settling > 0.0 or dt <= 0.0:
            return False
        row = np.array([turning, sensitivity])
        kept, weight = math.exp(-dt / MEMORY), dt / (CORRELATION_TIME * NOISE**2)
        self._matrix = kept * self._matrix + weight * np.outer(row, row)
        self._vector = kept * self._vector + weight * measured * row
        self._seconds += dt
        return self._seconds >= MIN_TIME and self._follow(dt)

    def estimate(self) -> tuple[float, float]:
        """Return understeer and its standard deviation [s²/m²], independent of `understeer`."""
        spread = PRIOR_STD / self._full**2
        prior = np.array([PRIOR_GAIN_STD**-2, spread**-2])
        matrix = self._matrix + np.diag(prior)
        found = np.linalg.solve(matrix, self._vector + prior * [1.0, self._configured])
        return float(found[1]), float(math.sqrt(np.linalg.inv(matrix)[1, 1]))

    def _follow(self, dt: float) -> bool:
        """Move the published value toward an estimate that differs notably."""
        found, spread = self.estimate()
        off, full = found - self._configured, self._full**2
        needed = max(MIN_CORRECTION / full, SIGNIFICANCE * spread)
        if abs(off) < needed and self.understeer == self._configured:
            return False
        before, most = self.understeer, MAX_RATE / full * dt
        wanted = min(max(found, MIN_UNDERSTEER / full), MAX_UNDERSTEER / full)
        self.understeer = before + min(max(wanted - before, -most), most)
        return self.understeer != before
