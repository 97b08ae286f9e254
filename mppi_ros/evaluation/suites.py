"""The suites: BARN, F1TENTH, maps, our own scenarios; each makes cases from files and a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
import csv
from dataclasses import dataclass, fields
import math
from pathlib import Path
from typing import Any
import zlib

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.parameters import ControllerParameters, read_yaml
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.evaluation.case import RUN_UP_LENGTH, Case, Circle, Criteria, Pose, drawn
from mppi_ros.files import load_yaml, read_text, reading, shortened
from mppi_ros.parameters.declaration import replace
from mppi_ros.parameters.errors import InputError
from mppi_ros.share import share_path
from mppi_ros.simulation.grid_planner import plan
from mppi_ros.simulation.plant import PLANTS
from mppi_ros.simulation.world import World

BARN_START, BARN_GOAL = (-2.25, 3.0, 1.57), (-2.25, 13.0, 1.57)
BARN_CAPS = {'limits.ax_max': 5.0, 'limits.ax_min': -5.0, 'limits.az_max': 10.0}
PAIRS = 10  # start and goal pairs on each map
MIN_GOAL_DISTANCE = 5.0  # [m] least distance between start and goal
MAX_GOAL_DISTANCE = 25.0  # [m] greatest, so that an episode on a large map ends
ENDPOINT_CLEARANCE = 0.1  # [m] between the robot and an obstacle, at start and goal
UNMAPPED_DISCS = 2  # unmapped obstacles in every other episode
DISC_RADIUS = (0.1, 0.2)  # [m]
WALL_RADIUS = 0.05  # [m] radius of the circles that make a wall of a scenario, and their spacing
LONGEST_LINE = 10_000.0  # [m] of a wall or between two corners of a path of a scenario
LAPS = 2  # flying laps
COURSE_SPACING = 0.1  # [m]
GRIP_SHARE = 0.9  # share of what the tyres hold that the car is told of
# '': the node's defaults
ROBOTS = {'barn': 'jackal', 'f1tenth': 'f1tenth_racing', 'maps': 'turtlebot4', 'scenarios': ''}
SCENARIO_PLANTS = ('nominal', 'heavy')


@dataclass(frozen=True)
class Request:
    """
    What the command line asks for.

    Attributes
    ----------
    data : Path, optional
        Folder of the suite's files.
    only : tuple of str
        Scenarios; empty for all.
    runs : int
        Runs of each scenario, with seeds `seed`, `seed` + 1, ...
    seed : int
        First seed.
    plants : tuple of str
        Plants; empty for the suite's own.
    robot : str
        Name of a robot or file of its parameters; empty for the suite's own.
    params : Path, optional
        Parameters over those of the robot.
    baseline : str
        What drives instead of the controller, in the suite people; see evaluation.people.

    """

    data: Path | None = None
    only: tuple[str, ...] = ()
    runs: int = 1
    seed: int = 0
    plants: tuple[str, ...] = ()
    robot: str = ''
    params: Path | None = None
    baseline: str = ''

    def configuration(
        self, robot: str, changes: Mapping[str, Any] | None = None
    ) -> ControllerParameters:
        """
        Return the parameters: the robot's, the suite's changes, and over them those of a file.

        Cases run side by side, so each solves on one thread; the result does not depend on it.
        """
        base = replace(read_robot(self.robot or robot), changes or {})
        found = read_yaml(self.params, base) if self.params else base
        return replace(found, {'threads': 1})


def cases_of(suite: str, request: Request) -> list[Case]:
    """
    Return the cases of a suite, in an order that depends on nothing but the request.

    Raises
    ------
    MppiError
        Unknown suite, robot, plant or scenario; missing or damaged data; bad parameters.

    """
    for plant in request.plants:
        if plant not in PLANTS:
            raise InputError(f'unknown plant {plant!r}; one of {", ".join(PLANTS)} is expected')
    if suite not in SUITES:
        raise InputError(f'unknown suite {suite!r}; one of {", ".join(SUITES)} is expected')
    return list(SUITES[suite](request))


def read_robot(name: str) -> ControllerParameters:
    """
    Return the parameters of a robot: a name in config/robots, a YAML file, or '' for the defaults.

    Raises
    ------
    MppiError
        There is no such robot, or its file is damaged.

    """
    if not name:
        return ControllerParameters()
    if Path(name).suffix in ('.yaml', '.yml'):
        return read_yaml(name)
    folder = share_path('config', 'robots')
    known = sorted(path.stem for path in folder.glob('*.yaml'))
    if name not in known:
        raise InputError(f'unknown robot {name!r}; one of {", ".join(known)} is expected')
    return read_yaml(folder / f'{name}.yaml')


def _chosen(request: Request, known: Sequence[str]) -> list[str]:
    """Return the scenarios that are asked for, in the order of the suite."""
    unknown = [name for name in request.only if name not in known]
    if unknown:
        some = ', '.join(known[:12]) + (', ...' if len(known) > 12 else '')
        raise InputError(f'unknown scenario {unknown[0]!r}; there are {some}')
    return [name for name in known if not request.only or name in request.only]


def _folder(request: Request, what: str) -> Path:
    if request.data is None:
        raise InputError(f'--data is needed: {what}')
    if not request.data.is_dir():
        raise InputError(f'--data {request.data} is not a folder')
    return request.data


def _barn(request: Request) -> Iterator[Case]:
    """Drive the BARN challenge by its official protocol: worlds are named by their number."""
    data = _folder(request, 'the folder with index.csv and circles/')
    configuration = request.configuration(
        ROBOTS['barn'], {**BARN_CAPS, 'goal.heading_tolerance': 3.15}
    )
    best = _barn_index(data / 'index.csv')
    for name in _chosen(request, list(best)):
        world = data / 'circles' / f'circles_{name}.csv'
        World.load(world)  # damaged data is told of before anything runs
        for plant in request.plants or ('nominal',):
            for run in range(request.runs):
                yield Case(
                    suite='barn', scenario=name, plant=plant, seed=request.seed + run,
                    start=BARN_START, goal=BARN_GOAL, configuration=configuration,
                    sensing='lidar', timeout=100.0, world=str(world), goal_radius=1.0,
                    clock_after=0.1, optimal_time=best[name],
                )  # fmt: skip


def _barn_index(path: Path) -> dict[str, float]:
    """Return {world: optimal time OT [s]}."""
    with reading(path, 'an index with world and official_OT_s'):
        rows = csv.DictReader(read_text(path).splitlines())
        best = {row['world']: float(row['official_OT_s']) for row in rows}
    if not best:
        raise InputError(f'{path} names no world')
    return best


def _f1tenth(request: Request) -> Iterator[Case]:
    """Race a 1:10 car: flying laps on each track, of which it knows centre line and walls."""
    data = _folder(request, 'a folder with tracks: NAME_centerline.csv, _raceline.csv, _map.yaml')
    ending = '_centerline.csv'
    files = {path.name.removesuffix(ending): path for path in sorted(data.rglob(f'*{ending}'))}
    if not files:
        raise InputError(f'no track (*{ending}) lies below {data}')
    for name in _chosen(request, list(files)):
        folder = files[name].parent
        world = folder / f'{name}_map.yaml'
        World.load(world)
        course = _course(files[name])
        lap_time, grip, limits = _raceline(folder / f'{name}_raceline.csv')
        limits['limits.ay_max'] = round(GRIP_SHARE * grip, 3)
        configuration = request.configuration(ROBOTS['f1tenth'], limits)
        for plant in request.plants or ('nominal',):
            for run in range(request.runs):
                yield Case(
                    suite='f1tenth', scenario=name, plant=plant, seed=request.seed + run,
                    start=course[0], goal=course[-1], configuration=configuration, sensing='map',
                    timeout=3.0 * LAPS * lap_time, world=str(world), path=course, laps=LAPS,
                    lap_time=lap_time, grip=grip,
                )  # fmt: skip


def _course(path: Path) -> tuple[Pose, ...]:
    """Return the closed centre line x, y, yaw, once round from RUN_UP before its first point."""
    from scipy.interpolate import CubicSpline

    points = _columns(path, ',', 2)[:, :2]
    if math.dist(points[0], points[-1]) > 1e-6:
        points = np.vstack([points, points[:1]])
    steps = np.hypot(*np.diff(points, axis=0).T)
    arc = np.concatenate([[0.0], steps.cumsum()])
    if not (steps.min() > 0.0 and arc[-1] > 2.0 * RUN_UP_LENGTH):
        raise InputError(f'{path} is not a course of at least {2 * RUN_UP_LENGTH:g} m')
    points[-1] = points[0]
    spline = CubicSpline(arc, points, bc_type='periodic')
    way = np.linspace(0.0, arc[-1], math.ceil(arc[-1] / COURSE_SPACING)) - RUN_UP_LENGTH
    yaw = np.arctan2(*spline(way, 1).T[::-1])
    return tuple(
        (round(float(x), 4), round(float(y), 4), round(float(turn), 4))
        for x, y, turn in np.column_stack([spline(way), yaw])
    )


def _raceline(path: Path) -> tuple[float, float, dict[str, float]]:
    """Return lap time [s], greatest lateral acceleration [m/s²] and the limits of a race line."""
    arc, _, _, _, curvature, speed, acceleration = _columns(path, ';', 7)[:, :7].T
    if speed.min() <= 0.0 or np.diff(arc).min() < 0.0:
        raise InputError(f'{path} is not a race line: s, x, y, psi, kappa, vx, ax')
    time = float(np.sum(np.diff(arc) / (0.5 * (speed[:-1] + speed[1:]))))
    limits = {
        'limits.vx_max': speed.max(),
        'limits.ax_max': acceleration.max(),
        'limits.ax_min': acceleration.min(),
    }
    grip = round(float(np.max(speed**2 * np.abs(curvature))), 3)
    return time, grip, {name: round(float(value), 3) for name, value in limits.items()}


def _columns(path: Path, delimiter: str, least: int) -> NDArray[np.float64]:
    """Read numbers from a file with at least so many columns; lines with # are comments."""
    with reading(path, 'a table of numbers'):
        values = np.loadtxt(path, delimiter=delimiter, comments='#', ndmin=2)
    if len(values) < 3 or values.shape[1] < least or not np.isfinite(values).all():
        raise InputError(f'{path} does not hold at least 3 lines of {least} finite numbers')
    return values


