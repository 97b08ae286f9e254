"""Frames of inputs: transformed where tf2 is installed, required to be equal where it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.time import Time

from mppi_ros.control.report import Reason
from mppi_ros.mppi.errors import InputError
from mppi_ros.nodes.conversions import yaw_from_msg

try:
    import tf2_ros
except ImportError:  # the ROS 2 wheels have no tf2
    tf2_ros = None


class TransformError(InputError):
    """Frames differ and the transform between them is not known, or too old."""

    def __init__(self, code: Reason, words: str) -> None:
        super().__init__(words)
        self.code = code


class Frames:
    """Brings poses from one frame into another."""

    def __init__(self, node: Node) -> None:
        self._buffer: Any = None
        if tf2_ros is not None:
            self._buffer = tf2_ros.Buffer()
            self._listener = tf2_ros.TransformListener(self._buffer, node)

    def close(self) -> None:
        """Stop listening."""
        if self._buffer is not None:
            self._listener.unregister()

    def transform(
        self, poses: NDArray[np.float64], what: str, source: str, target: str
    ) -> NDArray[np.float64]:
        """
        Return poses float64[N, 3] given in frame `source` in frame `target`.

        The newest transform is taken: map and odom drift slowly against each other.

        Raises
        ------
        TransformError
            The frames differ and no transform between them is known; `what` names the input.

        """
        if source == target:
            return poses
        if self._buffer is None:
            raise TransformError(
                Reason.TRANSFORM_MISSING,
                f"{what} is in frame '{source}', the costmap in '{target}': equal frames are "
                f'required where tf2_ros is not installed'
            )
        try:
            found = self._buffer.lookup_transform(target, source, Time())
        except tf2_ros.TransformException as error:
            raise TransformError(
                Reason.TRANSFORM_MISSING,
                f"{what} is in frame '{source}', the costmap in '{target}': {error}"
            ) from None
        shift, yaw = found.transform.translation, yaw_from_msg(found.transform.rotation)
        cosine, sine = np.cos(yaw), np.sin(yaw)
        x, y = poses[:, 0], poses[:, 1]
        return np.column_stack(
            (shift.x + cosine * x - sine * y, shift.y + sine * x + cosine * y, poses[:, 2] + yaw)
        )
