"""The fused rollout costs what a plain float64 NumPy rollout of the same model does."""
from __future__ import annotations

from dataclasses import dataclass, replace
import math

import numba
import numpy as np
from numpy_motion import COLUMNS, drive
import pytest

from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.critics import CRITICS
from mppi_ros.driving.distance_field import DistanceField, distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.goal_heading import CLEARANCE_STEP
from mppi_ros.driving.lookahead import LENGTH_BEHIND, LENGTH_BEYOND_HORIZON
from mppi_ros.driving.motion_models import MotionState, trajectory
from mppi_ros.driving.objective import GOAL_NEAR, GOAL_REACH, DrivingObjective
from mppi_ros.driving.parameters import (
    CriticParameters,
    Limits,
    Obstacle,
    PredictionParameters,
    Zone,
    ZoneSpeed,
)
from mppi_ros.driving.path import ReferencePath
from mppi_ros.jit.simd import BLOCK

DT, STEPS = 0.05, 40
ROUND = Footprint.round(0.223)
LONG = Footprint.polygonal([[0.6, 0.35], [0.6, -0.15], [-0.3, -0.15], [-0.3, 0.35]])


def cluttered(seed=0, outside_is_obstacle=True):
    """Return the distance field of 8 m x 6 m with many small obstacles."""
    random = np.random.default_rng(seed)
    data = np.zeros((120, 160), np.int8)
    for row, column in random.integers([0, 0], [120, 160], size=(60, 2)):
        data[row : row + 2, column : column + 3] = 100
    costmap = Costmap(data, 0.05, 0.0125, -0.0125)
    return distance_field(costmap, outside_is_obstacle=outside_is_obstacle)


def zoned(seed=0):
    """Return a cluttered field with zones of random costs, 0.4 m wide."""
    random = np.random.default_rng(seed)
    zone = np.kron(random.choice([0.0, 0.3, 1.0], (15, 20)), np.ones((8, 8)))
    return replace(cluttered(seed), zone=zone.astype(np.float32))


def passage():
    """Return the distance field of a narrow passage, 0.6 m wide, on the way of `bend`."""
    data = np.zeros((120, 160), np.int8)
    data[46:54, 50:60] = data[66:74, 50:60] = 100
    return distance_field(Costmap(data, 0.05, 0.0125, -0.0125))


def bend(goal_yaw=2.0):
    """Return a path of 3.2 m from (2, 3): straight, a curve to the left, straight."""
    angle = np.linspace(0.0, 1.2, 30)
    curve = np.stack([3.0 + np.sin(angle), 4.0 - np.cos(angle)], axis=1)
    end = curve[-1] + np.array([math.cos(1.2), math.sin(1.2)])
    poses = np.vstack([[2.0, 3.0], curve, end])
    return ReferencePath.from_poses(np.column_stack([poses, np.full(len(poses), goal_yaw)]))


@dataclass(frozen=True)
class Scene:
    """Everything that decides the cost of a control sequence."""

    field: DistanceField
    path: ReferencePath
    state: MotionState
    last: tuple[float, ...] = (0.1, -0.2)
    progress: float = 0.0
    footprint: Footprint = ROUND
    limits: Limits = Limits()
    critics: CriticParameters = CriticParameters()
    prediction: PredictionParameters = PredictionParameters()
    looked_ahead: bool = False
    motion_model: str = 'diff_drive'
    pending: tuple[tuple[float, ...], ...] = ()
    moving_obstacles: tuple[tuple[float, ...], ...] = ()  # x, y, vx, vy, radius, std
    interval: float | None = None

    @property
    def controls(self):
        return COLUMNS[self.motion_model]

    def objective(self):
        made = DrivingObjective(
            self.limits, self.critics, self.prediction, self.footprint, STEPS, DT,
            motion_model=self.motion_model)
        made.set_field(self.field)
        if self.looked_ahead:
            assert not made.look_ahead(self.path, self.progress)
        pending = np.array(self.pending, np.float32).reshape(-1, self.controls)
        obstacles = np.array(self.moving_obstacles, np.float64).reshape(-1, 7)
        made.prepare(
            self.state, self.last, self.path, self.progress, pending, obstacles, self.interval)
        return made


def many_obstacles(count=40):
    """Return obstacles around (2, 3), slow and fast: some are near only at the end, some never."""
    draw = np.random.default_rng(4)
    angle, heading = draw.uniform(-np.pi, np.pi, (2, count))
    away, speed = draw.uniform(0.8, 6.0, count), draw.uniform(0.0, 2.0, count)
    return tuple(map(tuple, np.stack([
        2.0 + away * np.cos(angle), 3.0 + away * np.sin(angle), speed * np.cos(heading),
        speed * np.sin(heading), draw.uniform(0.1, 0.4, count), draw.uniform(0.0, 0.2, count),
        draw.uniform(0.1, 0.6, count),
    ], axis=1).tolist()))


