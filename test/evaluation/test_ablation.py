"""Ablation: excess and avoidable costs, paired ratios of variants, the command and its figures."""
from __future__ import annotations

import dataclasses
import json
import math

import ablation_figures
import pytest

from mppi_ros.cli import ablation as ablation_command
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.evaluation import ablation
from mppi_ros.evaluation.request import Request
from mppi_ros.evaluation.suites import cases_of
from mppi_ros.parameters.declaration import flatten, replace


@pytest.fixture(scope='module')
def drives():
    """Drive straight, to the end and cut off: parameters, what is told, result."""
    case, = cases_of('scenarios', Request(only=('straight_full_speed',), plants=('nominal',)))
    quick = replace(case.configuration, {'samples': 128, 'ess_share': 0.05})
    drives = {}
    for name, timeout in (('whole', 60.0), ('cut', 2.0)):
        drives[name] = (quick, *dataclasses.replace(
            case, configuration=quick, timeout=timeout).run())
    return drives


def test_excess_cost_of_a_straight_drive_is_small(drives):
    configuration, told, result = drives['whole']
    excess = ablation.excess(result, configuration, told['ideal_time_s'])
    late = told['time_s'] - told['ideal_time_s']
    assert late < excess < late + 2.0


def test_failed_drive_costs_the_remaining_distance(drives):
    configuration, told, result = drives['cut']
    left = result.trace.statistics['distance_to_goal'][-2]
    assert not told['success']
    assert ablation.excess(result, configuration, told['ideal_time_s']) == pytest.approx(
        ablation.FAILURE_COST + left / configuration.limits.vx_max)


def test_ratio_of_two_variants_is_the_ratio_of_their_sums():
    def episodes(*costs):
        return [{'scenario': 'a', 'plant': 'nominal', 'seed': seed, 'excess_s': cost}
                for seed, cost in enumerate(costs)]

    mean, low, high = ablation.ratio(episodes(1.0, 3.0), episodes(1.0, 1.0, 9.0), 'excess_s')
    assert mean == pytest.approx(-0.5)
    assert low <= mean <= high
    assert ablation.ratio(episodes(1.0, 3.0), episodes(2.0, 6.0), 'excess_s') == (1.0, 1.0, 1.0)
    assert ablation.typical(episodes(1.0, 3.0), episodes(2.0, 6.0), 'excess_s') == pytest.approx(
        (1.0, 1.0, 1.0))
    assert ablation.typical(episodes(1.0, 1.0), episodes(4.0, 0.5), 'excess_s')[0] == (
        pytest.approx(2.0**0.5 - 1.0))


def test_a_single_pair_has_no_interval():
    def drive(cost):
        return [{'scenario': 'a', 'plant': 'nominal', 'seed': 0, 'excess_s': cost}]

    for estimate in (ablation.ratio, ablation.typical):
        change, low, high = estimate(drive(2.0), drive(3.0), 'excess_s')
        assert change == pytest.approx(0.5)
        assert math.isnan(low) and math.isnan(high)


def test_avoidable_cost_is_relative_to_the_best_drive_of_the_same_scenario_and_plant():
    def drive(scenario, plant, cost):
        return {'scenario': scenario, 'plant': plant, 'seed': 0, 'excess_s': cost}

    found = ablation.avoidable({
        'default': [drive('a', 'nominal', 5.0), drive('a', 'heavy', 9.0)],
        'textbook': [drive('a', 'nominal', 7.0), drive('a', 'heavy', 8.5)]})
    assert [each['avoidable_s'] for each in found['default']] == [0.0, 0.5]
    assert [each['avoidable_s'] for each in found['textbook']] == [2.0, 0.0]


def test_every_variant_changes_parameters_that_exist():
    for changes in ablation.VARIANTS.values():
        assert set(changes) <= set(flatten(ControllerParameters()))
        replace(ControllerParameters(), changes)


def test_every_variant_but_the_default_differs_from_it():
    usual = ControllerParameters()
    same = [name for name, changes in ablation.VARIANTS.items()
            if replace(usual, changes) == usual]
    assert same == ['default']


def test_the_textbook_variant_is_not_smoothed():
    of = [replace(ControllerParameters(), ablation.VARIANTS[name]).mppi.smoothing
          for name in ablation.BASELINES]
    assert of == [False, True]


def test_results_are_added_to_the_file(tmp_path, capsys):
    out = tmp_path / 'out.json'
    for variant in ('default', 'textbook'):
        assert ablation_command.main([
            'scenarios', '--only', 'straight_full_speed', '--plant', 'ideal',
            '--variants', variant, '--json', str(out)]) == 0
    found = json.loads(out.read_text())
    assert list(found) == ['default', 'textbook']
    assert found['default'][0]['success']
    table = capsys.readouterr().out
    assert 'against default' in table
    assert 'nan' not in table
    assert ' to ' not in table, 'a single episode has no interval'


def test_unknown_variant_is_named(capsys):
    assert ablation_command.main(['scenarios', '--variants', 'best']) == 2
    assert "unknown variant 'best'" in capsys.readouterr().err


def test_figures_are_drawn_from_results(tmp_path):
    def episodes(cost):
        return [{'scenario': name, 'plant': 'nominal', 'seed': 0, 'excess_s': cost + k,
                 'mean_jerk': cost, 'success': k < 2} for k, name in enumerate('abc')]

    found = {name: episodes(1.0 + k) for k, name in enumerate(
        ('default', 'textbook', 'default of 256', 'textbook of 512'))}
    results = tmp_path / 'found.json'
    results.write_text(json.dumps(found))
    assert ablation_figures.main([str(results), str(results), str(tmp_path)]) == 0
    assert sorted(path.stem for path in tmp_path.glob('*.png')) == [
        'ascent_options', 'ascent_samples']
