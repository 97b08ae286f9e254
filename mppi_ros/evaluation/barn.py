"""Suite barn: recorded or generated worlds of the BARN challenge, by its official protocol."""

from __future__ import annotations

from collections.abc import Iterator
import csv
from pathlib import Path
from typing import Any

from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.path import ReferencePath
from mppi_ros.evaluation.case import Case
from mppi_ros.evaluation.request import Request, data_folder, selected
from mppi_ros.files import read_text, reading
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.barn_generator import barn_circles, barn_field
from mppi_ros.simulation.grid_planner import plan
from mppi_ros.simulation.world import BARN_BOUNDS, World

ROBOT = 'jackal'
START, GOAL = (-2.25, 3.0, 1.57), (-2.25, 13.0, 1.57)
LIMITS = {'limits.ax_max': 5.0, 'limits.ax_min': -5.0, 'limits.az_max': 10.0}


OPTIMAL_SPEED = 2.0  # [m/s] of the optimal time
GENERATED = 'barn_generated'


def barn(request: Request) -> Iterator[Case]:
    """Drive the worlds of the BARN challenge by its official protocol: one scenario per world."""
    configuration = request.configuration(
        ROBOT, {**LIMITS, 'goal.heading_tolerance': 3.15}
    )
    if request.generated:
        worlds = _generated(request, Footprint.of(configuration.robot))
    else:
        worlds = _recorded(request)
    for name, world in worlds:
        for plant in request.plants or ('nominal',):
            for run in range(request.runs):
                yield Case(
                    suite='barn', scenario=name, plant=plant, seed=request.seed + run,
                    start=START, goal=GOAL, configuration=configuration, sensing='lidar',
                    timeout=100.0, goal_radius=1.0, clock_after=0.1, **world,
                )  # fmt: skip


def _recorded(request: Request) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield names of the worlds in the data folder, and their fields of Case."""
    data = data_folder(request, 'the folder with index.csv and circles/, or --generated N')
    best = _index(data / 'index.csv')
    for name in selected(request, list(best)):
        world = data / 'circles' / f'circles_{name}.csv'
        World.load(world)  # damaged data is reported before any episode runs
        yield name, {'world': str(world), 'optimal_time': best[name]}


def _generated(
    request: Request, footprint: Footprint
) -> Iterator[tuple[str, dict[str, Any]]]:
    """
    Yield names of generated worlds, and their fields of Case.

    The optimal time is that of the protocol, the length of a path at OPTIMAL_SPEED; the path is
    that of the planner of this package on the complete map.
    """
    if request.data is not None:
        raise InputError('--generated needs no --data')
    names = [f'{GENERATED}/{number}' for number in range(request.generated)]
    for name in selected(request, names):
        circles = barn_circles(barn_field(request.seed, names.index(name)))
        world = World.from_circles(circles, BARN_BOUNDS)
        path = plan(world.occupancy, START, GOAL, footprint)
        if path is None:  # the field has a path that is wider than the robot
            raise AssertionError(f'{name} has no path')
        yield name, {
            'circles': tuple((float(x), float(y), float(radius)) for x, y, radius in circles),
            'bounds': BARN_BOUNDS,
            'optimal_time': ReferencePath.from_poses(path).length / OPTIMAL_SPEED,
        }


def _index(path: Path) -> dict[str, float]:
    """Return the optimal time OT [s] of each world."""
    with reading(path, 'an index with world and official_OT_s'):
        rows = csv.DictReader(read_text(path).splitlines())
        best = {row['world']: float(row['official_OT_s']) for row in rows}
    if not best:
        raise InputError(f'{path} names no world')
    return best
