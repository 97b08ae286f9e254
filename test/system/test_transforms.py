"""Frames that differ, over the real tf2, where it is installed; test_frames.py has a stand-in."""
from __future__ import annotations

from importlib.util import find_spec
import math

from geometry_msgs.msg import TransformStamped
import pytest
from system import scenarios
from system.harness import PretendedRobot

from mppi_ros.ros import conversions

if find_spec('tf2_ros') is not None:
    import tf2_ros

pytestmark = pytest.mark.skipif(
    find_spec('tf2_ros') is None, reason='tf2_ros comes only with an installed ROS 2')


class Localisation:
    """Says twenty times a second where the frame odom lies in the frame map, or is silent."""

    def __init__(self, robot):
        self.robot, self.speaks = robot, True
        self._broadcaster = tf2_ros.TransformBroadcaster(robot.watcher.node)
        robot.watcher.node.create_timer(0.05, self._say)

    def _say(self):
        if self.speaks:
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
    return PretendedRobot(watcher)


def in_map(robot):
    """Return the path straight ahead of the robot, told in the frame map."""
    poses = [(7.0, 0.05 * i, 0.5 * math.pi) for i in range(61)]
    return conversions.path_to_msg(poses, robot.now(), 'map')


def test_a_plan_of_another_frame_is_driven_while_localisation_speaks(robot, watcher):
    localisation = Localisation(robot)
    scenarios.drives(watcher)
    robot.publish_plan(in_map(robot))
    sent = len(watcher.commands)
    # were the plan taken as it is told, it would lie 7 m aside
    watcher.wait_for(
        lambda: len(watcher.commands) > sent + 20 and watcher.state == 'driving'
        and watcher.commands[-1][0] > 0.2 and abs(watcher.commands[-1][1]) < 0.2,
        'driving straight ahead')

    localisation.speaks = False
    watcher.wait_for(lambda: watcher.code == 'transform_old', 'the age of the transform')
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'standstill')
    localisation.speaks = True
    scenarios.drives(watcher)


def test_odometry_of_another_part_of_the_robot_waits_for_its_transform(robot, watcher):
    scenarios.drives(watcher)
    told = robot.odometry

    def of_the_imu():
        message = told()
        message.child_frame_id = 'imu_link'
        return message

    robot.make_odometry = of_the_imu
    watcher.wait_for(lambda: watcher.code == 'transform_missing', 'the missing transform')
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'standstill')
    message = TransformStamped(child_frame_id='imu_link')
    message.header.frame_id = 'base_link'
    message.transform.translation.x, message.transform.rotation.w = 0.2, 1.0
    broadcaster = tf2_ros.StaticTransformBroadcaster(watcher.node)
    broadcaster.sendTransform(message)
    scenarios.drives(watcher)
