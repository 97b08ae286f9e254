"""Conversions give back what went in, and refuse what is malformed with the field's name."""
from __future__ import annotations

from array import array
import math

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from mppi_ros.control.inputs import Command, Odometry
from mppi_ros.driving.costmap import Costmap
from mppi_ros.parameters.errors import InputError

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

from geometry_msgs.msg import PoseStamped, Twist  # noqa: E402
from nav_msgs.msg import OccupancyGrid, Path  # noqa: E402
from nav_msgs.msg import Odometry as OdometryMessage  # noqa: E402
from rclpy.serialization import deserialize_message  # noqa: E402
from visualization_msgs.msg import MarkerArray  # noqa: E402

from mppi_ros.ros import conversions, markers  # noqa: E402

metres = st.floats(-1e5, 1e5)
angles = st.floats(-math.pi, math.pi)
anything = st.floats(allow_nan=True, allow_infinity=True)


def same_angle(a, b):
    return abs(math.remainder(a - b, math.tau)) < 1e-9


@given(x=metres, y=metres, yaw=angles)
def test_a_pose_comes_back(x, y, yaw):
    back = conversions.pose_from_msg(conversions.pose_to_msg(x, y, yaw), 'pose')
    assert back[:2] == (x, y)
    assert same_angle(back[2], yaw)


@given(seconds=st.floats(0.0, 2e9))
def test_a_stamp_comes_back_within_a_microsecond(seconds):
    stamp = conversions.seconds_to_msg(seconds)
    assert abs(conversions.seconds_from_msg(stamp) - seconds) < 1e-6


@given(numbers=st.tuples(metres, metres, angles, metres, metres, metres))
def test_odometry_comes_back(numbers):
    odometry = Odometry(12.5, *numbers)
    back = conversions.odometry_from_msg(
        conversions.odometry_to_msg(odometry, 'odom', 'base_link'), 12.5)
    assert (back.x, back.y, back.vx, back.vy, back.wz) == (
        odometry.x, odometry.y, odometry.vx, odometry.vy, odometry.wz)
    assert same_angle(back.yaw, odometry.yaw)


@given(height=st.integers(1, 30), width=st.integers(1, 30), seed=st.integers(0, 2**32 - 1))
def test_a_costmap_comes_back(height, width, seed):
    data = np.random.default_rng(seed).integers(-1, 101, (height, width)).astype(np.int8)
    costmap = Costmap(data, 0.05, -3.0, 2.0)
    back = conversions.costmap_from_msg(conversions.costmap_to_msg(costmap, 1.0, 'map'))
    assert np.array_equal(back.data, data)
    assert back.resolution == pytest.approx(0.05)
    assert (back.origin_x, back.origin_y) == (-3.0, 2.0)


@given(poses=st.lists(st.tuples(metres, metres, angles), max_size=20))
def test_a_path_comes_back(poses):
    back = conversions.path_from_msg(conversions.path_to_msg(poses, 1.0, 'map'))
    assert back.shape == (len(poses), 3)
    for pose, expected in zip(back, poses, strict=True):
        assert tuple(pose[:2]) == expected[:2]
        assert same_angle(pose[2], expected[2])


def test_the_rows_of_a_costmap_run_along_y():
    message = OccupancyGrid(data=array('b', [0, 1, 2, 3, 4, 5]))
    message.info.width, message.info.height, message.info.resolution = 3, 2, 0.5
    message.info.origin.orientation.w = 1.0
    assert conversions.costmap_from_msg(message).data.tolist() == [[0, 1, 2], [3, 4, 5]]


def grid(**changes):
    message = conversions.costmap_to_msg(
        Costmap(np.zeros((4, 5), np.int8), 0.05, 0.0, 0.0), 1.0, 'map')
    for name, value in changes.items():
        setattr(message.info, name, value)
    return message


@pytest.mark.parametrize(('message', 'words'), [
    (grid(width=6), r'costmap\.data has 20 cells; .* = 6 \* 4 = 24 are expected'),
    (grid(resolution=-0.05), r'resolution = -0\.05'),
    (grid(resolution=0.0), r'resolution = 0\.0 m is outside'),
    (grid(resolution=math.nan), r'resolution = nan'),
    (grid(origin=conversions.pose_to_msg(0.0, 0.0, 0.3)), r'origin is rotated by 0\.300 rad'),
    (grid(origin=conversions.pose_to_msg(math.inf, 0.0, 0.0)),
     r'origin\.position\.x = inf m is not finite'),
    (grid(width=0, height=0), r'costmap\.data has 20 cells'),
])
def test_a_malformed_costmap_is_refused_by_name(message, words):
    with pytest.raises(InputError, match=words):
        conversions.costmap_from_msg(message)


def test_cells_out_of_range_are_refused():
    message = grid()
    message.data[7] = -5
    with pytest.raises(InputError, match='-5'):
        conversions.costmap_from_msg(message)


