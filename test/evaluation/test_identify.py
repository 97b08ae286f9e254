"""Identification of delay, lag and gain from recordings of every supported format."""
from __future__ import annotations

import json
from shutil import copy, copytree

import numpy as np
import pytest
from recorded import record

from mppi_ros.cli.evaluate import main
from mppi_ros.control.inputs import Command
from mppi_ros.simulation.physics import PhysicsParameters, create_robot
from mppi_ros.simulation.plant import HARD, NOMINAL

rosbags = pytest.importorskip('rosbags')
from mcap.writer import Writer as McapWriter  # noqa: E402
from rosbags.rosbag1 import Writer as Writer1  # noqa: E402
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin  # noqa: E402
from rosbags.rosbag2 import Writer as Writer2  # noqa: E402
from rosbags.typesys import Stores, get_typestore  # noqa: E402


@pytest.fixture(params=['mcap', 'sqlite', 'mcap file', 'ros 1'])
def bag(request, tmp_path):
    path = tmp_path / ('drive.bag' if request.param == 'ros 1' else 'drive')
    if request.param == 'ros 1':
        with Writer1(path) as writer:
            record(writer, get_typestore(Stores.ROS1_NOETIC), stamped=False)
        return path
    plugin = StoragePlugin.SQLITE3 if request.param == 'sqlite' else StoragePlugin.MCAP
    with Writer2(path, version=9, storage_plugin=plugin) as writer:
        record(writer, get_typestore(Stores.ROS2_JAZZY), stamped=request.param == 'mcap')
    return next(path.glob('*.mcap')) if request.param == 'mcap file' else path


def test_identify_recovers_the_plant_of_a_recording(bag, tmp_path):
    out = tmp_path / 'out.json'
    assert main(['identify', str(bag), '--json', str(out)]) == 0
    axes = json.loads(out.read_text())['axes']
    assert [axis['axis'] for axis in axes] == ['linear', 'angular']
    for axis, gain in zip(axes, (1.02, 1.02 * HARD.yaw_gain), strict=True):
        assert axis['delay_s'] == pytest.approx(HARD.delay_linear, abs=0.015)
        assert axis['lag_s'] == pytest.approx(HARD.lag_linear, abs=0.02)
        assert axis['gain'] == pytest.approx(gain, abs=0.02)
        assert abs(axis['delay_s'] - HARD.delay_linear) < 4.0 * axis['delay_deviation_s']


def jackal(friction):
    return create_robot(
        PhysicsParameters('mujoco', 'jackal', friction=friction), NOMINAL, (0.0, 0.0, 0.0), 1
    )


def step_response(friction, command, name):
    """Return gain and time to 63 % [s] of what the odometry tells of a step of the command."""
    robot = jackal(friction)
    robot.command(Command(*command), 0.0)
    told = []
    for _ in range(600):
        robot.advance(0.005)
        told.append(getattr(robot.odometry(robot.time), name))
    told = np.array(told) / (command[0] or command[2])
    gain = told[-300:].mean()
    return gain, 0.005 * (1 + np.argmax(told > 0.632 * gain))


