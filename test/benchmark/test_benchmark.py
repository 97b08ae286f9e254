"""Benchmarks: rows, labels, ratios of two results and one-line errors."""

from __future__ import annotations

import json
from pathlib import Path
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from mppi_ros.benchmark.closed_loop import drive
from mppi_ros.benchmark.comparison import ratios
from mppi_ros.benchmark.limit import SimpleObjective, optimizer_of
from mppi_ros.benchmark.situation import load_situation
from mppi_ros.benchmark.solve import Solve
from mppi_ros.cli.benchmark import main
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving.motion_models import MODELS
from mppi_ros.evaluation.results import times
from mppi_ros.mppi import score
from mppi_ros.parameters.declaration import replace

TIMES = {'median_ms', 'p90_ms', 'p99_ms', 'p999_ms', 'max_ms'}
PHASES = {
    'solve', 'noise', 'noise, were it white', 'rollout', 'weights', 'weighted sum',
    'distance field of 60 × 60', 'distance field of 1000 × 1000', 'path',
}


def run(*words):
    return main([str(word) for word in words])


@pytest.fixture
def scenario(tmp_path):
    cost = np.zeros((60, 60), np.uint8)
    cost[[0, -1], :] = 254
    cost[:, 0], cost[5, 5], cost[6, 6] = 255, 253, 100
    along = np.arange(0.6, 2.4, 0.05)
    plan = np.stack([along, np.full_like(along, 1.5), np.zeros_like(along)], axis=1)
    path = tmp_path / 'small.npz'
    np.savez(path, costmap=cost, resolution=0.05, origin=[0.0, 0.0], plan=plan,
             robot_pose=plan[0], robot_speed=[0.2, 0.0, 0.1])
    return path


def test_solve_returns_rows_of_every_size_pace_and_phase(scenario, tmp_path):
    out = tmp_path / 'out.json'
    code = run('solve', '--scenario', scenario, '--samples', '64,128', '--steps', '8', '--threads',
               '1,2', '--calls', 10, '--json', out)
    assert code == 0
    content = json.loads(out.read_text())
    assert content['benchmark'] == 'solve'
    assert {'cpu', 'cores', 'numba', 'thread_layer', 'commit'} <= set(content['machine'])
    rows = content['rows']
    assert all(set(row) >= TIMES for row in rows)
    solves = {(row['samples'], row['steps'], row['threads'], row['pace'])
              for row in rows if row['phase'] == 'solve'}
    assert solves == {(k, 8, n, pace) for k in (64, 128) for n in (1, 2)
                      for pace in ('hot', '20Hz')}
    assert {row['phase'] for row in rows} >= PHASES
    assert any(row['phase'] == 'rollout without obstacle' for row in rows)


