"""
A path is a curve with an order, in closed loop.

From anywhere the robot reaches the goal or says why it does not; it drives all of the plan, in
order and in the direction that the plan says.
"""
from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from plan_drive import drive_plan
import pytest

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.plan_tracker import OFF_PLAN_DISTANCE
from mppi_ros.control.tick_result import ControllerState
from mppi_ros.driving.cost_to_go import REJOIN_DISTANCE
from mppi_ros.driving.path import PROJECTION_WINDOW
from mppi_ros.parameters.declaration import replace

TOLERANCE, TURN_TOLERANCE = 0.2, 0.25  # [m] [rad] of goal.*, and what braking adds
STEP = 0.05  # [m] more than the robot moves in a tick, with top speeds of 0.5 m/s on each axis

DEFAULT = replace(ControllerParameters(), {'threads': 1})


def polyline(*corners, step=0.05):
    """Return poses along corners (x, y), facing ahead."""
    poses = []
    for begin, end in zip(corners, corners[1:], strict=False):
        count = max(math.ceil(math.dist(begin, end) / step - 1e-9), 1)
        yaw = math.atan2(end[1] - begin[1], end[0] - begin[0])
        poses += [(*begin + (np.subtract(end, begin)) * i / count, yaw) for i in range(count)]
    return np.array([*poses, (*corners[-1], poses[-1][2])])


def curve(points):
    """Return poses along points, float64[N, 2], facing ahead."""
    steps = np.gradient(points, axis=0)
    return np.column_stack([points, np.arctan2(steps[:, 1], steps[:, 0])])


def backward(poses):
    """Return the same places, faced the other way."""
    return poses + [0.0, 0.0, math.pi]


def length(plan):
    return float(np.hypot(*np.diff(plan[:, :2], axis=0).T).sum())


def assert_arrives(drive, goal):
    assert drive.reached, drive.reason
    x, y, yaw = drive.poses[-1]
    assert math.dist((x, y), goal[:2]) < TOLERANCE
    assert abs(math.remainder(yaw - goal[2], math.tau)) < TURN_TOLERANCE


AHEAD = polyline((0.0, 0.0), (4.0, 0.0))
U_SHAPED = np.array([(0.0, 0.0, 0.0), (4.0, 0.0, 1.6), (4.0, 2.0, 3.1), (0.0, 2.0, math.pi)])


@pytest.mark.parametrize('model', ['diff_drive', 'omni', 'ackermann'])
@pytest.mark.parametrize(('plan', 'start'), [
    (AHEAD, (5.5, 0.0, 0.0)),
    (AHEAD, (5.0, 1.5, 2.0)),
    (AHEAD, (-2.0, -0.8, 0.0)),
    (backward(AHEAD), (5.5, 0.0, math.pi)),
    (U_SHAPED, (6.0, 1.0, 0.0)),
])  # fmt: skip
def test_from_beyond_the_ends_and_outside_of_a_bend_the_robot_arrives(plan, start, model):
    drive = drive_plan(plan, start, seconds=60.0, model=model)
    assert_arrives(drive, plan[-1])
    away = np.hypot(*(plan[:, :2] - start[:2]).T).min()
    assert drive.travelled < 1.3 * (length(plan) + away)


@pytest.mark.parametrize('start', [(5.5, 0.0, 1.57), (4.3, 0.1, 0.0)])
def test_a_car_that_stands_before_a_sharp_bend_plans_a_manoeuvre(start):
    """It comes to rest at the second corner, too close to turn within its radius."""
    drive = drive_plan(U_SHAPED, start, model='ackermann', configuration=DEFAULT)
    assert_arrives(drive, U_SHAPED[-1])
    assert drive.reversals <= 5
    assert drive.coverage(U_SHAPED[1:], 0.75) > 0.85


# 1.5 m of room to the sides of the car, a wall ahead of it, and a way round outside
DEAD_END = [
    *((3.0, y, 0.1) for y in np.arange(-1.5, 1.6, 0.1)),
    *((x, y, 0.1) for x in np.arange(1.0, 3.0, 0.1) for y in (-1.5, 1.5)),
]


def test_a_car_turns_back_out_of_a_dead_end_and_drives_round_it():
    drive = drive_plan(
        AHEAD, (0.0, 0.0, 0.0), posts=DEAD_END, model='ackermann', configuration=DEFAULT)
    assert_arrives(drive, AHEAD[-1])
    assert drive.reversals <= 12


def test_a_car_before_a_wall_without_a_way_round_stands_still():
    wall = [(3.0, y, 0.1) for y in np.arange(-4.0, 4.1, 0.1)]
    drive = drive_plan(
        AHEAD, (0.0, 0.0, 0.0), posts=wall, model='ackermann', configuration=DEFAULT)
    assert 'no progress for' in drive.reason
    assert drive.reversals == 0


