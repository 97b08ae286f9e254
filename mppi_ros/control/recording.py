"""
Recording of all inputs and ticks of a controller, and bit-exact replay.

A run is determined by the inputs, the parameters with their seed, and a few results of timing:
when a costmap was processed, and the clock readings of a solve with a deadline. All of these are
recorded. A record is an MCAP file of JSON messages, one per event.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
import dataclasses
from dataclasses import dataclass
import json
import math
from pathlib import Path
import queue
import threading
import time
from typing import IO, Any, NamedTuple
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
from mppi_ros.control.tick_result import Fault, Reason, TickResult
from mppi_ros.driving.costmap import MAX_SIDE, Costmap
from mppi_ros.files import reading
from mppi_ros.parameters.declaration import flatten, replace
from mppi_ros.parameters.errors import InputError, MppiError

MAX_QUEUED_EVENTS = 2000  # events queued for the disk: some 20 s of driving
MAX_QUEUED_BYTES = 256e6  # [bytes] of costmaps queued for the disk
CHUNK_BYTES = 64 * 1024  # [bytes] per write, lost if the process is killed
SCHEMA = b'{"type": "object"}'
FORMAT_VERSION = 1
MACHINE_STATISTICS = ('solve_ms', 'tick_ms')  # not reproducible

Event = dict[str, Any]

RECORD = 'a controller record'  # expected content of a file
MAX_ARRAY_BYTES = MAX_SIDE**2  # [bytes] of the largest costmap
MAX_CHUNK_BYTES = 256_000_000  # [bytes] more than such a costmap in base64
MAX_UNPACKED_BYTES, MAX_UNPACKED_RATIO = 100_000_000, 100  # [bytes], and share of the file size

DISK_TOO_SLOW = 'the disk is too slow'


class Recorder:
    """
    Writes events to a file in a separate thread until it is closed, full, or an error occurs.

    `write` never blocks and never raises, whatever happens to the file.

    Parameters
    ----------
    path : Path
        File to write; an existing one is replaced.
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
            self._stream = path.open('wb')
        except OSError as error:
            raise MppiError(f'record = {path}: {error.strerror}') from None
        self._path, self._most, self._complain = path, most, complain
        self._events: queue.Queue[tuple[int, Event] | None] = queue.Queue(MAX_QUEUED_EVENTS)
        self._lost = False
        self._in = self._out = 0  # [bytes] of costmaps queued and written
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
        event: Event = {'event': 'survey', 'look': self._polled}
        if isinstance(found, ProcessingFailure):
            event['error'] = str(found.error)
        numbered = found.request if isinstance(found, ProcessingFailure) else found
        event['number'] = getattr(numbered, 'number')  # noqa: B009 - set by _Numbered
        self._write(event)
        return found


class _ReplayProcessor:
    """A processor that returns results at the recorded polls."""

    def __init__(self) -> None:
        self._script: dict[int, Event] = {}
        self._requests: dict[int, ProcessingRequest] = {}
        self._submitted = self._polled = 0

    def expect(self, event: Event) -> None:
        """Add the event of a result, before the event that uses it."""
        if 'error' not in event:
            int(event['number'])
        self._script[int(event['look'])] = event

    def submit(self, request: ProcessingRequest) -> None:
        self._requests[self._submitted] = request
        self._submitted += 1

    def poll(self) -> ProcessedCostmap | ProcessingFailure | None:
        self._polled += 1
        event = self._script.pop(self._polled, None)
        if event is None:
            return None
        number = event.get('number', self._submitted - 1)
        request = self._requests[number]
        error = event.get('error')
        found = ProcessingFailure(request, RuntimeError(error)) if error else request.process()
        self._requests = {n: each for n, each in self._requests.items() if n >= number}
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
            budget=budget, latency=latency, hold=hold, clock=self._readings, **_result(tick),
        )  # fmt: skip
        return tick

    def _read_clock(self) -> float:
        reading = time.perf_counter()
        self._readings.append(reading)
        return reading

    def _record(self, event: str, **values: Any) -> None:
        self._write({'event': event, **values})


