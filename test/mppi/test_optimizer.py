"""The iteration is x̄ ← x̄ + α Σ w ε, says truly what it saw, and keeps its warm start."""
from __future__ import annotations

import math
import warnings

from hypothesis import given
from hypothesis import strategies as st
import numba
import numpy as np
import pytest

from mppi_ros.jit.simd import BLOCK
from mppi_ros.mppi import (
    BlockObjective,
    InputError,
    MppiParameters,
    NoiseParameters,
    Optimizer,
    ParameterError,
    score,
)
from mppi_ros.mppi.noise import ar2_process, draw_serial, whiten
from mppi_ros.mppi.sequences import PARABOLA, PAST, resampled, smoothing_matrix

SMALL = {'samples': 256, 'horizon_steps': 8, 'sigma': (0.4, 0.8)}
FULL = (0.16, 0.1, 0.1, 0.64)
TARGET = np.array([0.5, -1.0], np.float32)


def bowl(controls):
    """Return f, float[K]: squared distance of the controls, float32[K, T, m], to TARGET."""
    return np.square(controls.astype(np.float64) - TARGET).sum(axis=(1, 2))


class BlockBowl:
    """The same f for blocks of noise; no control of the mean may exceed `greatest`."""

    def __init__(self, greatest=np.inf):
        self.greatest = greatest

    def evaluate_blocks(self, mean, factor, noise, costs, threads, draw, process):
        draw_serial(draw.seed, draw.step, process, mean.shape[1], noise)
        for block, row in enumerate(costs):
            sign = 1.0 if block < len(noise) else -1.0
            lanes = noise[block % len(noise)].T.reshape(BLOCK, *mean.shape)
            row[:] = bowl(mean + sign * lanes @ factor.T)

    def project(self, mean):
        np.minimum(mean, self.greatest, out=mean)


def optimizer(mean=None, **changes):
    made = Optimizer(MppiParameters(**{**SMALL, **changes}), 2)
    if mean is not None:
        made.mean[:] = mean
    return made


def whole_covariance(made):
    """Return Σ, float64[T · m, T · m], of an optimiser's noise over time and controls."""
    steps = made.parameters.horizon_steps
    process = ar2_process(*made.parameters.poles())
    colouring = np.linalg.inv(whiten(process, np.eye(steps), np.empty((steps, steps))))
    factor = made.parameters.cholesky(made.controls)
    return np.kron(colouring @ colouring.T, factor @ factor.T)


@pytest.mark.parametrize('antithetic', [False, True])
@pytest.mark.parametrize('sigma', [(0.4, 0.8), FULL])
@pytest.mark.parametrize('temperature', [0.0, 1.5])
def test_step_with_alpha_one_is_the_textbook_update(temperature, sigma, antithetic):
    start = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    made = optimizer(start, temperature=temperature, sigma=sigma, alpha=1.0,
                     noise=NoiseParameters(antithetic=antithetic))
    step = made.step(bowl)
    noise = made.samples()[0].astype(np.float64)
    w = score.weights(bowl(start + noise), step.temperature)
    expected = start + np.tensordot(w, noise, axes=1)
    np.testing.assert_allclose(made.mean, expected, atol=4e-7)


@pytest.mark.parametrize('sigma', [(0.4, 0.8), FULL])
def test_step_is_to_the_last_bit_the_mean_plus_alpha_times_the_weighted_noise(sigma):
    """Of the average in single precision; the test above compares with double precision."""
    start = np.random.default_rng(1).normal(size=(8, 2)).astype(np.float32)
    for alpha in (0.25, 1.0, 1.7):
        made = optimizer(start, sigma=sigma, alpha=alpha, noise=NoiseParameters(antithetic=False))
        made.step(bowl)
        noise = np.ascontiguousarray(
            made._unit_noise().reshape(-1, BLOCK, 16).transpose(0, 2, 1))
        average = np.empty((8, 2), np.float32)
        score.average(made.samples()[1].reshape(-1, BLOCK), noise, average.reshape(-1))
        factor = made.parameters.cholesky(2).astype(np.float32)
        # As a fused multiply-add rounds, which BLAS has or has not: the second product not at all.
        first = (average[:, :1] * factor[:, 0]).astype(np.float64)
        second = average[:, 1:].astype(np.float64) * factor[:, 1]
        step = (first + second).astype(np.float32)
        np.testing.assert_array_equal(made.mean, start + np.float32(alpha) * step)


