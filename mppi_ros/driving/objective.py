"""
Objective f(x) of a mobile robot: arrays of state, path, costmap and parameters for rollouts.

More than 400 lines: one class fills all arrays, so that their layout is declared in one place.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.cost_to_go import CostToGo
from mppi_ros.driving.critics import CRITICS, CriticWeights
from mppi_ros.driving.distance_field import DistanceField
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.goal_heading import GoalHeadingSelector
from mppi_ros.driving.hybrid_astar import hybrid_astar
from mppi_ros.driving.lookahead import (
    FINE_DISTANCE,
    LENGTH_BEHIND,
    LENGTH_BEYOND_HORIZON,
    PlanLookahead,
    look_ahead,
    without_costmap,
)
from mppi_ros.driving.motion_models import (
    MODELS,
    Controls,
    Model,
    MotionState,
    delay_steps,
    first_step_reach,
    limit,
)
from mppi_ros.driving.obstacle_prediction import within_reach
from mppi_ros.driving.parameters import CriticParameters, Limits, PredictionParameters
from mppi_ros.driving.path import ReferencePath
from mppi_ros.driving.plugin import NO_PLUGIN, Plugin
from mppi_ros.driving.reeds_shepp import Pose
from mppi_ros.driving.rollout import (
    GoalScalars,
    GridScalars,
    PathScalars,
    RolloutArrays,
    compiled_block,
    path_frames,
    roll_out_blocks,
    rollout_serial,
)
from mppi_ros.driving.rollout_steps import RolloutStart
from mppi_ros.jit.simd import BLOCK
from mppi_ros.mppi.noise import REUSE_NOISE, WHITE, AR2Process, NoiseKey
from mppi_ros.parameters.errors import ParameterError

Floats = NDArray[np.float32]
GOAL_REACH = 1.0  # [m] within which the distance to the goal counts
EXACT_PATH_FACTOR = 5.0  # of the weight of path_tracking on a path that is followed closely
GOAL_NEAR = 0.5  # [m] within which the heading at the goal counts
PLAN_YAW_FACTOR = 10.0  # on the weight of the heading if the plan specifies it
TANGENT_YAW_FACTOR = 4.0  # on it for an omnidirectional robot, which can move sideways
NO_SPEED_LIMIT = 1e6
MIN_SIGMA_SCALE = 0.2  # on Σ's square root of the speeds while the robot turns at the goal
EMPTY_GRID = GridScalars(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)  # all points are in its first cell
# Slices of RolloutScalars, float32[n]: of the tick, of the critics, of the robot.
TICK_SCALARS = slice(
    0,
    len(
        RolloutStart._fields
        + GridScalars._fields
        + PathScalars._fields
        + GridScalars._fields
        + GoalScalars._fields
    ),
)
WEIGHT_SCALARS = slice(TICK_SCALARS.stop, TICK_SCALARS.stop + len(CriticWeights._fields))

FAR_LOOKAHEAD = 1.3  # times the reach of the far horizon within which a plan is checked
CULL_SLACK = 0.1  # [m] by which obstacles out of reach are farther than the critic sees
MIN_SEARCH_CLEARANCE = 0.05  # [m] of manoeuvres that are searched, which prefer more
MANOEUVRE_CLEARANCE = 0.1  # [m] between a manoeuvre of a car and obstacles


class DrivingObjective:
    """
    Cost of control sequences for one robot, evaluated in blocks of samples.

    Call `set_field` when a costmap arrives and `set_lookahead` after processing the path ahead;
    both are fast. Call `prepare` in each control tick; the optimiser then calls `evaluate_blocks`
    and `project`.

    Parameters
    ----------
    limits, critics, prediction : Limits, CriticParameters, PredictionParameters
        Limits, weights of the critics, and plant model.
    footprint : Footprint
        Footprint of the robot.
    steps : int
        Steps of the horizon, T.
    far_steps : int
        Steps of it while a moving obstacle is within reach; `steps` if that is more.
    time_step : float
        Length of a step [s].
    plugin : Plugin, optional
        Custom motion model and critic.
    motion_model : str
        Key of motion_models.MODELS.

    """

    def __init__(
        self,
        limits: Limits,
        critics: CriticParameters,
        prediction: PredictionParameters,
        footprint: Footprint,
        steps: int,
        time_step: float,
        plugin: Plugin | None = None,
        motion_model: str = 'diff_drive',
        far_steps: int = 0,
    ) -> None:
        self._vehicle, self._time_step = MODELS[motion_model], time_step
        self._numbers: Floats = np.zeros(
            WEIGHT_SCALARS.stop + len(self._vehicle._fields), np.float32
        )
        if not (plugin is None or isinstance(plugin, Plugin)):
            raise ParameterError(f'plugin = {plugin!r} is a {type(plugin).__name__}, not a Plugin')
        self._plugin = plugin  # keeps the compiled functions alive
        self._own = NO_PLUGIN if plugin is None else plugin.address()
        self.set_plant(limits, prediction)
        self._limits, self._critics = limits, critics
        self._footprint = footprint
        weights = CriticWeights.of(critics, limits, time_step, motion_model)
        self._round = weights._replace(
            progress=0.0, sideways=0.0, turning=0.0, backward=0.0, tracking=0.0, path_heading=0.0
        )
        facing = TANGENT_YAW_FACTOR if motion_model == 'omni' else 1.0
        self._plain = weights._replace(detour=0.0, path_heading=facing * weights.path_heading)
        # Yaws of the plan are followed regardless of the cost of driving otherwise.
        self._facing = self._plain._replace(
            path_heading=PLAN_YAW_FACTOR * weights.path_heading, backward=NO_SPEED_LIMIT
        )
        self._exact = self._plain._replace(tracking=EXACT_PATH_FACTOR * weights.tracking)
        self._weights_alone: dict[str, Floats] = {}  # of each critic
        self._set_weights(self._plain)
        self._coarse, self._fine = (
            _with_sweep(discs, time_step) for discs in (footprint.discs, footprint.fine_discs)
        )
        self._discs = self._coarse
        self.steps = self._near_steps = steps
        self._far_steps = max(steps, far_steps)
        self._reach_of_body = footprint.reach + CULL_SLACK
        self._reach = limits.vx_max * steps * time_step
        self._padded: Floats = np.zeros(9, np.float32)
        self._zone: Floats = np.zeros(0, np.float32)
        self._field: DistanceField | None = None
        self._to_go: Floats = np.zeros(9, np.float32)
        self._lookahead: PlanLookahead | None = None
        self._last_command: Controls = (0.0,) * self.model.controls()
        self._reach_of_first = 1.0  # [steps]
        self._pending: Floats = np.zeros(
            (delay_steps(self.model), self.model.controls()), np.float32
        )
        self.sigma_scale: Floats | None = None
        self._moving_obstacles: Floats = np.zeros((0, 7), np.float32)
        self._tables: RolloutArrays | None = None
        self._motion_model = motion_model
        # A car cannot rotate in place, so its heading at the goal follows from driving.
        self._turn = None if motion_model == 'ackermann' else GoalHeadingSelector()

    def set_plant(self, limits: Limits, prediction: PredictionParameters) -> None:
        """Set limits and plant; the costs are unchanged."""
        self.model: Model = self._vehicle.of(limits, prediction, self._time_step)
        self._plant = self.model
        self._numbers[WEIGHT_SCALARS.stop :] = self.model

    def cap_speed(self, speed: float, ahead: bool = True) -> None:
        """
        Limit the sampled speed [m/s], forward or backward, and laterally, until the next call.

        The costs are unchanged; inf removes the limit.
        """
        self.model = (
            self._plant.with_speed_limit(speed, ahead) if speed < math.inf else self._plant
        )
        self._numbers[WEIGHT_SCALARS.stop :] = self.model

    def cap_reverse(self, speed: float) -> None:
        """Limit the sampled speed backward [m/s], in addition, until the next `cap_speed`."""
        limit = type(self.model.v_min)(-speed)
        self.model = self.model._replace(v_min=max(self.model.v_min, limit))
        self._numbers[WEIGHT_SCALARS.stop :] = self.model

    @property
    def lookahead_distance(self) -> float:
        """Return the distance ahead within which a plan is checked for obstacles [m]."""
        far = FAR_LOOKAHEAD * self._limits.vx_max * self._far_steps * self._time_step
        return max(2.0 * self._reach, far) + LENGTH_BEYOND_HORIZON

    def set_field(self, field: DistanceField) -> None:
        """Set the distance field."""
        self._field = field
        self._padded = field.padded
        self._zone = field.padded_zone if self._critics.charge_zones else self._zone[:0]

    @property
    def lookahead(self) -> PlanLookahead | None:
        """Return the current lookahead; None without one."""
        return self._lookahead

    def set_lookahead(self, lookahead: PlanLookahead | None) -> None:
        """Set the lookahead; None clears it."""
        self._lookahead = lookahead
        if lookahead is not None and lookahead.detour is not None:
            self._to_go = lookahead.to_go

    def look_ahead(self, path: ReferencePath, progress: float) -> bool:
        """
        Check the plan ahead for obstacles and search a detour, synchronously.

        Return whether the plan is blocked and a detour exists.
        """
        if self._field is None:
            raise RuntimeError('set_field must come before look_ahead')
        found = look_ahead(
            path,
            progress,
            self.lookahead_distance,
            self._field,
            self._footprint,
            self._limits,
            self._critics,
        )
        self.set_lookahead(found)
        return found.detour is not None

    @property
    def top_speed(self) -> float:
        """Return the speed that converts time to length [m/s]."""
        return self._limits.vx_max

    @property
    def turning_circle(self) -> float:
        """Return the diameter of the turning circle [m]; 0 without one."""
        steered = self._vehicle is MODELS['ackermann']
        return 2.0 * self._limits.turning_radius_min if steered else 0.0

    @property
    def reach(self) -> float:
        """Return how far the robot drives within the horizon [m]."""
        return self._reach

    @property
    def backward(self) -> float:
        """Return how many times longer a metre backward takes than one forward."""
        slow = -self._limits.vx_min
        return self._limits.vx_max / slow if slow > 0.0 else math.inf

    def is_free(self, poses: NDArray[np.float64]) -> bool:
        """
        Return whether the body is clear of obstacles at poses, float64[N, 3].

        Obstacles nearer than MANOEUVRE_CLEARANCE are permitted as near as at the first or last.
        """
        if self._field is None:
            return False
        clearance = self._footprint.clearance(self._field, poses)
        return bool(clearance.min() >= _least_clearance(MANOEUVRE_CLEARANCE, clearance))

    def find_manoeuvre(
        self, start: Pose, end: Pose, radius: float, backward: float, cusp_cost: float
    ) -> NDArray[np.float64] | None:
        """
        Return free poses of a car from one pose to another with as many reversals as it takes.

        See `hybrid_astar` for the parameters. The clearance is at least MIN_SEARCH_CLEARANCE, or
        that at the start or the end if it is less.
        """
        if self._field is None:
            return None
        ends = self._footprint.clearance(self._field, np.array([start, end]))
        return hybrid_astar(
            start, end, radius, self._field, self._footprint.discs,
            _least_clearance(MIN_SEARCH_CLEARANCE, ends), backward, cusp_cost,
        )  # fmt: skip

    def way_round(self, path: ReferencePath, progress: float) -> CostToGo | None:
        """Return the detour around an obstacle on a path if it applies at an arc length [m]."""
        known = self._lookahead
        way = None if known is None or known.path is not path else known.detour
        if way is None:
            return None
        # The detour ignores the turning circle, so a car starts it late.
        first = way.late if self.turning_circle > 0.0 else way.leave
        return way if first <= progress <= way.last else None

    def end(self, path: ReferencePath) -> float:
        """Return the arc length at which to stop without a detour [m]; inf otherwise."""
        known = self._lookahead
        return math.inf if known is None or known.path is not path else known.end

    def prepare(
        self,
        state: MotionState,
        last_command: Controls,
        path: ReferencePath,
        progress: float,
        pending: Floats | None = None,
        moving_obstacles: NDArray[np.float64] | None = None,
        interval: float | None = None,
    ) -> None:
        """
        Set the situation of this tick.

        Parameters
        ----------
        state : MotionState
            Initial state of the rollouts: the state when the next command takes effect.
        last_command : (float, ...)
            The m controls of the previous command, from which rates are limited.
        path : ReferencePath
            Path to follow.
        progress : float
            Arc length of the robot on the path [m].
        pending : float32[n, m], optional
            Previous commands that a delayed axis has still to execute; see
            `motion_models.delay_steps`.
        moving_obstacles : float64[n, 7], optional
            Moving obstacles at the time of `state`, as of `expected_obstacles`.
        interval : float, optional
            Time since the last command, for which the next one is held [s]; one step by default.

        """
        field = self._field
        if field is None:
            raise RuntimeError('set_field must come before prepare')
        if pending is not None:
            self._pending = pending
        self._moving_obstacles, self.steps = self._moving_obstacles[:0], self._near_steps
        if moving_obstacles is not None and len(moving_obstacles):
            nearby = self._within_reach(moving_obstacles, state, last_command)
            self._moving_obstacles = nearby.astype(np.float32)
            if len(nearby):
                self.steps = self._far_steps
        reach = self._limits.vx_max * self.steps * self._time_step
        self._last_command = last_command
        self._reach_of_first = first_step_reach(interval or self._time_step, self._time_step)
        spread = self.model.sigma_scale(state.v)
        self.sigma_scale = None if spread is None else np.array(spread, np.float32)
        spacing = path.spacing
        first = max(0, int((progress - LENGTH_BEHIND) / spacing))
        last = min(
            len(path.arc),
            math.ceil((progress + reach + LENGTH_BEYOND_HORIZON) / spacing) + 1,
        )
        known = self._lookahead
        if known is None or not known.covers(path, first, last):
            known = without_costmap(path, first, last, self._limits, self._critics)
            self.set_lookahead(known)
        way = self.way_round(path, progress)
        straight = self._exact if path.exact else self._plain
        if path.facing is not None:
            straight = self._facing
        weights = straight if way is None else self._round
        if weights is not self._weights:
            self._set_weights(weights)
        goal_x, goal_y, goal_yaw = path.goal
        # On a detour the goal does not count before the robot has rejoined the plan.
        in_window = last == len(path.arc) and way is None
        unavoidable = 0.0
        stands = known.end <= (last - 1) * spacing
        if stands:  # the free path ends in the window
            last = min(last, max(int(known.end / spacing) + 1, first + 2))
            in_window = True
            goal_x, goal_y = path.points[last - 1]
            goal_yaw = float(path.heading[last - 1])
        elif in_window:
            goal_yaw = self._aim(state, path)
            unavoidable = self._unavoidable(path)
        is_near = math.dist((goal_x, goal_y), (state.x, state.y)) < FINE_DISTANCE
        self._discs = self._fine if in_window and not stands and is_near else self._coarse
        table = np.empty((last - first, 4), np.float32)
        left = np.empty(last - first + 1, np.float32)
        ways = np.empty((0 if path.facing is None else last - first, 2), np.float32)
        path_frames(
            path.points[first:last], path.yaw[first:last], path.heading[first:last],
            known.time_to_go[first - known.first :], spacing, state.x, state.y, table, ways, left,
        )  # fmt: skip
        start_arc = first * spacing if len(path.arc) > 1 else 0.0
        one, two, three = (*last_command, 0.0)[:3]
        self._numbers[TICK_SCALARS] = (
            RolloutStart(
                math.cos(state.yaw), math.sin(state.yaw), state.v, state.w, state.vy,
                state.curvature, one, two, three, progress - start_arc, self._reach_of_first,
            )
            + _grid(field, field.distance.shape, state)
            + PathScalars(1.0 / spacing, (last - first - 1) * spacing, path.direction)
            + (EMPTY_GRID if way is None else _grid(way, way.value.shape, state))
            + GoalScalars(
                goal_x - state.x, goal_y - state.y, math.cos(goal_yaw), math.sin(goal_yaw),
                GOAL_REACH if in_window else 0.0, 1.0 / GOAL_NEAR if in_window else 1e9,
                unavoidable,
            )
        )  # fmt: skip
        self._tables = RolloutArrays(
            self._padded, self._discs, table, left, ways, self._to_go,
            self._pending, self._moving_obstacles, self._zone, self._own,
        )  # fmt: skip

    def _within_reach(
        self, moving_obstacles: NDArray[np.float64], state: MotionState, last_command: Controls
    ) -> NDArray[np.float64]:
        """Return the rows, relative to the robot, that a sample can come near."""
        relative = moving_obstacles.copy()
        relative[:, :2] -= state.x, state.y
        if self._own.motion:
            return relative  # its speed is not bounded
        # The sum of the axes is at least the speed; each axis approaches its command.
        commands, motion, speed = [last_command, *self._pending.tolist()], (state.v, state.vy), 0.0
        for axis in range(2 if self.model.controls() == 3 else 1):
            sent = [command[axis] for command in commands]
            speed += max(map(abs, (motion[axis], *sent, *self._plant.bounds[axis])))
        return within_reach(
            relative, self._far_steps * self._time_step, self._reach_of_body,
            speed,
        )  # fmt: skip

    def _aim(self, state: MotionState, path: ReferencePath) -> float:
        """
        Return the heading to aim at, at the end of the path [rad].

        If only a turn with sufficient room remains, the standard deviations of the speeds are
        reduced with the distance to the goal. Otherwise their noise would mask the heading.
        """
        x, y, yaw = path.goal
        if self._turn is None or self._field is None:
            return yaw
        distance = math.dist((x, y), (state.x, state.y))
        near = distance < GOAL_NEAR
        here = state if near else state._replace(x=x, y=y)
        aim = self._turn.aim(
            here, state.yaw if near else float(path.heading[-1]), yaw, self._field,
            self._footprint.fine,
        )  # fmt: skip
        if near and self._turn.free:
            self.sigma_scale = np.ones(self.model.controls(), np.float32)
            self.sigma_scale[:-1] = max(distance / GOAL_NEAR, MIN_SIGMA_SCALE)
        return aim

    def _unavoidable(self, path: ReferencePath) -> float:
        """Return ((margin − d)⁺)² [m²] at the goal and on the turn to its heading."""
        if self._field is None:
            return 0.0
        clearance = float(self._footprint.fine.clearance(self._field, np.array([path.goal]))[0])
        if self._turn is not None:
            clearance = min(clearance, self._turn.clearance)
        return max(self._critics.obstacle.margin - max(clearance, 0.0), 0.0) ** 2

    def evaluate_blocks(
        self,
        mean: Floats,
        factor: Floats,
        noise: Floats,
        costs: Floats,
        threads: int,
        draw: NoiseKey = REUSE_NOISE,
        process: AR2Process = WHITE,
    ) -> None:
        """Fill costs, float32[blocks, BLOCK]; see mppi.optimizer.BlockObjective."""
        roll_out_blocks(
            self._block, mean, factor, noise, costs, threads, draw, process, self._numbers,
            self._tables,
        )  # fmt: skip

    def warm_up(self, threads: int) -> None:
        """Compile or load the rollout for a number of threads, without a rollout."""
        controls, table = self.model.controls(), np.zeros((1, 4), np.float32)
        tables = RolloutArrays(
            self._padded, self._discs, table, table[0], table[:, :2].copy(), self._to_go,
            self._pending, self._moving_obstacles, self._zone, self._own,
        )  # fmt: skip
        none: Floats = np.zeros((0, controls, BLOCK), np.float32)
        roll_out_blocks(
            self._block, np.zeros((1, controls), np.float32), np.eye(controls, dtype=np.float32),
            none, none[:, 0], threads, REUSE_NOISE, WHITE, self._numbers, tables,
        )  # fmt: skip

    @property
    def has_moving_obstacles(self) -> bool:
        """Return whether a moving obstacle is within reach, as of the last `prepare`."""
        return len(self._moving_obstacles) > 0

    @property
    def _block(self) -> Any:
        return compiled_block(self._motion_model)

    def project(self, mean: Floats) -> None:
        """Limit mean, float32[T, m], to speed and acceleration limits, in place."""
        limit(mean, self._last_command, self.model, self._reach_of_first)

    def costs_of_constant(self, commands: Floats, steps: int) -> Floats:
        """Return f of holding each of at most BLOCK commands, float32[n, m], for `steps` steps."""
        count, controls = commands.shape
        noise = np.zeros((1, steps * controls, BLOCK), np.float32)
        noise[0, :, :count] = np.tile(commands.T, (steps, 1))
        mean, factor = np.zeros((steps, controls), np.float32), np.eye(controls, dtype=np.float32)
        costs = np.empty((1, BLOCK), np.float32)
        self.evaluate_blocks(mean, factor, noise, costs, 1)
        return costs[0, :count]

    def cost_of_each_critic(self, mean: Floats) -> dict[str, float]:
        """
        Return the cost of each critic for the sequence `mean`, float32[T, m], separately [s].

        Before the first `prepare` the result is empty.
        """
        if self._tables is None:
            return {}
        noise = np.zeros((1, mean.size, BLOCK), np.float32)
        factor = np.zeros((mean.shape[1], mean.shape[1]), np.float32)
        costs = np.empty((1, BLOCK), np.float32)
        if not self._weights_alone:
            self._weights_alone = {
                critic: np.array(self._weights.only(critic), np.float32) for critic in CRITICS
            }
        charged = {}
        alone = self._numbers.copy()
        for critic, weights in self._weights_alone.items():
            alone[WEIGHT_SCALARS] = weights
            rollout_serial(
                self._block.address,
                mean,
                factor,
                REUSE_NOISE,
                WHITE,
                noise,
                alone,
                self._tables,
                costs,
            )
            charged[critic] = float(costs[0, 0])
        return charged

    def _set_weights(self, weights: CriticWeights) -> None:
        """Set the weights of the critics."""
        self._weights = weights
        self._weights_alone = {}  # filled when first needed
        self._numbers[WEIGHT_SCALARS] = weights


def _least_clearance(least: float, clearance: NDArray[np.float64]) -> float:
    """Return the clearance that a manoeuvre needs, from those at its first and last pose [m]."""
    return max(min(least, float(clearance[0]), float(clearance[-1])), 1e-6)


def _with_sweep(discs: NDArray[np.float64], time_step: float) -> Floats:
    """Return the discs with the growth by the square of the speed, float32[n, 4]."""
    sweep = time_step**2 / (8.0 * discs[:, 2:])
    return np.hstack([discs, sweep]).astype(np.float32)


def _grid(
    field: DistanceField | CostToGo, shape: tuple[int, ...], state: MotionState
) -> GridScalars:
    """Return the scalars of a padded field relative to the robot."""
    height, width = shape
    scale = 1.0 / field.resolution
    return GridScalars(
        scale=scale,
        x=(state.x - field.origin_x) * scale + 1.0,
        y=(state.y - field.origin_y) * scale + 1.0,
        columns=width + 2,
        last_column=width + 1,
        last_row=height + 1,
    )
