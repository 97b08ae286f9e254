"""What a scan shows: points in the planning frame, clusters, open sides and free places."""
from __future__ import annotations

import math

import numpy as np
import pytest

from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.obstacle_tracking import MAX_CLUSTERS, moving_obstacles, track_scan
from mppi_ros.driving.scan import Scan
from mppi_ros.driving.scan_points import ScanPoints
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.lidar import Lidar
from mppi_ros.simulation.world import Moving, MovingDisc, World

LIDAR = Lidar(field_of_view=math.tau)
EMPTY = Costmap(np.zeros((160, 200), np.int8), 0.05, -5.0, -4.0)
POSE = (-3.0, 0.0, 0.4)


def world_of(*circles: tuple[float, float, float], moving: tuple[Moving, ...] = ()) -> World:
    return World(EMPTY, np.array(circles, np.float64).reshape(-1, 3), moving, solid_cells=False)


def points_of(*circles, pose=POSE, lidar=LIDAR) -> ScanPoints:
    scan = lidar.scan(world_of(*circles), pose, np.random.default_rng(0))
    return ScanPoints.of(scan, pose, 8.0)


@pytest.mark.parametrize('mount', [(0.0, 0.0, 0.0), (0.3, -0.1, 1.0)])
def test_points_lie_on_the_surface_whatever_the_pose_and_the_mount(mount):
    view = points_of((0.0, 1.0, 0.3), lidar=Lidar(field_of_view=math.tau, mount=mount))
    assert len(view.x) > 10
    np.testing.assert_allclose(np.hypot(view.x, view.y - 1.0), 0.3, atol=0.05)
    c, s = math.cos(POSE[2]), math.sin(POSE[2])
    assert view.origin == pytest.approx(
        (POSE[0] + c * mount[0] - s * mount[1], POSE[1] + s * mount[0] + c * mount[1])
    )


def test_discs_apart_are_clusters_and_the_one_behind_the_robot_is_not_cut():
    view = points_of((0.0, 1.0, 0.3), (0.0, -1.0, 0.3), (-4.0, -0.4, 0.3))
    clusters = view.clusters(np.arange(len(view.x)))
    assert len(clusters) == 3
    for circle in [(-4.0, -0.4), (0.0, -1.0), (0.0, 1.0)]:
        assert any(math.dist((view.x[c].mean(), view.y[c].mean()), circle) < 0.35
                   for c in clusters)


def test_sides_are_open_unless_something_nearer_hides_them():
    view = points_of((0.0, 0.0, 0.3), (-1.5, 0.3, 0.3))
    near, far = sorted(view.clusters(np.arange(len(view.x))), key=lambda c: view.x[c].min())
    low, high = view.sides(near)
    assert low.is_open and high.is_open
    assert view.sides(far) is None
    low, high = view.sides(far, view.passing(near))
    assert low.is_open and not high.is_open


def test_a_cluster_at_the_end_of_the_field_of_view_has_a_hidden_side():
    narrow = Lidar(field_of_view=math.radians(90.0))
    view = points_of((-1.0, 2.0, 0.3), pose=(-3.0, 0.0, 0.0), lidar=narrow)
    (cluster,) = view.clusters(np.arange(len(view.x)))
    assert view.sides(cluster) is None


def test_a_place_is_free_where_the_sensor_looks_farther():
    view = points_of((0.0, 0.0, 0.3))
    assert view.is_free(0.0, 1.5, 0.2)
    assert not view.is_free(1.0, 0.0, 0.2)  # hidden
    assert not view.is_free(0.0, 0.0, 0.2)  # occupied
    narrow = points_of(pose=(-3.0, 0.0, 0.0), lidar=Lidar(field_of_view=math.radians(90.0)))
    assert narrow.is_free(-1.0, 0.0, 0.2)
    assert not narrow.is_free(-4.0, 0.0, 0.2)  # outside of the field of view


def test_what_a_sensor_does_not_know_is_neither_free_nor_an_obstacle():
    scan = LIDAR.scan(world_of(), POSE, np.random.default_rng(0))
    ranges = np.full_like(scan.ranges, np.nan)
    view = ScanPoints.of(Scan(0.0, scan.angles, ranges, (0.0, 0.0), 12.0), POSE, 8.0)
    assert not len(view.x)
    assert not view.is_free(0.0, 0.0, 0.2)
    ranges[:] = np.inf
    view = ScanPoints.of(Scan(0.0, scan.angles, ranges, (0.0, 0.0), 12.0), POSE, 8.0)
    assert view.is_free(0.0, 0.0, 0.2)


