"""Benchmark of the node over DDS from this process: latency, jitter, load, memory, start-up."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
import itertools
import math
import os
from pathlib import Path
import subprocess
import sys
from tempfile import TemporaryDirectory
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, TwistStamped
from nav_msgs.msg import OccupancyGrid, Odometry
from nav_msgs.msg import Path as Plan
import numpy as np
import psutil
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time

from mppi_ros.benchmark.live_page import LivePage
from mppi_ros.control.inputs import Command
from mppi_ros.control.parameters import ControllerParameters, read_yaml
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.evaluation.processes import Children, free_domain
from mppi_ros.evaluation.results import times
from mppi_ros.parameters.errors import MppiError
from mppi_ros.simulation.plant import NOMINAL, Plant

RESOLUTION = 0.05  # [m]
CIRCLE_RADIUS = 0.9  # [m] of the circular plan
MAX_PLAN_SPEED = 2.0  # [m/s] at which the plan lasts for the complete measurement
ODOMETRY_RATE, COSTMAP_RATE = 50.0, 5.0  # [Hz]
SETTLING_DURATION = 2.0  # [s] not measured, after the first command
MAX_START_DURATION = 300.0  # [s] a first start compiles all kernels
MIN_MOVING_SPEED = 1e-3  # [m/s]
ROUNDING = 1e-6
MAX_LOAD_DURATION = 60.0  # [s] for which the load of the node is measured
MAX_LAPS = 700  # two hours at the default speed, below the maximum number of poses of a plan
STATISTICS = ('odom_age', 'solve_ms', 'tick_ms')
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)

Progress = Callable[[str, float], None]


class Driver(Node):
    """
    Simulated robot on a circular plan that records the time of each command.

    Attributes
    ----------
    commands : list of (called, stamp, sent, received)
        For each command the time of the callback, its stamp, and the times at which the
        middleware sent and received it [s].
    driven : list of (x, y, yaw, v, w)
        Pose of the robot when each command arrived, and the command.
    ticks : dict of {stamp: {name: value}}
        Published statistics of the tick of each stamp.
    first_motion : float
        Time of arrival of the first nonzero command [s]; NaN before.

    """

    def __init__(self, cells: int, laps: int) -> None:
        """Create the publishers; the node may start later."""
        super().__init__('latency_driver')
        self.commands: list[tuple[float, float, float, float]] = []
        self.driven: list[tuple[float, float, float, float, float]] = []
        self.ticks: dict[float, dict[str, float]] = {}
        self.first_motion = math.nan
        self._plant = Plant(NOMINAL, (CIRCLE_RADIUS, 0.0, 0.5 * math.pi))
        self._odometry = self.create_publisher(Odometry, 'odom', qos_profile_sensor_data)
        self._costmap = self.create_publisher(OccupancyGrid, 'costmap', LATCHED)
        self._plan = self.create_publisher(Plan, 'plan', LATCHED)
        self._grid = self._grid_of(cells)
        self.create_subscription(TwistStamped, 'cmd_vel', self._on_command, 10)
        self._statistics = self.create_subscription(
            DiagnosticArray, 'mppi_controller/statistics', self._on_statistics, 10
        )
        self.create_timer(1.0 / ODOMETRY_RATE, self._publish_odometry)
        self.create_timer(1.0 / COSTMAP_RATE, self._publish_costmap)
        self._publish_plan(laps)

    def be_silent(self) -> None:
        """Unsubscribe from the statistics, whose publication is a load."""
        self.destroy_subscription(self._statistics)

    def _grid_of(self, cells: int) -> OccupancyGrid:
        """Return a square room with a pillar at the centre of the circle."""
        data = np.zeros((cells, cells), np.int8)
        data[[0, -1], :] = data[:, [0, -1]] = 100
        along = (np.arange(cells) + 0.5 - 0.5 * cells) * RESOLUTION
        data[np.hypot(along, along[:, None]) < 0.2] = 100
        grid = OccupancyGrid()
        grid.header.frame_id = 'map'
        grid.info.resolution = RESOLUTION
        grid.info.width = grid.info.height = cells
        grid.info.origin.position.x = grid.info.origin.position.y = -0.5 * cells * RESOLUTION
        grid.data = array('b', data.tobytes())
        return grid

    def _publish_plan(self, laps: int) -> None:
        plan = Plan()
        plan.header.frame_id = 'map'
        angles = np.arange(0.0, laps * math.tau, 0.05)
        # The goal is beside the circle, so that a lap does not reach it.
        goal = 0.0, 0.6 * CIRCLE_RADIUS
        for angle, radius in [*((angle, CIRCLE_RADIUS) for angle in angles), goal]:
            pose = PoseStamped()
            pose.header.frame_id = 'map'
            pose.pose.position.x = radius * math.cos(angle)
            pose.pose.position.y = radius * math.sin(angle)
            yaw = angle + 0.5 * math.pi
            pose.pose.orientation.z = math.sin(0.5 * yaw)
            pose.pose.orientation.w = math.cos(0.5 * yaw)
            plan.poses.append(pose)
        self._plan.publish(plan)

    def _publish_costmap(self) -> None:
        self._grid.header.stamp = self.get_clock().now().to_msg()
        self._costmap.publish(self._grid)

    def _publish_odometry(self) -> None:
        self._plant.advance(1.0 / ODOMETRY_RATE)
        measured = self._plant.odometry(0.0)
        message = Odometry()
        message.header.stamp = self.get_clock().now().to_msg()
        message.header.frame_id = 'map'
        message.child_frame_id = 'base_link'
        message.pose.pose.position.x = measured.x
        message.pose.pose.position.y = measured.y
        message.pose.pose.orientation.z = math.sin(0.5 * measured.yaw)
        message.pose.pose.orientation.w = math.cos(0.5 * measured.yaw)
        message.twist.twist.linear.x = measured.vx
        message.twist.twist.angular.z = measured.wz
        self._odometry.publish(message)

    def _on_command(self, message: TwistStamped, info: dict[str, int]) -> None:
        called = time.time()
        sent, received = 1e-9 * info['source_timestamp'], 1e-9 * info['received_timestamp']
        self.commands.append((called, _seconds(message.header.stamp), sent, received))
        v, w = message.twist.linear.x, message.twist.angular.z
        at = self._plant.odometry(0.0)
        self.driven.append((at.x, at.y, at.yaw, v, w))
        self._plant.command(Command(v, 0.0, w), self._plant.time)
        if math.isnan(self.first_motion) and max(abs(v), abs(w)) > MIN_MOVING_SPEED:
            self.first_motion = called

    def unsafe(self, c: ControllerParameters) -> int:
        """Count the commands beyond the limits, and those during contact."""
        cells = np.array(self._grid.data, np.int8).reshape(self._grid.info.height, -1)
        origin = self._grid.info.origin.position
        field = distance_field(Costmap(cells, RESOLUTION, origin.x, origin.y))
        x, y, yaw, v, w = np.array(self.driven).T
        touched = Footprint.of(c.robot).clearance(field, np.stack([x, y, yaw], axis=1)) <= 0.0
        stamps = np.array([stamp for _, stamp, *_ in self.commands])
        most = np.diff(stamps) + 1.0 / c.control_rate  # a stamp precedes the transmission
        hasty = np.abs(np.diff(v)) > max(c.limits.ax_max, -c.limits.ax_min) * most + ROUNDING
        hasty |= np.abs(np.diff(w)) > c.limits.az_max * most + ROUNDING
        unsafe = touched | ~np.isfinite(v) | ~np.isfinite(w) | (np.abs(w) > c.limits.wz_max)
        unsafe |= (v < c.limits.vx_min) | (v > c.limits.vx_max)
        unsafe[1:] |= hasty & ((v[1:] != 0.0) | (w[1:] != 0.0))  # zero may be sent without delay
        return int(unsafe.sum())

    def _on_statistics(self, message: DiagnosticArray) -> None:
        values = {entry.key: entry.value for entry in message.status[0].values}
        kept = {key: float(values[key]) for key in STATISTICS}
        self.ticks[_seconds(message.header.stamp)] = kept


def _seconds(stamp: Any) -> float:
    return float(Time.from_msg(stamp).nanoseconds) * 1e-9


def measure(
    rate: float, seconds: float, cells: Sequence[int], params: Path | None, progress: Progress,
    stress: int = 0, turns: int = 0,
) -> list[dict[str, Any]]:
    """
    Run the node with each size of the costmap and return the rows of all runs.

    Parameters
    ----------
    rate : float
        Control rate [Hz].
    seconds : float
        Measured time for each size [s].
    cells : sequence of int
        Side lengths of the square costmaps.
    params : Path, optional
        ROS parameter file of the node.
    progress : callable
        Called with the current measurement and the completed fraction.
    stress : int
        Number of processes that each keep a core busy during the measurement.
    turns : int
        If positive, each size is measured so often without and with the live page in a browser,
        in turns; `page` and `turn` of the rows say which.

    Raises
    ------
    MppiError
        The node ended or did not move the robot.

    """
    os.environ.setdefault('ROS_DOMAIN_ID', str(free_domain()))
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    rows: list[dict[str, Any]] = []
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        with TemporaryDirectory() as folder:
            cache = {**os.environ, 'NUMBA_CACHE_DIR': str(Path(folder, 'cache'))}
            for place, name in enumerate(('cold cache', 'warm cache')):
                progress(f'start-up, {name}', 0.1 * place)
                with _LatencyRun(cells[0], 0.0, rate, params, Path(folder), cache) as run:
                    rows.append(_value(f'start-up to first command, {name}', run.start_up, 's'))
            pages = ('closed', 'open') if turns else (None,)
            runs = list(itertools.product(cells, range(turns or 1), pages))
            for place, (side, turn, page) in enumerate(runs):
                progress(f'costmap of {side}² cells', 0.2 + 0.8 * place / len(runs))
                with (
                    _LatencyRun(side, seconds, rate, params, Path(folder), cache) as run,
                    _stress(stress),
                ):
                    if page == 'open':
                        run.open_page()
                    of_run: dict[str, Any] = {'costmap_cells': side}
                    if page:
                        of_run |= {'page': page, 'turn': turn}
                    rows += [{**row, **of_run} for row in run.rows()]
    finally:
        rclpy.try_shutdown()
    return rows


class _LatencyRun:
    """Context manager of the node as a child process and of the driver in this process."""

    def __init__(
        self, cells: int, seconds: float, rate: float, params: Path | None, folder: Path,
        environment: dict[str, str],
    ) -> None:
        way = MAX_PLAN_SPEED * (SETTLING_DURATION + 2.0 * seconds + 10.0)
        self._driver = Driver(cells, min(math.ceil(way / (math.tau * CIRCLE_RADIUS)), MAX_LAPS))
        self._seconds, self._folder, self._environment = seconds, folder, environment
        self._page: LivePage | None = None
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._driver)
        self._children = Children(folder)
        self._rate = rate
        parameters = read_yaml(params) if params else ControllerParameters()
        self._configuration = replace(parameters, control_rate=rate)
        arguments = ['--params-file', str(params)] if params else []
        arguments += ['-p', f'control_rate:={float(rate)}', '-p', 'cmd_vel_stamped:=true']
        run = 'from mppi_ros.nodes.controller.node import main; main()'
        command = [sys.executable, '-c', run, '--ros-args', *arguments]
        self._children.start('mppi_controller', command, environment)
        self._node = psutil.Process(self._children.pid('mppi_controller'))
        self.start_up = math.nan

    def __enter__(self) -> _LatencyRun:
        """Wait for the first command that moves the robot."""
        begun = self._children.started['mppi_controller']
        try:
            while math.isnan(self._driver.first_motion):
                self._spin(0.05)
                if time.time() - begun > MAX_START_DURATION:
                    raise MppiError(f'the node did not move the robot in {MAX_START_DURATION:g} s')
        except BaseException:
            self.__exit__()
            raise
        self.start_up = self._driver.first_motion - begun
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop the node and the driver."""
        self._children.stop()
        self._executor.remove_node(self._driver)
        self._driver.destroy_node()

    def open_page(self) -> None:
        """Open the live page of the node in a browser."""
        self._page = LivePage(
            self._children, self._folder, self._environment, self._spin,
            lambda: self._driver.count_subscribers('/mppi_controller/candidate_trajectories') > 0,
        )  # fmt: skip

    def rows(self) -> Iterator[dict[str, Any]]:
        """Measure the times, then the load for half as long, at most MAX_LOAD_DURATION."""
        seconds = self._seconds
        self._spin(SETTLING_DURATION)
        self._driver.commands.clear()
        self._driver.driven.clear()
        self._driver.ticks.clear()
        resident = self._node.memory_info().rss
        psutil.cpu_percent()
        self._spin(seconds)
        gained = self._node.memory_info().rss - resident
        busy = psutil.cpu_percent() / 100.0 * psutil.cpu_count()
        commands, ticks = list(self._driver.commands), self._driver.ticks
        called, stamps, sent, received = np.array(commands).T
        period = 1e3 / self._rate
        joined = [(at, stamp, ticks[stamp]) for at, stamp, *_ in commands if stamp in ticks]
        yield _timed('tick period', 1e3 * np.diff(stamps))
        yield _timed('tick jitter', np.abs(1e3 * np.diff(stamps) - period))
        yield _timed('gap between commands sent', 1e3 * np.diff(sent))
        yield _timed('gap between commands received', 1e3 * np.diff(received))
        yield _timed('tick → command sent', 1e3 * (sent - stamps))
        yield _timed('tick → command in another program', 1e3 * (called - stamps))
        yield _timed(
            'odometry stamp → command in another program',
            [1e3 * (at - stamp + tick['odom_age']) for at, stamp, tick in joined],
        )
        for what, key in (('solve', 'solve_ms'), ('tick', 'tick_ms')):
            values = np.array([tick[key] for _, _, tick in joined])
            yield _timed(what, values[np.isfinite(values)])
        missed = int(np.sum(np.diff(stamps) * self._rate > 1.5))
        yield _value('missed ticks', missed, f'of {len(commands)}')
        longest = np.diff(received).max() * self._rate
        yield _value('longest gap between commands', longest, 'periods')
        yield _value('unsafe commands', self._driver.unsafe(self._configuration), '')
        yield _value('cores busy meanwhile', busy, f'of {psutil.cpu_count()}')
        self._driver.be_silent()
        self._spin(0.5)
        pages = self._page.processor_times() if self._page else {}
        before, begun = self._node.cpu_times(), time.monotonic()
        self._spin(min(max(2.0, 0.5 * seconds), MAX_LOAD_DURATION))
        after, passed = self._node.cpu_times(), time.monotonic() - begun
        used = after.user + after.system - before.user - before.system
        yield _value('CPU share of the node', round(100.0 * used / passed, 2), '% of a core')
        for name, used in self._page.processor_times().items() if self._page else ():
            share = round(100.0 * (used - pages[name]) / passed, 2)
            yield _value(f'CPU share of {name}', share, '% of a core')
        yield _value('memory that the node gained meanwhile', gained / 2**20, 'MiB')
        resident = self._node.memory_info().rss / 2**20
        yield _value('resident memory of the node', round(resident, 1), 'MiB')

    def _spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0.0:
            self._executor.spin_once(timeout_sec=left)
        self._children.check()


@contextmanager
def _stress(count: int) -> Iterator[None]:
    """Keep cores busy with other processes."""
    busy = [subprocess.Popen([sys.executable, '-c', 'while True: pass']) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def _timed(what: str, milliseconds: Any) -> dict[str, Any]:
    return {'what': what, **times(milliseconds)}


def _value(what: str, value: float, unit: str) -> dict[str, Any]:
    return {'what': what, 'value': round(float(value), 3), 'unit': unit}
