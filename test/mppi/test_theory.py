"""The laws of the score-ascent view: exact where exact, within Monte Carlo error where sampled."""
from __future__ import annotations

import math

from hypothesis import assume, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from mppi_ros.mppi import MppiParameters, NoiseParameters, Optimizer, score, theory
from mppi_ros.mppi.theory import GaussianMixtureTarget

seeds = st.integers(0, 10_000)
dimensions = st.integers(1, 4)
temperatures = st.floats(0.1, 10.0)


def covariance(random, n, scale=1.0):
    """Return a random full covariance, float64[n, n], of condition up to about 100."""
    root = random.normal(size=(n, n)) + np.diag(random.uniform(0.3, 2.0, n))
    return scale * (root @ root.T + 0.05 * np.eye(n))


def problem(seed, n, temperature=1.0, valleys=1, spread=1.0):
    """Return a random target, Σ and mean."""
    random = np.random.default_rng(seed)
    centres = spread * random.normal(size=(valleys, n))
    hessians = np.array([covariance(random, n) for _ in range(valleys)])
    floors = random.uniform(0.0, 1.0, valleys)
    target = GaussianMixtureTarget.from_modes(floors, centres, temperature * hessians, temperature)
    return target, covariance(random, n, 0.5), centres.mean(0) + spread * random.normal(size=n)


def gradient(function, x, step=1e-5):
    """Return the gradient by central differences, float64[n]."""
    steps = step * np.eye(len(x))
    return np.array([(function(x + h) - function(x - h)) / (2.0 * step) for h in steps])


def draw(random, sigma, samples):
    return random.normal(size=(samples, len(sigma))) @ np.linalg.cholesky(sigma).T


