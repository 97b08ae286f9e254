"""Objects of a detector, with a stand-in for the package that has their messages."""
from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

from geometry_msgs.msg import Point32  # noqa: E402
import rclpy  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from std_msgs.msg import Empty, Header  # noqa: E402

from mppi_ros.control.tick_result import Reason  # noqa: E402
from mppi_ros.driving.obstacle_prediction import ObstacleKind  # noqa: E402
from mppi_ros.nodes.controller import obstacle_inputs  # noqa: E402
from mppi_ros.nodes.controller.node import MppiController  # noqa: E402
from mppi_ros.parameters.errors import InputError  # noqa: E402
from mppi_ros.ros import conversions  # noqa: E402
from mppi_ros.ros.conversions import Transform2D  # noqa: E402
from mppi_ros.ros.transforms import TransformPending  # noqa: E402

BOX, CYLINDER, POLYGON = 0, 1, 2


UNKNOWN, CAR, BICYCLE, PEDESTRIAN = 0, 1, 6, 7


def classes(*labels):
    """Return autoware_perception_msgs/ObjectClassification, the last the most probable."""
    return [
        SimpleNamespace(
            label=label, probability=0.1 * number, UNKNOWN=UNKNOWN, BICYCLE=BICYCLE,
            PEDESTRIAN=PEDESTRIAN)
        for number, label in enumerate(labels)]


def tracked(
    kind=CYLINDER, size=(0.6, 0.6), corners=(), yaw=0.0, speed=1.0, number=7, labels=()
):
    """Return an object like those of TrackedObjects, as far as they are used, at x = 2 m."""
    twist = conversions.twist_to_msg(conversions.Command(speed, 0.0, 0.0))
    return SimpleNamespace(
        object_id=SimpleNamespace(uuid=[0, 0, 0, number, *[0] * 12]),
        classification=classes(*labels),
        kinematics=SimpleNamespace(
            pose_with_covariance=SimpleNamespace(pose=conversions.pose_to_msg(2.0, 0.0, yaw)),
            twist_with_covariance=SimpleNamespace(twist=twist)),
        shape=SimpleNamespace(
            BOUNDING_BOX=BOX, CYLINDER=CYLINDER, POLYGON=POLYGON, type=kind,
            dimensions=SimpleNamespace(x=size[0], y=size[1], z=1.8),
            footprint=SimpleNamespace(points=[Point32(x=x, y=y) for x, y in corners])))


def message(*objects, stamp=0.0, frame='odom'):
    header = Header(stamp=conversions.seconds_to_msg(stamp), frame_id=frame)
    return SimpleNamespace(header=header, objects=objects)


@pytest.mark.parametrize(('changes', 'radius'), [
    ({}, 0.3), ({'kind': BOX, 'size': (0.8, 0.6)}, 0.5),
    ({'kind': POLYGON, 'corners': [(0.3, 0.4), (-0.1, 0.0)]}, 0.5),
])
def test_an_object_is_a_disc_that_moves_in_the_frame_of_the_costmap(changes, radius):
    shift = Transform2D(1.0, 0.0, math.pi / 2)
    (found,), ids = conversions.obstacles_from_msg(
        message(tracked(yaw=math.pi / 2, **changes)), 4.0, shift)
    assert found[:6] == pytest.approx((4.0, 1.0, 2.0, -1.0, 0.0, radius))
    assert ids == [7]


@pytest.mark.parametrize(('labels', 'expected'), [
    ((), ObstacleKind.UNKNOWN), ((CAR, UNKNOWN), ObstacleKind.UNKNOWN),
    ((CAR, PEDESTRIAN), ObstacleKind.PERSON), ((BICYCLE,), ObstacleKind.PERSON),
    ((PEDESTRIAN, CAR), ObstacleKind.OBJECT),
])
def test_the_most_probable_class_tells_people_from_objects(labels, expected):
    (found,), _ = conversions.obstacles_from_msg(
        message(tracked(labels=labels)), 4.0, Transform2D(0.0, 0.0, 0.0))
    assert found.kind == expected


def test_an_object_without_extent_is_left_out():
    empty = tracked(size=(0.0, 0.0)), tracked(kind=POLYGON)
    assert conversions.obstacles_from_msg(
        message(*empty), 4.0, Transform2D(0.0, 0.0, 0.0)) == ([], [])


def test_an_object_that_is_not_finite_is_refused_by_name():
    with pytest.raises(InputError, match=r'objects\[1\].kinematics.twist.linear.x = nan'):
        conversions.obstacles_from_msg(
            message(tracked(), tracked(speed=math.nan)), 4.0, Transform2D(0.0, 0.0, 0.0))


@pytest.fixture
def node(ros_domain, monkeypatch):
    monkeypatch.setattr('mppi_ros.nodes.controller.node.warm_up', lambda controller: None)
    rclpy.init()
    made = MppiController(
        parameter_overrides=[Parameter('obstacles_type', value='tracked_objects')])
    yield made
    made.stop()
    made.destroy_node()
    rclpy.shutdown()


def test_objects_are_used_and_bad_ones_ignored(node, monkeypatch):
    monkeypatch.setattr(obstacle_inputs, 'TrackedObjects', Empty)
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert '/obstacles' in {each.topic_name for each in node.subscriptions}
    inputs, now = node.intake.obstacles, node._now()
    inputs.on_obstacles(message(tracked(), stamp=now))
    assert inputs.status(now)['obstacles'] == 'ignored: there is no costmap yet'
    inputs.take('odom')
    inputs.on_obstacles(message(tracked(), stamp=now))
    assert inputs.status(now)['obstacles'] == 'used'
    assert len(node._controller._costmaps.moving_obstacles(now)) == 1
    inputs.on_obstacles(message(tracked(), stamp=now + 0.1, frame='moon'))
    assert "the objects are in frame 'moon', the costmap in 'odom'" in \
        inputs.status(now)['obstacles']
    assert node.intake.faults == {}
    assert inputs.status(now + 1.0)['scan'] == 'none'


def test_objects_wait_for_the_transform_at_their_stamp(node, monkeypatch):
    """They may be in the frame of a camera, which moves with the robot."""
    monkeypatch.setattr(obstacle_inputs, 'TrackedObjects', Empty)
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    inputs, begin = node.intake.obstacles, node._now()
    known = {}

    def find(prefix, source, target, timeout, stamp):
        shift = known.get(conversions.seconds_from_msg(stamp))
        if shift is None:
            raise TransformPending(Reason.TRANSFORM_OLD, f'{prefix}: pending')
        return shift

    monkeypatch.setattr(inputs._frames, 'find', find)
    first, second = (message(tracked(), stamp=begin + 0.1 * n) for n in range(2))
    inputs.take('odom')
    inputs.on_obstacles(first)
    inputs.take('odom')
    assert inputs.status(begin)['obstacles'] == 'none'
    known[conversions.seconds_from_msg(first.header.stamp)] = Transform2D(1.0, 0.0, 0.0)
    inputs.take('odom')
    assert inputs.status(begin)['obstacles'] == 'used'
    (found,) = node._controller._costmaps.moving_obstacles(begin)
    assert found[0] == pytest.approx(3.0, abs=0.01)
    inputs.on_obstacles(second)
    inputs.on_obstacles(message(tracked(), stamp=begin + 0.2))
    assert inputs.status(begin)['obstacles'].endswith('pending')


def test_without_the_package_the_parameter_is_refused(node, monkeypatch):
    monkeypatch.setattr(obstacle_inputs, 'TrackedObjects', None)
    assert node.trigger_configure() != TransitionCallbackReturn.SUCCESS
