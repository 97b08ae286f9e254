"""At its goal a robot turns to one side, the free one, and keeps to it."""
from __future__ import annotations

import math

import numpy as np
import pytest

from mppi_ros.driving.costmap import LETHAL, Costmap
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.goal_heading import MAX_AIM_ANGLE, GoalHeadingSelector
from mppi_ros.driving.motion_models import MotionState

LONG = Footprint.polygonal([(1.0, 0.3), (-0.2, 0.3), (-0.2, -0.3), (1.0, -0.3)])
HERE = MotionState(3.0, 3.0, 0.0, 0.0, 0.0)


def field(*posts):
    data = np.zeros((120, 120), np.int8)
    for x, y in posts:
        data[round(y / 0.05), round(x / 0.05)] = LETHAL
    return distance_field(Costmap(data, 0.05, 0.0, 0.0))


FREE = field()


def turned(goal_yaw, yaw=0.0, around=FREE, turn=None):
    """Return by how much [rad] the heading aimed at lies ahead."""
    aim = (turn or GoalHeadingSelector()).aim(HERE, yaw, goal_yaw, around, LONG)
    return math.remainder(aim - yaw, math.tau)


@pytest.mark.parametrize('left', [-1.5, -0.5, -0.05, 0.0, 0.1, 1.5])
def test_heading_within_a_quarter_turn_is_aimed_at_itself(left):
    assert turned(left) == pytest.approx(left)


@pytest.mark.parametrize('left', [1.6, 2.5, 3.1, -1.6, -3.1])
def test_heading_farther_away_is_aimed_at_by_a_quarter_turn_on_its_side(left):
    assert turned(left) == pytest.approx(math.copysign(MAX_AIM_ANGLE, left))
    assert turned(left + math.tau) == pytest.approx(math.copysign(MAX_AIM_ANGLE, left))


def test_side_is_kept_where_both_are_about_as_long():
    turn = GoalHeadingSelector()
    aims = [turned(math.pi, yaw, turn=turn) for yaw in (0.0, 0.3, -0.3, 0.1, -0.4)]
    assert np.ptp(aims) == 0.0


def test_side_is_the_shorter_one_where_the_robot_was_turned_far():
    turn = GoalHeadingSelector()
    turned(math.pi - 0.2, turn=turn)
    assert turned(-1.0, turn=turn) == pytest.approx(-1.0)


@pytest.mark.parametrize('left', [1.2, 2.8, math.pi, -1.2, -2.8])
@pytest.mark.parametrize('side', [1.0, -1.0])
def test_robot_turns_on_the_free_side_even_if_it_is_longer(left, side):
    post = field((3.7, 3.0 - side * 0.7))
    turn = GoalHeadingSelector()
    yaw, steps = 0.0, 0
    goal = left
    while abs(math.remainder(goal - yaw, math.tau)) > 0.1 and steps < 200:
        yaw += np.clip(turned(goal, yaw, post, turn), -0.1, 0.1)
        assert LONG.clearance(post, np.array([[3.0, 3.0, yaw]]))[0] > -0.05
        steps += 1
    assert abs(math.remainder(goal - yaw, math.tau)) <= 0.1
    if left * side < 0.0 and abs(left) > 1.0:
        assert yaw * side > 0.0


def test_without_room_on_either_side_the_shorter_one_is_tried_and_nothing_is_free():
    narrow = field((3.7, 3.7), (3.7, 2.3))
    turn = GoalHeadingSelector()
    assert turned(2.0, around=narrow, turn=turn) == pytest.approx(MAX_AIM_ANGLE)
    assert not turn.free
    turned(2.0, turn=turn)
    assert turn.free


def test_clearance_is_the_least_during_the_turn():
    post, turn = field((3.7, 3.9)), GoalHeadingSelector()
    assert turned(2.0, around=post, turn=turn) == pytest.approx(MAX_AIM_ANGLE)
    poses = [(3.0, 3.0, yaw) for yaw in np.linspace(0.0, 2.0, 15)]
    least = LONG.clearance(post, np.array(poses)).min()
    assert turn.clearance == pytest.approx(least)
    assert least < LONG.clearance(post, np.array([(3.0, 3.0, 0.0), (3.0, 3.0, 2.0)])).min() - 0.1
    turned(-0.5, around=post, turn=turn)
    assert turn.clearance > least + 0.1
    turned(0.1, around=post, turn=turn)
    assert turn.clearance == math.inf
