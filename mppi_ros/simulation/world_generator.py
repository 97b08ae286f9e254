"""Generate our own worlds from a seed: an office as a map, a cluttered field as circles."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mppi_ros.share import share_path

SEED = 7
RESOLUTION = 0.05  # [m]
WALL_THICKNESS = 0.1  # [m] thickness
FREE, OCCUPIED = 254, 0  # grey values
OFFICE_SIZE = (12.0, 8.0)  # [m]
# Walls from x, y to x, y [m]; a corridor from y = 2.6 to 4.0, three rooms below, two above.
OFFICE_WALLS = (
    (0.0, 0.0, 12.0, 0.0), (0.0, 7.9, 12.0, 7.9), (0.0, 0.0, 0.0, 7.9), (11.9, 0.0, 11.9, 7.9),
    (0.0, 2.6, 2.6, 2.6), (3.5, 2.6, 4.8, 2.6), (5.7, 2.6, 9.0, 2.6), (9.9, 2.6, 11.9, 2.6),
    (0.0, 4.0, 1.5, 4.0), (2.4, 4.0, 9.6, 4.0), (10.5, 4.0, 11.9, 4.0),
    (4.2, 0.0, 4.2, 2.6), (8.1, 0.0, 8.1, 2.6), (5.4, 4.0, 5.4, 7.9),
)
# Doors and the places where robots start and stop: x, y, radius [m] kept free of furniture.
OFFICE_CLEAR = (
    (3.05, 2.6, 0.9), (5.25, 2.6, 0.9), (9.45, 2.6, 0.9), (1.95, 4.0, 0.9), (10.05, 4.0, 0.9),
    (1.0, 1.0, 0.7), (8.0, 5.0, 0.8),
)
OFFICE_ROOMS = (  # x_min, y_min, x_max, y_max [m] and pieces of furniture
    (0.1, 0.1, 4.2, 2.6, 4), (4.3, 0.1, 8.1, 2.6, 4), (8.2, 0.1, 11.9, 2.6, 4),
    (0.1, 4.1, 5.4, 7.9, 8), (5.5, 4.1, 11.9, 7.9, 9),
)
OFFICE_POTS = ((7.4, 2.95, 0.2), (4.0, 3.75, 0.18))  # plants in the corridor: x, y, radius [m]
FIELD_SIZE = (12.0, 7.0)  # [m] fenced on the long sides, open at both ends
FIELD_DISCS = 45
FIELD_GAP = 0.75  # [m] least gap between two discs


def office(seed: int = SEED) -> NDArray[np.uint8]:
    """Return the office as an image uint8[H, W]: walls, doors, and furniture from a seed."""
    rng = np.random.default_rng(seed)
    width, height = (round(side / RESOLUTION) for side in OFFICE_SIZE)
    x = (np.arange(width) + 0.5) * RESOLUTION
    y = ((np.arange(height) + 0.5) * RESOLUTION)[:, None]
    solid = np.zeros((height, width), dtype=bool)
    for left, bottom, right, top in OFFICE_WALLS:
        solid |= (
            (x > left) & (x < right + WALL_THICKNESS) & (y > bottom) & (y < top + WALL_THICKNESS)
        )
    for px, py, radius in OFFICE_POTS:
        solid |= np.hypot(x - px, y - py) < radius
    keep = np.zeros_like(solid)
    for px, py, radius in OFFICE_CLEAR:
        keep |= np.hypot(x - px, y - py) < radius
    for left, bottom, right, top, pieces in OFFICE_ROOMS:
        for _ in range(pieces):
            size = rng.uniform((0.4, 0.4), (1.4, 0.8))
            if rng.random() < 0.5:
                size = size[::-1]
            corner = rng.uniform((left, bottom), np.array([right, top]) - size)
            wall = rng.integers(6)  # furniture stands at a wall more often than not
            if wall < 4:
                against = ((left, 0), (right - size[0], 0), (bottom, 1), (top - size[1], 1))[wall]
                corner[against[1]] = against[0]
            (px, py), (sx, sy) = corner, size
            piece = (x > px) & (x < px + sx) & (y > py) & (y < py + sy)
            around = (x > px - 0.7) & (x < px + sx + 0.7) & (y > py - 0.7) & (y < py + sy + 0.7)
            inside = (x > left) & (x < right) & (y > bottom) & (y < top)
            if not (keep & piece).any() and not (solid & around & inside).any():
                solid |= piece
    return np.flipud(np.where(solid, OCCUPIED, FREE)).astype(np.uint8)


def cluttered_field(seed: int = SEED) -> NDArray[np.float64]:
    """Return circles float64[n, 3] (x, y, radius [m]): a fence on two sides, discs between."""
    rng = np.random.default_rng(seed)
    length, width = FIELD_SIZE
    fence = np.arange(0.1, length, 0.2)
    circles = [(x, y, 0.1) for y in (0.0, width) for x in fence]
    placed: list[tuple[float, float, float]] = []
    while len(placed) < FIELD_DISCS:
        x, y, radius = rng.uniform((0.5, 0.3, 0.1), (length - 0.5, width - 0.3, 0.35))
        gaps = [math.hypot(x - a, y - b) - radius - c for a, b, c in placed]
        if min(gaps, default=math.inf) > FIELD_GAP:
            placed.append((x, y, radius))
    return np.round(np.array(circles + placed), 3)


def write_worlds(folder: Path, seed: int = SEED) -> None:
    """Write office.yaml, office.png and field.csv into a folder."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(office(seed)).save(folder / 'office.png', optimize=True)
    (folder / 'office.yaml').write_text(
        f'# made by python -m mppi_ros.simulation.world_generator, seed {seed}\n'
        f'image: office.png\nmode: trinary\nresolution: {RESOLUTION}\n'
        'origin: [0.0, 0.0, 0.0]\nnegate: 0\noccupied_thresh: 0.65\nfree_thresh: 0.196\n',
        encoding='utf-8',
    )
    rows = [','.join(f'{value:g}' for value in circle) for circle in cluttered_field(seed)]
    (folder / 'field.csv').write_text('\n'.join(['x,y,radius', *rows, '']), encoding='utf-8')


if __name__ == '__main__':
    write_worlds(share_path('config', 'worlds'))
