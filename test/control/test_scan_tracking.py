"""Scans are placed by the odometry at their stamp; the costmap is tracked where they end."""
from __future__ import annotations

import math

import numpy as np
from plain_robot import QUICK, room
import pytest

from mppi_ros.control.controller import Controller
from mppi_ros.control.inputs import Odometry
from mppi_ros.control.scan_tracking import MAX_SCAN_AGE, ScanTracker
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.obstacle_tracking import moving_obstacles
from mppi_ros.driving.scan import Scan
from mppi_ros.parameters import declaration
from mppi_ros.simulation.lidar import Lidar
from mppi_ros.simulation.world import MovingDisc, World

LIDAR = Lidar(field_of_view=math.tau)
SPEED, TURN = 0.8, 1.5  # [m/s] [rad/s] of the robot


def pose_at(time):
    """Drive on a circle."""
    yaw = TURN * time
    return SPEED / TURN * math.sin(yaw), SPEED / TURN * (1.0 - math.cos(yaw)), yaw


def odometry_at(time):
    return Odometry(time, *pose_at(time), SPEED, 0.0, TURN)


def scans(seconds, *discs, start=0.0):
    """Yield scans from a robot on a circle."""
    world, rng = World(room(), np.zeros((0, 3)), discs, solid_cells=True), np.random.default_rng(0)
    for step in range(1, round(seconds * LIDAR.rate) + 1):
        time = start + step / LIDAR.rate
        yield LIDAR.scan(world, np.array(pose_at(time)), rng, time)


@pytest.mark.parametrize('odometry_delay', [-0.04, 0.0, 0.06])
def test_the_odometry_at_the_stamp_of_a_scan_places_it(odometry_delay):
    """It is interpolated between measurements, and extrapolated beyond the last one."""
    tracker = ScanTracker()
    for step in range(-5, 1):
        tracker.set_odometry(odometry_at(0.05 * step))
    for scan in scans(1.0, MovingDisc(2.0, -1.0, 0.25, 0.0, 1.0)):
        tracker.set_odometry(odometry_at(scan.stamp - odometry_delay))
        assert tracker.set_scan(scan)
    (obstacle,) = moving_obstacles(tracker.tracks)
    assert (obstacle.vx, obstacle.vy) == pytest.approx((0.0, 1.0), abs=0.12)
    assert math.dist((obstacle.x, obstacle.y), (2.0, 0.0)) < 0.1


def test_a_scan_without_a_pose_or_from_the_past_is_not_used():
    tracker = ScanTracker()
    first, second = scans(0.1)
    assert not tracker.set_scan(first)
    tracker.set_odometry(odometry_at(second.stamp))
    assert not tracker.set_scan(first)  # before the oldest odometry
    assert tracker.set_scan(second)
    assert not tracker.set_scan(second)
    (late,) = scans(0.05, start=2.0)
    assert not tracker.set_scan(late)  # the odometry is too old
    tracker.set_odometry(odometry_at(late.stamp))
    assert tracker.set_scan(late)
    tracker.forget()
    assert not tracker.is_current(late.stamp)
    assert not tracker.set_scan(late)


def controlled(*discs, **parameters):
    """Return a controller that has seen scans for one second, and its time."""
    changed = {f'moving_obstacles.{name}': value for name, value in parameters.items()}
    configuration = declaration.replace(QUICK, changed)
    controller, now = Controller(configuration), 0.0
    controller.set_odometry(odometry_at(0.0))
    controller.set_costmap(0.0, room())
    for scan in scans(1.0, *discs):
        now = scan.stamp
        controller.set_odometry(odometry_at(now))
        controller.set_scan(scan)
        controller.tick(now)
    return controller, now


def test_a_moving_obstacle_of_the_scans_is_predicted_until_they_are_too_old():
    controller, now = controlled(MovingDisc(2.0, -1.0, 0.25, 0.0, 1.0))
    ((x, y, vx, vy, radius),) = controller._costmaps.moving_obstacles(now + 0.3)
    assert (x, y) == pytest.approx((2.0, 0.3), abs=0.12)
    assert (vx, vy, radius) == pytest.approx((0.0, 1.0, 0.25), abs=0.15)
    assert not len(controller._costmaps.moving_obstacles(now + MAX_SCAN_AGE + 0.1))


