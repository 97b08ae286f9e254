"""Faults of real processes over DDS: no unsafe command, the right reason, recovery by itself."""
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
from system.harness import GOAL, PretendedRobot, Processes, Watcher, stands, start_robot
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
def pretended(tmp_path_factory) -> Iterator[PretendedRobot]:
    """Offer one controller for all faults of messages, and a pretended robot that it drives."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('ROS_DOMAIN_ID', str(free_domain()))
        patch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
        with Processes(tmp_path_factory.mktemp('alone')) as processes:
            watcher = Watcher()
            # A robot that only pretends never gets anywhere.
            processes.start('mppi_controller', '-p', 'recovery.progress_timeout:=0.0')
            yield PretendedRobot(watcher)
            assert processes.runs('mppi_controller')
            watcher.close()


@pytest.fixture
def alone(pretended):
    """Offer it when what was said during other tests is heard."""
    pretended.watcher.catch_up()
    return pretended


@pytest.fixture(autouse=True)
def counted(request, record_property) -> None:
    """Count each test as a fault that was tried."""
    record_property(REAL, request.node.name)


def stamped(what, seconds):
    """Return a fault: the stamp is off."""
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
    """Return a fault: fields have other values."""
    return lambda robot: setattr(robot, f'make_{what}', spoil(getattr(robot, what), **changes))


def moved(**changes):
    """Return a fault: the robot is believed elsewhere."""
    def begin(robot):
        robot.make_odometry = lambda: conversions.odometry_to_msg(
            dataclasses.replace(Motion(robot.now(), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), **changes),
            'odom', 'base_link')

    return begin


def frozen(robot):
    """Say the same odometry with new stamps."""
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
    """Try a few faults of messages in the short form."""
    if 'fault' in metafunc.fixturenames:
        every = metafunc.config.getoption('--long')
        metafunc.parametrize('fault', [name for name in FAULTS if every or name in SHORT])


def test_a_fault_of_a_message_is_named_safe_and_recovered_from(alone, fault):
    watcher = alone.watcher
    alone.say_the_truth()
    scenarios.drives(watcher)
    watcher.unsafe.clear()
    begin, code = FAULTS[fault]
    begin(alone)
    watcher.wait_for(lambda: watcher.code == code, f'the code {code}')
    if fault != 'costmap lethal':  # a robot in an obstacle may leave it
        watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a zero command')
    alone.say_the_truth()
    scenarios.drives(watcher)
    assert watcher.unsafe == []


EXTREMES = [
    {info.name.replace('.', '__'): end}
    for info in describe(ControllerParameters) if info.live and info.kind == 'double'
    for end in (info.low, info.high)
    if end is not None and info.name.split('.')[0] in ('critics', 'recovery', 'lambda', 'alpha')
]


def test_parameters_are_changed_to_their_extremes_while_driving(alone, request):
    watcher = alone.watcher
    alone.say_the_truth()
    scenarios.drives(watcher)
    watcher.unsafe.clear()
    for change in EXTREMES if request.config.getoption('--long') else EXTREMES[::9]:
        (name,) = change
        before = watcher.get_parameters(name.replace('__', '.'))[0].double_value
        watcher.set_parameters(**change)
        count = len(watcher.commands)
        watcher.wait_for(lambda count=count: len(watcher.commands) > count + 4, 'commands')
        assert watcher.set_parameters(**{name: before}).successful
    scenarios.drives(watcher)
    assert watcher.unsafe == []


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGSTOP])
def test_a_simulator_that_is_killed_or_stopped_and_comes_back(
        processes, watcher, tmp_path, number):
    start_robot(processes, tmp_path)
    scenarios.drives(watcher)
    processes.send('kinematic_simulator', number)
    watcher.wait_for(lambda: watcher.code == 'odometry_old', 'old odometry')
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a zero command')
    if number == signal.SIGSTOP:
        processes.send('kinematic_simulator', signal.SIGCONT)
    else:
        processes.start('kinematic_simulator', '-p', f'world:={tmp_path / "world.csv"}', *WORLD)
    scenarios.drives(watcher)
    scenarios.reaches_the_goal(watcher, GOAL)
    assert watcher.unsafe == []


def test_simulated_time_that_begins_anew(processes, watcher, tmp_path):
    clock = ('-p', 'publish_clock:=true')
    start_robot(processes, tmp_path, simulator=clock, others=('-p', 'use_sim_time:=true'))
    scenarios.drives(watcher)
    # So late that the new clock is behind the old one when it is first heard.
    watcher.wait_for(lambda: watcher.stamp > 20.0, 'twenty seconds')
    codes = set()
    watcher.on_statistics = lambda values: codes.add(values['code'])
    processes.end('kinematic_simulator', signal.SIGKILL)
    processes.start('kinematic_simulator', '-p', f'world:={tmp_path / "world.csv"}', *WORLD,
                    *clock)
    watcher.wait_for(lambda: 'clock_back' in codes, 'the clock going back')
    scenarios.drives(watcher)
    assert watcher.unsafe == []


def start_guarded_robot(processes, watcher, tmp_path):
    """Start the robot beside a guard, and wait until each of the two hears the other."""
    processes.start('cmd_vel_watchdog')
    scenarios.stops_any_driver(watcher)  # so the guard's zero will be heard
    start_robot(processes, tmp_path)
    scenarios.drives(watcher)
    watcher.wait_for(
        lambda: processes.printed('cmd_vel_watchdog').count('monitoring cmd_vel') == 2,
        'the guard to hear the next driver')


def test_a_stopped_controller_is_stopped_by_the_guard_and_drives_on(processes, watcher, tmp_path):
    start_guarded_robot(processes, watcher, tmp_path)
    # Between two ticks: a command on its way would be sent, with its old stamp, on SIGCONT.
    sent = len(watcher.commands)
    watcher.wait_for(lambda: len(watcher.commands) > sent, 'a command')
    time.sleep(0.02)
    processes.send('mppi_controller', signal.SIGSTOP)
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'zero from the guard', 3.0)
    watcher.wait_for(lambda: stands(watcher), 'standstill')
    # A zero still on its way could come between the first two commands of the driver.
    watcher.wait_for(lambda: watcher.silence > 0.3, 'the guard having said enough')
    codes = set()
    watcher.on_statistics = lambda values: codes.add(values['code'])
    processes.send('mppi_controller', signal.SIGCONT)
    # Its state was 'driving' when it was stopped.
    watcher.wait_for(lambda: 'tick_late' in codes, 'the late tick to be named')
    scenarios.drives(watcher)
    scenarios.reaches_the_goal(watcher, GOAL)
    assert watcher.unsafe == []


def test_a_controller_that_was_stopped_for_less_than_its_own_watch_begins_from_rest(
        processes, watcher, tmp_path):
    """Its watch waits five periods, 1 s at 5 Hz; the guard sends zero after 0.3 s."""
    start_guarded_robot(processes, watcher, tmp_path)
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
        heard = list(zip(watcher.commands[first:], watcher.stamps[first:], strict=True))
        zeros = [n for n, (command, _) in enumerate(heard) if command == (0.0, 0.0)]
        assert zeros, heard
        moving = next(n for n in range(zeros[0], len(heard)) if heard[n][0] != (0.0, 0.0))
        # Two nodes publish: a zero may be preempted between its stamp and its publication.
        assert all(after > before for (_, before), (command, after) in itertools.pairwise(heard)
                   if command != (0.0, 0.0)), heard
        # 1 m/s² from tick to tick, which another clock measures; the last zero may be the guard's,
        # later than the tick before.
        for (before, begun), (after, sent) in itertools.pairwise(heard[moving - 1:]):
            assert after[0] - before[0] <= max(0.2, sent - begun) + 1e-3, heard


LOST = {
    'nothing is wrong': lambda robot: None,
    'odometry makes no sense': spoiled('odometry', pose__pose__position__x=math.nan),
    'odometry is old': stamped('odometry', -5.0),
    'costmap is old': stamped('costmap', -5.0),
    'plan taken away': plan(lambda message: message.poses.clear()),
    'plan makes no sense': plan(set_position(math.inf)),
}


@pytest.mark.parametrize('case', LOST)
def test_there_is_a_command_every_period_whatever_the_inputs_are(alone, case):
    watcher = alone.watcher
    alone.say_the_truth()
    scenarios.drives(watcher)
    watcher.unsafe.clear()
    LOST[case](alone)
    told = []

    def note(values):
        counted = int(values['ticks']), int(values['missed_ticks'])
        told.append((*counted, watcher.stamp, len(watcher.stamps)))

    watcher.on_statistics = note
    watcher.wait_for(lambda: len(told) > 60, 'three seconds of ticks')
    watcher.on_statistics = lambda values: None
    begin, end = told[0], told[-1]
    ticks, missed, seconds, commands = np.subtract(end, begin)
    assert commands >= 0.9 * ticks - 2  # a command is not sent again where a newer one is there
    period = 1.0 / ControllerParameters().control_rate
    assert ticks + missed == pytest.approx(seconds / period, abs=3)
    alone.say_the_truth()
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
    """Start a controller in whose program something goes wrong after a while."""
    program = BROKEN.format(method=method, mistake=mistake)
    processes.start_command('mppi_controller', [sys.executable, '-c', program])


def test_a_tick_that_hangs_is_stopped_by_the_last_line_and_goes_on(processes, watcher):
    PretendedRobot(watcher)
    start_broken(processes, 'Controller.tick', 'time.sleep(2.0)')
    scenarios.drives(watcher)
    watcher.diagnostics.clear()
    watcher.wait_for(lambda: watcher.diagnostics.get(CONTROL, (0, ''))[1].startswith(
        'the control loop missed its deadline'), 'the fault of the tick watchdog')
    assert watcher.commands[-1] == (0.0, 0.0)
    scenarios.drives(watcher)
    assert watcher.unsafe == []


def test_a_crash_of_the_node_leaves_zero_behind(processes, watcher):
    PretendedRobot(watcher)
    start_broken(processes, 'ControllerDiagnostics.update', '1 / 0')
    scenarios.drives(watcher)
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


def test_a_busy_machine_leads_to_no_unsafe_command(processes, watcher, tmp_path):
    start_robot(processes, tmp_path)
    scenarios.drives(watcher)
    with busy_cores(2 * (os.cpu_count() or 1)):
        end = time.monotonic() + 5.0
        watcher.wait_for(lambda: time.monotonic() > end, 'five seconds')
    scenarios.drives(watcher)
    assert watcher.unsafe == []
    assert not watcher.touched


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='needs /dev/full')
def test_a_full_disk_for_logs_does_not_disturb_driving(processes, watcher):
    PretendedRobot(watcher)
    program = str(Path(sys.executable).with_name('mppi_controller'))
    processes.start_command('mppi_controller', [program], output=Path('/dev/full'))
    scenarios.drives(watcher)
    assert watcher.set_parameters(**{'lambda': 0.5}).successful
    scenarios.drives(watcher)
    assert watcher.unsafe == []


def test_two_impatient_signals_leave_zero_behind(processes, watcher):
    PretendedRobot(watcher)
    processes.start('mppi_controller')
    scenarios.drives(watcher)
    processes.send('mppi_controller', signal.SIGINT)
    assert processes.end('mppi_controller', signal.SIGINT) == 0
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a zero command')
    assert watcher.unsafe == []


def test_two_publishers_of_odometry_are_told(processes, watcher):
    robot = PretendedRobot(watcher)
    processes.start('mppi_controller')
    scenarios.drives(watcher)
    rival = Watcher()
    PretendedRobot(rival, plans=False)
    watcher.wait_for(lambda: 'has 2 publishers' in watcher.diagnostics.get(CONTROL, (0, ''))[1],
                     'a word on the rivals')
    assert watcher.diagnostics[CONTROL][0] >= 1
    rival.close()
    robot.say_the_truth()
