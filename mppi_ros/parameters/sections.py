"""
Sections of a ROS parameter file with values of the types that rcl gives them.

YAML of PyYAML differs from that of rcl: it reads `1e-2` as text and `1_000` or `1:30` as numbers,
keeps the last of two equal keys, and accepts aliases and lists of several types, with which a node
does not start. Whatever rcl refuses is an error here, which names the parameter and the line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
import math
from pathlib import Path
import re
from typing import Any

import yaml

from mppi_ros.files import MAX_YAML_BYTES, MAX_YAML_DEPTH, read_text, reading, shortened
from mppi_ros.parameters.errors import InputError

PARAMETERS = 'ros__parameters'
STRING = 'tag:yaml.org,2002:str'
BOOLEANS = {
    word: value
    for value, names in ((True, ('y', 'yes', 'true', 'on')), (False, ('n', 'no', 'false', 'off')))
    for name in names for word in (name, name.capitalize(), name.upper())
}  # fmt: skip
INTEGER = re.compile(r'[+-]?(0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)', re.IGNORECASE)
DECIMAL = re.compile(
    r'[+-]?(\.?inf|infinity|\.?nan|(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)', re.IGNORECASE | re.ASCII
)
HEXADECIMAL = re.compile(
    r'[+-]?0x([0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(p[+-]?\d+)?', re.IGNORECASE | re.ASCII
)


@dataclass
class Section:
    """
    Parameters of the nodes whose full names match a pattern.

    `values` has dotted names, `lines` the line in the file of each.
    """

    pattern: str
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    @property
    def shared(self) -> bool:
        """Return whether it names no node: `/**`, but not `/**/mppi_controller`."""
        return '*' in self.pattern.rpartition('/')[2]

    def matches(self, node: str) -> bool:
        """Return whether the pattern, * for one token and ** for any number, matches a name."""
        tokens = (
            {'**': '(/[^/]+)*', '*': '/[^/]+'}.get(token, '/' + re.escape(token))
            for token in self.pattern.strip('/').split('/')
        )
        return re.fullmatch(''.join(tokens), node) is not None

    def add(self, name: str, value: Any, line: int) -> None:
        """Set a parameter, again if it has the same type: rcl ignores a second type."""
        if name in self.values and type(value) is not type(self.values[name]):
            raise InputError(
                f'{name} is set to {shortened(self.values[name])} in line {self.lines[name]} and '
                f'to {shortened(value)}, of another type, in line {line}: delete one'
            )
        self.values[name], self.lines[name] = value, line


def read_sections(path: str | Path) -> list[Section]:
    """
    Return the sections of a file in the order in which rcl applies them: the last value counts.

    A section that occurs several times is one, at its first place.

    Raises
    ------
    InputError
        The file cannot be read, is not YAML, or rcl does not accept it.

    """
    found: dict[str, Section] = {}
    with reading(path, 'YAML'):
        text = read_text(path, MAX_YAML_BYTES)
        for document in yaml.compose_all(text, Loader=_Loader):
            for pattern, parameters in _nodes(document, '', 0):
                section = found.setdefault(pattern, Section(pattern))
                for name, node in _flat(parameters, ''):
                    section.add(name, _value(name, node), _line(node))
    return list(found.values())


def select(sections: Sequence[Section], name: str, namespace: str = '') -> list[Section]:
    """
    Return the sections that apply to the node of this name, in their order.

    Programs without ROS know no namespace: it is that of the section of the node. `namespace`
    decides if several namespaces have one.

    Raises
    ------
    InputError
        Several namespaces have a node of this name, and `namespace` is none of them.

    """
    named, grouped, possible = set[str](), set[str](), []
    for section in sections:
        *above, last = section.pattern.strip('/').split('/')
        if last not in (name, '*', '**'):
            continue
        concrete = '/'.join(['', *above, name])
        if '*' in concrete:
            names = [{'*': 'robot'}.get(each, each) for each in above if each != '**']
            possible.append('/'.join(['', *names, name]))
        elif last == name:
            named.add(concrete)
        elif above:
            grouped.add(concrete)
        else:
            possible.append(concrete)
    own = f'{namespace.rstrip("/")}/{name}'
    nodes = named or grouped
    if own in nodes:
        nodes = {own}
    if len(nodes) > 1:
        raise InputError(
            f'has parameters of {len(nodes)} robots, {", ".join(sorted(nodes))}, of which one is '
            f'expected: give a file with the parameters of one robot'
        )
    found = [
        [section for section in sections if section.matches(node)]
        for node in nodes or possible
    ]
    return max(found, key=len, default=[])


class _Loader(yaml.SafeLoader):
    """Loader that refuses aliases, as rcl does."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Return the next node."""
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise InputError(
                f'line {event.start_mark.line + 1}: ROS does not read the alias *{event.anchor}: '
                f'write its value'
            )
        return super().compose_node(parent, index)

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        """Return no tag for a value without one, since the types of YAML are not those of rcl."""
        return ''


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _nodes(tree: yaml.Node, prefix: str, depth: int) -> Iterator[tuple[str, yaml.MappingNode]]:
    """Yield each pattern with its parameters; a namespace may be a level of its own."""
    if depth > MAX_YAML_DEPTH:
        raise InputError(f'nested more than {MAX_YAML_DEPTH} levels deep')
    if not isinstance(tree, yaml.MappingNode):
        where = f'{prefix} has' if prefix else 'the file has'
        raise InputError(f'line {_line(tree)}: {where} no {PARAMETERS}')
    seen = 0
    for key, value in tree.value:
        if key.value != PARAMETERS:
            token = str(key.value).strip('/')
            yield from _nodes(value, f'{prefix}/{token}' if token else prefix, depth + 1)
            continue
        if seen:
            raise InputError(
                f'{prefix} has two {PARAMETERS}, in lines {seen} and {_line(key)}: ROS does not '
                f'read the second'
            )
        seen = _line(key)
        if not isinstance(value, yaml.MappingNode):
            raise InputError(
                f'line {seen}: {prefix} has no parameters below {PARAMETERS}; write '
                f'{PARAMETERS}: {{}} for none'
            )
        yield prefix or '/', value


