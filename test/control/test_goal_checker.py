"""The goal is checked as Nav2's checkers do, and one heading of a symmetric goal is driven to."""
from __future__ import annotations

import dataclasses
import math

import numpy as np
from plain_robot import QUICK, PlainRobot, room
from plan_drive import drive_plan
import pytest

from mppi_ros.control.controller import Controller
from mppi_ros.control.goal_checker import HEADING_HYSTERESIS, GoalChecker
from mppi_ros.control.tick_result import ControllerState
from mppi_ros.driving.parameters import GoalParameters
from mppi_ros.parameters.declaration import replace
from mppi_ros.simulation.episode import Episode, EpisodeRun
from mppi_ros.simulation.world import World

SYMMETRIC = GoalParameters(symmetric_yaw_tolerance=True)
STATEFUL = GoalParameters(stateful=True)
QUARTER = 0.5 * math.pi
ORIGIN = (0.0, 0.0, 0.0)


@pytest.mark.parametrize('yaw', [0.0, 0.19, -0.19, 3.0, -3.0, math.pi, -math.pi, 6.2])
def test_symmetric_goal_accepts_both_headings_and_another_one_does_not(yaw):
    assert SYMMETRIC.accepts((0.1, 0.0, yaw), ORIGIN)
    assert GoalParameters().accepts((0.1, 0.0, yaw), ORIGIN) == (math.cos(yaw) > 0.0)


@pytest.mark.parametrize('yaw', [0.25, 1.5, -1.5, 2.9])
def test_symmetric_goal_accepts_no_heading_between_both(yaw):
    assert not SYMMETRIC.accepts((0.0, 0.0, yaw), ORIGIN)


def test_nearer_heading_is_chosen_and_kept_within_the_hysteresis():
    inside, outside = 0.9 * HEADING_HYSTERESIS, 1.1 * HEADING_HYSTERESIS
    for first, chosen, other in ((0.1, 0.0, math.pi), (QUARTER + 0.01, math.pi, 0.0)):
        side = 1.0 if chosen == 0.0 else -1.0
        checker = GoalChecker()
        assert checker.heading(0.0, first, SYMMETRIC) == chosen
        assert checker.heading(0.0, QUARTER + side * inside, SYMMETRIC) == chosen
        assert checker.heading(0.0, QUARTER + side * outside, SYMMETRIC) == other
        checker.restart()
        assert checker.heading(0.0, first, SYMMETRIC) == chosen


def test_goal_that_is_not_symmetric_keeps_its_heading():
    assert GoalChecker().heading(0.3, 3.0, GoalParameters()) == 0.3


def test_stateful_position_is_kept_until_another_goal_or_beyond_the_buffer():
    far, farther = (0.5, 0.0, 0.0), (1.0, 0.0, 0.0)
    for buffer, kept in ((0.0, [True, True]), (0.4, [True, False])):
        goal = dataclasses.replace(STATEFUL, position_tolerance_buffer=buffer)
        checker = GoalChecker()
        assert not checker.accepts(far, ORIGIN, goal)
        checker.update([(0.1, 0.0, 2.0)], ORIGIN, goal)
        for pose, still in zip((far, farther), kept, strict=True):
            checker.update([pose], ORIGIN, goal)
            assert checker.accepts(pose, ORIGIN, goal) == still
        assert not checker.accepts((0.0, 0.0, 2.0), ORIGIN, goal)
        checker.restart()
        assert not checker.accepts(far, ORIGIN, goal)


def test_position_that_the_robot_overshoots_is_not_reached():
    checker = GoalChecker()
    checker.update([ORIGIN, (0.3, 0.0, 0.0)], ORIGIN, STATEFUL)
    assert not checker.accepts((0.3, 0.0, 0.0), ORIGIN, STATEFUL)


def plan_to(yaw):
    poses = np.zeros((61, 3))
    poses[:, 0] = np.linspace(0.0, 3.0, 61)
    poses[-1, 2] = yaw
    return poses


@pytest.mark.parametrize('model', ['diff_drive', 'omni'])
@pytest.mark.parametrize(('yaw', 'end'), [(math.pi, 0.0), (2.6, 2.6 - math.pi), (0.5, 0.5)])
def test_robot_turns_to_the_nearer_heading_of_a_symmetric_goal(model, yaw, end):
    drive = drive_plan(
        plan_to(yaw), ORIGIN, model=model, changes={'goal.symmetric_yaw_tolerance': True})
    assert drive.reached, drive.reason
    assert abs(math.remainder(drive.poses[-1, 2] - end, math.tau)) < 0.25
    assert drive.turned < abs(end) + 0.8