@pytest.mark.parametrize('goal', [(-3.0, 0.0, 0.0), (0.4, 0.0, 0.0), (1.0, 2.0, -1.0)])
def test_a_plan_of_one_pose_is_a_goal(goal):
    by_plan, by_goal = (
        drive_plan([goal], (0.0, 0.0, 0.0), give=give) for give in ('plan', 'goal'))
    assert_arrives(by_plan, goal)
    np.testing.assert_array_equal(by_plan.poses, by_goal.poses)


def test_a_plan_of_one_pose_that_is_sent_again_and_again_is_one_goal():
    goal = np.array([(2.0, 0.5, 0.0)])
    again = {
        0.5 * n: lambda controller, now: controller.set_plan(now, goal) for n in range(1, 40)}
    drive = drive_plan(goal, (0.0, 0.0, 0.0), events=again, seconds=25.0)
    assert_arrives(drive, goal[-1])
    assert drive.travelled < 2.5


def test_a_new_plan_that_ends_behind_a_driving_robot_is_driven_to_its_end():
    short = polyline((0.0, 0.0), (1.0, 0.0))
    events = {6.0: lambda controller, now: controller.set_plan(now, short)}
    drive = drive_plan(AHEAD, (0.0, 0.0, 0.0), events=events)
    assert drive.poses[:, 0].max() > 2.0
    assert_arrives(drive, short[-1])


