"""Observer of the demo: records every topic and collects the signals of the drive."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
import math
import time
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry, Path
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from std_msgs.msg import Bool

from mppi_ros.evaluation.summary import ObservedDrive
from mppi_ros.ros import conversions
from mppi_ros.ros.mcap_recorder import Recording, offered_qos

if TYPE_CHECKING:
    from mppi_ros.cli.demo_view import View

TRUTH, CONTACT = '/kinematic_simulator/ground_truth', '/kinematic_simulator/contact'
STATISTICS = '/mppi_controller/statistics'
COMMAND, PLAN = '/cmd_vel', '/plan'
DISCOVERY_PERIOD = 0.2  # [s] between searches for new topics


class Observer(Node):
    """
    Node that subscribes to every topic when it appears and records its messages.

    The signals of the drive are stored in `drive` with their time of reception.

    Attributes
    ----------
    state, reason : str
        Current state of the controller, and its reason.

    """

    def __init__(
        self, recording: Recording, drive: ObservedDrive, view: View | None = None
    ) -> None:
        """Start to search for topics; a view receives the topics that it displays."""
        super().__init__('mppi_demo')
        self.state = self.reason = ''
        self._drive = drive
        self._recording = recording
        self._view = view
        self._subscribed: set[str] = set()
        self._announced: set[str] = set()
        reliable = QoSProfile(depth=100)
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        # Subscribe to the required topics at once: those that are discovered miss first messages.
        for topic, message_type, read, qos in (
            (TRUTH, Odometry, self._on_truth, reliable),
            (CONTACT, Bool, self._on_contact, latched),
            (COMMAND, TwistStamped, self._on_command, reliable),
            (STATISTICS, DiagnosticArray, self._on_statistics, reliable),
            (PLAN, Path, self._on_plan, latched),
        ):
            self._subscribe(topic, message_type, qos, read)
        self.create_timer(DISCOVERY_PERIOD, self._discover_topics)

    def _discover_topics(self) -> None:
        for topic, (name, *_) in self.get_topic_names_and_types():
            publishers = self.get_publishers_info_by_topic(topic)
            if topic not in self._subscribed and publishers:
                package, _, kind = name.split('/')
                message_type = getattr(import_module(f'{package}.msg'), kind)
                qos = _request([publisher.qos_profile for publisher in publishers])
                self._subscribe(topic, message_type, qos)

    def _subscribe(
        self, topic: str, message_type: Any, qos: QoSProfile,
        read: Callable[[float, Any], None] | None = None,
    ) -> None:
        def receive(data: bytes, info: dict[str, int]) -> None:
            now = time.time_ns()
            if topic not in self._announced:
                self._announce(topic, message_type)
            self._recording.write(topic, data, now, info['source_timestamp'])
            view = self._view if self._view and topic in self._view.readers else None
            if read is None and view is None:
                return
            message = deserialize_message(data, message_type)
            if read is not None:
                read(now * 1e-9, message)
            if view is not None:
                view.show(now * 1e-9, topic, message)

        self._subscribed.add(topic)
        self.create_subscription(message_type, topic, receive, qos, raw=True)

    def _announce(self, topic: str, message_type: Any) -> None:
        self._announced.add(topic)
        package = message_type.__module__.split('.')[0]
        offered = [_policies(p.qos_profile) for p in self.get_publishers_info_by_topic(topic)]
        name = f'{package}/msg/{message_type.__name__}'
        self._recording.add_topic(topic, name, offered_qos(offered))

    def _on_truth(self, now: float, message: Any) -> None:
        odometry = conversions.odometry_from_msg(message, now)
        self._drive.truth.append((
            now, odometry.x, odometry.y, odometry.yaw, odometry.vx, odometry.vy, odometry.wz
        ))

    def _on_contact(self, now: float, message: Any) -> None:
        self._drive.touched |= message.data

    def _on_command(self, now: float, message: Any) -> None:
        command = conversions.command_from_msg(message.twist)
        self._drive.commands.append((now, command.vx, command.vy, command.wz))

    def _on_statistics(self, now: float, message: Any) -> None:
        (status,) = message.status
        values = {entry.key: entry.value for entry in status.values}
        self.state = values.pop('state', '')
        self.reason = values.pop('reason', '')
        numbers = {key: _number(value) for key, value in values.items()}
        self._drive.statistics.append((now, numbers))
        self._drive.states.append(self.state)

    def _on_plan(self, now: float, message: Any) -> None:
        self._drive.plan = conversions.path_from_msg(message)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _policies(profile: QoSProfile) -> dict[str, int]:
    numbers = ('history', 'depth', 'reliability', 'durability', 'liveliness')
    durations = ('deadline', 'lifespan', 'liveliness_lease_duration')
    return {
        **{name: int(getattr(profile, name)) for name in numbers},
        **{name: getattr(profile, name).nanoseconds for name in durations},
    }


def _request(offered: list[QoSProfile]) -> QoSProfile:
    """Return a quality of service that is compatible with that of all publishers."""

    def all_offer(policy: ReliabilityPolicy | DurabilityPolicy, name: str) -> bool:
        return all(getattr(profile, name) == policy for profile in offered)

    reliable = all_offer(ReliabilityPolicy.RELIABLE, 'reliability')
    latched = all_offer(DurabilityPolicy.TRANSIENT_LOCAL, 'durability')
    return QoSProfile(
        depth=100,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )
