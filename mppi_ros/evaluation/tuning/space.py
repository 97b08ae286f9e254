"""Parameters that the tuner searches: range, scale and the reason for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.parameters.declaration import flatten, replace
from mppi_ros.parameters.errors import InputError

DIGITS = 3  # significant digits of a value that is tried


@dataclass(frozen=True)
class Axis:
    """
    One searched number: a parameter, or one element of a parameter that is a list.

    `name` is the dotted name, with [index] for an element; the search is uniform in [low, high],
    or in the logarithm; `reason` states the effect.
    """

    name: str
    low: float
    high: float
    reason: str
    log: bool = True

    @property
    def parameter(self) -> str:
        """Return the dotted name of the parameter."""
        return self.name.partition('[')[0]

    @property
    def index(self) -> int | None:
        """Return the index of the element; None if the parameter is one number."""
        return int(self.name[:-1].partition('[')[2]) if self.name.endswith(']') else None

    def value(self, configuration: ControllerParameters) -> float:
        """Return the value in a configuration."""
        found: Any = flatten(configuration)[self.parameter]
        return float(found if self.index is None else found[self.index])


LAMBDA = Axis('lambda', 0.01, 10.0, 'share of the samples that determine a step')
ESS_SHARE = Axis('ess_share', 0.003, 0.2, 'share of the samples that determine a step')
SPEED_SHARE = Axis('sigma_share[0]', 0.1, 2.5, 'spread of the sampled speeds')
TURNING_SHARE = Axis('sigma_share[1]', 0.05, 2.0, 'spread of the sampled turning rates')
CURVATURE_SHARE = Axis('sigma_share[2]', 0.05, 2.0, 'spread of the sampled curvatures')
# Limits, body, tolerances and safety are never searched: they describe the robot and the task.
# Samples and horizon are not either: they trade driving for computing time.
AXES = (
    Axis('noise.correlation_time', 0.2, 8.0, 'time for which a sample keeps its deviation'),
    Axis('noise.smoothing_time', 0.02, 0.6, 'smoothness of the sampled controls'),
    Axis('alpha', 0.2, 1.5, 'step toward the weighted samples at each tick'),
    Axis('critics.obstacle.weight', 0.1, 10.0, 'cost of small clearance'),
    Axis('critics.obstacle.margin', 0.05, 0.8, 'clearance below which a cost applies'),
    Axis('critics.clearance_speed.weight', 0.5, 64.0, 'cost of speed near obstacles'),
    Axis('critics.clearance_speed.full_speed_clearance', 0.05, 1.0,
         'clearance from which on top speed is free'),
    Axis('critics.path_tracking.weight', 0.1, 10.0, 'cost of the distance to the plan'),
    Axis('critics.path_tracking.scale', 0.05, 0.6, 'distance to the plan that is tolerated'),
    Axis('critics.path_heading.weight', 0.01, 2.0, 'cost of a heading off the plan'),
    Axis('critics.goal_position.weight', 0.5, 16.0, 'approach to the goal'),
    Axis('critics.goal_heading.weight', 0.1, 4.0, 'turn to the heading of the goal'),
    Axis('critics.goal_stop.speed_per_metre', 0.5, 4.0, 'speed of the approach to the goal'),
    Axis('critics.twirling.weight', 0.005, 1.0, 'cost of turning'),
    Axis('critics.smoothness.weight', 0.005, 2.0, 'cost of changes of the command'),
    Axis('critics.prefer_forward.weight', 0.1, 10.0, 'cost of reversing'),
)  # fmt: skip


def searched(configuration: ControllerParameters, only: Sequence[str] = ()) -> list[Axis]:
    """
    Return the axes for a robot, whose ranges contain its values.

    A configuration that sets λ or standard deviations is searched in these; otherwise in
    `ess_share` and `sigma_share`. A full covariance is not searched.

    Parameters
    ----------
    configuration : ControllerParameters
        Parameters at the start.
    only : sequence of str
        Names of parameters; empty for all.

    Raises
    ------
    InputError
        A name in `only` is not searched; the message lists those that are.

    """
    temperature = LAMBDA if configuration.mppi.temperature > 0.0 else ESS_SHARE
    known = [temperature, *_sigma(configuration), *AXES]
    names = {axis.parameter for axis in known}
    unknown = [name for name in only if name not in names]
    if unknown:
        raise InputError(
            f'--parameters: {unknown[0]!r} is not searched; one of {", ".join(sorted(names))} is '
            'expected'
        )
    chosen = [axis for axis in known if not only or axis.parameter in only]
    return [_containing(axis, axis.value(configuration)) for axis in chosen]


def changed(
    configuration: ControllerParameters, axes: Sequence[Axis], values: Mapping[str, float]
) -> ControllerParameters:
    """Return a configuration with values {name of the axis: value}."""
    flat = flatten(configuration)
    changes: dict[str, Any] = {}
    for axis in axes:
        value = values[axis.name]
        if axis.index is None:
            changes[axis.parameter] = value
            continue
        row: Any = changes.get(axis.parameter, flat[axis.parameter])
        changes[axis.parameter] = (*row[: axis.index], value, *row[axis.index + 1 :])
    return replace(configuration, changes)


def rounded(value: float) -> float:
    """Return a value with DIGITS significant digits."""
    return float(f'{value:.{DIGITS}g}')


def _sigma(configuration: ControllerParameters) -> list[Axis]:
    """Return the axes of the standard deviations; shares of the limits times the limits."""
    turning = CURVATURE_SHARE if configuration.motion_model == 'ackermann' else TURNING_SHARE
    sigma, controls = configuration.mppi.sigma, configuration.controls
    if not sigma:
        return [SPEED_SHARE, turning]
    if len(sigma) != controls:
        return []
    unit = replace(configuration, {'sigma': (), 'sigma_share': (1.0, 1.0, 1.0)}).sampling.sigma
    shares = [SPEED_SHARE] * (controls - 1) + [turning]
    return [
        Axis(f'sigma[{k}]', share.low * most, share.high * most, share.reason)
        for k, (share, most) in enumerate(zip(shares, unit, strict=True))
    ]


def _containing(axis: Axis, value: float) -> Axis:
    """Return the axis with a range that contains the value, unless the scale forbids it."""
    if axis.log and value <= 0.0:
        return Axis(axis.name, 0.0, axis.high, axis.reason, log=False)
    return Axis(axis.name, min(axis.low, value), max(axis.high, value), axis.reason, axis.log)
