"""The last line: zero is sent when the tick stops, and only then."""
from __future__ import annotations

import threading
import time

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

from geometry_msgs.msg import Twist, TwistStamped  # noqa: E402
import rclpy  # noqa: E402

from mppi_ros.control.tick_result import Fault, Reason  # noqa: E402
from mppi_ros.nodes import cmd_vel_watchdog  # noqa: E402
from mppi_ros.nodes.controller.node import TICK_LATE_FAULT  # noqa: E402
from mppi_ros.nodes.controller.tick_watchdog import ExternalStopMonitor, TickWatchdog

PERIOD = 0.02


@pytest.fixture
def zeros():
    return threading.Semaphore(0)


@pytest.fixture
def line(zeros):
    line = TickWatchdog(zeros.release)
    yield line
    line.close()


def test_zero_is_sent_again_and_again_while_no_beat_comes(line, zeros):
    line.arm(PERIOD, 3)
    assert not line.kick()
    for _ in range(3):
        assert zeros.acquire(timeout=10.0)
    assert line.tripped
    line.arm(PERIOD, 1000)
    assert line.kick()
    assert not line.tripped
    assert not line.kick()


@pytest.mark.parametrize('prepare', [
    lambda line: line.arm(PERIOD, 3),  # no beat has come yet
    lambda line: (line.arm(PERIOD, 0), line.kick()),
    lambda line: (line.arm(PERIOD, 3), line.kick(), line.disarm()),
    lambda line: (line.arm(PERIOD, 1000), line.kick()),
    lambda line: (line.arm(PERIOD, 1000), line.kick(), line.arm(PERIOD, 3)),
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

    line = TickWatchdog(send)
    line.arm(PERIOD, 3)
    line.kick()
    for _ in range(3):
        assert zeros.acquire(timeout=10.0)
    line.close()
    assert 'tick watchdog: RuntimeError: no way out' in capfd.readouterr().err


def test_a_late_beat_is_late_where_the_watch_had_no_chance_to_see_it(line, zeros):
    line.close()  # as in a process that was stopped
    line.arm(PERIOD, 3)
    assert not line.kick()
    time.sleep(4 * PERIOD)
    line.arm(PERIOD, 1000)
    assert line.kick()
    assert not line.kick()


def test_the_caller_of_a_late_tick_is_believed_to_have_sent_zero():
    assert (
        Fault(
            Reason.TICK_LATE, 'the control loop missed its deadline: zero velocity was published'
        )
        == TICK_LATE_FAULT
    )


@pytest.fixture
def guard(ros_domain, monkeypatch):
    rclpy.init()
    node = cmd_vel_watchdog.CmdVelWatchdog()
    node.sent = []
    monkeypatch.setattr(node, '_send_zero', lambda: node.sent.append(node.clock))
    node.clock = 100.0
    monkeypatch.setattr(cmd_vel_watchdog.time, 'monotonic', lambda: node.clock)
    yield node
    node.destroy_node()
    rclpy.shutdown()


@pytest.mark.parametrize(('own', 'of_controller', 'kind'), [
    ('true', 'true', TwistStamped), ('true', 'false', Twist), ('false', 'true', Twist)])
def test_the_watchdog_sends_what_the_controller_sends(
        ros_domain, tmp_path, own, of_controller, kind):
    file = tmp_path / 'robot.yaml'
    file.write_text(
        '/**/mppi_controller:\n  ros__parameters:\n'
        f'    cmd_vel_stamped: {of_controller}\n    base_frame: base_footprint\n')
    rclpy.init(args=[
        '--ros-args', '-p', f'controller_params:={file}', '-p', f'cmd_vel_stamped:={own}'])
    node = cmd_vel_watchdog.CmdVelWatchdog()
    assert node._publisher.msg_type is kind
    heard = [each for each in node.subscriptions if each.topic_name == '/cmd_vel']
    assert [each.msg_type for each in heard] == [kind]
    assert node._frame == 'base_footprint'
    node.destroy_node()
    rclpy.shutdown()


def hear(guard, vx, wz=0.0, stamp=0.0):
    message = cmd_vel_watchdog.TwistStamped()
    message.header.stamp.sec = int(stamp)
    message.header.stamp.nanosec = round(1e9 * (stamp % 1.0))
    message.twist.linear.x, message.twist.angular.z = vx, wz
    guard._on_command(message)


def look(guard, seconds):
    for _ in range(round(seconds * cmd_vel_watchdog.CHECK_RATE)):
        guard.clock += 1.0 / cmd_vel_watchdog.CHECK_RATE
        guard._check_timeout()


@pytest.mark.parametrize('command', [(0.4, 0.0), (0.0, -0.5)])
def test_guard_fills_the_silence_after_a_command_that_moves(guard, command):
    hear(guard, *command)
    look(guard, 0.25)
    assert guard.sent == []
    look(guard, 3.0)
    assert guard.sent[0] == pytest.approx(100.0 + guard.configuration.timeout, abs=0.05)
    assert guard.sent[-1] == pytest.approx(
        guard.sent[0] + cmd_vel_watchdog.STOP_DURATION, abs=0.05
    )


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


def test_guard_does_not_give_way_to_a_command_that_is_older_than_its_zero(guard):
    """Such a one was on its way, or its sender was stopped: the next one knows of the zero."""
    hear(guard, 0.4)
    look(guard, 0.5)
    guard._stopped_at = 20.0
    sent = len(guard.sent)
    hear(guard, 0.4, stamp=19.997)
    assert len(guard.sent) == sent + 1
    look(guard, 0.1)
    assert len(guard.sent) > sent + 1
    hear(guard, 0.02, stamp=20.1)
    sent = len(guard.sent)
    look(guard, 0.2)
    assert len(guard.sent) == sent


@pytest.mark.parametrize('kind', [Twist, TwistStamped], ids=lambda kind: kind.__name__)
def test_zero_of_another_node_is_told_from_own_commands(ros_domain, kind):
    rclpy.init()
    here, there = rclpy.create_node('here'), rclpy.create_node('there')
    others = ExternalStopMonitor(here, kind)
    own, guard = (node.create_publisher(kind, 'cmd_vel', 64) for node in (here, there))
    arrived = []
    here.create_subscription(kind, 'cmd_vel', arrived.append, 64)

    def send(publisher, vx, stamp):
        message = kind()
        if kind is TwistStamped:
            message.header.stamp.sec = stamp
        (message.twist if kind is TwistStamped else message).linear.x = vx
        if publisher is own:
            others.add_own(message)
        publisher.publish(message)

    def occurred(count):
        """Look once as many messages have arrived by another way."""
        while len(arrived) < count:
            rclpy.spin_once(here, timeout_sec=10.0)
        return others.occurred()

    try:
        for publisher in (own, guard):
            while publisher.get_subscription_count() < 2:
                time.sleep(0.01)
        for n, vx in enumerate((0.4, 0.0, 0.0, 0.2)):
            send(own, vx, 10 + n)
        send(guard, 0.3, 14)
        assert not occurred(5)
        send(guard, 0.0, 15)
        assert occurred(6)
        assert not others.occurred()
        send(own, 0.1, 16)
        assert not occurred(7)
    finally:
        others.close()
        here.destroy_node()
        there.destroy_node()
        rclpy.shutdown()
