"""Prediction and braking against closed forms."""
from __future__ import annotations

from dataclasses import replace
import math

import numpy as np
from plain_robot import room, with_block
import pytest

from mppi_ros.control import prediction, stopping_check
from mppi_ros.control.stopping_check import CollisionModel
from mppi_ros.driving import motion_models
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.distance_field import NO_OBSTACLE, distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.motion_models import DiffDrive, MotionState
from mppi_ros.driving.parameters import Limits, PredictionParameters

LIMITS = Limits(vx_max=2.0, vx_min=-1.0, wz_max=1.5, ax_max=1.0, ax_min=-2.0, az_max=3.0)
PREDICTION = PredictionParameters(
    delay_linear=0.1, delay_angular=0.1, lag_linear=0.2, lag_angular=0.15
)
BODY = Footprint.round(0.2)
MODEL = DiffDrive.of(LIMITS, PREDICTION, stopping_check.INTEGRATION_STEP)
WALL = 4.95  # [m] inner face of the room's right wall


def collision_model(costmap, margin=0.0, body=BODY):
    return CollisionModel.of(distance_field(costmap), body, margin)


def beside_the_rim(outside, body=BODY):
    field = distance_field(Costmap(np.zeros((80, 80), np.int8), 0.05, -2.0, -2.0),
                           outside_is_obstacle=False)
    return CollisionModel.of(replace(field, outside=outside), body, 0.0)


@pytest.mark.parametrize('yaw', [0.0, 0.5 * math.pi, math.pi, -0.5 * math.pi])
def test_the_rim_is_a_wall_for_the_check_as_long_as_the_outside_is_an_obstacle(yaw):
    tight = replace(LIMITS, wz_max=0.01)
    model = DiffDrive.of(tight, PREDICTION, stopping_check.INTEGRATION_STEP)
    rest = stopping_check.check(
        MotionState(0.0, 0.0, yaw, 1.0, 0.0), (1.0, 0.0), 0.05, beside_the_rim(NO_OBSTACLE), model
    ).rest
    way = math.hypot(rest.x, rest.y)
    for gap, safe in ((0.01, True), (-0.01, False)):
        start = 2.0 - 0.2 - way - gap
        state = MotionState(start * math.cos(yaw), start * math.sin(yaw), yaw, 1.0, 0.0)
        found = stopping_check.check(state, (1.0, 0.0), 0.05, beside_the_rim(0.0), model)
        assert found.safe is safe
        assert stopping_check.check(
            state, (1.0, 0.0), 0.05, beside_the_rim(NO_OBSTACLE), model
        ).safe


def test_a_body_that_reaches_over_the_rim_may_come_back_and_go_no_further():
    around = beside_the_rim(0.0)
    for x, speed, safe in ((1.9, -0.3, True), (1.9, 0.3, False)):
        found = stopping_check.check(
            MotionState(x, 0.0, 0.0, 0.0, 0.0), (speed, 0.0), 0.3, around, MODEL
        )
        assert found.safe is safe
        assert found.begin == pytest.approx(-0.1)
    long = Footprint.polygonal([(1.2, 0.1), (-1.2, 0.1), (-1.2, -0.1), (1.2, -0.1)])
    around = beside_the_rim(0.0, long)
    x = 2.05 - float(long.discs[:, 0].max())  # the middle of a disc is beyond the rim
    for speed, safe in ((-0.3, True), (0.3, False)):
        state = MotionState(x, 0.0, 0.0, 0.0, 0.0)
        assert stopping_check.check(state, (speed, 0.0), 0.3, around, MODEL).safe is safe


def exact(seconds):
    return DiffDrive.of(LIMITS, PREDICTION, seconds, float)


def predict(state, since, until, sent):
    return prediction.predict(state, since, until, sent, PREDICTION, DiffDrive, LIMITS)


def moving(x=0.0, y=0.0, yaw=0.0, v=0.0, w=0.0):
    return MotionState(x, y, yaw, v, w)


