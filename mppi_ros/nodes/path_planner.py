"""Path planner node: publishes a plan from the map, costmap, odometry and goal."""

# ruff: noqa: E402 - the ROS 2 wheels must be found before rclpy is imported
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import math
from typing import Any

from mppi_ros.ros import use_wheels

use_wheels()

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import OccupancyGrid, Odometry, Path
import numpy as np
from numpy.typing import NDArray
from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data

from mppi_ros.driving.costmap import LETHAL, Costmap
from mppi_ros.driving.footprint import Footprint
from mppi_ros.parameters.declaration import parameter
from mppi_ros.parameters.errors import InputError, ParameterError
from mppi_ros.ros import conversions
from mppi_ros.ros.parameters import ParameterMixin
from mppi_ros.ros.params_files import controller_parameters
from mppi_ros.ros.process import freeze_garbage, run
from mppi_ros.ros.qos import LATCHED, subscribe_latched
from mppi_ros.ros.transforms import TransformBuffer
from mppi_ros.simulation.replanner import Replanner

CLOCK_RESTART = Duration(seconds=-1.0)  # clock step that indicates a restarted simulation


@dataclass(frozen=True)
class PlannerParameters:
    """Parameters of the planner."""

    controller_params: str = parameter(
        '', "YAML file of the controller, for the robot's body; empty uses defaults", live=False
    )
    goal: tuple[float, ...] = parameter(
        (), 'goal pose x, y, yaw in the map frame; a goal_pose message replaces it',
        unit='m, m, rad', low=-1e5, high=1e5,
    )
    rate: float = parameter(
        2.0, 'rate of plan checks against the latest costmap', unit='Hz', low=0.1,
        high=20.0, live=False,
    )
    replan_distance: float = parameter(
        0.6, 'distance of the robot from its plan that triggers replanning', unit='m', low=0.1,
        high=10.0,
    )

    def __post_init__(self) -> None:
        if len(self.goal) not in (0, 3):
            raise ParameterError(f'goal has {len(self.goal)} numbers; x, y, yaw are expected')


