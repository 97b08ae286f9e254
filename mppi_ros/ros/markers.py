"""Messages for debugging views: trajectories, sampling, footprint, costs, distance field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from colorsys import hsv_to_rgb
import math

from builtin_interfaces.msg import Duration
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
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

from mppi_ros.control.optimization import SamplingSummary
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.distance_field import DistanceField
from mppi_ros.driving.track_prediction import TrackPrediction
from mppi_ros.ros.cdr import lines_to_bytes
from mppi_ros.ros.conversions import costmap_to_msg, pose_to_msg, seconds_to_msg

CYLINDER_HEIGHT = 0.6  # [m] of a moving obstacle
CIRCLE_CORNERS = 12
TRACK_NAMESPACES = ('body', 'velocity', 'prediction', 'label')  # of the markers of a track
MAX_DRAWN_DISTANCE = 2.0  # [m] to an obstacle, drawn as 0

CIRCLE = [
    (math.cos(math.tau * corner / CIRCLE_CORNERS), math.sin(math.tau * corner / CIRCLE_CORNERS))
    for corner in range(CIRCLE_CORNERS)
]


def candidates_to_bytes(
    trajectories: NDArray[np.float32],
    weights: NDArray[np.float32],
    *,
    stamp: float,
    frame: str,
    segments: int = 14,
) -> bytes:
    """
    Serialise a MarkerArray of trajectories, one marker of lines from blue to red by weight.

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
    ends = np.repeat(np.arange(len(steps)), 2)[1:-1]  # 0 1, 1 2, 2 3, ...
    points = np.zeros((len(trajectories), len(ends), 3))
    points[..., :2] = trajectories[:, steps[ends], :2]
    share = np.sqrt(weights / max(float(weights.max(initial=0.0)), 1e-30))
    colors = np.column_stack([share, np.full_like(share, 0.2), 1.0 - share, 0.25 + 0.75 * share])
    return lines_to_bytes(marker, points.reshape(-1, 3), np.repeat(colors, len(ends), axis=0))


def sampling_to_msg(summary: SamplingSummary, stamp: float, name: str) -> DiagnosticArray:
    """Return the fields of a summary as lists of numbers, separated by spaces."""
    values = [
        KeyValue(key=key, value=' '.join(f'{number:.6g}' for number in numbers))
        for key, numbers in summary._asdict().items()
    ]
    status = DiagnosticStatus(level=DiagnosticStatus.OK, name=name, values=values)
    message = DiagnosticArray(status=[status])
    message.header.stamp = seconds_to_msg(stamp)
    return message


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
    obstacles: Sequence[TrackPrediction], gone: Iterable[int], stamp: float, frame: str
) -> MarkerArray:
    """
    Return moving obstacles as markers whose id is that of the track.

    Each has a cylinder, an arrow as long as the path of 1 s, its predicted path with discs that
    grow with the margin, and a label with id and speed.

    Parameters
    ----------
    obstacles : sequence of TrackPrediction
        What to show.
    gone : iterable of int
        Ids of tracks that have ended: their markers are deleted.
    stamp, frame
        Values of the header.

    """
    message = MarkerArray()
    for obstacle in obstacles:
        message.markers += _markers_of(obstacle)
    message.markers += [
        Marker(ns=name, id=each, action=Marker.DELETE)
        for each in gone for name in TRACK_NAMESPACES
    ]  # fmt: skip
    for marker in message.markers:
        marker.header.stamp = seconds_to_msg(stamp)
        marker.header.frame_id = frame
    return message


def _markers_of(obstacle: TrackPrediction) -> list[Marker]:
    red, green, blue = hsv_to_rgb(0.618 * obstacle.id % 1.0, 0.8, 1.0)
    (x, y, _), *_ = discs = obstacle.discs.tolist()
    kinds = Marker.CYLINDER, Marker.ARROW, Marker.LINE_LIST, Marker.TEXT_VIEW_FACING
    markers = []
    for name, kind in zip(TRACK_NAMESPACES, kinds, strict=True):
        marker = Marker(ns=name, id=obstacle.id, type=kind, action=Marker.ADD)
        marker.pose.orientation.w = 1.0
        marker.color = ColorRGBA(r=red, g=green, b=blue, a=0.9)
        marker.lifetime = Duration(nanosec=500_000_000)
        markers.append(marker)
    body, velocity, prediction, label = markers
    body.pose.position = Point(x=x, y=y, z=0.5 * CYLINDER_HEIGHT)
    body.scale.x = body.scale.y = 2.0 * obstacle.radius
    body.scale.z = CYLINDER_HEIGHT
    body.color.a = 0.5
    velocity.points = [
        Point(x=x, y=y, z=CYLINDER_HEIGHT),
        Point(x=x + obstacle.vx, y=y + obstacle.vy, z=CYLINDER_HEIGHT),
    ]
    velocity.scale.x, velocity.scale.y = 0.04, 0.1  # diameters of shaft and head
    prediction.scale.x = 0.02
    for centre_x, centre_y, radius in discs:
        corners = [
            Point(x=centre_x + radius * cos, y=centre_y + radius * sin) for cos, sin in CIRCLE
        ]
        for corner, after in zip(corners, [*corners[1:], corners[0]], strict=True):
            prediction.points += (corner, after)
    prediction.points += (Point(x=x, y=y), Point(x=discs[-1][0], y=discs[-1][1]))
    label.pose.position = Point(x=x, y=y, z=CYLINDER_HEIGHT + 0.3)
    label.scale.z = 0.2
    label.text = f'{obstacle.id}: {math.hypot(obstacle.vx, obstacle.vy):.2f} m/s'
    return markers


def obstacles_from_msg(message: MarkerArray) -> NDArray[np.float64]:
    """Return x, y, vx, vy, radius of the obstacles of `obstacles_to_msg`, float64[n, 5]."""
    shown = [marker for marker in message.markers if marker.action == Marker.ADD]
    body, velocity = TRACK_NAMESPACES[:2]
    bodies = {marker.id: marker for marker in shown if marker.ns == body}
    velocities = {marker.id: marker for marker in shown if marker.ns == velocity}
    rows = []
    for key, cylinder in bodies.items():
        place, (start, end) = cylinder.pose.position, velocities[key].points
        rows.append((place.x, place.y, end.x - start.x, end.y - start.y, 0.5 * cylinder.scale.x))
    return np.array(rows, np.float64).reshape(-1, 5)


def distance_field_to_msg(field: DistanceField, stamp: float, frame: str) -> OccupancyGrid:
    """Return a distance field as a grid: 100 at an obstacle, 0 from MAX_DRAWN_DISTANCE on."""
    near = np.clip(100.0 * (1.0 - field.distance / MAX_DRAWN_DISTANCE), 0.0, 100.0).astype(np.int8)
    costmap = Costmap(near, field.resolution, field.origin_x, field.origin_y)
    return costmap_to_msg(costmap, stamp, frame)
