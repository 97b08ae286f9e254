"""Parameter files are read as by rcl: sections, merging, types of values, and what it refuses."""
from __future__ import annotations

import math

import pytest

from mppi_ros.control import parameters
from mppi_ros.control.parameters import ControllerParameters, read_yaml
from mppi_ros.parameters.errors import InputError, ParameterError
from mppi_ros.parameters.sections import read_sections

NAN = object()
VALUES = {
    '1e-2': 0.01, '1e3': 1000.0, '1E3': 1000.0, '+1e3': 1000.0, '-1e-3': -0.001, '1.e2': 100.0,
    '.5': 0.5, '5.': 5.0, '010.5': 10.5, '.inf': math.inf, '-.inf': -math.inf, '+.Inf': math.inf,
    'inf': math.inf, 'infinity': math.inf, '.nan': NAN, 'nan': NAN, 'NAN': NAN, '1e400': '1e400',
    'yes': True, 'no': False, 'on': True, 'off': False, 'On': True, 'y': True, 'N': False,
    'TRUE': True, 'tRUE': 'tRUE', '0x10': 16, '-0x1': -1, '010': 8, '0o10': '0o10', '08': 8.0,
    '0x1p3': 8.0, '0x1.8': 1.5, '1_000': '1_000', '1_0.5': '1_0.5', '1:30': '1:30',
    '0b11': '0b11', '~': '~', 'null': 'null', '2020-01-01': '2020-01-01', '+5': 5, '1e': '1e',
    '1.5f': '1.5f', '99999999999999999999': 1e20, '9' * 5000: '9' * 5000, '"1e3"': '1e3',
    "'true'": 'true', '!!str 5': '5', '!!float 1': 1, '!!int "5"': '5', '=': '=', "''": '',
    '[1, 2]': [1, 2], '[1e-2, 0.1]': [0.01, 0.1], '[yes, no]': [True, False], '[]': [],
    '!!python/tuple [0.3, 0.5]': [0.3, 0.5], '[1.0, .inf]': [1.0, math.inf],
}  # fmt: skip
LINE = 'mppi_controller: {{ros__parameters: {{{}}}}}\n'
REFUSED = {  # by rcl, found with a node
    'a:': r'line 3: a has no value',
    'a: [0.3, 0.2, 1, 0]': r'line 3: a = \[0\.3, 0\.2, 1, 0\] mixes .* write 1\.0 instead of 1',
    'a: [[0.3, 0.2], [1.0, 2.0]]': r'line 3: a is a list of lists, which ROS does not read: .*x0',
    'a: [true, 1]': r'line 3: a = \[True, 1\] has values of several types',
    'a: [b, 1.0]': r'has values of several types',
    'a: {}': r'line 3: the group a is empty',
    'a: &x 1\n    b: *x': r'line 4: ROS does not read the alias \*x',
}


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / 'robot.yaml'
        path.write_text(text, 'utf-8')
        return path
    return write


def robots(*keys):
    return ''.join(
        LINE.format(f'samples: {500 + n}').replace('mppi_controller', key, 1)
        for n, key in enumerate(keys))


def in_section(text):
    return f'mppi_controller:\n  ros__parameters:\n    {text}\n'


@pytest.mark.parametrize('text', VALUES)
def test_a_value_has_the_type_that_ros_gives_it(written, text):
    (section,) = read_sections(written(in_section(f'a: {text}')))
    found, expected = section.values['a'], VALUES[text]
    if expected is NAN:
        assert math.isnan(found)
    else:
        assert found == expected
        assert type(found) is type(expected)


@pytest.mark.parametrize('text', REFUSED)
def test_what_ros_refuses_is_an_error_with_name_and_line(written, text):
    with pytest.raises(InputError, match=REFUSED[text]):
        read_sections(written(in_section(text)))


def test_what_ros_accepts_agrees_with_a_node(written, ros_domain):
    rclpy = pytest.importorskip('rclpy')
    from rclpy.node import Node

    values = [text for text in VALUES if text not in ('[]', '9' * 5000)]
    path = written(in_section('\n    '.join(f'a{n}: {v}' for n, v in enumerate(values))))
    rclpy.init(args=['x', '--ros-args', '--params-file', str(path)])
    try:
        node = Node('mppi_controller', start_parameter_services=False)
        found = {name: each.value for name, each in node._parameter_overrides.items()}
        node.destroy_node()
    finally:
        rclpy.shutdown()
    (section,) = read_sections(path)
    shown = {name: repr(list(value) if hasattr(value, 'typecode') else value)
             for name, value in found.items()}
    assert shown == {name: repr(value) for name, value in section.values.items()}


def test_repeated_sections_are_merged(written):
    text = in_section('samples: 500\n    alpha: 0.7') + in_section('samples: 600')
    found = read_yaml(written(text)).mppi
    assert (found.samples, found.alpha) == (600, 0.7)
    found = read_yaml(written(text.replace('mppi_controller', '/mppi_controller', 1))).mppi
    assert (found.samples, found.alpha) == (600, 0.7)


def test_documents_and_repeated_groups_are_merged(written):
    text = in_section('limits: {vx_max: 0.4}\n    limits: {wz_max: 1.0}')
    limits = read_yaml(written(text + '---\n' + in_section('limits: {vx_min: -0.1}'))).limits
    assert (limits.vx_max, limits.wz_max, limits.vx_min) == (0.4, 1.0, -0.1)