def test_alpha_scales_the_step_and_nothing_else():
    whole, part = optimizer(alpha=1.0), optimizer(alpha=0.25)
    a, b = whole.step(bowl), part.step(bowl)
    np.testing.assert_array_equal(part.mean, np.float32(0.25) * whole.mean)
    assert (a.ess, a.temperature, a.score_norm) == (b.ess, b.temperature, b.score_norm)


@pytest.mark.parametrize('temperature', [0.0, 1.5])
@pytest.mark.parametrize('constant', [-4096.0, 0.5, 1024.0, 1e8, -1e9, 1e12])
def test_a_constant_added_to_all_costs_changes_no_bit_of_the_step(temperature, constant):
    def rounded(controls):
        return np.round(bowl(controls) * 256.0) / 256.0  # so that the sum is exact

    plain, moved = optimizer(temperature=temperature), optimizer(temperature=temperature)
    before = plain.step(rounded)
    after = moved.step(lambda controls: rounded(controls) + constant)
    np.testing.assert_array_equal(plain.mean, moved.mean)
    assert (before.ess, before.score_norm) == (after.ess, after.score_norm)
    assert after.smoothed_objective == pytest.approx(
        before.smoothed_objective - constant / before.temperature, rel=1e-6)
    assert after.best_cost == before.best_cost + constant


@pytest.mark.parametrize('offset', [0.0, 1e8, 1e39])
def test_a_cost_beyond_single_precision_counts_as_infinite_without_a_warning(offset):
    def walled(controls, wall):
        costs = offset + bowl(controls)
        costs[::2] += wall
        return costs

    beyond, infinite = optimizer(), optimizer()
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        step = beyond.step(lambda controls: walled(controls, 1e40))
    assert step == infinite.step(lambda controls: walled(controls, math.inf))
    assert step.valid
    assert step.best_cost == pytest.approx(offset, abs=100.0)
    np.testing.assert_array_equal(beyond.mean, infinite.mean)


def test_integers_are_costs_like_the_same_numbers_in_double_precision():
    whole, real = optimizer(), optimizer()
    for _ in range(3):
        costs = whole.step(lambda controls: 10**10 + (100.0 * bowl(controls)).astype(np.int64))
        assert costs == real.step(lambda controls: 1e10 + np.floor(100.0 * bowl(controls)))
        np.testing.assert_array_equal(whole.mean, real.mean)


def test_costs_in_single_precision_are_used_as_they_are():
    given = []

    def raised(controls):
        given.append((300.1 + bowl(controls)).astype(np.float32))
        return given[-1]

    made = optimizer()
    step = made.step(raised)
    assert step.best_cost == given[0].min()
    np.testing.assert_array_equal(made._costs.reshape(-1)[:256], given[0])


@pytest.mark.parametrize('scale', [2.0**-7, 0.5, 8.0, 2.0**7])
def test_scaling_all_costs_changes_no_bit_of_the_mean_under_a_wanted_sample_size(scale):
    plain, scaled = optimizer(), optimizer()
    for _ in range(5):
        before = plain.step(bowl)
        after = scaled.step(lambda controls: scale * bowl(controls))
        np.testing.assert_array_equal(scaled.mean, plain.mean)
        assert after.temperature == scale * before.temperature
        assert (after.ess, after.score_norm) == (before.ess, before.score_norm)


