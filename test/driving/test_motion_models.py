"""The motion model keeps its limits, follows its commands with lag and drives exact arcs."""
from __future__ import annotations

from dataclasses import replace
import itertools
import math

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
from numpy_motion import COLUMNS
from numpy_motion import drive as drive_in_numpy
from oracle import share_of_top_speed, time_needed
import pytest

from mppi_ros.control.inputs import Command
from mppi_ros.driving.motion_models import (
    MODELS,
    Ackermann,
    DiffDrive,
    MotionState,
    apply_limits,
    brake_command,
    delay_steps,
    first_step_reach,
    held_command,
    is_stop,
    limit,
    trajectory,
    with_wheel_angle,
)
from mppi_ros.driving.parameters import Limits, PredictionParameters
from mppi_ros.simulation.physics import PhysicsParameters
from mppi_ros.simulation.plant import IDEAL
from mppi_ros.simulation.single_track import SingleTrackPlant

DT = 0.05
LIMITS = Limits()
NO_LAG = PredictionParameters(lag_linear=0.0, lag_angular=0.0)
REST = MotionState(0.0, 0.0, 0.0, 0.0, 0.0)

sequences = arrays(np.float32, (12, 2), elements=st.floats(-5.0, 5.0, width=32))
commands = st.tuples(st.floats(LIMITS.vx_min, LIMITS.vx_max), st.floats(-1.9, 1.9))
bounds = st.builds(
    Limits, vx_max=st.floats(0.1, 5.0), vx_min=st.floats(-3.0, 0.0), wz_max=st.floats(0.1, 5.0),
    ax_max=st.floats(0.1, 9.0), ax_min=st.floats(-9.0, -0.1), az_max=st.floats(0.1, 9.0),
    ay_max=st.floats(0.05, 9.0))


def model(limits=LIMITS, prediction=NO_LAG, dt=DT):
    return DiffDrive.of(limits, prediction, dt)


def drive(sequence, state=REST, prediction=NO_LAG, dt=DT):
    sequence = np.asarray(sequence, np.float32)
    return trajectory(sequence, state, model(prediction=prediction, dt=dt))


def kept_within(sequence, last, limits):
    out = sequence.copy()
    limit(out, last, model(limits))
    return out


@given(sequence=sequences, limits=bounds)
def test_limited_commands_keep_all_limits(sequence, limits):
    out = kept_within(sequence, (0.0, 0.0), limits).astype(np.float64)
    slack = 1e-5
    assert np.all(out[:, 0] >= limits.vx_min - slack)
    assert np.all(out[:, 0] <= limits.vx_max + slack)
    assert np.all(np.abs(out[:, 1]) <= limits.wz_max + slack)
    assert np.all(np.abs(out[:, 0] * out[:, 1]) <= limits.ay_max * (1.0 + slack))
    before = np.vstack([[0.0, 0.0], out[:-1]])
    change = (out - before) / DT
    assert np.all(np.abs(change[:, 1]) <= limits.az_max + 1e-3)
    faster = np.abs(out[:, 0]) > np.abs(before[:, 0])
    straight_on = out[:, 0] * before[:, 0] >= 0.0
    slower = ~faster & straight_on
    assert np.all(np.abs(change[faster & straight_on, 0]) <= limits.ax_max + 1e-3)
    assert np.all(np.abs(change[slower, 0]) <= -limits.ax_min + 1e-3)
    assert np.all(np.abs(change[:, 0]) <= max(limits.ax_max, -limits.ax_min) + 1e-3)


@given(sequence=sequences, last=commands)
def test_limiting_twice_changes_nothing(sequence, last):
    once = kept_within(sequence, last, LIMITS)
    np.testing.assert_array_equal(kept_within(once, last, LIMITS), once)


@given(last=commands)
def test_commands_that_can_be_executed_are_left_alone(last):
    ramp = np.linspace(0.0, 1.0, 12)[:, None] * 0.2
    easy = (np.asarray(last) * (1.0 - ramp)).astype(np.float32)
    np.testing.assert_array_equal(kept_within(easy, last, LIMITS), easy)


def test_braking_uses_the_deceleration_and_speeding_up_the_acceleration():
    limits = Limits(ax_max=1.0, ax_min=-2.0, vx_min=-0.5)
    stop = kept_within(np.zeros((4, 2), np.float32), (0.3, 0.0), limits)
    np.testing.assert_allclose(stop[:, 0], [0.2, 0.1, 0.0, 0.0], atol=1e-6)
    go = kept_within(np.full((4, 2), 9.0, np.float32), (0.0, 0.0), limits)
    np.testing.assert_allclose(go[:, 0], [0.05, 0.1, 0.15, 0.2], atol=1e-6)
    back = kept_within(np.full((4, 2), -9.0, np.float32), (0.0, 0.0), limits)
    np.testing.assert_allclose(back[:, 0], [-0.05, -0.1, -0.15, -0.2], atol=1e-6)
    stop_back = kept_within(np.zeros((4, 2), np.float32), (-0.3, 0.0), limits)
    np.testing.assert_allclose(stop_back[:, 0], [-0.2, -0.1, 0.0, 0.0], atol=1e-6)


