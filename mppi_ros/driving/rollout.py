"""
The fused rollout: 64 sampled sequences at a time through model, distance field, path and critics.

A step has five small loops over a block: command within the limits → motion → clearance → path →
critics. All rows stay on the stack, in the first-level cache. Positions are relative to the robot,
so float32 is exact enough anywhere on a map.
"""

from typing import Any, NamedTuple

from mppi_ros.driving import critics
from mppi_ros.driving.motion import limited, moved
from mppi_ros.mppi.blocks import BLOCK, inlined, kernel, parallel_kernel, stack_row
from numba import prange
import numpy as np


class Start(NamedTuple):
    """
    Where a rollout begins: heading, velocity, last command, progress; the position is (0, 0).
    """

    c: np.float32
    s: np.float32
    v: np.float32
    w: np.float32
    command_v: np.float32
    command_w: np.float32
    arc: np.float32


class Grid(NamedTuple):
    """
    Place of the padded distance field: cells per metre, its corner in cells from the robot.
    """

    scale: np.float32
    x: np.float32
    y: np.float32
    columns: np.int32
    last_column: np.float32
    last_row: np.float32


class Path(NamedTuple):
    """
    Spacing and length of the path's window [m]; direction is −1 where it is driven backward.
    """

    per_metre: np.float32
    spacing: np.float32
    length: np.float32
    direction: np.float32


class Target(NamedTuple):
    """
    The goal relative to the robot; within `reach` [m] the distance to it counts.
    """

    x: np.float32
    y: np.float32
    c: np.float32
    s: np.float32
    reach: np.float32
    inverse_near: np.float32


@inlined
def value_at(field: Any, grid: Any, x: Any, y: Any) -> Any:
    """
    Return the value of a padded field in the cell that holds (x, y).

    The order of min and max sends NaN to cell 0, never out of bounds.
    """
    u = x * grid.scale + grid.x
    v = y * grid.scale + grid.y
    column = np.int32(min(max(np.float32(0.0), u), grid.last_column))
    row = np.int32(min(max(np.float32(0.0), v), grid.last_row))
    return field[max(row * grid.columns + column, np.int32(0))]


@inlined
def clear(
    field: Any, grid: Any, discs: Any, x: Any, y: Any, c: Any, s: Any, clearance: Any
) -> None:
    """
    Distance of the footprint to the nearest obstacle: the least over its discs.
    """
    for disc in range(discs.shape[0]):
        ahead, aside, radius = discs[disc, 0], discs[disc, 1], discs[disc, 2]
        for j in range(BLOCK):
            distance = (
                value_at(
                    field,
                    grid,
                    x[j] + ahead * c[j] - aside * s[j],
                    y[j] + ahead * s[j] + aside * c[j],
                )
                - radius
            )
            clearance[j] = distance if disc == 0 else min(clearance[j], distance)


