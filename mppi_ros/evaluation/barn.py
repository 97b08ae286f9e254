"""Suite barn: the worlds of the BARN challenge, driven by its official protocol."""

from __future__ import annotations

from collections.abc import Iterator
import csv
from pathlib import Path

from mppi_ros.evaluation.case import Case
from mppi_ros.evaluation.request import Request, data_folder, selected
from mppi_ros.files import read_text, reading
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.world import World

ROBOT = 'jackal'
START, GOAL = (-2.25, 3.0, 1.57), (-2.25, 13.0, 1.57)
LIMITS = {'limits.ax_max': 5.0, 'limits.ax_min': -5.0, 'limits.az_max': 10.0}


def barn(request: Request) -> Iterator[Case]:
    """Drive the worlds of the BARN challenge by its official protocol: one scenario per world."""
    data = data_folder(request, 'the folder with index.csv and circles/')
    configuration = request.configuration(
        ROBOT, {**LIMITS, 'goal.heading_tolerance': 3.15}
    )
    best = _index(data / 'index.csv')
    for name in selected(request, list(best)):
        world = data / 'circles' / f'circles_{name}.csv'
        World.load(world)  # damaged data is reported before any episode runs
        for plant in request.plants or ('nominal',):
            for run in range(request.runs):
                yield Case(
                    suite='barn', scenario=name, plant=plant, seed=request.seed + run,
                    start=START, goal=GOAL, configuration=configuration,
                    sensing='lidar', timeout=100.0, world=str(world), goal_radius=1.0,
                    clock_after=0.1, optimal_time=best[name],
                )  # fmt: skip


def _index(path: Path) -> dict[str, float]:
    """Return the optimal time OT [s] of each world."""
    with reading(path, 'an index with world and official_OT_s'):
        rows = csv.DictReader(read_text(path).splitlines())
        best = {row['world']: float(row['official_OT_s']) for row in rows}
    if not best:
        raise InputError(f'{path} names no world')
    return best
