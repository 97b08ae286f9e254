"""The last line inside the node: a thread that sends zero when the control tick stops."""

from __future__ import annotations

from collections.abc import Callable
import sys
import threading
import time


class LastLine:
    """
    Watches the beats of the tick and stops the robot when they fail.

    A kernel that hangs, a callback that waits, a clock that stands: whatever keeps the tick from
    coming, zero is sent, and again each period until the tick is back.

    Parameters
    ----------
    send_zero : callable
        Publishes zero; it is called in the thread of the watch.

    """

    def __init__(self, send_zero: Callable[[], None]) -> None:
        self._send_zero = send_zero
        self._patience = self._period = 0.0  # [s]
        self._coming = 0.0, 0.0
        self._beat: float | None = None  # None: nothing is expected
        self._tripped = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name='last line', daemon=True)
        self._thread.start()

    def expect(self, period: float, periods: int) -> None:
        """Expect a beat every `period` [s], from the next one on; 0 `periods` tolerate any gap."""
        self._coming = period, periods * period

    def beat(self) -> bool:
        """Take note of a tick; tell whether the watch tripped since the last one."""
        late = self.tripped
        self._period, self._patience = self._coming
        self._beat, self._tripped = time.monotonic(), False
        return late

    @property
    def tripped(self) -> bool:
        """
        Tell whether zero was sent since the last beat, or should have been.

        In a process that was stopped and goes on, the tick may be quicker than the watch.
        """
        return self._tripped or self._is_late()

    def rest(self) -> None:
        """Expect nothing until the next beat."""
        self._beat = None

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closed.wait(self._period or 0.05):
            if not self._is_late():
                continue
            self._tripped = True
            try:
                self._send_zero()
            except Exception as error:  # the next time it may go well
                print(f'last line: {type(error).__name__}: {error}', file=sys.stderr)

    def _is_late(self) -> bool:
        beat = self._beat
        return beat is not None and 0.0 < self._patience < time.monotonic() - beat
