"""
The fused rollout: 64 sampled sequences at a time through model, distance field, path and critics.

A step consists of small loops over a block: motion → clearance → goal → path, each with its
critics. All rows stay on the stack, in the first-level cache. Positions are relative to the robot,
so that float32 is sufficiently exact anywhere on a map.

More than 400 lines: the kernel and the loops that are inlined into it.
"""

import functools
import math
from typing import Any, NamedTuple

from numba import prange, types
import numpy as np

from mppi_ros.driving import critics
from mppi_ros.driving.motion_models import MODELS, Omni, scale_rate_limits
from mppi_ros.driving.obstacle_prediction import GROWTH_TIME, POSITION_STD, SPREAD
from mppi_ros.driving.plugin import ARC, CLEARANCE, COST, CROSS, PluginPointers, stack_rows
from mppi_ros.driving.rollout_steps import (
    RolloutStart,
    apply_delay_and_dead_band,
    command,
    export_command,
    export_state,
    ground_speeds,
    has_no_delay,
    import_state,
    move,
    stack_delay_line,
)
from mppi_ros.jit.function_pointer import (
    array_pointer,
    call_pointer,
    compile_cfunc,
    load_pointer,
    stack_address,
)
from mppi_ros.jit.simd import (
    BLOCK,
    atomic_fetch_add,
    gather,
    gather2,
    gather4,
    inline_njit,
    kernel,
    kernel_only,
    overload_by_type,
    parallel_kernel,
    stack_counter,
    stack_int32,
    stack_row,
    stack_row2,
    stack_row4,
)
from mppi_ros.mppi.noise import draw_block


class GridScalars(NamedTuple):
    """Place of the padded distance field: cells per metre, its corner in cells from the robot."""

    scale: float
    x: float
    y: float
    columns: float
    last_column: float
    last_row: float


class PathScalars(NamedTuple):
    """
    Points per metre and length of the path's window; direction is −1 where it is driven backward.

    Its table, float32[n, 4], holds the frame of each point, t its unit tangent, p the point: tx,
    ty, a and b, with which the progress of (x, y) is tx x + ty y + a, and its distance to the left
    of the path tx y − ty x + b.
    """

    per_metre: float
    length: float
    direction: float


class GoalScalars(NamedTuple):
    """
    Goal relative to the robot; its distance is considered within `reach` [m].

    `unavoidable` is ((margin − d)⁺)² [m²] for the least clearance d that arriving requires.
    """

    x: float
    y: float
    c: float
    s: float
    reach: float
    inverse_near: float
    unavoidable: float


@kernel
def path_frames(
    points: Any, yaw: Any, heading: Any, time: Any, spacing: Any, x: Any, y: Any, table: Any,
    ways: Any, left: Any,
) -> None:  # fmt: skip
    """
    Fill table, ways and left, see Path and Tables, for the part of a path around (x, y).

    From its points, float64[n, 2], its yaw and that of the body [rad]; `time`, float64[n + 1], is
    that to its end [s].
    """
    for i in range(table.shape[0]):
        dx, dy = points[i, 0] - x, points[i, 1] - y
        c, s = math.cos(yaw[i]), math.sin(yaw[i])
        table[i, 0] = c
        table[i, 1] = s
        table[i, 2] = spacing * i - dx * c - dy * s
        table[i, 3] = dx * s - dy * c
    for i in range(ways.shape[0]):
        ways[i, 0] = math.cos(heading[i])
        ways[i, 1] = math.sin(heading[i])
    for i in range(left.size):
        left[i] = time[i] - time[table.shape[0] - 1]


@inline_njit
def cell_index(grid: Any, x: Any, y: Any) -> Any:
    """
    Return the place in a padded field of the cell that holds (x, y).

    The order of min and max sends NaN to cell 0, never out of bounds.
    """
    u = x * grid.scale + grid.x
    v = y * grid.scale + grid.y
    column = np.int32(min(max(np.float32(0.0), u), grid.last_column))
    row = np.int32(min(max(np.float32(0.0), v), grid.last_row))
    return max(np.int32(row * np.int32(grid.columns) + column), np.int32(0))


