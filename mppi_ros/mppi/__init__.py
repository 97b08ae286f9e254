"""The MPPI optimiser: sampling, score, natural gradient and iteration, independent of f."""

from mppi_ros.mppi import score, theory
from mppi_ros.mppi.objective import BlockObjective
from mppi_ros.mppi.optimizer import IterationStatistics, Optimizer
from mppi_ros.mppi.parameters import MppiParameters, NoiseParameters
from mppi_ros.parameters.errors import InputError, MppiError, ParameterError

__all__ = [
    'BlockObjective',
    'InputError',
    'MppiError',
    'MppiParameters',
    'NoiseParameters',
    'Optimizer',
    'ParameterError',
    'IterationStatistics',
    'score',
    'theory',
]
