"""Conversion tables for the other controllers of Nav2, which have the same limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mppi_ros.nav2_import.rules import (
    COLLISIONS,
    COMBINED,
    CONTROLLER,
    FRAMES,
    FURTHEST,
    LISTENERS,
    LOOKAHEAD,
    PLUGINS,
    REGULATED,
    SAMPLES,
    STANDS,
    TURNING,
    UNITS,
    Rules,
)

BACKWARD = COMBINED + 'limits.vx_min'


@dataclass(frozen=True)
class Kind:
    """
    Conversion table of one controller plugin.

    Attributes
    ----------
    name : str
        Common name.
    rules : dict
        Rules of its parameters.
    absent : dict
        Parameters for which Nav2's default applies if the file does not set them.
    hint : str
        Note for the user.

    """

    name: str
    rules: Rules
    absent: dict[str, Any] = field(default_factory=dict)
    hint: str = ''


OTHER = ('{} samples and scores differently: its limits, the footprint and the tolerances are '
         'converted, and the weights of the critics keep their defaults')

SHIM: Rules = {
    'plugin': PLUGINS,
    'primary_controller': PLUGINS,
    'inner_plugin': PLUGINS,
    **dict.fromkeys((
        'angular_dist_threshold', 'angular_disengage_threshold', 'forward_sampling_distance',
        'rotate_to_heading_angular_vel', 'max_angular_accel', 'simulate_ahead_time',
        'rotate_to_goal_heading', 'rotate_to_heading_once', 'closed_loop', 'use_path_orientations',
        'max_cost_threshold'), TURNING),
}
DWB: Rules = {
    'plugin': PLUGINS,
    'max_vel_x': 'limits.vx_max',
    'min_vel_x': 'limits.vx_min',
    'max_vel_y': 'limits.vy_max',
    'max_vel_theta': 'limits.wz_max',
    'acc_lim_x': 'limits.ax_max',
    'decel_lim_x': 'limits.ax_min',
    'acc_lim_y': 'limits.ay_max',
    'decel_lim_y': 'limits.ay_min',
    'acc_lim_theta': 'limits.az_max',
    'decel_lim_theta': 'limits.az_max applies to acceleration and deceleration',
    'min_vel_y': 'limits.vy_max applies in both directions',
    'min_speed_xy': 'there is no minimum speed; see prediction.dead_band_linear',
    'max_speed_xy': 'limits.vx_max and limits.vy_max limit each axis',
    'min_speed_theta': 'there is no minimum turning rate; see prediction.dead_band_angular',
    'min_vel_theta': 'limits.wz_max applies in both directions',
    'xy_goal_tolerance': 'the goal checker determines when the goal is reached',
    'yaw_goal_tolerance': 'the goal checker determines when the goal is reached',
    'path_length_tolerance': 'the goal is reached at the end of the plan only',
    'trans_stopped_velocity': STANDS,
    'rot_stopped_velocity': STANDS,
    'stateful': 'the goal is reached when the robot stops within both tolerances',
    'transform_tolerance': FRAMES,
    'critics': UNITS,
    'default_critic_namespaces': PLUGINS,
    'trajectory_generator_name': PLUGINS,
    **dict.fromkeys((
        'vx_samples', 'vy_samples', 'vtheta_samples', 'sim_time', 'sim_period',
        'linear_granularity', 'angular_granularity', 'time_granularity',
        'discretize_by_time', 'include_last_point', 'limit_vel_cmd_in_traj',
        'short_circuit_trajectory_evaluation'), SAMPLES),
    **dict.fromkeys((
        'debug_trajectory_details', 'publish_evaluation', 'publish_global_plan',
        'publish_transformed_plan', 'publish_local_plan', 'publish_trajectories',
        'publish_cost_grid_pc', 'marker_lifetime'), LISTENERS),
    **dict.fromkeys((
        'prune_plan', 'prune_distance', 'forward_prune_distance', 'shorten_transformed_plan'),
        FURTHEST),
}
RPP: Rules = {
    'plugin': PLUGINS,
    'desired_linear_vel': 'limits.vx_max',
    'max_linear_vel': 'limits.vx_max',
    'min_linear_vel': 'allow_reversing determines whether the robot reverses',
    'max_angular_vel': 'limits.wz_max',
    'min_angular_vel': 'limits.wz_max applies in both directions',
    'rotate_to_heading_angular_vel': 'limits.wz_max',
    'max_angular_accel': 'limits.az_max',
    'max_angular_decel': 'limits.az_max applies to acceleration and deceleration',
    'max_linear_accel': 'limits.ax_max',
    'max_linear_decel': 'limits.ax_min',
    'allow_reversing': BACKWARD,
    'transform_tolerance': FRAMES,
    'use_cancel_deceleration': 'a cancelled goal ends with limits.ax_min',
    'cancel_deceleration': 'a cancelled goal ends with limits.ax_min',
    'use_rotate_to_heading': TURNING,
    'rotate_to_heading_min_angle': TURNING,
    'max_robot_pose_search_dist': FURTHEST,
    'use_interpolation': FURTHEST,
    'interpolate_curvature_after_goal': FURTHEST,
    'use_dynamic_window': 'limits apply to every command',
    'stateful': 'the goal is reached when the robot stops within both tolerances',
    **dict.fromkeys((
        'lookahead_dist', 'min_lookahead_dist', 'max_lookahead_dist', 'lookahead_time',
        'use_velocity_scaled_lookahead_dist', 'use_fixed_curvature_lookahead',
        'curvature_lookahead_dist'), LOOKAHEAD),
    **dict.fromkeys((
        'min_approach_linear_velocity', 'approach_velocity_scaling_dist',
        'use_regulated_linear_velocity_scaling', 'use_cost_regulated_linear_velocity_scaling',
        'cost_scaling_dist', 'cost_scaling_gain', 'inflation_cost_scaling_factor',
        'regulated_linear_scaling_min_radius', 'regulated_linear_scaling_min_speed'), REGULATED),
    **dict.fromkeys((
        'max_allowed_time_to_collision_up_to_carrot', 'min_distance_to_obstacle',
        'use_collision_detection', 'allow_obstacle_checking_beyond_goal'), COLLISIONS),
}
GRACEFUL: Rules = {
    'plugin': PLUGINS,
    'v_linear_max': 'limits.vx_max',
    'v_angular_max': 'limits.wz_max',
    'deceleration_max': 'limits.ax_min',
    'allow_backward': BACKWARD,
    'transform_tolerance': FRAMES,
    'max_robot_pose_search_dist': FURTHEST,
    'v_linear_min': 'there is no minimum speed; see prediction.dead_band_linear',
    'v_angular_min_in_place':
        'there is no minimum turning rate; see prediction.dead_band_angular',
    **dict.fromkeys(('k_phi', 'k_delta', 'beta', 'lambda'), UNITS),
    **dict.fromkeys(('min_lookahead', 'max_lookahead', 'motion_target_dist'), LOOKAHEAD),
    **dict.fromkeys((
        'initial_rotation', 'initial_rotation_min_angle', 'initial_rotation_tolerance',
        'final_rotation', 'prefer_final_rotation', 'rotation_scaling_factor',
        'final_rotation_search_step'), TURNING),
    **dict.fromkeys((
        'in_place_collision_resolution', 'use_collision_detection', 'obstacle_cost_margin'),
        COLLISIONS),
    **dict.fromkeys((
        'slowdown_radius', 'footprint_scaling_linear_vel', 'footprint_scaling_factor',
        'footprint_scaling_step'), REGULATED),
}
LIMITS: Rules = {
    name: rule for rules in (GRACEFUL, RPP, DWB, CONTROLLER) for name, rule in rules.items()
    if isinstance(rule, str) and (rule.startswith('limits.') and ' ' not in rule)
}

# Nav2's MPPI has acceleration limits since jazzy; deceleration has to be measured.
MPPI_ABSENT = {
    'samples': 1000, 'limits.vx_min': -0.35, 'limits.ax_max': 3.0, 'limits.ay_max': 3.0,
    'limits.az_max': 3.5, 'limits.turning_radius_min': 0.2,
}
MPPI = Kind('MPPI', CONTROLLER, MPPI_ABSENT)
KINDS = {
    'MPPIController': MPPI,
    'DWBLocalPlanner': Kind('DWB', DWB, {}, OTHER.format('DWB')),
    'RegulatedPurePursuitController': Kind(
        'Regulated Pure Pursuit', RPP, {'limits.wz_max': 1.8, 'limits.vx_min': 0.0},
        OTHER.format('Regulated Pure Pursuit')
        + '; for a car, set motion_model to ackermann'),
    'GracefulController': Kind(
        'Graceful', GRACEFUL, {'limits.wz_max': 1.0, 'limits.vx_min': 0.0},
        OTHER.format('Graceful')),
}
UNKNOWN = Kind('an unknown plugin', LIMITS, {}, (
    'the plugin is unknown: parameters with the name of a limit of another controller are '
    'converted as that limit'))


def kind_of(plugin: str) -> Kind | None:
    """Return the table of a plugin, selected by the class at the end of its name."""
    return KINDS.get(plugin.replace('/', '::').rpartition('::')[2])

