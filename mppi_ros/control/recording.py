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
from dataclasses import dataclass
import json
import math
from pathlib import Path
import queue
import struct
import threading
import time
from typing import Any
import zlib

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.controller import Controller
from mppi_ros.control.inputs import Odometry
from mppi_ros.control.report import Fault, Reason, Tick
from mppi_ros.control.settings import Configuration
from mppi_ros.control.survey import Failure, Prompt, Request, Survey, Surveyor
from mppi_ros.driving.costmap import Costmap
from mppi_ros.mppi.errors import InputError, MppiError
from mppi_ros.mppi.parameters import flatten, replace

WAITING = 2000  # events that may wait for the disk: some 20 s of driving
HELD = 256e6  # bytes of costmaps that may wait for the disk
CHUNK = 64 * 1024  # bytes written at once: what a killed process may lose
SCHEMA = b'{"type": "object"}'
VERSION = 1
WALL = ('solve_ms', 'tick_ms')  # statistics of the machine, not of the run

Event = dict[str, Any]

TOO_SLOW = 'the disk is too slow'


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
        self._events: queue.Queue[tuple[int, Event] | None] = queue.Queue(WAITING)
        self._lost = False
        self._in = self._out = 0  # bytes of costmaps that came and went
        self._make: Callable[[], Any] = lambda: Writer(self._stream, chunk_size=CHUNK)
        self._thread = threading.Thread(target=self._work, name='recorder', daemon=True)
        self._thread.start()

    def write(self, event: Event) -> None:
        """Add an event; nothing in it may change afterwards."""
        if self._lost:
            return
        self._in += _size(event)
        try:
            self._lost = self._in - self._out > HELD
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
                words = TOO_SLOW if self._lost else ''
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
                words = TOO_SLOW
        writer.finish()
        return words


class _Numbered(Request):
    """A request that its survey can be told by."""

    number = 0

    def survey(self) -> Survey:
        found = super().survey()
        object.__setattr__(found, 'number', self.number)
        return found


class _Witness:
    """A surveyor that records which of its surveys was taken over, and when."""

    def __init__(self, surveyor: Surveyor, write: Callable[[Event], None]) -> None:
        self._surveyor, self._write = surveyor, write
        self._asked = self._looked = 0

    def ask(self, request: Request) -> None:
        numbered = _Numbered(**vars(request))
        object.__setattr__(numbered, 'number', self._asked)
        self._asked += 1
        self._surveyor.ask(numbered)

    def answer(self) -> Survey | Failure | None:
        self._looked += 1
        found = self._surveyor.answer()
        if found is None:
            return None
        event: Event = {'event': 'survey', 'look': self._looked}
        if isinstance(found, Failure):
            event['error'] = str(found.error)
        numbered = found.request if isinstance(found, Failure) else found
        event['number'] = getattr(numbered, 'number')  # noqa: B009 - a Survey knows of no number
        self._write(event)
        return found


class _Scripted:
    """A surveyor whose surveys come when the record says that they did."""

    def __init__(self, script: dict[int, Event]) -> None:
        self._script = script
        self._requests: dict[int, Request] = {}
        self._asked = self._looked = 0

    def ask(self, request: Request) -> None:
        self._requests[self._asked] = request
        self._asked += 1

    def answer(self) -> Survey | Failure | None:
        self._looked += 1
        event = self._script.pop(self._looked, None)
        if event is None:
            return None
        number = event.get('number', self._asked - 1)
        request = self._requests[number]
        error = event.get('error')
        found = Failure(request, RuntimeError(error)) if error else request.survey()
        self._requests = {n: each for n, each in self._requests.items() if n >= number}
        return found


