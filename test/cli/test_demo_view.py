"""Live view: every subscribed message is displayed; a missing Rerun is reported in one line."""
from __future__ import annotations

import os
from pathlib import Path
import sys

import numpy as np
import pytest

from mppi_ros.cli import demo
from mppi_ros.parameters.errors import MppiError


def test_view_without_rerun_is_rejected_in_one_line(monkeypatch, capsys):
    find = demo.find_spec
    monkeypatch.setattr(demo, 'find_spec', lambda name: None if name == 'rerun' else find(name))
    assert demo.main(['--view']) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert 'pip install rerun-sdk' in error


def test_viewer_is_found_next_to_the_interpreter_and_a_failure_is_reported(monkeypatch):
    rerun = pytest.importorskip('rerun', reason='needs Rerun: pip install rerun-sdk')
    from mppi_ros.cli.demo_view import View

    folder = str(Path(sys.executable).parent)
    monkeypatch.setenv('PATH', '/nowhere')
    monkeypatch.setattr(rerun, 'spawn', lambda: None)
    View('title')
    assert os.environ['PATH'].split(os.pathsep) == [folder, '/nowhere']

    def fail():
        raise RuntimeError('no viewer here\n\ninstall it')

    monkeypatch.setattr(rerun, 'spawn', fail)
    with pytest.raises(MppiError, match='^the viewer does not start: no viewer here$'):
        View('title')


def test_every_topic_can_be_displayed(tmp_path):
    pytest.importorskip('rclpy', reason='needs ROS 2')
    pytest.importorskip('rerun', reason='needs Rerun: pip install rerun-sdk')
    from geometry_msgs.msg import TwistStamped
    from rclpy.serialization import deserialize_message
    from visualization_msgs.msg import MarkerArray

    from mppi_ros.cli.demo_view import View
    from mppi_ros.driving.costmap import Costmap
    from mppi_ros.ros import conversions, markers

    cells = np.zeros((4, 4), np.int8)
    cells[1, 2] = 100
    grid = conversions.costmap_to_msg(Costmap(cells, 0.1, 0.0, 0.0), 1.0, 'map')
    path = conversions.path_to_msg([(0.0, 0.0, 0.0), (1.0, 0.0, 0.0)], 1.0, 'map')
    samples = deserialize_message(
        markers.candidates_to_bytes(
            np.zeros((2, 10, 3), np.float32), np.ones(2, np.float32), stamp=1.0, frame='map'),
        MarkerArray)
    outline = markers.polygon_to_msg(np.eye(2), (0.0, 0.0, 0.0), 1.0, 'map')
    values = {'state': 'driving', 'ess': 100.0, 'cost.progress': 1.0, 'kl': float('nan')}
    status = conversions.diagnostics_to_msg(1.0, 'control', b'\x00', 'ok', values)
    messages = {
        '/map': grid, '/costmap': grid, '/plan': path, '/cmd_vel': TwistStamped(),
        '/mppi_controller/optimal_trajectory': path,
        '/mppi_controller/candidate_trajectories': samples,
        '/mppi_controller/footprint': outline, '/mppi_controller/statistics': status,
    }
    view = View('test', tmp_path / 'drive.rrd')
    assert set(messages) == set(view.readers)
    for topic, message in messages.items():
        view.show(1.0, topic, message)
    view.show(2.0, '/plan', conversions.path_to_msg([], 2.0, 'map'))
    assert (tmp_path / 'drive.rrd').exists()