def test_a_zero_quaternion_is_refused():
    pose = conversions.pose_to_msg(1.0, 2.0, 0.0)
    pose.orientation.w = 0.0
    with pytest.raises(InputError, match=r'goal\.orientation = \(0, 0, 0, 0\) is not a unit q'):
        conversions.pose_from_msg(pose, 'goal')


def test_a_pose_of_the_path_in_another_frame_is_refused():
    message = conversions.path_to_msg([(0.0, 0.0, 0.0), (1.0, 0.0, 0.0)], 1.0, 'map')
    message.poses[1] = PoseStamped(pose=message.poses[1].pose)
    message.poses[1].header.frame_id = 'odom'
    with pytest.raises(InputError, match=r"plan\.poses\[1\] is in frame 'odom', the plan in 'map"):
        conversions.path_from_msg(message)


@settings(max_examples=300)
@given(numbers=st.tuples(*[anything] * 10))
def test_odometry_is_either_finite_or_refused(numbers):
    message = OdometryMessage()
    pose, twist = message.pose.pose, message.twist.twist
    pose.position.x, pose.position.y, pose.position.z = numbers[:3]
    turn = pose.orientation
    turn.x, turn.y, turn.z, turn.w = numbers[3:7]
    twist.linear.x, twist.linear.y, twist.angular.z = numbers[7:]
    try:
        odometry = conversions.odometry_from_msg(message, 1.0)
    except InputError:
        return
    assert all(math.isfinite(value) for value in vars(odometry).values())


@settings(max_examples=300)
@given(
    width=st.integers(0, 2**32 - 1), height=st.integers(0, 2**32 - 1) | st.integers(0, 5),
    resolution=st.floats(width=32), cells=st.lists(st.integers(-128, 127), max_size=40),
    place=st.tuples(*[anything] * 6))
def test_a_costmap_is_either_sound_or_refused(width, height, resolution, cells, place):
    message = OccupancyGrid(data=array('b', cells))
    message.info.width, message.info.height = width, height
    message.info.resolution = resolution
    position, turn = message.info.origin.position, message.info.origin.orientation
    position.x, position.y = place[:2]
    turn.x, turn.y, turn.z, turn.w = place[2:]
    try:
        costmap = conversions.costmap_from_msg(message)
    except InputError:
        return
    assert costmap.data.size == len(cells)
    assert math.isfinite(costmap.origin_x + costmap.origin_y + costmap.resolution)


@settings(max_examples=300)
@given(poses=st.lists(st.tuples(*[anything] * 6), max_size=5))
def test_a_path_is_either_finite_or_refused(poses):
    message = Path()
    for x, y, *turn in poses:
        stamped = PoseStamped()
        stamped.pose.position.x, stamped.pose.position.y = x, y
        q = stamped.pose.orientation
        q.x, q.y, q.z, q.w = turn
        message.poses.append(stamped)
    try:
        path = conversions.path_from_msg(message)
    except InputError:
        return
    assert np.isfinite(path).all()


@given(numbers=st.tuples(anything, anything, anything))
def test_a_command_is_either_finite_or_refused(numbers):
    message = Twist()
    message.linear.x, message.linear.y, message.angular.z = numbers
    if all(map(math.isfinite, numbers)):
        assert conversions.command_from_msg(message) == Command(*numbers)
    else:
        with pytest.raises(InputError, match='cmd_vel'):
            conversions.command_from_msg(message)


def test_candidates_become_lines_from_pose_to_pose():
    trajectories = np.zeros((3, 57, 3), np.float32)
    trajectories[:, :, 0] = np.linspace(0.0, 1.0, 57)
    weights = np.array([0.1, 0.9, 0.0], np.float32)
    (marker,) = deserialize_message(
        markers.candidates_to_bytes(trajectories, weights, stamp=1.0, frame='map'),
        MarkerArray).markers
    assert len(marker.points) == len(marker.colors) == 3 * 14 * 2
    assert marker.points[0].x == 0.0
    assert marker.points[27].x == 1.0
    assert marker.colors[28].r == 1.0
    shown = np.sqrt([0.1 / 0.9, 1.0, 0.0])
    for color, share in zip(marker.colors[::28], shown, strict=True):
        assert (color.r, color.b) == pytest.approx((share, 1.0 - share))
        assert color.a == pytest.approx(0.25 + 0.75 * share)


def test_a_scan_shows_no_return_as_infinity():
    message = conversions.scan_to_msg(
        np.linspace(-1.0, 1.0, 5), np.array([1.0, 2.0, 9.0, np.inf, 3.0]),
        max_range=8.0, stamp=1.0, frame='base_link')
    assert list(message.ranges) == [1.0, 2.0, math.inf, math.inf, 3.0]
    assert message.angle_increment == pytest.approx(0.5)
