"""
Critics: what a step of a sampled trajectory costs, in seconds.

A critic is a function and a row of `CRITICS`. The function is compiled into the rollout, which
calls it for 64 samples at a time in one vectorised loop with the other critics. The row names the
weights that the function reads. A weight of 0 switches a critic off.

A critic of every step takes a `StepState` and the `CriticWeights`; the rollout adds all that the
rows list. The critics of the goal, of zones, of commands and of the end of the horizon take other
arguments and are called by name.
"""

from collections import namedtuple
from collections.abc import Callable
import functools
import math
from typing import Any, NamedTuple

import numpy as np

from mppi_ros.driving.parameters import CriticParameters, Limits
from mppi_ros.jit.simd import inline_njit

# Share of the top speed that counts as driving backward where that is forbidden.
MIN_REVERSE_SHARE = 0.01


class StepState(NamedTuple):
    """
    State of one sample after a step.

    Attributes
    ----------
    clearance : float32
        Distance of the footprint to the nearest obstacle [m]; not positive in contact.
    speed : float32
        Speed over ground [m/s].
    squared_distance : float32
        Square of the distance to the path [m²].
    alignment : float32
        Cosine of the angle between the robot and the path.
    goal_proximity : float32
        1 at the goal, 0 far from it.
    unavoidable : float32
        Part of ((margin − d)⁺)² that `obstacle` does not charge near the goal [m²].
    turn_rate : float32
        [rad/s].
    forward_speed : float32
        Speed in the direction in which the path is to be driven [m/s].

    """

    clearance: Any
    speed: Any
    squared_distance: Any
    alignment: Any
    goal_proximity: Any
    unavoidable: Any
    turn_rate: Any
    forward_speed: Any


class Robot(NamedTuple):
    """What the weights depend on beside the parameters: limits, time step [s], motion model."""

    limits: Limits
    dt: float
    motion_model: str


class Critic(NamedTuple):
    """
    A row of `CRITICS`.

    Attributes
    ----------
    weights : callable
        Returns the weights by name, from `CriticParameters` and `Robot`.
    step : kernel or None
        Cost of a step from `StepState` and `CriticWeights`; None if the rollout calls it by name.
    scales : tuple of str
        Those of the weights that do not switch the critic off.

    """

    weights: Callable[[CriticParameters, Robot], dict[str, float]]
    step: Any = None
    scales: tuple[str, ...] = ()


@inline_njit
def obstacle(step: Any, weights: Any) -> Any:
    """
    ((margin − d)⁺ / margin)² near an obstacle, plus the collision cost for d ≤ 0.

    What the goal itself costs is not charged near the goal. Otherwise the robot would stand beside
    a goal, or short of its heading, where the clearance is greater.
    """
    near = max(weights.margin - max(step.clearance, np.float32(0.0)), np.float32(0.0))
    hit = weights.collision if step.clearance <= np.float32(0.0) else np.float32(0.0)
    return weights.obstacle * max(near * near - step.unavoidable, np.float32(0.0)) + hit


@inline_njit
def moving_obstacle(away: Any, spread: Any, per_comfort: Any, weights: Any) -> Any:
    """
    (1 − d / comfort)⁺² of the distance d, plus the expected cost of contact.

    The deviation of the distance from its prediction has the density 3/4 (1 − z²) / spread of
    Epanechnikov, with z within ±1 of the spread. Its integral is the chance of contact.
    """
    near = np.float32(1.0) - min(max(away * per_comfort, np.float32(0.0)), np.float32(1.0))
    z = min(max(away / spread, np.float32(-1.0)), np.float32(1.0))
    chance = np.float32(0.5) + (np.float32(0.25) * z * z - np.float32(0.75)) * z
    return weights.moving_obstacle * near * near + weights.moving_collision * chance


@inline_njit
def clearance_speed(step: Any, weights: Any) -> Any:
    """(|v| − free speed)⁺², where the free speed increases with the clearance."""
    gained = weights.speed_per_clearance * max(step.clearance, np.float32(0.0))
    excess = max(abs(step.speed) - weights.speed_at_contact - gained, np.float32(0.0))
    return weights.clearance_speed * excess * excess


@inline_njit
def path_tracking(step: Any, weights: Any) -> Any:
    """
    e² / (e² + scale²) of the squared distance e²: quadratic near the path, at most 1 far away.

    It is bounded below the rate of time itself. Otherwise standing still on the path would be
    cheaper than a detour around an obstacle.
    """
    q = step.squared_distance * weights.tracking_scale
    return weights.tracking * (q / (np.float32(1.0) + q))


@inline_njit
def path_heading(step: Any, weights: Any) -> Any:
    """1 − cos of the angle between robot and path, faded out near the goal."""
    fade = np.float32(1.0) - step.goal_proximity
    return weights.path_heading * fade * (np.float32(1.0) - step.alignment)


