"""The objective describes each situation whole: path window, goal, detour; its costs add up."""
from __future__ import annotations

from dataclasses import replace
import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.critics import CRITICS
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.motion_models import MotionState, limit, trajectory
from mppi_ros.driving.objective import DrivingObjective
from mppi_ros.driving.parameters import CriticParameters, Limits, PredictionParameters
from mppi_ros.driving.path import ReferencePath
from mppi_ros.jit.simd import BLOCK
from mppi_ros.mppi import BlockObjective, MppiParameters, Optimizer

STEPS, DT = 56, 0.05
ROBOT = Footprint.round(0.22)
START = MotionState(1.0, 3.0, 0.0, 0.0, 0.0)
STRAIGHT = ReferencePath.from_poses([[1.0, 3.0], [9.0, 3.0]])


def field(*boxes):
    """Return the distance field of 10 m x 6 m with boxes (x0, y0, x1, y1) [m] in it."""
    data = np.zeros((120, 200), np.int8)
    for box in boxes:
        x0, y0, x1, y1 = (round(20.0 * side) for side in box)
        data[y0:y1, x0:x1] = 100
    return distance_field(Costmap(data, 0.05, 0.0, 0.0))


def objective(*boxes, critics=None, limits=None, prediction=None):
    made = DrivingObjective(
        limits or Limits(),
        critics or CriticParameters(),
        prediction or PredictionParameters(),
        ROBOT,
        STEPS,
        DT,
    )
    made.set_field(field(*boxes))
    return made


def prepared(made, state=START, last=(0.0, 0.0), path=STRAIGHT, progress=0.0):
    made.prepare(state, last, path, progress)
    return made


def cost(made, mean):
    costs = np.empty((1, BLOCK), np.float32)
    noise = np.zeros((1, 2 * STEPS, BLOCK), np.float32)
    made.evaluate_blocks(mean, np.zeros((2, 2), np.float32), noise, costs, 1)
    assert np.ptp(costs) <= 1e-6 * abs(float(costs.mean()))  # older compilers round by lane
    return float(costs[0, 0])


def constant(v, w):
    return np.tile(np.array([v, w], np.float32), (STEPS, 1))


def drive(made, ticks, path=STRAIGHT, state=START):
    """Drive by the first command of each solve; return the states, float64[ticks + 1, 5]."""
    optimizer = Optimizer(replace(ControllerParameters().mppi, samples=512, threads=1), 2)
    last, progress, states = (0.0, 0.0), 0.0, [state]
    for _ in range(ticks):
        progress, _ = path.project(state.x, state.y, progress)
        made.prepare(state, last, path, progress)
        assert optimizer.step(made).valid
        last = tuple(optimizer.mean[0].tolist())
        state = MotionState(*trajectory(optimizer.mean[:1], state, made.model)[1])
        optimizer.shift(DT)
        states.append(state)
    return np.array(states)


def test_it_is_what_the_optimiser_asks_for():
    assert isinstance(objective(), BlockObjective)


def test_without_a_field_nothing_can_be_prepared():
    made = DrivingObjective(Limits(), CriticParameters(), PredictionParameters(), ROBOT, STEPS, DT)
    with pytest.raises(RuntimeError, match='set_field'):
        made.prepare(START, (0.0, 0.0), STRAIGHT, 0.0)
    with pytest.raises(RuntimeError, match='set_field'):
        made.look_ahead(STRAIGHT, 0.0)


@given(v=st.floats(-0.2, 0.5), w=st.floats(-1.9, 1.9))
def test_the_costs_of_all_critics_add_up_to_the_cost(v, w):
    made = prepared(objective((3.0, 2.0, 3.3, 4.0)))
    each = made.cost_of_each_critic(constant(v, w))
    assert list(each) == list(CRITICS)
    assert min(each.values()) >= 0.0
    assert sum(each.values()) == pytest.approx(cost(made, constant(v, w)), rel=1e-5)


@pytest.mark.parametrize('scale', [0.5, 10.0])
def test_scaling_all_critics_scales_the_cost(scale):
    scaled = {}
    for name in CRITICS:
        critic = getattr(CriticParameters(), name)
        scaled[name] = replace(critic, weight=scale * critic.weight)
    scaled['obstacle'] = replace(
        scaled['obstacle'], collision=scale * CriticParameters().obstacle.collision)
    box, mean = (2.0, 3.1, 2.3, 4.0), constant(0.4, 0.1)
    plain = cost(prepared(objective(box)), mean)
    assert cost(prepared(objective(box, critics=replace(CriticParameters(), **scaled))), mean) == (
        pytest.approx(scale * plain, rel=1e-5))


def test_project_keeps_the_limits_from_the_last_command_on():
    made = prepared(objective(), last=(0.3, -0.4))
    mean = np.random.default_rng(0).normal(size=(STEPS, 2)).astype(np.float32)
    expected = mean.copy()
    limit(expected, (0.3, -0.4), made.model)
    made.project(mean)
    np.testing.assert_array_equal(mean, expected)


def test_the_mean_after_a_step_can_be_executed():
    made = prepared(objective(), last=(0.2, 0.1))
    optimizer = Optimizer(MppiParameters(samples=256), 2)
    for _ in range(5):
        optimizer.step(made)
        mean = optimizer.mean.copy()
        made.project(mean)
        np.testing.assert_array_equal(mean, optimizer.mean)


def test_what_lies_beyond_the_reach_of_the_horizon_changes_nothing():
    far = ReferencePath.from_poses([[1.0, 3.0], [8.0, 3.0], [8.0, 5.0]])
    near_start = constant(0.5, 0.05)
    assert cost(prepared(objective(), path=far), near_start) == pytest.approx(
        cost(prepared(objective()), near_start), rel=1e-5)