def test_a_differential_drive_takes_a_bend_at_the_centripetal_limit():
    limits = Limits(vx_max=2.0, wz_max=4.0, ax_max=2.0, az_max=5.0, ay_max=2.4)
    turning = kept_within(np.full((60, 2), 9.0, np.float32), (2.0, 0.0), limits)
    np.testing.assert_allclose(turning[-1], [2.0, 1.2], atol=1e-6)
    speeding = kept_within(np.full((60, 2), (9.0, 4.0), np.float32), (0.0, 4.0), limits)
    assert np.all(speeding[:, 0] * speeding[:, 1] <= 2.4 + 1e-5)
    np.testing.assert_allclose(speeding[-1], [2.0, 1.2], atol=1e-6)  # a turn yields to the speed


def test_a_speed_beyond_the_limits_is_brought_back_no_faster_than_braking_allows():
    out = kept_within(np.zeros((3, 2), np.float32), (0.9, 0.0), LIMITS)
    np.testing.assert_allclose(out[:, 0], [0.825, 0.75, 0.675], atol=1e-6)


@given(v=st.floats(-1.0, 2.0), w=st.floats(-4.0, 4.0).filter(lambda w: abs(w) > 1e-3))
def test_a_constant_command_drives_a_circle(v, w):
    steps = 40
    state = REST._replace(v=v, w=w)
    states = drive(np.tile([v, w], (steps, 1)), state)
    angle = w * DT * np.arange(steps + 1)
    # along the mean of the headings instead of the chord: shorter by (ω dt)² / 12
    radius = v / w * (0.5 * w * DT) / math.tan(0.5 * w * DT)
    np.testing.assert_allclose(states[:, 2], angle, atol=1e-5)
    np.testing.assert_allclose(states[:, 0], radius * np.sin(angle), atol=2e-5)
    np.testing.assert_allclose(states[:, 1], radius * (1.0 - np.cos(angle)), atol=2e-5)
    assert abs(radius - v / w) <= abs(v / w) * (w * DT) ** 2 / 11.0 + 1e-12


@given(angle=st.floats(-1.0, 1.0))
def test_the_heading_is_turned_exactly_by_up_to_a_radian_a_step(angle):
    states = drive(np.tile([1.0, angle], (4, 1)), REST._replace(v=1.0, w=angle), dt=1.0)
    heading = angle * np.arange(5)
    way = 0.5 * np.stack([np.cos(heading[1:]) + np.cos(heading[:-1]),
                          np.sin(heading[1:]) + np.sin(heading[:-1])], axis=1)
    np.testing.assert_allclose(np.diff(states[:, :2], axis=0), way, atol=1e-4)


@given(lag=st.floats(0.02, 2.0), target=st.floats(-0.2, 0.5))
def test_speed_approaches_the_command_exponentially(lag, target):
    states = drive(
        np.tile([target, 0.0], (20, 1)), prediction=PredictionParameters(lag_linear=lag)
    )
    expected = target * (1.0 - np.exp(-DT * np.arange(21) / lag))
    np.testing.assert_allclose(states[:, 3], expected, atol=1e-5)


def test_without_lag_the_speed_is_the_command():
    sequence = np.random.default_rng(0).normal(size=(10, 2)).astype(np.float32)
    states = drive(sequence)
    np.testing.assert_allclose(states[1:, 3:5], sequence, atol=1e-6)


@given(x=st.floats(-1e6, 1e6), y=st.floats(-1e6, 1e6), yaw=st.floats(-3.1, 3.1))
def test_where_the_robot_starts_only_moves_and_turns_the_trajectory(x, y, yaw):
    sequence = np.random.default_rng(1).normal(size=(30, 2)).astype(np.float32)
    here = drive(sequence)
    there = drive(sequence, REST._replace(x=x, y=y, yaw=yaw))
    c, s = math.cos(yaw), math.sin(yaw)
    turned = here[:, :2] @ np.array([[c, s], [-s, c]]) + [x, y]
    np.testing.assert_allclose(there[:, :2], turned, atol=1e-5)
    np.testing.assert_allclose(there[:, 2] - yaw, here[:, 2], atol=1e-5)


