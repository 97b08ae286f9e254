"""
The last line inside the node: a thread that sends zero when the control tick stops.

And what another node has sent in its place, such as the guard: see `ExternalStopMonitor`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
import sys
import threading
import time
from typing import Any

from rclpy.node import Node

from mppi_ros.ros import conversions, executor

MAX_OWN_COMMANDS = 64  # own commands that may still be on their way back


class TickWatchdog:
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

    def arm(self, period: float, periods: int) -> None:
        """Expect a beat every `period` [s], from the next one on; 0 `periods` tolerate any gap."""
        self._coming = period, periods * period

    def kick(self) -> bool:
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

    def disarm(self) -> None:
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


class ExternalStopMonitor:
    """
    Notices zero commands on cmd_vel that this node did not send.

    A node that was stopped for less time than its own watch tolerates does not know that the
    guard has stopped the robot meanwhile: it must not go on from the speed that it sent last.
    Messages carry no name of their sender, so that its own ones are told by what they hold.

    Parameters
    ----------
    node : Node
        Who sends.
    kind : type
        Twist or TwistStamped.

    """

    def __init__(self, node: Node, kind: type[Any]) -> None:
        """Subscribe; `close` is the end."""
        self._node = node
        self._own: deque[tuple[float, ...]] = deque(maxlen=MAX_OWN_COMMANDS)
        self._lock = threading.Lock()  # the thread of the watch sends, too
        self._subscription = node.create_subscription(
            kind, 'cmd_vel', lambda _: None, MAX_OWN_COMMANDS,
            callback_group=executor.PolledCallbackGroup(),
            event_callbacks=executor.SUBSCRIPTION,
        )  # fmt: skip

    def close(self) -> None:
        """Listen no more."""
        self._node.destroy_subscription(self._subscription)

    def add_own(self, message: Any) -> None:
        """Take note of a message before it is sent; from any thread."""
        with self._lock:
            self._own.append(_content(message))

    def occurred(self) -> bool:
        """Tell whether another node has sent zero since the last look."""
        found = False
        for _ in range(2 * MAX_OWN_COMMANDS):
            message = executor.poll_message(self._subscription)
            if message is None:
                break
            content = _content(message)
            found |= not self._is_own(content) and not any(content[1:])
        return found

    def _is_own(self, content: tuple[float, ...]) -> bool:
        """Tell whether this node sent it: then all that it sent before arrived, or is lost."""
        with self._lock:
            if content not in self._own:
                return False
            while self._own.popleft() != content:
                pass
        return True


def _content(message: Any) -> tuple[float, ...]:
    """Return stamp [s], 0 without one, and velocities of a Twist or TwistStamped."""
    stamped = hasattr(message, 'header')
    twist = message.twist if stamped else message
    stamp = conversions.seconds_from_msg(message.header.stamp) if stamped else 0.0
    return (
        stamp, twist.linear.x, twist.linear.y, twist.linear.z, twist.angular.x, twist.angular.y,
        twist.angular.z,
    )  # fmt: skip
