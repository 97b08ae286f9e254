"""A scan is tracked as the messages tell; one that cannot be used is ignored and never a fault."""
from __future__ import annotations

from array import array
import math

import numpy as np
from plain_robot import room
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

from rclpy.parameter import Parameter  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from ros.test_tf_lookup import (  # noqa: E402
    Buffer,
)

from mppi_ros.control.controller import Controller  # noqa: E402
from mppi_ros.control.inputs import Odometry  # noqa: E402
from mppi_ros.nodes.controller.obstacle_inputs import NEWEST, UNTIMELY_SCAN  # noqa: E402
from mppi_ros.ros import conversions  # noqa: E402
from mppi_ros.simulation.lidar import Lidar  # noqa: E402
from mppi_ros.simulation.world import MovingDisc, World  # noqa: E402

LASER = (0.3, -0.1, math.pi / 2)  # pose of the scanner in the base frame
LIDAR = Lidar(beams=360, field_of_view=math.tau, mount=LASER)
DISC = MovingDisc(2.0, -1.0, 0.25, 0.0, 1.0)
TRANSFORMS = {('base_link', 'laser'): (*LASER, 0.0)}


def message(scan, stamp, frame='laser'):
    """Return the message of a scanner mounted at LASER."""
    made = conversions.scan_to_msg(
        LIDAR.angles() - LASER[2], scan.ranges, max_range=LIDAR.max_range, stamp=stamp,
        frame=frame)
    made.angle_increment = math.tau / LIDAR.beams
    made.range_min = 0.05
    return made


def moving(node, seconds=1.0, spoil=lambda message: None):
    """Let the node hear a moving disc by scans; return the time of the last one."""
    begun = node._now()
    world = World(room(), np.zeros((0, 3)), [DISC], solid_cells=True)
    rng = np.random.default_rng(0)
    odometry(node, begun)
    grid = conversions.costmap_to_msg(room(), begun, 'odom')
    node.intake.on_costmap(serialize_message(grid))
    node.intake.obstacles.take(node.intake.frame)
    for step in range(1, round(20 * seconds) + 1):
        now = begun + 0.05 * step
        odometry(node, now)
        made = message(LIDAR.scan(world, np.zeros(3), rng, 0.05 * step), now)
        spoil(made)
        node.intake.obstacles.on_scan(made)
    return now


