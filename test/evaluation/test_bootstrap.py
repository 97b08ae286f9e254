"""Bootstrap intervals equal those of the textbook algorithm, for one sample and for pairs."""
from __future__ import annotations

import warnings

import numpy as np
import pytest

from mppi_ros.evaluation.bootstrap import CONFIDENCE, RESAMPLES, percentile_interval


def sum_ratio(before, after, axis):
    with np.errstate(divide='ignore', invalid='ignore'):
        return after.sum(axis=axis) / before.sum(axis=axis)


def reference(statistic, *samples, seed=0):
    """Resample the observations jointly and take the percentiles of the statistic."""
    count = len(samples[0])
    drawn = np.random.default_rng(seed).integers(0, count, size=(RESAMPLES, count))
    tail = 50.0 * (1.0 - CONFIDENCE)
    return np.percentile(
        statistic(*(sample[drawn] for sample in samples), axis=-1), (tail, 100.0 - tail))


@pytest.mark.parametrize('seed', [0, 7])
@pytest.mark.parametrize('count', [2, 3, 50, 400])
def test_interval_of_a_mean_equals_the_reference(count, seed):
    values = np.random.default_rng(count).normal(2.0, 1.5, count)
    assert percentile_interval(np.mean, values, seed=seed) == pytest.approx(
        reference(np.mean, values, seed=seed), rel=1e-12)


@pytest.mark.parametrize('count', [2, 3, 50, 400])
def test_interval_of_a_ratio_keeps_the_pairs(count):
    before, after = np.random.default_rng(count).uniform(1.0, 3.0, (2, count))
    assert percentile_interval(sum_ratio, before, after) == pytest.approx(
        reference(sum_ratio, before, after), rel=1e-12)
    assert percentile_interval(sum_ratio, before, 2.0 * before) == (2.0, 2.0)


def test_interval_of_one_observation_is_that_observation():
    assert percentile_interval(np.mean, np.array([1.5])) == (1.5, 1.5)
    assert percentile_interval(sum_ratio, np.array([2.0]), np.array([3.0])) == (1.5, 1.5)


def test_undefined_statistic_has_an_undefined_interval_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert np.isnan(percentile_interval(sum_ratio, np.zeros(3), np.zeros(3))).all()
