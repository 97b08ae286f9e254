"""Conversion tables: the equivalent of each Nav2 parameter, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# A rule is the name of our parameter, which is assigned the value, with a minus for the opposite
# sign; a `Scaled`, which maps the value of the nav2_params.yaml of Nav2 to our default; or the
# reason why there is no equivalent, recognised by its spaces. The names are those of the branches
# humble to main.

ANY = ('diff_drive', 'omni', 'ackermann')


@dataclass(frozen=True)
class Scaled:
    """Dimensionless weight, converted by its ratio to the default file of Nav2."""

    name: str
    shipped: float
    default: float | None = None  # default in the code of Nav2, if it differs from the file
    humble: float | None = None  # and that of humble, if it differs from the others

    def absent(self, distro: str) -> float:
        """Return the value that Nav2 uses if the parameter is not set."""
        if distro == 'humble' and self.humble is not None:
            return self.humble
        return self.shipped if self.default is None else self.default


Rule = str | Scaled
Rules = dict[str, Rule]

POWER = 'costs are rates in seconds with a fixed shape'
NEAR = 'goal critics take effect when the horizon reaches the goal'
ALWAYS = 'the critic is active along the complete plan'
FURTHEST = 'the plan is followed by arc length, without a point ahead'
EVERY = 'all steps of all samples are scored'
LISTENERS = 'visualization is computed only while subscribed to'
CUSPS = 'cusps of a plan are detected, and the robot drives up to them'
NEW = 'progress carries over to a new plan if the robot is on the previous one'
FOOTPRINT = 'the footprint is always considered: robot.footprint or robot.radius'
PLUGINS = 'the function of the plugin is built in'
COMBINED = 'goes into '
SPEED = 'the limits of translation'
STANDS = 'the goal is reached when the robot stands still'
MEASURED = 'measured speeds are used unfiltered'
INFLATED = 'distances are computed from obstacle cells, independent of inflation'
MARGIN = 'the cost increases continuously within critics.obstacle.margin'
COLLISION = 'costs have other units: critics.obstacle.collision'
DEAD_BAND = 'prediction.dead_band_linear and dead_band_angular are measured on the robot'
TURNING = 'the optimiser plans the rotation toward the plan'
SAMPLES = 'the optimiser draws the samples: samples, noise.*, sigma_share'
LOOKAHEAD = 'the horizon of the optimiser replaces the lookahead'
REGULATED = 'critics.clearance_speed reduces the speed near obstacles'
COLLISIONS = 'the stopping check verifies each command'
FRAMES = 'the latest transform is used, with a maximum age of transform_timeout'
COSTMAP = 'is a parameter of the costmap, which is not changed'
OF_NODE = 'is a parameter of every ROS node'
UNITS = 'critics of that controller have other units'

CONTROLLER: Rules = {
    'plugin': PLUGINS,
    'primary_controller': PLUGINS,
    'primary_controller.plugin': PLUGINS,
    'inner_plugin': PLUGINS,
    'time_steps': 'horizon_steps',
    'model_dt': 'time_step',
    'batch_size': 'samples',
    'iteration_count': 'iterations',
    'temperature': 'costs have other units, and λ is chosen by effective sample size (ess_share)',
    'gamma': 'the weights are exactly exp(−f/λ); twirling and smoothness have separate critics',
    'vx_std': COMBINED + 'sigma_share',
    'vy_std': COMBINED + 'sigma_share',
    'wz_std': COMBINED + 'sigma_share',
    'vx_max': 'limits.vx_max',
    'vx_min': 'limits.vx_min',
    'vy_max': 'limits.vy_max',
    'vy_min': 'Nav2 does not read it: vy_max applies in both directions, as limits.vy_max does',
    'wz_max': 'limits.wz_max',
    'ax_max': 'limits.ax_max',
    'ax_min': 'limits.ax_min',
    'ay_max': 'limits.ay_max',
    'ay_min': 'limits.ay_min',
    'az_max': 'limits.az_max',
    'model_delay_vx': COMBINED + 'prediction.delay_linear',
    'model_delay_vy': COMBINED + 'prediction.delay_linear',
    'model_delay_wz': COMBINED + 'prediction.delay_angular',
    'motion_model': COMBINED + 'motion_model',
    'min_turning_r': 'limits.turning_radius_min',
    'critics': COMBINED + 'the weights of the critics, with 0 for unused optional ones',
    'retry_attempt_limit': 'a tick without a valid sample brakes, and the next one retries',
    'reset_period': 'the warm start is kept as long as the goal',
    'regenerate_noises': 'noise is drawn in every tick',
    'open_loop': 'the prediction uses measured speeds and pending commands',
    'clamp_raw_controls': 'controls are limited in the dynamics, so samples stay Gaussian',
    'sgf_order': 'noise.smoothing_time gives smooth samples, which need no filter',
    'visualize': LISTENERS,
    'publish_optimal_trajectory': LISTENERS,
    'publish_critics_stats': '~/critic_costs and ~/statistics show every critic',
    'critic_index_to_visualize': '~/critic_costs and ~/statistics show every critic',
    'TrajectoryVisualizer.trajectory_step': LISTENERS,
    'TrajectoryVisualizer.time_step': LISTENERS,
    'TrajectoryValidator.plugin': PLUGINS,
    'TrajectoryValidator.collision_lookahead_time':
        'the stopping check verifies each command until standstill',
    'TrajectoryValidator.consider_footprint': FOOTPRINT,
    'prune_distance': FURTHEST,
    'max_robot_pose_search_dist': FURTHEST,
    'transform_tolerance': FRAMES,
    'enforce_path_inversion': CUSPS,
    'inversion_xy_tolerance': CUSPS,
    'inversion_yaw_tolerance': CUSPS,
}

OPTIONAL = ('GoalAngleCritic', 'PathAlignCritic', 'PathAngleCritic', 'PreferForwardCritic')
_ALIGN: Rules = {
    'cost_weight': Scaled('critics.path_tracking.weight', 14.0, 10.0),
    'max_path_occupancy_ratio': 'the controller searches a detour around obstacles on the plan',
    'offset_from_furthest': FURTHEST,
    'trajectory_point_step': EVERY,
    'threshold_to_consider': ALWAYS,
    'use_path_orientations': CUSPS,
}
CRITICS: dict[str, Rules] = {
    'ConstraintCritic': {
        'cost_weight': 'limits are enforced for every command and need no cost',
    },
    'CostCritic': {
        'cost_weight': Scaled('critics.obstacle.weight', 3.81),
        'critical_cost': MARGIN,
        'near_collision_cost': MARGIN,
        'collision_cost': COLLISION,
        'near_goal_distance': NEAR,
        'inflation_layer_name': INFLATED,
        'trajectory_point_step': EVERY,
        'consider_footprint': FOOTPRINT,
    },
    'ObstaclesCritic': {
        'repulsion_weight': Scaled('critics.obstacle.weight', 1.5),
        'critical_weight': MARGIN,
        'collision_cost': COLLISION,
        'collision_margin_distance': MARGIN,
        'near_goal_distance': NEAR,
        'inflation_layer_name': INFLATED,
        'cost_scaling_factor': INFLATED,
        'inflation_radius': INFLATED,
        'consider_footprint': FOOTPRINT,
    },
    'GoalCritic': {
        'cost_weight': Scaled('critics.goal_position.weight', 5.0),
        'threshold_to_consider': NEAR,
    },
    'GoalAngleCritic': {
        'cost_weight': Scaled('critics.goal_heading.weight', 3.0),
        'threshold_to_consider': NEAR,
        'symmetric_yaw_tolerance': 'goal.symmetric_yaw_tolerance',
    },
    'PathAlignCritic': _ALIGN,
    'PathAlignLegacyCritic': dict(_ALIGN),
    'PathAngleCritic': {
        'cost_weight': Scaled('critics.path_heading.weight', 2.0, 2.2, 2.0),
        'offset_from_furthest': FURTHEST,
        'threshold_to_consider': ALWAYS,
        'max_angle_to_furthest': ALWAYS,
        'mode': CUSPS,
        'forward_preference': CUSPS,
    },
    'PathFollowCritic': {
        'cost_weight': Scaled('critics.progress.weight', 5.0),
        'offset_from_furthest': FURTHEST,
        'threshold_to_consider': ALWAYS,
    },
    'PreferForwardCritic': {
        'cost_weight': Scaled('critics.prefer_forward.weight', 5.0),
        'threshold_to_consider': ALWAYS,
    },
    'TwirlingCritic': {
        'cost_weight': Scaled('critics.twirling.weight', 10.0),
        'twirling_cost_weight': 'its name in Nav2 is cost_weight',
        'twirling_cost_power': POWER,
    },
    'VelocityDeadbandCritic': {
        'cost_weight': DEAD_BAND,
        'deadband_velocities': DEAD_BAND,
    },
}
for _rules in CRITICS.values():
    _rules.update(enabled='the critic is in use', cost_power=POWER, visualize=LISTENERS)

SERVER: Rules = {
    'controller_frequency': 'control_rate',
    'costmap_update_timeout': COMBINED + 'safety.costmap_timeout',
    'enable_stamped_cmd_vel': 'cmd_vel_stamped',
    'use_sim_time': 'use_sim_time',
    'failure_tolerance': COMBINED + 'follow_path.failure_tolerance',
    'controller_plugins': COMBINED + 'the choice of the controller',
    'progress_checker_plugin': PLUGINS,
    'progress_checker_plugins': PLUGINS,
    'goal_checker_plugin': PLUGINS,
    'goal_checker_plugins': PLUGINS,
    'path_handler_plugins': PLUGINS,
    'min_x_velocity_threshold': MEASURED,
    'min_y_velocity_threshold': MEASURED,
    'min_theta_velocity_threshold': MEASURED,
    'odom_duration': MEASURED,
    'odom_topic': 'remap the topic: --ros-args -r odom:=...',
    'speed_limit_topic': 'remap the topic: --ros-args -r speed_limit:=...',
    'use_realtime_priority': 'realtime.priority sets it',
    'publish_zero_velocity': 'every stop ends with zero velocity',
    'action_server_result_timeout': 'rclpy determines the lifetime of results',
    'search_window': FURTHEST,
    'bond_heartbeat_period': 'the bond period is 0.1 s, as in Nav2',
    'bond_disable_heartbeat_timeout': 'bond_timeout of the lifecycle manager sets it',
    'autostart_node': 'autostart',
    'introspection_mode': 'services are not introspected',
    'service_introspection_mode': 'services are not introspected',
    'allow_parameter_qos_overrides': OF_NODE,
    'enable_lifecycle_services': OF_NODE,
    'start_type_description_service': OF_NODE,
}
CHECKERS: dict[str, Rules] = {  # and path handlers, by their role
    'goal_checker': {
        'plugin': PLUGINS,
        'xy_goal_tolerance': 'goal.position_tolerance',
        'yaw_goal_tolerance': 'goal.heading_tolerance',
        'coarse_xy_goal_tolerance': 'fine_xy_goal_tolerance is used instead',
        'fine_xy_goal_tolerance': 'goal.position_tolerance',
        'along_path_tolerance': 'goal.position_tolerance',
        'cross_track_tolerance': 'goal.position_tolerance applies in all directions',
        'is_overshoot_valid': STANDS,
        'direction_estimation_distance': STANDS,
        'required_stagnation_cycles': STANDS,
        'stateful': 'goal.stateful',
        'path_length_tolerance': 'the goal is reached at the end of the plan only',
        'xy_goal_tolerance_buffer': 'goal.position_tolerance_buffer',
        'symmetric_yaw_tolerance': 'goal.symmetric_yaw_tolerance',
        'trans_stopped_velocity': 'goal.trans_stopped_velocity',
        'rot_stopped_velocity': 'goal.rot_stopped_velocity',
    },
    'progress_checker': {
        'plugin': PLUGINS,
        'required_movement_radius': 'follow_path.progress_radius',
        'required_movement_angle': 'follow_path.progress_angle',
        'movement_time_allowance': 'follow_path.progress_time',
    },
    'path_handler': {
        'plugin': PLUGINS,
        'prune_distance': FURTHEST,
        'max_robot_pose_search_dist': FURTHEST,
        'transform_tolerance': FRAMES,
        'interpolate_curvature_after_goal': FURTHEST,
        'enforce_path_inversion': CUSPS,
        'enforce_path_rotation': CUSPS,
        'inversion_xy_tolerance': CUSPS,
        'inversion_yaw_tolerance': CUSPS,
        'minimum_rotation_angle': CUSPS,
        'reject_unit_path': NEW,
    },
}
STATEFUL = {'goal.stateful': True}
CHECKER_DEFAULTS: dict[str, dict[str, Any]] = {  # where they differ from those of this package
    'SimpleGoalChecker': STATEFUL,
    'PositionGoalChecker': STATEFUL,
    'StoppedGoalChecker': {
        **STATEFUL, 'goal.trans_stopped_velocity': 0.25, 'goal.rot_stopped_velocity': 0.25},
    'PoseProgressChecker': {'follow_path.progress_angle': 0.5},
}
SECTIONS = {  # of the parameters of Nav2's MPPI
    *CRITICS, 'AckermannConstraints',
    *(name.partition('.')[0] for name in CONTROLLER if '.' in name),
} - {'primary_controller'}
POSITION_ONLY_CHECKERS = ('PositionGoalChecker', 'AxisGoalChecker')  # they accept any heading
BODY: Rules = {
    'robot_base_frame': 'base_frame',
    'robot_radius': COMBINED + 'robot.radius',
    'footprint': COMBINED + 'robot.footprint',
    'footprint_padding': COMBINED + 'robot.footprint',
    'publish_frequency': COMBINED + 'safety.costmap_timeout',
    'update_frequency': COMBINED + 'safety.costmap_timeout',
    'use_sim_time': 'use_sim_time',
    'global_frame': 'the frame is that of the received costmap',
    'always_send_full_costmap': 'updates are also processed if map_msgs is installed',
    'track_unknown_space': 'see safety.unknown_is_obstacle',
    'unknown_cost_value': 'see safety.unknown_is_obstacle',
    'transform_tolerance': FRAMES,
    'start_type_description_service': OF_NODE,
}

MODELS = {
    name: ours
    for ours, theirs in (
        ('diff_drive', 'DiffDrive'), ('omni', 'Omni'), ('ackermann', 'Ackermann'),
    )
    for name in (ours, theirs, f'mppi::{theirs}MotionModel')
}
STD = {'vx_std': ('vx_max', 0.2, 0.5), 'vy_std': ('vy_max', 0.2, 0.5),
       'wz_std': ('wz_max', 0.4, 1.9)}  # limit, std and limit of Nav2 [m/s] [m/s] [rad/s]
GENUINE = {name for rules in (
    CONTROLLER, SERVER, BODY, *CHECKERS.values(), *CRITICS.values()) for name in rules}
DELAYS = {'prediction.delay_linear': ('model_delay_vx', 'model_delay_vy'),
          'prediction.delay_angular': ('model_delay_wz',)}
# Motion models that use a limit or a parameter of one axis.
USED_BY = {
    'limits.vy_max': ('omni',),
    'limits.ay_max': ('omni',),
    'limits.ay_min': ('omni',),
    'limits.az_max': ('diff_drive', 'omni'),
    'limits.turning_radius_min': ('ackermann',),
    'limits.wheelbase': ('ackermann',),
    'vy_std': ('omni',),
    'model_delay_vy': ('omni',),
}
# Parameters on which stopping check and prediction rely, and how to measure them.
SAFETY_RELEVANT = {
    'limits.ax_min': 'the stopping check relies on this deceleration: brake from top speed, with '
                     'load, on the smoothest floor, and set the value that is always reached',
    'limits.ay_min': 'the stopping check relies on this deceleration: brake from lateral top '
                     'speed and set the value that is always reached',
    'limits.ax_max': 'the prediction relies on it: accelerate from rest and read the odometry',
    'limits.ay_max': 'the prediction relies on it: accelerate laterally and read the odometry',
    'limits.az_max': 'the prediction relies on it: start and stop a rotation in place and read '
                     'the odometry',
    'limits.turning_radius_min': 'drive a full circle at maximum steering angle and set its '
                                 'radius at the rear axle',
    'limits.wheelbase': 'measure the distance between the axles, or give it by --wheelbase',
}
