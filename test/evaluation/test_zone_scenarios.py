"""The scenarios with zones pass with their critic, and fail one criterion without it."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mppi_ros.driving.parameters import CriticParameters
from mppi_ros.evaluation.request import Request
from mppi_ros.evaluation.suites import cases_of
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.world import World


@pytest.mark.parametrize(('name', 'criterion'), [
    ('zone_preferred_lane', 'at most 2 m in zones'),
    ('zone_soft_keep_out', 'at most 0.2 m in zones'),
    ('zone_slow', 'mean speed at most 0.36 m/s in zones'),
])
def test_a_scenario_with_zones_needs_its_critic(name, criterion):
    (case,) = cases_of('scenarios', Request(only=(name,), plants=('nominal',)))
    assert case.configuration.critics.charge_zones
    assert case.run()[0]['failed'] == []
    off = replace(case.configuration, critics=CriticParameters())
    assert replace(case, configuration=off).run()[0]['failed'] == [criterion]


def test_zones_are_drawn_on_free_cells_of_the_map_only():
    world = World.from_circles([(1.0, 1.0, 0.2)], (0.0, 0.0, 2.0, 2.0), 0.1)
    free = world.occupancy.data == 0
    zoned = world.with_zones([(0.0, 0.0, 1.0, 2.0, 30), (0.5, 0.0, 1.5, 0.5, 60)])
    data = zoned.occupancy.data
    np.testing.assert_array_equal(data == 100, ~free)
    assert (data[:, :5][free[:, :5]] == 30).all()
    assert (data[:5, 5:15] == 60).all()
    assert not data[:, 15:].any()
    assert zoned.clearance(0.1, (0.4, 1.0, 0.0)) == world.clearance(0.1, (0.4, 1.0, 0.0))
    for cost in (0, 99):
        with pytest.raises(InputError, match='outside'):
            world.with_zones([(0.0, 0.0, 1.0, 1.0, cost)])