ZONES = CriticParameters(zone=Zone(weight=3.0), zone_speed=ZoneSpeed(weight=8.0))
FACING, FACING_AHEAD = 10.0, 4.0  # times path_heading: of yaws of the plan; else, for an omni
SCENES = {
    'start': Scene(cluttered(0), bend(), MotionState(2.01, 3.02, 0.1, 0.2, -0.3)),
    'reversing': Scene(cluttered(1), bend(), MotionState(2.3, 2.9, -0.4, -0.15, 0.5),
                       (-0.1, 0.4), 0.31),
    'goal': Scene(cluttered(2), bend(), MotionState(4.1, 4.3, 1.0, 0.4, 0.2), (0.45, 0.1), 2.63),
    'goal near obstacles': Scene(
        cluttered(3), bend(), MotionState(4.2, 4.4, 1.4, 0.2, 0.2), (0.2, 0.1), 2.7,
        footprint=LONG, critics=CriticParameters(obstacle=Obstacle(margin=0.6))),
    'long body': Scene(cluttered(3), bend(), MotionState(2.4, 3.1, 3.0, 0.3, 0.0), footprint=LONG),
    'edge of the map': Scene(
        cluttered(4, outside_is_obstacle=False), bend(), MotionState(7.8, 0.1, -0.8, 0.5, 0.0)),
    'no lag': Scene(cluttered(5), bend(), MotionState(2.0, 3.0, 0.0, 0.0, 0.0), (0.0, 0.0),
                    prediction=PredictionParameters(lag_linear=0.0, lag_angular=0.0)),
    'heavy': Scene(cluttered(6), bend(), MotionState(2.0, 3.0, 0.5, 1.0, 0.0), (1.2, 0.0),
                   limits=Limits(vx_max=1.5, ax_max=0.5, ax_min=-0.8, az_max=0.9),
                   prediction=PredictionParameters(lag_linear=0.4, lag_angular=0.25)),
    'fast in turns': Scene(cluttered(6), bend(), MotionState(2.0, 3.0, 0.5, 1.4, 0.6), (1.4, 0.6),
                           limits=Limits(vx_max=2.0, wz_max=3.0, ax_max=3.0, ax_min=-3.0,
                                         az_max=6.0, ay_max=0.9)),
    'driven backward': Scene(cluttered(7), replace(bend(), direction=-1.0),
                             MotionState(2.0, 3.0, 2.9, -0.2, 0.0)),
    'narrow': Scene(passage(), bend(), MotionState(2.0, 3.0, 0.1, 0.2, 0.0), looked_ahead=True),
    'a point': Scene(cluttered(8), ReferencePath.from_poses([[2.4, 3.3, 1.0]]),
                     MotionState(2.0, 3.0, 0.5, 0.1, 0.0)),
    'turns late': Scene(cluttered(9), bend(), MotionState(2.0, 3.0, 0.1, 0.2, 0.3),
                        prediction=PredictionParameters(delay_linear=0.05, delay_angular=0.17),
                        pending=((0.2, 0.5), (0.2, -0.4), (0.1, -0.2))),
    'moving obstacles': Scene(
        cluttered(0), bend(), MotionState(2.0, 3.0, 0.1, 0.3, 0.1), footprint=LONG,
        moving_obstacles=((3.0, 2.4, 0.1, 0.5, 0.2, 0.1, 0.4),
                          (5.0, 3.5, -0.9, -0.2, 0.3, 0.0, 0.2))),
    'two moving obstacles side by side': Scene(
        cluttered(5), bend(), MotionState(2.0, 3.0, 0.4, 0.3, 0.1), (0.2, -0.1, 0.1),
        motion_model='omni',
        moving_obstacles=((3.0, 3.4, -0.3, 0.0, 0.25, 0.1, 0.4),
                          (2.9, 2.6, -0.3, 0.1, 0.25, 0.1, 0.6),
                          (9.0, 9.0, 0.0, 0.0, 0.3, 0.0, 0.4))),
    'many moving obstacles': Scene(
        cluttered(6), bend(), MotionState(2.0, 3.0, 0.4, 0.3, 0.1), footprint=LONG,
        moving_obstacles=many_obstacles()),
    'zones': Scene(zoned(3), bend(), MotionState(2.0, 3.0, 0.1, 0.3, 0.1), critics=ZONES),
    'zones of a car': Scene(zoned(4), bend(), MotionState(2.0, 3.0, 0.3, 0.4, 0.2, 0.0, 0.5),
                            (0.4, 0.6), motion_model='ackermann', critics=ZONES),
    'dead bands': Scene(cluttered(10), bend(), MotionState(2.0, 3.0, 0.1, 0.2, 0.3),
                        prediction=PredictionParameters(dead_band_linear=0.15,
                                                        dead_band_angular=0.3)),
    'omni': Scene(cluttered(11), bend(), MotionState(2.0, 3.0, 0.4, 0.2, 0.3, -0.1),
                  (0.2, -0.13, 0.1),
                  motion_model='omni', limits=Limits(vy_max=0.4, ay_max=0.7, ay_min=-2.0)),
    'omni late': Scene(cluttered(12), bend(), MotionState(2.3, 3.1, 1.4, 0.2, 0.3, 0.2),
                       (0.2, 0.1, 0.1), motion_model='omni', footprint=LONG,
                       prediction=PredictionParameters(delay_linear=0.22, delay_angular=0.1,
                                             lag_linear=0.2, dead_band_linear=0.1),
                       pending=((0.3, 0.0, 0.0), (0.2, 0.3, 0.4), (0.1, 0.2, 0.0))),
    'omni, yaws of the plan': Scene(
        cluttered(11), replace(bend(), direction=0.0, facing=np.linspace(1.0, -2.0, 65),
                               goal=(*bend().goal[:2], -2.0)),
        MotionState(2.0, 3.0, 0.4, 0.2, 0.3, -0.1),
                  (0.2, -0.13, 0.1), motion_model='omni'),
    'past the end': Scene(cluttered(2), bend(), MotionState(4.4, 5.1, 1.0, 0.4, 0.2), (0.45, 0.1),
                          3.2),
    'before the begin': Scene(cluttered(1), bend(), MotionState(1.4, 2.8, 0.3, 0.4, 0.2),
                              (0.4, 0.1)),
    'car': Scene(cluttered(13), bend(), MotionState(2.0, 3.0, 0.3, 0.4, 0.2, 0.0, 0.5), (0.4, 0.6),
                 motion_model='ackermann', footprint=LONG),
    'sliding car': Scene(cluttered(14), bend(), MotionState(2.0, 3.0, 0.3, 1.8, 0.9, 0.0, 0.5),
                         (1.9, 0.3), motion_model='ackermann',
                         limits=Limits(vx_max=2.0, wz_max=1.5, ax_max=2.0, ax_min=-3.0,
                                       ay_max=0.9, steering_rate=0.6)),
    'car whose tyres slip': Scene(
        cluttered(14), bend(), MotionState(2.0, 3.0, 0.3, 1.8, 0.7, -0.1, 0.5), (1.9, 0.3),
        motion_model='ackermann',
        limits=Limits(vx_max=2.0, wz_max=1.5, ax_max=2.0, ax_min=-3.0, ay_max=2.0),
        prediction=PredictionParameters(
            delay_linear=0.05, delay_angular=0.15, characteristic_speed=2.5, rear_slip=0.1,
            tyre_grip=2.5, com_height=0.05, gyration_radius=0.1),
        pending=((0.5, 0.7), (0.4, 0.1))),
    'car steered late': Scene(cluttered(15), bend(),
                              MotionState(2.2, 3.0, 0.3, 0.4, 0.2, 0.0, 0.5),
                              (0.2, 0.4), motion_model='ackermann', progress=0.21,
                              prediction=PredictionParameters(delay_linear=0.05,
                                                              delay_angular=0.15,
                                                    dead_band_linear=0.12),
                              pending=((0.5, 0.7), (0.4, 0.1))),
    'sent seldom': Scene(cluttered(0), bend(), MotionState(2.01, 3.02, 0.1, 0.2, -0.3),
                         interval=0.2),
    'sent often': Scene(cluttered(0), bend(), MotionState(2.01, 3.02, 0.1, 0.2, -0.3),
                        interval=0.01),
    'omni sent seldom': Scene(
        cluttered(11), bend(), MotionState(2.0, 3.0, 0.4, 0.2, 0.3, -0.1), (-0.01, 0.3, 0.1),
        motion_model='omni', limits=Limits(vy_max=0.4, ay_max=0.7, ay_min=-0.5), interval=0.1),
    'car sent seldom': Scene(
        cluttered(13), bend(), MotionState(2.0, 3.0, 0.3, 0.4, 0.2, 0.0, 0.5), (0.4, 0.6),
        motion_model='ackermann', footprint=LONG, interval=0.1),
}  # fmt: skip


