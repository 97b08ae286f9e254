"""Publishers of trajectories, costs and maps, computed only while subscribed to."""

from __future__ import annotations

from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PolygonStamped
from nav_msgs.msg import OccupancyGrid, Path
from rclpy.lifecycle import LifecycleNode
from visualization_msgs.msg import MarkerArray

from mppi_ros.control.controller import Controller
from mppi_ros.control.tick_result import ControllerState
from mppi_ros.nodes.controller.inputs import ControllerInputs
from mppi_ros.ros import cdr, executor, markers

try:
    from trajectory_msgs.msg import MultiDOFJointTrajectory
except ImportError:  # trajectory_msgs is optional
    MultiDOFJointTrajectory = None

CANDIDATE_COUNT = 30  # of all samples
SLOW_RATE = 5.0  # [Hz] of the costly topics


class Visualization:
    """Lifecycle publishers of the visualization topics."""

    def __init__(self, node: LifecycleNode, intake: ControllerInputs) -> None:
        """Create the publishers; `close` destroys them."""
        self._node, self._intake = node, intake
        publisher = partial(node.create_lifecycle_publisher, event_callbacks=executor.PUBLISHER)
        self._optimal: Any = publisher(Path, '~/optimal_trajectory', 1)
        self._timed: Any = None
        if MultiDOFJointTrajectory is not None:
            self._timed = publisher(MultiDOFJointTrajectory, '~/timed_trajectory', 1)
        self._footprint: Any = publisher(PolygonStamped, '~/footprint', 1)
        self._candidates: Any = publisher(MarkerArray, '~/candidate_trajectories', 1)
        self._sampling: Any = publisher(DiagnosticArray, '~/sampling', 1)
        self._costs: Any = publisher(MarkerArray, '~/critic_costs', 1)
        self._field: Any = publisher(OccupancyGrid, '~/distance_field', 1)
        self._obstacles: Any = publisher(MarkerArray, '~/moving_obstacles', 1)
        self._shown: set[int] = set()  # ids of the moving obstacles published last

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in (
            self._optimal, self._timed, self._footprint, self._candidates, self._costs,
            self._field, self._obstacles, self._sampling,
        ):  # fmt: skip
            if publisher is not None:
                self._node.destroy_lifecycle_publisher(publisher)

    def publish(
        self, controller: Controller, now: float, tick: int, state: ControllerState
    ) -> None:
        """Publish the topics with subscribers after tick number `tick`, which led to `state`."""
        frame, odometry = self._intake.frame, self._intake.odometry
        shown = self._optimal.get_subscription_count() > 0
        # While the robot brakes, the mean is not what it does.
        driving = state is ControllerState.DRIVING
        timed = driving and self._timed is not None and self._timed.get_subscription_count() > 0
        if shown or timed:
            rows = controller.timed_trajectory()
        if shown:
            self._optimal.publish(cdr.path_to_bytes(rows, now, frame))
        if timed:
            joint = controller.configuration.interface.base_frame
            self._timed.publish(cdr.trajectory_to_bytes(rows, frame, joint))
        if self._footprint.get_subscription_count() and odometry is not None:
            pose = (odometry.x, odometry.y, odometry.yaw)
            self._footprint.publish(
                markers.polygon_to_msg(controller.outline, pose, now, frame)
            )
        if self._obstacles.get_subscription_count():
            obstacles = controller.predicted_obstacles(now)
            gone, self._shown = self._shown, {each.id for each in obstacles}
            self._obstacles.publish(
                markers.obstacles_to_msg(obstacles, sorted(gone - self._shown), now, frame)
            )
        if tick % max(round(controller.configuration.control_rate / SLOW_RATE), 1):
            return
        if self._candidates.get_subscription_count():
            trajectories, weights = controller.candidate_trajectories(CANDIDATE_COUNT)
            self._candidates.publish(
                markers.candidates_to_bytes(trajectories, weights, stamp=now, frame=frame)
            )
        if self._sampling.get_subscription_count():
            summary = controller.sampling_summary()
            if summary is not None:
                name = f'{self._node.get_fully_qualified_name()}: sampling'
                self._sampling.publish(markers.sampling_to_msg(summary, now, name))
        if self._costs.get_subscription_count() and odometry is not None:
            place = (odometry.x, odometry.y)
            self._costs.publish(
                markers.costs_to_msg(controller.costs(), place, now, frame)
            )
        field = controller.distance_field
        if self._field.get_subscription_count() and field is not None:
            self._field.publish(markers.distance_field_to_msg(field, now, frame))
