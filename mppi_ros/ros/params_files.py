"""
The params files of a process: whether they address a node at all, and what they give to every one.

rclpy merges all files into one set of values and says neither. A file whose keys name another node
leaves this one on its defaults; a section `/**:` holds parameters of other nodes as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
import re
from typing import Any

import yaml

PARAMETERS = 'ros__parameters'


def files(arguments: Sequence[str]) -> list[str]:
    """Return the params files among the arguments of a process."""
    found = _values(arguments, ('--params-file',))
    return list(dict.fromkeys(found))


def unaddressed(arguments: Sequence[str], node: str) -> list[str]:
    """Return for each params file in which no key addresses the node what is wrong with it."""
    complaints = []
    for file in files(arguments):
        keys = [pattern for pattern, _ in _sections(file)]
        if keys and not any(_matches(pattern, node) for pattern in keys):
            complaints.append(
                f'no key of the params file {file} addresses {node}: it is as if there was none; '
                f'its keys are {", ".join(sorted(set(keys)))}'
            )
        elif not keys:
            complaints.append(f'the params file {file} holds no {PARAMETERS}')
    return complaints


def shared_names(arguments: Sequence[str], node: str) -> frozenset[str]:
    """
    Return the names of parameters that only sections for several nodes give to this one.

    These are keys that name no node, such as `/**:`; `/**/mppi_controller:` does. A name
    that its own section or an argument gives, too, is not among them.
    """
    shared, own = set[str](), set[str]()
    for file in files(arguments):
        for pattern, names in _sections(file):
            if _matches(pattern, node):
                (shared if '*' in pattern.rpartition('/')[2] else own).update(names)
    for rule in _values(arguments, ('-p', '--param')):
        own.add(rule.split(':=', 1)[0].rpartition(':')[2])
    return frozenset(shared - own)


def _values(arguments: Sequence[str], flags: tuple[str, ...]) -> Iterator[str]:
    """Yield what follows one of the flags among the ROS arguments."""
    ros = False
    for flag, value in zip(arguments, [*arguments[1:], ''], strict=True):
        if flag in ('--ros-args', '--'):
            ros = flag == '--ros-args'
        elif ros and flag in flags and value:
            yield value


class _Untagged(yaml.SafeLoader):
    """Loads what a tag stands before as if there was none, as rcl does: launch writes tuples."""

    def construct_anything(self, _: str, node: yaml.Node) -> Any:
        """Return the value of a node of an unknown tag."""
        if isinstance(node, yaml.MappingNode):
            return self.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return self.construct_sequence(node, deep=True)
        return self.construct_scalar(node)  # type: ignore[arg-type]


_Untagged.add_multi_constructor('', _Untagged.construct_anything)


def _sections(file: str) -> list[tuple[str, frozenset[str]]]:
    """Return each pattern of node names in a file with the names of the parameters under it."""
    try:
        content = yaml.load(Path(file).read_text('utf-8'), _Untagged)
        return list(_nodes(content, ''))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return []  # rclpy has complained, or reads it otherwise


def _nodes(content: Any, prefix: str) -> Iterator[tuple[str, frozenset[str]]]:
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        if key == PARAMETERS:
            yield prefix or '/', frozenset(_flat(value, ''))
        else:
            yield from _nodes(value, f'{prefix}/{str(key).strip("/")}')


def _flat(content: Any, prefix: str) -> Iterator[str]:
    if not isinstance(content, dict):
        yield prefix
        return
    for key, value in content.items():
        yield from _flat(value, f'{prefix}.{key}' if prefix else str(key))


def _matches(pattern: str, node: str) -> bool:
    """Tell whether a pattern with * for a token and ** for any number fits a full name."""
    tokens = (
        {'**': '(/[^/]+)*', '*': '/[^/]+'}.get(token, '/' + re.escape(token))
        for token in pattern.strip('/').split('/')
    )
    return re.fullmatch(''.join(tokens), node) is not None
