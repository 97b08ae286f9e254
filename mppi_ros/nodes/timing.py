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
    """
    Counts the ticks that a timer of a given period [s] should have fired and did not.

    The ticks belong to slots, one a period. A tick that comes late in its slot was not missed,
    however long the gap before it; a slot without a tick was.
    """

    def __init__(self, period: float) -> None:
        self.period = period
        self.ticks = 0
        self.missed = 0
        self.periods = Window()  # [ms]
        self.lateness = Window()  # [ms]
        self._last = math.nan
        self._slot = 0
        self._origin = math.nan  # [s] when slot 0 began, as the most punctual tick shows it

    def tick(self, now: float) -> None:
        """Count one tick at the time `now` [s]; a clock that jumps back starts afresh."""
        self.ticks += 1
        gap, self._last = now - self._last, now
        if not gap > 0.0:
            self._slot, self._origin = 0, now
            return
        self.periods.add(1e3 * gap)
        slot = max(math.floor((now - self._origin) / self.period + 1e-6), self._slot + 1)
        self.missed += slot - self._slot - 1
        self._slot = slot
        begin = slot * self.period
        self._origin = min(self._origin, now - begin)
        self.lateness.add(1e3 * (now - self._origin - begin))


class Latency:
    """How long a command takes from the begin of its tick until it is sent: a slow mean [s]."""

    SHARE = 0.05  # of a new value
    MOST = 0.1  # [s] beyond which a value is an accident

    def __init__(self) -> None:
        self.value = 0.0

    def add(self, seconds: float) -> None:
        """Take one measurement; a clock that jumped meanwhile tells nothing."""
        if 0.0 <= seconds <= self.MOST:
            self.value += self.SHARE * (seconds - self.value)