def noise_of(blocks, seed=0, controls=2):
    """Return noise, float32[blocks, T · m, BLOCK], that drifts over the horizon."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=(blocks, STEPS, controls, BLOCK))
    for t in range(1, STEPS):
        noise[:, t] = 0.95 * noise[:, t - 1] + 0.3 * noise[:, t]
    return noise.reshape(blocks, controls * STEPS, BLOCK).astype(np.float32)


def mean_of(seed=0, controls=2):
    random = np.random.default_rng(seed)
    steps = np.cumsum(random.normal(size=(STEPS, controls)), axis=0)
    mean = steps * [0.05, *[0.1] * (controls - 1)] + [0.3, *[0.0] * (controls - 1)]
    return mean.astype(np.float32)


FACTOR = np.array([[0.4, 0.0], [0.1, 0.8]], np.float32)
FACTORS = {2: FACTOR, 3: np.array(
    [[0.4, 0.0, 0.0], [0.1, 0.3, 0.0], [0.1, -0.2, 0.8]], np.float32)}


def controls_of(mean, noise):
    """Return x̄ + L n, float64[K, T, m]."""
    controls = mean.shape[1]
    lanes = noise.transpose(0, 2, 1).reshape(-1, STEPS, controls).astype(np.float64)
    return mean + lanes @ FACTORS[controls].T.astype(np.float64)


def time_left(scene, arc, end):
    """Return the time [s] from `arc` to `end` along the path, float64[K], as it is priced."""
    path, critics, fastest = scene.path, scene.critics, scene.limits.vx_max
    clearance = np.full(len(path.arc), np.inf)
    if scene.looked_ahead:
        reach = 2.0 * fastest * STEPS * DT + LENGTH_BEYOND_HORIZON
        seen = (path.arc >= scene.progress - LENGTH_BEHIND) & (path.arc <= scene.progress + reach)
        poses = np.column_stack([path.points, path.yaw])[seen]
        clearance[seen] = np.maximum(scene.footprint.clearance(scene.field, poses), 1e-3)
    near = np.maximum(1.0 - clearance / critics.obstacle.margin, 0.0)
    speed = critics.clearance_speed
    at_contact, per_clearance = speed.free_speed(fastest)
    allowed = np.minimum(at_contact + per_clearance * clearance, fastest)
    rate = (1.0 + critics.obstacle.weight * near**2) / allowed
    steps = 0.5 * (rate[1:] + rate[:-1]) * np.diff(path.arc)
    since_start = np.concatenate([[0.0], np.cumsum(steps)])
    at, last = np.interp(arc, path.arc, since_start), np.interp(end, path.arc, since_start)
    return last - at


def unavoidable(scene):
    """Return (margin − d)⁺ [m] at the goal and on the shorter turn to its heading."""
    x, y, yaw = scene.path.goal
    poses = [(x, y, yaw)]
    there = math.dist((x, y), scene.state[:2]) < GOAL_NEAR
    begin = scene.state.yaw if there else scene.path.heading[-1]
    turn = math.remainder(yaw - begin, math.tau)
    if scene.motion_model != 'ackermann' and abs(turn) >= CLEARANCE_STEP:
        place = scene.state[:2] if there else (x, y)
        count = 2 + int(abs(turn) / CLEARANCE_STEP)
        poses += [(*place, begin + turn * part) for part in np.linspace(0.0, 1.0, count)]
    least = max(scene.footprint.clearance(scene.field, np.array(poses)).min(), 0.0)
    return max(scene.critics.obstacle.margin - least, 0.0)


def chance_of_contact(scene, distances, time):
    """Return the chance that each distance, float64[n, k], is below 0 (Epanechnikov)."""
    deviations = np.array([each[5] for each in scene.moving_obstacles]).reshape(-1, 1)
    z = np.clip(distances / (2.0 * (0.05 + deviations * min(time, 1.5))), -1.0, 1.0)
    return 0.25 * (2.0 + z) * (1.0 - z) ** 2


def reference(scene, controls):
    """
    Return {critic: float64[K]} for controls, float64[K, T, 2], and which samples are doubtful.

    Doubtful is a sample that comes so near to the border of a cell or of a path segment, or to
    speed 0, where its limits change, that rounding may send it to either side.
    """
    limits, critics = scene.limits, scene.critics
    field, path = scene.field, scene.path
    count = len(controls)
    motion, change, sure_by = drive(
        scene.motion_model, limits, scene.prediction, DT, scene.state, scene.last,
        np.reshape(scene.pending, (-1, scene.controls)), controls, scene.interval)

    spacing = path.arc[1] if len(path.arc) > 1 else 1.0
    reach = limits.vx_max * STEPS * DT
    first = max(0, int((scene.progress - LENGTH_BEHIND) / spacing))
    last = min(
        len(path.arc), math.ceil((scene.progress + reach + LENGTH_BEYOND_HORIZON) / spacing) + 1
    )
    near_end = last == len(path.arc)
    arc = np.full(count, float(scene.progress))

    costs = {name: np.zeros(count) for name in CRITICS}
    doubtful = np.zeros(count, bool)
    for t in range(controls.shape[1]):
        x, y, yaw, v, vy, w = motion[:, t]
        vy = vy * (scene.motion_model == 'omni')  # the speed of a car is that of its wheels
        doubtful |= (sure_by[t] < 1e-6) & (t > 0)

        clearance = np.full(count, np.inf)
        to_moving = np.full((len(scene.moving_obstacles), count), np.inf)
        for ahead, aside, radius in scene.footprint.discs:
            disc_x = x + ahead * np.cos(yaw) - aside * np.sin(yaw)
            disc_y = y + ahead * np.sin(yaw) + aside * np.cos(yaw)
            swept = radius + (DT * np.hypot(v, vy)) ** 2 / (8.0 * radius)
            free = field.at(disc_x, disc_y) - swept
            doubtful |= np.abs(free) < 1e-5
            clearance = np.minimum(clearance, free)
            for n, (at_x, at_y, vx, vy_there, body, *_) in enumerate(scene.moving_obstacles):
                time = (t + 1) * DT
                away = np.hypot(disc_x - at_x - time * vx, disc_y - at_y - time * vy_there)
                free = away - body - radius
                doubtful |= np.abs(free) < 1e-5
                to_moving[n] = np.minimum(to_moving[n], free)
            for cells in (disc_x - field.origin_x, disc_y - field.origin_y):
                part = cells / field.resolution
                doubtful |= np.abs(part - np.round(part)) < 2e-4

        place = np.clip(arc / spacing, first, last - 1)
        index = np.floor(place).astype(int)
        inner = (place > first) & (place < last - 1)
        doubtful |= inner & (np.abs(place - np.round(place)) < 2e-4)
        tangent = np.stack([np.cos(path.yaw[index]), np.sin(path.yaw[index])])
        offset = np.stack([x, y]) - path.points[index].T
        cross = tangent[0] * offset[1] - tangent[1] * offset[0]
        rest = (last - 1) * spacing - arc
        along = index * spacing + (tangent * offset).sum(0)
        arc = np.clip(along, first * spacing, (last - 1) * spacing)
        beyond = along - arc

        goal_x, goal_y, goal_yaw = path.goal
        distance = np.maximum(np.hypot(x - goal_x, y - goal_y), rest)
        near = np.maximum(1.0 - distance / GOAL_NEAR, 0.0) if near_end else np.zeros(count)
        nearness = np.maximum(critics.obstacle.margin - np.maximum(clearance, 0.0), 0.0)
        charged = np.maximum(nearness**2 - near * unavoidable(scene) ** 2, 0.0)
        costs['obstacle'] += DT * (
            critics.obstacle.weight * charged / critics.obstacle.margin**2
            + critics.obstacle.collision * (clearance <= 0.0))
        moving = critics.moving_obstacle
        comfort = np.array([each[6] for each in scene.moving_obstacles]).reshape(-1, 1)
        close = np.maximum(comfort - np.maximum(to_moving, 0.0), 0.0)
        costs['moving_obstacle'] += DT * (
            moving.weight * (close / comfort) ** 2
            + moving.collision * chance_of_contact(scene, to_moving, (t + 1) * DT)).sum(0)
        speed = critics.clearance_speed
        at_contact, per_clearance = speed.free_speed(limits.vx_max)
        allowed = at_contact + per_clearance * np.maximum(clearance, 0.0)
        excess = np.maximum(np.hypot(v, vy) - allowed, 0.0) / limits.vx_max
        costs['clearance_speed'] += DT * speed.weight * excess**2
        tracking = critics.path_tracking
        squared = cross**2 + (np.maximum(beyond, 0.0)**2 if near_end else 0.0)
        share = squared / (squared + tracking.scale**2)
        costs['path_tracking'] += DT * tracking.weight * share
        alignment = np.cos(yaw - path.heading[index])
        ahead = FACING_AHEAD if scene.motion_model == 'omni' else 1.0
        kept = FACING if path.facing is not None else ahead
        costs['path_heading'] += (
            DT * kept * critics.path_heading.weight * (1.0 - near) * (1.0 - alignment))
        if near_end:
            costs['goal_position'] += (
                DT * critics.goal_position.weight * np.minimum(distance, GOAL_REACH))
            error = 2.0 * np.abs(np.sin(0.5 * (yaw - goal_yaw)))
            costs['goal_heading'] += DT * critics.goal_heading.weight * near * error
            stop = critics.goal_stop
            excess = np.maximum(np.hypot(v, vy) - stop.speed_per_metre * distance, 0.0)
            costs['goal_stop'] += DT * stop.weight * excess**2
        if field.zone is not None:
            for cells in (x - field.origin_x, y - field.origin_y):
                part = cells / field.resolution
                doubtful |= np.abs(part - np.round(part)) < 2e-4
            share = field.zone_at(x, y).astype(float)
            speed, charged = np.hypot(v, vy), critics.zone_speed
            costs['zone'] += DT * critics.zone.weight * share * speed
            free = limits.vx_max * (1.0 - (1.0 - charged.speed_at_full_cost) * share)
            excess = np.maximum(speed - free, 0.0) / limits.vx_max
            costs['zone_speed'] += DT * charged.weight * excess**2
        costs['twirling'] += DT * critics.twirling.weight * (w / limits.wz_max) ** 2
        most = {'diff_drive': [limits.ax_max, limits.az_max],
                'omni': [limits.ax_max, limits.ay_max, limits.az_max],
                'ackermann': [limits.ax_max, limits.curvature_rate]}[scene.motion_model]
        costs['smoothness'] += DT * critics.smoothness.weight * (
            (change[t] / (np.array(most) * DT)) ** 2).sum(1)
        fastest = max(limits.vx_max, -limits.vx_min)
        costs['prefer_forward'] += (
            DT * critics.prefer_forward.weight * np.maximum(-path.direction * v, 0.0) / fastest)
    place = arc / spacing
    doubtful |= (place < last - 1) & (place > first) & (np.abs(place - np.round(place)) < 2e-4)
    index = np.clip(np.floor(place), first, last - 1).astype(int)
    tangent = np.stack([np.cos(path.yaw[index]), np.sin(path.yaw[index])])
    offset = np.stack([x, y]) - path.points[index].T
    cross = tangent[0] * offset[1] - tangent[1] * offset[0]
    beyond = index * spacing + (tangent * offset).sum(0) - arc
    left = time_left(scene, arc, (last - 1) * spacing) + np.hypot(cross, beyond) / limits.vx_max
    turning = 0.5 * math.pi / limits.wz_max * (1.0 - np.cos(yaw - path.heading[index]))
    unturned = -limits.vx_min
    reversing = critics.prefer_forward.weight
    if scene.motion_model == 'omni':
        unturned, reversing = max(unturned, limits.vy_max), 0.0
    backward = time_left(scene, arc, (last - 1) * spacing) * (
        critics.progress.weight * max(limits.vx_max / unturned - 1.0, 0.0) + reversing)
    if path.facing is not None:
        backward = np.inf  # the yaws of the plan are kept to, however dear
    costs['progress'] += critics.progress.weight * left + np.minimum(
        critics.progress.weight * turning, backward)
    return costs, doubtful


def rolled(scene, mean, noise, threads=1, mirrored=False):
    """Return the kernel's costs, float32[blocks, BLOCK]."""
    costs = np.full((len(noise) * (2 if mirrored else 1), BLOCK), np.nan, np.float32)
    scene.objective().evaluate_blocks(mean, FACTORS[scene.controls], noise, costs, threads)
    return costs


