"""Either half of the odometry can freeze alone; the other half gives it away, and nothing else."""
from __future__ import annotations

from dataclasses import replace
import math

from faults.loop import SMALL, Loop
import numpy as np
import pytest

from mppi_ros.control.inputs import Odometry
from mppi_ros.control.odometry_consistency import MIN_FREEZE_TIME, BodyTwist, OdometryConsistency
from mppi_ros.control.tick_result import Reason
from mppi_ros.parameters import declaration

SPEEDS = BodyTwist(0.5, 0.0, 1.9)
OMNI = BodyTwist(0.5, 0.5, 1.9)
POSE, TWIST = ('x', 'y', 'yaw'), ('vx', 'vy', 'wz')


def drive(vx=0.4, vy=0.0, wz=0.0, *, period=0.02, seconds=2.0, yaw=0.3, gain=1.0, waver=0.01):
    """Yield exact odometry of a motion whose speeds waver; `gain` is the twist over the truth."""
    x = y = 0.0
    for n in range(round(seconds / period)):
        share = 1.0 + waver * math.sin(3.0 * n)
        v, u, w = share * vx, share * vy, share * wz
        yield Odometry(n * period, x, y, yaw, gain * v, gain * u, gain * w)
        middle = yaw + 0.5 * period * w
        x += period * (v * math.cos(middle) - u * math.sin(middle))
        y += period * (v * math.sin(middle) + u * math.cos(middle))
        yaw += period * w


def freeze(measurements, names, since=0.5, until=math.inf, **values):
    """Yield the measurements with numbers that stay what they are at a time, or are given."""
    held = None
    for each in measurements:
        if since <= each.stamp < until:
            held = held or {name: values.get(name, getattr(each, name)) for name in names}
            yield replace(each, **held)
        else:
            yield each


def first_words(measurements, moving=True, speeds=SPEEDS):
    halves = OdometryConsistency()
    for each in measurements:
        halves.take(each, moving, speeds)
        if halves.message:
            return each.stamp, halves.message
    return None


@pytest.mark.parametrize(('names', 'motion', 'seconds'), [
    (('x', 'y', 'yaw'), {'vx': 0.4}, 0.25),
    (('x', 'y'), {'vx': 0.4, 'wz': 0.8}, 0.25),
    (('x',), {'vx': 0.4}, 0.25),
    (('y',), {'vx': 0.4, 'yaw': 1.4}, 0.25),
    (('yaw',), {'vx': 0.4, 'wz': 0.8}, 0.25),
    (('yaw',), {'vx': 0.0, 'wz': -0.8}, 0.25),
    (('yaw',), {'vx': 0.4, 'wz': 0.08}, 1.6),
    (('x', 'y', 'yaw'), {'vx': -0.4}, 0.25),
    (('x', 'y'), {'vx': 0.03}, 2.1),
    (('x', 'y'), {'vx': 0.0, 'vy': 0.4}, 0.25),
])
def test_a_pose_that_stays_while_its_twist_moves_is_named(names, motion, seconds):
    speeds = OMNI if 'vy' in motion else SPEEDS
    healthy = drive(seconds=4.0, **motion)
    stamp, words = first_words(freeze(healthy, names), speeds=speeds)
    assert 0.5 + MIN_FREEZE_TIME - 0.02 <= stamp <= 0.5 + seconds
    assert any(words.startswith(f'odometry {name} is constant') for name in names[:2])


@pytest.mark.parametrize(('names', 'motion', 'values'), [
    (TWIST, {'vx': 0.4}, {'vx': 0.0, 'wz': 0.0}),
    (('vx',), {'vx': 0.4, 'wz': 0.8}, {'vx': 0.0}),
    (('vx',), {'vx': 0.05}, {'vx': 0.5}),
    (('vx',), {'vx': 0.0, 'wz': 0.8}, {'vx': 0.4}),
    (('vx',), {'vx': 0.3}, {'vx': -0.3}),
    (('wz',), {'vx': 0.4, 'wz': 0.8}, {'wz': 0.0}),
    (('wz',), {'vx': 0.4}, {'wz': 1.0}),
    (('wz',), {'vx': 0.0, 'wz': 1.5}, {'wz': -1.5}),
    (('vy',), {'vx': 0.3, 'vy': 0.3}, {'vy': 0.0}),
])
def test_a_twist_that_stays_while_its_pose_moves_otherwise_is_named(names, motion, values):
    speeds = OMNI if 'vy' in motion else SPEEDS
    measured = freeze(drive(seconds=4.0, **motion), names, **values)
    stamp, words = first_words(measured, speeds=speeds)
    assert 0.5 + MIN_FREEZE_TIME - 0.02 <= stamp <= 1.5
    # Where the pose stays the same, too, nobody can say which of the two is wrong.
    assert any(words.startswith(f'odometry {name} is constant') for name in (*names, *POSE))


@pytest.mark.parametrize('motion', [
    {'vx': 0.5, 'waver': 0.0}, {'vx': 0.5, 'waver': 0.0, 'yaw': 0.0},
    {'vx': 0.5, 'waver': 0.0, 'yaw': 0.5 * math.pi}, {'vx': 0.0, 'wz': 1.9, 'waver': 0.0},
    {'vx': 0.5, 'wz': 1.0, 'waver': 0.0}, {'vx': 0.5, 'waver': 0.0, 'gain': 1.25},
    {'vx': 0.5, 'wz': 1.0, 'waver': 0.0, 'gain': 0.8}, {'vx': -0.2, 'wz': 0.5, 'waver': 0.0},
    {'vx': 0.0, 'waver': 0.0}, {'vx': 0.5, 'period': 0.1}, {'vx': 0.5, 'period': 0.005},
])
def test_a_robot_that_drives_steadily_is_not_frozen(motion):
    assert first_words(drive(seconds=20.0, **motion)) is None


