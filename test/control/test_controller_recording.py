"""A recorded run comes out again bit by bit; the recording never disturbs the controller."""
from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
import math
from pathlib import Path
import subprocess
import sys
import threading
import zlib

from deferred_processor import DeferredProcessor
import numpy as np
from plain_robot import QUICK, PlainRobot, room, with_block
import pytest

from mppi_ros.control import recording
from mppi_ros.control.costmap_processing import ThreadedProcessor
from mppi_ros.control.recording import FORMAT_VERSION, RecordedController, Recorder
from mppi_ros.control.replaying import _read, repeat
from mppi_ros.control.tick_result import ControllerState, Fault, Reason
from mppi_ros.driving.obstacle_prediction import DynamicObstacle
from mppi_ros.parameters import declaration
from mppi_ros.parameters.errors import InputError, MppiError
from mppi_ros.simulation.lidar import Lidar
from mppi_ros.simulation.world import MovingDisc, World

pytest.importorskip('mcap')


def recorded(path: Path, drive, processor=None, most=1e9) -> tuple[PlainRobot, list[str]]:
    """Let a robot drive and record it; return it and what the recorder complained of."""
    complaints: list[str] = []
    recorder = Recorder(path, most, complaints.append)
    robot = PlainRobot(RecordedController(QUICK, 3, processor, write=recorder.write))
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
    controller.configure(declaration.replace(QUICK, {'lambda': 0.3, 'horizon_steps': 25}))
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


def among_movers(robot: PlainRobot) -> None:
    """Let a disc that only scans show cross the way of the robot."""
    controller = robot.controller
    disc, rng = MovingDisc(1.5, 1.0, 0.3, 0.0, -1.0), np.random.default_rng(0)
    world = World(room(), np.zeros((0, 3)), (disc,), solid_cells=True)
    controller.set_costmap(robot.now, room())
    controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    begin = robot.now
    for _ in range(20):
        robot.run(0.05)
        scan = Lidar().scan(world, np.array(robot.pose), rng, robot.now - begin)
        controller.set_scan(replace(scan, stamp=robot.now))
        controller.set_costmap(robot.now, room())
    with pytest.raises(InputError):
        controller.set_scan(replace(scan, stamp=math.nan))


def test_a_drive_with_scans_is_repeated(tmp_path):
    path = tmp_path / 'run.mcap'
    robot, _ = recorded(path, among_movers)
    assert len(robot.controller._costmaps.moving_obstacles(robot.now)) == 1
    ticks = list(repeat(path))
    assert ticks and not any(tick.differences for tick in ticks)


def test_the_obstacles_of_a_detector_are_repeated(tmp_path):
    path = tmp_path / 'run.mcap'

    def detect(robot):
        robot.controller.set_costmap(robot.now, room())
        robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
        for _ in range(10):
            obstacle = DynamicObstacle(robot.now, 1.5, 0.0, 0.0, 0.4, 0.3)
            robot.controller.set_obstacles(robot.now, [obstacle], [7])
            robot.run(0.05)

    robot, _ = recorded(path, detect)
    assert [each.id for each in robot.controller.predicted_obstacles(robot.now)] == [7]
    ticks = list(repeat(path))
    assert ticks and not any(tick.differences for tick in ticks)


def test_results_are_adopted_when_they_were(tmp_path):
    processor = DeferredProcessor()

    def drive(robot):
        robot.controller.set_costmap(robot.now, room())
        robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
        for n in range(60):
            robot.tick()
            if n % 7 == 6:
                robot.controller.set_costmap(robot.now, with_block(room(), 2.0, 0.1 * n, 0.3))
            if n % 5 == 2:
                processor.process()

    recorded(tmp_path / 'run.mcap', drive, processor)
    ticks = list(repeat(tmp_path / 'run.mcap'))
    assert 'driving' in {tick.recorded['state'] for tick in ticks}
    assert [tick.differences for tick in ticks] == [[]] * len(ticks)


