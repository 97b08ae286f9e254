"""
The area that scans have shown lately, which limits the speed of reversing.

A lidar often does not look behind the robot. Where no scan has shown the area that the body enters
on its way back, the robot reverses slowly; otherwise so fast that it can stop within the area that
was shown.
"""

from __future__ import annotations

from collections import deque
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.rolling_window import leads_ahead
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.scan_points import ScanPoints
from mppi_ros.driving.visible_points import VISIBLE_DEPTH, beams

VIEW_INTERVAL = 0.4  # [s] between two scans that are stored
MEMORY = 10.0  # [s] for which an area counts as seen
POSE_SPACING = 0.1  # [m] between two poses of the way back
# Points of each disc of the body, as shares of its radius. The rim itself often lies on a wall.
BODY_POINTS = 0.7 * np.array([(0.0, 0.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)])


class _View(NamedTuple):
    stamp: float
    place: tuple[float, float]  # of the robot [m] [m]
    origin: tuple[float, float]  # of the sensor [m] [m]
    nearest: NDArray[np.float64]  # see ScanPoints


class SeenArea:
    """Stores what scans have shown, in the planning frame."""

    def __init__(self) -> None:
        self._views: deque[_View] = deque(maxlen=math.ceil(MEMORY / VIEW_INTERVAL))
        self._straight = (-math.inf, 0.0)  # last scan and distance of a straight way back

    def add(self, stamp: float, points: ScanPoints, place: tuple[float, float]) -> None:
        """Add what a scan at a time [s] shows, taken where the robot was at a place [m] [m]."""
        if self._views and 0.0 <= stamp - self._views[-1].stamp < VIEW_INTERVAL:
            return
        self._views.append(_View(stamp, place, points.origin, points.nearest))

    def forget(self) -> None:
        """Discard everything: it belongs to another frame."""
        self._views.clear()

    def distance_back(
        self, now: float, poses: NDArray[np.float64], footprint: Footprint, distance: float
    ) -> float:
        """
        Return how far the robot can reverse within the area that was seen [m].

        Parameters
        ----------
        now : float
            Time [s].
        poses : float64[n, 3]
            Poses that the robot plans to drive, x, y [m] and yaw [rad]. If they lead forward, the
            way back is straight.
        footprint : Footprint
            Footprint of the robot.
        distance : float
            Distance of interest [m].

        Returns
        -------
        float
            At most `distance`; inf if there was no scan at all.

        """
        if not self._views:
            return math.inf
        if not leads_ahead(poses):
            return self._distance(now, _way_back(poses, distance), footprint, distance)
        latest = self._views[-1].stamp
        if self._straight[0] != latest:  # while it drives forward, once for each scan stored
            way = _way_back(poses[:1], distance)
            self._straight = latest, self._distance(now, way, footprint, distance)
        return self._straight[1]

    def _distance(
        self, now: float, way: NDArray[np.float64], footprint: Footprint, distance: float
    ) -> float:
        places = _body_points(way, footprint)
        x, y = places.reshape(-1, 2).T
        # The body itself is free, and so is where it has just been.
        unseen = np.flatnonzero(~_inside(x, y, way[0], footprint))
        for view in reversed(self._views):
            if not len(unseen) or abs(now - view.stamp) > MEMORY:
                break
            at_x, at_y = x[unseen], y[unseen]
            away = np.hypot(at_x - view.origin[0], at_y - view.origin[1])
            nearest = view.nearest[beams(at_x, at_y, view.origin)]
            shown = (away < nearest + VISIBLE_DEPTH) & (nearest > 0.0)
            been = np.hypot(at_x - view.place[0], at_y - view.place[1])
            unseen = unseen[~(shown | (been <= footprint.largest_radius))]
        if not len(unseen):
            return distance
        first = int(unseen[0]) // places.shape[1]
        return float(POSE_SPACING * max(first - 1, 0))


def _way_back(poses: NDArray[np.float64], distance: float) -> NDArray[np.float64]:
    """Return poses at equal spacing on the way back, beyond its end straight, float64[n, 3]."""
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(poses[:, :2], axis=0).T))])
    at = np.arange(0.0, distance + POSE_SPACING, POSE_SPACING)
    way = np.column_stack([np.interp(at, arc, poses[:, axis]) for axis in range(3)])
    beyond = np.maximum(at - arc[-1], 0.0)
    way[:, 0] -= beyond * np.cos(way[:, 2])
    way[:, 1] -= beyond * np.sin(way[:, 2])
    return way


def _inside(
    x: NDArray[np.float64], y: NDArray[np.float64], pose: NDArray[np.float64], body: Footprint
) -> NDArray[np.bool_]:
    """Return whether points are inside the discs of the body at a pose, bool[n]."""
    dx, dy, cos, sin = x - pose[0], y - pose[1], math.cos(pose[2]), math.sin(pose[2])
    ahead, aside, radius = body.discs.T[:, :, None]
    away = np.hypot(cos * dx + sin * dy - ahead, cos * dy - sin * dx - aside)
    inside: NDArray[np.bool_] = (away <= radius).any(axis=0)
    return inside


def _body_points(poses: NDArray[np.float64], footprint: Footprint) -> NDArray[np.float64]:
    """Return points of the body at each pose, float64[n, m, 2]."""
    ahead, aside, radius = footprint.discs.T
    points = (BODY_POINTS[:, None] * radius[None, :, None] + np.stack([ahead, aside], axis=-1))
    x, y = points.reshape(-1, 2).T
    cos, sin = np.cos(poses[:, 2, None]), np.sin(poses[:, 2, None])
    return np.stack(
        [poses[:, 0, None] + cos * x - sin * y, poses[:, 1, None] + sin * x + cos * y], axis=-1
    )
