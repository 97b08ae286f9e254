"""Subcommand `mppi_evaluate replay`: run a recorded controller again and compare each tick."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mppi_ros.cli.arguments import Subparsers
from mppi_ros.cli.console import show_table
from mppi_ros.control.replaying import TickComparison
from mppi_ros.evaluation import replay, results
from mppi_ros.parameters.errors import InputError

MAX_ROWS = 40  # state changes that are printed


def add_parser(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        'replay', help='run a recorded controller again',
        description='Run a recorded controller again and compare each tick bit by bit.',
        epilog='exit code: 0 all ticks are equal, 1 a tick differs, 2 invalid arguments or input',
    )
    parser.add_argument(
        'record', type=Path, metavar='RECORD', help='file of the node parameter `record`'
    )
    parser.add_argument('--tick', type=int, metavar='N', help='print all values of this tick')
    parser.add_argument('--json', type=Path, metavar='OUT', help='write all ticks to OUT')


def run(options: argparse.Namespace) -> int:
    """
    Print the state changes and the first tick that differs, or the one that is asked for.

    Returns
    -------
    int
        0 if every tick is the same to the last bit, 1 if not.

    Raises
    ------
    InputError
        The file is not a record, or it does not hold the tick that is asked for.

    """
    if options.json:
        results.check_writable(options.json)
    path, number = options.record, options.tick
    ticks = replay.compared_ticks(path)
    if number is not None and not 0 <= number < len(ticks):
        raise InputError(f'--tick {number}: the record holds ticks 0 to {len(ticks) - 1}')
    different = [n for n, tick in enumerate(ticks) if tick.differences]
    _show_changes(path, ticks)
    for n in different[:1] if number is None else [number]:
        _show_tick(n, ticks[n])
    if options.json:
        results.write_json(options.json, replay.content(path, ticks))
    if not replay.is_complete(path):
        print('the record is not complete: it was cut, or its node did not end by itself')
    if different:
        print(f'{len(different)} of {len(ticks)} ticks differ, the first is {different[0]}')
    else:
        print(f'all {len(ticks)} ticks are bit-identical')
    return int(bool(different))


def _show_changes(path: Path, ticks: Sequence[TickComparison]) -> None:
    changes = replay.state_changes(ticks)
    rows = [
        [n, round(ticks[n].now - ticks[0].now, 3), ticks[n].recorded['state'],
         ticks[n].recorded['code'], *_command(ticks[n]), ticks[n].recorded['reason']]
        for n in changes[:MAX_ROWS]
    ]  # fmt: skip
    columns = ('tick', 'time_s', 'state', 'code', 'vx', 'vy', 'wz', 'reason')
    show_table(f'{path}: changes of state', columns, rows)
    if len(changes) > MAX_ROWS:
        print(f'... and {len(changes) - MAX_ROWS} more')


def _command(tick: TickComparison) -> list[float]:
    return [round(value, 4) for value in tick.recorded['command']]


def _show_tick(number: int, tick: TickComparison) -> None:
    rows = [
        [name, str(value), str(tick.repeated[name]),
         'differs' if name in tick.differences else '']
        for name, value in tick.recorded.items()
    ]
    columns = ('value', 'recorded', 'repeated', '')
    show_table(f'tick {number} at {tick.now:.3f} s', columns, rows)
