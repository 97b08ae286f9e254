"""The oracle accepts valid commands and detects each kind of unsafe command."""
from __future__ import annotations

import ast
from dataclasses import replace
import math
from pathlib import Path

import numpy as np
import oracle
from oracle import Body, Oracle, UnsafeCommandError, find_violation, room_to_stop, time_needed
from plain_robot import QUICK, room, with_block
import pytest

from mppi_ros.control.inputs import Command
from mppi_ros.control.tick_result import ControllerState, Reason, Statistics, TickResult
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.parameters import declaration

OMNI = declaration.replace(QUICK, {
    'motion_model': 'omni', 'limits.vx_max': 0.9, 'limits.vy_max': 0.6})
CAR = declaration.replace(QUICK, {'motion_model': 'ackermann'})

LAST = Command(0.3, 0.0, 0.5)
GOOD = TickResult(Command(0.35, 0.0, 0.6), ControllerState.DRIVING, Reason.NONE, '',
            Statistics(odom_age=0.01, costmap_age=0.2))
STOPPED = replace(GOOD, state=ControllerState.STOPPED, code=Reason.ODOMETRY_OLD, reason='old',
                  command=Command.ZERO)


def test_valid_command_is_accepted():
    Oracle(LAST).check(GOOD, 0.05, QUICK)
    Oracle().check(STOPPED, 0.05, QUICK)


@pytest.mark.parametrize(('tick', 'message'), [
    (replace(GOOD, command=Command(math.nan, 0.0, 0.0)), 'not finite'),
    (replace(GOOD, command=Command(0.35, 0.0, math.inf)), 'not finite'),
    (replace(GOOD, command=Command(0.3, 0.1, 0.5)), 'lateral speed of a robot'),
    (replace(GOOD, command=Command(0.36, 0.0, 0.5)), 'speed changes'),
    (replace(GOOD, command=Command(0.22, 0.0, 0.5)), 'speed changes'),
    (replace(GOOD, command=Command(0.3, 0.0, 0.7)), 'turning rate changes'),
    (replace(GOOD, statistics=Statistics(odom_age=0.4, costmap_age=0.2)), 'old input'),
    (replace(GOOD, statistics=Statistics(odom_age=-0.4, costmap_age=0.2)), 'old input'),
    (replace(GOOD, statistics=Statistics(odom_age=0.0, costmap_age=1.6)), 'old input'),
    (replace(GOOD, statistics=Statistics()), 'old input'),
    (replace(STOPPED, command=Command(0.25, 0.0, 0.4)), 'nonzero command'),
    (replace(GOOD, state=ControllerState.BRAKING), 'no reason'),
    (replace(GOOD, code=Reason.COLLISION_AHEAD), 'code and reason'),
])
def test_invalid_command_is_detected(tick, message):
    with pytest.raises(UnsafeCommandError, match=message):
        Oracle(LAST).check(tick, 0.05, QUICK)


@pytest.mark.parametrize(('last', 'command', 'message'), [
    (Command(0.49, 0.0, 0.0), Command(0.51, 0.0, 0.0), 'speed is beyond'),
    (Command(-0.19, 0.0, 0.0), Command(-0.21, 0.0, 0.0), 'speed is beyond'),
    (Command(0.0, 0.0, 1.89), Command(0.0, 0.0, 1.95), 'turning rate is beyond')])
def test_command_beyond_the_limits_is_detected(last, command, message):
    with pytest.raises(UnsafeCommandError, match=message):
        Oracle(last).check(replace(GOOD, command=command), 0.05, QUICK)


def test_oracle_imports_no_constant_from_the_tested_code():
    tree = ast.parse(Path(oracle.__file__).read_text('utf-8'))
    taken = [alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
             and node.module.startswith('mppi_ros') for alias in node.names]
    assert taken
    assert not [name for name in taken if name.isupper()]
    whole = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import)
             for alias in node.names]
    assert not [name for name in whole if name.startswith('mppi_ros')]


@pytest.mark.parametrize(('last', 'now', 'seconds'), [
    (0.2, 0.3, 0.1), (0.3, 0.0, 0.15), (-0.2, -0.3, 0.1), (-0.3, -0.1, 0.1), (0.1, -0.1, 0.15),
    (-0.1, 0.2, 0.25), (0.2, 0.2, 0.0), (0.0, -0.1, 0.1)])
def test_time_needed_for_a_change_of_speed(last, now, seconds):
    assert time_needed(last, now, 1.0, 2.0) == pytest.approx(seconds)


@pytest.mark.parametrize(('configuration', 'last', 'command', 'message'), [
    (QUICK, (0.01, 0.0, 0.0), (-0.06, 0.0, 0.0), 'speed changes'),
    (QUICK, (-0.01, 0.0, 0.0), (0.06, 0.0, 0.0), 'speed changes'),
    (QUICK, (-0.01, 0.0, 0.0), (0.04, 0.0, 0.0), ''),
    (QUICK, (0.3, 0.0, 0.0), (0.226, 0.0, 0.0), ''),
    (OMNI, (0.5, 0.01, 0.0), (0.5, -0.06, 0.0), 'sideways changes'),
    (OMNI, (0.7, 0.36, 0.0), (0.75, 0.38, 0.0), 'over ground'),
    (OMNI, (0.88, 0.1, 0.0), (0.89, 0.085, 0.0), ''),
    (OMNI, (0.9, 0.6, 0.0), (0.9, 0.55, 0.0), ''),  # limits below the last command
    (CAR, (0.4, 0.0, 0.0), (0.4, 0.0, 0.3), 'wheels turn'),
    (CAR, (0.4, 0.0, 0.0), (0.4, 0.0, 0.15), ''),
])
def test_limits_of_each_motion_model(configuration, last, command, message):
    checker = Oracle(Command(*last))
    tick = replace(GOOD, command=Command(*command))
    if not message:
        checker.check(tick, 0.05, configuration)
        return
    with pytest.raises(UnsafeCommandError, match=message):
        checker.check(tick, 0.05, configuration)


def test_command_from_a_topic_crosses_zero_with_separate_acceleration_limits():
    assert not find_violation((0.05, 0.0), (-0.06, 0.0), 0.05, QUICK)
    assert find_violation((0.05, 0.0), (-0.085, 0.0), 0.05, QUICK)


@pytest.mark.parametrize(('gap', 'room_left'), [(0.05, False), (0.3, True)])
def test_room_to_stop_requires_the_braking_distance(gap, room_left):
    footprint = Footprint.of(QUICK.robot)
    field = distance_field(with_block(room(), QUICK.robot.radius + gap + 1.0, 0.0, 2.0))
    found = room_to_stop(Body(0.1), np.zeros(3), np.array([0.5, 0.0]), [(0.5, 0.0)] * 2, QUICK,
                         field, footprint)
    assert found == room_left
