"""
One control tick: inputs → state when the command acts → optimise → check → limited command.

The promise, whatever the inputs are: every tick returns a finite command within the limits of
speed and acceleration; a command that drives was computed from inputs younger than their
time-outs and leaves room to brake on the newest costmap; else the robot brakes, stands and says
why. What is sent when the plan is not safe stands in `ladder`, what must not be trusted in
`watchdog`.
"""

from __future__ import annotations

import dataclasses
import math
import time

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control import rolling_window, stopping_check
from mppi_ros.control.costmap_processing import (
    CostmapProcessor,
    ProcessedCostmap,
    ProcessingFailure,
    ProcessingRequest,
    SynchronousProcessor,
    parameter_key,
    slack,
)
from mppi_ros.control.fallback import (
    WIDE_SIGMA_SCALE,
    CheckContext,
    CheckedCommand,
    cheapest_constant,
    fallback_command,
)
from mppi_ros.control.input_monitor import (
    MAX_TICK_GAP,
    REST_SPEED,
    REST_TURN_RATE,
    ClockMonitor,
    InputStatus,
    OdometryMonitor,
)
from mppi_ros.control.inputs import Command, Odometry, check_stamp
from mppi_ros.control.odometry_consistency import BodyTwist
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.plan_tracker import PlanTracker
from mppi_ros.control.plant_estimate import PlantEstimate
from mppi_ros.control.progress import (
    BACK_UP,
    MIN_SPEED_SHARE,
    RECOVERIES,
    SEARCH_WIDER,
    ProgressChecker,
    StuckDetector,
    next_recovery,
)
from mppi_ros.control.rolling_window import RollingWindow, UpdateTracker, window_of
from mppi_ros.control.stopping_check import CollisionModel
from mppi_ros.control.tick_result import (
    NON_FAULTS,
    ControllerState,
    Fault,
    Reason,
    Statistics,
    TickResult,
)
from mppi_ros.driving import cost_to_go, motion_models, path_segments
from mppi_ros.driving.costmap import LETHAL, Costmap
from mppi_ros.driving.distance_field import DistanceField
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.motion_models import Controls
from mppi_ros.driving.objective import DrivingObjective
from mppi_ros.driving.obstacle_tracking import DynamicObstacle, margins, predict_obstacles
from mppi_ros.driving.path import ReferencePath
from mppi_ros.driving.plugin import load_plugin
from mppi_ros.jit.threads import sleep_between_solves
from mppi_ros.mppi.optimizer import FEW, Optimizer
from mppi_ros.parameters.errors import InputError, ParameterError

COMMAND_HISTORY = 512  # commands remembered for the prediction
MAX_STATE_AGE = 2.0  # [s] after which nobody knows from the odometry where the robot is
END_TOLERANCE = (
    0.05  # [m] nearness to the end of the way at which to stand where the goal is as near
)
LEAVE_HYSTERESIS = 0.3  # [m] by which the way must lead on again before the robot leaves
BACK_UP_SPEED_SHARE = 0.5  # share of top speed at which the robot backs up
NEW_GOAL_DISTANCE = 0.3  # [m] from the goal before, a goal is another one


class _Stop(Exception):
    """Why a tick must not drive, and the state once at rest."""

    def __init__(
        self,
        code: Reason,
        words: str,
        rest: ControllerState = ControllerState.STOPPED,
        *,
        over: bool = False,
    ) -> None:
        super().__init__(words)
        self.fault = Fault(code, words)
        self.rest = rest
        self.over = over  # the fault is gone, but not for long enough


