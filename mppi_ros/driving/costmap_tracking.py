"""Tracking on a costmap, and the costmap without the moving obstacles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import math

import numpy as np

from mppi_ros.driving.costmap import FREE, INSCRIBED, LETHAL, Costmap
from mppi_ros.driving.obstacle_tracking import (
    TRACK_MEMORY,
    TRACKING_RANGE,
    Track,
    claims,
    track_points,
)
from mppi_ros.driving.visible_cells import VisibleCells

WAKE_LENGTH = 3.0  # [m] behind a moving obstacle where hidden cells may be its own


def update_tracks(
    tracks: Sequence[Track], stamp: float, costmap: Costmap, place: tuple[float, float]
) -> tuple[tuple[Track, ...], Costmap]:
    """
    Track the obstacles on a costmap; return the tracks, and the costmap without moving obstacles.

    Parameters
    ----------
    tracks : sequence of Track
        Tracks of the previous costmap.
    stamp : float
        Time of the costmap [s].
    costmap : Costmap
        Latest costmap.
    place : (float, float)
        Position of the robot [m].

    """
    view = VisibleCells.of(costmap, place, TRACKING_RANGE)
    now = track_points(tracks, stamp, view)
    return now, _without(view, [track for track in now if track.moves])


def remove_moving_obstacles(
    tracks: Sequence[Track], stamp: float, costmap: Costmap, place: tuple[float, float]
) -> Costmap:
    """Return the costmap of a time [s] without the moving obstacles among the tracks of a scan."""
    moving = [
        replace(track, motion=track.motion.at(stamp))
        for track in tracks
        if track.motion is not None and abs(stamp - track.motion.stamp) <= TRACK_MEMORY
    ]
    return _without(VisibleCells.of(costmap, place, TRACKING_RANGE), moving)


def _without(
    view: VisibleCells, moving: Sequence[Track]
) -> Costmap:
    """
    Return the costmap without moving obstacles, their wakes and their inflation.

    A visible cell that no moving obstacle owns is left in a wake.
    """
    from scipy.ndimage import distance_transform_edt

    costmap = view.costmap
    if not moving:
        return costmap
    owner, _ = claims(view, moving)
    data, res = costmap.data, costmap.resolution
    height, width = data.shape
    x = costmap.origin_x + (np.arange(width) + 0.5) * res
    y = (costmap.origin_y + (np.arange(height) + 0.5) * res)[:, None]
    gone, bodies = np.zeros(data.shape, bool), np.zeros(data.shape, bool)
    for obstacle in (track.obstacle for track in moving):
        speed = max(math.hypot(obstacle.vx, obstacle.vy), 1e-6)
        along_x, along_y = obstacle.vx / speed, obstacle.vy / speed
        behind = -((x - obstacle.x) * along_x + (y - obstacle.y) * along_y)
        aside = np.abs((y - obstacle.y) * along_x - (x - obstacle.x) * along_y)
        around = obstacle.radius + res
        gone |= (behind >= -around) & (behind <= WAKE_LENGTH) & (aside <= around)
        bodies |= (np.abs(behind) <= around) & (aside <= around)
    gone[view.rows, view.columns] = owner >= 0
    gone = (gone | bodies) & (data == LETHAL)
    kept = data.copy()
    kept[gone] = FREE
    inflated = kept == INSCRIBED
    if inflated.any():
        others = kept == LETHAL
        to_others = distance_transform_edt(~others) if others.any() else np.inf
        kept[inflated & (distance_transform_edt(~gone) < to_others)] = FREE
    return replace(costmap, data=kept)