def test_finer_steps_lead_to_the_same_place():
    lag = PredictionParameters(lag_linear=0.2, lag_angular=0.1)
    coarse = np.repeat([[0.5, 0.4], [0.3, -1.0], [0.4, 1.5]], 10, axis=0)
    ends = [
        drive(np.repeat(coarse, k, axis=0), prediction=lag, dt=DT / k)[-1] for k in (1, 2, 4, 8)]
    gaps = [np.abs(end - ends[-1])[:3].max() for end in ends[:-1]]
    assert gaps[0] < 5e-3
    assert gaps[1] < 0.3 * gaps[0]
    assert gaps[2] < 0.3 * gaps[1]


@pytest.mark.parametrize('bad', [math.nan, math.inf])
def test_a_command_that_is_not_finite_is_not_passed_on_as_one(bad):
    out = kept_within(np.full((3, 2), bad, np.float32), (0.1, 0.1), LIMITS)
    finite = np.isfinite(out)
    assert np.all(np.abs(out[finite]) <= LIMITS.wz_max)
    if math.isinf(bad):
        assert finite.all()


def sequences_of(controls):
    return arrays(np.float32, (30, controls), elements=st.floats(-9.0, 9.0, width=32))


def after_rest(name, sequence, limits):
    """Return a sequence, float64[1 + T, m], that begins at rest and keeps the limits."""
    out = sequence.copy()
    limit(out, (0.0,) * COLUMNS[name], MODELS[name].of(limits, NO_LAG, DT))
    return np.vstack([np.zeros(COLUMNS[name]), out]).astype(np.float64)


@given(sequence=sequences_of(2), limits=st.builds(
    Limits, vx_max=st.floats(0.2, 9.0), vx_min=st.floats(-9.0, 0.0), wz_max=st.floats(0.2, 9.0),
    ax_max=st.floats(0.5, 20.0), ax_min=st.floats(-20.0, -0.5), ay_max=st.floats(0.2, 9.0),
    turning_radius_min=st.floats(0.1, 2.0), steering_rate=st.floats(0.1, 9.0)))
def test_a_car_steers_no_sharper_no_faster_and_holds_the_road(sequence, limits):
    v, curvature = after_rest('ackermann', sequence, limits).T
    slack = 1e-4
    assert np.all(np.abs(curvature) <= 1.0 / limits.turning_radius_min * (1.0 + slack))
    assert np.all(np.abs(np.diff(curvature)) <= limits.steering_rate / limits.wheelbase * DT
                  + slack)
    assert np.all(np.abs(v * curvature) <= limits.wz_max * (1.0 + slack))
    assert np.all(v**2 * np.abs(curvature) <= limits.ay_max * (1.0 + slack))
    assert np.all((v >= limits.vx_min - slack) & (v <= limits.vx_max + slack))
    assert np.all(np.abs(np.diff(v)) <= max(limits.ax_max, -limits.ax_min) * DT + slack)


@given(sequence=sequences_of(2))
def test_the_wheels_of_a_car_turn_no_faster_than_its_steering_rate(sequence):
    limits = Limits(turning_radius_min=0.3, wheelbase=0.5, steering_rate=0.8)
    _, curvature = after_rest('ackermann', sequence, limits).T
    angle = np.arctan(limits.wheelbase * curvature)
    assert np.all(np.abs(np.diff(angle)) <= limits.steering_rate * DT + 1e-5)


@given(sequence=sequences_of(3))
def test_each_axis_of_an_omnidirectional_robot_keeps_its_own_limits(sequence):
    limits = Limits(vy_max=0.3, ay_max=0.6, ay_min=-2.0)
    commands = after_rest('omni', sequence, limits)
    for axis, (low, high, rise, fall) in enumerate((
        (limits.vx_min, limits.vx_max, limits.ax_max, -limits.ax_min),
        (-limits.vy_max, limits.vy_max, limits.ay_max, -limits.ay_min),
        (-limits.wz_max, limits.wz_max, limits.az_max, limits.az_max),
    )):
        value, change = commands[:, axis], np.diff(commands[:, axis]) / DT
        assert np.all((value >= low - 1e-5) & (value <= high + 1e-5))
        faster = (np.abs(value[1:]) > np.abs(value[:-1])) & (value[1:] * value[:-1] >= 0.0)
        assert np.all(np.abs(change[faster]) <= rise + 1e-3)
        assert np.all(np.abs(change) <= max(rise, fall) + 1e-3)


def in_turn(name, sequence, last, limits, dt=DT):
    """Return commands, float64[1 + T, m], of which each follows on the one before, exactly."""
    model = MODELS[name].of(limits, NO_LAG, dt, float)
    commands = [last]
    for wanted in sequence:
        commands.append(apply_limits(tuple(float(value) for value in wanted), commands[-1], model))
    return np.array(commands)


