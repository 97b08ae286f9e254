"""Moving obstacles that the rollout leaves out come near no robot within its speed."""
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from mppi_ros.driving.obstacle_prediction import (
    DynamicObstacle,
    ObstacleKind,
    expected_obstacles,
    position_std,
    within_reach,
)

DT, STEPS = 0.1, 28
HORIZON = DT * STEPS


def row(limit):
    return st.floats(-limit, limit, allow_subnormal=False)


OBSTACLES = st.lists(
    st.tuples(row(8.0), row(8.0), row(2.0), row(2.0), st.floats(0.05, 1.0), st.floats(0.0, 0.3),
              st.floats(0.1, 1.5)),
    min_size=1, max_size=12)


@given(OBSTACLES, st.floats(0.0, 2.0), st.integers(0, 2**32 - 1))
def test_an_obstacle_that_some_drive_comes_near_is_kept(obstacles, speed, seed):
    obstacles = np.array(obstacles)
    kept = {tuple(each) for each in within_reach(obstacles, HORIZON, 0.3, speed)}
    draw = np.random.default_rng(seed)
    times = DT * np.arange(1, STEPS + 1)
    for each in obstacles:
        x, y, vx, vy, radius, std, distance = each
        there = np.stack([x + vx * times, y + vy * times], axis=1)
        # Straight towards where the obstacle is at some time, and at random.
        goals = np.concatenate([there[:: STEPS // 4], draw.uniform(-8.0, 8.0, (4, 2))])
        for goal in goals:
            far = np.hypot(*goal)
            ahead = np.minimum(speed * times, far)[:, None] * goal / max(far, 1e-9)
            gap = np.hypot(*(there - ahead).T) - radius - 0.3
            near = np.maximum(2.0 * position_std(std, times), distance)
            if (gap < near - 1e-9).any():
                assert tuple(each) in kept


def test_an_obstacle_that_passes_far_away_or_leaves_is_dropped():
    near = [1.0, 0.0, 0.0, 0.0, 0.3, 0.0, 0.4]
    comes = [6.0, 0.0, -2.0, 0.0, 0.3, 0.0, 0.4]
    leaves = [4.0, 0.0, 2.0, 0.0, 0.3, 0.0, 0.4]
    passes = [-6.0, 5.0, 2.0, 0.0, 0.3, 0.0, 0.4]
    kept = within_reach(np.array([near, leaves, comes, passes]), HORIZON, 0.2, 0.5)
    np.testing.assert_array_equal(kept, [near, comes])


WALKER = DynamicObstacle(0.0, 1.0, 2.0, 0.5, -1.0, 0.3)


@pytest.mark.parametrize(('obstacle', 'person'), [
    (WALKER, True), (WALKER._replace(radius=0.7), True), (WALKER._replace(vx=0.0, vy=0.0), True),
    (WALKER._replace(radius=1.0), False), (WALKER._replace(vx=4.0), False),
    (WALKER._replace(kind=ObstacleKind.OBJECT), False),
    (WALKER._replace(radius=1.0, kind=ObstacleKind.PERSON), True),
])
def test_a_detector_says_what_is_a_person_or_else_size_and_speed(obstacle, person):
    assert obstacle.is_person == person
    (row,) = expected_obstacles([obstacle], 2.0, 0.1, (0.4, 0.2))
    vx, vy, radius = obstacle[3:6]
    distance = 0.4 if person else 0.2
    assert row == pytest.approx([1.0 + 2.0 * vx, 2.0 + 2.0 * vy, vx, vy, radius, 0.1, distance])
