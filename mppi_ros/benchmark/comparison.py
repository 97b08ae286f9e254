"""Comparison of two benchmark results: the ratio of each measured value of the rows in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mppi_ros.evaluation.results import read_json
from mppi_ros.files import shortened
from mppi_ros.parameters.errors import InputError

# Keys that identify a row.
IDENTITY = (
    'scenario', 'problem', 'program', 'samples', 'steps', 'threads', 'pace', 'phase',
    'costmap_cells', 'page', 'turn', 'what', 'unit', 'law',
)
MEASURED = ('median_ms', 'p99_ms', 'value', 'time_s', 'solve_median_ms', 'measured', 'cost')

Rows = list[dict[str, Any]]


def read_result(path: Path) -> dict[str, Any]:
    """
    Read a result file.

    Raises
    ------
    InputError
        The file cannot be read or is not a result of mppi_benchmark.

    """
    result = read_json(path, 'benchmark', 'arguments', 'machine', 'rows')
    for name, kind in (('arguments', str), ('rows', dict)):
        members = result[name]
        if not isinstance(members, list) or not all(isinstance(each, kind) for each in members):
            raise InputError(f'{path}: {name} = {shortened(members)}')
    machine = result['machine']
    if not isinstance(machine, dict) or not {'cpu', 'cores', 'commit'} <= machine.keys():
        raise InputError(f'{path}: machine = {shortened(machine)}')
    return result


def ratios(other: Rows, this: Rows) -> Rows:
    """Return this ÷ other of each measured value of the rows in common, in the order of `this`."""

    def name(row: dict[str, Any]) -> str:
        return ', '.join(f'{key} {row[key]}' for key in IDENTITY if row.get(key) is not None)

    known = {name(row): row for row in other}
    found = []
    for row in this:
        before = known.get(name(row), {})
        for value in MEASURED:
            new, old = row.get(value), before.get(value)
            if isinstance(new, (int, float)) and isinstance(old, (int, float)):
                ratio = round(new / old, 4) if old else None
                found.append(
                    {'row': name(row), 'value': value, 'other': old, 'this': new, 'ratio': ratio}
                )
    return found
