"""Delay, lag and gain are learnt from noisy drives, slowly, within bounds."""
from __future__ import annotations

from dataclasses import astuple, replace
import math

import numpy as np
import pytest

from mppi_ros.control.identification import (
    DELAYS,
    GAINS,
    LAGS,
    MAX_LEARNING_RATE,
    FopdtModel,
    Identification,
)
from mppi_ros.control.inputs import Command, Odometry
from mppi_ros.driving.parameters import Limits
from mppi_ros.simulation.plant import EXTREME, HARD, HEAVY, NOMINAL, Plant

LIMITS = Limits(vx_max=2.0, vx_min=-2.0, wz_max=4.0, ax_max=5.0, ax_min=-5.0, az_max=10.0)
CONFIGURED = FopdtModel(0.05, 0.1)
PERIOD = 0.05


def learner() -> Identification:
    return Identification([CONFIGURED, CONFIGURED], [LIMITS.vx_max, LIMITS.wz_max])


def drive(
    plant, seconds=15.0, seed=0, wander=1.0, period=0.02, fault=lambda odometry: odometry,
    watch=lambda found: None,
):  # fmt: skip
    """Hold speed and turning rate near targets that change, by feedback of what is measured."""
    robot = Plant(replace(plant, limits=LIMITS), (0.0, 0.0, 0.0), seed)
    rng = np.random.default_rng(seed)
    found = learner()
    sent = np.full((512, 3), -math.inf)
    sent[:, 1:] = 0.0
    target, command = np.array([0.6, 0.0]), np.zeros(2)
    ticks = measurements = 0
    measured = robot.odometry(0.0)
    while robot.time < seconds:
        now = min(PERIOD * ticks, period * measurements)
        robot.advance(now - robot.time)
        if now == period * measurements:
            measured = fault(robot.odometry(now))
            found.observe(now, (measured.vx, measured.wz), sent)
            watch(found)
            measurements += 1
        if now == PERIOD * ticks:
            if wander and rng.random() < PERIOD:
                target = wander * np.array([rng.uniform(0.0, 1.5), rng.uniform(-1.0, 1.0)])
            off = target - np.array([measured.vx, measured.wz])
            command = command + np.clip(target + 0.1 * off - command, -0.25, 0.25) * bool(wander)
            robot.command(Command(command[0], 0.0, command[1]), now)
            sent[:-1] = sent[1:]
            sent[-1] = now, *command
            ticks += 1
    return found


@pytest.mark.parametrize(
    'plant', [NOMINAL, HARD, HEAVY, EXTREME], ids=['nominal', 'hard', 'heavy', 'extreme']
)
@pytest.mark.parametrize('seed', [1, 2])
def test_the_plant_is_recovered_from_noisy_driving_in_a_closed_loop(plant, seed):
    found = drive(plant, seed=seed)
    scale = 1.0 + plant.odom_scale_error  # what the odometry says is what counts
    for learned, lag, gain in zip(
        found.learned, (plant.lag_linear, plant.lag_angular), (1.0, plant.yaw_gain), strict=True
    ):
        assert learned.delay == pytest.approx(plant.delay_linear, abs=0.02)
        assert learned.lag == pytest.approx(lag, abs=0.03)
        assert learned.gain == pytest.approx(scale * gain, abs=0.035)


@pytest.mark.parametrize('gain', [0.25, 0.36, 0.6])
def test_a_low_gain_of_turning_is_learnt_within_seconds_of_the_first_turn(gain):
    """And nothing lower on the way: the robot never turns faster than it was meant to."""
    seen = []

    def watch(found):
        seen.append((found.estimate(1).excited, found.learned[1].gain))

    drive(replace(NOMINAL, yaw_gain=gain), 8.0, seed=1, watch=watch)
    excited, learned = np.array(seen).T
    assert np.all(np.abs(learned[excited > 3.0] - 1.01 * gain) < 0.1 * gain)
    assert learned.min() > 0.9 * gain
    assert np.all(learned[excited < 0.5] == 1.0)


def test_a_robot_that_is_known_well_is_driven_as_it_is_known():
    for seed in range(4):
        assert drive(NOMINAL, seed=seed).learned == [CONFIGURED, CONFIGURED]


