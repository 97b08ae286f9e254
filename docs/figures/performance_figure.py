"""The picture of docs/performance.md: time of a solve over K and T, from benchmarks' JSON."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mppi_ros.evaluation.results import read_json
from mppi_ros.parameters.errors import InputError

# Medians measured apart on 2 cores of Zen 4, each with its own default cost: (name, K, T, ms).
OTHERS = (
    ('Nav2 MPPI (C++)', 1000, 56, 0.99),
    ('Nav2 MPPI (C++)', 2000, 56, 2.26),
    ('Nav2 MPPI (C++)', 4000, 56, 5.34),
    ('jax_mppi', 2000, 56, 4.0),
    ('NumPy, vectorised', 2000, 56, 4.9),
)
THREADS = {'1 thread': 1, '2 threads': 2}
STYLES = {'1 thread': '-', '2 threads': '--'}


def draw(rows: list[dict[str, Any]], out: Path) -> None:
    """Draw medians of hot solves over K, a line for each T, number of threads and program."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 5.0), layout='constrained')
    axes = figure.add_subplot()
    solves = [row for row in rows if row['phase'] == 'solve' and row['pace'] == 'hot']
    own = [row for row in solves if 'program' not in row]
    for color, t in enumerate(sorted({row['steps'] for row in own})):
        for threads, style in STYLES.items():
            line = _line(own, t, threads)
            axes.plot(*line, f'C{color}{style}o', ms=3, label=f'mppi_ros, T = {t}, {threads}')
    peers = [row for row in solves if row.get('program', 'mppi_ros') != 'mppi_ros']
    for program in sorted({row['program'] for row in peers}):
        for threads, style in STYLES.items():
            line = _line([row for row in peers if row['program'] == program], 56, threads)
            label = f'{program}, T = 56, {threads}, in the same run'
            axes.plot(*line, f'C7{style}v', ms=4, label=label)
    for marker, name in zip('s^D', dict.fromkeys(other[0] for other in OTHERS), strict=True):
        points = [(k, ms) for other, k, _, ms in OTHERS if other == name]
        axes.plot(
            *zip(*points, strict=True), f'k:{marker}', ms=5, mfc='none', lw=0.8,
            label=f'{name}, T = 56, measured apart, on Zen 4',
        )  # fmt: skip
    axes.set(xscale='log', yscale='log', xlabel='samples K', ylabel='median time of a solve [ms]')
    axes.grid(True, which='both', alpha=0.25)
    axes.set_ylim(0.03, 1000.0)
    axes.legend(fontsize=7, ncols=2, loc='upper left')
    figure.savefig(out, dpi=130)


def _line(rows: list[dict[str, Any]], steps: int, threads: str) -> tuple[list[int], list[float]]:
    """Return samples and medians [ms] of the rows of one T and number of threads."""
    found = sorted(
        (row['samples'], row['median_ms'])
        for row in rows
        if row['steps'] == steps and row['threads'] == THREADS[threads]
    )
    return [k for k, _ in found], [ms for _, ms in found]


def main() -> None:
    """Read results of `mppi_benchmark solve` and `peers --json` and write the picture."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('results', type=Path, metavar='RESULTS.json', nargs='+')
    parser.add_argument('picture', type=Path, metavar='PICTURE.png')
    options = parser.parse_args()
    try:
        files = [read_json(path, 'rows') for path in options.results]
    except InputError as error:
        parser.exit(2, f'{parser.prog}: {error}\n')
    draw([row for file in files for row in file['rows']], options.picture)


if __name__ == '__main__':
    main()
