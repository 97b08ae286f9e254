"""
Moving obstacles: clusters of visible points, tracked from scan to scan or costmap to costmap.

A cluster counts as moving once both of its edges have moved the same way (see `cluster_motion`).
From then on a Kalman filter tracks a disc of constant velocity (see `motion_filter`): it claims
the visible points around its predicted surface, so that obstacles that touch each other stay
apart, and goes on for a while where it is hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
import math

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.cluster_motion import Blob, velocity_of
from mppi_ros.driving.motion_filter import MotionFilter
from mppi_ros.driving.obstacle_prediction import DynamicObstacle, ObstacleKind
from mppi_ros.driving.scan import Scan
from mppi_ros.driving.scan_points import ScanPoints
from mppi_ros.driving.visible_points import Confirmation, Edges, Side, VisiblePoints

TRACKING_RANGE = 8.0  # [m] around the robot in which obstacles are tracked
MAX_CLUSTERS = 60  # the nearest ones, so that noise and foliage do not delay a tick
MAX_OBSTACLE_WIDTH = 1.8  # [m] a cluster that is wider is a wall
GROUP_GAP = 0.5  # [m] between obstacles side by side that hide each other's sides
MAX_MATCH_SPEED = 3.0  # [m/s] of what is not known to move
MAX_OBSTACLE_SPEED = 6.0  # [m/s] of what moves
MIN_MATCH_DISTANCE = 0.15  # [m] that the middle of a cluster may jump
TRACK_MEMORY = 1.0  # [s] of edges from which a velocity is taken
REST_SPEED = 0.08  # [m/s] below which a moving obstacle has come to rest
HIDDEN = (Side(0.0, 0.0, False), Side(0.0, 0.0, False))
COAST_TIME = 1.2  # [s] for which a moving obstacle is predicted without being seen
MAX_UNSEEN = 2  # costmaps in which its place may be seen free
MIN_CELLS = 2  # of a moving obstacle that is seen
CLAIM_DISTANCE, MAX_CLAIM_DISTANCE = 0.1, 0.4  # [m] from its surface, where it is sure or not
RADIUS_GAIN, MAX_RADIUS_CHANGE = 0.2, 0.1  # share and size [m] of what a costmap corrects

_ids = count(1)


@dataclass(frozen=True)
class Track:
    """
    An obstacle that is tracked.

    Attributes
    ----------
    seen : tuple of (time [s], Blob)
        While it is not known to move: oldest first, no older than TRACK_MEMORY.
    blob : Blob
        What was seen last.
    motion : MotionFilter or None
        Of an obstacle that moves.
    sighted : float
        When it was seen last [s].
    unseen : int
        Costmaps since then in which its place was free.
    id : int
        Number of an obstacle that moves, unique in the process; 0 of one that does not.
    kind : ObstacleKind
        What a detector says that it is.

    """

    seen: tuple[tuple[float, Blob], ...]
    blob: Blob
    sighted: float
    motion: MotionFilter | None = None
    unseen: int = 0
    id: int = 0
    kind: ObstacleKind = ObstacleKind.UNKNOWN

    @property
    def moves(self) -> bool:
        """Whether the obstacle moves."""
        return self.motion is not None

    @property
    def obstacle(self) -> DynamicObstacle:
        """Return the obstacle as a moving disc."""
        motion = self.motion
        if motion is None:
            blob = self.blob
            return DynamicObstacle(self.sighted, blob.x, blob.y, 0.0, 0.0, blob.radius)
        x, y, vx, vy = motion.mean.tolist()
        return DynamicObstacle(motion.stamp, x, y, vx, vy, motion.radius, self.kind)

    def then(self, stamp: float, blob: Blob, confirmation: Confirmation) -> Track:
        """Return the track of an obstacle not known to move after it was seen once more."""
        seen = (
            *(each for each in self.seen if stamp - each[0] <= TRACK_MEMORY), (stamp, blob)
        )  # fmt: skip
        velocity = velocity_of(seen, confirmation)
        motion = None
        if velocity != (0.0, 0.0):
            radius = max(each.radius for _, each in seen)
            motion = MotionFilter.begin(stamp, (blob.x, blob.y), velocity, radius)
        return Track(seen, blob, stamp, motion, id=next(_ids) if motion else 0)

    def followed(self, view: VisiblePoints, points: NDArray[np.intp]) -> Track | None:
        """Return the track of a moving obstacle that shows these points; None where it ends."""
        motion = self.motion
        assert motion is not None
        stamp = motion.stamp
        front = points[view.in_front[points]]
        fitted = None
        if len(front) >= MIN_CELLS:
            width = _claim_distance(motion)
            fitted = motion.fitted(view.x[front], view.y[front], width, view.surface_std)
        if fitted is None:
            free = view.is_free(motion.mean[0], motion.mean[1], 0.7 * motion.radius)
            unseen = self.unseen + free
            if unseen >= MAX_UNSEEN or stamp - self.sighted > COAST_TIME:
                return None
            return replace(self, unseen=unseen)
        sides = view.sides(points)
        blob = Blob.of(view, points, sides or HIDDEN)
        if fitted.speed > MAX_OBSTACLE_SPEED:
            return None
        if fitted.speed < REST_SPEED:
            return Track((), blob, stamp)
        if sides:
            change = RADIUS_GAIN * (blob.radius - fitted.radius)
            change = min(max(change, -MAX_RADIUS_CHANGE), MAX_RADIUS_CHANGE)
            fitted = fitted._replace(radius=fitted.radius + change)
        return Track((), blob, stamp, fitted, id=self.id)


def track_scan(
    tracks: Sequence[Track], scan: Scan, pose: tuple[float, float, float]
) -> tuple[Track, ...]:
    """Return the tracks after a scan taken at a pose x [m], y [m], yaw [rad] of the robot."""
    return track_points(tracks, scan.stamp, ScanPoints.of(scan, pose, TRACKING_RANGE))


def moving_obstacles(tracks: Sequence[Track]) -> list[DynamicObstacle]:
    """Return those of the tracked obstacles that move."""
    return [track.obstacle for track in tracks if track.moves]


def track_points(
    tracks: Sequence[Track], stamp: float, view: VisiblePoints
) -> tuple[Track, ...]:
    """Return the tracks after visible points were seen at a time [s]."""
    moving, others = [], []
    for track in tracks:
        if track.motion is not None:
            if 0.0 < stamp - track.motion.stamp <= TRACK_MEMORY:
                moving.append(replace(track, motion=track.motion.at(stamp)))
        elif 0.0 < stamp - track.sighted <= TRACK_MEMORY:
            others.append(track)
    owner, on_surface = claims(view, moving)
    followed = [
        track.followed(view, np.flatnonzero((owner == number) & on_surface))
        for number, track in enumerate(moving)
    ]
    kept = _distinct([track for track in followed if track is not None])
    passing = view.passing(np.flatnonzero(owner >= 0))
    blobs = _blobs(view, np.flatnonzero(owner < 0), passing)
    return *kept, *_matched(others, stamp, blobs, view.confirmation)


def _blobs(
    view: VisiblePoints, points: NDArray[np.intp], passing: NDArray[np.bool_]
) -> list[Blob]:
    """
    Return the clusters of points with known sides that are no walls.

    Those side by side, such as two people who walk together, hide a side of each other: they are
    one, if the sides of all together are known.
    """
    clusters = view.clusters(points)
    clusters.sort(key=lambda cluster: float(view.away[cluster].min()))
    found, hidden = [], []
    for cluster in clusters[:MAX_CLUSTERS]:
        if _width(view, cluster) > MAX_OBSTACLE_WIDTH:
            continue
        if (sides := view.sides(cluster, passing)) is not None:
            found.append(Blob.of(view, cluster, sides))
        else:
            hidden.append(cluster)
    if len(hidden) < 2:
        return found
    for group in view.clusters(np.sort(np.concatenate(hidden)), GROUP_GAP):
        if _width(view, group) <= MAX_OBSTACLE_WIDTH and (sides := view.sides(group, passing)):
            found.append(Blob.of(view, group, sides))
    return found


def _width(view: VisiblePoints, points: NDArray[np.intp]) -> float:
    """Return the longer side of the box around some points [m]."""
    return float(max(np.ptp(view.x[points]), np.ptp(view.y[points])))


def _claim_distance(motion: MotionFilter) -> float:
    """Return how far from the predicted surface a point may belong to an obstacle [m]."""
    return min(CLAIM_DISTANCE + motion.position_std, MAX_CLAIM_DISTANCE)


def claims(
    view: VisiblePoints, moving: Sequence[Track]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return which moving obstacle owns each point, −1 for none, and whether it lies on it now."""
    owner = np.full(len(view.x), -1)
    on_surface = np.zeros(len(view.x), bool)
    nearest = np.full(len(view.x), np.inf)
    for number, track in enumerate(moving):
        motion = track.motion
        assert motion is not None
        x, y, vx, vy = motion.mean.tolist()
        off = np.hypot(view.x - x, view.y - y) - motion.radius
        share = ((x - view.x) * vx + (y - view.y) * vy) / max(vx * vx + vy * vy, 1e-6)
        since = np.clip(share, 0.0, view.memory)
        behind = np.hypot(view.x - x + since * vx, view.y - y + since * vy) - motion.radius
        on = off <= _claim_distance(motion)
        near = np.minimum(off, behind)
        mine = (on | (behind <= view.spacing)) & (near < nearest)
        owner[mine], on_surface[mine], nearest[mine] = number, on[mine], near[mine]
    return owner, on_surface


