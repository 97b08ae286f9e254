"""
Which way to turn at the goal: the heading to aim at next, where the goal faces far from the robot.

The cost of the heading is symmetric about the opposite of the goal's heading, and flat there: of
the samples one half turns to the left and the other to the right, and their average stands. A
heading to aim at that lies a quarter turn ahead, always on the same side, has neither fault.
"""

from __future__ import annotations

import math

import numpy as np

from mppi_ros.driving.distance_field import DistanceField
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.motion_models import MotionState

MAX_AIM_ANGLE = 0.5 * math.pi  # [rad] farthest that the heading to aim at lies ahead
SIDE_HYSTERESIS = 0.5 * math.pi  # [rad] difference of both ways round up to which the side is kept
CLEARANCE_STEP = 0.15  # [rad] between two headings at which the body is laid on the costmap


class GoalHeadingSelector:
    """
    Chooses the side on which a robot turns at its goal, and keeps to it.

    Attributes
    ----------
    free : bool
        A turn is left, and there is room for it.

    """

    def __init__(self) -> None:
        self._side = 0.0  # of the turn before: 1 to the left, −1 to the right, 0 none
        self.free = False

    def aim(
        self,
        here: MotionState,
        yaw: float,
        goal_yaw: float,
        field: DistanceField,
        footprint: Footprint,
    ) -> float:
        """
        Return the heading [rad] to aim at on the way from `yaw` to that of the goal.

        It is the goal's own where that lies no more than a quarter turn ahead and the body has
        room to turn there.

        Parameters
        ----------
        here : State
            Where the robot turns.
        yaw, goal_yaw : float
            Heading before and after the turn [rad].
        field : DistanceField
            Distance to the nearest obstacle.
        footprint : Footprint
            The body.

        """
        short = math.remainder(goal_yaw - yaw, math.tau)
        if abs(short) < CLEARANCE_STEP:
            self._side, self.free = 0.0, False
            return goal_yaw
        self._side = side = self._chosen(here, yaw, short, field, footprint)
        left = abs(short) if side * short > 0.0 else math.tau - abs(short)
        return yaw + side * min(left, MAX_AIM_ANGLE)

    def _chosen(
        self,
        here: MotionState,
        yaw: float,
        short: float,
        field: DistanceField,
        footprint: Footprint,
    ) -> float:
        """Return the side on which there is room, else the side before, else the shorter one."""
        side = math.copysign(1.0, short)
        other = math.tau - abs(short)
        free, free_other = (
            _room(here, yaw, turn, field, footprint)
            for turn in (short, -side * other)
        )
        self.free = free or free_other
        if free != free_other:
            return side if free else -side
        if self._side and other - abs(short) < SIDE_HYSTERESIS:
            return self._side
        return side


def _room(
    here: MotionState, yaw: float, turn: float, field: DistanceField, footprint: Footprint
) -> bool:
    """Tell whether the body touches nothing more on a turn [rad] than it does before it."""
    yaws = yaw + np.linspace(0.0, turn, 2 + int(abs(turn) / CLEARANCE_STEP))
    place = np.broadcast_to([here.x, here.y], (len(yaws), 2))
    clearance = footprint.clearance(field, np.column_stack([place, yaws]))
    return bool(clearance.min() > min(0.0, clearance[0] - 1e-9))
