"""
Theory in closed form: targets with exact h_Σ, L_Σ, p_Σ and score.

φ(x) = exp(−f(x)/λ) = Σ_k exp(b_k − ½ (x − c_k)ᵀ P_k (x − c_k)): f has a mode at each c_k; with a
single mode f is quadratic with Hessian λ P. Smoothing such a φ with N(0, Σ) gives another target,
`smoothed(target, Σ)`. φ, log φ, Z and ∇ log φ of the smoothed target are h_Σ, L_Σ, Z_Σ and the
score of the original one. `mppi_ros.mppi.score` contains estimates of the same quantities from
samples of any f. The functions raise InputError for the same reasons as those.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.mppi.validation import (
    check_covariance,
    check_temperature,
    finite_array,
    real_array,
    real_number,
    shaped_array,
)
from mppi_ros.parameters.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GaussianMixtureTarget:
    """
    The low-cost target p_tar = φ/Z of a cost f with one or more modes.

    Attributes
    ----------
    temperature : float
        λ.
    log_heights : float64[k]
        b_k = log φ of each mode alone at its centre.
    centres : float64[k, n]
        c_k.
    precisions : float64[k, n, n]
        P_k, symmetric and positive definite: the Hessian of each mode divided by λ.

    Raises
    ------
    InputError
        λ is not positive, the shapes do not match, or a value is not finite.

    """

    temperature: float
    log_heights: Array
    centres: Array
    precisions: Array

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        centres = finite_array('centres', self.centres, 'k', 'n')
        k, n = centres.shape
        if not centres.size:
            raise InputError(f'the shape of centres is [{k}, {n}]; k, n > 0 are expected')
        heights = finite_array('log_heights', self.log_heights, k)
        precisions = finite_array('precisions', self.precisions, k, n, n)
        vars(self).update(log_heights=heights, centres=centres, precisions=precisions)

    @classmethod
    def from_modes(
        cls, floors: ArrayLike, centres: ArrayLike, hessians: ArrayLike, temperature: float
    ) -> GaussianMixtureTarget:
        """
        Return the target of f = −λ log Σ_k exp(−f_k/λ), the soft minimum of quadratic f_k.

        f_k(x) = floor_k + ½ (x − c_k)ᵀ H_k (x − c_k), for floors float[k], centres float[k, n] and
        Hessians float[k, n, n].

        Raises
        ------
        InputError
            The shapes do not match, a value is not finite, λ is not positive, or a Hessian is not
            symmetric and positive definite, for which Z would be infinite.

        """
        lam, points = check_temperature(temperature), finite_array('centres', centres, 'k', 'n')
        k, n = points.shape
        heights = -finite_array('floors', floors, k) / lam
        curved = finite_array('hessians', hessians, k, n, n)
        for matrix in curved:
            check_covariance(matrix, n, 'hessian')
        return cls(lam, heights, points, curved / lam)

    @classmethod
    def quadratic(
        cls, hessian: ArrayLike, centre: ArrayLike, temperature: float
    ) -> GaussianMixtureTarget:
        """Return the target of f = ½ (x − c)ᵀ H (x − c), for H float[n, n] and c float[n]."""
        point = finite_array('centre', centre, 'n')
        curved = finite_array('hessian', hessian, len(point), len(point))
        return cls.from_modes([0.0], point[None], curved[None], temperature)


def log_density(target: GaussianMixtureTarget, x: ArrayLike) -> Array:
    """Return log φ(x) = −f(x)/λ, float64[...], at x, float[..., n]; of a smoothed target L_Σ."""
    terms = _log_terms(target, _points(target, x))
    highest = terms.max(axis=-1)
    total: Array = highest + np.log(np.exp(terms - highest[..., None]).sum(axis=-1))
    return total


def cost(target: GaussianMixtureTarget, x: ArrayLike) -> Array:
    """Return f(x) = −λ log φ(x), float64[...], at x, float[..., n]."""
    return -target.temperature * log_density(target, x)


def log_partition(target: GaussianMixtureTarget) -> float:
    """Return log Z = log ∫ φ(x) dx; smoothing conserves the integral, so Z_Σ = Z."""
    n = target.centres.shape[1]
    _, log_determinants = np.linalg.slogdet(target.precisions)
    masses = target.log_heights + 0.5 * (n * math.log(2.0 * math.pi) - log_determinants)
    return float(masses.max() + np.log(np.exp(masses - masses.max()).sum()))


def probability(target: GaussianMixtureTarget, x: ArrayLike) -> Array:
    """Return p_tar(x) = φ(x)/Z, float64[...]; of a smoothed target p_Σ(x) = h_Σ(x)/Z_Σ."""
    density: Array = np.exp(log_density(target, x) - log_partition(target))
    return density


def score(target: GaussianMixtureTarget, x: ArrayLike) -> Array:
    """Return ∇ log p_tar(x) = −∇f(x)/λ, float64[..., n]; of a smoothed target ∇L_Σ(x̄)."""
    offsets = _points(target, x)[..., None, :] - target.centres
    gradients = -np.einsum('kij,...kj->...ki', target.precisions, offsets)
    total: Array = np.einsum('...k,...ki->...i', _shares(target, x), gradients)
    return total


def hessian(target: GaussianMixtureTarget, x: ArrayLike) -> Array:
    """Return ∇² log p_tar(x), float64[n, n], at x, float[n]; of a smoothed target ∇²L_Σ."""
    point = shaped_array('x', x, target.centres.shape[1])
    gradients = -np.einsum('kij,kj->ki', target.precisions, point - target.centres)
    shares = _shares(target, x)
    spread = gradients - shares @ gradients
    within = np.einsum('k,kij->ij', shares, target.precisions)
    curved: Array = (shares * spread.T) @ spread - within
    return curved


def ascend(target: GaussianMixtureTarget, x: ArrayLike, alpha: float) -> Array:
    """
    Return x + α ∇ log p_tar(x).

    For the target itself this is raw score ascent, gradient descent on f with step α/λ; for a
    smoothed target it is score ascent on L_Σ.
    """
    moved: Array = _points(target, x) + real_number('alpha', alpha) * score(target, x)
    return moved


def smoothed(target: GaussianMixtureTarget, covariance: ArrayLike) -> GaussianMixtureTarget:
    """
    Return the target of h_Σ(x̄) = E[φ(x)], x ~ N(x̄, Σ): φ smoothed with the sampling Gaussian.

    A mode with precision P gets (P⁻¹ + Σ)⁻¹ = P (1 + Σ P)⁻¹ and the height det(1 + Σ P)^(−½).
    For Σ → 0 it is the target itself. A scalar σ² denotes σ² times the identity.
    """
    sigma = check_covariance(covariance, target.centres.shape[1])
    widened = np.eye(len(sigma)) + sigma @ target.precisions
    _, log_determinants = np.linalg.slogdet(widened)
    precisions = target.precisions @ np.linalg.inv(widened)
    return GaussianMixtureTarget(
        temperature=target.temperature,
        log_heights=target.log_heights - 0.5 * log_determinants,
        centres=target.centres,
        precisions=0.5 * (precisions + precisions.transpose(0, 2, 1)),
    )


def score_of_gaussian(x: ArrayLike, mean: ArrayLike, covariance: ArrayLike) -> Array:
    """
    Return ∇_x̄ log N(x; x̄, Σ) = Σ⁻¹ (x − x̄), float64[..., n], at x, float[..., n].

    The derivative of h_Σ acts on the Gaussian, not on f:
    ∇h_Σ = E[φ(x) Σ⁻¹ (x − x̄)], hence ∇L_Σ = Σ⁻¹ E_w[x − x̄].
    """
    points, centre = shaped_array('x', x, '...', 'n'), real_array('mean', mean)
    if centre.ndim:  # a scalar is the same in all directions
        centre = shaped_array('mean', centre, points.shape[-1])
    sigma = check_covariance(covariance, points.shape[-1])
    return np.asarray(np.linalg.solve(sigma, (points - centre)[..., None])[..., 0], np.float64)


def fisher_information(covariance: ArrayLike) -> Array:
    """Return the Fisher matrix of the mean of N(x̄, Σ): E[g gᵀ] = Σ⁻¹, g = ∇_x̄ log N(x; x̄, Σ)."""
    matrix = np.atleast_1d(real_array('covariance', covariance))
    sigma = check_covariance(covariance, len(matrix))
    return np.asarray(np.linalg.inv(sigma), np.float64)


def natural_gradient(
    target: GaussianMixtureTarget, mean: ArrayLike, covariance: ArrayLike
) -> Array:
    """Return Σ ∇L_Σ(x̄): the inverse Fisher matrix times the score of the smoothed target."""
    sigma = check_covariance(covariance, target.centres.shape[1])
    gradient: Array = score(smoothed(target, sigma), mean) @ sigma
    return gradient


def tilted(
    target: GaussianMixtureTarget, mean: ArrayLike, covariance: ArrayLike
) -> tuple[Array, Array]:
    """
    Return mean, float64[n], and covariance, float64[n, n], of q* ∝ N(x; x̄, Σ) exp(−f(x)/λ).

    q* minimises E_q[f] + λ KL(q ‖ N(x̄, Σ)), and the minimum is −λ L_Σ(x̄). The Gaussian N(μ, Σ)
    closest to q* by KL(q* ‖ N) has μ = E_q*[x]: the update with α = 1. The product of each mode
    and the Gaussian is a Gaussian; the function mixes their means and covariances.
    """
    n = target.centres.shape[1]
    x, sigma = shaped_array('mean', mean, n), check_covariance(covariance, n)
    information = fisher_information(sigma)
    joint = information + target.precisions
    pulls = information @ x + np.einsum('kij,kj->ki', target.precisions, target.centres)
    means = np.linalg.solve(joint, pulls[..., None])[..., 0]
    # log of ∫ N(x; x̄, Σ) φ_k(x) dx by completing the square, up to a common constant
    squares = np.einsum('ki,ki->k', pulls, means) - np.einsum(
        'ki,kij,kj->k', target.centres, target.precisions, target.centres
    )
    evidence = target.log_heights + 0.5 * (squares - np.linalg.slogdet(joint)[1])
    shares = np.exp(evidence - evidence.max())
    shares /= shares.sum()
    average = shares @ means
    spread = means - average
    within = np.einsum('k,kij->ij', shares, np.linalg.inv(joint))
    return average, within + (shares * spread.T) @ spread


def kl_of_gaussians(
    mean: ArrayLike, covariance: ArrayLike, other_mean: ArrayLike, other_covariance: ArrayLike
) -> float:
    """
    Return KL(N(mean, covariance) ‖ N(other_mean, other_covariance)), for means float[n].

    Numbers are means of one variable.
    """
    first = shaped_array('mean', np.atleast_1d(real_array('mean', mean)), 'n')
    other = np.atleast_1d(real_array('other_mean', other_mean))
    offset = first - shaped_array('other_mean', other, len(first))
    a = check_covariance(covariance, len(offset))
    b = check_covariance(other_covariance, len(offset), 'other_covariance')
    ratio = np.linalg.solve(b, a)
    square = offset @ np.linalg.solve(b, offset)
    return 0.5 * float(np.trace(ratio) - len(a) - np.linalg.slogdet(ratio)[1] + square)


def _points(target: GaussianMixtureTarget, x: ArrayLike) -> Array:
    """Return x as float64[..., n]."""
    return shaped_array('x', x, '...', target.centres.shape[1])


def _log_terms(target: GaussianMixtureTarget, x: Array) -> Array:
    """Return the logarithm of each mode's part of φ, float64[..., k]."""
    offsets = x[..., None, :] - target.centres
    squares = np.einsum('...ki,kij,...kj->...k', offsets, target.precisions, offsets)
    terms: Array = target.log_heights - 0.5 * squares
    return terms


def _shares(target: GaussianMixtureTarget, x: ArrayLike) -> Array:
    """Return each mode's share of φ(x), float64[..., k]."""
    terms = _log_terms(target, _points(target, x))
    shares = np.exp(terms - terms.max(axis=-1, keepdims=True))
    normal: Array = shares / shares.sum(axis=-1, keepdims=True)
    return normal