def test_processing_in_another_thread_is_repeated(tmp_path):
    processor = ThreadedProcessor()

    def drive(robot):
        robot.controller.set_costmap(robot.now, room())
        robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
        for n in range(300):
            robot.tick()
            if n % 3 == 0:
                robot.controller.set_costmap(robot.now, room())
            if robot.ticks[-1].state is ControllerState.DRIVING and n > 60:
                return
            threading.Event().wait(0.005)

    recorded(tmp_path / 'run.mcap', drive, processor)
    processor.close()
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


def test_the_recording_before_is_kept(tmp_path):
    path = tmp_path / 'run.mcap'
    for content in ('first', 'second'):
        path.write_text(content, 'utf-8')
        Recorder(path, 1e6, print).close()
        assert (tmp_path / 'run.old.mcap').read_text('utf-8') == content
    assert path.read_bytes().startswith(b'\x89MCAP')


def test_recording_changes_no_command(tmp_path):
    robot, _ = recorded(tmp_path / 'run.mcap', eventful)
    plain = PlainRobot(recording.Controller(QUICK, 3))
    eventful(plain)
    assert [tick.command for tick in plain.ticks] == [tick.command for tick in robot.ticks]


@pytest.mark.parametrize(('path', 'most', 'words'), [
    (None, 2e4, 'size limit of 0.02 MB reached'), ('/dev/full', 1e9, 'No space left')])
def test_a_full_disk_ends_the_recording_and_not_the_drive(tmp_path, path, most, words):
    if path and not Path(path).exists():
        pytest.skip(f'needs {path}')
    robot, complaints = recorded(
        Path(path or tmp_path / 'run.mcap'), lambda robot: [eventful(robot) for _ in range(8)],
        most=most)
    assert robot.ticks[-1].state is ControllerState.DRIVING
    assert len(complaints) == 1
    assert words in complaints[0]
    if not path:
        assert (tmp_path / 'run.mcap').stat().st_size < 5 * most
        ticks = list(repeat(tmp_path / 'run.mcap'))
        assert ticks
        assert not any(tick.differences for tick in ticks)


