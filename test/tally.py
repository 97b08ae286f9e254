"""What the tests of faults tried, counted by the run itself."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import pytest

# Names of properties that tests record.
FAULT = 'fault'  # (fault, state of driving)
REAL = 'fault of real processes'
EXTREME = 'parameter at an end of its range'
JUDGED = 'commands judged'
MESSAGE = 'hostile messages'
EVENTS = 'sequences of random events'
TRANSITION = 'lifecycle transitions'


def tally(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Return a line for each kind of thing that was tried in tests that passed."""
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
    for name in (EXTREME, JUDGED, MESSAGE, EVENTS, TRANSITION):
        if found[name]:
            lines.append(f'{name}: {sum(found[name])}')
    return lines
