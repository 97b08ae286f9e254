"""Limits that depend on several parameters of a controller, and those that the file lacks."""

from __future__ import annotations

import math
from typing import Any

from mppi_ros.nav2_import.controllers import Kind
from mppi_ros.nav2_import.motion import Motion
from mppi_ros.nav2_import.report import ACCELERATIONS, INFO, Import, Part, fitted, number
from mppi_ros.nav2_import.rules import SAFETY_RELEVANT

TRANSLATION = ('limits.vx_max', 'limits.vx_min', 'limits.vy_max')
REQUIRED = (*TRANSLATION, 'limits.wz_max')


class CombinedLimits:
    """
    Converter of the limits that depend on several parameters.

    Attributes
    ----------
    reversing : (str, value), optional
        Name and value of the parameter that allows the robot to reverse.
    top_speed : (str, value), optional
        Name and value of the limit of the speed in any direction.
    suspended : dict of str to str
        Names of parameters that Nav2 ignores because of others, and the reason.

    """

    def __init__(self, done: Import, kind: Kind, motion: Motion) -> None:
        self.done, self.kind, self.motion = done, kind, motion
        self.reversing: tuple[str, Any] | None = None
        self.top_speed: tuple[str, Any] | None = None
        self.suspended = kind.suspended(motion.mine, done.distro)

    def take(self) -> None:
        """Convert the limits that the parameters give together with others."""
        self._reverse()
        for name, (ours, default) in self.kind.bounds.items():
            if name not in self.motion.mine and name not in self.suspended and (
                    ours in self.done.changes):
                self._bound(ours, default, f"{name} {default:g} (Nav2's default)")

    def _reverse(self) -> None:
        if not self.reversing:
            return
        ours, (full, value) = 'limits.vx_min', self.reversing
        if not isinstance(value, bool):
            self.done.leave_out(full, value, 'is neither true nor false')
            self.done.unread[ours] = full
            return
        why = self.suspended.get(full.rpartition('.')[2], '')
        top = self._now('limits.vx_max') if value and not why else 0.0
        if ours in self.done.changes:
            self._bound(ours, top, full)
        else:
            self.done.put(ours, fitted(ours, 0.0 - top)[0], full)
        self.done.add(Part.CHANGED if why and value else Part.TAKEN, full, value, ours,
                      why if value else '')

    def _now(self, ours: str) -> float:
        return float(self.done.changes.get(ours, INFO[ours].default))

    def _bound(self, ours: str, bound: float, source: str) -> bool:
        """Reduce the magnitude of a limit to a bound if it is greater."""
        now = self._now(ours)
        value, _ = fitted(ours, math.copysign(bound, now) if bound else 0.0)
        if value is None or abs(value) >= abs(now):
            return False
        self.done.change(ours, value, source)
        return True

    def bound_speed(self) -> None:
        """Reduce the limits of translation to the limit of the speed in any direction."""
        if not self.top_speed:
            return
        full, given = self.top_speed
        speed, why = number(given)
        if why:
            self.done.unread.update({ours: full for ours in TRANSLATION[::2]
                                     if self.motion.uses(ours)})
        elif speed < 0.0:
            why = 'is negative: it does not limit the speed'
        elif speed == 0.0:
            why = 'is 0: limits of 0 m/s are not possible'
        if why:
            self.done.leave_out(full, given, why)
            return
        bounded = [ours for ours in TRANSLATION
                   if self.motion.uses(ours) and self._bound(ours, speed, full)]
        if bounded:
            self.done.add(Part.TAKEN, full, given, bounded[0],
                          f'bounds {" and ".join(bounded)}')
        else:
            self.done.leave_out(full, given, 'no limit is greater: limits.vx_max and, of an '
                                'omnidirectional robot, the ellipse through it and limits.vy_max '
                                'limit the speed')

    def measure_missing(self) -> None:
        """Report the limits that keep the defaults of this package."""
        for ours in REQUIRED:
            if self.motion.uses(ours) and ours not in {
                    *self.done.changes, *self.done.unread, *self.kind.absent}:
                self.done.measure(ours, 'is our default, because the file does not set it: set '
                                  'the limit of the robot')
        braking = ['limits.ax_min'] + ['limits.ay_min'] * (self.motion.model == 'omni')
        for ours in braking if self.kind.rest else ():  # one limit for both, unless it is known
            speeding = ours.replace('_min', '_max')
            bound = -self._now(speeding)
            if ours not in self.done.changes and speeding in self.done.changes and (
                    bound > self._now(ours)):
                self.done.tighten(ours, bound, f'{speeding} {-bound:g} for braking',
                                  f'; {SAFETY_RELEVANT[ours]}')
        for ours in [*ACCELERATIONS[:1], *braking, *ACCELERATIONS[2:]]:
            if self.motion.uses(ours) and ours not in {*self.done.changes, *self.done.unread}:
                self.done.measure(ours, f'is not in the file; {SAFETY_RELEVANT[ours]}')
        for ours, source in self.done.unread.items():
            if ours.startswith('limits.') and ours != 'limits.wheelbase':
                why = (f'{source} could not be converted: set the limit manually if it is tighter'
                       if ours in self.done.changes else
                       f'is our default, because {source} could not be converted: set it manually')
                self.done.measure(ours, '; '.join(filter(None, (why, SAFETY_RELEVANT.get(ours)))))