def gaussian_nodes(sigma, order=40):
    """Return points ε, float64[K, n], and probabilities with which sums are means over N(0, Σ)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    n = len(sigma)
    grid = np.stack(np.meshgrid(*[nodes] * n), axis=-1).reshape(-1, n)
    mass = np.prod(np.stack(np.meshgrid(*[weights] * n), axis=-1).reshape(-1, n), axis=1)
    return grid @ np.linalg.cholesky(sigma).T, mass / mass.sum()


@given(seed=seeds, n=dimensions, temperature=temperatures)
def test_the_score_of_the_target_is_minus_the_gradient_of_f_over_lambda(seed, n, temperature):
    target, _, x = problem(seed, n, temperature, valleys=3)
    expected = -gradient(lambda at: theory.cost(target, at), x) / temperature
    np.testing.assert_allclose(theory.score(target, x), expected, rtol=1e-5, atol=1e-5)


@given(seed=seeds, n=dimensions, temperature=temperatures, alpha=st.floats(0.0, 3.0))
def test_raw_score_ascent_is_gradient_descent_with_step_alpha_over_lambda(
    seed, n, temperature, alpha
):
    random = np.random.default_rng(seed)
    hessian, centre, x = covariance(random, n), random.normal(size=n), random.normal(size=n)
    target = GaussianMixtureTarget.quadratic(hessian, centre, temperature)
    expected = x - alpha / temperature * hessian @ (x - centre)
    np.testing.assert_allclose(theory.ascend(target, x, alpha), expected, rtol=1e-9, atol=1e-9)
    assert theory.cost(target, x) == pytest.approx(0.5 * (x - centre) @ hessian @ (x - centre))


@given(seed=seeds, n=dimensions, temperature=temperatures, valleys=st.integers(1, 4))
def test_f_is_the_soft_minimum_of_its_valleys(seed, n, temperature, valleys):
    random = np.random.default_rng(seed)
    floors = random.normal(size=valleys)
    centres, x = random.normal(size=(valleys, n)), random.normal(size=n)
    hessians = np.array([covariance(random, n) for _ in range(valleys)])
    each = [floor + 0.5 * (x - c) @ h @ (x - c)
            for floor, c, h in zip(floors, centres, hessians, strict=True)]
    expected = -temperature * math.log(sum(math.exp(-f / temperature) for f in each))
    target = GaussianMixtureTarget.from_modes(floors, centres, hessians, temperature)
    assert theory.cost(target, x) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert theory.log_density(target, x) == pytest.approx(-expected / temperature, rel=1e-9)


@given(seed=seeds, n=dimensions, temperature=temperatures)
def test_the_free_energy_is_the_cost_of_the_noised_target(seed, n, temperature):
    """−λ L_Σ, with the same λ: smoothing changes φ and no unit."""
    target, sigma, mean = problem(seed, n, temperature, valleys=3)
    smoothed = theory.smoothed(target, sigma)
    expected = -temperature * theory.log_density(smoothed, mean)
    assert theory.cost(smoothed, mean) == pytest.approx(expected, rel=1e-12)
    assert smoothed.temperature == temperature


@given(seed=seeds, n=dimensions, temperature=temperatures, valleys=st.integers(1, 3))
def test_the_mass_is_the_sum_of_the_integrals_of_gaussians(seed, n, temperature, valleys):
    random = np.random.default_rng(seed)
    floors, centres = random.normal(size=valleys), random.normal(size=(valleys, n))
    hessians = np.array([covariance(random, n) for _ in range(valleys)])
    masses = [
        math.exp(-floor / temperature)
        * (2.0 * math.pi * temperature) ** (0.5 * n) / math.sqrt(np.linalg.det(h))
        for floor, h in zip(floors, hessians, strict=True)]
    target = GaussianMixtureTarget.from_modes(floors, centres, hessians, temperature)
    assert theory.log_partition(target) == pytest.approx(math.log(sum(masses)), rel=1e-9, abs=1e-9)


def test_the_mass_is_the_integral_of_phi_in_two_and_three_dimensions():
    for n, points in ((2, 301), (3, 81)):
        target, _, _ = problem(2, n, 0.7, valleys=2, spread=0.5)
        side = np.linspace(-8.0, 8.0, points)
        grid = np.stack(np.meshgrid(*[side] * n, indexing='ij'), axis=-1)
        total = np.exp(theory.log_density(target, grid)).sum() * (side[1] - side[0]) ** n
        assert theory.log_partition(target) == pytest.approx(math.log(total), abs=1e-3)


@given(seed=seeds, n=dimensions, temperature=temperatures)
def test_the_most_probable_sequence_is_the_cheapest(seed, n, temperature):
    """Argmax p_tar is argmin f, of the same points and whatever λ is."""
    target, _, _ = problem(seed, n, temperature, valleys=3)
    points = np.random.default_rng(seed).normal(size=(200, n))
    costs = theory.cost(target, points)
    assert np.argmax(theory.probability(target, points)) == np.argmin(costs)
    np.testing.assert_array_equal(
        np.argsort(theory.probability(target, points)[np.argsort(costs)][:50]),
        np.arange(50)[::-1])


@settings(max_examples=30)
@given(seed=seeds, n=st.integers(1, 2), temperature=temperatures)
def test_the_gradient_of_h_is_the_expectation_of_phi_times_the_score_of_the_gaussian(
    seed, n, temperature
):
    target, sigma, mean = problem(seed, n, temperature, valleys=2)
    sigma = 0.2 * sigma
    noise, mass = gaussian_nodes(sigma, 160)
    phi = np.exp(theory.log_density(target, mean + noise))
    scores = theory.score_of_gaussian(mean + noise, mean, sigma)
    smoothed = theory.smoothed(target, sigma)

    def h(at):
        return float(np.exp(theory.log_density(smoothed, at)))

    expected = gradient(h, mean)
    np.testing.assert_allclose(
        (mass * phi) @ scores, expected, rtol=1e-3, atol=1e-4 * (1.0 + np.abs(expected).max()))
    # the score of p_Σ is ∇h/h; with samples the 1/K of both expectations cancels
    np.testing.assert_allclose(
        theory.score(smoothed, mean), expected / h(mean), rtol=1e-4, atol=1e-5)
    some = np.argsort(mass)[-20:]
    costs = theory.cost(target, mean + noise[some])
    ratio = phi[some] @ noise[some] / phi[some].sum()
    np.testing.assert_allclose(
        score.natural_gradient(score.weights(costs, temperature), noise[some]), ratio,
        rtol=1e-9, atol=1e-12)


@settings(max_examples=30)
@given(seed=seeds, temperature=temperatures)
def test_the_noised_target_is_the_expectation_of_phi(seed, temperature):
    target, sigma, mean = problem(seed, 2, temperature, valleys=3)
    noise, mass = gaussian_nodes(0.2 * sigma, 160)
    smoothed = math.log(mass @ np.exp(theory.log_density(target, mean + noise)))
    exact = theory.log_density(theory.smoothed(target, 0.2 * sigma), mean)
    assert exact == pytest.approx(smoothed, rel=1e-4, abs=1e-4)


@given(seed=seeds, n=dimensions)
def test_smoothing_keeps_the_mass(seed, n):
    target, sigma, _ = problem(seed, n, valleys=3)
    assert theory.log_partition(theory.smoothed(target, sigma)) == pytest.approx(
        theory.log_partition(target)
    )


def test_densities_have_mass_one():
    target = GaussianMixtureTarget.from_modes([0.0, 0.5], [[-1.0], [2.0]], [[[4.0]], [[1.0]]], 0.7)
    x = np.linspace(-20.0, 20.0, 20_001)[:, None]
    for smoothed in (target, theory.smoothed(target, [[0.6]])):
        spacing = x[1, 0] - x[0, 0]
        assert spacing * theory.probability(smoothed, x).sum() == pytest.approx(1.0)


@given(seed=seeds, n=dimensions)
def test_smoothing_twice_is_smoothing_once_with_the_sum(seed, n):
    target, sigma, mean = problem(seed, n, valleys=2)
    twice = theory.smoothed(theory.smoothed(target, sigma), 2.0 * sigma)
    once = theory.smoothed(target, 3.0 * sigma)
    assert theory.log_density(twice, mean) == pytest.approx(theory.log_density(once, mean))


@given(seed=seeds, n=dimensions)
def test_the_score_is_the_gradient_of_the_smoothed_objective(seed, n):
    target, sigma, mean = problem(seed, n, valleys=3)
    smoothed = theory.smoothed(target, sigma)
    expected = gradient(lambda at: theory.log_density(smoothed, at), mean)
    np.testing.assert_allclose(theory.score(smoothed, mean), expected, rtol=1e-5, atol=1e-6)
    curved = np.array(
        [gradient(lambda at, i=i: theory.score(smoothed, at)[i], mean) for i in range(n)])
    np.testing.assert_allclose(theory.hessian(smoothed, mean), curved, rtol=1e-4, atol=1e-5)


@given(seed=seeds, n=dimensions)
def test_quadratic_f_has_the_score_that_the_textbook_gives(seed, n):
    random = np.random.default_rng(seed)
    hessian, sigma = covariance(random, n), covariance(random, n)
    centre, mean = random.normal(size=(2, n))
    smoothed = theory.smoothed(GaussianMixtureTarget.quadratic(hessian, centre, 2.0), sigma)
    widened = np.linalg.inv(hessian / 2.0) + sigma  # p_Σ = N(c, λ H⁻¹ + Σ)
    expected = -np.linalg.solve(widened, mean - centre)
    np.testing.assert_allclose(theory.score(smoothed, mean), expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize('sigma', [0.3, 0.1, 0.03, 0.01])
def test_without_noise_the_raw_score_comes_back_with_the_square_of_sigma(sigma):
    target, shape, mean = problem(3, 3, valleys=3)
    raw = theory.score(target, mean)
    gap, finer = (
        np.linalg.norm(theory.score(theory.smoothed(target, s**2 * shape), mean) - raw)
        for s in (0.1 * sigma, 0.05 * sigma))
    assert gap / finer == pytest.approx(4.0, rel=0.05)


@given(seed=seeds, n=dimensions)
def test_the_fisher_matrix_of_the_mean_is_the_inverse_covariance(seed, n):
    sigma = covariance(np.random.default_rng(seed), n)
    noise, mass = gaussian_nodes(sigma, 3)  # exact for squares
    scores = theory.score_of_gaussian(noise, np.zeros(n), sigma)
    np.testing.assert_allclose(
        (mass * scores.T) @ scores, theory.fisher_information(sigma), rtol=1e-6, atol=1e-8)


@given(seed=seeds, n=dimensions)
def test_the_derivative_falls_on_the_gaussian(seed, n):
    random = np.random.default_rng(seed)
    sigma, x, mean = covariance(random, n), random.normal(size=n), random.normal(size=n)

    def log_gaussian(at):
        return -0.5 * (x - at) @ np.linalg.solve(sigma, x - at)

    np.testing.assert_allclose(
        theory.score_of_gaussian(x, mean, sigma), gradient(log_gaussian, mean), rtol=1e-4,
        atol=1e-5)


@given(seed=seeds, n=dimensions, temperature=temperatures, valleys=st.integers(1, 3))
def test_matching_the_mean_of_the_tilted_distribution_is_the_step_with_alpha_one(
    seed, n, temperature, valleys
):
    target, sigma, mean = problem(seed, n, temperature, valleys)
    step = theory.natural_gradient(target, mean, sigma)
    matched, _ = theory.tilted(target, mean, sigma)
    np.testing.assert_allclose(mean + step, matched, rtol=1e-7, atol=1e-8)


@given(seed=seeds, n=dimensions, temperature=temperatures)
def test_the_tilted_distribution_pays_least_and_its_price_is_minus_lambda_l_sigma(
    seed, n, temperature
):
    target, sigma, mean = problem(seed, n, temperature)

    def price(at, spread):
        """Return E_q[f] + λ KL(q ‖ N(x̄, Σ)) of q = N(at, spread)."""
        expected = theory.cost(target, at) + 0.5 * temperature * np.trace(
            target.precisions[0] @ spread)
        return expected + temperature * theory.kl_of_gaussians(at, spread, mean, sigma)

    best, spread = theory.tilted(target, mean, sigma)
    least = -temperature * theory.log_density(theory.smoothed(target, sigma), mean)
    assert price(best, spread) == pytest.approx(least, rel=1e-7, abs=1e-7)
    random = np.random.default_rng(seed)
    for other, width in ((best + 0.1 * random.normal(size=n), spread), (best, 1.2 * spread),
                         (mean, sigma)):
        assert price(other, width) >= least - 1e-9


@given(seed=seeds, n=dimensions)
def test_the_nearest_gaussian_to_the_tilted_distribution_has_its_mean(seed, n):
    target, sigma, mean = problem(seed, n)
    best, spread = theory.tilted(target, mean, sigma)
    at_best = theory.kl_of_gaussians(best, spread, best, sigma)
    for h in 0.1 * np.vstack([np.eye(n), -np.eye(n)]):
        assert theory.kl_of_gaussians(best, spread, best + h, sigma) > at_best


@given(seed=seeds, n=dimensions, alpha=st.floats(0.01, 2.0))
def test_kl_of_a_step_is_half_its_squared_fisher_norm(seed, n, alpha):
    target, sigma, mean = problem(seed, n, valleys=2)
    step = alpha * theory.natural_gradient(target, mean, sigma)
    kl = theory.kl_of_gaussians(mean + step, sigma, mean, sigma)
    fisher = step @ theory.fisher_information(sigma) @ step
    assert kl == pytest.approx(0.5 * fisher, rel=1e-6, abs=1e-12)
    assert kl == pytest.approx(score.kl_of_step(step, sigma), rel=1e-6, abs=1e-12)


@given(seed=seeds, n=dimensions, valleys=st.integers(1, 3))
def test_the_curvature_of_l_sigma_is_that_of_the_weighted_covariance(seed, n, valleys):
    target, sigma, mean = problem(seed, n, valleys=valleys)
    _, weighted = theory.tilted(target, mean, sigma)
    information = theory.fisher_information(sigma)
    expected = information @ (weighted - sigma) @ information
    curved = theory.hessian(theory.smoothed(target, sigma), mean)
    np.testing.assert_allclose(curved, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())
    root = np.linalg.cholesky(sigma)
    assert np.linalg.eigvalsh(root.T @ curved @ root).min() >= -1.0 - 1e-9


@given(seed=seeds, n=dimensions, valleys=st.integers(1, 3), alpha=st.floats(0.01, 1.99),
       spread=st.floats(0.1, 5.0))
def test_every_alpha_below_two_gains_at_least_its_bound(seed, n, valleys, alpha, spread):
    target, sigma, mean = problem(seed, n, valleys=valleys, spread=spread)
    smoothed = theory.smoothed(target, sigma)
    gradient_ = theory.score(smoothed, mean)
    norm = math.sqrt(gradient_ @ sigma @ gradient_)
    gain = theory.log_density(smoothed, mean + alpha * sigma @ gradient_) - theory.log_density(
        smoothed, mean)
    assert gain >= score.ascent_lower_bound(alpha, norm) - 1e-9
    assert score.ascent_lower_bound(alpha, norm) >= 0.0


@pytest.mark.parametrize('alpha', [0.5, 1.0, 1.9, 2.0, 2.1])
def test_the_bound_is_reached_by_a_stiff_f_so_two_is_the_limit(alpha):
    _, sigma, mean = problem(5, 3)
    smoothed = theory.smoothed(
        GaussianMixtureTarget.quadratic(1e7 * np.eye(3), np.zeros(3), 1.0), sigma
    )
    gradient_ = theory.score(smoothed, mean)
    norm = math.sqrt(gradient_ @ sigma @ gradient_)
    gain = theory.log_density(smoothed, mean + alpha * sigma @ gradient_) - theory.log_density(
        smoothed, mean)
    assert gain == pytest.approx(
        score.ascent_lower_bound(alpha, norm), rel=1e-4, abs=1e-4 * norm**2
    )


@given(seed=seeds, n=dimensions)
def test_natural_gradient_ascent_is_the_same_in_all_coordinates_and_ordinary_ascent_is_not(
    seed, n
):
    target, sigma, mean = problem(seed, n, valleys=2)
    random = np.random.default_rng(seed + 1)
    turn = random.normal(size=(n, n)) + 2.0 * np.eye(n)
    shift, back = random.normal(size=n), np.linalg.inv(turn)
    mapped = GaussianMixtureTarget(
        target.temperature, target.log_heights, target.centres @ turn.T + shift,
        back.T @ target.precisions @ back)
    step = theory.natural_gradient(target, mean, sigma)
    other = theory.natural_gradient(mapped, turn @ mean + shift, turn @ sigma @ turn.T)
    np.testing.assert_allclose(other, turn @ step, rtol=1e-5, atol=1e-7)
    ordinary = theory.score(theory.smoothed(mapped, turn @ sigma @ turn.T), turn @ mean + shift)
    expected = back.T @ theory.score(theory.smoothed(target, sigma), mean)
    np.testing.assert_allclose(ordinary, expected, rtol=1e-5, atol=1e-7)


@settings(max_examples=40)
@given(seed=seeds, n=dimensions, temperature=temperatures, valleys=st.integers(1, 2))
def test_estimates_agree_with_the_closed_forms_within_their_error(seed, n, temperature, valleys):
    target, sigma, mean = problem(seed, n, temperature, valleys)
    sigma = 0.3 * sigma
    samples = 10_000
    noise = draw(np.random.default_rng(seed), sigma, samples)
    costs = theory.cost(target, mean + noise)
    w = score.weights(costs, temperature)
    ess = score.effective_sample_size(w)
    smoothed = theory.smoothed(target, sigma)
    assume(ess > 100.0)  # self-normalised averages of fewer samples are biased
    error = 6.0 / math.sqrt(ess)
    estimate = score.smoothed_objective(costs, temperature)
    assert abs(estimate - theory.log_density(smoothed, mean)) < error
    white = np.linalg.solve(np.linalg.cholesky(sigma), noise.T).T
    exact = np.linalg.cholesky(sigma).T @ theory.score(smoothed, mean)
    spread = np.sqrt(np.square(w) @ np.square(white - w @ white))
    assert np.all(np.abs(score.natural_gradient(w, white) - exact) < 6.0 * spread + 3.0 / ess)
    np.testing.assert_allclose(
        score.score(w, noise, sigma) @ np.linalg.cholesky(sigma), w @ white, rtol=1e-6, atol=1e-9)


@given(seed=seeds, n=dimensions, samples=st.integers(2, 60), temperature=temperatures)
def test_the_estimated_score_is_the_exact_gradient_of_the_reweighted_objective(
    seed, n, samples, temperature
):
    target, sigma, mean = problem(seed, n, temperature, valleys=2)
    noise = draw(np.random.default_rng(seed), sigma, samples)
    costs = theory.cost(target, mean + noise)

    def objective(displacement):
        return score.reweighted_objective(displacement, costs, noise, sigma, temperature)

    assert objective(np.zeros(n)) == pytest.approx(
        score.smoothed_objective(costs, temperature), rel=1e-9, abs=1e-9)
    w = score.weights(costs, temperature)
    estimated = score.score(w, noise, sigma)
    size = 1e-6 * (1.0 + np.abs(estimated).max() ** 2)
    np.testing.assert_allclose(
        estimated, gradient(objective, np.zeros(n)), rtol=1e-5, atol=size)
    curved = score.curvature(w, noise, sigma)
    rough = np.array([
        gradient(lambda at, h=h: (objective(at + h) - objective(at - h)) / 2e-3, np.zeros(n), 1e-3)
        for h in 1e-3 * np.eye(n)])
    scale = 1.0 + np.abs(np.linalg.inv(sigma)).max() ** 2
    np.testing.assert_allclose(curved, rough, atol=1e-4 * scale)


def test_common_random_numbers_estimate_another_gradient_equal_on_average_only():
    """With ε_i fixed, d/dx̄ of log mean φ(x̄ + ε_i) is E_w[−∇f/λ] and not Σ⁻¹ Σ w ε."""
    target, sigma, mean = problem(7, 2, valleys=2)
    few = draw(np.random.default_rng(0), sigma, 100)

    def moved(displacement):
        return score.smoothed_objective(theory.cost(target, mean + displacement + few), 1.0)

    w = score.weights(theory.cost(target, mean + few), 1.0)
    by_points = score.score(w, few, sigma)
    by_noise = w @ theory.score(target, mean + few)
    np.testing.assert_allclose(gradient(moved, np.zeros(2)), by_noise, rtol=1e-5)
    assert np.abs(by_points - by_noise).max() > 0.01
    many = draw(np.random.default_rng(1), sigma, 400_000)
    w = score.weights(theory.cost(target, mean + many), 1.0)
    exact = theory.score(theory.smoothed(target, sigma), mean)
    np.testing.assert_allclose(score.score(w, many, sigma), exact, atol=0.02)
    np.testing.assert_allclose(w @ theory.score(target, mean + many), exact, atol=0.02)


@given(seed=seeds, n=dimensions)
def test_sampled_curvature_in_the_metric_of_sigma_is_never_below_minus_one(seed, n):
    target, sigma, mean = problem(seed, n, valleys=2)
    noise = draw(np.random.default_rng(seed), sigma, 50)
    w = score.weights(theory.cost(target, mean + noise), target.temperature)
    root = np.linalg.cholesky(sigma)
    curved = root.T @ score.curvature(w, noise, sigma) @ root
    assert np.linalg.eigvalsh(curved).min() >= -1.0 - 1e-9


@given(seed=seeds, n=dimensions)
def test_mapping_samples_and_f_maps_the_estimated_step_exactly(seed, n):
    target, sigma, mean = problem(seed, n, valleys=2)
    random = np.random.default_rng(seed)
    noise = draw(random, sigma, 64)
    turn = random.normal(size=(n, n)) + 2.0 * np.eye(n)
    w = score.weights(theory.cost(target, mean + noise), target.temperature)
    np.testing.assert_allclose(
        score.natural_gradient(w, noise @ turn.T), turn @ score.natural_gradient(w, noise),
        rtol=1e-9, atol=1e-9)


def test_the_error_falls_with_the_square_root_of_the_samples():
    target, sigma, mean = problem(11, 2)
    exact = theory.natural_gradient(target, mean, sigma)
    random = np.random.default_rng(0)
    sizes = np.array([500, 2_000, 8_000, 32_000])
    errors = []
    for samples in sizes:
        squares = []
        for _ in range(60):
            noise = draw(random, sigma, samples)
            w = score.weights(theory.cost(target, mean + noise), target.temperature)
            assert score.effective_sample_size(w) > 40.0
            squares.append(np.square(score.natural_gradient(w, noise) - exact).sum())
        errors.append(math.sqrt(np.mean(squares)))
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.06)


@pytest.mark.parametrize('stiffness', [0.0, 0.02, 0.1])
def test_chance_alone_adds_the_noise_floor_to_the_squared_step(stiffness):
    """And antithetic pairs stay below it: under a flat f they cancel."""
    steps, m, samples = 20, 2, 1000
    pull = math.sqrt(stiffness)

    def cost(controls):
        return 0.5 * pull**2 * np.square(controls - 0.3).sum(axis=(1, 2))

    squares = {}
    for antithetic in (False, True):
        made = Optimizer(
            MppiParameters(temperature=1.0, samples=samples, horizon_steps=steps,
                           sigma=(1.0, 1.0), noise=NoiseParameters(0.0, 0.0, antithetic)), m)
        values, floors = [], []
        for _ in range(60):
            made.mean[:] = 0.0
            step = made.step(cost)
            values.append(step.score_norm**2)
            floors.append(score.noise_floor(steps * m, step.ess))
        squares[antithetic] = np.mean(values)
    exact = steps * m * (0.3 * stiffness / (1.0 + stiffness)) ** 2
    shrunk = np.mean(floors) / (1.0 + stiffness)  # weighted samples spread less: Cov_w < Σ
    assert squares[False] == pytest.approx(exact + shrunk, rel=0.15)
    assert squares[True] < squares[False]
    if stiffness == 0.0:
        assert squares[True] < 1e-8


@pytest.mark.parametrize('sigma', [(0.5, 0.8), (0.25, 0.2, 0.2, 0.64)], ids=['diagonal', 'full'])
@pytest.mark.parametrize('antithetic', [False, True])
@pytest.mark.parametrize('correlation_time', [0.0, 0.3])
def test_the_optimiser_climbs_l_sigma_of_its_own_sigma(sigma, antithetic, correlation_time):
    """Σ is the product of the covariance over time and the one between controls."""
    steps, lam = 3, 2.0
    parameters = MppiParameters(
        temperature=lam, alpha=0.7, sigma=sigma, samples=100_000, horizon_steps=steps,
        noise=NoiseParameters(correlation_time, 0.1 if correlation_time else 0.0, antithetic))
    random = np.random.default_rng(2)
    hessian = covariance(random, 2 * steps)
    centre = random.normal(size=2 * steps)
    target = GaussianMixtureTarget.quadratic(hessian, centre, lam)
    p, q = parameters.poles()
    lags = np.arange(steps)
    rho = ((p ** (lags + 1) * (1.0 - q * q) - q ** (lags + 1) * (1.0 - p * p))
           / ((p - q) * (1.0 + p * q)) if p > q else np.eye(steps)[0])
    over_time = rho[np.abs(np.subtract.outer(lags, lags))]
    factor = parameters.cholesky(2)
    whole = np.kron(over_time, factor @ factor.T)

    made = Optimizer(parameters, 2)
    start = made.mean.copy().ravel()
    step = made.step(lambda controls: theory.cost(target, controls.reshape(len(controls), -1)))
    smoothed = theory.smoothed(target, whole)
    assert step.ess > 200.0
    error = 6.0 / math.sqrt(step.ess)
    assert abs(step.smoothed_objective - theory.log_density(smoothed, start)) < error
    exact = theory.natural_gradient(target, start, whole)
    gap = np.linalg.solve(np.linalg.cholesky(whole), made.mean.ravel() - start - 0.7 * exact)
    assert np.abs(gap).max() < 0.7 * error
    fisher = np.linalg.cholesky(whole).T @ theory.score(smoothed, start)
    assert abs(step.score_norm - np.linalg.norm(fisher)) < 2.0 * error
    assert step.kl == pytest.approx(
        score.kl_of_step((made.mean.ravel() - start).astype(float), whole), rel=1e-2)
    np.testing.assert_allclose(
        whole @ made.score().ravel(), (made.mean.ravel() - start) / 0.7, atol=2e-3)
