"""Manoeuvres with several reversals: feasible, free, exact at the goal, and found where any is."""
from __future__ import annotations

import math

import numpy as np
import pytest

from mppi_ros.driving import reeds_shepp
from mppi_ros.driving.costmap import LETHAL, Costmap
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.hybrid_astar import POSITION_TOLERANCE, YAW_TOLERANCE, hybrid_astar
from mppi_ros.driving.path import sections

RADIUS, CLEARANCE = 0.9, 0.05
CAR = Footprint.polygonal([(0.455, 0.155), (-0.125, 0.155), (-0.125, -0.155), (0.455, -0.155)])


def room(side, *walls):
    """Return the distances in a square room about the origin, with walls (x, y, x, y) [m]."""
    cells = np.zeros((round(side / 0.05),) * 2, np.int8)
    cells[[0, -1]] = cells[:, [0, -1]] = LETHAL
    for left, bottom, right, top in np.array(walls).reshape(-1, 4) + 0.5 * side:
        cells[int(bottom / 0.05):int(top / 0.05), int(left / 0.05):int(right / 0.05)] = LETHAL
    return distance_field(Costmap(cells, 0.05, -0.5 * side, -0.5 * side))


def search(start, goal, field, backward=3.0, cusp=1.0):
    return hybrid_astar(start, goal, RADIUS, field, CAR.discs, CLEARANCE, backward, cusp)


def runs(path):
    """Return the direction of each run of a path, 1 or −1."""
    steps = np.diff(path, axis=0)
    along = steps[:, 0] * np.cos(path[:-1, 2]) + steps[:, 1] * np.sin(path[:-1, 2])
    signs = np.sign(along)
    return signs[np.flatnonzero(np.diff(signs, prepend=0.0))]


@pytest.mark.parametrize('goal', [
    (0.0, 0.0, 1.8), (0.2, 0.0, -2.1), (0.3, 0.5, -2.3), (-0.5, 0.1, -1.9), (0.4, 0.0, 3.0)])
def test_a_car_turns_in_a_room_in_which_no_word_is_free(goal):
    field, start = room(1.8), (0.0, 0.0, 0.0)
    words = reeds_shepp.paths(start, goal, RADIUS, 3.0)
    assert not any(CAR.clearance(field, word).min() >= CLEARANCE for word in words)
    path = search(start, goal, field)
    assert path is not None
    assert CAR.clearance(field, path).min() >= CLEARANCE
    assert math.dist(path[0, :2], start[:2]) <= POSITION_TOLERANCE * RADIUS
    assert abs(math.remainder(path[0, 2] - start[2], math.tau)) <= YAW_TOLERANCE
    np.testing.assert_allclose(path[-1], goal)
    steps = np.diff(path, axis=0)
    way, turn = np.hypot(*steps[:, :2].T), np.abs(steps[:, 2])
    assert way.max() < 0.1 * RADIUS
    assert (turn <= 1.001 * way / RADIUS).all()
    assert len(runs(path)) > 1
    driven = sections(path, turns=False)
    assert [part.direction for part in driven] == runs(path).tolist()
    for part in driven:  # what is driven is what was checked, up to chords of a tenth of a radius
        poses = np.column_stack([part.points, part.heading])
        assert CAR.clearance(field, poses).min() >= CLEARANCE - 0.05  # a cell


def test_there_is_no_way_through_a_wall_or_out_of_a_niche_too_small_to_turn():
    wall = room(4.0, (0.9, -2.0, 1.0, 2.0))
    assert search((-1.0, 0.0, 0.0), (1.4, 0.0, 0.0), wall) is None
    niche = room(2.6, (-1.3, 0.3, 1.3, 0.4), (-1.3, -0.4, 1.3, -0.3))
    assert search((0.0, 0.0, 0.0), (0.0, 0.0, math.pi), niche) is None


def test_without_reverse_all_of_it_is_driven_forward():
    path = search((-1.5, 0.0, 0.0), (1.5, 1.0, math.pi), room(8.0), backward=math.inf)
    assert path is not None
    assert set(runs(path)) == {1.0}
    assert search((0.0, 0.0, 0.0), (0.0, 0.0, 1.5), room(2.6), backward=math.inf) is None


def test_a_reversal_costs_as_much_as_it_is_said_to():
    start, goal, field = (0.0, 0.0, 0.0), (0.0, 1.2, math.pi), room(6.0)
    dear, cheap = (search(start, goal, field, 1.0, cusp) for cusp in (20.0, 0.0))
    assert len(runs(dear)) < len(runs(cheap))


def test_a_start_at_the_goal_needs_no_path():
    assert search((0.0, 0.0, 0.0), (0.05, 0.0, 0.1), room(4.0)) is None


@pytest.mark.parametrize('pose', [
    (math.nan, 0.0, 0.0), (math.inf, 0.0, 0.0), (1e300, 0.0, 0.0), (0.0, 0.0, math.nan)])
def test_a_pose_that_is_nowhere_has_no_path(pose):
    assert search((0.0, 0.0, 0.0), pose, room(4.0)) is None
    assert search(pose, (0.0, 0.0, 0.0), room(4.0)) is None


def test_the_path_keeps_to_the_roomy_side():
    """The gap on the right is wider than the one on the left, which is as near and wide enough."""
    field = room(6.0, (-3.0, -0.1, -0.95, 0.1), (-0.25, -0.1, 0.25, 0.1), (2.2, -0.1, 3.0, 0.1))
    path = search((0.0, -1.5, 0.5 * math.pi), (0.0, 1.5, 0.5 * math.pi), field)
    crossing = path[np.abs(path[:, 1]).argmin()]
    assert crossing[0] > 0.25