def odometry(node, now):
    motion = Odometry(now, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    node.intake.on_odom(conversions.odometry_to_msg(motion, 'odom', 'base_link'))


def scan_status(node, now):
    return node.intake.obstacles.status(now)['scan']


def obstacles(node, now):
    return node._controller._costmaps.moving_obstacles(now)


def test_a_disc_that_moves_is_tracked_in_scans_of_another_frame(node):
    now = moving(node)
    ((x, y, vx, vy, radius),) = obstacles(node, now)
    assert (x, y) == pytest.approx((2.0, 0.0), abs=0.1)
    assert (vx, vy, radius) == pytest.approx((0.0, 1.0, 0.25), abs=0.12)
    assert scan_status(node, now) == 'used'
    assert scan_status(node, now + 0.6) == 'none'
    assert node.intake.faults == {}
    assert node.warnings == []


def test_a_scanner_upside_down_counts_the_other_way(node, monkeypatch):
    yaw = LASER[2]

    def upside_down(self, target, source, time):
        made = conversions.transform_to_msg(*LASER, 0.0, target, source)
        turn = made.transform.rotation
        turn.z = turn.w = 0.0
        turn.x, turn.y = math.cos(0.5 * yaw), math.sin(0.5 * yaw)
        return made

    def turn_over(made):
        made.ranges = array('f', made.ranges[::-1])
        made.angle_min = -(made.angle_min + (LIDAR.beams - 1) * made.angle_increment)

    monkeypatch.setattr(Buffer, 'lookup_transform', upside_down)
    ((x, y, vx, vy, _),) = obstacles(node, moving(node, spoil=turn_over))
    assert (x, y, vx, vy) == pytest.approx((2.0, 0.0, 0.0, 1.0), abs=0.12)


def test_nothing_is_known_at_a_range_of_nan_or_below_the_minimum(node, monkeypatch):
    taken = []
    monkeypatch.setattr(Controller, 'set_scan', lambda _, scan: taken.append(scan))
    made = conversions.scan_to_msg(
        np.linspace(0.0, 1.0, 7), np.ones(7), max_range=8.0, stamp=1.0, frame='base_link')
    made.range_min = 0.5
    made.ranges = array('f', [math.nan, -math.inf, 0.0, 0.4, 0.5, 8.0, math.inf])
    node.intake.obstacles.on_scan(made)
    expected = [math.nan, math.nan, math.nan, math.nan, 0.5, math.inf, math.inf]
    np.testing.assert_array_equal(taken[0].ranges, expected)
    np.testing.assert_allclose(taken[0].angles, np.linspace(0.0, 1.0, 7), atol=1e-6)
    assert taken[0].mount == (0.0, 0.0)
    assert taken[0].max_range == 8.0


@pytest.mark.parametrize(('spoil', 'words'), [
    (lambda made: setattr(made, 'ranges', array('f')), 'scan.ranges is empty'),
    (lambda made: setattr(made, 'angle_min', math.nan), 'scan.angle_min = nan rad'),
    (lambda made: setattr(made, 'angle_increment', 0.0), 'scan.angle_increment = 0.0'),
    (lambda made: setattr(made, 'range_max', math.inf), 'scan.range_max = inf m'),
    (lambda made: setattr(made, 'range_max', math.nan), 'scan.range_max = nan m'),
    (lambda made: setattr(made, 'range_min', 99.0), 'range_min = 99.0 m < range_max'),
    (lambda made: setattr(made.header, 'frame_id', 'moon'),
     "the scan is in frame 'moon', base_frame is 'base_link': no transform"),
    (lambda made: setattr(made.header.stamp, 'sec', 1), UNTIMELY_SCAN),
])  # fmt: skip
def test_a_scan_that_cannot_be_used_is_ignored_and_warned_of_once(node, spoil, words):
    now = moving(node, spoil=spoil)
    assert not len(obstacles(node, now))
    assert node.intake.faults == {}
    assert words in scan_status(node, now)
    assert scan_status(node, now).startswith('ignored: ')
    (warning,) = node.warnings
    assert words in warning
    assert len(obstacles(node, moving(node))) == 1


def test_scans_before_the_first_odometry_are_no_cause_for_a_warning(node):
    world, rng = World(room(), np.zeros((0, 3)), solid_cells=True), np.random.default_rng(0)
    node.intake.obstacles.on_scan(message(LIDAR.scan(world, np.zeros(3), rng), node._now()))
    assert node.warnings == []
    assert scan_status(node, node._now()) == f'ignored: {UNTIMELY_SCAN}'


def test_a_scanner_that_is_tilted_is_ignored(node, monkeypatch):
    def tilted(self, target, source, time):
        made = conversions.transform_to_msg(*LASER, 0.0, target, source)
        turn = made.transform.rotation
        turn.x, turn.y, turn.z, turn.w = math.sin(0.3), 0.0, 0.0, math.cos(0.3)
        return made

    monkeypatch.setattr(Buffer, 'lookup_transform', tilted)
    now = moving(node)
    assert 'tilted by 0.60 rad' in scan_status(node, now)


def test_a_mistake_while_tracking_is_no_fault(node, monkeypatch):
    def fail(controller, scan):
        raise ZeroDivisionError('a mistake')

    monkeypatch.setattr(Controller, 'set_scan', fail)
    now = moving(node)
    assert node.intake.faults == {}
    assert scan_status(node, now) == 'ignored: ZeroDivisionError: a mistake'


def test_the_transform_of_a_scanner_is_looked_up_once(node, monkeypatch):
    looked = []
    look_up = Buffer.lookup_transform
    monkeypatch.setattr(Buffer, 'lookup_transform', lambda self, target, source, time: (
        looked.append(source), look_up(self, target, source, time))[1])
    moving(node)
    assert looked == ['laser']


@pytest.mark.parametrize('parameter', ['moving_obstacles.use_scan', 'moving_obstacles.enabled'])
def test_the_parameter_turns_scans_off_and_on_again(node, parameter):
    switch = Parameter(parameter, value=False)
    assert node.set_parameters_atomically([switch]).successful
    now = moving(node)
    assert not len(obstacles(node, now))
    assert scan_status(node, now) == 'off'
    assert node.set_parameters_atomically([Parameter(parameter, value=True)]).successful
    assert len(obstacles(node, moving(node))) == 1


def test_a_tick_takes_the_newest_scan_only_where_scans_are_used(node, monkeypatch):
    polled = []
    monkeypatch.setattr('mppi_ros.ros.executor.poll_message', lambda subscription: (
        polled.append(subscription.topic_name), None)[1])
    node.intake.take()
    assert polled.count('/scan') == 1
    assert NEWEST.depth == 1
    node.set_parameters_atomically([Parameter('moving_obstacles.use_scan', value=False)])
    node.intake.take()
    assert polled.count('/scan') == 1


def test_diagnostics_tell_whether_scans_are_used(node, monkeypatch):
    moving(node)
    monkeypatch.setattr(Controller, 'tracks_scans', lambda *_: True)  # however slow the test is
    node.trigger_activate()
    node._tick()
    values = node._health._values(node._health._last)
    assert values['scan'] == 'used'


def test_a_scan_of_very_many_beams_is_thinned_out():
    made = conversions.scan_to_msg(
        np.linspace(-3.0, 3.0, 50_001), np.ones(50_001), max_range=8.0, stamp=1.0, frame='laser')
    scan = conversions.scan_from_msg(made, 1.0, conversions.SensorMount(0.0, 0.0, 0.0, 1.0))
    assert 0.5 * conversions.MAX_SCAN_BEAMS < len(scan.ranges) <= conversions.MAX_SCAN_BEAMS
    assert scan.angles[-1] == pytest.approx(3.0, abs=0.01)
