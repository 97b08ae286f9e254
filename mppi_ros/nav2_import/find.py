"""Search for the controller in a Nav2 parameter file, for any plugin and notation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
import re
from typing import Any

from mppi_ros.nav2_import.controllers import MPPI, UNKNOWN, Kind, kind_of
from mppi_ros.nav2_import.read import OUTSIDE, Section
from mppi_ros.nav2_import.report import shown
from mppi_ros.nav2_import.rules import CHECKERS as ROLES
from mppi_ros.nav2_import.rules import SERVER as SERVER_RULES
from mppi_ros.parameters.errors import ParameterError

WRAPPED = ('primary_controller', 'primary_controller.plugin', 'inner_plugin')
NAME, SERVER = 'FollowPath', 'controller_server'  # defaults of Nav2
LIKE_MPPI = {'batch_size', 'time_steps', 'model_dt', 'CostCritic', 'PathAlignCritic'}


@dataclass
class Choice:
    """
    Controller whose parameters are converted.

    Attributes
    ----------
    section : Section
        Node of the controller.
    name : str
        Name of the plugin, such as FollowPath.
    kind : Kind
        Conversion table of the plugin.
    is_wrapped : bool
        Whether another plugin wraps it, such as RotationShim.
    others : tuple of str
        Controllers of the same node that are not converted.
    rivals : list of Section
        Other nodes with controllers.
    parts : list of Section
        Sections of the file that apply to the node.

    """

    section: Section
    name: str
    kind: Kind
    is_wrapped: bool
    others: tuple[str, ...] = ()
    rivals: list[Section] = field(default_factory=list)
    parts: list[Section] = field(default_factory=list)

    @property
    def is_mppi(self) -> bool:
        """Return whether it is Nav2's MPPI controller or derived from it."""
        return self.kind is MPPI

    @property
    def label(self) -> str:
        """Return the names of node and controller."""
        return f'{self.section.node.strip("/")}/{self.name} ({self.kind.name})'.lstrip('/')

    @property
    def namespace(self) -> str:
        """Return the namespace of the node; none if a wildcard stands for it."""
        above = self.section.node.strip('/').rpartition('/')[0]
        return '' if '*' in above else above

    @property
    def checkers(self) -> dict[str, str]:
        """Return the role of each checker and path handler in use: the first of each list."""
        values = self.section.values
        found = {}
        for role, default in (('progress_checker', 'progress_checker'),
                              ('goal_checker', 'goal_checker'), ('path_handler', 'PathHandler')):
            names = [name for key in (f'{role}_plugins', f'{role}_plugin')
                     for name in as_names(values.get(key))]
            found[names[0] if names else default] = role
        if not any(key.startswith(f'{name}.') for name in found for key in values):
            plugins = [(key.partition('.')[0], str(value)) for key, value in values.items()
                       if key.endswith('.plugin')]
            found |= {name: role for role in ROLES for name, plugin in plugins
                      if plugin.startswith('nav2_controller::')
                      and role.replace('_', '') in plugin.lower()}
        return found

    def parameters(self) -> dict[str, Any]:
        """Return its parameters, without the name of the controller."""
        start = f'{self.name}.'
        return {name.removeprefix(start): value for name, value in self.section.values.items()
                if name.startswith(start)}

    def inner(self) -> dict[str, Any]:
        """Return its parameters without the names of the controller and of a wrapped one."""
        mine, start = self.parameters(), f'{WRAPPED[0]}.'
        wrapped = {name.removeprefix(start): value for name, value in mine.items()
                   if name.startswith(start)}
        return wrapped | mine

    def reads(self, name: str) -> bool:
        """Return whether a parameter of all nodes is one of the controller server."""
        head, dot, _ = name.partition('.')
        if not dot:
            return name in SERVER_RULES
        plugin = str(self.section.values.get(f'{head}.plugin', ''))
        return head in (self.name, *self.others, *self.checkers) or (
            plugin.startswith('nav2_controller::'))

    def listed(self, mine: dict[str, Any]) -> list[str]:
        """Return the critics in use."""
        return as_names(mine.get('critics', mine.get('primary_controller.critics')))


def choose(found: list[Section], wanted: str) -> Choice:
    """
    Return the controller of that name, or the MPPI controller, or else the first.

    Raises
    ------
    ParameterError
        There is none.

    """
    servers = _servers(found)
    every = [choice for each in servers for choice in _controllers(each[0])]
    if not every:  # a server without a plugin has rates and checkers
        every = [Choice(section, NAME, UNKNOWN, False) for section, _ in servers
                 if _last(section) == SERVER]
    fits = [choice for choice in every
            if wanted in ('', choice.name, f'{choice.section.node.strip("/")}/{choice.name}')]
    if not fits:
        names = ', '.join(shown(f'{each.section.node}/{each.name}'.lstrip('/')) for each in every)
        what = f'no controller {shown(wanted)}' if wanted and every else 'no controller'
        raise ParameterError(f'there is {what}; ' + (
            f'choose one of {names}' if every else
            'expected is a section with controller_plugins, as controller_server has it'))
    best = min(fits, key=lambda choice: (not choice.is_mppi, choice.kind is UNKNOWN))
    best.others = tuple(choice.name for choice in every
                        if choice.section is best.section and choice is not best)
    best.parts = next(parts for section, parts in servers if section is best.section)
    best.rivals = [part for section, parts in servers if section is not best.section
                   and any(section is each.section for each in every) for part in parts
                   if not applies_to_all(part) and not is_in(part, best.parts)]
    keep_shared(best.section, best.parts, best.reads)
    return best


