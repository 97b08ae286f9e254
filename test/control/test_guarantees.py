"""The promise: whatever comes in, every command is finite and within the limits, and says why."""
from __future__ import annotations

import math
from typing import ClassVar

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
import numpy as np
from oracle import Oracle
from plain_robot import QUICK, PlainRobot, room, with_block
import pytest
from tally import CHECKED, EVENTS

from mppi_ros.control.controller import Controller
from mppi_ros.control.inputs import Odometry
from mppi_ros.control.tick_result import ControllerState
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.parameters.declaration import replace
from mppi_ros.parameters.errors import InputError, MppiError

SMALL = replace(QUICK, {'samples': 32, 'horizon_steps': 12})

anything = st.floats(width=64) | st.sampled_from([0.0, 1.0, -1.0, 5.0, 1e6])
pose = st.tuples(*[st.floats(-6.0, 6.0)] * 3)

events = st.one_of(
    st.tuples(st.just('ticks'), st.integers(1, 15)),
    st.tuples(st.just('ticks without odometry'), st.integers(1, 15)),
    st.tuples(st.just('odometry'), st.tuples(*[anything] * 7)),
    st.tuples(st.just('jump'), pose),
    st.tuples(st.just('plan'), st.lists(pose, min_size=0, max_size=5)),
    st.tuples(st.just('broken plan'), st.lists(st.tuples(*[anything] * 3), max_size=3)),
    st.tuples(st.just('goal'), pose),
    st.tuples(st.just('broken goal'), st.tuples(*[anything] * 4)),
    st.tuples(st.just('block'), st.tuples(st.floats(-5.0, 5.0), st.floats(-3.0, 3.0))),
    st.tuples(st.just('costmap'), st.floats(-3.0, 3.0) | anything),
    st.tuples(st.just('clock'), st.floats(-100.0, 100.0)),
    st.tuples(st.just('broken clock'), st.sampled_from([math.nan, math.inf, -math.inf])),
    st.tuples(st.just('forget'), st.sampled_from(['reset', 'clear_plan'])),
    st.tuples(st.just('configure'), st.sampled_from([
        {'limits.vx_max': 1.5}, {'limits.ax_max': 0.3}, {'limits.az_max': 1.0},
        {'horizon_steps': 20}, {'samples': 64}, {'lambda': 1e-9}, {'lambda': 1e6},
        {'prediction.delay_linear': 0.5, 'prediction.delay_angular': 0.3},
        {'prediction.lag_linear': 0.0}, {'robot.radius': 2.0},
        {'safety.margin': 0.3}, {'safety.outside_is_obstacle': False}, {'sigma': [1e3, 1e3]},
        {'robot.footprint': (0.3, 0.2, -0.3, 0.2, -0.3, -0.2, 0.3, -0.2)},
        {'robot.footprint': (1.0, 1.0, -1.0, -1.0, 1.0, -1.0, -1.0, 2.0)},
        {'critics.obstacle.weight': 0.0, 'critics.obstacle.collision': 0.0},
    ])),
)


class Witness:
    """Ticks a controller and holds every command against the promise."""

    def __init__(self, configuration=SMALL) -> None:
        self.robot = PlainRobot(Controller(configuration, seed=1))
        self.oracle = Oracle()
        self.last_now = -math.inf

    def watch(self, sense: bool) -> None:
        robot = self.robot
        if sense and np.isfinite(robot.pose).all():
            robot.controller.set_odometry(robot.odometry())
        now = robot.now
        tick = robot.tick(sense=False)
        self.judge(now, tick)

    def judge(self, now: float, tick) -> None:
        elapsed = now - self.last_now
        if not math.isfinite(elapsed) and math.isfinite(self.last_now):
            elapsed = 0.0  # a clock that reads no time
        self.oracle.check(tick, elapsed, self.robot.controller.configuration)
        if math.isfinite(now):
            self.last_now = now

    def happen(self, event: str, value) -> None:
        robot, controller = self.robot, self.robot.controller
        if event.startswith('ticks'):
            for _ in range(value):
                self.watch(sense=event == 'ticks')
        elif event == 'odometry':
            controller.set_odometry(Odometry(*value))
        elif event == 'jump':
            robot.pose = np.array(value)
        elif event.endswith('plan'):
            controller.set_plan(robot.now, np.reshape(np.array(value, dtype=float), (-1, 3)))
        elif event == 'goal':
            controller.set_goal(robot.now, *value)
        elif event == 'broken goal':
            controller.set_goal(*value)
        elif event == 'block':
            controller.set_costmap(robot.now, with_block(room(), *value, side=1.0))
        elif event == 'costmap':
            controller.set_costmap(robot.now + value, room())
        elif event == 'clock':
            robot.now += value
        elif event == 'broken clock':
            self.judge(value, controller.tick(value))
        elif event == 'forget':
            getattr(controller, value)()
        elif event == 'configure':
            controller.configure(replace(controller.configuration, value))


