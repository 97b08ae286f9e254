"""What if: recorded ticks solved again in a process of their own, and shown side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
import math
import multiprocessing
from multiprocessing.connection import Connection
import os
from pathlib import Path
import signal
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from mppi_ros.dashboard.layers import points
from mppi_ros.dashboard.signals import shown
from mppi_ros.parameters.declaration import Value
from mppi_ros.parameters.errors import MppiError, ParameterError

if TYPE_CHECKING:  # the controller's kernels are loaded in the process that repeats ticks only
    from mppi_ros.control.what_if import WhatIf

SLICE = 0.3  # [s] of repeating between two reports of progress
WAIT = 5.0  # [s] for ticks that the recorder has not written yet
PAUSE = 0.2  # [s] between looks at the file
MAGIC = b'\x89MCAP'
HEAD = 256  # [bytes] that differ between two recordings
NO_RECORDING = (
    'there is no recording: start the controller with -p record:=FILE, or this page with '
    '-p recording:=FILE'
)
LEAST_COST = 1e-3  # [s] of a critic to be listed
COMMANDS = (
    ('commanded speed', 'vx', 'm/s', 3), ('commanded lateral speed', 'vy', 'm/s', 3),
    ('commanded turning rate', 'wz', 'rad/s', 3),
)  # fmt: skip
STATISTICS = (
    ('L_Σ', 'smoothed_objective', '', 4), ('effective sample size', 'ess', '', 3),
    ('λ', 'temperature', 's', 3), ('KL of the step', 'kl', '', 3),
    ('samples K', 'samples', '', 6), ('clearance', 'clearance', 'm', 3),
    ('solve time', 'solve_ms', 'ms', 3),
)  # fmt: skip
Progress = Callable[[float], bool]


class TickWorker:
    """Process that repeats recordings; it ends with this one. One request at a time."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, 'what_if')
        self._pipe: Connection | None = None
        self._process: Any = None
        self._closed = False

    def solve(
        self, path: str, now: float, changes: Mapping[str, Value], progress: Progress
    ) -> Future[Any]:
        """
        Solve the tick of the time `now` [s] again.

        Parameters
        ----------
        path : str
            The recording; '' for none.
        now : float
            Time of the tick on the clock of the controller [s].
        changes : mapping
            Values that differ from the recorded ones.
        progress : callable
            Called with the recorded time reached [s]; returns whether to go on.

        Returns
        -------
        Future of control.what_if.WhatIf
            Or MppiError with the reason.

        """
        return self._thread.submit(self._solve, path, now, dict(changes), progress)

    def close(self) -> None:
        """End the process."""
        self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._end_process()

    def _solve(
        self, path: str, now: float, changes: dict[str, Value], progress: Progress
    ) -> Any:
        if not path:
            raise MppiError(NO_RECORDING)
        if not math.isfinite(now):
            raise MppiError('nothing was received from the controller at this moment')
        end, last = time.monotonic() + WAIT, math.nan
        while True:
            answer = self._ask(path, now, changes)
            if isinstance(answer, MppiError):
                raise answer
            if not isinstance(answer, tuple) or len(answer) != 2:
                return answer
            reached, ended = answer
            if self._closed or not progress(reached):
                raise MppiError('cancelled')
            if reached != last:
                end, last = time.monotonic() + WAIT, reached
            elif time.monotonic() > end:
                where = f'ends {now - reached:.1f} s before' if math.isfinite(reached) else (
                    'holds no tick before')
                raise MppiError(f'{path} {where} this moment')
            if ended:
                time.sleep(PAUSE)

    def _ask(self, *request: Any) -> Any:
        try:
            if self._pipe is None:
                self._pipe, self._process = _start()
            self._pipe.send(request)
            return self._pipe.recv()
        except (OSError, EOFError):
            self._pipe = None
            self._end_process()
            raise MppiError('the process that repeats the recording has ended') from None

    def _end_process(self) -> None:
        """End the process and wait for it, so that it leaves no zombie."""
        if self._process is not None:
            self._process.kill()
            self._process.join()


def _start() -> tuple[Connection, Any]:
    context = multiprocessing.get_context('spawn')  # this process has threads
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), name='what_if', daemon=True)
    process.start()
    theirs.close()
    return ours, process


def _serve(pipe: Connection) -> None:
    """Answer requests until the other end is closed."""
    from mppi_ros.control.what_if import TickSolver

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)
    solver, known = None, b''
    while True:
        try:
            path, now, changes = pipe.recv()
        except (EOFError, OSError):
            return
        answer: Any
        try:
            head = _head(path)
            if solver is None or head != known:
                solver, known = TickSolver(Path(path)), head
            answer = solver.seek(now, SLICE) or solver.solve(changes)
        except ParameterError as error:
            answer = MppiError(str(error))
        except Exception as error:  # shown on the page; the state is not known
            kind = '' if isinstance(error, MppiError) else f'{type(error).__name__}: '
            answer, solver = MppiError(f'{kind}{error}'), None
        pipe.send(answer)


def _head(path: str) -> bytes:
    """Return what identifies a recording."""
    try:
        with open(path, 'rb') as stream:
            head = stream.read(HEAD)
    except OSError as error:
        raise MppiError(f'{path}: {error.strerror}') from None
    if not head.startswith(MAGIC):
        raise MppiError(f'{path} is not a controller record')
    return path.encode() + head


def fans(found: WhatIf) -> dict[str, Any]:
    """Return the trajectories of both solutions as JSON values."""
    return {
        name: {
            'optimal': points(one.optimal),
            'candidates': [points(poses) for poses in one.candidates],
            'weights': np.round(one.weights / one.weights.max(initial=1e-30), 6).tolist(),
        }
        for name, one in (('recorded', found.recorded), ('changed', found.changed))
    }  # fmt: skip


def rows(found: WhatIf) -> list[tuple[str, str, str]]:
    """Return the numbers of both solutions as text: label, recorded, changed."""
    both = found.recorded, found.changed
    numbers: list[tuple[str, str, int, list[float]]] = [
        (label, unit, digits, [getattr(one.result.command, axis) for one in both])
        for label, axis, unit, digits in COMMANDS
    ]
    numbers += [
        (label, unit, digits, [getattr(one.result.statistics, name) for one in both])
        for label, name, unit, digits in STATISTICS
    ]
    numbers.append(('cost, each by its own weights', 's', 3, [
        sum(one.costs.values()) if one.costs else math.nan for one in both
    ]))  # fmt: skip
    reasons = [one.result.reason or '–' for one in both]
    critics = [
        (critic, [one.costs.get(critic, math.nan) for one in both])
        for critic in sorted({*both[0].costs, *both[1].costs})
    ]
    return [
        _row('state', [one.result.state.value for one in both]),
        *([_row('reason', reasons)] if reasons != ['–', '–'] else []),
        *(_row(label, [shown(value, digits, unit) for value in values])
          for label, unit, digits, values in numbers if values != [0.0, 0.0]),
        *(_row(f'· {critic}', [shown(round(cost, 4), 3, 's') for cost in costs])
          for critic, costs in critics if max(costs) >= LEAST_COST),
    ]  # fmt: skip


def _row(label: str, texts: list[str]) -> tuple[str, str, str]:
    return label, texts[0], texts[1]
