"""Free manoeuvres of a car from where it is to a place on its plan or to the goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import math

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving import reeds_shepp
from mppi_ros.driving.motion_models import MotionState
from mppi_ros.driving.objective import DrivingObjective
from mppi_ros.driving.path import ReferencePath, sections
from mppi_ros.driving.reeds_shepp import Pose

RADIUS_FACTOR = 1.2  # radius of a manoeuvre over the least turning radius
MAX_GOAL_DISTANCE = 3.0  # [turning circles] within which a manoeuvre leads to the goal itself
MIN_GOAL_TURN = math.radians(20.0)  # [rad] between the end of the plan and the goal
ARRIVAL_STARTS = (1.0, 2.0, 0.0)  # [turning circles] before the end of the plan
MIN_BACKWARD_PRICE = 3.0  # of a metre driven backward, in metres driven forward
FINAL_LENGTH = 0.4  # [m] of the straight part before a goal
MAX_REJOIN_DISTANCE = 2.5  # [turning circles] along the plan to where a manoeuvre joins it


def turn_to(section: ReferencePath, here: MotionState, progress: float) -> float:
    """Return the angle between the headings of a car and of a section at an arc length [rad]."""
    heading = float(section.heading[section.index(progress)])
    return abs(math.remainder(here.yaw - heading, math.tau))


def plan_arrival(
    here: MotionState, section: ReferencePath, progress: float, objective: DrivingObjective
) -> list[ReferencePath] | None:
    """
    Return the shortest free way along the last section and by a manoeuvre to the goal, or None.

    Parameters
    ----------
    here : MotionState
        State of the car.
    section : ReferencePath
        Last section of the plan.
    progress : float
        Arc length on it [m].
    objective : DrivingObjective
        Turning circle, prices and obstacles.

    """
    begin = section.index(progress)
    starts = [begin]
    if turn_to(section, here, progress) < MIN_GOAL_TURN:
        for before in ARRIVAL_STARTS:
            way = section.length - before * objective.turning_circle
            if way > progress:
                starts.append(section.index(way))
    best, least = None, math.inf
    for at in starts:
        along = np.column_stack([section.points, section.heading])[begin : at + 1]
        start = (here.x, here.y, here.yaw) if at == begin else tuple(along[-1].tolist())
        left = least - (float(section.arc[at]) - progress)
        poses = _way_to_goal(start, section.goal, objective, left)
        if poses is not None:
            parts = _exact(np.vstack([along[:-1], poses]))
            price = _price(parts, objective)
            if price < least:
                best, least = parts, price
    return best or _search((here.x, here.y, here.yaw), section.goal, objective)


def _way_to_goal(
    start: Pose, goal: Pose, objective: DrivingObjective, limit: float = math.inf
) -> NDArray[np.float64] | None:
    """
    Return the poses of the best free way to a goal, float64[N, 3], None if none is free.

    Its price is at most `limit` [m]. It ends with a straight part of FINAL_LENGTH, in which the
    error of the turns fades, or without it where there is no room.
    """
    found = []
    for final in (FINAL_LENGTH, -FINAL_LENGTH):
        along = np.linspace(-final, 0.0, 1 + math.ceil(FINAL_LENGTH / reeds_shepp.POSE_SPACING))
        straight = np.column_stack([
            goal[0] + along * math.cos(goal[2]), goal[1] + along * math.sin(goal[2]),
            np.full(len(along), goal[2]),
        ])  # fmt: skip
        poses = _first_free(start, tuple(straight[0].tolist()), objective, limit, straight[1:])
        if poses is not None:
            found.append(poses)
    if not found:
        return _first_free(start, goal, objective, limit)
    return min(found, key=lambda poses: _price(_exact(poses), objective))


def _first_free(
    start: Pose,
    end: Pose,
    objective: DrivingObjective,
    limit: float = math.inf,
    after: NDArray[np.float64] | None = None,
) -> NDArray[np.float64] | None:
    """Return the shortest free path from one pose to another, with the poses after it."""
    radius = 0.5 * RADIUS_FACTOR * objective.turning_circle
    candidates = reeds_shepp.paths(start, end, radius, _backward(objective), limit)
    whole = (poses if after is None else np.vstack([poses, after]) for poses in candidates)
    return next(filter(objective.is_free, whole), None)


def _backward(objective: DrivingObjective) -> float:
    return max(objective.backward, MIN_BACKWARD_PRICE)


def _price(parts: Sequence[ReferencePath], objective: DrivingObjective) -> float:
    """Return the price of a manoeuvre as `reeds_shepp.paths` counts it [m]."""
    backward = _backward(objective)
    return sum(
        reeds_shepp.CUSP_COST + part.length * (1.0 if part.direction > 0.0 else backward)
        for part in parts
    )


def _exact(poses: NDArray[np.float64]) -> list[ReferencePath]:
    return [replace(part, exact=True) for part in sections(poses, turns=False)]


def plan_manoeuvre(
    here: MotionState,
    plan: Sequence[ReferencePath],
    progress: float,
    objective: DrivingObjective,
    rejoin: bool = False,
) -> tuple[list[ReferencePath], list[ReferencePath]] | None:
    """
    Return the sections of a free manoeuvre and those of the plan after it; None if none is free.

    Parameters
    ----------
    here : MotionState
        State of the car.
    plan : sequence of ReferencePath
        Sections of the plan that lie ahead.
    progress : float
        Arc length on the first section [m].
    objective : DrivingObjective
        Turning circle, prices and obstacles.
    rejoin : bool
        The manoeuvre joins the plan before a goal that is near, too, where manoeuvre and rest of
        the section are shortest; otherwise at the nearest place.

    """
    section, circle = plan[0], objective.turning_circle
    near = section.length - progress <= MAX_GOAL_DISTANCE * circle
    count = round(2.0 * MAX_REJOIN_DISTANCE)
    ends = [progress + 0.5 * n * circle for n in range(1, count + 1)]
    if len(plan) == 1 and near:
        ends = [*(end for end in ends if rejoin and end < section.length), section.length]
    best, least = None, math.inf
    for end in ends:
        last = len(plan) == 1 and end >= section.length
        if last and best is not None:
            break
        at = section.index(end)
        x, y = section.points[at]
        target = section.goal if last else (float(x), float(y), float(section.heading[at]))
        way = _way_to_goal if last else _first_free
        poses = way((here.x, here.y, here.yaw), target, objective)
        if poses is None:
            continue
        manoeuvre = _exact(poses)
        price = _price(manoeuvre, objective) + section.length - float(section.arc[at])
        if price < least:
            least = price
            best = manoeuvre, [] if last else [section.beyond(at), *plan[1:]]
        if not rejoin:
            break
    if best is not None:
        return best
    # The last place: the goal if it is near, otherwise the farthest one on the plan.
    found = _search((here.x, here.y, here.yaw), target, objective)
    if found is None:
        return None
    return found, [] if last else [section.beyond(at), *plan[1:]]


def _search(
    start: Pose, end: Pose, objective: DrivingObjective
) -> list[ReferencePath] | None:
    """Return the sections of a free manoeuvre with several reversals, or None."""
    radius = 0.5 * RADIUS_FACTOR * objective.turning_circle
    poses = objective.find_manoeuvre(
        start, end, radius, _backward(objective), reeds_shepp.CUSP_COST
    )
    return None if poses is None else _exact(poses)
