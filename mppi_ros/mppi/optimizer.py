"""
MPPI as natural-gradient ascent: x̄ ← x̄ + α Σ ∇L_Σ(x̄) = x̄ + α Σ_i w_i ε_i.

One iteration: draw ε ~ N(0, Σ), evaluate f(x̄ + ε), weight by exp(−f/λ), step, project to the
bounds. The module is independent of the meaning of the controls: f is any callable from controls
(K, T, m) to costs (K,), or an objective that evaluates blocks of noise itself.

More than 400 lines: one class, whose attributes and errors are documented.
"""

from __future__ import annotations

from collections.abc import Callable
import copy
from dataclasses import dataclass
import math
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.jit.simd import BLOCK, empty_rows, kernel
from mppi_ros.jit.threads import choose_threads, use_threads
from mppi_ros.mppi import noise as sampling
from mppi_ros.mppi import score
from mppi_ros.mppi.objective import BlockObjective, CostFunction
from mppi_ros.mppi.parameters import MppiParameters, checked_controls
from mppi_ros.mppi.sequences import (
    PAST,
    Bounds,
    Floats,
    checked_bounds,
    resampled,
    shift,
    smoothing_matrix,
)
from mppi_ros.mppi.validation import (
    MAX_FLOAT32,
    finite_array,
    number_within,
    real_number,
    refuse_mask,
)
from mppi_ros.parameters.errors import InputError, ParameterError

MAX_SLICES = 8  # of a solve with a deadline
FEW = 4000  # samples below which averaging on one thread is faster
LEAST_FACTOR, GREATEST_FACTOR = 1e-6, 1e6  # of `step`
SPARE = 0.5  # of the remaining time: an expected solve time below it needs no slices