@pytest.mark.parametrize('scale', [0.01, 0.1, 10.0, 100.0])
def test_scaling_all_costs_by_any_factor_changes_nothing_but_the_rounding(scale):
    plain, scaled = optimizer(), optimizer()
    for _ in range(5):
        before = plain.step(bowl)
        after = scaled.step(lambda controls: scale * bowl(controls))
    np.testing.assert_allclose(scaled.mean, plain.mean, atol=1e-5)
    assert after.temperature == pytest.approx(scale * before.temperature, rel=1e-5)
    assert after.ess == pytest.approx(before.ess, rel=1e-4)


def test_cooling_multiplies_the_wanted_sample_size_to_the_last_bit():
    cooled, fewer = optimizer(ess_share=0.25), optimizer(ess_share=0.125)
    for _ in range(3):
        assert cooled.step(bowl, 0.5) == fewer.step(bowl)
        np.testing.assert_array_equal(cooled.mean, fewer.mean)


def test_cooling_multiplies_a_fixed_temperature_to_the_last_bit():
    cooled, colder = optimizer(temperature=3.0), optimizer(temperature=1.5)
    assert cooled.step(bowl, 0.5) == colder.step(bowl)
    np.testing.assert_array_equal(cooled.mean, colder.mean)


@pytest.mark.parametrize('antithetic', [False, True])
@pytest.mark.parametrize('correlation_time', [0.0, 2.5])
def test_step_tells_what_numpy_finds(correlation_time, antithetic):
    made = optimizer(
        sigma=FULL,
        alpha=0.6,
        ess_share=0.05,
        noise=NoiseParameters(correlation_time, 0.14, antithetic),
    )
    step = made.step(bowl)
    noise, weights = made.samples()
    noise = noise.reshape(len(noise), -1).astype(np.float64)
    costs = bowl(noise.reshape(-1, 8, 2))
    w = score.weights(costs, step.temperature)
    np.testing.assert_allclose(weights, w, rtol=1e-3, atol=1e-7)
    assert step.best_cost == pytest.approx(costs.min())
    assert step.ess == pytest.approx(1.0 / np.square(w).sum(), rel=1e-3)
    assert step.ess == pytest.approx(0.05 * 256, rel=0.05)
    assert step.smoothed_objective == pytest.approx(
        score.smoothed_objective(costs, step.temperature), rel=1e-4)
    sigma = whole_covariance(made)
    natural = score.natural_gradient(w, noise)
    np.testing.assert_allclose(made.score().ravel(), np.linalg.solve(sigma, natural), rtol=1e-2,
                               atol=1e-3 * np.abs(made.score()).max())
    assert step.kl == pytest.approx(score.kl_of_step(0.6 * natural, sigma), rel=1e-3)
    assert step.score_norm == pytest.approx(math.sqrt(2.0 * step.kl) / 0.6)
    assert step.score_norm == pytest.approx(np.linalg.norm(made.whitened_gradient()))


@pytest.mark.parametrize('samples', [16, 100, 101, 257])
@pytest.mark.parametrize('antithetic', [False, True])
def test_a_callable_sees_exactly_the_samples_that_are_averaged(samples, antithetic):
    seen = []

    def remember(controls):
        seen.append(controls.copy())
        return bowl(controls)

    made = optimizer(samples=samples, noise=NoiseParameters(antithetic=antithetic))
    start = made.mean.copy()
    made.step(remember)
    assert seen[0].shape == (made.sample_count, 8, 2)
    assert seen[0].dtype == np.float32
    np.testing.assert_array_equal(seen[0], start + made.samples()[0])
    assert made.samples()[1].sum() == pytest.approx(1.0, rel=1e-5)
    assert made.sample_count == samples + (samples % 2 if antithetic else 0)