def tracked(seconds, *paths, pose=lambda time: POSE, circles=(), lidar=LIDAR):
    """Scan discs that move (x, y, vx, vy, radius); return the moving obstacles at each scan."""
    moving = tuple(MovingDisc(x, y, r, vx, vy) for x, y, vx, vy, r in paths)
    world, rng, tracks, found = world_of(*circles, moving=moving), np.random.default_rng(1), (), []
    for step in range(1, round(seconds * lidar.rate) + 1):
        time = step / lidar.rate
        scan = lidar.scan(world, pose(time), rng, time)
        tracks = track_scan(tracks, scan, pose(time))
        found.append(moving_obstacles(tracks))
    return found


@pytest.mark.parametrize('way', [0.0, 0.7, math.pi / 2.0, 2.5, math.pi, -1.2])
@pytest.mark.parametrize('speed', [0.3, 1.0, 2.0])
def test_a_disc_that_moves_is_found_with_its_velocity(way, speed):
    vx, vy = speed * math.cos(way), speed * math.sin(way)
    found = tracked(1.0, (0.5, 0.3, vx, vy, 0.25))
    (obstacle,) = found[-1]
    assert (obstacle.vx, obstacle.vy) == pytest.approx((vx, vy), abs=0.12)
    assert math.dist((obstacle.x, obstacle.y), (0.5 + vx, 0.3 + vy)) < 0.1
    assert obstacle.radius == pytest.approx(0.25, abs=0.08)


@pytest.mark.parametrize('beams', [180, 360, 1440])
def test_a_disc_is_found_with_few_beams_and_with_many(beams):
    lidar = Lidar(beams=beams, field_of_view=math.tau)
    found = tracked(1.0, (-0.5, 1.0, 0.0, -1.0, 0.3), lidar=lidar)
    (obstacle,) = found[-1]
    assert (obstacle.vx, obstacle.vy) == pytest.approx((0.0, -1.0), abs=0.2)


@pytest.mark.parametrize('beams', [360, 720])
def test_people_side_by_side_are_found_before_they_are_near(beams):
    """Each hides a side of the other one."""
    lidar = Lidar(beams=beams, field_of_view=math.tau)
    pair = (1.5, 0.7, -0.8, 0.0, 0.25), (1.2, 0.25, -0.8, 0.0, 0.25)
    for obstacles in tracked(1.5, *pair, lidar=lidar)[15:]:
        assert obstacles
        assert (obstacles[0].vx, obstacles[0].vy) == pytest.approx((-0.8, 0.0), abs=0.3)


def test_a_cyclist_is_tracked():
    for obstacles in tracked(1.2, (3.0, 0.8, -4.5, 0.0, 0.3))[8:]:
        (obstacle,) = obstacles
        assert (obstacle.vx, obstacle.vy) == pytest.approx((-4.5, 0.0), abs=0.7)


def test_nothing_at_rest_moves_for_a_robot_that_drives_and_turns():
    circles = [(0.0, 0.9, 0.2), (1.0, -0.8, 0.3), (-1.5, 1.2, 0.1), (0.5, 2.0, 0.3),
               (0.2, 2.2, 0.2)]
    found = tracked(4.0, circles=circles, pose=lambda t: (-3.0 + t, 0.0, math.sin(2.0 * t)))
    assert not any(found)


@pytest.mark.parametrize('seed', [0, 2, 10, 18, 19])
def test_clusters_of_posts_that_merge_and_split_do_not_move(seed):
    """Both edges of a cluster jump the same way where one post joins it and another one leaves."""
    rng, circles = np.random.default_rng(seed), []
    for row in (0.9, -1.0, 1.8):
        x = -1.0
        while x < 6.0:
            x += rng.choice([0.15, 0.2, 0.25, 0.3, 0.5])
            circles.append((x, row + rng.normal(0.0, 0.12), 0.075))

    def pose(time):
        return -1.0 + 1.2 * time, 0.2 * math.sin(1.5 * time), 0.25 * math.cos(1.5 * time)

    assert not any(tracked(4.0, circles=circles, pose=pose))


def ranges_to(walls, discs, pose, angles):
    """Return the ranges to walls (x, y, x, y) and discs (x, y, radius), inf without a return."""
    x, y, yaw = pose
    ways = np.array([np.cos(angles + yaw), np.sin(angles + yaw)])
    ranges = np.full(len(angles), np.inf)
    for x0, y0, x1, y1 in walls:
        along = np.array([x1 - x0, y1 - y0])
        crossing = ways[0] * along[1] - ways[1] * along[0]
        with np.errstate(divide='ignore'):
            away = ((x0 - x) * along[1] - (y0 - y) * along[0]) / crossing
            share = ((x0 - x) * ways[1] - (y0 - y) * ways[0]) / crossing
        hit = (away > 0.0) & (share >= 0.0) & (share <= 1.0)
        ranges = np.where(hit & (away < ranges), away, ranges)
    for at_x, at_y, radius in discs:
        ahead = ways[0] * (at_x - x) + ways[1] * (at_y - y)
        root = ahead**2 - (at_x - x) ** 2 - (at_y - y) ** 2 + radius**2
        away = ahead - np.sqrt(np.maximum(root, 0.0))
        hit = (root > 0.0) & (away > 0.0) & (away < ranges)
        ranges = np.where(hit, away, ranges)
    return ranges


