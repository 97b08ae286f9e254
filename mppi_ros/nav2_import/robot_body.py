"""Conversion of the local costmap: footprint of the robot and rate of the costmap."""

from __future__ import annotations

import math
import re
from typing import Any

from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.parameters import RobotParameters
from mppi_ros.nav2_import.find import Choice, applies_to_all, find_node, is_in, keep_shared
from mppi_ros.nav2_import.read import OUTSIDE, REPEATED, Section
from mppi_ros.nav2_import.report import INFO, Import, Part, fitted, number
from mppi_ros.nav2_import.rules import BODY, COMBINED, COSTMAP, SERVER
from mppi_ros.nav2_import.smoother import KEPT, RULES, SMOOTHER
from mppi_ros.parameters.errors import InputError, ParameterError

TIMEOUT_PERIODS = 3.0  # timeout of the costmap in periods
RESPONSE_TIME = 0.45  # [s] delay, lag and two control periods before braking
NAV2_PADDING = 0.01  # [m] Nav2's default of footprint_padding, also around a radius
RATES = {'publish_frequency': 1.0, 'update_frequency': 5.0}  # [Hz] Nav2's defaults
TIMEOUT = 'safety.costmap_timeout'
NAV2_TIMEOUT = 0.3  # [s] Nav2's default of costmap_update_timeout, from jazzy on
RECOMMENDED_RATE = 5.0  # [Hz]
MAX_FOOTPRINT = 10_000  # characters
EMPTY = 'is empty: the radius is taken, as in Nav2'
# Brackets and numbers; any other character that is no separator is a token, which is no number.
TOKEN = re.compile(r'[][]|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[^\s,]')


