"""The controller is a managed node: it speaks only while active and starts again after cleanup."""
from __future__ import annotations

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState
import pytest
from system import scenarios
from system.harness import PretendedRobot

from mppi_ros.nodes.controller.diagnostics import NO_CLOCK

CONTROL = '/mppi_controller: control'


@pytest.fixture
def manage(processes, watcher):
    processes.start('mppi_controller', '-p', 'autostart:=false')
    PretendedRobot(watcher)
    return watcher.change_state


def test_each_transition_does_what_its_name_says(manage, processes, watcher):
    scenarios.follows_its_lifecycle(watcher)
    scenarios.follows_its_lifecycle(watcher)
    assert processes.end('mppi_controller') == 0


def graph_of_the_controller(watcher):
    """Return topics and services that the controller shows to others."""
    node = watcher.node
    ask = (node.get_publisher_names_and_types_by_node,
           node.get_subscriber_names_and_types_by_node,
           node.get_service_names_and_types_by_node)
    return [sorted(name for name, _ in each('mppi_controller', '/')) for each in ask]


def test_cleanup_takes_back_every_topic_and_service(manage, watcher):
    watcher.wait_for(
        lambda: 'mppi_controller' in watcher.node.get_node_names(), 'the controller in the graph')
    manage(Transition.TRANSITION_CONFIGURE)
    manage(Transition.TRANSITION_CLEANUP)
    before = graph_of_the_controller(watcher)
    manage(Transition.TRANSITION_CONFIGURE)
    watcher.wait_for(lambda: '/cmd_vel' in graph_of_the_controller(watcher)[0], 'cmd_vel')
    manage(Transition.TRANSITION_CLEANUP)
    watcher.wait_for(lambda: graph_of_the_controller(watcher) == before, 'the graph of before')
    mine = '/mppi_controller/'
    allowed = {'/rosout', '/parameter_events', f'{mine}transition_event'}
    assert set(before[0]) <= allowed
    assert not {name for name in before[1] if name != '/parameter_events'}


def test_an_impossible_transition_is_refused_and_the_robot_drives_on(manage, processes, watcher):
    manage(Transition.TRANSITION_CONFIGURE)
    manage(Transition.TRANSITION_ACTIVATE)
    scenarios.drives(watcher)
    again = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_ACTIVATE))
    assert not watcher.call(ChangeState, 'mppi_controller/change_state', again).success
    scenarios.drives(watcher)
    assert 'transition 3 is not possible while active' in processes.printed('mppi_controller')


def test_shutdown_of_an_active_node_sends_zero(manage, processes, watcher):
    manage(Transition.TRANSITION_CONFIGURE)
    manage(Transition.TRANSITION_ACTIVATE)
    scenarios.drives(watcher)
    assert manage(Transition.TRANSITION_ACTIVE_SHUTDOWN) == State.PRIMARY_STATE_FINALIZED
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a zero command')
    assert processes.end('mppi_controller') == 0


def test_a_clock_that_never_starts_is_named(processes, watcher):
    processes.start('mppi_controller', '-p', 'use_sim_time:=true')
    watcher.wait_for(lambda: CONTROL in watcher.diagnostics, 'diagnostics')
    assert watcher.diagnostics[CONTROL] == (1, NO_CLOCK)
    assert watcher.commands == []
    assert processes.end('mppi_controller') == 0
