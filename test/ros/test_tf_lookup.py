"""Frames: equal ones pass, others need tf2; a stand-in for it lives here."""
from __future__ import annotations

import math
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

import rclpy  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402

from mppi_ros.control.controller import Controller  # noqa: E402
from mppi_ros.control.inputs import Odometry as Motion  # noqa: E402
from mppi_ros.control.tick_result import Reason  # noqa: E402
from mppi_ros.driving.costmap import Costmap  # noqa: E402
from mppi_ros.nodes.controller.node import MppiController  # noqa: E402
from mppi_ros.parameters.errors import InputError  # noqa: E402
from mppi_ros.ros import conversions, transforms  # noqa: E402

POSES = np.array([[1.0, 2.0, 0.5]])


class TransformError(Exception):
    pass


class ExtrapolationError(TransformError):
    pass


class Buffer:
    """
    tf2 as far as the nodes use it: `known` holds poses (x, y, yaw, stamp) of frames.

    A list of poses has one for each time, as between frames that move relative to each other.
    """

    known: ClassVar[dict] = {}

    def clear(self):
        self.known.clear()

    def lookup_transform(self, target, source, time):
        pose = self.known.get((target, source))
        if pose is None:
            raise TransformError(f'no transform from {source} to {target}')
        if isinstance(pose, str):
            raise ExtrapolationError(pose)
        if isinstance(pose, list):
            stamp = 1e-9 * time.nanoseconds or pose[-1][3]
            found = [each for each in pose if each[3] == pytest.approx(stamp)]
            if not found:
                raise ExtrapolationError(f'no transform at {stamp:g} s')
            pose = found[0]
        return conversions.transform_to_msg(*pose, target, source)


class Listener:
    def __init__(self, buffer, node):
        pass

    def unregister(self):
        pass


@pytest.fixture
def tf2(monkeypatch):
    """Offer what the stand-in for tf2 knows."""
    monkeypatch.setattr(transforms, 'tf2_ros', SimpleNamespace(
        Buffer=Buffer, TransformListener=Listener, TransformException=TransformError,
        ExtrapolationException=ExtrapolationError))
    known = {('odom', 'map'): (3.0, -1.0, math.pi / 2, 0.0)}
    monkeypatch.setattr(Buffer, 'known', known)
    return known


@pytest.fixture
def clock():
    now = SimpleNamespace(nanoseconds=100_000_000_000)
    return SimpleNamespace(get_clock=lambda: SimpleNamespace(now=lambda: now))


def test_equal_frames_need_no_transform(monkeypatch):
    monkeypatch.setattr(transforms, 'tf2_ros', None)
    assert transforms.TransformBuffer(None).transform(POSES, 'plan', 'map', 'map') is POSES


def test_without_tf2_differing_frames_are_refused_by_name(monkeypatch):
    monkeypatch.setattr(transforms, 'tf2_ros', None)
    with pytest.raises(InputError, match="plan is in frame 'map', the map in 'odom'.*tf2_ros"):
        transforms.TransformBuffer(None).transform(POSES, 'plan', 'map', 'odom')


def test_with_tf2_poses_are_transformed(tf2, clock):
    moved = transforms.TransformBuffer(clock).transform(POSES, 'plan', 'map', 'odom')
    assert moved == pytest.approx(np.array([[3.0 - 2.0, -1.0 + 1.0, 0.5 + math.pi / 2]]))


@pytest.mark.parametrize(('pose', 'timeout', 'code', 'words'), [
    (None, 1.0, Reason.TRANSFORM_MISSING, 'no transform from map to odom'),
    ('into the future', 1.0, Reason.TRANSFORM_OLD, 'into the future'),
    ((0.0, 0.0, 0.0, 98.5), 1.0, Reason.TRANSFORM_OLD, 'is 1.50 s old, limit 1 s'),
])
def test_a_transform_that_cannot_be_trusted_is_a_state_with_a_name(
        tf2, clock, pose, timeout, code, words):
    tf2['odom', 'map'] = pose
    with pytest.raises(transforms.TransformError, match=words) as refused:
        transforms.TransformBuffer(clock).find('plan', 'map', 'odom', timeout)
    assert refused.value.code is code


