"""Every motion model in closed loop: it arrives, keeps its limits and touches nothing."""
from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy_motion import COLUMNS
from plain_robot import room, with_block
import pytest

from mppi_ros.control.controller import Controller
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.control.tick_result import ControllerState, TickResult
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.motion_models import MODELS
from mppi_ros.parameters.declaration import replace
from mppi_ros.parameters.errors import ParameterError
from mppi_ros.simulation.plant import NOMINAL, Plant

SIGMA = {'diff_drive': (0.4, 0.6), 'omni': (0.4, 0.4, 0.6), 'ackermann': (0.4, 0.6)}
SLACK = 1e-6


def configured(name, changes=None):
    return replace(ControllerParameters(), {
        'motion_model': name, 'sigma': SIGMA[name], 'samples': 512, 'horizon_steps': 40,
        'threads': 1, 'limits.vx_min': -0.4, 'limits.turning_radius_min': 0.4,
        'safety.costmap_timeout': 0.0, **(changes or {})})


class Driven:
    """A controller and the simulated robot that it drives."""

    def __init__(self, configuration, pose=(0.0, 0.0, 0.0), seed=1, **plant):
        self.controller = Controller(configuration, seed)
        self.period = 1.0 / configuration.control_rate
        self.plant = Plant(
            dataclasses.replace(NOMINAL, drifts=False, limits=configuration.limits,
                                motion_model=configuration.motion_model, **plant),
            pose, seed)
        self.controller.set_costmap(0.0, room())
        self.ticks: list[TickResult] = []

    def tick(self):
        now = self.plant.time
        self.controller.set_odometry(self.plant.odometry(now))
        self.ticks.append(self.controller.tick(now))
        self.plant.command(self.ticks[-1].command, now)
        self.plant.advance(self.period)
        return self.ticks[-1]

    def reaches(self, goal, seconds):
        """Drive to a goal; tell whether it was reached in time."""
        self.controller.set_goal(self.plant.time, *goal)
        return any(
            self.tick().state is ControllerState.REACHED
            for _ in range(round(seconds / self.period))
        )


def assert_limits(name, ticks, limits, period):
    """Hold every command against the limits of its model."""
    v, vy, w = np.array([dataclasses.astuple(tick.command) for tick in ticks]).T
    assert np.all((v >= limits.vx_min - SLACK) & (v <= limits.vx_max + SLACK))
    assert np.all(np.abs(w) <= limits.wz_max + SLACK)
    most = max(limits.ax_max, -limits.ax_min) * period
    assert np.all(np.abs(np.diff(v)) <= most + SLACK)
    if name == 'omni':
        assert np.all(np.abs(vy) <= limits.vy_max + SLACK)
        assert np.all(np.abs(np.diff(vy)) <= max(limits.ay_max, -limits.ay_min) * period + SLACK)
    else:
        assert not vy.any()
    # What the tyres must hold is what the robot achieves, by the gains identified until then.
    linear, turning = np.array([
        (tick.statistics.gain_linear, tick.statistics.gain_angular) for tick in ticks]).T
    achieved = np.abs(v * w) * linear * turning
    if name == 'diff_drive':
        assert np.all(achieved <= limits.ay_max + SLACK)
    if name != 'ackermann':
        assert np.all(np.abs(np.diff(w)) <= limits.az_max * period + SLACK)
        return
    assert np.all(np.abs(w) <= np.abs(v) / limits.turning_radius_min + SLACK)
    assert np.all(achieved * linear <= limits.ay_max + SLACK)
    moving = np.abs(v) > 1e-3
    turn = np.abs(np.diff(w[moving] / v[moving]))
    steps = np.diff(np.flatnonzero(moving))
    assert np.all(turn <= limits.curvature_rate * period * steps + SLACK)


@pytest.mark.parametrize('name', MODELS)
@pytest.mark.parametrize('goal', [(3.0, 0.0, 0.0), (2.5, 1.2, 0.26)])
def test_every_model_reaches_a_goal_within_its_limits(name, goal):
    robot = Driven(configured(name), (-2.0, 0.0, 0.0))
    assert robot.reaches(goal, 25.0)
    assert math.dist(robot.plant.pose[:2], goal[:2]) < 0.2
    assert_limits(name, robot.ticks, robot.controller.configuration.limits, robot.period)
    poses = robot.controller.candidate_trajectories(4)[0]
    assert poses.shape == (4, 41, 3)


def test_an_omnidirectional_robot_goes_sideways_without_turning():
    robot = Driven(configured('omni', {'goal.heading_tolerance': 0.1}))
    assert robot.reaches((0.0, 1.5, 0.0), 10.0)
    assert max(abs(tick.command.vy) for tick in robot.ticks) > 0.3
    assert abs(robot.plant.pose[2]) < 0.2


