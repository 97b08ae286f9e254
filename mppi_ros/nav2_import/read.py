"""Reading of a Nav2 parameter file with bounded size, in which no value is lost silently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
import difflib
from pathlib import Path
from typing import Any

import yaml

from mppi_ros.parameters.errors import ParameterError

MAX_BYTES = 2**21
MAX_VALUES = 50_000  # after aliases are expanded
MAX_DEPTH = 40
SECTION = 'ros__parameters'
NAMELESS = '(no name)'
OUTSIDE = 'outside of ros__parameters'
REPEATED = 'is set more than once: the last value, or that of the more specific section, applies'
MERGE = 'tag:yaml.org,2002:merge'
STANDARD = 'tag:yaml.org,2002:'
NODES = ('controller_server', 'local_costmap', 'velocity_smoother')  # that the conversion reads
Path_ = tuple[str, ...]


@dataclass
class Source:
    """
    Content of a file.

    Attributes
    ----------
    trees : list
        The mappings of all documents as one dictionary; then documents that are no mapping.
    repeated : list of (tuple of str, value)
        Values that a repeated key replaces, and their location.

    """

    trees: list[Any] = field(default_factory=list)
    repeated: list[tuple[Path_, Any]] = field(default_factory=list)


@dataclass
class Section:
    """The parameters of one node, by dotted names."""

    node: str
    values: dict[str, Any]
    repeated: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """Return the names of its parameters."""
        return {*self.values, *(name for name, _ in self.repeated)}

    def update(self, other: Section) -> None:
        """Set the values of another section of the node, which replace those of this one."""
        self.repeated += [(name, self.values[name]) for name in other.values
                          if name in self.values] + other.repeated
        self.values |= other.values


def read(path: Path) -> Source:
    """
    Return the content of a YAML file; tags are ignored, aliases are expanded within bounds.

    Raises
    ------
    ParameterError
        The file is too large, is not YAML in UTF-8, or expands beyond the bounds.
    OSError
        It cannot be read.

    """
    with path.open('rb') as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ParameterError(f'is larger than {MAX_BYTES} bytes')
    try:
        text = content.decode('utf-8-sig')
        nodes = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise ParameterError(f'is not YAML: {" ".join(str(error).split())}') from None
    except RecursionError:
        raise ParameterError('is nested too deeply') from None
    reader = _Reader()
    whole: dict[str, Any] = {}
    for tree in [reader.value(node, ()) for node in nodes]:
        if isinstance(tree, dict):
            whole = reader.merged(whole, tree, ())
        else:
            reader.source.trees.append(tree)
    reader.source.trees[:0] = [whole] if whole else []
    return reader.source


class _Reader:
    """Converter of YAML nodes to values, which counts the values."""

    def __init__(self) -> None:
        self.source = Source()
        self.constructor = yaml.constructor.SafeConstructor()
        self.count = 0

    def value(self, node: yaml.Node, path: Path_) -> Any:
        """Return the value of a node."""
        self.count += 1
        if self.count > MAX_VALUES:
            raise ParameterError(f'expands to more than {MAX_VALUES} values')
        if len(path) > MAX_DEPTH:
            raise ParameterError(f'is nested deeper than {MAX_DEPTH} levels')
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(each, (*path, str(at))) for at, each in enumerate(node.value)]
        return self.scalar(node)

    def mapping(self, node: yaml.MappingNode, path: Path_) -> dict[str, Any]:
        """Return a mapping; values of a repeated key are merged as in ROS."""
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, each in node.value:
            if key.tag == MERGE:
                for one in each.value if isinstance(each, yaml.SequenceNode) else [each]:
                    found = self.value(one, (*path, '<<'))
                    merged = {**found, **merged} if isinstance(found, dict) else merged
                continue
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else '(not a name)'
            value = self.value(each, (*path, name))
            own[name] = self.merged(own[name], value, (*path, name)) if name in own else value
        return {**merged, **own}

    def merged(self, old: Any, new: Any, path: Path_) -> Any:
        """Return two values of one key: mappings are merged, else the last value applies."""
        if isinstance(old, dict) and isinstance(new, dict):
            for key, value in new.items():
                old[key] = (
                    self.merged(old[key], value, (*path, key)) if key in old else value)
            return old
        if isinstance(old, dict) and old and new is None:  # a key without content
            return old
        if old is not None:
            self.source.repeated += [((*path, *inner), value) for inner, value in leaves(old)]
        return new

    def scalar(self, node: Any) -> Any:
        """Return a scalar; a type that is not part of YAML stays text."""
        text = str(node.value)
        kind = node.tag.removeprefix(STANDARD)
        if kind in ('bool', 'int', 'float', 'null'):
            try:
                return self.constructor.construct_object(node)
            except (ValueError, LookupError, OverflowError, yaml.YAMLError):
                return text
        if kind == 'str' and node.style is None:  # 1e-3, a number for ROS and text for PyYAML
            try:
                return float(text) if text[-1:].isdigit() else text
            except ValueError:
                return text
        return text


def leaves(tree: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """List the values of a tree; a list or an empty mapping is one value."""
    if isinstance(tree, Mapping) and tree:
        for key, value in tree.items():
            yield from leaves(value, (*path, str(key)))
    else:
        yield path, tree


def sections(source: Source) -> list[Section]:
    """
    List the parameters of every node, with the path to the node.

    A file without ros__parameters has the parameters of one node.

    Raises
    ------
    ParameterError
        The key ros__parameters is misspelled or missing.

    """
    for tree in source.trees:
        _check_levels(tree)
    found: dict[str, Section] = {}
    for each in (each for tree in source.trees for each in _sections(tree)):
        first = found.setdefault(each.node.strip('/'), each)
        if first is not each:
            first.update(each)
    if not found:
        return [_section('', tree, source) for tree in source.trees if isinstance(tree, dict)]
    stray = {'.'.join(path): value for tree in source.trees for path, value in leaves(tree)
             if SECTION not in path and path and value is not None}
    if stray:
        found[OUTSIDE] = Section(OUTSIDE, stray)
    for path, value in source.repeated:
        at = path.index(SECTION) if SECTION in path else -1
        node = OUTSIDE if at < 0 else '/'.join(path[:at])
        owner = found.setdefault(node.strip('/'), Section(node, {}))
        owner.repeated.append(('.'.join(path[at + 1:]) or NAMELESS, value))
    return list(found.values())


def _sections(tree: Any, path: Path_ = ()) -> Iterator[Section]:
    for key, value in tree.items() if isinstance(tree, Mapping) else ():
        if str(key) == SECTION:
            yield _section('/'.join(path), value)
        else:
            yield from _sections(value, (*path, str(key)))


def _check_levels(tree: Any, path: Path_ = ()) -> None:
    """Refuse a node whose parameters are not below ros__parameters, as ROS does."""
    for key, value in tree.items() if isinstance(tree, Mapping) else ():
        name = str(key)
        if name == SECTION:
            continue
        where = '/'.join((*path, name))
        if isinstance(value, Mapping) and difflib.get_close_matches(
                name.lower().replace('-', '_'), [SECTION], cutoff=0.8):
            raise ParameterError(f'{where} is misspelled: the parameters of a node are below the '
                                 f'key {SECTION}')
        _check_levels(value, (*path, name))
        inner = [each for each, given in leaves(value) if each and given is not None]
        if name.rpartition('/')[2] in NODES and inner and not any(
                SECTION in each for each in inner):
            raise ParameterError(f'{where} lacks the key {SECTION}: the parameters of a node are '
                                 'below it')


def _section(node: str, tree: Any, source: Source | None = None) -> Section:
    """Return the section of a tree; `source` has the repeated keys of a file with one section."""
    section = Section(node, {})
    if source is not None:
        repeated = source.repeated
        section.repeated += [('.'.join(path) or NAMELESS, value) for path, value in repeated]
    for path, value in leaves(tree) if tree not in (None, {}) else ():
        name = '.'.join(path) or NAMELESS
        if name in section.values:  # nested and with dots
            section.repeated.append((name, section.values[name]))
        section.values[name] = value
    return section
