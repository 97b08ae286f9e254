"""mppi_import_nav2: every parameter is converted or reported, and the output can be loaded."""
from __future__ import annotations

from collections import Counter
import math
from pathlib import Path
import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
import yaml

from mppi_ros.cli.import_nav2 import convert, main
from mppi_ros.control.parameters import ControllerParameters, read_yaml
from mppi_ros.driving.footprint import Footprint
from mppi_ros.nav2_import import controllers, robot_body, rules
from mppi_ros.nav2_import.controllers import KINDS, MPPI
from mppi_ros.nav2_import.read import read, sections
from mppi_ros.nav2_import.report import INFO, Part, write
from mppi_ros.nav2_import.rules import USED_BY, Scaled
from mppi_ros.parameters.declaration import replace
from mppi_ros.parameters.errors import ParameterError
from mppi_ros.simulation.episode import Episode
from mppi_ros.simulation.world import World

FILES = sorted((Path(__file__).parent / 'nav2_params').glob('*.yaml'))
SHARE = INFO['sigma_share'].default
SETTINGS = settings(max_examples=200, deadline=None,
                    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def file(name):
    return next(path for path in FILES if path.stem == name)


def imported(name, **options):
    return convert(read(file(name)), **{'distro': 'jazzy', **options})


def content(name='jazzy_diff_drive'):
    return yaml.safe_load(file(name).read_text('utf-8'))


def parameters(tree, node='controller_server'):
    return tree[node]['ros__parameters']


def part_of(done, source):
    parts = [line.part for line in done.lines if line.source == source]
    assert len(parts) == 1, (source, parts)
    return parts[0]


def line_of(done, ours):
    return next(line for line in done.lines if line.ours == ours and line.part is Part.MEASURE)


def leaves(tree, path=()):
    if isinstance(tree, dict) and tree:
        return [each for key, value in tree.items() for each in leaves(value, (*path, str(key)))]
    return ['.'.join(path) or '(no name)']


def expected(source, done):
    """Count the names of all values of the controller and of the costmaps."""
    names, nodes = Counter(), set()
    for tree in source.trees:
        _count(tree, (), done, names, nodes)
    if not nodes:
        names.update(each for tree in source.trees if isinstance(tree, dict)
                     for each in leaves(tree) if tree)
        nodes = {''}
    for path, _ in source.repeated:
        at = path.index('ros__parameters') if 'ros__parameters' in path else -1
        node = '/'.join(path[:max(at, 0)])
        if at >= 0 or nodes == {''}:
            names.update(_named(node, ['.'.join(path[at + 1:]) or '(no name)'], done))
    assert not [node for node in nodes if node.endswith('costmap')
                and prefix_of(node, done) is None]
    return names


def _count(tree, path, done, names, nodes):
    for key, value in tree.items() if isinstance(tree, dict) else ():
        if str(key) != 'ros__parameters':
            _count(value, (*path, str(key)), done, names, nodes)
            continue
        node = '/'.join(path)
        nodes.add(node)
        if value not in (None, {}):
            names.update(_named(node, leaves(value), done))


def prefix_of(node, done):
    """Return the text before the parameters of a node in the report; None if they are counted."""
    return {name.strip('/'): prefix for name, prefix in done.prefixes.items()}.get(node.strip('/'))


def _named(node, names, done):
    prefix = prefix_of(node, done)
    return [] if prefix is None else [f'{prefix}{name}' for name in names]


def shared_values(source):
    """List the values of sections that apply to nodes of any name."""
    sections = [(node, content['ros__parameters']) for tree in source.trees
                if isinstance(tree, dict) for node, content in tree.items()
                if node.rpartition('/')[2] in ('*', '**') and isinstance(content, dict)
                and content.get('ros__parameters') not in (None, {})]
    return [(node, name) for node, values in sections for name in leaves(values)]


def check_report(source, done):
    """Every value is in one line, what is written loads, and the node accepts it."""
    reported = Counter(line.source for line in done.lines if line.source
                       and not line.given.endswith(' values)'))
    for node, name in shared_values(source):
        places = [place for place in (name, f'local_costmap.{name}', f'{node}.{name}')
                  if place in reported]
        assert places, (node, name)
        reported.subtract(places)
    wanted = expected(source, done)
    assert +reported == wanted, (reported, wanted)
    text = write(done, 'nav2_params.yaml')
    tree = yaml.safe_load(text)
    values = {}
    _flat(tree['/**/mppi_controller']['ros__parameters'] or {}, '', values)
    assert set(values) == set(done.changes)
    configuration = replace(ControllerParameters(), values)
    assert configuration == replace(ControllerParameters(), done.changes)
    Footprint.of(configuration.robot)
    return configuration


def _flat(tree, prefix, values):
    for key, value in tree.items():
        if isinstance(value, dict):
            _flat(value, f'{prefix}{key}.', values)
        else:
            values[prefix + key] = value


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize('distro', ['humble', 'rolling'])
def test_every_file_is_imported_every_value_reported_and_the_result_loads(path, distro):
    source = read(path)
    check_report(source, convert(source, distro=distro))


def test_there_are_files_of_many_kinds():
    assert len(FILES) >= 30
    kinds = {convert(read(path)).controller.rpartition('(')[2] for path in FILES}
    assert len(kinds) == len(KINDS) + 1


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_the_command_writes_what_the_controller_reads(path, tmp_path, capsys):
    target, report = tmp_path / 'robot.yaml', tmp_path / 'report.txt'
    assert main([str(path), '--output', str(target), '--report', str(report)]) == 0
    read_yaml(target)
    said = capsys.readouterr()
    assert not said.out
    assert said.err == report.read_text('utf-8')
    for part in Part:
        assert part.value in said.err
        assert part.value in target.read_text('utf-8')
    assert main([str(path)]) == 0
    assert capsys.readouterr().out == target.read_text('utf-8')


# --- whatever a file holds


SCALARS = st.one_of(
    st.none(), st.booleans(), st.floats(), st.integers(), st.integers(10**20, 10**400),
    st.text(max_size=20), st.sampled_from([
        '$(var x)', '<ns>', '2.0', '1e3', '[[0.1, 0.1]]', '[[[[', '[]', '', 'a\nb', '\u2028',
        '\ud800', '[[nan, 0], [1, 0], [0, 1]]', '[[1, 1, 1], [2, 2, 2], [3, 1, 2]]', 'Omni',
        'Ackermann', 'nav2_mppi_controller::MPPIController', 0.0, -1.0, 1e-300, 1e300])).filter(
            lambda value: value is not Ellipsis)
VALUES = st.recursive(
    SCALARS, lambda each: st.lists(each, max_size=3)
    | st.dictionaries(st.text(max_size=8) | st.integers() | st.booleans(), each, max_size=3),
    max_leaves=6)


def branches(tree, found):
    if isinstance(tree, dict):
        found.append(tree)
        for value in tree.values():
            branches(value, found)
    return found


@SETTINGS
@given(path=st.sampled_from(FILES), data=st.data())
def test_no_wrong_value_is_lost_or_ends_in_a_traceback(path, data):
    source = read(path)
    for _ in range(data.draw(st.integers(1, 4))):
        owner = data.draw(st.sampled_from([
            each for tree in source.trees for each in branches(tree, []) if each]))
        key = data.draw(st.sampled_from(list(owner)))
        if data.draw(st.booleans()):
            owner[key] = data.draw(VALUES)
        else:
            owner[data.draw(st.text(max_size=8))] = owner.pop(key)
    try:
        done = convert(source, distro=data.draw(st.sampled_from(['humble', 'kilted'])))
    except ParameterError as error:
        assert re.search('there is no controller|ros__parameters', str(error))
    else:
        check_report(source, done)


@SETTINGS
@given(path=st.sampled_from(FILES), data=st.data())
def test_no_text_ends_in_a_traceback(path, data, tmp_path_factory):
    text = path.read_bytes()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(at, min(at + 30, len(text))))
        put = data.draw(st.binary(max_size=6) | st.sampled_from([
            b'\t', b'\n', b'\n---\n', b'&a ', b'*a', b'!!python/object:os.system ', b'{', b'[',
            b'- ', b'<<: ', b': ', b'"', b'#', b'\x00', b'\xff\xfe', b'? ', b'.nan', b'  ']))
        text = text[:at] + put + text[end:]
    broken = tmp_path_factory.mktemp('broken') / 'nav2_params.yaml'
    broken.write_bytes(text)
    target = broken.with_name('robot.yaml')
    code = main([str(broken), '--output', str(target), '--distro', 'jazzy'])
    assert code in (0, 2)
    if code == 0:
        read_yaml(target)


