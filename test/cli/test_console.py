"""Tables show every value at any width of the terminal."""
from __future__ import annotations

import re

import pytest

from mppi_ros.cli.console import show_table

COLUMNS = ('scenario', 'plant', 'seed', 'time_s', 'score', 'min_clearance_m', 'verdict')
ROWS = [
    ['corridor_of_a_long_name/17', 'nominal', 3, 12.3456, 0.5, 0.0123, 'passed'],
    ['door', 'extreme', 4, 1234.5, None, float('inf'),
     'not met: time within 1.6 × ideal, standing at most 2 s'],
]


@pytest.fixture
def printed(monkeypatch, capsys):
    """Return the lines of a table for a terminal width, or without a terminal (None)."""
    def show(width, keys=3):
        monkeypatch.delenv('FORCE_COLOR', raising=False)
        if width is not None:
            monkeypatch.setenv('FORCE_COLOR', '1')
            monkeypatch.setenv('COLUMNS', str(width))
        show_table('drives', COLUMNS, ROWS, keys=keys)
        return re.sub(r'\x1b\[[0-9;]*m', '', capsys.readouterr().out).splitlines()

    return show


@pytest.mark.parametrize('width', [60, 80, 100, 120, 200])
def test_no_value_is_truncated_and_no_line_exceeds_the_width(printed, width):
    lines = printed(width)
    assert all(len(line) <= width for line in lines)
    words = set(' '.join(lines).split())
    assert words >= {'corridor_of_a_long_name/17', '12.3', '1234', '0.0123', 'min_clearance_m',
                     'verdict', 'passed', 'met:', 'standing', '–'}
    assert '…' not in ' '.join(lines)


def test_each_part_of_a_split_table_repeats_the_key_columns(printed):
    parts = [line for line in printed(90) if 'scenario' in line]
    assert len(parts) > 1
    assert all('plant' in part and 'seed' in part for part in parts)
    assert sum('drives' in line for line in printed(90)) == 1


def test_row_is_one_line_without_a_terminal(printed):
    lines = printed(None)
    assert sum('corridor_of_a_long_name/17' in line and 'passed' in line for line in lines) == 1
    assert sum('scenario' in line for line in lines) == 1


@pytest.mark.parametrize('width', [40, 60])
def test_name_longer_than_the_terminal_is_wrapped(monkeypatch, capsys, width):
    monkeypatch.setenv('FORCE_COLOR', '1')
    monkeypatch.setenv('COLUMNS', str(width))
    name = 'abcdefgh' * 10
    show_table('drives', ('scenario', 'plant', 'verdict'), [[name, 'nominal', 'passed']], keys=2)
    text = re.sub(r'\x1b\[[0-9;]*m', '', capsys.readouterr().out)
    assert all(len(line) <= width for line in text.splitlines())
    shown = ''.join(word for word in text.split() if set(word) <= set(name))
    assert shown in (name, 2 * name)  # each part of the table repeats the key
    assert 'nominal' in text and 'plant' in text and 'passed' in text


def test_nothing_is_wrapped_without_a_terminal(monkeypatch, capsys):
    monkeypatch.delenv('FORCE_COLOR', raising=False)
    show_table('drives', ('scenario', 'verdict'), [['a', 'word ' * 200 + 'end']])
    assert 'word end' in capsys.readouterr().out
