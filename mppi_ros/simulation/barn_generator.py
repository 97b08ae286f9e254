"""
Generation of BARN worlds from a seed, by the published procedure.

D. Perille, A. Truong, X. Xiao, P. Stone, 'Benchmarking metric ground navigation', SSRR 2020: a
cellular automaton smooths a random grid, and grids without a path of the robot's width are
discarded. The worlds of the challenge were generated with twelve pairs of fill probability and
number of smoothing steps, in equal numbers.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

SIDE = 30  # cells of the field
PITCH = 0.15  # [m] side of a cell
CYLINDER_RADIUS = 0.075  # [m] of the obstacle in a cell
FILL_PROBABILITIES = (0.15, 0.20, 0.25, 0.30)
SMOOTHING_STEPS = (2, 3, 4)
FILLING_NEIGHBOURS = 5  # a cell with at least so many filled neighbours is filled
CLEARING_NEIGHBOURS = 1  # a cell with at most so many is cleared
ROBOT_CELLS = 2  # cells that the robot covers on each side of its own
FIELD_CORNER = (-4.425, 5.175)  # [m] centre of cell (0, 0)
CORRIDOR = (-4.425, -0.075, 0.075, 5.025)  # [m] x and y of its walls: left, right, back, front

PARAMETERS = tuple(product(FILL_PROBABILITIES, SMOOTHING_STEPS))


def barn_field(seed: int, number: int) -> NDArray[np.bool_]:
    """
    Return the first field of a world that has a path, bool[30, 30]: filled cells by x and y.

    Parameters
    ----------
    seed, number : int
        Seed of the suite, and number of the world. The number selects one of PARAMETERS.

    """
    fill, steps = PARAMETERS[number % len(PARAMETERS)]
    rng = np.random.default_rng([seed, number])
    while True:
        field = smoothed(filled(rng, fill), steps)
        if is_passable(field):
            return field


def filled(rng: np.random.Generator, fill: float) -> NDArray[np.bool_]:
    """Return a random field with the given fill probability, between two filled walls."""
    field = rng.random((SIDE, SIDE)) < fill
    field[[0, -1]] = True
    return field


def smoothed(field: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Return a field after a number of smoothing steps; cells beyond the walls are filled."""
    for _ in range(steps):
        around = np.pad(field.astype(np.int8), ((0, 0), (1, 1)))
        rows = np.pad(around[:, :-2] + around[:, 1:-1] + around[:, 2:], ((1, 1), (0, 0)),
                      constant_values=3)  # fmt: skip
        count = rows[:-2] + rows[1:-1] + rows[2:] - field
        field = (count >= FILLING_NEIGHBOURS) | (field & (count > CLEARING_NEIGHBOURS))
    return field


def is_passable(field: NDArray[np.bool_]) -> bool:
    """
    Return whether the robot can drive through a field along y.

    The largest free region at the first y is the largest one at the last, for a robot of
    2 ROBOT_CELLS + 1 cells per side.
    """
    from scipy.ndimage import label, maximum_filter

    occupied = maximum_filter(field, 2 * ROBOT_CELLS + 1, mode='constant')
    regions, count = label(~occupied)
    sizes = np.bincount(regions.ravel(), minlength=count + 1)
    entries, exits = (np.unique(edge[edge > 0]) for edge in (regions[:, 0], regions[:, -1]))
    if not (len(entries) and len(exits)):
        return False
    return bool(entries[np.argmax(sizes[entries])] == exits[np.argmax(sizes[exits])])


def barn_circles(field: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the cylinders of a field and of the corridor, float64[n, 3]: x, y, radius [m]."""
    left, right, back, front = CORRIDOR
    along = np.linspace(back, front, 1 + round((front - back) / PITCH))
    across = np.linspace(left, right, 1 + round((right - left) / PITCH))[1:-1]
    walls = [*((x, y) for x in (left, right) for y in along), *((x, back) for x in across)]
    places = np.vstack([walls, FIELD_CORNER + PITCH * np.argwhere(field)])
    return np.round(np.column_stack([places, np.full(len(places), CYLINDER_RADIUS)]), 3)
