"""A critic is added to the package by one function and one row."""
from __future__ import annotations

import os
from pathlib import Path
import shutil
import subprocess
import sys

import mppi_ros

ROW = (
    "    'zone_speed': "
    "Critic(_zone_speed, scales=('speed_outside_zones', 'speed_per_zone_cost')),\n"
    "}\n"
)
FUNCTION = """
@inline_njit
def turn_left(step: Any, weights: Any) -> Any:
    return weights.turn_left * max(-step.turn_rate, np.float32(0.0))


# One row for each critic"""
PROGRAM = """
import numpy as np
from mppi_ros.driving import critics
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.motion_models import MotionState
from mppi_ros.driving.objective import DrivingObjective
from mppi_ros.driving.parameters import CriticParameters, Limits, PredictionParameters
from mppi_ros.driving.path import ReferencePath

objective = DrivingObjective(
    Limits(), CriticParameters(), PredictionParameters(), Footprint.round(0.2), 20, 0.05)
objective.set_field(distance_field(Costmap(np.zeros((100, 100), np.int8), 0.1, -5.0, -5.0)))
path = ReferencePath.from_poses([(0.0, 0.0, 0.0), (4.0, 0.0, 0.0)])
objective.prepare(MotionState(0.0, 0.0, 0.0, 0.0, 0.0), (0.0, 0.0), path, 0.0)
for turn in (0.5, -0.5):
    mean = np.tile(np.float32([0.3, turn]), (20, 1))
    print(objective.cost_of_each_critic(mean)['turn_left'])
"""


def test_one_function_and_one_row_add_a_critic(tmp_path):
    package = Path(mppi_ros.__file__).parent
    shutil.copytree(package, tmp_path / 'mppi_ros', ignore=shutil.ignore_patterns('__pycache__'))
    source = tmp_path / 'mppi_ros' / 'driving' / 'critics.py'
    text = source.read_text('utf-8')
    assert text.count(ROW) == text.count('\n# One row for each critic') == 1
    weights = "lambda c, robot: {'turn_left': 2.0 * robot.dt}"
    row = f"    'turn_left': Critic({weights}, turn_left),\n}}\n"
    text = text.replace(ROW, ROW[:-2] + row)
    source.write_text(text.replace('\n# One row for each critic', FUNCTION), 'utf-8')
    environment = {'PYTHONPATH': str(tmp_path), 'NUMBA_CACHE_DIR': str(tmp_path / 'cache')}
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    left, right = map(float, done.stdout.split())
    assert left == 0.0
    assert 0.0 < right <= 2.0 * 0.5 * 1.0  # twice the turning rate [rad/s] over 1 s
