"""Our own worlds: as stored, small, repeatable, and with a way through."""

from __future__ import annotations

import numpy as np

from mppi_ros.driving.footprint import Footprint
from mppi_ros.share import share_path
from mppi_ros.simulation.grid_planner import plan
from mppi_ros.simulation.world import World
from mppi_ros.simulation.world_generator import cluttered_field, office, write_worlds

ROBOT = Footprint.round(0.22)


def test_stored_worlds_are_what_the_generator_makes(tmp_path):
    write_worlds(tmp_path)
    for name in ('office.yaml', 'field.csv'):
        made, stored = World.load(tmp_path / name), World.load(share_path('config/worlds', name))
        np.testing.assert_array_equal(made.occupancy.data, stored.occupancy.data)
        np.testing.assert_array_equal(made.circles, stored.circles)
    assert all(path.stat().st_size < 30_000 for path in tmp_path.iterdir())


def test_another_seed_furnishes_another_office():
    assert (office(1) != office(2)).any()
    np.testing.assert_array_equal(office(1), office(1))
    assert not np.array_equal(cluttered_field(1), cluttered_field(2))


def test_a_robot_finds_its_way_through_our_worlds():
    ends = {
        'office.yaml': ((1.0, 1.0, 0.0), (8.0, 5.0, 0.0)),
        'field.csv': ((-1.0, 3.5, 0.0), (13.0, 3.5, 0.0)),
    }
    for name, (start, goal) in ends.items():
        world = World.load(share_path('config/worlds', name))
        assert min(world.clearance(0.22, pose) for pose in (start, goal)) > 0.2
        path = plan(world.occupancy, start, goal, ROBOT)
        assert min(world.clearance(0.22, pose) for pose in path) > 0.1
