"""
Check of params files: whether they address the node, and which parameters are shared by nodes.

rclpy merges all files into one set of values and reports neither. A file whose keys name another
node leaves this node at its defaults; a section `/**:` also contains parameters of other nodes.
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


def unaddressed(arguments: Sequence[str], node: str, controller_params: str = '') -> list[str]:
    """
    Return an error message for each params file that does not address the node.

    `controller_params` is the file of the controller, which need not address other nodes.
    """
    complaints = []
    for file in files(arguments):
        if file == controller_params:
            continue
        keys = [pattern for pattern, _ in _sections(file)]
        if keys and not any(_matches(pattern, node) for pattern in keys):
            complaints.append(
                f'no key of the params file {file} addresses {node}, so the file has no effect; '
                f'its keys are {", ".join(sorted(set(keys)))}'
            )
        elif not keys:
            complaints.append(f'the params file {file} contains no {PARAMETERS}')
    return complaints


def shared_names(arguments: Sequence[str], node: str) -> frozenset[str]:
    """
    Return the names of parameters that are set only in sections for several nodes.

    Such sections name no node, for example `/**:`; `/**/mppi_controller:` names one. Names that
    are also set in a section of the node or by an argument are excluded.
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
    """Yield the value after each occurrence of one of the flags among the ROS arguments."""
    ros = False
    for flag, value in zip(arguments, [*arguments[1:], ''], strict=True):
        if flag in ('--ros-args', '--'):
            ros = flag == '--ros-args'
        elif ros and flag in flags and value:
            yield value


class _Untagged(yaml.SafeLoader):
    """Loader that ignores YAML tags, as rcl does: launch writes tuples."""

    def construct_anything(self, _: str, node: yaml.Node) -> Any:
        """Return the value of a node with an unknown tag."""
        if isinstance(node, yaml.MappingNode):
            return self.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return self.construct_sequence(node, deep=True)
        return self.construct_scalar(node)  # type: ignore[arg-type]


_Untagged.add_multi_constructor('', _Untagged.construct_anything)


def _sections(file: str) -> list[tuple[str, frozenset[str]]]:
    """Return each node name pattern in a file with the parameter names under it."""
    try:
        content = yaml.load(Path(file).read_text('utf-8'), _Untagged)
        return list(_nodes(content, ''))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return []  # rclpy reports errors


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
    """Return whether a pattern, * for one token and ** for any number, matches a full name."""
    tokens = (
        {'**': '(/[^/]+)*', '*': '/[^/]+'}.get(token, '/' + re.escape(token))
        for token in pattern.strip('/').split('/')
    )
    return re.fullmatch(''.join(tokens), node) is not None
