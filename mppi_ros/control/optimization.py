"""Optimisation step of a tick: prepare the objective, shift the mean, sample, and recover."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control import rolling_window
from mppi_ros.control.costmap_processing import LocalMap
from mppi_ros.control.fallback import WIDE_SIGMA_SCALE, CheckContext, cheapest_constant
from mppi_ros.control.input_monitor import MAX_TICK_GAP
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.plant_estimate import PlantEstimate
from mppi_ros.control.prediction import InitialState
from mppi_ros.control.progress import BACK_UP, SEARCH_WIDER, StuckDetector, next_recovery
from mppi_ros.control.seen_area import SeenArea
from mppi_ros.control.tick_result import Reason, Statistics, Stop
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.motion_models import Controls
from mppi_ros.driving.objective import DrivingObjective
from mppi_ros.driving.path import ReferencePath
from mppi_ros.mppi.optimizer import Optimizer

WEIGHT_EDGES = 10.0 ** np.arange(-3, 3)  # of the weight relative to the plain average, K w
STEP_FACTORS = np.linspace(0.0, 2.2, 23)  # α for which the gain of L_Σ is estimated
REVERSE_SHARE = 0.5  # of top speed at which the robot backs up
# Σ is narrowed while less than the first share of the samples is without collision, as in a
# passage hardly wider than the robot, and widened again above the second share.
FREE_SHARE = (0.1, 0.3)
SIGMA_RATIO = 0.9  # of the standard deviations from one tick to the next
MIN_SIGMA_SCALE = 0.3


class Problem(NamedTuple):
    """
    Optimisation problem of one tick.

    `seconds` is the time in which the first command may change [s]; `moving_obstacles`,
    float64[n, 7], is what `expected_obstacles` returns for the time when it acts; `wait` is the
    time until the next costmap [s]; `seen` is the area that scans have shown.
    """

    now: float
    seconds: float
    start: InitialState
    scene: CheckContext
    path: ReferencePath
    progress: float
    moving_obstacles: NDArray[np.float64]
    region: LocalMap
    wait: float
    footprint: Footprint
    plant: PlantEstimate
    seen: SeenArea


class Solution(NamedTuple):
    """The first controls of the optimised sequence, and the recovery in effect, 0 for none."""

    controls: Controls
    recovery: int
    cooling: float

    def backward(
        self, path: ReferencePath, objective: DrivingObjective, plant: PlantEstimate
    ) -> Controls | None:
        """Return the controls that back up along the path, if that is the recovery."""
        if self.recovery != BACK_UP:
            return None
        limits = plant.limits
        speed = REVERSE_SHARE * (limits.vx_min if path.direction > 0.0 else limits.vx_max)
        (slowest, _), *_ = objective.model.bounds
        return (max(speed, float(slowest)), *(0.0,) * (len(self.controls) - 1))


class SamplingSummary(NamedTuple):
    """
    Weights and step of one iteration.

    `samples` and `weight` are the shares of the samples and of their weight in the classes of K w
    between `WEIGHT_EDGES`; `gain` is the gain of L_Σ for each of `STEP_FACTORS`.
    """

    samples: NDArray[np.float64]
    weight: NDArray[np.float64]
    gain: NDArray[np.float64]


class Optimization:
    """Runs one optimisation per tick and detects a robot that is stuck."""

    def __init__(self) -> None:
        self._stuck_detector = StuckDetector()
        self._solved = -math.inf  # [s] time of the last optimisation
        self._recovery = 0
        self._sigma_scale = 1.0

    @property
    def backing_up(self) -> bool:
        """Return whether the last remedy for a robot that is stuck is in effect."""
        return self._recovery == BACK_UP

    def restart(self) -> None:
        """Restart the detection of a robot that is stuck, with the configured Σ."""
        self._stuck_detector.restart()
        self._sigma_scale = 1.0

    def set_time(self, now: float) -> None:
        """Set the time of the last optimisation [s] after a clock jump, so that the mean stays."""
        self._solved = now

    def solve(
        self,
        problem: Problem,
        sampler: Optimizer,
        objective: DrivingObjective,
        c: ControllerParameters,
        statistics: Statistics,
    ) -> Solution:
        """
        Return the first controls of the optimised sequence, averaged over one period.

        Raises
        ------
        Stop
            No sample has a finite cost, or the result is not finite.

        """
        now, start, scene = problem.now, problem.start, problem.scene
        objective.prepare(
            start.state, scene.last, problem.path, problem.progress, start.pending,
            problem.moving_obstacles, problem.seconds,
        )  # fmt: skip
        if len(sampler.mean) != objective.steps:
            steps = objective.steps
            sampler.configure(dataclasses.replace(sampler.parameters, horizon_steps=steps))
        elapsed = now - self._solved
        if elapsed > MAX_TICK_GAP:
            self._stuck_detector.restart()
        sampler.shift(min(elapsed, c.mppi.horizon))
        _cap_speed(problem, sampler, objective, c)
        self._solved = now
        spans = self._stuck_detector.spans(now, start.state, c.limits, c.recovery.stuck_timeout)
        before, self._recovery = self._recovery, next_recovery(spans)
        recovery = self._recovery
        cooling = c.recovery.cooling if recovery else 1.0
        if recovery == SEARCH_WIDER != before:
            sampler.mean[:] = cheapest_constant(objective, len(sampler.mean))
        scale = WIDE_SIGMA_SCALE if recovery == SEARCH_WIDER else self._sigma_scale
        # Among moving obstacles the last commands, which smoothing includes, are soon outdated.
        step = sampler.step(objective, cooling, scale, smooth=not objective.has_moving_obstacles)
        if objective.has_moving_obstacles:
            self._sigma_scale = 1.0
        else:
            hit = c.critics.obstacle.collision * c.mppi.time_step  # cost of a step in collision
            self._adapt_sigma(sampler.share_below(step.best_cost + hit))
        statistics.samples, statistics.sigma_scale = float(sampler.sample_count), scale
        statistics.smoothed_objective = step.smoothed_objective
        statistics.ess, statistics.temperature = step.ess, step.temperature
        statistics.score_norm, statistics.kl = step.score_norm, step.kl
        first = scene.held(sampler.mean)
        if not all(map(math.isfinite, first)):
            sampler.mean[:] = 0.0
            message = f'the optimiser found no finite command: {first}'
            raise Stop(Reason.NO_FINITE_PLAN, message)
        if not step.valid:
            raise Stop(Reason.NO_FINITE_PLAN, 'no sampled trajectory has a finite cost')
        return Solution(first, recovery, cooling)

    def _adapt_sigma(self, free: float) -> None:
        """Adapt the scale of the standard deviations to the share of samples without collision."""
        few, many = FREE_SHARE
        if free < few:
            self._sigma_scale = max(SIGMA_RATIO * self._sigma_scale, MIN_SIGMA_SCALE)
        elif free > many:
            self._sigma_scale = min(self._sigma_scale / SIGMA_RATIO, 1.0)


def candidates(
    sampler: Optimizer, objective: DrivingObjective, start: InitialState, count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """
    Return some of the samples as poses, float32[n, T + 1, 3], and weights, float32[n].

    None of them if the last iteration was not valid, or before the first with these parameters.
    """
    if not sampler.weights().sum() > 0.0:  # the noise may be memory that was never written
        return np.empty((0, len(sampler.mean) + 1, 3), np.float32), np.empty(0, np.float32)
    noise, weights = sampler.samples()
    count = min(count, len(weights))
    chosen = np.linspace(0, len(weights) - 1, count).astype(int)
    controls = sampler.mean + noise[chosen]
    for sample in controls:
        objective.project(sample)
    poses = [start.poses(sample, objective.model) for sample in controls]
    return np.array(poses, np.float32).reshape(-1, len(sampler.mean) + 1, 3), weights[chosen]


def sampling_summary(sampler: Optimizer) -> SamplingSummary | None:
    """Return the summary of the last iteration; None if no sample has a weight."""
    weights = sampler.weights().astype(np.float64)
    if not weights.sum() > 0.0:
        return None
    classes = np.digitize(weights * len(weights), WEIGHT_EDGES)
    count = len(WEIGHT_EDGES) + 1
    return SamplingSummary(
        np.asarray(np.bincount(classes, minlength=count) / len(weights), np.float64),
        np.asarray(np.bincount(classes, weights, count), np.float64),
        sampler.gain_along_step(STEP_FACTORS),
    )


def _cap_speed(
    problem: Problem, sampler: Optimizer, objective: DrivingObjective, c: ControllerParameters
) -> None:
    """Limit the sampled speed so that the robot can stop in a rolling costmap and a seen area."""
    limits, footprint, start = problem.plant.limits, problem.footprint, problem.start
    region, field = problem.region, problem.region.field
    slowing = rolling_window.deceleration(limits, c.motion_model)
    # A command acts for `hold`, so the last one before the next costmap is not counted.
    acting = problem.scene.hold + problem.plant.conservative.lag_linear
    seconds = max(problem.wait - 1.0 / c.control_rate, 0.0) + acting
    needed = rolling_window.required_distance(limits.vx_max, slowing, seconds) + footprint.reach
    objective.cap_speed(math.inf)

    def planned() -> NDArray[np.float64]:
        return start.poses(sampler.mean[: c.mppi.horizon_steps], objective.model)

    if (
        region.rolls
        and field.outside <= 0.0
        and rolling_window.distance_to_side(start.state.x, start.state.y, field) < needed
    ):
        poses = planned()
        way = rolling_window.distance_to_rim(poses, footprint, field)
        speed = rolling_window.allowed_speed(way, slowing, seconds)
        objective.cap_speed(speed, rolling_window.leads_ahead(poses))
    if -limits.vx_min > c.safety.unseen_speed and not objective.has_moving_obstacles:
        needed = rolling_window.required_distance(-limits.vx_min, slowing, acting)
        way = problem.seen.distance_back(problem.now, planned(), footprint, needed)
        speed = rolling_window.allowed_speed(way, slowing, acting)
        objective.cap_reverse(max(speed, c.safety.unseen_speed))
