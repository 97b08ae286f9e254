"""Messages for debugging views: trajectories, footprint, costs and distance field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import math

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import (
    Point,
    Point32,
    PolygonStamped,
)
from nav_msgs.msg import OccupancyGrid
import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.distance_field import DistanceField
from mppi_ros.ros.conversions import costmap_to_msg, pose_to_msg, seconds_to_msg

MAX_DRAWN_DISTANCE = 2.0  # [m] to an obstacle, drawn as 0


def candidates_to_msg(
    trajectories: NDArray[np.float32],
    weights: NDArray[np.float32],
    *,
    stamp: float,
    frame: str,
    segments: int = 14,
) -> MarkerArray:
    """
    Return sampled trajectories as one marker of lines, coloured by weight from blue to red.

    Parameters
    ----------
    trajectories : float32[n, T+1, 3]
        Poses x [m], y [m], yaw [rad].
    weights : float32[n]
        Weights of the samples.
    stamp, frame
        Values of the header.
    segments : int
        Number of line segments per trajectory.

    """
    marker = Marker(ns='candidates', type=Marker.LINE_LIST, action=Marker.ADD)
    marker.header.stamp = seconds_to_msg(stamp)
    marker.header.frame_id = frame
    marker.pose.orientation.w = 1.0
    marker.scale.x = 0.01
    marker.lifetime = Duration(nanosec=500_000_000)
    steps = np.unique(np.linspace(0, trajectories.shape[1] - 1, segments + 1).astype(int))
    heaviest = max(float(weights.max(initial=0.0)), 1e-30)
    for trajectory, weight in zip(trajectories[:, steps, :2].tolist(), weights, strict=True):
        share = math.sqrt(float(weight) / heaviest)
        color = ColorRGBA(r=share, g=0.2, b=1.0 - share, a=0.25 + 0.75 * share)
        corners = [Point(x=x, y=y) for x, y in trajectory]
        for start, end in zip(corners[:-1], corners[1:], strict=True):
            marker.points += (start, end)
            marker.colors += (color, color)
    return MarkerArray(markers=[marker])


def polygon_to_msg(
    corners: NDArray[np.float64], pose: Sequence[float], stamp: float, frame: str
) -> PolygonStamped:
    """Return a polygon, float64[p, 2] in the base frame [m], at a pose."""
    x, y, yaw = pose
    turn = np.array([[math.cos(yaw), math.sin(yaw)], [-math.sin(yaw), math.cos(yaw)]])
    message = PolygonStamped()
    message.header.stamp = seconds_to_msg(stamp)
    message.header.frame_id = frame
    message.polygon.points = [Point32(x=x + dx, y=y + dy) for dx, dy in (corners @ turn).tolist()]
    return message


def costs_to_msg(
    costs: Mapping[str, float], place: tuple[float, float], stamp: float, frame: str
) -> MarkerArray:
    """Return the cost of each critic [s] in descending order as a text marker at `place`."""
    marker = Marker(ns='critic_costs', type=Marker.TEXT_VIEW_FACING, action=Marker.ADD)
    marker.header.stamp = seconds_to_msg(stamp)
    marker.header.frame_id = frame
    marker.pose = pose_to_msg(*place, 0.0)
    marker.pose.position.z = 0.6
    marker.scale.z = 0.12  # height of a letter [m]
    marker.color = ColorRGBA(r=1.0, g=1.0, b=1.0, a=0.9)
    marker.lifetime = Duration(nanosec=500_000_000)
    descending = sorted(costs.items(), key=lambda item: -item[1])
    marker.text = '\n'.join(f'{name} {cost:.2f} s' for name, cost in descending if cost >= 0.005)
    return MarkerArray(markers=[marker])


def obstacles_to_msg(
    obstacles: NDArray[np.float64], stamp: float, frame: str
) -> MarkerArray:
    """
    Return moving obstacles as a cylinder each, and an arrow to the position after one second.

    A row of `obstacles`, float64[n, 5], is x, y [m], vx, vy [m/s] and radius [m].
    """
    markers = []
    for i, (x, y, vx, vy, radius) in enumerate(obstacles.tolist()):
        body = Marker(ns='moving_obstacles', id=2 * i, type=Marker.CYLINDER, action=Marker.ADD)
        body.pose = pose_to_msg(x, y, 0.0)
        body.scale.x = body.scale.y = 2.0 * radius
        body.scale.z = 0.4
        arrow = Marker(ns='moving_obstacles', id=2 * i + 1, type=Marker.ARROW, action=Marker.ADD)
        arrow.pose.orientation.w = 1.0
        arrow.points = [Point(x=x, y=y), Point(x=x + vx, y=y + vy)]
        arrow.scale.x, arrow.scale.y = 0.05, 0.12  # shaft and head [m]
        for marker in (body, arrow):
            marker.header.stamp = seconds_to_msg(stamp)
            marker.header.frame_id = frame
            marker.color = ColorRGBA(r=0.8, g=0.2, b=0.6, a=0.6)
            marker.lifetime = Duration(nanosec=500_000_000)
            markers.append(marker)
    return MarkerArray(markers=markers)


def obstacles_from_msg(message: MarkerArray) -> NDArray[np.float64]:
    """Return the obstacles of a message of `obstacles_to_msg`, float64[n, 5]."""
    bodies, arrows = message.markers[::2], message.markers[1::2]
    rows = [
        (
            start.x, start.y, end.x - start.x, end.y - start.y, 0.5 * body.scale.x,
        )
        for body, (start, end) in zip(bodies, (arrow.points for arrow in arrows), strict=True)
    ]  # fmt: skip
    return np.array(rows, np.float64).reshape(-1, 5)


def distance_field_to_msg(field: DistanceField, stamp: float, frame: str) -> OccupancyGrid:
    """Return a distance field as a grid: 100 at an obstacle, 0 from MAX_DRAWN_DISTANCE on."""
    near = np.clip(100.0 * (1.0 - field.distance / MAX_DRAWN_DISTANCE), 0.0, 100.0).astype(np.int8)
    costmap = Costmap(near, field.resolution, field.origin_x, field.origin_y)
    return costmap_to_msg(costmap, stamp, frame)
