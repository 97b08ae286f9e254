"""mppi_import_nav2: limits that several parameters give, and those that the file lacks."""
from __future__ import annotations

from itertools import combinations, permutations

import pytest

from mppi_ros.cli.import_nav2 import convert
from mppi_ros.nav2_import.controllers import KINDS, UNKNOWN
from mppi_ros.nav2_import.report import INFO, Part

DWB = 'dwb_core::DWBLocalPlanner'
RPP = 'nav2_regulated_pure_pursuit_controller::RegulatedPurePursuitController'
GRACEFUL = 'nav2_graceful_controller::GracefulController'
TEB = 'teb_local_planner::TebLocalPlannerROS'
NEO = 'neo_local_planner::NeoLocalPlanner'
MPPI = 'nav2_mppi_controller::MPPIController'


def imported(plugin, distro='rolling', **values):
    server = {'controller_plugins': ['FollowPath'], 'FollowPath': {'plugin': plugin, **values}}
    return convert({'controller_server': {'ros__parameters': server},
                    'local_costmap': {'ros__parameters': {'robot_radius': 0.3}}}, distro=distro)


def limit(done, name):
    return done.changes.get(f'limits.{name}', INFO[f'limits.{name}'].default)


def measured(done, name):
    return [line.why for line in done.lines
            if line.part is Part.MEASURE and line.ours == f'limits.{name}']


def line_of(done, name):
    line, = [line for line in done.lines if line.source == f'FollowPath.{name}']
    return line


# --- several parameters for one limit


