"""Trajectories pass through what was recorded, and damaged records end with one line."""

from __future__ import annotations

import json
import math

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest

from mppi_ros.driving.costmap import Costmap
from mppi_ros.evaluation.people import crowdnav, dynabarn, tracks
from mppi_ros.evaluation.people.trajectories import (
    Trajectory,
    cardinal_spline,
    polyline,
    positions,
    smooth_track,
)
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.world import World

TIMES = np.array([0.0, 1.0, 2.5, 3.0])
CLOSED = np.array([[0.0, 0.0], [1.0, 2.0], [-1.0, 1.0], [0.0, 0.0]])
POINTS = arrays(np.float64, (4, 2), elements=st.floats(-10.0, 10.0))


@pytest.mark.parametrize('curve', [cardinal_spline, polyline, lambda t, p: smooth_track(t, p, 1)])
@given(points=POINTS)
def test_curves_pass_through_their_key_frames(curve, points):
    assert curve(TIMES, points)(TIMES) == pytest.approx(points, abs=1e-9)


def test_tangent_of_the_cardinal_spline_is_half_the_difference_of_the_neighbours():
    velocity = cardinal_spline(TIMES, CLOSED).derivative()
    assert velocity(TIMES[1]) == pytest.approx(0.5 * (CLOSED[2] - CLOSED[0]) / 1.5)
    # The closed curve shares the tangent of its ends, by the parameter of each segment.
    shared = 0.5 * (CLOSED[1] - CLOSED[2])
    assert velocity(0.0) == pytest.approx(shared / 1.0)
    assert velocity(3.0 - 1e-9) == pytest.approx(shared / 0.5, abs=1e-6)


@given(st.floats(-20.0, 20.0), st.floats(0.0, 3.0))
def test_a_periodic_trajectory_repeats(time, phase):
    disc = Trajectory(cardinal_spline(TIMES, CLOSED), 0.5, 0.0, 3.0, phase, periodic=True)
    assert disc.at(time + 3.0) == pytest.approx(disc.at(time), abs=1e-6)


def test_a_track_goes_on_at_constant_velocity_and_then_is_gone():
    points = np.array([[0.0, 0.0], [1.0, 0.5], [1.5, 1.0], [1.5, 2.0]])
    disc = Trajectory(smooth_track(TIMES, points, 2.0), 0.3, -2.0, 5.0)
    assert disc.at(-1.0) == pytest.approx((-1.0, -0.5, 0.3))
    assert disc.at(4.0) == pytest.approx((1.5, 4.0, 0.3))
    assert disc.at(-2.1) is None and disc.at(5.1) is None


def test_the_world_shows_only_what_is_there():
    grid = Costmap(np.zeros((10, 10), np.int8), 0.1, 0.0, 0.0)
    line = polyline([0.0, 1.0], [[0.0, 0.0], [1.0, 0.0]])
    world = World(grid, np.zeros((0, 3)), (Trajectory(line, 0.2, 0.0, 1.0),), solid_cells=False)
    assert world.discs(0.5) == pytest.approx(np.array([[0.5, 0.0, 0.2]]))
    assert world.discs(2.0).shape == (0, 3)
    assert np.isnan(positions(world.moving_obstacles, [0.5, 2.0])[1]).all()
    assert world.clearance(0.1, (0.5, 1.0, 0.0), time=0.5) == pytest.approx(0.7)
    assert world.clearance(0.1, (0.5, 1.0, 0.0), time=2.0) > 1.0


@pytest.mark.parametrize(('times', 'points', 'words'), [
    ([0.0], [[0.0, 0.0]], 'shapes'),
    ([0.0, 1.0], [[0.0, 0.0]], 'shapes'),
    ([0.0, 0.0], [[0.0, 0.0], [1.0, 0.0]], 'increase strictly'),
    ([0.0, 1.0], [[0.0, 0.0], [math.nan, 0.0]], 'not finite'),
])  # fmt: skip
def test_impossible_key_frames_are_rejected(times, points, words):
    with pytest.raises(InputError, match=words):
        cardinal_spline(times, points)


def obstacle(**changes):
    frames = np.column_stack([TIMES, CLOSED]).tolist()
    return {'period_s': 3.0, 'keyframes': frames, **changes}


def write_world(path, **changes):
    content = {'radius_m': 0.5, 'obstacles': [obstacle()], **changes}
    path.write_text(json.dumps(content))
    return path


def test_the_phase_of_a_cylinder_is_drawn_by_the_seed(tmp_path):
    path = write_world(tmp_path / 'world_1.json')
    one, again, other = (dynabarn.load(path, seed)[0].at(0.0) for seed in (1, 1, 2))
    assert one == again != other


