"""
Segmentation of a plan at changes of the direction of travel and at rotations in place.

All rules apply to places instead of poses: poses within SAME_POSITION are one place, and so are
those of a robot that stands still while its path is recorded. Otherwise the noise of its
localisation would yield hundreds of reversals.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mppi_ros.jit.simd import inline_njit, kernel

SAME_POSITION = 0.05  # [m]
REST_POSES = 20  # successive poses that show whether the robot stands
MIN_REST_RATIO = 3.0  # of the sum of their steps to their diameter; about 7 for white noise
MAX_REST_CORRELATION = 0.25  # of successive steps; −0.5 for white noise, positive for motion
MIN_REST_NOISE, MAX_REST_NOISE = 0.002, 0.035  # [m] standard deviation of a coordinate
REST_RADIUS = 6.0  # [standard deviations] around their mean, in which all poses of a rest lie
MIN_SEGMENT_LENGTH = 0.1  # [m] a change of direction over a shorter length is noise
CUSP_ANGLE = math.radians(120.0)  # [rad] a sharper bend between two steps reverses the direction
MIN_ROTATION = 0.5  # [rad] a smaller change of yaw at one place is not a rotation in place
MAX_ROTATION_RADIUS = 0.03  # [m] motion per angle of a rotation in place; beyond it, it is a bend
EXTREME_SHARE = 0.1  # of a rotation: yaws that close to its ends belong to them
MAX_SINGLE_ROTATION = math.pi + 1e-3  # [rad] larger rotations are split
ROTATION_PART = math.radians(120.0)  # [rad] maximum part of a split, with a unique direction
YAW_ROUNDING = 1e-3  # [rad] a smaller difference of yaws is rounding
MIN_ALIGNMENT = 0.25  # minimum sum of cosines at both ends of a step that defines a direction
MAX_OBLIQUE_ANGLE = math.radians(45.0)  # [rad] from the path, at which constant yaws are ignored
MAX_TANGENT_ANGLE = 0.5  # [rad] from the path up to which a yaw is tangential
MAX_OFF_TANGENT_SHARE = 0.1  # of the path with other yaws that are still ignored
MAX_ROUNDED_CUSP = 0.25  # [m] of the path oblique to the yaws: a cusp rounded by a smoother

Floats = NDArray[np.float64]


class PathSegments(NamedTuple):
    """
    Segmentation of a plan.

    Attributes
    ----------
    places : float64[n, 2]
        Corners of the path [m].
    arriving, leaving : float64[n]
        Yaw of the robot on arrival at a place and on departure [rad].
    oriented : bool
        The yaws are specified by the plan.
    direction : float64[n - 1]
        Direction of each step between places: 1 forward, −1 backward.
    cuts : int64[c]
        Places at which the robot reverses its direction.
    rotations : {int: list of float}
        Yaws to which the robot rotates at a place, in order [rad].

    """

    places: Floats
    arriving: Floats
    leaving: Floats
    oriented: bool
    direction: Floats
    cuts: NDArray[np.int64]
    rotations: dict[int, list[float]]


def segment_path(poses: Floats, turns: bool, omni: bool) -> PathSegments:
    """
    Segment a plan, float64[N, 2] or float64[N, 3] of finite numbers.

    With `turns` the robot can rotate in place; with `omni` it need not face along the path.
    """
    first, places = find_places(poses[:, :2])
    last = np.append(first[1:], len(poses)) - 1
    places[-1] = poses[-1, :2]
    step = np.diff(places, axis=0)
    way = np.arctan2(step[:, 1], step[:, 0])
    steps = np.hypot(step[:, 0], step[:, 1])
    oriented = poses.shape[1] == 3 and _are_specified(poses[:, 2], first, way, steps, omni)
    if oriented and omni and _are_tangential(poses[last, 2], way, steps):
        oriented = False
    arriving = leaving = np.zeros(len(places))
    direction = np.ones(len(way))
    rotations: dict[int, list[float]] = {}
    if oriented:
        arriving, leaving = poses[first, 2], poses[last, 2]
        direction = _directions(way, steps, leaving, arriving)
    bent = np.abs(_wrapped(np.diff(way))) > CUSP_ANGLE
    if oriented and omni:  # both branches of a fold are one place; the order distinguishes them
        cuts = 1 + np.flatnonzero(bent)
    else:
        cuts = 1 + np.flatnonzero(bent | (np.diff(direction) != 0.0))
    if oriented and turns:
        if not omni:
            heading = way + np.where(direction < 0.0, math.pi, 0.0)
            turned = np.abs(_wrapped(heading[cuts] - heading[cuts - 1])) > CUSP_ANGLE
            rotations = {int(cut): [float(heading[cut])] for cut in cuts[turned]}
        rotations.update(_rotations(poses, first, last))
    return PathSegments(places, arriving, leaving, oriented, direction, cuts, rotations)


def find_places(points: Floats) -> tuple[NDArray[np.int64], Floats]:
    """
    Return the index of the first pose of each place, int64[n], and the places, float64[n, 2].

    Points, float64[N, 2], less than SAME_POSITION from the first of a place belong to it. A rest
    is one place at the mean of its points, and its noise is that of the whole recording: the
    radius of all places is then at least REST_RADIUS times as large.
    """
    points = np.ascontiguousarray(points)
    first, places = np.empty(len(points), np.int64), np.empty((len(points), 2))
    count, noise = _find_places(points, SAME_POSITION, first, places)
    if REST_RADIUS * noise > SAME_POSITION:
        count, _ = _find_places(points, REST_RADIUS * noise, first, places)
    return first[:count].copy(), places[:count].copy()


def warm_up() -> None:
    """Compile or load the kernel before the first plan."""
    find_places(np.zeros((1, 2)))


@inline_njit
def _is_near(points: Any, i: Any, x: Any, y: Any, reach: Any) -> Any:
    return math.hypot(points[i, 0] - x, points[i, 1] - y) < reach


@inline_njit
def _mean_of(points: Any, begin: Any, end: Any) -> Any:
    """Return the mean of points[begin:end]."""
    x, y = 0.0, 0.0
    for i in range(begin, end):
        x += points[i, 0]
        y += points[i, 1]
    return x / (end - begin), y / (end - begin)


@inline_njit
def _rest_noise(points: Any, begin: Any, end: Any) -> Any:
    """
    Return the standard deviation of points[begin:end] [m] if the robot rests there, otherwise 0.

    The steps of a robot at rest add up to several times their extent, in no direction.
    """
    far = 2.0 * REST_RADIUS * MAX_REST_NOISE
    if end - begin < REST_POSES or not _is_near(
        points, begin, points[end - 1, 0], points[end - 1, 1], far
    ):
        return 0.0
    x, y = _mean_of(points, begin, end)
    square, radius, way, steps, products = 0.0, 0.0, 0.0, 0.0, 0.0
    before_x, before_y = 0.0, 0.0
    for i in range(begin, end):
        away = (points[i, 0] - x) ** 2 + (points[i, 1] - y) ** 2
        square += away
        radius = max(radius, math.sqrt(away))
        if i > begin:
            dx, dy = points[i, 0] - points[i - 1, 0], points[i, 1] - points[i - 1, 1]
            way += math.hypot(dx, dy)
            steps += dx * dx + dy * dy
            products += dx * before_x + dy * before_y
            before_x, before_y = dx, dy
    noise = math.sqrt(0.5 * square / (end - begin))
    rests = (
        MIN_REST_NOISE <= noise <= MAX_REST_NOISE
        and way >= MIN_REST_RATIO * 2.0 * radius
        and products <= MAX_REST_CORRELATION * steps
    )
    return noise if rests else 0.0


@kernel
def _find_places(points: Any, least: Any, first: Any, places: Any) -> Any:
    """
    Fill first, int64[N], and places, float64[N, 2], of points, float64[N, 2].

    Places have a radius of at least `least`. Return n and the greatest noise at rest, or 0.
    """
    total, count, reach, resting, rested = points.shape[0], 0, 0.0, False, 0
    greatest = 0.0
    x, y, i = points[0, 0], points[0, 1], 0
    while i < total:
        away = math.hypot(points[i, 0] - x, points[i, 1] - y)
        if resting and away < reach:
            i, rested = i + 1, i + 1
            continue
        begin = max(0, min(i, total - REST_POSES))
        noise = _rest_noise(points, begin, min(begin + REST_POSES, total))
        if noise > 0.0:
            mean_x, mean_y = _mean_of(points, begin, begin + REST_POSES)
            if resting and math.hypot(mean_x - x, mean_y - y) < reach:
                i, rested = i + 1, i + 1  # an outlier of the same rest
                continue
            radius = max(least, REST_RADIUS * noise)
            begin, end = i, i
            while end < total and _is_near(points, end, mean_x, mean_y, radius):
                end += 1
            while begin > rested and _is_near(points, begin - 1, mean_x, mean_y, radius):
                begin -= 1
            if end > i:
                while count > 0 and first[count - 1] >= begin:
                    count -= 1
                x, y = _mean_of(points, begin, end)
                first[count], places[count, 0], places[count, 1] = begin, x, y
                count, reach, resting, i, rested = count + 1, radius, True, end, end
                greatest = max(greatest, noise)
                continue
        if away >= reach:
            x, y = points[i, 0], points[i, 1]
            first[count], places[count, 0], places[count, 1] = i, x, y
            count, reach, resting = count + 1, least, False
        i += 1
    return count, greatest


def _wrapped(angle: Floats) -> Floats:
    """Return angles in [−π, π)."""
    return (angle + math.pi) % math.tau - math.pi


def _are_specified(
    yaw: Floats, first: NDArray[np.int64], way: Floats, steps: Floats, omni: bool
) -> bool:
    """
    Return whether yaws, float64[N], are specified by the plan.

    A planner that does not specify them sets the same yaw in all poses except the last, which has
    that of the goal. Then either the last pose is a separate place and differs by more than a
    right angle, or, unless the robot is omnidirectional, the yaws are oblique to more than
    MAX_ROUNDED_CUSP of the path in sequence.
    """
    if len(way) == 0:
        return True
    if np.abs(_wrapped(yaw[:-1] - yaw[0])).max() > YAW_ROUNDING:
        return True
    alone = first[-1] == len(yaw) - 1
    if alone and abs(math.remainder(yaw[-1] - yaw[0], math.tau)) > 0.5 * math.pi + YAW_ROUNDING:
        return False
    oblique = np.abs(np.cos(yaw[0] - way)) < math.cos(MAX_OBLIQUE_ANGLE)
    run = np.cumsum(np.where(oblique, steps, 0.0))
    before = np.maximum.accumulate(np.where(oblique, 0.0, run))
    return omni or bool((run - before).max() <= MAX_ROUNDED_CUSP)


def _are_tangential(leaving: Floats, way: Floats, steps: Floats) -> bool:
    """
    Return whether yaws, float64[n], are tangential to the path, as most planners set them.

    An omnidirectional robot then need not stop for the yaw of the start or the goal, which are not
    considered.
    """
    if len(way) < 3:
        return False
    aside = np.cos(leaving[1:-1] - way[1:]) < math.cos(MAX_TANGENT_ANGLE)
    return bool(steps[1:][aside].sum() <= MAX_OFF_TANGENT_SHARE * steps[1:].sum())


def _directions(way: Floats, steps: Floats, leaving: Floats, arriving: Floats) -> Floats:
    """
    Return 1 or −1 for each step, float64[n - 1].

    A step with contradictory yaws at its ends keeps the previous direction, and so does a change
    of direction over less than MIN_SEGMENT_LENGTH.
    """
    stated = np.cos(leaving[:-1] - way) + np.cos(arriving[1:] - way)
    direction = np.where(np.abs(stated) > MIN_ALIGNMENT, np.sign(stated), 0.0)
    known = np.flatnonzero(direction)
    if len(known) == 0:
        return np.ones(len(way))
    before = np.maximum.accumulate(np.where(direction != 0.0, np.arange(len(way)), -1))
    direction = direction[np.where(before < 0, known[0], before)]
    edges = np.concatenate([[0], 1 + np.flatnonzero(np.diff(direction)), [len(way)]])
    lengths = np.add.reduceat(steps, edges[:-1])
    lasting = lengths >= MIN_SEGMENT_LENGTH
    if not lasting.any():
        return np.full(len(way), direction[int(edges[np.argmax(lengths)])])
    of_run = direction[edges[:-1]]
    before = np.maximum.accumulate(np.where(lasting, np.arange(len(lasting)), -1))
    of_run = of_run[np.where(before < 0, int(np.argmax(lasting)), before)]
    return np.repeat(of_run, np.diff(edges))


def _rotations(
    poses: Floats, first: NDArray[np.int64], last: NDArray[np.int64]
) -> dict[int, list[float]]:
    """
    Return the yaws to which the robot rotates, for each place with a rotation in place.

    Poses less than SAME_POSITION apart along a bend are one place, too, but move with their yaw.
    """
    found = {}
    yaw = np.unwrap(poses[:, 2])
    bounds = np.column_stack([first, last + 1]).ravel()
    most, least = (
        extreme.reduceat(np.append(yaw, yaw[-1]), bounds)[::2]
        for extreme in (np.maximum, np.minimum)
    )
    # Dense plans have several poses at most places: only those that turn there are looked at.
    turns = most - least >= 0.5 * MIN_ROTATION  # rounding differs from place to place
    for place in np.flatnonzero((last > first) & turns).tolist():
        yaws = np.unwrap(poses[first[place] : last[place] + 1, 2])
        if _is_in_place(poses[first[place] : last[place] + 1, :2], yaws):
            ends = _turning_points(yaws.tolist())
            parts = [
                float(part)
                for begin, end in zip(ends, ends[1:], strict=False)
                for part in np.linspace(begin, end, 1 + _parts(abs(end - begin)))[1:]
            ]
            if parts:
                found[place] = parts
    return found


def _is_in_place(points: Floats, yaws: Floats) -> bool:
    """Return whether yaws, float64[n], at points, float64[n, 2], are a rotation in place."""
    turned = float(np.ptp(yaws))
    if turned < MIN_ROTATION:
        return False
    least = points[yaws <= yaws.min() + EXTREME_SHARE * turned]
    most = points[yaws >= yaws.max() - EXTREME_SHARE * turned]
    moved = np.hypot(*(least[:, None] - most[None]).transpose(2, 0, 1)).min()
    return bool(moved <= MAX_ROTATION_RADIUS * turned)


def _parts(turn: float) -> int:
    """Return the number of parts of a rotation [rad]."""
    return 1 if turn <= MAX_SINGLE_ROTATION else math.ceil(turn / ROTATION_PART)


def _turning_points(yaws: list[float]) -> list[float]:
    """Return first and last yaw, and the extrema between rotations of MIN_ROTATION or more."""
    found, sense, extreme = [yaws[0]], 0.0, yaws[0]
    for yaw in yaws[1:]:
        if sense == 0.0:
            if abs(yaw - found[0]) >= MIN_ROTATION:
                sense, extreme = math.copysign(1.0, yaw - found[0]), yaw
        elif sense * (yaw - extreme) > 0.0:
            extreme = yaw
        elif abs(yaw - extreme) >= MIN_ROTATION:
            found.append(extreme)
            sense, extreme = -sense, yaw
    return [*found, yaws[-1]] if sense else found
