"""The controller's node refuses what its controller refuses, and a mistake does not end it."""
from __future__ import annotations

from dataclasses import replace
import math
from pathlib import Path as FilePath
import resource
import threading
import time
from types import SimpleNamespace
from typing import ClassVar
import weakref

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

from geometry_msgs.msg import PoseStamped, TwistStamped  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from nav_msgs.msg import OccupancyGrid, Odometry  # noqa: E402
from nav_msgs.msg import Path as PathMessage  # noqa: E402
import numpy as np  # noqa: E402
import rclpy  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.publisher import Publisher  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from std_msgs.msg import Empty  # noqa: E402
from tally import TRANSITION  # noqa: E402

from mppi_ros.control.controller import Controller  # noqa: E402
from mppi_ros.control.input_monitor import ClockMonitor  # noqa: E402
from mppi_ros.control.inputs import Command  # noqa: E402
from mppi_ros.control.inputs import Odometry as Motion  # noqa: E402
from mppi_ros.control.parameters import ControllerParameters  # noqa: E402
from mppi_ros.control.tick_result import ControllerState, Reason  # noqa: E402
from mppi_ros.driving.costmap import Costmap  # noqa: E402
from mppi_ros.jit.cache import KernelCache  # noqa: E402
from mppi_ros.jit.cache_files import CacheFiles  # noqa: E402
from mppi_ros.nodes.controller import node as controller_node  # noqa: E402
from mppi_ros.nodes.controller.inputs import ODOMETRY_QOS  # noqa: E402
from mppi_ros.nodes.controller.node import MppiController  # noqa: E402
from mppi_ros.parameters.errors import InputError  # noqa: E402
from mppi_ros.ros import conversions
from mppi_ros.ros import lifecycle as ros_lifecycle
from mppi_ros.ros.qos import LATCHED  # noqa: E402


@pytest.fixture
def node(ros_domain, monkeypatch):
    monkeypatch.setattr('mppi_ros.nodes.controller.node.warm_up', lambda controller: None)
    rclpy.init()
    controller = MppiController()
    yield controller
    controller.stop()
    controller.destroy_node()
    rclpy.shutdown()


def test_a_footprint_that_crosses_itself_is_refused_live(node):
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    corners = [0.2, 0.2, -0.2, -0.2, 0.2, -0.2, -0.2, 0.2]
    result = node.set_parameters_atomically([Parameter('robot.footprint', value=corners)])
    assert not result.successful
    assert 'sides do not cross' in result.reason
    assert node.configuration == ControllerParameters()


def test_a_mistake_in_a_callback_is_a_fault_and_not_the_end(node, monkeypatch):
    def fail(controller, odometry):
        raise ZeroDivisionError('a mistake')

    monkeypatch.setattr(Controller, 'set_odometry', fail)
    node.trigger_configure()
    message = Odometry()
    message.pose.pose.orientation.w = 1.0
    node.intake.on_odom(message)
    assert node.intake.fault == (
        Reason.ODOMETRY_REFUSED, 'odometry refused: ZeroDivisionError: a mistake')
    monkeypatch.undo()
    monkeypatch.setattr('mppi_ros.nodes.controller.node.warm_up', lambda controller: None)
    node.intake.on_odom(message)
    assert node.intake.faults == {}


@pytest.mark.parametrize('spoilt', [math.nan, 1e300])
def test_a_refused_plan_stays_refused_while_costmaps_come(node, spoilt):
    node.trigger_configure()
    plan = conversions.path_to_msg([(0.05 * i, 0.0, 0.0) for i in range(9)], 1.0, 'odom')
    plan.poses[5].pose.position.x = spoilt
    free = Costmap(np.zeros((20, 20), np.int8), 0.05, 0.0, 0.0)
    costmap = serialize_message(conversions.costmap_to_msg(free, 1.0, 'odom'))
    node.intake.on_plan(serialize_message(plan))
    for _ in range(3):
        assert node.intake.fault.code is Reason.PLAN_REFUSED
        node.intake.on_costmap(costmap)
    plan.poses[5].pose.position.x = 0.25
    node.intake.on_plan(serialize_message(plan))
    assert node.intake.fault is None