class Body:
    """
    Converter of the footprint and of the rate of the costmap.

    Attributes
    ----------
    timeout : (str, value), optional
        Name and value of costmap_update_timeout of the controller.
    length : float
        Length of the body [m]; 0 if unknown.

    """

    def __init__(self, done: Import, choice: Choice, found: list[Section]) -> None:
        self.done = done
        self.timeout: tuple[str, Any] | None = None
        self.length = 0.0
        self.mine, parts = find_node(choice, found, 'local_costmap/local_costmap')
        keep_shared(self.mine, parts, _reads)
        self.users = [(choice.section, choice.parts), (self.mine, parts)]
        used = [*choice.parts, *parts]
        self.shared = [each for each in found if is_in(each, used) and applies_to_all(each)]
        self.others = [each for each in found if not is_in(each, used)]
        self.rivals = choice.rivals
        self.smoothers = find_node(choice, self.others, SMOOTHER)[1]
        for each in found:
            if is_in(each, used) and not applies_to_all(each):
                done.prefixes[each.node] = '' if is_in(each, choice.parts) else 'local_costmap.'
            elif is_in(each, self.others) and self._is_listed(each):
                done.prefixes[each.node] = f'{each.node}.'
        self.padding = 0.0

    def take(self) -> None:
        """Convert the local costmap, and report the parameters of the other nodes."""
        values = self.mine.values
        self._outline(values)
        self._rate(values)
        for name, value in values.items():
            rule = BODY.get(name)
            if rule is None:
                self.done.leave_out(f'local_costmap.{name}', value, self._why(name, values))
            elif isinstance(rule, str) and ' ' not in rule:
                self.done.take(f'local_costmap.{name}', value, rule)
            elif isinstance(rule, str) and not rule.startswith(COMBINED):
                self.done.leave_out(f'local_costmap.{name}', value, rule)
        for name, value in self.mine.repeated:
            self.done.leave_out(f'local_costmap.{name}', value, REPEATED)
        for section in self.others:
            self._other(section)
        for section in self.shared:
            self._unread(section)

    def _outline(self, values: dict[str, Any]) -> None:
        """Convert the footprint if Nav2 uses it, else the radius, with padding."""
        given, bad = number(values.get('footprint_padding', NAV2_PADDING))
        self.padding = NAV2_PADDING if bad else max(given, 0.0)
        corners, why = _corners(values.get('footprint', '[]'), self.padding)
        if 'footprint' in values:
            name = 'local_costmap.footprint'
            if corners:
                self.done.put('robot.footprint', corners, name)
                self._taken(name, values['footprint'], 'robot.footprint')
                self.length = max(corners[::2]) - min(corners[::2])
            else:
                self.done.leave_out(name, values['footprint'], why)
        unread = 'footprint' in values and not corners and why != EMPTY
        if 'robot_radius' in values:
            name, radius = 'local_costmap.robot_radius', values['robot_radius']
            given, bad = number(radius)
            if corners:
                self.done.leave_out(name, radius, 'the footprint is taken, as in Nav2')
            elif bad or given <= 0.0:
                self.done.leave_out(name, radius, bad or 'is not a positive number')
            else:
                fit, _ = fitted('robot.radius', round(given + self.padding, 6))
                self.done.put('robot.radius', fit, name)
                self._taken(name, radius, 'robot.radius', fit != given)
                self.length = 2.0 * fit
        ours = 'robot.footprint' if corners else 'robot.radius'
        if 'footprint_padding' in values:
            self._padding(values['footprint_padding'], ours)
        elif self.length:
            self.done.add(Part.TAKEN, '', f'{self.padding:g}', ours,
                          f"footprint_padding {self.padding:g} is Nav2's default, not in the file")
        if unread:
            used = 'robot_radius with padding' if self.length else 'our default'
            self.done.measure('robot.radius', f'{used} is used, which may be smaller than the '
                              f'body, because local_costmap.footprint could not be read ({why}): '
                              'set robot.footprint')
        elif not self.length:
            self.done.measure('robot.radius', 'no footprint could be converted: measure it, and '
                              'set robot.footprint or robot.radius')

    def _taken(self, name: str, given: Any, ours: str, changed: bool = False) -> None:
        changed = changed or self.padding > 0.0
        self.done.add(Part.CHANGED if changed else Part.TAKEN, name, given, ours,
                      f'with footprint_padding {self.padding:g}' if changed else '')

    def _padding(self, given: Any, ours: str) -> None:
        name = 'local_costmap.footprint_padding'
        value, why = number(given)
        if why or value < 0.0:
            self.done.leave_out(name, given, f"{why}; Nav2's default {NAV2_PADDING:g} is used"
                                if why else 'would make the body smaller than it is')
        elif self.length:
            self.done.add(Part.TAKEN, name, given, ours, 'is added to the footprint')
        else:
            self.done.leave_out(name, given, 'no footprint could be converted')

    def _rate(self, values: dict[str, Any]) -> None:
        """Set the costmap timeout according to the rate of the costmap."""
        rate = min(self._frequency(name, values) for name in RATES)
        default = INFO[TIMEOUT].default
        assert isinstance(default, float)
        slowest = float(f'{TIMEOUT_PERIODS / rate:.4g}') if values else default
        origin = f'3 / {rate:g} Hz of local_costmap' if values else 'our default'
        wanted, why = number(self.timeout[1]) if self.timeout else (math.nan, '')
        if self.timeout and (why or wanted < 0.0):
            self.done.leave_out(*self.timeout, why or 'is not a positive number')
        elif self.timeout and wanted >= slowest:
            self.done.add(Part.TAKEN, *self.timeout, TIMEOUT)
        elif self.timeout:
            self.done.add(Part.CHANGED, *self.timeout, TIMEOUT,
                          f'the robot would brake before the next costmap arrives: {origin}')
        if not wanted >= 0.0:
            wanted = default if self.done.distro == 'humble' else NAV2_TIMEOUT
        if wanted > slowest:
            origin = self.timeout[0] if self.timeout else "Nav2's default"
        value, _ = fitted(TIMEOUT, max(wanted, slowest))
        if value != default:
            self.done.put(TIMEOUT, value, origin)
        if values and rate < RECOMMENDED_RATE:
            self.done.measure(TIMEOUT, f'a costmap at {rate:g} Hz arrives too late: set '
                              f'publish_frequency and update_frequency of local_costmap to '
                              f'{RECOMMENDED_RATE:g} Hz or more, then this to 3 periods')

    def _frequency(self, name: str, values: dict[str, Any]) -> float:
        """Return a rate of the costmap, and report it."""
        if name not in values:
            return RATES[name]
        rate, why = number(values[name])
        full = f'local_costmap.{name}'
        if why or rate <= 0.0:
            self.done.leave_out(full, values[name], why or (
                f'no costmap would be published: set it to {RECOMMENDED_RATE:g} Hz or more'))
            return RATES[name]
        self.done.add(Part.TAKEN, full, values[name], TIMEOUT)
        return rate

    def _why(self, name: str, values: dict[str, Any]) -> str:
        if name in ('width', 'height'):
            get = self.done.changes.get
            speed = float(get('limits.vx_max', INFO['limits.vx_max'].default))
            brake = -float(get('limits.ax_min', INFO['limits.ax_min'].default))
            way = speed * RESPONSE_TIME + speed * speed / (2.0 * brake) + 0.5 * self.length
            return (f'{COSTMAP}; from {speed:g} m/s the robot stops {way:.1f} m ahead, so that a '
                    f'rolling window needs more than {2.0 * way:.1f} m')
        if 'inflation' in name and name.endswith(('inflation_radius', 'cost_scaling_factor')):
            return ('distances are measured on the costmap, inflated or not: '
                    'see critics.obstacle.margin')
        return COSTMAP

    def _other(self, section: Section) -> None:
        """Report the parameters of a node that is not converted; those of a costmap one by one."""
        node = section.node
        if self._is_listed(section):
            rules, why = {}, 'the controller uses the local costmap of its own namespace'
            if is_in(section, self.rivals):
                why = 'is of another robot, or of a controller that --controller chooses'
            elif is_in(section, self.smoothers):
                rules, why = RULES, KEPT
            for name, value in section.values.items():
                self.done.leave_out(f'{node}.{name}', value, rules.get(name, why))
            for name, value in section.repeated:
                self.done.leave_out(f'{node}.{name}', value, REPEATED if rules else why)
        elif section.values or section.repeated:
            count = len(section.values) + len(section.repeated)
            why = 'are no parameters of a node' if node == OUTSIDE else 'is another node'
            self.done.leave_out(node, f'({count} values)', why)

    def _unread(self, section: Section) -> None:
        """Report the parameters of nodes of any name that are not read here."""
        read = {name for user, parts in self.users if is_in(section, parts)
                for name in user.names}
        for name, value in [*section.values.items(), *section.repeated]:
            if name not in read:
                self.done.leave_out(f'{section.node}.{name}', value,
                                    'is not a parameter of the controller or of its costmap')

    def _is_listed(self, section: Section) -> bool:
        """Return whether the report lists every parameter of a node."""
        return section.node.endswith('costmap') or (
            is_in(section, self.rivals) or is_in(section, self.smoothers))


