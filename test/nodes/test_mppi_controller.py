"""The controller's node refuses what its controller refuses, and a mistake does not end it."""
from __future__ import annotations

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

from nav_msgs.msg import Odometry  # noqa: E402
import rclpy  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from mppi_ros.control.controller import Controller  # noqa: E402
from mppi_ros.control.settings import Configuration  # noqa: E402
from mppi_ros.nodes.mppi_controller import MppiController  # noqa: E402


@pytest.fixture
def node(ros_domain, monkeypatch):
    monkeypatch.setattr(Controller, 'warm_up', lambda controller: None)
    rclpy.init()
    controller = MppiController()
    yield controller
    controller.stop()
    controller.destroy_node()
    rclpy.shutdown()


def test_a_footprint_that_crosses_itself_is_refused_live(node):
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    corners = [0.2, 0.2, -0.2, -0.2, 0.2, -0.2, -0.2, 0.2]
    result = node.set_parameters_atomically([Parameter('robot.footprint', value=corners)])
    assert not result.successful
    assert 'sides do not cross' in result.reason
    assert node.configuration == Configuration()


def test_a_mistake_in_a_callback_is_a_fault_and_not_the_end(node, monkeypatch):
    def fail(controller, odometry):
        raise ZeroDivisionError('a mistake')

    monkeypatch.setattr(Controller, 'set_odometry', fail)
    node.trigger_configure()
    message = Odometry()
    message.pose.pose.orientation.w = 1.0
    node.intake.on_odom(message)
    assert node.intake.faults == {'odometry': 'odometry refused: ZeroDivisionError: a mistake'}
    monkeypatch.undo()
    monkeypatch.setattr(Controller, 'warm_up', lambda controller: None)
    node.intake.on_odom(message)
    assert node.intake.faults == {}


def test_a_failed_configuration_can_be_tried_again(node, monkeypatch):
    def fail(controller):
        raise RuntimeError('no compiler')

    monkeypatch.setattr(Controller, 'warm_up', fail)
    assert node.trigger_configure() == TransitionCallbackReturn.ERROR
    monkeypatch.setattr(Controller, 'warm_up', lambda controller: None)
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
    assert list(node.subscriptions) == []
