"""A solve has the same bits when its code is compiled or loaded, and makes no array."""
from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tracemalloc

import numpy as np

from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.motion_models import MotionState
from mppi_ros.driving.objective import DrivingObjective
from mppi_ros.driving.parameters import CriticParameters, Limits, PredictionParameters
from mppi_ros.driving.path import ReferencePath
from mppi_ros.mppi import MppiParameters, Optimizer


def scene(samples=256, threads=1):
    """Return an optimiser and an objective between two obstacles."""
    data = np.zeros((80, 120), np.int8)
    data[48:52, 50:56] = data[30:33, 60:66] = 100
    parameters = MppiParameters(samples=samples, horizon_steps=30, threads=threads)
    objective = DrivingObjective(
        Limits(),
        CriticParameters(),
        PredictionParameters(),
        Footprint.round(0.2),
        30,
        parameters.time_step,
    )
    objective.set_field(distance_field(Costmap(data, 0.05, 0.0, 0.0)))
    path = ReferencePath.from_poses([[1.0, 2.0, 0.0], [5.0, 2.2, 0.0]])
    objective.prepare(MotionState(1.2, 2.0, 0.1, 0.3, 0.0), (0.3, 0.0), path, 0.2)
    return Optimizer(parameters, 2), objective


def digest_of_solves(threads):
    """Return a digest of the means after each of five solves."""
    optimizer, objective = scene(threads=threads)
    digest = hashlib.sha256()
    for _ in range(5):
        optimizer.step(objective)
        optimizer.shift(0.02)
        digest.update(optimizer.mean.tobytes())
    return digest.hexdigest()


def test_code_that_is_compiled_and_code_that_is_loaded_give_the_same_bits(tmp_path):
    environment = {**os.environ, 'NUMBA_CACHE_DIR': str(tmp_path)}
    results = [
        json.loads(subprocess.run(
            [sys.executable, __file__], env=environment, capture_output=True, text=True,
            check=True).stdout)
        for _ in range(2)
    ]
    assert results[0] == results[1]
    assert len({*results[0], *results[1]}) == 1


def test_a_solve_allocates_no_array():
    optimizer, objective = scene(samples=4000)
    for _ in range(3):
        optimizer.step(objective)
        optimizer.shift(0.05)
    peaks = []
    tracemalloc.start()
    try:
        for _ in range(20):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            optimizer.step(objective)
            optimizer.shift(0.05)
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    # a few numbers and views of Python: the noise is 1 MB, the costs are 16 kB. The median,
    # because other threads of the process, such as pytest-xdist's, are counted as well
    assert np.median(peaks) < 12_000


if __name__ == '__main__':
    print(json.dumps([digest_of_solves(1), digest_of_solves(2)]))