class AnythingHappens(RuleBasedStateMachine):
    """Whatever comes in, in whatever order, every command keeps the promise."""

    configuration = SMALL
    properties: ClassVar[list[tuple[str, object]]] = []  # of the test that runs

    @initialize()
    def begin(self) -> None:
        self.properties.append((EVENTS, 1))
        self.witness = Witness(self.configuration)
        robot = self.witness.robot
        robot.controller.set_costmap(robot.now, room())
        robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)

    @rule(happening=events)
    def happens(self, happening) -> None:
        event, value = happening
        try:
            self.witness.happen(event, value)
        except MppiError as error:
            assert event not in ('ticks', 'jump', 'goal', 'block', 'clock', 'forget'), error
        self.witness.watch(sense=True)

    def teardown(self) -> None:
        """Count the commands of a sequence that has ended."""
        self.properties.append((CHECKED, self.witness.oracle.checked))


@pytest.fixture(autouse=True)
def counted(request) -> None:
    """Count what is tried."""
    AnythingHappens.properties = request.node.user_properties


class AnythingHappensToAnOmni(AnythingHappens):
    """The same of a robot that can move sideways."""

    configuration = replace(SMALL, {'motion_model': 'omni', 'sigma': [0.4, 0.4, 0.6]})


class AnythingHappensToACar(AnythingHappens):
    """The same of a car."""

    configuration = replace(SMALL, {
        'motion_model': 'ackermann', 'sigma': [0.4, 0.6], 'limits.turning_radius_min': 0.4})


TestEveryCommandKeepsThePromise = AnythingHappens.TestCase
TestEveryCommandOfAnOmniKeepsThePromise = AnythingHappensToAnOmni.TestCase
TestEveryCommandOfACarKeepsThePromise = AnythingHappensToACar.TestCase
FEWER = settings(stateful_step_count=25, max_examples=settings().max_examples // 2)
TestEveryCommandKeepsThePromise.settings = FEWER
TestEveryCommandOfAnOmniKeepsThePromise.settings = FEWER
TestEveryCommandOfACarKeepsThePromise.settings = FEWER


@settings(max_examples=100, deadline=None)
@given(st.tuples(*[anything] * 7), st.tuples(*[anything] * 3))
def test_after_any_input_the_robot_drives_again_when_the_inputs_are_good(numbers, point):
    robot = PlainRobot(Controller(SMALL, seed=1))
    controller = robot.controller
    robot.run(0.1)
    for take in (lambda: controller.set_odometry(Odometry(*numbers)),
                 lambda: controller.set_plan(numbers[0], np.array([point])),
                 lambda: controller.set_goal(numbers[0], *point)):
        try:
            take()
        except InputError:
            continue
        robot.tick(sense=False)
    controller.set_costmap(robot.now, room())
    controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    robot.tick()
    robot.run(1.0)
    assert robot.ticks[-1].state is ControllerState.DRIVING


@pytest.mark.parametrize('seed', range(6))
def test_robot_among_blocks_that_come_and_go_never_touches_one(seed):
    rng = np.random.default_rng(seed)
    robot = PlainRobot(Controller(replace(QUICK, {'limits.vx_max': 1.0}), seed))
    body = Footprint.of(QUICK.robot)
    for n in range(600):
        if n % 60 == 0:
            costmap = room()
            for x, y in rng.uniform((-5.0, -3.0), (5.0, 3.0), (12, 2)):
                # A block that appears within the braking distance cannot be avoided by anybody.
                if math.dist((x, y), robot.pose[:2]) > 1.5:
                    costmap = with_block(costmap, x, y, 0.4)
            field = distance_field(costmap)
            robot.controller.set_goal(robot.now, *rng.uniform((-4.0, -2.0), (4.0, 2.0)), 0.0)
        if n % 10 == 0:
            robot.controller.set_costmap(robot.now, costmap)
        robot.tick()
        assert body.clearance(field, robot.pose[None])[0] > 0.0
