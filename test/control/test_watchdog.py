"""Ages of inputs: missing, old, from the future, out of order."""
from __future__ import annotations

import math

import pytest

from mppi_ros.control.watchdog import FUTURE, Watched


def test_missing_input_is_named():
    watched = Watched('costmap', None, 1.5)
    assert watched.missing() == 'no costmap yet'
    assert watched.fault(5.0) == ''
    assert math.isnan(watched.age(5.0))


def test_old_input_is_named_with_age_and_limit():
    watched = Watched('costmap', 10.0, 1.5)
    assert watched.missing() == ''
    assert watched.fault(11.5) == ''
    assert watched.fault(11.8) == 'costmap is 1.80 s old, limit 1.5 s'
    assert watched.age(11.8) == pytest.approx(1.8)


def test_input_from_the_future_is_named():
    watched = Watched('odometry', 10.0, 0.3)
    assert watched.fault(10.0 - 0.9 * FUTURE) == ''
    assert watched.fault(8.0) == 'odometry is stamped 2.00 s in the future, limit 0.1 s'


@pytest.mark.parametrize('now', [0.0, 1e9])
def test_without_a_timeout_no_stamp_is_a_fault(now):
    assert Watched('costmap', 10.0, 0.0).fault(now) == ''
    assert Watched('costmap', 10.0, 0.0).gives_way_to(3.0, now)


def test_newer_input_holds_against_messages_out_of_order():
    watched = Watched('odometry', 10.0, 0.3)
    assert watched.gives_way_to(10.0, 10.0)
    assert not watched.gives_way_to(9.9, 10.0)


def test_input_from_the_future_gives_way_after_the_clock_went_back():
    assert Watched('odometry', 10.0, 0.3).gives_way_to(2.0, 2.0)
