"""Tables on standard output and orderly termination, shared by all command lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import math
import signal
from typing import Any, NoReturn


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


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table; columns of numbers are right-justified and rounded to three digits."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, box=SIMPLE_HEAD, title_justify='left', title_style='bold')
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], (int, float)) or row[index] is None for row in rows)
        last = index == len(columns) - 1  # only the last one may wrap
        table.add_column(
            column, justify='right' if numeric and rows else 'left', no_wrap=not last
        )
    for row in rows:
        table.add_row(*map(_cell, row))
    # Rows written to a file or a pipe are not wrapped to the width of a terminal.
    width = None if Console().is_terminal else 160
    # Values from files are not markup: an unmatched bracket in them would be an error.
    Console(width=width, highlight=False, markup=False, emoji=False).print(table)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return '–'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, float):
        return f'{value:.0f}' if abs(value) >= 1000.0 else f'{value:.3g}'
    return str(value)
