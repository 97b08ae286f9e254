"""The live page: scene, signals, figures that explain the sampling, parameters, comparison."""

from __future__ import annotations

import html
import math
from pathlib import Path
import re
from typing import Any

from nicegui import ui

from mppi_ros.dashboard.charts import COMPARED, COMPARISON, LESSONS, SIGNAL_CHARTS
from mppi_ros.dashboard.comparison import STRETCH, Comparison
from mppi_ros.dashboard.elements import Range, SceneView, Text, answer_of, button, card
from mppi_ros.dashboard.history import MINUTES, RATE, Frame, SceneEncoder
from mppi_ros.dashboard.link import Link
from mppi_ros.dashboard.parameter_model import text_of
from mppi_ros.dashboard.parameter_panel import ParameterPanel, PresetPanel
from mppi_ros.dashboard.signals import SIGNALS, shown
from mppi_ros.dashboard.status import sentence_of
from mppi_ros.dashboard.what_if_panel import WhatIfPanel

STYLE = Path(__file__).with_name('page.css')
LATERAL = ('vy', 'command_vy')
TILES = ('vx', 'command_vx', *LATERAL, 'wz', 'clearance', 'cross_track', 'distance_to_goal',
         'objective', 'ess', 'temperature', 'kl', 'solve_ms', 'late_ms', 'missed')
LEGEND = (('plan', 'plan'), ('driven', 'driven'), ('optimal', 'optimal trajectory'),
          ('light', 'light samples'), ('heavy', 'heavy samples'), ('obstacle', 'moving obstacles'))
SAMPLED = ('optimal', 'light', 'heavy')  # not drawn beside a solution of What if
LABELS = {signal.key: signal for signal in SIGNALS}
NUMBER = re.compile(r'[\d.]+')  # a screen reader does not announce its changes
EXPLAINED = ('alpha', 'lambda', 'ess_share')  # parameters that the figures show
MAX_UNACKNOWLEDGED = 40  # messages to a slow browser
THEMES: dict[bool | None, tuple[str, bool | None]] = {
    None: ('theme: auto', True), True: ('theme: dark', False), False: ('theme: light', None)
}


