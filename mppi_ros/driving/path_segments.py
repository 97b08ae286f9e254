"""
Segmentation of a plan at changes of the direction of travel and at rotations in place.

All rules apply to places instead of poses: poses within SAME_POSITION are one place. Otherwise the
noise of a robot that stands still while its path is recorded would yield hundreds of reversals.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mppi_ros.jit.simd import kernel

SAME_POSITION = 0.05  # [m]
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
    first = first_of_places(poses[:, :2])
    last = np.append(first[1:], len(poses)) - 1
    places = poses[first, :2].copy()
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
    if oriented and omni:  # both branches of a fold are one place: only the order tells them apart
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


def first_of_places(points: Floats) -> NDArray[np.int64]:
    """Return the index of the first pose of each place, from points float64[N, 2]."""
    is_first = np.zeros(len(points), np.bool_)
    _mark_places(np.ascontiguousarray(points), SAME_POSITION, is_first)
    return np.flatnonzero(is_first)


def warm_up() -> None:
    """Compile or load the kernel before the first plan."""
    first_of_places(np.zeros((1, 2)))


@kernel
def _mark_places(points: Any, reach: Any, is_first: Any) -> None:
    """Mark each point, float64[N, 2], that is at least `reach` from the last marked one."""
    is_first[0] = True
    x, y = points[0, 0], points[0, 1]
    for i in range(1, points.shape[0]):
        if math.hypot(points[i, 0] - x, points[i, 1] - y) >= reach:
            is_first[i] = True
            x, y = points[i, 0], points[i, 1]


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
    for place in np.flatnonzero(last > first).tolist():
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
