"""
Choice of the command: optimised, fallback, evasive; without any of them the robot brakes.

A command is sent only when the robot can still come to rest after it without touching anything
(see `stopping_check`). Where the plan has no such command, the search restarts from the cheapest
of a set of constant commands and with a wider Σ. If it finds none, the robot evades a moving
obstacle by a command that is safe among static ones (see `evasion`), or brakes to rest along the
path with the largest clearance.
"""

from __future__ import annotations

from collections.abc import Callable
import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control import stopping_check
from mppi_ros.control.evasion import Manoeuvre, predict_manoeuvre
from mppi_ros.control.stopping_check import NO_OBSTACLES, CollisionModel, StoppingCheck
from mppi_ros.control.tick_result import Reason
from mppi_ros.driving import motion_models
from mppi_ros.driving.distance_field import NO_OBSTACLE
from mppi_ros.driving.motion_models import Controls, Model, MotionState
from mppi_ros.driving.objective import DrivingObjective
from mppi_ros.mppi.optimizer import Optimizer

PLAN_CLEARANCE = 0.1  # [m] to moving obstacles, with which a plan is followed that cannot brake
WIDE_SIGMA_SCALE = 2.0  # times Σ's square root in the second search
SPEED_BISECTIONS = 5  # of a command, to find the fastest one that the rim leaves room for
GRID_SIZE = {
    2: 7,
    3: 3,
}  # constant commands tried for each of m controls; odd: rest is one of them


class CheckedCommand(NamedTuple):
    """The controls of a command, and the best way of braking after it."""

    command: Controls
    check: StoppingCheck


class CheckContext(NamedTuple):
    """
    Inputs of the stopping check.

    `start` is where the command begins to act, `last` the command before, `hold` the time that
    it acts [s]; `step` is the motion model for the time in which it may change, and `model` that
    for steps of INTEGRATION_STEP; `waiting` are the commands still pending on the slower axis; a
    command is held for `rows` steps of the horizon.
    """

    start: MotionState
    last: Controls
    hold: float
    collision_model: CollisionModel
    step: Model
    model: Model
    waiting: NDArray[np.float32]
    rows: float
    evade: bool = False

    @property
    def evades(self) -> bool:
        """Whether there are moving obstacles that the robot may evade."""
        return self.evade and len(self.collision_model.moving_obstacles) > 0

    def held(self, mean: NDArray[np.float32]) -> Controls:
        """Return the command for a sequence, float32[T, m]: its mean over one control period."""
        return motion_models.held_command(mean, self.rows)

    def choose(self, wanted: Controls) -> CheckedCommand:
        """Return the command nearest to `wanted` that the limits allow, checked."""
        command = motion_models.as_floats(motion_models.apply_limits(wanted, self.last, self.step))
        return CheckedCommand(command, self._checked(command, self.hold))

    def slowed(self, wanted: Controls) -> CheckedCommand | None:
        """
        Return the fastest command along `wanted` that leaves room to stop before the rim.

        None if the edge of the costmap is not what is too near.
        """
        if self.collision_model.outside >= NO_OBSTACLE:
            return None
        free = self._replace(collision_model=self.collision_model._replace(outside=NO_OBSTACLE))
        if not free.choose(wanted).check.safe:
            return None
        found = self.choose(_slower(wanted, 0.0, self.step))
        slow, fast = 0.0, 1.0
        for _ in range(SPEED_BISECTIONS):
            middle = 0.5 * (slow + fast)
            choice = self.choose(_slower(wanted, middle, self.step))
            if choice.check.safe:
                found, slow = choice, middle
            else:
                fast = middle
        return found if found.check.safe else None

    def stops_before_static(self, command: Controls) -> bool:
        """Return whether a command leaves room to brake before static obstacles."""
        model = self.collision_model._replace(moving_obstacles=NO_OBSTACLES)
        return self._replace(collision_model=model)._checked(command, self.hold).safe

    def predicted(self, sequence: NDArray[np.float32], period: float) -> Manoeuvre:
        """Predict driving by a sequence, float32[n, m], of which each is held for `period` [s]."""
        return predict_manoeuvre(
            self.start, self.last, np.ascontiguousarray(sequence, np.float64), period,
            self.collision_model, self.model, self.waiting,
        )  # fmt: skip

    def braked(self) -> StoppingCheck:
        """Return the result of braking now, along the best curvature."""
        return self._checked(self.last, 0.0)

    def _checked(self, command: Controls, hold: float) -> StoppingCheck:
        return stopping_check.check(
            self.start, command, hold, self.collision_model, self.model, self.waiting
        )


