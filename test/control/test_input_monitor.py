"""Ages of inputs, jumps of clocks, and odometry that cannot be."""
from __future__ import annotations

import math

import pytest

from mppi_ros.control.input_monitor import (
    MAX_CLOCK_OFFSET,
    MAX_CLOCK_STEP,
    MAX_TICK_GAP,
    MAX_YAW_JUMP,
    RETRY_TIME,
    ClockMonitor,
    InputStatus,
    OdometryMonitor,
)
from mppi_ros.control.inputs import Odometry
from mppi_ros.control.tick_result import Reason

PERIOD = 0.05


def test_missing_input_is_named():
    watched = InputStatus('costmap', None, 1.5)
    assert watched.missing() == (Reason.COSTMAP_MISSING, 'no costmap yet')
    assert watched.fault(5.0) is None
    assert math.isnan(watched.age(5.0))


@pytest.mark.parametrize('name', ['odometry', 'costmap', 'plan'])
def test_old_input_is_named_with_age_and_limit(name):
    watched = InputStatus(name, 10.0, 1.5)
    assert watched.missing() is None
    assert watched.fault(11.5) is None
    assert watched.fault(11.8) == (Reason(f'{name}_old'), f'{name} is 1.80 s old, limit 1.5 s')
    assert watched.age(11.8) == pytest.approx(1.8)


@pytest.mark.parametrize('name', ['odometry', 'costmap', 'plan'])
def test_input_from_the_future_is_named(name):
    watched = InputStatus(name, 10.0, 0.3)
    assert watched.fault(10.0 - 0.9 * MAX_CLOCK_OFFSET) is None
    assert watched.fault(8.0) == (
        Reason(f'{name}_ahead'), f'{name} is stamped 2.00 s in the future, limit 0.1 s')


@pytest.mark.parametrize('now', [0.0, 1e9])
def test_without_a_timeout_no_stamp_is_a_fault(now):
    assert InputStatus('costmap', 10.0, 0.0).fault(now) is None
    assert InputStatus('costmap', 10.0, 0.0).accepts(3.0, now)


def test_newer_input_holds_against_messages_out_of_order():
    watched = InputStatus('odometry', 10.0, 0.3)
    assert watched.accepts(10.0, 10.0)
    assert not watched.accepts(9.9, 10.0)


def test_input_from_the_future_gives_way_after_the_clock_went_back():
    assert InputStatus('odometry', 10.0, 0.3).accepts(2.0, 2.0)


def read(jump: float, pause: float = PERIOD, *, steady: bool = True, first: float = 100.0):
    """Return what is said of a clock that jumps in the middle of a pause between two ticks."""
    clock = ClockMonitor()
    assert clock.read(first, 7.0 if steady else None) == (math.inf, None)
    elapsed, fault = clock.read(first + pause + jump, 7.0 + pause if steady else None)
    return elapsed, fault and fault.code


def test_a_clock_that_runs_is_no_fault_and_the_first_tick_has_none_before():
    assert read(0.0) == (pytest.approx(PERIOD), None)
    assert read(0.0, steady=False) == (pytest.approx(PERIOD), None)


@pytest.mark.parametrize('jump', [0.9 * MAX_CLOCK_STEP, -0.9 * PERIOD])
def test_a_clock_that_is_slewed_is_no_fault(jump):
    assert read(jump)[1] is None


@pytest.mark.parametrize(('jump', 'code'), [
    (0.2, Reason.CLOCK_AHEAD), (3600.0, Reason.CLOCK_AHEAD), (-0.2, Reason.CLOCK_BACK),
    (-100.0, Reason.CLOCK_BACK)])
def test_a_clock_that_jumps_is_told_from_time_that_passed(jump, code):
    assert read(jump) == (pytest.approx(PERIOD), code)
    assert read(jump, pause=0.4) == (pytest.approx(0.4), code)


def test_without_a_steady_clock_a_jump_ahead_is_a_late_tick():
    assert read(5.0, steady=False)[1] is Reason.TICK_LATE
    assert read(-5.0, steady=False) == (0.0, Reason.CLOCK_BACK)


def test_a_tick_that_comes_late_is_named():
    assert read(0.0, pause=1.1 * MAX_TICK_GAP) == (
        pytest.approx(1.1 * MAX_TICK_GAP),
        Reason.TICK_LATE,
    )


@pytest.mark.parametrize('now', [math.nan, math.inf, -math.inf])
def test_a_clock_that_reads_no_time_is_named_and_forgotten(now):
    clock = ClockMonitor()
    clock.read(100.0, 7.0)
    assert clock.read(now, 7.05)[1].code is Reason.CLOCK_INVALID
    assert clock.read(100.1, 7.1) == (pytest.approx(0.1), None)


def measured(stamp=0.0, x=0.0, yaw=0.0, vx=0.0, wz=0.0):
    return Odometry(stamp, x, 0.0, yaw, vx, 0.0, wz)


@pytest.mark.parametrize(('second', 'jumps'), [
    (measured(0.02, x=0.9), False), (measured(0.02, x=1.1), True), (measured(0.5, x=-1.1), True),
    (measured(0.5, x=1.5, vx=1.0), False), (measured(0.5, yaw=1.1 * MAX_YAW_JUMP), True),
    (measured(0.5, yaw=1.1 * MAX_YAW_JUMP, wz=1.0), False), (measured(0.02, yaw=6.2), False),
])
def test_a_pose_that_no_speed_explains_is_a_jump_told_once(second, jumps):
    watch = OdometryMonitor()
    watch.take(measured(), 1.0)
    watch.take(second, 1.0)
    found = watch.fault(PERIOD, False, 0.0)
    assert (found is not None and found.code is Reason.ODOMETRY_JUMPED) == jumps
    assert watch.fault(PERIOD, False, 0.0) is None


def test_any_jump_is_allowed_without_a_limit():
    watch = OdometryMonitor()
    watch.take(measured(), 0.0)
    watch.take(measured(0.02, x=50.0), 0.0)
    assert watch.fault(PERIOD, False, 0.0) is None


def frozen(seconds, moving=True, patience=1.0, stamps=True, until=math.inf):
    """Return for each tick whether odometry that changes only from `until` [s] on is frozen."""
    watch, told = OdometryMonitor(), []
    for n in range(round(seconds / PERIOD)):
        now = n * PERIOD
        watch.take(measured(now if stamps else 0.0, x=max(0.0, 1e-9 * (now - until))), 1.0)
        told.append(watch.fault(PERIOD, moving, patience) is not None)
    return told


def test_odometry_that_stays_the_same_while_the_robot_should_move_is_frozen():
    told = frozen(1.5)
    assert not any(told[:20])
    assert all(told[22:])
    assert frozen(1.5, stamps=False) == told


def test_odometry_may_stay_the_same_at_rest_or_for_ever_without_a_limit():
    assert not any(frozen(5.0, moving=False))
    assert not any(frozen(5.0, patience=0.0))


def test_the_last_bit_of_odometry_thaws_it():
    told = frozen(3.0, until=2.0)
    assert told[39]
    assert not any(told[42:])


def test_frozen_odometry_gets_another_chance_after_a_rest():
    told = frozen(1.0 + RETRY_TIME + 0.5)
    assert told[round((0.9 + RETRY_TIME) / PERIOD)]
    assert not told[round((1.2 + RETRY_TIME) / PERIOD)]
