"""Signals of the live page: keys, labels and units, and how they are read from statistics."""

from __future__ import annotations

from collections.abc import Mapping
import math
from typing import NamedTuple


class Signal(NamedTuple):
    """A number over time; `statistic` is its key in `~/statistics`, '' for another source."""

    key: str
    label: str
    unit: str
    statistic: str
    digits: int = 3


SIGNALS = (
    Signal('objective', 'L_Σ', '', 'smoothed_objective'),
    Signal('ess', 'effective sample size', '', 'ess'),
    Signal('temperature', 'λ', 's', 'temperature'),
    Signal('kl', 'KL of the step', '', 'kl'),
    Signal('score_norm', 'length of the score', '', 'score_norm'),
    Signal('samples', 'samples K', '', 'samples', 5),
    Signal('sigma_scale', 'scale of Σ', '', 'sigma_scale'),
    Signal('solve_ms', 'solve time', 'ms', 'solve_ms'),
    Signal('tick_ms', 'tick time', 'ms', 'tick_ms'),
    Signal('late_ms', 'lateness (p99)', 'ms', 'late_ms.p99'),
    Signal('missed', 'missed ticks', '', 'missed_ticks', 9),
    Signal('ticks', 'ticks', '', 'ticks', 9),
    Signal('clearance', 'clearance', 'm', 'clearance'),
    Signal('cross_track', 'cross-track error', 'm', 'cross_track'),
    Signal('distance_to_goal', 'distance to the goal', 'm', 'distance_to_goal'),
    Signal('x', 'x', 'm', '', 5),
    Signal('y', 'y', 'm', '', 5),
    Signal('yaw', 'yaw', 'rad', '', 4),
    Signal('vx', 'speed', 'm/s', ''),
    Signal('vy', 'lateral speed', 'm/s', ''),
    Signal('wz', 'turning rate', 'rad/s', ''),
    Signal('command_vx', 'commanded speed', 'm/s', ''),
    Signal('command_vy', 'commanded lateral speed', 'm/s', ''),
    Signal('command_wz', 'commanded turning rate', 'rad/s', ''),
)
KEYS = tuple(signal.key for signal in SIGNALS)
COST = 'cost.'  # prefix of the costs of critics in the statistics


def read_statistics(values: Mapping[str, str]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the signals and the cost of each critic [s] in the values of `~/statistics`."""
    signals = {
        signal.key: number(values.get(signal.statistic, ''))
        for signal in SIGNALS if signal.statistic
    }  # fmt: skip
    costs = {
        key.removeprefix(COST): number(value)
        for key, value in values.items() if key.startswith(COST)
    }  # fmt: skip
    return signals, costs


def number(text: str) -> float:
    """Return the number in a text; NaN if it has none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def shown(value: float, digits: int = 3, unit: str = '') -> str:
    """Return a number for people; '–' if it is not finite."""
    if not math.isfinite(value):
        return '–'
    text = f'{value:.{digits}g}'
    if 'e' in text and 1.0 <= abs(value) < 1e9:
        text = f'{value:.0f}'
    return f'{text} {unit}'.rstrip().replace('-', '−')


def for_json(value: float, digits: int = 5) -> float | None:
    """Return a number with `digits` significant digits; None, JSON's null, if not finite."""
    return float(f'{value:.{digits}g}') if math.isfinite(value) else None