def _flat(tree: yaml.MappingNode, prefix: str) -> Iterator[tuple[str, yaml.Node]]:
    for key, value in tree.value:
        name = f'{prefix}{key.value}'
        if not isinstance(value, yaml.MappingNode):
            yield name, value
        elif value.value:
            yield from _flat(value, f'{name}.')
        else:
            raise InputError(f'line {_line(value)}: the group {name} is empty: delete it')


def _value(name: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        if not node.value and not node.style and node.tag != STRING:
            raise InputError(f'line {_line(node)}: {name} has no value')
        return _scalar(node)
    if not all(isinstance(each, yaml.ScalarNode) for each in node.value):
        raise InputError(
            f'line {_line(node)}: {name} is a list of lists, which ROS does not read: write one '
            f'list, such as [x0, y0, x1, y1]'
        )
    values = [_scalar(each) for each in node.value]
    kinds = {type(value) for value in values}
    if kinds == {int, float}:
        whole = next(value for value in values if isinstance(value, int))
        raise InputError(
            f'line {_line(node)}: {name} = {shortened(values)} mixes integers and floating-point '
            f'numbers, and ROS does not read such a list: write {whole}.0 instead of {whole}'
        )
    if len(kinds) > 1:
        raise InputError(
            f'line {_line(node)}: {name} = {shortened(values)} has values of several types, and '
            f'ROS does not read such a list'
        )
    return values


def _scalar(node: yaml.ScalarNode) -> bool | int | float | str:
    """Return a value as rcl does: quoted is text, then bool, integer of C, double of C."""
    text = str(node.value)
    if node.style in ('"', "'") or node.tag == STRING:
        return text
    if text in BOOLEANS:
        return BOOLEANS[text]
    if len(text) < 99 and INTEGER.fullmatch(text):
        digits = text.lstrip('+-')
        base = 16 if digits[:2].lower() == '0x' else 8 if digits[0] == '0' else 10
        number = int(text, base)
        if -(2**63) <= number < 2**63:
            return number
    if DECIMAL.fullmatch(text):
        infinite = text.lower().lstrip('+-.').startswith('inf')
        value = float(text.replace('.', '', 1) if 'n' in text.lower() else text)
        return text if math.isinf(value) and not infinite else value  # text if out of range
    return float.fromhex(text) if HEXADECIMAL.fullmatch(text) else text
