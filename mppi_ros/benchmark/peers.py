"""Comparison with other MPPI libraries for Python: time of a solve, cost on five problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
import os
from typing import Any, NamedTuple

import numpy as np

from mppi_ros.benchmark.problems import Command, Problem
from mppi_ros.benchmark.situation import Situation
from mppi_ros.benchmark.solve import ROUNDS, WARM_UP_CALLS, Solve, timed
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving.path import ReferencePath
from mppi_ros.evaluation.results import times
from mppi_ros.parameters.declaration import replace
from mppi_ros.parameters.errors import InputError

PEER_CALL_DIVISOR = 4  # a peer is called less often, at least once in each round


class PytorchMppi:
    """
    Solve by pytorch_mppi of a unicycle with a cost that is simpler than the default critics.

    The cost consists of the distance field, the squared distance to a point that moves along the
    path at top speed, heading and effort.
    """

    def __init__(
        self, situation: Situation, configuration: ControllerParameters, samples: int, steps: int
    ) -> None:
        import torch

        self._torch = torch
        c = replace(configuration, {'samples': samples, 'horizon_steps': steps})
        dt = c.mppi.time_step
        ours = Solve(situation, c, samples, steps, threads=1)
        field = ours.field
        distance = torch.from_numpy(field.distance)
        height, width = distance.shape
        path = ReferencePath.from_poses(situation.plan)
        begin, _ = path.project(situation.state.x, situation.state.y)
        arc = np.minimum(begin + dt * c.limits.vx_max * np.arange(steps), path.length)
        places = np.stack([np.interp(arc, path.arc, axis) for axis in path.points.T], axis=1)
        yaws = np.interp(arc, path.arc, np.unwrap(path.yaw))
        target = torch.tensor(np.column_stack([places, yaws]), dtype=torch.float32)
        radius, margin = ours.radius, c.critics.obstacle.margin

        def dynamics(state: Any, control: Any, _t: int) -> Any:
            x, y, yaw = state.unbind(-1)
            v, w = control.unbind(-1)
            return torch.stack(
                (x + dt * v * torch.cos(yaw), y + dt * v * torch.sin(yaw), yaw + dt * w), dim=-1
            )

        def cost(state: Any, control: Any, t: int) -> Any:
            x, y, yaw = state.unbind(-1)
            column = ((x - field.origin_x) / field.resolution).long().clamp(0, width - 1)
            row = ((y - field.origin_y) / field.resolution).long().clamp(0, height - 1)
            near = torch.clamp(margin + radius - distance[row, column], min=0.0)
            error = (x - target[t, 0]) ** 2 + (y - target[t, 1]) ** 2
            heading = 1.0 - torch.cos(yaw - target[t, 2])
            return near**2 + error + 0.1 * heading + 0.01 * (control**2).sum(-1)

        from pytorch_mppi import MPPI

        self._solver = MPPI(
            dynamics, cost, 3, noise_sigma=torch.diag(torch.tensor(c.sampling.sigma) ** 2),
            num_samples=samples, horizon=steps, lambda_=0.1, step_dependent_dynamics=True,
            u_min=torch.tensor([c.limits.vx_min, -c.limits.wz_max]),
            u_max=torch.tensor([c.limits.vx_max, c.limits.wz_max]),
        )  # fmt: skip
        state = situation.state
        self._state = torch.tensor([state.x, state.y, state.yaw], dtype=torch.float32)

    def begin(self, threads: int) -> None:
        """Set the number of threads of the following calls."""
        self._torch.set_num_threads(threads)

    def call(self) -> None:
        """Shift the mean, sample, roll out, weight and average."""
        self.command = self._solver.command(self._state)


def measure(
    situation: Situation,
    configuration: ControllerParameters,
    sizes: Sequence[tuple[int, int]],
    threads: Sequence[int],
    calls: int,
    progress: Callable[[str, float], None],
) -> Iterator[dict[str, Any]]:
    """
    Yield rows for each program, size (K, T) and number of threads, in a hot loop.

    Raises
    ------
    InputError
        A peer is not installed.

    """
    _import_torch()
    theirs = f'pytorch_mppi {version("pytorch_mppi")}'
    runs: list[_PeerRun] = []
    for samples, steps in sizes:
        peer = PytorchMppi(situation, configuration, samples, steps)
        for count in threads:
            ours = Solve(situation, configuration, samples, steps, count)
            size = {'samples': samples, 'steps': steps, 'threads': count, 'pace': 'hot'}
            runs.append(
                _PeerRun({'program': 'mppi_ros', **size}, ours.begin, ours.call, calls, [])
            )
            begin = partial(peer.begin, count)
            few = max(calls // PEER_CALL_DIVISOR, ROUNDS)
            runs.append(_PeerRun({'program': theirs, **size}, begin, peer.call, few, []))
    for turn in range(ROUNDS):
        for index, run in enumerate(runs):
            label = f'{run.row["program"]}, K = {run.row["samples"]}'
            progress(label, (turn + index / len(runs)) / ROUNDS)
            run.begin()
            timed(run.call, WARM_UP_CALLS if turn == 0 and run.row['program'] == 'mppi_ros' else 3)
            run.taken.extend(timed(run.call, -(-run.calls // ROUNDS)))
    for run in runs:
        yield {**run.row, 'phase': 'solve', **times(run.taken), 'calls': len(run.taken)}


def peers_on_problems() -> dict[str, Callable[[Problem, int], Command]]:
    """Return the installed peers with textbook parameters."""
    found: dict[str, Callable[[Problem, int], Command]] = {}
    try:
        _import_torch()
        found[f'pytorch_mppi {version("pytorch_mppi")}'] = pytorch_command
    except InputError:
        pass
    try:
        import hydrax.algs.mppi  # noqa: F401

        found[f'hydrax {_version("hydrax")}'.strip()] = hydrax_command
    except ImportError:
        pass
    try:
        import jax  # noqa: F401

        found['mppi_ros, rollout by JAX'] = jax_command
    except ImportError:
        pass
    return found


def jax_command(problem: Problem, seed: int) -> Command:
    """Return this package with its defaults and a rollout that is compiled by JAX."""
    return problem.ours(problem.settings(seed=seed), _jax_rollout(problem))


@cache
def _jax_rollout(problem: Problem) -> Any:
    import jax
    import jax.numpy as jnp

    return jax.jit(partial(problem.rollout, jnp))


def pytorch_command(problem: Problem, seed: int) -> Command:
    """Return pytorch_mppi on a problem, in double precision as in its examples."""
    from pytorch_mppi import MPPI
    import torch

    torch.set_num_threads(1)  # as for the other programs
    torch.manual_seed(seed)
    m, high = len(problem.sigma), torch.full((len(problem.sigma),), problem.bounds).double()
    last = problem.terminal
    solver = MPPI(
        partial(problem.dynamics, torch), partial(problem.cost, torch), len(problem.start),
        noise_sigma=torch.diag(torch.tensor(problem.sigma).double() ** 2),
        num_samples=problem.samples, horizon=problem.horizon_steps, lambda_=problem.temperature,
        u_min=-high, u_max=high, U_init=torch.zeros(problem.horizon_steps, m).double(),
        terminal_state_cost=last and (lambda states, _: last(torch, states[..., -1, :])),
    )  # fmt: skip
    return lambda state: np.asarray(solver.command(torch.from_numpy(state)))


def hydrax_command(problem: Problem, seed: int) -> Command:
    """
    Return the MPPI of hydrax on a problem: its sampling, warm start and update in JAX.

    The dynamics of the problem replace its MuJoCo rollout. Each step has its own knot.
    """
    import jax.numpy as jnp

    solver, optimize, action, state_of = _hydrax_solver(problem)
    parameters, time = solver.init_params(seed=seed), 0.0

    def command(state: Any) -> Any:
        nonlocal parameters, time
        parameters, _ = optimize(state_of(time, state), parameters)
        control = action(parameters, jnp.float32(time + 0.25))
        time += 1.001  # [steps] past the next knot in spite of rounding
        return np.asarray(control, np.float64)

    return command


@cache
def _hydrax_solver(problem: Problem) -> Any:
    """Return the hydrax solver of a problem, its compiled step and action, and its state type."""
    from types import SimpleNamespace

    from hydrax.algs.mppi import MPPI
    import jax
    import jax.numpy as jnp

    steps, m = problem.horizon_steps, len(problem.sigma)
    high = jnp.full(m, problem.bounds)
    task = SimpleNamespace(
        model=SimpleNamespace(nu=m), dt=1.0, u_min=-high, u_max=high
    )

    class Rollouts(NamedTuple):
        costs: Any
        knots: Any

    class State(NamedTuple):
        time: Any
        x: Any

    class OnProblem(MPPI):
        def rollout_with_randomizations(
            self, state: Any, tk: Any, knots: Any, rng: Any
        ) -> Any:
            many = jnp.tile(state.x, (problem.samples, 1))
            costs = problem.rollout(jnp, many, knots)
            return Rollouts(costs[:, None], knots)

    solver = OnProblem(
        task, num_samples=problem.samples, noise_level=jnp.array(problem.sigma),
        temperature=problem.temperature, plan_horizon=steps - 1.0,
        num_knots=steps,
    )  # fmt: skip

    def state_of(time: float, x: Any) -> State:
        return State(jnp.float32(time), jnp.asarray(x))

    return solver, jax.jit(solver.optimize), jax.jit(solver.get_action), state_of


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # run from its sources
        return ''


class _PeerRun(NamedTuple):
    """Program and size of a measurement, its call, and the times so far [ms]."""

    row: dict[str, Any]
    begin: Callable[[], None]
    call: Callable[[], None]
    calls: int
    taken: list[float]


def _import_torch() -> None:
    """Import the peers with the default waiting policy of their threads."""
    policy = os.environ.pop('OMP_WAIT_POLICY', '')
    try:
        import pytorch_mppi  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise InputError(
            f'{error.name} is not installed; pip install torch pytorch-mppi'
        ) from None
    finally:
        if policy:
            os.environ['OMP_WAIT_POLICY'] = policy
