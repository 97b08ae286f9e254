"""
Compare variants of the optimiser in closed loop: `python -m mppi_ros.cli.ablation SUITE`.

The result file is read, completed and written again, so variants can be added one by one.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
import json
import math
from pathlib import Path
import sys

import numpy as np

from mppi_ros.cli.arguments import Parser, add_processes, integer, listed
from mppi_ros.cli.console import show_table
from mppi_ros.evaluation import ablation
from mppi_ros.evaluation.request import Request
from mppi_ros.evaluation.suites import SUITES
from mppi_ros.parameters.errors import InputError, MppiError


def main(argv: Sequence[str] | None = None) -> int:
    """Drive the variants, compare each with the first; return 0, or 2 for wrong use."""
    options = _parse(sys.argv[1:] if argv is None else argv)
    try:
        request = Request(
            data=options.data, only=options.only, runs=options.runs, seed=options.seed,
            plants=options.plant, generated=options.generated,
        )
        unknown = set(options.variants) - set(ablation.VARIANTS)
        if unknown:
            known = ', '.join(ablation.VARIANTS)
            raise InputError(f'unknown variant {min(unknown)!r}; available: {known}')
        old = {}
        if options.json and options.json.exists():
            old = ablation.read_results(options.json)
        found = old | ablation.drive(
            options.suite, request, options.variants, options.jobs, options.cluster
        )
    except MppiError as error:
        print(f'ablation: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('ablation: interrupted', file=sys.stderr)
        return 1
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    _show(found)
    return 0


def _show(found: Mapping[str, Sequence[ablation.Episode]]) -> None:
    """Print the excess cost and jerk of each variant relative to those of the first."""
    found = ablation.avoidable(found)
    first = next(iter(found))
    rows = []
    for name, episodes in found.items():
        cost, low, high = ablation.ratio(found[first], episodes, 'excess_s')
        each_cost, least, most = ablation.typical(found[first], episodes, 'excess_s')
        rest, lowest, highest = ablation.ratio(found[first], episodes, 'avoidable_s')
        jerk, _, _ = ablation.ratio(found[first], episodes, 'mean_jerk')
        rows.append([
            name, len(episodes), np.mean([each['success'] for each in episodes]),
            np.mean([each['excess_s'] for each in episodes]),
            _change(cost, low, high), _change(each_cost, least, most),
            _change(rest, lowest, highest), _change(jerk),
            np.mean([each['solve_ms'] for each in episodes]),
        ])  # fmt: skip
    columns = ('variant', 'episodes', 'success', 'excess s', 'Δ sum, 95 %', 'Δ typical',
               'Δ avoidable', 'Δ jerk', 'ms')
    show_table(f'against {first}', columns, rows)


def _change(value: float, low: float = math.nan, high: float = math.nan) -> str:
    """Return a relative change with its interval; '–' if it is not known."""
    text = f'{value:+.0%}' if math.isfinite(value) else '–'
    known = math.isfinite(low) and math.isfinite(high)
    return f'{text} ({low:+.0%} to {high:+.0%})' if known else text


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog='python -m mppi_ros.cli.ablation',
        description='Drive variants of the optimiser through the same episodes.',
    )
    parser.add_argument('suite', choices=tuple(SUITES), help='suite of mppi_evaluate')
    parser.add_argument(
        '--variants', type=listed(str), default=('default', *ablation.BASELINES), metavar='A,B',
        help=f'compared with the first one; default: default and the baselines; there are '
        f'{", ".join(ablation.VARIANTS)}',
    )
    parser.add_argument(
        '--data', type=Path, metavar='DIR', help='folder with the data of the suite'
    )
    parser.add_argument(
        '--only', type=listed(str), default=(), metavar='A,B', help='run these scenarios only'
    )
    parser.add_argument(
        '--plant', type=listed(str), default=(), metavar='A,B',
        help='dynamics of the simulated robot: nominal, hard, extreme, heavy, ideal',
    )
    parser.add_argument(
        '--runs', type=integer(1, 1000), default=1, metavar='N',
        help='runs of each scenario; the seeds start at --seed; default: %(default)s',
    )
    parser.add_argument(
        '--seed', type=integer(0, 2**31 - 1), default=0, metavar='N',
        help='seed of the first run; default: %(default)s',
    )
    parser.add_argument(
        '--generated', type=integer(0, 100_000), default=0, metavar='N',
        help='generate N worlds instead of --data in the suite barn',
    )
    add_processes(parser)
    parser.add_argument(
        '--json', type=Path, metavar='FILE',
        help='write the results to FILE; results of other variants in it are kept and shown',
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    raise SystemExit(main())
