"""
Search in space and time for a contact-free drive among given trajectories.

States (x, y, yaw, speed, turning rate) are expanded layer by layer of LAYER seconds with every
combination of speeding up, holding, slowing down and three changes of the turning rate, and
merged where they share a cell. The robot can follow a drive that is found. A drive may exist where
none is found, because

- the body is approximated by its circumscribed disc, with MARGIN around it;
- speeds stay below SHARE of their limits, and the acceleration is so low that a drive with the
  lag of the plant can follow it within the limits;
- states are merged, and at most KEPT of them are kept: half of them those nearest to the goal,
  half of them random;
- an omnidirectional robot is searched as one that drives along its heading.

The search is optimistic in two respects: it neglects the lag of the turning rate, which MARGIN
covers, and it knows the pose and the future trajectories exactly. A controller may therefore be
unable to find a drive that exists.
"""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.distance_field import distance_field
from mppi_ros.driving.footprint import Footprint
from mppi_ros.driving.parameters import Limits
from mppi_ros.evaluation.people.trajectories import positions
from mppi_ros.jit.cache import cached_njit
from mppi_ros.simulation.plant import PlantParameters
from mppi_ros.simulation.world import World

LAYER = 0.25  # [s]
SUBSTEPS = 10  # of a layer, at which contact is tested
MARGIN = 0.05  # [m]
SHARE = 0.9  # of the limits of the speeds
CELL = 0.2  # [m] within which states are merged
YAWS, SPEEDS, TURNS = 16, 4, 5  # bins of heading and speed, and levels of the turning rate
KEPT = (1_000, 10_000)  # states of a layer; the second number where the first finds nothing


def winning_time(
    world: World,
    start: tuple[float, float, float],
    goal: tuple[float, float],
    goal_radius: float,
    limits: Limits,
    footprint: Footprint,
    plant: PlantParameters,
    timeout: float,
) -> float:
    """
    Return the time of a contact-free drive that the search finds [s], inf if it finds none.

    Parameters
    ----------
    world : World
        Obstacles at rest on its map, which the robot must not leave, and moving obstacles.
    start : (float, float, float)
        x [m], y [m], yaw [rad]; at rest.
    goal : (float, float)
        x, y [m].
    goal_radius : float
        Distance of the centre to the goal at which it is reached [m].
    limits : Limits
        Of the robot.
    footprint : Footprint
        Of the robot.
    plant : PlantParameters
        Lag and inflation of the body.
    timeout : float
        Longest time [s].

    """
    for kept in KEPT:
        found = _search(
            world, start, goal, goal_radius, limits, footprint, plant, timeout, kept
        )
        if math.isfinite(found):
            return found
    return math.inf


def _search(
    world: World, start: tuple[float, float, float], goal: tuple[float, float],
    goal_radius: float, limits: Limits, footprint: Footprint, plant: PlantParameters,
    timeout: float, kept: int,
) -> float:
    """Search with at most `kept` states a layer; see winning_time."""
    body = footprint.circumscribed_radius + plant.inflation + MARGIN
    field = distance_field(world.occupancy, outside_is_obstacle=True)
    acceleration = min(limits.ax_max, -limits.ax_min)
    if plant.lag_linear > 0.0:
        acceleration = min(acceleration, (1.0 - SHARE) * limits.vx_max / plant.lag_linear)
    level = min(SHARE * limits.az_max * LAYER, 2.0 * SHARE * limits.wz_max / (TURNS - 1))
    drive = (
        SHARE * limits.vx_min, SHARE * limits.vx_max, acceleration, level * min(plant.yaw_gain, 1),
    )  # fmt: skip
    height, width = world.occupancy.shape
    side = world.occupancy.resolution
    cells = (math.ceil(width * side / CELL) + 1, math.ceil(height * side / CELL) + 1)
    seen = np.zeros(cells[0] * cells[1] * YAWS * SPEEDS * TURNS, np.int32)
    children = np.empty((9 * kept, 5))
    states = np.array([[*start, 0.0, 0.0]])
    rng = np.random.default_rng(0)
    for layer in range(math.ceil(timeout / LAYER - 1e-9)):
        times = LAYER * (layer + np.arange(1, SUBSTEPS + 1) / SUBSTEPS)
        where = positions(world.moving_obstacles, times)
        discs = np.ascontiguousarray(np.nan_to_num(where, nan=1e9))
        count, reached = _expand(
            states, discs, body, drive, field.distance, field.resolution, field.origin_x,
            field.origin_y, cells[0], seen, layer + 1, (*goal, goal_radius), children,
        )  # fmt: skip
        if reached > 0:
            return float(times[reached - 1])
        if not count:
            return math.inf
        states = _selected(children[:count], goal, kept, rng)
    return math.inf


