"""Closed-loop episodes: reach the goal, repeat bit for bit, end for the right reason."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.parameters.declaration import replace
from mppi_ros.parameters.errors import InputError
from mppi_ros.share import share_path
from mppi_ros.simulation.episode import Episode, EpisodeRun
from mppi_ros.simulation.plant import HARD, IDEAL
from mppi_ros.simulation.world import MovingDisc, World

CONFIGURATION = replace(ControllerParameters(), {'samples': 512, 'threads': 1})
ROOM = World.from_circles([[2.0, 0.6, 0.2], [3.0, -0.6, 0.2]], (-1.5, -2.0, 6.0, 2.0))
START, GOAL = (0.0, 0.0, 0.0), (4.0, 0.0, 0.0)


def drive(**changes):
    base = Episode(ROOM, START, GOAL, CONFIGURATION)
    return dataclasses.replace(base, **changes).run()


def as_numbers(result):
    """All of a result but how long the computer took."""
    trace = result.trace
    told = {k: v for k, v in trace.statistics.items() if not k.endswith('_ms')}
    return np.concatenate([
        trace.time, *trace.pose, *trace.twist, *trace.command, trace.clearance, *told.values(),
        trace.plan.ravel(), trace.map.data.ravel(),
    ])


@pytest.mark.parametrize('sensing', ['map', 'lidar', 'both'])
def test_the_robot_reaches_the_goal_without_contact(sensing):
    result = drive(sensing=sensing)
    assert result.success
    assert not result.collision
    assert not result.timeout
    assert result.min_clearance_m > 0.05
    assert 4.0 * 0.95 < result.path_length_m < 4.0 * 1.3
    assert result.time_s < 2.0 * 4.0 / CONFIGURATION.limits.vx_max
    assert math.dist(result.trace.pose[-1, :2], GOAL[:2]) < 0.25


def test_the_robot_drives_through_the_office_with_a_hard_plant():
    world = World.load(share_path('config/worlds/office.yaml'))
    result = drive(
        world=world, start=(1.0, 1.0, 0.0), goal=(8.0, 5.0, math.pi), plant=HARD, timeout=90.0
    )
    assert result.success
    assert result.cross_track_rms_m < 0.15


def test_the_same_seed_gives_the_same_episode_bit_for_bit():
    first, second, other = drive(seed=3), drive(seed=3), drive(seed=4)
    np.testing.assert_array_equal(as_numbers(first), as_numbers(second))
    assert first.trace.reasons == second.trace.reasons
    assert not np.array_equal(as_numbers(first), as_numbers(other))


def test_an_obstacle_that_moves_into_the_robot_ends_the_episode():
    ram = MovingDisc(0.0, -1.2, 0.2, vx=0.0, vy=2.0)
    result = drive(world=ROOM.with_moving_obstacles([ram]), sensing='map')
    assert result.collision
    assert not result.success
    assert result.min_clearance_m == 0.0
    assert result.time_s == pytest.approx((1.2 - 0.2 - 0.22) / 2.0, abs=0.02)


def test_an_unmapped_wall_is_hit_blind_and_avoided_with_eyes():
    world = ROOM.with_discs([[2.0, y, 0.1] for y in np.arange(-0.9, 0.5, 0.15)])
    assert drive(world=world, sensing='map').collision
    assert drive(world=world, sensing='both', timeout=40.0).success


def test_a_goal_that_no_way_leads_to_ends_with_the_timeout():
    wall = World.from_circles([[2.0, y, 0.1] for y in np.arange(-2.0, 2.0, 0.15)],
                              (-1.5, -2.0, 6.0, 2.0))
    result = drive(world=wall, timeout=3.0)
    assert result.timeout
    assert result.time_s == pytest.approx(3.0, abs=0.02)
    assert result.standing_share == 1.0
    assert result.longest_standing_s == pytest.approx(3.0, abs=0.1)


def test_the_clock_starts_when_the_robot_has_moved_and_ends_near_the_goal():
    whole, part = drive(goal_radius=1.0), drive(goal_radius=1.0, clock_after=0.5)
    assert whole.success
    assert part.success
    assert math.dist(whole.trace.pose[-1, :2], GOAL[:2]) == pytest.approx(1.0, abs=0.02)
    moved = np.hypot(*(part.trace.pose[:, :2] - START[:2]).T)
    begun = part.trace.time[np.argmax(moved >= 0.5)]
    assert whole.time_s - part.time_s == pytest.approx(begun, abs=0.06)


def test_a_given_path_is_followed_as_it_is():
    x = np.linspace(0.0, 4.0, 81)
    wave = np.column_stack([x, 0.3 * np.sin(x * math.pi / 2), np.zeros(81)])
    free = World.from_circles([[9.0, 9.0, 0.1]], (-2.0, -2.0, 6.0, 2.0))
    result = drive(world=free, path=wave, plant=IDEAL)
    assert result.success
    np.testing.assert_array_equal(result.trace.plan, wave)
    assert result.cross_track_rms_m < 0.1


def test_drift_moves_what_the_robot_believes_only_without_a_map():
    plant = dataclasses.replace(IDEAL, odom_scale_error=0.05)
    ends = {s: drive(plant=plant, sensing=s).trace.pose[-1, 0] for s in ('lidar', 'both')}
    assert ends['both'] == pytest.approx(4.0, abs=0.16)
    assert ends['lidar'] < 4.0 / 1.05 + 0.16


def test_somebody_who_passes_over_the_goal_ends_no_drive():
    passer = MovingDisc(4.0, -1.2, 0.3, vx=0.0, vy=0.3)
    assert drive(world=ROOM.with_moving_obstacles([passer]), sensing='lidar').success


@pytest.mark.parametrize('sensing', ['lidar', 'both'])
def test_a_goal_that_a_moving_obstacle_covers_at_the_start_is_waited_for(sensing):
    leaver = MovingDisc(4.0, 0.0, 0.15, vx=0.0, vy=0.3)
    assert drive(world=ROOM.with_moving_obstacles([leaver]), sensing=sensing).success


@pytest.mark.parametrize('goal', [(2.0, 0.6, 0.0), (40.0, 0.0, 0.0)])
def test_an_invalid_goal_is_refused_also_among_moving_obstacles(goal):
    leaver = MovingDisc(4.0, 0.0, 0.15, vx=0.0, vy=0.3)
    with pytest.raises(InputError, match='goal .* (in an obstacle|outside the map)'):
        drive(world=ROOM.with_moving_obstacles([leaver]), goal=goal, goal_radius=0.2)


def test_the_trace_has_one_row_a_tick_and_one_for_the_end():
    trace = drive().trace
    rows = {len(column) for column in (*trace.statistics.values(), trace.time, trace.pose,
                                       trace.twist, trace.command, trace.clearance, trace.reasons)}
    assert rows == {len(trace.time)}
    np.testing.assert_allclose(np.diff(trace.time[:-1]), 0.05, atol=1e-9)
    assert trace.time[-1] >= trace.time[-2] - 1e-9


@pytest.mark.parametrize(('changes', 'message'), [
    ({'start': (2.0, 0.6, 0.0)}, 'start .* is in contact'),
    ({'goal': (2.0, 0.6, 0.0)}, 'goal .* is in contact'),
    ({'goal': (40.0, 0.0, 0.0)}, 'goal .* is outside the map'),
    ({'sensing': 'sonar'}, "sensing = 'sonar' is not one of"),
])
def test_an_impossible_episode_is_refused_by_name(changes, message):
    with pytest.raises(InputError, match=message):
        drive(**changes)


# Its origin is at the rear.
LONG = {'robot.footprint': [-0.1, -0.2, 0.9, -0.2, 0.9, 0.2, -0.1, 0.2]}
POST = World.from_circles([[4.7, 0.0, 0.1]], (-1.5, -2.0, 6.0, 2.0))


def ends_of_a_long_body(world=POST, parameters=(), **changes):
    configuration = replace(CONFIGURATION, {**LONG, **dict(parameters)})
    EpisodeRun(Episode(**{
        'world': world, 'start': START, 'goal': GOAL, 'configuration': configuration, **changes}))


@pytest.mark.parametrize('yaw', [0.0, 0.2, -0.2, math.tau])
def test_a_goal_whose_heading_brings_the_body_into_contact_is_refused(yaw):
    with pytest.raises(InputError, match=rf'goal \(4.00, 0.00\) m, {yaw:.2f} rad is in contact'):
        ends_of_a_long_body(goal=(4.0, 0.0, yaw))
    with pytest.raises(InputError, match=rf'start \(4.00, 0.00\) m, {yaw:.2f} rad is in contact'):
        ends_of_a_long_body(start=(4.0, 0.0, yaw), goal=(0.0, 0.0, math.pi))


@pytest.mark.parametrize('changes', [
    {'goal': (4.0, 0.0, math.pi)},
    {'goal': (4.0, 0.0, 0.5 * math.pi)},
    {'parameters': {'goal.symmetric_yaw_tolerance': True}},
    {'parameters': {'goal.heading_tolerance': 3.15}},
    {'goal_radius': 0.5},
    {'path': np.array([START, GOAL]), 'timing_gates': (1.0, 2.0)},
    {'world': World.from_circles([], (-1.5, -2.0, 6.0, 2.0)).with_moving_obstacles(
        [MovingDisc(4.5, 0.0, 0.2, vx=0.0, vy=0.3)])},
], ids=lambda changes: next(iter(changes)))
def test_a_goal_that_can_be_reached_without_contact_is_accepted(changes):
    ends_of_a_long_body(**changes)
