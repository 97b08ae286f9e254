"""Executables as processes, and a node that monitors them, calls services and fakes inputs."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
import math
import os
from pathlib import Path
import signal
import subprocess
import sys
import time
from types import TracebackType
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from nav_msgs.msg import OccupancyGrid, Odometry
from nav_msgs.msg import Path as PathMessage
import numpy as np
from oracle import find_violation
import psutil
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParametersAtomically
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from std_msgs.msg import Bool

from mppi_ros.control.inputs import Odometry as Motion
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.warm_up import warm_up
from mppi_ros.driving.costmap import Costmap
from mppi_ros.ros import conversions
from mppi_ros.ros.qos import LATCHED

TIMEOUT = 120.0  # [s]; the awaited events take a second or two on an idle machine
WORLD = 'x,y,radius\n2.0,0.1,0.25\n2.0,-1.6,0.3\n3.2,1.7,0.4\n'
START, GOAL = (0.0, 0.0, 0.0), (4.0, 0.5, 0.0)


def compile_kernels() -> None:
    """Compile the kernels or load them from the cache, so that tested processes need not."""
    warm_up(ControllerParameters())


def running(text: str, *, recursive: bool = False) -> Iterator[psutil.Process]:
    """Yield the children of this process whose command line contains a text."""
    for child in psutil.Process().children(recursive=recursive):
        # A terminated child may be a zombie, which has no command line.
        with suppress(psutil.NoSuchProcess):
            if any(text in argument for argument in child.cmdline()):
                yield child


class Watcher:
    """
    A node in its own context that records the outputs of the controller.

    Attributes
    ----------
    commands : list of (float, float)
        Every command received: speed [m/s], turning rate [rad/s].
    statistics : dict
        The values of the newest statistics.
    history : list of dict
        The values of all statistics received.
    on_statistics : callable
        Called with the values of each statistics message.
    diagnostics : dict
        Latest (level, message) of each status name.
    unsafe : list of str
        Violations that the oracle found in the received commands.
    stamp : float
        Stamp of the newest command [s].
    stamps : list of float
        Stamps of all commands [s].
    truth : Motion or None
        True state of the simulated robot.
    touched : bool
        Whether the simulated robot was in contact with an obstacle.

    """

    def __init__(self, namespace: str = '') -> None:
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = Node('watcher', namespace=namespace, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.commands: list[tuple[float, float]] = []
        self.unsafe: list[str] = []
        self.stamp = 0.0
        self.stamps: list[float] = []
        self.statistics: dict[str, str] = {}
        self.history: list[dict[str, str]] = []
        self.on_statistics: Callable[[dict[str, str]], None] = lambda values: None
        self.diagnostics: dict[str, tuple[int, str]] = {}
        self.truth: Motion | None = None
        self.touched = False
        subscribe = self.node.create_subscription
        subscribe(TwistStamped, 'cmd_vel', self._on_command, 100)
        subscribe(DiagnosticArray, 'mppi_controller/statistics', self._on_statistics, 100)
        subscribe(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        subscribe(Odometry, 'kinematic_simulator/ground_truth', self._on_truth, 10)
        subscribe(Bool, 'kinematic_simulator/contact', self._on_contact, LATCHED)

    @property
    def state(self) -> str:
        """Return the state of the controller."""
        return self.statistics.get('state', '')

    @property
    def code(self) -> str:
        """Return the reason code."""
        return self.statistics.get('code', '')

    @property
    def reason(self) -> str:
        """Return the reason of the state."""
        return self.statistics.get('reason', '')

    @property
    def command_age(self) -> float:
        """Return the age of the newest command [s]."""
        return float(self.node.get_clock().now().nanoseconds) * 1e-9 - self.stamp

    def close(self) -> None:
        """Destroy the node and shut its context down."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def wait_for(
        self, condition: Callable[[], Any], what: str, timeout: float = TIMEOUT
    ) -> None:
        """Spin until the condition holds; fail with the description `what` after `timeout`."""
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(
                    f'waited {timeout:g} s for {what}; controller: {self.state} {self.reason}; '
                    f'robot: {self.truth}; diagnostics: {self.diagnostics}'
                )
            self._executor.spin_once(timeout_sec=0.05)

    def wait_for_status(self, name: str) -> None:
        """Wait for the diagnostics status of this name."""
        self.wait_for(lambda: name in self.diagnostics, f'the diagnostics {name!r}')

    def wait_for_new_command(self) -> None:
        """Process queued messages until a command stamped after this call arrives."""
        start = self.node.get_clock().now().nanoseconds * 1e-9
        self.wait_for(lambda: self.stamp > start, 'a new command')

    def call(self, kind: type[Any], name: str, request: Any) -> Any:
        """Call a service and return its response."""
        client = self.node.create_client(kind, name)
        self.wait_for(client.service_is_ready, f'service {name}')
        future = client.call_async(request)
        self.wait_for(future.done, f'the response of {name}')
        self.node.destroy_client(client)
        return future.result()

    def change_state(self, transition: int) -> int:
        """Trigger a lifecycle transition of the controller; return its state."""
        request = ChangeState.Request(transition=Transition(id=transition))
        assert self.call(ChangeState, 'mppi_controller/change_state', request).success
        answer = self.call(GetState, 'mppi_controller/get_state', GetState.Request())
        return int(answer.current_state.id)

    def set_parameters(self, **values: Any) -> Any:
        """Set parameters of the controller atomically; '__' stands for a dot."""
        parameters = [
            ParameterMessage(name=name.replace('__', '.'), value=_parameter_value(value))
            for name, value in values.items()
        ]
        return self.call(
            SetParametersAtomically, 'mppi_controller/set_parameters_atomically',
            SetParametersAtomically.Request(parameters=parameters)).result

    def get_parameters(self, *names: str) -> list[ParameterValue]:
        """Return parameter values of the controller."""
        request = GetParameters.Request(names=list(names))
        return list(self.call(
            GetParameters, 'mppi_controller/get_parameters', request).values)

    def describe_parameter(self, name: str) -> Any:
        """Return the descriptor of a parameter of the controller."""
        request = DescribeParameters.Request(names=[name])
        return self.call(
            DescribeParameters, 'mppi_controller/describe_parameters', request).descriptors[0]

    def _on_command(self, message: TwistStamped) -> None:
        command = (message.twist.linear.x, message.twist.angular.z)
        stamp = conversions.seconds_from_msg(message.header.stamp)
        if self.commands:
            violation = find_violation(
                self.commands[-1], command, stamp - self.stamp, ControllerParameters())
            if violation:
                self.unsafe.append(violation)
        self.commands.append(command)
        self.stamp = stamp
        self.stamps.append(stamp)

    def _on_statistics(self, message: DiagnosticArray) -> None:
        self.statistics = {entry.key: entry.value for entry in message.status[0].values}
        self.history.append(self.statistics)
        self.on_statistics(self.statistics)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.diagnostics[status.name] = (status.level[0], status.message)

    def _on_truth(self, message: Odometry) -> None:
        self.truth = conversions.odometry_from_msg(message, 0.0)

    def _on_contact(self, message: Bool) -> None:
        self.touched |= message.data


