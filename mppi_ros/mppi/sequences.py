"""Operations on control sequences: shift, smoothing, resampling, bounds."""

from __future__ import annotations

import math
import reprlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.jit.simd import kernel
from mppi_ros.mppi.validation import MAX_FLOAT32, real_array
from mppi_ros.parameters.errors import InputError, ParameterError

PAST = 4  # rows of the plan before the current time, for smoothing
# Central coefficients of the Savitzky-Golay filter of nine points, 2 · PAST + 1.
PARABOLA = np.array([-21, 14, 39, 54, 59, 54, 39, 14, -21], np.float32) / np.float32(231)
Floats = NDArray[np.float32]
Bounds = tuple[ArrayLike, ArrayLike]


@kernel
def shift(plan: Any, ahead: Any) -> None:
    """Shift plan, float32[PAST + T, m], by `ahead` [steps], in place; its end is held."""
    last = plan.shape[0] - PAST - 1
    for t in range(-PAST, last + 1):
        place = min(t + ahead, np.float64(last))
        left = math.floor(place)
        right = min(left + 1, last)
        part = np.float32(place - left)
        for c in range(plan.shape[1]):
            change = plan[PAST + right, c] - plan[PAST + left, c]
            plan[PAST + t, c] = plan[PAST + left, c] + part * change


def checked_bounds(bounds: Bounds, controls: int) -> tuple[Floats, Floats]:
    """
    Return the bounds as float32[m] each, rounded inward so that no float32 exceeds them.

    Raises
    ------
    ParameterError
        They are not a pair, not numbers, of a wrong shape, NaN, or neither infinite nor within
        ±MAX_FLOAT32, or low exceeds high.

    """
    if not isinstance(bounds, (tuple, list, np.ndarray)) or len(bounds) != 2:
        raise ParameterError(f'bounds = {reprlib.repr(bounds)} is not a pair (low, high)')
    low, high = (_bound(end, controls) for end in bounds)
    for c in range(controls):
        if not low[c] <= high[c] or not low[c] < math.inf or not high[c] > -math.inf:
            raise ParameterError(
                f'bounds of control {c} = [{low[c]:g}, {high[c]:g}]: low ≤ high is expected'
            )
    up, down = np.float32(np.inf), np.float32(-np.inf)
    least, greatest = low.astype(np.float32), high.astype(np.float32)
    least = np.where(least < low, np.nextafter(least, up), least)
    greatest = np.where(greatest > high, np.nextafter(greatest, down), greatest)
    crossed = least > greatest  # equal bounds that are not a float32
    return np.where(crossed, greatest, least), greatest


def _bound(end: Any, controls: int) -> NDArray[np.float64]:
    """Return a bound as float64[m]."""
    try:
        values = np.broadcast_to(real_array('bounds', end), controls)
    except InputError as error:
        raise ParameterError(str(error)) from None
    except ValueError:
        raise ParameterError(
            f'the shape of bounds is {list(np.shape(end))}; [] or [{controls}] is expected'
        ) from None
    finite = np.isfinite(values)
    if (np.abs(values[finite]) > MAX_FLOAT32).any():
        raise ParameterError(
            f'bounds = {values.tolist()}: each must be within [{-MAX_FLOAT32:g}, '
            f'{MAX_FLOAT32:g}], or infinite for none'
        )
    return values


def smoothing_matrix(steps: int) -> Floats:
    """
    Return S, float32[T, PAST + T]: S @ plan is the plan after its first PAST rows, smoothed.

    Each row becomes the middle of the parabola fitted to it and the four rows on either side; the
    plan is held beyond its end. See Savitzky and Golay (1964).
    """
    rows = np.arange(steps)
    matrix = np.zeros((steps, PAST + steps), np.float32)
    for offset, coefficient in enumerate(PARABOLA):
        np.add.at(matrix, (rows, np.minimum(rows + offset, PAST + steps - 1)), coefficient)
    return matrix


def resampled(
    plan: Floats, time_step: float, steps: int, new_time_step: float, past: int = 0
) -> Floats:
    """Resample plan, float32[past + T, m], to another time step; its ends are held."""
    old_times = np.arange(-past, len(plan) - past) * time_step
    times = np.arange(-past, steps) * new_time_step
    columns = [np.interp(times, old_times, column) for column in plan.T]
    return np.stack(columns, axis=1).astype(np.float32)
