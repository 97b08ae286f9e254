"""
Ablation: the effect of each optimiser option in closed loop, with bootstrap intervals.

Its command line is `python -m mppi_ros.cli.ablation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
from dataclasses import dataclass
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.evaluation.bootstrap import percentile_interval
from mppi_ros.evaluation.case import Case
from mppi_ros.evaluation.request import Request
from mppi_ros.evaluation.runner import run_cases
from mppi_ros.evaluation.suites import cases_of
from mppi_ros.evaluation.textbook import TEXTBOOK, WHITE
from mppi_ros.files import load_json, reading
from mppi_ros.parameters.declaration import replace
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.episode_result import EpisodeResult

FAILURE_COST = 10.0  # [s] cost of a failed episode, beside the remaining distance
MIN_COST_FOR_RATIO = 0.3  # [s] smaller excess costs count as equal in ratios

Episode = dict[str, Any]
Changes = dict[str, Any]

OPTIONS: dict[str, Changes] = {
    'ess_share 0.005': {'ess_share': 0.005},
    'ess_share 0.02': {'ess_share': 0.02},
    'ess_share 0.05': {'ess_share': 0.05},
    'lambda 0.04': {'lambda': 0.04},
    'lambda 0.2': {'lambda': 0.2},
    'lambda 1': {'lambda': 1.0},
    'alpha 0.7': {'alpha': 0.7},
    'alpha 1': {'alpha': 1.0},
    'two iterations of half the samples': {'iterations': 2, 'samples': 1000},
    'sigma_share of speeds 0.3': {'sigma_share': (0.3, 0.25, 0.4)},
    'sigma_share of speeds 0.8': {'sigma_share': (0.8, 0.25, 0.4)},
    'sigma_share of turning 0.15': {'sigma_share': (0.5, 0.15, 0.4)},
    'sigma_share of turning 0.4': {'sigma_share': (0.5, 0.4, 0.4)},
    # Covariances with the default robot's σ, 0.25 m/s and 0.475 rad/s, on every robot.
    'correlation of v and w 0.5': {'sigma': (0.0625, 0.059, 0.059, 0.2256)},
    'correlation of v and w -0.5': {'sigma': (0.0625, -0.059, -0.059, 0.2256)},
    'white noise': WHITE,
    'AR(1) noise': {'noise.smoothing_time': 0.0},
    'correlation_time 1': {'noise.correlation_time': 1.0},
    'correlation_time 6': {'noise.correlation_time': 6.0},
    'smoothing_time 0.07': {'noise.smoothing_time': 0.07},
    'smoothing_time 0.3': {'noise.smoothing_time': 0.3},
    'no antithetic pairs': {'noise.antithetic': False},
    'no learning': {'identification.enabled': False},
    'no recovery': {'recovery.stuck_timeout': 0.0},
    'no smoothing': {'smoothing': False},
    'former default': {'ess_share': 0.02, 'smoothing': False},
}
BASELINES = ('textbook', 'textbook smoothed')
COUNTS = (256, 512, 1000, 4000, 8192, 16000)
# Parameter changes of each variant.
VARIANTS: dict[str, Changes] = {
    'default': {},
    'textbook': TEXTBOOK,
    'textbook smoothed': {**TEXTBOOK, 'smoothing': True},
    **OPTIONS,
    **{f'default of {count}': {'samples': count} for count in COUNTS},
    **{f'textbook of {count}': {**TEXTBOOK, 'samples': count} for count in COUNTS},
}


@dataclass(frozen=True)
class Drive:
    """A case whose record is an episode of the ablation."""

    case: Case

    def run(self) -> tuple[Episode, EpisodeResult]:
        """Run the case; return the episode and the complete result."""
        record, result = self.case.run()
        kept = ('scenario', 'plant', 'seed', 'success', 'collision', 'time_s', 'mean_jerk')
        episode = {
            **{name: record[name] for name in kept},
            'solve_ms': record['solve_ms']['p50'],
            'excess_s': excess(result, self.case.configuration, record['ideal_time_s']),
        }
        return episode, result


def drive(
    suite: str, request: Request, variants: Sequence[str], jobs: int = 1, cluster: str = ''
) -> dict[str, list[Episode]]:
    """Return the episodes of each variant, in the same order; see run_cases for the last two."""
    drives = [
        Drive(dataclasses.replace(case, configuration=replace(case.configuration, VARIANTS[name])))
        for name in variants for case in cases_of(suite, request)
    ]  # fmt: skip
    episodes = dict(run_cases(drives, jobs, cluster))
    count = len(drives) // len(variants)
    return {
        name: [episodes[count * index + number] for number in range(count)]
        for index, name in enumerate(variants)
    }


def read_results(path: Path) -> dict[str, list[Episode]]:
    """
    Return the episodes of each variant from a result file.

    Raises
    ------
    InputError
        The file cannot be read or is not a result of the ablation.

    """
    with reading(path, 'a result of the ablation'):
        found = {
            str(name): [
                {
                    **each, 'scenario': str(each['scenario']), 'plant': str(each['plant']),
                    'seed': int(each['seed']), 'success': bool(each['success']),
                    'excess_s': float(each['excess_s']),
                }
                for each in episodes
            ]
            for name, episodes in load_json(path).items()
        }  # fmt: skip
        if not found or not all(found.values()):
            raise InputError(f'{path} has no episodes')
    return found


def excess(result: EpisodeResult, configuration: ControllerParameters, ideal: float) -> float:
    """
    Return the excess cost of a drive [s].

    It is the time beyond the ideal time, plus the costs that the critics assign to the driven
    trajectory: obstacle distance, speed near obstacles, cross-track distance, turning and command
    changes. A failed episode costs FAILURE_COST plus the remaining distance at top speed.
    """
    limits, critics, trace = configuration.limits, configuration.critics, result.trace
    if not result.success:
        left = trace.statistics['distance_to_goal']
        return FAILURE_COST + float(left[np.isfinite(left)][-1]) / limits.vx_max
    dt = 1.0 / configuration.control_rate
    speed, turning = trace.twist[:, 0], trace.twist[:, 2]
    room = np.maximum(trace.clearance, 0.0)
    near = np.maximum(critics.obstacle.margin - room, 0.0) / critics.obstacle.margin
    pace = critics.clearance_speed
    at_contact, per_clearance = pace.free_speed(limits.vx_max)
    fast = np.maximum(np.abs(speed) - at_contact - per_clearance * room, 0.0) / limits.vx_max
    aside = np.nan_to_num(trace.statistics['cross_track']) ** 2
    rate = (
        critics.obstacle.weight * near**2
        + pace.weight * fast**2
        + critics.path_tracking.weight * aside / (aside + critics.path_tracking.scale**2)
        + critics.twirling.weight * (turning / limits.wz_max) ** 2
    )
    changes = np.diff(trace.command[:, [0, 2]], axis=0)
    most = np.array([limits.ax_max, limits.az_max]) * dt
    smoothness = critics.smoothness.weight * ((changes / most) ** 2).sum(axis=1)
    return result.time_s - ideal + dt * float(rate.sum() + smoothness.sum())


def avoidable(found: Mapping[str, Sequence[Episode]]) -> dict[str, list[Episode]]:
    """
    Return the episodes with `avoidable_s`: the excess cost beyond that of the best drive.

    The best drive of all variants and seeds in a scenario with a plant bounds the cost of what
    cannot be avoided: an unmapped obstacle, a turn at the goal, the lag of the plant.
    """
    least: dict[tuple[Any, ...], float] = {}
    for episode in (each for episodes in found.values() for each in episodes):
        place = episode['scenario'], episode['plant']
        least[place] = min(least.get(place, math.inf), episode['excess_s'])
    return {
        name: [
            {**each, 'avoidable_s': each['excess_s'] - least[each['scenario'], each['plant']]}
            for each in episodes
        ]
        for name, episodes in found.items()
    }


def ratio(
    before: Sequence[Episode], after: Sequence[Episode], measure: str
) -> tuple[float, float, float]:
    """
    Return Σ after / Σ before − 1 over paired episodes, with its bootstrap interval.

    A single pair has no interval: NaN.
    """
    pairs = _paired(before, after, measure)
    a, b = pairs.T
    if len(pairs) < 2:
        return float(_sum_change(a, b)), math.nan, math.nan
    return float(_sum_change(a, b)), *percentile_interval(_sum_change, a, b)


def _sum_change(
    before: NDArray[np.float64], after: NDArray[np.float64], axis: int = -1
) -> NDArray[np.float64]:
    """Return Σ after / Σ before − 1, which is NaN or infinite if nothing was avoidable."""
    with np.errstate(divide='ignore', invalid='ignore'):
        change: NDArray[np.float64] = after.sum(axis=axis) / before.sum(axis=axis) - 1.0
    return change


def typical(
    before: Sequence[Episode], after: Sequence[Episode], measure: str
) -> tuple[float, float, float]:
    """Return the geometric mean of after / before, less 1, with its interval as `ratio`."""
    pairs = np.log(np.maximum(_paired(before, after, measure), MIN_COST_FOR_RATIO))
    change = pairs[:, 1] - pairs[:, 0]
    if len(pairs) < 2:
        return float(np.expm1(change.mean())), math.nan, math.nan
    low, high = percentile_interval(np.mean, change)
    return float(np.expm1(change.mean())), float(np.expm1(low)), float(np.expm1(high))


def _paired(
    before: Sequence[Episode], after: Sequence[Episode], measure: str
) -> NDArray[np.float64]:
    def place(episode: Episode) -> tuple[Any, ...]:
        return episode['scenario'], episode['plant'], episode['seed']

    known = {place(each): each[measure] for each in before}
    return np.array(
        [(known[place(each)], each[measure]) for each in after if place(each) in known]
    )
