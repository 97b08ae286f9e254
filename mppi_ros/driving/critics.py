"""
The critics: what a step of a sampled trajectory costs, in seconds.

Each critic is a function of a few scalars; the rollout calls it for 64 samples at a time, in one
vectorised loop with all the others. A weight of 0 switches a critic off.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from mppi_ros.driving.parameters import CriticParameters, Limits
from mppi_ros.jit.simd import inline_njit

MIN_REVERSE_SHARE = (
    0.01  # share of top speed that counts as driving backward where that is forbidden
)


class CriticWeights(NamedTuple):
    """The critics' weights, multiplied by the time step and divided by their scales."""

    obstacle: float
    margin: float
    collision: float
    clearance_speed: float
    speed_at_contact: float
    speed_per_clearance: float
    tracking: float
    tracking_scale: float
    path_heading: float
    progress: float
    sideways: float
    turning: float
    backward: float
    detour: float
    goal_position: float
    goal_heading: float
    goal_stop: float
    speed_per_metre: float
    twirling: float
    smoothness_linear: float
    smoothness_angular: float
    smoothness_aside: float
    prefer_forward: float

    @classmethod
    def of(
        cls, critics: CriticParameters, limits: Limits, dt: float, motion_model: str = 'diff_drive'
    ) -> 'CriticWeights':
        """Return the weights of one step of `dt` [s]; a car is steered by its curvature."""
        smooth = critics.smoothness.weight * dt
        unturned = -limits.vx_min  # [m/s] top speed along the path without facing it
        reversing = critics.prefer_forward.weight
        if motion_model == 'omni':
            unturned, reversing = max(unturned, limits.vy_max), 0.0  # it may drive sideways
        backward = min(max(unturned, MIN_REVERSE_SHARE * limits.vx_max), limits.vx_max)
        turning = limits.curvature_rate if motion_model == 'ackermann' else limits.az_max
        at_contact, per_clearance = critics.clearance_speed.free_speed(limits.vx_max)
        values = {
            'obstacle': critics.obstacle.weight * dt / critics.obstacle.margin**2,
            'margin': critics.obstacle.margin,
            'collision': critics.obstacle.collision * dt,
            'clearance_speed': critics.clearance_speed.weight * dt / limits.vx_max**2,
            'speed_at_contact': at_contact,
            'speed_per_clearance': per_clearance,
            'tracking': critics.path_tracking.weight * dt,
            'tracking_scale': 1.0 / critics.path_tracking.scale**2,
            'path_heading': critics.path_heading.weight * dt,
            'progress': critics.progress.weight,
            'sideways': critics.progress.weight / limits.vx_max,
            'turning': critics.progress.weight * 0.5 * math.pi / limits.wz_max,
            'backward': critics.progress.weight * (limits.vx_max / backward - 1.0) + reversing,
            'detour': critics.progress.weight,
            'goal_position': critics.goal_position.weight * dt,
            'goal_heading': critics.goal_heading.weight * dt,
            'goal_stop': critics.goal_stop.weight * dt,
            'speed_per_metre': critics.goal_stop.speed_per_metre,
            'twirling': critics.twirling.weight * dt / limits.wz_max**2,
            'smoothness_linear': smooth / (limits.ax_max * dt) ** 2,
            'smoothness_angular': smooth / (turning * dt) ** 2,
            'smoothness_aside': smooth / (limits.ay_max * dt) ** 2,
            'prefer_forward': critics.prefer_forward.weight
            * dt
            / max(-limits.vx_min, limits.vx_max),
        }
        return cls(**values)

    def only(self, *names: str) -> 'CriticWeights':
        """Return these weights with every weight but `names` set to 0 (scales are kept)."""
        scales = (
            'margin', 'speed_at_contact', 'speed_per_clearance', 'tracking_scale',
            'speed_per_metre',
        )  # fmt: skip
        kept = {name: getattr(self, name) for name in (*names, *scales)}
        return CriticWeights(**{name: kept.get(name, 0.0) for name in self._fields})


