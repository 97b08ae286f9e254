"""Conversion tables for the other controllers of Nav2, which have the same limits."""

from __future__ import annotations

from collections.abc import Callable
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
    SPEED,
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
    rest : str
        Why parameters that are not in the table are left out; '' if the table is complete.
    bounds : dict
        Parameters that limit one of ours, and their defaults in Nav2.
    suspended : callable
        Return the parameters that Nav2 ignores because of others, and the reason, from the
        parameters and the distribution.

    """

    name: str
    rules: Rules
    absent: dict[str, Any] = field(default_factory=dict)
    hint: str = ''
    rest: str = ''
    bounds: dict[str, tuple[str, float]] = field(default_factory=dict)
    suspended: Callable[[dict[str, Any], str], dict[str, str]] = lambda mine, distro: {}


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
    'decel_lim_theta': '-limits.az_max',
    'min_vel_y': '-limits.vy_max',
    'min_speed_xy': 'there is no minimum speed; see prediction.dead_band_linear',
    'max_speed_xy': COMBINED + SPEED,
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
    'min_linear_vel': 'limits.vx_min',
    'max_angular_vel': 'limits.wz_max',
    'min_angular_vel': '-limits.wz_max',
    'rotate_to_heading_angular_vel': 'limits.wz_max',
    'max_angular_accel': 'limits.az_max',
    'max_angular_decel': '-limits.az_max',
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
DYNAMICS: Rules = {
    'plugin': PLUGINS,
    'max_vel_x': 'limits.vx_max',
    'max_vel_y': 'limits.vy_max',
    'max_vel_theta': 'limits.wz_max',
    'acc_lim_x': 'limits.ax_max',
    'acc_lim_y': 'limits.ay_max',
    'acc_lim_theta': 'limits.az_max',
    'max_vel_trans': COMBINED + SPEED,
    'xy_goal_tolerance': 'the goal checker determines when the goal is reached',
    'yaw_goal_tolerance': 'the goal checker determines when the goal is reached',
}
TEB: Rules = {
    **DYNAMICS,
    'max_vel_x_backwards': '-limits.vx_min',
    'min_turning_radius': 'limits.turning_radius_min',
    'wheelbase': 'limits.wheelbase',
}
NEO: Rules = {
    **DYNAMICS,
    'min_vel_x': 'limits.vx_min',
    'min_vel_y': '-limits.vy_max',
    'max_rot_vel': 'limits.wz_max',
    'max_trans_vel': COMBINED + SPEED,
    'min_vel_trans': 'there is no minimum speed; see prediction.dead_band_linear',
    'min_trans_vel': 'there is no minimum speed; see prediction.dead_band_linear',
    'min_vel_theta': 'there is no minimum turning rate; see prediction.dead_band_angular',
    'min_rot_vel': 'there is no minimum turning rate; see prediction.dead_band_angular',
    'differential_drive': COMBINED + 'motion_model',
    'allow_reversing': 'limits.vx_min determines whether the robot reverses',
}
LIMITS: Rules = {
    name: rule for rules in (NEO, TEB, GRACEFUL, RPP, DWB, CONTROLLER)
    for name, rule in rules.items() if isinstance(rule, str) and (
        rule == COMBINED + SPEED or ' ' not in rule and rule.lstrip('-').startswith('limits.'))
}


def _suspended_of_rpp(mine: dict[str, Any], distro: str) -> dict[str, str]:
    rotates, window = mine.get('use_rotate_to_heading', True), mine.get('use_dynamic_window')
    found = {}
    if 'desired_linear_vel' in mine:
        found['max_linear_vel'] = 'desired_linear_vel replaces it, as in Nav2'
    if window is not True:
        found |= dict.fromkeys(('min_linear_vel', 'max_angular_vel', 'min_angular_vel'),
                               'applies only with use_dynamic_window: true')
    elif mine.get('allow_reversing') is not True:
        found['min_linear_vel'] = 'applies only with allow_reversing: true'
    if window is True and rotates is False:
        found['rotate_to_heading_angular_vel'] = 'applies only with use_rotate_to_heading: true'
    if distro == 'humble' and rotates is not False:
        found['allow_reversing'] = 'has no effect with use_rotate_to_heading: true, as in Nav2'
    return found


def _suspended_of_graceful(mine: dict[str, Any], distro: str) -> dict[str, str]:
    if mine.get('initial_rotation', True) is False:
        return {}
    return {'allow_backward': 'has no effect with initial_rotation: true, as in Nav2'}


# Nav2's MPPI has acceleration limits since jazzy; deceleration has to be measured.
MPPI_ABSENT = {
    'samples': 1000, 'limits.vx_max': 0.5, 'limits.vx_min': -0.35, 'limits.vy_max': 0.5,
    'limits.wz_max': 1.9, 'limits.ax_max': 3.0, 'limits.ay_max': 3.0, 'limits.az_max': 3.5,
    'limits.turning_radius_min': 0.2,
}
MPPI = Kind('MPPI', CONTROLLER, MPPI_ABSENT)
KINDS = {
    'MPPIController': MPPI,
    'DWBLocalPlanner': Kind('DWB', DWB, {'limits.vx_min': 0.0}, OTHER.format('DWB')),
    'RegulatedPurePursuitController': Kind(
        'Regulated Pure Pursuit', RPP,
        {'limits.vx_max': 0.5, 'limits.wz_max': 1.8, 'limits.vx_min': 0.0},
        OTHER.format('Regulated Pure Pursuit')
        + '; for a car, set motion_model to ackermann',
        bounds={'rotate_to_heading_angular_vel': ('limits.wz_max', 1.8),
                'max_angular_vel': ('limits.wz_max', 2.5),
                'min_linear_vel': ('limits.vx_min', -0.5)},
        suspended=_suspended_of_rpp),
    'GracefulController': Kind(
        'Graceful', GRACEFUL,
        {'limits.vx_max': 0.5, 'limits.wz_max': 1.0, 'limits.vx_min': 0.0},
        OTHER.format('Graceful'), suspended=_suspended_of_graceful),
    'TebLocalPlannerROS': Kind(
        'TEB', TEB,
        {'limits.vx_max': 0.4, 'limits.vx_min': -0.2, 'limits.wz_max': 0.3, 'limits.ax_max': 0.5,
         'limits.ay_max': 0.5, 'limits.az_max': 0.5},
        OTHER.format('TEB'), 'is of the optimiser of that controller'),
    'NeoLocalPlanner': Kind(
        'neo_local_planner', NEO, {}, OTHER.format('neo_local_planner'),
        'is of the control law of that controller'),
}
UNKNOWN_PLUGIN = 'is of a plugin that is not known here'
UNKNOWN = Kind('an unknown plugin', LIMITS, {}, (
    'the plugin is unknown: parameters with the name of a limit of another controller are '
    'converted as that limit'), UNKNOWN_PLUGIN)


def kind_of(plugin: str) -> Kind | None:
    """Return the table of a plugin, selected by the class at the end of its name."""
    return KINDS.get(plugin.replace('/', '::').rpartition('::')[2])

