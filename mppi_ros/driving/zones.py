"""
Zones: graded costs of a costmap that are no inflation around obstacles.

Preferred lanes, soft keep-out zones and slow zones are drawn with graded costs. Near an obstacle a
graded cost cannot be distinguished from inflation, whose function of the distance is not known
here. Within the inflation radius of an obstacle, a cell therefore belongs to the zone of the
nearest cell beyond that radius, as far as its own cost allows.
"""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.costmap import FREE, INSCRIBED, Costmap
from mppi_ros.driving.distance_field import COSTMAP_TYPE, distance_field
from mppi_ros.jit.cache import cached_njit

MAX_ZONE_COST = 98  # highest graded cost of an OccupancyGrid
MAX_ROUNDS = 20  # of passes over the grid; two are enough without obstacles in between


def zone_costs(costmap: Costmap, inflation_radius: float) -> NDArray[np.float32] | None:
    """
    Return the zone cost of each cell, float32[H, W], from 0 to 1; None without any zone.

    Parameters
    ----------
    costmap : Costmap
        Values −1 unknown, 0 free, 1..98 graded, 99 inscribed, 100 lethal.
    inflation_radius : float
        Distance to a lethal cell within which graded costs may be inflation [m].

    """
    graded = (costmap.data > FREE) & (costmap.data < INSCRIBED)
    if not graded.any():
        return None
    distance = distance_field(costmap, outside_is_obstacle=False).distance
    # Inflation measures from the centre of an obstacle cell, rounded to cells.
    inflated = distance < inflation_radius + costmap.resolution
    if not (graded & ~inflated).any():
        return None
    out = np.empty(costmap.shape, np.float32)
    _fill(np.ascontiguousarray(costmap.data), inflated, out)
    return out


@cached_njit(f'void({COSTMAP_TYPE}, boolean[:,::1], float32[:,::1])', nogil=True)
def _fill(data, inflated, out):
    """
    Fill out[H, W]: the cost of cells that are not inflated, and of the nearest one elsewhere.

    Distances are chamfer distances around lethal cells, in passes from corner to corner.
    """
    height, width = data.shape
    most = np.float32(MAX_ZONE_COST)
    straight, diagonal = np.float32(1.0), np.float32(1.41421356)
    away = np.empty((height, width), np.float32)
    for i in range(height):
        for j in range(width):
            known = not inflated[i, j] or data[i, j] <= 0
            away[i, j] = np.float32(0.0) if known else np.float32(np.inf)
            out[i, j] = max(data[i, j], 0) / most if known else np.float32(0.0)
    for _ in range(MAX_ROUNDS):
        changed = False
        for way in (1, -1):
            for a in range(height):
                i = a if way > 0 else height - 1 - a
                for b in range(width):
                    j = b if way > 0 else width - 1 - b
                    if away[i, j] == 0.0 or data[i, j] == 100:
                        continue
                    for di, dj in ((0, -way), (-way, -1), (-way, 0), (-way, 1)):
                        row, column = i + di, j + dj
                        if not (0 <= row < height and 0 <= column < width):
                            continue
                        step = straight if di == 0 or dj == 0 else diagonal
                        if away[row, column] + step < away[i, j]:
                            away[i, j] = away[row, column] + step
                            out[i, j] = out[row, column]
                            changed = True
        if not changed:
            break
    for i in range(height):
        for j in range(width):
            if inflated[i, j]:
                out[i, j] = min(out[i, j], max(min(data[i, j], MAX_ZONE_COST), 0) / most)
