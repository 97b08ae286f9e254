"""Weights, λ by effective sample size, L_Σ and averages: each kernel against plain NumPy."""
from __future__ import annotations

import math
import warnings

from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest

from mppi_ros.jit.simd import BLOCK
from mppi_ros.mppi import score

EPS = float(np.finfo(np.float32).eps)
sizes = st.tuples(st.integers(1, 4), st.booleans(), st.integers(1, BLOCK))
scales = st.floats(-3.0, 6.0).map(lambda exponent: 10.0**exponent)


def weigh(costs, temperature=0.0, wanted=0.0, guess=1.0, drawn=None, lanes=None):
    """Return (w float32[blocks, BLOCK], λ, ESS, best, Σ u); costs are not changed."""
    drawn = len(costs) if drawn is None else drawn
    lanes = drawn * BLOCK if lanes is None else lanes
    out = np.full_like(costs, np.nan)
    result = score.compute_weights(costs.copy(), drawn, lanes, temperature, wanted, guess, out)
    return out, *result


def random_costs(blocks, seed=0, scale=1.0):
    return scale * np.random.default_rng(seed).gamma(3.0, size=(blocks, BLOCK)).astype(np.float32)


@given(costs=arrays(np.float32, (3, BLOCK), elements=st.floats(-1e3, 1e3, width=32)),
       temperature=st.floats(0.05, 1e3))
def test_weights_of_the_kernel_are_the_softmax(costs, temperature):
    w, chosen, ess, best, total = weigh(costs, temperature)
    expected = score.weights(costs.ravel(), temperature)
    # the exponent's rounding is a share of its size, which counts up to 87
    np.testing.assert_allclose(w.ravel(), expected, rtol=300.0 * EPS, atol=1e-35)
    assert chosen == temperature
    assert best == costs.min()
    assert ess == pytest.approx(score.effective_sample_size(expected), rel=1e-4)
    smoothed = math.log(total / costs.size) - best / temperature
    assert smoothed == pytest.approx(
        score.smoothed_objective(costs.ravel(), temperature), rel=1e-5, abs=1e-4)


@given(size=sizes, seed=st.integers(0, 99))
def test_samples_beyond_the_asked_ones_have_no_weight(size, seed):
    drawn, mirrored, rest = size
    lanes = (drawn - 1) * BLOCK + rest
    costs = random_costs(2 * drawn if mirrored else drawn, seed)
    w = weigh(costs, 1.0, drawn=drawn, lanes=lanes)[0]
    rows = w.reshape(-1, drawn * BLOCK)
    assert np.all(rows[:, lanes:] == 0.0)
    used = costs.reshape(-1, drawn * BLOCK)[:, :lanes]
    expected = score.weights(used.ravel(), 1.0)
    np.testing.assert_allclose(rows[:, :lanes].ravel(), expected, rtol=1e-5)


@pytest.mark.parametrize('bad', [np.nan, np.inf])
@pytest.mark.parametrize('temperature', [0.0, 1.0])
def test_costs_that_are_not_finite_get_no_weight_and_change_no_other(bad, temperature):
    costs = random_costs(2)
    costs[0, ::3] = bad
    costs[1, -1] = bad
    w, _, ess, best, _ = weigh(costs, temperature, wanted=20.0)
    good = np.isfinite(costs)
    assert np.all(w[~good] == 0.0)
    assert np.all(np.isfinite(w))
    assert best == costs[good].min()
    assert w.sum() == pytest.approx(1.0, rel=1e-5)
    assert ess <= good.sum()


@pytest.mark.parametrize('bad', [np.nan, np.inf])
@pytest.mark.parametrize('temperature', [0.0, 1.0])
def test_without_any_finite_cost_there_are_no_weights_and_no_hope(bad, temperature):
    costs = np.full((2, BLOCK), bad, np.float32)
    w, _, ess, _, total = weigh(costs, temperature, wanted=20.0)
    assert not w.any()
    assert ess == total == 0.0
    assert score.smoothed_objective(costs, 1.0) == -math.inf
    assert not score.weights(costs, 1.0).any()
    assert score.effective_sample_size(w) == 0.0


def test_a_single_finite_cost_takes_all_weight():
    costs = np.full((2, BLOCK), np.inf, np.float32)
    costs[1, 7] = 3.0
    w, temperature, ess, best, _ = weigh(costs, wanted=10.0)
    assert w[1, 7] == w.sum() == 1.0
    assert (ess, best) == (1.0, 3.0)
    assert math.isfinite(temperature)


