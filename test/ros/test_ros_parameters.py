"""ROS parameters mirror a dataclass: described with unit and range, checked whole, set live."""
from __future__ import annotations

import array

import pytest

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.parameters.declaration import describe, flatten
from mppi_ros.parameters.errors import InputError, ParameterError

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

from rcl_interfaces.msg import ParameterDescriptor  # noqa: E402
import rclpy  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from mppi_ros.ros.parameters import ParameterMixin, descriptor  # noqa: E402

INFOS = {info.name: info for info in describe(ControllerParameters)}


class Holder(ParameterMixin[ControllerParameters], Node):
    def __init__(self, *overrides: Parameter) -> None:
        super().__init__('holder', parameter_overrides=list(overrides))
        self.applied: list[ControllerParameters] = []
        self.declare_configuration(ControllerParameters())

    def apply_configuration(self, configuration):
        if configuration.limits.vx_max == 13.0:
            raise InputError('13 m/s bring bad luck')
        self.applied.append(configuration)


@pytest.fixture
def make(ros_domain):
    rclpy.init()
    nodes = []

    def build(*overrides):
        nodes.append(Holder(*overrides))
        return nodes[-1]

    yield build
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown()


def change(node, **values):
    return node.set_parameters_atomically(
        [Parameter(name.replace('__', '.'), value=value) for name, value in values.items()])


def test_every_parameter_is_declared_with_its_default(make):
    node = make()
    for name, value in flatten(ControllerParameters()).items():
        declared = node.get_parameter(name).value
        assert (tuple(declared) if isinstance(value, tuple) else declared) == value


def test_every_parameter_is_described_with_unit_and_range():
    for info in INFOS.values():
        shown = descriptor(info)
        assert info.description in shown.description
        assert info.unit in shown.description
        bounded = shown.floating_point_range or shown.integer_range
        if info.low is not None or info.choices:
            assert bounded or shown.additional_constraints == info.range_text
        assert shown.read_only is not info.live


def test_a_value_given_at_start_is_taken(make):
    node = make(Parameter('lambda', value=0.5), Parameter('horizon_steps', value=40))
    assert node.configuration.mppi.temperature == 0.5
    assert node.get_parameter('horizon_steps').value == 40


@pytest.mark.parametrize(('name', 'value', 'words'), [
    ('lamda', 0.5, 'unknown parameter lamda; did you mean lambda?'),
    ('critics.obstacle.wieght', 1.0, 'did you mean critics.obstacle.weight?'),
    ('recovery.patience', 1.0, 'recovery.patience: it is named recovery.stuck_timeout now'),
    ('lambda', -1.0, r'lambda = -1\.0 is outside \[0, 1e\+06\]'),
    ('lambda', 'warm', "lambda = 'warm' must be a number"),
    ('samples', 2000.0, r'samples = 2000\.0 must be of type integer'),
])
def test_a_bad_value_at_start_is_refused(make, name, value, words):
    with pytest.raises(ParameterError, match=words.replace('?', r'\?')):
        make(Parameter(name, value=value))


def test_an_integer_is_taken_for_a_double(make):
    node = make(Parameter('alpha', value=1), Parameter('sigma', value=[1, 2]))
    assert node.configuration.mppi.alpha == 1.0
    assert node.configuration.mppi.sigma == (1.0, 2.0)
    assert change(node, **{'lambda': 2}).successful
    assert node.get_parameter('lambda').value == 2.0
    assert isinstance(node.get_parameter('lambda').value, float)


@pytest.mark.parametrize('empty', [None, [], array.array('d', [])])
def test_an_empty_list_is_an_empty_array_of_any_type(make, empty):
    corners = [0.2, 0.2, 0.2, -0.2, -0.2, -0.2, -0.2, 0.2]
    node = make(Parameter('robot.footprint', value=corners))
    assert len(node.configuration.robot.footprint) == 8
    typed = Parameter('robot.footprint', Parameter.Type.DOUBLE_ARRAY, empty) \
        if isinstance(empty, array.array) else Parameter('robot.footprint', value=empty)
    assert node.set_parameters_atomically([typed]).successful
    assert node.configuration.robot.footprint == ()
    assert list(node.get_parameter('robot.footprint').value) == []


