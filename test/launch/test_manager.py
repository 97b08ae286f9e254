"""mppi_controller.launch.py with a lifecycle manager and with an invalid parameter file."""
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
from system.harness import FakeRobot, Watcher, compile_kernels  # noqa: E402

from mppi_ros.evaluation.processes import free_domain  # noqa: E402

MISSPELT = '/**/mppi_controller:\n  ros__parameters:\n    lamda: 0.5\n'


def controller(**arguments):
    """Include the launch file of the controller."""
    file = PathJoinSubstitution(
        [FindPackageShare('mppi_ros'), 'launch', 'mppi_controller.launch.py'])
    return IncludeLaunchDescription(file, launch_arguments=arguments.items())


@pytest.mark.launch_test
@keep_alive
def generate_test_description():
    compile_kernels()
    os.environ['ROS_DOMAIN_ID'] = str(free_domain())
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    misspelt = Path(tempfile.mkdtemp()) / 'misspelt.yaml'
    misspelt.write_text(MISSPELT, 'utf-8')
    return LaunchDescription([
        controller(autostart='false', namespace='managed'),
        controller(params_file=str(misspelt), namespace='misspelt'),
        ReadyToTest()])


class TestManager(unittest.TestCase):
    def setUp(self):
        self.watcher = Watcher(namespace='managed')

    def tearDown(self):
        self.watcher.close()

    def test_lifecycle_manager_completes_all_transitions(self):
        FakeRobot(self.watcher)
        scenarios.check_lifecycle(self.watcher)

    def test_misspelt_parameter_is_reported_with_the_nearest_name(self, proc_output):
        proc_output.assertWaitFor('unknown parameter lamda; did you mean lambda?', timeout=60)
