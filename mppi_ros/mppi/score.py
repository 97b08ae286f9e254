"""
Weights, smoothed objective, score and natural gradient from sampled costs.

w_i = exp(−f_i/λ) / Σ_j exp(−f_j/λ);  L_Σ(x̄) = log E[exp(−f/λ)] ≈ log (1/K) Σ_i exp(−f_i/λ);
∇L_Σ(x̄) = Σ⁻¹ E_w[ε] ≈ Σ⁻¹ Σ_i w_i ε_i;  Σ ∇L_Σ ≈ Σ_i w_i ε_i, the natural gradient.

The public functions follow the equations; the kernels below implement them for blocks of 64
samples in the optimiser. A covariance Σ is float[n, n], or a scalar σ² for σ² times the identity.
The functions raise InputError if an array has a wrong shape, is masked or not numeric, λ is not
positive, or Σ is not symmetric and positive definite.
"""

import math
from typing import Any

from numba import prange, types
import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.jit.simd import BLOCK, inline_njit, kernel, parallel_kernel, stack_array, stack_row
from mppi_ros.mppi.validation import (
    MAX_FLOAT32,
    check_covariance,
    check_temperature,
    real_array,
    real_number,
    shaped_array,
)
from mppi_ros.parameters.errors import InputError

Array = NDArray[np.float64]

ROWS = 16  # of the noise, averaged together
MIN_LAMBDA, MAX_LAMBDA = 1e-30, 1e30  # range of the search

stack_rows = stack_array(types.float32, ROWS, BLOCK)


def weights(costs: ArrayLike, temperature: float) -> Array:
    """
    Return w, float64[K], for costs f, float[K]: the softmax of −f/λ, stable for any costs.

    Costs that are NaN or infinite have weight 0; if all are, all weights are 0.

    Raises
    ------
    InputError
        There are no costs, they are not real numbers, or λ is not positive. In the limit λ → 0
        all weight is on the minimum cost, `argmin`.

    """
    f, best, lam = _finite_costs(costs, temperature)
    if not np.isfinite(best):
        return np.zeros_like(f)
    w = _likelihoods(f, best, lam)
    return np.asarray(w / w.sum())


def smoothed_objective(costs: ArrayLike, temperature: float) -> float:
    """
    Return an estimate of L_Σ(x̄) = log E[exp(−f/λ)] by a stable log-sum-exp.

    It is −inf if no cost is finite, and infinite also if it exceeds double precision.

    Raises
    ------
    InputError
        There are no costs, they are not real numbers, or λ is not positive.

    """
    f, best, lam = _finite_costs(costs, temperature)
    if not np.isfinite(best):
        return -math.inf
    return float(-best / lam + np.log(np.mean(_likelihoods(f, best, lam))))


def _likelihoods(f: Array, best: float, lam: float) -> Array:
    """Return exp(−(f − best)/λ), float64[K]; 0 also where the quotient exceeds the range."""
    with np.errstate(over='ignore'):
        return np.asarray(np.exp(-(f - best) / lam))


def _finite_costs(costs: ArrayLike, temperature: float) -> tuple[Array, float, float]:
    """Return f, float64[K], with +inf for non-finite values, its minimum, and λ."""
    f = real_array('costs', costs, 'biuf')
    if not f.size:
        raise InputError(f'the shape of costs is {list(f.shape)}; at least one is expected')
    f = np.where(np.isfinite(f), f, np.inf)
    return f, float(f.min()), check_temperature(temperature)


def effective_sample_size(w: ArrayLike) -> float:
    """Return (Σ w)² / Σ w² of w, float[K], between 1 (one has all weight) and K (all equal)."""
    weights = real_array('w', w)
    greatest = float(np.abs(weights).max(initial=0.0))
    if not greatest > 0.0:
        return 0.0
    weights = weights / greatest  # so that no square is beyond double precision
    return float(np.sum(weights)) ** 2 / float(np.sum(np.square(weights)))


def natural_gradient(w: ArrayLike, noise: ArrayLike) -> Array:
    """Return Σ ∇L_Σ ≈ Σ_i w_i ε_i, float64[...], for w, float[K], and noise ε, float[K, ...]."""
    weights, samples = shaped_array('w', w, 'K'), real_array('noise', noise)
    if samples.shape[:1] != weights.shape:
        raise InputError(
            f'the shape of noise is {list(samples.shape)}; [{len(weights)}, ...] is expected'
        )
    return np.asarray(np.tensordot(weights, samples, axes=1))


def score(w: ArrayLike, noise: ArrayLike, covariance: ArrayLike) -> Array:
    """Return ∇L_Σ ≈ Σ⁻¹ Σ_i w_i ε_i, float64[n], for w, float[K], and noise ε, float[K, n]."""
    weights, samples, sigma = _estimate(w, noise, covariance)
    return np.asarray(np.linalg.solve(sigma, natural_gradient(weights, samples)))


