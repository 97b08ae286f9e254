"""Run cases in this process, in several processes, or on a Dask cluster, with equal results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
import signal
from typing import Any

from mppi_ros.evaluation.case import Case
from mppi_ros.parameters.errors import InputError, MppiError

CASES_IN_FLIGHT = 4  # cases submitted in advance per process; bounds the memory
CONNECT_TIMEOUT = 10.0  # [s]

Numbered = tuple[int, dict[str, Any]]


def run_cases(cases: Sequence[Case], jobs: int, cluster: str) -> Iterator[Numbered]:
    """
    Yield (index of the case, its result) as they finish.

    Parameters
    ----------
    cases : sequence of Case
        Cases to run.
    jobs : int
        Number of processes; 1 runs the cases in this process.
    cluster : str
        Address of a Dask scheduler; empty for this machine.

    Raises
    ------
    MppiError
        A case is invalid, or the cluster cannot be reached.

    """
    if cluster:
        yield from _on_cluster(cases, cluster)
    elif jobs == 1 or len(cases) == 1:
        for index, case in enumerate(cases):
            yield index, _result(case)
    else:
        yield from _in_processes(cases, min(jobs, len(cases)))


def _result(case: Case) -> dict[str, Any]:
    return case.run()[0]


def _in_processes(cases: Sequence[Case], jobs: int) -> Iterator[Numbered]:
    # A forked child would inherit the state of the Numba threads and hang.
    pool = ProcessPoolExecutor(jobs, get_context('spawn'), _leave_signals_to_the_parent)
    waiting = iter(enumerate(cases))
    running = {}
    try:
        for index, case in waiting:
            running[pool.submit(_result, case)] = index
            if len(running) < CASES_IN_FLIGHT * jobs:
                continue
            done = next(as_completed(running))
            yield running.pop(done), done.result()
        for done in as_completed(running):
            yield running[done], done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_signals_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _on_cluster(cases: Sequence[Case], address: str) -> Iterator[Numbered]:
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
        # Do not reuse results of another run: the code on the workers may have changed.
        futures = client.map(_result, cases, pure=False)
        index_of = {future.key: index for index, future in enumerate(futures)}
        try:
            for future, result in as_finished(futures, with_results=True):
                yield index_of[future.key], result
        finally:
            client.cancel(futures)
