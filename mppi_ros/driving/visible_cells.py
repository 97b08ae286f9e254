"""Visible cells: the lethal cells of a costmap that the robot sees, and their clusters."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.costmap import FREE, INSCRIBED, LETHAL, Costmap

BEAM_COUNT = 720  # directions of view
VISIBLE_DEPTH = 0.3  # [m] behind the nearest cell of its direction in which a cell is visible
RIM_CELLS = 3  # from a rim within which a cluster may go on beyond it
FREE_SHARE = 0.8  # of the cells of a disc that must be visible and free

Edges = tuple[float, float, float, float]  # x and y of the low corner, x and y of the high one [m]


class Side(NamedTuple):
    """The edge of a cluster on one side [m] [m], and whether the view beside it is open."""

    x: float
    y: float
    is_open: bool


class VisibleCells(NamedTuple):
    """
    The visible lethal cells around a point.

    `rows`, `columns` index them in the costmap; `x`, `y` [m] are their centres, `away` [m] their
    distance from `origin`, `beam` the direction in which they lie; those `in_front` have no other
    one before them; `nearest`, float64[BEAM_COUNT],
    is the distance [m] to the nearest lethal cell of each direction, inf where there is none, and
    `reach` [m] how far along each axis cells are looked for.
    """

    costmap: Costmap
    origin: tuple[float, float]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    away: NDArray[np.float64]
    beam: NDArray[np.intp]
    in_front: NDArray[np.bool_]
    nearest: NDArray[np.float64]
    reach: float

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
            costmap, origin, rows[seen], columns[seen], x[seen], y[seen], away[seen], beam[seen],
            (away <= nearest[beam] + res)[seen], nearest, reach,
        )  # fmt: skip

    def edges(self, cells: NDArray[np.intp]) -> Edges:
        """Return the box around some of the cells [m]."""
        half, x, y = 0.5 * self.costmap.resolution, self.x[cells], self.y[cells]
        return (
            float(x.min() - half), float(y.min() - half),
            float(x.max() + half), float(y.max() + half),
        )  # fmt: skip

    def clusters(self, cells: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Split indices of cells into groups of neighbours."""
        from scipy.ndimage import label

        if not len(cells):
            return []
        rows = self.rows[cells] - self.rows[cells].min()
        columns = self.columns[cells] - self.columns[cells].min()
        grid = np.zeros((rows.max() + 1, columns.max() + 1), bool)
        grid[rows, columns] = True
        labels, count = label(grid, structure=np.ones((3, 3), int))
        of_cell = labels[rows, columns]
        order = np.argsort(of_cell, kind='stable')
        bounds = np.searchsorted(of_cell[order], np.arange(1, count + 1))
        return np.split(cells[order], bounds[1:])

    def sides(
        self, cells: NDArray[np.intp], passing: NDArray[np.bool_] | None = None
    ) -> tuple[Side, Side] | None:
        """
        Return both sides of a cluster as seen from the origin; None where its extent is unknown.

        A side is open where the view beside it goes farther than the edge there. It may be hidden
        only by one of the directions `passing`, bool[BEAM_COUNT], and the other one must be open.
        Where the cells end at the rim of the costmap or of the reach, the extent is unknown.
        """
        if self._at_rim(cells):
            return None
        beam, away = self.beam[cells], self.away[cells]
        offset = (beam - beam[0] + BEAM_COUNT // 2) % BEAM_COUNT - BEAM_COUNT // 2
        res = self.costmap.resolution
        gap = 2 + math.ceil(res / max(float(away.min()), res) / math.tau * BEAM_COUNT)
        low, high = int(offset.min()), int(offset.max())
        if high - low + 2 * gap >= BEAM_COUNT // 2:
            return None
        found = []
        for end, aside in ((low, -gap), (high, gap)):
            at_edge = np.flatnonzero(np.abs(offset - end) <= 1)
            edge = cells[at_edge[np.argmin(away[at_edge])]]
            beside = (beam[0] + end + aside) % BEAM_COUNT
            is_open = bool(self.nearest[beside] > self.away[edge] + VISIBLE_DEPTH)
            if not is_open and (passing is None or not passing[beside]):
                return None
            found.append(Side(float(self.x[edge]), float(self.y[edge]), is_open))
        return (found[0], found[1]) if found[0].is_open or found[1].is_open else None

    def _at_rim(self, cells: NDArray[np.intp]) -> bool:
        height, width = self.costmap.shape
        rows, columns = self.rows[cells], self.columns[cells]
        low, high = min(rows.min(), columns.min()), RIM_CELLS
        far = self.reach - RIM_CELLS * self.costmap.resolution
        return bool(
            low < high or rows.max() >= height - high or columns.max() >= width - high
            or np.abs(self.x[cells] - self.origin[0]).max() > far
            or np.abs(self.y[cells] - self.origin[1]).max() > far
        )  # fmt: skip

    def passing(self, cells: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return the directions, bool[BEAM_COUNT], in which some of the cells are the nearest."""
        found = np.zeros(BEAM_COUNT, bool)
        found[self.beam[cells]] = True
        nearest = max(float(self.away[cells].min(initial=1.0)), self.costmap.resolution)
        wide = math.ceil(self.costmap.resolution / nearest / math.tau * BEAM_COUNT)
        for aside in range(1, wide + 3):
            found |= np.roll(found, aside) | np.roll(found, -aside)
        return found

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


def beams(
    x: NDArray[np.floating], y: NDArray[np.floating], origin: tuple[float, float]
) -> NDArray[np.intp]:
    """Return the directions of points from an origin [m]."""
    turns = np.arctan2(y - origin[1], x - origin[0]) / math.tau
    found: NDArray[np.intp] = (turns % 1.0 * BEAM_COUNT).astype(int) % BEAM_COUNT
    return found
