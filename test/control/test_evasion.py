"""Moving obstacles are evaded where rest is not safe; static ones keep their guarantee."""
from __future__ import annotations

import math

import numpy as np
from plain_robot import QUICK, PlainRobot, room, with_block
import pytest

from mppi_ros.control import stopping_check
from mppi_ros.control.controller import Controller
from mppi_ros.control.evasion import Manoeuvre, predict_manoeuvre
from mppi_ros.control.fallback import CheckContext, checked_command, evasive_command
from mppi_ros.control.stopping_check import INTEGRATION_STEP, CollisionModel
from mppi_ros.control.tick_result import Reason
from mppi_ros.driving import motion_models
from mppi_ros.driving.costmap import LETHAL, Costmap
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.motion_models import MotionState
from mppi_ros.parameters.declaration import replace

FAST = replace(QUICK, {
    'limits.vx_max': 1.0, 'limits.vx_min': -1.0, 'safety.costmap_timeout': 0.0,
    'prediction.delay_linear': 0.05, 'prediction.delay_angular': 0.05,
    'prediction.lag_linear': 0.1, 'prediction.lag_angular': 0.1})
COMING = [1.6, 0.0, -0.8, 0.0, 0.3]  # reaches the body of a robot at the origin after 1.4 s


def scene(moving_obstacles, costmap=None, v=0.0, rest_time=1.0, configuration=FAST):
    """Return the context of a robot at the origin that heads along x at v [m/s]."""
    c = configuration
    around = CollisionModel.of(
        distance_field(costmap or room()), Footprint.of(c.robot), c.safety.margin,
        np.array(moving_obstacles, float).reshape(-1, 5), rest_time)
    model = motion_models.MODELS[c.motion_model]
    step, fine = (model.of(c.limits, c.prediction, dt, float) for dt in (0.05, INTEGRATION_STEP))
    waiting = np.zeros((motion_models.delay_steps(fine), model.controls()), np.float32)
    last = (v,) + (0.0,) * (model.controls() - 1)
    return CheckContext(MotionState(0.0, 0.0, 0.0, v, 0.0), last, 0.05, around, step, fine,
                        waiting, 1.0, True)


def search(configuration=FAST, costmap=None):
    """Return optimiser and objective of a robot that was driven for a tick."""
    robot = PlainRobot(Controller(configuration, 1))
    robot.controller.set_costmap(robot.now, costmap or room())
    robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    robot.tick()
    return robot.controller._sampler, robot.controller._objective


def predicted(context, command) -> Manoeuvre:
    return context.predicted(np.array([command], np.float32), 1.0)


@pytest.mark.parametrize(('rest_time', 'safe'), [(0.0, True), (0.5, True), (2.0, False)])
def test_rest_is_not_safe_where_something_comes(rest_time, safe):
    assert scene([COMING], rest_time=rest_time).choose((0.0, 0.0)).check.safe is safe
    gone = [1.6, 0.0, 0.8, 0.0, 0.3]
    assert scene([gone], rest_time=rest_time).choose((0.0, 0.0)).check.safe


def test_a_manoeuvre_is_predicted_within_the_limits():
    context = scene([[2.0, 0.0, 0.0, 0.0, 0.3]])
    stands, drives = predicted(context, (0.0, 0.0)), predicted(context, (1.0, 0.0))
    body = Footprint.of(FAST.robot).circumscribed_radius
    assert stands.clearance == pytest.approx(1.7 - body, abs=0.02)
    driven = stands.clearance - drives.clearance
    assert 0.3 < driven <= 0.5 * FAST.limits.ax_max * 1.5**2
    assert stands.shortfall == 0.0


def test_a_sequence_is_followed_command_by_command():
    context = scene([[-2.0, 0.0, 0.0, 0.0, 0.3]], v=0.5)
    turns = np.array([[0.5, 0.0], [-1.0, 0.0]], np.float32)
    late, early = context.predicted(turns, 1.0), context.predicted(turns, 0.1)
    assert early.clearance < late.clearance


@pytest.mark.parametrize('model', ['diff_drive', 'omni', 'ackermann'])
def test_a_robot_at_rest_moves_out_of_the_way(model):
    c = replace(FAST, {'motion_model': model})
    context = scene([COMING], configuration=c)
    sampler, objective = search(c)
    choice, reason = evasive_command(sampler, objective, context)
    assert reason is Reason.EVADING
    rest = predicted(context, (0.0,) * len(context.last))
    assert not motion_models.is_stop(choice.command, context.step)
    assert rest.clearance < 0.0
    assert context.predicted(sampler.mean, c.mppi.time_step).clearance > rest.clearance + 0.1


def test_where_rest_is_best_the_robot_brakes_and_a_better_plan_is_followed():
    sampler, objective = search()
    around = [[x, y, -0.6 * x, -0.6 * y, 0.2] for x, y in (
        (0.9 * math.cos(angle), 0.9 * math.sin(angle)) for angle in np.linspace(0.0, 6.2, 24))]
    context = scene(around)
    assert evasive_command(sampler, objective, context) == (None, Reason.NONE)
    better = Manoeuvre(0.1, 0.0, 0.0)
    assert evasive_command(sampler, objective, context, better) == (None, Reason.EVADING)


