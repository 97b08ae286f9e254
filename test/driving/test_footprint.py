"""The covering discs contain the body, and clearance means distance to contact."""
from __future__ import annotations

import numpy as np
import pytest

from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import (
    FINE_OVERREACH,
    FINE_OVERREACH_SHARE,
    MAX_DISC_RATIO,
    MAX_OVERREACH,
    Footprint,
)
from mppi_ros.driving.parameters import RobotParameters
from mppi_ros.parameters.errors import InputError

JACKAL = [[0.254, 0.215], [-0.254, 0.215], [-0.254, -0.215], [0.254, -0.215]]
POLYGONS = {
    'jackal': JACKAL,
    'long': [[1.0, 0.2], [-0.6, 0.2], [-0.6, -0.2], [1.0, -0.2]],
    'sideways': [[0.2, 0.5], [-0.2, 0.5], [-0.2, -0.5], [0.2, -0.5]],
    'triangle': [[0.5, 0.0], [-0.2, 0.3], [-0.2, -0.3]],
    'turtle': [[0.1, 0.3], [0.5, 0.1], [0.5, -0.1], [0.1, -0.3], [-0.4, -0.2], [-0.4, 0.2]],
    'concave': [[0.5, 0.4], [-0.5, 0.4], [-0.5, -0.4], [0.5, -0.4], [0.5, -0.2], [-0.2, -0.2],
                [-0.2, 0.2], [0.5, 0.2]],
    'trailing': [[0.3, 0.35], [-1.0, 0.35], [-1.0, -0.35], [0.3, -0.35]],
    'L': [[1.0, 0.5], [-1.0, 0.5], [-1.0, -0.5], [-0.2, -0.5], [-0.2, 0.0], [1.0, 0.0]],
}


def rectangle(length, width):
    x, y = 0.5 * length, 0.5 * width
    return np.array([[x, y], [-x, y], [-x, -y], [x, -y]])


RECTANGLES = [(2.0, 1.0), (1.2, 0.8), (0.99, 0.67), (1.1, 0.9), (3.0, 1.0), (0.95, 0.9)]


def boundary(polygon: np.ndarray, points_per_side: int = 200) -> np.ndarray:
    share = np.linspace(0.0, 1.0, points_per_side)[:, None, None]
    return (polygon + share * (np.roll(polygon, -1, axis=0) - polygon)).reshape(-1, 2)


def depth(discs: np.ndarray, points: np.ndarray) -> np.ndarray:
    offset = points[:, None] - discs[None, :, :2]
    return (discs[:, 2] - np.hypot(*offset.transpose(2, 0, 1))).max(axis=1)


@pytest.mark.parametrize('corners', POLYGONS.values(), ids=POLYGONS.keys())
@pytest.mark.parametrize('order', [1, -1])
def test_discs_cover_the_body(corners, order):
    polygon = np.array(corners)[::order]
    footprint = Footprint.polygonal(polygon)
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    inner = np.random.default_rng(0).uniform(low, high, (4000, 2))
    inner = inner[footprint.contains(*inner.T)]
    for cover in (footprint, footprint.fine):
        assert depth(cover.discs, boundary(polygon)).min() > -1e-8
        assert depth(cover.discs, inner).min() > -1e-8


@pytest.mark.parametrize('corners', POLYGONS.values(), ids=POLYGONS.keys())
def test_discs_reach_little_beyond_the_body(corners):
    footprint = Footprint.polygonal(corners)
    reach = np.hypot(*footprint.discs[:, :2].T) + footprint.discs[:, 2]
    assert reach.max() < 1.25 * footprint.circumscribed_radius
    assert len(footprint.discs) <= 8


@pytest.mark.parametrize('turned', [False, True])
@pytest.mark.parametrize(('length', 'width'), RECTANGLES)
def test_a_wide_body_reaches_little_beyond_its_ends_and_corners(length, width, turned):
    """So that it turns in an aisle little wider than its diagonal."""
    corners = rectangle(length, width)
    footprint = Footprint.polygonal(corners[:, ::-1] if turned else corners)
    along, aside = footprint.discs[:, :2].T[:: -1 if turned else 1]
    assert depth(footprint.discs, boundary(footprint.polygon)).min() > -1e-8
    assert (np.abs(along) + footprint.discs[:, 2]).max() < 0.5 * length + MAX_OVERREACH
    assert (np.abs(aside) + footprint.discs[:, 2]).max() < 0.5 * MAX_DISC_RATIO * width + 1e-9
    assert footprint.reach < footprint.circumscribed_radius + 0.08
    assert len(footprint.discs) <= 10


