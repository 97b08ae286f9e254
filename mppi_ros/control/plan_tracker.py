"""
Plan of one or more sections, the progress of the robot along it, and goal checking.

A section is driven in one direction or rotates the robot in place; sections are driven in order.
Progress follows the motion of the robot along the section. A part is skipped only if it is blocked
and the robot has reached the plan behind the obstacle on a detour. A robot far from its section
returns to it on a straight line that is prepended to the section.

More than 400 lines: the sections, the progress and the goal are one state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import math

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.goal_checker import GoalChecker
from mppi_ros.control.inputs import Odometry, check_pose
from mppi_ros.control.manoeuvre import ManoeuvrePlanner, same_pose
from mppi_ros.control.tick_result import Statistics
from mppi_ros.driving.cost_to_go import REJOIN_DISTANCE, UNREACHABLE_TIME
from mppi_ros.driving.lookahead import RENEWAL_DISTANCE
from mppi_ros.driving.motion_models import MotionState
from mppi_ros.driving.objective import GOAL_NEAR, DrivingObjective
from mppi_ros.driving.parameters import GoalParameters
from mppi_ros.driving.path import PROJECTION_WINDOW, ReferencePath, sections
from mppi_ros.parameters.errors import check_stamp

SAME_POSITION = 0.2  # [m] within which the progress carries over to a new plan
CUSP_PASSED_DISTANCE = 0.6  # [m] from a cusp within which a robot beside it has passed it
EXACT_CUSP_TOLERANCE = 0.1  # [m] from a cusp of a manoeuvre at which a rolling car has passed it
CUSP_SPEED = 0.02  # [m/s] below which it has come as near as it does
REJOINED_DISTANCE = 0.3  # [m] from the plan at which a detour ends
OFF_PLAN_DISTANCE = 0.75  # [m] from the plan at which the robot returns to it
MERGE_TIME = 1.0  # [s] at the current speed to return to the plan
ROTATION_TOLERANCE = 0.3  # [rad] at which a rotation in place within a plan is complete
GOAL_STOP_DISTANCE = 0.05  # [m] from the end of a blocked path at which to stop near the goal
MIN_DEPARTURE_DISTANCE = 0.3  # [m] by which a blocked path must extend before the robot continues
MAX_PROGRESS_SLIP = 0.05  # [m] of decrease of the progress without motion of the robot


class PlanTracker:
    """
    The plan, the progress on it, and whether the goal is reached.

    Attributes
    ----------
    stamp : float or None
        Time of the plan or goal on the controller's clock [s]; None without one.
    progress : float or None
        Arc length of the robot on the path that `follow` returned [m]; None before the first
        projection.
    reached : bool
        The robot is at rest at the goal.

    """

    def __init__(self) -> None:
        self.stamp: float | None = None
        self.progress: float | None = None
        self.reached = False
        self._sections: list[ReferencePath] = []  # the current one and those after it
        self._driven = 0.0  # [m] length of the sections before
        self._joined: ReferencePath | None = None  # the section with a prepended return
        self._knots = np.zeros((2, 1))  # [m] arc lengths on `_joined` and on the section
        self._place: tuple[float, float] | None = None  # [m] of the last projection
        self._around: float | None = None  # [m] remaining length on a detour
        self._goal: tuple[float, float, float] | None = None
        self._end: tuple[float, float, float] | None = None  # goal, before a heading is chosen
        self._goal_checker = GoalChecker()
        self._lookahead_at = -math.inf  # [m] progress at the last processing of the path ahead
        self._arriving = False
        self._blocked = False  # the path is blocked without a detour
        self._manoeuvres = ManoeuvrePlanner()

    def set_plan(
        self,
        stamp: float,
        poses: NDArray[np.float64],
        turns: bool = True,
        omni: bool = False,
    ) -> None:
        """
        Set a plan, float64[N, 3] (x [m], y [m], yaw [rad]); the warm start is kept.

        A plan of one pose is a goal. `turns` and `omni` describe the robot, see `path.sections`.

        Raises
        ------
        InputError
            The plan is empty or a pose is not finite; the previous plan is kept.

        """
        check_stamp('plan', stamp)
        plan = sections(poses, turns=turns, omni=omni)
        goal = plan[-1].goal
        check_pose('plan', *goal)
        if len(plan) == 1 and plan[0].length == 0.0 and not plan[0].in_place:
            if self._goal != goal:
                self.progress = None
                self._take(stamp, [], 0, goal)
            self.stamp = stamp
            return
        if self._manoeuvres.active and same_pose(goal, self.goal):
            self.stamp = stamp  # the manoeuvre is finished first
            return
        done = len(plan) - len(self._sections)
        old = self._sections
        on_plan = self._on_section
        if old and done >= 0 and _same_place(old[0], plan[done], on_plan):
            self.progress = on_plan
            self._take(stamp, plan, done, None)
            return
        self.progress = None
        self._take(stamp, plan, 0, None)

    def set_goal(self, stamp: float, x: float, y: float, yaw: float, tolerance: float) -> None:
        """
        Set a goal [m] [m] [rad], unless the plan already ends within `tolerance` [m] of it.

        Raises
        ------
        InputError
            The stamp or the pose is not finite; the previous plan is kept.

        """
        check_stamp('goal', stamp)
        check_pose('goal', x, y, yaw)
        if self._sections and math.dist(self._sections[-1].goal[:2], (x, y)) <= tolerance:
            self.stamp = stamp
            return
        self.progress = None
        self._take(stamp, [], 0, (x, y, yaw))

    def clear(self) -> None:
        """Discard plan and goal."""
        self.progress = None
        self._take(None, [], 0, None)

    def restart(self) -> None:
        """Discard the progress; the plan is kept."""
        self.progress = None
        self.invalidate_lookahead()
        self._goal_checker.restart()
        self._arriving = False
        self.reached = False

    def invalidate_lookahead(self) -> None:
        """Request processing of the path ahead at the next tick."""
        self._lookahead_at = -math.inf

    def follow(
        self,
        here: MotionState,
        goal: GoalParameters,
        objective: DrivingObjective,
        statistics: Statistics,
        stuck: bool,
    ) -> ReferencePath:
        """
        Return the section to drive, and update the progress on it.

        A car that is `stuck` plans a manoeuvre to a place of the section farther ahead.

        Raises
        ------
        InputError
            The goal is too far for a straight path.

        """
        place = (here.x, here.y)
        if not self._sections:
            assert self._goal is not None
            self._sections = [ReferencePath.from_poses([(*place, 0.0), self._goal])]
        if not self._manoeuvres.active:
            self._choose_heading(here, goal)
        manoeuvre = self._manoeuvres.update(
            here, self._sections, self.progress, objective, stuck, goal.heading_tolerance
        )
        if manoeuvre is not None:
            self._sections, self.progress = manoeuvre
            self._joined = None
            self.invalidate_lookahead()
        self._advance_sections(here, goal, objective)
        path = self._path
        self._manoeuvres.advance(len(self._sections))
        if self.progress is None and math.dist(path.points[0], place) < PROJECTION_WINDOW:
            self.progress = 0.0  # a plan that starts at the robot
        self._project(place, path, objective, statistics)
        off = OFF_PLAN_DISTANCE + objective.turning_circle  # turning around leaves the path
        if self._around is None and abs(statistics.cross_track) > off:
            path = self._join(place, math.hypot(here.v, here.vy), statistics)
        self._place = place
        assert self._on_section is not None
        statistics.progress = self._driven + self._on_section
        statistics.distance_to_goal = math.dist(self._sections[-1].goal[:2], place)
        return path

    @property
    def in_manoeuvre(self) -> bool:
        """Return whether a car drives a planned manoeuvre."""
        return self._manoeuvres.active

    @property
    def ahead(self) -> ReferencePath | None:
        """Return the section to drive; None without a plan or before the first projection."""
        return self._path if self._sections and self.progress is not None else None

    def needs_lookahead(self) -> bool:
        """Return whether the path ahead should be processed again."""
        if self.progress is None:
            return False
        return abs(self.progress - self._lookahead_at) > RENEWAL_DISTANCE

    def mark_lookahead(self) -> None:
        """Record that the path ahead is processed from the current progress."""
        if self.progress is not None:
            self._lookahead_at = self.progress

    @property
    def distance_remaining(self) -> float:
        """Return the remaining path length [m]."""
        if not self._sections:
            return 0.0
        path = self._path
        here = path.length - (self.progress or 0.0) if self._around is None else self._around
        return here + sum(section.length for section in self._sections[1:])

    @property
    def goal(self) -> tuple[float, float, float] | None:
        """Return the final pose x [m], y [m], yaw [rad]; None without a plan or goal."""
        return self._end

    def check_goal(
        self,
        here: MotionState,
        path: ReferencePath,
        goal: GoalParameters,
        odometry: Odometry,
        standing: bool,
        rest: Callable[[], MotionState],
    ) -> bool:
        """
        Return whether to brake at the goal, or to stay there.

        The goal is reached when the odometry shows rest within the tolerances; a robot that merely
        passes through them continues. `standing` is whether the last command is zero. `rest`
        returns the state after braking now; a robot that is too fast to stop within the tolerances
        continues.
        """
        last = len(self._sections) == 1
        if goal.stateful and last and not self.reached:
            poses = [(each.x, each.y, each.yaw) for each in (here, rest())]
            self._goal_checker.update(poses, path.goal, goal)
        within = last and self._within_goal(here, path, goal)
        if self.reached:
            return True
        if within and not self._arriving:
            within = self._within_goal(rest(), path, goal)
        at_rest = standing and goal.is_stopped(math.hypot(odometry.vx, odometry.vy), odometry.wz)
        self._arriving = within or (self._arriving and not at_rest)
        self.reached = within and at_rest
        return self._arriving

    def is_blocked(self, path: ReferencePath, end: float, tolerance: float) -> bool:
        """
        Return whether the free path ends at `end` [m] and the robot has arrived there.

        It stays blocked until the free path extends by MIN_DEPARTURE_DISTANCE.
        """
        assert self.progress is not None
        near = tolerance if path.length - end > tolerance else min(tolerance, GOAL_STOP_DISTANCE)
        margin = MIN_DEPARTURE_DISTANCE if self._blocked else 0.0
        self._blocked = end - self.progress <= near + margin
        return self._blocked

    def _take(
        self,
        stamp: float | None,
        plan: list[ReferencePath],
        done: int,
        goal: tuple[float, float, float] | None,
    ) -> None:
        """Set a plan, of which the robot has completed `done` sections."""
        self._joined = self._around = self._place = None
        end = plan[-1].goal if plan else goal
        same = end is not None and same_pose(end, self.goal)
        self._manoeuvres.restart(same)
        if not same:
            self._goal_checker.restart()
        self._end = None if end is None else (*end[:2], math.remainder(end[2], math.tau))
        self._driven = sum(section.length for section in plan[:done])
        self.stamp, self._sections, self._goal = stamp, plan[done:], goal
        self.invalidate_lookahead()
        self._arriving = False
        self.reached = False

    def _choose_heading(self, here: MotionState, goal: GoalParameters) -> None:
        """Set the heading at the end of the plan to the nearer one of a symmetric goal."""
        last = self._sections[-1]
        assert self._end is not None
        if not goal.symmetric_yaw_tolerance and last.goal[2] == self._end[2]:
            return
        near = len(self._sections) == 1 and math.dist(last.goal[:2], (here.x, here.y)) < GOAL_NEAR
        driven = [] if near else [path for path in self._sections if not path.in_place]
        arrival = float(driven[-1].heading[-1]) if driven else here.yaw
        yaw = self._goal_checker.heading(self._end[2], arrival, goal)
        if last.goal[2] == yaw:
            return
        self._sections[-1] = replace(last, goal=(*last.goal[:2], yaw))
        if len(self._sections) == 1 and self._joined is not None:
            self._joined = replace(self._joined, goal=self._sections[-1].goal)
        self.invalidate_lookahead()

    @property
    def _path(self) -> ReferencePath:
        """Return the section to drive, with a prepended return to it."""
        return self._joined or self._sections[0]

    @property
    def _on_section(self) -> float | None:
        """Return the progress as an arc length on the planned section [m]."""
        if self._joined is None or self.progress is None:
            return self.progress
        return float(np.interp(self.progress, *self._knots))

    def _project(
        self,
        place: tuple[float, float],
        path: ReferencePath,
        objective: DrivingObjective,
        statistics: Statistics,
    ) -> None:
        """Project the robot onto the path; on a detour the progress stays before the obstacle."""
        before = self.progress
        now, cross_track = path.project(*place, before)
        if before is not None and self._place is not None:
            now = max(now, before - MAX_PROGRESS_SLIP - math.dist(place, self._place))
        self.progress, statistics.cross_track = now, cross_track
        self._around = None
        way = objective.way_round(path, now if before is None else max(before, now))
        if way is None:
            return
        behind, away = path.nearest(*place, way.first, way.last)
        if away < REJOINED_DISTANCE:
            self.progress, statistics.cross_track = behind, away
            self.invalidate_lookahead()
            return
        # Hold the progress, since the detour may begin with a turn back.
        self.progress = min(now if before is None else max(before, now), way.blocked)
        seconds = way.time_from(*place)
        self._around = path.length - self.progress
        if seconds < UNREACHABLE_TIME:
            self._around = seconds * objective.top_speed + path.length - way.end

    def _join(
        self, place: tuple[float, float], speed: float, statistics: Statistics
    ) -> ReferencePath:
        """Return the section with a prepended return from the position of the robot."""
        section, on_section = self._sections[0], self._on_section
        assert on_section is not None
        on_section, cross_track = section.project(*place, on_section)
        ahead = max(min(abs(cross_track), PROJECTION_WINDOW), MERGE_TIME * speed)
        path, way, at = section.joined_from(*place, on_section, ahead)
        self._joined = path
        self._knots = np.array([[0.0, way, path.length], [on_section, at, section.length]])
        self.progress, statistics.cross_track = 0.0, 0.0
        self.invalidate_lookahead()
        return path

    def _advance_sections(
        self, here: MotionState, goal: GoalParameters, objective: DrivingObjective
    ) -> None:
        """Go on with the next section where one is complete or its end is blocked."""
        blocked = False
        while len(self._sections) > 1:
            path = self._path
            if not (blocked and path.in_place):
                complete = self._at_cusp(here, path, goal)
                blocked = not complete and self._is_blocked_to_end(
                    path, objective.end(path), goal
                )
                if not (complete or blocked):
                    return
            self._driven += self._sections[0].length
            self.progress, self._joined = 0.0, None
            self.invalidate_lookahead()
            del self._sections[0]

    def _is_blocked_to_end(self, path: ReferencePath, end: float, goal: GoalParameters) -> bool:
        """Return whether the robot has arrived before an obstacle on the end of the section."""
        if self.progress is None or path.length - end > REJOIN_DISTANCE:
            return False
        return self.is_blocked(path, end, goal.position_tolerance)

    def _at_cusp(self, here: MotionState, path: ReferencePath, goal: GoalParameters) -> bool:
        """
        Return whether the section is complete: the robot is at its end or cannot come nearer.

        A car that misses a cusp laterally would otherwise oscillate beside it.
        """
        if path.in_place:
            turn = abs(math.remainder(here.yaw - path.goal[2], math.tau))
            near = math.dist(path.goal[:2], (here.x, here.y)) <= CUSP_PASSED_DISTANCE
            return near and turn <= min(ROTATION_TOLERANCE, goal.heading_tolerance)
        tolerance = goal.position_tolerance
        if path.exact:
            rolls = here.v * path.direction > CUSP_SPEED
            tolerance = min(tolerance, EXACT_CUSP_TOLERANCE if rolls else path.length / 3.0)
        if self.progress is None or path.length - self.progress > tolerance:
            return not path.exact and self._within_goal(here, path, goal)
        return math.dist(path.goal[:2], (here.x, here.y)) <= CUSP_PASSED_DISTANCE

    def _within_goal(self, here: MotionState, path: ReferencePath, goal: GoalParameters) -> bool:
        """Return whether the robot is at the end of the path, not only near it as in a loop."""
        if self.progress is None:
            return False
        if path.length - self.progress > goal.position_tolerance + PROJECTION_WINDOW:
            return False
        pose = (here.x, here.y, here.yaw)
        if len(self._sections) > 1:
            return goal.accepts(pose, path.goal)
        return self._goal_checker.accepts(pose, path.goal, goal)


def _same_place(old: ReferencePath, new: ReferencePath, progress: float | None) -> bool:
    """Return whether both paths pass the same point at this arc length."""
    if progress is None or progress > new.length:
        return False
    places = [
        [float(np.interp(progress, path.arc, axis)) for axis in path.points.T]
        for path in (old, new)
    ]
    return math.dist(*places) < SAME_POSITION
