"""How punctual and how fast the control tick is, over a sliding window."""

from __future__ import annotations

from collections import deque
import math

import numpy as np


class DurationWindow:
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


class TickPunctuality:
    """
    Counts the ticks that a timer of a given period [s] should have fired and did not.

    The ticks belong to slots, one a period. A tick that comes late in its slot was not missed,
    however long the gap before it; a slot without a tick was.
    """

    def __init__(self, period: float) -> None:
        self.period = period
        self.ticks = 0
        self.missed = 0
        self.periods = DurationWindow()  # [ms]
        self.lateness = DurationWindow()  # [ms]
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


class ClockStepMonitor:
    """
    How coarsely a simulated clock advances: no tick can come between two of its steps.

    Attributes
    ----------
    hold : float
        Longest step of late, for which a command is held [s]; 0 before any.
    wall : float
        Longest time between two ticks of late, on a clock that is real [s]; 0 before any.

    """

    COUNT = 9  # ticks
    MOST = 0.25  # [s] a robot that gets no command for longer is not driven
    UNEVEN = 1.5  # periods between ticks that are no step of the clock
    LONGEST = 1.0  # [s] of a real clock that is still taken for a slow simulation

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget the steps: the clock is another one, or stood."""
        self.hold = self.wall = 0.0
        self._steps: deque[float] = deque(maxlen=self.COUNT)
        self._walls: deque[float] = deque(maxlen=self.COUNT)
        self._last: tuple[float, float] | None = None

    def tick(self, now: float, steady: float) -> None:
        """Take the readings [s] of the simulated and a real clock at a tick."""
        last, self._last = self._last, (now, steady)
        if last is None or now <= last[0]:
            return
        self._steps.append(now - last[0])
        self._walls.append(min(steady - last[1], self.LONGEST))
        self.hold = min(max(self._steps), self.MOST)
        self.wall = max(self._walls)

    def hold_beyond(self, period: float) -> float:
        """Return how long a command is held [s], where well beyond the period; else 0."""
        return self.hold if self.hold > self.UNEVEN * period else 0.0

    def complaint(self, period: float) -> str:
        """Say that the clock is too coarse to drive by; '' where it is not."""
        if len(self._steps) < 3:
            return ''
        step = sorted(self._steps)[len(self._steps) // 2]
        if step <= max(self.MOST, self.UNEVEN * period):
            return ''
        return (
            f'the clock advances in steps of {step:.2f} s, the control period is {period:g} s: '
            f'publish /clock at {1.0 / period:g} Hz or more, at least at {1.0 / self.MOST:g} Hz'
        )


class LatencyEstimate:
    """How long a command takes from the begin of its tick until it is sent: a slow mean [s]."""

    SHARE = 0.05  # of a new value
    MOST = 0.1  # [s] beyond which a value is an accident

    def __init__(self) -> None:
        self.value = 0.0

    def add(self, seconds: float) -> None:
        """Take one measurement; a clock that jumped meanwhile tells nothing."""
        if 0.0 <= seconds <= self.MOST:
            self.value += self.SHARE * (seconds - self.value)