def only(critics, kept):
    """Return critics with all weights 0 but those of `kept`."""
    off = {
        name: replace(getattr(critics, name), weight=0.0)
        for name in CRITICS if name != kept
    }
    if kept != 'obstacle':
        off['obstacle'] = replace(off['obstacle'], collision=0.0)
    return replace(critics, **off)


def assert_same(scene, result, controls, critics=tuple(CRITICS)):
    expected, doubtful = reference(scene, controls)
    total = sum(expected[name] for name in critics)
    sure = ~doubtful
    assert sure.mean() > 0.6
    np.testing.assert_allclose(result.ravel()[sure], total[sure], rtol=1e-5, atol=1e-4)
    return total


@pytest.mark.parametrize('name', SCENES)
def test_costs_are_those_of_the_reference(name):
    scene = SCENES[name]
    mean, noise = mean_of(0, scene.controls), noise_of(6, 0, scene.controls)
    total = assert_same(scene, rolled(scene, mean, noise), controls_of(mean, noise))
    assert np.ptp(total) > 0.1


@pytest.mark.parametrize('critic', CRITICS)
@pytest.mark.parametrize('name', ['start', 'reversing', 'goal', 'long body', 'narrow', 'zones'])
def test_each_critic_alone_is_that_of_the_reference(name, critic):
    scene = replace(SCENES[name], critics=only(ZONES, critic))
    mean, noise = mean_of(1), noise_of(3, 1)
    assert_same(scene, rolled(scene, mean, noise), controls_of(mean, noise))


