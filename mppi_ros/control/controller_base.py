"""
Inputs, parameters and models of a controller: all that is set between two ticks.

More than 400 lines: each input has a method whose docstring states its units and errors.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control import stopping_check
from mppi_ros.control.costmap_processing import CostmapProcessor, Place, ProcessedCostmap
from mppi_ros.control.costmap_updater import CostmapUpdater
from mppi_ros.control.detected_obstacles import check_obstacles
from mppi_ros.control.input_monitor import InputMonitor, InputStatus
from mppi_ros.control.inputs import Odometry
from mppi_ros.control.odometry_consistency import BodyTwist
from mppi_ros.control.optimization import (
    Optimization,
    SamplingSummary,
    candidates,
    sampling_summary,
)
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.plan_tracker import PlanTracker
from mppi_ros.control.plant_estimate import PlantEstimate
from mppi_ros.control.prediction import CommandHistory, InitialState
from mppi_ros.control.progress import ProgressChecker
from mppi_ros.control.rolling_window import RollingWindow
from mppi_ros.control.stopping_check import CollisionModel
from mppi_ros.control.tick_result import ControllerState, Fault, Reason
from mppi_ros.driving import motion_models
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.distance_field import DistanceField
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.objective import DrivingObjective
from mppi_ros.driving.obstacle_prediction import DynamicObstacle
from mppi_ros.driving.plugin import load_plugin
from mppi_ros.driving.scan import Scan
from mppi_ros.driving.track_prediction import TrackPrediction, predict_tracks
from mppi_ros.jit.threads import sleep_between_solves
from mppi_ros.mppi.optimizer import Optimizer
from mppi_ros.mppi.parameters import MppiParameters
from mppi_ros.parameters.errors import ParameterError, check_stamp

ELSEWHERE = 0.3  # [m] distance from the previous goal beyond which a goal is another one


class ControllerBase:
    """
    Keeps the inputs, and the models that follow from them and from the parameters.

    Parameters
    ----------
    configuration : ControllerParameters
        All parameters.
    seed : int, optional
        Seed of the noise, instead of the configuration's.
    processor : CostmapProcessor, optional
        Computes distance fields and detours; by default synchronously.

    """

    _objective_type = DrivingObjective

    def __init__(
        self,
        configuration: ControllerParameters,
        seed: int | None = None,
        processor: CostmapProcessor | None = None,
    ) -> None:
        self._seed = seed
        self._configuration = configuration
        self._vehicle = motion_models.MODELS[configuration.motion_model]
        self._odometry: Odometry | None = None
        self._costmaps = CostmapUpdater(processor)
        self._route = PlanTracker()
        self._monitor = InputMonitor()
        self._optimization = Optimization()
        self._progress_checker = ProgressChecker()
        self._withdrawn = False  # there was a plan or a goal
        self._halted = False  # a zero command was sent by the caller since the last tick
        self._state = ControllerState.WAITING
        self._start: InitialState | None = None  # of the last tick
        sleep_between_solves()
        self._sampler = Optimizer(self._sampling(configuration), configuration.controls)
        self._history = CommandHistory(self._vehicle, self._plant_of(configuration))
        self.halt()
        self.configure(configuration)

    @property
    def configuration(self) -> ControllerParameters:
        """Return the parameters in force."""
        return self._configuration

    def configure(self, configuration: ControllerParameters) -> None:
        """
        Apply a complete new configuration between two ticks; the warm start is kept.

        If it raises, nothing has changed. An error of the processing in the background is not
        raised here: it belongs to the former configuration, or to the next tick.

        Raises
        ------
        MppiError
            A value is not valid, or the motion model differs.

        """
        c = configuration
        if motion_models.MODELS[c.motion_model] is not self._vehicle:
            raise ParameterError(
                f'motion_model = {c.motion_model!r} is read-only; set it at start'
            )
        parameters = self._sampling(c)
        footprint = Footprint.of(c.robot)
        objective = self._objective_type(
            c.limits, c.critics, c.prediction, footprint, c.mppi.horizon_steps, c.mppi.time_step,
            load_plugin(c.plugin), c.motion_model,
            c.steps_among_moving_obstacles,
        )  # fmt: skip
        before, plant = self._configuration, self._plant
        if (c.prediction, c.identification) != (before.prediction, before.identification):
            plant = self._plant_of(c)
        processed = self._costmaps.processed
        if processed is not None:
            collision_model = CollisionModel.of(processed.region.field, footprint, c.safety.margin)
            self._show(objective, processed)
        # Up to here nothing has changed; from here on nothing is refused.
        self._sampler.configure(parameters)
        self._configuration, self._footprint = c, footprint
        self._objective, self._history.plant = objective, plant
        plant.set_limits(c.limits)
        self._update_models()
        if processed is not None:
            self._collision_model = collision_model
        self._costmaps.drop_error()
        self._ask()

    def set_odometry(self, odometry: Odometry) -> None:
        """
        Set a measurement; one older than the last is ignored.

        Raises
        ------
        InputError
            A value is not finite or not plausible; the last measurement is kept.

        """
        odometry.check()
        if not self._inputs()[0].accepts(odometry.stamp, self._monitor.clock.now):
            return
        self._odometry = odometry
        self._costmaps.scans.set_odometry(odometry)
        limits = self._plant.limits
        speeds = BodyTwist(
            max(limits.vx_max, -limits.vx_min),
            limits.vy_max if self._vehicle.controls() == 3 else 0.0, limits.wz_max,
        )  # fmt: skip
        self._monitor.set_odometry(odometry, self._configuration.safety, speeds)
        if self._plant.observe(odometry, self._history.sent):
            self._update_models()

    def set_costmap(self, stamp: float, costmap: Costmap) -> None:
        """
        Set a costmap and have it processed; one older than the last is ignored.

        Raises
        ------
        InputError
            The stamp is not finite; the last costmap is kept.

        """
        check_stamp('costmap', stamp)
        timeout = self._configuration.safety.costmap_timeout
        if self._costmaps.set(stamp, costmap, timeout, self._monitor.clock.now):
            self._ask()

    def set_scan(self, scan: Scan) -> bool:
        """
        Track the obstacles in a scan.

        Returns
        -------
        bool
            Whether the scan is used: tracking in scans is enabled, the odometry covers the stamp,
            and the scan is newer than the last one.

        Raises
        ------
        InputError
            A value is not valid; the tracks are kept.

        """
        scan.check()
        tracking = self._configuration.moving_obstacles
        if not (tracking.enabled and tracking.use_scan):
            return False
        return self._costmaps.scans.set_scan(scan.without(self._footprint))

    def set_obstacles(
        self, stamp: float, obstacles: Sequence[DynamicObstacle], ids: Sequence[int]
    ) -> bool:
        """
        Set the obstacles of a detector, which replace the own tracks for 0.5 s from their stamp.

        Parameters
        ----------
        stamp : float
            Time of the detection [s].
        obstacles : sequence of DynamicObstacle
            In the frame of the costmap. Those slower than 0.1 m/s are left to the costmap.
        ids : sequence of int
            Of each the number of its track.

        Returns
        -------
        bool
            Whether they are used: moving obstacles are tracked, and these are newer than the last.

        Raises
        ------
        InputError
            A value is not valid; the last obstacles are kept.

        """
        check_obstacles(stamp, obstacles, ids)
        if not self._configuration.moving_obstacles.enabled:
            return False
        return self._costmaps.detected.set(stamp, obstacles, ids)

    def uses_detections(self, time: float) -> bool:
        """Return whether the obstacles of a detector are in use at a time [s]."""
        return self._costmaps.detected.is_current(time)

    def tracks_scans(self, time: float) -> bool:
        """Return whether obstacles are tracked in scans at a time [s], not on the costmap."""
        return self._costmaps.scans.is_current(time)

    def forget_costmap(self) -> None:
        """Discard the costmap: it belongs to another frame."""
        self._costmaps.forget()

    def set_plan(self, stamp: float, poses: NDArray[np.float64]) -> None:
        """
        Set a plan, float64[N, 3] (x, y, yaw), in place of the old one; nothing is reset.

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
        self._after_new_plan(before)
        if self._route.ahead is not None:
            self._ask()

    def set_goal(self, stamp: float, x: float, y: float, yaw: float) -> None:
        """
        Drive straight to a pose, unless the plan ends there anyway.

        Raises
        ------
        InputError
            The stamp or the pose is not finite; the last plan is kept.

        """
        before = self._route.goal
        self._route.set_goal(stamp, x, y, yaw, self._configuration.goal.position_tolerance)
        self._after_new_plan(before)

    def clear_plan(self) -> None:
        """Discard plan and goal: the robot comes to rest and waits."""
        self._withdrawn |= self._route.stamp is not None
        self._route.clear()

    def reset(self) -> None:
        """Discard the warm start and the progress on the path; inputs are kept."""
        self._sampler.reset()
        self._route.restart()
        self._optimization.restart()
        self._progress_checker.restart()

    def halt(self) -> None:
        """
        Note that the caller has sent zero: the next command starts from rest.

        The next odometry may be anywhere: it is not compared with the last one.
        """
        self._history.assume((0.0,) * self._vehicle.controls())
        self._halted = True
        self._monitor.forget_odometry()

    def optimal_trajectory(self) -> NDArray[np.float64]:
        """Return the poses, float64[T + 1, 3], of the mean; [0, 3] before the first."""
        return self.timed_trajectory()[:, 1:4]

    def timed_trajectory(self) -> NDArray[np.float64]:
        """
        Return the mean as a trajectory in time, float64[T + 1, 7]; [0, 7] before the first.

        Each row is the time on the controller's clock [s], x [m], y [m], yaw [rad], and the
        velocity in the frame of the robot: vx [m/s], vy [m/s], wz [rad/s]. It begins when the
        command of the last tick takes effect.
        """
        if self._start is None:
            return np.empty((0, 7))
        return self._start.trajectory(self._sampler.mean, self._objective.model)

    def candidate_trajectories(
        self, count: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return some of the samples as poses, float32[n, T + 1, 3], and weights, float32[n]."""
        if self._start is None:
            steps = len(self._sampler.mean)
            return np.empty((0, steps + 1, 3), np.float32), np.empty(0, np.float32)
        return candidates(self._sampler, self._objective, self._start, count)

    def sampling_summary(self) -> SamplingSummary | None:
        """Return weights and step of the last iteration; None before any."""
        return None if self._start is None else sampling_summary(self._sampler)

    def costs(self) -> dict[str, float]:
        """Return the cost of each critic for the optimal trajectory [s]; empty before any."""
        return self._objective.cost_of_each_critic(self._sampler.mean)

    def predicted_obstacles(self, time: float) -> list[TrackPrediction]:
        """Return the moving obstacles at a time [s], predicted over the horizon of the tick."""
        c = self._configuration
        horizon = self._objective.steps * c.mppi.time_step
        tracks = self._costmaps.moving_tracks(time)
        return predict_tracks(tracks, time, horizon, c.moving_obstacles.velocity_std)

    @property
    def outline(self) -> NDArray[np.float64]:
        """Corners of the body in the base frame [m], float64[p, 2]."""
        return self._footprint.polygon

    @property
    def distance_field(self) -> DistanceField | None:
        """Distances to the obstacles of the newest costmap; None before any."""
        processed = self._costmaps.processed
        return None if processed is None else processed.region.field

    @property
    def window(self) -> RollingWindow | None:
        """Limits by a costmap that rolls with the robot; None if it does not."""
        return self._costmaps.window(self._configuration, self._footprint)

    @property
    def _plant(self) -> PlantEstimate:
        return self._history.plant

    @property
    def _standing(self) -> bool:
        """Whether the last command was zero."""
        return bool(motion_models.is_stop(self._history.last, self._braking_model))

    def _sampling(self, c: ControllerParameters) -> MppiParameters:
        sampling = c.sampling
        return sampling if self._seed is None else dataclasses.replace(sampling, seed=self._seed)

    def _plant_of(self, c: ControllerParameters) -> PlantEstimate:
        return PlantEstimate(c.limits, c.prediction, self._vehicle, c.identification.enabled)

    def _update_models(self) -> None:
        """Update the models of objective and stopping check from the plant estimate."""
        plant = self._plant
        self._objective.set_plant(plant.limits, plant.prediction)
        self._braking_model = self._vehicle.of(
            plant.limits, plant.conservative, stopping_check.INTEGRATION_STEP
        )

    def _step_of(self, seconds: float) -> motion_models.Model:
        """Return the motion model for the time from the last command to the next one."""
        plant = self._plant
        return self._vehicle.of(plant.limits, plant.prediction, seconds, float)

    def _inputs(self) -> tuple[InputStatus, InputStatus, InputStatus]:
        """Return the ages of odometry, costmap and plan."""
        safety = self._configuration.safety
        stamp = None if self._odometry is None else self._odometry.stamp
        withdrawn = Fault(Reason.PLAN_MISSING, 'the plan was withdrawn')
        return (
            InputStatus('odometry', stamp, safety.odom_timeout),
            self._costmaps.input(safety.costmap_timeout),
            InputStatus(
                'plan', self._route.stamp, safety.plan_timeout,
                withdrawn if self._withdrawn else None,
            ),
        )  # fmt: skip

    def _assume_measured(self, now: float) -> None:
        """Assume that the commands sent were what the odometry measures, or zero."""
        odometry, history = self._odometry, self._history
        if odometry is None or self._inputs()[0].fault(now):
            self.halt()
            return
        history.assume(
            self._braking_model.command_from_twist(history.measured(odometry), history.last)
        )

    def _after_new_plan(self, before: tuple[float, float, float] | None) -> None:
        """Restart the detection of a robot that is stuck if the goal is another one."""
        self._withdrawn = False
        goal = self._route.goal
        if before is None:
            self._progress_checker.restart_movement()
        if before is None or goal is None or math.dist(before[:2], goal[:2]) > ELSEWHERE:
            self._optimization.restart()

    def _ask(self) -> None:
        """Request the processing of the newest costmap and of the plan ahead."""
        self._costmaps.request(
            self._configuration, self._footprint, self._place(), self._route,
            self._objective.lookahead_distance,
        )  # fmt: skip
        self._collect()

    def _collect(self) -> None:
        """Adopt what was processed since the last call."""
        processed = self._costmaps.collect(self._configuration)
        if processed is not None:
            self._collision_model = CollisionModel.of(
                processed.region.field, self._footprint, self._configuration.safety.margin
            )
            self._show(self._objective, processed)

    def _show(self, objective: DrivingObjective, processed: ProcessedCostmap) -> None:
        objective.set_field(processed.region.still)
        if processed.lookahead is not None and processed.lookahead.path is self._route.ahead:
            objective.set_lookahead(processed.lookahead)

    def _place(self) -> Place:
        odometry = self._odometry
        return (0.0, 0.0) if odometry is None else (float(odometry.x), float(odometry.y))
