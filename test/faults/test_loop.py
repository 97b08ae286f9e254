"""Every fault in every driving state without ROS: safe commands, reason code and recovery."""
from __future__ import annotations

import contextlib
import itertools

from faults.loop import MOVING, SMALL, STATES, Loop
from faults.matrix import FAULTS, clear_room, restore_parameters
import pytest
from tally import CHECKED, EXTREME, FAULT

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.tick_result import ControllerState
from mppi_ros.parameters.declaration import describe, replace
from mppi_ros.parameters.errors import MppiError

STATE_OF = dict(zip(FAULTS, itertools.cycle(STATES), strict=False))


def pytest_generate_tests(metafunc):
    """Select each fault in two states, or in every state with --long."""
    if 'fault' not in metafunc.fixturenames:
        return
    long = metafunc.config.getoption('--long')
    metafunc.parametrize(('fault', 'state'), [
        pytest.param(fault, state, id=f'{fault} | {state}')
        for fault in FAULTS for state in STATES
        if long or state in ('at_full_speed', STATE_OF[fault])])


def test_matrix_has_at_least_60_faults_and_6_states():
    assert len(FAULTS) >= 60
    assert len(STATES) >= 6


def test_robot_reports_each_fault_stays_safe_and_recovers(
    fault, state, record_property
):
    case, loop = FAULTS[fault], STATES[state]()
    before = len(loop.ticks)
    loop.blind = case.blind
    case.begin(loop)
    loop.run(case.seconds)
    codes = {tick.code for tick in loop.ticks[before:]}
    if state in MOVING:
        assert codes & case.codes, codes
    case.end(loop)
    check_recovery(loop)
    record_property(FAULT, (fault, state))
    record_property(CHECKED, loop.oracle.checked)
    assert case.unavoidable or not loop.touched


def check_recovery(loop: Loop) -> None:
    """Check that the robot drives to a new goal after the inputs are restored."""
    loop.restore_inputs()
    loop.blind = True  # earlier false inputs apply until the first valid ones
    loop.run(0.1)
    loop.blind = False
    x = 3.0 if loop.pose[0] < 0.0 else -3.0
    loop.goal(x, -1.0, 0.0)
    ticks = [loop.step() for _ in range(80)]
    assert any(tick.state is ControllerState.DRIVING and (abs(tick.command.vx) > 0.05
               or abs(tick.command.wz) > 0.05) for tick in ticks), ticks[-1]


def extremes():
    """Yield each dynamic parameter at each end of its range."""
    for info in describe(ControllerParameters):
        if not info.live:
            continue
        if info.kind == 'bool':
            yield info.name, not info.default
        elif info.kind == 'string':
            continue
        elif info.kind == 'double_array':
            for value in (info.low, info.high):
                if value is not None and info.default:
                    yield info.name, (float(value),) * len(info.default)
        else:
            for value in (info.low, info.high):
                if value is not None:
                    yield info.name, value


EXPENSIVE = {'samples', 'horizon_steps', 'iterations', 'control_rate'}  # at their upper limits
EXTREMES = [pytest.param(name, value, id=f'{name}={value}') for name, value in extremes()
            if not (name in EXPENSIVE and value != 0 and value > 500)]


@pytest.mark.parametrize(('name', 'value'), EXTREMES)
def test_extreme_parameter_value_causes_no_unsafe_command(name, value, record_property):
    loop = STATES['at_full_speed']()
    # These parameters invalidate the check of the room to stop.
    loop.blind = name.split('.')[0] in ('robot', 'prediction', 'safety', 'identification')
    with contextlib.suppress(MppiError):  # inconsistent values are refused
        loop.controller.configure(replace(SMALL, {name: value}))
    loop.run(1.0)
    restore_parameters(loop)
    clear_room(loop)
    check_recovery(loop)
    record_property(EXTREME, 1)
    record_property(CHECKED, loop.oracle.checked)
