"""What a person may look at: trajectories and costs, computed only while someone listens."""

from __future__ import annotations

from typing import Any

from nav_msgs.msg import Path
from rclpy.lifecycle import LifecycleNode
from visualization_msgs.msg import MarkerArray

from mppi_ros.control.controller import Controller
from mppi_ros.nodes import conversions

CANDIDATES = 30  # drawn of all samples
SLOW_RATE = 5.0  # [Hz] what takes longer to draw than the tick to compute


class Views:
    """Publishers of a managed node: silent while it is not active."""

    def __init__(self, node: LifecycleNode) -> None:
        """Advertise; `close` is the end."""
        self._node = node
        publisher = node.create_lifecycle_publisher
        self._optimal: Any = publisher(Path, '~/optimal_trajectory', 1)
        self._candidates: Any = publisher(MarkerArray, '~/candidate_trajectories', 1)

    def close(self) -> None:
        """Withdraw the topics."""
        for publisher in (self._optimal, self._candidates):
            self._node.destroy_lifecycle_publisher(publisher)

    def publish(self, controller: Controller, now: float, frame: str, tick: int) -> None:
        """Publish after the tick of that number, in the frame of the costmap."""
        if self._optimal.get_subscription_count():
            poses = controller.optimal_trajectory()
            self._optimal.publish(conversions.path_to_msg(poses, now, frame))
        every = max(round(controller.configuration.control_rate / SLOW_RATE), 1)
        if tick % every == 0 and self._candidates.get_subscription_count():
            trajectories, weights = controller.candidate_trajectories(CANDIDATES)
            self._candidates.publish(
                conversions.candidates_to_msg(trajectories, weights, stamp=now, frame=frame)
            )
