"""Grids, paths and trajectories as short JSON values for the page."""

from __future__ import annotations

import base64
from collections.abc import Iterator
import io
import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mppi_ros.dashboard.history import Layer, Points

MAX_SIDE = 1000  # [cells] of a grid; larger ones are coarsened
MAX_PATH_POINTS = 400
UNKNOWN = 255  # in the image; other values are the cost 0..100

_numbers: Iterator[int] = itertools.count(1)


def grid_layer(
    cells: NDArray[np.int8], resolution: float, origin_x: float, origin_y: float
) -> Layer:
    """
    Return a grid, int8[height, width], as a grey image whose values are the costs.

    A grid of more than MAX_SIDE cells is coarsened; a coarse cell has the highest cost in it.
    """
    height, width = cells.shape
    factor = -(-max(height, width, 1) // MAX_SIDE)
    padded = np.full((-(-height // factor) * factor, -(-width // factor) * factor), -1, np.int8)
    padded[:height, :width] = cells
    rows, columns = padded.shape[0] // factor, padded.shape[1] // factor
    coarse = padded.reshape(rows, factor, columns, factor).max(axis=(1, 3))
    grey = np.where(coarse < 0, UNKNOWN, coarse).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(grey[::-1]).save(stream, 'png', compress_level=3)
    return Layer(next(_numbers), {
        'image': base64.b64encode(stream.getvalue()).decode('ascii'),
        'x': round(origin_x, 4), 'y': round(origin_y, 4),
        'width': round(columns * factor * resolution, 4),
        'height': round(rows * factor * resolution, 4),
    })  # fmt: skip


def path_layer(poses: NDArray[np.floating[Any]]) -> Layer:
    """Return a path, float[N, ≥ 2] as x, y [m], with at most MAX_PATH_POINTS points."""
    return Layer(next(_numbers), {'points': points(poses, MAX_PATH_POINTS)})


def points(poses: NDArray[np.floating[Any]], most: int = 60) -> Points:
    """Return x, y [m] of poses, rounded to millimetres; first and last are among them."""
    if len(poses) > most:
        poses = poses[np.linspace(0, len(poses) - 1, most).astype(int)]
    finite = poses[np.isfinite(poses[:, :2]).all(axis=1), :2] if len(poses) else poses
    rounded: Points = np.round(finite.astype(float), 3).tolist()
    return rounded
