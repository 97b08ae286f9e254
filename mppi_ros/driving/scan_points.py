"""Scan points: what a scan shows of obstacles."""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.scan import Scan
from mppi_ros.driving.visible_points import (
    BEAM_COUNT,
    FREE_SHARE,
    Confirmation,
    VisiblePoints,
    beams,
)

SURFACE_STD = 0.03  # [m] of a point from the surface of a disc
CONFIRMATION = Confirmation(age=0.2, edge_motion=0.07, side_motion=0.12)
CLUSTER_GAP = 0.15  # [m] between neighbours of a cluster, and more where beams lie farther apart
GAP_SPACINGS = 2.5  # of the distance between two beams
FREE_SAMPLES = 7  # along each axis of a disc


@dataclass(frozen=True)
class ScanPoints(VisiblePoints):
    """
    The returns of a scan.

    Attributes
    ----------
    increment : float
        Angle between two beams [rad].

    """

    increment: float

    @classmethod
    def of(cls, scan: Scan, pose: tuple[float, float, float], reach: float) -> ScanPoints:
        """Return the points of a scan taken at a pose x [m], y [m], yaw [rad] of the robot."""
        x, y, yaw = pose
        cos, sin = math.cos(yaw), math.sin(yaw)
        ahead, left = scan.mount
        origin = x + cos * ahead - sin * left, y + sin * ahead + cos * left
        angles, ranges = scan.angles + yaw, scan.ranges.astype(np.float64)
        increment = math.tau / max(len(angles), 1)
        if len(angles) > 1:
            increment = float(np.median(np.abs(np.diff(angles))))
        hit = (ranges > 0.0) & (ranges < scan.max_range)
        view = np.where(hit, ranges, np.inf)
        view[np.isnan(ranges) | (ranges <= 0.0)] = 0.0
        nearest = np.full(BEAM_COUNT, np.inf)
        looked = np.zeros(BEAM_COUNT, bool)
        beam = (angles / math.tau % 1.0 * BEAM_COUNT).astype(int) % BEAM_COUNT
        wide = math.ceil(0.5 * increment / math.tau * BEAM_COUNT)
        for aside in range(-wide, wide + 1):
            np.minimum.at(nearest, (beam + aside) % BEAM_COUNT, view)
            looked[(beam + aside) % BEAM_COUNT] = True
        nearest[~looked] = 0.0
        dx, dy = (np.where(hit, ranges, 0.0) * turn for turn in (np.cos(angles), np.sin(angles)))
        near = np.flatnonzero(hit & (np.abs(dx) < reach) & (np.abs(dy) < reach))
        return cls(
            origin, reach, 0.0, SURFACE_STD, 0.0, CONFIRMATION, origin[0] + dx[near],
            origin[1] + dy[near], ranges[near], beam[near], np.ones(len(near), bool),
            nearest, increment,
        )  # fmt: skip

    def clusters(
        self, points: NDArray[np.intp], gap: float = 0.0
    ) -> list[NDArray[np.intp]]:
        """Split ascending indices into groups of points that touch or are `gap` [m] apart."""
        if not len(points):
            return []
        after = np.roll(points, -1)
        jump = np.hypot(self.x[after] - self.x[points], self.y[after] - self.y[points])
        longest = self._longest_gap(np.minimum(self.away[points], self.away[after]))
        apart = jump > np.maximum(longest, gap)
        parts = np.split(points, np.flatnonzero(apart[:-1]) + 1)
        if len(parts) > 1 and not apart[-1]:  # the last beam is beside the first one
            parts[0] = np.concatenate([parts.pop(), parts[0]])
        return parts

    def is_free(self, x: float, y: float, radius: float) -> bool:
        """Return whether most of a disc [m] is visible and free."""
        span = np.linspace(-radius, radius, FREE_SAMPLES)
        at_x, at_y = (each.ravel() for each in np.meshgrid(x + span, y + span))
        inside = np.hypot(at_x - x, at_y - y) <= radius
        at_x, at_y = at_x[inside], at_y[inside]
        away = np.hypot(at_x - self.origin[0], at_y - self.origin[1])
        free = away < self.nearest[beams(at_x, at_y, self.origin)]
        return bool(np.count_nonzero(free) >= FREE_SHARE * len(free))

    def half_width(self, points: NDArray[np.intp]) -> float:
        """Return half of the distance between two beams at the points [m]."""
        return 0.5 * self.increment * float(self.away[points].mean())

    def resolution(self, points: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the distances from neighbouring points along x and y; inf for a single point."""
        if len(points) < 2:
            return np.full((len(points), 2), math.inf)
        gap = np.zeros((len(points) + 1, 2))
        gap[1:-1, 0] = np.abs(np.diff(self.x[points]))
        gap[1:-1, 1] = np.abs(np.diff(self.y[points]))
        nearby: NDArray[np.float64] = np.maximum(gap[1:], gap[:-1])
        return nearby

    def angular_width(self, points: NDArray[np.intp]) -> float:
        """Return the angle between two beams [rad]."""
        return self.increment

    def _longest_gap(self, away: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.maximum(CLUSTER_GAP, GAP_SPACINGS * self.increment * away)
