"""Nav2 costmap messages and costmap updates over DDS."""
from __future__ import annotations

from importlib.util import find_spec

from nav_msgs.msg import OccupancyGrid
import numpy as np
import pytest
from rclpy.qos import QoSProfile
from system.harness import FakeRobot

from mppi_ros.ros.qos import LATCHED

if find_spec('nav2_msgs') is not None:
    from nav2_msgs.msg import Costmap as Nav2Costmap
if find_spec('map_msgs') is not None:
    from map_msgs.msg import OccupancyGridUpdate

BLOCK = slice(80, 120), slice(80, 120)  # rows and columns of 0.05 m around the robot


def cells(lethal, blocked):
    """Return a free grid, int[200, 200], with a lethal block around the robot if blocked."""
    result = np.zeros((200, 200), np.int16)
    if blocked:
        result[BLOCK] = lethal
    return result


class Costmaps:
    """Publishes the result of `make` at 10 Hz instead of the costmap of FakeRobot."""

    def __init__(self, watcher, kind, topic):
        self.watcher = watcher
        self.robot = FakeRobot(watcher, topics={'costmap': 'another_costmap'})
        self.blocked = False
        self._publisher = watcher.node.create_publisher(kind, topic, QoSProfile(depth=1))
        watcher.node.create_timer(0.1, lambda: self._publisher.publish(self.make()))

    def check_obstacle_stops_robot(self):
        """Check that the robot drives, stops when blocked, and drives again."""
        for blocked in (False, True, False):
            self.blocked = blocked
            self.watcher.wait_for(
                lambda blocked=blocked: self.watcher.commands
                and (self.watcher.commands[-1] == (0.0, 0.0)) is blocked
                and (self.watcher.state == 'driving') is not blocked,
                'standstill' if blocked else 'driving')


@pytest.mark.skipif(find_spec('nav2_msgs') is None, reason='nav2_msgs comes only with Nav2')
def test_controller_uses_a_nav2_costmap(processes, watcher):
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
    costmaps.check_obstacle_stops_robot()


@pytest.mark.skipif(find_spec('map_msgs') is None, reason='map_msgs comes only with ROS 2')
def test_controller_uses_costmap_updates(processes, watcher):
    costmaps = Costmaps(watcher, OccupancyGridUpdate, 'costmap_updates')

    def make():
        rows, columns = BLOCK
        part = cells(100, costmaps.blocked)[BLOCK]
        return OccupancyGridUpdate(
            header=costmaps.robot.costmap().header, x=columns.start, y=rows.start,
            width=part.shape[1], height=part.shape[0], data=part.ravel().tolist())

    costmaps.make = make
    whole = watcher.node.create_publisher(OccupancyGrid, 'costmap', LATCHED)
    whole.publish(costmaps.robot.costmap())  # once; later messages are updates
    processes.start('mppi_controller', '-p', 'recovery.progress_timeout:=0.0')
    costmaps.check_obstacle_stops_robot()
