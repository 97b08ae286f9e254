"""Conversion that depends on several parameters: motion model, Σ, delays, wheelbase."""

from __future__ import annotations

from typing import Any

from mppi_ros.control.parameters import MAX_TURNING_RATIO, TURNING_RATE_SCALE
from mppi_ros.driving.motion_models import MODELS as OUR_MODELS
from mppi_ros.driving.parameters import Limits
from mppi_ros.nav2_import.find import Choice
from mppi_ros.nav2_import.report import INFO, Import, Part, fitted, number, shown
from mppi_ros.nav2_import.rules import DELAYS, MODELS, SAFETY_RELEVANT, STD, USED_BY

MAX_SIGMA_RATIO = 2.5  # of our sigma_share; greater Σ saturates all samples at the limits
OF_MODEL = {'ackermann': ('min_turning_radius', 'min_turning_r'), 'omni': ('max_vel_y', 'vy_max')}
WHEELBASE_RATIO = 0.6  # wheelbase of a car relative to its length


class Motion:
    """
    Converter of the parameters of the motion.

    Attributes
    ----------
    model : str
        Motion model of this package.
    turning : (str, float), optional
        Limit of the velocity smoother on the angular acceleration of a car, and its source.

    """

    def __init__(self, done: Import, choice: Choice, mine: dict[str, Any]) -> None:
        self.done, self.choice, self.mine = done, choice, mine
        self.doubt, self.is_known, self.reason = '', True, 'motion_model'
        self.model = self._model_of_mppi() if choice.is_mppi else self._model_of_others()
        if self.model != INFO['motion_model'].default:
            done.put('motion_model', self.model, f'{choice.name}.{self.reason}' + (
                '' if choice.is_mppi else ' is not 0'))
        self.ratios = self._ratios()
        self.turning: tuple[str, float] | None = None

    def uses(self, name: str) -> bool:
        """Return whether the motion model uses a limit or a parameter of one axis."""
        return self.model in USED_BY.get(name, OUR_MODELS)

    def _model_of_others(self) -> str:
        """Return the model of a robot whose controller does not name one."""
        for model, names in OF_MODEL.items():
            for self.reason in names:
                if number(self.mine.get(self.reason))[0] > 0.0 and (
                        self.mine.get('differential_drive') is not True):
                    return model
        return 'diff_drive'

    def _model_of_mppi(self) -> str:
        """Return the named model; a robot without vy_max is not omnidirectional."""
        given = self.mine.get('motion_model')
        if given is None:
            return 'diff_drive'
        named = str(self.mine.get(f'{given}.plugin', given))
        ours = MODELS.get(named, '')
        if not ours:
            self.is_known = False
            self.doubt = f'{shown(named)} is unknown: choose one of {", ".join(OUR_MODELS)}'
        elif ours == 'omni' and number(self.mine.get('vy_max'))[0] == 0.0:
            self.doubt = 'vy_max is 0: the robot never moves sideways'
        return 'diff_drive' if self.doubt else ours

    def named(self, full: str, value: Any) -> None:
        """Report motion_model."""
        part = Part.TAKEN if not self.doubt else Part.CHANGED if self.is_known else Part.MEASURE
        self.done.add(part, full, value, 'motion_model', self.doubt)

    def _ratios(self) -> dict[str, float]:
        """Return each standard deviation over its limit, relative to the defaults of Nav2."""
        ratios = {}
        for name, (limit, std, top) in STD.items():
            value, why = number(self.mine.get(name))
            reach, none = number(self.mine.get(limit, top))
            if self.uses(name) and not why and not none and value > 0.0 < reach:
                ratios[name] = value / reach * top / std
        return ratios

    def share(self, full: str, value: Any, name: str) -> None:
        """Report a standard deviation."""
        limit, _, top = STD[name]
        none = number(self.mine.get(limit, top))[1]
        why = number(value)[1] or (f'is a share of {limit}, which {none}' if none else (
            'is not a positive share of its limit'))
        if not self.uses(name):
            why = f'is not used by the motion model {self.model}'
        if name in self.ratios:
            self.done.add(Part.TAKEN, full, value, 'sigma_share')
        else:
            self.done.leave_out(full, value, why)

    def delay(self, full: str, value: Any, name: str, ours: str) -> None:
        """Report a delay."""
        given, why = number(value)
        if not self.uses(name):
            why = f'is not used by the motion model {self.model}'
        elif not why and given <= 0.0:
            why = 'does not describe the robot: prediction.* is measured'
        if why:
            self.done.leave_out(full, value, why)
        else:
            self.done.add(Part.TAKEN, full, value, ours)

    def take(self) -> None:
        """Convert Σ and the delays."""
        self._sigma()
        self._delays()

    def _sigma(self) -> None:
        """
        Convert Σ to shares of the limits, relative to the defaults of Nav2.

        The limits are the final ones, since Nav2's standard deviations do not depend on those of
        the smoother. The curvature of a car has a limit of its own.
        """
        if not self.ratios:
            return
        final = {}
        for name, ratio in self.ratios.items():
            limit, std, top = STD[name]
            now = self.done.changes.get(f'limits.{limit}', INFO[f'limits.{limit}'].default)
            if name == 'wz_std':
                now = min(max(now, TURNING_RATE_SCALE), MAX_TURNING_RATIO * now)
            final[name] = number(self.mine[name])[0] / std * top / now
            if name == 'wz_std' and self.model == 'ackermann':
                final[name] = ratio
        speeds = max((each for name, each in final.items() if name != 'wz_std'), default=1.0)
        turning = final.get('wz_std', 1.0)
        info = INFO['sigma_share']
        assert isinstance(info.default, tuple) and info.low is not None
        shares = [max(float(f'{share * min(each, MAX_SIGMA_RATIO):.4g}'), info.low)
                  for share, each in zip(info.default, (speeds, turning, turning), strict=True)]
        ratios = [f'{name} / {STD[name][0]} x {each:.3g}' for name, each in final.items()]
        self.done.put('sigma_share', shares, ', '.join(ratios) + ' of what Nav2 ships')

    def _delays(self) -> None:
        for ours, names in DELAYS.items():
            used = [name for name in names if self.uses(name)]
            given = {name: number(self.mine[name])[0] for name in used if name in self.mine}
            longest = max((value for value in given.values() if value > 0.0), default=0.0)
            if longest > 0.0:
                self.done.put(ours, fitted(ours, longest)[0],
                              f'the longest of {", ".join(given)}')

    def take_centripetal_acceleration(self) -> None:
        """Leave the centripetal acceleration free, as Nav2 does not limit it."""
        if self.model == 'omni':
            return
        ours, default = 'limits.ay_max', Limits()
        ahead, back, turn, radius = (
            abs(self.done.changes.get(f'limits.{name}', getattr(default, name)))
            for name in ('vx_max', 'vx_min', 'wz_max', 'turning_radius_min')
        )
        speed, why = max(ahead, back), 'vx_max x wz_max'
        if self.model == 'ackermann' and speed < turn * radius:
            turn, why = speed / radius, 'vx_max² / turning_radius_min'
        free = float(f'{speed * turn:.3g}')
        if free > default.ay_max:
            self.done.put(ours, fitted(ours, free)[0],
                          f'{why}: Nav2 does not limit the centripetal acceleration')
            self.done.measure(ours, 'does not limit the centripetal acceleration, as in Nav2: set '
                              'the value at which the robot neither slides nor tips in a turn')

    def take_car(self, wheelbase: float | None, length: float) -> None:
        """Estimate the parameters of a car that Nav2 lacks; `length` [m] of the body, or 0."""
        ours = 'limits.wheelbase'
        if wheelbase is not None:
            self.done.reject(ours, '--wheelbase replaces it')
            self.done.put(ours, wheelbase, '--wheelbase')
        elif length and ours not in self.done.changes:
            self.done.put(ours, fitted(ours, float(f'{WHEELBASE_RATIO * length:.3g}'))[0],
                          f'{WHEELBASE_RATIO} of the length of the body, {length:.3g} m: '
                          'an estimate')
            self.done.measure(ours, 'is estimated from the length of the body: measure the '
                              'distance between the axles, or give it by --wheelbase')
        elif ours not in self.done.changes:
            self.done.measure(ours, 'is our default: measure the distance between the axles, or '
                              'give it by --wheelbase')
        why = 'time the wheels from lock to lock'
        if self.turning:
            axles, speed = (float(self.done.changes.get(name, INFO[name].default))
                            for name in (ours, 'limits.vx_max'))
            source, bound = self.turning
            why += (f'; {source} {bound:g} rad/s² is not converted: at vx_max {speed:g} m/s it '
                    f'limits the steering rate to {bound * axles / speed:.3g} rad/s')
        self.done.measure('limits.steering_rate', why)
        if 'limits.turning_radius_min' not in self.done.changes:
            self.done.measure('limits.turning_radius_min',
                              f'our default; {SAFETY_RELEVANT["limits.turning_radius_min"]}')