def _maps(request: Request) -> Iterator[Case]:
    """Drive on every map below a folder: PAIRS drives each, every other one past new obstacles."""
    data = _folder(request, 'a folder with maps as map_server has them')
    configuration = request.configuration(ROBOTS['maps'])
    files = {}
    for path in sorted([*data.rglob('*.yaml'), *data.rglob('*.yml')]):
        if _is_map(path):
            files[path.relative_to(data).with_suffix('').as_posix()] = path
    if not files:
        raise InputError(f'no map_server map lies below {data}')
    footprint = Footprint.of(configuration.robot)
    drives = {f'{name}/{number}': name for name in files for number in range(PAIRS)}
    chosen = _chosen(request, [*files, *drives])
    for name in files:
        if not any(name in (each, drives.get(each)) for each in chosen):
            continue
        occupancy = World.load(files[name]).occupancy
        for run in range(request.runs):
            seed = request.seed + run
            # The name takes part, so that the same map alone gives the same pairs.
            rng = np.random.default_rng([zlib.crc32(name.encode()), seed])
            for number, (start, goal) in enumerate(_pairs(name, occupancy, footprint, rng)):
                hidden = _discs_on_plan(occupancy, start, goal, footprint, rng, number % 2)
                scenario = f'{name}/{number}'
                if not {name, scenario} & set(chosen):
                    continue
                for plant in request.plants or ('nominal',):
                    yield Case(
                        suite='maps', scenario=scenario, plant=plant, seed=seed,
                        start=start, goal=goal, configuration=configuration, sensing='both',
                        world=str(files[name]), hidden=hidden,
                    )  # fmt: skip


