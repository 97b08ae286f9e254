"""What a newcomer passes to the library by mistake is refused with name, value and range."""
from __future__ import annotations

import copy
import math
import pickle
import warnings

import numpy as np
import pytest

from mppi_ros.mppi import (
    InputError,
    MppiParameters,
    Optimizer,
    ParameterError,
    score,
    theory,
)
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
    (np.zeros((7, 2)), r'the shape of mean is \[7, 2\]; \[8, 2\] is expected'),
    (np.zeros((2, 8)), r'the shape of mean is \[2, 8\]; \[8, 2\] is expected'),
    (np.zeros(2), r'the shape of mean is \[2\]; \[8, 2\] is expected'),
    (0.0, r'the shape of mean is \[\]; \[8, 2\] is expected'),
    (np.where(np.arange(16).reshape(8, 2) == 5, math.nan, 0.0), r'mean\[2, 1\] = nan is outside'),
    (np.full((8, 2), math.inf), r'mean\[0, 0\] = inf is outside'),
    (np.full((8, 2), 1e39), r'mean\[0, 0\] = 1e\+39 is outside \[-3\.40282e\+38, 3\.40282e\+38\]'),
    ('x', 'the values of mean are of type str_; real numbers are expected'),
    (None, 'the values of mean are of type object_'),
    (np.zeros((8, 2), complex), 'the values of mean are of type complex128'),
    ([[0.0], [0.0, 1.0]], 'its rows differ in length'),
    (np.ma.masked_array(np.zeros((8, 2)), True), 'mean: masked arrays are not supported'),
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


class Blocks:
    """A block objective without a cost, which may scale the standard deviations."""

    def __init__(self, sigma_scale=None):
        self.sigma_scale = sigma_scale

    def evaluate_blocks(self, mean, factor, noise, costs, threads, draw, process):
        self.factor = factor
        draw_serial(draw.seed, draw.step, process, mean.shape[1], noise)
        costs[:] = 0.0


@pytest.mark.parametrize(('name', 'value', 'said'), [
    ('deadline', math.nan, r'deadline = nan is outside \[-inf, inf\]'),
    ('deadline', '1', "deadline = '1' is not a number"),
    ('deadline', None, 'deadline = None is not a number'),
    ('clock', 3.0, 'clock = 3.0 is not a function'),
    ('clock', None, 'clock = None is not a function'),
])
def test_a_deadline_or_clock_that_is_none_is_refused_when_it_is_set(name, value, said):
    made = optimizer()
    with pytest.raises(InputError, match=said):
        setattr(made, name, value)
    assert made.step(Blocks()).valid


def test_the_number_of_controls_cannot_be_changed():
    with pytest.raises(AttributeError, match='controls'):
        optimizer().controls = 3


@pytest.mark.parametrize('controls', [0, -1, 1.5, None, True, '2'])
def test_a_covariance_is_that_of_a_positive_number_of_controls(controls):
    with pytest.raises(ParameterError, match='is not a positive integer'):
        MppiParameters().cholesky(controls)


@pytest.mark.parametrize('scale', [1.0, [1.0], np.ones(3), np.ones((2, 1)), [1.0, math.nan],
                                   [1.0, 0.0], [1.0, -1.0], [math.inf, 1.0]], ids=str)
def test_a_sigma_scale_that_is_none_is_refused(scale):
    with pytest.raises(InputError, match='(?s)sigma_scale = .* is not an array of 2 numb'):
        optimizer().step(Blocks(scale))


@pytest.mark.parametrize('scale', [[0.5, 2.0], np.array([0.5, 2.0])])
def test_a_sigma_scale_of_any_type_keeps_single_precision(scale):
    objective = Blocks(scale)
    optimizer().step(objective)
    np.testing.assert_array_equal(objective.factor, np.diag(np.float32([0.2, 1.6])))
    assert objective.factor.dtype == np.float32


def test_what_belongs_to_the_last_iteration_is_refused_before_the_first():
    made = optimizer()
    reads = (made.samples, lambda: made.gain_along_step([1.0]), lambda: made.share_below(1.0))
    for parameters in (made.parameters, MppiParameters(**{**SMALL, 'samples': 64})):
        made.configure(parameters)
        for read in reads:
            with pytest.raises(InputError, match='there has been no iteration with these param'):
                read()
        made.step(bowl)
        for read in reads:
            read()
    made.step(lambda controls: np.full(len(controls), math.nan))
    assert made.share_below(1.0) == 0.0
    with pytest.raises(InputError, match='the last iteration had no finite cost'):
        made.gain_along_step([1.0])


