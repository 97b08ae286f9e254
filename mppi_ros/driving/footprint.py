"""Footprint of the robot, covered by a few discs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.driving.distance_field import DistanceField
from mppi_ros.driving.parameters import RobotParameters
from mppi_ros.parameters.errors import InputError

MAX_SLICES = 6  # each disc costs a lookup per pose of every sample
MAX_DISC_RATIO = 1.1  # width of the widest disc over that of the body
MAX_OVERREACH = 0.15  # [m] beyond an end of the body, or [widths of the body] if that is more
FINE_OVERREACH = 0.07  # [m] of the fine cover
FINE_OVERREACH_SHARE = 0.08  # [widths of the body] of the fine cover, if that is more
# Length [widths of the body] of the part at an end that this number of discs side by side covers:
# the greatest for which they reach as far beyond the sides as MAX_DISC_RATIO permits.
END_LENGTHS = {2: 0.33, 3: 0.277, 4: 0.245}
CIRCLE_CORNERS = 24


@dataclass(frozen=True)
class Footprint:
    """
    Discs that cover the body: the body is clear of obstacles if every disc is.

    There are two covers. Fast driving keeps more room ahead with few discs that reach beyond the
    ends of the body; a goal near a wall is reached with the fine one.

    Attributes
    ----------
    discs, fine_discs : float64[n, 3]
        Centre x, y and radius of each disc in the base frame [m], and those of the fine cover.
    polygon : float64[p, 2]
        Corners of the body in the base frame [m].
    inscribed_radius, circumscribed_radius : float
        Radii about the base origin of the largest circle inside and the smallest circle around
        the body [m].

    """

    discs: NDArray[np.float64]
    fine_discs: NDArray[np.float64]
    polygon: NDArray[np.float64]
    inscribed_radius: float
    circumscribed_radius: float

    @classmethod
    def of(cls, robot: RobotParameters) -> Footprint:
        """Return the footprint of the parameters `robot`."""
        if robot.footprint:
            return cls.polygonal(np.reshape(robot.footprint, (-1, 2)))
        return cls.round(robot.radius)

    @classmethod
    def round(cls, radius: float) -> Footprint:
        """Return a round footprint about the base origin, radius [m]."""
        if not (math.isfinite(radius) and radius > 0.0):
            raise InputError(f'robot.radius = {radius!r} m must be positive')
        angle = np.linspace(0.0, 2.0 * math.pi, CIRCLE_CORNERS, endpoint=False)
        disc = np.array([[0.0, 0.0, radius]])
        return cls(
            discs=disc,
            fine_discs=disc,
            polygon=radius * np.stack([np.cos(angle), np.sin(angle)], axis=1),
            inscribed_radius=radius,
            circumscribed_radius=radius,
        )

    @classmethod
    def polygonal(cls, corners: ArrayLike) -> Footprint:
        """
        Return the footprint of a simple polygon, convex or not.

        The polygon is cut across its longer side into slices of equal width, and the smallest
        circle around each slice is one disc, so that the discs cover the body and reach little
        beyond its long sides. Where the disc at an end reaches more than MAX_OVERREACH beyond the
        body, two smaller discs side by side cover that end; up to four of them in the fine cover,
        whose limit is FINE_OVERREACH.

        Parameters
        ----------
        corners : float[p, 2]
            Corners in order, either way round, in the base frame [m].

        Raises
        ------
        InputError
            Fewer than three corners, non-finite corners, no area, or sides that cross.

        """
        polygon = np.array(corners, dtype=np.float64)
        if polygon.ndim != 2 or polygon.shape[1] != 2 or len(polygon) < 3:
            raise InputError(
                f'robot.footprint has shape {list(polygon.shape)}; [p >= 3, 2] is expected'
            )
        if not np.isfinite(polygon).all():
            raise InputError('robot.footprint has corners that are not finite')
        if abs(_area(polygon)) < 1e-6 or _crosses_itself(polygon):
            raise InputError(
                'robot.footprint must be a polygon with an area whose sides do not cross'
            )
        width = float(np.ptp(polygon, axis=0).min())
        return cls(
            discs=_covering_discs(polygon, MAX_OVERREACH * max(1.0, width), 2),
            fine_discs=_covering_discs(
                polygon, max(FINE_OVERREACH, FINE_OVERREACH_SHARE * width), max(END_LENGTHS)
            ),
            polygon=polygon,
            inscribed_radius=_depth(polygon, np.zeros(2)),
            circumscribed_radius=float(np.hypot(*polygon.T).max()),
        )

    @cached_property
    def fine(self) -> Footprint:
        """Return the footprint whose discs are those of the fine cover."""
        return replace(self, discs=self.fine_discs)

    @property
    def reach(self) -> float:
        """Return the maximum distance of the discs from the base origin [m]."""
        x, y, radius = self.discs.T
        return float((np.hypot(x, y) + radius).max())

    @property
    def largest_radius(self) -> float:
        """Return the radius of the largest disc [m]: half of the narrowest gap that fits."""
        return float(self.discs[:, 2].max())

    def contains(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Return whether each point [m] in the base frame is inside the polygon."""
        inside = np.zeros(x.shape, bool)
        for (x1, y1), (x2, y2) in zip(self.polygon, np.roll(self.polygon, -1, 0), strict=True):
            if y1 != y2:
                crossing = x1 + (y - y1) / (y2 - y1) * (x2 - x1)
                inside ^= ((y1 > y) != (y2 > y)) & (x < crossing)
        return inside

    def clearance(
        self, field: DistanceField, poses: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """
        Return the clearance at each pose [m]; not positive in collision.

        Parameters
        ----------
        field : DistanceField
            Distance to the nearest obstacle.
        poses : float[N, 3]
            x [m], y [m], yaw [rad] in the frame of the field.

        Returns
        -------
        float64[N]
            Minimum over the discs of field distance − radius.

        """
        x, y, yaw = np.asarray(poses, dtype=np.float64)[:, :, None].transpose(1, 0, 2)
        forward, left, radius = self.discs.T
        cos, sin = np.cos(yaw), np.sin(yaw)
        distance = field.at(x + cos * forward - sin * left, y + sin * forward + cos * left)
        clearance: NDArray[np.float64] = (distance - radius).min(axis=1)
        return clearance


def _area(polygon: NDArray[np.float64]) -> float:
    x, y = polygon.T
    return 0.5 * float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def _crosses_itself(polygon: NDArray[np.float64]) -> bool:
    def side(a: NDArray[np.float64], b: NDArray[np.float64], p: NDArray[np.float64]) -> float:
        return float((b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]))

    count = len(polygon)
    for i, j in combinations(range(count), 2):
        if j - i in (1, count - 1):
            continue
        a, b = polygon[i], polygon[(i + 1) % count]
        c, d = polygon[j], polygon[(j + 1) % count]
        if side(a, b, c) * side(a, b, d) < 0.0 and side(c, d, a) * side(c, d, b) < 0.0:
            return True
    return False


