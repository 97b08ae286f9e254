"""
Shortest paths of a car that drives forward and backward, by Reeds and Shepp.

The words and their formulas are those of J. A. Reeds and L. A. Shepp, "Optimal paths for a car
that goes both forwards and backwards", Pacific Journal of Mathematics 145 (2), 1990, section 8.
Written here because the packages that compute them, such as rsplan and OMPL, return the shortest
path only, which may not be free, and do not price reversing.
"""

from __future__ import annotations

from collections.abc import Iterator
import math

import numpy as np
from numpy.typing import NDArray

Pose = tuple[float, float, float]
Word = list[tuple[float, float]]  # curvature and signed length of each segment, at radius 1

CUSP_COST = 1.0  # [m] that a change of direction costs
MIN_RUN_LENGTH = 0.3  # [m] least length between two changes of direction
POSE_SPACING = 0.1  # [m] between two poses
MAX_PATHS = 20  # cheapest paths that are tried
END_TOLERANCE = 1e-6  # error of the end of a word, at radius 1
QUARTER = 0.5 * math.pi


def paths(
    start: Pose, end: Pose, radius: float, backward: float = 1.0, limit: float = math.inf
) -> Iterator[NDArray[np.float64]]:
    """
    Yield paths from one pose to another, the best one first.

    Parameters
    ----------
    start, end : (float, float, float)
        x [m], y [m], yaw [rad].
    radius : float
        Of all turns [m].
    backward : float
        Price of a metre driven backward, in metres driven forward; inf where it is impossible.
    limit : float
        Greatest price of a path [m].

    Yields
    ------
    float64[N, 3]
        x [m], y [m] and yaw of the body [rad] at each pose. A path costs its length, priced, and
        CUSP_COST for each change of direction; no run between two is shorter than
        MIN_RUN_LENGTH.

    """
    dx, dy = end[0] - start[0], end[1] - start[1]
    c, s = math.cos(start[2]), math.sin(start[2])
    goal = (c * dx + s * dy) / radius, (c * dy - s * dx) / radius, end[2] - start[2]
    priced = {}  # several formulas yield the same word
    for word in _words(*goal):
        runs = _runs(word)
        if not runs or min(map(abs, runs)) * radius < MIN_RUN_LENGTH:
            continue
        price = CUSP_COST * (len(runs) - 1)
        price += radius * sum(run if run > 0.0 else -run * backward for run in runs)
        if price <= limit and price < math.inf and _leads_to(word, goal):
            priced[round(price, 6), tuple(round(length, 6) for _, length in word)] = word
    for key in sorted(priced)[:MAX_PATHS]:
        along, aside, turned = _trace(priced[key], POSE_SPACING / radius)
        along, aside = radius * along, radius * aside
        yield np.column_stack([
            start[0] + c * along - s * aside, start[1] + s * along + c * aside, start[2] + turned,
        ])


def _leads_to(word: Word, goal: Pose) -> bool:
    """Return whether a word ends at a pose, at radius 1."""
    x = y = yaw = 0.0
    for curvature, length in word:
        if curvature:
            turned = yaw + curvature * length
            x += (math.sin(turned) - math.sin(yaw)) / curvature
            y -= (math.cos(turned) - math.cos(yaw)) / curvature
            yaw = turned
        else:
            x += length * math.cos(yaw)
            y += length * math.sin(yaw)
    turn = math.remainder(yaw - goal[2], math.tau)
    return max(abs(x - goal[0]), abs(y - goal[1]), abs(turn)) <= END_TOLERANCE


def _runs(word: Word) -> list[float]:
    """Return the lengths that are driven in one direction, negative backward."""
    runs: list[float] = []
    for _, length in word:
        if runs and runs[-1] * length >= 0.0:
            runs[-1] += length
        elif length:
            runs.append(length)
    return runs