def _parameter_value(value: Any) -> ParameterValue:
    if isinstance(value, tuple):
        return ParameterValue(
            type=ParameterType.PARAMETER_DOUBLE_ARRAY, double_array_value=list(value))
    if isinstance(value, bool):
        return ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=value)
    if isinstance(value, int):
        return ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=value)
    if isinstance(value, float):
        return ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
    return ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)


class FakeRobot:
    """
    Odometry, costmap and plan of a robot at rest, published by the watcher.

    A test replaces a `make_` attribute to corrupt the messages of a topic.
    """

    def __init__(
        self,
        watcher: Watcher,
        *,
        plans: bool = True,
        odometry: bool = True,
        topics: Mapping[str, str] | None = None,
    ) -> None:
        """Start publishing; `topics` remaps topic names."""
        self.watcher = watcher
        node = watcher.node
        odom, costmap, plan = ((topics or {}).get(n, n) for n in ('odom', 'costmap', 'plan'))
        self.make_odometry: Callable[[], Odometry]
        self.make_costmap: Callable[[], OccupancyGrid]
        self._odometry = node.create_publisher(Odometry, odom, qos_profile_sensor_data)
        # Volatile on purpose: the controller accepts latched and volatile costmaps.
        self._costmap = node.create_publisher(OccupancyGrid, costmap, QoSProfile(depth=1))
        self.plans = plans
        self._plan = node.create_publisher(PathMessage, plan, LATCHED) if plans else None
        self.publish_valid_messages()
        if odometry:
            node.create_timer(0.02, lambda: self._odometry.publish(self.make_odometry()))
        node.create_timer(0.1, lambda: self._costmap.publish(self.make_costmap()))

    def publish_valid_messages(self) -> None:
        """Publish a valid plan now and valid odometry and costmaps from now on."""
        self.make_odometry, self.make_costmap = self.odometry, self.costmap
        if self._plan is not None:
            self._plan.publish(self.plan())

    def now(self) -> float:
        """Return the current time for message stamps [s]."""
        return float(self.watcher.node.get_clock().now().nanoseconds) * 1e-9

    def odometry(self) -> Odometry:
        """Return odometry at the origin, at rest, whose position is not bit-identical."""
        now = self.now()
        motion = Motion(now, 1e-6 * (now % 1.0), 0.0, 0.0, 0.0, 0.0, 0.0)
        return conversions.odometry_to_msg(motion, 'odom', 'base_link')

    def costmap(self) -> OccupancyGrid:
        """Return 10 m by 10 m of free space around the origin."""
        free = Costmap(np.zeros((200, 200), np.int8), 0.05, -5.0, -5.0)
        return conversions.costmap_to_msg(free, self.now(), 'odom')

    def plan(self) -> PathMessage:
        """Return a straight path of 3 m along x."""
        poses = [(0.05 * i, 0.0, 0.0) for i in range(61)]
        return conversions.path_to_msg(poses, self.now(), 'odom')

    def publish_plan(self, message: PathMessage) -> None:
        """Publish a plan."""
        assert self._plan is not None
        self._plan.publish(message)


