"""Every clearance of a footprint against the exact one of the simulator, on random scenes."""
from __future__ import annotations

import math

import numpy as np
import pytest

from mppi_ros.control import stopping_check
from mppi_ros.control.stopping_check import CollisionModel
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.motion_models import DiffDrive, MotionState
from mppi_ros.driving.parameters import Limits, PredictionParameters
from mppi_ros.simulation.world import World

RESOLUTION = 0.05
# The field is read at the nearest cell, and holds distances between centres less half a cell.
CELL_BOUND = (0.5 * math.sqrt(2.0) + 0.5) * RESOLUTION
BODIES = {
    'round': 0.2,
    'jackal': [(0.254, 0.215), (-0.254, 0.215), (-0.254, -0.215), (0.254, -0.215)],
    'cart': [(0.9, 0.3), (-0.3, 0.3), (-0.3, -0.3), (0.9, -0.3)],
    'wide': [(1.0, 0.5), (-1.0, 0.5), (-1.0, -0.5), (1.0, -0.5)],
    'wedge': [(0.6, 0.0), (-0.3, 0.3), (-0.3, -0.3)],
}
MODEL = DiffDrive.of(Limits(), PredictionParameters(), stopping_check.INTEGRATION_STEP)


def footprint_of(body):
    return Footprint.round(body) if isinstance(body, float) else Footprint.polygonal(body)


def overreach_of(footprint, body):
    """Return how far the discs reach beyond the body [m]."""
    angles = np.linspace(0.0, math.tau, 90, endpoint=False)
    rim = footprint.discs[:, None, :2] + footprint.discs[:, None, 2:] * np.stack(
        [np.cos(angles), np.sin(angles)], axis=-1)
    if isinstance(body, float):
        return float(np.hypot(*rim.reshape(-1, 2).T).max()) - body
    points = World(Costmap(np.zeros((2, 2), np.int8), 10.0, -10.0, -10.0),
                   np.zeros((0, 3)), solid_cells=False)
    farthest = 0.0
    for x, y in rim.reshape(-1, 2):
        points.circles = np.array([[x, y, 0.0]])
        farthest = max(farthest, points.clearance(body, (0.0, 0.0, 0.0)))
    return farthest


def scene(seed):
    rng = np.random.default_rng(seed)
    data = np.zeros((160, 160), np.int8)
    data[tuple(rng.integers(0, 160, (2, 12)))] = 100
    costmap = Costmap(data, RESOLUTION, -4.0, -4.0)
    poses = rng.uniform([-2.0, -2.0, -math.pi], [2.0, 2.0, math.pi], (60, 3))
    return costmap, World(costmap, np.zeros((0, 3)), solid_cells=True), poses


@pytest.mark.parametrize('body', BODIES.values(), ids=BODIES)
@pytest.mark.parametrize('seed', range(4))
def test_discs_never_overstate_the_clearance_and_understate_it_by_their_overreach(body, seed):
    costmap, world, poses = scene(seed)
    footprint = footprint_of(body)
    overreach = overreach_of(footprint, body)
    field = distance_field(costmap, outside_is_obstacle=False)
    exact = np.array([world.clearance(body, pose) for pose in poses])
    discs = footprint.clearance(field, poses)
    assert (discs <= exact + CELL_BOUND).all()
    free = exact > 0.0
    assert free.any() and not free.all()
    assert (discs[free] >= exact[free] - overreach - CELL_BOUND).all()


@pytest.mark.parametrize('body', BODIES.values(), ids=BODIES)
def test_the_stopping_check_begins_with_a_clearance_within_the_same_bounds(body):
    costmap, world, poses = scene(7)
    footprint = footprint_of(body)
    overreach = overreach_of(footprint, body)
    around = CollisionModel.of(
        distance_field(costmap, outside_is_obstacle=False), footprint, 0.0)
    for pose in poses:
        exact = world.clearance(body, pose)
        state = MotionState(*pose, 0.0, 0.0)
        found = stopping_check.check(state, (0.0, 0.0), 0.05, around, MODEL)
        assert found.begin <= exact + CELL_BOUND
        if exact > 0.0:
            assert found.begin >= exact - overreach - CELL_BOUND


@pytest.mark.parametrize('body', BODIES.values(), ids=BODIES)
def test_the_stopping_check_knows_the_clearance_to_moving_obstacles(body):
    rng = np.random.default_rng(3)
    footprint = footprint_of(body)
    overreach = overreach_of(footprint, body)
    empty = Costmap(np.zeros((160, 160), np.int8), RESOLUTION, -4.0, -4.0)
    field = distance_field(empty, outside_is_obstacle=False)
    for _ in range(40):
        x, y, radius = rng.uniform([-2.5, -2.5, 0.1], [2.5, 2.5, 0.5])
        world = World(empty, np.array([[x, y, radius]]), solid_cells=True)
        pose = (0.0, 0.0, rng.uniform(-math.pi, math.pi))
        exact = world.clearance(body, pose)
        around = CollisionModel.of(
            field, footprint, 0.0, moving_obstacles=np.array([[x, y, 0.0, 0.0, radius]]))
        found = stopping_check.check(MotionState(*pose, 0.0, 0.0), (0.0, 0.0), 0.05, around, MODEL)
        assert found.clearance <= exact + 1e-5
        if exact > 0.0:
            assert found.clearance >= exact - overreach - 1e-5
