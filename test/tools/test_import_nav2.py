"""mppi_import_nav2: every parameter of Nav2's MPPI has a match or a reason, values survive."""
from __future__ import annotations

import pytest
import yaml

from mppi_ros.control.settings import Configuration, read_yaml
from mppi_ros.mppi.errors import ParameterError
from mppi_ros.mppi.parameters import describe
from mppi_ros.tools import import_nav2
from mppi_ros.tools.import_nav2 import Scaled, convert, main

# Nav2's nav2_bringup/params/nav2_params.yaml (main), what concerns the controller.
SHIPPED = """
controller_server:
  ros__parameters:
    controller_frequency: 20.0
    costmap_update_timeout: 0.30
    min_x_velocity_threshold: 0.001
    min_y_velocity_threshold: 0.5
    min_theta_velocity_threshold: 0.001
    failure_tolerance: 0.3
    progress_checker_plugins: ["progress_checker"]
    goal_checker_plugins: ["general_goal_checker"]
    controller_plugins: ["FollowPath"]
    path_handler_plugins: ["PathHandler"]
    use_realtime_priority: false
    speed_limit_topic: "speed_limit"
    progress_checker:
      plugin: "nav2_controller::SimpleProgressChecker"
      required_movement_radius: 0.5
      movement_time_allowance: 10.0
    general_goal_checker:
      stateful: true
      plugin: "nav2_controller::SimpleGoalChecker"
      xy_goal_tolerance: 0.25
      yaw_goal_tolerance: 0.25
      path_length_tolerance: 1.0
    PathHandler:
      plugin: "nav2_controller::FeasiblePathHandler"
      prune_distance: 2.0
      enforce_path_inversion: false
      enforce_path_rotation: false
      inversion_xy_tolerance: 0.2
      inversion_yaw_tolerance: 0.4
      minimum_rotation_angle: 0.785
      reject_unit_path: false
    FollowPath:
      plugin: "nav2_mppi_controller::MPPIController"
      time_steps: 56
      model_dt: 0.05
      model_delay_vx: 0.0
      model_delay_vy: 0.0
      model_delay_wz: 0.0
      batch_size: 2000
      open_loop: false
      ax_max: 3.0
      ax_min: -3.0
      ay_max: 3.0
      ay_min: -3.0
      az_max: 3.5
      vx_std: 0.2
      vy_std: 0.2
      wz_std: 0.4
      vx_max: 0.5
      vx_min: -0.35
      vy_max: 0.5
      wz_max: 1.9
      iteration_count: 1
      temperature: 0.3
      gamma: 0.015
      visualize: true
      publish_optimal_trajectory: true
      regenerate_noises: true
      motion_model: "diff_drive"
      diff_drive:
        plugin: "mppi::DiffDriveMotionModel"
      TrajectoryVisualizer:
        trajectory_step: 5
        time_step: 3
      TrajectoryValidator:
        plugin: "mppi::DefaultOptimalTrajectoryValidator"
        collision_lookahead_time: 2.0
        consider_footprint: false
      critics: [ConstraintCritic, CostCritic, GoalCritic, GoalAngleCritic, PathAlignCritic,
                PathFollowCritic, PathAngleCritic, PreferForwardCritic]
      ConstraintCritic: {enabled: true, cost_power: 1, cost_weight: 4.0}
      GoalCritic: {enabled: true, cost_power: 1, cost_weight: 5.0, threshold_to_consider: 1.4}
      GoalAngleCritic: {enabled: true, cost_power: 1, cost_weight: 3.0, threshold_to_consider: 0.5}
      PreferForwardCritic:
        {enabled: true, cost_power: 1, cost_weight: 5.0, threshold_to_consider: 0.5}
      CostCritic:
        enabled: true
        cost_power: 1
        cost_weight: 3.81
        near_collision_cost: 253
        critical_cost: 300.0
        consider_footprint: false
        collision_cost: 1000000.0
        near_goal_distance: 1.0
        trajectory_point_step: 2
      PathAlignCritic:
        enabled: true
        cost_power: 1
        cost_weight: 14.0
        max_path_occupancy_ratio: 0.05
        trajectory_point_step: 4
        threshold_to_consider: 0.5
        offset_from_furthest: 20
        use_path_orientations: false
      PathFollowCritic:
        {enabled: true, cost_power: 1, cost_weight: 5.0, offset_from_furthest: 5,
         threshold_to_consider: 1.4}
      PathAngleCritic:
        enabled: true
        cost_power: 1
        cost_weight: 2.0
        offset_from_furthest: 4
        threshold_to_consider: 0.5
        max_angle_to_furthest: 1.0
        mode: 0
local_costmap:
  local_costmap:
    ros__parameters:
      robot_base_frame: base_link
      robot_radius: 0.22
"""

