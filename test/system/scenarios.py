"""Checks of a running robot, shared by the tests of processes and of launch files."""
from __future__ import annotations

from collections.abc import Callable, Sequence
import itertools
import math
import time

from geometry_msgs.msg import TwistStamped
from lifecycle_msgs.msg import State, Transition
from system.harness import Watcher, distance_to

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.parameters.declaration import flatten


def check_robot_drives(watcher: Watcher) -> None:
    """Check that the controller commands motion and that a simulated robot moves."""
    watcher.wait_for(lambda: watcher.state == 'driving', 'driving')
    watcher.wait_for(
        lambda: watcher.commands and watcher.commands[-1][0] > 0.1, 'a command to drive')
    watcher.wait_for(lambda: watcher.truth is None or watcher.truth.vx > 0.05, 'motion')


def check_goal_is_reached(watcher: Watcher, goal: Sequence[float]) -> None:
    """Check that the robot reaches the goal without contact, within its limits, and stops."""
    watcher.wait_for(lambda: watcher.state == 'reached', 'arrival', timeout=120.0)
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a zero command')
    configuration = ControllerParameters()
    reach = configuration.goal.position_tolerance + 0.05
    # The received ground truth may be older than the received state.
    watcher.wait_for(lambda: distance_to(watcher, goal) < reach, 'the goal', timeout=10.0)
    assert not watcher.touched
    limits = configuration.limits
    for speed, turn in watcher.commands:
        assert math.isfinite(speed) and math.isfinite(turn)
        assert limits.vx_min - 1e-6 <= speed <= limits.vx_max + 1e-6
        assert abs(turn) <= limits.wz_max + 1e-6


def check_tuning_while_driving(watcher: Watcher) -> None:
    """Change λ and the horizon by service and check that the robot keeps driving."""
    sent, reported = len(watcher.commands), len(watcher.history)
    assert watcher.set_parameters(**{'lambda': 0.5}).successful
    watcher.wait_for(
        lambda: watcher.statistics.get('temperature') == '0.5', 'λ = 0.5 in the statistics')
    assert watcher.set_parameters(horizon_steps=40).successful
    assert watcher.get_parameters('horizon_steps')[0].integer_value == 40
    watcher.wait_for(lambda: len(watcher.commands) > sent + 10, 'ten more commands')
    check_robot_did_not_stop(watcher, sent, reported)


def check_robot_did_not_stop(watcher: Watcher, sent: int, reported: int) -> bool:
    """
    Check that the robot kept driving since command `sent` and statistics `reported`.

    Return whether it never braked. Braking is correct when a stalled machine delays inputs or
    ticks.
    """
    stopped = {
        (values['code'], values['reason'])
        for values in watcher.history[reported:] if values['state'] != 'driving'}
    assert {code for code, _ in stopped} <= {'odometry_old', 'costmap_old', 'tick_late'}, stopped
    if not stopped:
        assert min(speed for speed, _ in watcher.commands[sent:]) > 0.0
    watcher.wait_for(lambda: watcher.state == 'driving', 'driving')
    return not stopped


MAX_PROGRESS = 2.5  # [m] of a plan of 4 m
CHANGES = (
    {'lambda': 0.3}, {'horizon_steps': 40}, {'samples': 1000, 'alpha': 0.8}, {'sigma': (0.3, 0.7)},
    {'limits.vx_max': 0.4}, {'robot.radius': 0.21}, {'noise.correlation_time': 1.5},
    {'control_rate': 25.0, 'time_step': 0.06}, {'iterations': 2}, {'safety.margin': 0.01},
)


def check_continuous_tuning(watcher: Watcher, seconds: float = 3.0) -> None:
    """
    Change and restore parameters 20 times a second while the robot drives.

    The robot must not stop, and its progress on the plan must not be reset.
    """
    defaults = flatten(ControllerParameters())
    sent, reported = len(watcher.commands), len(watcher.history)
    end = time.monotonic() + seconds
    for number, changes in enumerate(itertools.cycle(CHANGES)):
        # On a slow machine the changes take longer; end before the goal is reached.
        if time.monotonic() > end or float(watcher.statistics['progress']) > MAX_PROGRESS:
            break
        restored = {name: defaults[name] for name in CHANGES[number % len(CHANGES) - 1]}
        assert watcher.set_parameters(**{**restored, **changes}).successful
        next_change = time.monotonic() + 0.05
        watcher.wait_for(lambda due=next_change: time.monotonic() > due, 'the next change')
    assert watcher.set_parameters(**{name: defaults[name] for name in changes}).successful
    assert len(watcher.history) > reported + 10
    smooth = check_robot_did_not_stop(watcher, sent, reported)
    # A tick that brakes for an old input reports no progress, and predictions are delayed.
    progress = [
        float(values['progress']) for values in watcher.history[reported:]
        if values['state'] == 'driving']
    tolerance = 0.05 if smooth else 0.5  # [m]
    assert all(after > before - tolerance for before, after in itertools.pairwise(progress))
    assert progress[-1] > progress[0]


