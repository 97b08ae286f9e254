"""The faults, their durations, and the reason codes that the controller must report."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
import math

from faults.loop import SMALL, Loop
import numpy as np
from plain_robot import room, with_block

from mppi_ros.control.tick_result import Fault, Reason
from mppi_ros.driving.costmap import Costmap
from mppi_ros.parameters import declaration

R = Reason
DRIVES = frozenset({R.NONE, R.FALLBACK_COMMAND, R.NO_PROGRESS})


@dataclass(frozen=True)
class Case:
    """
    A fault.

    Attributes
    ----------
    begin : callable
        Applies the fault to a loop; `Loop.restore_inputs` and `end` remove it.
    codes : set of Reason
        At least one of these is reported during the fault if the robot has to move.
    seconds : float
        Duration [s].
    blind : bool
        The inputs misrepresent the robot or its surroundings.
    unavoidable : bool
        Contact cannot be avoided.

    """

    begin: Callable[[Loop], None]
    codes: frozenset[Reason] = DRIVES
    seconds: float = 1.0
    blind: bool = False
    unavoidable: bool = False
    end: Callable[[Loop], None] = lambda loop: None


def odometry_fault(change, *codes, **options) -> Case:
    """Return an odometry fault: `change` maps a true measurement to a false one."""
    def begin(loop: Loop) -> None:
        loop.read_odometry = lambda loop: iter([change(loop.odometry())])

    return Case(begin, frozenset(codes) or DRIVES, **options)


def with_values(*codes, blind=False, **values) -> Case:
    """Return an odometry fault that replaces values."""
    return odometry_fault(lambda odometry: replace(odometry, **values), *codes, blind=blind)


def costmap_fault(change, *codes, **options) -> Case:
    """Return a costmap fault: `change` returns (stamp, costmap) for a loop."""
    def begin(loop: Loop) -> None:
        loop.read_costmap = lambda loop: iter([change(loop)])

    return Case(begin, frozenset(codes) or DRIVES, **options)


def costmap_with(**values):
    """Return a function that replaces values of the true costmap."""
    return lambda loop: (loop.now, replace(loop.world, **values))


def event(act, *codes, **options) -> Case:
    """Return a fault that consists of one event."""
    return Case(act, frozenset(codes) or DRIVES, **options)


def clock_step(seconds):
    """Return a function that steps the clock."""
    def act(loop: Loop) -> None:
        before = loop.clock
        loop.clock = lambda t: before(t) + seconds

    return act


def no_messages(loop: Loop):
    """Yield no message."""
    return iter(())


def delayed_odometry(seconds):
    """Return a function that delays the odometry by `seconds`."""
    def begin(loop: Loop) -> None:
        held = []

        def read_odometry(loop: Loop):
            held.append(loop.odometry())
            return iter([each for each in held if each.stamp <= loop.now - seconds][-1:])

        loop.read_odometry = read_odometry

    return begin


def out_of_order(loop: Loop) -> None:
    """Send each measurement after the next one."""
    held = []

    def read_odometry(loop: Loop):
        held.append(loop.odometry())
        return iter([held[-1], held[max(len(held) - 2, 0)]])

    loop.read_odometry = read_odometry


def stuck_sensor(loop: Loop) -> None:
    """Repeat the last measurement with its stamp."""
    last = loop.odometry()
    loop.read_odometry = lambda loop: iter([last])


def frozen(loop: Loop) -> None:
    """Repeat the last measurement with new stamps."""
    last = loop.odometry()
    loop.read_odometry = lambda loop: iter([replace(last, stamp=loop.now)])


def partly_frozen(*names, **values):
    """Return a function that freezes fields of the odometry, or sets them to values."""
    def begin(loop: Loop) -> None:
        held = {name: getattr(loop.odometry(), name) for name in names} | values
        loop.read_odometry = lambda loop: iter([replace(loop.odometry(), **held)])

    return begin


def alternating_position(loop: Loop) -> None:
    """Alternate between two positions."""
    def read_odometry(loop: Loop):
        target = 3.0 * (len(loop.ticks) % 2)
        return iter([replace(loop.odometry(), y=target)])

    loop.read_odometry = read_odometry


def noisy_twist(loop: Loop) -> None:
    """Replace the measured twist by noise."""
    rng = np.random.default_rng(0)

    def read_odometry(loop: Loop):
        v, w = rng.normal(0.0, 3.0, 2)
        return iter([replace(loop.odometry(), vx=float(v), wz=float(w))])

    loop.read_odometry = read_odometry


def odometry_flood(loop: Loop) -> None:
    """Send odometry at 1 kHz."""
    loop.read_odometry = lambda loop: iter([loop.odometry()] * 50)


def costmap_flood(loop: Loop) -> None:
    """Send many costmaps at once."""
    loop.read_costmap = lambda loop: iter([(loop.now, loop.world)] * 5)


def old_costmap_last(loop: Loop) -> None:
    """Send an older, entirely lethal costmap after each costmap."""
    def read_costmap(loop: Loop):
        lethal = replace(loop.world, data=np.full_like(loop.world.data, 100))
        return iter([(loop.now, loop.world), (loop.now - 0.5, lethal)])

    loop.read_costmap = read_costmap


def stuck_costmap(loop: Loop) -> None:
    """Repeat the last costmap with its stamp."""
    last = loop.now, loop.world
    loop.read_costmap = lambda loop: iter([last])


def block_ahead(distance, side=0.4, sideways=0.0):
    """Return a function that places a block ahead of the robot in its direction of motion."""
    def act(loop: Loop) -> None:
        heading = loop.pose[2] + (math.pi if loop.twist[0] < 0.0 else 0.0)
        x = loop.pose[0] + (distance + 0.5 * side) * math.cos(heading)
        y = loop.pose[1] + (distance + 0.5 * side) * math.sin(heading) + sideways
        loop.world = with_block(loop.world, x, y, side)

    return act


def clear_room(loop: Loop) -> None:
    """Empty the room."""
    loop.world = room()


def closing_walls(loop: Loop) -> None:
    """Shrink the free space around the robot down to its footprint."""
    x, y = loop.pose[:2]
    left = [2.0]

    def read_costmap(loop: Loop):
        left[0] = max(left[0] - 0.15, 0.3)
        data = np.full_like(loop.world.data, 100)
        rows, columns = np.indices(data.shape)
        distance_from_robot = np.hypot(
            (columns + 0.5) * 0.05 + loop.world.origin_x - x,
            (rows + 0.5) * 0.05 + loop.world.origin_y - y)
        data[distance_from_robot < left[0]] = 0
        loop.world = Costmap(data, 0.05, loop.world.origin_x, loop.world.origin_y)
        return iter([(loop.now, loop.world)])

    loop.read_costmap = read_costmap


def flicker(loop: Loop) -> None:
    """Alternate between a free and a blocked path."""
    target = [loop.world, with_block(loop.world, loop.pose[0] + 1.2, loop.pose[1], 0.4)]

    def read_costmap(loop: Loop):
        loop.world = target[len(loop.ticks) // 2 % 2]
        return iter([(loop.now, loop.world)])

    loop.read_costmap = read_costmap


def crossing(loop: Loop) -> None:
    """Move a new block across the path at 0.8 m/s."""
    empty, start = loop.world, loop.t
    x, y = loop.pose[0] + 1.2 * math.cos(loop.pose[2]), loop.pose[1] - 1.2

    def read_costmap(loop: Loop):
        loop.world = with_block(empty, x, y + 0.8 * (loop.t - start), 0.4)
        return iter([(loop.now, loop.world)])

    loop.read_costmap = read_costmap


def changing_resolution(loop: Loop) -> None:
    """Change the resolution of the costmap at every update."""
    def read_costmap(loop: Loop):
        resolution = (0.05, 0.1, 0.025)[len(loop.ticks) // 2 % 3]
        return iter([(loop.now, room(resolution=resolution))])

    loop.read_costmap = read_costmap


def rolling_window(loop: Loop) -> None:
    """Send a rolling window of the costmap."""
    def read_costmap(loop: Loop):
        x, y = (round(value / 0.05) for value in loop.pose[:2])
        row, column = y + 60, x + 100
        top, left = max(row - 50, 0), max(column - 50, 0)
        data = loop.world.data[top:row + 50, left:column + 50]
        return iter([(loop.now, Costmap(
            data, 0.05, loop.world.origin_x + 0.05 * left, loop.world.origin_y + 0.05 * top))])

    loop.read_costmap = read_costmap


def parameter_change(**changes):
    """Return a function that changes parameters; '__' stands for a dot."""
    parameters = {name.replace('__', '.'): value for name, value in changes.items()}

    def act(loop: Loop) -> None:
        loop.controller.configure(declaration.replace(loop.controller.configuration, parameters))

    return act


def restore_parameters(loop: Loop) -> None:
    """Restore the original parameters."""
    loop.controller.configure(SMALL)


def broken_optimizer(attribute, value):
    """Return a function that replaces an attribute of the optimiser."""
    def act(loop: Loop) -> None:
        setattr(loop.controller._sampler, attribute, value)

    return act


def repair_optimizer(loop: Loop) -> None:
    """Restore the step method of the optimiser."""
    loop.controller._sampler.__dict__.pop('step', None)


def nan_mean(loop: Loop) -> None:
    """Set the mean to NaN after each step."""
    sampler = loop.controller._sampler
    step = type(sampler).step

    def step_with_nan(*arguments, **options):
        result = step(sampler, *arguments, **options)
        sampler.mean[:] = math.nan
        return result

    sampler.step = step_with_nan


def caller_fault(code):
    """Return a function that makes the caller report a fault."""
    def act(loop: Loop) -> None:
        loop.fault = Fault(code, 'reported by the caller')

    return act


def plan(poses):
    """Return a function that sets a plan."""
    return lambda loop: loop.plan(poses)


def stamped_plan(seconds):
    """Return a function that sets a plan with a shifted stamp and a plan time-out."""
    def act(loop: Loop) -> None:
        parameter_change(safety__plan_timeout=0.5)(loop)
        loop.accept('plan', lambda: loop.controller.set_goal(loop.now + seconds, 4.0, 0.0, 0.0))

    return act


def all_inputs_lost(loop: Loop) -> None:
    """Send no odometry and no costmap."""
    loop.read_odometry = loop.read_costmap = no_messages


def all_inputs_nan(loop: Loop) -> None:
    """Send NaN in all inputs."""
    loop.read_odometry = lambda loop: iter(
        [replace(loop.odometry(), x=NAN, y=NAN, yaw=NAN, vx=NAN)]
    )
    loop.read_costmap = lambda loop: iter([(NAN, replace(loop.world, resolution=NAN))])
    loop.plan([(NAN, NAN, NAN)])


def clock_rate(share):
    """Return a function that scales the rate of the clock."""
    def act(loop: Loop) -> None:
        before, start = loop.clock, loop.t
        loop.clock = lambda t: before(t) + (share - 1.0) * (t - start)

    return act


def delayed_tick(seconds):
    """Return a function that delays the next tick."""
    return lambda loop: loop.step(seconds)


def stopped_clock(loop: Loop) -> None:
    """Stop the clock and with it the odometry stamps."""
    held = loop.now
    loop.clock = lambda t: held


def resumed_clock(loop: Loop) -> None:
    """Resume the clock at its stopped reading."""
    held, since = loop.now, loop.t
    loop.clock = lambda t: held + t - since


NAN, INF = math.nan, math.inf
FAULTS: dict[str, Case] = {
    # odometry
    'odometry lost': Case(
        lambda loop: setattr(loop, 'read_odometry', no_messages), {R.ODOMETRY_OLD}
    ),
    'odometry a little late': Case(delayed_odometry(0.2)),
    'odometry too late': Case(delayed_odometry(0.4), {R.ODOMETRY_OLD}),
    'odometry repeated': Case(stuck_sensor, {R.ODOMETRY_OLD}),
    'odometry frozen': Case(frozen, {R.ODOMETRY_FROZEN}, seconds=3.0, blind=True),
    'odometry pose frozen': Case(
        partly_frozen('x', 'y', 'yaw'), {R.ODOMETRY_FROZEN}, seconds=4.0, blind=True
    ),
    'odometry x and y frozen': Case(
        partly_frozen('x', 'y'), {R.ODOMETRY_FROZEN, *DRIVES}, seconds=4.0, blind=True
    ),
    'odometry yaw frozen': Case(
        partly_frozen('yaw'), {R.ODOMETRY_FROZEN, *DRIVES}, seconds=4.0, blind=True
    ),
    'odometry twist frozen': Case(
        partly_frozen('vx', 'wz'), {R.ODOMETRY_FROZEN, *DRIVES}, seconds=4.0, blind=True
    ),
    'odometry twist zero': Case(
        partly_frozen(vx=0.0, wz=0.0), {R.ODOMETRY_FROZEN}, seconds=4.0, blind=True
    ),
    'odometry out of order': Case(out_of_order),
    'odometry floods': Case(odometry_flood),
    'odometry noisy': Case(noisy_twist, blind=True),
    **{
        f'odometry {name} NaN': with_values(R.ODOMETRY_REFUSED, **{name: NAN})
        for name in ('stamp', 'x', 'y', 'yaw', 'vx', 'vy', 'wz')
    },
    **{
        f'odometry {name} infinite': with_values(R.ODOMETRY_REFUSED, **{name: -INF})
        for name in ('stamp', 'x', 'yaw', 'vx', 'wz')
    },
    **{
        f'odometry {name} huge': with_values(R.ODOMETRY_REFUSED, **{name: 1e300})
        for name in ('y', 'vx', 'wz')
    },
    'odometry huge heading': with_values(R.ODOMETRY_JUMPED, yaw=1e6 + 2.0, blind=True),
    'odometry far away': with_values(R.ODOMETRY_JUMPED, R.OUTSIDE_COSTMAP, x=900.0, blind=True),
    'odometry ahead': odometry_fault(
        lambda odometry: replace(odometry, stamp=odometry.stamp + 5.0), R.ODOMETRY_AHEAD
    ),
    'odometry jumps': with_values(R.ODOMETRY_JUMPED, y=2.0, blind=True),
    'odometry turns': odometry_fault(
        lambda odometry: replace(odometry, yaw=odometry.yaw + 2.5), R.ODOMETRY_JUMPED, blind=True
    ),
    'odometry alternates': Case(alternating_position, {R.ODOMETRY_JUMPED}, blind=True),
    # costmap
    'costmap lost': Case(
        lambda loop: setattr(loop, 'read_costmap', no_messages), {R.COSTMAP_OLD}, seconds=2.0
    ),
    'costmap late': costmap_fault(
        lambda loop: (loop.now - 2.0, loop.world), R.COSTMAP_OLD, seconds=2.0
    ),
    'costmap ahead': costmap_fault(lambda loop: (loop.now + 2.0, loop.world), R.COSTMAP_AHEAD),
    'costmap floods': Case(costmap_flood),
    **{
        f'costmap {name} {value}': costmap_fault(costmap_with(**{name: value}), R.COSTMAP_REFUSED)
        for name in ('resolution', 'origin_x', 'origin_y')
        for value in (NAN, INF)
    },
    **{
        f'costmap resolution {value}': costmap_fault(
            costmap_with(resolution=value), R.COSTMAP_REFUSED
        )
        for value in (0.0, -0.05, 1e9)
    },
    'costmap stamp NaN': costmap_fault(lambda loop: (NAN, loop.world), R.COSTMAP_REFUSED),
    'costmap empty': costmap_fault(
        costmap_with(data=np.zeros((0, 0), np.int8)), R.COSTMAP_REFUSED
    ),
    'costmap flat': costmap_fault(costmap_with(data=np.zeros(40, np.int8)), R.COSTMAP_REFUSED),
    'costmap of floats': costmap_fault(costmap_with(data=np.zeros((9, 9))), R.COSTMAP_REFUSED),
    'costmap out of range': costmap_fault(
        costmap_with(data=np.full((9, 9), 101, np.int8)), R.COSTMAP_REFUSED
    ),
    'costmap elsewhere': costmap_fault(
        costmap_with(origin_x=500.0), R.OUTSIDE_COSTMAP, blind=True
    ),
    'costmap tiny': costmap_fault(
        lambda loop: (loop.now, room(0.2, 0.2)),
        R.OUTSIDE_COSTMAP,
        R.IN_CONTACT,
        R.COLLISION_AHEAD,
        blind=True,
    ),
    'costmap lethal everywhere': costmap_fault(
        lambda loop: (loop.now, replace(loop.world, data=np.full_like(loop.world.data, 100))),
        R.COLLISION_AHEAD,
        blind=True,
    ),
    'costmap fills up': Case(
        closing_walls,
        {R.COLLISION_AHEAD, R.FALLBACK_COMMAND, R.NONE},
        seconds=3.0,
        unavoidable=True,
        end=clear_room,
    ),
    'costmap changes resolution': Case(changing_resolution),
    'costmap rolls': Case(rolling_window),
    'costmap flickers': Case(flicker, seconds=2.0, end=clear_room),
    'block on the robot': event(
        block_ahead(-0.2), R.IN_CONTACT, R.COLLISION_AHEAD, unavoidable=True, end=clear_room
    ),
    'block within the braking distance': event(
        block_ahead(0.25),
        R.COLLISION_AHEAD,
        R.FALLBACK_COMMAND,
        R.NONE,
        unavoidable=True,
        end=clear_room,
    ),
    'block before the braking distance': event(
        block_ahead(0.55), R.NONE, R.FALLBACK_COMMAND, R.COLLISION_AHEAD, end=clear_room
    ),
    'costmap repeated': Case(stuck_costmap, {R.COSTMAP_OLD}, seconds=2.0),
    'costmap out of order': Case(old_costmap_last),
    'costmap huge': costmap_fault(
        lambda loop: (loop.now, room(60.0, 60.0)), seconds=0.2, blind=True
    ),
    'moving block crosses': Case(
        crossing,
        {R.NONE, R.FALLBACK_COMMAND, R.COLLISION_AHEAD, R.EVADING},
        seconds=3.0,
        unavoidable=True,
        end=clear_room,
    ),
    # plan
    'plan withdrawn': event(lambda loop: loop.controller.clear_plan(), R.PLAN_MISSING),
    'plan empty': event(plan(np.empty((0, 3))), R.PLAN_REFUSED),
    'plan NaN': event(plan([(0.0, NAN, 0.0)]), R.PLAN_REFUSED),
    'plan infinite': event(plan([(0.0, 0.0, 0.0), (INF, 0.0, 0.0)]), R.PLAN_REFUSED),
    'plan huge': event(plan([(0.0, 0.0, 0.0), (1e300, 0.0, 0.0)]), R.PLAN_REFUSED),
    'plan of the wrong shape': event(plan([0.0, 1.0, 2.0]), R.PLAN_REFUSED),
    'plan of identical poses': event(plan([(2.0, 1.0, 0.0)] * 50)),
    'plan far away': event(plan([(300.0 + n, 0.0, 0.0) for n in range(20)])),
    'plan of 20000 poses': event(plan([(-4.0 + 4e-4 * n, 0.0, 0.0) for n in range(20_000)])),
    'plan zigzag': event(plan([(0.1 * (n % 2), 0.05 * n, 1e3 * n) for n in range(40)])),
    'plan too old': Case(stamped_plan(-3.0), {R.PLAN_OLD}, end=restore_parameters),
    'plan ahead': Case(stamped_plan(5.0), {R.PLAN_AHEAD}, seconds=0.5, end=restore_parameters),
    'goal NaN': event(lambda loop: loop.goal(NAN, 0.0, 0.0), R.PLAN_REFUSED),
    'goal out of reach': event(lambda loop: loop.goal(9e5, 0.0, 0.0), R.PLAN_REFUSED),
    'goal behind the wall': event(lambda loop: loop.goal(7.0, 0.0, 0.0)),
    'plan changes every tick': Case(
        lambda loop: setattr(
            loop,
            'read_odometry',
            lambda loop: (
                loop.goal(3.0, 2.0 * (-1) ** len(loop.ticks), 0.0),
                iter([loop.odometry()]),
            )[1],
        )
    ),
    # all inputs
    'all inputs lost': Case(all_inputs_lost, {R.ODOMETRY_OLD}, seconds=2.0),
    'all inputs NaN': Case(all_inputs_nan, {R.PLAN_REFUSED}),
    # clock
    'clock runs at half speed': event(clock_rate(0.5)),
    'clock runs at double speed': event(clock_rate(2.0)),
    **{
        f'clock steps by {seconds} s': event(clock_step(seconds), code)
        for seconds, code in (
            (-100.0, R.CLOCK_BACK),
            (-1.0, R.CLOCK_BACK),
            (-0.3, R.CLOCK_BACK),
            (0.3, R.CLOCK_AHEAD),
            (1.0, R.CLOCK_AHEAD),
            (86400.0, R.CLOCK_AHEAD),
        )
    },
    'clock steps by 0.05 s': event(clock_step(0.05)),
    'clock is set to zero': event(
        lambda loop: setattr(loop, 'clock', lambda t, start=loop.t: t - start), R.CLOCK_BACK
    ),
    **{
        f'clock reads {value}': Case(
            lambda loop, value=value: setattr(loop, 'clock', lambda t: value),
            {R.CLOCK_INVALID},
            end=lambda loop: setattr(loop, 'clock', lambda t: t),
        )
        for value in (NAN, INF, -INF)
    },
    'clock stopped': Case(
        stopped_clock, {R.CLOCK_BACK, R.ODOMETRY_FROZEN, R.NONE}, end=resumed_clock
    ),
    # ticks
    'tick late by 0.3 s': event(delayed_tick(0.3)),
    'tick late by 1 s': event(delayed_tick(1.0), R.TICK_LATE, R.ODOMETRY_OLD),
    'tick late by 10 s': event(delayed_tick(10.0), R.TICK_LATE, R.ODOMETRY_OLD),
    # internal errors
    'optimiser raises': Case(
        broken_optimizer('step', lambda *_, **__: 1 / 0), {R.INTERNAL_ERROR}, end=repair_optimizer
    ),
    'optimiser gives NaN': Case(nan_mean, {R.NO_FINITE_PLAN}, end=repair_optimizer),
    **{
        f'caller reports {code.value}': Case(caller_fault(code), {code})
        for code in (R.TRANSFORM_MISSING, R.TRANSFORM_OLD, R.ODOMETRY_REFUSED)
    },
    # parameters that do not fit the situation
    'robot grows': event(
        parameter_change(robot__radius=2.0),
        R.IN_CONTACT,
        R.COLLISION_AHEAD,
        R.FALLBACK_COMMAND,
        R.NONE,
        end=restore_parameters,
        blind=True,
    ),
    'robot becomes long': event(
        parameter_change(robot__footprint=(1.0, 0.2, -1.0, 0.2, -1.0, -0.2, 1.0, -0.2)),
        R.IN_CONTACT,
        R.COLLISION_AHEAD,
        R.FALLBACK_COMMAND,
        R.NONE,
        end=restore_parameters,
        blind=True,
    ),
    'limits fall': event(
        parameter_change(limits__vx_max=0.05, limits__wz_max=0.05), end=restore_parameters
    ),
    'brakes weaken': event(parameter_change(limits__ax_min=-0.1), end=restore_parameters),
    'horizon changes': event(
        parameter_change(horizon_steps=45, time_step=0.03), end=restore_parameters
    ),
    'timeouts shrink': event(parameter_change(safety__odom_timeout=0.01), end=restore_parameters),
}
