"""Oracle of safe commands: finite, within the limits, from fresh inputs, with room to stop."""
from __future__ import annotations

import dataclasses
import math

import numpy as np

from mppi_ros.control.inputs import Command
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.tick_result import ControllerState, Reason, TickResult
from mppi_ros.driving.distance_field import DistanceField
from mppi_ros.driving.footprint import Footprint

# The constants follow docs/safety.md and are independent of the tested code: a constant imported
# from it would hide an error in its value.
MAX_STAMP_AHEAD = 0.1  # [s] of an input stamp ahead of the clock
COMMAND_TIMEOUT = 0.5  # [s] until the base ignores the last command
ROUNDING = 1e-9
CURVATURE_ROUNDING = 1e-6  # [1/m] [m/s] of curvatures computed from two speeds
MIN_CURVATURE_SPEED = 0.05  # [m/s] above which a command defines a curvature
MAX_PENETRATION = 0.03  # [m] during a stop: cell size and unmodelled motion


class UnsafeCommandError(AssertionError):
    """A command violates the safety guarantee."""


class Oracle:
    """Checks every command against the guarantee and the previous command."""

    def __init__(self, last: Command = Command.ZERO) -> None:
        self.last = last
        self.checked = 0

    def check(self, tick: TickResult, elapsed: float, configuration: ControllerParameters) -> None:
        """
        Raise UnsafeCommandError if a command is unsafe.

        Parameters
        ----------
        tick : TickResult
            The command with state, reason and statistics.
        elapsed : float
            True time since the previous command [s].
        configuration : ControllerParameters
            Current parameters.

        """
        for violation in self._violations(tick, elapsed, configuration):
            raise UnsafeCommandError(f'{violation}; {self.last} then {tick}')
        self.last = tick.command
        self.checked += 1

    def _violations(self, tick, elapsed, c):
        command, last, limits = tick.command, self.last, c.limits
        if not all(math.isfinite(value) for value in dataclasses.astuple(command)):
            yield 'the command is not finite'
        omni, car = c.motion_model == 'omni', c.motion_model == 'ackermann'
        if command.vy != 0.0 and not omni:
            yield 'lateral speed of a robot without lateral motion'
        period = 1.0 / c.control_rate
        if elapsed <= COMMAND_TIMEOUT:
            seconds = min(elapsed, 2.0 * period) if elapsed > 0.0 else period
            seconds += ROUNDING
            ahead = limits.ax_max, -limits.ax_min
            if time_needed(last.vx, command.vx, *ahead) > seconds:
                yield 'the speed changes too fast'
            # For a car, the steering rate limits only the change of w / v.
            if not car and abs(command.wz - last.wz) > limits.az_max * seconds:
                yield 'the turning rate changes too fast'
            if time_needed(last.vy, command.vy, limits.ay_max, -limits.ay_min) > seconds:
                yield 'the speed sideways changes too fast'
            if car and min(abs(command.vx), abs(last.vx)) > MIN_CURVATURE_SPEED:
                w_cmd = abs(command.wz / command.vx - last.wz / last.vx)
                if w_cmd > limits.steering_rate / limits.wheelbase * seconds + CURVATURE_ROUNDING:
                    yield 'the wheels turn too fast'
        slower = abs(command.vx) < abs(last.vx) or command.vx == last.vx
        if not (slower or limits.vx_min - ROUNDING <= command.vx <= limits.vx_max + ROUNDING):
            yield 'the speed is beyond its limit'
        slower = abs(command.wz) < abs(last.wz) or command.wz == last.wz
        if not (slower or abs(command.wz) <= limits.wz_max + ROUNDING):
            yield 'the turning rate is beyond its limit'
        share = share_of_top_speed(command, limits)
        if omni and not share <= max(1.0 + CURVATURE_ROUNDING, share_of_top_speed(last, limits)):
            yield 'the speed over ground is beyond its limit'
        if tick.state is ControllerState.DRIVING:
            for age, limit in ((tick.statistics.odom_age, c.safety.odom_timeout),
                               (tick.statistics.costmap_age, c.safety.costmap_timeout)):
                if limit and not -MAX_STAMP_AHEAD - 1e-6 <= age <= limit:
                    yield 'motion from an old input'
        elif tick.state is not ControllerState.BRAKING and command != Command.ZERO:
            yield 'nonzero command in a state of rest'
        if not (tick.reason or tick.state in (ControllerState.DRIVING, ControllerState.REACHED)):
            yield 'no reason for not driving'
        if (tick.code is Reason.NONE) != (
            tick.reason == ''
        ) and tick.state is not ControllerState.REACHED:
            yield 'code and reason are inconsistent'


