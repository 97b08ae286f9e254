"""A robot with delay and lag on a known map, and the maps of the tests."""
from __future__ import annotations

from collections import deque
import dataclasses
import math

import numpy as np

from mppi_ros.control.controller import Controller
from mppi_ros.control.inputs import Odometry
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.tick_result import TickResult
from mppi_ros.driving.costmap import Costmap
from mppi_ros.parameters.declaration import replace

# Enough samples to drive, few enough for thousands of ticks in a test.
QUICK = replace(ControllerParameters(), {'samples': 256, 'horizon_steps': 30, 'threads': 1})


def room(width: float = 10.0, height: float = 6.0, resolution: float = 0.05) -> Costmap:
    """Return an empty room with walls, centred at the origin."""
    data = np.zeros((round(height / resolution), round(width / resolution)), dtype=np.int8)
    data[[0, -1]] = 100
    data[:, [0, -1]] = 100
    return Costmap(data, resolution, -width / 2.0, -height / 2.0)


def with_block(costmap: Costmap, x: float, y: float, side: float) -> Costmap:
    """Return the costmap with an additional square obstacle."""
    data = costmap.data.copy()
    low = [(c - side / 2.0 - o) / costmap.resolution
           for c, o in ((y, costmap.origin_y), (x, costmap.origin_x))]
    size = round(side / costmap.resolution)
    row, column = (max(0, round(value)) for value in low)
    data[row:row + size, column:column + size] = 100
    return dataclasses.replace(costmap, data=data)


class PlainRobot:
    """Closes the loop around a controller; `now`, `pose` and `twist` are true values."""

    def __init__(self, controller: Controller, x: float = 0.0, y: float = 0.0, yaw: float = 0.0,
                 delay: float = 0.05, lag: float = 0.1) -> None:
        self.controller = controller
        self.period = 1.0 / controller.configuration.control_rate
        self.now = 100.0
        self.pose = np.array([x, y, yaw])
        self.twist = np.zeros(2)
        self.lag = lag
        self._acting = deque([(0.0, 0.0)] * (1 + round(delay / self.period)))
        self.ticks: list[TickResult] = []

    def odometry(self) -> Odometry:
        x, y, yaw = self.pose
        return Odometry(self.now, x, y, yaw, self.twist[0], 0.0, self.twist[1])

    def tick(self, sense: bool = True) -> TickResult:
        """Update the odometry, tick, and move for one period."""
        if sense:
            self.controller.set_odometry(self.odometry())
        tick = self.controller.tick(self.now)
        self.ticks.append(tick)
        self._acting.append((tick.command.vx, tick.command.wz))
        self._acting.popleft()
        command = np.array(self._acting[0])
        for _ in range(10):
            seconds = self.period / 10
            self.twist += (1.0 - math.exp(-seconds / self.lag)) * (command - self.twist)
            self.pose += seconds * np.array([
                self.twist[0] * math.cos(self.pose[2]), self.twist[0] * math.sin(self.pose[2]),
                self.twist[1],
            ])
        self.now += self.period
        return tick

    def run(self, seconds: float, sense: bool = True) -> TickResult:
        """Tick for a duration and return the last tick."""
        for _ in range(round(seconds / self.period)):
            tick = self.tick(sense)
        return tick
