"""The optimiser by itself: bounds, one step without time, errors at the door, public names."""
from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

import mppi_ros.mppi as library
from mppi_ros.mppi import (
    InputError,
    MppiParameters,
    NoiseParameters,
    Optimizer,
    ParameterError,
    score,
    theory,
)
from mppi_ros.mppi.noise import ar2_process, unwhiten_transposed, whiten
from mppi_ros.mppi.sequences import checked_bounds, shift

SMALL = {'samples': 256, 'horizon_steps': 8, 'sigma': (0.4, 0.8)}


def clipping_bowl(controls):
    """Return f, float[K], that clips its controls itself: all beyond 1 cost the same."""
    return np.square(np.clip(controls, -1.0, 1.0) - [2.0, -2.0]).sum(axis=(1, 2))


def bowl(controls):
    return np.square(controls - [2.0, -2.0]).sum(axis=(1, 2))


def test_without_bounds_the_mean_of_an_f_that_clips_runs_away_and_with_bounds_it_stays():
    free = Optimizer(MppiParameters(**SMALL), 2)
    bounded = Optimizer(MppiParameters(**SMALL), 2, bounds=(-1.0, 1.0))
    for _ in range(60):
        free.step(clipping_bowl)
        bounded.step(clipping_bowl)
        assert np.abs(bounded.mean).max() <= 1.0
    assert np.abs(free.mean).max() > 1.5
    np.testing.assert_allclose(bounded.mean, np.tile([1.0, -1.0], (8, 1)), atol=0.1)


@pytest.mark.parametrize('smoothing', [False, True])
@pytest.mark.parametrize('iterations', [1, 3])
def test_f_sees_clipped_controls_the_samples_stay_gaussian_and_the_mean_stays_within(
    iterations, smoothing
):
    low, high = np.array([-0.3, -np.inf]), np.array([0.2, 0.5])
    made = Optimizer(
        MppiParameters(**SMALL, iterations=iterations, smoothing=smoothing), 2, (low, high))
    for _ in range(5):
        seen, before = [], made.mean.copy()
        made.step(lambda controls, seen=seen: seen.append(controls.copy()) or bowl(controls))
        assert (seen[0] >= low).all()
        assert (seen[0] <= high).all()
        if iterations == 1:
            drawn = before + made.samples()[0]
            assert (drawn > high).any()
            np.testing.assert_array_equal(seen[0], np.clip(drawn, *made.bounds))
        assert (made.mean >= low).all()
        assert (made.mean <= high).all()


def test_with_bounds_a_step_is_the_step_of_the_f_that_clips_projected():
    made = Optimizer(MppiParameters(**SMALL, alpha=1.0), 2, bounds=(-1.0, 1.0))
    plain = Optimizer(MppiParameters(**SMALL, alpha=1.0), 2)
    for _ in range(10):
        plain.mean[:] = made.mean
        assert made.step(bowl) == plain.step(lambda x: bowl(np.clip(x, -1.0, 1.0)))
        np.testing.assert_array_equal(made.mean, np.clip(plain.mean, -1.0, 1.0))


def test_bounds_that_leave_out_zero_hold_before_the_first_step_and_after_a_reset():
    made = Optimizer(MppiParameters(**SMALL), 2, bounds=([2.0, -3.0], [4.0, -1.0]))
    for _ in range(2):
        np.testing.assert_array_equal(made.mean, np.tile([2.0, -1.0], (8, 1)))
        made.step(bowl)
        made.reset()


def test_a_mean_that_was_written_beyond_the_bounds_is_projected_before_it_is_sampled_around():
    made = Optimizer(MppiParameters(**SMALL, temperature=1.0), 2, bounds=(-1.0, 1.0))
    within = Optimizer(MppiParameters(**SMALL, temperature=1.0), 2, bounds=(-1.0, 1.0))
    made.mean[:], within.mean[:] = 50.0, 1.0
    assert made.step(bowl) == within.step(bowl)
    np.testing.assert_array_equal(made.mean, within.mean)


def test_wide_bounds_change_no_bit():
    wide = Optimizer(MppiParameters(**SMALL), 2, bounds=(-1e6, math.inf))
    free = Optimizer(MppiParameters(**SMALL), 2)
    for _ in range(5):
        assert wide.step(bowl) == free.step(bowl)
        np.testing.assert_array_equal(wide.mean, free.mean)