def test_the_scenes_put_every_critic_to_the_test():
    spread = dict.fromkeys(CRITICS, 0)
    for scene in SCENES.values():
        mean, noise = mean_of(0, scene.controls), noise_of(6, 0, scene.controls)
        for name, charged in reference(scene, controls_of(mean, noise))[0].items():
            spread[name] += np.ptp(charged) > 0.02
    assert min(spread.values()) >= 2
    assert spread['obstacle'] >= 6


def test_blocks_past_the_drawn_ones_are_mirror_images():
    scene, mean, noise = SCENES['start'], mean_of(), noise_of(3)
    both = rolled(scene, mean, noise, mirrored=True)
    np.testing.assert_array_equal(both[:3], rolled(scene, mean, noise))
    np.testing.assert_array_equal(both[3:], rolled(scene, mean, -noise))


@pytest.mark.parametrize('name', SCENES)
def test_costs_are_bit_identical_for_one_and_two_threads(name):
    scene = SCENES[name]
    mean, noise = mean_of(2, scene.controls), noise_of(5, 2, scene.controls)
    serial = rolled(scene, mean, noise, threads=1, mirrored=True)
    before = numba.get_num_threads()
    try:
        for threads in range(1, min(2, numba.config.NUMBA_NUM_THREADS) + 1):
            numba.set_num_threads(threads)
            parallel = rolled(scene, mean, noise, threads=2, mirrored=True)
            np.testing.assert_array_equal(parallel, serial)
    finally:
        numba.set_num_threads(before)


