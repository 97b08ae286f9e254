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

from mppi_ros.jit.threads import MIN_SAMPLE_STEPS_PER_THREAD, choose_threads, use_threads
from mppi_ros.mppi import MppiParameters, Optimizer
from mppi_ros.mppi.noise import ar2_process, draw_parallel

CORES = min(numba.config.NUMBA_NUM_THREADS, len(os.sched_getaffinity(0)))


def test_a_small_solve_stays_on_one_thread_and_a_large_one_takes_every_core():
    assert choose_threads(0, 2000 * 56) == 1
    assert choose_threads(0, CORES * MIN_SAMPLE_STEPS_PER_THREAD) == CORES


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
        draw_parallel(3, 5, ar2_process(0.9, 0.5), 2, noise)
        drawn.append(noise)
    assert all(np.array_equal(noise, drawn[0]) for noise in drawn)


PROBE = """
import json, os, sys
if sys.argv[1] == 'none':
    import numba.np.ufunc.parallel as parallel
    def missing(): raise ImportError('no TBB')
    parallel._check_tbb_version_compatible = missing
    sys.modules['numba.np.ufunc.omppool'] = None
from mppi_ros.jit.threads import choose_threads, sleep_between_solves
import numba
if sys.argv[2] == 'program':
    sleep_between_solves()
threads = choose_threads(2, 1)
layer = numba.threading_layer() if threads > 1 else 'none'
print(json.dumps([threads, layer, os.environ.get('OMP_WAIT_POLICY')]))
"""


def probe(
    machine: str = 'this', caller: str = 'program', **environment: str
) -> tuple[int, str, str | None]:
    """Return the number of threads, their layer and their policy in a process of its own."""
    return tuple(json.loads(run(PROBE, machine, caller, **environment)))


def run(program: str, *arguments: str, **environment: str) -> str:
    """Return what a Python program prints in a process of its own."""
    kept = {
        name: value for name, value in os.environ.items()
        if not name.startswith(('OMP', 'NUMBA_THREADING'))}
    done = subprocess.run(
        [sys.executable, '-c', program, *arguments], env={**kept, **environment},
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


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


@pytest.mark.skipif(CORES < 2, reason='the machine has one core')
def test_a_layer_that_is_not_safe_for_threads_is_used_only_where_it_is_asked_for():
    assert probe('none', 'library') == (1, 'none', None)
    assert probe('none', 'library', NUMBA_THREADING_LAYER='workqueue')[:2] == (2, 'workqueue')
    assert probe('this', 'library')[1] in ('tbb', 'omp')


IMPORTED = """
import json, os
import numba
def of_threads():
    names = [name for name in dir(numba.config) if 'THREAD' in name]
    return {name: getattr(numba.config, name) for name in names}, dict(os.environ)
before = of_threads()
import mppi_ros.mppi, mppi_ros.driving.objective, mppi_ros.control.controller
assert of_threads() == before, 'an import changed the process'
mppi_ros.control.controller.Controller(mppi_ros.control.parameters.ControllerParameters())
print(json.dumps([os.environ['OMP_WAIT_POLICY'], numba.config.THREADING_LAYER]))
"""


def test_an_import_leaves_the_threads_of_the_process_alone_and_a_controller_lets_them_sleep():
    assert json.loads(run(IMPORTED)) == ['passive', 'threadsafe']


COMMAND = """
import os, sys
import {module}
print(os.environ['OMP_WAIT_POLICY'], 'numba.np.ufunc.omppool' in sys.modules)
"""


@pytest.mark.parametrize(
    'module', ['cli.demo', 'cli.evaluate', 'cli.benchmark', 'evaluation.case'])
def test_every_command_line_lets_its_threads_sleep_before_their_runtime_is_loaded(module):
    assert run(COMMAND.format(module=f'mppi_ros.{module}')).split() == ['passive', 'False']
