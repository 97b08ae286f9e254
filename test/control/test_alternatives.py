"""Among moving obstacles the mean leaves a way that costs more than another one."""
from __future__ import annotations

import math

import numpy as np
from plain_robot import QUICK, PlainRobot, room
import pytest

from mppi_ros.control.alternatives import KINDS, MIN_GAIN, Alternatives
from mppi_ros.control.controller import Controller
from mppi_ros.driving.obstacle_prediction import DynamicObstacle
from mppi_ros.parameters.declaration import replace

KEPT = replace(QUICK, {'safety.costmap_timeout': 0.0, 'safety.plan_timeout': 0.0})


def among_obstacles(model='diff_drive'):
    """Return sampler, objective and model of a robot that something comes toward."""
    robot = PlainRobot(Controller(replace(KEPT, {'motion_model': model}), 1))
    controller = robot.controller
    controller.set_costmap(robot.now, room())
    controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    seen = DynamicObstacle(robot.now, 1.5, 0.0, -0.5, 0.0, 0.3)
    controller.set_obstacles(robot.now, [seen], [1])
    robot.tick()
    return controller._sampler, controller._objective, controller._step_of(0.05)


@pytest.mark.parametrize('model', ['diff_drive', 'omni', 'ackermann'])
def test_a_mean_that_meets_an_obstacle_is_replaced(model):
    sampler, objective, step = among_obstacles(model)
    sampler.mean[:] = 0.0
    sampler.mean[:, 0] = 0.5
    before = objective.costs_of(sampler.mean[None])[0]
    alternatives = Alternatives()
    assert any(alternatives.improve(sampler, objective, step, 1.0) for _ in range(KINDS))
    assert objective.costs_of(sampler.mean[None])[0] < before - MIN_GAIN
    limited = sampler.mean.copy()
    objective.project(limited)
    np.testing.assert_allclose(sampler.mean, limited, atol=1e-5)


def test_a_mean_as_cheap_as_the_others_stays():
    sampler, objective, step = among_obstacles()
    alternatives = Alternatives()
    for _ in range(30):  # until no other way is cheaper
        sampler.step(objective)
        alternatives.improve(sampler, objective, step, 1.0)
    kept = sampler.mean.copy()
    assert not any(alternatives.improve(sampler, objective, step, 1.0) for _ in range(KINDS))
    assert np.array_equal(sampler.mean, kept)


def test_there_is_none_after_the_deadline():
    sampler, objective, step = among_obstacles()
    sampler.mean[:, 0] = 0.5
    sampler.deadline = -math.inf
    assert not any(Alternatives().improve(sampler, objective, step, 1.0) for _ in range(KINDS))


def test_costs_of_sequences_are_those_of_constant_commands():
    sampler, objective, _ = among_obstacles()
    commands = np.array([[0.3, 0.1], [0.0, 0.0], [-0.1, -0.5]], np.float32)
    steps = len(sampler.mean)
    sequences = np.stack([np.tile(command, (steps, 1)) for command in commands])
    assert np.array_equal(
        objective.costs_of(sequences), objective.costs_of_constant(commands, steps))
    one = [objective.costs_of(each[None])[0] for each in sequences]
    assert np.array_equal(objective.costs_of(sequences), one)
