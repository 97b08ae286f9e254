"""
Manoeuvres of a car among obstacles by hybrid A*.

Where no single Reeds-Shepp word is free, such as at a goal in a narrow place, a car turns by
several reversals. Hybrid A* finds them: D. Dolgov, S. Thrun, M. Montemerlo and J. Diebel, "Path
planning for autonomous vehicles in unknown semi-structured environments", International Journal
of Robotics Research 29 (5), 2010. The search begins at the goal, so that the path ends there
exactly. Written here because the packages that search in this way need Nav2 or a display.
"""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import heapq
import math

from numba import njit
import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.distance_field import DistanceField
from mppi_ros.driving.reeds_shepp import Pose
from mppi_ros.jit.cache import cached_njit

CELLS_PER_RADIUS = 8  # cells of the search in a turning radius
YAW_BINS = 32
STEP_SHARE = 0.22  # length of a step in turning radii; it leaves the cell
CHECKS = 3  # poses of a step that are checked
HALF_WIDTH = 48  # [cells] of the square around the goal that is searched
MAX_EXPANSIONS = 12_000  # 30 ms, within one tick
PREFERRED_ROOM = 0.2  # [m] beyond the least clearance, with less of which a metre costs more
PROXIMITY_COST = 2.0  # additional cost per metre at the least clearance
HEURISTIC_WEIGHT = 1.5  # above 1, paths that cost little more are found earlier
STEER_COST = 0.05  # cost of another curvature, in turning radii
POSITION_TOLERANCE = 0.1  # of the start, in turning radii, but at most
MAX_POSITION_TOLERANCE = 0.15  # [m]
YAW_TOLERANCE = 0.15  # [rad] of the start


def hybrid_astar(
    start: Pose,
    goal: Pose,
    radius: float,
    field: DistanceField,
    discs: NDArray[np.float64],
    clearance: float,
    backward: float,
    cusp_cost: float,
) -> NDArray[np.float64] | None:
    """
    Return a free path of a car to a goal nearby, or None if none is found.

    Parameters
    ----------
    start, goal : (float, float, float)
        x [m], y [m], yaw [rad].
    radius : float
        Of all turns [m].
    field : DistanceField
        Distance to the nearest obstacle.
    discs : float64[n, 3]
        Discs of the footprint: centre x, y and radius [m].
    clearance : float
        Least clearance of the path [m].
    backward : float
        Price of a metre driven backward, in metres driven forward; inf where it is impossible.
    cusp_cost : float
        Price of a change of direction [m].

    Returns
    -------
    float64[N, 3] or None
        x [m], y [m] and yaw of the body [rad]. The first pose is that of the start within the
        tolerances, the last one that of the goal; all of them keep the clearance. None, too, if
        the start is the goal within the tolerances.

    """
    height, width = field.distance.shape
    found: NDArray[np.float64] = _search(
        *map(float, (*start, *goal, radius)), field.padded, height, width, field.resolution,
        field.origin_x, field.origin_y, discs, clearance, backward, cusp_cost,
    )  # fmt: skip
    return found if len(found) > 1 else None


def warm_up() -> None:
    """Compile or load the kernel before the first manoeuvre."""
    field = DistanceField(np.ones((1, 1), np.float32), 1.0, 0.0, 0.0, 1.0)
    pose = 0.0, 0.0, 0.0
    hybrid_astar(pose, pose, 1.0, field, np.zeros((1, 3)), 0.0, 1.0, 0.0)


@njit(nogil=True)
def _key(x, y, yaw, direction, cell, side):
    """Return the index of a state, −1 outside of the square."""
    column, row = math.floor(x / cell), math.floor(y / cell)
    if column < 0 or row < 0 or column >= side or row >= side:
        return -1
    turn = int(round(yaw * YAW_BINS / (2.0 * math.pi))) % YAW_BINS
    gear = 1 if direction > 0.0 else 0
    return ((int(row) * side + int(column)) * YAW_BINS + turn) * 2 + gear