def _distinct(tracks: Sequence[Track]) -> list[Track]:
    """Return the tracks of moving obstacles without a second one of the same obstacle."""
    kept: list[Track] = []
    for track in tracks:
        x, y, radius = track.obstacle.x, track.obstacle.y, track.obstacle.radius
        others = [other.obstacle for other in kept if other.moves == track.moves]
        if all(math.dist((x, y), m[1:3]) >= 0.5 * max(radius, m.radius) for m in others):
            kept.append(track)
    return kept


def _matched(
    tracks: Sequence[Track], stamp: float, blobs: Sequence[Blob], confirmation: Confirmation
) -> list[Track]:
    """Continue each track with at most one blob, at the least sum of distances."""
    from scipy.optimize import linear_sum_assignment

    result = [Track(((stamp, blob),), blob, stamp) for blob in blobs]
    if not tracks or not blobs:
        return result
    gone = np.array([stamp - track.sighted for track in tracks])
    before = np.array([_middle(track.blob.edges) for track in tracks])
    now = np.array([_middle(blob.edges) for blob in blobs])
    distance = np.hypot(*(before[:, None] - now[None]).transpose(2, 0, 1))
    gate = MIN_MATCH_DISTANCE + gone[:, None] * MAX_MATCH_SPEED
    cost = np.where(distance <= gate, distance - gate, 0.0)
    for old, new in zip(*linear_sum_assignment(cost), strict=True):
        if cost[old, new] < 0.0:
            result[new] = tracks[old].then(stamp, blobs[new], confirmation)
    return result


def _middle(edges: Edges) -> tuple[float, float]:
    left, bottom, right, top = edges
    return 0.5 * (left + right), 0.5 * (bottom + top)
