"""The way round an obstacle: only what is known to stand on the plan blocks it."""

from __future__ import annotations

import numpy as np
import pytest

from mppi_ros.driving.cost_to_go import REJOIN_DISTANCE, CostToGo, NoWay, detour
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.lookahead import clearance_along
from mppi_ros.driving.parameters import CriticParameters, Limits
from mppi_ros.driving.path import ReferencePath

ROBOT = Footprint.round(0.2)
LEAVES_AND_RETURNS = [(2.0, 2.0), (6.0, 2.0), (6.0, 3.0), (2.0, 3.0)]


def search(obstacle=None, *, body=ROBOT, outside=True, poses=LEAVES_AND_RETURNS):
    data = np.zeros((100, 100), dtype=np.int8)
    if obstacle:
        data[obstacle] = 100
    field = distance_field(Costmap(data, 0.05, 0.0, 0.0), outside_is_obstacle=outside)
    path = ReferencePath.from_poses(poses)
    part = path.part(0.0, 11.0)
    clearance = clearance_along(path, part, field, body)
    return detour(path, part, clearance, 10.0, field, body, Limits(), CriticParameters())


def test_the_rim_of_the_costmap_blocks_no_plan():
    assert search() is None
    assert search(outside=False) is None


def test_the_rim_blocks_no_plan_of_a_body_whose_discs_reach_beyond_it():
    body = Footprint.polygonal([(0.25, 0.21), (-0.25, 0.21), (-0.25, -0.21), (0.25, -0.21)])
    assert body.reach > body.circumscribed_radius + 0.01
    assert search(body=body, outside=False) is None


def test_a_way_leads_over_the_rim_to_where_the_plan_is_free_again():
    thick = np.s_[30:50, 80:100]  # up to the rim: its end is not known
    ahead = [(2.0, 2.0), (9.0, 2.0)]
    assert not isinstance(search(thick, outside=True, poses=ahead), CostToGo)
    found = search(thick, outside=False, poses=ahead)
    assert found.first == pytest.approx(3.2, abs=0.3)
    row, column = int((2.0 - found.origin_y) / 0.05), int((2.0 - found.origin_x) / 0.05)
    assert found.value[row, column] < 100.0


def test_no_way_leads_over_the_rim_round_a_wall_without_an_end():
    for poses in (LEAVES_AND_RETURNS, [(2.0, 2.0), (9.0, 2.0)]):
        assert isinstance(search(np.s_[0:100, 60:64], outside=False, poses=poses), NoWay)


def test_an_obstacle_on_a_plan_that_leaves_the_costmap_still_does():
    found = search(np.s_[38:42, 60:64])
    assert isinstance(found, CostToGo)
    assert 0.6 < found.blocked < 1.0 < 1.2 < found.first < 1.6
    assert found.last - found.first == pytest.approx(REJOIN_DISTANCE)
    assert found.leave < found.blocked


def test_where_no_way_leads_round_there_is_none():
    assert isinstance(search(np.s_[0:80, 60:64]), CostToGo)
    found = search(np.s_[0:100, 60:64])
    assert isinstance(found, NoWay)
    assert found.blocked == pytest.approx(0.8, abs=0.1)


def test_a_robot_in_contact_cannot_know_whether_a_way_leads_on():
    assert search(np.s_[0:100, 30:90], poses=[(2.0, 2.0), (4.0, 2.0)]) is None
    assert isinstance(search(np.s_[0:100, 50:90], poses=[(2.0, 2.0), (4.0, 2.0)]), NoWay)
