"""Result files of evaluation and benchmark, and the description of the machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
import json
import math
import os
from pathlib import Path
import platform
import resource
import subprocess
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mppi_ros import __version__
from mppi_ros.files import load_json
from mppi_ros.parameters.errors import InputError

MAX_UNPACKED_RATIO = 100  # size of the unpacked content relative to that of the file


def make_folder(folder: Path, option: str) -> None:
    """Create a folder; raise InputError that names the option if that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f'{option} {folder}: {error.strerror}') from None


def check_writable(path: Path) -> None:
    """Raise InputError if a file cannot be written at `path`."""
    folder = path.resolve().parent
    if path.is_dir():
        raise InputError(f'{path} cannot be written: it is a folder')
    if not folder.is_dir():
        raise InputError(f'{path} cannot be written: there is no folder {folder}')
    if not os.access(folder, os.W_OK):
        raise InputError(f'{path} cannot be written: {folder} is not writable')


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file atomically; values that are not finite become null."""
    text = json.dumps(_finite(content), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + '\n')


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    part = path.with_name(f'{path.name}.part')
    try:
        part.write_text(text, encoding='utf-8')
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(member) for key, member in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_finite(member) for member in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def bounded_unpacking(path: Path, memory: float = 2e9) -> Iterator[None]:
    """
    Limit the memory and file size available while a file is read.

    Readers of other packages unpack files of any size. Within this context an allocation fails
    beyond `memory` [bytes] in addition to those in use; so does a file that exceeds that size and
    MAX_UNPACKED_RATIO times the size of `path`.
    """
    pages = int(Path('/proc/self/statm').read_text('ascii').split()[0])
    parts = [path, *(path.iterdir() if path.is_dir() else ())]
    size = max((part.stat().st_size for part in parts if part.exists()), default=0)
    limits = {
        resource.RLIMIT_AS: pages * resource.getpagesize() + memory,
        resource.RLIMIT_FSIZE: max(memory, MAX_UNPACKED_RATIO * size),
    }
    before = {kind: resource.getrlimit(kind) for kind in limits}
    for kind, (soft, hard) in before.items():
        most = limits[kind] if soft == resource.RLIM_INFINITY else min(limits[kind], soft)
        resource.setrlimit(kind, (int(most), hard))
    try:
        yield
    finally:
        for kind, limit in before.items():
            resource.setrlimit(kind, limit)


def read_json(path: Path, *keys: str) -> dict[str, Any]:
    """
    Read a result file.

    Raises
    ------
    InputError
        The file is missing, is not JSON or lacks one of `keys`.

    """
    content = load_json(path)
    missing = [key for key in keys if not isinstance(content, dict) or key not in content]
    if missing:
        raise InputError(f'{path} has no {missing[0]!r}: not a result of this program')
    return dict(content)


def times(milliseconds: ArrayLike) -> dict[str, float]:
    """Return median, p90, p99, p99.9 and maximum [ms]."""
    values = np.asarray(milliseconds, dtype=np.float64)
    if not values.size:
        values = np.array([math.nan])
    quantiles = np.percentile(values, (50, 90, 99, 99.9, 100))
    names = ('median_ms', 'p90_ms', 'p99_ms', 'p999_ms', 'max_ms')
    return {name: round(float(value), 6) for name, value in zip(names, quantiles, strict=True)}


def machine() -> dict[str, Any]:
    """Describe the machine and the versions of the packages."""
    import numba

    # The name of the threading layer is known after the first parallel kernel only.
    _first_parallel_call()
    return {
        'cpu': _cpu(),
        'cores': len(os.sched_getaffinity(0)),
        'load': round(os.getloadavg()[0], 2),
        'system': f'{platform.system()} {platform.release()} {platform.machine()}',
        'python': platform.python_version(),
        'numpy': version('numpy'),
        'numba': version('numba'),
        'llvmlite': version('llvmlite'),
        'rclpy': _version('rclpy', 'ros-jazzy-rclpy', 'ros-kilted-rclpy'),
        'thread_layer': numba.threading_layer(),
        'mppi_ros': __version__,
        'commit': commit(),
    }


def commit() -> str:
    """Return the commit of the code, with '+' appended if files are changed; '' without git."""
    code = Path(__file__).resolve().parents[1]

    def git(*words: str) -> str:
        done = subprocess.run(['git', *words], cwd=code, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ''

    try:
        name = git('rev-parse', '--short=12', 'HEAD')
        return name + ('+' if name and git('status', '--porcelain', '--', '.') else '')
    except OSError:
        return ''


def _first_parallel_call() -> None:
    from mppi_ros.jit.simd import BLOCK
    from mppi_ros.mppi import noise

    process = noise.ar2_process(0.0, 0.0)
    noise.draw_parallel(0, 0, process, 1, np.empty((1, 2, BLOCK), np.float32))


def _cpu() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text('utf-8').splitlines()
    except OSError:
        lines = []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or platform.machine()


def _version(*packages: str) -> str:
    for name in packages:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ''
