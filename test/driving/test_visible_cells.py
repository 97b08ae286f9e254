"""Which cells the robot sees, where clusters end, and which places are free."""
from __future__ import annotations

import numpy as np
from plain_robot import room, with_block
import pytest

from mppi_ros.driving.costmap import UNKNOWN, Costmap
from mppi_ros.driving.visible_cells import VisibleCells

EYE = (-3.0, 0.0)


def view_of(*blocks: tuple[float, float, float]) -> VisibleCells:
    """Return what is seen of square blocks x, y, side [m] in a room."""
    costmap = room()
    for block in blocks:
        costmap = with_block(costmap, *block)
    return VisibleCells.of(costmap, EYE, 8.0)


def near(view, x, y):
    """Return the cells of the cluster nearest to a point."""
    clusters = view.clusters(np.arange(len(view.x)))
    return min(clusters, key=lambda c: np.hypot(view.x[c] - x, view.y[c] - y).min())


def test_what_lies_behind_an_obstacle_is_not_seen():
    view = view_of((0.0, 0.0, 0.4), (1.5, 0.0, 0.2))
    assert not np.any(np.hypot(view.x - 1.5, view.y) < 0.15)
    assert np.any(np.hypot(view.x, view.y) < 0.3)
    assert np.all(view.x[view.in_front & (np.abs(view.y) < 0.2) & (view.x < 0.5)] < -0.1)


def test_a_side_is_open_where_the_view_beside_it_goes_farther():
    view = view_of((0.0, 0.0, 0.4))
    low, high = view.sides(near(view, 0.0, 0.0))
    assert low.is_open and high.is_open
    assert (low.y, high.y) == pytest.approx((-0.2, 0.2), abs=0.05)


def test_a_hidden_side_counts_only_where_something_passes():
    view = view_of((-0.5, -0.2, 0.3), (0.5, 0.05, 0.5))
    far, hides = near(view, 0.5, 0.25), near(view, -0.5, -0.2)
    assert view.sides(far) is None
    low, high = view.sides(far, view.passing(hides))
    assert not low.is_open and high.is_open
    assert view.sides(far, np.zeros_like(view.passing(hides))) is None


def test_a_wall_has_no_open_side():
    view = view_of()
    assert view.sides(near(view, 0.0, 3.0), np.ones(720, bool)) is None


def test_a_place_is_free_where_it_is_seen_and_known():
    view = view_of((0.0, 0.0, 0.4))
    assert view.is_free(0.0, 1.0, 0.2)
    assert not view.is_free(1.0, 0.0, 0.2)  # hidden
    assert not view.is_free(0.0, 0.0, 0.2)  # occupied
    assert not view.is_free(40.0, 0.0, 0.2)  # outside
    data = room().data.copy()
    data[data == 0] = UNKNOWN
    assert not VisibleCells.of(Costmap(data, 0.05, -5.0, -3.0), EYE, 8.0).is_free(0.0, 1.0, 0.2)
