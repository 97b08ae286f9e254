"""What if on the live page: drafts, the process that solves ticks again, and its numbers."""
from __future__ import annotations

import math

from dashboard.test_parameter_model import model_of
from plain_robot import QUICK, PlainRobot, room
import pytest

from mppi_ros.control.recording import FORMAT_VERSION, RecordedController, Recorder
from mppi_ros.dashboard import what_if
from mppi_ros.dashboard.draft import Draft
from mppi_ros.parameters.errors import MppiError

LONG = 120.0  # [s] for a process that may have to compile kernels


def test_a_draft_is_checked_and_the_controller_keeps_its_value():
    robot = model_of()
    draft = Draft(robot)
    draft.refresh()
    assert draft.changes() == {}
    assert draft.change({'alpha': 0.8}).result() == ''
    assert 'alpha = 3' in draft.change({'alpha': 3.0}).result()
    assert 'sigma_share has 1 numbers' in draft.change({'sigma_share': (0.5,)}).result()
    assert draft.changes() == {'alpha': 0.8}
    assert robot['alpha'].value == 0.5 and not robot.changed()


def test_drafts_stay_when_the_controller_changes_or_is_restarted():
    robot = model_of()
    draft = Draft(robot)
    draft.refresh()
    draft.change({'alpha': 0.8})
    robot.update({'samples': 500, 'alpha': 0.6})
    draft.refresh()
    assert draft.parameters['samples'].value == 500
    assert draft.parameters['alpha'].initial == 0.6
    assert draft.changes() == {'alpha': 0.8}
    groups = model_of(samples=300).groups().values()
    robot.load('/other', [entry for group in groups for entry in group])
    draft.refresh()
    assert draft.parameters['samples'].value == 300
    assert draft.changes() == {'alpha': 0.8}
    robot.update({'alpha': 0.8})
    draft.refresh()
    assert draft.changes() == {}


@pytest.fixture
def worker():
    made = what_if.TickWorker()
    yield made
    made.close()


@pytest.fixture
def recording(tmp_path):
    """Record a drive; return the file and the time of its tick before the last."""
    pytest.importorskip('mcap')
    path = tmp_path / 'run.mcap'
    recorder = Recorder(path, 1e9, pytest.fail)
    robot = PlainRobot(RecordedController(QUICK, 3, write=recorder.write))
    robot.controller.set_costmap(robot.now, room())
    robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    robot.run(0.8)
    recorder.close()
    return path, robot.now - 2.0 * robot.period


def refusal(future) -> str:
    with pytest.raises(MppiError) as caught:
        future.result(LONG)
    return str(caught.value)


def test_a_tick_is_solved_again_in_another_process(worker, recording):
    path, now = recording
    found = worker.solve(str(path), now, {'alpha': 1.0}, lambda reached: True).result(LONG)
    assert found.differences == [] and found.values == {'alpha': (0.5, 1.0)}
    drawn = what_if.fans(found)
    assert [len(drawn[name]['candidates']) for name in ('recorded', 'changed')] == [30, 30]
    assert max(drawn['changed']['weights']) == 1.0
    assert drawn['recorded']['optimal'][0] == drawn['changed']['optimal'][0]
    assert drawn['recorded']['optimal'] != drawn['changed']['optimal']
    table = {label: texts for label, *texts in what_if.rows(found)}
    assert table['state'] == ['driving', 'driving']
    assert table['samples K'] == ['256', '256']
    assert 'reason' not in table and 'commanded lateral speed' not in table
    assert table['solve time'][0].endswith(' ms')
    costs = found.changed.costs
    assert table['cost, each by its own weights'][1] == what_if.shown(sum(costs.values()), 3, 's')
    assert '· progress' in table and '· zone' not in table


def test_a_refused_value_says_why_and_the_next_one_is_solved(worker, recording):
    path, now = recording
    words = refusal(worker.solve(str(path), now, {'alpha': 3.0}, lambda reached: True))
    assert 'alpha = 3' in words
    assert worker.solve(str(path), now, {'alpha': 1.0}, lambda reached: True).result(LONG)


def test_what_cannot_be_solved_says_why(worker, recording, tmp_path, monkeypatch):
    monkeypatch.setattr(what_if, 'WAIT', 0.5)
    path, now = recording

    def words(file, time=now):
        return refusal(worker.solve(str(file), time, {}, lambda reached: True))

    assert '-p record:=FILE' in words('')
    assert 'No such file' in words(tmp_path / 'nowhere.mcap')
    (tmp_path / 'notes.mcap').write_text('no record', 'utf-8')
    assert 'is not a controller record' in words(tmp_path / 'notes.mcap')
    assert 'holds no tick of this moment' in words(path, now - 0.02)
    assert 'ends 5.0 s before this moment' in words(path, now + 5.0)
    assert 'nothing was received' in words(path, math.nan)


def test_a_record_of_another_version_says_so(worker, recording, monkeypatch):
    path, now = recording
    version = f'"version": {FORMAT_VERSION}'.encode()
    rewrite(path, version, b'"version": 1')
    words = refusal(worker.solve(str(path), now, {}, lambda reached: True))
    assert f'has version 1, not {FORMAT_VERSION}' in words


def rewrite(path, old: bytes, new: bytes) -> None:
    """Replace bytes of the messages of an MCAP file."""
    from mcap.reader import make_reader
    from mcap.writer import Writer

    with path.open('rb') as stream:
        messages = [message for *_, message in make_reader(stream).iter_messages()]
    with path.open('wb') as stream:
        writer = Writer(stream)
        writer.start()
        channel = writer.register_channel('/mppi', 'json', 0)
        for message in messages:
            data = message.data.replace(old, new)
            writer.add_message(channel, message.log_time, data, message.log_time)
        writer.finish()


def test_work_is_cancelled_by_the_page(worker, recording):
    path, now = recording
    words = refusal(worker.solve(str(path), now + 5.0, {}, lambda reached: False))
    assert words == 'cancelled'


def test_its_process_ends_with_the_worker_and_leaves_no_zombie(recording):
    worker = what_if.TickWorker()
    path, now = recording
    worker.solve(str(path), now, {}, lambda _: True).result(LONG)
    process = worker._process
    assert process.is_alive()
    worker.close()
    assert process.exitcode is not None


def test_a_process_that_ended_is_started_again(worker, recording):
    path, now = recording
    assert worker.solve(str(path), now, {}, lambda reached: True).result(LONG)
    worker._process.kill()
    worker._process.join()
    words = refusal(worker.solve(str(path), now, {}, lambda reached: True))
    assert words == 'the process that repeats the recording has ended'
    assert worker.solve(str(path), now, {}, lambda reached: True).result(LONG)
