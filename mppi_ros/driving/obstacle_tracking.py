"""
Moving obstacles: clusters of visible points, tracked from scan to scan or costmap to costmap.

A cluster counts as moving once both of its edges have moved the same way: one that is merely seen
better grows on one side only. Motion within the distance of two points does not count: the single
points of a wall that beams graze move with the robot. From then on a Kalman filter tracks a disc
of constant velocity (see `motion_filter`): it claims the visible points around its predicted
surface, so that obstacles that touch each other stay apart, and goes on for a while where it is
hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.motion_filter import MotionFilter
from mppi_ros.driving.obstacle_prediction import DynamicObstacle
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
MIN_SIGHTINGS = 4  # scans or costmaps in which it must have been seen
MIN_OBSTACLE_SPEED = 0.1  # [m/s] below which it rests
REST_SPEED = 0.08  # [m/s] below which a moving obstacle has come to rest
MIN_RANGE_CHANGE = 0.1  # [m] of its distance from a robot that has moved as far
MAX_SIDE_DEVIATION = 0.05  # [m] and no farther from a steady motion
RECENT = 0.4  # [s] from which the velocity of what has just begun to move is taken
HIDDEN = (Side(0.0, 0.0, False), Side(0.0, 0.0, False))
COAST_TIME = 1.2  # [s] for which a moving obstacle is predicted without being seen
MAX_UNSEEN = 2  # costmaps in which its place may be seen free
MIN_CELLS = 2  # of a moving obstacle that is seen
CLAIM_DISTANCE, MAX_CLAIM_DISTANCE = 0.1, 0.4  # [m] from its surface, where it is sure or not
HALF_SEEN_RADIUS = 0.3  # [m] of an obstacle of which one side is hidden, at least
RADIUS_GAIN, MAX_RADIUS_CHANGE = 0.2, 0.1  # share and size [m] of what a costmap corrects

_ids = count(1)


class Blob(NamedTuple):
    """
    Visible part of an obstacle from `origin`: box and sides of its points, and a disc.

    `resolution` is the distance within which the motion of each edge of the box is unknown [m].
    """

    edges: Edges
    resolution: Edges
    sides: tuple[Side, Side]
    origin: tuple[float, float]
    x: float
    y: float
    radius: float

    @classmethod
    def of(
        cls, view: VisiblePoints, points: NDArray[np.intp], sides: tuple[Side, Side]
    ) -> Blob:
        """Return the disc as wide as the points are across the line of sight, behind them."""
        edges = left, bottom, right, top = view.edges(points)
        sight_x = 0.5 * (left + right) - view.origin[0]
        sight_y = 0.5 * (bottom + top) - view.origin[1]
        far = max(math.hypot(sight_x, sight_y), 1e-6)
        sight_x, sight_y = sight_x / far, sight_y / far
        across = view.y[points] * sight_x - view.x[points] * sight_y
        along = view.x[points] * sight_x + view.y[points] * sight_y
        half = view.half_width(points)
        radius = 0.5 * float(np.ptp(across)) + half
        low, high = float(across.min()) - half, float(across.max()) + half
        if not all(side.is_open for side in sides):
            radius = max(radius, HALF_SEEN_RADIUS)
        middle = 0.5 * (low + high)
        if not sides[1].is_open and sides[0].is_open:
            middle = low + radius
        elif not sides[0].is_open and sides[1].is_open:
            middle = high - radius
        depth = float(along.min()) - half + radius
        x, y = depth * sight_x - middle * sight_y, depth * sight_y + middle * sight_x
        return cls(edges, view.edge_resolution(points), sides, view.origin, x, y, radius)


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

    """

    seen: tuple[tuple[float, Blob], ...]
    blob: Blob
    sighted: float
    motion: MotionFilter | None = None
    unseen: int = 0
    id: int = 0

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
        return DynamicObstacle(motion.stamp, x, y, vx, vy, motion.radius)

    def then(self, stamp: float, blob: Blob, confirmation: Confirmation) -> Track:
        """Return the track of an obstacle not known to move after it was seen once more."""
        seen = (
            *(each for each in self.seen if stamp - each[0] <= TRACK_MEMORY), (stamp, blob)
        )  # fmt: skip
        velocity = _velocity(seen, confirmation)
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


def _velocity(
    seen: Sequence[tuple[float, Blob]], confirmation: Confirmation
) -> tuple[float, float]:
    """Return the velocity of what was seen to move all the time, or lately; else 0."""
    lately = [each for each in seen if seen[-1][0] - each[0] <= RECENT]
    for period in (seen, lately):
        velocity = _steady_velocity(period, confirmation)
        if velocity != (0.0, 0.0):
            return velocity
    return 0.0, 0.0


