"""Live page beside a measured node: mppi_dashboard, and a headless browser that draws it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
import shutil
import socket
import sys
import time

import psutil

from mppi_ros.evaluation.processes import Children
from mppi_ros.parameters.errors import MppiError

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome', 'chrome')
RUN = 'from mppi_ros.nodes.dashboard.node import main; main()'
SIZE = '1440,900'  # [pixels] of the window
MAX_OPENING_DURATION = 60.0  # [s]


class LivePage:
    """
    The processes of the page.

    Parameters
    ----------
    children : Children
        Starts and ends them.
    folder : Path
        For the profile of the browser.
    environment : mapping
        Of the processes.
    spin : callable
        Lets the measuring process work for some seconds.
    is_drawn : callable
        Whether the node publishes trajectories for the page.

    Raises
    ------
    MppiError
        NiceGUI or Chromium is not installed, or the page does not open.

    """

    def __init__(
        self, children: Children, folder: Path, environment: Mapping[str, str],
        spin: Callable[[float], None], is_drawn: Callable[[], bool],
    ) -> None:
        browser = next(filter(None, map(shutil.which, BROWSERS)), None)
        if browser is None or find_spec('nicegui') is None:
            raise MppiError('--dashboard needs Chromium and the extra dashboard (nicegui)')
        with socket.create_server(('127.0.0.1', 0)) as free:
            port = free.getsockname()[1]
        page = [sys.executable, '-c', RUN, '--ros-args', '-p', f'port:={port}']
        drawing = [
            browser, '--headless', '--no-sandbox', '--disable-gpu', '--remote-debugging-port=0',
            f'--window-size={SIZE}', f'--user-data-dir={folder / "profile"}',
            f'http://127.0.0.1:{port}/',
        ]  # fmt: skip
        self._processes: dict[str, psutil.Process] = {}
        end = time.monotonic() + MAX_OPENING_DURATION
        steps: tuple[tuple[str, list[str], Callable[[], bool]], ...] = (
            ('mppi_dashboard', page, lambda: _answers(port)), ('browser', drawing, is_drawn)
        )
        for name, command, ready in steps:
            children.start(name, command, environment)
            self._processes[name] = psutil.Process(children.pid(name))
            while not ready():
                spin(0.1)
                if time.monotonic() > end:
                    raise MppiError(f'the page did not open in {MAX_OPENING_DURATION:g} s')

    def processor_times(self) -> dict[str, float]:
        """Return the processor time of each program with its children [s]."""
        return {
            name: sum(map(_processor_time, (process, *process.children(recursive=True))))
            for name, process in self._processes.items()
        }  # fmt: skip


def _processor_time(process: psutil.Process) -> float:
    try:
        used = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(used.user + used.system)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(('127.0.0.1', port), 1.0).close()
    except OSError:
        return False
    return True