def _trace(
    word: Word, step: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return x, y and yaw along a word, at most `step` apart."""
    xs, ys, yaws = [np.zeros(1)], [np.zeros(1)], [np.zeros(1)]
    for curvature, length in word:
        x, y, yaw = float(xs[-1][-1]), float(ys[-1][-1]), float(yaws[-1][-1])
        count = max(math.ceil(abs(length) / step), 1)
        way = length * np.arange(1, count + 1) / count
        turned = yaw + curvature * way
        if curvature:
            xs.append(x + (np.sin(turned) - math.sin(yaw)) / curvature)
            ys.append(y - (np.cos(turned) - math.cos(yaw)) / curvature)
        else:
            xs.append(x + way * math.cos(yaw))
            ys.append(y + way * math.sin(yaw))
        yaws.append(turned)
    return np.concatenate(xs), np.concatenate(ys), np.concatenate(yaws)


def _words(x: float, y: float, yaw: float) -> Iterator[Word]:
    """Yield the words to a pose, mirrored in time, in space and in order."""
    c, s = math.cos(yaw), math.sin(yaw)
    for order in (1, -1):
        px, py = (x, y) if order > 0 else (x * c + y * s, x * s - y * c)
        for time in (1.0, -1.0):
            for side in (1.0, -1.0):
                for word in _basic(time * px, side * py, time * side * yaw):
                    found = [(side * turn, time * length) for turn, length in word][::order]
                    yield found
                    if len(found) == 3:  # the long way round, all of it forward
                        yield [(turn, way % math.tau if turn else way) for turn, way in found]


def _basic(x: float, y: float, yaw: float) -> Iterator[Word]:
    """Yield the words that begin with a turn to the left; not all of them reach the pose."""
    left, right = 1.0, -1.0
    across, up = x - math.sin(yaw), y - 1.0 + math.cos(yaw)
    reach, angle = math.hypot(across, up), math.atan2(up, across)
    first = angle
    yield [(left, _half(first)), (0.0, reach), (left, _half(yaw - first))]
    if reach <= 4.0:
        turn = -2.0 * math.asin(0.25 * reach)
        first = _half(angle + 0.5 * turn + math.pi)
        yield [(left, first), (right, turn), (left, _half(yaw - first + turn))]
    if reach >= 2.0:
        root = math.sqrt(reach * reach - 4.0)
        first = _half(angle + math.atan2(root, -2.0))
        last = _half(yaw - QUARTER - first)
        yield [(left, first), (right, -QUARTER), (0.0, 2.0 - root), (left, last)]
    across, up = x + math.sin(yaw), y - 1.0 - math.cos(yaw)
    reach, angle = math.hypot(across, up), math.atan2(up, across)
    if reach >= 2.0:
        root = math.sqrt(reach * reach - 4.0)
        first = _half(angle + math.atan2(2.0, root))
        yield [(left, first), (0.0, root), (right, _half(first - yaw))]
        first = math.atan2(across, -up)
        last = _half(first + QUARTER - yaw)
        yield [(left, first), (right, -QUARTER), (0.0, 2.0 - reach), (right, last)]
        way = 4.0 - root
        first = math.atan2((4.0 - way) * across - 2.0 * up, -2.0 * across + (way - 4.0) * up)
        last = _half(first - yaw)
        yield [
            (left, first), (right, -QUARTER), (0.0, way), (left, -QUARTER), (right, last),
        ]  # fmt: skip
    if reach <= 2.0:
        turn = math.acos(0.25 * (2.0 + reach))
        yield _four(turn, -turn, across, up, yaw)
    share = (20.0 - reach * reach) / 16.0
    if 0.0 <= share <= 1.0:
        turn = -math.acos(share)
        yield _four(turn, turn, across, up, yaw)


def _four(second: float, third: float, across: float, up: float, yaw: float) -> Word:
    """Return the word of four turns, of which the two in the middle are known."""
    delta = second - third
    a = math.sin(second) - math.sin(delta)
    b = math.cos(second) - math.cos(delta) - 1.0
    first = math.atan2(up * a - across * b, across * a + up * b)
    if 2.0 * (math.cos(delta) - math.cos(third) - math.cos(second)) + 3.0 < 0.0:
        first += math.pi
    first = _half(first)
    last = _half(first - second + third - yaw)
    return [(1.0, first), (-1.0, second), (1.0, third), (-1.0, last)]


def _half(angle: float) -> float:
    """Return an angle in [−π, π]."""
    return math.remainder(angle, math.tau)