# Every parameter that the sources of nav2_mppi_controller read, branches jazzy and main.
CONTROLLER = """
time_steps model_dt batch_size iteration_count temperature gamma vx_std vy_std wz_std vx_max vx_min
vy_max wz_max ax_max ax_min ay_max ay_min az_max model_delay_vx model_delay_vy model_delay_wz
motion_model min_turning_r critics retry_attempt_limit regenerate_noises open_loop
clamp_raw_controls sgf_order visualize publish_optimal_trajectory critic_index_to_visualize
TrajectoryVisualizer.trajectory_step TrajectoryVisualizer.time_step TrajectoryValidator.plugin
TrajectoryValidator.collision_lookahead_time TrajectoryValidator.consider_footprint prune_distance
max_robot_pose_search_dist transform_tolerance enforce_path_inversion inversion_xy_tolerance
inversion_yaw_tolerance
"""
CRITICS = {
    'ConstraintCritic': '',
    'CostCritic': 'consider_footprint critical_cost near_collision_cost collision_cost '
                  'near_goal_distance inflation_layer_name trajectory_point_step',
    'GoalAngleCritic': 'threshold_to_consider symmetric_yaw_tolerance',
    'GoalCritic': 'threshold_to_consider',
    'ObstaclesCritic': 'consider_footprint repulsion_weight critical_weight collision_cost '
                       'collision_margin_distance near_goal_distance inflation_layer_name',
    'PathAlignCritic': 'max_path_occupancy_ratio offset_from_furthest trajectory_point_step '
                       'threshold_to_consider use_path_orientations',
    'PathAngleCritic': 'offset_from_furthest threshold_to_consider max_angle_to_furthest mode',
    'PathFollowCritic': 'threshold_to_consider offset_from_furthest',
    'PreferForwardCritic': 'threshold_to_consider',
    'TwirlingCritic': '',
    'VelocityDeadbandCritic': 'deadband_velocities',
}
NAMES = {info.name for info in describe(Configuration)}


def shipped():
    return yaml.safe_load(SHIPPED)


def follow_path(content):
    return content['controller_server']['ros__parameters']['FollowPath']


def test_every_parameter_of_nav2s_mppi_has_a_rule():
    assert set(CONTROLLER.split()) <= set(import_nav2.CONTROLLER)
    assert set(CRITICS) == set(import_nav2.CRITICS)
    for critic, names in CRITICS.items():
        weight = set() if critic == 'ObstaclesCritic' else {'cost_weight'}
        assert {*names.split(), *weight, 'enabled', 'cost_power'} <= set(
            import_nav2.CRITICS[critic])


def test_every_rule_leads_to_a_parameter_of_ours_or_is_a_reason():
    tables = [import_nav2.CONTROLLER, import_nav2.SERVER, import_nav2.CHECKERS,
              *import_nav2.CRITICS.values()]
    for table in tables:
        for key, rule in table.items():
            name = rule.name if isinstance(rule, Scaled) else rule
            assert name in NAMES or ' ' in name, (key, rule)


def test_what_nav2_ships_keeps_our_weights_and_takes_over_the_robot():
    done = convert(shipped())
    assert not [name for name, reason in done.reasons.items() if 'spelt' in reason]
    defaults = import_nav2.DEFAULTS
    for name, value in done.changes.items():
        if name.startswith('critics.'):
            assert value == pytest.approx(defaults[name])
    assert done.changes['limits.vx_min'] == -0.35
    assert done.changes['limits.ax_max'] == 3.0
    assert done.changes['goal.position_tolerance'] == 0.25
    assert done.changes['robot.radius'] == 0.22
    assert done.changes['safety.costmap_timeout'] == 0.3
    assert done.changes['follow_path.progress_time'] == 10.0
    assert done.changes['sigma_share'] == pytest.approx(list(defaults['sigma_share']))
    assert not [name for name in done.changes if name.startswith('prediction.delay')]


