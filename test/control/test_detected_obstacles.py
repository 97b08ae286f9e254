"""Obstacles of a detector replace the own tracks while they are current."""
from __future__ import annotations

import math

import numpy as np
from plain_robot import QUICK, PlainRobot, room
import pytest

from mppi_ros.control.controller import Controller
from mppi_ros.control.detected_obstacles import MAX_DETECTION_AGE, MAX_DETECTIONS
from mppi_ros.control.inputs import Odometry
from mppi_ros.driving.obstacle_prediction import DynamicObstacle, ObstacleKind
from mppi_ros.parameters import declaration
from mppi_ros.parameters.errors import InputError

WALKER = DynamicObstacle(1.0, 2.0, 0.0, 0.0, 1.0, 0.3)
STANDING = DynamicObstacle(1.0, -2.0, 0.0, 0.05, 0.0, 0.3)


@pytest.fixture
def controller():
    made = Controller(QUICK)
    made.set_odometry(Odometry(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    return made


def test_what_moves_is_predicted_until_it_is_too_old(controller):
    assert controller.set_obstacles(1.0, [WALKER, STANDING], [7, 8])
    (row,) = controller._costmaps.moving_obstacles(1.2)
    assert row == pytest.approx([2.0, 0.2, 0.0, 1.0, 0.3])
    assert [each.id for each in controller.predicted_obstacles(1.2)] == [7]
    assert controller.uses_detections(1.2)
    assert not len(controller._costmaps.moving_obstacles(1.1 + MAX_DETECTION_AGE))


def test_a_detector_that_sees_nothing_that_moves_is_believed(controller):
    controller.set_obstacles(1.0, [WALKER], [7])
    assert controller.set_obstacles(1.1, [], [])
    assert not len(controller._costmaps.moving_obstacles(1.2))


def test_older_obstacles_are_not_used(controller):
    assert controller.set_obstacles(1.0, [WALKER], [7])
    assert not controller.set_obstacles(1.0, [], [])
    assert not controller.set_obstacles(0.9, [], [])
    assert len(controller._costmaps.moving_obstacles(1.0)) == 1


def test_the_costmap_is_freed_of_them(controller):
    shown = room()
    x = shown.origin_x + (np.arange(shown.data.shape[1]) + 0.5) * shown.resolution
    y = shown.origin_y + (np.arange(shown.data.shape[0])[:, None] + 0.5) * shown.resolution
    for centre in (WALKER.x, STANDING.x):
        shown.data[np.hypot(x - centre, y) <= 0.3] = 100
    controller.set_obstacles(1.0, [WALKER, STANDING], [7, 8])
    controller.set_costmap(1.0, shown)
    region = controller._costmaps.processed.region
    places = np.array([WALKER.x, STANDING.x]), np.zeros(2)
    assert region.field.at(*places).tolist() == [0.0, 0.0]
    walker, standing = region.still.at(*places)
    assert walker > 1.0
    assert standing == 0.0


def test_they_are_forgotten_with_the_frame_of_the_costmap(controller):
    controller.set_obstacles(1.0, [WALKER], [7])
    controller.forget_costmap()
    assert not len(controller._costmaps.moving_obstacles(1.0))


def test_they_are_not_used_where_moving_obstacles_are_not_tracked():
    off = declaration.replace(QUICK, {'moving_obstacles.enabled': False})
    controller = Controller(off)
    assert not controller.set_obstacles(1.0, [WALKER], [7])
    assert not len(controller._costmaps.moving_obstacles(1.0))


@pytest.mark.parametrize(('stamp', 'obstacles', 'ids', 'words'), [
    (math.nan, [WALKER], [7], 'obstacles'),
    (1.0, [WALKER], [], '1 obstacles and 0 ids'),
    (1.0, [WALKER._replace(vx=math.inf)], [7], 'obstacle 0 has a value that is not finite'),
    (1.0, [STANDING, WALKER._replace(radius=0.0)], [7, 8], 'obstacle 1: radius = 0.0 m'),
    (1.0, [WALKER] * (MAX_DETECTIONS + 1), [7] * (MAX_DETECTIONS + 1), 'are more than'),
])
def test_invalid_obstacles_are_refused_by_name(controller, stamp, obstacles, ids, words):
    with pytest.raises(InputError, match=words):
        controller.set_obstacles(stamp, obstacles, ids)
    assert not len(controller._costmaps.moving_obstacles(1.0))


def commands_beside_a_walker(y, smoothing):
    """Return the commands of a robot at the origin that a walker at (1.5, y) [m] approaches."""
    configuration = declaration.replace(QUICK, {'smoothing': smoothing})
    robot = PlainRobot(Controller(configuration, 1))
    robot.controller.set_costmap(robot.now, room())
    robot.controller.set_goal(robot.now, 4.0, 0.0, 0.0)
    for _ in range(10):
        walker = DynamicObstacle(robot.now, 1.5, y, 0.0, -0.4, 0.3)
        robot.controller.set_obstacles(robot.now, [walker], [7])
        robot.tick()
    return [tick.command for tick in robot.ticks]


@pytest.mark.parametrize(('y', 'smoothed'), [(0.5, False), (30.0, True)])
def test_commands_are_smoothed_without_a_moving_obstacle_within_reach_only(y, smoothed):
    plain, filtered = (commands_beside_a_walker(y, smoothing) for smoothing in (False, True))
    assert (plain != filtered) == smoothed


def test_a_person_that_stands_is_kept(controller):
    standing = STANDING._replace(kind=ObstacleKind.PERSON)
    controller.set_obstacles(1.0, [standing, STANDING], [7, 8])
    assert [each.id for each in controller.predicted_obstacles(1.2)] == [7]


def distance_beside(kind):
    """Return the least distance of the centre of a robot from an oncoming obstacle of a kind."""
    configuration = declaration.replace(QUICK, {
        'critics.moving_obstacle.weight': 20.0, 'critics.moving_obstacle.comfort_distance': 0.8})
    robot = PlainRobot(Controller(configuration, 1), x=-2.0)
    robot.controller.set_costmap(robot.now, room())
    robot.controller.set_goal(robot.now, 2.5, 0.0, 0.0)
    begin, least = robot.now, math.inf
    while robot.pose[0] < 1.5 and robot.now < begin + 20.0:
        x, y = 3.0 - 0.3 * (robot.now - begin), 0.6
        obstacle = DynamicObstacle(robot.now, x, y, -0.3, 0.0, 0.3, kind=kind)
        robot.controller.set_costmap(robot.now, room())
        robot.controller.set_obstacles(robot.now, [obstacle], [7])
        robot.tick()
        least = min(least, math.dist(robot.pose[:2], (x, y)))
    assert robot.pose[0] >= 1.5
    return least


def test_a_person_is_given_more_room_than_an_object():
    assert distance_beside(ObstacleKind.PERSON) > distance_beside(ObstacleKind.OBJECT) + 0.1
