"""Subscriptions of the live page to one controller, found by type in the ROS graph."""

from __future__ import annotations

from collections.abc import Callable
import contextlib
from functools import partial
import math
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PolygonStamped, PoseStamped, Twist, TwistStamped
from nav_msgs.msg import OccupancyGrid, Odometry, Path
import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription
from visualization_msgs.msg import MarkerArray

from mppi_ros.dashboard.history import Layer, Points, Scene
from mppi_ros.dashboard.layers import grid_layer, path_layer, points
from mppi_ros.dashboard.signals import read_statistics
from mppi_ros.parameters.errors import InputError
from mppi_ros.ros import cdr, conversions, executor, markers
from mppi_ros.ros.qos import subscribe_latched
from mppi_ros.ros.transforms import TransformBuffer

NEWEST = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.BEST_EFFORT, durability=DurabilityPolicy.VOLATILE
)
GRID_PERIOD = 0.5  # [s] between images of the costmap
CANDIDATES, STATISTICS = '/candidate_trajectories', '/statistics'
MARKERS = 'visualization_msgs/msg/MarkerArray'
ODOMETRY, GRID = 'nav_msgs/msg/Odometry', 'nav_msgs/msg/OccupancyGrid'
PATH, POSE = 'nav_msgs/msg/Path', 'geometry_msgs/msg/PoseStamped'
COMMANDS = {
    'geometry_msgs/msg/TwistStamped': TwistStamped, 'geometry_msgs/msg/Twist': Twist
}


def controllers_of(node: Node) -> list[str]:
    """Return the full names of all controllers in the graph."""
    topics = {topic for topic, types in node.get_topic_names_and_types() if MARKERS in types}
    return sorted(
        topic.removesuffix(CANDIDATES) for topic in topics
        # RViz and other pages subscribe to this topic of a controller that does not run.
        if topic.endswith(CANDIDATES) and node.count_publishers(topic)
    )  # fmt: skip