def test_a_callable_may_project_the_mean_itself():
    class Projecting:
        def __call__(self, controls):
            return bowl(controls)

        def project(self, mean):
            np.minimum(mean, 0.25, out=mean)

    made = Optimizer(MppiParameters(**SMALL), 2, bounds=(-0.5, 0.5))
    for _ in range(20):
        made.step(Projecting())
        assert made.mean.max() <= 0.25
        assert made.mean.min() >= -0.5


@given(low=st.floats(-100.0, 100.0), width=st.floats(0.0, 100.0))
def test_no_single_precision_number_within_the_bounds_exceeds_them(low, width):
    least, greatest = checked_bounds((low, low + width), 1)
    assert least.dtype == greatest.dtype == np.float32
    assert least[0] <= greatest[0]
    if np.float32(low) < np.nextafter(np.float32(low + width), np.float32(-np.inf)):
        assert float(least[0]) >= low
        assert float(greatest[0]) <= low + width


@pytest.mark.parametrize(('bounds', 'said'), [
    ((1.0, -1.0), r'bounds of control 0 = \[1, -1\]: low ≤ high'),
    (([0.0, 2.0], [1.0, 1.0]), r'bounds of control 1 = \[2, 1\]'),
    ((math.nan, 1.0), r'bounds of control 0 = \[nan, 1\]'),
    ((math.inf, math.inf), r'bounds of control 0 = \[inf, inf\]'),
    ((-math.inf, -math.inf), r'bounds of control 0'),
    (([0.0, 0.0, 0.0], 1.0), r'the shape of bounds is \[3\]; \[\] or \[2\] is expected'),
    ((np.zeros((2, 1)), 1.0), r'the shape of bounds is \[2, 1\]'),
    ((None, 1.0), 'the values of bounds are of type object_; real numbers are expected'),
    (('0', '1'), 'the values of bounds are of type str_'),
    ((False, True), 'the values of bounds are of type bool'),
    (([0.0, None], 1.0), 'the values of bounds are of type object_'),
    (([[0.0], [0.0, 1.0]], 1.0), 'its rows differ in length'),
    ((0.0, np.ma.masked_array([1.0, 2.0], [True, False])), 'bounds: masked arrays'),
    ((1e39, 2e39), r'bounds = \[1e\+39, 1e\+39\]: each must be within \[-3.40282e\+38, 3.4'),
    ((-1e39, [1.0, 1.0]), 'or infinite for none'),
    (True, 'is not a pair'),
    ('ab', "bounds = 'ab' is not a pair"),
    ({0.0, 1.0}, 'is not a pair'),
    ({'low': 0.0, 'high': 1.0}, 'is not a pair'),
    (1.0, 'is not a pair'),
    ((0.0, 1.0, 2.0), 'is not a pair'),
    (('low', 'high'), 'the values of bounds are of type str_'),
])
def test_bounds_that_are_none_are_refused_with_what_is_wrong(bounds, said):
    with pytest.raises(ParameterError, match=said):
        Optimizer(MppiParameters(**SMALL), 2, bounds=bounds)


@pytest.mark.parametrize('controls', [0, -1, 1.0, True, '2', None])
def test_a_number_of_controls_that_is_none_is_refused(controls):
    with pytest.raises(ParameterError, match='is not a positive integer'):
        Optimizer(MppiParameters(samples=64), controls)


def test_a_number_of_controls_may_be_an_integer_of_numpy():
    assert Optimizer(MppiParameters(samples=64), np.int64(2)).mean.shape == (56, 2)


@pytest.mark.parametrize(('costs', 'said'), [
    (np.full(256, '1.0'), 'returned values of type str_; real numbers are expected'),
    (np.zeros(256, np.complex128), 'returned values of type complex128'),
    (np.full(256, None), 'returned values of type object_'),
    (np.zeros(3), r'the cost function returned shape \[3\]; \[256\] is expected'),
    (None, r'the cost function returned shape \[\]'),
    ([[0.0], [0.0, 1.0]], 'the cost function returned no array of numbers: '),
    (np.ma.masked_array(np.zeros(256), np.arange(256) < 128), 'costs: masked arrays'),
])
def test_costs_that_are_not_a_real_number_for_each_sample_are_refused(costs, said):
    made = Optimizer(MppiParameters(**SMALL), 2)
    with pytest.raises(InputError, match=said):
        made.step(lambda controls: costs)
    assert not made.mean.any()


