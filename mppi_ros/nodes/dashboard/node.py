"""Live page of a controller: drive, signals and parameters in the browser."""

# ruff: noqa: E402 - the ROS 2 wheels must be found before rclpy is imported
from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from importlib.util import find_spec
import math
import os
import re
import sys
import time
from typing import Any

from mppi_ros.ros import use_wheels

use_wheels()

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_srvs.srv import SetBool

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.dashboard.access import is_loopback
from mppi_ros.dashboard.history import RATE, Frame, History, Scene
from mppi_ros.dashboard.parameter_model import ParameterModel
from mppi_ros.dashboard.status import SILENCE, status_of
from mppi_ros.dashboard.what_if import TickWorker
from mppi_ros.nodes.dashboard.inputs import DashboardInputs, controllers_of
from mppi_ros.nodes.dashboard.parameter_client import ParameterClient
from mppi_ros.parameters.declaration import Value, describe, parameter, validate
from mppi_ros.parameters.errors import ParameterError
from mppi_ros.ros.parameters import ParameterMixin
from mppi_ros.ros.process import run

NODE_NAME = 'mppi_dashboard'
NICENESS = 5  # the page must not take computing time from the controller
FULL_NAME = re.compile(r'(/[A-Za-z_][A-Za-z0-9_]*)+')  # of a node
SEARCH_PERIOD = 0.5  # [s] between looks at the ROS graph
MISSING = "mppi_dashboard: needs nicegui: pip install '.[dashboard]' in the source tree"


