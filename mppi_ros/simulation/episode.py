"""
Episode: a controller drives a simulated robot from start to goal; deterministic, no ROS.

More than 400 lines: all activities of an episode share its state.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
from dataclasses import dataclass, field
from functools import cache
import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.controller import Controller
from mppi_ros.control.goal_checker import GoalChecker
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.tick_result import ControllerState, Statistics, TickResult
from mppi_ros.control.warm_up import warm_up
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.path import ReferencePath
from mppi_ros.driving.track_prediction import TrackPrediction
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.episode_result import (
    STANDING_SPEED,
    STANDING_TURN_RATE,
    EpisodeResult,
    Trace,
)
from mppi_ros.simulation.lidar import Lidar
from mppi_ros.simulation.physics import KINEMATIC, PhysicsParameters, create_robot
from mppi_ros.simulation.plant import NOMINAL, PlantParameters
from mppi_ros.simulation.replanner import Replanner
from mppi_ros.simulation.rolling_costmap import RollingCostmap
from mppi_ros.simulation.world import World

Pose = tuple[float, float, float]  # x [m], y [m], yaw [rad]

CONTACT_RATE = 100.0  # [Hz]
ODOMETRY_RATE = 50.0  # [Hz]
COSTMAP_RATE = 10.0  # [Hz]
PLAN_RATE = 2.0  # [Hz] of checks of the plan
GOAL_SLACK = 0.1  # [m] [rad] added to the goal tolerances for the true pose


class ReactiveCrowd(Protocol):
    """Moving obstacles that react to the robot."""

    def advance(
        self, time: float, pose: NDArray[np.float64], twist: NDArray[np.float64]
    ) -> None:
        """Advance to a time [s], given the true pose and twist of the robot, float64[3] each."""


@dataclass(frozen=True)
class Episode:
    """
    Definition of an episode: equal definitions give equal results, bit for bit.

    Attributes
    ----------
    world : World
        Obstacles and static map.
    start, goal : (float, float, float)
        x [m], y [m], yaw [rad].
    configuration : ControllerParameters
        Parameters of the controller; the limits also apply to the drives of the robot.
    plant : PlantParameters
        True response and odometry of the robot.
    physics : PhysicsParameters
        Physics of the robot; other than kinematic ones replace the response of `plant`.
    sensing : str
        'map': the static map only; 'lidar': no map, only scans; 'both': scans on the static map.
    drifts : bool, optional
        The odometry drifts; by default it does without a map.
    lidar : Lidar
        The lidar.
    path : float64[N, 3], optional
        A fixed plan; by default plans are computed, and replaced when their cost increases.
    timing_gates : tuple of float
        Arc lengths on `path` at which time is taken [m]: the clock starts at the first one, and
        the episode succeeds at the last. If empty, it ends at the goal.
    goal_radius : float
        Distance to the goal within which the episode succeeds [m]; 0 requires that the
        controller reports the goal and the robot stands there.
    clock_after : float
        Distance of the robot from the start at which the clock starts [m].
        The clock starts when the robot has moved so far [m].
    timeout : float
        Maximum time on the clock [s].
    seed : int
        Seed of all noise.
    driver : callable, optional
        Creates, from configuration and seed, a replacement of the controller with the methods
        set_odometry, set_scan, set_costmap, set_plan, clear_plan and tick.
    crowd : ReactiveCrowd, optional
        Moving obstacles that react to the robot, starting at time 0; used in one run only.

    """

    world: World
    start: Pose
    goal: Pose
    configuration: ControllerParameters = field(default_factory=ControllerParameters)
    plant: PlantParameters = NOMINAL
    physics: PhysicsParameters = KINEMATIC
    sensing: str = 'both'
    drifts: bool | None = None
    lidar: Lidar = field(default_factory=Lidar)
    path: NDArray[np.float64] | None = None
    timing_gates: tuple[float, ...] = ()
    goal_radius: float = 0.0
    clock_after: float = 0.0
    timeout: float = 60.0
    seed: int = 0
    driver: Callable[[ControllerParameters, int], Any] | None = None
    crowd: ReactiveCrowd | None = None

    def run(self) -> EpisodeResult:
        """
        Run until the goal, a contact or the time-out.

        Raises
        ------
        InputError
            Unknown sensing, timing_gates without a path, start or goal in contact, or a start or
            goal that cannot be planned.

        """
        if self.sensing not in ('map', 'lidar', 'both'):
            raise InputError(f'sensing = {self.sensing!r} is not one of map, lidar, both')
        if self.timing_gates and self.path is None:
            raise InputError('timing_gates are arc lengths on a path, but there is no path')
        _warm_up(self.configuration)
        return EpisodeRun(self).result()


class EpisodeRun:
    """A running episode."""

    def __init__(self, episode: Episode) -> None:
        self._episode = episode
        c = episode.configuration
        drifts = episode.sensing == 'lidar' if episode.drifts is None else episode.drifts
        self._footprint = Footprint.of(c.robot)
        corners = np.reshape(c.robot.footprint, (-1, 2))
        self._body = corners if len(corners) else c.robot.radius
        seeds = np.random.SeedSequence(episode.seed).generate_state(3) // 2
        self._plant = create_robot(
            episode.physics,
            dataclasses.replace(
                episode.plant, motion_model=c.motion_model, limits=c.limits,
                drifts=drifts,
            ),
            episode.start, int(seeds[0]),
        )
        self._rng = np.random.default_rng(int(seeds[1]))
        self._controller = (episode.driver or Controller)(c, int(seeds[2]))
        occupancy = episode.world.occupancy
        height, width = occupancy.shape
        self._mapping = RollingCostmap(
            (width * occupancy.resolution, height * occupancy.resolution), occupancy.resolution,
            self._footprint, origin=(occupancy.origin_x, occupancy.origin_y),
            static=None if episode.sensing == 'lidar' else occupancy,
        )
        # The costmap extends slightly beyond the reach of the horizon.
        self._side = 2.0 * (c.limits.vx_max * c.mppi.horizon + 2.0)
        self._planner = Replanner(self._footprint, unknown_is_free=episode.sensing == 'lidar')
        self._planned = False
        self._measured = self._plant.odometry(0.0)
        self._near: Costmap = self._mapping.known((self._measured.x, self._measured.y), self._side)
        self._clock: float | None = None
        self._goal_checker = GoalChecker()
        path = episode.path if episode.timing_gates else None
        self._course = None if path is None else ReferencePath.from_poses(path[:, :2])
        self._way = 0.0
        self._passed: list[float] = []
        self._clearance = self._least = self._measure_clearance()
        self._length = 0.0
        self._rows: list[tuple[float, ...]] = []
        self._ticks: list[TickResult] = []
        self._obstacles: list[list[TrackPrediction]] = []
        if self._clearance <= 0.0:
            x, y, yaw = episode.start
            raise InputError(f'start ({x:.2f}, {y:.2f}) m, {yaw:.2f} rad is in contact')
        self._check_goal()
        self._activities: list[tuple[float, Callable[[float], None]]] = [
            (CONTACT_RATE, self._check),
            (ODOMETRY_RATE, self._update_odometry),
            (COSTMAP_RATE, self._update_costmap),
            (PLAN_RATE, self._update_plan),
            (c.control_rate, self._control),
        ]
        if episode.sensing != 'map':
            self._activities.insert(2, (episode.lidar.rate, self._update_scan))
        self._counts = [0] * len(self._activities)

    def _check_goal(self) -> None:
        """Raise InputError if a robot that has to stand at the goal is in contact there."""
        episode, tolerances = self._episode, self._episode.configuration.goal
        any_heading = tolerances.heading_tolerance >= math.pi
        if any_heading or episode.goal_radius > 0.0 or episode.timing_gates:
            return
        static, (x, y, yaw) = episode.world.without_moving_obstacles(), episode.goal
        yaws = (yaw, yaw + math.pi) if tolerances.symmetric_yaw_tolerance else (yaw,)
        if all(static.clearance(self._body, (x, y, each)) <= 0.0 for each in yaws):
            raise InputError(f'goal ({x:.2f}, {y:.2f}) m, {yaw:.2f} rad is in contact')

    @property
    def pose(self) -> NDArray[np.float64]:
        """True x [m], y [m] and yaw [rad], float64[3]."""
        return self._plant.pose

    @property
    def at_goal(self) -> bool:
        """Whether the robot truly is at the goal, or has passed all timing gates."""
        return self._at_goal()

    def result(self) -> EpisodeResult:
        """Run to the end."""
        self.advance(math.inf)
        return self._summary()

    def advance(self, until: float) -> None:
        """Run to the end, or all that happens until a time [s]."""
        while not self._is_over():
            rates = [rate for rate, _ in self._activities]
            due = [count / rate for count, rate in zip(self._counts, rates, strict=True)]
            now = min(due)
            if now > until:
                return
            self._plant.advance(now - self._plant.time)
            for index, (_, act) in enumerate(self._activities):
                if due[index] <= now + 1e-9:
                    act(now)
                    self._counts[index] += 1

    def _measure_clearance(self) -> float:
        plant = self._plant
        return self._episode.world.clearance(
            self._body, plant.pose, inflation=self._episode.plant.inflation, time=plant.time
        )

    def _check(self, now: float) -> None:
        """Measure clearance and progress, and start the clock."""
        if self._episode.crowd is not None:
            self._episode.crowd.advance(now, self._plant.pose, self._plant.twist)
        place = self._plant.pose[:2]
        if self._course is not None:
            self._pass_gates(now, self._course)
        elif self._clock is None and math.dist(place, self._episode.start[:2]) >= (
            self._episode.clock_after
        ):
            self._clock = now
        goal = self._episode.configuration.goal
        if goal.stateful:
            pose = tuple(self._plant.pose)
            self._goal_checker.update([pose], self._episode.goal, goal, GOAL_SLACK)
        self._least = self._measure_clearance()
        self._clearance = min(self._clearance, self._least)

    def _pass_gates(self, now: float, course: ReferencePath) -> None:
        """Record the time at each timing gate passed since the last check."""
        before = self._way
        self._way, _ = course.project(self._plant.pose[0], self._plant.pose[1], before)
        for gate in self._episode.timing_gates[len(self._passed) :]:
            if self._way < gate:
                break
            share = (self._way - gate) / max(self._way - before, 1e-9)
            self._passed.append(now - min(share, 1.0) / CONTACT_RATE)
            self._clock = self._passed[0]

    def _update_odometry(self, now: float) -> None:
        self._measured = self._plant.odometry(now)
        self._controller.set_odometry(self._measured)

    def _update_scan(self, now: float) -> None:
        scan = self._episode.lidar.scan(self._episode.world, self._plant.pose, self._rng, now)
        self._mapping.add(scan, self._measured_pose())
        self._controller.set_scan(scan)

    def _update_costmap(self, now: float) -> None:
        around = (self._measured.x, self._measured.y)
        self._near = self._mapping.costmap(around, self._side)
        self._controller.set_costmap(now, self._near)

    def _update_plan(self, now: float) -> None:
        path, planner = self._episode.path, self._planner
        if path is not None:
            if not len(planner.poses):
                planner.poses = path
                self._controller.set_plan(now, path)
            return
        had_plan = len(planner.poses) > 0
        try:
            changed = planner.update(
                self._measured_pose(), np.array(self._episode.goal), self._near,
                self._mapping.known,
            )
        except InputError:
            if not (self._planned or self._may_be_covered()):
                raise
            return  # keep the plan, or wait for the first one
        self._planned = True
        if not changed:
            return
        if len(planner.poses):
            self._controller.set_plan(now, planner.poses)
        elif had_plan:
            self._controller.clear_plan()

    def _may_be_covered(self) -> bool:
        """Return whether only moving obstacles can make start or goal invalid."""
        episode = self._episode
        static, radius = episode.world.without_moving_obstacles(), self._footprint.inscribed_radius
        return len(episode.world.moving_obstacles) > 0 and all(
            static.occupancy.contains(pose[0], pose[1]) and static.clearance(radius, pose) > 0.0
            for pose in (episode.start, episode.goal)
        )

    def _control(self, now: float) -> None:
        tick = self._controller.tick(now)
        self._plant.command(tick.command, now)
        self._ticks.append(tick)
        if isinstance(self._controller, Controller):
            self._obstacles.append(self._controller.predicted_obstacles(now))
        command = (tick.command.vx, tick.command.vy, tick.command.wz)
        self._rows.append(
            (now, *self._plant.pose, *self._plant.twist, *command, self._clearance)
        )
        self._clearance = self._least

    def _measured_pose(self) -> NDArray[np.float64]:
        return np.array([self._measured.x, self._measured.y, self._measured.yaw])

    def _elapsed(self) -> float:
        if self._passed and len(self._passed) == len(self._episode.timing_gates):
            return self._passed[-1] - self._passed[0]
        return self._plant.time - (self._clock or 0.0)

    def _is_over(self) -> bool:
        return self._least <= 0.0 or self._elapsed() >= self._episode.timeout or self._ended()

    def _ended(self) -> bool:
        """Return whether the robot is at the goal, or reports it and stands still."""
        if self._episode.timing_gates:
            return self._at_goal()
        if self._episode.goal_radius > 0.0:
            return self._at_goal()
        if not self._ticks or self._ticks[-1].state is not ControllerState.REACHED:
            return False
        vx, vy, w = self._plant.twist
        return bool(math.hypot(vx, vy) < STANDING_SPEED and abs(w) < STANDING_TURN_RATE)

    def _at_goal(self) -> bool:
        """Return whether the robot truly is at the goal, or has passed all timing gates."""
        if self._episode.timing_gates:
            return len(self._passed) == len(self._episode.timing_gates)
        pose, goal = self._plant.pose, self._episode.goal
        if self._episode.goal_radius > 0.0:
            return math.dist(pose[:2], goal[:2]) <= self._episode.goal_radius
        tolerances = self._episode.configuration.goal
        return self._goal_checker.accepts(tuple(pose), goal, tolerances, GOAL_SLACK)

    def _summary(self) -> EpisodeResult:
        collision = self._least <= 0.0
        ended = not collision and self._ended()
        trace = self._trace()
        still = np.hypot(*trace.twist[:, :2].T) < STANDING_SPEED
        still &= np.abs(trace.twist[:, 2]) < STANDING_TURN_RATE
        still = still[:-1][trace.time[:-1] >= (self._clock or 0.0)]
        period = 1.0 / self._episode.configuration.control_rate
        speed = trace.command[:, 0]
        jerk = np.diff(speed, n=2) / period**2
        directions = np.sign(speed[np.abs(speed) > STANDING_SPEED])
        solve = trace.statistics['solve_ms']
        solve = solve[np.isfinite(solve)]
        cross = trace.statistics['cross_track']
        cross = cross[np.isfinite(cross)]
        return EpisodeResult(
            success=ended and self._at_goal(),
            collision=collision,
            timeout=not collision and not ended,
            time_s=round(self._elapsed(), 9),
            path_length_m=float(np.hypot(*np.diff(trace.pose[:, :2], axis=0).T).sum()),
            min_clearance_m=float(trace.clearance.min()),
            cross_track_rms_m=float(np.sqrt(np.mean(cross**2))) if cross.size else math.nan,
            splits_s=tuple(round(float(split), 9) for split in np.diff(self._passed)),
            mean_jerk=float(np.mean(jerk**2)) if jerk.size else 0.0,
            reversals=int(np.count_nonzero(np.diff(directions))),
            standing_share=float(np.mean(still)) if still.size else 0.0,
            longest_standing_s=period * _longest_run(still),
            solve_ms={
                name: float(np.percentile(solve, share)) if solve.size else math.nan
                for name, share in (('p50', 50), ('p99', 99), ('max', 100))
            },
            reason=trace.reasons[-1],
            trace=trace,
        )

    def _trace(self) -> Trace:
        last = (self._plant.time, *self._plant.pose, *self._plant.twist, 0.0, 0.0, 0.0)
        rows = np.array([*self._rows, (*last, min(self._clearance, self._least))])
        # The last row is the end of the episode, between two ticks, without statistics.
        ticks = [tick.statistics for tick in self._ticks]
        rows[-1, 7:10] = rows[-2, 7:10] if len(rows) > 1 else 0.0
        names = [f.name for f in dataclasses.fields(Statistics)]
        columns = {name: [getattr(each, name) for each in ticks] for name in names}
        reasons = [f'{tick.state.value}: {tick.reason}'.rstrip(': ') for tick in self._ticks]
        return Trace(
            time=rows[:, 0],
            pose=rows[:, 1:4],
            twist=rows[:, 4:7],
            command=rows[:, 7:10],
            clearance=rows[:, 10],
            statistics={name: np.array([*values, math.nan]) for name, values in columns.items()},
            plan=self._planner.poses,
            map=self._mapping.known(),
            footprint=self._footprint.polygon,
            goal=self._episode.goal,
            reasons=[*reasons, reasons[-1] if reasons else ''],
            obstacles=[*self._obstacles, *self._obstacles[-1:]],
        )


def _longest_run(flags: NDArray[np.bool_]) -> int:
    """Return the length of the longest run of true flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


# Before the first episode of a process, so that its timing is like that of the others.
_warm_up = cache(warm_up)