class RecordedController(Controller):
    """
    A controller that writes down what it is told before it acts on it.

    Parameters
    ----------
    configuration, seed, surveyor
        As of a Controller.
    write : callable
        Takes each event; it must return soon and raise nothing.

    """

    def __init__(
        self,
        configuration: Configuration,
        seed: int | None = None,
        surveyor: Surveyor | None = None,
        *,
        write: Callable[[Event], None],
    ) -> None:
        self._write = write
        self._inside = True  # what a controller does to itself follows from what it is told
        super().__init__(configuration, seed, _Witness(surveyor or Prompt(), write))
        self._inside = False
        self._readings: list[float] = []
        self._sampler.clock = self._read_clock
        self._tell('begin', version=VERSION, seed=seed, parameters=flatten(configuration))

    def configure(self, configuration: Configuration) -> None:
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
    ) -> Tick:
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
class Comparison:
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


def repeat(path: Path) -> Iterator[Comparison]:
    """
    Run a record once more and compare each tick.

    Raises
    ------
    InputError
        The file is no record of a controller.

    """
    events = list(_read(path))
    if not events or events[0].get('event') != 'begin':
        raise InputError(f'{path} is no record of a controller')
    first = events[0]
    if first['version'] != VERSION:
        raise InputError(f'{path} is of version {first["version"]}; {VERSION} is known')
    surveyor = _Scripted({each['look']: each for each in events if each['event'] == 'survey'})
    controller = Controller(_configuration(first['parameters']), first['seed'], surveyor)
    for event in events[1:]:
        if event['event'] == 'tick':
            yield _repeat_tick(controller, event)
            continue
        try:
            _ACTS[event['event']](controller, event)
        except MppiError:
            continue  # it was refused then, too


def _repeat_tick(controller: Controller, event: Event) -> Comparison:
    fault = event['fault']
    readings = iter(event['clock'])
    controller._sampler.clock = lambda: next(readings, math.inf)
    tick = controller.tick(
        event['now'], steady=event['steady'],
        fault=None if fault is None else Fault(Reason(fault[0]), fault[1]),
        budget=event['budget'], latency=event['latency'], hold=event.get('hold', 0.0),
    )
    repeated = _result(tick)
    return Comparison(event['now'], {name: event[name] for name in repeated}, repeated)


_ACTS: dict[str, Callable[[Controller, Event], None]] = {
    'survey': lambda controller, event: None,
    'configure': lambda controller, event: controller.configure(
        _configuration(event['parameters'])
    ),
    'odometry': lambda controller, event: controller.set_odometry(Odometry(*event['values'])),
    'costmap': lambda controller, event: controller.set_costmap(
        event['stamp'], _costmap(event['costmap'])
    ),
    'forget_costmap': lambda controller, event: controller.forget_costmap(),
    'plan': lambda controller, event: controller.set_plan(
        event['stamp'], _array(event['poses'])
    ),
    'goal': lambda controller, event: controller.set_goal(event['stamp'], *event['pose']),
    'clear_plan': lambda controller, event: controller.clear_plan(),
    'reset': lambda controller, event: controller.reset(),
    'halt': lambda controller, event: controller.halt(),
}


def _result(tick: Tick) -> Event:
    statistics = {name: value for name, value in vars(tick.statistics).items() if name not in WALL}
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


def _array(value: Any) -> Any:
    if not isinstance(value, dict):
        return value  # it was a list
    data = np.frombuffer(zlib.decompress(b64decode(value['zlib'])), np.dtype(value['dtype']))
    return data.reshape(value['shape'])


def _costmap(value: Event) -> Costmap:
    return Costmap(
        _array(value['data']), value['resolution'], value['origin_x'], value['origin_y']
    )


def _configuration(parameters: Event) -> Configuration:
    return replace(Configuration(), parameters)


def _read(path: Path) -> Iterator[Event]:
    """Yield the events of a file, as far as it goes: a killed process leaves half of one."""
    try:
        from mcap.exceptions import McapError
        from mcap.records import Message
        from mcap.stream_reader import StreamReader
    except ImportError:
        raise InputError('a record is read by the Python package mcap: pip install mcap') from None
    try:
        with path.open('rb') as stream:
            for record in StreamReader(stream).records:
                if isinstance(record, Message):
                    yield json.loads(record.data)
    except OSError as error:
        raise InputError(f'{path}: {error.strerror}') from None
    except (McapError, EOFError, ValueError, struct.error):  # cut within a number, too
        return
