"""The controller drives a robot that it has learnt as well as one that it was told of."""
from __future__ import annotations

import numpy as np
from plain_robot import QUICK, PlainRobot, room
import pytest

from mppi_ros.control.controller import Controller
from mppi_ros.control.inputs import Odometry
from mppi_ros.control.plant_estimate import PlantEstimate
from mppi_ros.driving.motion_models import DiffDrive
from mppi_ros.driving.parameters import Limits, PredictionParameters
from mppi_ros.parameters.declaration import replace

CALM = replace(QUICK, {'safety.costmap_timeout': 0.0})


def test_what_is_sent_makes_what_was_wanted():
    told = PredictionParameters(gain_linear=0.8, gain_angular=1.25)
    drives = PlantEstimate(Limits(), told, DiffDrive, learns=False)
    assert drives.achieved(np.array(drives.commanded((0.4, -0.5)))) == pytest.approx((0.4, -0.5))
    assert drives.limits.vx_max == pytest.approx(0.8 * Limits().vx_max)
    assert drives.limits.az_max == pytest.approx(1.25 * Limits().az_max)


def test_without_gain_and_learning_nothing_differs():
    drives = PlantEstimate(Limits(), PredictionParameters(), DiffDrive, learns=False)
    assert drives.limits == Limits()
    assert drives.prediction == drives.conservative == PredictionParameters()
    assert not drives.observe(Odometry(0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0), np.zeros((1, 3)))


def slow_robot(changes=None, seconds=8.0):
    """Drive across a room a robot that is slower than the controller was told."""
    robot = PlainRobot(Controller(replace(CALM, changes or {}), 1), x=-4.0, delay=0.15, lag=0.3)
    robot.controller.set_costmap(robot.now, room())
    robot.controller.set_goal(robot.now, 4.0, 1.0, 0.0)
    robot.run(seconds)
    return robot


def test_a_slow_robot_is_learnt_and_told_of_in_the_statistics():
    told = slow_robot().ticks[-1].statistics
    assert told.delay_linear == pytest.approx(0.15, abs=0.03)
    assert told.lag_linear == pytest.approx(0.3, abs=0.04)


def test_a_slow_robot_is_not_learnt_when_nobody_wants_that():
    told = slow_robot({'identification.enabled': False}).ticks[-1].statistics
    known = CALM.prediction
    assert (told.delay_linear, told.lag_linear, told.gain_linear) == (
        known.delay_linear, known.lag_linear, known.gain_linear)


def test_the_check_trusts_the_slower_of_what_was_told_and_learnt():
    robot = slow_robot({'prediction.delay_linear': 0.4, 'prediction.delay_angular': 0.4,
                        'prediction.lag_linear': 0.6}, 12.0)
    drives = robot.controller._plant
    assert drives.prediction.lag_linear < 0.5
    assert drives.conservative.lag_linear == 0.6
    assert drives.conservative.first_delay == 0.4
    assert drives.delay_margin == pytest.approx(0.4 - drives.prediction.first_delay)


@pytest.mark.parametrize('gains', [(0.7, 0.8), (1.3, 1.2)])
def test_commands_keep_the_limits_whatever_the_gain(gains):
    changes = {'prediction.gain_linear': gains[0], 'prediction.gain_angular': gains[1]}
    robot = PlainRobot(Controller(replace(CALM, changes), 1))
    robot.controller.set_costmap(robot.now, room())
    robot.controller.set_goal(robot.now, 1.5, 1.0, 0.0)
    robot.run(10.0)
    limits, period = CALM.limits, robot.period
    v, w = np.array([(each.command.vx, each.command.wz) for each in robot.ticks]).T
    assert v.max() <= limits.vx_max + 1e-9
    assert np.abs(w).max() <= limits.wz_max + 1e-9
    assert np.diff(v[v >= 0.0]).max() <= limits.ax_max * period + 1e-9
    assert np.abs(np.diff(w)).max() <= limits.az_max * period + 1e-9


def test_new_parameters_of_the_plant_begin_to_learn_anew():
    robot = slow_robot()
    controller = robot.controller
    before = controller._plant.prediction
    controller.configure(replace(controller.configuration, {'samples': 512}))
    assert controller._plant.prediction == before
    controller.configure(replace(controller.configuration, {'limits.vx_max': 0.3}))
    assert controller._plant.prediction == before
    assert controller._plant.limits.vx_max == pytest.approx(0.3 * before.gain_linear)
    controller.configure(replace(controller.configuration, {'prediction.delay_linear': 0.2}))
    assert controller._plant.prediction.delay_linear == 0.2
