"""
A controller whose every input and tick is recorded, and the same run once more from the record.

What a controller does follows from what it is told, from its parameters with their seed, and from
a few things that depend on how fast the machine is: when a survey was finished, and what a clock
read in a solve with a deadline. All of that is recorded, so the run can be repeated bit by bit.
A record is an MCAP file of JSON messages: what happened, one after the other.
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

MAX_QUEUED_EVENTS = 2000  # events that may wait for the disk: some 20 s of driving
MAX_QUEUED_BYTES = 256e6  # bytes of costmaps that may wait for the disk
CHUNK_BYTES = 64 * 1024  # bytes written at once: what a killed process may lose
SCHEMA = b'{"type": "object"}'
FORMAT_VERSION = 1
MACHINE_STATISTICS = ('solve_ms', 'tick_ms')  # statistics of the machine, not of the run

Event = dict[str, Any]

RECORD = 'a record of a controller'  # what a file should be
MAX_ARRAY_BYTES = MAX_SIDE**2  # [bytes] of the largest costmap
MAX_CHUNK_BYTES = 256_000_000  # [bytes] such a costmap in base64, and more
MAX_UNPACKED_BYTES, MAX_UNPACKED_RATIO = (
    100_000_000,
    100,
)  # [bytes] and times its size that a file may unpack to

DISK_TOO_SLOW = 'the disk is too slow'


class Recorder:
    """
    Writes events to a file in a thread of its own, until it is closed, full, or the disk fails.

    Whatever happens to the file, `write` returns at once and raises nothing.

    Parameters
    ----------
    path : Path
        The file, which is replaced.
    most : float
        Bytes after which the recording ends.
    complain : callable
        Told, once and in the thread of the writer, why the recording ends early.

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
        self._in = self._out = 0  # bytes of costmaps that came and went
        self._make: Callable[[], Any] = lambda: Writer(self._stream, chunk_size=CHUNK_BYTES)
        self._thread = threading.Thread(target=self._work, name='recorder', daemon=True)
        self._thread.start()

    def write(self, event: Event) -> None:
        """Add an event; nothing in it may change afterwards."""
        if self._lost:
            return
        self._in += _size(event)
        try:
            self._lost = self._in - self._out > MAX_QUEUED_BYTES
            self._events.put_nowait((time.time_ns(), event))
        except queue.Full:
            self._lost = True

    def close(self) -> None:
        """Write what waits and close the file."""
        while self._thread.is_alive():
            try:
                self._events.put(None, timeout=1.0)
                break
            except queue.Full:
                continue
        self._thread.join()

    def _work(self) -> None:
        words = ''
        try:
            words = self._write_all()
        except Exception as error:  # nobody else would see it
            words = getattr(error, 'strerror', '') or f'{type(error).__name__}: {error}'
        try:
            self._stream.close()
        except OSError as error:  # the rest in its buffer
            words = words or error.strerror or str(error)
        if words:
            self._lost = True
            self._complain(f'the recording to {self._path} ends: {words}')

    def _write_all(self) -> str:
        writer = self._make()
        writer.start(profile='', library='mppi_ros')
        schema = writer.register_schema('mppi_ros.event', 'jsonschema', SCHEMA)
        channels: dict[str, int] = {}
        words = ''
        while not words:
            item = self._events.get()
            if item is None:
                words = DISK_TOO_SLOW if self._lost else ''
                break
            stamp, event = item
            self._out += _size(event)
            kind = event['event']
            if kind not in channels:
                channels[kind] = writer.register_channel(f'/mppi/{kind}', 'json', schema)
            writer.add_message(channels[kind], stamp, _encoded(event), stamp)
            if self._stream.tell() > self._most:
                words = f'it has reached {self._most / 1e6:g} MB'
            elif self._lost and self._events.empty():
                words = DISK_TOO_SLOW
        writer.finish()
        return words


class _Numbered(ProcessingRequest):
    """A request that its survey can be told by."""

    number = 0

    def process(self) -> ProcessedCostmap:
        found = super().process()
        object.__setattr__(found, 'number', self.number)
        return found


