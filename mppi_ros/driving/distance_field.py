"""Exact Euclidean distance to the nearest obstacle, for every cell of a costmap."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
import math

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.costmap import Costmap
from mppi_ros.jit.cache import cached_njit
from mppi_ros.parameters.errors import InputError

COSTMAP_TYPE = 'Array(int8, 2, "C", readonly=True)'  # of a costmap, which may belong to a message
NO_OBSTACLE = 1e4  # [m] stands for 'no obstacle anywhere'


@dataclass(frozen=True)
class DistanceField:
    """
    Distance to the nearest obstacle, one value for each cell.

    Attributes
    ----------
    distance : float32[H, W]
        From the centre of the cell to the face of the nearest obstacle cell [m]; 0 in obstacles.
    resolution : float
        Side of a cell [m].
    origin_x, origin_y : float
        Lower left corner of cell (0, 0) [m].
    outside : float
        Distance that holds outside of the grid [m]: 0, or FAR where the outside is free. The
        distances within may be those of a free outside either way.

    """

    distance: NDArray[np.float32]
    resolution: float
    origin_x: float
    origin_y: float
    outside: float

    @cached_property
    def padded(self) -> NDArray[np.float32]:
        """Return the distances, flat and with a rim of the distance that holds outside."""
        return np.pad(self.distance, 1, constant_values=self.outside).ravel()

    def at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float32]:
        """Look up the distance [m] in the cells that hold the points x, y [m]."""
        height, width = self.distance.shape
        column = np.floor((np.asarray(x) - self.origin_x) / self.resolution)
        row = np.floor((np.asarray(y) - self.origin_y) / self.resolution)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        cell = np.where(inside, row * width + column, 0).astype(np.intp)
        return np.where(inside, self.distance.ravel()[cell], np.float32(self.outside))


def distance_field(
    costmap: Costmap,
    *,
    inscribed_radius: float = 0.0,
    unknown_is_obstacle: bool = False,
    outside_is_obstacle: bool = True,
    out: NDArray[np.float32] | None = None,
) -> DistanceField:
    """
    Compute the distance from every cell of a costmap to the nearest obstacle.

    Obstacles are the cells ≥ 100; each fills its cell, so the distance between the centres of two
    cells is shortened by half a cell. A cell of value 99 says that an obstacle lies within the
    inscribed radius of the robot, even where that obstacle itself was not drawn.

    Parameters
    ----------
    costmap : Costmap
        Values −1 unknown, 0..98 free or inflated, 99 inscribed, 100 lethal.
    inscribed_radius : float
        Largest distance [m] that a cell of value 99 may have.
    unknown_is_obstacle : bool
        Treat cells of value −1 as obstacles.
    outside_is_obstacle : bool
        Treat everything outside of the grid as an obstacle.
    out : float32[H, W], optional
        Filled with the distances and used by the result, so that no memory is allocated.

    Raises
    ------
    InputError
        `out` has another shape or type than the costmap asks for.

    """
    shape = costmap.data.shape
    if out is None:
        out = np.empty(shape, dtype=np.float32)
    elif out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous:
        raise InputError(
            f'out is {out.dtype}{list(out.shape)}; contiguous float32{list(shape)} is expected'
        )
    _distances(
        np.ascontiguousarray(costmap.data),
        costmap.resolution,
        inscribed_radius,
        unknown_is_obstacle,
        outside_is_obstacle,
        out,
    )
    return DistanceField(
        distance=out,
        resolution=costmap.resolution,
        origin_x=costmap.origin_x,
        origin_y=costmap.origin_y,
        outside=0.0 if outside_is_obstacle else NO_OBSTACLE,
    )


@cached_njit(f'void({COSTMAP_TYPE}, boolean, boolean, float32[:,::1])', nogil=True)
def _column_distances(
    data: NDArray[np.int8],
    unknown_is_obstacle: bool,
    outside_is_obstacle: bool,
    out: NDArray[np.float32],
) -> None:
    """Write into out[H, W] how many rows the nearest obstacle of the same column is away."""
    height, width = data.shape
    beyond = np.float32(0.0 if outside_is_obstacle else NO_OBSTACLE * NO_OBSTACLE)
    one = np.float32(1.0)
    for y in range(height):
        for x in range(width):
            obstacle = data[y, x] >= 100 or (unknown_is_obstacle and data[y, x] < 0)
            above = out[y - 1, x] if y > 0 else beyond
            out[y, x] = np.float32(0.0) if obstacle else above + one
    for y in range(height - 1, -1, -1):
        for x in range(width):
            below = out[y + 1, x] if y < height - 1 else beyond
            out[y, x] = min(out[y, x], below + one)


@cached_njit(
    f'void({COSTMAP_TYPE}, float64, float64, boolean, boolean, float32[:,::1])',
    nogil=True,
)
def _distances(
    data: NDArray[np.int8],
    resolution: float,
    inscribed: float,
    unknown_is_obstacle: bool,
    outside_is_obstacle: bool,
    out: NDArray[np.float32],
) -> None:
    """
    Fill out[H, W]: squared distance = min over columns v of (x − v)² + rows(v)².

    The minimum over v is the lower envelope of parabolas: P. Felzenszwalb, D. Huttenlocher,
    'Distance transforms of sampled functions', Theory of Computing 8 (2012). The row has one cell
    more on either side, so that the outside can be an obstacle like any other.
    """
    _column_distances(data, unknown_is_obstacle, outside_is_obstacle, out)
    height, width = data.shape
    inscribed = max(0.0, inscribed - 0.5 * resolution)
    rows = np.empty(width + 2)  # squared distance along each column
    vertex = np.empty(width + 2, dtype=np.int64)  # columns of the parabolas in the envelope
    until = np.empty(width + 2)  # column at which the next parabola takes over
    for y in range(height):
        rows[0] = rows[width + 1] = 0.0 if outside_is_obstacle else np.inf
        for x in range(width):
            rows[x + 1] = np.float64(out[y, x]) ** 2
        last = -1
        for x in range(width + 2):
            if rows[x] >= NO_OBSTACLE * NO_OBSTACLE:
                continue
            while last >= 0:
                v = vertex[last]
                crossing = (rows[x] + x * x - rows[v] - v * v) / (2.0 * (x - v))
                start = until[last - 1] if last > 0 else -np.inf
                if crossing > start:
                    until[last] = crossing
                    break
                last -= 1
            last += 1
            vertex[last] = x
        if last < 0:
            for x in range(width):
                out[y, x] = NO_OBSTACLE
        else:
            until[last] = np.inf
            k = 0
            for x in range(1, width + 1):
                while until[k] < x:
                    k += 1
                cells = math.sqrt((x - vertex[k]) ** 2 + rows[vertex[k]])
                out[y, x - 1] = max(0.0, cells - 0.5) * resolution
        for x in range(width):
            if data[y, x] == 99:
                out[y, x] = min(np.float64(out[y, x]), inscribed)