def test_driving_on_is_cheaper_than_standing_and_reversing_is_dearer():
    made = prepared(objective())
    forward, still, back = (cost(made, constant(v, 0.0)) for v in (0.5, 0.0, -0.2))
    assert forward < still < back


def test_the_goal_counts_within_the_window_only():
    charged = prepared(objective()).cost_of_each_critic(constant(0.5, 0.0))
    assert charged['goal_position'] == charged['goal_heading'] == 0.0
    close = MotionState(8.6, 3.0, 0.5, 0.0, 0.0)
    charged = prepared(objective(), close, progress=7.6).cost_of_each_critic(constant(0.0, 0.0))
    expected = STEPS * DT * CriticParameters().goal_position.weight * 0.4
    assert charged['goal_position'] == pytest.approx(expected, rel=1e-4)
    assert charged['goal_heading'] > 0.0


def test_a_robot_at_its_goal_stays_there():
    path = ReferencePath.from_poses([[1.0, 3.0, 0.0], [3.0, 3.0, 0.0]])
    states = drive(objective(), 40, path, MotionState(3.0, 3.0, 0.0, 0.0, 0.0))
    assert np.hypot(states[:, 0] - 3.0, states[:, 1] - 3.0).max() < 0.1
    assert np.abs(states[-1, 3:]).max() < 0.15


def test_a_free_plan_needs_no_detour():
    made = objective((3.0, 4.0, 3.5, 5.0))
    assert made.look_ahead(STRAIGHT, 0.0) is False
    charged = prepared(made).cost_of_each_critic(constant(0.5, 0.0))
    assert charged['path_tracking'] == pytest.approx(0.0, abs=1e-6)
    assert charged['progress'] > 0.0


def test_a_blocked_plan_is_charged_by_the_way_round_and_not_by_the_distance_from_the_plan():
    made = objective((3.0, 2.8, 3.5, 4.5))
    assert made.look_ahead(STRAIGHT, 0.0) is True
    prepared(made, START._replace(x=2.3), progress=1.3)
    towards = made.cost_of_each_critic(constant(0.5, -0.15))
    away = made.cost_of_each_critic(constant(-0.2, 0.0))
    assert towards['path_tracking'] == towards['path_heading'] == 0.0
    assert towards['progress'] < away['progress']


def test_the_way_round_counts_on_the_straight_part_before_the_obstacle_only():
    lanes = ReferencePath.from_poses([(1.0, 2.0), (3.0, 2.0), (3.0, 3.0), (1.0, 3.0)])
    made = objective((1.6, 2.8, 2.0, 3.4))
    made.look_ahead(lanes, 0.5)
    for progress, x, y, tracked in ((1.0, 2.0, 2.2, True), (3.2, 2.8, 3.2, False)):
        prepared(made, START._replace(x=x, y=y), progress=progress, path=lanes)
        charged = made.cost_of_each_critic(constant(0.0, 0.0))
        assert (charged['path_tracking'] > 0.0) == tracked


@pytest.mark.parametrize('place', [(9.6, 3.0), (9.6, 3.4), (0.6, 3.0), (0.6, 2.7)])
def test_beyond_the_ends_of_the_path_its_distance_is_charged(place):
    progress, away = STRAIGHT.project(*place)
    made = prepared(objective(), START._replace(x=place[0], y=place[1]), progress=progress)
    tracking = CriticParameters().path_tracking
    aside = away if place[0] > 9.0 else place[1] - 3.0  # before the begin only the end is charged
    expected = STEPS * DT * tracking.weight * aside**2 / (aside**2 + tracking.scale**2)
    charged = made.cost_of_each_critic(constant(0.0, 0.0))
    assert charged['path_tracking'] == pytest.approx(expected, rel=1e-4, abs=1e-6)
    x, y = np.clip(place[0], 1.0, 9.0), 3.0
    on_path = prepared(made, START._replace(x=x, y=y), progress=progress)
    nearer = on_path.cost_of_each_critic(constant(0.0, 0.0))['progress']
    assert charged['progress'] == pytest.approx(nearer + away_time(away), abs=1e-4)


def away_time(away):
    return abs(away) / Limits().vx_max


def test_a_robot_drives_round_what_blocks_its_plan_and_gets_on():
    made = objective((3.0, 2.8, 3.5, 4.5))
    made.look_ahead(STRAIGHT, 0.0)
    states = drive(made, 160)
    assert states[-1, 0] > 4.0
    clearance = ROBOT.clearance(field((3.0, 2.8, 3.5, 4.5)), states[:, :3])
    assert clearance.min() > 0.0


def test_a_plan_blocked_to_its_end_has_no_way_round():
    assert objective((3.0, 0.0, 10.0, 6.0)).look_ahead(STRAIGHT, 0.0) is False


@given(tick=st.integers(0, 60))
def test_progress_past_the_end_of_the_path_is_no_error(tick):
    path = ReferencePath.from_poses([[1.0, 3.0], [1.0 + 0.03 * tick, 3.0]])
    state = MotionState(1.0 + 0.03 * tick + 0.4, 3.1, 0.0, 0.2, 0.0)
    made = prepared(objective(), state, path=path, progress=path.length)
    assert math.isfinite(cost(made, constant(0.2, 0.0)))


def test_a_robot_that_is_nowhere_gets_no_valid_step_and_keeps_its_plan():
    made = prepared(objective(), START._replace(x=math.nan))
    optimizer = Optimizer(MppiParameters(samples=64), 2)
    optimizer.mean[:] = 0.25
    assert not optimizer.step(made).valid
    np.testing.assert_array_equal(optimizer.mean, np.float32(0.25))