@inline_njit
def goal_position(distance: Any, weights: Any) -> Any:
    """Distance to the goal."""
    return weights.goal_position * distance


@inline_njit
def goal_heading(alignment: Any, near: Any, weights: Any) -> Any:
    """2 sin(θ/2) of the heading error θ, faded in near the goal."""
    error = max(np.float32(2.0) - np.float32(2.0) * alignment, np.float32(0.0))
    return weights.goal_heading * near * np.sqrt(error)


@inline_njit
def goal_stop(distance: Any, speed: Any, weights: Any) -> Any:
    """(|v| − free speed)⁺², where the free speed decreases to 0 at the goal."""
    excess = max(abs(speed) - weights.speed_per_metre * distance, np.float32(0.0))
    return weights.goal_stop * excess * excess


@inline_njit
def twirling(step: Any, weights: Any) -> Any:
    """Square of the turning rate."""
    return weights.twirling * step.turn_rate * step.turn_rate


@inline_njit
def smoothness(change_v: Any, change_w: Any, weights: Any) -> Any:
    """Square of the change of the command in one step, relative to the limits."""
    return (
        weights.smoothness_linear * change_v * change_v
        + weights.smoothness_angular * change_w * change_w
    )


@inline_njit
def smoothness_aside(change_vy: Any, weights: Any) -> Any:
    """Do the same for the lateral speed."""
    return weights.smoothness_aside * change_vy * change_vy


@inline_njit
def prefer_forward(step: Any, weights: Any) -> Any:
    """Speed opposite to the direction of travel of the path."""
    return weights.prefer_forward * max(-step.forward_speed, np.float32(0.0))


@inline_njit
def progress(time: Any, away: Any, alignment: Any, weights: Any) -> Any:
    """
    Remaining time to the end of the path after the horizon, with return to the path and turning.

    The cost of turning toward the path is limited to the additional time for driving the rest
    backward, which `prefer_forward` adds. A robot that starts with the goal behind it therefore
    turns around where this is cheaper, even if it reverses as fast as it drives forward.
    """
    turning = min(weights.turning * (np.float32(1.0) - alignment), weights.backward * time)
    return weights.progress * time + weights.sideways * away + turning


@inline_njit
def detour(time: Any, weights: Any) -> Any:
    """Remaining time on a detour around an obstacle after the horizon; replaces `progress`."""
    return weights.detour * time


@inline_njit
def zone(share: Any, speed: Any, weights: Any) -> Any:
    """Distance driven in the step times the zone cost of the cell, 0 to 1."""
    return weights.zone * share * abs(speed)


@inline_njit
def zone_speed(share: Any, speed: Any, weights: Any) -> Any:
    """(|v| − free speed)⁺², where the free speed decreases with the zone cost."""
    free = weights.speed_outside_zones - weights.speed_per_zone_cost * share
    excess = max(abs(speed) - free, np.float32(0.0))
    return weights.zone_speed * excess * excess


def _obstacle(c: CriticParameters, robot: Robot) -> dict[str, float]:
    return {
        'obstacle': c.obstacle.weight * robot.dt / c.obstacle.margin**2,
        'margin': c.obstacle.margin,
        'collision': c.obstacle.collision * robot.dt,
    }


def _moving_obstacle(c: CriticParameters, robot: Robot) -> dict[str, float]:
    return {
        'moving_obstacle': c.moving_obstacle.weight * robot.dt,
        'moving_collision': c.moving_obstacle.collision * robot.dt,
    }


def _clearance_speed(c: CriticParameters, robot: Robot) -> dict[str, float]:
    at_contact, per_clearance = c.clearance_speed.free_speed(robot.limits.vx_max)
    return {
        'clearance_speed': c.clearance_speed.weight * robot.dt / robot.limits.vx_max**2,
        'speed_at_contact': at_contact,
        'speed_per_clearance': per_clearance,
    }


def _path_tracking(c: CriticParameters, robot: Robot) -> dict[str, float]:
    return {
        'tracking': c.path_tracking.weight * robot.dt,
        'tracking_scale': 1.0 / c.path_tracking.scale**2,
    }


def _progress(c: CriticParameters, robot: Robot) -> dict[str, float]:
    limits, weight = robot.limits, c.progress.weight
    unturned = -limits.vx_min  # [m/s] top speed along the path without facing it
    reversing = c.prefer_forward.weight
    if robot.motion_model == 'omni':
        unturned, reversing = max(unturned, limits.vy_max), 0.0  # it may drive sideways
    backward = min(max(unturned, MIN_REVERSE_SHARE * limits.vx_max), limits.vx_max)
    return {
        'progress': weight,
        'sideways': weight / limits.vx_max,
        'turning': weight * 0.5 * math.pi / limits.wz_max,
        'backward': weight * (limits.vx_max / backward - 1.0) + reversing,
        'detour': weight,
    }