def test_no_evasive_command_gives_up_the_room_before_static_obstacles():
    sampler, objective = search()
    behind = with_block(with_block(with_block(room(), -0.45, 0.0, 0.2), 0.0, 0.55, 0.3),
                        0.0, -0.55, 0.3)
    for speed in (-0.8, -0.3, 0.0, 0.5):
        context = scene([COMING], behind, v=speed)
        choice, _ = evasive_command(sampler, objective, context)
        if choice is not None:
            static = context.collision_model._replace(moving_obstacles=stopping_check.NO_OBSTACLES)
            assert stopping_check.check(
                context.start, choice.command, context.hold, static, context.model).safe


def test_a_plan_with_enough_clearance_is_followed_and_another_one_is_compared():
    context = scene([COMING], rest_time=2.0)
    asked = []

    def decide(clearance):
        asked.clear()
        return checked_command(
            context, (0.1, 0.0), None, lambda: asked.append('search'),
            lambda: Manoeuvre(clearance, 0.0, 0.0),
            lambda plan: (asked.append(plan.clearance), Reason.EVADING))

    choice, reason = decide(0.15)
    assert reason is Reason.EVADING and not asked
    choice, reason = decide(0.05)
    assert reason is Reason.EVADING and asked == ['search', 0.05]
    assert choice.command[0] > 0.0


def test_without_evasion_a_command_that_is_not_safe_is_not_sent():
    context = scene([COMING], rest_time=2.0)._replace(evade=False)
    choice, reason = checked_command(
        context, (0.1, 0.0), None, lambda: None, lambda: pytest.fail(), lambda _: pytest.fail())
    assert reason is Reason.NONE and not choice.check.safe


def test_the_least_clearance_decides_up_to_what_is_enough():
    order = [Manoeuvre(0.3, 0.0, 0.1), Manoeuvre(-0.1, 0.2, 0.0), Manoeuvre(-0.1, 0.1, 0.0),
             Manoeuvre(0.1, 0.3, 0.0), Manoeuvre(0.2, 0.0, 0.0)]
    assert sorted(order, key=lambda each: each.key) == order
    assert Manoeuvre(0.2, 0.0, 0.0).key == Manoeuvre(3.0, 0.0, 0.0).key


def meeting(evade: bool) -> tuple[float, set[Reason]]:
    """Drive against a disc that comes straight on; return the least clearance and the reasons."""
    robot = PlainRobot(Controller(replace(FAST, {'safety.evade': evade}), 1), x=-3.0)
    robot.controller.set_goal(robot.now, 3.5, 0.0, 0.0)
    began, least, reasons = robot.now, math.inf, set()
    body = Footprint.of(FAST.robot).circumscribed_radius
    for step in range(120):
        x = 3.0 - 1.2 * (robot.now - began)
        if step % 2 == 0:
            robot.controller.set_costmap(robot.now, drawn(room(), x, 0.0, 0.5))
        reasons.add(robot.tick().code)
        x = 3.0 - 1.2 * (robot.now - began)
        least = min(least, math.dist(robot.pose[:2], (x, 0.0)) - 0.5 - body)
    return least, reasons


def drawn(costmap: Costmap, x: float, y: float, radius: float) -> Costmap:
    """Return the costmap with a disc."""
    data, res = costmap.data.copy(), costmap.resolution
    columns = costmap.origin_x + (np.arange(data.shape[1]) + 0.5) * res
    rows = costmap.origin_y + (np.arange(data.shape[0])[:, None] + 0.5) * res
    data[np.hypot(columns - x, rows - y) <= radius] = LETHAL
    return Costmap(data, res, costmap.origin_x, costmap.origin_y)


def test_a_robot_meets_a_moving_obstacle_without_contact():
    least, _ = meeting(True)
    assert least > 0.0


@pytest.mark.parametrize('evade', [True, False])
def test_a_robot_before_a_blocked_plan_makes_way(evade, monkeypatch):
    wall = room()
    wall.data[:, 120:124] = LETHAL  # x = 1 m, without a gap
    robot = PlainRobot(Controller(replace(FAST, {'safety.evade': evade}), 1), x=-1.0)
    robot.controller.set_costmap(robot.now, wall)
    robot.controller.set_plan(robot.now, np.array([[-1.0, 0.0, 0.0], [4.0, 0.0, 0.0]]))
    while robot.run(0.5).code is not Reason.PATH_BLOCKED or abs(robot.twist[0]) > 0.01:
        assert robot.now < 115.0
    began, from_x = robot.now, float(robot.pose[0])
    least, reasons = math.inf, set()
    for _ in range(40):  # something comes from behind, 0.35 m beside
        x, y = from_x - 1.6 + 0.8 * (robot.now - began), 0.35
        coming = np.array([[x, y, 0.8, 0.0, 0.3]])
        monkeypatch.setattr(
            robot.controller._costmaps, 'moving_obstacles', lambda _, at=coming: at)
        reasons.add(robot.tick().code)
        least = min(least, math.dist(robot.pose[:2], (x, y)) - 0.3 - FAST.robot.radius)
    assert (least > 0.0) is evade
    assert (Reason.EVADING in reasons) is evade


def test_a_prediction_takes_the_model_and_what_waits():
    context = scene([COMING])
    direct = predict_manoeuvre(
        context.start, context.last, np.array([[0.0, 1.0]]), 1.0, context.collision_model,
        context.model, context.waiting)
    assert direct == predicted(context, (0.0, 1.0))
