"""The plant: delay, lag, limits, arcs and the errors of its odometry."""

from __future__ import annotations

from dataclasses import replace
import math

import numpy as np
import pytest

from mppi_ros.control.inputs import Command
from mppi_ros.driving.parameters import Limits
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.plant import EXTREME, IDEAL, Plant, PlantParameters

FREE = Limits(
    vx_max=20.0, vx_min=-20.0, wz_max=20.0, ax_max=50.0, ax_min=-50.0, az_max=100.0
)
START = (1.0, 2.0, 0.5)


def test_speed_reaches_63_percent_after_the_lag():
    for lag in (0.1, 0.3):
        parameters = replace(IDEAL, lag_linear=lag, lag_angular=2 * lag, limits=FREE)
        plant = Plant(parameters, START)
        plant.command(Command(1.0, 0.0, 1.0), 0.0)
        plant.advance(lag)
        assert plant.twist[0] == pytest.approx(1.0 - math.exp(-1.0), abs=1e-9)
        plant.advance(lag)
        assert plant.twist[2] == pytest.approx(1.0 - math.exp(-1.0), abs=1e-9)


@pytest.mark.parametrize('delay', [0.05, 0.1234])
def test_nothing_moves_before_the_delay_and_everything_does_right_after(delay):
    plant = Plant(replace(IDEAL, delay_linear=delay, delay_angular=delay, limits=FREE), START)
    plant.advance(0.02)
    plant.command(Command(1.0, 0.0, 0.0), 0.02)
    plant.advance(delay)
    assert plant.twist[0] == 0.0
    plant.advance(1e-6)
    assert plant.twist[0] > 0.0


def test_commands_act_in_order_each_after_its_own_delay():
    plant = Plant(replace(IDEAL, delay_linear=0.1, delay_angular=0.1, limits=FREE), START)
    speeds = []
    for k in range(10):
        plant.command(Command(0.01 * k, 0.0, 0.0), plant.time)
        plant.advance(0.05)
        speeds.append(round(float(plant.twist[0]), 6))
    assert speeds == [0.0, 0.0, 0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07]


def test_the_gains_scale_what_commands_achieve():
    plant = Plant(replace(IDEAL, speed_gain=0.8, yaw_gain=0.5, motion_model='omni', limits=FREE),
                  START)
    plant.command(Command(1.0, 0.5, 1.0), 0.0)
    plant.advance(1.0)
    assert plant.twist.tolist() == pytest.approx([0.8, 0.4, 0.5])


def test_acceleration_never_exceeds_its_limits():
    limits = Limits(vx_max=1.0, vx_min=-0.8, wz_max=2.0, ax_max=0.7, ax_min=-1.9, az_max=3.0)
    plant = Plant(replace(IDEAL, lag_linear=0.05, limits=limits), START)
    rng = np.random.default_rng(0)
    before = plant.twist.copy()
    for k in range(4000):
        if k % 40 == 0:
            plant.command(Command(*rng.uniform(-3.0, 3.0, 3)), plant.time)
        plant.advance(0.005)
        dv, _, dw = plant.twist - before
        up, down = (0.7, 1.9) if before[0] > 0.0 else (1.9, 0.7)
        assert dv <= max(up, 0.7 if plant.twist[0] > 0 else 0.0) * 0.005 + 1e-12
        assert dv >= -max(down, 0.7 if plant.twist[0] < 0 else 0.0) * 0.005 - 1e-12
        assert abs(dw) <= 3.0 * 0.005 + 1e-12
        assert -0.8 <= plant.twist[0] <= 1.0
        assert abs(plant.twist[2]) <= 2.0
        before = plant.twist.copy()


def test_yaw_gain_scales_the_turn_that_is_made():
    plant = Plant(replace(IDEAL, yaw_gain=0.75, limits=FREE), START)
    plant.command(Command(0.0, 0.0, 1.0), 0.0)
    plant.advance(1.0)
    assert plant.twist[2] == pytest.approx(0.75)


