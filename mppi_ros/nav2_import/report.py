"""Report of a conversion: parameters converted, changed, left out, to be measured; YAML output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
import enum
import math
import re
import textwrap
from typing import Any

import yaml

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.parameters.declaration import describe

INFO = {info.name: info for info in describe(ControllerParameters)}
ACCELERATIONS = ('limits.ax_max', 'limits.ay_max', 'limits.az_max')
SUBSTITUTION = re.compile(r'\$\(|\$\{|<\w+>|\{\{')
PLACEHOLDER = re.compile(r'[A-Z][A-Z0-9]*_[A-Z0-9_]*')
TIGHTEST = ('limits.', 'goal.position_tolerance', 'goal.heading_tolerance')
FILLED_IN = 'is filled in by a launch file: set the value manually'
FRAME = re.compile(r'[A-Za-z_][\w./-]{0,99}', re.ASCII)
WIDTH = 97
MAX_SHOWN_LENGTH = 100  # characters of a value or a name in the report


class Part(enum.Enum):
    """Part of the report that lists a parameter."""

    TAKEN = 'Taken'
    CHANGED = 'Changed'
    LEFT_OUT = 'Left out'
    MEASURE = 'Measure on the robot'


@dataclass(frozen=True)
class Line:
    """Line of the report; `source` is empty for a parameter that is not in the file."""

    part: Part
    source: str
    given: str
    ours: str = ''
    why: str = ''


@dataclass
class Import:
    """
    Result of a conversion.

    Attributes
    ----------
    distro, controller, hint : str
        Distribution of the file, controller that was converted, and a note about it.
    release : str
        Distribution, and from what it is derived unless it is given.
    prefixes : dict of str to str
        Nodes whose parameters are all in the report, and what precedes their names there.
    changes : dict
        Parameters of this package and their values.
    origin : dict
        Origin of each of them.
    unread : dict of str to str
        Parameters of this package that the file sets to an invalid value, and where it does.
    lines : list of Line
        Report; each parameter of the controller and of the costmap has one line.

    """

    distro: str = ''
    controller: str = ''
    hint: str = ''
    release: str = ''
    prefixes: dict[str, str] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)

    @property
    def reasons(self) -> dict[str, str]:
        """Return the reason for each parameter that is left out."""
        return {line.source: line.why for line in self.lines if line.part is Part.LEFT_OUT}

    def add(self, part: Part, source: str, given: Any, ours: str = '', why: str = '') -> None:
        """Add a line."""
        self.lines.append(Line(part, source, shown(given), ours, why))

    def leave_out(self, source: str, given: Any, why: str) -> None:
        """Report why a parameter is left out."""
        self.add(Part.LEFT_OUT, source, given, why=why)

    def measure(self, ours: str, why: str) -> None:
        """Report a parameter that has to be measured."""
        value = self.changes.get(ours, INFO[ours].default)
        self.add(Part.MEASURE, '', value, ours, why)

    def put(self, ours: str, value: Any, origin: str) -> None:
        """Set a parameter and its origin."""
        self.changes[ours], self.origin[ours] = value, shown(origin)

    def change(self, ours: str, value: Any, source: str) -> str:
        """Replace a limit by a tighter one, and return the reason."""
        given = self.origin.get(ours, 'the default')
        before = shown(self.changes.get(ours, INFO[ours].default))
        self.lines = [
            Line(Part.CHANGED, line.source, line.given, ours, f'{source} is tighter')
            if line.ours == ours else line
            for line in self.lines if line.ours != ours or line.source
        ]
        self.put(ours, value, f'{source}, tighter than {before} ({given})')
        return f'{source} is tighter than {before} ({given})'

    def tighten(self, ours: str, value: Any, source: str, why: str) -> None:
        """Replace a limit by a tighter one that has to be measured, and report both sources."""
        self.measure(ours, self.change(ours, value, source) + why)

    def reject(self, ours: str, why: str) -> None:
        """Remove a parameter and report its sources as left out."""
        self.lines = [
            Line(Part.LEFT_OUT, line.source, line.given, '', why) if line.ours == ours else line
            for line in self.lines if line.ours != ours or line.source
        ]

    def take(self, source: str, given: Any, ours: str, trusted: str = '') -> None:
        """
        Convert the value of a parameter, clipped to the range of the target.

        Of several limits or tolerances for one target, the tightest applies. A target with a minus
        has the opposite sign. `trusted` describes how to measure a parameter on which the safety
        of the robot depends.
        """
        value, why = fitted(ours.removeprefix('-'),
                            opposite(given) if ours.startswith('-') else given)
        ours = ours.removeprefix('-')
        now = self.changes.get(ours)
        if value is None:
            self.leave_out(source, given, why)
            self.unread[ours] = source
        elif now is not None and not ours.startswith(TIGHTEST):
            self.leave_out(source, given, f'{self.origin[ours]} already gives {ours}')
        elif value == now:
            self.add(Part.TAKEN, source, given, ours)
        elif now is not None and (abs(value) > abs(now)) != (ours == 'limits.turning_radius_min'):
            self.add(Part.CHANGED, source, given, ours, f'{self.origin[ours]} is tighter')
        else:
            if now is not None:
                self.change(ours, value, source)
            self.put(ours, value, source)
            part = Part.CHANGED if why else Part.TAKEN
            why = f'{shown(given)} -> {shown(value)}: {why}' if why else why
            if trusted:
                part, why = Part.MEASURE, '; '.join(filter(None, (why, trusted)))
            self.add(part, source, given, ours, why)


def is_filled_in(given: Any) -> bool:
    """Return whether a value is a placeholder for a launch file."""
    return isinstance(given, str) and bool(
        SUBSTITUTION.search(given) or PLACEHOLDER.fullmatch(given))


def number(given: Any) -> tuple[float, str]:
    """Return a finite number, or NaN and the reason."""
    if isinstance(given, str):
        if is_filled_in(given):
            return math.nan, FILLED_IN
        try:
            given = float(given)
        except ValueError:
            return math.nan, 'is not a number'
    try:
        value = float(given) if isinstance(given, int | float) else math.nan
    except OverflowError:
        value = math.inf
    if isinstance(given, bool) or not isinstance(given, int | float):
        return math.nan, 'is not a number'
    return (value, '') if math.isfinite(value) else (math.nan, 'is not a finite number')


def opposite(given: Any) -> Any:
    """Return a number with the opposite sign; any other value as it is."""
    value, why = number(given)
    return given if why else 0.0 - value


def fitted(ours: str, given: Any) -> tuple[Any, str]:
    """Return the nearest valid value and why it differs, or None and the reason."""
    info = INFO[ours]
    if info.kind == 'bool':
        if isinstance(given, bool):
            return given, ''
        return None, FILLED_IN if is_filled_in(given) else 'is neither true nor false'
    if info.kind == 'string':
        if isinstance(given, str) and SUBSTITUTION.search(given):
            return None, FILLED_IN
        if isinstance(given, str) and FRAME.fullmatch(given):
            return given, ''
        return None, 'is not a valid name'
    value, why = number(given)
    if why:
        return None, why
    return _within(ours, value)


def _within(ours: str, value: float) -> tuple[Any, str]:
    info = INFO[ours]
    low = -math.inf if info.low is None else info.low
    high = math.inf if info.high is None else info.high
    why = ''
    if info.kind == 'integer' and value != int(value):
        return None, 'is not an integer'
    if (ours in ACCELERATIONS and value < 0.0) or (high < 0.0 < value):
        value, why = -value, 'the sign is opposite'
    if (low > 0.0 >= value or high < 0.0 <= value) and not (
            value == 0.0 and ours.startswith(('goal.', 'follow_path.'))):
        return None, f'{value:g} is invalid: the range is {info.range_text}'
    if not low <= value <= high:
        value, why = min(max(value, low), high), f'the range is {info.range_text}'
    return (int(value) if info.kind == 'integer' else float(value)), why


def shown(value: Any) -> str:
    """Return a value as one short line that is safe in a YAML comment."""
    text = value if isinstance(value, str) else str(value)
    text = ''.join(
        each if each.isprintable() else ascii(each)[1:-1]
        for each in text[: MAX_SHOWN_LENGTH + 1]
    )
    return text if len(text) <= MAX_SHOWN_LENGTH else f'{text[:MAX_SHOWN_LENGTH]}...'


def write(done: Import, source: str) -> str:
    """Return the YAML output: each value with its origin, and the report."""
    lines = [f'# Written by mppi_import_nav2 from {shown(source)}, controller '
             f'{shown(done.controller)}, {done.release}.',
             '# Other parameters keep the defaults of config/mppi_controller.yaml.',
             *(f'# {line}' for line in _wrapped(done.hint) if done.hint),
             *(f'# {line}'.rstrip() for line in report(done, Part.MEASURE)),
             '/**/mppi_controller:', '  ros__parameters:', *_values(done), '',
             *(f'# {line}'.rstrip() for part in list(Part)[:3] for line in report(done, part))]
    return '\n'.join(lines) + '\n'


def _values(done: Import) -> Iterator[str]:
    open_groups: list[str] = []
    for name in [name for name in INFO if name in done.changes]:
        *groups, last = name.split('.')
        for depth, group in enumerate(groups):
            if open_groups[: depth + 1] != groups[: depth + 1]:
                yield f'{"  " * (depth + 2)}{group}:'
        open_groups = groups
        value = yaml.safe_dump(done.changes[name], default_flow_style=True, width=math.inf)
        yield f'{"  " * (len(groups) + 2)}{last}: {value.splitlines()[0]}  # {done.origin[name]}'


def report(done: Import, part: Part) -> Iterator[str]:
    """List the lines of one part of the report, grouped by reason if left out."""
    lines = [line for line in done.lines if line.part is part]
    yield ''
    yield f'{part.value} ({len(lines)}):'
    if part is Part.LEFT_OUT:
        by_reason: dict[str, list[str]] = {}
        for line in lines:
            by_reason.setdefault(line.why, []).append(f'{shown(line.source)} {line.given}')
        for reason, names in by_reason.items():
            yield from _wrapped(f'{", ".join(names)}: {reason}')
        return
    for line in lines:
        texts = [f'{shown(line.source)} {line.given}'] if line.source else []
        if line.ours:
            value = shown(done.changes.get(line.ours, INFO[line.ours].default))
            texts.append(f'{line.ours} {value}')
        yield from _wrapped(' -> '.join(texts) + (f': {line.why}' if line.why else ''))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH - 2, initial_indent='- ', subsequent_indent='  ',
                         break_long_words=False, break_on_hyphens=False)