def check_bad_value_is_refused(watcher: Watcher) -> None:
    """Check that a bad value is refused with name and range, together with its whole set."""
    result = watcher.set_parameters(alpha=1.0, time_step=0.0)
    assert not result.successful
    assert result.reason == 'time_step = 0.0 s is outside [0.005, 1] s'
    assert watcher.get_parameters('alpha')[0].double_value == ControllerParameters().mppi.alpha
    before = watcher.get_parameters('horizon_steps', 'time_step')
    result = watcher.set_parameters(alpha=1.0, horizon_steps=2, time_step=0.01)
    assert not result.successful
    assert 'is shorter than two control periods' in result.reason
    assert watcher.get_parameters('horizon_steps', 'time_step') == before
    result = watcher.set_parameters(horizon=5)
    assert result.reason.startswith('unknown parameter horizon; did you mean horizon_steps?')


def check_lifecycle(watcher: Watcher) -> None:
    """Run the lifecycle of an unconfigured controller; commands occur only while active."""
    control = f'{watcher.node.get_namespace().rstrip("/")}/mppi_controller: control'
    watcher.commands.clear()
    assert watcher.change_state(Transition.TRANSITION_CONFIGURE) == State.PRIMARY_STATE_INACTIVE
    watcher.wait_for(lambda: control in watcher.diagnostics, 'diagnostics')
    assert watcher.diagnostics[control] == (0, 'inactive')
    assert watcher.commands == []
    assert watcher.change_state(Transition.TRANSITION_ACTIVATE) == State.PRIMARY_STATE_ACTIVE
    check_robot_drives(watcher)
    assert watcher.change_state(Transition.TRANSITION_DEACTIVATE) == State.PRIMARY_STATE_INACTIVE
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a zero command')
    sent = len(watcher.commands)
    watcher.diagnostics.clear()
    watcher.wait_for(lambda: control in watcher.diagnostics, 'diagnostics, a second later')
    assert len(watcher.commands) == sent
    assert watcher.change_state(Transition.TRANSITION_CLEANUP) == State.PRIMARY_STATE_UNCONFIGURED
    watcher.diagnostics.clear()


def check_recovery_after_restart(watcher: Watcher, restart: Callable[[], None]) -> None:
    """Restart the simulator of a driving robot: the robot stops, reports why, and resumes."""
    check_robot_drives(watcher)
    restart()
    watcher.wait_for(lambda: watcher.state == 'stopped', 'stopping')
    assert 'odometry is' in watcher.reason
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a zero command')
    watcher.truth = None
    check_robot_drives(watcher)


def check_parameter_description(watcher: Watcher) -> None:
    """Check that a parameter descriptor states meaning, unit and range."""
    shown = watcher.describe_parameter('time_step')
    assert shown.description == 'length of one step of the horizon [s]'
    assert shown.floating_point_range[0].from_value == 0.005
    assert shown.floating_point_range[0].to_value == 1.0


def check_watchdog_sends_zero(watcher: Watcher) -> None:
    """Check that the watchdog sends zero after a publisher of commands stops publishing."""
    publisher = watcher.node.create_publisher(TwistStamped, 'cmd_vel', 1)

    def stopped() -> bool:
        if watcher.command_age > 1.5:  # repeat messages lost before discovery
            message = TwistStamped()
            message.header.stamp = watcher.node.get_clock().now().to_msg()
            message.twist.linear.x = 0.01
            publisher.publish(message)
        return bool(watcher.commands) and watcher.commands[-1] == (0.0, 0.0)

    watcher.wait_for(stopped, 'zero from the watchdog')
    watcher.node.destroy_publisher(publisher)
    watcher.wait_for(lambda: watcher.command_age > 0.3, 'the watchdog to stop publishing')
