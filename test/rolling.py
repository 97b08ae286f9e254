"""Closed loop in a world of which the controller receives a rolling costmap window."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
import math

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.controller import Controller
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.tick_result import ControllerState, Reason, TickResult
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.simulation.plant import IDEAL, NOMINAL, Plant, PlantParameters

ODOMETRY_RATE = 50.0  # [Hz]
WORLD = (-15.0, -15.0, 45.0, 15.0)  # x, y of two corners [m]


def world(*boxes: tuple[float, float, float, float], resolution: float = 0.05) -> Costmap:
    """Return an open world with boxes x, y, x, y [m]."""
    x, y, right, top = WORLD
    data = np.zeros((round((top - y) / resolution), round((right - x) / resolution)), np.int8)
    for left, low, to, high in boxes:
        rows, columns = (
            slice(max(round((a - o) / resolution), 0), max(round((b - o) / resolution), 0))
            for a, b, o in ((low, high, y), (left, to, x))
        )
        data[rows, columns] = 100
    return Costmap(data, resolution, x, y)


def cut(whole: Costmap, x: float, y: float, width: float, height: float) -> Costmap:
    """Return the window of a costmap centred near x, y [m]."""
    res = whole.resolution
    columns, rows = max(round(width / res), 1), max(round(height / res), 1)
    left = round((x - whole.origin_x) / res - 0.5 * columns)
    low = round((y - whole.origin_y) / res - 0.5 * rows)
    left, low = max(left, 0), max(low, 0)
    part = np.ascontiguousarray(whole.data[low:low + rows, left:left + columns])
    return Costmap(part, res, whole.origin_x + left * res, whole.origin_y + low * res)


@dataclass
class Drive:
    """
    A drive through a world with a costmap window.

    Attributes
    ----------
    window : (float, float) or None
        Extent of the costmap along x and y [m]; None for the whole world.
    rate : float
        Rate of the costmap [Hz].
    latency : float
        Age of a costmap on receipt [s].
    offset : (float, float)
        Offset of the window centre from the robot [m].
    still : bool
        The window does not follow the robot.

    """

    configuration: ControllerParameters
    plan: NDArray[np.float64]
    world: Costmap
    window: tuple[float, float] | None = None
    rate: float = 5.0
    latency: float = 0.0
    offset: tuple[float, float] = (0.0, 0.0)
    still: bool = False
    plant: PlantParameters = IDEAL
    start: tuple[float, float, float] = (0.0, 0.0, 0.0)
    timeout: float = 120.0
    seed: int = 1
    until: Callable[[Drive], bool] = lambda drive: False
    ticks: list[TickResult] = field(default_factory=list)
    rows: list[tuple[float, ...]] = field(default_factory=list)

    def run(self) -> Drive:
        """Drive until arrival, a progress time-out or a contact."""
        c = self.configuration
        self.controller = controller = Controller(c, self.seed)
        plant = Plant(
            replace(self.plant, motion_model=c.motion_model, limits=c.limits, drifts=False),
            self.start, self.seed,
        )
        footprint = Footprint.of(c.robot)
        truth = distance_field(self.world, outside_is_obstacle=False)
        period = 1.0 / c.control_rate
        self.clearance, self.arrived = math.inf, False
        shown, waiting = 0, []
        step = 1.0 / ODOMETRY_RATE
        now, count = 0.0, 0
        controller.set_plan(0.0, self.plan)
        next_tick = 0.0
        while now < self.timeout and not self.arrived:
            measured = plant.odometry(now)
            controller.set_odometry(measured)
            if now >= shown / self.rate - 1e-9:
                shown += 1
                waiting.append((now, self._seen(*self._place(plant))))
            while waiting and waiting[0][0] + self.latency <= now + 1e-9:
                controller.set_costmap(*waiting.pop(0))
            if now >= next_tick - 1e-9:
                next_tick += period
                tick = controller.tick(now)
                plant.command(tick.command, now)
                self.ticks.append(tick)
                self.rows.append((now, *plant.pose, *plant.twist))
                self.arrived = tick.state is ControllerState.REACHED
                if tick.code is Reason.PROGRESS_TIMEOUT or self.until(self):
                    break
            count += 1
            plant.advance(count * step - now)
            now = count * step
            room = float(footprint.clearance(truth, np.array(plant.pose)[None])[0])
            self.clearance = min(self.clearance, room)
            if room <= 0.0:
                break
        self.time = now
        return self

    def _place(self, plant: Plant) -> tuple[float, float]:
        x, y = self.start[:2] if self.still else plant.pose[:2]
        return x + self.offset[0], y + self.offset[1]

    def _seen(self, x: float, y: float) -> Costmap:
        return self.world if self.window is None else cut(self.world, x, y, *self.window)

    @property
    def poses(self) -> NDArray[np.float64]:
        """x, y [m], yaw [rad] at the ticks."""
        return np.array(self.rows)[:, 1:4]

    @property
    def speeds(self) -> NDArray[np.float64]:
        """Commanded speed ahead at the ticks [m/s]."""
        return np.array([tick.command.vx for tick in self.ticks])

    @property
    def length(self) -> float:
        """Driven distance [m]."""
        return float(np.hypot(*np.diff(self.poses[:, :2], axis=0).T).sum())

    @property
    def turned(self) -> float:
        """Sum of absolute heading changes [rad]."""
        return float(np.abs(np.diff(np.unwrap(self.poses[:, 2]))).sum())

    @property
    def second_choices(self) -> int:
        """Number of ticks without a safe optimised command."""
        return sum(
            tick.code in (Reason.FALLBACK_COMMAND, Reason.EVADING, Reason.COLLISION_AHEAD)
            for tick in self.ticks
        )


def straight(length: float) -> NDArray[np.float64]:
    """Return a plan along x."""
    x = np.arange(0.0, length + 1e-9, 0.1)
    return np.column_stack([x, np.zeros((len(x), 2))])


def arc(radius: float, angle: float) -> NDArray[np.float64]:
    """Return a plan along a circle to the left, from the origin along x."""
    turn = np.linspace(0.0, angle, math.ceil(radius * angle / 0.1) + 1)
    return np.column_stack([radius * np.sin(turn), radius * (1.0 - np.cos(turn)), turn])


__all__ = ['IDEAL', 'NOMINAL', 'Drive', 'arc', 'cut', 'straight', 'world']
