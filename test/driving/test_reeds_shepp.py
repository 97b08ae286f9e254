"""Paths of a car between two poses: they lead there, bend no more than it can, best first."""
from __future__ import annotations

import math

import numpy as np
import pytest

from mppi_ros.driving import reeds_shepp

RNG = np.random.default_rng(0)
GOALS = [tuple(row) for row in RNG.uniform([-8.0, -8.0, -3.1], [8.0, 8.0, 3.1], (20, 3))]


@pytest.mark.parametrize('goal', GOALS)
def test_every_path_leads_to_the_pose_and_is_driven_along_the_body(goal):
    start, radius = (1.0, -2.0, 0.7), 2.5
    found = list(reeds_shepp.paths(start, goal, radius))
    assert found
    for poses in found:
        assert poses[0] == pytest.approx(start)
        assert poses[-1, :2] == pytest.approx(goal[:2], abs=1e-4)
        assert math.remainder(poses[-1, 2] - goal[2], math.tau) == pytest.approx(0.0, abs=1e-5)
        step, turn = np.diff(poses[:, :2], axis=0), np.diff(poses[:, 2])
        way = np.hypot(*step.T)
        assert (np.abs(turn) <= way / radius * 1.001 + 1e-6).all()
        middle = poses[:-1, 2] + 0.5 * turn
        aside = step[:, 1] * np.cos(middle) - step[:, 0] * np.sin(middle)
        assert np.abs(aside).max() < 1e-6


@pytest.mark.parametrize('goal', GOALS)
def test_words_in_every_family_end_at_the_pose(goal):
    for word in reeds_shepp._words(*goal):
        x, y, yaw = (values[-1] for values in reeds_shepp._trace(word, math.inf))
        assert (x, y) == pytest.approx(goal[:2], abs=1e-6)
        assert math.remainder(yaw - goal[2], math.tau) == pytest.approx(0.0, abs=1e-6)


def length(poses):
    return float(np.hypot(*np.diff(poses[:, :2], axis=0).T).sum())


def test_a_pose_straight_behind_is_reached_backward_unless_that_is_impossible():
    behind = (-4.0, 0.0, 0.0)
    assert length(next(reeds_shepp.paths((0.0, 0.0, 0.0), behind, 1.0))) == pytest.approx(4.0)
    best = next(reeds_shepp.paths((0.0, 0.0, 0.0), behind, 1.0, math.inf))
    along = np.diff(best[:, 0]) * np.cos(best[:-1, 2]) + np.diff(best[:, 1]) * np.sin(best[:-1, 2])
    assert (along > 0.0).all()
