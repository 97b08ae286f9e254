"""Parameters of a running controller: values, changes, undo, search and the file of changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
import math
from typing import Any

import yaml

from mppi_ros.parameters.declaration import ParameterInfo, Value, hint_for
from mppi_ros.parameters.errors import ParameterError

CHOICES = 'one of '  # begin of the constraint of a parameter with choices
INT64 = 1 << 63  # above the largest integer of a ROS parameter
WIDE = 20.0  # ratio of range and value above which a slider covers a part of the range
# Not saved: of the launch file, and a recording, which the next start would overwrite.
OF_ONE_START = ('use_sim_time', 'autostart', 'record')
FILE_HEAD = """\
# Parameters of {node} that differ from the defaults, saved by mppi_dashboard.
# ros2 launch mppi_ros mppi_controller.launch.py params_file:=FILE
"""


@dataclass(frozen=True)
class Entry:
    """
    A parameter as its node describes it, and its values.

    `default` is the declared one, None if it is unknown; `initial` is the value when the
    controller was found; `value` is the current one.
    """

    name: str
    kind: str
    description: str
    unit: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    read_only: bool
    default: Value | None
    initial: Value
    value: Value

    @property
    def group(self) -> str:
        """Return the title of the group of the parameter."""
        return self.name.split('.')[0] if '.' in self.name else 'optimiser and node'

    @property
    def changed(self) -> bool:
        """Return whether the value was changed since the controller was found."""
        return not same(self.value, self.initial)

    @property
    def range_text(self) -> str:
        """Return the range as text, '' without one."""
        if self.choices:
            return CHOICES + ', '.join(self.choices)
        if self.low is None and self.high is None:
            return ''
        low = '−∞' if self.low is None else f'{self.low:g}'
        high = '∞' if self.high is None else f'{self.high:g}'
        return f'{low} to {high} {self.unit}'.rstrip().replace('-', '−')

    @property
    def slider(self) -> tuple[float, float, float] | None:
        """
        Return low, high and step of a slider; None if a number has no range of use.

        Where the range is much wider than the values in use, the slider covers a part of it.
        """
        if self.kind not in ('integer', 'double') or self.low is None or self.high is None:
            return None
        values = self.default, self.initial, self.value
        largest = max(abs(float(v)) for v in values if isinstance(v, (int, float)))
        low, high = self.low, self.high
        reach = 4.0 * largest if largest else min(1.0, max(abs(low), abs(high)))
        if high > WIDE * max(largest, 0.05) and reach > max(low, 0.0):
            high = reach
        if low < -WIDE * max(largest, 0.05) and -reach < min(high, 0.0):
            low = -reach
        if self.kind == 'integer':
            step = max(1.0, 10.0 ** math.floor(math.log10((high - low) / 200.0)))
        else:
            step = 10.0 ** math.floor(math.log10((high - low) / 100.0))
            stops = float(self.value if self.default is None else self.default) / step  # type: ignore[arg-type]
            step = step if math.isclose(stops, round(stops), rel_tol=1e-6) else 0.1 * step
        # The stops of a slider are counted from its low end: those are multiples of the step.
        low, high = math.ceil(low / step - 1e-9) * step, math.floor(high / step + 1e-9) * step
        return float(f'{low:.10g}'), float(f'{high:.10g}'), step

    def read(self, text: str) -> Value:
        """
        Return the value that a text from the page stands for.

        Raises
        ------
        ParameterError
            The text is not of the type of the parameter.

        """
        text = text.strip().replace('−', '-')
        if self.kind not in ('double_array', 'integer', 'double'):
            return text
        try:
            if self.kind == 'double_array':
                return tuple(float(part) for part in text.strip('[]()').split(',') if part.strip())
            number = int(text) if self.kind == 'integer' else float(text)
        except ValueError:
            kind = {'integer': 'a whole number', 'double': 'a number'}.get(
                self.kind, 'a list of numbers such as 0.5, 0.25'
            )
            raise ParameterError(f'{self.name}: {text!r} is not {kind}') from None
        if self.kind == 'integer' and not -INT64 <= number < INT64:  # no message carries it
            raise ParameterError(
                f'{self.name} = {number} is outside {self.range_text or "64 bits"}')
        return number


def same(a: Value | None, b: Value | None) -> bool:
    """Return whether two values are equal; numbers to the precision of their display."""
    if isinstance(a, float) and isinstance(b, (int, float)):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def text_of(value: Value | None) -> str:
    """Return a value for people."""
    if value is None:
        return 'unknown'
    if isinstance(value, bool):
        return 'on' if value else 'off'
    if isinstance(value, tuple):
        return ', '.join(f'{element:g}' for element in value) or 'empty'
    if isinstance(value, float):
        return f'{value:.6g}'
    return str(value) or 'empty'


def field_text(value: Value) -> str:
    """Return a value as the text of a field, which `Entry.read` reads."""
    return text_of(value) if value not in ('', ()) else ''


class ParameterModel:
    """
    Parameters of the controller shown.

    Attributes
    ----------
    node : str
        Full name of the controller; '' before one is found.
    lost : dict
        Changed values that a controller had before it ended, until they are applied again.
    version, generation : int
        Increase with every change, and with every call of `load` that brings one.

    """

    def __init__(self, infos: Iterable[ParameterInfo] = ()) -> None:
        """Know the defaults of the parameters in `infos`, which descriptors do not contain."""
        self._infos = {info.name: info for info in infos}
        self._entries: dict[str, Entry] = {}
        self._undo: list[dict[str, Value]] = []
        self.node = ''
        self.lost: dict[str, Value] = {}
        self.version = 0
        self.generation = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def load(self, node: str, entries: Iterable[Entry]) -> None:
        """
        Replace all parameters by those of a controller that was found or restarted.

        If the controller was only silent, they are the same: changes and `undo` stay.
        """
        found, known = {entry.name: entry for entry in entries}, self._entries
        unchanged = {
            name: replace(entry, initial=known[name].initial) if name in known else entry
            for name, entry in found.items()
        }
        if node == self.node and unchanged == known:
            return
        if node == self.node:
            self.lost.update({e.name: e.value for e in self.changed()})
        else:
            self.lost = {}
        self.node = node
        order = {name: index for index, name in enumerate(self._infos)}
        names = sorted(found, key=lambda name: (order.get(name, len(order)), name))
        self._entries = {name: found[name] for name in names}
        self._undo.clear()
        self.lost = {
            name: value for name, value in self.lost.items()
            if name in self._entries and not same(self._entries[name].value, value)
        }  # fmt: skip
        self.version += 1
        self.generation += 1

    def entry(
        self, name: str, *, kind: str, description: str, unit: str = '',
        bounds: tuple[float, float] | None = None, constraint: str = '', read_only: bool = False,
        value: Value,
    ) -> Entry:  # fmt: skip
        """Return the entry of a described parameter; its declaration adds the default."""
        info = self._infos.get(name)
        low, high = bounds or (None, None)
        if info is not None and bounds is None:  # ROS describes closed ranges only
            low, high = info.low, info.high
        if unit == '' and description.endswith(']') and ' [' in description:
            description, _, unit = description[:-1].rpartition(' [')
        choices: tuple[str, ...] = ()
        if constraint.startswith(CHOICES):
            choices = tuple(constraint.removeprefix(CHOICES).split(', '))
        default = None if info is None else info.default
        return Entry(
            name, kind, description, unit, low, high, choices, read_only, default, value, value
        )

    def update(self, values: Mapping[str, Value]) -> None:
        """Take over current values, wherever they were set."""
        for name, value in values.items():
            if name in self._entries and not same(self._entries[name].value, value):
                self._entries[name] = replace(self._entries[name], value=value)
                self.version += 1

    def rebase(self, values: Mapping[str, Value]) -> None:
        """Count changes from these values; parameters that are changed keep theirs."""
        for name, value in values.items():
            entry = self._entries.get(name)
            if entry is not None and not same(entry.initial, value):
                current = entry.value if entry.changed else value
                self._entries[name] = replace(entry, initial=value, value=current)
                self.version += 1

    def remember(self, before: Mapping[str, Value], after: Mapping[str, Value]) -> None:
        """Note the values before a change that the controller accepted, for `undo`."""
        differing = {name: v for name, v in before.items() if not same(v, after[name])}
        if differing:
            self._undo.append(differing)
            self.version += 1

    @property
    def next_undo(self) -> dict[str, Value]:
        """Return the values that undo would set; empty if there is nothing to undo."""
        return dict(self._undo[-1]) if self._undo else {}

    def drop_undo(self) -> None:
        """Forget the last change, which was undone."""
        if self._undo:
            self._undo.pop()
            self.version += 1

    def forget_lost(self) -> None:
        """Forget the values that a controller had before it ended."""
        self.lost = {}
        self.version += 1

    def changed(self) -> list[Entry]:
        """Return the parameters that were changed since the controller was found."""
        return [entry for entry in tuple(self._entries.values()) if entry.changed]

    def initial_values(self) -> dict[str, Value]:
        """Return the values that reset the changed parameters."""
        return {entry.name: entry.initial for entry in self.changed()}

    def groups(self) -> dict[str, list[Entry]]:
        """Return the parameters by group, in the order of their declaration."""
        found: dict[str, list[Entry]] = {}
        for entry in tuple(self._entries.values()):
            found.setdefault(entry.group, []).append(entry)
        return found

    def search(self, words: str) -> list[Entry]:
        """Return the parameters whose name, unit or description contain all words."""
        wanted = words.lower().split()

        def matches(entry: Entry) -> bool:
            text = f'{entry.name} {entry.unit} {entry.description}'.lower()
            return all(word in text for word in wanted)

        found = [entry for entry in tuple(self._entries.values()) if matches(entry)]
        return sorted(found, key=lambda e: not all(word in e.name for word in wanted))

    def hint(self, words: str) -> str:
        """Return a hint for a search without result, '' without a similar name."""
        return hint_for(words.strip(), self._infos.values())

    def yaml(self) -> str:
        """
        Return a params file of all values that differ from the defaults.

        A parameter whose default is unknown is written if it was changed. The controller that is
        started with the file has the values of this one, but for those of OF_ONE_START.
        """
        tree: dict[str, Any] = {}
        for entry in self._entries.values():
            differs = entry.changed if entry.default is None else not same(
                entry.value, entry.default)
            if differs and entry.name not in OF_ONE_START:
                branch = tree
                *parents, last = entry.name.split('.')
                for parent in parents:
                    branch = branch.setdefault(parent, {})
                value = entry.value
                branch[last] = list(value) if isinstance(value, tuple) else value
        name = self.node.rpartition('/')[2] or 'mppi_controller'
        content = {f'/**/{name}': {'ros__parameters': tree}}
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        return FILE_HEAD.format(node=self.node or name) + text
