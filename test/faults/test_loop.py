"""Every fault in every state of driving, in the loop without ROS: safe, named, recovered from."""
from __future__ import annotations

import contextlib
import itertools

from faults.loop import MOVING, SMALL, STATES, Loop
from faults.matrix import FAULTS, clean, unconfigure
import pytest
from tally import EXTREME, FAULT, JUDGED

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.tick_result import ControllerState
from mppi_ros.parameters.declaration import describe, replace
from mppi_ros.parameters.errors import MppiError

STATE_OF = dict(zip(FAULTS, itertools.cycle(STATES), strict=False))


def pytest_generate_tests(metafunc):
    """Try each fault in every state, in the short form in two of them."""
    if 'fault' not in metafunc.fixturenames:
        return
    every = metafunc.config.getoption('--long')
    metafunc.parametrize(('fault', 'state'), [
        pytest.param(fault, state, id=f'{fault} | {state}')
        for fault in FAULTS for state in STATES
        if every or state in ('at_full_speed', STATE_OF[fault])])


def test_the_matrix_is_large_enough():
    assert len(FAULTS) >= 60
    assert len(STATES) >= 6


def test_no_fault_leads_to_an_unsafe_command_and_each_is_named_and_recovered_from(
    fault, state, record_property
):
    case, loop = FAULTS[fault], STATES[state]()
    before = len(loop.ticks)
    loop.blind = case.blind
    case.begin(loop)
    loop.run(case.seconds)
    told = {tick.code for tick in loop.ticks[before:]}
    if state in MOVING:
        assert told & case.codes, told
    case.end(loop)
    recovers(loop)
    record_property(FAULT, (fault, state))
    record_property(JUDGED, loop.oracle.judged)
    assert case.unavoidable or not loop.touched


def recovers(loop: Loop) -> None:
    """Check that the robot drives to a new goal once all inputs are good again."""
    loop.be_good()
    loop.blind = True  # it may still believe what it was told, until the first good inputs
    loop.run(0.1)
    loop.blind = False
    x = 3.0 if loop.pose[0] < 0.0 else -3.0
    loop.goal(x, -1.0, 0.0)
    ticks = [loop.step() for _ in range(80)]
    assert any(tick.state is ControllerState.DRIVING and (abs(tick.command.vx) > 0.05
               or abs(tick.command.wz) > 0.05) for tick in ticks), ticks[-1]


def extremes():
    """Yield each parameter that can be changed while driving, at each end of its range."""
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


HEAVY = {'samples', 'horizon_steps', 'iterations', 'control_rate'}  # at their upper ends
EXTREMES = [pytest.param(name, value, id=f'{name}={value}') for name, value in extremes()
            if not (name in HEAVY and value != 0 and value > 500)]


@pytest.mark.parametrize(('name', 'value'), EXTREMES)
def test_no_parameter_at_its_extreme_leads_to_an_unsafe_command(name, value, record_property):
    loop = STATES['at_full_speed']()
    # A false body, plant or margin is a lie of its own.
    loop.blind = name.split('.')[0] in ('robot', 'prediction', 'safety', 'identification')
    with contextlib.suppress(MppiError):  # values that contradict each other are refused
        loop.controller.configure(replace(SMALL, {name: value}))
    loop.run(1.0)
    unconfigure(loop)
    clean(loop)
    recovers(loop)
    record_property(EXTREME, 1)
    record_property(JUDGED, loop.oracle.judged)
