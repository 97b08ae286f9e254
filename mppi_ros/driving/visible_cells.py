"""Visible cells: the lethal cells of a costmap that the robot sees."""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.costmap import FREE, INSCRIBED, LETHAL, Costmap
from mppi_ros.driving.visible_points import (
    BEAM_COUNT,
    FREE_SHARE,
    VISIBLE_DEPTH,
    Confirmation,
    VisiblePoints,
    beams,
)

RIM_CELLS = 3  # from the rim of a costmap within which a cluster may go on beyond it
SURFACE_STD = 0.05  # [m] of a cell from the surface of a disc
CONFIRMATION = Confirmation(age=0.3, edge_motion=0.1, side_motion=0.15)
MEMORY = 0.4  # [s] for which a costmap may show a cell that a moving obstacle has left


@dataclass(frozen=True)
class VisibleCells(VisiblePoints):
    """
    The visible lethal cells around a point.

    Attributes
    ----------
    costmap : Costmap
        The costmap.
    rows, columns : intp[n]
        Indices of the cells in it.

    """

    costmap: Costmap
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]

    @classmethod
    def of(cls, costmap: Costmap, origin: tuple[float, float], reach: float) -> VisibleCells:
        """Find the visible cells within `reach` [m] along each axis of the origin [m] [m]."""
        res = costmap.resolution
        column, row = (
            int((at - low) / res)
            for at, low in zip(origin, (costmap.origin_x, costmap.origin_y), strict=True)
        )
        cells = math.ceil(reach / res)
        first_row, first_column = max(row - cells, 0), max(column - cells, 0)
        near = costmap.data[
            first_row : max(row + cells, 0), first_column : max(column + cells, 0)
        ]
        rows, columns = np.nonzero(near == LETHAL)
        rows, columns = rows + first_row, columns + first_column
        x = costmap.origin_x + (columns + 0.5) * res
        y = costmap.origin_y + (rows + 0.5) * res
        away = np.hypot(x - origin[0], y - origin[1])
        beam = beams(x, y, origin)
        # A cell covers the beams on both sides of its centre, as far as its half width.
        nearest = np.full(BEAM_COUNT, np.inf)
        wide = np.ceil(0.5 * res / np.maximum(away, res) / math.tau * BEAM_COUNT).astype(int)
        for aside in range(-int(wide.max(initial=0)), int(wide.max(initial=0)) + 1):
            covered = np.abs(aside) <= wide
            np.minimum.at(nearest, (beam[covered] + aside) % BEAM_COUNT, away[covered])
        seen = away <= nearest[beam] + VISIBLE_DEPTH
        return cls(
            origin, reach, res, SURFACE_STD, MEMORY, CONFIRMATION, x[seen], y[seen], away[seen],
            beam[seen], (away <= nearest[beam] + res)[seen], nearest, costmap, rows[seen],
            columns[seen],
        )  # fmt: skip

    def clusters(
        self, cells: NDArray[np.intp], gap: float = 0.0
    ) -> list[NDArray[np.intp]]:
        """Split ascending indices into groups of cells that touch or are `gap` [m] apart."""
        from scipy.ndimage import binary_dilation, label

        if not len(cells):
            return []
        wide = math.ceil(0.5 * gap / self.spacing)  # by which two cells grow towards each other
        rows = self.rows[cells] - self.rows[cells].min() + wide
        columns = self.columns[cells] - self.columns[cells].min() + wide
        grid = np.zeros((rows.max() + 1 + wide, columns.max() + 1 + wide), bool)
        grid[rows, columns] = True
        square = np.ones((3, 3), bool)
        if wide:
            grid = binary_dilation(grid, square, iterations=wide)
        labels, count = label(grid, structure=square)
        of_cell = labels[rows, columns]
        order = np.argsort(of_cell, kind='stable')
        bounds = np.searchsorted(of_cell[order], np.arange(1, count + 1))
        return np.split(cells[order], bounds[1:])

    def is_free(self, x: float, y: float, radius: float) -> bool:
        """Return whether most cells of a disc [m] are visible and free."""
        costmap, res = self.costmap, self.costmap.resolution
        reach = math.ceil(radius / res)
        column = math.floor((x - costmap.origin_x) / res)
        row = math.floor((y - costmap.origin_y) / res)
        height, width = costmap.shape
        span = np.arange(-reach, reach + 1)
        rows, columns = np.meshgrid(row + span, column + span, indexing='ij')
        at_x = costmap.origin_x + (columns + 0.5) * res
        at_y = costmap.origin_y + (rows + 0.5) * res
        inside = np.hypot(at_x - x, at_y - y) <= radius
        if not ((rows >= 0) & (rows < height) & (columns >= 0) & (columns < width))[inside].all():
            return False
        values = costmap.data[rows[inside], columns[inside]]
        away = np.hypot(at_x[inside] - self.origin[0], at_y[inside] - self.origin[1])
        visible = away < self.nearest[beams(at_x[inside], at_y[inside], self.origin)]
        free = visible & (values >= FREE) & (values <= INSCRIBED)
        return bool(np.count_nonzero(free) >= FREE_SHARE * np.count_nonzero(inside))

    def half_width(self, cells: NDArray[np.intp]) -> float:
        """Return half of the size of a cell [m]."""
        return 0.5 * self.spacing

    def angular_width(self, cells: NDArray[np.intp]) -> float:
        """Return the angle that the nearest of some cells covers [rad]."""
        return self.spacing / max(float(self.away[cells].min()), self.spacing)

    def _at_rim(self, cells: NDArray[np.intp]) -> bool:
        height, width = self.costmap.shape
        rows, columns = self.rows[cells], self.columns[cells]
        low, high = min(rows.min(), columns.min()), RIM_CELLS
        return bool(
            low < high or rows.max() >= height - high or columns.max() >= width - high
            or super()._at_rim(cells)
        )  # fmt: skip
