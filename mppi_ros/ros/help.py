"""Text of `--help` of a node: a man page with the parameters from their declarations."""

from __future__ import annotations

import inspect
import sys
import textwrap
from typing import Any

from mppi_ros.parameters.declaration import ParameterInfo, describe

PAGE_WIDTH = 88
SECTION_ORDER = ('NAME', 'SYNOPSIS', 'DESCRIPTION', 'PARAMETERS', 'EXIT STATUS', 'SEE ALSO')


def help_text(name: str, node: type[Any], parameters: type[Any]) -> str:
    """Return the man page of an executable with a node class and a parameter dataclass."""
    summary = str(inspect.getdoc(sys.modules[node.__module__])).splitlines()[0]
    sections = {
        'NAME': f'{name} - {summary[0].lower()}{summary[1:].rstrip(".")}',
        'SYNOPSIS': f'ros2 run mppi_ros {name} [--help] [--ros-args [-p NAME:=VALUE] '
        '[--params-file FILE] [-r FROM:=TO] [-r __ns:=/NAMESPACE] ...]',
        'DESCRIPTION': str(inspect.getdoc(node)),
        'EXIT STATUS': '0 after SIGINT or SIGTERM, 1 after an unexpected error, 2 for bad '
        'arguments or parameters.',
        'SEE ALSO': 'ros2 node info, ros2 param describe; README.md and docs/ of mppi_ros.',
    }
    pages = {title: _filled(text, 4) for title, text in sections.items()}
    pages['PARAMETERS'] = '\n\n'.join(map(_parameter, describe(parameters)))
    return '\n\n'.join(f'{title}\n{pages[title]}' for title in SECTION_ORDER)


def _parameter(info: ParameterInfo) -> str:
    default = repr(info.default) if info.kind == 'string' else str(info.default).lower()
    bounds = '' if info.range_text == 'any' else f', {info.range_text}'
    late = '' if info.live else ', at start only'
    head = f'{info.name} ({info.kind}, default {default}{bounds}{late})'
    return f'{_filled(head, 4)}\n{_filled(info.description, 8)}'


def _filled(text: str, indent: int) -> str:
    """Wrap paragraphs, separated by empty lines, to the page width."""
    return '\n\n'.join(
        textwrap.fill(
            ' '.join(paragraph.split()), PAGE_WIDTH, initial_indent=' ' * indent,
            subsequent_indent=' ' * indent, break_long_words=False, break_on_hyphens=False,
        )
        for paragraph in text.split('\n\n')
    )  # fmt: skip
