"""
Machine code is kept across processes and never used after an edit of what it is made of.

Files that are damaged, unwritable or open to other users cost a compilation, and nothing else.
"""
from __future__ import annotations

import ast
from concurrent.futures import ThreadPoolExecutor, TimeoutError
import fcntl
import json
import os
from pathlib import Path
import shutil
import stat
import subprocess
import sys

import pytest

import mppi_ros
from mppi_ros.jit import cache_files
from mppi_ros.jit.cache_files import ABANDONED_AFTER, CacheFiles

PACKAGE = Path(mppi_ros.__file__).parent
HOST = """
from guest import inner
from mppi_ros.jit.simd import kernel
from mppi_ros.jit.cache import cached_njit
import json


@DECORATOR
def outer(x):
    return inner.scaled(x) + 1.0


result = outer(2.0)
print(json.dumps([result, sum(outer.stats.cache_hits.values())]))
"""
INNER = """
from guest.constants import SCALE
from mppi_ros.jit.simd import inline_njit


@inline_njit
def scaled(x):
    return SCALE * x
"""


DECORATORS = ('kernel', "cached_njit('float64(float64)', nogil=True)")


@pytest.fixture
def guest(tmp_path, request):
    """Return a folder with a package whose kernel inlines a function of another module."""
    decorator = getattr(request, 'param', DECORATORS[0])
    package = tmp_path / 'guest'
    package.mkdir()
    (package / '__init__.py').write_text('')
    (package / 'host.py').write_text(HOST.replace('DECORATOR', decorator))
    (package / 'inner.py').write_text(INNER)
    (package / 'constants.py').write_text('SCALE = 10.0\n')
    return package


def start(package: Path, before: str = '', **more: str) -> tuple[tuple[float, int], list[str]]:
    """
    Run the kernel in a process of its own.

    Return its result, how often the cache served, and the lines of the log.
    """
    environment = {
        **os.environ,
        'PYTHONPATH': f'{package.parent}:{PACKAGE.parent}',
        'PYTHONDONTWRITEBYTECODE': '1',
        'XDG_CACHE_HOME': str(package.parent / 'cache'),
    }
    environment.pop('NUMBA_CACHE_DIR', None)
    done = subprocess.run(
        [sys.executable, '-c', f'{before}\nimport guest.host'], env={**environment, **more},
        cwd=package.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result, hits = json.loads(done.stdout)
    return (result, hits), done.stderr.splitlines()


def run(package: Path) -> tuple[float, int]:
    """Run the kernel in a process of its own; return its result and how often the cache served."""
    return start(package)[0]


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


@pytest.mark.parametrize('guest', DECORATORS, indirect=True)
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
    result, (line,) = start(guest)
    assert result == (21.0, 0)
    assert 'cannot be written' in line and 'compiled at each start' in line


def emptied(content: bytes) -> bytes:
    return b''


def halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    """Change one bit, in the middle of the machine code or of the index."""
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize('guest', DECORATORS, indirect=True)
@pytest.mark.parametrize('damage', [emptied, halved, flipped])
def test_damaged_files_are_compiled_anew_once_and_the_log_says_so_once(guest, damage):
    run(guest)
    for ending in ('nbi', 'nbc'):
        files = list((guest / '__pycache__').glob(f'*.{ending}'))
        assert files
        for file in files:
            file.write_bytes(damage(file.read_bytes()))
        result, (line,) = start(guest)
        assert result == (21.0, 0)
        assert f'{guest}/__pycache__' in line and 'cannot be read' in line
        assert start(guest) == ((21.0, 1), [])


def test_a_full_disk_costs_a_compilation_and_leaves_no_half_file(guest):
    full = 'import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))'
    result, (line,) = start(guest, full)
    assert result == (21.0, 0)
    assert 'cannot be written' in line
    assert not [file for file in guest.parent.rglob('*') if file.suffix in ('.tmp', '.nbc')]
    assert run(guest) == (21.0, 0)
    assert start(guest, full) == ((21.0, 1), [])


def test_code_in_a_folder_that_others_may_write_to_is_neither_read_nor_kept_there(guest):
    run(guest)
    folder = guest / '__pycache__'
    folder.chmod(0o777)
    before = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    result, (line,) = start(guest)
    assert result == (21.0, 0)
    assert f'other users may write to {folder}' in line
    assert start(guest)[0] == (21.0, 1)  # from the user's own folder
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == before


def test_the_folder_that_the_environment_names_is_the_only_one(guest):
    elsewhere = {'NUMBA_CACHE_DIR': str(guest.parent / 'kept')}
    run(guest)
    assert start(guest, **elsewhere)[0] == (21.0, 0)
    assert start(guest, **elsewhere)[0] == (21.0, 1)


def test_a_cache_that_can_only_be_read_is_read(guest):
    """An image of a robot holds the code, and its root file system is read-only."""
    kept = guest.parent / 'kept'
    assert start(guest, NUMBA_CACHE_DIR=str(kept))[0] == (21.0, 0)
    read_only = """
import os
write = os.open
def refuse(path, flags, *arguments, **named):
    if flags & os.O_CREAT:
        raise OSError(30, 'Read-only file system')
    return write(path, flags, *arguments, **named)
os.open = refuse
"""
    assert start(guest, read_only, NUMBA_CACHE_DIR=str(kept)) == ((21.0, 1), [])


def test_a_function_without_a_source_file_is_compiled_each_time(guest):
    """Nothing would show that it was edited."""
    code = "exec(open('guest/host.py').read())"
    (guest / 'typed.py').write_text(code)
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, '-c', 'import guest.typed'], cwd=guest.parent, check=True, text=True,
            env={**os.environ, 'PYTHONPATH': f'{guest.parent}:{PACKAGE.parent}'},
            capture_output=True)
        assert json.loads(done.stdout) == [21.0, 0]
    assert not list(guest.rglob('*.nb?'))


