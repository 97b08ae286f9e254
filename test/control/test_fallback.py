"""If the optimised command is not safe: a fallback command, else braking, else zero."""
from __future__ import annotations

import dataclasses

import numpy as np
from plain_robot import QUICK, PlainRobot, room, with_block
import pytest

from mppi_ros.control.controller import Controller
from mppi_ros.control.fallback import GRID_SIZE, CheckContext, fallback_command
from mppi_ros.control.inputs import Command
from mppi_ros.control.stopping_check import INTEGRATION_STEP, CollisionModel
from mppi_ros.control.tick_result import ControllerState, Reason
from mppi_ros.driving import motion_models
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.distance_field import NO_OBSTACLE, distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.parameters.declaration import replace

# a nimble and bold robot: one that is late or slow has hardly a fallback command
PATIENT = replace(QUICK, {
    'safety.costmap_timeout': 0.0, 'prediction.delay_linear': 0.05,
    'prediction.delay_angular': 0.05, 'prediction.lag_linear': 0.1,
    'prediction.lag_angular': 0.1, 'critics.clearance_speed.weight': 0.0})


def surprised(gap: float, seed: int = 1, ticks: int = 80, changes=None) -> PlainRobot:
    """Return a robot at full speed in whose way a block appears, `gap` [m] from its front."""
    robot = PlainRobot(Controller(replace(PATIENT, changes or {}), seed), x=-4.0)
    robot.controller.set_costmap(robot.now, room())
    robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    robot.run(1.5)
    robot.ticks.clear()
    front = robot.pose[0] + PATIENT.robot.radius
    robot.blocked = with_block(room(), front + gap + 0.2, 0.0, 0.4)
    robot.controller.set_costmap(robot.now, robot.blocked)
    for _ in range(ticks):
        robot.tick()
    return robot


@pytest.mark.parametrize('seed', range(4))
def test_where_the_plan_is_not_safe_a_second_choice_goes_on_without_contact(seed):
    robot = surprised(0.12, seed)
    assert {tick.code for tick in robot.ticks} <= {
        Reason.NONE,
        Reason.FALLBACK_COMMAND,
        Reason.COLLISION_AHEAD,
        Reason.IN_CONTACT,
        Reason.NO_PROGRESS,
    }
    assert robot.ticks[-1].state is ControllerState.DRIVING
    assert max(abs(tick.command.vx) for tick in robot.ticks[-20:]) > 0.1


def heading_for_the_rim(gap, changes=None, blocked=False):
    """Return the scene of a robot at full speed, its front `gap` [m] before a rim."""
    c = replace(PATIENT, changes or {})
    footprint = Footprint.of(c.robot)
    data = np.zeros((80, 80), np.int8)
    if blocked:
        data[:, -1] = 100
    field = distance_field(Costmap(data, 0.05, -2.0, -2.0), outside_is_obstacle=False)
    around = CollisionModel.of(dataclasses.replace(field, outside=0.0), footprint, 0.0)
    model = motion_models.MODELS[c.motion_model]
    start = motion_models.MotionState(2.0 - gap - footprint.reach, 0.0, 0.0, 0.5, 0.0)
    last = (0.5,) + (0.0,) * (model.controls() - 1)
    step, fine = (model.of(c.limits, c.prediction, dt, float) for dt in (0.5, INTEGRATION_STEP))
    waiting = np.zeros((motion_models.delay_steps(fine), model.controls()), np.float32)
    return CheckContext(start, last, 0.05, around, step, fine, waiting, 1.0)


