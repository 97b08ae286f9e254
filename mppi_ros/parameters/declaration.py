"""Declaration of parameters as frozen dataclasses with default, unit, range and description."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
import dataclasses
from dataclasses import dataclass
import difflib
import sys
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

import numpy as np

from mppi_ros.parameters.errors import ParameterError

T = TypeVar('T')
Value = bool | int | float | str | tuple[float, ...]


@dataclass(frozen=True)
class ParameterInfo:
    """
    Description of one parameter.

    `name` is dotted ('critics.obstacle.weight'); `kind` is one of 'bool', 'integer', 'double',
    'string', 'double_array'; `low` and `high` bound a number or each element of an array;
    `former_name` is its dotted name in an earlier version, '' for none.
    """

    name: str
    kind: str
    default: Value
    unit: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    description: str
    live: bool
    former_name: str

    @property
    def range_text(self) -> str:
        """Return the range as text, such as '[0.005, 1.0] s' or 'one of a, b'."""
        if self.choices:
            return 'one of ' + ', '.join(self.choices)
        if self.low is None and self.high is None:
            return 'any'
        low = '(-inf' if self.low is None else f'[{self.low:g}'
        high = 'inf)' if self.high is None else f'{self.high:g}]'
        return f'{low}, {high} {self.unit}'.rstrip()


def parameter(
    default: Any,
    description: str,
    *,
    unit: str = '',
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    name: str | None = None,
    live: bool = True,
    former_name: str = '',
) -> Any:
    """
    Declare a field of a parameter dataclass; `name` is its name outside Python.

    `former_name` is the complete dotted name in an earlier version; its use is rejected with a
    reference to the new name.
    """
    return dataclasses.field(
        default=default,
        metadata={
            'description': description,
            'unit': unit,
            'low': low,
            'high': high,
            'choices': choices,
            'name': name,
            'live': live,
            'former_name': former_name,
        },
    )


def group(
    cls: type[T], name: str | None = None, defaults: Mapping[str, Any] | None = None
) -> T:
    """
    Declare a group of parameters; `name=''` omits the level in dotted names.

    `defaults`, {dotted name within the group: value}, override the declared ones.
    """
    changed = dict(defaults or {})
    field: T = dataclasses.field(
        default_factory=(lambda: replace(cls(), changed)) if changed else cls,
        metadata={'name': name, 'group': True, 'defaults': changed},
    )
    return field


def describe(cls: type[Any]) -> tuple[ParameterInfo, ...]:
    """Return all parameters of a parameter dataclass, with dotted names."""
    return tuple(info for info, _ in _walk(cls))


def flatten(parameters: Any) -> dict[str, Value]:
    """Return {dotted name: value} of all parameters."""
    values = {}
    for info, path in _walk(type(parameters)):
        owner = parameters
        for attribute in path:
            owner = getattr(owner, attribute)
        values[info.name] = owner
    return values


def replace(parameters: T, changes: Mapping[str, Any]) -> T:
    """
    Return `parameters` with all `changes` {dotted name: value} applied.

    Raises
    ------
    ParameterError
        A name is unknown (the closest valid one is named), a value has the wrong type or is out
        of range, or the values are inconsistent.

    """
    known = {info.name: (info, path) for info, path in _walk(type(parameters))}
    tree: dict[str, Any] = {}
    for name, value in changes.items():
        if name not in known:
            infos = [info for info, _ in known.values()]
            raise ParameterError(_unknown(name, value, infos))
        info, path = known[name]
        branch = tree
        for attribute in path[:-1]:
            branch = branch.setdefault(attribute, {})
        branch[path[-1]] = check(info, value)
    return _rebuild(parameters, tree)


def _unknown(name: str, value: Any, infos: Iterable[ParameterInfo]) -> str:
    """Return the message on a name that is no parameter; it may be that of a group."""
    members = [info.name for info in infos if info.name.startswith(f'{name}.')]
    if members:
        return (
            f'{name} = {value!r} must be a group of parameters, such as {name}: '
            f'{{{members[0].removeprefix(name + ".")}: ...}}'
        )
    for info in infos:
        if name.startswith(f'{info.name}.'):
            return f'unknown parameter {name}: {info.name} is a single value, {_expected(info)}'
    return f'unknown parameter {name}{hint_for(name, infos)}'


def hint_for(name: str, infos: Iterable[ParameterInfo], cutoff: float = 0.6) -> str:
    """Return a hint for an unknown name, '' without a similar one."""
    names = {info.former_name: info.name for info in infos if info.former_name}
    if name in names:
        return f': it is named {names[name]} now'
    near = difflib.get_close_matches(name, [info.name for info in infos], n=1, cutoff=cutoff)
    return f'; did you mean {near[0]}?' if near else ''


def validate(parameters: Any) -> None:
    """
    Convert all values of a parameter dataclass to their types: lists and arrays become tuples.

    Raises
    ------
    ParameterError
        A value has a wrong type or is out of range.

    """
    for info, path in _walk(type(parameters)):
        owner = parameters
        for attribute in path[:-1]:
            owner = getattr(owner, attribute)
        value = getattr(owner, path[-1])
        checked = check(info, value)
        if type(checked) is not type(value) or isinstance(checked, tuple):
            object.__setattr__(owner, path[-1], checked)


def check(info: ParameterInfo, value: Any) -> Value:
    """Return `value` converted to the type of the parameter, or raise ParameterError."""
    if info.kind == 'double_array':
        scalar = not hasattr(value, '__iter__') or getattr(value, 'ndim', 1) == 0
        if scalar or isinstance(value, (str, bytes)):
            raise ParameterError(f'{info.name} = {value!r} must be {_expected(info)}')
        return tuple(_number(info, element) for element in value)
    if isinstance(value, np.generic):
        value = value.item()
    if info.kind == 'double':
        return _number(info, value)
    expected = {'bool': bool, 'integer': int, 'string': str}[info.kind]
    if type(value) is not expected:
        raise ParameterError(f'{info.name} = {value!r} must be {_expected(info)}')
    if info.kind == 'integer':
        _check_range(info, cast(int, value))
    if info.choices and value not in info.choices:
        raise ParameterError(f'{info.name} = {value!r} is not {info.range_text}')
    return cast(Value, value)


def _expected(info: ParameterInfo) -> str:
    """Return type, range and unit of a parameter as text."""
    kind = _EXPECTED.get(info.kind, f'of type {info.kind}')
    return f'{kind}{_range(info)}'


def _range(info: ParameterInfo) -> str:
    if info.range_text == 'any':
        return f' [{info.unit}]' if info.unit else ''
    return f', {info.range_text}' if info.choices else f' within {info.range_text}'


def _number(info: ParameterInfo, value: Any) -> float:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ParameterError(f'{info.name} = {value!r} must be a number{_range(info)}')
    _check_range(info, value)
    return float(value)


def _check_range(info: ParameterInfo, value: float) -> None:
    inside = (info.low is None or value >= info.low) and (info.high is None or value <= info.high)
    finite = -sys.float_info.max <= value <= sys.float_info.max  # also for large integers
    if not (finite and inside):
        unit = f' {info.unit}' if info.unit else ''
        raise ParameterError(f'{info.name} = {value!r}{unit} is outside {info.range_text}')


_KINDS = {bool: 'bool', int: 'integer', float: 'double', str: 'string'}
_EXPECTED = {
    'bool': 'of type bool, true or false',
    'double': 'a number',
    'double_array': 'a list of numbers',
}


_walks: dict[type[Any], tuple[tuple[ParameterInfo, tuple[str, ...]], ...]] = {}


def _walk(cls: type[Any]) -> tuple[tuple[ParameterInfo, tuple[str, ...]], ...]:
    """Return all parameters with their attribute paths; cached, since reading types is slow."""
    if cls not in _walks:
        _walks[cls] = tuple(_walked(cls, '', (), {}))
    return _walks[cls]


def _walked(
    cls: type[Any], prefix: str, path: tuple[str, ...], defaults: Mapping[str, Any]
) -> Iterator[tuple[ParameterInfo, tuple[str, ...]]]:
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        meta = field.metadata
        name = field.name if meta.get('name') is None else meta['name']
        if meta.get('group'):
            inner = name + '.' if name else ''
            changed = {
                key.removeprefix(inner): value
                for key, value in defaults.items() if key.startswith(inner)
            }  # fmt: skip
            yield from _walked(
                hints[field.name], prefix + inner, (*path, field.name),
                {**meta['defaults'], **changed},
            )  # fmt: skip
            continue
        hint = hints[field.name]
        array = get_origin(hint) is tuple and get_args(hint)[0] is float
        info = ParameterInfo(
            name=prefix + name,
            kind='double_array' if array else _KINDS[hint],
            default=cast(Value, defaults.get(name, field.default)),
            unit=meta['unit'],
            low=meta['low'],
            high=meta['high'],
            choices=meta['choices'],
            description=meta['description'],
            live=meta['live'],
            former_name=meta['former_name'],
        )
        yield info, (*path, field.name)


def _rebuild(parameters: T, tree: Mapping[str, Any]) -> T:
    changes = {
        name: _rebuild(getattr(parameters, name), value) if isinstance(value, dict) else value
        for name, value in tree.items()
    }
    return dataclasses.replace(parameters, **changes)  # type: ignore[type-var]
