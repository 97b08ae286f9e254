"""
The last line in a process of its own: sends zero when whoever drives falls silent.

It stands beside the controller and relays nothing, so that it can never delay or lose a command:
it listens to cmd_vel, and when the last command moved the robot and no other follows in time, it
publishes zero there. That works for every driver, teleoperation included.
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
from mppi_ros.ros import conversions
from mppi_ros.ros.parameters import ParameterMixin
from mppi_ros.ros.process import run

NODE_NAME = 'cmd_vel_watchdog'
CHECK_RATE = 50.0  # [Hz] of looking and of sending zero
STOP_DURATION = 1.0  # [s] that zero is sent for: one message may be lost


@dataclass(frozen=True)
class CmdVelWatchdogParameters:
    """Parameters of the guard."""

    timeout: float = parameter(
        0.3, 'silence after a command that moves, after which zero is sent', unit='s',
        low=0.02, high=60.0,
    )  # fmt: skip
    cmd_vel_stamped: bool = parameter(
        True, 'cmd_vel is a TwistStamped; false: a Twist', live=False
    )
    base_frame: str = parameter('base_link', 'frame of the robot, in the header of cmd_vel')


class CmdVelWatchdog(ParameterMixin[CmdVelWatchdogParameters], Node):
    """Listens to cmd_vel and fills its silence with zero."""

    def __init__(self, **options: Any) -> None:
        super().__init__(NODE_NAME, **options)
        self.declare_configuration(CmdVelWatchdogParameters())
        kind = TwistStamped if self.configuration.cmd_vel_stamped else Twist
        self._heard = False  # a driver
        self._moved_at: float | None = None  # time of the last command, if it moves
        self._stop_until = 0.0
        self._stopped_at = 0.0  # [s] stamp of the last zero
        self._publisher = self.create_publisher(kind, 'cmd_vel', 1)
        self.create_subscription(kind, 'cmd_vel', self._on_command, 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0 / CHECK_RATE, self._look, clock=steady)

    def start(self) -> None:
        """Nothing remains to be started."""

    def stop(self) -> None:
        """Nothing is left behind: the robot is its driver's again."""

    def _on_command(self, message: Twist | TwistStamped) -> None:
        twist = message.twist if isinstance(message, TwistStamped) else message
        moves = any((
            twist.linear.x, twist.linear.y, twist.linear.z,
            twist.angular.x, twist.angular.y, twist.angular.z,
        ))  # fmt: skip
        if not self._heard and (moves or not self._stop_until):  # a later zero may be its own
            self.get_logger().info('hears cmd_vel and watches it')
            self._heard = True
        if moves and self._is_overtaken(message):
            self._send_zero()  # who sent it did not know yet that the robot was stopped
        elif moves:
            self._moved_at = time.monotonic()
            self._stop_until = 0.0
        else:
            self._moved_at = None  # its own zero is one, too

    def _is_overtaken(self, message: Twist | TwistStamped) -> bool:
        """Tell whether a command was decided on before the zero that is being sent."""
        if not isinstance(message, TwistStamped) or time.monotonic() >= self._stop_until:
            return False
        return 0.0 < conversions.seconds_from_msg(message.header.stamp) <= self._stopped_at

    def _look(self) -> None:
        now = time.monotonic()
        if self._moved_at is not None and now - self._moved_at > self.configuration.timeout:
            silence = now - self._moved_at
            self.get_logger().error(f'cmd_vel is silent for {silence:.2f} s: sends zero')
            self._moved_at = None
            self._stop_until = now + STOP_DURATION
            self._heard = False
        if now < self._stop_until:
            self._send_zero()

    def _send_zero(self) -> None:
        if self.configuration.cmd_vel_stamped:
            stamp = float(self.get_clock().now().nanoseconds) * 1e-9
            self._stopped_at = stamp
            frame = self.configuration.base_frame
            self._publisher.publish(conversions.twist_stamped_to_msg(Command.ZERO, stamp, frame))
        else:
            self._publisher.publish(conversions.twist_to_msg(Command.ZERO))


def main() -> None:
    """Run the node as a process."""
    run(CmdVelWatchdog, CmdVelWatchdogParameters)
