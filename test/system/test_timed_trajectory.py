"""The timed trajectory over DDS predicts the motion of the robot."""
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


def test_robot_follows_its_timed_trajectory_and_publishes_none_at_rest(
    processes, watcher, tmp_path
):
    received = []
    watcher.node.create_subscription(
        trajectory_msgs.MultiDOFJointTrajectory, 'mppi_controller/timed_trajectory',
        received.append, 10)
    start_robot(processes, tmp_path)
    watcher.wait_for(lambda: len(received) >= 60, 'trajectories')
    c = ControllerParameters()
    step = round(AHEAD / c.mppi.time_step)
    assert [each.joint_names for each in received] == [['base_link']] * len(received)
    errors = []
    for earlier in received:
        assert seconds(earlier.points[-1].time_from_start) == pytest.approx(
            c.mppi.horizon, abs=1e-6)
        due = seconds(earlier.header.stamp) + AHEAD
        later = min(received, key=lambda each: abs(seconds(each.header.stamp) - due))
        if abs(seconds(later.header.stamp) - due) < 0.03:
            errors.append(math.dist(place(earlier.points[step]), place(later.points[0])))
    assert len(errors) >= 10
    assert sorted(errors)[len(errors) // 2] < 0.1
    assert max(each.points[0].velocities[0].linear.x for each in received) > 0.3
    watcher.wait_for(lambda: watcher.state == 'reached', 'the goal')
    watcher.wait_for_new_command()
    received.clear()
    watcher.wait_for(lambda: watcher.command_age < 0.05, 'another tick')
    watcher.wait_for_new_command()
    assert received == []