def test_limits_are_those_of_the_rollout():
    rng = np.random.default_rng(0)
    model = DiffDrive.of(LIMITS, PREDICTION, 0.05)
    for _ in range(200):
        wanted, last = rng.uniform(-3.0, 3.0, 2), rng.uniform(-1.0, 1.0, 2)
        expected = np.array([wanted], np.float32)
        motion_models.limit(expected, tuple(last), model)
        found = motion_models.apply_limits(tuple(wanted), tuple(last), exact(0.05))
        np.testing.assert_allclose(found, expected[0], atol=1e-6)


@pytest.mark.parametrize('last', [(1.7, 1.0), (-0.9, -1.4), (0.001, -0.001), (0.0, 1.5)])
@pytest.mark.parametrize('curvature', [0.0, 0.8, -50.0])
def test_braking_ends_in_exactly_zero(last, curvature):
    for _ in range(60):
        slower = motion_models.brake_command(last, curvature, exact(0.05))
        assert abs(slower[0]) <= abs(last[0])
        assert abs(slower[1] - last[1]) <= 3.0 * 0.05 + 1e-12
        last = slower
    assert last == (0.0, 0.0)


def test_speed_limit_that_was_lowered_is_approached_within_the_acceleration():
    assert motion_models.apply_limits((5.0, 0.0), (3.0, 0.0), exact(0.1)) == pytest.approx(
        (2.8, 0.0)
    )


def test_prediction_is_the_step_response_of_a_first_order_lag_after_the_delay():
    sent = np.array([[-np.inf, 0.0, 0.0], [10.0, 1.0, 0.5]])
    seconds = 0.7
    state = predict(moving(), 10.0, 10.0 + 0.1 + seconds, sent)
    share = math.exp(-seconds / 0.2)
    assert state.v == pytest.approx(1.0 - share, abs=1e-3)
    assert state.w == pytest.approx(0.5 * (1.0 - math.exp(-seconds / 0.15)), abs=1e-3)
    assert state.yaw == pytest.approx(0.5 * (seconds - 0.15 * 0.99), abs=5e-3)
    assert math.hypot(state.x, state.y) == pytest.approx(seconds - 0.2 * (1.0 - share), abs=5e-3)


def test_command_does_nothing_before_its_delay():
    sent = np.array([[-np.inf, 0.0, 0.0], [10.0, 1.0, 0.5]])
    assert predict(moving(1.0, 2.0, 3.0), 10.0, 10.1, sent) == (
        pytest.approx(moving(1.0, 2.0, 3.0)))


def test_prediction_over_no_time_is_the_measurement():
    sent = np.array([[-np.inf, 1.0, 1.0]])
    assert predict(moving(v=1.0), 5.0, 4.9, sent) == moving(v=1.0)


@pytest.mark.parametrize('speed', [0.3, 1.0, 2.0])
@pytest.mark.parametrize('hold', [0.0, 0.05, 0.2])
def test_least_room_to_brake_is_the_integral_of_the_velocity(speed, hold):
    # A lag delays the way by its time constant: distance = v hold + v² / 2 a + v τ.
    needed = speed * hold + speed**2 / (2.0 * 2.0) + speed * 0.2
    around = collision_model(room())
    for slack, safe in ((0.03, True), (-0.03, False)):
        start = moving(x=WALL - 0.2 - needed - slack, v=speed)
        found = stopping_check.check(start, (speed, 0.0), hold, around, MODEL)
        if not safe and found.turn:
            continue  # it bends away from the wall instead
        assert found.safe == safe
        if safe:
            assert found.clearance == pytest.approx(slack, abs=0.03)


def test_margin_is_kept():
    start = moving(x=WALL - 0.2 - 0.1)
    models = [collision_model(room(), margin) for margin in (0.0, 0.02, 0.08)]
    safe = [stopping_check.check(start, (0.4, 0.0), 0.05, model, MODEL).safe for model in models]
    assert safe == [True, True, False]


