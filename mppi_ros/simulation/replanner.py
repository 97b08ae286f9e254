"""When to replan: for the node `path_planner` and for episodes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.footprint import Footprint
from mppi_ros.simulation.grid_planner import legs_cost, plan

REPLAN_COST_RATIO = 1.1  # cost of the remaining plan over its cost when planned
REPLAN_DISTANCE = 0.6  # [m] of the robot from its plan, and of additional cost


class Replanner:
    """
    Keeps a plan to a goal, and replans when it costs more than it did or the robot has left it.

    Parameters
    ----------
    footprint : Footprint
        Of the robot.
    unknown_is_free : bool
        Plan through cells that are not known.

    Attributes
    ----------
    poses : float64[N, 3]
        The plan: x, y [m], yaw [rad]; [0, 3] if there is none.
    distance : float
        Distance of the robot from the plan at which to replan [m].

    """

    def __init__(self, footprint: Footprint, *, unknown_is_free: bool = False) -> None:
        self.poses: NDArray[np.float64] = np.empty((0, 3))
        self.distance = REPLAN_DISTANCE
        self.unknown_is_free = unknown_is_free
        self._footprint = footprint
        self._cost = np.empty(0)  # of each leg when it was planned

    def discard(self) -> None:
        """Discard the plan."""
        self.poses = np.empty((0, 3))

    def update(
        self,
        pose: NDArray[np.float64],
        goal: NDArray[np.float64],
        near: Costmap,
        known: Callable[[], Costmap],
    ) -> bool:
        """
        Plan if that is needed; return whether `poses` is another plan or none was found.

        Parameters
        ----------
        pose, goal : float64[3]
            x, y [m], yaw [rad].
        near : Costmap
            Surroundings of the robot, on which the plan is checked.
        known : callable
            Returns the costmap to plan on.

        Raises
        ------
        InputError
            The goal is in an obstacle or outside of the map; the plan is kept.

        """
        if len(self.poses) and not self._is_outdated(pose, near):
            return False
        costmap = known()
        found = plan(costmap, pose, goal, self._footprint, unknown_is_free=self.unknown_is_free)
        self.poses = np.empty((0, 3)) if found is None else found
        self._cost = self._costs(costmap)
        return True

    def _is_outdated(self, pose: NDArray[np.float64], near: Costmap) -> bool:
        away = np.hypot(*(self.poses[:, :2] - pose[:2]).T)
        nearest = int(np.argmin(away))
        if away[nearest] > self.distance:
            return True
        now, before = self._costs(near)[nearest:], self._cost[nearest:]
        # Legs beyond the costmap are assumed to cost what they did.
        change = np.where(now > 0.0, now - before, 0.0).sum()
        return bool(change > (REPLAN_COST_RATIO - 1.0) * before.sum() + REPLAN_DISTANCE)

    def _costs(self, costmap: Costmap) -> NDArray[np.float64]:
        return legs_cost(
            costmap, self.poses, self._footprint, unknown_is_free=self.unknown_is_free
        )
