"""
Cross-validate the defaults: `python -m mppi_ros.cli.cross_validation FILE FILE ...`.

The files are those of `python -m mppi_ros.cli.ablation --json`, one of each suite.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
import sys

import numpy as np

from mppi_ros.cli.arguments import Parser, integer
from mppi_ros.cli.console import show_table
from mppi_ros.evaluation.ablation import read_results
from mppi_ros.evaluation.cross_validation import cross_validate
from mppi_ros.parameters.errors import MppiError


def main(argv: Sequence[str] | None = None) -> int:
    """Show the folds; return 0, or 2 for wrong use or bad input."""
    parser = Parser(
        prog='python -m mppi_ros.cli.cross_validation',
        description='Choose a variant on one half of the worlds and test it on the other half, '
        'in random splits. The variants are those of the ablation; the first one is the '
        'reference.',
    )
    parser.add_argument(
        'files', nargs='+', type=Path, metavar='FILE', help='results of the ablation of one suite'
    )
    parser.add_argument('--splits', type=integer(1, 10_000), default=5, metavar='N')
    parser.add_argument('--seed', type=integer(0, 2**31 - 1), default=0, metavar='N')
    options = parser.parse_args(sys.argv[1:] if argv is None else argv)
    try:
        suites = [read_results(path) for path in options.files]
        folds = cross_validate(suites, options.splits, options.seed)
    except MppiError as error:
        print(f'cross_validation: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('cross_validation: interrupted', file=sys.stderr)
        return 1
    rows = [
        [f'{1 + number // 2}{"ab"[number % 2]}', fold.chosen, f'{fold.seen:+.1%}',
         f'{fold.unseen:+.1%} ({fold.low:+.1%} to {fold.high:+.1%})', f'{fold.gap:+.1%}',
         fold.best]
        for number, fold in enumerate(folds)
    ]  # fmt: skip
    show_table(
        f'cost against {next(iter(suites[0]))}',
        ('split', 'chosen', 'on its half', 'on the other half, 95 %', 'gap', 'best on the other'),
        rows,
    )
    print(f'mean gap {np.mean([fold.gap for fold in folds]):+.1%}')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
