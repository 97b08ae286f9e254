"""Child processes end with their parent; an early end is reported with the last output."""
from __future__ import annotations

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

from mppi_ros.evaluation import processes
from mppi_ros.evaluation.processes import ChildEndedError, Children
from mppi_ros.parameters.errors import MppiError

SLEEP = [sys.executable, '-c', 'import time; time.sleep(60)']
STUBBORN = [
    sys.executable, '-c',
    'import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(1, flush=True); '
    'time.sleep(60)',
]
PARENT = """
import os, sys, time
from pathlib import Path
from mppi_ros.evaluation.processes import Children
children = Children(Path(sys.argv[1]))
children.start('child', [sys.executable, '-c',
                         'import os, time; print(os.getpid(), flush=True); time.sleep(60)'],
               os.environ)
while not (text := Path(sys.argv[1], 'child.log').read_text()):
    time.sleep(0.01)
print(text, flush=True)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path('/proc', str(pid), 'stat')
    return not stat.exists() or stat.read_text().rsplit(')', 1)[1].split()[0] != 'Z'


def wait_for(condition, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_leaving_stops_every_child_even_one_that_ignores_interrupts(tmp_path):
    with Children(tmp_path) as children:
        children.start('sleeper', SLEEP, os.environ)
        children.start('stubborn', STUBBORN, os.environ)
        wait_for(lambda: (tmp_path / 'stubborn.log').read_text())
        processes = [process.pid for process in children._running.values()]
        children.check()
        children.stop(patience=0.5)
    assert not any(alive(pid) for pid in processes)


def test_early_end_is_reported_with_exit_code_and_last_lines(tmp_path):
    with Children(tmp_path) as children:
        children.start(
            'brief', [sys.executable, '-c', 'print("the disc is full"); raise SystemExit(3)'],
            os.environ)
        with pytest.raises(ChildEndedError, match='brief .* code 3(.|\n)*the disc is full'):
            while True:
                children.check()
                time.sleep(0.02)


@pytest.mark.skipif(sys.platform != 'linux', reason='needs a signal that only Linux has')
def test_children_end_when_their_parent_is_killed(tmp_path):
    parent = subprocess.Popen(
        [sys.executable, '-c', PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not alive(child))


def test_claimed_domain_is_not_given_to_another_process(monkeypatch):
    monkeypatch.setattr(processes, 'DOMAINS', range(95, 97))
    mine = processes.free_domain()
    other = subprocess.run(
        [sys.executable, '-c', 'from mppi_ros.evaluation import processes;'
         'processes.DOMAINS = range(95, 97); print(processes.free_domain())'],
        check=False, capture_output=True, text=True)
    assert other.stdout.strip() != str(mine)


@pytest.mark.parametrize('place', [(), ('LOCALHOST',)])
def test_domain_with_a_participant_is_not_free(monkeypatch, place):
    rclpy = pytest.importorskip('rclpy', reason='needs ROS 2')
    for value in place:
        monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', value)
    domain = processes.free_domain()
    monkeypatch.setattr(processes, 'DOMAINS', (domain,))
    processes._claim.close()
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node('dweller', context=context)
    try:
        with pytest.raises(MppiError, match='in use'):
            processes.free_domain()
    finally:
        node.destroy_node()
        context.shutdown()
