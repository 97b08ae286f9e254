"""
A recorded tick solved again with other parameters.

The record is repeated bit by bit up to the tick. From that state the tick is solved twice: as it
was, which must give the recorded result again, and with the changed values in force from this tick
on. Both draw the same random numbers as far as the numbers of samples and steps agree, so they
differ by the parameters, not by chance.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
import dataclasses
import math
from pathlib import Path
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.costmap_processing import (
    LocalMap,
    ProcessedCostmap,
    ProcessingFailure,
    ProcessingRequest,
    SynchronousProcessor,
    parameter_key,
)
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.recording import Event
from mppi_ros.control.replaying import RECORD, RecordedTick, Replay
from mppi_ros.control.tick_result import TickResult
from mppi_ros.files import reading
from mppi_ros.parameters.declaration import Value, flatten, replace
from mppi_ros.parameters.errors import InputError

CANDIDATES = 30  # of all samples
TOLERANCE = 1e-4  # [s] between the time of a tick and that looked for
REPETITIONS = 5  # of a solve, of which the fastest is reported
KEPT, KEPT_EVERY = 12, 300  # states and ticks between them: three minutes at 20 Hz
ONE_THREAD = {'threads': 1}  # the result has the same bits as on several


class Seek(NamedTuple):
    """Where a repetition stands: time of its last tick [s], NaN before any; end of the file."""

    reached: float
    ended: bool


class SolvedTick(NamedTuple):
    """
    Result of a tick with its trajectories.

    `optimal`, float64[T + 1, 3], and `candidates`, float32[n, T + 1, 3], are poses; both are empty
    where nothing was solved. `costs` are those of each critic for the optimal trajectory [s].
    """

    result: TickResult
    costs: Mapping[str, float]
    optimal: NDArray[np.float64]
    candidates: NDArray[np.float32]
    weights: NDArray[np.float32]


class WhatIf(NamedTuple):
    """
    A tick as it was and as it would have been.

    `values` are those before and after of each parameter that differs; `differences` are names of
    the values in which the repeated tick differs from the recorded one, none if it is exact.
    """

    recorded: SolvedTick
    changed: SolvedTick
    values: Mapping[str, tuple[Value, Value]]
    differences: list[str]


class TickSolver:
    """
    Finds ticks of a record, which may still be written, and solves them again.

    Parameters
    ----------
    path : Path
        File of the record.

    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._replay = Replay(path, ONE_THREAD)
        self._tick: RecordedTick | None = None  # the next one, not repeated yet
        self._reached = math.nan
        self._kept: deque[tuple[float, Replay]] = deque(maxlen=KEPT)
        self._count = 0

    def seek(self, now: float, seconds: float) -> Seek | None:
        """
        Repeat the record up to the tick of the time `now` [s], for about `seconds`.

        Returns
        -------
        Seek or None
            Where it stands, None if it is at the tick.

        Raises
        ------
        InputError
            The file is not a record of this version, or holds no tick of this time.

        """
        if self._tick is not None and self._tick.now > now + TOLERANCE:
            self._go_back(now)
        if self._tick is not None:
            if self._is_at(now):
                return None
            self._repeat(self._tick.event)
        end = time.monotonic() + seconds
        for event in self._replay.events(complete=False):
            if event.get('event') == 'tick':
                with reading(self._path, RECORD):
                    self._tick = RecordedTick.of(event)
                if self._is_at(now):
                    return None
            self._repeat(event)
            if time.monotonic() > end:
                return Seek(self._reached, False)
        return Seek(self._reached, True)

    def solve(self, changes: Mapping[str, Value]) -> WhatIf:
        """
        Solve the tick found with the parameters of the record and with `changes` to them.

        Raises
        ------
        ParameterError
            A value is refused.

        """
        tick = self._tick
        assert tick is not None and self._replay.controller is not None
        before = self._replay.controller.configuration
        after = replace(before, changes)
        recorded, processed = self._solved(tick)
        fixed = tick._replace(options={**tick.options, 'budget': math.inf})
        changed, _ = self._solved(fixed, after, processed)
        old, new = flatten(before), flatten(after)
        values = {name: (old[name], new[name]) for name in changes if old[name] != new[name]}
        return WhatIf(recorded, changed, values, tick.compared(recorded.result).differences)

    def _is_at(self, now: float) -> bool:
        assert self._tick is not None
        if self._tick.now < now - TOLERANCE:
            return False
        if self._tick.now > now + TOLERANCE:
            raise InputError(f'{self._path} holds no tick of this moment')
        return True

    def _repeat(self, event: Event) -> None:
        tick = self._replay.apply(event)
        self._tick = None
        if tick is not None:
            self._reached = tick.now
            self._count += 1
            if self._count % KEPT_EVERY == 0:
                self._kept.append((tick.now, self._replay.copy()))

    def _go_back(self, now: float) -> None:
        """Continue from the last state kept before the time `now`, else from the begin."""
        while self._kept and self._kept[-1][0] > now - TOLERANCE:
            self._kept.pop()
        self._tick, self._reached = None, math.nan
        self._replay = Replay(self._path, ONE_THREAD)
        if self._kept:
            self._reached, kept = self._kept[-1]
            self._replay = kept.copy()

    def _solved(
        self,
        tick: RecordedTick,
        configuration: ControllerParameters | None = None,
        processed: ProcessedCostmap | None = None,
    ) -> tuple[SolvedTick, ProcessedCostmap | None]:
        """Run the tick on copies; return the result and the costmap that it used."""
        fastest = math.inf
        for _ in range(REPETITIONS):
            controller = self._replay.copy().controller
            assert controller is not None
            if configuration is not None:
                controller._costmaps._processor = _SameCostmap(
                    processed, controller.configuration
                )
                controller.configure(configuration)
            result = tick.repeat(controller)
            fastest = min(fastest, result.statistics.solve_ms)
        assert controller is not None
        result.statistics.solve_ms = fastest if math.isfinite(fastest) else math.nan
        solved = not math.isnan(result.statistics.samples)
        candidates, weights = controller.candidate_trajectories(CANDIDATES if solved else 0)
        return SolvedTick(
            result, controller.costs() if solved else {},
            controller.optimal_trajectory()[: None if solved else 0], candidates, weights,
        ), controller._costmaps.processed  # fmt: skip


class _SameCostmap(SynchronousProcessor):
    """A processor that knows one costmap only: that of the recorded tick."""

    def __init__(
        self, processed: ProcessedCostmap | None, configuration: ControllerParameters
    ) -> None:
        super().__init__()
        self._processed, self._configuration = processed, configuration

    def submit(self, request: ProcessingRequest) -> None:
        """Process that costmap if it depends on the changed values; else use its result again."""
        processed, c, old = self._processed, request.configuration, self._configuration
        if processed is None:
            return
        region: LocalMap | None = processed.region
        if parameter_key(c) == parameter_key(old):
            if (c.critics, c.goal) == (old.critics, old.goal):
                self._done: ProcessedCostmap | ProcessingFailure | None = processed
                return
        else:
            region = None
        super().submit(dataclasses.replace(
            request, stamp=processed.region.stamp, costmap=processed.region.costmap, known=region,
            tracks=processed.region.tracks, observed=True,
        ))  # fmt: skip