@given(share=st.floats(0.01, 0.8), scale=scales, guess=scales, seed=st.integers(0, 99))
def test_temperature_is_chosen_so_that_the_effective_sample_size_is_the_wanted_one(
    share, scale, guess, seed
):
    costs = random_costs(8, seed, scale)
    wanted = share * costs.size
    w, temperature, ess, _, _ = weigh(costs, wanted=wanted, guess=guess)
    assert ess == pytest.approx(wanted, rel=0.0011)
    assert ess == pytest.approx(score.effective_sample_size(w.astype(np.float64)), rel=1e-4)
    expected = score.weights(costs.ravel(), temperature)
    np.testing.assert_allclose(w.ravel(), expected, rtol=1e-4, atol=1e-12)


@given(share=st.floats(0.01, 0.8), seed=st.integers(0, 99))
def test_a_higher_temperature_never_lowers_the_effective_sample_size(share, seed):
    costs = random_costs(2, seed)
    ess = [weigh(costs, t)[2] for t in np.geomspace(1e-2, 1e3, 30)]
    assert np.all(np.diff(ess) >= -1e-3)


@pytest.mark.parametrize('temperature', [5e-324, 1e-310, 1e-40, 1e-39, 1e-38, 1e-12])
@pytest.mark.parametrize('scale', [1e-30, 1.0, 1e30])
def test_the_smallest_lambda_puts_all_weight_on_the_best_sample(scale, temperature):
    costs = random_costs(2, scale=np.float32(scale))
    w, chosen, ess, best, total = weigh(costs, temperature)
    if scale / temperature > 1e5:
        np.testing.assert_array_equal(w.ravel() > 0.0, costs.ravel() == best)
        assert w.max() == ess == total == 1.0
    np.testing.assert_allclose(w.ravel(), score.weights(costs.ravel(), temperature), rtol=1e-4)
    assert chosen == temperature