def time_needed(last: float, now: float, gain: float, loss: float) -> float:
    """
    Return the minimum time [s] of a change of speed.

    `gain` and `loss` [m/s²] limit acceleration and deceleration; a change of direction is a
    deceleration to rest followed by an acceleration.
    """
    if last * now < 0.0:
        return abs(last) / loss + abs(now) / gain
    change = abs(now) - abs(last)
    return change / gain if change > 0.0 else -change / loss


def share_of_top_speed(command: Command, limits) -> float:
    """Return the speed relative to the ellipse through the limits of both axes."""
    back = max(-limits.vx_min, 1e-3 * limits.vx_max)  # below, no reversing
    ahead = command.vx / (limits.vx_max if command.vx >= 0.0 else back)
    return math.hypot(ahead, command.vy / limits.vy_max)


def find_violation(
    last: tuple[float, float], command: tuple[float, float], elapsed: float,
    configuration: ControllerParameters,
) -> str:
    """
    Return the violation of a command v, w received on a topic, or '' if it is safe.

    `elapsed` [s] is the difference of the stamps. Zero is always safe: the watchdogs send it.
    """
    limits, period = configuration.limits, 1.0 / configuration.control_rate
    v, w = command
    if not (math.isfinite(v) and math.isfinite(w)):
        return f'{command} is not finite'
    if command == (0.0, 0.0):
        return ''
    if not (limits.vx_min - ROUNDING <= v <= limits.vx_max + ROUNDING
            and abs(w) <= limits.wz_max + ROUNDING):
        return f'{command} is beyond the limits of speed'
    seconds = max(elapsed, 0.0) + period  # a message may be lost, a stamp may jump
    needed = time_needed(last[0], v, limits.ax_max, -limits.ax_min)
    if needed > seconds + ROUNDING or abs(w - last[1]) > limits.az_max * seconds + ROUNDING:
        return f'{last} to {command} in {elapsed:.3f} s is beyond the limits of acceleration'
    return ''


class Body:
    """Motion of the true robot: first-order lag of the acting command."""

    def __init__(self, lag: float) -> None:
        self.lag = lag

    def move(self, pose, twist, command, seconds):
        """Return pose [3] and twist [2] after `seconds` of a constant command."""
        steps = max(round(seconds / 0.005), 1)
        dt = seconds / steps
        share = 1.0 - math.exp(-dt / self.lag)
        (x, y, yaw), (v, w) = pose, twist
        for _ in range(steps):
            v += share * (command[0] - v)
            w += share * (command[1] - w)
            x += dt * v * math.cos(yaw)
            y += dt * v * math.sin(yaw)
            yaw += dt * w
        return np.array([x, y, yaw]), np.array([v, w])


def room_to_stop(
    body: Body, pose, twist, commands, configuration: ControllerParameters, field: DistanceField,
    footprint: Footprint,
) -> bool:
    """
    Return whether the true robot can stop without increasing its penetration of obstacles.

    Each of `commands` acts for one period; then the robot brakes along one of four curvatures.
    The implementation is deliberately independent of the check in the controller.
    """
    limits, period = configuration.limits, 1.0 / configuration.control_rate
    before = footprint.clearance(field, pose[None])[0]
    poses = []
    for command in commands:
        pose, twist = body.move(pose, twist, command, period)
        poses.append(pose)
    v, w = commands[-1]
    along = w / v if abs(v) > 0.02 else 0.0
    curvature_step = limits.wz_max / max(limits.vx_max, -limits.vx_min)
    for curvature in (along, 0.0, along + curvature_step, along - curvature_step):
        path, end, motion, (v_cmd, w_cmd) = list(poses), pose, twist, (v, w)
        while abs(motion[0]) > 0.01 or abs(motion[1]) > 0.01 or v_cmd or w_cmd:
            decrease = (-limits.ax_min if v_cmd > 0.0 else limits.ax_max) * period
            v_cmd = math.copysign(max(abs(v_cmd) - decrease, 0.0), v_cmd)
            target_w = min(max(curvature * v_cmd, -limits.wz_max), limits.wz_max)
            max_change = limits.az_max * period
            w_cmd += min(max(target_w - w_cmd, -max_change), max_change)
            end, motion = body.move(end, motion, (v_cmd, w_cmd), period)
            path.append(end)
        if footprint.clearance(field, np.array(path)).min() >= min(before, 0.0) - MAX_PENETRATION:
            return True
    return False
