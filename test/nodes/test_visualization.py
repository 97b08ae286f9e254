"""Views are computed only while someone listens, and both layouts show every one of them."""
from __future__ import annotations

import json
import math
import re
import time

import numpy as np
from plain_robot import QUICK, PlainRobot, room
import pytest
import yaml

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

import rclpy  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from visualization_msgs.msg import Marker  # noqa: E402

from mppi_ros.control.controller import Controller  # noqa: E402
from mppi_ros.control.inputs import Odometry  # noqa: E402
from mppi_ros.control.optimization import STEP_FACTORS  # noqa: E402
from mppi_ros.control.parameters import ControllerParameters  # noqa: E402
from mppi_ros.control.warm_up import warm_up  # noqa: E402
from mppi_ros.driving.costmap import Costmap  # noqa: E402
from mppi_ros.driving.distance_field import NO_OBSTACLE, DistanceField  # noqa: E402
from mppi_ros.driving.track_prediction import TrackPrediction  # noqa: E402
from mppi_ros.nodes.controller.node import MppiController  # noqa: E402
from mppi_ros.ros import cdr, conversions, markers  # noqa: E402
from mppi_ros.share import share_path  # noqa: E402

VIEWS = ('optimal_trajectory', 'candidate_trajectories', 'footprint', 'critic_costs',
         'distance_field', 'moving_obstacles')


@pytest.fixture(scope='module')
def kernels():
    """Compile or load the kernels, which would make a tick late."""
    warm_up(ControllerParameters())


PATIENT = {'safety.odom_timeout': 60.0, 'safety.odom_frozen': 0.0, 'safety.costmap_timeout': 0.0,
           'safety.watchdog_periods': 0}


@pytest.fixture
def node(kernels, ros_domain, monkeypatch):
    """Offer an active controller that knows its surroundings, and inputs that do not grow old."""
    monkeypatch.setattr('mppi_ros.nodes.controller.node.warm_up', lambda _: None)
    rclpy.init()
    controller = MppiController()
    controller.trigger_configure()
    controller.trigger_activate()
    patience = [Parameter(name, value=value) for name, value in PATIENT.items()]
    assert controller.set_parameters_atomically(patience).successful
    now = controller._now()
    motion = Odometry(now, 0.0, 0.0, math.pi / 2, 0.0, 0.0, 0.0)
    controller.intake.on_odom(conversions.odometry_to_msg(motion, 'odom', 'base_link'))
    free = Costmap(np.zeros((100, 100), np.int8), 0.1, -5.0, -5.0)
    controller.intake.on_costmap(serialize_message(conversions.costmap_to_msg(free, now, 'odom')))
    plan = conversions.path_to_msg([(0.0, 0.1 * i, 0.0) for i in range(30)], now, 'odom')
    controller.intake.on_plan(serialize_message(plan))
    end = time.monotonic() + 60.0
    while controller._controller.distance_field is None:  # another thread makes it
        assert time.monotonic() < end
        time.sleep(0.01)
        controller._tick()
    yield controller
    controller.stop()
    controller.destroy_node()
    rclpy.shutdown()


def publishers(node):
    views = node._views
    return {'optimal_trajectory': views._optimal, 'candidate_trajectories': views._candidates,
            'sampling': views._sampling, 'footprint': views._footprint,
            'critic_costs': views._costs, 'distance_field': views._field,
            'moving_obstacles': views._obstacles}


def test_views_are_made_only_for_those_that_are_listened_to(node, monkeypatch):
    sent = {}
    for name, publisher in publishers(node).items():
        monkeypatch.setattr(publisher, 'publish', lambda m, name=name: sent.update({name: m}))
    for _ in range(8):
        node._tick()
    assert sent == {}
    for publisher in publishers(node).values():
        monkeypatch.setattr(publisher, 'get_subscription_count', lambda: 1)
    for _ in range(8):
        node._tick()
    assert set(sent) == {*VIEWS, 'sampling'}
    summary = {each.key: each.value.split() for each in sent.pop('sampling').status[0].values}
    assert sum(map(float, summary['samples'])) == pytest.approx(1.0)
    assert sum(map(float, summary['weight'])) == pytest.approx(1.0)
    assert float(summary['gain'][0]) == pytest.approx(0.0, abs=1e-5)
    assert len(summary['gain']) == len(STEP_FACTORS)
    assert all(getattr(message, 'header', None) is None or message.header.frame_id == 'odom'
               for message in sent.values())
    corners = [(p.x, p.y) for p in sent['footprint'].polygon.points]
    assert np.hypot(*np.array(corners).T) == pytest.approx(0.22)
    assert 'progress' in sent['critic_costs'].markers[0].text


