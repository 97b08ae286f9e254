"""The tick in a closed loop: it drives, stops for every fault with the reason, and recovers."""
from __future__ import annotations

import dataclasses
import itertools
import math
import warnings

import numpy as np
from plain_robot import QUICK, PlainRobot, room, with_block
import pytest

from mppi_ros.control.controller import Controller
from mppi_ros.control.inputs import Command, Odometry
from mppi_ros.control.tick_result import ControllerState, Fault, Reason
from mppi_ros.control.warm_up import warm_up
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.parameters.declaration import replace
from mppi_ros.parameters.errors import InputError, ParameterError

PATIENT = replace(QUICK, {'safety.costmap_timeout': 0.0})


def driving(configuration=PATIENT, seed=1, speed=True, x=-4.0) -> PlainRobot:
    """Return a robot that drives along the room's middle."""
    robot = PlainRobot(Controller(configuration, seed), x=x)
    robot.controller.set_costmap(robot.now, room())
    robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    if speed:
        robot.run(1.0)
        assert robot.ticks[-1].command.vx > 0.4
    return robot


def until_rest(robot: PlainRobot, sense=True):
    """Tick until zero is sent; return the ticks."""
    ticks = []
    for _ in range(40):
        ticks.append(robot.tick(sense))
        if ticks[-1].command == Command.ZERO:
            return ticks
    raise AssertionError('the robot does not come to rest')


