"""Faults of processes over DDS: no unsafe command, correct reason, automatic recovery."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import dataclasses
import itertools
import math
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from system import scenarios
from system.harness import GOAL, FakeRobot, Processes, Watcher, is_stopped, start_robot
from system.test_bad_input import spoil
from tally import REAL

from mppi_ros.control.inputs import Odometry as Motion
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.evaluation.processes import free_domain
from mppi_ros.parameters.declaration import describe
from mppi_ros.ros import conversions

CONTROL = '/mppi_controller: control'
WORLD = ('-p', 'start:=[0.0, 0.0, 0.0]')


@pytest.fixture(scope='module')
def shared_robot(tmp_path_factory) -> Iterator[FakeRobot]:
    """Provide one controller and the fake robot that it drives for all message faults."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('ROS_DOMAIN_ID', str(free_domain()))
        patch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
        with Processes(tmp_path_factory.mktemp('alone')) as processes:
            watcher = Watcher()
            # The fake robot does not move.
            processes.start('mppi_controller', '-p', 'recovery.progress_timeout:=0.0')
            yield FakeRobot(watcher)
            assert processes.runs('mppi_controller')
            watcher.close()


@pytest.fixture
def fake_robot(shared_robot):
    """Provide the robot after messages of previous tests are processed."""
    shared_robot.watcher.wait_for_new_command()
    return shared_robot


@pytest.fixture(autouse=True)
def counted(request, record_property) -> None:
    """Record each test as one fault of the tally."""
    record_property(REAL, request.node.name)


def stamped(what, seconds):
    """Return a fault that shifts the stamp."""
    def begin(robot):
        make = getattr(robot, what)

        def late():
            message = make()
            stamp = conversions.seconds_from_msg(message.header.stamp) + seconds
            message.header.stamp = conversions.seconds_to_msg(stamp)
            return message

        setattr(robot, f'make_{what}', late)

    return begin


def spoiled(what, **changes):
    """Return a fault that replaces field values."""
    return lambda robot: setattr(robot, f'make_{what}', spoil(getattr(robot, what), **changes))


def moved(**changes):
    """Return a fault that replaces the reported motion."""
    def begin(robot):
        robot.make_odometry = lambda: conversions.odometry_to_msg(
            dataclasses.replace(Motion(robot.now(), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), **changes),
            'odom', 'base_link')

    return begin


def frozen(robot):
    """Repeat the same odometry with new stamps."""
    moved()(robot)


def plan(change):
    """Return a fault of the plan."""
    def begin(robot):
        message = robot.plan()
        change(message)
        robot.publish_plan(message)

    return begin


def set_position(value):
    def change(message):
        message.poses[5].pose.position.x = value

    return change


FAULTS = {
    'odometry late': (stamped('odometry', -0.5), 'odometry_old'),
    'odometry ahead': (stamped('odometry', 2.0), 'odometry_ahead'),
    'odometry frozen': (frozen, 'odometry_frozen'),
    'odometry NaN heading': (spoiled('odometry', pose__pose__orientation__z=math.nan),
                             'odometry_refused'),
    'odometry infinite': (spoiled('odometry', pose__pose__position__y=-math.inf),
                          'odometry_refused'),
    'odometry huge': (spoiled('odometry', twist__twist__angular__z=1e300), 'odometry_refused'),
    'odometry elsewhere': (moved(x=60.0), 'outside_costmap'),
    'odometry of another frame': (spoiled('odometry', header__frame_id='moon'),
                                  'transform_missing'),
    'costmap of another frame': (spoiled('costmap', header__frame_id='moon'),
                                 'transform_missing'),
    'costmap late': (stamped('costmap', -2.0), 'costmap_old'),
    'costmap ahead': (stamped('costmap', 2.0), 'costmap_ahead'),
    'costmap NaN origin': (spoiled('costmap', info__origin__position__x=math.nan),
                           'costmap_refused'),
    'costmap infinite resolution': (spoiled('costmap', info__resolution=math.inf),
                                    'costmap_refused'),
    'costmap of no cells': (spoiled('costmap', info__width=0, info__height=0),
                            'costmap_refused'),
    'costmap lethal': (spoiled('costmap', data=[100] * 40000), 'collision_ahead'),
    'plan NaN': (plan(set_position(math.nan)), 'plan_refused'),
    'plan infinite': (plan(set_position(math.inf)), 'plan_refused'),
    'plan huge': (plan(set_position(1e300)), 'plan_refused'),
    'plan of another frame': (plan(lambda message: setattr(message.header, 'frame_id', 'moon')),
                              'transform_missing'),
}
SHORT = {'odometry frozen', 'odometry infinite', 'costmap ahead', 'plan huge'}


