"""A car turns round to a goal behind it by a manoeuvre, with few reversals."""
from __future__ import annotations

import math

import pytest

from mppi_ros.control.parameters import ControllerParameters, read_yaml
from mppi_ros.parameters.declaration import replace
from mppi_ros.share import share_path
from mppi_ros.simulation.episode import Episode
from mppi_ros.simulation.world import World

POSTS = {'none': [], 'ahead': [(1.8, 0.0, 0.3)], 'between': [(-2.25, 0.0, 0.3)]}
CAR = replace(ControllerParameters(), {
    'threads': 1, 'motion_model': 'ackermann', 'recovery.progress_timeout': 15.0})


@pytest.mark.parametrize(('post', 'heading', 'radius'), [
    ('none', 0.0, 2.5), ('none', math.pi, 2.5), ('ahead', 0.0, 2.5), ('ahead', math.pi, 2.5),
    ('between', 0.0, 2.5), ('between', math.pi, 2.5), ('ahead', math.pi, 1.0),
    ('between', 0.0, 1.0)])
def test_a_car_reaches_a_goal_behind_it_with_few_reversals(post, heading, radius):
    result = Episode(
        World.from_circles([(8.0, 8.0, 0.1), *POSTS[post]], (-12.0, -9.0, 9.0, 9.0)),
        (0.0, 0.0, 0.0), (-4.5, 0.0, heading), replace(CAR, {'limits.turning_radius_min': radius}),
        sensing='map', seed=1).run()
    assert result.success
    assert result.reversals <= 4
    assert result.time_s < 60.0


@pytest.mark.parametrize(('radius', 'post', 'heading'), [
    (0.75, [], -1.57), (0.75, [], 2.4), (0.75, [(6.9, 0.0, 0.3)], 1.0),
    (0.75, [(6.9, 0.0, 0.3)], math.pi), (2.5, [], 0.5), (2.5, [], 2.4),
    (2.5, [(6.9, 0.0, 0.3)], math.pi)])
def test_a_car_reaches_a_goal_that_does_not_face_as_the_plan_arrives(radius, post, heading):
    result = Episode(
        World.from_circles([(14.0, 10.0, 0.1), *post], (-12.0, -11.0, 15.0, 11.0)),
        (0.0, 0.0, 0.0), (6.0, 0.0, heading), replace(CAR, {'limits.turning_radius_min': radius}),
        sensing='map', seed=1, timeout=90.0).run()
    assert result.success
    assert result.reversals <= 3


@pytest.mark.parametrize('heading', [1.57, -2.0, math.pi])
def test_a_fast_car_follows_its_manoeuvre_to_the_goal_closely(heading):
    racer = replace(read_yaml(share_path('config', 'robots', 'f1tenth.yaml')), {'threads': 1})
    result = Episode(
        World.from_circles([(16.0, 10.0, 0.1)], (-10.0, -11.0, 17.0, 11.0)), (0.0, 0.0, 0.0),
        (8.0, 0.0, heading), racer, sensing='map', seed=1).run()
    assert result.success
    assert result.reversals <= 2
    assert result.time_s < 10.0
