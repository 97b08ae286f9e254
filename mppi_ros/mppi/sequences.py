"""Operations on control sequences: shift, smoothing, resampling, bounds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.jit.simd import kernel
from mppi_ros.parameters.errors import ParameterError

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
        They are not a pair, have a wrong shape, contain NaN, or low exceeds high.

    """
    try:
        low, high = (
            np.broadcast_to(np.asarray(end, np.float64), controls) for end in bounds
        )
    except (TypeError, ValueError):
        raise ParameterError(
            f'bounds = {bounds!r} is not a pair (low, high) of numbers or of {controls} numbers'
        ) from None
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
