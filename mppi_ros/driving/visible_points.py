"""Visible points: where the robot sees obstacles, which belong together, and what hides them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BEAM_COUNT = 720  # directions of view
VISIBLE_DEPTH = 0.3  # [m] behind the nearest point of its direction in which a point is visible
RIM_WIDTH = 0.15  # [m] from the end of the reach within which a cluster may go on beyond it
FREE_SHARE = 0.8  # of a disc that must be visible and free

Edges = tuple[float, float, float, float]  # x and y of the low corner, x and y of the high one [m]


class Side(NamedTuple):
    """
    The edge of a cluster on one side [m], and whether the view beside it is open.

    `resolution` is the distance within which its motion is unknown [m].
    """

    x: float
    y: float
    is_open: bool
    resolution: float = 0.0


class Confirmation(NamedTuple):
    """
    What is required of an obstacle before it counts as moving.

    Tracked for `age` [s]; both edges have moved by `edge_motion` [m], or the only visible side by
    `side_motion` [m].
    """

    age: float
    edge_motion: float
    side_motion: float


@dataclass(frozen=True)
class VisiblePoints(ABC):
    """
    Points of obstacles that are visible from a point.

    Attributes
    ----------
    origin : (float, float)
        Point from which they are visible [m].
    reach : float
        How far along each axis obstacles are looked for [m].
    spacing : float
        Width of a point [m]: the cell size of a costmap, 0 for a scan.
    surface_std : float
        Standard deviation of a point from the surface of a disc [m].
    memory : float
        Time for which a point may show what has left [s].
    confirmation : Confirmation
        When an obstacle counts as moving.
    x, y, away : float64[n]
        Points [m], and their distance from the origin [m].
    beam : intp[n]
        Direction of each, 0 to BEAM_COUNT - 1.
    in_front : bool[n]
        No other point lies before it.
    nearest : float64[BEAM_COUNT]
        Distance to the nearest point of each direction [m]: inf without any, 0 where the sensor
        does not look.

    """

    origin: tuple[float, float]
    reach: float
    spacing: float
    surface_std: float
    memory: float
    confirmation: Confirmation
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    away: NDArray[np.float64]
    beam: NDArray[np.intp]
    in_front: NDArray[np.bool_]
    nearest: NDArray[np.float64]

    @abstractmethod
    def clusters(
        self, points: NDArray[np.intp], gap: float = 0.0
    ) -> list[NDArray[np.intp]]:
        """Split ascending indices into groups of points that touch or are `gap` [m] apart."""
        raise NotImplementedError

    @abstractmethod
    def is_free(self, x: float, y: float, radius: float) -> bool:
        """Return whether most of a disc [m] is visible and free."""
        raise NotImplementedError

    @abstractmethod
    def half_width(self, points: NDArray[np.intp]) -> float:
        """Return how far an obstacle may extend beyond its outermost points [m]."""
        raise NotImplementedError

    @abstractmethod
    def angular_width(self, points: NDArray[np.intp]) -> float:
        """Return the largest angle between two neighbours among the points [rad]."""
        raise NotImplementedError

    def edges(self, points: NDArray[np.intp]) -> Edges:
        """Return the box around some of the points [m]."""
        half, x, y = 0.5 * self.spacing, self.x[points], self.y[points]
        return (
            float(x.min() - half), float(y.min() - half),
            float(x.max() + half), float(y.max() + half),
        )  # fmt: skip

    def resolution(self, points: NDArray[np.intp]) -> NDArray[np.float64]:
        """
        Return the distances from neighbouring points along x and y [m], float64[n, 2].

        The edge of an obstacle lies anywhere between its outermost point and the next direction
        of view, about as far from it as its neighbour: its motion is unknown within this distance.
        """
        return np.zeros((len(points), 2))

    def edge_resolution(self, points: NDArray[np.intp]) -> Edges:
        """Return the resolution of each edge of the box around some points [m]."""
        x, y = self.x[points], self.y[points]
        along_x, along_y = self.resolution(points).T
        return (
            float(along_x[x.argmin()]), float(along_y[y.argmin()]),
            float(along_x[x.argmax()]), float(along_y[y.argmax()]),
        )  # fmt: skip

    def sides(
        self, points: NDArray[np.intp], passing: NDArray[np.bool_] | None = None
    ) -> tuple[Side, Side] | None:
        """
        Return both sides of a cluster as seen from the origin; None where its extent is unknown.

        A side is open where the view beside it goes farther than the edge there. It may be hidden
        only by one of the directions `passing`, bool[BEAM_COUNT], and the other one must be open.
        Where the points end at the rim of what is known, the extent is unknown.
        """
        if self._at_rim(points):
            return None
        beam, away = self.beam[points], self.away[points]
        offset = (beam - beam[0] + BEAM_COUNT // 2) % BEAM_COUNT - BEAM_COUNT // 2
        gap = 2 + math.ceil(self.angular_width(points) / math.tau * BEAM_COUNT)
        low, high = int(offset.min()), int(offset.max())
        if high - low + 2 * gap >= BEAM_COUNT // 2:
            return None
        ends = []
        for end, aside in ((low, -gap), (high, gap)):
            at_edge = np.flatnonzero(np.abs(offset - end) <= 1)
            nearest = at_edge[np.argmin(away[at_edge])]
            edge = points[nearest]
            beside = (beam[0] + end + aside) % BEAM_COUNT
            is_open = bool(self.nearest[beside] > self.away[edge] + VISIBLE_DEPTH)
            if not is_open and (passing is None or not passing[beside]):
                return None
            ends.append((nearest, is_open))
        if not any(is_open for _, is_open in ends):
            return None
        width = np.hypot(*self.resolution(points).T)
        low_side, high_side = (
            Side(float(self.x[points[n]]), float(self.y[points[n]]), is_open, float(width[n]))
            for n, is_open in ends
        )
        return low_side, high_side

    def _at_rim(self, points: NDArray[np.intp]) -> bool:
        """Return whether points may go on beyond what is looked at."""
        far = self.reach - RIM_WIDTH
        return bool(
            np.abs(self.x[points] - self.origin[0]).max() > far
            or np.abs(self.y[points] - self.origin[1]).max() > far
        )

    def passing(self, points: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return the directions, bool[BEAM_COUNT], in which some of the points are the nearest."""
        found = np.zeros(BEAM_COUNT, bool)
        found[self.beam[points]] = True
        if not len(points):
            return found
        wide = math.ceil(self.angular_width(points) / math.tau * BEAM_COUNT)
        for aside in range(1, wide + 3):
            found |= np.roll(found, aside) | np.roll(found, -aside)
        return found


def beams(
    x: NDArray[np.floating], y: NDArray[np.floating], origin: tuple[float, float]
) -> NDArray[np.intp]:
    """Return the directions of points from an origin [m]."""
    turns = np.arctan2(y - origin[1], x - origin[0]) / math.tau
    found: NDArray[np.intp] = (turns % 1.0 * BEAM_COUNT).astype(int) % BEAM_COUNT
    return found
