"""The faults: what goes wrong, for how long, and what the controller has to say of it."""
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
        Spoils a loop; `Loop.be_good` and `end` make it good again.
    codes : set of Reason
        At least one of these is told while the fault lasts and the robot wants to move.
    seconds : float
        How long it lasts.
    blind : bool
        The controller is told lies.
    unavoidable : bool
        Nobody could keep the robot from touching something.

    """

    begin: Callable[[Loop], None]
    codes: frozenset[Reason] = DRIVES
    seconds: float = 1.0
    blind: bool = False
    unavoidable: bool = False
    end: Callable[[Loop], None] = lambda loop: None


def feel(change, *codes, **options) -> Case:
    """Return a fault of the odometry: `change` makes a false measurement out of a true one."""
    def begin(loop: Loop) -> None:
        loop.feel = lambda loop: iter([change(loop.odometry())])

    return Case(begin, frozenset(codes) or DRIVES, **options)


def with_values(*codes, blind=False, **values) -> Case:
    """Return a fault of the odometry with these values in it."""
    return feel(lambda odometry: replace(odometry, **values), *codes, blind=blind)


def show(change, *codes, **options) -> Case:
    """Return a fault of the costmap: `change` makes (stamp, costmap) out of the loop."""
    def begin(loop: Loop) -> None:
        loop.show = lambda loop: iter([change(loop)])

    return Case(begin, frozenset(codes) or DRIVES, **options)


def made(**values):
    """Return what makes a costmap like the world with other values."""
    return lambda loop: (loop.now, replace(loop.world, **values))


def once(act, *codes, **options) -> Case:
    """Return a fault that is one event."""
    return Case(act, frozenset(codes) or DRIVES, **options)


def jump(seconds):
    """Return what sets the clock."""
    def act(loop: Loop) -> None:
        before = loop.clock
        loop.clock = lambda t: before(t) + seconds

    return act


def nothing(loop: Loop):
    """Say nothing."""
    return iter(())


def late(seconds):
    """Return what says the truth of `seconds` ago."""
    def begin(loop: Loop) -> None:
        held = []

        def feel(loop: Loop):
            held.append(loop.odometry())
            return iter([each for each in held if each.stamp <= loop.now - seconds][-1:])

        loop.feel = feel

    return begin


def out_of_order(loop: Loop) -> None:
    """Send each measurement after the next one."""
    held = []

    def feel(loop: Loop):
        held.append(loop.odometry())
        return iter([held[-1], held[max(len(held) - 2, 0)]])

    loop.feel = feel


def stuck_sensor(loop: Loop) -> None:
    """Repeat the last measurement, stamp and all."""
    last = loop.odometry()
    loop.feel = lambda loop: iter([last])


def frozen(loop: Loop) -> None:
    """Repeat the last measurement with new stamps."""
    last = loop.odometry()
    loop.feel = lambda loop: iter([replace(last, stamp=loop.now)])


def half_frozen(*names, **values):
    """Return what repeats numbers of the last measurement, or these, in true ones."""
    def begin(loop: Loop) -> None:
        held = {name: getattr(loop.odometry(), name) for name in names} | values
        loop.feel = lambda loop: iter([replace(loop.odometry(), **held)])

    return begin


def to_and_fro(loop: Loop) -> None:
    """Jump between two places."""
    def feel(loop: Loop):
        there = 3.0 * (len(loop.ticks) % 2)
        return iter([replace(loop.odometry(), y=there)])

    loop.feel = feel


def noisy(loop: Loop) -> None:
    """Shake the measured twist."""
    rng = np.random.default_rng(0)

    def feel(loop: Loop):
        v, w = rng.normal(0.0, 3.0, 2)
        return iter([replace(loop.odometry(), vx=float(v), wz=float(w))])

    loop.feel = feel


def flood(loop: Loop) -> None:
    """Measure a thousand times a second."""
    loop.feel = lambda loop: iter([loop.odometry()] * 50)


def cost_flood(loop: Loop) -> None:
    """Send many costmaps at once."""
    loop.show = lambda loop: iter([(loop.now, loop.world)] * 5)


def old_costmap_last(loop: Loop) -> None:
    """Send after each costmap an older one, in which everything is lethal."""
    def show(loop: Loop):
        lethal = replace(loop.world, data=np.full_like(loop.world.data, 100))
        return iter([(loop.now, loop.world), (loop.now - 0.5, lethal)])

    loop.show = show


def stuck_costmap(loop: Loop) -> None:
    """Repeat the last costmap, stamp and all."""
    last = loop.now, loop.world
    loop.show = lambda loop: iter([last])


def block(distance, side=0.4, sideways=0.0):
    """Return what puts a block before the robot's middle, in the direction it moves."""
    def act(loop: Loop) -> None:
        heading = loop.pose[2] + (math.pi if loop.twist[0] < 0.0 else 0.0)
        x = loop.pose[0] + (distance + 0.5 * side) * math.cos(heading)
        y = loop.pose[1] + (distance + 0.5 * side) * math.sin(heading) + sideways
        loop.world = with_block(loop.world, x, y, side)

    return act


