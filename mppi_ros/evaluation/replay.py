"""mppi_evaluate replay: what a recorded controller did, and whether it does it once more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mppi_ros.control.recording import TickComparison, repeat
from mppi_ros.evaluation import results
from mppi_ros.parameters.errors import InputError

MAX_ROWS = 40  # changes of state that are shown


def replay(path: Path, number: int | None, output: Path | None) -> int:
    """
    Run a record once more; show where the state changed and what differs.

    Returns
    -------
    int
        0 if every tick came out the same to the last bit, 1 if not.

    Raises
    ------
    InputError
        The file is no record, holds no tick, or not the one that is asked for.

    """
    ticks = list(repeat(path))
    if not ticks:
        raise InputError(f'{path} holds no tick')
    if number is not None and not 0 <= number < len(ticks):
        raise InputError(f'--tick {number}: the record holds ticks 0 to {len(ticks) - 1}')
    different = [n for n, tick in enumerate(ticks) if tick.differences]
    _show_changes(path, ticks)
    for n in different[:1] if number is None else [number]:
        _show_tick(n, ticks[n])
    if output:
        results.write_json(output, _content(path, ticks, different))
    if different:
        print(f'{len(different)} of {len(ticks)} ticks differ, the first is {different[0]}')
    else:
        print(f'all {len(ticks)} ticks came out the same, to the last bit')
    return int(bool(different))


def _show_changes(path: Path, ticks: Sequence[TickComparison]) -> None:
    changes = [
        n for n, tick in enumerate(ticks)
        if n == 0 or any(
            tick.recorded[key] != ticks[n - 1].recorded[key] for key in ('state', 'code')
        )
    ]
    rows = [
        [n, round(ticks[n].now - ticks[0].now, 3), ticks[n].recorded['state'],
         ticks[n].recorded['code'], *_command(ticks[n]), ticks[n].recorded['reason']]
        for n in changes[:MAX_ROWS]
    ]  # fmt: skip
    columns = ('tick', 'time_s', 'state', 'code', 'vx', 'wz', 'reason')
    results.show_table(f'{path}: changes of state', columns, rows)
    if len(changes) > MAX_ROWS:
        print(f'... and {len(changes) - MAX_ROWS} more')


def _command(tick: TickComparison) -> list[float]:
    vx, _, wz = tick.recorded['command']
    return [round(vx, 4), round(wz, 4)]


def _show_tick(number: int, tick: TickComparison) -> None:
    rows = [
        [name, str(value), str(tick.repeated[name]),
         'differs' if name in tick.differences else '']
        for name, value in tick.recorded.items()
    ]
    columns = ('value', 'recorded', 'repeated', '')
    results.show_table(f'tick {number} at {tick.now:.3f} s', columns, rows)


def _content(
    path: Path, ticks: Sequence[TickComparison], different: Sequence[int]
) -> dict[str, Any]:
    return {
        'record': str(path),
        'ticks': len(ticks),
        'different': list(different),
        'recorded': [{'now': tick.now, **tick.recorded} for tick in ticks],
    }
