"""Path planner on a costmap: grid search, straightening, smoothing, clearance to obstacles."""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.driving.costmap import LETHAL, UNKNOWN, Costmap
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.jit.cache import cached_njit
from mppi_ros.parameters.errors import InputError

PREFERRED_CLEARANCE = 0.3  # [m] below which the cost per metre increases
PROXIMITY_COST = 6.0  # additional cost per metre at contact
TIGHT_CLEARANCE = 0.1  # [m] which cell size and noise may consume, so a detour is preferred
TIGHT_COST = 40.0  # additional cost per metre below it, at contact
POSE_SPACING = 0.05  # [m] between two poses of a plan
SMOOTHING_ROUNDS = 60
CELLS_PER_CORNER = 3  # cells of the found path per candidate corner
SHORTCUT_CORNERS = 120  # corners over which a straight line is tried
BLOCKED_COST = 100.0  # cost per metre in cells too narrow for the robot
CORNER_COST = 0.01  # [m] cost of a corner


def plan(
    costmap: Costmap,
    start: ArrayLike,
    goal: ArrayLike,
    footprint: Footprint,
    *,
    unknown_is_free: bool = False,
) -> NDArray[np.float64] | None:
    """
    Find a path from start to goal that is wide enough for the robot.

    A metre of path costs 1 + PROXIMITY_COST · ((PREFERRED_CLEARANCE − d) / PREFERRED_CLEARANCE)²
    at clearance d < PREFERRED_CLEARANCE. The path thus keeps its distance where possible and
    passes narrow gaps in the middle. Very tight gaps cost so much that a long detour is preferred.

    Parameters
    ----------
    costmap : Costmap
        Cells of 100 and the area outside are obstacles.
    start, goal : float[3]
        x [m], y [m], yaw [rad] in the frame of the costmap.
    footprint : Footprint
        Footprint of the robot.
    unknown_is_free : bool
        Allow cells of −1.

    Returns
    -------
    float64[N, 3] or None
        Poses POSE_SPACING apart: x [m], y [m], yaw [rad] along the path, the last one with the yaw
        of the goal. None if no path is wide enough.

    Raises
    ------
    InputError
        Start or goal is not finite, is outside the costmap, in an obstacle, in unknown space, or
        closer to an obstacle than the robot fits.

    """
    from skimage.graph import MCP_Geometric

    begin, end = (np.asarray(pose, dtype=np.float64) for pose in (start, goal))
    radius = _half_width(footprint)
    distance, cost = _costs(costmap, footprint, unknown_is_free, outside_is_obstacle=True)
    # Tolerate a start next to an obstacle, which may be noise.
    first = _free_cell(costmap, cost, distance, 'start', begin, radius, slack=radius)
    last = _free_cell(costmap, cost, distance, 'goal', end, radius, slack=costmap.resolution)
    search = MCP_Geometric(cost)
    total, _ = search.find_costs([first], [last])
    if not math.isfinite(total[last]):
        return None
    cells = np.array(search.traceback(last), dtype=np.float64)
    corner = np.array([costmap.origin_x, costmap.origin_y])
    middle = corner + (cells[:, ::-1] + 0.5) * costmap.resolution
    points = np.vstack([begin[:2], middle[1:-1], end[:2]])
    grid = (costmap.resolution, costmap.origin_x, costmap.origin_y)
    # Use every few cells as corners, and always start and goal.
    points = np.vstack([points[:-1:CELLS_PER_CORNER], points[-1:]])
    following = _straightened(points, cost, *grid)
    kept = [0]
    while kept[-1] < len(points) - 1:
        kept.append(int(following[kept[-1]]))
    points = _spaced(points[kept])
    _smooth(points, distance, radius + 0.5 * PREFERRED_CLEARANCE, SMOOTHING_ROUNDS, *grid)
    points = _spaced(points)
    return _with_yaw(points, float(end[2]))


