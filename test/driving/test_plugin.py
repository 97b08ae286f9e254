"""What a user writes as plugin does in the rollout what the built-in code would."""
from __future__ import annotations

from dataclasses import replace
import math

from numba import cfunc, njit, types
import numpy as np
import pytest

from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.critics import CRITICS
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.motion_models import DiffDrive, MotionState
from mppi_ros.driving.objective import DrivingObjective
from mppi_ros.driving.parameters import CriticParameters, Limits, PredictionParameters
from mppi_ros.driving.path import ReferencePath
from mppi_ros.driving.plugin import (
    ARC,
    CLEARANCE,
    COMMAND_V,
    COMMAND_W,
    COS,
    COST,
    CROSS,
    SIN,
    Plugin,
    V,
    W,
    X,
    Y,
    block_step,
    sized,
)
from mppi_ros.jit.simd import BLOCK
from mppi_ros.mppi import MppiParameters, Optimizer
from mppi_ros.parameters.errors import ParameterError

STEPS, DT = 30, 0.05
LIMITS, PREDICTION, DEFAULT = Limits(), PredictionParameters(), CriticParameters()


@block_step
def weighted(step, rows, values):
    """Charge values[r] times row r, and values[COST] times the number of the step."""
    for j in range(BLOCK):
        cost = values[COST] * np.float32(step)
        for r in range(COST):
            cost += values[r] * rows[r, j]
        rows[COST, j] = cost


@block_step
def turning(step, rows, values):
    rows = sized(rows)
    for j in range(BLOCK):
        rows[COST, j] = values[0] * rows[W, j] * rows[W, j]


@block_step
def lagging_unicycle(step, rows, values):
    """Move as the built-in model does, with a sine and a cosine instead of polynomials."""
    dt, follow_v, follow_w = values[0], values[1], values[2]
    for j in range(BLOCK):
        v, w = rows[V, j], rows[W, j]
        next_v = v + follow_v * (rows[COMMAND_V, j] - v)
        next_w = w + follow_w * (rows[COMMAND_W, j] - w)
        way = np.float32(0.25) * dt * (v + next_v)
        angle = np.float32(0.5) * dt * (w + next_w)
        c, s = math.cos(angle), math.sin(angle)
        next_c = np.float32(rows[COS, j] * c - rows[SIN, j] * s)
        next_s = np.float32(rows[SIN, j] * c + rows[COS, j] * s)
        rows[X, j] += way * (rows[COS, j] + next_c)
        rows[Y, j] += way * (rows[SIN, j] + next_s)
        rows[COS, j], rows[SIN, j], rows[V, j], rows[W, j] = next_c, next_s, next_v, next_w


def objective(critics=DEFAULT, plugin=None):
    data = np.zeros((100, 120), np.int8)
    data[60:64, 50:56] = 100
    made = DrivingObjective(
        LIMITS, critics, PREDICTION, Footprint.round(0.2), STEPS, DT, plugin)
    made.set_field(distance_field(Costmap(data, 0.05, 0.0, 0.0)))
    path = ReferencePath.from_poses([[1.0, 2.5, 0.0], [5.0, 2.7, 0.0]])
    made.prepare(MotionState(1.2, 2.5, 0.1, 0.3, 0.1), (0.3, 0.1), path, 0.2)
    return made


def nothing_but(**weights):
    off = {name: replace(getattr(DEFAULT, name), weight=weights.get(name, 0.0))
           for name in CRITICS}
    off['obstacle'] = replace(off['obstacle'], collision=0.0)
    return CriticParameters(**off)


def costs_of(made, threads=1, blocks=4):
    noise = np.random.default_rng(1).normal(size=(blocks, 2 * STEPS, BLOCK)).astype(np.float32)
    mean = np.full((STEPS, 2), [0.3, 0.1], np.float32)
    costs = np.full((2 * blocks, BLOCK), np.nan, np.float32)
    made.evaluate_blocks(mean, np.diag([0.3, 0.7]).astype(np.float32), noise, costs, threads)
    return costs


