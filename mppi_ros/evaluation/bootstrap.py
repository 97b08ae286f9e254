"""Percentile bootstrap intervals, computed by scipy.stats.bootstrap with a fixed seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.stats import DegenerateDataWarning, bootstrap

RESAMPLES = 10_000
RESAMPLES_PER_BATCH = 1000  # bounds the memory for any number of observations
CONFIDENCE = 0.95


def percentile_interval(
    statistic: Callable[..., Any], *samples: NDArray[np.float64], seed: int = 0,
    confidence: float = CONFIDENCE,
) -> tuple[float, float]:
    """
    Return the bounds that contain the statistic with a probability, CONFIDENCE by default.

    Parameters
    ----------
    statistic : callable
        Maps the samples to a value; reduces the dimension `axis`, a keyword argument.
    samples : float64[n]
        Observations. Several samples are paired: the same observations are drawn from each.
    seed : int
        Seed of the resampling.
    confidence : float
        Probability, in (0, 1).

    Returns
    -------
    (float, float)
        Lower and upper bound. Both are the value itself for a single observation, and NaN if the
        statistic of a resample is NaN.

    """
    if len(samples[0]) == 1:  # scipy requires two observations
        value = float(statistic(*samples, axis=-1))
        return value, value
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', DegenerateDataWarning)
        result = bootstrap(
            samples, statistic, n_resamples=RESAMPLES, batch=RESAMPLES_PER_BATCH,
            confidence_level=confidence, method='percentile', paired=len(samples) > 1,
            vectorized=True, random_state=np.random.default_rng(seed),
        )  # fmt: skip
    low, high = result.confidence_interval
    return float(low), float(high)