def seconds(stamp):
    return stamp.sec + 1e-9 * stamp.nanosec


def sent_by(node, monkeypatch, publisher, ticks=4):
    """Return the messages that a publisher sends in some ticks, as if it had a subscriber."""
    sent = []
    monkeypatch.setattr(publisher, 'get_subscription_count', lambda: 1)
    monkeypatch.setattr(publisher, 'publish', sent.append)
    for _ in range(ticks):
        node._tick()
    return [
        deserialize_message(each, publisher.msg_type) if isinstance(each, bytes) else each
        for each in sent
    ]


def test_each_pose_of_the_optimal_trajectory_is_stamped_with_its_time(node, monkeypatch):
    path = sent_by(node, monkeypatch, node._views._optimal)[-1]
    times = [seconds(pose.header.stamp) for pose in path.poses]
    c = ControllerParameters()
    assert len(times) == c.mppi.horizon_steps + 1
    assert np.diff(times) == pytest.approx(c.mppi.time_step, abs=2e-7)
    ahead = times[0] - seconds(path.header.stamp)
    assert c.prediction.first_delay - 0.05 < ahead < c.prediction.first_delay + 0.2
    assert {pose.header.frame_id for pose in path.poses} == {'odom'}


def test_the_timed_trajectory_is_sent_while_the_robot_drives_only(node, monkeypatch):
    pytest.importorskip('trajectory_msgs', reason='needs trajectory_msgs')
    message = sent_by(node, monkeypatch, node._views._timed)[-1]
    assert message.header.frame_id == 'odom'
    assert message.joint_names == ['base_link']
    times = [seconds(point.time_from_start) for point in message.points]
    c = ControllerParameters()
    steps = np.arange(c.mppi.horizon_steps + 1)
    assert times == pytest.approx(c.mppi.time_step * steps, abs=1e-6)
    ahead = seconds(message.header.stamp) - node._now()
    assert c.prediction.first_delay - 1.0 < ahead < c.prediction.first_delay + 0.2
    node._controller.clear_plan()
    assert sent_by(node, monkeypatch, node._views._timed) == []


def test_the_velocities_of_the_timed_trajectory_are_those_of_its_poses():
    pytest.importorskip('trajectory_msgs', reason='needs trajectory_msgs')
    from trajectory_msgs.msg import MultiDOFJointTrajectory

    robot = PlainRobot(Controller(QUICK, 1), yaw=0.7)
    robot.controller.set_costmap(robot.now, room())
    robot.controller.set_goal(robot.now, 3.0, 2.0, 0.0)
    robot.run(1.0)
    rows = robot.controller.timed_trajectory()
    message = deserialize_message(
        cdr.trajectory_to_bytes(rows, 'map', 'base_link'), MultiDOFJointTrajectory)
    place = np.array([(p.transforms[0].translation.x, p.transforms[0].translation.y)
                      for p in message.points])
    yaw = np.unwrap([conversions.yaw_from_msg(p.transforms[0].rotation) for p in message.points])
    speed = np.array([p.velocities[0].linear.x for p in message.points])
    turning = np.array([p.velocities[0].angular.z for p in message.points])
    assert speed.max() > 0.3
    middle, step = 0.5 * (yaw[1:] + yaw[:-1]), QUICK.mppi.time_step
    along = (np.diff(place, axis=0) * np.column_stack([np.cos(middle), np.sin(middle)])).sum(1)
    assert along / step == pytest.approx(0.5 * (speed[1:] + speed[:-1]), abs=0.02)
    assert np.diff(yaw) / step == pytest.approx(0.5 * (turning[1:] + turning[:-1]), abs=0.08)
    assert place[0] == pytest.approx(rows[0, 1:3])


