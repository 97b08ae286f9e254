"""Requests the processing of costmaps and keeps the newest result."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.costmap_processing import (
    CostmapProcessor,
    Place,
    ProcessedCostmap,
    ProcessingFailure,
    ProcessingRequest,
    SynchronousProcessor,
    parameter_key,
    slack,
)
from mppi_ros.control.detected_obstacles import DetectedObstacles
from mppi_ros.control.input_monitor import InputStatus
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.plan_tracker import PlanTracker
from mppi_ros.control.rolling_window import RollingWindow, UpdateTracker, window_of
from mppi_ros.control.scan_tracking import ScanTracker
from mppi_ros.control.tick_result import ControllerState, Fault, Reason, Stop
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.obstacle_prediction import expected_obstacles, predict_obstacles
from mppi_ros.driving.obstacle_tracking import Track


class CostmapUpdater:
    """
    Requests the processing of costmaps and of the plan ahead, and keeps the newest result.

    Parameters
    ----------
    processor : CostmapProcessor, optional
        Does the processing; by default synchronously.

    Attributes
    ----------
    processed : ProcessedCostmap or None
        Newest result.
    renewals : UpdateTracker
        Rate of the costmaps, and whether they follow the robot.
    scans : ScanTracker
        Tracks of the obstacles in scans; without scans they are tracked on the costmap.
    detected : DetectedObstacles
        Moving obstacles of a detector, which replace the own tracks while they are current.

    """

    def __init__(self, processor: CostmapProcessor | None) -> None:
        self.processed: ProcessedCostmap | None = None
        self.renewals = UpdateTracker()
        self.scans = ScanTracker()
        self.detected = DetectedObstacles()
        self._processor = processor or SynchronousProcessor()
        self._newest: tuple[float, Costmap] | None = None
        self._error: Exception | None = None  # until a tick reports it
        self._asked: Place = (math.nan, math.nan)  # [m] robot position of the last request
        self._asked_rolls = False
        self._generation = 0

    def set(self, stamp: float, costmap: Costmap, timeout: float, now: float) -> bool:
        """Accept a costmap unless it is older than the last one; return whether it is accepted."""
        newest = None if self._newest is None else self._newest[0]
        if not InputStatus('costmap', newest, timeout).accepts(stamp, now):
            return False
        self._newest = stamp, costmap
        return True

    def forget(self) -> None:
        """Discard everything: it belongs to another frame."""
        self._newest = self.processed = self._error = None
        self.renewals = UpdateTracker()
        self.scans.forget()
        self.detected.forget()
        self._generation += 1

    def request(
        self,
        c: ControllerParameters,
        footprint: Footprint,
        place: Place,
        route: PlanTracker,
        lookahead_distance: float,
    ) -> None:
        """Request the newest costmap and `lookahead_distance` [m] of the plan."""
        if self._newest is None:
            return
        stamp, costmap = self._newest
        known = None if self.processed is None else self.processed.region
        if (
            known is None
            or known.costmap is not costmap
            or known.parameter_key != parameter_key(c)
            or known.rolls is not self.renewals.rolls
            or not known.holds(place, 0.5 * slack(c))
        ):
            known = None
        else:
            known = dataclasses.replace(known, stamp=stamp)  # the same cells, received again
        self._asked, self._asked_rolls = place, self.renewals.rolls
        path = route.ahead
        route.mark_lookahead()
        observed = self._observed_tracks(stamp)
        tracks = () if self.processed is None else self.processed.region.tracks
        self._processor.submit(
            ProcessingRequest(
                self._generation, c, footprint, stamp, costmap, place, path, route.progress or 0.0,
                lookahead_distance, known, tracks if observed is None else observed,
                self._asked_rolls, observed is not None,
            )
        )  # fmt: skip

    def collect(self, c: ControllerParameters) -> ProcessedCostmap | None:
        """Return the result finished since the last call, if any, and keep it."""
        done = self._processor.poll()
        if isinstance(done, ProcessingFailure):
            asked = done.request
            if asked.generation == self._generation and asked.configuration is c:
                self._error = done.error
        elif done is not None and done.generation == self._generation:
            self.processed = done
            return done
        return None

    def drop_error(self) -> None:
        """Discard an error that no tick has reported: it belongs to a former configuration."""
        self._error = None

    def raise_error(self) -> None:
        """Raise the error of the processing, once."""
        error, self._error = self._error, None
        if error is not None:
            raise error

    def renew(self, now: float, place: Place) -> bool:
        """Update `renewals`; return whether a request is due since their kind has changed."""
        if self.processed is None:
            return False
        region = self.processed.region
        self.renewals.take(now, region.stamp, region.costmap, place)
        return self.renewals.rolls is not self._asked_rolls

    def has_moved(self, c: ControllerParameters, place: Place) -> bool:
        """Return whether the robot has left the middle of a processed part of the costmap."""
        assert self.processed is not None
        moved = math.dist(self._asked, place) > 0.5 * slack(c)
        return self.processed.region.place is not None and moved

    def check_part(self, c: ControllerParameters, place: Place) -> None:
        """Raise Stop if the processed part of the costmap does not surround the robot."""
        assert self.processed is not None
        if not self.processed.region.holds(place, slack(c)):
            words = 'the costmap around the robot is being processed'
            raise Stop(Reason.COSTMAP_PENDING, words, ControllerState.WAITING)

    def input(self, timeout: float) -> InputStatus:
        """Return the age of the processed costmap."""
        absence = None
        if self._newest is not None:
            absence = Fault(Reason.COSTMAP_PENDING, 'the costmap is being processed')
        elif self._generation:
            absence = Fault(Reason.COSTMAP_MISSING, 'no costmap in the new frame yet')
        stamp = None if self.processed is None else self.processed.region.stamp
        return InputStatus('costmap', stamp, timeout, absence)

    def outside(self, place: Place) -> Fault | None:
        """Return a fault if the robot is outside of the costmap."""
        if self.processed is None or self.processed.region.costmap.contains(*place):
            return None
        x, y = place
        words = f'the robot at ({x:.2f}, {y:.2f}) m is outside of the costmap'
        return Fault(Reason.OUTSIDE_COSTMAP, words)

    def moving_tracks(self, time: float) -> list[Track]:
        """Return the tracks of the moving obstacles that are in use at a time [s]."""
        known = self._observed_tracks(time)
        if known is None:
            known = () if self.processed is None else self.processed.region.tracks
        return [track for track in known if track.moves]

    def _observed_tracks(self, time: float) -> tuple[Track, ...] | None:
        """Return the tracks of detector or scans at a time [s]; None to track on the costmap."""
        for source in (self.detected, self.scans):
            if source.is_current(time):
                return source.tracks
        return None

    def moving_obstacles(self, time: float) -> NDArray[np.float64]:
        """Return x, y, vx, vy, radius of the moving obstacles at a time [s], float64[n, 5]."""
        return predict_obstacles([track.obstacle for track in self.moving_tracks(time)], time)

    def expected_obstacles(self, time: float, c: ControllerParameters) -> NDArray[np.float64]:
        """Return the moving obstacles at a time [s] for the rollout; see `obstacle_prediction`."""
        critic = c.critics.moving_obstacle
        return expected_obstacles(
            [track.obstacle for track in self.moving_tracks(time)], time,
            c.moving_obstacles.velocity_std, (critic.comfort_distance, critic.object_distance),
        )  # fmt: skip

    def window(self, c: ControllerParameters, footprint: Footprint) -> RollingWindow | None:
        """Return the limits of a rolling costmap, or None if the costmap does not roll."""
        if (
            self.processed is None
            or not self.renewals.rolls
            or not c.safety.outside_is_obstacle
        ):
            return None
        costmap = self.processed.region.costmap
        height, width = costmap.shape
        extent = width * costmap.resolution, height * costmap.resolution
        return window_of(c, footprint, extent, self.renewals.period, self.renewals.age)