TURN = np.linspace(0.0, 2.0 * math.pi, 160)
WIND = np.linspace(2.0 * math.pi, 5.0 * math.pi, 300)
CURVES = {
    'a figure of eight': curve(np.stack([2.0 * np.sin(TURN), np.sin(2.0 * TURN)], axis=1)),
    'a spiral, lanes 0.63 m apart': curve(
        0.1 * np.stack([WIND * np.cos(WIND), WIND * np.sin(WIND)], axis=1)),
    'a round trip': polyline((0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0), (0.0, 0.0)),
    'a plan that touches itself': polyline(
        (0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (1.0, 0.0), (0.0, 1.0)),
    'a tiny first segment': np.vstack([[(0.0, 0.0, 0.0)], polyline((0.02, 0.01), (2.0, 1.0))]),
    'poses a millimetre apart': polyline((0.0, 0.0), (2.0, 0.0), (2.0, 1.0), step=0.001),
    'poses 4 m apart': polyline((0.0, 0.0), (4.0, 0.0), (4.0, 4.0), step=4.0),
    'duplicates': np.repeat(polyline((0.0, 0.0), (2.0, 0.0)), 3, axis=0),
}  # fmt: skip


@pytest.mark.parametrize('name', CURVES)
def test_a_curve_is_driven_whole_and_in_order(name):
    plan = CURVES[name]
    drive = drive_plan(plan, plan[0])
    assert_arrives(drive, plan[-1])
    assert drive.coverage(plan, 0.2) == 1.0
    assert drive.travelled == pytest.approx(length(plan), rel=0.08, abs=0.2)
    assert np.diff(drive.progress).max() <= PROJECTION_WINDOW + STEP
    assert np.diff(drive.progress).min() > -STEP


def at(x, yaw, y=0.0):
    return [(x, y, yaw)]


def along(begin, end, yaw):
    return polyline((begin, 0.0), (end, 0.0)) * [1.0, 1.0, 0.0] + [0.0, 0.0, yaw]


MANOEUVRES = {
    'backward, two poses': (np.array([(0.0, 0.0, 0.0), (-2.0, 0.0, 0.0)]), (0.0, 0.5)),
    'backward, two poses, rounded': (
        np.array([(0.0, 0.0, 1e-6), (-2.0, 0.0, 1e-6)]), (0.0, 0.5)),
    'into a bay': (np.vstack([along(0.0, 2.0, 0.0), along(2.0, 0.0, 0.0)]), (0.0, 1.0)),
    'docking': (np.vstack([along(0.0, 2.0, 0.0), at(2.0, math.pi), along(2.0, 4.0, math.pi)]),
                (math.pi, 1.5)),
    'turned at once': (
        np.vstack([along(0.0, 1.5, 0.0), along(1.55, 3.0, math.pi)]), (math.pi, 1.5)),
    'a turn at the begin': (
        np.vstack([at(0.0, 0.0), along(0.0, -2.0, math.pi)]), (math.pi, 1.0)),
    'a turn at the end': (
        np.vstack([along(0.0, 2.0, 0.0), at(2.0, 1.6), at(2.0, math.pi)]), (math.pi, 1.0)),
    'three turns': (
        np.vstack([*[at(0.0, yaw) for yaw in (0.0, 1.6, 0.0, -1.6)], along(0.0, 2.0, 0.0)]),
        (6.4, 1.5)),
    'once round': (
        np.vstack([*[at(0.0, yaw) for yaw in (0.0, 2.1, 4.2, math.tau)], along(0.0, 1.5, 0.0)]),
        (math.tau, 1.0)),
}  # fmt: skip


@pytest.mark.parametrize('name', MANOEUVRES)
def test_directions_and_rotations_are_those_of_the_plan(name):
    """The robot turns by what the plan turns by, so it drives nose first where it says so."""
    plan, (turned, slack) = MANOEUVRES[name]
    drive = drive_plan(plan, plan[0])
    assert_arrives(drive, plan[-1])
    assert turned - 0.7 < drive.turned < turned + slack
    assert drive.travelled < length(plan) + 0.5
    assert drive.reversals <= 2


@pytest.mark.parametrize('plan', [
    np.vstack([along(0.0, 2.0, 0.0), at(2.0, 1.6), polyline((2.0, 0.0), (2.0, 2.5))]),
    np.vstack([along(0.0, 2.0, 0.0), at(2.0, math.pi), along(2.0, 4.0, math.pi)]),
])  # fmt: skip
def test_a_car_that_cannot_turn_in_place_drives_round_or_gives_up(plan):
    drive = drive_plan(plan, plan[0], model='ackermann', seconds=90.0)
    assert drive.reached or 'no progress for' in drive.reason


def serpentine(gap, lanes=6, lane=3.8):
    """Return a plan that covers a field in lanes."""
    corners = [(lane * (row % 2 == side), gap * row)
               for row in range(lanes) for side in (1, 0)]
    return polyline(*corners, step=0.1)


@pytest.mark.parametrize(('gap', 'model', 'row', 'x', 'radius'), [
    (0.6, 'diff_drive', 1, 1.9, 0.15),
    (0.6, 'omni', 3, 3.0, 0.15),
    (0.8, 'diff_drive', 2, 0.6, 0.15),
    (1.0, 'diff_drive', 4, 1.2, 0.25),
    (0.6, 'omni', 2, 0.6, 0.1),
])  # fmt: skip
def test_a_plan_in_lanes_is_rejoined_behind_a_post_and_driven_whole(gap, model, row, x, radius):
    plan = serpentine(gap)
    drive = drive_plan(plan, plan[0], posts=[(x, row * gap, radius)], model=model, seconds=120.0)
    assert_arrives(drive, plan[-1])
    assert drive.coverage(plan) > 0.85
    assert drive.travelled < 1.1 * length(plan)
    blocked = 2.0 * (radius + 0.22 + 0.1)
    assert np.diff(drive.progress).max() <= blocked + REJOIN_DISTANCE + PROJECTION_WINDOW
    assert np.diff(drive.progress).min() > -STEP


def test_a_plan_that_comes_again_on_a_way_round_changes_nothing():
    plan = serpentine(0.8, lanes=2)
    again = {float(n): lambda controller, now: controller.set_plan(now, plan)
             for n in range(1, 30)}
    drives = [drive_plan(plan, plan[0], posts=[(1.9, 0.0, 0.2)], events=events, seconds=40.0)
              for events in ({}, again)]
    assert all(drive.ticks[-1].state is ControllerState.REACHED for drive in drives)
    once, often = (drive.coverage(plan) for drive in drives)
    assert often > once - 0.05 > 0.7
    assert all(drive.travelled < 1.2 * length(plan) for drive in drives)


def test_an_omnidirectional_robot_that_drives_sideways_keeps_its_yaw():
    plan = along(0.0, 3.0, 0.5 * math.pi)
    drive = drive_plan(plan, plan[0], model='omni')
    assert_arrives(drive, plan[-1])
    assert np.abs(drive.poses[:, 2] - 0.5 * math.pi).max() < 0.5


@pytest.mark.parametrize('plan', [
    np.vstack([along(0.0, 2.0, 0.0), along(2.0, 0.0, 0.0)]),
    np.vstack([along(0.0, 2.0, 0.5 * math.pi), along(2.0, 0.5, 0.5 * math.pi)]),
], ids=['ahead and back', 'sideways'])
def test_an_omnidirectional_robot_drives_a_fold_to_its_tip_and_back(plan):
    drive = drive_plan(plan, plan[0], model='omni')
    assert_arrives(drive, plan[-1])
    assert drive.poses[:, 0].max() > 1.8
    assert drive.travelled > 0.8 * length(plan)
    assert np.abs(np.diff(drive.progress)).max() <= PROJECTION_WINDOW + STEP


@pytest.mark.parametrize('model', ['diff_drive', 'omni'])
def test_a_robot_beside_its_plan_returns_to_it_before_it_goes_on(model):
    plan = along(0.0, 8.0, 0.0)
    drive = drive_plan(plan, (0.0, 3.0, 0.0), model=model)
    assert_arrives(drive, plan[-1])
    assert drive.coverage(plan, 0.3) > 0.9


def lanes_with_turns(count=3, lane=3.0, gap=0.6):
    """Return lanes with a rotation in place at each end of each."""
    poses = []
    for row in range(count):
        yaw, begin, end = (0.0, 0.0, lane) if row % 2 == 0 else (math.pi, lane, 0.0)
        poses += [(x, gap * row, yaw) for x in np.linspace(begin, end, 31)]
        if row < count - 1:
            poses += [(end, gap * row + aside, 0.5 * math.pi)
                      for aside in np.linspace(0.0, gap, 7)]
    return np.array(poses)


CUSP = np.array([(x, 0.0, 0.0) for x in (*np.linspace(0.0, 3.0, 31), *np.linspace(3.0, 1.0, 21))])


@pytest.mark.parametrize(('plan', 'post', 'model'), [
    (lanes_with_turns(), (3.0, 0.6, 0.12), 'diff_drive'),
    (lanes_with_turns(), (3.0, 0.0, 0.12), 'diff_drive'),
    (lanes_with_turns(), (3.0, 0.6, 0.12), 'omni'),
    (CUSP, (3.0, 0.0, 0.15), 'diff_drive'),
    (CUSP, (3.0, 0.0, 0.3), 'diff_drive'),
    (CUSP, (3.0, 0.0, 0.15), 'omni'),
])  # fmt: skip
def test_behind_a_blocked_end_of_a_section_the_next_one_is_driven(plan, post, model):
    drive = drive_plan(plan, plan[0], posts=[post], model=model)
    assert_arrives(drive, plan[-1])
    blocked = 2.0 * (post[2] + 0.22 + 0.1)
    missed = 1.0 - drive.coverage(plan)
    assert missed * length(plan) < blocked + REJOIN_DISTANCE


def test_before_a_long_blocked_end_of_a_section_the_robot_waits():
    posts = [(x, 0.0, 0.2) for x in np.arange(1.6, 3.1, 0.2)]
    drive = drive_plan(CUSP, CUSP[0], posts=posts, seconds=30.0)
    assert not drive.reached
    assert drive.reversals == 0
    assert 'no progress for' in drive.reason


MODELS = st.sampled_from(['diff_drive', 'omni'])
part = st.tuples(st.floats(0.6, 2.0), st.sampled_from(['ahead', 'back', 'turn', 'lane']),
                 st.floats(-2.0, 2.0))


def any_plan(moves):
    """Return a plan of straight parts, cusps, rotations in place and lanes beside each other."""
    x, y, yaw = 0.0, 0.0, 0.0
    poses = [(x, y, yaw)]

    def go(way, toward):
        nonlocal x, y
        for _ in range(round(way / 0.1)):
            x, y = x + 0.1 * math.cos(toward), y + 0.1 * math.sin(toward)
            poses.append((x, y, yaw))

    for way, kind, turn in moves:
        if kind == 'turn':
            yaw += turn
            poses.append((x, y, yaw))
        elif kind == 'lane':
            for _ in range(2):
                yaw += 0.5 * math.pi
                go(0.7 if _ == 0 else way, yaw)
        go(way, yaw + (math.pi if kind == 'back' else 0.0))
    return np.array(poses)


@settings(max_examples=8)
@given(moves=st.lists(part, min_size=1, max_size=4), beside=st.floats(-0.5, 0.5), model=MODELS)
def test_any_plan_is_driven_in_order_to_its_end(moves, beside, model):
    plan = any_plan(moves)
    drive = drive_plan(plan, (0.0, beside, 0.0), seconds=80.0, model=model)
    assert_arrives(drive, plan[-1])
    assert drive.coverage(plan, 0.6) == 1.0
    assert drive.travelled < 1.15 * length(plan) + 1.0
    assert np.abs(np.diff(drive.progress)).max() <= PROJECTION_WINDOW + STEP


@settings(max_examples=4)
@given(moves=st.lists(part, min_size=1, max_size=2), x=st.floats(-3.0, 3.0),
       y=st.floats(-3.0, 3.0), yaw=st.floats(-3.0, 3.0), model=MODELS)
def test_from_anywhere_the_goal_is_reached(moves, x, y, yaw, model):
    plan = any_plan(moves)
    drive = drive_plan(plan, (x, y, yaw), seconds=80.0, model=model)
    assert_arrives(drive, plan[-1])
    assert drive.travelled < 1.3 * (length(plan) + math.hypot(x, y)) + 2.0 * OFF_PLAN_DISTANCE