def moved_by(scene, dx, dy):
    """Return the same scene elsewhere on the map."""
    field = scene.field
    path = ReferencePath(
        points=scene.path.points + [dx, dy], yaw=scene.path.yaw, arc=scene.path.arc,
        goal=(scene.path.goal[0] + dx, scene.path.goal[1] + dy, scene.path.goal[2]),
        direction=scene.path.direction, facing=scene.path.facing)
    return replace(
        scene, path=path,
        field=replace(field, origin_x=field.origin_x + dx, origin_y=field.origin_y + dy),
        state=scene.state._replace(x=scene.state.x + dx, y=scene.state.y + dy))


@pytest.mark.parametrize('name', ['start', 'goal', 'long body'])
def test_costs_a_thousand_kilometres_away_are_the_same(name):
    scene, mean, noise = SCENES[name], mean_of(), noise_of(4)
    controls = controls_of(mean, noise)
    far = rolled(moved_by(scene, 1e6, -1e6), mean, noise)
    assert_same(scene, far, controls)


def test_a_mirrored_scene_has_the_same_costs():
    scene, mean, noise = SCENES['long body'], mean_of(), noise_of(4)
    field, path, state = scene.field, scene.path, scene.state
    height = len(field.distance) * field.resolution
    mirrored = replace(
        scene,
        field=replace(field, distance=np.ascontiguousarray(field.distance[::-1]),
                      origin_y=-field.origin_y - height),
        path=replace(path, points=path.points * [1.0, -1.0], yaw=-path.yaw,
                     goal=(path.goal[0], -path.goal[1], -path.goal[2])),
        state=state._replace(y=-state.y, yaw=-state.yaw, w=-state.w),
        last=(scene.last[0], -scene.last[1]),
        footprint=Footprint.polygonal(LONG.polygon * [1.0, -1.0]))
    controls = controls_of(mean, noise)
    factor = FACTOR * np.array([[1.0, 1.0], [-1.0, -1.0]], np.float32)
    costs = np.empty((4, BLOCK), np.float32)
    turned = (mean * [1.0, -1.0]).astype(np.float32)
    mirrored.objective().evaluate_blocks(turned, factor, noise, costs, 1)
    assert_same(scene, costs, controls)