@pytest.mark.parametrize('parameter', ['enabled', 'use_scan'])
def test_scans_are_ignored_where_the_parameters_say_so(parameter):
    disc = MovingDisc(2.0, -1.0, 0.25, 0.0, 1.0)
    controller, now = controlled(disc, **{parameter: False})
    assert not len(controller._costmaps.moving_obstacles(now))
    assert not controller.tracks_scans(now)
    (scan,) = scans(0.05, disc, start=now)
    assert controller.set_scan(scan) is False


def test_what_a_scan_shows_of_the_robot_itself_is_unknown():
    footprint = Footprint.polygonal([(0.5, 0.3), (-0.5, 0.3), (-0.2, 0.0), (-0.5, -0.3),
                                     (0.5, -0.3)])
    angles = np.array([0.0, 0.0, 0.5 * math.pi, math.pi, -0.75 * math.pi, 0.1])
    ranges = np.array([0.15, 0.25, 0.25, 0.55, 0.4, math.nan], np.float32)
    scan = Scan(1.0, angles, ranges, (0.3, 0.0), 8.0)
    shown = scan.without(footprint).ranges
    assert np.isnan(shown).tolist() == [True, False, True, False, True, True]
    far = Scan(1.0, angles, ranges + 5.0, (0.3, 0.0), 8.0)
    assert far.without(footprint) is far


def test_a_mast_of_the_robot_is_not_tracked():
    controller, now = Controller(QUICK), 0.0
    controller.set_costmap(0.0, room())
    for scan in scans(1.0):
        now = scan.stamp
        scan.ranges[100:130] = 0.15
        controller.set_odometry(odometry_at(now))
        assert controller.set_scan(scan)
    assert not len(controller._costmaps.moving_obstacles(now))


def test_the_costmap_is_freed_of_a_moving_obstacle_of_the_scans():
    disc = MovingDisc(2.0, -1.0, 0.25, 0.0, 1.0)
    controller, now = controlled(disc)
    shown = room()
    x = shown.origin_x + (np.arange(shown.data.shape[1]) + 0.5) * shown.resolution
    y = shown.origin_y + (np.arange(shown.data.shape[0])[:, None] + 0.5) * shown.resolution
    shown.data[np.hypot(x - 2.0, y) <= 0.25] = 100
    controller.set_costmap(now, shown)
    region = controller._costmaps.processed.region
    place = np.array([2.0]), np.array([0.0])
    assert region.field.at(*place)[0] == 0.0
    assert region.still.at(*place)[0] > 1.0


def test_a_track_keeps_its_id_while_it_lives_and_another_one_has_its_own():
    controller, ids = Controller(QUICK), []
    controller.set_costmap(0.0, room())
    discs = [MovingDisc(2.0, -1.0, 0.25, 0.0, 1.0), MovingDisc(-2.5, 1.5, 0.25, 0.0, -0.8)]
    for scan in scans(2.0, *discs):
        controller.set_odometry(odometry_at(scan.stamp))
        controller.set_scan(scan)
        ids.append({each.id for each in controller.predicted_obstacles(scan.stamp)})
    assert len(ids[-1]) == 2
    assert 0 not in ids[-1]
    assert set().union(*ids) == ids[-1]
    assert not controller.predicted_obstacles(scan.stamp + 2.0)


def test_a_prediction_goes_over_the_horizon_and_grows_with_the_deviation():
    controller, now = controlled(MovingDisc(2.0, -1.0, 0.25, 0.0, 1.0))
    (found,) = controller.predicted_obstacles(now)
    horizon = controller.configuration.mppi.horizon
    travelled = found.discs[-1, :2] - found.discs[0, :2]
    assert travelled == pytest.approx(horizon * np.array([found.vx, found.vy]))
    assert np.diff(found.discs[:, 2])[0] > 0.0
    assert found.discs[-1, 2] == pytest.approx(found.radius + 0.05 + 0.15)
    controller.configure(
        declaration.replace(controller.configuration, {'moving_obstacles.velocity_std': 0.0}))
    (without,) = controller.predicted_obstacles(now)
    assert without.discs[:, 2] == pytest.approx(without.radius + 0.05)
