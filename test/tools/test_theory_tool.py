"""Every law of the theory holds, and its page names what the code has."""
from __future__ import annotations

from pathlib import Path
import re

import pytest

from mppi_ros.mppi import Optimizer, Step, score, theory
from mppi_ros.tools.theory import theory_rows
from mppi_ros.tools.theory_figures import FIGURES, write_figures

DOCS = Path(__file__).resolve().parents[2] / 'docs'


@pytest.fixture(scope='module')
def rows():
    return theory_rows()


def test_every_law_holds(rows):
    assert len({row['law'] for row in rows}) == len(rows) > 20
    for row in rows:
        assert list(row) == ['law', 'predicted', 'measured', 'tolerance', 'holds']
        assert row['holds'], row


def test_the_page_lists_every_law(rows):
    page = (DOCS / 'theory.md').read_text('utf-8')
    missing = [row['law'] for row in rows if f'| {row["law"]} |' not in page]
    assert not missing


def test_every_function_of_the_theory_stands_on_the_page():
    page = (DOCS / 'theory.md').read_text('utf-8')
    for module in (theory, score):
        public = [
            name for name, member in vars(module).items()
            if getattr(member, '__module__', '') == module.__name__
            and not name.startswith('_') and name.islower() and type(member).__name__ == 'function'
        ]
        assert len(public) > 5
        assert [name for name in public if f'`{name}`' not in page] == []


def test_every_name_on_the_page_is_in_the_code():
    page = (DOCS / 'theory.md').read_text('utf-8')
    page = page[page.index('## From low cost'):page.index('## Predicted')]
    for name in re.findall(r'`([a-z_]+)`', page):
        known = hasattr(theory, name) or hasattr(score, name)
        assert known or name in ('lambda', 'ess_share'), name
    for owner, name in re.findall(r'`(Step|Optimizer)\.([a-z_]+)`', page):
        assert name in Step.__annotations__ or hasattr(Optimizer, name), f'{owner}.{name}'


def test_the_page_shows_every_figure(tmp_path):
    page = (DOCS / 'theory.md').read_text('utf-8')
    written = write_figures(tmp_path)
    assert len(written) == len(FIGURES)
    for path in written:
        assert f'images/{path.name}' in page
        assert (DOCS / 'images' / path.name).is_file()
        assert path.read_bytes().startswith(b'\x89PNG')
