"""The picture of docs/performance.md: time of a solve over K and T, from a benchmark's JSON."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

# Medians measured apart, each with its own default cost: (name, K, T, ms).
OTHERS = (
    ('Nav2 MPPI (C++)', 1000, 56, 0.99),
    ('Nav2 MPPI (C++)', 2000, 56, 2.26),
    ('Nav2 MPPI (C++)', 4000, 56, 5.34),
    ('jax_mppi', 2000, 56, 4.0),
    ('NumPy, vectorised', 2000, 56, 4.9),
    ('pytorch_mppi', 2000, 56, 14.0),
)


def draw(rows: list[dict[str, Any]], out: Path) -> None:
    """Draw medians of hot solves over K, a line for each T and number of threads."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 5.0), layout='constrained')
    axes = figure.add_subplot()
    solves = [row for row in rows if row['phase'] == 'solve' and row['pace'] == 'hot']
    steps = sorted({row['steps'] for row in solves})
    for color, t in enumerate(steps):
        for threads, style in ((1, '-'), (2, '--')):
            line = sorted(
                (row['samples'], row['median_ms'])
                for row in solves
                if (row['steps'], row['threads']) == (t, threads)
            )
            if line:
                plural = '' if threads == 1 else 's'
                label = f'mppi_ros, T = {t}, {threads} thread{plural}'
                axes.plot(*zip(*line, strict=True), f'C{color}{style}o', ms=3, label=label)
    for marker, name in zip('s^Dv', dict.fromkeys(other[0] for other in OTHERS), strict=True):
        points = [(k, ms) for other, k, _, ms in OTHERS if other == name]
        axes.plot(
            *zip(*points, strict=True), f'k:{marker}', ms=5, mfc='none', lw=0.8,
            label=f'{name}, T = 56, measured apart',
        )  # fmt: skip
    axes.set(xscale='log', yscale='log', xlabel='samples K', ylabel='median time of a solve [ms]')
    axes.grid(True, which='both', alpha=0.25)
    axes.set_ylim(0.05, 60.0)
    axes.legend(fontsize=7, ncols=2, loc='upper left')
    figure.savefig(out, dpi=130)


def main() -> None:
    """Read the results of `mppi_benchmark solve --json` and write the picture."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('results', type=Path, metavar='RESULTS.json')
    parser.add_argument('picture', type=Path, metavar='PICTURE.png')
    options = parser.parse_args()
    draw(json.loads(options.results.read_text('utf-8'))['rows'], options.picture)


if __name__ == '__main__':
    main()
