"""Reading of maps as map_server does, and of CSV files of circles."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any
import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.driving.costmap import FREE, LETHAL, MAX_SIDE, UNKNOWN
from mppi_ros.files import load_yaml, read_text, reading
from mppi_ros.parameters.errors import InputError

GREY_UNKNOWN = (205, 218)  # grey values of unknown cells in saved maps
CYLINDER_PITCH = 0.15  # [m] between the cylinders of a BARN world
IMAGES = ('PNG', 'PPM', 'BMP', 'GIF', 'JPEG', 'TIFF', 'WEBP')  # not EPS, which needs Ghostscript


def checked_discs(values: ArrayLike) -> NDArray[np.float64]:
    """Return discs as float64[n, 3]: x, y, radius [m]; raise InputError if one is not valid."""
    discs = np.array(values, dtype=np.float64)
    if discs.size == 0:
        return np.zeros((0, 3))
    if discs.ndim != 2 or discs.shape[1] != 3:
        raise InputError(f'circles have shape {list(discs.shape)}; [n, 3] is expected')
    if not np.isfinite(discs).all():
        raise InputError(f'circle {int(np.argmin(np.isfinite(discs).all(axis=1)))} is not finite')
    if (discs[:, 2] <= 0.0).any():
        bad = int(np.argmax(discs[:, 2] <= 0.0))
        raise InputError(f'circle {bad} has radius = {discs[bad, 2]:g} m, which must be positive')
    return discs


def check_sides(what: str, width: int, height: int) -> None:
    """Raise InputError for a too large map, before memory of its size is allocated."""
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise InputError(
            f'{what} has {width} x {height} cells; 1 to {MAX_SIDE} per side are expected'
        )


def read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the column names and the rows of a CSV file."""
    with reading(path, 'a CSV file'):
        lines = list(csv.reader(read_text(path).splitlines()))
    columns = [name.strip() for name in lines[0]] if lines else []
    missing = [name for name in ('x', 'y', 'radius') if name not in columns]
    if missing:
        raise InputError(f'{path} has no column {missing[0]}; x, y, radius are expected')
    return columns, [row for row in lines[1:] if row]


def circles_of(path: Path, columns: list[str], rows: list[list[str]]) -> NDArray[np.float64]:
    """Return the circles, float64[n, 3], of a CSV file with the columns x, y, radius."""
    picked = [columns.index(name) for name in ('x', 'y', 'radius')]
    circles = []
    for number, row in enumerate(rows, start=2):
        try:
            if len(row) != len(columns):
                raise ValueError
            circles.append([float(row[index]) for index in picked])
        except ValueError:
            text = ','.join(row)
            raise InputError(f'{path}: line {number} = {text!r} is not a circle') from None
    if not circles:
        raise InputError(f'{path} contains no circle')
    try:
        return checked_discs(circles)
    except InputError as error:
        raise InputError(f'{path}: {error}') from None


def missing_middles(field: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cylinders that are omitted inside blocks of the BARN grid, float64[n, 3]."""
    from scipy.ndimage import binary_fill_holes

    corner = field[:, :2].min(axis=0)
    steps = np.rint((field[:, :2] - corner) / CYLINDER_PITCH)
    check_sides('the field of a BARN world', *(1 + int(most) for most in steps.max(axis=0)))
    cells = steps.astype(int)
    filled = np.zeros(cells.max(axis=0) + 1, dtype=bool)
    filled[tuple(cells.T)] = True
    middles = np.argwhere(binary_fill_holes(filled) & ~filled)
    radius = np.full((len(middles), 1), field[0, 2])
    return np.hstack([corner + CYLINDER_PITCH * middles, radius])


def map_fields(path: Path) -> dict[str, Any]:
    """Read and validate the YAML file of a map."""
    fields = load_yaml(path)
    if not isinstance(fields, dict):
        raise InputError(f'{path} is not the YAML file of a map')
    for name in ('image', 'resolution', 'origin', 'occupied_thresh', 'free_thresh'):
        if name not in fields:
            raise InputError(f'{path} has no field {name}')

    def number(name: str, value: Any, low: float, high: float, unit: str = '') -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InputError(f'{path}: {name} = {value!r} must be a number')
        if not low <= value <= high:
            allowed = f'[{low:g}, {high:g}]{unit}'
            raise InputError(f'{path}: {name} = {value!r}{unit} is outside {allowed}')
        return float(value)

    origin = fields['origin']
    if not isinstance(origin, list) or len(origin) != 3:
        raise InputError(f'{path}: origin = {origin!r} must be [x, y, yaw]')
    x, y, yaw = (number('origin', value, -1e6, 1e6) for value in origin)
    if abs(math.remainder(yaw, math.tau)) > 1e-6:
        raise InputError(f'{path}: origin yaw = {yaw:g} rad, but rotated maps are not supported')
    mode = str(fields.get('mode', 'trinary')).lower()
    if mode not in ('trinary', 'scale', 'raw'):
        raise InputError(f'{path}: mode = {fields["mode"]!r} is not one of trinary, scale, raw')
    negate = fields.get('negate', 0)
    if negate not in (0, 1):
        raise InputError(f'{path}: negate = {negate!r} is not 0 or 1')
    occupied = number('occupied_thresh', fields['occupied_thresh'], 0.0, 1.0)
    free = number('free_thresh', fields['free_thresh'], 0.0, 1.0)
    if free > occupied:
        raise InputError(
            f'{path}: free_thresh = {free:g} is above occupied_thresh = {occupied:g}'
        )
    return {
        'image': path.parent / str(fields['image']),
        'resolution': number('resolution', fields['resolution'], 1e-3, 10.0, ' m'),
        'origin': (x, y),
        'mode': mode,
        'negate': bool(negate),
        'occupied': occupied,
        'free': free,
    }


def occupancy_of(path: Path, fields: dict[str, Any]) -> NDArray[np.int8]:
    """Return the image of a map as occupancy values int8[H, W], top row first."""
    grey, opaque = _read_image(path, fields['image'])
    if fields['mode'] == 'raw':
        value = np.rint(grey)
        return np.where(value <= LETHAL, value, UNKNOWN).astype(np.int8)
    shade = grey / 255.0
    probability = shade if fields['negate'] else 1.0 - shade
    occupied, free = probability > fields['occupied'], probability < fields['free']
    if fields['mode'] == 'trinary':
        between = np.full(grey.shape, UNKNOWN)
        if not fields['negate']:
            free &= (grey < GREY_UNKNOWN[0]) | (grey > GREY_UNKNOWN[1])
    else:
        span = max(fields['occupied'] - fields['free'], 1e-9)
        between = np.rint(LETHAL * np.clip((probability - fields['free']) / span, 0.0, 1.0))
    value = np.where(occupied, LETHAL, np.where(free, FREE, between))
    return np.where(opaque, value, UNKNOWN).astype(np.int8)


def _opened(image: Path) -> Any:
    """Open an image without Pillow's warning; `check_sides` rejects large images."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter('ignore', Image.DecompressionBombWarning)
        return Image.open(image, formats=IMAGES)


def _read_image(path: Path, image: Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the grey values 0..255 of an image, and which pixels are opaque."""
    name = f'{path}: image {image}'
    with reading(name, 'an image'), _opened(image) as opened:
        check_sides(name, *opened.size)  # before decompression
        if opened.mode.startswith('I'):
            grey = np.asarray(opened, dtype=np.float64) * (255.0 / 65535.0)
            return grey, np.ones(grey.shape, dtype=bool)
        channels = np.asarray(opened.convert('RGBA'))
    return channels[..., :3].mean(axis=-1), channels[..., 3] == 255