def test_odometry_wakes_nobody_and_the_tick_takes_the_newest(node, monkeypatch):
    taken = []
    monkeypatch.setattr(Controller, 'set_odometry', lambda _, odometry: taken.append(odometry.x))
    node.trigger_configure()
    publisher = node.create_publisher(Odometry, 'odom', 100)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    end = time.monotonic() + 20.0
    while publisher.get_subscription_count() == 0:
        assert time.monotonic() < end
        executor.spin_once(timeout_sec=0.05)
    message = Odometry()
    message.pose.pose.orientation.w = 1.0
    for x in range(50):
        message.pose.pose.position.x = float(x)
        publisher.publish(message)
    for _ in range(100):
        executor.spin_once(timeout_sec=0.005)
    assert taken == []
    node.intake.take_odometry()
    assert taken[-1] == 49.0
    assert len(taken) <= ODOMETRY_QOS.depth
    executor.remove_node(node)


def test_a_failed_configuration_can_be_tried_again(node, monkeypatch):
    def fail(controller):
        raise RuntimeError('no compiler')

    monkeypatch.setattr('mppi_ros.nodes.controller.node.warm_up', fail)
    assert node.trigger_configure() == TransitionCallbackReturn.ERROR
    monkeypatch.setattr('mppi_ros.nodes.controller.node.warm_up', lambda controller: None)
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
    assert list(node.subscriptions) == []


def everything(node):
    """Return what the node holds, by kind."""
    names = sorted(p.topic_name for p in node.publishers)
    names += sorted(s.topic_name for s in node.subscriptions)
    names += sorted(s.srv_name for s in node.services)
    rest = [list(node.timers), list(node.clients), list(node.waitables), list(node.guards)]
    return names, [len(entities) for entities in rest], len(node._managed_entities)


def test_cleanup_leaves_nothing_behind(node):
    before = everything(node)
    configured = []
    for _ in range(3):
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
        configured.append(everything(node))
        assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
        assert everything(node) == before
    assert configured[0] == configured[1] == configured[2] != before


@pytest.mark.parametrize('error', [RuntimeError('a mistake'), InputError('refused')])
def test_a_configuration_that_fails_half_way_leaves_nothing_behind(node, monkeypatch, error):
    def fail(*_):
        raise error

    before = everything(node)
    monkeypatch.setattr(controller_node, 'Visualization', fail)
    assert node.trigger_configure() != TransitionCallbackReturn.SUCCESS
    assert node._state_machine.current_state[1] == 'unconfigured'
    assert everything(node) == before


def test_a_mistake_while_activating_ends_unconfigured_and_silent(node, monkeypatch):
    def fail(controller):
        raise RuntimeError('a mistake')

    before = everything(node)
    node.trigger_configure()
    monkeypatch.setattr(Controller, 'reset', fail)
    assert node.trigger_activate() == TransitionCallbackReturn.ERROR
    assert node._state_machine.current_state[1] == 'unconfigured'
    assert everything(node) == before


def test_a_transition_that_is_not_possible_is_refused_and_not_the_end(node):
    ask = node._service_change_state.callback
    for request in (Transition(id=Transition.TRANSITION_ACTIVATE), Transition(label='fly'),
                    Transition(id=99)):
        answer = ask(ChangeState.Request(transition=request), ChangeState.Response())
        assert answer.success is False
    assert node._state_machine.current_state[1] == 'unconfigured'
    configure = Transition(label='configure')
    assert ask(ChangeState.Request(transition=configure), ChangeState.Response()).success


class Bond:
    bonds: ClassVar[list] = []

    def __init__(self, node, topic, name):
        self.node, self.topic, self.words = node, topic, [topic, name]
        self.pub = node.create_publisher(Empty, topic, 1)
        self.bonds.append(self)

    def set_heartbeat_period(self, seconds):
        self.words.append(seconds)

    set_heartbeat_timeout = set_heartbeat_period

    def start(self):
        self.sub = self.node.create_subscription(Empty, self.topic, lambda _: None, 1)
        self.words.append('start')

    def shutdown(self):
        self.sub.destroy()
        self.pub.destroy()
        self.words.append('shutdown')


