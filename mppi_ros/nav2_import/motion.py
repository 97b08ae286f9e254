"""What several parameters of a Nav2 controller say together: motion model, Σ, delays, a car."""

from __future__ import annotations

from typing import Any

from mppi_ros.driving.motion_models import MODELS as OUR_MODELS
from mppi_ros.nav2_import.find import Choice
from mppi_ros.nav2_import.report import INFO, Import, Part, fitted, number, shown
from mppi_ros.nav2_import.rules import DELAYS, MODELS, STD, TRUSTED, USED_BY

WIDEST = 2.5  # times our sigma_share; far beyond the limits all samples drive at them
LENGTH = 0.6  # of a car lies between its axles


class Motion:
    """
    Takes what says how the robot moves.

    Attributes
    ----------
    model : str
        Our motion model.

    """

    def __init__(self, done: Import, choice: Choice, mine: dict[str, Any]) -> None:
        self.done, self.choice, self.mine = done, choice, mine
        self.doubt, self.is_known = '', True
        self.model = self._model_of_mppi() if choice.is_mppi else self._model_of_others()
        if self.model != INFO['motion_model'].default:
            done.put('motion_model', self.model, f'{choice.name}.motion_model' if choice.is_mppi
                     else f'{choice.name}.max_vel_y is not 0')
        self.ratios = self._ratios()

    def uses(self, name: str) -> bool:
        """Return whether the motion model uses a limit of ours or a parameter of one axis."""
        return self.model in USED_BY.get(name, OUR_MODELS)

    def _model_of_others(self) -> str:
        """Return the model of a robot whose controller does not name one."""
        speed, why = number(self.mine.get('max_vel_y', self.mine.get('vy_max')))
        return 'omni' if not why and speed > 0.0 else 'diff_drive'

    def _model_of_mppi(self) -> str:
        """Return the model that is named; an omnidirectional one without vy_max is none."""
        given = self.mine.get('motion_model', self.mine.get('primary_controller.motion_model'))
        if given is None:
            return 'diff_drive'
        named = str(self.mine.get(f'{given}.plugin', given))
        ours = MODELS.get(named, '')
        if not ours:
            self.is_known = False
            self.doubt = f'{shown(named)} is not known here: choose one of {", ".join(OUR_MODELS)}'
        elif ours == 'omni' and number(self.mine.get('vy_max'))[0] == 0.0:
            self.doubt = 'vy_max is 0: the robot never moves sideways'
        return 'diff_drive' if self.doubt else ours

    def named(self, full: str, value: Any) -> None:
        """Account for motion_model."""
        part = Part.TAKEN if not self.doubt else Part.CHANGED if self.is_known else Part.MEASURE
        self.done.add(part, full, value, 'motion_model', self.doubt)

    def _ratios(self) -> dict[str, float]:
        """Return each standard deviation as a share of its limit, over that of what Nav2 ships."""
        ratios = {}
        for name, (limit, std, top) in STD.items():
            value, why = number(self.mine.get(name))
            reach, none = number(self.mine.get(limit, top))
            if self.uses(name) and not why and not none and value > 0.0 < reach:
                ratios[name] = value / reach * top / std
        return ratios

    def share(self, full: str, value: Any, name: str) -> None:
        """Account for a standard deviation."""
        why = number(value)[1] or 'is not a positive share of its limit'
        if not self.uses(name):
            why = f'is not used by the motion model {self.model}'
        if name in self.ratios:
            self.done.add(Part.TAKEN, full, value, 'sigma_share')
        else:
            self.done.leave_out(full, value, why)

    def delay(self, full: str, value: Any, name: str, ours: str) -> None:
        """Account for a delay."""
        given, why = number(value)
        if not self.uses(name):
            why = f'is not used by the motion model {self.model}'
        elif not why and given <= 0.0:
            why = 'says nothing of the robot: prediction.* is measured'
        if why:
            self.done.leave_out(full, value, why)
        else:
            self.done.add(Part.TAKEN, full, value, ours)

    def take(self) -> None:
        """Take Σ and the delays."""
        self._sigma()
        self._delays()

    def _sigma(self) -> None:
        """Take Σ as shares of the limits, in proportion to what Nav2 ships."""
        if not self.ratios:
            return
        speeds = max((each for name, each in self.ratios.items() if name != 'wz_std'), default=1.0)
        turning = self.ratios.get('wz_std', 1.0)
        info = INFO['sigma_share']
        assert isinstance(info.default, tuple) and info.low is not None
        shares = [max(float(f'{share * min(each, WIDEST):.4g}'), info.low)
                  for share, each in zip(info.default, (speeds, turning, turning), strict=True)]
        said = [f'{name} / {STD[name][0]} x {each:.3g}' for name, each in self.ratios.items()]
        self.done.put('sigma_share', shares, ', '.join(said) + ' of what Nav2 ships')

    def _delays(self) -> None:
        for ours, names in DELAYS.items():
            used = [name for name in names if self.uses(name)]
            given = {name: number(self.mine[name])[0] for name in used if name in self.mine}
            longest = max((value for value in given.values() if value > 0.0), default=0.0)
            if longest > 0.0:
                self.done.put(ours, fitted(ours, longest)[0],
                              f'the longest of {", ".join(given)}')

    def take_car(self, wheelbase: float | None, length: float) -> None:
        """Estimate what a car needs and Nav2 does not know; `length` of the body [m], or 0."""
        ours = 'limits.wheelbase'
        if wheelbase is not None:
            self.done.put(ours, wheelbase, '--wheelbase')
        elif length:
            self.done.put(ours, fitted(ours, float(f'{LENGTH * length:.3g}'))[0],
                          f'{LENGTH} of the length of the body, {length:.3g} m: an estimate')
            self.done.measure(ours, 'is estimated from the length of the body: measure the '
                              'distance between the axles, or give it by --wheelbase')
        else:
            self.done.measure(ours, 'is our default: measure the distance between the axles, or '
                              'give it by --wheelbase')
        self.done.measure('limits.steering_rate', 'time the wheels from lock to lock')
        if 'limits.turning_radius_min' not in self.done.changes:
            self.done.measure('limits.turning_radius_min',
                              f'our default; {TRUSTED["limits.turning_radius_min"]}')
