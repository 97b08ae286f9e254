"""The node that drives: odometry, costmap and path in, velocity commands out at a fixed rate."""

# ruff: noqa: E402 - the ROS 2 wheels must be found before rclpy is imported
from __future__ import annotations

from collections.abc import Callable
import dataclasses
import functools
import math
import time
import traceback
from typing import Any

from mppi_ros.nodes import use_wheels

use_wheels()

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped, Twist, TwistStamped
from nav_msgs.msg import OccupancyGrid, Odometry, Path
import numpy as np
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import qos_profile_sensor_data
from rclpy.subscription import Subscription
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger
from visualization_msgs.msg import MarkerArray

from mppi_ros.control.controller import Controller
from mppi_ros.control.inputs import Command
from mppi_ros.control.report import State, Tick
from mppi_ros.control.settings import NODE_NAME, Configuration
from mppi_ros.mppi.errors import InputError, MppiError
from mppi_ros.nodes import conversions
from mppi_ros.nodes.frames import Frames
from mppi_ros.nodes.latched import subscribe_latched
from mppi_ros.nodes.parameters import ParameterMixin
from mppi_ros.nodes.process import run
from mppi_ros.nodes.timing import Pace, Window

CANDIDATES = 30  # drawn of all samples
CANDIDATES_RATE = 5.0  # [Hz] they take longer to draw than the tick to compute
LEVELS = {
    State.DRIVING: DiagnosticStatus.OK,
    State.REACHED: DiagnosticStatus.OK,
    State.WAITING: DiagnosticStatus.WARN,
    State.BRAKING: DiagnosticStatus.WARN,
}


@dataclasses.dataclass(frozen=True)
class Route:
    """Where to go: the poses of a plan, or one goal, as they came."""

    frame: str
    stamp: float
    poses: NDArray[np.float64]
    is_goal: bool