@pytest.mark.parametrize('samples', [16, 100, 256, 257])
@pytest.mark.parametrize('antithetic', [False, True])
def test_a_block_objective_and_a_callable_give_the_same_step(samples, antithetic):
    assert isinstance(BlockBowl(), BlockObjective)
    assert not isinstance(bowl, BlockObjective)
    changes = {'samples': samples, 'sigma': FULL, 'noise': NoiseParameters(antithetic=antithetic)}
    blocks, plain = optimizer(**changes), optimizer(**changes)
    for _ in range(3):
        a, b = blocks.step(BlockBowl()), plain.step(bowl)
        np.testing.assert_allclose(blocks.mean, plain.mean, atol=1e-5)
        assert a.ess == pytest.approx(b.ess, rel=1e-3)


def test_the_mean_is_projected_after_the_step_and_the_samples_are_not():
    made = optimizer()
    for _ in range(10):
        made.step(BlockBowl(greatest=0.3))
        assert made.mean.max() <= np.float32(0.3)
    assert (made.mean + made.samples()[0]).max() > 0.5


def test_several_iterations_are_as_many_steps():
    at_once, one_by_one = optimizer(iterations=4), optimizer(iterations=1)
    last = at_once.step(bowl)
    for _ in range(4):
        step = one_by_one.step(bowl)
    np.testing.assert_array_equal(at_once.mean, one_by_one.mean)
    assert last == step


def test_iterations_find_the_minimum():
    made = optimizer(
        samples=1024, iterations=30, alpha=0.5, noise=NoiseParameters(2.5, 0.14, True)
    )
    made.step(bowl)
    np.testing.assert_allclose(made.mean, np.tile(TARGET, (8, 1)), atol=0.1)


def test_noise_changes_from_step_to_step_and_returns_after_a_reset():
    made = optimizer()
    means = []
    for _ in range(2):
        made.step(bowl)
        means.append(made.mean.copy())
        first = made.samples()[0]
        made.step(bowl)
        assert not np.array_equal(first, made.samples()[0])
        made.reset()
        assert not made.mean.any()
    np.testing.assert_array_equal(*means)


@pytest.mark.parametrize('samples', [1000, 5000])
def test_result_is_bit_identical_for_one_and_two_threads(samples):
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip('needs a second thread: NUMBA_NUM_THREADS is 1')
    one, two = optimizer(threads=1, samples=samples), optimizer(threads=2, samples=samples)
    for _ in range(4):
        assert one.step(bowl) == two.step(bowl)
        np.testing.assert_array_equal(one.mean, two.mean)


def test_without_any_finite_cost_the_mean_stays_and_the_step_says_so():
    start = np.random.default_rng(3).normal(size=(8, 2)).astype(np.float32)
    for bad in (np.nan, np.inf):
        made = optimizer(start)
        step = made.step(lambda controls, bad=bad: np.full(len(controls), bad))
        assert not step.valid
        assert step.smoothed_objective == -math.inf
        assert step.ess == step.kl == step.score_norm == 0.0
        np.testing.assert_array_equal(made.mean, start)
        assert made.step(bowl).valid


def test_samples_without_a_finite_cost_have_no_say():
    def half(controls):
        return np.where(controls[:, 0, 0] > 0.0, np.nan, bowl(controls))

    made = optimizer()
    step = made.step(half)
    assert step.valid
    assert made.mean[0, 0] < 0.0
    noise, weights = made.samples()
    assert not weights[noise[:, 0, 0] > 0.0].any()


@pytest.mark.parametrize('shape', [(), (255,), (256, 1), (257,)])
def test_costs_of_a_wrong_shape_are_rejected_with_the_right_one(shape):
    with pytest.raises(InputError, match=r'\[256\] is expected'):
        optimizer().step(lambda controls: np.zeros(shape))


@given(seconds=st.floats(0.0, 0.6), seed=st.integers(0, 99))
def test_shift_reads_the_mean_later_and_holds_its_end(seconds, seed):
    start = np.random.default_rng(seed).normal(size=(8, 2)).astype(np.float32)
    made = optimizer(start)
    made.shift(seconds)
    times = np.arange(8) * 0.05
    for c in range(2):
        expected = np.interp(times + seconds, times, start[:, c])
        np.testing.assert_allclose(made.mean[:, c], expected, atol=1e-6)


