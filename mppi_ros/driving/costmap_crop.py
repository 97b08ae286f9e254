"""Crop of a costmap around the robot, with a bounded number of cells."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.costmap import FREE, LETHAL, Costmap
from mppi_ros.driving.distance_field import COSTMAP_TYPE
from mppi_ros.jit.cache import cached_njit

MAX_CELLS_UNCROPPED = 500_000  # cells, whose distance field takes 5 ms
MAX_CELLS_PER_SIDE = 2000  # of a crop; beyond that its cells are coarser
MAX_REACH = 5000.0  # [m] larger than the distance travelled within a horizon


def crop_costmap(
    costmap: Costmap,
    x: float,
    y: float,
    reach: float,
    *,
    unknown_is_obstacle: bool = False,
    outside_is_obstacle: bool = True,
) -> tuple[Costmap, bool]:
    """
    Return the part of a costmap within `reach` of a point, and whether it is a proper part.

    A small costmap is returned unchanged. A crop has at most MAX_CELLS_PER_SIDE² cells. If that
    requires coarser cells, each has the worst value of the cells that it replaces. The area
    outside a crop is unknown.

    Parameters
    ----------
    costmap : Costmap
        Complete costmap.
    x, y : float
        Centre of the crop [m]; it is clamped to the costmap.
    reach : float
        Half of the side of the crop [m].
    unknown_is_obstacle, outside_is_obstacle : bool
        As in `distance_field`.

    """
    height, width = costmap.shape
    res = costmap.resolution
    if height * width <= MAX_CELLS_UNCROPPED:
        return costmap, False
    half = math.ceil(min(reach, MAX_REACH) / res)
    column = math.floor(min(max((x - costmap.origin_x) / res, 0.0), width - 1.0)) - half
    row = math.floor(min(max((y - costmap.origin_y) / res, 0.0), height - 1.0)) - half
    last_column, last_row = column + 2 * half + 1, row + 2 * half + 1
    cut = row > 0 or column > 0 or last_row < height or last_column < width
    if outside_is_obstacle or not cut:
        row, column = max(row, 0), max(column, 0)
        last_row, last_column = min(last_row, height), min(last_column, width)
    factor = math.ceil(max(last_row - row, last_column - column) / MAX_CELLS_PER_SIDE)
    if factor == 1 and not cut:
        return costmap, False
    x, y = costmap.origin_x + column * res, costmap.origin_y + row * res
    if factor == 1 and row >= 0 and column >= 0 and last_row <= height and last_column <= width:
        return Costmap(costmap.data[row:last_row, column:last_column], res, x, y), cut
    # Omit a coarse cell at the edge: it would be an obstacle, or extend beyond the edge.
    up = 0 if outside_is_obstacle else factor - 1
    shape = tuple(
        max((last - first + up) // factor, 1)
        for first, last in ((row, last_row), (column, last_column))
    )
    out = np.empty(shape, np.int8)
    beyond = LETHAL if outside_is_obstacle else FREE
    cells = np.ascontiguousarray(costmap.data)
    _gather(cells, row, column, factor, unknown_is_obstacle, beyond, out)
    return Costmap(out, factor * res, x, y), cut


@cached_njit(f'void({COSTMAP_TYPE}, int64, int64, int64, boolean, int64, int8[:,::1])', nogil=True)
def _gather(
    data: NDArray[np.int8],
    row: int,
    column: int,
    factor: int,
    unknown_is_obstacle: bool,
    beyond: int,
    out: NDArray[np.int8],
) -> None:
    """Fill out[h, w] with the worst of factor² cells each, starting at (row, column)."""
    height, width = data.shape
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            worst, unknown = -1, False
            for a in range(row + i * factor, row + (i + 1) * factor):
                for b in range(column + j * factor, column + (j + 1) * factor):
                    inside = 0 <= a < height and 0 <= b < width
                    value = int(data[a, b]) if inside else beyond
                    unknown |= value < 0
                    worst = max(worst, value)
            hidden = unknown and unknown_is_obstacle and worst < LETHAL
            out[i, j] = -1 if hidden else worst
