"""Costmap from scans with marking, clearing and inflation, optionally over a static map."""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.driving.costmap import INSCRIBED, LETHAL, UNKNOWN, Costmap
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.scan import Scan
from mppi_ros.jit.cache import cached_njit
from mppi_ros.parameters.errors import InputError

HIT, MISS, CAP = 3, 2, 12  # change of the evidence per scan, and its maximum
CLEARING_MARGIN = 0.06  # [m] before a hit that is not cleared, so that noise does not erode walls
NEVER_SEEN = -1  # evidence of an unobserved cell


class RollingCostmap:
    """
    A window of evidence for obstacles: hits increase it, misses decrease it.

    The window follows the robot in steps of one cell, or is fixed to a static map.

    Attributes
    ----------
    resolution : float
        Cell size [m].
    origin_x, origin_y : float
        Lower left corner of the window [m].

    """

    def __init__(
        self,
        size: float | tuple[float, float],
        resolution: float = 0.05,
        footprint: Footprint | None = None,
        *,
        origin: tuple[float, float] | None = None,
        static: Costmap | None = None,
        inflation: float = 0.5,
    ) -> None:
        """
        Create an empty window.

        Parameters
        ----------
        size : float or (float, float)
            Extent along x and y [m].
        resolution : float
            Cell size [m].
        footprint : Footprint, optional
            Cells closer to an obstacle than its inscribed radius have the value 99.
        origin : (float, float), optional
            Lower left corner of a fixed window [m]; by default it follows the robot.
        static : Costmap, optional
            Static map: its obstacles are never cleared, and its free cells are known.
        inflation : float
            Distance to an obstacle below which cells have decreasing costs [m].

        Raises
        ------
        InputError
            A size is not positive and finite.

        """
        extent = size if isinstance(size, tuple) else (size, size)
        if not all(0.0 < side < math.inf for side in extent):
            raise InputError(f'costmap size = {size} m must be positive')
        width, height = (max(1, math.ceil(side / resolution - 1e-9)) for side in extent)
        self.resolution = resolution
        self.origin_x, self.origin_y = origin or (0.0, 0.0)
        self._rolls = origin is None
        self._evidence = np.full((height, width), NEVER_SEEN, dtype=np.int8)
        self._seen = np.zeros((height, width), dtype=np.uint8)
        self._static = static
        self._underneath = self._window_of_static()
        self._inscribed = footprint.inscribed_radius if footprint else 0.0
        self._inflation = inflation

    @classmethod
    def on(cls, static: Costmap, footprint: Footprint | None = None) -> RollingCostmap:
        """Create a fixed window that covers a static map."""
        height, width = static.shape
        return cls(
            (width * static.resolution, height * static.resolution), static.resolution, footprint,
            origin=(static.origin_x, static.origin_y), static=static,
        )

    def update(self, scan: Scan, pose: ArrayLike) -> Costmap:
        """Add a scan and return the costmap; see `add` and `costmap`."""
        self.add(scan, pose)
        return self.costmap()

    def add(self, scan: Scan, pose: ArrayLike) -> None:
        """Add a scan taken at the measured pose float[3]: x, y [m], yaw [rad]."""
        x, y, yaw = np.asarray(pose, dtype=np.float64)
        if self._rolls:
            self._follow(x, y)
        cos, sin = math.cos(yaw), math.sin(yaw)
        ahead, left = scan.mount
        _mark_and_clear(
            (x + cos * ahead - sin * left - self.origin_x) / self.resolution,
            (y + sin * ahead + cos * left - self.origin_y) / self.resolution,
            scan.angles + yaw, scan.ranges / np.float32(self.resolution),
            scan.max_range / self.resolution, CLEARING_MARGIN / self.resolution,
            self._underneath, self._seen, self._evidence,
        )

    def costmap(
        self, around: tuple[float, float] | None = None, side: float = math.inf
    ) -> Costmap:
        """Return the inflated costmap, complete or cropped to a square [m] around a point x, y."""
        known = self.known(around, side)
        field = distance_field(known, outside_is_obstacle=False)
        _inflate(field.distance, self._inscribed, self._inflation, known.data)
        return known

    def known(
        self, around: tuple[float, float] | None = None, side: float = math.inf
    ) -> Costmap:
        """Return the costmap without inflation: 100, 0, −1 or values of the static map."""
        height, width = self._evidence.shape
        top = bottom = right = left = 0
        if around is not None and side < math.inf:
            cells = max(1, round(side / self.resolution))
            left = round((around[0] - self.origin_x) / self.resolution - 0.5 * cells)
            bottom = round((around[1] - self.origin_y) / self.resolution - 0.5 * cells)
            left, right = (min(max(edge, 0), width) for edge in (left, left + cells))
            bottom, top = (min(max(edge, 0), height) for edge in (bottom, bottom + cells))
        if left >= right or bottom >= top:
            left, bottom, right, top = 0, 0, width, height
        part = (slice(bottom, top), slice(left, right))
        evidence = self._evidence[part]
        data = np.where(evidence == NEVER_SEEN, np.int8(UNKNOWN), np.int8(0))
        data = np.maximum(data, self._underneath[part])
        data[evidence > 0] = LETHAL
        return Costmap(
            data, self.resolution,
            self.origin_x + left * self.resolution, self.origin_y + bottom * self.resolution,
        )

    def _window_of_static(self) -> NDArray[np.int8]:
        """Return the values of the static map in the cells of the window; −1 outside of it."""
        below = np.full(self._evidence.shape, UNKNOWN, dtype=np.int8)
        static = self._static
        if static is None:
            return below
        height, width = below.shape
        x = self.origin_x + (np.arange(width) + 0.5) * self.resolution
        y = self.origin_y + (np.arange(height) + 0.5) * self.resolution
        column = np.floor((x - static.origin_x) / static.resolution).astype(int)
        row = np.floor((y - static.origin_y) / static.resolution).astype(int)
        columns = np.flatnonzero((column >= 0) & (column < static.shape[1]))
        rows = np.flatnonzero((row >= 0) & (row < static.shape[0]))
        below[np.ix_(rows, columns)] = static.data[np.ix_(row[rows], column[columns])]
        return below

    def _follow(self, x: float, y: float) -> None:
        """Shift the window by multiples of a cell so that the robot stays in its centre."""
        height, width = self._evidence.shape
        right = round((x - self.origin_x) / self.resolution - 0.5 * width)
        up = round((y - self.origin_y) / self.resolution - 0.5 * height)
        if not (right or up):
            return
        moved = np.full_like(self._evidence, NEVER_SEEN)
        if abs(right) < width and abs(up) < height:
            kept = self._evidence[
                max(up, 0) : height + min(up, 0), max(right, 0) : width + min(right, 0)
            ]
            row, column = max(-up, 0), max(-right, 0)
            moved[row : row + kept.shape[0], column : column + kept.shape[1]] = kept
        self._evidence = moved
        self.origin_x += right * self.resolution
        self.origin_y += up * self.resolution
        self._underneath = self._window_of_static()


