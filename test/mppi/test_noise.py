"""The noise is N(0, Σ) with the Σ asked for; its bits depend on seed, step and sample alone."""
from __future__ import annotations

import math
from statistics import NormalDist

from hypothesis import given, settings
from hypothesis import strategies as st
import numba
import numpy as np
import pytest

from mppi_ros.jit.simd import BLOCK
from mppi_ros.mppi import MppiParameters, NoiseParameters, Optimizer
from mppi_ros.mppi.noise import (
    ar2_process,
    block_count,
    draw_parallel,
    draw_serial,
    unwhiten_transposed,
    whiten,
)

WHITE = ar2_process(0.0, 0.0)
DEFAULT = ar2_process(*MppiParameters().poles())
PROCESSES = [WHITE, DEFAULT, ar2_process(0.98, 0.0), ar2_process(0.9, 0.9)]
poles = st.floats(0.0, 0.99)


def draw(blocks, steps, controls, process=WHITE, seed=0, step=0, kernel=draw_serial):
    """Return the noise n, float32[K, T, m], of `blocks` blocks."""
    noise = np.empty((blocks, steps * controls, BLOCK), np.float32)
    kernel(seed, step, process, controls, noise)
    return noise.transpose(0, 2, 1).reshape(-1, steps, controls)


def autocovariance(p, q, lags):
    """Return ρ, float64[lags], of the stationary unit-variance AR(2) process with poles p, q."""
    k = np.arange(lags)
    if abs(p - q) < 1e-6:
        return p**k * (1.0 + k * (1.0 - p * q) / (1.0 + p * q))
    first, second = p ** (k + 1) * (1.0 - q * q), q ** (k + 1) * (1.0 - p * p)
    return (first - second) / ((p - q) * (1.0 + p * q))


def covariance_over_time(process, steps):
    """Return A Aᵀ, float64[T, T], from what undoes A."""
    undone = whiten(process, np.eye(steps), np.empty((steps, steps)))
    colouring = np.linalg.inv(undone)
    return colouring @ colouring.T


def test_white_noise_has_mean_zero_variance_one_and_no_correlation():
    z = draw(1024, 6, 2).reshape(-1, 12).astype(np.float64)
    error = 5.0 / math.sqrt(len(z))
    assert np.abs(z.mean(axis=0)).max() < error
    assert np.abs(np.cov(z.T) - np.eye(12)).max() < math.sqrt(2.0) * error


def test_white_noise_is_normal_out_to_its_tails():
    z = draw(1024, 16, 2).ravel()
    for bound in (-4.0, -3.0, -2.0, -1.0, -0.2, 0.0, 0.5, 1.5, 2.5, 3.5, 4.5):
        share = NormalDist().cdf(bound)
        error = 5.0 * math.sqrt(share * (1.0 - share) / z.size)
        assert abs(np.mean(z < bound) - share) < error, bound


def test_squares_of_neighbouring_numbers_are_uncorrelated():
    z = draw(1024, 8, 2).reshape(-1, 16).astype(np.float64)
    between = np.corrcoef(np.square(z).T) - np.eye(16)
    assert np.abs(between).max() < 5.0 / math.sqrt(len(z))


@pytest.mark.parametrize('process', PROCESSES)
def test_correlated_noise_is_the_recursion_applied_to_white_noise(process):
    z = draw(2, 56, 3).astype(np.float64)
    n = np.empty_like(z)
    for t in range(56):
        if t == 0:
            n[:, 0] = z[:, 0]
        elif t == 1:
            n[:, 1] = process.start * n[:, 0] + process.start_gain * z[:, 1]
        else:
            n[:, t] = (
                process.first * n[:, t - 1] + process.second * n[:, t - 2] + process.gain * z[:, t]
            )
    np.testing.assert_allclose(draw(2, 56, 3, process), n, atol=2e-5)


@given(p=poles, q=poles)
def test_covariance_over_time_is_that_of_the_stationary_process_from_the_first_step(p, q):
    rho = autocovariance(p, q, 40)
    lag = np.abs(np.subtract.outer(np.arange(40), np.arange(40)))
    covariance = covariance_over_time(ar2_process(p, q), 40)
    np.testing.assert_allclose(covariance, rho[lag], atol=2e-3)
    np.testing.assert_allclose(covariance[:2, :2], rho[lag][:2, :2], atol=1e-6)


@pytest.mark.parametrize('process', PROCESSES)
def test_sampled_covariance_over_time_is_the_stated_one(process):
    n = draw(512, 12, 1, process)[:, :, 0].astype(np.float64)
    error = np.cov(n.T) - covariance_over_time(process, 12)
    assert np.abs(error).max() < 5.0 * math.sqrt(2.0 / len(n))


@settings(max_examples=30)
@given(
    time=st.floats(0.0, 100.0), smoothing=st.floats(0.0, 10.0), time_step=st.floats(0.005, 1.0)
)
def test_variance_stays_one_over_the_horizon_for_all_parameters(time, smoothing, time_step):
    noise = NoiseParameters(correlation_time=time, smoothing_time=smoothing)
    process = ar2_process(*MppiParameters(noise=noise, time_step=time_step).poles())
    n = draw(32, 128, 1, process)[:, :, 0].astype(np.float64)
    assert np.abs(n.var(axis=0) - 1.0).max() < 6.0 * math.sqrt(2.0 / len(n))


@pytest.mark.parametrize('process', PROCESSES)
def test_controls_are_correlated_over_time_but_not_with_each_other(process):
    n = draw(512, 8, 2, process).astype(np.float64)
    cross = np.einsum('kt,ks->ts', n[:, :, 0], n[:, :, 1]) / len(n)
    assert np.abs(cross).max() < 5.0 / math.sqrt(len(n))


