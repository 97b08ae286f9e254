"""Pareto front of two objectives: ends, race, hard limits, points to test, and their verdict."""
from __future__ import annotations

from dataclasses import replace
import math

import fake_drive
from fake_drive import BEST, SEARCHED, WRONG, FakeDrive, fakes, run_trials
import numpy as np
import pytest
from scipy.stats import ttest_1samp

from mppi_ros.evaluation.bootstrap import percentile_interval
from mppi_ros.evaluation.tuning.front import DIFFERENCES, FrontSearch
from mppi_ros.evaluation.tuning.objective import Objective
from mppi_ros.evaluation.tuning.search import MIN_DRIVES, Search
from mppi_ros.evaluation.tuning.space import searched
from mppi_ros.evaluation.tuning.verdict import PointVerdict, Verdict, judge_point
from mppi_ros.parameters.errors import InputError

optuna = pytest.importorskip('optuna', reason="needs optuna: pip install 'mppi_ros[tune]'")
pytest.importorskip('cmaes', reason="needs cmaes: pip install 'mppi_ros[tune]'")
TWO = {'quick': Objective(time=1.0), 'smooth': Objective(jerk=1.0)}
CALM = (('lambda', 2.0), ('sigma_share[0]', 0.5), ('sigma_share[1]', 0.25))
AT_START = (('lambda', 5.0), ('sigma_share[0]', 2.0), ('sigma_share[1]', 1.0))


def opened(folder, drives=None, objectives=TWO, **words):
    return FrontSearch(folder, WRONG, searched(WRONG, SEARCHED), objectives,
                       drives or fakes(10, calm=CALM), **words)


def run(search, trials):
    """Start the search, and end it after so many trials."""
    search.start(lambda count: None)
    return run_trials(search, trials)


@pytest.fixture(scope='module')
def found(tmp_path_factory):
    search = opened(tmp_path_factory.mktemp('front'))
    return search, run(search, 80)


def test_the_front_is_what_no_trial_surpasses_and_improves_both_objectives(found):
    search, _ = found
    front = np.array([trial.values for trial in search.front()])
    assert len(front) > 2
    assert (np.diff(front[:, 0]) > 0.0).all()
    assert (np.diff(front[:, 1]) < 0.0).all()
    for trial in search.complete():
        surpassed = (front <= trial.values).all(axis=1)
        assert surpassed.any()
    # The start has 0.1 of squared logarithms in each; four fifths of it are gained at the ends.
    start = [sum(math.log(axis.value(WRONG) / dict(best)[axis.name]) ** 2 for axis in search.axes)
             for best in (BEST.items(), CALM)]
    assert (front.min(axis=0) < -0.08 * np.array(start)).all()


def test_values_are_mean_differences_from_the_start_in_each_objective(found):
    search, _ = found
    trial = search.front()[0]
    values = {name: float(f'{value:.3g}') for name, value in trial.params.items()}
    rows = [drive.with_configuration(search.with_values(values)).run()[0]
            for drive in search.drives]
    for k, objective in enumerate(TWO.values()):
        differences = [objective.cost(row) - start[k]
                       for row, start in zip(rows, search.start_costs, strict=True)]
        assert [each[k] for each in trial.user_attrs[DIFFERENCES]] == pytest.approx(differences)
        assert trial.values[k] == pytest.approx(np.mean(differences))


def test_a_trial_ends_early_if_one_of_the_front_is_better_in_both(found):
    search, messages = found
    finished = [trial for trial in search.study.trials if trial.values is not None]
    whole = {trial.number for trial in search.complete()}
    short = [trial for trial in finished if trial.number not in whole]
    assert len(short) > 20
    assert sum('worse' in message for message in messages) == len(short)
    assert all(f'after {MIN_DRIVES} of 10' in each for each in messages if 'worse' in each)
    on_front = {trial.number for trial in search.front()}
    assert not on_front & {trial.number for trial in short}
    for trial in short:
        assert any((np.less(each.values, trial.values)).all() for each in search.front())


def test_a_trial_that_is_better_in_one_objective_drives_everything(tmp_path):
    """λ only trades one objective for the other, so each trial is on the front."""
    drives = [FakeDrive(f'{k}', 0.5, best=(('lambda', 0.01),), calm=(('lambda', 10.0),))
              for k in range(6)]
    search = opened(tmp_path, drives)
    messages = run(search, 15)
    assert all('6 of 6 drives, complete' in message for message in messages)


def test_the_front_keeps_hard_limits(tmp_path):
    search = opened(tmp_path, fakes(6, calm=CALM, contact_below=0.6))
    messages = run(search, 40)
    broken = [message for message in messages if 'violates contact' in message]
    assert broken
    assert all('after 1 of 6' in message for message in broken)
    assert all(trial.params['lambda'] >= 0.599 for trial in search.front())


def test_a_front_continues_after_an_interruption(tmp_path):
    first = opened(tmp_path)
    run(first, 6)
    before = len(first.study.trials)
    fake_drive.RUNS.clear()
    second = opened(tmp_path)
    second.start(lambda count: None)
    assert fake_drive.RUNS == []
    assert second.start_seconds == first.start_seconds > 0.0
    assert [t.number for t in second.front()] == [t.number for t in first.front()]
    run(second, 6)
    assert len(second.study.trials) == before + 6
    values = [tuple(trial.params.values()) for trial in second.study.trials]
    assert len(set(values)) == len(values)