@pytest.mark.parametrize('scale', [1e-28, 1e-20, 1e-12, 1e-9, 1e12, 1e20, 1e28])
@pytest.mark.parametrize('share', [0.02, 0.9])
@pytest.mark.parametrize('guess', [0.0, 1e-40, 1e-30, 1.0, 1e30])
def test_the_effective_sample_size_is_the_wanted_one_for_costs_in_any_unit(guess, share, scale):
    costs = random_costs(8, scale=np.float32(scale))
    w, temperature, ess, _, _ = weigh(costs, wanted=share * costs.size, guess=guess)
    assert ess == pytest.approx(share * costs.size, rel=0.0011)
    np.testing.assert_allclose(
        w.ravel(), score.weights(costs.ravel(), temperature), rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize('temperature', [0.0, 1.0, 1e37])
def test_costs_whose_difference_exceeds_single_precision_leave_the_others_their_weights(
    temperature
):
    costs = random_costs(2) - np.float32(3e38)
    costs[0, :32] = np.linspace(0.0, 1e38, 32) - 3e38
    costs[1, ::2] = 3e38
    w, chosen, ess, best, _ = weigh(costs, temperature, wanted=20.0, guess=0.0)
    assert best == costs.min()
    np.testing.assert_allclose(
        w.ravel(), score.weights(costs.ravel(), chosen), rtol=1e-3, atol=1e-6)
    assert not w[1, ::2].any()


@pytest.mark.parametrize('temperature', [5e-324, 1e-40, 1.0, 1e300])
def test_the_greatest_costs_have_weights_without_a_warning(temperature):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for costs in ([-1e308, 1e308, 0.0], [1e308, -1e308], [math.inf, -1e308, 1e308]):
            w = score.weights(costs, temperature)
            assert w.sum() == pytest.approx(1.0)
            assert w[np.argmin(costs)] == w.max()
            if temperature < 1e300:
                assert w.max() == 1.0
            assert score.smoothed_objective(costs, temperature) > 0.0
    assert score.smoothed_objective([1e308], 1e-40) == -math.inf


@pytest.mark.parametrize('guess', [0.0, 1e-6, 1.0, 1e6])
def test_fewer_samples_than_one_are_the_best_one_at_a_lambda_of_the_size_of_the_costs(guess):
    costs = random_costs(1)
    w, temperature, ess, best, _ = weigh(costs, wanted=0.3, guess=guess)
    assert ess == 1.0
    np.testing.assert_allclose(w.ravel(), costs.ravel() == best, atol=1e-6)
    assert min(guess or 1.0, 1e-5) <= temperature < costs.max() - best


def test_equal_costs_weigh_the_same_whatever_is_wanted():
    for wanted in (1.0, 20.0, 100.0):
        w, temperature, ess, _, _ = weigh(np.full((2, BLOCK), 4.0, np.float32), wanted=wanted)
        np.testing.assert_allclose(w, 1.0 / w.size, rtol=1e-6)
        assert ess == pytest.approx(w.size)
        assert 0.0 < temperature < math.inf


@given(constant=st.sampled_from([-4096.0, -16.0, 0.5, 1024.0]), temperature=st.floats(0.0, 10.0))
def test_weights_do_not_change_by_a_bit_when_a_constant_is_added_to_all_costs(
    constant, temperature
):
    assume(temperature == 0.0 or temperature > 0.05)
    costs = np.round(random_costs(3) * 256.0) / np.float32(256.0)  # so that the sum is exact
    moved = costs + np.float32(constant)
    before = weigh(costs, temperature, wanted=20.0)
    after = weigh(moved, temperature, wanted=20.0)
    np.testing.assert_array_equal(before[0], after[0])
    assert before[1:3] == after[1:3]


@pytest.mark.parametrize('scale', [0.01, 0.5, 10.0, 100.0])
def test_scaling_all_costs_scales_the_chosen_temperature_and_nothing_else(scale):
    costs = random_costs(8)
    w, temperature, ess, _, _ = weigh(costs, wanted=25.0)
    scaled = weigh(costs * np.float32(scale), wanted=25.0)
    assert scaled[1] == pytest.approx(scale * temperature, rel=0.01)
    assert scaled[2] == pytest.approx(ess, rel=0.02)
    assert np.abs(scaled[0] - w).max() < 0.02 * w.max()


@pytest.mark.parametrize('rows', [4, score.ROWS, 2 * score.ROWS + 10])
@pytest.mark.parametrize('mirrored', [False, True])
def test_averages_are_weighted_sums_the_same_bits_on_all_threads(mirrored, rows):
    random = np.random.default_rng(1)
    noise = random.normal(size=(3, rows, BLOCK)).astype(np.float32)
    weights = random.random((6 if mirrored else 3, BLOCK)).astype(np.float32)
    lanes = noise.transpose(0, 2, 1).reshape(-1, rows).astype(np.float64)
    all_noise = np.concatenate([lanes, -lanes]) if mirrored else lanes
    out, shared = np.full(rows, np.nan, np.float32), np.full(rows, np.nan, np.float32)
    score.average(weights, noise, out)
    expected = score.natural_gradient(weights.ravel().astype(np.float64), all_noise)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-4)
    score.average_parallel(weights, noise, shared)
    np.testing.assert_array_equal(shared, out)


@given(shape=st.tuples(st.integers(2, 6), st.integers(1, 4)), seed=st.integers(0, 999))
def test_natural_gradient_is_the_covariance_times_the_score(shape, seed):
    samples, n = shape[0] * 10, shape[1]
    random = np.random.default_rng(seed)
    root = random.normal(size=(n, n)) + 2.0 * np.eye(n)
    covariance = root @ root.T
    w = score.weights(random.gamma(2.0, size=samples), 1.0)
    noise = random.normal(size=(samples, n)) @ root.T
    natural = score.natural_gradient(w, noise)
    np.testing.assert_allclose(covariance @ score.score(w, noise, covariance), natural, atol=1e-9)
    white = np.linalg.solve(root, natural)
    assert score.kl_of_step(natural, covariance) == pytest.approx(0.5 * white @ white)


@given(costs=arrays(np.float64, 50, elements=st.floats(-1e300, 1e300)),
       temperature=st.floats(1e-3, 1e3))
def test_weights_are_positive_and_sum_to_one_for_any_finite_costs(costs, temperature):
    w = score.weights(costs, temperature)
    assert w.sum() == pytest.approx(1.0)
    assert np.all(w >= 0.0)
    assert 1.0 - 1e-9 <= score.effective_sample_size(w) <= 50.0 + 1e-9
