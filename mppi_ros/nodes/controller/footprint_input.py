"""Optional input of the footprint, as Nav2 publishes it for robots that change their shape."""

from __future__ import annotations

from geometry_msgs.msg import PolygonStamped
import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.parameter import Parameter

from mppi_ros.control.controller import Controller
from mppi_ros.ros import executor
from mppi_ros.ros.qos import deliver, subscribe_latched
from mppi_ros.ros.transforms import TransformBuffer, TransformError, TransformPending

FOOTPRINT = 'robot.footprint'
MIN_CHANGE = 0.005  # [m] of a corner; smaller changes are noise of the transform


class FootprintInput:
    """
    Sets the parameter robot.footprint to the polygon of the topic `footprint`.

    A polygon in another frame than base_frame is transformed by tf2 at its stamp, since the robot
    has moved meanwhile; it waits for that transform until the next polygon. One that cannot be
    used is ignored with one warning per cause; the last footprint remains.

    Attributes
    ----------
    cause : str
        Why the latest polygon is ignored; '' if it is used, or before any.

    """

    def __init__(self, node: Node, controller: Controller, frames: TransformBuffer) -> None:
        """Create the subscription; `close` destroys it."""
        self.cause = ''
        self._node, self._controller, self._frames = node, controller, frames
        self._waiting: PolygonStamped | None = None  # for the transform at its stamp
        self._used: NDArray[np.float64] = np.empty((0, 2))  # [m] corners of the last polygon
        self._subscriptions = subscribe_latched(
            node, PolygonStamped, 'footprint', self.on_footprint,
            group=executor.PolledCallbackGroup(),
        )  # fmt: skip

    def close(self) -> None:
        """Destroy the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    @property
    def status(self) -> str:
        """Return 'none', 'used' or 'ignored: CAUSE'."""
        if self.cause:
            return f'ignored: {self.cause}'
        return 'used' if len(self._used) else 'none'

    def take(self) -> None:
        """Take the newest polygon, or the one that waits for its transform."""
        deliver(self._subscriptions)
        if self._waiting is not None:
            self.on_footprint(self._waiting)

    def on_footprint(self, message: PolygonStamped) -> None:
        """Set the parameter if the polygon differs from the last one."""
        before, waiting = self.cause, self._waiting
        try:
            self._waiting = None
            self.cause = self._set(message)
        except TransformPending as error:
            self._waiting = message
            if waiting is None or waiting is message:
                return
            self.cause = str(error)
        if self.cause and self.cause != before:
            self._node.get_logger().warning(f'footprint ignored: {self.cause}')

    def _set(self, message: PolygonStamped) -> str:
        """Return why the polygon is not used, '' if it is."""
        try:
            corners = self._corners(message)
        except TransformPending:
            raise
        except TransformError as error:
            return str(error)
        if not len(corners):
            return 'it has no corner'
        same = corners.shape == self._used.shape
        if same and np.abs(corners - self._used).max() < MIN_CHANGE:
            return ''
        value = np.round(corners, 4).ravel().tolist()
        (result,) = self._node.set_parameters([Parameter(FOOTPRINT, value=value)])
        if not result.successful:
            return str(result.reason)
        self._used = corners
        return ''

    def _corners(self, message: PolygonStamped) -> NDArray[np.float64]:
        """Return the corners in base_frame [m], float64[n, 2]; a closing corner is left out."""
        points = [(point.x, point.y, 0.0) for point in message.polygon.points]
        if len(points) > 1 and points[0] == points[-1]:
            points.pop()
        corners = np.array(points, np.float64).reshape(-1, 3)
        interface = self._controller.configuration.interface
        base, source = interface.base_frame, message.header.frame_id
        prefix = f"the polygon is in frame '{source}', the robot in '{base}'"
        stamp = message.header.stamp
        timeout = interface.transform_timeout
        shift = self._frames.find(prefix, source or base, base, timeout, stamp)
        moved: NDArray[np.float64] = shift.apply(corners)[:, :2]
        return moved
