"""Run a node as a process: arguments, executor, signals, exit code and an orderly stop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import gc
import os
import signal
import socket
import sys
import threading
import traceback
from typing import Any, Protocol

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from mppi_ros.parameters.errors import MppiError
from mppi_ros.ros.help import help_text
from mppi_ros.ros.params_files import unaddressed

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
AGAIN = 0.05  # [s] until a signal is repeated
ASKED_TO_STOP = threading.Event()  # a signal was received


def freeze_garbage() -> None:
    """
    Exclude the existing objects from garbage collection.

    A full collection visits all objects of Numba and blocks a tick for 0.15 s or more. Garbage
    among the previously frozen objects is collected first.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


@contextmanager
def interruptible() -> Iterator[None]:
    """
    Let a stop signal interrupt a long operation while the robot stands still.

    Raises
    ------
    KeyboardInterrupt
        SIGINT or SIGTERM is or was received.

    """
    if threading.current_thread() is not threading.main_thread():  # receives no signals
        yield
        return
    done = False

    def once_more(number: int) -> None:
        if not done:
            os.kill(os.getpid(), number)

    def interrupt(number: int, frame: Any) -> None:
        if not done:
            # An exception raised inside a callback, such as that of a weak reference, is lost.
            again = threading.Timer(AGAIN, once_more, (number,))
            again.daemon = True
            again.start()
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in STOP_SIGNALS}
    try:
        if ASKED_TO_STOP.is_set():
            raise KeyboardInterrupt
        yield
    finally:
        done = True
        for number, handler in before.items():
            signal.signal(number, handler)


class StartStoppable(Protocol):
    """Interface of a node that `run` requires."""

    def start(self) -> None:
        """Start operation; the executor runs next."""

    def stop(self) -> None:
        """Send final commands; the ROS context is still valid."""


def run(make: type[Any], parameters: type[Any]) -> None:
    """
    Run a node of the class `make` until SIGINT or SIGTERM, then exit; print `--help` on request.

    The signal handlers of rclpy shut the context down at once, before a node could publish a stop
    command. Here a signal only ends spinning, and the context is shut down after the node.

    The EventsExecutor of rclpy would halve the load of the process. That of Jazzy (rclpy 7.1)
    stalls: messages wait until another event occurs.

    Raises
    ------
    SystemExit
        With 0 after a signal, 1 after an unexpected error, 2 for bad arguments or parameters.

    """
    if {'-h', '--help'} & set(sys.argv[1:]):
        print(help_text(_name(), make, parameters))
        raise SystemExit(0)
    asked_to_stop = Future()
    _on_signal(asked_to_stop)
    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # rclpy raises no narrower error for invalid arguments
        raise SystemExit(_complain(str(error).splitlines()[0])) from None
    node = None
    code = 0
    try:
        node = _created(make)
        known = getattr(node.configuration, 'controller_params', '')
        for message in unaddressed(sys.argv, node.get_fully_qualified_name(), known):
            node.get_logger().error(message)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        # Let costmap processing in another Python thread yield the GIL sooner than after 5 ms.
        sys.setswitchinterval(5e-4)
        node.start()
        spin(executor, asked_to_stop)
    except MppiError as error:
        code = _complain(str(error))
    except KeyboardInterrupt:  # raised by `interruptible`
        pass
    except Exception:
        traceback.print_exc()
        code = 1
    finally:
        if node is not None:
            node.stop()
            node.destroy_node()
        rclpy.shutdown()
        # The interpreter restores the default signal handlers before it ends.
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
    raise SystemExit(code)


def spin(executor: SingleThreadedExecutor, until: Future) -> None:
    """
    Run callbacks until the future is done.

    spin_until_future_complete of rclpy leaks a callback on the future per executed callback:
    90 MB an hour.
    """
    until.add_done_callback(lambda _: executor.create_task(lambda: None))  # wakes spin_once
    while not until.done():
        executor.spin_once()


def _on_signal(asked_to_stop: Future) -> None:
    """
    Complete the future when a stop signal arrives, and wake the executor.

    A Python signal handler runs only while the main thread runs Python code, not while it waits
    for messages. A thread therefore reads the byte that the interpreter writes for each signal.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.detach())
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: ASKED_TO_STOP.set())

    def wait() -> None:
        reader.recv(1)
        asked_to_stop.set_result(None)
        while reader.recv(64):  # consume further signals
            pass

    threading.Thread(target=wait, daemon=True).start()


def _created(make: type[Any]) -> Any:
    try:
        return make()
    except rclpy_implementation.RCLError as error:  # no participant can be created
        raise MppiError(str(error).splitlines()[0]) from error


def _complain(message: str) -> int:
    print(f'{_name()}: {message}', file=sys.stderr)
    return 2


def _name() -> str:
    return sys.argv[0].rsplit('/', 1)[-1]
