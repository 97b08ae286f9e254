"""Two robots head-on: the second one is driven by the same controller, in the same world."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
import math

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.footprint import Footprint
from mppi_ros.simulation.episode import Episode, EpisodeRun
from mppi_ros.simulation.world import Moving

CLEAR_OF_GOAL = 1.5  # [m] between the goal of one robot and the start of the other


class _Body:
    """A robot as a moving disc, at the poses recorded so far."""

    def __init__(self, pose: tuple[float, float, float], radius: float) -> None:
        self._times, self._places = [0.0], [(pose[0], pose[1], radius)]
        self._radius = radius

    def record(self, time: float, pose: NDArray[np.float64]) -> None:
        """Append the pose at a time [s], not before the last one."""
        self._times.append(time)
        self._places.append((float(pose[0]), float(pose[1]), self._radius))

    def at(self, time: float) -> tuple[float, float, float]:
        """Return x, y, radius [m] at a time [s]; the last known place after it."""
        return self._places[max(bisect_right(self._times, time + 1e-9) - 1, 0)]


class OncomingRobot:
    """
    A robot that drives the same way in the opposite direction.

    Both robots see each other as a disc in their scans, and nothing else of each other.

    Attributes
    ----------
    forced_stop_s : float
        0: no people are stopped.

    """

    forced_stop_s = 0.0

    def __init__(self, episode: Episode) -> None:
        """Start the second robot beyond the goal of an episode; its goal is behind the start."""
        radius = Footprint.of(episode.configuration.robot).circumscribed_radius
        (x0, y0, yaw0), (x1, y1, yaw1) = episode.start, episode.goal
        gap = CLEAR_OF_GOAL
        start = x1 + gap * math.cos(yaw1), y1 + gap * math.sin(yaw1), yaw1 + math.pi
        goal = x0 - gap * math.cos(yaw0), y0 - gap * math.sin(yaw0), yaw0 + math.pi
        self._body = _Body(start, radius)
        self._other = _Body(episode.start, radius)
        self._run = EpisodeRun(replace(
            episode, start=start, goal=goal, crowd=None, seed=episode.seed + 1_000_003,
            world=episode.world.with_moving_obstacles([self._other]),
        ))  # fmt: skip

    def moving_obstacles(self) -> tuple[Moving, ...]:
        """Return the oncoming robot, for the world of the other one."""
        return (self._body,)

    def finish(self) -> bool:
        """Drive to the end, past the first robot where it is; return whether it arrives."""
        self._run.advance(math.inf)
        return self._run.at_goal

    def advance(
        self, time: float, pose: NDArray[np.float64], twist: NDArray[np.float64]
    ) -> None:
        """Drive until a time [s], given the true pose of the first robot, float64[3]."""
        del twist
        self._other.record(time, pose)
        self._run.advance(time)
        self._body.record(time, self._run.pose)
