"""mppi_tune: accepted and rejected parameters, files, interruption and one-line errors."""
from __future__ import annotations

from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO
import json
import re

from fake_drive import BEST, fakes
from PIL import Image
import pytest
import yaml

from mppi_ros.cli import tune
from mppi_ros.control.parameters import read_yaml
from mppi_ros.simulation.plant import HARD

START = {'/**/mppi_controller': {'ros__parameters': {
    'lambda': 5.0, 'sigma_share': [2.0, 1.0, 0.4], 'limits': {'vx_max': 0.8}}}}
ONLY = ('--parameters', 'lambda,sigma_share', '--jobs', '1')
AT_START = (('lambda', 5.0), ('sigma_share[0]', 2.0), ('sigma_share[1]', 1.0))
CALM = (('lambda', 4.0), ('sigma_share[0]', 0.5), ('sigma_share[1]', 0.25))


@pytest.fixture
def robot(tmp_path):
    path = tmp_path / 'robot.yaml'
    path.write_text(yaml.safe_dump(START))
    return path


def run(*words):
    return tune.main([str(word) for word in words])


class Page(HTMLParser):
    """Texts and references of a report."""

    def __init__(self, path):
        super().__init__()
        self.references, self.text = [], ''
        self.feed(path.read_text(encoding='utf-8'))

    def handle_starttag(self, tag, attributes):
        assert tag not in ('script', 'link', 'iframe')
        self.references += [value for name, value in attributes if name in ('src', 'href')]

    def handle_data(self, data):
        self.text += data

    def images(self, kind):
        start = f'data:image/{kind};base64,'
        return [b64decode(each.removeprefix(start)) for each in self.references
                if each.startswith(start)]


@pytest.fixture
def use_fakes(monkeypatch):
    """Replace the drives, and end the search after a number of trials instead of a time."""
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


def test_better_parameters_are_written_with_their_importance(robot, tmp_path, use_fakes, capsys):
    use_fakes(fakes(8), fakes(8, first=100))
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
    shown = capsys.readouterr()
    assert 'tuned.yaml: the cost in 8 held-out drives changes by -' in shown.out
    assert 'trial 1 (' in shown.err
    assert 'left' in shown.err
    assert 'best' in shown.err
    page = Page(tmp_path / 'out' / 'report.html')
    assert 'Tuned parameters: accepted.' in page.text
    assert result['verdict']['reason'][1:] in page.text
    for word in ('tuned.yaml', 'lambda', 'sigma_share[1]', 'spread of the sampled speeds'):
        assert word in page.text
    assert 'sigma_share[2]' not in page.text  # unchanged
    # The file is self-contained.
    assert all(reference.startswith('data:') for reference in page.references)
    assert 'url(' not in (tmp_path / 'out' / 'report.html').read_text()
    assert len(page.images('svg+xml')) == 3
    # The animations show both robots in the drives that changed most.
    changes = {each['drive']: abs(each['after']['terms']['time'] - each['before']['terms']['time'])
               for each in result['drives']}
    least = sorted(changes.values())[-3]
    films = page.images('gif')
    assert len(films) == 3
    assert all(changes[name] >= least for name in re.findall(r'drive 10\d', page.text))
    with Image.open(BytesIO(films[0])) as film:
        assert film.n_frames > 20
        film.seek(film.n_frames - 1)
        colors = {color for _, color in film.convert('RGB').getcolors()}
    robots, trails, obstacle = ['7b8794', '2f6fde'], ['c5cbd3', '9dbcf5'], 'c2453d'
    assert {tuple(bytes.fromhex(each)) for each in (*robots, *trails, obstacle)} <= colors


