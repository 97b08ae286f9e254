"""Child processes that end with their parent, and free ROS domains for them."""

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
DOMAINS = range(1, 102)  # ids whose ports are outside the ephemeral ranges
DISCOVERY_PORT, PORTS_PER_DOMAIN = 7400, 250  # of DDS
# Ports of a domain: the discovery port that all participants share unless they are restricted to
# the local host, and one port of each participant.
PARTICIPANTS = (0, *range(10, 50, 2))
CLAIM_PORT = 5  # a port of each domain that DDS does not use
INTERRUPTS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}

_claim = ExitStack()  # holds the claim of the domain that was returned last


class ChildEndedError(MppiError):
    """A child process ended unexpectedly."""


class Children:
    """
    Processes that run in parallel, each with its own log file in `folder`.

    Use it as a context manager: leaving it interrupts all processes, then kills the rest.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.started: dict[str, float] = {}

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a process; `started` records the start time [s since 1970]."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self.started[name] = time.time()
        # An interrupt before the process is registered would leave it running.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
        try:
            with self._log(name).open('wb') as log:
                # In its own session a child receives Ctrl-C of the terminal through `stop` only.
                self._running[name] = subprocess.Popen(
                    command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=log,
                    stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_prepare,
                )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def pid(self, name: str) -> int:
        """Return the process id of a process."""
        return self._running[name].pid

    def check(self) -> None:
        """
        Check that all processes are running.

        Raises
        ------
        ChildEndedError
            A process has ended; the message has its exit code and last lines of output.

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
        """Return this object; no process is started yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop all processes."""
        self.stop()


def _prepare() -> None:
    """Unblock interrupts, and let Linux terminate the child if its parent is killed."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def free_domain() -> int:
    """
    Return the id of a ROS domain without participants on this machine.

    The id stays claimed until this process requests another one or ends, since the first
    participant may start much later.
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
