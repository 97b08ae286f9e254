"""Controller node: odometry, costmap and plan in, velocity commands at a fixed rate out."""

# ruff: noqa: E402 - the ROS 2 wheels must be found before rclpy is imported
from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
import math
from pathlib import Path
import time
from typing import Any

from mppi_ros.ros import use_wheels

use_wheels()

from geometry_msgs.msg import Twist, TwistStamped
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from std_srvs.srv import SetBool, Trigger

from mppi_ros.control.controller import Controller
from mppi_ros.control.costmap_processing import ThreadedProcessor
from mppi_ros.control.inputs import Command
from mppi_ros.control.parameters import NODE_NAME, ControllerParameters
from mppi_ros.control.recording import RecordedController, Recorder
from mppi_ros.control.tick_result import Fault, Reason
from mppi_ros.control.warm_up import warm_up
from mppi_ros.jit.cache import on_miss
from mppi_ros.nodes.controller.diagnostics import ControllerDiagnostics
from mppi_ros.nodes.controller.follow_path_server import (
    CANCEL_TIMEOUT,
    FollowPathServer,
    scale_limits,
)
from mppi_ros.nodes.controller.inputs import ControllerInputs
from mppi_ros.nodes.controller.tick_watchdog import ExternalStopMonitor, TickWatchdog
from mppi_ros.nodes.controller.timing import ClockStepMonitor
from mppi_ros.nodes.controller.visualization import Visualization
from mppi_ros.parameters.errors import MppiError
from mppi_ros.ros import conversions
from mppi_ros.ros.lifecycle import ManagedNode, transition
from mppi_ros.ros.parameters import ParameterMixin
from mppi_ros.ros.process import interruptible, run
from mppi_ros.ros.qos import new_history
from mppi_ros.ros.realtime import IN_FORCE, take_privileges

FINAL_ZEROS = 3  # commands, after which Nav2's behaviors have cmd_vel for themselves
CLOCK_READ_TOLERANCE = 1e-3  # [s] between readings of two clocks that count as simultaneous
MAX_CLOCK_READINGS = 5  # attempts
COMPILING_MESSAGE = (
    'compiling the kernels, about 15 s on two cores: none are cached for this version'
)
TICK_LATE_FAULT = Fault(
    Reason.TICK_LATE, 'the control loop missed its deadline: zero velocity was published'
)
STOPPED_BY_OTHERS_FAULT = Fault(
    Reason.EXTERNAL_STOP,
    'another node published zero velocity on cmd_vel, as cmd_vel_watchdog does after a time-out',
)


