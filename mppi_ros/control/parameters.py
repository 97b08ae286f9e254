"""
Complete parameters of a controller, and their input from a ROS YAML file.

More than 400 lines: most are declarations, one for each parameter.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
import functools
import logging
import math
from pathlib import Path

from mppi_ros.control.stopping_check import INTEGRATION_STEP, MAX_STOP_STEPS
from mppi_ros.driving.motion_models import MAX_DELAY_STEPS, MODELS
from mppi_ros.driving.parameters import (
    CriticParameters,
    GoalParameters,
    Limits,
    PredictionParameters,
    RobotParameters,
)
from mppi_ros.files import one_line, reading
from mppi_ros.mppi.parameters import MAX_STEPS, MppiParameters
from mppi_ros.parameters.declaration import describe, group, hint_for, parameter, replace
from mppi_ros.parameters.errors import InputError, ParameterError, check_frame
from mppi_ros.parameters.sections import read_sections, select

log = logging.getLogger(__name__)

NODE_NAME = 'mppi_controller'
NAV2_NODE = 'controller_server'
ROS_PARAMETERS = ('start_type_description_service', 'qos_overrides.')  # from `ros2 param dump`
MAX_TURN_PER_STEP = 1.5  # [rad]
# Defaults for a robot that differ from those of the optimiser alone: correlated noise explores
# farther, antithetic pairs halve the draws, a smaller step averages over ticks, and a filter
# removes the noise of a step that few samples determine.
SAMPLING = {
    'alpha': 0.5, 'ess_share': 0.01, 'noise.correlation_time': 2.5, 'noise.smoothing_time': 0.14,
    'noise.antithetic': True, 'smoothing': True,
}  # fmt: skip
FAR_DISTANCE = 4.2  # [m] at top speed, within which moving obstacles matter
MIN_HORIZON_TURN = 0.5 * math.pi  # [rad] that the horizon must cover
# Samples of robots that turn slowly must contain turns around: their share is relative to this
# rate [rad/s], but at most to the ratio times their maximum turning rate.
TURNING_RATE_SCALE, MAX_TURNING_RATIO = 1.6, 1.6


@dataclass(frozen=True)
class SafetyParameters:
    """Limits on inputs and plans beyond which the robot stops."""

    odom_timeout: float = parameter(
        0.3, 'age of the odometry above which the robot brakes', unit='s', low=0.01, high=60.0
    )
    costmap_timeout: float = parameter(
        1.5,
        'age of the costmap above which the robot brakes; 0 disables, for a static map',
        unit='s',
        low=0.0,
        high=3600.0,
    )
    plan_timeout: float = parameter(
        0.0,
        'age of the plan above which the robot brakes; 0 disables',
        unit='s',
        low=0.0,
        high=3600.0,
    )
    odom_frozen: float = parameter(
        1.0,
        'time of constant odometry, while motion is commanded, after which the robot brakes; '
        '0 disables',
        unit='s',
        low=0.0,
        high=60.0,
    )
    odom_jump: float = parameter(
        1.0,
        'maximum pose discontinuity beyond the distance implied by the measured speed; 0 disables',
        unit='m',
        low=0.0,
        high=1000.0,
    )
    recovery_time: float = parameter(
        0.2,
        'time after which a cleared fault lets the robot continue',
        unit='s',
        low=0.0,
        high=60.0,
    )
    watchdog_periods: int = parameter(
        5,
        'control periods without a tick after which zero velocity is published; 0 disables',
        low=0,
        high=1000,
        former_name='safety.tick_patience',
    )
    margin: float = parameter(
        0.0, 'minimum clearance of the trajectory in the stopping check', unit='m', low=0.0,
        high=1.0,
    )
    unseen_speed: float = parameter(
        0.3,
        'maximum speed of reversing where no scan of the last 10 s has shown the area; no limit '
        'without scans or without moving_obstacles.use_scan',
        unit='m/s',
        low=0.0,
        high=100.0,
    )
    evade: bool = parameter(
        True,
        'where no command leaves room to brake and 1 s of rest without contact, evade moving '
        'obstacles instead of stopping; false brakes to rest and judges braking only',
    )
    unknown_is_obstacle: bool = parameter(False, 'treat unknown cells (−1) as obstacles')
    outside_is_obstacle: bool = parameter(
        True, 'treat the area outside the costmap as an obstacle'
    )


@dataclass(frozen=True)
class IdentificationParameters:
    """Online identification of the plant."""

    enabled: bool = parameter(
        True,
        'identify delay, lag and gain of each axis from commands and odometry, slowly and within '
        'bounds, starting from the values of prediction',
    )


@dataclass(frozen=True)
class MovingObstacleParameters:
    """Tracking and prediction of moving obstacles."""

    enabled: bool = parameter(
        True, 'track moving obstacles and plan with their predicted positions'
    )
    use_scan: bool = parameter(
        True,
        'track moving obstacles in the scans of the topic scan while they arrive; otherwise on '
        'the costmap',
    )
    velocity_std: float = parameter(
        0.1,
        'standard deviation of the velocity of moving obstacles: over the first 1.5 s of the '
        'prediction, the chance of contact spreads to distances of twice the resulting deviation',
        unit='m/s',
        low=0.0,
        high=1.0,
    )
    horizon_factor: float = parameter(
        1.5,
        'length of the horizon while a moving obstacle is within reach, as a multiple of that '
        'without; less as soon as the robot drives 4.2 m at top speed within the horizon',
        low=1.0,
        high=3.0,
    )


@dataclass(frozen=True)
class RecoveryParameters:
    """
    Recoveries of a robot that is stuck.

    Each takes one stuck_timeout: reduce λ; widen Σ and restart from the cheapest constant
    command; back up a little where that is free; repeat.
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
    require_movement: bool = parameter(
        False,
        'also without the action follow_path, stop with `progress_timeout` if the robot moves '
        'less than follow_path.progress_radius and progress_angle within progress_time, until '
        'another goal or a reset',
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
    """Timing of the node; ignored by programs without ROS."""

    solve_share: float = parameter(
        0.5,
        'share of the control period that a solve may take; samples and iterations beyond it are '
        'skipped',
        low=0.01,
        high=1.0,
    )
    priority: int = parameter(
        0,
        'real-time priority (SCHED_FIFO) of the control thread; 0 leaves it unchanged',
        low=0,
        high=99,
        live=False,
    )
    lock_memory: bool = parameter(
        False, 'lock the memory of the process (no swapping)', live=False
    )
    cpus: str = parameter(
        '', "cores of the control thread, such as '2,3'; empty allows all", live=False
    )
    freeze_gc: bool = parameter(
        True,
        'exclude objects loaded at start from garbage collection, which would delay a tick',
        live=False,
    )

    def __post_init__(self) -> None:
        self.cores()

    def cores(self) -> set[int]:
        """Return the cores of the control thread; empty for all."""
        try:
            return {int(part) for part in self.cpus.split(',')} if self.cpus else set()
        except ValueError:
            raise ParameterError(
                f"realtime.cpus = {self.cpus!r} is not a list of cores like '2,3'"
            ) from None


@dataclass(frozen=True)
class FollowPathParameters:
    """Action server FollowPath, compatible with Nav2's controller_server."""

    enabled: bool = parameter(
        False,
        'serve the action follow_path instead of the topics plan and goal_pose',
        live=False,
    )
    failure_tolerance: float = parameter(
        1.0, 'time that the robot may stand still before the action fails', unit='s', low=0.0,
        high=600.0,
    )
    progress_radius: float = parameter(
        0.5, 'distance that counts as progress', unit='m', low=0.01, high=100.0
    )
    progress_angle: float = parameter(
        0.0, 'rotation that counts as progress; 0 counts none', unit='rad', low=0.0, high=3.15
    )
    progress_time: float = parameter(
        10.0, 'time without progress after which the action fails', unit='s', low=0.1, high=3600.0
    )

    @property
    def movement(self) -> tuple[float, float]:
        """Return the distance [m] and the rotation [rad] that count as progress."""
        return self.progress_radius, self.progress_angle or math.inf

    @property
    def too_little(self) -> str:
        """Return the message on a robot that makes no progress."""
        turned = f' and turned less than {self.progress_angle:g} rad' * bool(self.progress_angle)
        return f'moved less than {self.progress_radius:g} m{turned} in {self.progress_time:g} s'


@dataclass(frozen=True)
class InterfaceParameters:
    """Topics and frames of the node; ignored by programs without ROS."""

    autostart: bool = parameter(
        True, 'configure and activate without a lifecycle manager', live=False
    )
    use_sim_time: bool = parameter(False, 'use the time from /clock')
    cmd_vel_stamped: bool = parameter(
        True, 'publish TwistStamped instead of Twist', live=False
    )
    record: str = parameter(
        '',
        'file to record all inputs and ticks for mppi_evaluate replay; empty disables',
        live=False,
    )
    record_limit: float = parameter(
        500.0,
        'file size at which the recording stops; driving continues',
        unit='MB',
        low=1.0,
        high=1e6,
        live=False,
    )
    base_frame: str = parameter('base_link', 'frame of the robot, and frame_id of cmd_vel')
    transform_timeout: float = parameter(
        1.0,
        'age above which the latest transform between frames is rejected; 0 disables',
        unit='s',
        low=0.0,
        high=3600.0,
    )
    costmap_type: str = parameter(
        'occupancy_grid',
        'type of the topic costmap: nav_msgs/OccupancyGrid or nav2_msgs/Costmap',
        choices=('occupancy_grid', 'nav2_costmap'),
        live=False,
    )
    obstacles_type: str = parameter(
        'none',
        'type of the topic obstacles, on which a detector publishes moving obstacles: '
        'autoware_perception_msgs/TrackedObjects; none does not subscribe',
        choices=('none', 'tracked_objects'),
        live=False,
    )

    def __post_init__(self) -> None:
        check_frame('base_frame', self.base_frame)


@dataclass(frozen=True)
class ControllerParameters:
    """All parameters of the controller."""

    control_rate: float = parameter(
        20.0, 'rate of the control loop', unit='Hz', low=5.0, high=500.0
    )
    motion_model: str = parameter(
        'diff_drive',
        'motion model; its controls are v, w (diff_drive), v, vy, w (omni), or v and curvature '
        '(ackermann)',
        choices=tuple(MODELS),
        live=False,
    )
    sigma_share: tuple[float, ...] = parameter(
        (0.5, 0.25, 0.8),
        'standard deviations of the samples if sigma is empty, as shares of the limits of the '
        'speeds, of the turning rate, and of the curvature (ackermann); a turning rate below '
        '1.6 rad/s counts up to 1.6 times, so that turns around are sampled',
        low=0.001,
        high=10.0,
    )
    plugin: str = parameter(
        '',
        'custom motion model and critics as module:variable, a Plugin of mppi_ros.driving.plugin; '
        'empty for none',
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
                f'limits.wz_max · time_step = {turn:g} rad per step; the rollout is accurate up '
                f'to {MAX_TURN_PER_STEP} rad'
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
        """Return the optimiser's parameters with the standard deviations for this robot."""
        if self.mppi.sigma:
            return self.mppi
        model = MODELS[self.motion_model].of(
            self.limits, self.prediction, self.mppi.time_step, float
        )
        *speeds, turn = (high for _, high in model.bounds)
        of_speed, of_turning, of_curvature = self.sigma_share
        if self.motion_model == 'ackermann':
            turn *= of_curvature
        else:
            turn = of_turning * min(max(turn, TURNING_RATE_SCALE), MAX_TURNING_RATIO * turn)
        sigma = (*(of_speed * speed for speed in speeds), turn)
        return dataclasses.replace(self.mppi, sigma=sigma)

    @property
    def controls(self) -> int:
        """Return m, the number of controls of the motion model."""
        return MODELS[self.motion_model].controls()

    @property
    def steps_among_moving_obstacles(self) -> int:
        """Return the steps of the horizon while a moving obstacle is within reach."""
        factor = FAR_DISTANCE / max(self.limits.vx_max * self.mppi.horizon, 1e-3)
        factor = min(self.moving_obstacles.horizon_factor, max(factor, 1.0))
        return min(round(factor * self.mppi.horizon_steps), MAX_STEPS)

    @property
    def needs(self) -> dict[str, float]:
        """
        Return the times that the horizon must cover, by the parameters that imply them [s].

        The sequence must cover a stop, so that the robot brakes in time for a goal, and a quarter
        turn, so that turning around pays off within the horizon.
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
            reached = min(w, math.sqrt(MIN_HORIZON_TURN * limits.az_max))  # [rad/s] at the middle
            needed['a quarter turn with wz_max and az_max'] = (
                MIN_HORIZON_TURN / reached + reached / limits.az_max
            )
        return needed

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return messages on values that are valid but degrade driving."""
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


def read_yaml(
    path: str | Path, base: ControllerParameters | None = None, namespace: str = ''
) -> ControllerParameters:
    """
    Read a ROS parameter file: {node name or '/**': {'ros__parameters': {...}}}.

    The sections that apply to the controller are merged as in ROS: the last value counts. As in
    the node, an unknown name in a section for several nodes, such as `/**`, is ignored with a
    warning. `namespace` is that of the controller, needed if the file has several.

    Raises
    ------
    ParameterError
        The file is missing, is not YAML or not accepted by ROS, has no section for the controller
        or several in different namespaces, or contains an unknown key or an invalid value.

    """
    try:
        sections = read_sections(path)
        with reading(path, 'a parameter file'):
            own = select(sections, NODE_NAME, namespace)
    except InputError as error:
        raise ParameterError(str(error)) from None
    if not own:
        of_nav2 = any(section.pattern.endswith(f'/{NAV2_NODE}') for section in sections)
        hint = '; mppi_import_nav2 converts the files of Nav2' if of_nav2 else ''
        raise ParameterError(f'{path} has no section {NODE_NAME}: ros__parameters:{hint}')
    changes = {
        name: value for section in own for name, value in section.values.items()
        if not name.startswith(ROS_PARAMETERS)
    }  # fmt: skip
    infos = describe(ControllerParameters)
    known = {name for info in infos for name in (info.name, info.former_name)}
    known |= {name for section in own if not section.shared for name in section.values}
    for name in changes.keys() - known:
        del changes[name]
        hint = hint_for(name, infos, cutoff=0.8)
        _warn(f'{path} sets {name} for several nodes: unknown to {NODE_NAME}{hint}')
    try:
        return replace(base or ControllerParameters(), changes)
    except ParameterError as error:
        raise ParameterError(f'{path}: {one_line(error)}') from None


@functools.cache
def _warn(message: str) -> None:
    """Log a warning once, since programs read a file repeatedly."""
    log.warning(message)
