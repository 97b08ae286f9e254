"""Frames of inputs: transformed where tf2 is installed, required to be equal where it is not."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.time import Time

from mppi_ros.control.tick_result import Reason
from mppi_ros.parameters.errors import InputError
from mppi_ros.ros.conversions import seconds_from_msg, yaw_from_msg

try:
    import tf2_ros
except ImportError:  # the ROS 2 wheels have no tf2
    tf2_ros = None


NEAR = 1e-3  # [m] [rad]
AHEAD = 2.0  # [s] that no localisation stamps its transform into the future, to keep it valid


class TransformError(InputError):
    """Frames differ and the transform between them is not known, or too old."""

    def __init__(self, code: Reason, words: str) -> None:
        super().__init__(words)
        self.code = code


class Transform2D(NamedTuple):
    """Pose of one frame in another: x [m], y [m], yaw [rad]."""

    x: float
    y: float
    yaw: float

    def apply(self, poses: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return poses float64[N, 3] of the frame in the other one."""
        cosine, sine = np.cos(self.yaw), np.sin(self.yaw)
        x, y = poses[:, 0], poses[:, 1]
        return np.column_stack((
            self.x + cosine * x - sine * y, self.y + sine * x + cosine * y, poses[:, 2] + self.yaw
        ))  # fmt: skip

    def is_near(self, other: Transform2D | None) -> bool:
        """Tell whether it makes no difference which of both is taken."""
        return other is not None and all(
            abs(mine - its) < NEAR for mine, its in zip(self, other, strict=True)
        )


SAME = Transform2D(0.0, 0.0, 0.0)


class TransformBuffer:
    """Finds how frames lie to each other."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._buffer: Any = None
        if tf2_ros is not None:
            self._buffer = tf2_ros.Buffer()
            self._listener = tf2_ros.TransformListener(self._buffer, node)

    def close(self) -> None:
        """Stop listening."""
        if self._buffer is not None:
            self._listener.unregister()

    def find(self, words: str, source: str, target: str, timeout: float = 0.0) -> Transform2D:
        """
        Return where frame `source` lies in frame `target`.

        The newest transform is taken: map and odom drift slowly against each other.

        Parameters
        ----------
        words : str
            What an error says before its reason.
        source, target : str
            The frames.
        timeout : float
            Age [s] at which a transform is refused; 0 trusts it for ever, like a static one.

        Raises
        ------
        TransformError
            The frames differ and no transform between them is known, or it is too old.

        """
        if source == target:
            return SAME
        if self._buffer is None:
            raise TransformError(
                Reason.TRANSFORM_MISSING,
                f'{words}: equal frames are required where tf2_ros is not installed',
            )
        try:
            found = self._buffer.lookup_transform(target, source, Time())
        except tf2_ros.ExtrapolationException as error:
            raise TransformError(Reason.TRANSFORM_OLD, f'{words}: {error}') from None
        except tf2_ros.TransformException as error:
            raise TransformError(Reason.TRANSFORM_MISSING, f'{words}: {error}') from None
        stamp = seconds_from_msg(found.header.stamp)
        age = float(self._node.get_clock().now().nanoseconds) * 1e-9 - stamp
        if stamp and age < -AHEAD:
            # tf2 holds it for newer than all that come, since the clock went back.
            self._buffer.clear()
            raise TransformError(
                Reason.TRANSFORM_OLD,
                f'{words}: the transform is stamped {-age:.2f} s in the future',
            )
        if stamp and timeout and age > timeout:  # static transforms have no stamp
            raise TransformError(
                Reason.TRANSFORM_OLD,
                f'{words}: the transform is {age:.2f} s old, limit {timeout:g} s',
            )
        place, turn = found.transform.translation, found.transform.rotation
        return Transform2D(place.x, place.y, yaw_from_msg(turn))

    def transform(
        self, poses: NDArray[np.float64], what: str, source: str, target: str
    ) -> NDArray[np.float64]:
        """Return poses float64[N, 3] given in frame `source` in frame `target`; see `find`."""
        if source == target:
            return poses
        words = f"{what} is in frame '{source}', the map in '{target}'"
        return self.find(words, source, target).apply(poses)