@pytest.mark.parametrize(('changes', 'words'), [
    ({'radius_m': -1.0}, 'radius_m'),
    ({'obstacles': [obstacle(period_s=4.0)]}, 'obstacle 0: keyframes must go from 0'),
    ({'obstacles': [obstacle(keyframes=[[0.0, 1.0]])]}, 'obstacle 0: keyframes are not'),
    ({'obstacles': [obstacle(keyframes=[[0.0, 1.0, 0.0], [0.0, 1.0, 1.0]])]}, 'increase'),
    ({'obstacles': [{}]}, 'period_s'),
    ({'obstacles': 3}, 'not a DynaBARN world'),
])  # fmt: skip
def test_a_damaged_world_is_named(tmp_path, changes, words):
    path = write_world(tmp_path / 'world_1.json', **changes)
    with pytest.raises(InputError, match=words) as told:
        dynabarn.load(path, 0)
    assert str(path) in str(told.value)


@pytest.mark.parametrize(('changes', 'words'), [
    ({'positions': np.zeros((3, 4, 5))}, 'shape'),
    ({'positions': np.full((1, 2, 1, 2), math.nan)}, 'not finite'),
    ({'time_step': -1.0}, 'is outside'),
])  # fmt: skip
def test_damaged_cases_are_named(tmp_path, changes, words):
    path = tmp_path / 'cases.npz'
    content = {'positions': np.zeros((1, 2, 1, 2)), 'time_step': 0.25, 'radius': 0.3, **changes}
    np.savez(path, **content)
    with pytest.raises(InputError, match=words) as told:
        crowdnav.read(path)
    assert str(path) in str(told.value)
    path.write_bytes(b'no archive')
    with pytest.raises(InputError, match='not a record of CrowdNav'):
        crowdnav.read(path)


@pytest.mark.parametrize(('text', 'words'), [
    ('', 'first line'),
    ('a,b,c\n', 'first line'),
    (f'{tracks.COLUMNS}\n', '4 finite numbers'),
    (f'{tracks.COLUMNS}\n0.0,1,x,2.0\n', 'could not convert'),
    (f'{tracks.COLUMNS}\n0.0,1,1.0,2.0\n0.0,1,1.0,3.0\n', 'at the same time'),
    (f'{tracks.COLUMNS}\n0.0,1,1.0,2.0\n', 'no person'),
])  # fmt: skip
def test_damaged_tracks_are_named(tmp_path, text, words):
    path = tmp_path / 'tracks.csv'
    path.write_text(text)
    with pytest.raises(InputError, match=words) as told:
        tracks.read(path)
    assert str(path) in str(told.value)


def stream(count=12):
    """People that walk one after the other along x at 1 m/s, from −6 to 6 m."""
    times = np.arange(0.0, 12.1, 0.4)
    points = np.column_stack([times - 6.0, 0.01 * times])
    return {n: (times + 5.0 * n, points + [0.0, 0.3 * (n % 3)]) for n in range(count)}


def test_the_robot_drives_along_against_and_across_the_stream():
    people = stream()
    ways = {way: tracks.drive(people, 'a', way, 0, 0) for way in tracks.DIRECTIONS}
    moved = {way: np.subtract(one.goal, one.start) for way, one in ways.items()}
    assert moved['along'][0] > 5.0 and abs(moved['along'][1]) < 0.1
    assert moved['against'][0] < -5.0
    assert abs(moved['across'][0]) < 0.1 and abs(moved['across'][1]) > 2.0
    assert tracks.drive(people, 'a', 'along', 0, 0) == ways['along']
    assert tracks.drive(people, 'a', 'along', 0, 1) != ways['along']
    with pytest.raises(InputError, match='no time has'):
        tracks.drive(stream(1), 'a', 'along', 0, 0)


def test_recorded_data_is_read(data):
    folder = data / 'people'
    if not folder.is_dir():
        pytest.skip(f'{folder} is not there')
    worlds = dynabarn.worlds(folder / 'dynabarn')
    assert all(dynabarn.load(path, 0) for path in worlds.values())
    for path in sorted((folder / 'eth_ucy').glob('*.csv')):
        for way in tracks.DIRECTIONS:
            tracks.drive(tracks.read(path), path.stem, way, 0, 0)
    found, step, radius = crowdnav.read(folder / 'crowdnav' / 'cases_0_249.npz')
    people = crowdnav.load(folder / 'crowdnav' / 'cases_0_249.npz', 3)
    assert people[2].at(4 * step) == pytest.approx((*found[3, 4, 2], radius))
