"""Threads: as many as the work asks for; they sleep between solves, and no result shows them."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from threading import Thread

import numba
import numpy as np
import pytest

from mppi_ros.mppi import MppiParameters, Optimizer
from mppi_ros.mppi.noise import correlation, draw_parallel
from mppi_ros.mppi.threads import WORTHWHILE, choose_threads, use_threads

CORES = min(numba.config.NUMBA_NUM_THREADS, len(os.sched_getaffinity(0)))


def test_a_small_solve_stays_on_one_thread_and_a_large_one_takes_every_core():
    assert choose_threads(0, 2000 * 56) == 1
    assert choose_threads(0, CORES * WORTHWHILE) == CORES


@pytest.mark.parametrize('wanted', [1, CORES, CORES + 1, 256])
def test_a_wanted_number_is_taken_up_to_the_cores(wanted):
    assert choose_threads(wanted, 1) == min(wanted, CORES)


def quadratic(controls):
    return np.square(controls - 0.3).sum((1, 2))


@pytest.mark.parametrize('samples', [16, 1000, 4096])
def test_an_optimiser_on_all_cores_ends_where_one_on_one_thread_does(samples):
    means = []
    for threads in (1, CORES):
        optimizer = Optimizer(
            MppiParameters(samples=samples, sigma=(0.4, 0.8), threads=threads), 2)
        for _ in range(5):
            optimizer.step(quadratic)
        means.append(optimizer.mean)
    np.testing.assert_array_equal(*means)


def test_two_optimisers_in_two_threads_do_not_disturb_each_other():
    parameters = MppiParameters(samples=2048, threads=CORES)
    alone = Optimizer(parameters, 2)
    both = [Optimizer(parameters, 2) for _ in range(2)]
    for _ in range(10):
        alone.step(quadratic)
    workers = [
        Thread(target=lambda one=one: [one.step(quadratic) for _ in range(10)]) for one in both
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for one in both:
        np.testing.assert_array_equal(one.mean, alone.mean)


@pytest.mark.skipif(CORES < 2, reason='the machine has one core')
def test_noise_is_the_same_for_every_number_of_threads():
    drawn = []
    for threads in range(2, CORES + 1):
        use_threads(threads)
        noise = np.empty((9, 40, 64), np.float32)
        draw_parallel(3, 5, correlation(0.9, 0.5), 2, noise)
        drawn.append(noise)
    assert all(np.array_equal(noise, drawn[0]) for noise in drawn)


PROBE = """
import json, os, sys
if sys.argv[1] == 'none':
    import numba.np.ufunc.parallel as parallel
    def missing(): raise ImportError('no TBB')
    parallel._check_tbb_version_compatible = missing
    sys.modules['numba.np.ufunc.omppool'] = None
from mppi_ros.mppi.threads import choose_threads
import numba
threads = choose_threads(2, 1)
layer = numba.threading_layer() if threads > 1 else 'none'
print(json.dumps([threads, layer, os.environ['OMP_WAIT_POLICY']]))
"""


def probe(machine: str = 'this', **environment: str) -> tuple[int, str, str]:
    """Return the number of threads, their layer and their policy in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith('OMP')}
    done = subprocess.run(
        [sys.executable, '-c', PROBE, machine], env={**kept, **environment},
        capture_output=True, text=True, check=True)
    return tuple(json.loads(done.stdout))


@pytest.mark.skipif(CORES < 2, reason='the machine has one core')
def test_the_layer_is_safe_for_threads_and_sleeps_between_solves():
    threads, layer, policy = probe()
    assert (threads, policy) == (2, 'passive')
    assert layer in ('tbb', 'omp')


@pytest.mark.skipif(CORES < 2, reason='the machine has one core')
def test_the_environment_comes_first():
    found = probe(NUMBA_THREADING_LAYER='omp', OMP_WAIT_POLICY='active')
    assert found == (2, 'omp', 'active')
    assert probe(NUMBA_NUM_THREADS='1')[0] == 1


def test_without_a_layer_for_threads_the_solve_stays_on_one():
    assert probe('none') == (1, 'none', 'passive')