def tracked_along_walls(walls, mover, beams, *, noise=0.01, rate=20.0, seconds=8.0, speed=0.4):
    """Drive along x between walls, turning a little; return the moving obstacles at each scan."""
    angles, rng = np.arange(beams) / beams * math.tau, np.random.default_rng(0)
    tracks, found = (), []
    for step in range(1, round(seconds * rate) + 1):
        time = step / rate
        pose = speed * time, 0.05 * math.sin(time), 0.15 * math.cos(1.2 * time)
        ranges = ranges_to(walls, mover(time), pose, angles) + rng.normal(0.0, noise, beams)
        ranges = np.where(ranges < 12.0, ranges, np.inf).astype(np.float32)
        tracks = track_scan(tracks, Scan(time, angles, ranges, (0.0, 0.0), 12.0), pose)
        found.append(moving_obstacles(tracks))
    return found


@pytest.mark.parametrize('beams', [180, 360, 720])
def test_walls_with_gaps_do_not_move(beams):
    """A beam that grazes a wall shows single points of it, which move with the robot."""
    rng, walls = np.random.default_rng(3), []
    for side in (1.1, -1.1):
        x = -10.0
        while x < 25.0:
            length = rng.uniform(1.0, 4.0)
            walls += [(x, side, x + length, side),
                      (x + length, side, x + length, 1.15 * side)]
            x += length + rng.uniform(0.0, 1.0)
    assert not any(tracked_along_walls(walls, lambda time: (), beams))


@pytest.mark.parametrize('beams', [360, 720])
@pytest.mark.parametrize('side', [1.0, 2.1])
@pytest.mark.parametrize('speed', [0.2, 0.6, -0.6])
def test_walls_behind_a_moving_obstacle_do_not_move(beams, side, speed):
    """A moving obstacle hides one end of what is seen of a wall, and grazing beams the other."""
    walls = [(-30.0, side, 40.0, side), (-30.0, -side, 40.0, -side)]
    begin = 1.7 if speed > 0.0 else 7.0

    def mover(time):
        return [(begin + speed * time, 0.3, 0.25)]

    found = tracked_along_walls(walls, mover, beams)
    late = [obstacles for obstacles in found[40:] if obstacles]
    assert len(late) > 0.8 * len(found[40:])
    for step, obstacles in enumerate(found):
        (x, y, _), = mover((step + 1) / 20.0)
        assert all(math.dist((m.x, m.y), (x, y)) < 0.35 for m in obstacles)


@pytest.mark.parametrize('speed', [0.3, 1.0, 2.0])
def test_a_disc_that_stood_is_found_soon_after_it_has_started(speed):
    rng, tracks, since = np.random.default_rng(1), (), None
    for step in range(1, 61):
        moved = speed * max(step / LIDAR.rate - 2.0, 0.0)
        scan = LIDAR.scan(world_of((0.5, 0.3 - moved, 0.25)), POSE, rng, step / LIDAR.rate)
        tracks = track_scan(tracks, scan, POSE)
        (obstacle,) = moving_obstacles(tracks) or (None,)
        if obstacle and since is None:
            since = step / LIDAR.rate - 2.0
    assert 0.0 < since <= 0.6
    assert (obstacle.vx, obstacle.vy) == pytest.approx((0.0, -speed), abs=0.15)


def test_of_a_noisy_scan_only_the_nearest_clusters_are_tracked():
    scan = LIDAR.scan(world_of(), POSE, np.random.default_rng(0))
    ranges = np.random.default_rng(2).uniform(1.0, 8.0, len(scan.ranges)).astype(np.float32)
    tracks = track_scan((), Scan(0.0, scan.angles, ranges, (0.0, 0.0), 12.0), POSE)
    assert 0 < len(tracks) <= MAX_CLUSTERS


@pytest.mark.parametrize('changes, words', [
    ({'stamp': math.nan}, 'scan stamp = nan s is not finite'),
    ({'angles': np.zeros(3)}, '3 angles and 2 ranges'),
    ({'angles': np.array([0.0, np.nan])}, 'an angle or the mounting pose .* is not finite'),
    ({'mount': (0.0, math.inf)}, 'an angle or the mounting pose .* is not finite'),
    ({'max_range': 0.0}, 'scan max_range = 0.0 m is not positive and finite'),
])  # fmt: skip
def test_a_scan_that_is_not_valid_is_refused_with_the_reason(changes, words):
    valid = {'stamp': 0.0, 'angles': np.zeros(2), 'ranges': np.ones(2, np.float32),
             'mount': (0.0, 0.0), 'max_range': 5.0}
    Scan(**valid).check()
    with pytest.raises(InputError, match=words):
        Scan(**(valid | changes)).check()
