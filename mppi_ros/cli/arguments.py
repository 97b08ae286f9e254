"""Argument parser of all command lines, and converters for the values of arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable
import os
from typing import NoReturn, TypeAlias, TypeVar

T = TypeVar('T')
Subparsers: TypeAlias = 'argparse._SubParsersAction[Parser]'


class Parser(argparse.ArgumentParser):
    """A parser that reports an error in one line and exits with code 2."""

    def error(self, message: str) -> NoReturn:
        """Print the error and exit."""
        self.exit(2, f'{self.prog}: {message}\n')


def integer(low: int, high: int) -> Callable[[str], int]:
    """Return a converter to an integer in [low, high]."""

    def read(text: str) -> int:
        if not text.removeprefix('-').isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f'{text!r} is not an integer in [{low}, {high}]')
        return int(text)

    return read


def number(low: float, high: float, unit: str) -> Callable[[str], float]:
    """Return a converter to a number in [low, high]."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f'{text!r} is not a number') from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f'{text!r} is outside [{low:g}, {high:g}] {unit}')
        return value

    return read


def listed(read: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """Return a converter to a tuple of comma-separated values without duplicates."""

    def values(text: str) -> tuple[T, ...]:
        parts = [part.strip() for part in text.split(',') if part.strip()]
        if not parts:
            raise argparse.ArgumentTypeError(f'{text!r} holds no value')
        return tuple(dict.fromkeys(map(read, parts)))

    return values


def add_processes(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for where the drives of a command run, which does not affect them."""
    parser.add_argument(
        '--jobs', type=integer(1, 1024), default=len(os.sched_getaffinity(0)), metavar='N',
        help='number of processes, which does not affect the results; default: %(default)s',
    )
    parser.add_argument(
        '--cluster', default='', metavar='ADDRESS',
        help='run on the Dask cluster of this scheduler; the results are the same',
    )