@pytest.mark.parametrize('autostart', [False, True])
def test_a_manager_gets_a_bond_while_the_node_is_active(node, monkeypatch, autostart):
    monkeypatch.setattr(ros_lifecycle, 'bondpy', SimpleNamespace(Bond=Bond))
    monkeypatch.setattr(Bond, 'bonds', [])
    interface = replace(node.configuration.interface, autostart=autostart)
    node.configuration = replace(node.configuration, interface=interface)
    before = everything(node)
    node.trigger_configure()
    assert Bond.bonds == []
    node.trigger_activate()
    if autostart:
        assert Bond.bonds == []
        return
    assert [bond.words for bond in Bond.bonds] == [['bond', 'mppi_controller', 0.1, 4.0, 'start']]
    node.trigger_deactivate()
    assert Bond.bonds[0].words[-1] == 'shutdown'
    node.trigger_cleanup()
    assert everything(node) == before


def test_deactivation_discards_the_plan(node):
    node.trigger_configure()
    node.trigger_activate()
    node._controller.set_goal(1.0, 2.0, 0.0, 0.0)
    node.trigger_deactivate()
    node.trigger_activate()
    assert node._controller._route.goal is None
    node._tick()
    assert node._health._last.state is not ControllerState.DRIVING


def test_a_discarded_plan_that_is_latched_is_not_driven_after_a_cleanup(node, monkeypatch):
    taken = {'set_plan': [], 'set_costmap': []}
    for name, values in taken.items():
        monkeypatch.setattr(Controller, name, lambda _, *given, to=values: to.append(given))
    publishers = {
        name: node.create_publisher(kind, topic, LATCHED)
        for name, kind, topic in (
            ('set_plan', PathMessage, 'plan'), ('set_costmap', OccupancyGrid, 'costmap'))}
    free = Costmap(np.zeros((9, 9), np.int8), 0.1, 0.0, 0.0)
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def plan(length):
        poses = [(0.0, 0.0, 0.0), (length, 0.0, 0.0)]
        publishers['set_plan'].publish(conversions.path_to_msg(poses, 1.0, 'odom'))

    def activate(expected):
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        wait_for(lambda: {name: len(taken[name]) for name in expected} == expected)

    def wait_for(true):
        end = time.monotonic() + 20.0
        while not true():
            assert time.monotonic() < end
            executor.spin_once(timeout_sec=0.05)
            node.intake.take()

    plan(1.0)
    publishers['set_costmap'].publish(conversions.costmap_to_msg(free, 1.0, 'odom'))
    activate({'set_plan': 1, 'set_costmap': 1})
    node.trigger_deactivate()
    node.trigger_cleanup()
    activate({'set_costmap': 2})  # the latched costmap is taken again
    for _ in range(10):
        executor.spin_once(timeout_sec=0.05)
        node.intake.take()
    assert len(taken['set_plan']) == 1
    plan(2.0)
    wait_for(lambda: len(taken['set_plan']) == 2)
    executor.remove_node(node)


def test_a_mistake_while_deactivating_does_not_keep_zero_back(node, monkeypatch):
    def fail():
        raise RuntimeError('a mistake')

    node.trigger_configure()
    node.trigger_activate()
    sent = []
    monkeypatch.setattr(node, '_publish_command', lambda command, now: sent.append(command))
    monkeypatch.setattr(node, 'unbond', fail)
    assert node.trigger_deactivate() == TransitionCallbackReturn.ERROR
    assert sent == [Command.ZERO]
    assert node._timer is None
    assert node._state_machine.current_state[1] == 'unconfigured'


def test_a_new_rate_keeps_the_timer_so_that_changes_cannot_put_off_a_tick(node):
    node.trigger_configure()
    node.trigger_activate()
    timer = node._timer
    assert node.set_parameters_atomically([Parameter('control_rate', value=40.0)]).successful
    assert node._timer is timer
    assert timer.timer_period_ns == 25_000_000


