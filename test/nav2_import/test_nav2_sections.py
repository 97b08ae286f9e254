"""mppi_import_nav2 reads the parameters that the nodes of Nav2 would receive from a file."""
from __future__ import annotations

import pytest
import yaml

from mppi_ros.cli.import_nav2 import convert, main
from mppi_ros.nav2_import.read import read
from mppi_ros.nav2_import.report import INFO, Part, report, write
from mppi_ros.parameters.errors import ParameterError

MPPI = 'nav2_mppi_controller::MPPIController'
LIMITS = {'vx_max': 0.5, 'vx_min': -0.4, 'wz_max': 1.9, 'ax_max': 3.0, 'ax_min': -3.0,
          'az_max': 3.5, 'motion_model': 'DiffDrive'}
SLOW = {'max_velocity': [0.3, 0.0, 1.0], 'min_velocity': [-0.2, 0.0, -0.9],
        'max_accel': [2.0, 0.0, 3.2], 'max_decel': [-1.0, 0.0, -2.0]}


def node(values):
    return {'ros__parameters': values}


def server(mppi=(), **values):
    plugin = {'plugin': MPPI, **LIMITS, **dict(mppi)}
    return node({'controller_plugins': ['FollowPath'], 'FollowPath': plugin, **values})


def costmap(**values):
    return {'local_costmap': node({'publish_frequency': 5.0, **values})}


def robot(mppi=(), smoother=None, **values):
    tree = {'controller_server': server(mppi, **values),
            'local_costmap': costmap(robot_radius=0.22)}
    return tree if smoother is None else {**tree, 'velocity_smoother': node(smoother)}


def from_text(text, tmp_path):
    path = tmp_path / 'nav2_params.yaml'
    path.write_text(text, 'utf-8')
    return convert(read(path), distro='jazzy')


def measured(done, ours):
    return [line.why for line in done.lines if line.part is Part.MEASURE and line.ours == ours]


def lines_of(done, source):
    return [line for line in done.lines if line.source == source]


# --- wildcards


@pytest.mark.parametrize('wildcard', ['/**', '/*', '/**/controller_server', '/*/**'])
def test_wildcard_section_applies_to_the_controller_and_a_specific_one_overrides_it(wildcard):
    name = 'robot/controller_server' if wildcard == '/*/**' else 'controller_server'
    shared = {'use_sim_time': True, 'enable_stamped_cmd_vel': True, 'controller_frequency': 10.0}
    tree = {name: server(controller_frequency=30.0), wildcard: node(shared)}
    done = convert(tree, distro='jazzy')
    assert convert(dict(reversed(tree.items())), distro='jazzy').changes == done.changes
    assert done.changes['use_sim_time'] is True
    assert done.changes['cmd_vel_stamped'] is True
    assert done.changes.get('control_rate', 30.0) == 30.0
    assert len(lines_of(done, 'controller_frequency')) == 2
    assert not [line for line in done.lines if 'another node' in line.why]


def test_wildcard_section_applies_to_the_local_costmap():
    shared = {'/**': node({'robot_radius': 0.5, 'publish_frequency': 1.0, 'amcl_rate': 3})}
    done = convert({**shared, 'controller_server': server(), 'local_costmap': costmap()})
    assert done.changes['robot.radius'] == 0.51
    assert done.changes['safety.costmap_timeout'] == pytest.approx(0.6)
    assert done.reasons['/**.amcl_rate'].startswith('is not a parameter of the controller')
    assert 'robot_radius' not in done.reasons
    specific = convert({**shared, **robot()})
    assert specific.changes['robot.radius'] == 0.23
    assert convert({**shared, 'controller_server': server()}).changes['robot.radius'] == 0.51


def test_file_with_a_single_wildcard_section_has_controller_and_costmap():
    values = {**server()['ros__parameters'], 'robot_radius': 0.4, 'max_beams': 60}
    done = convert({'/**': node(values)})
    assert done.changes['robot.radius'] == 0.41
    assert done.changes['limits.vx_min'] == -0.4
    assert '/**.max_beams' in done.reasons


def test_plugin_of_a_wildcard_section_and_values_of_the_server_are_one_controller():
    tree = {'/**': server(), 'controller_server': node({'FollowPath': {'vx_max': 0.7}})}
    done = convert(tree)
    assert done.changes['limits.vx_max'] == 0.7
    assert done.changes['limits.ax_min'] == -3.0


