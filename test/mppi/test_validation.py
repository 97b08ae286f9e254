"""What a newcomer passes to the library by mistake is refused with name, value and range."""
from __future__ import annotations

import copy
import math
import pickle
import warnings

import numpy as np
import pytest

from mppi_ros.mppi import InputError, MppiParameters, Optimizer, ParameterError
from mppi_ros.mppi.noise import draw_serial

SMALL = {'samples': 256, 'horizon_steps': 8, 'sigma': (0.4, 0.8)}


def bowl(controls):
    return np.square(controls - [0.5, -1.0]).sum(axis=(1, 2))


def optimizer(bounds=None, **changes):
    return Optimizer(MppiParameters(**{**SMALL, **changes}), 2, bounds)


def test_a_mean_that_is_set_is_copied_and_takes_part_in_all_that_follows():
    ramp = np.linspace(-1.0, 1.0, 16).reshape(8, 2)
    made, written = optimizer(), optimizer()
    for dtype in (np.float32, np.float64):
        given = ramp.astype(dtype)
        made.mean = given
        written.mean[:] = ramp
        given[:] = 7.0
        np.testing.assert_array_equal(made.mean, ramp.astype(np.float32))
        for each in (made, written):
            each.shift(0.07)
        np.testing.assert_array_equal(made.mean, written.mean)
        assert made.step(bowl) == written.step(bowl)
        np.testing.assert_array_equal(made.mean, written.mean)
    for restored in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        np.testing.assert_array_equal(restored.mean, made.mean)
        restored.shift(0.1)
        assert not np.array_equal(restored.mean, made.mean)
        restored.reset()
        assert not restored.mean.any()
    made.reset()
    assert not made.mean.any()


def test_a_mean_may_be_set_from_a_list_and_changed_by_an_operator():
    made = optimizer()
    made.mean = [[1, 2]] * 8
    view = made.mean
    made.mean += 1.0
    np.testing.assert_array_equal(view, np.tile([2.0, 3.0], (8, 1)))


@pytest.mark.parametrize(('mean', 'said'), [
    (np.zeros((7, 2)), r'mean has the shape \[7, 2\]; \[8, 2\] is expected'),
    (np.zeros((2, 8)), r'mean has the shape \[2, 8\]; \[8, 2\] is expected'),
    (np.zeros(2), r'mean has the shape \[2\]; \[8, 2\] is expected'),
    (0.0, r'mean has the shape \[\]; \[8, 2\] is expected'),
    (np.where(np.arange(16).reshape(8, 2) == 5, math.nan, 0.0), r'mean\[2, 1\] = nan is outside'),
    (np.full((8, 2), math.inf), r'mean\[0, 0\] = inf is outside'),
    (np.full((8, 2), 1e39), r'mean\[0, 0\] = 1e\+39 is outside \[-3\.40282e\+38, 3\.40282e\+38\]'),
    ('x', 'mean has values of type str_; real numbers are expected'),
    (None, 'mean has values of type object_'),
    (np.zeros((8, 2), complex), 'mean has values of type complex128'),
    ([[0.0], [0.0, 1.0]], 'its rows differ in length'),
    (np.ma.masked_array(np.zeros((8, 2)), True), 'mean is a masked array'),
])
def test_a_mean_that_is_none_is_refused_and_changes_nothing(mean, said):
    made = optimizer()
    made.mean = np.ones((8, 2))
    with pytest.raises(InputError, match=said):
        made.mean = mean
    np.testing.assert_array_equal(made.mean, 1.0)


@pytest.mark.parametrize('bad', [math.nan, math.inf])
def test_a_mean_that_became_infinite_in_place_is_refused_before_f_is_called(bad):
    made = optimizer()
    made.mean[3, 1] = bad
    with pytest.raises(InputError, match=rf'mean\[3, 1\] = {bad} is not finite'):
        made.step(lambda controls: pytest.fail('called'))
    made.mean = np.zeros((8, 2))
    assert made.step(bowl).valid


def test_bounds_that_are_set_later_are_checked_and_hold_at_once():
    made = optimizer()
    made.bounds = (-0.1, [0.1, 0.2])
    np.testing.assert_array_equal(made.bounds, optimizer((-0.1, [0.1, 0.2])).bounds)
    made.mean = np.ones((8, 2))
    made.bounds = (-0.5, 0.5)
    np.testing.assert_array_equal(made.mean, 0.5)
    with pytest.raises(ParameterError, match=r'bounds of control 0 = \[1, -1\]'):
        made.bounds = (1.0, -1.0)
    made.step(bowl)
    assert np.abs(made.mean).max() <= 0.5
    made.bounds = None
    assert made.bounds is None


def test_parameters_that_are_set_are_configured():
    made, configured = optimizer(), optimizer()
    changed = MppiParameters(**{**SMALL, 'samples': 64, 'horizon_steps': 5})
    made.parameters = changed
    configured.configure(changed)
    assert made.parameters == changed
    assert made.step(bowl) == configured.step(bowl)
    assert made.mean.shape == (5, 2)


@pytest.mark.parametrize('parameters', [None, {'samples': 64}, MppiParameters])
def test_parameters_of_another_type_are_refused(parameters):
    with pytest.raises(ParameterError, match='must be of type MppiParameters'):
        Optimizer(parameters, 2)
    made = optimizer()
    with pytest.raises(ParameterError, match='must be of type MppiParameters'):
        made.configure(parameters)
    assert made.step(bowl).valid


@pytest.mark.parametrize('temperature', [5e-324, 1e-310, 1e-40, 1e-38])
@pytest.mark.parametrize('offset', [0.0, -1e9])
@pytest.mark.parametrize('blocks', [False, True])
def test_the_smallest_lambda_steps_to_the_best_sample(blocks, offset, temperature):
    class Blocks:
        def evaluate_blocks(self, mean, factor, noise, costs, threads, draw, process):
            draw_serial(draw.seed, draw.step, process, 2, noise)
            lanes = noise.transpose(0, 2, 1).reshape(-1, 8, 2)
            costs.reshape(-1)[:] = bowl(mean + lanes @ factor.T)

    made, seen = optimizer(temperature=temperature), []
    start = made.mean.copy()
    step = made.step(
        Blocks() if blocks else lambda controls: seen.append(bowl(controls)) or seen[0] + offset,
        0.5)
    assert step.valid
    assert step.ess == 1.0
    noise, weights = made.samples()
    best = bowl(start + noise).argmin()
    np.testing.assert_array_equal(weights.nonzero()[0], [best])
    np.testing.assert_allclose(made.mean, start + noise[best], rtol=1e-6)


def test_costs_of_both_signs_that_are_the_greatest_of_double_precision_are_weighed():
    made = optimizer(temperature=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        step = made.step(lambda controls: np.where(controls[:, 0, 0] > 0.0, 1e308, -1e308))
    noise, weights = made.samples()
    assert step.valid
    assert step.best_cost == -1e308
    np.testing.assert_array_equal(weights > 0.0, noise[:, 0, 0] <= 0.0)