class Clocks:
    """Two clocks that agree, in a process that loses the processor now and then."""

    def __init__(self, offset=1e9):
        self.true, self.offset, self.pauses = 100.0, offset, {}
        self.readings = 0

    def _read(self):
        self.readings += 1
        self.true += self.pauses.get(self.readings, 1e-6)
        return self.true

    def monotonic(self):
        return self._read()

    def now(self):
        return self.offset + self._read()


@pytest.mark.parametrize('at', range(1, 9))
@pytest.mark.parametrize('times', [1, 3])
def test_a_process_that_loses_the_processor_between_two_clocks_sees_no_jump(
        node, monkeypatch, at, times):
    clocks = Clocks()
    monkeypatch.setattr(controller_node.time, 'monotonic', clocks.monotonic)
    monkeypatch.setattr(node, '_now', clocks.now)
    monkeypatch.setattr(node, 'get_clock', lambda: SimpleNamespace(ros_time_is_active=False))
    watch = ClockMonitor()
    watch.read(*node._clocks())
    clocks.pauses = {clocks.readings + at + n: 0.3 for n in range(times)}
    for _ in range(4):
        _, fault = watch.read(*node._clocks())
        assert fault is None or fault.code is Reason.TICK_LATE


def test_a_clock_that_truly_jumps_is_still_seen(node, monkeypatch):
    clocks = Clocks()
    monkeypatch.setattr(controller_node.time, 'monotonic', clocks.monotonic)
    monkeypatch.setattr(node, '_now', clocks.now)
    monkeypatch.setattr(node, 'get_clock', lambda: SimpleNamespace(ros_time_is_active=False))
    watch = ClockMonitor()
    watch.read(*node._clocks())
    clocks.offset -= 0.3
    assert watch.read(*node._clocks())[1].code is Reason.CLOCK_BACK


def test_the_clocks_are_read_after_the_inputs(node, monkeypatch):
    order = []
    node.trigger_configure()
    node.trigger_activate()
    monkeypatch.setattr(node.intake, 'take', lambda: order.append('inputs'))
    clocks = node._clocks
    monkeypatch.setattr(node, '_clocks', lambda: (order.append('clocks'), clocks())[1])
    tick = Controller.tick
    monkeypatch.setattr(Controller, 'tick', lambda *arguments, **options: (
        order.append('tick'), tick(*arguments, **options))[1])
    node._tick()
    assert order == ['inputs', 'clocks', 'tick']


FLOOD = 300


def flood(node, kind, topic, messages, qos=1):
    """Publish messages between two ticks, once the node listens, and let the executor run."""
    publisher = node.create_publisher(kind, topic, qos)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    end = time.monotonic() + 20.0
    while publisher.get_subscription_count() == 0:
        assert time.monotonic() < end
        executor.spin_once(timeout_sec=0.05)
    for n, message in enumerate(messages):
        publisher.publish(message)
        if n % 10 == 0:
            executor.spin_once(timeout_sec=0.0)
    for _ in range(50):
        executor.spin_once(timeout_sec=0.005)
    executor.remove_node(node)


@pytest.mark.parametrize('what', ['goal', 'plan', 'costmap'])
def test_a_tick_takes_one_message_of_a_flood_and_it_is_the_newest(node, monkeypatch, what):
    taken = []
    node.trigger_configure()
    for name in ('set_goal', 'set_plan', 'set_costmap'):
        monkeypatch.setattr(Controller, name, lambda _, *values: taken.append(values))
    if what == 'goal':
        kind, topic, messages = PoseStamped, 'goal_pose', []
        for n in range(FLOOD):
            messages.append(PoseStamped())
            messages[-1].pose.orientation.w, messages[-1].pose.position.x = 1.0, float(n)
    elif what == 'plan':
        kind, topic = PathMessage, 'plan'
        messages = [conversions.path_to_msg([(0.0, 0.0, 0.0), (float(n), 0.0, 0.0)], 1.0, '')
                    for n in range(FLOOD)]
    else:
        kind, topic = OccupancyGrid, 'costmap'
        messages = [
            conversions.costmap_to_msg(
                Costmap(np.zeros((9, 9), np.int8), 0.1, float(n), 0.0), 1.0, '')
            for n in range(FLOOD)]
    flood(node, kind, topic, messages, LATCHED if what != 'goal' else 1)
    assert taken == []
    node.intake.take()
    assert len(taken) == 1
    newest = {'goal': lambda v: v[1], 'plan': lambda v: v[1][-1, 0],
              'costmap': lambda v: v[1].origin_x}[what](taken[0])
    assert newest == FLOOD - 1
    node.intake.take()
    assert len(taken) == 1


