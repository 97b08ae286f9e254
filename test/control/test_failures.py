"""What fails inside of the controller is reported by the tick that it belongs to, and no other."""
from __future__ import annotations

import dataclasses
import math

from deferred_processor import DeferredProcessor
import numpy as np
from plain_robot import QUICK, PlainRobot, room
import pytest

from mppi_ros.control import controller_base as module
from mppi_ros.control.controller import Controller
from mppi_ros.control.input_monitor import ClockMonitor
from mppi_ros.control.inputs import Command
from mppi_ros.control.tick_result import NON_FAULTS, ControllerState, Reason
from mppi_ros.driving import motion_models
from mppi_ros.driving.objective import DrivingObjective
from mppi_ros.driving.scan import Scan
from mppi_ros.mppi.optimizer import Optimizer
from mppi_ros.parameters.declaration import replace
from mppi_ros.parameters.errors import InputError, ParameterError

PATIENT = replace(QUICK, {'safety.costmap_timeout': 0.0})
SLOWER = replace(PATIENT, {'limits.vx_max': 0.3})


def driving(processor=None, seconds=1.0) -> PlainRobot:
    robot = PlainRobot(Controller(PATIENT, 1, processor), x=-4.0)
    robot.controller.set_costmap(robot.now, room())
    if processor is not None:
        processor.process()
    robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    robot.run(seconds)
    assert robot.ticks[-1].command.vx > 0.3
    return robot


def raises(*_, **__):
    raise ZeroDivisionError('a mistake')


def test_an_error_of_former_processing_does_not_refuse_a_configuration_nor_reach_it():
    processor = DeferredProcessor()
    robot = driving(processor)
    processor.fail()
    robot.controller.configure(SLOWER)
    assert robot.controller.configuration is SLOWER
    ticks = [robot.tick() for _ in range(20)]
    assert {tick.code for tick in ticks} == {Reason.NONE}
    assert ticks[-1].command.vx <= 0.3 + 1e-9


def test_an_error_that_was_taken_but_not_reported_does_not_outlive_the_configuration():
    processor = DeferredProcessor()
    robot = driving(processor)
    processor.fail()
    robot.controller.set_costmap(robot.now, room())
    robot.controller.configure(SLOWER)
    assert robot.tick().code is Reason.NONE


def test_an_error_of_processing_before_the_frame_changed_is_dropped():
    processor = DeferredProcessor()
    robot = driving(processor)
    processor.fail()
    robot.controller.forget_costmap()
    robot.controller.set_costmap(robot.now, room())
    assert robot.tick().code is Reason.COSTMAP_PENDING


@pytest.mark.parametrize('act', ['set_costmap', 'set_plan'])
def test_an_error_in_the_background_refuses_no_input_and_brakes_the_next_tick(act):
    processor = DeferredProcessor()
    robot = driving(processor)
    processor.fail()
    before = robot.ticks[-1].command.vx
    if act == 'set_costmap':
        robot.controller.set_costmap(robot.now, room())
    else:
        robot.controller.set_plan(robot.now, np.array([[-3.0, 0.0, 0.0], [4.0, 0.0, 0.0]]))
    tick = robot.tick()
    assert (tick.code, tick.state) == (Reason.INTERNAL_ERROR, ControllerState.BRAKING)
    assert tick.command.vx < before


def test_synchronous_processing_that_fails_brakes_the_next_tick_and_no_other(monkeypatch):
    robot = driving()
    monkeypatch.setattr('mppi_ros.control.costmap_processing.distance_field', raises)
    robot.controller.set_costmap(robot.now, dataclasses.replace(room()))
    monkeypatch.undo()
    assert robot.tick().code is Reason.INTERNAL_ERROR
    robot.run(1.0)
    assert robot.ticks[-1].code is Reason.NONE


def state_of(controller):
    return (
        controller.configuration, controller._footprint, controller._objective,
        controller._plant, controller._braking_model, controller._collision_model,
        controller._sampler.parameters,
    )


