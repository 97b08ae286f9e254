"""A car turns round to a goal behind it by a manoeuvre, with few reversals."""
from __future__ import annotations

import dataclasses
import math

import pytest

from mppi_ros.control.parameters import ControllerParameters, read_yaml
from mppi_ros.control.plan_tracker import PlanTracker
from mppi_ros.driving.motion_models import MotionState
from mppi_ros.driving.parameters import GoalParameters
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


@pytest.mark.parametrize('goal', [(0.1, 0.0, 1.8), (0.2, 0.0, -2.1), (0.0, 0.2, math.pi)])
def test_a_car_turns_in_a_narrow_room(goal):
    """A room of 2.2 m for a car of 0.58 m, whose turning circle is 1.5 m."""
    racer = replace(read_yaml(share_path('config', 'robots', 'f1tenth.yaml')), {'threads': 1})
    wall = [(1.15 * s, 0.1 * n, 0.05) for s in (-1, 1) for n in range(-12, 13)]
    room = [*wall, *((y, x, r) for x, y, r in wall)]
    result = Episode(
        World.from_circles(room, (-3.0, -3.0, 3.0, 3.0)), (0.0, 0.0, 0.0), goal, racer,
        sensing='map', seed=1, timeout=60.0).run()
    assert result.success
    assert result.reversals <= 20
    assert result.time_s < 25.0


@pytest.mark.parametrize('heading', [1.57, 2.4, math.pi])
def test_a_car_whose_goal_may_have_any_heading_drives_straight_there(heading):
    result = Episode(
        World.from_circles([(14.0, 10.0, 0.1)], (-12.0, -11.0, 15.0, 11.0)),
        (0.0, 0.0, 0.0), (6.0, 0.0, heading), replace(CAR, {
            'limits.turning_radius_min': 0.75, 'goal.heading_tolerance': math.pi}),
        sensing='map', seed=1, timeout=60.0).run()
    assert result.success
    assert result.reversals == 0
    assert result.path_length_m < 6.5


def state(x, y, yaw, v=0.0):
    return MotionState(x, y, yaw, v, 0.0, 0.0)


@pytest.mark.parametrize(('exact', 'short', 'speed', 'complete'), [
    (True, 0.2, 0.3, False), (True, 0.08, 0.3, True), (True, 0.2, 0.0, True),
    (True, 0.3, 0.0, False), (False, 0.2, 0.3, True), (True, 0.24, 0.0, True)])
def test_a_car_drives_a_manoeuvre_up_to_its_cusps(exact, short, speed, complete):
    tracker, goal = PlanTracker(), GoalParameters(position_tolerance=0.25)
    tracker.set_plan(0.0, [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.5, 0.0)])
    path = dataclasses.replace(tracker._sections[0], exact=exact)
    assert len(tracker._sections) == 2
    tracker.progress = 1.0 - short
    assert tracker._at_cusp(state(1.0 - short, 0.0, 0.0, speed), path, goal) is complete