def _reads(name: str) -> bool:
    """Return whether a parameter of all nodes is one of the local costmap alone."""
    return name in BODY and name not in SERVER


def _corners(given: Any, padding: float) -> tuple[list[float], str]:
    """Return the corners x, y, x, y of a footprint with the padding of Nav2, or the reason."""
    if given in ('', None, {}) or not re.search(r'[^][\s,]', str(given)[:MAX_FOOTPRINT]):
        return [], EMPTY
    try:
        pairs = [(_finite(x), _finite(y)) for x, y in _points(given)]
        pairs = [pair for pair, last in zip(pairs, [*pairs[-1:], *pairs], strict=False)
                 if pair != last]
        flat = [round(each + math.copysign(padding, each) * (each != 0.0), 6)
                for pair in pairs for each in pair]
        for each in flat:
            if abs(each) > 20.0:
                raise ParameterError('corners farther than 20 m are not possible')
        Footprint.of(RobotParameters(footprint=tuple(flat)))
    except (InputError, ParameterError) as error:
        return [], str(error)
    except (ValueError, TypeError):
        return [], 'is not a list of corners [[x, y], ...]: set the numbers manually'
    return flat, ''


def _points(given: Any) -> list[Any]:
    """Return the points of a list, or of a text as Nav2's parseVVF reads it."""
    points = _parsed(given) if isinstance(given, str) else given
    if not any(isinstance(each, list) for each in points):  # x, y, x, y, ...
        points = [points[at:at + 2] for at in range(0, len(points), 2)]
    return list(points)


def _parsed(text: str) -> list[Any]:
    r"""
    Return the list of a text such as [[0.3 0.2] [0.3, -0.2][-0.3\t0.0]].

    Commas and white space between numbers and brackets are optional, as in Nav2.
    """
    stack: list[list[Any]] = [[]]
    for token in TOKEN.findall(text[:MAX_FOOTPRINT + 1]):
        if token == '[' and len(stack) < 3:
            stack[-1].append([])
            stack.append(stack[-1][-1])
        elif token == ']' and len(stack) > 1:
            stack.pop()
        elif len(stack) > 1 and token not in '[]':
            stack[-1].append(float(token))
        else:
            raise ValueError(token)
    if len(text) > MAX_FOOTPRINT or len(stack) > 1 or len(stack[0]) != 1:
        raise ValueError(text)
    return list(stack[0][0])


def _finite(value: Any) -> float:
    given, why = number(value)
    if why:
        raise ValueError(why)
    return given