def pytest_generate_tests(metafunc):
    """Select a few message faults unless --long is given."""
    if 'fault' in metafunc.fixturenames:
        long = metafunc.config.getoption('--long')
        metafunc.parametrize('fault', [name for name in FAULTS if long or name in SHORT])


def test_robot_reports_a_message_fault_stays_safe_and_recovers(fake_robot, fault):
    watcher = fake_robot.watcher
    fake_robot.publish_valid_messages()
    scenarios.check_robot_drives(watcher)
    watcher.unsafe.clear()
    begin, code = FAULTS[fault]
    begin(fake_robot)
    watcher.wait_for(lambda: watcher.code == code, f'the code {code}')
    if fault != 'costmap lethal':  # a robot in contact may leave the obstacle
        watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a zero command')
    fake_robot.publish_valid_messages()
    scenarios.check_robot_drives(watcher)
    assert watcher.unsafe == []


EXTREMES = [
    {info.name.replace('.', '__'): end}
    for info in describe(ControllerParameters) if info.live and info.kind == 'double'
    for end in (info.low, info.high)
    if end is not None and info.name.split('.')[0] in ('critics', 'recovery', 'lambda', 'alpha')
]


def test_extreme_parameter_values_cause_no_unsafe_command(fake_robot, request):
    watcher = fake_robot.watcher
    fake_robot.publish_valid_messages()
    scenarios.check_robot_drives(watcher)
    watcher.unsafe.clear()
    for change in EXTREMES if request.config.getoption('--long') else EXTREMES[::9]:
        (name,) = change
        before = watcher.get_parameters(name.replace('__', '.'))[0].double_value
        watcher.set_parameters(**change)
        count = len(watcher.commands)
        watcher.wait_for(lambda count=count: len(watcher.commands) > count + 4, 'commands')
        assert watcher.set_parameters(**{name: before}).successful
    scenarios.check_robot_drives(watcher)
    assert watcher.unsafe == []


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGSTOP])
def test_controller_recovers_after_the_simulator_is_killed_or_suspended(
        processes, watcher, tmp_path, number):
    start_robot(processes, tmp_path)
    scenarios.check_robot_drives(watcher)
    processes.send('kinematic_simulator', number)
    watcher.wait_for(lambda: watcher.code == 'odometry_old', 'old odometry')
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a zero command')
    if number == signal.SIGSTOP:
        processes.send('kinematic_simulator', signal.SIGCONT)
    else:
        processes.start('kinematic_simulator', '-p', f'world:={tmp_path / "world.csv"}', *WORLD)
    scenarios.check_robot_drives(watcher)
    scenarios.check_goal_is_reached(watcher, GOAL)
    assert watcher.unsafe == []


def test_controller_recovers_after_simulated_time_restarts(processes, watcher, tmp_path):
    clock = ('-p', 'publish_clock:=true')
    start_robot(processes, tmp_path, simulator=clock, others=('-p', 'use_sim_time:=true'))
    scenarios.check_robot_drives(watcher)
    # Late enough that the restarted clock is behind the old one when first received.
    watcher.wait_for(lambda: watcher.stamp > 20.0, 'twenty seconds')
    codes = set()
    watcher.on_statistics = lambda values: codes.add(values['code'])
    processes.end('kinematic_simulator', signal.SIGKILL)
    processes.start('kinematic_simulator', '-p', f'world:={tmp_path / "world.csv"}', *WORLD,
                    *clock)
    watcher.wait_for(lambda: 'clock_back' in codes, 'the clock going back')
    scenarios.check_robot_drives(watcher)
    assert watcher.unsafe == []


def start_robot_with_watchdog(processes, watcher, tmp_path):
    """Start the robot with the watchdog and wait until both are connected."""
    processes.start('cmd_vel_watchdog')
    scenarios.check_watchdog_sends_zero(watcher)  # so the zero of the watchdog is received
    start_robot(processes, tmp_path)
    scenarios.check_robot_drives(watcher)
    watcher.wait_for(
        lambda: processes.printed('cmd_vel_watchdog').count('monitoring cmd_vel') == 2,
        'the watchdog to discover the controller')


