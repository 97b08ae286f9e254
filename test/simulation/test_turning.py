"""Robots of any body turn at the goal at once, and stand where no way leads on."""
from __future__ import annotations

import math

import numpy as np
import pytest

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.evaluation.request import read_robot
from mppi_ros.parameters.declaration import replace
from mppi_ros.simulation.episode import Episode
from mppi_ros.simulation.plant import PLANTS
from mppi_ros.simulation.world import World

HEAVY = {
    'limits.vx_max': 1.0, 'limits.vx_min': -0.3, 'limits.wz_max': 0.8, 'limits.ax_max': 0.6,
    'limits.ax_min': -0.8, 'limits.az_max': 1.0}
BODIES = {
    'agv': (0.6, 0.4, -0.6, 0.4, -0.6, -0.4, 0.6, -0.4),
    'long': (1.0, 0.5, -1.0, 0.5, -1.0, -0.5, 1.0, -0.5),
    'trailing': (0.3, 0.35, -1.0, 0.35, -1.0, -0.35, 0.3, -0.35),
}
BOUNDS = (-4.0, -4.0, 10.0, 4.0)


def robot(name):
    if name in BODIES:
        found = replace(ControllerParameters(), {**HEAVY, 'robot.footprint': BODIES[name]})
    else:
        found = read_robot(name)
    return replace(found, {'threads': 1})


def wall(x, low, high):
    """Return the circles of a wall across the way."""
    return [(x, float(y), 0.05) for y in np.arange(low, high + 0.01, 0.05)]


@pytest.mark.parametrize(('name', 'seconds'), [
    ('agv', 4.9), ('husky', 4.3), ('jackal', 1.0), ('', 2.3), ('rosbot_mecanum', 1.8)])
@pytest.mark.parametrize(('way', 'heading', 'plant'), [
    (2.0, math.pi, 'nominal'), (0.0, -math.pi + 0.02, 'heavy')])
def test_robot_turns_at_its_goal_without_dithering(name, seconds, way, heading, plant):
    """`seconds` is what half a turn takes at the limits, from rest to rest."""
    result = Episode(
        World.from_circles((), BOUNDS), (0.0, 0.0, 0.0), (way, 0.0, heading), robot(name),
        plant=PLANTS[plant], seed=1).run()
    assert result.success
    assert result.reversals <= 3
    assert not any('stuck' in reason for reason in result.trace.reasons)
    turning = result.time_s - way / robot(name).limits.vx_max
    assert turning < 1.15 * seconds + (3.5 if way else 2.5)


@pytest.mark.parametrize(('heading', 'gap'), [(-1.2, 0.12), (-1.2, 0.16), (2.4, 0.12)])
@pytest.mark.parametrize('name', ['husky', 'agv'])
def test_robot_turns_at_its_goal_although_walls_are_nearer_there(name, heading, gap):
    """The corners pass walls at a distance of `gap` [m]; before the turn they are farther away."""
    corners = np.reshape(robot(name).robot.footprint, (-1, 2))
    away = float(np.hypot(*corners.T).max()) + gap
    around = [(4.0 + x, side * (away + 0.05), 0.05) for side in (-1.0, 1.0)
              for x in np.arange(-1.5, 1.51, 0.05)]
    result = Episode(
        World.from_circles((), BOUNDS).with_discs(around), (0.0, 0.0, 0.0), (4.0, 0.0, heading),
        robot(name), seed=3).run()
    assert result.success
    assert not any('stuck' in reason for reason in result.trace.reasons)
    assert result.min_clearance_m > 0.03
    assert result.time_s < 12.0


@pytest.mark.parametrize('name', ['husky', 'agv', 'jackal', 'f1tenth'])
def test_robot_drives_up_to_a_wall_at_its_goal(name):
    """The front of the body is 0.15 m from the wall when the robot stands at the goal."""
    front = float(np.reshape(robot(name).robot.footprint, (-1, 2))[:, 0].max())
    world = World.from_circles(wall(4.0 + front + 0.2, -1.5, 1.5), BOUNDS)
    result = Episode(world, (0.0, 0.0, 0.0), (4.0, 0.0, 0.0), robot(name), seed=3).run()
    assert result.success
    assert result.reversals <= 2
    assert result.min_clearance_m < 0.35