@pytest.mark.parametrize('seconds', [
    'x', None, 1j, [0.1, 0.2], np.zeros(2), np.zeros(1), True, math.nan, np.float32('nan'),
    np.ma.masked,
])
def test_a_time_to_shift_by_that_is_not_a_number_is_refused(seconds):
    with pytest.raises(InputError, match=r'seconds = .* is not a number'):
        Optimizer(MppiParameters(**SMALL), 2).shift(seconds)


@pytest.mark.parametrize('correlation_time', [0.0, 2.5])
@pytest.mark.parametrize('antithetic', [False, True])
@pytest.mark.parametrize('smoothing', [False, True])
def test_one_step_without_time_is_enough(correlation_time, antithetic, smoothing):
    """Optimise x ∈ Rⁿ without time, as in the theory: T = 1 and m = n."""
    hessian = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 3.0]])
    centre = np.array([0.5, -1.0, 0.3])
    target = theory.GaussianMixtureTarget.quadratic(hessian, centre, 1.0)
    covariance = np.array([[0.3, 0.1, 0.0], [0.1, 0.4, 0.0], [0.0, 0.0, 0.2]])
    made = Optimizer(MppiParameters(
        temperature=1.0, alpha=1.0, sigma=covariance, samples=100_000, horizon_steps=1,
        smoothing=smoothing, noise=NoiseParameters(correlation_time, 0.1, antithetic)), 3)
    step = made.step(lambda x: theory.cost(target, x[:, 0]))
    exact = theory.natural_gradient(target, np.zeros(3), covariance)
    assert step.ess > 1000.0
    if not smoothing:
        np.testing.assert_allclose(made.mean[0], exact, atol=0.02)
        np.testing.assert_allclose(made.score()[0] @ covariance, made.mean[0], atol=1e-5)
    for _ in range(20):
        made.shift(0.05)
        made.step(lambda x: theory.cost(target, x[:, 0]))
    np.testing.assert_allclose(made.mean[0], centre, atol=0.05 if not smoothing else 0.3)


@pytest.mark.parametrize('steps', [1, 2, 3, 4])
def test_short_noise_is_whitened_and_back(steps):
    process = ar2_process(0.9, 0.4)
    noise = np.random.default_rng(steps).normal(size=(steps, 2))
    white = whiten(process, noise, np.empty_like(noise))
    np.testing.assert_array_equal(white[0], noise[0])
    whitening = np.stack(
        [whiten(process, np.eye(steps)[:, [i]], np.empty((steps, 1)))[:, 0]
         for i in range(steps)], axis=1)
    np.testing.assert_allclose(
        unwhiten_transposed(process, noise), whitening.T @ noise, atol=1e-5)


def test_a_horizon_may_shrink_to_one_step_and_grow_again():
    made = Optimizer(MppiParameters(**SMALL), 2)
    for steps in (1, 30, 1, 2):
        made.configure(MppiParameters(**{**SMALL, 'horizon_steps': steps}))
        assert made.step(bowl).valid
        assert made.mean.shape == (steps, 2)


@pytest.mark.parametrize('sigma', [
    [0.4, 0.8], np.array([0.4, 0.8]), np.array([0.4, 0.8], np.float32), (1, 2),
    [[0.16, 0.1], [0.1, 0.64]], np.array([[0.16, 0.1], [0.1, 0.64]]),
    (0.16, 0.1, 0.1, 0.64),
], ids=str)
def test_sigma_may_be_a_list_an_array_or_a_matrix(sigma):
    parameters = MppiParameters(samples=64, horizon_steps=4, sigma=sigma)
    assert type(parameters.sigma) is tuple
    assert all(type(value) is float for value in parameters.sigma)
    assert parameters.sigma == pytest.approx(tuple(np.ravel(sigma)))
    assert hash(parameters) == hash(MppiParameters(
        samples=64, horizon_steps=4, sigma=parameters.sigma))
    assert Optimizer(parameters, 2).step(bowl).valid


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'sigma': 1.0}, r'sigma = 1\.0 must be a list of numbers'),
        ({'sigma': np.float64(1.0)}, 'must be a list of numbers'),
        ({'sigma': np.array(1.0)}, 'must be a list of numbers'),
        ({'sigma': np.ones((1, 4))}, r'sigma has the shape \[1, 4\]'),
        ({'sigma': np.ones((2, 2, 2))}, r'sigma has the shape \[2, 2, 2\]'),
        ({'sigma': [[1.0, 0.0], [1.0]]}, r'sigma = \[1\.0, 0\.0\] must be a number'),
        ({'sigma': [1.0, math.nan]}, r'sigma = nan is outside \[-1000, 1000\]'),
        ({'noise': 'white'}, "noise = 'white' must be of type NoiseParameters"),
        (
            {'noise': NoiseParameters(correlation_time=-1.0)},
            r'noise\.correlation_time = -1\.0 s is outside',
        ),
        ({'samples': 100.0}, r'samples = 100\.0 must be of type integer'),
        ({'horizon_steps': 0}, r'horizon_steps = 0 is outside \[1, 512\]'),
        ({'temperature': -1.0}, r'lambda = -1\.0 is outside'),
        ({'temperature': 10**400}, r'is outside'),
        ({'seed': 10**400}, r'is outside'),
    ],
)
def test_a_parameter_that_is_none_is_refused_when_it_is_given(changes, said):
    with pytest.raises(ParameterError, match=said):
        MppiParameters(**changes)