def test_a_scene_turned_by_a_quarter_has_the_same_costs():
    scene, mean, noise = SCENES['start'], mean_of(), noise_of(4)
    field, path, state = scene.field, scene.path, scene.state
    height = len(field.distance) * field.resolution
    quarter = 0.5 * math.pi
    turned = replace(
        scene,
        field=replace(field, distance=np.ascontiguousarray(np.rot90(field.distance, -1)),
                      origin_x=-field.origin_y - height, origin_y=field.origin_x),
        path=replace(path, points=path.points @ [[0.0, 1.0], [-1.0, 0.0]], yaw=path.yaw + quarter,
                     goal=(-path.goal[1], path.goal[0], path.goal[2] + quarter)),
        state=state._replace(x=-state.y, y=state.x, yaw=state.yaw + quarter))
    assert_same(scene, rolled(turned, mean, noise), controls_of(mean, noise))


@pytest.mark.filterwarnings('ignore:invalid value')
@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('where', ['x', 'y', 'yaw', 'v', 'w'])
def test_a_state_that_is_not_finite_stays_within_the_map_and_costs_no_finite_price(where, bad):
    scene = SCENES['start']
    broken = replace(scene, state=scene.state._replace(**{where: bad}))
    try:
        costs = rolled(broken, mean_of(), noise_of(2))
    except ValueError:  # an infinite angle has no cosine
        assert where == 'yaw'
    else:
        assert not np.isfinite(costs).any()


