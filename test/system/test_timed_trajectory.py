"""The timed trajectory over DDS: where the robot will be, and when."""
from __future__ import annotations

import math

import pytest
from system.harness import start_robot

from mppi_ros.control.parameters import ControllerParameters

trajectory_msgs = pytest.importorskip('trajectory_msgs.msg', reason='needs trajectory_msgs')
AHEAD = 0.8  # [s]


def seconds(stamp):
    return stamp.sec + 1e-9 * stamp.nanosec


def place(point):
    translation = point.transforms[0].translation
    return translation.x, translation.y


def test_the_robot_is_where_its_trajectory_said_and_nothing_comes_at_rest(
    processes, watcher, tmp_path
):
    heard = []
    watcher.node.create_subscription(
        trajectory_msgs.MultiDOFJointTrajectory, 'mppi_controller/timed_trajectory',
        heard.append, 10)
    start_robot(processes, tmp_path)
    watcher.wait_for(lambda: len(heard) >= 60, 'trajectories')
    c = ControllerParameters()
    step = round(AHEAD / c.mppi.time_step)
    assert [each.joint_names for each in heard] == [['base_link']] * len(heard)
    errors = []
    for early in heard:
        assert seconds(early.points[-1].time_from_start) == pytest.approx(c.mppi.horizon, abs=1e-6)
        due = seconds(early.header.stamp) + AHEAD
        late = min(heard, key=lambda each: abs(seconds(each.header.stamp) - due))
        if abs(seconds(late.header.stamp) - due) < 0.03:
            errors.append(math.dist(place(early.points[step]), place(late.points[0])))
    assert len(errors) >= 10
    assert sorted(errors)[len(errors) // 2] < 0.1
    assert max(each.points[0].velocities[0].linear.x for each in heard) > 0.3
    watcher.wait_for(lambda: watcher.state == 'reached', 'the goal')
    watcher.catch_up()
    heard.clear()
    watcher.wait_for(lambda: watcher.silence < 0.05, 'another tick')
    watcher.catch_up()
    assert heard == []
