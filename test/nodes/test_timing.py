"""Timing tells the truth about late and missed ticks."""
from __future__ import annotations

import math

import pytest

from mppi_ros.nodes.controller.timing import (
    ClockStepMonitor,
    DurationWindow,
    LatencyEstimate,
    TickPunctuality,
)


def test_a_window_without_values_says_so():
    assert all(map(math.isnan, DurationWindow().summary()))


def test_a_window_forgets_what_is_older_than_its_size():
    window = DurationWindow(size=100)
    for value in [1e9] * 50 + list(range(1, 101)):
        window.add(float(value))
    median, p99, largest = window.summary()
    assert median == pytest.approx(50.5)
    assert p99 == 99.0
    assert largest == 100.0


@pytest.mark.parametrize(('times', 'missed'), [
    ([0.0, 0.05, 0.10, 0.15], 0),
    ([0.0, 0.05, 0.12, 0.15], 0),  # late, yet nobody waited for it in vain
    ([0.0, 0.05, 0.149, 0.15], 0),  # later still, yet within its period
    ([0.02, 0.05, 0.10, 0.15, 0.20], 0),  # the first one late
    ([0.0, 0.05, 0.15, 0.20], 1),
    ([0.0, 0.05, 1.05], 19),
    ([5.0, 5.05, 0.0, 0.05], 0),  # a clock that starts again
])
def test_missed_ticks_are_those_that_never_came(times, missed):
    pace = TickPunctuality(0.05)
    for now in times:
        pace.tick(now)
    assert pace.missed == missed
    assert pace.ticks == len(times)


def test_lateness_is_measured_from_the_most_punctual_tick():
    pace = TickPunctuality(0.05)
    for slot, late in enumerate([0.02, 0.0, 0.001, 0.03, 0.0]):
        pace.tick(7.0 + 0.05 * slot + late)
    median, _, largest = pace.lateness.summary()
    assert median == pytest.approx(0.5, abs=0.01)
    assert largest == pytest.approx(30.0, abs=0.01)


def test_latency_is_a_slow_mean_that_accidents_do_not_change():
    latency = LatencyEstimate()
    for _ in range(200):
        latency.add(0.004)
    settled = latency.value
    for seconds in (-3600.0, 5.0, math.nan):
        latency.add(seconds)
    assert settled == latency.value == pytest.approx(0.004, rel=0.01)


def stepped(steps, factor=1.0):
    """Return what was seen of a clock that advances in these steps [s], `factor` times slower."""
    clock, now, steady = ClockStepMonitor(), 5.0, 900.0
    clock.tick(now, steady)
    for step in steps:
        now, steady = now + step, steady + factor * step
        clock.tick(now, steady)
    return clock


@pytest.mark.parametrize(('steps', 'hold'), [
    ([0.05] * 20, 0.0), ([0.06, 0.04] * 10, 0.0), ([0.1] * 20, 0.1), ([0.2] * 20, 0.2),
    ([0.05, 0.2, 0.05, 0.1], 0.2), ([0.2] + [0.05] * 20, 0.0), ([0.5] * 20, 0.25)])
def test_a_command_is_held_for_the_longest_step_of_late(steps, hold):
    assert stepped(steps).hold_beyond(0.05) == pytest.approx(hold)


@pytest.mark.parametrize(('steps', 'period', 'coarse'), [
    ([0.05] * 20, 0.05, False), ([0.1] * 20, 0.05, False), ([0.25] * 20, 0.05, False),
    ([0.5] * 20, 0.05, True), ([0.3] * 20, 0.05, True), ([0.5] * 20, 0.5, False),
    ([0.05] * 8 + [3.0], 0.05, False), ([0.5, 0.5], 0.05, False), ([1.0] * 5, 0.5, True),
])
def test_a_clock_that_is_too_coarse_to_drive_by_is_named_with_step_and_period(
        steps, period, coarse):
    words = stepped(steps).complaint(period)
    assert bool(words) == coarse
    if coarse:
        assert f'in steps of {steps[-1]:.2f} s' in words
        assert f'the control period is {period:g} s' in words


def test_a_slow_simulation_is_seen_and_one_that_hangs_is_not_waited_for():
    assert stepped([0.05] * 9, factor=6.0).wall == pytest.approx(0.3)
    assert stepped([0.05] * 9, factor=1000.0).wall == ClockStepMonitor.LONGEST


def test_a_clock_that_goes_back_or_is_another_one_is_no_step():
    clock = stepped([0.1] * 3)
    clock.tick(0.0, 2000.0)
    clock.tick(0.1, 2000.1)
    assert clock.hold == pytest.approx(0.1)
    clock.restart()
    clock.tick(900.0, 3000.0)
    assert (clock.hold, clock.wall) == (0.0, 0.0)
