"""
Compile or load all kernels before the first tick by driving a synthetic scene.

Two processes compile into one cache: this one the rollout, a helper everything else.
"""

from __future__ import annotations

from contextlib import suppress
import dataclasses
import logging
import os
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.controller import Controller
from mppi_ros.control.inputs import Odometry
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving import cost_to_go, hybrid_astar, path_segments
from mppi_ros.driving.costmap import LETHAL, Costmap
from mppi_ros.driving.objective import DrivingObjective
from mppi_ros.jit.cache import is_writable, on_miss
from mppi_ros.mppi.optimizer import FEW

MAX_HELPER_TIME = 300.0  # [s] after which the helper is not waited for

log = logging.getLogger(__name__)


def warm_up(configuration: ControllerParameters) -> None:
    """Compile or load the serial and parallel kernels that a configuration uses."""
    helper = _Helper(configuration)
    try:
        with on_miss(helper.start):
            objective = Controller(configuration)._objective
            for threads in (1, 2):
                objective.warm_up(threads)
        helper.wait()
    finally:
        helper.end()
    _drive(configuration, Controller)


class _Helper:
    """A process that compiles what the rollout does not need."""

    def __init__(self, configuration: ControllerParameters) -> None:
        self._configuration = configuration
        self._process: subprocess.Popen[bytes] | None = None
        self._cores = len(os.sched_getaffinity(0))

    def start(self) -> None:
        """Start the process, once, if there is a core for it."""
        if self._process is not None or self._cores < 2:
            return
        self._process = subprocess.Popen(
            [sys.executable, '-m', __name__], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as stream:
            stream.write(pickle.dumps(self._configuration))
        self._process.stdin = None

    def wait(self) -> None:
        """Wait for its machine code; without a cache to share there is nothing to wait for."""
        if self._process is None or not is_writable():
            return
        try:
            _, errors = self._process.communicate(timeout=MAX_HELPER_TIME)
        except subprocess.TimeoutExpired:
            log.warning(f'The helper has been compiling for more than {MAX_HELPER_TIME:g} s')
            return
        if self._process.returncode:
            last = errors.decode('utf-8', 'replace').strip()[-300:]
            log.warning(f'The helper ended with {self._process.returncode}: {last}')

    def end(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


class _FlatObjective(DrivingObjective):
    """Objective of a robot whose samples all cost the same; it needs no rollout."""

    def evaluate_blocks(
        self, mean: Any, factor: Any, noise: NDArray[np.float32], costs: NDArray[np.float32],
        *_: Any,
    ) -> None:  # fmt: skip
        noise[:], costs[:] = 0.0, 0.0


class _Rehearsal(Controller):
    """Controller that compiles everything but the rollout."""

    _objective_type = _FlatObjective


def _drive(configuration: ControllerParameters, kind: type[Controller]) -> None:
    """Run all code paths of a controller that use kernels, with one thread and with two."""
    cost_to_go.warm_up()
    path_segments.warm_up()
    if configuration.motion_model == 'ackermann':
        hybrid_astar.warm_up()
    for threads, samples in ((1, 64), (2, FEW)):
        parameters = dataclasses.replace(configuration.mppi, threads=threads, samples=samples)
        safety = dataclasses.replace(configuration.safety, costmap_timeout=0.0)
        controller = kind(dataclasses.replace(configuration, mppi=parameters, safety=safety))
        controller.set_odometry(Odometry(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
        cells = np.zeros((200, 200), np.int8)
        cells[150, 150] = LETHAL
        controller.set_costmap(0.0, Costmap(cells, 0.1, -10.0, -10.0))
        controller.set_goal(0.0, 5.0, 0.0, 0.0)
        controller.tick(0.0)
        controller.tick(0.05)
        controller.warm_up_evasion()
        if kind is Controller:
            controller.optimal_trajectory()
            controller.candidate_trajectories(1)


if __name__ == '__main__':
    _drive(pickle.load(sys.stdin.buffer), _Rehearsal)
