"""The distance field against brute force and against scipy's transform."""
from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.distance_field import NO_OBSTACLE, distance_field
from mppi_ros.parameters.errors import InputError

RESOLUTION = 0.05


def costmap(data: np.ndarray) -> Costmap:
    return Costmap(np.asarray(data, dtype=np.int8), RESOLUTION, -1.0, 2.0)


def random_costmap(seed: int, shape: tuple[int, int], share: float) -> Costmap:
    rng = np.random.default_rng(seed)
    data = rng.choice([-1, 0, 50, 99, 100], p=[0.1, 0.5 - share, 0.3, 0.1, share], size=shape)
    return costmap(data)


def brute_force(obstacles: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(obstacles)
    y, x = np.indices(obstacles.shape)
    squared = (y[..., None] - rows) ** 2 + (x[..., None] - columns) ** 2
    return np.maximum(np.sqrt(squared.min(axis=-1)) - 0.5, 0.0) * RESOLUTION


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('shape', [(1, 1), (1, 17), (23, 1), (13, 29)])
def test_distance_equals_brute_force(seed, shape):
    grid = random_costmap(seed, shape, 0.05)
    grid.data[0, 0] = 100
    field = distance_field(grid, inscribed_radius=NO_OBSTACLE, outside_is_obstacle=False)
    np.testing.assert_allclose(field.distance, brute_force(grid.data == 100), rtol=1e-6)


@pytest.mark.parametrize('unknown', [False, True])
@pytest.mark.parametrize('outside', [False, True])
def test_distance_equals_scipy_on_a_large_map(unknown, outside):
    grid = random_costmap(7, (220, 340), 0.002)
    field = distance_field(grid, inscribed_radius=NO_OBSTACLE, unknown_is_obstacle=unknown,
                           outside_is_obstacle=outside)
    obstacles = (grid.data == 100) | (unknown & (grid.data == -1))
    cells = distance_transform_edt(~np.pad(obstacles, 1, constant_values=outside))[1:-1, 1:-1]
    expected = np.maximum(cells - 0.5, 0.0) * RESOLUTION
    np.testing.assert_allclose(field.distance, expected, rtol=1e-6)


def test_inflated_cells_are_no_obstacles():
    field = distance_field(costmap(np.full((5, 5), 98)), outside_is_obstacle=False)
    assert (field.distance == np.float32(NO_OBSTACLE)).all()
    assert field.outside == NO_OBSTACLE


def test_without_obstacles_the_border_is_the_nearest():
    field = distance_field(costmap(np.zeros((3, 5))))
    np.testing.assert_allclose(field.distance[1], np.array([0.5, 1.5, 1.5, 1.5, 0.5]) * RESOLUTION)
    assert field.outside == 0.0


def test_inscribed_cell_is_nearer_than_the_inscribed_radius_without_an_obstacle_drawn():
    data = np.zeros((81, 81))
    data[40, 40] = 99
    field = distance_field(costmap(data), inscribed_radius=0.2)
    assert field.distance[40, 40] == pytest.approx(0.2 - 0.5 * RESOLUTION)
    assert field.distance[40, 41] == pytest.approx(39.5 * RESOLUTION)


def test_inscribed_cell_keeps_a_smaller_distance():
    data = np.zeros((9, 9))
    data[4, 4:6] = 99, 100
    field = distance_field(costmap(data), inscribed_radius=0.2)
    assert field.distance[4, 4] == pytest.approx(0.5 * RESOLUTION)
    assert field.distance[4, 5] == 0.0


def test_lookup_finds_the_cell_of_a_point_and_the_outside():
    data = np.zeros((4, 6))
    data[1, 2] = 100
    field = distance_field(costmap(data))
    x = -1.0 + RESOLUTION * np.array([2.01, 2.99, 3.01, -0.01, 6.01, np.nan])
    y = 2.0 + RESOLUTION * np.array([1.01, 1.99, 1.5, 1.5, 1.5, 1.5])
    expected = [0.0, 0.0, 0.5 * RESOLUTION, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(field.at(x, y), expected)


def test_result_is_written_into_the_given_array():
    grid = random_costmap(3, (20, 30), 0.01)
    out = np.full((20, 30), np.nan, dtype=np.float32)
    field = distance_field(grid, out=out)
    assert field.distance is out
    np.testing.assert_array_equal(out, distance_field(grid).distance)


@pytest.mark.parametrize('out', [np.empty((4, 4), np.float32), np.empty((4, 5)),
                                 np.empty((5, 4), np.float32).T])
def test_unfit_output_is_rejected(out):
    with pytest.raises(InputError, match='float32'):
        distance_field(costmap(np.zeros((4, 5))), out=out)