def kl_of_step(step: ArrayLike, covariance: ArrayLike) -> float:
    """Return KL(N(x̄ + step, Σ) ‖ N(x̄, Σ)) = ½ stepᵀ Σ⁻¹ step, for step, float[n], and Σ."""
    moved = shaped_array('step', step, 'n')
    sigma = check_covariance(covariance, len(moved))
    return 0.5 * float(moved @ np.linalg.solve(sigma, moved))


def curvature(w: ArrayLike, noise: ArrayLike, covariance: ArrayLike) -> Array:
    """
    Return ∇²L_Σ ≈ Σ⁻¹ (Cov_w[ε] − Σ) Σ⁻¹, float64[n, n], for w, float[K], and ε, float[K, n].

    A covariance is positive semidefinite, so ∇²L_Σ ≥ −Σ⁻¹ for any f.
    """
    weights, samples, sigma = _estimate(w, noise, covariance)
    centred = samples - natural_gradient(weights, samples)
    spread = (weights * centred.T) @ centred - sigma
    return np.asarray(np.linalg.solve(sigma, np.linalg.solve(sigma, spread).T))


def ascent_lower_bound(alpha: float, norm: float) -> float:
    """Return α (1 − α/2) ‖∇L_Σ‖²_Σ, a lower bound of the increase of L_Σ in expectation."""
    step = real_number('alpha', alpha)
    return step * (1.0 - 0.5 * step) * real_number('norm', norm) ** 2


def noise_floor(dimensions: int, ess: float) -> float:
    """Return n/ESS, the contribution of noise to ‖Σ w z‖²; antithetic pairs are below it."""
    size = real_number('ess', ess)
    if not size > 0.0:
        raise InputError(f'ess = {ess!r} is outside (0, inf)')
    return real_number('dimensions', dimensions) / size


def reweighted_objective(
    displacement: ArrayLike,
    costs: ArrayLike,
    noise: ArrayLike,
    covariance: ArrayLike,
    temperature: float,
) -> float:
    """
    Return L̂_Σ(x̄ + displacement), displacement float[n], from samples drawn around x̄.

    L̂ = log (1/K) Σ_i exp(−f_i/λ) N(x_i; x̄ + displacement, Σ) / N(x_i; x̄, Σ): costs f, float[K],
    and noise x − x̄, float[K, n], are kept, only their densities change. At x̄ its gradient is
    Σ⁻¹ Σ_i w_i ε_i up to rounding, for any number of samples: the estimate of the score is the
    score of an estimate.
    """
    lam, away = check_temperature(temperature), shaped_array('displacement', displacement, 'n')
    f = shaped_array('costs', costs, 'K')
    samples = shaped_array('noise', noise, len(f), len(away))
    along = np.linalg.solve(check_covariance(covariance, len(away)), away)
    log_ratio = samples @ along - 0.5 * float(away @ along)
    return smoothed_objective(f - lam * log_ratio, lam)


def _estimate(
    w: ArrayLike, noise: ArrayLike, covariance: ArrayLike
) -> tuple[Array, Array, Array]:
    """Return weights, float64[K], noise, float64[K, n], and Σ, float64[n, n]."""
    weights = shaped_array('w', w, 'K')
    samples = shaped_array('noise', noise, len(weights), 'n')
    return weights, samples, check_covariance(covariance, samples.shape[1])


