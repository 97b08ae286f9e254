"""Draw docs/images/architecture.png: the layers of pyproject.toml and the steps of one tick."""

from __future__ import annotations

from pathlib import Path
import sys

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from PIL import Image

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
IMAGE = ROOT / 'docs' / 'images' / 'architecture.png'
JOBS = {
    'nodes': 'ROS 2: messages, parameters, lifecycle',
    'tools': 'command lines',
    'simulation': 'worlds, lidar, plant, episodes',
    'control': 'one control tick, without ROS 2',
    'driving': 'objective: model, critics, costmap, path',
    'mppi': 'optimiser: sample, weigh, step',
}
TICK = (
    ('Check inputs', 'age, plausibility, clock'),
    ('Predict', 'to the time the command acts'),
    ('Track the plan', 'progress, goal'),
    ('Optimise', 'sample, evaluate, weigh, step'),
    ('Check stopping', 'room to brake'),
    ('Command', 'or second search, brake, zero'),
)
BOX = 1.2  # height of a box
INK, EDGE, FILL, ACCENT = '#1f2933', '#7b8794', '#eef3fb', '#fdf1e7'


def layers() -> list[list[str]]:
    """Return the folders of the package from top to bottom, as the import contract has them."""
    contracts = tomllib.loads((ROOT / 'pyproject.toml').read_text('utf-8'))
    (contract,) = (
        c for c in contracts['tool']['importlinter']['contracts'] if c['type'] == 'layers'
    )
    return [[name.strip() for name in row.split(':')] for row in contract['layers']]


def draw(path: Path = IMAGE) -> None:
    """Write the figure; its metadata names the layers that it shows."""
    rows = layers()
    figure = Figure(figsize=(11.0, 0.95 * len(rows) + 1.2), dpi=110, facecolor='white')
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 22), ylim=(0, 2 * len(rows) + 2))
    axes.axis('off')
    top = 2 * len(rows)
    axes.text(0.4, top + 1.1, 'Layers: imports run downward', color=INK, weight='bold', size=12)
    axes.text(12.9, top + 1.1, 'One control tick', color=INK, weight='bold', size=12)
    for i, row in enumerate(rows):
        width = 11.4 / len(row)
        for j, name in enumerate(row):
            _box(axes, 0.4 + j * width, top - 2 * i - 0.65, width - 0.3, name, JOBS[name], FILL)
        if i:
            _arrow(axes, (6.0, top - 2 * i + 1.35), (6.0, top - 2 * i - 0.65 + BOX))
    step = 2 * len(rows) / len(TICK)
    for i, (name, words) in enumerate(TICK):
        low = top - step * i - 0.65
        _box(axes, 12.9, low, 8.7, name, words, ACCENT, number=i + 1)
        if i:
            _arrow(axes, (17.2, low + step), (17.2, low + BOX))
    figure.savefig(path, metadata={'Layers': str(rows), 'Software': None})


def shown(path: Path = IMAGE) -> str:
    """Return the layers that a figure shows."""
    with Image.open(path) as image:
        return str(image.info.get('Layers'))


def _box(axes, x, y, width, name, words, fill, number=None):
    axes.add_patch(FancyBboxPatch(
        (x, y), width, BOX, boxstyle='round,pad=0,rounding_size=0.2', fc=fill, ec=EDGE, lw=0.9
    ))  # fmt: skip
    title = name if number is None else f'{number}  {name}'
    axes.text(x + 0.3, y + 0.82, title, color=INK, weight='bold', size=10.5, va='center')
    axes.text(x + 0.3, y + 0.34, words, color=INK, size=8.5, va='center')


def _arrow(axes, begin, end):
    axes.add_patch(FancyArrowPatch(begin, end, arrowstyle='-|>', mutation_scale=9, color=EDGE))


if __name__ == '__main__':
    draw()
