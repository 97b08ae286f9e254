"""
One control tick: inputs → predicted state → plan → optimisation → stopping check → command.

Whatever the inputs are, every tick returns a finite command within the limits of speed and
acceleration. A command that drives is computed from inputs younger than their time-outs and
leaves room to brake on the newest costmap. Otherwise the robot brakes, stands and reports why.
`input_monitor` decides which inputs are trusted, `fallback` which command replaces an unsafe one.
"""

from __future__ import annotations

from dataclasses import dataclass
import math
import time

from mppi_ros.control.controller_base import ControllerBase
from mppi_ros.control.fallback import (
    CheckContext,
    CheckedCommand,
    checked_command,
    evasive_command,
    fallback_command,
)
from mppi_ros.control.input_monitor import MAX_TICK_GAP, REST_SPEED, REST_TURN_RATE
from mppi_ros.control.inputs import Command
from mppi_ros.control.optimization import Problem, Solution
from mppi_ros.control.prediction import InitialState
from mppi_ros.control.progress import RECOVERIES
from mppi_ros.control.tick_result import (
    ZERO_SENT,
    ControllerState,
    Fault,
    Reason,
    Statistics,
    Stop,
    TickResult,
    stop_after,
)
from mppi_ros.driving import motion_models
from mppi_ros.driving.motion_models import Controls
from mppi_ros.driving.path import ReferencePath
from mppi_ros.parameters.errors import InputError

REST_TIME = 1.0  # [s] for which a robot that has braked must stay clear of moving obstacles
MAX_STATE_AGE = 2.0  # [s] age of the odometry beyond which the position is unknown


@dataclass
class _Context:
    """Arguments of one tick, and the times derived from them."""

    now: float
    steady: float | None
    fault: Fault | None
    budget: float
    latency: float
    hold: float  # [s] until the next tick
    seconds: float  # [s] in which the command may change
    statistics: Statistics

    @property
    def sending(self) -> float:
        """Time at which the command is sent [s]."""
        return self.now + self.latency


