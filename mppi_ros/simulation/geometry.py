"""Kernels of plane geometry: clearance of a body, and ray casting, for circles and map cells."""
# mypy: allow-untyped-defs, allow-untyped-calls

import math

import numpy as np

from mppi_ros.jit.cache import cached_njit

CELL_STEP_DISTANCE = 3.0  # [cells] from an obstacle below which a ray advances by single cells
CELL_SLACK = 1.5  # [cells] ≥ √2, the difference between distances of cells and of their centres


@cached_njit('float64(float64, float64, float64, float64, float64, float64)', nogil=True)
def point_to_segment(x, y, ax, ay, bx, by):
    """Return the distance from the point x, y to the segment from a to b."""
    ex, ey = bx - ax, by - ay
    length2 = ex * ex + ey * ey
    along = 0.0
    if length2 > 0.0:
        along = min(1.0, max(0.0, ((x - ax) * ex + (y - ay) * ey) / length2))
    return math.hypot(x - ax - along * ex, y - ay - along * ey)


@cached_njit('boolean(float64, float64, float64[:,::1])', nogil=True)
def inside_polygon(x, y, corners):
    """Return whether the point x, y is inside corners[p, 2], by the parity of crossings."""
    inside = False
    previous = corners.shape[0] - 1
    for k in range(corners.shape[0]):
        ax, ay = corners[previous, 0], corners[previous, 1]
        bx, by = corners[k, 0], corners[k, 1]
        if (ay > y) != (by > y) and x < ax + (bx - ax) * (y - ay) / (by - ay):
            inside = not inside
        previous = k
    return inside


@cached_njit('float64(float64, float64, float64[:,::1])', nogil=True)
def point_to_polygon(x, y, corners):
    """Return the distance from a point to corners[p, 2], 0 inside; one corner is a point."""
    if corners.shape[0] > 2 and inside_polygon(x, y, corners):
        return 0.0
    least = np.inf
    previous = corners.shape[0] - 1
    for k in range(corners.shape[0]):
        least = min(
            least,
            point_to_segment(
                x, y, corners[previous, 0], corners[previous, 1], corners[k, 0], corners[k, 1]
            ),
        )
        previous = k
    return least


@cached_njit('boolean(float64, float64, float64, float64, float64, float64, float64)',
             nogil=True)
def segment_meets_square(ax, ay, bx, by, left, bottom, side):
    """Return whether the segment from a to b touches a square, by Liang–Barsky clipping."""
    enter, leave = 0.0, 1.0
    for axis in range(2):
        start = ax - left if axis == 0 else ay - bottom
        step = bx - ax if axis == 0 else by - ay
        if step == 0.0:
            if start < 0.0 or start > side:
                return False
        else:
            first, second = -start / step, (side - start) / step
            enter = max(enter, min(first, second))
            leave = min(leave, max(first, second))
    return enter <= leave