@dataclass(frozen=True)
class TickComparison:
    """A recorded tick and its replay."""

    now: float
    recorded: Event
    repeated: Event

    @property
    def differences(self) -> list[str]:
        """Names of the values that differ in any bit."""
        return [
            name for name in self.recorded
            if _text(self.recorded[name]) != _text(self.repeated.get(name))
        ]  # fmt: skip


def repeat(path: Path) -> Iterator[TickComparison]:
    """
    Replay a record and compare each tick.

    Raises
    ------
    InputError
        The file is not a controller record.

    """
    processor = _ReplayProcessor()
    events = _with_results(path, processor)
    first = next(events, {})
    if first.get('event') != 'begin':
        raise InputError(f'{path} is not a controller record')
    with reading(path, RECORD):
        if first['version'] != FORMAT_VERSION:
            raise InputError(f'{path} has version {first["version"]}, not {FORMAT_VERSION}')
        seed = None if first['seed'] is None else int(first['seed'])
        controller = Controller(_configuration(first['parameters']), seed, processor)
    for event in events:
        with reading(path, RECORD):
            tick = _RecordedTick.of(event) if event['event'] == 'tick' else None
        if tick is not None:
            yield tick.repeat(controller)
            continue
        with reading(path, RECORD):
            method, read = _CALLS[event['event']]
            arguments = read(event)
        with suppress(MppiError):  # rejected in the recorded run, too
            getattr(controller, method)(*arguments)


def _with_results(path: Path, processor: _ReplayProcessor) -> Iterator[Event]:
    """Yield the events of calls, each after the processor expects the results that it uses."""
    last: Event | None = None
    for event in _read(path):
        if event.get('event') == 'survey':
            with reading(path, RECORD):
                processor.expect(event)
        else:
            if last is not None:
                yield last
            last = event
    if last is not None:
        yield last


class _RecordedTick(NamedTuple):
    """Arguments of a recorded tick, and its event."""

    now: float
    options: dict[str, Any]
    clock: tuple[float, ...]
    event: Event

    @classmethod
    def of(cls, event: Event) -> _RecordedTick:
        steady, fault = event['steady'], event['fault']
        options = {
            'steady': None if steady is None else float(steady),
            'fault': None if fault is None else Fault(Reason(fault[0]), str(fault[1])),
            'budget': float(event['budget']), 'latency': float(event['latency']),
            'hold': float(event.get('hold', 0.0)),
        }  # fmt: skip
        _triple(event['command'])
        return cls(float(event['now']), options, tuple(map(float, event['clock'])), event)

    def repeat(self, controller: Controller) -> TickComparison:
        readings = iter(self.clock)
        controller._sampler.clock = lambda: next(readings, math.inf)
        repeated = _result(controller.tick(self.now, **self.options))
        recorded = {name: self.event.get(name) for name in repeated}
        return TickComparison(self.now, recorded, repeated)


# Method of Controller for each event, and conversion of its arguments.
_CALLS: dict[str, tuple[str, Callable[[Event], tuple[Any, ...]]]] = {
    'configure': ('configure', lambda event: (_configuration(event['parameters']),)),
    'odometry': ('set_odometry', lambda event: (Odometry(*map(float, event['values'])),)),
    'costmap': (
        'set_costmap', lambda event: (float(event['stamp']), _costmap(event['costmap']))
    ),
    'forget_costmap': ('forget_costmap', lambda event: ()),
    'plan': ('set_plan', lambda event: (float(event['stamp']), _array(event['poses']))),
    'goal': ('set_goal', lambda event: (float(event['stamp']), *_triple(event['pose']))),
    'clear_plan': ('clear_plan', lambda event: ()),
    'reset': ('reset', lambda event: ()),
    'halt': ('halt', lambda event: ()),
}  # fmt: skip


