"""
MPPI as natural-gradient ascent: x̄ ← x̄ + α Σ ∇L_Σ(x̄) = x̄ + α Σ_i w_i ε_i.

One iteration: draw ε ~ N(0, Σ), evaluate f(x̄ + ε), weight by exp(−f/λ), step, project to the
bounds. The module is independent of the meaning of the controls: f is any callable from controls
(K, T, m) to costs (K,), or an objective that evaluates blocks of noise itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import math
import time
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.jit.simd import BLOCK, kernel
from mppi_ros.jit.threads import choose_threads, use_threads
from mppi_ros.mppi import noise as sampling
from mppi_ros.mppi import score
from mppi_ros.mppi.parameters import MppiParameters
from mppi_ros.parameters.errors import InputError, ParameterError

MAX_SLICES = 8  # of a solve with a deadline
FEW = 4000  # samples below which averaging on one thread is faster
SPARE = 0.5  # of the remaining time: an expected solve time below it needs no slices
PAST = 4  # rows of the plan before the current time, for smoothing
# Central coefficients of the Savitzky-Golay filter of nine points, 2 · PAST + 1.
PARABOLA = np.array([-21, 14, 39, 54, 59, 54, 39, 14, -21], np.float32) / np.float32(231)

Floats = NDArray[np.float32]
CostFunction = Callable[[Floats], NDArray[np.floating]]
Bounds = tuple[ArrayLike, ArrayLike]


@runtime_checkable
class BlockObjective(Protocol):
    """
    An objective that rolls out blocks of noise itself, without controls (K, T, m).

    It may have an attribute `sigma_scale`, float32[m] or None: factors on the standard
    deviations of the controls in this step.
    """

    def evaluate_blocks(
        self,
        mean: Floats,
        factor: Floats,
        noise: Floats,
        costs: Floats,
        threads: int,
        draw: sampling.NoiseKey,
        process: sampling.AR2Process,
    ) -> None:
        """
        Fill costs, float32[blocks, BLOCK], with f(x̄ ± L n).

        mean is float32[T, m], factor is L, float32[m, m], noise is n, float32[drawn, T · m,
        BLOCK]; blocks of costs beyond the drawn ones belong to −n. The objective draws n with
        noise.draw_block, since a block of noise is best used while it is in the cache.
        """

    def project(self, mean: Floats) -> None:
        """
        Project mean, float32[T, m], to the closest feasible sequence, in place.

        A plain callable may have this method, too.
        """


@dataclass(frozen=True)
class IterationStatistics:
    """
    Statistics of one step of the optimiser, at the mean before its last iteration.

    Attributes
    ----------
    temperature : float
        λ of the weights.
    smoothed_objective : float
        Estimate of L_Σ(x̄); −inf if no sample had a finite cost.
    ess : float
        Effective sample size.
    score_norm : float
        Fisher norm of the natural gradient, ‖Σ w z‖.
    kl : float
        KL divergence between the sampling Gaussians after and before, ½ α² ‖Σ w z‖².
    best_cost : float
        Minimum cost of a sample.

    """

    temperature: float
    smoothed_objective: float
    ess: float
    score_norm: float
    kl: float
    best_cost: float

    @property
    def valid(self) -> bool:
        """Return whether any sample had a finite cost; otherwise the mean is unchanged."""
        return math.isfinite(self.smoothed_objective)


class Optimizer:
    """
    Mean of the sampling Gaussian, and the iteration that updates it.

    Parameters
    ----------
    parameters : MppiParameters
        λ, α, Σ, K, T and others.
    controls : int
        Controls per step, m.
    bounds : (low, high), optional
        Minimum and maximum of each control, scalars or float[m]; infinite without a bound.

    Attributes
    ----------
    bounds : (float32[m], float32[m]) or None
        Controls passed to a plain callable are clipped to them, and the mean is projected to them
        after each step. The samples stay Gaussian, so all identities of the theory hold for the f
        that clips its controls; `IterationStatistics.kl` does not include the projection. An
        objective that evaluates blocks must clip its samples itself.
    mean : float32[T, m]
        x̄, which may be modified in place: a view of a longer plan that begins in the past.
    deadline : float
        Time on `clock` at which to stop [s]. For an objective that evaluates blocks, as many
        samples are drawn as the time allows, at least one of MAX_SLICES slices. With infinity no
        clock is read and the result depends on the inputs only.
    clock : callable
        Returns the time [s]; with recorded readings a solve with a deadline can be replayed.

    Raises
    ------
    ParameterError
        controls is not a positive integer, or sigma or bounds do not match it.

    """

    def __init__(
        self, parameters: MppiParameters, controls: int, bounds: Bounds | None = None
    ) -> None:
        integer = isinstance(controls, (int, np.integer)) and not isinstance(controls, bool)
        if not integer or controls < 1:
            raise ParameterError(f'controls = {controls!r} is not a positive integer')
        self.controls = int(controls)
        self.bounds = None if bounds is None else checked_bounds(bounds, self.controls)
        self._plan: Floats = np.zeros((PAST + parameters.horizon_steps, self.controls), np.float32)
        self.mean = self._plan[PAST:]
        self.deadline = math.inf
        self.clock: Callable[[], float] = time.perf_counter
        self._temperature_guess = 0.0
        self._steps = 0
        self.parameters = parameters
        self.configure(parameters)
        self._clip(self._plan)

    def configure(self, parameters: MppiParameters) -> None:
        """Set new parameters; the mean is resampled if the time steps change."""
        factor = parameters.cholesky(self.controls).astype(np.float32)
        old = self.parameters
        steps, m = parameters.horizon_steps, self.controls
        if (steps, parameters.time_step) != (old.horizon_steps, old.time_step):
            self._plan = resampled(
                self._plan, old.time_step, steps, parameters.time_step, PAST
            )
            self.mean = self._plan[PAST:]
        self.parameters = parameters
        self._configured_factor = self._factor = factor
        self._process = sampling.ar2_process(*parameters.poles())
        antithetic = parameters.noise.antithetic
        drawn = sampling.block_count(parameters.samples, antithetic)
        blocks = 2 * drawn if antithetic else drawn
        self._all_lanes = -(-parameters.samples // 2) if antithetic else parameters.samples
        self._threads = choose_threads(parameters.threads, parameters.samples * steps)
        self._few = self._threads == 1 or parameters.samples < FEW
        self._all_noise: Floats = np.empty((drawn, steps * m, BLOCK), np.float32)
        self._all_costs: Floats = np.empty((blocks, BLOCK), np.float32)
        self._all_weights: Floats = np.zeros((blocks, BLOCK), np.float32)
        self._slice_costs: Floats = np.empty((blocks, BLOCK), np.float32)
        self._seconds = math.inf  # [s] of the last complete rollout
        self._use(drawn)
        self._average: Floats = np.zeros((steps, m), np.float32)
        self._ascent: Floats = np.zeros((steps, m), np.float32)
        self._white: Floats = np.zeros((steps, m), np.float32)

    def reset(self) -> None:
        """Discard the warm start and restart the random numbers."""
        self._plan[:] = 0.0
        self._clip(self._plan)
        self._steps = 0
        self._temperature_guess = 0.0

    def shift(self, seconds: float) -> None:
        """Shift the mean by the elapsed time [s]; the last control is held at the end."""
        if seconds > 0.0:
            _shift(self._plan, seconds / self.parameters.time_step)

    def step(
        self,
        objective: BlockObjective | CostFunction,
        ess_scale: float = 1.0,
        extra_sigma_scale: float = 1.0,
    ) -> IterationStatistics:
        """
        Run the configured number of iterations on f and return the statistics of the last.

        The target effective sample size, or a fixed λ, is multiplied by `ess_scale`, and the
        standard deviations in Σ by `extra_sigma_scale`.

        Raises
        ------
        InputError
            A plain callable returns costs of a wrong shape, or a factor is not positive.

        """
        if not (0.0 < ess_scale < math.inf and 0.0 < extra_sigma_scale < math.inf):
            raise InputError(
                f'ess_scale = {ess_scale!r} and extra_sigma_scale = {extra_sigma_scale!r} must '
                'be in (0, inf)'
            )
        self._clip(self.mean)
        use_threads(self._threads)
        self._factor = (
            self._configured_factor
            if extra_sigma_scale == 1.0
            else np.float32(extra_sigma_scale) * self._configured_factor
        )
        # isinstance with the protocol would take longer than computing all weights
        blocks = hasattr(objective, 'evaluate_blocks')
        sigma_scale = getattr(objective, 'sigma_scale', None)
        if sigma_scale is not None:
            self._factor = sigma_scale[:, None] * self._factor
        result = self._iterate(objective, blocks, ess_scale)
        for _ in range(self.parameters.iterations - 1):
            if self.deadline < math.inf and self.clock() > self.deadline:
                break
            result = self._iterate(objective, blocks, ess_scale)
        if self.parameters.smoothing and result.valid:
            self.mean[:] = smoothed(self._plan)
            self._project(objective)
        return result

    def _iterate(self, objective: Any, blocks: bool, ess_scale: float) -> IterationStatistics:
        parameters, threads = self.parameters, self._threads
        fresh = sampling.NoiseKey(parameters.seed, self._steps, True, 0)
        self._steps += 1
        if blocks:
            self._roll_out(objective, fresh)
        else:
            draw = sampling.draw_serial if threads == 1 else sampling.draw_parallel
            draw(fresh.seed, fresh.step, self._process, self.controls, self._noise)
            self._call(objective)
        count = self.sample_count
        temperature, ess, best, total = score.compute_weights(
            self._costs, self._noise.shape[0], self._lanes, ess_scale * parameters.temperature,
            ess_scale * parameters.ess_share * count, self._temperature_guess, self._weights,
        )  # fmt: skip
        if not total > 0.0:
            return IterationStatistics(temperature, -math.inf, 0.0, 0.0, 0.0, best)
        self._temperature_guess = temperature
        average = score.average if self._few else score.average_parallel
        average(self._weights, self._noise, self._average.reshape(-1))
        norm = _ascent(
            self._average, self._factor, parameters.alpha, self._process, self._ascent, self._white
        )
        self.mean += self._ascent
        self._project(objective)
        return IterationStatistics(
            temperature=temperature,
            smoothed_objective=math.log(total / count) - best / temperature,
            ess=ess,
            score_norm=norm,
            kl=0.5 * (parameters.alpha * norm) ** 2,
            best_cost=best,
        )

    def _project(self, objective: Any) -> None:
        """Project the mean to the feasible set of the objective and to the bounds."""
        project = getattr(objective, 'project', None)
        if project is not None:
            project(self.mean)
        self._clip(self.mean)

    def _clip(self, controls: Floats) -> None:
        """Clip controls, float32[..., m], to the bounds, in place."""
        if self.bounds is not None:
            np.clip(controls, *self.bounds, out=controls)

    def _use(self, drawn: int) -> None:
        """Use the first `drawn` blocks of the noise."""
        self._drawn = drawn
        total = self._all_noise.shape[0]
        blocks = drawn * (self._all_costs.shape[0] // total)
        self._lanes = self._all_lanes if drawn == total else drawn * BLOCK
        self._noise = self._all_noise[:drawn]
        self._costs, self._weights = self._all_costs[:blocks], self._all_weights[:blocks]

    def _roll_out(self, objective: BlockObjective, draw: sampling.NoiseKey) -> None:
        """Fill noise and costs, as far as the deadline allows."""
        total = self._all_noise.shape[0]
        if self._drawn != total:
            self._use(total)
        if self.deadline == math.inf:
            self._costs_of(objective, self._noise, self._costs, draw)
            return
        begun = self.clock()
        if self._seconds < SPARE * (self.deadline - begun):
            self._costs_of(objective, self._noise, self._costs, draw)
            self._seconds = self.clock() - begun
        else:
            self._roll_out_slices(objective, draw, begun)

    def _roll_out_slices(
        self, objective: BlockObjective, draw: sampling.NoiseKey, begun: float
    ) -> None:
        """Fill noise and costs slice by slice, until another one would miss the deadline."""
        noise, costs, total = self._all_noise, self._all_costs, self._all_noise.shape[0]
        signs = costs.shape[0] // total
        size = -(-total // MAX_SLICES)
        done, before, longest = 0, begun, 0.0
        while done < total and (done == 0 or before + longest <= self.deadline):
            last = min(done + size, total)
            part = self._slice_costs[: signs * (last - done)]
            self._costs_of(objective, noise[done:last], part, draw._replace(first=done))
            costs.reshape(signs, total, BLOCK)[:, done:last] = part.reshape(signs, -1, BLOCK)
            now = self.clock()
            done, before, longest = last, now, max(longest, now - before)
        self._seconds = (before - begun) * total / done
        if done < total:
            for sign in range(1, signs):
                costs[sign * done : (sign + 1) * done] = costs[sign * total : sign * total + done]
            self._use(done)

    def _costs_of(
        self, objective: BlockObjective, noise: Floats, costs: Floats, draw: sampling.NoiseKey
    ) -> None:
        objective.evaluate_blocks(
            self.mean, self._factor, noise, costs, self._threads, draw, self._process
        )

    @property
    def sample_count(self) -> int:
        """Return K, or the number of samples before the deadline; even with antithetic pairs."""
        return int(self._lanes * (self._costs.shape[0] // self._noise.shape[0]))

    def whitened_gradient(self) -> Floats:
        """Return Σ w z, float32[T, m], of the last iteration; its norm is the Fisher norm."""
        return self._white

    def score(self) -> NDArray[np.float64]:
        """Return ∇L_Σ ≈ Σ⁻¹ Σ w ε, float64[T, m], of the last iteration."""
        over_time = sampling.unwhiten_transposed(self._process, self.whitened_gradient())
        return np.linalg.solve(self._factor.T.astype(np.float64), over_time.T).T

    def samples(self) -> tuple[Floats, Floats]:
        """
        Return the last iteration's noise ε, float32[K, T, m], and weights, float32[K].

        It copies all noise, for visualization rather than for the control loop.
        """
        noise = self._unit_noise() @ self._factor.T
        weights = self._weights.reshape(-1, self._noise.shape[0] * BLOCK)[:, : self._lanes]
        return noise, weights.reshape(-1).copy()

    def _unit_noise(self) -> Floats:
        """Return n, float32[K, T, m], unpacked from the blocks."""
        lanes = self._noise.transpose(0, 2, 1).reshape(-1, *self.mean.shape)[: self._lanes]
        pairs = self._costs.shape[0] > self._noise.shape[0]
        return np.concatenate([lanes, -lanes]) if pairs else lanes

    def _call(self, function: CostFunction) -> None:
        """Evaluate a plain callable on the controls (K, T, m), clipped to the bounds."""
        controls = self.mean + self._unit_noise() @ self._factor.T
        self._clip(controls)
        costs = np.asarray(function(controls))
        if costs.shape != (self.sample_count,):
            raise InputError(
                f'the cost function returned shape {list(costs.shape)}; '
                f'[{self.sample_count}] is expected'
            )
        rows = self._costs.reshape(-1, self._noise.shape[0] * BLOCK)
        rows[:, : self._lanes] = costs.reshape(-1, self._lanes)


@kernel
def _ascent(average: Any, factor: Any, alpha: Any, process: Any, out: Any, white: Any) -> Any:
    """
    Fill out with α L n̄ and white with z̄ = A⁻¹ n̄ for the average of the noise n̄; return ‖z̄‖.

    All arrays are float32[T, m]. With NumPy operations it takes 8 µs longer, and 35 µs after a
    pause of 50 ms.
    """
    for t in range(out.shape[0]):
        for c in range(out.shape[1]):
            step = np.float32(0.0)
            for k in range(c + 1):
                step += factor[c, k] * average[t, k]
            out[t, c] = np.float32(alpha) * step
    sampling.whiten(process, average, white)
    square = 0.0
    for t in range(white.shape[0]):
        for c in range(white.shape[1]):
            square += np.float64(white[t, c]) ** 2
    return math.sqrt(square)


@kernel
def _shift(plan: Any, ahead: Any) -> None:
    """Shift plan, float32[PAST + T, m], by `ahead` [steps], in place; its end is held."""
    last = plan.shape[0] - PAST - 1
    for t in range(-PAST, last + 1):
        place = min(t + ahead, np.float64(last))
        left = math.floor(place)
        right = min(left + 1, last)
        part = np.float32(place - left)
        for c in range(plan.shape[1]):
            change = plan[PAST + right, c] - plan[PAST + left, c]
            plan[PAST + t, c] = plan[PAST + left, c] + part * change


def checked_bounds(bounds: Bounds, controls: int) -> tuple[Floats, Floats]:
    """
    Return the bounds as float32[m] each, rounded inward so that no float32 exceeds them.

    Raises
    ------
    ParameterError
        They are not a pair, have a wrong shape, contain NaN, or low exceeds high.

    """
    try:
        low, high = (
            np.broadcast_to(np.asarray(end, np.float64), controls) for end in bounds
        )
    except (TypeError, ValueError):
        raise ParameterError(
            f'bounds = {bounds!r} is not a pair (low, high) of numbers or of {controls} numbers'
        ) from None
    for c in range(controls):
        if not low[c] <= high[c] or not low[c] < math.inf or not high[c] > -math.inf:
            raise ParameterError(
                f'bounds of control {c} = [{low[c]:g}, {high[c]:g}]: low ≤ high is expected'
            )
    up, down = np.float32(np.inf), np.float32(-np.inf)
    least, greatest = low.astype(np.float32), high.astype(np.float32)
    least = np.where(least < low, np.nextafter(least, up), least)
    greatest = np.where(greatest > high, np.nextafter(greatest, down), greatest)
    crossed = least > greatest  # equal bounds that are not a float32
    return np.where(crossed, greatest, least), greatest


def smoothed(plan: Floats) -> Floats:
    """
    Return plan, float32[PAST + T, m], without its first PAST rows, smoothed over time.

    Each row becomes the middle of the parabola fitted to it and the four rows on either side; the
    plan is held beyond its end. See Savitzky and Golay (1964).
    """
    rows = np.concatenate([plan, np.repeat(plan[-1:], PAST, axis=0)])
    return np.stack([np.convolve(row, PARABOLA, 'valid') for row in rows.T], axis=1)


def resampled(
    plan: Floats, time_step: float, steps: int, new_time_step: float, past: int = 0
) -> Floats:
    """Resample plan, float32[past + T, m], to another time step; its ends are held."""
    old_times = np.arange(-past, len(plan) - past) * time_step
    times = np.arange(-past, steps) * new_time_step
    columns = [np.interp(times, old_times, column) for column in plan.T]
    return np.stack(columns, axis=1).astype(np.float32)
