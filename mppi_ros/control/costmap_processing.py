"""
The long work between a costmap and a tick: the distance field, and the search of the plan ahead.

A request holds all that the work needs and a survey all that comes out. Neither ever changes, so
the work may be done in any thread while the ticks go on with the survey before.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
import math
import threading
from typing import Protocol

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving.cost_to_go import REJOIN_DISTANCE, SEARCH_MARGIN
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.costmap_crop import crop_costmap
from mppi_ros.driving.distance_field import DistanceField, distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.lookahead import PlanLookahead, look_ahead
from mppi_ros.driving.obstacle_tracking import DynamicObstacle, Track, met, update_tracks
from mppi_ros.driving.path import ReferencePath

Place = tuple[float, float]
Basis = tuple[object, ...]
WINDOW_SLACK = 2.0  # [m] that a robot may move before a window of a huge costmap is moved after it
WINDOW_SLACK_TIME = 1.0  # [s] at top speed, in addition


@dataclass(frozen=True)
class LocalMap:
    """
    A costmap as it came, and the distance field of what matters of it.

    Attributes
    ----------
    stamp : float
        Of the costmap [s].
    costmap : Costmap
        The whole.
    field : DistanceField
        Of the whole, or of a window around a place. Its outside is an obstacle where the robot
        must come to rest before it.
    place : (float, float) or None
        The middle of the window [m] [m]; None where the field is of the whole.
    still : DistanceField
        The field without what moves. The outside of a costmap that rolls is free in it: what
        is not known yet may be planned through, as long as the robot can stop for it.
    tracks : tuple of Track
        The blobs that are followed.
    rolls : bool
        As in Request.
    basis : tuple
        The parameters that it follows from.

    """

    stamp: float
    costmap: Costmap
    field: DistanceField
    place: Place | None
    still: DistanceField
    tracks: tuple[Track, ...]
    rolls: bool
    parameter_key: Basis

    @property
    def moving_obstacles(self) -> list[DynamicObstacle]:
        """Return what moves."""
        return [track.obstacle for track in self.tracks if track.moves]

    def holds(self, place: Place, distance: float) -> bool:
        """Tell whether a place is within `distance` [m] of the middle of the window."""
        return self.place is None or math.dist(self.place, place) <= distance


@dataclass(frozen=True)
class ProcessedCostmap:
    """
    The surroundings and, where there is a plan, what lies ahead on it.

    `generation` is that of its request: surveys of an generation that is over are of no use.
    """

    generation: int
    region: LocalMap
    lookahead: PlanLookahead | None


@dataclass(frozen=True)
class ProcessingRequest:
    """
    What a survey is made of.

    Attributes
    ----------
    generation : int
        Grows when all that was known before is of no use any more.
    configuration, footprint : Configuration, Footprint
        Of the robot.
    stamp, costmap : float, Costmap
        The newest that is known.
    place : (float, float)
        Where the robot is [m] [m].
    path, progress : ReferencePath or None, float
        The plan to search, and where on it the robot is [m].
    lookahead_distance : float
        How far to search it [m].
    known : Region, optional
        The region, where it has been surveyed before.
    tracks : tuple of Track
        The blobs of the costmap before.
    rolls : bool
        The costmap is a window that follows the robot: it will show what is beyond its rim.

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

    def process(self) -> ProcessedCostmap:
        """Do the work: up to 0.1 s, whatever the size of the costmap."""
        region = self.known or self._region()
        c = self.configuration
        lookahead = None
        if self.path is not None:
            field = met(
                region.still, region.moving_obstacles, self.place, c.limits.vx_max, c.mppi.horizon
            )
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
        field = still = self._field(near, outside and not self.rolls)
        tracks: tuple[Track, ...] = ()
        if self.configuration.moving_obstacles.enabled:
            tracks, rest = update_tracks(self.tracks, self.stamp, near, self.place)
            still = field if rest is near else self._field(rest, outside and not self.rolls)
        if outside and self.rolls:
            field = replace(field, outside=0.0)
        return LocalMap(
            self.stamp, self.costmap, field, self.place if cut else None, still, tracks,
            self.rolls, parameter_key(self.configuration),
        )  # fmt: skip

    def _field(self, costmap: Costmap, outside_is_obstacle: bool) -> DistanceField:
        field = distance_field(
            costmap,
            inscribed_radius=self.footprint.inscribed_radius,
            unknown_is_obstacle=self.configuration.safety.unknown_is_obstacle,
            outside_is_obstacle=outside_is_obstacle,
        )
        field.padded  # noqa: B018 - computed here rather than in the tick that wants it
        return field


def parameter_key(c: ControllerParameters) -> Basis:
    """Return the parameters that a region follows from."""
    return c.robot, c.safety, c.limits, c.mppi.horizon, c.moving_obstacles


def slack(configuration: ControllerParameters) -> float:
    """Return how far the robot may move from the middle of a window [m]."""
    return WINDOW_SLACK + WINDOW_SLACK_TIME * configuration.limits.vx_max


@dataclass(frozen=True)
class ProcessingFailure:
    """A request whose survey raised an error."""

    request: ProcessingRequest
    error: Exception


class CostmapProcessor(Protocol):
    """Processes costmaps, in any thread."""

    def submit(self, request: ProcessingRequest) -> None:
        """Request a survey; it replaces a request that has not been started."""
        raise NotImplementedError

    def poll(self) -> ProcessedCostmap | ProcessingFailure | None:
        """Return the result that was finished since the last call; None without one."""
        raise NotImplementedError


class SynchronousProcessor:
    """Does the work at once, in the thread that asks: a closed loop stays repeatable."""

    def __init__(self) -> None:
        self._done: ProcessedCostmap | ProcessingFailure | None = None

    def submit(self, request: ProcessingRequest) -> None:
        """Make the survey."""
        self._done = _done(request)

    def poll(self) -> ProcessedCostmap | ProcessingFailure | None:
        """Return the survey, or why there is none, once."""
        done, self._done = self._done, None
        return done


class ThreadedProcessor:
    """
    Does the work in a thread of its own, always the newest request.

    At most one request waits and one survey is kept, so memory is bounded however much is asked.
    The kernels run without Python's lock: a tick waits for none of them.
    """

    def __init__(self) -> None:
        self._requests: deque[ProcessingRequest] = deque(maxlen=1)
        self._done: deque[ProcessedCostmap | ProcessingFailure] = deque(maxlen=1)
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name='survey', daemon=True)
        self._thread.start()

    def submit(self, request: ProcessingRequest) -> None:
        """Leave a request in the place of the one that waits."""
        self._requests.append(request)
        self._wake.set()

    def poll(self) -> ProcessedCostmap | ProcessingFailure | None:
        """Return the newest survey, or why there is none, once."""
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
    except Exception as error:  # the next tick brakes and reports it
        return ProcessingFailure(request, error)
