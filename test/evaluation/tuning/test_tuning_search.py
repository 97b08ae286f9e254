"""Search: it finds the optimum, races, keeps hard limits, and continues after interruption."""
from __future__ import annotations

import math

import fake_drive
from fake_drive import BEST, SEARCHED, WRONG, FakeDrive, check_values, fakes, run_trials
import pytest

from mppi_ros.evaluation.runner import run_cases
from mppi_ros.evaluation.tuning.objective import Objective
from mppi_ros.evaluation.tuning.search import MIN_DRIVES, Search
from mppi_ros.evaluation.tuning.space import searched
from mppi_ros.parameters.errors import InputError, MppiError

optuna = pytest.importorskip('optuna', reason="needs optuna: pip install 'mppi_ros[tune]'")
pytest.importorskip('cmaes', reason="needs cmaes: pip install 'mppi_ros[tune]'")
TIME = Objective(time=1.0)


def opened(folder, drives=None, objective=TIME, **words):
    return Search(folder, WRONG, searched(WRONG, SEARCHED), objective, drives or fakes(10),
                  **words)


@pytest.fixture(scope='module')
def found(tmp_path_factory):
    search = opened(tmp_path_factory.mktemp('search'))
    search.start(lambda count: None)
    return search, run_trials(search, 60)


def test_a_start_with_wrong_lambda_and_sigma_comes_back(found):
    search, _ = found
    values, gain = search.best()
    start = sum(math.log(axis.value(WRONG) / BEST[axis.name]) ** 2 for axis in search.axes)
    assert gain < -0.1 * 0.9 * start  # nine tenths of what is to be gained
    assert set(values) == set(BEST)
    samplers = {trial.user_attrs['sampler'] for trial in search.study.trials}
    assert samplers == {'start', 'TPE', 'CMA-ES'}


def test_trials_that_are_worse_end_before_all_drives(found):
    search, messages = found
    trials = [each for each in search.study.trials if each.value is not None]
    counts = [len(trial.intermediate_values) for trial in trials]
    short = [trial for trial, count in zip(trials, counts, strict=True) if count < 10]
    assert len(short) > 10
    assert min(counts) == MIN_DRIVES
    assert all(trial.value > search.best()[1] for trial in short)
    assert sum('worse' in message for message in messages) == len(short)
    best = search.study.best_trial
    assert len(best.intermediate_values) == 10
    assert best.value == search.best()[1]


def test_the_value_is_the_mean_difference_from_the_start_drive_by_drive(found):
    search, _ = found
    trial = search.study.best_trial
    values = {name: float(f'{value:.3g}') for name, value in trial.params.items()}
    for index, drive in enumerate(search.drives):
        record, _ = drive.with_configuration(search.with_values(values)).run()
        difference = TIME.cost(record) - search.start_costs[index]
        assert trial.intermediate_values[index] == pytest.approx(difference)
    assert trial.value == pytest.approx(sum(trial.intermediate_values.values()) / 10)


def test_the_value_of_a_short_trial_is_not_that_of_its_first_drives(tmp_path):
    # Nearly all is to be gained in the drives that a short trial lacks.
    search = opened(tmp_path, [*fakes(4, scale=0.01), *fakes(4, first=4)])
    search.start(lambda count: None)
    run_trials(search, 30)
    short = [trial.value for trial in search.study.trials
             if trial.value is not None and len(trial.intermediate_values) == 4]
    gain = search.best()[1]
    assert len(short) > 3
    assert min(short) < 0.5 * gain
    assert min(short) > gain


@pytest.mark.parametrize('words, objective', [
    ({'contact_below': 0.6}, TIME),
    ({'jerk': 0.6}, Objective(time=1.0, max_jerk=1.0)),
])
def test_hard_limits_hold_in_the_best_trial(tmp_path, words, objective):
    # The optimum, λ = 0.2, is beyond the limit, λ >= 0.6.
    search = opened(tmp_path, fakes(10, **words), objective)
    search.start(lambda count: None)
    messages = run_trials(search, 40)
    values, gain = search.best()
    assert values['lambda'] >= 0.6
    assert gain < -0.3
    broken = [message for message in messages if 'violates' in message]
    assert broken
    # The first drive shows the violation: nothing is gained by the others.
    assert all('after 1 of 10' in message for message in broken)