def test_a_parameter_of_two_types_is_refused_with_both_lines(written):
    with pytest.raises(ParameterError, match=r'alpha is set to 1 in line 3 and to 0\.5.*line 4'):
        read_yaml(written(in_section('alpha: 1\n    alpha: 0.5')))


def test_a_second_key_ros_parameters_is_refused_with_both_lines(written):
    with pytest.raises(ParameterError, match='two ros__parameters, in lines 2 and 4'):
        read_yaml(written(in_section('samples: 500') + '  ros__parameters:\n    alpha: 0.5\n'))


@pytest.mark.parametrize('key', [
    'mppi_controller', '/mppi_controller', '/robot1/mppi_controller', 'robot1/mppi_controller',
    '/**', '"**"', '/*', '/*/mppi_controller', '/**/mppi_controller', '/robot1/**', '/robot1/*',
    '/a/b/mppi_controller', '/*/*'])
def test_every_form_of_a_key_is_read(written, key):
    assert read_yaml(written(robots(key))).mppi.samples == 500


def test_a_namespace_may_be_a_level_of_its_own(written):
    text = 'robot1:\n  mppi_controller:\n    ros__parameters:\n      samples: 500\n'
    assert read_yaml(written(text)).mppi.samples == 500


@pytest.mark.parametrize('keys', [
    ('mppi_controller', '/**'), ('/**', 'mppi_controller'), ('/robot1/mppi_controller', '/**'),
    ('/**', '/*/mppi_controller'), ('/*/mppi_controller', '/**/mppi_controller', '/**')])
def test_the_last_section_that_applies_counts(written, keys):
    assert read_yaml(written(robots(*keys))).mppi.samples == 500 + len(keys) - 1


def test_a_repeated_section_counts_at_its_first_place(written):
    text = robots('mppi_controller', '/**', 'mppi_controller')
    assert read_yaml(written(text)).mppi.samples == 501


def test_a_section_of_another_namespace_does_not_apply(written):
    text = robots('/robot1/mppi_controller', '/*', '/robot2/*')
    assert read_yaml(written(text)).mppi.samples == 500


def test_two_robots_are_refused_unless_the_namespace_decides(written):
    path = written(robots('/robot1/mppi_controller', '/robot2/mppi_controller'))
    message = r'robot\.yaml.*2 robots, /robot1/mppi_controller, /robot2/.*: give .* one robot'
    for namespace in ('', '/', '/robot3'):
        with pytest.raises(ParameterError, match=message):
            read_yaml(path, namespace=namespace)
    assert read_yaml(path, namespace='/robot1').mppi.samples == 500
    assert read_yaml(path, namespace='/robot2').mppi.samples == 501
    with pytest.raises(ParameterError, match='2 robots'):
        read_yaml(written(robots('/robot1/**', '/robot2/**')))


def test_an_unknown_name_in_a_shared_section_is_ignored_with_one_warning(written, monkeypatch):
    path = written(LINE.format('map_frame: m, alpah: 0.5, samples: 500').replace(
        'mppi_controller', '/**'))
    messages = []
    monkeypatch.setattr(parameters.log, 'warning', messages.append)
    assert read_yaml(path).mppi.samples == read_yaml(path).mppi.samples == 500
    messages.sort()
    assert len(messages) == 2
    assert 'sets alpah for several nodes: unknown to mppi_controller; did you mean alpha?' in (
        messages[0])
    assert 'sets map_frame for several nodes' in messages[1]


@pytest.mark.parametrize('key', ['mppi_controller', '/**/mppi_controller', '/*/mppi_controller'])
def test_an_unknown_name_in_a_section_of_the_controller_is_refused(written, key):
    text = LINE.format('map_frame: m').replace('mppi_controller', key)
    with pytest.raises(ParameterError, match='unknown parameter map_frame'):
        read_yaml(written(text))
    both = LINE.format('map_frame: m').replace('mppi_controller', '/**')
    with pytest.raises(ParameterError, match='unknown parameter map_frame'):
        read_yaml(written(both + text))


def test_a_former_name_or_a_bad_value_in_a_shared_section_is_refused(written):
    text = LINE.replace('mppi_controller', '/**')
    with pytest.raises(ParameterError, match=r'it is named recovery\.progress_timeout now'):
        read_yaml(written(text.format('recovery: {give_up: 5.0}')))
    with pytest.raises(ParameterError, match='alpha = 5'):
        read_yaml(written(text.format('alpha: 5.0')))


def test_a_section_without_parameters_is_read_and_one_without_a_value_refused(written):
    assert read_yaml(written(LINE.format(''))) == ControllerParameters()
    with pytest.raises(ParameterError, match=r'line 2: /mppi_controller.*ros__parameters: {}'):
        read_yaml(written('mppi_controller:\n  ros__parameters:\n'))
    with pytest.raises(ParameterError, match='line 1: /other has no ros__parameters'):
        read_yaml(written('other: 5\n' + LINE.format('')))


def test_a_number_for_a_group_is_refused_as_such(written):
    with pytest.raises(ParameterError, match=r'limits = 5 must be a group .* limits: {vx_max: '):
        read_yaml(written(LINE.format('limits: 5')))