def test_a_critic_of_the_user_charges_what_the_built_in_one_does():
    weight = 0.4 * DT / LIMITS.wz_max**2
    own = Plugin(critic=turning, values=[weight])
    np.testing.assert_allclose(
        costs_of(objective(nothing_but(), own)), costs_of(objective(nothing_but(twirling=0.4))),
        rtol=1e-5)


def test_a_critic_of_the_user_comes_on_top_of_the_others():
    own = Plugin(critic=turning, values=[0.01])
    both = costs_of(objective(plugin=own))
    sum_of_both = costs_of(objective()) + costs_of(objective(nothing_but(), own))
    np.testing.assert_allclose(both, sum_of_both, rtol=1e-5)


def test_a_motion_model_of_the_user_moves_as_the_built_in_one_does():
    model = DiffDrive.of(LIMITS, PREDICTION, DT)
    own = Plugin(lagging_unicycle, values=[model.dt, model.follow_v, model.follow_w])
    theirs, ours = costs_of(objective(plugin=own)), costs_of(objective())
    # a sample at the border of a cell may fall into either
    same = np.isclose(theirs, ours, rtol=1e-4, atol=1e-4)
    assert same.mean() > 0.9
    np.testing.assert_allclose(
        costs_of(objective(nothing_but(twirling=1.0), own)),
        costs_of(objective(nothing_but(twirling=1.0))), rtol=1e-5)


def row(number, step_weight=0.0):
    values = np.zeros(COST + 1, np.float32)
    values[number], values[COST] = 1.0, step_weight
    return Plugin(critic=weighted, values=values)


@pytest.mark.parametrize(('number', 'low', 'high'), [
    (X, -0.4, 0.8), (Y, -0.5, 0.6), (COS, 0.0, 1.0), (SIN, -1.0, 1.0), (V, -0.2, 0.5),
    (W, -1.9, 1.9), (COMMAND_V, -0.2, 0.5), (COMMAND_W, -1.9, 1.9), (CLEARANCE, -0.2, 1.2),
    (ARC, 0.0, 1.1), (CROSS, -0.8, 0.8),
])
def test_each_row_holds_what_it_says(number, low, high):
    mean = costs_of(objective(nothing_but(), row(number))) / STEPS
    assert low <= mean.min() < mean.max() <= high


def test_the_step_counts_from_zero():
    counted = costs_of(objective(nothing_but(), Plugin(
        critic=weighted, values=row(X, 1.0).values * np.float32([0] * COST + [1]))))
    np.testing.assert_allclose(counted, STEPS * (STEPS - 1) / 2)


def test_values_may_be_changed_between_two_solves():
    values = np.zeros(1, np.float32)
    made = objective(nothing_but(), Plugin(critic=turning, values=values))
    assert not costs_of(made).any()
    values[0] = 1.0
    assert costs_of(made).all()


def test_results_are_bit_identical_for_one_and_two_threads():
    made = objective(plugin=Plugin(lagging_unicycle, turning, [DT, 0.3, 0.4]))
    np.testing.assert_array_equal(costs_of(made, 1), costs_of(made, 2))


def test_a_critic_of_the_user_steers_the_optimiser():
    """With a price on turning left the optimiser turns right, and the other way round."""
    means = []
    for price in (1.0, -1.0):
        values = np.zeros(COST + 1, np.float32)
        values[W] = price
        made = objective(nothing_but(), Plugin(critic=weighted, values=values))
        optimizer = Optimizer(MppiParameters(samples=512, horizon_steps=STEPS), 2)
        for _ in range(10):
            optimizer.step(made)
        means.append(optimizer.mean[:, 1].mean())
    assert means[0] < -0.2 < 0.2 < means[1]


def plain(step, rows, values):
    rows[COST, 0] = values[0]


@cfunc(types.void(types.float64))
def of_one_number(x):
    pass