def _is_map(path: Path) -> bool:
    try:
        content = load_yaml(path)
    except InputError:
        return False
    return isinstance(content, dict) and 'image' in content and 'resolution' in content


def _pairs(
    name: str, occupancy: Costmap, footprint: Footprint, rng: np.random.Generator
) -> list[tuple[Pose, Pose]]:
    """Draw starts and goals in the largest region that the robot can move in."""
    regions = _regions(occupancy, footprint)
    sizes = np.bincount(regions.ravel())
    sizes[0] = 0
    if len(sizes) < 2:
        raise InputError(f'{name}: nowhere on the map is room for the robot')
    cells = np.argwhere(regions == int(np.argmax(sizes)))
    corner = np.array([occupancy.origin_x, occupancy.origin_y])
    places = corner + (cells[:, ::-1] + 0.5) * occupancy.resolution

    def pose(x: float, y: float) -> Pose:
        return round(float(x), 3), round(float(y), 3), round(float(rng.uniform(-3.14, 3.14)), 3)

    pairs = []
    for _ in range(PAIRS):
        start = places[rng.integers(len(places))]
        away = np.hypot(*(places - start).T)
        fit = np.flatnonzero((away >= MIN_GOAL_DISTANCE) & (away <= MAX_GOAL_DISTANCE))
        goal = places[rng.choice(fit)] if len(fit) else places[int(np.argmax(away))]
        pairs.append((pose(*start), pose(*goal)))
    return pairs