class MppiController(ParameterMixin[ControllerParameters], ManagedNode):
    """
    Lifecycle node around `control.Controller`; see the table of topics in the README.

    One thread runs all callbacks, so each message, service call or parameter change takes effect
    between two ticks, without locks.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(NODE_NAME, **options)
        self.declare_configuration(ControllerParameters())
        self._controller: Controller | None = None
        self._timer: Any = None
        self._steps = ClockStepMonitor()
        self._speed_share = 1.0  # of the limits, from Nav2's speed_limit
        self._action: FollowPathServer | None = None
        self._zeros = 0  # commands of zero in succession
        self._entities = ExitStack()
        self._warned: tuple[str, ...] = ()
        self._seen_plans = new_history()  # deactivation discards the plan, also a latched one

    def start(self) -> None:
        """Configure and activate, unless a lifecycle manager does (autostart = false)."""
        if not self.configuration.interface.autostart:
            return
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() != TransitionCallbackReturn.SUCCESS:
                raise MppiError('the controller could not be started')

    def stop(self) -> None:
        """Stop the robot and release all entities."""
        self._halt()
        self._release()

    @transition
    def on_configure(self, state: LifecycleState) -> None:
        """Create the controller and all entities; compile or load the kernels."""
        with ExitStack() as entities:
            processor = ThreadedProcessor()
            entities.callback(processor.close)
            controller = self._make_controller(processor, entities)
            begun = time.monotonic()
            self.get_logger().info('loading kernels')
            with interruptible(), on_miss(self._report_compilation):
                warm_up(controller.configuration)
            self.get_logger().info(f'kernels ready after {time.monotonic() - begun:.1f} s')
            self._make_entities(controller, entities)
            self._entities = entities.pop_all()
        self._controller = controller
        self._warn(self.configuration)
        self._health.privileges = take_privileges(self.configuration.realtime)
        for what, status in self._health.privileges.items():
            if status != IN_FORCE:
                self.get_logger().warning(f'realtime.{what} is {status}')

    def _report_compilation(self) -> None:
        self.get_logger().info(COMPILING_MESSAGE, once=True)

    def _make_controller(self, processor: ThreadedProcessor, entities: ExitStack) -> Controller:
        interface = self.configuration.interface
        if not interface.record:
            return Controller(self.configuration, processor=processor)
        recorder = Recorder(
            Path(interface.record), 1e6 * interface.record_limit, self.get_logger().warning
        )
        entities.callback(recorder.close)
        return RecordedController(self.configuration, processor=processor, write=recorder.write)

    def _make_entities(self, controller: Controller, entities: ExitStack) -> None:
        """Create the ROS entities; `entities` destroys them, also after a partial failure."""
        stamped = self.configuration.interface.cmd_vel_stamped
        self._command: Any = self.create_lifecycle_publisher(
            TwistStamped if stamped else Twist, 'cmd_vel', 1
        )
        entities.callback(self.destroy_lifecycle_publisher, self._command)
        self._others = ExternalStopMonitor(self, TwistStamped if stamped else Twist)
        entities.callback(self._others.close)
        self.intake = ControllerInputs(self, controller, self._seen_plans)
        entities.callback(self.intake.close)
        self._health = ControllerDiagnostics(self, controller, self.intake)
        entities.callback(self._health.close)
        self._watchdog = TickWatchdog(self._send_last_zero)
        entities.callback(self._watchdog.close)
        self._views = Visualization(self, self.intake)
        entities.callback(self._views.close)
        if self.configuration.follow_path.enabled:
            self._action = FollowPathServer(self, self, self.intake)
            entities.callback(self._action.close)
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            timer = self.create_timer(CANCEL_TIMEOUT, self._action.end_unticked, clock=steady)
            entities.callback(self.destroy_timer, timer)
        for kind, name, answer in (
            (Trigger, '~/reset', self._on_reset), (SetBool, '~/enable', self._on_enable)
        ):
            entities.callback(self.destroy_service, self.create_service(kind, name, answer))

    @transition
    def on_activate(self, state: LifecycleState) -> None:
        """Start the control loop."""
        assert self._controller is not None
        super().on_activate(state)
        self._controller.reset()
        self._enabled = True
        self.limit_speed(1.0)
        period = 1.0 / self.configuration.control_rate
        self._health.begin(period)
        self._watchdog.arm(period, self.configuration.safety.watchdog_periods)
        self._steps.restart()
        self._others.occurred()  # discard commands of other nodes until now
        self._zeros = FINAL_ZEROS
        self._timer = self.create_timer(period, self._tick)
        if self._action is not None:
            self._action.activate()
        if not self.configuration.interface.autostart:
            self.bond()
        self.get_logger().info('active')

    @transition
    def on_deactivate(self, state: LifecycleState) -> None:
        """Stop the robot and the control loop; a new plan is required after it."""
        self._halt()
        self.intake.stop_following()
        self.get_logger().info('inactive: the plan is discarded')
        super().on_deactivate(state)

    @transition
    def on_cleanup(self, state: LifecycleState) -> None:
        """Destroy what `on_configure` created."""
        self._release()

    @transition
    def on_shutdown(self, state: LifecycleState) -> None:
        """Stop the robot and destroy all entities."""
        self.stop()

    @transition
    def on_error(self, state: LifecycleState) -> None:
        """Stop the robot and return to the unconfigured state."""
        self.stop()

    def apply_configuration(self, configuration: ControllerParameters) -> None:
        """Pass a changed configuration to the controller; the warm start is kept."""
        if self._controller is not None:
            self._controller.configure(scale_limits(configuration, self._speed_share))
            self._warn(configuration)
        if self._timer is not None:
            period = 1.0 / configuration.control_rate
            self._watchdog.arm(period, configuration.safety.watchdog_periods)
            if self._health.pace.period != period:
                self._health.retime(period)
                # Keep the due time of the next tick, so that frequent changes do not defer it.
                self._timer.timer_period_ns = round(1e9 * period)

    def _warn(self, configuration: ControllerParameters) -> None:
        """Log the warnings of a configuration that are not logged yet."""
        for warning in configuration.warnings:
            if warning not in self._warned:
                self.get_logger().warning(warning)
        self._warned = configuration.warnings

    def limit_speed(self, share: float) -> None:
        """Scale the maximum velocities by `share`, in (0, 1]; the parameters do not change."""
        if share != self._speed_share:
            self._speed_share = share
            self.apply_configuration(self.configuration)

    def _halt(self) -> None:
        if self._timer is None:
            return
        # Publish zero first, so that no later failure can prevent it.
        self._watchdog.disarm()
        self.destroy_timer(self._timer)
        self._timer = None
        self._publish_command(Command.ZERO, self._now())
        assert self._controller is not None
        self._controller.halt()
        self._health.state = 'inactive'
        if self._action is not None:
            self._action.deactivate()
        self.unbond()
        self._command.wait_for_all_acked(Duration(seconds=0.5))
        self.forget_destroyed()

    def _release(self) -> None:
        self._warned = ()
        self._controller = self._action = None
        self._entities.close()
        self.forget_destroyed()

    def _now(self) -> float:
        return float(self.get_clock().now().nanoseconds) * 1e-9

    def _clocks(self) -> tuple[float, float | None]:
        """
        Read the ROS clock and the steady clock simultaneously [s].

        Preemption between both readings would look like a clock jump. They are therefore
        repeated, and the closest pair is used. The steady time is None with simulated time.
        """
        if self.get_clock().ros_time_is_active:
            return self._now(), None
        best = math.inf, 0.0, 0.0
        for _ in range(MAX_CLOCK_READINGS):
            before = time.monotonic()
            now = self._now()
            after = time.monotonic()
            best = min(best, (after - before, now, 0.5 * (before + after)))
            if best[0] <= CLOCK_READ_TOLERANCE:
                break
        return best[1:]

    def _clock_fault(self, now: float, *, simulated: bool) -> Fault | None:
        """
        Return a fault if a simulated clock is too coarse for control; None otherwise.

        The time-out of the tick watchdog is extended for slow simulations.
        """
        period = self._health.pace.period
        if not simulated:
            if self._steps.hold:
                self._steps.restart()
                self._watchdog.arm(period, self.configuration.safety.watchdog_periods)
            return None
        self._steps.tick(now, time.monotonic())
        longest = max(period, self._steps.wall)
        self._watchdog.arm(longest, self.configuration.safety.watchdog_periods)
        message = self._steps.complaint(period)
        return Fault(Reason.TICK_LATE, message) if message else None

    @property
    def _yields(self) -> bool:
        """
        Whether cmd_vel is left to other nodes, such as Nav2's behavior_server.

        As Nav2's controller_server, the node publishes only while a goal of follow_path is active
        and until the robot stands.
        """
        idle = self._action is not None and not self._action.has_goal
        return idle and self._zeros >= FINAL_ZEROS

    def _tick(self) -> None:
        assert self._controller is not None
        begun = time.perf_counter()
        others = self._others.occurred() and not self._yields
        self._health.pace.tick(self._now())
        self.intake.take()
        if self._action is not None:
            self._action.take_limit()
        if not self._enabled:
            if self._action is not None:
                self._action.pause(self._now())
            return
        if self._yields:
            self._controller.halt()  # what the robot does now is not known
        now, steady = self._clocks()
        coarse = self._clock_fault(now, simulated=steady is None)
        late = TICK_LATE_FAULT if self._watchdog.kick() else None
        if others:
            late = STOPPED_BY_OTHERS_FAULT
        latency = self._health.latency
        tick = self._controller.tick(
            now, steady=steady, fault=coarse or late or self.intake.fault, latency=latency.value,
            hold=self._steps.hold_beyond(self._health.pace.period),
            budget=self.configuration.realtime.solve_share * self._health.pace.period,
        )  # fmt: skip
        if self._watchdog.tripped:
            tick = replace(tick, command=Command.ZERO)  # the next tick reports the fault
        sent = now
        if self._others.occurred() and not self._yields:
            # The command continues from the previous velocity, but the robot has been stopped.
            # Stamp zero with the current time, later than the stop command.
            self._controller.halt()
            tick, sent = replace(tick, command=Command.ZERO), self._now()
        if not self._yields:
            self._publish_command(tick.command, sent)
        self._zeros = self._zeros + 1 if tick.command == Command.ZERO else 0
        latency.add(self._now() - now)
        self._health.update(tick)
        if self._action is not None:
            self._action.update(tick, now)
        self._health.publish(now)
        self._views.publish(self._controller, now, self._health.pace.ticks, tick.state)
        self._health.note_cycle(1e3 * (time.perf_counter() - begun))

    def _send_last_zero(self) -> None:
        """Stop the robot from the watchdog thread."""
        if self._yields:
            return
        self._publish_command(Command.ZERO, self._now())
        self._health.publish_fault(TICK_LATE_FAULT)

    def _publish_command(self, command: Command, now: float) -> None:
        if self.configuration.interface.cmd_vel_stamped:
            frame = self.configuration.interface.base_frame
            message: Any = conversions.twist_stamped_to_msg(command, now, frame)
        else:
            message = conversions.twist_to_msg(command)
        self._others.add_own(message)
        self._command.publish(message)

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        assert self._controller is not None
        self._controller.reset()
        response.success = True
        response.message = 'warm start cleared'
        return response

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if self._timer is None:
            response.success, response.message = False, 'the node is not active'
            return response
        if self._enabled and not request.data:
            assert self._controller is not None
            self._watchdog.disarm()
            self._controller.halt()
            self._publish_command(Command.ZERO, self._now())
        self._enabled = request.data
        self._health.state = '' if request.data else 'disabled'
        response.success = True
        response.message = 'enabled' if request.data else 'disabled: cmd_vel is not published'
        return response


def main() -> None:
    """Run the node as a process."""
    run(MppiController, ControllerParameters)