def test_every_parameter_of_a_file_is_taken_over_or_named():
    done = convert(shipped())
    named = {name.rsplit('.', 1)[-1] for name in done.reasons}
    origins = ' '.join(done.origin.values())
    server = shipped()['controller_server']['ros__parameters']
    for key, value in follow_path(shipped()).items():
        names = value if isinstance(value, dict) else [key]
        for name in names:
            assert name in named or name in origins, name
    for key, value in server.items():
        assert isinstance(value, dict) or key in named or key in origins, key


def test_weights_go_by_their_ratio_to_what_nav2_ships():
    content = shipped()
    section = follow_path(content)
    section['GoalCritic']['cost_weight'] = 10.0
    section['PathAlignCritic']['enabled'] = False
    section['vx_std'] = 0.1
    section['model_delay_wz'] = 0.12
    changes = convert(content).changes
    defaults = import_nav2.DEFAULTS
    goal = 'critics.goal_position.weight'
    assert changes[goal] == 2.0 * defaults[goal]
    assert changes['critics.path_tracking.weight'] == 0.0
    speeds, *turning = defaults['sigma_share']
    assert changes['sigma_share'] == pytest.approx([0.5 * speeds, *turning])
    assert changes['prediction.delay_angular'] == 0.12


def test_a_file_of_jazzy_is_understood():
    content = shipped()
    section = follow_path(content)
    section.update(motion_model='DiffDrive', prune_distance=1.7, transform_tolerance=0.1,
                   AckermannConstraints={'min_turning_r': 0.2})
    del section['diff_drive'], section['TrajectoryValidator']
    done = convert(content)
    assert 'motion_model' not in done.changes
    assert 'FollowPath.prune_distance' in done.reasons


def test_the_written_file_is_read_by_the_controller(tmp_path, capsys):
    source, target = tmp_path / 'nav2_params.yaml', tmp_path / 'robot.yaml'
    source.write_text(SHIPPED, 'utf-8')
    assert main([str(source), '--output', str(target)]) == 0
    configuration = read_yaml(target)
    assert configuration.limits.vx_min == -0.35
    assert 'PathFollowCritic.threshold_to_consider' in target.read_text('utf-8')
    assert main([str(source)]) == 0
    assert capsys.readouterr().out == target.read_text('utf-8')


def test_a_footprint_is_taken_corner_by_corner():
    content = shipped()
    costmap = content['local_costmap']['local_costmap']['ros__parameters']
    costmap['footprint'] = '[ [0.3, 0.2], [-0.3, 0.2], [-0.3, -0.2], [0.3, -0.2] ]'
    assert convert(content).changes['robot.footprint'] == [
        0.3, 0.2, -0.3, 0.2, -0.3, -0.2, 0.3, -0.2]


@pytest.mark.parametrize(('change', 'words'), [
    ({'plugin': 'dwb_core::DWBLocalPlanner'}, 'there is no controller of plugin'),
    ({'vx_max': 'fast'}, 'vx_max'),
    ({'batch_size': 1}, r'samples = 1 is outside \[16, 131072\]'),
    ({'motion_model': 'boat'}, "FollowPath.motion_model = 'boat' is not known"),
])
def test_a_bad_file_is_refused_with_the_reason(tmp_path, capsys, change, words):
    content = shipped()
    follow_path(content).update(change)
    with pytest.raises(ParameterError, match=words):
        convert(content)
    (tmp_path / 'bad.yaml').write_text(yaml.safe_dump(content), 'utf-8')
    assert main([str(tmp_path / 'bad.yaml')]) == 2
    error = capsys.readouterr().err
    assert error.startswith('mppi_import_nav2: ')
    assert error.count('\n') == 1


def test_several_controllers_want_a_name():
    content = shipped()
    server = content['controller_server']['ros__parameters']
    server['Slow'] = dict(follow_path(content), vx_max=0.2)
    with pytest.raises(ParameterError, match='choose one by --controller: FollowPath, Slow'):
        convert(content)
    assert convert(content, 'Slow').changes['limits.vx_max'] == 0.2


def test_a_misspelt_parameter_is_named():
    content = shipped()
    follow_path(content)['vx_maks'] = 0.4
    assert 'spelt' in convert(content).reasons['FollowPath.vx_maks']
