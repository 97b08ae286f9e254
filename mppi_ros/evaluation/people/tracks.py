"""Tracks of annotated pedestrians; the robot drives across, along or against their stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import math
from pathlib import Path
import zlib

import numpy as np
from numpy.typing import NDArray

from mppi_ros.evaluation.people.trajectories import Trajectory, smooth_track
from mppi_ros.files import read_text, reading
from mppi_ros.parameters.errors import InputError

Pose = tuple[float, float, float]
Person = tuple[NDArray[np.float64], NDArray[np.float64]]  # times float64[N], points float64[N, 2]

COLUMNS = 'time_s,person,x_m,y_m'
DIRECTIONS = ('across', 'along', 'against')
RADIUS = 0.25  # [m] of a pedestrian
EXTENSION = 3.0  # [s] extrapolation of a track before and after its annotations
TIMEOUT = 60.0  # [s]
GOAL_RADIUS = 0.5  # [m]
EPISODES = 10  # of each file and direction
FLOW_TIME = 20.0  # [s] that determine the direction of the stream
MIN_PEDESTRIANS = 3  # within FLOW_TIME
START_CLEARANCE = 1.5  # [m] around the start in the first second
MAX_START_TIMES = 1000  # that are drawn
GOAL_INSET = 0.5  # [m] of start and goal within the region of the annotations
MAP_MARGIN = 4.0  # [m] of free map around the region of the annotations


@dataclass(frozen=True)
class Crossing:
    """Start and goal pose of the robot, and the time of the record at the start [s]."""

    start: Pose
    goal: Pose
    time: float


def read(path: Path) -> dict[int, Person]:
    """
    Return the annotations of each person with at least two of them, in order of time.

    Raises
    ------
    InputError
        The file is not such a record, or times of a person do not increase.

    """
    with reading(path, f'a table {COLUMNS}'):
        header, *lines = read_text(path).splitlines() or ['']
        if header.strip() != COLUMNS:
            raise InputError(f'{path}: the first line must be {COLUMNS}')
        table = np.array([line.split(',') for line in lines if line.strip()], np.float64)
    if table.ndim != 2 or table.shape[1] != 4 or not np.isfinite(table).all():
        raise InputError(f'{path} does not hold lines of 4 finite numbers')
    people: dict[int, Person] = {}
    for person in np.unique(table[:, 1]):
        rows = table[table[:, 1] == person]
        rows = rows[np.argsort(rows[:, 0], kind='stable')]
        if (np.diff(rows[:, 0]) <= 0.0).any():
            raise InputError(f'{path}: person {person:g} has two annotations at the same time')
        if len(rows) > 1:
            people[int(person)] = rows[:, 0], rows[:, 2:]
    if not people:
        raise InputError(f'{path} holds no person with two annotations')
    return people


def load(people: Mapping[int, Person], start: float, span: float) -> tuple[Trajectory, ...]:
    """Return the people present within `span` [s] after the time `start` [s]."""
    return tuple(
        Trajectory(
            smooth_track(times, points, EXTENSION), RADIUS, float(times[0] - EXTENSION),
            float(times[-1] + EXTENSION), start,
        )
        for times, points in people.values()
        if times[0] - EXTENSION <= start + span and times[-1] + EXTENSION >= start
    )  # fmt: skip


def bounds(people: Mapping[int, Person]) -> tuple[float, float, float, float]:
    """Return x_min, y_min, x_max, y_max [m] of a map of the region."""
    points = np.vstack([points for _, points in people.values()])
    low, high = points.min(axis=0) - MAP_MARGIN, points.max(axis=0) + MAP_MARGIN
    return tuple(round(float(value), 2) for value in (*low, *high))  # type: ignore[return-value]


def drive(people: Mapping[int, Person], name: str, way: str, number: int, seed: int) -> Crossing:
    """
    Draw an episode across, along or against the stream.

    The stream is the axis along which people move most. The robot drives between the 5 % and
    95 % quantiles of the positions, in the middle of the other axis.

    Raises
    ------
    InputError
        The record has no time with enough people and a clear start.

    """
    points = np.vstack([points for _, points in people.values()])
    low, middle, high = np.quantile(points, (0.05, 0.5, 0.95), axis=0)
    moved = np.array([points[-1] - points[0] for _, points in people.values()])
    stream = int(np.argmax((moved**2).sum(axis=0)))
    axis = stream if way != 'across' else 1 - stream
    ends = np.array([middle, middle])
    reserve = GOAL_INSET if way != 'across' else -2.0
    ends[:, axis] = low[axis] + reserve, high[axis] - reserve
    last = max(times[-1] for times, _ in people.values())
    first = min(times[0] for times, _ in people.values())
    rng = np.random.default_rng([zlib.crc32(f'{name} {way}'.encode()), number, seed])
    for _ in range(MAX_START_TIMES):
        time = round(float(rng.uniform(first, max(first, last - TIMEOUT))), 1)
        flow, count = _flow(people, stream, time)
        turned = bool(rng.integers(2)) if way == 'across' else (flow < 0.0) != (way == 'against')
        start, goal = ends[::-1] if turned else ends
        if count >= MIN_PEDESTRIANS and _is_free(people, start, time):
            yaw = math.atan2(goal[1] - start[1], goal[0] - start[0])
            return Crossing(_pose(start, yaw), _pose(goal, yaw), time)
    raise InputError(f'{name}: no time has {MIN_PEDESTRIANS} people and a clear start ({way})')


def _pose(place: NDArray[np.float64], yaw: float) -> Pose:
    return round(float(place[0]), 3), round(float(place[1]), 3), round(yaw, 4)


def _flow(people: Mapping[int, Person], axis: int, time: float) -> tuple[float, int]:
    """Return the summed motion of people along an axis [m] within FLOW_TIME, and their number."""
    flow, count = 0.0, 0
    for times, points in people.values():
        inside = (times >= time) & (times <= time + FLOW_TIME)
        if inside.sum() > 1:
            seen = points[inside, axis]
            flow, count = flow + float(seen[-1] - seen[0]), count + 1
    return flow, count


def _is_free(people: Mapping[int, Person], place: NDArray[np.float64], time: float) -> bool:
    for obstacle in load(people, time, 1.0):
        for later in (0.0, 0.5, 1.0):
            found = obstacle.at(later)
            if found and math.dist(found[:2], place) < START_CLEARANCE + RADIUS:
                return False
    return True
