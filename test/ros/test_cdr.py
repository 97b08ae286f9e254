"""Messages read from and written to bytes are those of rclpy; malformed ones are refused."""
from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from mppi_ros.driving.costmap import Costmap
from mppi_ros.parameters.errors import InputError

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

from builtin_interfaces.msg import Duration  # noqa: E402
from geometry_msgs.msg import Point, PoseStamped, Transform, Twist  # noqa: E402
from nav_msgs.msg import Odometry, Path  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from std_msgs.msg import ColorRGBA  # noqa: E402
from visualization_msgs.msg import Marker, MarkerArray  # noqa: E402

from mppi_ros.ros import cdr, conversions  # noqa: E402

FRAMES = st.text(st.characters(min_codepoint=33, max_codepoint=0x2000), max_size=9)


def grid_bytes(height=3, width=5, frame='map', seed=0):
    data = np.random.default_rng(seed).integers(-1, 101, (height, width)).astype(np.int8)
    return serialize_message(
        conversions.costmap_to_msg(Costmap(data, 0.05, -3.0, 2.0), 12.5, frame))


def path_of(poses, frames, frame):
    message = Path()
    message.header.frame_id = frame
    for (x, y, yaw), own in zip(poses, frames, strict=True):
        stamped = PoseStamped(pose=conversions.pose_to_msg(x, y, yaw))
        stamped.header.frame_id = own
        message.poses.append(stamped)
    return message


@given(height=st.integers(1, 20), width=st.integers(1, 20), frame=FRAMES)
def test_a_grid_is_what_rclpy_would_have_read(height, width, frame):
    data = grid_bytes(height, width, frame)
    message, cells = cdr.grid_from_bytes(data)
    expected = cdr.deserialize_message(data, cdr.OccupancyGrid)
    assert cells.tolist() == expected.data.tolist()
    expected.data = message.data
    assert message == expected


@given(count=st.integers(0, 6), frame=FRAMES, named=st.booleans())
def test_a_path_is_what_rclpy_would_have_read(count, frame, named):
    poses = np.random.default_rng(count).normal(size=(count, 3))
    sent = path_of(poses, [frame if named else ''] * count, frame)
    message, numbers = cdr.path_from_bytes(serialize_message(sent))
    assert message.header == sent.header
    np.testing.assert_array_equal(numbers, conversions.numbers_of_poses(sent))
    np.testing.assert_array_equal(
        conversions.path_from_msg(message, numbers), conversions.path_from_msg(sent))


@given(
    numbers=st.lists(st.floats(-1e9, 1e9), min_size=13, max_size=13), frame=FRAMES, child=FRAMES)
def test_odometry_is_what_rclpy_would_have_read(numbers, frame, child):
    sent = Odometry(child_frame_id=child)
    sent.header.frame_id, sent.header.stamp.sec, sent.header.stamp.nanosec = frame, -7, 12
    owners = (sent.pose.pose.position, 'xyz'), (sent.pose.pose.orientation, 'xyzw'), (
        sent.twist.twist.linear, 'xyz'), (sent.twist.twist.angular, 'xyz')
    fields = [(owner, name) for owner, names in owners for name in names]
    for (owner, name), number in zip(fields, numbers, strict=True):
        setattr(owner, name, number)
    assert cdr.OdometryReader().read(serialize_message(sent)) == sent


ROWS = st.integers(0, 4).map(
    lambda count: np.random.default_rng(count).normal(size=(count, 7)) + [[5.5, *[0.0] * 6]])


@given(rows=ROWS, frame=FRAMES)
def test_a_path_is_written_as_rclpy_writes_it(rows, frame):
    expected = path_of(rows[:, 1:4], [frame] * len(rows), frame)
    expected.header.stamp = conversions.seconds_to_msg(12.25)
    for pose, time in zip(expected.poses, rows[:, 0], strict=True):
        pose.header.stamp = conversions.seconds_to_msg(time)
    written = cdr.path_to_bytes(rows, 12.25, frame)
    assert_equal(written, expected)