def test_two_objectives_write_one_file_for_each_accepted_point(robot, tmp_path, use_fakes, capsys):
    use_fakes(fakes(8, calm=CALM), fakes(8, first=100, calm=CALM), trials=60)
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'tuned_both.yaml').write_text('of an earlier run')
    assert run('--robot', robot, '--output', out, '--objective', 'quick', '--objective', 'smooth',
               *ONLY) == 0
    result = json.loads((out / 'result.json').read_text())
    names = [point['name'] for point in result['points']]
    assert set(names) >= {'quick', 'smooth'}
    assert {path.name for path in out.glob('*.yaml')} == {f'tuned_{name}.yaml' for name in names}
    tuned = {name: read_yaml(out / f'tuned_{name}.yaml') for name in names}
    assert tuned['quick'].mppi.temperature < tuned['smooth'].mppi.temperature
    for point in result['points']:
        assert point['verdict']['accepted']
        assert set(point['verdict']['objectives']) == {'quick', 'smooth'}
        assert tuned[point['name']].mppi.temperature == point['parameters']['lambda']
    assert len(result['front']) >= len(names)
    assert {frozenset(each['after']) for each in result['drives']} == {frozenset(names)}
    assert set(result['importance']) == {'quick', 'smooth'}
    text = (out / 'tuned_quick.yaml').read_text()
    assert re.search(r'# 5.0 -> .*importance \d+% \(quick\), \d+% \(smooth\)', text)
    page = Page(out / 'report.html')
    assert all(reference.startswith('data:') for reference in page.references)
    for name in names:
        assert f'{name.capitalize()}: accepted.' in page.text
    assert len(page.images('gif')) == len(names)
    assert len(page.images('svg+xml')) == 4
    assert 'on the front' in capsys.readouterr().err


def test_start_is_kept_if_the_front_has_no_point_to_test(robot, tmp_path, use_fakes, capsys):
    use_fakes(*[fakes(6, first=first, best=AT_START, calm=AT_START) for first in (0, 100)],
             trials=5)
    out = tmp_path / 'out'
    assert run('--robot', robot, '--output', out, '--objective', 'quick,smooth', *ONLY) == 1
    assert 'The parameters at the start stand: no trial on the front' in capsys.readouterr().out
    result = json.loads((out / 'result.json').read_text())
    assert result['points'] == []
    assert not list(out.glob('*.yaml'))
    text = Page(out / 'report.html').text
    assert 'The parameters at the start stand. No trial on the front' in text


def test_parameters_that_improve_only_the_search_drives_are_rejected(
        robot, tmp_path, use_fakes, capsys):
    """In the held-out drives the start is the optimum."""
    use_fakes(fakes(8), fakes(8, first=100, best=AT_START))
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'tuned.yaml').write_text('of an earlier run')
    assert run('--robot', robot, '--output', out, *ONLY) == 1
    assert 'The parameters at the start stand' in capsys.readouterr().out
    assert not (out / 'tuned.yaml').exists()
    result = json.loads((out / 'result.json').read_text())
    assert not result['verdict']['accepted']
    assert result['verdict']['mean'] > 0.0
    assert 'Tuned parameters: not accepted.' in Page(out / 'report.html').text


def test_start_is_kept_if_the_search_finds_no_improvement(robot, tmp_path, use_fakes, capsys):
    use_fakes(fakes(8, best=AT_START), fakes(8, first=100, best=AT_START), trials=5)
    assert run('--robot', robot, '--output', tmp_path / 'out', *ONLY) == 1
    assert 'stand: no trial is better in the drives of the search.' in capsys.readouterr().out
    assert 'No trial is better' in Page(tmp_path / 'out' / 'report.html').text


def test_time_too_short_for_a_trial_is_reported(robot, tmp_path, use_fakes, monkeypatch, capsys):
    use_fakes(fakes(3), fakes(3, first=100))
    monkeypatch.setattr(tune.Search, 'run', lambda self, deadline, notify: None)
    assert run('--robot', robot, '--output', tmp_path / 'out', *ONLY) == 1
    assert 'too short for a trial, which takes --hours 0.01 at least' in capsys.readouterr().out
    page = Page(tmp_path / 'out' / 'report.html')
    assert 'too short for a trial' in page.text
    assert 'importance' not in page.text.lower()


def test_interrupted_search_continues(robot, tmp_path, use_fakes, monkeypatch, capsys):
    use_fakes(fakes(6), fakes(6, first=100), trials=6)
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
    assert result['trials'] >= 6 + 6
    assert run(*words, '--objective', 'smooth') == 2
    assert 'use another --output' in capsys.readouterr().err


