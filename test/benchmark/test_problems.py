"""Benchmark problems: published plants, and defaults that cost less than the textbook."""
from __future__ import annotations

import json
import math
import sys

import numpy as np
import pytest

from mppi_ros.benchmark.problems import PROBLEMS, measure, our_programs
from mppi_ros.cli.benchmark import main


@pytest.mark.parametrize('name', PROBLEMS)
def test_rollout_cost_is_the_sum_of_the_step_costs_of_the_plant(name):
    problem = PROBLEMS[name]
    random = np.random.default_rng(0)
    controls = random.uniform(-1.0, 1.0, (3, problem.horizon_steps, len(problem.sigma)))
    start = np.tile(problem.start, (3, 1))
    costs = problem.rollout(np, start, controls)
    for row, cost in zip(controls, costs, strict=True):
        state, total = np.array(problem.start), 0.0
        for control in row:
            state = problem.dynamics(np, state, control)
            total += problem.cost(np, state, control)
        if problem.terminal:
            total += problem.terminal(np, state)
        assert cost == pytest.approx(total)


def test_pendulum_and_mountain_car_match_gymnasium():
    angle, speed, torque = 2.0, -1.0, 1.5
    turned = speed + (3.0 * 10.0 / 2.0 * math.sin(angle) + 3.0 * torque) * 0.05
    moved = PROBLEMS['pendulum'].dynamics(np, np.array([angle, speed]), np.array([torque]))
    np.testing.assert_allclose(moved, [angle + 0.05 * turned, turned])
    place, speed, force = -0.5, 0.02, 0.7
    faster = speed + force * 0.0015 - 0.0025 * math.cos(3.0 * place)
    moved = PROBLEMS['mountain car'].dynamics(np, np.array([place, speed]), np.array([force]))
    np.testing.assert_allclose(moved, [place + faster, faster])
    wall = PROBLEMS['mountain car'].dynamics(np, np.array([-1.19, -0.07]), np.array([-1.0]))
    np.testing.assert_allclose(wall, [-1.2, 0.0])


def test_unforced_pole_conserves_energy_up_to_the_integration_error():
    dynamics, state = PROBLEMS['cart-pole'].dynamics, np.array([0.0, 2.5, 0.0, 0.0])

    def energy(x):
        """Energy of a cart of 1 kg and a rod of 0.1 kg with a half-length of 0.5 m."""
        swing = 0.5 * x[3]
        flight = (x[2] + swing * math.cos(x[1])) ** 2 + (swing * math.sin(x[1])) ** 2
        turning = 0.1 * 0.5**2 / 3.0 * x[3] ** 2
        return 0.5 * (x[2] ** 2 + 0.1 * flight + turning) + 0.1 * 9.8 * 0.5 * math.cos(x[1])

    before = energy(state)
    for _ in range(100):
        state = dynamics(np, state, np.zeros(1))
    assert energy(state) == pytest.approx(before, abs=0.05)
    assert abs(state[2]) < 0.2


@pytest.mark.parametrize('name', ['linear', 'hill'])
def test_default_parameters_cost_less_than_textbook_parameters(name):
    rows = {row['program']: row for row in measure([name], 4, our_programs(), lambda *_: None)}
    ours, textbook = rows['mppi_ros, defaults'], rows['mppi_ros, textbook']
    assert ours['cost'] < 0.95 * textbook['cost']
    assert ours['seeds'] == 4


def test_default_parameters_move_a_pole_at_rest():
    problem = PROBLEMS['cart-pole']
    command = problem.ours(problem.settings(samples=100))
    assert abs(command(np.array(problem.start))[0]) > 0.01


def test_command_compares_the_selected_problems(monkeypatch, tmp_path, capsys):
    for module in ('pytorch_mppi', 'hydrax', 'hydrax.algs.mppi', 'jax'):
        monkeypatch.setitem(sys.modules, module, None)
    file = tmp_path / 'rows.json'
    assert main(['peers', '--problems', 'linear', '--seeds', '2', '--json', str(file)]) == 0
    rows = json.loads(file.read_text())['rows']
    assert [row['program'] for row in rows] == ['mppi_ros, defaults', 'mppi_ros, textbook']
    assert all(20.0 < row['cost'] < 90.0 and row['cost_error'] >= 0.0 for row in rows)
    assert main(['peers', '--problems', 'linaer']) == 2
    assert "'linaer' is not one of the problems linear, hill" in capsys.readouterr().err


@pytest.mark.parametrize('peer', ['pytorch', 'hydrax', 'jax'])
def test_peer_solves_the_same_problem(peer):
    modules = {'pytorch': 'pytorch_mppi', 'hydrax': 'hydrax.algs.mppi', 'jax': 'jax'}
    pytest.importorskip(modules[peer], reason=f'needs {modules[peer]}')
    from mppi_ros.benchmark import peers

    problem = PROBLEMS['linear']
    assert problem.drive(getattr(peers, f'{peer}_command')(problem, 0)) < 90.0