def _depth(polygon: NDArray[np.float64], point: NDArray[np.float64]) -> float:
    """Return the distance from a point to the nearest side [m]; 0 if it is not inside."""
    start = polygon - point
    end = np.roll(start, -1, axis=0)
    edge = end - start
    along = np.clip(-(start * edge).sum(1) / np.maximum((edge**2).sum(1), 1e-12), 0.0, 1.0)
    distance = np.hypot(*(start + along[:, None] * edge).T).min()
    straddles = (start[:, 1] > 0.0) != (end[:, 1] > 0.0)
    rise = np.where(straddles, edge[:, 1], 1.0)
    crossings = straddles & (start[:, 0] - start[:, 1] * edge[:, 0] / rise > 0.0)
    return float(distance) if crossings.sum() % 2 else 0.0


def _covering_discs(
    polygon: NDArray[np.float64], limit: float, side_by_side: int
) -> NDArray[np.float64]:
    """
    Return discs float64[n, 3] (x, y, radius) that cover the polygon.

    Where the disc at an end reaches more than `limit` [m] beyond the polygon, two or more discs
    side by side, at most `side_by_side`, replace it.
    """
    extent = np.ptp(polygon, axis=0)
    axis = 0 if extent[0] >= extent[1] else 1
    width = float(extent[1 - axis])
    half = MAX_DISC_RATIO * 0.5 * width
    discs = _sliced(polygon, axis, half)
    rest, ends = polygon, []
    for sign, disc in ((1.0, discs[0]), (-1.0, discs[-1])):
        if _overreach(polygon, disc) <= limit:
            continue
        for count, length in END_LENGTHS.items():
            at = sign * (sign * polygon[:, axis]).min() + sign * length * width
            end = _side_by_side(_clip(polygon, axis, at, -sign), 1 - axis, count)
            if count == side_by_side or max(_overreach(polygon, each) for each in end) <= limit:
                break
        rest = _clip(rest, axis, at, sign)
        ends += end
    return np.array([*_sliced(rest, axis, half), *ends]) if ends else discs


