"""
Watchdog thread of the control loop, and detection of stop commands from other nodes.

See `TickWatchdog` and `ExternalStopMonitor`.
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

MAX_OWN_COMMANDS = 64  # published and not yet received back


class TickWatchdog:
    """
    Publishes zero velocity when the control loop misses its deadline.

    The cause may be a hanging kernel, a blocking callback or a paused clock. Zero is repeated
    every period until the next tick.

    Parameters
    ----------
    send_zero : callable
        Publishes zero velocity; called in the watchdog thread.

    """

    def __init__(self, send_zero: Callable[[], None]) -> None:
        self._send_zero = send_zero
        self._timeout = self._period = 0.0  # [s]
        self._next_timing = 0.0, 0.0
        self._last_kick: float | None = None  # [s]; None while disarmed
        self._tripped = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name='tick_watchdog', daemon=True)
        self._thread.start()

    def arm(self, period: float, periods: int) -> None:
        """Set the period [s] and the time-out in periods from the next kick on; 0 disables it."""
        self._next_timing = period, periods * period

    def kick(self) -> bool:
        """Restart the time-out at a tick; return whether the watchdog tripped before it."""
        late = self.tripped
        self._period, self._timeout = self._next_timing
        self._last_kick, self._tripped = time.monotonic(), False
        return late

    @property
    def tripped(self) -> bool:
        """
        Return whether the time-out has expired since the last kick.

        After a suspended process resumes, a tick may run before the watchdog thread does.
        """
        return self._tripped or self._is_late()

    def disarm(self) -> None:
        """Disable the time-out until the next kick."""
        self._last_kick = None

    def close(self) -> None:
        """Stop the thread."""
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closed.wait(self._period or 0.05):
            if not self._is_late():
                continue
            self._tripped = True
            try:
                self._send_zero()
            except Exception as error:  # retry in the next period
                print(f'tick watchdog: {type(error).__name__}: {error}', file=sys.stderr)

    def _is_late(self) -> bool:
        last = self._last_kick
        return last is not None and 0.0 < self._timeout < time.monotonic() - last


class ExternalStopMonitor:
    """
    Detects zero commands on cmd_vel from other nodes.

    After a pause shorter than its own watchdog time-out, this node does not know that
    cmd_vel_watchdog has stopped the robot. It must not continue from the last velocity that it
    commanded. Messages do not identify their sender, so own messages are recognised by content.

    Parameters
    ----------
    node : Node
        Node that publishes the commands.
    kind : type
        Twist or TwistStamped.

    """

    def __init__(self, node: Node, kind: type[Any]) -> None:
        """Subscribe to cmd_vel; `close` unsubscribes."""
        self._node = node
        self._own: deque[tuple[float, ...]] = deque(maxlen=MAX_OWN_COMMANDS)
        self._lock = threading.Lock()  # the watchdog thread publishes, too
        self._subscription = node.create_subscription(
            kind, 'cmd_vel', lambda _: None, MAX_OWN_COMMANDS,
            callback_group=executor.PolledCallbackGroup(),
            event_callbacks=executor.SUBSCRIPTION,
        )  # fmt: skip

    def close(self) -> None:
        """Destroy the subscription."""
        self._node.destroy_subscription(self._subscription)

    def add_own(self, message: Any) -> None:
        """Record an own message before it is published; thread-safe."""
        with self._lock:
            self._own.append(_content(message))

    def occurred(self) -> bool:
        """Return whether another node has published zero since the last call."""
        found = False
        for _ in range(2 * MAX_OWN_COMMANDS):
            message = executor.poll_message(self._subscription)
            if message is None:
                break
            content = _content(message)
            found |= not self._is_own(content) and not any(content[1:])
        return found

    def _is_own(self, content: tuple[float, ...]) -> bool:
        """Return whether this node published it; drop the own messages before it."""
        with self._lock:
            if content not in self._own:
                return False
            while self._own.popleft() != content:
                pass
        return True


def _content(message: Any) -> tuple[float, ...]:
    """Return the stamp, 0 without one [s], and the velocities of a Twist or TwistStamped."""
    stamped = hasattr(message, 'header')
    twist = message.twist if stamped else message
    stamp = conversions.seconds_from_msg(message.header.stamp) if stamped else 0.0
    return (
        stamp, twist.linear.x, twist.linear.y, twist.linear.z, twist.angular.x, twist.angular.y,
        twist.angular.z,
    )  # fmt: skip
