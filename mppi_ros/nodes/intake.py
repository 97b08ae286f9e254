"""What comes in: messages become the controller's inputs, or are refused and named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import OccupancyGrid, Odometry, Path
import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.subscription import Subscription
from std_msgs.msg import Header

from mppi_ros.control.controller import Controller
from mppi_ros.control.report import Fault, Reason
from mppi_ros.mppi.errors import InputError
from mppi_ros.nodes import conversions, wire
from mppi_ros.nodes.frames import Frames, TransformError
from mppi_ros.nodes.latched import subscribe_latched


@dataclass(frozen=True)
class Route:
    """Where to go: the poses of a plan, or one goal, as they came."""

    frame: str
    stamp: float
    poses: NDArray[np.float64]
    is_goal: bool


class Intake:
    """
    Subscribes to odometry, costmap, plan and goal, and hands them to the controller.

    Attributes
    ----------
    faults : dict
        For each kind of input that was refused, why; a good one takes its fault away.
    frame : str
        Frame of the costmap, in which the controller plans.

    """

    def __init__(self, node: Node, controller: Controller) -> None:
        """Subscribe; `close` is the end."""
        self.faults: dict[str, Fault] = {}
        self.frame = ''
        self._node = node
        self._controller = controller
        self._route: Route | None = None
        self._frames = Frames(node)
        self._odom = node.create_subscription(
            Odometry, 'odom', self.on_odom, qos_profile_sensor_data
        )
        self._goal = node.create_subscription(PoseStamped, 'goal_pose', self.on_goal, 1)
        self._latched: list[list[Subscription]] = [
            subscribe_latched(node, OccupancyGrid, 'costmap', self.on_costmap, raw=True),
            subscribe_latched(node, Path, 'plan', self.on_plan, raw=True),
        ]

    def close(self) -> None:
        """Listen no more."""
        self._frames.close()
        for subscription in (self._odom, self._goal, *(s for pair in self._latched for s in pair)):
            self._node.destroy_subscription(subscription)

    @property
    def fault(self) -> Fault | None:
        """Return why the inputs must not be trusted; None when they may."""
        return next(iter(self.faults.values()), None)

    def on_odom(self, message: Odometry) -> None:
        """Take odometry, in the frame of the costmap."""

        def take() -> None:
            odometry = conversions.odometry_from_msg(message, self._stamp(message.header))
            source = message.header.frame_id
            if source != (self.frame or source):
                pose = np.array([[odometry.x, odometry.y, odometry.yaw]])
                x, y, yaw = self._frames.transform(pose, 'odometry', source, self.frame)[0]
                odometry = replace(odometry, x=x, y=y, yaw=yaw)
            self._controller.set_odometry(odometry)

        self._accept('odometry', take)

    def on_costmap(self, data: bytes) -> None:
        """Take a serialised costmap; its frame is that of all planning."""

        def take() -> None:
            message, cells = wire.grid_from_bytes(data)
            costmap = conversions.costmap_from_msg(message, cells)
            frame = message.header.frame_id
            if frame != self.frame:
                self._controller.forget_costmap()
                self.frame = frame
            self._controller.set_costmap(self._stamp(message.header), costmap)

        self._accept('costmap', take)
        route = self._route
        if route is not None and (route.frame != self.frame or 'plan' in self.faults):
            self._accept('plan', self._follow_route)

    def on_plan(self, data: bytes) -> None:
        """Take a serialised plan in the place of the one before."""

        def take() -> None:
            self._route = None
            message, numbers = wire.path_from_bytes(data)
            poses = conversions.path_from_msg(message, numbers)
            stamp = self._stamp(message.header)
            self._route = Route(message.header.frame_id, stamp, poses, is_goal=False)
            self._follow_route()

        self._accept('plan', take)

    def on_goal(self, message: PoseStamped) -> None:
        """Drive straight to a pose, where nobody publishes plans."""
        if self._node.count_publishers(self._node.resolve_topic_name('plan')):
            self._node.get_logger().info('goal_pose is left to the planner that publishes plan')
            return

        def take() -> None:
            self._route = None
            pose = conversions.pose_from_msg(message.pose, 'goal_pose.pose')
            stamp = self._stamp(message.header)
            self._route = Route(message.header.frame_id, stamp, np.array([pose]), is_goal=True)
            self._follow_route()

        self._accept('plan', take)

    def _follow_route(self) -> None:
        """Hand the route to the controller in the frame of the costmap; an empty plan ends it."""
        assert self._route is not None
        route = self._route
        if not len(route.poses):
            self._controller.clear_plan()
            return
        poses = self._frames.transform(
            route.poses, 'plan', route.frame, self.frame or route.frame
        )
        if route.is_goal:
            x, y, yaw = poses[0]
            self._controller.set_goal(route.stamp, float(x), float(y), float(yaw))
        else:
            self._controller.set_plan(route.stamp, poses)

    def _accept(self, what: str, take: Callable[[], None]) -> None:
        """Take an input, or note why not: a fault brakes the robot until a good one comes."""
        code = Reason(f'{what}_refused')
        try:
            take()
        except TransformError as error:
            code, words = error.code, str(error)
        except InputError as error:
            words = f'{what} refused: {error}'
        except Exception as error:  # a mistake in this program must not end it, either
            words = f'{what} refused: {type(error).__name__}: {error}'
        else:
            if self.faults.pop(what, None):
                self._node.get_logger().info(f'{what} is good again')
            return
        if what not in self.faults:
            self._node.get_logger().error(words)
        self.faults[what] = Fault(code, words)

    def _stamp(self, header: Header) -> float:
        # A stamp of zero means 'now' throughout ROS: `ros2 topic pub` sends it.
        now = float(self._node.get_clock().now().nanoseconds) * 1e-9
        return conversions.seconds_from_msg(header.stamp) or now
