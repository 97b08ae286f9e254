"""Help of every executable: purpose, options and exit codes."""
from __future__ import annotations

import re
import subprocess
import sys

import pytest

from mppi_ros.cli import evaluate
from mppi_ros.evaluation.suites import SUITES
from mppi_ros.share import share_path

ENTRIES = dict(
    re.findall(r"f'(\w+) = \{NAME\}\.([\w.]+):main'", share_path('setup.py').read_text('utf-8')))


def help_of(name, module):
    program = f'import sys; sys.argv[0] = {name!r}; from mppi_ros.{module} import main; main()'
    return subprocess.run([sys.executable, '-c', program, '--help'], capture_output=True,
                          text=True, timeout=120)


@pytest.mark.parametrize('name', ENTRIES)
def test_help_states_purpose_and_exit_codes(name):
    if ENTRIES[name].startswith('nodes.'):
        pytest.importorskip('rclpy', reason='needs ROS 2')
    shown = help_of(name, ENTRIES[name])
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.lstrip().startswith(('usage:', 'NAME'))
    assert name in shown.stdout
    text = ' '.join(shown.stdout.lower().split())
    assert 'exit code' in text or 'exit status' in text
    assert max(map(len, shown.stdout.splitlines())) < 120


@pytest.mark.parametrize('suite', SUITES)
def test_help_of_each_suite_states_what_it_drives(suite, capsys):
    with pytest.raises(SystemExit) as ended:
        evaluate.main([suite, '--help'])
    assert ended.value.code == 0
    usage, summary, *_ = capsys.readouterr().out.split('\n\n')
    assert usage.startswith(f'usage: mppi_evaluate {suite}')
    assert not summary.startswith('options:')
    assert len(summary.split()) > 2


def test_help_of_the_controller_lists_every_parameter_with_range_and_description():
    pytest.importorskip('rclpy', reason='needs ROS 2')
    from mppi_ros.control.parameters import ControllerParameters
    from mppi_ros.nodes.controller.node import MppiController
    from mppi_ros.parameters.declaration import describe
    from mppi_ros.ros.help import help_text

    page = ' '.join(help_text('mppi_controller', MppiController, ControllerParameters).split())
    for info in describe(ControllerParameters):
        assert f'{info.name} ({info.kind}, default' in page
        assert ' '.join(info.description.split()) in page
    assert 'time_step (double, default 0.05, [0.005, 1] s)' in page
