"""Subcommand `mppi_evaluate compare`: two results, paired episode by episode."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mppi_ros.cli.arguments import Subparsers
from mppi_ros.cli.console import show_table
from mppi_ros.evaluation import results
from mppi_ros.evaluation.aggregate import EpisodeRecord, reason_of_failure
from mppi_ros.evaluation.bootstrap import CONFIDENCE
from mppi_ros.evaluation.comparison import changed, check_episodes, differences, name_of, pair
from mppi_ros.parameters.errors import InputError


def add_parser(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        'compare', help='compare two results, paired by episode',
        description='Compare two results of one suite, paired by scenario, plant and seed.',
        epilog='exit code: 0 compared, whatever differs, 2 invalid arguments or input',
    )
    parser.add_argument('a', type=Path, metavar='A.json', help='result of --json: before')
    parser.add_argument('b', type=Path, metavar='B.json', help='result of --json: after')
    parser.add_argument('--json', type=Path, metavar='OUT', help='write the comparison to OUT')


def run(options: argparse.Namespace) -> int:
    """Print the differences with their intervals and the episodes that changed; return 0."""
    a, b = (results.read_json(path, 'suite', 'episodes') for path in (options.a, options.b))
    for path, result in ((options.a, a), (options.b, b)):
        check_episodes(path, result['episodes'])
    if a['suite'] != b['suite']:
        raise InputError(f'{options.a} holds suite {a["suite"]}, {options.b} {b["suite"]}')
    pairs = pair(a['episodes'], b['episodes'])
    found = differences(pairs)
    share = f'{100 * CONFIDENCE:.0f} %'
    show_table(
        f'{a["suite"]}: B − A over {len(pairs)} paired episodes',
        ('measure', 'pairs', 'A', 'B', 'B − A', f'{share} from', 'to', 'verdict'),
        [[d.measure, d.pairs, d.before, d.after, d.mean, d.low, d.high, d.verdict] for d in found],
    )
    better, worse = changed(pairs)
    for word, episodes in (('better', better), ('worse', worse)):
        print(f'{len(episodes)} episodes got {word}')
        for one, two in episodes:
            print(f'  {name_of(one)}: {_outcome(one)} → {_outcome(two)}')
    if options.json:
        content: dict[str, Any] = {
            'comparison': a['suite'], 'pairs': len(pairs), 'confidence': CONFIDENCE,
            'differences': [{**vars(d), 'verdict': d.verdict} for d in found],
            'better': [name_of(one) for one, _ in better],
            'worse': [name_of(one) for one, _ in worse],
        }  # fmt: skip
        results.write_json(options.json, content)
    return 0


def _outcome(episode: EpisodeRecord) -> str:
    reasons = reason_of_failure(episode) if episode.get('failed') else ''
    return reasons or f'score {episode["score"]:.3f} in {episode["time_s"]:.1f} s'
