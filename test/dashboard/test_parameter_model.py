"""Parameters on the live page: sliders, texts, undo, search, presets and the saved file."""
from __future__ import annotations

import dataclasses
import re

import pytest

from mppi_ros.control.parameters import ControllerParameters, read_yaml
from mppi_ros.dashboard.parameter_model import ParameterModel, field_text, same, text_of
from mppi_ros.dashboard.presets import PRESETS
from mppi_ros.parameters.declaration import describe, flatten, replace
from mppi_ros.parameters.errors import ParameterError
from mppi_ros.share import share_path

INFOS = describe(ControllerParameters)


def model_of(node='/mppi_controller', **values):
    """Return a model as of a running controller, with changes made at its start."""
    model = ParameterModel(INFOS)
    changes = {name.replace('__', '.'): value for name, value in values.items()}
    current = flatten(replace(ControllerParameters(), changes))
    entries = [
        model.entry(
            info.name, kind=info.kind, read_only=not info.live, value=current[info.name],
            description=info.description + (f' [{info.unit}]' if info.unit else ''),
            constraint=info.range_text if info.choices else '')
        for info in INFOS]
    model.load(node, entries)
    return model


def test_entries_have_unit_range_and_default_of_the_declaration():
    model = model_of(alpha=0.7)
    for info in INFOS:
        entry = model[info.name]
        assert (entry.unit, entry.default) == (info.unit, info.default)
        assert (entry.low, entry.high, entry.choices) == (info.low, info.high, info.choices)
        assert entry.description == info.description
    assert model['alpha'].value == 0.7 and not model['alpha'].changed
    assert model['time_step'].range_text == '0.005 to 1 s'
    assert model['motion_model'].range_text == 'one of diff_drive, omni, ackermann'


NUMBERS = [info.name for info in INFOS if info.kind in ('integer', 'double')]


@pytest.mark.parametrize('name', NUMBERS)
def test_a_slider_lies_in_the_range_and_reaches_the_value(name):
    entry = model_of()[name]
    low, high, step = entry.slider
    assert entry.low <= low < high <= entry.high
    assert low <= entry.value <= high
    assert 0.0 < step <= (high - low) / 10.0 or entry.kind == 'integer'
    assert high - low <= 20.0 * max(abs(entry.value), 10.0) or entry.high == high
    stops = (float(entry.default) - low) / step
    assert stops == pytest.approx(round(stops), abs=1e-6)


def test_text_of_the_page_is_read_by_the_kind_of_the_parameter():
    model = model_of()
    assert model['alpha'].read(' 0.25 ') == 0.25
    assert model['limits.vx_min'].read('−0.1') == -0.1
    assert model['samples'].read('512') == 512
    assert model['sigma_share'].read('[0.5, 0.2,0.4]') == (0.5, 0.2, 0.4)
    assert model['sigma'].read('') == ()
    assert model['base_frame'].read('base') == 'base'
    assert model['seed'].read(str(2**63 - 1)) == 2**63 - 1
    for name, text in (('alpha', 'half'), ('samples', '2.5'), ('sigma_share', '1, x')):
        with pytest.raises(ParameterError, match=f'^{name}: .* is not a '):
            model[name].read(text)


def test_an_integer_that_no_message_carries_is_refused():
    with pytest.raises(ParameterError, match=f'^samples = {2**63} is outside '):
        model_of()['samples'].read(str(2**63))


def test_an_empty_value_is_an_empty_field():
    model = model_of()
    assert field_text(()) == field_text('') == '' and field_text((0.5, 0.25)) == '0.5, 0.25'
    assert model['sigma'].read(field_text(())) == ()


@pytest.mark.parametrize(('value', 'text'), [
    (True, 'on'), (0.1 + 0.2, '0.3'), ((0.5, 0.25), '0.5, 0.25'), ((), 'empty'),
    (None, 'unknown')])
def test_values_are_shown_to_people(value, text):
    assert text_of(value) == text


def test_changes_are_marked_and_undone_in_reverse_order():
    model = model_of()
    for name, value in (('alpha', 0.8), ('samples', 512)):
        model.remember({name: model[name].value}, {name: value})
        model.update({name: value})
    assert {entry.name for entry in model.changed()} == {'alpha', 'samples'}
    assert model.initial_values() == {'alpha': 0.5, 'samples': 2000}
    assert model.next_undo == {'samples': 2000}
    model.update(model.next_undo)
    model.drop_undo()
    assert model.next_undo == {'alpha': 0.5}
    assert [entry.name for entry in model.changed()] == ['alpha']


