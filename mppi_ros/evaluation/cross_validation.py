"""
Cross-validation of the defaults: choose a variant on one half of the worlds, test it on the other.

Its command line is `python -m mppi_ros.cli.cross_validation`; it reads result files of
`mppi_ros.cli.ablation`, one of each suite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mppi_ros.evaluation.ablation import MIN_COST_FOR_RATIO, Episode
from mppi_ros.evaluation.bootstrap import percentile_interval
from mppi_ros.parameters.errors import InputError

Suite = Mapping[str, Sequence[Episode]]  # episodes of each variant


@dataclass(frozen=True)
class Fold:
    """
    Result of one split.

    Attributes
    ----------
    chosen : str
        Variant with the lowest cost on the first half among those that succeed as often as the
        reference.
    seen, unseen : float
        Its change of cost against the reference on the first and the second half: the geometric
        mean over episodes of the ratio, less 1, each suite with the same weight.
    low, high : float
        95 % bootstrap interval of `unseen` over episodes.
    best : str
        Variant that would have been chosen on the second half.

    """

    chosen: str
    seen: float
    unseen: float
    low: float
    high: float
    best: str

    @property
    def gap(self) -> float:
        """Return how much better the chosen variant is on the half that chose it."""
        return self.unseen - self.seen


def cross_validate(suites: Sequence[Suite], splits: int, seed: int = 0) -> list[Fold]:
    """
    Return two folds of each random split of the worlds; each half chooses once.

    All episodes in a world are in the same half. The reference is the first variant of the first
    suite; only variants that all suites have take part.

    Raises
    ------
    InputError
        No second variant is common to all suites, the variants of a suite have different
        episodes, or a suite has a single world.

    """
    reference = next(iter(suites[0]))
    common = [name for name in suites[0] if all(name in suite for suite in suites)]
    if reference not in common or len(common) < 2:
        raise InputError('the results have no two variants in common')
    tables = [_table(suite, common) for suite in suites]
    random = np.random.default_rng(seed)
    folds = []
    for _ in range(splits):
        halves = [_half(table.worlds, random) for table in tables]
        for side in (halves, [~half for half in halves]):
            folds.append(_fold(common, tables, side))
    return folds


@dataclass(frozen=True)
class _Table:
    """World of each episode, and log cost and success of each variant in it, [variants, n]."""

    worlds: NDArray[np.str_]
    costs: NDArray[np.float64]
    successes: NDArray[np.bool_]


def _table(suite: Suite, names: Sequence[str]) -> _Table:
    places = [
        [(each['scenario'], each['plant'], each['seed']) for each in suite[name]]
        for name in names
    ]
    for name, found in zip(names, places, strict=True):
        if found != places[0]:
            raise InputError(f'{name!r} and {names[0]!r} have different episodes')
    costs = np.array([[each['excess_s'] for each in suite[name]] for name in names])
    return _Table(
        worlds=np.array([place[0] for place in places[0]]),
        costs=np.log(np.maximum(costs, MIN_COST_FOR_RATIO)),
        successes=np.array([[bool(each['success']) for each in suite[name]] for name in names]),
    )


def _half(worlds: NDArray[np.str_], random: np.random.Generator) -> NDArray[np.bool_]:
    """Return whether each episode is in the first half."""
    names = np.unique(worlds)
    if len(names) < 2:
        raise InputError(f'a suite has the single world {str(names[0])!r}, which has no halves')
    return np.isin(worlds, random.permutation(names)[: len(names) // 2])


def _fold(
    names: Sequence[str], tables: Sequence[_Table], first: Sequence[NDArray[np.bool_]]
) -> Fold:
    chosen, best = _choice(tables, first), _choice(tables, [~half for half in first])
    seen = [
        _changes(table, half)[chosen].mean() for table, half in zip(tables, first, strict=True)
    ]
    unseen = [
        _changes(table, ~half)[chosen] for table, half in zip(tables, first, strict=True)
    ]
    # Weights that sum to 1 in each suite; one bootstrap over the episodes of all suites.
    weighted = np.concatenate([each / len(each) for each in unseen])
    count = len(weighted)

    def mean_of_suites(values: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
        total: NDArray[np.float64] = values.mean(axis=axis) * count / len(tables)
        return total

    low, high = percentile_interval(mean_of_suites, weighted)
    return Fold(
        chosen=names[chosen], seen=float(np.expm1(np.mean(seen))),
        unseen=float(np.expm1(mean_of_suites(weighted))), low=float(np.expm1(low)),
        high=float(np.expm1(high)), best=names[best],
    )  # fmt: skip


def _choice(tables: Sequence[_Table], half: Sequence[NDArray[np.bool_]]) -> int:
    """Return the index of the best variant on a half."""
    cost = np.mean(
        [_changes(table, part).mean(axis=1) for table, part in zip(tables, half, strict=True)],
        axis=0,
    )
    successes = np.sum(
        [table.successes[:, part].sum(axis=1) for table, part in zip(tables, half, strict=True)],
        axis=0,
    )
    return int(np.argmin(np.where(successes >= successes[0], cost, np.inf)))


def _changes(table: _Table, half: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the log ratio of the cost to that of the reference, float64[variants, n]."""
    return np.asarray(table.costs[:, half] - table.costs[0, half])