@pytest.mark.parametrize('role', ['motion', 'critic'])
@pytest.mark.parametrize(('function', 'said'), [
    (plain, ' = plain is not a function decorated with @block_step'),
    (njit(plain), ' = plain is not a function decorated with @block_step'),
    (of_one_number, ' = of_one_number is not a function decorated with @block_step'),
    ('plain', " = 'plain' is not a function decorated with @block_step"),
    (0, ' = 0 is not a function decorated with @block_step'),
])
def test_a_function_that_is_not_compiled_is_refused_with_its_role(function, said, role):
    with pytest.raises(ParameterError, match=role + said):
        Plugin(**{role: function})


def test_a_plugin_of_nothing_is_refused():
    for arguments in ({}, {'values': [1.0]}, {'motion': None, 'critic': None}):
        with pytest.raises(ParameterError, match='Plugin has neither motion nor critic'):
            Plugin(**arguments)


@pytest.mark.parametrize(('values', 'said'), [
    ('x', 'the values of values are of type str_; real numbers are expected'),
    (None, 'the values of values are of type object_'),
    (0.5, r'the shape of values is \[\]; \[n\] is expected'),
    ([[1.0, 2.0]], r'the shape of values is \[1, 2\]; \[n\] is expected'),
    ([1.0, math.nan], r'values\[1\] = nan is outside'),
    ([1e39], r'values\[0\] = 1e\+39 is outside \[-3\.40282e\+38, 3\.40282e\+38\]'),
    (np.ma.masked_array([1.0], True), 'values: masked arrays are not supported'),
])
def test_values_that_are_no_numbers_are_refused(values, said):
    with pytest.raises(ParameterError, match=said):
        Plugin(critic=turning, values=values)


def test_values_are_the_array_that_was_given_or_a_copy_whose_changes_count_as_well():
    own = np.zeros(1, np.float32)
    fixed = own.copy()
    fixed.flags.writeable = False
    assert Plugin(critic=turning, values=own).values is own
    for given in ([0], np.zeros(1), np.zeros(4, np.float32)[::2], np.zeros(1, '>f4'), fixed):
        plugin = Plugin(critic=turning, values=given)
        made = objective(nothing_but(), plugin)
        assert plugin.values is not given
        assert not costs_of(made).any()
        plugin.values[0] = 1.0
        assert costs_of(made).all()
        assert not np.any(given)


@pytest.mark.parametrize('plugin', ['lawn_rules:rules', turning, False])
def test_an_objective_refuses_what_is_no_plugin(plugin):
    with pytest.raises(ParameterError, match='not a Plugin'):
        objective(plugin=plugin)


def unknown_name(step, rows, values):
    rows[COST, 0] = no_such_name  # noqa: F821


def two_arguments(step, rows):
    pass


def an_optional_argument(step, rows, values, weight=1.0):
    pass


def any_arguments(*arguments):
    pass


def returns(step, rows, values):
    return values[0]


def opens(step, rows, values):
    with open('file') as file:
        file.read()


@pytest.mark.parametrize(('function', 'said'), [
    (unknown_name, r'unknown_name \(test_plugin.py, line \d+\) cannot be compiled: .*no_such'),
    (two_arguments, r'has the arguments \(step, rows\); \(step, rows, values\) is expected'),
    (an_optional_argument, r'has the arguments \(step, rows, values, weight=1.0\); \(step'),
    (any_arguments, r'has the arguments \(\*arguments\); \(step, rows, values\) is expected'),
    (returns, 'returns .* cannot be compiled: No conversion from'),
    (opens, 'opens .* cannot be compiled: .*context manager'),
    (None, 'block_step of None: a function'),
    (turning, r'block_step of .*turning.*: a function \(step, rows, values\) is expected'),
])
def test_a_function_that_cannot_be_compiled_is_refused_with_place_and_reason(function, said):
    with pytest.raises(ParameterError, match=said) as error:
        block_step(function)
    assert '\n' not in str(error.value)
