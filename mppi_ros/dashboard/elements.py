"""Small elements of the page: headings and texts, the canvas, and calls of the controller."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from mppi_ros.dashboard.signals import KEYS

ANSWER_TIME = 4.0  # [s] for the controller to answer


class Text(TextElement):
    """A text in an HTML element such as h2, p or dd."""

    def __init__(self, tag: str, text: str = '') -> None:
        super().__init__(tag=tag, text=text)


class SceneView(Element, component='scene_view.js'):  # type: ignore[call-arg]
    """Canvas of the scene; it keeps the signals and fills the charts {name: chart}."""

    def __init__(self, charts: dict[str, ui.echart]) -> None:
        super().__init__()
        self._props['keys'] = list(KEYS)
        self._props['charts'] = {name: chart.id for name, chart in charts.items()}


class Range(Element, component='range.js'):  # type: ignore[call-arg]
    """
    Native slider, which keys and screen readers operate.

    Listen to its events 'change' and 'input' with `listen`; their argument is the value.
    """

    def __init__(
        self, label: str, low: float, high: float, step: float, value: float,
        disabled: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self._props.update({
            'label': label, 'low': low, 'high': high, 'step': step, 'value': value,
            'disabled': disabled,
        })  # fmt: skip
        self._shown = value
        self.on('moved-change', self._on_moved)

    def _on_moved(self, event: Any) -> None:
        self._shown = event.args

    def listen(self, event: str, handler: Any, throttle: float = 0.0) -> None:
        """Call `handler` with the events of a kind; `event.args` is the value."""
        self.on(f'moved-{event}', handler, throttle=throttle)

    def show(self, value: float) -> None:
        """Move the slider without an event, unless it is held."""
        if value != self._shown:
            self._shown = value
            self._props['value'] = value  # for a tab that is opened later
            self.update()
            self.run_method('show', value)


def card(title: str) -> ui.element:
    """Return a card with a heading, to be used as a context."""
    element = ui.element('section').classes('card').props(f'aria-label="{title}"')
    with element:
        Text('h2', title)
    return element


def button(text: str, action: Any, label: str = '', icon: str = '') -> ui.button:
    """Return a small button; `label`, for screen readers, begins with the text."""
    button = ui.button(text, on_click=action, icon=icon or None)
    button.props('outline dense padding="2px 10px"')
    if label:
        button.props(f'aria-label="{label}"')
    return button


async def answer_of(future: Future[str]) -> str:
    """Wait for an answer of the controller: '' if it accepted, else a sentence."""
    try:
        # Shielded: a future that is cancelled could not take a late answer.
        reason = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), ANSWER_TIME)
    except asyncio.TimeoutError:
        return (f'No answer from the controller for {ANSWER_TIME:g} s; '
                'the request may still take effect.')
    return f'Refused: {reason}' if reason else ''
