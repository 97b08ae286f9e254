"""Real-time privileges of the process, applied where the system permits them."""

from __future__ import annotations

import ctypes
import os
import resource

from mppi_ros.control.parameters import RealtimeParameters
from mppi_ros.ros.process import freeze_garbage

MCL_CURRENT, MCL_FUTURE = 1, 2
IN_FORCE = 'in force'


def take_privileges(wanted: RealtimeParameters) -> dict[str, str]:
    """
    Apply the requested options to this thread and process; call it after loading the kernels.

    Existing threads keep their priority and cores. Later threads do not inherit the priority, so
    the control loop precedes costmap processing and the middleware.

    Returns
    -------
    dict of str to str
        'in force' for each requested option, or the reason why it is not.

    """
    status = {}
    if wanted.cpus:
        status['cpus'] = _pin(wanted.cores())
    if wanted.priority:
        status['priority'] = _raise_priority(wanted.priority)
    if wanted.lock_memory:
        status['lock_memory'] = _lock_memory()
    if wanted.freeze_gc:
        freeze_garbage()
        status['freeze_gc'] = IN_FORCE
    return status


def _pin(cpus: set[int]) -> str:
    try:
        os.sched_setaffinity(0, cpus)
    except OSError as error:
        allowed = ','.join(map(str, sorted(os.sched_getaffinity(0))))
        return f'not in force: {error.strerror}; the cores of this process are {allowed}'
    return IN_FORCE


def _raise_priority(priority: int) -> str:
    try:
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(priority))
    except OSError as error:
        needs = f'CAP_SYS_NICE or a limit rtprio >= {priority}'
        return f'not in force: {error.strerror}; needs {needs}'
    return IN_FORCE


def _lock_memory() -> str:
    # With a limit, later allocations would fail instead of remaining unlocked.
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] != resource.RLIM_INFINITY:
        return 'not in force: needs a limit memlock = unlimited'
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE) != 0:
        return f'not in force: {os.strerror(ctypes.get_errno())}'
    return IN_FORCE
