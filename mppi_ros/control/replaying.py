"""Bit-exact replay of a controller record: reading and repeating its ticks."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
import io
import itertools
import json
import math
from pathlib import Path
import pickle
from types import FunctionType
from typing import IO, Any, NamedTuple
import zlib

from numba.core.ccallback import CFunc
import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.controller import Controller
from mppi_ros.control.costmap_processing import (
    LocalMap,
    ProcessedCostmap,
    ProcessingFailure,
    ProcessingRequest,
)
from mppi_ros.control.inputs import Odometry
from mppi_ros.control.mcap_messages import read_messages
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.recording import FORMAT_VERSION, Event, result_event
from mppi_ros.control.tick_result import Fault, Reason, TickResult
from mppi_ros.driving.costmap import MAX_SIDE, Costmap
from mppi_ros.driving.distance_field import DistanceField
from mppi_ros.driving.lookahead import PlanLookahead
from mppi_ros.driving.obstacle_prediction import DynamicObstacle
from mppi_ros.driving.path import ReferencePath
from mppi_ros.driving.plugin import Plugin
from mppi_ros.driving.scan import Scan
from mppi_ros.files import reading
from mppi_ros.parameters.declaration import Value, replace
from mppi_ros.parameters.errors import InputError, MppiError

RECORD = 'a controller record'  # expected content of a file
NO_RECORD = "is not a controller record, which the node's parameter `record` writes"
MAX_ARRAY_BYTES = MAX_SIDE**2  # [bytes] of the largest costmap
MAX_UNPACKED_BYTES, MAX_UNPACKED_RATIO = 100_000_000, 100  # [bytes], and share of the file size

# Types whose objects never change, or which are code: copies of a replay share them.
IMMUTABLE = (
    ControllerParameters, Costmap, DistanceField, LocalMap, PlanLookahead, Plugin,
    ProcessedCostmap, ProcessingRequest, ReferencePath, CFunc, FunctionType,
)


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
        self._script[int(event['poll'])] = event

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


class _Pickler(pickle.Pickler):
    """Leaves out what never changes; `shared` holds it."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream, pickle.HIGHEST_PROTOCOL)
        self.shared: list[Any] = []

    def persistent_id(self, found: Any) -> int | None:
        """Return the place of an object in `shared`; None to copy it."""
        if not isinstance(found, IMMUTABLE):
            return None
        self.shared.append(found)
        return len(self.shared) - 1


class _Unpickler(pickle.Unpickler):
    """Restores what a pickler of this process has left out."""

    def __init__(self, stream: IO[bytes], shared: list[Any]) -> None:
        super().__init__(stream)
        self._shared = shared

    def persistent_load(self, place: int) -> Any:
        """Return the object itself."""
        return self._shared[place]


class Replay:
    """
    Repetition of a record, event by event.

    The record may still be written: `events` can be called again when it has grown.

    Parameters
    ----------
    path : Path
        File of the record.
    parameters : mapping, optional
        Values that replace recorded ones.

    Attributes
    ----------
    controller : Controller or None
        State after the last event; None before the first.

    """

    def __init__(self, path: Path, parameters: Mapping[str, Value] | None = None) -> None:
        self._path, self._replaced = path, parameters or {}
        self._processor = _ReplayProcessor()
        self._next = 0  # number of the next event
        self.controller: Controller | None = None

    def events(self, *, complete: bool = True) -> Iterator[Event]:
        """
        Yield the events that are not repeated yet; pass each to `apply`.

        Parameters
        ----------
        complete : bool
            The record does not grow. Otherwise its last event is left for the next call: results
            that it uses may not be written yet.

        Raises
        ------
        InputError
            The file is not a controller record.

        """
        first, number, last = self._next, self._next, None
        for number, event in enumerate(_read(self._path, first), first):
            if event.get('event') == 'processed':
                with reading(self._path, RECORD):
                    self._processor.expect(event)
                continue
            if last is not None:
                self._next = number
                yield last
            last = event
        if last is not None and complete:
            self._next = number + 1
            yield last

    def apply(self, event: Event) -> TickComparison | None:
        """
        Repeat an event; return the comparison if it is a tick.

        Raises
        ------
        InputError
            The event is not one of a controller record of this version.

        """
        if self.controller is None:
            self.controller = self._begin(event)
            return None
        with reading(self._path, RECORD):
            tick = RecordedTick.of(event) if event['event'] == 'tick' else None
        if tick is not None:
            return tick.compared(tick.repeat(self.controller))
        with reading(self._path, RECORD):
            method, read = _CALLS[event['event']]
            arguments = read(event)
        if method == 'configure':
            arguments = (replace(arguments[0], self._replaced),)
        with suppress(MppiError):  # rejected in the recorded run, too
            getattr(self.controller, method)(*arguments)
        return None

    def copy(self) -> Replay:
        """Return an independent copy in the same state."""
        stream = io.BytesIO()
        pickler = _Pickler(stream)
        pickler.dump(self)
        stream.seek(0)
        replay: Replay = _Unpickler(stream, pickler.shared).load()
        return replay

    def _begin(self, event: Event) -> Controller:
        if event.get('event') != 'begin':
            raise InputError(f'{self._path} {NO_RECORD}')
        with reading(self._path, RECORD):
            if event['version'] != FORMAT_VERSION:
                raise InputError(
                    f'{self._path} has version {event["version"]}, not {FORMAT_VERSION}'
                )
            seed = None if event['seed'] is None else int(event['seed'])
            configuration = replace(_configuration(event['parameters']), self._replaced)
            return Controller(configuration, seed, self._processor)


