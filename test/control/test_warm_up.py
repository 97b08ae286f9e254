"""Kernels are compiled by two processes into one cache, and by one where that is impossible."""
from __future__ import annotations

import json
import os
from pathlib import Path
import subprocess
import sys

import pytest

import mppi_ros
from mppi_ros.control import warm_up as module
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.warm_up import _Helper, warm_up
from mppi_ros.jit import cache

COLD = """
import json
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.warm_up import warm_up
from mppi_ros.jit.cache import KernelCache

compiled = []
save = KernelCache._save_overload


def listen(cache, signature, result):
    compiled.append(cache._py_func.__name__)
    save(cache, signature, result)


KernelCache._save_overload = listen
warm_up(ControllerParameters())
print(json.dumps(compiled))
"""


@pytest.fixture
def cores(monkeypatch):
    """Pretend that the machine has a number of cores."""
    return lambda number: monkeypatch.setattr(
        module.os, 'sched_getaffinity', lambda _: set(range(number)))


def test_a_cold_start_compiles_the_rollout_and_a_helper_everything_else(tmp_path):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip('needs two cores')
    done = subprocess.run(
        [sys.executable, '-c', COLD], capture_output=True, text=True, check=True,
        cwd=Path(mppi_ros.__file__).parents[1],
        env={**os.environ, 'NUMBA_CACHE_DIR': str(tmp_path)})
    assert json.loads(done.stdout) == ['rollout_block', 'rollout_serial', 'rollout_parallel']
    assert done.stderr == ''


def test_without_a_missing_kernel_there_is_no_helper(monkeypatch):
    warm_up(ControllerParameters())
    monkeypatch.setattr(module.subprocess, 'Popen', None)
    warm_up(ControllerParameters())


def test_on_one_core_there_is_no_helper(cores, monkeypatch):
    cores(1)
    monkeypatch.setattr(module.subprocess, 'Popen', None)
    helper = _Helper(ControllerParameters())
    helper.start()
    helper.wait()
    helper.end()


def test_a_helper_that_fails_is_reported_and_not_needed(cores, monkeypatch):
    cores(2)
    said = []
    monkeypatch.setattr(module.log, 'warning', said.append)
    monkeypatch.setattr(module, '__name__', 'no.such.module')
    helper = _Helper(ControllerParameters())
    helper.start()
    helper.wait()
    helper.end()
    (message,) = said
    assert message.startswith('The helper ended with 1: ')
    assert 'no.such.module' in message


def test_an_interrupted_warm_up_leaves_no_process(cores, monkeypatch):
    cores(2)
    helpers = []

    def interrupted(helper):
        helper.start()
        helpers.append(helper._process)
        raise KeyboardInterrupt

    monkeypatch.setattr(_Helper, 'wait', interrupted)
    with pytest.raises(KeyboardInterrupt):
        warm_up(ControllerParameters())
    assert helpers[0].returncode is not None


def test_a_helper_is_not_waited_for_if_nothing_can_be_saved(cores, monkeypatch):
    cores(2)
    monkeypatch.setattr(cache, '_warned', {'written'})
    helper = _Helper(ControllerParameters())
    helper.start()
    helper.wait()
    assert helper._process.poll() is None  # a helper takes seconds
    helper.end()
    assert helper._process.returncode == -9
