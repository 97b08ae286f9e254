"""Σ is what sigma says: standard deviations or a whole covariance, never something in between."""
from __future__ import annotations

from dataclasses import replace
import pickle

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from mppi_ros.mppi import MppiParameters, NoiseParameters, ParameterError

entries = st.floats(-3.0, 3.0)


@given(sigma=st.lists(st.floats(0.01, 100.0), min_size=1, max_size=4))
def test_standard_deviations_stand_on_the_diagonal(sigma):
    factor = MppiParameters(sigma=tuple(sigma)).cholesky(len(sigma))
    np.testing.assert_array_equal(factor, np.diag(sigma))


@given(values=st.lists(entries, min_size=9, max_size=9))
def test_a_covariance_is_the_factor_times_its_transpose(values):
    root = np.tril(np.reshape(values, (3, 3)), -1) + np.diag([0.5, 1.0, 2.0])
    covariance = root @ root.T
    factor = MppiParameters(sigma=tuple(covariance.ravel())).cholesky(3)
    np.testing.assert_allclose(factor, root, atol=1e-9)
    assert not np.triu(factor, 1).any()


def test_without_sigma_each_control_has_a_standard_deviation_of_one():
    np.testing.assert_array_equal(MppiParameters().cholesky(3), np.eye(3))


@pytest.mark.parametrize(
    ('sigma', 'message'),
    [
        ((1.0,), 'sigma has 1 numbers; 2 standard deviations or 4 numbers'),
        ((1.0, 1.0, 1.0), 'sigma has 3 numbers'),
        ((0.0, 1.0), r'sigma = \[0\.0, 1\.0\] must be positive'),
        ((1.0, -1.0), 'must be positive'),
        ((1.0, 1e-50), r'must be positive, at least 1\.2e-38'),
        # An absolute tolerance would let pass whatever is small.
        ((1e-9, 5e-10, 1e-10, 1e-9), 'not a symmetric and positive'),
        ((1.0, 1e-7, 2e-7, 1e-12), 'not a symmetric and positive'),
        ((1e-16, 0.0, 0.0, 0.0), 'not a symmetric and positive'),
        ((1.0, 0.5, 0.2, 1.0), 'not a symmetric and positive'),
        ((1.0, 2.0, 2.0, 1.0), 'not a symmetric and positive definite covariance'),
        ((0.0, 0.0, 0.0, 1.0), 'not a symmetric and positive definite covariance'),
    ],
)
def test_what_is_no_covariance_of_two_controls_is_rejected(sigma, message):
    with pytest.raises(ParameterError, match=message):
        MppiParameters(sigma=sigma).cholesky(2)


@given(exponents=st.lists(st.integers(-12, 1), min_size=2, max_size=2))
def test_a_covariance_is_one_in_any_units(exponents):
    units = 10.0 ** np.array(exponents)
    covariance = np.array([[1.0, 0.9], [0.9, 1.0]]) * units[:, None] * units
    factor = MppiParameters(sigma=covariance).cholesky(2)
    np.testing.assert_allclose(factor @ factor.T, covariance, rtol=1e-9)


@pytest.mark.parametrize('sigma', [[[4.0]], np.array([[4.0]]), ((4,),)], ids=str)
def test_a_matrix_of_one_number_is_a_variance(sigma):
    parameters = MppiParameters(sigma=sigma)
    assert parameters.sigma == (2.0,)
    assert parameters == replace(parameters, seed=0) == MppiParameters(sigma=[2.0])
    pickled = pickle.loads(pickle.dumps(parameters))
    for same in (parameters, replace(parameters, samples=64), pickled):
        np.testing.assert_array_equal(same.cholesky(1), [[2.0]])


def test_a_matrix_is_not_taken_for_as_many_standard_deviations_as_it_has_numbers():
    covariance = MppiParameters(sigma=[[2.0, 1.0], [1.0, 2.0]])
    with pytest.raises(ParameterError, match='covariance of 2 controls; one of 4 is expected'):
        covariance.cholesky(4)
    np.testing.assert_array_equal(MppiParameters(sigma=covariance.sigma).cholesky(4).diagonal(),
                                  [2.0, 1.0, 1.0, 2.0])


@pytest.mark.parametrize(('sigma', 'said'), [
    ([[-4.0]], r'sigma = \[\[-4\.0\]\] is not a variance'),
    ([[0.0]], 'is not a variance'),
    ([[np.nan]], 'is not a variance'),
    ([[np.inf]], r'sigma = inf is outside \[-1000, 1000\]'),
    ([['4.0']], 'the values of sigma are of type str_; real numbers are expected'),
    ([[True]], 'the values of sigma are of type bool'),
    ([[1.0, None], [None, 1.0]], 'the values of sigma are of type object_'),
    (np.ma.masked_array(np.eye(2), 1.0 - np.eye(2)), 'sigma: masked arrays are not supported'),
    (np.ma.masked_array([1.0, 2.0], [False, True]), 'sigma = masked must be a number'),
])
def test_a_matrix_that_is_no_covariance_is_refused_when_it_is_given(sigma, said):
    with pytest.raises(ParameterError, match=said):
        MppiParameters(sigma=sigma)


@given(time=st.floats(0.0, 100.0), smoothing=st.floats(0.0, 10.0), dt=st.floats(0.005, 1.0))
def test_the_poles_of_the_noise_are_those_of_its_two_times(time, smoothing, dt):
    poles = MppiParameters(time_step=dt, noise=NoiseParameters(time, smoothing)).poles()
    for pole, seconds in zip(poles, (time, smoothing), strict=True):
        assert pole == pytest.approx(np.exp(-dt / seconds) if seconds > 0.0 else 0.0)
        assert 0.0 <= pole < 1.0


def test_the_horizon_is_steps_times_step():
    assert MppiParameters(horizon_steps=40, time_step=0.1).horizon == pytest.approx(4.0)
