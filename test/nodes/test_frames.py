"""Frames: equal ones pass, others need tf2; a stand-in for it lives here."""
from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

from mppi_ros.mppi.errors import InputError  # noqa: E402
from mppi_ros.nodes import conversions, frames  # noqa: E402

POSES = np.array([[1.0, 2.0, 0.5]])


class UnknownTransformError(Exception):
    pass


class Buffer:
    def lookup_transform(self, target, source, time):
        if (target, source) != ('odom', 'map'):
            raise UnknownTransformError(f'no transform from {source} to {target}')
        return conversions.transform_to_msg(3.0, -1.0, math.pi / 2, 0.0, target, source)


@pytest.fixture
def tf2(monkeypatch):
    monkeypatch.setattr(frames, 'tf2_ros', SimpleNamespace(
        Buffer=Buffer, TransformListener=lambda buffer, node: None,
        TransformException=UnknownTransformError))


def test_equal_frames_need_no_transform(monkeypatch):
    monkeypatch.setattr(frames, 'tf2_ros', None)
    assert frames.Frames(None).transform(POSES, 'plan', 'map', 'map') is POSES


def test_without_tf2_differing_frames_are_refused_by_name(monkeypatch):
    monkeypatch.setattr(frames, 'tf2_ros', None)
    with pytest.raises(InputError, match="plan is in frame 'map', the costmap in 'odom'.*tf2_ros"):
        frames.Frames(None).transform(POSES, 'plan', 'map', 'odom')


def test_with_tf2_poses_are_transformed(tf2):
    moved = frames.Frames(None).transform(POSES, 'plan', 'map', 'odom')
    assert moved == pytest.approx(np.array([[3.0 - 2.0, -1.0 + 1.0, 0.5 + math.pi / 2]]))


def test_a_transform_that_is_not_known_is_refused_by_name(tf2):
    with pytest.raises(InputError, match="odometry is in frame 'moon'.*no transform from moon"):
        frames.Frames(None).transform(POSES, 'odometry', 'moon', 'odom')
