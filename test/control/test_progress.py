"""A robot gets somewhere or it does not, however fast it moves to and fro."""
from __future__ import annotations

import dataclasses
import math

import numpy as np
from plain_robot import QUICK, PlainRobot, room, with_block
import pytest

from mppi_ros.control.controller import Controller
from mppi_ros.control.progress import (
    RECOVERIES,
    STUCK_ANGLE,
    STUCK_RADIUS,
    ProgressChecker,
    StuckDetector,
)
from mppi_ros.control.tick_result import ControllerState, Reason
from mppi_ros.driving.motion_models import MotionState as Place
from mppi_ros.driving.parameters import Limits
from mppi_ros.parameters.declaration import replace

LIMITS = Limits()
PATIENCE = 1.5


def judged(places, patience=PATIENCE, limits=LIMITS):
    """Return what is told of x, y, yaw at 20 Hz."""
    detector = StuckDetector()
    return [
        detector.spans(0.05 * tick, Place(*place, 0.0, 0.0), limits, patience) > 1.0
        for tick, place in enumerate(places)
    ]


def test_robot_that_stands_is_stuck_once_patience_ends():
    told = judged([(1.0, 2.0, 0.5)] * 60)
    assert not any(told[:30])
    assert all(told[32:])


def test_robot_that_moves_to_and_fro_is_stuck():
    places = [(0.1 * math.sin(tick), 0.0, 0.3 * math.cos(tick)) for tick in range(200)]
    assert all(judged(places)[35:])


@pytest.mark.parametrize('step', [(0.02, 0.0, 0.0), (0.0, -0.02, 0.0), (0.0, 0.0, 0.05)])
def test_robot_that_drives_or_turns_is_not_stuck(step):
    assert not any(judged([tuple(tick * each for each in step) for tick in range(200)]))


def test_slow_robot_need_not_be_fast():
    slow = dataclasses.replace(LIMITS, vx_max=0.1, wz_max=0.2)
    assert not any(judged([(0.004 * tick, 0.0, 0.0) for tick in range(200)], limits=slow))
    assert not any(judged([(0.0, 0.0, 0.008 * tick) for tick in range(200)], limits=slow))


@pytest.mark.parametrize(
    'place', [(1.01 * STUCK_RADIUS, 0.0, 0.0), (0.0, 0.0, 1.01 * STUCK_ANGLE)]
)
def test_stuck_robot_stays_so_until_it_leaves_the_place(place):
    fast = dataclasses.replace(LIMITS, vx_max=5.0, wz_max=9.0)
    told = judged([(0.0, 0.0, 0.0)] * 40 + [(0.2, 0.0, 0.5)] * 5 + [place] * 5, limits=fast)
    assert told[40:] == [True] * 5 + [False] * 5


def test_without_patience_no_robot_is_stuck():
    assert not any(judged([(0.0, 0.0, 0.0)] * 200, patience=0.0))


def test_clock_that_goes_back_begins_anew():
    detector = StuckDetector()
    place = Place(0.0, 0.0, 0.0, 0.0, 0.0)
    assert detector.spans(100.0, place, LIMITS, PATIENCE) <= 1.0
    assert detector.spans(5.0, place, LIMITS, PATIENCE) <= 1.0
    assert detector.spans(7.0, place, LIMITS, PATIENCE) > 1.0


def held(changes, seconds=3.0):
    """Return the ticks of a robot that wants to drive along a room and cannot move."""
    configuration = replace(
        QUICK, {'safety.costmap_timeout': 0.0, 'safety.odom_frozen': 0.0, **changes})
    robot = PlainRobot(Controller(configuration, 1), x=-4.0)
    robot.controller.set_costmap(robot.now, room())
    robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    for _ in range(round(seconds / robot.period)):
        robot.tick()
        robot.pose[:] = -4.0, 0.0, 0.0
        robot.twist[:] = 0.0
    return robot.ticks


def test_without_progress_the_robot_says_so_and_fewer_samples_decide():
    ticks = held(
        {'recovery.stuck_timeout': 1.5, 'recovery.cooling': 0.25, 'ess_share': 0.05})
    before, after = ticks[20], ticks[-1]
    assert (before.state, before.reason) == (ControllerState.DRIVING, '')
    assert (after.state, after.reason) == (
        ControllerState.DRIVING, 'stuck: λ reduced')
    assert after.statistics.ess == pytest.approx(0.25 * before.statistics.ess, rel=0.05)