@pytest.mark.parametrize('names', [
    ['/**/controller_server', 'controller_server'],
    ['robot/controller_server', '/*/controller_server', '/**/controller_server']])
def test_sections_of_one_controller_are_no_other_robots(names):
    done = convert({name: server({'vx_max': 0.6 if '*' in name else 0.8}) for name in names})
    assert done.changes['limits.vx_max'] == 0.8
    assert not [line for line in done.lines if 'another robot' in line.why]


def test_wildcard_name_of_one_node_applies_in_every_namespace():
    tree = {'robot1': {'controller_server': server({'vx_max': 0.6})},
            '/**/local_costmap': node({'robot_radius': 0.3, 'publish_frequency': 5.0})}
    done = convert(tree)
    assert done.changes['robot.radius'] == 0.31
    other = convert({'/**/controller_server': server(), 'local_costmap': costmap(
        robot_radius=0.35)})
    assert other.changes['robot.radius'] == 0.36


# --- repeated sections


def test_second_section_of_a_node_is_merged_key_by_key(tmp_path):
    text = yaml.safe_dump(robot({'vx_max': 0.8}, controller_frequency=15.0)) + """
controller_server:
  ros__parameters:
    controller_frequency: 10.0
    FollowPath: {wz_max: 1.2}
    FollowPath: {wz_max: 1.1}
/controller_server: {ros__parameters: {FollowPath: {vx_min: -0.1}}}
"""
    done = from_text(text, tmp_path)
    changes = done.changes
    assert (changes['limits.vx_max'], changes['limits.ax_min']) == (0.8, -3.0)
    assert (changes['limits.wz_max'], changes['limits.vx_min']) == (1.1, -0.1)
    assert changes['control_rate'] == 10.0
    given = [line.given for line in lines_of(done, 'FollowPath.wz_max')]
    assert sorted(given) == ['1.1', '1.2', '1.9']
    assert 'more than once' in done.reasons['controller_frequency']


def test_a_later_document_overrides_an_earlier_one(tmp_path):
    later = {'controller_server': node({'FollowPath': {'vx_max': 0.7}})}
    done = from_text(yaml.safe_dump_all([robot(), later, {'local_costmap': None}]), tmp_path)
    assert done.changes['limits.vx_max'] == 0.7
    assert done.changes['limits.ax_min'] == -3.0
    assert done.changes['robot.radius'] == 0.23
    assert len(lines_of(done, 'FollowPath.vx_max')) == 2


# --- keys and names


@pytest.mark.parametrize('key', ['ros_parameters', 'ros__parameter', 'ROS__parameters',
                                 'ros__params', 'ros-parameters', 'parameters'])
def test_misspelt_key_of_the_parameters_is_an_error(key, tmp_path, capsys):
    path = tmp_path / 'nav2_params.yaml'
    path.write_text(yaml.safe_dump(robot()).replace('ros__parameters', key, 1), 'utf-8')
    assert main([str(path)]) == 2
    error = capsys.readouterr().err
    assert key in error or 'lacks' in error
    assert 'controller_server' in error
    assert 'ros__parameters' in error


@pytest.mark.parametrize('name', ['controller_server', 'local_costmap', 'velocity_smoother'])
def test_node_without_the_key_of_the_parameters_is_an_error(name):
    tree = robot(smoother=SLOW)
    tree[name] = tree[name].get('ros__parameters', tree[name])
    if name == 'local_costmap':
        tree[name] = {'robot_radius': 0.2}
    with pytest.raises(ParameterError, match=f'{name} lacks the key ros__parameters'):
        convert(tree)


@pytest.mark.parametrize('values', [
    {'foo': 1}, {'FolowPath': {'vx_max': 0.3}}, {'FollowPath': {'plugin': 'a::B', 'k': 1}}])
def test_file_without_a_known_parameter_is_an_error(values):
    with pytest.raises(ParameterError, match='no controller'):
        convert({'controller_server': node(values)})


def test_misspelt_section_is_named_with_the_nearest():
    done = convert(robot({'CostCritc': {'cost_weight': 3.0}, 'Boat': {'cost_weight': 2.0}},
                         goal_cheker={'xy_goal_tolerance': 0.1}))
    assert done.reasons['FollowPath.CostCritc.cost_weight'].endswith('did you mean CostCritic?')
    assert done.reasons['FollowPath.Boat.cost_weight'] == 'is of an unknown section'
    assert done.reasons['goal_cheker.xy_goal_tolerance'].endswith('did you mean goal_checker?')


