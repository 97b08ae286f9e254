"""Real-time privileges are taken where they are permitted; where not, it is said why."""
from __future__ import annotations

import gc
import os
import resource

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

from mppi_ros.control.parameters import RealtimeParameters  # noqa: E402
from mppi_ros.parameters.errors import ParameterError  # noqa: E402
from mppi_ros.ros import realtime  # noqa: E402
from mppi_ros.ros.realtime import IN_FORCE, take_privileges  # noqa: E402


def test_nothing_is_taken_that_is_not_wanted(monkeypatch):
    for name in ('sched_setaffinity', 'sched_setscheduler'):
        monkeypatch.setattr(os, name, None)
    assert take_privileges(RealtimeParameters(freeze_gc=False)) == {}


def test_garbage_that_is_there_is_frozen():
    try:
        assert take_privileges(RealtimeParameters()) == {'freeze_gc': IN_FORCE}
        assert gc.get_freeze_count() > 1000
    finally:
        gc.unfreeze()


def test_the_thread_is_kept_on_its_cores():
    before = os.sched_getaffinity(0)
    first = min(before)
    try:
        told = take_privileges(RealtimeParameters(cpus=str(first), freeze_gc=False))
        assert told == {'cpus': IN_FORCE}
        assert os.sched_getaffinity(0) == {first}
        told = take_privileges(RealtimeParameters(cpus='4095', freeze_gc=False))
        assert told['cpus'].endswith(f'the cores of this process are {first}')
    finally:
        os.sched_setaffinity(0, before)


def test_a_priority_is_asked_for_and_a_refusal_told(monkeypatch):
    asked = []
    monkeypatch.setattr(os, 'sched_setscheduler', lambda *words: asked.append(words))
    assert take_privileges(RealtimeParameters(priority=7, freeze_gc=False)) == {
        'priority': IN_FORCE
    }
    who, policy, parameters = asked[0]
    assert (who, policy, parameters.sched_priority) == (
        0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, 7)

    def refuse(*_words):
        raise PermissionError(1, 'Operation not permitted')

    monkeypatch.setattr(os, 'sched_setscheduler', refuse)
    told = take_privileges(RealtimeParameters(priority=7, freeze_gc=False))['priority']
    assert told == (
        'not in force: Operation not permitted; needs CAP_SYS_NICE or a limit rtprio >= 7')


def test_memory_is_not_locked_under_a_limit(monkeypatch):
    monkeypatch.setattr(resource, 'getrlimit', lambda _kind: (65536, 65536))
    monkeypatch.setattr(realtime.ctypes, 'CDLL', None)
    told = take_privileges(RealtimeParameters(lock_memory=True, freeze_gc=False))
    assert told == {'lock_memory': 'not in force: needs a limit memlock = unlimited'}


def test_cores_that_are_no_numbers_are_refused():
    with pytest.raises(ParameterError, match="cpus = 'all' is not a list of cores like '2,3'"):
        RealtimeParameters(cpus='all')
