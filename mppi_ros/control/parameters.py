"""The whole configuration of a controller, and how it is read from the node's own ROS YAML."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from dataclasses import dataclass
import math
from pathlib import Path
from typing import Any

from mppi_ros.control.stopping_check import INTEGRATION_STEP, MAX_STOP_STEPS
from mppi_ros.driving.motion_models import MAX_DELAY_STEPS, MODELS
from mppi_ros.driving.parameters import (
    CriticParameters,
    GoalParameters,
    Limits,
    PredictionParameters,
    RobotParameters,
)
from mppi_ros.files import load_yaml, one_line
from mppi_ros.mppi.parameters import MppiParameters
from mppi_ros.parameters.declaration import group, parameter, replace
from mppi_ros.parameters.errors import InputError, ParameterError

NODE_NAME = 'mppi_controller'
ROS_PARAMETERS = (
    'start_type_description_service',
    'qos_overrides.',
)  # `ros2 param dump` writes them, too
MAX_TURN_PER_STEP = 1.5  # [rad] in one step
# What suits a robot, where the optimiser alone has other defaults: noise that holds its course
# reaches far, pairs draw half of it, and a smaller step averages over ticks what is left of it.
SAMPLING = {
    'alpha': 0.5, 'ess_share': 0.02, 'noise.correlation_time': 2.5, 'noise.smoothing_time': 0.14,
    'noise.antithetic': True,
}  # fmt: skip
MIN_HORIZON_TURN = 0.5 * math.pi  # [rad] of turning that the horizon must hold


@dataclass(frozen=True)
class SafetyParameters:
    """When the controller must not trust its inputs or its plan."""

    odom_timeout: float = parameter(
        0.3, 'age of the odometry at which the robot brakes', unit='s', low=0.01, high=60.0
    )
    costmap_timeout: float = parameter(
        1.5,
        'age of the costmap at which the robot brakes; 0 trusts a static map for ever',
        unit='s',
        low=0.0,
        high=3600.0,
    )
    plan_timeout: float = parameter(
        0.0,
        'age of the plan at which the robot brakes; 0 trusts a plan for ever',
        unit='s',
        low=0.0,
        high=3600.0,
    )
    odom_frozen: float = parameter(
        1.0,
        'time without any change of the odometry, while the robot should move, after which it '
        'brakes; 0 never does',
        unit='s',
        low=0.0,
        high=60.0,
    )
    odom_jump: float = parameter(
        1.0,
        'farthest that the pose may jump, beyond what the speed explains, before the robot '
        'brakes; 0 allows any jump',
        unit='m',
        low=0.0,
        high=1000.0,
    )
    recovery_time: float = parameter(
        0.2,
        'time that a fault must be gone before the robot drives on',
        unit='s',
        low=0.0,
        high=60.0,
    )
    watchdog_periods: int = parameter(
        5,
        'control periods without a tick after which a watch in the node sends zero; 0 never does',
        low=0,
        high=1000,
        former_name='safety.tick_patience',
    )
    margin: float = parameter(
        0.0, 'clearance that the checked plan must keep', unit='m', low=0.0, high=1.0
    )
    unknown_is_obstacle: bool = parameter(False, 'treat unknown cells (−1) as obstacles')
    outside_is_obstacle: bool = parameter(
        True, 'treat everything outside the costmap as an obstacle'
    )


@dataclass(frozen=True)
class IdentificationParameters:
    """Whether to learn from the drive."""

    enabled: bool = parameter(
        True,
        'learn delay, lag and gain of each axis from commands and odometry, slowly and within '
        'bounds, from the values of prediction on',
    )


@dataclass(frozen=True)
class MovingObstacleParameters:
    """What moves on the costmap, and where it is expected to be."""

    enabled: bool = parameter(
        True, 'follow what moves on the costmap and plan for where it will be'
    )
    risk: float = parameter(
        0.2,
        'chance that something goes on so differently that it comes nearer than planned for: '
        'sets how fast the margin around it grows with time; 0.5 trusts the prediction',
        low=0.001,
        high=0.5,
    )


@dataclass(frozen=True)
class RecoveryParameters:
    """
    What to do when the robot wants to drive and gets nowhere.

    For one patience each: λ is cooled; then Σ is widened, too, and the search begins from the
    cheapest constant command; then the robot backs up a little, where that is free; and so on.
    """

    stuck_timeout: float = parameter(
        1.5,
        'time for which the robot may be stuck before λ is reduced, and before each further '
        'recovery; 0 disables recoveries',
        unit='s',
        low=0.0,
        high=60.0,
        former_name='recovery.patience',
    )
    progress_timeout: float = parameter(
        30.0,
        'time without a decrease of the remaining path length before the robot stops with '
        '`progress_timeout`, until a new path, a new goal or a reset; 0 disables',
        unit='s',
        low=0.0,
        high=3600.0,
        former_name='recovery.give_up',
    )
    cooling: float = parameter(
        0.3,
        'factor on the target effective sample size, or on a fixed lambda, while the robot is '
        'stuck',
        low=0.01,
        high=1.0,
    )


@dataclass(frozen=True)
class RealtimeParameters:
    """How the node keeps its pace; programs without ROS read and ignore it."""

    solve_share: float = parameter(
        0.5,
        'share of the control period that a solve may take; samples and iterations for which '
        'there is no time are left out',
        low=0.01,
        high=1.0,
    )
    priority: int = parameter(
        0,
        'real-time priority (SCHED_FIFO) of the thread that ticks; 0 leaves it as it is',
        low=0,
        high=99,
        live=False,
    )
    lock_memory: bool = parameter(
        False, 'keep all memory of the process from being swapped out', live=False
    )
    cpus: str = parameter(
        '', "cores for the thread that ticks, as '2,3'; empty leaves it on all", live=False
    )
    freeze_gc: bool = parameter(
        True,
        'keep what is loaded at start out of the garbage collection, which would stop a tick',
        live=False,
    )

    def __post_init__(self) -> None:
        self.cores()

    def cores(self) -> set[int]:
        """Return the cores for the thread that ticks; none where all will do."""
        try:
            return {int(part) for part in self.cpus.split(',')} if self.cpus else set()
        except ValueError:
            raise ParameterError(
                f"realtime.cpus = {self.cpus!r} is not a list of cores like '2,3'"
            ) from None


@dataclass(frozen=True)
class FollowPathParameters:
    """How the node serves the action FollowPath in the place of Nav2's controller_server."""

    enabled: bool = parameter(
        False,
        'serve the action follow_path, instead of the topics plan and goal_pose',
        live=False,
    )
    failure_tolerance: float = parameter(
        1.0, 'time that the robot may stand stopped before the action fails', unit='s', low=0.0,
        high=600.0,
    )
    progress_radius: float = parameter(
        0.5, 'distance that counts as progress', unit='m', low=0.01, high=100.0
    )
    progress_time: float = parameter(
        10.0, 'time without progress after which the action fails', unit='s', low=0.1, high=3600.0
    )