def test_braking_bends_round_an_obstacle_that_it_cannot_stop_before():
    around = collision_model(with_block(room(), 1.2, 0.2, 0.1))
    start = moving(v=2.0)
    found = stopping_check.check(start, (2.0, 0.0), 0.05, around, MODEL)
    assert found.safe
    assert found.turn < 0.0


@pytest.mark.parametrize('side', [1.0, -1.0])
def test_robot_in_contact_may_leave_and_rest_but_not_go_deeper(side):
    around = collision_model(with_block(room(), 0.2 * side, 0.0, 0.1))
    speeds = {v: stopping_check.check(moving(), (v, 0.0), 0.05, around, MODEL).safe
              for v in (-0.2 * side, 0.0, 0.2 * side)}
    assert list(speeds.values()) == [True, True, False]


@pytest.mark.parametrize('v', [-0.2, 0.0, 0.2])
def test_robot_whose_middle_is_in_an_obstacle_may_not_move(v):
    around = collision_model(with_block(room(), 0.0, 0.0, 0.6))
    found = stopping_check.check(moving(), (v, 0.0), 0.05, around, MODEL)
    assert found.begin == pytest.approx(-0.2)
    assert not found.safe


def test_each_disc_may_not_go_deeper_even_when_another_comes_free():
    body = Footprint.polygonal([[0.5, 0.2], [-0.5, 0.2], [-0.5, -0.2], [0.5, -0.2]])
    costmap = with_block(with_block(room(), 0.62, 0.0, 0.2), -0.8, 0.0, 0.2)
    around = collision_model(costmap, body=body)
    assert around.distance.min() == 0.0
    found = stopping_check.check(moving(), (-0.5, 0.0), 0.3, around, MODEL)
    assert found.begin < 0.0
    assert not found.safe


@pytest.mark.parametrize(('speed', 'safe'), [(0.0, True), (-1.5, False)])
def test_room_to_brake_is_less_before_something_that_comes_nearer(speed, safe):
    obstacle = np.array([[1.6, 0.0, speed, 0.0, 0.25]])
    around = collision_model(room())._replace(moving_obstacles=obstacle)
    found = [stopping_check.check(moving(v=1.0), (1.0, 0.0), 0.05, around, MODEL)]
    if not safe:  # nor does a bend help where there are walls of them
        aside = np.array([[1.6, 0.5 * n, speed, 0.0, 0.25] for n in range(-4, 5)])
        blocked = around._replace(moving_obstacles=aside)
        found.append(stopping_check.check(moving(v=1.0), (1.0, 0.0), 0.05, blocked, MODEL))
    assert found[-1].safe == safe


FIELD = with_block(room(width=400.0, height=20.0, resolution=0.2), 199.0, 0.0, 1.0)


@pytest.mark.parametrize('brakes', [-0.01, -0.05, -0.0999])
def test_a_stop_of_which_the_end_is_not_seen_is_not_safe(brakes):
    """The room is free for 190 m: what counts is that the robot still moves after 20 s."""
    limits = Limits(ax_min=brakes, vx_max=2.0)
    model = DiffDrive.of(limits, PREDICTION, stopping_check.INTEGRATION_STEP)
    around = collision_model(FIELD)
    assert 2.0 / -brakes > stopping_check.INTEGRATION_STEP * stopping_check.MAX_STOP_STEPS
    found = stopping_check.check(moving(v=2.0), (2.0, 0.0), 0.05, around, model)
    assert found.rest.v > 0.0
    assert not found.safe
    slow = 0.8 * -brakes * stopping_check.INTEGRATION_STEP * stopping_check.MAX_STOP_STEPS
    found = stopping_check.check(moving(v=slow), (slow, 0.0), 0.05, around, model)
    assert found.rest.v == pytest.approx(0.0, abs=0.01)
    assert found.safe
