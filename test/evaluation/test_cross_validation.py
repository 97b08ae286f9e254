"""Cross-validation: the choice on one half, the test on the other, and the command."""
from __future__ import annotations

import json

import numpy as np
import pytest

from mppi_ros.cli import cross_validation as command
from mppi_ros.evaluation.cross_validation import cross_validate
from mppi_ros.parameters.errors import InputError


def suite(worlds=40, seeds=2, **costs):
    """Return episodes; each variant's cost is a function of the number of the world."""
    return {
        name: [{'scenario': f'w{world}', 'plant': 'nominal', 'seed': seed, 'success': True,
                'excess_s': cost(world)} for world in range(worlds) for seed in range(seeds)]
        for name, cost in costs.items()
    }


def test_a_variant_that_is_better_everywhere_is_chosen_and_gains_on_the_other_half():
    folds = cross_validate(
        [suite(default=lambda n: 2.0 + n, better=lambda n: 0.5 * (2.0 + n))], splits=3)
    assert len(folds) == 6
    for fold in folds:
        assert fold.chosen == fold.best == 'better'
        assert fold.seen == pytest.approx(-0.5)
        assert fold.unseen == pytest.approx(-0.5)
        assert fold.gap == pytest.approx(0.0, abs=1e-9)
        assert fold.low == pytest.approx(fold.high)


def test_variants_that_differ_by_chance_gain_where_they_are_chosen_and_not_on_the_other_half():
    random = np.random.default_rng(0)
    table = random.lognormal(sigma=0.5, size=(20, 40))
    variants = {f'v{k}': (lambda n, k=k: 5.0 * table[k][n]) for k in range(20)}
    folds = cross_validate([suite(seeds=1, default=lambda n: 5.0, **variants)], splits=20)
    assert np.mean([fold.seen for fold in folds]) < -0.1
    assert np.mean([fold.unseen for fold in folds]) > -0.05
    assert np.mean([fold.gap for fold in folds]) > 0.1


def test_both_halves_of_a_split_choose_once_and_share_no_world():
    # in each world one of two variants is better, by an amount that tells the worlds apart
    folds = cross_validate([suite(
        worlds=4, default=lambda n: 1.0, other=lambda n: float(np.exp(-(2.0**n))) + 0.3)],
        splits=4)
    for first, second in zip(folds[::2], folds[1::2], strict=True):
        assert first.seen == pytest.approx(second.unseen)
        assert first.unseen == pytest.approx(second.seen)
        assert first.best == second.chosen


def test_a_variant_that_succeeds_less_often_is_not_chosen():
    found = suite(default=lambda n: 2.0, reckless=lambda n: 1.0)
    for episode in found['reckless'][::5]:
        episode['success'] = False
    assert {fold.chosen for fold in cross_validate([found], splits=5)} == {'default'}


def test_suites_count_equally_and_the_interval_contains_the_mean():
    large = suite(worlds=100, default=lambda n: 2.0, other=lambda n: 2.2 + 0.01 * (n % 7))
    small = suite(worlds=4, default=lambda n: 2.0, other=lambda n: 1.0 + 0.1 * n)
    folds = cross_validate([large, small], splits=4)
    assert {fold.chosen for fold in folds} == {'other'}
    for fold in folds:
        assert -0.5 < fold.unseen < 0.0
        assert fold.low < fold.unseen < fold.high


@pytest.mark.parametrize('suites, message', [
    ([suite(default=lambda n: 1.0)], 'no two variants in common'),
    ([suite(default=lambda n: 1.0, a=lambda n: 1.0), suite(other=lambda n: 1.0)],
     'no two variants in common'),
    ([suite(worlds=1, default=lambda n: 1.0, a=lambda n: 1.0)], "single world 'w0'"),
    ([suite(2, default=lambda n: 1.0) | suite(3, a=lambda n: 1.0)], 'different episodes'),
])
def test_results_that_cannot_be_split_are_refused(suites, message):
    with pytest.raises(InputError, match=message):
        cross_validate(suites, splits=1)


def test_the_command_shows_two_folds_of_each_split(tmp_path, capsys):
    files = []
    for name in ('barn', 'maps'):
        files.append(tmp_path / f'{name}.json')
        files[-1].write_text(json.dumps(suite(default=lambda n: 2.0, calm=lambda n: 1.0)))
    assert command.main([*map(str, files), '--splits', '2']) == 0
    out = capsys.readouterr().out
    assert [f' {fold} ' in out for fold in ('1a', '1b', '2a', '2b', '3a')] == [True] * 4 + [False]
    assert out.count('calm') == 8
    assert 'mean gap +0.0%' in out


def test_an_episode_without_a_field_is_reported_and_not_left_out(tmp_path, capsys):
    found = suite(default=lambda n: 2.0, calm=lambda n: 1.0)
    del found['calm'][3]['success']
    path = tmp_path / 'barn.json'
    path.write_text(json.dumps(found))
    assert command.main([str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert 'success' in line
