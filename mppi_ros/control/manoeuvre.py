"""
A manoeuvre where a car cannot follow its plan: a Reeds-Shepp path, or one by hybrid A*.

A plan that leads away behind a car demands a turn that its turning radius does not allow. So does
a sharp bend close ahead of a car that stands, and a goal that does not face the way the plan
arrives. Sampling finds the manoeuvre only where the horizon covers all of it, so it is planned.
"""

from __future__ import annotations

from collections.abc import Sequence
import math

from mppi_ros.control.manoeuvre_paths import (
    MAX_GOAL_DISTANCE,
    MIN_GOAL_TURN,
    plan_arrival,
    plan_manoeuvre,
    turn_to,
)
from mppi_ros.driving.motion_models import MotionState
from mppi_ros.driving.objective import DrivingObjective
from mppi_ros.driving.path import ReferencePath
from mppi_ros.driving.reeds_shepp import Pose

MIN_TURN = math.radians(60.0)  # [rad] between heading and plan
SAME_POSITION = 0.2  # [m]
SAME_HEADING = 0.3  # [rad]
STANDING_SPEED = 0.05  # [m/s]
MAX_MANOEUVRES = 5  # planned on the way to one goal


class ManoeuvrePlanner:
    """Plans a manoeuvre where a plan needs one and keeps it until it has been driven."""

    def __init__(self) -> None:
        self._after: list[ReferencePath] | None = None  # plan after the manoeuvre
        self._original: list[ReferencePath] = []  # plan without it
        self._count = 0  # manoeuvres planned on the way to this goal
        self._checked = False  # whether this plan needs a manoeuvre was determined
        self._arrival_checked = False  # whether the goal needs one was determined
        self._stuck = False  # at the last update
        self._tried_at: tuple[float, float] | None = None  # where a way to the goal was searched
        self._reverses_from: tuple[float, float] | None = None  # on a section driven forward

    @property
    def active(self) -> bool:
        """Whether the robot drives a manoeuvre."""
        return self._after is not None

    def restart(self, same_goal: bool) -> None:
        """Begin with a new plan."""
        self._after, self._checked, self._arrival_checked = None, False, False
        if not same_goal:
            self._count, self._tried_at = 0, None

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
        heading_tolerance: float = 0.0,
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
        heading_tolerance : float
            Tolerance of the heading of the goal [rad]; within it no manoeuvre is planned.

        """
        if objective.turning_circle == 0.0:
            return None
        gets_stuck, self._stuck = stuck and not self._stuck, stuck
        changed: tuple[list[ReferencePath], float | None] | None = None
        turn = max(MIN_GOAL_TURN, heading_tolerance)
        misses = self._misses_goal(here, plan, turn)
        if self._after is not None and not misses:
            if not gets_stuck and not _is_blocked(plan[0], progress or 0.0, objective):
                return None
            plan, progress = self._after or self._original, None
            changed = plan, progress
            self._after, self._checked, self._arrival_checked = None, False, False
        if self._count >= MAX_MANOEUVRES:
            return changed
        at, _ = plan[0].project(here.x, here.y, progress)
        if misses:
            self._tried_at = here.x, here.y
            again = plan_manoeuvre(here, plan, plan[0].length, objective)
            if again is None:
                return None
            self._count += 1
            if self._after is None:
                self._original = plan
            self._after = []
            return again[0], 0.0
        checked = self._arrival_checked or gets_stuck or self._is_tried(here)
        if not checked and arrives_across(here, plan, at, objective, turn):
            self._arrival_checked = True
            self._tried_at = here.x, here.y
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

    def _misses_goal(
        self, here: MotionState, plan: Sequence[ReferencePath], least_turn: float
    ) -> bool:
        """Return whether a car stands at the goal but does not face as it does."""
        goal = plan[0].goal
        return (
            len(plan) == 1
            and math.dist(goal[:2], (here.x, here.y)) <= SAME_POSITION
            and abs(here.v) <= STANDING_SPEED
            and _turn(here.yaw, goal[2]) > least_turn
            and self._count < MAX_MANOEUVRES
            and not self._is_tried(here)
        )

    def _is_tried(self, here: MotionState) -> bool:
        """Return whether a way to the goal was searched from here and the car has not left."""
        if self._tried_at is not None:
            if math.dist(self._tried_at, (here.x, here.y)) <= SAME_POSITION:
                return True
            self._tried_at = None
        return False

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


def _turn(yaw: float, other: float) -> float:
    """Return the angle between two headings [rad]."""
    return abs(math.remainder(yaw - other, math.tau))


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
    turn = turn_to(section, here, progress)
    return turn >= MIN_TURN and turn * 0.5 * objective.turning_circle >= objective.reach


def arrives_across(
    here: MotionState,
    plan: Sequence[ReferencePath],
    progress: float,
    objective: DrivingObjective,
    least_turn: float,
) -> bool:
    """Return whether a car is near the end of a plan that does not arrive as the goal faces."""
    end, circle = plan[0], objective.turning_circle
    left = end.length - progress
    if len(plan) > 1 or left > MAX_GOAL_DISTANCE * circle:
        return False
    turn = math.remainder(end.goal[2] - float(end.heading[-1]), math.tau)
    return abs(turn) > least_turn and (
        left < circle or turn_to(end, here, progress) < MIN_GOAL_TURN
    )
