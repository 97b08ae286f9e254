"""Timing tells the truth about late and missed ticks."""
from __future__ import annotations

import math

import pytest

from mppi_ros.nodes.timing import Latency, Pace, Window


def test_a_window_without_values_says_so():
    assert all(map(math.isnan, Window().summary()))


def test_a_window_forgets_what_is_older_than_its_size():
    window = Window(size=100)
    for value in [1e9] * 50 + list(range(1, 101)):
        window.add(float(value))
    median, p99, largest = window.summary()
    assert median == pytest.approx(50.5)
    assert 99.0 <= p99 <= 100.0
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
    pace = Pace(0.05)
    for now in times:
        pace.tick(now)
    assert pace.missed == missed
    assert pace.ticks == len(times)


def test_lateness_is_measured_from_the_most_punctual_tick():
    pace = Pace(0.05)
    for slot, late in enumerate([0.02, 0.0, 0.001, 0.03, 0.0]):
        pace.tick(7.0 + 0.05 * slot + late)
    median, _, largest = pace.lateness.summary()
    assert median == pytest.approx(0.5, abs=0.01)
    assert largest == pytest.approx(30.0, abs=0.01)


def test_latency_is_a_slow_mean_that_accidents_do_not_change():
    latency = Latency()
    for _ in range(200):
        latency.add(0.004)
    settled = latency.value
    for seconds in (-3600.0, 5.0, math.nan):
        latency.add(seconds)
    assert settled == latency.value == pytest.approx(0.004, rel=0.01)
