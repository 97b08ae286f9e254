"""The reference path: evenly spaced points by arc length, and how far along it the robot is."""

from __future__ import annotations

from dataclasses import dataclass, replace
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.mppi.errors import InputError

SPACING = 0.05  # [m]
LONGEST = 20_000.0  # [m] keeps memory bounded whatever is sent
WINDOW = 0.5  # [m] a robot moves less between two projections, and branches lie further apart
SAME = 1e-3  # [m] a shorter path is a single point
MOST_SECTIONS = 100  # no planner turns a robot round more often
CUSP = math.radians(120.0)  # [rad] a sharper turn between two poses reverses the direction


@dataclass(frozen=True)
class ReferencePath:
    """
    A path to follow, resampled to even spacing.

    Attributes
    ----------
    points : float64[n, 2]
        Evenly spaced along the path, first and last as given [m].
    yaw : float64[n]
        Direction of the path at each point [rad].
    arc : float64[n]
        Arc length from the start [m].
    goal : (float, float, float)
        x [m], y [m], yaw [rad] of the last pose.
    direction : float
        1 if the path is driven forward, −1 if backward.

    """

    points: NDArray[np.float64]
    yaw: NDArray[np.float64]
    arc: NDArray[np.float64]
    goal: tuple[float, float, float]
    direction: float = 1.0

    @classmethod
    def from_poses(cls, poses: ArrayLike, spacing: float = SPACING) -> ReferencePath:
        """
        Build a path from poses in order; repeated poses count once.

        Parameters
        ----------
        poses : float[N, 2] or float[N, 3]
            x, y [m] and yaw [rad]; of the yaws only the last one is used, as the goal's. Without
            yaws the goal faces along the path.
        spacing : float
            Greatest distance between two points of the result [m].

        Raises
        ------
        InputError
            No pose, wrong shape, a value that is not finite, or a path longer than LONGEST.

        """
        given = np.array(poses, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] not in (2, 3) or len(given) == 0:
            raise InputError(f'plan has shape {list(given.shape)}; [N >= 1, 2 or 3] is expected')
        if not np.isfinite(given).all():
            bad = int(np.argmin(np.isfinite(given).all(axis=1)))
            raise InputError(f'plan pose {bad} = {given[bad].tolist()} is not finite')
        corners = given[:, :2]
        with np.errstate(over='ignore'):
            steps = np.hypot(*np.diff(corners, axis=0).T)
            length = float(steps.sum())
        if not length <= LONGEST:
            raise InputError(f'plan is {length:g} m long, limit {LONGEST:g} m')
        if length < SAME:
            corners, steps = corners[-1:], steps[:0]
        arc_of_corners = np.concatenate([[0.0], steps.cumsum()])
        length = float(arc_of_corners[-1])
        arc = np.linspace(0.0, length, 1 + math.ceil(length / spacing - 1e-9))
        points = np.empty((len(arc), 2))
        for axis in (0, 1):
            points[:, axis] = np.interp(arc, arc_of_corners, corners[:, axis])
        if len(points) > 1:
            ways = np.empty_like(points)
            ways[1:-1] = points[2:] - points[:-2]
            ways[0], ways[-1] = points[1] - points[0], points[-1] - points[-2]
            yaw = np.arctan2(ways[:, 1], ways[:, 0])
        else:
            yaw = given[-1:, 2] if given.shape[1] == 3 else np.zeros(1)
        end_yaw = given[-1, 2] if given.shape[1] == 3 else yaw[-1]
        goal = (float(points[-1, 0]), float(points[-1, 1]), math.remainder(end_yaw, math.tau))
        return cls(points=points, yaw=yaw, arc=arc, goal=goal)

    @property
    def length(self) -> float:
        """Return the length of the path [m]."""
        return float(self.arc[-1])

    @property
    def spacing(self) -> float:
        """Return the distance between two points [m]; 1 for a path of one point."""
        return float(self.arc[1]) if len(self.arc) > 1 else 1.0

    def part(self, first: float, last: float) -> slice:
        """Return the points between two arc lengths [m], without a look at the others."""
        begin = math.ceil(first / self.spacing - 1e-9)
        end = math.floor(last / self.spacing + 1e-9) + 1
        return slice(max(begin, 0), max(min(end, len(self.arc)), 0))

    def project(self, x: float, y: float, hint: float | None = None) -> tuple[float, float]:
        """
        Find the nearest point of the path, near the progress that was known before.

        Only the path within WINDOW of `hint` is searched, so that progress never jumps to another
        branch of a U-turn or across a crossing. Without a hint the whole path is searched and the
        first of equally near branches is taken.

        Parameters
        ----------
        x, y : float
            Position of the robot [m].
        hint : float, optional
            Arc length at the last projection [m].

        Returns
        -------
        (float, float)
            Arc length [m] and signed distance to the path, positive on its left [m].

        """
        if len(self.points) == 1:
            return 0.0, math.hypot(x - self.points[0, 0], y - self.points[0, 1])
        first, last = 0, len(self.points)
        if hint is not None:
            step = self.arc[1]
            first = max(0, min(int((hint - WINDOW) / step), last - 2))
            last = min(last, max(int(math.ceil((hint + WINDOW) / step)) + 1, first + 2))
        start = self.points[first : last - 1]
        edge = self.points[first + 1 : last] - start
        offset = np.array([x, y]) - start
        along = (offset * edge).sum(1) / np.maximum((edge * edge).sum(1), 1e-12)
        along = np.clip(along, 0.0, 1.0)
        distance = np.hypot(*(offset - along[:, None] * edge).T)
        nearest = int(np.argmin(distance))
        side = edge[nearest, 0] * offset[nearest, 1] - edge[nearest, 1] * offset[nearest, 0]
        arc = self.arc[first + nearest] + along[nearest] * self.arc[1]
        return float(arc), math.copysign(float(distance[nearest]), side)