def test_search_with_another_robot_or_other_maps_is_refused(
        robot, tmp_path, use_fakes, monkeypatch, capsys):
    use_fakes(fakes(6), fakes(6, first=100), trials=6)
    maps = tmp_path / 'maps'
    maps.mkdir()
    (maps / 'map.yaml').write_text('image: map.pgm', 'utf-8')
    words = '--maps', maps, '--output', tmp_path / 'out', *ONLY
    run('--robot', robot, *words)
    capsys.readouterr()
    other = tmp_path / 'other.yaml'
    other.write_text(robot.read_text('utf-8') + '    limits.vx_max: 0.3\n', 'utf-8')
    assert run('--robot', other, *words) == 2
    assert 'holds a search with another robot' in capsys.readouterr().err
    (maps / 'map.yaml').write_text('image: other.pgm', 'utf-8')
    assert run('--robot', robot, *words) == 2
    assert 'holds a search with another content of --maps' in capsys.readouterr().err


def test_parameters_are_written_even_if_the_report_does_not_fit_on_the_disk(
        robot, tmp_path, use_fakes, monkeypatch, capsys):
    use_fakes(fakes(8), fakes(8, first=100), trials=40)

    def full(path, *_):
        raise OSError(28, 'No space left on device', str(path))

    monkeypatch.setattr(tune, 'write_report', full)
    assert run('--robot', robot, '--output', tmp_path / 'out', *ONLY) == 2
    assert 'report.html: No space left on device' in capsys.readouterr().err
    assert read_yaml(tmp_path / 'out' / 'tuned.yaml') != read_yaml(robot)


def test_nav2_parameter_file_is_recognised(tmp_path, capsys):
    file = tmp_path / 'nav2.yaml'
    file.write_text('controller_server:\n  ros__parameters:\n    use_sim_time: true\n', 'utf-8')
    assert run('--robot', file, '--generated', '2', '--output', tmp_path / 'out', *ONLY) == 2
    assert 'mppi_import_nav2 converts the files of Nav2' in capsys.readouterr().err


def test_damaged_journal_is_reported(robot, tmp_path, use_fakes, capsys):
    use_fakes(fakes(6), fakes(6, first=100), trials=6)
    words = '--robot', robot, '--output', tmp_path / 'out', *ONLY
    run(*words)
    journal = tmp_path / 'out' / 'study.journal'
    journal.write_bytes(journal.read_bytes()[:-30])
    capsys.readouterr()
    assert run(*words) == 2
    assert 'study.journal is not a journal of a search' in capsys.readouterr().err


@pytest.fixture
def recording(tmp_path):
    """Return a recording of a robot with the plant HARD."""
    rosbags = pytest.importorskip('rosbags.rosbag2', reason='needs rosbags')
    from recorded import record
    from rosbags.typesys import Stores, get_typestore

    path = tmp_path / 'drive'
    with rosbags.Writer(path, version=9, storage_plugin=rosbags.StoragePlugin.MCAP) as writer:
        record(writer, get_typestore(Stores.ROS2_JAZZY), stamped=True)
    return path


def test_recording_sets_the_prediction_parameters_and_is_named_as_their_source(
        robot, recording, tmp_path, use_fakes):
    use_fakes(fakes(6), fakes(6, first=100))
    assert run('--robot', robot, '--recording', recording, '--output', tmp_path / 'out',
               *ONLY) == 0
    tuned = read_yaml(tmp_path / 'out' / 'tuned.yaml').prediction
    assert tuned.delay_linear == pytest.approx(HARD.delay_linear, abs=0.015)
    assert tuned.lag_linear == pytest.approx(HARD.lag_linear, abs=0.02)
    assert tuned.gain_angular == pytest.approx(1.02 * HARD.yaw_gain, abs=0.02)
    text = (tmp_path / 'out' / 'tuned.yaml').read_text()
    assert re.search(r'# 0\.\d+ -> 0\.\d+: identified from drive\n    prediction.lag_linear', text)
    page = Page(tmp_path / 'out' / 'report.html')
    assert 'prediction.lag_linear' in page.text
    assert 'identified from drive' in page.text