rates = st.floats(0.05, 9.0)
drives = st.builds(
    Limits, vx_max=st.floats(0.1, 5.0), vx_min=st.floats(-3.0, 0.0), vy_max=st.floats(0.1, 5.0),
    ax_max=rates, ax_min=rates.map(lambda a: -a), ay_max=rates, ay_min=rates.map(lambda a: -a))


@pytest.mark.parametrize('name', MODELS)
@given(data=st.data(), limits=drives)
def test_a_change_of_speed_takes_its_time_also_through_rest(name, data, limits):
    sequence = data.draw(sequences_of(COLUMNS[name]))
    rows = in_turn(name, sequence, (0.0,) * COLUMNS[name], limits)
    axes = [(limits.ax_max, -limits.ax_min)]
    if name == 'omni':
        axes.append((limits.ay_max, -limits.ay_min))
    for axis, (gain, loss) in enumerate(axes):
        for last, now in itertools.pairwise(rows[:, axis]):
            assert time_needed(last, now, gain, loss) <= DT * (1.0 + 1e-9) + 1e-12, (last, now)


@pytest.mark.parametrize(('last', 'now'), [
    (0.3, 0.225), (0.05, -0.05 * (1.0 - 0.05 / 0.075)), (-0.05, 0.05 * (1.0 - 0.05 / 0.075)),
    (0.0, -0.05), (0.075, 0.0)])
@pytest.mark.parametrize('name', MODELS)
def test_a_speed_that_changes_its_sign_does_so_as_fast_as_it_may(name, last, now):
    far = -9.0 if last >= 0.0 else 9.0
    others = (0.0,) * (COLUMNS[name] - 1)
    rows = in_turn(name, [(far, *others)], (last, *others), Limits(vx_min=-0.5))
    assert rows[1, 0] == pytest.approx(now, abs=1e-12)


@given(sequence=sequences_of(3), limits=drives)
def test_an_omnidirectional_robot_is_no_faster_across_its_axes_than_along_them(sequence, limits):
    rows = in_turn('omni', sequence, (0.0, 0.0, 0.0), limits)
    for row in rows:
        assert share_of_top_speed(Command(*row), limits) <= 1.0 + 1e-9


@given(sequence=sequences_of(3), limits=drives)
def test_limits_of_an_omnidirectional_robot_that_are_lowered_are_kept_as_soon_as_they_can_be(
        sequence, limits):
    before = in_turn('omni', sequence, (0.0, 0.0, 0.0), limits)[-1]
    low = replace(limits, vx_max=0.5 * limits.vx_max, vx_min=0.0, vy_max=0.3 * limits.vy_max)
    shares = [share_of_top_speed(Command(*row), low)
              for row in in_turn('omni', [(0.0, 0.0, 0.0)] * 9, tuple(before), low)]
    assert all(now <= max(last, 1.0 + 1e-9) for last, now in itertools.pairwise(shares))
    rows = in_turn('omni', sequence, tuple(before), low)
    for axis, (gain, loss) in enumerate(((limits.ax_max, -limits.ax_min),
                                         (limits.ay_max, -limits.ay_min))):
        for last, now in itertools.pairwise(rows[:, axis]):
            assert time_needed(last, now, gain, loss) <= DT * (1.0 + 1e-9) + 1e-12


@pytest.mark.parametrize('angle', np.linspace(-math.pi, math.pi, 9))
def test_an_omnidirectional_robot_reaches_the_ellipse_in_every_direction(angle):
    limits = Limits(vx_max=0.9, vx_min=-0.4, vy_max=0.6, ay_min=-0.4)
    wanted = 9.0 * math.cos(angle), 9.0 * math.sin(angle), 0.0
    # from across, along the edge of the ellipse, and with brakes that are weaker than the motors
    aside = 9.0 * math.sin(angle), -9.0 * math.cos(angle), 0.0
    rows = in_turn('omni', [aside] * 60 + [wanted] * 120, (0.0, 0.0, 0.0), limits)
    for row in rows:
        assert share_of_top_speed(Command(*row), limits) <= 1.0 + 1e-9
    assert share_of_top_speed(Command(*rows[-1]), limits) == pytest.approx(1.0)