class Page:
    """The page of one browser: what it looks at is its own, the controller is shared."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._encoder = SceneEncoder()
        self._controller = self._chosen = link.controller  # shown; chosen here or last announced
        self._ready = False
        self._sent = self._acknowledged = 0
        self._at: float | None = None  # [s] time looked at, None for now
        self._looked_at: Frame | None = None  # the frame shown while paused
        self._reference = 0.0  # [s] time of 0 of the slider
        self._compared: Comparison | None = None
        self._texts: dict[Text, str] = {}
        self._lateral: list[ui.element] = []  # shown of an omnidirectional robot
        ui.add_css(STYLE)
        ui.colors(primary='#2b62ad')
        self._dark = ui.dark_mode(None)
        client = ui.context.client
        client.on_delete(self._on_delete)
        link.watch(1)
        self._build_bar()
        with ui.element('div').classes('columns'):  # NiceGUI's layout has the landmark main
            with ui.element('div').classes('left'):
                scene_card = card('Scene')
                tiles_card = card('Now')
                charts_card = card('Signals of the last minute')
            with ui.element('div').classes('right'), card('Parameters and sampling'):
                self._build_tabs()
        with charts_card:
            self._build_charts()
        with tiles_card:
            self._build_tiles()
        with scene_card:
            self._build_scene()
        ui.timer(1.0 / RATE, self._send_frames)
        ui.timer(0.5, self._refresh)

    def _build_bar(self) -> None:
        with ui.element('header').classes('bar'):
            Text('h1', 'mppi_dashboard')
            self._select = ui.select([], on_change=self._on_select)
            self._select.props('dense outlined aria-label="Controller"')
            with ui.element('div').classes('status') as self._status:
                ui.element('span').classes('dot').props('aria-hidden=true')
                self._sentence = Text('span', '')
            self._announced = Text('div', '').classes('announced').props('role=status')
            self._pause = button('pause', self._on_pause, icon='pause')
            self._stop = button('stop robot', self._on_stop, icon='front_hand').classes('stop')
            self._theme = button('theme: auto', self._on_theme)

    def _build_scene(self) -> None:
        charts = {**self._charts, **self._lessons, 'comparison': self._comparison_chart}
        self._view = SceneView(charts)
        self._view.on('ready', self._on_ready, [])
        self._view.on('acknowledge', self._on_acknowledge)
        self._view.on('goal', self._on_goal)
        with ui.element('div').classes('legend').props('aria-hidden=true'):
            for color, label in LEGEND:
                with ui.element('span').classes('sampled' if color in SAMPLED else ''):
                    ui.element('i').style(f'background: var(--scene-{color})')
                    Text('span', label)
        with ui.element('div').classes('tools'):
            Text('span', 'Look back').classes('hint')
            self._slider = Range('Look back [s]', -60.0 * MINUTES, 0.0, 0.5, 0.0)
            self._slider.classes('grow')
            self._slider.listen('input', self._on_look, throttle=0.1)
            self._slider.listen('change', self._on_looked)
            self._time = Text('span', 'now').style('min-width: 4.5em')
        self._past = Text('div', '').classes('hint').props('role=status')
        with ui.element('div').classes('tools'):
            button('fit', lambda: self._view.run_method('setView', 'fit'), 'fit the whole map')
            button('follow', lambda: self._view.run_method('setView', 'follow'),
                   'follow the robot')
            button('+', lambda: self._view.run_method('zoom', 0.8), '+ zoom in')
            button('−', lambda: self._view.run_method('zoom', 1.25), '− zoom out')
            self._goal_mode = ui.switch('set goal: press, drag, release')
            self._goal_mode.on_value_change(self._on_goal_mode)
            self._view.on('goalModeOff', lambda: self._goal_mode.set_value(False), [])
        with ui.expansion('Goal by numbers').style('width: 100%'), \
                ui.element('div').classes('tools'):
            self._goal = [
                ui.number(label, value=0.0, format='%.2f').props('dense outlined')
                for label in ('goal x [m]', 'goal y [m]', 'goal yaw [°]')
            ]
            for field in self._goal:
                field.style('width: 110px')
            button('send goal', self._on_send_goal)
        self._what_if.build_result(self._view)

    def _build_tiles(self) -> None:
        self._tiles: dict[str, Text] = {}
        with ui.element('dl').classes('tiles'):
            for key, label in (('pose', 'pose'), *((key, LABELS[key].label) for key in TILES)):
                with ui.element('div').classes('tile wide' if key == 'pose' else 'tile') as tile:
                    if key in LATERAL:
                        self._lateral.append(tile)
                    Text('dt', label)
                    self._tiles[key] = Text('dd', '–').props(f'data-tile="{key}"')

    def _build_charts(self) -> None:
        self._charts: dict[str, ui.echart] = {}
        with ui.element('div').classes('charts'):
            for name, (title, options) in SIGNAL_CHARTS.items():
                with ui.element('figure').classes('wide' if name == 'costs' else '') as figure:
                    if name == 'lateral':
                        self._lateral.append(figure)
                    Text('figcaption', title).classes('hint')
                    self._charts[name] = ui.echart(options).classes('chart')
                    self._charts[name].props(f'role=img aria-label="Chart: {title}"')

    def _build_tabs(self) -> None:
        with ui.tabs().props('dense align=left no-caps') as tabs:
            for name in ('Parameters', 'Presets', 'Sampling', 'Compare', 'What if'):
                ui.tab(name)
        with ui.tab_panels(tabs, value='Parameters', keep_alive=True).style('width: 100%'):
            with ui.tab_panel('Parameters'):
                self._parameters = ParameterPanel(self._link)
            with ui.tab_panel('Presets'):
                PresetPanel(self._parameters)
            with ui.tab_panel('Sampling'):
                self._build_lessons()
            with ui.tab_panel('Compare'):
                self._build_comparison()
            with ui.tab_panel('What if'):
                self._what_if = WhatIfPanel(self._link, self._parameters, self._paused_frame)

    def _build_lessons(self) -> None:
        self._lessons: dict[str, ui.echart] = {}
        self._lesson_numbers = Text('p', '').classes('hint')
        for name, (title, words, options) in LESSONS.items():
            with ui.element('section').classes('lesson').style('margin-top: 12px'):
                Text('h2', title)
                Text('p', words)
                self._lessons[name] = ui.echart(options).classes('chart')
                self._lessons[name].props(f'role=img aria-label="Chart: {title}"')

    def _build_comparison(self) -> None:
        Text('p', 'Mark a moment, change a parameter, and see 20 s before the mark and 20 s after '
             'the last change since then beside each other.').classes('hint')
        with ui.element('div').classes('tools'):
            button('mark this moment', self._on_mark, icon='flag')
            self._signal = ui.select(
                {key: f'{LABELS[key].label} [{LABELS[key].unit or "–"}]' for key in COMPARED},
                value=COMPARED[0], on_change=self._draw_comparison,
            ).props('dense outlined aria-label="Signal of the chart"')
        self._comparison_chart = ui.echart(COMPARISON).classes('chart')
        self._comparison_chart.props(
            'role=img aria-label="Chart: signal before and after the mark"')
        self._comparison = ui.html('', sanitize=False).style('width: 100%')
        self._clear_comparison()

    # What the browser reports.

    def _on_delete(self) -> None:
        self._link.watch(-1)
        self._what_if.cancel()

    def _on_ready(self) -> None:
        self._ready = True

    def _on_acknowledge(self, event: Any) -> None:
        self._acknowledged = int(event.args)

    def _on_select(self, event: Any) -> None:
        if event.value and event.value != self._link.controller:
            self._chosen = event.value
            self._link.select(event.value)

    def _on_theme(self) -> None:
        self._dark.value = THEMES[self._dark.value][1]
        self._theme.set_text(THEMES[self._dark.value][0])

    def _on_pause(self) -> None:
        if self._at is None:
            self._look_at(0.0)
        else:
            self._go_live()

    def _on_look(self, event: Any) -> None:
        self._what_if.clear()
        self._look_at(float(event.args))

    def _on_looked(self, event: Any) -> None:
        self._look_at(float(event.args))
        if self._looked_at is not None:  # the oldest frame is later than a time before all
            self._slider.show(min(max(self._looked_at.time - self._reference, event.args), 0.0))

    def _paused_frame(self) -> Frame | None:
        """Return the frame shown; pause if it is live."""
        if self._at is None:
            self._look_at(0.0)
        return self._looked_at

    def _look_at(self, offset: float) -> None:
        """Show the moment `offset` [s] before the pause."""
        latest = self._link.history.latest
        if latest is None:
            return
        if self._at is None:
            self._reference = latest.time
        self._at = self._reference + offset
        frame = self._link.history.at(self._at)
        assert frame is not None
        self._looked_at = frame
        self._view.run_method('look', self._at, self._encoder.scene(frame))
        offset = max(offset, min(frame.time - self._reference, 0.0))
        self._time.set_text(f'{offset:.1f} s'.replace('-', '−') if offset else 'paused')
        self._past.set_text(f'Then: {sentence_of(frame.state, frame.reason)}')
        self._pause.set_text('live')
        self._pause.props('icon=play_arrow')
        self._refresh_tiles(frame)

    def _go_live(self) -> None:
        self._what_if.clear()
        self._at = self._looked_at = None
        self._slider.show(0.0)
        self._time.set_text('now')
        self._past.set_text('')
        self._pause.set_text('pause')
        self._pause.props('icon=pause')
        self._view.run_method('look', None, None)

    async def _on_stop(self) -> None:
        problem = await answer_of(self._link.enable(self._link.status.disabled))
        if problem:
            ui.notify(problem, type='negative')

    def _on_goal_mode(self, event: Any) -> None:
        self._view.run_method('setGoalMode', bool(event.value))

    def _on_goal(self, event: Any) -> None:
        self._goal_mode.value = False
        args = event.args
        ui.notify(self._link.send_goal(float(args['x']), float(args['y']), float(args['yaw'])))

    def _on_send_goal(self) -> None:
        values = [field.value for field in self._goal]
        if None in values:
            ui.notify('no goal sent: enter x, y and yaw', type='warning')
            return
        x, y, degrees = map(float, values)
        ui.notify(self._link.send_goal(x, y, math.radians(degrees)))

    def _on_mark(self) -> None:
        mark = self._link.now() if self._at is None else self._at
        self._compared = Comparison(self._link.history, mark, self._link.parameters)
        self._draw_comparison()
        self._refresh_comparison()

    def _clear_comparison(self) -> None:
        self._compared = None
        self._comparison.set_content('')
        self._comparison_chart.set_visibility(False)

    def _draw_comparison(self) -> None:
        if (compared := self._compared) is not None:
            self._comparison_chart.set_visibility(True)
            self._view.run_method(
                'compare', compared.mark, compared.begin, self._signal.value, STRETCH)

    # What the page shows.

    def _send_frames(self) -> None:
        if not self._ready or self._sent - self._acknowledged > MAX_UNACKNOWLEDGED:
            return
        link, history = self._link, self._link.history
        restart = link.controller != self._controller
        frames = history.since(-math.inf if restart else self._encoder.last)
        if not frames:  # a new controller is announced with its first frame
            return
        if restart:
            self._controller = link.controller
            self._encoder = SceneEncoder()
            self._go_live()
            self._clear_comparison()
            if self._chosen not in ('', self._controller):
                ui.notify(f'Another page has chosen {self._controller}', type='warning')
            self._chosen = self._controller
        self._encoder.last = frames[-1].time
        model = link.parameters
        parameters = {name: model[name].value for name in EXPLAINED if name in model}
        self._view.run_method('frames', {
            'restart': restart, 'rows': [self._encoder.signals(frame) for frame in frames],
            'scene': self._encoder.scene(frames[-1]) if self._at is None else None,
            'parameters': parameters,
        })  # fmt: skip
        self._sent += 1

    def _refresh(self) -> None:
        status = self._link.status
        self._write(self._sentence, status.text)
        if NUMBER.sub('', self._announced.text) != NUMBER.sub('', status.text):
            self._announced.set_text(status.text)
        for level in ('ok', 'warning', 'error', 'gone'):
            self._status.classes(add=level if level == status.level else '',
                                 remove='' if level == status.level else level)
        self._stop.set_text('resume' if status.disabled else 'stop robot')
        self._stop.set_enabled(status.present)
        names = self._link.controllers()
        if names != self._select.options or self._select.value != self._link.controller:
            known = self._link.controller if self._link.controller in names else None
            self._select.set_options(list(names), value=known)
        self._parameters.refresh()
        self._what_if.refresh()
        if self._at is None and (latest := self._link.history.latest) is not None:
            self._refresh_tiles(latest)
        self._refresh_comparison()

    def _refresh_tiles(self, frame: Frame) -> None:
        x, y, yaw = (frame.value(key) for key in ('x', 'y', 'yaw'))
        pose = f'{x:.2f}, {y:.2f} m, {math.degrees(yaw):.0f}°' if math.isfinite(x) else '–'
        self._write(self._tiles['pose'], pose.replace('-', '−'))
        for key in TILES:
            signal = LABELS[key]
            value = frame.value(key)
            if signal.unit in ('m/s', 'rad/s', 'm'):
                value = round(value, 2) + 0.0 if math.isfinite(value) else value  # no −0
            self._write(self._tiles[key], shown(value, signal.digits, signal.unit))
        values = {key: shown(frame.value(key)) for key in ('temperature', 'ess', 'kl')}
        model = self._link.parameters
        omni = 'motion_model' in model and model['motion_model'].value == 'omni'
        for element in self._lateral:
            element.set_visibility(omni)
        alpha = text_of(model['alpha'].value) if 'alpha' in model else '–'
        when = 'Now' if self._at is None else 'Then'
        self._write(self._lesson_numbers, (
            f'{when}: λ = {values["temperature"]} s, effective sample size {values["ess"]} of '
            f'K = {shown(frame.value("samples"), 6)}, KL of the step {values["kl"]}. '
            f'α is now {alpha}.'
        ))

    def _write(self, text: Text, value: str) -> None:
        if self._texts.get(text) != value:
            self._texts[text] = value
            text.set_text(value)

    def _refresh_comparison(self) -> None:
        if (compared := self._compared) is None:
            return
        begin = compared.begin
        before, after, rows = compared.update(self._link.now())
        if compared.begin != begin:
            self._draw_comparison()
        changed = [
            f'{name}: {text_of(old)} → {text_of(new)}'
            for name, (old, new) in compared.changes.items()
        ]
        escape = html.escape
        body = ''.join(
            f'<tr><td>{escape(row.label)}</td><td>{escape(row.before)}</td>'
            f'<td>{escape(row.after)}</td><td>{escape(row.change)}</td></tr>' for row in rows
        )
        self._comparison.set_content(
            f'<p class="hint">Changed since the mark: '
            f'{escape("; ".join(changed)) or "nothing"}</p>'
            f'<table class="compare"><thead><tr><th scope="col">quantity</th>'
            f'<th scope="col">before ({before:.0f} s)</th>'
            f'<th scope="col">after ({after:.0f} s)</th>'
            f'<th scope="col">change</th></tr></thead><tbody>{body}</tbody></table>'
        )