def test_a_volatile_publisher_is_heard_although_messages_wait(node, monkeypatch):
    taken = []
    node.trigger_configure()
    monkeypatch.setattr(Controller, 'set_costmap', lambda _, *values: taken.append(values))
    publisher = node.create_publisher(OccupancyGrid, 'costmap', 1)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    free = Costmap(np.zeros((9, 9), np.int8), 0.1, 0.0, 0.0)
    end = time.monotonic() + 20.0
    while not taken:
        assert time.monotonic() < end
        publisher.publish(conversions.costmap_to_msg(free, 1.0, 'odom'))
        executor.spin_once(timeout_sec=0.05)
        node.intake.take()
    executor.remove_node(node)


def test_goals_that_are_left_to_a_planner_are_mentioned_once(node, monkeypatch):
    said, goals = [], []
    node.trigger_configure()
    monkeypatch.setattr(Controller, 'set_goal', lambda *_: goals.append(1))
    planners = [1]
    monkeypatch.setattr(node, 'count_publishers', lambda _: planners[0])
    monkeypatch.setattr(node, 'get_logger', lambda: SimpleNamespace(info=said.append))
    message = PoseStamped()
    message.pose.orientation.w = 1.0
    for _ in range(5):
        node.intake.on_goal(message)
    assert len([words for words in said if 'goal_pose' in words]) == 1
    planners[0] = 0
    node.intake.on_goal(message)
    assert goals == [1]
    planners[0] = 1
    node.intake.on_goal(message)
    assert len([words for words in said if 'goal_pose' in words]) == 2


def test_zero_that_others_sent_before_it_was_active_is_none_of_its_faults(node):
    node.trigger_configure()
    other = rclpy.create_node('other')
    publisher, arrived = other.create_publisher(TwistStamped, 'cmd_vel', 1), []
    other.create_subscription(TwistStamped, 'cmd_vel', arrived.append, 1)

    def stop():
        arrived.clear()
        publisher.publish(TwistStamped())
        while not arrived:
            rclpy.spin_once(other, timeout_sec=10.0)

    while publisher.get_subscription_count() < 2:
        time.sleep(0.01)
    stop()
    node.trigger_activate()
    node._tick()
    assert node._health._last.code is Reason.ODOMETRY_MISSING
    stop()
    node._tick()
    assert node._health._last.code is Reason.EXTERNAL_STOP
    other.destroy_node()


def rss() -> float:
    """Return the memory of this process [MB]."""
    pages = int(FilePath('/proc/self/statm').read_text('ascii').split()[1])
    return 1e-6 * pages * resource.getpagesize()


def test_the_lifecycle_keeps_nothing_of_the_cycles_before(node, monkeypatch):
    made, begin = [], Controller.__init__

    def remembered(controller, *arguments, **options):
        begin(controller, *arguments, **options)
        made.append(weakref.ref(controller))

    def cycle():
        node.trigger_configure()
        node.trigger_activate()
        node._tick()
        node.trigger_deactivate()
        node.trigger_cleanup()

    monkeypatch.setattr(Controller, '__init__', remembered)
    assert node.configuration.realtime.freeze_gc
    for _ in range(10):
        cycle()
    threads, entities = threading.active_count(), len(node.default_callback_group.entities)
    before = rss()
    for _ in range(40):
        cycle()
    assert rss() - before < 8.0  # 0.6 MB kept by each cycle would be 24 MB
    assert sum(reference() is not None for reference in made) <= 2
    assert threading.active_count() == threads
    assert len(node.default_callback_group.entities) == entities


