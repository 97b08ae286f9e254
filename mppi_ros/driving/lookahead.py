"""Lookahead along the plan: travel time of each part, and a detour around obstacles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
import math

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.cost_to_go import (
    REJOIN_DISTANCE,
    UNREACHABLE_TIME,
    CostToGo,
    NoWay,
    detour,
    time_left,
)
from mppi_ros.driving.distance_field import DistanceField
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.parameters import CriticParameters, Limits
from mppi_ros.driving.path import ReferencePath

LENGTH_BEHIND = 0.5  # [m] of the path behind the robot in the window
LENGTH_BEYOND_HORIZON = 1.0  # [m] of the path beyond the reach of the horizon
FINE_DISTANCE = 1.0  # [m] from the goal within which the fine cover of the footprint is used
RENEWAL_DISTANCE = 1.0  # [m] of progress in either direction after which the lookahead is renewed


@dataclass(frozen=True)
class PlanLookahead:
    """
    Lookahead along the plan in one costmap; immutable.

    Attributes
    ----------
    path : ReferencePath
        The plan.
    progress : float
        Arc length from which the lookahead starts [m]; -inf without a costmap.
    first : int
        Index of the point of the plan at which `time_to_go` begins.
    time_to_go : float64[n + 1]
        Time from each of n points of the plan to the last of them, which is repeated [s].
    detour : CostToGo or None
        Detour around the first obstacle; None if the plan is free or no detour exists.
    end : float
        Arc length at which to stop in front of an obstacle without a detour [m]; inf without
        one.

    """

    path: ReferencePath
    progress: float
    first: int
    time_to_go: NDArray[np.float64]
    detour: CostToGo | None
    end: float = math.inf

    def covers(self, path: ReferencePath, first: int, last: int) -> bool:
        """Return whether it contains the points [first, last) of a path."""
        ends = self.first + len(self.time_to_go) - 1
        return self.path is path and self.first <= first and last <= ends

    @cached_property
    def to_go(self) -> NDArray[np.float32]:
        """Return the values of the detour, flattened, with a border of unreachable cells."""
        assert self.detour is not None
        return np.pad(self.detour.value, 1, constant_values=UNREACHABLE_TIME).ravel()


def without_costmap(
    path: ReferencePath, first: int, last: int, limits: Limits, critics: CriticParameters
) -> PlanLookahead:
    """Return the lookahead on the points [first, last) of a path without known obstacles."""
    arc = path.arc[first:last]
    left = time_left(arc, np.full(len(arc), np.inf), limits, critics)
    return PlanLookahead(path, -math.inf, first, left, None)


def look_ahead(
    path: ReferencePath,
    progress: float,
    distance: float,
    field: DistanceField,
    footprint: Footprint,
    limits: Limits,
    critics: CriticParameters,
    tolerance: float = 0.0,
) -> PlanLookahead:
    """
    Check the plan ahead for obstacles and search a detour; slow, holds no lock.

    Parameters
    ----------
    path : ReferencePath
        The plan.
    progress : float
        Arc length of the robot on it [m].
    distance : float
        Lookahead distance [m].
    field : DistanceField
        Distance to the nearest obstacle.
    footprint : Footprint
        Footprint of the robot.
    limits, critics : Limits, CriticParameters
        Determine the speed near obstacles.
    tolerance : float
        Distance from the end of the plan at which the goal is reached [m].

    """
    seen = path.part(
        progress - LENGTH_BEHIND - RENEWAL_DISTANCE, progress + distance + REJOIN_DISTANCE
    )
    clearance = clearance_along(path, seen, field, footprint)
    ahead = slice(max(path.part(progress, progress).start, seen.start), seen.stop)
    found = detour(
        path, ahead, clearance[ahead.start - seen.start :], distance, field, footprint, limits,
        critics,
    )  # fmt: skip
    way, end = None, math.inf
    if isinstance(found, NoWay):
        end = _stopping_place(found.blocked, progress, path.length - tolerance, critics)
    else:
        way = found
    lookahead = PlanLookahead(
        path, progress, seen.start,
        time_left(
            path.arc[seen], clearance, limits, critics, field.zone_at(*path.points[seen].T)
        ),
        way, end,
    )  # fmt: skip
    if way is not None:
        lookahead.to_go  # noqa: B018 - compute the cached property outside the tick
    return lookahead


def clearance_along(
    path: ReferencePath, part: slice, field: DistanceField, footprint: Footprint
) -> NDArray[np.float64]:
    """
    Return the clearance of the body along a part of the path, float64[n] [m].

    It is that of the fine cover within FINE_DISTANCE of the end of the path.
    """
    poses = np.column_stack([path.points[part], path.heading[part]])
    clearance = footprint.clearance(field, poses)
    near_end = path.arc[part] >= path.length - FINE_DISTANCE
    if near_end.any():
        clearance[near_end] = footprint.fine.clearance(field, poses[near_end])
    return clearance


def _stopping_place(
    blocked: float, progress: float, arriving: float, critics: CriticParameters
) -> float:
    """
    Return the arc length at which to stop before an obstacle: the critic's margin before it.

    It is closer if the robot is closer already or if the goal is reached in between.
    """
    margin = critics.obstacle.margin
    near = blocked - 0.5 * margin
    return max(progress, blocked - margin, min(arriving, near) if arriving < blocked else 0.0)