def test_listed_controller_without_parameters_is_reported():
    done = convert(robot(controller_plugins=['MPPI']))
    line, = lines_of(done, 'controller_plugins')
    assert line.part is Part.CHANGED
    assert line.why == 'does not list FollowPath, whose parameters are converted'
    assert lines_of(convert(robot()), 'controller_plugins')[0].part is Part.LEFT_OUT


# --- checkers


def test_checker_that_is_not_the_first_does_not_replace_defaults_of_nav2():
    simple = 'nav2_controller::SimpleGoalChecker'
    done = convert(robot(
        goal_checker_plugins=['precise', 'general'],
        precise={'plugin': simple, 'xy_goal_tolerance': 0.05},
        general={'plugin': simple, 'stateful': False, 'yaw_goal_tolerance': 0.3},
        stray={'plugin': simple, 'stateful': False}))
    assert done.changes['goal.position_tolerance'] == 0.05
    assert done.changes['goal.heading_tolerance'] == 0.25
    assert done.changes['goal.stateful'] is True
    assert [line.why for line in done.lines if line.ours == 'goal.stateful'] == [
        "Nav2's default, not in the file"]
    assert 'behavior trees may select it' in done.reasons['general.stateful']
    assert 'is not listed' in done.reasons['stray.stateful']


@pytest.mark.parametrize('names', [
    {}, {'progress_checker_plugin': 'progress_checker', 'goal_checker_plugins': ['goal_checker']}])
@pytest.mark.parametrize('turned', [False, True])
def test_only_a_goal_checker_gives_tolerances_and_only_a_progress_checker_progress(names, turned):
    checkers = {
        'progress_checker': {'plugin': 'nav2_controller::SimpleProgressChecker',
                             'xy_goal_tolerance': 0.8, 'movement_time_allowance': 7.0},
        'goal_checker': {'plugin': 'nav2_controller::SimpleGoalChecker',
                         'xy_goal_tolerance': 0.4, 'movement_time_allowance': 5.0,
                         'prune_distance': 1.0}}
    if turned:
        checkers = dict(reversed(checkers.items()))
    done = convert(robot(**names, **checkers))
    assert done.changes['goal.position_tolerance'] == 0.4
    assert done.changes['follow_path.progress_time'] == 7.0
    for name in ('progress_checker.xy_goal_tolerance', 'goal_checker.movement_time_allowance',
                 'goal_checker.prune_distance'):
        assert 'not read here' in done.reasons[name]


def test_checkers_without_a_list_have_the_role_of_their_plugin():
    done = convert(robot(
        moves={'plugin': 'nav2_controller::SimpleProgressChecker', 'xy_goal_tolerance': 0.1,
               'movement_time_allowance': 7.0},
        near={'plugin': 'nav2_controller::SimpleGoalChecker', 'xy_goal_tolerance': 0.4}))
    assert done.changes['goal.position_tolerance'] == 0.4
    assert done.changes['follow_path.progress_time'] == 7.0


def test_checker_of_the_position_accepts_any_heading_in_any_order():
    checker = {'plugin': 'nav2_controller::PositionGoalChecker', 'yaw_goal_tolerance': 0.1}
    for ordered in (checker, dict(reversed(checker.items()))):
        done = convert(robot(goal_checker_plugins=['near'], near=ordered))
        assert done.changes['goal.heading_tolerance'] == 3.15
        assert 'accepts any heading' in done.reasons['near.yaw_goal_tolerance']


# --- velocity smoother


def test_tighter_limits_of_the_velocity_smoother_are_taken_and_reported():
    done = convert(robot(smoother=SLOW))
    limits = {name: done.changes[f'limits.{name}'] for name in (
        'vx_max', 'vx_min', 'wz_max', 'ax_max', 'ax_min', 'az_max')}
    assert limits == {'vx_max': 0.3, 'vx_min': -0.2, 'wz_max': 0.9, 'ax_max': 2.0,
                      'ax_min': -1.0, 'az_max': 2.0}
    why, = measured(done, 'limits.ax_min')
    assert 'velocity_smoother.max_decel -1 is tighter than -3.0 (FollowPath.ax_min)' in why
    assert 'stopping check' in why
    assert 'velocity_smoother.max_decel' in done.origin['limits.ax_min']
    line, = lines_of(done, 'FollowPath.ax_min')
    assert (line.part, line.ours) == (Part.CHANGED, 'limits.ax_min')
    assert 'max_decel -1' in write(done, 'x').split('/**/')[0]