def test_samples_that_are_not_finite_do_not_touch_their_neighbours():
    scene, mean, noise = SCENES['start'], mean_of(), noise_of(2)
    clean = rolled(scene, mean, noise)
    noise[0, 10, 5] = np.nan
    noise[1, 21, 7] = np.inf
    broken = rolled(scene, mean, noise)
    same = np.ones((2, BLOCK), bool)
    same[0, 5] = same[1, 7] = False
    np.testing.assert_array_equal(broken[same], clean[same])


def test_far_outside_of_the_map_the_distance_of_the_outside_holds():
    scene = SCENES['start']
    for outside, price in ((0.0, 100.0), (1e4, 0.0)):
        away = replace(
            moved_by(scene, 1e5, 0.0), field=replace(scene.field, outside=outside),
            critics=only(CriticParameters(), 'obstacle'))
        costs = rolled(away, mean_of(), noise_of(1))
        near = scene.critics.obstacle.weight if outside == 0.0 else 0.0
        np.testing.assert_allclose(costs, STEPS * DT * (price + near), rtol=1e-5)


def test_time_left_is_longer_through_a_narrow_passage():
    narrow = SCENES['narrow']
    still = np.zeros((STEPS, 2), np.float32)
    looked, blind = (
        replace(narrow, looked_ahead=looked).objective().cost_of_each_critic(still)['progress']
        for looked in (True, False))
    assert looked > 1.1 * blind


def test_the_rollout_moves_as_the_motion_model_says():
    scene = SCENES['a point']
    goal_x, goal_y, goal_yaw = scene.path.goal
    objective = scene.objective()
    for seed in range(5):
        mean = mean_of(seed)
        objective.project(mean)
        states = trajectory(mean, scene.state, objective.model)[1:]
        distance = np.hypot(states[:, 0] - goal_x, states[:, 1] - goal_y)
        near = np.maximum(1.0 - distance / GOAL_NEAR, 0.0)
        error = 2.0 * np.abs(np.sin(0.5 * (states[:, 2] - goal_yaw)))
        charged = objective.cost_of_each_critic(mean)
        assert charged['goal_position'] == pytest.approx(
            DT * scene.critics.goal_position.weight * np.minimum(distance, GOAL_REACH).sum())
        assert charged['goal_heading'] == pytest.approx(
            DT * scene.critics.goal_heading.weight * (near * error).sum(), abs=1e-5)
        assert charged['twirling'] == pytest.approx(
            DT * scene.critics.twirling.weight
            * np.square(states[:, 4] / scene.limits.wz_max).sum(), rel=1e-4)


def test_no_obstacle_is_so_thin_that_it_is_missed_between_two_steps():
    field = np.zeros((120, 160), np.int8)
    field[:, 100] = 100  # a wall, 5 cm thick
    objective = DrivingObjective(
        Limits(vx_max=2.0, ax_max=50.0),
        CriticParameters(),
        PredictionParameters(lag_linear=0.0),
        ROUND,
        6,
        0.4,
    )
    objective.set_field(distance_field(Costmap(field, 0.05, 0.0, 0.0)))
    path = ReferencePath.from_poses([[0.5, 3.0], [7.5, 3.0]])
    for x in np.linspace(1.0, 1.8, 17):  # the steps are 0.8 m long
        objective.prepare(MotionState(x, 3.0, 0.0, 2.0, 0.0), (2.0, 0.0), path, x - 0.5)
        (cost,) = objective.costs_of_constant(np.array([[2.0, 0.0]], np.float32), 6)
        assert cost > 0.4 * CriticParameters().obstacle.collision
