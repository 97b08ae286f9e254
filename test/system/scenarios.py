"""What a running robot must do; shared by the tests of processes and of launch files."""
from __future__ import annotations

from collections.abc import Sequence
import math

from system.harness import Watcher, distance_to

from mppi_ros.control.settings import Configuration


def drives(watcher: Watcher) -> None:
    """Check that the robot sets off."""
    watcher.wait_for(lambda: watcher.state == 'driving', 'driving')
    watcher.wait_for(lambda: watcher.commands and watcher.commands[-1][0] > 0.1, 'motion')


def reaches_the_goal(watcher: Watcher, goal: Sequence[float]) -> None:
    """Check that the robot arrives without contact, within its limits, and stands."""
    watcher.wait_for(lambda: watcher.state == 'reached', 'arrival', patience=120.0)
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a command to stand')
    configuration = Configuration()
    assert distance_to(watcher, goal) < configuration.goal.position_tolerance + 0.05
    assert not watcher.touched
    limits = configuration.limits
    for speed, turn in watcher.commands:
        assert math.isfinite(speed) and math.isfinite(turn)
        assert limits.vx_min - 1e-6 <= speed <= limits.vx_max + 1e-6
        assert abs(turn) <= limits.wz_max + 1e-6


def tunes_while_driving(watcher: Watcher) -> None:
    """Change λ and the horizon by the parameter service and check that the robot drives on."""
    before = len(watcher.commands)
    assert watcher.set_parameters(**{'lambda': 0.5}).successful
    watcher.wait_for(
        lambda: watcher.statistics.get('temperature') == '0.5', 'λ = 0.5 in the statistics')
    assert watcher.set_parameters(horizon_steps=40).successful
    assert watcher.get_parameters('horizon_steps')[0].integer_value == 40
    watcher.wait_for(lambda: len(watcher.commands) > before + 10, 'ten more commands')
    assert watcher.state == 'driving'
    assert min(speed for speed, _ in watcher.commands[before:]) > 0.0


def refuses_a_bad_value(watcher: Watcher) -> None:
    """Check that a bad value is refused by name and range, and its whole set with it."""
    result = watcher.set_parameters(alpha=1.0, time_step=0.0)
    assert not result.successful
    assert result.reason == 'time_step = 0.0 s is outside [0.005, 1] s'
    assert watcher.get_parameters('alpha')[0].double_value == Configuration().mppi.alpha
    result = watcher.set_parameters(horizon=5)
    assert result.reason.startswith('unknown parameter horizon; did you mean horizon_steps?')


def describes_its_parameters(watcher: Watcher) -> None:
    """Check that a parameter tells what it means, its unit and its range."""
    shown = watcher.describe_parameter('time_step')
    assert shown.description == 'length of one step of the horizon [s]'
    assert shown.floating_point_range[0].from_value == 0.005
    assert shown.floating_point_range[0].to_value == 1.0
