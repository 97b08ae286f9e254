"""The world: maps read as the map_server reads them, exact clearance, exact rays."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image
import pytest

from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.world import MovingDisc, World

BOX = np.array([[0.3, 0.2], [-0.2, 0.2], [-0.2, -0.2], [0.3, -0.2]])
DART = np.array([[0.4, 0.0], [-0.3, 0.3], [-0.1, 0.0], [-0.3, -0.3]])


def save_map(folder, pixels, **changes):
    fields = {
        'image': 'map.png', 'resolution': 0.1, 'origin': [-1.0, -2.0, 0.0], 'negate': 0,
        'occupied_thresh': 0.65, 'free_thresh': 0.196,
    }
    fields.update(changes)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(folder / 'map.png')
    lines = [f'{name}: {value}' for name, value in fields.items() if value is not None]
    path = folder / 'map.yaml'
    path.write_text('\n'.join(lines), encoding='utf-8')
    return path


def random_map(folder, seed=0, shape=(40, 60), share=0.05):
    rng = np.random.default_rng(seed)
    return World.from_map(save_map(folder, np.where(rng.random(shape) < share, 0, 254)))


def squares(world):
    """Lower left corners of the occupied cells."""
    rows, columns = np.nonzero(world.occupancy.data == 100)
    grid = world.occupancy
    return np.stack(
        [grid.origin_x + columns * grid.resolution, grid.origin_y + rows * grid.resolution], axis=1
    )


def boundary(corners, pose, spacing=1e-3):
    """Points along the sides of a placed polygon."""
    x, y, yaw = pose
    turn = np.array([[math.cos(yaw), math.sin(yaw)], [-math.sin(yaw), math.cos(yaw)]])
    placed = corners @ turn + (x, y)
    ends = np.roll(placed, -1, axis=0)
    share = np.arange(0.0, 1.0, spacing)[:, None]
    return np.vstack([a + share * (b - a) for a, b in zip(placed, ends, strict=True)])


def test_first_row_of_the_image_is_the_top_of_the_map(tmp_path):
    pixels = np.full((3, 4), 254)
    pixels[0, 1] = 0
    world = World.from_map(save_map(tmp_path, pixels))
    assert world.occupancy.data[2, 1] == 100
    assert (world.occupancy.origin_x, world.occupancy.origin_y) == (-1.0, -2.0)
    assert world.clearance(0.01, (-0.85, -1.75, 0.0)) == 0.0
    assert world.clearance(0.01, (-0.85, -1.95, 0.0)) == pytest.approx(0.15 - 0.01)


@pytest.mark.parametrize(('changes', 'expected'), [
    ({}, [100, 100, -1, -1, 0, 0]),
    ({'negate': 1}, [0, -1, -1, 100, 100, 100]),
    ({'mode': 'trinary', 'free_thresh': 0.25}, [100, 100, -1, -1, 0, 0]),
    ({'mode': 'Scale'}, [100, 100, 91, 0, 0, 0]),
    ({'mode': 'raw'}, [0, 60, 100, -1, -1, -1]),
    ({'occupied_thresh': 0.9}, [100, -1, -1, -1, 0, 0]),
])
def test_modes_and_thresholds_follow_the_map_server(tmp_path, changes, expected):
    # p of grey 0, 60, 100, 205, 240, 254 is 1, .765, .608, .196, .059, .004
    world = World.from_map(save_map(tmp_path, [[0, 60, 100, 205, 240, 254]], **changes))
    assert world.occupancy.data[0].tolist() == expected


def test_transparent_pixels_are_unknown(tmp_path):
    pixels = np.zeros((1, 3, 4))
    pixels[0, :, 3] = 255, 0, 255
    pixels[0, 2, :3] = 255
    world = World.from_map(save_map(tmp_path, pixels))
    assert world.occupancy.data[0].tolist() == [100, -1, 0]


@pytest.mark.parametrize(('changes', 'message'), [
    ({'image': 'none.png'}, 'none.png'),
    ({'image': 'map.yaml'}, 'is not an image'),
    ({'image': None}, 'no field image'),
    ({'resolution': 0}, 'resolution = 0 m is outside'),
    ({'resolution': 'fine'}, "resolution = 'fine' must be a number"),
    ({'origin': '[0, 0]'}, 'must be \\[x, y, yaw\\]'),
    ({'origin': '[0, .nan, 0]'}, 'origin = nan'),
    ({'origin': '[0, 0, 0.5]'}, 'rotated maps'),
    ({'occupied_thresh': 65}, 'occupied_thresh = 65 is outside'),
    ({'free_thresh': 0.7}, 'free_thresh = 0.7 is above'),
    ({'negate': 2}, 'negate = 2'),
    ({'mode': 'grey'}, "mode = 'grey' is not one of"),
])
def test_a_bad_map_is_rejected_by_name(tmp_path, changes, message):
    path = save_map(tmp_path, [[0, 254]], **changes)
    with pytest.raises(InputError, match=message) as caught:
        World.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(('name', 'text', 'message'), [
    ('a.yaml', 'image: [', 'is not YAML'),
    ('a.yaml', '[1, 2]', 'is not the YAML file of a map'),
    ('a.csv', '', 'no column x'),
    ('a.csv', 'x,y\n1,2', 'no column radius'),
    ('a.csv', 'x,y,radius\n', 'contains no circle'),
    ('a.csv', 'x,y,radius\n1,2,oak', 'line 2'),
    ('a.csv', 'x,y,radius\n1,2', 'line 2'),
    ('a.csv', 'x,y,radius\n1,2,-1', 'radius = -1 m'),
    ('a.csv', 'x,y,radius\n1,nan,1', 'circle 0 is not finite'),
    ('a.txt', 'x', 'extension must be'),
])
def test_a_bad_world_file_is_rejected_by_name(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text, encoding='utf-8')
    with pytest.raises(InputError, match=message):
        World.load(path)


def test_a_missing_file_is_rejected_by_name(tmp_path):
    for name in ('none.yaml', 'none.csv'):
        with pytest.raises(InputError, match='none.*No such file'):
            World.load(tmp_path / name)


@pytest.mark.parametrize('corners', [BOX, DART], ids=['box', 'dart'])
def test_clearance_equals_the_nearest_of_many_boundary_points(tmp_path, corners):
    discs = [[0.5, 0.0, 0.2], [3.5, 1.0, 0.4], [8.0, 8.0, 0.1]]
    world = random_map(tmp_path).with_discs(discs)
    low = squares(world)
    rng = np.random.default_rng(1)
    free = 0
    for pose in rng.uniform((-1.5, -2.5, -4.0), (5.5, 2.5, 4.0), size=(200, 3)):
        points = boundary(corners, pose, 0.005)
        gap = np.maximum(np.maximum(low - points[:, None], points[:, None] - low - 0.1), 0.0)
        to_cells = np.hypot(gap[..., 0], gap[..., 1]).min()
        to_discs = min(
            np.hypot(*(points - (x, y)).T).min() - radius for x, y, radius in discs
        )
        expected = min(to_cells, to_discs)
        clearance = world.clearance(corners, pose)
        if clearance > 0.0:
            free += 1
            assert clearance <= expected + 1e-12
            assert clearance == pytest.approx(expected, abs=2e-3)
        elif expected > 0.0:  # an obstacle lies inside of the body
            inner = [world.clearance(share * corners, pose) for share in np.linspace(0, 1, 40)]
            assert min(inner) == 0.0
    assert free > 50


def test_clearance_of_a_round_body_is_the_distance_less_its_radius(tmp_path):
    world = random_map(tmp_path, seed=2)
    low = squares(world)
    for pose in np.random.default_rng(3).uniform((-3, -4, -4), (7, 4, 4), size=(200, 3)):
        gap = np.maximum(np.maximum(low - pose[:2], pose[:2] - low - 0.1), 0.0)
        distance = np.hypot(*gap.T).min()
        assert world.clearance(0.15, pose) == pytest.approx(max(0.0, distance - 0.15), abs=1e-9)


def test_a_body_that_holds_an_obstacle_is_in_contact():
    world = World.from_circles([[0.0, 0.0, 0.01]])
    assert world.clearance(BOX, (0.0, 0.0, 1.0)) == 0.0
    assert world.clearance(BOX, (-0.5, 0.0, 0.0)) == pytest.approx(0.5 - 0.3 - 0.01)
    assert world.clearance(BOX, (-0.5, 0.0, 0.0), inflation=0.03) == pytest.approx(0.16)


def test_a_body_inside_of_a_block_of_cells_is_in_contact(tmp_path):
    world = World.from_map(save_map(tmp_path, np.zeros((30, 30))))
    assert world.clearance(0.05, (0.52, -0.48, 0.0)) == 0.0
    assert world.clearance(BOX, (0.52, -0.48, 0.0)) == 0.0


def test_a_world_without_obstacles_is_clear_everywhere(tmp_path):
    world = World.from_map(save_map(tmp_path, np.full((5, 5), 254)))
    assert world.clearance(0.2, (0.0, 0.0, 0.0)) == math.inf
    assert np.isinf(world.raycast(-0.8, -1.8, np.linspace(0, 6, 50), 30.0)).all()


def reference_ray(world, x, y, angle, max_range):
    """Nearest entry into any square or circle, each by its own formula."""
    cos, sin = math.cos(angle), math.sin(angle)
    low = squares(world) if world._hop.size else np.zeros((0, 2))
    with np.errstate(divide='ignore', invalid='ignore'):
        tx = np.stack([low[:, 0] - x, low[:, 0] + world.occupancy.resolution - x]) / cos
        ty = np.stack([low[:, 1] - y, low[:, 1] + world.occupancy.resolution - y]) / sin
    enter = np.maximum(tx.min(axis=0), ty.min(axis=0))
    leave = np.minimum(tx.max(axis=0), ty.max(axis=0))
    hits = list(np.maximum(enter, 0.0)[(enter <= leave) & (leave >= 0.0)])
    for cx, cy, radius in world.circles:
        dx, dy = cx - x, cy - y
        along, across = cos * dx + sin * dy, cos * dy - sin * dx
        if abs(across) <= radius and along + math.sqrt(radius**2 - across**2) >= 0.0:
            hits.append(max(0.0, along - math.sqrt(radius**2 - across**2)))
    nearest = min(hits, default=math.inf)
    return nearest if nearest < max_range else math.inf


@pytest.mark.parametrize('share', [0.001, 0.01, 0.2])
def test_rays_equal_the_nearest_of_all_squares_and_circles(tmp_path, share):
    world = random_map(tmp_path, seed=4, share=share)
    world = world.with_discs([[1.0, 0.5, 0.3], [9.0, 3.0, 1.0]])
    rng = np.random.default_rng(5)
    for x, y in rng.uniform((-2.0, -3.0), (6.0, 3.0), size=(30, 2)):
        angles = rng.uniform(-7.0, 7.0, size=40)
        ranges = world.raycast(x, y, angles, 6.0)
        expected = [reference_ray(world, x, y, angle, 6.0) for angle in angles]
        assert ranges.dtype == np.float32
        np.testing.assert_allclose(ranges, expected, atol=1e-4)


def test_rays_along_the_axes_meet_the_face_of_a_cell(tmp_path):
    pixels = np.full((21, 21), 254)
    pixels[10, [0, 20]] = 0
    pixels[[0, 20], 10] = 0
    world = World.from_map(save_map(tmp_path, pixels, origin=[0.0, 0.0, 0.0]))
    ranges = world.raycast(1.05, 1.05, np.array([0.0, 0.5, 1.0, 1.5]) * math.pi, 30.0)
    np.testing.assert_allclose(ranges, 0.95, atol=1e-5)


def test_moving_discs_turn_back_and_return():
    obstacle = MovingDisc(0.0, 1.0, 0.3, vx=0.5, vy=0.0, turn=2.0)
    assert obstacle.at(1.0) == (0.5, 1.0, 0.3)
    assert obstacle.at(3.0) == obstacle.at(1.0) == obstacle.at(5.0)
    assert MovingDisc(0.0, 0.0, 0.3, vx=1.0, vy=-1.0).at(10.0) == (10.0, -10.0, 0.3)
    world = World.from_circles([[9.0, 9.0, 0.1]]).with_moving_obstacles([obstacle])
    assert world.clearance(0.2, (0.0, 0.0, 0.0), time=0.0) == pytest.approx(0.5)
    assert world.clearance(0.2, (1.0, 0.0, 0.0), time=2.0) == pytest.approx(0.5)
    assert world.raycast(0.5, 0.0, np.array([math.pi / 2]), 9.0, time=1.0)[0] == pytest.approx(0.7)


def test_added_discs_are_obstacles_that_the_map_does_not_show():
    world = World.from_circles([[0.0, 0.0, 0.1]])
    more = world.with_discs([[1.0, 0.0, 0.2]])
    assert more.occupancy is world.occupancy
    assert more.clearance(0.1, (1.0, 0.0, 0.0)) == 0.0
    assert world.clearance(0.1, (1.0, 0.0, 0.0)) > 0.0


def test_a_cell_of_the_map_is_occupied_just_where_a_circle_meets_it():
    world = World.from_circles([[0.025, 0.025, 0.06]], bounds=(-0.1, -0.1, 0.15, 0.15))
    assert (world.occupancy.data // 100).tolist() == [
        [0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0],
    ]


def test_barn_blocks_are_solid(data):
    for path in sorted((data / 'barn' / 'circles').glob('circles_*.csv')):
        number = path.stem.split('_')[1]
        grid = np.load(data / 'barn' / 'grid' / f'grid_{number}.npy')
        centres = np.argwhere(grid) * 0.15 + (-4.425, 5.175)
        world = World.load(path)
        gaps = np.hypot(*(centres[:, None] - world.circles[:, :2]).transpose(2, 0, 1)).min(axis=1)
        assert gaps.max(initial=0.0) < 1e-6
        assert world.clearance(0.2, (-2.25, 3.0, 1.57)) > 0.5
        assert world.occupancy.contains(-2.25, 13.0)


def test_grey_that_means_unknown_is_not_free(data):
    depot = World.load(data / 'maps' / 'nav2' / 'depot.yaml').occupancy
    assert np.count_nonzero(depot.data == -1) == 8894


def test_every_real_map_is_read(data):
    for path in sorted((data / 'maps').rglob('*.yaml')):
        values = np.unique(World.load(path).occupancy.data)
        assert {0, 100} <= set(values.tolist()) <= {-1, 0, 100}
