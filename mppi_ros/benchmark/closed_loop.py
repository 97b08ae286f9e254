"""Closed loop of an ideal unicycle, under the conditions in which Nav2 was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mppi_ros.benchmark.situation import Situation
from mppi_ros.control.controller import Controller
from mppi_ros.control.inputs import Command
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.tick_result import ControllerState
from mppi_ros.driving.path import ReferencePath
from mppi_ros.parameters.declaration import replace
from mppi_ros.simulation.plant import IDEAL, Plant

TIMEOUT = 120.0  # [s]
ROBOT = 'nav2_reference'
# Nav2's MPPI (main, a3a97043) on the same files: 10 runs at 20 Hz each.
NAV2: dict[str, dict[str, Any]] = {
    'map200': {
        'reached': 10, 'runs': 10, 'time_s': 31.5, 'time_range_s': [29.8, 32.3],
        'min_distance_m': 0.429, 'cross_track_rms_m': 0.040,
    },
    'map200_blocked': {
        'reached': 10, 'runs': 10, 'time_s': 35.4, 'time_range_s': [33.8, 37.0],
        'min_distance_m': 0.257, 'cross_track_rms_m': 0.087,
    },
}


def drive(situation: Situation, configuration: ControllerParameters, seed: int) -> dict[str, Any]:
    """
    Drive along the plan, from rest at its first pose to its end.

    Parameters
    ----------
    situation : Situation
        Costmap and plan; the plan may lead through obstacles of the costmap.
    configuration : ControllerParameters
        Parameters of the controller.
    seed : int
        Seed of the noise.

    """
    controller = Controller(configuration, seed)
    controller.set_costmap(0.0, situation.costmap)
    controller.set_plan(0.0, situation.plan)
    plant = Plant(dataclasses.replace(IDEAL, limits=configuration.limits), situation.plan[0])
    period = 1.0 / configuration.control_rate
    poses, solve = [], []
    now, state = 0.0, ControllerState.WAITING
    while now < TIMEOUT and state is not ControllerState.REACHED:
        controller.set_odometry(plant.odometry(now))
        controller.set_costmap(now, situation.costmap)
        tick = controller.tick(now)
        state = tick.state
        poses.append(plant.pose.copy())
        solve.append(tick.statistics.solve_ms)
        plant.command(Command.ZERO if state is ControllerState.REACHED else tick.command, now)
        plant.advance(period)
        now += period
    driven = np.array(poses)
    return {
        'scenario': situation.name,
        'seed': seed,
        'reached': state is ControllerState.REACHED,
        'reason': tick.reason,
        'time_s': round(now, 3),
        'min_distance_m': round(_nearest_lethal(situation, driven), 4),
        'cross_track_rms_m': round(_cross_track(situation, driven), 4),
        'solve_ms': [value for value in solve if math.isfinite(value)],
    }


def _nearest_lethal(situation: Situation, poses: NDArray[np.float64]) -> float:
    """Return the distance [m] from the centre of the robot to the nearest lethal cell centre."""
    from scipy.spatial import cKDTree

    grid = situation.costmap
    row, column = np.nonzero(grid.data == 100)
    if not len(row):
        return math.inf
    x = grid.origin_x + (column + 0.5) * grid.resolution
    y = grid.origin_y + (row + 0.5) * grid.resolution
    return float(cKDTree(np.stack([x, y], axis=1)).query(poses[:, :2])[0].min())


def _cross_track(situation: Situation, poses: NDArray[np.float64]) -> float:
    path = ReferencePath.from_poses(situation.plan)
    progress, off = 0.0, []
    for x, y, _ in poses:
        progress, cross = path.project(x, y, progress)
        off.append(cross)
    return float(np.sqrt(np.mean(np.square(off))))


def measure(
    situations: Sequence[Situation],
    configuration: ControllerParameters,
    runs: int,
    progress: Callable[[str, float], None],
) -> list[dict[str, Any]]:
    """Return one row for each situation: `runs` drives with the seeds 0, 1, ..."""
    rows = []
    for place, situation in enumerate(situations):
        drives = []
        for seed in range(runs):
            share = (place + seed / runs) / len(situations)
            progress(f'{situation.name}, seed {seed}', share)
            drives.append(drive(situation, replace(configuration, {'seed': seed}), seed))
        rows.append(_row(situation.name, drives))
    return rows


def _row(name: str, drives: Sequence[dict[str, Any]]) -> dict[str, Any]:
    taken = [drive['time_s'] for drive in drives if drive['reached']] or [math.nan]
    solve = np.concatenate([drive.pop('solve_ms') for drive in drives])
    return {
        'scenario': name,
        'runs': len(drives),
        'reached': sum(drive['reached'] for drive in drives),
        'time_s': round(float(np.mean(taken)), 3),
        'time_range_s': [min(taken), max(taken)],
        'min_distance_m': min(drive['min_distance_m'] for drive in drives),
        'cross_track_rms_m': round(
            float(np.sqrt(np.mean([drive['cross_track_rms_m'] ** 2 for drive in drives]))), 4
        ),
        'solve_median_ms': round(float(np.median(solve)), 4),
        'solve_p99_ms': round(float(np.percentile(solve, 99)), 4),
        'nav2': NAV2.get(name),
        'drives': list(drives),
    }