@pytest.fixture
def held(tmp_path):
    """Offer files in a folder that another process has locked, and the lock."""
    lock = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    yield CacheFiles(tmp_path, 'kernel', 'sources'), lock
    os.close(lock)


def test_one_starter_saves_after_the_other(held):
    files, lock = held
    with ThreadPoolExecutor() as pool:
        saved = pool.submit(files.save, 'key', 'code')
        with pytest.raises(TimeoutError):
            saved.result(0.2)
        assert not list(files.folder.iterdir())
        fcntl.flock(lock, fcntl.LOCK_UN)
        saved.result()
    assert files.load('key') == 'code'


def test_a_starter_that_is_suspended_while_it_saves_delays_no_other_for_long(held, monkeypatch):
    files, _ = held
    monkeypatch.setattr(cache_files, 'MAX_LOCK_TIME', 0.05)
    files.save('key', 'code')
    assert files.load('key') == 'code'


def test_two_starters_at_once_both_start_and_leave_a_good_cache(guest):
    with ThreadPoolExecutor() as pool:
        both = list(pool.map(start, [guest] * 2))
    assert [(result, log) for (result, _), log in both] == [(21.0, [])] * 2
    assert start(guest) == ((21.0, 1), [])


def test_a_starter_that_is_killed_while_it_writes_leaves_nothing_that_is_read(guest):
    killed = 'import os, signal; os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)'
    with pytest.raises(AssertionError):
        start(guest, killed)
    assert list((guest / '__pycache__').glob('*.tmp'))
    assert start(guest) == ((21.0, 0), [])
    assert start(guest) == ((21.0, 1), [])


@pytest.fixture
def files(tmp_path):
    return CacheFiles(tmp_path / 'code', 'kernel', 'sources')


def test_every_cut_of_every_file_is_noticed(files):
    files.save('key', list(range(50)))
    for file in files.folder.iterdir():
        content = file.read_bytes()
        for length in range(len(content)):
            file.write_bytes(content[:length])
            with pytest.raises(ValueError, match='corrupt'):
                files.load('key')
        file.write_bytes(content)
    assert files.load('key') == list(range(50))


def test_what_is_read_is_verified_before_it_is_unpickled(files, tmp_path):
    """Unpickling these would make a file."""
    made = tmp_path / 'made'
    files.save('key', 1)
    for file in files.folder.iterdir():
        content = file.read_bytes()
        file.write_bytes(f"cbuiltins\nopen\n(S'{made}'\nS'w'\ntR.".encode())
        with pytest.raises(ValueError, match='corrupt'):
            files.load('key')
        file.write_bytes(content)
    assert not made.exists()


