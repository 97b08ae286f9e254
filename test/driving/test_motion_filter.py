"""Position and velocity of a disc follow from what is seen of its surface."""
from __future__ import annotations

import math

import numpy as np
import pytest

from mppi_ros.driving.motion_filter import MotionFilter

RADIUS, WIDTH = 0.3, 0.2


def surface(x, y, low=-math.pi, high=math.pi):
    """Return points of a circle between two angles."""
    angles = np.linspace(low, high, 40, endpoint=False)
    return x + RADIUS * np.cos(angles), y + RADIUS * np.sin(angles)


def begun(vx=0.0, vy=0.0):
    return MotionFilter.begin(0.0, (1.0, 2.0), (vx, vy), RADIUS)


def test_a_prediction_moves_on_and_becomes_less_certain():
    first = begun(0.5, -1.0)
    later = first.at(0.4)
    np.testing.assert_allclose(later.mean, [1.2, 1.6, 0.5, -1.0])
    deviations = [first.at(time).position_std for time in (0.0, 0.2, 0.5, 1.0)]
    assert np.all(np.diff(deviations) > 0.0)


def test_the_velocity_follows_from_the_places_of_the_surface():
    estimate = begun()
    for step in range(1, 16):
        time = 0.1 * step
        estimate = estimate.at(time).fitted(*surface(1.0 + 0.8 * time, 2.0, 1.6, 4.7), WIDTH, 0.05)
    assert estimate.mean[:2] == pytest.approx([2.2, 2.0], abs=0.03)
    assert estimate.mean[2:] == pytest.approx([0.8, 0.0], abs=0.1)


def test_points_of_one_side_do_not_move_the_disc_along_it():
    estimate = begun().at(0.1)
    moved = estimate.fitted(*surface(1.1, 2.1, -0.2, 0.2), WIDTH, 0.05)
    assert moved.mean[0] == pytest.approx(1.1, abs=0.04)
    assert moved.mean[1] == pytest.approx(2.0, abs=0.05)
    assert moved.covariance[1, 1] > 2.0 * moved.covariance[0, 0]


def test_points_far_from_the_surface_do_not_count():
    x, y = surface(1.0, 2.0)
    wall = np.full(60, 2.0)
    estimate = begun().fitted(
        np.append(x, wall), np.append(y, np.linspace(1.0, 3.0, 60)), WIDTH, 0.05
    )
    assert estimate.mean[:2] == pytest.approx([1.0, 2.0], abs=0.01)
    assert begun().fitted(wall, wall, WIDTH, 0.05) is None
