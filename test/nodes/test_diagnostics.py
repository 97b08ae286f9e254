"""Diagnostics are plain sentences, their level does not flicker, their numbers can be plotted."""
from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

from geometry_msgs.msg import Twist, TwistStamped  # noqa: E402
from nav_msgs.msg import Odometry  # noqa: E402
import rclpy  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.node import Node  # noqa: E402

from mppi_ros.control.controller import Controller  # noqa: E402
from mppi_ros.control.inputs import Command  # noqa: E402
from mppi_ros.control.tick_result import ControllerState, Reason, Statistics, TickResult
from mppi_ros.nodes.controller.diagnostics import NO_CLOCK  # noqa: E402
from mppi_ros.nodes.controller.node import MppiController  # noqa: E402

OLD = 'costmap is 0.8 s old, limit 0.5 s: braking'


class Steady:
    """A steady clock that stands where it is put [s]."""

    seconds = 100.0

    def now(self):
        return SimpleNamespace(nanoseconds=round(1e9 * self.seconds))


@pytest.fixture
def health(ros_domain, monkeypatch):
    """Offer the health of an active controller in a namespace; its steady clock is a stand-in."""
    monkeypatch.setattr('mppi_ros.nodes.controller.node.warm_up', lambda controller: None)
    rclpy.init()
    node = MppiController(namespace='robot1')
    node.trigger_configure()
    node.trigger_activate()
    health = node._health
    health._clock = Steady()
    yield health
    node.stop()
    node.destroy_node()
    rclpy.shutdown()


def tick(state=ControllerState.DRIVING, code=Reason.NONE, reason=''):
    return TickResult(
        Command(0.1, 0.0, 0.0), state, code, reason, Statistics(ess=90.0, solve_ms=0.4)
    )


def status(health):
    (found,) = health._status(1.0).status
    return found.level[0], found.message


def test_a_worse_level_shows_at_once_and_stays_for_a_while(health):
    health.update(tick())
    assert status(health) == (0, 'driving')
    health.update(tick(ControllerState.BRAKING, Reason.COSTMAP_OLD, OLD))
    assert status(health) == (1, OLD)
    health._clock.seconds += 0.5
    health.update(tick())
    assert status(health) == (1, f'driving; 0.5 s ago: {OLD}')
    health.update(
        tick(ControllerState.STOPPED, Reason.COSTMAP_OLD, 'costmap is 0.9 s old, limit 0.5 s')
    )
    assert status(health)[0] == 2


def test_a_costmap_too_small_for_the_speed_is_warned_of_once_for_each_size(health, monkeypatch):
    size = SimpleNamespace(width=3.0, height=3.0, top_speed=1.5, speed=1.1, warning='too small')
    monkeypatch.setattr(Controller, 'window', property(lambda controller: size))
    logged = []
    logger = SimpleNamespace(warning=logged.append, info=lambda words: None)
    monkeypatch.setattr(health._node, 'get_logger', lambda: logger)
    health.update(tick())
    for _ in range(3):
        assert status(health) == (1, 'too small')
    (message,) = health._status(1.0).status
    assert {'costmap.speed': '1.1', 'costmap.width': '3'}.items() <= {
        value.key: value.value for value in message.values}.items()
    assert logged == ['too small']
    size.width = 2.5
    status(health)
    assert logged == ['too small'] * 2
    size.warning = ''
    assert status(health) == (0, 'driving')
    health.update(tick(ControllerState.BRAKING, Reason.COSTMAP_OLD, OLD))
    size.warning = 'too small'
    assert status(health) == (1, OLD)
    monkeypatch.setattr(Controller, 'window', property(lambda controller: None))
    assert status(health) == (1, OLD)
    assert logged.count('too small') == 2


def test_a_level_falls_once_its_cause_is_gone_for_long(health):
    health.update(tick(ControllerState.BRAKING, Reason.COSTMAP_OLD, OLD))
    levels = []
    for _ in range(40):
        health._clock.seconds += 0.1
        health.update(tick())
        levels.append(status(health)[0])
    assert levels == sorted(levels, reverse=True)
    assert (levels[0], levels[25], levels[-1]) == (1, 1, 0)


def test_a_level_falls_when_a_simulation_begins_anew(health):
    health._clock.seconds += 600.0
    health.update(tick(ControllerState.BRAKING, Reason.COSTMAP_OLD, OLD))
    health._clock.seconds -= 600.0
    health.update(tick())
    assert status(health) == (0, 'driving')


def test_arriving_is_no_warning(health):
    health.update(tick(ControllerState.BRAKING, Reason.GOAL_REACHED, 'goal reached'))
    assert status(health) == (0, 'goal reached')


def test_a_status_names_robot_and_node(health):
    health.update(tick())
    (found,) = health._status(1.0).status
    assert found.name == '/robot1/mppi_controller: control'
    assert found.hardware_id == '/robot1'


def test_all_values_but_the_words_are_numbers(health):
    health.update(tick())
    (found,) = health._status(1.0).status
    values = {entry.key: entry.value for entry in found.values}
    words = {name: values.pop(name) for name in (
        'state', 'code', 'reason', 'scan', 'footprint')}
    assert words == {
        'state': 'driving', 'code': 'none', 'reason': '', 'scan': 'none', 'footprint': 'none'}
    numbers = {key: float(value) for key, value in values.items()
               if not key.startswith(('fault.', 'realtime.'))}
    assert numbers['ess'] == 90.0
    assert {'solve_ms.p99', 'cycle_ms.max', 'ticks', 'missed_ticks', 'odom_age'} <= set(numbers)


