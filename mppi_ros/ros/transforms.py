"""Transforms between the frames of inputs; without tf2 the frames must be equal."""

from __future__ import annotations

import math
from typing import Any

from builtin_interfaces.msg import Time as Stamp
import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.time import Time

from mppi_ros.control.tick_result import Reason
from mppi_ros.parameters.errors import InputError
from mppi_ros.ros.conversions import (
    SensorMount,
    Transform2D,
    seconds_from_msg,
    yaw_from_msg,
)

try:
    import tf2_ros
except ImportError:  # not part of the ROS 2 wheels
    tf2_ros = None


MAX_TILT = 0.2  # [rad] of a planar sensor from the horizontal
AHEAD = 2.0  # [s] larger than any post-dating of a transform by a localisation node


class TransformError(InputError):
    """The frames differ, and the transform between them is unavailable or too old."""

    def __init__(self, code: Reason, message: str) -> None:
        super().__init__(message)
        self.code = code


class TransformPending(TransformError):
    """The transform at a stamp has not arrived yet."""


SAME = Transform2D(0.0, 0.0, 0.0)


class TransformBuffer:
    """Looks up planar transforms between frames."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._buffer: Any = None
        if tf2_ros is not None:
            self._buffer = tf2_ros.Buffer()
            self._listener = tf2_ros.TransformListener(self._buffer, node)

    def close(self) -> None:
        """Destroy the transform listener."""
        if self._buffer is not None:
            self._listener.unregister()

    def find(
        self, prefix: str, source: str, target: str, timeout: float = 0.0,
        stamp: Stamp | None = None,
    ) -> Transform2D:
        """
        Return the pose of frame `source` in frame `target`.

        Without a stamp, the latest transform is used, since map and odom drift slowly relative to
        each other. Between a frame of the robot and a fixed one, the stamp of the message matters.

        Parameters
        ----------
        prefix : str
            Begin of the error message.
        source, target : str
            Names of the frames.
        timeout : float
            Age at which a transform is rejected [s]; 0 accepts any age, as for a static transform.
        stamp : builtin_interfaces.msg.Time, optional
            Time of the transform, to which `timeout` does not apply; zero means the latest.

        Raises
        ------
        TransformError
            The frames differ, and the transform between them is unavailable or too old.
        TransformPending
            The latest transform is older than the stamp.

        """
        if source == target:
            return SAME
        found = self._look_up(prefix, source, target, timeout, stamp).transform
        place = found.translation
        return Transform2D(place.x, place.y, yaw_from_msg(found.rotation))

    def find_mount(self, prefix: str, source: str, target: str) -> SensorMount:
        """
        Return the pose of a planar sensor with the frame `source` in frame `target`; see `find`.

        Raises
        ------
        TransformError
            As `find`.
        InputError
            The sensor is tilted by more than MAX_TILT.

        """
        if source == target:
            return SensorMount(*SAME, 1.0)
        found = self._look_up(prefix, source, target, 0.0).transform
        place, turn = found.translation, found.rotation
        upward = 1.0 - 2.0 * (turn.x**2 + turn.y**2)
        if not abs(upward) >= math.cos(MAX_TILT):
            tilt = math.acos(min(abs(upward), 1.0))
            raise InputError(
                f'{prefix}: it is tilted by {tilt:.2f} rad, at most {MAX_TILT} rad are possible'
            )
        return SensorMount(place.x, place.y, yaw_from_msg(turn), math.copysign(1.0, upward))

    def _look_up(
        self, prefix: str, source: str, target: str, timeout: float, at: Stamp | None = None
    ) -> Any:
        """Return the transform between different frames; see `find`."""
        if self._buffer is None:
            raise TransformError(
                Reason.TRANSFORM_MISSING,
                f'{prefix}: equal frames are required without tf2_ros',
            )
        time = Time() if at is None else Time.from_msg(at)
        try:
            found = self._buffer.lookup_transform(target, source, time)
        except tf2_ros.ExtrapolationException as error:
            if time.nanoseconds:
                latest = self._look_up(prefix, source, target, 0.0).header.stamp
                if Time.from_msg(latest).nanoseconds < time.nanoseconds:
                    raise TransformPending(
                        Reason.TRANSFORM_OLD,
                        f'{prefix}: the transform at the stamp has not arrived yet',
                    ) from None
            raise TransformError(Reason.TRANSFORM_OLD, f'{prefix}: {error}') from None
        except tf2_ros.TransformException as error:
            raise TransformError(Reason.TRANSFORM_MISSING, f'{prefix}: {error}') from None
        stamp = seconds_from_msg(found.header.stamp)
        age = float(self._node.get_clock().now().nanoseconds) * 1e-9 - stamp
        if stamp and age < -AHEAD:
            # After the clock jumped back, tf2 considers it newer than all later ones.
            self._buffer.clear()
            raise TransformError(
                Reason.TRANSFORM_OLD,
                f'{prefix}: the transform is stamped {-age:.2f} s in the future',
            )
        is_latest = not time.nanoseconds
        if stamp and timeout and is_latest and age > timeout:  # static transforms have no stamp
            raise TransformError(
                Reason.TRANSFORM_OLD,
                f'{prefix}: the transform is {age:.2f} s old, limit {timeout:g} s',
            )
        return found

    def transform(
        self, poses: NDArray[np.float64], what: str, source: str, target: str
    ) -> NDArray[np.float64]:
        """Transform poses float64[N, 3] from frame `source` to frame `target`; see `find`."""
        if source == target:
            return poses
        prefix = f"{what} is in frame '{source}', the map in '{target}'"
        return self.find(prefix, source, target).apply(poses)
