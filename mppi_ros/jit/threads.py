"""
Number of threads of a solve, their threading layer, and their wait policy.

A control loop is idle most of the time, and its threads should sleep. OpenMP spins by default,
which occupies a core and delays other programs by tens of milliseconds. Intel's TBB sleeps and is
used if installed. Both settings affect the complete process, so an import does not change them:
the controller and the command lines call `sleep_between_solves`.
"""

from __future__ import annotations

import os

import numba

# Below this many sample-steps per thread, waking a second thread costs more than it saves.
MIN_SAMPLE_STEPS_PER_THREAD = 400_000


def sleep_between_solves() -> None:
    """
    Let the threads of this process sleep between solves; call it before the first solve.

    OpenMP reads its policy when it is loaded, which Numba does when the first thread starts.
    Numba's own layer is excluded, since it is not thread-safe. The environment variables
    NUMBA_THREADING_LAYER and OMP_WAIT_POLICY take precedence.
    """
    os.environ.setdefault('OMP_WAIT_POLICY', 'passive')
    if numba.config.THREADING_LAYER == 'default':
        numba.config.THREADING_LAYER = 'threadsafe'


def choose_threads(wanted: int, sample_steps: int) -> int:
    """
    Return the number of threads for a solve.

    With `wanted` 0 it depends on the work, `sample_steps` = K · T, and the cores of the machine.
    One thread runs the serial kernels, which need no threading layer and have the lowest tail
    latency.
    """
    most = min(numba.config.NUMBA_NUM_THREADS, len(os.sched_getaffinity(0)))
    threads = wanted if wanted > 0 else 1 + sample_steps // MIN_SAMPLE_STEPS_PER_THREAD
    threads = max(1, min(threads, most))
    return threads if threads == 1 or _started() else 1


def use_threads(threads: int) -> None:
    """Set the number of threads of parallel kernels that this thread calls."""
    if threads > 1:
        numba.set_num_threads(threads)


def _started() -> bool:
    """
    Start the threads, and return whether the threading layer is thread-safe.

    Numba's own layer, workqueue, aborts the process if two threads enter kernels at once. It is
    used only on request by the environment.
    """
    try:
        numba.get_num_threads()
    except ValueError:
        return False
    wanted: str = numba.config.THREADING_LAYER
    return numba.threading_layer() != 'workqueue' or wanted == 'workqueue'
