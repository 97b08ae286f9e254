"""What lies ahead on the plan: how long each metre takes, and the way round what blocks it."""

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
    clearance_along,
    detour,
    time_left,
)
from mppi_ros.driving.distance_field import DistanceField
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.parameters import CriticParameters, Limits
from mppi_ros.driving.path import ReferencePath

LENGTH_BEHIND = 0.5  # [m] of the path behind the robot that stays in the window
LENGTH_BEYOND_HORIZON = 1.0  # [m] of the path beyond the reach of the horizon
RENEWAL_DISTANCE = 1.0  # [m] of progress, either way, after which the plan is searched again


@dataclass(frozen=True)
class PlanLookahead:
    """
    The plan near the robot, as one costmap shows it; nothing in it changes.

    Attributes
    ----------
    path : ReferencePath
        The plan.
    progress : float
        Arc length from which was looked ahead [m]; −inf where nothing was looked at.
    first : int
        The point of the plan at which `left` begins.
    left : float64[n + 1]
        Time from each of n points of the plan to the last of them, which stands twice [s].
    detour : CostToGo or None
        The way round the first obstacle; None where the plan is free or no way leads on.
    end : float
        Arc length at which to stand, before an obstacle that no way leads round [m]; inf where
        there is none.

    """

    path: ReferencePath
    progress: float
    first: int
    time_to_go: NDArray[np.float64]
    detour: CostToGo | None
    end: float = math.inf

    def covers(self, path: ReferencePath, first: int, last: int) -> bool:
        """Tell whether it knows the points [first, last) of a path."""
        ends = self.first + len(self.time_to_go) - 1
        return self.path is path and self.first <= first and last <= ends

    @cached_property
    def to_go(self) -> NDArray[np.float32]:
        """Return the way round, flat and with a rim of unreachable cells."""
        assert self.detour is not None
        return np.pad(self.detour.value, 1, constant_values=UNREACHABLE_TIME).ravel()


def without_costmap(
    path: ReferencePath, first: int, last: int, limits: Limits, critics: CriticParameters
) -> PlanLookahead:
    """Return the outlook on the points [first, last) of a path that nothing is known to block."""
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
    Search the plan ahead for obstacles and a way round them; long work that holds no lock.

    Parameters
    ----------
    path : ReferencePath
        The plan.
    progress : float
        Arc length of the robot on it [m].
    distance : float
        How far to look [m].
    field : DistanceField
        Distance to the nearest obstacle.
    footprint : Footprint
        The body.
    limits, critics : parameter groups
        What decides how slow the robot is near obstacles.
    tolerance : float
        Distance from the end of the plan at which the robot has arrived [m].

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
        path, progress, seen.start, time_left(path.arc[seen], clearance, limits, critics), way,
        end,
    )  # fmt: skip
    if way is not None:
        lookahead.to_go  # noqa: B018 - computed here rather than in the tick that wants it
    return lookahead


def _stopping_place(
    blocked: float, progress: float, arriving: float, critics: CriticParameters
) -> float:
    """
    Return where to stand before what blocks the plan: the margin of the obstacle critic away.

    Nearer, where the robot stands nearer already or where the goal is reached between.
    """
    margin = critics.obstacle.margin
    near = blocked - 0.5 * margin
    return max(progress, blocked - margin, min(arriving, near) if arriving < blocked else 0.0)
