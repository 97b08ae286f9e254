"""Launch files name executables, parameters and files that exist; resolved without launch."""
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
    """Return the arguments of a launch file: by default, each given one alone, and all of them."""
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
    """Each value arrives at a node: as parameter, remapping or namespace, or starts a process."""

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
        assert seen({name: value}) != seen({}), name


def test_a_wrong_pose_is_named():
    with pytest.raises(ValueError, match='start = .1,2. must be X,Y,YAW'):
        list(started(share_path('launch', 'simulation.launch.py'), {'start': '1,2'}))


def test_a_missing_parameter_file_is_named():
    with pytest.raises(FileNotFoundError, match='none.yaml'):
        list(started(share_path('launch', 'mppi_controller.launch.py'),
                     {'params_file': 'none.yaml'}))
