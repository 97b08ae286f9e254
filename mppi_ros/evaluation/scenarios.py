"""Suite scenarios: named cases, each in a YAML file of config/scenarios or of another folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mppi_ros.evaluation.case import Case, Circle, Criteria, Pose
from mppi_ros.evaluation.request import Request, selected
from mppi_ros.files import load_yaml, shortened
from mppi_ros.parameters.errors import InputError
from mppi_ros.share import share_path

PLANTS = ('nominal', 'heavy')
WALL_RADIUS = 0.05  # [m] radius and spacing of the circles that represent a wall
MAX_LINE_LENGTH = 10_000.0  # [m] of a wall, or between two corners of a path


def scenarios(request: Request) -> Iterator[Case]:
    """Drive named cases: one file each in config/scenarios or in the given folder."""
    folder = request.data or share_path('config', 'scenarios')
    if not folder.is_dir():
        raise InputError(f'--data {folder} is not a folder')
    files = {path.stem: path for path in sorted(folder.glob('*.yaml'))}
    if not files:
        raise InputError(f'no scenario (*.yaml) lies in {folder}')
    for name in selected(request, list(files)):
        values = _read_scenario(files[name])
        robot, changes = values.pop('robot', ''), values.pop('parameters', {})
        configuration = request.configuration(robot, changes)
        usual = PLANTS if request.physics.kind == 'kinematic' else PLANTS[:1]
        for plant in request.plants or usual:
            for run in range(request.runs):
                yield Case(
                    suite='scenarios', scenario=name, plant=plant, seed=request.seed + run,
                    configuration=configuration, **values,
                )  # fmt: skip


def _read_scenario(path: Path) -> dict[str, Any]:
    """
    Read a scenario: the fields of Case, walls as [x0, y0, x1, y1], and robot and parameters.

    Raises
    ------
    InputError
        The file cannot be read, a field is unknown or missing, or a value is invalid.

    """
    content = load_yaml(path)
    if not isinstance(content, dict):
        raise InputError(f'{path} is not a scenario')
    content.pop('description', None)
    values: dict[str, Any] = {}
    for name, value in content.items():
        if name not in READERS:
            raise InputError(f'{path}: unknown field {name!r}')
        try:
            values[name] = READERS[name](value)
        except (TypeError, ValueError, AttributeError, ArithmeticError, LookupError):
            raise InputError(f'{path}: {name} = {shortened(value)} is invalid') from None
    missing = [name for name in ('start', 'goal', 'criteria') if name not in values]
    if missing:
        raise InputError(f'{path} has no {missing[0]}')
    walls = values.pop('walls', ())
    values['circles'] = (*values.get('circles', ()), *walls)
    if 'world' in values:
        values['world'] = str(path.parent / values['world'])
    elif 'bounds' not in values:
        raise InputError(f'{path} has neither world nor bounds')
    return values


def _tuple(length: int) -> Callable[[Any], tuple[float, ...]]:
    def read(value: Any) -> tuple[float, ...]:
        if isinstance(value, str):  # '123' is not 1, 2, 3
            raise TypeError
        found = tuple(float(number) for number in value)
        if len(found) != length or not all(map(math.isfinite, found)):
            raise ValueError
        return found

    return read


def _tuples(length: int) -> Callable[[Any], tuple[tuple[float, ...], ...]]:
    return lambda value: tuple(map(_tuple(length), value))


def _count(length: float, spacing: float) -> int:
    """Return the number of points on a line of this length [m], with both ends."""
    if length > MAX_LINE_LENGTH:
        raise ValueError
    return 1 + math.ceil(length / spacing)


def _walls(value: Any) -> tuple[Circle, ...]:
    """Return walls [x0, y0, x1, y1] as rows of circles, whose clearance is exact."""
    circles: dict[Circle, None] = {}
    for x0, y0, x1, y1 in _tuples(4)(value):
        count = _count(math.dist((x0, y0), (x1, y1)), WALL_RADIUS)
        for x, y in zip(np.linspace(x0, x1, count), np.linspace(y0, y1, count), strict=True):
            circles[round(float(x), 3), round(float(y), 3), WALL_RADIUS] = None
    return tuple(circles)


def _criteria(value: Any) -> Criteria:
    known = {entry.name for entry in fields(Criteria)}
    if not set(value) <= known:
        raise ValueError
    return Criteria(**{name: float(number) for name, number in value.items()})


def _path(value: Any) -> tuple[Pose, ...]:
    """Return a path through corners x, y, yaw; a yaw against the segment means reversing."""
    corners = np.array(_tuples(3)(value))
    poses: list[NDArray[np.float64]] = []
    for a, b in zip(corners[:-1], corners[1:], strict=True):
        count = max(1, _count(math.dist(a[:2], b[:2]), 0.05) - 1)
        share = np.arange(count)[:, None] / count
        turn = np.array([0.0, 0.0, math.remainder(b[2] - a[2], math.tau)])
        poses += list(a + share * (np.array([*(b - a)[:2], 0.0]) + turn))
    return tuple((float(x), float(y), float(yaw)) for x, y, yaw in [*poses, corners[-1]])


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


READERS: dict[str, Callable[[Any], Any]] = {
    'robot': _text, 'parameters': dict, 'sensing': _text, 'world': _text, 'timeout': float,
    'goal_radius': float,
    'start': _tuple(3), 'goal': _tuple(3), 'bounds': _tuple(4), 'circles': _tuples(3),
    'hidden': _tuples(3), 'moving_obstacles': _tuples(6), 'zones': _tuples(5),
    'walls': _walls, 'path': _path, 'criteria': _criteria,
}  # fmt: skip