def test_watchdog_stops_the_robot_of_a_suspended_controller_which_then_resumes(
        processes, watcher, tmp_path):
    start_robot_with_watchdog(processes, watcher, tmp_path)
    # Between two ticks: a pending command would be sent, with its old stamp, on SIGCONT. On a
    # loaded machine the command of the last tick may have arrived during the next one.
    sent = len(watcher.commands)
    watcher.wait_for(
        lambda: len(watcher.commands) > sent and 0.01 < watcher.command_age < 0.03,
        'a time between two ticks')
    processes.send('mppi_controller', signal.SIGSTOP)
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'zero from the watchdog', 3.0)
    watcher.wait_for(lambda: is_stopped(watcher), 'standstill')
    # A zero in transit could arrive between the first two commands of the controller.
    watcher.wait_for(lambda: watcher.command_age > 0.3, 'the watchdog to stop publishing')
    codes = set()
    watcher.on_statistics = lambda values: codes.add(values['code'])
    processes.send('mppi_controller', signal.SIGCONT)
    # Its last reported state is 'driving'.
    watcher.wait_for(lambda: 'tick_late' in codes, 'the code tick_late')
    scenarios.check_robot_drives(watcher)
    scenarios.check_goal_is_reached(watcher, GOAL)
    assert watcher.unsafe == []


def test_controller_suspended_for_less_than_its_watchdog_period_restarts_from_rest(
        processes, watcher, tmp_path):
    """The tick watchdog waits five periods, 1 s at 5 Hz; cmd_vel_watchdog 0.3 s."""
    start_robot_with_watchdog(processes, watcher, tmp_path)
    assert watcher.set_parameters(control_rate=5.0).successful
    for _ in range(2):
        watcher.wait_for(
            lambda: watcher.commands and watcher.commands[-1][0] > 0.3, 'speed')
        first = len(watcher.commands)
        watcher.wait_for(lambda first=first: len(watcher.commands) > first, 'a command')
        processes.send('mppi_controller', signal.SIGSTOP)
        time.sleep(0.46)
        processes.send('mppi_controller', signal.SIGCONT)
        watcher.wait_for(
            lambda first=first: len(watcher.commands) > first + 20
            and watcher.commands[-1][0] > 0.3, 'driving on')
        received = list(zip(watcher.commands[first:], watcher.stamps[first:], strict=True))
        zeros = [n for n, (command, _) in enumerate(received) if command == (0.0, 0.0)]
        assert zeros, received
        moving = next(n for n in range(zeros[0], len(received)) if received[n][0] != (0.0, 0.0))
        # Two nodes publish: a zero may be preempted between its stamp and its publication.
        assert all(after > before for (_, before), (command, after) in itertools.pairwise(received)
                   if command != (0.0, 0.0)), received
        # 1 m/s² from tick to tick, measured by another clock; the last zero may come from
        # cmd_vel_watchdog after the previous tick.
        for (before, previous_stamp), (after, sent) in itertools.pairwise(received[moving - 1:]):
            assert after[0] - before[0] <= max(0.2, sent - previous_stamp) + 1e-3, received


LOST = {
    'nothing is wrong': lambda robot: None,
    'odometry makes no sense': spoiled('odometry', pose__pose__position__x=math.nan),
    'odometry is old': stamped('odometry', -5.0),
    'costmap is old': stamped('costmap', -5.0),
    'plan taken away': plan(lambda message: message.poses.clear()),
    'plan makes no sense': plan(set_position(math.inf)),
}


@pytest.mark.parametrize('case', LOST)
def test_controller_publishes_a_command_every_period_for_any_inputs(fake_robot, case):
    watcher = fake_robot.watcher
    fake_robot.publish_valid_messages()
    scenarios.check_robot_drives(watcher)
    watcher.unsafe.clear()
    LOST[case](fake_robot)
    counts = []

    def record_counts(values):
        counted = int(values['ticks']), int(values['missed_ticks'])
        counts.append((*counted, watcher.stamp, len(watcher.stamps)))

    watcher.on_statistics = record_counts
    watcher.wait_for(lambda: len(counts) > 60, 'three seconds of ticks')
    watcher.on_statistics = lambda values: None
    begin, end = counts[0], counts[-1]
    ticks, missed, seconds, commands = np.subtract(end, begin)
    assert commands >= 0.9 * ticks - 2  # a command is skipped where a newer one exists
    period = 1.0 / ControllerParameters().control_rate
    assert ticks + missed == pytest.approx(seconds / period, abs=3)
    fake_robot.publish_valid_messages()
    assert watcher.unsafe == []


