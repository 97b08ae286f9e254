"""
Five standard control problems for the comparison of samplers.

Dynamics and costs are array-API style functions for NumPy, PyTorch and JAX: `xp` is the module. A
state is float[..., n] and a control float[..., m]; the cost of a step is that of the state after
it. The plant equals the model, so that differences are due to the optimiser alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
import math
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mppi_ros.mppi import MppiParameters, NoiseParameters, Optimizer

Dynamics = Callable[..., Any]
Command = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Problem:
    """
    Control problem: initial state, dynamics, cost, and parameters of the sampling.

    `sigma` has the standard deviation of each control and `bounds` its maximum magnitude. An
    episode has `steps` steps. `temperature` is λ of all programs with a fixed λ.
    """

    name: str
    start: tuple[float, ...]
    sigma: tuple[float, ...]
    bounds: float
    temperature: float
    samples: int
    horizon_steps: int
    time_step: float
    steps: int
    dynamics: Dynamics
    cost: Dynamics
    terminal: Callable[[Any, Any], Any] | None = None

    def rollout(self, xp: Any, state: Any, controls: Any) -> Any:
        """Return the cost, float[K], of controls, float[K, T, m], from a state, float[K, n]."""
        total = 0.0
        for t in range(controls.shape[1]):
            state = self.dynamics(xp, state, controls[:, t])
            total = total + self.cost(xp, state, controls[:, t])
        return total if self.terminal is None else total + self.terminal(xp, state)

    def drive(self, command: Command) -> float:
        """Return the cost of `steps` steps in closed loop with `command`, state -> control."""
        state, total = np.array(self.start), 0.0
        for _ in range(self.steps):
            control = np.clip(command(state), -self.bounds, self.bounds)
            state = self.dynamics(np, state, control)
            total += float(self.cost(np, state, control))
        return total

    def settings(self, **changes: Any) -> MppiParameters:
        """Return parameters with K, T and Σ of this problem; all others are the defaults."""
        values: dict[str, Any] = {
            'samples': self.samples, 'horizon_steps': self.horizon_steps, 'sigma': self.sigma,
            'time_step': self.time_step,
        }  # fmt: skip
        return MppiParameters(**{**values, **changes})

    def ours(self, parameters: MppiParameters, rollout: Dynamics | None = None) -> Command:
        """Return the controller of this package: shift by a step, iterate, first control."""
        costs = rollout or partial(self.rollout, np)
        optimizer = Optimizer(parameters, len(self.sigma), bounds=(-self.bounds, self.bounds))

        def command(state: NDArray[np.float64]) -> NDArray[np.float64]:
            optimizer.shift(self.time_step)
            many = np.tile(state, (optimizer.sample_count, 1))
            optimizer.step(lambda controls: np.asarray(costs(many, controls)))
            first: NDArray[np.float64] = optimizer.mean[0].astype(np.float64)
            return first

        return command


def _linear(xp: Any, x: Any, u: Any) -> Any:
    return xp.stack([x[..., 0] + u[..., 0], x[..., 1] - u[..., 1]], -1)


def _to_goal(xp: Any, x: Any, _u: Any) -> Any:
    return (x[..., 0] - 2.0) ** 2 + (x[..., 1] - 2.0) ** 2


def _slow(xp: Any, x: Any, u: Any) -> Any:
    return _linear(xp, x, 0.5 * u)


def _hill(xp: Any, x: Any, u: Any) -> Any:
    a, b = x[..., 0] + 0.5, x[..., 1] + 1.0
    hill = 200.0 * xp.exp(-0.25 * (a**2 + a * b + b**2))
    return _to_goal(xp, x, u) + hill + 0.01 * (u[..., 0] ** 2 + u[..., 1] ** 2)


def _pendulum(xp: Any, x: Any, u: Any) -> Any:
    angle, speed = x[..., 0], x[..., 1]
    speed = xp.clip(speed + 0.05 * (15.0 * xp.sin(angle) + 3.0 * u[..., 0]), -8.0, 8.0)
    return xp.stack([angle + 0.05 * speed, speed], -1)


def _upright(xp: Any, x: Any, u: Any) -> Any:
    angle = (x[..., 0] + np.pi) % (2.0 * np.pi) - np.pi
    return angle**2 + 0.1 * x[..., 1] ** 2 + 0.001 * u[..., 0] ** 2


def _mountain_car(xp: Any, x: Any, u: Any) -> Any:
    place, speed = x[..., 0], x[..., 1]
    faster = xp.clip(
        speed + 0.0015 * u[..., 0] - 0.0025 * xp.cos(3.0 * place), -0.07, 0.07
    )
    farther = xp.clip(place + faster, -1.2, 0.6)
    faster = xp.where(farther > -1.2, faster, xp.clip(faster, 0.0, 0.07))
    there = place >= 0.45
    return xp.stack([xp.where(there, place, farther), xp.where(there, speed, faster)], -1)


def _not_there(xp: Any, x: Any, u: Any) -> Any:
    return xp.where(x[..., 0] >= 0.45, 0.0, 1.0 + 0.1 * u[..., 0] ** 2)


def _short_of_goal(xp: Any, x: Any) -> Any:
    return 100.0 * xp.clip(0.45 - x[..., 0], 0.0, 2.0)


def _cart_pole(xp: Any, x: Any, u: Any) -> Any:
    place, angle, speed, rate = x[..., 0], x[..., 1], x[..., 2], x[..., 3]
    sine, cosine = xp.sin(angle), xp.cos(angle)
    push = (u[..., 0] + 0.05 * rate**2 * sine) / 1.1
    turn = (9.8 * sine - cosine * push) / (0.5 * (4.0 / 3.0 - 0.1 * cosine**2 / 1.1))
    move = push - 0.05 * turn * cosine / 1.1
    speed, rate = speed + 0.04 * move, rate + 0.04 * turn
    return xp.stack([place + 0.04 * speed, angle + 0.04 * rate, speed, rate], -1)


def _balanced(xp: Any, x: Any, u: Any) -> Any:
    off = 2.0 - 2.0 * xp.cos(x[..., 1])
    moving = 0.01 * (x[..., 2] ** 2 + x[..., 3] ** 2)
    return off + x[..., 0] ** 2 + moving + 0.001 * u[..., 0] ** 2


PROBLEMS = {
    problem.name: problem
    for problem in (
        # tests/test_mppi.py of pytorch_mppi
        Problem('linear', (-3.0, -2.0), (1.0, 1.0), 100.0, 1.0, 500, 10, 0.05, 20, _linear,
                _to_goal),
        # tests/smooth_mppi.py of pytorch_mppi: round a hill to the goal
        Problem('hill', (-3.0, -2.0), (1.0, 1.0), 1.0, 1.0, 500, 20, 0.05, 30, _slow, _hill,
                lambda xp, x: 10.0 * _hill(xp, x, 0.0 * x)),
        # Pendulum-v1 of Gymnasium, from below, with the values of tests/pendulum.py
        Problem('pendulum', (np.pi, 1.0), (10.0**0.5,), 2.0, 1.0, 500, 15, 0.05, 200, _pendulum,
                _upright),
        # MountainCarContinuous-v0 of Gymnasium; each step short of the goal costs 1
        Problem('mountain car', (-0.5, 0.0), (1.0,), 1.0, 1.0, 500, 100, 0.05, 200, _mountain_car,
                _not_there, _short_of_goal),
        # the cart and pole of Barto, Sutton and Anderson (1983), from below
        Problem('cart-pole', (0.0, np.pi, 0.0, 0.0), (5.0,), 10.0, 1.0, 500, 40, 0.04, 150,
                _cart_pole, _balanced, lambda xp, x: 10.0 * _balanced(xp, x, 0.0 * x)),
    )
}  # fmt: skip


def measure(
    names: Sequence[str],
    seeds: int,
    programs: Mapping[str, Callable[[Problem, int], Command]],
    progress: Callable[[str, float], None],
) -> Iterator[dict[str, Any]]:
    """
    Yield the mean cost of each program, its standard error over seeds, and its times.

    All programs use the same K, T, Σ and bounds and start with zero controls; they alternate.
    """
    for place, name in enumerate(names):
        problem = PROBLEMS[name]
        costs: dict[str, list[float]] = {program: [] for program in programs}
        times: dict[str, list[float]] = {program: [] for program in programs}
        for seed in range(seeds):
            progress(name, (place + seed / seeds) / len(names))
            for program, make in programs.items():
                timed = _Timed(make(problem, seed), times[program])
                costs[program].append(problem.drive(timed))
        own = float(np.median(times[next(iter(programs))]))
        for program in programs:
            median = float(np.median(times[program]))
            error = np.std(costs[program], ddof=1) / math.sqrt(seeds) if seeds > 1 else math.nan
            yield {
                'problem': name, 'program': program, 'samples': problem.samples,
                'steps': problem.horizon_steps, 'cost': round(float(np.mean(costs[program])), 3),
                'cost_error': round(float(error), 3), 'seeds': seeds,
                'command_ms': round(1e3 * median, 3), 'time_ratio': round(median / own, 3),
            }  # fmt: skip


def our_programs() -> dict[str, Callable[[Problem, int], Command]]:
    """Return this package with its defaults, and with textbook parameters."""

    def defaults(problem: Problem, seed: int) -> Command:
        return problem.ours(problem.settings(seed=seed))

    def textbook(problem: Problem, seed: int) -> Command:
        white = NoiseParameters(correlation_time=0.0, smoothing_time=0.0, antithetic=False)
        fixed = problem.settings(
            seed=seed, temperature=problem.temperature, alpha=1.0, noise=white
        )
        return problem.ours(fixed)

    return {'mppi_ros, defaults': defaults, 'mppi_ros, textbook': textbook}


class _Timed:
    """Command that records its duration, except for the first calls, which may compile."""

    def __init__(self, command: Command, taken: list[float]) -> None:
        self._command, self._taken, self._calls = command, taken, 0

    def __call__(self, state: NDArray[np.float64]) -> NDArray[np.float64]:
        begun = perf_counter()
        control = self._command(state)
        self._calls += 1
        if self._calls > 3:
            self._taken.append(perf_counter() - begun)
        return control
