"""A costmap is a window: it costs no more time than stopping before its rim does."""
from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from plain_robot import QUICK
import pytest
from rolling import Drive, arc, straight, world

from mppi_ros.control.rolling_window import (
    MAX_UPDATE_PERIOD,
    UpdateTracker,
    allowed_speed,
    distance_to_rim,
    required_distance,
    window_of,
)
from mppi_ros.control.tick_result import Reason
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.parameters import RobotParameters
from mppi_ros.evaluation.request import read_robot
from mppi_ros.parameters.declaration import replace
from mppi_ros.simulation.plant import EXTREME, IDEAL

EMPTY = world(resolution=0.1)
JACKAL = replace(read_robot('jackal'), {'threads': 1, 'samples': 1000})
CAR = replace(read_robot('f1tenth'), {'threads': 1, 'samples': 256})
FAST = replace(QUICK, {'limits.vx_max': 1.5, 'limits.vx_min': -0.5, 'horizon_steps': 40})
BODY = Footprint.of(RobotParameters(footprint=(0.5, 0.3, -0.3, 0.3, -0.3, -0.3, 0.5, -0.3)))


@given(st.floats(0.01, 20.0), st.floats(0.1, 20.0), st.floats(0.0, 5.0))
def test_the_speed_that_a_way_allows_is_the_one_that_needs_it(speed, slowing, seconds):
    way = required_distance(speed, slowing, seconds)
    assert way == pytest.approx(speed * seconds + 0.5 * speed**2 / slowing)
    assert allowed_speed(way, slowing, seconds) == pytest.approx(speed, rel=1e-6)
    assert allowed_speed(-1.0, slowing, seconds) == 0.0


@given(
    x=st.floats(-1.0, 1.0), y=st.floats(-1.0, 1.0), yaw=st.floats(-3.0, 3.0),
    curvature=st.floats(-0.6, 0.6), back=st.booleans())
