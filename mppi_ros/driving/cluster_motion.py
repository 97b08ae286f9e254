"""
Initial velocity of a cluster of visible points, from the motion of its edges or sides.

Three apparent motions of obstacles at rest do not count. A cluster that is only seen better grows
on one side; the edges of clusters that merge or split jump; and where beams graze a wall, single
points of it move with the robot by up to the distance between two points.
"""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.visible_points import Confirmation, Edges, Side, VisiblePoints

MIN_SIGHTINGS = 4  # scans or costmaps in which it must have been seen
MIN_OBSTACLE_SPEED = 0.1  # [m/s] below which it rests
MIN_RANGE_CHANGE = 0.1  # [m] of its distance from a robot that has moved as far
MAX_SIDE_DEVIATION = 0.05  # [m] and no farther from a steady motion
RECENT = 0.4  # [s] from which the velocity of what has just begun to move is taken
HALF_SEEN_RADIUS = 0.3  # [m] of an obstacle of which one side is hidden, at least


class Blob(NamedTuple):
    """
    Visible part of an obstacle from `origin`: box and sides of its points, and a disc.

    `resolution` is the distance within which the motion of each edge of the box is unknown [m].
    """

    edges: Edges
    resolution: Edges
    sides: tuple[Side, Side]
    origin: tuple[float, float]
    x: float
    y: float
    radius: float

    @classmethod
    def of(
        cls, view: VisiblePoints, points: NDArray[np.intp], sides: tuple[Side, Side]
    ) -> Blob:
        """Return the disc as wide as the points are across the line of sight, behind them."""
        edges = left, bottom, right, top = view.edges(points)
        sight_x = 0.5 * (left + right) - view.origin[0]
        sight_y = 0.5 * (bottom + top) - view.origin[1]
        far = max(math.hypot(sight_x, sight_y), 1e-6)
        sight_x, sight_y = sight_x / far, sight_y / far
        across = view.y[points] * sight_x - view.x[points] * sight_y
        along = view.x[points] * sight_x + view.y[points] * sight_y
        half = view.half_width(points)
        radius = 0.5 * float(np.ptp(across)) + half
        low, high = float(across.min()) - half, float(across.max()) + half
        if not all(side.is_open for side in sides):
            radius = max(radius, HALF_SEEN_RADIUS)
        middle = 0.5 * (low + high)
        if not sides[1].is_open and sides[0].is_open:
            middle = low + radius
        elif not sides[0].is_open and sides[1].is_open:
            middle = high - radius
        depth = float(along.min()) - half + radius
        x, y = depth * sight_x - middle * sight_y, depth * sight_y + middle * sight_x
        return cls(edges, view.edge_resolution(points), sides, view.origin, x, y, radius)


def velocity_of(
    seen: Sequence[tuple[float, Blob]], confirmation: Confirmation
) -> tuple[float, float]:
    """Return the velocity of what was seen to move all the time, or lately; else 0."""
    lately = [each for each in seen if seen[-1][0] - each[0] <= RECENT]
    for period in (seen, lately):
        velocity = _steady_velocity(period, confirmation)
        if velocity != (0.0, 0.0):
            return velocity
    return 0.0, 0.0


def _steady_velocity(
    seen: Sequence[tuple[float, Blob]], confirmation: Confirmation
) -> tuple[float, float]:
    """Return the velocity of what was seen to move, 0 where it has not moved evenly."""
    for side in (0, 1):
        if any(not blob.sides[1 - side].is_open for _, blob in seen):
            found = _velocity_of_side(
                [(t, blob.sides[side], blob.origin) for t, blob in seen
                 if blob.sides[side].is_open],
                confirmation,
            )
            if found != (0.0, 0.0):
                return found
    return _velocity_of_edges(
        [(t, blob.edges, blob.resolution) for t, blob in seen
         if all(side.is_open for side in blob.sides)],
        confirmation,
    )


def _velocity_of_side(
    seen: Sequence[tuple[float, Side, tuple[float, float]]], confirmation: Confirmation
) -> tuple[float, float]:
    """
    Return the velocity of the one side that is not hidden, 0 where it has not moved evenly.

    It is 0 where the side keeps its distance from a robot that moves, too: so does the end of a
    wall at the range of the sensor.
    """
    if len(seen) < MIN_SIGHTINGS or seen[-1][0] - seen[0][0] < confirmation.age:
        return 0.0, 0.0
    unknown = max(side.resolution for _, side, _ in seen)
    if math.dist(seen[-1][1][:2], seen[0][1][:2]) < confirmation.side_motion + unknown:
        return 0.0, 0.0
    (_, begin, before), (_, end, now) = seen[0], seen[-1]
    farther = abs(math.dist(end[:2], now) - math.dist(begin[:2], before))
    if math.dist(before, now) > MIN_RANGE_CHANGE and farther < MIN_RANGE_CHANGE:
        return 0.0, 0.0
    times = np.array([time for time, _, _ in seen])
    points = np.array([side[:2] for _, side, _ in seen])
    slopes, off = _line(times, points)
    total = float(off.sum())
    if total > len(seen) * MAX_SIDE_DEVIATION**2 or total > _step(points).sum(axis=1).min():
        return 0.0, 0.0
    return float(slopes[0]), float(slopes[1])


def _velocity_of_edges(
    seen: Sequence[tuple[float, Edges, Edges]], confirmation: Confirmation
) -> tuple[float, float]:
    """
    Return the slower of the velocities of opposite edges, 0 where they differ in direction.

    One of them must have moved by more than the unknown.
    """
    if len(seen) < MIN_SIGHTINGS or seen[-1][0] - seen[0][0] < confirmation.age:
        return 0.0, 0.0
    moved = np.abs(np.subtract(seen[-1][1], seen[0][1]))
    known = moved - np.max([unknown for _, _, unknown in seen], axis=0)
    least = np.minimum(np.minimum(moved[:2], moved[2:]), np.maximum(known[:2], known[2:]))
    if least.max() < confirmation.edge_motion:
        return 0.0, 0.0
    times = np.array([time for time, _, _ in seen])
    edges = np.array([edges for _, edges, _ in seen])
    slopes, off = _line(times, edges)
    slopes[off > _step(edges).min(axis=0)] = 0.0

    def both(a: float, b: float) -> float:
        return math.copysign(min(abs(a), abs(b)), a) if a * b > 0.0 else 0.0

    left, bottom, right, top = slopes.tolist()
    velocity = both(left, right), both(bottom, top)
    return velocity if math.hypot(*velocity) > MIN_OBSTACLE_SPEED else (0.0, 0.0)


def _line(
    times: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the slopes of the lines through values float64[n, k], and the squared residuals."""
    centred = (times - times.mean())[:, None]
    slopes = (centred * values).sum(axis=0) / (centred**2).sum()
    off = ((values - values.mean(axis=0) - centred * slopes) ** 2).sum(axis=0)
    return slopes, off


def _step(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return the squared residuals of values float64[n, k] that jump once, for each time of a jump.

    The edges of a cluster at rest jump where it merges with another one, or splits.
    """
    centred = values - values.mean(axis=0)
    before = np.arange(1, len(values))[:, None]
    sums = np.cumsum(centred, axis=0)[:-1]
    explained = sums**2 * (1.0 / before + 1.0 / (len(values) - before))
    residuals: NDArray[np.float64] = (centred**2).sum(axis=0) - explained
    return residuals