def test_remedies_are_tried_in_turn_and_begin_anew():
    ticks = held({'recovery.stuck_timeout': 0.5}, seconds=3.0)
    words = [tick.reason.removeprefix('stuck: ') for tick in ticks]
    order = [word for before, word in zip(['', *words], words, strict=False) if word != before]
    assert order[:4] == [*RECOVERIES, RECOVERIES[0]]
    backing = [tick.command.vx for tick in ticks if tick.reason.endswith(RECOVERIES[2])]
    assert backing[-1] == pytest.approx(0.5 * QUICK.limits.vx_min)


def test_nobody_backs_up_into_an_obstacle():
    robot = PlainRobot(Controller(replace(QUICK, {
        'safety.costmap_timeout': 0.0, 'safety.odom_frozen': 0.0, 'recovery.stuck_timeout': 0.2,
        'moving_obstacles.enabled': False}), 1), x=-4.0)
    robot.controller.set_costmap(robot.now, with_block(room(), -4.4, 0.0, 0.3))
    robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    for _ in range(20):
        tick = robot.tick()
        robot.pose[:] = -4.0, 0.0, 0.0
        robot.twist[:] = 0.0
        assert tick.command.vx > 0.5 * QUICK.limits.vx_min


def test_without_progress_the_robot_gives_up_until_another_goal_comes():
    ticks = held({'recovery.progress_timeout': 2.0}, seconds=4.0)
    driving = [tick.state is ControllerState.DRIVING for tick in ticks]
    assert 35 <= sum(driving) <= 45
    assert ticks[-1].state is ControllerState.STOPPED
    assert ticks[-1].code is Reason.PROGRESS_TIMEOUT
    assert ticks[-1].reason == 'no progress for 2 s; 8.0 m of the path remain'
    assert all(
        tick.state is ControllerState.DRIVING
        for tick in held({'recovery.progress_timeout': 0.0}, 4.0)
    )


REQUIRED = {'recovery.require_movement': True, 'recovery.progress_timeout': 0.0,
            'recovery.stuck_timeout': 0.0, 'follow_path.progress_time': 2.0}


def test_robot_that_must_move_stops_without_movement_and_says_so():
    ticks = held({**REQUIRED, 'follow_path.progress_radius': 0.4}, seconds=4.0)
    driving = [tick.state is ControllerState.DRIVING for tick in ticks]
    assert 38 <= sum(driving) <= 42
    assert ticks[-1].code is Reason.PROGRESS_TIMEOUT
    assert ticks[-1].reason == 'moved less than 0.4 m in 2 s'
    ticks = held({**REQUIRED, 'recovery.require_movement': False}, seconds=4.0)
    assert ticks[-1].state is ControllerState.DRIVING


@pytest.mark.parametrize('angle', [0.0, 0.5])
def test_rotation_counts_as_movement_if_an_angle_is_given(angle):
    checker = ProgressChecker()
    required = replace(QUICK, {'follow_path.progress_angle': angle}).follow_path
    idle = [
        checker.since_movement(0.1 * n, (0.0, 0.0, 0.1 * n), *required.movement)
        for n in range(60)
    ]
    assert max(idle) == pytest.approx(0.5 if angle else 5.9)


def test_movement_is_required_anew_for_another_goal_after_a_pause_and_a_withdrawn_plan():
    configuration = replace(QUICK, {
        'safety.costmap_timeout': 0.0, 'safety.odom_frozen': 0.0, **REQUIRED})
    robot = PlainRobot(Controller(configuration, 1), x=-4.0)
    controller = robot.controller

    def stands(seconds):
        for _ in range(round(seconds / robot.period)):
            tick = robot.tick()
            robot.pose[:] = -4.0, 0.0, 0.0
            robot.twist[:] = 0.0
        return tick.code is Reason.PROGRESS_TIMEOUT

    controller.set_costmap(robot.now, room())
    controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    assert not stands(1.8)
    assert stands(1.0)
    controller.set_goal(robot.now, 3.0, 1.0, 0.0)
    assert not stands(1.0)
    robot.now += 5.0
    assert not stands(0.7)
    assert stands(1.0)
    controller.clear_plan()
    stands(0.2)
    controller.set_goal(robot.now, 3.0, 1.0, 0.0)
    assert not stands(1.8)