@pytest.mark.parametrize(('name', 'tolerance'), [
    ('jackal', 0.15), ('jackal', 0.05), ('agv', 0.05)])
def test_robot_stops_at_a_goal_between_two_walls(name, tolerance):
    """The walls are 0.15 m from the sides of the body, and 2 m long."""
    side = float(np.reshape(robot(name).robot.footprint, (-1, 2))[:, 1].max()) + 0.2
    walls = [(x, sign * side, 0.05) for x in np.arange(3.0, 5.01, 0.05) for sign in (-1.0, 1.0)]
    result = Episode(
        World.from_circles(walls, BOUNDS), (0.0, 0.0, 0.0), (4.0, 0.0, 0.0),
        replace(robot(name), {'goal.position_tolerance': tolerance}), seed=3).run()
    assert result.success
    assert result.reversals <= 1
    assert result.time_s < 8.0
    spread = np.asarray(result.trace.statistics['sigma_scale'])
    assert np.nanmax(spread) == 1.0
    assert np.nanmin(spread) < 1.0  # most samples hit a wall


@pytest.mark.parametrize(('name', 'patience'), [
    ('agv', 1.5), ('jackal', 0.0), ('rosbot_mecanum', 1.5), ('f1tenth', 0.0)])
def test_robot_before_an_obstacle_without_a_way_round_stands(name, patience):
    across = wall(5.0, -4.0, 4.0)
    path = np.array([[0.0, 0.0, 0.0], [8.0, 0.0, 0.0]])
    result = Episode(
        World.from_circles((), BOUNDS).with_discs(across),
        tuple(path[0]),
        tuple(path[1]),
        replace(
            robot(name), {'recovery.stuck_timeout': patience, 'recovery.progress_timeout': 4.0}
        ),
        path=path,
        timeout=14.0,
        seed=2,
    ).run()
    assert not result.collision
    assert result.reversals <= 2
    assert result.longest_standing_s > 5.0
    assert result.trace.reasons[-1].endswith('of the path remain')
    assert 'stopped: the plan is blocked and no detour was found' in result.trace.reasons
    assert 0.05 < result.trace.clearance[-1] < 0.75


@pytest.mark.parametrize('room', [0.15, 0.2])
def test_fast_robot_drives_through_a_passage_hardly_wider_than_itself(room):
    """The walls of a passage of 6 m are `room` [m] from the sides of the body."""
    found = robot('jackal')
    side = float(np.reshape(found.robot.footprint, (-1, 2))[:, 1].max()) + room + 0.05
    walls = [(x, sign * side, 0.05) for x in np.arange(2.0, 8.01, 0.05) for sign in (-1.0, 1.0)]
    walls += [(2.0, sign * y, 0.05) for y in np.arange(side, 4.2, 0.05) for sign in (-1.0, 1.0)]
    world = World.from_circles(walls, (-2.0, -4.0, 12.0, 4.0))
    result = Episode(world, (0.0, 0.0, 0.0), (10.0, 0.0, 0.0), found, seed=3).run()
    assert result.success
    assert result.reversals == 0
    assert result.time_s < 10.0


@pytest.mark.parametrize('seed', [1, 2])
@pytest.mark.parametrize('name', ['husky', 'jackal', 'turtlebot4', 'agv'])
def test_robot_turns_around_for_a_distant_goal_behind_it(name, seed):
    """Where it cannot see, it reverses no farther than it must."""
    result = Episode(
        World.from_circles((), (-14.0, -4.0, 4.0, 4.0)), (0.0, 0.0, 0.1), (-10.0, 0.0, 3.14),
        robot(name), seed=seed).run()
    assert result.success
    speed = np.array([twist[0] for twist in result.trace.twist])
    assert -np.minimum(speed, 0.0).sum() / robot(name).control_rate < 0.7  # [m]
