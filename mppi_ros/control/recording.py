"""
Recording of all inputs and ticks of a controller, for bit-exact replay.

A run is determined by the inputs, the parameters with their seed, and a few results of timing:
when a costmap was processed, and the clock readings of a solve with a deadline. All of these are
recorded. A record is an MCAP file of JSON messages, one per event.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
import json
import math
from pathlib import Path
import queue
import threading
import time
from typing import Any
import zlib

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.controller import Controller
from mppi_ros.control.costmap_processing import (
    CostmapProcessor,
    ProcessedCostmap,
    ProcessingFailure,
    ProcessingRequest,
    SynchronousProcessor,
)
from mppi_ros.control.inputs import Odometry
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.tick_result import Fault, TickResult
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.obstacle_prediction import DynamicObstacle
from mppi_ros.driving.scan import Scan
from mppi_ros.parameters.declaration import flatten
from mppi_ros.parameters.errors import MppiError

MAX_QUEUED_EVENTS = 2000  # events queued for the disk: some 20 s of driving
MAX_QUEUED_BYTES = 256e6  # [bytes] of costmaps and scans queued for the disk
CHUNK_BYTES = 64 * 1024  # [bytes] per write, lost if the process is killed
SCHEMA = b'{"type": "object"}'
FORMAT_VERSION = 2
MACHINE_STATISTICS = ('solve_ms', 'tick_ms')  # not reproducible

Event = dict[str, Any]


DISK_TOO_SLOW = 'the disk is too slow'


def previous(path: Path) -> Path:
    """Return where the recording before the one at a path is kept: run.mcap → run.old.mcap."""
    return path.with_name(f'{path.stem}.old{path.suffix}')


class Recorder:
    """
    Writes events to a file in a separate thread until it is closed, full, or an error occurs.

    `write` never blocks and never raises, whatever happens to the file.

    Parameters
    ----------
    path : Path
        File to write; an existing one is kept as `previous(path)`.
    most : float
        Maximum file size [bytes].
    complain : callable
        Called once, in the writer thread, with a message if the recording stops early.

    Raises
    ------
    MppiError
        The file cannot be opened or the package mcap is not installed.

    """

    def __init__(self, path: Path, most: float, complain: Callable[[str], None]) -> None:
        try:
            from mcap.writer import Writer
        except ImportError:
            raise MppiError('record needs the Python package mcap: pip install mcap') from None
        try:
            if path.is_file():
                path.replace(previous(path))
            self._stream = path.open('wb')
        except OSError as error:
            raise MppiError(f'record = {path}: {error.strerror}') from None
        self._path, self._most, self._complain = path, most, complain
        self._events: queue.Queue[tuple[int, Event] | None] = queue.Queue(MAX_QUEUED_EVENTS)
        self._lost = False
        self._in = self._out = 0  # [bytes] of costmaps and scans queued and written
        self._make: Callable[[], Any] = lambda: Writer(self._stream, chunk_size=CHUNK_BYTES)
        self._thread = threading.Thread(target=self._work, name='recorder', daemon=True)
        self._thread.start()

    def write(self, event: Event) -> None:
        """Queue an event, which must not be modified afterwards."""
        if self._lost:
            return
        self._in += _size(event)
        try:
            self._lost = self._in - self._out > MAX_QUEUED_BYTES
            self._events.put_nowait((time.time_ns(), event))
        except queue.Full:
            self._lost = True

    def close(self) -> None:
        """Write the queued events and close the file."""
        while self._thread.is_alive():
            try:
                self._events.put(None, timeout=1.0)
                break
            except queue.Full:
                continue
        self._thread.join()

    def _work(self) -> None:
        message = ''
        try:
            message = self._write_all()
        except Exception as error:  # reported below
            message = getattr(error, 'strerror', '') or f'{type(error).__name__}: {error}'
        try:
            self._stream.close()
        except OSError as error:  # on flushing the buffer
            message = message or error.strerror or str(error)
        if message:
            self._lost = True
            self._complain(f'the recording to {self._path} stopped: {message}')

    def _write_all(self) -> str:
        writer = self._make()
        writer.start(profile='', library='mppi_ros')
        schema = writer.register_schema('mppi_ros.event', 'jsonschema', SCHEMA)
        channels: dict[str, int] = {}
        message = ''
        while not message:
            item = self._events.get()
            if item is None:
                message = DISK_TOO_SLOW if self._lost else ''
                break
            stamp, event = item
            self._out += _size(event)
            kind = event['event']
            if kind not in channels:
                channels[kind] = writer.register_channel(f'/mppi/{kind}', 'json', schema)
            writer.add_message(channels[kind], stamp, _encoded(event), stamp)
            if self._stream.tell() > self._most:
                message = f'size limit of {self._most / 1e6:g} MB reached'
            elif self._lost and self._events.empty():
                message = DISK_TOO_SLOW
        writer.finish()
        return message


class _Numbered(ProcessingRequest):
    """A request with a number that identifies its result."""

    number = 0

    def process(self) -> ProcessedCostmap:
        found = super().process()
        object.__setattr__(found, 'number', self.number)
        return found


class _RecordingProcessor:
    """A processor that records when each of its results is used."""

    def __init__(self, processor: CostmapProcessor, write: Callable[[Event], None]) -> None:
        self._processor, self._write = processor, write
        self._submitted = self._polled = 0

    def submit(self, request: ProcessingRequest) -> None:
        numbered = _Numbered(**vars(request))
        object.__setattr__(numbered, 'number', self._submitted)
        self._submitted += 1
        self._processor.submit(numbered)

    def poll(self) -> ProcessedCostmap | ProcessingFailure | None:
        self._polled += 1
        found = self._processor.poll()
        if found is None:
            return None
        event: Event = {'event': 'processed', 'poll': self._polled}
        if isinstance(found, ProcessingFailure):
            event['error'] = str(found.error)
        numbered = found.request if isinstance(found, ProcessingFailure) else found
        event['number'] = getattr(numbered, 'number')  # noqa: B009 - set by _Numbered
        self._write(event)
        return found


class RecordedController(Controller):
    """
    A controller that records all inputs and ticks.

    Parameters
    ----------
    configuration, seed, processor
        As of Controller.
    write : callable
        Receives each event; it must neither block nor raise.

    """

    def __init__(
        self,
        configuration: ControllerParameters,
        seed: int | None = None,
        processor: CostmapProcessor | None = None,
        *,
        write: Callable[[Event], None],
    ) -> None:
        self._write = write
        self._inside = True  # internal calls are not recorded
        super().__init__(
            configuration, seed, _RecordingProcessor(processor or SynchronousProcessor(), write)
        )
        self._inside = False
        self._readings: list[float] = []
        self._sampler.clock = self._read_clock
        self._record('begin', version=FORMAT_VERSION, seed=seed, parameters=flatten(configuration))

    def configure(self, configuration: ControllerParameters) -> None:
        """Record the call and forward it."""
        if not self._inside:
            self._record('configure', parameters=flatten(configuration))
        super().configure(configuration)

    def set_odometry(self, odometry: Odometry) -> None:
        """Record the call and forward it."""
        self._record('odometry', values=list(vars(odometry).values()))
        super().set_odometry(odometry)

    def set_costmap(self, stamp: float, costmap: Costmap) -> None:
        """Record the call and forward it."""
        self._record('costmap', stamp=stamp, costmap=costmap)
        super().set_costmap(stamp, costmap)

    def set_scan(self, scan: Scan) -> bool:
        """Record the call and forward it."""
        self._record('scan', **vars(scan))
        return super().set_scan(scan)

    def set_obstacles(
        self, stamp: float, obstacles: Sequence[DynamicObstacle], ids: Sequence[int]
    ) -> bool:
        """Record the call and forward it."""
        self._record('obstacles', stamp=stamp, obstacles=list(map(list, obstacles)), ids=list(ids))
        return super().set_obstacles(stamp, obstacles, ids)

    def forget_costmap(self) -> None:
        """Record the call and forward it."""
        self._record('forget_costmap')
        super().forget_costmap()

    def set_plan(self, stamp: float, poses: NDArray[np.float64]) -> None:
        """Record the call and forward it."""
        self._record('plan', stamp=stamp, poses=poses)
        super().set_plan(stamp, poses)

    def set_goal(self, stamp: float, x: float, y: float, yaw: float) -> None:
        """Record the call and forward it."""
        self._record('goal', stamp=stamp, pose=[x, y, yaw])
        super().set_goal(stamp, x, y, yaw)

    def clear_plan(self) -> None:
        """Record the call and forward it."""
        self._record('clear_plan')
        super().clear_plan()

    def reset(self) -> None:
        """Record the call and forward it."""
        self._record('reset')
        super().reset()

    def halt(self) -> None:
        """Record the call and forward it."""
        if not self._inside:
            self._record('halt')
        super().halt()

    def tick(
        self,
        now: float,
        *,
        steady: float | None = None,
        fault: Fault | None = None,
        budget: float = math.inf,
        latency: float = 0.0,
        hold: float = 0.0,
    ) -> TickResult:
        """Run a tick and record it with its result."""
        self._readings = []
        self._inside = True
        tick = super().tick(
            now, steady=steady, fault=fault, budget=budget, latency=latency, hold=hold
        )
        self._inside = False
        self._record(
            'tick', now=now, steady=steady, fault=None if fault is None else list(fault),
            budget=budget, latency=latency, hold=hold, clock=self._readings, **result_event(tick),
        )  # fmt: skip
        return tick

    def _read_clock(self) -> float:
        reading = time.perf_counter()
        self._readings.append(reading)
        return reading

    def _record(self, event: str, **values: Any) -> None:
        self._write({'event': event, **values})


def result_event(tick: TickResult) -> Event:
    """Return the part of a tick that a replay must reproduce."""
    statistics = {
        name: value
        for name, value in vars(tick.statistics).items()
        if name not in MACHINE_STATISTICS
    }
    command = tick.command
    return {
        'command': [command.vx, command.vy, command.wz], 'state': tick.state.value,
        'code': tick.code.value, 'reason': tick.reason, **statistics,
    }  # fmt: skip


def _size(event: Event) -> int:
    costmap = event.get('costmap')
    size = 0 if costmap is None else int(costmap.data.nbytes)
    return size + sum(each.nbytes for each in event.values() if isinstance(each, np.ndarray))


def _encoded(event: Event) -> bytes:
    return json.dumps(event, default=_plain).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Costmap):
        return {
            'data': _plain(value.data), 'resolution': value.resolution,
            'origin_x': value.origin_x, 'origin_y': value.origin_y,
        }  # fmt: skip
    if isinstance(value, np.ndarray):
        return {
            'shape': list(value.shape), 'dtype': value.dtype.str,
            'zlib': b64encode(zlib.compress(np.ascontiguousarray(value).data, 1)).decode(),
        }  # fmt: skip
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f'{type(value).__name__} cannot be recorded')
