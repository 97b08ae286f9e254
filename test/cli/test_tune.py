"""mppi_tune: accepted and rejected parameters, files, interruption, errors in one line."""
from __future__ import annotations

import json
import re

from fake_drive import BEST, fakes
import pytest
import yaml

from mppi_ros.cli import tune
from mppi_ros.control.parameters import read_yaml

START = {'/**/mppi_controller': {'ros__parameters': {
    'lambda': 5.0, 'sigma_share': [2.0, 1.0, 0.4], 'limits': {'vx_max': 0.8}}}}
ONLY = ('--parameters', 'lambda,sigma_share', '--jobs', '1')
AT_START = (('lambda', 5.0), ('sigma_share[0]', 2.0), ('sigma_share[1]', 1.0))


@pytest.fixture
def robot(tmp_path):
    path = tmp_path / 'robot.yaml'
    path.write_text(yaml.safe_dump(START))
    return path


def run(*words):
    return tune.main([str(word) for word in words])


@pytest.fixture
def of_fakes(monkeypatch):
    """Replace the drives, and end the search after so many trials instead of a time."""
    pytest.importorskip('optuna', reason="needs optuna: pip install 'mppi_ros[tune]'")
    pytest.importorskip('cmaes', reason="needs cmaes: pip install 'mppi_ros[tune]'")

    def set_up(search, held_out, trials=30):
        monkeypatch.setattr(tune, 'halves', lambda *words: (search, held_out))

        class Ended(Exception):
            pass

        complete = tune.Search.run

        def limited(self, deadline, notify):
            ended = []

            def counted(progress):
                notify(progress)
                ended.extend([progress.message] if progress.message else [])
                if len(ended) == trials:
                    raise Ended

            try:
                complete(self, float('inf'), counted)
            except Ended:
                return

        monkeypatch.setattr(tune.Search, 'run', limited)

    return set_up


def test_better_parameters_are_written_with_the_reason_of_each(robot, tmp_path, of_fakes, capsys):
    of_fakes(fakes(8), fakes(8, first=100))
    assert run('--robot', robot, '--output', tmp_path / 'out', *ONLY) == 0
    tuned = read_yaml(tmp_path / 'out' / 'tuned.yaml')
    assert tuned.limits.vx_max == 0.8
    assert tuned.mppi.temperature < 2.0
    assert tuned.sigma_share[2] == 0.4
    text = (tmp_path / 'out' / 'tuned.yaml').read_text()
    assert '# 5.0 -> ' in text
    assert re.search(r'# \[2.0, 1.0, 0.4\] -> .*: spread of the sampled speeds, importance \d+%; '
                     r'spread of the sampled turning rates, importance \d+%', text)
    result = json.loads((tmp_path / 'out' / 'result.json').read_text())
    assert result['verdict']['accepted']
    assert result['verdict']['high'] < 0.0
    assert set(result['importance']) == set(BEST)
    assert (tmp_path / 'out' / 'report.png').read_bytes()[:4] == b'\x89PNG'
    shown = capsys.readouterr()
    assert 'tuned.yaml: the cost in 8 held-out drives changes by -' in shown.out
    assert 'trial 1 (' in shown.err
    assert 'left' in shown.err
    assert 'best' in shown.err


def test_parameters_that_help_only_in_the_search_are_rejected(robot, tmp_path, of_fakes, capsys):
    """In the held-out drives the start is the optimum."""
    of_fakes(fakes(8), fakes(8, first=100, best=AT_START))
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'tuned.yaml').write_text('of an earlier run')
    assert run('--robot', robot, '--output', out, *ONLY) == 1
    assert 'The parameters at the start stand' in capsys.readouterr().out
    assert not (out / 'tuned.yaml').exists()
    result = json.loads((out / 'result.json').read_text())
    assert not result['verdict']['accepted']
    assert result['verdict']['mean'] > 0.0
    assert (out / 'report.png').exists()


def test_a_search_that_finds_nothing_leaves_the_start(robot, tmp_path, of_fakes, capsys):
    of_fakes(fakes(8, best=AT_START), fakes(8, first=100, best=AT_START), trials=5)
    assert run('--robot', robot, '--output', tmp_path / 'out', *ONLY) == 1
    assert 'stand' in capsys.readouterr().out


def test_an_interrupted_search_continues(robot, tmp_path, of_fakes, monkeypatch, capsys):
    of_fakes(fakes(6), fakes(6, first=100), trials=6)
    limited = tune.Search.run

    def interrupted(self, deadline, notify):
        limited(self, deadline, notify)
        raise KeyboardInterrupt

    monkeypatch.setattr(tune.Search, 'run', interrupted)
    words = '--robot', robot, '--output', tmp_path / 'out', *ONLY
    assert run(*words) == 1
    assert 'interrupted; the same command continues' in capsys.readouterr().err
    monkeypatch.setattr(tune.Search, 'run', limited)
    run(*words)
    result = json.loads((tmp_path / 'out' / 'result.json').read_text())
    assert result['trials'] >= 1 + 6 + 6
    assert run(*words, '--objective', 'smooth') == 2
    assert 'use another --output' in capsys.readouterr().err


@pytest.mark.parametrize('words, message', [
    (('--generated', '0'), '--maps or --generated is needed'),
    (('--parameters', 'limits.vx_max'), "'limits.vx_max' is not searched"),
    (('--weights', 'speed=2'), "'speed=2' is not NAME=WEIGHT"),
    (('--weights', 'time=-2'), "'-2' is outside"),
    (('--maps', 'nowhere'), 'nowhere'),
    (('--recording', 'nowhere.mcap'), 'nowhere.mcap'),
    (('--hours', '-1'), "'-1' is outside"),
])
def test_wrong_use_ends_with_one_line(robot, tmp_path, capsys, words, message):
    try:
        code = run('--robot', robot, '--output', tmp_path / 'out', *words)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]


def test_a_few_real_drives_end_with_an_answer(tmp_path):
    pytest.importorskip('optuna', reason="needs optuna: pip install 'mppi_ros[tune]'")
    pytest.importorskip('cmaes', reason="needs cmaes: pip install 'mppi_ros[tune]'")
    code = run('--robot', 'turtlebot4', '--generated', '2', '--hours', '0.001', '--output',
               tmp_path / 'out', '--parameters', 'ess_share,alpha', '--jobs', '1')
    result = json.loads((tmp_path / 'out' / 'result.json').read_text())
    assert code == int(not result['verdict']['accepted'])
    assert [each['before']['scenario'] for each in result['drives']] == [
        'generated/0', 'generated/1']
    assert result['comparison']['reached, of 2'][0] == 2
    assert (tmp_path / 'out' / 'report.png').exists()
