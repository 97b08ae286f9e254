"""
Deserialisation of long messages from CDR bytes to NumPy arrays.

rclpy creates a Python object per pose of a path and copies a grid three times. For a path of
10 000 poses this blocks the control loop for 0.3 s. Here only the short fields become a message;
the long field becomes an array. All ROS 2 middlewares use XCDR version 1 in the byte order of the
sender; any other representation is passed to rclpy.
"""

from __future__ import annotations

import struct
from typing import Any

from nav_msgs.msg import OccupancyGrid, Odometry, Path
import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message

from mppi_ros.jit.cache import cached_njit
from mppi_ros.parameters.errors import InputError
from mppi_ros.ros.conversions import numbers_of_poses, refuse_frame

LITTLE_ENDIAN = b'\x00\x01'  # first two of the four bytes of the encapsulation header
COUNT = struct.Struct('<I')
STAMP = struct.Struct('<iI')
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
