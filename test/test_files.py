"""YAML files of scenarios and maps: numbers as in YAML 1.2, and no key twice."""
from __future__ import annotations

import math

import pytest

from mppi_ros.files import load_yaml
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.map_files import map_fields

VALUES = {
    '1e-2': 0.01, '1e3': 1000.0, '-1E+3': -1000.0, '.5': 0.5, '5.': 5.0, '.5e1': 5.0, '0': 0,
    '-7': -7, '0x10': 16, '.inf': math.inf, '-.Inf': -math.inf, '1_000': '1_000', '1:30': '1:30',
    '1:30.5': '1:30.5', '010': 10.0, '0b11': '0b11', '1.2.3': '1.2.3', '-': '-', '.': '.',
    'e5': 'e5', '1e': '1e', 'yes': True, '~': None, '"1e3"': '1e3',
}  # fmt: skip


@pytest.mark.parametrize('text', VALUES)
def test_a_number_is_read_as_in_yaml_1_2(tmp_path, text):
    path = tmp_path / 'scenario.yaml'
    path.write_text(f'a: [{text}]\n' if text != '-' else 'a: ["-"]\n', 'utf-8')
    (found,) = load_yaml(path)['a']
    assert found == VALUES[text]
    assert type(found) is type(VALUES[text])


def test_a_repeated_key_is_refused_with_both_lines(tmp_path):
    path = tmp_path / 'scenario.yaml'
    path.write_text('a: 1\nb:\n  c: 1\n  d: 1\n  c: 2\n', 'utf-8')
    with pytest.raises(InputError, match=r'scenario\.yaml: c occurs twice, in lines 3 and 5'):
        load_yaml(path)
    path.write_text('a: &a {c: 1}\nb: {<<: *a, c: 2}\nd: {c: 3}\n', 'utf-8')
    assert load_yaml(path)['b'] == {'c': 2}


def test_a_map_may_have_its_resolution_with_an_exponent(tmp_path):
    path = tmp_path / 'map.yaml'
    path.write_text('image: map.pgm\nresolution: 5e-2\norigin: [-1e1, 0, 0]\nnegate: 0\n'
                    'occupied_thresh: 0.65\nfree_thresh: 0.25\n', 'utf-8')
    assert load_yaml(path)['resolution'] == 0.05
    map_fields(path)
