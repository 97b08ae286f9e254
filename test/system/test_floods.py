"""Large messages and high rates: the controller keeps driving within bounded memory."""
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
from system.harness import FakeRobot, Processes, Watcher, running

from mppi_ros.driving.costmap import Costmap
from mppi_ros.ros import conversions

# Long time-outs, since the test itself delays the odometry while it creates messages.
PATIENT = ('-p', 'safety.odom_timeout:=1.5', '-p', 'safety.costmap_timeout:=0.0')


def goal_pose(x, y):
    """Return a goal message."""
    message = PoseStamped(pose=conversions.pose_to_msg(x, y, 0.0))
    message.header.frame_id = 'odom'
    return message


@pytest.fixture
def robot(tmp_path, ros_domain, request):
    """Provide a fake robot driven by a controller, with a plan unless parametrized otherwise."""
    with Processes(tmp_path) as processes:
        watcher = Watcher()
        processes.start('mppi_controller', *PATIENT)
        robot = FakeRobot(watcher, plans=getattr(request, 'param', True))
        if robot.plans:
            scenarios.check_robot_drives(watcher)
        yield robot
        assert processes.runs('mppi_controller')
        watcher.close()


def controller():
    """Return the controller process."""
    return next(running('mppi_controller'))


def check_robot_keeps_driving(watcher, ticks):
    """Check that the controller commands motion for a number of ticks."""
    sent, reported = len(watcher.commands), len(watcher.history)
    watcher.wait_for(lambda: len(watcher.commands) >= sent + ticks, f'{ticks} commands')
    scenarios.check_robot_did_not_stop(watcher, sent, reported)


def test_plan_of_100000_poses_does_not_stop_the_robot(robot):
    # rclpy takes seconds to create and serialise this many poses.
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
    check_robot_keeps_driving(robot.watcher, 20)


def test_controller_recovers_after_a_costmap_of_100_million_cells(robot):
    """Receiving 100 MB takes rclpy longer than a tick: the robot may stop and resumes."""
    data = np.zeros((10_000, 10_000), np.int8)
    message = conversions.costmap_to_msg(Costmap(data[:1, :1], 0.05, -250.0, -250.0), 0.0, 'odom')
    message.info.height, message.info.width = data.shape
    message.data = array('b', data.tobytes())
    publisher = robot.watcher.node.create_publisher(OccupancyGrid, 'costmap', 1)
    robot.watcher.wait_for(publisher.get_subscription_count, 'the controller')
    publisher.publish(serialize_message(message))
    before = len(robot.watcher.commands)
    robot.watcher.wait_for(lambda: len(robot.watcher.commands) > before + 20, '20 commands')
    scenarios.check_robot_drives(robot.watcher)


def test_memory_is_bounded_at_high_rates_of_odometry_and_costmaps(robot):
    watcher = robot.watcher
    check_robot_keeps_driving(watcher, 10)
    before = controller().memory_info().rss
    odometry = watcher.node.create_publisher(Odometry, 'odom', qos_profile_sensor_data)
    costmap = watcher.node.create_publisher(OccupancyGrid, 'costmap', 1)
    fast = [
        watcher.node.create_timer(
            0.001, lambda: odometry.publish(serialize_message(robot.odometry()))),
        watcher.node.create_timer(
            0.005, lambda: costmap.publish(serialize_message(robot.costmap()))),
    ]
    check_robot_keeps_driving(watcher, 60)
    for timer in fast:
        watcher.node.destroy_timer(timer)
    assert controller().memory_info().rss < before + 50e6


@pytest.mark.parametrize('robot', [False], indirect=True, ids=['without a plan'])
def test_memory_is_bounded_at_a_high_rate_of_goals(robot):
    """Each tick processes at most one goal; each goal replaces the plan."""
    watcher = robot.watcher
    publisher = watcher.node.create_publisher(PoseStamped, 'goal_pose', 1)
    watcher.wait_for(publisher.get_subscription_count, 'the controller')
    goals = itertools.cycle(
        serialize_message(goal_pose(3.0, 0.02 * number)) for number in range(-50, 51))
    timer = watcher.node.create_timer(0.001, lambda: publisher.publish(next(goals)))
    scenarios.check_robot_drives(watcher)
    before = controller().memory_info().rss
    check_robot_keeps_driving(watcher, 60)
    watcher.node.destroy_timer(timer)
    assert controller().memory_info().rss < before + 50e6
