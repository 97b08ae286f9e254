"""A closed loop without ROS with replaceable inputs, and the driving states of the fault tests."""
from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
import math

import numpy as np
from oracle import Body, Oracle, UnsafeCommandError, room_to_stop
from plain_robot import QUICK, room

from mppi_ros.control.controller import Controller
from mppi_ros.control.inputs import Odometry
from mppi_ros.control.tick_result import Fault, Reason, TickResult
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.parameters.declaration import replace
from mppi_ros.parameters.errors import InputError

SMALL = replace(QUICK, {'samples': 64, 'horizon_steps': 20})
WATCHDOG_TIMEOUT = 0.25  # [s] without a tick until cmd_vel_watchdog sends zero
Sense = Callable[['Loop'], Iterator[object]]


class Loop:
    """
    A robot in a room and its controller, with replaceable sensors.

    Attributes
    ----------
    t : float
        True time [s].
    clock : callable
        Clock reading of the controller at a true time.
    read_odometry, read_costmap : callable
        Yield odometry at each tick and (stamp, costmap) at each other tick.
    fault : Fault or None
        Fault that the caller passes to the controller.
    blind : bool
        The inputs misrepresent the robot or its surroundings: room to stop is not checked.

    """

    def __init__(self, configuration=SMALL, seed: int = 1) -> None:
        self.controller = Controller(configuration, seed)
        self.period = 1.0 / configuration.control_rate
        self.t = 100.0
        self.pose, self.twist = np.array([-4.0, 0.0, 0.0]), np.zeros(2)
        self.world = room()
        self.body = Body(lag=0.1)
        self.pending = deque([(0.0, 0.0)] * 2)
        self.oracle = Oracle()
        self._last_costmap = self.world
        self.ticks: list[TickResult] = []
        self.touched = self.blind = False
        self._refused: dict[str, Fault] = {}
        self._checked_at = -math.inf
        self.clock = lambda t: t
        self.restore_inputs()

    def restore_inputs(self) -> None:
        """Restore true sensor data."""
        self.read_odometry: Sense = lambda loop: iter([loop.odometry()])
        self.read_costmap: Sense = lambda loop: iter([(loop.now, loop.world)])
        self.fault: Fault | None = None
        self.blind = False

    @property
    def now(self) -> float:
        """Current reading of the clock."""
        return self.clock(self.t)

    @property
    def world(self) -> Costmap:
        """True costmap around the robot."""
        return self._world

    @world.setter
    def world(self, costmap: Costmap) -> None:
        self._world, self.field = costmap, distance_field(costmap)

    def odometry(self) -> Odometry:
        """Return a true measurement."""
        x, y, yaw = (float(value) for value in self.pose)
        return Odometry(self.now, x, y, yaw, float(self.twist[0]), 0.0, float(self.twist[1]))

    def accept(self, what: str, take: Callable[[], None]) -> None:
        """Pass an input on; as in the node, a refused one is a fault until a valid one arrives."""
        try:
            take()
        except InputError as error:
            self._refused[what] = Fault(Reason(f'{what}_refused'), str(error))
        else:
            self._refused.pop(what, None)

    def goal(self, x: float, y: float, yaw: float) -> None:
        """Set a goal."""
        self.accept('plan', lambda: self.controller.set_goal(self.now, x, y, yaw))

    def plan(self, poses) -> None:
        """Set a plan."""
        self.accept('plan', lambda: self.controller.set_plan(self.now, np.array(poses)))

    def step(self, seconds: float | None = None) -> TickResult:
        """Read the sensors, tick, check the command, and move the robot until the next tick."""
        controller = self.controller
        self._take('odometry', self.read_odometry, controller.set_odometry)
        if len(self.ticks) % 2 == 0:
            self._take('costmap', self.read_costmap, lambda pair: controller.set_costmap(*pair))
        fault = self.fault or next(iter(self._refused.values()), None)
        tick = controller.tick(self.now, steady=self.t, fault=fault)
        self.ticks.append(tick)
        self._check_command(tick)
        self._move(tick, self.period if seconds is None else seconds)
        return tick

    def run(self, seconds: float) -> TickResult:
        """Step for a duration and return the last tick."""
        for _ in range(max(round(seconds / self.period), 1)):
            tick = self.step()
        return tick

    def _take(self, what: str, sense: Sense, take: Callable[[object], None]) -> None:
        # A corrupted input may raise during its creation, as a message conversion does.
        try:
            for value in sense(self):
                self.accept(what, lambda value=value: take(value))
                if what == 'costmap' and what not in self._refused:
                    self._last_costmap = value[1]
        except InputError as error:
            self._refused[what] = Fault(Reason(f'{what}_refused'), str(error))

    def _check_command(self, tick: TickResult) -> None:
        c = self.controller.configuration
        self.oracle.check(tick, self.t - self._checked_at, c)
        self._checked_at = self.t
        if self.blind or tick.state != 'driving' or tick.code is Reason.IN_CONTACT:
            return
        commands = [*self.pending, (tick.command.vx, tick.command.wz)][1:]
        field = (
            self.field if self._last_costmap is self.world
            else distance_field(self._last_costmap))
        if not room_to_stop(self.body, self.pose, self.twist, commands, c, field,
                            Footprint.of(c.robot)):
            raise UnsafeCommandError(f'no room to stop at {self.pose} with {self.twist}: {tick}')

    def _move(self, tick: TickResult, seconds: float) -> None:
        self.pending.append((tick.command.vx, tick.command.wz))
        self.pending.popleft()
        footprint = Footprint.of(SMALL.robot)
        watchdog_at = seconds - WATCHDOG_TIMEOUT
        while seconds > 1e-9:
            if seconds < watchdog_at:
                self.pending = deque([(0.0, 0.0)] * 2)
            step = min(seconds, self.period)
            self.pose, self.twist = self.body.move(
                self.pose, self.twist, self.pending[0], step)
            self.t += step
            seconds -= step
            self.touched |= footprint.clearance(self.field, self.pose[None])[0] <= 0.0


