"""Moving obstacles that the rollout leaves out come near no robot within its speed."""
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import numpy as np

from mppi_ros.driving.obstacle_prediction import position_std, within_reach

DT, STEPS = 0.1, 28
HORIZON = DT * STEPS


def row(limit):
    return st.floats(-limit, limit, allow_subnormal=False)


OBSTACLES = st.lists(
    st.tuples(row(8.0), row(8.0), row(2.0), row(2.0), st.floats(0.05, 1.0), st.floats(0.0, 0.3)),
    min_size=1, max_size=12)


@given(OBSTACLES, st.floats(0.0, 2.0), st.floats(0.1, 1.5), st.integers(0, 2**32 - 1))
def test_an_obstacle_that_some_drive_comes_near_is_kept(obstacles, speed, distance, seed):
    obstacles = np.array(obstacles)
    kept = {tuple(each) for each in within_reach(obstacles, HORIZON, 0.3, distance, speed)}
    draw = np.random.default_rng(seed)
    times = DT * np.arange(1, STEPS + 1)
    for each in obstacles:
        x, y, vx, vy, radius, std = each
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
    near = [1.0, 0.0, 0.0, 0.0, 0.3, 0.0]
    comes = [6.0, 0.0, -2.0, 0.0, 0.3, 0.0]
    leaves = [4.0, 0.0, 2.0, 0.0, 0.3, 0.0]
    passes = [-6.0, 5.0, 2.0, 0.0, 0.3, 0.0]
    kept = within_reach(np.array([near, leaves, comes, passes]), HORIZON, 0.2, 0.4, 0.5)
    np.testing.assert_array_equal(kept, [near, comes])
