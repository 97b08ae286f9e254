"""Invalid messages stop the robot with a reason; invalid arguments end the node with an error."""
from __future__ import annotations

import math

import pytest
from system import scenarios
from system.harness import FakeRobot, Processes, Watcher

from mppi_ros.evaluation.processes import free_domain


@pytest.fixture(scope='module')
def shared_robot(tmp_path_factory):
    """Provide one controller and the fake robot that it drives for all message tests."""
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


@pytest.fixture
def robot(fake_robot):
    """Provide the fake robot while driving; restore valid messages afterwards."""
    scenarios.check_robot_drives(fake_robot.watcher)
    yield fake_robot
    fake_robot.publish_valid_messages()


@pytest.fixture
def watcher(robot):
    """Provide the watcher of the fake robot."""
    return robot.watcher


def spoil(make, **changes):
    """Return a message factory with fields changed; '__' stands for a dot."""
    def make_bad():
        message = make()
        for path, value in changes.items():
            *owners, name = path.split('__')
            owner = message
            for attribute in owners:
                owner = getattr(owner, attribute)
            setattr(owner, name, value)
        return message

    return make_bad


ODOMETRY = {
    'NaN position': ({'pose__pose__position__x': math.nan},
                     'odometry.pose.pose.position.x = nan m is not finite'),
    'infinite speed': ({'twist__twist__linear__x': math.inf},
                       'odometry.twist.twist.linear.x = inf m/s is not finite'),
    'zero quaternion': ({'pose__pose__orientation__w': 0.0}, 'is not a unit quaternion'),
    'other frame': ({'header__frame_id': 'moon'}, "odometry is in frame 'moon'"),
}
COSTMAP = {
    'wrong length': ({'info__width': 199}, 'costmap.data has 40000 cells; info.width'),
    'no resolution': ({'info__resolution': 0.0}, 'costmap resolution = 0.0 m is outside'),
    'other frame': ({'header__frame_id': 'moon'}, "'moon'"),
}


@pytest.mark.parametrize(
    ('what', 'changes', 'words'),
    [pytest.param('odometry', *case, id=f'odometry-{name}') for name, case in ODOMETRY.items()]
    + [pytest.param('costmap', *case, id=f'costmap-{name}') for name, case in COSTMAP.items()])
def test_invalid_message_stops_the_robot_until_a_valid_one_arrives(
        robot, watcher, what, changes, words):
    setattr(robot, f'make_{what}', spoil(getattr(robot, what), **changes))
    watcher.wait_for(lambda: watcher.state == 'stopped', 'stopping')
    assert words in watcher.reason
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a zero command')
    name = '/mppi_controller: control'
    watcher.wait_for(lambda: watcher.diagnostics.get(name, (0,))[0] == 2, 'an error at 1 Hz')
    robot.publish_valid_messages()
    scenarios.check_robot_drives(watcher)


def test_invalid_plan_stops_the_robot_until_a_valid_one_arrives(robot, watcher):
    plan = robot.plan()
    plan.poses[7].pose.position.y = math.nan
    robot.publish_plan(plan)
    watcher.wait_for(lambda: watcher.state == 'stopped', 'stopping')
    assert 'plan.poses[7].pose.position.y = nan m is not finite' in watcher.reason
    robot.publish_valid_messages()
    scenarios.check_robot_drives(watcher)


def test_plan_in_unknown_frame_stops_the_robot(robot, watcher):
    plan = robot.plan()
    plan.header.frame_id = 'moon'
    for pose in plan.poses:
        pose.header.frame_id = 'moon'
    robot.publish_plan(plan)
    watcher.wait_for(lambda: watcher.state == 'stopped', 'stopping')
    assert "plan is in frame 'moon', the costmap in 'odom'" in watcher.reason
    robot.publish_valid_messages()
    scenarios.check_robot_drives(watcher)


def test_empty_plan_stops_the_robot(robot, watcher):
    plan = robot.plan()
    plan.poses = []
    robot.publish_plan(plan)
    watcher.wait_for(lambda: watcher.state == 'waiting', 'waiting')
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a zero command')
    robot.publish_valid_messages()
    scenarios.check_robot_drives(watcher)


@pytest.mark.parametrize(('arguments', 'words'), [
    (('-p', 'lamda:=0.5'), 'unknown parameter lamda; did you mean lambda?'),
    (('-p', 'lambda:=-1.0'), 'lambda = -1.0 is outside [0, 1e+06]'),
    (('-p', 'samples:=many'), "samples = 'many' must be of type integer"),
    (('-p', 'horizon_steps:=2', '-p', 'time_step:=0.01'), 'is shorter than two control periods'),
    (('--params-file', '/nowhere.yaml'), '/nowhere.yaml'),
])
def test_controller_exits_with_one_line_error_on_invalid_argument(processes, arguments, words):
    processes.start('mppi_controller', *arguments)
    assert processes.wait('mppi_controller') == 2
    printed = processes.printed('mppi_controller')
    assert 'Traceback' not in printed
    assert words in printed.strip().splitlines()[-1]


def test_controller_exits_with_error_on_malformed_yaml(processes, tmp_path):
    (tmp_path / 'bad.yaml').write_text('mppi_controller:\n  ros__parameters: [oh\n', 'utf-8')
    processes.start('mppi_controller', '--params-file', str(tmp_path / 'bad.yaml'))
    assert processes.wait('mppi_controller') == 2
    printed = processes.printed('mppi_controller')
    assert 'Traceback' not in printed
    assert 'bad.yaml' in printed


@pytest.mark.parametrize(('arguments', 'words'), [
    (('-p', 'world:=/nowhere/map.yaml'), '/nowhere/map.yaml: No such file'),
    (('-p', 'start:=[0.0, 1.0]'), 'start has 2 numbers; x, y, yaw are expected'),
    (('-p', 'speed:=2.0'), 'speed = 2.0 needs publish_clock = true'),
    (('-p', 'controller_params:=/nowhere.yaml'), '/nowhere.yaml: No such file'),
])
def test_simulator_exits_with_error_on_invalid_argument(processes, arguments, words):
    processes.start('kinematic_simulator', *arguments)
    assert processes.wait('kinematic_simulator') == 2
    printed = processes.printed('kinematic_simulator')
    assert 'Traceback' not in printed
    assert words in printed


@pytest.mark.parametrize('node', ['mppi_controller', 'cmd_vel_watchdog'])
def test_node_exits_with_error_if_participant_cannot_be_secured(
        processes, node, tmp_path, monkeypatch):
    (tmp_path / 'enclaves' / 'alone').mkdir(parents=True)  # contains no keys
    monkeypatch.setenv('ROS_SECURITY_KEYSTORE', str(tmp_path))
    monkeypatch.setenv('ROS_SECURITY_ENABLE', 'true')
    monkeypatch.setenv('ROS_SECURITY_STRATEGY', 'Enforce')
    processes.start(node, '--enclave', '/alone')
    assert processes.wait(node) == 2
    printed = processes.printed(node)
    assert 'Traceback' not in printed
    assert f'{node}: ' in printed
