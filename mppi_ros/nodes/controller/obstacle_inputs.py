"""Optional inputs that show moving obstacles: a scan, and the objects of a detector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import LaserScan

from mppi_ros.control.controller import Controller
from mppi_ros.parameters.errors import InputError, ParameterError
from mppi_ros.ros import conversions, executor
from mppi_ros.ros.conversions import SensorMount
from mppi_ros.ros.transforms import TransformBuffer, TransformError, TransformPending

try:
    from autoware_perception_msgs.msg import TrackedObjects
except ImportError:  # optional, as nav2_msgs is
    TrackedObjects = None

NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
UNTIMELY_SCAN = 'the odometry does not cover its stamp, or it is not newer than the last one'
UNTIMELY_OBSTACLES = 'they are not newer than the last ones'
MAX_WARNINGS = 20  # causes that are logged


class ObstacleInputs:
    """
    Subscribes to scans and to the objects of a detector and passes them to the controller.

    A tick takes the newest message of each. One that cannot be used is ignored, with one warning
    per cause: the costmap is required in any case and shows every obstacle.

    Attributes
    ----------
    causes : dict of str to str
        Why the latest message of an input is ignored; '' if it is used.

    """

    def __init__(self, node: Node, controller: Controller, frames: TransformBuffer) -> None:
        """Create the subscriptions; `close` destroys them."""
        self.causes: dict[str, str] = {}
        self._node, self._controller, self._frames = node, controller, frames
        self._mount: tuple[tuple[str, str], SensorMount] | None = None  # of which frames
        self._waiting: Any = None  # objects that wait for the transform at their stamp
        self._warned: set[tuple[str, str]] = set()
        self._frame = ''  # of the costmap
        self._scan = self._subscribe(LaserScan, 'scan', self.on_scan)
        self._detector: Subscription | None = None
        if controller.configuration.interface.obstacles_type != 'none':
            if TrackedObjects is None:
                raise ParameterError(
                    'obstacles_type = tracked_objects needs the package autoware_perception_msgs'
                )
            self._detector = self._subscribe(TrackedObjects, 'obstacles', self.on_obstacles)

    def close(self) -> None:
        """Destroy the subscriptions."""
        for subscription in filter(None, (self._scan, self._detector)):
            self._node.destroy_subscription(subscription)

    def take(self, frame: str) -> None:
        """Take the newest messages; `frame` is that of the costmap."""
        self._frame = frame
        for subscription, uses in (
            (self._scan, self._uses_scan), (self._detector, self._tracking.enabled)
        ):  # fmt: skip
            message = executor.poll_message(subscription) if subscription and uses else None
            if subscription is not None and message is not None:
                subscription.callback(message)
        if self._waiting is not None:
            self.on_obstacles(self._waiting)

    def status(self, now: float) -> dict[str, str]:
        """Return of each input whether it is used at a time [s], and why not."""
        found = {'scan': self._state('scan', self._controller.tracks_scans(now))}
        if not self._uses_scan:
            found['scan'] = 'off'
        if self._detector is not None:
            found['obstacles'] = self._state('obstacles', self._controller.uses_detections(now))
        return found

    def on_scan(self, message: LaserScan) -> None:
        """Track the obstacles in a scan."""

        def take() -> str:
            mount = self._mount_of(message.header.frame_id)
            scan = conversions.scan_from_msg(message, self._stamp(message), mount)
            return '' if self._controller.set_scan(scan) else UNTIMELY_SCAN

        self._accept('scan', message.header.frame_id, take)

    def on_obstacles(self, message: Any) -> None:
        """Take the objects of a detector, whose frame may move with the robot."""
        source = message.header.frame_id
        waiting, self._waiting = self._waiting, None

        def take() -> str:
            target = self._frame
            if not target:
                return 'there is no costmap yet'
            prefix = f"the objects are in frame '{source}', the costmap in '{target}'"
            timeout = self._controller.configuration.interface.transform_timeout
            try:
                shift = self._frames.find(prefix, source, target, timeout, message.header.stamp)
            except TransformPending:
                self._waiting = message
                if waiting is None or waiting is message:
                    return self.causes.get('obstacles', '')
                raise
            stamp = self._stamp(message)
            found = conversions.obstacles_from_msg(message, stamp, shift)
            return '' if self._controller.set_obstacles(stamp, *found) else UNTIMELY_OBSTACLES

        self._accept('obstacles', source, take)

    @property
    def _tracking(self) -> Any:
        return self._controller.configuration.moving_obstacles

    @property
    def _uses_scan(self) -> bool:
        return bool(self._tracking.enabled and self._tracking.use_scan)

    def _subscribe(
        self, kind: type[Any], topic: str, callback: Callable[[Any], None]
    ) -> Subscription:
        return self._node.create_subscription(
            kind, topic, callback, NEWEST, callback_group=executor.PolledCallbackGroup(),
            event_callbacks=executor.SUBSCRIPTION,
        )  # fmt: skip

    def _state(self, what: str, used: bool) -> str:
        if cause := self.causes.get(what):
            return f'ignored: {cause}'
        return 'used' if used else 'none'

    def _accept(self, what: str, frame: str, take: Callable[[], str]) -> None:
        """Call `take`, which returns why a message is ignored; log each cause once."""
        try:
            cause = kind = take()
        except TransformError as error:
            cause, kind = str(error), frame
        except InputError as error:
            cause = str(error)
            kind = cause.partition(' = ')[0]
        except Exception as error:  # a programming error must not stop the robot here
            cause = kind = f'{type(error).__name__}: {error}'
        self.causes[what] = cause
        known = (what, kind) in self._warned or len(self._warned) >= MAX_WARNINGS
        if cause and not known and self._frame:
            self._warned.add((what, kind))
            self._node.get_logger().warning(f'{what} ignored: {cause}')

    def _mount_of(self, frame: str) -> SensorMount:
        """Return the mounting pose of the scanner with a frame, which does not change."""
        base = self._controller.configuration.interface.base_frame
        source = frame or base
        if self._mount is None or self._mount[0] != (source, base):
            prefix = f"the scan is in frame '{source}', base_frame is '{base}'"
            self._mount = (source, base), self._frames.find_mount(prefix, source, base)
        return self._mount[1]

    def _stamp(self, message: Any) -> float:
        return conversions.stamp_or_now(message.header.stamp, self._node.get_clock())
