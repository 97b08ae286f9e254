"""A controller node with transforms of the test's choice, for the tests of its inputs."""
from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def node(request, ros_domain, monkeypatch) -> Iterator[Any]:
    """Offer a configured controller whose tf2 knows the TRANSFORMS of the test module."""
    import rclpy
    from ros import test_tf_lookup as tf2

    from mppi_ros.nodes.controller.node import MppiController
    from mppi_ros.ros import transforms

    monkeypatch.setattr('mppi_ros.nodes.controller.node.warm_up', lambda controller: None)
    monkeypatch.setattr(transforms, 'tf2_ros', SimpleNamespace(
        Buffer=tf2.Buffer, TransformListener=tf2.Listener,
        TransformException=tf2.TransformError,
        ExtrapolationException=tf2.ExtrapolationError))
    monkeypatch.setattr(tf2.Buffer, 'known', request.module.TRANSFORMS)
    rclpy.init()
    controller = MppiController()
    controller.trigger_configure()
    controller.warnings = []
    monkeypatch.setattr(controller, 'get_logger', lambda: SimpleNamespace(
        warning=controller.warnings.append, info=print, error=print))
    yield controller
    controller.stop()
    controller.destroy_node()
    rclpy.shutdown()