@inlined
def rollout_block(
    mean: Any, factor: Any, sign: Any, noise: Any, start: Any, model: Any, field: Any, grid: Any,
    discs: Any, table: Any, path: Any, to_go: Any, to_go_grid: Any, target: Any, weights: Any,
    cost: Any,
) -> None:  # fmt: skip
    """
    Cost, float32[BLOCK], of the sequences x̄ + sign · L n of one block of noise n.
    """
    x, y, c, s = stack_row(), stack_row(), stack_row(), stack_row()
    v, w, command_v, command_w = stack_row(), stack_row(), stack_row(), stack_row()
    clearance, arc, cross, total = stack_row(), stack_row(), stack_row(), stack_row()
    for j in range(BLOCK):
        x[j], y[j], c[j], s[j] = np.float32(0.0), np.float32(0.0), start.c, start.s
        v[j], w[j] = start.v, start.w
        command_v[j], command_w[j] = start.command_v, start.command_w
        arc[j], cross[j], total[j] = start.arc, np.float32(0.0), np.float32(0.0)
    half = np.float32(0.5) * model.dt
    vv, wv, ww = sign * factor[0, 0], sign * factor[1, 0], sign * factor[1, 1]
    point_x, point_y, along_x, along_y = table[0], table[1], table[2], table[3]
    last_point = np.float32(point_x.size - 1)
    for t in range(mean.shape[0]):
        mean_v, mean_w = mean[t, 0], mean[t, 1]
        for j in range(BLOCK):
            # x̄_t + L n_t; the limits belong to f, the sample itself stays Gaussian
            sample_v = mean_v + vv * noise[2 * t, j]
            sample_w = mean_w + wv * noise[2 * t, j] + ww * noise[2 * t + 1, j]
            last_v, last_w = command_v[j], command_w[j]
            now_v, now_w = limited(sample_v, sample_w, last_v, last_w, model)
            next_v = v[j] + model.follow_v * (now_v - v[j])
            next_w = w[j] + model.follow_w * (now_w - w[j])
            x[j], y[j], c[j], s[j] = moved(
                x[j], y[j], c[j], s[j], half * (v[j] + next_v), half * (w[j] + next_w)
            )
            v[j], w[j], command_v[j], command_w[j] = next_v, next_w, now_v, now_w
            total[j] += (
                critics.effort(next_w, weights)
                + critics.smoothness(now_v - last_v, now_w - last_w, weights)
                + critics.forward(path.direction * next_v, weights)
            )
        clear(field, grid, discs, x, y, c, s, clearance)
        for j in range(BLOCK):
            nearest = np.int32(min(max(np.float32(0.0), arc[j] * path.per_metre), last_point))
            i = max(nearest, np.int32(0))
            tangent_x, tangent_y = along_x[i], along_y[i]
            dx, dy = x[j] - point_x[i], y[j] - point_y[i]
            along = np.float32(nearest) * path.spacing + dx * tangent_x + dy * tangent_y
            aside = dy * tangent_x - dx * tangent_y
            arc[j] = min(max(along, np.float32(0.0)), path.length)
            cross[j] = aside
            gx, gy = x[j] - target.x, y[j] - target.y
            distance = np.sqrt(gx * gx + gy * gy)
            near = max(np.float32(1.0) - distance * target.inverse_near, np.float32(0.0))
            total[j] += (
                critics.obstacle(clearance[j], weights)
                + critics.clearance_speed(clearance[j], v[j], weights)
                + critics.path_tracking(aside, weights)
                + critics.path_heading(
                    path.direction * (c[j] * tangent_x + s[j] * tangent_y), near, weights
                )
                + critics.goal_position(min(distance, target.reach), weights)
                + critics.goal_heading(c[j] * target.c + s[j] * target.s, near, weights)
            )
    for j in range(BLOCK):
        cost[j] = (
            total[j]
            + critics.progress(arc[j], cross[j], path.length, weights)
            + critics.detour(value_at(to_go, to_go_grid, x[j], y[j]), weights)
        )


@kernel
def rollout_serial(
    mean: Any, factor: Any, noise: Any, start: Any, model: Any, field: Any,
    grid: Any, discs: Any, table: Any, path: Any, to_go: Any, to_go_grid: Any, target: Any,
    weights: Any, costs: Any,
) -> None:  # fmt: skip
    """
    Fill costs, float32[blocks, BLOCK], for noise, float32[drawn blocks, T · m, BLOCK].
    """
    drawn = noise.shape[0]
    for block in range(costs.shape[0]):
        sign = np.float32(1.0) if block < drawn else np.float32(-1.0)
        rollout_block(
            mean, factor, sign, noise[block % drawn], start, model, field, grid, discs, table,
            path, to_go, to_go_grid, target, weights, costs[block],
        )  # fmt: skip


@parallel_kernel
def rollout_parallel(
    mean: Any, factor: Any, noise: Any, start: Any, model: Any, field: Any,
    grid: Any, discs: Any, table: Any, path: Any, to_go: Any, to_go_grid: Any, target: Any,
    weights: Any, costs: Any,
) -> None:  # fmt: skip
    """
    Do as rollout_serial does, on all threads.
    """
    drawn = noise.shape[0]
    for block in prange(costs.shape[0]):
        sign = np.float32(1.0) if block < drawn else np.float32(-1.0)
        rollout_block(
            mean, factor, sign, noise[block % drawn], start, model, field, grid, discs, table,
            path, to_go, to_go_grid, target, weights, costs[block],
        )  # fmt: skip