def _servers(found: list[Section]) -> list[tuple[Section, list[Section]]]:
    """List the nodes with controllers, and the sections that apply to each of them."""
    nodes = [each for each in found if each.node != OUTSIDE]
    servers = [each for each in nodes if not applies_to_all(each)
               and (_last(each) == SERVER or _controllers(each))]
    servers = [each for each in servers if not any(applies(each, other) for other in servers)]
    return [combined(each, nodes) for each in servers or filter(applies_to_all, nodes)]


def _last(section: Section) -> str:
    return section.node.rpartition('/')[2]


def applies_to_all(section: Section) -> bool:
    """Return whether the parameters of a section apply to nodes of any name."""
    return _last(section) in ('*', '**')


def applies(pattern: Section, section: Section) -> bool:
    """Return whether a section with wildcards applies to a more specific one."""
    if '*' not in pattern.node or _rank(pattern) >= _rank(section):
        return False
    name = re.escape('/' + pattern.node.strip('/'))
    name = name.replace(r'/\*\*', '(/[^/]+)*').replace(r'/\*', '/[^/]+')
    return re.fullmatch(name, '/' + section.node.strip('/')) is not None


def _rank(section: Section) -> tuple[int, int]:
    """Return how specific the name of a section is."""
    return (sum('*' not in part for part in section.node.strip('/').split('/')),
            -section.node.count('*'))


def combined(section: Section, found: list[Section]) -> tuple[Section, list[Section]]:
    """
    Return a section with the values of all that apply to it, and these sections.

    A more specific section overrides another. With rclcpp alone, the later one does; nav2_bringup
    sorts the sections, so that those with wildcards are the first.
    """
    parts = [*sorted((each for each in found if applies(each, section)), key=_rank), section]
    whole = Section(section.node, {})
    for part in parts:
        whole.update(part)
    return whole, parts


def keep_shared(whole: Section, parts: list[Section], reads: Callable[[str], bool]) -> None:
    """Remove from a combined section the parameters of all nodes that its node does not read."""
    own = {name for part in parts if not applies_to_all(part) for name in part.names}
    whole.values = {name: value for name, value in whole.values.items()
                    if name in own or reads(name)}
    whole.repeated = [(name, value) for name, value in whole.repeated
                      if name in own or reads(name)]


def find_node(choice: Choice, found: list[Section], path: str) -> tuple[Section, list[Section]]:
    """
    Return the section of a node in the namespace of the controller, and the sections it combines.

    `path` is the name of the node below the namespace. The section is empty if there is none.
    """
    exact, name = Section(f'{choice.namespace}/{path}'.strip('/'), {}), path.rpartition('/')[2]
    near = [each for each in found if each.values and each.node.strip('/').endswith(name)
            and not is_in(each, choice.parts)
            and each.node.strip('/').startswith(f'{choice.namespace}/'.lstrip('/'))]
    near = [each for each in near if not any(applies(each, other) for other in near)]
    return combined(near[0] if near else exact, [each for each in found if each.node != OUTSIDE])


def is_in(section: Section, those: list[Section]) -> bool:
    """Return whether a list has this section, and not only an equal one."""
    return any(section is each for each in those)


def _controllers(section: Section) -> list[Choice]:
    """List the controllers of a node, those of controller_plugins first."""
    values = section.values
    listed = as_names(values.get('controller_plugins'))
    heads = dict.fromkeys([*listed, *(name.partition('.')[0] for name in values if '.' in name)])
    found = []
    for head in heads:
        own = {name.partition('.')[2]: value for name, value in values.items()
               if name.startswith(f'{head}.')}
        inner = [str(own[name]) for name in WRAPPED if name in own]
        kind = kind_of(inner[0] if inner else str(own.get('plugin', '')))
        parts = {part for name in own for part in name.split('.')}
        if kind is None and len(parts & LIKE_MPPI) > 1:  # a fork, or without its plugin
            kind = MPPI
        if kind is None and (head in listed or inner):
            kind = UNKNOWN
        if kind is not None:
            found.append(Choice(section, head, kind, bool(inner)))
    return found


def as_names(value: Any) -> list[str]:
    """Return the names of a list, or of a single text."""
    if isinstance(value, str) and value:
        return [value]
    return [str(each) for each in value] if isinstance(value, list) else []