def test_a_copy_shares_nothing():
    made = optimizer()
    made.step(bowl)
    before, copied = made.mean.copy(), copy.copy(made)
    copied.step(bowl)
    np.testing.assert_array_equal(made.mean, before)
    assert copied.step(bowl) == (made.step(bowl), made.step(bowl))[1]


W, NOISE, COSTS = np.full(4, 0.25), np.arange(8.0).reshape(4, 2), np.arange(4.0)
TARGET = theory.GaussianMixtureTarget.from_modes(
    [0.0, 0.3], [[0.0, 1.0], [1.0, 0.0]], [np.eye(2), 2.0 * np.eye(2)], 0.7)
POINT = np.array([0.3, -0.2])
MASKED = np.ma.masked_array(POINT, [True, False])


@pytest.mark.parametrize(('call', 'said'), [
    (lambda: score.natural_gradient(W[:3], NOISE), r'noise is \[4, 2\]; \[3, ...\] is expected'),
    (lambda: score.natural_gradient(NOISE, NOISE), r'w is \[4, 2\]; \[K\] is expected'),
    (lambda: score.natural_gradient(W, 1.0), r'noise is \[\]; \[4, ...\] is expected'),
    (lambda: score.score(W, NOISE[:3], 1.0), r'noise is \[3, 2\]; \[4, n\] is expected'),
    (lambda: score.score(W, COSTS, 1.0), r'noise is \[4\]; \[4, n\] is expected'),
    (lambda: score.score(W, NOISE, np.eye(3)), r'covariance is \[3, 3\]; \[2, 2\] is expected'),
    (lambda: score.curvature(W, NOISE.T, 1.0), r'noise is \[2, 4\]; \[4, n\] is expected'),
    (lambda: score.curvature(COSTS[:, None], NOISE, 1.0), r'w is \[4, 1\]; \[K\] is expected'),
    (lambda: score.kl_of_step(0.3, 1.0), r'step is \[\]; \[n\] is expected'),
    (lambda: score.kl_of_step(NOISE, 1.0), r'step is \[4, 2\]; \[n\] is expected'),
    (lambda: score.reweighted_objective(POINT[:1], COSTS, NOISE, 1.0, 1.0),
     r'noise is \[4, 2\]; \[4, 1\] is expected'),
    (lambda: score.reweighted_objective(POINT, COSTS[:1], NOISE, 1.0, 1.0),
     r'noise is \[4, 2\]; \[1, 2\] is expected'),
    (lambda: score.reweighted_objective(0.0, COSTS, NOISE, 1.0, 1.0), r'displacement is \[\]'),
    (lambda: score.ascent_lower_bound('1', 1.0), "alpha = '1' is not a number"),
    (lambda: score.ascent_lower_bound(1.0, POINT), 'norm = .* is not a number'),
    (lambda: score.noise_floor(40, 0.0), r'ess = 0.0 is outside \(0, inf\)'),
    (lambda: score.weights('12', 1.0), 'the values of costs are of type str_'),
    (lambda: score.weights(MASKED, 1.0), 'costs: masked arrays are not supported'),
    (lambda: score.weights(COSTS, '1'), "temperature = '1' is not a number"),
    (lambda: score.weights(COSTS, np.ones(2)), 'temperature = .* is not a number'),
    (lambda: score.weights(COSTS, True), 'temperature = True is not a number'),
    (lambda: score.smoothed_objective(MASKED, 1.0), 'costs: masked arrays'),
    (lambda: score.effective_sample_size(MASKED), 'w: masked arrays'),
    (lambda: score.natural_gradient(W, np.ma.masked_array(NOISE)), 'noise: masked arrays'),
    (lambda: score.kl_of_step(MASKED, 1.0), 'step: masked arrays'),
    (lambda: theory.log_density(TARGET, 0.3), r'x is \[\]; \[..., 2\] is expected'),
    (lambda: theory.log_density(TARGET, [0.3]), r'x is \[1\]; \[..., 2\] is expected'),
    (lambda: theory.cost(TARGET, np.zeros((5, 3))), r'x is \[5, 3\]; \[..., 2\] is expected'),
    (lambda: theory.probability(TARGET, MASKED), 'x: masked arrays'),
    (lambda: theory.score(TARGET, [0.3]), r'x is \[1\]; \[..., 2\] is expected'),
    (lambda: theory.score(TARGET, ['a', 'b']), 'the values of x are of type str_'),
    (lambda: theory.hessian(TARGET, [POINT]), r'x is \[1, 2\]; \[2\] is expected'),
    (lambda: theory.ascend(TARGET, POINT, POINT), 'alpha = .* is not a number'),
    (lambda: theory.tilted(TARGET, [0.3], 1.0), r'mean is \[1\]; \[2\] is expected'),
    (lambda: theory.tilted(TARGET, [POINT], 1.0), r'mean is \[1, 2\]; \[2\] is expected'),
    (lambda: theory.natural_gradient(TARGET, [0.3], 1.0), r'x is \[1\]; \[..., 2\] is expected'),
    (lambda: theory.score_of_gaussian(0.3, 0.0, 1.0), r'x is \[\]; \[..., n\] is expected'),
    (lambda: theory.score_of_gaussian(POINT, [0.0], 1.0), r'mean is \[1\]; \[2\] is expected'),
    (lambda: theory.fisher_information([1.0, 2.0]), r'covariance is \[2\]; \[2, 2\] is expected'),
    (lambda: theory.fisher_information(np.eye(2)[:1]), r'covariance is \[1, 2\]; \[1, 1\]'),
    (lambda: theory.kl_of_gaussians(POINT, 1.0, [0.0], 1.0), r'other_mean is \[1\]; \[2\]'),
    (lambda: theory.kl_of_gaussians([POINT], 1.0, POINT, 1.0), r'mean is \[1, 2\]; \[n\]'),
    (lambda: theory.kl_of_gaussians(POINT, 1.0, POINT, -1.0), 'other_covariance = '),
    (lambda: theory.GaussianMixtureTarget.quadratic(1.0, 0.0, 1.0), r'centre is \[\]; \[n\]'),
    (lambda: theory.GaussianMixtureTarget.quadratic(1.0, POINT, 1.0), r'hessian is \[\]; '),
    (lambda: theory.GaussianMixtureTarget.quadratic(np.eye(2), [0.0, math.nan], 1.0),
     r'centre\[1\] = nan is not finite'),
    (lambda: theory.GaussianMixtureTarget.from_modes([math.inf], [POINT], [np.eye(2)], 1.0),
     r'floors\[0\] = inf is not finite'),
    (lambda: theory.GaussianMixtureTarget.from_modes([0.0], [POINT], [-np.eye(2)], 1.0),
     'hessian = .* is not symmetric and positive definite'),
    (lambda: theory.GaussianMixtureTarget(1.0, [0.0, 1.0], [POINT], [np.eye(2)]),
     r'log_heights is \[2\]; \[1\] is expected'),
    (lambda: theory.GaussianMixtureTarget(1.0, [0.0], [POINT], np.eye(2)),
     r'precisions is \[2, 2\]; \[1, 2, 2\] is expected'),
    (lambda: theory.GaussianMixtureTarget(0.0, [0.0], [POINT], [np.eye(2)]), 'temperature = 0.0'),
])
def test_arrays_of_a_wrong_shape_or_type_are_refused_by_the_formulas(call, said):
    with pytest.raises(InputError, match=said):
        call()


