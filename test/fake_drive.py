"""Stand-ins for drives whose cost is a known function of the parameters."""
from __future__ import annotations

from dataclasses import dataclass, replace
import math
import os
from pathlib import Path
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving.costmap import Costmap
from mppi_ros.parameters.declaration import flatten
from mppi_ros.parameters.declaration import replace as with_changes

BEST = {'lambda': 0.2, 'sigma_share[0]': 0.5, 'sigma_share[1]': 0.25}
WRONG = with_changes(  # λ by 25, standard deviations by 4
    ControllerParameters(), {'lambda': 5.0, 'sigma_share': (2.0, 1.0, 0.4)}
)
SEARCHED = ('lambda', 'sigma_share')
RUNS: list[str] = []  # names of the drives in the order of their runs


@dataclass(frozen=True)
class FakeDrive:
    """
    A drive whose time grows with the squared logarithm of the distance from `best`.

    `difficulty` is the minimum time, and `scale` a factor on the growth. The jerk term grows
    likewise with the distance from `calm`. The drive ends in contact if λ is below
    `contact_below`, and its jerk is `jerk` / λ. It takes `seconds`. If the file `kill` exists, the
    drive removes it and kills its process.
    """

    name: str
    difficulty: float
    best: tuple[tuple[str, float], ...] = tuple(BEST.items())
    calm: tuple[tuple[str, float], ...] = ()
    contact_below: float = 0.0
    jerk: float = 0.0
    scale: float = 1.0
    seconds: float = 0.0
    kill: Path | None = None
    configuration: ControllerParameters | None = None

    def with_configuration(self, configuration):
        return replace(self, configuration=configuration)

    def run(self):
        RUNS.append(self.name)
        time.sleep(self.seconds)
        if self.kill and self.kill.exists():
            self.kill.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        flat = flatten(self.configuration)
        share = flat['sigma_share']
        values = {'lambda': flat['lambda'], 'sigma_share[0]': share[0], 'sigma_share[1]': share[1]}
        distance, jerk_distance = (
            sum(math.log(values[name] / best) ** 2 for name, best in optimum)
            for optimum in (self.best, self.calm)
        )
        contact = flat['lambda'] < self.contact_below
        duration = self.difficulty + 0.1 * self.scale * distance
        record = {
            'success': not contact, 'collision': contact, 'time_s': 10.0 * duration,
            'min_clearance_m': 0.2, 'rms_jerk': self.jerk / flat['lambda'],
            'rms_acceleration': 0.3, 'way_left': 0.5,
            'terms': {'time': duration, 'jerk': 1.0 + 0.1 * self.scale * jerk_distance,
                      'clearance': 0.0, 'comfort': 0.2},
        }
        return record, SimpleNamespace(
            trace=trace(10.0 * duration), success=not contact, collision=contact,
            time_s=10.0 * duration)

    def discs(self, time):
        return np.array([[1.0, 2.0, 0.2]])


def fakes(count, first=0, **words):
    """Return drives of different difficulty."""
    return [FakeDrive(f'drive {k}', 0.5 + 0.13 * (k % 5), **words)
            for k in range(first, first + count)]


def run_trials(search, trials):
    """Interrupt a search with KeyboardInterrupt after a number of trials."""
    ended = []

    def notify(progress):
        if progress.message:
            ended.append(progress.message)
        if len(ended) == trials:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search.run(math.inf, notify)
    return ended


def check_values(search):
    """Assert that the value of each complete trial matches its parameters."""
    for trial in search.complete()[1:]:
        values = {name: float(f'{value:.3g}') for name, value in trial.params.items()}
        for index, drive in enumerate(search.drives):
            record, _ = drive.with_configuration(search.with_values(values)).run()
            difference = search.objective.cost(record) - search.start_costs[index]
            assert trial.intermediate_values[index] == pytest.approx(difference)


def trace(duration):
    """Return a stand-in for the trace of an episode."""
    along = np.linspace(0.0, 3.0, 20)
    return SimpleNamespace(
        map=Costmap(np.zeros((60, 80), np.int8), 0.05, 0.0, 0.0),
        pose=np.column_stack([along, 1.0 + 0.1 * np.sin(duration * along), along]),
        time=np.linspace(0.0, duration, 20), goal=(3.0, 1.0, 0.0), plan=np.empty((0, 3)),
        footprint=np.array([[-0.2, -0.2], [0.3, -0.2], [0.3, 0.2], [-0.2, 0.2]]),
    )
