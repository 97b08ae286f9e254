"""Processor time of a start: compilation of each kernel, and loading of all from the cache."""

from __future__ import annotations

import json
import os
from pathlib import Path
import subprocess
import sys
from tempfile import TemporaryDirectory
import time
from typing import Any

from mppi_ros.parameters.errors import MppiError

MIN_LISTED_DURATION = 0.1  # [s] minimum compile time that is listed


def measure() -> list[dict[str, Any]]:
    """Return processor times [s] of a first start with an empty cache and of a second one."""
    rows = []
    with TemporaryDirectory(prefix='mppi_start_') as cache:
        for name in ('first', 'second'):
            done = subprocess.run(
                [sys.executable, __file__], env={**os.environ, 'NUMBA_CACHE_DIR': cache},
                capture_output=True, text=True, cwd=Path(cache),
            )  # fmt: skip
            if done.returncode != 0:
                raise MppiError(f'the {name} start failed: {done.stderr.strip()[-300:]}')
            for what, seconds in json.loads(done.stdout):
                rows.append({'what': f'{name} start: {what}', 'value': seconds, 'unit': 'CPU s'})
    return rows


def main() -> None:
    """Import and warm up in this process; print [name, seconds], without nested kernels."""
    begun = time.process_time()
    from numba.core import event
    from numba.core.ccallback import CFunc

    open_ones: list[float] = []
    taken: dict[str, float] = {}

    def end(name: str) -> None:
        seconds = time.process_time() - open_ones.pop()
        if not open_ones:
            taken[name] = taken.get(name, 0.0) + seconds

    class Compilations(event.Listener):
        def on_start(self, _event: Any) -> None:
            open_ones.append(time.process_time())

        def on_end(self, ended: Any) -> None:
            end(ended.data['dispatcher'].py_func.__qualname__)

    def compile_addressable(function: Any) -> Any:
        open_ones.append(time.process_time())
        try:
            return untold(function)
        finally:
            end(function.__qualname__)

    event.register('numba:compile', Compilations())
    # Numba emits no event for these.
    kind: Any = CFunc
    untold, kind._compile_uncached = kind._compile_uncached, compile_addressable
    from mppi_ros.control.parameters import ControllerParameters
    from mppi_ros.control.warm_up import warm_up

    imported = time.process_time()
    warm_up(ControllerParameters())
    found = {'import': imported - begun, 'kernels': time.process_time() - imported}
    found |= {
        f'kernel {name}': seconds for name, seconds in taken.items()
        if seconds > MIN_LISTED_DURATION
    }  # fmt: skip
    print(json.dumps([[what, round(seconds, 3)] for what, seconds in found.items()]))


if __name__ == '__main__':
    main()
