"""Verdict on tuned parameters by the held-out drives, with an interval of the mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from mppi_ros.evaluation.bootstrap import CONFIDENCE, percentile_interval
from mppi_ros.evaluation.tuning.objective import TERMS, Objective, Record

MEASURES = {
    'time [s]': 'time_s', 'jerk, RMS [m/s³]': 'rms_jerk',
    'acceleration, RMS [m/s²]': 'rms_acceleration', 'least clearance [m]': 'min_clearance_m',
}  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """
    Paired difference of the costs in the held-out drives, tuned less start.

    `low` and `high` bound the mean difference with probability bootstrap.CONFIDENCE; `bound` is
    the upper bound if several tests share that probability, else `high`. `least` is the lower
    bound of the bootstrap interval alone, which shows a loss sooner. `broken` names the hard
    limits that the tuned parameters violate more than the start does.
    """

    drives: int
    before: float
    after: float
    mean: float
    low: float
    high: float
    bound: float
    least: float
    broken: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        """Return whether the whole interval is better and no hard limit is violated more."""
        return self.high < 0.0 and not self.broken

    @property
    def interval(self) -> str:
        """Return mean difference and interval as text."""
        return f'{self.mean:+.3f} (95 %: {self.low:+.3f} to {self.high:+.3f})'

    @property
    def reason(self) -> str:
        """Return why the parameters are accepted or not, in one sentence."""
        interval = self.interval
        if self.broken:
            return f'the tuned parameters violate more: {", ".join(self.broken)}'
        if self.accepted:
            return f'the cost in {self.drives} held-out drives changes by {interval}'
        return f'the cost in {self.drives} held-out drives is not surely lower: {interval}'


@dataclass(frozen=True)
class PointVerdict:
    """
    Verdict on a point of the Pareto front, with a verdict for each objective.

    The point is accepted if it is better in one objective and not worse in the other. Better:
    the whole interval is below 0, at a confidence that is raised for the number of tests
    (Bonferroni). Worse: the whole bootstrap interval of 95 % is above 0.
    """

    objectives: dict[str, Verdict]

    @property
    def better(self) -> list[str]:
        """Return the objectives in which the point is better."""
        return [name for name, verdict in self.objectives.items() if verdict.bound < 0.0]

    @property
    def worse(self) -> list[str]:
        """Return the objectives in which the point is worse."""
        return [name for name, verdict in self.objectives.items() if verdict.least > 0.0]

    @property
    def broken(self) -> tuple[str, ...]:
        """Return the hard limits that the point violates more than the start does."""
        return next(iter(self.objectives.values())).broken

    @property
    def accepted(self) -> bool:
        """Return whether the point is better in one objective and worse in none."""
        return bool(self.better) and not self.worse and not self.broken

    @property
    def reason(self) -> str:
        """Return why the point is accepted or not, in one sentence."""
        if self.broken:
            return f'the tuned parameters violate more: {", ".join(self.broken)}'
        drives = next(iter(self.objectives.values())).drives
        intervals = ', '.join(f'{name} {each.interval}' for name, each in self.objectives.items())
        state = (
            f'worse in {" and ".join(self.worse)}' if self.worse else
            f'better in {" and ".join(self.better)}' if self.better else
            'not surely better in any objective'
        )  # fmt: skip
        return f'{state}; the costs in {drives} held-out drives change by {intervals}'


def judge_point(
    before: Sequence[Record], after: Sequence[Record], objectives: Mapping[str, Objective],
    points: int,
) -> PointVerdict:
    """Return the verdict on one of several points that are tested in the same drives."""
    tests = points * len(objectives)
    return PointVerdict({
        name: judge(before, after, objective, tests) for name, objective in objectives.items()
    })


def judge(
    before: Sequence[Record], after: Sequence[Record], objective: Objective, tests: int = 1
) -> Verdict:
    """
    Return the verdict on records of the same drives with start and tuned parameters.

    A single drive has no interval and is never accepted. `tests` is the number of tests that
    share the probability of an error.
    """
    a, b = (np.array([objective.cost(row) for row in rows]) for rows in (before, after))
    low, high = _interval(b - a, CONFIDENCE)
    _, bound = _interval(b - a, 1.0 - (1.0 - CONFIDENCE) / tests)
    least, _ = percentile_interval(np.mean, b - a)
    limits, new = objective.violations(before), objective.violations(after)
    broken = tuple(name for name in new if new[name] > max(limits[name], 0.0))
    return Verdict(
        len(a), float(a.mean()), float(b.mean()), float(np.mean(b - a)), low, high, bound, least,
        broken,
    )  # fmt: skip


def _interval(differences: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """
    Return an interval of the mean: the bootstrap interval and Student's t interval together.

    The bootstrap interval of two drives lies between their differences, so that one of four
    results that change nothing would be accepted; of eight drives it is nearly right.
    """
    count = len(differences)
    if count < 2:
        return -np.inf, np.inf
    low, high = percentile_interval(np.mean, differences, confidence=confidence)
    width = float(t.ppf(0.5 + 0.5 * confidence, count - 1)) * float(
        np.std(differences, ddof=1)) / math.sqrt(count)
    mean = float(np.mean(differences))
    return min(low, mean - width), max(high, mean + width)


def comparison(*runs: Sequence[Record]) -> dict[str, tuple[Any, ...]]:
    """Return the mean of each measure in each run, over the drives that all runs completed."""
    both = [rows for rows in zip(*runs, strict=True) if all(row['success'] for row in rows)]
    count = f'of {len(runs[0])}'
    found: dict[str, tuple[Any, ...]] = {
        f'{title}, {count}': tuple(sum(bool(row[key]) for row in rows) for rows in runs)
        for title, key in (('reached', 'success'), ('contacts', 'collision'))
    }
    if not both:
        return found

    keys = {**MEASURES, **{f'term {name}': name for name in TERMS}}
    rows = [[{**row, **row['terms']} for row in pair] for pair in both]
    for name, key in keys.items():
        means = np.mean([[row[key] for row in pair] for pair in rows], axis=0)
        found[name] = tuple(float(mean) for mean in means)
    return found
