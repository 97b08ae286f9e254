"""Commands reach the limits of acceleration, whatever the control rate, and keep to them."""
from __future__ import annotations

import math

import numpy as np
from oracle import Oracle
from plain_robot import QUICK, PlainRobot, room
import pytest

from mppi_ros.control.controller import Controller
from mppi_ros.parameters.declaration import replace

RATES, STEPS = (5.0, 10.0, 20.0, 50.0, 100.0), (0.02, 0.05, 0.1, 0.2)


def robot(rate, time_step, changes=None, yaw=0.0, delay=0.05) -> PlainRobot:
    """Return a robot at rest in a long room, with a goal far ahead of its place."""
    configuration = replace(QUICK, {
        'control_rate': rate, 'time_step': time_step, 'safety.costmap_timeout': 0.0,
        'horizon_steps': round(2.8 / time_step), 'limits.ax_max': 0.5, 'limits.ax_min': -0.8,
        'limits.az_max': 1.0, 'limits.vx_max': 1.5, **(changes or {})})
    made = PlainRobot(Controller(configuration, 1), x=-4.0, yaw=yaw, delay=delay)
    made.controller.set_costmap(made.now, room(16.0))
    made.controller.set_goal(made.now, 4.0, 0.0, 0.0)
    made.oracle = Oracle()
    return made


def changes_of(made: PlainRobot, axis: str, seconds: float):
    """Tick for a while and return how fast a command changed in each tick."""
    before = getattr(made.oracle.last, axis)
    values = [before]
    for _ in range(round(seconds / made.period)):
        tick = made.tick()
        made.oracle.check(tick, made.period, made.controller.configuration)
        values.append(getattr(tick.command, axis))
    return np.diff(values) / made.period


@pytest.mark.parametrize('rate', RATES)
@pytest.mark.parametrize('time_step', STEPS)
def test_commands_reach_every_limit_of_acceleration_and_keep_it(rate, time_step):
    sharp = {'smoothing': False}  # the filter rounds the beginning and the end of a ramp
    ahead = robot(rate, time_step, sharp)
    up = changes_of(ahead, 'vx', 1.0)
    assert up[1:].mean() == pytest.approx(0.5, rel=0.02)
    ahead.controller.clear_plan()
    down = changes_of(ahead, 'vx', 0.4)
    assert down.mean() == pytest.approx(-0.8, rel=1e-6)
    around = robot(rate, time_step, sharp, yaw=0.9 * math.pi)
    turning = np.abs(changes_of(around, 'wz', 0.8))
    assert turning.max() == pytest.approx(1.0, rel=1e-6)
    if rate > 5.0:  # four ticks are few: what alpha takes of them binds, not the limit
        assert np.median(turning) == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize(('rate', 'time_step'), [(5.0, 0.05), (10.0, 0.05), (20.0, 0.1)])
def test_the_plan_is_what_is_driven(rate, time_step):
    """Speeding up as fast as it may, the robot is after a second where it planned to be."""
    made = robot(rate, time_step, {
        'prediction.lag_linear': 0.1, 'prediction.delay_linear': 0.0,
        'prediction.delay_angular': 0.0, 'identification.enabled': False}, delay=0.0)
    for _ in range(3):
        made.tick()
    begin = float(made.pose[0])
    made.tick()
    planned = made.controller.optimal_trajectory()[round(1.0 / time_step), 0]
    for _ in range(round(rate) - 1):
        made.tick()
    driven = float(made.pose[0]) - begin
    assert planned - begin == pytest.approx(driven, rel=0.08)


@pytest.mark.parametrize('gap', [0.2, 0.39, 0.46])
def test_after_a_stop_by_another_node_the_first_command_changes_by_one_period_at_most(gap):
    """However long the gap between two ticks was: the other one may have sent zero just now."""
    made = robot(5.0, 0.05, {'limits.ax_max': 1.0})
    for _ in range(6):
        made.tick()
    assert made.ticks[-1].command.vx > 0.5
    made.now += gap - made.period
    made.controller.halt()
    first, second = made.tick(), made.tick()
    assert 0.1 < first.command.vx <= 0.2 + 1e-9
    assert first.command.vx < second.command.vx <= 0.4 + 1e-9
