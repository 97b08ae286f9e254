"""
Computing time of an MPPI step relative to a hand-written C++ step on the same problem.

The step is a minimal use of the building blocks of this package: a unicycle, one map value, a
point to follow, effort, heading and a goal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
import functools
import importlib
import itertools
from pathlib import Path
import subprocess
import sys
import time
from typing import Any, NamedTuple

from numba import types
import numpy as np

from mppi_ros.benchmark.situation import Situation
from mppi_ros.benchmark.solve import PERIOD, ROUNDS, WARM_UP_CALLS, Solve, timed
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving.rollout import roll_out_blocks
from mppi_ros.evaluation.results import times
from mppi_ros.jit.function_pointer import compile_cfunc, load_pointer
from mppi_ros.jit.simd import BLOCK, gather, inline_njit, stack_int32, stack_row
from mppi_ros.jit.threads import use_threads
from mppi_ros.mppi.noise import AR2Process, NoiseKey
from mppi_ros.mppi.optimizer import Optimizer
from mppi_ros.parameters.declaration import replace
from mppi_ros.parameters.errors import InputError


class LimitProblem(NamedTuple):
    """Parameters of the problem: step, λ/σ², limits, map, weights, goal and start."""

    dt: Any
    per_v: Any
    per_w: Any
    v_min: Any
    v_max: Any
    w_max: Any
    scale: Any
    columns: Any
    obstacle: Any
    collision: Any
    lethal: Any
    path: Any
    effort_v: Any
    effort_w: Any
    heading: Any
    goal: Any
    goal_heading: Any
    goal_x: Any
    goal_y: Any
    goal_c: Any
    goal_s: Any
    x: Any
    y: Any
    c: Any
    s: Any


@inline_njit
def _move(t: Any, mean: Any, factor: Any, sign: Any, noise: Any, p: Any, body: Any) -> None:
    """Limit the commands of step t, add their cost, and integrate all samples."""
    x, y, c, s, total, cells = body
    a, b = mean[t, 0], mean[t, 1]
    sigma_a, sigma_b = sign * factor[0, 0], sign * factor[1, 1]
    last = p.columns - np.float32(1.0)
    noise_a, noise_b = noise[2 * t], noise[2 * t + 1]
    for j in range(BLOCK):
        v = min(max(a + sigma_a * noise_a[j], p.v_min), p.v_max)
        w = min(max(b + sigma_b * noise_b[j], -p.w_max), p.w_max)
        total[j] += (
            p.effort_v * v * v + p.effort_w * w * w
            + p.per_v * a * (v - a) + p.per_w * b * (w - b)
        )  # fmt: skip
        x[j] += p.dt * v * c[j]
        y[j] += p.dt * v * s[j]
        turn = p.dt * w
        square = turn * turn
        sine = turn * (
            np.float32(1.0) - square * (np.float32(1 / 6) - square * np.float32(1 / 120))
        )
        cosine = np.float32(1.0) - square * (np.float32(0.5) - square * np.float32(1 / 24))
        c[j], s[j] = c[j] * cosine - s[j] * sine, s[j] * cosine + c[j] * sine
        column = np.int32(min(max(np.float32(0.0), x[j] * p.scale), last))
        row = np.int32(min(max(np.float32(0.0), y[j] * p.scale), last))
        cells[j] = row * np.int32(p.columns) + column


@inline_njit
def _follow(t: Any, target: Any, p: Any, body: Any, value: Any) -> None:
    """Add the map value and the distance to the reference point of step t."""
    x, y, c, s, total, _ = body
    at_x, at_y, at_c, at_s = target[0, t], target[1, t], target[2, t], target[3, t]
    for j in range(BLOCK):
        dx, dy = x[j] - at_x, y[j] - at_y
        lethal = p.collision if value[j] >= p.lethal else np.float32(0.0)
        total[j] += (
            p.obstacle * value[j] + lethal + p.path * (dx * dx + dy * dy)
            + p.heading * (np.float32(1.0) - c[j] * at_c - s[j] * at_s)
        )  # fmt: skip


class Tables(NamedTuple):
    """Map, float32[n], and reference points, float32[4, T]."""

    cost_map: Any
    target: Any


def _roll_out(
    mean: Any, factor: Any, sign: Any, noise: Any, problem: Any, tables: Any, cost: Any
) -> None:
    """Fill cost, float32[BLOCK]; see rollout.rollout_block."""
    p, (cost_map, target) = load_pointer(problem), load_pointer(tables)
    x, y, c, s, total = stack_row(), stack_row(), stack_row(), stack_row(), stack_row()
    cells, value = stack_int32(), stack_row()
    body = x, y, c, s, total, cells
    for j in range(BLOCK):
        x[j], y[j], c[j], s[j], total[j] = p.x, p.y, p.c, p.s, np.float32(0.0)
    for t in range(mean.shape[0]):
        _move(t, mean, factor, sign, noise, p, body)
        gather(cost_map, cells, value)
        _follow(t, target, p, body, value)
    for j in range(BLOCK):
        dx, dy = x[j] - p.goal_x, y[j] - p.goal_y
        cost[j] = (
            total[j] + p.goal * np.sqrt(dx * dx + dy * dy)
            + p.goal_heading * (np.float32(1.0) - c[j] * p.goal_c - s[j] * p.goal_s)
        )  # fmt: skip


@functools.cache
def _compiled_block() -> Any:
    single, row, rows = types.float32, types.float32[::1], types.float32[:, ::1]
    problem = types.NamedUniTuple(single, len(LimitProblem._fields), LimitProblem)
    tables = types.NamedTuple((row, rows), Tables)
    return compile_cfunc(
        _roll_out, rows, rows, single, rows, types.CPointer(problem), types.CPointer(tables), row
    )


class SimpleObjective:
    """
    Cost of the hand-written step as an objective of the optimiser.

    Parameters
    ----------
    module : module
        limit_problem of the yardstick: PARAMS, and make(), which returns map, start, points, goal
        and mean.

    """

    def __init__(self, module: Any) -> None:
        cost_map, start, target, goal, self.mean = module.make()
        self._tables = Tables(
            np.ascontiguousarray(cost_map, np.float32).reshape(-1),
            np.ascontiguousarray(target, np.float32),
        )
        p = module.PARAMS.astype(np.float32)
        dt, self.temperature, self.sigma_v, self.sigma_w = p[:4]
        numbers = (
            dt, p[1] / p[2] ** 2, p[1] / p[3] ** 2, *p[4:8], module.N, *p[8:], *goal,
            start[0], start[1], np.cos(start[2]), np.sin(start[2]),
        )  # fmt: skip
        self._numbers = np.array(numbers, np.float32)
        self._block = _compiled_block()

    def evaluate_blocks(
        self, mean: Any, factor: Any, noise: Any, costs: Any, threads: int, draw: NoiseKey,
        process: AR2Process,
    ) -> None:  # fmt: skip
        """Fill noise and costs; see BlockObjective."""
        roll_out_blocks(
            self._block, mean, factor, noise, costs, threads, draw, process, self._numbers,
            self._tables,
        )  # fmt: skip

    def project(self, mean: Any) -> None:
        """Clip the mean to the limits."""
        p = LimitProblem(*self._numbers)
        np.clip(mean, (p.v_min, -p.w_max), (p.v_max, p.w_max), out=mean)


def optimizer_of(
    objective: SimpleObjective, samples: int, steps: int, threads: int, pairs: bool
) -> Optimizer:
    """Return an optimiser with the settings of the yardstick: white noise, fixed λ, α = 1."""
    values = {
        'samples': samples, 'horizon_steps': steps, 'threads': threads, 'alpha': 1.0,
        'lambda': float(objective.temperature),
        'sigma': (float(objective.sigma_v), float(objective.sigma_w)),
        'noise.correlation_time': 0.0, 'noise.smoothing_time': 0.0, 'noise.antithetic': pairs,
    }  # fmt: skip
    return Optimizer(replace(ControllerParameters().mppi, values), 2)


def load_yardstick(folder: Path) -> tuple[Any, Any]:
    """
    Return the yardstick's module and its compiled library.

    Raises
    ------
    InputError
        The folder has no yardstick, or it cannot be compiled.

    """
    sys.path.insert(0, str(folder.resolve()))
    try:
        module = importlib.import_module('mppi_limit')
        return module, module.build()
    except ImportError as error:
        raise InputError(f'{folder} holds no yardstick: {error}') from None
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(f'the yardstick in {folder} cannot be compiled: {error}') from None
    finally:
        sys.path.pop(0)
        for name in ('mppi_limit', 'limit_problem'):
            sys.modules.pop(name, None)


def measure(
    folder: Path,
    situation: Situation,
    configuration: ControllerParameters,
    samples: Sequence[int],
    threads: Sequence[int],
    calls: int,
    progress: Callable[[str, float], None],
) -> Iterator[dict[str, Any]]:
    """Yield rows for each program, number of samples and threads, in a hot loop and at 20 Hz."""
    module, library = load_yardstick(folder)
    steps = int(module.problem.T)
    groups = []
    for count, k in itertools.product(threads, samples):
        size = {'samples': k, 'steps': steps, 'threads': count}
        complete = Solve(situation, configuration, k, steps, count)
        calls_of = {
            'C++': _theirs(module, library, k, count),
            'mppi_ros, as simple': _ours(module.problem, k, steps, count, False),
            'mppi_ros, as simple, mirrored pairs': _ours(module.problem, k, steps, count, True),
            'mppi_ros, all critics': complete.call,
        }
        groups.append(
            [
                _YardstickRun({'program': name, **size}, call, [], [])
                for name, call in calls_of.items()
            ]
        )
    runs = list(itertools.chain(*groups))
    for turn in range(ROUNDS):
        progress('in a hot loop', turn / ROUNDS)
        for run in runs:
            use_threads(run.row['threads'])
            timed(run.call, WARM_UP_CALLS if turn == 0 else 3)
            run.hot.extend(timed(run.call, -(-calls // ROUNDS)))
    paced = max(calls // 3, 1)
    for turn in range(paced):
        progress('at 20 Hz', turn / paced)
        for run in runs:
            use_threads(run.row['threads'])
            time.sleep(PERIOD)
            run.paced.extend(timed(run.call, 1))
    for pace, (theirs, *ours) in itertools.product(('hot', '20Hz'), groups):
        yardstick = np.array(theirs.taken(pace))
        for run in (theirs, *ours):
            taken = np.array(run.taken(pace))
            yield {
                **run.row, 'pace': pace, **times(taken), 'calls': len(taken),
                'ratio': round(float(np.median(taken) / np.median(yardstick)), 3),
                'least_ratio': round(float(taken.min() / yardstick.min()), 3),
            }  # fmt: skip


class _YardstickRun(NamedTuple):
    """Program of a measurement, its call, and the times so far [ms]."""

    row: dict[str, Any]
    call: Callable[[], object]
    hot: list[float]
    paced: list[float]

    def taken(self, pace: str) -> list[float]:
        return self.hot if pace == 'hot' else self.paced


def _theirs(module: Any, library: Any, samples: int, threads: int) -> Callable[[], object]:
    limit = module.Limit(library, samples, threads)
    controls, seeds = limit.U0.copy(), iter(range(1, 1 << 30))

    def call() -> None:
        controls[:] = limit.U0
        limit.step(controls, next(seeds))

    return call


def _ours(
    problem: Any, samples: int, steps: int, threads: int, pairs: bool
) -> Callable[[], object]:
    objective = SimpleObjective(problem)
    optimizer = optimizer_of(objective, samples, steps, threads, pairs)
    mean = np.ascontiguousarray(objective.mean.T)

    def call() -> None:
        optimizer.mean[:] = mean
        optimizer.step(objective)

    return call
