"""A polygon on `footprint` becomes the footprint; one that cannot be used changes nothing."""
from __future__ import annotations

import math

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

from geometry_msgs.msg import Point32, PolygonStamped  # noqa: E402
import rclpy  # noqa: E402

from mppi_ros.ros import conversions  # noqa: E402
from mppi_ros.ros.qos import LATCHED, VOLATILE  # noqa: E402

SQUARE = ((0.3, 0.2), (-0.3, 0.2), (-0.3, -0.2), (0.3, -0.2))
WIDE = ((0.3, 0.4), (-0.3, 0.4), (-0.3, -0.4), (0.3, -0.4))
TRANSFORMS = {('base_link', 'odom'): (0.0, 2.0, -math.pi / 2, 0.0)}  # the base in odom


def polygon(corners, frame='base_link'):
    message = PolygonStamped()
    message.header.frame_id = frame
    message.polygon.points = [Point32(x=float(x), y=float(y), z=0.1) for x, y in corners]
    return message


def footprint_of(node):
    """Return the corners that the controller uses."""
    flat = node.configuration.robot.footprint
    corners = [tuple(round(value, 3) for value in flat[n:n + 2]) for n in range(0, len(flat), 2)]
    assert list(flat) == list(node.get_parameter('robot.footprint').value)
    return tuple(corners)


def test_a_polygon_is_the_footprint_from_the_next_tick_on(node):
    node.intake.footprint.on_footprint(polygon(SQUARE))
    assert footprint_of(node) == SQUARE
    assert node._controller.outline.shape == (4, 2)
    assert node.intake.footprint.status == 'used'
    node.intake.footprint.on_footprint(polygon(WIDE, frame=''))
    assert footprint_of(node) == WIDE


def test_a_closed_polygon_has_its_first_corner_once(node):
    node.intake.footprint.on_footprint(polygon((*SQUARE, SQUARE[0])))
    assert footprint_of(node) == SQUARE


def test_a_polygon_of_another_frame_is_transformed(node):
    # The base stands at (2, 0) of odom and looks along its y axis.
    in_odom = [(2.0 - y, x) for x, y in SQUARE]
    node.intake.footprint.on_footprint(polygon(in_odom, 'odom'))
    assert footprint_of(node) == SQUARE


def moving(node, *seconds):
    """Let the base drive along x of odom at 1 m/s; tf2 knows its pose at these times [s]."""
    found = [(-second, 0.0, 0.0, second) for second in seconds]
    node.intake._frames._buffer.known['base_link', 'odom'] = found


def stamped_in_odom(second):
    message = polygon([(second + x, y) for x, y in SQUARE], 'odom')
    message.header.stamp = conversions.seconds_to_msg(second)
    return message


@pytest.fixture
def restored():
    before = TRANSFORMS.copy()
    yield
    TRANSFORMS.update(before)


def test_a_polygon_of_a_moving_robot_is_transformed_at_its_stamp(node, restored):
    moving(node, 5.0, 6.0)
    node.intake.footprint.on_footprint(stamped_in_odom(5.0))
    assert footprint_of(node) == SQUARE


def test_a_polygon_waits_for_the_transform_at_its_stamp(node, restored):
    moving(node, 5.0, 6.0)
    node.intake.footprint.on_footprint(stamped_in_odom(7.0))
    node.intake.footprint.take()
    assert not node.configuration.robot.footprint
    assert (node.intake.footprint.status, node.warnings) == ('none', [])
    moving(node, 5.0, 6.0, 7.0)
    node.intake.footprint.take()
    assert footprint_of(node) == SQUARE
    node.intake.footprint.take()
    assert node.intake.footprint.status == 'used'


def test_polygons_that_are_always_too_new_are_ignored_with_one_warning(node, restored):
    moving(node, 5.0, 6.0)
    for second in (7.0, 8.0, 9.0):
        node.intake.footprint.on_footprint(stamped_in_odom(second))
        node.intake.footprint.take()
    assert 'the transform at the stamp has not arrived yet' in node.intake.footprint.status
    (warning,) = node.warnings
    assert warning.startswith('footprint ignored: the polygon is in frame')


def test_noise_of_the_transform_changes_nothing(node):
    node.intake.footprint.on_footprint(polygon(SQUARE))
    before = node.configuration
    node.intake.footprint.on_footprint(polygon([(x + 0.004, y) for x, y in SQUARE]))
    assert node.configuration is before
    moved = tuple((round(x + 0.006, 3), y) for x, y in SQUARE)
    node.intake.footprint.on_footprint(polygon(moved))
    assert footprint_of(node) == moved


@pytest.mark.parametrize(('corners', 'frame', 'words'), [
    (SQUARE[:2], 'base_link', 'at least three corners'),
    ((), 'base_link', 'no corner'),
    ((*SQUARE[:3], (math.nan, 0.1)), 'base_link', 'robot.footprint'),
    ((*SQUARE[:3], (25.0, 0.1)), 'base_link', 'outside [-20, 20] m'),
    ((SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]), 'base_link', 'cross'),
    (SQUARE, 'map', "the polygon is in frame 'map', the robot in 'base_link'"),
])
def test_a_bad_polygon_is_ignored_with_one_warning(node, corners, frame, words):
    node.intake.footprint.on_footprint(polygon(WIDE))
    for _ in range(3):
        node.intake.footprint.on_footprint(polygon(corners, frame))
    assert footprint_of(node) == WIDE
    assert node.intake.footprint.status.startswith('ignored: ')
    (warning,) = [each for each in node.warnings if each.startswith('footprint ignored')]
    assert words in warning
    node.intake.footprint.on_footprint(polygon(SQUARE))
    assert footprint_of(node) == SQUARE
    assert node.intake.footprint.status == 'used'


@pytest.mark.parametrize('quality', [LATCHED, VOLATILE], ids=['latched', 'volatile'])
def test_the_topic_is_heard_from_publishers_of_either_durability(node, quality):
    other = rclpy.create_node('arm')
    publisher = other.create_publisher(PolygonStamped, 'footprint', quality)
    for _ in range(200):
        publisher.publish(polygon(SQUARE))
        rclpy.spin_once(node, timeout_sec=0.05)
        node.intake.take()
        if node.intake.footprint.status == 'used':
            break
    assert footprint_of(node) == SQUARE
    other.destroy_node()