class Controller:
    """
    Drives one robot. It is not aware of threads: use it from one at a time.

    Parameters
    ----------
    configuration : Configuration
        All parameters.
    seed : int, optional
        Seed of the noise, instead of the configuration's.
    surveyor : Surveyor, optional
        Who computes distance fields and ways round obstacles; by default it is done at once.

    """

    def __init__(
        self,
        configuration: ControllerParameters,
        seed: int | None = None,
        surveyor: CostmapProcessor | None = None,
    ) -> None:
        self._seed = seed
        self._configuration = configuration
        self._odometry: Odometry | None = None
        self._newest: tuple[float, Costmap] | None = None
        self._survey: ProcessedCostmap | None = (
            None  # of the newest costmap for which there is one
        )
        self._surveyor = surveyor or SynchronousProcessor()
        self._failed: Exception | None = None  # in a survey, until a tick reports it
        self._withdrawn = False  # there was a plan or a goal
        self._asked = (math.nan, math.nan)  # [m] where the robot was when a survey was asked for
        self._renewals = UpdateTracker()
        self._asked_rolls = False
        self._movers: list[DynamicObstacle] = []
        self._generation = 0
        self._route = PlanTracker()
        self._clock = ClockMonitor()
        self._odometry_watch = OdometryMonitor()
        self._held: Fault | None = None  # over, but not for long enough
        self._calm = 0.0  # [s] without a fault since
        self._solved = -math.inf
        self._latency = 0.0
        self._hold = 1.0 / configuration.control_rate  # [s] from a tick to the next
        self._stuck_detector = StuckDetector()
        self._endeavour = ProgressChecker()
        self._remedy = 0
        self._second = False
        self._halted = False  # by somebody else since the last tick
        self._blocked = False
        self._state = ControllerState.WAITING
        self._start: motion_models.MotionState | None = None
        self._pending: NDArray[np.float32] | None = None
        self._vehicle = motion_models.MODELS[configuration.motion_model]
        self._sent = np.empty((COMMAND_HISTORY, 1 + self._vehicle.controls()))
        self._drives = self._drives_of(configuration)
        self._optimizer: Optimizer | None = None
        sleep_between_solves()
        self.halt()
        self.configure(configuration)

    @property
    def configuration(self) -> ControllerParameters:
        """Return the parameters in force."""
        return self._configuration

    def configure(self, configuration: ControllerParameters) -> None:
        """
        Take over a whole new configuration between two ticks; the warm start is kept.

        Whatever is raised, nothing has changed then. An error in the background is not raised
        here: it belongs to the configuration before, or to the next tick.

        Raises
        ------
        MppiError
            A value does not fit, or the motion model is another one.

        """
        c = configuration
        if motion_models.MODELS[c.motion_model] is not self._vehicle:
            raise ParameterError(f'motion_model = {c.motion_model!r} is given at start')
        parameters = c.sampling
        if self._seed is not None:
            parameters = dataclasses.replace(parameters, seed=self._seed)
        footprint = Footprint.of(c.robot)
        objective = DrivingObjective(
            c.limits, c.critics, c.prediction, footprint, c.mppi.horizon_steps, c.mppi.time_step,
            load_plugin(c.plugin), c.motion_model,
        )  # fmt: skip
        before, drives = self._configuration, self._drives
        if (c.prediction, c.identification) != (before.prediction, before.identification):
            drives = self._drives_of(c)
        survey = self._survey
        if survey is not None:
            around = CollisionModel.of(survey.region.field, footprint, c.safety.margin)
            self._show(objective, survey)
        # Up to here nothing has changed; from here on nothing is refused.
        if self._optimizer is None:
            self._optimizer = Optimizer(parameters, c.controls)
        else:
            self._optimizer.configure(parameters)
        self._configuration, self._footprint = c, footprint
        self._objective, self._drives = objective, drives
        self._drives.set_limits(c.limits)
        self._believe_drives()
        if survey is not None:
            self._surroundings = around
        self._failed = None
        self._ask()

    def set_odometry(self, odometry: Odometry) -> None:
        """
        Take a measurement; one older than the last is passed over.

        Raises
        ------
        InputError
            A value is not finite or cannot be meant; the last measurement is kept.

        """
        odometry.check()
        if self._watched()[0].accepts(odometry.stamp, self._clock.now):
            self._odometry = odometry
            limits = self._drives.limits
            speeds = BodyTwist(
                max(limits.vx_max, -limits.vx_min),
                limits.vy_max if self._vehicle.controls() == 3 else 0.0, limits.wz_max,
            )  # fmt: skip
            self._odometry_watch.take(odometry, self._configuration.safety.odom_jump, speeds)
            if self._drives.observe(odometry, self._sent):
                self._believe_drives()

    def set_costmap(self, stamp: float, costmap: Costmap) -> None:
        """
        Take a costmap and have it surveyed; one older than the last is passed over.

        Raises
        ------
        InputError
            The stamp is not finite; the last costmap is kept.

        """
        check_stamp('costmap', stamp)
        newest = None if self._newest is None else self._newest[0]
        timeout = self._configuration.safety.costmap_timeout
        if InputStatus('costmap', newest, timeout).accepts(stamp, self._clock.now):
            self._newest = stamp, costmap
            self._ask()

    def forget_costmap(self) -> None:
        """Know nothing of the surroundings: what was known belongs to another frame."""
        self._newest = self._survey = self._failed = None
        self._renewals = UpdateTracker()
        self._movers = []
        self._generation += 1

    def set_plan(self, stamp: float, poses: NDArray[np.float64]) -> None:
        """
        Take a plan, float64[N, 3] (x, y, yaw), in the place of the old one; nothing is reset.

        Raises
        ------
        InputError
            There is no pose, or one is not finite; the last plan is kept.

        """
        before = self._route.goal
        self._route.set_plan(
            stamp, poses, turns=self._vehicle is not motion_models.Ackermann,
            omni=self._vehicle is motion_models.Omni,
        )  # fmt: skip
        self._heads_for_another(before)
        if self._route.ahead is not None:
            self._ask()

    def set_goal(self, stamp: float, x: float, y: float, yaw: float) -> None:
        """
        Drive straight to a pose, unless the plan leads there anyway.

        Raises
        ------
        InputError
            The stamp or the pose is not finite; the last plan is kept.

        """
        before = self._route.goal
        self._route.set_goal(stamp, x, y, yaw, self._configuration.goal.position_tolerance)
        self._heads_for_another(before)

    def clear_plan(self) -> None:
        """Forget plan and goal: the robot comes to rest and waits."""
        self._withdrawn |= self._route.stamp is not None
        self._route.clear()

    def _heads_for_another(self, before: tuple[float, float, float] | None) -> None:
        """Restart the progress checks for a new goal."""
        self._withdrawn = False
        goal = self._route.goal
        if before is None or goal is None or math.dist(before[:2], goal[:2]) > NEW_GOAL_DISTANCE:
            self._stuck_detector.restart()

    def reset(self) -> None:
        """Forget the warm start and the progress on the path; inputs are kept."""
        self._sampler.reset()
        self._route.restart()
        self._stuck_detector.restart()
        self._endeavour.restart()

    def halt(self) -> None:
        """
        Take note that somebody else has sent zero: the next command starts from rest.

        Where the robot is by then is not held against where it was.
        """
        self._assume_sent((0.0,) * self._vehicle.controls())
        self._halted = True
        self._odometry_watch = OdometryMonitor()

    def warm_up(self) -> None:
        """Compile or load every kernel, serial and parallel, on a scene of its own."""
        cost_to_go.warm_up()
        path_segments.warm_up()
        for threads, samples in ((1, 64), (2, FEW)):
            parameters = dataclasses.replace(
                self._configuration.mppi, threads=threads, samples=samples
            )
            safety = dataclasses.replace(self._configuration.safety, costmap_timeout=0.0)
            double = Controller(
                dataclasses.replace(self._configuration, mppi=parameters, safety=safety)
            )
            double.set_odometry(Odometry(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
            cells = np.zeros((200, 200), np.int8)
            cells[150, 150] = LETHAL
            double.set_costmap(0.0, Costmap(cells, 0.1, -10.0, -10.0))
            double.set_goal(0.0, 5.0, 0.0, 0.0)
            double.tick(0.0)
            double.tick(0.05)
            double.optimal_trajectory()
            double.candidate_trajectories(1)

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
        Compute the command for the time `now` [s]; never raises.

        Parameters
        ----------
        now : float
            Time on the controller's clock [s].
        steady : float, optional
            Time on a clock that never jumps [s]; None where there is none beside the simulated.
        fault : Fault, optional
            Why the caller knows that the inputs must not be trusted.
        budget : float
            Time from now on after which no more samples are drawn [s].
        latency : float
            Time from `now` until the command will be sent, as it was measured of late [s].
        hold : float
            Time from this tick to the next, where it is longer than the control period: a
            simulated clock may advance in coarse steps [s].

        """
        begun = time.perf_counter()
        statistics = Statistics()
        try:
            tick = self._tick(now, steady, fault, budget, latency, hold, statistics)
        except Exception as error:  # even braking failed: zero is all that is left
            words = f'{type(error).__name__}: {error}'
            self._held, self._calm = Fault(Reason.INTERNAL_ERROR, words), 0.0
            self._state = ControllerState.STOPPED
            self.halt()
            tick = TickResult(
                Command.ZERO, ControllerState.STOPPED, Reason.INTERNAL_ERROR, words, statistics
            )
        statistics.tick_ms = 1e3 * (time.perf_counter() - begun)
        return tick

    def _tick(
        self,
        now: float,
        steady: float | None,
        fault: Fault | None,
        budget: float,
        latency: float,
        hold: float,
        statistics: Statistics,
    ) -> TickResult:
        seconds = 1.0 / self._configuration.control_rate
        try:
            sampler = self._sampler
            sampler.deadline = sampler.clock() + budget if budget < math.inf else math.inf
            self._latency = latency
            self._hold = max(hold, seconds)
            self._show_drives(statistics)
            seconds, clock_fault = self._elapse(now, steady)
            if fault is not None and fault.code is Reason.TICK_LATE:
                self.halt()  # the caller has sent zero meanwhile
            command, code, reason = self._drive(now, seconds, clock_fault or fault, statistics)
            state = ControllerState.DRIVING
        except _Stop as stop:
            command, state, code, reason = self._brake(stop, now, seconds)
        except Exception as error:  # a robot must brake even for a mistake in this program
            mistake = _Stop(Reason.INTERNAL_ERROR, f'{type(error).__name__}: {error}')
            command, state, code, reason = self._brake(mistake, now, seconds)
        if state is ControllerState.STOPPED and self._state is ControllerState.BRAKING:
            # What led here is a poor start for the way on.
            self._sampler.mean[:] = 0.0
        self._state = state
        self._remember(now, command)
        twist = self._braking_model.twist(tuple(self._sent[-1, 1:].tolist()))
        sent = Command(*(value + 0.0 for value in twist))  # -0.0 becomes 0.0
        return TickResult(sent, state, code, reason, statistics)

    def _show_drives(self, statistics: Statistics) -> None:
        told = self._drives.prediction
        statistics.delay_linear, statistics.delay_angular = told.delay_linear, told.delay_angular
        statistics.lag_linear, statistics.lag_angular = told.lag_linear, told.lag_angular
        statistics.gain_linear, statistics.gain_angular = told.gain_linear, told.gain_angular

    def optimal_trajectory(self) -> NDArray[np.float64]:
        """Return the poses, float64[T + 1, 3], that the mean leads through; [0, 3] before any."""
        if self._start is None:
            return np.empty((0, 3))
        return self._trajectory(self._sampler.mean)

    def candidate_trajectories(
        self, count: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return some of the samples as poses, float32[n, T + 1, 3], and weights, float32[n]."""
        mean = self._sampler.mean
        if self._start is None:
            return np.empty((0, len(mean) + 1, 3), np.float32), np.empty(0, np.float32)
        noise, weights = self._sampler.samples()
        chosen = np.linspace(0, len(weights) - 1, min(count, len(weights))).astype(int)
        controls = mean + noise[chosen]
        for sample in controls:
            self._objective.project(sample)
        poses = np.array([self._trajectory(sample) for sample in controls], np.float32)
        return poses, weights[chosen]

    def costs(self) -> dict[str, float]:
        """Return what each critic charges for the optimal trajectory [s]; nothing before any."""
        return self._objective.cost_of_each_critic(self._sampler.mean)

    @property
    def outline(self) -> NDArray[np.float64]:
        """Corners of the body in the base frame [m], float64[p, 2]."""
        return self._footprint.polygon

    @property
    def distance_field(self) -> DistanceField | None:
        """Distances to the obstacles of the newest costmap; None before any."""
        return None if self._survey is None else self._survey.region.field

    @property
    def window(self) -> RollingWindow | None:
        """What a costmap that rolls with the robot allows; None where it does not roll."""
        c, survey = self._configuration, self._survey
        if survey is None or not self._renewals.rolls or not c.safety.outside_is_obstacle:
            return None
        height, width = survey.region.costmap.shape
        cell = survey.region.costmap.resolution
        return window_of(
            c, self._footprint, (width * cell, height * cell), self._renewals.period,
            self._renewals.age,
        )  # fmt: skip

    @property
    def _sampler(self) -> Optimizer:
        assert self._optimizer is not None
        return self._optimizer

    @property
    def _last(self) -> Controls:
        """Return the controls of the last command."""
        return tuple(self._drives.achieved(self._sent[-1, 1:]).tolist())

    def _drives_of(self, c: ControllerParameters) -> PlantEstimate:
        return PlantEstimate(c.limits, c.prediction, self._vehicle, c.identification.enabled)

    def _believe_drives(self) -> None:
        """Plan with what is known of the drives now."""
        drives = self._drives
        self._objective.set_plant(drives.limits, drives.prediction)
        self._braking_model = self._vehicle.of(
            drives.limits, drives.conservative, stopping_check.INTEGRATION_STEP
        )

    @property
    def _made(self) -> NDArray[np.float64]:
        """Return the time of each command sent [s], and what the robot makes of it."""
        return np.column_stack([self._sent[:, 0], self._drives.achieved(self._sent[:, 1:])])

    @property
    def _standing(self) -> bool:
        """Tell whether the last command was to stand."""
        return bool(motion_models.is_stop(self._last, self._braking_model))

    def _watched(self) -> tuple[InputStatus, InputStatus, InputStatus]:
        safety, survey = self._configuration.safety, self._survey
        odometry_stamp = None if self._odometry is None else self._odometry.stamp
        return (
            InputStatus('odometry', odometry_stamp, safety.odom_timeout),
            InputStatus(
                'costmap', None if survey is None else survey.region.stamp, safety.costmap_timeout
            ),
            InputStatus('plan', self._route.stamp, safety.plan_timeout),
        )

    def _ask(self) -> None:
        """Have the newest costmap and the plan ahead surveyed from where the robot is."""
        if self._newest is None:
            return
        stamp, costmap = self._newest
        place, path = self._place(), self._route.ahead
        known = None if self._survey is None else self._survey.region
        if (
            known is None
            or known.costmap is not costmap
            or known.parameter_key != parameter_key(self._configuration)
            or known.rolls is not self._renewals.rolls
            or not known.holds(place, 0.5 * slack(self._configuration))
        ):
            known = None
        else:
            known = dataclasses.replace(known, stamp=stamp)  # the same cells, sent once more
        self._asked, self._asked_rolls = place, self._renewals.rolls
        self._route.looked()
        self._surveyor.submit(
            ProcessingRequest(
                self._generation, self._configuration, self._footprint, stamp, costmap, place,
                path, self._route.progress or 0.0, self._objective.lookahead_distance, known,
                () if self._survey is None else self._survey.region.tracks, self._asked_rolls,
            )
        )  # fmt: skip
        self._collect()

    def _collect(self) -> None:
        """Take over a survey that was finished since."""
        done = self._surveyor.poll()
        if isinstance(done, ProcessingFailure):
            asked = done.request
            if asked.generation == self._generation and asked.configuration is self._configuration:
                self._failed = done.error
        elif done is not None and done.generation == self._generation:
            self._adopt(done)

    def _adopt(self, survey: ProcessedCostmap) -> None:
        self._survey = survey
        self._movers = survey.region.movers
        self._surroundings = CollisionModel.of(
            survey.region.field, self._footprint, self._configuration.safety.margin
        )
        self._show(self._objective, survey)

    def _show(self, objective: DrivingObjective, survey: ProcessedCostmap) -> None:
        objective.set_field(survey.region.still)
        if survey.outlook is not None and survey.outlook.path is self._route.ahead:
            objective.set_outlook(survey.outlook)

    def _place(self) -> tuple[float, float]:
        odometry = self._odometry
        return (0.0, 0.0) if odometry is None else (float(odometry.x), float(odometry.y))

    def _elapse(self, now: float, steady: float | None) -> tuple[float, Fault | None]:
        """
        Return the time [s] that the command may change in, and what is wrong with the clock.

        That is the time since the last tick, within reason. A clock that jumped makes the memory
        of sent commands useless; after a long silence the robot does what its odometry says, or
        stands.
        """
        period = 1.0 / self._configuration.control_rate
        elapsed, fault = self._clock.read(now, steady)
        halted, self._halted = self._halted, False
        if fault is not None and fault.code is Reason.CLOCK_INVALID:
            return period, fault
        if fault is not None:
            self._assume_sent(self._last)
            self._solved = now
        if elapsed > MAX_TICK_GAP:
            if fault is not None and fault.code is Reason.TICK_LATE and self._standing:
                fault = None  # a robot at rest misses no tick
            self._assume_measured(now)
            return period, fault
        # zero was sent who knows when
        longest = period if halted else max(2.0 * period, self._hold)
        return min(max(elapsed, 0.0) or period, longest), fault

    def _assume_measured(self, now: float) -> None:
        """Assume that the robot was sent what it does, or that it stands."""
        odometry = self._odometry
        if odometry is None or self._watched()[0].fault(now):
            self.halt()
            return
        measured = self._measured(odometry)
        self._assume_sent(self._braking_model.command_from_twist(measured, self._last))

    def _drive(
        self, now: float, seconds: float, fault: Fault | None, statistics: Statistics
    ) -> tuple[Controls, Reason, str]:
        """Return the command that goes on driving and a remark, or raise _Stop."""
        c = self._configuration
        self._collect()
        if self._failed is not None:
            error, self._failed = self._failed, None
            raise error
        if self._survey is not None and self._odometry is not None:
            region = self._survey.region
            self._renewals.take(now, region.stamp, region.costmap, self._place())
            if self._renewals.rolls is not self._asked_rolls:
                self._ask()
        self._watch(now, seconds, fault, statistics)
        start = self._start = self._predicted(now)
        try:
            path = self._route.follow(start, c.goal, self._objective, statistics)
        except InputError as error:
            raise _Stop(Reason.PLAN_REFUSED, str(error)) from None
        self._survey_again()
        assert self._odometry is not None
        scene = self._scene(now, start, seconds)
        if self._route.check_goal(
            start, path, c.goal, self._odometry, self._standing, lambda: scene.braked().rest
        ):
            rest = ControllerState.REACHED if self._route.reached else ControllerState.BRAKING
            self._endeavour.restart()
            raise _Stop(Reason.GOAL_REACHED, 'goal reached', rest)
        assert self._route.goal is not None
        left, patience = self._route.distance_remaining, c.recovery.progress_timeout
        pace = MIN_SPEED_SHARE * c.limits.vx_max
        if self._endeavour.hopeless(now, left, self._route.goal[:2], patience, pace):
            words = f'no progress for {patience:g} s, {left:.1f} m before the goal: given up'
            raise _Stop(Reason.PROGRESS_TIMEOUT, words)
        self._stand_before(path)
        choice = self._choose(now, seconds, scene, path, statistics)
        clearance = choice.check.begin
        if clearance < c.safety.margin:
            words = f'in contact, clearance {clearance:.2f} m: leaving'
            return choice.command, Reason.IN_CONTACT, words
        if self._second:
            words = 'the plan leaves no room to brake: second choice'
            return choice.command, Reason.FALLBACK_COMMAND, words
        if self._remedy:
            words = f'stuck: {RECOVERIES[self._remedy - 1]}'
            return choice.command, Reason.NO_PROGRESS, words
        return choice.command, Reason.NONE, ''

    def _stand_before(self, path: ReferencePath) -> None:
        """Stop where no way leads round what blocks the plan, and stay until one does."""
        assert self._route.progress is not None
        end, tolerance = self._objective.end(path), self._configuration.goal.position_tolerance
        ahead = end - self._route.progress
        near = tolerance if path.length - end > tolerance else min(tolerance, END_TOLERANCE)
        self._blocked = ahead <= near + (LEAVE_HYSTERESIS if self._blocked else 0.0)
        if self._blocked:
            words = 'no way round what blocks the plan'
            raise _Stop(Reason.PATH_BLOCKED, words)

    def _watch(
        self, now: float, seconds: float, fault: Fault | None, statistics: Statistics
    ) -> None:
        """Stop for an input that is missing or not to be trusted, and for a while afterwards."""
        watched = self._watched()
        statistics.odom_age, statistics.costmap_age, statistics.plan_age = (
            each.age(now) for each in watched
        )
        safety = self._configuration.safety
        vx, vy, wz = self._braking_model.twist(self._last)
        moving = math.hypot(vx, vy) > REST_SPEED or abs(wz) > REST_TURN_RATE
        frozen = self._odometry_watch.fault(seconds, moving, safety.odom_frozen)
        if fault is not None:
            raise _Stop(*fault)
        for each in watched:
            missing = each.missing()
            if missing is not None:
                raise _Stop(*self._more_of(missing), ControllerState.WAITING)
        for found in (*(each.fault(now) for each in watched), frozen, self._outside()):
            if found is not None:
                raise _Stop(*found)
        if self._held is None:
            return
        self._calm += seconds
        if self._calm <= safety.recovery_time:
            words = f'{self._held.message} (gone for less than {safety.recovery_time:g} s)'
            raise _Stop(self._held.code, words, over=True)
        self._held = None

    def _more_of(self, missing: Fault) -> Fault:
        """Distinguish what never came from what is being processed, or was withdrawn."""
        if missing.code is Reason.COSTMAP_MISSING and self._newest is not None:
            return Fault(Reason.COSTMAP_PENDING, 'the costmap is being processed')
        if missing.code is Reason.PLAN_MISSING and self._withdrawn:
            return Fault(missing.code, 'the plan was withdrawn')
        if missing.code is Reason.COSTMAP_MISSING and self._generation:
            return Fault(missing.code, 'no costmap in the new frame yet')
        return missing

    def _outside(self) -> Fault | None:
        """Say that the robot is where the costmap knows nothing; None when it is not."""
        assert self._survey is not None
        x, y = self._place()
        if not self._configuration.safety.outside_is_obstacle:
            return None
        if self._survey.region.costmap.contains(x, y):
            return None
        words = f'the robot at ({x:.2f}, {y:.2f}) m is outside of the costmap'
        return Fault(Reason.OUTSIDE_COSTMAP, words)

    def _survey_again(self) -> None:
        """Ask for a survey when the robot has come far from the last one; stop when too far."""
        assert self._survey is not None
        windowed = self._survey.region.place is not None
        moved = math.dist(self._asked, self._place()) > 0.5 * slack(self._configuration)
        if self._route.wants_a_look() or (windowed and moved):
            self._ask()
        if not self._survey.region.holds(self._place(), slack(self._configuration)):
            words = 'the costmap around the robot is being processed'
            raise _Stop(Reason.COSTMAP_PENDING, words, ControllerState.WAITING)

    def _scene(self, now: float, start: motion_models.MotionState, seconds: float) -> CheckContext:
        hold = self._hold + self._drives.delay_margin
        pending = stopping_check.pending(self._made, self._sending(now), self._braking_model)
        around = self._surroundings._replace(movers=self._moved(now))
        c = self._configuration
        return CheckContext(
            start, self._last, hold, around, self._step_of(seconds), self._braking_model, pending,
            1.0 / (c.control_rate * c.mppi.time_step),
        )  # fmt: skip

    def _moved(self, now: float) -> NDArray[np.float64]:
        """Return x, y, vx, vy, radius of what moves when the next command acts."""
        return predict_obstacles(self._movers, self._acting(now))

    def _choose(
        self, now: float, seconds: float, scene: CheckContext, path: ReferencePath,
        statistics: Statistics,
    ) -> CheckedCommand:  # fmt: skip
        """Return the first safe command that the ladder finds."""
        begun = time.perf_counter()
        self._second = False
        wanted = self._solve(now, seconds, scene, path, statistics)
        choice = scene.choose(wanted)
        if self._remedy == BACK_UP:
            back = scene.choose(self._backward(path))
            choice = back if back.check.safe else choice
        if not choice.check.safe:
            choice = scene.slowed(wanted) or choice
        if not choice.check.safe:
            other = fallback_command(self._sampler, self._objective, scene, self._cooling)
            self._second = other is not None
            choice = other or choice
        statistics.solve_ms = 1e3 * (time.perf_counter() - begun)
        statistics.clearance = clearance = choice.check.clearance
        if not choice.check.safe:
            limit = self._configuration.safety.margin
            raise _Stop(
                Reason.COLLISION_AHEAD,
                f'the plan leaves no room to brake: clearance {clearance:.2f} m, '
                f'limit {limit:g} m',
            )
        return choice

    def _cap_speed(self, now: float, scene: CheckContext) -> None:
        """Sample no faster than the robot can stop before the rim of the costmap."""
        assert self._survey is not None
        field, drives, sampler = self._survey.region.field, self._drives, self._sampler
        slowing = rolling_window.deceleration(drives.limits, self._configuration.motion_model)
        # A command acts for `hold`, so the last one before the next costmap need not be counted.
        wait = max(self._renewals.wait(now) - 1.0 / self._configuration.control_rate, 0.0)
        seconds = wait + scene.hold + drives.conservative.lag_linear
        needed = (
            rolling_window.required_distance(drives.limits.vx_max, slowing, seconds)
            + self._footprint.reach
        )
        place = scene.start.x, scene.start.y
        if (
            not self._survey.region.rolls
            or field.outside > 0.0
            or rolling_window.distance_to_side(*place, field) >= needed
        ):
            self._objective.cap_speed(math.inf)
            return
        poses = motion_models.trajectory(
            sampler.mean, scene.start, self._objective.model, self._pending
        )[:, :3]
        way = rolling_window.distance_to_rim(poses, self._footprint, field)
        speed = rolling_window.allowed_speed(way, slowing, seconds)
        self._objective.cap_speed(speed, rolling_window.leads_ahead(poses))

    def _backward(self, path: ReferencePath) -> Controls:
        """Return the controls that leave the path slowly, against its direction."""
        limits = self._drives.limits
        speed = limits.vx_min if path.direction > 0.0 else limits.vx_max
        return (BACK_UP_SPEED_SHARE * speed, *(0.0,) * (self._vehicle.controls() - 1))

    def _sending(self, now: float) -> float:
        """Return when the command of the tick at `now` is sent."""
        return now + self._latency

    def _predicted(self, now: float) -> motion_models.MotionState:
        """Return the state at the time the next command begins to act."""
        odometry, drives = self._odometry, self._drives
        assert odometry is not None
        return stopping_check.predict(
            self._measured(odometry), odometry.stamp, self._acting(now), self._made,
            drives.prediction, self._vehicle, drives.limits,
        )  # fmt: skip

    def _acting(self, now: float) -> float:
        """Return when the command of the tick at `now` begins to act."""
        return self._sending(now) + self._drives.prediction.first_delay

    def _measured(self, odometry: Odometry) -> motion_models.MotionState:
        """Return what was measured, as far as the motion model has it."""
        aside = odometry.vy if self._vehicle.controls() == 3 else 0.0
        values = (odometry.x, odometry.y, odometry.yaw, odometry.vx, odometry.wz, aside)
        return motion_models.MotionState(*(float(value) for value in values))

    def _solve(
        self, now: float, seconds: float, scene: CheckContext, path: ReferencePath,
        statistics: Statistics,
    ) -> Controls:  # fmt: skip
        """Return the command that the optimised sequence begins with, held for one period."""
        start = scene.start
        assert self._route.progress is not None
        sampler, objective, c = self._sampler, self._objective, self._configuration
        self._pending = stopping_check.pending(self._made, self._sending(now), objective.model)
        movers = self._moved(now)
        if len(movers):
            margin, growth = margins(c.moving_obstacles.risk)
            movers[:, 4] += margin
            movers = np.column_stack([movers, np.full(len(movers), growth)])
        objective.prepare(
            start, self._last, path, self._route.progress, self._pending, movers, seconds
        )
        elapsed = now - self._solved
        if elapsed > MAX_TICK_GAP:
            self._stuck_detector.restart()
        sampler.shift(min(elapsed, c.mppi.horizon))
        self._cap_speed(now, scene)
        self._solved = now
        spans = self._stuck_detector.spans(now, start, c.limits, c.recovery.stuck_timeout)
        before, self._remedy = self._remedy, next_recovery(spans)
        if self._remedy == SEARCH_WIDER != before:
            sampler.mean[:] = cheapest_constant(objective, scene.step, len(sampler.mean))
        step = sampler.step(
            objective, self._cooling, WIDE_SIGMA_SCALE if self._remedy == SEARCH_WIDER else 1.0
        )
        statistics.samples = float(sampler.sample_count)
        statistics.smoothed_objective = step.smoothed_objective
        statistics.ess, statistics.temperature = step.ess, step.temperature
        statistics.score_norm, statistics.kl = step.score_norm, step.kl
        first = scene.held(sampler.mean)
        if not all(map(math.isfinite, first)):
            sampler.mean[:] = 0.0
            words = f'the optimiser found no finite command: {first}'
            raise _Stop(Reason.NO_FINITE_PLAN, words)
        if not step.valid:
            raise _Stop(Reason.NO_FINITE_PLAN, 'no sampled trajectory has a finite cost')
        return first

    @property
    def _cooling(self) -> float:
        return self._configuration.recovery.cooling if self._remedy else 1.0

    def _brake(
        self, stop: _Stop, now: float, seconds: float
    ) -> tuple[Controls, ControllerState, Reason, str]:
        """Return the braking command, the state and the reason; zero when at rest."""
        code, words = stop.fault
        if code not in NON_FAULTS and not stop.over:
            self._held, self._calm = stop.fault, 0.0
        last = self._last
        turn, mistake = self._safest_turn(now, seconds)
        words = f'{words}; {mistake}' if mistake else words
        model = self._step_of(seconds)
        command = motion_models.as_floats(motion_models.brake_command(last, turn, model))
        if not motion_models.is_stop(command, model):
            return command, ControllerState.BRAKING, code, f'{words}: braking'
        return command, stop.rest, code, '' if stop.rest is ControllerState.REACHED else words

    def _safest_turn(self, now: float, seconds: float) -> tuple[float, str]:
        """
        Return the curvature [rad/m] to brake along: the clearest where that can be known.

        And what went wrong while it was looked for; '' where nothing did.
        """
        along = self._braking_model.curvature(self._last)
        if self._standing or self._survey is None or self._odometry is None:
            return along, ''
        if not abs(now - self._odometry.stamp) < MAX_STATE_AGE:
            return along, ''
        try:
            return self._scene(now, self._predicted(now), seconds).braked().turn, ''
        except Exception as error:  # whatever brought the robot here must not keep it from braking
            return along, f'no clearest way to brake: {type(error).__name__}: {error}'

    def _step_of(self, seconds: float) -> motion_models.Model:
        """Return the motion model for the time from the last command to the next one."""
        return self._vehicle.of(
            self._drives.limits, self._drives.prediction, seconds, float
        )

    def _remember(self, now: float, command: Controls) -> None:
        self._sent[:-1] = self._sent[1:]
        time_sent = self._sending(now) if math.isfinite(now) else self._sent[-2, 0]
        self._sent[-1] = time_sent, *self._drives.commanded(command)

    def _assume_sent(self, command: Controls) -> None:
        """Assume that nothing but this command was ever sent."""
        self._sent[:] = -math.inf, *self._drives.commanded(command)
        self._drives.forget_sent()

    def _trajectory(self, controls: NDArray[np.float32]) -> NDArray[np.float64]:
        assert self._start is not None
        model = self._objective.model
        return motion_models.trajectory(controls, self._start, model, self._pending)[:, :3]