@pytest.mark.parametrize('missing', ['odometry', 'costmap', 'plan'])
def test_controller_waits_for_every_input_by_name(missing):
    controller = Controller(QUICK)
    if missing != 'odometry':
        controller.set_odometry(Odometry(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    if missing != 'costmap':
        controller.set_costmap(0.0, room())
    if missing != 'plan':
        controller.set_plan(0.0, np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    tick = controller.tick(0.0)
    assert (tick.state, tick.reason, tick.command) == (
        ControllerState.WAITING, f'no {missing} yet', Command.ZERO)


def test_a_horizon_of_one_step_drives_without_a_fault():
    """Short as it is: what it cannot foresee the check of the plan stops."""
    robot = driving(replace(PATIENT, {'horizon_steps': 1, 'time_step': 0.5}))
    tick = robot.run(1.0)
    assert tick.state is ControllerState.DRIVING, tick
    assert tick.statistics.ess > 1.0


def test_robot_reaches_the_goal_and_stays_there():
    robot = driving()
    tick = robot.run(25.0)
    assert tick.state is ControllerState.REACHED
    assert tick.reason == ''
    x, y, yaw = robot.pose
    assert math.hypot(x - 4.0, y) <= PATIENT.goal.position_tolerance
    assert abs(yaw) <= PATIENT.goal.heading_tolerance
    assert np.abs(robot.twist).max() < 1e-6
    robot.controller.set_odometry(dataclasses.replace(robot.odometry(), x=3.2))
    assert robot.run(0.1, sense=False).state is ControllerState.REACHED


@pytest.mark.parametrize(('speed', 'claims'), [(0.2, True), (2.0, False)])
def test_only_a_robot_that_can_stop_at_the_goal_claims_it(speed, claims):
    controller = Controller(replace(PATIENT, {'limits.vx_max': 2.0}), 1)
    controller.set_costmap(0.0, room())
    controller.set_plan(0.0, np.array([[-3.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    controller.set_odometry(Odometry(0.0, -0.3, 0.0, 0.0, speed, 0.0, 0.0))
    tick = controller.tick(0.0)
    controller.set_odometry(Odometry(0.05, -0.1, 0.0, 0.0, speed, 0.0, 0.0))
    tick = controller.tick(0.05)
    assert tick.reason.startswith('goal reached') == claims


def test_new_goal_after_the_first_is_driven_to():
    robot = driving(x=3.0)
    robot.run(10.0)
    assert robot.ticks[-1].state is ControllerState.REACHED
    robot.controller.set_goal(robot.now, 3.9, 1.5, math.pi / 2.0)
    robot.run(20.0)
    assert robot.ticks[-1].state is ControllerState.REACHED
    assert math.dist(robot.pose[:2], (3.9, 1.5)) <= PATIENT.goal.position_tolerance


def test_a_round_trip_is_driven_although_it_ends_where_it_begins():
    robot = PlainRobot(Controller(PATIENT, 1))
    corners = [(0.0, 0.0), (1.5, 0.0), (1.5, 1.5), (0.0, 1.5), (0.0, 0.0)]
    poses = [
        (x0 + (x1 - x0) * i / 10, y0 + (y1 - y0) * i / 10, math.atan2(y1 - y0, x1 - x0))
        for (x0, y0), (x1, y1) in itertools.pairwise(corners) for i in range(10)
    ]
    robot.controller.set_costmap(robot.now, room())
    robot.controller.set_plan(robot.now, np.array([*poses, (0.0, 0.0, -math.pi / 2)]))
    assert robot.run(5.0).state is ControllerState.DRIVING
    assert robot.run(15.0).state is ControllerState.REACHED


def test_same_goal_at_the_goal_is_reached_without_moving():
    robot = driving(x=4.0, speed=False)
    assert robot.tick().state is ControllerState.REACHED


def test_statistics_of_a_driving_tick_are_complete():
    robot = driving()
    statistics = robot.tick().statistics
    values = dataclasses.asdict(statistics)
    assert math.isnan(values.pop('characteristic_speed'))  # of a car with slip only
    assert np.isfinite(list(values.values())).all()
    costs = robot.controller.costs()
    assert set(costs) >= {'obstacle', 'path_tracking', 'progress'}
    assert np.isfinite(list(costs.values())).all()
    assert statistics.progress == pytest.approx(0.4, abs=0.15)
    assert statistics.distance_to_goal == pytest.approx(8.0 - statistics.progress, abs=0.05)
    assert statistics.odom_age == 0.0


FAULTS = {
    'old odometry': (
        lambda robot: None,
        {'sense': False},
        'odometry is 0.35 s old, limit 0.3 s: braking',
    ),
    'odometry from the future': (
        lambda robot: robot.controller.set_odometry(
            dataclasses.replace(robot.odometry(), stamp=robot.now + 9.0)),
        {'sense': False},
        'odometry is stamped 9.00 s in the future, limit 0.1 s: braking',
    ),
    'outside of the costmap': (
        lambda robot: robot.controller.set_costmap(robot.now, room(2.0, 2.0)),
        {},
        'm is outside of the costmap: braking',
    ),
    'no plan': (
        lambda robot: robot.controller.clear_plan(),
        {},
        'the plan was withdrawn: braking',
    ),
    'walled in': (
        lambda robot: robot.controller.set_costmap(
            robot.now, with_block(room(), robot.pose[0] + 0.36, 0.0, 0.2)),
        {},
        'no command passes the stopping check',
    ),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_fault_brakes_within_the_limits_says_why_and_recovers(fault):
    robot = driving()
    cause, how, words = FAULTS[fault]
    before = robot.ticks[-1].command
    cause(robot)
    ticks = [
        tick for tick in until_rest(robot, **how) if tick.state is not ControllerState.DRIVING
    ]
    assert words in ticks[0].reason
    assert {tick.state for tick in ticks[:-1]} == {ControllerState.BRAKING}
    assert ticks[-1].state in (ControllerState.STOPPED, ControllerState.WAITING)
    for tick in ticks[:-1]:
        assert tick.command.vx <= max(before.vx, 0.5)
    robot.controller.set_costmap(robot.now, room())
    if fault == 'no plan':
        robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    robot.run(1.0)
    assert robot.ticks[-1].state is ControllerState.DRIVING
    assert robot.ticks[-1].command.vx > 0.2


def test_old_costmap_brakes_with_age_and_limit():
    robot = driving(QUICK)
    robot.run(0.5)
    assert robot.ticks[-1].state is ControllerState.DRIVING
    tick = robot.run(0.1)
    assert tick.state is ControllerState.BRAKING
    assert tick.reason.startswith('costmap is 1.55 s old, limit 1.5 s')
    robot.controller.set_costmap(robot.now, room())
    assert robot.run(0.3).state is ControllerState.DRIVING


def test_old_plan_brakes_only_with_a_timeout():
    robot = driving(replace(PATIENT, {'safety.plan_timeout': 2.0}))
    robot.run(1.0)
    assert robot.ticks[-1].state is ControllerState.DRIVING
    assert 'plan is 2.05 s old, limit 2 s' in robot.run(0.1).reason


def test_fault_of_the_caller_brakes_with_its_words():
    robot = driving()
    fault = Fault(Reason.TRANSFORM_MISSING, 'no transform from odom to map')
    tick = robot.controller.tick(robot.now, fault=fault)
    assert tick.state is ControllerState.BRAKING
    assert tick.code is Reason.TRANSFORM_MISSING
    assert tick.reason == 'no transform from odom to map: braking'


def test_obstacle_ahead_is_never_touched_at_the_braking_distance():
    costmap = with_block(room(), 0.0, 0.0, 4.0)
    field = distance_field(costmap)
    body = Footprint.of(PATIENT.robot)
    robot = driving()
    robot.controller.set_costmap(robot.now, costmap)
    for _ in range(200):
        robot.tick()
        assert body.clearance(field, robot.pose[None])[0] > 0.0


def test_robot_in_contact_leaves_and_says_so():
    robot = PlainRobot(Controller(PATIENT, 1), x=-4.0)
    costmap = with_block(room(), -4.2, 0.0, 0.1)
    robot.controller.set_costmap(robot.now, costmap)
    robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    before = Footprint.of(PATIENT.robot).clearance(distance_field(costmap), robot.pose[None])[0]
    assert before < 0.0
    tick = robot.tick()
    assert tick.state is ControllerState.DRIVING
    assert tick.reason == 'in contact, clearance -0.07 m: driving out'
    robot.run(2.0)
    assert robot.ticks[-1].reason == ''
    assert robot.pose[0] > -3.7


@pytest.mark.parametrize(
    'odometry',
    [{'x': math.nan}, {'yaw': math.inf}, {'vx': 1e9}, {'stamp': math.nan}, {'y': -1e300},
     {'wz': math.nan}, {'vy': -math.inf}],
    ids=str,
)
def test_unfit_odometry_is_refused_and_the_last_one_kept(odometry):
    robot = driving()
    with pytest.raises(InputError, match=next(iter(odometry))):
        robot.controller.set_odometry(dataclasses.replace(robot.odometry(), **odometry))
    assert robot.tick(sense=False).state is ControllerState.DRIVING


@pytest.mark.parametrize('poses', [np.empty((0, 3)), [[0.0, math.nan, 0.0]], [[1e300, 0.0, 0.0]],
                                   [[0.0, 0.0, math.inf]], [1.0, 2.0, 3.0]])
def test_unfit_plan_is_refused_and_the_last_one_kept(poses):
    robot = driving()
    with pytest.raises(InputError, match='plan'):
        robot.controller.set_plan(robot.now, poses)
    with pytest.raises(InputError, match='plan stamp'):
        robot.controller.set_plan(math.nan, [[0.0, 0.0, 0.0]])
    assert robot.tick().state is ControllerState.DRIVING


@pytest.mark.parametrize('goal', [(math.nan, 0.0, 0.0), (0.0, 1e300, 0.0), (0.0, 0.0, math.inf)])
def test_unfit_goal_is_refused_and_the_last_one_kept(goal):
    robot = driving()
    with pytest.raises(InputError, match='goal'):
        robot.controller.set_goal(robot.now, *goal)
    assert robot.tick().state is ControllerState.DRIVING


def test_goal_too_far_for_a_straight_path_stops_the_robot_with_the_reason():
    robot = driving()
    robot.controller.set_goal(robot.now, 1e6, 0.0, 0.0)
    assert 'limit 20000 m' in until_rest(robot)[-1].reason


def test_goal_at_the_end_of_the_plan_keeps_the_plan():
    robot = driving(speed=False)
    robot.controller.set_plan(robot.now, [[-4.0, 0.0, 0.0], [0.0, 2.0, 0.0], [4.0, 0.0, 0.0]])
    robot.controller.set_goal(robot.now, 4.0, 0.05, 0.0)
    assert robot.tick().statistics.distance_to_goal == pytest.approx(8.0, abs=0.01)
    robot.run(9.0)
    assert robot.pose[1] > 1.0


def test_odometry_out_of_order_is_passed_over():
    robot = driving()
    old = dataclasses.replace(robot.odometry(), stamp=robot.now - 1.0, x=2.0)
    robot.tick()
    robot.controller.set_odometry(old)
    assert robot.tick(sense=False).statistics.odom_age == pytest.approx(robot.period)


def test_robot_brakes_for_a_moment_and_drives_on_after_the_clock_went_back():
    robot = driving()
    robot.now -= 60.0
    assert 'the clock went back by 59.95 s' in robot.tick().reason
    assert robot.run(0.3).state is ControllerState.DRIVING
    robot.run(1.0)
    assert robot.ticks[-1].state is ControllerState.DRIVING
    assert robot.ticks[-1].command.vx > 0.4


@pytest.mark.parametrize('jump', [60.0, -60.0])
def test_clock_that_jumps_is_no_long_update_period_of_the_costmap(jump):
    robot = driving()
    for tick in range(20):
        robot.now += jump * (tick == 17)
        robot.controller.set_costmap(robot.now, room())
        robot.tick()
    assert 0.0 < robot.controller._costmaps.renewals.period < 0.2


@pytest.mark.parametrize('now', [math.nan, math.inf, -math.inf])
def test_broken_clock_brakes(now):
    robot = driving()
    before = robot.ticks[-1].command
    tick = robot.controller.tick(now)
    assert tick.state is ControllerState.BRAKING
    assert 'the clock reads' in tick.reason
    assert tick.command.vx == pytest.approx(before.vx - 1.5 * robot.period)
    assert robot.run(0.3).state is ControllerState.DRIVING


def test_mistake_in_the_program_brakes_with_its_name(monkeypatch):
    robot = driving()
    monkeypatch.setattr(robot.controller._sampler, 'step', lambda *_, **__: 1 / 0)
    ticks = until_rest(robot)
    assert ticks[0].reason == 'ZeroDivisionError: division by zero: braking'
    assert ticks[-1].state is ControllerState.STOPPED
    monkeypatch.undo()
    assert robot.run(0.3).state is ControllerState.DRIVING


def test_command_that_is_not_finite_is_never_sent(monkeypatch):
    robot = driving()
    sampler = robot.controller._sampler
    step = sampler.step

    def broken(*arguments, **options):
        result = step(*arguments, **options)
        sampler.mean[:] = np.nan
        return result

    monkeypatch.setattr(sampler, 'step', broken)
    ticks = until_rest(robot)
    assert 'no finite command' in ticks[0].reason
    monkeypatch.undo()
    assert robot.run(0.3).state is ControllerState.DRIVING


def test_without_a_finite_cost_the_robot_brakes(monkeypatch):
    robot = driving()
    monkeypatch.setattr(robot.controller._objective, 'evaluate_blocks',
                        lambda mean, factor, noise, costs, *_: costs.fill(np.nan))
    assert 'no sampled trajectory has a finite cost' in until_rest(robot)[0].reason


def test_new_plan_keeps_progress_on_a_course_that_crosses_itself():
    turn = np.linspace(0.0, 2.0 * math.pi, 200)
    course = np.stack([3.0 * np.sin(turn), 2.0 * np.sin(2.0 * turn), 0.0 * turn], axis=1)
    robot = PlainRobot(Controller(PATIENT, 1), x=0.0, y=0.0, yaw=math.atan2(4.0, 3.0))
    robot.controller.set_costmap(robot.now, room())
    progress = 0.0
    for n in range(900):
        if n % 20 == 0:
            robot.controller.set_plan(robot.now, course)
        found = robot.tick().statistics.progress
        if math.isnan(found):
            break
        assert abs(found - progress) < 0.2
        progress = found
    assert progress > 10.0


def test_way_round_a_blocked_turn_goes_on_behind_it():
    robot = PlainRobot(Controller(replace(PATIENT, {'samples': 500}), 1), x=-1.0, y=-1.0)
    robot.controller.set_costmap(robot.now, with_block(room(), 2.2, 0.0, 1.0))
    robot.controller.set_plan(
        robot.now, [[-1.0, -1.0, 0.0], [2.0, -1.0, 0.0], [2.0, 1.0, 0.0], [-1.0, 1.0, math.pi]])
    robot.run(25.0)
    assert robot.ticks[-1].state is ControllerState.REACHED
    assert math.dist(robot.pose[:2], (-1.0, 1.0)) <= PATIENT.goal.position_tolerance


def test_plan_with_a_cusp_is_driven_section_by_section():
    robot = PlainRobot(Controller(PATIENT, 1), x=-2.0)
    out = [[x, 0.0, 0.0] for x in np.arange(-2.0, 0.01, 0.1)]
    back = [[x, 0.0, 0.0] for x in np.arange(-0.1, -1.01, -0.1)]
    robot.controller.set_costmap(robot.now, room())
    furthest = -2.0
    for n in range(400):
        if n % 20 == 0:
            robot.controller.set_plan(robot.now, np.array(out + back))
        tick = robot.tick()
        furthest = max(furthest, robot.pose[0])
        if tick.state is ControllerState.REACHED:
            break
    assert tick.state is ControllerState.REACHED
    assert furthest > -PATIENT.goal.position_tolerance
    assert robot.pose[0] == pytest.approx(-1.0, abs=PATIENT.goal.position_tolerance)
    assert tick.statistics.progress == pytest.approx(3.0, abs=0.2)


def test_configuration_is_taken_whole_or_not_at_all():
    robot = driving()
    controller = robot.controller
    before, mean = controller.configuration, controller._sampler.mean.copy()
    crossed = (1.0, 1.0, -1.0, -1.0, 1.0, -1.0, -1.0, 2.0)
    with pytest.raises(InputError, match='footprint'):
        controller.configure(replace(before, {'lambda': 3.0, 'robot.footprint': crossed}))
    with pytest.raises(ParameterError, match='sigma'):
        controller.configure(replace(before, {'lambda': 3.0, 'sigma': [1.0]}))
    assert controller.configuration is before
    np.testing.assert_array_equal(controller._sampler.mean, mean)
    assert robot.tick().state is ControllerState.DRIVING


def test_configuration_change_keeps_the_warm_start():
    robot = driving()
    controller = robot.controller
    speed = controller._sampler.mean[:, 0].mean()
    controller.configure(replace(PATIENT, {'horizon_steps': 40, 'lambda': 0.5, 'samples': 300}))
    assert controller._sampler.mean.shape == (40, 2)
    assert controller._sampler.mean[:, 0].mean() == pytest.approx(speed, abs=0.1)
    robot.tick()
    assert robot.ticks[-1].state is ControllerState.DRIVING
    assert robot.ticks[-1].command.vx > 0.4


def test_new_body_and_unknown_cells_change_the_distances():
    robot = driving(speed=False)
    costmap = room()
    costmap.data[40:50, 40:50] = -1
    robot.controller.set_costmap(robot.now, costmap)
    free = robot.controller._costmaps.processed.region.field.distance[45, 45]
    robot.controller.configure(replace(PATIENT, {'safety.unknown_is_obstacle': True}))
    assert free > 0.0
    assert robot.controller._costmaps.processed.region.field.distance[45, 45] == 0.0


def test_same_seed_gives_the_same_drive_and_another_seed_another():
    commands = [[tick.command for tick in driving(seed=seed).ticks] for seed in (3, 3, 4)]
    assert commands[0] == commands[1]
    assert commands[0] != commands[2]


def test_reset_forgets_the_warm_start_but_not_the_command_that_acts():
    robot = driving()
    before = robot.ticks[-1].command
    robot.controller.reset()
    assert not robot.controller._sampler.mean.any()
    assert abs(robot.tick().command.vx - before.vx) <= 1.5 * robot.period + 1e-9


def test_halt_and_a_long_silence_begin_anew_from_what_the_robot_does():
    robot = driving()
    robot.controller.halt()
    assert robot.tick().command.vx <= robot.period + 1e-9
    robot = driving()
    robot.now += 5.0
    robot.twist[:] = 0.0
    assert robot.tick().command.vx <= robot.period + 1e-9
    robot = driving()
    robot.now += 5.0
    assert robot.tick(sense=False).command == Command.ZERO


@pytest.mark.parametrize(
    ('halted', 'code'), [(False, Reason.ODOMETRY_JUMPED), (True, Reason.NONE)])
def test_where_others_moved_the_robot_after_a_halt_is_no_jump(halted, code):
    robot = driving()
    if halted:
        robot.controller.halt()
    robot.twist[:] = 0.0
    robot.pose[1] += 1.5 * PATIENT.safety.odom_jump
    assert robot.tick().code is code


def test_trajectories_begin_where_the_command_acts():
    controller = Controller(PATIENT, 1)
    assert controller.optimal_trajectory().shape == (0, 3)
    assert controller.candidate_trajectories(5)[0].shape == (0, 31, 3)
    robot = driving()
    poses = robot.controller.optimal_trajectory()
    candidates, weights = robot.controller.candidate_trajectories(5)
    assert poses.shape == (31, 3)
    assert candidates.shape == (5, 31, 3)
    assert weights.shape == (5,)
    ahead = robot.twist[0] * PATIENT.prediction.first_delay
    before = robot.pose[0] - robot.period * robot.twist[0]
    assert poses[0, 0] == pytest.approx(before + ahead, abs=0.01)
    np.testing.assert_allclose(candidates[:, 0], np.tile(poses[0], (5, 1)), atol=1e-6)
    assert poses[-1, 0] > poses[0, 0] + 0.3


@pytest.mark.parametrize('change', [{'samples': 512}, {'horizon_steps': 20}])
def test_there_are_no_candidates_between_a_change_of_the_sampler_and_the_next_solve(change):
    robot = driving()
    robot.controller.configure(replace(robot.controller.configuration, change))
    robot.controller._sampler._noise[:] = np.inf  # memory that was never written
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        candidates, weights = robot.controller.candidate_trajectories(5)
    steps = change.get('horizon_steps', 30)
    assert candidates.shape == (0, steps + 1, 3) and weights.shape == (0,)
    robot.tick()
    candidates, weights = robot.controller.candidate_trajectories(5)
    assert candidates.shape == (5, steps + 1, 3) and np.isfinite(candidates).all()


def test_sampling_summary_has_all_samples_and_the_whole_weight():
    assert Controller(PATIENT, 1).sampling_summary() is None
    robot = driving()
    summary = robot.controller.sampling_summary()
    assert summary.samples.sum() == pytest.approx(1.0)
    assert summary.weight.sum() == pytest.approx(1.0, abs=1e-5)
    above = summary.weight > summary.samples
    assert not above[:3].any() and above[-3:].any()  # K w < 1, K w ≥ 1
    assert summary.gain[0] == pytest.approx(0.0, abs=1e-6)


def test_warm_up_leaves_the_controller_as_it_was():
    controller = Controller(PATIENT, 1)
    warm_up(PATIENT)
    assert controller.tick(0.0).state is ControllerState.WAITING
    assert not controller._sampler.mean.any()


def test_the_time_until_a_command_is_sent_is_predicted_over():
    robot = driving()
    robot.tick()
    here = robot.controller._start.state
    robot.controller.set_odometry(robot.odometry())
    robot.controller.tick(robot.now, latency=0.04)
    moved = robot.controller._start.state.x - robot.pose[0]
    robot.controller.tick(robot.now)
    at_once = robot.controller._start.state.x - robot.pose[0]
    assert moved - at_once == pytest.approx(0.04 * here.v, rel=0.2)


def test_without_time_a_slice_of_the_samples_decides_and_the_robot_drives_on():
    configuration = replace(PATIENT, {'samples': 2048})
    robot = driving(configuration, speed=False)
    whole, part = [], []
    for _ in range(20):
        robot.controller.set_odometry(robot.odometry())
        part.append(robot.controller.tick(robot.now, budget=0.0))
        whole.append(robot.tick())
    assert {tick.statistics.samples for tick in whole} == {2048.0}
    assert {tick.statistics.samples for tick in part} == {256.0}
    assert {tick.state for tick in (*whole, *part)} == {ControllerState.DRIVING}


class Coarse(PlainRobot):
    """Ticks come less often than the control rate says, as a simulated clock advances."""

    def __init__(self, *arguments, period, told=True, **options):
        super().__init__(*arguments, **options)
        self.period = period
        tick = self.controller.tick
        self.controller.tick = lambda now: tick(now, hold=period if told else 0.0)


@pytest.mark.parametrize('period', [0.1, 0.2])
def test_ticks_that_come_less_often_brake_within_the_same_limits(period):
    robot = Coarse(Controller(PATIENT, 1), x=-4.0, period=period, delay=0.0)
    robot.controller.set_costmap(robot.now, room())
    robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    robot.run(4.0)
    speeds = [robot.ticks[-1].command.vx]
    assert speeds[0] > 0.4
    robot.controller.clear_plan()
    speeds += [robot.tick().command.vx for _ in range(30)]
    limit = -PATIENT.limits.ax_min * period
    for before, after in itertools.pairwise(speeds):
        assert after == pytest.approx(max(before - limit, 0.0), abs=0.02)


@pytest.mark.parametrize('period', [0.1, 0.2])
def test_ticks_that_come_less_often_leave_room_to_brake_before_the_next(period):
    for distance in np.arange(0.5, 1.3, 0.1):
        robot = Coarse(Controller(PATIENT, 1), x=-4.0, period=period)
        robot.controller.set_costmap(robot.now, room())
        robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
        robot.run(4.0)
        front = robot.pose[0] + PATIENT.robot.radius + distance
        world = with_block(room(), front + 0.5, 0.0, 1.0)
        robot.controller.set_costmap(robot.now, world)
        field = distance_field(world)
        footprint = Footprint.of(PATIENT.robot)
        for _ in range(round(6.0 / period)):
            robot.tick()
            assert footprint.clearance(field, robot.pose[None])[0] > 0.0, distance


def test_the_braking_check_holds_a_command_until_the_next_tick_comes():
    robot = driving()
    controller, scenes = robot.controller, []
    scene_of = controller._scene
    controller._scene = lambda *given: scenes.append(scene_of(*given)) or scenes[-1]
    for hold in (0.0, 0.2):
        controller.tick(robot.now, hold=hold)
        scene = scenes[-1]
        longest = max(hold, robot.period) + controller._plant.delay_margin
        assert scene.hold == pytest.approx(longest)
