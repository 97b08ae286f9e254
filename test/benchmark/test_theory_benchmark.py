"""Every law of the theory holds, and docs/theory.md agrees with the code."""
from __future__ import annotations

import json
import math
from pathlib import Path
import re

import numpy as np
from PIL import Image
import pytest
from theory_figures import CONTENTS, FIELD, FIGURES, VALLEYS, write_figures

from mppi_ros.benchmark.theory import theory_rows
from mppi_ros.mppi import IterationStatistics, Optimizer, score, theory

DOCS = Path(__file__).resolve().parents[2] / 'docs'


@pytest.fixture(scope='module')
def rows():
    return theory_rows()


def test_every_law_holds(rows):
    assert len({row['law'] for row in rows}) == len(rows) > 20
    for row in rows:
        assert list(row) == ['law', 'predicted', 'measured', 'tolerance', 'holds']
        assert row['holds'], row


def test_page_lists_every_law(rows):
    page = (DOCS / 'theory.md').read_text('utf-8')
    missing = [row['law'] for row in rows if f'| {row["law"]} |' not in page]
    assert not missing


def test_page_names_every_function_of_the_theory():
    page = (DOCS / 'theory.md').read_text('utf-8')
    for module in (theory, score):
        public = [
            name for name, member in vars(module).items()
            if getattr(member, '__module__', '') == module.__name__
            and not name.startswith('_') and name.islower() and type(member).__name__ == 'function'
        ]
        assert len(public) > 5
        assert [name for name in public if f'`{name}`' not in page] == []


def test_every_name_on_the_page_exists_in_the_code():
    page = (DOCS / 'theory.md').read_text('utf-8')
    page = page[page.index('## From low cost'):page.index('## Predicted')]
    for name in re.findall(r'`([a-z_]+)`', page):
        known = hasattr(theory, name) or hasattr(score, name)
        assert known or name in ('lambda', 'ess_share'), name
    for owner, name in re.findall(r'`(IterationStatistics|Optimizer)\.([a-z_]+)`', page):
        assert name in IterationStatistics.__annotations__ or hasattr(Optimizer, name), (
            f'{owner}.{name}'
        )


def contents_of(path):
    """Return the words and numbers stored in a figure."""
    return json.loads(Image.open(path).text[CONTENTS])


@pytest.fixture(scope='module')
def figures(tmp_path_factory):
    return {path.name: path for path in write_figures(tmp_path_factory.mktemp('figures'))}


def test_page_shows_every_figure(figures):
    page = (DOCS / 'theory.md').read_text('utf-8')
    assert len(figures) == len(FIGURES)
    assert set(re.findall(r'images/(theory_\w+\.png)', page)) == set(figures)


@pytest.mark.parametrize('name', [f'theory_{name}.png' for name in FIGURES])
def test_figure_on_the_page_matches_the_current_code(figures, name):
    """The tolerance is 2 % of the range of each curve, as rounding depends on the processor."""
    stored, drawn = contents_of(DOCS / 'images' / name), contents_of(figures[name])
    assert len(drawn['numbers']) > 3
    assert stored['words'] == drawn['words'], f'{name} is out of date: draw the figures again'
    assert len(stored['numbers']) == len(drawn['numbers'])
    for before, now in zip(stored['numbers'], drawn['numbers'], strict=True):
        near = 0.02 * max(np.ptp(now), 1e-6)
        np.testing.assert_allclose(
            before, now, rtol=0.02, atol=near, err_msg=f'{name} is out of date')


def best_control(sigma):
    """Return the control that maximises L_Σ and the number of its maxima."""
    x = np.linspace(-3.6, 4.8, 4001)
    level = theory.log_density(theory.smoothed(VALLEYS, sigma**2), x[:, None])
    inner = level[1:-1]
    return x[np.argmax(level)], int(np.sum((inner > level[:-2]) & (inner > level[2:])))


def test_caption_states_the_noise_at_which_the_wide_valley_becomes_best():
    page = (DOCS / 'theory.md').read_text('utf-8')
    (stated,) = re.findall(r'from σ = ([0-9.]+) on the wide one is', page)
    assert best_control(float(stated) - 0.01)[0] < 0.0
    assert best_control(float(stated))[0] > 0.0
    assert best_control(1.2)[1] == 1 < best_control(0.4)[1]


def test_all_arrows_of_the_field_lead_to_the_wide_valley_at_the_largest_noise():
    assert 'at σ = 0.9 all arrows lead to the wide valley' in (DOCS / 'theory.md').read_text()
    side = np.linspace(-2.6, 2.6, 9)
    at = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    smoothed = theory.smoothed(FIELD, 0.9**2)
    for _ in range(200):
        at = theory.ascend(smoothed, at, 0.5)
    assert np.ptp(at, axis=0).max() < 1e-3
    assert np.linalg.norm(at[0] - [1.1, -0.2]) < 0.5


def test_caption_of_the_iterations_states_the_effective_sample_sizes(figures):
    numbers = contents_of(figures['theory_iterations.png'])['numbers']
    stated = re.search(
        r'With λ = 1 (\d+) samples decide at\s+first and (\d+) in the end',
        (DOCS / 'theory.md').read_text('utf-8'))
    # panels: x and y of two levels and their best, two ESS, two steps and floors
    ess = numbers[7]
    assert round(ess[0]) == int(stated[1])
    assert math.isclose(ess[-1], int(stated[2]), rel_tol=0.1)
