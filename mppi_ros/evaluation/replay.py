"""Replay of a recorded controller: the ticks of a record beside those of a second run."""

from __future__ import annotations

from collections.abc import Sequence
import os
from pathlib import Path
from typing import Any

from mppi_ros.control.replaying import TickComparison, repeat
from mppi_ros.parameters.errors import InputError

MCAP_MAGIC = b'\x89MCAP0\r\n'  # at the end of a whole file: https://mcap.dev/spec


def compared_ticks(path: Path) -> list[TickComparison]:
    """
    Run a record again and return all of its ticks.

    Raises
    ------
    InputError
        The file is not a record or holds no tick.

    """
    ticks = list(repeat(path))
    if not ticks:
        raise InputError(f'{path} holds no tick')
    return ticks


def is_complete(path: Path) -> bool:
    """Return whether a record ends as one that was closed: not cut, and its node not killed."""
    with path.open('rb') as stream:
        stream.seek(-len(MCAP_MAGIC), os.SEEK_END)
        return stream.read() == MCAP_MAGIC


def state_changes(ticks: Sequence[TickComparison]) -> list[int]:
    """Return the indices of the first tick and of each whose state or reason code is new."""
    return [
        n for n, tick in enumerate(ticks)
        if n == 0 or any(
            tick.recorded[key] != ticks[n - 1].recorded[key] for key in ('state', 'code')
        )
    ]  # fmt: skip


def content(path: Path, ticks: Sequence[TickComparison]) -> dict[str, Any]:
    """Return the content of the result file."""
    return {
        'record': str(path),
        'ticks': len(ticks),
        'different': [n for n, tick in enumerate(ticks) if tick.differences],
        'recorded': [{'now': tick.now, **tick.recorded} for tick in ticks],
    }
