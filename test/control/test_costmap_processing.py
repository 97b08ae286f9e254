"""Costmap processing: a huge costmap drives like a small one; slow processing delays no tick."""
from __future__ import annotations

import dataclasses
import math
import threading
import time

from deferred_processor import DeferredProcessor
import numpy as np
from plain_robot import QUICK, PlainRobot, room, with_block
import pytest

from mppi_ros.control import costmap_processing
from mppi_ros.control.controller import Controller
from mppi_ros.control.costmap_processing import SynchronousProcessor, ThreadedProcessor
from mppi_ros.control.inputs import Odometry
from mppi_ros.control.tick_result import ControllerState
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.path import sections
from mppi_ros.parameters.declaration import replace

PATIENT = replace(QUICK, {'safety.costmap_timeout': 0.0})


def corridor(side_cells, resolution=0.05):
    """Return a square costmap with walls 1.5 m on either side of its middle line, y = 0."""
    data = np.zeros((side_cells, side_cells), np.int8)
    middle = side_cells // 2
    wall = round(1.5 / resolution)
    data[middle + wall], data[middle - wall] = 100, 100
    half = 0.5 * side_cells * resolution
    return Costmap(data, resolution, -half, -half)


def drives(costmap, seconds=12.0, configuration=PATIENT, processor=None, x=-3.0):
    robot = PlainRobot(Controller(configuration, 1, processor), x=x)
    robot.controller.set_odometry(robot.odometry())
    robot.controller.set_costmap(robot.now, costmap)
    robot.controller.set_goal(robot.now, x + 6.0, 0.0, 0.0)
    robot.run(seconds)
    return robot


def test_a_window_of_a_huge_costmap_drives_just_like_the_whole(monkeypatch):
    costmap = corridor(1000)
    in_a_window = drives(costmap)
    assert in_a_window.controller._costmaps.processed.region.place is not None
    monkeypatch.setattr('mppi_ros.driving.costmap_crop.MAX_CELLS_UNCROPPED', 1e9)
    on_the_whole = drives(costmap)
    assert on_the_whole.controller._costmaps.processed.region.place is None
    assert [tick.command for tick in in_a_window.ticks] == [
        tick.command for tick in on_the_whole.ticks]
    assert in_a_window.pose[0] > 1.0


def test_the_window_follows_the_robot():
    robot = drives(corridor(1000), seconds=0.2)
    first = robot.controller._costmaps.processed.region
    robot.run(12.0)
    last = robot.controller._costmaps.processed.region
    assert last.costmap is first.costmap
    assert last.place[0] > first.place[0] + 1.0
    assert math.dist(last.place, robot.pose[:2]) < costmap_processing.slack(PATIENT)


def test_a_costmap_of_a_hundred_million_cells_is_driven_on():
    robot = drives(corridor(10_000, 0.01), seconds=3.0)
    assert robot.ticks[-1].state is ControllerState.DRIVING
    assert robot.controller._costmaps.processed.region.field.distance.size <= 2000**2


def test_the_robot_waits_while_its_surroundings_are_unknown():
    processor = DeferredProcessor()
    robot = PlainRobot(Controller(PATIENT, 1, processor))
    robot.controller.set_costmap(robot.now, corridor(1000))
    processor.process()
    robot.controller.set_goal(robot.now, 3.0, 0.0, 0.0)
    robot.pose[0] = 15.0
    assert robot.tick().state is ControllerState.WAITING
    processor.process()
    assert robot.tick().state is ControllerState.DRIVING


def test_a_costmap_grows_old_while_it_is_processed():
    processor = DeferredProcessor()
    robot = PlainRobot(Controller(QUICK, 1, processor))
    robot.controller.set_costmap(robot.now, room())
    robot.controller.set_goal(robot.now, 3.0, 0.0, 0.0)
    assert robot.tick().reason == 'the costmap is being processed'
    processor.process()
    robot.run(0.5)
    tick = robot.tick()
    assert tick.state is ControllerState.DRIVING
    assert tick.statistics.costmap_age == pytest.approx(0.55)
    robot.controller.set_costmap(robot.now, room())
    tick = robot.run(1.2)
    assert 'costmap is 1.75 s old' in tick.reason
    processor.process()
    assert robot.run(0.3).state is ControllerState.DRIVING


def test_the_same_costmap_sent_again_is_fresh():
    robot, costmap = PlainRobot(Controller(QUICK, 1)), room()
    robot.controller.set_goal(robot.now, 3.0, 0.0, 0.0)
    for _ in range(4):
        robot.controller.set_costmap(robot.now, costmap)
        assert robot.run(1.0).state is ControllerState.DRIVING