def test_wider_limits_of_the_velocity_smoother_change_nothing():
    wide = {'max_velocity': [2.0, 0.0, 3.0], 'min_velocity': [-2.0, 0.0, -3.0],
            'max_accel': [5.0, 0.0, 5.0], 'max_decel': [-5.0, 0.0, -5.0]}
    done = convert(robot(smoother=wide))
    assert done.changes == convert(robot()).changes
    assert not [line for line in done.lines if 'velocity_smoother.' in line.why]


def test_default_limits_of_the_velocity_smoother_apply_if_the_node_is_in_the_file():
    done = convert(robot(smoother={'smoothing_frequency': 20.0}))
    assert done.changes['limits.ax_min'] == -2.5
    assert "Nav2's default" in measured(done, 'limits.ax_min')[0]
    assert convert({**robot(), '/**': node({'max_decel': [-1.0, 0.0, -1.0]})}).changes[
        'limits.ax_min'] == -3.0


def test_deceleration_of_the_smoother_replaces_our_default_if_the_file_has_none():
    tree = robot(smoother=SLOW)
    del tree['controller_server']['ros__parameters']['FollowPath']['ax_min']
    done = convert(tree)
    assert done.changes['limits.ax_min'] == -1.0
    assert ['the default' in why for why in measured(done, 'limits.ax_min')] == [True]


def test_smoother_of_six_axes_has_the_turning_rate_at_the_end():
    six = {name: [*values[:2], 0.0, 0.0, 0.0, values[2]] for name, values in SLOW.items()}
    done = convert(robot(smoother={**six, 'deadband_velocity': [0.0] * 5 + [0.1]}))
    assert done.changes['limits.wz_max'] == 0.9
    assert done.changes['limits.az_max'] == 2.0
    assert not measured(done, 'prediction.dead_band_linear')
    assert measured(done, 'prediction.dead_band_angular')


def test_lateral_limits_of_the_smoother_apply_to_an_omnidirectional_robot():
    omni = {'motion_model': 'Omni', 'vy_max': 0.5, 'ay_max': 3.0, 'ay_min': -3.0}
    lateral = {name: [values[0], 0.4 * (1 if name.startswith('max_v') or name == 'max_accel'
                                        else -1), values[2]] for name, values in SLOW.items()}
    changes = convert(robot(omni, smoother=lateral)).changes
    assert changes['limits.vy_max'] == changes['limits.ay_max'] == 0.4
    assert changes['limits.ay_min'] == -0.4
    stopped = convert(robot(omni, smoother=SLOW))
    assert 'limits.vy_max' in stopped.changes
    assert 'stops this axis' in measured(stopped, 'limits.vy_max')[0]


def test_reverse_that_the_smoother_forbids_is_not_planned():
    smoother = {**SLOW, 'min_velocity': [0.0, 0.0, -1.0]}
    assert convert(robot(smoother=smoother)).changes['limits.vx_min'] == 0.0


def test_limits_of_the_smoother_that_cannot_be_read_are_to_be_set_by_hand():
    done = convert(robot(smoother={**SLOW, 'max_decel': '$(var decel)',
                                   'deadband_velocity': [0.1]}))
    assert done.changes['limits.ax_min'] == -3.0
    assert any('not a list' in why for why in measured(done, 'limits.ax_min'))
    assert any('not a list' in why for why in measured(done, 'prediction.dead_band_linear'))


def test_dead_band_of_the_smoother_is_reported():
    done = convert(robot(smoother={**SLOW, 'deadband_velocity': [0.05, 0.3, 0.0]}))
    why, = measured(done, 'prediction.dead_band_linear')
    assert why.startswith('velocity_smoother.deadband_velocity 0.05:')
    assert not measured(done, 'prediction.dead_band_angular')


def test_standard_deviation_is_a_share_of_the_limit_after_the_smoother():
    share = INFO['sigma_share'].default
    std = {'vx_max': 0.5, 'vx_std': 0.2, 'wz_max': 1.9, 'wz_std': 0.4}
    assert convert(robot(std)).changes['sigma_share'] == pytest.approx(share)
    slow = {'max_velocity': [0.25, 0.0, 0.95], 'min_velocity': [-0.5, 0.0, -2.5]}
    assert convert(robot(std, smoother=slow)).changes['sigma_share'] == pytest.approx(
        [2.0 * share[0], 1.25 * share[1], 1.25 * share[2]])  # 0.95 rad/s counts 1.6 times
    crawl = {'max_velocity': [0.05, 0.0, 1.9], 'min_velocity': [-0.5, 0.0, -2.5]}
    assert convert(robot(std, smoother=crawl)).changes['sigma_share'][0] == pytest.approx(
        2.5 * share[0])


