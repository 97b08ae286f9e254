"""Suite f1tenth: published tracks are read, and a car drives flying laps on them."""
from __future__ import annotations

import dataclasses
import math

import numpy as np
from PIL import Image
import pytest

from mppi_ros.driving.path import ReferencePath
from mppi_ros.evaluation.case import RUN_UP_LENGTH
from mppi_ros.evaluation.f1tenth import GRIP_SHARE
from mppi_ros.evaluation.request import Request, read_robot
from mppi_ros.evaluation.suites import cases_of
from mppi_ros.parameters.declaration import replace
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.physics import PhysicsParameters

RADIUS, STRAIGHT, SPEED = 8.0, 25.0, 7.0
AROUND = 2.0 * (STRAIGHT + math.pi * RADIUS)
CELL = 0.1


def oval(aside, arcs, radius=RADIUS):
    """Return x, y of an oval, driven counter-clockwise, `aside` [m] to its left."""
    points, around = [], 2.0 * (STRAIGHT + math.pi * radius)
    for arc in np.asarray(arcs) % around:
        half, arc = divmod(arc, around / 2.0)
        if arc < STRAIGHT:
            x, y = arc - STRAIGHT / 2.0, aside - radius
        else:
            turn = (arc - STRAIGHT) / radius
            x = STRAIGHT / 2.0 + (radius - aside) * math.sin(turn)
            y = -(radius - aside) * math.cos(turn)
        points.append((x, y) if half == 0.0 else (-x, -y))
    return np.array(points)


@pytest.fixture
def tracks(tmp_path):
    return write_oval(tmp_path, RADIUS, SPEED)


def write_oval(tmp_path, radius, top_speed):
    """Write one track, 2.4 m wide, in the form of f1tenth_racetracks; return its folder."""
    folder = tmp_path / 'tracks' / 'Oval'
    folder.mkdir(parents=True)
    around = 2.0 * (STRAIGHT + math.pi * radius)
    arcs = np.arange(0.0, around, 0.4)
    centre = oval(0.0, arcs, radius)
    np.savetxt(folder / 'Oval_centerline.csv', np.hstack([centre, np.full((len(arcs), 2), 1.2)]),
               delimiter=', ', header='x_m, y_m, w_tr_right_m, w_tr_left_m')
    curvature = np.where(arcs % (around / 2.0) < STRAIGHT, 0.0, 1.0 / radius)
    speed = np.full(len(arcs) + 1, top_speed)
    line = np.column_stack([
        np.append(arcs, around), *np.vstack([centre, centre[:1]]).T, np.zeros(len(speed)),
        np.append(curvature, 0.0), speed, np.linspace(-5.0, 3.0, len(speed)),
    ])
    np.savetxt(folder / 'Oval_raceline.csv', line, delimiter=';', header='s_m; x_m; y_m; ...')
    side = 2 * (radius + 3.0)
    width, height = round((STRAIGHT + side) / CELL), round(side / CELL)
    grey = np.full((height, width), 255, np.uint8)
    for aside in (-1.2, 1.2):
        x, y = oval(aside, np.arange(0.0, around, 0.02), radius).T
        column = ((x + width * CELL / 2) / CELL).astype(int)
        grey[height - 1 - ((y + side / 2) / CELL).astype(int), column] = 0
    Image.fromarray(grey).save(folder / 'Oval_map.png')
    (folder / 'Oval_map.yaml').write_text(
        f'image: Oval_map.png\nresolution: {CELL}\norigin: [{-width * CELL / 2}, {-side / 2}, 0]\n'
        'negate: 0\noccupied_thresh: 0.45\nfree_thresh: 0.196\n'
    )
    return folder.parent


def case_of(tracks):
    (case,) = cases_of('f1tenth', Request(data=tracks))
    return case


def test_car_knows_the_centre_line_and_the_limits_of_the_race_line(tracks):
    case = case_of(tracks)
    limits = case.configuration.limits
    assert case.configuration.motion_model == 'ackermann'
    assert (limits.vx_max, limits.ax_max, limits.ax_min) == (SPEED, 3.0, -5.0)
    assert case.grip == pytest.approx(SPEED**2 / RADIUS, abs=1e-3)
    assert limits.ay_max == pytest.approx(GRIP_SHARE * case.grip, abs=1e-3)
    assert case.lap_time == pytest.approx(AROUND / SPEED, rel=1e-6)
    centre = oval(0.0, np.arange(0.0, AROUND, 0.02))
    for x, y, _ in case.path[::10]:
        assert np.hypot(*(centre - (x, y)).T).min() < 0.03


