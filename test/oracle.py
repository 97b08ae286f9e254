"""The one judge of commands: finite, within the limits, fresh, and with room left to stop."""
from __future__ import annotations

import dataclasses
import math

import numpy as np

from mppi_ros.control.inputs import Command
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.tick_result import ControllerState, Reason, TickResult
from mppi_ros.driving.distance_field import DistanceField
from mppi_ros.driving.footprint import Footprint

# Its numbers are its own, as docs/safety.md promises them: one that follows a number in the code
# that it judges would call right whatever the code does.
FUTURE = 0.1  # [s] that the stamp of an input may lie ahead of the clock
SILENCE = 0.5  # [s] without a command after which the last one is obeyed no more
ROUNDING = 1e-9
FINEST = 1e-6  # [1/m] [m/s] of rounding where curvatures are read from two speeds
CRAWL = 0.05  # [m/s] above which the curvature of a car can be told from its command
SLOPPY = 0.03  # [m] that a stop may end nearer than it began: cells, and what no robot knows


class UnsafeCommandError(AssertionError):
    """A command breaks the promise."""


class Oracle:
    """Holds every command against the promise and against the one before it."""

    def __init__(self, last: Command = Command.ZERO) -> None:
        self.last = last
        self.judged = 0

    def judge(self, tick: TickResult, elapsed: float, configuration: ControllerParameters) -> None:
        """
        Raise UnsafeCommandError if a command must not be sent.

        Parameters
        ----------
        tick : Tick
            The command and what the controller says of it.
        elapsed : float
            True time since the command before [s].
        configuration : Configuration
            The parameters in force.

        """
        for words in self._complaints(tick, elapsed, configuration):
            raise UnsafeCommandError(f'{words}; {self.last} then {tick}')
        self.last = tick.command
        self.judged += 1

    def _complaints(self, tick, elapsed, c):
        command, last, limits = tick.command, self.last, c.limits
        if not all(math.isfinite(value) for value in dataclasses.astuple(command)):
            yield 'the command is not finite'
        omni, car = c.motion_model == 'omni', c.motion_model == 'ackermann'
        if command.vy != 0.0 and not omni:
            yield 'this robot cannot move sideways'
        period = 1.0 / c.control_rate
        if elapsed <= SILENCE:
            seconds = min(elapsed, 2.0 * period) if elapsed > 0.0 else period
            seconds += ROUNDING
            ahead = limits.ax_max, -limits.ax_min
            if time_needed(last.vx, command.vx, *ahead) > seconds:
                yield 'the speed changes too fast'
            # Of a car the steering is limited, and with it the change of w / v alone.
            if not car and abs(command.wz - last.wz) > limits.az_max * seconds:
                yield 'the turning rate changes too fast'
            if time_needed(last.vy, command.vy, limits.ay_max, -limits.ay_min) > seconds:
                yield 'the speed sideways changes too fast'
            if car and min(abs(command.vx), abs(last.vx)) > CRAWL:
                turn = abs(command.wz / command.vx - last.wz / last.vx)
                if turn > limits.steering_rate / limits.wheelbase * seconds + FINEST:
                    yield 'the wheels turn too fast'
        slower = abs(command.vx) < abs(last.vx) or command.vx == last.vx
        if not (slower or limits.vx_min - ROUNDING <= command.vx <= limits.vx_max + ROUNDING):
            yield 'the speed is beyond its limit'
        slower = abs(command.wz) < abs(last.wz) or command.wz == last.wz
        if not (slower or abs(command.wz) <= limits.wz_max + ROUNDING):
            yield 'the turning rate is beyond its limit'
        share = share_of_top_speed(command, limits)
        if omni and not share <= max(1.0 + FINEST, share_of_top_speed(last, limits)):
            yield 'the speed over ground is beyond its limit'
        if tick.state is ControllerState.DRIVING:
            for age, limit in ((tick.statistics.odom_age, c.safety.odom_timeout),
                               (tick.statistics.costmap_age, c.safety.costmap_timeout)):
                if limit and not -FUTURE - 1e-6 <= age <= limit:
                    yield 'it drives on an old input'
        elif tick.state is not ControllerState.BRAKING and command != Command.ZERO:
            yield 'it says that it stands and does not'
        if not (tick.reason or tick.state in (ControllerState.DRIVING, ControllerState.REACHED)):
            yield 'it does not say why it does not drive'
        if (tick.code is Reason.NONE) != (
            tick.reason == ''
        ) and tick.state is not ControllerState.REACHED:
            yield 'code and reason do not go together'


def time_needed(last: float, now: float, gain: float, loss: float) -> float:
    """
    Return the time [s] that a change of speed takes at the least.

    Speeding up takes `gain` [m/s²] and slowing down `loss`; to drive the other way is to slow
    down to rest and to speed up from there.
    """
    if last * now < 0.0:
        return abs(last) / loss + abs(now) / gain
    change = abs(now) - abs(last)
    return change / gain if change > 0.0 else -change / loss


def share_of_top_speed(command: Command, limits) -> float:
    """Return by how much a command is beyond the ellipse through the limits of both axes."""
    back = max(-limits.vx_min, 1e-3 * limits.vx_max)  # less is no way back: vx_min bounds it
    ahead = command.vx / (limits.vx_max if command.vx >= 0.0 else back)
    return math.hypot(ahead, command.vy / limits.vy_max)


def find_violation(
    last: tuple[float, float], command: tuple[float, float], elapsed: float,
    configuration: ControllerParameters,
) -> str:
    """
    Say what is unsafe in a command v, w as it came over a topic; '' when nothing is.

    `elapsed` [s] lies between the stamps of the two. Zero is always safe: the last line sends it.
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
    """How the true robot moves: a command acts after a delay, and the motion lags behind it."""

    def __init__(self, lag: float) -> None:
        self.lag = lag

    def moved(self, pose, twist, command, seconds):
        """Return pose [3] and twist [2] after `seconds` of one acting command."""
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
    Tell whether the true robot can stop without going deeper into obstacles than it is.

    `commands` are those that act one after the other, a period each; then it brakes along one of
    a few curvatures. Written apart from the check in the controller on purpose.
    """
    limits, period = configuration.limits, 1.0 / configuration.control_rate
    begin = footprint.clearance(field, pose[None])[0]
    poses = []
    for command in commands:
        pose, twist = body.moved(pose, twist, command, period)
        poses.append(pose)
    v, w = commands[-1]
    along = w / v if abs(v) > 0.02 else 0.0
    bend = limits.wz_max / max(limits.vx_max, -limits.vx_min)
    for curvature in (along, 0.0, along + bend, along - bend):
        way, at, motion, (slow, turn) = list(poses), pose, twist, (v, w)
        while abs(motion[0]) > 0.01 or abs(motion[1]) > 0.01 or slow or turn:
            down = (-limits.ax_min if slow > 0.0 else limits.ax_max) * period
            slow = math.copysign(max(abs(slow) - down, 0.0), slow)
            wanted = min(max(curvature * slow, -limits.wz_max), limits.wz_max)
            most = limits.az_max * period
            turn += min(max(wanted - turn, -most), most)
            at, motion = body.moved(at, motion, (slow, turn), period)
            way.append(at)
        if footprint.clearance(field, np.array(way)).min() >= min(begin, 0.0) - SLOPPY:
            return True
    return False
