"""Demo: one-line errors, a drive with its report, and termination of all processes."""
from __future__ import annotations

import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import numpy as np
from PIL import Image
import pytest
import yaml

from mppi_ros.cli import demo
from mppi_ros.cli.demo import main

COMMAND = [sys.executable, '-c', 'from mppi_ros.cli.demo import main; raise SystemExit(main())']
MAP = {
    'image': 'room.png', 'resolution': 0.05, 'origin': [-1.0, -2.0, 0.0], 'negate': 0,
    'occupied_thresh': 0.65, 'free_thresh': 0.25,
}


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """Create a map of 6 m x 4 m with a pillar between start and goal."""
    grey = np.full((80, 120), 254, np.uint8)
    grey[:2] = grey[-2:] = grey[:, :2] = grey[:, -2:] = 0
    grey[36:44, 56:64] = 0
    Image.fromarray(grey).save(tmp_path / 'room.png')
    path = tmp_path / 'room.yaml'
    path.write_text(yaml.safe_dump(MAP))
    return path


def error_line(capsys: pytest.CaptureFixture, *words: str) -> str:
    try:
        code = main(words)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    return error


@pytest.mark.parametrize(('words', 'expected'), [
    (['--start', '1,2'], ['--start', '1,2', 'X,Y,YAW']),
    (['--start', '1,2,north'], ['--start', '1,2,north']),
    (['--goal', '-1,nan,0'], ['--goal', '-1,nan,0', 'finite']),
    (['--timeout', '-3'], ['--timeout', '-3', 's']),
    (['--timeout', 'soon'], ['--timeout', 'soon']),
    (['--speed', '3'], ['--speed']),
    (['--map', 'nowhere.yaml'], ['--map', 'nowhere.yaml']),
    (['--params', 'nowhere.yaml'], ['--params', 'nowhere.yaml']),
    (['--start', '-0.8,-1.8,0', '--goal', '4,1,0'], ['--start', '-0.8,-1.8,0', 'obstacle']),
    (['--start', '0,0,0', '--goal', '2,0,0'], ['--goal', '2,0,0', 'obstacle']),
    (['--goal', '2,0,0'], ['--goal', '2,0,0', 'obstacle']),
    (['--output', '/proc/nothing'], ['--output', '/proc/nothing']),
    (['--start', '0,0,0', '--goal', '9,0,0'], ['--goal', '9,0,0', 'outside', '[-1, 5] m']),
])
def test_invalid_argument_is_reported_in_one_line(room, tmp_path, capsys, words, expected):
    if '--map' not in words:
        words = ['--map', str(room), *words]
    error = error_line(capsys, '--output', str(tmp_path / 'out'), *words)
    assert all(word in error for word in expected)


@pytest.mark.parametrize(('change', 'expected'), [
    ({'image': 'room.yaml'}, 'room.yaml'),
    ({'image': 'gone.png'}, 'gone.png'),
    ({'resolution': -1.0}, 'resolution = -1.0'),
    ({'free_thresh': None}, 'free_thresh'),
])
def test_invalid_map_is_reported_in_one_line(room, tmp_path, capsys, change, expected):
    room.write_text(yaml.safe_dump({**MAP, **change}))
    assert expected in error_line(capsys, '--map', str(room))


def test_invalid_parameter_is_reported_in_one_line(room, tmp_path, capsys):
    params = tmp_path / 'params.yaml'
    params.write_text('mppi_controller: {ros__parameters: {time_step: 0.0}}')
    error = error_line(capsys, '--map', str(room), '--params', str(params))
    assert 'time_step = 0.0 s is outside [0.005, 1] s' in error


def test_missing_library_is_reported_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(demo, 'find_spec', lambda name: None if name == 'mcap' else name)
    assert "needs mcap: pip install '.[tools]'" in error_line(capsys)


def test_default_start_and_goal_are_collision_free_and_apart(room):
    options = demo._parse(['--map', str(room), '--output', str(room.parent / 'out')])
    scene = demo.load_scene(options)
    body = demo.body_of(scene.configuration)
    assert scene.world.clearance(body, scene.start) > 0.0
    assert scene.world.clearance(body, scene.goal) > 0.0
    assert np.hypot(scene.start[0] - scene.goal[0], scene.start[1] - scene.goal[1]) > 2.0


def drive(room: Path, *words: str) -> subprocess.Popen:
    return subprocess.Popen(
        [*COMMAND, '--map', str(room), '--start', '-0.2,0.1,0', '--output',
         str(room.parent / 'out'), *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )


def nodes_of(process: subprocess.Popen) -> list[int]:
    children = Path('/proc', str(process.pid), 'task', str(process.pid), 'children')
    return [int(pid) for pid in children.read_text().split()]


def test_demo_drives_around_a_pillar_and_reports(room):
    process = drive(room, '--goal', '3.8,-0.1,0', '--timeout', '50')
    output, error = process.communicate(timeout=120)
    out = room.parent / 'out'
    logs = '\n'.join(log.read_text() for log in (out / 'log').glob('*.log'))
    assert process.returncode == 0, f'{output}\n{error}\n{logs}'
    summary = json.loads((out / 'summary.json').read_text())
    assert summary['goal_reached']
    assert not summary['contact']
    assert summary['min_clearance_m'] > 0.0
    assert summary['path_length_m'] > 3.8
    assert summary['ticks'] > 100
    assert summary['parameters']['samples'] == 2000
    assert Image.open(out / 'report.png').size[0] > 1000
    reader = pytest.importorskip('mcap.reader')
    with (out / 'run.mcap').open('rb') as stream:
        recorded = reader.make_reader(stream).get_summary()
    counts = {
        channel.topic: recorded.statistics.channel_message_counts.get(channel.id, 0)
        for channel in recorded.channels.values()
    }
    for topic in ('/odom', '/costmap', '/map', '/plan', '/cmd_vel', '/mppi_controller/statistics',
                  '/mppi_controller/optimal_trajectory'):
        assert counts.get(topic, 0) > 0, topic
    assert 'goal reached' in output


@pytest.mark.skipif(sys.platform != 'linux', reason='looks for children in /proc')
@pytest.mark.parametrize('what', ['interrupt', 'crash'])
def test_early_end_is_reported_and_terminates_all_nodes(room, what):
    process = drive(room)
    end = time.monotonic() + 30.0
    while len(nodes := nodes_of(process)) < 3:
        assert time.monotonic() < end
        time.sleep(0.05)
    if what == 'interrupt':
        process.send_signal(signal.SIGTERM)
    else:
        os.kill(nodes[0], signal.SIGKILL)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 1, error
    assert not any(Path('/proc', str(pid)).exists() for pid in nodes)
    summary = json.loads((room.parent / 'out' / 'summary.json').read_text())
    assert not summary['goal_reached']
    if what == 'interrupt':
        assert summary['reason'] == 'interrupted'
    else:
        assert summary['reason'] == 'mppi_controller ended with exit code -9'
        assert 'mppi_controller ended with exit code -9' in error
