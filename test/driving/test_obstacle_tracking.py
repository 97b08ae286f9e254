"""What moves on a costmap is found with its velocity, and nothing else is."""
from __future__ import annotations

import math

import numpy as np
from plain_robot import room
import pytest

from mppi_ros.driving.costmap import LETHAL, Costmap
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.obstacle_tracking import (
    DynamicObstacle,
    margins,
    met,
    predict_obstacles,
    update_tracks,
)

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
    assert met(still, [], (0.0, 0.0), 0.5, 2.8) is still
    field = met(still, [DynamicObstacle(0.0, 2.0, 0.0, -0.5, 0.0, 0.2)], (0.0, 0.0), 1.0, 2.8)
    assert field.at(np.array([1.02]), np.array([0.02]))[0] == 0.0
    assert field.at(np.array([2.02]), np.array([0.02]))[0] == pytest.approx(0.8, abs=0.05)
    soon = met(still, [DynamicObstacle(0.0, 2.0, 0.0, -0.5, 0.0, 0.2)], (0.0, 0.0), 1.0, 1.0)
    assert soon.at(np.array([1.52]), np.array([0.02]))[0] == 0.0


def test_less_risk_means_more_margin_and_even_odds_none():
    assert margins(0.5) == pytest.approx((0.0, 0.0))
    grown = np.array([margins(risk) for risk in (0.4, 0.2, 0.05, 0.001)])
    assert np.all(np.diff(grown, axis=0) > 0.0)
