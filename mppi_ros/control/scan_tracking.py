"""Tracks of the obstacles in scans, which are newer and finer than those on a costmap."""

from __future__ import annotations

from collections import deque
import math

from mppi_ros.control.inputs import Odometry
from mppi_ros.control.seen_area import SeenArea
from mppi_ros.driving.obstacle_tracking import TRACKING_RANGE, Track, track_points
from mppi_ros.driving.scan import Scan
from mppi_ros.driving.scan_points import ScanPoints

MAX_SCAN_AGE = 0.5  # [s] beyond which the costmap is tracked instead
MAX_EXTRAPOLATION = 0.2  # [s] from the latest odometry to a scan
STORED_POSES = 64


class ScanTracker:
    """
    Tracks obstacles from scan to scan.

    Attributes
    ----------
    tracks : tuple of Track
        Tracks after the latest scan.
    seen : SeenArea
        What the scans have shown.

    """

    def __init__(self) -> None:
        self.tracks: tuple[Track, ...] = ()
        self.seen = SeenArea()
        self._stamp = -math.inf
        self._odometry: deque[Odometry] = deque(maxlen=STORED_POSES)

    def set_odometry(self, odometry: Odometry) -> None:
        """Store a measurement, which gives the pose of scans."""
        if self._odometry and odometry.stamp < self._odometry[-1].stamp:
            self._odometry.clear()
        self._odometry.append(odometry)

    def set_scan(self, scan: Scan) -> bool:
        """Track the obstacles in a scan; return whether it was used."""
        pose = self._pose(scan.stamp)
        if pose is None or 0.0 <= self._stamp - scan.stamp < MAX_SCAN_AGE:
            return False
        points = ScanPoints.of(scan, pose, TRACKING_RANGE)
        self.tracks = track_points(self.tracks, scan.stamp, points)
        self.seen.add(scan.stamp, points, pose[:2])
        self._stamp = scan.stamp
        return True

    def forget(self) -> None:
        """Discard everything: it belongs to another frame."""
        self.tracks, self._stamp = (), -math.inf
        self.seen.forget()
        self._odometry.clear()

    def is_current(self, time: float) -> bool:
        """Return whether the latest scan is not older than MAX_SCAN_AGE at a time [s]."""
        return abs(time - self._stamp) <= MAX_SCAN_AGE

    def _pose(self, time: float) -> tuple[float, float, float] | None:
        """Return the pose x [m], y [m], yaw [rad] at a time [s], None if it is not known."""
        after = None
        for each in reversed(self._odometry):
            if each.stamp <= time:
                return _between(each, after, time)
            after = each
        return None


def _between(
    before: Odometry, after: Odometry | None, time: float
) -> tuple[float, float, float] | None:
    if after is None:
        ahead = time - before.stamp
        if ahead > MAX_EXTRAPOLATION:
            return None
        yaw = before.yaw + 0.5 * ahead * before.wz
        cos, sin = math.cos(yaw), math.sin(yaw)
        return (
            before.x + ahead * (cos * before.vx - sin * before.vy),
            before.y + ahead * (sin * before.vx + cos * before.vy),
            before.yaw + ahead * before.wz,
        )
    share = (time - before.stamp) / (after.stamp - before.stamp)
    turned = math.remainder(after.yaw - before.yaw, math.tau)
    return (
        before.x + share * (after.x - before.x), before.y + share * (after.y - before.y),
        before.yaw + share * turned,
    )  # fmt: skip
