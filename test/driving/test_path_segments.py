"""A plan is divided where its direction changes and where it turns the robot in place."""
from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from mppi_ros.driving.path import ReferencePath, sections
from mppi_ros.driving.path_segments import SAME_POSITION, find_places
from mppi_ros.parameters.errors import InputError

EAST, WEST = 0.0, math.pi


def parts(poses, **changes):
    """Return (direction, length, yaw at the end), or ('turn', 0, yaw), of each section."""
    return [
        ('turn' if each.in_place else each.direction, round(each.length, 1),
         round(math.remainder(each.goal[2], math.tau), 2))
        for each in sections(poses, **changes)]


def straight(begin, end, yaw, y=0.0, step=0.05):
    count = 1 + round(abs(end - begin) / step)
    return [(x, y, yaw) for x in np.linspace(begin, end, count)]


@pytest.mark.parametrize('rounding', [0.0, 1e-9, 1e-6, -1e-6, 1e-4])
@pytest.mark.parametrize('poses', [2, 3, 60])
def test_a_plan_against_its_yaws_is_driven_backward_however_many_poses_it_has(poses, rounding):
    plan = np.zeros((poses, 3))
    plan[:, 0], plan[:, 2] = np.linspace(0.0, -2.0, poses), rounding
    assert parts(plan) == [(-1.0, 2.0, 0.0)]


def test_a_plan_along_its_yaws_is_driven_forward():
    assert parts(straight(0.0, -2.0, WEST)) == [(1.0, 2.0, round(math.pi, 2))]
    assert parts([(0.0, 0.0, WEST), (-2.0, 0.0, WEST)])[0][0] == 1.0


def test_yaws_at_both_ends_that_contradict_each_other_say_nothing():
    assert parts([(0.0, 0.0, EAST), (-2.0, 0.0, WEST)])[0][0] == 1.0
    assert parts([(0.0, 0.0, WEST), (-2.0, 0.0, EAST)])[0][0] == 1.0


EMPTY = [(0.0, 0.0), (4.0, 0.0), (4.0, 2.0), (0.0, 2.0)]


@pytest.mark.parametrize('yaw', [0.0, 1e-6, 0.7])
@pytest.mark.parametrize('goal', [0.0, 1.0, math.pi])
def test_yaws_that_a_planner_left_empty_say_nothing(yaw, goal):
    plan = [(*corner, yaw) for corner in EMPTY]
    plan[-1] = (*EMPTY[-1], goal)
    assert parts(plan) == [(1.0, 10.0, round(goal, 2))]


def test_without_yaws_a_plan_is_driven_forward():
    assert parts(EMPTY) == [(1.0, 10.0, round(math.pi, 2))]
    assert [part[0] for part in parts([(0.0, 0.0), (2.0, 0.0), (0.0, 0.0)])] == [1.0, 1.0]


def test_a_cusp_divides_the_plan():
    plan = [*straight(0.0, 2.0, EAST), *straight(1.95, 0.0, EAST)]
    assert parts(plan) == [(1.0, 2.0, 0.0), (-1.0, 2.0, 0.0)]


def test_a_cusp_that_a_smoother_has_rounded_still_divides_the_plan():
    tip = [(2.0 + 0.06 * math.cos(a), 0.06 + 0.06 * math.sin(a), 0.0)
           for a in np.linspace(-1.2, 1.2, 7)]
    plan = [*straight(0.0, 2.0, EAST), *tip, *straight(2.0, 0.0, EAST, y=0.12)]
    assert [part[0] for part in parts(plan)] == [1.0, -1.0]


def test_a_rotation_in_place_is_a_section_between_the_others():
    plan = [*straight(0.0, 2.0, EAST), (2.0, 0.0, WEST), *straight(2.05, 4.0, WEST)]
    assert parts(plan) == [
        (1.0, 2.0, 0.0), ('turn', 0.0, round(math.pi, 2)), (-1.0, 2.0, round(math.pi, 2))]


def test_a_turn_between_two_poses_that_are_not_at_one_place_is_made_in_place():
    plan = [*straight(0.0, 2.0, EAST), *straight(2.1, 4.0, WEST)]
    assert [part[0] for part in parts(plan)] == [1.0, 'turn', -1.0]


def test_rotations_at_the_begin_and_at_the_end_are_sections():
    plan = [(0.0, 0.0, -1.5), *straight(0.0, 2.0, EAST), (2.0, 0.0, 1.0)]
    assert parts(plan) == [('turn', 0.0, 0.0), (1.0, 2.0, 0.0), ('turn', 0.0, 1.0)]


@pytest.mark.parametrize('spacing', [0.01, 0.03, 0.0497, 0.06])
@pytest.mark.parametrize('radius', [0.08, 0.1, 0.2])
def test_a_tight_bend_of_closely_spaced_poses_is_no_rotation_in_place(spacing, radius):
    arc = np.arange(0.0, 1.0 + 1.5 * radius + 1.0, spacing)
    yaw = np.clip((arc - 1.0) / radius, 0.0, 1.5)
    step = spacing * np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    points = np.vstack([[0.0, 0.0], np.cumsum(step, axis=0)[:-1]])
    assert [part[0] for part in parts(np.column_stack([points, yaw]))] == [1.0]


