"""
Check of the goal, with the options of Nav2's goal checkers: stateful position, symmetric heading.

A symmetric goal accepts two opposite headings. The robot is driven to one of them, the nearer one:
a cost of the smaller of both errors would have two minima, and the average of samples that turn to
either side does not turn.
"""

from __future__ import annotations

from collections.abc import Sequence
import math

from mppi_ros.driving.parameters import GoalParameters

HEADING_HYSTERESIS = 0.3  # [rad] beyond a quarter turn at which the other heading is chosen


class GoalChecker:
    """Checks poses, and keeps whether the position was reached and the heading that was chosen."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Check the position again and choose the heading again, for another goal."""
        self._position_reached = False
        self._opposite: bool | None = None  # whether the opposite heading was chosen

    def heading(self, goal_yaw: float, arrival: float, parameters: GoalParameters) -> float:
        """
        Return the heading to drive to [rad]: `goal_yaw`, or the opposite one of a symmetric goal.

        The nearer one to the heading on arrival is chosen, and kept within a hysteresis.
        """
        if not parameters.symmetric_yaw_tolerance:
            self._opposite = None
            return goal_yaw
        bias = 0.0 if self._opposite is None else HEADING_HYSTERESIS * (1 - 2 * self._opposite)
        turn = abs(math.remainder(goal_yaw - arrival, math.tau))
        self._opposite = turn > 0.5 * math.pi + bias
        return math.remainder(goal_yaw + math.pi, math.tau) if self._opposite else goal_yaw

    def update(
        self,
        poses: Sequence[Sequence[float]],
        goal: Sequence[float],
        parameters: GoalParameters,
        slack: float = 0.0,
    ) -> None:
        """
        Record that the position is reached, or that the robot has left it again.

        Parameters
        ----------
        poses : sequence of (float, float, float)
            x [m], y [m], yaw [rad] of the robot, and at rest after braking now. The position is
            reached if all are within its tolerance.
        goal : (float, float, float)
            x [m], y [m], yaw [rad].
        parameters : GoalParameters
            Tolerances.
        slack : float
            Added to the tolerance [m].

        """
        far = parameters.position_tolerance + slack
        if not parameters.stateful:
            self._position_reached = False
        elif all(math.dist(goal[:2], pose[:2]) <= far for pose in poses):
            self._position_reached = True
        elif parameters.position_tolerance_buffer > 0.0:
            far += parameters.position_tolerance_buffer
            self._position_reached &= math.dist(goal[:2], poses[0][:2]) <= far

    def accepts(
        self,
        pose: Sequence[float],
        goal: Sequence[float],
        parameters: GoalParameters,
        slack: float = 0.0,
    ) -> bool:
        """Return whether a pose is within the tolerances; see `GoalParameters.accepts`."""
        return parameters.accepts(pose, goal, slack, self._position_reached)
