"""Validation of numbers, arrays, λ and Σ that a user passes to the library."""

import math
import reprlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.parameters.errors import InputError

Array = NDArray[np.float64]

MAX_FLOAT32 = float(np.finfo(np.float32).max)
ASYMMETRY = 1e-6  # of a covariance, relative to the standard deviations of its row and column


def real_number(name: str, value: Any) -> float:
    """
    Return a number of Python or NumPy, or an array without dimensions, as a float.

    Raises
    ------
    InputError
        It is no real number.

    """
    number = value
    if getattr(value, 'ndim', None) == 0 and not isinstance(value, np.ma.MaskedArray):
        number = value.item()
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise InputError(f'{name} = {reprlib.repr(value)} is not a number')
    try:
        return float(number)
    except OverflowError:  # of an integer
        return math.inf if number > 0 else -math.inf


def number_within(name: str, value: Any, low: float, high: float) -> float:
    """
    Return a real number in [low, high] as a float.

    Raises
    ------
    InputError
        It is no real number, or outside the range.

    """
    number = real_number(name, value)
    if not low <= number <= high:
        raise InputError(f'{name} = {number!r} is outside [{low:g}, {high:g}]')
    return number


def refuse_mask(name: str, value: Any) -> None:
    """Raise InputError for a masked array, whose mask the calculations would ignore."""
    if isinstance(value, np.ma.MaskedArray):
        raise InputError(
            f'{name}: masked arrays are not supported; fill them, for example with numpy.ma.filled'
        )


def real_array(name: str, value: Any, kinds: str = 'iuf') -> Array:
    """
    Return an array of real numbers as float64[...]; `kinds` are the kinds of their types.

    Raises
    ------
    InputError
        It is not numeric, has rows of different lengths, or is a masked array.

    """
    refuse_mask(name, value)
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        raise InputError(
            f'{name} = {reprlib.repr(value)} is not an array: its rows differ in length'
        ) from None
    if array.dtype.kind not in kinds:
        raise InputError(
            f'the values of {name} are of type {array.dtype.type.__name__}; real numbers are '
            'expected'
        )
    return array.astype(np.float64, copy=False)


def shaped_array(name: str, value: Any, *shape: int | str) -> Array:
    """
    Return an array of real numbers as float64 of a shape, in which a letter is any size.

    '...' in front stands for any number of dimensions.

    Raises
    ------
    InputError
        As `real_array`, or the shape differs.

    """
    array = real_array(name, value)
    sides = shape[1:] if shape[:1] == ('...',) else shape
    found = array.shape[array.ndim - len(sides) :] if sides is not shape else array.shape
    if len(found) != len(sides) or any(
        side != size for side, size in zip(sides, found, strict=True) if isinstance(side, int)
    ):
        expected = ', '.join(map(str, shape))
        raise InputError(f'the shape of {name} is {list(array.shape)}; [{expected}] is expected')
    return array


def finite_array(name: str, value: Any, *shape: int | str, greatest: float = math.inf) -> Array:
    """
    Return a shaped array whose values are finite, and at most `greatest` in size.

    Raises
    ------
    InputError
        As `shaped_array`, or a value is not finite or exceeds `greatest`; the message names it.

    """
    array = shaped_array(name, value, *shape)
    bad = ~(np.isfinite(array) & (np.abs(array) <= greatest))
    if bad.any():
        place = tuple(map(int, np.argwhere(bad)[0]))
        limits = f'is outside [{-greatest:g}, {greatest:g}]'
        raise InputError(
            f'{name}{list(place) or ""} = {float(array[place])!r} '
            f'{limits if greatest < math.inf else "is not finite"}'
        )
    return array


def check_temperature(temperature: float) -> float:
    """
    Return λ as a float.

    Raises
    ------
    InputError
        `temperature` is not a number, or not positive and finite.

    """
    lam = real_number('temperature', temperature)
    if not 0.0 < lam < math.inf:
        raise InputError(
            f'temperature = {temperature!r} is outside (0, inf) units of the cost; only '
            f'`MppiParameters` accepts 0, which chooses λ by the effective sample size'
        )
    return lam


def check_covariance(covariance: ArrayLike, n: int, name: str = 'covariance') -> Array:
    """
    Return Σ, float64[n, n]; a scalar σ² denotes σ² times the identity.

    Raises
    ------
    InputError
        `covariance` has a wrong shape, or is not symmetric and positive definite.

    """
    sigma = real_array(name, covariance)
    if sigma.ndim == 0:
        sigma = sigma * np.eye(n)
    sigma = shaped_array(name, sigma, n, n)
    if not is_covariance(sigma):
        raise InputError(f'{name} = {sigma.tolist()} is not symmetric and positive definite')
    return sigma


def is_covariance(sigma: Array) -> bool:
    """
    Return whether float64[n, n] is finite, symmetric and positive definite.

    Both are judged by the correlations, so that the units of the variables do not matter. A
    positive definite matrix has a Cholesky factor.
    """
    variances = np.diag(sigma)
    if not np.isfinite(sigma).all() or not (variances > 0.0).all():
        return False
    deviations = np.sqrt(variances)
    with np.errstate(over='ignore'):
        correlations = sigma / deviations[:, None] / deviations
    if not np.isfinite(correlations).all():
        return False
    try:
        np.linalg.cholesky(correlations)
    except np.linalg.LinAlgError:
        return False
    return bool(np.abs(correlations - correlations.T).max() <= ASYMMETRY)
