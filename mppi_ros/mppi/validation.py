"""Validation of λ and Σ for `score` and `theory`."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.parameters.errors import InputError


def check_temperature(temperature: float) -> float:
    """
    Return λ as a float.

    Raises
    ------
    InputError
        `temperature` is not positive and finite.

    """
    if not 0.0 < temperature < math.inf:
        raise InputError(
            f'temperature = {temperature!r} is outside (0, inf) units of the cost; only '
            f'`MppiParameters` accepts 0, which chooses λ by the effective sample size'
        )
    return float(temperature)


def check_covariance(covariance: ArrayLike, n: int) -> NDArray[np.float64]:
    """
    Return Σ, float64[n, n]; a scalar σ² denotes σ² times the identity.

    Raises
    ------
    InputError
        `covariance` has a wrong shape, or is not symmetric and positive definite.

    """
    sigma = np.asarray(covariance, np.float64)
    if sigma.ndim == 0:
        sigma = sigma * np.eye(n)
    if sigma.shape != (n, n):
        raise InputError(f'covariance has the shape {list(sigma.shape)}; [{n}, {n}] is expected')
    definite = np.isfinite(sigma).all() and np.allclose(sigma, sigma.T, rtol=1e-6)
    if not definite or np.linalg.eigvalsh(sigma).min() <= 0.0:
        raise InputError(f'covariance = {sigma.tolist()} is not symmetric and positive definite')
    return sigma