# The weights of each critic as the settings name them.
CRITICS = {
    'obstacle': ('obstacle', 'collision'),
    'clearance_speed': ('clearance_speed',),
    'path_tracking': ('tracking',),
    'path_heading': ('path_heading',),
    'progress': ('progress', 'sideways', 'turning', 'backward', 'detour'),
    'goal_position': ('goal_position',),
    'goal_heading': ('goal_heading',),
    'goal_stop': ('goal_stop',),
    'twirling': ('twirling',),
    'smoothness': ('smoothness_linear', 'smoothness_angular', 'smoothness_aside'),
    'prefer_forward': ('prefer_forward',),
}


@inline_njit
def obstacle(clearance: Any, weights: Any) -> Any:
    """((margin − d)⁺ / margin)² near an obstacle, and the price of a collision for d ≤ 0."""
    near = max(weights.margin - max(clearance, np.float32(0.0)), np.float32(0.0))
    hit = weights.collision if clearance <= np.float32(0.0) else np.float32(0.0)
    return weights.obstacle * near * near + hit


@inline_njit
def clearance_speed(clearance: Any, speed: Any, weights: Any) -> Any:
    """(|v| − free speed)⁺², where the free speed grows with the clearance."""
    gained = weights.speed_per_clearance * max(clearance, np.float32(0.0))
    excess = max(abs(speed) - weights.speed_at_contact - gained, np.float32(0.0))
    return weights.clearance_speed * excess * excess


@inline_njit
def path_tracking(squared: Any, weights: Any) -> Any:
    """
    e² / (e² + scale²) for the square e² of the distance: square near the path, at most 1 far off.

    Bounded below the rate of time itself: otherwise standing still on the path would be cheaper
    than driving round an obstacle.
    """
    q = squared * weights.tracking_scale
    return weights.tracking * (q / (np.float32(1.0) + q))


@inline_njit
def path_heading(alignment: Any, near: Any, weights: Any) -> Any:
    """1 − cos of the angle between the robot and the path, fading out near the goal."""
    return weights.path_heading * (np.float32(1.0) - near) * (np.float32(1.0) - alignment)


@inline_njit
def goal_position(distance: Any, weights: Any) -> Any:
    """Distance to the goal."""
    return weights.goal_position * distance


@inline_njit
def goal_heading(alignment: Any, near: Any, weights: Any) -> Any:
    """2 sin(θ/2) of the heading error θ, growing near the goal: it pulls to the end."""
    error = max(np.float32(2.0) - np.float32(2.0) * alignment, np.float32(0.0))
    return weights.goal_heading * near * np.sqrt(error)


@inline_njit
def goal_stop(distance: Any, speed: Any, weights: Any) -> Any:
    """(|v| − free speed)⁺², where the free speed falls to 0 at the goal."""
    excess = max(abs(speed) - weights.speed_per_metre * distance, np.float32(0.0))
    return weights.goal_stop * excess * excess


@inline_njit
def twirling(turning: Any, weights: Any) -> Any:
    """Square of the turning rate."""
    return weights.twirling * turning * turning


@inline_njit
def smoothness(change_v: Any, change_w: Any, weights: Any) -> Any:
    """Square of the command's change in one step, as a share of what the limits allow."""
    return (
        weights.smoothness_linear * change_v * change_v
        + weights.smoothness_angular * change_w * change_w
    )


@inline_njit
def smoothness_aside(change_vy: Any, weights: Any) -> Any:
    """Do the same for the speed to the left."""
    return weights.smoothness_aside * change_vy * change_vy


@inline_njit
def prefer_forward(speed: Any, weights: Any) -> Any:
    """Speed against the direction in which the path is to be driven."""
    return weights.prefer_forward * max(-speed, np.float32(0.0))


@inline_njit
def progress(time: Any, away: Any, alignment: Any, weights: Any) -> Any:
    """
    Time left to the end of the path at the end of the horizon, from off it and from any heading.

    Turning into the path costs at most what driving the rest of it backward takes longer, and is
    charged for by `prefer_forward`: a robot that starts with the goal behind it turns round where
    that pays, also where it reverses as fast as it drives ahead.
    """
    turning = min(weights.turning * (np.float32(1.0) - alignment), weights.backward * time)
    return weights.progress * time + weights.sideways * away + turning


@inline_njit
def detour(time: Any, weights: Any) -> Any:
    """Time left round an obstacle on the plan, at the horizon's end; takes progress's place."""
    return weights.detour * time
