"""Comparison of two stretches of a drive: before a mark, and after the last change since."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mppi_ros.dashboard.history import Frame, History
from mppi_ros.dashboard.parameter_model import ParameterModel, same
from mppi_ros.dashboard.signals import shown
from mppi_ros.parameters.declaration import Value

WITHOUT_RATIO = ('mean L_Σ',)  # its zero has no meaning
STRETCH = 20.0  # [s] at most


class Row(NamedTuple):
    """A quantity in both stretches, as text; `change` is relative, '' if it has no meaning."""

    label: str
    before: str
    after: str
    change: str


class Comparison:
    """
    The stretches before a mark, and after the last change of a parameter since then.

    Attributes
    ----------
    mark, begin : float
        End of the first and begin of the second stretch [s].
    changes : dict
        Parameters that differ from those when the comparison began: name to (then, now).

    """

    def __init__(self, history: History, mark: float, parameters: ParameterModel) -> None:
        self._history, self._parameters = history, parameters
        self.mark = self.begin = mark
        self.changes: dict[str, tuple[Value, Value]] = {}
        self._values = _values_of(parameters)
        self._earlier = history.between(mark - STRETCH, mark)
        self._later: list[Frame] = []
        self._complete = False

    def update(self, now: float) -> tuple[float, float, list[Row]]:
        """
        Follow the changes until a time [s], and compare.

        Returns
        -------
        before, after : float
            Lengths of the stretches [s].
        rows : list of Row
            The quantities.

        """
        changes = {
            name: (self._values[name], value)
            for name, value in _values_of(self._parameters).items()
            if name in self._values and not same(self._values[name], value)
        }
        if changes != self.changes:
            self.changes, self.begin, self._complete = changes, now, False
        if not self._complete:
            self._later = self._history.between(self.begin, self.begin + STRETCH)
            self._complete = now > self.begin + STRETCH
        rows = []
        for label, unit, measure in MEASURES:
            a, b = measure(self._earlier), measure(self._later)
            change = '' if label in WITHOUT_RATIO else _change(a, b)
            rows.append(Row(label, shown(a, 3, unit), shown(b, 3, unit), change))
        return _length(self._earlier), _length(self._later), rows


def _values_of(parameters: ParameterModel) -> dict[str, Value]:
    groups = parameters.groups().values()
    return {entry.name: entry.value for group in groups for entry in group}


def _change(before: float, after: float) -> str:
    if not (math.isfinite(before) and math.isfinite(after)) or abs(before) < 1e-9:
        return ''
    change = 100.0 * (after / before - 1.0)
    return f'{change:+.0f} %'.replace('-', '−')


def _length(frames: Sequence[Frame]) -> float:
    return frames[-1].time - frames[0].time if len(frames) > 1 else 0.0


def _values(frames: Sequence[Frame], key: str) -> NDArray[np.float64]:
    values = np.array([frame.value(key) for frame in frames], np.float64)
    finite: NDArray[np.float64] = values[np.isfinite(values)]
    return finite


def _mean(key: str, *, absolute: bool = False) -> Callable[[Sequence[Frame]], float]:
    def measure(frames: Sequence[Frame]) -> float:
        values = _values(frames, key)
        values = np.abs(values) if absolute else values
        return float(values.mean()) if len(values) else math.nan

    return measure


def _quantile(key: str, share: float) -> Callable[[Sequence[Frame]], float]:
    def measure(frames: Sequence[Frame]) -> float:
        values = _values(frames, key)
        return float(np.quantile(values, share)) if len(values) else math.nan

    return measure


def _rms_of_rate(key: str) -> Callable[[Sequence[Frame]], float]:
    """Return the root mean square of the rate of change of a signal."""

    def measure(frames: Sequence[Frame]) -> float:
        values = np.array([(frame.time, frame.value(key)) for frame in frames])
        if len(values) < 2:
            return math.nan
        steps = np.diff(values, axis=0)
        rates = steps[:, 1] / np.maximum(steps[:, 0], 1e-3)
        rates = rates[np.isfinite(rates)]
        return float(np.sqrt(np.mean(rates**2))) if len(rates) else math.nan

    return measure


def _per_minute(key: str) -> Callable[[Sequence[Frame]], float]:
    """Return the increase of a counter per minute: the stretches differ in length."""

    def measure(frames: Sequence[Frame]) -> float:
        values = _values(frames, key)
        seconds = _length(frames)
        return float(values[-1] - values[0]) / seconds * 60.0 if len(values) > 1 else math.nan

    return measure


MEASURES: tuple[tuple[str, str, Callable[[Sequence[Frame]], float]], ...] = (
    ('mean speed', 'm/s', _mean('vx')),
    ('RMS of the commanded acceleration', 'm/s²', _rms_of_rate('command_vx')),
    ('RMS of the commanded angular acceleration', 'rad/s²', _rms_of_rate('command_wz')),
    ('mean absolute cross-track error', 'm', _mean('cross_track', absolute=True)),
    ('minimum clearance', 'm', _quantile('clearance', 0.0)),
    ('mean L_Σ', '', _mean('objective')),
    ('mean effective sample size', '', _mean('ess')),
    ('mean λ', 's', _mean('temperature')),
    ('mean KL of a step', '', _mean('kl')),
    ('median solve time', 'ms', _quantile('solve_ms', 0.5)),
    ('maximum solve time', 'ms', _quantile('solve_ms', 1.0)),
    ('missed ticks per minute', '', _per_minute('missed')),
)