@pytest.mark.parametrize('every', [2, 5])
def test_a_pose_that_comes_less_often_than_the_twist_is_not_frozen(every):
    def measured():
        for n, each in enumerate(drive(seconds=10.0, vx=0.5, wz=0.7)):
            if n % every == 0:
                last = each
            yield replace(each, x=last.x, y=last.y, yaw=last.yaw)

    assert first_words(measured()) is None


def test_a_twist_that_comes_less_often_than_the_pose_is_not_frozen():
    def measured():
        for n, each in enumerate(drive(seconds=10.0, vx=0.4, wz=0.7, waver=0.2)):
            if n % 5 == 0:
                last = each
            yield replace(each, vx=last.vx, wz=last.wz)

    assert first_words(measured()) is None


def test_corrections_of_a_localisation_and_encoders_of_a_millimetre_are_not_frozen():
    def corrected():
        for n, each in enumerate(drive(seconds=20.0, vx=0.5, wz=0.3, waver=0.0)):
            shift = 0.2 * (-1) ** (n // 25) if n > 25 else 0.0
            yield replace(each, x=each.x + shift, yaw=each.yaw + 0.5 * shift)

    def coarse():
        for each in drive(seconds=20.0, vx=0.06, wz=0.05):
            yield replace(each, x=round(each.x, 3), y=round(each.y, 3), yaw=round(each.yaw, 2),
                          vx=round(each.vx, 2), wz=round(each.wz, 2))

    assert first_words(corrected()) is None
    assert first_words(coarse()) is None


def test_at_rest_neither_a_drifting_gyroscope_nor_a_correction_is_a_fault():
    drifting = (Odometry(0.02 * n, 1.0, 2.0, 0.3, 0.0, 0.0, 0.05 + 1e-3 * math.sin(n))
                for n in range(2000))
    assert first_words(drifting, moving=False) is None
    pushed = freeze(drive(seconds=9.0), TWIST, since=0.0, vx=0.0, wz=0.0)
    assert first_words(pushed, moving=False) is None


def test_a_base_beside_its_axle_that_says_it_never_slides_is_believed():
    # A point 0.3 m ahead of the axle moves aside in a turn; a differential drive says 0.
    turning = drive(vx=0.0, vy=0.3, wz=1.0, seconds=10.0)
    assert first_words(replace(each, vy=0.0) for each in turning) is None


def test_what_is_frozen_stays_so_until_it_changes():
    halves, told = OdometryConsistency(), []
    for each in freeze(drive(seconds=3.0), ('x', 'y'), until=1.5):
        halves.take(each, True, SPEEDS)
        told.append((each.stamp, bool(halves.message)))
    assert all(said for stamp, said in told if 0.8 < stamp < 1.5)
    assert not any(said for stamp, said in told if stamp > 1.52)


def test_a_pose_gets_one_other_chance_and_no_second_before_it_changes():
    halves = OdometryConsistency()
    measurements = list(freeze(drive(seconds=9.0), ('x', 'y'), until=6.0))
    said = []
    for each in measurements:
        if each.stamp in (2.0, 4.0):
            halves.forgive()
        halves.take(each, True, SPEEDS)
        said.append(bool(halves.message))
    at = [said[round(50 * stamp)] for stamp in (1.9, 2.1, 3.0, 4.1, 5.9, 6.1)]
    assert at == [True, False, True, True, True, False]


CASES = {
    'pose': (('x', 'y', 'yaw'), {}), 'place': (('x', 'y'), {}), 'x': (('x',), {}),
    'yaw': (('yaw',), {}), 'twist': (('vx', 'wz'), {}),
    'twist of zero': (('vx', 'wz'), {'vx': 0.0, 'wz': 0.0}), 'turning': (('wz',), {'wz': 0.0}),
    'pose and a constant twist': (('x', 'y', 'yaw', 'vx'), {}),
}


@pytest.mark.parametrize('since', [2.0, 12.5])
@pytest.mark.parametrize('name', CASES)
def test_a_robot_with_half_of_its_odometry_frozen_touches_nothing_and_drives_on(name, since):
    names, values = CASES[name]
    loop = Loop(declaration.replace(SMALL, {'recovery.progress_timeout': 0.0}))
    loop.pose[:] = -4.0, -2.0, 1.2
    loop.goal(4.2, 1.9, 0.0)
    loop.run(since)
    held = {n: values.get(n, getattr(loop.odometry(), n)) for n in names}
    loop.blind = True
    loop.read_odometry = lambda loop: iter([replace(loop.odometry(), **held)])
    loop.run(12.0)
    codes = {tick.code for tick in loop.ticks}
    assert not loop.touched
    moved = math.dist(loop.pose[:2], (held.get('x', 0.0), held.get('y', 0.0)))
    if 'x' in names and 'y' in names and abs(loop.ticks[-1].command.vx) > 0.0:
        assert moved < 1.0
    loop.restore_inputs()
    loop.run(20.0)
    assert not loop.touched
    assert np.hypot(*(loop.pose[:2] - (4.2, 1.9))) < 0.3, codes
    if name in ('pose', 'place') and since < 10.0:
        assert Reason.ODOMETRY_FROZEN in codes