@dataclass(frozen=True)
class DashboardParameters:
    """Parameters of the live page."""

    host: str = parameter(
        '127.0.0.1', 'address to serve the page on; another address than that of this machine '
        'requires the token that is printed at start', live=False,
    )  # fmt: skip
    port: int = parameter(
        8750, 'port of the page; 0 takes a free one', low=0, high=65535, live=False
    )
    token: str = parameter(
        '', 'secret that the address must contain as ?token=; empty draws one if host is not an '
        'address of this machine', live=False,
    )  # fmt: skip
    controller: str = parameter(
        '', 'full name of the controller to show, such as /robot1/mppi_controller; empty takes '
        'the first one found', live=False,
    )  # fmt: skip
    recording: str = parameter(
        '', 'recording of the controller from which What if solves ticks again; empty takes the '
        'file in its parameter record', live=False,
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Check the name of the controller."""
        validate(self)
        if self.controller and not FULL_NAME.fullmatch(self.controller):
            raise ParameterError(
                f'controller = {self.controller!r} is not the full name of a node, such as '
                '/robot1/mppi_controller'
            )


class Dashboard(ParameterMixin[DashboardParameters], Node):
    """
    Serves a web page that shows a running controller and changes its parameters.

    It finds the controller and its topics in the ROS graph, in any namespace. Nothing is loaded
    from the internet. The page is open to this machine only, unless `host` says otherwise.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(NODE_NAME, **options)
        self.declare_configuration(DashboardParameters())
        self.history = History()
        self.parameters = ParameterModel(describe(ControllerParameters))
        self.status = status_of('', math.inf, '', '', 0)
        self._inputs: DashboardInputs | None = None
        self._client: ParameterClient | None = None
        self._enabling: Any = None
        self._found: list[str] = []
        self._wanted = self.configuration.controller
        self._pages = 0
        self._diagnostic: tuple[float, str, int] = (-math.inf, '', 0)  # time [s], message, level
        self._was_gone = False
        self._ticks = -math.inf
        self._server: Any = None
        self._worker = TickWorker()
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0 / RATE, self._add_frame, clock=steady)
        self.create_timer(SEARCH_PERIOD, self._search, clock=steady)

    def start(self) -> None:
        """Start the web server in its own thread."""
        from mppi_ros.dashboard.server import WebServer

        settings = self.configuration
        self._server = WebServer(self, settings.host, settings.port, settings.token)
        self._server.start()
        self.get_logger().info(f'the page is at {self._server.address}')
        if not is_loopback(settings.host):
            self.get_logger().warning(
                'the page is open to the network: anyone with this address can steer the robot'
            )

    def stop(self) -> None:
        """Stop the web server."""
        if self._server is not None:
            self._server.stop()
        self._worker.close()

    @property
    def controller(self) -> str:
        """Full name of the controller shown; '' before one is found."""
        return '' if self._inputs is None else self._inputs.controller

    def controllers(self) -> list[str]:
        """Return the full names of all controllers found."""
        return self._found

    def select(self, controller: str) -> None:
        """Show another controller, from the next search on."""
        self._wanted = controller

    def now(self) -> float:
        """Return the time on the clock of the frames [s]."""
        return time.monotonic()

    def watch(self, change: int) -> None:
        """Note that a page was opened (1) or closed (−1)."""
        self._pages += change

    def change(
        self, changes: Mapping[str, Value], *, undoable: bool = True
    ) -> Future[str]:
        """Set parameters of the controller, all or none."""
        if self._client is None:
            return _refused('there is no controller')
        return self._client.set(changes, undoable=undoable)

    def send_goal(self, x: float, y: float, yaw: float) -> str:
        """Publish a goal pose in the frame of the scene [m, m, rad]; return what was done."""
        if self._inputs is None:
            return 'no goal sent: there is no controller'
        return self._inputs.send_goal(x, y, yaw)

    def enable(self, enabled: bool) -> Future[str]:
        """Let the controller publish commands, or stop the robot and release `cmd_vel`."""
        client = self._enabling
        if client is None or not client.service_is_ready():
            return _refused('the controller does not answer')
        answer: Future[str] = Future()

        def done(future: Any) -> None:
            response = future.result()
            answer.set_result('' if response.success else response.message or 'refused')

        client.call_async(SetBool.Request(data=enabled)).add_done_callback(done)
        return answer

    def solve_again(
        self, stamp: float, changes: Mapping[str, Value], progress: Callable[[float], bool]
    ) -> Future[Any]:
        """Solve the tick of a time [s] again with changed parameters."""
        recording = self.configuration.recording
        if not recording and 'record' in self.parameters:
            recording = str(self.parameters['record'].value)
        return self._worker.solve(recording, stamp, changes, progress)

    def _search(self) -> None:
        """Look for controllers, their topics and their parameters."""
        self._found = controllers_of(self)
        wanted = self._wanted or self.controller or self._first_choice()
        if wanted and wanted != self.controller:
            self._connect(wanted)
        if self._inputs is None or self._client is None:
            return
        self._inputs.find_topics()
        self._inputs.prepare_goal()
        self._inputs.watch(self._pages > 0)
        self._client.load()

    def _first_choice(self) -> str:
        """Return a controller in the namespace of this node, else any; '' without one."""
        space = self.get_namespace().rstrip('/')
        own = [name for name in self._found if name.rpartition('/')[0] == space]
        return next(iter([*own, *self._found]), '')

    def _connect(self, controller: str) -> None:
        self._disconnect()
        self._inputs = DashboardInputs(self, controller, self.now)
        self._client = ParameterClient(self, controller, self.parameters, self.now)
        self._enabling = self.create_client(SetBool, f'{controller}/enable')
        self._diagnostic = (-math.inf, '', 0)
        self._ticks = -math.inf
        self._was_gone = False

    def _disconnect(self) -> None:
        if self._inputs is not None:
            self._inputs.close()
        if self._client is not None:
            self._client.close()
        if self._enabling is not None:
            self.destroy_client(self._enabling)
        self.history.clear()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if self.controller and status.name == f'{self.controller}: control':
                self._diagnostic = (self.now(), status.message, status.level[0])

    def _add_frame(self) -> None:
        now = self.now()
        inputs = self._inputs
        if inputs is None:
            self.history.add(Frame(now, {}, {}, '', '', '', Scene()))
            self.status = status_of('', math.inf, '', '', 0)
            return
        inputs.poll()
        stamp, message, level = self._diagnostic
        silence = now - max(inputs.received, stamp)
        if now - inputs.received <= SILENCE and not (message in ('inactive', 'disabled')
                                                     and stamp > inputs.received + 0.5):
            state, reason, level = inputs.state, inputs.reason, inputs.level
        else:  # it sends no statistics, but diagnostics say why
            state, reason = message, ''
        others = len([name for name in self._found if name != inputs.controller])
        self.status = status_of(inputs.controller, silence, state, reason, level, others)
        self._notice_restart()
        gone = not self.status.present
        scene = inputs.scene()
        if state != 'driving':  # what was sampled last is not what happens now
            scene = replace(scene, optimal=[], candidates=(), weights=())
        signals = {} if gone else dict(inputs.signals)
        costs = {} if gone else inputs.costs
        self.history.add(Frame(now, signals, costs, state, inputs.code, reason, scene))

    def _notice_restart(self) -> None:
        """Load the parameters again when another process answers to the name."""
        assert self._inputs is not None and self._client is not None
        gone = not self.status.present
        ticks = self._inputs.signals.get('ticks', -math.inf)
        if (self._was_gone and not gone) or ticks < self._ticks:
            self._client.loaded = False
        self._was_gone, self._ticks = gone, ticks


def _refused(reason: str) -> Future[str]:
    answer: Future[str] = Future()
    answer.set_result(reason)
    return answer


def main() -> None:
    """Run the node as a process."""
    if find_spec('nicegui') is None and not {'-h', '--help'} & set(sys.argv[1:]):
        print(MISSING, file=sys.stderr)
        raise SystemExit(2)
    os.nice(NICENESS)
    run(Dashboard, DashboardParameters)
