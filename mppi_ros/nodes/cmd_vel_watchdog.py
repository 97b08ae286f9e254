"""
Standalone watchdog: publishes zero velocity when cmd_vel times out.

It subscribes to cmd_vel next to the controller and relays nothing, so it can neither delay nor
lose a command. If the last command moves the robot and no command follows in time, it publishes
zero velocity. It works with any source of commands, including teleoperation.
"""

# ruff: noqa: E402 - the ROS 2 wheels must be found before rclpy is imported
from __future__ import annotations

from dataclasses import dataclass
import time
from typing import Any

from mppi_ros.ros import use_wheels

use_wheels()

from geometry_msgs.msg import Twist, TwistStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from mppi_ros.control.inputs import Command
from mppi_ros.parameters.declaration import parameter
from mppi_ros.parameters.errors import check_frame
from mppi_ros.ros import conversions
from mppi_ros.ros.parameters import ParameterMixin
from mppi_ros.ros.params_files import controller_parameters
from mppi_ros.ros.process import run

NODE_NAME = 'cmd_vel_watchdog'
CHECK_RATE = 50.0  # [Hz] of time-out checks and zero commands
STOP_DURATION = 1.0  # [s] of zero commands: one message may be lost


@dataclass(frozen=True)
class CmdVelWatchdogParameters:
    """Parameters of the watchdog."""

    timeout: float = parameter(
        0.3, 'time without a message after a moving command until zero is published', unit='s',
        low=0.02, high=60.0,
    )  # fmt: skip
    controller_params: str = parameter(
        '', 'YAML file of the controller, for cmd_vel_stamped and base_frame; empty uses defaults',
        live=False,
    )
    cmd_vel_stamped: bool = parameter(
        True, 'cmd_vel is a TwistStamped; a Twist if this or the value of the controller is false',
        live=False,
    )
    base_frame: str = parameter(
        '', "frame_id of cmd_vel; empty uses the controller's", live=False
    )

    def __post_init__(self) -> None:
        if self.base_frame:
            check_frame('base_frame', self.base_frame)


class CmdVelWatchdog(ParameterMixin[CmdVelWatchdogParameters], Node):
    """Publishes zero velocity when cmd_vel times out after a moving command."""

    def __init__(self, **options: Any) -> None:
        super().__init__(NODE_NAME, **options)
        self.declare_configuration(CmdVelWatchdogParameters())
        interface = controller_parameters(self, self.configuration.controller_params).interface
        self._stamped = self.configuration.cmd_vel_stamped and interface.cmd_vel_stamped
        self._frame = self.configuration.base_frame or interface.base_frame
        kind = TwistStamped if self._stamped else Twist
        self._heard = False  # a command since the last time-out
        self._moved_at: float | None = None  # [s] of the last command, if moving
        self._stop_until = 0.0
        self._stopped_at = 0.0  # [s] stamp of the last zero command
        self._publisher = self.create_publisher(kind, 'cmd_vel', 1)
        self.create_subscription(kind, 'cmd_vel', self._on_command, 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0 / CHECK_RATE, self._check_timeout, clock=steady)

    def start(self) -> None:
        """Do nothing: the subscription is active."""

    def stop(self) -> None:
        """Do nothing: no zero command is pending."""

    def _on_command(self, message: Twist | TwistStamped) -> None:
        twist = message.twist if isinstance(message, TwistStamped) else message
        moves = any((
            twist.linear.x, twist.linear.y, twist.linear.z,
            twist.angular.x, twist.angular.y, twist.angular.z,
        ))  # fmt: skip
        if not self._heard and (moves or not self._stop_until):  # ignore own zero
            self.get_logger().info('received the first command, monitoring cmd_vel')
            self._heard = True
        if moves and self._is_overtaken(message):
            self._send_zero()  # sent before the stop was known
        elif moves:
            self._moved_at = time.monotonic()
            self._stop_until = 0.0
        else:
            self._moved_at = None  # also for own zero commands

    def _is_overtaken(self, message: Twist | TwistStamped) -> bool:
        """Return whether the stamp of a command precedes that of the last zero command."""
        if not isinstance(message, TwistStamped) or time.monotonic() >= self._stop_until:
            return False
        return 0.0 < conversions.seconds_from_msg(message.header.stamp) <= self._stopped_at

    def _check_timeout(self) -> None:
        now = time.monotonic()
        if self._moved_at is not None and now - self._moved_at > self.configuration.timeout:
            silence = now - self._moved_at
            self.get_logger().error(
                f'no message on cmd_vel for {silence:.2f} s: publishing zero velocity'
            )
            self._moved_at = None
            self._stop_until = now + STOP_DURATION
            self._heard = False
        if now < self._stop_until:
            self._send_zero()

    def _send_zero(self) -> None:
        if self._stamped:
            stamp = float(self.get_clock().now().nanoseconds) * 1e-9
            self._stopped_at = stamp
            self._publisher.publish(
                conversions.twist_stamped_to_msg(Command.ZERO, stamp, self._frame)
            )
        else:
            self._publisher.publish(conversions.twist_to_msg(Command.ZERO))


def main() -> None:
    """Run the node as a process."""
    run(CmdVelWatchdog, CmdVelWatchdogParameters)
