"""Tab "What if" of the page: drafts, the button that solves a tick again, and its result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
import html
from typing import TYPE_CHECKING

from nicegui import ui

from mppi_ros.dashboard.draft import Draft
from mppi_ros.dashboard.elements import SceneView, Text, button
from mppi_ros.dashboard.history import Frame
from mppi_ros.dashboard.link import Link
from mppi_ros.dashboard.parameter_model import text_of
from mppi_ros.dashboard.parameter_panel import ParameterPanel
from mppi_ros.dashboard.what_if import fans, rows
from mppi_ros.parameters.errors import MppiError

if TYPE_CHECKING:
    from mppi_ros.control.what_if import WhatIf

WORDS = (
    'Pause, change values here, and solve the tick shown again. The values are drafts: they are '
    'not sent to the robot. Both solutions start from the same state with the same random numbers.'
)


class WhatIfPanel:
    """
    Drafts and the result of one page.

    Parameters
    ----------
    link : Link
        Connection to the node.
    robot : ParameterPanel
        Sets parameters of the controller.
    pause : callable
        Pauses the page where it is live, and returns the frame shown.

    """

    def __init__(
        self, link: Link, robot: ParameterPanel, pause: Callable[[], Frame | None]
    ) -> None:
        self._link, self._robot, self._pause = link, robot, pause
        self._draft = Draft(link.parameters)
        self._job: object | None = None  # the work in progress
        self._note = ''
        Text('p', WORDS).classes('hint')
        with ui.element('div').classes('tools'):
            self._solve = button('solve again', self._on_solve, icon='replay')
            self._cancel = button('cancel', self._on_cancel)
            self._apply = button('set on the robot', self._on_apply,
                                 'set on the robot: the drafts')
        self._status = Text('div', '').classes('hint').props('role=status')
        self._refusal = Text('div', '').classes('refusal').props('role=alert')
        self._panel = ParameterPanel(self._draft, 'Search drafts')
        self.refresh()

    def build_result(self, view: SceneView) -> None:
        """Create the place of the result, below the scene."""
        self._view = view
        with ui.element('section').style('width: 100%').props('aria-label="What if"') as result:
            self._result = result
            with ui.element('div').classes('legend'):
                for color, label in (('recorded', 'recorded'), ('changed', 'what if')):
                    with ui.element('span'):
                        ui.element('i').classes(color).props('aria-hidden=true')
                        Text('span', label)
                self._exact = Text('span', '')
                button('close', self.clear, 'close the result')
            self._table = ui.html('', sanitize=False).style('width: 100%')
        result.set_visibility(False)

    def refresh(self) -> None:
        """Show the state of drafts and work."""
        self._draft.refresh()
        self._panel.refresh()
        changes = self._draft.changes()
        self._solve.set_enabled(bool(changes) and self._job is None)
        self._apply.set_enabled(bool(changes))
        self._cancel.set_visibility(self._job is not None)
        self._status.set_text(self._note if changes else 'Change a value first.')

    def clear(self) -> None:
        """Show the scene of the page again."""
        self._result.set_visibility(False)
        self._view.run_method('whatIf', None)

    def cancel(self) -> None:
        """Give up the work in progress."""
        self._job, self._note = None, ''

    def _on_cancel(self) -> None:
        self.cancel()
        self.refresh()

    async def _on_apply(self) -> None:
        await self._robot.apply(self._draft.changes(), 'Set on the robot')

    async def _on_solve(self) -> None:
        frame = self._pause()
        if frame is None or self._job is not None:
            return
        stamp, job = frame.value('stamp'), object()
        self._job, self._note = job, 'Starting …'
        self._refusal.set_text('')

        def progress(reached: float) -> bool:
            if self._job is job and reached < stamp:
                self._note = f'Repeating the recording: {stamp - reached:.0f} s to go …'
            return self._job is job

        future = self._link.solve_again(stamp, self._draft.changes(), progress)
        self.refresh()
        try:
            found = await asyncio.wrap_future(future)
        except MppiError as error:
            if self._job is job:
                self.cancel()
                self.clear()
                self._refusal.set_text(f'Not solved: {error}')
        else:
            if self._job is job:
                self._job, self._note = None, 'Solved: see the scene and the table below it.'
                self._show(found)
        self.refresh()

    def _show(self, found: WhatIf) -> None:
        values = '; '.join(
            f'{name}: {text_of(old)} → {text_of(new)}'
            for name, (old, new) in found.values.items()
        ) or 'nothing: the recorded tick had these values'
        differing = ', '.join(found.differences)
        self._exact.set_text(
            f'The repeated tick differs from the recorded one in {differing}: it was recorded by '
            'another version or on another machine.' if differing else
            'The repeated tick has the recorded result to the last bit.'
        )
        escape = html.escape
        body = ''.join(
            f'<tr><td>{escape(label)}</td><td>{escape(a)}</td><td>{escape(b)}</td></tr>'
            for label, a, b in rows(found)
        )
        self._table.set_content(
            f'<p class="hint">Changed: {escape(values)}</p>'
            '<table class="compare"><thead><tr><th scope="col">quantity</th>'
            '<th scope="col">recorded</th><th scope="col">what if</th></tr></thead>'
            f'<tbody>{body}</tbody></table>'
        )
        self._result.set_visibility(True)
        self._view.run_method('whatIf', fans(found))
