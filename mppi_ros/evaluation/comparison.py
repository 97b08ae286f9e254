"""Did driving get better? Two results, paired episode by episode, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mppi_ros.evaluation.bootstrap import percentile_interval
from mppi_ros.files import shortened
from mppi_ros.parameters.errors import InputError

# Measure → +1 where more is better, −1 where less is.
MEASURES = {
    'success': 1, 'collision': -1, 'timeout': -1, 'passed': 1, 'score': 1, 'time_s': -1,
    'path_length_m': -1, 'min_clearance_m': 1, 'cross_track_rms_m': -1, 'mean_jerk': -1,
    'reversals': -1, 'standing_share': -1,
}  # fmt: skip
OF_SUCCESSES = ('time_s', 'path_length_m')  # these count where both succeeded
MAX_MEASURE = 1e12  # no measure is
NOTABLE_DIFFERENCE = 0.02  # difference of the score that makes an episode better or worse

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
        """Say what the interval says."""
        sign = MEASURES[self.measure]
        if self.low <= 0.0 <= self.high:
            return 'no difference seen'
        return 'better' if sign * self.mean > 0.0 else 'worse'


def check_episodes(path: Path, episodes: Any) -> None:
    """
    Check that episodes from a file hold what a comparison reads.

    Raises
    ------
    InputError
        They are no list of episodes, or a value is missing or of another kind.

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
    Return the episodes that both results hold, in the order of A.

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
    """Return one Difference for each measure that both results hold."""
    found = []
    for measure in MEASURES:
        both = [
            (float(one[measure]), float(two[measure]))
            for one, two in pairs
            if one.get(measure) is not None and two.get(measure) is not None
            and (measure not in OF_SUCCESSES or (one['success'] and two['success']))
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
    """Return the name by which an episode is found again."""
    return f'{episode["scenario"]}, {episode.get("plant", "nominal")}, seed {episode["seed"]}'


def _key(episode: Episode) -> tuple[Any, ...]:
    return episode['scenario'], episode.get('plant'), episode['seed']


def _merit(episode: Episode) -> float:
    """Return what an episode is worth: passing counts more than any score, contact least."""
    success, collision = bool(episode['success']), bool(episode['collision'])
    passed = bool(episode.get('passed', success))
    return 2.0 * passed + success - collision + float(episode['score'] or 0.0)
