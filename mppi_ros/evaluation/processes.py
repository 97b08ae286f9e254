"""Child processes that never outlive their parent and whose end is noticed at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
import ctypes
from pathlib import Path
import random
import signal
import socket
import subprocess
import sys
import time
from types import TracebackType

from mppi_ros.parameters.errors import MppiError

LAST_LINES = 8
PR_SET_PDEATHSIG = 1
DOMAINS = range(1, 102)  # ids whose ports no system gives away to others
DISCOVERY_PORT, PORTS_PER_DOMAIN = 7400, 250  # of DDS
# In each domain one port is that of all participants, but of none that is limited to this machine;
# each participant has one of the others.
PARTICIPANTS = (0, *range(10, 50, 2))
CLAIM_PORT = 5  # a port of each domain that DDS never uses
INTERRUPTS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}

_claim = ExitStack()  # of the domain that was given last


class ChildEndedError(MppiError):
    """A child process ended before it was asked to."""


class Children:
    """
    Processes that run side by side, each with a log file of its own in `folder`.

    Use it as a context: leaving it stops all of them, politely first.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.started: dict[str, float] = {}

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a process; its start is noted in `started` [s since 1970]."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self.started[name] = time.time()
        # An interrupt between the start and the note of it would leave a child behind.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
        try:
            with self._log(name).open('wb') as log:
                # A session of its own: Ctrl-C in a terminal reaches the children by `stop` only.
                self._running[name] = subprocess.Popen(
                    command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=log,
                    stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_prepare,
                )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def check(self) -> None:
        """
        Do nothing while all processes run.

        Raises
        ------
        ChildEndedError
            One has ended; the message gives its exit code and last lines.

        """
        for name, process in self._running.items():
            code = process.poll()
            if code is not None:
                lines = self._log(name).read_text('utf-8', 'replace').splitlines()
                last = '\n'.join(f'  {line}' for line in lines[-LAST_LINES:])
                raise ChildEndedError(f'{name} ended with exit code {code}\n{last}')

    def stop(self, patience: float = 5.0) -> None:
        """Interrupt all processes and kill those that still run after `patience` [s]."""
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        end = time.monotonic() + patience
        for process in self._running.values():
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    def _log(self, name: str) -> Path:
        return self._folder / f'{name}.log'

    def __enter__(self) -> Children:
        """Return the children, none of them started yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop all processes, whatever happened."""
        self.stop()


def _prepare() -> None:
    """Let the child be interrupted, and ended by Linux should its parent be killed."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def free_domain() -> int:
    """
    Return the id of a ROS domain in which nobody on this machine listens.

    Nobody else gets it from here until this process asks for another one or ends: it may take
    long until the first participant listens.
    """
    for domain in random.sample(DOMAINS, len(DOMAINS)):
        first = DISCOVERY_PORT + PORTS_PER_DOMAIN * domain
        with ExitStack() as bound:
            try:
                _listen(first + CLAIM_PORT, bound)
                with ExitStack() as probe:
                    for port in PARTICIPANTS:
                        _listen(first + port, probe)
            except OSError:
                continue
            _claim.close()
            _claim.enter_context(bound.pop_all())
            return domain
    raise MppiError('every ROS domain of this machine is in use')


def _listen(port: int, until: ExitStack) -> None:
    until.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind(('', port))
