"""Zones are the graded costs of a costmap that inflation does not explain."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mppi_ros.control.costmap_processing import ProcessingRequest, parameter_key
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving.cost_to_go import slowness
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.parameters import CriticParameters, Limits, Zone, ZoneSpeed
from mppi_ros.driving.path import ReferencePath
from mppi_ros.driving.zones import zone_costs
from mppi_ros.simulation.rolling_costmap import RollingCostmap

RES = 0.05
ROBOT = Footprint.round(0.22)
ON = CriticParameters(zone=Zone(weight=5.0))


def doors():
    """Return int8[80, 120] with two walls of obstacles and a door of 0.8 m in each."""
    data = np.zeros((80, 120), np.int8)
    for column in (40, 80):
        data[:32, column] = data[48:, column] = 100
    return data


def inflated(data, decay=None, radius=0.55):
    """Return a map inflated as in the simulator or, with `decay` [1/m], as in Nav2."""
    costmap = Costmap(data, RES, 0.0, 0.0)
    if decay is None:
        return RollingCostmap.on(costmap, ROBOT).costmap()
    rows, columns = np.nonzero(data == 100)
    y, x = np.indices(data.shape)
    cells = np.full(data.shape, np.inf)
    for row, column in zip(rows, columns, strict=True):
        cells = np.minimum(cells, np.hypot(y - row, x - column))
    away = RES * cells
    cost = 252.0 * np.exp(-decay * np.maximum(away - ROBOT.inscribed_radius, 0.0))
    graded = 1 + (97 * (cost.astype(int) - 1)) // 251
    graded[away <= ROBOT.inscribed_radius] = 99
    graded[away > radius] = 0
    return replace(costmap, data=np.maximum(data, graded.astype(np.int8)))


@pytest.mark.parametrize('decay', [None, 0.5, 3.0, 10.0])
def test_inflation_alone_is_no_zone(decay):
    costmap = inflated(doors(), decay)
    assert ((costmap.data > 0) & (costmap.data < 99)).any()
    assert zone_costs(costmap, 0.55) is None


def test_a_map_without_obstacles_has_the_zones_that_are_drawn():
    data = np.zeros((20, 30), np.int8)
    data[5:9, 10:20] = 49
    data[12, 3] = -1
    data[15, 15] = 98
    expected = np.maximum(data, 0) / np.float32(98.0)
    np.testing.assert_array_equal(zone_costs(Costmap(data, RES, 0.0, 0.0), 0.55), expected)


@pytest.mark.parametrize('decay', [None, 3.0])
def test_inflation_within_a_zone_does_not_change_its_cost_and_inflation_outside_is_free(decay):
    data = doors()
    data[(data == 0) & (np.arange(120) > 60)] = 40
    costmap = inflated(data, decay)
    zone = zone_costs(costmap, 0.55)
    passable = costmap.data < 99
    inside = np.broadcast_to(np.arange(120) > 60, data.shape)
    np.testing.assert_array_equal(zone[passable & inside], np.float32(40 / 98))
    assert not zone[~inside].any()


def test_a_zone_does_not_reach_through_a_wall():
    data = np.zeros((60, 60), np.int8)
    data[:, 30] = 100
    data[:, :30] = 70
    zone = zone_costs(inflated(data), 0.55)
    assert (zone[:, :29] == np.float32(70 / 98)).all()
    assert not zone[:, 30:].any()


def test_a_lethal_zone_without_inflation_leaves_the_rest_free():
    data = doors()
    data[20:30, 5:15] = 100
    costmap = inflated(doors(), 3.0)
    costmap.data[20:30, 5:15] = 100
    assert zone_costs(costmap, 0.55) is None


def test_slowness_contains_the_price_of_a_metre_and_the_speed_that_the_zone_allows():
    limits, far = Limits(), np.full(3, 9.0, np.float32)
    share = np.array([0.0, 0.5, 1.0], np.float32)
    plain = slowness(far, limits, CriticParameters())
    priced = slowness(far, limits, ON, share)
    np.testing.assert_allclose(priced - plain, 5.0 * share, rtol=1e-5)
    slowed = slowness(far, limits, CriticParameters(zone_speed=ZoneSpeed(weight=8.0)), share)
    np.testing.assert_allclose(slowed, plain / [1.0, 0.6, 0.2], rtol=1e-5)
    np.testing.assert_array_equal(slowness(far, limits, CriticParameters(), share), plain)


def processed(critics):
    data = np.zeros((80, 120), np.int8)
    data[:, 60:80] = 98
    c = replace(ControllerParameters(), critics=critics)
    path = ReferencePath.from_poses([(1.0, 2.0, 0.0), (5.0, 2.0, 0.0)])
    request = ProcessingRequest(
        1, c, ROBOT, 0.0, Costmap(data, RES, 0.0, 0.0), (1.0, 2.0), path, 0.0, 3.9, None)
    return request.process()


def test_zones_are_found_and_priced_along_the_plan_only_where_a_critic_charges_them():
    off, on = processed(CriticParameters()), processed(ON)
    assert off.region.field.zone is None
    assert off.region.field.padded_zone.size == 0
    assert on.region.field.zone[40, 70] == 1.0
    assert on.region.field.zone is on.region.still.zone
    dearer = on.lookahead.time_to_go[0] - off.lookahead.time_to_go[0]
    assert dearer == pytest.approx(5.0 * 1.0, abs=0.3)


def test_zones_are_found_anew_when_their_parameters_change():
    c = ControllerParameters()
    keys = {
        parameter_key(replace(c, critics=critics))
        for critics in (c.critics, ON, replace(ON, zone=Zone(weight=5.0, inflation_radius=1.0)))
    }
    assert len(keys) == 3