def _overreach(polygon: NDArray[np.float64], disc: ArrayLike) -> float:
    """Return how far a disc (x, y, radius) may reach beyond the polygon [m]."""
    x, y, radius = np.asarray(disc)
    return float(radius) - _depth(polygon, np.array([x, y]))


def _side_by_side(
    polygon: NDArray[np.float64], axis: int, count: int
) -> list[tuple[float, float, float]]:
    """Return the discs around `count` parts of equal width along an axis."""
    cuts = np.linspace(polygon[:, axis].min(), polygon[:, axis].max(), count + 1)
    return [
        _enclosing_circle(_clip(_clip(polygon, axis, low, 1.0), axis, high, -1.0))
        for low, high in zip(cuts[:-1], cuts[1:], strict=True)
    ]


def _sliced(polygon: NDArray[np.float64], axis: int, half: float) -> NDArray[np.float64]:
    """
    Return the discs float64[n, 3] around the fewest equal slices across an axis.

    The discs reach no more than `half` [m] to either side of the middle. Where a corner points
    inward, a slice ends.
    """
    low, high = polygon[:, axis].min(), polygon[:, axis].max()
    inward = np.unique(_inward(polygon)[:, axis].round(9))
    bounds = [low, *inward[(inward > low + 1e-6) & (inward < high - 1e-6)], high]
    middle = _middle(polygon, 1 - axis)
    found = []
    for begin, end in zip(bounds[:-1], bounds[1:], strict=True):
        for count in range(1, MAX_SLICES + 1):
            cuts = np.linspace(begin, end, count + 1)
            discs = [
                _enclosing_circle(_clip(_clip(polygon, axis, start, 1.0), axis, stop, -1.0))
                for start, stop in zip(cuts[:-1], cuts[1:], strict=True)
            ]
            if max(abs(disc[1 - axis] - middle) + disc[2] for disc in discs) <= half:
                break
        found += discs
    return np.array(found)


def _middle(polygon: NDArray[np.float64], axis: int) -> float:
    """Return the centre of the extent along an axis [m]."""
    return 0.5 * float(polygon[:, axis].min() + polygon[:, axis].max())


def _inward(polygon: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the reflex corners of a polygon, float64[n, 2]."""
    before, after = polygon - np.roll(polygon, 1, axis=0), np.roll(polygon, -1, axis=0) - polygon
    turn = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    return polygon[turn * _area(polygon) < -1e-9]


def _clip(
    polygon: NDArray[np.float64], axis: int, at: float, sign: float
) -> NDArray[np.float64]:
    """Clip a polygon below `at` (sign 1) or above it (sign −1) along one axis."""
    corners = []
    for a, b in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        inside_a, inside_b = sign * (a[axis] - at) > 0.0, sign * (b[axis] - at) > 0.0
        if inside_a:
            corners.append(a)
        if inside_a != inside_b:
            corners.append(a + (b - a) * (at - a[axis]) / (b[axis] - a[axis]))
    return np.array(corners)


def _enclosing_circle(points: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the smallest enclosing circle of points: x, y, radius [m]."""
    best = (0.0, 0.0, math.inf)
    points = np.unique(points.round(9), axis=0)
    pairs = [0.5 * (a + b) for a, b in combinations(points, 2)]
    triples = [_circumcentre(a, b, c) for a, b, c in combinations(points, 3)]
    for centre in [*pairs, *triples]:
        radius = float(np.hypot(*(points - centre).T).max())
        if radius < best[2]:
            best = (float(centre[0]), float(centre[1]), radius)
    return best


def _circumcentre(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]
) -> NDArray[np.float64]:
    (bx, by), (cx, cy) = b - a, c - a
    double_area = 2.0 * (bx * cy - by * cx)
    if abs(double_area) < 1e-12:
        return a  # three points in line: two of them define the circle
    b2, c2 = bx * bx + by * by, cx * cx + cy * cy
    offset = np.array([cy * b2 - by * c2, bx * c2 - cx * b2])
    centre: NDArray[np.float64] = a + offset / double_area
    return centre
