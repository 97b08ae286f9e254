"""Costmaps of Nav2's own kinds over DDS, where their messages are installed."""
from __future__ import annotations

from importlib.util import find_spec

from nav_msgs.msg import OccupancyGrid
import numpy as np
import pytest
from rclpy.qos import QoSProfile
from system.harness import PretendedRobot

from mppi_ros.ros.qos import LATCHED

if find_spec('nav2_msgs') is not None:
    from nav2_msgs.msg import Costmap as Nav2Costmap
if find_spec('map_msgs') is not None:
    from map_msgs.msg import OccupancyGridUpdate

BLOCK = slice(80, 120), slice(80, 120)  # rows and columns of 0.05 m, the robot in the middle


def cells(lethal, blocked):
    """Return free space, int[200, 200], or what is lethal all about the robot."""
    made = np.zeros((200, 200), np.int16)
    if blocked:
        made[BLOCK] = lethal
    return made


class Costmaps:
    """Publishes what `make` returns, ten times a second, and nothing of PretendedRobot's."""

    def __init__(self, watcher, kind, topic):
        self.watcher = watcher
        self.robot = PretendedRobot(watcher, topics={'costmap': 'another_costmap'})
        self.blocked = False
        self._publisher = watcher.node.create_publisher(kind, topic, QoSProfile(depth=1))
        watcher.node.create_timer(0.1, lambda: self._publisher.publish(self.make()))

    def stop_the_robot_and_free_it(self):
        """Assert that the robot would drive, stands where all is lethal, and would drive again."""
        for blocked in (False, True, False):
            self.blocked = blocked
            self.watcher.wait_for(
                lambda blocked=blocked: self.watcher.commands
                and (self.watcher.commands[-1] == (0.0, 0.0)) is blocked
                and (self.watcher.state == 'driving') is not blocked,
                'standstill' if blocked else 'driving')


@pytest.mark.skipif(find_spec('nav2_msgs') is None, reason='nav2_msgs comes only with Nav2')
def test_a_costmap_of_nav2_is_driven_by(processes, watcher):
    costmaps = Costmaps(watcher, Nav2Costmap, 'costmap')

    def make():
        grid = costmaps.robot.costmap()
        message = Nav2Costmap(header=grid.header)
        message.metadata.resolution, message.metadata.origin = 0.05, grid.info.origin
        message.metadata.size_x = message.metadata.size_y = 200
        message.data = cells(254, costmaps.blocked).astype(np.uint8).ravel().tolist()
        return message

    costmaps.make = make
    processes.start('mppi_controller', '-p', 'costmap_type:=nav2_costmap',
                    '-p', 'recovery.progress_timeout:=0.0')
    costmaps.stop_the_robot_and_free_it()


@pytest.mark.skipif(find_spec('map_msgs') is None, reason='map_msgs comes only with ROS 2')
def test_updates_of_a_costmap_are_driven_by(processes, watcher):
    costmaps = Costmaps(watcher, OccupancyGridUpdate, 'costmap_updates')

    def make():
        rows, columns = BLOCK
        part = cells(100, costmaps.blocked)[BLOCK]
        return OccupancyGridUpdate(
            header=costmaps.robot.costmap().header, x=columns.start, y=rows.start,
            width=part.shape[1], height=part.shape[0], data=part.ravel().tolist())

    costmaps.make = make
    whole = watcher.node.create_publisher(OccupancyGrid, 'costmap', LATCHED)
    whole.publish(costmaps.robot.costmap())  # once; what is heard later are updates
    processes.start('mppi_controller', '-p', 'recovery.progress_timeout:=0.0')
    costmaps.stop_the_robot_and_free_it()
