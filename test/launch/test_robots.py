"""Two robots in two namespaces reach their goals although one simulator restarts."""
from __future__ import annotations

import os
from pathlib import Path
import sys
import tempfile
import unittest

import pytest

pytest.importorskip(
    'launch_testing', reason='launch_testing comes only with an installed ROS 2')
pytest.importorskip('launch_ros', reason='launch_ros comes only with an installed ROS 2')

from launch.actions import IncludeLaunchDescription  # noqa: E402
from launch.substitutions import PathJoinSubstitution  # noqa: E402
from launch_ros.substitutions import FindPackageShare  # noqa: E402
from launch_testing.actions import ReadyToTest  # noqa: E402
from launch_testing.markers import keep_alive  # noqa: E402

from launch import LaunchDescription  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for the command launch_test
from system import scenarios  # noqa: E402
from system.harness import WORLD, Watcher, compile_kernels, running  # noqa: E402

from mppi_ros.evaluation.processes import free_domain  # noqa: E402

GOALS = {'robot1': (4.0, 0.5, 0.0), 'robot2': (0.5, 2.5, 1.57)}


@pytest.mark.launch_test
@keep_alive
def generate_test_description():
    compile_kernels()
    os.environ['ROS_DOMAIN_ID'] = str(free_domain())
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    world = Path(tempfile.mkdtemp()) / 'world.csv'
    world.write_text(WORLD, 'utf-8')
    robots = [
        IncludeLaunchDescription(
            PathJoinSubstitution([FindPackageShare('mppi_ros'), 'launch', 'simulation.launch.py']),
            launch_arguments={
                'map': str(world),
                'start': '0,0,0',
                'goal': ','.join(map(str, goal)),
                'namespace': name,
                'respawn': 'true',
            }.items())
        for name, goal in GOALS.items()]
    return LaunchDescription([*robots, ReadyToTest()])


def end_simulator(namespace):
    """Terminate the simulator of one robot; the launch file respawns it."""
    (simulator,) = [
        process for process in running('kinematic_simulator', recursive=True)
        if f'__ns:=/{namespace}' in process.cmdline()]
    simulator.terminate()


class TestRobots(unittest.TestCase):
    def setUp(self):
        self.watchers = {name: Watcher(namespace=name) for name in GOALS}

    def tearDown(self):
        for watcher in self.watchers.values():
            watcher.close()

    def test_robots_do_not_interfere_and_recover_from_a_simulator_restart(self):
        first, second = self.watchers.values()
        scenarios.check_robot_drives(second)
        scenarios.check_recovery_after_restart(first, lambda: end_simulator('robot1'))
        assert first.set_parameters(**{'lambda': 0.5}).successful
        assert second.get_parameters('lambda')[0].double_value == 0.0
        for name, watcher in self.watchers.items():
            scenarios.check_goal_is_reached(watcher, GOALS[name])
