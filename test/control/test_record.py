"""A recorded run comes out again bit by bit; the recording never disturbs the controller."""
from __future__ import annotations

from dataclasses import replace
import math
from pathlib import Path
import threading

from control.test_survey import Slow
import numpy as np
from plain_robot import QUICK, PlainRobot, room, with_block
import pytest

from mppi_ros.control import recording
from mppi_ros.control.recording import RecordedController, Recorder, _read, repeat
from mppi_ros.control.report import Fault, Reason, State
from mppi_ros.control.survey import Background
from mppi_ros.mppi import parameters
from mppi_ros.mppi.errors import InputError, MppiError

pytest.importorskip('mcap')


def recorded(path: Path, drive, surveyor=None, most=1e9) -> tuple[PlainRobot, list[str]]:
    """Let a robot drive and record it; return it and what the recorder complained of."""
    complaints: list[str] = []
    recorder = Recorder(path, most, complaints.append)
    robot = PlainRobot(RecordedController(QUICK, 3, surveyor, write=recorder.write))
    drive(robot)
    recorder.close()
    return robot, complaints


def eventful(robot: PlainRobot) -> None:
    """Let everything happen that can happen to a controller."""
    controller = robot.controller
    robot.run(0.1)
    controller.set_costmap(robot.now, room())
    controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    robot.run(0.5)
    controller.set_plan(robot.now, np.array([[0.0, 0.0, 0.0], [2.0, 1.0, 0.0], [4.0, 0.0, 0.0]]))
    controller.configure(parameters.replace(QUICK, {'lambda': 0.3, 'horizon_steps': 25}))
    robot.run(0.3)
    controller.set_costmap(robot.now, with_block(room(), robot.pose[0] + 0.5, 0.0, 0.3))
    robot.run(0.5)
    controller.set_costmap(robot.now, room())
    for broken in (lambda: controller.set_goal(robot.now, math.nan, 0.0, 0.0),
                   lambda: controller.set_plan(robot.now, np.empty((0, 3))),
                   lambda: controller.set_odometry(replace(robot.odometry(), x=math.inf))):
        with pytest.raises(InputError):
            broken()
    controller.tick(robot.now, steady=5.0, fault=Fault(Reason.TICK_LATE, 'late'))
    robot.now -= 10.0
    robot.run(0.5)
    controller.tick(math.nan)
    controller.clear_plan()
    robot.run(0.2)
    controller.halt()
    controller.reset()
    controller.forget_costmap()
    robot.run(0.1)
    controller.set_costmap(robot.now, room())
    controller.set_goal(robot.now, -3.0, 0.0, 0.0)
    robot.run(1.0)


def test_every_tick_comes_out_again_bit_by_bit(tmp_path):
    robot, complaints = recorded(tmp_path / 'run.mcap', eventful)
    ticks = list(repeat(tmp_path / 'run.mcap'))
    assert complaints == []
    assert len(ticks) == len(robot.ticks) + 2
    assert [tick.differences for tick in ticks] == [[]] * len(ticks)
    assert ticks[-1].repeated['command'] == [
        getattr(robot.ticks[-1].command, name) for name in ('vx', 'vy', 'wz')]
    assert {tick.recorded['state'] for tick in ticks} >= {'waiting', 'driving', 'braking'}


def test_surveys_are_taken_over_when_they_were(tmp_path):
    surveyor = Slow()

    def drive(robot):
        robot.controller.set_costmap(robot.now, room())
        robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
        for n in range(60):
            robot.tick()
            if n % 7 == 6:
                robot.controller.set_costmap(robot.now, with_block(room(), 2.0, 0.1 * n, 0.3))
            if n % 5 == 2:
                surveyor.work()

    recorded(tmp_path / 'run.mcap', drive, surveyor)
    ticks = list(repeat(tmp_path / 'run.mcap'))
    assert 'driving' in {tick.recorded['state'] for tick in ticks}
    assert [tick.differences for tick in ticks] == [[]] * len(ticks)


def test_a_survey_in_another_thread_is_repeated(tmp_path):
    surveyor = Background()

    def drive(robot):
        robot.controller.set_costmap(robot.now, room())
        robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
        for n in range(300):
            robot.tick()
            if n % 3 == 0:
                robot.controller.set_costmap(robot.now, room())
            if robot.ticks[-1].state is State.DRIVING and n > 60:
                return
            threading.Event().wait(0.005)

    recorded(tmp_path / 'run.mcap', drive, surveyor)
    surveyor.close()
    assert all(not tick.differences for tick in repeat(tmp_path / 'run.mcap'))


