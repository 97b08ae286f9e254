"""FollowPath action server and speed limits, compatible with Nav2's controller_server."""

from __future__ import annotations

from dataclasses import dataclass, replace
import math
import time
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.lifecycle import LifecycleNode
from rclpy.task import Future

from mppi_ros.control.inputs import Command
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.progress import MovementTimer
from mppi_ros.control.tick_result import ControllerState, Reason, Statistics, TickResult
from mppi_ros.nodes.controller.inputs import ControllerInputs
from mppi_ros.parameters.errors import ParameterError
from mppi_ros.ros import conversions

try:
    from nav2_msgs.action import FollowPath
    from nav2_msgs.msg import SpeedLimit
except ImportError:  # nav2_msgs is optional
    FollowPath = SpeedLimit = None

CANCEL_TIMEOUT = 0.5  # [s] without a tick after which a cancelled goal ends
MIN_SPEED_LIMIT = 0.01  # [m/s] lower limits are raised to this value
# Names of result codes. bt_navigator recovers from NO_VALID_CONTROL and FAILED_TO_MAKE_PROGRESS.
# Humble has no result codes, and Iron no CONTROLLER_TIMED_OUT.
FAILURE_CODES = {
    Reason.COLLISION_AHEAD: 'NO_VALID_CONTROL',
    Reason.PATH_BLOCKED: 'FAILED_TO_MAKE_PROGRESS',
    Reason.PROGRESS_TIMEOUT: 'FAILED_TO_MAKE_PROGRESS',
    Reason.NO_FINITE_PLAN: 'NO_VALID_CONTROL',
    Reason.IN_CONTACT: 'NO_VALID_CONTROL',
    Reason.TRANSFORM_MISSING: 'TF_ERROR',
    Reason.TRANSFORM_OLD: 'TF_ERROR',
    Reason.PLAN_REFUSED: 'INVALID_PATH',
    Reason.PLAN_OLD: 'INVALID_PATH',
    Reason.PLAN_AHEAD: 'INVALID_PATH',
    Reason.ODOMETRY_MISSING: 'CONTROLLER_TIMED_OUT',
    Reason.ODOMETRY_OLD: 'CONTROLLER_TIMED_OUT',
    Reason.COSTMAP_MISSING: 'CONTROLLER_TIMED_OUT',
    Reason.COSTMAP_PENDING: 'CONTROLLER_TIMED_OUT',
    Reason.COSTMAP_OLD: 'CONTROLLER_TIMED_OUT',
}


class SpeedLimited(Protocol):
    """Interface of the node that the action server requires."""

    configuration: ControllerParameters

    def limit_speed(self, share: float) -> None:
        """Scale the maximum velocities by `share`, in (0, 1]."""


@dataclass
class _ActiveGoal:
    """
    Active goal.

    `drove` is the time of the last driving tick [s]; `pose` is the last known one, x [m], y [m],
    yaw [rad].
    """

    handle: Any
    result: Future
    drove: float
    pose: tuple[float, float, float]
    movement: MovementTimer