@cached_njit('float64(float64[:,::1], float64, float64, float64)', nogil=True)
def polygon_to_square(corners, left, bottom, side):
    """Return the distance from corners[p, 2] to a square, 0 where they overlap."""
    least = np.inf
    previous = corners.shape[0] - 1
    for k in range(corners.shape[0]):
        ax, ay = corners[previous, 0], corners[previous, 1]
        bx, by = corners[k, 0], corners[k, 1]
        if segment_meets_square(ax, ay, bx, by, left, bottom, side):
            return 0.0
        dx = max(left - bx, 0.0, bx - left - side)
        dy = max(bottom - by, 0.0, by - bottom - side)
        least = min(least, math.hypot(dx, dy))
        previous = k
    for k in range(4):
        x, y = left + side * (k % 2), bottom + side * (k // 2)
        least = min(least, point_to_polygon(x, y, corners))
    return least


@cached_njit(
    'float64(float64[:,::1], float64, float64, float64, float64[:,::1], float32[:,::1], float64,'
    ' float64, float64)',
    nogil=True,
)
def body_clearance(corners, x, y, inflation, circles, hop, resolution, origin_x, origin_y):
    """
    Return the distance from a body to the nearest circle or map cell [m]; 0 in contact.

    Parameters
    ----------
    corners : float64[p, 2]
        Corners of the body in the world frame [m]; one corner for a round body.
    x, y : float64
        Any point near the body, the centre of the search [m].
    inflation : float64
        Growth of the body on all sides [m]; the radius of a round body.
    circles : float64[n, 3]
        x, y, radius [m].
    hop : float32[H, W]
        Distance from each cell to the nearest occupied one, between centres [cells]; 0 in
        occupied cells. Empty for a world without cells.
    resolution, origin_x, origin_y : float64
        Resolution and origin of the cells [m].

    """
    reach = 0.0
    for k in range(corners.shape[0]):
        reach = max(reach, math.hypot(corners[k, 0] - x, corners[k, 1] - y))
    least = np.inf
    for k in range(circles.shape[0]):
        cx, cy, radius = circles[k, 0], circles[k, 1], circles[k, 2]
        if math.hypot(cx - x, cy - y) - reach - radius < least:
            least = min(least, point_to_polygon(cx, cy, corners) - radius)
    height, width = hop.shape
    if height > 0:
        row = min(max(int(math.floor((y - origin_y) / resolution)), 0), height - 1)
        column = min(max(int(math.floor((x - origin_x) / resolution)), 0), width - 1)
        # Upper bound of the distance from some point of the body to the nearest occupied cell.
        centre_x = origin_x + (column + 0.5) * resolution
        centre_y = origin_y + (row + 0.5) * resolution
        bound = reach + math.hypot(centre_x - x, centre_y - y)
        bound = min(least, bound + (hop[row, column] + CELL_SLACK) * resolution)
        # Search rows outward from the body until none can contain a closer cell.
        for index in range(2 * height):
            offset = (index + 1) // 2 if index % 2 else -(index // 2)
            i = row + offset
            bottom = origin_y + i * resolution
            away = max(bottom - y, y - bottom - resolution, 0.0)
            if away > reach + bound and abs(offset) > 1:
                break
            if i < 0 or i >= height:
                continue
            span = math.sqrt(max((reach + bound) ** 2 - away * away, 0.0))
            j = int(max((x - span - origin_x) / resolution, 0.0))
            last = min(int(math.floor((x + span - origin_x) / resolution)), width - 1)
            while j <= last:
                steps = hop[i, j]
                if steps > 0.0:
                    j += int(min(steps - 1e-3, 1e6)) + 1
                    continue
                left = origin_x + j * resolution
                dx = max(left - x, x - left - resolution, 0.0)
                if math.hypot(dx, away) - reach < least:
                    least = min(least, polygon_to_square(corners, left, bottom, resolution))
                    bound = min(bound, least)
                j += 1
    return max(0.0, least - inflation)


@cached_njit('float64(float64, float64, float64, float64, float64, float32[:,::1])', nogil=True)
def ray_to_cells(x, y, cos, sin, limit, hop):
    """
    Return the distance at which a ray enters an occupied cell of hop[H, W]; inf without one.

    All lengths are in cells. Far from obstacles the ray advances by the free distance; near them
    it advances by single cells (J. Amanatides, A. Woo, 'A fast voxel traversal algorithm', 1987).
    """
    height, width = hop.shape
    inverse_cos = 1.0 / cos if cos != 0.0 else np.inf
    inverse_sin = 1.0 / sin if sin != 0.0 else np.inf
    t = 0.0
    if cos != 0.0:
        first, second = -x * inverse_cos, (width - x) * inverse_cos
        t, limit = max(t, min(first, second)), min(limit, max(first, second))
    elif x < 0.0 or x >= width:
        return np.inf
    if sin != 0.0:
        first, second = -y * inverse_sin, (height - y) * inverse_sin
        t, limit = max(t, min(first, second)), min(limit, max(first, second))
    elif y < 0.0 or y >= height:
        return np.inf
    if t > limit:
        return np.inf
    j = min(max(int(math.floor(x + t * cos)), 0), width - 1)
    i = min(max(int(math.floor(y + t * sin)), 0), height - 1)
    while t <= limit:
        free = hop[i, j]
        if free <= 0.0:
            return t
        if free > CELL_STEP_DISTANCE:
            t += free - CELL_SLACK
            j = min(max(int(math.floor(x + t * cos)), 0), width - 1)
            i = min(max(int(math.floor(y + t * sin)), 0), height - 1)
            continue
        across = (j + (1 if cos > 0.0 else 0) - x) * inverse_cos if cos != 0.0 else np.inf
        up = (i + (1 if sin > 0.0 else 0) - y) * inverse_sin if sin != 0.0 else np.inf
        if across < up:
            t = max(t, across)
            j += 1 if cos > 0.0 else -1
            if j < 0 or j >= width:
                return np.inf
        else:
            t = max(t, up)
            i += 1 if sin > 0.0 else -1
            if i < 0 or i >= height:
                return np.inf
    return np.inf


@cached_njit(
    'void(float64, float64, float64[::1], float64, float64[:,::1], float32[:,::1], float64,'
    ' float64, float64, float32[::1])',
    nogil=True,
)
def cast_rays(x, y, angles, max_range, circles, hop, resolution, origin_x, origin_y, out):
    """Fill out[n] with the range [m] along each of angles[n] [rad]; inf beyond max_range."""
    near = np.empty((circles.shape[0], 3))
    count = 0
    for k in range(circles.shape[0]):
        dx, dy = circles[k, 0] - x, circles[k, 1] - y
        radius = circles[k, 2]
        if dx * dx + dy * dy < (max_range + radius) ** 2:
            near[count, 0], near[count, 1], near[count, 2] = dx, dy, radius * radius
            count += 1
    for beam in range(angles.shape[0]):
        cos, sin = math.cos(angles[beam]), math.sin(angles[beam])
        least = max_range
        if hop.shape[0] > 0:
            least = resolution * ray_to_cells(
                (x - origin_x) / resolution, (y - origin_y) / resolution, cos, sin,
                max_range / resolution, hop,
            )
        for k in range(count):
            dx, dy, radius2 = near[k, 0], near[k, 1], near[k, 2]
            across = cos * dy - sin * dx
            half2 = radius2 - across * across
            if half2 < 0.0:
                continue
            along = cos * dx + sin * dy
            half = math.sqrt(half2)
            if along + half >= 0.0:
                least = min(least, max(along - half, 0.0))
        out[beam] = least if least < max_range else np.inf