@pytest.mark.parametrize('process', PROCESSES)
def test_noise_is_bit_identical_for_one_and_two_threads(process):
    expected = draw(7, 57, 2, process, seed=3, step=5)
    before = numba.get_num_threads()
    try:
        for threads in range(1, min(2, numba.config.NUMBA_NUM_THREADS) + 1):
            numba.set_num_threads(threads)
            result = draw(7, 57, 2, process, seed=3, step=5, kernel=draw_parallel)
            np.testing.assert_array_equal(result, expected)
    finally:
        numba.set_num_threads(before)


def test_a_sample_does_not_depend_on_how_many_are_drawn_nor_on_the_horizon():
    many = draw(5, 20, 2, DEFAULT, seed=9, step=4)
    np.testing.assert_array_equal(draw(2, 20, 2, DEFAULT, seed=9, step=4), many[: 2 * BLOCK])
    np.testing.assert_array_equal(draw(5, 8, 2, DEFAULT, seed=9, step=4), many[:, :8])


def test_noise_of_an_odd_number_of_rows_is_normal_too():
    z = draw(512, 3, 1).reshape(-1, 3).astype(np.float64)
    assert np.abs(np.cov(z.T) - np.eye(3)).max() < 5.0 * math.sqrt(2.0 / len(z))


@given(seed=st.integers(0, 2**31 - 2), step=st.integers(0, 2**31 - 2))
def test_another_seed_or_step_gives_independent_noise(seed, step):
    here = draw(4, 16, 2, seed=seed, step=step).ravel()
    for other in (
        draw(4, 16, 2, seed=seed + 1, step=step),
        draw(4, 16, 2, seed=seed, step=step + 1),
        draw(4, 16, 2, seed=step, step=seed) if seed != step else draw(4, 16, 2, seed=seed + 1),
    ):
        assert abs(np.corrcoef(here, other.ravel())[0, 1]) < 6.0 / math.sqrt(here.size)


def test_the_same_seed_and_step_give_the_same_noise():
    np.testing.assert_array_equal(draw(3, 9, 2, DEFAULT, 5, 6), draw(3, 9, 2, DEFAULT, 5, 6))


@given(p=poles, q=poles, seed=st.integers(0, 1000))
def test_whiten_undoes_the_correlation(p, q, seed):
    process = ar2_process(p, q)
    z = draw(1, 30, 2, seed=seed)[0].astype(np.float64)
    n = draw(1, 30, 2, process, seed=seed)[0].astype(np.float64)
    undone = whiten(process, n, np.empty_like(n))
    # float32 noise carries 1e-7 of its size, which whitening divides by the gain
    np.testing.assert_allclose(undone, z, atol=1e-5 / process.gain)


@given(p=poles, q=poles, seed=st.integers(0, 1000))
def test_unwhiten_transposed_is_the_adjoint_of_whiten(p, q, seed):
    process = ar2_process(p, q)
    n, z = draw(1, 30, 2, seed=seed)[:2].astype(np.float64)
    left = np.vdot(whiten(process, n, np.empty_like(n)), z)
    right = np.vdot(n, unwhiten_transposed(process, z))
    assert left == pytest.approx(right, rel=1e-9, abs=1e-9)


@given(samples=st.integers(1, 100_000), antithetic=st.booleans())
def test_blocks_hold_all_samples_and_no_block_is_empty(samples, antithetic):
    drawn = -(-samples // 2) if antithetic else samples
    blocks = block_count(samples, antithetic)
    assert (blocks - 1) * BLOCK < drawn <= blocks * BLOCK


def sampled(**changes):
    """Return the noise ε, float64[K, T, m], that an optimiser used on f = 0."""
    optimizer = Optimizer(MppiParameters(horizon_steps=4, **changes), 2)
    optimizer.step(lambda controls: np.zeros(len(controls)))
    return optimizer.samples()[0].astype(np.float64)


@pytest.mark.parametrize('samples', [16, 100, 101, 2000])
def test_antithetic_samples_are_mirror_images_and_average_to_nothing(samples):
    noise = sampled(samples=samples, noise=NoiseParameters(antithetic=True))
    half = len(noise) // 2
    assert len(noise) == samples + samples % 2
    np.testing.assert_array_equal(noise[:half], -noise[half:])
    assert len(np.unique(noise[:, 0, 0])) == len(noise)


@pytest.mark.parametrize('antithetic', [False, True])
@pytest.mark.parametrize(
    'sigma', [(0.4, 0.8), (0.16, 0.24, 0.24, 0.64), (4.0, -0.5, -0.5, 0.25)], ids=str)
def test_covariance_between_controls_is_sigma(sigma, antithetic):
    noise = sampled(samples=60_000, sigma=sigma, noise=NoiseParameters(antithetic=antithetic))
    factor = MppiParameters(sigma=sigma).cholesky(2)
    expected = factor @ factor.T
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    for t in range(4):
        error = (noise[:, t].T @ noise[:, t] / len(noise) - expected) / scale
        assert np.abs(error).max() < 5.0 * math.sqrt(4.0 / len(noise))


def test_sigma_of_three_controls_is_used_in_full():
    root = np.array([[1.0, 0.0, 0.0], [0.5, 2.0, 0.0], [-1.0, 0.3, 0.7]])
    covariance = root @ root.T
    sigma = tuple(covariance.ravel())
    parameters = MppiParameters(samples=60_000, horizon_steps=2, sigma=sigma)
    optimizer = Optimizer(parameters, 3)
    optimizer.step(lambda controls: np.zeros(len(controls)))
    noise = optimizer.samples()[0][:, 0].astype(np.float64)
    scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    error = (noise.T @ noise / len(noise) - covariance) / scale
    assert np.abs(error).max() < 5.0 * math.sqrt(4.0 / len(noise))
