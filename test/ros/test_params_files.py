"""Params files: one that addresses nobody is named, and what is shared ends no node."""
from __future__ import annotations

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

import rclpy  # noqa: E402
from rclpy.node import Node  # noqa: E402

from mppi_ros.control.parameters import ControllerParameters  # noqa: E402
from mppi_ros.parameters.errors import ParameterError  # noqa: E402
from mppi_ros.ros import parameters  # noqa: E402
from mppi_ros.ros.parameters import ParameterMixin  # noqa: E402
from mppi_ros.ros.params_files import files, shared_names, unaddressed  # noqa: E402

NODE = '/robot1/mppi_controller'


def written(folder, text, name='params.yaml'):
    path = folder / name
    path.write_text(text, 'utf-8')
    return ['mppi_controller', '--ros-args', '--params-file', str(path)]


def section(key, **values):
    lines = ''.join(f'    {name}: {value}\n' for name, value in values.items())
    return f'{key}:\n  ros__parameters:\n{lines}'


@pytest.mark.parametrize('key', [
    '/robot1/mppi_controller', 'robot1/mppi_controller', '/**', '"**"', '/*/mppi_controller',
    '/**/mppi_controller', '/robot1/*', '/robot1/**', '/*/*'])
def test_a_file_that_addresses_the_node_is_fine(tmp_path, key):
    assert unaddressed(written(tmp_path, section(key, alpha=0.8)), NODE) == []


@pytest.mark.parametrize('key', [
    'mppi_controller', '/mppi_controller', '/robot2/mppi_controller', 'controller_server', '/*',
    '/robot1/mppi_controller2', '/robot1'])
def test_a_file_that_addresses_somebody_else_is_named_with_its_keys(tmp_path, key):
    arguments = written(tmp_path, section(key, alpha=0.8))
    (words,) = unaddressed(arguments, NODE)
    assert f'addresses {NODE}' in words
    assert arguments[-1] in words
    assert key.strip('/') in words
    # The file of the controller, given to another node as well.
    assert unaddressed(arguments, NODE, controller_params=arguments[-1]) == []


def test_a_namespace_may_be_a_level_of_its_own(tmp_path):
    text = 'robot1:\n  mppi_controller:\n    ros__parameters:\n      alpha: 0.8\n'
    assert unaddressed(written(tmp_path, text), NODE) == []
    assert len(unaddressed(written(tmp_path, text), '/mppi_controller')) == 1


def test_a_file_of_launch_with_tags_of_python_is_read_as_by_ros(tmp_path):
    arguments = written(
        tmp_path, section('/**', sigma='!!python/tuple [0.3, 0.5]', alpha='!!float 0.8'))
    assert unaddressed(arguments, NODE) == []
    assert shared_names(arguments, NODE) == {'sigma', 'alpha'}
    arguments = written(tmp_path, section('amcl', pose='!!python/tuple [0.3, 0.5]'))
    assert len(unaddressed(arguments, NODE)) == 1


@pytest.mark.parametrize(('key', 'shared'), [
    ('/**/mppi_controller', False), ('/*/mppi_controller', False), ('/**', True),
    ('/robot1/*', True)])
def test_a_key_that_ends_in_the_name_of_the_node_is_its_own(tmp_path, key, shared):
    assert bool(shared_names(written(tmp_path, section(key, lamda=0.5)), NODE)) is shared


def test_each_file_is_looked_at_by_itself(tmp_path):
    good = written(tmp_path, section('/**', alpha=0.8), 'good.yaml')
    bad = written(tmp_path, section('amcl', alpha=0.8), 'bad.yaml')
    (words,) = unaddressed([*good, *bad[2:]], NODE)
    assert 'bad.yaml' in words


@pytest.mark.parametrize('text', ['', '[]', 'a: 1', '{' * 3000, 'a: *b', 'mppi_controller: 3\n'])
def test_what_holds_no_parameters_is_named_and_ends_nothing(tmp_path, text):
    (words,) = unaddressed(written(tmp_path, text), NODE)
    assert 'contains no ros__parameters' in words
    assert shared_names(written(tmp_path, text), NODE) == frozenset()


def test_only_ros_arguments_count(tmp_path):
    assert files(['x', '--params-file', 'a', '--ros-args', '--params-file', 'b', '--',
                  '--params-file', 'c', '--ros-args', '-r', 'x:=y', '--params-file', 'd']) == [
        'b', 'd']
    assert files(['x', '--ros-args', '--params-file']) == []


def test_a_name_is_shared_where_only_wildcards_give_it(tmp_path):
    nested = 'map:\n      frame: 1\n    "a.b": 2'
    shared = written(tmp_path, section('/**', foreign=1, both=2, given=3).rstrip('\n') + (
        f'\n    {nested}\n'), 'shared.yaml')
    own = written(tmp_path, section(NODE, both=2, own=1), 'own.yaml')
    arguments = [*shared, *own[2:], '-p', 'given:=3', '-p', 'mppi_controller:other:=3']
    assert shared_names(arguments, NODE) == {'foreign', 'map.frame', 'a.b'}


class Holder(ParameterMixin[ControllerParameters], Node):
    def __init__(self) -> None:
        super().__init__('holder')
        self.declare_configuration(ControllerParameters())


@pytest.fixture
def start(ros_domain, monkeypatch):
    nodes = []

    def begin(arguments):
        monkeypatch.setattr(parameters.sys, 'argv', arguments)
        rclpy.init(args=arguments)
        nodes.append(Holder())
        return nodes[-1]

    yield begin
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown()


def test_a_foreign_key_of_a_shared_section_is_passed_over(tmp_path, start):
    text = section('/**', use_sim_time='true', robot_model_type='"differential"', alpha=0.8)
    node = start(written(tmp_path, text))
    assert node.configuration.mppi.alpha == 0.8
    assert node.get_clock().ros_time_is_active
    assert not node.has_parameter('robot_model_type')


def test_a_typing_error_in_the_own_section_is_still_refused(tmp_path, start):
    with pytest.raises(ParameterError, match='did you mean alpha'):
        start(written(tmp_path, section('/**', foreign=1) + section('holder', alhpa=0.8)))


def test_a_former_name_in_a_shared_section_is_refused_with_the_new_one(tmp_path, start):
    text = section('/**', **{'recovery.give_up': 5.0})
    with pytest.raises(ParameterError, match=r'it is named recovery\.progress_timeout now'):
        start(written(tmp_path, text))


def test_a_bad_value_in_a_shared_section_is_still_refused(tmp_path, start):
    with pytest.raises(ParameterError, match='alpha'):
        start(written(tmp_path, section('/**', alpha=5.0)))