def _discs_on_plan(
    occupancy: Costmap, start: Pose, goal: Pose, footprint: Footprint,
    rng: np.random.Generator, wanted: int,
) -> tuple[Circle, ...]:
    """Draw discs near the plan that leave a way with ROOM, and stand clear of start and goal."""
    path = plan(occupancy, start, goal, footprint) if wanted else None
    if path is None:
        return ()
    room = footprint.circumscribed_radius + ENDPOINT_CLEARANCE
    discs: list[Circle] = []
    for _ in range(UNMAPPED_DISCS):
        x, y = path[rng.integers(len(path) // 5, 1 + 4 * len(path) // 5), :2]
        aside, radius = rng.uniform(-0.15, 0.15, 2), rng.uniform(*DISC_RADIUS)
        disc = (round(x + aside[0], 3), round(y + aside[1], 3), round(float(radius), 3))
        if min(math.dist(disc[:2], end[:2]) for end in (start, goal)) < room + radius + 0.3:
            continue
        if _leads(drawn(occupancy, [*discs, disc]), start, goal, footprint):
            discs.append(disc)
    return tuple(discs)


def _leads(occupancy: Costmap, start: Pose, goal: Pose, footprint: Footprint) -> bool:
    """Tell whether a way with ROOM to spare leads from start to goal."""
    regions = _regions(occupancy, footprint)
    side = occupancy.resolution
    begin, end = (
        int(regions[int((y - occupancy.origin_y) / side), int((x - occupancy.origin_x) / side)])
        for x, y, _ in (start, goal)
    )
    return begin == end > 0


def _regions(occupancy: Costmap, footprint: Footprint) -> NDArray[np.int32]:
    """Return the number of the region with ROOM for the robot of each cell, int32[H, W]; or 0."""
    from scipy.ndimage import label

    field = distance_field(occupancy, unknown_is_obstacle=True)
    regions: NDArray[np.int32] = label(
        field.distance > footprint.circumscribed_radius + ENDPOINT_CLEARANCE
    )[0]
    return regions


def _scenarios(request: Request) -> Iterator[Case]:
    """Drive our own named cases: one file each in config/scenarios or in the given folder."""
    folder = request.data or share_path('config', 'scenarios')
    if not folder.is_dir():
        raise InputError(f'--data {folder} is not a folder')
    files = {path.stem: path for path in sorted(folder.glob('*.yaml'))}
    if not files:
        raise InputError(f'no scenario (*.yaml) lies in {folder}')
    for name in _chosen(request, list(files)):
        values = _read_scenario(files[name])
        robot, changes = values.pop('robot', ''), values.pop('parameters', {})
        configuration = request.configuration(robot, changes)
        for plant in request.plants or SCENARIO_PLANTS:
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
        The file cannot be read, a field is unknown or missing, or a value is of no use.

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
            raise InputError(f'{path}: {name} = {shortened(value)} is of no use') from None
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


def _people(request: Request) -> Iterator[Case]:
    """Drive among moving things: cylinders, recorded test cases and tracks of pedestrians."""
    from mppi_ros.evaluation.people.suite import people

    return people(request)


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
    """Return how many points a line of a length [m] takes with its ends, within reason."""
    if length > LONGEST_LINE:
        raise ValueError
    return 1 + math.ceil(length / spacing)


def _walls(value: Any) -> tuple[Circle, ...]:
    """Return walls [x0, y0, x1, y1] as rows of circles, so that clearance stays exact."""
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
    """Return a path: corners x, y, yaw; a yaw against the way to the next means reversing."""
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
    'hidden': _tuples(3), 'movers': _tuples(6), 'walls': _walls, 'path': _path,
    'criteria': _criteria,
}  # fmt: skip
SUITES: dict[str, Callable[[Request], Iterator[Case]]] = {
    'barn': _barn, 'f1tenth': _f1tenth, 'maps': _maps, 'scenarios': _scenarios,
    'people': _people,
}  # fmt: skip
