"""Display of the demo: live progress of the drive, and its result."""

from __future__ import annotations

from collections.abc import Mapping
import time
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

REFRESH_RATE = 8.0  # [Hz] of the live display in a terminal
LOG_PERIOD = 2.0  # [s] between lines of a log file


class Display:
    """
    Live progress in a terminal, or a line every LOG_PERIOD in a log file.

    Use it as a context manager around the drive.
    """

    def __init__(self, title: str, console: Console | None = None) -> None:
        """Create a display with this title."""
        self._console = console or Console(highlight=False)
        self._title = title
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._next = 0.0

    def update(self, state: str, seconds: float, share: float, values: Mapping[str, str]) -> None:
        """
        Show the progress of the drive.

        Parameters
        ----------
        state : str
            State of the controller.
        seconds : float
            Time since the start [s].
        share : float
            Completed fraction of the distance, 0 to 1.
        values : mapping
            Names and values, in the order of display.

        """
        now = time.monotonic()
        if now < self._next:
            return
        if self._console.is_terminal:
            self._next = now + 1.0 / REFRESH_RATE
            picture = self._picture(state, seconds, share, values)
            self._live.update(picture, refresh=True)
        else:
            self._next = now + LOG_PERIOD
            readings = ', '.join(f'{name} {value}' for name, value in values.items())
            self._console.print(
                f'{seconds:5.1f} s {state}: {readings}', soft_wrap=True, markup=False)

    def _picture(
        self, state: str, seconds: float, share: float, values: Mapping[str, str]
    ) -> Group:
        head = Table.grid(padding=(0, 2))
        head.add_row(
            ProgressBar(total=1.0, completed=share, width=48), Text(f'{seconds:.1f} s'),
            Text(state, style='cyan'),
        )
        body = Table.grid(padding=(0, 2))
        for _ in values:
            body.add_column(min_width=9)
        body.add_row(*(Text(name, style='dim') for name in values))
        body.add_row(*(Text(value, style='bold') for value in values.values()))
        return Group(head, body)

    def __enter__(self) -> Display:
        """Print the title and start the live display."""
        self._console.print(self._title, style='bold')
        self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        """Clear the live display."""
        self._live.__exit__(*error)


def show_result(summary: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the result of a drive and a table of its summary."""
    console = console or Console(highlight=False)
    good = summary['goal_reached'] and not summary['contact']
    verdict = 'goal reached without contact' if good else f'failed: {summary["reason"]}'
    console.print(verdict, style='bold green' if good else 'bold red', markup=False)
    table = Table(show_header=False, box=None)
    table.add_column(style='dim')
    table.add_column(justify='right')
    solve = summary['solve_ms']
    for name, value, unit in (
        ('time', summary['time_s'], 's'),
        ('path driven', summary['path_length_m'], 'm'),
        ('minimum clearance', summary['min_clearance_m'], 'm'),
        ('first command after', summary['first_command_s'], 's'),
        ('ticks', summary['ticks'], ''),
        ('ticks missed', summary['missed_ticks'], ''),
        ('solve, median', solve['p50'], 'ms'),
        ('solve, p99', solve['p99'], 'ms'),
        ('solve, maximum', solve['max'], 'ms'),
    ):
        table.add_row(name, _shown(value), unit)
    console.print(table)


def _shown(value: float | int | None) -> str:
    if value is None:
        return '-'
    return str(value) if isinstance(value, int) else f'{value:.2f}'
