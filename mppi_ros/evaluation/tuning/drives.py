"""Drives of the tuner: a search half and a held-out half, on maps and in generated worlds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving.footprint import Footprint
from mppi_ros.evaluation.barn import GOAL, START
from mppi_ros.evaluation.case import Case
from mppi_ros.evaluation.identify import identify
from mppi_ros.evaluation.request import Request
from mppi_ros.evaluation.runner import run_cases
from mppi_ros.evaluation.suites import cases_of, with_physics
from mppi_ros.evaluation.tuning.objective import measures
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.barn_generator import barn_circles, barn_field
from mppi_ros.simulation.episode_result import EpisodeResult
from mppi_ros.simulation.grid_planner import plan
from mppi_ros.simulation.physics import KINEMATIC, PhysicsParameters
from mppi_ros.simulation.plant import NOMINAL, PlantParameters
from mppi_ros.simulation.world import BARN_BOUNDS, World

MAX_WORLDS_PER_DRIVE = 20  # generated worlds that may be impassable for the robot
GOAL_RADIUS = 1.0  # [m] in generated worlds, as in the BARN challenge


@dataclass(frozen=True)
class Drive:
    """A case whose record also has the measures of the objective."""

    case: Case

    @property
    def name(self) -> str:
        """Return the name of the drive: where, and which seed."""
        return f'{self.case.scenario}, seed {self.case.seed}'

    @property
    def discs(self) -> Callable[[float], NDArray[np.float64]]:
        """Return the unmapped obstacles as a function of the time [s]; see Case."""
        return self.case.discs

    def with_configuration(self, configuration: ControllerParameters) -> Drive:
        """Return the drive with other parameters; it solves on one thread, as all cases do."""
        return Drive(replace(self.case, configuration=replace_threads(configuration)))

    def run(self) -> tuple[dict[str, Any], EpisodeResult]:
        """Run the episode; return its record and the complete result."""
        record, result = self.case.run()
        record |= measures(record, result, self.case.configuration)
        return record, result


def replace_threads(configuration: ControllerParameters) -> ControllerParameters:
    """Return a configuration that solves on one thread, since drives run in parallel."""
    return replace(configuration, mppi=replace(configuration.mppi, threads=1))


def halves(
    robot: str, configuration: ControllerParameters, maps: Path | None, drives: int,
    generated: int, seed: int, physics: PhysicsParameters = KINEMATIC,
) -> tuple[list[Drive], list[Drive]]:
    """
    Return the drives of the search and the held-out drives.

    They share no seed, no generated world and no pair of start and goal.

    Parameters
    ----------
    robot : str
        Name of the robot or its file.
    configuration : ControllerParameters
        Parameters at the start; the kinematic robot responds as `prediction` states, others have
        its delays.
    maps : Path, optional
        Folder with maps in map_server format.
    drives, generated : int
        Drives on the maps, and generated worlds, in each half.
    seed : int
        First seed.
    physics : PhysicsParameters
        Physics of the robot.

    Raises
    ------
    InputError
        There is no drive, or the maps are invalid.

    """
    found = []
    for half in (0, 1):
        cases = _on_maps(robot, maps, drives, seed + half) if maps else []
        cases += _generated(configuration, generated, seed + half)
        found.append([
            Drive(replace(case, plant='identified', response=plant_of(configuration)))
            .with_configuration(configuration)
            for case in with_physics(_interleaved(cases), physics, robot)
        ])
    if not found[0]:
        raise InputError('there is nothing to drive: give --maps or --generated')
    return found[0], found[1]


def drive_all(
    drives: Sequence[Drive], configuration: ControllerParameters, jobs: int, cluster: str,
    notify: Callable[[int], None],
) -> list[dict[str, Any]]:
    """Return the records of all drives with a configuration; `notify` receives the count."""
    records: dict[int, dict[str, Any]] = {}
    cases = [drive.with_configuration(configuration) for drive in drives]
    for index, record in run_cases(cases, jobs, cluster):
        records[index] = record
        notify(len(records))
    return [records[index] for index in range(len(cases))]


def plant_of(configuration: ControllerParameters) -> PlantParameters:
    """Return a robot that responds as `prediction` states."""
    model = configuration.prediction
    return replace(
        NOMINAL, delay_linear=model.delay_linear, delay_angular=model.delay_angular,
        lag_linear=model.lag_linear, lag_angular=model.lag_angular,
        speed_gain=model.gain_linear, yaw_gain=model.gain_angular,
        dead_band_linear=model.dead_band_linear, dead_band_angular=model.dead_band_angular,
    )  # fmt: skip


def identified(recording: Path) -> tuple[dict[str, float], list[str]]:
    """Return changes of `prediction` from a recording, and the axes that are not trusted."""
    changes, doubtful = {}, []
    for axis, estimate in identify(recording, '', '').items():
        if axis == 'lateral':  # shares the values of the longitudinal axis
            continue
        if not estimate.trusted:
            doubtful.append(axis)
            continue
        for name in ('delay', 'lag', 'gain'):
            changes[f'prediction.{name}_{axis}'] = round(getattr(estimate.value, name), 3)
    return changes, doubtful


def _on_maps(robot: str, maps: Path, count: int, seed: int) -> list[Case]:
    """Return drives on the maps, in turns; every second pair meets unmapped obstacles."""
    found: list[Case] = []
    while len(found) < count:
        cases = cases_of('maps', Request(data=maps, robot=robot, seed=seed))
        cases.sort(key=lambda case: int(case.scenario.rpartition('/')[2]))
        found += cases
        seed += 2  # the other half has the seeds between
    return found[:count]


def _generated(configuration: ControllerParameters, count: int, seed: int) -> list[Case]:
    """Return drives through generated BARN worlds that the robot can pass."""
    footprint = Footprint.of(configuration.robot)
    found: list[Case] = []
    for number in range(MAX_WORLDS_PER_DRIVE * count):
        if len(found) == count:
            break
        circles = barn_circles(barn_field(seed, number))
        if not _is_passable(World.from_circles(circles, BARN_BOUNDS), footprint):
            continue
        found.append(Case(
            suite='barn', scenario=f'generated/{number}', plant='nominal', seed=seed,
            start=START, goal=GOAL, configuration=configuration, sensing='lidar',
            goal_radius=GOAL_RADIUS, bounds=BARN_BOUNDS,
            circles=tuple((float(x), float(y), float(radius)) for x, y, radius in circles),
        ))  # fmt: skip
    if len(found) < count:
        raise InputError('the generated worlds are too narrow for the robot: use --generated 0')
    return found


def _is_passable(world: World, footprint: Footprint) -> bool:
    try:
        return plan(world.occupancy, START, GOAL, footprint) is not None
    except InputError:  # start or goal is too narrow
        return False


def _interleaved(cases: Sequence[Case]) -> list[Case]:
    """Return the cases of the suites in turns, so that a race begins with drives of each."""
    by_suite: dict[str, list[Case]] = {}
    for case in cases:
        by_suite.setdefault(case.suite, []).append(case)
    ranks = [
        (rank / len(group), suite, case)
        for suite, group in by_suite.items() for rank, case in enumerate(group)
    ]
    return [case for _, _, case in sorted(ranks, key=lambda each: each[:2])]
