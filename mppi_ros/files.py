"""Reading of untrusted files with bounded size, depth and error messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import json
from pathlib import Path
import re
from typing import Any

import yaml

from mppi_ros.parameters.errors import InputError, MppiError

MAX_YAML_BYTES = 4_000_000  # [bytes] parsed in some tens of seconds
MAX_TEXT_BYTES = 256_000_000  # [bytes]
MAX_YAML_DEPTH = 50  # levels of a YAML file
MAX_YAML_VALUES = 1_000_000  # of a YAML file, with its aliases expanded
NUMBERS = {  # neither 1_000 nor 1:30, which YAML 1.1 reads as numbers, nor octal 010
    'tag:yaml.org,2002:int': r'^[+-]?(0|[1-9][0-9]*|0x[0-9a-fA-F]+)$',
    'tag:yaml.org,2002:float': r'^([+-]?([0-9]+\.[0-9]*|\.?[0-9]+)([eE][+-]?[0-9]+)?'
    r'|[+-]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$',
}
MAX_ERROR_LENGTH = 300  # characters of an error that come from the file


@contextmanager
def reading(path: str | Path, what: str) -> Iterator[None]:
    """
    Convert any exception while reading a file to an InputError with a one-line message.

    Parsers raise many exception types for a damaged file: KeyError, struct.error, RecursionError.

    Parameters
    ----------
    path : str or Path
        Path of the file.
    what : str
        Expected content, such as 'YAML' or 'an image'.

    """
    try:
        yield
    except MppiError as error:
        if str(path) in str(error):
            raise
        raise InputError(f'{path}: {one_line(error)}') from None
    except MemoryError:
        raise InputError(f'{path} takes too much memory to be {what}') from None
    except RecursionError:
        raise InputError(f'{path} is not {what}: it is nested too deeply') from None
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:  # from the system, not from a parser
            raise InputError(f'{path}: {error.strerror}') from None
        message = one_line(error) or type(error).__name__
        raise InputError(f'{path} is not {what}: {message}') from None


def shortened(value: object) -> str:
    """Return the representation of a value from a file in one line of bounded length."""
    return one_line(repr(value))


def one_line(error: object) -> str:
    """Return the text of an error in one line of bounded length."""
    message = ' '.join(str(error).split())
    return message if len(message) <= MAX_ERROR_LENGTH else f'{message[:MAX_ERROR_LENGTH]} ...'


def read_text(path: str | Path, most: int = MAX_TEXT_BYTES) -> str:
    """
    Return the text of a file in UTF-8.

    Raises
    ------
    InputError
        The file cannot be read, is not text or larger than `most` bytes.

    """
    with reading(path, 'text'), Path(path).open('rb') as file:
        content = file.read(most + 1)  # bounded, also for /dev/zero
        if len(content) > most:
            raise InputError(f'{path} is larger than {most / 1e6:g} MB')
        return content.decode('utf-8')


class _Loader(yaml.SafeLoader):
    """Loader that reads numbers as in YAML 1.2, such as 1e-2, and refuses repeated keys."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in pairs if tag not in NUMBERS]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }  # fmt: skip

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Return the next mapping."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                raise InputError(
                    f'{key.value} occurs twice, in lines {lines[key.value]} and {line}: delete one'
                )
            lines[key.value] = line
        return node


for _tag, _pattern in NUMBERS.items():
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), list('+-.0123456789'))


def load_yaml(path: str | Path) -> Any:
    """
    Return the content of a YAML file.

    Raises
    ------
    InputError
        The file cannot be read, is not YAML, has a repeated key, or is too large or too deeply
        nested.

    """
    with reading(path, 'YAML'):
        content = yaml.load(read_text(path, MAX_YAML_BYTES), _Loader)
        _check_extent(path, content)
        return content


def _check_extent(path: str | Path, content: Any) -> None:
    """Check depth and size with all aliases expanded, which can be exponential or infinite."""
    count, waiting = 0, [(content, 0)]
    while waiting:
        value, depth = waiting.pop()
        if not isinstance(value, (dict, list, tuple, set)):
            continue
        count += len(value)
        if depth >= MAX_YAML_DEPTH:
            raise InputError(f'{path} is nested more than {MAX_YAML_DEPTH} levels deep')
        if count > MAX_YAML_VALUES:
            raise InputError(f'{path} holds more than {MAX_YAML_VALUES} values')
        members = value.values() if isinstance(value, dict) else value
        waiting += [(member, depth + 1) for member in members]


def load_json(path: str | Path) -> Any:
    """
    Return the content of a JSON file.

    Raises
    ------
    InputError
        The file cannot be read, is not JSON, too large or too deeply nested.

    """
    with reading(path, 'JSON'):
        return json.loads(read_text(path))
