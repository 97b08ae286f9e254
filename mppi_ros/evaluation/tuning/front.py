"""
Search for the Pareto front of two objectives with Optuna's multi-objective TPE.

Optuna prunes no trials of such a study. A race of our own replaces the pruner: after each drive,
Wilcoxon's signed-rank test compares the trial with each one on the front in the same drives. It
ends if one of these is significantly better in both objectives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.evaluation.bootstrap import percentile_interval
from mppi_ros.evaluation.tuning.drives import Drive
from mppi_ros.evaluation.tuning.objective import Objective, Record
from mppi_ros.evaluation.tuning.search import (
    MIN_DRIVES,
    MIN_EXCESS,
    RACE_THRESHOLD,
    Candidate,
    Point,
    Search,
    excess,
    rounded_values,
)
from mppi_ros.evaluation.tuning.space import Axis
from mppi_ros.evaluation.tuning.study import STUDY, storage_in

if TYPE_CHECKING:
    import optuna

DIFFERENCES = 'differences'  # attribute of a trial: from the start, float[drives][objectives]
BOTH, KNEE = 'both', 'knee'  # names of points
MAX_POINTS = 3  # of the front that are tested: both ends and the knee


class FrontSearch(Search):
    """Search whose trials have one value for each of two objectives."""

    def __init__(
        self,
        folder: Path,
        configuration: ControllerParameters,
        axes: Sequence[Axis],
        objectives: Mapping[str, Objective],
        drives: Sequence[Drive],
        **words: Any,
    ) -> None:
        """
        Open or create the study in a folder; see Search.

        Parameters
        ----------
        objectives : {name: Objective}
            Two objectives with equal hard limits.

        """
        first = next(iter(objectives.values()))
        super().__init__(folder, configuration, axes, first, drives, **words)
        self.objectives = dict(objectives)

    def front(self) -> list[Any]:
        """
        Return the trials that no other one surpasses, by their first value.

        They keep the hard limits; if no trial does, the one that violates them least is returned.
        """
        found = self.study.best_trials or [
            min(self.complete(), key=lambda trial: (excess(trial), trial.number))
        ]
        return sorted(found, key=lambda trial: trial.values)

    def points(self) -> list[Point]:
        """
        Return the points of the front to test: both ends and the knee.

        Only trials that are not worse than the start in the drives of the search count: the 95 %
        interval of the difference reaches to 0 or below in each objective. The knee is the trial
        farthest from the line between the ends, each objective scaled to [0, 1].
        """
        trials = [trial for trial in self.front() if self._is_eligible(trial)]
        if not trials:
            return []
        values = np.array([trial.values for trial in trials])
        low, high = values.min(axis=0), values.max(axis=0)
        scaled = (values - low) / np.maximum(high - low, MIN_EXCESS)
        ends = {name: int(np.argmin(scaled[:, k])) for k, name in enumerate(self.objectives)}
        chosen = {**ends, KNEE: int(np.argmin(scaled.sum(axis=1)))}
        if len(set(ends.values())) == 1:
            chosen = {BOTH: next(iter(ends.values()))}
        elif chosen[KNEE] in ends.values():
            del chosen[KNEE]
        return [
            Point(name, rounded_values(trials[k].params), tuple(trials[k].values))
            for name, k in chosen.items()
        ]

    def complete(self) -> list[Any]:
        """Return the trials that drove everything, with the start."""
        return [
            trial for trial in self.study.get_trials(deepcopy=False)
            if trial.values is not None and self._differences_of(trial) is not None
        ]

    def describe_best(self) -> str:
        """Return the size of the front and the range of its values as text."""
        trials = self.front()
        values = np.array([trial.values for trial in trials])
        ranges = ', '.join(
            f'{name} {low:+.3f} to {high:+.3f}' for name, low, high in
            zip(self.objectives, values.min(axis=0), values.max(axis=0), strict=True)
        )  # fmt: skip
        return f'{len(trials)} on the front, {ranges}'

    def _cost(self, record: Record) -> list[float]:
        return [objective.cost(record) for objective in self.objectives.values()]

    def _start_values(self, drives: int) -> dict[str, Any]:
        return {'values': [0.0] * len(self.objectives)}

    def _report(self, candidate: Candidate, step: int, start: Sequence[Any]) -> None:
        """Keep the differences of a trial that drove everything, for the race of later ones."""
        if len(candidate.records) == len(self.drives):
            differences = self._differences(candidate, start).tolist()
            candidate.trial.set_user_attr(DIFFERENCES, differences)

    def _is_worse(self, candidate: Candidate, start: Sequence[Any]) -> bool:
        return self._better_one(candidate, start) is not None

    def _values(self, candidate: Candidate, start: Sequence[Any]) -> list[float]:
        """
        Return the mean differences from the start, estimated if drives are missing.

        The estimate is relative to the trial that won the race, as in Search: it exceeds its
        values, so that a trial with missing drives is never on the front.
        """
        own = self._differences(candidate, start)
        if len(own) == len(self.drives):
            return [float(value) for value in own.mean(axis=0)]
        reference = self._better_one(candidate, start) or self.front()[0]
        beyond = (own - self._same_drives(reference, candidate)).mean(axis=0)
        return [
            float(value + max(more, MIN_EXCESS))
            for value, more in zip(reference.values, beyond, strict=True)
        ]

    def _better_one(self, candidate: Candidate, start: Sequence[Any]) -> Any:
        """Return a trial of the front that is better in each objective, or None."""
        if len(candidate.records) < MIN_DRIVES:
            return None
        own = self._differences(candidate, start)
        for trial in self.front():
            beyond = own - self._same_drives(trial, candidate)
            if (beyond.mean(axis=0) <= 0.0).any():
                continue
            test = wilcoxon(beyond, axis=0, alternative='greater', zero_method='zsplit')
            if (test.pvalue < RACE_THRESHOLD).all():
                return trial
        return None

    def _differences(self, candidate: Candidate, start: Sequence[Any]) -> NDArray[np.float64]:
        """Return the differences from the start in the drives so far, float64[n, objectives]."""
        return np.array([
            np.subtract(self._cost(candidate.records[step]), start[step])
            for step in sorted(candidate.records)
        ])

    def _same_drives(self, trial: Any, candidate: Candidate) -> NDArray[np.float64]:
        """Return the differences of a complete trial in the drives of a candidate."""
        found = self._differences_of(trial)
        assert found is not None
        return found[sorted(candidate.records)]

    def _differences_of(self, trial: Any) -> NDArray[np.float64] | None:
        """Return the differences of a complete trial; None if it did not drive everything."""
        if trial.user_attrs['sampler'] == 'start':
            return np.zeros((len(self.drives), len(self.objectives)))
        if DIFFERENCES not in trial.user_attrs:
            return None
        return np.array(trial.user_attrs[DIFFERENCES])

    def _is_eligible(self, trial: Any) -> bool:
        differences = self._differences_of(trial)
        assert differences is not None
        return min(trial.values) < 0.0 and all(
            percentile_interval(np.mean, column)[0] <= 0.0 for column in differences.T
        )

    def _open_study(
        self, folder: Path, configuration: ControllerParameters, seed: int
    ) -> dict[str, optuna.Study]:
        """Return the study; NSGA-II would need more trials for one of its populations."""
        storage, is_new = storage_in(folder)
        import optuna

        sampler = optuna.samplers.TPESampler(seed=seed if is_new else None, multivariate=True)
        return {'TPE': optuna.create_study(
            storage=storage, sampler=sampler, study_name=STUDY, load_if_exists=True,
            directions=['minimize', 'minimize'],
        )}  # fmt: skip
