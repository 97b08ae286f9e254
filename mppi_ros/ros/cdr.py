"""
Conversion of long messages between CDR bytes and NumPy arrays.

rclpy creates a Python object per pose of a path and copies a grid three times. For a path of
10 000 poses this blocks the control loop for 0.3 s, and a published trajectory of 57 poses takes
1 ms. Here only the short fields are a message; the long field is an array. All ROS 2 middlewares
use XCDR version 1 in the byte order of the sender; any other representation is passed to rclpy.
Publishers accept bytes instead of a message.
"""

from __future__ import annotations

import struct
from typing import Any

from nav_msgs.msg import OccupancyGrid, Odometry, Path
import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message, serialize_message
from visualization_msgs.msg import Marker, MarkerArray

from mppi_ros.jit.cache import cached_njit
from mppi_ros.parameters.errors import InputError
from mppi_ros.ros.conversions import numbers_of_poses, refuse_frame, seconds_to_msg

try:
    from trajectory_msgs.msg import MultiDOFJointTrajectory
except ImportError:  # trajectory_msgs is optional
    MultiDOFJointTrajectory = None

LITTLE_ENDIAN = b'\x00\x01'  # first two of the four bytes of the encapsulation header
COUNT = struct.Struct('<I')
STAMP = struct.Struct('<iI')
TIME = [('sec', '<i4'), ('nanosec', '<u4')]  # the same in an array
POSE, TWIST, COVARIANCE = 7, 6, 36  # float64 values each; a pose is position and quaternion


def grid_from_bytes(data: bytes) -> tuple[OccupancyGrid, NDArray[np.int8]]:
    """
    Deserialise a grid; return it without cells, and int8[N] cells that share memory with `data`.

    Raises
    ------
    InputError
        `data` is truncated.

    """
    if data[:2] != LITTLE_ENDIAN:
        message = deserialize_message(data, OccupancyGrid)
        return message, np.frombuffer(message.data, np.int8)
    after_header = _after_string(data, 4 + 8)  # the stamp precedes the frame
    after_numbers = _aligned(after_header, 4) + 8 + 4 + 4 + 4  # map_load_time .. height
    at = _aligned(after_numbers, 8) + 8 * POSE
    count = _count(data, at)
    if len(data) < at + COUNT.size + count:
        raise InputError(f'costmap.data has {count} cells and {len(data) - at - 4} bytes')
    message = deserialize_message(data[:at] + COUNT.pack(0), OccupancyGrid)
    return message, np.frombuffer(data, np.int8, count, at + COUNT.size)


