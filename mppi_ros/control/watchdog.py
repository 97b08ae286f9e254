"""Whether the inputs may be trusted: missing, too old, or stamped in the future."""

from __future__ import annotations

import math
from typing import NamedTuple

FUTURE = 0.1  # [s] that clocks of different machines may differ


class Watched(NamedTuple):
    """One input: its name, its stamp [s] or None while none came, and its time-out [s] or 0."""

    name: str
    stamp: float | None
    timeout: float

    def missing(self) -> str:
        """Say that the input never came; '' when it did."""
        return f'no {self.name} yet' if self.stamp is None else ''

    def fault(self, now: float) -> str:
        """
        Say what is wrong with the age of the input; '' when nothing is.

        A time-out of 0 trusts the input for ever, whatever its stamp.
        """
        if self.stamp is None or self.timeout == 0.0:
            return ''
        age = now - self.stamp
        if age > self.timeout:
            return f'{self.name} is {age:.2f} s old, limit {self.timeout:g} s'
        if age < -FUTURE:
            return f'{self.name} is stamped {-age:.2f} s in the future, limit {FUTURE:g} s'
        return ''

    def age(self, now: float) -> float:
        """Return the age [s], NaN while none came."""
        return math.nan if self.stamp is None else now - self.stamp

    def gives_way_to(self, stamp: float, now: float) -> bool:
        """
        Tell whether an input with another stamp should take the place of this one [s].

        The newer one holds, so that messages out of order do no harm; but one from the future
        never keeps out those that follow when the clock has gone back.
        """
        if self.stamp is None or self.timeout == 0.0:
            return True
        return stamp >= self.stamp or self.stamp > now + FUTURE
