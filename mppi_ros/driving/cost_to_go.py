"""
Detour around an obstacle on the plan: time to the free part of the plan behind it, per cell.

A wave-front from the points where the plan can be rejoined solves the eikonal equation
|∇V| = slowness by fast sweeping. The slowness contains the costs of the critics near obstacles, so
that V does not lead through gaps that the controller avoids as too costly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.distance_field import DistanceField
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.parameters import CriticParameters, Limits
from mppi_ros.driving.path import ReferencePath
from mppi_ros.jit.simd import kernel

SEARCH_MARGIN = 3.0  # [m] around the blocked part of the plan
REJOIN_DISTANCE = 1.0  # [m] of the plan behind the blocked part on which it may be rejoined
LEAVE_DISTANCE = 0.5  # [m] plus the braking distance: distance before the blocked part to leave
MIN_CHORD_SHARE = 0.8  # minimum ratio of chord to arc length of a straight part
MAX_SHORTCUT = 1.5  # [m] maximum difference of arc length and chord of a straight part
UNREACHABLE_TIME = 1e3  # [s]
DESCENT_CELLS = 2  # length of a step along a detour, less than the width of a blocked part

ZoneCosts = NDArray[np.float32] | float


@dataclass(frozen=True)
class CostToGo:
    """
    Time to the end of the searched part of the plan.

    Attributes
    ----------
    value : float32[H, W]
        Time from the centre of each cell [s]; UNREACHABLE_TIME without a path.
    resolution : float
        Cell size [m].
    origin_x, origin_y : float
        Lower left corner of cell (0, 0) [m].
    blocked : float
        Arc length of the last free point before the blocked part of the plan [m].
    first, last : float
        Arc lengths between which the detour rejoins the plan [m].
    late : float
        Arc length a braking distance and LEAVE_DISTANCE before the blocked part [m].
    leave : float
        Arc length from which the plan is left [m]; it is followed up to there, so that the detour
        cuts off no free part of it.
    end : float
        Arc length of the end of the searched part [m].

    """

    value: NDArray[np.float32]
    resolution: float
    origin_x: float
    origin_y: float
    blocked: float
    first: float
    last: float
    late: float
    leave: float
    end: float

    def time_from(self, x: float, y: float) -> float:
        """Return the time from a point to the end of the searched part [s]."""
        return float(self.value[self._cell_of(x, y)])

    def path_from(self, x: float, y: float, path: ReferencePath) -> ReferencePath:
        """Return the detour from a point [m] onto the path that it serves, and on to its end."""
        row, column = self._cell_of(x, y)
        points = [(x, y)]
        while True:
            top, left = max(row - DESCENT_CELLS, 0), max(column - DESCENT_CELLS, 0)
            around = self.value[top : row + DESCENT_CELLS + 1, left : column + DESCENT_CELLS + 1]
            down, right = np.unravel_index(int(np.argmin(around)), around.shape)
            if not around[down, right] < self.value[row, column]:
                break
            row, column = top + int(down), left + int(right)
            points.append((
                self.origin_x + (column + 0.5) * self.resolution,
                self.origin_y + (row + 0.5) * self.resolution,
            ))  # fmt: skip
        arc, _ = path.nearest(*points[-1], self.first, self.last)
        rest = path.points[path.part(arc, path.length)]
        detour = ReferencePath.from_poses(np.vstack([points, rest]))
        return replace(detour, goal=path.goal, direction=path.direction)

    def _cell_of(self, x: float, y: float) -> tuple[int, int]:
        """Return row and column of the cell nearest to a point."""
        height, width = self.value.shape
        column = min(max(int((x - self.origin_x) / self.resolution), 0), width - 1)
        row = min(max(int((y - self.origin_y) / self.resolution), 0), height - 1)
        return row, column


@dataclass(frozen=True)
class NoWay:
    """
    No detour exists around the obstacle on the plan.

    Attributes
    ----------
    blocked : float
        Arc length at which the plan is blocked [m].

    """

    blocked: float


def detour(
    path: ReferencePath,
    part: slice,
    clearance: NDArray[np.float64],
    look_ahead: float,
    field: DistanceField,
    footprint: Footprint,
    limits: Limits,
    critics: CriticParameters,
) -> CostToGo | NoWay | None:
    """
    Return the cost-to-go around the first obstacle on the plan ahead, or None if it is free.

    NoWay is returned if no detour exists. The robot then drives up to the obstacle and stops,
    instead of oscillating on a flat cost. In contact, None is returned instead of NoWay.

    Parameters
    ----------
    path : ReferencePath
        The plan.
    part : slice
        Points of the plan from the robot to `look_ahead` + REJOIN_DISTANCE ahead.
    clearance : float64[n]
        Clearance of the body along that part [m].
    look_ahead : float
        Distance within which the plan is checked for obstacles [m].
    field : DistanceField
        Distance to the nearest obstacle.
    footprint : Footprint
        Footprint, whose largest disc determines the blocked cells.
    limits, critics : Limits, CriticParameters
        Determine the speed near obstacles.

    """
    points, arc = path.points[part], path.arc[part]
    if len(points) == 0:
        return None
    free = clearance > 0.0
    if field.outside <= 0.0:  # outside the costmap the plan is not known to be blocked
        free |= _at_the_rim(field, points, footprint.circumscribed_radius)
    if free[arc <= arc[0] + look_ahead].all():
        return None
    blocked = int(np.argmin(free))
    behind = np.flatnonzero(free[blocked:]) + blocked
    if len(behind) == 0:
        return NoWay(float(arc[blocked])) if blocked else None
    first = behind[0]
    rejoin = behind[arc[behind] <= arc[first] + REJOIN_DISTANCE]
    low, high = _searched(field, points, points[rejoin])
    distance, origin_x, origin_y = _part(field, field.distance, field.outside, low, high)
    if distance.size == 0:
        return None
    res = field.resolution
    room = distance - np.float32(footprint.largest_radius)
    value = np.full(room.shape, np.inf, np.float32)
    row = ((points[rejoin, 1] - origin_y) / res).astype(int)
    column = ((points[rejoin, 0] - origin_x) / res).astype(int)
    height, width = room.shape
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    left = (arc[-1] - arc[rejoin]) / limits.vx_max
    np.minimum.at(value, (row[inside], column[inside]), left[inside].astype(np.float32))
    zone: ZoneCosts = 0.0
    if field.zone is not None:
        zone, _, _ = _part(field, field.zone, 0.0, low, high)
    _sweep(value, slowness(room, limits, critics, zone), np.float32(res))
    if not np.isfinite(_around(value, points[0], origin_x, origin_y, res)):
        return NoWay(float(arc[blocked])) if blocked else None
    value[~np.isfinite(value)] = UNREACHABLE_TIME
    before = float(arc[max(blocked - 1, 0)])
    late = before - LEAVE_DISTANCE - limits.vx_max**2 / (-2.0 * limits.ax_min)
    leave = min(late, _straight_from(points[: max(blocked, 1)], arc[: max(blocked, 1)]))
    back = float(arc[rejoin[0]]), float(arc[rejoin[-1]])
    return CostToGo(value, res, origin_x, origin_y, before, *back, late, leave, float(arc[-1]))


def _straight_from(points: NDArray[np.float64], arc: NDArray[np.float64]) -> float:
    """
    Return the arc length from which a path is almost straight up to its last point [m].

    The robot may leave such a part early: a detour to its end cuts off no lane or loop of it, and
    shortens it by at most MAX_SHORTCUT.
    """
    chord = np.hypot(*(points - points[-1]).T)
    left = arc[-1] - arc
    bends = np.flatnonzero((chord < MIN_CHORD_SHARE * left) | (left - chord > MAX_SHORTCUT))
    return float(arc[bends[-1] + 1] if len(bends) else arc[0] - LEAVE_DISTANCE)


def warm_up() -> None:
    """Compile or load the kernel before the first obstacle on a plan."""
    cell = np.zeros((1, 1), np.float32)
    _sweep(cell, cell, np.float32(1.0))


def _around(
    value: NDArray[np.float32], point: NDArray[np.float64], x: float, y: float, cell: float
) -> float:
    """Return the minimum value in the cell of a point and its neighbours [s]; inf outside."""
    column, row = int((point[0] - x) / cell), int((point[1] - y) / cell)
    near = value[max(row - 1, 0) : max(row + 2, 0), max(column - 1, 0) : max(column + 2, 0)]
    return float(near.min(initial=np.float32(np.inf)))


def _at_the_rim(
    field: DistanceField, points: NDArray[np.float64], reach: float
) -> NDArray[np.bool_]:
    """Return which points are outside the field or within `reach` [m] of its edge."""
    height, width = field.distance.shape
    low = np.array([field.origin_x, field.origin_y])
    high = low + field.resolution * np.array([width, height])
    margin = reach + field.resolution
    beyond: NDArray[np.bool_] = np.any((points < low + margin) | (points > high - margin), axis=1)
    return beyond


def time_left(
    arc: NDArray[np.float64],
    clearance: NDArray[np.float64],
    limits: Limits,
    critics: CriticParameters,
    zone: ZoneCosts = 0.0,
) -> NDArray[np.float64]:
    """
    Return the time from each of n points of a path to the last, float64[n + 1] [s].

    It includes the slowness at each point. Progress through a narrow passage is therefore worth
    the cost of the passage, and standing still before it never pays. The last value is repeated.

    Parameters
    ----------
    arc : float64[n]
        Arc length of the points [m].
    clearance : float64[n]
        Clearance of the body at the points [m].
    limits, critics : Limits, CriticParameters
        Determine the speed near obstacles and in zones.
    zone : float32[n], optional
        Zone cost at the points, 0 to 1.

    """
    fitting = np.maximum(clearance, 1e-3).astype(np.float32)
    slow = slowness(fitting, limits, critics, zone).astype(np.float64)
    steps = np.diff(arc) * 0.5 * (slow[:-1] + slow[1:])
    left = np.zeros(len(arc) + 1)
    left[-3::-1] = np.cumsum(steps[::-1])
    return left


def slowness(
    clearance: NDArray[np.float32],
    limits: Limits,
    critics: CriticParameters,
    zone: ZoneCosts = 0.0,
) -> NDArray[np.float32]:
    """
    Return the cost per metre [s/m] at each clearance [m]; inf where the robot does not fit.

    It includes the cost of a zone of the given cost, 0 to 1. It is relative to the weight of
    progress, so a common factor on all weights has no effect.
    """
    scale = critics.progress.weight or 1.0
    weight = critics.obstacle.weight / scale
    near = np.maximum(critics.obstacle.margin - clearance, 0.0) / critics.obstacle.margin
    at_contact, per_clearance = critics.clearance_speed.free_speed(limits.vx_max)
    allowed = at_contact + per_clearance * np.maximum(clearance, 0.0)
    top: ZoneCosts = limits.vx_max
    if critics.zone_speed.weight > 0.0:
        top = limits.vx_max * (1.0 - (1.0 - critics.zone_speed.speed_at_full_cost) * zone)
    cost = (1.0 + weight * near * near) / np.minimum(allowed, top)
    cost += critics.zone.weight / scale * zone
    return np.where(clearance > 0.0, cost, np.inf).astype(np.float32)


def _searched(
    field: DistanceField, points: NDArray[np.float64], rejoin: NDArray[np.float64]
) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """
    Return the first column and row of the search area, and those after the last.

    They are inside the field, or between it and the points to rejoin: a detour may leave the field
    toward these points, but not through other sides, where an obstacle may continue.
    """
    res, shape = field.resolution, np.array(field.distance.shape[::-1])
    corner = [field.origin_x, field.origin_y]
    low, high = (
        (points.min(0) - SEARCH_MARGIN - corner) / res,
        (points.max(0) + SEARCH_MARGIN - corner) / res,
    )
    least, most = np.zeros(2), shape
    if field.outside > 0.0:
        least = np.minimum(np.floor((rejoin.min(0) - corner) / res), 0)
        most = np.maximum(np.floor((rejoin.max(0) - corner) / res) + 1, shape)
    first = np.clip(np.floor(low), least, most).astype(int)
    return first, np.maximum(np.clip(np.ceil(high), least, most).astype(int), first)


def _part(
    field: DistanceField,
    cells: NDArray[np.float32],
    outside: float,
    first: NDArray[np.int_],
    last: NDArray[np.int_],
) -> tuple[NDArray[np.float32], float, float]:
    """Return a part of the cells of a field, padded with `outside`, and its lower left corner."""
    shape, res = np.array(field.distance.shape[::-1]), field.resolution
    low, high = np.clip(first, 0, shape), np.clip(last, 0, shape)
    known = cells[low[1] : high[1], low[0] : high[0]]
    origin = field.origin_x + first[0] * res, field.origin_y + first[1] * res
    if (low == first).all() and (high == last).all() or known.size == 0:
        return known, *origin
    around = [(low[n] - first[n], last[n] - high[n]) for n in (1, 0)]
    return np.pad(known, around, constant_values=outside), *origin


@kernel
def _sweep(value: Any, slow: Any, cell: Any) -> None:
    """
    Solve |∇V| = slow, float32[H, W], from the finite cells of V, by sweeps in four directions.

    Blocked cells (slow = inf) do not take part. Afterwards each gets the value of its best
    neighbour plus a high cost, so that a sample that ends in one is led out and never through.
    """
    rows, columns = value.shape
    infinite = np.float32(np.inf)
    for _ in range(200):
        changed = False
        for direction in range(4):
            for a in range(rows):
                i = a if direction < 2 else rows - 1 - a
                for b in range(columns):
                    j = b if direction % 2 == 0 else columns - 1 - b
                    price = slow[i, j] * cell
                    if price == infinite:
                        continue
                    left = value[i, j - 1] if j > 0 else infinite
                    right = value[i, j + 1] if j < columns - 1 else infinite
                    below = value[i - 1, j] if i > 0 else infinite
                    above = value[i + 1, j] if i < rows - 1 else infinite
                    x, y = min(left, right), min(below, above)
                    if abs(x - y) < price:
                        new = np.float32(0.5) * (
                            x + y + math.sqrt(np.float32(2.0) * price * price - (x - y) * (x - y))
                        )
                    else:
                        new = min(x, y) + price
                    if new < value[i, j] - np.float32(1e-3):
                        value[i, j] = new
                        changed = True
        if not changed:
            break
    wall = np.float32(10.0) * cell
    for direction in range(4):
        for a in range(rows):
            i = a if direction < 2 else rows - 1 - a
            for b in range(columns):
                j = b if direction % 2 == 0 else columns - 1 - b
                if slow[i, j] == infinite:
                    best = value[i, j]
                    if j > 0:
                        best = min(best, value[i, j - 1] + wall)
                    if j < columns - 1:
                        best = min(best, value[i, j + 1] + wall)
                    if i > 0:
                        best = min(best, value[i - 1, j] + wall)
                    if i < rows - 1:
                        best = min(best, value[i + 1, j] + wall)
                    value[i, j] = best