def test_a_solve_that_ran_out_of_time_runs_out_of_it_again(tmp_path):
    def drive(robot):
        robot.controller.set_costmap(robot.now, room())
        robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
        for n in range(40):
            robot.controller.set_odometry(robot.odometry())
            budget = (0.0, 2e-4, 4e-4, 1.0)[n % 4]
            robot.controller.tick(robot.now, budget=budget, latency=1e-3 * n)
            robot.now += robot.period

    recorded(tmp_path / 'run.mcap', drive)
    ticks = list(repeat(tmp_path / 'run.mcap'))
    assert len({tick.recorded['samples'] for tick in ticks}) > 1
    assert not any(tick.differences for tick in ticks)


def test_another_program_is_noticed_at_the_tick_where_it_differs(tmp_path, monkeypatch):
    recorded(tmp_path / 'run.mcap', eventful)
    tick = recording.Controller.tick
    count = iter(range(1000))

    def other(controller, now, **options):
        result = tick(controller, now, **options)
        return replace(result, reason='x') if next(count) == 12 else result

    monkeypatch.setattr(recording.Controller, 'tick', other)
    different = {n: each.differences for n, each in enumerate(repeat(tmp_path / 'run.mcap'))
                 if each.differences}
    assert different == {12: ['reason']}


def test_recording_changes_no_command(tmp_path):
    robot, _ = recorded(tmp_path / 'run.mcap', eventful)
    plain = PlainRobot(recording.Controller(QUICK, 3))
    eventful(plain)
    assert [tick.command for tick in plain.ticks] == [tick.command for tick in robot.ticks]


@pytest.mark.parametrize(('path', 'most', 'words'), [
    (None, 2e4, 'it has reached 0.02 MB'), ('/dev/full', 1e9, 'No space left')])
def test_a_full_disk_ends_the_recording_and_not_the_drive(tmp_path, path, most, words):
    if path and not Path(path).exists():
        pytest.skip(f'needs {path}')
    robot, complaints = recorded(
        Path(path or tmp_path / 'run.mcap'), lambda robot: [eventful(robot) for _ in range(8)],
        most=most)
    assert robot.ticks[-1].state is State.DRIVING
    assert len(complaints) == 1
    assert words in complaints[0]
    if not path:
        assert (tmp_path / 'run.mcap').stat().st_size < 5 * most
        ticks = list(repeat(tmp_path / 'run.mcap'))
        assert ticks
        assert not any(tick.differences for tick in ticks)


def test_a_disk_that_is_too_slow_ends_the_recording_and_bounds_its_memory(tmp_path, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(recording, 'WAITING', 10)
    encoded = recording._encoded
    monkeypatch.setattr(recording, '_encoded', lambda event: gate.wait() and encoded(event))
    complaints: list[str] = []
    recorder = Recorder(tmp_path / 'run.mcap', 1e9, complaints.append)
    for n in range(50):
        recorder.write({'event': 'odometry', 'values': [n]})
    gate.set()
    recorder.close()
    assert complaints == [f'the recording to {tmp_path}/run.mcap ends: the disk is too slow']


def test_a_killed_process_leaves_a_record_that_is_read_as_far_as_it_goes(tmp_path):
    recorded(tmp_path / 'run.mcap', lambda robot: [eventful(robot) for _ in range(5)])
    whole = (tmp_path / 'run.mcap').read_bytes()
    (tmp_path / 'half.mcap').write_bytes(whole[:len(whole) // 2])
    every, half = (len(list(repeat(tmp_path / f'{name}.mcap'))) for name in ('run', 'half'))
    assert 0 < half < every
    for cut in range(16):  # anywhere in a record
        (tmp_path / 'half.mcap').write_bytes(whole[:len(whole) // 2 + cut])
        assert len(list(_read(tmp_path / 'half.mcap'))) >= half


def test_what_is_no_record_is_refused(tmp_path):
    (tmp_path / 'notes.mcap').write_text('no record', 'utf-8')
    with pytest.raises(InputError, match='is no record of a controller'):
        list(repeat(tmp_path / 'notes.mcap'))
    with pytest.raises(InputError, match='No such file'):
        list(repeat(tmp_path / 'nothing.mcap'))
    with pytest.raises(MppiError, match='No such file'):
        Recorder(tmp_path / 'nowhere' / 'run.mcap', 1e6, print)