@given(angle=st.floats(-math.pi, math.pi), length=st.floats(1.0, 9.0), seed=st.integers(0, 99))
def test_an_omnidirectional_robot_settles_in_the_direction_that_is_wanted(angle, length, seed):
    limits = Limits(vx_max=0.9, vx_min=-0.4, vy_max=0.6, ay_min=-0.4)
    wanted = length * math.cos(angle), length * math.sin(angle), 0.0
    before = np.random.default_rng(seed).normal(size=(40, 3))
    v, vy, _ = in_turn('omni', [*before, *[wanted] * 200], (0.0, 0.0, 0.0), limits)[-1]
    # Each axis is clipped to its own limit before the velocity is scaled into the ellipse.
    ahead = min(max(wanted[0], limits.vx_min), limits.vx_max)
    aside = min(max(wanted[1], -limits.vy_max), limits.vy_max)
    assert v * aside == pytest.approx(vy * ahead, abs=1e-6)
    assert v * ahead + vy * aside > 0.0


@given(wanted=st.tuples(*[st.floats(-2.0, 2.0)] * 3), seed=st.integers(0, 99))
def test_an_omnidirectional_command_changes_little_where_what_is_wanted_does(wanted, seed):
    limits = Limits(vx_max=0.9, vx_min=-0.4, vy_max=0.6, ay_min=-0.4)
    rng = np.random.default_rng(seed)
    last = tuple(in_turn('omni', rng.normal(size=(40, 3)), (0.0, 0.0, 0.0), limits)[-1])
    model = MODELS['omni'].of(limits, NO_LAG, DT, float)
    here = apply_limits(wanted, last, model)
    there = apply_limits(tuple(value + 1e-7 for value in wanted), last, model)
    np.testing.assert_allclose(here, there, atol=1e-4)


@given(last=st.tuples(st.floats(-0.5, 1.0), st.floats(-2.0, 2.0)), dt=st.floats(0.01, 0.2),
       limits=drives)
@pytest.mark.parametrize('name', ['diff_drive', 'ackermann'])
def test_commands_beyond_limits_that_were_lowered_come_back_at_the_rate_that_is_allowed(
        name, last, dt, limits):
    rows = in_turn(name, [(9.0, 9.0)] * 20, last, limits, dt)
    for before, now in itertools.pairwise(rows[:, 0]):
        assert time_needed(before, now, limits.ax_max, -limits.ax_min) <= dt * (1.0 + 1e-9) + 1e-12
        assert now <= max(before, limits.vx_max)
    turn = limits.curvature_rate if name == 'ackermann' else limits.az_max
    assert np.all(np.abs(np.diff(rows[:, 1])) <= turn * dt + 1e-9)


@given(interval=st.floats(0.01, 0.2), dt=st.floats(0.02, 0.2))
@pytest.mark.parametrize('sign', [1.0, -1.0])
def test_what_is_held_for_an_interval_changes_by_what_the_interval_allows(interval, dt, sign):
    """A sequence at its limits is sent as one that speeds up as fast as it may."""
    limits = Limits(vx_max=9.0, vx_min=-9.0, wz_max=9.0)
    model = DiffDrive.of(limits, NO_LAG, dt)
    mean = np.full((40, 2), sign * 99.0, np.float32)
    last = (sign * 0.3, sign * 0.2)
    limit(mean, last, model, first_step_reach(interval, dt))
    sent = held_command(mean, interval / dt)
    change = np.array(sent) - last
    if interval >= dt:
        whole = interval / dt  # in the step that the interval cuts the rows are not a line
        slack = 0.125 * dt if whole != round(whole) else 0.0
        most = np.array([limits.ax_max, limits.az_max])
        np.testing.assert_allclose(change, sign * most * interval, atol=slack * most.max() + 1e-5)
    else:
        assert abs(change[0]) >= limits.ax_max * interval - 1e-6


@given(steps=st.floats(0.05, 12.0))
def test_what_is_held_is_the_mean_of_the_rows_over_its_time(steps):
    mean = np.random.default_rng(0).normal(size=(14, 3)).astype(np.float32)
    fine = np.repeat(mean, 1000, axis=0)[: max(round(1000 * max(steps, 1.0)), 1000)]
    np.testing.assert_allclose(held_command(mean, steps), fine.mean(0), atol=4e-3)
    if steps <= 1.0:
        assert held_command(mean, steps) == tuple(mean[0].tolist())


@pytest.mark.parametrize('name', MODELS)
@given(seed=st.integers(0, 1000))
def test_limits_in_python_are_those_of_the_kernels(name, seed):
    rng = np.random.default_rng(seed)
    last, wanted = rng.uniform(-0.5, 0.5, (2, COLUMNS[name])) * [1.0, *[3.0] * (COLUMNS[name] - 1)]
    expected = wanted[None].astype(np.float32)
    limit(expected, tuple(last), MODELS[name].of(LIMITS, NO_LAG, DT))
    exact = apply_limits(tuple(wanted), tuple(last), MODELS[name].of(LIMITS, NO_LAG, DT, float))
    np.testing.assert_allclose(exact, expected[0], atol=1e-5)