@pytest.mark.parametrize(('plugin', 'values', 'name', 'value'), [
    (DWB, {'acc_lim_theta': 3.2, 'decel_lim_theta': -1.1}, 'az_max', 1.1),
    (DWB, {'acc_lim_theta': 0.9, 'decel_lim_theta': -3.2}, 'az_max', 0.9),
    (DWB, {'max_vel_x': 0.4, 'max_vel_y': 0.4, 'min_vel_y': -0.2}, 'vy_max', 0.2),
    (DWB, {'max_vel_x': 0.4, 'max_vel_y': 0.3, 'max_speed_xy': 0.25}, 'vx_max', 0.25),
    (DWB, {'max_vel_x': 0.4, 'max_vel_y': 0.3, 'max_speed_xy': 0.25}, 'vy_max', 0.25),
    (DWB, {'max_vel_x': 0.4, 'max_vel_y': 0.2, 'max_speed_xy': 0.25}, 'vy_max', 0.2),
    (DWB, {'max_vel_x': 0.4, 'min_vel_x': -0.4, 'max_speed_xy': 0.25}, 'vx_min', -0.25),
    (DWB, {'max_vel_x': 0.4, 'max_speed_xy': 0.6}, 'vx_max', 0.4),
    (DWB, {'max_vel_x': 0.4, 'max_speed_xy': -1.0}, 'vx_max', 0.4),
    (DWB, {'max_vel_x': 0.4, 'max_speed_xy': 0.0}, 'vx_max', 0.4),
    (DWB, {'max_speed_xy': 0.3}, 'vx_max', 0.3),
    (RPP, {'max_angular_accel': 3.2, 'max_angular_decel': -1.3}, 'az_max', 1.3),
    (RPP, {'desired_linear_vel': 0.6, 'max_linear_vel': 0.3}, 'vx_max', 0.6),
    (RPP, {'max_angular_vel': 0.7, 'rotate_to_heading_angular_vel': 1.5}, 'wz_max', 1.5),
    (RPP, {'max_angular_vel': 0.7}, 'wz_max', 1.8),
    (RPP, {'use_dynamic_window': True, 'max_angular_vel': 0.7,
           'rotate_to_heading_angular_vel': 1.5}, 'wz_max', 0.7),
    (RPP, {'use_dynamic_window': True, 'max_angular_vel': 1.7, 'min_angular_vel': -1.4,
           'rotate_to_heading_angular_vel': 1.6}, 'wz_max', 1.4),
    (RPP, {'use_dynamic_window': True, 'max_angular_vel': 2.2,
           'rotate_to_heading_angular_vel': 1.0}, 'wz_max', 1.0),
    (RPP, {'use_dynamic_window': True, 'max_angular_vel': 2.2, 'use_rotate_to_heading': False,
           'rotate_to_heading_angular_vel': 1.0}, 'wz_max', 2.2),
    (RPP, {'use_dynamic_window': True, 'max_angular_vel': 2.2}, 'wz_max', 1.8),
    (RPP, {'use_dynamic_window': True, 'rotate_to_heading_angular_vel': 3.0}, 'wz_max', 2.5),
    (RPP, {'min_linear_vel': -0.2, 'max_linear_vel': 0.7}, 'vx_min', 0.0),
    (RPP, {'min_linear_vel': -0.2, 'max_linear_vel': 0.7, 'allow_reversing': True}, 'vx_min',
     -0.7),
    (RPP, {'min_linear_vel': -0.2, 'max_linear_vel': 0.7, 'allow_reversing': True,
           'use_dynamic_window': True}, 'vx_min', -0.2),
    (RPP, {'min_linear_vel': -0.9, 'max_linear_vel': 0.7, 'allow_reversing': True,
           'use_dynamic_window': True}, 'vx_min', -0.7),
    (RPP, {'max_linear_vel': 0.7, 'allow_reversing': True, 'use_dynamic_window': True}, 'vx_min',
     -0.5),
    (RPP, {'min_linear_vel': -0.2, 'allow_reversing': False, 'use_dynamic_window': True},
     'vx_min', 0.0),
    (GRACEFUL, {'v_linear_max': 0.4, 'allow_backward': True, 'initial_rotation': False},
     'vx_min', -0.4),
    (GRACEFUL, {'v_linear_max': 0.4, 'allow_backward': True}, 'vx_min', 0.0),
    (NEO, {'max_vel_x': 0.8, 'max_trans_vel': 0.5}, 'vx_max', 0.5),
    (NEO, {'max_rot_vel': 0.8, 'max_vel_theta': 0.5}, 'wz_max', 0.5),
    (TEB, {'max_vel_x': 0.8, 'max_vel_trans': 0.5}, 'vx_max', 0.5),
    ('acme::Controller', {'vx_max': 0.9, 'max_vel_x': 0.5, 'desired_linear_vel': 0.7}, 'vx_max',
     0.5),
    ('acme::Controller', {'max_vel_x_backwards': 0.3, 'min_vel_x': -0.1}, 'vx_min', -0.1),
    ('acme::Controller', {'max_vel_x': 0.5, 'min_turning_radius': 0.5, 'min_turning_r': 0.9},
     'turning_radius_min', 0.9),
    (MPPI, {'motion_model': 'Ackermann', 'AckermannConstraints.min_turning_r': 0.5,
            'Car.min_turning_r': 0.8}, 'turning_radius_min', 0.8),
])
def test_the_tightest_limit_in_force_applies_in_any_order(plugin, values, name, value):
    for ordered in permutations(values.items()):
        assert limit(imported(plugin, **dict(ordered)), name) == value, ordered


@pytest.mark.parametrize('plugin', [*KINDS, 'Unknown'])
def test_two_parameters_for_one_of_ours_give_the_same_in_both_orders(plugin):
    rules = KINDS.get(plugin, UNKNOWN).rules
    targets = {name: rule.lstrip('-') for name, rule in rules.items()
               if isinstance(rule, str) and ' ' not in rule}
    pairs = [pair for pair in combinations(targets, 2) if targets[pair[0]] == targets[pair[1]]]
    for first, second in pairs:
        sign = -1.0 if targets[first].endswith('_min') else 1.0
        values = {name: magnitude * (-sign if rules[name].startswith('-') else sign)
                  for name, magnitude in ((first, 0.3), (second, 0.6))}
        for more in ({}, {'use_dynamic_window': True}):
            both = [imported(f'any::{plugin}', **more, **dict(ordered)).changes
                    for ordered in permutations(values.items())]
            assert both[0] == both[1], (first, second)
    assert pairs or plugin in ('MPPIController', 'GracefulController', 'TebLocalPlannerROS')


