"""What moves on a costmap is found with its velocity, and nothing else is."""
from __future__ import annotations

import math

import numpy as np
from plain_robot import room
import pytest

from mppi_ros.driving.costmap import LETHAL, Costmap
from mppi_ros.driving.costmap_tracking import update_tracks
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.obstacle_prediction import (
    DynamicObstacle,
    field_with_obstacles,
    predict_obstacles,
)
from mppi_ros.driving.visible_cells import VisibleCells

PERIOD = 0.1  # [s] between two costmaps


def drawn(costmap: Costmap, x: float, y: float, radius: float) -> Costmap:
    """Return the costmap with a disc."""
    data, res = costmap.data.copy(), costmap.resolution
    height, width = data.shape
    columns = costmap.origin_x + (np.arange(width) + 0.5) * res
    rows = costmap.origin_y + (np.arange(height)[:, None] + 0.5) * res
    data[np.hypot(columns - x, rows - y) <= radius] = LETHAL
    return Costmap(data, res, costmap.origin_x, costmap.origin_y)


def watched(seconds, disc, eye=lambda time: (-3.0, 0.0), wake=False):
    """Follow a disc (x, y, radius as functions of time); return the tracks and the rest."""
    tracks, shown = (), room()
    for step in range(round(seconds / PERIOD) + 1):
        time = step * PERIOD
        shown = drawn(shown if wake else room(), *disc(time))
        tracks, rest = update_tracks(tracks, time, shown, eye(time))
    return tracks, rest


@pytest.mark.parametrize('way', [0.0, 0.7, math.pi / 2.0, 2.5, math.pi, -1.2])
@pytest.mark.parametrize('speed', [0.3, 1.0])
def test_a_disc_that_moves_is_found_with_its_velocity(way, speed):
    vx, vy = speed * math.cos(way), speed * math.sin(way)
    tracks, rest = watched(1.0, lambda t: (0.5 + vx * t, 0.3 + vy * t, 0.25))
    (obstacle,) = [track.obstacle for track in tracks if track.moves]
    assert (obstacle.vx, obstacle.vy) == pytest.approx((vx, vy), abs=0.12)
    x, y = 0.5 + vx, 0.3 + vy
    assert math.dist((obstacle.x, obstacle.y), (x, y)) < 0.15
    assert obstacle.radius == pytest.approx(0.25, abs=0.1)
    assert (rest.data == LETHAL).sum() == (room().data == LETHAL).sum()


@pytest.mark.parametrize('offset', [0.5, 1.0, 2.0])
def test_a_thing_at_rest_never_moves_for_a_robot_that_drives_by(offset):
    tracks = ()
    shown = drawn(room(), 0.0, offset, 0.2)
    for step in range(60):
        eye = (-3.0 + 0.1 * step, 0.0)  # 1 m/s
        tracks, rest = update_tracks(tracks, step * PERIOD, shown, eye)
        assert not any(track.moves for track in tracks)
        assert rest is shown


def test_a_thing_that_is_seen_better_and_better_does_not_move():
    tracks, rest = watched(1.5, lambda t: (0.5 + 0.1 * t, 0.0, 0.1 + 0.1 * t), wake=True)
    assert not any(track.moves for track in tracks)


def test_the_wake_of_what_comes_nearer_goes_with_it_and_walls_stay():
    tracks, rest = watched(1.5, lambda t: (2.5 - 0.8 * t, 0.0, 0.25), wake=True)
    assert [track.obstacle.vx for track in tracks if track.moves] == pytest.approx([-0.8], abs=0.1)
    assert (rest.data == LETHAL).sum() == (room().data == LETHAL).sum()


def test_movers_are_told_for_any_time_and_none_has_no_rows():
    assert predict_obstacles([], 3.0).shape == (0, 5)
    np.testing.assert_allclose(
        predict_obstacles([DynamicObstacle(1.0, 2.0, 3.0, 0.5, -1.0, 0.2)], 3.0),
        [[3.0, 1.0, 0.5, -1.0, 0.2]],
    )


def test_a_robot_meets_what_moves_where_both_will_be():
    still = distance_field(room())
    assert field_with_obstacles(still, [], (0.0, 0.0), 0.5, 2.8) is still
    coming = [DynamicObstacle(0.0, 2.0, 0.0, -0.5, 0.0, 0.2)]
    field = field_with_obstacles(still, coming, (0.0, 0.0), 1.0, 2.8)
    assert field.at(np.array([1.02]), np.array([0.02]))[0] == 0.0
    assert field.at(np.array([2.02]), np.array([0.02]))[0] == pytest.approx(0.8, abs=0.05)
    soon = field_with_obstacles(still, coming, (0.0, 0.0), 1.0, 1.0)
    assert soon.at(np.array([1.52]), np.array([0.02]))[0] == 0.0


def followed(seconds, discs, eye=(-3.0, 0.0), fixed=lambda costmap: costmap, tracks=()):
    """Track discs, each a function of time to (x, y, radius) or None; return all steps' tracks."""
    steps = []
    for step in range(round(seconds / PERIOD) + 1):
        shown = fixed(room())
        for disc in discs:
            if disc(step * PERIOD) is not None:
                shown = drawn(shown, *disc(step * PERIOD))
        tracks, rest = update_tracks(tracks, step * PERIOD, shown, eye)
        steps.append((step * PERIOD, [track.obstacle for track in tracks if track.moves], rest))
    return steps