def test_numbers_of_numpy_are_numbers():
    parameters = MppiParameters(
        samples=np.int64(64), temperature=np.float32(0.5), smoothing=np.bool_(True))
    assert (parameters.samples, parameters.temperature, parameters.smoothing) == (64, 0.5, True)
    assert type(parameters.samples) is int
    assert type(parameters.temperature) is float


@pytest.mark.parametrize('temperature', [0.0, -1.0, math.nan, math.inf])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    costs, noise = np.array([1.0, 2.0]), np.array([[0.1], [0.2]])
    for call in (
        lambda: score.weights(costs, temperature),
        lambda: score.smoothed_objective(costs, temperature),
        lambda: score.reweighted_objective(np.zeros(1), costs, noise, 1.0, temperature),
        lambda: theory.GaussianMixtureTarget.quadratic(np.eye(1), [0.0], temperature),
    ):
        with pytest.raises(InputError, match=r'temperature = .* is outside \(0, inf\)'):
            call()


def test_towards_lambda_zero_all_weight_is_on_the_least_cost():
    w = score.weights([3.0, 1.0, 2.0], 1e-3)
    np.testing.assert_array_equal(w, [0.0, 1.0, 0.0])


def test_no_costs_are_refused():
    with pytest.raises(InputError, match=r'the shape of costs is \[0\]'):
        score.weights([], 1.0)


@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf])
def test_a_cost_that_is_not_finite_has_no_say_in_the_step_nor_in_the_formulas(bad):
    def f(controls):
        return np.where(controls[:, 0, 0] > 0.0, bad, bowl(controls))

    made = Optimizer(MppiParameters(**SMALL, temperature=2.0), 2)
    step = made.step(f)
    assert step.valid
    assert np.isfinite(made.mean).all()
    noise, weights = made.samples()
    assert not weights[noise[:, 0, 0] > 0.0].any()
    assert score.weights([1.0, bad], 1.0).tolist() == [1.0, 0.0]
    assert score.smoothed_objective([1.0, bad], 1.0) == pytest.approx(-1.0 - math.log(2.0))
    assert score.weights([bad, bad], 1.0).tolist() == [0.0, 0.0]


@pytest.mark.parametrize('name', ['ess_scale', 'extra_sigma_scale'])
@pytest.mark.parametrize(('factor', 'said'), [
    (0.0, r'0.0 is outside \[1e-06, 1e\+06\]'), (-1.0, 'is outside'), (math.nan, 'is outside'),
    (math.inf, 'is outside'), (1e-7, 'is outside'), (2e6, 'is outside'), (10**400, 'is outside'),
    ('1', "'1' is not a number"), (None, 'is not a number'), (True, 'is not a number'),
    (np.ones(1), 'is not a number'), (1j, 'is not a number'), (np.ma.masked, 'is not a number'),
])
def test_factors_of_a_step_must_be_positive_numbers(name, factor, said):
    made = Optimizer(MppiParameters(**SMALL), 2)
    with pytest.raises(InputError, match=f'{name} = .*{said}'):
        made.step(bowl, **{name: factor})
    assert not made.mean.any()


@pytest.mark.parametrize('one', [1, np.float32(1.0), np.float64(1.0), np.int64(1), np.ones(())])
def test_factors_and_times_may_be_any_real_number(one):
    made, usual = (Optimizer(MppiParameters(**SMALL, temperature=2.0), 2) for _ in range(2))
    signatures = len(score.compute_weights.signatures), len(shift.signatures)
    for _ in range(2):
        assert made.step(bowl, one, one) == usual.step(bowl, 1.0, 1.0)
        made.shift(one)
        usual.shift(1.0)
    np.testing.assert_array_equal(made.mean, usual.mean)
    found = len(score.compute_weights.signatures), len(shift.signatures)
    assert found <= (max(signatures[0], 1), max(signatures[1], 1))  # nothing is compiled anew


