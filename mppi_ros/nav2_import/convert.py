"""Conversion of the parameters of a Nav2 controller and local costmap, one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import difflib
from typing import Any

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.nav2_import.controllers import MPPI, SHIM, UNKNOWN_PLUGIN
from mppi_ros.nav2_import.distro import PUBLISHES_STAMPED, guess_distro
from mppi_ros.nav2_import.find import Choice, as_names, choose
from mppi_ros.nav2_import.limits import CombinedLimits
from mppi_ros.nav2_import.motion import Motion
from mppi_ros.nav2_import.read import REPEATED, Section, Source, sections
from mppi_ros.nav2_import.report import ACCELERATIONS, INFO, Import, Part, fitted, number, shown
from mppi_ros.nav2_import.robot_body import Body
from mppi_ros.nav2_import.rules import (
    CHECKER_DEFAULTS,
    CHECKERS,
    COMBINED,
    CRITICS,
    GENUINE,
    OPTIONAL,
    PLUGINS,
    POSITION_ONLY_CHECKERS,
    SAFETY_RELEVANT,
    SECTIONS,
    SERVER,
    SPEED,
    STD,
    UNITS,
    Rule,
    Scaled,
)
from mppi_ros.nav2_import.smoother import take_smoother
from mppi_ros.parameters.declaration import replace
from mppi_ros.parameters.errors import ParameterError

ANY_HEADING = 3.15  # [rad]
LONGER = "Nav2's default is 0 s, not in the file"
FAULT_TIME = 0.3  # [s] minimum duration of a fault: safety.recovery_time and two periods
NO_NUMBER = 'expected are parameters of a critic'
IDENTIFY_HINT = 'Nav2 has no equivalent: record a drive with bends and run mppi_evaluate identify'


def convert(content: Source | Mapping[str, Any], controller: str = '', distro: str = '',
            wheelbase: float | None = None) -> Import:
    """
    Convert the parameters of the controller in a nav2_params.yaml.

    Parameters
    ----------
    content : Source or dict
        Content of the file.
    controller : str
        Name of the controller plugin; '' selects the MPPI controller, or else the first.
    distro : str
        ROS 2 distribution whose defaults apply to missing parameters; '' derives it from the file.
    wheelbase : float, optional
        Distance between the axles of a car [m]; default: an estimate from the footprint.

    Raises
    ------
    ParameterError
        There is no controller, or no controller of that name.

    """
    source = content if isinstance(content, Source) else Source([content])
    found = sections(source)
    choice = choose(found, controller)
    distro, why = (distro, '') if distro else guess_distro(choice.section)
    conversion = _Conversion(choice, found, distro, wheelbase)
    conversion.done.release = f'ROS 2 {distro}' + (f' ({why}; --distro chooses)' if why else '')
    return conversion.run()


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint at a known name that is similar."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f'; did you mean {near[0]}?' if near else ''


class _Conversion:
    """Conversion of one controller."""

    def __init__(self, choice: Choice, found: list[Section], distro: str,
                 wheelbase: float | None) -> None:
        self.choice, self.found, self.wheelbase = choice, found, wheelbase
        self.kind = choice.kind
        self.knows_any = False
        self.mine = choice.parameters()  # of the controller, by their names without its own
        self.done = Import(distro, choice.label, choice.kind.hint)
        self.motion = Motion(self.done, choice, choice.inner())
        self.model = self.motion.model
        self.limits = CombinedLimits(self.done, self.kind, self.motion)
        self.body = Body(self.done, choice, found)

    def run(self) -> Import:
        """
        Convert single parameters, then those that depend on several parameters.

        Raises
        ------
        ParameterError
            No name of a parameter is known.

        """
        self._server()
        for name, value in self.mine.items():
            self._parameter(name, value)
        if not self.knows_any:
            raise ParameterError(f'there is no controller in {shown(self.choice.label)}: no name '
                                 'of its parameters is known')
        for name, value in self.choice.section.repeated:
            self.done.leave_out(name, value, REPEATED)
        self._in_use()
        self.limits.take()
        self._absent()
        self.limits.bound_speed()
        self.limits.measure_missing()
        take_smoother(self.done, self.choice, self.found, self.motion)
        self.motion.take()
        self.motion.take_centripetal_acceleration()
        self.body.take()
        if self.model == 'ackermann':
            self.motion.take_car(self.wheelbase, self.body.length)
        for ours in ('prediction.delay_linear', 'prediction.lag_linear'):
            self.done.measure(ours, IDENTIFY_HINT)
        self._settle()
        return self.done

    def _server(self) -> None:
        """Convert the parameters of controller_server and of its checkers."""
        values = self.choice.section.values
        for name, value in values.items():
            head, dot, rest = name.partition('.')
            plugin = values.get(f'{head}.plugin')
            if head == self.choice.name and dot:
                continue
            if not rest:
                self._apply(name, value, SERVER.get(name), SERVER)
            elif head in self.choice.others:
                self.done.leave_out(name, value,
                                    f'is another controller: --controller {shown(head)} takes it')
            elif (
                head in self.choice.checkers and rest in ('plugin', 'yaw_goal_tolerance')
                and str(plugin).endswith(POSITION_ONLY_CHECKERS)
            ):
                if rest != 'plugin':
                    self.done.leave_out(name, value, f'{shown(plugin)} accepts any heading')
                    continue
                self.done.put('goal.heading_tolerance', ANY_HEADING, f'{name} {value}')
                self.done.add(Part.TAKEN, name, value, 'goal.heading_tolerance')
            elif head in self.choice.checkers:
                known = CHECKERS[self.choice.checkers[head]]
                self._apply(name, value, known.get(rest), known)
            elif name.startswith('qos_overrides.'):
                self.done.leave_out(name, value, 'the quality of service is documented for each '
                                    'topic')
            else:
                self.done.leave_out(name, value, self._unused_plugin(head, str(plugin or '')))

    def _unused_plugin(self, head: str, plugin: str) -> str:
        """Return why the parameters of a plugin other than a controller are left out."""
        known = (self.choice.name, *self.choice.checkers)
        role = next((role for role in ('goal', 'progress')
                     if f'{role}checker' in plugin.lower()), '')
        if role and head in as_names(self.choice.section.values.get(f'{role}_checker_plugins')):
            return (f'belongs to a {role} checker that is not the first: behavior trees may '
                    'select it, mppi_ros has one')
        if role:
            return f'belongs to a {role} checker that is not listed' + _nearest(head, known)
        return 'is of a plugin that is not in use' + ('' if plugin else _nearest(head, known))

    def _parameter(self, name: str, value: Any) -> None:
        """Convert one parameter of the controller."""
        full = f'{self.choice.name}.{name}'
        inner = name.removeprefix('primary_controller.')
        critic, _, rest = inner.partition('.')
        if self.choice.is_mppi and critic in CRITICS and rest:
            self._critic(full, critic, rest, value)
        elif self.choice.is_mppi and critic in CRITICS:
            self.done.leave_out(full, value, NO_NUMBER)
        elif self.choice.is_mppi and rest and critic in self.choice.listed(self.mine):
            self.done.leave_out(full, value, 'is a critic of your own: parameter plugin loads one '
                                'that is written in Python')
        elif not self.choice.is_mppi and rest:
            self.done.leave_out(full, value, self.kind.rest or UNITS)
        elif rest and self._rule(name, inner) is None and critic not in SECTIONS:
            self.done.leave_out(full, value, 'is of an unknown section' + _nearest(
                critic, SECTIONS))
        else:
            self._apply(full, value, self._rule(name, inner), self.kind.rules)

    def _rule(self, name: str, inner: str) -> Rule | None:
        rules, last = self.kind.rules, inner.rpartition('.')[2]
        rule = rules.get(name) or rules.get(inner)
        if rule is None and last in ('plugin', 'min_turning_r'):  # of the motion model
            rule = rules.get(last)
        if rule is None and self.choice.is_wrapped:
            rule = SHIM.get(inner)
        if rule is None and (self.kind.rest or self.choice.is_wrapped):
            rule = self.kind.rest or UNKNOWN_PLUGIN
        return rule

    def _critic(self, full: str, critic: str, name: str, value: Any) -> None:
        if not self._uses(critic):
            off = name == 'enabled' and value is False
            weight = CRITICS[critic].get('cost_weight')
            if off and critic in OPTIONAL and isinstance(weight, Scaled):
                self.done.add(Part.TAKEN, full, value, weight.name, 'the critic is not in use')
            else:
                self.done.leave_out(full, value, 'is of a critic that is not in use')
        elif name == 'enabled' and isinstance(value, bool):
            self.done.add(Part.TAKEN, full, value, why='the critic is in use')
        elif isinstance(rule := CRITICS[critic].get(name), Scaled) and (
                first := self._critics_of(rule.name)[0]) != critic:
            self.done.leave_out(full, value, f'{first} is the first critic that gives {rule.name}')
        else:
            self._apply(full, value, rule, CRITICS[critic])

    def _critics_of(self, ours: str) -> list[str]:
        """Return the critics in use that have a weight, in the order of Nav2's list."""
        return [critic for critic in self.choice.listed(self.mine)
                if critic in CRITICS and self._uses(critic) and any(
                    isinstance(rule, Scaled) and rule.name == ours
                    for rule in CRITICS[critic].values())]

    def _uses(self, critic: str) -> bool:
        given = [self.mine.get(f'{way}{critic}.enabled') for way in ('', 'primary_controller.')]
        return critic in self.choice.listed(self.mine) and False not in given

    def _apply(self, full: str, value: Any, rule: Rule | None,
               known: Mapping[str, Rule]) -> None:
        """Apply the rule of one parameter."""
        last = full.rpartition('.')[2]
        self.knows_any |= rule not in (None, UNKNOWN_PLUGIN, self.kind.rest)
        if rule is None and last in GENUINE:
            self.done.leave_out(full, value, 'is a parameter of Nav2 that is not read here')
        elif rule is None and value in (None, {}, [], ''):
            self.done.leave_out(full, value, 'is empty')
        elif rule is None:
            self.done.leave_out(full, value, 'is unknown' + _nearest(last, known))
        elif isinstance(rule, Scaled):
            self._weight(full, value, rule)
        elif rule.startswith(COMBINED):
            self._combined(full, value, last, rule.removeprefix(COMBINED))
        elif ' ' in rule:
            self.done.leave_out(full, value, rule)
        elif not self.motion.uses(rule.removeprefix('-')):
            self.done.leave_out(full, value, self._unused(rule))
        elif last in self.limits.suspended and full.startswith(f'{self.choice.name}.'):
            self.done.leave_out(full, value, self.limits.suspended[last])
        else:
            self.done.take(full, value, rule, SAFETY_RELEVANT.get(rule.removeprefix('-'), ''))

    def _unused(self, rule: str) -> str:
        why = f'is not used by the motion model {self.model}'
        if rule == 'limits.ay_max':
            why += f' in Nav2; {rule} is its centripetal acceleration here'
        return why

    def _combined(self, full: str, value: Any, name: str, ours: str) -> None:
        """Report a parameter that is converted together with others."""
        if name == 'failure_tolerance':
            self._failure(full, value)
        elif name in ('allow_reversing', 'allow_backward'):
            self.limits.reversing = full, value
        elif ours == SPEED:
            self.limits.top_speed = full, value
        elif name == 'costmap_update_timeout':
            self.body.timeout = full, value
        elif name in STD:
            self.motion.share(full, value, name)
        elif name.startswith('model_delay'):
            self.motion.delay(full, value, name, ours)
        elif name == 'critics' and not self.choice.listed(self.mine):
            self.done.leave_out(full, value, 'is not a list of names: our critics all work')
        elif name == 'motion_model':
            self.motion.named(full, value)
        elif name == 'controller_plugins':
            self._plugins(full, value)
        else:
            self.done.add(Part.TAKEN, full, value, '' if ' ' in ours else ours,
                          ours if ' ' in ours else '')

    def _plugins(self, full: str, value: Any) -> None:
        """Report the list of controllers, and whether it lacks the one that is converted."""
        if self.choice.name in as_names(value):
            self.done.leave_out(full, value, PLUGINS)
        else:
            self.done.add(Part.CHANGED, full, value, why=f'does not list {shown(self.choice.name)}'
                          ', whose parameters are converted')

    def _failure(self, full: str, value: Any) -> None:
        ours, (given, why) = 'follow_path.failure_tolerance', number(value)
        if why:
            self.done.leave_out(full, value, why)
            self.done.unread[ours] = full
        elif given == -1.0:
            self.done.put(ours, INFO[ours].high, full)
            self.done.add(Part.CHANGED, full, value, ours, 'the longest that is possible')
        elif 0.0 <= given < FAULT_TIME:
            self.done.put(ours, FAULT_TIME, full or LONGER)
            self.done.add(Part.CHANGED, full, value, ours, ('' if full else f'{LONGER}; ') +
                          f'less than {FAULT_TIME:g} s would end the action at the first fault, '
                          'as recovery_time is 0.2 s')
        else:
            self.done.take(full, value, ours)

    def _weight(self, full: str, value: Any, rule: Scaled) -> None:
        default = INFO[rule.name].default
        given, why = number(value)
        if why or given < 0.0:
            self.done.leave_out(full, value, why or 'is not a positive number')
        elif rule.name in self.done.changes:
            self.done.leave_out(full, value,
                                f'{self.done.origin[rule.name]} already gives {rule.name}')
        else:
            assert isinstance(default, float)
            weight, why = fitted(rule.name, float(f'{default * given / rule.shipped:.4g}'))
            self.done.put(rule.name, weight, f'{full} {shown(value)}, shipped {rule.shipped}')
            self.done.add(Part.CHANGED if why else Part.TAKEN, full, value, rule.name,
                          '; '.join(filter(None, (f'Nav2 ships {rule.shipped}', why))))

    def _in_use(self) -> None:
        """Disable the critics that are not in use; use Nav2's default for missing weights."""
        listed = self.choice.listed(self.mine)
        for critic in CRITICS if listed and self.choice.is_mppi else ():
            weight = CRITICS[critic].get('cost_weight', CRITICS[critic].get('repulsion_weight'))
            if not isinstance(weight, Scaled) or weight.name in self.done.changes:
                continue
            users = self._critics_of(weight.name)
            if critic in OPTIONAL and not users:
                self.done.put(weight.name, 0.0, f'{critic} is not in use')
            elif critic in users[:1] and weight.absent(self.done.distro) != weight.shipped:
                self._weight('', weight.absent(self.done.distro), weight)
                self.done.origin[weight.name] = f"Nav2's default of {critic}"

    def _absent(self) -> None:
        """Use Nav2's default for missing parameters where it differs from that of this package."""
        absent = dict(self.kind.absent)
        if self.done.distro == 'humble' and self.kind is MPPI:
            absent = {name: value for name, value in absent.items() if name not in ACCELERATIONS}
        absent |= {'goal.position_tolerance': 0.25, 'goal.heading_tolerance': 0.25,
                   'cmd_vel_stamped': PUBLISHES_STAMPED.get(self.done.distro, True)}
        for plugin in self._checker_plugins():
            absent |= CHECKER_DEFAULTS.get(plugin, {})
        given = {line.ours for line in self.done.lines} | set(self.done.unread)
        if 'follow_path.failure_tolerance' not in given:
            self._failure('', 0.0)
        for ours, value in absent.items():
            if self.motion.uses(ours) and ours not in given and value != INFO[ours].default:
                self._default(ours, value)

    def _checker_plugins(self) -> list[str]:
        """Return the classes of the checkers in use; Nav2's goal checker is SimpleGoalChecker."""
        values = self.choice.section.values
        plugins = [str(values.get(f'{name}.plugin', '')) for name in self.choice.checkers]
        plugins = [plugin.replace('/', '::').rpartition('::')[2] for plugin in plugins]
        if not any('GoalChecker' in plugin for plugin in plugins):
            plugins.append('SimpleGoalChecker')
        return plugins

    def _default(self, ours: str, value: Any) -> None:
        owner = self.kind.name if self.kind.rest and ours in self.kind.absent else 'Nav2'
        self.done.put(ours, value, f"{owner}'s default ({self.done.distro}), not in the file")
        part = Part.MEASURE if ours in SAFETY_RELEVANT else Part.TAKEN
        why = f"{owner}'s default, not in the file"
        if ours in SAFETY_RELEVANT:
            why += f'; {SAFETY_RELEVANT[ours]}'
        self.done.add(part, '', value, ours, why)

    def _settle(self) -> None:
        """Leave out parameters that are inconsistent with others, so that the output is valid."""
        changes = self.done.changes
        try:
            replace(ControllerParameters(), changes)
            return
        except ParameterError:
            kept: dict[str, Any] = {}
        for ours in [name for name in INFO if name in changes]:
            try:
                replace(ControllerParameters(), {**kept, ours: changes[ours]})
                kept[ours] = changes[ours]
            except ParameterError as error:
                self.done.reject(ours, f'is inconsistent with other parameters: {error}')
        self.done.changes = kept

