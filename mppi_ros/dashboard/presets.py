"""Changes of parameters by symptom, from the table in docs/tuning.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mppi_ros.dashboard.parameter_model import Entry, ParameterModel
from mppi_ros.parameters.declaration import Value


@dataclass(frozen=True)
class Preset:
    """
    A remedy for a symptom.

    `title` is short; `symptom` is the row of the table. Each of the parameters is set to a value,
    or a number is multiplied by `factor` or increased by `step`.
    """

    title: str
    symptom: str
    values: Mapping[str, Value] | None = None
    factor: Mapping[str, float] | None = None
    step: Mapping[str, float] | None = None

    @property
    def names(self) -> list[str]:
        """Return the names of the parameters."""
        return [*(self.values or ()), *(self.factor or ()), *(self.step or ())]

    def changes(self, model: ParameterModel) -> dict[str, Value]:
        """Return the values to set, limited to the range; empty for unknown parameters."""
        changes: dict[str, Value] = {
            name: value for name, value in (self.values or {}).items() if name in model
        }
        for table, plus in ((self.factor, False), (self.step, True)):
            for name, amount in (table or {}).items():
                if name in model:
                    changes[name] = _moved(model[name], amount, plus=plus)
        return changes


def _moved(entry: Entry, amount: float, *, plus: bool) -> Value:
    """Return the value of a number plus, or times, `amount`, limited to its range."""
    assert isinstance(entry.value, (int, float))
    value = entry.value + amount if plus else entry.value * amount
    if entry.low is not None:
        value = max(value, entry.low)
    if entry.high is not None:
        value = min(value, entry.high)
    return round(value) if entry.kind == 'integer' else round(value, 6)


PRESETS = (
    Preset('restless', 'gives jerky commands on straight segments',
           {'alpha': 0.3, 'ess_share': 0.02}),
    Preset('slow to react', 'reacts slowly to new obstacles', {'alpha': 0.8}),
    Preset('overshoots the goal', 'overshoots the goal',
           {'critics.goal_stop.speed_per_metre': 1.0}),
    Preset('too close', 'passes obstacles too closely', step={'critics.obstacle.margin': 0.1}),
    Preset('too fast beside obstacles', 'passes obstacles too fast',
           step={'critics.clearance_speed.full_speed_clearance': 0.1}),
    Preset('too shy', 'does not enter a gap that is wide enough',
           {'critics.obstacle.weight': 0.5}),
    Preset('cuts corners', 'deviates too far from the plan',
           factor={'critics.path_tracking.weight': 2.0}),
    Preset('clings to the plan', 'follows a poor plan too closely',
           factor={'critics.path_tracking.weight': 0.3}),
    Preset('reverses too often', 'reverses where it should turn',
           factor={'critics.prefer_forward.weight': 2.0}),
    Preset('spins while driving', 'spins while driving (omni)',
           factor={'critics.twirling.weight': 2.0}),
    Preset('turns away too late', 'turns away from a blocked passage too late',
           {'horizon_steps': 80}),
    Preset('too close to people', 'passes people too closely',
           step={'critics.moving_obstacle.comfort_distance': 0.2}),
    Preset('too close to where people go',
           'keeps too much or too little distance from moving obstacles',
           factor={'moving_obstacles.velocity_std': 2.0}),
    Preset('ignores zones',
           'ignores preferred lanes, keep-out zones or slow zones of the costmap',
           {'critics.zone.weight': 8.0}),
    Preset('too much CPU', 'uses too much CPU time', {'samples': 512, 'ess_share': 0.04}),
)
