"""
Search of parameters with Optuna: TPE and CMA-ES in turns, and races over paired drives.

The value of a trial is the mean difference of its costs from those of the start, drive by drive.
Each drive is reported to Optuna's Wilcoxon pruner, which ends the trial when it is significantly
worse than the best trial in the same drives. The study is in a journal file, which any number of
processes and machines may share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.evaluation.runner import run_cases
from mppi_ros.evaluation.tuning.drives import Drive, drive_all
from mppi_ros.evaluation.tuning.objective import Objective, Record
from mppi_ros.evaluation.tuning.space import Axis, changed, rounded
from mppi_ros.evaluation.tuning.study import JOURNAL, STUDY, storage_in, without_warnings
from mppi_ros.files import reading
from mppi_ros.parameters.errors import InputError

if TYPE_CHECKING:
    import optuna

RACE_THRESHOLD = 0.1  # p of the Wilcoxon test below which a trial is worse
MIN_DRIVES = 4  # of a trial before it may be pruned
START = 'start costs'  # attribute of the study
START_SECONDS = 'seconds of the start'  # attribute of the study
MIN_EXCESS = 1e-9  # of the value of a trial with missing drives over the best
MIN_TRIALS = 10  # for the importance
DRIVES_AHEAD = 2  # of one trial at a time; more would be wasted if it is pruned


@dataclass(frozen=True)
class Progress:
    """State of the search after a drive: what finished, what is best."""

    trials: int
    running: dict[str, float]
    best: str
    message: str


@dataclass(frozen=True)
class Point:
    """
    Values to test in the held-out drives.

    `name` is part of the file name; `gains` are the mean differences of cost from the start in
    the drives of the search, one for each objective.
    """

    name: str
    values: dict[str, float]
    gains: tuple[float, ...]


@dataclass
class Candidate:
    """A running trial: its values, the drives issued, and the records that returned."""

    trial: optuna.Trial
    values: dict[str, float]
    sampler: str
    issued: int = 0
    records: dict[int, Record] = field(default_factory=dict)
    closed: bool = False


class Search:
    """Search over one set of drives; the configuration at the start is the reference."""

    def __init__(
        self,
        folder: Path,
        configuration: ControllerParameters,
        axes: Sequence[Axis],
        objective: Objective,
        drives: Sequence[Drive],
        *,
        seed: int = 0,
        jobs: int = 1,
        cluster: str = '',
        setup: dict[str, Any] | None = None,
    ) -> None:
        """
        Open or create the study in a folder.

        Raises
        ------
        MppiError
            Optuna is not installed.
        InputError
            The folder holds a study of another set-up, or its journal is damaged.

        """
        self.axes, self.objective, self.drives = list(axes), objective, list(drives)
        self.objectives = {'cost': objective}
        self._configuration, self._jobs, self._cluster = configuration, jobs, cluster
        with reading(folder / JOURNAL, 'a journal of a search'), without_warnings():
            self._studies = self._open_study(folder, configuration, seed)
        self._open: list[Candidate] = []
        self._issued: dict[int, tuple[Candidate, int]] = {}
        setup = setup or {}
        known = self.study.user_attrs.get('setup', setup)
        other = [name for name in known | setup if known.get(name) != setup.get(name)]
        if other:
            raise InputError(
                f'{folder} holds a search with another {other[0]}; use another --output'
            )
        self.study.set_user_attr('setup', setup)

    @property
    def study(self) -> optuna.Study:
        """Return the study."""
        return next(iter(self._studies.values()))

    @property
    def start_costs(self) -> list[Any]:
        """Return the costs of the start in the drives; empty before they are known."""
        return list(self.study.user_attrs.get(START, []))

    @property
    def start_seconds(self) -> float:
        """Return how long the drives of the start took [s], here or in an earlier call."""
        return float(self.study.user_attrs.get(START_SECONDS, 0.0))

    def start(self, notify: Callable[[int], None]) -> None:
        """Drive the start, unless the study knows its costs; `notify` receives the count."""
        if self.start_costs:
            return
        begin = time.monotonic()
        rows = drive_all(
            self.drives, self._configuration, self._jobs, self._cluster, notify
        )
        if self.start_costs:  # another process was faster
            return
        self.study.set_user_attr(START_SECONDS, time.monotonic() - begin)
        self.study.set_user_attr(START, [self._cost(row) for row in rows])
        self._add_start(rows)

    def run(self, deadline: float, notify: Callable[[Progress], None]) -> None:
        """Search until a time of time.monotonic(); close open trials on interruption."""
        costs = self.start_costs
        try:
            results = run_cases(
                self._next_drives(deadline), self._jobs, self._cluster, in_flight=1
            )
            for number, record in results:
                candidate, step = self._issued.pop(number)
                message = self._add(candidate, step, record, costs)
                notify(Progress(
                    self.trials(), candidate.values, self.describe_best(), message,
                ))  # fmt: skip
        finally:
            from optuna.trial import TrialState

            for candidate in self._open:
                self._study_of(candidate).tell(candidate.trial, state=TrialState.FAIL)
            self._open.clear()

    def best(self) -> tuple[dict[str, float], float]:
        """
        Return values and mean difference of cost of the best complete trial.

        A trial within the hard limits is preferred to any other, then one that violates them
        less; the start is a trial.
        """
        found = [
            (excess(trial), sum(trial.values), trial.number, trial.params)
            for trial in self.complete()
        ]
        _, value, _, values = min(found, key=lambda each: each[:3])
        return rounded_values(values), float(value)

    def points(self) -> list[Point]:
        """Return the best trial, to be tested; nothing if the start is the best."""
        values, gain = self.best()
        return [Point('', values, (gain,))] if gain < 0.0 else []

    def describe_best(self) -> str:
        """Return the value of the best trial as text."""
        return f'best {self.best()[1]:+.3f}'

    def complete(self) -> list[Any]:
        """Return the trials that drove everything, with the start."""
        return [
            trial for trial in self.study.get_trials(deepcopy=False)
            if trial.value is not None and len(trial.intermediate_values) == len(self.drives)
        ]

    def trials(self) -> int:
        """Return the number of trials that ended with a value, without the start."""
        return sum(
            trial.values is not None and trial.user_attrs.get('sampler') != 'start'
            for trial in self.study.get_trials(deepcopy=False)
        )

    def importances(self) -> dict[str, dict[str, float]]:
        """
        Return the importance of the axes by PED-ANOVA, for each objective.

        It is empty with fewer than MIN_TRIALS trials.
        """
        from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

        found: dict[str, dict[str, float]] = {name: {} for name in self.objectives}
        if self.trials() < MIN_TRIALS:
            return found
        for index, name in enumerate(self.objectives):
            # All trials may have equal values.
            with suppress(RuntimeError, ValueError), without_warnings():
                found[name] = dict(get_param_importances(
                    self.study, evaluator=PedAnovaImportanceEvaluator(),
                    target=lambda trial, k=index: trial.values[k],
                ))  # fmt: skip
        return found

    def with_values(self, values: dict[str, float]) -> ControllerParameters:
        """Return the configuration with values of the axes."""
        return changed(self._configuration, self.axes, values)

    def _add_start(self, rows: Sequence[Record]) -> None:
        from optuna.trial import create_trial

        trial = create_trial(
            params={axis.name: axis.value(self._configuration) for axis in self.axes},
            distributions=_distributions(self.axes),
            user_attrs=_terms(rows) | {'sampler': 'start'},
            constraints=self.objective.violations(rows), **self._start_values(len(rows)),
        )  # fmt: skip
        self.study.add_trial(trial)

    def _next_drives(self, deadline: float) -> Iterator[Drive]:
        """Yield the next drive of the oldest trial that may go on, else of a new trial."""
        number = 0
        while time.monotonic() < deadline:
            ready = [
                each for each in self._open
                if each.issued < len(self.drives)
                and each.issued - len(each.records) < DRIVES_AHEAD
            ]  # fmt: skip
            candidate = ready[0] if ready else self._ask()
            step = candidate.issued
            candidate.issued += 1
            self._issued[number] = candidate, step
            number += 1
            yield self.drives[step].with_configuration(self.with_values(candidate.values))

    def _ask(self) -> Candidate:
        names = list(self._studies)
        sampler = names[len(self.study.get_trials(deepcopy=False)) % len(names)]
        with without_warnings():
            trial = self._studies[sampler].ask(_distributions(self.axes))
        trial.set_user_attr('sampler', sampler)
        self._open.append(Candidate(trial, rounded_values(trial.params), sampler))
        return self._open[-1]

    def _add(
        self, candidate: Candidate, step: int, record: Record, start: Sequence[Any]
    ) -> str:
        """Report a record; tell the study when the trial ends; return a message if it does."""
        if candidate.closed:  # pruned while this drive was on its way
            return ''
        candidate.records[step] = record
        self._report(candidate, step, start)
        rows = list(candidate.records.values())
        whole = len(rows) == len(self.drives)
        limits = self.objective.violations(rows)
        broken = [name for name, each in limits.items() if each > 0.0]
        infeasible = broken and self._within_limits()
        worse = self._is_worse(candidate, start)
        if not (whole or infeasible or worse):
            return ''
        values = self._values(candidate, start)
        for name, each in limits.items():
            candidate.trial.set_constraint(name, each)
        for name, each in _terms(rows).items():
            candidate.trial.set_user_attr(name, each)
        with without_warnings():
            self._study_of(candidate).tell(candidate.trial, values)
        candidate.closed = True
        self._open.remove(candidate)
        end = f'violates {", ".join(broken)}' if broken else 'complete' if whole else 'worse'
        text = ', '.join(f'{value:+.3f}' for value in values)
        return (f'trial {candidate.trial.number} ({candidate.sampler}): {text} after '
                f'{len(rows)} of {len(self.drives)} drives, {end}')  # fmt: skip

    def _cost(self, record: Record) -> Any:
        """Return the cost of a drive, as the study stores it."""
        return self.objective.cost(record)

    def _start_values(self, drives: int) -> dict[str, Any]:
        """Return value and intermediate values of the trial that is the start."""
        return {'value': 0.0, 'intermediate_values': dict.fromkeys(range(drives), 0.0)}

    def _report(self, candidate: Candidate, step: int, start: Sequence[Any]) -> None:
        """Report a drive to the pruner."""
        cost = self.objective.cost(candidate.records[step])
        candidate.trial.report(cost - start[step], step)

    def _is_worse(self, candidate: Candidate, start: Sequence[Any]) -> bool:
        """Return whether the race ends the trial."""
        return bool(candidate.trial.should_prune())

    def _values(self, candidate: Candidate, start: Sequence[Any]) -> list[float]:
        """
        Return the mean difference from the start, estimated if drives are missing.

        The first drives may have much more or less to gain than the others. The estimate is
        therefore the value of the best trial plus the mean difference from it in the same drives;
        it exceeds that value, so that a trial with missing drives is never the best.
        """
        differences = {
            index: self.objective.cost(row) - start[index]
            for index, row in candidate.records.items()
        }
        if len(differences) == len(self.drives):
            return [float(np.mean(list(differences.values())))]
        best = self.study.best_trial
        beyond = [value - best.intermediate_values[k] for k, value in differences.items()]
        return [float(best.value + max(np.mean(beyond), MIN_EXCESS))]

    def _open_study(
        self, folder: Path, configuration: ControllerParameters, seed: int
    ) -> dict[str, optuna.Study]:
        """Return views of one study, by the name of the sampler that each asks."""
        storage, is_new = storage_in(folder)
        import optuna

        start = {axis.name: axis.value(configuration) for axis in self.axes}
        # The seeds of the first run would repeat its values.
        first, second = (seed, seed + 1) if is_new else (None, None)
        samplers: dict[str, optuna.samplers.BaseSampler] = {
            'TPE': optuna.samplers.TPESampler(seed=first, multivariate=True),
        }
        if len(self.axes) > 1:  # CMA-ES needs two dimensions
            samplers['CMA-ES'] = optuna.samplers.CmaEsSampler(x0=start, seed=second)
        pruner = optuna.pruners.WilcoxonPruner(
            p_threshold=RACE_THRESHOLD, n_startup_steps=MIN_DRIVES
        )
        return {
            name: optuna.create_study(
                storage=storage, sampler=sampler, pruner=pruner, study_name=STUDY,
                direction='minimize', load_if_exists=True,
            )
            for name, sampler in samplers.items()
        }  # fmt: skip

    def _within_limits(self) -> bool:
        return any(excess(trial) == 0.0 for trial in self.complete())

    def _study_of(self, candidate: Candidate) -> optuna.Study:
        return self._studies[candidate.sampler]


def _terms(rows: Sequence[Record]) -> dict[str, float]:
    """Return the mean of each term over the episodes that reached the goal."""
    reached = [row['terms'] for row in rows if row['success']]
    names = reached[0] if reached else ()
    return {name: float(np.mean([row[name] for row in reached])) for name in names}


def _distributions(axes: Sequence[Axis]) -> dict[str, Any]:
    from optuna.distributions import FloatDistribution

    return {axis.name: FloatDistribution(axis.low, axis.high, log=axis.log) for axis in axes}


def rounded_values(values: Mapping[str, float]) -> dict[str, float]:
    """Return the values that are driven, with few digits."""
    return {name: rounded(number) for name, number in values.items()}


def excess(trial: Any) -> float:
    """Return by how much a trial violates the hard limits, in total."""
    return float(sum(max(each, 0.0) for each in trial.constraints.values()))