@given(rows=ROWS.filter(len), frame=FRAMES, joint=FRAMES)
def test_a_trajectory_is_written_as_rclpy_writes_it(rows, frame, joint):
    messages = pytest.importorskip('trajectory_msgs.msg', reason='needs trajectory_msgs')
    rows[:, 0].sort()
    expected = messages.MultiDOFJointTrajectory(joint_names=[joint])
    expected.header.frame_id = frame
    expected.header.stamp = conversions.seconds_to_msg(rows[0, 0])
    for time, x, y, yaw, vx, vy, wz in rows:
        pose, velocity = conversions.pose_to_msg(x, y, yaw), Twist()
        transform = Transform(rotation=pose.orientation)
        transform.translation.x, transform.translation.y = x, y
        velocity.linear.x, velocity.linear.y, velocity.angular.z = vx, vy, wz
        since = conversions.seconds_to_msg(time - rows[0, 0])
        expected.points.append(messages.MultiDOFJointTrajectoryPoint(
            transforms=[transform], velocities=[velocity],
            time_from_start=Duration(sec=since.sec, nanosec=since.nanosec)))
    assert_equal(cdr.trajectory_to_bytes(rows, frame, joint), expected)


@given(count=st.integers(0, 4), frame=FRAMES, namespace=FRAMES, text=FRAMES)
def test_lines_are_written_as_rclpy_writes_them(count, frame, namespace, text):
    numbers = np.random.default_rng(count).normal(size=(count, 7))
    marker = Marker(ns=namespace, id=3, text=text, frame_locked=True)
    marker.header.frame_id, marker.scale.x, marker.pose.orientation.w = frame, 0.1, 1.0
    written = cdr.lines_to_bytes(marker, numbers[:, :3], numbers[:, 3:].astype(np.float32))
    marker.points = [Point(x=x, y=y, z=z) for x, y, z in numbers[:, :3].tolist()]
    marker.colors = [ColorRGBA(r=r, g=g, b=b, a=a) for r, g, b, a in numbers[:, 3:].tolist()]
    assert_equal(written, MarkerArray(markers=[marker]))


def assert_equal(written, expected):
    """Check that bytes are those of a message; other bytes than padding may not differ."""
    again = serialize_message(expected)
    assert len(written) == len(again)
    assert cdr.deserialize_message(written, type(expected)) == cdr.deserialize_message(
        again, type(expected))


def test_a_pose_in_another_frame_is_refused_by_its_name():
    sent = path_of(np.zeros((3, 3)), ['map', '', 'mars'], 'map')
    with pytest.raises(InputError, match=r"poses\[2\] is in frame 'mars', the plan in 'map'"):
        cdr.path_from_bytes(serialize_message(sent))


def test_bytes_in_another_form_are_left_to_rclpy(monkeypatch):
    grid, path = grid_bytes(), serialize_message(path_of([(1.0, 2.0, 0.5)], ['map'], 'map'))
    read = cdr.grid_from_bytes(grid)[1], cdr.path_from_bytes(path)[1]
    monkeypatch.setattr(cdr, 'LITTLE_ENDIAN', b'')
    again = cdr.grid_from_bytes(grid)[1], cdr.path_from_bytes(path)[1]
    for one, other in zip(read, again, strict=True):
        np.testing.assert_array_equal(one, other)


@settings(max_examples=300)
@given(share=st.floats(0.0, 1.0, exclude_max=True), data=st.sampled_from([
    (cdr.grid_from_bytes, grid_bytes(9, 9)),
    (cdr.path_from_bytes, serialize_message(path_of(np.zeros((9, 3)), ['map'] * 9, 'map'))),
    (cdr.OdometryReader().read, serialize_message(Odometry()))]))
def test_bytes_that_end_too_early_are_refused(share, data):
    read, whole = data
    with pytest.raises(InputError):
        read(whole[: 4 + int(share * (len(whole) - 4))])


@given(count=st.integers(10, 2**32 - 1))
def test_a_false_count_claims_no_memory(count):
    path = serialize_message(path_of(np.zeros((9, 3)), ['map'] * 9, 'map'))
    at = path.index(struct.pack('<I', 9), 4)
    with pytest.raises(InputError, match='ends after 9 of'):
        cdr.path_from_bytes(path[:at] + struct.pack('<I', count) + path[at + 4:])


@settings(max_examples=2000, deadline=None)
@given(at=st.integers(12, 700), value=st.integers(0, 255), kind=st.booleans())
def test_a_spoilt_byte_harms_nobody(at, value, kind):
    data = bytearray(
        grid_bytes(9, 9) if kind
        else serialize_message(path_of(np.zeros((9, 3)), ['map'] * 9, 'map')))
    data[at % (len(data) - 4) + 4] = value
    try:
        if kind:
            conversions.costmap_from_msg(*cdr.grid_from_bytes(bytes(data)))
        else:
            conversions.path_from_msg(*cdr.path_from_bytes(bytes(data)))
    except (InputError, UnicodeDecodeError, RuntimeError):
        pass