def test_angular_acceleration_of_the_smoother_is_reported_for_a_car():
    car = {'motion_model': 'Ackermann', 'vx_max': 0.8, 'AckermannConstraints': {
        'min_turning_r': 1.0}}
    smoother = {'max_velocity': [0.5, 0.0, 2.5], 'min_velocity': [-0.5, 0.0, -2.5],
                'max_accel': [2.0, 0.0, 3.0], 'max_decel': [-2.5, 0.0, -2.0]}
    done = convert(robot(car, smoother=smoother), wheelbase=0.4)
    why, = measured(done, 'limits.steering_rate')
    assert 'lock' in why
    assert 'velocity_smoother.max_decel 2 rad/s² is not converted' in why
    assert 'at vx_max 0.5 m/s it limits the steering rate to 1.6 rad/s' in why
    assert len(measured(convert(robot(car)), 'limits.steering_rate')[0]) < len(why)
    unread = convert(robot(car, smoother={**smoother, 'max_accel': '$(var a)'}))
    assert 'max_accel is not a list' in ' '.join(measured(unread, 'limits.steering_rate'))


def test_every_parameter_of_the_smoother_is_listed():
    done = convert(robot(smoother={**SLOW, 'deadband_velocity': [0.0, 0.0, 0.0],
                                   'smoothing_frequency': 20.0}))
    assert 'prediction.dead_band_linear' in done.reasons['velocity_smoother.deadband_velocity']
    assert 'tighter' in done.reasons['velocity_smoother.max_decel']
    assert 'remains' in done.reasons['velocity_smoother.smoothing_frequency']
    assert not [line for line in done.lines if line.given.endswith(' values)')]


# --- car and body


@pytest.mark.parametrize(('speed', 'turning_rate', 'radius', 'free'), [
    (3.0, 1.9, 1.0, 5.7), (3.0, 9.0, 2.0, 4.5), (1.0, 0.5, 1.0, None)])
def test_centripetal_acceleration_of_a_car_stays_free_as_in_nav2(
        speed, turning_rate, radius, free):
    done = convert(robot({
        'motion_model': 'Ackermann', 'vx_max': speed, 'wz_max': turning_rate,
        'AckermannConstraints': {'min_turning_r': radius}}))
    assert done.changes.get('limits.ay_max') == free
    assert len(measured(done, 'limits.ay_max')) == (free is not None)


def test_default_padding_of_nav2_applies_to_radius_and_footprint():
    done = convert(robot())
    assert done.changes['robot.radius'] == 0.23
    notes = [line for line in done.lines if 'footprint_padding' in line.why and not line.source]
    assert [line.ours for line in notes] == ['robot.radius']
    assert "Nav2's default" in notes[0].why
    square = '[[0.2, 0.2], [-0.2, 0.2], [-0.2, -0.2], [0.2, -0.2]]'
    tree = {**robot(), 'local_costmap': costmap(footprint=square)}
    assert max(convert(tree).changes['robot.footprint']) == 0.21
    none = {**robot(), 'local_costmap': costmap(robot_radius=0.2, footprint_padding=0.0)}
    assert convert(none).changes['robot.radius'] == 0.2
    unread = {**robot(), 'local_costmap': costmap(robot_radius=0.2, footprint_padding='$(var p)')}
    assert convert(unread).changes['robot.radius'] == 0.21


CORNERS = [0.3, 0.2, 0.3, -0.2, -0.3, -0.2, -0.3, 0.2]


@pytest.mark.parametrize('footprint', [
    '[[0.3, 0.2], [0.3, -0.2], [-0.3, -0.2], [-0.3, 0.2]]',
    '[[0.3 0.2] [0.3 -0.2] [-0.3 -0.2] [-0.3 0.2]]',
    '[ [0.3, 0.2],[0.3,-0.2] , [-0.3\t-.2],,\t[-0.3,2e-1] ]',
    '[[0.3 0.2][0.3-0.2][-0.3-0.2][-0.3+0.2]]',
    ' [[.3,.2], [.3,-.2], [-.3,-.2], [-.3,.2]] ',
    '[0.3, 0.2, 0.3, -0.2, -0.3, -0.2, -0.3, 0.2]',
    [[0.3, 0.2], [0.3, -0.2], [-0.3, -0.2], [-0.3, 0.2]], CORNERS])