class DashboardInputs:
    """
    Latest messages of one controller and of the topics that it uses.

    `poll` reads the newest message of each topic; most topics do not wake the executor.

    Attributes
    ----------
    received : float
        Time of the last statistics [s].
    state, code, reason : str
        As in the statistics.
    level : int
        Of the statistics: 0 ok, 1 warning, 2 error.
    signals, costs : dict
        Numbers of the statistics, odometry and commands, and costs of the critics [s].
    frame : str
        Frame of the scene, that of the costmap.

    """

    def __init__(self, node: Node, controller: str, now: Callable[[], float]) -> None:
        """Subscribe to the statistics; `find_topics` adds the others, `close` destroys all."""
        self._node, self._now = node, now
        self.controller = controller
        self.received = -math.inf
        self.state = self.code = self.reason = self.frame = ''
        self.level = 0
        self.signals: dict[str, float] = {}
        self.costs: dict[str, float] = {}
        self.goal_topic = ''
        self._watched = False
        self._goal: Any = None
        self._group = executor.PolledCallbackGroup()
        self._polled: dict[str, tuple[Subscription, Callable[[bytes], None]]] = {}
        self._latched: dict[str, list[Subscription]] = {}
        self._readers: dict[str, Callable[[bytes], None]] = {}
        self._pending: dict[str, bytes] = {}  # newest message of each, until it is read
        self._frames: TransformBuffer | None = None
        self._pose: tuple[str, NDArray[np.float64]] | None = None
        self._plan: tuple[str, NDArray[np.float64]] | None = None
        self._plan_layer: Layer | None = None
        self._grids: dict[str, tuple[bytes, Layer]] = {}
        self._grid_time = -math.inf
        self._footprint: Points = []
        self._optimal: Points = []
        self._candidates: list[Points] = []
        self._weights: list[float] = []
        self._obstacles: list[list[float]] = []
        self._sampling: dict[str, list[float]] = {}
        self._poll(controller + STATISTICS, DiagnosticArray, self._on_statistics)

    @property
    def namespace(self) -> str:
        """Return the namespace of the controller, '' for the root."""
        return self.controller.rpartition('/')[0]

    def close(self) -> None:
        """Destroy all subscriptions."""
        for topic in tuple(self._polled):
            self._unsubscribe(topic)
        for subscriptions in self._latched.values():
            for subscription in subscriptions:
                self._node.destroy_subscription(subscription)
        self._latched.clear()
        if self._goal is not None:
            self._node.destroy_publisher(self._goal)
            self._goal = None
        if self._frames is not None:
            self._frames.close()
            self._frames = None

    def find_topics(self) -> None:
        """Subscribe to the topics that the controller uses, also where they are remapped."""
        name = self.controller.rpartition('/')[2]
        try:
            taken = self._node.get_subscriber_names_and_types_by_node(name, self.namespace or '/')
            sent = self._node.get_publisher_names_and_types_by_node(name, self.namespace or '/')
        except Exception:  # the node is not in the graph, or no longer; rclpy has no public class
            return
        used = {types[0]: topic for topic, types in taken}
        if ODOMETRY in used:
            self._poll(used[ODOMETRY], Odometry, self._on_odometry)
        if GRID in used:
            self._latch('costmap', used[GRID], OccupancyGrid, self._on_costmap)
        if PATH in used:
            self._latch('plan', used[PATH], Path, self._on_plan)
        self.goal_topic = used.get(POSE, f'{self.namespace}/goal_pose')
        for topic, types in sent:
            if types[0] in COMMANDS:
                kind = COMMANDS[types[0]]
                self._poll(topic, kind, partial(self._on_command, kind))
        for topic in (f'{self.namespace}/map', '/map'):
            if self._node.count_publishers(topic):
                self._latch('map', topic, OccupancyGrid, self._on_map)
                break

    def watch(self, watched: bool) -> None:
        """Subscribe to the topics that the controller computes only while they are subscribed."""
        self._watched = watched
        for topic, kind, read in (
            ('optimal_trajectory', Path, self._on_optimal),
            ('candidate_trajectories', MarkerArray, self._on_candidates),
            ('moving_obstacles', MarkerArray, self._on_obstacles),
            ('sampling', DiagnosticArray, self._on_sampling),
            ('footprint', PolygonStamped, self._on_footprint),
        ):
            full = f'{self.controller}/{topic}'
            if watched:
                self._poll(full, kind, read)
            else:
                self._unsubscribe(full)

    def send_goal(self, x: float, y: float, yaw: float) -> str:
        """Publish a goal pose in the frame of the scene; return what was done."""
        if not self.frame:
            return 'no goal sent: its frame is that of the costmap, and there is no costmap yet'
        topic = self.goal_topic or f'{self.namespace}/goal_pose'
        if self._goal is None:
            self._goal = self._node.create_publisher(PoseStamped, topic, 1)
        message = PoseStamped(pose=conversions.pose_to_msg(x, y, yaw))
        message.header.frame_id = self.frame
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._goal.publish(message)
        return f'goal ({x:.2f}, {y:.2f}) m, {math.degrees(yaw):.0f}° sent on {topic}'

    def prepare_goal(self) -> None:
        """Advertise the goal topic, so that its subscribers are known before the first goal."""
        if self._goal is None and self.goal_topic:
            self._goal = self._node.create_publisher(PoseStamped, self.goal_topic, 1)

    def poll(self) -> None:
        """Take the newest message of each topic; a malformed message is ignored."""
        for subscription, read in tuple(self._polled.values()):
            found = executor.poll_message(subscription)
            if found is not None:
                with contextlib.suppress(InputError, ValueError):
                    read(found)
        if not self._watched and self.frame:
            return  # grids and plan, which are costly, are read when a page is opened
        for what, read in tuple(self._readers.items()):
            if (data := self._pending.pop(what, None)) is not None:
                with contextlib.suppress(InputError, ValueError):
                    read(data)

    def scene(self) -> Scene:
        """Return the scene of now, and write the pose into the signals."""
        pose = self._transformed(self._pose)
        x, y, yaw = (math.nan,) * 3 if pose is None else pose[0].tolist()
        self.signals.update(x=x, y=y, yaw=yaw)
        if self._plan_layer is None and (plan := self._transformed(self._plan)) is not None:
            self._plan_layer = path_layer(plan)
        costmap, map_ = self._grids.get('costmap'), self._grids.get('map')
        return Scene(
            self._footprint, self._optimal, self._candidates, self._weights, self._obstacles,
            None if costmap is None else costmap[1], None if map_ is None else map_[1],
            self._plan_layer, self._sampling,
        )  # fmt: skip

    def _transformed(
        self, found: tuple[str, NDArray[np.float64]] | None
    ) -> NDArray[np.float64] | None:
        """Return poses in the frame of the scene; None if that is not possible."""
        if found is None:
            return None
        frame, poses = found
        if not self.frame or frame in ('', self.frame):
            return poses
        if self._frames is None:
            self._frames = TransformBuffer(self._node)
        try:
            return self._frames.transform(poses, 'a message', frame, self.frame)
        except InputError:
            return None

    def _poll(self, topic: str, kind: type[Any], read: Callable[[bytes], None]) -> None:
        if topic not in self._polled:
            subscription = self._node.create_subscription(
                kind, topic, lambda message: None, NEWEST, raw=True,
                callback_group=self._group, event_callbacks=executor.SUBSCRIPTION,
            )  # fmt: skip
            self._polled[topic] = subscription, read

    def _unsubscribe(self, topic: str) -> None:
        if topic in self._polled:
            self._node.destroy_subscription(self._polled.pop(topic)[0])

    def _latch(
        self, what: str, topic: str, kind: type[Any], read: Callable[[bytes], None]
    ) -> None:
        if what not in self._latched:
            # Not polled: the event handler of this subscription would wake the executor without
            # end while a message is pending.
            self._readers[what] = read
            self._latched[what] = subscribe_latched(
                self._node, kind, topic, partial(self._pending.__setitem__, what), raw=True
            )

    def _on_statistics(self, data: bytes) -> None:
        message = deserialize_message(data, DiagnosticArray)
        (status,) = message.status
        values = {entry.key: entry.value for entry in status.values}
        self.state, self.code = values.get('state', ''), values.get('code', '')
        self.reason = values.get('reason', '')
        self.level = status.level[0]
        signals, self.costs = read_statistics(values)
        self.signals.update(signals, stamp=conversions.seconds_from_msg(message.header.stamp))
        self.received = self._now()

    def _on_odometry(self, data: bytes) -> None:
        message = deserialize_message(data, Odometry)
        odometry = conversions.odometry_from_msg(message, 0.0)
        pose = np.array([[odometry.x, odometry.y, odometry.yaw]])
        self._pose = message.header.frame_id, pose
        self.signals.update(vx=odometry.vx, vy=odometry.vy, wz=odometry.wz)

    def _on_command(self, kind: type[Any], data: bytes) -> None:
        message = deserialize_message(data, kind)
        command = conversions.command_from_msg(message.twist if kind is TwistStamped else message)
        self.signals.update(
            command_vx=command.vx, command_vy=command.vy, command_wz=command.wz
        )

    def _on_costmap(self, data: bytes) -> None:
        if self._now() - self._grid_time < GRID_PERIOD:
            self._pending.setdefault('costmap', data)
            return
        self._grid_time = self._now()
        self.frame = self._take_grid('costmap', data)

    def _on_map(self, data: bytes) -> None:
        frame = self._take_grid('map', data)
        if self.frame and frame != self.frame:
            self._grids.pop('map', None)  # a grid is drawn in its own frame only

    def _take_grid(self, name: str, data: bytes) -> str:
        message, cells = cdr.grid_from_bytes(data)
        grid = conversions.costmap_from_msg(message, cells)
        place = np.array([grid.resolution, grid.origin_x, grid.origin_y]).tobytes()
        content = place + grid.data.tobytes()
        if name not in self._grids or self._grids[name][0] != content:
            layer = grid_layer(grid.data, grid.resolution, grid.origin_x, grid.origin_y)
            self._grids[name] = content, layer
        return str(message.header.frame_id)

    def _on_plan(self, data: bytes) -> None:
        message, numbers = cdr.path_from_bytes(data)
        self._plan = message.header.frame_id, conversions.path_from_msg(message, numbers)
        self._plan_layer = None

    def _on_optimal(self, data: bytes) -> None:
        _, numbers = cdr.path_from_bytes(data)
        self._optimal = points(numbers)

    def _on_footprint(self, data: bytes) -> None:
        message = deserialize_message(data, PolygonStamped)
        corners = np.array([(p.x, p.y) for p in message.polygon.points]).reshape(-1, 2)
        self._footprint = points(corners)

    def _on_candidates(self, data: bytes) -> None:
        trajectories: list[Points] = []
        weights: list[float] = []
        for marker in deserialize_message(data, MarkerArray).markers:
            ends = [[round(p.x, 3), round(p.y, 3)] for p in marker.points]
            last = None
            for i in range(0, len(ends) - 1, 2):
                if not np.isfinite(ends[i : i + 2]).all():
                    continue
                if last is None or ends[i] != last:
                    trajectories.append([ends[i]])
                    weights.append(round(marker.colors[i].r ** 2, 12))
                trajectories[-1].append(ends[i + 1])
                last = ends[i + 1]
        self._candidates, self._weights = trajectories, weights

    def _on_sampling(self, data: bytes) -> None:
        (status,) = deserialize_message(data, DiagnosticArray).status
        self._sampling = {
            entry.key: [float(number) for number in entry.value.split()]
            for entry in status.values
        }  # fmt: skip

    def _on_obstacles(self, data: bytes) -> None:
        rows = markers.obstacles_from_msg(deserialize_message(data, MarkerArray))
        self._obstacles = np.round(rows, 3).tolist()