def test_a_transform_of_before_the_clock_went_back_is_refused_and_forgotten(tf2, clock):
    tf2['odom', 'map'] = (0.0, 0.0, 0.0, 103.0)
    found = transforms.TransformBuffer(clock)
    with pytest.raises(transforms.TransformError, match='stamped 3.00 s in the future') as refused:
        found.find('plan', 'map', 'odom')
    assert refused.value.code is Reason.TRANSFORM_OLD
    with pytest.raises(transforms.TransformError, match='no transform'):
        found.find('plan', 'map', 'odom')


@pytest.mark.parametrize(
    ('stamp', 'timeout'), [(101.0, 0.5), (98.5, 2.0), (98.5, 0.0), (0.0, 1.0)])
def test_a_transform_young_enough_or_static_is_taken(tf2, clock, stamp, timeout):
    tf2['odom', 'map'] = (1.0, 2.0, 0.5, stamp)
    found = transforms.TransformBuffer(clock).find('plan', 'map', 'odom', timeout)
    assert found == pytest.approx((1.0, 2.0, 0.5))


@pytest.mark.parametrize(('stamp', 'x'), [(0.0, 2.0), (99.0, 1.0), (99.5, 2.0)])
def test_a_transform_at_a_stamp_is_that_of_its_time(tf2, clock, stamp, x):
    tf2['odom', 'base_link'] = [(1.0, 0.0, 0.0, 99.0), (2.0, 0.0, 0.0, 99.5)]
    found = transforms.TransformBuffer(clock)
    at = conversions.seconds_to_msg(stamp)
    assert found.find('plan', 'base_link', 'odom', 0.6, at).x == x
    if stamp:  # the timeout is for the latest transform
        assert found.find('plan', 'base_link', 'odom', 0.1, at).x == x
    else:
        with pytest.raises(transforms.TransformError, match='0.50 s old'):
            found.find('plan', 'base_link', 'odom', 0.1, at)


@pytest.mark.parametrize(('stamp', 'pending'), [(99.6, True), (98.0, False)])
def test_a_transform_at_a_stamp_is_pending_only_if_it_may_come(tf2, clock, stamp, pending):
    tf2['odom', 'base_link'] = [(1.0, 0.0, 0.0, 99.0), (2.0, 0.0, 0.0, 99.5)]
    at = conversions.seconds_to_msg(stamp)
    with pytest.raises(transforms.TransformError) as refused:
        transforms.TransformBuffer(clock).find('plan', 'base_link', 'odom', 0.6, at)
    assert isinstance(refused.value, transforms.TransformPending) is pending
    assert refused.value.code is Reason.TRANSFORM_OLD


@pytest.fixture
def node(ros_domain, monkeypatch, tf2):
    """Offer a configured controller with the stand-in for tf2."""
    monkeypatch.setattr('mppi_ros.nodes.controller.node.warm_up', lambda controller: None)
    rclpy.init()
    controller = MppiController()
    controller.trigger_configure()
    yield controller
    controller.stop()
    controller.destroy_node()
    rclpy.shutdown()


def odometry(frame='odom', child='base_link', **values):
    motion = Motion(0.0, *(values.get(name, 0.0) for name in ('x', 'y', 'yaw', 'vx', 'vy', 'wz')))
    return conversions.odometry_to_msg(motion, frame, child)


def costmap(frame='odom'):
    free = Costmap(np.zeros((40, 40), np.int8), 0.1, -2.0, -2.0)
    return serialize_message(conversions.costmap_to_msg(free, 0.0, frame))


def plan(frame='map'):
    return serialize_message(
        conversions.path_to_msg([(0.0, 0.0, 0.0), (1.0, 0.0, 0.0)], 0.0, frame))


def test_odometry_that_came_before_the_costmap_is_brought_into_its_frame(node, tf2):
    tf2['map', 'odom'] = (5.0, 0.0, 0.0, 0.0)
    node.intake.on_odom(odometry(x=1.0))
    assert node.intake.odometry.x == 1.0
    node.intake.on_costmap(costmap('map'))
    assert node.intake.odometry.x == 6.0


def test_a_plan_follows_its_frame_where_that_drifts(node, tf2, monkeypatch):
    taken = []
    monkeypatch.setattr(Controller, 'set_plan', lambda self, stamp, poses: taken.append(poses))
    node.intake.on_costmap(costmap())
    node.intake.on_plan(plan())
    node.intake.on_costmap(costmap())
    assert len(taken) == 1
    tf2['odom', 'map'] = (3.0, -0.9, math.pi / 2, 0.0)
    node.intake.on_costmap(costmap())
    assert len(taken) == 2
    assert taken[1][0] == pytest.approx((3.0, -0.9, math.pi / 2))


def plan_in_base_link(stamp):
    return conversions.path_to_msg([(0.0, 0.0, 0.0), (1.0, 0.0, 0.0)], stamp, 'base_link')


@pytest.mark.parametrize('kind', ['plan', 'goal'])
@pytest.mark.parametrize('costmap_first', [True, False])
def test_a_plan_in_the_frame_of_the_robot_does_not_move_with_it(
        node, tf2, monkeypatch, kind, costmap_first):
    taken = []
    monkeypatch.setattr(Controller, 'set_plan', lambda self, stamp, poses: taken.append(poses[-1]))
    monkeypatch.setattr(Controller, 'set_goal', lambda self, stamp, *pose: taken.append(pose))
    tf2['odom', 'base_link'] = [(4.0, 0.0, 0.0, 99.0), (5.0, 0.0, 0.0, 99.5)]
    if costmap_first:
        node.intake.on_costmap(costmap())
    message = plan_in_base_link(99.0)
    if kind == 'plan':
        node.intake.on_plan(serialize_message(message))
    else:
        goal = message.poses[-1]
        goal.header = message.header
        node.intake.on_goal(goal)
    node.intake.on_costmap(costmap())
    tf2['odom', 'base_link'].append((6.0, 0.0, 0.0, 100.0))
    node.intake.on_costmap(costmap())
    assert tuple(taken[-1]) == pytest.approx((5.0, 0.0, 0.0))
    assert node.intake.fault is None


@pytest.mark.parametrize('stamp', [0.0, 99.7])
def test_a_plan_in_the_frame_of_the_robot_newer_than_tf2_takes_the_latest_transform(
        node, tf2, monkeypatch, stamp):
    taken = []
    monkeypatch.setattr(Controller, 'set_plan', lambda self, stamp, poses: taken.append(poses[-1]))
    latest = node.get_clock().now().nanoseconds * 1e-9 - 0.1
    tf2['odom', 'base_link'] = [(5.0, 0.0, 0.0, latest)]
    node.intake.on_costmap(costmap())
    node.intake.on_plan(serialize_message(plan_in_base_link(stamp and latest + 0.05)))
    assert taken[-1] == pytest.approx((6.0, 0.0, 0.0))
    assert node.intake.fault is None


def test_a_plan_waits_for_its_transform(node, tf2):
    known = tf2.pop(('odom', 'map'))
    node.intake.on_costmap(costmap())
    node.intake.on_plan(plan())
    assert node.intake.fault.code is Reason.TRANSFORM_MISSING
    tf2['odom', 'map'] = known
    node.intake.on_costmap(costmap())
    assert node.intake.fault is None


def test_odometry_of_another_part_of_the_robot_is_moved_to_its_base(node, tf2):
    tf2['imu', 'base_link'] = (-0.5, 0.0, 0.0, 0.0)
    node.intake.on_odom(odometry(child='imu', x=2.0, yaw=math.pi / 2, vx=1.0, wz=2.0))
    moved = node.intake.odometry
    assert (moved.x, moved.y) == pytest.approx((2.0, -0.5))
    assert (moved.vx, moved.vy, moved.wz) == pytest.approx((1.0, -1.0, 2.0))
    node.intake.on_odom(odometry(child='gps'))
    assert "base_frame is 'base_link', the child frame of the odometry is 'gps'" in \
        node.intake.fault.message
