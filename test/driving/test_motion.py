"""The motion model keeps its limits, follows its commands with lag and drives exact arcs."""
from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest

from mppi_ros.driving.motion import DiffDrive, State, limit, trajectory
from mppi_ros.driving.settings import Limits, Prediction

DT = 0.05
LIMITS = Limits()
NO_LAG = Prediction(lag_linear=0.0, lag_angular=0.0)
REST = State(0.0, 0.0, 0.0, 0.0, 0.0)

sequences = arrays(np.float32, (12, 2), elements=st.floats(-5.0, 5.0, width=32))
commands = st.tuples(st.floats(LIMITS.vx_min, LIMITS.vx_max), st.floats(-1.9, 1.9))
bounds = st.builds(
    Limits, vx_max=st.floats(0.1, 5.0), vx_min=st.floats(-3.0, 0.0), wz_max=st.floats(0.1, 5.0),
    ax_max=st.floats(0.1, 9.0), ax_min=st.floats(-9.0, -0.1), az_max=st.floats(0.1, 9.0))


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
    assert abs(radius - v / w) <= abs(v / w) * (w * DT) ** 2 / 11.0


@given(angle=st.floats(-1.0, 1.0))
def test_the_heading_is_turned_exactly_by_up_to_a_radian_a_step(angle):
    states = drive(np.tile([1.0, angle], (4, 1)), REST._replace(v=1.0, w=angle), dt=1.0)
    heading = angle * np.arange(5)
    way = 0.5 * np.stack([np.cos(heading[1:]) + np.cos(heading[:-1]),
                          np.sin(heading[1:]) + np.sin(heading[:-1])], axis=1)
    np.testing.assert_allclose(np.diff(states[:, :2], axis=0), way, atol=1e-4)


@given(lag=st.floats(0.02, 2.0), target=st.floats(-0.2, 0.5))
def test_speed_approaches_the_command_exponentially(lag, target):
    states = drive(np.tile([target, 0.0], (20, 1)), prediction=Prediction(lag_linear=lag))
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
    lag = Prediction(lag_linear=0.2, lag_angular=0.1)
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
