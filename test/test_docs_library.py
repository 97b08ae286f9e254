"""The examples of docs/library.md run, and the block objective matches NumPy."""
from __future__ import annotations

import importlib
from pathlib import Path
import re
import sys

import numba
import numpy as np
import pytest

from mppi_ros.mppi import BlockObjective, MppiParameters, NoiseParameters, Optimizer

PAGE = Path(__file__).parents[1] / 'docs' / 'library.md'
PLAIN, BLOCKS = re.findall(r'```python\n(.*?)```', PAGE.read_text('utf-8'), re.S)


@pytest.fixture(scope='module')
def plain():
    names: dict = {}
    exec(PLAIN, names)
    return names


@pytest.fixture(scope='module')
def blocks(tmp_path_factory):
    """Import the example module of the page."""
    folder = tmp_path_factory.mktemp('blocks')
    (folder / 'pendulum_in_blocks.py').write_text(BLOCKS, 'utf-8')
    sys.path.insert(0, str(folder))
    yield importlib.import_module('pendulum_in_blocks')
    sys.path.remove(str(folder))
    del sys.modules['pendulum_in_blocks']


def angle_error(angle):
    return abs((angle + np.pi) % (2.0 * np.pi) - np.pi)


def test_pendulum_of_the_page_is_upright_and_within_its_bounds(plain):
    angle, speed = plain['state']
    assert angle_error(angle) < 0.1
    assert abs(speed) < 1.0  # the sampled torque moves it by 0.3 rad/s
    assert np.abs(plain['optimizer'].mean).max() <= plain['LIMIT']
    assert plain['step'].valid


@pytest.mark.parametrize('antithetic', [False, True])
def test_block_objective_matches_the_function_in_cost_and_step(
    plain, blocks, antithetic
):
    objective = blocks.Pendulum()
    assert isinstance(objective, BlockObjective)
    objective.start[:] = 2.5, 0.4
    parameters = MppiParameters(
        samples=200, horizon_steps=30, sigma=[3.0], noise=NoiseParameters(0.1, 0.05, antithetic))
    ours = Optimizer(parameters, 1)
    theirs = Optimizer(parameters, 1, bounds=(-2.0, 2.0))
    cost = plain['cost_from'](objective.start.astype(float))
    for _ in range(3):
        a, b = ours.step(objective), theirs.step(cost)
        assert a.best_cost == pytest.approx(b.best_cost, rel=1e-4)
        assert a.ess == pytest.approx(b.ess, rel=1e-2)
        np.testing.assert_allclose(ours.mean, theirs.mean, atol=5e-3)
        theirs.mean[:] = ours.mean


def test_block_objective_swings_the_pendulum_up(plain, blocks):
    objective, state = blocks.Pendulum(), np.array([np.pi, 0.0])
    optimizer = Optimizer(plain['parameters'], 1)
    for _ in range(200):
        objective.start[:] = state
        optimizer.step(objective)
        state = plain['swing'](state, optimizer.mean[0, 0])
        optimizer.shift(0.05)
        assert np.abs(optimizer.mean).max() <= 2.0
    assert angle_error(state[0]) < 0.1


def test_block_objective_is_bit_identical_on_two_threads(blocks):
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip('needs a second thread: NUMBA_NUM_THREADS is 1')
    means = []
    for threads in (1, 2):
        optimizer = Optimizer(
            MppiParameters(samples=1000, horizon_steps=20, sigma=[3.0], threads=threads), 1)
        for _ in range(5):
            optimizer.step(blocks.Pendulum())
        means.append(optimizer.mean)
    np.testing.assert_array_equal(*means)