def test_shift_by_a_whole_step_drops_the_first_control():
    start = np.random.default_rng(4).normal(size=(8, 2)).astype(np.float32)
    made = optimizer(start)
    made.shift(0.05)
    np.testing.assert_allclose(made.mean[:-1], start[1:], atol=1e-6)
    np.testing.assert_allclose(made.mean[-1], start[-1], atol=1e-6)


def test_shift_by_no_time_or_less_changes_nothing():
    start = np.random.default_rng(5).normal(size=(8, 2)).astype(np.float32)
    made = optimizer(start)
    made.shift(0.0)
    made.shift(-1.0)
    np.testing.assert_array_equal(made.mean, start)


def test_configure_keeps_the_warm_start_at_its_times():
    ramp = np.stack([np.linspace(0.0, 0.7, 8), np.linspace(-1.0, 1.0, 8)], axis=1)
    made = optimizer(ramp.astype(np.float32))
    made.configure(MppiParameters(**{**SMALL, 'horizon_steps': 20, 'time_step': 0.025}))
    times = np.minimum(np.arange(20) * 0.025, 7 * 0.05)
    np.testing.assert_allclose(made.mean[:, 0], 0.7 * times / 0.35, atol=1e-6)
    assert made.step(bowl).valid


def test_configure_without_a_new_horizon_keeps_every_bit_of_the_mean():
    start = np.random.default_rng(6).normal(size=(8, 2)).astype(np.float32)
    made = optimizer(start)
    made.configure(MppiParameters(**{**SMALL, 'samples': 64, 'alpha': 1.0, 'sigma': FULL}))
    np.testing.assert_array_equal(made.mean, start)


def test_parameters_that_do_not_fit_change_nothing():
    made, untouched = optimizer(), optimizer()
    with pytest.raises(ParameterError, match='sigma has 3 numbers'):
        made.configure(MppiParameters(**{**SMALL, 'sigma': (1.0, 1.0, 1.0), 'horizon_steps': 30}))
    assert made.parameters == untouched.parameters
    assert made.step(bowl) == untouched.step(bowl)
    np.testing.assert_array_equal(made.mean, untouched.mean)


@given(steps=st.integers(2, 40), new_steps=st.integers(2, 40), dt=st.floats(0.01, 0.2))
def test_resampling_keeps_constant_controls_and_the_bounds_of_all_others(steps, new_steps, dt):
    random = np.random.default_rng(steps)
    mean = random.normal(size=(steps, 2)).astype(np.float32)
    mean[:, 1] = 0.3
    out = resampled(mean, dt, new_steps, 0.05)
    assert out.shape == (new_steps, 2)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out[:, 1], np.float32(0.3))
    assert mean[:, 0].min() <= out[:, 0].min()
    assert out[:, 0].max() <= mean[:, 0].max()


def test_smoothing_keeps_every_parabola_and_quietens_noise():
    t = np.arange(-PAST, 30.0)
    parabola = (2.0 - t + 0.3 * t**2)[:, None].astype(np.float32)
    smoothed = smoothing_matrix(30) @ parabola
    np.testing.assert_allclose(
        smoothed[:-PAST], parabola[PAST:-PAST], rtol=1e-5, atol=1e-5)
    noise = np.random.default_rng(0).normal(size=(PAST + 56, 2000)).astype(np.float32)
    share = np.var(smoothing_matrix(56) @ noise, axis=1)[:-PAST]
    np.testing.assert_allclose(share, np.square(PARABOLA).sum(), rtol=0.2)


