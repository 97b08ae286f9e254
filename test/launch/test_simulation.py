"""simulation.launch.py: the robot reaches its goal and all nodes exit cleanly."""
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
from launch_testing import post_shutdown_test  # noqa: E402
from launch_testing.actions import ReadyToTest  # noqa: E402
from launch_testing.asserts import assertExitCodes  # noqa: E402
from launch_testing.markers import keep_alive  # noqa: E402

from launch import LaunchDescription  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for the command launch_test
from system import scenarios  # noqa: E402
from system.harness import GOAL, START, WORLD, Watcher, compile_kernels  # noqa: E402

from mppi_ros.evaluation.processes import free_domain  # noqa: E402


@pytest.mark.launch_test
@keep_alive
def generate_test_description():
    compile_kernels()
    os.environ['ROS_DOMAIN_ID'] = str(free_domain())
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    world = Path(tempfile.mkdtemp()) / 'world.csv'
    world.write_text(WORLD, 'utf-8')
    simulation = IncludeLaunchDescription(
        PathJoinSubstitution([FindPackageShare('mppi_ros'), 'launch', 'simulation.launch.py']),
        launch_arguments={
            'map': str(world),
            'start': ','.join(map(str, START)),
            'goal': ','.join(map(str, GOAL)),
            'namespace': 'robot1',
            'watchdog': 'true',
        }.items())
    return LaunchDescription([simulation, ReadyToTest()])


class TestDriving(unittest.TestCase):
    def setUp(self):
        self.watcher = Watcher(namespace='robot1')

    def tearDown(self):
        self.watcher.close()

    def test_robot_reaches_the_goal_while_parameters_change(self):
        scenarios.check_robot_drives(self.watcher)
        scenarios.check_parameter_description(self.watcher)
        scenarios.check_bad_value_is_refused(self.watcher)
        scenarios.check_tuning_while_driving(self.watcher)
        scenarios.check_goal_is_reached(self.watcher, GOAL)


@post_shutdown_test()
class TestEnd(unittest.TestCase):
    def test_all_nodes_exit_with_code_zero(self, proc_info):
        assertExitCodes(proc_info)
