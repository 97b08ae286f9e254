"""Output of the tuner: parameter files with reasons, and the result file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from mppi_ros.control.parameters import NODE_NAME, ControllerParameters
from mppi_ros.evaluation.results import write_json, write_text
from mppi_ros.evaluation.tuning.drives import Drive
from mppi_ros.evaluation.tuning.front import BOTH, KNEE, FrontSearch
from mppi_ros.evaluation.tuning.objective import Record
from mppi_ros.evaluation.tuning.search import Point, Search, rounded_values
from mppi_ros.evaluation.tuning.space import Axis
from mppi_ros.evaluation.tuning.verdict import PointVerdict, Verdict, comparison
from mppi_ros.parameters.declaration import flatten

PARAMETERS, RESULT = 'tuned.yaml', 'result.json'


@dataclass(frozen=True)
class Change:
    """A changed parameter: its values, and why it was changed."""

    name: str
    before: Any
    after: Any
    why: str


@dataclass(frozen=True)
class Tested:
    """Parameters that drove the held-out half: their records, verdict and changes."""

    point: Point
    configuration: ControllerParameters
    records: Sequence[Record]
    verdict: Verdict | PointVerdict
    changes: Sequence[Change]

    @property
    def label(self) -> str:
        """Return the name of the point, 'tuned' if there is one objective."""
        return self.point.name or 'tuned'

    @property
    def file(self) -> str:
        """Return the name of the parameter file."""
        return parameter_file(self.point.name)


def parameter_file(point: str) -> str:
    """Return the name of the parameter file of a point."""
    return f'tuned_{point}.yaml' if point else PARAMETERS


def parameter_files(objectives: Sequence[str]) -> list[str]:
    """Return the names of all parameter files that a search may write."""
    return [parameter_file(point) for point in ('', *objectives, BOTH, KNEE)]


def changes_of(
    before: ControllerParameters, after: ControllerParameters, why: Mapping[str, str]
) -> list[Change]:
    """Return the parameters that differ; `why` has the reason by dotted name."""
    old, new = flatten(before), flatten(after)
    return [
        Change(name, old[name], new[name], why.get(name, ''))
        for name in new if old[name] != new[name]
    ]  # fmt: skip


def reasons(
    axes: Sequence[Axis], importances: Mapping[str, Mapping[str, float]]
) -> dict[str, str]:
    """Return effect and importance of each searched parameter; of each element of a list."""
    found: dict[str, list[str]] = {}
    for axis in axes:
        shares = [
            f'{share.get(axis.name, 0.0):.0%}' + (f' ({name})' if len(importances) > 1 else '')
            for name, share in importances.items() if share
        ]
        text = f'{axis.reason}, importance {", ".join(shares)}' if shares else axis.reason
        found.setdefault(axis.parameter, []).append(text)
    return {name: '; '.join(texts) for name, texts in found.items()}


def write_parameters(
    path: Path, configuration: ControllerParameters, changes: Sequence[Change], heading: str
) -> None:
    """
    Write a ROS parameter file with all values that are not defaults.

    Each changed value has a comment with its former value and the reason.
    """
    usual, values = flatten(ControllerParameters()), flatten(configuration)
    changed = {change.name: change for change in changes}
    lines = [*(f'# {line}' for line in heading.splitlines()), f'/**/{NODE_NAME}:',
             '  ros__parameters:']
    for name, value in values.items():
        if name not in changed and value == usual[name]:
            continue
        if name in changed:
            change = changed[name]
            lines.append(f'    # {_text(change.before)} -> {_text(change.after)}: {change.why}')
        lines.append(f'    {name}: {_text(value)}')
    write_text(path, '\n'.join(lines) + '\n')


def _text(value: Any) -> str:
    """Return a value as YAML in one line."""
    plain = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True, width=10_000).split('\n...')[0].strip()


def write_result(
    path: Path, search: Search, drives: Sequence[Drive], before: Sequence[Record],
    tested: Sequence[Tested], stands: str, ran: Mapping[str, str],
) -> None:
    """
    Write the result file.

    Parameters
    ----------
    path : Path
        JSON file.
    search : Search
        The search.
    drives : sequence of Drive
        Held-out drives.
    before : sequence of Record
        Records of the start in these.
    tested : sequence of Tested
        The tuned parameters, or the points of the front.
    stands : str
        Why the start stands if nothing was tested.
    ran : dict
        What was run, as text: robot, maps, physics and others.

    """
    found: dict[str, Any] = {
        'run': dict(ran), 'trials': search.trials(), 'complete': len(search.complete()) - 1,
    }  # fmt: skip
    if isinstance(search, FrontSearch):
        found |= _front(search, drives, before, tested)
    else:
        after = tested[0].records if tested else before
        verdict = _verdict(tested[0]) if tested else {'accepted': False, 'reason': stands}
        found |= {
            'verdict': verdict, 'objective': asdict(search.objective),
            'importance': search.importances()['cost'], 'comparison': comparison(before, after),
            'drives': [
                {'drive': drive.name, 'before': one, 'after': two}
                for drive, one, two in zip(drives, before, after, strict=True)
            ],
        }  # fmt: skip
    write_json(path, found)


def _front(
    search: FrontSearch, drives: Sequence[Drive], before: Sequence[Record],
    tested: Sequence[Tested],
) -> dict[str, Any]:
    names = list(search.objectives)
    return {
        'objectives': {name: asdict(each) for name, each in search.objectives.items()},
        'importance': search.importances(),
        'front': [
            {'trial': trial.number, 'search': dict(zip(names, trial.values, strict=True)),
             'parameters': rounded_values(trial.params)}
            for trial in search.front()
        ],
        'points': [
            {'name': each.label, 'file': each.file if each.verdict.accepted else '',
             'parameters': each.point.values,
             'search': dict(zip(names, each.point.gains, strict=True)),
             'verdict': _verdict(each), 'comparison': comparison(before, each.records)}
            for each in tested
        ],
        'drives': [
            {'drive': drive.name, 'before': before[k],
             'after': {each.label: each.records[k] for each in tested}}
            for k, drive in enumerate(drives)
        ],
    }  # fmt: skip


def _verdict(tested: Tested) -> dict[str, Any]:
    verdict = tested.verdict
    return {**asdict(verdict), 'accepted': verdict.accepted, 'reason': verdict.reason}
