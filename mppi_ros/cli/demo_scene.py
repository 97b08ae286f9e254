"""Scene of the demo: map, robot, start and goal, loaded and checked before any process starts."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import label

from mppi_ros.control.parameters import ControllerParameters, read_yaml
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.evaluation.results import make_folder
from mppi_ros.parameters.errors import InputError
from mppi_ros.share import share_path
from mppi_ros.simulation.world import World

DEFAULT_MAP = ('config', 'worlds', 'office.yaml')
DEFAULT_START, DEFAULT_GOAL = (1.0, 1.0, 0.0), (8.0, 5.0, 0.0)  # on DEFAULT_MAP

Pose = tuple[float, float, float]  # x [m], y [m], yaw [rad]


@dataclass(frozen=True)
class DemoScene:
    """Map, robot, start and goal of a drive, checked to be possible."""

    map_path: Path
    params_path: Path
    world: World
    configuration: ControllerParameters
    start: Pose
    goal: Pose
    timeout: float
    output: Path
    view: str

    @property
    def title(self) -> str:
        """Return the name of the map file, or of its folder if the file is called map."""
        stem = self.map_path.stem
        return stem if stem != 'map' else self.map_path.parent.name


def load_scene(options: argparse.Namespace) -> DemoScene:
    """
    Load and check everything before any process starts.

    Raises
    ------
    MppiError
        A file is missing or invalid, or start or goal is in an obstacle or outside the map.

    """
    if not options.params.is_file():
        raise InputError(f'--params {options.params}: no such file')
    configuration = read_yaml(options.params)
    if not options.map.is_file():
        raise InputError(f'--map {options.map}: no such file')
    world = World.load(options.map)
    start, goal = options.start, options.goal
    if options.map == share_path(*DEFAULT_MAP):
        start, goal = start or DEFAULT_START, goal or DEFAULT_GOAL
    reach = Footprint.of(configuration.robot).circumscribed_radius
    for name, pose in (('start', start), ('goal', goal)):
        if pose is not None:
            _check_pose(name, pose, world, configuration)
    start = start or _open_place(world, reach, goal)
    goal = goal or _open_place(world, reach, start)
    make_folder(options.output, '--output')
    return DemoScene(
        options.map.resolve(), options.params.resolve(), world, configuration, start, goal,
        options.timeout, options.output, options.view,
    )


def _check_pose(name: str, pose: Pose, world: World, configuration: ControllerParameters) -> None:
    x, y, yaw = pose
    shown = f'--{name} {x:g},{y:g},{yaw:g}'
    grid = world.occupancy
    if not grid.contains(x, y):
        height, width = grid.shape
        raise InputError(
            f'{shown} is outside the map, x in [{grid.origin_x:g}, '
            f'{grid.origin_x + width * grid.resolution:g}] m, y in [{grid.origin_y:g}, '
            f'{grid.origin_y + height * grid.resolution:g}] m'
        )
    if world.clearance(body_of(configuration), pose) <= 0.0:
        raise InputError(f'{shown} is in an obstacle: the robot would be in contact')


def body_of(configuration: ControllerParameters) -> Any:
    """Return the body for World.clearance: corners, or the radius of a round robot."""
    robot = configuration.robot
    if not robot.footprint:
        return robot.radius
    return [robot.footprint[k : k + 2] for k in range(0, len(robot.footprint), 2)]


def _open_place(world: World, reach: float, other: Pose | None) -> Pose:
    """Return a pose in free space connected to `other`, if possible about 8 m away from it."""
    grid = world.occupancy
    field = distance_field(grid, unknown_is_obstacle=True).distance
    areas, _ = label(field > 1.2 * reach)
    if other is None:
        wanted = np.bincount(areas.ravel())[1:].argmax() + 1 if areas.any() else 0
        away = np.zeros_like(field)
    else:
        column = int((other[0] - grid.origin_x) / grid.resolution)
        row = int((other[1] - grid.origin_y) / grid.resolution)
        inside = 0 <= row < field.shape[0] and 0 <= column < field.shape[1]
        wanted = areas[row, column] if inside else 0
        rows, columns = np.indices(field.shape)
        away = np.minimum(np.hypot(rows - row, columns - column) * grid.resolution, 8.0)
    if not wanted:
        raise InputError(f'--start and --goal are needed: no place is {1.2 * reach:.2f} m clear')
    score = np.where(areas == wanted, away + np.minimum(field, 1.0), -1.0)
    row, column = divmod(int(score.argmax()), score.shape[1])
    x = grid.origin_x + (column + 0.5) * grid.resolution
    y = grid.origin_y + (row + 0.5) * grid.resolution
    return float(x), float(y), 0.0