def test_smoothing_is_the_last_act_of_a_step_and_the_last_commands_take_part():
    plain, calm = optimizer(), optimizer(smoothing=True)
    for made in (plain, calm):
        assert made.step(bowl) == optimizer().step(bowl)
    rows = np.concatenate([np.zeros((PAST, 2)), plain.mean, np.repeat(plain.mean[-1:], PAST, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(rows, 2 * PAST + 1, axis=0)
    np.testing.assert_allclose(calm.mean, windows @ PARABOLA, atol=1e-6)
    sent = []
    for _ in range(PAST):
        sent.append(calm.mean[0].copy())
        calm.shift(calm.parameters.time_step)
    before = calm.mean.copy()
    calm.configure(MppiParameters(**{**SMALL, 'smoothing': True, 'alpha': 0.01}))
    calm.step(lambda controls: np.zeros(len(controls)))
    rows = np.concatenate([sent, before])
    expected = np.einsum('k,kc->c', PARABOLA, rows[: 2 * PAST + 1])
    np.testing.assert_allclose(calm.mean[0], expected, atol=0.02)


def test_smoothed_mean_is_within_the_limits_of_the_objective():
    made = optimizer(smoothing=True)
    for _ in range(20):
        made.step(BlockBowl(greatest=0.3))
        assert made.mean.max() <= np.float32(0.3)


def test_one_control_is_enough():
    parameters = MppiParameters(samples=128, horizon_steps=5, sigma=(0.5,), alpha=0.5)
    made = Optimizer(parameters, 1)
    for _ in range(30):
        step = made.step(lambda controls: np.square(controls - 1.0).sum(axis=(1, 2)))
    assert step.valid
    np.testing.assert_allclose(made.mean, 1.0, atol=0.2)


def test_the_spread_of_an_objective_scales_the_deviations_of_its_controls():
    class Spread(BlockBowl):
        sigma_scale = np.array([0.5, 2.0], np.float32)

    wide, narrow = (optimizer(sigma=sigma) for sigma in ((0.4, 0.2), (0.2, 0.4)))
    scaled, plain = wide.step(Spread()), narrow.step(BlockBowl())
    assert wide.mean.tobytes() == narrow.mean.tobytes()
    assert scaled == plain


@pytest.mark.parametrize('samples', [64, 100])
@pytest.mark.parametrize('antithetic', [False, True])
def test_the_share_below_a_cost_is_that_of_the_samples_only(samples, antithetic):
    seen = []

    def costs(controls):
        seen.append(1e9 + np.square(controls).sum(axis=(1, 2)))
        return seen[-1]

    parameters = MppiParameters(samples=samples, horizon_steps=5, sigma=(0.5,),
                                noise=NoiseParameters(antithetic=antithetic))
    made = Optimizer(parameters, 1)
    made.step(costs)
    assert made.share_below(1e9) == 0.0
    assert made.share_below(2e9) == 1.0
    limit = float(np.median(seen[-1])) + 1e-3
    expected = np.mean(seen[-1] < limit)
    assert made.share_below(limit) == pytest.approx(expected, abs=1.5 / samples)


@pytest.mark.parametrize('antithetic', [False, True])
def test_gain_along_the_step_is_that_of_the_reweighted_objective_and_never_below_its_bound(
        antithetic):
    noise = NoiseParameters(correlation_time=0.3, smoothing_time=0.1, antithetic=antithetic)
    made = optimizer(noise=noise, sigma=FULL)
    step = made.step(bowl)
    samples, weights = (each.astype(np.float64) for each in made.samples())
    flat = samples.reshape(len(samples), -1)
    costs = -step.temperature * np.log(np.maximum(weights, 1e-300))
    covariance = whole_covariance(made)
    factors = np.linspace(0.0, 2.2, 12)
    expected = np.array([
        score.reweighted_objective(a * weights @ flat, costs, flat, covariance, step.temperature)
        for a in factors])
    gain = made.gain_along_step(factors)
    np.testing.assert_allclose(gain, expected - expected[0], rtol=2e-3, atol=2e-3)
    bounds = [score.ascent_lower_bound(a, step.score_norm) for a in factors]
    assert (gain >= np.array(bounds) - 1e-4).all() and gain.max() > 0.1