@pytest.mark.parametrize('model', ['diff_drive', 'omni', 'ackermann'])
def test_before_the_rim_a_command_is_slowed_and_not_replaced(model):
    tight = {'motion_model': model, 'limits.wz_max': 0.05, 'limits.turning_radius_min': 50.0}
    speeds = []
    for gap in (1.0, 0.10, 0.06):
        scene = heading_for_the_rim(gap, tight)
        wanted = (0.5, *scene.last[1:-1], 0.01)
        if scene.choose(wanted).check.safe:
            speeds.append(0.5)
            continue
        slow = scene.slowed(wanted)
        assert slow.check.safe
        ahead, turn = slow.command[0], slow.command[-1]
        assert turn == pytest.approx(0.01 if model == 'ackermann' else 0.02 * ahead, abs=1e-6)
        faster = scene.choose((1.1 * ahead + 0.02, *slow.command[1:]))
        assert not faster.check.safe
        speeds.append(ahead)
    assert speeds[0] == 0.5 > speeds[1] > speeds[2] >= 0.0


def test_what_an_obstacle_forbids_is_not_slowed_for_the_rim():
    tight = {'limits.wz_max': 0.05}
    assert heading_for_the_rim(0.06, tight).slowed((0.5, 0.0)) is not None
    assert heading_for_the_rim(0.06, tight, blocked=True).slowed((0.5, 0.0)) is None
    scene = heading_for_the_rim(0.06, tight)
    free = scene._replace(collision_model=scene.collision_model._replace(outside=NO_OBSTACLE))
    assert free.slowed((0.5, 0.0)) is None


def test_second_choices_occur_and_are_named():
    ticks = [tick for seed in range(4) for tick in surprised(0.12, seed).ticks]
    second = [tick for tick in ticks if tick.code is Reason.FALLBACK_COMMAND]
    assert second
    assert {tick.reason for tick in second} == {
        'the optimised command fails the stopping check: using a fallback command'}


def test_without_any_safe_command_the_robot_brakes_to_zero_and_names_the_clearance():
    robot = surprised(0.12, changes={'safety.margin': 0.5, 'limits.vx_min': 0.0,
                                     'limits.wz_max': 0.01})
    braking = [tick for tick in robot.ticks if tick.code is Reason.COLLISION_AHEAD]
    assert braking[-1].command == Command.ZERO
    assert braking[-1].state is ControllerState.STOPPED
    assert 'limit 0.5 m' in braking[-1].reason


@pytest.mark.parametrize('gap', [0.15, 0.2, 0.4])
def test_block_farther_than_the_braking_distance_is_not_touched(gap):
    robot = surprised(gap, ticks=0)
    body, field = Footprint.of(PATIENT.robot), distance_field(robot.blocked)
    for _ in range(60):
        robot.tick()
        assert body.clearance(field, robot.pose[None])[0] > 0.0


def test_every_second_choice_leaves_room_to_brake_and_keeps_the_limits():
    robot = surprised(0.12, ticks=0)
    controller = robot.controller
    scenes, scene_of = [], controller._scene
    controller._scene = lambda *given: scenes.append(scene_of(*given)) or scenes[-1]
    robot.tick()
    for speed in np.linspace(0.0, PATIENT.limits.vx_max, 6):
        scene = scenes[-1]._replace(last=(float(speed), 0.0))
        choice = fallback_command(controller._sampler, controller._objective, scene, 1.0)
        if choice is not None:
            assert choice.check.safe
            assert choice.command != (0.0, 0.0)
            assert scene.choose(choice.command) == choice


def test_held_commands_cost_what_their_rollout_costs():
    robot = surprised(0.6, ticks=1)
    controller = robot.controller
    commands = np.array([[0.0, 0.0], [0.4, 0.0], [0.4, 0.5]], np.float32)
    steps = len(controller._sampler.mean)
    costs = controller._objective.costs_of_constant(commands, steps)
    for command, cost in zip(commands, costs, strict=True):
        held = np.tile(command, (steps, 1))
        each = controller._objective.cost_of_each_critic(held)
        assert sum(each.values()) == pytest.approx(cost, rel=1e-3, abs=1e-3)
    assert all(side % 2 == 1 for side in GRID_SIZE.values())
