"""mppi_compile leaves nothing to compile for the configured motion models."""
from __future__ import annotations

import pytest

from mppi_ros.cli import compile as command


@pytest.fixture
def compiled(monkeypatch):
    """Return the configurations for which kernels are compiled."""
    found = []
    monkeypatch.setattr(command, 'warm_up', found.append)
    return found


def test_it_compiles_for_each_file_of_parameters(compiled, tmp_path, capsys):
    file = tmp_path / 'robot.yaml'
    file.write_text('mppi_controller: {ros__parameters: {motion_model: omni, samples: 500}}')
    assert command.main(['--params', str(file)]) == 0
    assert [c.motion_model for c in compiled] == ['omni']
    assert compiled[0].mppi.samples == 500
    assert str(file) in capsys.readouterr().out


@pytest.mark.parametrize(('arguments', 'models'), [
    ([], ['diff_drive']), (['--all'], ['diff_drive', 'omni', 'ackermann'])])
def test_without_a_file_it_compiles_the_default_or_all_models(compiled, arguments, models):
    assert command.main(arguments) == 0
    assert [c.motion_model for c in compiled] == models


def test_bad_parameters_are_named_and_nothing_is_compiled(compiled, tmp_path, capsys):
    file = tmp_path / 'robot.yaml'
    file.write_text('mppi_controller: {ros__parameters: {samples: -1}}')
    assert command.main(['--params', str(file)]) == 2
    assert compiled == []
    assert 'samples = -1' in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_is_an_error(compiled, monkeypatch, capsys):
    monkeypatch.setattr(command, 'is_writable', lambda: False)
    assert command.main([]) == 1
    assert 'not writable' in capsys.readouterr().err


def test_a_plugin_that_cannot_be_loaded_is_bad_input(tmp_path, capsys):
    file = tmp_path / 'robot.yaml'
    file.write_text("mppi_controller: {ros__parameters: {plugin: 'no_such_module:rules'}}")
    assert command.main(['--params', str(file)]) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert f"{file}: plugin = 'no_such_module:rules'" in error
