"""Result of an episode: metrics and the recorded trace."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.track_prediction import TrackPrediction

STANDING_SPEED = 0.02  # [m/s] below which the robot stands still
STANDING_TURN_RATE = 0.05  # [rad/s] below which the robot does not turn


@dataclass
class Trace:
    """
    Time series of an episode, sampled at the control ticks.

    Attributes
    ----------
    time : float64[N]
        Time [s].
    pose : float64[N, 3]
        True x [m], y [m], yaw [rad].
    twist : float64[N, 3]
        True vx, vy [m/s], wz [rad/s].
    command : float64[N, 3]
        vx, vy [m/s], wz [rad/s].
    clearance : float64[N]
        Minimum true clearance since the previous tick [m].
    statistics : {name: float64[N]}
        Statistics of the controller.
    plan : float64[P, 3]
        The last plan.
    map : Costmap
        Known costmap at the end, not inflated.
    footprint : float64[p, 2]
        Corners of the body in the base frame [m].
    goal : (float, float, float)
        x [m], y [m], yaw [rad].
    reasons : list of str
        State and reason of each tick.
    obstacles : list of list of TrackPrediction
        Moving obstacles that the controller tracks at each tick; empty of another driver.

    """

    time: NDArray[np.float64]
    pose: NDArray[np.float64]
    twist: NDArray[np.float64]
    command: NDArray[np.float64]
    clearance: NDArray[np.float64]
    statistics: dict[str, NDArray[np.float64]]
    plan: NDArray[np.float64]
    map: Costmap
    footprint: NDArray[np.float64]
    goal: tuple[float, float, float]
    reasons: list[str] = field(default_factory=list)
    obstacles: list[list[TrackPrediction]] = field(default_factory=list)


@dataclass(frozen=True)
class EpisodeResult:
    """
    Result of an episode.

    Attributes
    ----------
    success, collision, timeout : bool
        At most one is true; none if the controller stops away from the goal.
    time_s : float
        Time on the clock [s].
    path_length_m : float
        Length of the true path [m].
    min_clearance_m : float
        Exact minimum distance from body to obstacle [m]; 0 in contact.
    cross_track_rms_m : float
        Root mean square of the distance to the plan [m].
    splits_s : tuple of float
        Times between the timing gates [s].
    mean_jerk : float
        Mean squared jerk of the commanded speed [m²/s⁶].
    reversals : int
        Changes of the direction of driving.
    standing_share : float
        Share of the time without motion, once the clock runs.
    longest_standing_s : float
        Longest time without motion [s].
    solve_ms : {'p50', 'p99', 'max': float}
        Time of an optimisation [ms]; the only part that differs between runs.
    reason : str
        Last state and reason of the controller.
    trace : Trace
        Time series.

    """

    success: bool
    collision: bool
    timeout: bool
    time_s: float
    path_length_m: float
    min_clearance_m: float
    cross_track_rms_m: float
    splits_s: tuple[float, ...]
    mean_jerk: float
    reversals: int
    standing_share: float
    longest_standing_s: float
    solve_ms: dict[str, float]
    reason: str
    trace: Trace