@cached_njit('void(float64, float64, float64, float64, float64, uint8[:,::1])', nogil=True)
def _pass(x, y, cos, sin, end, seen):
    """Set the cells that a beam crosses before `end` to 1, except where a beam ends."""
    height, width = seen.shape
    step_j = 1 if cos > 0.0 else -1
    step_i = 1 if sin > 0.0 else -1
    per_column = abs(1.0 / cos) if cos != 0.0 else np.inf
    per_row = abs(1.0 / sin) if sin != 0.0 else np.inf
    j = int(math.floor(x))
    i = int(math.floor(y))
    across = (j + 1 - x if cos > 0.0 else x - j) * per_column if cos != 0.0 else np.inf
    up = (i + 1 - y if sin > 0.0 else y - i) * per_row if sin != 0.0 else np.inf
    t = 0.0
    while t < end:
        if 0 <= i < height and 0 <= j < width:
            if seen[i, j] == 0:
                seen[i, j] = 1
        else:
            beside = (j < 0 and step_j < 0) or (j >= width and step_j > 0)
            if beside or (i < 0 and step_i < 0) or (i >= height and step_i > 0):
                return
        if across < up:
            t = across
            across += per_column
            j += step_j
        else:
            t = up
            up += per_row
            i += step_i


@cached_njit(
    'void(float64, float64, float64[::1], float32[::1], float64, float64, int8[:,::1],'
    ' uint8[:,::1], int8[:,::1])',
    nogil=True,
)
def _mark_and_clear(x, y, angles, ranges, max_range, short, underneath, seen, evidence):
    """
    Update evidence[H, W] with one scan; all lengths are in cells from the corner of the window.

    seen[H, W] is a buffer: 2 where a beam ended, 1 where one passed. Each cell counts once per
    scan, independent of the number of beams. A beam that ends shortly before an obstacle of the
    static map underneath[H, W] is attributed to it; otherwise noise would thicken known walls.
    """
    height, width = evidence.shape
    left, right = max(int(x - max_range) - 1, 0), min(int(x + max_range) + 2, width)
    bottom, top = max(int(y - max_range) - 1, 0), min(int(y + max_range) + 2, height)
    seen[bottom:top, left:right] = 0
    for beam in range(angles.shape[0]):
        if ranges[beam] < max_range:
            cos, sin = math.cos(angles[beam]), math.sin(angles[beam])
            j = int(math.floor(x + ranges[beam] * cos))
            i = int(math.floor(y + ranges[beam] * sin))
            if not (bottom <= i < top and left <= j < right):
                continue
            beyond_j = min(max(int(math.floor(x + (ranges[beam] + short) * cos)), 0), width - 1)
            beyond_i = min(max(int(math.floor(y + (ranges[beam] + short) * sin)), 0), height - 1)
            if underneath[beyond_i, beyond_j] != 100:
                seen[i, j] = 2
    for beam in range(angles.shape[0]):
        if not ranges[beam] >= 0.0:
            continue
        end = ranges[beam] - short if ranges[beam] < max_range else max_range
        _pass(x, y, math.cos(angles[beam]), math.sin(angles[beam]), end, seen)
    for i in range(bottom, top):
        for j in range(left, right):
            if seen[i, j] == 2:
                evidence[i, j] = min(max(evidence[i, j], 0) + HIT, CAP)
            elif seen[i, j] == 1:
                evidence[i, j] = max(evidence[i, j] - MISS, 0)


@cached_njit('void(float32[:,::1], float64, float64, int8[:,::1])', nogil=True)
def _inflate(distance, inscribed, inflation, data):
    """Inflate data[H, W]: 99 within the inscribed radius, decreasing to 0 beyond."""
    height, width = data.shape
    for i in range(height):
        for j in range(width):
            d = distance[i, j]
            if data[i, j] == LETHAL or d >= max(inflation, inscribed):
                continue
            if d < inscribed:
                data[i, j] = INSCRIBED
            elif data[i, j] >= 0:
                share = (inflation - d) / (inflation - inscribed)
                data[i, j] = max(data[i, j], int((INSCRIBED - 1) * share * share))
