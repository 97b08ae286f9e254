"""The robot reverses slowly where no scan has shown the area."""
from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from mppi_ros.control.optimization import Solution
from mppi_ros.control.parameters import read_yaml
from mppi_ros.control.progress import BACK_UP
from mppi_ros.control.seen_area import MEMORY, SeenArea
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.scan_points import ScanPoints
from mppi_ros.parameters.declaration import replace
from mppi_ros.share import share_path
from mppi_ros.simulation.episode import Episode
from mppi_ros.simulation.lidar import Lidar
from mppi_ros.simulation.world import World

FRONT, AROUND = Lidar(), Lidar(field_of_view=math.tau)
BODY = Footprint.polygonal([[0.3, 0.2], [-0.3, 0.2], [-0.3, -0.2], [0.3, -0.2]])
EMPTY = Costmap(np.zeros((160, 200), np.int8), 0.05, -5.0, -4.0)
BACK = np.column_stack([np.linspace(0.0, -1.0, 11), np.zeros(11), np.zeros(11)])


def seen_from(lidar, xs, circles=(), start=0.0):
    """Return what scans show from places on the x axis, one each 0.2 s."""
    world = World(EMPTY, np.array(circles, np.float64).reshape(-1, 3), (), solid_cells=False)
    seen, rng = SeenArea(), np.random.default_rng(0)
    for step, x in enumerate(xs):
        pose = (x, 0.0, 0.0)
        scan = lidar.scan(world, pose, rng, start + 0.2 * step)
        seen.add(scan.stamp, ScanPoints.of(scan, pose, 8.0), pose[:2])
    return seen


def test_without_scans_there_is_no_limit():
    assert SeenArea().distance_back(0.0, BACK, BODY, 2.0) == math.inf


def test_a_lidar_that_looks_around_shows_the_way_back_as_far_as_an_obstacle():
    """The obstacle itself is on the costmap; only what it hides has not been seen."""
    assert seen_from(AROUND, [0.0]).distance_back(0.0, BACK, BODY, 2.0) == 2.0
    blocked = seen_from(AROUND, [0.0], [(-1.5, 0.0, 0.3)])
    assert 0.9 <= blocked.distance_back(0.0, BACK, BODY, 2.0) <= 1.3


def test_a_lidar_that_looks_ahead_shows_the_way_back_where_the_robot_came_from():
    assert seen_from(FRONT, [0.0]).distance_back(0.0, BACK, BODY, 2.0) == 0.0
    driven = seen_from(FRONT, np.linspace(-1.5, 0.0, 16))
    assert 1.0 <= driven.distance_back(3.0, BACK, BODY, 3.0) < 2.0


def test_an_area_is_forgotten():
    seen = seen_from(AROUND, [0.0])
    assert seen.distance_back(MEMORY - 0.1, BACK, BODY, 2.0) == 2.0
    assert seen.distance_back(MEMORY + 0.1, BACK, BODY, 2.0) == 0.0
    seen.forget()
    assert seen.distance_back(0.0, BACK, BODY, 2.0) == math.inf


def test_the_way_back_follows_a_planned_bend_and_is_straight_otherwise():
    beside = [(-0.7, 0.8, 0.35)]  # it hides the way to the left
    seen = seen_from(AROUND, [0.0], beside)
    arc = np.linspace(0.0, 1.5, 16)
    bend = np.column_stack([-np.sin(arc), 1.0 - np.cos(arc), -arc])
    assert seen.distance_back(0.0, bend, BODY, 1.5) < 1.4
    assert seen.distance_back(0.0, -BACK, BODY, 1.5) == 1.5


@pytest.mark.parametrize(('robot', 'lidar'), [
    ('f1tenth', FRONT), ('husky', FRONT), ('jackal', FRONT), ('husky', AROUND),
    ('jackal', AROUND), ('f1tenth', AROUND)])
def test_a_robot_reverses_fast_only_where_its_lidar_looks(robot, lidar):
    configuration = replace(
        read_yaml(share_path('config', 'robots', f'{robot}.yaml')), {'threads': 1})
    world = World.from_circles([(7.0, 6.0, 0.1)], (-8.0, -7.0, 8.0, 7.0))
    result = Episode(
        world, (0.0, 0.0, 0.0), (-2.5, 0.0, 0.0), configuration, sensing='lidar', lidar=lidar,
        seed=1, timeout=30.0).run()
    assert result.success
    trace = result.trace
    fastest = min(command[0] for command, pose in zip(trace.command, trace.pose, strict=True)
                  if abs(math.remainder(pose[2], math.tau)) < 0.3)
    limit = configuration.safety.unseen_speed
    assert fastest >= -limit - 1e-3 if lidar is FRONT else fastest < -1.5 * limit


def test_the_recovery_that_backs_up_keeps_the_limit():
    plant = SimpleNamespace(limits=SimpleNamespace(vx_min=-2.0, vx_max=2.0))
    forward, backward = SimpleNamespace(direction=1.0), SimpleNamespace(direction=-1.0)

    def commanded(path, slowest):
        objective = SimpleNamespace(model=SimpleNamespace(bounds=((slowest, 2.0), (-1.0, 1.0))))
        return Solution((0.0, 0.0), BACK_UP, 1.0).backward(path, objective, plant)

    assert commanded(forward, -2.0) == (-1.0, 0.0)
    assert commanded(forward, -0.3) == (-0.3, 0.0)
    assert commanded(backward, -0.3) == (1.0, 0.0)


def test_a_car_turns_around_instead_of_reversing_slowly_all_the_way():
    configuration = replace(
        read_yaml(share_path('config', 'robots', 'f1tenth.yaml')), {'threads': 1})
    walls = [(x, side, 0.3) for x in np.arange(-14.0, 3.0, 0.5) for side in (-1.5, 1.5)]
    world = World.from_circles([(13.0, 8.0, 0.1), *walls], (-16.0, -9.0, 14.0, 9.0))
    result = Episode(
        world, (0.0, 0.0, 0.0), (-12.0, 0.0, math.pi), configuration, sensing='lidar', seed=1,
        timeout=60.0).run()
    assert result.reason == 'reached'
    assert result.time_s < 30.0
    assert result.reversals <= 5