def wall(costmap: Costmap) -> Costmap:
    """Return the costmap with a wall x = -0.5 m from y = 0 m to 1 m."""
    data = costmap.data.copy()
    data[60:80, 90] = LETHAL
    return Costmap(data, costmap.resolution, costmap.origin_x, costmap.origin_y)


def test_an_obstacle_behind_a_wall_is_predicted_for_a_while():
    steps = followed(4.0, [lambda t: (0.5, -1.2 + min(0.8 * t, 2.0), 0.2)], fixed=wall)
    moving_obstacles = {round(time, 1): found for time, found, _ in steps}
    for time in (1.5, 2.0, 2.3):  # hidden from 1.4 s on
        (obstacle,) = moving_obstacles[time]
        assert math.dist((obstacle.x, obstacle.y), (0.5, -1.2 + 0.8 * time)) < 0.2
        assert obstacle.vy == pytest.approx(0.8, abs=0.15)
    assert not moving_obstacles[3.4]


def test_an_obstacle_whose_place_is_seen_free_is_dropped_at_once():
    steps = followed(1.6, [lambda t: (0.5, -0.5 + 0.8 * t, 0.2) if t < 1.05 else None])
    moving_obstacles = {round(time, 1): found for time, found, _ in steps}
    assert moving_obstacles[1.0]
    assert not moving_obstacles[1.3]


def test_obstacles_that_touch_keep_their_tracks():
    steps = followed(2.4, [lambda t: (0.5, -1.2 + 0.8 * t, 0.25),
                           lambda t: (1.0, 0.8 - 0.8 * t, 0.25)])  # they touch from 0.8 s to 1.7 s
    for time, moving_obstacles, _ in steps[8:]:
        up, down = sorted(moving_obstacles, key=lambda obstacle: -obstacle.vy)
        assert math.dist((up.x, up.y), (0.5, -1.2 + 0.8 * time)) < 0.3
        assert math.dist((down.x, down.y), (1.0, 0.8 - 0.8 * time)) < 0.3
        assert (up.vy, down.vy) == pytest.approx((0.8, -0.8), abs=0.3)


def test_obstacles_side_by_side_are_found_together():
    """Each hides a side of the other one."""
    steps = followed(2.0, [lambda t: (1.5 - 0.8 * t, 0.4, 0.25),
                           lambda t: (1.2 - 0.8 * t, -0.2, 0.25)])
    for _, moving_obstacles, _ in steps[10:]:
        assert moving_obstacles
        assert moving_obstacles[0].vx == pytest.approx(-0.8, abs=0.3)


def test_cells_are_in_one_group_up_to_a_gap():
    shown = drawn(drawn(room(), 0.5, 0.5, 0.2), 0.5, -0.2, 0.2)  # 0.3 m apart
    view = VisibleCells.of(shown, (-3.0, 0.0), 8.0)
    cells = np.flatnonzero(np.hypot(view.x - 0.5, view.y - 0.15) < 0.8)
    assert [len(view.clusters(cells, gap)) for gap in (0.0, 0.2, 0.5)] == [2, 2, 1]


def test_an_obstacle_half_hidden_by_one_that_moves_is_found():
    """The second one moves along beside the first and always shows one side."""
    steps = followed(1.5, [lambda t: (0.0, -0.8 + 0.5 * t, 0.2),
                           lambda t: (0.8, -0.55 + 0.6 * t, 0.25)])
    assert len(steps[-1][1]) == 2
    hidden = max(steps[-1][1], key=lambda obstacle: obstacle.x)
    assert hidden.vy == pytest.approx(0.6, abs=0.2)


def test_what_stands_behind_one_that_moves_does_not_move():
    steps = followed(3.0, [lambda t: (0.0, -1.0 + 0.7 * t, 0.2), lambda t: (0.8, 0.0, 0.25),
                           lambda t: (0.6, 0.9, 0.15)])
    assert max(len(moving_obstacles) for _, moving_obstacles, _ in steps) == 1


def test_a_visible_obstacle_in_the_wake_of_another_one_stays():
    steps = followed(1.5, [lambda t: (1.0, 0.9 * t, 0.2), lambda t: (1.0, -0.6, 0.15)])
    time, moving_obstacles, rest = steps[-1]
    assert len(moving_obstacles) == 1
    row, column = (int((value - low) / rest.resolution)
                   for value, low in ((-0.6, rest.origin_y), (0.9, rest.origin_x)))
    assert rest.data[row, column] == LETHAL


@pytest.mark.parametrize('size', [4.0, 10.0])
def test_a_wall_that_ends_with_the_view_of_the_robot_does_not_move(size):
    """It ends at the rim of the costmap, or at the range of the sensor, and behind a mover."""
    tracks, most = (), 0
    for step in range(30):
        time, eye = step * PERIOD, -1.5 + 0.1 * step
        data = np.zeros((round(4.0 / 0.05), round(size / 0.05)), np.int8)
        data[70, :] = LETHAL
        shown = Costmap(data, 0.05, round((eye - 0.5 * size) / 0.05) * 0.05, -2.0)
        x = shown.origin_x + (np.arange(data.shape[1]) + 0.5) * 0.05
        y = shown.origin_y + (np.arange(data.shape[0])[:, None] + 0.5) * 0.05
        shown.data[np.hypot(x - eye, y) > 2.4] = 0
        shown = drawn(shown, eye + 0.9, 0.6 + 0.05 * time, 0.3)
        tracks, _ = update_tracks(tracks, time, shown, (eye, 0.0))
        most = max(most, sum(track.moves for track in tracks))
        assert all(abs(track.obstacle.y - 1.5) > 0.2 for track in tracks if track.moves)
    assert most == 1
