"""People that react: they get where they go, avoid each other and the robot, and stop for it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mppi_ros.evaluation.people.crowd import SCENES, Crowd, CrowdScene, Person, scene
from mppi_ros.evaluation.request import Request
from mppi_ros.evaluation.suites import cases_of
from mppi_ros.simulation.world import World

pytest.importorskip('pyrvo', reason="needs pyrvo: pip install 'mppi_ros[people]'")

BOUNDS = (-9.0, -9.0, 9.0, 9.0)
AWAY = (50.0, 50.0, 0.0)
REST = (0.0, 0.0, 0.0)


def walked(crowd, until, pose=AWAY, twist=REST):
    """Return the places float64[steps, n, 2] of a crowd past a robot at rest."""
    times = np.arange(0.0, until, 0.1)
    places = []
    for time in times:
        crowd.advance(time, pose, twist)
        places.append([obstacle.at(time)[:2] for obstacle in crowd.moving_obstacles()])
    return np.array(places)


def two(**changes):
    one = Person((-3.0, 0.05), ((3.0, 0.05),), 1.0)
    other = Person((3.0, 0.0), ((-3.0, 0.0),), 1.0, **changes)
    return CrowdScene(AWAY, REST, BOUNDS, (one, other))


def test_two_people_pass_each_other_and_arrive():
    places = walked(Crowd(two(), 0.3), 12.0)
    assert np.hypot(*(places[:, 0] - places[:, 1]).T).min() > 0.5
    assert places[-1] == pytest.approx(np.array([[3.0, 0.05], [-3.0, 0.0]]), abs=0.3)


def test_somebody_who_does_not_react_walks_straight_on_and_pauses():
    places = walked(Crowd(two(reacts=False, pause=(1.0, 2.0)), 0.3), 5.0)[:, 1]
    assert np.abs(places[:, 1]).max() == 0.0
    assert places[[10, 15, 20, 30], 0] == pytest.approx([2.0, 2.0, 2.0, 1.0], abs=1e-6)


def test_people_walk_round_a_robot_and_stop_where_it_blocks_a_door():
    person = Person((-3.0, 0.1), ((3.0, 0.1),), 1.0)
    free = Crowd(CrowdScene(REST, REST, BOUNDS, (person,)), 0.3)
    places = walked(free, 9.0, REST)
    assert np.hypot(*places[:, 0].T).min() > 0.5
    assert places[-1, 0, 0] > 2.0 and free.forced_stop_s < 0.5
    door = ((0.0, 0.5, 0.0, 9.0), (0.0, -9.0, 0.0, -0.5))
    blocked = Crowd(CrowdScene(REST, REST, BOUNDS, (person,), door), 0.3)
    assert walked(blocked, 9.0, REST)[-1, 0, 0] < -0.2
    assert blocked.forced_stop_s > 3.0
    # Without a robot nothing holds anybody up.
    open_door = Crowd(CrowdScene(AWAY, REST, BOUNDS, (person,), door), 0.3)
    assert walked(open_door, 9.0)[-1, 0, 0] > 2.0 and open_door.forced_stop_s == 0.0


@pytest.mark.parametrize('name', SCENES)
def test_scenes_vary_with_the_seed_and_start_free(name):
    assert scene(name, 0) == scene(name, 0) != scene(name, 1)
    for seed in range(3):
        found = scene(name, seed)
        still = World.from_circles(found.circles(), found.bounds)
        for pose in (found.start, found.goal):
            assert still.clearance(0.3, pose) > 0.2
        for person in found.people:
            assert still.clearance(person.radius, (*person.start, 0.0)) > 0.0
            assert math.dist(person.start, found.start[:2]) > person.radius + 0.8


def test_a_drive_among_people_that_react_repeats_bit_for_bit():
    (case,) = cases_of('people', Request(only=('crowd/doorway',), baseline='orca_room'))
    (told, first), (again, second) = case.run(), case.run()
    assert told['winnable'] is None and told['forced_stop_s'] >= 0.0
    assert np.array_equal(first.trace.pose, second.trace.pose)
    assert told['intimate_s'] == again['intimate_s']