@njit(nogil=True)
def _clearance(x, y, yaw, distance, height, width, resolution, origin_x, origin_y, discs):
    """Return the least clearance of the discs of the body at a pose [m]."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    least = np.inf
    for disc in range(len(discs)):
        px = x + cos * discs[disc, 0] - sin * discs[disc, 1]
        py = y + sin * discs[disc, 0] + cos * discs[disc, 1]
        # `distance` has a border of one cell.
        column = min(max(math.floor((px - origin_x) / resolution) + 1, 0), width + 1)
        row = min(max(math.floor((py - origin_y) / resolution) + 1, 0), height + 1)
        known = distance[int(row) * (width + 2) + int(column)] - discs[disc, 2]
        least = min(least, known)
    return least


@cached_njit(nogil=True)
def _search(
    sx, sy, syaw, gx, gy, gyaw, radius, distance, height, width, resolution, origin_x, origin_y,
    discs, clearance, backward, cusp_cost,
):  # fmt: skip
    side = 2 * HALF_WIDTH
    cell = radius / CELLS_PER_RADIUS
    left, bottom = gx - HALF_WIDTH * cell, gy - HALF_WIDTH * cell
    steps = STEP_SHARE * radius
    near = min(POSITION_TOLERANCE * radius, MAX_POSITION_TOLERANCE)
    best = np.full(side * side * YAW_BINS * 2, np.inf)
    # nodes: x, y, yaw, cost, direction, curvature, poses of the step that leads here
    nodes = np.empty((6 * MAX_EXPANSIONS, 7))
    parents = np.empty(6 * MAX_EXPANSIONS, np.int64)
    nodes[0] = (gx, gy, gyaw, 0.0, 0.0, 0.0, 0.0)
    parents[0] = -1
    count = 1
    queue = [(0.0, 0)]
    last = -1
    expanded = 0
    while len(queue) > 0 and expanded < MAX_EXPANSIONS and count + 6 <= len(parents):
        _, at = heapq.heappop(queue)
        x, y, yaw, cost = nodes[at, 0], nodes[at, 1], nodes[at, 2], nodes[at, 3]
        direction, curvature = nodes[at, 4], nodes[at, 5]
        off = math.hypot(x - sx, y - sy)
        turn = abs((yaw - syaw + math.pi) % (2.0 * math.pi) - math.pi)
        if off <= near and turn <= YAW_TOLERANCE:
            last = at
            break
        if at > 0:
            key = _key(x - left, y - bottom, yaw, direction, cell, side)
            if cost > best[key]:
                continue
        expanded += 1
        for forward in (1.0, -1.0):
            if forward < 0.0 and backward == np.inf:
                continue
            # From the goal towards the start: a step that is driven forward leads backward.
            first = direction == 0.0 or direction != forward
            length = 2.0 * steps if first else steps
            price = length * (1.0 if forward > 0.0 else backward)
            cusp = cusp_cost if first and direction != 0.0 else 0.0
            for bend in (0.0, 1.0, -1.0):
                nx, ny, nyaw = x, y, yaw
                checks = 2 * CHECKS if first else CHECKS
                part = -forward * length / checks
                room = np.inf
                for _ in range(checks):
                    middle = nyaw + 0.5 * part * bend / radius
                    nx += part * math.cos(middle)
                    ny += part * math.sin(middle)
                    nyaw += part * bend / radius
                    room = min(room, _clearance(
                        nx, ny, nyaw, distance, height, width, resolution, origin_x, origin_y,
                        discs,
                    ))  # fmt: skip
                    if room < clearance:
                        break
                if room < clearance:
                    continue
                key = _key(nx - left, ny - bottom, nyaw, forward, cell, side)
                if key < 0:
                    continue
                lacking = max(0.0, 1.0 - (room - clearance) / PREFERRED_ROOM)
                total = cost + cusp + price * (1.0 + PROXIMITY_COST * lacking)
                if at > 0 and bend != curvature:
                    total += STEER_COST * radius
                if total >= best[key]:
                    continue
                best[key] = total
                nodes[count] = (nx, ny, nyaw, total, forward, bend, float(checks))
                parents[count] = at
                # Neither the way nor the turn can be shorter.
                turn = abs((nyaw - syaw + math.pi) % (2.0 * math.pi) - math.pi)
                rest = max(math.hypot(nx - sx, ny - sy), turn * radius)
                heapq.heappush(queue, (total + HEURISTIC_WEIGHT * rest, count))
                count += 1
    if last < 0:
        return np.empty((0, 3))
    length = 1
    at = last
    while parents[at] >= 0:
        length += int(nodes[at, 6])
        at = parents[at]
    path = np.empty((length, 3))
    row, at = 0, last
    while parents[at] >= 0:
        checks = int(nodes[at, 6])
        bend = nodes[at, 5]
        part = -nodes[at, 4] * STEP_SHARE * radius / CHECKS
        x, y, yaw = nodes[parents[at], 0], nodes[parents[at], 1], nodes[parents[at], 2]
        for index in range(checks):
            middle = yaw + 0.5 * part * bend / radius
            x += part * math.cos(middle)
            y += part * math.sin(middle)
            yaw += part * bend / radius
            path[row + checks - 1 - index] = (x, y, yaw)
        row += checks
        at = parents[at]
    path[row] = (gx, gy, gyaw)
    return path
