"""Simulator, planner and controller as processes: driving, tuning, arrival and stopping."""
from __future__ import annotations

import signal

from geometry_msgs.msg import PoseStamped, TwistStamped
import pytest
from std_srvs.srv import SetBool, Trigger
from system import scenarios
from system.harness import GOAL, FakeRobot, Watcher, is_stopped, start_robot

from mppi_ros.cli import evaluate
from mppi_ros.ros import conversions


def test_robot_reaches_the_goal_while_parameters_change(processes, watcher, tmp_path):
    start_robot(processes, tmp_path)
    scenarios.check_robot_drives(watcher)
    scenarios.check_parameter_description(watcher)
    scenarios.check_bad_value_is_refused(watcher)
    scenarios.check_tuning_while_driving(watcher)
    scenarios.check_goal_is_reached(watcher, GOAL)


def test_continuous_parameter_changes_neither_stop_the_robot_nor_reset_its_plan(
        processes, watcher, tmp_path):
    start_robot(processes, tmp_path)
    scenarios.check_robot_drives(watcher)
    scenarios.check_continuous_tuning(watcher)
    scenarios.check_goal_is_reached(watcher, GOAL)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_controller_with_a_zero_command(processes, watcher, tmp_path, number):
    start_robot(processes, tmp_path)
    scenarios.check_robot_drives(watcher)
    assert processes.end('mppi_controller', number) == 0
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a zero command')
    watcher.wait_for(lambda: is_stopped(watcher), 'standstill')
    assert watcher.commands[-1] == (0.0, 0.0)
    assert 'Traceback' not in processes.printed('mppi_controller')


def test_signal_ends_the_controller_during_compilation(
    processes, watcher, tmp_path, monkeypatch
):
    monkeypatch.setenv('NUMBA_CACHE_DIR', str(tmp_path / 'kernels'))
    processes.start('mppi_controller')
    watcher.wait_for(lambda: 'loading kernels' in processes.printed('mppi_controller'),
                     'the start of compilation')
    assert processes.end('mppi_controller') == 0
    assert 'kernels ready' not in processes.printed('mppi_controller')
    assert 'Traceback' not in processes.printed('mppi_controller')


def goal_pose(x, y):
    message = PoseStamped(pose=conversions.pose_to_msg(x, y, 0.0))
    message.header.frame_id = 'odom'
    return message


def test_controller_drives_to_a_goal_without_a_planner(processes, watcher):
    processes.start('mppi_controller')
    FakeRobot(watcher, plans=False)
    publisher = watcher.node.create_publisher(PoseStamped, 'goal_pose', 1)
    watcher.wait_for(lambda: watcher.reason == 'no plan yet', 'waiting for a plan')
    watcher.wait_for(publisher.get_subscription_count, 'the subscription to goal_pose')
    publisher.publish(goal_pose(3.0, 0.0))
    scenarios.check_robot_drives(watcher)


def test_controller_ignores_goals_while_a_planner_publishes_plans(processes, watcher):
    processes.start('mppi_controller')
    FakeRobot(watcher)
    publisher = watcher.node.create_publisher(PoseStamped, 'goal_pose', 1)
    scenarios.check_robot_drives(watcher)
    watcher.wait_for(publisher.get_subscription_count, 'the subscription to goal_pose')
    publisher.publish(goal_pose(0.0, 0.0))
    watcher.wait_for(
        lambda: 'another node publishes plan' in processes.printed('mppi_controller'),
        'a log message')
    watcher.wait_for(lambda: watcher.state == 'driving', 'driving')


def test_robot_reaches_the_goal_in_simulated_time_at_double_speed(processes, watcher, tmp_path):
    start_robot(processes, tmp_path, simulator=['-p', 'publish_clock:=true', '-p', 'speed:=2.0'],
                others=['-p', 'use_sim_time:=true'])
    scenarios.check_robot_drives(watcher)
    scenarios.check_goal_is_reached(watcher, GOAL)


def test_enable_service_releases_and_reclaims_cmd_vel(processes, watcher, tmp_path):
    start_robot(processes, tmp_path)
    scenarios.check_robot_drives(watcher)
    assert watcher.call(SetBool, 'mppi_controller/enable', SetBool.Request(data=False)).success
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a zero command')
    sent = len(watcher.commands)
    watcher.wait_for(lambda: is_stopped(watcher), 'standstill')
    assert len(watcher.commands) == sent
    assert watcher.call(SetBool, 'mppi_controller/enable', SetBool.Request(data=True)).success
    watcher.wait_for(lambda: watcher.commands[-1][0] > 0.1, 'motion')
    assert watcher.call(Trigger, 'mppi_controller/reset', Trigger.Request()).success
    scenarios.check_robot_drives(watcher)