@dataclass(frozen=True)
class InterfaceParameters:
    """How the ROS node presents itself; programs without ROS read and ignore it."""

    autostart: bool = parameter(
        True, 'configure and activate without a lifecycle manager', live=False
    )
    use_sim_time: bool = parameter(False, 'take the time from /clock')
    cmd_vel_stamped: bool = parameter(
        True, 'publish TwistStamped; false publishes Twist', live=False
    )
    record: str = parameter(
        '',
        'file for every input and tick, which mppi_evaluate replay runs once more; empty for none',
        live=False,
    )
    record_limit: float = parameter(
        500.0,
        'size at which the recording ends; driving goes on',
        unit='MB',
        low=1.0,
        high=1e6,
        live=False,
    )
    base_frame: str = parameter('base_link', 'frame of the robot, in the header of cmd_vel')
    transform_timeout: float = parameter(
        1.0,
        'age at which the newest transform between frames is refused; 0 trusts it for ever',
        unit='s',
        low=0.0,
        high=3600.0,
    )
    costmap_type: str = parameter(
        'occupancy_grid',
        "type of the topic costmap: nav_msgs/OccupancyGrid, or Nav2's nav2_msgs/Costmap",
        choices=('occupancy_grid', 'nav2_costmap'),
        live=False,
    )