def _result(tick: TickResult) -> Event:
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


def _text(value: Any) -> str:
    """Return a text that is equal for values with equal bits; NaN equals NaN."""
    return json.dumps(value)


def _size(event: Event) -> int:
    costmap = event.get('costmap')
    return 0 if costmap is None else int(costmap.data.nbytes)


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


def _triple(values: Any) -> tuple[float, float, float]:
    x, y, z = map(float, values)
    return x, y, z


def _array(value: Any) -> NDArray[Any]:
    """
    Return a recorded array.

    Raises
    ------
    ValueError
        The data is not numeric or does not match the shape, which bounds its size.

    """
    if not isinstance(value, dict):
        return np.asarray(value, dtype=np.float64)  # recorded as a list
    kind, shape = np.dtype(value['dtype']), tuple(map(int, value['shape']))
    size = math.prod(shape) * kind.itemsize
    if kind.kind not in 'iuf' or min(shape, default=0) < 0 or size > MAX_ARRAY_BYTES:
        raise ValueError(f'an array of {kind}{list(shape)} is not a valid record')
    data = zlib.decompressobj().decompress(b64decode(value['zlib']), size + 1)
    if len(data) != size:
        raise ValueError(f'an array of {kind}{list(shape)} does not have {size} bytes')
    return np.frombuffer(data, kind).reshape(shape)


def _costmap(value: Event) -> Costmap:
    place = (float(value[name]) for name in ('resolution', 'origin_x', 'origin_y'))
    return Costmap(_array(value['data']), *place)


def _configuration(parameters: Event) -> ControllerParameters:
    return replace(ControllerParameters(), parameters)


def _read(path: Path) -> Iterator[Event]:
    """Yield the events of a file up to its end or an incomplete event of a killed process."""
    with reading(path, RECORD), path.open('rb') as stream:
        messages = _messages(stream, MAX_UNPACKED_BYTES + MAX_UNPACKED_RATIO * path.stat().st_size)
        while True:
            try:
                event = json.loads(next(messages))
            except (InputError, OSError):
                raise
            except Exception:  # end or damage: parsers raise many exception types
                return
            if not isinstance(event, dict):
                return
            yield event


def _messages(stream: IO[bytes], left: int) -> Iterator[bytes]:
    """Yield the messages of an MCAP file, limited to `left` uncompressed bytes."""
    try:
        from mcap.records import Chunk, Message
        from mcap.stream_reader import StreamReader, breakup_chunk
    except ImportError:
        raise InputError('records are read by the Python package mcap: pip install mcap') from None
    for record in StreamReader(
        stream, emit_chunks=True, record_size_limit=MAX_CHUNK_BYTES
    ).records:
        members = [record]
        if isinstance(record, Chunk):
            data = _unpacked(record)
            left -= len(data)
            if left < 0:
                raise InputError('the uncompressed size of the record is implausible')
            members = breakup_chunk(dataclasses.replace(record, compression='', data=data))
        yield from (member.data for member in members if isinstance(member, Message))


def _unpacked(chunk: Any) -> bytes:
    """Return the content of a chunk; unlike the mcap reader, bound its uncompressed size."""
    size = chunk.uncompressed_size
    if chunk.compression and size > MAX_CHUNK_BYTES:
        raise InputError(f'a chunk of {size / 1e6:g} MB is not a valid record')
    if chunk.compression == 'zstd':
        from zstandard import ZstdDecompressor

        data = ZstdDecompressor().stream_reader(chunk.data).read(size + 1)
    elif chunk.compression == 'lz4':
        from lz4.frame import LZ4FrameDecompressor

        data = LZ4FrameDecompressor().decompress(chunk.data, size + 1)
    else:
        return bytes(chunk.data)
    if len(data) != size:
        raise ValueError(f'a chunk of {size} bytes has a different size')
    return bytes(data)
