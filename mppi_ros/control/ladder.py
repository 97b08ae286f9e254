"""
What is sent when the plan is not safe: the plan → a second choice → braking → zero.

A command is sent only when the robot can still come to rest after it without touching anything
(see `braking`). Where the plan has no such command, the search begins anew from the cheapest of
some constant commands and with a wider Σ. Where that finds none either, the robot brakes along
the way that stays clearest, down to zero.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control import braking
from mppi_ros.control.braking import Check, Surroundings
from mppi_ros.driving.motion import Model, State
from mppi_ros.driving.objective import DrivingObjective
from mppi_ros.driving.settings import Limits
from mppi_ros.mppi.optimizer import Optimizer

WIDER = 2.0  # times Σ's square root in the second search
GRID = 7  # constant commands tried for each control; odd, so that rest is one of them


class Choice(NamedTuple):
    """A command v [m/s], w [rad/s], and the best way of braking after it."""

    command: tuple[float, float]
    check: Check


class Scene(NamedTuple):
    """
    All that decides whether a command may be sent.

    `start` is where the command begins to act, `last` the command before, `seconds` the time
    that it may change in and `hold` the time that it acts [s]; `model` is for steps of
    `braking.STEP`.
    """

    start: State
    last: tuple[float, float]
    seconds: float
    hold: float
    limits: Limits
    surroundings: Surroundings
    model: Model

    def choose(self, wanted: tuple[float, float]) -> Choice:
        """Return the command nearest to `wanted` that the limits allow, checked."""
        command = braking.limited(wanted, self.last, self.limits, self.seconds)
        return Choice(
            command,
            braking.check(self.start, command, self.hold, self.surroundings, self.model),
        )

    def safest_turn(self) -> float:
        """Return the curvature [rad/m] along which braking from now on stays clearest."""
        return braking.check(self.start, self.last, 0.0, self.surroundings, self.model).turn


def second_choice(
    sampler: Optimizer, objective: DrivingObjective, scene: Scene, cooling: float
) -> Choice | None:
    """
    Search anew for a safe command, from the cheapest constant command and wider.

    Where the search finds none, the cheapest constant command that is safe and moves the robot
    is the choice; None if there is none. The mean is left at the choice, or at braking.
    """
    commands = _commands(scene.limits)
    mean = sampler.mean
    order = np.argsort(objective.costs_held(commands, len(mean)), kind='stable')
    mean[:] = commands[order[0]]
    objective.project(mean)
    sampler.step(objective, cooling, WIDER)
    v, w = mean[0].tolist()
    if math.isfinite(v) and math.isfinite(w):
        choice = scene.choose((v, w))
        if choice.check.safe:
            return choice
    for command in commands[order]:
        v, w = command.tolist()
        choice = scene.choose((v, w))
        if choice.check.safe and choice.command != (0.0, 0.0):
            mean[:] = command
            break
    else:
        mean[:] = 0.0
    objective.project(mean)
    return choice if choice.check.safe and choice.command != (0.0, 0.0) else None


def _commands(limits: Limits) -> NDArray[np.float32]:
    """Return a grid over the commands that the limits allow, float32[GRID², 2]."""
    half = GRID // 2
    share = np.arange(-half, half + 1) / half
    v = np.where(share < 0.0, -limits.vx_min, limits.vx_max) * share
    w = limits.wz_max * share
    return np.array([(each, turn) for each in v for turn in w], np.float32)