def test_two_starters_never_read_the_code_of_each_others_keys(tmp_path, monkeypatch):
    """Each step of one lies between two steps of the other, in every order."""
    from itertools import combinations

    from mppi_ros.jit import cache_files

    replace = cache_files._replace
    for order in combinations(range(4), 2):
        folder = tmp_path / '-'.join(map(str, order))
        one, two = (CacheFiles(folder, 'kernel', 'sources') for _ in range(2))
        steps = {}
        for files, key in ((one, 'a'), (two, 'b')):
            held = steps[key] = []
            monkeypatch.setattr(
                cache_files, '_replace', lambda file, content, held=held: held.append(
                    (file, content)))
            files.save(key, f'code of {key}')
        monkeypatch.setattr(cache_files, '_replace', replace)
        for turn in range(4):
            replace(*steps['a' if turn in order else 'b'].pop(0))
        for reader in (one, two):
            found = [reader.load(key) for key in 'ab']
            assert found in (['code of a', None], [None, 'code of b'])
        for files, key in ((one, 'a'), (two, 'b')):
            files.save(key, f'code of {key}')
        assert [one.load(key) for key in 'ab'] == ['code of a', 'code of b']


def test_what_a_killed_starter_left_is_removed_later(files):
    files.save('key', 1)
    left, fresh, foreign = (
        files.folder / name for name in ('kernel.nbi.1.tmp', 'kernel.nbi.2.tmp', 'kernels.3.tmp'))
    for file in (left, fresh, foreign):
        file.write_bytes(b'half')
    for file in (left, foreign):
        old = file.stat().st_mtime - ABANDONED_AFTER - 1.0
        os.utime(file, (old, old))
    files.save('other', 2)
    assert [file.exists() for file in (left, fresh, foreign)] == [False, True, True]
    assert (files.load('key'), files.load('other')) == (1, 2)


def test_code_of_other_sources_is_not_used_and_is_removed_when_new_code_comes(files):
    files.save('key', 1)
    edited = CacheFiles(files.folder, 'kernel', 'edited sources')
    assert edited.load('key') is None
    edited.save('key', 2)
    assert (edited.load('key'), files.load('key')) == (2, None)
    assert len(list(files.folder.glob('*.nbc'))) == 1


@pytest.mark.parametrize('place', ['parent', 'folder', 'index', 'code'])
@pytest.mark.parametrize('mode', [stat.S_IWOTH, stat.S_IWGRP])
def test_whatever_others_may_write_to_is_refused(tmp_path, place, mode):
    files = CacheFiles(tmp_path / 'parent' / 'folder', 'kernel', 'sources')
    files.save('key', 1)
    code, index = sorted(files.folder.iterdir())
    path = {'parent': tmp_path / 'parent', 'folder': files.folder, 'index': index, 'code': code}
    if mode == stat.S_IWGRP:
        if os.geteuid():
            pytest.skip('only root can give a file to a group of others')
        os.chown(path[place], -1, 12345)
    path[place].chmod(path[place].stat().st_mode | mode)
    with pytest.raises(PermissionError, match='other users may write'):
        files.load('key')
    if place in ('parent', 'folder'):
        with pytest.raises(PermissionError, match='other users may write'):
            files.save('other', 1)
    else:  # replaced by files of one's own
        files.save('key', 2)
        assert files.load('key') == 2


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can give files away')
@pytest.mark.parametrize('place', ['parent', 'folder', 'index', 'code'])
def test_files_and_folders_of_other_users_are_refused(tmp_path, place):
    files = CacheFiles(tmp_path / 'parent' / 'folder', 'kernel', 'sources')
    files.save('key', 1)
    code, index = sorted(files.folder.iterdir())
    path = {'parent': tmp_path / 'parent', 'folder': files.folder, 'index': index, 'code': code}
    os.chown(path[place], 12345, -1)
    with pytest.raises(PermissionError, match='belongs to another user'):
        files.load('key')


def test_a_folder_that_others_share_may_hold_one_s_own_if_it_is_sticky(tmp_path):
    """As /tmp is: others cannot replace in it what is not theirs."""
    shared = tmp_path / 'shared'
    shared.mkdir()
    shared.chmod(0o1777)
    files = CacheFiles(shared / 'own', 'kernel', 'sources')
    files.save('key', 1)
    assert files.load('key') == 1
    shared.chmod(0o777)
    with pytest.raises(PermissionError, match='other users may write'):
        files.load('key')


def test_folders_and_files_are_closed_to_others_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        files = CacheFiles(tmp_path / 'a' / 'b', 'kernel', 'sources')
        files.save('key', 1)
    finally:
        os.umask(before)
    assert files.load('key') == 1


