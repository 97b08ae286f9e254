"""What a running robot must do; shared by the tests of processes and of launch files."""
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


def drives(watcher: Watcher) -> None:
    """Check that the robot sets off; a simulated one moves, too."""
    watcher.wait_for(lambda: watcher.state == 'driving', 'driving')
    watcher.wait_for(
        lambda: watcher.commands and watcher.commands[-1][0] > 0.1, 'a command to drive')
    watcher.wait_for(lambda: watcher.truth is None or watcher.truth.vx > 0.05, 'motion')


def reaches_the_goal(watcher: Watcher, goal: Sequence[float]) -> None:
    """Check that the robot arrives without contact, within its limits, and stands."""
    watcher.wait_for(lambda: watcher.state == 'reached', 'arrival', patience=120.0)
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a command to stand')
    configuration = ControllerParameters()
    reach = configuration.goal.position_tolerance + 0.05
    # What a watcher hears of the place may be older than what it hears of the state.
    watcher.wait_for(lambda: distance_to(watcher, goal) < reach, 'the goal', patience=10.0)
    assert not watcher.touched
    limits = configuration.limits
    for speed, turn in watcher.commands:
        assert math.isfinite(speed) and math.isfinite(turn)
        assert limits.vx_min - 1e-6 <= speed <= limits.vx_max + 1e-6
        assert abs(turn) <= limits.wz_max + 1e-6


def tunes_while_driving(watcher: Watcher) -> None:
    """Change λ and the horizon by the parameter service and check that the robot drives on."""
    sent, heard = len(watcher.commands), len(watcher.history)
    assert watcher.set_parameters(**{'lambda': 0.5}).successful
    watcher.wait_for(
        lambda: watcher.statistics.get('temperature') == '0.5', 'λ = 0.5 in the statistics')
    assert watcher.set_parameters(horizon_steps=40).successful
    assert watcher.get_parameters('horizon_steps')[0].integer_value == 40
    watcher.wait_for(lambda: len(watcher.commands) > sent + 10, 'ten more commands')
    drove_on(watcher, sent, heard)


def drove_on(watcher: Watcher, sent: int, heard: int) -> bool:
    """
    Check that the robot drove since the command `sent` and the statistics `heard`.

    Return whether the machine never stalled. A machine that stalls ages the inputs and delays the
    tick; braking for that is right.
    """
    stopped = {
        (values['code'], values['reason'])
        for values in watcher.history[heard:] if values['state'] != 'driving'}
    assert {code for code, _ in stopped} <= {'odometry_old', 'costmap_old', 'tick_late'}, stopped
    if not stopped:
        assert min(speed for speed, _ in watcher.commands[sent:]) > 0.0
    watcher.wait_for(lambda: watcher.state == 'driving', 'driving')
    return not stopped


MOST_PROGRESS = 2.5  # [m] of a plan of 4 m
CHANGES = (
    {'lambda': 0.3}, {'horizon_steps': 40}, {'samples': 1000, 'alpha': 0.8}, {'sigma': (0.3, 0.7)},
    {'limits.vx_max': 0.4}, {'robot.radius': 0.21}, {'noise.correlation_time': 1.5},
    {'control_rate': 25.0, 'time_step': 0.06}, {'iterations': 2}, {'safety.margin': 0.01},
)


def is_tuned_all_the_time(watcher: Watcher, seconds: float = 3.0) -> None:
    """
    Change parameters 20 times a second, to and fro, while the robot drives.

    It must neither stop nor lose its place on the plan.
    """
    defaults = flatten(ControllerParameters())
    sent, heard = len(watcher.commands), len(watcher.history)
    end = time.monotonic() + seconds
    for number, changes in enumerate(itertools.cycle(CHANGES)):
        # On a slow machine the changes take longer, and the goal must not come first.
        if time.monotonic() > end or float(watcher.statistics['progress']) > MOST_PROGRESS:
            break
        back = {name: defaults[name] for name in CHANGES[number % len(CHANGES) - 1]}
        assert watcher.set_parameters(**{**back, **changes}).successful
        next_one = time.monotonic() + 0.05
        watcher.wait_for(lambda due=next_one: time.monotonic() > due, 'the next change')
    assert watcher.set_parameters(**{name: defaults[name] for name in changes}).successful
    assert len(watcher.history) > heard + 10
    smooth = drove_on(watcher, sent, heard)
    # A tick that brakes for an old input has none, and what was predicted before comes true later.
    progress = [
        float(values['progress']) for values in watcher.history[heard:]
        if values['state'] == 'driving']
    lost = 0.05 if smooth else 0.5  # [m]
    assert all(after > before - lost for before, after in itertools.pairwise(progress))
    assert progress[-1] > progress[0]


def refuses_a_bad_value(watcher: Watcher) -> None:
    """Check that a bad value is refused by name and range, and its whole set with it."""
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


def follows_its_lifecycle(watcher: Watcher) -> None:
    """Lead an unconfigured controller up and down again; it speaks only while active."""
    control = f'{watcher.node.get_namespace().rstrip("/")}/mppi_controller: control'
    watcher.commands.clear()
    assert watcher.change_state(Transition.TRANSITION_CONFIGURE) == State.PRIMARY_STATE_INACTIVE
    watcher.wait_for(lambda: control in watcher.diagnostics, 'diagnostics')
    assert watcher.diagnostics[control] == (0, 'inactive')
    assert watcher.commands == []
    assert watcher.change_state(Transition.TRANSITION_ACTIVATE) == State.PRIMARY_STATE_ACTIVE
    drives(watcher)
    assert watcher.change_state(Transition.TRANSITION_DEACTIVATE) == State.PRIMARY_STATE_INACTIVE
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a zero command')
    sent = len(watcher.commands)
    watcher.diagnostics.clear()
    watcher.wait_for(lambda: control in watcher.diagnostics, 'diagnostics, a second later')
    assert len(watcher.commands) == sent
    assert watcher.change_state(Transition.TRANSITION_CLEANUP) == State.PRIMARY_STATE_UNCONFIGURED
    watcher.diagnostics.clear()


def stops_and_drives_on(watcher: Watcher, restart: Callable[[], None]) -> None:
    """Restart the simulator of a driving robot: the robot stops, names why, and drives on."""
    drives(watcher)
    restart()
    watcher.wait_for(lambda: watcher.state == 'stopped', 'stopping')
    assert 'odometry is' in watcher.reason
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a zero command')
    watcher.truth = None
    drives(watcher)


def describes_its_parameters(watcher: Watcher) -> None:
    """Check that a parameter tells what it means, its unit and its range."""
    shown = watcher.describe_parameter('time_step')
    assert shown.description == 'length of one step of the horizon [s]'
    assert shown.floating_point_range[0].from_value == 0.005
    assert shown.floating_point_range[0].to_value == 1.0


def stops_any_driver(watcher: Watcher) -> None:
    """Expect the guard to send zero after whoever moves the robot and then falls silent."""
    driver = watcher.node.create_publisher(TwistStamped, 'cmd_vel', 1)

    def stopped() -> bool:
        if watcher.silence > 1.5:  # again, if it or the zero was sent before all were found
            message = TwistStamped()
            message.header.stamp = watcher.node.get_clock().now().to_msg()
            message.twist.linear.x = 0.01
            driver.publish(message)
        return bool(watcher.commands) and watcher.commands[-1] == (0.0, 0.0)

    watcher.wait_for(stopped, 'zero from the guard')
    watcher.node.destroy_publisher(driver)
    watcher.wait_for(lambda: watcher.silence > 0.3, 'the guard having said enough')