class Processes:
    """Executables of the package; leaving the context terminates them and prints their logs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, executable: str, *arguments: str, name: str = '') -> None:
        """Start an executable with ROS arguments under its own name or `name`."""
        program = str(Path(sys.executable).with_name(executable))
        self.start_command(name or executable, [program, '--ros-args', *arguments])

    def start_command(
        self, name: str, command: Sequence[str], output: Path | None = None
    ) -> None:
        """Start a command; its output goes to its log or to `output`."""
        with (output or self._log(name)).open('wb') as log:
            self._log(name).touch()
            self._running[name] = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=dict(os.environ))

    def send(self, name: str, number: int) -> None:
        """Send a signal without waiting."""
        self._running[name].send_signal(number)

    def printed(self, name: str) -> str:
        """Return the output of a process so far."""
        return self._log(name).read_text('utf-8', 'replace')

    def _log(self, name: str) -> Path:
        return self._folder / f'{name.replace("/", "_")}.log'

    def pid(self, name: str) -> int:
        """Return the process id."""
        return self._running[name].pid

    def runs(self, name: str) -> bool:
        """Return whether a process is running."""
        return self._running[name].poll() is None

    def end(self, name: str, number: int = signal.SIGINT) -> int:
        """Send a signal and return the exit code."""
        self._running[name].send_signal(number)
        return self.wait(name)

    def wait(self, name: str) -> int:
        """Wait until a process exits and return its exit code."""
        return self._running[name].wait(TIMEOUT)

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for name, process in self._running.items():
            try:
                process.wait(10.0)
            except subprocess.TimeoutExpired:
                process.kill()
            print(f'--- {name}, exit code {process.wait()}\n{self.printed(name)}')


def start_robot(
    processes: Processes,
    folder: Path,
    goal: Sequence[float] = GOAL,
    *,
    start: Sequence[float] = START,
    simulator: Sequence[str] = (),
    others: Sequence[str] = (),
    namespace: str = '',
) -> None:
    """
    Start the controller, simulator and planner in a small world of circular obstacles.

    In a namespace, the name of a process includes it: 'robot1/path_planner'.
    """
    world = folder / 'world.csv'
    world.write_text(WORLD, 'utf-8')
    namespace_arguments = ('-r', f'__ns:=/{namespace}') if namespace else ()
    for executable, arguments in (
        ('mppi_controller', others),
        ('kinematic_simulator',
         ('-p', f'world:={world}', '-p', f'start:={list(start)}', *simulator)),
        ('path_planner', ('-p', f'goal:={list(goal)}', *others)),
    ):
        name = f'{namespace}/{executable}' if namespace else executable
        processes.start(executable, *namespace_arguments, *arguments, name=name)


def is_stopped(watcher: Watcher) -> bool:
    """Return whether the simulated robot is at rest."""
    truth = watcher.truth
    return truth is not None and abs(truth.vx) < 1e-3 and abs(truth.wz) < 1e-3


def distance_to(watcher: Watcher, goal: Sequence[float]) -> float:
    """Return the true distance of the simulated robot from a goal [m]."""
    if watcher.truth is None:
        return math.inf
    return math.dist(goal[:2], (watcher.truth.x, watcher.truth.y))
