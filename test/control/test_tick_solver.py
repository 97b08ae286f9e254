"""A recorded tick solved again: exact as it was, and as with other values in force."""
from __future__ import annotations

import dataclasses
from pathlib import Path

from deferred_processor import DeferredProcessor
import numpy as np
from plain_robot import QUICK, PlainRobot, room, with_block
import pytest

from mppi_ros.control import replaying
from mppi_ros.control.recording import RecordedController, Recorder
from mppi_ros.control.replaying import Replay, repeat
from mppi_ros.control.what_if import KEPT_EVERY, TickSolver
from mppi_ros.parameters import declaration
from mppi_ros.parameters.errors import InputError, ParameterError
from mppi_ros.simulation.lidar import Lidar
from mppi_ros.simulation.world import MovingDisc, World

pytest.importorskip('mcap')
LONG = 10.0  # [s] for a search, which is over at once


def drive(robot: PlainRobot, seconds: float = 3.0, processor=None) -> None:
    """Drive around a block, before which a disc that only scans show crosses the way."""
    controller, rng = robot.controller, np.random.default_rng(0)
    world = World(room(), np.zeros((0, 3)), (MovingDisc(1.5, 1.0, 0.3, 0.0, -1.0),),
                  solid_cells=True)
    robot.run(0.1)
    controller.set_goal(robot.now, 4.0, 0.5, 0.0)
    for n in range(round(seconds / robot.period)):
        if n % 4 == 0:
            controller.set_costmap(robot.now, with_block(room(), 2.0, 0.02 * n - 0.6, 0.4))
            scan = Lidar().scan(world, np.array(robot.pose), rng, robot.now - 100.0)
            controller.set_scan(dataclasses.replace(scan, stamp=robot.now))
        if n == 20:
            controller.configure(declaration.replace(QUICK, {'horizon_steps': 25, 'alpha': 0.7}))
        robot.run(robot.period)
        if processor is not None and n % 4 == 3:
            processor.process()
    controller.clear_plan()
    robot.run(0.3)


def recorded(path: Path, processor=None, seconds: float = 3.0) -> list[float]:
    """Record the drive; return the times of its ticks."""
    recorder = Recorder(path, 1e9, pytest.fail)
    robot = PlainRobot(RecordedController(QUICK, 3, processor, write=recorder.write))
    drive(robot, seconds, processor)
    recorder.close()
    return [tick.now for tick in repeat(path)]


@pytest.mark.parametrize('processor', [None, DeferredProcessor()])
def test_a_tick_found_in_any_order_has_the_recorded_result(tmp_path, processor):
    times = recorded(tmp_path / 'run.mcap', processor)
    solver = TickSolver(tmp_path / 'run.mcap')
    states = set()
    for n in (0, 40, 41, 30, len(times) - 2, 10, 25):
        assert solver.seek(times[n], LONG) is None
        found = solver.solve({})
        assert found.differences == []
        assert not found.values
        states.add(found.recorded.result.state.value)
        solved = found.recorded.result.statistics.samples > 0
        assert len(found.recorded.optimal) == (found.recorded.candidates.shape[1] if solved else 0)
    assert states >= {'waiting', 'driving', 'braking'}


def test_copies_of_a_replay_go_on_as_the_original_does(tmp_path):
    """Each event is repeated by a copy of the copy before it."""
    recorded(tmp_path / 'run.mcap', seconds=1.5)
    replay, ticks = Replay(tmp_path / 'run.mcap'), 0
    while (event := next(replay.events(complete=False), None)) is not None:
        replay = replay.copy()
        tick = replay.apply(event)
        if tick is not None:
            ticks += 1
            assert tick.differences == []
    assert ticks > 30


def test_the_changed_tick_is_that_of_a_controller_that_is_changed_there(tmp_path):
    times = recorded(tmp_path / 'run.mcap')
    changes = {'alpha': 1.0, 'samples': 128, 'sigma_share': [0.9, 0.5, 0.4]}
    solver = TickSolver(tmp_path / 'run.mcap')
    assert solver.seek(times[45], LONG) is None
    found = solver.solve(changes)
    other = Replay(tmp_path / 'run.mcap')
    for event in other.events():
        if event.get('now') == times[45]:
            break
        other.apply(event)
    assert other.controller is not None
    controller = other.controller
    assert controller.configuration.mppi.alpha == 0.7
    sampler = controller._sampler
    before = sampler.mean.copy()
    controller._costmaps._processor.submit = lambda request: None
    controller._costmaps._processor.poll = lambda: None
    controller.configure(declaration.replace(controller.configuration, changes))
    result = controller.tick(times[45])
    assert not np.array_equal(before, sampler.mean)
    assert found.changed.result.command == result.command
    assert found.changed.result.statistics.ess == result.statistics.ess
    assert found.changed.result.command != found.recorded.result.command
    assert found.values['alpha'] == (0.7, 1.0)
    assert len(found.values) == 3


