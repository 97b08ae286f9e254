"""A closed loop without ROS whose every input a fault can spoil, and the states to spoil it in."""
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
LAST_LINE = 0.25  # [s] without a tick after which the guard beside it sends zero
Sense = Callable[['Loop'], Iterator[object]]


class Loop:
    """
    A robot in a room and its controller; `feel` and `show` yield what the sensors say.

    Attributes
    ----------
    t : float
        True time [s].
    clock : callable
        What the controller's clock reads at a true time.
    feel, show : callable
        Yield odometry at each tick and (stamp, costmap) at each other tick.
    fault : Fault or None
        What the caller of the controller complains of.
    blind : bool
        The controller is told lies about where the robot is: no room to stop can be asked of it.

    """

    def __init__(self, configuration=SMALL, seed: int = 1) -> None:
        self.controller = Controller(configuration, seed)
        self.period = 1.0 / configuration.control_rate
        self.t = 100.0
        self.pose, self.twist = np.array([-4.0, 0.0, 0.0]), np.zeros(2)
        self.world = room()
        self.body = Body(lag=0.1)
        self.acting = deque([(0.0, 0.0)] * 2)
        self.oracle = Oracle()
        self._shown = self.world
        self.ticks: list[TickResult] = []
        self.touched = self.blind = False
        self._refused: dict[str, Fault] = {}
        self._judged_at = -math.inf
        self.clock = lambda t: t
        self.be_good()

    def be_good(self) -> None:
        """Tell the truth from now on."""
        self.feel: Sense = lambda loop: iter([loop.odometry()])
        self.show: Sense = lambda loop: iter([(loop.now, loop.world)])
        self.fault: Fault | None = None
        self.blind = False

    @property
    def now(self) -> float:
        """What the clock reads."""
        return self.clock(self.t)

    @property
    def world(self) -> Costmap:
        """What is around the robot."""
        return self._world

    @world.setter
    def world(self, costmap: Costmap) -> None:
        self._world, self.field = costmap, distance_field(costmap)

    def odometry(self) -> Odometry:
        """Return a true measurement."""
        x, y, yaw = (float(value) for value in self.pose)
        return Odometry(self.now, x, y, yaw, float(self.twist[0]), 0.0, float(self.twist[1]))

    def accept(self, what: str, take: Callable[[], None]) -> None:
        """Do as the node does: a refused input is a fault until a good one comes."""
        try:
            take()
        except InputError as error:
            self._refused[what] = Fault(Reason(f'{what}_refused'), str(error))
        else:
            self._refused.pop(what, None)

    def goal(self, x: float, y: float, yaw: float) -> None:
        """Give a goal."""
        self.accept('plan', lambda: self.controller.set_goal(self.now, x, y, yaw))

    def plan(self, poses) -> None:
        """Give a plan."""
        self.accept('plan', lambda: self.controller.set_plan(self.now, np.array(poses)))

    def step(self, seconds: float | None = None) -> TickResult:
        """Sense, tick, judge the command, and move the true robot until the next tick."""
        controller = self.controller
        self._take('odometry', self.feel, controller.set_odometry)
        if len(self.ticks) % 2 == 0:
            self._take('costmap', self.show, lambda pair: controller.set_costmap(*pair))
        fault = self.fault or next(iter(self._refused.values()), None)
        tick = controller.tick(self.now, steady=self.t, fault=fault)
        self.ticks.append(tick)
        self._judge(tick)
        self._move(tick, self.period if seconds is None else seconds)
        return tick

    def run(self, seconds: float) -> TickResult:
        """Step for a while and return the last tick."""
        for _ in range(max(round(seconds / self.period), 1)):
            tick = self.step()
        return tick

    def _take(self, what: str, sense: Sense, take: Callable[[object], None]) -> None:
        # What yields a broken input raises while it makes it, as a conversion of a message does.
        try:
            for value in sense(self):
                self.accept(what, lambda value=value: take(value))
                if what == 'costmap' and what not in self._refused:
                    self._shown = value[1]
        except InputError as error:
            self._refused[what] = Fault(Reason(f'{what}_refused'), str(error))

    def _judge(self, tick: TickResult) -> None:
        c = self.controller.configuration
        self.oracle.judge(tick, self.t - self._judged_at, c)
        self._judged_at = self.t
        if self.blind or tick.state != 'driving' or tick.code is Reason.IN_CONTACT:
            return
        commands = [*self.acting, (tick.command.vx, tick.command.wz)][1:]
        field = self.field if self._shown is self.world else distance_field(self._shown)
        if not room_to_stop(self.body, self.pose, self.twist, commands, c, field,
                            Footprint.of(c.robot)):
            raise UnsafeCommandError(f'no room to stop at {self.pose} with {self.twist}: {tick}')

    def _move(self, tick: TickResult, seconds: float) -> None:
        self.acting.append((tick.command.vx, tick.command.wz))
        self.acting.popleft()
        footprint = Footprint.of(SMALL.robot)
        silent = seconds - LAST_LINE
        while seconds > 1e-9:
            if seconds < silent:
                self.acting = deque([(0.0, 0.0)] * 2)
            part = min(seconds, self.period)
            self.pose, self.twist = self.body.moved(
                self.pose, self.twist, self.acting[0], part)
            self.t += part
            seconds -= part
            self.touched |= footprint.clearance(self.field, self.pose[None])[0] <= 0.0


def setting_off() -> Loop:
    """Return a robot at rest that has just been given a goal."""
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
    """Return a robot that backs along the second part of a plan with a cusp."""
    loop = Loop()
    loop.pose[:] = 0.0, 0.0, 0.0
    there = [0.1 * n for n in range(6)]
    loop.plan([(x, 0.0, 0.0) for x in (*there, *(0.4 - 0.1 * n for n in range(30)))])
    while loop.step().command.vx > -0.15:
        assert len(loop.ticks) < 200
    return loop


def braking() -> Loop:
    """Return a robot that brakes because its plan was taken away."""
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