# Transition and state after it, for each transition that is possible in a state.
POSSIBLE = {
    'unconfigured': {Transition.TRANSITION_CONFIGURE: 'inactive'},
    'inactive': {Transition.TRANSITION_ACTIVATE: 'active',
                 Transition.TRANSITION_CLEANUP: 'unconfigured'},
    'active': {Transition.TRANSITION_DEACTIVATE: 'inactive'},
}
SHUTDOWN = {
    'unconfigured': Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
    'inactive': Transition.TRANSITION_INACTIVE_SHUTDOWN,
    'active': Transition.TRANSITION_ACTIVE_SHUTDOWN,
}
TRANSITIONS, MANY_TRANSITIONS = 40, 2000  # requests that are granted
WARM_UP_TRANSITIONS = 20  # granted requests before the memory is measured
MAX_GROWTH = 8.0  # [MB] of memory, whatever the number of transitions


def inputs(now):
    """Return odometry, costmap and plan of a robot at rest before a free way, at `now` [s]."""
    free = Costmap(np.zeros((100, 100), np.int8), 0.05, -2.5, -2.5)
    plan = [(0.05 * i, 0.0, 0.0) for i in range(40)]
    rest = Motion(now, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    return (
        conversions.odometry_to_msg(rest, 'odom', 'base_link'),
        serialize_message(conversions.costmap_to_msg(free, now, 'odom')),
        serialize_message(conversions.path_to_msg(plan, now, 'odom')),
    )


def test_transitions_in_any_order_leave_state_silence_and_memory_as_they_should_be(
        node, monkeypatch, request, record_property):
    rng, sent, publish = np.random.default_rng(7), [], Publisher.publish

    def recorded(publisher, message):
        if publisher.topic_name == '/cmd_vel':
            command = message.twist.linear.x, message.twist.angular.z
            sent.append((node._state_machine.current_state[1], command))
        publish(publisher, message)

    now = [50.0]

    def drive():
        """Tick with good inputs until the robot moves off."""
        for _ in range(2000):
            now[0] += 0.05
            odometry, costmap, plan = inputs(now[0])
            node.intake.on_odom(odometry)
            node.intake.on_costmap(costmap)
            node.intake.on_plan(plan)
            node._tick()
            if sent[-1][1][0] > 0.0:
                return
            time.sleep(0.005)  # for the processing
        pytest.fail(f'no command but zero: {node._health._last}')

    # A clock of its own: the robot drives however slow the machine is.
    monkeypatch.setattr(node, '_now', lambda: now[0])
    monkeypatch.setattr(node, '_clocks', lambda: (now[0], now[0]))
    node.set_parameters([Parameter('safety.watchdog_periods', value=0)])
    monkeypatch.setattr(Publisher, 'publish', recorded)
    ask = node._service_change_state.callback
    state, found, threads = 'unconfigured', {}, {}
    granted = drives = refused = 0
    count = MANY_TRANSITIONS if request.config.getoption('--long') else TRANSITIONS
    while granted < count:
        number = int(rng.integers(0, 10))
        if number == SHUTDOWN[state]:
            continue
        after = POSSIBLE[state].get(number)
        wanted = ChangeState.Request(transition=Transition(id=number))
        answer = ask(wanted, ChangeState.Response())
        assert answer.success == (after is not None)
        state = after or state
        assert node._state_machine.current_state[1] == state
        refused += after is None
        if after is None:
            continue
        granted += 1
        if state == 'active' and rng.random() < 0.5:
            drive()
            drives += 1
        if number == Transition.TRANSITION_DEACTIVATE:
            assert sent[-1][1] == (0.0, 0.0)
        if number in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP):
            assert None not in (each() for each in node.default_callback_group.entities)
        assert found.setdefault(state, everything(node)) == everything(node)
        assert threads.setdefault(state, threading.active_count()) == threading.active_count()
        if granted == WARM_UP_TRANSITIONS:
            before = rss()
    assert set(found) == set(POSSIBLE)
    assert refused > count / 2
    assert drives > count / 16
    assert all(command == (0.0, 0.0) for at, command in sent if at != 'active')
    assert rss() - before < MAX_GROWTH
    record_property(TRANSITION, granted)


