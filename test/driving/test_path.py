"""The reference path keeps its shape and the progress along it never jumps."""
from __future__ import annotations

import math

import numpy as np
import pytest

from mppi_ros.driving.path import EQUALLY_NEAR, MAX_LENGTH, ReferencePath, sections
from mppi_ros.parameters.errors import InputError


def u_turn(gap: float) -> ReferencePath:
    return ReferencePath.from_poses([[0.0, 0.0], [5.0, 0.0], [5.0, gap], [0.0, gap]])


def test_points_are_evenly_spaced_from_the_first_to_the_last_pose():
    path = ReferencePath.from_poses([[0.0, 0.0], [1.02, 0.0], [1.02, 0.0], [1.02, 2.0]])
    assert path.length == pytest.approx(3.02)
    assert np.ptp(np.diff(path.arc)) < 1e-9
    assert path.arc[1] <= 0.05
    np.testing.assert_array_equal(path.points[[0, -1]], [[0.0, 0.0], [1.02, 2.0]])
    assert len(path.points) == len(path.yaw) == len(path.arc)


def test_yaw_points_along_the_path():
    angle = np.linspace(0.0, math.pi, 400)
    path = ReferencePath.from_poses(2.0 * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    expected = path.arc / 2.0 + math.pi / 2.0
    error = np.angle(np.exp(1j * (path.yaw - expected)))
    assert np.abs(error).max() < 0.02


def test_goal_faces_as_the_last_pose_says():
    path = ReferencePath.from_poses([[0.0, 0.0, 0.3], [1.0, 1.0, 1.2 + 2.0 * math.pi]])
    assert path.goal == pytest.approx((1.0, 1.0, 1.2))


def test_goal_faces_along_the_path_without_yaws():
    path = ReferencePath.from_poses([[0.0, 0.0], [1.0, 1.0]])
    assert path.goal == pytest.approx((1.0, 1.0, math.pi / 4.0))


@pytest.mark.parametrize('poses', [[[1.0, 2.0, 0.5]], [[1.0, 2.0, 9.0], [1.0, 2.0, 0.5]]])
def test_a_single_point_is_a_path(poses):
    path = ReferencePath.from_poses(poses)
    assert path.length == 0.0
    assert path.goal == pytest.approx((1.0, 2.0, 0.5))
    assert path.project(1.0, 5.0) == pytest.approx((0.0, 3.0))
    assert path.project(1.0, 5.0, hint=0.0) == pytest.approx((0.0, 3.0))


@pytest.mark.parametrize(
    ('poses', 'message'),
    [
        (np.empty((0, 3)), 'shape'),
        ([1.0, 2.0, 3.0], 'shape'),
        (np.zeros((3, 4)), 'shape'),
        ([[0.0, 0.0, 0.0], [1.0, np.nan, 0.0]], 'pose 1'),
        ([[0.0, 0.0, 0.0], [1.0, 0.0, np.inf]], 'pose 1'),
        ([[0.0, 0.0], [2.0 * MAX_LENGTH, 0.0]], 'long'),
        ([[-1e308, 0.0], [1e308, 0.0]], 'long'),
    ],
)
def test_unfit_poses_are_rejected(poses, message):
    with pytest.raises(InputError, match=message):
        ReferencePath.from_poses(poses)


def test_projection_equals_the_nearest_point_of_a_fine_sampling():
    rng = np.random.default_rng(4)
    path = ReferencePath.from_poses(rng.normal(size=(6, 2)).cumsum(axis=0))
    fine = np.linspace(0.0, path.length, 20001)
    curve = np.stack([np.interp(fine, path.arc, axis) for axis in path.points.T], axis=1)
    for x, y in rng.normal(size=(50, 2)) * 3.0:
        away = np.hypot(*(curve - [x, y]).T)
        nearest = away.min()
        assert nearest - 1e-3 < abs(path.project(x, y)[1]) < nearest + EQUALLY_NEAR + 1e-3
        arc, cross_track = path.project(x, y, hint=fine[np.argmin(away)])
        assert abs(cross_track) == pytest.approx(nearest, abs=1e-3)
        on_path = [np.interp(arc, path.arc, axis) for axis in path.points.T]
        assert math.dist(on_path, (x, y)) == pytest.approx(nearest, abs=1e-3)


def test_cross_track_is_positive_on_the_left():
    path = ReferencePath.from_poses([[0.0, 0.0], [0.0, 3.0]])
    assert path.project(-0.2, 1.0) == pytest.approx((1.0, 0.2))
    assert path.project(0.3, 1.0, hint=0.9) == pytest.approx((1.0, -0.3))


def test_progress_stays_on_its_branch_of_a_u_turn():
    path = u_turn(gap=0.4)
    outbound, _ = path.project(2.0, 0.25, hint=1.9)
    assert outbound == pytest.approx(2.0, abs=0.05)
    homebound, _ = path.project(2.0, 0.15, hint=8.3)
    assert homebound == pytest.approx(8.4, abs=0.05)


def test_progress_goes_round_a_u_turn():
    path = u_turn(gap=0.4)
    progress = 0.0
    for arc in np.arange(0.0, path.length, 0.1):
        x, y = (np.interp(arc, path.arc, axis) for axis in path.points.T)
        progress, cross_track = path.project(x, y, hint=progress)
        assert progress == pytest.approx(arc, abs=0.05)
        assert abs(cross_track) < 0.05


def test_progress_stays_on_its_branch_of_a_crossing():
    turn = np.linspace(0.0, 2.0 * math.pi, 400)
    path = ReferencePath.from_poses(3.0 * np.stack([np.sin(turn), np.sin(2.0 * turn)], axis=1))
    progress = 0.0
    for arc in np.arange(0.0, path.length, 0.1):
        x, y = (np.interp(arc, path.arc, axis) for axis in path.points.T)
        progress, _ = path.project(x, y, hint=progress)
        assert progress == pytest.approx(arc, abs=0.05)


@pytest.mark.parametrize('gap', [0.0, 1e-12, 0.04])
def test_without_a_hint_a_robot_beside_the_start_of_a_round_trip_is_at_its_start(gap):
    """The end of the round trip is nearer to the robot by `gap` [m]."""
    path = ReferencePath.from_poses([
        (0.0, 0.0), (0.0, 1.0), (-2.0, 1.0), (-2.0, -gap), (0.0, -gap)])
    for x in (0.0, 0.2):
        assert path.project(x, -0.5)[0] == 0.0
        assert path.project(x, -0.5, hint=path.length)[0] == pytest.approx(path.length)


def test_without_a_hint_a_closed_course_starts_at_its_start():
    path = ReferencePath.from_poses([[0.0, 0.0], [3.0, 0.0], [3.0, 3.0], [0.0, 3.0], [0.0, 0.0]])
    assert path.project(0.0, 0.0)[0] == 0.0


@pytest.mark.parametrize('hint', [-100.0, 1e9])
def test_hint_beyond_the_ends_is_harmless(hint):
    arc, _ = u_turn(0.4).project(2.0, 0.0, hint=hint)
    assert 0.0 <= arc <= u_turn(0.4).length


def test_a_plan_that_never_stops_reversing_is_refused():
    zigzag = np.zeros((1000, 2))
    zigzag[::2, 0] = 1.0
    with pytest.raises(InputError, match='plan reverses 998 times, limit 99'):
        sections(zigzag)
