"""Panel of the parameters: search, controls, refusals, undo, presets and the file of changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from mppi_ros.dashboard.elements import Range, Text, answer_of, button
from mppi_ros.dashboard.link import ParameterLink
from mppi_ros.dashboard.parameter_model import Entry, field_text, same, text_of
from mppi_ros.dashboard.presets import PRESETS, Preset
from mppi_ros.parameters.declaration import Value
from mppi_ros.parameters.errors import ParameterError

MAX_RESULTS = 30
FILE_NAME = 'mppi_controller.yaml'


class ParameterRow:
    """One parameter: name, meaning, range, control, and the reason of a refusal."""

    def __init__(self, panel: ParameterPanel, entry: Entry) -> None:
        self._panel, self.name = panel, entry.name
        self._root = ui.element('div').classes('parameter')
        self._root.props(f'role=group aria-label="{entry.name}" data-parameter="{entry.name}"')
        with self._root:
            with Text('div', '').classes('name'):
                Text('span', entry.name)
                self._mark = Text('span', 'changed').classes('mark')
            unit = f' [{entry.unit}]' if entry.unit else ''
            Text('div', f'{entry.description}{unit}').classes('meaning')
            with ui.element('div').classes('control'):
                self._controls(entry)
            with ui.element('div').classes('tools'):
                self._facts = Text('span', '').classes('facts grow')
                self._reset = button('reset', self._on_reset, f'reset {entry.name}')
            self._refusal = Text('div', '').classes('refusal').props('role=alert')
        self._shown: Value | None = None
        self._fact = ''
        self.refresh(entry)

    def _controls(self, entry: Entry) -> None:
        """Create the control that suits the kind of the parameter."""
        self._slider: Range | None = None
        self._switch: ui.switch | None = None
        self._select: ui.select | None = None
        self._field: ui.input | None = None
        off = ' disable' if entry.read_only else ''
        label = f'aria-label="{entry.name}"'
        if entry.kind == 'bool':
            self._switch = ui.switch(value=bool(entry.value)).props(label + off)
            self._switch.on('update:model-value', self._on_switch)
            return
        if entry.choices:
            self._select = ui.select(list(entry.choices), value=entry.value)
            self._select.props(f'{label} dense outlined{off}').classes('long')
            self._select.on('update:model-value', self._on_select)
            return
        if (span := entry.slider) is not None:
            low, high, step = span
            self._slider = Range(f'{entry.name} slider', low, high, step, _clamped(entry, span),
                                 entry.read_only)
            self._slider.listen('change', self._on_slider)
        self._field = ui.input(value=field_text(entry.value), placeholder='empty')
        self._field.props(f'{label} dense outlined{off}')
        if self._slider is None:
            self._field.classes('long')
        self._field.on('change', self._on_field)

    async def _on_switch(self, _: Any) -> None:
        assert self._switch is not None
        await self._submit(bool(self._switch.value))

    async def _on_select(self, _: Any) -> None:
        assert self._select is not None
        await self._submit(str(self._select.value))

    async def _on_slider(self, event: Any) -> None:
        value = float(event.args)
        kind = self._panel.link.parameters[self.name].kind
        await self._submit(round(value) if kind == 'integer' else float(f'{value:.10g}'))

    async def _on_field(self, event: Any) -> None:
        assert self._field is not None
        text = event.args if isinstance(event.args, str) else str(self._field.value)
        try:
            value = self._panel.link.parameters[self.name].read(text)
        except ParameterError as error:
            self._show_refusal(f'Refused: {error}')
            return
        await self._submit(value)

    async def _on_reset(self) -> None:
        await self._submit(self._panel.link.parameters[self.name].initial)

    async def _submit(self, value: Value) -> None:
        self._show_refusal(await answer_of(self._panel.link.change({self.name: value})))
        self._panel.refresh()

    def _show_refusal(self, sentence: str) -> None:
        """Show why a value was not set, '' if it was, and the value that is still in force."""
        self._refusal.set_text(sentence)
        if sentence and self.name in self._panel.link.parameters:
            self._show(self._panel.link.parameters[self.name])

    def refresh(self, entry: Entry) -> None:
        """Show the current value if it has changed."""
        self._mark.set_visibility(entry.changed)
        self._reset.set_visibility(entry.changed)
        self._root.classes(add='changed' if entry.changed else '',
                           remove='' if entry.changed else 'changed')
        facts = [f'default {text_of(entry.default)}', entry.range_text]
        if entry.changed:
            facts.insert(0, f'was {text_of(entry.initial)}')
        if entry.read_only:
            facts.append('set at start only')
        fact = ' · '.join(part for part in facts if part)
        if fact != self._fact:
            self._fact = fact
            self._facts.set_text(fact)
        if self._shown is None or not same(self._shown, entry.value):
            self._show(entry)

    def _show(self, entry: Entry) -> None:
        self._shown = entry.value
        if self._switch is not None:
            self._switch.value = bool(entry.value)
        if self._select is not None:
            self._select.value = entry.value
        if self._field is not None:
            self._field.value = field_text(entry.value)
            self._field.update()
        if self._slider is not None and (span := entry.slider) is not None:
            self._slider.show(_clamped(entry, span))


def _clamped(entry: Entry, span: tuple[float, float, float]) -> float:
    value = float(entry.value)  # type: ignore[arg-type]
    return min(max(value, span[0]), span[1])


class ParameterPanel:
    """All parameters of the controller, by group or as the result of a search."""

    def __init__(self, link: ParameterLink, search: str = 'Search parameters') -> None:
        self.link = link
        self._rows: list[ParameterRow] = []
        self._found: list[ParameterRow] = []
        self._version = self._generation = -1
        self._words = ''
        with ui.element('div').classes('tools'):
            self._search = ui.input(placeholder='search: margin, λ, m/s …')
            self._search.on_value_change(self._on_search)
            self._search.props('dense outlined clearable debounce=250 type=search '
                               f'aria-label="{search}"').classes('grow')
            self._only = ui.switch('changed only', on_change=self._on_search)
        with ui.element('div').classes('tools'):
            self._undo = button('undo', self._on_undo, icon='undo')
            self._reset = button('reset all', self._on_reset_all)
            self._save = button('save YAML', self._on_save, 'save YAML of the changed parameters',
                                icon='download')
        self._next = Text('div', '').classes('hint').props('role=status')
        with ui.element('div').classes('tools').props('role=alert') as self._lost:
            self._lost_text = Text('span', '').classes('hint')
            button('apply again', self._on_apply_lost)
            button('dismiss', self._on_forget_lost)
        self._results = ui.element('div').style('width: 100%')
        self._groups = ui.element('div').style('width: 100%')
        self.refresh()

    def refresh(self) -> None:
        """Show the state of the model if it has changed."""
        model = self.link.parameters
        if model.version == self._version:
            return
        self._version = model.version
        if model.generation != self._generation:
            self._generation = model.generation
            self._rows.clear()
            self._build_groups()
            self._build_results()
        elif self._only.value:
            self._build_results()
        for row in (*self._rows, *self._found):
            if row.name in model:
                row.refresh(model[row.name])
        changed = model.changed()
        undo = model.next_undo
        self._undo.set_enabled(bool(undo))
        self._reset.set_enabled(bool(changed))
        self._save.set_enabled(bool(len(model)))
        texts = [f'undo sets {name} to {text_of(value)}' for name, value in undo.items()]
        count = f'{len(changed)} changed' if changed else 'nothing changed'
        more = [f'and {len(texts) - 2} more'] if len(texts) > 2 else []
        self._next.set_text('; '.join([count, *texts[:2], *more]) if len(model) else
                            'no parameters yet: waiting for the controller')
        self._lost.set_visibility(bool(model.lost))
        if model.lost:
            values = '; '.join(f'{name} = {text_of(v)}' for name, v in model.lost.items())
            self._lost_text.set_text(f'The controller was restarted and lost {values}.')

    def _build_groups(self) -> None:
        self._groups.clear()
        with self._groups:
            for title, entries in self.link.parameters.groups().items():
                names = [entry.name for entry in entries]
                expansion = ui.expansion(f'{title} ({len(entries)})').style('width: 100%')
                expansion.classes('group').props(f'data-group="{title}"')
                expansion.on_value_change(
                    lambda event, names=names, into=expansion: self._fill(event.value, names, into)
                )

    def _fill(self, opened: bool, names: list[str], into: ui.expansion) -> None:
        """Create the rows of a group when it is opened for the first time."""
        model = self.link.parameters
        if opened and not into.default_slot.children:
            with into:
                self._rows += [ParameterRow(self, model[n]) for n in names if n in model]

    def _on_search(self, _: Any) -> None:
        self._build_results()

    def _build_results(self) -> None:
        words = str(self._search.value or '').strip()
        model = self.link.parameters
        found = model.search(words) if words else model.changed() if self._only.value else []
        if words and self._only.value:
            found = [entry for entry in found if entry.changed]
        searching = bool(words or self._only.value)
        self._results.clear()
        self._results.set_visibility(searching)
        self._groups.set_visibility(not searching)
        self._found = []
        if not searching:
            return
        with self._results:
            if not found:
                hint = model.hint(words) if words else ''
                Text('p', f'No parameter matches{hint}' + ('' if hint.endswith('?') else '.'))
            self._found = [ParameterRow(self, entry) for entry in found[:MAX_RESULTS]]
            if len(found) > MAX_RESULTS:
                Text('p', f'{len(found) - MAX_RESULTS} more: refine the search.')

    async def apply(self, changes: Mapping[str, Value], what: str) -> None:
        """Set several parameters and report it."""
        self._report(await answer_of(self.link.change(changes)), what)

    def _report(self, problem: str, what: str) -> None:
        if problem:
            ui.notify(problem, type='negative', multi_line=True, timeout=8000)
        else:
            ui.notify(what, type='positive')
        self.refresh()

    async def _on_undo(self) -> None:
        changes = self.link.parameters.next_undo
        if not changes:
            return
        problem = await answer_of(self.link.change(changes, undoable=False))
        if not problem:
            self.link.parameters.drop_undo()
        self._report(problem, 'Undone')

    async def _on_reset_all(self) -> None:
        await self.apply(self.link.parameters.initial_values(), 'All parameters reset')

    async def _on_apply_lost(self) -> None:
        lost = dict(self.link.parameters.lost)
        self._on_forget_lost()
        await self.apply(lost, 'Applied again')

    def _on_forget_lost(self) -> None:
        self.link.parameters.forget_lost()
        self.refresh()

    def _on_save(self) -> None:
        ui.download.content(self.link.parameters.yaml(), FILE_NAME, 'application/yaml')


class PresetPanel:
    """Buttons for remedies by symptom."""

    def __init__(self, panel: ParameterPanel) -> None:
        self._panel = panel
        Text('p', 'The robot … Each button changes one setting of the tuning guide; undo takes it '
             'back. Change one at a time.').classes('hint')
        with ui.element('div').classes('presets'):
            for preset in PRESETS:
                button = ui.button(preset.title, on_click=lambda p=preset: self._apply(p))
                button.props(f'outline dense padding="2px 10px" '
                           f'aria-label="{preset.title}: {preset.symptom}"')
                button.tooltip(f'{preset.symptom}: changes {", ".join(preset.names)}')

    async def _apply(self, preset: Preset) -> None:
        model = self._panel.link.parameters
        changes = preset.changes(model)
        if not changes:
            ui.notify('This controller lacks the parameter', type='warning')
            return
        words = ', '.join(
            f'{name}: {text_of(model[name].value)} → {text_of(value)}'
            for name, value in changes.items()
        )
        await self._panel.apply(changes, words)