def clean(loop: Loop) -> None:
    """Empty the room."""
    loop.world = room()


def filling_up(loop: Loop) -> None:
    """Let walls close in on the robot from all sides, down to its body."""
    x, y = loop.pose[:2]
    left = [2.0]

    def show(loop: Loop):
        left[0] = max(left[0] - 0.15, 0.3)
        data = np.full_like(loop.world.data, 100)
        rows, columns = np.indices(data.shape)
        away = np.hypot(
            (columns + 0.5) * 0.05 + loop.world.origin_x - x,
            (rows + 0.5) * 0.05 + loop.world.origin_y - y)
        data[away < left[0]] = 0
        loop.world = Costmap(data, 0.05, loop.world.origin_x, loop.world.origin_y)
        return iter([(loop.now, loop.world)])

    loop.show = show


def flicker(loop: Loop) -> None:
    """Let a block come and go ahead."""
    there = [loop.world, with_block(loop.world, loop.pose[0] + 1.2, loop.pose[1], 0.4)]

    def show(loop: Loop):
        loop.world = there[len(loop.ticks) // 2 % 2]
        return iter([(loop.now, loop.world)])

    loop.show = show


def crossing(loop: Loop) -> None:
    """Let a block that was not there before cross the way ahead at 0.8 m/s."""
    empty, begun = loop.world, loop.t
    x, y = loop.pose[0] + 1.2 * math.cos(loop.pose[2]), loop.pose[1] - 1.2

    def show(loop: Loop):
        loop.world = with_block(empty, x, y + 0.8 * (loop.t - begun), 0.4)
        return iter([(loop.now, loop.world)])

    loop.show = show


def every_size(loop: Loop) -> None:
    """Send the room in another resolution each time."""
    def show(loop: Loop):
        resolution = (0.05, 0.1, 0.025)[len(loop.ticks) // 2 % 3]
        return iter([(loop.now, room(resolution=resolution))])

    loop.show = show


def window(loop: Loop) -> None:
    """Send a window that moves with the robot."""
    def show(loop: Loop):
        x, y = (round(value / 0.05) for value in loop.pose[:2])
        row, column = y + 60, x + 100
        top, left = max(row - 50, 0), max(column - 50, 0)
        data = loop.world.data[top:row + 50, left:column + 50]
        return iter([(loop.now, Costmap(
            data, 0.05, loop.world.origin_x + 0.05 * left, loop.world.origin_y + 0.05 * top))])

    loop.show = show


def configured(**changes):
    """Return what changes parameters; '__' stands for a dot."""
    named = {name.replace('__', '.'): value for name, value in changes.items()}

    def act(loop: Loop) -> None:
        loop.controller.configure(declaration.replace(loop.controller.configuration, named))

    return act


def unconfigure(loop: Loop) -> None:
    """Take the parameters back."""
    loop.controller.configure(SMALL)


def broken(attribute, value):
    """Return what breaks the optimiser."""
    def act(loop: Loop) -> None:
        setattr(loop.controller._sampler, attribute, value)

    return act


def mend(loop: Loop) -> None:
    """Give the optimiser its method back."""
    loop.controller._sampler.__dict__.pop('step', None)


def poisoned(loop: Loop) -> None:
    """Let the mean become NaN after each step."""
    sampler = loop.controller._sampler
    step = type(sampler).step

    def spoil(*arguments, **options):
        result = step(sampler, *arguments, **options)
        sampler.mean[:] = math.nan
        return result

    sampler.step = spoil


def complain(code):
    """Return what the caller of the controller does with a fault of its own."""
    def act(loop: Loop) -> None:
        loop.fault = Fault(code, 'the caller says so')

    return act


def plan(poses):
    """Return what gives a plan."""
    return lambda loop: loop.plan(poses)


def stamped_plan(seconds):
    """Return what gives a plan of another time, where plans have a time-out."""
    def act(loop: Loop) -> None:
        configured(safety__plan_timeout=0.5)(loop)
        loop.accept('plan', lambda: loop.controller.set_goal(loop.now + seconds, 4.0, 0.0, 0.0))

    return act


def everything_lost(loop: Loop) -> None:
    """Say nothing at all."""
    loop.feel = loop.show = nothing


def everything_broken(loop: Loop) -> None:
    """Send NaN wherever there is a number."""
    loop.feel = lambda loop: iter([replace(loop.odometry(), x=NAN, y=NAN, yaw=NAN, vx=NAN)])
    loop.show = lambda loop: iter([(NAN, replace(loop.world, resolution=NAN))])
    loop.plan([(NAN, NAN, NAN)])


def clock_of_speed(share):
    """Return what lets the clock run faster or slower than time does."""
    def act(loop: Loop) -> None:
        before, begun = loop.clock, loop.t
        loop.clock = lambda t: before(t) + (share - 1.0) * (t - begun)

    return act


def pause(seconds):
    """Return what keeps the controller from ticking."""
    return lambda loop: loop.step(seconds)


def paused_clock(loop: Loop) -> None:
    """Let the clock stand, and odometry with it."""
    held = loop.now
    loop.clock = lambda t: held


def resumed_clock(loop: Loop) -> None:
    """Let the clock run from where it stood."""
    held, since = loop.now, loop.t
    loop.clock = lambda t: held + t - since


NAN, INF = math.nan, math.inf
FAULTS: dict[str, Case] = {
    # odometry
    'odometry lost': Case(lambda loop: setattr(loop, 'feel', nothing), {R.ODOMETRY_OLD}),
    'odometry a little late': Case(late(0.2)),
    'odometry too late': Case(late(0.4), {R.ODOMETRY_OLD}),
    'odometry repeated': Case(stuck_sensor, {R.ODOMETRY_OLD}),
    'odometry frozen': Case(frozen, {R.ODOMETRY_FROZEN}, seconds=3.0, blind=True),
    'odometry pose frozen': Case(
        half_frozen('x', 'y', 'yaw'), {R.ODOMETRY_FROZEN}, seconds=4.0, blind=True
    ),
    'odometry x and y frozen': Case(
        half_frozen('x', 'y'), {R.ODOMETRY_FROZEN, *DRIVES}, seconds=4.0, blind=True
    ),
    'odometry yaw frozen': Case(
        half_frozen('yaw'), {R.ODOMETRY_FROZEN, *DRIVES}, seconds=4.0, blind=True
    ),
    'odometry twist frozen': Case(
        half_frozen('vx', 'wz'), {R.ODOMETRY_FROZEN, *DRIVES}, seconds=4.0, blind=True
    ),
    'odometry twist zero': Case(
        half_frozen(vx=0.0, wz=0.0), {R.ODOMETRY_FROZEN}, seconds=4.0, blind=True
    ),
    'odometry out of order': Case(out_of_order),
    'odometry floods': Case(flood),
    'odometry noisy': Case(noisy, blind=True),
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
    'odometry ahead': feel(
        lambda odometry: replace(odometry, stamp=odometry.stamp + 5.0), R.ODOMETRY_AHEAD
    ),
    'odometry jumps': with_values(R.ODOMETRY_JUMPED, y=2.0, blind=True),
    'odometry turns': feel(
        lambda odometry: replace(odometry, yaw=odometry.yaw + 2.5), R.ODOMETRY_JUMPED, blind=True
    ),
    'odometry to and fro': Case(to_and_fro, {R.ODOMETRY_JUMPED}, blind=True),
    # costmap
    'costmap lost': Case(
        lambda loop: setattr(loop, 'show', nothing), {R.COSTMAP_OLD}, seconds=2.0
    ),
    'costmap late': show(lambda loop: (loop.now - 2.0, loop.world), R.COSTMAP_OLD, seconds=2.0),
    'costmap ahead': show(lambda loop: (loop.now + 2.0, loop.world), R.COSTMAP_AHEAD),
    'costmap floods': Case(cost_flood),
    **{
        f'costmap {name} {value}': show(made(**{name: value}), R.COSTMAP_REFUSED)
        for name in ('resolution', 'origin_x', 'origin_y')
        for value in (NAN, INF)
    },
    **{
        f'costmap resolution {value}': show(made(resolution=value), R.COSTMAP_REFUSED)
        for value in (0.0, -0.05, 1e9)
    },
    'costmap stamp NaN': show(lambda loop: (NAN, loop.world), R.COSTMAP_REFUSED),
    'costmap empty': show(made(data=np.zeros((0, 0), np.int8)), R.COSTMAP_REFUSED),
    'costmap flat': show(made(data=np.zeros(40, np.int8)), R.COSTMAP_REFUSED),
    'costmap of floats': show(made(data=np.zeros((9, 9))), R.COSTMAP_REFUSED),
    'costmap out of range': show(made(data=np.full((9, 9), 101, np.int8)), R.COSTMAP_REFUSED),
    'costmap elsewhere': show(made(origin_x=500.0), R.OUTSIDE_COSTMAP, blind=True),
    'costmap tiny': show(
        lambda loop: (loop.now, room(0.2, 0.2)),
        R.OUTSIDE_COSTMAP,
        R.IN_CONTACT,
        R.COLLISION_AHEAD,
        blind=True,
    ),
    'costmap lethal everywhere': show(
        lambda loop: (loop.now, replace(loop.world, data=np.full_like(loop.world.data, 100))),
        R.COLLISION_AHEAD,
        blind=True,
    ),
    'costmap fills up': Case(
        filling_up,
        {R.COLLISION_AHEAD, R.FALLBACK_COMMAND, R.NONE},
        seconds=3.0,
        unavoidable=True,
        end=clean,
    ),
    'costmap in every resolution': Case(every_size),
    'costmap rolls': Case(window),
    'costmap flickers': Case(flicker, seconds=2.0, end=clean),
    'block on the robot': once(
        block(-0.2), R.IN_CONTACT, R.COLLISION_AHEAD, unavoidable=True, end=clean
    ),
    'block within the braking distance': once(
        block(0.25), R.COLLISION_AHEAD, R.FALLBACK_COMMAND, R.NONE, unavoidable=True, end=clean
    ),
    'block before the braking distance': once(
        block(0.55), R.NONE, R.FALLBACK_COMMAND, R.COLLISION_AHEAD, end=clean
    ),
    'costmap repeated': Case(stuck_costmap, {R.COSTMAP_OLD}, seconds=2.0),
    'costmap out of order': Case(old_costmap_last),
    'costmap huge': show(lambda loop: (loop.now, room(60.0, 60.0)), seconds=0.2, blind=True),
    'moving block crosses': Case(
        crossing,
        {R.NONE, R.FALLBACK_COMMAND, R.COLLISION_AHEAD, R.EVADING},
        seconds=3.0,
        unavoidable=True,
        end=clean,
    ),
    # plan
    'plan taken away': once(lambda loop: loop.controller.clear_plan(), R.PLAN_MISSING),
    'plan empty': once(plan(np.empty((0, 3))), R.PLAN_REFUSED),
    'plan NaN': once(plan([(0.0, NAN, 0.0)]), R.PLAN_REFUSED),
    'plan infinite': once(plan([(0.0, 0.0, 0.0), (INF, 0.0, 0.0)]), R.PLAN_REFUSED),
    'plan huge': once(plan([(0.0, 0.0, 0.0), (1e300, 0.0, 0.0)]), R.PLAN_REFUSED),
    'plan of the wrong shape': once(plan([0.0, 1.0, 2.0]), R.PLAN_REFUSED),
    'plan of one place many times': once(plan([(2.0, 1.0, 0.0)] * 50)),
    'plan far away': once(plan([(300.0 + n, 0.0, 0.0) for n in range(20)])),
    'plan of very many poses': once(plan([(-4.0 + 4e-4 * n, 0.0, 0.0) for n in range(20_000)])),
    'plan all zigzag': once(plan([(0.1 * (n % 2), 0.05 * n, 1e3 * n) for n in range(40)])),
    'plan too old': Case(stamped_plan(-3.0), {R.PLAN_OLD}, end=unconfigure),
    'plan ahead': Case(stamped_plan(5.0), {R.PLAN_AHEAD}, seconds=0.5, end=unconfigure),
    'goal NaN': once(lambda loop: loop.goal(NAN, 0.0, 0.0), R.PLAN_REFUSED),
    'goal out of reach': once(lambda loop: loop.goal(9e5, 0.0, 0.0), R.PLAN_REFUSED),
    'goal behind the wall': once(lambda loop: loop.goal(7.0, 0.0, 0.0)),
    'plan changes all the time': Case(
        lambda loop: setattr(
            loop,
            'feel',
            lambda loop: (
                loop.goal(3.0, 2.0 * (-1) ** len(loop.ticks), 0.0),
                iter([loop.odometry()]),
            )[1],
        )
    ),
    # all inputs
    'everything lost': Case(everything_lost, {R.ODOMETRY_OLD}, seconds=2.0),
    'everything NaN': Case(everything_broken, {R.PLAN_REFUSED}),
    # clock
    'clock runs at half speed': once(clock_of_speed(0.5)),
    'clock runs at double speed': once(clock_of_speed(2.0)),
    **{
        f'clock steps by {seconds} s': once(jump(seconds), code)
        for seconds, code in (
            (-100.0, R.CLOCK_BACK),
            (-1.0, R.CLOCK_BACK),
            (-0.3, R.CLOCK_BACK),
            (0.3, R.CLOCK_AHEAD),
            (1.0, R.CLOCK_AHEAD),
            (86400.0, R.CLOCK_AHEAD),
        )
    },
    'clock steps by little': once(jump(0.05)),
    'clock is set to zero': once(
        lambda loop: setattr(loop, 'clock', lambda t, begun=loop.t: t - begun), R.CLOCK_BACK
    ),
    **{
        f'clock reads {value}': Case(
            lambda loop, value=value: setattr(loop, 'clock', lambda t: value),
            {R.CLOCK_INVALID},
            end=lambda loop: setattr(loop, 'clock', lambda t: t),
        )
        for value in (NAN, INF, -INF)
    },
    'clock stands': Case(
        paused_clock, {R.CLOCK_BACK, R.ODOMETRY_FROZEN, R.NONE}, end=resumed_clock
    ),
    # ticks
    'tick late by 0.3 s': once(pause(0.3)),
    'tick late by 1 s': once(pause(1.0), R.TICK_LATE, R.ODOMETRY_OLD),
    'tick late by 10 s': once(pause(10.0), R.TICK_LATE, R.ODOMETRY_OLD),
    # the program itself
    'optimiser raises': Case(broken('step', lambda *_, **__: 1 / 0), {R.INTERNAL_ERROR}, end=mend),
    'optimiser gives NaN': Case(poisoned, {R.NO_FINITE_PLAN}, end=mend),
    **{
        f'caller says {code.value}': Case(complain(code), {code})
        for code in (R.TRANSFORM_MISSING, R.TRANSFORM_OLD, R.ODOMETRY_REFUSED)
    },
    # parameters that do not fit the situation
    'robot grows': once(
        configured(robot__radius=2.0),
        R.IN_CONTACT,
        R.COLLISION_AHEAD,
        R.FALLBACK_COMMAND,
        R.NONE,
        end=unconfigure,
        blind=True,
    ),
    'robot becomes long': once(
        configured(robot__footprint=(1.0, 0.2, -1.0, 0.2, -1.0, -0.2, 1.0, -0.2)),
        R.IN_CONTACT,
        R.COLLISION_AHEAD,
        R.FALLBACK_COMMAND,
        R.NONE,
        end=unconfigure,
        blind=True,
    ),
    'limits fall': once(configured(limits__vx_max=0.05, limits__wz_max=0.05), end=unconfigure),
    'brakes weaken': once(configured(limits__ax_min=-0.1), end=unconfigure),
    'horizon changes': once(configured(horizon_steps=45, time_step=0.03), end=unconfigure),
    'timeouts shrink': once(configured(safety__odom_timeout=0.01), end=unconfigure),
}