def path_from_bytes(data: bytes) -> tuple[Path, NDArray[np.float64]]:
    """
    Deserialise a path; return it without poses, and float64[N, 7]: x, y, z and quaternion.

    Raises
    ------
    InputError
        `data` is truncated, or a pose is in another frame than the path.

    """
    if data[:2] != LITTLE_ENDIAN:
        message = deserialize_message(data, Path)
        return message, numbers_of_poses(message)
    end = _after_string(data, 4 + 8)
    at = _aligned(end, 4)
    count = _count(data, at)
    message = deserialize_message(data[:at] + COUNT.pack(0), Path)
    # Bound the allocation by the length of the data, since the count may be corrupt.
    numbers = np.empty((min(count, len(data) // (8 * POSE)), POSE))
    raw = np.frombuffer(data, np.uint8)
    read, foreign = _read_poses(raw, at + COUNT.size, raw[12 + COUNT.size : end], numbers)
    if foreign:
        refuse_frame(read, _text(data, foreign, _after_string(data, foreign)), message)
    if read < count:
        raise InputError(f'plan.poses ends after {read} of {count} poses')
    return message, numbers


class OdometryReader:
    """
    Deserialises odometry into one reused message, without the covariances.

    The covariances are 72 of the 85 numbers, and rclpy allocates arrays for them.
    """

    def __init__(self) -> None:
        self._message = Odometry()

    def read(self, data: bytes) -> Odometry:
        """
        Return the deserialised message; the next call overwrites it.

        Raises
        ------
        InputError
            `data` is truncated.

        """
        if data[:2] != LITTLE_ENDIAN:
            return deserialize_message(data, Odometry)
        header_end = _after_string(data, 4 + 8)
        child = _aligned(header_end, 4)
        child_end = _after_string(data, child)
        pose = _aligned(child_end, 8)
        twist = pose + 8 * (POSE + COVARIANCE)
        if len(data) < twist + 8 * (TWIST + COVARIANCE):
            raise InputError(f'odometry of {len(data)} bytes ends too early')
        message = self._message
        stamp = message.header.stamp
        stamp.sec, stamp.nanosec = STAMP.unpack_from(data, 4)
        message.header.frame_id = _text(data, 4 + 8, header_end)
        message.child_frame_id = _text(data, child, child_end)
        place, turn = message.pose.pose.position, message.pose.pose.orientation
        numbers = struct.unpack_from('<7d', data, pose)
        place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w = numbers
        linear, angular = message.twist.twist.linear, message.twist.twist.angular
        numbers = struct.unpack_from('<6d', data, twist)
        linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = numbers
        return message


def path_to_bytes(rows: NDArray[np.float64], stamp: float, frame: str) -> bytes:
    """
    Serialise a nav_msgs/Path.

    Parameters
    ----------
    rows : float64[N, ≥ 4]
        Time [s], x [m], y [m], yaw [rad] of each pose.
    stamp : float
        Time of the path [s].
    frame : str
        Frame of the path and of each pose.

    """
    message = Path()
    message.header.stamp, message.header.frame_id = seconds_to_msg(stamp), frame
    name = frame.encode() + b'\0'
    padding = -(COUNT.size + len(name)) % 8
    poses = np.zeros(len(rows), [
        *TIME, ('length', '<u4'), ('frame', f'V{len(name)}'), ('padding', f'V{padding}'),
        ('pose', '<f8', POSE),
    ])  # fmt: skip
    poses['sec'], poses['nanosec'] = _times(rows[:, 0])
    poses['length'], poses['frame'] = len(name), np.void(name)
    poses['pose'] = _poses(rows)
    head: bytes = serialize_message(message)
    data = poses.tobytes()
    if len(head) % 8 == 0 and data:  # the first record begins between two multiples of 8
        end = STAMP.size + COUNT.size + len(name)
        data = data[:end] + bytes((padding + 4) % 8) + data[end + padding :]
    return head[: -COUNT.size] + COUNT.pack(len(rows)) + data


def trajectory_to_bytes(rows: NDArray[np.float64], frame: str, joint: str) -> bytes:
    """
    Serialise a trajectory_msgs/MultiDOFJointTrajectory with one planar joint.

    Parameters
    ----------
    rows : float64[N, 7]
        Time [s], x [m], y [m], yaw [rad] in `frame`, and vx [m/s], vy [m/s], wz [rad/s] in the
        frame of the robot; N ≥ 1. The first time is the stamp.
    frame, joint : str
        Frame of the poses, and the name of the joint: the frame of the robot.

    """
    message = MultiDOFJointTrajectory(joint_names=[joint])
    message.header.stamp, message.header.frame_id = seconds_to_msg(float(rows[0, 0])), frame
    # A record ends between two multiples of 8, so that only the first may need padding before
    # its pose.
    points = np.zeros(len(rows), [
        ('transforms', '<u4'), ('pose', '<f8', POSE), ('velocities', '<u4'), ('padding', 'V4'),
        ('velocity', '<f8', TWIST), ('accelerations', '<u4'), *TIME,
    ])  # fmt: skip
    points['transforms'] = points['velocities'] = 1
    points['pose'] = _poses(rows)
    points['velocity'][:, [0, 1, 5]] = rows[:, 4:7]
    points['sec'], points['nanosec'] = _times(rows[:, 0] - rows[0, 0])
    head: bytes = serialize_message(message)
    data = points.tobytes()
    if len(head) % 8 == 4:
        data = data[: COUNT.size] + bytes(4) + data[COUNT.size :]
    return head[: -COUNT.size] + COUNT.pack(len(rows)) + data


def lines_to_bytes(
    marker: Marker, points: NDArray[np.float64], colors: NDArray[np.float32]
) -> bytes:
    """
    Serialise a visualization_msgs/MarkerArray with one marker and its points and colours.

    Parameters
    ----------
    marker : Marker
        All other fields; its points and colours are empty.
    points : float64[N, 3]
        Points [m].
    colors : float32[N, 4]
        Red, green, blue, alpha of each point.

    """
    data = serialize_message(MarkerArray(markers=[marker]))
    frame_end = _after_string(data, 4 + COUNT.size + 8)
    namespace_end = _after_string(data, _aligned(frame_end, 4))
    pose = _aligned(_aligned(namespace_end, 4) + 3 * 4, 8)
    # Scale, colour, lifetime and frame_locked; the points begin at a multiple of 8.
    at = _aligned(pose + 8 * POSE + 8 * 3 + 4 * 4 + 8 + 1, 4)
    return b''.join((
        data[:at], COUNT.pack(len(points)), points.astype('<f8').tobytes(),
        COUNT.pack(len(colors)), colors.astype('<f4').tobytes(), data[at + 2 * COUNT.size :],
    ))  # fmt: skip


def _text(data: bytes, at: int, end: int) -> str:
    """Return the string whose length field is at `at`, without its terminating zero."""
    return data[at + COUNT.size : end].rstrip(b'\0').decode('utf-8', 'replace')


def _aligned(at: int, size: int) -> int:
    """Return the aligned offset of a field of `size` bytes; the first 4 bytes do not count."""
    return -(-(at - 4) // size) * size + 4


def _count(data: bytes, at: int) -> int:
    if len(data) < at + COUNT.size:
        raise InputError(f'a message of {len(data)} bytes ends too early')
    return int(COUNT.unpack_from(data, at)[0])


def _after_string(data: bytes, at: int) -> int:
    return at + COUNT.size + _count(data, at)


def _poses(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return position and quaternion, float64[N, 7], of rows of time, x, y, yaw."""
    poses = np.zeros((len(rows), POSE))
    poses[:, :2] = rows[:, 1:3]
    poses[:, 5], poses[:, 6] = np.sin(0.5 * rows[:, 3]), np.cos(0.5 * rows[:, 3])
    return poses


def _times(seconds: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return whole seconds and nanoseconds."""
    whole = np.floor(seconds)
    return whole, np.minimum(1e9 * (seconds - whole), 999_999_999)


@cached_njit('UniTuple(int64, 2)(Array(uint8, 1, "C", readonly=True), int64, '
             'Array(uint8, 1, "C", readonly=True), float64[:, ::1])',
             nogil=True)  # fmt: skip
def _read_poses(data: Any, at: Any, frame: Any, numbers: Any) -> Any:
    """
    Fill numbers[N, 7] from the stamped poses at offset `at`; return the number of valid poses.

    A stamped pose is a time (8 bytes), the length and characters of its frame, and 7 numbers. The
    second result is the offset of the frame of the first pose in another frame, else 0.
    """
    bits = np.empty(1, np.uint64)
    for i in range(numbers.shape[0]):
        at = (at - 4 + 3) // 4 * 4 + 4 + 8
        if at + 4 > data.size:
            return i, 0
        length = np.int64(0)
        for byte in range(4):
            length |= np.int64(data[at + byte]) << (8 * byte)
        begin = (at + length + 7) // 8 * 8 + 4
        if begin + 8 * numbers.shape[1] > data.size:
            return i, 0
        same = length == frame.size
        if same:
            for character in range(length):
                same = same and data[at + 4 + character] == frame[character]
        if length > 1 and not same:
            return i, at
        at = begin
        for number in range(numbers.shape[1]):
            bits[0] = 0
            for byte in range(8):
                bits[0] |= np.uint64(data[at + byte]) << np.uint64(8 * byte)
            numbers[i, number] = bits.view(np.float64)[0]
            at += 8
    return numbers.shape[0], 0