BROKEN = """
import itertools, time
from mppi_ros.nodes.controller import node
from mppi_ros.nodes.controller.node import (
    Controller, ControllerDiagnostics, ControllerParameters, warm_up)
right, count = {method}, itertools.count()
def wrong(*arguments, **options):
    if next(count) == 250:
        {mistake}
    return right(*arguments, **options)
warm_up(ControllerParameters())
{method} = wrong
node.main()
"""


def start_broken(processes, method, mistake):
    """Start a controller in which a method fails after 250 calls."""
    program = BROKEN.format(method=method, mistake=mistake)
    processes.start_command('mppi_controller', [sys.executable, '-c', program])


def test_tick_watchdog_stops_the_robot_during_a_hanging_tick_and_driving_resumes(
        processes, watcher):
    FakeRobot(watcher)
    start_broken(processes, 'Controller.tick', 'time.sleep(2.0)')
    scenarios.check_robot_drives(watcher)
    watcher.diagnostics.clear()
    watcher.wait_for(lambda: watcher.diagnostics.get(CONTROL, (0, ''))[1].startswith(
        'the control loop missed its deadline'), 'the fault of the tick watchdog')
    assert watcher.commands[-1] == (0.0, 0.0)
    scenarios.check_robot_drives(watcher)
    assert watcher.unsafe == []


def test_last_command_of_a_crashed_node_is_zero(processes, watcher):
    FakeRobot(watcher)
    start_broken(processes, 'ControllerDiagnostics.update', '1 / 0')
    scenarios.check_robot_drives(watcher)
    assert processes.wait('mppi_controller') == 1
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a zero command')
    assert watcher.unsafe == []
    assert 'ZeroDivisionError' in processes.printed('mppi_controller')


@contextmanager
def busy_cores(count):
    """Keep cores busy with other processes."""
    spinning = [subprocess.Popen([sys.executable, '-c', 'while True: pass'])
                for _ in range(count)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def test_cpu_overload_causes_no_unsafe_command(processes, watcher, tmp_path):
    start_robot(processes, tmp_path)
    scenarios.check_robot_drives(watcher)
    with busy_cores(2 * (os.cpu_count() or 1)):
        end = time.monotonic() + 5.0
        watcher.wait_for(lambda: time.monotonic() > end, 'five seconds')
    scenarios.check_robot_drives(watcher)
    assert watcher.unsafe == []
    assert not watcher.touched


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='needs /dev/full')
def test_robot_drives_when_the_log_device_is_full(processes, watcher):
    FakeRobot(watcher)
    program = str(Path(sys.executable).with_name('mppi_controller'))
    processes.start_command('mppi_controller', [program], output=Path('/dev/full'))
    scenarios.check_robot_drives(watcher)
    assert watcher.set_parameters(**{'lambda': 0.5}).successful
    scenarios.check_robot_drives(watcher)
    assert watcher.unsafe == []


def test_last_command_after_two_signals_is_zero(processes, watcher):
    FakeRobot(watcher)
    processes.start('mppi_controller')
    scenarios.check_robot_drives(watcher)
    processes.send('mppi_controller', signal.SIGINT)
    assert processes.end('mppi_controller', signal.SIGINT) == 0
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a zero command')
    assert watcher.unsafe == []


def test_diagnostics_report_two_publishers_of_odometry(processes, watcher):
    robot = FakeRobot(watcher)
    processes.start('mppi_controller')
    scenarios.check_robot_drives(watcher)
    other = Watcher()
    FakeRobot(other, plans=False)
    watcher.wait_for(lambda: 'has 2 publishers' in watcher.diagnostics.get(CONTROL, (0, ''))[1],
                     'the warning about two publishers')
    assert watcher.diagnostics[CONTROL][0] >= 1
    other.close()
    robot.publish_valid_messages()