@inline_njit
def _exp(x: Any) -> Any:
    """Exponential of a float32 x ≤ 0 by a polynomial (Cephes expf); 0 below −87."""
    clipped = max(x, np.float32(-87.0))
    integer = np.floor(clipped * np.float32(1.44269504) + np.float32(0.5))
    r = clipped - integer * np.float32(0.693359375) + integer * np.float32(2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    y = p * r * r + r + np.float32(1.0)
    scaled = np.int32(np.float32(y).view(np.int32) + np.int32(np.int32(integer) << np.int32(23)))
    return scaled.view(np.float32) if x > np.float32(-87.0) else np.float32(0.0)


@inline_njit
def _sum(row: Any) -> Any:
    """Sum of a row in a fixed order, with four independent accumulators for lower latency."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for j in range(0, BLOCK, 4):
        a += np.float64(row[j])
        b += np.float64(row[j + 1])
        c += np.float64(row[j + 2])
        d += np.float64(row[j + 3])
    return (a + b) + (c + d)


@inline_njit
def _moments(costs: Any, best: Any, inverse: Any) -> Any:
    """Return Σ u and Σ u² of u_i = exp(−(f_i − best)/λ)."""
    first, second = stack_row(), stack_row()
    for j in range(BLOCK):
        first[j] = np.float32(0.0)
        second[j] = np.float32(0.0)
    for block in range(costs.shape[0]):
        for j in range(BLOCK):
            u = _exp((best - costs[block, j]) * inverse)
            first[j] += u
            second[j] += u * u
    return _sum(first), _sum(second)


@inline_njit
def _inverse(temperature: Any) -> Any:
    """
    Return 1/λ, float32, at most the greatest finite number.

    An infinite one would give the best sample the exponent 0 · inf. The greatest one leaves no
    weight to costs that exceed the best one by more than 3e-37.
    """
    return np.float32(min(1.0 / temperature, MAX_FLOAT32))


@inline_njit
def _mean_over(costs: Any, best: Any) -> Any:
    """Return the mean of the finite f − best, or 1 if all are 0."""
    total, count = 0.0, 0
    for block in range(costs.shape[0]):
        for j in range(BLOCK):
            above = costs[block, j] - best
            if above < np.float32(np.inf):
                total += np.float64(above)
                count += 1
    return total / count if total > 0.0 else 1.0


@inline_njit
def _temperature(costs: Any, best: Any, wanted: Any, guess: Any) -> Any:
    """
    Return the λ for which the effective sample size is `wanted`, within 0.1 %.

    log ESS never falls with x = log(λ/guess). The search goes away from x = 0 until the root lies
    between two values, and then interpolates linearly (the Illinois algorithm). If no λ in
    [MIN_LAMBDA, MAX_LAMBDA] has this effective sample size, the nearest one is returned. The
    result scales exactly with costs and guess that are multiplied by a power of 2.
    """
    low = min(math.log(MIN_LAMBDA / guess), 0.0)
    high = max(math.log(MAX_LAMBDA / guess), 0.0)
    below, above = 0.0, 0.0  # log ESS − log wanted at low and high; 0 where it is not known
    x, step, before = 0.0, 1.0, 0.0
    for _ in range(80):
        first, second = _moments(costs, best, _inverse(guess * math.exp(x)))
        excess = math.log(first * (first / second) / wanted)
        alone = excess > 0.0 and first == 1.0  # the best sample, and fewer are wanted
        if abs(excess) < 1e-3 or high - low < 1e-6 or alone:
            break
        if excess < 0.0:
            low, below = x, excess
            above = 0.5 * above if before < 0.0 else above
        else:
            high, above = x, excess
            below = 0.5 * below if before > 0.0 else below
        before = excess
        if below < 0.0 and above > 0.0:
            x = low + (high - low) * below / (below - above)
        else:
            x = min(max(x - step * excess, low), high)
            step *= 2.0
    return guess * math.exp(x)


@kernel
def compute_weights(
    costs: Any, drawn: Any, lanes: Any, temperature: Any, wanted: Any, guess: Any, out: Any
) -> Any:
    """
    Fill out, float32[blocks, BLOCK], with the weights of costs; return (λ, ESS, best, Σ u).

    NaN and −inf count as +inf, and so do values beyond the first `lanes` of each `drawn` blocks.
    With temperature 0, λ is that for which the effective sample size is `wanted`, searched from
    `guess`; with a guess of 0 from the mean cost above the best one.
    """
    infinite = np.float32(np.inf)
    least = stack_row()
    for j in range(BLOCK):
        least[j] = infinite
    for block in range(costs.shape[0]):
        for j in range(BLOCK):
            f = costs[block, j]
            f = f if f > -infinite and (block % drawn) * BLOCK + j < lanes else infinite
            costs[block, j] = f
            least[j] = min(least[j], f)
    best = infinite
    for j in range(BLOCK):
        best = min(best, least[j])
    if not best < infinite:
        out[:] = np.float32(0.0)
        return temperature, 0.0, np.float64(best), 0.0
    chosen = float(temperature)
    if chosen == 0.0:
        first_guess = guess if guess > 0.0 else _mean_over(costs, best)
        chosen = _temperature(costs, best, wanted, first_guess)
    inverse = _inverse(chosen)
    first, second = _moments(costs, best, inverse)
    scale = np.float32(1.0 / first)
    for block in range(costs.shape[0]):
        for j in range(BLOCK):
            out[block, j] = scale * _exp((best - costs[block, j]) * inverse)
    return chosen, first * first / second, np.float64(best), first


@inline_njit
def _average_rows(weights: Any, noise: Any, first: Any, out: Any) -> None:
    """
    Fill ROWS elements of out, starting at `first`, with Σ_i w_i n_i.

    Adjacent rows are averaged together for memory locality; blocks of weights beyond the drawn
    noise belong to −n.
    """
    drawn, last = noise.shape[0], min(first + ROWS, out.size)
    weight, total = stack_row(), stack_rows()
    for row in range(last - first):
        for j in range(BLOCK):
            total[row, j] = np.float32(0.0)
    for block in range(drawn):
        for j in range(BLOCK):
            weight[j] = weights[block, j]
        if weights.shape[0] > drawn:
            for j in range(BLOCK):
                weight[j] -= weights[drawn + block, j]
        for row in range(last - first):
            for j in range(BLOCK):
                total[row, j] += weight[j] * noise[block, first + row, j]
    for row in range(last - first):
        out[first + row] = _sum(total[row])


@kernel
def average(weights: Any, noise: Any, out: Any) -> None:
    """Fill out, float32[rows], with Σ_i w_i n_i for noise n, float32[drawn, rows, BLOCK]."""
    for part in range(-(-out.size // ROWS)):
        _average_rows(weights, noise, ROWS * part, out)


@parallel_kernel
def average_parallel(weights: Any, noise: Any, out: Any) -> None:
    """Do the same as `average`, on several threads."""
    for part in prange(-(-out.size // ROWS)):
        _average_rows(weights, noise, ROWS * part, out)
