"""How many threads a solve uses, chosen by its size and the machine."""

from __future__ import annotations

import os

import numba

# Below this many sample-steps per thread, waking a second thread costs more than it saves.
WORTHWHILE = 400_000


def choose_threads(wanted: int, sample_steps: int) -> int:
    """
    Return the number of threads for a solve and set it for the kernels of this thread.

    `wanted` 0 chooses by the work, `sample_steps` = K · T, and the cores of the machine.
    """
    most = min(numba.config.NUMBA_NUM_THREADS, len(os.sched_getaffinity(0)))
    threads = wanted if wanted > 0 else 1 + sample_steps // WORTHWHILE
    threads = max(1, min(threads, most))
    if threads > 1:
        numba.set_num_threads(threads)
    return threads