def checked_command(
    scene: CheckContext,
    wanted: Controls,
    backward: Controls | None,
    search: Callable[[], CheckedCommand | None],
    plan: Callable[[], Manoeuvre],
    evade: Callable[[Manoeuvre | None], tuple[CheckedCommand | None, Reason]],
) -> tuple[CheckedCommand, Reason]:
    """
    Return the first safe command: `backward` if given, `wanted`, a slower one, a fallback.

    And the reason: FALLBACK_COMMAND for a command that `search` finds; EVADING where the sequence
    that `plan` predicts keeps clear of moving obstacles, or `evade` finds a command. Otherwise it
    is NONE; if no command is safe, the check is that of the command nearest to `wanted`.
    """
    choice = scene.choose(wanted)
    if backward is not None:
        back = scene.choose(backward)
        choice = back if back.check.safe else choice
    if not choice.check.safe:
        choice = scene.slowed(wanted) or choice
    if choice.check.safe:
        return choice, Reason.NONE
    planned = None
    if scene.evades and scene.stops_before_static(choice.command):
        planned = plan()
        if planned.clearance >= PLAN_CLEARANCE:
            return choice, Reason.EVADING
    other = search()
    if other is not None:
        return other, Reason.FALLBACK_COMMAND
    reason = Reason.NONE
    if scene.evades:
        other, reason = evade(planned)
    return other or choice, reason


def _slower(controls: Controls, share: float, model: Model) -> Controls:
    """Return the controls that drive the same way at a share of the speed."""
    if isinstance(model, motion_models.Ackermann):
        return share * controls[0], *controls[1:]
    return tuple(share * value for value in controls)


def fallback_command(
    sampler: Optimizer, objective: DrivingObjective, scene: CheckContext, ess_scale: float
) -> CheckedCommand | None:
    """
    Search again for a safe command, from the cheapest constant command and wider.

    Where the search finds none, the cheapest constant command that is safe and moves the robot
    is the choice; None if there is none. The mean is left at the choice, or at braking.
    """
    commands = _commands(objective.model)
    mean = sampler.mean
    order = np.argsort(objective.costs_of_constant(commands, len(mean)), kind='stable')
    mean[:] = commands[order[0]]
    objective.project(mean)
    sampler.step(objective, ess_scale, WIDE_SIGMA_SCALE)
    first = scene.held(mean)
    if all(map(math.isfinite, first)):
        choice = scene.choose(first)
        if choice.check.safe:
            return choice
    for command in commands[order]:
        choice = scene.choose(tuple(command.tolist()))
        if choice.check.safe and not motion_models.is_stop(choice.command, scene.step):
            mean[:] = command
            break
    else:
        mean[:] = 0.0
    objective.project(mean)
    moves = not motion_models.is_stop(choice.command, scene.step)
    return choice if choice.check.safe and moves else None


def evasive_command(
    sampler: Optimizer, objective: DrivingObjective, scene: CheckContext,
    planned: Manoeuvre | None = None,
) -> tuple[CheckedCommand | None, Reason]:
    """
    Return the command that keeps the greatest clearance to moving obstacles, and EVADING.

    Of those that keep ENOUGH_CLEARANCE it is the cheapest. No command with EVADING: the planned
    sequence is as good. No command with NONE: coming to rest is best, or no command leaves room
    to brake before static obstacles.
    """
    commands = _commands(scene.step)
    costs = objective.costs_of_constant(commands, len(sampler.mean)).tolist()
    found = [scene.predicted(command[None], 1.0) for command in commands]
    keys = [(*each.key, -cost) for each, cost in zip(found, costs, strict=True)]
    for index in sorted(range(len(keys)), key=keys.__getitem__, reverse=True):
        if planned is not None and planned.key >= keys[index][:-1]:
            return None, Reason.EVADING
        if motion_models.is_stop(commands[index], scene.step):
            break
        choice = scene.choose(tuple(commands[index].tolist()))
        if scene.stops_before_static(choice.command):
            sampler.mean[:] = commands[index]
            objective.project(sampler.mean)
            return choice, Reason.EVADING
    return None, Reason.NONE


def cheapest_constant(objective: DrivingObjective, steps: int) -> NDArray[np.float32]:
    """Return the cheapest of a grid of commands that are held for all steps, float32[m]."""
    commands = _commands(objective.model)
    cheapest: NDArray[np.float32] = commands[
        np.argmin(objective.costs_of_constant(commands, steps))
    ]
    return cheapest


def _commands(model: Model) -> NDArray[np.float32]:
    """Return a grid over the commands that the limits allow, float32[n, m]."""
    half = GRID_SIZE[model.controls()] // 2
    share = np.arange(-half, half + 1) / half
    axes = [np.where(share < 0.0, -low, high) * share for low, high in model.bounds]
    return np.array(list(itertools.product(*axes)), np.float32)
