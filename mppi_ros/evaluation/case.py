"""Case: the inputs of one episode as data, and the criteria it has to meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.parameters import Limits
from mppi_ros.driving.path import MIN_LENGTH, ReferencePath, sections
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.episode import Episode
from mppi_ros.simulation.episode_result import EpisodeResult
from mppi_ros.simulation.grid_planner import plan
from mppi_ros.simulation.physics import KINEMATIC, PhysicsParameters
from mppi_ros.simulation.plant import PLANTS, PlantParameters
from mppi_ros.simulation.world import MovingDisc, World

Pose = tuple[float, float, float]
Circle = tuple[float, float, float]  # x, y, radius [m]
MAX_START_BEARING = 0.5 * math.pi  # [rad] from the path; beyond it, driving ahead leads away
RUN_UP_LENGTH = 40.0  # [m] of a course driven before the first flying lap


@dataclass(frozen=True)
class Criteria:
    """
    Criteria of a passed episode, in addition to reaching the goal without contact.

    Attributes
    ----------
    time_ratio : float
        Maximum time as a multiple of the ideal time.
    standing_s : float
        Maximum duration of a standstill [s].
    reversals : int
        Maximum number of changes of the driving direction.
    jerk : float
        Maximum mean squared jerk of the commanded speed [m²/s⁶].
    zone_length : float
        Maximum length driven in zones [m].
    zone_speed : float
        Maximum mean speed in zones [m/s].

    """

    time_ratio: float = math.inf
    standing_s: float = math.inf
    reversals: float = math.inf
    jerk: float = math.inf
    zone_length: float = math.inf
    zone_speed: float = math.inf


@dataclass(frozen=True)
class Case:
    """
    All inputs of an episode as plain values, for other processes and the result file.

    Attributes
    ----------
    suite, scenario, plant : str
        Names; the plant is one of simulation.plant.PLANTS.
    seed : int
        Seed of all noise.
    start, goal : (float, float, float)
        x [m], y [m], yaw [rad].
    configuration : ControllerParameters
        Parameters of the controller.
    sensing : str
        'map', 'lidar' or 'both'; see Episode.
    timeout : float
        Maximum duration [s]; 0 selects 30 s plus three times the ideal time.
    world : str
        File of a map or of circles; empty if `circles` and `bounds` define the world.
    circles : tuple of (x, y, radius)
        Obstacles that the map shows [m].
    bounds : (x_min, y_min, x_max, y_max), optional
        Bounds of the map of `circles` [m].
    hidden : tuple of (x, y, radius)
        Obstacles that the map does not show [m].
    moving_obstacles : tuple of (x, y, radius, vx, vy, turn)
        Moving obstacles, see simulation.world.MovingDisc.
    zones : tuple of (x_min, y_min, x_max, y_max, cost)
        Rectangles in which the free cells of the map have a graded cost, 1 to 98 [m].
    path : tuple of (x, y, yaw)
        Plan to follow without replanning; empty if the planner computes it.
    laps : int
        Flying laps on `path`, a closed course that begins RUN_UP_LENGTH before the line; 0 for a
        path that is driven from end to end.
    lap_time : float
        Lap time of the reference [s].
    grip : float
        Maximum lateral acceleration of the plant [m/s²]; see PlantParameters.
    goal_radius, clock_after : float
        See Episode [m].
    optimal_time : float
        Optimal time OT of the BARN challenge [s]; 0 in other suites.
    criteria : Criteria
        Criteria of a passed episode.
    physics : PhysicsParameters
        Physics of the robot.
    response : PlantParameters, optional
        Response of an identified robot, which replaces that of `plant`.

    """

    suite: str
    scenario: str
    plant: str
    seed: int
    start: Pose
    goal: Pose
    configuration: ControllerParameters
    sensing: str = 'both'
    timeout: float = 0.0
    world: str = ''
    circles: tuple[Circle, ...] = ()
    bounds: tuple[float, float, float, float] | None = None
    hidden: tuple[Circle, ...] = ()
    moving_obstacles: tuple[tuple[float, ...], ...] = ()
    zones: tuple[tuple[float, ...], ...] = ()
    path: tuple[Pose, ...] = ()
    laps: int = 0
    lap_time: float = 0.0
    grip: float = 0.0
    goal_radius: float = 0.0
    clock_after: float = 0.0
    optimal_time: float = 0.0
    criteria: Criteria = field(default_factory=Criteria)
    physics: PhysicsParameters = KINEMATIC
    response: PlantParameters | None = None

    def episode(self, ideal: float) -> Episode:
        """
        Return the episode; `ideal` is its ideal time [s].

        Raises
        ------
        InputError
            The world cannot be read.

        """
        world = self._map().with_zones(self.zones).with_discs(self.hidden)
        return Episode(
            world=world.with_moving_obstacles([MovingDisc(*row) for row in self.moving_obstacles]),
            start=self.start,
            goal=self.goal,
            configuration=self.configuration,
            plant=replace(self.response or PLANTS[self.plant], grip=self.grip),
            physics=self.physics,
            sensing=self.sensing,
            path=self._plan(),
            timing_gates=self._marks(),
            goal_radius=self.goal_radius,
            clock_after=self.clock_after,
            timeout=self.timeout or 30.0 + 3.0 * ideal,
            seed=self.seed,
        )

    def run(self) -> tuple[dict[str, Any], EpisodeResult]:
        """
        Run the episode; return its record for the result file, and the complete result.

        Raises
        ------
        InputError
            The world cannot be read, or start or goal is invalid; the message names the case.

        """
        try:
            ideal = self.ideal_time()
            episode = self.episode(ideal)
            result = episode.run()
        except InputError as error:
            raise InputError(f'{self.suite} {self.scenario}: {error}') from None
        return self.to_record(episode, result, ideal), result

    def to_record(self, episode: Episode, result: EpisodeResult, ideal: float) -> dict[str, Any]:
        """Return the record of an episode with this ideal time [s] for the result file."""
        failed = self._failed(result, ideal)
        return {
            'scenario': self.scenario,
            'plant': self.plant,
            'physics': self.physics.kind,
            'seed': self.seed,
            'success': result.success,
            'collision': result.collision,
            'timeout': result.timeout,
            'passed': not failed,
            'failed': failed,
            'time_s': result.time_s,
            'ideal_time_s': ideal,
            'path_length_m': result.path_length_m,
            'score': self._score(result, ideal),
            **({'lap_times_s': result.splits_s} if self.laps else {}),
            'min_clearance_m': result.min_clearance_m,
            'cross_track_rms_m': result.cross_track_rms_m,
            'mean_jerk': result.mean_jerk,
            'reversals': result.reversals,
            'standing_share': result.standing_share,
            'longest_standing_s': result.longest_standing_s,
            'reason': result.reason,
            'solve_ms': result.solve_ms,
            'inputs': self.inputs(),
        }

    def discs(self, time: float) -> NDArray[np.float64]:
        """Return x, y, radius [m] of the unmapped obstacles at a time [s], float64[n, 3]."""
        moving = [MovingDisc(*obstacle).at(time) for obstacle in self.moving_obstacles]
        return np.array([*self.hidden, *moving]).reshape(-1, 3)

    def inputs(self) -> dict[str, Any]:
        """Return all inputs of this case except for the parameters of the controller."""
        values = asdict(self)
        del values['configuration']
        if self.physics == KINEMATIC:
            del values['physics']
        return {name: value for name, value in values.items() if value not in ((), None, '')}

    def ideal_time(self) -> float:
        """
        Return the time [s] at top speed along the shortest sensible path, from and to rest.

        It includes the turns in place that the path requires. BARN cases return OT, laps the time
        of the reference. Other cases use the given path, or a plan around all static obstacles;
        the time is infinite if there is none.
        """
        if self.optimal_time:
            return self.optimal_time
        if self.laps:
            return self.laps * self.lap_time
        limits = self.configuration.limits
        path = np.array(self.path) if self.path else self._known_path()
        if path is None:
            return math.inf
        if self.configuration.motion_model == 'ackermann':
            return driving_time(ReferencePath.from_poses(path).length, limits)
        turns = self.configuration.motion_model == 'diff_drive'
        return free_time(path, self.start[2], self.goal[2], limits, turns, given=bool(self.path))

    def _plan(self) -> NDArray[np.float64] | None:
        """Return the plan to follow; a course has one more lap for run-up and run-out."""
        if not self.path:
            return None
        return np.array(self.path + self.path[1:] * self.laps)

    def _marks(self) -> tuple[float, ...]:
        """Return the positions on the plan at which laps begin and end [m]."""
        if not self.laps:
            return ()
        around = ReferencePath.from_poses(np.array(self.path)[:, :2]).length
        return tuple(RUN_UP_LENGTH + lap * around for lap in range(self.laps + 1))

    def _map(self) -> World:
        if self.world:
            return World.load(self.world)
        return World.from_circles(self.circles, self.bounds)

    def _known_path(self) -> NDArray[np.float64] | None:
        known = drawn(self._map().occupancy, self.hidden)
        return plan(known, self.start, self.goal, Footprint.of(self.configuration.robot))

    def _failed(self, result: EpisodeResult, ideal: float) -> list[str]:
        """Return the names of the criteria that are not met."""
        wanted = self.criteria
        inside = self._in_zones(result.trace.pose)
        steps = np.hypot(*np.diff(result.trace.pose[:, :2], axis=0).T)
        speed = np.hypot(*result.trace.twist[:, :2].T)
        held = {
            'reached': result.success,
            'no contact': not result.collision,
            f'time within {wanted.time_ratio:g} × ideal':
                not result.success or result.time_s <= wanted.time_ratio * ideal,
            f'standing at most {wanted.standing_s:g} s':
                result.longest_standing_s <= wanted.standing_s,
            f'at most {wanted.reversals:g} reversals': result.reversals <= wanted.reversals,
            f'jerk at most {wanted.jerk:g} m²/s⁶': result.mean_jerk <= wanted.jerk,
            f'at most {wanted.zone_length:g} m in zones':
                float(steps[inside[1:]].sum()) <= wanted.zone_length,
            f'mean speed at most {wanted.zone_speed:g} m/s in zones':
                not inside.any() or float(speed[inside].mean()) <= wanted.zone_speed,
        }  # fmt: skip
        return [name for name, holds in held.items() if not holds]

    def _in_zones(self, poses: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which of the poses, float64[n, 3], are in a zone, bool[n]."""
        inside = np.zeros(len(poses), bool)
        for left, bottom, right, top, _ in self.zones:
            x, y = poses[:, 0], poses[:, 1]
            inside |= (left <= x) & (x <= right) & (bottom <= y) & (y <= top)
        return inside

    def _score(self, result: EpisodeResult, ideal: float) -> float:
        """Return the BARN score, at most 0.5, or in other suites the share of the ideal speed."""
        if not result.success:
            return 0.0
        if self.laps:
            return ideal / result.time_s
        if self.optimal_time:
            least, most = 2.0 * ideal, 8.0 * ideal
            return ideal / min(max(result.time_s, least), most)
        return min(1.0, ideal / result.time_s)


