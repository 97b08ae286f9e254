"""Frames that the page sends to its browser."""
from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip('nicegui', reason='needs nicegui: make test-dashboard')

from mppi_ros.dashboard import page as page_module  # noqa: E402
from mppi_ros.dashboard.history import Frame, History, Layer, Scene, SceneEncoder  # noqa: E402
from mppi_ros.dashboard.page import Page  # noqa: E402


def frame(time, scene):
    return Frame(time, {}, {}, 'driving', 'none', '', scene)


@pytest.fixture
def notified(monkeypatch):
    texts = []
    monkeypatch.setattr(page_module.ui, 'notify', lambda text, **_: texts.append(text))
    return texts


@pytest.fixture
def sent():
    return []


@pytest.fixture
def page(sent):
    return SimpleNamespace(
        _ready=True, _sent=0, _acknowledged=0, _controller='/a', _chosen='/a', _at=None,
        _link=SimpleNamespace(
            controller='/a', history=History(), parameters={}, select=lambda name: None),
        _encoder=SceneEncoder(), _view=SimpleNamespace(
            run_method=lambda name, data: sent.append(data)),
        _go_live=lambda: None, _clear_comparison=lambda: None)


def test_the_scene_is_cleared_with_the_first_frame_of_another_controller(page, sent, notified):
    history = page._link.history
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


@pytest.mark.parametrize('chosen, texts', [
    ('/a', ['Another page has chosen /b']), ('/b', []), ('', [])])
def test_a_choice_of_another_page_is_announced_once(page, notified, chosen, texts):
    page._chosen = '/a' if chosen else ''
    if chosen == '/b':
        Page._on_select(page, SimpleNamespace(value='/b'))
    page._link.controller = '/b'
    Page._on_select(page, SimpleNamespace(value='/b'))  # the list is refreshed before the frame
    for time in (1.0, 2.0):
        page._link.history.add(frame(time, Scene()))
        Page._send_frames(page)
    assert notified == texts
