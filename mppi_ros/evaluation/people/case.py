"""One episode among moving obstacles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.footprint import Footprint
from mppi_ros.evaluation.case import Case
from mppi_ros.evaluation.people import crowdnav, dynabarn, metrics, tracks
from mppi_ros.evaluation.people.baselines import UNSEEING, driver_of
from mppi_ros.evaluation.people.crowd import Crowd, scene
from mppi_ros.evaluation.people.head_on import OncomingRobot
from mppi_ros.evaluation.people.winnable import winning_time
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.episode import Episode
from mppi_ros.simulation.episode_result import EpisodeResult
from mppi_ros.simulation.lidar import Lidar
from mppi_ros.simulation.plant import PLANTS
from mppi_ros.simulation.world import Moving

FULL_CIRCLE = 2.0 * math.pi


@dataclass(frozen=True)
class PeopleCase(Case):
    """
    All inputs of an episode among moving obstacles, as plain values.

    Attributes
    ----------
    kind : str
        Format of `record`: 'dynabarn', 'crowdnav' or 'tracks'; 'crowd': reacting people.
    record : str
        File of the trajectories, or name of a scene of crowd.SCENES.
    number : int
        Of the case in the file of CrowdNav.
    reacts : bool
        The people see the robot and avoid it.
    record_time : float
        Time of the tracks at which the episode begins [s].
    field_of_view : float
        Of the lidar [rad].
    baseline : str
        One of baselines.BASELINES; empty: the controller.

    """

    kind: str = ''
    record: str = ''
    number: int = 0
    reacts: bool = False
    record_time: float = 0.0
    field_of_view: float = FULL_CIRCLE
    baseline: str = ''

    def people(self) -> tuple[Moving, ...]:
        """
        Return the obstacles that follow given trajectories.

        Raises
        ------
        InputError
            The record cannot be read.

        """
        path = Path(self.record)
        if self.kind == 'dynabarn':
            return dynabarn.load(path, self.seed)
        if self.kind == 'crowdnav':
            return crowdnav.load(path, self.number)
        if self.kind == 'tracks':
            return tracks.load(tracks.read(path), self.record_time, self.timeout + 1.0)
        raise InputError(f'kind = {self.kind!r} is not one of dynabarn, crowdnav, tracks, crowd')

    def episode(self, ideal: float) -> Episode:
        """Return the episode; see Case."""
        episode = super().episode(ideal)
        crowd = self._crowd(episode)
        people = crowd.moving_obstacles() if crowd else self.people()
        world = episode.world.with_moving_obstacles(people)
        return replace(
            episode, world=world, crowd=crowd, driver=driver_of(self.baseline, world, self.goal),
            lidar=Lidar(field_of_view=self.field_of_view), drifts=self.kind == 'dynabarn',
            sensing='map' if self.baseline in UNSEEING else episode.sensing,
        )

    def to_record(self, episode: Episode, result: EpisodeResult, ideal: float) -> dict[str, Any]:
        """Return the record of an episode for the result file; see `metrics.measures`."""
        record = super().to_record(episode, result, ideal)
        inputs = record.pop('inputs')
        record |= metrics.measures(
            result.trace, result.collision, episode.world, self.configuration,
            PLANTS[self.plant].inflation,
        )
        return record | {
            'time_over_ideal': result.time_s / ideal,
            'forced_stop_s': getattr(episode.crowd, 'forced_stop_s', None),
            'oncoming_reached': (
                episode.crowd.finish() if isinstance(episode.crowd, OncomingRobot) else None
            ),
            'winnable': self._winnable(episode, result),
            'inputs': inputs,
        }  # fmt: skip

    def _winnable(self, episode: Episode, result: EpisodeResult) -> bool | None:
        """Return whether a contact-free drive exists; None if people react to the robot."""
        if episode.crowd is not None:
            return None
        return result.success or math.isfinite(self.winning_time(episode))

    def _crowd(self, episode: Episode) -> Crowd | OncomingRobot | None:
        if not self.reacts:
            return None
        if self.kind == 'crowd' and scene(self.record, self.seed).oncoming:
            lidar = Lidar(field_of_view=self.field_of_view)
            return OncomingRobot(replace(episode, lidar=lidar, drifts=False))
        crowdnav_case = self.kind == 'crowdnav'
        people = (
            crowdnav.reacting(Path(self.record), self.number) if crowdnav_case
            else scene(self.record, self.seed)
        )
        return Crowd(people, Footprint.of(self.configuration.robot).circumscribed_radius)

    def winning_time(self, episode: Episode) -> float:
        """Return the time of a contact-free drive [s], inf if none is found; see `winnable`."""
        configuration = self.configuration
        return winning_time(
            episode.world, self.start, self.goal[:2], self.goal_radius, configuration.limits,
            Footprint.of(configuration.robot), episode.plant, self.timeout,
        )

    def inputs(self) -> dict[str, Any]:
        """Return everything needed to run this case again; walls follow from its kind."""
        return {name: value for name, value in super().inputs().items() if name != 'circles'}

    def discs(self, time: float) -> NDArray[np.float64]:
        """Return x, y, radius [m] of the moving obstacles at a time [s], float64[n, 3]."""
        moving_obstacles = () if self.reacts else _read(self)  # reactions are not known in advance
        found = [obstacle.at(time) for obstacle in moving_obstacles]
        return np.array([disc for disc in found if disc is not None]).reshape(-1, 3)


@lru_cache(maxsize=1)
def _read(case: PeopleCase) -> tuple[Moving, ...]:
    """Return what moves; the frames of a film ask for it one by one."""
    return case.people()