def test_limit_that_a_tighter_one_replaces_is_reported_as_changed():
    for values in ({'acc_lim_theta': 3.2, 'decel_lim_theta': -1.1},
                   {'decel_lim_theta': -1.1, 'acc_lim_theta': 3.2}):
        done = imported(DWB, **values)
        line = line_of(done, 'acc_lim_theta')
        assert (line.part, line.ours) == (Part.CHANGED, 'limits.az_max')
        assert line.why == 'FollowPath.decel_lim_theta is tighter'
        assert line_of(done, 'decel_lim_theta').part is Part.MEASURE
    both = imported(DWB, acc_lim_theta=3.0, decel_lim_theta=-3.0)
    assert line_of(both, 'decel_lim_theta').part is Part.TAKEN


def test_speed_in_any_direction_is_reported_with_the_limits_that_it_bounds():
    done = imported(DWB, max_vel_x=0.4, max_vel_y=0.3, max_speed_xy=0.25)
    assert line_of(done, 'max_speed_xy').why == 'bounds limits.vx_max and limits.vy_max'
    assert line_of(done, 'max_vel_x').part is Part.CHANGED
    wide = imported(DWB, max_vel_x=0.4, max_speed_xy=0.4)
    assert 'ellipse' in line_of(wide, 'max_speed_xy').why
    assert line_of(wide, 'max_vel_x').part is Part.TAKEN
    assert 'negative' in line_of(imported(DWB, max_speed_xy=-1.0), 'max_speed_xy').why
    unread = imported(DWB, max_vel_x=0.4, max_speed_xy='$(var speed)')
    assert 'FollowPath.max_speed_xy could not be converted' in measured(unread, 'vx_max')[0]


def test_limits_of_the_dynamic_window_without_it_are_left_out_with_the_reason():
    done = imported(RPP, max_angular_vel=0.7, min_linear_vel=-0.3, desired_linear_vel=0.4,
                    max_linear_vel=0.5)
    assert done.reasons['FollowPath.max_angular_vel'] == (
        'applies only with use_dynamic_window: true')
    assert 'use_dynamic_window' in done.reasons['FollowPath.min_linear_vel']
    assert 'desired_linear_vel' in done.reasons['FollowPath.max_linear_vel']


def test_reversing_that_nav2_disables_is_reported_as_changed():
    done = imported(GRACEFUL, allow_backward=True)
    assert line_of(done, 'allow_backward').part is Part.CHANGED
    assert 'initial_rotation' in line_of(done, 'allow_backward').why
    old = imported(RPP, 'humble', desired_linear_vel=0.4, allow_reversing=True)
    assert limit(old, 'vx_min') == 0.0
    assert 'use_rotate_to_heading' in line_of(old, 'allow_reversing').why
    assert limit(imported(RPP, 'humble', desired_linear_vel=0.4, allow_reversing=True,
                          use_rotate_to_heading=False), 'vx_min') == -0.4


# --- limits that the file lacks


@pytest.mark.parametrize(('plugin', 'values', 'missing'), [
    ('acme::Controller', {'acc_lim_x': 0.5}, 'vx_max vx_min wz_max'),
    ('acme::Controller', {'max_vel_x': 0.5, 'wz_max': 0.8}, 'vx_min'),
    ('acme::Controller', {'max_vel_x': 0.5, 'wz_max': '$(var w)', 'min_vel_x': 0.0}, 'wz_max'),
    ('neo_mpc_planner::NeoMpcPlanner', {'max_vel_y': 0.3}, 'vx_max vx_min wz_max'),
    (NEO, {'max_trans_vel': 0.3}, 'vx_min wz_max'),
    (DWB, {'acc_lim_x': 0.5}, 'vx_max wz_max'),
    (TEB, {'min_turning_radius': 0.4}, ''),
    (RPP, {'max_angular_accel': 1.0}, ''),
    (GRACEFUL, {'v_linear_min': 0.1}, ''),
    (MPPI, {'vx_std': 0.2}, ''),
    (MPPI, {'motion_model': 'Omni'}, ''),
])
def test_limit_that_keeps_our_default_is_to_be_measured(plugin, values, missing):
    done = imported(plugin, **values)
    names = ('vx_max', 'vx_min', 'vy_max', 'wz_max')
    assert [name for name in names if measured(done, name)] == missing.split()
    for name in missing.split():
        assert 'our default' in measured(done, name)[0] or 'could not be' in measured(
            done, name)[0]