def test_a_trial_beyond_the_limits_is_not_the_best_even_if_it_costs_less(tmp_path):
    # Only the last drive ends in contact, and the others outweigh its cost.
    drives = [*fakes(7), FakeDrive('last', 0.5, contact_below=0.6)]
    search = opened(tmp_path, drives, Objective(time=10.0))
    search.start(lambda count: None)
    run_trials(search, 30)
    values, gain = search.best()
    assert values['lambda'] >= 0.6
    assert min(trial.value for trial in search.complete()) < gain


def test_a_start_beyond_the_limits_is_left(tmp_path):
    search = opened(tmp_path, fakes(6, jerk=10.0), Objective(time=1.0, max_jerk=1.5))
    search.start(lambda count: None)
    assert search.best()[1] == 0.0
    run_trials(search, 30)
    values, _ = search.best()
    assert values['lambda'] >= 10.0 / 1.5


def test_a_search_continues_after_an_interruption(tmp_path):
    first = opened(tmp_path)
    first.start(lambda count: None)
    run_trials(first, 7)
    best, before = first.best(), len(first.study.trials)
    fake_drive.RUNS.clear()
    second = opened(tmp_path)
    second.start(lambda count: None)
    assert fake_drive.RUNS == []  # the costs of the start are known
    assert second.start_costs == first.start_costs
    assert second.best() == best
    run_trials(second, 7)
    trials = second.study.trials
    assert len(trials) == before + 7
    assert not [trial for trial in trials if not trial.state.is_finished()]
    assert second.best()[1] <= best[1]
    values = [tuple(trial.params.values()) for trial in trials]
    assert len(set(values)) == len(values)  # the first values are not tried again


def test_an_interruption_closes_the_open_trial(tmp_path):
    search = opened(tmp_path)
    search.start(lambda count: None)

    def notify(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search.run(math.inf, notify)
    assert [trial.state for trial in search.study.trials][1:] == [optuna.trial.TrialState.FAIL]
    assert search.best()[1] == 0.0


def test_two_processes_share_one_search(tmp_path):
    one, two = opened(tmp_path), opened(tmp_path)
    one.start(lambda count: None)
    two.start(lambda count: None)
    run_trials(one, 5)
    run_trials(two, 5)
    assert len(one.study.trials) == len(two.study.trials) == 11
    assert one.best() == two.best()


def test_a_folder_with_another_search_is_refused(tmp_path):
    opened(tmp_path, setup={'objective': 'quick'})
    opened(tmp_path, setup={'objective': 'quick'})
    with pytest.raises(InputError, match='another objective; use another --output'):
        opened(tmp_path, setup={'objective': 'smooth'})


def test_processes_give_the_same_values(tmp_path):
    """With several drives on their way, each result reaches its own trial."""
    search = opened(tmp_path, fakes(5), jobs=2)
    search.start(lambda count: None)
    run_trials(search, 3)
    check_values(search)


def ahead(jobs, cluster):
    """Return the greatest number of cases drawn beyond those that were yielded."""
    drawn, most = 0, 0

    def cases():
        nonlocal drawn, most
        for drive in fakes(12):
            drawn += 1
            most = max(most, drawn - len(yielded))
            yield drive.with_configuration(WRONG)

    yielded = []
    for number, record in run_cases(cases(), jobs, cluster, in_flight=2):
        yielded.append(number)
        assert record['time_s'] == fakes(12)[number].with_configuration(WRONG).run()[0]['time_s']
    assert sorted(yielded) == list(range(12))
    return most


def test_cases_are_drawn_only_when_they_can_be_submitted():
    assert ahead(1, '') == 1
    assert ahead(2, '') == 4


def test_cases_of_a_cluster_are_drawn_only_when_they_can_be_submitted():
    distributed = pytest.importorskip('distributed', reason='needs Dask: pip install distributed')
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=True,
                                  dashboard_address=None) as cluster:
        assert ahead(1, cluster.scheduler_address) == 2


def test_importance_finds_the_parameter_that_matters(tmp_path):
    drives = [FakeDrive(f'{k}', 0.5, best=(('lambda', 0.2),)) for k in range(5)]
    search = opened(tmp_path, drives)
    assert search.importances() == {'cost': {}}
    search.start(lambda count: None)
    run_trials(search, 40)
    importance = search.importances()['cost']
    assert max(importance, key=importance.get) == 'lambda'


def test_without_optuna_one_line_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr('mppi_ros.evaluation.tuning.study.find_spec', lambda name: None)
    with pytest.raises(MppiError, match=r"mppi_tune needs optuna: pip install 'mppi_ros\[tune\]'"):
        opened(tmp_path)