class PathPlanner(ParameterMixin[PlannerParameters], Node):
    """
    Maintains a collision-free plan from the robot to the goal on the latest map and costmap.

    It publishes an empty plan, which stops the controller, if no path exists or the goal is in an
    obstacle.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('path_planner', **options)
        self.declare_configuration(PlannerParameters())
        controller = controller_parameters(self, self.configuration.controller_params)
        self._footprint = Footprint.of(controller.robot)
        self._frames = TransformBuffer(self)
        self._map: Costmap | None = None
        self._map_frame = ''
        self._costmap: Costmap | None = None
        self._costmap_frame = ''
        self._pose: NDArray[np.float64] | None = None
        self._pose_frame = self._base_frame = ''
        self._goal: NDArray[np.float64] | None = None
        self._goal_frame = ''
        self._planner = Replanner(self._footprint)
        self._trouble = ''
        self.create_subscription(Odometry, 'odom', self._on_odom, qos_profile_sensor_data)
        self.create_subscription(PoseStamped, 'goal_pose', self._on_goal, 1)
        subscribe_latched(self, OccupancyGrid, 'map', self._on_map)
        subscribe_latched(self, OccupancyGrid, 'costmap', self._on_costmap)
        self._publisher = self.create_publisher(Path, 'plan', LATCHED)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 1)
        threshold = JumpThreshold(
            min_forward=None, min_backward=CLOCK_RESTART, on_clock_change=False
        )
        self._on_jump = self.get_clock().create_jump_callback(
            threshold, post_callback=self._restart
        )
        self.create_timer(1.0 / self.configuration.rate, self._check)
        self.create_timer(1.0, self._publish_diagnostics)

    def start(self) -> None:
        """Set the goal from the parameters."""
        freeze_garbage()
        self.apply_configuration(self.configuration)

    def stop(self) -> None:
        """Do nothing: the controller keeps the last plan."""

    def apply_configuration(self, configuration: PlannerParameters) -> None:
        """Set the goal from the parameter."""
        if configuration.goal:
            self._head_for(np.array([configuration.goal]), '')

    def _head_for(self, goal: NDArray[np.float64], frame: str) -> None:
        self._goal, self._goal_frame = goal, frame
        self._planner.discard()
        self._check()

    def _restart(self, jump: TimeJump) -> None:
        """Replan from the next odometry message: simulated time has restarted."""
        self._pose = None
        self._planner.discard()

    def _accept(self, take: Callable[[], None]) -> None:
        try:
            take()
        except InputError as error:
            self.get_logger().error(str(error), throttle_duration_sec=5.0)

    def _on_odom(self, message: Odometry) -> None:
        def take() -> None:
            pose = conversions.pose_from_msg(message.pose.pose, 'odometry.pose.pose')
            self._pose, self._pose_frame = np.array([pose]), message.header.frame_id
            self._base_frame = message.child_frame_id

        self._accept(take)

    def _on_goal(self, message: PoseStamped) -> None:
        def take() -> None:
            pose = conversions.pose_from_msg(message.pose, 'goal_pose.pose')
            self._head_for(np.array([pose]), message.header.frame_id)

        self._accept(take)

    def _on_map(self, message: OccupancyGrid) -> None:
        def take() -> None:
            self._map = conversions.costmap_from_msg(message)
            self._map_frame = message.header.frame_id
            self._planner.discard()

        self._accept(take)

    def _on_costmap(self, message: OccupancyGrid) -> None:
        def take() -> None:
            self._costmap = conversions.costmap_from_msg(message)
            self._costmap_frame = message.header.frame_id

        self._accept(take)

    def _awaited(self) -> str:
        """Return the missing input; '' if all are available."""
        if self._goal is None:
            return 'a goal'
        if self._pose is None:
            return 'odometry'
        # A costmap shows unobserved space as free, so wait for the map if one is published.
        if self._map is None and self.count_publishers(self.resolve_topic_name('map')):
            return 'the map'
        return '' if self._map or self._costmap else 'a map or a costmap'

    def _check(self) -> None:
        """Replan if there is no plan, it is blocked, or the robot has left it."""
        if self._awaited():
            return
        assert self._goal is not None and self._pose is not None
        frame = self._map_frame if self._map is not None else self._costmap_frame
        try:
            goal = self._frames.transform(
                self._goal, 'goal', self._goal_frame or frame, frame
            )[0]
            if self._goal_frame == self._base_frame:  # the goal does not move with the robot
                self._goal, self._goal_frame = np.array([goal]), frame
            pose = self._frames.transform(self._pose, 'odometry', self._pose_frame, frame)[0]
        except InputError as error:
            self._planner.discard()
            self._publish_plan(frame, str(error))
            return
        self._planner.distance = self.configuration.replan_distance
        self._planner.unknown_is_free = self._map is None
        known = self._known_costmap()
        try:
            changed = self._planner.update(pose, goal, self._window(known), lambda: known)
        except InputError as error:
            # A moving obstacle may cover the goal. The controller stops before obstacles.
            if len(self._planner.poses):
                self._report(str(error))
            else:
                self._publish_plan(frame, str(error))
            return
        if not changed:
            self._report('')
            return
        if len(self._planner.poses):
            self.get_logger().info(f'plan of {len(self._planner.poses)} poses')
            self._publish_plan(frame, '')
        else:
            self._publish_plan(frame, f'no path to the goal ({goal[0]:g}, {goal[1]:g}) m')

    def _known_costmap(self) -> Costmap:
        """Return the map merged with lethal cells of the costmap, or whichever is available."""
        known, seen = self._map or self._costmap, self._costmap
        assert known is not None
        if seen is None or seen is known or self._costmap_frame != self._map_frame:
            return known
        rows, columns = np.nonzero(seen.data == LETHAL)
        x = seen.origin_x + (columns + 0.5) * seen.resolution
        y = seen.origin_y + (rows + 0.5) * seen.resolution
        columns = np.floor((x - known.origin_x) / known.resolution).astype(np.intp)
        rows = np.floor((y - known.origin_y) / known.resolution).astype(np.intp)
        height, width = known.shape
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        data = known.data.copy()
        data[rows[inside], columns[inside]] = LETHAL
        return Costmap(data, known.resolution, known.origin_x, known.origin_y)

    def _window(self, known: Costmap) -> Costmap:
        """Return the part of `known` that the costmap covers, or all of it."""
        seen = self._costmap
        if seen is None or seen is known or self._costmap_frame != self._map_frame:
            return known
        low = [
            max(math.floor((a - b) / known.resolution), 0)
            for a, b in ((seen.origin_x, known.origin_x), (seen.origin_y, known.origin_y))
        ]
        size = [math.ceil(n * seen.resolution / known.resolution) + 1 for n in seen.shape[::-1]]
        (x, y), (width, height) = low, size
        data = known.data[y : y + height, x : x + width]
        if not data.size:
            return known
        return Costmap(
            data, known.resolution,
            known.origin_x + x * known.resolution, known.origin_y + y * known.resolution,
        )  # fmt: skip

    def _publish_plan(self, frame: str, trouble: str) -> None:
        """Publish the current plan, empty with the reason for it."""
        poses = self._planner.poses
        if len(poses) or trouble != self._trouble:
            now = self.get_clock().now().nanoseconds * 1e-9
            self._publisher.publish(conversions.path_to_msg(poses, now, frame))
        self._report(trouble)

    def _report(self, trouble: str) -> None:
        """Log a new problem, and show it in the diagnostics; '' if there is none."""
        if trouble and trouble != self._trouble:
            self.get_logger().error(trouble)
        self._trouble = trouble

    def _publish_diagnostics(self) -> None:
        level, message = DiagnosticStatus.OK, f'plan of {len(self._planner.poses)} poses'
        if self._trouble:
            message = self._trouble
            level = DiagnosticStatus.WARN if len(self._planner.poses) else DiagnosticStatus.ERROR
        elif awaited := self._awaited():
            level = DiagnosticStatus.OK if self._goal is None else DiagnosticStatus.WARN
            message = f'waiting for {awaited}'
        now = self.get_clock().now().nanoseconds * 1e-9
        name = f'{self.get_fully_qualified_name()}: planning'
        self._diagnostics.publish(conversions.diagnostics_to_msg(now, name, level, message, {}))


def main() -> None:
    """Run the node as a process."""
    run(PathPlanner, PlannerParameters)
