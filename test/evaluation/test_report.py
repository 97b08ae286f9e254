"""Summary and report of synthetic drives."""
from __future__ import annotations

import math

from matplotlib.figure import Figure
import numpy as np
from PIL import Image
import pytest

from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.footprint import Footprint
from mppi_ros.evaluation import report
from mppi_ros.evaluation.report import write_report
from mppi_ros.evaluation.summary import ObservedDrive, summarise, trace_of

BEGAN = 1000.0
GOAL = (4.0, 1.0, 0.0)


def straight_drive(seconds: float = 8.0, speed: float = 0.5) -> ObservedDrive:
    """Drive along x from 0: the first command comes 3 s after the start of the process."""
    drive = ObservedDrive(began=BEGAN, plan=np.array([[0.0, 1.0, 0.0], GOAL]), reached=True)
    for k in range(int(seconds * 50) + 1):
        x = 0.02 * k * speed
        drive.truth.append((BEGAN + 3.0 + 0.02 * k, x, 1.0, 0.0, speed, 0.0, 0.0))
        drive.clearance.append(0.5 + 0.2 * math.cos(x))
    drive.commands = [(BEGAN + 2.0, 0.0, 0.0, 0.0)]
    for k in range(int(seconds * 20) + 1):
        now = BEGAN + 3.0 + 0.05 * k
        drive.commands.append((now, speed, 0.0, 0.0))
        drive.statistics.append((now, {
            'solve_ms': 0.3 + 0.001 * k, 'ess': 100.0, 'temperature': 2.0,
            'smoothed_objective': -5.0, 'ticks': k + 1, 'missed_ticks': 1,
        }))
    return drive


def room() -> Costmap:
    data = np.zeros((40, 120), np.int8)
    data[:2] = data[-2:] = 100
    data[:, -20:] = -1
    return Costmap(data, 0.05, -1.0, 0.0)


def test_summary_of_a_straight_drive():
    summary = summarise(straight_drive())
    assert summary['goal_reached']
    assert not summary['contact']
    assert summary['time_s'] == pytest.approx(8.0)
    assert summary['path_length_m'] == pytest.approx(4.0)
    assert summary['min_clearance_m'] == pytest.approx(0.3, abs=1e-2)
    assert summary['first_command_s'] == pytest.approx(3.0)
    assert (summary['ticks'], summary['missed_ticks']) == (161, 1)
    assert summary['missed_share'] == pytest.approx(1 / 162, abs=1e-5)
    assert summary['solve_ms']['p50'] == pytest.approx(0.38)
    assert summary['solve_ms']['max'] == pytest.approx(0.46)


def test_summary_without_observations_has_no_values():
    summary = summarise(ObservedDrive(began=BEGAN, reason='interrupted'))
    assert not summary['goal_reached']
    assert summary['reason'] == 'interrupted'
    assert summary['time_s'] is summary['min_clearance_m'] is summary['first_command_s'] is None
    assert summary['solve_ms'] == {'p50': None, 'p99': None, 'max': None}


@pytest.mark.parametrize('how', ['measured', 'told'])
def test_contact_is_detected_by_simulator_or_clearance(how):
    drive = straight_drive()
    if how == 'measured':
        drive.clearance[7] = 0.0
    else:
        drive.touched = True
    assert summarise(drive)['contact']


def test_trace_has_the_last_known_values_of_each_tick():
    drive = straight_drive()
    trace = trace_of(drive, room(), Footprint.round(0.22).polygon, GOAL)
    assert len(trace.time) == 161
    assert trace.time[-1] == pytest.approx(8.0)
    np.testing.assert_allclose(trace.pose[:, 0], 0.5 * trace.time, atol=0.02 * 0.5 + 1e-6)
    np.testing.assert_allclose(trace.command[:, 0], 0.5)
    assert trace.statistics['ess'].shape == (161,)


@pytest.mark.parametrize('turned', [False, True], ids=['wide', 'tall'])
def test_report_is_a_picture_of_readable_size(tmp_path, turned):
    trace = trace_of(straight_drive(), room(), Footprint.round(0.22).polygon, GOAL)
    if turned:
        grid = room()
        trace.map = Costmap(np.ascontiguousarray(grid.data.T), 0.05, 0.0, -1.0)
        trace.pose[:, [0, 1]] = trace.pose[:, [1, 0]]
        trace.plan[:, [0, 1]] = trace.plan[:, [1, 0]]
        trace.goal = (1.0, 4.0, 1.57)
    write_report(trace, tmp_path / 'report.png', 'a drive')
    with Image.open(tmp_path / 'report.png') as picture:
        assert picture.size[0] == 1430
        assert len(set(picture.convert('L').get_flattened_data())) > 50


def test_report_shades_the_time_in_which_the_robot_did_not_drive(tmp_path):
    drive = straight_drive()
    count = len(drive.statistics)
    for share, name in ((0.0, 'driving'), (0.5, 'stopped')):
        drive.states = ['driving'] * int(count * (1.0 - share)) + [name] * int(count * share)
        trace = trace_of(drive, room(), Footprint.round(0.22).polygon, GOAL)
        write_report(trace, tmp_path / f'{name}.png')
    pictures = [Image.open(tmp_path / f'{name}.png').convert('RGB')
                for name in ('driving', 'stopped')]
    # Half of each of the panels has the pale colour of the state.
    driving, stopped = (
        sum(1 for r, g, b in picture.get_flattened_data() if r > 240 and 190 < g < 215)
        for picture in pictures)
    assert stopped > driving + 10_000


def test_report_is_drawn_without_a_plan(tmp_path):
    drive = straight_drive(seconds=0.1)
    drive.plan = np.empty((0, 3))
    for _, values in drive.statistics:
        values.clear()
    trace = trace_of(drive, room(), Footprint.round(0.22).polygon, GOAL)
    write_report(trace, tmp_path / 'report.png')
    assert (tmp_path / 'report.png').exists()


@pytest.mark.parametrize('sideways', [0.0, 0.4])
def test_lateral_speed_is_drawn_where_there_is_any(sideways):
    trace = trace_of(straight_drive(), room(), Footprint.round(0.22).polygon, GOAL)
    trace.command[:, 1] = sideways
    trace.twist[:, 1] = sideways
    axes = Figure().subplots()
    report._draw_speed(axes, trace)
    lines = axes.get_lines()
    assert len(lines) == (4 if sideways else 2)
    assert ('to the left' in axes.get_title('left')) == bool(sideways)
    if sideways:
        np.testing.assert_array_equal(lines[-1].get_ydata(), trace.command[:, 1])