@pytest.mark.parametrize('period', [0.001, 0.0101, 0.05])
def test_the_rate_of_the_odometry_hardly_matters(period):
    for axis in drive(HEAVY, period=period).learned:
        assert astuple(axis) == pytest.approx((0.15, 0.3, 1.01), abs=0.025)


def test_the_truth_lies_within_a_few_deviations_of_the_estimate():
    for seed in range(4):
        found = drive(HARD, seed=seed)
        for axis, gain in enumerate((1.0, HARD.yaw_gain)):
            told = found.estimate(axis)
            assert told.trusted
            truth = HARD.delay_linear, HARD.lag_linear, 1.02 * gain
            off = np.subtract(astuple(told.value), truth) / astuple(told.deviation)
            assert np.abs(off).max() < 4.0


def test_nothing_is_learnt_from_standing_still():
    found = drive(HARD, wander=0.0)
    assert found.learned == [CONFIGURED, CONFIGURED]


def test_without_data_the_estimate_is_what_is_configured():
    for axis in range(2):
        assert astuple(learner().estimate(axis).value) == pytest.approx(astuple(CONFIGURED))


def test_what_was_learnt_stays_while_the_command_is_constant():
    found = drive(HEAVY)
    sent = np.array([[-math.inf, 0.7, 0.0]])
    rng = np.random.default_rng(0)
    for k in range(50 * 10):  # the last change of the command dies away
        found.observe(20.0 + 0.02 * k, (0.7, 0.0), sent)
    before = list(found.learned)
    for k in range(50 * 120):
        found.observe(30.0 + 0.02 * k, (0.7 + rng.normal(0.0, 0.03), 0.0), sent)
    assert found.learned == before


def test_learning_is_slow_and_bounded():
    seen = []
    drive(EXTREME, watch=lambda found: seen.append([astuple(axis) for axis in found.learned]))
    values = np.array(seen)
    steps = np.abs(np.diff(values, axis=0))
    assert np.all(
        steps <= 0.23 * np.array(MAX_LEARNING_RATE)
    )  # an estimate is made five times a second
    assert np.all(values >= (0.0, 0.0, GAINS[0]))
    assert np.all(values <= (DELAYS[-1], LAGS[-1], GAINS[1]))


def wild(rng):
    def fault(odometry: Odometry) -> Odometry:
        kind = rng.integers(6)
        if kind == 0:
            return replace(odometry, vx=0.0, wz=0.0)
        if kind == 1:
            return replace(odometry, vx=1000.0, wz=-1000.0)
        return odometry

    return fault


@pytest.mark.parametrize(
    'fault',
    [
        wild(np.random.default_rng(0)),
        lambda odometry: replace(odometry, vx=0.0, wz=0.0),
        lambda odometry: replace(odometry, vx=-odometry.vx, wz=-odometry.wz),
        lambda odometry: replace(odometry, vx=50.0 * odometry.vx, wz=50.0 * odometry.wz),
        lambda odometry: replace(odometry, vx=1e3, wz=-1e3),
    ],
    ids=['jumps', 'zeros', 'reversed', 'in other units', 'stuck at an extreme'],
)
def test_broken_odometry_moves_nothing_beyond_its_bounds(fault):
    for axis in drive(NOMINAL, fault=fault).learned:
        assert 0.0 <= axis.delay <= DELAYS[-1]
        assert 0.0 <= axis.lag <= LAGS[-1]
        assert GAINS[0] <= axis.gain <= GAINS[1]


def test_measurements_that_have_nothing_to_do_with_the_commands_are_not_believed():
    rng = np.random.default_rng(3)
    for _ in range(20):
        found, sent = learner(), np.full((512, 3), -math.inf)
        for k in range(500):
            if k % 20 == 0:
                sent[:-1] = sent[1:]
                sent[-1] = 0.02 * k, *rng.normal(size=2)
            found.observe(0.02 * k, rng.normal(size=2), sent)
        assert found.learned == [CONFIGURED, CONFIGURED]


def test_the_same_drive_gives_the_same_bits():
    assert drive(HARD).learned == drive(HARD).learned


def test_a_gap_and_a_clock_that_goes_back_do_not_disturb_what_was_learnt():
    found = drive(HEAVY)
    before = list(found.learned)
    sent = np.array([[-math.inf, 1.0, 1.0]])
    for stamp in (100.0, 3.0, 200.0, 200.02, 150.0):
        found.observe(stamp, (2.0, -2.0), sent)
    assert found.learned == before