@pytest.mark.parametrize('turn', [0.8, math.pi / 2.0])
def test_a_rotation_that_was_recorded_with_noise_is_a_rotation_in_place(turn):
    rng = np.random.default_rng(4)
    yaws = np.linspace(0.0, turn, 15)
    there = [(*rng.normal([2.0, 0.0], 0.005), yaw) for yaw in yaws]
    away = [(2.0 + s * math.cos(turn), s * math.sin(turn), turn) for s in np.arange(0.1, 2.0, 0.1)]
    assert [part[0] for part in parts([*straight(0.0, 2.0, EAST)[:-1], *there, *away])] == [
        1.0, 'turn', 1.0]


def test_several_rotations_at_one_place_are_driven_in_order():
    plan = [(0.0, 0.0, yaw) for yaw in (0.0, 1.5, 0.0, -1.5, 0.0)] + straight(0.0, 2.0, EAST)
    assert [part[2] for part in parts(plan)] == [1.5, -1.5, 0.0, 0.0]


def test_a_full_turn_keeps_its_sense():
    yaws = np.linspace(0.0, 2.0 * math.pi, 9)
    found = parts([(0.0, 0.0, yaw) for yaw in yaws])
    ends = np.unwrap([0.0, *(part[2] for part in found)])
    assert all(part[0] == 'turn' for part in found)
    assert ends[-1] == pytest.approx(2.0 * math.pi, abs=0.05)
    assert np.diff(ends).min() > 0.0


def test_a_robot_that_cannot_turn_in_place_gets_no_such_section():
    plan = [*straight(0.0, 2.0, EAST), (2.0, 0.0, 1.5), (2.0, 1.0, 1.5)]
    assert 'turn' not in [part[0] for part in parts(plan, turns=False)]


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('deviation', [0.005, 0.01, 0.015, 0.02])
def test_the_noise_of_a_robot_at_rest_is_no_reversal(deviation, seed):
    x = np.concatenate([np.linspace(0.0, 2.0, 100), np.full(300, 2.0), np.linspace(2.0, 0.0, 100)])
    plan = np.stack([x, np.zeros_like(x), np.zeros_like(x)], axis=1)
    plan += deviation * np.random.default_rng(seed).normal(size=plan.shape)
    found = sections(plan)
    assert [section.direction for section in found] == [1.0, -1.0]
    assert sum(section.length for section in found) == pytest.approx(4.0, abs=0.2)


@pytest.mark.parametrize('omni', [False, True])
@pytest.mark.parametrize('spacing', [0.01, 0.05])
@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('deviation', [0.005, 0.01, 0.015, 0.02])
def test_a_recorded_plan_with_rests_is_one_section(deviation, seed, spacing, omni):
    parts = [np.full(300, 0.0)]
    for begin in (0.0, 2.0, 4.0):
        way = np.linspace(begin, begin + 2.0, round(2.0 / spacing))
        parts += [way, np.full(300, begin + 2.0)]
    x = np.concatenate(parts)
    plan = np.stack([x, np.zeros_like(x), np.zeros_like(x)], axis=1)
    noise = deviation * np.random.default_rng(seed).normal(size=plan.shape)
    for recorded in (plan + noise, plan + np.where(x[:, None] % 2.0 == 0.0, noise, 0.0)):
        (found,) = sections(recorded, omni=omni)
        assert found.length == pytest.approx(6.0, abs=0.3)
        np.testing.assert_allclose(found.points[-1], recorded[-1, :2])


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('deviation', [0.01, 0.02])
def test_a_rotation_between_rests_stays_a_rotation(deviation, seed):
    yaws = np.concatenate([np.zeros(100), np.linspace(0.0, 1.5, 30), np.full(100, 1.5)])
    there = np.stack([np.zeros_like(yaws), np.zeros_like(yaws), yaws], axis=1)
    there += deviation * np.random.default_rng(seed).normal(size=there.shape)
    away = [(0.0, s, 1.57) for s in np.arange(0.2, 2.0, 0.05)]
    assert [part[0] for part in parts([*there, *away])] == ['turn', 1.0]


