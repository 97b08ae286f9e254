"""Computing time of one solve and its phases, in a hot loop and at 20 Hz, on several threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import functools
import time
from typing import Any

import numba
import numpy as np

from mppi_ros.benchmark.situation import Situation, obstacles_around
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.critics import CRITICS
from mppi_ros.driving.distance_field import DistanceField, distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.objective import DrivingObjective
from mppi_ros.driving.path import ReferencePath
from mppi_ros.driving.plugin import load_plugin
from mppi_ros.evaluation.results import times
from mppi_ros.jit.simd import BLOCK, empty_rows
from mppi_ros.mppi import noise, score
from mppi_ros.mppi.optimizer import Optimizer
from mppi_ros.parameters.declaration import replace

PERIOD = 0.05  # [s] of the pace '20Hz'
WARM_UP_CALLS = 50  # calls before the measurement
LARGE_MAP_CELLS = 1000  # side of the tiled map for the distance field
ROUNDS = 10  # configurations alternate, so that drift of the machine affects all of them


class Solve:
    """
    One optimiser in one situation, with its phases as separate calls.

    Parameters
    ----------
    situation : Situation
        Situation of the robot.
    configuration : ControllerParameters
        All parameters.
    samples, steps, threads : int
        K, T and the threads of the solve.
    name : str
        Name of the solve in the results.
    obstacles : int
        Moving obstacles around the robot.

    """

    def __init__(
        self,
        situation: Situation,
        configuration: ControllerParameters,
        samples: int,
        steps: int,
        threads: int,
        name: str = 'solve',
        obstacles: int = 0,
    ) -> None:
        changes = {'samples': samples, 'horizon_steps': steps, 'threads': threads}
        self._configuration = replace(configuration, changes)
        self._situation, self.name = situation, name
        self.samples, self.steps, self.threads = samples, steps, threads
        self._footprint = Footprint.of(configuration.robot)
        self.radius = self._footprint.inscribed_radius
        self._obstacles = obstacles_around(
            situation.state, obstacles, configuration.moving_obstacles.velocity_std,
            configuration.critics.moving_obstacle.comfort_distance,
        )  # fmt: skip
        self._path = ReferencePath.from_poses(situation.plan)
        self._progress = self._path.project(situation.state.x, situation.state.y)[0]
        self.field = self._distances(situation.costmap)
        self._objective = self._objective_of(self._configuration)
        self._optimizer = Optimizer(self._configuration.sampling, self._configuration.controls)

    @property
    def label(self) -> str:
        """Return the name of the measurement, built from its values."""
        model = self._configuration.motion_model
        threads = f'{self.threads} thread{"" if self.threads == 1 else "s"}'
        return f'{self.name}[K={self.samples},T={self.steps},{model},{threads}]'

    def begin(self) -> None:
        """Set the number of threads of all kernels for the following calls."""
        if self.threads > 1:
            numba.set_num_threads(self.threads)

    def call(self) -> None:
        """Run the solve as a control tick does between measurement and command."""
        self._prepare(self._objective)
        self._optimizer.step(self._objective)
        self._optimizer.shift(self._configuration.mppi.time_step)

    def phases(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """
        Yield the phases of a solve and of its preparation as (name, call).

        A solve draws the noise of a block when it rolls the block out: 'noise and rollout'. The
        critics are one fused loop: 'rollout without X' is that loop with the weight of X at 0.
        """
        serial = self.threads == 1
        mppi = self._configuration.mppi
        m = self._configuration.controls
        process = noise.ar2_process(*mppi.poles())
        drawn = noise.block_count(self.samples, mppi.noise.antithetic)
        pairs = 2 if mppi.noise.antithetic else 1
        lanes = -(-self.samples // pairs)
        unit = empty_rows(drawn, self.steps * m, BLOCK)
        costs, weights = empty_rows(pairs * drawn, BLOCK), empty_rows(pairs * drawn, BLOCK)
        average = np.empty(self.steps * m, np.float32)
        factor = mppi.cholesky(m).astype(np.float32)
        mean = self._optimizer.mean.copy()
        draw = noise.draw_serial if serial else noise.draw_parallel
        wanted = mppi.ess_share * pairs * lanes

        def roll(objective: DrivingObjective) -> Callable[[], object]:
            return lambda: objective.evaluate_blocks(mean, factor, unit, costs, self.threads)

        self.call()
        yield 'noise', lambda: draw(mppi.seed, 0, process, m, unit)
        yield 'noise, were it white', lambda: draw(mppi.seed, 0, noise.WHITE, m, unit)
        yield 'rollout', roll(self._objective)
        fresh = noise.NoiseKey(mppi.seed, 0, True, 0)
        yield 'noise and rollout', lambda: self._objective.evaluate_blocks(
            mean, factor, unit, costs, self.threads, fresh, process
        )
        yield 'weights', lambda: score.compute_weights(
            costs, drawn, lanes, mppi.temperature, wanted, 1.0, weights
        )
        yield 'weighted sum', lambda: score.average(weights, unit, average)
        yield 'projection', lambda: self._objective.project(mean)
        yield 'prepare', lambda: self._prepare(self._objective)
        yield 'path projection', lambda: self._path.project(
            self._situation.state.x, self._situation.state.y, self._progress
        )
        yield 'path', lambda: ReferencePath.from_poses(self._situation.plan)
        small = self._situation.costmap
        repeats = [-(-LARGE_MAP_CELLS // side) for side in small.data.shape]
        part = slice(LARGE_MAP_CELLS)
        tiled = np.ascontiguousarray(np.tile(small.data, repeats)[part, part])
        for costmap in (small, dataclasses.replace(small, data=tiled)):
            rows, columns = costmap.data.shape
            name = f'distance field of {rows} × {columns}'
            yield name, functools.partial(self._distances, costmap)
        for critic in CRITICS:
            off = replace(self._configuration, {f'critics.{critic}.weight': 0.0})
            if critic == 'obstacle':
                off = replace(off, {'critics.obstacle.collision': 0.0})
            objective = self._objective_of(off)
            yield f'rollout without {critic}', roll(objective)

    def _distances(self, costmap: Costmap) -> DistanceField:
        return distance_field(costmap, inscribed_radius=self._footprint.inscribed_radius)

    def _prepare(self, objective: DrivingObjective) -> None:
        state = self._situation.state
        last = objective.model.command_from_twist(state, (0.0,) * self._configuration.controls)
        objective.prepare(
            state, last, self._path, self._progress, moving_obstacles=self._obstacles
        )

    def _objective_of(self, configuration: ControllerParameters) -> DrivingObjective:
        mppi = configuration.mppi
        objective = DrivingObjective(
            configuration.limits, configuration.critics, configuration.prediction,
            self._footprint, mppi.horizon_steps, mppi.time_step,
            load_plugin(configuration.plugin), configuration.motion_model,
        )  # fmt: skip
        objective.set_field(self.field)
        self._prepare(objective)
        return objective


def measure(
    situation: Situation,
    configuration: ControllerParameters,
    sizes: Sequence[tuple[int, int]],
    paced: Sequence[tuple[int, int]],
    threads: Sequence[int],
    calls: int,
    progress: Callable[[str, float], None],
    obstacles: Sequence[int] = (),
) -> Iterator[dict[str, Any]]:
    """
    Yield rows: all `sizes` (K, T) in a hot loop, those in `paced` also at 20 Hz and by phase.

    If the configuration names a plugin, each solve alternates with one without it; likewise with
    one among each number of moving `obstacles`.

    Parameters
    ----------
    situation, configuration : Situation, ControllerParameters
        Problem and parameters of the solve.
    sizes, paced : sequence of (K, T)
        Sizes to measure.
    threads : sequence of int
        Threads of the solve.
    calls : int
        Measured calls in a hot loop; a third of them at 20 Hz.
    progress : callable
        Called with the current measurement and the completed fraction.
    obstacles : sequence of int
        Numbers of moving obstacles.

    """
    ways = {'solve': (configuration, 0)}
    if configuration.plugin:
        ways['solve without the plugin'] = replace(configuration, {'plugin': ''}), 0
    for count in obstacles:
        ways[f'solve with {count} moving obstacles'] = configuration, count
    solves = [
        Solve(situation, way, k, t, n, name, count)
        for n in threads for k, t in sizes for name, (way, count) in ways.items()
    ]  # fmt: skip
    chosen = [solve for solve in solves if (solve.samples, solve.steps) in paced]
    yield from _hot(solves, calls, progress)
    for index, solve in enumerate(chosen):
        progress(f'phases of {solve.label}', index / len(chosen))
        if solve.name == 'solve':
            yield from _phases(solve, calls)
    yield from _paced(chosen, max(calls // 3, 1), progress)


def _hot(
    solves: Sequence[Solve], calls: int, progress: Callable[[str, float], None]
) -> Iterator[dict[str, Any]]:
    taken: list[list[float]] = [[] for _ in solves]
    for turn in range(ROUNDS):
        for index, solve in enumerate(solves):
            progress(solve.label, (turn + index / len(solves)) / ROUNDS)
            solve.begin()
            for _ in range(WARM_UP_CALLS if turn == 0 else 3):
                solve.call()
            taken[index] += timed(solve.call, -(-calls // ROUNDS))
    for solve, values in zip(solves, taken, strict=True):
        yield _row(solve, 'hot', solve.name, values)


def _phases(solve: Solve, calls: int) -> Iterator[dict[str, Any]]:
    phases = list(solve.phases())
    taken: list[list[float]] = [[] for _ in phases]
    solve.begin()
    for turn in range(ROUNDS):
        for index, (_, call) in enumerate(phases):
            for _ in range(5 if turn == 0 else 1):
                call()
            taken[index] += timed(call, -(-calls // (2 * ROUNDS)))
    for (name, _), values in zip(phases, taken, strict=True):
        yield _row(solve, 'hot', name, values)


def _paced(
    solves: Sequence[Solve], calls: int, progress: Callable[[str, float], None]
) -> Iterator[dict[str, Any]]:
    taken: list[list[float]] = [[] for _ in solves]
    for turn in range(calls):
        for index, solve in enumerate(solves):
            progress(f'{solve.label} at 20 Hz', turn / calls)
            solve.begin()
            time.sleep(PERIOD)
            taken[index] += timed(solve.call, 1)
    for solve, values in zip(solves, taken, strict=True):
        yield _row(solve, '20Hz', solve.name, values)


def timed(call: Callable[[], object], count: int) -> list[float]:
    """Return the durations of repeated calls [ms]."""
    taken = []
    for _ in range(count):
        begun = time.perf_counter()
        call()
        taken.append(1e3 * (time.perf_counter() - begun))
    return taken


def _row(solve: Solve, pace: str, phase: str, milliseconds: Sequence[float]) -> dict[str, Any]:
    found = times(milliseconds)
    return {
        'samples': solve.samples,
        'steps': solve.steps,
        'threads': solve.threads,
        'pace': pace,
        'phase': phase,
        **found,
        'ns_per_sample_step': round(
            1e6 * found['median_ms'] / (solve.samples * solve.steps), 4
        ),
        'calls': len(milliseconds),
    }