def sections(poses: ArrayLike, spacing: float = SPACING) -> list[ReferencePath]:
    """
    Split a plan where its direction of travel reverses; the sections are driven in turn.

    A section is driven backward if its poses face against the way they lead. Planners that do
    not fill in the orientation leave it at yaw 0 throughout; such yaws say nothing.

    Parameters
    ----------
    poses : float[N, 2] or float[N, 3]
        x, y [m] and yaw [rad].
    spacing : float
        Greatest distance between two points of a section [m].

    Raises
    ------
    InputError
        As ReferencePath.from_poses; or there are more than MOST_SECTIONS.

    """
    whole = ReferencePath.from_poses(poses, spacing)
    given = np.array(poses, dtype=np.float64)
    moved = np.hypot(*np.diff(given[:, :2], axis=0).T) >= SAME
    given = given[np.concatenate([[True], moved])] if whole.length else given[-1:]
    if len(given) < 3:
        return [whole]
    way = np.arctan2(*np.diff(given[:, :2], axis=0).T[::-1])
    turn = np.abs((np.diff(way) + math.pi) % math.tau - math.pi)
    bounds = [0, *(np.flatnonzero(turn > CUSP) + 1), len(given) - 1]
    if len(bounds) - 1 > MOST_SECTIONS:
        raise InputError(f'plan reverses {len(bounds) - 2} times, limit {MOST_SECTIONS - 1}')
    oriented = given.shape[1] == 3 and bool(np.any(given[:-1, 2] != 0.0))
    parts = []
    for first, last in zip(bounds, bounds[1:], strict=False):
        part = whole
        if len(bounds) > 2:
            part = ReferencePath.from_poses(given[first : last + 1, :2], spacing)
        facing = np.cos(given[first:last, 2] - way[first:last]) if oriented else np.ones(1)
        backward = bool(np.mean(facing < 0.0) > 0.8)
        yaw = part.yaw[-1] + (math.pi if backward else 0.0)
        goal = whole.goal
        if last != bounds[-1]:
            goal = (*part.goal[:2], math.remainder(yaw, math.tau))
        parts.append(replace(part, goal=goal, direction=-1.0 if backward else 1.0))
    return parts