def setting_off() -> Loop:
    """Return a robot at rest that has received a goal."""
    loop = Loop()
    loop.goal(4.0, 0.0, 0.0)
    loop.step()
    return loop


def at_full_speed() -> Loop:
    """Return a robot at full speed along the room."""
    loop = setting_off()
    loop.run(1.5)
    assert loop.ticks[-1].command.vx > 0.4
    return loop


def turning() -> Loop:
    """Return a robot that turns towards a goal behind it."""
    loop = Loop()
    loop.pose[:] = -2.0, 0.0, math.pi
    loop.goal(3.0, 1.0, 0.0)
    loop.run(0.6)
    assert abs(loop.ticks[-1].command.wz) > 0.3
    return loop


def reversing() -> Loop:
    """Return a robot that reverses along the second segment of a plan with a cusp."""
    loop = Loop()
    loop.pose[:] = 0.0, 0.0, 0.0
    there = [0.1 * n for n in range(6)]
    loop.plan([(x, 0.0, 0.0) for x in (*there, *(0.4 - 0.1 * n for n in range(30)))])
    while loop.step().command.vx > -0.15:
        assert len(loop.ticks) < 200
    return loop


def braking() -> Loop:
    """Return a robot that brakes because its plan was cleared."""
    loop = at_full_speed()
    loop.controller.clear_plan()
    loop.step()
    assert loop.ticks[-1].state == 'braking'
    loop.goal(4.0, 0.0, 0.0)
    return loop


def arriving() -> Loop:
    """Return a robot shortly before its goal."""
    loop = at_full_speed()
    loop.goal(float(loop.pose[0]) + 0.4, 0.0, 0.0)
    loop.run(0.2)
    return loop


def at_the_goal() -> Loop:
    """Return a robot at rest at its goal."""
    loop = Loop()
    loop.goal(-4.0, 0.0, 0.0)
    loop.run(0.3)
    assert loop.ticks[-1].state == 'reached'
    return loop


MOVING = {state.__name__: state for state in (setting_off, at_full_speed, turning, reversing)}
STATES = {**MOVING, **{state.__name__: state for state in (braking, arriving, at_the_goal)}}
