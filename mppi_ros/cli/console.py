"""Tables on standard output and orderly termination, shared by all command lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import math
import signal
from typing import Any, NoReturn

BORDER, PADDING = 2, 3  # columns of the terminal around a table and between two values
WRAPPED_WIDTH = 30  # columns of the terminal for a value that is wrapped


@contextmanager
def interruptible(*signals: signal.Signals) -> Iterator[None]:
    """Raise KeyboardInterrupt on each of these signals, as Ctrl-C does; `nohup` stays in force."""

    def interrupt(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt

    before = {
        number: signal.signal(number, interrupt) for number in signals
        if signal.getsignal(number) is not signal.SIG_IGN
    }  # fmt: skip
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def show_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], keys: int = 1
) -> None:
    """
    Print a table; columns of numbers are right-justified and rounded to three digits.

    No value is shortened: where the terminal is too narrow, the columns are printed in several
    tables, each with the first `keys` of them.
    """
    from rich.console import Console

    # Rows written to a file or a pipe are not wrapped to the width of a terminal.
    terminal = Console()
    width = terminal.width if terminal.is_terminal else None
    # Values from files are not markup: an unmatched bracket in them would be an error.
    texts = [[_cell(value) for value in row] for row in rows]
    widths = [
        PADDING + max(map(len, (column, *(row[index] for row in texts))))
        for index, column in enumerate(columns)
    ]
    natural = BORDER + sum(widths)
    console = Console(
        width=max(width or natural, len(title)), highlight=False, markup=False, emoji=False
    )
    numeric = [
        bool(rows)
        and all(isinstance(row[index], (int, float)) or row[index] is None for row in rows)
        for index in range(len(columns))
    ]
    blocks = [list(range(len(columns)))] if width is None else _blocks(widths, keys, width)
    for block in blocks:
        console.print(_table(title, columns, texts, numeric, block, width))
        title = ''


def _blocks(widths: Sequence[int], keys: int, width: int) -> list[list[int]]:
    """Return the indices of the columns of each table; only the last one is wrapped to fit."""
    widths = [*widths[:-1], min(widths[-1], WRAPPED_WIDTH)]
    widest = max(widths[keys:], default=0)
    while keys > 1 and BORDER + sum(widths[:keys]) + widest > width:
        keys -= 1
    first = list(range(min(keys, len(widths))))
    blocks, used = [list(first)], BORDER + sum(widths[: len(first)])
    for index in range(len(first), len(widths)):
        if used + widths[index] > width and blocks[-1] != first:
            blocks.append(list(first))
            used = BORDER + sum(widths[: len(first)])
        blocks[-1].append(index)
        used += widths[index]
    return blocks


def _table(
    title: str, columns: Sequence[str], texts: Sequence[Sequence[str]], numeric: Sequence[bool],
    block: Sequence[int], width: int | None,
) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title=title or None, box=SIMPLE_HEAD, title_justify='left', title_style='bold'
    )
    for index in block:
        # The last column may wrap, and one that would not fit by itself.
        longest = max((len(row[index]) for row in texts), default=0)
        wraps = index == len(columns) - 1 or (width is not None and 2 * longest > width)
        table.add_column(
            columns[index], justify='right' if numeric[index] else 'left', no_wrap=not wraps,
            overflow='fold',
        )
    for row in texts:
        table.add_row(*(row[index] for index in block))
    return table


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return '–'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, float):
        return f'{value:.0f}' if abs(value) >= 1000.0 else f'{value:.3g}'
    return str(value)