def test_another_goal_another_way_or_a_break_give_new_hope():
    endeavour, goal = ProgressChecker(), (5.0, 0.0)

    def ask(now, left, goal=goal):
        return endeavour.timed_out(now, left, goal, 2.0, 0.5)

    def held_out(begin, *case):
        return [ask(begin + 0.1 * n, *case) for n in range(25)]

    assert not any(held_out(0.0, 5.0)[:20])
    assert ask(2.5, 5.0)
    assert ask(2.6, 4.8), 'less progress than counts'
    assert not ask(2.7, 4.6), 'progress'
    assert held_out(2.8, 4.6)[-1]
    assert not ask(5.3, 6.0), 'another way'
    assert held_out(5.4, 6.0)[-1]
    assert not ask(7.9, 6.0, (5.0, 1.0)), 'another goal'
    assert not any(held_out(20.0, 6.0, (5.0, 1.0))[:19]), 'a break does not count'


def gives_up_after(lefts, seconds=2.0, pace=0.5):
    """Return the time at which there is no hope any more for the way left at 10 Hz, or None."""
    endeavour = ProgressChecker()
    for n, left in enumerate(lefts):
        if endeavour.timed_out(100.0 + 0.1 * n, left, (5.0, 0.0), seconds, pace):
            return 0.1 * n
    return None


@pytest.mark.parametrize('swing', [0.5, 2.0, 9.0])
def test_circles_and_jumps_of_the_way_left_are_no_progress(swing):
    circles = [10.0 + 0.5 * swing * (1.0 - math.cos(0.3 * n)) for n in range(2000)]
    jumps = [10.0 + swing * (1.0 - (n % 20) / 20.0) for n in range(2000)]
    for lefts in (circles, jumps):
        assert 2.0 < gives_up_after(lefts) <= 2.0 + swing / 0.5 + 4.0


def test_progress_on_ever_new_plans_of_the_same_length_to_one_goal_is_none():
    lefts = [8.0 - 0.05 * (n % 30) for n in range(1000)]
    assert gives_up_after(lefts) < 10.0


def test_longer_way_gets_the_time_that_it_takes():
    longer = [5.0 - 0.05 * n for n in range(40)] + [20.0 - 0.06 * n for n in range(320)]
    assert gives_up_after(longer) is None
    slow = [5.0 - 0.05 * n for n in range(40)] + [20.0 - 0.02 * n for n in range(900)]
    assert gives_up_after(slow) > 30.0


def test_second_drive_to_the_same_goal_begins_anew():
    robot = PlainRobot(
        Controller(
            replace(
                QUICK,
                {
                    'safety.costmap_timeout': 0.0,
                    'safety.odom_jump': 0.0,
                    'recovery.progress_timeout': 2.0,
                },
            ),
            1,
        )
    )
    robot.controller.set_costmap(robot.now, room())
    for _ in range(2):
        robot.controller.set_plan(robot.now, np.array([[0.0, 0.0, 0.0], [0.9, 0.0, 0.0]]))
        assert robot.run(6.0).state is ControllerState.REACHED
        robot.pose[:] = 0.0
        robot.controller.halt()
    assert not any(tick.code is Reason.PROGRESS_TIMEOUT for tick in robot.ticks)


def test_robot_that_is_moved_to_and_fro_along_its_plan_gives_up():
    robot = PlainRobot(Controller(replace(QUICK, {
        'safety.costmap_timeout': 0.0, 'safety.odom_frozen': 0.0, 'safety.odom_jump': 0.0,
        'recovery.progress_timeout': 2.0}), 1), x=-4.0)
    robot.controller.set_costmap(robot.now, room())
    for n in range(500):
        robot.pose[:] = -3.0 - math.cos(0.05 * n), 0.0, 0.0
        if n % 20 == 0:  # a planner that plans again and again
            robot.controller.set_plan(robot.now, np.array([robot.pose, [4.0, 0.0, 0.0]]))
        robot.tick()
    assert robot.ticks[-1].code is Reason.PROGRESS_TIMEOUT


def test_with_progress_cooling_changes_no_command():
    def commands(cooling):
        robot = PlainRobot(Controller(replace(QUICK, {
            'safety.costmap_timeout': 0.0, 'recovery.cooling': cooling}), 1), x=-4.0)
        robot.controller.set_costmap(robot.now, room())
        robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
        robot.run(5.0)
        return [tick.command for tick in robot.ticks]

    assert commands(0.1) == commands(1.0)


def test_time_in_which_the_robot_did_not_want_to_drive_does_not_count():
    robot = PlainRobot(Controller(replace(QUICK, {'safety.costmap_timeout': 0.0}), 1), x=-4.0)
    robot.controller.set_costmap(robot.now, room())
    robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    robot.run(0.1)
    robot.controller.clear_plan()
    robot.run(5.0)
    robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    assert all(tick.reason == '' for tick in [robot.tick() for _ in range(20)])
