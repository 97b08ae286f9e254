"""Searched parameters: valid ranges, the forms of λ and Σ, no limits and no safety."""
from __future__ import annotations

import pytest

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.evaluation.request import read_robot
from mppi_ros.evaluation.tuning import space
from mppi_ros.evaluation.tuning.space import AXES, changed, rounded, searched
from mppi_ros.parameters.declaration import describe, flatten, replace
from mppi_ros.parameters.errors import InputError
from mppi_ros.share import share_path

USUAL = ControllerParameters()


@pytest.mark.parametrize('robot', ['', 'f1tenth', 'rosbot_mecanum', 'turtlebot3', 'jackal'])
def test_the_ends_of_each_range_are_valid_and_contain_the_start(robot):
    start = read_robot(robot)
    axes = searched(start)
    assert len(axes) > 15
    for axis in axes:
        assert axis.low <= axis.value(start) <= axis.high
        assert axis.reason
    values = {axis.name: axis.value(start) for axis in axes}
    for end in ('low', 'high'):
        ends = {axis.name: getattr(axis, end) for axis in axes}
        found = changed(start, axes, ends)
        assert {axis.name: axis.value(found) for axis in axes} == pytest.approx(ends)
    assert changed(start, axes, values) == start


def test_limits_body_goal_and_safety_are_never_searched():
    known = {info.name for info in describe(ControllerParameters)}
    names = {axis.parameter for axis in searched(USUAL)}
    assert names <= known
    assert not {name.partition('.')[0] for name in names} & {
        'limits', 'robot', 'goal', 'safety', 'prediction', 'recovery', 'moving_obstacles',
        'samples', 'horizon_steps', 'time_step', 'control_rate', 'motion_model'}
    assert not [name for name in names if name.endswith('.collision')]


def test_lambda_and_sigma_are_searched_if_they_are_set():
    names = {axis.name for axis in searched(USUAL)}
    assert {'ess_share', 'sigma_share[0]', 'sigma_share[1]'} <= names
    fixed = replace(USUAL, {'lambda': 0.3, 'sigma': (0.2, 0.5)})
    axes = {axis.name: axis for axis in searched(fixed)}
    assert {'lambda', 'sigma[0]', 'sigma[1]'} <= set(axes)
    assert not {'ess_share', 'sigma_share[0]'} & set(axes)
    assert axes['sigma[0]'].high == pytest.approx(2.5 * USUAL.limits.vx_max)
    covariance = replace(USUAL, {'sigma': (0.1, 0.0, 0.0, 0.1)})
    assert not [axis for axis in searched(covariance) if axis.name.startswith('sigma')]


def test_a_value_of_zero_or_beyond_the_range_can_be_the_start():
    start = replace(USUAL, {'critics.twirling.weight': 0.0, 'critics.obstacle.weight': 50.0})
    axes = {axis.name: axis for axis in searched(start)}
    assert axes['critics.twirling.weight'].low == 0.0
    assert not axes['critics.twirling.weight'].log
    assert axes['critics.obstacle.weight'].high == 50.0


def test_only_the_named_parameters_are_searched():
    axes = searched(USUAL, ('sigma_share', 'alpha'))
    assert [axis.name for axis in axes] == ['sigma_share[0]', 'sigma_share[1]', 'alpha']
    found = flatten(changed(USUAL, axes, {
        'sigma_share[0]': 0.7, 'sigma_share[1]': 0.3, 'alpha': 0.9}))
    assert found['sigma_share'] == (0.7, 0.3, USUAL.sigma_share[2])
    assert found['alpha'] == 0.9
    with pytest.raises(InputError, match=r'limits.vx_max.*alpha'):
        searched(USUAL, ('limits.vx_max',))


def test_the_page_of_the_tuner_lists_every_parameter_with_range_and_effect():
    page = share_path('docs', 'tuner.md').read_text('utf-8')
    axes = [*AXES, *(axis for name, axis in vars(space).items() if isinstance(axis, space.Axis))]
    assert len(axes) == len(AXES) + 5
    for axis in axes:
        assert f'| `{axis.name}` | {axis.low:g} to {axis.high:g} | {axis.reason} |' in page
        assert axis.log


def test_values_have_three_digits():
    assert rounded(0.0123456) == 0.0123