@pytest.mark.parametrize(('changes', 'words'), [
    ({'lambda': -1.0}, 'lambda = -1.0 is outside [0, 1e+06]'),
    ({'time_step': 0.0}, 'time_step = 0.0 s is outside [0.005, 1] s'),
    ({'time_step': float('nan')}, 'time_step = nan s is outside [0.005, 1] s'),
    ({'samples': 'many'}, "samples = 'many' must be of type integer"),
    ({'motion_model': 'boat'}, "motion_model = 'boat' is not one of diff_drive"),
    ({'sigma': [0.1, 0.2, 0.3]}, 'sigma has 3 numbers'),
    ({'horison_steps': 5}, 'unknown parameter horison_steps; did you mean horizon_steps?'),
    ({'safety.tick_patience': 5}, 'it is named safety.watchdog_periods now'),
    ({'autostart': False}, 'read-only'),
    ({'limits.vx_max': 13.0}, '13 m/s bring bad luck'),
    ({'lambda': None}, 'lambda = None must be a number'),
])
def test_a_bad_change_is_refused_with_the_reason(make, changes, words):
    node = make()
    before = node.configuration
    result = change(node, **changes)
    assert not result.successful
    assert words in result.reason
    assert node.configuration is before
    assert node.applied == []


def test_a_set_with_one_bad_value_changes_nothing(make):
    node = make()
    assert not change(node, **{'lambda': 0.5, 'alpha': 5.0}).successful
    assert node.get_parameter('lambda').value == ControllerParameters().mppi.temperature
    assert node.configuration == ControllerParameters()


def test_what_rclpy_refuses_is_taken_back(make):
    node = make()
    assert not change(node, **{'lambda': 0.5, 'use_sim_time': 'perhaps'}).successful
    assert node.configuration == ControllerParameters()
    assert node.applied[-1] == ControllerParameters()


def test_a_set_is_applied_once_and_whole(make):
    node = make()
    # Either alone makes a horizon shorter than two control periods.
    assert change(node, control_rate=100.0, horizon_steps=4, time_step=0.01).successful
    (applied,) = node.applied
    assert (applied.control_rate, applied.mppi.horizon_steps) == (100.0, 4)


def test_everything_may_be_set_to_what_it_is(make):
    node = make()
    whole = flatten(ControllerParameters())
    del whole['use_sim_time']
    assert node.set_parameters_atomically([
        Parameter(name, value=list(value) if isinstance(value, tuple) else value)
        for name, value in whole.items()]).successful
    assert node.applied == []


def test_a_parameter_of_rclpy_that_is_read_only_may_be_set_to_what_it_is(make):
    node = make()
    node.declare_parameter('of_rclpy', True, ParameterDescriptor(read_only=True))
    assert change(node, of_rclpy=True, alpha=0.8).successful
    assert node.configuration.mppi.alpha == 0.8
    assert not change(node, of_rclpy=False, alpha=0.9).successful
    assert node.configuration.mppi.alpha == 0.8


def test_a_mistake_while_applying_refuses_the_change_and_ends_nothing(make, monkeypatch):
    def fail(configuration):
        raise ZeroDivisionError('a mistake')

    node = make()
    monkeypatch.setattr(node, 'apply_configuration', fail)
    result = change(node, alpha=0.8)
    assert (result.successful, result.reason) == (False, 'ZeroDivisionError: a mistake')
    assert node.configuration == ControllerParameters()


def test_the_time_source_stays_with_rclpy(make):
    node = make()
    assert change(node, use_sim_time=True).successful
    assert node.get_clock().ros_time_is_active
