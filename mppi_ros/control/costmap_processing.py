"""
Processing of a costmap for the tick: distance field, moving obstacles, and search of the plan.

Requests and results are immutable, so the processing may run in any thread while the ticks use
the previous result.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
import math
import threading
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving.cost_to_go import REJOIN_DISTANCE, SEARCH_MARGIN
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.costmap_crop import crop_costmap
from mppi_ros.driving.costmap_tracking import remove_moving_obstacles, update_tracks
from mppi_ros.driving.distance_field import DistanceField, distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.lookahead import PlanLookahead, look_ahead
from mppi_ros.driving.obstacle_prediction import field_with_obstacles
from mppi_ros.driving.obstacle_tracking import Track, moving_obstacles
from mppi_ros.driving.path import ReferencePath
from mppi_ros.driving.zones import zone_costs

Place = tuple[float, float]
ParameterKey = tuple[object, ...]
WINDOW_SLACK = 2.0  # [m] of robot motion before the window of a large costmap is moved
WINDOW_SLACK_TIME = 1.0  # [s] at top speed, added to it


@dataclass(frozen=True)
class LocalMap:
    """
    A costmap and the distance field of its relevant part.

    Attributes
    ----------
    stamp : float
        Time of the costmap [s].
    costmap : Costmap
        The complete costmap.
    field : DistanceField
        Of the complete costmap or of a window. Its outside is an obstacle where the robot must
        stop before it.
    place : (float, float) or None
        Centre of the window [m]; None if the field covers the complete costmap.
    still : DistanceField
        The field without moving obstacles. The outside of a rolling costmap is free in it:
        planning through unknown space is allowed as long as the robot can stop.
    tracks : tuple of Track
        Tracked obstacles.
    rolls : bool
        As in ProcessingRequest.
    parameter_key : tuple
        Parameters on which the map depends.

    """

    stamp: float
    costmap: Costmap
    field: DistanceField
    place: Place | None
    still: DistanceField
    tracks: tuple[Track, ...]
    rolls: bool
    parameter_key: ParameterKey

    def holds(self, place: Place, distance: float) -> bool:
        """Return whether a place is within `distance` [m] of the centre of the window."""
        return self.place is None or math.dist(self.place, place) <= distance


@dataclass(frozen=True)
class ProcessedCostmap:
    """
    Local map and, if there is a plan, the lookahead on it.

    `generation` is that of the request. Results of earlier generations are discarded.
    """

    generation: int
    region: LocalMap
    lookahead: PlanLookahead | None


@dataclass(frozen=True)
class ProcessingRequest:
    """
    Input of the processing.

    Attributes
    ----------
    generation : int
        Increases when earlier results become invalid.
    configuration, footprint : ControllerParameters, Footprint
        Of the robot.
    stamp, costmap : float, Costmap
        Latest costmap and its time [s].
    place : (float, float)
        Position of the robot [m].
    path, progress : ReferencePath or None, float
        Plan to search, and progress of the robot on it [m].
    lookahead_distance : float
        Length of the plan to search [m].
    known : LocalMap, optional
        Local map, if it has been computed before.
    tracks : tuple of Track
        Tracks of a detector, of the latest scan, or of the previous costmap.
    rolls : bool
        The costmap follows the robot, so later ones show what lies beyond its border.
    observed : bool
        `tracks` are those of a detector or a scan, so the costmap is not tracked.

    """

    generation: int
    configuration: ControllerParameters
    footprint: Footprint
    stamp: float
    costmap: Costmap
    place: Place
    path: ReferencePath | None
    progress: float
    lookahead_distance: float
    known: LocalMap | None
    tracks: tuple[Track, ...] = ()
    rolls: bool = False
    observed: bool = False

    def process(self) -> ProcessedCostmap:
        """Process the request; takes up to 0.1 s for costmaps of any size."""
        region = self.known or self._region()
        c = self.configuration
        lookahead = None
        if self.path is not None:
            field = field_with_obstacles(
                region.still, moving_obstacles(region.tracks), self.place, c.limits.vx_max,
                c.mppi.horizon,
            )  # fmt: skip
            lookahead = look_ahead(
                self.path, self.progress, self.lookahead_distance, field, self.footprint,
                c.limits, c.critics, c.goal.position_tolerance,
            )  # fmt: skip
        return ProcessedCostmap(self.generation, region, lookahead)

    def _region(self) -> LocalMap:
        safety, limits = self.configuration.safety, self.configuration.limits
        braking = limits.vx_max**2 / (2.0 * -limits.ax_min)
        around = (
            max(self.lookahead_distance + REJOIN_DISTANCE + SEARCH_MARGIN, braking)
            + self.footprint.circumscribed_radius
        )
        near, cut = crop_costmap(
            self.costmap, *self.place, around + slack(self.configuration),
            unknown_is_obstacle=safety.unknown_is_obstacle,
            outside_is_obstacle=safety.outside_is_obstacle,
        )  # fmt: skip
        outside = safety.outside_is_obstacle or cut
        critics = self.configuration.critics
        zone = zone_costs(near, critics.zone.inflation_radius) if critics.charge_zones else None
        field = still = self._field(near, outside and not self.rolls, zone)
        tracks: tuple[Track, ...] = ()
        if self.configuration.moving_obstacles.enabled:
            if self.observed:
                tracks = self.tracks
                rest = remove_moving_obstacles(tracks, self.stamp, near, self.place)
            else:
                tracks, rest = update_tracks(self.tracks, self.stamp, near, self.place)
            still = field if rest is near else self._field(
                rest, outside and not self.rolls, zone
            )
        if outside and self.rolls:
            field = replace(field, outside=0.0)
        return LocalMap(
            self.stamp, self.costmap, field, self.place if cut else None, still, tracks,
            self.rolls, parameter_key(self.configuration),
        )  # fmt: skip

    def _field(
        self, costmap: Costmap, outside_is_obstacle: bool, zone: NDArray[np.float32] | None
    ) -> DistanceField:
        field = replace(distance_field(
            costmap,
            inscribed_radius=self.footprint.inscribed_radius,
            unknown_is_obstacle=self.configuration.safety.unknown_is_obstacle,
            outside_is_obstacle=outside_is_obstacle,
        ), zone=zone)  # fmt: skip
        field.padded, field.padded_zone  # noqa: B018 - computed here rather than in the tick
        return field


def parameter_key(c: ControllerParameters) -> ParameterKey:
    """Return the parameters on which a local map depends."""
    zones = c.critics.charge_zones, c.critics.zone.inflation_radius
    return c.robot, c.safety, c.limits, c.mppi.horizon, c.moving_obstacles, zones


def slack(configuration: ControllerParameters) -> float:
    """Return the distance that the robot may move from the centre of a window [m]."""
    return WINDOW_SLACK + WINDOW_SLACK_TIME * configuration.limits.vx_max


@dataclass(frozen=True)
class ProcessingFailure:
    """A request whose processing raised an error."""

    request: ProcessingRequest
    error: Exception


class CostmapProcessor(Protocol):
    """Processes costmaps, in any thread."""

    def submit(self, request: ProcessingRequest) -> None:
        """Submit a request; it replaces a request that has not been started."""
        raise NotImplementedError

    def poll(self) -> ProcessedCostmap | ProcessingFailure | None:
        """Return the result finished since the last call, or None."""
        raise NotImplementedError


class SynchronousProcessor:
    """Processes a request in the calling thread, which keeps a closed loop reproducible."""

    def __init__(self) -> None:
        self._done: ProcessedCostmap | ProcessingFailure | None = None

    def submit(self, request: ProcessingRequest) -> None:
        """Process the request."""
        self._done = _done(request)

    def poll(self) -> ProcessedCostmap | ProcessingFailure | None:
        """Return the result or the failure, once."""
        done, self._done = self._done, None
        return done


class ThreadedProcessor:
    """
    Processes the newest request in a thread of its own.

    At most one request waits and one result is kept, so memory is bounded. The kernels release
    Python's lock, so a tick does not wait for them.
    """

    def __init__(self) -> None:
        self._requests: deque[ProcessingRequest] = deque(maxlen=1)
        self._done: deque[ProcessedCostmap | ProcessingFailure] = deque(maxlen=1)
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name='costmap_processor', daemon=True)
        self._thread.start()

    def submit(self, request: ProcessingRequest) -> None:
        """Replace the waiting request."""
        self._requests.append(request)
        self._wake.set()

    def poll(self) -> ProcessedCostmap | ProcessingFailure | None:
        """Return the newest result or failure, once."""
        return self._done.pop() if self._done else None

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._wake.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._closed:
            self._wake.wait()
            self._wake.clear()
            if self._requests:
                self._done.append(_done(self._requests.pop()))


def _done(request: ProcessingRequest) -> ProcessedCostmap | ProcessingFailure:
    try:
        return request.process()
    except Exception as error:  # reported by the next tick, which brakes
        return ProcessingFailure(request, error)