def test_lists_are_arrays_for_the_formulas():
    w, noise, eye = W.tolist(), NOISE.tolist(), [[1.0, 0.0], [0.0, 1.0]]
    for with_lists, with_arrays in (
        (score.effective_sample_size(w), score.effective_sample_size(W)),
        (score.natural_gradient(w, noise), score.natural_gradient(W, NOISE)),
        (score.score(w, noise, eye), score.score(W, NOISE, 1.0)),
        (score.curvature(w, noise, eye), score.curvature(W, NOISE, 1.0)),
        (score.kl_of_step([1, 2], eye), score.kl_of_step(np.array([1.0, 2.0]), 1.0)),
        (score.reweighted_objective([0, 1], COSTS.tolist(), noise, eye, 1),
         score.reweighted_objective(np.array([0.0, 1.0]), COSTS, NOISE, 1.0, 1.0)),
        (score.weights([False, True], 1.0), score.weights([0.0, 1.0], 1.0)),
        (theory.hessian(TARGET, POINT.tolist()), theory.hessian(TARGET, POINT)),
        (theory.log_density(theory.GaussianMixtureTarget(1, [0], [[0, 0]], [eye]), [0, 1]), -0.5),
    ):
        np.testing.assert_array_equal(with_lists, with_arrays)


@pytest.mark.parametrize('scale', [1e-300, 1.0, 1e300])
def test_the_effective_sample_size_does_not_depend_on_the_scale_of_the_weights(scale):
    assert score.effective_sample_size(scale * np.array([3.0, 1.0, 0.0])) == pytest.approx(1.6)
    assert score.effective_sample_size([]) == score.effective_sample_size([0.0]) == 0.0
