"""A window of a costmap shows what is near as the whole does, in a bounded number of cells."""
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.costmap_crop import MAX_CELLS_PER_SIDE, crop_costmap
from mppi_ros.driving.distance_field import distance_field

RES = 0.05


def cluttered(height, width, resolution=RES, seed=0):
    """Return a costmap with a post in each of many places."""
    random = np.random.default_rng(seed)
    data = np.zeros((height, width), np.int8)
    data[random.integers(0, height, 4000), random.integers(0, width, 4000)] = 100
    return Costmap(data, resolution, -3.0, 7.0)


WHOLE = cluttered(1200, 1000)


@given(
    x=st.floats(-5.0, 50.0), y=st.floats(5.0, 70.0), reach=st.floats(3.0, 12.0),
    outside=st.booleans())
def test_distances_far_from_the_rim_are_those_of_the_whole(x, y, reach, outside):
    near, cut = crop_costmap(WHOLE, x, y, reach, outside_is_obstacle=outside)
    assert cut
    field = distance_field(near, outside_is_obstacle=True)
    whole = distance_field(WHOLE, outside_is_obstacle=outside)
    x, y = np.clip(x, -3.0, 47.0), np.clip(y, 7.0, 67.0)
    steps = np.arange(-0.5 * reach, 0.5 * reach, RES) + 1e-3
    points = np.meshgrid(x + steps, y + steps)
    expected = np.minimum(whole.at(*points), 0.5 * reach - 2 * RES)
    found = np.minimum(field.at(*points), 0.5 * reach - 2 * RES)
    on_map = (points[0] > -3.0) & (points[0] < 47.0) & (points[1] > 7.0) & (points[1] < 67.0)
    assert np.abs(found - expected)[on_map].max() < 1e-5


def test_coarse_cells_end_within_the_costmap_and_are_free_at_its_rim():
    data = np.zeros((4201, 4203), np.int8)
    near, cut = crop_costmap(Costmap(data, 0.05, 1.0, 2.0), 100.0, 100.0, 1e9)
    assert not cut
    assert not near.data.any()
    for side, cells, whole in zip(near.shape, (4201, 4203), data.shape, strict=True):
        assert whole - 3 < side * round(near.resolution / 0.05) <= cells


@pytest.mark.parametrize('resolution', [0.001, 0.05, 5.0])
def test_a_window_is_never_larger_than_it_may_be(resolution):
    data = np.zeros((4200, 9000), np.int8)
    near, _ = crop_costmap(Costmap(data, resolution, 0.0, 0.0), 3.0, 3.0, 1e9)
    assert max(near.shape) <= MAX_CELLS_PER_SIDE
    assert near.shape[1] * near.resolution >= 0.95 * min(9000 * resolution, 5e3)


def test_a_small_costmap_is_returned_as_it_is():
    costmap = cluttered(600, 800)
    assert crop_costmap(costmap, 0.0, 0.0, 5.0) == (costmap, False)


@pytest.mark.parametrize(('unknown', 'expected'), [(True, -1), (False, 60)])
def test_the_worst_cell_counts_where_one_stands_for_several(unknown, expected):
    data = np.zeros((5000, 5000), np.int8)
    data[0, 0] = 100
    data[2497, 2497], data[2496, 2498] = 60, -1
    near, _ = crop_costmap(
        Costmap(data, 0.01, 0.0, 0.0), 25.0, 25.0, 60.0, unknown_is_obstacle=unknown)
    assert near.resolution == pytest.approx(0.03)
    assert near.data[0, 0] == 100
    assert near.data[832, 832] == expected
    assert np.count_nonzero(near.data[:-1, :-1]) == 2


def test_cells_that_must_not_be_written_are_read():
    costmap = Costmap(np.frombuffer(bytes(1000 * 4000), np.int8).reshape(1000, 4000), RES, 0., 0.)
    near, _ = crop_costmap(costmap, 1.0, 1.0, 500.0)
    assert near.data.max() == 0
    assert distance_field(costmap).distance.max() > 20.0
