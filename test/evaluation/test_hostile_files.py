"""
Invalid and hostile files end with one line and exit code 2.

No file unpacks beyond its limit or causes a traceback.
"""
from __future__ import annotations

import json
import struct
from zipfile import ZIP_DEFLATED, ZipFile
import zlib

import numpy as np
import pytest

from mppi_ros.cli import benchmark, cross_validation, demo, evaluate, import_nav2
from mppi_ros.share import share_path
from mppi_ros.simulation.world import World

PARAMETERS = share_path('config', 'mppi_controller.yaml')
SCENARIOS = share_path('config', 'scenarios')
MAP = ('image: {image}\nresolution: 0.05\norigin: [0.0, 0.0, 0.0]\nnegate: 0\n'
       'occupied_thresh: 0.65\nfree_thresh: 0.25\n')
CONTROLLER = 'mppi_controller:\n  ros__parameters:\n    {}\n'
SCENARIO = 'start: [0, 0, 0]\ngoal: [1, 0, 0]\nbounds: [-5, -5, 5, 5]\ncriteria: {{}}\n{}\n'

# Of each kind of file: what a program is called with, and an ending.
PROGRAMS = {
    'parameters of the demo': (demo.main, ['--params', '{}'], '.yaml'),
    'map': (demo.main, ['--map', '{}'], '.yaml'),
    'circles': (demo.main, ['--map', '{}'], '.csv'),
    'parameters': (evaluate.main, ['scenarios', '--params', '{}'], '.yaml'),
    'robot': (evaluate.main, ['scenarios', '--robot', '{}'], '.yaml'),
    'scenario': (evaluate.main, ['scenarios', '--data', '{folder}'], '.yaml'),
    'index of BARN': (evaluate.main, ['barn', '--data', '{folder}'], 'index.csv'),
    'line of a track': (evaluate.main, ['f1tenth', '--data', '{folder}'], 'x_centerline.csv'),
    'result': (evaluate.main, ['compare', '{}', '{}'], '.json'),
    'results to cross-validate': (cross_validation.main, ['{}', '{}'], '.json'),
    'record': (evaluate.main, ['replay', '{}'], '.mcap'),
    'MCAP': (evaluate.main, ['identify', '{}'], '.mcap'),
    'ROS 1 bag': (evaluate.main, ['identify', '{}'], '.bag'),
    'SQLite': (evaluate.main, ['identify', '{}'], '.db3'),
    'rosbag2': (evaluate.main, ['identify', '{folder}'], 'metadata.yaml'),
    'measurements': (benchmark.main, ['compare', '{}', '{}'], '.json'),
    'situation': (benchmark.main, ['solve', '--scenario', '{}'], '.npz'),
    'parameters of the benchmark': (benchmark.main, ['solve', '--params', '{}'], '.yaml'),
    'parameters of Nav2': (import_nav2.main, ['{}'], '.yaml'),
}
NOISE = np.random.default_rng(0).bytes(5000)
ALIASES = 'a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n' + ''.join(
    f'{b}: &{b} [{", ".join(9 * [f"*{a}"])}]\n'
    for a, b in zip('abcdefghi', 'bcdefghij', strict=True))
CONTENTS = {
    'empty': b'',
    'text': b'There is nothing here.\n',
    'noise': NOISE,
    'text in Latin-1': 'mppi_controller: übel\n'.encode('latin-1'),
    'zeros': bytes(5000),
    'nested brackets': b'[' * 10_000,
    'nested braces': b'{"a":' * 10_000,
    'nested keys': b''.join(b' ' * n + b'a:\n' for n in range(2000)),
    'aliases without end': b'a: &a [*a]\nmppi_controller: &b {ros__parameters: *b}\n',
    'aliases that expand to a billion': ALIASES.encode(),
    'a list': b'[1, 2, 3]\n',
    'a number': b'9' * 5000,
    'foreign tags': b'!!python/object/apply:os.system ["touch made"]\n',
    'broken tags': b'a: !!int x\nb: !!timestamp y\nc: !!bool z\n',
}


def answer(capsys, program, words):
    """Return the one line that a program says of bad input."""
    try:
        code = program([str(word) for word in words])
    except SystemExit as end:
        code = end.code
    (line,) = capsys.readouterr().err.splitlines()
    assert code == 2
    assert len(line) < 1000
    return line


@pytest.mark.parametrize('content', CONTENTS)
@pytest.mark.parametrize('kind', PROGRAMS)
def test_file_of_another_type_is_named_in_one_line(capsys, tmp_path, monkeypatch, kind, content):
    program, words, ending = PROGRAMS[kind]
    monkeypatch.chdir(tmp_path)
    file = tmp_path / 'given' / (ending if ending[0] != '.' else f'given{ending}')
    file.parent.mkdir()
    file.write_bytes(CONTENTS[content])
    line = answer(capsys, program, [
        word.format(file, folder=file.parent) for word in words])
    assert 'given' in line
    assert not (tmp_path / 'made').exists()


