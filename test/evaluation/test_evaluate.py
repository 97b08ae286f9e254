"""Suites: deterministic results, content of the result file, comparison, errors in one line."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
import json
import math

import numpy as np
import pytest
import yaml

from mppi_ros.cli import evaluate
from mppi_ros.cli.evaluate import main
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.parameters import Limits
from mppi_ros.evaluation.aggregate import reason_of_failure, summarise
from mppi_ros.evaluation.bootstrap import percentile_interval
from mppi_ros.evaluation.case import Case, drawn, driving_time, free_time, turning_time
from mppi_ros.evaluation.comparison import changed, differences, pair
from mppi_ros.evaluation.maps import log
from mppi_ros.evaluation.request import Request
from mppi_ros.evaluation.suites import cases_of
from mppi_ros.parameters.errors import InputError
from mppi_ros.share import share_path
from mppi_ros.simulation.grid_planner import plan
from mppi_ros.simulation.plant import PLANTS
from mppi_ros.simulation.world import World

EPISODE = {
    'scenario', 'seed', 'success', 'collision', 'timeout', 'time_s', 'path_length_m', 'score',
    'min_clearance_m', 'mean_jerk', 'solve_ms', 'cross_track_rms_m', 'reversals',
    'standing_share', 'inputs',
}  # fmt: skip
SHORT = {
    'bounds': [0.0, 0.0, 4.0, 2.0],
    'walls': [[0.1, 0.1, 3.9, 0.1], [0.1, 1.9, 3.9, 1.9]],
    'start': [1.0, 1.0, 0.0],
    'goal': [2.5, 1.0, 0.0],
    'criteria': {'time_ratio': 3.0, 'standing_s': 2.0, 'reversals': 3},
}


@pytest.fixture
def scenarios(tmp_path):
    folder = tmp_path / 'scenarios'
    folder.mkdir()
    for name, goal in (('near', 2.0), ('far', 2.5)):
        content = {**SHORT, 'goal': [goal, 1.0, 0.0]}
        (folder / f'{name}.yaml').write_text(yaml.safe_dump(content))
    return folder


@pytest.fixture
def barn(tmp_path):
    folder = tmp_path / 'barn'
    (folder / 'circles').mkdir(parents=True)
    (folder / 'index.csv').write_text('world,official_OT_s\n7,6.0\n8,6.0\n')
    for world in (7, 8):
        # A wall across the corridor: the robot cannot leave, and the episode must say so.
        rows = [f'{x:.3f},5.0,0.075,wall' for x in np.arange(-5.0, -0.4, 0.15)]
        free = ['-1.0,8.0,0.075,field']
        lines = ['x,y,radius,kind', *(rows if world == 8 else free)]
        (folder / 'circles' / f'circles_{world}.csv').write_text('\n'.join(lines))
    return folder


@pytest.fixture
def maps(tmp_path):
    from PIL import Image

    grey = np.full((80, 160), 254, np.uint8)
    grey[[0, -1], :] = grey[:, [0, -1]] = 0
    grey[30:50, 70:80] = 0
    folder = tmp_path / 'maps' / 'hall'
    folder.mkdir(parents=True)
    Image.fromarray(grey).save(folder / 'hall.pgm')
    (folder / 'hall.yaml').write_text(
        'image: hall.pgm\nresolution: 0.05\norigin: [0.0, 0.0, 0.0]\nnegate: 0\n'
        'occupied_thresh: 0.65\nfree_thresh: 0.25\n'
    )
    (folder / 'notes.yaml').write_text('author: nobody\n')
    return folder.parent


def run(*words):
    return main([str(word) for word in words])


def without_times(path):
    episodes = json.loads(path.read_text())['episodes']
    for episode in episodes:
        del episode['solve_ms']
    return episodes


def test_same_seed_gives_identical_episodes_for_one_and_two_jobs(scenarios, tmp_path):
    results = []
    for jobs in (1, 2):
        out = tmp_path / f'{jobs}.json'
        assert run('scenarios', '--data', scenarios, '--jobs', jobs, '--json', out) == 0
        results.append(without_times(out))
    assert results[0] == results[1]
    assert [e['scenario'] for e in results[0]] == ['far', 'far', 'near', 'near']


def test_result_has_all_documented_keys_and_the_inputs_to_repeat_it(scenarios, tmp_path):
    out = tmp_path / 'out.json'
    run('scenarios', '--data', scenarios, '--only', 'near', '--plant', 'hard', '--jobs', 1,
        '--seed', 5, '--json', out)
    content = json.loads(out.read_text())
    assert {'suite', 'version', 'episodes', 'summary', 'parameters'} <= set(content)
    assert {'success_rate', 'collision_rate', 'mean_score', 'mean_time_s'} <= set(
        content['summary'])
    (episode,) = content['episodes']
    assert set(episode) >= EPISODE
    assert set(episode['solve_ms']) == {'p50', 'p99', 'max'}
    assert (episode['plant'], episode['seed']) == ('hard', 5)
    inputs = episode['inputs']
    (case,) = cases_of('scenarios', Request(scenarios, ('near',), seed=5, plants=('hard',)))
    assert inputs['start'] == list(case.start)
    assert inputs['circles'] == [list(circle) for circle in case.circles]
    assert 'vx_max' in str(content['parameters'])


@pytest.mark.parametrize('change, text', [
    ({}, ''),
    ({'failed': ['standing at most 2 s', 'at most 1 reversals']},
     'not met: standing at most 2 s, at most 1 reversals'),
    ({'failed': ['reached', 'standing at most 2 s'], 'success': False, 'timeout': True},
     'time-out'),
    ({'failed': ['reached'], 'success': False}, 'stopped elsewhere (goal reached)'),
    ({'failed': ['no contact'], 'collision': True, 'success': False}, 'contact'),
])
def test_the_reason_of_a_failure_cannot_be_read_as_its_opposite(change, text):
    episode = {'collision': False, 'timeout': False, 'success': True, 'failed': [],
               'reason': 'goal reached', **change}
    assert reason_of_failure(episode) == text


def test_barn_score_is_the_official_formula_and_a_standing_robot_times_out(barn, tmp_path):
    cases = cases_of('barn', Request(barn))
    assert [case.scenario for case in cases] == ['7', '8']
    free, result = cases[0].run()
    assert free['success']
    assert free['score'] == pytest.approx(6.0 / min(max(free['time_s'], 12.0), 48.0))
    assert result.trace.pose[-1, 1] == pytest.approx(12.0, abs=0.2)  # 1 m before the goal
    case = cases[0]
    assert case.configuration.limits.ax_max == 5.0
    assert case.configuration.limits.vx_max == 2.0
    assert (case.timeout, case.sensing) == (100.0, 'lidar')


def test_maps_yields_ten_distant_pairs_and_every_other_one_has_unmapped_obstacles(maps):
    cases = cases_of('maps', Request(maps))
    assert [case.scenario for case in cases] == [f'hall/hall/{n}' for n in range(10)]
    for number, case in enumerate(cases):
        assert np.hypot(case.goal[0] - case.start[0], case.goal[1] - case.start[1]) > 2.0
        assert bool(case.hidden) <= bool(number % 2)
        assert case.episode(1.0).world.clearance(0.175, case.start) > 0.0
    assert any(case.hidden for case in cases)
    assert cases == cases_of('maps', Request(maps))
    assert cases_of('maps', Request(maps, ('hall/hall/3',))) == [cases[3]]


def test_a_map_too_narrow_for_the_robot_is_skipped_unless_nothing_else_is_left(
        maps, monkeypatch):
    from PIL import Image

    said = []  # the loggers of launch, if it is installed, do not propagate to caplog
    monkeypatch.setattr(log, 'warning', lambda text, *values: said.append(text % values))
    grey = np.array(Image.open(maps / 'hall' / 'hall.pgm'))
    grey[:, ::4] = 0
    (maps / 'shelf').mkdir()
    Image.fromarray(grey).save(maps / 'shelf' / 'shelf.pgm')
    text = (maps / 'hall' / 'hall.yaml').read_text()
    (maps / 'shelf' / 'shelf.yaml').write_text(text.replace('hall', 'shelf'))
    assert {case.world for case in cases_of('maps', Request(maps))} == {
        str(maps / 'hall' / 'hall.yaml')}
    assert said == ['shelf/shelf: skipped, because it has no free space for the robot']
    for only in ('shelf/shelf', 'shelf/shelf/3'):
        with pytest.raises(InputError, match='shelf/shelf: the map has no free space'):
            cases_of('maps', Request(maps, (only,)))
    (maps / 'hall' / 'hall.yaml').unlink()
    with pytest.raises(InputError, match='shelf/shelf: the map has no free space'):
        cases_of('maps', Request(maps))


def test_a_damaged_map_does_not_stop_the_others(maps, monkeypatch):
    said = []
    monkeypatch.setattr(log, 'warning', lambda text, *values: said.append(text % values))
    (maps / 'broken').mkdir()
    text = (maps / 'hall' / 'hall.yaml').read_text()
    (maps / 'broken' / 'broken.yaml').write_text(text.replace('hall.pgm', 'no.pgm'))
    assert {case.world for case in cases_of('maps', Request(maps))} == {
        str(maps / 'hall' / 'hall.yaml')}
    (line,) = said
    assert line.startswith('broken/broken: skipped: ')
    assert 'no.pgm' in line
    with pytest.raises(InputError, match=r'no\.pgm'):
        cases_of('maps', Request(maps, ('broken/broken',)))
    (maps / 'hall' / 'hall.pgm').write_bytes(b'P5 40 40 255 ' + bytes(1600))
    with pytest.raises(InputError, match='no free space'):
        cases_of('maps', Request(maps))
    (maps / 'hall' / 'hall.yaml').unlink()
    with pytest.raises(InputError, match=r'no\.pgm'):
        cases_of('maps', Request(maps))


def test_unmapped_obstacles_leave_a_path_with_endpoint_clearance(maps):
    from PIL import Image

    grey = np.array(Image.open(maps / 'hall' / 'hall.pgm'))
    grey[16:, 40:120] = 0  # a corridor of 0.75 m, and no other way
    Image.fromarray(grey).save(maps / 'hall' / 'hall.pgm')
    for case in cases_of('maps', Request(maps, runs=4)):
        if case.hidden:
            around = drawn(World.load(case.world).occupancy, case.hidden)
            wider = Footprint.round(case.configuration.robot.radius + 0.09)
            assert plan(around, case.start, case.goal, wider) is not None


@pytest.mark.parametrize('path', sorted(share_path('config', 'scenarios').glob('*.yaml')),
                         ids=lambda path: path.stem)
def test_every_shipped_scenario_is_feasible_and_has_criteria(path):
    nominal, heavy = cases_of('scenarios', Request(only=(path.stem,)))
    assert (nominal.plant, heavy.plant) == ('nominal', 'heavy')
    assert PLANTS['heavy'].delay_linear == 0.15
    assert PLANTS['heavy'].lag_linear == 0.3
    limited = {name for name, value in vars(nominal.criteria).items() if np.isfinite(value)}
    assert limited >= {'time_ratio', 'standing_s', 'reversals', 'jerk'}
    assert bool(limited & {'zone_length', 'zone_speed'}) == bool(nominal.zones)
    assert 0.0 < nominal.ideal_time() < 60.0
    body = np.reshape(nominal.configuration.robot.footprint, (-1, 2))
    body = body if len(body) else nominal.configuration.robot.radius
    assert nominal.episode(10.0).world.clearance(body, nominal.start) > 0.0


def test_failed_criteria_are_named_and_the_exit_code_is_1(scenarios, tmp_path):
    content = {**SHORT, 'criteria': {'time_ratio': 0.1, 'jerk': 1e-6}}
    (scenarios / 'near.yaml').write_text(yaml.safe_dump(content))
    out = tmp_path / 'out.json'
    assert run('scenarios', '--data', scenarios, '--only', 'near', '--plant', 'nominal',
               '--jobs', 1, '--json', out) == 1
    (episode,) = json.loads(out.read_text())['episodes']
    assert episode['success']
    assert not episode['passed']
    assert episode['failed'] == ['time within 0.1 × ideal', 'jerk at most 1e-06 m²/s⁶']


def test_driving_time_is_that_of_a_trapezoidal_or_triangular_profile():
    limits = cases_of('scenarios', Request(only=('u_turn',)))[0].configuration.limits
    assert driving_time(0.0, limits) == 0.0
    ramps = limits.vx_max / limits.ax_max - limits.vx_max / limits.ax_min
    assert driving_time(10.0, limits) == pytest.approx(10.0 / limits.vx_max + 0.5 * ramps)
    short = driving_time(0.01, limits)
    assert 0.5 * limits.ax_max * short**2 > 0.01


@pytest.mark.parametrize(('words', 'told'), [
    (['nonsense'], 'nonsense'),
    (['barn'], '--data is needed'),
    (['barn', '--data', 'nowhere'], 'not a folder'),
    (['scenarios', '--only', 'nonsense'], "--only: unknown scenario 'nonsense'; there are"),
    (['scenarios', '--only', ''], "'' holds no value"),
    (['scenarios', '--plant', ' , '], 'holds no value'),
    (['scenarios', '--only', 'u_tum'], 'did you mean u_turn?'),
    (['scenarios', '--only', 'u_turn', '--gif', 'films', '--replay', 'out.png'],
     '--replay and --gif exclude each other'),
    (['scenarios', '--physics', 'mujoco', '--slope', '80'],
     'slope = 80 degrees is outside [0, 20] degrees'),
    (['scenarios', '--physics', 'mujoco', '--payload', '-5'],
     'payload = -5 kg is outside [0, 500] kg'),
    (['scenarios', '--physics', 'mujoco', '--sill', '1'], 'sill = 1 m is outside [0, 0.05] m'),
    (['scenarios', '--plant', 'rubber'], "unknown plant 'rubber'"),
    (['scenarios', '--robot', 'tank'], "unknown robot 'tank'"),
    (['scenarios', '--runs', '0'], 'is not an integer in'),
    (['scenarios', '--params', 'nowhere.yaml'], 'nowhere.yaml'),
    (['scenarios', '--replay', 'out.png'], 'draws one episode'),
    (['scenarios', '--only', 'u_turn', '--plant', 'hard', '--replay', 'out.jpg'], '.png or .gif'),
    (['scenarios', '--json', '/nowhere/out.json'],
     'cannot be written: there is no folder /nowhere'),
    (['scenarios', '--json', '/proc'], 'cannot be written: it is a folder'),
    (['compare', 'nowhere.json', 'nowhere.json'], 'nowhere.json'),
])
def test_bad_input_ends_with_one_line_and_code_2(words, told, capsys):
    try:
        code = run(*words)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count('\n') == 1


def test_parameter_file_with_an_unknown_key_is_rejected_and_nothing_is_written(tmp_path, capsys):
    params, out = tmp_path / 'p.yaml', tmp_path / 'out.json'
    params.write_text('mppi_controller:\n  ros__parameters:\n    lambada: 1.0\n')
    assert run('scenarios', '--params', params, '--json', out) == 2
    assert 'did you mean lambda?' in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(('change', 'told'), [
    ({'sped': 1.0}, "unknown field 'sped'"),
    ({'start': [1.0, 'x', 0.0]}, 'start'),
    ({'criteria': {'time': 1.0}}, 'criteria'),
    ({'start': [0.1, 0.1, 0.0]}, 'start'),
])
def test_invalid_scenario_is_named(scenarios, capsys, change, told):
    (scenarios / 'bad.yaml').write_text(yaml.safe_dump({**SHORT, **change}))
    assert run('scenarios', '--data', scenarios, '--only', 'bad', '--jobs', 1) == 2
    error = capsys.readouterr().err
    assert 'bad' in error
    assert told in error


def test_invalid_barn_data_is_named_before_any_episode_runs(barn, capsys):
    (barn / 'circles' / 'circles_8.csv').write_text('x,y,radius,kind\n1,2\n')
    assert run('barn', '--data', barn) == 2
    assert 'circles_8.csv: line 2' in capsys.readouterr().err


def test_replay_draws_a_picture_and_an_animation(scenarios, tmp_path):
    for suffix, magic in (('png', b'\x89PNG'), ('gif', b'GIF8')):
        out = tmp_path / f'out.{suffix}'
        assert run('scenarios', '--data', scenarios, '--only', 'near', '--plant', 'nominal',
                   '--replay', out) == 0
        assert out.read_bytes()[:4] == magic


def test_films_come_with_the_results(scenarios, tmp_path, capsys):
    out = tmp_path / 'out.json'
    assert run('scenarios', '--data', scenarios, '--only', 'near', '--plant', 'nominal',
               '--gif', tmp_path / 'films', '--json', out) == 0
    assert (tmp_path / 'films' / 'near.gif').read_bytes()[:4] == b'GIF8'
    (episode,) = json.loads(out.read_text())['episodes']
    assert episode['scenario'] == 'near'
    assert 'score' in capsys.readouterr().out


@pytest.mark.parametrize('command', ['suite', 'compare'])
def test_an_interrupt_is_told_in_one_line(scenarios, monkeypatch, capsys, command):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, 'cases_of', interrupt)
    monkeypatch.setitem(evaluate.COMMANDS, 'compare', interrupt)
    words = ['scenarios'] if command == 'suite' else ['compare', 'a.json', 'b.json']
    assert run(*words) == 1
    assert capsys.readouterr().err == 'mppi_evaluate: interrupted\n'


def test_interruption_keeps_finished_episodes(scenarios, tmp_path, monkeypatch, capsys):
    def interrupted(cases, jobs, cluster):
        yield 1, cases[1].run()[0]
        raise KeyboardInterrupt

    monkeypatch.setattr('mppi_ros.evaluation.runner.run_cases', interrupted)
    out = tmp_path / 'out.json'
    assert run('scenarios', '--data', scenarios, '--json', out) == 1
    assert 'interrupted after 1 of 4' in capsys.readouterr().err
    assert [e['plant'] for e in without_times(out)] == ['heavy']


@pytest.mark.skipif(find_spec('distributed') is None, reason='needs Dask: pip install distributed')
def test_cluster_gives_the_same_episodes(scenarios, tmp_path):
    from distributed import LocalCluster

    results = []
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=True,
                      dashboard_address=None) as cluster:
        for words in ([], ['--cluster', cluster.scheduler_address]):
            out = tmp_path / 'out.json'
            run('scenarios', '--data', scenarios, '--jobs', 1, '--json', out, *words)
            results.append(without_times(out))
    assert results[0] == results[1]


@pytest.mark.skipif(find_spec('distributed') is None, reason='needs Dask: pip install distributed')
def test_unreachable_cluster_ends_with_one_line(scenarios, capsys, monkeypatch):
    monkeypatch.setattr('mppi_ros.evaluation.runner.CONNECT_TIMEOUT', 0.5)
    assert run('scenarios', '--data', scenarios, '--cluster', 'tcp://127.0.0.1:9') == 2
    assert '--cluster tcp://127.0.0.1:9' in capsys.readouterr().err.splitlines()[-1]


def episode(scenario, seed, **values):
    passed = values.get('success', True)
    return {'scenario': scenario, 'plant': 'nominal', 'seed': seed, 'success': True,
            'collision': False, 'timeout': False, 'passed': passed, 'score': 0.5,
            'time_s': 10.0, 'solve_ms': {'p50': 1.0}, 'min_clearance_m': 0.1, **values}


def test_comparison_pairs_by_scenario_plant_and_seed():
    a = [episode('one', 0), episode('one', 1), episode('two', 0)]
    b = [episode('two', 0), episode('one', 1), episode('three', 0)]
    assert [one['scenario'] for one, _ in pair(a, b)] == ['one', 'two']


def test_comparison_detects_a_constant_gain_and_no_zero_gain():
    a = [episode('one', seed, time_s=10.0 + seed) for seed in range(20)]
    b = [episode('one', seed, time_s=9.0 + seed) for seed in range(20)]
    found = {d.measure: d for d in differences(pair(a, b))}
    time_s = found['time_s']
    assert (time_s.mean, time_s.low, time_s.high) == (-1.0, -1.0, -1.0)
    assert time_s.verdict == 'better'
    assert found['score'].verdict == 'no difference seen'


def test_bootstrap_interval_of_many_values_equals_that_of_the_normal_approximation():
    values = np.random.default_rng(3).normal(2.0, 1.5, 400)
    low, high = percentile_interval(np.mean, values)
    half = 1.96 * values.std() / np.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.02)
    assert high == pytest.approx(values.mean() + half, abs=0.02)


def test_time_is_compared_only_where_both_succeed():
    a = [episode('one', 0, time_s=10.0), episode('two', 0, time_s=10.0)]
    b = [episode('one', 0, time_s=12.0), episode('two', 0, time_s=100.0, success=False)]
    found = {d.measure: d for d in differences(pair(a, b))}
    assert (found['time_s'].pairs, found['time_s'].mean) == (1, 2.0)
    assert found['success'].mean == -0.5


def test_changed_returns_better_and_worse_episodes():
    a = [episode('one', 0), episode('two', 0, success=False, score=0.0), episode('three', 0)]
    b = [episode('one', 0, success=False, collision=True, score=0.0), episode('two', 0),
         episode('three', 0, score=0.51)]
    better, worse = changed(pair(a, b))
    assert [one['scenario'] for one, _ in better] == ['two']
    assert [one['scenario'] for one, _ in worse] == ['one']


def test_mean_score_weights_scenarios_equally_for_any_number_of_runs():
    episodes = [episode('one', seed, score=0.4) for seed in range(9)]
    episodes.append(episode('two', 0, score=0.2))
    assert summarise(episodes)['mean_score'] == pytest.approx(0.3)


def test_cases_can_be_pickled(scenarios):
    import pickle

    (case, *_) = cases_of('scenarios', Request(scenarios))
    assert isinstance(case, Case)
    assert pickle.loads(pickle.dumps(case)) == case


def test_all_official_worlds_are_found(data):
    cases = cases_of('barn', Request(data / 'barn'))
    assert len(cases) == len({case.scenario for case in cases}) >= 25
    assert all(5.0 < case.optimal_time < 10.0 for case in cases)


@pytest.mark.parametrize('angle', [0.0, 0.1, 1.0, -math.pi])
def test_turning_time_is_the_integral_of_the_quickest_turn(angle):
    limits = Limits(wz_max=0.8, az_max=1.0)
    time, turned, rate, dt = 0.0, 0.0, 0.0, 1e-4
    while turned < abs(angle):
        stopping = rate * rate / (2.0 * limits.az_max)
        rising = abs(angle) - turned > stopping
        rate = min(max(rate + (dt if rising else -dt) * limits.az_max, 1e-4), limits.wz_max)
        turned, time = turned + rate * dt, time + dt
    assert turning_time(angle, limits) == pytest.approx(time, abs=0.02)


STRAIGHT = np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [4.0, 0.0, 0.0]])
TURNER = Limits(vx_max=1.0, vx_min=-0.2, wz_max=1.0, az_max=1.0)
QUARTER_TURN, HALF_TURN = 0.5 * math.pi + 1.0, math.pi + 1.0  # [s]


@pytest.mark.parametrize(('path', 'start', 'goal', 'turning'), [
    (STRAIGHT, 0.0, 0.0, 0.0),
    (STRAIGHT, 0.5, -0.5, 0.0),
    (STRAIGHT, math.pi, 0.0, QUARTER_TURN),
    (STRAIGHT, 0.0, -math.pi, QUARTER_TURN),
    (STRAIGHT, math.pi, math.pi, 2.0 * QUARTER_TURN),
])  # fmt: skip
def test_ideal_time_includes_turns_that_cannot_be_made_while_driving(path, start, goal, turning):
    driving = driving_time(4.0, TURNER)
    for given in (False, True):
        time = free_time(path, start, goal, TURNER, True, given=given)
        assert time == pytest.approx(driving + turning)
    on_the_way = free_time(path, start, goal, TURNER, False, given=False)
    assert on_the_way == pytest.approx(max(driving, HALF_TURN if start != goal and turning else 0))


def test_ideal_time_of_a_turn_in_place_is_the_turning_time():
    spot = np.array([[1.0, 2.0, 0.0], [1.0, 2.0, math.pi]])
    for heads_along in (False, True):
        time = free_time(spot, 0.0, math.pi, TURNER, heads_along, given=False)
        assert time == pytest.approx(HALF_TURN)


def test_ideal_time_includes_a_turn_in_place_within_a_given_plan():
    docking = np.array([
        [0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [2.0, 0.0, math.pi],
        [3.0, 0.0, math.pi], [4.0, 0.0, math.pi]])  # fmt: skip
    time = free_time(docking, 0.0, math.pi, TURNER, True, given=True)
    assert driving_time(4.0, TURNER) + HALF_TURN <= time + 1e-9


def test_ideal_time_without_turns_if_the_robot_reverses_as_fast():
    quick = Limits(vx_max=1.0, vx_min=-1.0, wz_max=1.0, az_max=1.0)
    time = free_time(STRAIGHT, math.pi, math.pi, quick, True, given=False)
    assert time == pytest.approx(driving_time(4.0, quick))


def test_official_and_reference_times_replace_the_computed_ideal_time():
    case = Case(
        'barn',
        '7',
        'nominal',
        0,
        (0.0, 0.0, 2.0),
        (0.0, 9.0, 0.0),
        ControllerParameters(),
        optimal_time=6.0,
    )
    assert case.ideal_time() == 6.0
    assert replace(case, optimal_time=0.0, laps=2, lap_time=11.0).ideal_time() == 22.0
