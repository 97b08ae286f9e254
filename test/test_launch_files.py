"""Launch files name existing executables, parameters and files; resolved without launch."""
from __future__ import annotations

from pathlib import Path
import re

from launch_stand_in import declared, resolved, started
import pytest

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.parameters.declaration import flatten
from mppi_ros.share import share_path

FILES = sorted(share_path('launch').glob('*.launch.py'))
EXECUTABLES = set(
    re.findall(r"f'(\w+) = \{NAME\}\.nodes", share_path('setup.py').read_text('utf-8')))
GIVEN = {
    'namespace': 'robot1', 'use_sim_time': 'true', 'autostart': 'false', 'watchdog': 'true',
    'follow_path': 'true', 'odom_topic': 'odometry', 'costmap_topic': 'grid', 'rviz': 'true',
    'scan_topic': 'laser', 'footprint_topic': 'outline', 'plan_topic': 'path',
    'cmd_vel_topic': 'twist', 'dashboard': 'true',
    'start': '1,2,0', 'goal': '3,4,0.5',
    'map': str(share_path('config', 'worlds', 'office.yaml')), 'sensing': 'map',
    'respawn': 'true',
}


def parameters_of(executable):
    """Return the names of the parameters of a node."""
    pytest.importorskip('rclpy', reason='needs ROS 2')
    from mppi_ros.nodes.cmd_vel_watchdog import CmdVelWatchdogParameters
    from mppi_ros.nodes.dashboard.node import DashboardParameters
    from mppi_ros.nodes.kinematic_simulator import SimulatorParameters
    from mppi_ros.nodes.path_planner import PlannerParameters

    parameters = {
        'mppi_controller': ControllerParameters, 'kinematic_simulator': SimulatorParameters,
        'path_planner': PlannerParameters, 'cmd_vel_watchdog': CmdVelWatchdogParameters,
        'mppi_dashboard': DashboardParameters,
    }[executable]
    return {*flatten(parameters()), 'use_sim_time'}


def every_start(file):
    """Return argument sets of a launch file: none, each argument alone, and all."""
    known = {name: value for name, value in GIVEN.items() if name in declared(file)}
    return [{}, *({name: value} for name, value in known.items()), known]


@pytest.mark.parametrize('file', FILES, ids=lambda file: file.name)
def test_every_argument_has_a_description(file):
    assert all(argument.description for argument in declared(file).values())


@pytest.mark.parametrize('file', FILES, ids=lambda file: file.name)
def test_executables_parameters_and_files_exist(file):
    for given in every_start(file):
        names = set()
        for node, context in started(file, given):
            assert node.name not in names
            names.add(node.name)
            for argument in node.arguments:
                value = str(resolved(argument, context))
                assert value.startswith('-') or Path(value).is_file()
            if node.package == 'rviz2':
                continue
            assert node.package == 'mppi_ros' and node.executable in EXECUTABLES
            known = parameters_of(node.executable)
            for parameters in node.parameters:
                if not isinstance(parameters, dict):
                    assert Path(resolved(parameters, context)).is_file()
                    continue
                assert set(parameters) <= known
                for name, value in parameters.items():
                    assert resolved(value, context) is not None, name
        assert 'mppi_controller' in names


@pytest.mark.parametrize('file', FILES, ids=lambda file: file.name)
def test_every_argument_has_an_effect(file):
    """Each value changes a parameter, remapping or namespace of a node, or starts a process."""

    def seen(given):
        return [
            (node.name, str(resolved(node.namespace, context)),
             [{name: resolved(value, context) for name, value in each.items()}
              if isinstance(each, dict) else resolved(each, context)
              for each in node.parameters],
             [(name, resolved(value, context)) for name, value in node.remappings],
             resolved(node.respawn, context))
            for node, context in started(file, given)]

    other = str(share_path('config', 'robots', 'turtlebot4.yaml'))
    assert Path(other).is_file()
    changed = {**GIVEN, 'params_file': other}
    for name, argument in declared(file).items():
        value = changed[name]
        if value == argument.default:
            value = {'true': 'false', 'false': 'true'}[value]
        if name == 'autostart' and not argument.default:
            value = 'false'
        assert seen({name: value}) != seen({}), name


@pytest.mark.parametrize(('name', 'value', 'words'), [
    *((name, 'maybe', f"{name} = 'maybe' must be true or false")
      for name in ('use_sim_time', 'autostart', 'watchdog', 'dashboard', 'respawn', 'rviz')),
    ('sensing', 'radar', "sensing = 'radar' must be lidar or map"),
    ('start', '1,2', "start = '1,2' must be X,Y,YAW"),
])
def test_invalid_argument_is_reported_before_a_process_starts(name, value, words):
    for file in FILES:
        if name not in declared(file):
            continue
        begun = started(file, {name: value})
        with pytest.raises(ValueError, match=re.escape(words)):
            next(begun)


@pytest.mark.parametrize('name', ['params_file', 'map'])
def test_missing_file_is_reported_before_a_process_starts(name):
    for file in FILES:
        if name in declared(file):
            with pytest.raises(FileNotFoundError, match=f"{name} = 'none.yaml' is not a file"):
                next(started(file, {name: 'none.yaml'}))


def test_boolean_arguments_follow_yaml():
    file = share_path('launch', 'simulation.launch.py')
    for value in ('true', 'True', 'yes', '1', 'on'):
        found = {
            node.name: parameters for node, _ in started(file, {'use_sim_time': value})
            for parameters in node.parameters if isinstance(parameters, dict)}
        assert found['kinematic_simulator']['publish_clock'] is True
        assert found['path_planner']['use_sim_time'] is True
        assert found['mppi_controller']['use_sim_time'] is True


@pytest.mark.parametrize(('file', 'given', 'expected'), [
    ('mppi_controller', {}, {}),
    ('mppi_controller', {'use_sim_time': 'true', 'follow_path': 'false'},
     {'use_sim_time': True, 'follow_path.enabled': False}),
    ('nav2_controller', {}, {'autostart': False, 'follow_path.enabled': True}),
])
def test_parameter_file_applies_unless_an_argument_is_given(file, given, expected):
    for node, _ in started(share_path('launch', f'{file}.launch.py'), given):
        if node.name == 'mppi_controller':
            assert [each for each in node.parameters if isinstance(each, dict)] == (
                [expected] if expected else [])