def test_a_disk_that_is_too_slow_ends_the_recording_and_bounds_its_memory(tmp_path, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(recording, 'MAX_QUEUED_EVENTS', 10)
    encoded = recording._encoded
    monkeypatch.setattr(recording, '_encoded', lambda event: gate.wait() and encoded(event))
    complaints: list[str] = []
    recorder = Recorder(tmp_path / 'run.mcap', 1e9, complaints.append)
    for n in range(50):
        recorder.write({'event': 'odometry', 'values': [n]})
    gate.set()
    recorder.close()
    assert complaints == [f'the recording to {tmp_path}/run.mcap stopped: the disk is too slow']


def test_a_killed_process_leaves_a_record_that_is_read_as_far_as_it_goes(tmp_path):
    recorded(tmp_path / 'run.mcap', lambda robot: [eventful(robot) for _ in range(5)])
    whole = (tmp_path / 'run.mcap').read_bytes()
    (tmp_path / 'half.mcap').write_bytes(whole[:len(whole) // 2])
    every, half = (len(list(repeat(tmp_path / f'{name}.mcap'))) for name in ('run', 'half'))
    assert 0 < half < every
    for cut in range(16):  # anywhere in a record
        (tmp_path / 'half.mcap').write_bytes(whole[:len(whole) // 2 + cut])
        assert len(list(_read(tmp_path / 'half.mcap'))) >= half


def test_the_command_line_tells_that_a_record_was_cut(tmp_path, capsys):
    from mppi_ros.cli.evaluate import main

    recorded(tmp_path / 'run.mcap', lambda robot: [eventful(robot) for _ in range(5)])
    whole = (tmp_path / 'run.mcap').read_bytes()
    (tmp_path / 'half.mcap').write_bytes(whole[:len(whole) // 2])
    for name, complete in (('run', True), ('half', False)):
        assert main(['replay', str(tmp_path / f'{name}.mcap')]) == 0
        assert ('is not complete' in capsys.readouterr().out) is not complete


def test_what_is_no_record_is_refused(tmp_path):
    (tmp_path / 'notes.mcap').write_text('no record', 'utf-8')
    with pytest.raises(InputError, match='is not a controller record'):
        list(repeat(tmp_path / 'notes.mcap'))
    with pytest.raises(InputError, match='No such file'):
        list(repeat(tmp_path / 'nothing.mcap'))
    with pytest.raises(MppiError, match='No such file'):
        Recorder(tmp_path / 'nowhere' / 'run.mcap', 1e6, print)


def written(path: Path, *events, size: int = 64 * 1024, compression=None) -> Path:
    """Write events as a recorder does; bytes are messages as they are."""
    from mcap.writer import CompressionType, Writer

    with path.open('wb') as stream:
        writer = Writer(
            stream, chunk_size=size, compression=compression or CompressionType.ZSTD)
        writer.start(profile='', library='mppi_ros')
        schema = writer.register_schema('mppi_ros.event', 'jsonschema', b'{"type": "object"}')
        channel = writer.register_channel('/mppi', 'json', schema)
        for event in events:
            data = event if isinstance(event, bytes) else recording._encoded(event)
            writer.add_message(channel, 0, data, 0)
        writer.finish()
    return path


BEGIN = {
    'event': 'begin', 'version': FORMAT_VERSION, 'seed': 3,
    'parameters': declaration.flatten(QUICK)}
TICK = {
    'event': 'tick', 'now': 0.0, 'steady': None, 'fault': None, 'budget': math.inf,
    'latency': 0.0, 'clock': [], 'command': [0.0, 0.0, 0.0], 'state': '', 'code': '', 'reason': '',
}  # fmt: skip


def array(size: int, shape, dtype='|i1'):
    """Return a recorded array that unpacks to `size` bytes and says another shape of itself."""
    packed = b64encode(zlib.compress(bytes(size), 9)).decode()
    return {'shape': shape, 'dtype': dtype, 'zlib': packed}


def costmap(data, **changes):
    place = {'resolution': 0.05, 'origin_x': 0.0, 'origin_y': 0.0}
    return {'event': 'costmap', 'stamp': 0.0, 'costmap': {'data': data, **place, **changes}}


@pytest.mark.parametrize('event', [
    {}, {'event': 5}, {'event': []}, {'event': 'unknown'}, {'event': 'odometry'},
    {'event': 'odometry', 'values': ['a'] * 7}, {'event': 'odometry', 'values': [0.0]},
    {'event': 'odometry', 'values': [{}] * 7}, {'event': 'goal', 'stamp': 0.0, 'pose': 5},
    {'event': 'goal', 'stamp': 0.0, 'pose': [1.0]}, {'event': 'plan', 'stamp': [], 'poses': []},
    {'event': 'plan', 'stamp': 0.0, 'poses': [['a']]},
    {'event': 'plan', 'stamp': 0.0, 'poses': {}},
    {'event': 'configure'}, {'event': 'configure', 'parameters': 5},
    {'event': 'processed'}, {'event': 'processed', 'poll': [], 'number': 0},
    {'event': 'processed', 'poll': 1, 'number': 'a'},
    costmap(5), costmap(array(100, [10, 10]), resolution='a'), costmap(array(100, [10])),
    costmap(array(99, [10, 10])), costmap(array(101, [10, 10])), costmap(array(100, [-1, -100])),
    costmap(array(100, [10, 10], 'O')), costmap(array(100, [10, 10], 'nonsense')),
    costmap({'shape': [1, 1], 'dtype': '|i1', 'zlib': 'no base64'}),
    costmap(array(100, [10, 10], '|S1')), costmap(array(100, [10**5, 10**5])),
    {key: value for key, value in TICK.items() if key != 'now'},
    TICK | {'now': 'a'}, TICK | {'steady': []}, TICK | {'fault': 5}, TICK | {'fault': ['a', 'b']},
    TICK | {'command': [0.0]}, TICK | {'command': 'abc'}, TICK | {'clock': 5},
    TICK | {'clock': ['a']}, TICK | {'latency': None},
])  # fmt: skip
def test_an_event_of_no_use_is_refused(tmp_path, event):
    path = written(tmp_path / 'run.mcap', BEGIN, event, TICK)
    with pytest.raises(InputError, match=r'run\.mcap'):
        list(repeat(path))


@pytest.mark.parametrize('changes', [
    {'version': 1}, {'version': {}}, {'seed': 'a'}, {'parameters': 5}, {'parameters': {'a': 1}},
    {'parameters': {'samples': 'many'}},
])  # fmt: skip
def test_a_beginning_of_no_use_is_refused(tmp_path, changes):
    with pytest.raises(MppiError):
        list(repeat(written(tmp_path / 'run.mcap', BEGIN | changes, TICK)))


@pytest.mark.parametrize('content', [b'[' * 100_000, b'[1]', b'5', b'\xff', b'', b'{"event":'])
def test_what_is_no_event_ends_the_record(tmp_path, content):
    path = written(tmp_path / 'run.mcap', BEGIN, TICK, content, TICK)
    assert len(list(repeat(path))) == 1


def test_what_says_markup_is_shown_as_it_is(tmp_path, capsys):
    from mppi_ros.cli.evaluate import main

    tick = TICK | {'reason': '[/red] [bold]x :smile:', 'state': '[/]'}
    assert main(['replay', str(written(tmp_path / 'run.mcap', BEGIN, tick))]) == 1
    assert '[/red] [bold]x :smile:' in capsys.readouterr().out


@pytest.mark.parametrize('cut', [1, 5, 9, 50, 300, 1000])
@pytest.mark.parametrize('damage', ['cut', 'flipped', 'zeros'])
def test_a_damaged_record_is_read_as_far_as_it_goes_or_refused(tmp_path, cut, damage):
    path = written(tmp_path / 'run.mcap', BEGIN, *[TICK] * 5, size=500)
    whole = path.read_bytes()
    broken = {
        'cut': whole[:cut], 'flipped': whole[:cut] + bytes([whole[cut] ^ 255]) + whole[cut + 1 :],
        'zeros': whole[:cut] + bytes(len(whole) - cut),
    }  # fmt: skip
    path.write_bytes(broken[damage])
    try:
        assert len(list(repeat(path))) <= 5
    except InputError as error:
        assert str(path) in str(error)


PEAK = """
import resource, sys
from pathlib import Path
from mppi_ros.control.replaying import repeat
from mppi_ros.parameters.errors import MppiError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    list(repeat(Path(sys.argv[1])))
except MppiError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def bomb(kind: str, path: Path) -> Path:
    """Write a record that unpacks to many times its size."""
    from mcap.writer import CompressionType

    if kind == 'array':
        return written(path, BEGIN, costmap(array(300_000_000, [10, 10])))
    message = b'{"event": "odometry", "values": [' + b' ' * 300_000_000 + b']}'
    if kind == 'messages':
        message = b'{"event": "reset"' + b' ' * 3_000_000 + b'}'
        return written(path, BEGIN, *[message] * 60)
    return written(path, BEGIN, message, compression=CompressionType[kind])


@pytest.mark.parametrize('kind', ['ZSTD', 'LZ4', 'array', 'messages'])
def test_a_record_unpacks_to_no_more_than_it_may_hold(tmp_path, kind):
    path = bomb(kind, tmp_path / 'run.mcap')
    assert path.stat().st_size < 2_000_000
    done = subprocess.run(
        [sys.executable, '-c', PEAK, str(path)], capture_output=True, text=True, check=True)
    words, peak = done.stdout.splitlines()
    assert 'run.mcap' in words
    assert float(peak) < 250.0  # MB
