"""The argument parser of all command lines and the types of their arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable
import math
from typing import NoReturn, TypeVar

T = TypeVar('T')


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong, and exits with 2."""

    def error(self, message: str) -> NoReturn:
        """Print one line and end."""
        self.exit(2, f'{self.prog}: {message}\n')


def integer(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of an integer within [low, high]."""

    def read(text: str) -> int:
        if not text.removeprefix('-').isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f'{text!r} is not an integer in [{low}, {high}]')
        return int(text)

    return read


def number(low: float, high: float, unit: str) -> Callable[[str], float]:
    """Return a reader of a number within [low, high]."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f'{text!r} is outside [{low:g}, {high:g}] {unit}')
        return value

    return read


def listed(read: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """Return a reader of values with commas between them; repeated values count once."""
    return lambda text: tuple(dict.fromkeys(read(part.strip()) for part in text.split(',')))
