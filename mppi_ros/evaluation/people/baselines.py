"""Baselines: other controllers that drive the same episodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.inputs import Command, Odometry
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.tick_result import ControllerState, Reason, Statistics, TickResult
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.scan import Scan
from mppi_ros.evaluation.textbook import TEXTBOOK
from mppi_ros.parameters.errors import MppiError
from mppi_ros.simulation.world import World

EXTRA_RADIUS = 0.15  # [m] of the robot in `orca_room`
TIME_HORIZON = 5.0  # [s] of CrowdNav, as the next two
NEIGHBORS = 10
NEIGHBOR_DISTANCE = 10.0  # [m]
HEADING_GAIN = 2.5  # [1/s] turning rate per heading error
DIFFERENCE = 0.05  # [s] of the finite difference for velocities

NO_TRACKING: Mapping[str, Any] = {'moving_obstacles.enabled': False}

# Changes of the configuration under which the controller itself drives.
CHANGES: dict[str, Mapping[str, Any]] = {
    '': {}, 'blind': {}, 'no_tracking': NO_TRACKING, 'textbook': TEXTBOOK,
}  # fmt: skip
# Baselines that use no costmap: they ignore obstacles or know their true positions.
UNSEEING = ('standing', 'blind', 'orca', 'orca_room')
BASELINES = ('standing', 'blind', 'no_tracking', 'textbook', 'orca', 'orca_room')


class Standing:
    """Baseline that never moves."""

    def set_odometry(self, odometry: Odometry) -> None:
        """Ignore a measurement."""
        del odometry

    def set_costmap(self, stamp: float, costmap: Costmap) -> None:
        """Ignore a costmap."""
        del stamp, costmap

    def set_scan(self, scan: Scan) -> None:
        """Ignore a scan."""
        del scan

    def set_plan(self, stamp: float, poses: NDArray[np.float64]) -> None:
        """Ignore a plan float64[N, 3]."""
        del stamp, poses

    def clear_plan(self) -> None:
        """Ignore that the plan is withdrawn."""
        return

    def tick(self, now: float) -> TickResult:
        """Return the command at a time [s]."""
        return _ticked(Command(0.0, 0.0, 0.0))


class Orca(Standing):
    """
    Optimal reciprocal collision avoidance, straight to the goal.

    It knows the exact positions and velocities of all moving obstacles and assumes that they
    contribute half of the avoidance. A robot that cannot move sideways turns toward the velocity
    of ORCA and drives its component along the heading.
    """

    def __init__(
        self,
        configuration: ControllerParameters,
        world: World,
        goal: tuple[float, float],
        room: float,
    ) -> None:
        """Drive to a goal x, y [m] with a radius that is larger by `room` [m]."""
        try:
            import pyrvo
        except ImportError:
            raise MppiError('ORCA needs pyrvo: pip install mppi_ros[people]') from None
        self._rvo = pyrvo
        self._limits = configuration.limits
        self._omni = configuration.motion_model == 'omni'
        self._radius = Footprint.of(configuration.robot).circumscribed_radius + room
        self._period = 1.0 / configuration.control_rate
        self._world, self._goal = world, goal
        self._odometry: Odometry | None = None

    def set_odometry(self, odometry: Odometry) -> None:
        """Take a measurement."""
        self._odometry = odometry

    def tick(self, now: float) -> TickResult:
        """Return the command at a time [s]."""
        if self._odometry is None:
            return _ticked(Command(0.0, 0.0, 0.0))
        o, limits = self._odometry, self._limits
        vx, vy = self._velocity(o, now)
        c, s = math.cos(o.yaw), math.sin(o.yaw)
        ahead, aside = c * vx + s * vy, c * vy - s * vx
        if self._omni:
            return _ticked(Command(ahead, aside, 0.0))
        turn = HEADING_GAIN * math.atan2(aside, ahead) if math.hypot(vx, vy) > 1e-3 else 0.0
        return _ticked(
            Command(max(ahead, 0.0), 0.0, min(max(turn, -limits.wz_max), limits.wz_max))
        )

    def _velocity(self, o: Odometry, now: float) -> tuple[float, float]:
        """Return the velocity of ORCA in the planning frame [m/s]."""
        c, s = math.cos(o.yaw), math.sin(o.yaw)
        own = c * o.vx - s * o.vy, s * o.vx + c * o.vy
        to_goal = self._goal[0] - o.x, self._goal[1] - o.y
        far = max(math.hypot(*to_goal), 1e-6)
        top = self._limits.vx_max
        wanted = min(top, far) / far
        simulator = self._rvo.RVOSimulator(
            self._period, NEIGHBOR_DISTANCE, NEIGHBORS, TIME_HORIZON, TIME_HORIZON, self._radius,
            top,
        )
        simulator.add_agent((o.x, o.y))
        simulator.set_agent_velocity(0, own)
        simulator.set_agent_pref_velocity(0, (wanted * to_goal[0], wanted * to_goal[1]))
        for obstacle in self._world.moving_obstacles:
            here, before = obstacle.at(now), obstacle.at(max(now - DIFFERENCE, 0.0))
            if here is None:
                continue
            velocity = (0.0, 0.0)
            if before is not None and now > 0.0:
                span = now - max(now - DIFFERENCE, 0.0)
                velocity = (here[0] - before[0]) / span, (here[1] - before[1]) / span
            number = simulator.add_agent((here[0], here[1]))
            simulator.set_agent_radius(number, here[2])
            simulator.set_agent_velocity(number, velocity)
            simulator.set_agent_pref_velocity(number, velocity)
        simulator.do_step()
        chosen = simulator.get_agent_velocity(0)
        vx, vy = (float(chosen.x), float(chosen.y)) if hasattr(chosen, 'x') else tuple(chosen)
        return vx, vy


def driver_of(
    baseline: str, world: World, goal: tuple[float, float, float]
) -> Callable[[ControllerParameters, int], Any] | None:
    """Return the factory of a baseline, or None if the controller drives."""
    if baseline == 'standing':
        return lambda configuration, seed: Standing()
    if baseline in ('orca', 'orca_room'):
        room = EXTRA_RADIUS if baseline == 'orca_room' else 0.0
        return lambda configuration, seed: Orca(configuration, world, goal[:2], room)
    return None


def _ticked(command: Command) -> TickResult:
    return TickResult(command, ControllerState.DRIVING, Reason.NONE, '', Statistics())