class Controller(ControllerBase):
    """Controls one robot. Not thread-safe: call it from one thread at a time."""

    def tick(
        self,
        now: float,
        *,
        steady: float | None = None,
        fault: Fault | None = None,
        budget: float = math.inf,
        latency: float = 0.0,
        hold: float = 0.0,
    ) -> TickResult:
        """
        Compute the command for the time `now` [s]; never raises on floats, finite or not.

        Parameters
        ----------
        now : float
            Time on the controller's clock [s].
        steady : float, optional
            Time on a clock that never jumps [s]; None where there is none beside the simulated.
        fault : Fault, optional
            A fault of the inputs that the caller has found.
        budget : float
            Time after which no more samples are drawn [s].
        latency : float
            Time from `now` until the command is sent [s].
        hold : float
            Time until the next tick [s], if longer than the control period.

        """
        begun = time.perf_counter()
        period = 1.0 / self._configuration.control_rate
        context = _Context(
            now, steady, fault, budget, latency, max(hold, period), period, Statistics()
        )
        stop: Stop | None = None
        for act in (self._drive, self._brake, self._brake_on_course):
            try:
                result = act(context, stop)
                break
            except Exception as error:  # brake for an error in this program, too
                stop = stop_after(error, stop)
        else:
            result = self._send_zero(context, stop)
        context.statistics.tick_ms = 1e3 * (time.perf_counter() - begun)
        return result

    def warm_up_evasion(self) -> None:
        """Compile or load the prediction of manoeuvres, which only moving obstacles require."""
        context = _Context(0.0, None, None, math.inf, 0.0, 0.05, 0.05, Statistics())
        scene = self._scene(context, self._predict(context))
        scene.predicted(self._sampler.mean, self._configuration.mppi.time_step)

    def _drive(self, context: _Context, _: Stop | None) -> TickResult:
        """Return the command that drives, or raise Stop."""
        clock_fault = self._begin(context)
        self._check_inputs(context, clock_fault)
        start = self._start = self._predict(context)
        path = self._track_plan(context, start)
        scene = self._scene(context, start)
        self._check_goal(context, start, path, scene)
        begun = time.perf_counter()
        solution = self._solve(context, start, path, scene)
        sampler, objective = self._sampler, self._objective
        choice, reason = checked_command(
            scene, solution.controls, solution.backward(path, objective, self._plant),
            lambda: fallback_command(sampler, objective, scene, solution.cooling),
            lambda: scene.predicted(sampler.mean, self._configuration.mppi.time_step),
            lambda planned: evasive_command(sampler, objective, scene, planned),
        )  # fmt: skip
        context.statistics.solve_ms = 1e3 * (time.perf_counter() - begun)
        context.statistics.clearance = choice.check.clearance
        code, message = self._remark(choice, reason, solution)
        return self._send(context, choice.command, ControllerState.DRIVING, code, message)

    def _begin(self, context: _Context) -> Fault | None:
        """Read the clock and collect what was processed; return the fault of the clock."""
        sampler, now = self._sampler, context.now
        sampler.deadline = (
            sampler.clock() + context.budget if context.budget < math.inf else math.inf
        )
        self._plant.show(context.statistics)
        context.seconds, clock_fault = self._elapse(context)
        if context.fault is not None and context.fault.code in ZERO_SENT:
            self.halt()
        self._collect()
        self._costmaps.raise_error()
        if self._odometry is not None and self._costmaps.renew(now, self._place()):
            self._ask()
        return clock_fault or context.fault

    def _elapse(self, context: _Context) -> tuple[float, Fault | None]:
        """
        Return the time [s] in which the command may change, and the fault of the clock.

        That is the time since the last tick, within bounds. A clock that has jumped invalidates
        the history of commands; after a long silence the robot does as its odometry says or rests.
        """
        now, period = context.now, 1.0 / self._configuration.control_rate
        elapsed, fault = self._monitor.clock.read(now, context.steady)
        halted, self._halted = self._halted, False
        if fault is not None and fault.code is Reason.CLOCK_INVALID:
            return period, fault
        if fault is not None:
            self._history.assume(self._history.last)
            self._optimization.set_time(now)
            self._costmaps.renewals.restart(now)
        if elapsed > MAX_TICK_GAP:
            if fault is not None and fault.code is Reason.TICK_LATE and self._standing:
                fault = None  # a robot at rest misses no tick
            self._assume_measured(now)
            return period, fault
        # When the caller sent zero is unknown.
        longest = period if halted else max(2.0 * period, context.hold)
        return min(max(elapsed, 0.0) or period, longest), fault

    def _check_inputs(self, context: _Context, clock_fault: Fault | None) -> None:
        """Raise Stop for an input that is missing or not to be trusted."""
        inputs, statistics = self._inputs(), context.statistics
        statistics.odom_age, statistics.costmap_age, statistics.plan_age = (
            each.age(context.now) for each in inputs
        )
        safety = self._configuration.safety
        vx, vy, wz = self._braking_model.twist(self._history.last)
        moving = math.hypot(vx, vy) > REST_SPEED or abs(wz) > REST_TURN_RATE
        outside = self._costmaps.outside(self._place()) if safety.outside_is_obstacle else None
        self._monitor.check(
            context.now, context.seconds, inputs, clock_fault, outside, moving, safety
        )

    def _predict(self, context: _Context) -> InitialState:
        """Return the state at the time when the next command begins to act."""
        assert self._odometry is not None
        acting = self._acting(context)
        state = self._history.predict(self._odometry, acting)
        pending = self._history.pending(context.sending, self._objective.model)
        return InitialState(state, pending, acting)

    def _track_plan(self, context: _Context, start: InitialState) -> ReferencePath:
        """Return the section of the plan to drive, and update the progress on it."""
        c, costmaps, route = self._configuration, self._costmaps, self._route
        stuck = self._optimization.backing_up
        try:
            path = route.follow(start.state, c.goal, self._objective, context.statistics, stuck)
        except InputError as error:
            raise Stop(Reason.PLAN_REFUSED, str(error)) from None
        if stuck and route.in_manoeuvre:
            self._optimization.restart()  # drive it instead of backing up
        if route.needs_lookahead() or costmaps.has_moved(c, self._place()):
            self._ask()
        costmaps.check_part(c, self._place())
        return path

    def _check_goal(
        self, context: _Context, start: InitialState, path: ReferencePath, scene: CheckContext
    ) -> None:
        """Raise Stop at the goal, without progress, or before an obstacle without a way round."""
        c, route = self._configuration, self._route
        assert self._odometry is not None and route.goal is not None
        if route.check_goal(
            start.state, path, c.goal, self._odometry, self._standing, lambda: scene.braked().rest
        ):
            self._progress_checker.restart()
            rest = ControllerState.REACHED if route.reached else ControllerState.BRAKING
            raise Stop(Reason.GOAL_REACHED, 'goal reached', rest)
        left = route.distance_remaining
        if message := self._progress_checker.fault(context.now, left, route.goal, start.state, c):
            raise Stop(Reason.PROGRESS_TIMEOUT, message)
        blocked = route.is_blocked(path, self._objective.end(path), c.goal.position_tolerance)
        if blocked and (not scene.evades or scene.braked().safe):
            raise Stop(Reason.PATH_BLOCKED, 'the plan is blocked and no detour was found')

    def _solve(
        self, context: _Context, start: InitialState, path: ReferencePath, scene: CheckContext
    ) -> Solution:
        costmaps, progress = self._costmaps, self._route.progress
        assert costmaps.processed is not None and progress is not None
        problem = Problem(
            context.now, context.seconds, start, scene, path, progress,
            costmaps.expected_obstacles(start.time, self._configuration),
            costmaps.processed.region, costmaps.renewals.wait(context.now), self._footprint,
            self._plant, costmaps.scans.seen,
        )  # fmt: skip
        return self._optimization.solve(
            problem, self._sampler, self._objective, self._configuration, context.statistics
        )

    def _remark(
        self, choice: CheckedCommand, reason: Reason, solution: Solution
    ) -> tuple[Reason, str]:
        """Return what to report while driving; raise Stop where no command is safe."""
        limit, check = self._configuration.safety.margin, choice.check
        if reason is Reason.EVADING:
            return reason, 'evading a moving obstacle'
        if not check.safe:
            message = (
                f'no command passes the stopping check: clearance {check.clearance:.2f} m, '
                f'limit {limit:g} m'
            )
            raise Stop(Reason.COLLISION_AHEAD, message)
        if check.begin < limit:
            return Reason.IN_CONTACT, f'in contact, clearance {check.begin:.2f} m: driving out'
        if reason is Reason.FALLBACK_COMMAND:
            return reason, (
                'the optimised command fails the stopping check: using a fallback command'
            )
        if solution.recovery:
            return Reason.NO_PROGRESS, f'stuck: {RECOVERIES[solution.recovery - 1]}'
        return Reason.NONE, ''

    def _brake(self, context: _Context, stop: Stop | None) -> TickResult:
        """Brake along the curvature that keeps most clearance, as far as that is known."""
        odometry = self._odometry
        if (
            self._standing
            or self._costmaps.processed is None
            or odometry is None
            or not abs(context.now - odometry.stamp) < MAX_STATE_AGE
        ):
            return self._brake_on_course(context, stop)
        check = self._scene(context, self._predict(context)).braked()
        return self._brake_along(check.turn, context, stop)

    def _brake_on_course(self, context: _Context, stop: Stop | None) -> TickResult:
        """Brake along the present curvature."""
        turn = self._braking_model.curvature(self._history.last)
        return self._brake_along(turn, context, stop)

    def _brake_along(self, turn: float, context: _Context, stop: Stop | None) -> TickResult:
        """Brake along a curvature [rad/m]; zero at rest."""
        assert stop is not None
        self._monitor.record(stop)
        code, message = stop.fault
        model = self._step_of(context.seconds)
        command = motion_models.as_floats(
            motion_models.brake_command(self._history.last, turn, model)
        )
        if not motion_models.is_stop(command, model):
            message = f'{message}: braking'
            return self._send(context, command, ControllerState.BRAKING, code, message)
        message = '' if stop.rest is ControllerState.REACHED else message
        return self._send(context, command, stop.rest, code, message)

    def _send(
        self,
        context: _Context,
        command: Controls,
        state: ControllerState,
        code: Reason,
        message: str,
    ) -> TickResult:
        """Record the command; return it as a twist."""
        if state is ControllerState.STOPPED and self._state is ControllerState.BRAKING:
            self._sampler.mean[:] = 0.0  # the plan that led here is a poor warm start
        self._state = state
        twist = self._braking_model.twist(self._history.record(context.sending, command))
        sent = Command(*(value + 0.0 for value in twist))  # -0.0 becomes 0.0
        return TickResult(sent, state, code, message, context.statistics)

    def _send_zero(self, context: _Context, stop: Stop | None) -> TickResult:
        """Stop at once: braking has failed."""
        message = '' if stop is None else stop.fault.message
        self._monitor.record(Stop(Reason.INTERNAL_ERROR, message))
        self._state = ControllerState.STOPPED
        self.halt()
        return TickResult(
            Command.ZERO, ControllerState.STOPPED, Reason.INTERNAL_ERROR, message,
            context.statistics,
        )  # fmt: skip

    def _scene(self, context: _Context, start: InitialState) -> CheckContext:
        c, plant, history = self._configuration, self._plant, self._history
        moving_obstacles = self._costmaps.moving_obstacles(self._acting(context))
        return CheckContext(
            start.state, history.last, context.hold + plant.delay_margin,
            self._collision_model._replace(
                moving_obstacles=moving_obstacles, rest_time=REST_TIME if c.safety.evade else 0.0
            ),
            self._step_of(context.seconds),
            self._braking_model, history.pending(context.sending, self._braking_model),
            1.0 / (c.control_rate * c.mppi.time_step), c.safety.evade,
        )  # fmt: skip

    def _acting(self, context: _Context) -> float:
        """Return when the command of this tick begins to act [s]."""
        return context.sending + self._plant.prediction.first_delay
