"""The planner: paths that are clear, smooth, evenly spaced, or refused by name."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from mppi_ros.driving.costmap import LETHAL, UNKNOWN, Costmap
from mppi_ros.driving.footprint import Footprint
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.grid_planner import plan
from mppi_ros.simulation.world import World

ROBOT = Footprint.round(0.2)
BOUNDS = (0.0, 0.0, 8.0, 6.0)


def wall(x, gap_from, gap_to, radius=0.1):
    """Discs from bottom to top with a gap."""
    low = np.arange(0.0, gap_from - radius + 1e-9, radius)
    high = np.arange(gap_to + radius, 6.0, radius)
    return [[x, y, radius] for y in (*low, *high)]


def random_field(seed):
    rng = np.random.default_rng(seed)
    return World.from_circles(rng.uniform((1, 0, 0.1), (7, 6, 0.3), size=(25, 3)), BOUNDS)


def test_in_the_open_the_path_is_a_straight_line():
    world = World.from_circles([[4.0, 5.9, 0.05]], BOUNDS)
    path = plan(world.occupancy, (1.03, 1.02, 0.0), (6.51, 2.13, 1.0), ROBOT)
    length = math.hypot(6.51 - 1.03, 2.13 - 1.02)
    assert np.hypot(*np.diff(path[:, :2], axis=0).T).sum() == pytest.approx(length, rel=1e-3)
    np.testing.assert_allclose(path[0, :2], (1.03, 1.02))
    np.testing.assert_allclose(path[-1], (6.51, 2.13, 1.0))


@pytest.mark.parametrize('seed', range(20))
def test_poses_keep_clear_are_evenly_spaced_and_face_along_the_path(seed):
    world = random_field(seed)
    path = plan(world.occupancy, (0.5, 3.0, 0.0), (7.5, 3.0, 0.5), ROBOT)
    if path is None:
        pytest.skip('this field has no way through')
    steps = np.diff(path[:, :2], axis=0)
    length = np.hypot(*steps.T)
    assert length.max() <= 0.0501
    assert length.max() - length.min() < 0.005
    np.testing.assert_allclose(path[:-1, 2], np.arctan2(steps[:, 1], steps[:, 0]))
    least = min(world.clearance(0.2 - 0.05, pose) for pose in path)
    assert least > 0.0


@pytest.mark.parametrize('seed', range(8))
def test_turns_are_rounded(seed):
    path = plan(random_field(seed).occupancy, (0.5, 3.0, 0.0), (7.5, 3.0, 0.0), ROBOT)
    turns = np.abs(np.angle(np.exp(1j * np.diff(path[:-1, 2]))))
    assert turns.max() < 0.4


def test_the_way_leads_through_the_gap_that_is_wide_enough():
    narrow, wide = wall(3.0, 1.0, 1.3), wall(3.0, 4.0, 5.0)
    discs = [disc for disc in narrow if disc in wide or disc[1] < 3.0]
    discs += [disc for disc in wide if disc[1] >= 3.0]
    world = World.from_circles(discs, BOUNDS)
    path = plan(world.occupancy, (1.0, 1.0, 0.0), (5.0, 1.0, 0.0), ROBOT)
    through = path[np.argmin(np.abs(path[:, 0] - 3.0)), 1]
    assert through == pytest.approx(4.5, abs=0.15)


@pytest.mark.parametrize(('other', 'y'), [(True, 4.5), (False, 1.27)])
def test_a_gap_without_room_to_spare_is_taken_only_where_no_other_way_leads(other, y):
    walls = [disc for disc in wall(3.0, 1.0, 1.55) if not (other and 4.0 < disc[1] < 5.0)]
    world = World.from_circles(walls, BOUNDS)
    path = plan(world.occupancy, (1.0, 1.0, 0.0), (5.0, 1.0, 0.0), ROBOT)
    through = path[np.argmin(np.abs(path[:, 0] - 3.0)), 1]
    assert through == pytest.approx(y, abs=0.2)


def test_no_way_is_none():
    world = World.from_circles(wall(3.0, 2.0, 2.3), BOUNDS)
    assert plan(world.occupancy, (1.0, 1.0, 0.0), (5.0, 1.0, 0.0), ROBOT) is None


def test_unknown_space_is_entered_only_on_request():
    data = np.zeros((60, 80), dtype=np.int8)
    data[:, 30:50] = -1
    costmap = Costmap(data, 0.1, 0.0, 0.0)
    ends = (1.0, 3.0, 0.0), (7.0, 3.0, 0.0)
    assert plan(costmap, *ends, ROBOT) is None
    assert plan(costmap, *ends, ROBOT, unknown_is_free=True) is not None


def test_a_robot_nearer_to_an_obstacle_than_it_should_be_gets_a_way_out():
    world = World.from_circles([[4.0, 3.0, 0.5]], BOUNDS)
    path = plan(world.occupancy, (3.35, 3.0, 0.0), (6.0, 3.0, 0.0), ROBOT)
    np.testing.assert_allclose(path[0, :2], (3.35, 3.0))


def test_start_at_the_goal_is_a_path_too():
    world = World.from_circles([[4.0, 3.0, 0.5]], BOUNDS)
    path = plan(world.occupancy, (2.0, 2.0, 0.0), (2.0, 2.0, 1.0), ROBOT)
    np.testing.assert_allclose(path[-1], (2.0, 2.0, 1.0))


@pytest.mark.parametrize(('start', 'goal', 'message'), [
    ((1.0, 1.0, 0.0), (4.0, 3.0, 0.0), r'goal \(4.00, 3.00\) m is in an obstacle'),
    ((4.0, 3.0, 0.0), (1.0, 1.0, 0.0), r'start \(4.00, 3.00\) m is in an obstacle'),
    ((1.0, 1.0, 0.0), (3.43, 3.0, 0.0), 'the robot needs 0.20 m'),
    ((1.0, 1.0, 0.0), (9.0, 3.0, 0.0), r'outside the map: x \[0.00, 8.00\] m'),
    ((1.0, 1.0, 0.0), (math.nan, 3.0, 0.0), 'goal = .* all finite'),
    ((1.0, 1.0), (2.0, 3.0, 0.0), 'start = .* must be'),
])
def test_impossible_ends_are_refused_by_name(start, goal, message):
    world = World.from_circles([[4.0, 3.0, 0.5]], BOUNDS)
    with pytest.raises(InputError, match=message):
        plan(world.occupancy, start, goal, ROBOT)


@pytest.mark.parametrize(('unknown_is_free', 'message'), [
    (False, r'goal \(3.43, 3.00\) m is in unknown space'),
    (True, r'goal \(3.43, 3.00\) m is 0\.\d+ m from an obstacle, the robot needs 0.20 m'),
])
def test_an_unknown_goal_is_refused_with_the_reason_that_applies(unknown_is_free, message):
    occupancy = World.from_circles([[4.0, 3.0, 0.5]], BOUNDS).occupancy
    data = np.where(occupancy.data == LETHAL, occupancy.data, UNKNOWN).astype(np.int8)
    data[:, :40] = 0
    unknown = dataclasses.replace(occupancy, data=data)
    with pytest.raises(InputError, match=message):
        plan(unknown, (1.0, 1.0, 0.0), (3.43, 3.0, 0.0), ROBOT, unknown_is_free=unknown_is_free)


def test_the_same_search_gives_the_same_path():
    world = random_field(3)
    paths = [plan(world.occupancy, (0.5, 3.0, 0), (7.5, 3.0, 0), ROBOT) for _ in range(2)]
    np.testing.assert_array_equal(*paths)
