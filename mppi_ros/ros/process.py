"""A node as a process: arguments, executor, signals, exit code, and a last word before the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from mppi_ros.parameters.errors import MppiError
from mppi_ros.ros.help import help_text
from mppi_ros.ros.params_files import unaddressed

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
AGAIN = 0.05  # [s]
ASKED_TO_STOP = threading.Event()  # by a signal while nothing was interruptible


def freeze_garbage() -> None:
    """
    Keep what is there by now, and stays anyway, out of the garbage collection.

    A full collection walks through all that Numba keeps and would stop a tick for 0.15 s and more.
    What was kept before and is garbage now is collected first: it would stay for good.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


@contextmanager
def interruptible() -> Iterator[None]:
    """
    Let a stop signal end what is done meanwhile: it takes long, and the robot stands.

    Raises
    ------
    KeyboardInterrupt
        SIGINT or SIGTERM came, now or before.

    """
    if threading.current_thread() is not threading.main_thread():  # signals are not for it
        yield
        return
    done = False

    def once_more(number: int) -> None:
        if not done:
            os.kill(os.getpid(), number)

    def interrupt(number: int, frame: Any) -> None:
        if not done:
            # It is lost where it is raised in a callback, of a weak reference for one.
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


@contextmanager
def log_after(seconds: float, words: str, say: Callable[[str], Any]) -> Iterator[None]:
    """Say something, from another thread, if what is done meanwhile takes longer than that."""
    timer = threading.Timer(seconds, say, (words,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class StartStoppable(Protocol):
    """What `run` asks of a node."""

    def start(self) -> None:
        """Begin work; the executor runs next."""

    def stop(self) -> None:
        """Say the last word; the context still stands."""


def run(make: type[Any], parameters: type[Any]) -> None:
    """
    Run a node of the class `make` until SIGINT or SIGTERM, then exit; or answer `--help`.

    rclpy's own handlers shut the context down at once, and a node could not publish a last
    command. Here a signal only ends the spinning, and the context ends after the node.

    rclpy's EventsExecutor would halve the load of the process, but the one in Jazzy (rclpy 7.1)
    stalls: messages wait until something else happens.

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
    except Exception as error:  # rclpy has no narrower error for arguments it cannot parse
        raise SystemExit(_complain(str(error).splitlines()[0])) from None
    node = None
    code = 0
    try:
        node = make()
        for words in unaddressed(sys.argv, node.get_fully_qualified_name()):
            node.get_logger().error(words)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        # What Python does beside the tick, for a survey, gives way sooner than after 5 ms.
        sys.setswitchinterval(5e-4)
        node.start()
        spin(executor, asked_to_stop)
    except MppiError as error:
        code = _complain(str(error))
    except KeyboardInterrupt:  # while it was interruptible
        pass
    except Exception:
        traceback.print_exc()
        code = 1
    finally:
        if node is not None:
            node.stop()
            node.destroy_node()
        rclpy.shutdown()
        # The interpreter gives signals their deadly default back before it ends.
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
    raise SystemExit(code)


def spin(executor: SingleThreadedExecutor, until: Future) -> None:
    """
    Run callbacks until the future is done.

    rclpy's spin_until_future_complete would leave a callback on the future for each that it runs:
    90 MB an hour.
    """
    until.add_done_callback(lambda _: executor.create_task(lambda: None))  # wakes spin_once
    while not until.done():
        executor.spin_once()


def _on_signal(asked_to_stop: Future) -> None:
    """
    Complete the future when a stop signal comes, and wake the executor that waits for it.

    A handler in Python runs only when the main thread runs Python, which it does not while it
    waits for messages. So a thread reads the byte that the interpreter writes for each signal.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.detach())
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: ASKED_TO_STOP.set())

    def wait() -> None:
        reader.recv(1)
        asked_to_stop.set_result(None)
        while reader.recv(64):  # an impatient second signal is read, too
            pass

    threading.Thread(target=wait, daemon=True).start()


def _complain(message: str) -> int:
    print(f'{_name()}: {message}', file=sys.stderr)
    return 2


def _name() -> str:
    return sys.argv[0].rsplit('/', 1)[-1]