class Log:
    def __init__(self):
        self.lines = []

    def __getattr__(self, level):
        return lambda words: self.lines.append((level, words))


@pytest.fixture
def log(health, monkeypatch):
    """Return what the node says in its log."""
    log = Log()
    monkeypatch.setattr(health._node, 'get_logger', lambda: log)
    return log


def look_until(health, condition):
    """Look at the graph until discovery has shown what is expected."""
    end = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < end, health._graph
        time.sleep(0.05)
        health.look_at_graph()


@pytest.mark.parametrize(('topic', 'kind', 'level'), [
    ('cmd_vel', TwistStamped, 'error'), ('odom', Odometry, 'warning')])
def test_two_publishers_are_said_once_in_the_log_and_once_when_it_is_over(
        health, log, topic, kind, level):
    node = health._node
    others = [Node(f'other{n}', namespace='robot1') for n in range(2)]
    publishers = [each.create_publisher(kind, topic, 1) for each in others]
    look_until(health, lambda: log.lines)
    for _ in range(3):
        health.look_at_graph()
    said = [line for line in log.lines if 'publishers' in line[1]]
    assert said[-1][0] == level
    assert f'/robot1/{topic} has ' in said[-1][1]
    assert 'other0' in said[-1][1]
    assert len(said) <= 2  # the second one of them may appear a little later
    health.update(tick())
    assert status(health)[0] == 1
    for each, publisher in zip(others, publishers, strict=True):
        each.destroy_publisher(publisher)
        each.destroy_node()
    look_until(health, lambda: not health._graph[topic])
    assert log.lines[-1][0] == 'info'
    assert node is health._node


def test_who_takes_cmd_vel_while_the_node_is_disabled_is_no_error(health, log):
    other = Node('teleop', namespace='robot1')
    publisher = other.create_publisher(TwistStamped, 'cmd_vel', 1)
    health.state = 'disabled'
    look_until(health, lambda: health._node.count_publishers('cmd_vel') == 2)
    health.look_at_graph()
    assert log.lines == []
    health.state = ''
    look_until(health, lambda: log.lines)
    assert log.lines[0][0] == 'error'
    other.destroy_publisher(publisher)
    other.destroy_node()


def test_a_base_that_expects_the_other_type_is_named(health, log):
    context = Context()  # one process cannot have both types of a topic
    rclpy.init(context=context)
    base = Node('base', namespace='robot1', context=context)
    base.create_subscription(Twist, 'cmd_vel', print, 1)
    guard = Node('cmd_vel_watchdog', namespace='robot1')
    guard.create_subscription(TwistStamped, 'cmd_vel', print, 1)
    look_until(health, lambda: log.lines)
    for _ in range(3):
        health.look_at_graph()
    ((level, words),) = log.lines
    assert level == 'warning'
    assert 'published as geometry_msgs/msg/TwistStamped' in words
    assert 'subscribed only as geometry_msgs/msg/Twist, by base' in words
    assert 'cmd_vel_stamped to false' in words
    health.update(tick())
    assert status(health) == (1, words)
    better = Node('better_base', namespace='robot1')
    better.create_subscription(TwistStamped, 'cmd_vel', print, 1)
    look_until(health, lambda: not health._graph['cmd_vel type'])
    for each in (base, guard, better):
        each.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.parametrize(('state', 'reason', 'line'), [
    (ControllerState.BRAKING, OLD, 'braking: costmap is 0.8 s old, limit 0.5 s'),
    (ControllerState.WAITING, 'no plan yet', 'waiting: no plan yet'),
    (ControllerState.DRIVING, '', 'driving'),
])
def test_the_log_says_the_state_once(health, log, state, reason, line):
    health.update(tick(state, Reason.COSTMAP_OLD, reason))
    assert [words for _, words in log.lines] == [line]


def test_a_missing_clock_is_named(health, monkeypatch):
    logged = []
    logger = SimpleNamespace(warning=lambda words, once: logged.append(words))
    monkeypatch.setattr(health._node, 'get_logger', lambda: logger)
    stopped = SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=0))
    monkeypatch.setattr(health._node, 'get_clock', lambda: stopped)
    monkeypatch.setattr(health, 'look_at_graph', lambda: None)
    health._look_and_publish()
    assert logged == [f'waiting: {NO_CLOCK}']
    (found,) = health._status(0.0).status
    values = {each.key: each.value for each in found.values}
    assert (values['state'], values['code']) == ('waiting', 'clock_invalid')


@pytest.mark.parametrize(('code', 'level'), [
    (Reason.COSTMAP_OLD, 'warning'), (Reason.GOAL_REACHED, 'info'),
    (Reason.PLAN_MISSING, 'info')])
def test_braking_for_a_fault_is_a_warning(health, monkeypatch, code, level):
    logged = []
    logger = SimpleNamespace(
        warning=lambda words: logged.append('warning'), info=lambda words: logged.append('info'))
    monkeypatch.setattr(health._node, 'get_logger', lambda: logger)
    health.update(tick(ControllerState.BRAKING, code, 'why'))
    assert logged == [level]