def legs_cost(
    costmap: Costmap,
    poses: NDArray[np.float64],
    footprint: Footprint,
    *,
    unknown_is_free: bool = False,
) -> NDArray[np.float64]:
    """
    Return the cost of each leg of a path on another costmap, float64[N − 1].

    The costs are those of `plan`, with BLOCKED_COST per metre in cells too narrow for the robot.
    A leg that ends outside the costmap costs nothing.
    """
    _, cost = _costs(costmap, footprint, unknown_is_free, outside_is_obstacle=False)
    grid = (costmap.resolution, costmap.origin_x, costmap.origin_y)
    return np.array([
        _line_cost(a[0], a[1], b[0], b[1], cost, *grid)
        if costmap.contains(a[0], a[1]) and costmap.contains(b[0], b[1]) else 0.0
        for a, b in zip(poses[:-1], poses[1:], strict=True)
    ])


def _costs(
    costmap: Costmap, footprint: Footprint, unknown_is_free: bool, outside_is_obstacle: bool
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return per cell the distance to obstacles [m], and the cost per metre, −1 if blocked."""
    distance = distance_field(
        costmap,
        unknown_is_obstacle=not unknown_is_free,
        outside_is_obstacle=outside_is_obstacle,
    ).distance
    radius = _half_width(footprint)
    clearance = distance.astype(np.float64) - radius
    near = np.clip(1.0 - clearance / PREFERRED_CLEARANCE, 0.0, 1.0)
    tight = np.clip(1.0 - clearance / TIGHT_CLEARANCE, 0.0, 1.0)
    cost = 1.0 + PROXIMITY_COST * near * near + TIGHT_COST * tight * tight
    return distance, np.where(clearance < 0.0, -1.0, cost)


def _half_width(footprint: Footprint) -> float:
    """Return the lateral extent [m] of the discs that represent the footprint."""
    return float((np.abs(footprint.discs[:, 1]) + footprint.discs[:, 2]).max())


def _free_cell(
    costmap: Costmap,
    cost: NDArray[np.float64],
    distance: NDArray[np.float32],
    what: str,
    pose: NDArray[np.float64],
    radius: float,
    slack: float,
) -> tuple[int, int]:
    """Return row and column of the free cell closest to a pose, at most `slack` [m] away."""
    if pose.shape != (3,) or not np.isfinite(pose).all():
        raise InputError(f'{what} = {pose.tolist()} must be x [m], y [m], yaw [rad], all finite')
    x, y = pose[:2]
    place = f'{what} ({x:.2f}, {y:.2f}) m'
    height, width = costmap.shape
    if not costmap.contains(x, y):
        right = costmap.origin_x + width * costmap.resolution
        top = costmap.origin_y + height * costmap.resolution
        raise InputError(
            f'{place} is outside the map: x [{costmap.origin_x:.2f}, {right:.2f}] m, '
            f'y [{costmap.origin_y:.2f}, {top:.2f}] m'
        )
    row = int((y - costmap.origin_y) / costmap.resolution)
    column = int((x - costmap.origin_x) / costmap.resolution)
    reach = math.ceil(slack / costmap.resolution) + 1
    rows = np.arange(max(row - reach, 0), min(row + reach + 1, height))
    columns = np.arange(max(column - reach, 0), min(column + reach + 1, width))
    dx = costmap.origin_x + (columns + 0.5) * costmap.resolution - x
    dy = costmap.origin_y + (rows + 0.5) * costmap.resolution - y
    away = np.hypot(dx, dy[:, None])
    away[cost[np.ix_(rows, columns)] < 0.0] = math.inf
    nearest = int(np.argmin(away))
    if away.flat[nearest] <= slack + costmap.resolution:
        return int(rows[nearest // len(columns)]), int(columns[nearest % len(columns)])
    if costmap.data[row, column] == LETHAL:
        raise InputError(f'{place} is in an obstacle')
    if costmap.data[row, column] == UNKNOWN and distance[row, column] <= 0.0:
        raise InputError(f'{place} is in unknown space')
    raise InputError(
        f'{place} is {distance[row, column]:.2f} m from an obstacle, '
        f'the robot needs {radius:.2f} m'
    )


@cached_njit(
    'float64(float64, float64, float64, float64, float64[:,::1], float64, float64, float64)',
    nogil=True,
)
def _line_cost(ax, ay, bx, by, cost, resolution, origin_x, origin_y):
    """Return the cost of the segment from a to b through cost[H, W]."""
    length = math.hypot(bx - ax, by - ay)
    count = int(math.ceil(4.0 * length / resolution)) + 1
    total = 0.0
    for k in range(count):
        share = (k + 0.5) / count
        i = int((ay + share * (by - ay) - origin_y) / resolution)
        j = int((ax + share * (bx - ax) - origin_x) / resolution)
        total += cost[i, j] if cost[i, j] >= 0.0 else BLOCKED_COST
    return total * length / count


@cached_njit(
    'int64[::1](float64[:,::1], float64[:,::1], float64, float64, float64)',
    nogil=True,
)
def _straightened(points, cost, resolution, origin_x, origin_y):
    """
    Return for each of points[n, 2] the next one on the cheapest polyline to the last.

    Dynamic programming from the end: least[k] is the cost from point k to the last one.
    """
    count = points.shape[0]
    least = np.full(count, np.inf)
    following = np.arange(1, count + 1)
    least[count - 1] = 0.0
    for k in range(count - 2, -1, -1):
        for n in range(k + 1, min(k + SHORTCUT_CORNERS, count - 1) + 1):
            dx, dy = points[n, 0] - points[k, 0], points[n, 1] - points[k, 1]
            if math.hypot(dx, dy) + CORNER_COST + least[n] >= least[k]:
                continue
            leg = CORNER_COST + least[n] + _line_cost(
                points[k, 0], points[k, 1], points[n, 0], points[n, 1], cost,
                resolution, origin_x, origin_y,
            )
            if leg < least[k]:
                least[k], following[k] = leg, n
    return following


@cached_njit(
    'void(float64[:,::1], float32[:,::1], float64, int64, float64, float64, float64)',
    nogil=True,
)
def _smooth(points, distance, enough, rounds, resolution, origin_x, origin_y):
    """Move points[n, 2] toward the middle of their neighbours if that keeps the clearance."""
    for _ in range(rounds):
        for k in range(1, points.shape[0] - 1):
            x = 0.5 * points[k, 0] + 0.25 * (points[k - 1, 0] + points[k + 1, 0])
            y = 0.5 * points[k, 1] + 0.25 * (points[k - 1, 1] + points[k + 1, 1])
            i = int((points[k, 1] - origin_y) / resolution)
            j = int((points[k, 0] - origin_x) / resolution)
            now = distance[i, j]
            i = int((y - origin_y) / resolution)
            j = int((x - origin_x) / resolution)
            if distance[i, j] >= min(now, enough):
                points[k, 0], points[k, 1] = x, y


def _spaced(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return evenly spaced points of the same polyline."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    points = points[np.concatenate([[True], steps > 1e-9])]
    arc = np.concatenate([[0.0], np.cumsum(steps[steps > 1e-9])])
    marks = np.linspace(0.0, arc[-1], 1 + max(1, math.ceil(arc[-1] / POSE_SPACING - 1e-9)))
    return np.stack([np.interp(marks, arc, axis) for axis in points.T], axis=1)


def _with_yaw(points: NDArray[np.float64], goal_yaw: float) -> NDArray[np.float64]:
    ahead = np.diff(points, axis=0)
    yaw = np.append(np.arctan2(ahead[:, 1], ahead[:, 0]), goal_yaw)
    return np.column_stack([points, yaw])
