"""Statistics of every tick, and diagnostics at 1 Hz (REP-107)."""

from __future__ import annotations

import math
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode

from mppi_ros.control.controller import Controller
from mppi_ros.control.tick_result import (
    NON_FAULTS,
    ControllerState,
    Fault,
    Reason,
    TickResult,
)
from mppi_ros.nodes.controller.inputs import ControllerInputs
from mppi_ros.nodes.controller.timing import DurationWindow, LatencyEstimate, TickPunctuality
from mppi_ros.ros import conversions, executor

LEVELS = {
    ControllerState.DRIVING: DiagnosticStatus.OK,
    ControllerState.REACHED: DiagnosticStatus.OK,
    ControllerState.WAITING: DiagnosticStatus.WARN,
    ControllerState.BRAKING: DiagnosticStatus.WARN,
}
EXCLUSIVE_TOPICS = ('cmd_vel', 'odom', 'costmap', 'plan')  # must have a single publisher
WATCHDOG_NODE = 'cmd_vel_watchdog'  # publishes only while cmd_vel is silent
# Nav2's nodes that publish cmd_vel while no goal of follow_path is active.
BEHAVIORS = ('behavior_server', 'recoveries_server', 'docking_server')
# Name prefixes of nodes that only monitor cmd_vel.
LISTENERS = (WATCHDOG_NODE, '_', 'rosbag2', 'mppi_dashboard')
NO_CLOCK = 'the clock is at 0: use_sim_time is true, and no message has arrived on /clock'
BRAKING_SUFFIX = ': braking'  # of a reason; redundant with the state
LEVEL_HOLD = 3.0  # [s] a level is held after its cause is gone, to avoid flicker