@pytest.mark.parametrize('name', MODELS)
@pytest.mark.parametrize('seed', range(2))
def test_among_blocks_that_come_and_go_no_model_touches_one(name, seed):
    rng = np.random.default_rng(seed)
    robot = Driven(configured(name, {'samples': 256, 'limits.vx_max': 1.0}), seed=seed)
    body, limits = (
        Footprint.of(ControllerParameters().robot),
        robot.controller.configuration.limits,
    )
    for n in range(400):
        if n % 60 == 0:
            costmap = room()
            for x, y in rng.uniform((-5.0, -3.0), (5.0, 3.0), (10, 2)):
                # A block that appears within the braking distance cannot be avoided by anybody.
                if math.dist((x, y), robot.plant.pose[:2]) > 1.8:
                    costmap = with_block(costmap, x, y, 0.4)
            field = distance_field(costmap)
            robot.controller.set_costmap(robot.plant.time, costmap)
            goal = rng.uniform((-4.0, -2.0), (4.0, 2.0))
            robot.controller.set_goal(robot.plant.time, *goal, 0.0)
        robot.tick()
        assert body.clearance(field, robot.plant.pose[None])[0] > 0.0
    assert_limits(name, robot.ticks, limits, robot.period)
    assert sum(tick.state is ControllerState.DRIVING for tick in robot.ticks) > 200


@pytest.mark.parametrize('name', MODELS)
def test_a_robot_whose_axes_act_late_in_a_different_way_is_driven_straight(name):
    changes = {'prediction.delay_linear': 0.05, 'prediction.delay_angular': 0.25,
               'prediction.lag_angular': 0.15}
    robot = Driven(configured(name, changes), (-3.0, 0.3, 0.0), delay_angular=0.25,
                   lag_angular=0.15)
    assert robot.reaches((3.0, 0.0, 0.0), 25.0)
    turning = np.array([tick.command.wz for tick in robot.ticks])
    assert np.abs(turning[60:-60]).max() < 0.5


@pytest.mark.parametrize('name', MODELS)
def test_a_dead_band_that_is_known_does_not_keep_a_robot_from_its_goal(name):
    bands = {'dead_band_linear': 0.1, 'dead_band_angular': 0.2}
    changes = {f'prediction.{key}': value for key, value in bands.items()}
    robot = Driven(configured(name, changes), (-1.0, 0.0, 0.0), **bands)
    assert robot.reaches((1.5, 0.3, 0.0), 25.0)


def test_the_motion_model_of_a_running_controller_stays():
    controller = Controller(configured('omni'))
    with pytest.raises(ParameterError, match="motion_model = 'diff_drive' is read-only"):
        controller.configure(configured('diff_drive'))


def test_delays_that_differ_by_more_than_the_rollout_can_hold_are_refused():
    with pytest.raises(ParameterError, match='differ by 40 steps of 0.02 s; at most 31'):
        configured('diff_drive', {'time_step': 0.02, 'prediction.delay_linear': 0.9,
                                  'prediction.delay_angular': 0.1})


@pytest.mark.parametrize('name', MODELS)
def test_sigma_must_fit_the_controls_of_the_model(name):
    with pytest.raises(ParameterError, match='sigma'):
        configured(name, {'sigma': (0.4,) * (5 - COLUMNS[name])})


@pytest.mark.parametrize(('name', 'tops'), [
    ('diff_drive', (0.5, 1.9)), ('omni', (0.5, 0.5, 1.9)), ('ackermann', (0.5, 1.0 / 0.75))])
def test_without_sigma_the_samples_follow_the_limits_of_the_robot(name, tops):
    robot = replace(
        ControllerParameters(), {'motion_model': name, 'sigma_share': (0.5, 0.25, 0.4)}
    )
    turning = 0.4 if name == 'ackermann' else 0.25
    shares = (*(0.5,) * (len(tops) - 1), turning)
    assert robot.sampling.sigma == pytest.approx(np.multiply(shares, tops))
    slower = replace(robot, {'limits.vx_max': 0.2})
    assert slower.sampling.sigma[0] == pytest.approx(0.1)
    for most, scale in ((3.0, 3.0), (1.6, 1.6), (1.2, 1.6), (0.5, 0.8)):
        turning = replace(robot, {'limits.wz_max': most}).sampling.sigma[-1]
        assert name == 'ackermann' or turning == pytest.approx(0.25 * scale)
    told = replace(robot, {'sigma': SIGMA[name]})
    assert told.sampling == told.mppi
    with pytest.raises(ParameterError, match='sigma_share has 2 numbers; one for speeds'):
        replace(robot, {'sigma_share': (0.5, 0.25)})