@dataclass(frozen=True)
class IterationStatistics:
    """
    Statistics of one step of the optimiser, at the mean before its last iteration.

    Attributes
    ----------
    temperature : float
        λ of the weights.
    smoothed_objective : float
        Estimate of L_Σ(x̄); −inf if no sample had a finite cost, infinite also if it exceeds double
        precision.
    ess : float
        Effective sample size; 0 if no sample had a finite cost.
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
        return self.ess > 0.0


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
        objective that evaluates blocks must clip its samples itself. They may be set like the
        argument.
    mean : float32[T, m]
        x̄, a view of a longer plan that begins in the past. Values that are set are checked and
        copied; they may also be modified in place.
    parameters : MppiParameters
        The parameters in force; setting them is the same as `configure`.
    deadline : float
        Time on `clock` at which to stop [s]. For an objective that evaluates blocks, as many
        samples are drawn as the time allows, at least one of MAX_SLICES slices. With infinity no
        clock is read and the result depends on the inputs only.
    clock : callable
        Returns the time [s]; with recorded readings a solve with a deadline can be replayed.

    Raises
    ------
    ParameterError
        parameters is of another type, controls is not a positive integer, or sigma or bounds do
        not match it.

    """

    def __init__(
        self, parameters: MppiParameters, controls: int, bounds: Bounds | None = None
    ) -> None:
        _check_type(parameters)
        self._controls = checked_controls(controls)
        self._bounds = None if bounds is None else checked_bounds(bounds, self._controls)
        shape = PAST + parameters.horizon_steps, self._controls
        self._plan: Floats = np.zeros(shape, np.float32)
        self._mean = self._plan[PAST:]
        self._deadline = math.inf
        self._clock: Callable[[], float] = time.perf_counter
        self._temperature_guess = 0.0
        self._cost_offset = 0.0  # subtracted from the costs of a plain callable
        self._steps = 0
        self._parameters = parameters
        self.configure(parameters)
        self._clip(self._plan)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore an unpickled optimiser: its views refer to its own arrays."""
        vars(self).update(state)
        self._mean = self._plan[PAST:]
        self._use(self._drawn)

    def __copy__(self) -> Optimizer:
        """Return an optimiser that shares no array with this one."""
        return copy.deepcopy(self)

    @property
    def mean(self) -> Floats:
        """
        The mean x̄, float32[T, m]; the next step projects what is set to the bounds.

        Raises
        ------
        InputError
            The shape is not [T, m], or a value is not finite in single precision.

        """
        return self._mean

    @mean.setter
    def mean(self, value: ArrayLike) -> None:
        self._mean[:] = finite_array('mean', value, *self._mean.shape, greatest=MAX_FLOAT32)

    @property
    def bounds(self) -> tuple[Floats, Floats] | None:
        """Minimum and maximum of each control, float32[m] each, or None; see `Optimizer`."""
        return self._bounds

    @bounds.setter
    def bounds(self, value: Bounds | None) -> None:
        self._bounds = None if value is None else checked_bounds(value, self._controls)
        self._clip(self._plan)

    @property
    def controls(self) -> int:
        """Controls per step, m."""
        return self._controls

    @property
    def deadline(self) -> float:
        """Time on `clock` at which to stop [s]; see `Optimizer`."""
        return self._deadline

    @deadline.setter
    def deadline(self, value: float) -> None:
        self._deadline = number_within('deadline', value, -math.inf, math.inf)

    @property
    def clock(self) -> Callable[[], float]:
        """Returns the time [s]; see `Optimizer`."""
        return self._clock

    @clock.setter
    def clock(self, value: Callable[[], float]) -> None:
        if not callable(value):
            raise InputError(f'clock = {value!r} is not a function that returns the time [s]')
        self._clock = value

    @property
    def parameters(self) -> MppiParameters:
        """The parameters in force; setting them is the same as `configure`."""
        return self._parameters

    @parameters.setter
    def parameters(self, value: MppiParameters) -> None:
        self.configure(value)

    def configure(self, parameters: MppiParameters) -> None:
        """
        Set new parameters; the mean is resampled if the time steps change.

        Raises
        ------
        ParameterError
            parameters is of another type, or sigma does not match the controls; nothing has
            changed.

        """
        _check_type(parameters)
        factor = parameters.cholesky(self._controls).astype(np.float32)
        old = self._parameters
        steps, m = parameters.horizon_steps, self._controls
        if (steps, parameters.time_step) != (old.horizon_steps, old.time_step):
            self._plan = resampled(
                self._plan, old.time_step, steps, parameters.time_step, PAST
            )
            self._mean = self._plan[PAST:]
        self._parameters = parameters
        self._configured_factor = self._factor = factor
        self._process = sampling.ar2_process(*parameters.poles())
        antithetic = parameters.noise.antithetic
        drawn = sampling.block_count(parameters.samples, antithetic)
        blocks = 2 * drawn if antithetic else drawn
        self._all_lanes = -(-parameters.samples // 2) if antithetic else parameters.samples
        self._threads = choose_threads(parameters.threads, parameters.samples * steps)
        self._few = self._threads == 1 or parameters.samples < FEW
        self._all_noise: Floats = empty_rows(drawn, steps * m, BLOCK)
        self._all_costs: Floats = empty_rows(blocks, BLOCK)
        self._all_weights: Floats = empty_rows(blocks, BLOCK)
        self._all_weights[:] = 0.0
        self._slice_costs: Floats = empty_rows(blocks, BLOCK)
        self._seconds = math.inf  # [s] of the last complete rollout
        self._sampled = False  # the noise is memory that was never written
        self._use(drawn)
        self._average: Floats = np.zeros((steps, m), np.float32)
        self._ascent: Floats = np.zeros((steps, m), np.float32)
        self._white: Floats = np.zeros((steps, m), np.float32)
        self._smoothing = smoothing_matrix(steps)

    def reset(self) -> None:
        """Discard the warm start and restart the random numbers."""
        self._plan[:] = 0.0
        self._clip(self._plan)
        self._steps = 0
        self._temperature_guess = 0.0

    def shift(self, seconds: float) -> None:
        """
        Shift the mean by the elapsed time [s]; the last control is held at the end.

        Raises
        ------
        InputError
            seconds is not a number.

        """
        ahead = seconds if type(seconds) is float else real_number('seconds', seconds)
        if math.isnan(ahead):
            raise InputError(f'seconds = {seconds!r} is not a number')
        if ahead > 0.0:
            shift(self._plan, ahead / self._parameters.time_step)

    def step(
        self,
        objective: BlockObjective | CostFunction,
        ess_scale: float = 1.0,
        extra_sigma_scale: float = 1.0,
        smooth: bool = True,
    ) -> IterationStatistics:
        """
        Run the configured number of iterations on f and return the statistics of the last.

        The target effective sample size, or a fixed λ, is multiplied by `ess_scale`, and the
        standard deviations in Σ by `extra_sigma_scale`. `smooth` False leaves out the smoothing
        of the parameters in this step.

        Raises
        ------
        InputError
            The objective is neither callable nor a BlockObjective, its sigma_scale is not an array
            of m positive numbers, a plain callable returns costs of a wrong shape or costs that
            are not real numbers, the mean is not finite before it is called, or a factor is
            outside [1e-6, 1e6].

        """
        ess_scale = _factor('ess_scale', ess_scale)
        extra_sigma_scale = _factor('extra_sigma_scale', extra_sigma_scale)
        # isinstance with the protocol would take longer than computing all weights
        blocks = hasattr(objective, 'evaluate_blocks')
        if not (blocks or callable(objective)):
            raise InputError(
                f'objective is of type {type(objective).__name__}, neither a function of the '
                'controls nor an object with the method evaluate_blocks'
            )
        self._clip(self._mean)
        use_threads(self._threads)
        self._factor = (
            self._configured_factor
            if extra_sigma_scale == 1.0
            else np.float32(extra_sigma_scale) * self._configured_factor
        )
        sigma_scale = getattr(objective, 'sigma_scale', None)
        if sigma_scale is not None:
            scale = np.asarray(sigma_scale, np.float32)
            if scale.shape != (self._controls,) or not 0.0 < scale.min() <= scale.max() < math.inf:
                raise InputError(
                    f'sigma_scale = {sigma_scale!r} is not an array of {self._controls} numbers '
                    'in (0, inf)'
                )
            self._factor = scale[:, None] * self._factor
        result = self._iterate(objective, blocks, ess_scale)
        for _ in range(self._parameters.iterations - 1):
            if self._deadline < math.inf and self._clock() > self._deadline:
                break
            result = self._iterate(objective, blocks, ess_scale)
        if smooth and self._parameters.smoothing and result.valid:
            self._mean[:] = self._smoothing @ self._plan
            self._project(objective)
        return result

    def _iterate(self, objective: Any, blocks: bool, ess_scale: float) -> IterationStatistics:
        """Sample, evaluate, weigh, step."""
        self._sample_and_evaluate(objective, blocks)  # ε_i ~ N(0, Σ), f_i = f(x̄ + ε_i)
        temperature, ess, best, total = self._weigh(ess_scale)  # w_i ∝ exp(−f_i / λ)
        if not total > 0.0:
            return IterationStatistics(temperature, -math.inf, 0.0, 0.0, 0.0, best)
        norm = self._step_mean(objective)  # x̄ ← x̄ + α Σ_i w_i ε_i
        return IterationStatistics(
            temperature=temperature,
            smoothed_objective=math.log(total / self.sample_count) - best / temperature,
            ess=ess,
            score_norm=norm,
            kl=0.5 * (self._parameters.alpha * norm) ** 2,
            best_cost=best,
        )

    def _sample_and_evaluate(self, objective: Any, blocks: bool) -> None:
        """Draw the noise and compute the cost of each sample."""
        key = sampling.NoiseKey(self._parameters.seed, self._steps, True, 0)
        self._steps += 1
        self._cost_offset = 0.0
        if blocks:
            self._roll_out(objective, key)
        else:
            draw = sampling.draw_serial if self._threads == 1 else sampling.draw_parallel
            draw(key.seed, key.step, self._process, self._controls, self._noise)
            self._call(objective)
        self._sampled = True

    def _weigh(self, ess_scale: float) -> tuple[float, float, float, float]:
        """Compute the weights; return temperature, ESS, least cost and sum of the weights."""
        parameters = self._parameters
        temperature = parameters.temperature
        if temperature > 0.0:  # 0 would choose λ
            temperature = max(ess_scale * temperature, sys.float_info.min)
        found: tuple[float, float, float, float] = score.compute_weights(
            self._costs, self._noise.shape[0], self._lanes, temperature,
            ess_scale * parameters.ess_share * self.sample_count, self._temperature_guess,
            self._weights,
        )  # fmt: skip
        temperature, ess, best, total = found
        if total > 0.0:
            self._temperature_guess = temperature
        return temperature, ess, best + self._cost_offset, total

    def _step_mean(self, objective: Any) -> float:
        """Move the mean along the natural gradient; return the norm of the whitened gradient."""
        average = score.average if self._few else score.average_parallel
        average(self._weights, self._noise, self._average.reshape(-1))
        norm: float = _ascent(
            self._average, self._factor, self._parameters.alpha, self._process, self._ascent,
            self._white,
        )  # fmt: skip
        self._mean += self._ascent
        self._project(objective)
        return norm

    def _project(self, objective: Any) -> None:
        """Project the mean to the feasible set of the objective and to the bounds."""
        project = getattr(objective, 'project', None)
        if project is not None:
            project(self._mean)
        self._clip(self._mean)

    def _clip(self, controls: Floats) -> None:
        """Clip controls, float32[..., m], to the bounds, in place."""
        if self._bounds is not None:
            np.clip(controls, *self._bounds, out=controls)

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
        if self._deadline == math.inf:
            self._costs_of(objective, self._noise, self._costs, draw)
            return
        begun = self._clock()
        if self._seconds < SPARE * (self._deadline - begun):
            self._costs_of(objective, self._noise, self._costs, draw)
            self._seconds = self._clock() - begun
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
        while done < total and (done == 0 or before + longest <= self._deadline):
            last = min(done + size, total)
            part = self._slice_costs[: signs * (last - done)]
            self._costs_of(objective, noise[done:last], part, draw._replace(first=done))
            costs.reshape(signs, total, BLOCK)[:, done:last] = part.reshape(signs, -1, BLOCK)
            now = self._clock()
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
            self._mean, self._factor, noise, costs, self._threads, draw, self._process
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

        Raises
        ------
        InputError
            There has been no iteration with these parameters.

        """
        self._check_sampled()
        return self._unit_noise() @ self._factor.T, self.weights()

    def weights(self) -> Floats:
        """Return a copy of the last iteration's weights, float32[K]; their sum is 1."""
        weights = self._weights.reshape(-1, self._noise.shape[0] * BLOCK)[:, : self._lanes]
        return weights.reshape(-1).copy()

    def gain_along_step(self, factors: ArrayLike) -> NDArray[np.float64]:
        """
        Return L̂_Σ(x̄ + a Σ w ε) − L̂_Σ(x̄), float64[n], of the last iteration for factors a.

        It is log Σ_i w_i exp(a z_i·z̄ − a² ‖z̄‖²/2) with the whitened noise z and z̄ = Σ w z, the
        estimate of `score.reweighted_objective`. It is never below `score.ascent_lower_bound`, by
        Jensen's inequality. It copies all noise.

        Raises
        ------
        InputError
            factors is not an array of n finite numbers, there has been no iteration with these
            parameters, or the last one had no finite cost.

        """
        self._check_sampled()
        if not self._weights.any():
            raise InputError('the last iteration had no finite cost')
        factors = finite_array('factors', factors, 'n')
        weights = self.weights().astype(np.float64)
        along = sampling.unwhiten_transposed(self._process, self._white)
        products = np.tensordot(self._unit_noise(), along, 2)  # z_i·z̄
        square = float(np.sum(self._white.astype(np.float64) ** 2))
        exponents = factors[:, None] * products
        largest = exponents.max(axis=1)
        sums = np.exp(exponents - largest[:, None]) @ weights
        gain: NDArray[np.float64] = np.log(sums) + largest - 0.5 * factors**2 * square
        return gain

    def share_below(self, cost: float) -> float:
        """
        Return the share of the last iteration's samples that cost less than `cost`.

        Raises
        ------
        InputError
            cost is not a number, or there has been no iteration with these parameters.

        """
        self._check_sampled()
        costs = self._costs.reshape(-1, self._noise.shape[0] * BLOCK)[:, : self._lanes]
        limit = real_number('cost', cost) - self._cost_offset
        return float(np.count_nonzero(costs < limit)) / self.sample_count

    def _check_sampled(self) -> None:
        if not self._sampled:
            raise InputError('there has been no iteration with these parameters')

    def _unit_noise(self) -> Floats:
        """Return n, float32[K, T, m], unpacked from the blocks."""
        lanes = self._noise.transpose(0, 2, 1).reshape(-1, *self._mean.shape)[: self._lanes]
        pairs = self._costs.shape[0] > self._noise.shape[0]
        return np.concatenate([lanes, -lanes]) if pairs else lanes

    def _call(self, function: CostFunction) -> None:
        """Evaluate a plain callable on the controls (K, T, m), clipped to the bounds."""
        # It may have been modified in place. The square of its norm is found in less than 1 µs.
        if not math.isfinite(np.vdot(self._mean, self._mean)):
            finite_array('mean', self._mean, *self._mean.shape)
        controls = self._mean + self._unit_noise() @ self._factor.T
        self._clip(controls)
        returned = function(controls)
        refuse_mask('costs', returned)
        try:
            costs = np.asarray(returned)
        except (TypeError, ValueError) as error:
            raise InputError(f'the cost function returned no array of numbers: {error}') from None
        if costs.shape != (self.sample_count,):
            raise InputError(
                f'the cost function returned shape {list(costs.shape)}; '
                f'[{self.sample_count}] is expected'
            )
        if costs.dtype.kind not in 'biuf':
            raise InputError(
                f'the cost function returned values of type {costs.dtype.type.__name__}; '
                'real numbers are expected'
            )
        rows = self._costs.reshape(-1, self._noise.shape[0] * BLOCK)
        with np.errstate(over='ignore'):  # a cost far above the minimum becomes +inf
            if not np.can_cast(costs.dtype, np.float32):
                costs, self._cost_offset = _without_offset(costs.astype(np.float64))
            rows[:, : self._lanes] = costs.reshape(-1, self._lanes)


def _factor(name: str, value: Any) -> float:
    """Return a factor of `step` as a float."""
    if type(value) is float and LEAST_FACTOR <= value <= GREATEST_FACTOR:
        return value
    return number_within(name, value, LEAST_FACTOR, GREATEST_FACTOR)


def _check_type(parameters: Any) -> None:
    if not isinstance(parameters, MppiParameters):
        raise ParameterError(f'parameters = {parameters!r} must be of type MppiParameters')


def _without_offset(costs: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return costs, float64[K], less their finite minimum, and that minimum, or 0 if none is."""
    finite = np.isfinite(costs)
    offset = float(costs.min(where=finite, initial=math.inf)) if finite.any() else 0.0
    return costs - offset, offset


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
