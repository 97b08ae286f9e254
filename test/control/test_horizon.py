"""What the horizon must hold: a warning with the numbers where it is too short, and its reason."""
from __future__ import annotations

from plain_robot import QUICK, PlainRobot, room
import pytest

from mppi_ros.control.controller import Controller
from mppi_ros.control.parameters import ControllerParameters, read_yaml
from mppi_ros.parameters.declaration import replace
from mppi_ros.share import share_path

ROBOTS = sorted(share_path('config', 'robots').glob('*.yaml'))


def test_the_defaults_and_the_robots_of_the_package_need_no_warning():
    assert ControllerParameters().warnings == ()
    for path in ROBOTS:
        assert read_yaml(path).warnings == (), path


@pytest.mark.parametrize(('changes', 'words'), [
    ({'limits.ax_min': -0.1}, 'horizon_steps · time_step = 2.8 s, is shorter than '
                              'vx_max / |ax_min| = 5 s'),
    ({'limits.vx_max': 5.0}, 'vx_max / |ax_min| = 3.33 s'),
    ({'limits.vx_min': -5.0}, '|vx_min| / |ax_min| = 3.33 s'),
    ({'limits.wz_max': 0.3}, 'a quarter turn with wz_max and az_max = 5.33 s'),
    ({'limits.az_max': 0.3}, 'a quarter turn with wz_max and az_max = 4.58 s'),
    ({'horizon_steps': 20}, 'time_step = 1 s, is shorter than a quarter turn'),
    ({'motion_model': 'omni', 'limits.vy_max': 5.0}, 'vy_max / |ay_min| = 3.33 s'),
    ({'motion_model': 'ackermann', 'limits.turning_radius_min': 3.0},
     'a quarter turn of turning_radius_min'),
    ({'limits.vx_max': 2.0, 'limits.ax_min': -0.05},
     'takes 40 s; a stop that takes more than 20 s counts as unsafe, so that the robot drives no '
     'faster than 1 m/s'),
])
def test_a_horizon_that_is_too_short_is_named_with_its_numbers(changes, words):
    found = replace(ControllerParameters(), changes).warnings
    assert any(words in warning for warning in found), found


@pytest.mark.parametrize('changes', [
    {'limits.vy_max': 5.0}, {'limits.turning_radius_min': 50.0},
    {'motion_model': 'ackermann', 'limits.az_max': 0.01},
])
def test_limits_that_a_motion_model_does_not_use_are_not_warned_of(changes):
    assert replace(ControllerParameters(), changes).warnings == ()


def farthest_of(changes) -> float:
    """Return how far a robot with weak brakes comes whose goal lies at x = 3 m [m]."""
    configuration = replace(QUICK, {
        'safety.costmap_timeout': 0.0, 'limits.ax_min': -0.05, 'time_step': 0.2, **changes})
    robot = PlainRobot(Controller(configuration, 1), x=-3.0)
    robot.controller.set_costmap(robot.now, room(16.0))
    robot.controller.set_goal(robot.now, 3.0, 0.0, 0.0)
    places = []
    for _ in range(500):
        robot.tick()
        places.append(float(robot.pose[0]))
    return max(places)


def test_what_the_horizon_holds_decides_whether_the_robot_stops_at_its_goal():
    enough, short = {'horizon_steps': 55}, {'horizon_steps': 14}
    assert replace(QUICK, {'limits.ax_min': -0.05, 'time_step': 0.2, **enough}).warnings == ()
    assert abs(farthest_of(enough) - 3.0) < QUICK.goal.position_tolerance
    assert farthest_of(short) > farthest_of(enough) + 0.1
