"""Timing statistics of the control loop over a sliding window."""

from __future__ import annotations

from collections import deque
import math

import numpy as np


class DurationWindow:
    """Ring buffer of the last `size` durations; `add` does not allocate."""

    def __init__(self, size: int = 1200) -> None:
        self._values = np.zeros(size)
        self._count = 0

    def add(self, value: float) -> None:
        """Add one duration."""
        self._values[self._count % self._values.size] = value
        self._count += 1

    def summary(self) -> tuple[float, float, float]:
        """Return the median, the 99th percentile (nearest rank) and the maximum; NaN if empty."""
        if self._count == 0:
            return math.nan, math.nan, math.nan
        count = min(self._count, self._values.size)
        known = np.sort(self._values[:count])  # a tenth of the time of np.percentile
        median = 0.5 * (known[(count - 1) // 2] + known[count // 2])
        return float(median), float(known[math.ceil(0.99 * count) - 1]), float(known[-1])


class TickPunctuality:
    """
    Counts missed ticks of a timer with a period in seconds.

    Time is divided into slots of one period. A late tick within its slot is not missed; a slot
    without a tick is.
    """

    def __init__(self, period: float) -> None:
        self.period = period
        self.ticks = 0
        self.missed = 0
        self.periods = DurationWindow()  # [ms]
        self.lateness = DurationWindow()  # [ms]
        self._last = math.nan
        self._slot = 0
        self._origin = math.nan  # [s] start of slot 0, from the most punctual tick

    def tick(self, now: float) -> None:
        """Count a tick at the time `now` [s]; restart the slots if the clock jumped back."""
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
    Measures the step size of a simulated clock; ticks cannot occur between two of its steps.

    Attributes
    ----------
    hold : float
        Largest recent clock step, for which a command is held [s]; 0 without data.
    wall : float
        Largest recent time between ticks on the steady clock [s]; 0 without data.

    """

    COUNT = 9  # [ticks] of the window
    MOST = 0.25  # [s] largest clock step with which the robot is driven
    UNEVEN = 1.5  # [periods] between ticks that are not attributed to the clock step
    LONGEST = 1.0  # [s] largest time between ticks that is attributed to a slow simulation

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Clear the window after a change or pause of the clock."""
        self.hold = self.wall = 0.0
        self._steps: deque[float] = deque(maxlen=self.COUNT)
        self._walls: deque[float] = deque(maxlen=self.COUNT)
        self._last: tuple[float, float] | None = None

    def tick(self, now: float, steady: float) -> None:
        """Add the readings of the simulated and the steady clock at a tick [s]."""
        last, self._last = self._last, (now, steady)
        if last is None or now <= last[0]:
            return
        self._steps.append(now - last[0])
        self._walls.append(min(steady - last[1], self.LONGEST))
        self.hold = min(max(self._steps), self.MOST)
        self.wall = max(self._walls)

    def hold_beyond(self, period: float) -> float:
        """Return the hold time of a command [s] if it clearly exceeds the period; else 0."""
        return self.hold if self.hold > self.UNEVEN * period else 0.0

    def complaint(self, period: float) -> str:
        """Return an error message if the clock is too coarse for control; '' otherwise."""
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
    """Moving average of the time from the start of a tick until its command is sent [s]."""

    SHARE = 0.05  # weight of a new value
    MOST = 0.1  # [s] larger values are outliers

    def __init__(self) -> None:
        self.value = 0.0

    def add(self, seconds: float) -> None:
        """Add a measurement [s]; values out of range, as after a clock jump, are ignored."""
        if 0.0 <= seconds <= self.MOST:
            self.value += self.SHARE * (seconds - self.value)
