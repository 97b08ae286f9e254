"""Two robots head-on: both are driven by the controller and see each other."""
from __future__ import annotations

import math

import numpy as np
import pytest

from mppi_ros.evaluation.people.head_on import OncomingRobot
from mppi_ros.evaluation.request import Request
from mppi_ros.evaluation.suites import cases_of

REST = np.zeros(3)


def case_of(scenario, **changes):
    (case,) = cases_of('people', Request(only=(scenario,), **changes))
    return case


def test_the_oncoming_robot_drives_from_the_goal_to_the_start():
    case = case_of('crowd/head_on')
    episode = case.episode(1.0)
    (body,) = episode.crowd.moving_obstacles()
    assert body.at(0.0)[:2] == pytest.approx((case.goal[0] + 1.5, case.goal[1]))
    away = np.array([1.0, 3.5, 0.0])
    for time in np.arange(0.0, 6.0, 0.05):
        episode.crowd.advance(float(time), away, REST)
    x, y, radius = body.at(6.0)
    assert x < case.goal[0] - 2.0
    assert radius == pytest.approx(case.configuration.robot.radius)
    assert episode.crowd.finish()


def test_the_oncoming_robot_does_not_drive_into_a_robot_that_stands_in_its_way():
    episode = case_of('crowd/head_on_corridor').episode(1.0)
    assert isinstance(episode.crowd, OncomingRobot)
    (body,) = episode.crowd.moving_obstacles()
    stands = np.array([6.0, 0.0, 0.0])
    gaps = []
    for time in np.arange(0.0, 15.0, 0.05):
        episode.crowd.advance(float(time), stands, REST)
        x, y, radius = body.at(float(time))
        gaps.append(math.hypot(x - 6.0, y) - 2.0 * radius)
    assert 0.0 < min(gaps) < 1.0


@pytest.mark.parametrize('scenario', ['crowd/head_on', 'crowd/head_on_corridor'])
def test_two_robots_pass_each_other_and_both_know_where_they_are(scenario):
    record, result = case_of(scenario).run()
    assert result.success and not result.collision
    assert record['oncoming_reached']