PLAIN = """
import importlib
import pkgutil
from numba.core import caching


def refuse(cache, function):
    raise AssertionError(f'{function} is in the cache of Numba, which misses edits')


caching.Cache.__init__ = refuse
import mppi_ros
for module in pkgutil.walk_packages(mppi_ros.__path__, 'mppi_ros.'):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:  # of what is not installed
        assert not error.name.startswith('mppi_ros')
"""


def test_no_module_keeps_a_kernel_in_the_cache_of_numba():
    done = subprocess.run([sys.executable, '-c', PLAIN], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def literal(node):
    return node.value if isinstance(node, ast.Constant) else None


def test_no_source_asks_numba_for_its_cache():
    """Kernels that are made only when they are called would escape the imports above."""
    asked = [
        f'{file.relative_to(PACKAGE)}:{node.lineno}'
        for file in PACKAGE.rglob('*.py') for node in ast.walk(ast.parse(file.read_bytes()))
        if (isinstance(node, ast.keyword) and node.arg == 'cache')
        or (isinstance(node, ast.Dict) and 'cache' in map(literal, node.keys))
        or (isinstance(node, ast.Attribute) and node.attr == 'enable_caching')]
    assert asked == []


STOPPING = """
import numpy as np
from mppi_ros.control import stopping_check
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.motion_models import DiffDrive, MotionState
from mppi_ros.driving.parameters import Limits, PredictionParameters

field = distance_field(Costmap(np.zeros((100, 100), np.int8), 0.1, -5.0, -5.0))
around = stopping_check.CollisionModel.of(field, Footprint.round(0.2), 0.0)
model = DiffDrive.of(Limits(), PredictionParameters(), stopping_check.INTEGRATION_STEP)
start = MotionState(0.0, 0.0, 0.0, 0.5, 0.0)
print(stopping_check.check(start, (0.5, 0.0), 0.1, around, model).rest.x)
"""


def test_the_stopping_check_follows_an_edit_of_the_motion_that_it_inlines(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / 'mppi_ros', ignore=shutil.ignore_patterns('__pycache__'))

    def stopping_point():
        done = subprocess.run(
            [sys.executable, '-c', STOPPING], cwd=tmp_path, check=True, text=True,
            env={**os.environ, 'PYTHONPATH': str(tmp_path)}, capture_output=True)
        return float(done.stdout)

    before = stopping_point()
    edit(tmp_path / 'mppi_ros' / 'driving' / 'motion_models.py', 'np.float32(0.5) * way',
         'np.float32(1.0) * way')
    assert stopping_point() == pytest.approx(2.0 * before, rel=1e-6)


WARM = """
import json
import sys
import numpy as np
from numba.core import caching, event
from numba.core.ccallback import CFunc
from mppi_ros.control import fallback
from mppi_ros.control.controller import Controller
from mppi_ros.control.inputs import Odometry
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.warm_up import warm_up
from mppi_ros.driving.costmap import Costmap
from mppi_ros.parameters.declaration import replace

compiled = []


class Listener(event.Listener):
    def on_start(self, happened):
        compiled.append(happened.data['dispatcher'].py_func.__qualname__)

    def on_end(self, happened):
        pass


robot = json.loads(sys.argv[1])
controller = Controller(replace(ControllerParameters(), robot), 1)
warm_up(controller.configuration)
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
    controller.configure(replace(ControllerParameters(), {**robot, **changes}))
    controller.set_costmap(now, Costmap(cells, 0.05, -5.0, -5.0))
    controller.set_plan(now, np.array([[0.0, 0.0, 0.0], [4.0, 0.0, 0.0]]))
    for _ in range(3):
        controller.set_odometry(Odometry(now, 0.1 * now, 0.0, 0.0, 0.1, 0.0, 0.0))
        states.append(controller.tick(now).state.value)
        now += 0.05
    controller.optimal_trajectory()
    controller.candidate_trajectories(3)
predicted = []
predict = fallback.predict_manoeuvre
fallback.predict_manoeuvre = lambda *given: predicted.append(0) or predict(*given)
coming = np.array([[0.1 * now + 0.8, 0.0, -1.0, 0.0, 0.3]])
controller._costmaps.moving_obstacles = lambda time: coming
controller.set_odometry(Odometry(now, 0.1 * now, 0.0, 0.0, 0.1, 0.0, 0.0))
controller.tick(now)
print(json.dumps([compiled, states, len(predicted)]))
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
    compiled, states, predicted = json.loads(done.stdout)
    assert compiled == []
    assert set(states) == {'driving'}
    assert predicted > 0  # the robot had to evade
