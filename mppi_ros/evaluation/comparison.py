"""Comparison of two results: paired episodes, mean differences with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mppi_ros.evaluation.bootstrap import percentile_interval
from mppi_ros.files import shortened
from mppi_ros.parameters.errors import InputError

# +1 if a greater value is better, −1 if a smaller value is better.
MEASURES = {
    'success': 1, 'collision': -1, 'timeout': -1, 'passed': 1, 'score': 1, 'time_s': -1,
    'path_length_m': -1, 'min_clearance_m': 1, 'cross_track_rms_m': -1, 'mean_jerk': -1,
    'reversals': -1, 'standing_share': -1,
}  # fmt: skip
SUCCESS_MEASURES = ('time_s', 'path_length_m')  # compared only if both episodes succeeded
MAX_MEASURE = 1e12  # a greater absolute value is invalid
NOTABLE_DIFFERENCE = 0.02  # score difference beyond which an episode is better or worse

Episode = dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """
    Mean of B − A over paired episodes, with a bootstrap interval.

    `low` and `high` bound the mean with probability CONFIDENCE; `verdict` is 'better', 'worse' or
    'no difference seen'.
    """

    measure: str
    pairs: int
    before: float
    after: float
    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Return the direction of the difference, if the interval excludes 0."""
        sign = MEASURES[self.measure]
        if self.low <= 0.0 <= self.high:
            return 'no difference seen'
        return 'better' if sign * self.mean > 0.0 else 'worse'


def check_episodes(path: Path, episodes: Any) -> None:
    """
    Check that episodes of a file have the values that a comparison reads.

    Raises
    ------
    InputError
        They are not a list of episodes, or a value is missing or has the wrong type.

    """
    number, text = (bool, int, float), (str,)
    if not isinstance(episodes, list):
        raise InputError(f'{path} has no list of episodes')
    for index, episode in enumerate(episodes):
        if not isinstance(episode, dict):
            raise InputError(f'{path}: episode {index} = {shortened(episode)}')
        kinds: dict[str, tuple[type, ...]] = {
            'scenario': text, 'seed': number, 'success': number, 'collision': number,
            'plant': (str, type(None)),
            **{name: (*number, type(None)) for name in (*MEASURES, 'score') if name in episode},
        }  # fmt: skip
        if episode.get('failed'):
            kinds |= {'failed': (list,), 'timeout': number, 'reason': text}
        else:
            kinds |= {'score': number, 'time_s': number}
        for name, kind in kinds.items():
            value = episode.get(name)
            large = isinstance(value, (int, float)) and abs(value) > MAX_MEASURE
            if not isinstance(value, kind) or large:
                raise InputError(f'{path}: episode {index} has {name} = {shortened(value)}')


def pair(a: Sequence[Episode], b: Sequence[Episode]) -> list[tuple[Episode, Episode]]:
    """
    Return the episodes that are in both results, in the order of A.

    Raises
    ------
    InputError
        There are none.

    """
    known = {_key(episode): episode for episode in b}
    pairs = [(one, known[_key(one)]) for one in a if _key(one) in known]
    if not pairs:
        raise InputError('the two results have no episode in common: scenario, plant and seed')
    return pairs


def differences(pairs: Sequence[tuple[Episode, Episode]]) -> list[Difference]:
    """Return one Difference for each measure that is in both results."""
    found = []
    for measure in MEASURES:
        both = [
            (float(one[measure]), float(two[measure]))
            for one, two in pairs
            if one.get(measure) is not None and two.get(measure) is not None
            and (measure not in SUCCESS_MEASURES or (one['success'] and two['success']))
        ]  # fmt: skip
        if not both:
            continue
        before, after = np.array(both).T
        low, high = percentile_interval(np.mean, after - before)
        mean = float(np.mean(after - before))
        found.append(
            Difference(
                measure, len(both), float(before.mean()), float(after.mean()), mean, low, high
            )
        )
    return found


def changed(
    pairs: Sequence[tuple[Episode, Episode]],
) -> tuple[list[tuple[Episode, Episode]], list[tuple[Episode, Episode]]]:
    """Return the pairs that got better and those that got worse."""
    better = [(one, two) for one, two in pairs if _merit(two) > _merit(one) + NOTABLE_DIFFERENCE]
    worse = [(one, two) for one, two in pairs if _merit(two) < _merit(one) - NOTABLE_DIFFERENCE]
    return better, worse


def name_of(episode: Episode) -> str:
    """Return scenario, plant and seed of an episode as text."""
    return f'{episode["scenario"]}, {episode.get("plant", "nominal")}, seed {episode["seed"]}'


def _key(episode: Episode) -> tuple[Any, ...]:
    return episode['scenario'], episode.get('plant'), episode['seed']


def _merit(episode: Episode) -> float:
    """Return a value that orders episodes: passed, then by score, contact last."""
    success, collision = bool(episode['success']), bool(episode['collision'])
    passed = bool(episode.get('passed', success))
    return 2.0 * passed + success - collision + float(episode['score'] or 0.0)