def test_values_of_the_map_are_applied_to_the_costmap_of_the_tick(tmp_path):
    times = recorded(tmp_path / 'run.mcap')
    solver = TickSolver(tmp_path / 'run.mcap')
    assert solver.seek(times[45], LONG) is None
    found = solver.solve({'robot.radius': QUICK.robot.radius + 0.1})
    clearances = [one.result.statistics.clearance for one in (found.recorded, found.changed)]
    assert clearances[0] - clearances[1] == pytest.approx(0.1, abs=0.05)


def test_the_costmap_of_the_tick_is_processed_with_the_changed_values(tmp_path):
    """Graded costs are processed only where a critic charges them."""
    graded = room()
    graded.data[graded.data == 0] = 50
    recorder = Recorder(tmp_path / 'run.mcap', 1e9, pytest.fail)
    robot = PlainRobot(RecordedController(QUICK, 3, write=recorder.write))
    robot.controller.set_costmap(robot.now, graded)
    robot.controller.set_goal(robot.now, 4.0, 0.5, 0.0)
    robot.run(1.0)
    recorder.close()
    solver = TickSolver(tmp_path / 'run.mcap')
    assert solver.seek(robot.now - 2.0 * robot.period, LONG) is None
    found = solver.solve({'critics.zone.weight': 2.0})
    assert found.differences == []
    assert found.recorded.costs['zone'] == 0.0
    assert found.changed.costs['zone'] > 0.0


def test_a_refused_value_leaves_the_solver_as_it_was(tmp_path):
    times = recorded(tmp_path / 'run.mcap')
    solver = TickSolver(tmp_path / 'run.mcap')
    assert solver.seek(times[30], LONG) is None
    with pytest.raises(ParameterError, match='alpha = 3'):
        solver.solve({'alpha': 3.0})
    with pytest.raises(ParameterError, match='read-only'):
        solver.solve({'motion_model': 'omni'})
    assert solver.solve({'alpha': 1.0}).differences == []


def test_a_record_that_grows_event_by_event_is_followed_to_the_last_bit(tmp_path, monkeypatch):
    times = recorded(tmp_path / 'run.mcap', DeferredProcessor())
    events = list(replaying._read(tmp_path / 'run.mcap'))
    written = 0
    monkeypatch.setattr(replaying, '_read', lambda path, first: iter(events[first:written]))
    solver = TickSolver(tmp_path / 'run.mcap')
    while (stands := solver.seek(times[-8], LONG)) is not None:
        assert stands.ended
        written += 1
    assert written > len(events) - 30
    found = solver.solve({})
    assert found.differences == []
    assert found.recorded.result.statistics.samples > 0


def test_a_record_that_grows_in_blocks_is_followed_to_the_last_bit(tmp_path):
    times = recorded(tmp_path / 'run.mcap')
    whole = (tmp_path / 'run.mcap').read_bytes()
    path = tmp_path / 'growing.mcap'
    solver = TickSolver(path)
    for share in (0.02, 0.3, 0.31, 0.6, 0.8):
        path.write_bytes(whole[:round(share * len(whole))])
        stands = solver.seek(times[-8], LONG)
        assert stands is not None and stands.ended
    path.write_bytes(whole)
    assert solver.seek(times[-8], LONG) is None
    found = solver.solve({})
    assert found.differences == []
    assert found.recorded.result.statistics.samples > 0


def test_the_search_reports_where_it_is_and_goes_back_to_a_state_that_it_kept(
        tmp_path, monkeypatch):
    times = recorded(tmp_path / 'run.mcap', seconds=1.2 * KEPT_EVERY / QUICK.control_rate)
    solver = TickSolver(tmp_path / 'run.mcap')
    stands = solver.seek(times[-2], 0.0)
    assert stands is not None and not stands.ended
    assert solver.seek(times[-2], LONG) is None
    count = []
    apply = Replay.apply
    monkeypatch.setattr(Replay, 'apply', lambda *given: count.append(1) or apply(*given))
    assert solver.seek(times[KEPT_EVERY + 3], LONG) is None
    assert len(count) < 30
    assert solver.solve({}).differences == []


def test_a_moment_without_a_tick_is_refused(tmp_path):
    times = recorded(tmp_path / 'run.mcap')
    solver = TickSolver(tmp_path / 'run.mcap')
    with pytest.raises(InputError, match='holds no tick of this moment'):
        solver.seek(times[30] + 0.4 / QUICK.control_rate, LONG)
    assert solver.seek(times[30], LONG) is None