def test_a_race_line_at_constant_speed_leaves_the_longitudinal_limits_of_the_car(tracks):
    path = tracks / 'Oval' / 'Oval_raceline.csv'
    line = np.loadtxt(path, delimiter=';')
    line[:, 6] = 0.0
    np.savetxt(path, line, delimiter=';')
    limits, car = case_of(tracks).configuration.limits, read_robot('f1tenth_racing').limits
    assert limits.vx_max == SPEED
    assert (limits.ax_max, limits.ax_min) == (car.ax_max, car.ax_min)


def test_course_is_closed_and_begins_the_run_up_before_the_line(tracks):
    case = case_of(tracks)
    assert case.path[0] == case.path[-1]
    line = ReferencePath.from_poses(np.array(case.path)[:, :2])
    assert line.length == pytest.approx(AROUND, rel=2e-3)
    at_line = [np.interp(RUN_UP_LENGTH, line.arc, axis) for axis in line.points.T]
    assert math.dist(at_line, oval(0.0, [0.0])[0]) < 0.2
    episode = case.episode(case.ideal_time())
    assert np.diff(episode.timing_gates) == pytest.approx(AROUND, rel=2e-3)
    assert episode.timing_gates[-1] < ReferencePath.from_poses(episode.path[:, :2]).length


def test_a_car_drives_two_flying_laps_without_contact_and_they_are_timed(tracks):
    case = case_of(tracks)
    quick = replace(case.configuration, {'samples': 1000})
    result, episode = dataclasses.replace(case, configuration=quick).run()
    assert result['passed'], episode.reason
    assert result['min_clearance_m'] > 0.1
    assert len(result['lap_times_s']) == 2
    assert result['time_s'] == pytest.approx(sum(result['lap_times_s']))
    assert result['score'] == pytest.approx(2.0 * case.lap_time / result['time_s'])
    assert result['score'] > 0.9
    trace = episode.trace
    held = np.abs(trace.twist[:, 0] * trace.twist[:, 2]).max()
    assert held <= case.grip + 1e-6
    assert np.all(np.diff(trace.statistics['progress'][:-1]) > -0.2)
    assert np.all(np.diff(trace.statistics['progress'][:-1]) < 0.5)


def test_a_car_whose_tyres_slip_races_with_their_model_and_is_lost_without_it(tmp_path):
    tracks = write_oval(tmp_path, radius=6.7, top_speed=8.0)
    slips, results = PhysicsParameters('single_track', 'f1tenth'), []
    for changes in ({}, {'prediction.characteristic_speed': 0.0}):
        (case,) = cases_of('f1tenth', Request(data=tracks, physics=slips))
        quick = replace(case.configuration, {'samples': 1000, **changes})
        results.append(dataclasses.replace(case, configuration=quick).run()[0])
    known, unknown = results
    assert known['passed']
    assert known['min_clearance_m'] > 0.2
    assert known['score'] > 0.9
    assert unknown['collision']


@pytest.mark.parametrize(
    ('name', 'text', 'told'),
    [
        ('Oval_raceline.csv', None, 'Oval_raceline.csv'),
        ('Oval_raceline.csv', '0;0;0;0;0;0;0\n' * 4, 'not a race line'),
        ('Oval_raceline.csv', 'a;b\n', 'Oval_raceline.csv'),
        ('Oval_centerline.csv', '0, 0, 1, 1\n1, 0, 1, 1\n1, 1, 1, 1\n', 'not a course'),
        ('Oval_centerline.csv', '0, 0\nnan, 0\n1, 1\n', 'finite'),
        ('Oval_map.yaml', None, 'Oval_map.yaml'),
    ],
)
def test_invalid_track_is_named_before_any_episode_runs(tracks, name, text, told):
    path = tracks / 'Oval' / name
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(InputError, match=told):
        case_of(tracks)


def test_folder_without_tracks_is_rejected(tmp_path):
    with pytest.raises(InputError, match='no track'):
        cases_of('f1tenth', Request(data=tmp_path))


def test_published_tracks_are_read(data):
    cases = cases_of('f1tenth', Request(data=data / 'f1tenth_racetracks'))
    assert len(cases) >= 4
    for case in cases:
        assert case.configuration.limits.vx_max == pytest.approx(8.0)
        assert case.grip == pytest.approx(10.0, abs=0.1)