def _smoothness(c: CriticParameters, robot: Robot) -> dict[str, float]:
    limits, dt, weight = robot.limits, robot.dt, c.smoothness.weight * robot.dt
    steered = robot.motion_model == 'ackermann'  # a car is steered by its curvature
    turning = limits.curvature_rate if steered else limits.az_max
    return {
        'smoothness_linear': weight / (limits.ax_max * dt) ** 2,
        'smoothness_angular': weight / (turning * dt) ** 2,
        'smoothness_aside': weight / (limits.ay_max * dt) ** 2,
    }


def _goal_stop(c: CriticParameters, robot: Robot) -> dict[str, float]:
    return {
        'goal_stop': c.goal_stop.weight * robot.dt,
        'speed_per_metre': c.goal_stop.speed_per_metre,
    }


def _prefer_forward(c: CriticParameters, robot: Robot) -> dict[str, float]:
    top_speed = max(-robot.limits.vx_min, robot.limits.vx_max)
    return {'prefer_forward': c.prefer_forward.weight * robot.dt / top_speed}


def _zone_speed(c: CriticParameters, robot: Robot) -> dict[str, float]:
    top = robot.limits.vx_max
    return {
        'zone_speed': c.zone_speed.weight * robot.dt / top**2,
        'speed_outside_zones': top,
        'speed_per_zone_cost': top * (1.0 - c.zone_speed.speed_at_full_cost),
    }


# One row for each critic, named as its parameters are. Step critics are added in this order.
CRITICS = {
    'obstacle': Critic(_obstacle, obstacle, ('margin',)),
    'moving_obstacle': Critic(_moving_obstacle),
    'clearance_speed': Critic(
        _clearance_speed, clearance_speed, ('speed_at_contact', 'speed_per_clearance')
    ),
    'path_tracking': Critic(_path_tracking, path_tracking, ('tracking_scale',)),
    'path_heading': Critic(
        lambda c, robot: {'path_heading': c.path_heading.weight * robot.dt}, path_heading
    ),
    'progress': Critic(_progress),
    'goal_position': Critic(
        lambda c, robot: {'goal_position': c.goal_position.weight * robot.dt}
    ),
    'goal_heading': Critic(lambda c, robot: {'goal_heading': c.goal_heading.weight * robot.dt}),
    'goal_stop': Critic(_goal_stop, scales=('speed_per_metre',)),
    'twirling': Critic(
        lambda c, robot: {'twirling': c.twirling.weight * robot.dt / robot.limits.wz_max**2},
        twirling,
    ),
    'smoothness': Critic(_smoothness),
    'prefer_forward': Critic(_prefer_forward, prefer_forward),
    'zone': Critic(lambda c, robot: {'zone': c.zone.weight * robot.dt}),
    'zone_speed': Critic(_zone_speed, scales=('speed_outside_zones', 'speed_per_zone_cost')),
}


def _weights(c: CriticParameters, robot: Robot) -> dict[str, float]:
    return {
        name: value
        for critic in CRITICS.values() for name, value in critic.weights(c, robot).items()
    }  # fmt: skip


_NAMES = list(_weights(CriticParameters(), Robot(Limits(), 1.0, 'diff_drive')))


_make_fields: Any = namedtuple  # its fields are known at run time only
_Weights: Any = _make_fields('_Weights', _NAMES)


class CriticWeights(_Weights):
    """Weights of all critics, multiplied by the time step and divided by their scales."""

    __slots__ = ()

    @classmethod
    def of(
        cls, critics: CriticParameters, limits: Limits, dt: float, motion_model: str = 'diff_drive'
    ) -> 'CriticWeights':
        """Return the weights of one step of `dt` [s]."""
        return cls(**_weights(critics, Robot(limits, dt, motion_model)))

    def only(self, name: str) -> 'CriticWeights':
        """Return these weights with those of every critic but `name` set to 0."""
        zero = [each for other in CRITICS if other != name for each in switches(other)]
        kept: CriticWeights = self._replace(**dict.fromkeys(zero, 0.0))
        return kept


def switches(name: str) -> list[str]:
    """Return the weights of a critic that switch it off when they are 0."""
    critic = CRITICS[name]
    weights = critic.weights(CriticParameters(), Robot(Limits(), 1.0, 'diff_drive'))
    return [each for each in weights if each not in critic.scales]


def _sum_of_step_critics() -> Any:
    """Return the kernel that adds the step critics in the order of `CRITICS`."""
    first, *others = (critic.step for critic in CRITICS.values() if critic.step is not None)

    def plus(total: Any, critic: Any) -> Any:
        return inline_njit(lambda step, weights: total(step, weights) + critic(step, weights))

    return functools.reduce(plus, others, first)


step_costs = _sum_of_step_critics()