def _selected(
    states: NDArray[np.float64], goal: Sequence[float], most: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return at most so many of the states: half of them nearest to the goal, half at random."""
    if len(states) <= most:
        return states.copy()
    away = np.hypot(states[:, 0] - goal[0], states[:, 1] - goal[1])
    order = np.argpartition(away, most // 2)
    others = rng.choice(order[most // 2 :], most - most // 2, replace=False)
    selected: NDArray[np.float64] = states[np.concatenate([order[: most // 2], others])]
    return selected


@cached_njit(nogil=True)
def _expand(
    states: Any, discs: Any, body: Any, drive: Any, distance: Any, resolution: Any,
    origin_x: Any, origin_y: Any, columns: Any, seen: Any, layer: Any, goal: Any, children: Any,
) -> Any:
    """
    Fill children[9N, 5] with the free successors of states[N, 5]; return their count.

    Returns the first substep at which one is at the goal, too, or 0. discs is [SUBSTEPS, n, 3].
    """
    slowest, fastest, acceleration, level = drive
    dt = LAYER / SUBSTEPS
    near = np.empty(discs.shape[1], np.int64)
    best = 0
    count = 0
    reach = fastest * LAYER
    for n in range(states.shape[0]):
        x0, y0, yaw0, v0, turn0 = states[n]
        close = 0
        for m in range(discs.shape[1]):
            dx, dy = discs[0, m, 0] - x0, discs[0, m, 1] - y0
            ex, ey = discs[-1, m, 0] - x0, discs[-1, m, 1] - y0
            room = reach + body + discs[0, m, 2] + math.hypot(ex - dx, ey - dy)
            if min(dx * dx + dy * dy, ex * ex + ey * ey) < room * room or room > 20.0:
                near[close] = m
                close += 1
        for change in range(9):
            push, bend = change // 3 - 1, change % 3 - 1
            turn = turn0 + bend
            if abs(turn) > TURNS // 2:
                continue
            x, y, yaw, v = x0, y0, yaw0, v0
            free = True
            for step in range(SUBSTEPS):
                before = v
                v += push * acceleration * dt
                if before * v < 0.0 or (before != 0.0 and abs(v) < 1e-9) or (
                    v0 != 0.0 and before == 0.0
                ):
                    v = 0.0  # slowing down ends at rest
                v = min(max(v, slowest), fastest)
                ramp = level * (turn0 + bend * (step + 0.5) / SUBSTEPS)
                middle = yaw + 0.5 * ramp * dt
                way = 0.5 * (before + v) * dt
                x += way * math.cos(middle)
                y += way * math.sin(middle)
                yaw += ramp * dt
                column = int(math.floor((x - origin_x) / resolution))
                row = int(math.floor((y - origin_y) / resolution))
                if not (0 <= row < distance.shape[0] and 0 <= column < distance.shape[1]):
                    free = False
                    break
                if distance[row, column] < body + 0.5 * resolution:
                    free = False
                    break
                for m in range(close):
                    dx, dy = discs[step, near[m], 0] - x, discs[step, near[m], 1] - y
                    room = body + discs[step, near[m], 2]
                    if dx * dx + dy * dy < room * room:
                        free = False
                        break
                if not free:
                    break
                if math.hypot(goal[0] - x, goal[1] - y) <= goal[2]:
                    if best == 0 or step + 1 < best:
                        best = step + 1
                    break
            if not free:
                continue
            share = (v - slowest) / (fastest - slowest)
            key = int((y - origin_y) / CELL) * columns + int((x - origin_x) / CELL)
            key = key * YAWS + int((yaw / (2.0 * math.pi)) % 1.0 * YAWS) % YAWS
            key = key * SPEEDS + min(int(share * SPEEDS), SPEEDS - 1)
            key = key * TURNS + int(turn) + TURNS // 2
            if seen[key] == layer:
                continue
            seen[key] = layer
            children[count] = (x, y, yaw, v, turn)
            count += 1
    return count, best
