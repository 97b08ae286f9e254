"""Recorded odometry of a real Jackal at its real rate: no error, no false account of ticks."""
from __future__ import annotations

import itertools
import os
import time

from geometry_msgs.msg import TwistStamped
import numpy as np
import pytest
from system.harness import PretendedRobot

from mppi_ros.driving.costmap import Costmap
from mppi_ros.nodes import conversions
from mppi_ros.share import share_path

# Of the bag's 61 s; all of them: MPPI_BAG_SECONDS=61.
SECONDS = float(os.environ.get('MPPI_BAG_SECONDS', '8'))
FRAME, BASE = 'odom', 'base_link'


def recorded_odometry(bag):
    """Return the time of recording [s] and the motion of every odometry message."""
    highlevel = pytest.importorskip('rosbags.highlevel', reason='needs rosbags to read the bag')
    told = []
    with highlevel.AnyReader([bag]) as reader:
        (topic,) = [c for c in reader.connections if c.msgtype == 'nav_msgs/msg/Odometry']
        for _, nanoseconds, data in reader.messages([topic]):
            message = reader.deserialize(data, topic.msgtype)
            told.append((1e-9 * nanoseconds, conversions.odometry_from_msg(message, 0.0)))
    return told


class Replay(PretendedRobot):
    """The recorded robot: its odometry, free space around it, and the way it went as the plan."""

    def __init__(self, watcher, told):
        self.here = told[0][1]
        way = [(m.x, m.y, m.yaw) for _, m in told]
        self._way = [way[0], *(
            b for a, b in itertools.pairwise(way) if np.hypot(b[0] - a[0], b[1] - a[1]) > 0.0)]
        super().__init__(watcher, odometry=False)

    def costmap(self):
        free = Costmap(np.zeros((200, 200), np.int8), 0.05, self.here.x - 5.0, self.here.y - 5.0)
        return conversions.costmap_to_msg(free, self.now(), FRAME)

    def plan(self):
        return conversions.path_to_msg(self._way, self.now(), FRAME)

    def tell(self, motion):
        self.here = motion
        message = conversions.odometry_to_msg(motion, FRAME, BASE)
        message.header.stamp = conversions.seconds_to_msg(self.now())
        self._odometry.publish(message)


def test_a_recorded_drive_runs_through_without_a_false_alarm(processes, watcher, data):
    bag = data / 'bags' / 'jackal_odom_test2.bag'
    if not bag.is_file():
        pytest.skip(f'needs {bag}')
    told = [(t, m) for t, m in recorded_odometry(bag)]
    told = [(t - told[0][0], m) for t, m in told if t - told[0][0] < SECONDS]
    stamps, seen = [], []
    watcher.node.create_subscription(
        TwistStamped, 'cmd_vel',
        lambda m: stamps.append(conversions.seconds_from_msg(m.header.stamp)), 100)
    robot_file = share_path('config', 'robots', 'jackal.yaml')
    processes.start('mppi_controller', '--params-file', str(robot_file))
    robot = Replay(watcher, told)
    watcher.wait_for(lambda: watcher.statistics, 'the controller')
    watcher.on_statistics = seen.append
    begun = time.monotonic()
    for due, motion in told:
        watcher.wait_for(lambda due=due: time.monotonic() - begun >= due, 'the next message')
        robot.tell(motion)
    values = dict(watcher.statistics)
    processes.end('mppi_controller')
    watcher.wait_for(lambda: len(stamps) >= int(values['ticks']), 'the last commands')
    printed = processes.printed('mppi_controller')
    assert '[ERROR]' not in printed
    assert '[FATAL]' not in printed
    assert 'refused' not in printed
    assert {entry['state'] for entry in seen[1:]} <= {'waiting', 'driving', 'braking', 'reached'}
    assert any(entry['state'] == 'driving' for entry in seen)
    # Its own account of missed ticks is what the stamps of its commands say.
    gaps = np.diff(stamps[: int(values['ticks'])])
    period = 0.05
    assert int(values['missed_ticks']) == sum(max(round(gap / period) - 1, 0) for gap in gaps)