@dataclass(frozen=True)
class ControllerParameters:
    """Every parameter of the controller."""

    control_rate: float = parameter(
        20.0, 'rate of the control tick', unit='Hz', low=5.0, high=500.0
    )
    motion_model: str = parameter(
        'diff_drive',
        'how the robot moves; its controls are v, w (diff_drive), v, vy, w (omni), or v and '
        'curvature (ackermann)',
        choices=tuple(MODELS),
        live=False,
    )
    sigma_share: tuple[float, ...] = parameter(
        (0.5, 0.25, 0.4),
        'standard deviations of the samples while sigma is empty, as shares of the limits: of '
        'speeds, of the turning rate, of the curvature of a car',
        low=0.001,
        high=10.0,
    )
    plugin: str = parameter(
        '',
        "a user's own motion model and critic as module:variable, a Plugin of "
        'mppi_ros.driving.plugin; empty for none',
        live=False,
    )
    mppi: MppiParameters = group(MppiParameters, name='', defaults=SAMPLING)
    limits: Limits = group(Limits)
    robot: RobotParameters = group(RobotParameters)
    critics: CriticParameters = group(CriticParameters)
    prediction: PredictionParameters = group(PredictionParameters)
    goal: GoalParameters = group(GoalParameters)
    safety: SafetyParameters = group(SafetyParameters)
    identification: IdentificationParameters = group(IdentificationParameters)
    moving_obstacles: MovingObstacleParameters = group(MovingObstacleParameters)
    recovery: RecoveryParameters = group(RecoveryParameters)
    realtime: RealtimeParameters = group(RealtimeParameters)
    follow_path: FollowPathParameters = group(FollowPathParameters)
    interface: InterfaceParameters = group(InterfaceParameters, name='')

    def __post_init__(self) -> None:
        if len(self.sigma_share) != 3:
            raise ParameterError(
                f'sigma_share has {len(self.sigma_share)} numbers; one for speeds, one for the '
                f'turning rate and one for the curvature are expected'
            )
        self.sampling.cholesky(self.controls)
        turn = self.limits.wz_max * self.mppi.time_step
        if turn > MAX_TURN_PER_STEP:
            raise ParameterError(
                f'limits.wz_max · time_step = {turn:g} rad a step; at most '
                f'{MAX_TURN_PER_STEP} rad keep '
                f'the rollout exact'
            )
        delays = self.prediction.delay_linear, self.prediction.delay_angular
        later = abs(delays[0] - delays[1]) / self.mppi.time_step
        if later > MAX_DELAY_STEPS:
            raise ParameterError(
                f'prediction.delay_linear = {delays[0]:g} s and delay_angular = {delays[1]:g} s '
                f'differ by {later:g} steps of {self.mppi.time_step:g} s; at most '
                f'{MAX_DELAY_STEPS} are possible'
            )
        if self.mppi.horizon < 2.0 / self.control_rate:
            raise ParameterError(
                f'horizon_steps · time_step = {self.mppi.horizon:g} s is shorter than two '
                f'control periods ({2.0 / self.control_rate:g} s)'
            )

    @property
    def sampling(self) -> MppiParameters:
        """Return the optimiser's parameters, with the standard deviations for this robot."""
        if self.mppi.sigma:
            return self.mppi
        model = MODELS[self.motion_model].of(
            self.limits, self.prediction, self.mppi.time_step, float
        )
        *speeds, turn = (high for _, high in model.bounds)
        of_speed, of_turning, of_curvature = self.sigma_share
        turn *= of_curvature if self.motion_model == 'ackermann' else of_turning
        sigma = (*(of_speed * speed for speed in speeds), turn)
        return dataclasses.replace(self.mppi, sigma=sigma)

    @property
    def controls(self) -> int:
        """Return m, the number of controls of the motion model."""
        return MODELS[self.motion_model].controls()

    @property
    def needs(self) -> dict[str, float]:
        """
        Return the times [s] that the horizon must hold, with the parameters that they follow from.

        A sequence that ends before the robot could stand sees no reason to brake for a goal, and
        one that ends before a quarter turn sees too little of what turning round brings.
        """
        limits = self.limits
        v, w = limits.vx_max, limits.wz_max
        needed = {
            'vx_max / |ax_min|': v / -limits.ax_min,
            '|vx_min| / |ax_min|': -limits.vx_min / -limits.ax_min,
        }
        if self.motion_model == 'omni':
            needed['vy_max / |ay_min|'] = limits.vy_max / -limits.ay_min
        if self.motion_model == 'ackermann':
            radius = limits.turning_radius_min
            speed = min(v, w * radius, math.sqrt(limits.ay_max * radius))
            steering = 1.0 / (radius * limits.curvature_rate)
            needed['a quarter turn of turning_radius_min + steering into it'] = (
                MIN_HORIZON_TURN * radius / speed + steering
            )
        else:
            reached = min(w, math.sqrt(MIN_HORIZON_TURN * limits.az_max))  # [rad/s] half way
            needed['a quarter turn with wz_max and az_max'] = (
                MIN_HORIZON_TURN / reached + reached / limits.az_max
            )
        return needed

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what is allowed but will drive badly, each with its numbers."""
        horizon, longest = self.mppi.horizon, MAX_STOP_STEPS * INTEGRATION_STEP
        found = [
            f'the horizon, horizon_steps · time_step = {horizon:.3g} s, is shorter than '
            f'{what} = {needed:.3g} s: the robot will overshoot or turn late'
            for what, needed in self.needs.items()
            if needed > horizon
        ]
        limits = self.limits
        stop = max(limits.vx_max, -limits.vx_min) / -limits.ax_min
        if stop > longest:
            found.append(
                f'limits: to stop from top speed with ax_min takes {stop:.3g} s; a stop that '
                f'takes more than {longest:g} s counts as unsafe, so that the robot drives no '
                f'faster than {longest * -limits.ax_min:.3g} m/s'
            )
        return tuple(found)


def read_yaml(path: str | Path, base: ControllerParameters | None = None) -> ControllerParameters:
    """
    Read a ROS parameter file: {node name or '/**': {'ros__parameters': {...}}}.

    Raises
    ------
    ParameterError
        The file is missing, is not YAML, has no section for the controller, or holds an unknown
        key or a bad value.

    """
    try:
        content = load_yaml(path)
    except InputError as error:
        raise ParameterError(str(error)) from None
    changes: dict[str, Any] = {}
    for node, section in content.items() if isinstance(content, dict) else ():
        if str(node).rsplit('/', 1)[-1] not in ('**', NODE_NAME):
            continue
        if not isinstance(section, dict) or not isinstance(section.get('ros__parameters'), dict):
            raise ParameterError(f'{path}: {node} has no ros__parameters')
        changes.update(_dotted(section['ros__parameters']))
    changes = {
        name: value for name, value in changes.items() if not name.startswith(ROS_PARAMETERS)
    }
    if not changes:
        raise ParameterError(f'{path} has no section {NODE_NAME}: ros__parameters:')
    try:
        return replace(base or ControllerParameters(), changes)
    except ParameterError as error:
        raise ParameterError(f'{path}: {one_line(error)}') from None


def _dotted(tree: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat.update(_dotted(value, f'{prefix}{key}.'))
        else:
            flat[f'{prefix}{key}'] = value
    return flat