@pytest.mark.parametrize('compiles', [False, True])
def test_only_a_start_that_compiles_says_so(node, monkeypatch, tmp_path, compiles):
    said = []

    def info(words, once=False):
        said.append(words)

    def look_up(_):
        files = CacheFiles(tmp_path, 'kernel', 'sources')
        monkeypatch.setattr(kernels, '_files', [files])
        if not compiles:
            files.save('key', 'code')
        kernels._load_overload(None, SimpleNamespace(codegen=lambda: None))

    kernels = KernelCache(look_up)
    monkeypatch.setattr(kernels, '_index_key', lambda signature, codegen: 'key')
    monkeypatch.setattr(kernels._impl, 'rebuild', lambda context, found: found)
    monkeypatch.setattr('mppi_ros.nodes.controller.node.warm_up', look_up)
    monkeypatch.setattr(node, 'get_logger', lambda: SimpleNamespace(
        info=info, warning=said.append, error=said.append, fatal=said.append))
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert any('compil' in words for words in said) == compiles


def simulated(node, monkeypatch, steps):
    """Tick once for each step [s] of a simulated clock, with good inputs; return the ticks."""
    now, ticks = [50.0], []
    monkeypatch.setattr(node, '_now', lambda: now[0])
    node.set_parameters([Parameter('use_sim_time', value=True)])
    node.trigger_configure()
    node.trigger_activate()
    tick = Controller.tick

    def kept(*arguments, **options):
        ticks.append((tick(*arguments, **options), options))
        return ticks[-1][0]

    monkeypatch.setattr(Controller, 'tick', kept)
    free = Costmap(np.zeros((400, 400), np.int8), 0.05, -10.0, -10.0)
    plan = conversions.path_to_msg([(0.05 * i, 0.0, 0.0) for i in range(100)], 50.0, 'odom')
    node.intake.on_costmap(serialize_message(conversions.costmap_to_msg(free, 50.0, 'odom')))
    node.intake.on_plan(serialize_message(plan))
    x = speed = 0.0
    for step in steps:
        now[0] += step
        motion = Motion(now[0], x, 0.0, 0.0, speed, 0.0, 0.0)
        node.intake.on_odom(conversions.odometry_to_msg(motion, 'odom', 'base_link'))
        node.intake.on_costmap(
            serialize_message(conversions.costmap_to_msg(free, now[0], 'odom')))
        time.sleep(0.005)  # for the processing
        node._tick()
        speed = ticks[-1][0].command.vx
        x += step * speed
    return ticks


@pytest.mark.parametrize('steps', [[0.1] * 40, [0.05, 0.12, 0.2, 0.05] * 10, [0.2] * 30])
def test_by_a_simulated_clock_of_coarse_steps_the_robot_drives(node, monkeypatch, steps):
    ticks = simulated(node, monkeypatch, steps)
    assert {tick.code for tick, _ in ticks[5:]} == {Reason.NONE}
    assert ticks[-1][0].command.vx > 0.3
    assert ticks[-1][1]['hold'] == pytest.approx(max(steps))


def test_by_a_clock_that_is_too_coarse_the_robot_stands_and_says_what_is_wrong(
        node, monkeypatch):
    ticks = simulated(node, monkeypatch, [0.5] * 8)
    tick = ticks[-1][0]
    assert (tick.code, tick.command) == (Reason.TICK_LATE, Command.ZERO)
    assert 'the clock advances in steps of 0.50 s, the control period is 0.05 s' in tick.reason


@pytest.mark.parametrize(('simulated_time', 'late'), [(True, False), (False, True)])
def test_the_watchdog_waits_for_a_slow_simulation_and_for_no_slow_robot(
        node, monkeypatch, simulated_time, late):
    node.trigger_configure()
    node.trigger_activate()
    steady = [100.0]
    monkeypatch.setattr(controller_node.time, 'monotonic', lambda: steady[0])
    monkeypatch.setattr(node._watchdog, '_closed', SimpleNamespace(
        wait=lambda _: True, set=lambda: None))
    node.set_parameters([Parameter('use_sim_time', value=simulated_time)])
    now = [50.0]
    monkeypatch.setattr(node, '_now', lambda: now[0])
    for _ in range(10):  # a simulation at a sixth of real time
        late_now = node._watchdog.tripped
        node._tick()
        now[0] += 0.05
        steady[0] += 0.3
    assert late_now == late
