"""A node as a process: a signal ends what takes long; to wait for messages keeps nothing."""
from __future__ import annotations

import gc
from itertools import count
import signal
from threading import Event, Timer
import time
import weakref

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

import rclpy  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.task import Future  # noqa: E402

from mppi_ros.ros import process  # noqa: E402
from mppi_ros.ros.process import STOP_SIGNALS, interruptible, spin  # noqa: E402


class Thing:
    pass


@pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning')
@pytest.mark.parametrize('number', STOP_SIGNALS)
def test_a_signal_is_not_lost_where_an_exception_would_be(number):
    before = signal.getsignal(number)
    thing, passed = Thing(), False
    watch = weakref.ref(thing, lambda _: signal.raise_signal(number))
    with pytest.raises(KeyboardInterrupt), interruptible():
        del thing
        passed = True  # what is raised in the callback is only printed
        time.sleep(20.0)
    assert watch() is None
    assert passed
    assert signal.getsignal(number) is before


def test_a_signal_that_came_before_ends_at_once_what_takes_long(monkeypatch):
    monkeypatch.setattr(process, 'ASKED_TO_STOP', Event())
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        process._on_signal(Future())
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt), interruptible():
            pytest.fail('it began')
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.fixture
def context(ros_domain):
    rclpy.init()
    yield
    rclpy.shutdown()


def test_a_thousand_callbacks_leave_nothing_behind(context):
    node, stop, objects, ticks = Node('busy'), Future(), {}, count(1)

    def tick():
        if (number := next(ticks)) in (200, 1200):  # to count takes longer than the rest
            objects[number] = len(gc.get_objects())
        if number == 1200:
            stop.set_result(None)

    node.create_timer(1e-3, tick)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    gc.disable()
    try:
        spin(executor, stop)
    finally:
        gc.enable()
        node.destroy_node()
    assert objects[1200] - objects[200] < 100


def test_spinning_ends_from_another_thread_though_nothing_comes(context):
    stop, executor = Future(), SingleThreadedExecutor()
    Timer(0.2, stop.set_result, (None,)).start()
    begun = time.monotonic()
    spin(executor, stop)
    assert time.monotonic() - begun < 10.0
    spin(executor, stop)  # and need not begin
