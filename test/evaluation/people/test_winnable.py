"""A search over time finds drives that exist, and none where there is none."""

from __future__ import annotations

import math

import numpy as np

from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.parameters import Limits, RobotParameters
from mppi_ros.evaluation.case import driving_time
from mppi_ros.evaluation.people.trajectories import Trajectory, polyline
from mppi_ros.evaluation.people.winnable import winning_time
from mppi_ros.simulation.plant import NOMINAL
from mppi_ros.simulation.world import World

BOUNDS = (0.0, -1.5, 8.0, 1.5)
START, GOAL = (1.0, 0.0, 0.0), (7.0, 0.0)
LIMITS = Limits(vx_max=1.0)


def obstacle(times, points, radius=0.4):
    curve = polyline([*times, 1e4], [*points, points[-1]])
    return Trajectory(curve, radius, 0.0, 1e4)


def search(*discs, timeout=20.0, bounds=BOUNDS):
    world = World.from_circles((), bounds).with_moving_obstacles(discs)
    return winning_time(
        world,
        START,
        GOAL,
        0.2,
        LIMITS,
        Footprint.of(RobotParameters(radius=0.2)),
        NOMINAL,
        timeout,
    )


def wall(x):
    """Return x [m] over all of the width as points of moving obstacles."""
    return [(x, y) for y in np.arange(-1.5, 1.6, 0.5)]


def test_a_free_way_takes_little_longer_than_at_the_limits():
    ideal = driving_time(5.8, LIMITS)
    assert ideal - 0.5 < search() < 1.3 * ideal


def test_a_wall_of_moving_obstacles_that_comes_nearer_cannot_be_passed():
    discs = [obstacle([0.0, 10.0], [place, (place[0] - 10.0, place[1])]) for place in wall(6.0)]
    assert search(*discs) == math.inf


def test_a_wall_with_a_gap_can_be_passed():
    discs = [
        obstacle([0.0, 10.0], [place, (place[0] - 10.0, place[1])]) for place in wall(6.0)[3:]]
    assert math.isfinite(search(*discs))


def test_the_robot_waits_for_a_gate_that_opens():
    opens = 8.0
    # A row across the way that moves up out of it, and only after a while.
    discs = [
        obstacle([0.0, opens, opens + 1.0], [place, place, (4.0, place[1] + 5.0)])
        for place in wall(4.0)
    ]
    found = search(*discs)
    assert opens + 2.0 < found < opens + 8.0
    assert search(*discs, timeout=opens) == math.inf


def test_a_narrow_gap_that_closes_for_good_is_used_in_time_or_never():
    def closing(time):
        return [
            obstacle([0.0, time, time + 1.0], [(x, y + 5.0), (x, y + 5.0), (x, y)])
            for x, y in wall(4.0)
        ]

    assert math.isfinite(search(*closing(8.0)))
    assert search(*closing(1.0)) == math.inf


def test_a_corridor_narrower_than_the_body_cannot_be_driven():
    assert search(bounds=(0.0, -0.22, 8.0, 0.22)) == math.inf


def test_the_search_repeats_bit_for_bit():
    discs = [obstacle([0.0, 10.0], [(6.0, y), (-4.0, y)]) for y in (0.0, 1.0)]
    assert math.isfinite(search(*discs)) and search(*discs) == search(*discs)
