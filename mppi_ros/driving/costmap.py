"""Costmap: the known environment of the robot as a grid of OccupancyGrid values."""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from mppi_ros.parameters.errors import InputError

UNKNOWN, FREE, INSCRIBED, LETHAL = -1, 0, 99, 100
MAX_SIDE = 10_000  # cells per side


@dataclass(frozen=True)
class Costmap:
    """
    A grid of costs, aligned with the axes of its frame.

    Attributes
    ----------
    data : int8[H, W]
        Row = y, column = x: −1 unknown, 0 free, 1..98 inflated, 99 inscribed, 100 lethal.
    resolution : float
        Side of a cell [m].
    origin_x, origin_y : float
        Lower left corner of cell (0, 0) [m].

    Raises
    ------
    InputError
        The grid is empty, too large, not int8, holds values out of range, or its resolution or
        origin is not finite.

    """

    data: NDArray[np.int8]
    resolution: float
    origin_x: float
    origin_y: float

    def __post_init__(self) -> None:
        """Validate type, shape, resolution, origin and values."""
        if self.data.ndim != 2 or self.data.dtype != np.int8:
            raise InputError(
                f'costmap data is {self.data.dtype}{list(self.data.shape)}; int8[H, W] is expected'
            )
        if not all(1 <= side <= MAX_SIDE for side in self.data.shape):
            raise InputError(
                f'costmap has {self.data.shape[0]} x {self.data.shape[1]} cells; '
                f'1 to {MAX_SIDE} per side are expected'
            )
        if not 1e-3 <= self.resolution <= 10.0:
            raise InputError(
                f'costmap resolution = {self.resolution!r} m is outside [0.001, 10.0] m'
            )
        if not (math.isfinite(self.origin_x) and math.isfinite(self.origin_y)):
            raise InputError(
                f'costmap origin = ({self.origin_x!r}, {self.origin_y!r}) m is not finite'
            )
        low, high = int(self.data.min()), int(self.data.max())
        if low < UNKNOWN or high > LETHAL:
            raise InputError(
                f'costmap contains the value {low if low < UNKNOWN else high}, outside [-1, 100]'
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Return (H, W): rows along y, columns along x."""
        height, width = self.data.shape
        return height, width

    def contains(self, x: float, y: float) -> bool:
        """Return whether the point x, y [m] is on the grid."""
        height, width = self.data.shape
        return bool(
            0.0 <= x - self.origin_x < width * self.resolution
            and 0.0 <= y - self.origin_y < height * self.resolution
        )