BOMB = 'a0: &a0 [x, x, x, x, x, x, x, x, x]\n' + ''.join(
    f'a{n}: &a{n} [{", ".join([f"*a{n - 1}"] * 9)}]\n' for n in range(1, 12))


@pytest.mark.parametrize(('text', 'words'), [
    (b'', 'no controller'),
    (b'# nothing\n', 'no controller'),
    (b'- a\n- b\n', 'no controller'),
    (b'7\n', 'no controller'),
    (b'a: 1\n', 'no controller'),
    (b'amcl: {ros__parameters: {max_beams: 60}}\n', 'no controller'),
    (b'a:\n\tb: 1\n', 'is not YAML'),
    (b'a: [1\n', 'is not YAML'),
    (b'<<<<<<< HEAD\na: 1\n', 'is not YAML'),
    (b'\x00\x01\x02', 'is not YAML'),
    (b'\x89PNG\r\n\x1a\n', 'is not YAML'),
    (b'\xff\xfe\x00', 'is not YAML'),
    (b'a: *missing\n', 'is not YAML'),
    (BOMB.encode(), 'more than 50000 values'),
    (b'a: &a\n  b: *a\n', 'nested deeper'),
    (b'a: &a [*a]\n', 'nested deeper'),
    (b'[' * 5000, 'nested too deeply'),
    (b'{a: ' * 5000, 'nested too deeply'),
    (b'{a: ' * 60 + b'1' + b'}' * 60, 'nested deeper'),
    (b'#' * (2**21 + 1), 'larger than'),
], ids=lambda each: str(each)[:30])
def test_file_that_is_not_of_nav2_is_rejected_in_one_line(text, words, tmp_path, capsys):
    path = tmp_path / 'nav2_params.yaml'
    path.write_bytes(text)
    assert main([str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith('mppi_import_nav2: ')
    assert words in error
    assert error.count('\n') == 1


def test_missing_file_and_folder_are_rejected(tmp_path, capsys):
    assert main([str(tmp_path / 'none.yaml')]) == 2
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.count('\n') == 2


def test_a_value_that_a_second_key_replaces_is_named():
    done = imported('repeated_keys')
    assert done.changes['limits.vx_max'] == 0.6
    assert done.changes['robot.radius'] == 0.31
    given = Counter(line.source for line in done.lines)
    assert given['FollowPath.vx_max'] == given['local_costmap.robot_radius'] == 2
    assert given['FollowPath.GoalCritic.cost_weight'] == 2


def test_nothing_is_constructed_from_tags():
    done = imported('tags')
    assert done.changes['limits.vx_max'] == 0.4
    assert part_of(done, 'FollowPath.wz_max') is Part.LEFT_OUT


def test_text_of_a_file_cannot_leave_the_comments(tmp_path):
    text = write(imported('unicode'), 'a\nlimits: {vx_max: 9}.yaml')
    assert yaml.safe_load(text)['/**/mppi_controller']['ros__parameters']['base_frame' if (
        'base_frame' in text.split('\n#')[0]) else 'limits']
    for line in text.splitlines():
        assert line.isprintable()


# --- tables


def test_every_rule_names_a_parameter_of_this_package_or_a_reason():
    tables = [rules.CONTROLLER, rules.SERVER, *rules.CHECKERS.values(),
              rules.BODY, controllers.SHIM,
              *rules.CRITICS.values(), *(kind.rules for kind in KINDS.values())]
    for table in tables:
        for key, rule in table.items():
            name = rule.name if isinstance(rule, Scaled) else rule.removeprefix('-')
            assert name in INFO or ' ' in name, (key, rule)
    assert set(USED_BY) & set(INFO) <= set(INFO)
    assert {name for kind in KINDS.values() for name in kind.absent} <= set(INFO)


# Every parameter that the sources of nav2_mppi_controller read, branches humble to main.
CONTROLLER = """
time_steps model_dt batch_size iteration_count temperature gamma vx_std vy_std wz_std vx_max vx_min
vy_max wz_max ax_max ax_min ay_max ay_min az_max model_delay_vx model_delay_vy model_delay_wz
motion_model min_turning_r critics retry_attempt_limit regenerate_noises open_loop reset_period
clamp_raw_controls sgf_order visualize publish_optimal_trajectory critic_index_to_visualize
publish_critics_stats TrajectoryVisualizer.trajectory_step TrajectoryVisualizer.time_step
TrajectoryValidator.plugin TrajectoryValidator.collision_lookahead_time
TrajectoryValidator.consider_footprint prune_distance max_robot_pose_search_dist
transform_tolerance enforce_path_inversion inversion_xy_tolerance inversion_yaw_tolerance
"""
CRITICS = {
    'ConstraintCritic': '',
    'CostCritic': 'consider_footprint critical_cost near_collision_cost collision_cost '
                  'near_goal_distance inflation_layer_name trajectory_point_step',
    'GoalAngleCritic': 'threshold_to_consider symmetric_yaw_tolerance',
    'GoalCritic': 'threshold_to_consider',
    'ObstaclesCritic': 'consider_footprint repulsion_weight critical_weight collision_cost '
                       'collision_margin_distance near_goal_distance inflation_layer_name '
                       'cost_scaling_factor inflation_radius',
    'PathAlignCritic': 'max_path_occupancy_ratio offset_from_furthest trajectory_point_step '
                       'threshold_to_consider use_path_orientations',
    'PathAlignLegacyCritic': 'max_path_occupancy_ratio offset_from_furthest '
                             'trajectory_point_step threshold_to_consider use_path_orientations',
    'PathAngleCritic': 'offset_from_furthest threshold_to_consider max_angle_to_furthest mode '
                       'forward_preference',
    'PathFollowCritic': 'threshold_to_consider offset_from_furthest',
    'PreferForwardCritic': 'threshold_to_consider',
    'TwirlingCritic': '',
    'VelocityDeadbandCritic': 'deadband_velocities',
}


def test_every_parameter_of_nav2s_mppi_has_a_rule():
    assert set(CONTROLLER.split()) <= set(rules.CONTROLLER)
    assert set(CRITICS) == set(rules.CRITICS)
    for critic, names in CRITICS.items():
        weight = set() if critic == 'ObstaclesCritic' else {'cost_weight'}
        assert {*names.split(), *weight, 'enabled', 'cost_power'} <= set(
            rules.CRITICS[critic])


def test_names_of_nav2_are_not_reported_as_misspelt():
    for path in FILES:
        if path.stem in ('unicode', 'extreme_numbers', 'only_the_plugin'):
            continue
        asked = [name for name, why in convert(read(path)).reasons.items() if 'is unknown' in why]
        assert not asked, path.stem


def test_a_misspelt_parameter_is_named_with_the_nearest():
    tree = content()
    parameters(tree)['FollowPath']['vx_maks'] = 0.4
    reason = convert(tree).reasons['FollowPath.vx_maks']
    assert reason == 'is unknown; did you mean vx_max?'


# --- limits and models


@pytest.mark.parametrize('name', ['vy_max_zero', 'ay_max_zero', 'ackermann'])
def test_limits_that_the_motion_model_does_not_use_are_left_out_with_the_reason(name):
    done = imported(name)
    sideways = [line for line in done.lines if line.source.startswith('FollowPath.')
                and line.source.rpartition('.')[2] in ('vy_max', 'ay_max', 'ay_min', 'vy_std')]
    assert sideways
    for line in sideways:
        assert line.part is Part.LEFT_OUT
        assert 'is not used' in line.why
    assert done.changes['limits.vx_max' if name != 'ay_max_zero' else 'limits.ax_max'] > 0.5


def test_centripetal_acceleration_of_a_fast_differential_drive_stays_free_as_in_nav2():
    tree = content()
    parameters(tree)['FollowPath'].update(vx_max=2.0, wz_max=3.0)
    done = convert(tree)
    assert done.changes['limits.ay_max'] == 6.0
    assert 'neither slides nor tips' in line_of(done, 'limits.ay_max').why
    parameters(tree)['FollowPath'].update(vx_max=0.3, vx_min=-0.3, wz_max=1.0)
    assert 'limits.ay_max' not in convert(tree).changes


def test_omnidirectional_robot_without_lateral_speed_is_a_differential_drive():
    done = imported('omni_without_sideways')
    assert 'motion_model' not in done.changes
    assert part_of(done, 'FollowPath.motion_model') is Part.CHANGED
    assert imported('omni').changes['motion_model'] == 'omni'


def test_unknown_motion_model_is_to_be_chosen_by_hand():
    tree = content()
    parameters(tree)['FollowPath']['motion_model'] = 'boat'
    line = line_of(convert(tree), 'motion_model')
    assert 'boat' in line.why
    assert 'ackermann' in line.why


@pytest.mark.parametrize(('name', 'ours', 'value'), [
    ('shim_mppi_humble', 'limits.vx_max', 0.7),
    ('shim_mppi_humble', 'critics.obstacle.weight', 2.0),
    ('shim_mppi_rolling', 'limits.vx_max', 0.65),
    ('shim_mppi_rolling', 'samples', 1400),
    ('shim_mppi_rolling', 'critics.path_tracking.weight', 0.5),
    ('dotted_keys', 'limits.vx_max', 0.65),
    ('dotted_keys', 'goal.position_tolerance', 0.12),
    ('numbers_with_a_point', 'samples', 2000),
    ('numbers_with_a_point', 'limits.vx_max', 1.0),
    ('small_tolerances', 'goal.position_tolerance', 0.01),
    ('small_tolerances', 'goal.heading_tolerance', 3.15),
    ('small_tolerances', 'follow_path.failure_tolerance', 600.0),
    ('small_tolerances', 'follow_path.progress_radius', 0.01),
    ('small_tolerances', 'follow_path.progress_time', 3600.0),
    ('position_checker', 'goal.heading_tolerance', 3.15),
    ('position_checker', 'goal.stateful', True),
    ('jazzy_diff_drive', 'follow_path.progress_angle', 0.4),
    ('jazzy_diff_drive', 'goal.stateful', True),
    ('jazzy_diff_drive', 'goal.trans_stopped_velocity', 0.05),
    ('stopped_checker', 'goal.stateful', False),
    ('stopped_checker', 'goal.position_tolerance_buffer', 0.15),
    ('stopped_checker', 'goal.symmetric_yaw_tolerance', True),
    ('stopped_checker', 'goal.trans_stopped_velocity', 0.12),
    ('stopped_checker', 'goal.rot_stopped_velocity', 0.25),
    ('stopped_checker', 'follow_path.progress_angle', 0.5),
    ('symmetric_critic', 'goal.symmetric_yaw_tolerance', True),
    ('rolling_diff_drive', 'goal.stateful', False),
    ('empty_footprint', 'robot.radius', 0.32),
    ('crossing_footprint', 'robot.radius', 0.41),
    ('padded_radius', 'robot.radius', 0.25),
    ('numeric_plugin', 'robot.radius', 0.31),
    ('anchors', 'limits.vx_max', 0.75),
    ('anchors', 'limits.wz_max', 1.1),
    ('several_documents', 'robot.radius', 0.34),
    ('two_robots', 'limits.vx_max', 0.4),
    ('two_robots', 'robot.radius', 0.22),
    ('several_controllers', 'limits.vx_max', 0.2),
    ('mppi_fork', 'limits.vx_max', 0.45),
    ('unknown_plugin', 'limits.ax_max', 0.6),
    ('fragment', 'limits.vx_max', 0.35),
    ('obstacles_critic', 'critics.obstacle.weight', 2.0),
    ('obstacles_critic', 'critics.path_tracking.weight', 0.5),
    ('wrong_signs', 'limits.ax_min', -2.0),
    ('wrong_signs', 'limits.ax_max', 1.0),
    ('wrong_signs', 'limits.vx_min', 0.0),
    ('extreme_numbers', 'limits.vx_max', 20.0),
    ('extreme_numbers', 'limits.ax_min', -0.01),
    ('extreme_numbers', 'iterations', 50),
    ('rpp', 'limits.vx_min', 0.0),
    ('rpp', 'limits.wz_max', 1.5),
    ('rpp_rolling', 'limits.vx_min', -0.4),
    ('rpp_rolling', 'limits.ax_min', -1.3),
    ('rpp_rolling', 'limits.wz_max', 1.0),
    ('shim_rpp', 'limits.vx_min', -0.45),
    ('graceful', 'limits.ax_min', -1.6),
    ('graceful', 'limits.vx_min', 0.0),
    ('teb_car', 'motion_model', 'ackermann'),
    ('teb_car', 'limits.vx_min', -0.15),
    ('teb_car', 'limits.wz_max', 0.3),
    ('teb_car', 'limits.turning_radius_min', 0.6),
    ('teb_car', 'limits.wheelbase', 0.28),
    ('neo_omni', 'motion_model', 'omni'),
    ('neo_omni', 'limits.vx_max', 0.7),
    ('neo_omni', 'limits.vy_max', 0.4),
    ('neo_omni', 'limits.wz_max', 0.6),
    ('humble_dwb', 'limits.ax_min', -1.8),
    ('humble_dwb', 'limits.vx_min', 0.0),
    ('dwb_omni', 'motion_model', 'omni'),
    ('dwb_omni', 'limits.vy_max', 0.4),
    ('rolling_diff_drive', 'goal.position_tolerance', 0.08),
    ('rolling_diff_drive', 'prediction.delay_linear', 0.12),
    ('rolling_ackermann', 'motion_model', 'ackermann'),
    ('rolling_ackermann', 'limits.turning_radius_min', 1.4),
    ('rolling_ackermann', 'robot.radius', 0.61),
])
def test_parameters_of_a_file_are_converted(name, ours, value):
    changes = imported(name).changes
    assert changes.get(ours, INFO[ours].default) == value


def test_the_second_robot_and_the_second_controller_can_be_chosen():
    second = imported('two_robots', controller='robot2/controller_server/FollowPath')
    assert second.changes['limits.vx_max'] == 0.9
    assert second.changes['robot.radius'] == 0.43
    assert imported('several_controllers', controller='FollowPath').changes['limits.vx_max'] == 0.7
    assert imported('several_controllers', controller='Docking').changes['limits.vx_max'] == 0.2
    with pytest.raises(ParameterError, match='choose one of .*Precise.*Docking'):
        imported('several_controllers', controller='Fast')


def test_placeholders_of_a_launch_file_are_named():
    done = imported('launch_substitutions')
    for name in ('vx_max', 'vx_min', 'wz_max', 'batch_size', 'ax_max'):
        assert 'launch file' in done.reasons[f'FollowPath.{name}']
    assert 'launch file' in done.reasons['use_sim_time']
    assert 'launch file' in done.reasons['local_costmap.robot_base_frame']


def test_all_misfits_are_reported_together():
    done = imported('wrong_signs')
    for name in ('wz_max', 'vx_max', 'model_dt', 'batch_size', 'GoalCritic.cost_weight'):
        assert part_of(done, f'FollowPath.{name}') is Part.LEFT_OUT
    for name in ('vx_min',):
        assert part_of(done, f'FollowPath.{name}') is Part.CHANGED


def test_values_that_contradict_each_other_are_left_out():
    done = imported('contradiction')
    left = [name for name, why in done.reasons.items()
            if 'is inconsistent with other parameters' in why]
    assert left
    check_report(read(file('contradiction')), done)


# --- body and costmap


def test_a_footprint_is_taken_corner_by_corner_with_its_padding():
    footprint = imported('jazzy_diff_drive').changes['robot.footprint']
    assert footprint == pytest.approx([0.26, 0.22, 0.26, -0.22, -0.23, -0.22, -0.23, 0.22])
    assert len(imported('many_corners').changes['robot.footprint']) == 16
    square = imported('negative_padding')
    assert max(square.changes['robot.footprint']) == 0.2
    assert 'smaller' in square.reasons['local_costmap.footprint_padding']


def test_invalid_footprint_is_to_be_measured():
    done = imported('footprint_placeholder')
    assert 'manually' in done.reasons['local_costmap.footprint']
    assert 'footprint' in line_of(done, 'robot.radius').why


@pytest.mark.parametrize(('update', 'costmap', 'distro', 'timeout'), [
    (0.3, {'publish_frequency': 2.0}, 'jazzy', 1.5),
    (0.3, {'publish_frequency': 10.0, 'update_frequency': 10.0}, 'jazzy', 0.3),
    (0.3, {'publish_frequency': 10.0, 'update_frequency': 5.0}, 'jazzy', 0.6),
    (0.3, {'publish_frequency': 10.0}, 'jazzy', 0.6),  # updated at 5 Hz without another word
    (2.0, {'publish_frequency': 2.0}, 'jazzy', 2.0),
    (0.3, {'update_frequency': 5.0}, 'jazzy', 3.0),  # published at 1 Hz without another word
    (0.3, {'publish_frequency': 0.0}, 'jazzy', 3.0),
    (None, {'publish_frequency': 20.0, 'update_frequency': 20.0}, 'jazzy', 0.3),
    (None, {'publish_frequency': 20.0, 'update_frequency': 20.0}, 'humble', 1.5),
    ('soon', {'publish_frequency': 0.5}, 'jazzy', 6.0),
    (0.3, {}, 'jazzy', 1.5),
])
def test_the_robot_does_not_brake_before_the_next_costmap_comes(update, costmap, distro, timeout):
    tree = content('only_the_plugin')
    if update is not None:
        parameters(tree)['costmap_update_timeout'] = update
    tree['local_costmap'] = {'local_costmap': {'ros__parameters': costmap}}
    changes = convert(tree, distro=distro).changes
    assert changes.get('safety.costmap_timeout', 1.5) == pytest.approx(timeout)


# --- what Nav2 holds


@pytest.mark.parametrize(('distro', 'stamped'), [
    ('humble', False), ('jazzy', False), ('kilted', True), ('lyrical', True), ('rolling', True)])
def test_the_distribution_decides_between_twist_and_twist_stamped(distro, stamped):
    changes = imported('only_the_plugin', distro=distro).changes
    assert changes.get('cmd_vel_stamped', True) is stamped
    changes = imported('parameter_dump', distro=distro).changes
    assert changes['cmd_vel_stamped'] is False


def test_the_distribution_is_asked_for_guessed_or_that_of_the_shell(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv('ROS_DISTRO', raising=False)
    assert convert(read(file('humble_dwb'))).distro == 'humble'
    assert convert(read(file('jazzy_diff_drive'))).distro == 'jazzy'
    assert convert(read(file('rolling_diff_drive'))).distro == 'lyrical'
    assert main([str(file('humble_dwb'))]) == 0
    assert ('ROS 2 humble (derived from the parameter progress_checker_plugin; --distro chooses)'
            in capsys.readouterr().out)
    assert 'jazzy (assumed' in convert(read(file('only_the_plugin'))).release
    assert imported('only_the_plugin', distro='jazzy').release == 'ROS 2 jazzy'
    monkeypatch.setenv('ROS_DISTRO', 'kilted')
    assert main([str(file('only_the_plugin'))]) == 0
    assert 'ROS 2 kilted' in capsys.readouterr().out
    assert main([str(file('only_the_plugin')), '--distro', 'humble']) == 0
    assert 'cmd_vel_stamped: false' in capsys.readouterr().out


def test_default_of_nav2_applies_to_missing_parameters():
    changes = imported('only_the_plugin', distro='jazzy').changes
    assert changes['limits.vx_min'] == -0.35
    assert changes['samples'] == 1000
    assert changes['limits.ax_max'] == 3.0
    assert changes['limits.az_max'] == 3.5
    assert changes['goal.position_tolerance'] == changes['goal.heading_tolerance'] == 0.25
    assert 'limits.ay_max' not in changes
    humble = imported('only_the_plugin', distro='humble').changes
    assert 'limits.ax_max' not in humble
    assert imported('rolling_ackermann').changes['limits.vx_min'] == -0.35


@pytest.mark.parametrize(('given', 'value', 'part'), [
    (None, 0.3, Part.CHANGED), (0.0, 0.3, Part.CHANGED), (0.2, 0.3, Part.CHANGED),
    (0.3, 0.3, Part.TAKEN), (0.5, 0.5, Part.TAKEN), (-1.0, 600.0, Part.CHANGED)])
def test_time_until_the_action_fails_is_at_least_that_of_a_fault(given, value, part):
    tree = content('only_the_plugin')
    if given is not None:
        parameters(tree)['failure_tolerance'] = given
    done = convert(tree)
    assert done.changes['follow_path.failure_tolerance'] == value
    line, = [line for line in done.lines if line.ours == 'follow_path.failure_tolerance']
    assert line.part is part
    if given is None:
        assert line.why.startswith("Nav2's default is 0 s, not in the file; less than 0.3 s")


@pytest.mark.parametrize(('distro', 'weight'), [('humble', 1.0), ('jazzy', 1.1), ('rolling', 1.1)])
def test_weight_that_is_not_in_the_file_is_the_default_of_nav2s_code(distro, weight):
    tree = content('only_the_plugin')
    parameters(tree)['FollowPath']['critics'] = ['PathAngleCritic', 'PathAlignCritic']
    done = convert(tree, distro=distro)
    for name, ratio in (('path_heading', weight), ('path_tracking', 10.0 / 14.0)):
        name = f'critics.{name}.weight'
        assert done.changes.get(name, INFO[name].default) == pytest.approx(
            ratio * INFO[name].default, rel=1e-3)


@pytest.mark.parametrize('turned', [False, True])
def test_weight_of_two_critics_is_that_of_the_first_in_nav2s_list(turned):
    tree = content('only_the_plugin')
    weights = [('CostCritic', {'cost_weight': 7.62}), ('ObstaclesCritic', {
        'repulsion_weight': 4.5})]
    parameters(tree)['FollowPath'].update(dict(reversed(weights) if turned else weights))
    for first, second, ratio in (('CostCritic', 'ObstaclesCritic', 2.0),
                                 ('ObstaclesCritic', 'CostCritic', 3.0)):
        parameters(tree)['FollowPath']['critics'] = [first, second]
        done = convert(tree)
        assert done.changes['critics.obstacle.weight'] == pytest.approx(
            ratio * INFO['critics.obstacle.weight'].default)
        assert [why for name, why in done.reasons.items() if second in name] == [
            f'{first} is the first critic that gives critics.obstacle.weight']


def test_weight_of_a_critic_under_its_former_name_is_not_disabled():
    tree = content('only_the_plugin')
    parameters(tree)['FollowPath']['critics'] = ['PathAlignLegacyCritic']
    done = convert(tree)
    assert done.changes['critics.path_tracking.weight'] == pytest.approx(
        10.0 / 14.0 * INFO['critics.path_tracking.weight'].default, rel=1e-3)


def test_missing_deceleration_is_to_be_measured():
    done = imported('only_the_plugin', distro='jazzy')
    assert 'limits.ax_min' not in done.changes
    assert 'stopping check' in line_of(done, 'limits.ax_min').why


def test_limits_that_the_safety_check_trusts_are_to_be_measured(tmp_path):
    done = imported('fast_robot')
    assert done.changes['limits.ax_min'] == -3.0
    assert part_of(done, 'FollowPath.ax_min') is Part.MEASURE
    assert 'stopping check' in line_of(done, 'limits.ax_min').why
    head = write(done, 'x').split('/**/')[0]
    assert 'limits.ax_min -3.0' in head


def test_sigma_is_compared_as_a_share_of_the_limits():
    assert imported('fast_robot').changes['sigma_share'] == pytest.approx([1.25, *SHARE[1:]])
    tree = content('fast_robot')
    section = parameters(tree)['FollowPath']
    section.update(vx_max=0.5, vx_std=0.2)
    assert convert(tree).changes['sigma_share'] == pytest.approx(list(SHARE))
    section.update(vx_max=1.0, vx_std=0.2, wz_std=0.8)
    assert convert(tree).changes['sigma_share'] == pytest.approx(
        [0.5 * SHARE[0], 2.0 * SHARE[1], 2.0 * SHARE[2]])
    del section['vx_std'], section['wz_std']
    assert 'sigma_share' not in convert(tree).changes


def test_a_car_has_a_wheelbase_of_its_own():
    done = imported('ackermann')
    assert done.changes['limits.wheelbase'] == pytest.approx(0.6 * 0.76, rel=0.01)
    assert 'axles' in line_of(done, 'limits.wheelbase').why
    assert 'lock' in line_of(done, 'limits.steering_rate').why
    given = imported('ackermann', wheelbase=0.5)
    assert given.changes['limits.wheelbase'] == 0.5
    zero = imported('ackermann_zero_radius')
    assert 'limits.turning_radius_min' not in zero.changes
    assert line_of(zero, 'limits.turning_radius_min')
    assert 'limits.wheelbase' not in imported('omni').changes


def test_a_wheelbase_out_of_range_is_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        main([str(file('ackermann')), '--wheelbase', '-1'])
    assert caught.value.code == 2
    assert 'outside' in capsys.readouterr().err


def test_weights_are_scaled_by_their_ratio_to_the_defaults_of_nav2():
    done = imported('jazzy_diff_drive')
    default = {name: INFO[name].default for name in INFO}
    assert done.changes['critics.goal_position.weight'] == pytest.approx(
        6.0 / 5.0 * default['critics.goal_position.weight'])
    assert done.changes['critics.path_tracking.weight'] == pytest.approx(10.0 / 14.0, rel=1e-3)
    assert done.changes['critics.prefer_forward.weight'] == 0.0
    assert part_of(done, 'FollowPath.PreferForwardCritic.enabled') is Part.TAKEN


def test_other_controllers_give_limits_and_keep_our_weights():
    for name in ('humble_dwb', 'rpp', 'graceful', 'unknown_plugin'):
        done = imported(name)
        assert done.hint
        assert done.hint.split(':')[0] in ' '.join(write(done, 'x').split()).replace('# ', '')
        assert not [ours for ours in done.changes if ours.startswith('critics.')]


def test_costmap_size_that_a_speed_requires_is_reported():
    assert 'more than' in imported('fast_robot').reasons['local_costmap.width']


def test_only_kept_parameters_are_reported_as_converted():
    for path in FILES:
        done = convert(read(path))
        for line in done.lines:
            if line.ours and line.part in (Part.TAKEN, Part.CHANGED) and line.ours not in (
                    'safety.costmap_timeout', 'motion_model'):
                assert line.ours in done.changes, (path.stem, line)


# --- driving


@pytest.mark.parametrize('name', ['jazzy_diff_drive', 'omni', 'ackermann'])
def test_an_imported_configuration_drives(name):
    done = imported(name)
    configuration = check_report(read(file(name)), done)
    world = World.from_circles(np.array([[2.0, 1.3, 0.3], [1.5, -1.2, 0.3]]), (-2, -3, 6, 3))
    result = Episode(world=world, start=(0.0, 0.0, 0.0), goal=(3.5, 0.0, 0.0),
                     configuration=configuration, timeout=20.0).run()
    assert result.success, result.reason
    assert result.min_clearance_m > 0.0
    assert result.time_s < 3.0 * 3.5 / configuration.limits.vx_max
    assert math.isfinite(result.mean_jerk)


def test_rates_and_padding_are_those_of_nav2():
    assert robot_body.RATES == {'publish_frequency': 1.0, 'update_frequency': 5.0}
    assert MPPI.absent['samples'] == 1000
    assert sections(read(file('every_node')))[0].node == '/**'
