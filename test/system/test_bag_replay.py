"""Replay of recorded Jackal odometry: no error, and a correct count of ticks."""
from __future__ import annotations

import itertools
import os
import time

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import pytest
from system.harness import FakeRobot

from mppi_ros.driving.costmap import Costmap
from mppi_ros.ros import conversions
from mppi_ros.share import share_path

# The bag lasts 61 s; set MPPI_BAG_SECONDS=61 to replay all of it.
SECONDS = float(os.environ.get('MPPI_BAG_SECONDS', '8'))
FRAME, BASE = 'odom', 'base_link'
PERIOD = 0.05  # [s] of a tick


def recorded_odometry(bag):
    """Return the recording time [s] and the motion of every odometry message."""
    highlevel = pytest.importorskip('rosbags.highlevel', reason='needs rosbags to read the bag')
    recorded = []
    with highlevel.AnyReader([bag]) as reader:
        (topic,) = [c for c in reader.connections if c.msgtype == 'nav_msgs/msg/Odometry']
        for _, nanoseconds, data in reader.messages([topic]):
            message = reader.deserialize(data, topic.msgtype)
            recorded.append((1e-9 * nanoseconds, conversions.odometry_from_msg(message, 0.0)))
    return recorded


class Replay(FakeRobot):
    """The recorded robot: its odometry, free space around it, and its path as the plan."""

    def __init__(self, watcher, recorded):
        self.motion = recorded[0][1]
        poses = [(m.x, m.y, m.yaw) for _, m in recorded]
        self._poses = [poses[0], *(
            b for a, b in itertools.pairwise(poses) if np.hypot(b[0] - a[0], b[1] - a[1]) > 0.0)]
        super().__init__(watcher, odometry=False)

    def costmap(self):
        free = Costmap(
            np.zeros((200, 200), np.int8), 0.05, self.motion.x - 5.0, self.motion.y - 5.0)
        return conversions.costmap_to_msg(free, self.now(), FRAME)

    def plan(self):
        return conversions.path_to_msg(self._poses, self.now(), FRAME)

    def publish_motion(self, motion):
        self.motion = motion
        message = conversions.odometry_to_msg(motion, FRAME, BASE)
        message.header.stamp = conversions.seconds_to_msg(self.now())
        self._odometry.publish(message)


def test_replay_of_recorded_odometry_raises_no_false_alarm(processes, watcher, data):
    bag = data / 'bags' / 'jackal_odom_test2.bag'
    if not bag.is_file():
        pytest.skip(f'needs {bag}')
    recorded = recorded_odometry(bag)
    recorded = [(t - recorded[0][0], m) for t, m in recorded if t - recorded[0][0] < SECONDS]
    robot_file = share_path('config', 'robots', 'jackal.yaml')
    # A busy machine may delay this test; the delay is not that of the robot.
    timeouts = [f'safety.{name}:=30.0' for name in ('odom_timeout', 'costmap_timeout')]
    processes.start('mppi_controller', '--params-file', str(robot_file),
                    *(word for each in timeouts for word in ('-p', each)))
    robot = Replay(watcher, recorded)
    watcher.wait_for(lambda: watcher.statistics, 'the controller')
    seen = []
    watcher.node.create_subscription(
        DiagnosticArray, 'mppi_controller/statistics',
        lambda m: seen.append((conversions.seconds_from_msg(m.header.stamp), m.status[0])), 100)
    start = time.monotonic()
    for due, motion in recorded:
        watcher.wait_for(lambda due=due: time.monotonic() - start >= due, 'the next message')
        robot.publish_motion(motion)
    assert processes.end('mppi_controller') == 0
    printed = processes.printed('mppi_controller')
    for word in ('[ERROR]', '[FATAL]', 'refused'):
        assert word not in printed
    states = {status.message for _, status in seen}
    assert states & {'driving'}, states
    assert not any(level(status) == 2 for _, status in seen), states
    # Executed and missed ticks fill the time between two reports within one period.
    (first, before), (last, after) = seen[0], seen[-1]
    slots = [count(status, 'ticks') + count(status, 'missed_ticks') for status in (before, after)]
    assert abs(slots[1] - slots[0] - (last - first) / PERIOD) <= 1.5


def level(status):
    return status.level[0]


def count(status, key):
    return next(int(entry.value) for entry in status.values if entry.key == key)
