"""Interrupted runs in several processes end, and leave no process."""
from __future__ import annotations

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import mppi_ros
from mppi_ros.evaluation.runner import run_cases

CASES = """
import os, pathlib, sys, time


class Slow:
    def run(self):
        pathlib.Path(f'started_{os.getpid()}').touch()
        time.sleep(120.0)
        return {}, None
"""
RUN = """
import signal

from mppi_ros.evaluation.runner import run_cases
from slow_cases import Slow

if __name__ == '__main__':
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
    print(list(run_cases([Slow(), Slow()], 2, '')))
"""


def runs(pid):
    status = Path(f'/proc/{pid}/status')
    try:
        return 'State:\tZ' not in status.read_text()
    except OSError:
        return False


def wait_for(condition, what, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def test_a_second_interrupt_ends_the_running_episodes(tmp_path):
    (tmp_path / 'slow_cases.py').write_text(CASES)
    (tmp_path / 'run.py').write_text(RUN)
    root = str(Path(mppi_ros.__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, 'run.py'], cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        env={**os.environ, 'PYTHONPATH': f'{root}:{tmp_path}'})
    try:
        wait_for(lambda: len(list(tmp_path.glob('started_*'))) == 2, 'two episodes run')
        children = [int(file.name[8:]) for file in tmp_path.glob('started_*')]
        process.send_signal(signal.SIGINT)
        said = process.stderr.readline()
        assert 'waiting for running episodes; Ctrl-C again ends them' in said
        assert all(map(runs, children))
        process.send_signal(signal.SIGINT)
        assert process.wait(60.0) != 0
        wait_for(lambda: not any(map(runs, children)), 'the processes end')
    finally:
        process.kill()


def test_one_process_runs_the_cases_in_order():
    class Case:
        def __init__(self, number):
            self.number = number

        def run(self):
            return {'number': self.number}, None

    found = list(run_cases([Case(3), Case(5)], 1, ''))
    assert found == [(0, {'number': 3}), (1, {'number': 5})]