def test_controller_stops_without_odometry_and_resumes_when_it_returns(
        processes, watcher, tmp_path):
    start_robot(processes, tmp_path)
    scenarios.check_robot_drives(watcher)
    processes.end('kinematic_simulator')
    watcher.wait_for(lambda: watcher.state == 'stopped', 'stopping')
    assert 'odometry is' in watcher.reason
    watcher.wait_for(lambda: watcher.commands[-1] == (0.0, 0.0), 'a zero command')
    watcher.truth = None
    processes.start('kinematic_simulator', '-p', f'world:={tmp_path / "world.csv"}',
                    '-p', 'start:=[0.0, 0.0, 0.0]')
    scenarios.check_robot_drives(watcher)


def test_goal_in_an_obstacle_is_refused_and_the_robot_does_not_move(processes, watcher, tmp_path):
    start_robot(processes, tmp_path, goal=(2.0, 0.1, 0.0))
    watcher.wait_for(
        lambda: watcher.diagnostics.get('/path_planner: planning', (0, ''))[0] == 2,
        'an error in the diagnostics of the planner')
    assert 'goal (2.00, 0.10) m' in watcher.diagnostics['/path_planner: planning'][1]
    assert 'goal (2.00, 0.10) m' in processes.printed('path_planner')
    watcher.wait_for(lambda: watcher.state == 'waiting', 'waiting')
    assert set(watcher.commands) == {(0.0, 0.0)}
    assert all(map(processes.runs, ('path_planner', 'mppi_controller', 'kinematic_simulator')))


def test_two_robots_in_namespaces_do_not_interfere(processes, watcher, tmp_path):
    robots = {'robot1': (4.0, 0.5, 0.0), 'robot2': (0.5, 2.5, 1.57)}
    watchers = {name: Watcher(namespace=name) for name in robots}
    for name, goal in robots.items():
        start_robot(processes, tmp_path, goal, namespace=name)
    try:
        for each in watchers.values():
            scenarios.check_robot_drives(each)
        assert watchers['robot1'].set_parameters(**{'lambda': 0.5}).successful
        assert watchers['robot2'].get_parameters('lambda')[0].double_value == 0.0
        for name, goal in robots.items():
            scenarios.check_goal_is_reached(watchers[name], goal)
            watchers[name].wait_for_status(f'/{name}/mppi_controller: control')
    finally:
        for each in watchers.values():
            each.close()
    assert watcher.commands == []


def test_topics_and_names_can_be_remapped(processes, watcher):
    names = {'odom': 'wheels/odometry', 'costmap': 'local_costmap/costmap', 'plan': 'route'}
    to = [word for old, new in names.items() for word in ('-r', f'{old}:={new}')]
    processes.start('mppi_controller', *to, '-r', '__node:=pilot', '-r', 'cmd_vel:=base/cmd_vel')
    FakeRobot(watcher, topics=names)
    commands = []
    watcher.node.create_subscription(
        TwistStamped, 'base/cmd_vel', lambda m: commands.append(m.twist.linear.x), 1)
    watcher.wait_for(lambda: commands and commands[-1] > 0.1, 'a command to drive')
    watcher.wait_for(lambda: '/pilot: control' in watcher.diagnostics, 'diagnostics of the pilot')
    assert watcher.commands == []


def test_replay_of_a_recorded_drive_is_bit_identical(processes, watcher, tmp_path, capsys):
    record = tmp_path / 'run.mcap'
    start_robot(processes, tmp_path, others=('-p', f'mppi_controller:record:={record}'))
    scenarios.check_robot_drives(watcher)
    scenarios.check_tuning_while_driving(watcher)
    processes.end('kinematic_simulator')
    watcher.wait_for(lambda: watcher.code == 'odometry_old', 'old odometry')
    assert processes.end('mppi_controller') == 0
    assert evaluate.main(['replay', str(record)]) == 0
    shown = capsys.readouterr().out
    assert 'ticks are bit-identical' in shown
    assert 'odometry_old' in shown
    assert evaluate.main(['replay', str(record), '--tick', '1']) == 0
    assert 'tick 1 at' in capsys.readouterr().out
