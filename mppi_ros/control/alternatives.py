"""
Alternatives to the mean among moving obstacles: another side, yielding, stopping.

The mean of the samples moves in small steps and stays on the side of an obstacle where it is. A
second optimiser therefore begins in each tick at one of the cheapest constant commands of
different kinds, in turn; its result replaces the mean where it costs less by MIN_GAIN.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.fallback import constant_commands
from mppi_ros.driving.motion_models import Model
from mppi_ros.driving.objective import DrivingObjective
from mppi_ros.mppi.optimizer import Optimizer

SAMPLES, ITERATIONS = 640, 2  # of the second optimiser
KINDS = 6  # of commands that are tried in turn, cheapest first
MIN_GAIN = 0.3  # [s] hysteresis


class Alternatives:
    """Search for a cheaper sequence away from the mean."""

    def __init__(self) -> None:
        self._sampler: Optimizer | None = None
        self._turn = 0

    def improve(
        self, sampler: Optimizer, objective: DrivingObjective, model: Model, ess_scale: float
    ) -> bool:
        """Replace the mean of `sampler` by a sequence that costs less; return whether one does."""
        if sampler.clock() > sampler.deadline:
            return False
        own = self._prepared(sampler)
        starts = _cheapest_of_each_kind(objective, model, len(sampler.mean))
        self._turn += 1
        own.mean[:] = starts[self._turn % len(starts)]
        objective.project(own.mean)
        if not own.step(objective, ess_scale).valid:
            return False
        now, other = objective.costs_of(np.stack([sampler.mean, own.mean])).tolist()
        if not other < now - MIN_GAIN:
            return False
        sampler.mean[:] = own.mean
        return True

    def _prepared(self, sampler: Optimizer) -> Optimizer:
        parameters = dataclasses.replace(
            sampler.parameters, samples=min(SAMPLES, sampler.parameters.samples),
            iterations=ITERATIONS, smoothing=False,
        )  # fmt: skip
        if self._sampler is None:
            self._sampler = Optimizer(parameters, sampler.controls)
        elif self._sampler.parameters != parameters:
            self._sampler.configure(parameters)
        self._sampler.deadline, self._sampler.clock = sampler.deadline, sampler.clock
        return self._sampler


def _cheapest_of_each_kind(
    objective: DrivingObjective, model: Model, steps: int
) -> NDArray[np.float32]:
    """
    Return the cheapest constant commands, float32[k, m], of different kinds, cheapest first.

    The signs of the controls are the kind: ahead, back or stop, left, right or straight.
    """
    commands = constant_commands(model)
    order = np.argsort(objective.costs_of_constant(commands, steps), kind='stable')
    _, first = np.unique(np.sign(commands[order]), axis=0, return_index=True)
    kept: NDArray[np.float32] = commands[order[np.sort(first)[:KINDS]]]
    return kept
