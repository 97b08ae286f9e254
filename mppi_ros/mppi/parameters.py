"""Parameters of the optimiser: λ, α, Σ, samples, horizon, iterations, noise."""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mppi_ros.mppi.validation import is_covariance, real_array
from mppi_ros.parameters.declaration import group, parameter, validate
from mppi_ros.parameters.errors import InputError, ParameterError

MAX_STEPS = 512  # of the horizon
MIN_DEVIATION = float(np.finfo(np.float32).tiny)  # of a control


@dataclass(frozen=True)
class NoiseParameters:
    """Correlation of the sampled noise over the horizon."""

    correlation_time: float = parameter(
        0.1,
        'correlation time of the noise of a sample; 0 draws white noise',
        unit='s',
        low=0.0,
        high=100.0,
    )
    smoothing_time: float = parameter(
        0.05,
        'second time constant of the noise; a larger value gives smoother sampled controls',
        unit='s',
        low=0.0,
        high=10.0,
    )
    antithetic: bool = parameter(False, 'draw samples in antithetic pairs x̄ + ε, x̄ − ε')


@dataclass(frozen=True)
class MppiParameters:
    """
    Parameters of the optimiser: λ, α, Σ, K, T and others.

    The defaults are not tuned to a problem; `mppi_benchmark peers --problems` compares them. λ is
    the field `temperature`, because `lambda` is a Python keyword, and the parameter `lambda` in
    YAML, ROS and error messages. sigma may be a list or an array: m standard deviations, or a
    covariance of m rows or, for m > 1, of m·m numbers. The field contains its numbers row by row;
    of a single variance, [[σ²]], it contains the standard deviation σ.

    Raises
    ------
    ParameterError
        A value has a wrong type or is out of range.

    """

    temperature: float = parameter(
        0.0,
        'temperature λ in units of the cost; 0 chooses λ in each iteration so that the effective '
        'sample size is ess_share of the samples',
        low=0.0,
        high=1e6,
        name='lambda',
    )
    ess_share: float = parameter(
        0.02,
        'target effective sample size as a share of the samples, used if lambda is 0',
        low=0.001,
        high=0.9,
    )
    alpha: float = parameter(
        1.0,
        'step size α of the natural gradient; 1 is the textbook update, 2 the limit of ascent',
        low=0.01,
        high=2.0,
    )
    sigma: tuple[float, ...] = parameter(
        (),
        'Σ of the sampled controls: standard deviation of each control (m numbers) or the full '
        'covariance (m·m numbers, row by row); if empty it follows from the limits and '
        'sigma_share, or is 1 for each control if the optimiser is used alone',
        low=-1e3,
        high=1e3,
    )
    samples: int = parameter(2000, 'number of sampled control sequences K', low=16, high=131072)
    horizon_steps: int = parameter(56, 'number of steps T of the horizon', low=1, high=MAX_STEPS)
    time_step: float = parameter(
        0.05, 'length of one step of the horizon', unit='s', low=0.005, high=1.0
    )
    iterations: int = parameter(1, 'iterations per control tick', low=1, high=50)
    smoothing: bool = parameter(
        False,
        'smooth the mean over time after each solve with a Savitzky-Golay filter of nine points, '
        'which includes the last commands: much smoother, slightly slower to react; robots leave '
        'it out while a moving obstacle is within reach',
    )
    seed: int = parameter(0, 'seed of the noise', low=0, high=2**31 - 1)
    threads: int = parameter(
        0, 'threads of the solve; 0 chooses by samples and cores', low=0, high=256
    )
    noise: NoiseParameters = group(NoiseParameters)
    _rows: ClassVar[int] = 0  # of sigma, if given as a matrix

    def __post_init__(self) -> None:
        if not isinstance(self.noise, NoiseParameters):
            raise ParameterError(f'noise = {self.noise!r} must be of type NoiseParameters')
        rows, sigma = _row_by_row(self.sigma)
        object.__setattr__(self, 'sigma', sigma)
        object.__setattr__(self, '_rows', rows)
        validate(self)

    def cholesky(self, controls: int) -> NDArray[np.float64]:
        """
        Return L, float64[m, m] lower triangular, with Σ = L Lᵀ.

        Raises
        ------
        ParameterError
            controls is not a positive integer, sigma has neither m nor m·m numbers, is a matrix
            that has not m rows, a standard deviation is not positive, or the covariance is not
            symmetric positive definite.

        """
        m = checked_controls(controls)
        if self._rows not in (0, m):
            raise ParameterError(
                f'sigma is a covariance of {self._rows} controls; one of {m} is expected'
            )
        sigma = np.asarray(self.sigma or (1.0,) * m, dtype=np.float64)
        if sigma.size == m:
            if np.any(sigma < MIN_DEVIATION):
                raise ParameterError(
                    f'sigma = {list(self.sigma)} must be positive, at least {MIN_DEVIATION:.2g}'
                )
            return np.diag(sigma)
        if sigma.size != m * m:
            raise ParameterError(
                f'sigma has {sigma.size} numbers; {m} standard deviations or {m * m} numbers of '
                f'a covariance are expected'
            )
        covariance = sigma.reshape(m, m)
        if not is_covariance(covariance):
            raise ParameterError(
                f'sigma = {list(self.sigma)} is not a symmetric and positive definite covariance'
            )
        return np.asarray(np.linalg.cholesky(covariance), np.float64)

    @property
    def horizon(self) -> float:
        """Return the length of the horizon [s]."""
        return self.horizon_steps * self.time_step

    def poles(self) -> tuple[float, float]:
        """Return the poles of the AR(2) filter of the noise, from its two time constants."""

        def pole(time: float) -> float:
            return math.exp(-self.time_step / time) if time > 0.0 else 0.0

        return pole(self.noise.correlation_time), pole(self.noise.smoothing_time)


def checked_controls(controls: Any) -> int:
    """Return the number of controls, m, or raise ParameterError."""
    integer = isinstance(controls, (int, np.integer)) and not isinstance(controls, bool)
    if not integer or controls < 1:
        raise ParameterError(f'controls = {controls!r} is not a positive integer')
    return int(controls)


def _row_by_row(sigma: Any) -> tuple[int, Any]:
    """
    Return the number of rows of a covariance, and its numbers; of 1 row the standard deviation.

    Other values are returned unchanged, with 0 rows.
    """
    try:
        dimensions = np.ndim(sigma)
    except (TypeError, ValueError):  # ragged: `validate` reports it
        return 0, sigma
    if dimensions < 2:
        return 0, sigma
    try:
        rows = real_array('sigma', sigma)
    except InputError as error:
        raise ParameterError(str(error)) from None
    if rows.ndim > 2 or rows.shape[0] != rows.shape[1]:
        raise ParameterError(
            f'sigma has the shape {list(rows.shape)}; a list of numbers or a square covariance is '
            f'expected'
        )
    if rows.size == 1:
        variance = float(rows[0, 0])
        if not variance > 0.0:
            raise ParameterError(f'sigma = {rows.tolist()} is not a variance: it must be positive')
        return 1, (math.sqrt(variance),)
    return len(rows), tuple(rows.ravel().tolist())
