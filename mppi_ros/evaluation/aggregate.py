"""Rates and means over the episodes of a suite, and the content of its result file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mppi_ros import __version__
from mppi_ros.evaluation.case import Case
from mppi_ros.evaluation.people.metrics import summary as people_summary
from mppi_ros.parameters.declaration import flatten

EpisodeRecord = dict[str, Any]


def result_content(
    suite: str,
    request: Mapping[str, Any],
    cases: Sequence[Case],
    episodes: Sequence[EpisodeRecord],
    machine: Mapping[str, Any],
) -> dict[str, Any]:
    """
    Return the content of the result file.

    Parameters
    ----------
    suite : str
        Name of the suite.
    request : mapping
        Options that selected the cases.
    cases : sequence of Case
        Cases of the suite; at least one.
    episodes : sequence of dict
        Records of the episodes that finished.
    machine : mapping
        As evaluation.results.machine returns it.

    """
    flat = {each: flatten(each) for each in dict.fromkeys(case.configuration for case in cases)}
    first, *others = flat.values()
    shared = {
        name: value for name, value in first.items()
        if all(each[name] == value for each in others)
    }  # fmt: skip
    own = {
        case.scenario: {
            name: value for name, value in flat[case.configuration].items() if name not in shared
        }
        for case in cases
    }
    return {
        'suite': suite,
        'version': __version__,
        'machine': machine,
        'request': {name: _plain(value) for name, value in request.items()},
        'parameters': shared,
        'parameters_of_scenario': {name: each for name, each in own.items() if each},
        'summary': summarise(episodes),
        'summary_of_plant': summarise_by_plant(episodes),
        'episodes': list(episodes),
    }  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [str(each) for each in value]
    return str(value) if isinstance(value, Path) else value


def summarise(episodes: Sequence[EpisodeRecord]) -> dict[str, Any]:
    """Return rates and means over episodes; the mean time is that of the successful ones."""

    def rate(name: str) -> float:
        return round(float(np.mean([bool(episode[name]) for episode in episodes])), 4)

    def mean(values: Sequence[float]) -> float | None:
        return round(float(np.mean(values)), 4) if values else None

    # As in the BARN challenge: the mean over scenarios of the mean over their runs.
    by_scenario: dict[str, list[float]] = {}
    for episode in episodes:
        by_scenario.setdefault(episode['scenario'], []).append(episode['score'])
    succeeded = [episode for episode in episodes if episode['success']]
    return {
        'episodes': len(episodes),
        'success_rate': rate('success'),
        'collision_rate': rate('collision'),
        'timeout_rate': rate('timeout'),
        'pass_rate': rate('passed'),
        'mean_score': mean([float(np.mean(scores)) for scores in by_scenario.values()]),
        'mean_time_s': mean([episode['time_s'] for episode in succeeded]),
        'min_clearance_m': min(episode['min_clearance_m'] for episode in episodes),
        'mean_solve_ms': mean(
            [p50 for episode in episodes if np.isfinite(p50 := episode['solve_ms']['p50'])]
        ),
        **people_summary(episodes),
    }


def summarise_by_plant(episodes: Sequence[EpisodeRecord]) -> dict[str, dict[str, Any]]:
    """Return the summary of the episodes of each plant, in the order of the episodes."""
    plants = dict.fromkeys(episode['plant'] for episode in episodes)
    return {
        plant: summarise([episode for episode in episodes if episode['plant'] == plant])
        for plant in plants
    }


def reason_of_failure(episode: EpisodeRecord) -> str:
    """
    Return why an episode failed, or '' if it passed.

    It is a contact, the time-out, the wrong place or the criteria that are not met.
    """
    kind = 'contact' if episode['collision'] else 'time-out' if episode['timeout'] else ''
    rest = [name for name in episode['failed'] if name not in ('reached', 'no contact')]
    if not (kind or episode['success']):
        kind = f'stopped elsewhere ({episode["reason"]})'
    return kind or (f'not met: {", ".join(rest)}' if rest else '')