def test_defaults_of_teb_apply_to_missing_parameters():
    done = imported(TEB, 'humble', max_vel_x=0.5)
    assert limit(done, 'wz_max') == 0.3
    assert limit(done, 'vx_min') == -0.2
    assert limit(done, 'ax_max') == limit(done, 'az_max') == 0.5
    assert 'default' in measured(done, 'ax_max')[0]


def test_acceleration_of_a_controller_without_deceleration_limits_it_too():
    done = imported(NEO, max_vel_x=0.5, max_vel_y=0.2, acc_lim_x=0.4, acc_lim_y=0.3)
    assert (limit(done, 'ax_min'), limit(done, 'ay_min')) == (-0.4, -0.3)
    why, = measured(done, 'ax_min')
    assert 'limits.ax_max 0.4 for braking is tighter than -1.5 (the default)' in why
    assert 'stopping check' in why
    assert limit(imported('acme::Controller', acc_lim_x=0.4, decel_lim_x=-0.9), 'ax_min') == -0.9
    assert limit(imported('acme::Controller', acc_lim_x=2.4), 'ax_min') == -1.5
    assert limit(imported(DWB, acc_lim_x=0.4), 'ax_min') == -1.5


def test_wheelbase_of_teb_is_taken_unless_it_is_given():
    values = {'max_vel_x': 0.5, 'min_turning_radius': 0.4, 'wheelbase': 0.28}
    done = imported(TEB, **values)
    assert limit(done, 'wheelbase') == 0.28
    assert '--wheelbase' in measured(done, 'wheelbase')[0]
    estimated = imported(TEB, **{**values, 'wheelbase': -0.28})
    assert 'is estimated' in measured(estimated, 'wheelbase')[0]
    assert 'is not used by' in imported(TEB, max_vel_x=0.5, wheelbase=0.3).reasons[
        'FollowPath.wheelbase']


def test_limit_of_several_of_which_one_cannot_be_read_is_to_be_measured():
    done = imported('acme::Controller', max_vel_x='$(var v)', desired_linear_vel=0.7)
    assert limit(done, 'vx_max') == 0.7
    assert 'FollowPath.max_vel_x could not be converted: set the limit manually if' in measured(
        done, 'vx_max')[0]


@pytest.mark.parametrize(('values', 'model'), [
    ({'max_vel_y': 0.3}, 'omni'), ({'max_vel_y': 0.3, 'differential_drive': True}, 'diff_drive'),
    ({'min_turning_radius': 0.3, 'max_vel_y': 0.3}, 'ackermann'),
    ({'min_turning_radius': 0.0}, 'diff_drive')])
def test_motion_model_follows_from_the_limits(values, model):
    done = imported('acme::Controller', max_vel_x=0.4, **values)
    assert done.changes.get('motion_model', 'diff_drive') == model


def test_lateral_limit_that_mppi_does_not_read_is_explained():
    done = imported(MPPI, motion_model='Omni', vy_max=0.4, vy_min=-0.2)
    assert done.reasons['FollowPath.vy_min'].startswith('Nav2 does not read it')
    assert limit(done, 'vy_max') == 0.4


def test_bounds_are_parameters_of_their_table():
    for kind in KINDS.values():
        assert set(kind.bounds) <= set(kind.rules)