@pytest.mark.parametrize('kind', PROGRAMS)
@pytest.mark.parametrize('place', ['missing', 'folder', 'endless'])
def test_path_that_is_not_a_file_is_named_in_one_line(capsys, tmp_path, kind, place):
    program, words, ending = PROGRAMS[kind]
    file = tmp_path / 'given' / (ending if ending[0] != '.' else f'given{ending}')
    file.parent.mkdir()
    if place == 'folder':
        file.mkdir()
    elif place == 'endless' and ending not in ('.mcap', '.bag', '.db3', '.npz'):
        file.symlink_to('/dev/zero')
    answer(capsys, program, [word.format(file, folder=file.parent) for word in words])


@pytest.mark.parametrize('text', [
    CONTROLLER.format('lambda: {a: {b: 1}}'),
    pytest.param(CONTROLLER.format('samples: ' + 4000 * '9'), id='huge'),
    CONTROLLER.format('lambda: .nan'),
    CONTROLLER.format('sigma: [[1], {a: 1}]'),
    CONTROLLER.format('? [1, 2]\n    : 1'),
    'mppi_controller: [1]\n',
    'mppi_controller:\n  ros__parameters: 5\n',
    '1: {2: 3}\n/**: {ros__parameters: {4: 5}}\n',
])  # fmt: skip
def test_invalid_parameters_are_named_in_one_line(capsys, tmp_path, text):
    file = tmp_path / 'given.yaml'
    file.write_text(text)
    for kind in ('parameters', 'parameters of the demo', 'parameters of the benchmark'):
        program, words, _ = PROGRAMS[kind]
        assert 'given.yaml' in answer(capsys, program, [word.format(file) for word in words])


@pytest.mark.parametrize('line', [
    'path: []', 'path: [[0, 0, 0], [1.0e9, 0, 0]]', 'walls: [[0, 0, 1.0e9, 0]]',
    'walls: [[0, 0, .inf, 0]]', f'timeout: {400 * "9"}', 'circles: {a: 1}', 'circles: [[1]]',
    'moving_obstacles: 5', 'criteria: [time_ratio]', 'criteria: {time_ratio: [1]}', 'world: 5',
    'parameters: [1]', 'parameters: {lambda: {}}', 'robot: [1]', 'hidden: [[a, b, c]]',
    'start: "123"', 'unknown: 1', '1: 2', 'goal: {1: 2, 3: 4, 5: 6}\nstart: abc',
])  # fmt: skip
def test_invalid_scenario_line_is_named_in_one_line(capsys, tmp_path, line):
    (tmp_path / 'given.yaml').write_text(SCENARIO.format(line))
    answer(capsys, evaluate.main, ['scenarios', '--data', tmp_path, '--jobs', '1'])


@pytest.mark.parametrize('rows', [
    '1e9,0,0.1\n0,0,0.1', 'nan,0,1', '0,0,1e300', '0,0,-1', '0,0', '0,0,0,0', 'a,b,c', '',
    '0,0,"' + 200_000 * 'a'])
def test_invalid_circles_are_named_in_one_line(capsys, tmp_path, rows):
    file = tmp_path / 'given.csv'
    for head in ('x,y,radius\n', 'x,y,radius,kind\n'):
        field = '\n'.join(f'{row},field' for row in rows.split('\n') if row)
        file.write_text(head + (rows if head.endswith('radius\n') else field))
        answer(capsys, demo.main, ['--map', file])


