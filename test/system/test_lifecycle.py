"""Lifecycle: the controller publishes commands only while active and restarts after cleanup."""
from __future__ import annotations

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState
import pytest
from system import scenarios
from system.harness import FakeRobot

from mppi_ros.nodes.controller.diagnostics import NO_CLOCK

CONTROL = '/mppi_controller: control'


@pytest.fixture
def robot(processes, watcher):
    processes.start('mppi_controller', '-p', 'autostart:=false')
    return FakeRobot(watcher)


@pytest.fixture
def manage(robot, watcher):
    return watcher.change_state


def test_controller_completes_the_lifecycle_twice(robot, processes, watcher):
    scenarios.check_lifecycle(watcher)
    robot.publish_plan(robot.plan())  # deactivation discarded the first one
    scenarios.check_lifecycle(watcher)
    assert processes.end('mppi_controller') == 0


def controller_graph_names(watcher):
    """Return the names of publishers, subscriptions and services of the controller."""
    node = watcher.node
    queries = (node.get_publisher_names_and_types_by_node,
           node.get_subscriber_names_and_types_by_node,
           node.get_service_names_and_types_by_node)
    return [sorted(name for name, _ in each('mppi_controller', '/')) for each in queries]


def test_cleanup_removes_every_topic_and_service(manage, watcher):
    watcher.wait_for(
        lambda: 'mppi_controller' in watcher.node.get_node_names(), 'the controller in the graph')
    manage(Transition.TRANSITION_CONFIGURE)
    manage(Transition.TRANSITION_CLEANUP)
    before = controller_graph_names(watcher)
    manage(Transition.TRANSITION_CONFIGURE)
    watcher.wait_for(lambda: '/cmd_vel' in controller_graph_names(watcher)[0], 'cmd_vel')
    manage(Transition.TRANSITION_CLEANUP)
    watcher.wait_for(lambda: controller_graph_names(watcher) == before, 'the original graph')
    prefix = '/mppi_controller/'
    allowed = {'/rosout', '/parameter_events', f'{prefix}transition_event'}
    assert set(before[0]) <= allowed
    assert not {name for name in before[1] if name != '/parameter_events'}


def test_invalid_transition_is_refused_and_the_robot_keeps_driving(manage, processes, watcher):
    manage(Transition.TRANSITION_CONFIGURE)
    manage(Transition.TRANSITION_ACTIVATE)
    scenarios.check_robot_drives(watcher)
    again = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_ACTIVATE))
    assert not watcher.call(ChangeState, 'mppi_controller/change_state', again).success
    scenarios.check_robot_drives(watcher)
    assert 'transition 3 is not possible while active' in processes.printed('mppi_controller')


def test_shutdown_of_an_active_node_publishes_a_zero_command(manage, processes, watcher):
    manage(Transition.TRANSITION_CONFIGURE)
    manage(Transition.TRANSITION_ACTIVATE)
    scenarios.check_robot_drives(watcher)
    assert manage(Transition.TRANSITION_ACTIVE_SHUTDOWN) == State.PRIMARY_STATE_FINALIZED
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a zero command')
    assert processes.end('mppi_controller') == 0


def test_missing_clock_is_reported(processes, watcher):
    processes.start('mppi_controller', '-p', 'use_sim_time:=true')
    watcher.wait_for(lambda: CONTROL in watcher.diagnostics, 'diagnostics')
    assert watcher.diagnostics[CONTROL] == (1, NO_CLOCK)
    assert watcher.commands == []
    assert processes.end('mppi_controller') == 0