class ControllerDiagnostics:
    """
    Collects tick results and publishes statistics and diagnostics.

    Attributes
    ----------
    state : str
        Why no tick is expected, 'inactive' or 'disabled'; '' while active.
    pace : TickPunctuality
        Numbers of ticks and missed ticks.
    latency : LatencyEstimate
        Time from the start of a tick until its command is sent.
    privileges : dict of str to str
        State of each requested real-time option.

    """

    def __init__(
        self, node: LifecycleNode, controller: Controller, intake: ControllerInputs
    ) -> None:
        """Create publishers and timer; `close` destroys them."""
        self._node, self._controller, self._intake = node, controller, intake
        self._statistics: Any = node.create_lifecycle_publisher(
            DiagnosticArray, '~/statistics', 1, event_callbacks=executor.PUBLISHER
        )
        self._diagnostics = node.create_publisher(
            DiagnosticArray, '/diagnostics', 1, event_callbacks=executor.PUBLISHER
        )
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(1.0, self._look_and_publish, clock=self._clock)
        self.privileges: dict[str, str] = {}
        self._warned: tuple[float, ...] = ()  # width, height, speed
        self._graph: dict[str, str] = {}  # message per topic
        self.begin(1.0 / controller.configuration.control_rate)
        self.state = 'inactive'

    def close(self) -> None:
        """Destroy publishers and timer."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_lifecycle_publisher(self._statistics)
        self._node.destroy_publisher(self._diagnostics)

    def begin(self, period: float) -> None:
        """Reset the statistics for ticks every `period` [s]."""
        self.state = ''
        self.pace = TickPunctuality(period)
        self.latency = LatencyEstimate()
        self._last: TickResult | None = None
        self._solve, self._cycle = DurationWindow(), DurationWindow()
        self._worst: tuple[int, str, float] = (0, '', -math.inf)

    def retime(self, period: float) -> None:
        """Change the expected period of ticks [s]."""
        self.pace = TickPunctuality(period)

    def update(self, tick: TickResult) -> None:
        """Add a tick result; log state changes and publish changed diagnostics at once."""
        last, self._last = self._last, tick
        if last is None or tick.state is not last.state:
            reason = tick.reason.removesuffix(BRAKING_SUFFIX)
            message = f'{tick.state.value}: {reason}' if reason else tick.state.value
            logger = self._node.get_logger()
            fault = tick.code not in NON_FAULTS and tick.code is not Reason.NONE
            braking = tick.state is ControllerState.BRAKING and fault
            if tick.state is ControllerState.STOPPED or braking:
                logger.warning(message)
            else:
                logger.info(message)
        if not math.isnan(tick.statistics.solve_ms):
            self._solve.add(tick.statistics.solve_ms)
        level, message = self._level(tick)
        seconds = self._clock.now().nanoseconds * 1e-9
        if level >= self._worst[0] or abs(seconds - self._worst[2]) > LEVEL_HOLD:
            self._worst = (level, message, seconds)
        if last is None or (tick.state, tick.code) != (last.state, last.code):
            self._publish_diagnostics()

    def publish_fault(self, fault: Fault) -> None:
        """Publish a fault outside a tick; thread-safe."""
        now = float(self._node.get_clock().now().nanoseconds) * 1e-9
        values: dict[str, object] = {
            'state': ControllerState.STOPPED.value, 'code': fault.code.value,
            'reason': fault.message,
        }
        self._diagnostics.publish(self._message(now, 2, fault.message, values))

    def note_cycle(self, milliseconds: float) -> None:
        """Add the duration of a complete tick, including messages and visualization [ms]."""
        self._cycle.add(milliseconds)

    def publish(self, now: float) -> None:
        """Publish the statistics of the latest tick, if subscribed to."""
        if self._statistics.get_subscription_count() and self._last is not None:
            level, message = self._level(self._last)
            self._statistics.publish(self._message(now, level, message, self._values(self._last)))

    @staticmethod
    def _level(tick: TickResult) -> tuple[int, str]:
        level = LEVELS.get(tick.state, DiagnosticStatus.ERROR)
        if tick.code is Reason.GOAL_REACHED:  # braking at the goal is normal
            level = DiagnosticStatus.OK
        return level[0], tick.reason or tick.state.value

    def _look_and_publish(self) -> None:
        self.look_at_graph()
        if not self.state and self._last is None and not self._node.get_clock().now().nanoseconds:
            self._node.get_logger().warning(f'waiting: {NO_CLOCK}', once=True)
        self._publish_diagnostics()

    def look_at_graph(self) -> None:
        """Log changed errors in the connections of topics: duplicate publishers, wrong type."""
        found = {topic: self._duplicate_publishers(topic) for topic in EXCLUSIVE_TOPICS}
        found['cmd_vel type'] = self._type_mismatch()
        if self.state:  # other nodes may publish cmd_vel now
            found['cmd_vel'] = self._graph.get('cmd_vel', '') and found['cmd_vel']
        logger = self._node.get_logger()
        for what, message in found.items():
            if message == self._graph.get(what, ''):
                continue
            if not message:
                logger.info(f'resolved: {self._graph[what]}')
            elif what == 'cmd_vel':
                logger.error(f'{message}: their commands conflict')
            else:
                logger.warning(message)
        self._graph = found

    def _publish_diagnostics(self) -> None:
        now = float(self._node.get_clock().now().nanoseconds) * 1e-9
        self._diagnostics.publish(self._status(now))

    def _status(self, now: float) -> DiagnosticArray:
        if self.state:
            return self._message(now, 0, self.state, {})
        if self._last is None:
            message: str = 'no tick yet'
            values: dict[str, object] = {}
            if not now:
                message = NO_CLOCK
                values = {
                    'state': ControllerState.WAITING.value, 'code': Reason.CLOCK_INVALID.value,
                    'reason': message,
                }  # fmt: skip
            return self._message(now, 1, message, values)
        level, message = self._level(self._last)
        warning = next(filter(None, self._graph.values()), '') or self._costmap_warning()
        if warning and not level:
            level, message = 1, warning
        worst, why, seconds = self._worst
        if worst > level:
            ago = self._clock.now().nanoseconds * 1e-9 - seconds
            level, message = worst, f'{message}; {ago:.1f} s ago: {why}'
        return self._message(now, level, message, self._values(self._last))

    def _duplicate_publishers(self, topic: str) -> str:
        """Return an error message if a topic has more than one publisher; '' otherwise."""
        name = self._node.resolve_topic_name(topic)
        found = self._node.get_publishers_info_by_topic(name)
        follows = self._controller.configuration.follow_path.enabled
        allowed = (WATCHDOG_NODE, *BEHAVIORS) if follows else (WATCHDOG_NODE,)
        nodes = sorted(info.node_name for info in found if info.node_name not in allowed)
        if len(nodes) <= 1:
            return ''
        return f'{name} has {len(nodes)} publishers: {", ".join(nodes)}'

    def _type_mismatch(self) -> str:
        """Return an error message if all cmd_vel subscribers expect another type; else ''."""
        name = self._node.resolve_topic_name('cmd_vel')
        stamped = self._controller.configuration.interface.cmd_vel_stamped
        ours = f'geometry_msgs/msg/{"TwistStamped" if stamped else "Twist"}'
        own = self._node.get_name(), self._node.get_namespace()  # ExternalStopMonitor
        bases = [
            info for info in self._node.get_subscriptions_info_by_topic(name)
            if not info.node_name.startswith(LISTENERS)
            and (info.node_name, info.node_namespace) != own
        ]  # fmt: skip
        if not bases or any(info.topic_type == ours for info in bases):
            return ''
        types = ', '.join(sorted({info.topic_type for info in bases}))
        nodes = ', '.join(sorted({info.node_name for info in bases}))
        return (
            f'{name} is published as {ours} but subscribed only as {types}, by {nodes}: no node '
            f'receives the commands; set cmd_vel_stamped to {str(not stamped).lower()}'
        )

    def _costmap_warning(self) -> str:
        """Return the warning of a too small costmap, logged once per size; '' without one."""
        window = self._controller.window
        if window is None or not window.warning:
            return ''
        size = window.width, window.height, window.top_speed
        if size != self._warned:
            self._warned = size
            self._node.get_logger().warning(window.warning)
        return window.warning

    def _values(self, tick: TickResult) -> dict[str, object]:
        values: dict[str, object] = {
            'state': tick.state.value, 'code': tick.code.value, 'reason': tick.reason
        }
        values.update({key: float(value) for key, value in vars(tick.statistics).items()})
        costs = self._controller.costs()
        values.update({f'cost.{critic}': cost for critic, cost in costs.items()})
        windows = {
            'solve_ms': self._solve, 'cycle_ms': self._cycle, 'period_ms': self.pace.periods,
            'late_ms': self.pace.lateness,
        }
        for key, window in windows.items():
            p50, p99, largest = window.summary()
            values.update({f'{key}.p50': p50, f'{key}.p99': p99, f'{key}.max': largest})
        values.update({'ticks': self.pace.ticks, 'missed_ticks': self.pace.missed})
        if (rolling := self._controller.window) is not None:
            values.update({f'costmap.{key}': value for key, value in vars(rolling).items()})
        now = float(self._node.get_clock().now().nanoseconds) * 1e-9
        values.update(self._intake.obstacles.status(now))
        values['footprint'] = self._intake.footprint.status
        values['latency_ms'] = 1e3 * self.latency.value
        values.update({f'realtime.{what}': status for what, status in self.privileges.items()})
        faults = self._intake.faults
        values.update({f'fault.{what}': fault.message for what, fault in faults.items()})
        return values

    def _message(
        self, now: float, level: int, message: str, values: dict[str, object]
    ) -> DiagnosticArray:
        name = f'{self._node.get_fully_qualified_name()}: control'
        return conversions.diagnostics_to_msg(now, name, bytes([level]), message, values)