def _steady_velocity(
    seen: Sequence[tuple[float, Blob]], confirmation: Confirmation
) -> tuple[float, float]:
    """Return the velocity of what was seen to move, 0 where it has not moved evenly."""
    for side in (0, 1):
        if any(not blob.sides[1 - side].is_open for _, blob in seen):
            found = _velocity_of_side(
                [(t, blob.sides[side], blob.origin) for t, blob in seen
                 if blob.sides[side].is_open],
                confirmation,
            )
            if found != (0.0, 0.0):
                return found
    return _velocity_of_edges(
        [(t, blob.edges, blob.resolution) for t, blob in seen
         if all(side.is_open for side in blob.sides)],
        confirmation,
    )


def _velocity_of_side(
    seen: Sequence[tuple[float, Side, tuple[float, float]]], confirmation: Confirmation
) -> tuple[float, float]:
    """
    Return the velocity of the one side that is not hidden, 0 where it has not moved evenly.

    It is 0 where the side keeps its distance from a robot that moves, too: so does the end of a
    wall at the range of the sensor.
    """
    if len(seen) < MIN_SIGHTINGS or seen[-1][0] - seen[0][0] < confirmation.age:
        return 0.0, 0.0
    unknown = max(side.resolution for _, side, _ in seen)
    if math.dist(seen[-1][1][:2], seen[0][1][:2]) < confirmation.side_motion + unknown:
        return 0.0, 0.0
    (_, begin, before), (_, end, now) = seen[0], seen[-1]
    farther = abs(math.dist(end[:2], now) - math.dist(begin[:2], before))
    if math.dist(before, now) > MIN_RANGE_CHANGE and farther < MIN_RANGE_CHANGE:
        return 0.0, 0.0
    times = np.array([time for time, _, _ in seen])
    points = np.array([side[:2] for _, side, _ in seen])
    slopes, off = _line(times, points)
    total = float(off.sum())
    if total > len(seen) * MAX_SIDE_DEVIATION**2 or total > _step(points).sum(axis=1).min():
        return 0.0, 0.0
    return float(slopes[0]), float(slopes[1])


def _velocity_of_edges(
    seen: Sequence[tuple[float, Edges, Edges]], confirmation: Confirmation
) -> tuple[float, float]:
    """
    Return the slower of the velocities of opposite edges, 0 where they differ in direction.

    One of them must have moved by more than the unknown.
    """
    if len(seen) < MIN_SIGHTINGS or seen[-1][0] - seen[0][0] < confirmation.age:
        return 0.0, 0.0
    moved = np.abs(np.subtract(seen[-1][1], seen[0][1]))
    known = moved - np.max([unknown for _, _, unknown in seen], axis=0)
    least = np.minimum(np.minimum(moved[:2], moved[2:]), np.maximum(known[:2], known[2:]))
    if least.max() < confirmation.edge_motion:
        return 0.0, 0.0
    times = np.array([time for time, _, _ in seen])
    edges = np.array([edges for _, edges, _ in seen])
    slopes, off = _line(times, edges)
    slopes[off > _step(edges).min(axis=0)] = 0.0

    def both(a: float, b: float) -> float:
        return math.copysign(min(abs(a), abs(b)), a) if a * b > 0.0 else 0.0

    left, bottom, right, top = slopes.tolist()
    velocity = both(left, right), both(bottom, top)
    return velocity if math.hypot(*velocity) > MIN_OBSTACLE_SPEED else (0.0, 0.0)


def _line(
    times: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the slopes of the lines through values float64[n, k], and the squared residuals."""
    centred = (times - times.mean())[:, None]
    slopes = (centred * values).sum(axis=0) / (centred**2).sum()
    off = ((values - values.mean(axis=0) - centred * slopes) ** 2).sum(axis=0)
    return slopes, off


def _step(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Return the squared residuals of values float64[n, k] that jump once, for each time of a jump.

    The edges of a cluster at rest jump where it merges with another one, or splits.
    """
    centred = values - values.mean(axis=0)
    before = np.arange(1, len(values))[:, None]
    sums = np.cumsum(centred, axis=0)[:-1]
    explained = sums**2 * (1.0 / before + 1.0 / (len(values) - before))
    residuals: NDArray[np.float64] = (centred**2).sum(axis=0) - explained
    return residuals
