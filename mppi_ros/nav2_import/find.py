"""Search for the controller in a Nav2 parameter file, for any plugin and notation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mppi_ros.nav2_import.controllers import MPPI, UNKNOWN, Kind, kind_of
from mppi_ros.nav2_import.read import OUTSIDE, Section
from mppi_ros.nav2_import.report import shown
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

    """

    section: Section
    name: str
    kind: Kind
    is_wrapped: bool
    others: tuple[str, ...] = ()
    rivals: list[Section] = field(default_factory=list)

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
        """Return the namespace of the node."""
        return self.section.node.strip('/').rpartition('/')[0]

    @property
    def checkers(self) -> tuple[str, ...]:
        """Return the checkers and path handlers in use: the first of each list."""
        values = self.section.values
        found = []
        for role, default in (('progress_checker', 'progress_checker'),
                              ('goal_checker', 'goal_checker'), ('path_handler', 'PathHandler')):
            names = _names(values.get(f'{role}_plugins')) or _names(values.get(f'{role}_plugin'))
            found.append(names[0] if names else default)
        if not any(f'{name}.' in key for name in found for key in values):
            found += [key.partition('.')[0] for key, value in values.items()
                      if key.endswith('.plugin') and str(value).startswith('nav2_controller::')]
        return tuple(found)

    def parameters(self) -> dict[str, Any]:
        """Return its parameters, without the name of the controller."""
        start = f'{self.name}.'
        return {name.removeprefix(start): value for name, value in self.section.values.items()
                if name.startswith(start)}

    def listed(self, mine: dict[str, Any]) -> list[str]:
        """Return the critics in use."""
        return _names(mine.get('critics', mine.get('primary_controller.critics')))


def choose(found: list[Section], wanted: str) -> Choice:
    """
    Return the controller of that name, or the MPPI controller, or else the first.

    Raises
    ------
    ParameterError
        There is none.

    """
    every = [choice for section in found if section.node != OUTSIDE
             for choice in _controllers(section)]
    if not every:  # a server without a plugin has rates and checkers
        every = [Choice(section, NAME, UNKNOWN, False) for section in found
                 if section.node.rpartition('/')[2] == SERVER]
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
    best.rivals = [choice.section for choice in every if choice.section is not best.section]
    return best


def _controllers(section: Section) -> list[Choice]:
    """List the controllers of a node, those of controller_plugins first."""
    values = section.values
    listed = _names(values.get('controller_plugins'))
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


def _names(value: Any) -> list[str]:
    if isinstance(value, str) and value:
        return [value]
    return [str(each) for each in value] if isinstance(value, list) else []
