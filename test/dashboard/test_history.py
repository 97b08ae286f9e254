"""Frames of the live page: the ring buffer, what a browser is sent, and what people read."""
from __future__ import annotations

import base64
import io
import json
import math

import numpy as np
from PIL import Image
import pytest

from mppi_ros.control.tick_result import ControllerState, Statistics
from mppi_ros.dashboard import layers
from mppi_ros.dashboard.comparison import STRETCH, Comparison
from mppi_ros.dashboard.history import Frame, History, Layer, Scene, SceneEncoder
from mppi_ros.dashboard.parameter_model import ParameterModel
from mppi_ros.dashboard.signals import KEYS, SIGNALS, read_statistics, shown
from mppi_ros.dashboard.status import SENTENCES, SILENCE, sentence_of, status_of


def frame(time, scene=None, **signals):
    return Frame(time, signals, {}, 'driving', 'none', '', scene or Scene())


def test_history_keeps_the_last_frames_and_finds_the_one_of_a_moment():
    history = History(size=3)
    assert history.latest is None and history.at(1.0) is None
    for time in range(5):
        history.add(frame(float(time)))
    assert len(history) == 3
    assert history.at(3.5).time == 3.0
    assert history.at(-1.0).time == 2.0
    assert [f.time for f in history.since(2.0)] == [3.0, 4.0]
    assert [f.time for f in history.between(2.5, 3.5)] == [3.0]
    history.clear()
    assert history.since(-math.inf) == []


def test_a_layer_is_sent_once_and_again_when_it_changes_or_goes():
    first, second = Layer(1, {'points': []}), Layer(2, {'points': [[0, 0]]})
    encoder = SceneEncoder()
    assert encoder.scene(frame(0.0, Scene(plan=first)))['plan'] == first.content
    assert 'plan' not in encoder.scene(frame(0.1, Scene(plan=first)))
    assert encoder.scene(frame(0.2, Scene(plan=second)))['plan'] == second.content
    assert encoder.scene(frame(0.3, Scene()))['plan'] is None
    assert 'plan' not in encoder.scene(frame(0.4, Scene()))


def test_signals_are_sent_in_the_order_of_the_keys_and_nan_as_null():
    sent = SceneEncoder().signals(frame(1.23456, x=1.0, vx=math.nan))
    assert json.loads(json.dumps(sent, allow_nan=False))['t'] == 1.235
    assert sent['s'][KEYS.index('x')] == 1.0
    assert sent['s'][KEYS.index('vx')] is None
    assert len(sent['s']) == len(SIGNALS)


def test_statistics_of_the_controller_have_every_signal():
    derived = {'late_ms.p99', 'missed_ticks', 'ticks'}
    assert {s.statistic for s in SIGNALS} - {''} - derived <= set(vars(Statistics()))
    signals, costs = read_statistics({'ess': '40.5', 'cost.obstacle': '0.25', 'state': 'driving'})
    assert signals['ess'] == 40.5 and math.isnan(signals['kl'])
    assert costs == {'obstacle': 0.25}


@pytest.mark.parametrize(('value', 'text'), [
    (math.nan, '–'), (0.123456, '0.123'), (-1.5, '−1.5'), (2000.0, '2000'), (0.0, '0')])
def test_numbers_are_shown_with_three_digits(value, text):
    assert shown(value) == text


def test_grid_keeps_costs_unknown_cells_and_place():
    cells = np.array([[0, 50], [100, -1]], np.int8)
    layer = layers.grid_layer(cells, 0.5, 1.0, 2.0)
    image = np.array(Image.open(io.BytesIO(base64.b64decode(layer.content['image']))))
    assert image[::-1].tolist() == [[0, 50], [100, layers.UNKNOWN]]
    assert [layer.content[key] for key in ('x', 'y', 'width', 'height')] == [1.0, 2.0, 1.0, 1.0]


def test_a_large_grid_is_coarsened_to_its_highest_costs(monkeypatch):
    monkeypatch.setattr(layers, 'MAX_SIDE', 2)
    cells = np.zeros((3, 4), np.int8)
    cells[2, 3] = 100
    layer = layers.grid_layer(cells, 0.1, 0.0, 0.0)
    image = np.array(Image.open(io.BytesIO(base64.b64decode(layer.content['image']))))
    assert image[::-1].tolist() == [[0, 0], [0, 100]]
    assert layer.content['height'] == pytest.approx(0.4)


def test_a_path_is_thinned_and_keeps_its_ends():
    poses = np.column_stack([np.linspace(0.0, 9.0, 5000), np.zeros(5000), np.zeros(5000)])
    points = layers.path_layer(poses).content['points']
    assert len(points) == layers.MAX_PATH_POINTS
    assert points[0] == [0.0, 0.0] and points[-1] == [9.0, 0.0]
    assert layers.points(np.empty((0, 3))) == []