@pytest.mark.parametrize('name', MODELS)
@given(seed=st.integers(0, 1000), curvature=st.floats(-3.0, 3.0))
def test_braking_comes_to_rest_and_never_speeds_up(name, seed, curvature):
    model = MODELS[name].of(LIMITS, NO_LAG, DT, float)
    rng = np.random.default_rng(seed)
    last = apply_limits(tuple(rng.uniform(-0.5, 0.5, COLUMNS[name])),
                   (0.0,) * COLUMNS[name], MODELS[name].of(LIMITS, NO_LAG, 5.0, float))
    for _ in range(60):
        slower = brake_command(last, curvature, model)
        assert np.hypot(*model.twist(slower)[:2]) <= np.hypot(*model.twist(last)[:2]) + 1e-12
        last = slower
    assert is_stop(last, model)
    assert model.twist(last) == (0.0, 0.0, 0.0)


PLANTS = {
    'plain': PredictionParameters(lag_linear=0.2, lag_angular=0.1),
    'late turning': PredictionParameters(delay_linear=0.1, delay_angular=0.237),
    'late driving': PredictionParameters(
        delay_linear=0.3, delay_angular=0.05, dead_band_linear=0.21, dead_band_angular=0.3
    ),
    'slipping tyres': PredictionParameters(
        delay_linear=0.1, delay_angular=0.05, characteristic_speed=0.5, rear_slip=0.5,
        tyre_grip=0.9, com_height=0.1, gyration_radius=0.12,
    ),
    'understeer only': PredictionParameters(characteristic_speed=0.5, tyre_grip=0.9),
}


@pytest.mark.parametrize('name', MODELS)
@pytest.mark.parametrize('plant', PLANTS)
def test_trajectories_are_those_of_plain_numpy(name, plant):
    prediction, rng = PLANTS[plant], np.random.default_rng(3)
    model = MODELS[name].of(LIMITS, prediction, DT)
    controls = COLUMNS[name]
    mean = np.cumsum(rng.normal(size=(40, controls)), axis=0).astype(np.float32) * np.float32(0.1)
    limit(mean, (0.1,) * controls, model)
    pending = rng.normal(size=(delay_steps(model), controls)).astype(np.float32)
    state = MotionState(3.0, -2.0, 0.7, 0.3, -0.2, 0.1 if name == 'omni' else 0.0,
                  0.5 if name == 'ackermann' else 0.0)
    found = trajectory(mean, state, model, pending)[1:]
    expected, _, _ = drive_in_numpy(
        name, LIMITS, prediction, DT, state, (0.1,) * controls, pending,
        mean[None].astype(np.float64))
    x, y, yaw, v, vy, w = expected[:, :, 0]
    np.testing.assert_allclose(found[:, :6], np.stack([x, y, yaw, v, w, vy], axis=1), atol=1e-5)


@given(dead=st.floats(0.05, 0.3), v=st.floats(-0.5, 0.5), w=st.floats(-1.0, 1.0))
def test_what_the_dead_band_swallows_moves_nothing(dead, v, w):
    prediction = PredictionParameters(
        lag_linear=0.0, lag_angular=0.0, dead_band_linear=dead, dead_band_angular=2.0 * dead)
    states = drive(np.tile([v, w], (5, 1)), prediction=prediction)
    assert states[-1, 3] == pytest.approx(v if abs(v) >= dead else 0.0, abs=1e-6)
    assert states[-1, 4] == pytest.approx(w if abs(w) >= 2.0 * dead else 0.0, abs=1e-6)


@pytest.mark.parametrize('delays', [(0.05, 0.2), (0.2, 0.05)])
def test_the_slower_axis_obeys_what_was_sent_before_until_its_turn_comes(delays):
    prediction = PredictionParameters(*delays, lag_linear=0.0, lag_angular=0.0)
    model = DiffDrive.of(LIMITS, prediction, DT)
    pending = np.float32([[0.1, -0.1], [0.2, -0.2], [0.3, -0.3]])
    assert delay_steps(model) == 3
    sequence = np.tile(np.float32([0.5, 1.0]), (6, 1))
    states = trajectory(sequence, REST, model, pending)[1:]
    slow, fast = (4, 3) if delays[1] > delays[0] else (3, 4)
    column = slow - 3
    np.testing.assert_allclose(states[:3, slow], pending[:, column], atol=1e-6)
    np.testing.assert_allclose(states[3:, slow], sequence[0, column], atol=1e-6)
    np.testing.assert_allclose(states[:, fast], sequence[0, 1 - column], atol=1e-6)


