"""Verdict on tuned parameters by the held-out drives, with a bootstrap interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mppi_ros.evaluation.bootstrap import percentile_interval
from mppi_ros.evaluation.tuning.objective import TERMS, Objective, Record

MEASURES = {
    'time [s]': 'time_s', 'jerk, RMS [m/s³]': 'rms_jerk',
    'acceleration, RMS [m/s²]': 'rms_acceleration', 'least clearance [m]': 'min_clearance_m',
}  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """
    Paired difference of the costs in the held-out drives, tuned less start.

    `low` and `high` bound the mean difference with probability bootstrap.CONFIDENCE; `broken`
    names the hard limits that the tuned parameters violate more than the start does.
    """

    drives: int
    before: float
    after: float
    mean: float
    low: float
    high: float
    broken: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        """Return whether the whole interval is better and no hard limit is violated more."""
        return self.high < 0.0 and not self.broken

    @property
    def reason(self) -> str:
        """Return why the parameters are accepted or not, in one sentence."""
        interval = f'{self.mean:+.3f} (95 %: {self.low:+.3f} to {self.high:+.3f})'
        if self.broken:
            return f'the tuned parameters violate more: {", ".join(self.broken)}'
        if self.accepted:
            return f'the cost in {self.drives} held-out drives changes by {interval}'
        return f'the cost in {self.drives} held-out drives is not surely lower: {interval}'


def judge(before: Sequence[Record], after: Sequence[Record], objective: Objective) -> Verdict:
    """
    Return the verdict on records of the same drives with start and tuned parameters.

    A single drive has no interval and is never accepted.
    """
    a, b = (np.array([objective.cost(row) for row in rows]) for rows in (before, after))
    low, high = percentile_interval(np.mean, b - a)
    if len(a) < 2:
        low, high = -np.inf, np.inf
    limits, new = objective.violations(before), objective.violations(after)
    broken = tuple(name for name in new if new[name] > max(limits[name], 0.0))
    return Verdict(
        len(a), float(a.mean()), float(b.mean()), float(np.mean(b - a)), low, high, broken
    )


def comparison(before: Sequence[Record], after: Sequence[Record]) -> dict[str, tuple[Any, Any]]:
    """Return the mean of each measure before and after, in drives that both completed."""
    both = [
        (one, two) for one, two in zip(before, after, strict=True)
        if one['success'] and two['success']
    ]  # fmt: skip
    count = f'of {len(before)}'
    found: dict[str, tuple[Any, Any]] = {
        f'reached, {count}': (_count(before, 'success'), _count(after, 'success')),
        f'contacts, {count}': (_count(before, 'collision'), _count(after, 'collision')),
    }
    if not both:
        return found

    keys = {**MEASURES, **{f'term {name}': name for name in TERMS}}
    rows = [[{**row, **row['terms']} for row in pair] for pair in both]
    for name, key in keys.items():
        one, two = np.mean([[row[key] for row in pair] for pair in rows], axis=0)
        found[name] = float(one), float(two)
    return found


def _count(rows: Sequence[Record], name: str) -> int:
    return sum(bool(row[name]) for row in rows)
