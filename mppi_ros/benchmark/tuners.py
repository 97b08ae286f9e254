"""
Comparison of two tuners: the search of mppi_tune, and CMA-ES as in pytorch_mppi.autotune.

The problem is that of tests/auto_tune_parameters.py of pytorch_mppi: a point goes round a hill to
a goal. λ and both standard deviations are tuned. The cost of a set of values is that of the plan
after ten iterations from rest, as the mean of five plans. Each tuner tunes both controllers, so
that the effect of the search is seen apart from that of the controller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
import math
from pathlib import Path
import tempfile
import time
from typing import Any

import numpy as np

from mppi_ros.benchmark.problems import PROBLEMS
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.evaluation.tuning.objective import Objective
from mppi_ros.evaluation.tuning.search import Search
from mppi_ros.evaluation.tuning.space import Axis
from mppi_ros.mppi import Optimizer
from mppi_ros.parameters.declaration import replace as with_changes
from mppi_ros.parameters.errors import InputError

PROBLEM = replace(PROBLEMS['hill'], sigma=(math.sqrt(5.0),) * 2, bounds=2.0)
ITERATIONS = 10  # of a plan
PLANS = 5  # of an evaluation
TEST_PLANS = 40  # of the cost that is reported, with seeds that no tuner has seen
FIRST_TEST_SEED = 1_000_000
# The spaces of pytorch_mppi.autotune_global; there the numbers for Σ are variances.
AXES = (
    Axis('lambda', 1e-5, 1e3, ''), Axis('sigma[0]', 1e-2, 10.0, ''),
    Axis('sigma[1]', 1e-2, 10.0, ''),
)  # fmt: skip

Values = tuple[float, float, float]  # λ and standard deviations
Controller = Callable[[Values, int], float]
START: Values = PROBLEM.temperature, PROBLEM.sigma[0], PROBLEM.sigma[1]


class _Enough(Exception):
    """The evaluations of a search are used up."""


def ours(values: Values, seed: int) -> float:
    """Return the cost of a plan of this package with its defaults; λ = 0 chooses λ."""
    temperature, *sigma = values
    parameters = PROBLEM.settings(
        temperature=temperature, sigma=tuple(sigma), seed=seed, threads=1
    )
    optimizer = Optimizer(parameters, 2, bounds=(-PROBLEM.bounds, PROBLEM.bounds))
    start = np.tile(np.array(PROBLEM.start), (optimizer.sample_count, 1))
    for _ in range(ITERATIONS):
        optimizer.step(partial(PROBLEM.rollout, np, start))
    return _cost(optimizer.mean)


def of_pytorch(values: Values, seed: int) -> float:
    """Return the cost of a plan of pytorch_mppi."""
    import torch

    torch.manual_seed(seed)
    solver = _pytorch_mppi(values)
    start = torch.tensor(PROBLEM.start).double()
    for _ in range(ITERATIONS):
        solver.command(start, shift_nominal_trajectory=False)
    return _cost(solver.U.numpy())


def _pytorch_mppi(values: Values) -> Any:
    from pytorch_mppi import MPPI
    import torch

    temperature, *sigma = values
    high = torch.full((2,), PROBLEM.bounds).double()
    last = PROBLEM.terminal
    assert last is not None
    return MPPI(
        partial(PROBLEM.dynamics, torch), partial(PROBLEM.cost, torch), 2,
        noise_sigma=torch.diag(torch.tensor(sigma).double() ** 2), num_samples=PROBLEM.samples,
        horizon=PROBLEM.horizon_steps, lambda_=temperature, u_min=-high, u_max=high,
        U_init=torch.zeros(PROBLEM.horizon_steps, 2).double(),
        terminal_state_cost=lambda states, _: last(torch, states[..., -1, :]),
    )  # fmt: skip


def _cost(controls: Any) -> float:
    """Return the cost of controls, float[T, 2], from the start."""
    start = np.array([PROBLEM.start])
    plan = np.clip(controls[None].astype(float), -PROBLEM.bounds, PROBLEM.bounds)
    return float(PROBLEM.rollout(np, start, plan)[0])


@dataclass(frozen=True)
class Plan:
    """A plan with one seed, as the search of mppi_tune sees a drive."""

    controller: Controller
    seed: int
    values: Values = START

    @property
    def name(self) -> str:
        """Return the name of the drive."""
        return f'plan {self.seed}'

    def with_configuration(self, configuration: ControllerParameters) -> Plan:
        """Return the plan with λ and standard deviations of a configuration."""
        one, two = configuration.mppi.sigma
        return replace(self, values=(configuration.mppi.temperature, one, two))

    def run(self) -> tuple[dict[str, Any], None]:
        """Compute the plan; return its record."""
        cost = self.controller(self.values, self.seed)
        terms = {'time': cost, 'jerk': 0.0, 'clearance': 0.0, 'comfort': 0.0}
        return {'success': True, 'collision': False, 'rms_jerk': 0.0, 'rms_acceleration': 0.0,
                'terms': terms}, None  # fmt: skip


def by_mppi_tune(controller: Controller, evaluations: int, seed: int) -> Iterator[Values]:
    """Yield the best values after each evaluation of PLANS plans by the search of mppi_tune."""
    configuration = with_changes(
        ControllerParameters(), {'lambda': START[0], 'sigma': START[1:]}
    )
    drives: list[Any] = [Plan(controller, PLANS * seed + k) for k in range(PLANS)]
    with tempfile.TemporaryDirectory() as folder:
        search = Search(
            Path(folder), configuration, AXES, Objective(time=1.0), drives, seed=2 * seed
        )
        search.start(lambda count: None)
        best, plans = [START], 0

        def notify(_progress: object) -> None:
            nonlocal plans
            plans += 1
            if plans % PLANS == 0:
                values, _ = search.best()
                best.append(tuple(values[axis.name] for axis in AXES))  # type: ignore[arg-type]
            if len(best) == evaluations:
                raise _Enough

        with suppress(_Enough):
            search.run(math.inf, notify)
        yield from best


def by_autotune(controller: Controller, evaluations: int, seed: int) -> Iterator[Values]:
    """Yield the best values after each evaluation by pytorch_mppi.autotune with CMA-ES."""
    from pytorch_mppi import autotune
    import torch

    np.random.seed(seed)  # noqa: NPY002, the seed of CMA-ES is drawn from it
    solver = _pytorch_mppi(START)
    plans = 0

    def values() -> Values:
        one, two = solver.noise_sigma.diagonal().sqrt().tolist()
        return float(solver.lambda_), one, two

    def evaluate() -> Any:
        nonlocal plans
        costs = []
        for _ in range(PLANS):  # fresh noise, as in the example
            costs.append(controller(values(), 10_000 * seed + plans))
            plans += 1
        return autotune.EvaluationResult(torch.tensor(costs), torch.zeros(PLANS, 1, 2))

    tuner = autotune.Autotune(
        [autotune.SigmaParameter(solver), autotune.LambdaParameter(solver)],
        evaluate_fn=evaluate, optimizer=autotune.CMAESOpt(sigma=1.0),
    )  # fmt: skip
    best = START
    while True:
        before = plans
        tuner.optimize_step()
        for _ in range((plans - before) // PLANS - 1):
            yield best
        found = tuner.get_best_result().params
        one, two = found['sigma'].sqrt().tolist()
        best = float(found['lambda']), one, two
        yield best
        if plans >= PLANS * evaluations:
            return


CONTROLLERS: dict[str, Controller] = {'mppi_ros': ours, 'pytorch_mppi': of_pytorch}
TUNERS = {'mppi_tune': by_mppi_tune, 'pytorch_mppi.autotune': by_autotune}


def measure(
    evaluations: Sequence[int], seeds: int, progress: Callable[[str, float], None]
) -> Iterator[dict[str, Any]]:
    """
    Yield the cost reached by each tuner of each controller after so many evaluations.

    Raises
    ------
    InputError
        pytorch_mppi or a library of a tuner is not installed.

    """
    try:
        import cma  # noqa: F401
        import pytorch_mppi  # noqa: F401
        import torch
    except ImportError as error:
        raise InputError(f"{error}: pip install 'mppi_ros[peers,tune]'") from None
    torch.set_num_threads(1)
    reached: dict[tuple[str, str, int], list[float]] = {}
    seconds: dict[tuple[str, str], float] = {}
    for seed in range(seeds):
        for place, (tuner, search) in enumerate(TUNERS.items()):
            for other, (name, controller) in enumerate(CONTROLLERS.items()):
                progress(f'{tuner} of {name}', (seed + (2 * place + other) / 4) / seeds)
                begin = time.perf_counter()
                found = list(search(controller, max(evaluations), seed))
                taken = time.perf_counter() - begin
                seconds[name, tuner] = seconds.get((name, tuner), 0.0) + taken
                for count in evaluations:
                    cost = tested(controller, found[count - 1])
                    reached.setdefault((name, tuner, count), []).append(cost)
    for name, controller in CONTROLLERS.items():
        yield _row(name, 'none', 0, [tested(controller, START)], math.nan)
        if controller is ours:
            chosen = tested(controller, (0.0, *START[1:]))
            yield _row(f'{name}, lambda: 0', 'none', 0, [chosen], math.nan)
    for (name, tuner, count), costs in reached.items():
        yield _row(name, tuner, count, costs, seconds[name, tuner] / seeds)


def tested(controller: Controller, values: Values) -> float:
    """Return the mean cost of plans with seeds that no tuner has seen."""
    return float(np.mean([
        controller(values, FIRST_TEST_SEED + k) for k in range(TEST_PLANS)
    ]))  # fmt: skip


def _row(
    controller: str, tuner: str, evaluations: int, costs: Sequence[float], seconds: float
) -> dict[str, Any]:
    return {
        'controller': controller, 'tuner': tuner, 'evaluations': evaluations,
        'cost': round(float(np.mean(costs)), 2), 'least': round(min(costs), 2),
        'greatest': round(max(costs), 2), 'seeds': len(costs), 'seconds': round(seconds, 1),
    }  # fmt: skip
