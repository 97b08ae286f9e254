"""Search in several processes: a Dask cluster, a killed worker, processes that share a study."""
from __future__ import annotations

import math
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from fake_drive import SEARCHED, WRONG, check_values, fakes, run_trials
import pytest

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.evaluation.tuning.drives import drive_all, halves
from mppi_ros.evaluation.tuning.objective import Objective
from mppi_ros.evaluation.tuning.search import Search
from mppi_ros.evaluation.tuning.space import searched
from mppi_ros.evaluation.tuning.study import JOURNAL
from mppi_ros.parameters.errors import MppiError

optuna = pytest.importorskip('optuna', reason="needs optuna: pip install 'mppi_ros[tune]'")
pytest.importorskip('cmaes', reason="needs cmaes: pip install 'mppi_ros[tune]'")
TIME = Objective(time=1.0)
TESTS = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, 'PYTHONPATH': os.pathsep.join(
    [str(TESTS), os.environ.get('PYTHONPATH', '')])}
# Joins the search in a folder and ends after so many trials of its own.
JOIN = """
import math, sys
from pathlib import Path
from test_tuning_processes import opened, run
run(opened(Path(sys.argv[1]), seconds=float(sys.argv[3])), int(sys.argv[2]))
"""


def opened(folder, drives=None, seconds=0.0, **words):
    return Search(folder, WRONG, searched(WRONG, SEARCHED), TIME,
                  drives or fakes(5, seconds=seconds), **words)


def run(search, trials):
    """Start the search, and end it after so many trials."""
    search.start(lambda count: None)
    run_trials(search, trials)


def wait_for(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture(scope='module')
def scheduler(tmp_path_factory):
    """Address of a Dask scheduler with two workers; all are processes of their own."""
    pytest.importorskip('distributed', reason='needs Dask: pip install distributed')
    folder = tmp_path_factory.mktemp('dask')
    file = folder / 'scheduler.json'
    common = ['--scheduler-file', str(file), '--no-dashboard']
    commands = [['scheduler', '--port', '0', *common]] + 2 * [
        ['worker', '--nthreads', '1', '--local-directory', str(folder), *common]]
    with open(folder / 'log', 'w') as log:
        children = [
            subprocess.Popen([sys.executable, '-m', 'distributed.cli.dask_' + name, *rest],
                             env=ENVIRONMENT, stdout=log, stderr=log)
            for name, *rest in commands
        ]
        try:
            from distributed import Client

            wait_for(file.exists)
            with Client(scheduler_file=str(file), timeout=120) as client:
                client.wait_for_workers(2, timeout=120)
                yield client.scheduler.address
        finally:
            for child in reversed(children):
                child.terminate()
            for child in reversed(children):
                child.wait(120)


def test_real_drives_cost_the_same_on_a_cluster(scheduler):
    robot = ControllerParameters()
    drives, _ = halves('', robot, None, 0, 2, seed=4)
    here, there = (drive_all(drives, robot, 1, address, lambda count: None)
                   for address in ('', scheduler))
    assert [TIME.cost(row) for row in here] == [TIME.cost(row) for row in there]
    for one, two in zip(here, there, strict=True):
        assert {**one, 'solve_ms': 0} == {**two, 'solve_ms': 0}


def test_a_search_on_a_cluster_gives_each_trial_its_own_drives(scheduler, tmp_path):
    search = opened(tmp_path, cluster=scheduler)
    run(search, 6)
    assert len(search.study.trials) >= 7
    check_values(search)


def test_a_search_survives_a_killed_worker_of_the_cluster(scheduler, tmp_path):
    """Dask repeats the drive of a killed worker on another one."""
    kill = tmp_path / 'kill'
    search = opened(tmp_path, fakes(5, kill=kill), cluster=scheduler)
    search.start(lambda count: None)
    kill.touch()
    run(search, 6)
    assert not kill.exists()
    kill.unlink(missing_ok=True)
    check_values(search)


def test_a_killed_process_ends_the_search_with_a_message_and_it_continues(tmp_path):
    kill = tmp_path / 'kill'
    search = opened(tmp_path, fakes(5, kill=kill), jobs=2)
    run(search, 2)
    before = len(search.study.trials)
    kill.touch()
    with pytest.raises(MppiError, match='a process of --jobs was killed'):
        search.run(math.inf, lambda progress: None)
    assert not [trial for trial in search.study.trials if not trial.state.is_finished()]
    again = opened(tmp_path, fakes(5, kill=kill), jobs=2)
    run(again, 2)
    assert len(again.study.trials) >= before + 2
    check_values(again)


def join(folder, trials, seconds=0.0):
    environment = {**ENVIRONMENT, 'PYTHONPATH': os.pathsep.join(
        [str(Path(__file__).parent), ENVIRONMENT['PYTHONPATH']])}
    return subprocess.Popen(
        [sys.executable, '-c', JOIN, str(folder), str(trials), str(seconds)], env=environment)


def test_processes_join_one_search(tmp_path):
    opened(tmp_path).start(lambda count: None)
    processes = [join(tmp_path, 5) for _ in range(2)]
    assert [process.wait(240) for process in processes] == [0, 0]
    search = opened(tmp_path)
    finished = [trial for trial in search.study.trials if trial.values is not None]
    assert len(finished) == 1 + 5 + 5
    assert [trial.number for trial in search.study.trials] == list(
        range(len(search.study.trials)))
    check_values(search)


def test_a_search_goes_on_without_a_process_that_was_killed(tmp_path):
    """It may be killed while it holds the lock of the journal, which expires."""
    opened(tmp_path).start(lambda count: None)
    process = join(tmp_path, 10_000, seconds=0.05)
    search = opened(tmp_path)
    wait_for(lambda: len(search.study.get_trials(deepcopy=False)) > 2)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    before = search.trials()
    left = [trial for trial in search.study.trials if not trial.state.is_finished()]
    assert len(left) <= 1  # none between two trials
    other = opened(tmp_path)
    run(other, 4)
    assert other.trials() == before + 4
    assert (tmp_path / JOURNAL).stat().st_size > 0
    check_values(other)
    best, gain = other.best()
    assert gain <= 0.0
    assert set(best) == {axis.name for axis in other.axes}