class _RecordingProcessor:
    """A processor that records which of its surveys was taken over, and when."""

    def __init__(self, processor: CostmapProcessor, write: Callable[[Event], None]) -> None:
        self._processor, self._write = processor, write
        self._asked = self._looked = 0

    def submit(self, request: ProcessingRequest) -> None:
        numbered = _Numbered(**vars(request))
        object.__setattr__(numbered, 'number', self._asked)
        self._asked += 1
        self._processor.submit(numbered)

    def poll(self) -> ProcessedCostmap | ProcessingFailure | None:
        self._looked += 1
        found = self._processor.poll()
        if found is None:
            return None
        event: Event = {'event': 'survey', 'look': self._looked}
        if isinstance(found, ProcessingFailure):
            event['error'] = str(found.error)
        numbered = found.request if isinstance(found, ProcessingFailure) else found
        event['number'] = getattr(numbered, 'number')  # noqa: B009 - a Survey knows of no number
        self._write(event)
        return found


class _ReplayProcessor:
    """A processor whose surveys come when the record says that they did."""

    def __init__(self) -> None:
        self._script: dict[int, Event] = {}
        self._requests: dict[int, ProcessingRequest] = {}
        self._asked = self._looked = 0

    def expect(self, event: Event) -> None:
        """Add an event of a survey, before the event that takes it over."""
        if 'error' not in event:
            int(event['number'])
        self._script[int(event['look'])] = event

    def submit(self, request: ProcessingRequest) -> None:
        self._requests[self._asked] = request
        self._asked += 1

    def poll(self) -> ProcessedCostmap | ProcessingFailure | None:
        self._looked += 1
        event = self._script.pop(self._looked, None)
        if event is None:
            return None
        number = event.get('number', self._asked - 1)
        request = self._requests[number]
        error = event.get('error')
        found = ProcessingFailure(request, RuntimeError(error)) if error else request.process()
        self._requests = {n: each for n, each in self._requests.items() if n >= number}
        return found


class RecordedController(Controller):
    """
    A controller that writes down what it is told before it acts on it.

    Parameters
    ----------
    configuration, seed, processor
        As of a Controller.
    write : callable
        Takes each event; it must return soon and raise nothing.

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
        self._inside = True  # what a controller does to itself follows from what it is told
        super().__init__(
            configuration, seed, _RecordingProcessor(processor or SynchronousProcessor(), write)
        )
        self._inside = False
        self._readings: list[float] = []
        self._sampler.clock = self._read_clock
        self._tell('begin', version=FORMAT_VERSION, seed=seed, parameters=flatten(configuration))

    def configure(self, configuration: ControllerParameters) -> None:
        """Record and do."""
        if not self._inside:
            self._tell('configure', parameters=flatten(configuration))
        super().configure(configuration)

    def set_odometry(self, odometry: Odometry) -> None:
        """Record and do."""
        self._tell('odometry', values=list(vars(odometry).values()))
        super().set_odometry(odometry)

    def set_costmap(self, stamp: float, costmap: Costmap) -> None:
        """Record and do."""
        self._tell('costmap', stamp=stamp, costmap=costmap)
        super().set_costmap(stamp, costmap)

    def forget_costmap(self) -> None:
        """Record and do."""
        self._tell('forget_costmap')
        super().forget_costmap()

    def set_plan(self, stamp: float, poses: NDArray[np.float64]) -> None:
        """Record and do."""
        self._tell('plan', stamp=stamp, poses=poses)
        super().set_plan(stamp, poses)

    def set_goal(self, stamp: float, x: float, y: float, yaw: float) -> None:
        """Record and do."""
        self._tell('goal', stamp=stamp, pose=[x, y, yaw])
        super().set_goal(stamp, x, y, yaw)

    def clear_plan(self) -> None:
        """Record and do."""
        self._tell('clear_plan')
        super().clear_plan()

    def reset(self) -> None:
        """Record and do."""
        self._tell('reset')
        super().reset()

    def halt(self) -> None:
        """Record and do."""
        if not self._inside:
            self._tell('halt')
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
        """Do and record, with the result."""
        self._readings = []
        self._inside = True
        tick = super().tick(
            now, steady=steady, fault=fault, budget=budget, latency=latency, hold=hold
        )
        self._inside = False
        self._tell(
            'tick', now=now, steady=steady, fault=None if fault is None else list(fault),
            budget=budget, latency=latency, hold=hold, clock=self._readings, **_result(tick),
        )  # fmt: skip
        return tick

    def _read_clock(self) -> float:
        reading = time.perf_counter()
        self._readings.append(reading)
        return reading

    def _tell(self, event: str, **values: Any) -> None:
        self._write({'event': event, **values})


@dataclass(frozen=True)
class TickComparison:
    """A tick as it was recorded and as it came out again."""

    now: float
    recorded: Event
    repeated: Event

    @property
    def differences(self) -> list[str]:
        """Names of the values that are not the same to the last bit."""
        return [
            name for name in self.recorded
            if _text(self.recorded[name]) != _text(self.repeated.get(name))
        ]  # fmt: skip


def repeat(path: Path) -> Iterator[TickComparison]:
    """
    Run a record once more and compare each tick.

    Raises
    ------
    InputError
        The file is no record of a controller.

    """
    processor = _ReplayProcessor()
    events = _with_surveys(path, processor)
    first = next(events, {})
    if first.get('event') != 'begin':
        raise InputError(f'{path} is no record of a controller')
    with reading(path, RECORD):
        if first['version'] != FORMAT_VERSION:
            raise InputError(f'{path} is of version {first["version"]}; {FORMAT_VERSION} is known')
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
        with suppress(MppiError):  # it was refused then, too
            getattr(controller, method)(*arguments)


def _with_surveys(path: Path, processor: _ReplayProcessor) -> Iterator[Event]:
    """Yield the events that are no surveys, each when the surveys that it may take are known."""
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
    """What a tick was given, and the recorded event."""

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


# Of each event the method of a Controller and how its arguments are read.
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
    """Return what tells two values apart to the last bit, and takes NaN for NaN."""
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
        It is no array of numbers of its own shape: no more than that is unpacked.

    """
    if not isinstance(value, dict):
        return np.asarray(value, dtype=np.float64)  # it was a list
    kind, shape = np.dtype(value['dtype']), tuple(map(int, value['shape']))
    size = math.prod(shape) * kind.itemsize
    if kind.kind not in 'iuf' or min(shape, default=0) < 0 or size > MAX_ARRAY_BYTES:
        raise ValueError(f'an array of {kind}{list(shape)} cannot have been recorded')
    data = zlib.decompressobj().decompress(b64decode(value['zlib']), size + 1)
    if len(data) != size:
        raise ValueError(f'an array of {kind}{list(shape)} has not {size} bytes')
    return np.frombuffer(data, kind).reshape(shape)