def test_a_value_that_does_not_change_is_not_undone():
    model = model_of()
    model.remember({'alpha': 0.5}, {'alpha': 0.5 + 1e-13})
    assert model.next_undo == {}


def test_version_increases_only_with_changes():
    model = model_of()
    before = model.version
    model.update({'alpha': 0.5, 'unknown': 1.0})
    assert model.version == before
    model.update({'alpha': 0.6})
    assert model.version == before + 1


def test_a_controller_that_was_only_silent_keeps_changes_and_undo():
    model = model_of()
    model.remember({'alpha': model['alpha'].value}, {'alpha': 0.8})
    model.update({'alpha': 0.8})
    before = model.version, model.generation, model.next_undo
    entries = [model[info.name] for info in INFOS]
    found = [dataclasses.replace(entry, initial=entry.value) for entry in entries]
    model.load('/mppi_controller', found)
    assert (model.version, model.generation, model.next_undo) == before
    assert model['alpha'].changed
    model.load('/mppi_controller', found[1:])  # another version
    assert not model.next_undo


def test_a_restarted_controller_loses_values_and_another_one_does_not():
    model, again = model_of(), model_of()
    model.update({'alpha': 0.8})
    model.load('/mppi_controller', [again[i.name] for i in INFOS])
    assert model.lost == {'alpha': 0.8}
    assert not model['alpha'].changed
    model.load('/other', [again[i.name] for i in INFOS])
    assert model.lost == {}


def test_search_finds_names_first_then_meanings_and_gives_a_hint():
    model = model_of()
    found = [entry.name for entry in model.search('margin')]
    assert found[:2] == ['critics.obstacle.margin', 'safety.margin']
    assert 'moving_obstacles.velocity_std' in [
        entry.name for entry in model.search('chance of contact')]
    assert [e.name for e in model.search('λ ess_share')] == ['lambda']
    assert model.search('lamda') == []
    assert 'lambda' in model.hint('lamda')


def test_the_saved_file_gives_the_same_controller_again(tmp_path):
    model = model_of(limits__vx_max=0.8, autostart=False, record='/tmp/run.mcap')
    model.update({'alpha': 0.8, 'sigma_share': (0.4, 0.2, 0.3), 'smoothing': True})
    file = tmp_path / 'saved.yaml'
    file.write_text(model.yaml(), 'utf-8')
    expected = {'limits.vx_max': 0.8, 'alpha': 0.8, 'sigma_share': (0.4, 0.2, 0.3),
                'smoothing': True}
    assert read_yaml(file) == replace(ControllerParameters(), expected)
    assert 'samples' not in file.read_text('utf-8')


def rows_of_the_tuning_page():
    text = share_path('docs', 'tuning.md').read_text('utf-8')
    rows = re.findall(r'^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$', text.split('## By symptom')[1],
                      re.MULTILINE)
    return {symptom.strip(): (change, value) for symptom, change, value in rows}


@pytest.mark.parametrize('preset', PRESETS, ids=lambda preset: preset.title)
def test_a_preset_is_a_row_of_the_tuning_page(preset):
    change, suggested = rows_of_the_tuning_page()[preset.symptom]
    for name in preset.names:
        assert f'`{name}`' in change
    shown = [*(preset.values or {}).values()]
    shown += [*(preset.factor or {}).values(), *(preset.step or {}).values()]
    for value in shown:
        assert text_of(value).replace('on', 'true') in suggested


@pytest.mark.parametrize('preset', PRESETS, ids=lambda preset: preset.title)
def test_a_preset_is_accepted_and_changes_something(preset):
    model = model_of()
    changes = preset.changes(model)
    assert set(changes) == set(preset.names)
    replace(ControllerParameters(), changes)
    assert not all(same(model[name].value, value) for name, value in changes.items())


def test_a_preset_stays_in_the_range():
    model = model_of(critics__obstacle__margin=5.0)
    (preset,) = (p for p in PRESETS if p.title == 'too close')
    assert preset.changes(model) == {'critics.obstacle.margin': 5.0}
