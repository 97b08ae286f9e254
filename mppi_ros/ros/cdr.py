"""
Long messages, read from the bytes that the middleware delivers.

rclpy makes a Python object of each pose of a path and copies a grid three times, and no tick can
run meanwhile: 0.3 s for a path of 10 000 poses. Here the few fields around the long part become a
message as usual, and the long part an array. All middlewares of ROS 2 send XCDR version 1, in the
byte order of the sender; what is in any other form is left to rclpy.
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

LITTLE_ENDIAN = b'\x00\x01'  # the representation, in the first two of four bytes of a message
COUNT = struct.Struct('<I')
STAMP = struct.Struct('<iI')
POSE, TWIST, COVARIANCE = 7, 6, 36  # numbers: position and quaternion, linear and angular, 6 × 6


def grid_from_bytes(data: bytes) -> tuple[OccupancyGrid, NDArray[np.int8]]:
    """
    Return a grid without its cells, and the cells, which are shared with the bytes.

    Raises
    ------
    InputError
        The bytes end too early.

    """
    if data[:2] != LITTLE_ENDIAN:
        message = deserialize_message(data, OccupancyGrid)
        return message, np.frombuffer(message.data, np.int8)
    after_header = _after_string(data, 4 + 8)  # the stamp comes first
    after_numbers = _aligned(after_header, 4) + 8 + 4 + 4 + 4  # map_load_time .. height
    at = _aligned(after_numbers, 8) + 8 * POSE
    count = _count(data, at)
    if len(data) < at + COUNT.size + count:
        raise InputError(f'costmap.data has {count} cells and {len(data) - at - 4} bytes')
    message = deserialize_message(data[:at] + COUNT.pack(0), OccupancyGrid)
    return message, np.frombuffer(data, np.int8, count, at + COUNT.size)


def path_from_bytes(data: bytes) -> tuple[Path, NDArray[np.float64]]:
    """
    Return a path without its poses, and their numbers, float64[N, 7]: x, y, z and quaternion.

    Raises
    ------
    InputError
        The bytes end too early, or a pose is in another frame than the path.

    """
    if data[:2] != LITTLE_ENDIAN:
        message = deserialize_message(data, Path)
        return message, numbers_of_poses(message)
    end = _after_string(data, 4 + 8)
    at = _aligned(end, 4)
    count = _count(data, at)
    message = deserialize_message(data[:at] + COUNT.pack(0), Path)
    # No pose is shorter: a false count must not claim memory.
    numbers = np.empty((min(count, len(data) // (8 * POSE)), POSE))
    whole = np.frombuffer(data, np.uint8)
    read, foreign = _read_poses(whole, at + COUNT.size, whole[12 + COUNT.size : end], numbers)
    if foreign:
        refuse_frame(read, _text(data, foreign, _after_string(data, foreign)), message)
    if read < count:
        raise InputError(f'plan.poses ends after {read} of {count} poses')
    return message, numbers


class OdometryReader:
    """
    Reads odometry into one message, the same for all, without the covariances.

    They are 72 of the 85 numbers, and rclpy makes an array of them.
    """

    def __init__(self) -> None:
        self._message = Odometry()

    def read(self, data: bytes) -> Odometry:
        """
        Return the message that the bytes hold.

        Raises
        ------
        InputError
            The bytes end too early.

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
    """Return the string from its length on, without the zero at its end."""
    return data[at + COUNT.size : end].rstrip(b'\0').decode('utf-8', 'replace')


def _aligned(at: int, size: int) -> int:
    """Return the next place for a number of a size; places count from behind the first 4 bytes."""
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
    Fill numbers[N, 7] from the stamped poses at a place; return how many are good.

    A stamped pose is a time (8 bytes), the length and characters of its frame, and 7 numbers. The
    second result is the place of the length where a pose is in another frame, else 0.
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
