"""mppi_compile compiles all kernels of the configured motion models."""
from __future__ import annotations

import pytest

from mppi_ros.cli import compile as command


@pytest.fixture
def compiled(monkeypatch):
    """Return the configurations for which kernels are compiled."""
    found = []
    monkeypatch.setattr(command, 'warm_up', found.append)
    return found


def test_kernels_are_compiled_for_each_parameter_file(compiled, tmp_path, capsys):
    file = tmp_path / 'robot.yaml'
    file.write_text('mppi_controller: {ros__parameters: {motion_model: omni, samples: 500}}')
    assert command.main(['--params', str(file)]) == 0
    assert [c.motion_model for c in compiled] == ['omni']
    assert compiled[0].mppi.samples == 500
    assert str(file) in capsys.readouterr().out


@pytest.mark.parametrize(('arguments', 'models'), [
    ([], ['diff_drive']), (['--all'], ['diff_drive', 'omni', 'ackermann'])])
def test_kernels_of_the_default_or_all_models_are_compiled_without_a_file(
        compiled, arguments, models):
    assert command.main(arguments) == 0
    assert [c.motion_model for c in compiled] == models


def test_invalid_parameters_are_reported_and_nothing_is_compiled(compiled, tmp_path, capsys):
    file = tmp_path / 'robot.yaml'
    file.write_text('mppi_controller: {ros__parameters: {samples: -1}}')
    assert command.main(['--params', str(file)]) == 2
    assert compiled == []
    assert 'samples = -1' in capsys.readouterr().err


def test_unwritable_cache_is_an_error(compiled, monkeypatch, capsys):
    monkeypatch.setattr(command, 'is_writable', lambda: False)
    assert command.main([]) == 1
    assert 'not writable' in capsys.readouterr().err


def test_plugin_that_cannot_be_loaded_is_invalid_input(tmp_path, capsys):
    file = tmp_path / 'robot.yaml'
    file.write_text("mppi_controller: {ros__parameters: {plugin: 'no_such_module:rules'}}")
    assert command.main(['--params', str(file)]) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert f"{file}: plugin = 'no_such_module:rules'" in error
