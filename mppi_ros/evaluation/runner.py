"""Run cases in this process, in several processes, or on a Dask cluster, with equal results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from itertools import islice
import logging
from multiprocessing import active_children, get_context
import signal
from typing import Any, Protocol

from mppi_ros.parameters.errors import InputError, MppiError

log = logging.getLogger(__name__)

CASES_IN_FLIGHT = 4  # cases submitted per process; bounds the memory
CONNECT_TIMEOUT = 10.0  # [s]

Numbered = tuple[int, dict[str, Any]]


class Runnable(Protocol):
    """A case, or another definition of an episode that can be sent to a process."""

    def run(self) -> tuple[dict[str, Any], Any]:
        """Run the episode; return its record and the complete result."""


def run_cases(
    cases: Iterable[Runnable], jobs: int, cluster: str, in_flight: int = CASES_IN_FLIGHT
) -> Iterator[Numbered]:
    """
    Yield (index of the case, its result) as they finish.

    Parameters
    ----------
    cases : iterable of Case
        Cases to run. A case is drawn only when it can be submitted, so a generator may choose it
        by the results that were yielded.
    jobs : int
        Number of processes; 1 runs the cases in this process.
    cluster : str
        Address of a Dask scheduler; empty for this machine.
    in_flight : int
        Cases submitted per process.

    Raises
    ------
    MppiError
        A case is invalid, a process was killed, or the cluster cannot be reached.

    """
    jobs = min(jobs, max(1, len(cases))) if isinstance(cases, Sized) else jobs
    if cluster:
        yield from _on_cluster(cases, cluster, in_flight)
    elif jobs == 1:
        for index, case in enumerate(cases):
            yield index, _result(case)
    else:
        yield from _in_processes(cases, jobs, in_flight)


def _result(case: Runnable) -> dict[str, Any]:
    return case.run()[0]


def _in_processes(
    cases: Iterable[Runnable], jobs: int, in_flight: int
) -> Iterator[Numbered]:
    # A forked child would inherit the state of the Numba threads and hang.
    others = active_children()
    pool = ProcessPoolExecutor(jobs, get_context('spawn'), _leave_signals_to_the_parent)
    waiting = iter(enumerate(cases))
    running = {}
    try:
        for index, case in waiting:
            running[pool.submit(_result, case)] = index
            if len(running) < in_flight * jobs:
                continue
            done = next(as_completed(running))
            yield running.pop(done), done.result()
        for done in as_completed(running):
            yield running[done], done.result()
    except BrokenExecutor:
        raise MppiError(
            'a process of --jobs was killed, by lack of memory or from outside'
        ) from None
    except KeyboardInterrupt:
        log.warning('interrupted: waiting for running episodes; Ctrl-C again ends them')
        raise
    finally:
        # The processes ignore an interrupt themselves. It is not raised again: one is under way.
        try:
            pool.shutdown(cancel_futures=True)
        except KeyboardInterrupt:
            for process in set(active_children()).difference(others):
                process.kill()
            pool.shutdown()


def _leave_signals_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _on_cluster(
    cases: Iterable[Runnable], address: str, in_flight: int
) -> Iterator[Numbered]:
    try:
        from distributed import Client
        from distributed import as_completed as as_finished
    except ImportError:
        raise MppiError('--cluster needs Dask: pip install distributed') from None
    try:
        client = Client(address, timeout=CONNECT_TIMEOUT)
    except (OSError, ValueError) as error:
        raise InputError(f'--cluster {address}: {error or "no scheduler answers"}') from None
    with client:
        waiting = iter(enumerate(cases))
        running: dict[Any, int] = {}
        finished = as_finished(with_results=True)

        def submit(count: int) -> None:
            for index, case in islice(waiting, count):
                # Do not reuse results of another run: the code may have changed.
                future = client.submit(_result, case, pure=False)
                running[future] = index
                finished.add(future)

        try:
            submit(in_flight * max(1, sum(client.nthreads().values())))
            for future, result in finished:
                yield running.pop(future), result
                submit(1)
        finally:
            client.cancel(list(running))