def drawn(occupancy: Costmap, discs: Sequence[Circle]) -> Costmap:
    """Return the map with discs drawn into it."""
    if not discs:
        return occupancy
    height, width = occupancy.shape
    side, left, bottom = occupancy.resolution, occupancy.origin_x, occupancy.origin_y
    bounds = (left, bottom, left + width * side, bottom + height * side)
    over = World.from_circles(discs, bounds, side).occupancy.data
    return replace(occupancy, data=np.maximum(occupancy.data, over))


def driving_time(length: float, limits: Limits) -> float:
    """Return the time [s] to drive `length` [m] straight, from rest to rest."""
    up, down = limits.ax_max, -limits.ax_min
    top = min(limits.vx_max, math.sqrt(2.0 * length * up * down / (up + down)))
    ramps = 0.5 * top * top * (1.0 / up + 1.0 / down)
    return top / up + top / down + (length - ramps) / top if top > 0.0 else 0.0


def turning_time(angle: float, limits: Limits) -> float:
    """Return the time [s] to turn in place by `angle` [rad], from rest to rest."""
    size = abs(angle)
    rate = min(limits.wz_max, math.sqrt(size * limits.az_max))
    return size / rate + rate / limits.az_max if rate > 0.0 else 0.0


def free_time(
    path: NDArray[np.float64],
    start_yaw: float,
    goal_yaw: float,
    limits: Limits,
    heads_along: bool,
    *,
    given: bool,
) -> float:
    """
    Return the time [s] to drive a path, including the turns in place that it requires.

    Parameters
    ----------
    path : float64[N, 3]
        x [m], y [m], yaw [rad].
    start_yaw, goal_yaw : float
        Heading at the start and at the goal [rad].
    limits : Limits
        Speeds and accelerations.
    heads_along : bool
        Whether the heading has to be along the path or against it; else it is free.
    given : bool
        Whether the yaws of the path are to be followed; else it may be driven backward, if that
        is faster.

    """
    parts = [part for part in sections(path) if part.length > MIN_LENGTH]
    whole_turn = turning_time(math.remainder(goal_yaw - start_yaw, math.tau), limits)
    moves = np.hypot(*np.diff(path[:, :2], axis=0).T) >= MIN_LENGTH
    if not parts:
        return whole_turn
    length = ReferencePath.from_poses(path).length
    driving = driving_time(length, limits)
    if not heads_along:
        return max(driving, whole_turn)

    def ends(facing: float) -> float:
        """
        Return the time of both turns for a path driven forward (0) or backward (π).

        The first MAX_START_BEARING of a turn is made while driving.
        """
        first = parts[0].yaw[0] + (math.pi if parts[0].direction < 0.0 else 0.0) + facing
        last = parts[-1].yaw[-1] + (math.pi if parts[-1].direction < 0.0 else 0.0) + facing
        turns = (math.remainder(first - start_yaw, math.tau),
                 math.remainder(goal_yaw - last, math.tau))  # fmt: skip
        return sum(turning_time(max(abs(turn) - MAX_START_BEARING, 0.0), limits) for turn in turns)

    if given:
        first, last = np.flatnonzero(moves)[[0, -1]]
        inside = np.diff(path[first : last + 1, 2])[~moves[first:last]]
        turning = sum(turning_time(math.remainder(turn, math.tau), limits) for turn in inside)
        return driving + turning + ends(0.0)
    forward = driving + ends(0.0)
    if limits.vx_min == 0.0:
        return forward
    backward = replace(limits, vx_max=-limits.vx_min)
    return min(forward, driving_time(length, backward) + ends(math.pi))
