"""World: the true obstacles, and a static map of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import math
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.driving.costmap import FREE, LETHAL, Costmap
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.zones import MAX_ZONE_COST
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.geometry import body_clearance, cast_rays
from mppi_ros.simulation.map_files import (
    check_sides,
    checked_discs,
    circles_of,
    map_fields,
    missing_middles,
    occupancy_of,
    read_csv,
)

FREE_MARGIN = 2.0  # [m] of free map around a world of circles
BARN_BOUNDS = (-5.0, -0.5, 0.5, 14.5)  # [m] corridor, field, and free space with the goal
NO_CELLS = np.zeros((0, 0), dtype=np.float32)


class Moving(Protocol):
    """A moving disc."""

    def at(self, time: float) -> tuple[float, float, float] | None:
        """Return x, y, radius [m] at a time [s], or None if it is absent."""


class MovingDisc(NamedTuple):
    """
    A disc that moves at constant velocity and reverses after every `turn` seconds.

    It starts at x, y [m] at time 0 with vx, vy [m/s]; with `turn` = inf it never reverses.
    """

    x: float
    y: float
    radius: float
    vx: float
    vy: float
    turn: float = math.inf

    def at(self, time: float) -> tuple[float, float, float]:
        """Return x, y, radius [m] at a time [s]."""
        elapsed = time
        if math.isfinite(self.turn):
            phase = time % (2.0 * self.turn)
            elapsed = phase if phase <= self.turn else 2.0 * self.turn - phase
        return self.x + elapsed * self.vx, self.y + elapsed * self.vy, self.radius


class World:
    """
    Obstacles: circles, occupied cells of a map, unmapped discs and moving discs.

    Attributes
    ----------
    occupancy : Costmap
        The static map: 100 occupied, 0 free, −1 unknown, or intermediate values in maps of mode
        scale or raw.
    circles : float64[n, 3]
        x, y, radius [m] of the static obstacles that are not cells.
    moving_obstacles : tuple of Moving
        Moving obstacles.

    """

    def __init__(
        self,
        occupancy: Costmap,
        circles: NDArray[np.float64],
        moving_obstacles: tuple[Moving, ...] = (),
        *,
        solid_cells: bool,
    ) -> None:
        """Create a world; with `solid_cells` the occupied cells are obstacles."""
        self.occupancy = occupancy
        self.circles = circles
        self.moving_obstacles = moving_obstacles
        self._hop = _cells_to_nearest(occupancy) if solid_cells else NO_CELLS

    @classmethod
    def load(cls, path: str | Path) -> World:
        """Load a world from a map_server YAML file or a CSV file of circles."""
        path = Path(path)
        if path.suffix.lower() in ('.yaml', '.yml'):
            return cls.from_map(path)
        if path.suffix.lower() == '.csv':
            columns, rows = read_csv(path)
            if 'kind' in columns:
                return cls.from_barn_csv(path)
            return cls.from_circles(circles_of(path, columns, rows))
        raise InputError(f'{path}: the extension must be .yaml or .yml (map) or .csv (circles)')

    @classmethod
    def from_map(cls, path: str | Path) -> World:
        """
        Load a map as map_server of Nav2 does.

        p = 1 − grey/255, or grey/255 with `negate`. Mode trinary: occupied if p > occupied_thresh,
        free if p < free_thresh, else unknown. Mode scale: the same, with values 0..100 between the
        thresholds. Mode raw: the grey value itself, unknown above 100. Transparent pixels are
        unknown. In mode trinary the greys 205..218, which map savers use for unknown cells, are
        never free, independent of the threshold.

        Parameters
        ----------
        path : str or Path
            YAML file with image (relative to it), resolution [m], origin [x, y, yaw], negate,
            occupied_thresh, free_thresh and mode.

        Raises
        ------
        InputError
            A file is missing or unreadable, a field is missing or out of range, or the origin is
            rotated.

        """
        path = Path(path)
        fields = map_fields(path)
        occupancy = Costmap(
            np.ascontiguousarray(np.flipud(occupancy_of(path, fields))),
            fields['resolution'], fields['origin'][0], fields['origin'][1],
        )
        return cls(occupancy, np.zeros((0, 3)), solid_cells=True)

    @classmethod
    def from_circles(
        cls,
        circles: ArrayLike,
        bounds: tuple[float, float, float, float] | None = None,
        resolution: float = 0.05,
    ) -> World:
        """
        Create a world of circles, and a map in which each cell that meets a circle is occupied.

        Parameters
        ----------
        circles : float[n, 3]
            x, y, radius [m].
        bounds : (float, float, float, float), optional
            x_min, y_min, x_max, y_max [m] of the map; by default FREE_MARGIN around the circles.
        resolution : float
            Resolution of the map [m].

        Raises
        ------
        InputError
            There is no circle, or a shape, value or radius is invalid.

        """
        discs = checked_discs(circles)
        if bounds is None:
            if not len(discs):
                raise InputError('a world without circles needs bounds')
            low = (discs[:, :2] - discs[:, 2:]).min(axis=0) - FREE_MARGIN
            high = (discs[:, :2] + discs[:, 2:]).max(axis=0) + FREE_MARGIN
            bounds = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        return cls(_rasterised(discs, bounds, resolution), discs, solid_cells=False)

    @classmethod
    def from_barn_csv(cls, path: str | Path) -> World:
        """
        Load a BARN world: x, y, radius, kind ('wall' or 'field') of each cylinder.

        The cylinders of the field are on a grid, and those inside a block are omitted in the file.
        They are added, so that a block is solid.
        """
        path = Path(path)
        columns, rows = read_csv(path)
        circles = circles_of(path, columns, rows)
        field = np.array([row[columns.index('kind')].strip() == 'field' for row in rows])
        if field.any():
            circles = np.vstack([circles, missing_middles(circles[field])])
        return cls.from_circles(circles, BARN_BOUNDS)

    def with_discs(self, discs: ArrayLike) -> World:
        """Add discs float[n, 3] (x, y, radius [m]) that are not on the map; return the world."""
        world = self._copy()
        world.circles = np.vstack([self.circles, checked_discs(discs)])
        return world

    def with_moving_obstacles(self, moving_obstacles: Sequence[Moving]) -> World:
        """Return the world with additional moving obstacles, not on the map."""
        world = self._copy()
        world.moving_obstacles = (*self.moving_obstacles, *moving_obstacles)
        return world

    def without_moving_obstacles(self) -> World:
        """Return the world with its static obstacles only."""
        world = self._copy()
        world.moving_obstacles = ()
        return world

    def with_zones(self, zones: ArrayLike) -> World:
        """
        Return the world with zones float[n, 5] (x_min, y_min, x_max, y_max [m], cost) on its map.

        Free cells with their centre in a zone get its cost, 1 to 98, or the highest of several.

        Raises
        ------
        InputError
            A cost is out of range.

        """
        rows = np.asarray(zones, dtype=np.float64).reshape(-1, 5)
        if not len(rows):
            return self
        if not ((rows[:, 4] >= 1) & (rows[:, 4] <= MAX_ZONE_COST)).all():
            raise InputError(f'the cost of a zone is outside [1, {MAX_ZONE_COST}]')
        grid = self.occupancy
        height, width = grid.shape
        x = grid.origin_x + (np.arange(width) + 0.5) * grid.resolution
        y = (grid.origin_y + (np.arange(height) + 0.5) * grid.resolution)[:, None]
        data = grid.data.copy()
        for left, bottom, right, top, cost in rows:
            inside = (x >= left) & (x <= right) & (y >= bottom) & (y <= top)
            inside &= (data >= FREE) & (data < cost)
            data[inside] = cost
        world = self._copy()
        world.occupancy = replace(grid, data=data)
        return world

    def _copy(self) -> World:
        world = World(self.occupancy, self.circles, self.moving_obstacles, solid_cells=False)
        world._hop = self._hop
        return world

    def discs(self, time: float = 0.0) -> NDArray[np.float64]:
        """Return x, y, radius [m] of circles and moving obstacles at a time [s], float64[n, 3]."""
        if not self.moving_obstacles:
            return self.circles
        found = [disc for each in self.moving_obstacles if (disc := each.at(time)) is not None]
        return np.vstack([self.circles, np.array(found).reshape(-1, 3)])

    def clearance(
        self,
        footprint: float | ArrayLike,
        pose: ArrayLike,
        *,
        inflation: float = 0.0,
        time: float = 0.0,
    ) -> float:
        """
        Return the exact distance from the body to the nearest obstacle [m]; 0 in contact.

        Parameters
        ----------
        footprint : float or float[p, 2]
            Radius of a round body, or corners of a polygon in the base frame [m].
        pose : float[3]
            x [m], y [m], yaw [rad].
        inflation : float
            Growth of the body on all sides [m].
        time : float
            Time of the moving obstacles [s].

        """
        x, y, yaw = np.asarray(pose, dtype=np.float64)
        corners = np.asarray(footprint, dtype=np.float64)
        if corners.ndim == 0:
            inflation += float(corners)
            corners = np.zeros((1, 2))
        cos, sin = math.cos(yaw), math.sin(yaw)
        placed = corners @ np.array([[cos, sin], [-sin, cos]]) + (x, y)
        grid = self.occupancy
        return float(body_clearance(
            placed, x, y, inflation, self.discs(time), self._hop,
            grid.resolution, grid.origin_x, grid.origin_y,
        ))

    def raycast(
        self,
        x: float,
        y: float,
        angles: NDArray[np.float64],
        max_range: float,
        time: float = 0.0,
    ) -> NDArray[np.float32]:
        """Return the range [m] from x, y along angles float64[n] [rad]; inf beyond max_range."""
        ranges = np.empty(len(angles), dtype=np.float32)
        grid = self.occupancy
        cast_rays(
            x, y, np.ascontiguousarray(angles, dtype=np.float64), max_range, self.discs(time),
            self._hop, grid.resolution, grid.origin_x, grid.origin_y, ranges,
        )
        return ranges


def _cells_to_nearest(occupancy: Costmap) -> NDArray[np.float32]:
    """Return a lower bound of the distance to the nearest occupied cell, float32[H, W]."""
    occupied = occupancy.data == LETHAL
    lethal = Costmap(np.where(occupied, LETHAL, FREE).astype(np.int8), 1.0, 0.0, 0.0)
    # The distance field ends at the edge of the cell, 0.5 cells before its centre.
    cells = distance_field(lethal, outside_is_obstacle=False).distance + np.float32(0.5)
    cells[occupied] = 0.0
    return cells


def _rasterised(
    discs: NDArray[np.float64], bounds: tuple[float, float, float, float], resolution: float
) -> Costmap:
    left, bottom, right, top = bounds
    if not (right > left and top > bottom and all(math.isfinite(value) for value in bounds)):
        raise InputError(f'bounds = {bounds} m must be x_min, y_min, x_max, y_max')
    height = math.ceil((top - bottom) / resolution - 1e-9)
    width = math.ceil((right - left) / resolution - 1e-9)
    check_sides('a map of the circles', width, height)
    grid = Costmap(np.full((height, width), FREE, dtype=np.int8), resolution, left, bottom)
    x = left + resolution * np.arange(width)
    y = bottom + resolution * np.arange(height)
    for cx, cy, radius in discs:
        dx = np.maximum(np.maximum(x - cx, cx - x - resolution), 0.0)
        dy = np.maximum(np.maximum(y - cy, cy - y - resolution), 0.0)
        columns, rows = np.flatnonzero(dx < radius), np.flatnonzero(dy < radius)
        met = np.hypot(dx[columns], dy[rows, None]) < radius
        grid.data[np.ix_(rows, columns)] |= np.where(met, LETHAL, FREE).astype(np.int8)
    return grid