def image_of(width, height, depth=8):
    """Return a PNG file whose pixels are all zero: a thousandth of what it unpacks to."""
    def chunk(name, data):
        return (struct.pack('>I', len(data)) + name + data
                + struct.pack('>I', zlib.crc32(name + data)))

    packer, rows = zlib.compressobj(9), []
    for _ in range(height):
        rows.append(packer.compress(bytes(1 + width * depth // 8)))
    head = struct.pack('>2I5B', width, height, depth, 0, 0, 0, 0)
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head)
            + chunk(b'IDAT', b''.join(rows) + packer.flush()) + chunk(b'IEND', b''))


GOOD = image_of(20, 20)
PICTURES = {
    'empty': b'', 'text': b'no image', 'noise': NOISE, 'half': GOOD[: len(GOOD) // 2],
    'cut in its head': GOOD[:20], 'a bomb': image_of(12_000, 12_000, 1),
    'of the wrong sum': GOOD[:50] + b'xyz' + GOOD[53:],
    'PGM without pixels': b'P5 20 20 255\n', 'PGM that says too much': b'P5 100000 100000 255\n\0',
    'PGM of words': b'P2 2 2 255\na b c d\n', 'EPS': b'%!PS-Adobe-3.0 EPSF-3.0\n'
    b'%%BoundingBox: 0 0 20 20\n%%EndComments\n(made) (w) file\n',
}


@pytest.mark.filterwarnings('error')  # it would be another line
@pytest.mark.parametrize('picture', PICTURES)
def test_invalid_image_is_named_in_one_line(capsys, tmp_path, picture):
    (tmp_path / 'map.png').write_bytes(PICTURES[picture])
    (tmp_path / 'given.yaml').write_text(MAP.format(image='map.png'))
    line = answer(capsys, demo.main, ['--map', tmp_path / 'given.yaml'])
    assert 'given.yaml' in line and 'map.png' in line


def test_an_image_of_the_largest_map_is_read(tmp_path):
    (tmp_path / 'map.png').write_bytes(image_of(10_000, 10, 8))
    (tmp_path / 'given.yaml').write_text(MAP.format(image='map.png'))
    assert World.load(tmp_path / 'given.yaml').occupancy.shape == (10, 10_000)


def good_situation():
    return {'costmap': np.zeros((50, 50), np.uint8), 'resolution': np.float64(0.1),
            'origin': np.zeros(2), 'plan': np.array([[0.5, 2.5, 0.0], [4.0, 2.5, 0.0]]),
            'robot_pose': np.array([0.5, 2.5, 0.0]), 'robot_speed': np.zeros(2)}


@pytest.mark.parametrize('changes', [
    {'costmap': np.zeros((0, 5), np.uint8)}, {'costmap': np.full((5, 5), np.nan)},
    {'costmap': np.full((5, 5), 1000)}, {'plan': np.zeros((3, 2))}, {'plan': np.zeros((0, 3))},
    {'plan': np.full((3, 3), np.inf)}, {'robot_pose': np.zeros(2)}, {'robot_speed': np.zeros(0)},
    {'origin': np.zeros(1)}, {'resolution': np.zeros(3)}, {'resolution': np.float64(-1.0)},
    {'plan': np.array([[object()] * 3])}, {'costmap': np.array([['a']])},
])  # fmt: skip
def test_invalid_situation_is_named_in_one_line(capsys, tmp_path, changes):
    file = tmp_path / 'given.npz'
    np.savez(file, **(good_situation() | changes))
    answer(capsys, benchmark.main, ['solve', '--scenario', file])


def test_situation_that_unpacks_beyond_the_limit_is_rejected(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr('mppi_ros.benchmark.situation.MAX_UNPACKED_BYTES', 1_000_000)
    file = tmp_path / 'given.npz'
    np.savez_compressed(file, **good_situation())
    with ZipFile(file, 'a', ZIP_DEFLATED) as archive, archive.open('more.npy', 'w') as member:
        member.write(bytes(2_000_000))
    assert file.stat().st_size < 10_000
    assert 'more than' in answer(capsys, benchmark.main, ['solve', '--scenario', file])


EPISODE = {'scenario': 'a', 'seed': 0, 'success': True, 'collision': False, 'timeout': False,
           'passed': True, 'failed': [], 'score': 0.5, 'time_s': 3.0, 'reason': ''}


@pytest.mark.parametrize('episodes', [
    5, {}, [5], [[]], [{}], [EPISODE | {'score': 'high'}], [EPISODE | {'time_s': None}],
    [EPISODE | {'scenario': []}], [EPISODE | {'seed': {}}], [EPISODE | {'plant': []}],
    [EPISODE | {'failed': 5}], [EPISODE | {'score': 10**400}], [EPISODE | {'reversals': []}],
    [EPISODE | {'failed': ['reached'], 'reason': None}],
])  # fmt: skip
def test_invalid_result_is_named_in_one_line(capsys, tmp_path, episodes):
    file = tmp_path / 'given.json'
    file.write_text(json.dumps({'suite': 'scenarios', 'episodes': episodes}))
    assert 'given.json' in answer(capsys, evaluate.main, ['compare', file, file])


@pytest.mark.parametrize('changes', [
    {'rows': 5}, {'rows': [5]}, {'machine': 5}, {'machine': {}}, {'arguments': 5},
    {'rows': []}, {'rows': [{'what': 'a', 'value': 'b'}]},
])  # fmt: skip
def test_invalid_measurements_are_named_in_one_line(capsys, tmp_path, changes):
    machine = {'cpu': 'a', 'cores': 1, 'commit': 'b'}
    content = {'benchmark': 'solve', 'arguments': [], 'machine': machine, 'rows': []}
    file = tmp_path / 'given.json'
    file.write_text(json.dumps(content | changes))
    assert 'given.json' in answer(capsys, benchmark.main, ['compare', file, file])
