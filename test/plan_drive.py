"""Closed loop on a plan: a robot of any motion model follows a plan on a known map."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray
from plain_robot import QUICK

from mppi_ros.control.controller import Controller
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.tick_result import ControllerState, TickResult
from mppi_ros.driving.costmap import Costmap
from mppi_ros.parameters.declaration import replace
from mppi_ros.simulation.plant import Plant, PlantParameters

COSTMAP_CELL = 0.05  # [m]
Circle = tuple[float, float, float]  # x [m], y [m], radius [m]


@dataclass
class Drive:
    """
    Result of a drive along a plan.

    Attributes
    ----------
    poses : float64[N, 3]
        True x [m], y [m], yaw [rad] at each tick.
    progress : float64[N]
        Arc length on the whole plan that the controller reports [m].
    ticks : list of TickResult
        Results of the controller.

    """

    poses: NDArray[np.float64]
    progress: NDArray[np.float64]
    ticks: list[TickResult]
    period: float

    @property
    def reached(self) -> bool:
        return self.ticks[-1].state is ControllerState.REACHED

    @property
    def reason(self) -> str:
        return self.ticks[-1].reason

    @property
    def seconds(self) -> float:
        return len(self.ticks) * self.period

    @property
    def travelled(self) -> float:
        """Driven distance [m]."""
        return float(np.hypot(*np.diff(self.poses[:, :2], axis=0).T).sum())

    @property
    def turned(self) -> float:
        """Sum of absolute heading changes [rad]."""
        return float(np.abs(np.diff(np.unwrap(self.poses[:, 2]))).sum())

    @property
    def reversals(self) -> int:
        """Number of changes of the driving direction."""
        speeds = np.array([tick.command.vx for tick in self.ticks])
        signs = np.sign(speeds[np.abs(speeds) > 0.05])
        return int(np.count_nonzero(np.diff(signs)))

    def coverage(self, plan: NDArray[np.float64], within: float = 0.3) -> float:
        """Return the share of the plan length that the robot passed within a distance [m]."""
        steps = np.hypot(*np.diff(plan[:, :2], axis=0).T)
        arc = np.concatenate([[0.0], steps.cumsum()])
        fine = np.arange(0.0, arc[-1], 0.05)
        points = np.stack([np.interp(fine, arc, axis) for axis in plan[:, :2].T], axis=1)
        offsets = points[:, None, :] - self.poses[None, ::2, :2]
        return float((np.hypot(offsets[..., 0], offsets[..., 1]).min(1) <= within).mean())


def ground(low: Sequence[float], high: Sequence[float], posts: Sequence[Circle] = ()) -> Costmap:
    """Return a free costmap between two corners [m] with round posts."""
    width, height = (math.ceil((b - a) / COSTMAP_CELL) for a, b in zip(low, high, strict=True))
    rows, columns = np.mgrid[:height, :width]
    x = low[0] + (columns + 0.5) * COSTMAP_CELL
    y = low[1] + (rows + 0.5) * COSTMAP_CELL
    data = np.zeros((height, width), np.int8)
    for at_x, at_y, radius in posts:
        data[np.hypot(x - at_x, y - at_y) <= radius] = 100
    return Costmap(data, COSTMAP_CELL, low[0], low[1])


def drive_plan(
    plan: Sequence[Sequence[float]] | NDArray[np.float64],
    start: Sequence[float],
    *,
    seconds: float = 60.0,
    posts: Sequence[Circle] = (),
    model: str = 'diff_drive',
    changes: dict[str, object] | None = None,
    plant: PlantParameters | None = None,
    events: dict[float, Callable[[Controller, float], None]] | None = None,
    give: str = 'plan',
    configuration: ControllerParameters = QUICK,
) -> Drive:
    """
    Drive until the goal is reached, progress times out, or the time is over.

    `events` are called once at their time [s]; with `give` = 'goal', set_goal receives the last
    pose.
    """
    poses = np.array(plan, np.float64)
    c = replace(configuration, {
        'safety.costmap_timeout': 0.0, 'motion_model': model, 'recovery.progress_timeout': 15.0,
        **(changes or {}),
    })
    corners = np.vstack([poses[:, :2], [start[:2]]])
    controller = Controller(c, seed=1)
    body = Plant(
        plant or PlantParameters(
            motion_model=model, limits=c.limits, pose_noise=0.0, yaw_noise=0.0, speed_noise=0.0,
            odom_scale_error=0.0),
        start, 1)
    now, period = 0.0, 1.0 / c.control_rate
    controller.set_odometry(body.odometry(now))
    controller.set_costmap(now, ground(corners.min(0) - 4.0, corners.max(0) + 4.0, posts))
    if give == 'goal':
        controller.set_goal(now, *poses[-1])
    else:
        controller.set_plan(now, poses)
    pending = sorted((events or {}).items())
    trail, progress, ticks = [], [], []
    while now < seconds:
        while pending and pending[0][0] <= now:
            pending.pop(0)[1](controller, now)
        controller.set_odometry(body.odometry(now))
        tick = controller.tick(now)
        body.command(tick.command, now)
        ticks.append(tick)
        trail.append(body.pose.copy())
        progress.append(tick.statistics.progress)
        no_progress = 'no progress for' in tick.reason
        if not pending and (tick.state is ControllerState.REACHED or no_progress):
            break
        body.advance(period)
        now = round(now + period, 9)
    return Drive(np.array(trail), np.array(progress), ticks, period)
