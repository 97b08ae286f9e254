"""
How many threads a solve uses, over which layer they run, and how they wait between two solves.

A control loop sleeps most of the time, and so must its threads: OpenMP's default is to spin, which
costs a core, and tens of milliseconds when another program wants it. Intel's TBB sleeps by itself
and is used where it is installed. Both are settings of the whole process, so nothing is set by an
import: a controller and the command lines call `sleep_between_solves`.
"""

from __future__ import annotations

import os

import numba

# Below this many sample-steps per thread, waking a second thread costs more than it saves.
MIN_SAMPLE_STEPS_PER_THREAD = 400_000


def sleep_between_solves() -> None:
    """
    Let the threads of this process sleep between two solves; call it before the first solve.

    OpenMP reads its policy when it is loaded, which Numba does when the first thread is started.
    Numba's own layer, which is not safe for threads, is left out. What the environment says,
    NUMBA_THREADING_LAYER or OMP_WAIT_POLICY, comes first.
    """
    os.environ.setdefault('OMP_WAIT_POLICY', 'passive')
    if numba.config.THREADING_LAYER == 'default':
        numba.config.THREADING_LAYER = 'threadsafe'


def choose_threads(wanted: int, sample_steps: int) -> int:
    """
    Return the number of threads for a solve.

    `wanted` 0 chooses by the work, `sample_steps` = K · T, and the cores of the machine. One
    thread runs the serial kernels, which need no layer and have the shortest tail of times.
    """
    most = min(numba.config.NUMBA_NUM_THREADS, len(os.sched_getaffinity(0)))
    threads = wanted if wanted > 0 else 1 + sample_steps // MIN_SAMPLE_STEPS_PER_THREAD
    threads = max(1, min(threads, most))
    return threads if threads == 1 or _started() else 1


def use_threads(threads: int) -> None:
    """Let the parallel kernels that this thread calls from now on run on so many threads."""
    if threads > 1:
        numba.set_num_threads(threads)


def _started() -> bool:
    """
    Start the threads, and return whether the machine has a layer that is safe for threads.

    Numba's own layer, workqueue, aborts the process if two threads enter kernels at once: it is
    used only where the environment asks for it.
    """
    try:
        numba.get_num_threads()
    except ValueError:
        return False
    wanted: str = numba.config.THREADING_LAYER
    return numba.threading_layer() != 'workqueue' or wanted == 'workqueue'
