"""Suite maps: drives between random poses on map_server maps, half of them past new obstacles."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
import logging
import math
from pathlib import Path
import zlib

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.evaluation.case import Case, Circle, Pose, drawn
from mppi_ros.evaluation.request import Request, data_folder, selected
from mppi_ros.files import load_yaml
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.grid_planner import plan
from mppi_ros.simulation.world import World

log = logging.getLogger(__name__)

ROBOT = 'turtlebot4'
PAIRS = 10  # start and goal pairs on each map
MIN_GOAL_DISTANCE = 5.0  # [m] between start and goal
MAX_GOAL_DISTANCE = 25.0  # [m] between start and goal; bounds the duration on large maps
ENDPOINT_CLEARANCE = 0.1  # [m] between the robot and an obstacle, at start and goal
UNMAPPED_DISCS = 2  # obstacles that the map does not show, in every other episode
DISC_RADIUS = (0.1, 0.2)  # [m] least and greatest


def maps(request: Request) -> Iterator[Case]:
    """
    Drive on all maps below a folder: random poses, half of the episodes with new obstacles.

    Maps that cannot be read or have no free space for the robot are skipped with a message, unless
    they are selected by name or no other map is left.
    """
    data = data_folder(request, 'a folder with maps as map_server has them')
    configuration = request.configuration(ROBOT)
    files = {}
    for path in sorted([*data.rglob('*.yaml'), *data.rglob('*.yml')]):
        if _is_map(path):
            files[path.relative_to(data).with_suffix('').as_posix()] = path
    if not files:
        raise InputError(f'no map_server map lies below {data}')
    footprint = Footprint.of(configuration.robot)
    drives = {name: [f'{name}/{number}' for number in range(PAIRS)] for name in files}
    chosen = set(selected(request, [*files, *chain(*drives.values())]))
    wanted = [name for name in files if not chosen.isdisjoint([name, *drives[name]])]
    skipped = []
    for name in wanted:
        try:
            occupancy = World.load(files[name]).occupancy
        except InputError as error:
            skipped.append(name)
            if request.only or len(skipped) == len(wanted):
                raise
            log.warning('%s: skipped: %s', name, error)
            continue
        if not _regions(occupancy, footprint).any():
            skipped.append(name)
            if request.only or len(skipped) == len(wanted):
                names = ', '.join(skipped)
                raise InputError(f'{names}: the map has no free space for the robot')
            log.warning('%s: skipped, because it has no free space for the robot', name)
            continue
        for run in range(request.runs):
            seed = request.seed + run
            # The name is part of the seed: a map gives the same pairs if it is selected alone.
            rng = np.random.default_rng([zlib.crc32(name.encode()), seed])
            for number, (start, goal) in enumerate(_pairs(occupancy, footprint, rng)):
                hidden = _discs_on_plan(occupancy, start, goal, footprint, rng, number % 2)
                scenario = drives[name][number]
                if chosen.isdisjoint([name, scenario]):
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
    occupancy: Costmap, footprint: Footprint, rng: np.random.Generator
) -> list[tuple[Pose, Pose]]:
    """Draw pairs of start and goal in the largest connected region of free space."""
    regions = _regions(occupancy, footprint)
    sizes = np.bincount(regions.ravel())
    sizes[0] = 0
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
    """Draw discs near the plan that keep start and goal free and connected."""
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
        if _is_connected(drawn(occupancy, [*discs, disc]), start, goal, footprint):
            discs.append(disc)
    return tuple(discs)


def _is_connected(occupancy: Costmap, start: Pose, goal: Pose, footprint: Footprint) -> bool:
    """Return whether a path with ENDPOINT_CLEARANCE connects start and goal."""
    regions = _regions(occupancy, footprint)
    side = occupancy.resolution
    begin, end = (
        int(regions[int((y - occupancy.origin_y) / side), int((x - occupancy.origin_x) / side)])
        for x, y, _ in (start, goal)
    )
    return begin == end > 0


def _regions(occupancy: Costmap, footprint: Footprint) -> NDArray[np.int32]:
    """Label the connected regions of free space, int32[H, W]; 0 marks occupied cells."""
    from scipy.ndimage import label

    field = distance_field(occupancy, unknown_is_obstacle=True)
    regions: NDArray[np.int32] = label(
        field.distance > footprint.circumscribed_radius + ENDPOINT_CLEARANCE
    )[0]
    return regions