@pytest.mark.parametrize('friction', ['tyre', 'solver'])
def test_identify_recovers_what_the_physics_of_rigid_bodies_shows(friction, tmp_path):
    """Delay and lag together are the time to 63 % of a step."""
    pytest.importorskip('mujoco', reason="needs mujoco: pip install 'mppi_ros[physics]'")
    path = tmp_path / 'drive'
    with Writer2(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        record(writer, get_typestore(Stores.ROS2_JAZZY), True, steps=3000, robot=jackal(friction))
    out = tmp_path / 'out.json'
    assert main(['identify', str(path), '--json', str(out)]) == 0
    steps = ((0.3, 0.0, 0.0), 'vx'), ((0.0, 0.0, 0.5), 'wz')
    for axis, step in zip(json.loads(out.read_text())['axes'], steps, strict=True):
        gain, seconds = step_response(friction, *step)
        assert axis['trusted']
        assert axis['gain'] == pytest.approx(gain, rel=0.1)
        if friction == 'tyre':  # stick and slip in MuJoCo's contacts are no lag
            assert axis['delay_s'] + axis['lag_s'] == pytest.approx(seconds, rel=0.1)


def test_identify_names_what_a_recording_lacks(tmp_path, capsys):
    path = tmp_path / 'drive'
    with Writer2(path, version=9) as writer:
        record(writer, get_typestore(Stores.ROS2_JAZZY), stamped=True, odometry=False)
    assert main(['identify', str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert '/robot/cmd_vel' in error
    assert main(['identify', str(path), '--cmd', '/other']) == 2
    assert main(['identify', str(tmp_path / 'none.bag')]) == 2


def test_recording_of_a_jackal_is_rejected_with_its_topics(data, capsys):
    path = data / 'bags' / 'jackal_odom_test2.bag'
    if not path.exists():
        pytest.skip(f'{path} is not there')
    assert main(['identify', str(path)]) == 2
    assert '/jackal_velocity_controller/odom' in capsys.readouterr().err


@pytest.fixture(scope='module')
def bags(tmp_path_factory):
    """Return recordings of a short drive, in each format."""
    folder = tmp_path_factory.mktemp('bags')
    with Writer1(folder / 'drive.bag') as writer:
        record(writer, get_typestore(Stores.ROS1_NOETIC), stamped=False, steps=200)
    for name, plugin, packed in (
        ('sqlite', StoragePlugin.SQLITE3, None), ('mcap', StoragePlugin.MCAP, None),
        ('packed', StoragePlugin.SQLITE3, CompressionMode.FILE),
    ):
        writer = Writer2(folder / name, version=9, storage_plugin=plugin)
        if packed:
            writer.set_compression(packed, CompressionFormat.ZSTD)
        with writer:
            record(writer, get_typestore(Stores.ROS2_JAZZY), stamped=True, steps=200)
    return folder


@pytest.mark.filterwarnings('error::RuntimeWarning')  # it would be another line
@pytest.mark.parametrize('share', [0.0, 0.01, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize('damage', ['cut', 'zeros', 'noise'])
@pytest.mark.parametrize('kind', ['drive.bag', 'sqlite', 'mcap', 'packed'])
def test_a_damaged_recording_is_identified_or_named_in_one_line(
    bags, tmp_path, capsys, kind, damage, share
):
    if (bags / kind).is_dir():
        copytree(bags / kind, tmp_path / kind)
        (file,) = (path for path in (tmp_path / kind).iterdir() if path.suffix != '.yaml')
    else:
        file = copy(bags / kind, tmp_path / kind)
    whole = file.read_bytes()
    at = int(share * len(whole))
    noise = np.random.default_rng(0).bytes(1000)
    file.write_bytes(whole[:at] + {
        'cut': b'', 'zeros': bytes(len(whole) - at), 'noise': noise + whole[at + 1000 :]}[damage])
    code = main(['identify', str(tmp_path / kind)])
    lines = capsys.readouterr().err.splitlines()
    assert code in (0, 1, 2)
    assert len(lines) == (code == 2)
    if share < 0.05 and damage != 'noise':
        assert code == 2


def test_recording_that_unpacks_beyond_the_limit_is_rejected(bags, tmp_path, capsys, monkeypatch):
    from functools import partial

    from mppi_ros.evaluation import results

    copytree(bags / 'mcap', tmp_path / 'mcap')
    (file,) = (tmp_path / 'mcap').glob('*.mcap')
    with file.open('wb') as stream:
        packed = McapWriter(stream, chunk_size=2**30)
        packed.start()
        schema = packed.register_schema('nav_msgs/msg/Odometry', 'ros2msg', b'')
        channel = packed.register_channel('/odom', 'cdr', schema)
        packed.add_message(channel, 0, bytes(500_000_000), 0)
        packed.finish()
    assert file.stat().st_size < 1_000_000
    monkeypatch.setattr(results, 'bounded_unpacking',
                        partial(results.bounded_unpacking, memory=2e8))
    assert main(['identify', str(file)]) == 2
    assert capsys.readouterr().err.count('\n') == 1
