"""The last line: zero is sent when the tick stops, and only then."""
from __future__ import annotations

import threading
import time

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

import rclpy  # noqa: E402

from mppi_ros.control.report import Fault, Reason  # noqa: E402
from mppi_ros.nodes import cmd_vel_guard  # noqa: E402
from mppi_ros.nodes.last_line import LastLine  # noqa: E402
from mppi_ros.nodes.mppi_controller import LATE  # noqa: E402

PERIOD = 0.02


@pytest.fixture
def zeros():
    return threading.Semaphore(0)


@pytest.fixture
def line(zeros):
    line = LastLine(zeros.release)
    yield line
    line.close()


def test_zero_is_sent_again_and_again_while_no_beat_comes(line, zeros):
    line.expect(PERIOD, 3)
    assert not line.beat()
    for _ in range(3):
        assert zeros.acquire(timeout=10.0)
    assert line.tripped
    assert line.beat()
    assert not line.tripped
    assert not line.beat()


@pytest.mark.parametrize('prepare', [
    lambda line: line.expect(PERIOD, 3),  # no beat has come yet
    lambda line: (line.expect(PERIOD, 0), line.beat()),
    lambda line: (line.expect(PERIOD, 3), line.beat(), line.rest()),
    lambda line: (line.expect(PERIOD, 1000), line.beat()),
    lambda line: (line.expect(PERIOD, 1000), line.beat(), line.expect(PERIOD, 3)),
], ids=['before the first beat', 'switched off', 'at rest', 'in time', 'as was expected before'])
def test_nothing_is_sent_where_no_beat_is_missed(line, zeros, prepare):
    prepare(line)
    time.sleep(10 * PERIOD)
    assert not line.tripped
    assert not zeros.acquire(blocking=False)


def test_a_zero_that_cannot_be_sent_is_tried_again(zeros, capfd):
    def send():
        zeros.release()
        raise RuntimeError('no way out')

    line = LastLine(send)
    line.expect(PERIOD, 3)
    line.beat()
    for _ in range(3):
        assert zeros.acquire(timeout=10.0)
    line.close()
    assert 'last line: RuntimeError: no way out' in capfd.readouterr().err


def test_a_late_beat_is_late_where_the_watch_had_no_chance_to_see_it(line, zeros):
    line.close()  # as in a process that was stopped
    line.expect(PERIOD, 3)
    assert not line.beat()
    time.sleep(4 * PERIOD)
    assert line.beat()
    assert not line.beat()


def test_the_caller_of_a_late_tick_is_believed_to_have_sent_zero():
    assert Fault(Reason.TICK_LATE, 'the control tick stood still and zero was sent') == LATE


@pytest.fixture
def guard(ros_domain, monkeypatch):
    rclpy.init()
    node = cmd_vel_guard.CmdVelGuard()
    node.sent = []
    monkeypatch.setattr(node, '_send_zero', lambda: node.sent.append(node.clock))
    node.clock = 100.0
    monkeypatch.setattr(cmd_vel_guard.time, 'monotonic', lambda: node.clock)
    yield node
    node.destroy_node()
    rclpy.shutdown()


def hear(guard, vx, wz=0.0):
    message = cmd_vel_guard.TwistStamped()
    message.twist.linear.x, message.twist.angular.z = vx, wz
    guard._on_command(message)


def look(guard, seconds):
    for _ in range(round(seconds * cmd_vel_guard.RATE)):
        guard.clock += 1.0 / cmd_vel_guard.RATE
        guard._look()


@pytest.mark.parametrize('command', [(0.4, 0.0), (0.0, -0.5)])
def test_guard_fills_the_silence_after_a_command_that_moves(guard, command):
    hear(guard, *command)
    look(guard, 0.25)
    assert guard.sent == []
    look(guard, 3.0)
    assert guard.sent[0] == pytest.approx(100.0 + guard.configuration.timeout, abs=0.05)
    assert guard.sent[-1] == pytest.approx(guard.sent[0] + cmd_vel_guard.REPEAT, abs=0.05)


def test_guard_says_which_driver_it_hears_and_not_that_it_hears_itself(guard, monkeypatch):
    said = []
    monkeypatch.setattr(guard.get_logger(), 'info', said.append)
    hear(guard, 0.0)
    hear(guard, 0.5)
    assert len(said) == 1
    look(guard, 1.0)
    assert guard.sent
    hear(guard, 0.0)
    assert len(said) == 1
    hear(guard, 0.5)
    hear(guard, 0.5)
    assert len(said) == 2


def test_guard_is_silent_while_commands_come_and_after_zero(guard):
    for _ in range(10):
        hear(guard, 0.4)
        look(guard, 0.2)
    hear(guard, 0.0)
    look(guard, 5.0)
    assert guard.sent == []


def test_guard_gives_way_when_the_driver_is_back(guard):
    hear(guard, 0.4)
    look(guard, 0.5)
    sent = len(guard.sent)
    hear(guard, 0.1)
    look(guard, 0.2)
    assert len(guard.sent) == sent