@inline_njit
def footprint_clearance(
    field: Any, grid: Any, discs: Any, body: Any, speed: Any, clearance: Any
) -> None:
    """
    Distance of the footprint to the nearest obstacle: the least over its discs.

    A row of discs, float32[d, 4], is x, y, radius, and dt² / (8 radius). A disc of radius r that
    moves on by s sweeps over nothing that is farther than √(r² + s²/4) ≤ r + s²/(8 r) from both
    its ends: with that as its radius it misses no obstacle between two steps, however thin.
    """
    x, y, c, s = body[:4]
    cells, distance = stack_int32(), stack_row()
    for disc in range(discs.shape[0]):
        ahead, aside, radius, sweep = (
            discs[disc, 0], discs[disc, 1], discs[disc, 2], discs[disc, 3]
        )  # fmt: skip
        for j in range(BLOCK):
            cells[j] = cell_index(
                grid, x[j] + ahead * c[j] - aside * s[j], y[j] + ahead * s[j] + aside * c[j]
            )
        gather(field, cells, distance)
        for j in range(BLOCK):
            free = distance[j] - radius - sweep * speed[j] * speed[j]
            clearance[j] = free if disc == 0 else min(clearance[j], free)


@inline_njit
def extremes(values: Any) -> Any:
    """Return minimum and maximum of float32[BLOCK]; halving vectorises, a loop does not."""
    least, most = stack_row(), stack_row()
    for j in range(BLOCK // 2):
        least[j] = min(values[j], values[j + BLOCK // 2])
        most[j] = max(values[j], values[j + BLOCK // 2])
    for j in range(BLOCK // 4):
        least[j] = min(least[j], least[j + BLOCK // 4])
        most[j] = max(most[j], most[j + BLOCK // 4])
    for j in range(BLOCK // 8):
        least[j] = min(least[j], least[j + BLOCK // 8])
        most[j] = max(most[j], most[j + BLOCK // 8])
    low, high = least[0], most[0]
    for j in range(1, BLOCK // 8):
        low, high = min(low, least[j]), max(high, most[j])
    return low, high


@inline_njit
def moving_obstacle_costs(
    obstacles: Any, time: Any, discs: Any, body: Any, weights: Any, total: Any
) -> None:
    """
    Critic of each moving obstacle, from the distance of the footprint to where it is after `time`.

    A row of `obstacles`, float32[n, 7], is x, y, vx, vy, radius, the standard deviation of the
    velocity, by which the position spreads, and the comfort distance. An obstacle out of reach of
    the box around all samples is skipped. One root serves all adjacent discs of the same radius.
    """
    x, y, c, s = body[:4]
    away, squared, longest = stack_row(), stack_row(), np.float32(0.0)
    for disc in range(discs.shape[0]):
        ahead, aside, radius = discs[disc, 0], discs[disc, 1], discs[disc, 2]
        longest = max(longest, np.sqrt(ahead * ahead + aside * aside) + radius)
    (left, right), (low, high) = extremes(x), extremes(y)
    for n in range(obstacles.shape[0]):
        at_x = obstacles[n, 0] + time * obstacles[n, 2]
        at_y = obstacles[n, 1] + time * obstacles[n, 3]
        size = obstacles[n, 4]
        spread = np.float32(SPREAD) * (
            np.float32(POSITION_STD) + min(time, np.float32(GROWTH_TIME)) * obstacles[n, 5]
        )
        comfort = obstacles[n, 6]
        reach, per_comfort = longest + size + max(comfort, spread), np.float32(1.0) / comfort
        dx = max(left - at_x, at_x - right, np.float32(0.0))
        dy = max(low - at_y, at_y - high, np.float32(0.0))
        if dx * dx + dy * dy > reach * reach:
            continue
        first, last = np.int64(0), np.int64(0)
        while first < discs.shape[0]:
            radius, last = discs[first, 2], first
            while last < discs.shape[0] and discs[last, 2] == radius:
                ahead, aside = discs[last, 0], discs[last, 1]
                for j in range(BLOCK):
                    dx = x[j] + ahead * c[j] - aside * s[j] - at_x
                    dy = y[j] + ahead * s[j] + aside * c[j] - at_y
                    apart = dx * dx + dy * dy
                    squared[j] = apart if last == first else min(squared[j], apart)
                last += 1
            for j in range(BLOCK):
                free = np.sqrt(squared[j]) - size - radius
                away[j] = free if first == 0 else min(away[j], free)
            first = last
        for j in range(BLOCK):
            total[j] += critics.moving_obstacle(away[j], spread, per_comfort, weights)


@inline_njit
def goal_costs(
    target: Any, path: Any, weights: Any, body: Any, speed: Any, arc: Any, near: Any, total: Any
) -> None:
    """
    Critics of the goal, and how near it is: 1 at the goal, 0 from GOAL_NEAR on.

    What is left of the path counts where it is more than the distance as the crow flies, which
    may lead through a wall or back to where a round trip begins.
    """
    x, y, c, s = body[:4]
    for j in range(BLOCK):
        dx, dy = x[j] - target.x, y[j] - target.y
        distance = max(np.sqrt(dx * dx + dy * dy), path.length - arc[j])
        near[j] = max(np.float32(1.0) - distance * target.inverse_near, np.float32(0.0))
        total[j] += (
            critics.goal_position(min(distance, target.reach), weights)
            + critics.goal_heading(c[j] * target.c + s[j] * target.s, near[j], weights)
            + critics.goal_stop(distance, speed[j], weights)
        )


@inline_njit
def zone_costs(zone: Any, grid: Any, weights: Any, body: Any, speed: Any, total: Any) -> None:
    """Critics of zones, at the position of the base."""
    x, y = body[:2]
    cells, share = stack_int32(), stack_row()
    for j in range(BLOCK):
        cells[j] = cell_index(grid, x[j], y[j])
    gather(zone, cells, share)
    for j in range(BLOCK):
        total[j] += critics.zone(share[j], speed[j], weights) + critics.zone_speed(
            share[j], speed[j], weights
        )


@kernel_only
def follows_plan_yaw(model: Any, path: Any) -> Any:
    """Return whether the body follows the yaws of the plan; only omnidirectional robots do."""


@overload_by_type(follows_plan_yaw)
def _follows_plan_yaw(model: Any, path: Any) -> Any:
    if model.instance_class is Omni:
        return lambda model, path: path.direction == np.float32(0.0)
    return lambda model, path: False


@inline_njit
def path_position(
    table: Any, ways: Any, path: Any, body: Any, arc: Any, cross: Any, squared: Any,
    alignment: Any, ends: Any, facing: Any,
) -> None:  # fmt: skip
    """
    Progress, signed and squared distance from the path, and cosine of the angle to it.

    A sample's nearest point is the one at its last progress: it moves less than a point in a step.
    Past the end of the path the distance is that to the end. Before its begin only the end of the
    horizon charges it: a car that turns round there has to leave it. Whether the path `ends` in
    its window, and is followed `facing` as it says, are constants: each has a loop of its own.
    """
    x, y, c, s = body[:4]
    places, points, faced = stack_int32(), stack_row4(), stack_row2()
    last_point = np.float32(table.shape[0] - 1)
    for j in range(BLOCK):
        place = np.int32(min(max(np.float32(0.0), arc[j] * path.per_metre), last_point))
        places[j] = max(place, np.int32(0))
    gather4(table, places, points)
    if facing:
        gather2(ways, places, faced)
    for j in range(BLOCK):
        tangent_x, tangent_y = points[j, 0], points[j, 1]
        along = x[j] * tangent_x + y[j] * tangent_y + points[j, 2]
        aside = y[j] * tangent_x - x[j] * tangent_y + points[j, 3]
        arc[j] = min(max(along, np.float32(0.0)), path.length)
        cross[j] = aside
        if facing:
            alignment[j] = c[j] * faced[j, 0] + s[j] * faced[j, 1]
        else:
            alignment[j] = path.direction * (c[j] * tangent_x + s[j] * tangent_y)
        squared[j] = aside * aside
        if ends:
            beyond = max(along - arc[j], np.float32(0.0))
            squared[j] += beyond * beyond


@inline_njit
def step_costs(
    path: Any, target: Any, weights: Any, body: Any, speed: Any, clearance: Any, squared: Any,
    alignment: Any, near: Any, total: Any,
) -> None:  # fmt: skip
    """Critics of pose and motion."""
    v, w = body[4:6]
    for j in range(BLOCK):
        step = critics.StepState(
            clearance[j], speed[j], squared[j], alignment[j], near[j],
            near[j] * target.unavoidable, w[j], path.direction * v[j],
        )  # fmt: skip
        total[j] += critics.step_costs(step, weights)


@inline_njit
def export_place(clearance: Any, arc: Any, cross: Any, rows: Any) -> None:
    """Copy clearance and position on the path for a plugin."""
    for j in range(BLOCK):
        rows[CLEARANCE, j], rows[ARC, j], rows[CROSS, j] = clearance[j], arc[j], cross[j]


@inline_njit
def initialise(start: Any, body: Any, given: Any, arc: Any, near: Any, total: Any) -> None:
    """Set all samples to the start state, at the origin."""
    x, y, c, s, v, w, vy, curvature = body
    first, second, third = given
    for j in range(BLOCK):
        x[j], y[j], c[j], s[j] = np.float32(0.0), np.float32(0.0), start.c, start.s
        v[j], w[j], vy[j], curvature[j] = start.v, start.w, start.vy, start.curvature
        first[j], second[j], third[j] = start.first, start.second, start.third
        arc[j], near[j], total[j] = start.arc, np.float32(0.0), np.float32(0.0)


@inline_njit
def terminal_cost(
    table: Any, ways: Any, left: Any, path: Any, to_go: Any, to_go_grid: Any, weights: Any,
    model: Any, body: Any, arc: Any, total: Any, cost: Any,
) -> None:  # fmt: skip
    """Add the terminal cost of the end of the horizon to the total."""
    x, y, c, s = body[:4]
    cells, points, faced = stack_int32(), stack_row4(), stack_row2()
    detour, time, later = stack_row(), stack_row(), stack_row()
    for j in range(BLOCK):
        cells[j] = cell_index(to_go_grid, x[j], y[j])
    gather(to_go, cells, detour)
    for j in range(BLOCK):
        cells[j] = max(np.int32(arc[j] * path.per_metre), np.int32(0))
    gather(left, cells, time)
    gather4(table, cells, points)
    facing = follows_plan_yaw(model, path)
    if facing:
        gather2(ways, cells, faced)
    for j in range(BLOCK):
        cells[j] += np.int32(1)
    gather(left, cells, later)
    for j in range(BLOCK):
        between = arc[j] * path.per_metre - np.float32(cells[j] - np.int32(1))
        time[j] += between * (later[j] - time[j])
        if facing:
            alignment = c[j] * faced[j, 0] + s[j] * faced[j, 1]
        else:
            alignment = path.direction * (c[j] * points[j, 0] + s[j] * points[j, 1])
        beyond = x[j] * points[j, 0] + y[j] * points[j, 1] + points[j, 2] - arc[j]
        aside = y[j] * points[j, 0] - x[j] * points[j, 1] + points[j, 3]
        away = np.sqrt(aside * aside + beyond * beyond)
        cost[j] = (
            total[j]
            + critics.progress(time[j], away, alignment, weights)
            + critics.detour(detour[j], weights)
        )


class RolloutScalars(NamedTuple):
    """
    Scalars of a solve, each float32, with the memory layout of an array.

    They are passed as an array: creating and unpacking 70 objects in each solve would take 20 µs,
    and 100 µs after a pause of 50 ms.
    """

    start: RolloutStart
    grid: GridScalars
    path: PathScalars
    to_go_grid: GridScalars
    target: GoalScalars
    weights: critics.CriticWeights
    model: Any


class RolloutArrays(NamedTuple):
    """
    The arrays of a situation, and what a plugin brings.

    field, float32[n], and discs, float32[d, 4]: see `footprint_clearance`; table, float32[p, 4]:
    see `PathScalars`; left, float32[p + 1]: time [s] from a point of the path to its end; ways,
    float32[p, 2]: c, s of the body there, see `follows_plan_yaw`; to_go, float32[n]: time [s] left
    round an obstacle, at the places of to_go_grid; pending, float32[waits, m]: see
    `apply_delay_and_dead_band`; moving_obstacles, float32[n, 7]: see `moving_obstacle_costs`;
    zone, float32[n]: zone costs at the places of the field, empty if none is charged.
    """

    field: Any
    discs: Any
    table: Any
    time_to_go: Any
    ways: Any
    to_go: Any
    pending: Any
    moving_obstacles: Any
    zone: Any
    own: PluginPointers


def rollout_block(
    mean: Any, factor: Any, sign: Any, noise: Any, situation: Any, tables: Any, cost: Any
) -> None:
    """Fill cost, float32[BLOCK], of the sequences x̄ + sign · L n of one block of noise n."""
    start, grid, path, to_go_grid, target, weights, model = load_pointer(situation)
    (
        field, discs, table, left, ways, to_go, pending, moving_obstacles, zone, own
    ) = load_pointer(tables)  # fmt: skip
    body = (
        stack_row(), stack_row(), stack_row(), stack_row(), stack_row(), stack_row(), stack_row(),
        stack_row(),
    )  # fmt: skip
    given, acts = (stack_row(), stack_row(), stack_row()), (stack_row(), stack_row(), stack_row())
    clearance, near, arc, cross = stack_row(), stack_row(), stack_row(), stack_row()
    squared, alignment, magnitude = stack_row(), stack_row(), stack_row()
    total, ring, rows, exact = stack_row(), stack_delay_line(), stack_rows(), has_no_delay(model)
    ends, facing = target.reach > np.float32(0.0), follows_plan_yaw(model, path)
    initialise(start, body, given, arc, near, total)
    for t in range(mean.shape[0]):
        if t == 0:
            first = scale_rate_limits(model, start.reach)
            command(t, mean, factor, sign, noise, first, weights, given, total)
        else:
            command(t, mean, factor, sign, noise, model, weights, given, total)
        if own.motion == 0:
            if exact:
                move(model, given, body)
            else:
                apply_delay_and_dead_band(t, model, pending, ring, given, acts)
                move(model, acts, body)
        else:
            export_state(body, rows)
            export_command(given, model, rows)
            call_pointer(own.motion, (t, rows, own.values))
            import_state(rows, body)
        speed = ground_speeds(model, body, magnitude)
        if ends:
            goal_costs(target, path, weights, body, speed, arc, near, total)
        if facing:
            path_position(
                table, ways, path, body, arc, cross, squared, alignment, True, True
            )
        elif ends:
            path_position(
                table, ways, path, body, arc, cross, squared, alignment, True, False
            )
        else:
            path_position(
                table, ways, path, body, arc, cross, squared, alignment, False, False
            )
        footprint_clearance(field, grid, discs, body, speed, clearance)
        if moving_obstacles.shape[0] > 0:
            moving_obstacle_costs(
                moving_obstacles, np.float32(t + 1) * model.dt, discs, body, weights, total
            )
        if zone.shape[0] > 0:
            zone_costs(zone, grid, weights, body, speed, total)
        step_costs(
            path, target, weights, body, speed, clearance, squared, alignment, near, total
        )
        if own.critic != 0:
            if own.motion == 0:  # else they are there already
                export_state(body, rows)
                export_command(given, model, rows)
            export_place(clearance, arc, cross, rows)
            call_pointer(own.critic, (t, rows, own.values))
            for j in range(BLOCK):
                total[j] += rows[COST, j]
    terminal_cost(
        table, ways, left, path, to_go, to_go_grid, weights, model, body, arc, total, cost
    )


@functools.cache
def compiled_block(motion_model: str) -> Any:
    """
    Return rollout_block for one of motion.MODELS; kernels call it through its address.

    It is the same code for one thread and for several, compiled once: that takes seconds.
    """
    single, row, rows = types.float32, types.float32[::1], types.float32[:, ::1]
    parts = (
        types.NamedUniTuple(single, len(part._fields), part)
        for part in (
            RolloutStart,
            GridScalars,
            PathScalars,
            GridScalars,
            GoalScalars,
            critics.CriticWeights,
            MODELS[motion_model],
        )  # fmt: skip
    )
    situation = types.NamedTuple(tuple(parts), RolloutScalars)
    own = types.NamedTuple((types.int64, types.int64, row), PluginPointers)
    tables = types.NamedTuple(
        (row, rows, rows, row, rows, row, rows, rows, row, own), RolloutArrays
    )
    return compile_cfunc(
        rollout_block, rows, rows, single, rows, types.CPointer(situation),
        types.CPointer(tables), row,
    )  # fmt: skip


@inline_njit
def rollout_pair(
    block: Any, rollout: Any, mean: Any, factor: Any, draw: Any, process: Any, noise: Any,
    situation: Any, tables: Any, costs: Any,
) -> None:  # fmt: skip
    """Draw one block of noise, and fill the block of costs of n and, for pairs, that of −n."""
    drawn = noise.shape[0]
    if draw.fresh:
        number = draw.first + block
        draw_block(draw.seed, draw.step, number, process, mean.shape[1], noise[block])
    for mirrored in range(costs.shape[0] // drawn):
        sign = np.float32(1 - 2 * mirrored)
        cost = costs[mirrored * drawn + block]
        call_pointer(
            rollout, (mean, factor, sign, noise[block], array_pointer(situation), tables, cost)
        )


@kernel
def rollout_serial(
    rollout: Any, mean: Any, factor: Any, draw: Any, process: Any, noise: Any, situation: Any,
    tables: Any, costs: Any,
) -> None:  # fmt: skip
    """
    Fill noise, float32[drawn, T · m, BLOCK], and its costs, float32[blocks, BLOCK].

    `rollout` is the address of a compiled_block, `situation` a Situation as float32[n].
    """
    place = stack_address(tables)
    for block in range(noise.shape[0]):
        rollout_pair(
            block, rollout, mean, factor, draw, process, noise, situation, place, costs
        )


@parallel_kernel
def rollout_parallel(
    rollout: Any, mean: Any, factor: Any, draw: Any, process: Any, noise: Any, situation: Any,
    tables: Any, costs: Any, threads: Any,
) -> None:  # fmt: skip
    """Compute the same as rollout_serial on several threads."""
    place = stack_address(tables)
    counter = stack_counter()
    counter[0] = 0
    for _ in prange(threads):
        block = atomic_fetch_add(counter)
        while block < noise.shape[0]:
            rollout_pair(
                block, rollout, mean, factor, draw, process, noise, situation, place, costs
            )
            block = atomic_fetch_add(counter)


def roll_out_blocks(
    block: Any, mean: Any, factor: Any, noise: Any, costs: Any, threads: int, draw: Any,
    process: Any, situation: Any, tables: Any,
) -> None:  # fmt: skip
    """Fill noise and costs on a number of threads; `block` is a compiled_block or equivalent."""
    given = block.address, mean, factor, draw, process, noise, situation, tables, costs
    if threads == 1:
        rollout_serial(*given)
    else:
        rollout_parallel(*given, threads)
