"""The examples of docs/plugins.md run and behave as described."""
from __future__ import annotations

import importlib
from pathlib import Path
import re
import sys

from numba import njit
import numpy as np
import pytest
import yaml

from mppi_ros.control.controller import Controller
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving.plugin import Plugin, load_plugin
from mppi_ros.jit.function_pointer import call_pointer
from mppi_ros.parameters.declaration import replace
from mppi_ros.parameters.errors import ParameterError

PAGE = Path(__file__).parents[1] / 'docs' / 'plugins.md'
LAWN_RULES, SECTION, MASS = re.findall(r'```(?:python|yaml)\n(.*?)```', PAGE.read_text(), re.S)


@njit
def run(address, step, rows, values):
    call_pointer(address, (step, rows, values))


@pytest.fixture
def lawn_rules(tmp_path, monkeypatch):
    """Import the example module of the page."""
    (tmp_path / 'lawn_rules.py').write_text(LAWN_RULES)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module('lawn_rules')
    del sys.modules['lawn_rules']


def test_parameter_of_the_page_loads_its_plugin(lawn_rules):
    named = yaml.safe_load(SECTION)['mppi_controller']['ros__parameters']
    configuration = replace(ControllerParameters(), named)
    assert load_plugin(configuration.plugin) is lawn_rules.rules
    assert isinstance(lawn_rules.rules, Plugin)
    Controller(configuration)


def test_car_of_the_page_respects_its_turning_radius_and_normalizes_its_heading(lawn_rules):
    plugin = lawn_rules.rules
    rows = np.zeros((12, 64), np.float32)
    rows[2] = 1.0
    rows[6] = np.linspace(-0.5, 0.5, 64)
    rows[7] = 1.9
    for step in range(40):
        run(plugin.motion.address, step, rows, plugin.values)
    assert (np.abs(rows[5]) <= np.abs(rows[4]) * 0.6 / 0.4 + 1e-6).all()
    np.testing.assert_allclose(np.hypot(rows[2], rows[3]), 1.0, atol=1e-3)


def test_mass_of_the_page_reaches_its_goal():
    names = {}
    exec(MASS, names)
    plan = names['optimizer'].mean
    position = 0.1 * np.cumsum(0.1 * np.cumsum(plan, axis=0), axis=0)
    np.testing.assert_allclose(position[-1], names['goal'], atol=0.1)


@pytest.mark.parametrize(('name', 'reason'), [
    ('no_such_module:rules', "no module 'no_such_module' on the Python path"),
    ('json:rules', "the module 'json' has no attribute 'rules'; its plugins are: none"),
    ('.json:rules', 'cannot be loaded: TypeError: .*package'),
    ('json:dumps', 'is a function, not a Plugin'),
    ('json', 'must have the form module:variable'),
    (':rules', 'must have the form module:variable'),
])
def test_invalid_plugin_name_is_refused_with_a_reason(name, reason):
    with pytest.raises(ParameterError, match=reason):
        Controller(replace(ControllerParameters(), {'plugin': name}))


HEAD = 'from mppi_ros.driving.plugin import COST, Plugin, block_step\n'
STEP = 'def mine(step, rows, values):\n    rows[COST, 0] = 1.0\n'


@pytest.mark.parametrize(('source', 'said'), [
    ('def mine(:\n', r'cannot be loaded: invalid syntax \(broken_rules.py, line 1\)'),
    ('x = 1 / 0\n',
     r'cannot be loaded: ZeroDivisionError: division by zero \(broken_rules.py, line 1\)'),
    ('raise SystemExit(3)\n', r'cannot be loaded: SystemExit: 3 \(broken_rules.py, line 1\)'),
    ('import no_such_package\n', "no module 'no_such_package' on the Python path"),
    ('from json import no_such_name\n', 'cannot be loaded: ImportError: cannot import name'),
    (HEAD + STEP + 'rules = Plugin(critic=mine)\n',
     'cannot be loaded: critic = mine is not a function decorated with @block_step'),
    (HEAD + '@block_step\n' + STEP.replace('1.0', 'unknown') + 'rules = Plugin(critic=mine)\n',
     r'cannot be loaded: mine \(broken_rules.py, line 2\) cannot be compiled: .*unknown'),
    (HEAD + 'rules = Plugin()\n', 'cannot be loaded: Plugin has neither motion nor critic'),
    (HEAD + '@block_step\n' + STEP + 'mown = Plugin(critic=mine)\n',
     "has no attribute 'rules'; its plugins are: mown"),
    (HEAD + 'rules = None\n', 'is a NoneType, not a Plugin'),
])
def test_a_module_with_an_error_is_refused_by_name_and_the_controller_keeps_what_it_has(
    source, said, lawn_rules, tmp_path
):
    controller = Controller(replace(ControllerParameters(), {'plugin': 'lawn_rules:rules'}))
    before = controller.configuration, controller._objective
    (tmp_path / 'broken_rules.py').write_text(source)
    importlib.invalidate_caches()
    broken = replace(ControllerParameters(), {'plugin': 'broken_rules:rules'})
    try:
        with pytest.raises(ParameterError, match=said) as error:
            controller.configure(broken)
    finally:
        sys.modules.pop('broken_rules', None)
    assert "plugin = 'broken_rules:rules'" in str(error.value)
    assert (controller.configuration, controller._objective) == before