@pytest.mark.parametrize('turned', [False, True])
@pytest.mark.parametrize(('length', 'width'), [*RECTANGLES, (0.508, 0.432), (0.58, 0.31)])
def test_the_fine_cover_reaches_less_far_beyond_the_ends(length, width, turned):
    corners = rectangle(length, width)
    fine = Footprint.polygonal(corners[:, ::-1] if turned else corners).fine
    along, aside = fine.discs[:, :2].T[:: -1 if turned else 1]
    limit = max(FINE_OVERREACH, FINE_OVERREACH_SHARE * width)
    # of a short body the large discs in the middle reach a little farther
    assert (np.abs(along) + fine.discs[:, 2]).max() < 0.5 * length + limit + 0.035
    assert (np.abs(aside) + fine.discs[:, 2]).max() < 0.5 * MAX_DISC_RATIO * width + 1e-3
    np.testing.assert_allclose(sorted(aside), sorted(-aside), atol=1e-9)  # both sides alike
    assert len(fine.discs) <= 12
    assert fine.fine.discs is fine.discs


def test_the_fine_cover_of_a_round_body_is_its_disc():
    body = Footprint.round(0.3)
    assert body.fine_discs is body.discs


def test_a_corner_that_points_inward_ends_a_slice():
    footprint = Footprint.polygonal(POLYGONS['L'])
    assert depth(footprint.discs, np.array([[0.25, -0.1], [0.4, -0.07]])).max() < 0.0
    assert footprint.reach < footprint.circumscribed_radius + 0.08


def test_the_largest_disc_says_through_which_gap_the_body_fits():
    footprint = Footprint.polygonal(rectangle(2.0, 1.0))
    assert footprint.discs[:, 2].min() < 0.5 < footprint.largest_radius < 0.5 * MAX_DISC_RATIO


def test_rectangle_of_a_jackal_needs_three_discs_a_little_wider_than_itself():
    discs = Footprint.polygonal(JACKAL).discs
    np.testing.assert_allclose(discs[:, 0], [-0.508 / 3, 0.0, 0.508 / 3], atol=1e-9)
    np.testing.assert_allclose(discs[:, 1], 0.0, atol=1e-9)
    np.testing.assert_allclose(discs[:, 2], np.hypot(0.508 / 6, 0.215))


def test_regular_polygon_needs_one_disc():
    polygon = Footprint.round(0.3).polygon
    np.testing.assert_allclose(Footprint.polygonal(polygon).discs, [[0.0, 0.0, 0.3]], atol=1e-9)


def test_radii_are_those_about_the_base_origin():
    footprint = Footprint.polygonal([[0.5, 0.2], [-0.1, 0.2], [-0.1, -0.2], [0.5, -0.2]])
    assert footprint.inscribed_radius == pytest.approx(0.1)
    assert footprint.circumscribed_radius == pytest.approx(np.hypot(0.5, 0.2))


def test_origin_outside_of_the_body_inscribes_nothing():
    footprint = Footprint.polygonal([[0.5, 0.2], [0.1, 0.2], [0.1, -0.2], [0.5, -0.2]])
    assert footprint.inscribed_radius == 0.0


def test_parameters_choose_between_round_and_polygon():
    assert len(Footprint.of(RobotParameters(radius=0.4)).discs) == 1
    corners = tuple(np.ravel(JACKAL))
    np.testing.assert_array_equal(Footprint.of(RobotParameters(footprint=corners)).polygon, JACKAL)


@pytest.mark.parametrize(
    'corners',
    [
        [[0.0, 0.0], [1.0, 0.0]],
        [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]],
        [[0.0, 0.0], [1.0, np.nan], [0.0, 1.0]],
        [[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 2.0]],
        [0.0, 1.0, 2.0],
    ],
    ids=['two corners', 'no area', 'nan', 'crossing sides', 'flat list'],
)
def test_unfit_polygon_is_rejected(corners):
    with pytest.raises(InputError, match='footprint'):
        Footprint.polygonal(corners)


@pytest.mark.parametrize('radius', [0.0, -1.0, np.nan, np.inf])
def test_unfit_radius_is_rejected(radius):
    with pytest.raises(InputError, match='robot.radius'):
        Footprint.round(radius)


def test_clearance_is_the_least_over_the_discs():
    data = np.zeros((200, 200), dtype=np.int8)
    data[100, 150] = 100
    field = distance_field(Costmap(data, 0.05, -5.0, -5.0))
    footprint = Footprint.polygonal(JACKAL)
    yaw = 0.7
    poses = np.array([[0.525, 0.025, yaw], [2.4, 0.025, 0.0], [1.0, 1.0, -2.0], [9.0, 0.0, 0.0]])
    clearance = footprint.clearance(field, poses)
    for pose, value in zip(poses, clearance, strict=True):
        cos, sin = np.cos(pose[2]), np.sin(pose[2])
        centres = pose[:2] + footprint.discs[:, :2] @ np.array([[cos, sin], [-sin, cos]])
        distances = field.at(centres[:, 0], centres[:, 1]) - footprint.discs[:, 2]
        assert value == pytest.approx(distances.min())
    assert clearance[1] < 0.0
    assert clearance[3] == pytest.approx(-footprint.discs[:, 2].max())