@pytest.mark.parametrize(('owner', 'name', 'error'), [
    (module.Footprint, 'of', InputError('refused')),
    (DrivingObjective, '__init__', InputError('refused')),
    (DrivingObjective, 'set_field', ZeroDivisionError('a mistake')),
    (module.CollisionModel, 'of', ZeroDivisionError('a mistake')),
    (Controller, '_plant_of', ZeroDivisionError('a mistake')),
    (Optimizer, 'configure', ParameterError('refused')),
])
def test_a_configuration_that_fails_anywhere_changes_nothing(monkeypatch, owner, name, error):
    def fail(*_, **__):
        raise error

    robot = driving()
    before = state_of(robot.controller)
    other = replace(PATIENT, {
        'limits.vx_max': 0.3, 'safety.margin': 0.2, 'prediction.delay_linear': 0.2, 'samples': 64})
    monkeypatch.setattr(owner, name, fail)
    with pytest.raises(type(error)):
        robot.controller.configure(other)
    monkeypatch.undo()
    assert all(x is y for x, y in zip(state_of(robot.controller), before, strict=True))
    assert {robot.tick().code for _ in range(10)} == {Reason.NONE}


@pytest.mark.parametrize(('owner', 'name', 'value'), [
    (Controller, '_elapse', raises),
    (module.PlantEstimate, 'show', raises),
    (ClockMonitor, 'read', raises),
    (Controller, '_drive', raises),
])
def test_whatever_fails_in_a_tick_brakes_the_robot(monkeypatch, owner, name, value):
    robot = driving()
    before = robot.ticks[-1].command.vx
    monkeypatch.setattr(owner, name, value)
    tick = robot.tick()
    assert tick.code is Reason.INTERNAL_ERROR
    assert tick.reason == 'ZeroDivisionError: a mistake: braking'
    assert 0.0 < tick.command.vx < before
    monkeypatch.undo()
    robot.run(1.0)
    assert robot.ticks[-1].state is ControllerState.DRIVING


@pytest.mark.parametrize(
    ('owner', 'name'),
    [
        (Controller, '_brake_along'),
        (module.CommandHistory, 'record'),
        (motion_models, 'brake_command'),
    ],
)
def test_where_even_braking_fails_the_command_is_zero_and_the_next_starts_from_rest(
        monkeypatch, owner, name):
    robot = driving()
    monkeypatch.setattr(Controller, '_drive', raises)
    monkeypatch.setattr(owner, name, raises)
    tick = robot.tick()
    assert (tick.command, tick.state) == (Command.ZERO, ControllerState.STOPPED)
    assert tick.code is Reason.INTERNAL_ERROR
    monkeypatch.undo()
    assert robot.tick().code is Reason.INTERNAL_ERROR  # not gone for long enough
    assert abs(robot.tick().command.vx) <= PATIENT.limits.ax_max * robot.period + 1e-9
    robot.run(1.0)
    assert robot.ticks[-1].state is ControllerState.DRIVING


@pytest.mark.parametrize('value', ['now', None, object()])
def test_what_is_no_time_brakes_the_robot(value):
    robot = driving()
    tick = robot.controller.tick(value)
    assert tick.code is Reason.INTERNAL_ERROR
    assert math.isfinite(tick.command.vx)


def test_a_costmap_that_is_being_processed_is_not_missing():
    processor = DeferredProcessor()
    robot = PlainRobot(Controller(PATIENT, 1, processor))
    robot.controller.set_goal(robot.now, 3.0, 0.0, 0.0)
    tick = robot.tick()
    assert (tick.code, tick.reason) == (Reason.COSTMAP_MISSING, 'no costmap yet')
    robot.controller.set_costmap(robot.now, room())
    tick = robot.tick()
    assert (tick.code, tick.reason) == (
        Reason.COSTMAP_PENDING, 'the costmap is being processed')
    assert tick.state is ControllerState.WAITING
    processor.process()
    assert robot.tick().code is Reason.NONE


