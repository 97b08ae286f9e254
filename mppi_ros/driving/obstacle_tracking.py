"""
Moving obstacles: things that stand free before the robot, followed from costmap to costmap.

Only what the robot can see tells of motion: behind a thing that comes nearer a costmap keeps the
cells that it has left, because nobody looks there. Of what is seen, a thing moves where both of
its edges move the same way; one that is merely seen better grows on one side only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.costmap import FREE, INSCRIBED, LETHAL, Costmap
from mppi_ros.driving.distance_field import DistanceField

TRACKING_RANGE = 6.0  # [m] around the robot in which things are followed
BEAM_COUNT = 720  # directions of view
VISIBLE_DEPTH = 0.3  # [m] behind the nearest cell of its direction in which a cell counts as seen
MAX_OBSTACLE_WIDTH = 1.2  # [m] a thing that is wider is a wall
MAX_OBSTACLE_SPEED = 3.0  # [m/s] between two costmaps
MIN_MATCH_DISTANCE = 0.15  # [m] that the middle of a thing may jump
TRACK_MEMORY = 1.0  # [s] of edges from which a velocity is taken
MIN_TRACK_AGE = 0.3  # [s] that a thing must have been followed for
MIN_SIGHTINGS = 4  # costmaps in which it must have been seen
MIN_OBSTACLE_SPEED = 0.1  # [m/s] below which it rests
MIN_EDGE_MOTION = 0.1  # [m] that both of its edges must have moved
WAKE_LENGTH = 3.0  # [m] behind a moving thing where a costmap may still show it
POSITION_STD = 0.03  # [m] standard deviation of where a thing is
SPEED_STD = 0.1  # [m/s] standard deviation of how it goes on

Edges = tuple[float, float, float, float]  # x and y of the low corner, x and y of the high one [m]


class DynamicObstacle(NamedTuple):
    """A disc that moves: centre x, y [m] at `stamp` [s], velocity [m/s], radius [m]."""

    stamp: float
    x: float
    y: float
    vx: float
    vy: float
    radius: float


@dataclass(frozen=True)
class Track:
    """
    What is seen of a thing, and from where.

    Attributes
    ----------
    seen : tuple of (time [s], edges)
        Oldest first; no older than MEMORY.
    sensor_origin : (float, float)
        Where the robot saw it from last [m] [m].
    velocity : (float, float)
        vx, vy [m/s]; 0 at rest or where it is not known yet.

    """

    seen: tuple[tuple[float, Edges], ...]
    sensor_origin: tuple[float, float]
    velocity: tuple[float, float] = (0.0, 0.0)

    @property
    def moves(self) -> bool:
        """Tell whether the thing moves."""
        return self.velocity != (0.0, 0.0)

    @property
    def centre(self) -> tuple[float, float]:
        """Return the middle of what is seen [m] [m]."""
        left, bottom, right, top = self.seen[-1][1]
        return 0.5 * (left + right), 0.5 * (bottom + top)

    @property
    def obstacle(self) -> DynamicObstacle:
        """Return the disc that the thing is taken for: as deep as what is seen is wide."""
        stamp, (left, bottom, right, top) = self.seen[-1]
        x, y = self.centre
        away = max(math.dist(self.sensor_origin, (x, y)), 1e-6)
        sight_x, sight_y = (x - self.sensor_origin[0]) / away, (y - self.sensor_origin[1]) / away
        half_x, half_y = 0.5 * (right - left), 0.5 * (top - bottom)
        radius = max(half_x, half_y)
        behind = radius - min(abs(sight_x) * half_x + abs(sight_y) * half_y, radius)
        return DynamicObstacle(
            stamp, x + behind * sight_x, y + behind * sight_y, *self.velocity, radius
        )

    def then(self, newer: Track) -> Track:
        """Return the track with the thing seen once more."""
        stamp = newer.seen[-1][0]
        seen = (*(each for each in self.seen if stamp - each[0] <= TRACK_MEMORY), *newer.seen)
        return Track(seen, newer.sensor_origin, _velocity(seen, 0.5 if self.moves else 1.0))


def update_tracks(
    tracks: Sequence[Track], stamp: float, costmap: Costmap, place: tuple[float, float]
) -> tuple[tuple[Track, ...], Costmap]:
    """
    Follow the things on a costmap; return their tracks, and the costmap without what moves.

    Parameters
    ----------
    tracks : sequence of Track
        Of the costmap before.
    stamp : float
        Time of the costmap [s].
    costmap : Costmap
        What is known now.
    place : (float, float)
        Where the robot is [m] [m].

    """
    found = [Track(((stamp, edges),), place) for edges in _segments(costmap, place)]
    now = _matched(tracks, stamp, found)
    moving_obstacles = [track.obstacle for track in now if track.moves]
    if not moving_obstacles:
        return now, costmap
    return now, replace(costmap, data=_without(costmap, moving_obstacles))


def predict_obstacles(
    moving_obstacles: Sequence[DynamicObstacle], time: float
) -> NDArray[np.float64]:
    """Return x, y, vx, vy, radius of each moving obstacle at a time [s], float64[n, 5]."""
    rows = [
        (m.x + (time - m.stamp) * m.vx, m.y + (time - m.stamp) * m.vy, m.vx, m.vy, m.radius)
        for m in moving_obstacles
    ]
    return np.array(rows, np.float64).reshape(-1, 5)


def met(
    still: DistanceField,
    moving_obstacles: Sequence[DynamicObstacle],
    place: tuple[float, float],
    speed: float,
    longest: float,
) -> DistanceField:
    """
    Return a field with each moving obstacle where a robot from `place` at `speed` [m/s] meets it.

    No later than in `longest` [s]: nobody knows where it is then.
    """
    if not moving_obstacles:
        return still
    height, width = still.distance.shape
    x = still.origin_x + (np.arange(width) + 0.5) * still.resolution
    y = (still.origin_y + (np.arange(height) + 0.5) * still.resolution)[:, None]
    distance = still.distance
    for m in moving_obstacles:
        later = min(math.dist(place, (m.x, m.y)) / speed, longest)
        away = np.hypot(x - m.x - later * m.vx, y - m.y - later * m.vy) - m.radius
        distance = np.minimum(distance, np.maximum(away, 0.0).astype(np.float32))
    return replace(still, distance=distance)


def margins(risk: float) -> tuple[float, float]:
    """Return the margin [m] around a moving obstacle, and its growth [m/s], for a risk."""
    deviations = NormalDist().inv_cdf(1.0 - risk)
    return deviations * POSITION_STD, deviations * SPEED_STD


def _segments(costmap: Costmap, place: tuple[float, float]) -> list[Edges]:
    """Return the edges of all that is seen and stands before its surroundings on both sides."""
    res = costmap.resolution
    column, row = (
        int((at - low) / res)
        for at, low in zip(place, (costmap.origin_x, costmap.origin_y), strict=True)
    )
    reach = math.ceil(TRACKING_RANGE / res)
    first_row, first_column = max(row - reach, 0), max(column - reach, 0)
    near = costmap.data[first_row : max(row + reach, 0), first_column : max(column + reach, 0)]
    rows, columns = np.nonzero(near == LETHAL)
    if not len(rows):
        return []
    x = costmap.origin_x + (columns + first_column + 0.5) * res
    y = costmap.origin_y + (rows + first_row + 0.5) * res
    away = np.hypot(x - place[0], y - place[1])
    beam = ((np.arctan2(y - place[1], x - place[0]) / math.tau) % 1.0 * BEAM_COUNT).astype(
        int
    ) % BEAM_COUNT
    # A cell covers the beams on both sides of its centre, as far as its half width.
    nearest = np.full(BEAM_COUNT, np.inf)
    wide = np.ceil(0.5 * res / np.maximum(away, res) / math.tau * BEAM_COUNT).astype(int)
    for aside in range(-int(wide.max()), int(wide.max()) + 1):
        covered = np.abs(aside) <= wide
        np.minimum.at(nearest, (beam[covered] + aside) % BEAM_COUNT, away[covered])
    seen = away <= nearest[beam] + VISIBLE_DEPTH
    rows, columns, x, y, away, beam = (
        each[seen] for each in (rows, columns, x, y, away, beam)
    )
    return [
        (float(x[one].min() - 0.5 * res), float(y[one].min() - 0.5 * res),
         float(x[one].max() + 0.5 * res), float(y[one].max() + 0.5 * res))
        for one in _clusters(near.shape, rows, columns)
        if max(np.ptp(x[one]), np.ptp(y[one])) <= MAX_OBSTACLE_WIDTH
        and _stands_free(beam[one], away[one], nearest, res)
    ]  # fmt: skip


def _clusters(
    shape: tuple[int, ...], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> list[NDArray[np.intp]]:
    """Return the indices of the cells of each cluster of neighbours."""
    from scipy.ndimage import label

    grid = np.zeros(shape, bool)
    grid[rows, columns] = True
    labels, count = label(grid, structure=np.ones((3, 3), int))
    of_cell = labels[rows, columns]
    order = np.argsort(of_cell, kind='stable')
    bounds = np.searchsorted(of_cell[order], np.arange(1, count + 1))
    return np.split(order, bounds[1:])


def _stands_free(
    beams: NDArray[np.intp], away: NDArray[np.float64], nearest: NDArray[np.float64], res: float
) -> bool:
    """Tell whether the view on both sides of a cluster goes farther than the cluster."""
    offset = (beams - beams[0] + BEAM_COUNT // 2) % BEAM_COUNT - BEAM_COUNT // 2
    gap = 2 + math.ceil(res / max(float(away.min()), res) / math.tau * BEAM_COUNT)
    if offset.max() - offset.min() + 2 * gap >= BEAM_COUNT // 2:
        return False
    sides = (beams[0] + np.array([offset.min() - gap, offset.max() + gap])) % BEAM_COUNT
    return bool((nearest[sides] > away.max() + VISIBLE_DEPTH).all())


def _matched(
    tracks: Sequence[Track], stamp: float, found: Sequence[Track]
) -> tuple[Track, ...]:
    """Go on with the track that is nearest to each thing, each of them once."""
    before = [track for track in tracks if 0.0 < stamp - track.seen[-1][0] <= TRACK_MEMORY]
    if not before or not found:
        return tuple(found)
    gone = np.array([stamp - track.seen[-1][0] for track in before])
    expected = np.array([track.centre for track in before])
    expected += gone[:, None] * np.array([track.velocity for track in before])
    off = expected[:, None] - np.array([track.centre for track in found])[None]
    distance = np.hypot(off[..., 0], off[..., 1])
    old, new = np.nonzero(distance <= MIN_MATCH_DISTANCE + gone[:, None] * MAX_OBSTACLE_SPEED)
    order = np.argsort(distance[old, new], kind='stable')
    taken: set[int] = set()
    result: dict[int, Track] = {}
    for a, b in zip(old[order].tolist(), new[order].tolist(), strict=True):
        if a not in taken and b not in result:
            taken.add(a)
            result[b] = before[a].then(found[b])
    return tuple(result.get(number, track) for number, track in enumerate(found))


def _velocity(seen: Sequence[tuple[float, Edges]], share: float) -> tuple[float, float]:
    """
    Return the slower of the velocities of opposite edges, 0 where they differ in direction.

    It is 0 altogether below a share of what counts as motion: what has moved is let go less
    easily than it is believed.
    """
    (began, first), (now, last) = seen[0], seen[-1]
    if now - began < MIN_TRACK_AGE or len(seen) < MIN_SIGHTINGS:
        return 0.0, 0.0
    moved = np.abs(np.subtract(last, first))
    if max(min(moved[0], moved[2]), min(moved[1], moved[3])) < share * MIN_EDGE_MOTION:
        return 0.0, 0.0
    times = np.array([time for time, _ in seen])
    edges = np.array([edges for _, edges in seen])
    centred = times - times.mean()
    slopes = (centred @ (edges - edges.mean(axis=0)) / (centred @ centred)).tolist()

    def both(a: float, b: float) -> float:
        return math.copysign(min(abs(a), abs(b)), a) if a * b > 0.0 else 0.0

    velocity = both(slopes[0], slopes[2]), both(slopes[1], slopes[3])
    return velocity if math.hypot(*velocity) > share * MIN_OBSTACLE_SPEED else (0.0, 0.0)


def _without(costmap: Costmap, moving_obstacles: Sequence[DynamicObstacle]) -> NDArray[np.int8]:
    """Return the cells without what moves, its wake, and what was inflated around them."""
    from scipy.ndimage import distance_transform_edt

    data, res = costmap.data, costmap.resolution
    height, width = data.shape
    x = costmap.origin_x + (np.arange(width) + 0.5) * res
    y = (costmap.origin_y + (np.arange(height) + 0.5) * res)[:, None]
    gone = np.zeros(data.shape, bool)
    for obstacle in moving_obstacles:
        speed = math.hypot(obstacle.vx, obstacle.vy)
        along_x, along_y = obstacle.vx / speed, obstacle.vy / speed
        behind = -((x - obstacle.x) * along_x + (y - obstacle.y) * along_y)
        aside = np.abs((y - obstacle.y) * along_x - (x - obstacle.x) * along_y)
        around = obstacle.radius + res
        gone |= (behind >= -around) & (behind <= WAKE_LENGTH) & (aside <= around)
    gone &= data == LETHAL
    kept = data.copy()
    kept[gone] = FREE
    inflated = kept == INSCRIBED
    if inflated.any():
        others = kept == LETHAL
        to_others = distance_transform_edt(~others) if others.any() else np.inf
        kept[inflated & (distance_transform_edt(~gone) < to_others)] = FREE
    return kept
