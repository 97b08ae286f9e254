"""Figures of docs/score_ascent.md from the results of `mppi_ros.evaluation.ablation`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from theory_figures import BLUE, ORANGE, STYLE

from mppi_ros.evaluation.ablation import COUNTS, Episode, ratio
from mppi_ros.evaluation.report import MUTED
from mppi_ros.files import load_json
from mppi_ros.parameters.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = Mapping[str, Sequence[Episode]]


def main(argv: Sequence[str] | None = None) -> int:
    """Draw the options and the numbers of samples into a folder; return the exit code."""
    parser = argparse.ArgumentParser(description='Draw the figures of docs/score_ascent.md.')
    parser.add_argument('options', type=Path, help='results with default and the options')
    parser.add_argument('samples', type=Path, help='results with several numbers of samples')
    parser.add_argument('folder', type=Path)
    given = parser.parse_args(argv)
    for name, draw, path in (
        ('options', options, given.options), ('samples', samples, given.samples)
    ):  # fmt: skip
        try:
            found = load_json(path)
        except InputError as error:
            parser.exit(2, f'{parser.prog}: {error}\n')
        write(draw, found, given.folder / f'ascent_{name}.png')
    return 0


def write(draw: Callable[[Results], Figure], found: Results, path: Path) -> None:
    """Write one figure as a PNG file."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        draw(found).savefig(path, dpi=110)


def options(found: Results) -> Figure:
    """Draw what each option changes of the default's excess cost and jerk, with intervals."""
    names = [name for name in found if name != 'default']
    costs = np.array([ratio(found['default'], found[name], 'excess_s') for name in names])
    jerks = [ratio(found['default'], found[name], 'mean_jerk')[0] for name in names]
    order = np.argsort(-costs[:, 0])
    rows = np.arange(len(names))
    figure, axes = _figure(7.6, 0.27 * len(names) + 1.1)
    middle, low, high = 100.0 * costs[order].T
    axes.errorbar(middle, rows, xerr=(middle - low, high - middle), fmt='o', color=BLUE, ms=4,
                  lw=1.0, label='excess cost, 95 %')  # fmt: skip
    axes.plot(100.0 * np.array(jerks)[order], rows, 'x', color=ORANGE, ms=4, label='jerk')
    axes.axvline(0.0, color=MUTED, lw=0.8)
    axes.set_yticks(rows, [names[k] for k in order])
    axes.set_xscale('symlog', linthresh=100.0)
    axes.set_xticks([-50, 0, 50, 100, 1000], ['−50', '0', '+50', '+100', '+1000'])
    axes.set(xlabel='change against the default [%]', xlim=(-100.0, None))
    figure.legend(loc='outside upper right', ncols=2, fontsize=8)
    return figure


def samples(found: Results) -> Figure:
    """Draw the mean excess cost over the number of samples."""
    figure, axes = _figure(5.4, 3.2)
    for kind, colour in (('textbook', ORANGE), ('default', BLUE)):
        counts = {2000: kind, **{count: f'{kind} of {count}' for count in COUNTS}}
        known = sorted(count for count, name in counts.items() if name in found)
        costs = [[each['excess_s'] for each in found[counts[count]]] for count in known]
        means = np.array([np.mean(each) for each in costs])
        axes.plot(known, means, 'o-', color=colour, ms=4, label=kind)
        for count, mean, each in zip(known, means, costs, strict=True):
            failed = sum(not episode['success'] for episode in found[counts[count]])
            if failed:
                axes.annotate(f'{failed} of {len(each)} failed', (count, mean), fontsize=7,
                              xytext=(3, 4), textcoords='offset points')  # fmt: skip
    axes.set(xscale='log', ylim=(0.0, None), xlabel='samples K', ylabel='mean excess cost [s]')
    axes.set_xticks((*COUNTS[:3], 2000, *COUNTS[3:]), (*COUNTS[:3], 2000, *COUNTS[3:]), fontsize=7)
    axes.minorticks_off()
    axes.legend()
    return figure


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout='constrained', facecolor='white')
    return figure, figure.subplots()


if __name__ == '__main__':
    raise SystemExit(main())