def test_a_window_that_is_being_moved_is_pending_and_the_robot_drives_on_at_once():
    processor = DeferredProcessor()
    robot = PlainRobot(Controller(PATIENT, 1, processor), x=-7.0)
    robot.controller.set_odometry(robot.odometry())
    robot.controller.set_costmap(robot.now, room(100.0, 100.0))
    processor.process()
    robot.controller.set_goal(robot.now, 14.0, 0.0, 0.0)
    for _ in range(400):
        code = robot.tick().code
        if code is not Reason.NONE:
            break
    assert code is Reason.COSTMAP_PENDING
    processor.process()
    assert robot.tick().code is Reason.NONE
    assert Reason.COSTMAP_PENDING in NON_FAULTS


def test_the_costmap_of_another_frame_is_missing_until_the_first_in_the_new_one_comes():
    robot = driving()
    robot.controller.forget_costmap()
    tick = robot.tick()
    assert tick.code is Reason.COSTMAP_MISSING
    assert 'no costmap in the new frame yet' in tick.reason


def test_a_plan_that_was_withdrawn_is_not_one_that_never_came():
    robot = PlainRobot(Controller(PATIENT, 1))
    robot.controller.set_costmap(robot.now, room())
    robot.controller.clear_plan()
    assert robot.tick().reason == 'no plan yet'
    robot.controller.set_goal(robot.now, 3.0, 0.0, 0.0)
    robot.run(0.5)
    robot.controller.clear_plan()
    robot.controller.clear_plan()
    robot.run(2.0)
    assert robot.ticks[-1].reason == 'the plan was withdrawn'
    assert robot.ticks[-1].code is Reason.PLAN_MISSING


def test_another_goal_is_given_its_time_before_it_counts_as_stuck():
    configuration = replace(PATIENT, {'limits.vx_max': 0.02, 'limits.wz_max': 0.05})
    robot = PlainRobot(Controller(configuration, 1), x=-4.0)
    robot.controller.set_costmap(robot.now, room())
    robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    robot.pose[2] = 3.0
    stuck = np.array(robot.pose)
    noise = np.random.default_rng(0)

    def blocked():  # the drives are; what is measured of rest is never quite the same
        robot.pose[:] = stuck + 1e-4 * noise.standard_normal(3)
        robot.twist[:] = 1e-4 * noise.standard_normal(2)

    patience = configuration.recovery.stuck_timeout
    for _ in range(round(1.5 * patience / robot.period)):
        robot.tick()
        blocked()
    assert robot.ticks[-1].code is Reason.NO_PROGRESS
    robot.controller.set_goal(robot.now, 4.05, 0.0, 0.0)
    assert robot.tick().code is Reason.NO_PROGRESS  # the same goal once more is no other
    robot.controller.set_goal(robot.now, -4.0, 2.0, 0.0)
    for _ in range(round(0.9 * patience / robot.period)):
        assert robot.tick().code is Reason.NONE
        blocked()


@pytest.mark.parametrize('stamp', [3.6e306, -3.6e306, 1.8e18, math.nan, -math.inf])
@pytest.mark.parametrize('what', ['odometry', 'costmap', 'plan', 'goal', 'obstacles', 'scan'])
def test_a_stamp_that_no_message_can_hold_is_refused_and_the_robot_drives_on(what, stamp):
    """For example a time in nanoseconds."""
    robot = driving()
    controller, here = robot.controller, dataclasses.replace(robot.odometry(), stamp=stamp)
    beams = Scan(stamp, np.zeros(1), np.ones(1, np.float32), (0.0, 0.0), 8.0)
    give = {
        'odometry': lambda: controller.set_odometry(here),
        'costmap': lambda: controller.set_costmap(stamp, room()),
        'plan': lambda: controller.set_plan(stamp, np.array([[0.0, 0.0, 0.0], [4.0, 0.0, 0.0]])),
        'goal': lambda: controller.set_goal(stamp, 4.0, 1.0, 0.0),
        'obstacles': lambda: controller.set_obstacles(stamp, [], []),
        'scan': lambda: controller.set_scan(beams),
    }
    with pytest.raises(InputError, match=f'{what} stamp = .* s is (not finite|outside .* s)'):
        give[what]()
    tick = robot.tick()
    assert (tick.state, tick.code) == (ControllerState.DRIVING, Reason.NONE)