def test_solve_with_and_without_plugin_alternate(scenario, tmp_path, monkeypatch):
    (tmp_path / 'calm_rules.py').write_text(
        'from mppi_ros.driving.plugin import BLOCK, COST, Plugin, block_step\n\n\n'
        '@block_step\ndef calm(step, rows, values):\n'
        '    for j in range(BLOCK):\n        rows[COST, j] = 1.0\n\n\n'
        'rules = Plugin(critic=calm)\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    params, out = tmp_path / 'own.yaml', tmp_path / 'out.json'
    params.write_text("mppi_controller:\n  ros__parameters:\n    plugin: 'calm_rules:rules'\n")
    words = ('--scenario', scenario, '--params', params, '--samples', 64, '--steps', 8,
             '--threads', 1, '--calls', 10, '--json', out)
    assert run('solve', *words) == 0
    rows = json.loads(out.read_text())['rows']
    for pace in ('hot', '20Hz'):
        names = [row['phase'] for row in rows if row['pace'] == pace]
        assert {'solve', 'solve without the plugin'} <= set(names)
    assert len(rows) == len({(row['phase'], row['pace']) for row in rows})


def test_solve_with_and_without_moving_obstacles_alternate(scenario, tmp_path):
    out = tmp_path / 'out.json'
    assert run('solve', '--scenario', scenario, '--samples', 64, '--steps', 8, '--threads', 1,
               '--calls', 10, '--obstacles', '2,9', '--json', out) == 0
    phases = [row['phase'] for row in json.loads(out.read_text())['rows'] if row['pace'] == 'hot']
    assert {'solve', 'solve with 2 moving obstacles', 'solve with 9 moving obstacles'} <= {*phases}


def test_moving_obstacles_of_the_benchmark_have_a_cost():
    situation, configuration = load_situation(None), ControllerParameters()
    alone, among = (
        Solve(situation, configuration, 64, 56, 1, obstacles=count) for count in (0, 40))
    for each in (alone, among):
        each.call()
    costs = [each._objective.cost_of_each_critic(each._optimizer.mean) for each in (alone, among)]
    assert costs[0]['moving_obstacle'] == 0.0
    assert costs[1]['moving_obstacle'] > 0.0


@pytest.mark.parametrize('model', MODELS)
def test_solve_uses_the_motion_model_of_the_configuration(scenario, model):
    configuration = replace(ControllerParameters(), {'motion_model': model})
    solve = Solve(load_situation(scenario), configuration, 64, 8, 1)
    solve.call()
    assert solve.label == f'solve[K=64,T=8,{model},1 thread]'
    assert type(solve._objective.model) is MODELS[model]


def test_label_contains_the_parameters(scenario):
    solve = Solve(load_situation(scenario), ControllerParameters(), 64, 8, 1)
    assert solve.label == 'solve[K=64,T=8,diff_drive,1 thread]'


def test_nav2_costmap_values_are_converted(scenario):
    grid = load_situation(scenario).costmap.data
    assert (grid[0, 5], grid[10, 0], grid[5, 5], grid[10, 10]) == (100, -1, 99, 0)
    assert 0 < grid[6, 6] < 99


def test_built_in_situation_is_feasible():
    situation = load_situation(None)
    row = drive(situation, ControllerParameters(), 0)
    assert row['reached'], row['reason']
    assert row['min_distance_m'] > ControllerParameters().robot.radius


def test_times_are_quantiles():
    found = times(np.arange(1, 1002))
    assert (found['median_ms'], found['max_ms']) == (501.0, 1001.0)
    assert found['p90_ms'] == 901.0
    assert found['p999_ms'] == 1000.0


def test_ratios_match_rows_by_their_keys():
    other = [{'phase': 'solve', 'samples': 10, 'median_ms': 2.0, 'p99_ms': 4.0},
             {'phase': 'noise', 'samples': 10, 'median_ms': 1.0}]
    this = [{'phase': 'solve', 'samples': 10, 'median_ms': 1.0, 'p99_ms': 4.0},
            {'phase': 'solve', 'samples': 20, 'median_ms': 9.0}]
    found = ratios(other, this)
    assert [(row['value'], row['ratio']) for row in found] == [('median_ms', 0.5), ('p99_ms', 1.0)]


def test_compare_prints_ratios_and_measures_again_without_a_second_result(
        scenario, tmp_path, capsys):
    out = tmp_path / 'out.json'
    run('solve', '--scenario', scenario, '--samples', 64, '--steps', 8, '--threads', 1, '--calls',
        10, '--json', out)
    capsys.readouterr()
    assert run('compare', out, out) == 0
    assert 'samples 64, steps 8' in capsys.readouterr().out
    before = out.read_bytes()
    assert run('compare', out) == 0
    assert out.read_bytes() == before


def test_theory_holds(tmp_path):
    out = tmp_path / 'out.json'
    assert run('theory', '--json', out) == 0
    for row in json.loads(out.read_text())['rows']:
        assert {'law', 'predicted', 'measured', 'tolerance', 'holds'} <= set(row)


@pytest.mark.parametrize(('words', 'message'), [
    (['nonsense'], 'nonsense'),
    (['solve', '--samples', '2000,x'], "'x' is not an integer"),
    (['solve', '--scenario', 'nowhere.npz'], 'nowhere.npz'),
    (['solve', '--params', 'nowhere.yaml'], 'nowhere.yaml'),
    (['solve', '--json', '/nowhere/out.json'], 'cannot be written'),
    (['latency', '--rate', '0'], 'outside [5, 500] Hz'),
    (['compare', 'nowhere.json'], 'nowhere.json'),
])
def test_invalid_input_exits_with_one_line_and_code_2(words, message, capsys):
    try:
        code = run(*words)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count('\n') == 1


def test_invalid_scenarios_are_rejected(tmp_path, capsys):
    path = tmp_path / 'bad.npz'
    path.write_text('not a zip')
    assert run('solve', '--scenario', path) == 2
    np.savez(path, costmap=np.zeros((5, 5), np.uint8))
    assert run('solve', '--scenario', path) == 2
    np.savez(path, costmap=np.zeros(5, np.uint8), resolution=0.05, origin=[0, 0],
             plan=np.zeros((1, 3)), robot_pose=[0, 0, 0], robot_speed=[0, 0, 0])
    assert run('solve', '--scenario', path) == 2
    assert 'costmap has shape [5]' in capsys.readouterr().err


@pytest.mark.parametrize('page', [False, True])
def test_latency_rows_of_the_node(ros_domain, tmp_path, page):
    pytest.importorskip('rclpy')
    pytest.importorskip('psutil')
    if page:
        pytest.importorskip('nicegui', reason='needs nicegui: make test-dashboard')
        from mppi_ros.benchmark.live_page import BROWSERS

        if not any(map(shutil.which, BROWSERS)):
            pytest.skip('needs Chromium')
    program = (
        'import json, os, sys; from pathlib import Path; from mppi_ros.ros import use_wheels; '
        'use_wheels(); import rclpy; from mppi_ros.benchmark import latency as b; '
        'rclpy.init(args=[])\n'
        'with b._LatencyRun(60, 2.0, 20.0, None, Path(sys.argv[1]), dict(os.environ)) as run:\n'
        f'    {page} and run.open_page()\n'
        '    print(json.dumps([{"start_up": run.start_up}, *run.rows()]))\n'
    )
    # In a separate process: rclpy must not be initialised in the process of the tests.
    done = subprocess.run([sys.executable, '-c', program, str(tmp_path)], capture_output=True,
                          text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    start, *rows = json.loads(done.stdout.splitlines()[-1])
    assert 0.0 < start['start_up'] < 200.0
    values = {row['what']: row for row in rows}
    assert 40.0 < values['tick period']['median_ms'] < 60.0
    for what in ('tick', 'odometry stamp'):
        assert 0.0 < values[f'{what} → command in another program']['median_ms'] < 200.0
    assert values['longest gap between commands']['value'] >= 1.0
    assert values['unsafe commands']['value'] == 0
    assert values['resident memory of the node']['value'] > 10.0
    assert ('CPU share of browser' in values) == page
    for name in ('mppi_dashboard', 'browser') if page else ():
        assert values[f'CPU share of {name}']['value'] > 0.0


def test_missing_peers_are_reported_in_one_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'torch', None)
    monkeypatch.setitem(sys.modules, 'pytorch_mppi', None)
    assert run('peers', '--samples', 64, '--steps', 8) == 2
    assert 'not installed; pip install torch pytorch-mppi' in capsys.readouterr().err


def test_peer_alternates_and_solves_a_similar_problem(scenario, tmp_path):
    pytest.importorskip('pytorch_mppi', reason="needs the extra 'peers'")
    from mppi_ros.benchmark.peers import PytorchMppi

    out = tmp_path / 'out.json'
    assert run('peers', '--scenario', scenario, '--samples', '64', '--steps', '8', '--threads',
               '1,2', '--calls', 20, '--json', out) == 0
    rows = json.loads(out.read_text())['rows']
    assert [(row['program'].split()[0], row['threads']) for row in rows] == [
        ('mppi_ros', 1), ('pytorch_mppi', 1), ('mppi_ros', 2), ('pytorch_mppi', 2)]
    assert all(set(row) >= TIMES for row in rows)
    peer = PytorchMppi(load_situation(scenario), ControllerParameters(), 512, 30)
    for _ in range(20):
        peer.call()
    assert peer.command[0] > 0.3  # it follows the path


def example_problem():
    """Return a stand-in for the module limit_problem of the yardstick."""
    random = np.random.default_rng(2)
    steps, side = 20, 50
    values = [0.05, 0.3, 0.2, 0.4, -0.1, 0.5, 1.2, 20.0, 3.0, 1000.0, 0.97, 4.0, 0.1, 0.2, 0.5,
              5.0, 1.0]
    angle = random.normal(size=steps)
    points = np.stack([*random.uniform(0.5, 2.0, (2, steps)), np.cos(angle), np.sin(angle)])
    goal = np.array([1.8, 1.2, np.cos(0.3), np.sin(0.3)])
    mean = np.tile([[0.3], [0.4]], steps)
    arrays = random.random((side, side)), np.array([1.0, 1.1, 0.2]), points, goal, mean
    return SimpleNamespace(N=side, T=steps, PARAMS=np.array(values),
                           make=lambda: [part.astype(np.float32) for part in arrays])


def reference_cost(problem, controls):
    """Return the cost, float64[K], of controls, float[K, T, 2], as defined by the yardstick."""
    (dt, temperature, sigma_v, sigma_w, low, high, turn, scale, obstacle, collision, lethal, path,
     effort_v, effort_w, heading, to_goal, goal_heading) = problem.PARAMS
    cost_map, start, points, goal, mean = (part.astype(float) for part in problem.make())
    x, y, yaw, total = (np.full(len(controls), value) for value in (*start, 0.0))
    for t in range(problem.T):
        v = np.clip(controls[:, t, 0], low, high)
        w = np.clip(controls[:, t, 1], -turn, turn)
        a, b = mean[:, t]
        x, y, yaw = x + dt * v * np.cos(yaw), y + dt * v * np.sin(yaw), yaw + dt * w
        column, row = (np.clip((q * scale).astype(int), 0, problem.N - 1) for q in (x, y))
        value = cost_map[row, column]
        total += obstacle * value + collision * (value >= lethal)
        total += path * ((x - points[0, t]) ** 2 + (y - points[1, t]) ** 2)
        total += heading * (1.0 - np.cos(yaw) * points[2, t] - np.sin(yaw) * points[3, t])
        total += effort_v * v**2 + effort_w * w**2
        total += temperature * (a * (v - a) / sigma_v**2 + b * (w - b) / sigma_w**2)
    total += to_goal * np.hypot(x - goal[0], y - goal[1])
    return total + goal_heading * (1.0 - np.cos(yaw) * goal[2] - np.sin(yaw) * goal[3])


@pytest.mark.parametrize('threads', [1, 2])
@pytest.mark.parametrize('pairs', [False, True])
def test_limit_benchmark_solves_the_reference_cost(threads, pairs):
    problem = example_problem()
    objective = SimpleObjective(problem)
    optimizer = optimizer_of(objective, 500, problem.T, threads, pairs)
    optimizer.mean[:] = objective.mean.T
    optimizer.step(objective)
    controls = objective.mean.T + optimizer.samples()[0]
    weights = score.weights(reference_cost(problem, controls), 0.3)
    np.testing.assert_allclose(optimizer.samples()[1], weights, atol=2e-3 * weights.max())
    assert np.isfinite(optimizer.mean).all()


def test_folder_without_yardstick_is_reported_in_one_line(tmp_path, capsys):
    assert run('limit', '--yardstick', tmp_path) == 2
    assert f'{tmp_path} holds no yardstick' in capsys.readouterr().err


def test_yardstick_alternates_with_the_solve(tmp_path, scenario):
    (tmp_path / 'mppi_limit.py').write_text(YARDSTICK)
    out = tmp_path / 'out.json'
    assert run('limit', '--yardstick', tmp_path, '--scenario', scenario, '--samples', '64',
               '--threads', '1,2', '--calls', 10, '--json', out) == 0
    rows = json.loads(out.read_text())['rows']
    names = ['C++', 'mppi_ros, as simple', 'mppi_ros, as simple, mirrored pairs',
             'mppi_ros, all critics']
    assert [row['program'] for row in rows] == 4 * names
    assert [row['pace'] for row in rows] == 8 * ['hot'] + 8 * ['20Hz']
    assert all(set(row) >= TIMES | {'ratio', 'least_ratio'} for row in rows)
    assert all(row['ratio'] == 1.0 for row in rows if row['program'] == 'C++')


YARDSTICK = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_benchmark import example_problem
problem = example_problem()
build = dict


class Limit:
    U0 = problem.make()[4]

    def __init__(self, library, samples, threads):
        pass

    def step(self, controls, seed):
        controls += seed
"""


def test_soak_returns_time_and_memory_of_each_phase_and_the_requirements(tmp_path):
    out = tmp_path / 'soak.json'
    assert main(['soak', '--ticks', '2000', '--json', str(out)]) in (0, 1)
    rows = json.loads(out.read_text('utf-8'))['rows']
    phases = [row for row in rows if 'phase' in row]
    laws = {row['law']: row['holds'] for row in rows if 'law' in row}
    assert len(phases) == 20
    assert all(row['median_ms'] > 0.0 and row['resident_mib'] > 0.0 for row in phases)
    # Time is not tested here: the load of the machine may cause drift.
    assert [law for law, holds in laws.items() if not holds] in (
        [], ['the processor time of the median tick does not drift'])


def test_start_returns_the_compile_time_of_each_kernel(monkeypatch, tmp_path):
    from mppi_ros.benchmark import startup

    outputs = iter(['[["kernels", 12.5], ["kernel roll", 9.0]]', '[["kernels", 0.5]]'])
    caches = []

    def run_start(command, env, **_options):
        caches.append(env['NUMBA_CACHE_DIR'])
        return subprocess.CompletedProcess(command, 0, next(outputs), '')

    monkeypatch.setattr(startup, 'subprocess', SimpleNamespace(run=run_start))
    out = tmp_path / 'out.json'
    assert run('start', '--json', out) == 0
    rows = json.loads(out.read_text())['rows']
    assert [(row['what'], row['value']) for row in rows] == [
        ('first start: kernels', 12.5), ('first start: kernel roll', 9.0),
        ('second start: kernels', 0.5)]
    assert caches[0] == caches[1]
