"""
The reference path: evenly spaced points by arc length, and the position of the robot along it.

A plan is a curve with an order. `sections` divides it into parts that are driven in one direction
and rotations in place; `ReferencePath.project` finds the robot on such a part, near where it was
before; `ReferencePath.joined_from` leads a robot that is off the path back to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.driving.path_segments import PathSegments, segment_path
from mppi_ros.parameters.errors import InputError

POINT_SPACING = 0.05  # [m]
MAX_LENGTH = 20_000.0  # [m] bounds the memory
PROJECTION_WINDOW = (
    0.5  # [m] more than the motion between two projections, less than the distance of branches
)
MIN_LENGTH = 1e-3  # [m] a shorter path is a single point
MAX_SECTIONS = 100  # more changes of direction than any plan has
EQUALLY_NEAR = 0.05  # [m] difference of distances to two branches that counts as none
MERGE_TURN = math.radians(45.0)  # [rad] maximum bend where a robot joins the path


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
        1 if the path is driven forward, −1 if backward, 0 if the body faces as `facing` says.
    facing : float64[n], optional
        Yaw of the body at each point, where the path does not decide it [rad].
    in_place : bool
        The robot rotates in place, to the yaw of `goal`.
    exact : bool
        The path respects the limits of the robot and is followed closely.

    """

    points: NDArray[np.float64]
    yaw: NDArray[np.float64]
    arc: NDArray[np.float64]
    goal: tuple[float, float, float]
    direction: float = 1.0
    facing: NDArray[np.float64] | None = None
    in_place: bool = False
    exact: bool = False

    @classmethod
    def from_poses(cls, poses: ArrayLike, spacing: float = POINT_SPACING) -> ReferencePath:
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
            No pose, wrong shape, a value that is not finite, or a path longer than MAX_LENGTH.

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
        if not length <= MAX_LENGTH:
            raise InputError(f'plan is {length:g} m long, limit {MAX_LENGTH:g} m')
        if length < MIN_LENGTH:
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

    @property
    def heading(self) -> NDArray[np.float64]:
        """Return the yaw of the body at each point, float64[n] [rad]."""
        if self.facing is not None:
            return self.facing
        return self.yaw if self.direction > 0.0 else self.yaw + math.pi

    def part(self, first: float, last: float) -> slice:
        """Return the indices of the points between two arc lengths [m]."""
        begin = math.ceil(first / self.spacing - 1e-9)
        end = math.floor(last / self.spacing + 1e-9) + 1
        return slice(max(begin, 0), max(min(end, len(self.arc)), 0))

    def index(self, way: float) -> int:
        """Return the index of the first point at or beyond an arc length [m], at most the last."""
        at: int = self.part(way, way).start
        return min(at, len(self.arc) - 1)

    def project(self, x: float, y: float, hint: float | None = None) -> tuple[float, float]:
        """
        Find the nearest point of the path, near the progress that was known before.

        Only the path within PROJECTION_WINDOW of `hint` is searched, so that progress never jumps
        to another branch of a U-turn or across a crossing. Without a hint the whole path is
        searched and the first of branches is taken whose distances differ by EQUALLY_NEAR at most,
        such as the start of a round trip.

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
            first = max(0, min(int((hint - PROJECTION_WINDOW) / step), last - 2))
            last = min(last, max(int(math.ceil((hint + PROJECTION_WINDOW) / step)) + 1, first + 2))
        start = self.points[first : last - 1]
        edge = self.points[first + 1 : last] - start
        offset = np.array([x, y]) - start
        along = (offset * edge).sum(1) / np.maximum((edge * edge).sum(1), 1e-12)
        along = np.clip(along, 0.0, 1.0)
        distance = np.hypot(*(offset - along[:, None] * edge).T)
        begin, end = 0, len(distance)
        if hint is None:  # the first of equally near branches
            near = distance <= distance.min() + EQUALLY_NEAR
            begin = int(np.argmax(near))
            end = begin + int(np.argmin(near[begin:])) if not near[begin:].all() else end
        nearest = begin + int(np.argmin(distance[begin:end]))
        side = edge[nearest, 0] * offset[nearest, 1] - edge[nearest, 1] * offset[nearest, 0]
        arc = self.arc[first + nearest] + along[nearest] * self.arc[1]
        return float(arc), math.copysign(float(distance[nearest]), side)

    def nearest(self, x: float, y: float, first: float, last: float) -> tuple[float, float]:
        """Return arc length and distance [m] of the nearest point between two arc lengths [m]."""
        part = self.part(first, last)
        if part.stop <= part.start:
            return 0.0, math.inf
        away = np.hypot(*(self.points[part] - [x, y]).T)
        at = int(np.argmin(away))
        return float(self.arc[part][at]), float(away[at])

    def beyond(self, at: int) -> ReferencePath:
        """Return the part of the path from point `at` on."""
        at = min(at, len(self.points) - 2)
        arc = self.arc[at:] - self.arc[at]
        facing = None if self.facing is None else self.facing[at:]
        return replace(
            self, points=self.points[at:], yaw=self.yaw[at:], arc=arc, facing=facing
        )

    def joined_from(
        self, x: float, y: float, progress: float, ahead: float
    ) -> tuple[ReferencePath, float, float]:
        """
        Return the path that leads straight from (x, y) onto this one, and on it to its end.

        Parameters
        ----------
        x, y : float
            Where it begins [m].
        progress : float
            Arc length from which on this path has still to be driven [m].
        ahead : float
            How far ahead of that it may be joined, as long as it hardly bends until there [m].

        Returns
        -------
        (ReferencePath, float, float)
            The path, the length of its straight part [m], and the arc length at which it joins
            this one [m].

        """
        at = self.index(progress)
        yaw = self.yaw[at : max(self.part(progress, progress + ahead).stop, at + 1)]
        bent = np.abs((yaw - yaw[0] + math.pi) % math.tau - math.pi) > MERGE_TURN
        at += (int(np.argmax(bent)) if bent.any() else len(yaw)) - 1
        way = math.dist((x, y), self.points[at])
        path = ReferencePath.from_poses([(x, y), *self.points[at:]])
        facing = self.facing
        if facing is not None:
            arc = np.concatenate([[0.0], way + self.arc[at:] - self.arc[at]])
            facing = np.interp(path.arc, arc, np.concatenate([facing[at : at + 1], facing[at:]]))
        path = replace(
            path, goal=self.goal, direction=self.direction, facing=facing, in_place=self.in_place
        )
        return path, way, float(self.arc[at])


def sections(
    poses: ArrayLike, spacing: float = POINT_SPACING, turns: bool = True, omni: bool = False
) -> list[ReferencePath]:
    """
    Split a plan into sections that are driven one after the other.

    A section is driven in one direction, or rotates the robot in place. The direction follows
    from the yaws: backward where they point against the way from place to place. Yaws that do not
    belong to the path are ignored: such a plan is driven forward. See `segment_path`.

    Parameters
    ----------
    poses : float[N, 2] or float[N, 3]
        x, y [m] and yaw [rad].
    spacing : float
        Greatest distance between two points of a section [m].
    turns : bool
        The robot can rotate in place; else rotations are left out, and it turns while it drives.
    omni : bool
        The robot drives in any direction: it follows the yaws instead of facing along the path.

    Raises
    ------
    InputError
        As ReferencePath.from_poses; or there are MAX_SECTIONS or more.

    """
    whole = ReferencePath.from_poses(poses, spacing)
    given = np.array(poses, dtype=np.float64)
    found = segment_path(given, turns, omni)
    turned = sum(len(yaws) for yaws in found.rotations.values())
    if len(found.cuts) + turned >= MAX_SECTIONS:
        rotates = f' and turns in place {turned} times' if turned else ''
        raise InputError(
            f'plan reverses {len(found.cuts)} times{rotates}, limit {MAX_SECTIONS - 1}'
        )
    bounds = sorted({0, len(found.places) - 1, *found.cuts.tolist(), *found.rotations})
    parts = [_rotation(found, 0, yaw) for yaw in found.rotations.get(0, ())]
    for begin, end in zip(bounds, bounds[1:], strict=False):
        parts.append(_section(found, begin, end, spacing, omni))
        parts += [_rotation(found, end, yaw) for yaw in found.rotations.get(end, ())]
    if not parts:
        parts = [ReferencePath.from_poses(given[-1:])]
    parts[-1] = replace(parts[-1], goal=whole.goal)
    return parts


def _rotation(found: PathSegments, place: int, yaw: float) -> ReferencePath:
    """Return a section that rotates the robot in place to a yaw [rad]."""
    return replace(ReferencePath.from_poses([(*found.places[place], yaw)]), in_place=True)


def _section(
    found: PathSegments, begin: int, end: int, spacing: float, omni: bool
) -> ReferencePath:
    """Return the section from one place to another."""
    places = found.places[begin : end + 1]
    path = ReferencePath.from_poses(places, spacing)
    direction = float(found.direction[begin])
    if not (omni and found.oriented):
        yaw = float(path.yaw[-1]) + (math.pi if direction < 0.0 else 0.0)
        given = found.arriving[end]
        if found.oriented and math.cos(given - yaw) > math.cos(MERGE_TURN):
            yaw = float(given)  # noise of a recorded plan
        goal = (*path.goal[:2], math.remainder(yaw, math.tau))
        return replace(path, goal=goal, direction=direction)
    arc = np.concatenate([[0.0], np.hypot(*np.diff(places, axis=0).T).cumsum()])
    yaws = np.unwrap(np.append(found.leaving[begin], found.arriving[begin + 1 : end + 1]))
    facing = np.interp(path.arc, arc, yaws)
    goal = (*path.goal[:2], math.remainder(facing[-1], math.tau))
    return replace(path, goal=goal, direction=0.0, facing=facing)
