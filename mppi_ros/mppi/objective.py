"""Interfaces of objectives that the optimiser evaluates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mppi_ros.mppi import noise as sampling
from mppi_ros.mppi.sequences import Floats

CostFunction = Callable[[Floats], NDArray[np.floating]]


@runtime_checkable
class BlockObjective(Protocol):
    """
    An objective that rolls out blocks of noise itself, without controls (K, T, m).

    It may have an attribute `sigma_scale`, float32[m] or None: factors on the standard
    deviations of the controls in this step.
    """

    def evaluate_blocks(
        self,
        mean: Floats,
        factor: Floats,
        noise: Floats,
        costs: Floats,
        threads: int,
        draw: sampling.NoiseKey,
        process: sampling.AR2Process,
    ) -> None:
        """
        Fill costs, float32[blocks, BLOCK], with f(x̄ ± L n).

        mean is float32[T, m], factor is L, float32[m, m], noise is n, float32[drawn, T · m,
        BLOCK]; blocks of costs beyond the drawn ones belong to −n. The objective draws n with
        noise.draw_block, since a block of noise is best used while it is in the cache.
        """

    def project(self, mean: Floats) -> None:
        """
        Project mean, float32[T, m], to the closest feasible sequence, in place.

        A plain callable may have this method, too.
        """
