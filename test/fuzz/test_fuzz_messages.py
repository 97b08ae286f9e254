"""Corrupted messages cause no crash, no excessive allocation and no non-finite value."""
from __future__ import annotations

import importlib.util
from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest
from tally import MESSAGE

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

from fuzz import messages  # noqa: E402

SHORT, LONG = 4_000, 300_000  # messages for each of the four readers
GUIDED = 200_000  # runs of atheris


def test_valid_messages_are_accepted():
    for reader, seed in enumerate(messages.seeds()):
        assert messages.check(reader, seed)


@pytest.mark.parametrize('reader', range(len(messages.READERS)),
                         ids=[reader.__name__ for reader in messages.READERS])
def test_mutated_messages_are_refused_or_valid(reader, request, record_property):
    seed, rng = messages.seeds()[reader], np.random.default_rng(reader)
    count = LONG if request.config.getoption('--long') else SHORT
    accepted = sum(messages.check(reader, messages.mutate(seed, rng)) for _ in range(count))
    assert 0 < accepted < count
    record_property(MESSAGE, count)


def test_atheris_finds_no_input_that_breaks_a_reader(request, tmp_path, record_property):
    if not request.config.getoption('--long'):
        pytest.skip('only in the long form')
    if importlib.util.find_spec('atheris') is None:
        pytest.skip('needs atheris: pip install atheris')
    for reader, seed in enumerate(messages.seeds()):
        (tmp_path / f'{reader}').write_bytes(bytes([reader]) + seed)
    found = subprocess.run(
        [sys.executable, str(Path(messages.__file__)), str(tmp_path), f'-atheris_runs={GUIDED}',
         '-max_len=4096', f'-artifact_prefix={tmp_path}/'],
        capture_output=True, check=False, timeout=1800)
    assert found.returncode == 0, found.stderr[-2000:].decode()
    record_property(MESSAGE, GUIDED)
