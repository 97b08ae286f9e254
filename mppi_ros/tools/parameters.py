"""The page of all parameters, docs/parameters.md, written from their declarations."""

from __future__ import annotations

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.parameters.declaration import ParameterInfo, describe
from mppi_ros.share import share_path

HEAD = """# Parameters of `mppi_controller`

Written by `python -m mppi_ros.tools.parameters` from the declarations in `mppi_ros/*/settings.py`;
`ros2 param describe` shows the same. Costs are in seconds: a weight of 1 makes a critic worth one
second of delay. A parameter that is not live takes effect at the next start.
"""
COLUMNS = ('| name | default | range | live | meaning |', '|---|---|---|---|---|')


def table() -> str:
    """Return the page in Markdown, one table for each group of parameters."""
    groups: dict[str, list[ParameterInfo]] = {}
    for info in describe(ControllerParameters):
        groups.setdefault(info.name.rpartition('.')[0].split('.')[0], []).append(info)
    parts = [HEAD.rstrip()]
    for group, members in groups.items():
        title = f'`{group}`' if group else 'Optimiser and node'
        parts += [f'\n## {title}\n', *COLUMNS, *map(_row, members)]
    return '\n'.join(parts) + '\n'


def _row(info: ParameterInfo) -> str:
    default = list(info.default) if isinstance(info.default, tuple) else info.default
    shown = str(default).lower() if isinstance(default, bool) else default
    live = 'yes' if info.live else 'no'
    meaning = info.description.replace('|', '\\|')
    return f'| `{info.name}` | `{shown}` | {info.range_text} | {live} | {meaning} |'


def main() -> None:
    """Write the page into the checkout."""
    page = share_path('docs', 'parameters.md')
    page.parent.mkdir(exist_ok=True)
    page.write_text(table(), 'utf-8')


if __name__ == '__main__':
    main()