def test_constant_commands_drive_a_circle():
    plant = Plant(replace(IDEAL, limits=FREE), START)
    plant.twist[:] = 1.0, 0.0, 0.5
    plant.command(Command(1.0, 0.0, 0.5), 0.0)
    plant.advance(2.0 * math.tau)
    np.testing.assert_allclose(plant.pose, START, atol=1e-9)
    plant.advance(math.pi)
    centre = np.array(START[:2]) + 2.0 * np.array([-math.sin(0.5), math.cos(0.5)])
    assert np.hypot(*(plant.pose[:2] - centre)) == pytest.approx(2.0)


def test_the_way_does_not_depend_on_how_time_is_cut():
    parameters = replace(IDEAL, lag_linear=0.2, delay_linear=0.03, delay_angular=0.02)
    whole, cut = (Plant(parameters, START) for _ in range(2))
    for plant in (whole, cut):
        plant.command(Command(0.4, 0.0, 1.0), 0.0)
    whole.advance(1.0)
    for _ in range(100):
        cut.advance(0.01)
    np.testing.assert_allclose(whole.pose, cut.pose, atol=1e-9)


def test_ideal_odometry_is_the_truth():
    plant = Plant(IDEAL, START)
    plant.command(Command(0.4, 0.0, 1.0), 0.0)
    plant.advance(1.0)
    odometry = plant.odometry(7.0)
    assert odometry.stamp == 7.0
    np.testing.assert_allclose((odometry.x, odometry.y, odometry.yaw), plant.pose)
    np.testing.assert_allclose((odometry.vx, odometry.vy, odometry.wz), plant.twist)


def test_scale_error_is_carried_along_only_by_a_robot_that_drifts():
    parameters = replace(IDEAL, odom_scale_error=0.02, limits=FREE)
    for drifts, expected in ((True, 1.02), (False, 1.0)):
        plant = Plant(replace(parameters, drifts=drifts), (0.0, 0.0, 0.0))
        plant.command(Command(1.0, 0.0, 0.0), 0.0)
        plant.advance(10.0)
        odometry = plant.odometry(10.0)
        assert odometry.x == pytest.approx(expected * plant.pose[0])
        assert odometry.vx == pytest.approx(1.02)


def test_noise_has_the_stated_spread_and_repeats_with_the_seed():
    samples = []
    for _ in range(2):
        plant = Plant(EXTREME, START, seed=4)
        drawn = [plant.odometry(0.0) for _ in range(4000)]
        samples.append([(o.x, o.y, o.yaw, o.vx, o.wz) for o in drawn])
    assert samples[0] == samples[1]
    spread = np.std(samples[0], axis=0)
    np.testing.assert_allclose(spread, [0.009, 0.009, 0.006, 0.03, 0.03], rtol=0.05)
    other = Plant(EXTREME, START, seed=5).odometry(0.0)
    assert (other.x, other.y) != samples[0][0][:2]


def test_a_negative_delay_is_rejected_by_name():
    with pytest.raises(InputError, match='plant delay_linear = -0.1'):
        PlantParameters(delay_linear=-0.1)


@pytest.mark.parametrize('grip', [0.0, 2.0])
def test_a_car_turns_less_than_its_wheels_where_its_tyres_do_not_hold(grip):
    car = replace(
        IDEAL, motion_model='ackermann', grip=grip,
        limits=replace(FREE, ay_max=4.0, turning_radius_min=0.3, steering_rate=100.0),
    )  # fmt: skip
    plant = Plant(car, START)
    for speed in (1.0, 3.0, 6.0):
        plant.command(Command(speed, 0.0, speed * 0.5), plant.time)
        plant.advance(2.0)
        assert plant.twist[2] == pytest.approx(min(0.5 * speed, (grip or 4.0) / speed), rel=1e-6)
