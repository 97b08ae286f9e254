"""How punctual and how fast the control tick is, over a sliding window."""

from __future__ import annotations

import math

import numpy as np


class Window:
    """The last durations, without allocation while they come in."""

    def __init__(self, size: int = 1200) -> None:
        self._values = np.zeros(size)
        self._count = 0

    def add(self, value: float) -> None:
        """Add one duration."""
        self._values[self._count % self._values.size] = value
        self._count += 1

    def summary(self) -> tuple[float, float, float]:
        """Return the median, the 99th percentile and the maximum; NaN before the first."""
        if self._count == 0:
            return math.nan, math.nan, math.nan
        known = self._values[: min(self._count, self._values.size)]
        median, p99, largest = np.percentile(known, (50.0, 99.0, 100.0))
        return float(median), float(p99), float(largest)


class Pace:
    """Counts the ticks that a timer of a given period [s] should have fired and did not."""

    def __init__(self, period: float) -> None:
        self.period = period
        self.ticks = 0
        self.missed = 0
        self.periods = Window()  # [ms]
        self._last: float | None = None

    def tick(self, now: float) -> None:
        """Count one tick at the time `now` [s]; a clock that jumps back starts afresh."""
        self.ticks += 1
        gap = 0.0 if self._last is None else now - self._last
        self._last = now
        if gap > 0.0:
            self.periods.add(1e3 * gap)
            self.missed += max(round(gap / self.period) - 1, 0)
