"""Huge messages and floods of them: the controller drives on, and does not grow."""
from __future__ import annotations

from array import array
import itertools

from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import OccupancyGrid, Odometry
from nav_msgs.msg import Path as PathMessage
import numpy as np
import pytest
from rclpy.qos import qos_profile_sensor_data
from rclpy.serialization import serialize_message
from system import scenarios
from system.harness import PretendedRobot, Processes, Watcher, running

from mppi_ros.driving.costmap import Costmap
from mppi_ros.ros import conversions

# A stall of the controller ages its odometry; what the sender needs itself must not count.
PATIENT = ('-p', 'safety.odom_timeout:=1.5', '-p', 'safety.costmap_timeout:=0.0')


def goal_pose(x, y):
    """Return the message of a goal."""
    message = PoseStamped(pose=conversions.pose_to_msg(x, y, 0.0))
    message.header.frame_id = 'odom'
    return message


@pytest.fixture
def robot(tmp_path, ros_domain, request):
    """Offer a pretended robot that a controller drives, along a plan unless it is without."""
    with Processes(tmp_path) as processes:
        watcher = Watcher()
        processes.start('mppi_controller', *PATIENT)
        robot = PretendedRobot(watcher, plans=getattr(request, 'param', True))
        if robot.plans:
            scenarios.drives(watcher)
        yield robot
        assert processes.runs('mppi_controller')
        watcher.close()


def controller():
    """Return the process of the controller."""
    return next(running('mppi_controller'))


def drives_on(watcher, ticks):
    """Check that the robot is told to drive in so many ticks."""
    sent, heard = len(watcher.commands), len(watcher.history)
    watcher.wait_for(lambda: len(watcher.commands) >= sent + ticks, f'{ticks} commands')
    scenarios.drove_on(watcher, sent, heard)


def test_a_plan_of_a_hundred_thousand_poses_stops_nothing(robot):
    # rclpy would take seconds to make and serialise so many poses.
    poses = np.zeros(100_000, [
        ('stamp', '<i8'), ('length', '<u4'), ('frame', 'S5'), ('pad', 'V7'), ('pose', '<7f8')])
    poses['length'], poses['frame'] = 5, 'odom'
    poses['pose'][:, 0] = np.linspace(0.0, 3.0, len(poses))
    poses['pose'][:, 6] = 1.0
    empty = serialize_message(conversions.path_to_msg([], robot.now(), 'odom'))
    data = empty[:-4] + np.uint32(len(poses)).tobytes() + poses.tobytes()
    publisher = robot.watcher.node.create_publisher(PathMessage, 'plan', 1)
    robot.watcher.wait_for(publisher.get_subscription_count, 'the controller')
    publisher.publish(data)
    drives_on(robot.watcher, 20)


def test_a_costmap_of_a_hundred_million_cells_is_survived(robot):
    """To hand over 100 MB takes rclpy longer than a tick: the robot may stop, and drives on."""
    data = np.zeros((10_000, 10_000), np.int8)
    message = conversions.costmap_to_msg(Costmap(data[:1, :1], 0.05, -250.0, -250.0), 0.0, 'odom')
    message.info.height, message.info.width = data.shape
    message.data = array('b', data.tobytes())
    publisher = robot.watcher.node.create_publisher(OccupancyGrid, 'costmap', 1)
    robot.watcher.wait_for(publisher.get_subscription_count, 'the controller')
    publisher.publish(serialize_message(message))
    before = len(robot.watcher.commands)
    robot.watcher.wait_for(lambda: len(robot.watcher.commands) > before + 20, '20 commands')
    scenarios.drives(robot.watcher)


def test_a_flood_of_odometry_and_costmaps_is_bounded(robot):
    watcher = robot.watcher
    drives_on(watcher, 10)
    before = controller().memory_info().rss
    odometry = watcher.node.create_publisher(Odometry, 'odom', qos_profile_sensor_data)
    costmap = watcher.node.create_publisher(OccupancyGrid, 'costmap', 1)
    fast = [
        watcher.node.create_timer(
            0.001, lambda: odometry.publish(serialize_message(robot.odometry()))),
        watcher.node.create_timer(
            0.005, lambda: costmap.publish(serialize_message(robot.costmap()))),
    ]
    drives_on(watcher, 60)
    for timer in fast:
        watcher.node.destroy_timer(timer)
    assert controller().memory_info().rss < before + 50e6


@pytest.mark.parametrize('robot', [False], indirect=True, ids=['without a plan'])
def test_a_flood_of_goals_is_bounded(robot):
    """A tick takes one goal, however many come; each of them is a new plan."""
    watcher = robot.watcher
    publisher = watcher.node.create_publisher(PoseStamped, 'goal_pose', 1)
    watcher.wait_for(publisher.get_subscription_count, 'the controller')
    goals = itertools.cycle(
        serialize_message(goal_pose(3.0, 0.02 * number)) for number in range(-50, 51))
    timer = watcher.node.create_timer(0.001, lambda: publisher.publish(next(goals)))
    scenarios.drives(watcher)
    before = controller().memory_info().rss
    drives_on(watcher, 60)
    watcher.node.destroy_timer(timer)
    assert controller().memory_info().rss < before + 50e6
