"""The characteristic speed of a car is learnt from its turning rate, and its slip is predicted."""
from __future__ import annotations

from dataclasses import replace
import math

import numpy as np
import pytest

from mppi_ros.control.command_response import car_response
from mppi_ros.control.inputs import Command, Odometry
from mppi_ros.control.plant_estimate import PlantEstimate
from mppi_ros.control.prediction import predict
from mppi_ros.control.tick_result import Statistics
from mppi_ros.driving.motion_models import Ackermann, MotionState
from mppi_ros.driving.parameters import Limits, PredictionParameters
from mppi_ros.simulation.physics import PhysicsParameters
from mppi_ros.simulation.plant import NOMINAL, Plant
from mppi_ros.simulation.single_track import CARS, GRAVITY, SingleTrackPlant

LIMITS = Limits(
    vx_max=8.0, vx_min=-1.0, wz_max=7.0, ax_max=3.3, ax_min=-5.2, ay_max=9.0,
    turning_radius_min=0.742)
TYRES = PredictionParameters(
    characteristic_speed=14.0, rear_slip=0.02, tyre_grip=12.0, com_height=0.074,
    gyration_radius=0.112)
PERIOD = 0.025
CAR = CARS['f1tenth']
# For small slip, v_ch² = L μ g / (1 / C_f − 1 / C_r).
TRUE_SPEED = math.sqrt(
    CAR.wheelbase * CAR.friction * GRAVITY
    / (1.0 / CAR.front_stiffness - 1.0 / CAR.rear_stiffness))


def slipping(seed=0):
    limits = replace(NOMINAL, limits=LIMITS, drifts=False)
    physics = PhysicsParameters('single_track', 'f1tenth')
    return SingleTrackPlant(physics, limits, (0.0, 0.0, 0.0), seed)


def rolling(seed=0):
    limits = replace(NOMINAL, limits=LIMITS, drifts=False, motion_model='ackermann')
    return Plant(limits, (0.0, 0.0, 0.0), seed)


def learnt(car, prediction=TYRES, seconds=30.0, seed=0, learns=True):
    """Drive bends at speeds that change, and return what was learnt."""
    found = PlantEstimate(LIMITS, prediction, Ackermann, learns)
    rng = np.random.default_rng(seed)
    sent = np.zeros((512, 3))
    sent[:, 0] = -math.inf
    speed, aside, v, curvature = 5.0, 0.0, 0.0, 0.0
    for n in range(round(seconds / PERIOD)):
        now = PERIOD * n
        car.advance(now - car.time)
        odometry = car.odometry(now)
        found.observe(odometry, sent)
        if rng.random() < 1.2 * PERIOD:
            speed, aside = rng.uniform(1.5, 7.5), rng.uniform(-6.0, 6.0)
        v = min(max(speed, v - 5.2 * PERIOD), v + 3.3 * PERIOD)
        wanted = min(max(aside / max(odometry.vx, 1.0) ** 2, -1.2), 1.2)
        curvature = min(max(wanted, curvature - 9.7 * PERIOD), curvature + 9.7 * PERIOD)
        car.command(Command(v, 0.0, v * curvature), now)
        sent[:-1] = sent[1:]
        sent[-1] = now, v, curvature
    return found.prediction


@pytest.mark.parametrize('seed', range(2))
def test_the_characteristic_speed_of_a_single_track_car_is_learnt_within_ten_percent(seed):
    assert pytest.approx(10.9, abs=0.1) == TRUE_SPEED
    found = learnt(slipping(seed), replace(TYRES, characteristic_speed=20.0), 60.0, seed)
    assert found.characteristic_speed == pytest.approx(TRUE_SPEED, rel=0.1)
    assert found.gain_angular == pytest.approx(1.0, abs=0.05)


def test_a_car_that_does_not_slip_is_learnt_to_turn_as_its_wheels_do():
    found = learnt(rolling())
    assert found.characteristic_speed > 1.5 * TYRES.characteristic_speed


def test_a_right_value_is_kept_to_the_bit():
    right = replace(TYRES, characteristic_speed=TRUE_SPEED)
    assert learnt(slipping(), right, 8.0).characteristic_speed == TRUE_SPEED


def test_the_statistics_contain_the_characteristic_speed_if_the_model_has_one():
    for speed, expected in ((14.0, 14.0), (0.0, math.nan)):
        shown = Statistics()
        given = replace(TYRES, characteristic_speed=speed)
        PlantEstimate(LIMITS, given, Ackermann, True).show(shown)
        assert shown.characteristic_speed == pytest.approx(expected, nan_ok=True)


def test_a_car_without_a_characteristic_speed_is_not_given_one():
    off = replace(TYRES, characteristic_speed=0.0)
    assert learnt(slipping(), off, 8.0).characteristic_speed == 0.0
    assert learnt(slipping(), TYRES, 8.0, learns=False) == TYRES
    found = PlantEstimate(LIMITS, off, Ackermann, True)
    assert found.prediction == off


def test_the_prediction_begins_with_the_slip_that_the_commands_of_late_have_built_up():
    car = slipping()
    right = replace(TYRES, characteristic_speed=TRUE_SPEED, lag_angular=0.1, lag_linear=0.1,
                    delay_linear=0.05, delay_angular=0.05)
    sent = np.array([[-math.inf, 6.0, 0.0], [0.0, 6.0, 0.2]])
    car.twist[0] = 6.0
    car.command(Command(6.0, 0.0, 0.0), -0.1)
    car.command(Command(6.0, 0.0, 1.2), 0.0)
    car.advance(0.5)
    expected = car_response(0.5, sent, right, LIMITS)
    assert expected.vy == pytest.approx(car.twist[1], rel=0.15)
    assert expected.w == pytest.approx(car.twist[2], rel=0.1)
    measured = MotionState(1.0, 2.0, 0.0, float(car.twist[0]), float(car.twist[2]))
    state = predict(measured, 0.5, 0.5, sent, right, Ackermann, LIMITS)
    assert (state.vy, state.curvature) == (expected.vy, expected.curvature)
    assert state[:5] == measured[:5]
    rolls = predict(
        measured, 0.5, 0.5, sent, replace(right, characteristic_speed=0.0), Ackermann, LIMITS)
    assert rolls.vy == 0.0


def test_commands_that_are_not_known_are_not_learnt_from():
    found = PlantEstimate(LIMITS, TYRES, Ackermann, True)
    found.forget_sent()
    sent = np.array([[-math.inf, 6.0, 0.2]])
    assert not found.observe(Odometry(0.0, 0.0, 0.0, 0.0, 6.0, 0.0, 0.1), sent)
