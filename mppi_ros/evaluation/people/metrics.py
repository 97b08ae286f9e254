"""Metrics of a drive among moving things: contact, nearness, and how long the robot is frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.simulation.episode_result import STANDING_SPEED, STANDING_TURN_RATE, Trace
from mppi_ros.simulation.world import World

STOOD = 0.5  # [s] without motion before a contact in which the robot counts as standing
INTIMATE = 0.5  # [m] between the bodies, within which a thing is too near
FROZEN_TIME, FROZEN_WAY = 1.0, 0.1  # [s] in which a robot that gets no farther [m] is frozen


def measures(
    trace: Trace, collision: bool, world: World, configuration: ControllerParameters,
    inflation: float = 0.0,
) -> dict[str, Any]:
    """
    Return what the results tell of a drive among the moving obstacles of a world.

    Parameters
    ----------
    trace : Trace
        Of the drive; its last row is the contact, if there was one.
    collision : bool
        The drive ended in contact.
    world : World
        Whose moving obstacles count; its obstacles at rest do not.
    configuration : Configuration
        Whose body and goal count.
    inflation : float
        By which the body is larger than the configuration says [m].

    Returns
    -------
    dict
        contact_moving : the robot moved within the last STOOD seconds before the contact.
        contact_standing : it stood.
        contact_speed_m_s : speed of the robot at the contact, None without one.
        contact_with_mover : the contact was with something that moves.
        min_mover_distance_m : least distance of the bodies at the control ticks, None if there is
        no moving obstacle.
        intimate_s : time with a body nearer than INTIMATE.
        frozen_share : share of the time in stretches of at least FROZEN_TIME in which the centre
        moves by less than FROZEN_WAY.

    """
    away = mover_distances(trace, world, configuration, inflation)
    spans = np.diff(trace.time)
    standing = collision and stood(trace)
    return {
        'contact_moving': collision and not standing,
        'contact_standing': standing,
        'contact_speed_m_s': float(np.hypot(*trace.twist[-1, :2])) if collision else None,
        'contact_with_mover': bool(collision and away[-1] <= 1e-6),
        'min_mover_distance_m': float(away.min()) if np.isfinite(away).any() else None,
        'intimate_s': round(float(spans[away[:-1] < INTIMATE].sum()), 6),
        'frozen_share': float(spans[frozen(trace.time, trace.pose)[:-1]].sum() / spans.sum()),
    }


def mover_distances(
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
    """Tell whether the robot stood in the last STOOD seconds."""
    last = trace.time >= trace.time[-1] - STOOD - 1e-9
    moving = np.hypot(*trace.twist[:, :2].T) >= STANDING_SPEED
    moving |= np.abs(trace.twist[:, 2]) >= STANDING_TURN_RATE
    return bool(trace.time[-1] - trace.time[0] >= STOOD and not moving[last].any())


def frozen(time: NDArray[np.float64], pose: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return for each row whether it lies in a stretch in which the robot is frozen, bool[N]."""
    flags = np.zeros(len(time), bool)
    ends = np.searchsorted(time, time + FROZEN_TIME - 1e-9)
    for begin, end in enumerate(ends):
        if end >= len(time):
            break
        moved = np.hypot(*(pose[begin : end + 1, :2] - pose[begin, :2]).T)
        if moved.max() < FROZEN_WAY:
            flags[begin : end + 1] = True
    return flags


def summary(episodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return rates and means of these measures over episodes, {} where they have none."""
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