def test_simulated_robot_responds_like_the_recorded_one(recording, tmp_path):
    pytest.importorskip('optuna', reason="needs optuna: pip install 'mppi_ros[tune]'")
    words = ('--robot', 'turtlebot4', '--recording', recording, '--generated', '1', '--hours',
             '0.0001', '--parameters', 'alpha', '--jobs', '1', '--output', tmp_path / 'out')
    assert run(*words) == 1
    result = json.loads((tmp_path / 'out' / 'result.json').read_text())
    response = result['drives'][0]['before']['inputs']['response']
    assert response['delay_linear'] == pytest.approx(HARD.delay_linear, abs=0.015)
    assert response['lag_angular'] == pytest.approx(HARD.lag_angular, abs=0.02)
    assert response['yaw_gain'] == pytest.approx(1.02 * HARD.yaw_gain, abs=0.02)


def test_drives_use_rigid_body_physics_with_mujoco(tmp_path, capsys):
    pytest.importorskip('optuna', reason="needs optuna: pip install 'mppi_ros[tune]'")
    pytest.importorskip('mujoco', reason="needs mujoco: pip install 'mppi_ros[physics]'")
    words = ('--robot', 'jackal', '--generated', '1', '--hours', '0.0001', '--parameters', 'alpha',
             '--jobs', '1', '--output', tmp_path / 'out')
    assert run(*words, '--physics', 'mujoco', '--floor', 'wet') == 1
    result = json.loads((tmp_path / 'out' / 'result.json').read_text())
    (before,) = (drive['before'] for drive in result['drives'])
    assert before['physics'] == 'mujoco'
    assert (before['inputs']['physics']['robot'], before['inputs']['physics']['floor']) == (
        'jackal', 'wet')
    assert run(*words) == 2
    assert 'use another --output' in capsys.readouterr().err


def test_recording_without_commands_is_refused(data, robot, tmp_path, capsys):
    bag = data / 'bags' / 'jackal_odom_test2.bag'
    if not bag.exists():
        pytest.skip(f'needs {bag.name} in the navigation data')
    assert run('--robot', robot, '--recording', bag, '--generated', '1', '--output',
               tmp_path / 'out', *ONLY) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert f'{bag.name} has no topic of type' in line


@pytest.mark.parametrize('words, message', [
    (('--generated', '0'), '--maps or --generated is needed'),
    (('--parameters', 'limits.vx_max'), "'limits.vx_max' is not searched"),
    (('--objective', 'fast'), "'fast' is not one of quick, smooth, careful"),
    (('--objective', 'quick,smooth,careful'), 'at most two objectives'),
    (('--objective', 'quick,smooth', '--weights', 'time=2'), 'not possible with two objectives'),
    (('--weights', 'speed=2'), "'speed=2' is not NAME=WEIGHT"),
    (('--weights', 'time=-2'), "'-2' is outside"),
    (('--maps', 'nowhere'), '--maps nowhere is not a folder'),
    (('--output', '/proc/tuned'), '--output /proc/tuned: No such file'),
    (('--weights', 'time=0,jerk=0,clearance=0,comfort=0'), 'all weights are 0'),
    (('--recording', 'nowhere.mcap'), 'nowhere.mcap'),
    (('--hours', '-1'), "'-1' is outside"),
    (('--floor', 'wet'), 'need --physics mujoco'),
    (('--physics', 'mujoco', '--payload', '900'), 'payload = 900 kg is outside'),
])
def test_invalid_usage_exits_with_one_line(robot, tmp_path, capsys, words, message):
    try:
        code = run('--robot', robot, '--output', tmp_path / 'out', *words)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]


def test_short_search_on_simulated_drives_ends_with_a_verdict(tmp_path):
    pytest.importorskip('optuna', reason="needs optuna: pip install 'mppi_ros[tune]'")
    pytest.importorskip('cmaes', reason="needs cmaes: pip install 'mppi_ros[tune]'")
    code = run('--robot', 'turtlebot4', '--generated', '2', '--hours', '0.001', '--output',
               tmp_path / 'out', '--parameters', 'ess_share,alpha', '--jobs', '1')
    result = json.loads((tmp_path / 'out' / 'result.json').read_text())
    assert code == int(not result['verdict']['accepted'])
    assert [each['before']['scenario'] for each in result['drives']] == [
        'generated/0', 'generated/1']
    assert result['comparison']['reached, of 2'][0] == 2
    assert (tmp_path / 'out' / 'report.html').exists()