def test_every_state_of_the_controller_has_a_sentence():
    assert set(SENTENCES) == {state.value for state in ControllerState}


@pytest.mark.parametrize(('arguments', 'level', 'words'), [
    (('', math.inf, '', '', 0), 'gone', 'No controller found'),
    (('/c', math.inf, '', '', 0), 'gone', 'first message of /c'),
    (('/c', SILENCE + 1.0, 'driving', '', 0), 'gone', '/c is gone: no message for 4 s'),
    (('/c', 0.1, 'driving', '', 0), 'ok', 'The robot drives.'),
    (('/c', 0.1, 'braking', 'an obstacle', 1), 'warning', 'The robot brakes: an obstacle.'),
    (('/c', 0.1, 'stopped', 'odometry is old', 2), 'error', 'odometry is old.'),
    (('/c', 0.1, 'inactive', '', 0), 'warning', 'The controller is inactive.'),
])
def test_status_is_a_sentence(arguments, level, words):
    status = status_of(*arguments)
    assert status.level == level and words in status.text
    assert status.present == (level != 'gone')
    assert not status.disabled


def test_a_moment_of_the_past_has_a_sentence():
    assert sentence_of('braking', 'an obstacle') == 'The robot brakes: an obstacle.'
    assert sentence_of('disabled', '') == 'The controller is disabled.'
    assert sentence_of('', '') == ''


def test_a_disabled_controller_can_be_resumed():
    status = status_of('/c', 0.1, 'disabled', '', 0)
    assert status.disabled and status.text == 'The controller is disabled.'


def test_comparison_of_two_stretches():
    history = History()
    for i in range(400):
        late = i >= 200
        history.add(frame(0.1 * i, vx=0.4 if late else 0.2, missed=float(i // 100),
                          cross_track=0.2 * (-1) ** i, objective=-10.0 - late,
                          command_vx=0.3 + (0.0 if late else 0.05 * (-1) ** i)))
    before, after, rows = Comparison(history, 19.95, ParameterModel()).update(40.0)
    table = {row.label: row for row in rows}
    assert before == pytest.approx(19.9) and after == pytest.approx(19.9)
    assert table['mean speed'][1:] == ('0.2 m/s', '0.4 m/s', '+100 %')
    acceleration = table['RMS of the commanded acceleration']
    assert (acceleration.before, acceleration.change) == ('1 m/s²', '−100 %')
    assert table['mean absolute cross-track error'].before == '0.2 m'
    assert table['missed ticks per minute'].before == '3.02'
    assert table['mean L_Σ'][1:] == ('−10', '−11', '')
    assert table['mean λ'][1:] == ('–', '–', '')


def test_comparison_without_frames_is_empty():
    before, after, rows = Comparison(History(), 0.0, ParameterModel()).update(10.0)
    assert before == after == 0.0
    assert {row.before for row in rows} == {'–'}


def parameters(**values):
    model = ParameterModel()
    model.load('/c', [model.entry(n, kind='double', description='', value=v)
                      for n, v in values.items()])
    return model


def test_comparison_begins_after_the_last_change_and_keeps_what_is_complete():
    history, model = History(size=300), parameters(alpha=0.5, samples=2000.0)
    now = 0.0

    def drive(seconds, speed):
        nonlocal now
        for _ in range(round(10.0 * seconds)):
            now += 0.1
            history.add(frame(now, vx=speed))

    drive(25.0, 0.2)
    compared = Comparison(history, now, model)
    drive(5.0, 9.0)  # between the mark and the change
    model.update({'alpha': 0.8})
    compared.update(now + 0.05)
    assert compared.begin == pytest.approx(now + 0.05)
    assert compared.changes == {'alpha': (0.5, 0.8)}
    drive(STRETCH + 0.1, 0.4)
    _, after, rows = compared.update(now)
    expected = '0.2 m/s', '0.4 m/s', '+100 %'
    assert rows[0][1:] == expected and after == pytest.approx(STRETCH, abs=0.2)
    drive(60.0, 0.0)  # all of it has left the history
    before, after, rows = compared.update(now)
    assert rows[0][1:] == expected
    assert before == pytest.approx(STRETCH, abs=0.2) == after


def test_a_moment_of_the_past_can_be_marked():
    history, model = History(), parameters(alpha=0.5)
    for i in range(600):
        history.add(frame(0.1 * i, vx=0.2 if i < 300 else 0.4))
    _, after, rows = Comparison(history, 29.95, model).update(60.0)
    assert after == pytest.approx(STRETCH, abs=0.2)
    assert rows[0][1:3] == ('0.2 m/s', '0.4 m/s')