def test_robot_turns_around_for_a_goal_that_is_not_symmetric():
    drive = drive_plan(plan_to(math.pi), ORIGIN)
    assert drive.reached, drive.reason
    assert drive.turned > 2.8


@pytest.mark.parametrize('start', [QUARTER, -QUARTER, QUARTER + 0.05, 1.0])
def test_headings_a_quarter_turn_away_are_not_averaged(start):
    drive = drive_plan(
        [ORIGIN], (0.0, 0.0, start), changes={'goal.symmetric_yaw_tolerance': True}, seconds=15.0)
    assert drive.reached, drive.reason
    assert abs(math.sin(drive.poses[-1, 2])) < 0.25
    assert drive.turned < QUARTER + 0.5
    assert drive.seconds < 6.0


def test_car_arrives_at_a_symmetric_goal_without_turning_around():
    drive = drive_plan(
        [(4.0, 0.0, math.pi)], ORIGIN, model='ackermann',
        changes={'goal.symmetric_yaw_tolerance': True})
    assert drive.reached, drive.reason
    assert abs(drive.poses[-1, 2]) < 0.25
    assert drive.travelled < 4.5


def test_symmetry_takes_effect_and_ends_while_driving():
    def change(value):
        return lambda controller, _: controller.configure(replace(
            controller.configuration, {'goal.symmetric_yaw_tolerance': value}))

    on = drive_plan(plan_to(math.pi), ORIGIN, events={1.0: change(True)})
    off = drive_plan(plan_to(math.pi), ORIGIN, events={1.0: change(False)},
                     changes={'goal.symmetric_yaw_tolerance': True})
    assert on.reached
    assert off.reached
    assert abs(on.poses[-1, 2]) < 0.25
    assert abs(math.remainder(off.poses[-1, 2] - math.pi, math.tau)) < 0.25


def at_goal(changes, goal_yaw=0.0, seconds=6.0, **spoil):
    """Return the robot at its goal; `spoil` moves it as it turns, or falsifies its turning."""
    configuration = replace(QUICK, {'safety.costmap_timeout': 0.0, **changes})
    robot = PlainRobot(Controller(configuration, 1))
    truth = robot.odometry
    robot.odometry = lambda: dataclasses.replace(truth(), wz=truth().wz + spoil.get('wz', 0.0))
    robot.controller.set_costmap(robot.now, room())
    robot.controller.set_goal(robot.now, 0.0, 0.0, goal_yaw)
    for _ in range(round(seconds / robot.period)):
        if robot.pose[2] > 1.9:
            robot.pose[1] += spoil.pop('y', 0.0)
        if robot.tick().state is ControllerState.REACHED:
            break
    return robot


def test_stateful_goal_is_reached_by_a_robot_that_is_pushed_aside_as_it_turns():
    for stateful in (False, True):
        robot = at_goal({'goal.stateful': stateful, 'goal.heading_tolerance': 0.3}, 2.5, 15.0,
                        y=0.4)
        assert robot.ticks[-1].state is ControllerState.REACHED
        away = math.hypot(*robot.pose[:2])
        assert (away <= QUICK.goal.position_tolerance + 0.02) == (not stateful)
        assert abs(robot.pose[2] - 2.5) < 0.35


@pytest.mark.parametrize('threshold', [0.1, 0.3])
def test_robot_is_stopped_below_the_thresholds(threshold):
    robot = at_goal({'goal.rot_stopped_velocity': threshold, 'identification.enabled': False},
                    seconds=2.0, wz=0.2)
    assert (robot.ticks[-1].state is ControllerState.REACHED) == (threshold > 0.2)


def test_stopped_counts_speed_and_turning_rate_in_both_directions():
    goal = GoalParameters(trans_stopped_velocity=0.2, rot_stopped_velocity=0.3)
    assert goal.is_stopped(0.2, -0.3)
    assert not goal.is_stopped(0.21, 0.0)
    assert not goal.is_stopped(0.0, -0.31)


@pytest.mark.parametrize('changes', [
    {'goal.symmetric_yaw_tolerance': True}, {'goal.stateful': True}, {}])
def test_episode_checks_the_goal_like_the_controller(changes):
    world = World.from_circles([[9.0, 9.0, 0.1]], (-2.0, -2.0, 2.0, 2.0))
    configuration = replace(QUICK, changes)
    run = EpisodeRun(Episode(world, (0.0, 0.0, math.pi), ORIGIN, configuration))
    assert run.at_goal == ('goal.symmetric_yaw_tolerance' in changes)
    run = EpisodeRun(Episode(world, ORIGIN, ORIGIN, configuration))
    run.advance(0.05)
    run._plant.pose[0] = 0.6
    run.advance(0.1)
    assert run.at_goal == ('goal.stateful' in changes)
