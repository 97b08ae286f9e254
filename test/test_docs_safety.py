"""docs/safety.md references existing tests and explains every reason code."""
from __future__ import annotations

from pathlib import Path
import re

import pytest

from mppi_ros.control.tick_result import NON_FAULTS, Reason

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / 'docs' / 'safety.md').read_text('utf-8')
TESTS = sorted(set(re.findall(r'`(test/[\w/]+\.py)(?:::(\w+))?`', PAGE)))


@pytest.mark.parametrize(('file', 'name'), TESTS)
def test_referenced_tests_exist(file, name):
    text = (ROOT / file).read_text('utf-8')
    assert not name or re.search(rf'^(def|class) {name}\b', text, re.MULTILINE)


def test_every_code_is_explained_once():
    table = PAGE.split('| code | meaning |')[1].split('\n\n')[0]
    codes = [code for row in table.splitlines()[2:]
             for code in re.findall(r'`(\w+)`', row.split('|')[1])]
    assert sorted(codes) == sorted(code.value for code in Reason)


def test_non_fault_codes_come_first():
    driving = [Reason.NONE, Reason.IN_CONTACT, Reason.NO_PROGRESS, Reason.FALLBACK_COMMAND,
               Reason.EVADING]
    first = list(Reason)[: len(driving) + len(NON_FAULTS)]
    assert set(first) == {*driving, *NON_FAULTS}