class FollowPathServer:
    """
    Serves one goal at a time; a new goal preempts the previous one without a stop.

    `update` runs once per tick and does all work. Any controller_id and goal_checker_id is
    accepted: there is one controller, and it checks the goal with the parameters goal.*.
    """

    def __init__(
        self, node: LifecycleNode, driver: SpeedLimited, intake: ControllerInputs
    ) -> None:
        """
        Create the action server and subscribe to speed_limit; `close` removes both.

        Raises
        ------
        ParameterError
            nav2_msgs is not installed.

        """
        if FollowPath is None:
            raise ParameterError('follow_path.enabled = true needs the package nav2_msgs')
        self._node, self._driver, self._intake = node, driver, intake
        self._goal: _ActiveGoal | None = None
        self._active = False
        self._paused = False
        self._pending_limit: Any = None
        # A plan, and its length up to each pose [m].
        self._measured: tuple[Any, NDArray[np.float64]] = None, np.zeros(1)
        self._ticked = time.monotonic()  # [s]
        self._server = ActionServer(
            node,
            FollowPath,
            'follow_path',
            execute_callback=FollowPath.Result,  # replaced for each goal
            goal_callback=self._on_goal,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=self._on_cancel,
        )
        self._limit = node.create_subscription(SpeedLimit, 'speed_limit', self._keep_limit, 1)

    def close(self) -> None:
        """Destroy the action server and the subscription."""
        self._node.destroy_subscription(self._limit)
        self._server.destroy()

    @property
    def has_goal(self) -> bool:
        """Whether a goal is active."""
        return self._goal is not None

    def activate(self) -> None:
        """Accept goals."""
        self._active = True

    def deactivate(self) -> None:
        """Abort the active goal and reject new ones."""
        self._active = False
        if self._goal is not None:
            self._end('abort', 'UNKNOWN', 'the controller was deactivated')

    def take_limit(self) -> None:
        """Apply the most recent speed limit received since the previous tick."""
        message, self._pending_limit = self._pending_limit, None
        if message is not None:
            self._on_limit(message)

    def pause(self, now: float) -> None:
        """
        Handle a tick while the controller is disabled by `~/enable`.

        A cancelled goal ends at once, since zero velocity has been published. Any other goal
        waits: the paused time does not count as a failure.
        """
        self._ticked = time.monotonic()
        goal = self._goal
        if goal is None:
            self._paused = False
        elif goal.handle.is_cancel_requested:
            self._end('canceled')
        else:
            if not self._paused:
                self._node.get_logger().warning(
                    'follow_path is paused: the controller is disabled, see ~/enable'
                )
            self._paused = True
            goal.drove = now
            goal.movement.restart()
            goal.handle.publish_feedback(self._feedback(Statistics(), now))

    def end_unticked(self) -> None:
        """
        End a cancelled goal if no tick occurs, for example because a simulated clock is paused.

        The tick watchdog has already published zero velocity.
        """
        goal = self._goal
        if goal is None or not goal.handle.is_cancel_requested:
            return
        if time.monotonic() - self._ticked >= CANCEL_TIMEOUT:
            self._end('canceled')

    def update(self, tick: TickResult, now: float) -> None:
        """Publish feedback; end the goal if it is reached, failed or cancelled."""
        self._ticked, self._paused = time.monotonic(), False
        goal = self._goal
        if goal is None:
            return
        if goal.handle.is_cancel_requested:
            if tick.command == Command.ZERO:
                self._end('canceled')
            return
        goal.handle.publish_feedback(self._feedback(tick.statistics, now))
        if tick.state is ControllerState.REACHED:
            self._end('succeed')
            return
        goal.drove = min(goal.drove, now)  # if the clock jumped back
        settings = self._driver.configuration.follow_path
        odometry = self._intake.odometry
        if odometry is not None:
            goal.pose = (odometry.x, odometry.y, odometry.yaw)
        if tick.state is ControllerState.DRIVING or tick.code is Reason.GOAL_REACHED:
            goal.drove = now
        idle = goal.movement.elapsed(now, goal.pose, *settings.movement)
        if now - goal.drove > settings.failure_tolerance:
            self._end('abort', FAILURE_CODES.get(tick.code, 'UNKNOWN'), tick.reason)
        elif idle > settings.progress_time:
            self._end('abort', 'FAILED_TO_MAKE_PROGRESS', settings.too_little)

    def _on_goal(self, request: Any) -> GoalResponse:
        if self._active:
            return GoalResponse.ACCEPT
        self._node.get_logger().error('follow_path refused: the controller is not active')
        return GoalResponse.REJECT

    def _on_accepted(self, handle: Any) -> None:
        if self._goal is not None:
            how = 'canceled' if self._goal.handle.is_cancel_requested else 'abort'
            self._end(how, 'NONE', 'preempted by a new goal', keep_plan=True)
        now = float(self._node.get_clock().now().nanoseconds) * 1e-9
        odometry = self._intake.odometry
        pose = (math.inf, math.inf, 0.0)
        if odometry is not None:
            pose = (odometry.x, odometry.y, odometry.yaw)
        result = Future()

        async def until_the_end(_: Any) -> Any:
            return await result

        self._goal = _ActiveGoal(handle, result, now, pose, MovementTimer())
        self._goal.movement.elapsed(now, pose, *self._driver.configuration.follow_path.movement)
        handle.execute(until_the_end)
        path = handle.request.path
        if not path.poses:
            self._end('abort', 'INVALID_PATH', 'the path has no poses')
            return
        fault = self._intake.follow(path)
        if fault is not None and fault.code is Reason.PLAN_REFUSED:
            self._end('abort', 'INVALID_PATH', fault.message)

    def _on_cancel(self, handle: Any) -> CancelResponse:
        # The robot brakes within its limits; `update` ends the goal at zero velocity.
        self._intake.stop_following()
        return CancelResponse.ACCEPT

    def _end(
        self, how: str, code: str = 'NONE', message: str = '', keep_plan: bool = False
    ) -> None:
        """End the goal by the method `how` of its handle, with the named result code."""
        goal, self._goal = self._goal, None
        assert goal is not None
        if message:
            self._node.get_logger().warning(f'follow_path: {code}: {message}')
        result = FollowPath.Result()
        if hasattr(result, 'error_code'):  # since Iron
            unknown = FollowPath.Result.UNKNOWN
            result.error_code = getattr(FollowPath.Result, code, unknown)
        if hasattr(result, 'error_msg'):  # since Jazzy of 2025
            result.error_msg = message
        getattr(goal.handle, how)()
        goal.result.set_result(result)
        if not keep_plan:
            self._intake.stop_following()

    def _feedback(self, statistics: Statistics, now: float) -> Any:
        """Return the feedback as Nav2's controller_server computes it."""
        feedback = FollowPath.Feedback()
        odometry, plan = self._intake.odometry, self._intake.plan
        progress, cross_track, distance = (
            0.0 if math.isnan(value) else value
            for value in (statistics.progress, statistics.cross_track, statistics.distance_to_goal)
        )
        at, remaining = self._place_on(plan, progress)
        speed = 0.0 if odometry is None else math.hypot(odometry.vx, odometry.vy)
        tracking = getattr(feedback, 'tracking_feedback', None)
        if tracking is None:  # until Kilted
            feedback.distance_to_goal, feedback.speed = remaining, speed
            return feedback
        tracking.header.stamp = conversions.seconds_to_msg(now)
        tracking.header.frame_id = self._intake.frame
        tracking.speed, tracking.distance_to_goal = speed, distance
        tracking.remaining_path_length, tracking.current_path_index = remaining, at
        tracking.position_tracking_error = cross_track
        tracking.robot_pose.header = tracking.header
        if odometry is not None:
            tracking.robot_pose.pose = conversions.pose_to_msg(
                odometry.x, odometry.y, odometry.yaw
            )
            if at + 1 < len(plan):
                (dx, dy, _) = plan[at + 1] - plan[at]
                error = math.remainder(math.atan2(dy, dx) - odometry.yaw, math.tau)
                tracking.heading_tracking_error = error
        return feedback

    def _place_on(self, plan: NDArray[np.float64], progress: float) -> tuple[int, float]:
        """Return the index of the pose before a progress [m], and the remaining length [m]."""
        if plan is not self._measured[0]:
            steps = np.hypot(*np.diff(plan[:, :2], axis=0).T)
            self._measured = plan, np.concatenate(([0.0], np.cumsum(steps)))
        along = self._measured[1]
        at = int(np.searchsorted(along, progress, side='right')) - 1
        return min(max(at, 0), max(len(plan) - 2, 0)), max(float(along[-1]) - progress, 0.0)

    def _keep_limit(self, message: Any) -> None:
        self._pending_limit = message

    def _on_limit(self, message: Any) -> None:
        top = self._driver.configuration.limits.vx_max
        limit = message.speed_limit
        if not (math.isfinite(limit) and limit >= 0.0):
            self._node.get_logger().error(
                f'speed_limit = {limit!r} is invalid: a finite value >= 0 is required'
            )
            return
        share = limit / 100.0 if message.percentage else limit / top
        self._driver.limit_speed(min(share, 1.0) if limit else 1.0)


def scale_limits(configuration: ControllerParameters, share: float) -> ControllerParameters:
    """Return a configuration with the maximum velocities scaled by `share`, in (0, 1]."""
    if share == 1.0:
        return configuration
    limits = configuration.limits
    return replace(
        configuration,
        limits=replace(
            limits,
            vx_max=max(share * limits.vx_max, MIN_SPEED_LIMIT),
            vx_min=share * limits.vx_min,
            vy_max=max(share * limits.vy_max, MIN_SPEED_LIMIT),
            wz_max=max(share * limits.wz_max, MIN_SPEED_LIMIT),
        ),
    )
