"""Generated BARN worlds: the published procedure, repeatable, and like the published worlds."""

from __future__ import annotations

import numpy as np
import pytest

from mppi_ros.driving.footprint import Footprint
from mppi_ros.evaluation.barn import GOAL, START
from mppi_ros.evaluation.request import Request, read_robot
from mppi_ros.evaluation.suites import cases_of
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.barn_generator import (
    FILL_PROBABILITIES,
    PARAMETERS,
    SIDE,
    barn_circles,
    barn_field,
    filled,
    is_passable,
    smoothed,
)
from mppi_ros.simulation.grid_planner import plan
from mppi_ros.simulation.world import BARN_BOUNDS, World

WORLDS = 2 * len(PARAMETERS)
# Mean and standard deviation over 50 worlds of the challenge: share of filled cells, length of a
# path of the planner [m], its minimum and its mean distance to the cylinders in the field [m].
PUBLISHED = np.array([[0.195, 0.065], [10.42, 0.28], [0.431, 0.051], [0.605, 0.115]])


@pytest.fixture(scope='module')
def fields():
    return [barn_field(3, number) for number in range(WORLDS)]


def smoothed_cell_by_cell(field):
    """Return a field after one step of the published rule, cell by cell."""
    new = field.copy()
    for r in range(SIDE):
        for c in range(SIDE):
            around = [(i, j) for i in (r - 1, r, r + 1) for j in (c - 1, c, c + 1)]
            count = sum(
                field[i, j] if 0 <= i < SIDE and 0 <= j < SIDE else not 0 <= i < SIDE
                for i, j in around if (i, j) != (r, c)
            )
            new[r, c] = count >= 5 or (field[r, c] and count >= 2)
    return new


def test_a_seed_and_a_number_always_give_the_same_field(fields):
    for number in (0, 7, 11):
        np.testing.assert_array_equal(barn_field(3, number), fields[number])
        assert (barn_field(4, number) != fields[number]).any()
    assert (fields[0] != fields[len(PARAMETERS)]).any()


@pytest.mark.parametrize('fill', FILL_PROBABILITIES)
def test_smoothing_follows_the_published_rule(fill):
    field = filled(np.random.default_rng(5), fill)
    assert field[1:-1].mean() == pytest.approx(fill, abs=0.04)
    assert field[[0, -1]].all()
    once = smoothed_cell_by_cell(field)
    np.testing.assert_array_equal(smoothed(field, 1), once)
    np.testing.assert_array_equal(smoothed(field, 2), smoothed_cell_by_cell(once))


def test_a_field_is_passable_with_five_free_cells_side_by_side_and_not_with_four():
    walls = np.zeros((SIDE, SIDE), bool)
    walls[[0, -1]] = True
    assert is_passable(walls)
    for gap, passes in ((5, True), (4, False)):
        field = walls.copy()
        field[:, 15] = True
        field[10 : 10 + gap, 15] = False
        assert is_passable(field) is passes


def test_circles_are_the_filled_cells_and_the_walls_of_the_corridor(fields):
    circles = barn_circles(fields[0])
    assert len(circles) == 96 + fields[0].sum()
    assert len(np.unique(circles[:, :2], axis=0)) == len(circles)
    assert (circles[:, 2] == 0.075).all()
    np.testing.assert_allclose(circles[:, :2].min(0), [-4.425, 0.075])
    np.testing.assert_allclose(circles[:, :2].max(0), [-0.075, 9.525])
    world = World.from_circles(circles, BARN_BOUNDS)
    assert min(world.clearance(0.3, pose) for pose in (START, GOAL)) > 1.0


def test_generated_worlds_are_as_full_and_as_hard_as_the_published_ones(fields):
    robot = Footprint.of(read_robot('jackal').robot)
    rows = []
    for field in fields:
        circles = barn_circles(field)
        path = plan(World.from_circles(circles, BARN_BOUNDS).occupancy, START, GOAL, robot)
        assert path is not None
        away = np.hypot(*(path[:, None, :2] - circles[None, :, :2]).transpose(2, 0, 1)).min(1)
        clearance = away - 0.075
        inside = (path[:, 1] > 5.1) & (path[:, 1] < 9.6)
        length = np.hypot(*np.diff(path[:, :2], axis=0).T).sum()
        rows.append((field.mean(), length, clearance.min(), clearance[inside].mean()))
    mean, spread = PUBLISHED.T
    found = np.array(rows)
    assert np.all(np.abs(found.mean(0) - mean) < 0.6 * spread), found.mean(0)
    assert np.all(found.std(0) > 0.5 * spread), found.std(0)
    assert np.all(found.std(0) < 2.5 * spread), found.std(0)


def test_the_suite_numbers_generated_worlds_and_needs_no_data(tmp_path):
    cases = cases_of('barn', Request(generated=3, seed=3))
    assert [case.scenario for case in cases] == [f'barn_generated/{n}' for n in range(3)]
    (one,) = cases_of('barn', Request(generated=3, seed=3, only=('barn_generated/1',)))
    assert one == cases[1]
    assert [case.seed for case in cases] == [3, 3, 3]
    assert 5.0 <= one.ideal_time() < 7.0
    with pytest.raises(InputError, match='needs no --data'):
        cases_of('barn', Request(tmp_path, generated=3))
    with pytest.raises(InputError, match="unknown scenario 'barn_generated/3'"):
        cases_of('barn', Request(generated=3, only=('barn_generated/3',)))