@given(v=st.floats(-0.5, 0.5), vy=st.floats(-0.5, 0.5), w=st.floats(0.2, 1.5))
def test_an_omnidirectional_robot_drives_a_circle_whichever_side_leads(v, vy, w):
    model = MODELS['omni'].of(LIMITS, NO_LAG, DT)
    state = REST._replace(v=v, vy=vy, w=w)
    sequence = np.tile(np.float32([v, vy, w]), (40, 1))
    states = trajectory(sequence, state, model)
    shortened = 0.5 * w * DT / math.tan(0.5 * w * DT)
    centre = np.array([-vy, v]) / w * shortened
    radius = np.hypot(v, vy) / w * shortened
    np.testing.assert_allclose(np.hypot(*(states[:, :2] - centre).T), radius, atol=1e-4)


@given(v=st.floats(-2.0, 2.0), curvature=st.floats(-1.3, 1.3), told=st.floats(-1.3, 1.3))
def test_the_wheels_are_seen_in_the_turning_rate_at_speed_and_believed_as_told_at_rest(
        v, curvature, told):
    found = with_wheel_angle(REST._replace(v=v, w=v * curvature), told).curvature
    assert min(curvature, told) - 1e-9 <= found <= max(curvature, told) + 1e-9
    if abs(v) > 1.0:
        assert found == pytest.approx(curvature, abs=0.03)
    if v == 0.0:
        assert found == pytest.approx(told)


def test_a_car_is_told_by_its_curvature_what_a_robot_is_told_by_its_turning_rate():
    model = Ackermann.of(LIMITS, NO_LAG, DT)
    assert model.twist((0.4, -0.5)) == pytest.approx((0.4, 0.0, -0.2))
    assert DiffDrive.of(LIMITS, NO_LAG, DT).twist((0.4, -0.2)) == pytest.approx((0.4, 0.0, -0.2))


@given(v=st.floats(0.5, 9.0), curvature=st.floats(-1.3, 1.3), grip=st.floats(0.5, 9.0))
def test_a_car_turns_no_more_than_its_tyres_hold_however_its_wheels_are_turned(v, curvature, grip):
    limits = Limits(vx_max=9.0, ay_max=grip)
    state = REST._replace(v=v, w=v * curvature, curvature=curvature)
    held = np.tile(np.float32([v, curvature]), (5, 1))
    states = trajectory(held, state, Ackermann.of(limits, NO_LAG, DT))
    expected = math.copysign(min(abs(curvature) * v, grip / v), curvature)
    assert states[1:, 4] == pytest.approx(expected, rel=1e-4, abs=1e-5)


TYRES = PredictionParameters(
    lag_linear=0.1, lag_angular=0.1, characteristic_speed=10.7, rear_slip=0.02, tyre_grip=12.0,
    com_height=0.074, gyration_radius=0.112)
RACING = Limits(
    vx_max=8.0, vx_min=-1.0, wz_max=7.0, ax_max=3.3, ax_min=-5.2, ay_max=9.0,
    turning_radius_min=0.742)


@pytest.mark.parametrize('slip', [0.0, 0.02])
@given(v=st.floats(0.5, 9.0), curvature=st.floats(-0.1, 0.1), characteristic=st.floats(5.0, 50.0))
def test_a_car_turns_half_as_much_at_its_characteristic_speed(slip, v, curvature, characteristic):
    tyres = replace(NO_LAG, characteristic_speed=characteristic, rear_slip=slip)
    limits = replace(RACING, vx_max=9.0, ay_max=50.0)
    model = Ackermann.of(limits, tyres, DT)
    expected = v * curvature / (1.0 + (v / characteristic) ** 2)
    command = np.float32([[v, curvature]])
    state = REST._replace(v=v, w=expected, vy=-slip * v**2 * expected, curvature=curvature)
    for _ in range(100):  # slip takes speed, which the drive keeps here
        state = MotionState(*trajectory(command, state._replace(v=v), model)[-1])
    assert state.w == pytest.approx(expected, rel=0.03, abs=1e-4)
    assert state.vy == pytest.approx(-slip * v**2 * expected, rel=0.06, abs=1e-3)


def test_tyres_without_a_characteristic_speed_change_no_bit():
    off = replace(TYRES, characteristic_speed=0.0)
    plain = PredictionParameters(lag_linear=0.1, lag_angular=0.1)
    models = [Ackermann.of(RACING, each, DT) for each in (off, plain)]
    sequence = np.random.default_rng(0).normal([5.0, 0.0], [3.0, 0.5], (60, 2)).astype(np.float32)
    sequences = [sequence.copy(), sequence.copy()]
    for each, model in zip(sequences, models, strict=True):
        limit(each, (0.0, 0.0), model)
    assert models[0] == models[1]
    assert models[0][-7:] == (0.0,) * 7
    np.testing.assert_array_equal(*sequences)
    state = REST._replace(v=5.0, w=1.0, curvature=0.2)
    np.testing.assert_array_equal(*(trajectory(sequences[0], state, model) for model in models))


