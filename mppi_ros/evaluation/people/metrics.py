"""Metrics of an episode among moving obstacles: contact, proximity, and time frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.simulation.episode_result import STANDING_SPEED, STANDING_TURN_RATE, Trace
from mppi_ros.simulation.world import World

STANDING_TIME = 0.5  # [s] at rest before a contact for the robot to count as standing
INTIMATE_DISTANCE = 0.5  # [m] between the bodies; nearer is uncomfortable for people
FROZEN_TIME, FROZEN_DISTANCE = 1.0, 0.1  # [s] [m] a slower robot is frozen


def measures(
    trace: Trace, collision: bool, world: World, configuration: ControllerParameters,
    inflation: float = 0.0,
) -> dict[str, Any]:
    """
    Return the metrics of an episode among the moving obstacles of a world.

    Parameters
    ----------
    trace : Trace
        Trace of the episode; its last row is the contact, if there was one.
    collision : bool
        Whether the episode ended in contact.
    world : World
        World, of which only the moving obstacles are considered.
    configuration : ControllerParameters
        Footprint of the robot.
    inflation : float
        Amount by which the true body exceeds the configured footprint [m].

    Returns
    -------
    dict
        contact_moving : the robot moved within STANDING_TIME before the contact.
        contact_standing : it did not.
        contact_speed_m_s : speed of the robot at the contact, None without one.
        contact_with_moving_obstacle : the contact was with a moving obstacle.
        min_moving_distance_m : minimum distance of the bodies at the control ticks, None without
        moving obstacles.
        intimate_s : time within INTIMATE_DISTANCE of a moving obstacle.
        frozen_share : share of time in intervals of at least FROZEN_TIME in which the robot moves
        by less than FROZEN_DISTANCE.

    """
    away = moving_obstacle_distances(trace, world, configuration, inflation)
    spans = np.diff(trace.time)
    standing = collision and stood(trace)
    return {
        'contact_moving': collision and not standing,
        'contact_standing': standing,
        'contact_speed_m_s': float(np.hypot(*trace.twist[-1, :2])) if collision else None,
        'contact_with_moving_obstacle': bool(collision and away[-1] <= 1e-6),
        'min_moving_distance_m': float(away.min()) if np.isfinite(away).any() else None,
        'intimate_s': round(float(spans[away[:-1] < INTIMATE_DISTANCE].sum()), 6),
        'frozen_share': float(spans[frozen(trace.time, trace.pose)[:-1]].sum() / spans.sum()),
    }


def moving_obstacle_distances(
    trace: Trace, world: World, configuration: ControllerParameters, inflation: float = 0.0
) -> NDArray[np.float64]:
    """Return the distance [m] of the body to the nearest moving obstacle in each row, or inf."""
    corners = np.reshape(configuration.robot.footprint, (-1, 2))
    body = corners if len(corners) else configuration.robot.radius
    alone = World(world.occupancy, np.zeros((0, 3)), world.moving_obstacles, solid_cells=False)
    return np.array([
        alone.clearance(body, pose, inflation=inflation, time=float(time))
        for time, pose in zip(trace.time, trace.pose, strict=True)
    ])  # fmt: skip


def stood(trace: Trace) -> bool:
    """Return whether the robot was at rest for the last STANDING_TIME."""
    last = trace.time >= trace.time[-1] - STANDING_TIME - 1e-9
    moving = np.hypot(*trace.twist[:, :2].T) >= STANDING_SPEED
    moving |= np.abs(trace.twist[:, 2]) >= STANDING_TURN_RATE
    return bool(trace.time[-1] - trace.time[0] >= STANDING_TIME and not moving[last].any())


def frozen(time: NDArray[np.float64], pose: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return for each row whether the robot is frozen, bool[N]."""
    flags = np.zeros(len(time), bool)
    ends = np.searchsorted(time, time + FROZEN_TIME - 1e-9)
    for begin, end in enumerate(ends):
        if end >= len(time):
            break
        moved = np.hypot(*(pose[begin : end + 1, :2] - pose[begin, :2]).T)
        if moved.max() < FROZEN_DISTANCE:
            flags[begin : end + 1] = True
    return flags


def summary(episodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return rates and means of these metrics over episodes, {} if they have none."""
    if not all('contact_moving' in episode for episode in episodes):
        return {}

    def mean(name: str) -> float | None:
        values = [float(e[name]) for e in episodes if e[name] is not None]
        return round(float(np.mean(values)), 4) if values else None

    return {
        'contact_moving_rate': mean('contact_moving'),
        'contact_standing_rate': mean('contact_standing'),
        'mean_frozen_share': mean('frozen_share'),
        'mean_intimate_s': mean('intimate_s'),
        'winnable_rate': mean('winnable'),
    }
