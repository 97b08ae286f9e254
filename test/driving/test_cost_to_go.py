"""The way round an obstacle: only what is known to stand on the plan blocks it."""

from __future__ import annotations

import numpy as np
import pytest

from mppi_ros.driving.cost_to_go import CostToGo, NoWay, clearance_along, detour
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.path import ReferencePath
from mppi_ros.driving.settings import Critics, Limits

ROBOT = Footprint.round(0.2)
LEAVES_AND_RETURNS = [(2.0, 2.0), (6.0, 2.0), (6.0, 3.0), (2.0, 3.0)]


def search(obstacle=None, poses=LEAVES_AND_RETURNS):
    data = np.zeros((100, 100), dtype=np.int8)
    if obstacle:
        data[obstacle] = 100
    field = distance_field(Costmap(data, 0.05, 0.0, 0.0))
    path = ReferencePath.from_poses(poses)
    part = path.part(0.0, 11.0)
    clearance = clearance_along(path, part, field, ROBOT)
    return detour(path, part, clearance, 10.0, field, ROBOT, Limits(), Critics())


def test_the_rim_of_the_costmap_blocks_no_plan():
    assert search() is None


def test_an_obstacle_on_a_plan_that_leaves_the_costmap_still_does():
    found = search(np.s_[38:42, 60:64])
    assert isinstance(found, CostToGo)
    assert found.rejoin == pytest.approx(1.9, abs=0.8)


def test_where_no_way_leads_round_there_is_none():
    assert isinstance(search(np.s_[0:80, 60:64]), CostToGo)
    found = search(np.s_[0:100, 60:64])
    assert isinstance(found, NoWay)
    assert found.blocked == pytest.approx(0.8, abs=0.1)


def test_a_robot_in_contact_cannot_know_whether_a_way_leads_on():
    assert search(np.s_[0:100, 30:90], [(2.0, 2.0), (4.0, 2.0)]) is None
    assert isinstance(search(np.s_[0:100, 50:90], [(2.0, 2.0), (4.0, 2.0)]), NoWay)
