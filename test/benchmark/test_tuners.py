"""Comparison of tuners: equal numbers of evaluations, and convergence to a known optimum."""
from __future__ import annotations

import math

import numpy as np
import pytest

from mppi_ros.benchmark import tuners
from mppi_ros.benchmark.tuners import PLANS, START, by_autotune, by_mppi_tune

BEST = 0.2, 1.0, 2.0


def away(values):
    return sum(math.log(value / best) ** 2 for value, best in zip(values, BEST, strict=True))


def searches():
    return [
        pytest.param(by_mppi_tune, ('optuna', 'cmaes'), id='mppi_tune'),
        pytest.param(by_autotune, ('torch', 'pytorch_mppi', 'cma'), id='autotune'),
    ]


@pytest.mark.parametrize('search, needed', searches())
def test_tuner_approaches_the_optimum_within_its_evaluations(search, needed):
    for name in needed:
        pytest.importorskip(name, reason=f'needs {name}')
    seen = []

    def controller(values, seed):
        seen.append(seed)
        return 10.0 + away(values)

    found = list(search(controller, 44, 1))
    assert len(found) == 44
    assert found[0] == START
    assert away(found[-1]) < 0.5 * away(START)
    assert 44 * PLANS <= len(seen) <= 44 * PLANS + 2 * PLANS
    # The reported cost uses other seeds.
    assert max(seen) < tuners.FIRST_TEST_SEED


def test_parameters_affect_the_controller_and_the_plan_avoids_the_hill():
    with_start = tuners.ours(START, 3)
    assert tuners.ours(START, 3) == with_start
    assert tuners.ours((START[0], 1.0, 1.0), 3) != with_start
    standing = tuners._cost(np.zeros((20, 2)))
    straight = tuners._cost(np.tile([0.5, -0.4], (20, 1)))
    assert with_start < 0.5 * min(standing, straight)


def test_both_controllers_reach_a_similar_cost():
    pytest.importorskip('torch', reason='needs torch')
    pytest.importorskip('pytorch_mppi', reason='needs pytorch_mppi')
    ours, other = (np.mean([controller(START, seed) for seed in range(3)])
                   for controller in tuners.CONTROLLERS.values())
    assert 0.5 < ours / other < 2.0


def test_rows_contain_the_cost_after_each_number_of_evaluations(monkeypatch):
    for name in ('torch', 'pytorch_mppi', 'cma', 'optuna'):
        pytest.importorskip(name, reason=f'needs {name}')
    monkeypatch.setattr(tuners, 'CONTROLLERS', {'a': lambda values, seed: away(values)})
    rows = list(tuners.measure((11, 33), 2, lambda *words: None))
    assert [(row['tuner'], row['evaluations'], row['seeds']) for row in rows] == [
        ('none', 0, 1), *[(tuner, count, 2) for tuner in tuners.TUNERS for count in (11, 33)]]
    assert all(row['least'] <= row['cost'] <= row['greatest'] for row in rows)
