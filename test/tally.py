"""Tally of the checked cases and the skipped tests of a run."""
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

import pytest

# Names of recorded test properties.
FAULT = 'fault'  # (fault, driving state)
REAL = 'fault of real processes'
EXTREME = 'parameter at an end of its range'
CHECKED = 'commands checked'
MESSAGE = 'hostile messages'
EVENTS = 'sequences of random events'
TRANSITION = 'lifecycle transitions'


def tally(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Return a line for each kind of case that passed tests recorded."""
    found = defaultdict(list)
    for report in reports:
        for name, value in report.user_properties:
            found[name].append(value)
    lines = []
    if found[FAULT]:
        faults, states = (set(each) for each in zip(*found[FAULT], strict=True))
        lines.append(f'{len(found[FAULT])} drives with a fault: {len(faults)} faults, '
                     f'{len(states)} states of driving')
    if found[REAL]:
        lines.append(f'{len(set(found[REAL]))} faults of real processes')
    for name in (EXTREME, CHECKED, MESSAGE, EVENTS, TRANSITION):
        if found[name]:
            lines.append(f'{name}: {sum(found[name])}')
    return lines


def skipped(reports: Iterable[pytest.TestReport | pytest.CollectReport]) -> str:
    """Return a line with the number of skipped tests and modules, by reason."""
    reasons = Counter(
        report.longrepr[2].removeprefix('Skipped: ') for report in reports
        if isinstance(report.longrepr, tuple))
    listed = ', '.join(f'{count} × {reason}' for reason, count in reasons.most_common())
    return f'skipped: {reasons.total()}' + (f' ({listed})' if listed else '')


def launch_tests(passed: Iterable[pytest.TestReport]) -> str:
    """Return a line that states how the launch files were tested."""
    names = [report.nodeid for report in passed]
    if any(name.startswith('test/launch/') for name in names):
        how = 'started with the real launch tools'
    elif any(name.startswith('test/test_launch_files.py') for name in names):
        how = 'resolved without the launch tools, no process was started'
    else:
        how = 'not tested in this run'
    return f'launch files: {how}'