def repeat(path: Path) -> Iterator[TickComparison]:
    """
    Replay a record and compare each tick.

    Raises
    ------
    InputError
        The file is not a controller record.

    """
    replay = Replay(path)
    for event in replay.events():
        tick = replay.apply(event)
        if tick is not None:
            yield tick
    if replay.controller is None:
        raise InputError(f'{path} {NO_RECORD}')


class RecordedTick(NamedTuple):
    """Arguments of a recorded tick, and its event."""

    now: float
    options: dict[str, Any]
    clock: tuple[float, ...]
    event: Event

    @classmethod
    def of(cls, event: Event) -> RecordedTick:
        """Read an event; errors of its content are those of Python's conversions."""
        steady, fault = event['steady'], event['fault']
        options = {
            'steady': None if steady is None else float(steady),
            'fault': None if fault is None else Fault(Reason(fault[0]), str(fault[1])),
            'budget': float(event['budget']), 'latency': float(event['latency']),
            'hold': float(event.get('hold', 0.0)),
        }  # fmt: skip
        _triple(event['command'])
        return cls(float(event['now']), options, tuple(map(float, event['clock'])), event)

    def repeat(self, controller: Controller) -> TickResult:
        """Run the tick with the recorded readings of the clock."""
        readings = iter(self.clock)
        controller._sampler.clock = lambda: next(readings, math.inf)
        return controller.tick(self.now, **self.options)

    def compared(self, result: TickResult) -> TickComparison:
        """Compare the recorded result with another one."""
        repeated = result_event(result)
        recorded = {name: self.event.get(name) for name in repeated}
        return TickComparison(self.now, recorded, repeated)


# Method of Controller for each event, and conversion of its arguments.
_CALLS: dict[str, tuple[str, Callable[[Event], tuple[Any, ...]]]] = {
    'configure': ('configure', lambda event: (_configuration(event['parameters']),)),
    'odometry': ('set_odometry', lambda event: (Odometry(*map(float, event['values'])),)),
    'costmap': (
        'set_costmap', lambda event: (float(event['stamp']), _costmap(event['costmap']))
    ),
    'scan': ('set_scan', lambda event: (_scan(event),)),
    'obstacles': (
        'set_obstacles',
        lambda event: (
            float(event['stamp']),
            [DynamicObstacle(*map(float, row)) for row in event['obstacles']],
            list(map(int, event['ids'])),
        ),
    ),
    'forget_costmap': ('forget_costmap', lambda event: ()),
    'plan': ('set_plan', lambda event: (float(event['stamp']), _array(event['poses']))),
    'goal': ('set_goal', lambda event: (float(event['stamp']), *_triple(event['pose']))),
    'clear_plan': ('clear_plan', lambda event: ()),
    'reset': ('reset', lambda event: ()),
    'halt': ('halt', lambda event: ()),
}  # fmt: skip


def _text(value: Any) -> str:
    """Return a text that is equal for values with equal bits; NaN equals NaN."""
    return json.dumps(value)


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


def _scan(event: Event) -> Scan:
    ahead, left = map(float, event['mount'])
    return Scan(
        float(event['stamp']), _array(event['angles']), _array(event['ranges']), (ahead, left),
        float(event['max_range']),
    )  # fmt: skip


def _configuration(parameters: Event) -> ControllerParameters:
    return replace(ControllerParameters(), parameters)


def _read(path: Path, first: int = 0) -> Iterator[Event]:
    """Yield the events from number `first` up to the end or an incomplete one."""
    with reading(path, RECORD), path.open('rb') as stream:
        most = MAX_UNPACKED_BYTES + MAX_UNPACKED_RATIO * path.stat().st_size
        messages = itertools.islice(read_messages(stream, most), first, None)
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
