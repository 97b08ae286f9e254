"""Lidar and mapping: what is seen, marked, cleared, remembered and inflated."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.scan import Scan
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.lidar import Lidar
from mppi_ros.simulation.rolling_costmap import RollingCostmap
from mppi_ros.simulation.world import MovingDisc, World

PILLAR = World.from_circles([[2.0, 0.0, 0.5]])
EXACT = Lidar(beams=360, field_of_view=math.tau, noise=0.0, max_range=6.0)


def value(costmap, x, y):
    row = int((y - costmap.origin_y) / costmap.resolution)
    return costmap.data[row, int((x - costmap.origin_x) / costmap.resolution)]


def scan(world, pose=(0.0, 0.0, 0.0), lidar=EXACT, time=0.0, seed=0):
    return lidar.scan(world, pose, np.random.default_rng(seed), time)


def test_beams_are_symmetric_about_the_scanner_and_cover_the_field_of_view():
    angles = Lidar(beams=5, field_of_view=math.pi, mount=(0.0, 0.0, 0.5)).angles()
    np.testing.assert_allclose(angles - 0.5, np.linspace(-0.5, 0.5, 5) * math.pi)
    circle = EXACT.angles()
    assert np.ptp(circle) == pytest.approx(math.tau - math.tau / 360)


def test_a_scan_turns_with_the_robot_and_starts_at_the_mount():
    lidar = Lidar(beams=1, field_of_view=0.0, noise=0.0, mount=(0.2, 0.1, 0.0))
    world = World.from_circles([[0.0, 3.0, 0.5]])
    sweep = lidar.scan(world, (0.1, 0.0, math.pi / 2), np.random.default_rng(0))
    assert sweep.ranges[0] == pytest.approx(3.0 - 0.5 - 0.2)


def test_noise_has_the_stated_spread_and_repeats_with_the_seed():
    lidar = Lidar(beams=20_000, field_of_view=0.1, noise=0.02)
    first, second = (scan(PILLAR, lidar=lidar, seed=3).ranges for _ in range(2))
    np.testing.assert_array_equal(first, second)
    exact = scan(PILLAR, lidar=Lidar(beams=20_000, field_of_view=0.1, noise=0.0)).ranges
    assert np.std(first - exact) == pytest.approx(0.02, rel=0.03)


def test_what_is_hit_is_lethal_and_what_is_crossed_is_free_and_the_rest_unknown():
    costmap = RollingCostmap(8.0, inflation=0.01).update(scan(PILLAR), (0.0, 0.0, 0.0))
    assert value(costmap, 1.52, 0.01) == 100
    assert value(costmap, 1.0, 0.01) == 0
    assert value(costmap, 3.0, 0.01) == -1


def test_walls_are_not_eroded_by_noise():
    world = World.from_circles([[2.0, y, 0.2] for y in np.arange(-3.0, 3.0, 0.2)])
    window = RollingCostmap(8.0)
    rng = np.random.default_rng(1)
    lidar = Lidar(beams=720, noise=0.01)
    least = 1000
    for k in range(60):
        costmap = window.update(lidar.scan(world, (0.0, 0.0, 0.0), rng), (0.0, 0.0, 0.0))
        if k >= 3:
            rows = (np.abs(costmap.origin_y + 0.05 * np.arange(160)) < 1.0)
            least = min(least, (costmap.data[rows] == 100).any(axis=1).sum())
    assert least == rows.sum()


def test_what_has_gone_is_forgotten_after_a_few_scans():
    obstacle = MovingDisc(2.0, 0.0, 0.3, vx=0.0, vy=10.0)
    back = [[5.0, y, 0.3] for y in np.arange(-5.0, 5.0, 0.3)]
    world = World.from_circles(back).with_moving_obstacles([obstacle])
    window = RollingCostmap(12.0)
    for _ in range(10):
        window.add(scan(world), (0.0, 0.0, 0.0))
    assert value(window.costmap(), 1.72, 0.01) == 100
    for _ in range(6):
        window.add(scan(world, time=1.0), (0.0, 0.0, 0.0))
    assert value(window.costmap(), 1.72, 0.01) < 100


def test_the_window_follows_the_robot_and_keeps_what_it_knows():
    window = RollingCostmap(8.0)
    before = window.update(scan(PILLAR), (0.0, 0.0, 0.0))
    nothing = Scan(0.1, np.zeros(0), np.zeros(0, dtype=np.float32), (0.0, 0.0), 6.0)
    after = window.update(nothing, (1.0, -0.5, 0.0))
    assert after.origin_x - before.origin_x == pytest.approx(1.0)
    assert after.origin_y - before.origin_y == pytest.approx(-0.5)
    np.testing.assert_array_equal(after.data[10:, :-20] == 100, before.data[:-10, 20:] == 100)
    assert not (window.update(nothing, (50.0, 0.0, 0.0)).data == 100).any()


def test_beams_without_return_clear_and_broken_ones_do_nothing():
    window = RollingCostmap(8.0)
    angles = np.array([0.0, math.pi / 2])
    ranges = np.array([math.inf, math.nan], dtype=np.float32)
    costmap = window.update(Scan(0.0, angles, ranges, (0.0, 0.0), 3.0), (0.01, 0.01, 0.0))
    assert value(costmap, 2.9, 0.01) == 0
    assert value(costmap, 3.2, 0.01) == -1
    assert value(costmap, 0.01, 1.0) == -1


def test_the_static_map_lies_underneath_and_is_never_cleared():
    static = World.from_circles([[1.0, 1.0, 0.3]], bounds=(-3.0, -3.0, 3.0, 3.0)).occupancy
    empty = World.from_circles([[9.0, 9.0, 0.1]])
    for window in (RollingCostmap.on(static), RollingCostmap(4.0, 0.03, static=static)):
        for _ in range(8):
            costmap = window.update(scan(empty), (0.0, 0.0, 0.0))
        assert value(costmap, 1.0, 1.0) == 100
        assert value(costmap, -1.5, -1.5) == 0


def test_noise_makes_no_wall_of_the_map_thicker_and_hides_nothing_new_before_it():
    wall = World.from_circles([[2.0, y, 0.2] for y in np.arange(-3.0, 3.0, 0.1)])
    static = wall.occupancy
    window = RollingCostmap.on(static)
    noisy = Lidar(beams=720, noise=0.02)
    for sweep in range(40):
        window.add(scan(wall, lidar=noisy, seed=sweep), (0.0, 0.0, 0.0))
    known = window.known()
    assert ((known.data == 100) == (static.data == 100)).all()
    for sweep in range(3):
        before = wall.with_discs([(1.6, 0.0, 0.1)])
        window.add(scan(before, lidar=noisy, seed=sweep), (0.0, 0.0, 0.0))
    assert value(window.known(), 1.52, 0.01) == 100


def test_inflation_falls_with_the_distance():
    data = np.zeros((41, 41), dtype=np.int8)
    data[20, 20] = 100
    static = Costmap(data, 0.05, 0.0, 0.0)
    window = RollingCostmap.on(static, Footprint.round(0.2))
    row = window.costmap().data[20, 20:]
    assert row[0] == 100
    distance = 0.05 * (np.arange(1, 21) - 0.5)  # [m] from the centre of a cell to the obstacle
    assert (row[1:][distance < 0.2] == 99).all()
    assert (np.diff(row[1:].astype(int)) <= 0).all()
    assert (row[1:][distance > 0.5] == 0).all()


def test_a_window_without_extent_is_rejected():
    with pytest.raises(InputError, match='costmap size = 0.0 m'):
        RollingCostmap(0.0)
