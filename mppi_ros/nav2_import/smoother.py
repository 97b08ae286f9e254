"""Limits of Nav2's velocity smoother, whose output is what the base receives."""

from __future__ import annotations

import math
from typing import Any

from mppi_ros.nav2_import.find import Choice, applies_to_all, find_node
from mppi_ros.nav2_import.motion import Motion
from mppi_ros.nav2_import.read import Section
from mppi_ros.nav2_import.report import INFO, Import, fitted, number
from mppi_ros.nav2_import.rules import SAFETY_RELEVANT

SMOOTHER = 'velocity_smoother'
DEFAULTS = {  # of Nav2: x, y and theta
    'max_velocity': [0.5, 0.0, 2.5], 'min_velocity': [-0.5, 0.0, -2.5],
    'max_accel': [2.5, 0.0, 3.2], 'max_decel': [-2.5, 0.0, -3.2],
    'deadband_velocity': [0.0, 0.0, 0.0],
}
X, Y, THETA = range(3)
AXES = ('limits.vx_max', 'limits.vy_max', 'limits.wz_max')
# Axis and limits of the smoother that bound one of ours.
BOUNDS = {
    'limits.vx_max': (X, ('max_velocity',)),
    'limits.vx_min': (X, ('min_velocity',)),
    'limits.vy_max': (Y, ('max_velocity', 'min_velocity')),
    'limits.wz_max': (THETA, ('max_velocity', 'min_velocity')),
    'limits.ax_max': (X, ('max_accel',)),
    'limits.ax_min': (X, ('max_decel',)),
    'limits.ay_max': (Y, ('max_accel',)),
    'limits.ay_min': (Y, ('max_decel',)),
    'limits.az_max': (THETA, ('max_accel', 'max_decel')),
}
KEPT = 'is of the velocity smoother, which remains in use'
RULES = {
    **dict.fromkeys(('max_velocity', 'min_velocity', 'max_accel', 'max_decel'),
                    'is compared with the limits, of which the tighter one applies'),
    'deadband_velocity': 'prediction.dead_band_linear and prediction.dead_band_angular are '
                         'measured on the robot',
}
DEAD_BANDS = {'prediction.dead_band_linear': (X, Y), 'prediction.dead_band_angular': (THETA,)}


def take_smoother(done: Import, choice: Choice, found: list[Section], motion: Motion) -> None:
    """
    Replace limits by those of the velocity smoother where these are tighter.

    The stopping check must not rely on a deceleration that the smoother does not let pass.
    """
    section, parts = find_node(choice, found, SMOOTHER)
    if not any(part.values for part in parts if not applies_to_all(part)):
        return
    given = {name: section.values.get(name, default) for name, default in DEFAULTS.items()}
    axes = {name: _axes(value) for name, value in given.items()}
    for ours, (axis, names) in BOUNDS.items():
        car = motion.model == 'ackermann' and ours == 'limits.az_max'
        if not (car or motion.uses(ours)):
            continue
        wrong = [name for name in names if not axes[name]]
        if wrong:
            done.measure('limits.steering_rate' if car else ours,
                         f'{SMOOTHER}.{wrong[0]} is not a list of 3 or 6 numbers: set the limit '
                         'of the smoother if it is tighter')
            continue
        name = min(names, key=lambda name: abs(axes[name][axis]))
        if car:
            motion.turning = f'{SMOOTHER}.{name}', abs(axes[name][axis])
            continue
        _bound(done, ours, axes[name][axis], f'{SMOOTHER}.{name}', name in section.values)
    for ours, used in DEAD_BANDS.items():
        dead = axes['deadband_velocity']
        if not dead:
            done.measure(ours, f'{SMOOTHER}.deadband_velocity is not a list of 3 or 6 numbers: '
                               'set its value')
        band = max((dead[axis] for axis in used if dead and motion.uses(AXES[axis])), default=0.0)
        if band > 0.0 and not (motion.model == 'ackermann' and THETA in used):
            done.measure(ours, f'{SMOOTHER}.deadband_velocity {band:g}: smaller commands do not '
                               'reach the base; set it, or the measured value if that is greater')


def _bound(done: Import, ours: str, bound: float, name: str, is_given: bool) -> None:
    """Apply a bound of the smoother to a limit if it is tighter."""
    now = float(done.changes.get(ours, INFO[ours].default))
    bound = math.copysign(abs(bound), now) if bound else 0.0
    if abs(bound) >= abs(now):
        return
    source = f'{name} {bound:g}' + ('' if is_given else " (Nav2's default)")
    value, _ = fitted(ours, bound)
    if value is None:
        done.measure(ours, f'{source} stops this axis: correct it in the smoother')
    else:
        trusted = SAFETY_RELEVANT.get(ours)
        done.tighten(ours, value, source, f'; {trusted}' if trusted else '')


def _axes(given: Any) -> list[float]:
    """Return the numbers of x, y and theta, or an empty list."""
    if not isinstance(given, list) or len(given) not in (3, 6):
        return []
    values = [number(each) for each in (given[0], given[1], given[-1])]
    return [] if any(why for _, why in values) else [value for value, _ in values]
