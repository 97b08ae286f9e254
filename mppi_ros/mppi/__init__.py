"""The optimiser and nothing else: sampling, score, natural gradient, iteration; it sees only f."""

from mppi_ros.mppi import score, theory
from mppi_ros.mppi.errors import InputError, MppiError, ParameterError
from mppi_ros.mppi.optimizer import BlockObjective, Optimizer, Step
from mppi_ros.mppi.settings import MppiParameters, Noise

__all__ = [
    'BlockObjective',
    'InputError',
    'MppiError',
    'MppiParameters',
    'Noise',
    'Optimizer',
    'ParameterError',
    'Step',
    'score',
    'theory',
]