@pytest.mark.parametrize('spacing', [0.01, 0.02, 0.05])
@pytest.mark.parametrize('shape', ['weave', 'shuttle', 'stairs'])
def test_a_plan_without_noise_has_no_rest(shape, spacing):
    arc = np.arange(0.0, 4.0, spacing)
    if shape == 'weave':
        points = np.stack([0.5 * arc, 0.1 * np.sin(20.0 * arc)], axis=1)
    elif shape == 'shuttle':
        points = np.stack([np.abs((arc + 0.2) % 0.4 - 0.2), 0.02 * arc], axis=1)
    else:
        points = np.stack([spacing * (np.arange(len(arc)) // 2), arc], axis=1)
    first, places = find_places(points)
    np.testing.assert_array_equal(places, points[first])
    assert np.hypot(*np.diff(places, axis=0).T).max() < SAME_POSITION + 2.0 * spacing


def test_omnidirectional_robots_follow_the_yaws():
    x = np.linspace(0.0, 3.0, 61)
    (found,) = sections(np.stack([x, np.zeros_like(x), 0.7 * x], axis=1), omni=True)
    np.testing.assert_allclose(found.facing, 0.7 * found.arc, atol=1e-9)
    assert found.direction == 0.0
    assert found.goal[2] == pytest.approx(2.1)


def test_yaws_along_the_path_make_no_omnidirectional_robot_stop_to_turn():
    plan = np.array([[3.0, 2.0, 0.0], *([3.0, 2.0 + 0.05 * i, 1.57] for i in range(31)),
                     [3.0, 3.5, 0.0]])
    (found,) = sections(plan, omni=True)
    assert found.facing is None
    assert found.goal == pytest.approx((3.0, 3.5, 0.0))
    aside = plan.copy()
    aside[1:-1, 2] = 0.8  # the planner means it
    assert any(each.facing is not None for each in sections(aside, omni=True))


@pytest.mark.parametrize('rounding', [-1e-9, 0.0, 1e-9])
def test_an_omnidirectional_robot_drives_sideways_whichever_side_rounding_says(rounding):
    plan = [(x, 0.0, 0.5 * math.pi + rounding) for x in np.linspace(0.0, 3.0, 31)]
    (found,) = sections(plan, omni=True)
    np.testing.assert_allclose(found.heading, 0.5 * math.pi, atol=1e-8)


def test_too_many_rotations_are_refused():
    plan = [(0.1 * place, 0.0, yaw) for place in range(120) for yaw in (0.0, 1.0)]
    with pytest.raises(InputError, match='turns in place 120 times, limit 99'):
        sections(plan)


corner = st.tuples(
    st.floats(-3.0, 3.0), st.floats(-3.0, 3.0), st.floats(-math.pi, math.pi))


@given(plan=st.lists(corner, min_size=1, max_size=8), turns=st.booleans(), omni=st.booleans())
def test_sections_join_each_other_and_lead_from_the_first_pose_to_the_last(plan, turns, omni):
    found = sections(plan, turns=turns, omni=omni)
    whole = ReferencePath.from_poses(plan)
    assert math.dist(found[0].points[0], plan[0][:2]) <= SAME_POSITION + 1e-3
    np.testing.assert_allclose(found[-1].points[-1], plan[-1][:2], atol=1e-9)
    assert found[-1].goal == pytest.approx(whole.goal)
    for before, after in zip(found, found[1:], strict=False):
        np.testing.assert_allclose(before.points[-1], after.points[0], atol=1e-9)
    assert sum(each.length for each in found) <= whole.length + 2.0 * SAME_POSITION
    assert all(each.length == 0.0 for each in found if each.in_place)
    assert turns or not any(each.in_place for each in found)


@given(plan=st.lists(corner, min_size=2, max_size=6), share=st.floats(0.0, 1.0),
       place=st.tuples(st.floats(-6.0, 6.0), st.floats(-6.0, 6.0)), ahead=st.floats(0.0, 2.0))
def test_a_path_that_is_joined_begins_at_the_robot_and_keeps_the_rest(plan, share, place, ahead):
    path = ReferencePath.from_poses(plan)
    progress = share * path.length
    joined, way, at = path.joined_from(*place, progress, ahead)
    if way < 1e-2:
        return
    np.testing.assert_allclose(joined.points[0], place, atol=1e-9)
    np.testing.assert_allclose(joined.points[-1], path.points[-1], atol=1e-9)
    assert progress - path.spacing <= at <= progress + ahead + path.spacing
    rest = way + path.length - at  # resampling may cut each corner by less than two steps
    assert rest - 0.1 * len(plan) <= joined.length <= rest + 1e-6
    assert joined.goal == path.goal


def test_the_number_of_poses_at_a_place_changes_nothing():
    """Dense plans have several poses at each place; only rotations among them are sections."""
    rng = np.random.default_rng(3)
    way = np.linspace(0.0, 4.0, 81)
    bend = np.column_stack([4.0 * np.sin(way / 4.0), 4.0 - 4.0 * np.cos(way / 4.0), way / 4.0])
    turns = np.tile(bend[40], (12, 1))
    turns[:, 2] += np.linspace(0.0, 2.0, 12)
    for copies in (1, 2, 7):
        dense = np.repeat(bend, copies, axis=0)
        dense[:, :2] += rng.uniform(-1e-4, 1e-4, (len(dense), 2))
        assert [part for part in parts(dense) if part[0] == 'turn'] == []
        turned = np.vstack([dense[:41 * copies], turns])
        assert [part[2] for part in parts(turned) if part[0] == 'turn'] == [
            round(bend[40, 2] + 2.0, 2)]
