"""Ring buffer of frames: what the page showed at each moment of the last minutes."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
import itertools
import math
import threading
from typing import Any

from mppi_ros.dashboard.signals import KEYS, for_json

RATE = 10.0  # [Hz] of frames
MINUTES = 3.0  # that are kept
Points = list[list[float]]  # x, y [m]


@dataclass(frozen=True)
class Layer:
    """A costmap, map or plan as JSON values; drawn until one with another `number` comes."""

    number: int
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Scene:
    """
    What is drawn at one moment, in the frame of the costmap [m].

    `candidates` are trajectories; `weights` are theirs, relative to the heaviest. A row of
    `obstacles` is x, y [m], vx, vy [m/s] and radius [m]. `sampling` has the lists of
    `control.optimization.SamplingSummary`.
    """

    footprint: Points = field(default_factory=list)
    optimal: Points = field(default_factory=list)
    candidates: Sequence[Points] = ()
    weights: Sequence[float] = ()
    obstacles: Sequence[Sequence[float]] = ()
    costmap: Layer | None = None
    map: Layer | None = None
    plan: Layer | None = None
    sampling: Mapping[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Frame:
    """State of the controller and the scene at `time` [s] of a steady clock."""

    time: float
    signals: Mapping[str, float]
    costs: Mapping[str, float]
    state: str
    code: str
    reason: str
    scene: Scene

    def value(self, key: str) -> float:
        """Return a signal; NaN if it is unknown."""
        return self.signals.get(key, math.nan)


class History:
    """The frames of the last minutes, oldest first; one thread adds them, others read."""

    def __init__(self, size: int = round(60.0 * MINUTES * RATE)) -> None:
        self._frames: deque[Frame] = deque(maxlen=size)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, frame: Frame) -> None:
        """Add a frame that is newer than all others; the oldest is dropped when full."""
        with self._lock:
            self._frames.append(frame)

    def clear(self) -> None:
        """Drop all frames."""
        with self._lock:
            self._frames.clear()

    def _all(self) -> tuple[Frame, ...]:
        with self._lock:
            return tuple(self._frames)

    @property
    def latest(self) -> Frame | None:
        """Return the newest frame, None without any."""
        frames = self._all()
        return frames[-1] if frames else None

    def at(self, time: float) -> Frame | None:
        """Return the frame shown at a time: the last one not after it, else the oldest."""
        frames = self._all()
        index = bisect_right(frames, time, key=lambda frame: frame.time)
        return frames[max(index - 1, 0)] if frames else None

    def since(self, time: float) -> list[Frame]:
        """Return the frames after a time, oldest first."""
        newer = itertools.takewhile(lambda frame: frame.time > time, reversed(self._all()))
        return list(newer)[::-1]

    def between(self, begin: float, end: float) -> list[Frame]:
        """Return the frames with begin ≤ time ≤ end, oldest first."""
        return [frame for frame in self._all() if begin <= frame.time <= end]


class SceneEncoder:
    """
    Writes frames as JSON for one browser; a layer is written when it changes.

    `last` is the time of the newest frame that was written [s].
    """

    LAYERS = ('map', 'costmap', 'plan')

    def __init__(self) -> None:
        self.last = -math.inf
        self._sent: dict[str, int] = {}

    def signals(self, frame: Frame) -> dict[str, Any]:
        """Return time, signals and costs of a frame."""
        return {
            't': round(frame.time, 3),
            's': [for_json(frame.value(key)) for key in KEYS],
            'c': {name: for_json(cost, 4) for name, cost in frame.costs.items()},
        }

    def scene(self, frame: Frame) -> dict[str, Any]:
        """Return the scene of a frame, with the layers that the browser does not have."""
        scene = frame.scene
        written: dict[str, Any] = {
            'footprint': scene.footprint, 'optimal': scene.optimal,
            'candidates': scene.candidates, 'weights': scene.weights,
            'obstacles': scene.obstacles, 'sampling': scene.sampling,
            'pose': [for_json(frame.value(key)) for key in ('x', 'y', 'yaw')],
        }  # fmt: skip
        for name in self.LAYERS:
            layer: Layer | None = getattr(scene, name)
            number = 0 if layer is None else layer.number
            if self._sent.get(name, 0) != number:
                self._sent[name] = number
                written[name] = None if layer is None else layer.content
        return written
