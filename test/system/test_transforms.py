"""Inputs in different frames with tf2; test_frames.py uses a stand-in for tf2."""
from __future__ import annotations

from importlib.util import find_spec
import math

from geometry_msgs.msg import TransformStamped
import pytest
from system import scenarios
from system.harness import FakeRobot

from mppi_ros.ros import conversions

if find_spec('tf2_ros') is not None:
    import tf2_ros

pytestmark = pytest.mark.skipif(
    find_spec('tf2_ros') is None, reason='tf2_ros comes only with an installed ROS 2')


class Localisation:
    """Publishes the transform from map to odom at 20 Hz while enabled."""

    def __init__(self, robot):
        self.robot, self.enabled = robot, True
        self._broadcaster = tf2_ros.TransformBroadcaster(robot.watcher.node)
        robot.watcher.node.create_timer(0.05, self._publish)

    def _publish(self):
        if self.enabled:
            self._broadcaster.sendTransform(self.transform())

    def transform(self):
        message = TransformStamped(child_frame_id='odom')
        message.header.frame_id = 'map'
        message.header.stamp = self.robot.watcher.node.get_clock().now().to_msg()
        message.transform.translation.x = 7.0
        message.transform.rotation = conversions.pose_to_msg(0.0, 0.0, 0.5 * math.pi).orientation
        return message


@pytest.fixture
def robot(processes, watcher):
    processes.start('mppi_controller', '-p', 'recovery.progress_timeout:=0.0',
                    '-p', 'transform_timeout:=0.5')
    return FakeRobot(watcher)


def in_map(robot):
    """Return the path straight ahead of the robot, in the frame map."""
    poses = [(7.0, 0.05 * i, 0.5 * math.pi) for i in range(61)]
    return conversions.path_to_msg(poses, robot.now(), 'map')


def test_plan_in_another_frame_is_followed_while_localisation_publishes(robot, watcher):
    localisation = Localisation(robot)
    scenarios.check_robot_drives(watcher)
    robot.publish_plan(in_map(robot))
    sent = len(watcher.commands)
    # without the transform the plan would lie 7 m beside the robot
    watcher.wait_for(
        lambda: len(watcher.commands) > sent + 20 and watcher.state == 'driving'
        and watcher.commands[-1][0] > 0.2 and abs(watcher.commands[-1][1]) < 0.2,
        'driving straight ahead')

    localisation.enabled = False
    watcher.wait_for(lambda: watcher.code == 'transform_old', 'the age of the transform')
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'standstill')
    localisation.enabled = True
    scenarios.check_robot_drives(watcher)


def test_odometry_of_another_robot_frame_requires_its_transform(robot, watcher):
    scenarios.check_robot_drives(watcher)
    make_odometry = robot.odometry

    def odometry_of_imu():
        message = make_odometry()
        message.child_frame_id = 'imu_link'
        return message

    robot.make_odometry = odometry_of_imu
    watcher.wait_for(lambda: watcher.code == 'transform_missing', 'the missing transform')
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'standstill')
    message = TransformStamped(child_frame_id='imu_link')
    message.header.frame_id = 'base_link'
    message.transform.translation.x, message.transform.rotation.w = 0.2, 1.0
    broadcaster = tf2_ros.StaticTransformBroadcaster(watcher.node)
    broadcaster.sendTransform(message)
    scenarios.check_robot_drives(watcher)
