"""Frames that the page sends to its browser."""
from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip('nicegui', reason='needs nicegui: make test-dashboard')

from mppi_ros.dashboard.history import Frame, History, Layer, Scene, SceneEncoder  # noqa: E402
from mppi_ros.dashboard.page import Page  # noqa: E402


def frame(time, scene):
    return Frame(time, {}, {}, 'driving', 'none', '', scene)


def test_the_scene_is_cleared_with_the_first_frame_of_another_controller():
    sent, history = [], History()
    page = SimpleNamespace(
        _ready=True, _sent=0, _acknowledged=0, _controller='/a', _at=None,
        _link=SimpleNamespace(controller='/a', history=history, parameters={}),
        _encoder=SceneEncoder(), _select=SimpleNamespace(value='/b'),
        _view=SimpleNamespace(run_method=lambda name, data: sent.append(data)),
        _go_live=lambda: None, _clear_comparison=lambda: None)
    history.add(frame(1.0, Scene(costmap=Layer(1, {'image': ''}))))
    Page._send_frames(page)
    assert not sent[-1]['restart'] and sent[-1]['scene']['costmap']
    history.clear()
    page._link.controller = '/b'
    Page._send_frames(page)  # there is no frame yet
    assert len(sent) == 1
    for time, restarts in ((2.0, True), (3.0, False)):
        history.add(frame(time, Scene()))
        Page._send_frames(page)
        assert sent[-1]['restart'] == restarts
        assert len(sent[-1]['rows']) == 1