def _transition(callback: Callable[..., Any]) -> Callable[..., TransitionCallbackReturn]:
    # rclpy turns an exception in a transition into ERROR without a word.
    @functools.wraps(callback)
    def logged(node: MppiController, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            callback(node, state)
        except MppiError as error:
            node.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        except Exception:
            node.get_logger().fatal(traceback.format_exc())
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    return logged


class MppiController(ParameterMixin[Configuration], LifecycleNode):
    """
    Managed node around `control.Controller`; see the table of topics in the README.

    One thread runs all callbacks: a message, a service or a parameter change is seen by the next
    tick as a whole, without locks.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(NODE_NAME, **options)
        self.declare_configuration(Configuration())
        self._controller: Controller | None = None
        self._timer: Any = None

    def start(self) -> None:
        """Configure and activate, unless a lifecycle manager does."""
        if not self.configuration.interface.autostart:
            return
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() != TransitionCallbackReturn.SUCCESS:
                raise MppiError('the controller could not be started')

    def stop(self) -> None:
        """Leave the robot standing."""
        self._halt()
        self._release()

    @_transition
    def on_configure(self, state: LifecycleState) -> None:
        """Make the controller and every entity; compile or load the kernels."""
        controller = Controller(self.configuration)
        begun = time.monotonic()
        self.get_logger().info('loads its kernels; the first start compiles them')
        controller.warm_up()
        self.get_logger().info(f'kernels are ready after {time.monotonic() - begun:.1f} s')
        self._controller = controller
        self._faults: dict[str, str] = {}
        self._frame = ''
        self._route: Route | None = None
        self._enabled = True
        self._last_tick: Tick | None = None
        self._frames = Frames(self)
        stamped = self.configuration.interface.cmd_vel_stamped
        publisher = self.create_lifecycle_publisher
        self._command = publisher(TwistStamped if stamped else Twist, 'cmd_vel', 1)
        self._optimal = publisher(Path, '~/optimal_trajectory', 1)
        self._candidates = publisher(MarkerArray, '~/candidate_trajectories', 1)
        self._statistics = publisher(DiagnosticArray, '~/statistics', 1)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 1)
        self._odom = self.create_subscription(
            Odometry, 'odom', self._on_odom, qos_profile_sensor_data
        )
        self._goal = self.create_subscription(PoseStamped, 'goal_pose', self._on_goal, 1)
        self._latched: list[list[Subscription]] = [
            subscribe_latched(self, OccupancyGrid, 'costmap', self._on_costmap),
            subscribe_latched(self, Path, 'plan', self._on_plan),
        ]
        self._servers = [
            self.create_service(Trigger, '~/reset', self._on_reset),
            self.create_service(SetBool, '~/enable', self._on_enable),
        ]
        self._slow_timer = self.create_timer(
            1.0, self._publish_diagnostics, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    @_transition
    def on_activate(self, state: LifecycleState) -> None:
        """Start the tick."""
        assert self._controller is not None
        super().on_activate(state)
        self._controller.reset()
        self._enabled, self._last_tick = True, None
        self._solve, self._cycle = Window(), Window()
        self._start_timer()

    @_transition
    def on_deactivate(self, state: LifecycleState) -> None:
        """Stop the robot and the tick."""
        self._halt()
        super().on_deactivate(state)

    @_transition
    def on_cleanup(self, state: LifecycleState) -> None:
        """Unmake what `on_configure` made."""
        self._release()

    @_transition
    def on_shutdown(self, state: LifecycleState) -> None:
        """Stop the robot and unmake everything."""
        self.stop()

    @_transition
    def on_error(self, state: LifecycleState) -> None:
        """Stop the robot and go back to unconfigured."""
        self.stop()

    def apply_configuration(self, configuration: Configuration) -> None:
        """Hand a changed configuration to the controller; the warm start is kept."""
        if self._controller is not None:
            self._controller.configure(configuration)
        if self._timer is not None and self._pace.period != 1.0 / configuration.control_rate:
            self.destroy_timer(self._timer)
            self._start_timer()

    def _start_timer(self) -> None:
        period = 1.0 / self.configuration.control_rate
        self._pace = Pace(period)
        self._timer = self.create_timer(period, self._tick)

    def _halt(self) -> None:
        if self._timer is None:
            return
        self.destroy_timer(self._timer)
        self._timer = None
        assert self._controller is not None
        self._controller.halt()
        self._publish_command(Command.ZERO, self._now())
        self._command.wait_for_all_acked(Duration(seconds=0.5))

    def _release(self) -> None:
        if self._controller is None:
            return
        self._controller = None
        self._frames.close()
        self.destroy_timer(self._slow_timer)
        for subscription in (self._odom, self._goal, *(s for pair in self._latched for s in pair)):
            self.destroy_subscription(subscription)
        for service in self._servers:
            self.destroy_service(service)
        for publisher in (self._command, self._optimal, self._candidates, self._statistics):
            self.destroy_lifecycle_publisher(publisher)
        self.destroy_publisher(self._diagnostics)

    def _now(self) -> float:
        return float(self.get_clock().now().nanoseconds) * 1e-9

    def _tick(self) -> None:
        assert self._controller is not None
        begun = time.perf_counter()
        now = self._now()
        self._pace.tick(now)
        if not self._enabled:
            return
        tick = self._controller.tick(now, fault=next(iter(self._faults.values()), ''))
        self._publish_command(tick.command, now)
        if self._last_tick is None or tick.state is not self._last_tick.state:
            self._log_state(tick)
        self._last_tick = tick
        self._publish_views(now)
        if not math.isnan(tick.statistics.solve_ms):
            self._solve.add(tick.statistics.solve_ms)
        self._cycle.add(1e3 * (time.perf_counter() - begun))

    def _publish_command(self, command: Command, now: float) -> None:
        if self.configuration.interface.cmd_vel_stamped:
            frame = self.configuration.interface.base_frame
            self._command.publish(conversions.twist_stamped_to_msg(command, now, frame))
        else:
            self._command.publish(conversions.twist_to_msg(command))

    def _publish_views(self, now: float) -> None:
        assert self._controller is not None
        if self._optimal.get_subscription_count():
            poses = self._controller.optimal_trajectory()
            self._optimal.publish(conversions.path_to_msg(poses, now, self._frame))
        every = max(round(self.configuration.control_rate / CANDIDATES_RATE), 1)
        if self._pace.ticks % every == 0 and self._candidates.get_subscription_count():
            trajectories, weights = self._controller.candidate_trajectories(CANDIDATES)
            self._candidates.publish(
                conversions.candidates_to_msg(
                    trajectories, weights, stamp=now, frame=self._frame
                )
            )
        if self._statistics.get_subscription_count():
            self._statistics.publish(self._status(now))

    def _log_state(self, tick: Tick) -> None:
        words = f'{tick.state.value}: {tick.reason}' if tick.reason else str(tick.state.value)
        if tick.state is State.STOPPED:
            self.get_logger().warning(words)
        else:
            self.get_logger().info(words)

    def _publish_diagnostics(self) -> None:
        self._diagnostics.publish(self._status(self._now()))

    def _status(self, now: float) -> DiagnosticArray:
        name = f'{self.get_fully_qualified_name()}: control'
        tick = self._last_tick
        if self._timer is None or not self._enabled:
            state = 'inactive' if self._timer is None else 'disabled'
            return conversions.diagnostics_to_msg(now, name, DiagnosticStatus.OK, state, {})
        if tick is None:
            words = 'no tick yet' if now else 'no tick yet: the clock stands at 0'
            return conversions.diagnostics_to_msg(now, name, DiagnosticStatus.WARN, words, {})
        values: dict[str, object] = {'state': tick.state.value, 'reason': tick.reason}
        values.update({key: float(value) for key, value in vars(tick.statistics).items()})
        assert self._controller is not None
        costs = self._controller.costs()
        values.update({f'cost.{critic}': cost for critic, cost in costs.items()})
        windows = {
            'solve_ms': self._solve, 'cycle_ms': self._cycle, 'period_ms': self._pace.periods
        }
        for key, window in windows.items():
            p50, p99, largest = window.summary()
            values.update({f'{key}.p50': p50, f'{key}.p99': p99, f'{key}.max': largest})
        values.update({'ticks': self._pace.ticks, 'missed_ticks': self._pace.missed})
        values.update({f'fault.{what}': words for what, words in self._faults.items()})
        level = LEVELS.get(tick.state, DiagnosticStatus.ERROR)
        return conversions.diagnostics_to_msg(
            now, name, level, tick.reason or tick.state.value, values
        )

    def _accept(self, what: str, take: Callable[[], None]) -> None:
        """Take an input, or note why not: a fault brakes the robot until a good one comes."""
        try:
            take()
        except InputError as error:
            words = f'{what} refused: {error}'
        except Exception as error:  # a mistake in this program must not end it, either
            words = f'{what} refused: {type(error).__name__}: {error}'
        else:
            if self._faults.pop(what, None):
                self.get_logger().info(f'{what} is good again')
            return
        if what not in self._faults:
            self.get_logger().error(words)
        self._faults[what] = words

    def _stamp(self, header: Header) -> float:
        # A stamp of zero means 'now' throughout ROS: `ros2 topic pub` sends it.
        return conversions.seconds_from_msg(header.stamp) or self._now()

    def _on_odom(self, message: Odometry) -> None:
        def take() -> None:
            assert self._controller is not None
            odometry = conversions.odometry_from_msg(message, self._stamp(message.header))
            source = message.header.frame_id
            if source != (self._frame or source):
                pose = np.array([[odometry.x, odometry.y, odometry.yaw]])
                x, y, yaw = self._frames.transform(pose, 'odometry', source, self._frame)[0]
                odometry = dataclasses.replace(odometry, x=x, y=y, yaw=yaw)
            self._controller.set_odometry(odometry)

        self._accept('odometry', take)

    def _on_costmap(self, message: OccupancyGrid) -> None:
        def take() -> None:
            assert self._controller is not None
            costmap = conversions.costmap_from_msg(message)
            self._controller.set_costmap(self._stamp(message.header), costmap)
            self._frame = message.header.frame_id

        self._accept('costmap', take)
        route = self._route
        if route is not None and (route.frame != self._frame or 'plan' in self._faults):
            self._accept('plan', self._follow_route)

    def _on_plan(self, message: Path) -> None:
        def take() -> None:
            self._route = None
            poses = conversions.path_from_msg(message)
            self._route = Route(
                message.header.frame_id, self._stamp(message.header), poses, is_goal=False
            )
            self._follow_route()

        self._accept('plan', take)

    def _on_goal(self, message: PoseStamped) -> None:
        if self.count_publishers(self.resolve_topic_name('plan')):
            self.get_logger().info('goal_pose is left to the planner that publishes plan')
            return

        def take() -> None:
            self._route = None
            pose = conversions.pose_from_msg(message.pose, 'goal_pose.pose')
            stamp = self._stamp(message.header)
            self._route = Route(message.header.frame_id, stamp, np.array([pose]), is_goal=True)
            self._follow_route()

        self._accept('plan', take)

    def _follow_route(self) -> None:
        """Hand the route to the controller in the frame of the costmap; an empty plan ends it."""
        assert self._controller is not None
        assert self._route is not None
        route = self._route
        if not len(route.poses):
            self._controller.clear_plan()
            return
        poses = self._frames.transform(
            route.poses, 'plan', route.frame, self._frame or route.frame
        )
        if route.is_goal:
            x, y, yaw = poses[0]
            self._controller.set_goal(route.stamp, float(x), float(y), float(yaw))
        else:
            self._controller.set_plan(route.stamp, poses)

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        assert self._controller is not None
        self._controller.reset()
        response.success = True
        response.message = 'the warm start is forgotten'
        return response

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if self._timer is None:
            response.success, response.message = False, 'the node is not active'
            return response
        if self._enabled and not request.data:
            assert self._controller is not None
            self._controller.halt()
            self._publish_command(Command.ZERO, self._now())
        self._enabled = request.data
        response.success = True
        response.message = 'enabled' if request.data else 'disabled: cmd_vel is free'
        return response


def main() -> None:
    """Run the node as a process."""
    run(MppiController)
