"""
Identification of the plant: delay, lag and gain of each axis from commands and odometry.

Each axis is modelled as dv/dt = (gain · u(t − delay) − v) / lag. For a grid of delays and lags
the response is simulated from the commands alone, so that odometry noise causes no bias, and is
compared with the measurement; the gain follows by least squares. Both signals are high-passed,
so that changes of speed decide. The best delay and lag minimise the squared error plus the prior
of the configured values:

    J(d, τ) = [ Σ (y − g z_dτ)² + s² ((d − d₀)²/σ_d² + (√τ − √τ₀)²/σ_q² + (g − g₀)²/σ_g²) ] / 2s²

The curvature at the minimum gives the uncertainty. Only excitation counts: with a constant command
nothing is learned or forgotten. The published estimate changes slowly and within bounds, only
while the model explains the measurement, and only if it differs notably from the configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GRID_STEP = 0.02  # [s] of the time grid of both signals and of the delays
DELAYS = GRID_STEP * np.arange(26)  # [s]
ROOT_STEP = 1.0 / 15.0  # [√s] between roots of lags: finer for short lags
LAGS = (ROOT_STEP * np.arange(16)) ** 2  # [s]
GAINS = (0.2, 1.5)
HIGH_PASS = 2.0  # [s]
STEP_FRACTIONS = np.array([0.875, 0.625, 0.375, 0.125])  # where a step samples the command
MAX_ODOMETRY_GAP = 0.5  # [s] after which the simulated responses restart
SETTLING_TIME = 1.0  # [s] after a restart in motion
MIN_SPEED_SHARE = 0.05  # share of full speed
MIN_COMMAND_CHANGE = 0.03  # share of full speed that counts as excitation
EXCITATION_MEMORY = 2.0  # [s] at full speed: energy after which old excitation is forgotten
MEASUREMENT_NOISE = 0.01  # minimum error of a measurement, as a share of full speed
ERROR_CORRELATION = 5.0  # factor on the variance for correlated errors
PRIOR_STD = (0.1, 0.2, 0.2)  # [s] [√s] [1]: σ of the configured delay, root of the lag, gain
MODEL_FREEDOM = 10  # degrees of freedom of the model
MIN_EXPLAINED = 0.8  # share of the measured variation that the model must explain
MIN_EXCITATION = 0.5  # [s] minimum excitation of an estimate
MIN_CORRECTION = (0.02, 0.03, 0.03)  # [s] [s] [1] smaller deviations are ignored
STEPS_PER_ESTIMATE = 10  # steps between two estimates
MAX_LEARNING_RATE = (0.05, 0.1, 0.4)  # [s/s] [s/s] [1/s] of delay, lag and gain


@dataclass(frozen=True)
class FopdtModel:
    """Delay [s], lag [s] and gain of one axis of the robot."""

    delay: float
    lag: float
    gain: float = 1.0


@dataclass(frozen=True)
class ParameterEstimate:
    """
    Estimate of one axis.

    `value` is the estimate and `deviation` its standard deviation; `explained` is the share of the
    measured variation that it explains, and `excited` the time of excitation [s].
    """

    value: FopdtModel
    deviation: FopdtModel
    explained: float
    excited: float

    @property
    def trusted(self) -> bool:
        """Return whether the model fits the measurement with sufficient excitation."""
        return self.explained >= MIN_EXPLAINED and self.excited >= MIN_EXCITATION


class Identification:
    """
    Estimates delay, lag and gain of each axis from commands and odometry.

    Parameters
    ----------
    configured : sequence of FopdtModel
        Prior of each axis.
    full : sequence of float
        Full speed of each axis [m/s] or [rad/s], the scale of excitation and noise.
    memory : float
        Remembered excitation, in seconds at full speed.
    spread : float
        Scale of PRIOR_STD, the uncertainty of the prior.

    """

    def __init__(
        self,
        configured: Sequence[FopdtModel],
        full: Sequence[float],
        memory: float = EXCITATION_MEMORY,
        spread: float = 1.0,
    ) -> None:
        axes = len(configured)
        self.learned = list(configured)
        self._configured = tuple(configured)
        self._full = np.array(full, dtype=np.float64)
        self._memory, self._spread = memory, spread
        self._follow = 1.0 - np.exp(-GRID_STEP / np.maximum(LAGS, 1e-9))
        self._slow = 1.0 - math.exp(-GRID_STEP / HIGH_PASS)
        self._zz = np.zeros((len(DELAYS), axes, len(LAGS)))
        self._zy = np.zeros_like(self._zz)
        self._yy = np.zeros(axes)
        self._count = np.zeros(axes)
        self._since = np.zeros(axes, int)
        self._measured = np.zeros(axes)
        self._step = self._settling = 0
        self.restart()

    def restart(self) -> None:
        """Restart the simulated responses, since the past commands are unknown."""
        self._stamp: float | None = None

    def observe(
        self, stamp: float, measured: Sequence[float], sent: Floats, counts: Sequence[bool] = ()
    ) -> bool:
        """
        Add a measurement; return whether `learned` has changed.

        Parameters
        ----------
        stamp : float
            Time of the measurement [s].
        measured : float[A]
            Speed of each axis [m/s] or [rad/s].
        sent : float64[N, 1 + A]
            Time [s] and speeds of the commands sent before, oldest first.
        counts : bool[A], optional
            Axes that are compared; all if empty.

        """
        self._counts = np.array(counts if len(counts) else [True] * len(measured))
        y = np.array(measured, dtype=np.float64)
        if self._stamp is None or not self._stamp <= stamp <= self._stamp + MAX_ODOMETRY_GAP:
            self._begin(stamp, y)
            return False
        first, last = self._step + 1, math.floor(stamp / GRID_STEP)
        if last >= first:
            times = GRID_STEP * np.arange(first, last + 1)
            looked = (times[:, None] - GRID_STEP * STEP_FRACTIONS).ravel()
            acting = np.searchsorted(sent[:, 0], looked, side='right') - 1
            commands = sent[np.maximum(acting, 0), 1:].reshape(len(times), len(STEP_FRACTIONS), -1)
            share = (times - self._stamp) / (stamp - self._stamp)
            for u, part in zip(commands.mean(1), share, strict=True):
                self._advance(u, self._measured + part * (y - self._measured))
            self._step = last
        self._stamp, self._measured = stamp, y
        changed = False
        for axis in np.flatnonzero(self._since >= STEPS_PER_ESTIMATE):
            changed |= self._follow_up(int(axis))
        return changed

    def estimate(self, axis: int) -> ParameterEstimate:
        """Return the estimate of an axis from the measurements, independent of `learned`."""
        zz, zy, yy = self._zz[:, axis], self._zy[:, axis], self._yy[axis]
        count, prior = self._count[axis], self._configured[axis]
        least = float(np.min(yy - np.maximum(zy, 0.0) ** 2 / np.maximum(zz, 1e-12)))
        variance = (MEASUREMENT_NOISE * self._full[axis]) ** 2
        if count:
            variance = ERROR_CORRELATION * max(variance, least / max(count - MODEL_FREEDOM, 1.0))
        delay_spread, root_spread, gain_spread = (self._spread * each for each in PRIOR_STD)
        trust = variance / gain_spread**2
        gain = (zy + trust * prior.gain) / (zz + trust)
        away = (DELAYS - prior.delay)[:, None] / delay_spread
        aside = (np.sqrt(LAGS) - math.sqrt(prior.lag)) / root_spread
        error = yy + trust * prior.gain**2 - gain * (zy + trust * prior.gain)
        badness = 0.5 * (error / variance + away**2 + aside**2)
        best = np.unravel_index(int(np.argmin(badness)), badness.shape)
        i, j = (min(max(int(k), 1), n - 2) for k, n in zip(best, badness.shape, strict=True))
        moved, spread = _bottom(badness[i - 1 : i + 2, j - 1 : j + 2])
        bounded = min(max(gain[i, j], GAINS[0]), GAINS[1])
        left = yy - bounded * (2.0 * zy[i, j] - bounded * zz[i, j])
        slope = (gain[i + 1, j] - gain[i - 1, j]) / 2, (gain[i, j + 1] - gain[i, j - 1]) / 2
        root = max(ROOT_STEP * (j + moved[1]), 0.0)
        return ParameterEstimate(
            FopdtModel(
                max(GRID_STEP * (i + moved[0]), 0.0), root**2,
                float(gain[i, j] + slope[0] * moved[0] + slope[1] * moved[1]),
            ),
            FopdtModel(
                GRID_STEP * spread[0],
                (2.0 * root + ROOT_STEP * spread[1]) * ROOT_STEP * spread[1],
                float(math.sqrt(variance / (zz[i, j] + trust))),
            ),
            explained=float(1.0 - left / yy) if yy > 0.0 else 0.0,
            excited=GRID_STEP * float(count),
        )  # fmt: skip

    def _begin(self, stamp: float, y: Floats) -> None:
        self._stamp, self._measured, self._step = stamp, y, math.floor(stamp / GRID_STEP)
        self._answer = np.repeat(y[:, None], len(LAGS), axis=1)
        self._answer_low = self._answer.copy()
        self._past = np.zeros((len(DELAYS), *self._answer.shape))
        self._low, self._command_low = y.copy(), y.copy()
        moves = bool(np.any(np.abs(y) > MIN_SPEED_SHARE * self._full))
        self._settling = round(SETTLING_TIME / GRID_STEP) * moves

    def _advance(self, u: Floats, y: Floats) -> None:
        """Advance all candidates by a step, and compare them if the command has changed."""
        self._answer += self._follow * (u[:, None] - self._answer)
        self._answer_low += self._slow * (self._answer - self._answer_low)
        self._low += self._slow * (y - self._low)
        self._command_low += self._slow * (u - self._command_low)
        self._past[1:] = self._past[:-1]
        self._past[0] = self._answer - self._answer_low
        change = np.abs(u - self._command_low) / self._full
        excited = (change > MIN_COMMAND_CHANGE) & self._counts
        self._settling -= 1
        if self._settling >= 0 or not excited.any():
            return
        kept = np.where(excited, np.exp(-GRID_STEP / self._memory * change**2), 1.0)
        counted = excited.astype(np.float64)
        high = y - self._low
        self._zz *= kept[:, None]
        self._zy *= kept[:, None]
        self._zz += counted[:, None] * self._past**2
        self._zy += (counted * high)[:, None] * self._past
        self._yy = kept * self._yy + counted * high**2
        self._count = kept * self._count + counted
        self._since += excited

    def _follow_up(self, axis: int) -> bool:
        """Move the published estimate toward a trusted new estimate."""
        seconds = GRID_STEP * self._since[axis]
        self._since[axis] = 0
        found = self.estimate(axis)
        if not found.trusted:
            return False
        now, wanted = self.learned[axis], found.value
        gain = min(max(wanted.gain, GAINS[0]), GAINS[1])
        values = []
        for begin, before, end, small, pace in zip(
            astuple(now), astuple(self._configured[axis]), (wanted.delay, wanted.lag, gain),
            MIN_CORRECTION,
            MAX_LEARNING_RATE, strict=True,
        ):  # fmt: skip
            step = _notable(end - before, small) + before - begin
            values.append(float(begin + min(max(step, -pace * seconds), pace * seconds)))
        self.learned[axis] = FopdtModel(*values)
        return self.learned[axis] != now


def _notable(difference: float, small: float) -> float:
    """Shrink small differences: 0 up to `small`, unchanged far above."""
    if abs(difference) <= small:
        return 0.0
    return difference * (1.0 - (small / difference) ** 2)


def _bottom(cells: Floats) -> tuple[tuple[float, float], tuple[float, float]]:
    """
    Return the minimum of the parabola through 3 × 3 values, and the standard deviations.

    Both are in cells; the minimum is limited to one cell. The values are a negative log density,
    whose inverse curvature is the covariance.
    """
    left = (cells[2, 1] - cells[0, 1]) / 2, (cells[1, 2] - cells[1, 0]) / 2
    a = max(cells[2, 1] - 2.0 * cells[1, 1] + cells[0, 1], 1e-9)
    c = max(cells[1, 2] - 2.0 * cells[1, 1] + cells[1, 0], 1e-9)
    b = (cells[2, 2] - cells[2, 0] - cells[0, 2] + cells[0, 0]) / 4
    b = min(max(b, -0.95 * math.sqrt(a * c)), 0.95 * math.sqrt(a * c))
    det = a * c - b * b
    moved = -(c * left[0] - b * left[1]) / det, -(a * left[1] - b * left[0]) / det
    return (
        (float(min(max(moved[0], -1.0), 1.0)), float(min(max(moved[1], -1.0), 1.0))),
        (float(math.sqrt(c / det)), float(math.sqrt(a / det))),
    )