def test_the_way_to_the_rim_ends_where_a_disc_leaves_the_field(x, y, yaw, curvature, back):
    field = distance_field(Costmap(np.zeros((100, 80), np.int8), 0.05, -2.0, -2.5))
    sign = -1.0 if back else 1.0
    poses = [(x, y, yaw)]
    for _ in range(2000):
        last = poses[-1]
        poses.append((last[0] + sign * 0.002 * math.cos(last[2]),
                      last[1] + sign * 0.002 * math.sin(last[2]), last[2] + 0.002 * curvature))
    poses = np.array(poses)
    cos, sin = np.cos(poses[:, 2:]), np.sin(poses[:, 2:])
    ahead, aside, radius = BODY.discs.T
    places = poses[:, :1] + cos * ahead - sin * aside, poses[:, 1:2] + sin * ahead + cos * aside
    out = [
        (np.abs(place) > half - radius).any(axis=1) for place, half in zip(
            places, (2.0, 2.5), strict=True)
    ]
    first = int(np.argmax(out[0] | out[1]))
    assert first > 0
    assert distance_to_rim(poses, BODY, field) == pytest.approx(0.002 * first, abs=0.005)
    assert distance_to_rim(poses[: first // 2 + 2], BODY, field) >= 0.001 * first


def test_straight_on_from_where_the_poses_end():
    field = distance_field(Costmap(np.zeros((100, 80), np.int8), 0.05, -2.0, -2.5))
    disc = Footprint.round(0.2)
    for yaw, way in ((0.0, 1.8), (math.pi / 2, 2.3), (math.pi / 4, 1.8 * math.sqrt(2.0))):
        assert distance_to_rim(np.array([(0.0, 0.0, yaw)] * 2), disc, field) == pytest.approx(way)
    backward = np.array([(0.0, 0.0, 0.0), (-0.1, 0.0, 0.0)])
    assert distance_to_rim(backward, disc, field) == pytest.approx(1.8)


def test_a_body_beyond_the_rim_may_come_back_and_go_no_further():
    field = distance_field(Costmap(np.zeros((100, 80), np.int8), 0.05, -2.0, -2.5))
    outside = np.array([(1.9, 0.0, 0.0), (2.0, 0.0, 0.0)])
    assert distance_to_rim(outside, Footprint.round(0.2), field) == 0.0
    assert distance_to_rim(outside[::-1], Footprint.round(0.2), field) > 3.0


def grid(x, y, side=4.0, cell=0.1):
    return Costmap(np.zeros((round(side / cell),) * 2, np.int8), cell, x - side / 2, y - side / 2)


def test_a_window_that_moves_with_the_robot_rolls_and_a_map_does_not():
    of_window, of_map, elsewhere = UpdateTracker(), UpdateTracker(), UpdateTracker()
    for n in range(20):
        place = 0.2 * n, 0.0
        of_window.take(0.5 * n, 0.5 * n, grid(*place), place)
        of_map.take(0.5 * n, 0.5 * n, grid(0.0, 0.0), place)
        elsewhere.take(0.5 * n, 0.5 * n, grid(0.2 * n + 1.5, 0.0), place)
        assert of_window.rolls
        assert elsewhere.rolls == (n > 0)
    assert not of_map.rolls


def test_a_robot_that_stands_in_the_middle_is_taken_to_have_a_window():
    middle, corner = UpdateTracker(), UpdateTracker()
    for n in range(9):
        middle.take(n, n, grid(3.0, 1.0), (3.1, 1.0))
        corner.take(n, n, grid(3.0, 1.0), (1.5, 1.0))
    assert middle.rolls
    assert not corner.rolls


def test_a_map_that_grows_or_comes_once_is_no_window():
    grown = UpdateTracker()
    for n in range(5):
        grown.take(n, n, grid(-2.0 - n, 0.0, side=4.0 + 2 * n), (0.0, 0.0))
        assert not grown.rolls
    once = UpdateTracker()
    for n in range(200):
        once.take(0.05 * n, 0.0, grid(0.0, 0.0), (0.01 * n, 0.0))
    assert not once.rolls


def test_the_wait_for_the_next_costmap_is_what_is_left_of_the_longest_period():
    renewals = UpdateTracker()
    assert renewals.wait(0.0) == 0.0
    for time in (0.0, 0.5, 1.2, 1.7):
        renewals.take(time + 0.1, time, grid(time, 0.0), (time, 0.0))
    assert renewals.age == pytest.approx(0.1)
    assert renewals.period == pytest.approx(0.7)
    assert renewals.wait(1.9) == pytest.approx(0.6)
    assert renewals.wait(3.0) == 0.0
    renewals.take(60.0, 59.9, grid(5.0, 0.0), (5.0, 0.0))
    assert renewals.period == MAX_UPDATE_PERIOD
    renewals.take(1.0, 0.9, grid(6.0, 0.0), (6.0, 0.0))  # the clock went back
    assert renewals.period == 0.0


@pytest.mark.parametrize('jump', [3600.0, -3600.0])
def test_a_clock_that_jumps_is_no_late_costmap(jump):
    renewals, begin = UpdateTracker(), 1e4
    for n in range(5):
        renewals.take(begin + 0.2 * n + 0.1, begin + 0.2 * n, grid(0.2 * n, 0.0), (0.2 * n, 0.0))
    now = begin + 1.0 + jump
    renewals.restart(now)
    renewals.take(now + 0.05, begin + 1.0, grid(1.0, 0.0), (1.0, 0.0))  # stamped before the jump
    assert (renewals.period, renewals.age) == (0.0, pytest.approx(0.1 if jump > 0.0 else 0.0))
    renewals.take(now + 0.3, now + 0.2, grid(1.2, 0.0), (1.2, 0.0))
    assert (renewals.period, renewals.age) == (pytest.approx(0.25), pytest.approx(0.1))


@pytest.mark.parametrize('model', ['diff_drive', 'omni', 'ackermann'])
def test_a_window_of_the_needed_size_allows_top_speed_and_no_smaller_one(model):
    c = replace(QUICK, {'limits.vx_max': 1.3, 'limits.ay_min': -0.7, 'motion_model': model})
    needed = window_of(c, BODY, (5.0, 5.0), 0.5, 0.1).needed
    slowing = 0.7 if model == 'omni' else 1.5
    seconds = 0.5 + 0.1 + 0.05 + 0.1 + 0.15
    assert needed == pytest.approx(2.0 * (1.3 * seconds + 1.3**2 / (2 * slowing) + BODY.reach))
    enough = window_of(c, BODY, (needed + 0.01, 9.0), 0.5, 0.1)
    assert enough.speed == pytest.approx(1.3)
    assert enough.warning == ''
    less = window_of(c, BODY, (9.0, 0.8 * needed), 0.5, 0.1)
    assert 0.3 < less.speed < 1.25
    for number in (f'{0.8 * needed:.1f}', f'{less.speed:.2f} m/s', '1.3 m/s', f'{needed:.1f} m'):
        assert number in less.warning


def drive(configuration, side, rate, length=12.0, **options):
    window = None if side is None else (side, side)
    return Drive(configuration, straight(length), EMPTY, window, rate, **options).run()


@pytest.mark.parametrize(('side', 'rate'), [(5.0, 1.0), (4.0, 5.0), (3.0, 5.0)])
def test_a_window_takes_hardly_longer_than_the_whole_map(side, rate):
    whole, part = drive(JACKAL, None, 5.0), drive(JACKAL, side, rate)
    assert whole.arrived
    assert part.arrived
    assert part.time <= 1.2 * whole.time
    assert part.length <= 1.02 * whole.length
    assert part.turned <= whole.turned + 0.5
    assert part.second_choices <= 1


@pytest.mark.parametrize('options', [
    {'window': (8.0, 3.0)}, {'window': (6.0, 6.0), 'offset': (1.2, 0.0)},
    {'window': (6.0, 6.0), 'offset': (0.0, 1.8)}, {'world': world(resolution=0.5)},
], ids=['wide', 'ahead', 'aside', 'coarse'])
def test_only_the_rim_ahead_counts(options):
    given = {'window': (5.0, 5.0), 'world': EMPTY, 'rate': 2.0, **options}
    part = Drive(FAST, straight(12.0), **given).run()
    assert part.arrived
    assert part.time <= 1.05 * drive(FAST, None, 5.0).time


@pytest.mark.parametrize(('side', 'rate', 'latency'), [(3.0, 2.0, 0.0), (4.0, 1.0, 0.2)])
def test_the_speed_is_steady_and_the_one_that_the_window_is_said_to_allow(side, rate, latency):
    part = drive(FAST, side, rate, latency=latency)
    assert part.arrived
    window = part.controller.window
    assert window.warning
    allowed = window_of(FAST, Footprint.of(FAST.robot), (side, side), 1.0 / rate, latency).speed
    middle = part.speeds[80:-60]
    assert len(middle) > 60
    assert middle.mean() == pytest.approx(allowed, rel=0.08)
    assert middle.std() < 0.05 * allowed


@pytest.mark.parametrize('radius', [1.5, 4.0])
def test_a_curve_is_driven_as_on_the_whole_map(radius):
    plan = arc(radius, 3.0)
    whole, part = (Drive(FAST, plan, EMPTY, window, 2.0).run() for window in (None, (4.0, 4.0)))
    assert whole.arrived
    assert part.arrived
    assert part.time <= 1.1 * whole.time


@pytest.mark.parametrize('plant', [IDEAL, EXTREME], ids=['ideal', 'extreme'])
@pytest.mark.parametrize('wall', [4.0, 4.6, 5.2])
def test_a_wall_behind_the_rim_is_never_touched(plant, wall):
    fast = replace(FAST, {'limits.vx_max': 2.0, 'recovery.stuck_timeout': 0.0})
    closed = world((wall, -14.0, wall + 0.2, 14.0))
    part = Drive(
        fast, straight(12.0), closed, (3.0, 3.0), 1.0, latency=0.1, plant=plant, timeout=12.0
    ).run()
    assert part.clearance > 0.1
    assert part.poses[-1, 0] > wall - 1.2
    assert part.speeds.max() > 0.7


def test_an_obstacle_that_comes_over_the_rim_is_driven_round():
    blocked = world((6.0, -1.0, 8.0, 1.0))
    whole, part = (
        Drive(FAST, straight(14.0), blocked, window, 2.0).run() for window in (None, (5.0, 5.0))
    )
    assert whole.arrived
    assert part.arrived
    assert part.clearance > 0.0
    assert part.time <= 1.2 * whole.time


def test_a_window_that_does_not_come_is_not_left():
    part = drive(FAST, 5.0, 5.0, still=True, timeout=10.0)
    assert not part.arrived
    assert part.poses[:, 0].max() < 2.5 - 0.22
    assert not {tick.code for tick in part.ticks} & {Reason.OUTSIDE_COSTMAP, Reason.IN_CONTACT}


def test_a_car_at_the_rim_of_a_map_turns_round_inside():
    plan = straight(8.0)
    plan[:, 0] *= -1.0
    plan[:, 2] = math.pi
    part = Drive(
        CAR, plan, EMPTY, (16.0, 6.0), 5.0, offset=(-7.3, 0.0), still=True, timeout=20.0
    ).run()
    assert part.arrived


def test_a_robot_may_leave_what_it_knows_where_that_is_free():
    free = replace(FAST, {'safety.outside_is_obstacle': False})
    part = drive(free, 2.0, 1.0)
    assert part.arrived
    assert part.speeds.max() > 1.45
    assert part.controller.window is None
