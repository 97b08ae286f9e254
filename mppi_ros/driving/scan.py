"""A planar scan, with the checks of a message from outside."""

from __future__ import annotations

from dataclasses import dataclass, replace
import math

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.footprint import Footprint
from mppi_ros.parameters.errors import InputError, check_stamp

MAX_BEAMS = 100_000


@dataclass(frozen=True)
class Scan:
    """
    One scan.

    Attributes
    ----------
    stamp : float
        Time of the scan [s].
    angles : float64[n]
        Direction of each beam in the base frame [rad].
    ranges : float32[n]
        Measured range of each beam [m]; inf without a return, NaN where nothing is known.
    mount : (float, float)
        Position of the sensor in the base frame [m].
    max_range : float
        Maximum range [m].

    """

    stamp: float
    angles: NDArray[np.float64]
    ranges: NDArray[np.float32]
    mount: tuple[float, float]
    max_range: float

    def check(self) -> None:
        """Raise InputError if a value is not valid."""
        check_stamp('scan', self.stamp)
        if self.angles.shape != self.ranges.shape or self.angles.ndim != 1:
            raise InputError(
                f'scan has {self.angles.size} angles and {self.ranges.size} ranges'
            )
        if self.angles.size > MAX_BEAMS:
            raise InputError(f'scan has {self.angles.size} beams, more than {MAX_BEAMS}')
        if not np.isfinite(self.angles).all() or not all(map(math.isfinite, self.mount)):
            raise InputError('an angle or the mounting pose of the scan is not finite')
        if not 0.0 < self.max_range < math.inf:
            raise InputError(f'scan max_range = {self.max_range!r} m is not positive and finite')

    def without(self, footprint: Footprint) -> Scan:
        """Return the scan with NaN where it shows the body of the robot itself."""
        ahead, left = self.mount
        near = np.flatnonzero(self.ranges < footprint.reach + math.hypot(ahead, left))
        if not len(near):
            return self
        ranges, angles = self.ranges[near].astype(np.float64), self.angles[near]
        own = near[
            footprint.contains(ahead + ranges * np.cos(angles), left + ranges * np.sin(angles))
        ]
        if not len(own):
            return self
        rest = self.ranges.copy()
        rest[own] = np.nan
        return replace(self, ranges=rest)
