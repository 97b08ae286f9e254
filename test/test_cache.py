"""Machine code is kept across processes and never used after an edit of what it is made of."""
from __future__ import annotations

import json
import os
from pathlib import Path
import subprocess
import sys

import pytest

import mppi_ros

HOST = """
from guest import inner
from mppi_ros.mppi.blocks import kernel
import json


@kernel
def outer(x):
    return inner.scaled(x) + 1.0


result = outer(2.0)
print(json.dumps([result, sum(outer.stats.cache_hits.values())]))
"""
INNER = """
from guest.constants import SCALE
from mppi_ros.mppi.blocks import inlined


@inlined
def scaled(x):
    return SCALE * x
"""


@pytest.fixture
def guest(tmp_path):
    """Return a folder with a package whose kernel inlines a function of another module."""
    package = tmp_path / 'guest'
    package.mkdir()
    (package / '__init__.py').write_text('')
    (package / 'host.py').write_text(HOST)
    (package / 'inner.py').write_text(INNER)
    (package / 'constants.py').write_text('SCALE = 10.0\n')
    return package


def run(package: Path) -> tuple[float, int]:
    """Run the kernel in a process of its own; return its result and how often the cache served."""
    environment = {
        **os.environ,
        'PYTHONPATH': f'{package.parent}:{Path(mppi_ros.__file__).parents[1]}',
        'PYTHONDONTWRITEBYTECODE': '1',
        'XDG_CACHE_HOME': str(package.parent / 'cache'),
    }
    environment.pop('NUMBA_CACHE_DIR', None)
    done = subprocess.run(
        [sys.executable, '-c', 'import guest.host'], env=environment, cwd=package.parent,
        capture_output=True, text=True, check=True)
    result, hits = json.loads(done.stdout)
    return result, hits


def edit(file: Path, old: str, new: str) -> None:
    """Replace text by text of the same length, and leave the file's time as it was."""
    before = file.stat()
    file.write_text(file.read_text().replace(old, new))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_second_process_loads_what_the_first_one_compiled(guest):
    assert run(guest) == (21.0, 0)
    assert run(guest) == (21.0, 1)


def test_new_times_of_the_files_alone_keep_the_code(guest):
    run(guest)
    for file in guest.glob('*.py'):
        os.utime(file)
    assert run(guest) == (21.0, 1)


@pytest.mark.parametrize(('file', 'old', 'new', 'result'), [
    ('host.py', '1.0', '3.0', 23.0),
    ('inner.py', 'SCALE * x', 'x * x + 0', 5.0),
    ('constants.py', '10.0', '20.0', 41.0),
])
def test_an_edit_of_any_module_in_the_kernel_is_compiled_anew(guest, file, old, new, result):
    run(guest)
    edit(guest / file, old, new)
    assert run(guest) == (result, 0)


def test_a_package_that_is_read_only_keeps_its_code_in_the_cache_of_the_user(guest):
    (guest / '__pycache__').write_text('no folder can be made here')
    assert run(guest) == (21.0, 0)
    assert run(guest) == (21.0, 1)
    assert list((guest.parent / 'cache').rglob('*.nbi'))


def test_without_any_place_for_the_code_it_is_compiled_at_each_start(guest):
    (guest / '__pycache__').write_text('no folder can be made here')
    (guest.parent / 'cache').write_text('nor here')
    assert run(guest) == (21.0, 0)
    assert run(guest) == (21.0, 0)


WARM = """
import json
import sys
import numpy as np
from numba.core import caching, event
from numba.core.ccallback import CFunc
from mppi_ros.control.controller import Controller
from mppi_ros.control.inputs import Odometry
from mppi_ros.control.settings import Configuration
from mppi_ros.driving.costmap import Costmap
from mppi_ros.mppi.parameters import replace

compiled = []


class Listener(event.Listener):
    def on_start(self, happened):
        compiled.append(happened.data['dispatcher'].py_func.__qualname__)

    def on_end(self, happened):
        pass


robot = json.loads(sys.argv[1])
controller = Controller(replace(Configuration(), robot), 1)
controller.warm_up()
event.register('numba:compile', Listener())
load = caching.Cache.load_overload


def listen(cache, *arguments):
    found = load(cache, *arguments)
    if found is not None:  # without a cache it would have been compiled
        compiled.append(cache._name)
    return found


caching.Cache.load_overload = listen
CFunc._compile_uncached = lambda function: compiled.append(function.__name__)
cells = np.zeros((200, 200), np.int8)
cells[95:105, 130:134] = 100  # on the plan: the controller looks for a way round
corners = [0.3, 0.2, 0.3, -0.2, -0.3, -0.2, -0.3, 0.2]
now, states = 0.0, []
for changes in (
    {}, {'threads': 2}, {'threads': 2, 'samples': 5000}, {'noise.antithetic': False},
    {'lambda': 0.3}, {'horizon_steps': 40}, {'robot.footprint': corners}, {'iterations': 2},
    {'prediction.delay_angular': 0.25}, {'prediction.dead_band_linear': 0.01},
    json.loads(sys.argv[2]),
):
    controller.configure(replace(Configuration(), {**robot, **changes}))
    controller.set_costmap(now, Costmap(cells, 0.05, -5.0, -5.0))
    controller.set_plan(now, np.array([[0.0, 0.0, 0.0], [4.0, 0.0, 0.0]]))
    for _ in range(3):
        controller.set_odometry(Odometry(now, 0.1 * now, 0.0, 0.0, 0.1, 0.0, 0.0))
        states.append(controller.tick(now).state.value)
        now += 0.05
    controller.optimal_trajectory()
    controller.candidate_trajectories(3)
print(json.dumps([compiled, states]))
"""


@pytest.mark.parametrize(('robot', 'changes'), [
    ({}, {'sigma': [0.2, 0.01, 0.01, 0.6]}),
    ({'motion_model': 'omni', 'sigma': [0.3, 0.3, 0.4]}, {'limits.vy_max': 0.2}),
    ({'motion_model': 'ackermann'}, {'limits.turning_radius_min': 0.5}),
])
def test_nothing_is_left_to_compile_after_the_warm_up(robot, changes):
    done = subprocess.run(
        [sys.executable, '-c', WARM, json.dumps(robot), json.dumps(changes)],
        capture_output=True, text=True, check=True, cwd=Path(mppi_ros.__file__).parents[1])
    compiled, states = json.loads(done.stdout)
    assert compiled == []
    assert set(states) == {'driving'}