def _costmap(value: Event) -> Costmap:
    place = (float(value[name]) for name in ('resolution', 'origin_x', 'origin_y'))
    return Costmap(_array(value['data']), *place)


def _configuration(parameters: Event) -> ControllerParameters:
    return replace(ControllerParameters(), parameters)


def _read(path: Path) -> Iterator[Event]:
    """Yield the events of a file, as far as it goes: a killed process leaves half of one."""
    with reading(path, RECORD), path.open('rb') as stream:
        messages = _messages(stream, MAX_UNPACKED_BYTES + MAX_UNPACKED_RATIO * path.stat().st_size)
        while True:
            try:
                event = json.loads(next(messages))
            except (InputError, OSError):
                raise
            except Exception:  # the end, or damage: parsers raise nearly anything
                return
            if not isinstance(event, dict):
                return
            yield event


def _messages(stream: IO[bytes], left: int) -> Iterator[bytes]:
    """Yield the messages of an MCAP file, which may unpack to `left` bytes."""
    try:
        from mcap.records import Chunk, Message
        from mcap.stream_reader import StreamReader, breakup_chunk
    except ImportError:
        raise InputError('a record is read by the Python package mcap: pip install mcap') from None
    for record in StreamReader(
        stream, emit_chunks=True, record_size_limit=MAX_CHUNK_BYTES
    ).records:
        members = [record]
        if isinstance(record, Chunk):
            data = _unpacked(record)
            left -= len(data)
            if left < 0:
                raise InputError('a record does not unpack to so many times its size')
            members = breakup_chunk(dataclasses.replace(record, compression='', data=data))
        yield from (member.data for member in members if isinstance(member, Message))


def _unpacked(chunk: Any) -> bytes:
    """Return the content of a chunk, which the reader of mcap would unpack whatever its size."""
    size = chunk.uncompressed_size
    if chunk.compression and size > MAX_CHUNK_BYTES:
        raise InputError(f'a chunk of {size / 1e6:g} MB cannot have been recorded')
    if chunk.compression == 'zstd':
        from zstandard import ZstdDecompressor

        data = ZstdDecompressor().stream_reader(chunk.data).read(size + 1)
    elif chunk.compression == 'lz4':
        from lz4.frame import LZ4FrameDecompressor

        data = LZ4FrameDecompressor().decompress(chunk.data, size + 1)
    else:
        return bytes(chunk.data)
    if len(data) != size:
        raise ValueError(f'a chunk of {size} bytes has another size')
    return bytes(data)
