"""Predicted paths of tracked obstacles with their uncertainty, for display."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.obstacle_prediction import position_std, predict_obstacles
from mppi_ros.driving.obstacle_tracking import Track

SHOWN_TIMES = 5  # of a prediction, evenly spaced over the horizon


class TrackPrediction(NamedTuple):
    """
    Predicted motion of a tracked obstacle.

    Attributes
    ----------
    id : int
        Number of the track.
    radius : float
        Radius of the obstacle [m].
    vx, vy : float
        Velocity [m/s].
    discs : float64[SHOWN_TIMES, 3]
        x, y and radius with one standard deviation [m], from now to the horizon.

    """

    id: int
    radius: float
    vx: float
    vy: float
    discs: NDArray[np.float64]


def predict_tracks(
    tracks: Sequence[Track], time: float, horizon: float, velocity_std: float
) -> list[TrackPrediction]:
    """Predict tracks from a time [s] over a horizon [s], with one standard deviation around."""
    after = np.linspace(0.0, horizon, SHOWN_TIMES)
    obstacles = [track.obstacle for track in tracks]
    rows = [predict_obstacles(obstacles, time + each) for each in after]
    found = []
    for number, track in enumerate(tracks):
        of_track = np.array([row[number] for row in rows])
        discs = of_track[:, [0, 1, 4]]
        discs[:, 2] += position_std(velocity_std, after)
        vx, vy, radius = of_track[0, 2:].tolist()
        found.append(TrackPrediction(track.id, radius, vx, vy, discs))
    return found
