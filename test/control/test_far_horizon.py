"""The horizon of a slow robot is longer while a moving obstacle is within reach."""
from __future__ import annotations

import numpy as np
from plain_robot import QUICK, PlainRobot, room
import pytest

from mppi_ros.control.controller import Controller
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving.obstacle_prediction import DynamicObstacle
from mppi_ros.parameters.declaration import replace

NEAR = QUICK.mppi.horizon_steps
FAR = round(1.5 * NEAR)
KEPT = replace(QUICK, {
    'safety.costmap_timeout': 0.0, 'safety.plan_timeout': 0.0,
    'moving_obstacles.horizon_factor': 1.5})


def drive(obstacle=None, configuration=KEPT, ticks=3) -> Controller:
    """Return the controller of a robot that has driven among an obstacle x, y, vx, vy."""
    robot = PlainRobot(Controller(configuration, 1))
    robot.controller.set_costmap(robot.now, room())
    robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    for _ in range(ticks):
        if obstacle is not None:
            seen = DynamicObstacle(robot.now, *obstacle, 0.3)
            robot.controller.set_obstacles(robot.now, [seen], [1])
        robot.tick()
    return robot.controller


def steps(controller: Controller) -> int:
    return len(controller.timed_trajectory()) - 1


def test_it_grows_with_a_moving_obstacle_within_reach_and_shrinks_without():
    assert steps(drive()) == NEAR
    assert steps(drive((3.0, 1.0, -0.5, 0.0))) == FAR
    assert steps(drive((3.0, 1.0, 1.5, 0.5))) == NEAR  # it leaves
    robot = PlainRobot(Controller(KEPT, 1))
    robot.controller.set_costmap(robot.now, room())
    robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    robot.controller.set_obstacles(
        robot.now, [DynamicObstacle(robot.now, 3.0, 1.0, -0.5, 0.0, 0.3)], [1])
    robot.tick()
    assert steps(robot.controller) == FAR
    for _ in range(20):  # the detector is silent, and the costmap is free
        robot.controller.set_costmap(robot.now, room())
        robot.tick()
    assert steps(robot.controller) == NEAR


@pytest.mark.parametrize(('obstacle', 'expected'), [
    ((3.0, 1.0, -0.5, 0.0), FAR), ((3.0, 1.0, 1.5, 0.5), NEAR)])
def test_predictions_are_shown_over_it(obstacle, expected):
    controller = drive(obstacle)
    (shown,) = controller.predicted_obstacles(0.0)
    first, last = shown.discs[0], shown.discs[-1]
    covered = np.hypot(*(last - first)[:2])
    speed = np.hypot(*obstacle[2:])
    assert covered == pytest.approx(speed * expected * KEPT.mppi.time_step)


def test_it_stays_the_same_with_a_factor_of_one():
    usual = replace(KEPT, {'moving_obstacles.horizon_factor': 1.0})
    assert steps(drive((3.0, 1.0, -0.5, 0.0), configuration=usual)) == NEAR


@pytest.mark.parametrize('vx_max, steps_near', [(0.5, 84), (1.0, 84), (1.25, 67), (2.0, 56)])
def test_a_fast_robot_needs_no_longer_one(vx_max, steps_near):
    """At 1.25 m/s it drives 3.5 m in 2.8 s, and 4.2 m in 1.2 times as many steps."""
    limits = {'limits.vx_max': vx_max, 'limits.ax_max': 3.0, 'limits.ax_min': -3.0}
    assert replace(ControllerParameters(), limits).steps_among_moving_obstacles == steps_near


def test_an_obstacle_that_comes_into_reach_late_counts():
    late = (4.2, 0.0, -1.0, 0.0)
    short = replace(KEPT, {'moving_obstacles.horizon_factor': 1.0})
    assert steps(drive(late, configuration=short)) == NEAR
    longer = replace(KEPT, {'moving_obstacles.horizon_factor': 3.0})
    assert steps(drive(late, configuration=longer)) > NEAR


def test_a_robot_without_moving_obstacles_drives_the_same_whatever_the_factor():
    one, other = (
        drive(configuration=replace(KEPT, {'moving_obstacles.horizon_factor': factor}), ticks=20)
        for factor in (1.0, 1.5)
    )
    assert np.array_equal(one.timed_trajectory(), other.timed_trajectory())