@pytest.mark.parametrize('objective', [None, 1.0, np.zeros(256), 'bowl'])
def test_what_is_no_objective_is_refused(objective):
    with pytest.raises(InputError, match='objective is of type .*, neither a function of'):
        Optimizer(MppiParameters(**SMALL), 2).step(objective)


@pytest.mark.parametrize(('factors', 'said'), [
    (1.0, r'the shape of factors is \[\]; \[n\] is expected'),
    ([[1.0]], r'the shape of factors is \[1, 1\]'),
    (['1'], 'the values of factors are of type str_'),
    ([math.nan], r'factors\[0\] = nan is not finite'),
])
def test_factors_along_the_step_are_a_list_of_numbers(factors, said):
    made = Optimizer(MppiParameters(**SMALL), 2)
    made.step(bowl)
    np.testing.assert_array_equal(
        made.gain_along_step([0.5, 1]), made.gain_along_step(np.array([0.5, 1.0])))
    with pytest.raises(InputError, match=said):
        made.gain_along_step(factors)
    with pytest.raises(InputError, match="cost = '1' is not a number"):
        made.share_below('1')


def test_a_number_is_a_covariance_that_is_the_same_in_all_directions():
    target = theory.GaussianMixtureTarget.from_modes(
        [0.0, 0.3], [[0.0, 1.0], [1.0, 0.0]], [np.eye(2), 2.0 * np.eye(2)], 0.7)
    whole = 0.4 * np.eye(2)
    x = np.array([0.3, -0.2])
    for function in (
        lambda sigma: theory.log_density(theory.smoothed(target, sigma), x),
        lambda sigma: theory.natural_gradient(target, x, sigma),
        lambda sigma: theory.tilted(target, x, sigma)[1],
        lambda sigma: theory.score_of_gaussian(x, np.zeros(2), sigma),
        lambda sigma: theory.kl_of_gaussians(x, sigma, np.zeros(2), sigma),
        lambda sigma: score.kl_of_step(x, sigma),
        lambda sigma: score.score(np.array([0.3, 0.7]), np.eye(2), sigma),
        lambda sigma: score.curvature(np.array([0.3, 0.7]), np.eye(2), sigma),
    ):
        np.testing.assert_allclose(function(0.4), function(whole), rtol=1e-12)
    assert theory.fisher_information(0.4) == pytest.approx(2.5)


@pytest.mark.parametrize('covariance', [
    np.eye(3), [1.0, 1.0], -1.0, 0.0, math.nan, [[1.0, 2.0], [2.0, 1.0]], [[1.0, 0.5], [0.0, 1.0]],
    [[1e-9, 5e-10], [1e-10, 1e-9]], '1.0', True, [['1', '0'], ['0', '1']],
    np.ma.masked_array(np.eye(2), 1.0 - np.eye(2)),
], ids=str)
def test_what_is_no_covariance_is_refused(covariance):
    target = theory.GaussianMixtureTarget.quadratic(np.eye(2), np.zeros(2), 1.0)
    for call in (
        lambda: theory.smoothed(target, covariance),
        lambda: theory.tilted(target, np.zeros(2), covariance),
        lambda: score.kl_of_step(np.zeros(2), covariance),
    ):
        with pytest.raises(InputError, match='covariance'):
            call()


@pytest.mark.parametrize(('floors', 'centres', 'hessians', 'said'), [
    ([0.0], [[0.0], [1.0]], [[[1.0]]], r'the shape of floors is \[1\]; \[2\] is expected'),
    ([0.0], [0.0], [[[1.0]]], r'the shape of centres is \[1\]; \[k, n\]'),
    ([0.0], [[0.0, 1.0]], [[[1.0]]], r'the shape of hessians is \[1, 1, 1\]; \[1, 2, 2\]'),
    ([0.0], [[0.0]], [[[-1.0]]], 'positive definite'),
])
def test_a_target_without_a_finite_mass_is_refused(floors, centres, hessians, said):
    with pytest.raises(InputError, match=said):
        theory.GaussianMixtureTarget.from_modes(floors, centres, hessians, 1.0)


def test_everything_public_is_listed():
    assert {'score', 'theory', 'Optimizer', 'MppiParameters', 'NoiseParameters'} <= set(
        library.__all__
    )
    for name in library.__all__:
        assert hasattr(library, name)