def test_an_obstacle_counts_as_soon_as_it_is_processed():
    processor = DeferredProcessor()
    robot = PlainRobot(Controller(PATIENT, 1, processor), x=-4.0)
    robot.controller.set_costmap(robot.now, room())
    processor.process()
    robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    assert robot.run(1.0).state is ControllerState.DRIVING
    robot.controller.set_costmap(robot.now, with_block(room(), robot.pose[0] + 0.36, 0.0, 0.2))
    assert robot.tick().state is ControllerState.DRIVING
    processor.process()
    assert 'no command passes the stopping check' in robot.tick().reason


def test_no_later_request_takes_the_place_of_one_that_new_parameters_want():
    processor = DeferredProcessor()
    costmap = room()
    costmap.data[40:60, 60:80] = -1  # unknown
    free = replace(PATIENT, {'safety.unknown_is_obstacle': False})
    robot = PlainRobot(Controller(free, 1, processor))
    robot.controller.set_costmap(robot.now, costmap)
    processor.process()
    robot.controller.set_goal(robot.now, 3.0, 0.0, 0.0)
    robot.tick()
    robot.controller.configure(replace(free, {'safety.unknown_is_obstacle': True}))
    robot.controller.set_costmap(robot.now, costmap)  # the same one
    processor.process()
    robot.tick()
    assert robot.controller.distance_field.at(*np.array([[-1.5], [-0.5]]))[0] == 0.0


def test_a_result_of_another_frame_is_discarded():
    processor = DeferredProcessor()
    robot = PlainRobot(Controller(PATIENT, 1, processor))
    robot.controller.set_costmap(robot.now, room())
    robot.controller.set_goal(robot.now, 3.0, 0.0, 0.0)
    processor.process()
    robot.controller.forget_costmap()
    robot.controller.set_costmap(robot.now, room())
    assert robot.tick().reason == 'the costmap is being processed'
    processor.process()
    assert robot.tick().state is ControllerState.DRIVING


def test_an_error_in_processing_brakes_the_robot_and_is_named():
    class Broken(DeferredProcessor):
        def poll(self):
            if self.done:
                raise ZeroDivisionError('a mistake')

    processor = Broken()
    robot = PlainRobot(Controller(PATIENT, 1, processor))
    robot.controller.set_costmap(robot.now, room())
    robot.controller.set_goal(robot.now, 3.0, 0.0, 0.0)
    processor.process()
    tick = robot.tick()
    assert tick.command.vx == 0.0
    assert 'ZeroDivisionError: a mistake' in tick.reason


def request(costmap):
    controller = Controller(PATIENT, 1, DeferredProcessor())
    controller.set_costmap(0.0, costmap)
    return controller._costmaps._processor.request


def until(condition):
    end = time.monotonic() + 20.0
    while (found := condition()) is None:
        assert time.monotonic() < end
        time.sleep(0.001)
    return found


def test_the_thread_computes_the_same_result():
    asked, prompt, background = request(room()), SynchronousProcessor(), ThreadedProcessor()
    prompt.submit(asked)
    background.submit(asked)
    expected, found = prompt.poll(), until(background.poll)
    background.close()
    assert np.array_equal(found.region.field.distance, expected.region.field.distance)
    assert background.poll() is None


def test_the_newest_request_wins_and_the_others_are_dropped():
    begun, proceed, done = threading.Event(), threading.Event(), []

    @dataclasses.dataclass
    class Work:
        number: int

        def process(self):
            begun.set()
            assert proceed.wait(20.0)
            done.append(self.number)
            return self.number

    background = ThreadedProcessor()
    background.submit(Work(0))
    assert begun.wait(20.0)
    for number in range(1, 1000):
        background.submit(Work(number))
    proceed.set()
    until(lambda: True if 999 in done else None)
    background.close()
    assert done == [0, 999]


def test_what_goes_wrong_in_the_background_is_told_once_and_ends_nothing():
    class Wrong:
        def process(self):
            raise ZeroDivisionError('a mistake')

    background = ThreadedProcessor()
    wrong = Wrong()
    background.submit(wrong)
    failure = until(background.poll)
    assert failure.request is wrong
    assert isinstance(failure.error, ZeroDivisionError)
    assert background.poll() is None
    background.submit(request(room()))
    assert until(background.poll) is not None
    background.close()


def test_a_tick_looks_at_no_more_of_a_long_plan_than_is_near():
    x = np.linspace(0.0, 15_000.0, 100_000)
    plan = sections(np.stack([x, np.zeros_like(x), np.zeros_like(x)], axis=1))[0]
    robot = PlainRobot(Controller(PATIENT, 1))
    robot.controller.set_odometry(Odometry(robot.now, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    robot.controller.set_costmap(robot.now, room())
    robot.controller.set_plan(robot.now, np.column_stack([plan.points[::3], plan.yaw[::3]]))
    assert robot.tick().state is ControllerState.DRIVING
    objective = robot.controller._objective
    assert len(objective.lookahead.time_to_go) < 500
    assert len(objective._tables.time_to_go) < 500
