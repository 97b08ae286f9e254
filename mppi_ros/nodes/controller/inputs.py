"""
Convert ROS messages to controller inputs, or reject them with a fault.

More than 400 lines: the inputs share the frame of the costmap, and their faults.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
import math
from typing import Any

from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import OccupancyGrid, Odometry, Path
import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rclpy.subscription import Subscription
from std_msgs.msg import Header

from mppi_ros.control.controller import Controller
from mppi_ros.control.inputs import Odometry as Measured
from mppi_ros.control.tick_result import Fault, Reason
from mppi_ros.driving.costmap import Costmap
from mppi_ros.nodes.controller.footprint_input import FootprintInput
from mppi_ros.nodes.controller.obstacle_inputs import ObstacleInputs
from mppi_ros.parameters.errors import InputError, ParameterError
from mppi_ros.ros import cdr, conversions, executor
from mppi_ros.ros.conversions import Transform2D
from mppi_ros.ros.qos import deliver, subscribe_latched
from mppi_ros.ros.transforms import TransformBuffer, TransformError, TransformPending

try:
    from map_msgs.msg import OccupancyGridUpdate
except ImportError:  # optional, as nav2_msgs is
    OccupancyGridUpdate = None
try:
    from nav2_msgs.msg import Costmap as Nav2Costmap
except ImportError:
    Nav2Costmap = None
try:
    from nav2_msgs.msg import CostmapUpdate
except ImportError:  # since Jazzy
    CostmapUpdate = None

MAX_PENDING_UPDATES = 100  # costmap updates that are queued before they are applied
NO_PLAN = np.empty((0, 3))
ODOMETRY_QOS = QoSProfile(depth=20, reliability=ReliabilityPolicy.BEST_EFFORT)


@dataclass(frozen=True)
class PlanMessage:
    """Poses of a plan or of a single goal, in the frame of the message."""

    frame: str
    stamp: float
    poses: NDArray[np.float64]
    is_goal: bool


class ControllerInputs:
    """
    Subscribes to odometry, costmap, plan and goal and passes them to the controller.

    Messages stay in the middleware queue until a tick calls `take`. A tick takes at most one
    costmap, one plan and one goal: the most recent ones.

    Attributes
    ----------
    faults : dict of str to Fault
        Fault per rejected input; the next accepted message clears it.
    frame : str
        Frame of the costmap, in which the controller plans.
    odometry : Odometry or None
        Most recent odometry, in `frame`.
    plan : float64[N, 3]
        Poses of the plan or the goal in `frame`: x [m], y [m], yaw [rad]; empty without one.
    obstacles : ObstacleInputs
        The optional inputs that show moving obstacles.
    footprint : FootprintInput
        The optional input of the footprint.

    """

    def __init__(self, node: Node, controller: Controller, seen_plans: deque[int]) -> None:
        """
        Create the subscriptions; `close` destroys them.

        A latched plan that is in the history `seen_plans` is not taken again.
        """
        self.faults: dict[str, Fault] = {}
        self.frame = ''
        self.odometry: Measured | None = None
        self.plan = NO_PLAN
        self._node = node
        self._controller = controller
        self._route: PlanMessage | None = None
        self._followed: PlanMessage | None = None
        self._shift: Transform2D | None = None  # applied to the plan
        self._grid: Costmap | None = None
        self._raw_odometry: Odometry | None = None
        self._updates: list[Any] = []
        self._costmap_stamp = 0.0  # [s] of the last complete costmap
        self._planned = False  # logged that goal_pose is ignored
        self._reader = cdr.OdometryReader()
        self._frames = TransformBuffer(node)
        self._odom = node.create_subscription(
            Odometry, 'odom', self.on_odom, ODOMETRY_QOS, raw=True,
            callback_group=executor.PolledCallbackGroup(), event_callbacks=executor.SUBSCRIPTION,
        )  # fmt: skip
        self.obstacles = ObstacleInputs(node, controller, self._frames)
        self.footprint = FootprintInput(node, controller, self._frames)
        self._costmaps = self._subscribe_costmap()
        self._parts: list[Subscription] = []
        kind = OccupancyGridUpdate
        if controller.configuration.interface.costmap_type == 'nav2_costmap':
            kind = CostmapUpdate
        if kind is not None:
            # Every update is needed, so a callback queues them instead of polling.
            updates = node.resolve_topic_name('costmap') + '_updates'
            self._parts = [node.create_subscription(kind, updates, self.keep_update, 10)]
        self._goals: list[Subscription] = []
        self._plans: list[Subscription] = []
        if not controller.configuration.follow_path.enabled:
            goal = node.create_subscription(
                PoseStamped, 'goal_pose', self.on_goal, 1,
                callback_group=executor.PolledCallbackGroup(),
            )  # fmt: skip
            self._goals = [goal]
            self._plans = subscribe_latched(
                node, Path, 'plan', self.on_plan, raw=True, group=executor.PolledCallbackGroup(),
                seen=seen_plans,
            )  # fmt: skip

    def close(self) -> None:
        """Destroy the subscriptions."""
        self.obstacles.close()
        self.footprint.close()
        self._frames.close()
        for subscription in (
            self._odom, *self._costmaps, *self._parts, *self._goals, *self._plans
        ):  # fmt: skip
            self._node.destroy_subscription(subscription)

    @property
    def fault(self) -> Fault | None:
        """Return the first input fault; None without one."""
        return next(iter(self.faults.values()), None)

    def take(self) -> None:
        """Take the most recent message of each kind received since the previous tick."""
        self.take_odometry()
        self.footprint.take()
        self.obstacles.take(self.frame)
        self._take_costmaps()
        for subscription in self._goals:
            message = executor.poll_message(subscription)
            if message is not None:
                self.on_goal(message)
        deliver(self._plans)

    def take_odometry(self) -> None:
        """Process queued odometry, at most one queue depth per tick."""
        for _ in range(ODOMETRY_QOS.depth):
            data = executor.poll_message(self._odom)
            if data is None:
                break
            self.on_odom(data)

    def on_odom(self, data: Odometry | bytes) -> None:
        """Take odometry, serialised or not, and transform it into the costmap frame."""

        def take() -> None:
            message = self._reader.read(data) if isinstance(data, bytes) else data
            self._raw_odometry = message
            odometry = conversions.odometry_from_msg(message, self._stamp(message.header))
            interface = self._controller.configuration.interface
            base, child = interface.base_frame, message.child_frame_id
            if child not in ('', base):
                mismatch = (
                    f"base_frame is '{base}', the child frame of the odometry is '{child}'"
                )
                lever = self._frames.find(mismatch, base, child)
                odometry = _at_base(odometry, lever)
            source = message.header.frame_id
            if source != (self.frame or source):
                shift = self._find('odometry', source)
                pose = np.array([[odometry.x, odometry.y, odometry.yaw]])
                x, y, yaw = shift.apply(pose)[0]
                odometry = replace(odometry, x=x, y=y, yaw=yaw)
            self._controller.set_odometry(odometry)
            self.odometry = odometry

        self._accept('odometry', take)

    def on_costmap(self, data: bytes) -> None:
        """Take a serialised OccupancyGrid; its frame becomes the planning frame."""

        def take() -> None:
            message, cells = cdr.grid_from_bytes(data)
            self._take_costmap(message.header, conversions.costmap_from_msg(message, cells))
            self._costmap_stamp = conversions.seconds_from_msg(message.header.stamp)

        self._accept('costmap', take)
        self._keep_up()

    def on_nav2_costmap(self, message: Any) -> None:
        """Take a nav2_msgs/Costmap."""
        def take() -> None:
            self._take_costmap(message.header, conversions.costmap_from_nav2_msg(message))
            self._costmap_stamp = conversions.seconds_from_msg(message.header.stamp)

        self._accept('costmap', take)
        self._keep_up()

    def keep_update(self, message: Any) -> None:
        """Queue a costmap update until the next tick or until the queue is full."""
        self._updates.append(message)
        if len(self._updates) >= MAX_PENDING_UPDATES:
            self._take_costmaps()

    def _take_costmaps(self) -> None:
        deliver(self._costmaps)
        if self._updates:
            updates, self._updates = self._updates, []
            self.on_costmap_updates(updates)

    def on_costmap_updates(self, messages: Sequence[Any]) -> None:
        """
        Apply updates to the last complete costmap; without one they are ignored.

        The costmap is copied once for all updates. A rejected update is a fault unless a valid one
        follows it.
        """
        if self._grid is None:
            return
        grid = self._grid
        messages = [message for message in messages if not self._is_outdated(message)]
        if not messages:
            return

        def take() -> None:
            valid, refused, header = [], None, None
            for message in messages:
                try:
                    valid.append(self._updated_cells(grid, message))
                except InputError as error:
                    refused = error
                else:
                    refused, header = None, message.header
            if header is not None:
                self._take_costmap(header, conversions.updated_costmap(grid, valid))
            if refused is not None:
                raise refused

        self._accept('costmap', take)
        self._keep_up()

    def _is_outdated(self, message: Any) -> bool:
        # The complete costmap that arrived meanwhile is newer and contains it.
        return 0.0 < conversions.seconds_from_msg(message.header.stamp) < self._costmap_stamp

    def _updated_cells(self, grid: Costmap, message: Any) -> conversions.UpdatedCells:
        if message.header.frame_id != self.frame:
            raise InputError(
                f"the update is in frame '{message.header.frame_id}', not in '{self.frame}'"
            )
        return conversions.cells_from_update(grid, message)

    def _subscribe_costmap(self) -> list[Subscription]:
        if self._controller.configuration.interface.costmap_type == 'occupancy_grid':
            return subscribe_latched(
                self._node, OccupancyGrid, 'costmap', self.on_costmap, raw=True,
                group=executor.PolledCallbackGroup(),
            )  # fmt: skip
        if Nav2Costmap is None:
            raise ParameterError('costmap_type = nav2_costmap needs the package nav2_msgs')
        return subscribe_latched(
            self._node,
            Nav2Costmap,
            'costmap',
            self.on_nav2_costmap,
            group=executor.PolledCallbackGroup(),
        )

    def _take_costmap(self, header: Header, costmap: Costmap) -> None:
        if header.frame_id != self.frame:
            self._controller.forget_costmap()
            self.frame = header.frame_id
            if self._raw_odometry is not None:
                self.on_odom(self._raw_odometry)  # transform it into the new frame
        self._controller.set_costmap(self._stamp(header), costmap)
        self._grid = costmap

    def _keep_up(self) -> None:
        """Transform the plan again after each costmap, since its frame may drift."""
        route = self._route
        if route is not None and (route.frame != self.frame or 'plan' in self.faults):
            self._accept('plan', self._follow_route)

    def on_plan(self, data: bytes) -> None:
        """Take a serialised plan, which replaces the previous one."""

        def take() -> None:
            self._route = None
            message, numbers = cdr.path_from_bytes(data)
            poses = conversions.path_from_msg(message, numbers)
            stamp = self._stamp(message.header)
            self._route = PlanMessage(message.header.frame_id, stamp, poses, is_goal=False)
            self._follow_route()

        self._accept('plan', take)

    def follow(self, message: Path) -> Fault | None:
        """Take the plan of an action goal; return the fault if it is rejected."""
        self.on_plan(serialize_message(message))
        return self.faults.get('plan')

    def stop_following(self) -> None:
        """Discard the plan: the robot brakes to a stop and waits."""
        self._route = self._followed = None
        self.plan = NO_PLAN
        self.faults.pop('plan', None)
        self._controller.clear_plan()

    def on_goal(self, message: PoseStamped) -> None:
        """Drive straight to a pose; ignored while another node publishes plans."""
        if self._node.count_publishers(self._node.resolve_topic_name('plan')):
            if not self._planned:
                self._node.get_logger().info('goal_pose is ignored: another node publishes plan')
            self._planned = True
            return
        self._planned = False

        def take() -> None:
            self._route = None
            pose = conversions.pose_from_msg(message.pose, 'goal_pose.pose')
            stamp = self._stamp(message.header)
            self._route = PlanMessage(
                message.header.frame_id, stamp, np.array([pose]), is_goal=True
            )
            self._follow_route()

        self._accept('plan', take)

    def _follow_route(self) -> None:
        """
        Transform the plan into the costmap frame and set it; an empty plan clears it.

        A plan in base_frame is transformed once, at its stamp: its poses stay where they were.
        """
        assert self._route is not None
        route = self._route
        if not len(route.poses):
            self.plan = NO_PLAN
            self._controller.clear_plan()
            return
        base = self._controller.configuration.interface.base_frame
        moves = self.frame != '' and route.frame == base
        shift = self._find('plan', route.frame, route.stamp if moves else None)
        if route is self._followed and shift.is_near(self._shift):
            return
        poses = shift.apply(route.poses)
        if moves:
            self._route = route = replace(route, frame=self.frame, poses=poses)
        if route.is_goal:
            x, y, yaw = poses[0]
            self._controller.set_goal(route.stamp, float(x), float(y), float(yaw))
        else:
            self._controller.set_plan(route.stamp, poses)
        self._followed, self._shift, self.plan = route, shift, poses

    def _find(self, what: str, source: str, at: float | None = None) -> Transform2D:
        """Return the pose of a frame in that of the costmap at a time [s], or the latest one."""
        mismatch = f"{what} is in frame '{source}', the costmap in '{self.frame}'"
        timeout = self._controller.configuration.interface.transform_timeout
        names = mismatch, source, self.frame or source, timeout
        if at is not None:
            with suppress(TransformPending):
                return self._frames.find(*names, conversions.seconds_to_msg(at))
        return self._frames.find(*names)

    def _accept(self, what: str, take: Callable[[], None]) -> None:
        """Call `take`; an error becomes a fault, which stops the robot until a valid message."""
        code = Reason(f'{what}_refused')
        try:
            take()
        except TransformError as error:
            code, message = error.code, str(error)
        except InputError as error:
            message = f'{what} refused: {error}'
        except Exception as error:  # a programming error must not end the process
            message = f'{what} refused: {type(error).__name__}: {error}'
        else:
            if self.faults.pop(what, None):
                self._node.get_logger().info(f'{what} accepted again')
            return
        if what not in self.faults:
            self._node.get_logger().error(message)
        self.faults[what] = Fault(code, message)

    def _stamp(self, header: Header) -> float:
        return conversions.stamp_or_now(header.stamp, self._node.get_clock())


def _at_base(odometry: Measured, lever: Transform2D) -> Measured:
    """Convert odometry of a child frame to base_frame, whose pose in it is `lever`."""
    ((x, y, yaw),) = Transform2D(odometry.x, odometry.y, odometry.yaw).apply(np.array([lever]))
    vx, vy = odometry.vx - odometry.wz * lever.y, odometry.vy + odometry.wz * lever.x
    cosine, sine = math.cos(lever.yaw), math.sin(lever.yaw)
    return replace(
        odometry, x=x, y=y, yaw=yaw, vx=cosine * vx + sine * vy, vy=cosine * vy - sine * vx
    )
