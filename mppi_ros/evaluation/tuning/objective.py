"""Objective of the tuner: weighted measures of an episode, and hard limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import math
from typing import Any

import numpy as np

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.simulation.episode_result import EpisodeResult

FAILURE_COST = 10.0  # cost of a failed episode, beside the share of the way that is left
NEAR = 0.5  # [m] clearance beyond which more of it is not better
TERMS = ('time', 'jerk', 'clearance', 'comfort')

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Objective:
    """
    Weights of the measures of an episode, and limits that no episode may exceed.

    Attributes
    ----------
    time : float
        Weight of the time beyond the ideal time, as a share of the ideal time.
    jerk : float
        Weight of the root mean square of the jerk of the commanded speed, in units of the
        acceleration limit per second.
    clearance : float
        Weight of the mean square of 1 − clearance / NEAR, where that is positive.
    comfort : float
        Weight of the root mean square of the horizontal acceleration, longitudinal and
        centripetal, in units of the acceleration limit.
    max_jerk : float
        Limit of the root mean square of the jerk [m/s³].
    max_acceleration : float
        Limit of the root mean square of the horizontal acceleration [m/s²].

    """

    time: float = 0.0
    jerk: float = 0.0
    clearance: float = 0.0
    comfort: float = 0.0
    max_jerk: float = math.inf
    max_acceleration: float = math.inf

    def cost(self, record: Record) -> float:
        """
        Return the cost of an episode.

        A failed one costs FAILURE_COST and the share of the way that is left; each limit that is
        exceeded costs FAILURE_COST times the relative excess.
        """
        cost = sum(getattr(self, term) * record['terms'][term] for term in TERMS)
        if not record['success']:
            cost = FAILURE_COST + record['way_left']
        return float(cost + FAILURE_COST * sum(self._excess(record).values()))

    def violations(self, records: Sequence[Record]) -> dict[str, float]:
        """Return by how much each hard limit is violated; 0 if it holds in all episodes."""
        found = {'contact': float(sum(bool(record['collision']) for record in records))}
        for name in ('jerk', 'acceleration'):
            found[name] = max((self._excess(record)[name] for record in records), default=0.0)
        return found

    def _excess(self, record: Record) -> dict[str, float]:
        """Return the relative excess over the limits."""
        pairs = {'jerk': (record['rms_jerk'], self.max_jerk),
                 'acceleration': (record['rms_acceleration'], self.max_acceleration)}
        return {
            name: max(value / limit - 1.0, 0.0) for name, (value, limit) in pairs.items()
        }


# The weights make each measure of a usual drive count as the name says.
OBJECTIVES = {
    'quick': Objective(time=1.0, jerk=0.02, clearance=0.2, comfort=0.1),
    'smooth': Objective(time=0.3, jerk=0.3, clearance=0.2, comfort=1.0),
    'careful': Objective(time=0.2, jerk=0.1, clearance=2.0, comfort=0.5),
}


def measures(
    record: Record, result: EpisodeResult, configuration: ControllerParameters
) -> dict[str, Any]:
    """Return what an objective reads: terms, RMS jerk [m/s³] and acceleration [m/s²]."""
    trace, limit = result.trace, configuration.limits.ax_max
    steps = np.diff(trace.time)
    moving = steps > 0.0
    ahead = np.diff(trace.twist[:, 0])[moving] / steps[moving]
    aside = (trace.twist[1:, 0] * trace.twist[1:, 2])[moving]
    acceleration = math.sqrt(float(np.mean(ahead**2 + aside**2))) if moving.any() else 0.0
    jerk = math.sqrt(result.mean_jerk)
    near = np.maximum(1.0 - trace.clearance / NEAR, 0.0)
    ideal = record['ideal_time_s']
    left = trace.statistics['distance_to_goal']
    left = left[np.isfinite(left)]
    return {
        'terms': {
            'time': result.time_s / ideal - 1.0 if 0.0 < ideal < math.inf else result.time_s,
            'jerk': jerk / limit,
            'clearance': float(np.mean(near**2)),
            'comfort': acceleration / limit,
        },
        'rms_jerk': jerk,
        'rms_acceleration': acceleration,
        'way_left': float(min(left[-1] / max(left[0], 1e-6), 1.0)) if len(left) else 1.0,
    }
