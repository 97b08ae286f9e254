"""Laws of the score-ascent view: prediction of the theory and measurement of the code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import math
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from mppi_ros.mppi import MppiParameters, NoiseParameters, Optimizer, score, theory
from mppi_ros.mppi.noise import ar2_process, whiten
from mppi_ros.mppi.theory import GaussianMixtureTarget

Array = NDArray[np.float64]
Measured = Iterator[tuple[str, float, float, float]]
LONG_NOISE = NoiseParameters(
    correlation_time=2.5, smoothing_time=0.14, antithetic=False
)  # a robot's


class Row(TypedDict):
    """Prediction and measurement of one law, and the tolerance of their difference."""

    law: str
    predicted: float
    measured: float
    tolerance: float
    holds: bool


def theory_rows() -> list[Row]:
    """Measure every law; one holds when `measured` is within `tolerance` of `predicted`."""
    rows: list[Row] = []
    for group in (_closed_forms, _updates, _ascent, _estimates, _sampling, _optimiser):
        for law, predicted, measured, tolerance in group():
            rows.append(
                Row(
                    law=law,
                    predicted=float(predicted),
                    measured=float(measured),
                    tolerance=tolerance,
                    holds=bool(abs(measured - predicted) <= tolerance),
                )
            )
    return rows


def random_covariance(random: np.random.Generator, n: int) -> Array:
    """Return a random full covariance, float64[n, n]."""
    root = random.normal(size=(n, n)) + np.diag(random.uniform(0.5, 2.0, n))
    product: Array = root @ root.T
    return product


def random_problem(
    seed: int, n: int = 3, valleys: int = 2
) -> tuple[GaussianMixtureTarget, Array, Array]:
    """Return a target with full Hessians, a full Σ and a mean x̄."""
    random = np.random.default_rng(seed)
    hessians = np.array([random_covariance(random, n) for _ in range(valleys)])
    floors, centres = random.uniform(size=valleys), random.normal(size=(valleys, n))
    target = GaussianMixtureTarget.from_modes(floors, centres, hessians, temperature=0.8)
    return target, 0.3 * random_covariance(random, n), random.normal(size=n)


def draw(random: np.random.Generator, covariance: Array, samples: int) -> Array:
    """Return ε ~ N(0, Σ), float64[K, n]."""
    white = random.normal(size=(samples, len(covariance)))
    coloured: Array = white @ np.linalg.cholesky(covariance).T
    return coloured


def _gradient(function: Callable[[Array], float], x: Array) -> Array:
    steps = 1e-5 * np.eye(len(x))
    return np.array([(function(x + h) - function(x - h)) / 2e-5 for h in steps])


def _greatest(difference: NDArray[Any]) -> float:
    return float(np.abs(difference).max())


def _closed_forms() -> Measured:
    target, sigma, mean = random_problem(0, valleys=3)
    smoothed = theory.smoothed(target, sigma)
    by_differences = _gradient(lambda x: float(theory.log_density(smoothed, x)), mean)
    gap = _greatest(theory.score(smoothed, mean) - by_differences)
    yield 'score of p_Σ − ∇L_Σ by differences', 0.0, gap, 1e-8
    yield 'log Z_Σ = log Z', theory.log_partition(target), theory.log_partition(smoothed), 1e-9
    raw = theory.score(target, mean)
    errors = [
        float(np.linalg.norm(theory.score(theory.smoothed(target, s * s * sigma), mean) - raw))
        for s in (2e-2, 1e-2)
    ]
    order = math.log2(errors[0] / errors[1])
    yield 'order in σ at which the raw score returns', 2.0, order, 0.05
    scores = theory.score_of_gaussian(draw(np.random.default_rng(0), sigma, 200_000), 0.0, sigma)
    ratio = scores.T @ scores / len(scores) @ sigma
    yield 'Fisher matrix of the mean · Σ − 1', 0.0, _greatest(ratio - np.eye(3)), 0.02


def _updates() -> Measured:
    target, sigma, mean = random_problem(1, valleys=3)
    step = theory.natural_gradient(target, mean, sigma)
    matched, _ = theory.tilted(target, mean, sigma)
    yield 'mean of q* − (x̄ + Σ ∇L_Σ)', 0.0, _greatest(matched - mean - step), 1e-9
    kl = theory.kl_of_gaussians(mean + 0.7 * step, sigma, mean, sigma)
    predicted = 0.5 * 0.7**2 * float(step @ theory.fisher_information(sigma) @ step)
    yield 'KL of a step = ½ α² ‖∇L_Σ‖²', predicted, kl, 1e-9

    single, sigma, mean = random_problem(2, valleys=1)
    best, spread = theory.tilted(single, mean, sigma)
    lam = single.temperature
    widening = 0.5 * lam * float(np.trace(single.precisions[0] @ spread))
    price = float(theory.cost(single, best)) + widening
    price += lam * theory.kl_of_gaussians(best, spread, mean, sigma)
    least = -lam * float(theory.log_density(theory.smoothed(single, sigma), mean))
    yield 'least ⟨f⟩ + λ KL(q ‖ N) = −λ L_Σ', least, price, 1e-9


def _ascent() -> Measured:
    target, sigma, mean = random_problem(3, valleys=3)
    _, weighted = theory.tilted(target, mean, sigma)
    information = theory.fisher_information(sigma)
    curved = information @ (weighted - sigma) @ information
    gap = _greatest(theory.hessian(theory.smoothed(target, sigma), mean) - curved)
    yield '∇²L_Σ − Σ⁻¹ (Cov_w − Σ) Σ⁻¹', 0.0, gap, 1e-7

    random = np.random.default_rng(0)
    worst = math.inf
    for seed in range(300):
        target, sigma, mean = random_problem(seed, n=1 + seed % 4, valleys=1 + seed % 3)
        alpha = random.uniform(0.05, 1.95)
        gain, norm = _gain(target, sigma, mean, alpha)
        worst = min(worst, (gain - score.ascent_lower_bound(alpha, norm)) / norm**2)
    yield 'gain below α(1 − α/2)‖∇L‖², worst of 300 f', 0.0, min(worst, 0.0), 1e-9
    _, sigma, mean = random_problem(4)
    stiff = GaussianMixtureTarget.quadratic(1e7 * np.eye(3), np.zeros(3), 1.0)
    for alpha in (1.0, 2.0, 2.1):
        gain, norm = _gain(stiff, sigma, mean, alpha)
        bound = score.ascent_lower_bound(alpha, 1.0)
        yield f'gain of a stiff f ÷ ‖∇L‖², α = {alpha:g}', bound, gain / norm**2, 1e-4

    target, sigma, mean = random_problem(5)
    turn = random.normal(size=(3, 3)) + 2.0 * np.eye(3)
    back = np.linalg.inv(turn)
    mapped = GaussianMixtureTarget(
        temperature=target.temperature,
        log_heights=target.log_heights,
        centres=target.centres @ turn.T,
        precisions=back.T @ target.precisions @ back,
    )
    here = theory.natural_gradient(target, mean, sigma)
    there = theory.natural_gradient(mapped, turn @ mean, turn @ sigma @ turn.T)
    yield 'step in other coordinates − mapped step', 0.0, _greatest(there - turn @ here), 1e-9


def _gain(
    target: GaussianMixtureTarget, sigma: Array, mean: Array, alpha: float
) -> tuple[float, float]:
    """Return the gain of L_Σ by one step, and the Fisher norm of the natural gradient."""
    smoothed = theory.smoothed(target, sigma)
    gradient = theory.score(smoothed, mean)
    after = theory.log_density(smoothed, mean + alpha * sigma @ gradient)
    gain = float(after - theory.log_density(smoothed, mean))
    return gain, math.sqrt(float(gradient @ sigma @ gradient))


def _estimates() -> Measured:
    target, sigma, mean = random_problem(6)
    smoothed = theory.smoothed(target, sigma)
    lam = target.temperature
    noise = draw(np.random.default_rng(1), sigma, 500_000)
    costs = theory.cost(target, mean + noise)
    w = score.weights(costs, lam)
    ess = score.effective_sample_size(w)
    exact = float(theory.log_density(smoothed, mean))
    estimate = score.smoothed_objective(costs, lam)
    yield 'L_Σ from 500 000 samples', exact, estimate, 5.0 / math.sqrt(ess)
    natural = theory.natural_gradient(target, mean, sigma)
    gap = score.natural_gradient(w, noise) - natural
    fisher = math.sqrt(2.0 * score.kl_of_step(gap, sigma))
    yield 'error of Σ w ε in the norm of Σ⁻¹', 0.0, fisher, 3.0 * math.sqrt(3.0 / ess)
    gap = sigma @ score.score(w, noise, sigma) - score.natural_gradient(w, noise)
    yield 'Σ · score − natural gradient', 0.0, _greatest(gap), 1e-12

    few, f = noise[:50], costs[:50]
    w = score.weights(f, lam)
    by_differences = _gradient(
        lambda at: score.reweighted_objective(at, f, few, sigma, lam), np.zeros(3)
    )
    gap = score.score(w, few, sigma) - by_differences
    yield 'score of 50 samples − ∇L̂ at fixed points', 0.0, _greatest(gap), 1e-7

    random = np.random.default_rng(2)
    sizes = np.array([1_000, 4_000, 16_000])
    errors = []
    for samples in sizes:
        squares = []
        for _ in range(100):
            noise = draw(random, sigma, samples)
            w = score.weights(theory.cost(target, mean + noise), lam)
            squares.append(np.square(score.natural_gradient(w, noise) - natural).sum())
        errors.append(math.sqrt(np.mean(squares)))
    slope = float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])
    yield 'power of K in the error of the step', -0.5, slope, 0.06


def _sampling() -> Measured:
    parameters = MppiParameters(
        samples=60_000, horizon_steps=21, sigma=(0.4, 0.6), noise=LONG_NOISE
    )
    optimizer = Optimizer(parameters, 2)
    optimizer.step(lambda controls: np.zeros(len(controls)))
    noise = optimizer.samples()[0][:, :, 0].astype(np.float64) / parameters.sigma[0]
    error = 5.0 * math.sqrt(2.0 / len(noise))
    p, q = parameters.poles()
    for lag in (0, 1, 20):
        exact = p ** (lag + 1) * (1.0 - q * q) - q ** (lag + 1) * (1.0 - p * p)
        exact /= (p - q) * (1.0 + p * q)
        measured = float(np.mean(noise[:, 0] * noise[:, lag]))
        yield f'correlation of the noise over {lag} steps', exact, measured, error
    ratio = float(np.var(noise[:, -1]) / np.var(noise[:, 0]))
    yield 'variance of the last step ÷ first', 1.0, ratio, 2.0 * error


def _bowl(controls: NDArray[Any]) -> Array:
    """Return f, float64[K]: squared distance to a constant sequence, in 1/256 steps."""
    squares = np.square(controls.astype(np.float64) - [0.5, -1.0]).sum(axis=(1, 2))
    rounded: Array = np.round(256.0 * squares) / 256.0
    return rounded


def _optimiser() -> Measured:
    parameters = MppiParameters(horizon_steps=10, sigma=(0.5, 0.3, 0.3, 0.9), alpha=1.0)
    optimizer = Optimizer(parameters, 2)
    step = optimizer.step(_bowl)
    noise = optimizer.samples()[0].astype(np.float64)
    textbook = np.tensordot(score.weights(_bowl(noise), step.temperature), noise, axes=1)
    yield 'step with α = 1 − textbook update', 0.0, _greatest(optimizer.mean - textbook), 2e-6
    wanted = parameters.ess_share * parameters.samples
    yield 'effective sample size that λ was chosen for', wanted, step.ess, 0.05 * wanted

    moved = Optimizer(parameters, 2)
    moved.step(lambda controls: _bowl(controls) + 1024.0)
    gap = _greatest(moved.mean - optimizer.mean)
    yield 'change of the step when 1024 is added to f', 0.0, gap, 0.0
    scaled = Optimizer(parameters, 2)
    scaled.step(lambda controls: 100.0 * _bowl(controls))
    gap = _greatest(scaled.mean - optimizer.mean)
    yield 'change of the step when f is times 100', 0.0, gap, 0.01

    flat = MppiParameters(
        horizon_steps=20, temperature=1.0, sigma=(1.0, 1.0), noise=LONG_NOISE
    )
    optimizer = Optimizer(flat, 2)
    squares, floors = [], []
    for _ in range(100):
        optimizer.mean[:] = 0.0
        step = optimizer.step(lambda controls: 0.02 * controls[:, :, 0].sum(axis=1))
        squares.append(step.score_norm**2)
        floors.append(score.noise_floor(40, step.ess))
    # f is linear, f = a · x, so the exact step is −Σ a / λ
    sigma = _whole_covariance(flat)
    slope = np.kron(np.full(20, 0.02), [1.0, 0.0])
    exact = float(slope @ sigma @ slope)
    predicted = exact + float(np.mean(floors))
    yield '‖Σ w z‖² = exact + n/ESS', predicted, float(np.mean(squares)), 0.1 * predicted


def _whole_covariance(parameters: MppiParameters) -> Array:
    """Return Σ, float64[T · 2, T · 2], of the optimiser's noise over time and two controls."""
    steps = parameters.horizon_steps
    process = ar2_process(*parameters.poles())
    whitening = whiten(process, np.eye(steps), np.empty((steps, steps)))
    over_time = np.linalg.inv(whitening.T @ whitening)
    factor = parameters.cholesky(2)
    return np.asarray(np.kron(over_time, factor @ factor.T))
