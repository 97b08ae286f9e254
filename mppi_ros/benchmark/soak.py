"""Soak test of the controller: growth of its memory and drift of its computing time."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import math
import time
from typing import Any

import numpy as np
import psutil

from mppi_ros.control.controller import Controller
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.tick_result import ControllerState, Reason
from mppi_ros.control.warm_up import warm_up
from mppi_ros.driving.costmap import Costmap
from mppi_ros.evaluation.results import times
from mppi_ros.parameters.declaration import replace
from mppi_ros.simulation.plant import NOMINAL, Plant

PHASES = 20
CELLS, RESOLUTION = 200, 0.05  # of the room
BLOCKS = 6  # obstacles in the room
MAX_GROWTH = 8.0  # [MiB] of memory after SETTLING_PHASES
MAX_DRIFT = 0.25  # relative change of the processor time of the median tick
SETTLING_PHASES = 4  # phases before growth and drift are measured

Progress = Callable[[str, float], None]


class SoakDrive:
    """Robot in a room whose obstacles, goals and parameters change."""

    def __init__(self, configuration: ControllerParameters, seed: int = 0) -> None:
        self._base = configuration
        self._rng = np.random.default_rng(seed)
        self.controller = Controller(configuration, seed)
        self._plant = Plant(
            dataclasses.replace(NOMINAL, limits=configuration.limits), (0.0, 0.0, 0.0), seed
        )
        self._period = 1.0 / configuration.control_rate
        self._now = 0.0
        self._count = 0
        self._room = self._draw()
        self.driven = 0
        self.unsafe = 0

    def tick(self) -> tuple[float, float]:
        """Run one tick with its inputs; return its duration and processor time [ms]."""
        controller, count = self.controller, self._count
        odometry = self._plant.odometry(self._now)
        if count % 200 == 0:
            self._room = self._draw()
            x, y, yaw = self._rng.uniform((-4.0, -4.0, -3.0), (4.0, 4.0, 3.0)).tolist()
            controller.set_goal(self._now, x, y, yaw)
        if count % 997 == 996:
            weight = float(self._rng.uniform(0.5, 2.0))
            controller.configure(replace(self._base, {'critics.obstacle.weight': weight}))
        begun, worked = time.perf_counter(), time.thread_time()
        controller.set_odometry(odometry)
        if count % 10 == 0:
            controller.set_costmap(self._now, self._room)
        tick = controller.tick(self._now)
        took = 1e3 * (time.perf_counter() - begun), 1e3 * (time.thread_time() - worked)
        values = dataclasses.astuple(tick.command)
        self.unsafe += not all(map(math.isfinite, values)) or tick.code is Reason.INTERNAL_ERROR
        self.driven += tick.state is ControllerState.DRIVING
        self._plant.command(tick.command, self._now)
        self._plant.advance(self._period)
        self._now += self._period
        self._count += 1
        return took

    def _draw(self) -> Costmap:
        """Return a room with obstacles away from the robot."""
        data = np.zeros((CELLS, CELLS), np.int8)
        data[[0, -1]] = 100
        data[:, [0, -1]] = 100
        half = 0.5 * CELLS * RESOLUTION
        for x, y in self._rng.uniform(-0.9 * half, 0.9 * half, (BLOCKS, 2)):
            if math.dist((x, y), self._plant.pose[:2]) > 1.2:
                row, column = int((y + half) / RESOLUTION), int((x + half) / RESOLUTION)
                data[row : row + 8, column : column + 8] = 100
        return Costmap(data, RESOLUTION, -half, -half)


def measure(
    ticks: int, configuration: ControllerParameters, progress: Progress
) -> list[dict[str, Any]]:
    """Return a row for each phase of the ticks, and the requirements on all of them."""
    drive, process = SoakDrive(configuration), psutil.Process()
    warm_up(configuration)
    rows: list[dict[str, Any]] = []
    each = max(ticks // PHASES, 1)
    for phase in range(PHASES):
        progress(f'{phase * each} of {ticks} ticks', phase / PHASES)
        took, worked = np.array([drive.tick() for _ in range(each)]).T
        rows.append({
            'phase': f'{(phase + 1) * each} ticks',
            **times(took),
            'processor_ms': round(float(np.median(worked)), 4),
            'resident_mib': round(process.memory_info().rss / 2**20, 1),
        })  # fmt: skip
    resident = [row['resident_mib'] for row in rows]
    median = [row['processor_ms'] for row in rows]
    growth = resident[-1] - max(resident[:SETTLING_PHASES])
    drift = float(np.median(median[-SETTLING_PHASES:]) / np.median(median[:SETTLING_PHASES])) - 1.0
    shares = drive.driven / (each * PHASES)
    return [
        *rows,
        _law('memory grows no more [MiB]', growth, MAX_GROWTH, growth <= MAX_GROWTH),
        _law(
            'the processor time of the median tick does not drift', drift, MAX_DRIFT,
            drift <= MAX_DRIFT,
        ),
        _law('ticks that went wrong', drive.unsafe, 0, drive.unsafe == 0),
        _law('share of ticks that drive', shares, 0.3, shares >= 0.3),
    ]


def _law(law: str, measured: float, limit: float, holds: bool) -> dict[str, Any]:
    return {'law': law, 'measured': round(measured, 3), 'limit': limit, 'holds': bool(holds)}