def test_a_folder_with_a_search_of_one_objective_is_refused(tmp_path):
    Search(tmp_path, WRONG, searched(WRONG, SEARCHED), TWO['quick'], fakes(3),
           setup={'objective': 'quick'})
    with pytest.raises(InputError, match='another objective; use another --output'):
        opened(tmp_path, setup={'objective': 'quick and smooth'})


def add(search, values, spread=0.0):
    """Add a complete trial whose differences are the values ± spread, drive by drive."""
    axes = {axis.name: axis for axis in search.axes}
    signs = np.array([(-1.0) ** k for k in range(len(search.drives))])
    search.study.add_trial(optuna.trial.create_trial(
        params={name: float(f'{0.3 - 0.01 * len(search.study.trials):.3g}') for name in axes},
        distributions={name: optuna.distributions.FloatDistribution(axis.low, axis.high, log=True)
                       for name, axis in axes.items()},
        values=values, constraints={'contact': 0.0}, user_attrs={
            'sampler': 'TPE',
            DIFFERENCES: (np.array(values) + spread * signs[:, None]).tolist()}))


@pytest.mark.parametrize('values, names', [
    ([(-0.5, -0.1), (-0.4, -0.4), (-0.1, -0.5)],
     {'quick': (-0.5, -0.1), 'smooth': (-0.1, -0.5), 'knee': (-0.4, -0.4)}),
    ([(-0.5, -0.1), (-0.1, -0.5)], {'quick': (-0.5, -0.1), 'smooth': (-0.1, -0.5)}),
    ([(-0.5, -0.5), (-0.4, -0.4)], {'both': (-0.5, -0.5)}),
    # An end that is worse than the start in the other objective is not tested.
    ([(-0.9, 0.3), (-0.5, -0.1), (-0.1, -0.5)],
     {'quick': (-0.5, -0.1), 'smooth': (-0.1, -0.5)}),
    ([(-0.5, 0.1)], {}),
    ([], {}),
])
def test_both_ends_and_the_knee_are_tested(tmp_path, values, names):
    search = opened(tmp_path)
    search.start(lambda count: None)
    for pair in values:
        add(search, pair)
    points = search.points()
    assert {point.name: point.gains for point in points} == names
    assert all(set(point.values) == set(BEST) for point in points)


def test_a_difference_within_the_interval_is_not_worse(tmp_path):
    search = opened(tmp_path)
    search.start(lambda count: None)
    add(search, (-0.5, 0.1), spread=0.5)
    assert [point.gains for point in search.points()] == [(-0.5, 0.1)]


def verdict(mean, low, high, bound=None, broken=()):
    return Verdict(20, 1.0, 1.0 + mean, mean, low, high, high if bound is None else bound,
                   low, broken)


@pytest.mark.parametrize('quick, smooth, accepted, reason', [
    (verdict(-0.2, -0.3, -0.1), verdict(0.0, -0.1, 0.1), True, 'better in quick; '),
    (verdict(-0.2, -0.3, -0.1), verdict(-0.2, -0.3, -0.1), True, 'better in quick and smooth; '),
    (verdict(-0.2, -0.3, -0.1), verdict(0.2, 0.1, 0.3), False, 'worse in smooth; '),
    (verdict(0.0, -0.1, 0.1), verdict(0.0, -0.1, 0.1), False, 'not surely better'),
    # Below 0 at 95 %, but not at the confidence of several tests.
    (verdict(-0.2, -0.3, -0.1, 0.01), verdict(0.0, -0.1, 0.1), False, 'not surely better'),
    (verdict(-0.2, -0.3, -0.1, broken=('contact',)),
     verdict(-0.2, -0.3, -0.1, broken=('contact',)), False, 'violate more: contact'),
])
def test_a_point_is_accepted_if_better_in_one_and_not_worse_in_the_other(
        quick, smooth, accepted, reason):
    point = PointVerdict({'quick': quick, 'smooth': smooth})
    assert point.accepted is accepted
    assert reason in point.reason


def test_more_points_raise_the_confidence():
    rng = np.random.default_rng(1)
    drives = fakes(12)
    before = [drive.with_configuration(WRONG).run()[0] for drive in drives]
    after = [{**row, 'terms': {**row['terms'], 'time': row['terms']['time'] + change}}
             for row, change in zip(before, rng.normal(-0.02, 0.05, 12), strict=True)]
    one, three = (judge_point(before, after, TWO, points).objectives['quick']
                  for points in (1, 3))
    assert (one.low, one.high) == (three.low, three.high)
    assert one.high < one.bound < three.bound
    assert replace(one, bound=0.0) == replace(three, bound=0.0)
    # Six tests share 5 %: the bound is that of 99.2 %.
    costs = np.array([TWO['quick'].cost(b) - TWO['quick'].cost(a)
                      for a, b in zip(before, after, strict=True)])
    bounds = [percentile_interval(np.mean, costs, confidence=1.0 - 0.05 / 6.0)[1],
              ttest_1samp(costs, 0.0).confidence_interval(1.0 - 0.05 / 6.0).high]
    assert three.bound == pytest.approx(max(bounds))
