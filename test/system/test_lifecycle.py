"""The controller is a managed node: it speaks only while active and starts again after cleanup."""
from __future__ import annotations

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
import pytest
from system import scenarios
from system.harness import PretendedRobot

CONTROL = '/mppi_controller: control'


@pytest.fixture
def manage(processes, watcher):
    processes.start('mppi_controller', '-p', 'autostart:=false')
    PretendedRobot(watcher)

    def change(transition):
        request = ChangeState.Request(transition=Transition(id=transition))
        assert watcher.call(ChangeState, 'mppi_controller/change_state', request).success
        answer = watcher.call(GetState, 'mppi_controller/get_state', GetState.Request())
        return answer.current_state.id

    return change


def test_each_transition_does_what_its_name_says(manage, processes, watcher):
    for _ in range(2):
        watcher.commands.clear()
        assert manage(Transition.TRANSITION_CONFIGURE) == State.PRIMARY_STATE_INACTIVE
        watcher.wait_for(lambda: CONTROL in watcher.diagnostics, 'diagnostics')
        assert watcher.diagnostics[CONTROL] == (0, 'inactive')
        assert watcher.commands == []
        assert manage(Transition.TRANSITION_ACTIVATE) == State.PRIMARY_STATE_ACTIVE
        scenarios.drives(watcher)
        assert manage(Transition.TRANSITION_DEACTIVATE) == State.PRIMARY_STATE_INACTIVE
        watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a zero command')
        sent = len(watcher.commands)
        watcher.diagnostics.clear()
        watcher.wait_for(lambda: CONTROL in watcher.diagnostics, 'diagnostics, a second later')
        assert len(watcher.commands) == sent
        assert manage(Transition.TRANSITION_CLEANUP) == State.PRIMARY_STATE_UNCONFIGURED
        watcher.diagnostics.clear()
    assert processes.end('mppi_controller') == 0


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
    assert watcher.diagnostics[CONTROL] == (1, 'no tick yet: the clock stands at 0')
    assert watcher.commands == []
    assert processes.end('mppi_controller') == 0
