"""Drives, objective and verdict: separate halves, the identified plant, honest acceptance."""
from __future__ import annotations

from dataclasses import replace
import math
from types import SimpleNamespace

import numpy as np
import pytest

from mppi_ros.control.identification import FopdtModel, ParameterEstimate
from mppi_ros.control.parameters import ControllerParameters, read_yaml
from mppi_ros.evaluation.tuning import drives
from mppi_ros.evaluation.tuning.drives import halves, identified, plant_of
from mppi_ros.evaluation.tuning.objective import (
    FAILURE_COST,
    NEAR,
    OBJECTIVES,
    Objective,
    measures,
)
from mppi_ros.evaluation.tuning.output import changes_of, write_parameters
from mppi_ros.evaluation.tuning.verdict import comparison, judge
from mppi_ros.parameters.declaration import replace as with_changes
from mppi_ros.parameters.errors import InputError
from mppi_ros.share import share_path

USUAL = ControllerParameters()
SLOW = with_changes(USUAL, {
    'prediction.delay_angular': 0.23, 'prediction.lag_linear': 0.4, 'prediction.gain_linear': 0.9,
    'prediction.gain_angular': 0.8, 'prediction.dead_band_linear': 0.02,
})


def record(**values):
    terms = {'time': 0.5, 'jerk': 1.0, 'clearance': 0.1, 'comfort': 0.2} | values.pop('terms', {})
    return {'success': True, 'collision': False, 'time_s': 10.0, 'min_clearance_m': 0.2,
            'rms_jerk': 2.0, 'rms_acceleration': 0.5, 'way_left': 0.0, 'terms': terms, **values}


@pytest.fixture(scope='module')
def both_halves():
    return halves('', SLOW, share_path('config', 'worlds'), 3, 2, seed=7)


def test_the_halves_share_no_seed_no_world_and_no_pair_of_poses(both_halves):
    search, held_out = both_halves
    assert len(search) == len(held_out) == 5
    of = [[drive.case for drive in half] for half in both_halves]
    assert not {case.seed for case in of[0]} & {case.seed for case in of[1]}
    on_maps = [[(case.start, case.goal) for case in half if case.world] for half in of]
    assert [len(set(pairs)) for pairs in on_maps] == [3, 3]
    assert not set(on_maps[0]) & set(on_maps[1])
    worlds = [{case.circles for case in half if case.circles} for half in of]
    assert [len(each) for each in worlds] == [2, 2]
    assert not worlds[0] & worlds[1]


def test_a_race_begins_with_drives_of_each_kind(both_halves):
    assert len({drive.case.suite for drive in both_halves[0][:2]}) == 2


def test_more_drives_than_pairs_on_a_map_are_all_different():
    search, held_out = halves('', USUAL, share_path('config', 'worlds'), 12, 0, seed=0)
    poses = [(drive.case.start, drive.case.goal) for drive in (*search, *held_out)]
    assert len(set(poses)) == 24


def test_the_robot_responds_as_prediction_states_and_solves_on_one_thread(both_halves):
    plant = plant_of(SLOW)
    assert (plant.delay_angular, plant.lag_linear, plant.dead_band_linear) == (0.23, 0.4, 0.02)
    assert (plant.speed_gain, plant.yaw_gain) == (0.9, 0.8)
    for drive in both_halves[1]:
        assert drive.case.response == plant
        episode = drive.case.episode(10.0)
        assert episode.plant == plant
        assert drive.case.configuration.mppi.threads == 1
        assert drive.case.configuration.limits == SLOW.limits
    other = both_halves[0][0].with_configuration(with_changes(SLOW, {'lambda': 3.0})).case
    assert other.configuration.mppi.temperature == 3.0
    assert other.response == plant


def test_a_robot_wider_than_the_generated_worlds_is_refused():
    wide = with_changes(USUAL, {'robot.radius': 2.0})
    with pytest.raises(InputError, match='too narrow for the robot: use --generated 0'):
        halves('', wide, None, 0, 1, seed=0)


def test_only_trusted_axes_of_a_recording_are_used(monkeypatch, tmp_path):
    def estimate(explained):
        value = FopdtModel(delay=0.12, lag=0.3456, gain=0.9)
        return ParameterEstimate(value, value, explained=explained, excited=20.0)

    found = {'linear': estimate(0.99), 'lateral': estimate(0.99), 'angular': estimate(0.1)}
    monkeypatch.setattr(drives, 'identify', lambda path, odometry, commands: found)
    changes, doubtful = identified(tmp_path)
    assert changes == {'prediction.delay_linear': 0.12, 'prediction.lag_linear': 0.346,
                       'prediction.gain_linear': 0.9}
    assert doubtful == ['angular']
    with_changes(USUAL, changes)


def test_measures_of_a_known_motion():
    """On a circle at constant speed the acceleration is centripetal."""
    time = np.linspace(0.0, 5.0, 101)
    twist = np.tile([0.5, 0.0, 0.8], (101, 1))
    trace = SimpleNamespace(
        time=time, twist=twist, clearance=np.full(101, 0.5 * NEAR),
        statistics={'distance_to_goal': np.linspace(4.0, 1.0, 101)},
    )
    result = SimpleNamespace(trace=trace, time_s=6.0, mean_jerk=4.0)
    robot = with_changes(USUAL, {'limits.ax_max': 2.0})
    found = measures({'ideal_time_s': 4.0}, result, robot)
    assert found['terms'] == pytest.approx(
        {'time': 0.5, 'jerk': 1.0, 'clearance': 0.25, 'comfort': 0.2})
    assert found['rms_jerk'] == pytest.approx(2.0)
    assert found['rms_acceleration'] == pytest.approx(0.4)
    assert found['way_left'] == pytest.approx(0.25)


