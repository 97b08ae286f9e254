"""Exact Euclidean distance to the nearest obstacle for each cell of a costmap."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
import math

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.costmap import Costmap
from mppi_ros.jit.cache import cached_njit
from mppi_ros.parameters.errors import InputError

COSTMAP_TYPE = 'Array(int8, 2, "C", readonly=True)'  # read-only if shared with a message
NO_OBSTACLE = 1e4  # [m] distance without any obstacle


@dataclass(frozen=True)
class DistanceField:
    """
    Distance to the nearest obstacle for each cell.

    Attributes
    ----------
    distance : float32[H, W]
        From the centre of the cell to the edge of the nearest obstacle cell [m]; 0 in obstacles.
    resolution : float
        Cell size [m].
    origin_x, origin_y : float
        Lower left corner of cell (0, 0) [m].
    outside : float
        Distance outside the grid [m]: 0, or NO_OBSTACLE if the outside is free. The distances
        inside may assume a free outside in either case.
    zone : float32[H, W], optional
        Cost of the zone of each cell, 0 to 1; see `zones.zone_costs`. Outside the grid it is 0.

    """

    distance: NDArray[np.float32]
    resolution: float
    origin_x: float
    origin_y: float
    outside: float
    zone: NDArray[np.float32] | None = None

    @cached_property
    def padded(self) -> NDArray[np.float32]:
        """Return the distances, flattened, with a border of `outside`."""
        return np.pad(self.distance, 1, constant_values=self.outside).ravel()

    @cached_property
    def padded_zone(self) -> NDArray[np.float32]:
        """Return the zone costs, flattened, with a border of 0; empty without zones."""
        return np.zeros(0, np.float32) if self.zone is None else np.pad(self.zone, 1).ravel()

    def at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the distance [m] of the cells that contain the points x, y [m]."""
        return self._lookup(self.distance, self.outside, x, y)

    def zone_at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the zone cost of the cells that contain the points x, y [m]."""
        if self.zone is None:
            return np.zeros(np.shape(x), np.float32)
        return self._lookup(self.zone, 0.0, x, y)

    def _lookup(
        self,
        cells: NDArray[np.float32],
        outside: float,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
    ) -> NDArray[np.float32]:
        height, width = self.distance.shape
        column = np.floor((np.asarray(x) - self.origin_x) / self.resolution)
        row = np.floor((np.asarray(y) - self.origin_y) / self.resolution)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        cell = np.where(inside, row * width + column, 0).astype(np.intp)
        return np.where(inside, cells.ravel()[cell], np.float32(outside))


def distance_field(
    costmap: Costmap,
    *,
    inscribed_radius: float = 0.0,
    unknown_is_obstacle: bool = False,
    outside_is_obstacle: bool = True,
    out: NDArray[np.float32] | None = None,
) -> DistanceField:
    """
    Compute the distance from each cell of a costmap to the nearest obstacle.

    Cells ≥ 100 are obstacles. An obstacle fills its cell, so the distance between the centres of
    two cells is reduced by half a cell. A cell of value 99 has an obstacle within the inscribed
    radius of the robot, even if that obstacle is not marked.

    Parameters
    ----------
    costmap : Costmap
        Values −1 unknown, 0..98 free or inflated, 99 inscribed, 100 lethal.
    inscribed_radius : float
        Maximum distance of a cell of value 99 [m].
    unknown_is_obstacle : bool
        Treat cells of value −1 as obstacles.
    outside_is_obstacle : bool
        Treat the area outside the grid as an obstacle.
    out : float32[H, W], optional
        Buffer for the distances of the result, to avoid an allocation.

    Raises
    ------
    InputError
        `out` is not contiguous float32 of the shape of the costmap.

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
    """Fill out[H, W] with the distance to the nearest obstacle of the same column, in rows."""
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
    'Distance transforms of sampled functions', Theory of Computing 8 (2012). Each row is extended
    by one cell on either side, so that the outside can be an obstacle.
    """
    _column_distances(data, unknown_is_obstacle, outside_is_obstacle, out)
    height, width = data.shape
    inscribed = max(0.0, inscribed - 0.5 * resolution)
    rows = np.empty(width + 2)  # squared distance along each column
    vertex = np.empty(width + 2, dtype=np.int64)  # columns of the parabolas in the envelope
    until = np.empty(width + 2)  # column up to which each parabola is the minimum
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
