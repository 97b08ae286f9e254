"""
A Reeds-Shepp manoeuvre where a car cannot follow its plan.

A plan that leads away behind a car demands a turn that its turning radius does not allow. So does
a sharp bend close ahead of a car that stands, and a goal that does not face the way the plan
arrives. Sampling finds the manoeuvre only where the horizon covers all of it, so it is planned.
"""

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
MIN_TURN = math.radians(60.0)  # [rad] between heading and plan
SAME_POSITION = 0.2  # [m]
SAME_HEADING = 0.3  # [rad]
MAX_MANOEUVRES = 3  # planned on the way to one goal
MAX_GOAL_DISTANCE = 3.0  # [turning circles] within which a manoeuvre leads to the goal itself
MIN_GOAL_TURN = math.radians(20.0)  # [rad] between the end of the plan and the goal
ARRIVAL_STARTS = (1.0, 2.0, 0.0)  # [turning circles] before the end of the plan
MIN_BACKWARD_PRICE = 3.0  # of a metre driven backward, in metres driven forward
FINAL_LENGTH = 0.4  # [m] of the straight part before a goal
MAX_REJOIN_DISTANCE = 2.5  # [turning circles] along the plan to where a manoeuvre joins it


class ManoeuvrePlanner:
    """Plans a manoeuvre where a plan needs one and keeps it until it has been driven."""

    def __init__(self) -> None:
        self._after: list[ReferencePath] | None = None  # plan after the manoeuvre
        self._original: list[ReferencePath] = []  # plan without it
        self._count = 0  # manoeuvres planned on the way to this goal
        self._checked = False  # whether this plan needs a manoeuvre was determined
        self._arrival_checked = False  # whether the goal needs one was determined
        self._stuck = False  # at the last update
        self._reverses_from: tuple[float, float] | None = None  # on a section driven forward

    @property
    def active(self) -> bool:
        """Whether the robot drives a manoeuvre."""
        return self._after is not None

    def restart(self, same_goal: bool) -> None:
        """Begin with a new plan."""
        self._after, self._checked, self._arrival_checked = None, False, False
        if not same_goal:
            self._count = 0

    def advance(self, count: int) -> None:
        """End the manoeuvre where `count` sections ahead are those after it."""
        if self._after and count <= len(self._after):
            self._after = None

    def update(
        self,
        here: MotionState,
        plan: list[ReferencePath],
        progress: float | None,
        objective: DrivingObjective,
        stuck: bool,
    ) -> tuple[list[ReferencePath], float | None] | None:
        """
        Return the sections to drive and the progress on the first [m] where these change, or None.

        Parameters
        ----------
        here : MotionState
            State of the robot.
        plan : list of ReferencePath
            Sections ahead.
        progress : float or None
            Arc length on the first section [m]; None before the first projection.
        objective : DrivingObjective
            Turning circle, prices and obstacles.
        stuck : bool
            The car has not moved in spite of other remedies: it needs a manoeuvre, or another one.

        """
        if objective.turning_circle == 0.0:
            return None
        gets_stuck, self._stuck = stuck and not self._stuck, stuck
        changed: tuple[list[ReferencePath], float | None] | None = None
        if self._after is not None:
            if not gets_stuck and not _is_blocked(plan[0], progress or 0.0, objective):
                return None
            plan, progress = self._after or self._original, None
            changed = plan, progress
            self._after, self._checked, self._arrival_checked = None, False, False
        if self._count >= MAX_MANOEUVRES:
            return changed
        at, _ = plan[0].project(here.x, here.y, progress)
        checked = self._arrival_checked or gets_stuck
        if not checked and arrives_across(here, plan, at, objective):
            self._arrival_checked = True
            arrival = plan_arrival(here, plan[0], at, objective)
            if arrival is not None:
                self._count += 1
                self._original, self._after = plan, []
                return arrival, 0.0
        reverses = self._reverses_far(here, plan[0], objective.turning_circle)
        if self._checked and not (gets_stuck or reverses):
            return changed
        self._checked = True
        original = plan
        if gets_stuck:
            way = objective.way_round(plan[0], at)
            if way is not None:  # sampling finds no turn back into the detour
                plan, at = [way.path_from(here.x, here.y, plan[0]), *plan[1:]], 0.0
            elif objective.end(plan[0]) < math.inf:
                return changed
        elif not (reverses or needs_manoeuvre(here, plan[0], at, objective)):
            return changed
        self._count += 1
        found = plan_manoeuvre(here, plan, at, objective, rejoin=gets_stuck)
        if found is None:
            return changed
        self._original = original
        manoeuvre, self._after = found
        return [*manoeuvre, *self._after], 0.0

    def _reverses_far(self, here: MotionState, section: ReferencePath, far: float) -> bool:
        """
        Return whether a car has reversed `far` [m] on a section that is driven forward.

        It would reverse to the end, slowly where no sensor looks, if turning around costs more
        within the horizon.
        """
        place = here.x, here.y
        if here.v >= 0.0 or section.direction <= 0.0:
            self._reverses_from = None
        elif self._reverses_from is None:
            self._reverses_from = place
        elif math.dist(self._reverses_from, place) >= far:
            self._reverses_from = None
            return True
        return False


def same_pose(one: Pose, other: Pose | None) -> bool:
    """Return whether two goals are equal within tolerances."""
    if other is None:
        return False
    turn = abs(math.remainder(one[2] - other[2], math.tau))
    return math.dist(one[:2], other[:2]) < SAME_POSITION and turn < SAME_HEADING


def _is_blocked(path: ReferencePath, progress: float, objective: DrivingObjective) -> bool:
    return objective.end(path) < math.inf or objective.way_round(path, progress) is not None


def needs_manoeuvre(
    here: MotionState, section: ReferencePath, progress: float, objective: DrivingObjective
) -> bool:
    """Return whether a car must turn more towards a section than it can within the horizon."""
    turn = _turn_to(section, here, progress)
    return turn >= MIN_TURN and turn * 0.5 * objective.turning_circle >= objective.reach


def arrives_across(
    here: MotionState,
    plan: Sequence[ReferencePath],
    progress: float,
    objective: DrivingObjective,
) -> bool:
    """Return whether a car is near the end of a plan that does not arrive as the goal faces."""
    end, circle = plan[0], objective.turning_circle
    left = end.length - progress
    if len(plan) > 1 or left > MAX_GOAL_DISTANCE * circle:
        return False
    turn = math.remainder(end.goal[2] - float(end.heading[-1]), math.tau)
    return abs(turn) >= MIN_GOAL_TURN and (
        left < circle or _turn_to(end, here, progress) < MIN_GOAL_TURN
    )


def _turn_to(section: ReferencePath, here: MotionState, progress: float) -> float:
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
    if _turn_to(section, here, progress) < MIN_GOAL_TURN:
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
    return best


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
    return best