def test_a_polygon_stands_and_turns_with_its_pose():
    message = markers.polygon_to_msg(
        np.array([[1.0, 0.0], [0.0, 0.5]]), (2.0, 3.0, math.pi / 2), 0.0, 'map')
    corners = [(point.x, point.y) for point in message.polygon.points]
    assert np.array(corners) == pytest.approx(np.array([[2.0, 4.0], [1.5, 3.0]]))


def test_critic_costs_begin_with_the_dearest_and_leave_out_what_is_free():
    costs = {'twirling': 0.02, 'progress': 1.5, 'forward': 0.0}
    (marker,) = markers.costs_to_msg(costs, (1.0, 2.0), 0.0, 'map').markers
    assert marker.text == 'progress 1.50 s\ntwirling 0.02 s'


def test_each_moving_obstacle_is_shown_by_its_id_and_deleted_when_its_track_ends():
    discs = np.array([[1.0, 2.0, 0.35], [1.5, 2.0, 0.5], [2.0, 2.0, 0.65]])
    message = markers.obstacles_to_msg(
        [TrackPrediction(7, 0.3, 0.5, 0.0, discs)], [3], 4.0, 'map')
    assert {each.header.frame_id for each in message.markers} == {'map'}
    shown = {each.ns: each for each in message.markers if each.id == 7}
    assert set(shown) == set(markers.TRACK_NAMESPACES)
    assert shown['body'].scale.x == pytest.approx(0.6)
    assert (shown['body'].pose.position.x, shown['body'].pose.position.y) == (1.0, 2.0)
    start, end = shown['velocity'].points
    assert (end.x - start.x, end.y - start.y) == (0.5, 0.0)
    assert shown['label'].text == '7: 0.50 m/s'
    assert markers.obstacles_from_msg(message) == pytest.approx(
        np.array([[1.0, 2.0, 0.5, 0.0, 0.3]]))
    drawn = np.array([(p.x, p.y) for p in shown['prediction'].points[:-2]]).reshape(3, -1, 2)
    for points, (x, y, radius) in zip(drawn, discs, strict=True):
        assert np.hypot(*(points - (x, y)).T) == pytest.approx(radius)
    deleted = [each for each in message.markers if each.action == each.DELETE]
    assert {(each.ns, each.id) for each in deleted} == {
        (name, 3) for name in markers.TRACK_NAMESPACES}


def test_the_markers_of_an_obstacle_are_deleted_once(node, monkeypatch):
    tracks = [TrackPrediction(7, 0.3, 0.5, 0.0, np.array([[1.0, 2.0, 0.35]]))]
    monkeypatch.setattr(Controller, 'predicted_obstacles', lambda *_: tracks)
    publisher, sent = node._views._obstacles, []
    monkeypatch.setattr(publisher, 'get_subscription_count', lambda: 1)
    monkeypatch.setattr(publisher, 'publish', sent.append)
    node._tick()
    tracks.clear()
    node._tick()
    node._tick()
    shown, gone, nothing = ([each.action for each in message.markers] for message in sent)
    assert shown == [Marker.ADD] * 4
    assert gone == [Marker.DELETE] * 4
    assert nothing == []


def test_a_distance_field_is_drawn_dark_at_obstacles_and_free_far_away():
    distance = np.array([[0.0, 1.0, 2.0, NO_OBSTACLE]], np.float32)
    message = markers.distance_field_to_msg(
        DistanceField(distance, 0.1, 0.0, 0.0, 0.0), 0.0, 'map')
    assert list(message.data) == [100, 50, 0, 0]


def test_rviz_and_foxglove_show_every_view():
    rviz = share_path('config', 'rviz', 'simulation.rviz').read_text('utf-8')
    topics = {display.get('Topic', {}).get('Value') for display in
              yaml.safe_load(rviz)['Visualization Manager']['Displays']}
    layout = json.loads(share_path('config', 'foxglove', 'mppi.json').read_text('utf-8'))
    shown = set(layout['configById']['3D!scene']['topics'])
    for view in VIEWS:
        assert f'mppi_controller/{view}' in topics
        assert f'/mppi_controller/{view}' in shown


def test_every_panel_of_the_foxglove_layout_is_configured():
    text = share_path('config', 'foxglove', 'mppi.json').read_text('utf-8')
    layout = json.loads(text)
    panels = re.findall(r'"(\w+!\w+)"', json.dumps(layout['layout']))
    assert sorted(panels) == sorted(layout['configById'])