def test_a_failed_drive_costs_more_than_any_usual_one_and_less_if_it_came_nearer():
    for objective in OBJECTIVES.values():
        far, near = (objective.cost(record(success=False, way_left=left)) for left in (0.9, 0.1))
        assert far > near >= FAILURE_COST > objective.cost(record())


def test_each_objective_prefers_what_it_is_named_after():
    def gain(name, **terms):
        return OBJECTIVES[name].cost(record()) - OBJECTIVES[name].cost(record(terms=terms))

    for name, terms in (('quick', {'time': 0.4}), ('careful', {'clearance': 0.0}),
                        ('smooth', {'jerk': 0.5, 'comfort': 0.1})):
        assert max(OBJECTIVES, key=lambda each, t=terms: gain(each, **t)) == name


def test_limits_are_violated_by_contact_jerk_and_acceleration():
    objective = Objective(time=1.0, max_jerk=1.0, max_acceleration=1.0)
    found = objective.violations([record(collision=True), record(rms_acceleration=0.2)])
    assert found == {'contact': 1.0, 'jerk': 1.0, 'acceleration': 0.0}
    assert objective.cost(record()) == pytest.approx(0.5 + FAILURE_COST)
    assert math.isfinite(Objective(time=1.0).cost(record()))


def changed(mean, spread, count=20, **values):
    """Return records before and after, whose time term changes by mean ± spread."""
    before = [record(terms={'time': 1.0 + 0.1 * k}) for k in range(count)]
    after = [record(terms={'time': 1.0 + 0.1 * k + mean + spread * (-1) ** k}, **values)
             for k in range(count)]
    return before, after


def test_parameters_are_accepted_only_if_the_whole_interval_is_better():
    objective = Objective(time=1.0)
    assert judge(*changed(-0.1, 0.05), objective).accepted
    unsure = judge(*changed(-0.1, 0.5), objective)
    assert unsure.mean == pytest.approx(-0.1)
    assert unsure.low < 0.0 < unsure.high
    assert not unsure.accepted
    assert 'not surely lower' in unsure.reason
    assert not judge(*changed(0.1, 0.05), objective).accepted
    assert not judge(*changed(0.0, 0.0), objective).accepted
    assert not judge(*changed(-0.1, 0.0, count=1), objective).accepted


@pytest.mark.parametrize('count', [2, 3, 8])
def test_what_changes_nothing_is_seldom_accepted_however_few_the_drives(count):
    rng = np.random.default_rng(3)
    objective, accepted = Objective(time=1.0), 0
    for _ in range(100):
        before = [record(terms={'time': 1.0}) for _ in range(count)]
        after = [record(terms={'time': 1.0 + 0.1 * rng.standard_normal()}) for _ in range(count)]
        accepted += judge(before, after, objective).accepted
    assert accepted <= 7  # 2.5 % are nominal; the bootstrap interval of two drives accepts 25 %


def test_a_new_contact_or_a_violated_limit_is_never_accepted():
    before, after = changed(-0.5, 0.0)
    after[3] |= {'collision': True}
    verdict = judge(before, after, Objective(time=1.0))
    assert verdict.high < 0.0
    assert not verdict.accepted
    assert 'contact' in verdict.reason
    before[5] |= {'collision': True}  # then the start is no better
    assert judge(before, after, Objective(time=1.0)).accepted
    verdict = judge(*changed(-0.5, 0.0, rms_jerk=3.0), Objective(time=1e3, max_jerk=2.5))
    assert verdict.high < 0.0
    assert verdict.broken == ('jerk',)
    assert not verdict.accepted


def test_the_comparison_reads_drives_that_both_completed():
    before = [record(), record(success=False, collision=True, time_s=99.0)]
    after = [record(time_s=8.0), record(time_s=50.0)]
    found = comparison(before, after)
    assert found['reached, of 2'] == (1, 2)
    assert found['contacts, of 2'] == (1, 0)
    assert found['time [s]'] == (10.0, 8.0)
    assert 'time [s]' not in comparison(before[1:], after[1:])


def test_the_written_file_is_read_as_the_tuned_parameters(tmp_path):
    start = with_changes(USUAL, {'limits.vx_max': 0.8, 'sigma_share': (2.0, 1.0, 0.4)})
    tuned = with_changes(start, {'sigma_share': (0.5, 0.25, 0.4), 'alpha': 0.7,
                                 'critics.twirling.weight': 1e-05, 'lambda': 0.0})
    changes = changes_of(start, tuned, {'alpha': 'step; importance 30%'})
    path = tmp_path / 'tuned.yaml'
    write_parameters(path, tuned, changes, 'Tuned.\nTwice.')
    assert read_yaml(path) == tuned
    lines = path.read_text().splitlines()
    assert lines[:2] == ['# Tuned.', '# Twice.']
    assert '    # 0.5 -> 0.7: step; importance 30%' in lines
    assert '    limits.vx_max: 0.8' in lines
    assert {change.name for change in changes} == {
        'alpha', 'sigma_share', 'critics.twirling.weight'}
    # A value that returned to the default is written, too: it was changed.
    assert any(line.startswith('    sigma_share: [0.5, 0.25, 0.4]') for line in lines)


def test_the_plant_of_a_case_is_used(both_halves):
    case = both_halves[0][0].case
    assert replace(case, response=None, plant='heavy').episode(9.0).plant.lag_linear == 0.3
    assert 'response' in case.inputs()
    assert 'response' not in replace(case, response=None).inputs()
