"""Metrics of drives that are made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving.costmap import Costmap
from mppi_ros.evaluation.people.metrics import frozen, measures, stood, summary
from mppi_ros.evaluation.people.trajectories import Trajectory, polyline
from mppi_ros.parameters.declaration import replace
from mppi_ros.simulation.episode_result import Trace
from mppi_ros.simulation.world import World

GRID = Costmap(np.zeros((10, 10), np.int8), 0.1, 0.0, 0.0)
ROBOT = replace(ControllerParameters(), {'robot.radius': 0.3})
DT = 0.05


def drive(speeds):
    """Return the trace of a robot that drives along x with speeds float[N] [m/s]."""
    speeds = np.asarray(speeds, np.float64)
    count = len(speeds)
    x = np.concatenate([[0.0], DT * np.cumsum(speeds[:-1])])
    zeros = np.zeros(count)
    return Trace(
        time=DT * np.arange(count), pose=np.column_stack([x, zeros, zeros]),
        twist=np.column_stack([speeds, zeros, zeros]), command=np.zeros((count, 3)),
        clearance=zeros, statistics={}, plan=np.zeros((0, 3)), map=GRID,
        footprint=np.zeros((0, 2)), goal=(9.0, 0.0, 0.0),
    )  # fmt: skip


def world(*ends, radius=0.2, span=10.0):
    """Return a world with discs that move from one point to another within `span` [s]."""
    discs = [Trajectory(polyline([0.0, span], [a, b]), radius, 0.0, span) for a, b in ends]
    return World(GRID, np.zeros((0, 3)), tuple(discs), solid_cells=False)


def test_a_contact_counts_as_standing_after_half_a_second_of_rest():
    moving = [1.0] * 20
    assert not stood(drive([*moving, *[0.0] * 10]))
    assert stood(drive([*moving, *[0.0] * 11]))
    assert not stood(drive([0.0] * 5))
    turning = drive([0.0] * 30)
    turning.twist[-3, 2] = 0.5
    assert not stood(turning)


def test_contacts_are_told_apart():
    # The disc comes from 2.5 m and meets the standing robot, edge to edge at 0.5 m, after 2 s.
    rest = measures(drive([0.0] * 41), True, world(((2.5, 0.0), (-7.5, 0.0))), ROBOT)
    assert (rest['contact_moving'], rest['contact_standing']) == (False, True)
    assert rest['contact_with_moving_obstacle']
    assert rest['min_moving_distance_m'] == pytest.approx(0.0)
    # From 1.0 m at 1 m/s, for 2 s less 0.5 s: within 0.5 m of the edge for the last half second.
    assert rest['intimate_s'] == pytest.approx(0.5, abs=DT)
    driven = measures(drive([1.0] * 41), True, world(((2.5, 0.0), (2.5, 0.0))), ROBOT)
    assert (driven['contact_moving'], driven['contact_standing']) == (True, False)
    assert (rest['contact_speed_m_s'], driven['contact_speed_m_s']) == (0.0, 1.0)
    wall = measures(drive([1.0] * 41), True, world(), ROBOT)
    assert wall['contact_moving'] and not wall['contact_with_moving_obstacle']
    assert wall['min_moving_distance_m'] is None
    none = measures(drive([0.0] * 41), False, world(), ROBOT)
    assert not (none['contact_moving'] or none['contact_standing'])
    assert none['contact_speed_m_s'] is None


def test_frozen_is_a_second_without_progress():
    def share(speeds):
        return measures(drive(speeds), False, world(), ROBOT)['frozen_share']

    assert share([0.0] * 41) == 1.0
    assert share([1.0] * 41) == 0.0
    assert share([1.0] * 20 + [0.0] * 15 + [1.0] * 20) == 0.0
    # Stands for 1.5 s of 4.5 s; what it moves by less than FROZEN_WAY counts, too.
    assert share([1.0] * 30 + [0.0] * 30 + [1.0] * 31) == pytest.approx(1.5 / 4.5, abs=0.06)
    # Moving to and fro is no progress.
    assert share([0.5, -0.5] * 30) == 1.0
    assert not frozen(np.array([0.0, 0.1]), np.zeros((2, 3))).any()


def test_summary_holds_these_measures_alone_where_episodes_have_them():
    one = {
        'contact_moving': True, 'contact_standing': False, 'frozen_share': 0.5, 'intimate_s': 2.0,
        'winnable': True,
    }  # fmt: skip
    other = {**one, 'contact_moving': False, 'winnable': None}
    told = summary([one, other])
    assert told['contact_moving_rate'] == 0.5 and told['winnable_rate'] == 1.0
    assert summary([{'score': 1.0}]) == {}
