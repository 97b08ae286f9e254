"""World: the true obstacles, and a static map of them."""

from __future__ import annotations

from collections.abc import Sequence
import csv
import math
from pathlib import Path
from typing import Any, NamedTuple, Protocol
import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.driving.costmap import FREE, LETHAL, MAX_SIDE, UNKNOWN, Costmap
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.files import load_yaml, read_text, reading
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.geometry import body_clearance, cast_rays

FREE_MARGIN = 2.0  # [m] of free map around a world of circles
GREY_UNKNOWN = (205, 218)  # grey values of unknown cells in saved maps
CYLINDER_PITCH = 0.15  # [m] between the cylinders of a BARN world
BARN_BOUNDS = (-5.0, -0.5, 0.5, 14.5)  # [m] corridor, field, and free space with the goal
IMAGES = ('PNG', 'PPM', 'BMP', 'GIF', 'JPEG', 'TIFF', 'WEBP')  # not EPS, which needs Ghostscript
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
            columns, rows = _read_csv(path)
            if 'kind' in columns:
                return cls.from_barn_csv(path)
            return cls.from_circles(_circles_of(path, columns, rows))
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
        fields = _map_fields(path)
        occupancy = Costmap(
            np.ascontiguousarray(np.flipud(_occupancy_of(path, fields))),
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
        discs = _discs(circles)
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
        columns, rows = _read_csv(path)
        circles = _circles_of(path, columns, rows)
        field = np.array([row[columns.index('kind')].strip() == 'field' for row in rows])
        if field.any():
            circles = np.vstack([circles, _missing_middles(circles[field])])
        return cls.from_circles(circles, BARN_BOUNDS)

    def with_discs(self, discs: ArrayLike) -> World:
        """Add discs float[n, 3] (x, y, radius [m]) that are not on the map; return the world."""
        world = self._copy()
        world.circles = np.vstack([self.circles, _discs(discs)])
        return world

    def with_moving_obstacles(self, moving_obstacles: Sequence[Moving]) -> World:
        """Return the world with additional moving obstacles, not on the map."""
        world = self._copy()
        world.moving_obstacles = (*self.moving_obstacles, *moving_obstacles)
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


def _discs(values: ArrayLike) -> NDArray[np.float64]:
    discs = np.array(values, dtype=np.float64)
    if discs.size == 0:
        return np.zeros((0, 3))
    if discs.ndim != 2 or discs.shape[1] != 3:
        raise InputError(f'circles have shape {list(discs.shape)}; [n, 3] is expected')
    if not np.isfinite(discs).all():
        raise InputError(f'circle {int(np.argmin(np.isfinite(discs).all(axis=1)))} is not finite')
    if (discs[:, 2] <= 0.0).any():
        bad = int(np.argmax(discs[:, 2] <= 0.0))
        raise InputError(f'circle {bad} has radius = {discs[bad, 2]:g} m, which must be positive')
    return discs


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


def check_sides(what: str, width: int, height: int) -> None:
    """Raise InputError for a too large map, before memory of its size is allocated."""
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise InputError(
            f'{what} has {width} x {height} cells; 1 to {MAX_SIDE} per side are expected'
        )


def _read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    with reading(path, 'a CSV file'):
        lines = list(csv.reader(read_text(path).splitlines()))
    columns = [name.strip() for name in lines[0]] if lines else []
    missing = [name for name in ('x', 'y', 'radius') if name not in columns]
    if missing:
        raise InputError(f'{path} has no column {missing[0]}; x, y, radius are expected')
    return columns, [row for row in lines[1:] if row]


def _circles_of(path: Path, columns: list[str], rows: list[list[str]]) -> NDArray[np.float64]:
    picked = [columns.index(name) for name in ('x', 'y', 'radius')]
    circles = []
    for number, row in enumerate(rows, start=2):
        try:
            if len(row) != len(columns):
                raise ValueError
            circles.append([float(row[index]) for index in picked])
        except ValueError:
            text = ','.join(row)
            raise InputError(f'{path}: line {number} = {text!r} is not a circle') from None
    if not circles:
        raise InputError(f'{path} contains no circle')
    try:
        return _discs(circles)
    except InputError as error:
        raise InputError(f'{path}: {error}') from None


def _missing_middles(field: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cylinders that are omitted inside blocks of the BARN grid, float64[n, 3]."""
    from scipy.ndimage import binary_fill_holes

    corner = field[:, :2].min(axis=0)
    steps = np.rint((field[:, :2] - corner) / CYLINDER_PITCH)
    check_sides('the field of a BARN world', *(1 + int(most) for most in steps.max(axis=0)))
    cells = steps.astype(int)
    filled = np.zeros(cells.max(axis=0) + 1, dtype=bool)
    filled[tuple(cells.T)] = True
    middles = np.argwhere(binary_fill_holes(filled) & ~filled)
    radius = np.full((len(middles), 1), field[0, 2])
    return np.hstack([corner + CYLINDER_PITCH * middles, radius])


def _map_fields(path: Path) -> dict[str, Any]:
    """Read and validate the YAML file of a map."""
    fields = load_yaml(path)
    if not isinstance(fields, dict):
        raise InputError(f'{path} is not the YAML file of a map')
    for name in ('image', 'resolution', 'origin', 'occupied_thresh', 'free_thresh'):
        if name not in fields:
            raise InputError(f'{path} has no field {name}')

    def number(name: str, value: Any, low: float, high: float, unit: str = '') -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InputError(f'{path}: {name} = {value!r} must be a number')
        if not low <= value <= high:
            allowed = f'[{low:g}, {high:g}]{unit}'
            raise InputError(f'{path}: {name} = {value!r}{unit} is outside {allowed}')
        return float(value)

    origin = fields['origin']
    if not isinstance(origin, list) or len(origin) != 3:
        raise InputError(f'{path}: origin = {origin!r} must be [x, y, yaw]')
    x, y, yaw = (number('origin', value, -1e6, 1e6) for value in origin)
    if abs(math.remainder(yaw, math.tau)) > 1e-6:
        raise InputError(f'{path}: origin yaw = {yaw:g} rad, but rotated maps are not supported')
    mode = str(fields.get('mode', 'trinary')).lower()
    if mode not in ('trinary', 'scale', 'raw'):
        raise InputError(f'{path}: mode = {fields["mode"]!r} is not one of trinary, scale, raw')
    negate = fields.get('negate', 0)
    if negate not in (0, 1):
        raise InputError(f'{path}: negate = {negate!r} is not 0 or 1')
    occupied = number('occupied_thresh', fields['occupied_thresh'], 0.0, 1.0)
    free = number('free_thresh', fields['free_thresh'], 0.0, 1.0)
    if free > occupied:
        raise InputError(
            f'{path}: free_thresh = {free:g} is above occupied_thresh = {occupied:g}'
        )
    return {
        'image': path.parent / str(fields['image']),
        'resolution': number('resolution', fields['resolution'], 1e-3, 10.0, ' m'),
        'origin': (x, y),
        'mode': mode,
        'negate': bool(negate),
        'occupied': occupied,
        'free': free,
    }


def _occupancy_of(path: Path, fields: dict[str, Any]) -> NDArray[np.int8]:
    """Return the image of a map as occupancy values int8[H, W], top row first."""
    grey, opaque = _read_image(path, fields['image'])
    if fields['mode'] == 'raw':
        value = np.rint(grey)
        return np.where(value <= LETHAL, value, UNKNOWN).astype(np.int8)
    shade = grey / 255.0
    probability = shade if fields['negate'] else 1.0 - shade
    occupied, free = probability > fields['occupied'], probability < fields['free']
    if fields['mode'] == 'trinary':
        between = np.full(grey.shape, UNKNOWN)
        if not fields['negate']:
            free &= (grey < GREY_UNKNOWN[0]) | (grey > GREY_UNKNOWN[1])
    else:
        span = max(fields['occupied'] - fields['free'], 1e-9)
        between = np.rint(LETHAL * np.clip((probability - fields['free']) / span, 0.0, 1.0))
    value = np.where(occupied, LETHAL, np.where(free, FREE, between))
    return np.where(opaque, value, UNKNOWN).astype(np.int8)


def _opened(image: Path) -> Any:
    """Open an image without Pillow's warning; `check_sides` rejects large images."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter('ignore', Image.DecompressionBombWarning)
        return Image.open(image, formats=IMAGES)


def _read_image(path: Path, image: Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the grey values 0..255 of an image, and which pixels are opaque."""
    name = f'{path}: image {image}'
    with reading(name, 'an image'), _opened(image) as opened:
        check_sides(name, *opened.size)  # before decompression
        if opened.mode.startswith('I'):
            grey = np.asarray(opened, dtype=np.float64) * (255.0 / 65535.0)
            return grey, np.ones(grey.shape, dtype=bool)
        channels = np.asarray(opened.convert('RGBA'))
    return channels[..., :3].mean(axis=-1), channels[..., 3] == 255
