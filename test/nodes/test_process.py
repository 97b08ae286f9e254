"""A node as a process: a signal ends what takes long, wherever it finds the interpreter."""
from __future__ import annotations

import signal
import time
import weakref

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

from mppi_ros.nodes.process import STOP_SIGNALS, interruptible  # noqa: E402


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