def test_slip_predicts_a_single_track_car_in_a_bend_that_a_rolling_car_misses():
    ideal = replace(IDEAL, lag_linear=0.1, lag_angular=0.1, motion_model='ackermann',
                    limits=RACING)
    car = SingleTrackPlant(PhysicsParameters('single_track', 'f1tenth'), ideal, (0.0, 0.0, 0.0))
    car.twist[0] = 6.0
    t = 0.04 * np.arange(30)
    speed = np.clip(6.0 - 3.0 * np.maximum(t - 0.4, 0.0), 4.5, 6.0)
    sequence = np.column_stack([speed, 0.25 * np.sin(2.5 * t)]).astype(np.float32)
    for n, (v, curvature) in enumerate(sequence.tolist()):
        car.command(Command(v, 0.0, v * curvature), 0.04 * n)
        car.advance(0.04)
    start, off = REST._replace(v=6.0), replace(TYRES, characteristic_speed=0.0)
    slips, rolls = (
        trajectory(sequence, start, Ackermann.of(RACING, each, 0.04))[-1] for each in (TYRES, off)
    )
    assert math.dist(slips[:2], car.pose[:2]) < 0.15
    assert abs(slips[2] - car.pose[2]) < 0.15
    assert math.dist(rolls[:2], car.pose[:2]) > 0.5


def test_curvature_of_a_slipping_car_stays_within_what_its_tyres_hold():
    model = Ackermann.of(RACING, TYRES, DT, float)
    _, held = apply_limits((8.0, 1.0), (8.0, 0.5), model)
    rolling = Ackermann.of(RACING, replace(TYRES, characteristic_speed=0.0), DT, float)
    assert apply_limits((8.0, 1.0), (8.0, 0.5), rolling)[1] == pytest.approx(9.0 / 64.0)
    assert held == pytest.approx(9.0 / 64.0 + model.spare)
    assert rolling.curvature((8.0, held)) == held
    assert model.curvature((8.0, held)) == pytest.approx(9.0 / 64.0)
    assert model.curvature((8.0, 0.1)) == pytest.approx(0.1 / (1.0 + (8.0 / 10.7) ** 2))


@given(v=st.floats(-1.0, 20.0), w=st.floats(-5.0, 5.0), vy=st.floats(-5.0, 5.0),
       braked=st.floats(-5.0, 20.0), curvature=st.floats(-1.3, 1.3))
def test_a_car_that_skids_stays_finite(v, w, vy, braked, curvature):
    model = Ackermann.of(replace(RACING, vx_max=20.0), TYRES, DT)
    sequence = np.tile(np.float32([braked, curvature]), (60, 1))
    limit(sequence, (v, curvature), model)
    states = trajectory(sequence, REST._replace(v=v, w=w, vy=vy, curvature=curvature), model)
    assert np.isfinite(states).all()
    assert np.abs(states[-1, 3:6]).max() < 100.0


def test_slip_of_a_car_that_oversteers_grows_at_most_twofold_in_a_step():
    unstable = replace(TYRES, com_height=0.5, tyre_grip=0.0, gyration_radius=0.0)
    model = Ackermann.of(replace(RACING, vx_max=20.0), unstable, 0.1)
    state = REST._replace(v=20.0, vy=0.1)
    slides = trajectory(np.float32([[0.0, 0.0]]), state, model)[1, 5]
    assert 0.1 < slides <= 0.2 + 1e-6


@given(v=st.floats(-3.0, 3.0))
def test_turning_rates_worth_trying_are_those_within_the_centripetal_limit(v):
    ahead, turn = model(Limits(vx_max=3.0, wz_max=4.0, ay_max=2.0)).sigma_scale(v)
    assert ahead == 1.0
    assert turn * 4.0 == pytest.approx(min(4.0, 2.0 / max(abs(v), 1e-6)), rel=1e-5)


@given(v=st.floats(0.0, 9.0))
def test_curvatures_worth_trying_are_those_that_the_tyres_hold(v):
    limits = Limits(vx_max=9.0, ay_max=4.0, turning_radius_min=0.5)
    ahead, aside = Ackermann.of(limits, NO_LAG, DT).sigma_scale(v)
    assert ahead == 1.0
    assert aside * 2.0 == pytest.approx(min(2.0, 4.0 / max(v, 1e-6) ** 2), rel=1e-5)