def test_footprint_is_read_with_the_separators_of_nav2(footprint):
    tree = {**robot(), 'local_costmap': costmap(
        footprint=footprint, robot_radius=0.22, footprint_padding=0.0)}
    done = convert(tree)
    assert done.changes['robot.footprint'] == CORNERS
    assert 'robot.radius' not in done.changes
    assert not measured(done, 'robot.radius')


def test_corner_that_is_repeated_at_the_end_of_a_footprint_is_one_corner():
    closed = '[[0.3, 0.2], [0.3, -0.2], [0.3, -0.2], [-0.3, 0.0], [0.3, 0.2]]'
    tree = {**robot(), 'local_costmap': costmap(footprint=closed, footprint_padding=0.0)}
    assert convert(tree).changes['robot.footprint'] == [0.3, -0.2, -0.3, 0.0, 0.3, 0.2]


@pytest.mark.parametrize('footprint', [
    '((0.3, 0.2), (0.3, -0.2), (-0.3, 0.0))', '[[0.3, 0.2], [0.3, -0.2], [-0.3, 0.0]',
    '[[0.3, 0.2], [0.3, -0.2], [-0.3, 0.0]] m', '[[0.3, 0.2], [0.3, -0.2]]',
    '[[0.3, 0.2, 0.0], [0.3, -0.2, 0.0], [-0.3, 0.0, 0.0]]', '$(var footprint)', 'square',
    '[[[0.3, 0.2], [0.3, -0.2], [-0.3, 0.0]]]', '[[nan, 0.2], [0.3, -0.2], [-0.3, 0.0]]',
    '[[30.0, 0.2], [0.3, -0.2], [-0.3, 0.0]]', [[0.3, 'a']], True,
    '[[0.3, 0.3], [-0.3, -0.3], [-0.3, 0.3], [0.3, -0.3]]', '[[0.1, 0.1]' * 2000])
@pytest.mark.parametrize(('radius', 'used'), [
    ({'robot_radius': 0.22}, 'robot_radius with padding is used'), ({}, 'our default is used')])
def test_footprint_that_cannot_be_read_is_to_be_set_by_hand(footprint, radius, used):
    done = convert({**robot(), 'local_costmap': costmap(footprint=footprint, **radius)})
    assert 'robot.footprint' not in done.changes
    why, = measured(done, 'robot.radius')
    assert why.startswith(used)
    assert 'local_costmap.footprint could not be read' in why
    assert done.reasons['local_costmap.footprint'] in why


@pytest.mark.parametrize('footprint', ['', '[]', '[ ]', '[[]]', [], None, {}])
def test_radius_applies_if_the_footprint_is_empty(footprint):
    done = convert({**robot(), 'local_costmap': costmap(footprint=footprint, robot_radius=0.22)})
    assert done.changes['robot.radius'] == 0.23
    assert not measured(done, 'robot.radius')


# --- lines of the report


@pytest.mark.parametrize(('name', 'value', 'ours'), [
    ('ax_min', '-3,0', 'limits.ax_min'), ('vx_max', '$(var speed)', 'limits.vx_max'),
    ('wz_max', 'fast', 'limits.wz_max')])
def test_limit_that_cannot_be_read_is_to_be_set_by_hand(name, value, ours):
    done = convert(robot({name: value}))
    assert ours not in done.changes
    why, = measured(done, ours)
    assert why.startswith(f'is our default, because FollowPath.{name} could not be converted')
    assert f'{ours} {INFO[ours].default}' in '\n'.join(report(done, Part.MEASURE))


def test_sigma_of_a_limit_that_cannot_be_read_has_the_reason():
    done = convert(robot({'vx_max': '$(var speed)', 'vx_std': 0.2}))
    assert done.reasons['FollowPath.vx_std'].startswith('is a share of vx_max, which is filled in')


def test_clipped_weight_is_changed_with_the_reason():
    done = convert(robot({'critics': ['CostCritic'], 'CostCritic': {'cost_weight': 1e9}}))
    line, = lines_of(done, 'FollowPath.CostCritic.cost_weight')
    assert line.part is Part.CHANGED
    assert 'the range is' in line.why
