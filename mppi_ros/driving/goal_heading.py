"""
Direction of the turn at the goal: an intermediate heading if the goal faces far from the robot.

The heading cost is symmetric and flat at the heading opposite to the goal. Half of the samples
then turn left and half turn right, and their average does not turn. An intermediate heading a
quarter turn ahead, always on the same side, avoids both.
"""

from __future__ import annotations

import math

import numpy as np

from mppi_ros.driving.distance_field import DistanceField
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.motion_models import MotionState

MAX_AIM_ANGLE = 0.5 * math.pi  # [rad] maximum angle to the intermediate heading
SIDE_HYSTERESIS = 0.5 * math.pi  # [rad] difference of both turns up to which the side is kept
CLEARANCE_STEP = 0.15  # [rad] between two headings of the clearance check


class GoalHeadingSelector:
    """
    Selects the side on which a robot turns at its goal, with hysteresis.

    Attributes
    ----------
    free : bool
        A turn remains and there is room for it.
    clearance : float
        Least clearance during the remaining turn [m]; infinite if none remains.

    """

    def __init__(self) -> None:
        self._side = 0.0  # of the last turn: 1 left, −1 right, 0 none
        self.free = False
        self.clearance = math.inf

    def aim(
        self,
        here: MotionState,
        yaw: float,
        goal_yaw: float,
        field: DistanceField,
        footprint: Footprint,
    ) -> float:
        """
        Return the heading [rad] to aim at on the turn from `yaw` to the heading of the goal.

        It is the heading of the goal if that is at most a quarter turn ahead and the body has room
        to turn there.

        Parameters
        ----------
        here : MotionState
            State at the place of the turn.
        yaw, goal_yaw : float
            Heading before and after the turn [rad].
        field : DistanceField
            Distance to the nearest obstacle.
        footprint : Footprint
            Footprint of the robot.

        """
        short = math.remainder(goal_yaw - yaw, math.tau)
        if abs(short) < CLEARANCE_STEP:
            self._side, self.free, self.clearance = 0.0, False, math.inf
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
        """Return the only free side, else the previous side, else the shorter one."""
        side = math.copysign(1.0, short)
        other = math.tau - abs(short)
        (free, least), (free_other, least_other) = (
            _room(here, yaw, turn, field, footprint)
            for turn in (short, -side * other)
        )
        self.free = free or free_other
        if free != free_other:
            chosen = side if free else -side
        elif self._side and other - abs(short) < SIDE_HYSTERESIS:
            chosen = self._side
        else:
            chosen = side
        self.clearance = least if chosen == side else least_other
        return chosen


def _room(
    here: MotionState, yaw: float, turn: float, field: DistanceField, footprint: Footprint
) -> tuple[bool, float]:
    """Return whether the body adds no contact during a turn [rad], and the least clearance [m]."""
    yaws = yaw + np.linspace(0.0, turn, 2 + int(abs(turn) / CLEARANCE_STEP))
    place = np.broadcast_to([here.x, here.y], (len(yaws), 2))
    clearance = footprint.clearance(field, np.column_stack([place, yaws]))
    least = float(clearance.min())
    return least > min(0.0, float(clearance[0]) - 1e-9), least
