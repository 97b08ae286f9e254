"""Each critic charges for what its name says, in seconds, and for nothing else."""
from __future__ import annotations

from dataclasses import replace
import math

import numpy as np
import pytest

from mppi_ros.driving import critics
from mppi_ros.driving.critics import CRITICS, CriticWeights, switches
from mppi_ros.driving.parameters import CriticParameters, Limits, Zone, ZoneSpeed

DT = 0.05
SETTINGS = CriticParameters(zone=Zone(weight=3.0), zone_speed=ZoneSpeed(weight=8.0))
LIMITS = Limits()
WEIGHTS = CriticWeights.of(SETTINGS, LIMITS, DT)


STEP = critics.StepState(*np.zeros(8, np.float32))
FIELDS = {
    critics.obstacle: ('clearance',), critics.clearance_speed: ('clearance', 'speed'),
    critics.path_tracking: ('squared_distance',), critics.twirling: ('turn_rate',),
    critics.path_heading: ('alignment', 'goal_proximity'),
    critics.prefer_forward: ('forward_speed',),
}


def charged(critic, *values, weights=WEIGHTS):
    values = [np.float32(value) for value in values]
    if critic in FIELDS:
        values = [STEP._replace(**dict(zip(FIELDS[critic], values, strict=True)))]
    return float(critic(*values, weights))


def over(critic, grid, *rest, weights=WEIGHTS):
    return np.array([charged(critic, value, *rest, weights=weights) for value in grid])


def test_near_the_goal_an_obstacle_costs_only_what_the_goal_itself_does_not():
    margin = SETTINGS.obstacle.margin

    def cost(clearance, unavoidable):
        step = STEP._replace(clearance=np.float32(clearance), unavoidable=np.float32(unavoidable))
        return float(critics.obstacle(step, WEIGHTS))

    goal = (margin - 0.05) ** 2  # the clearance at the goal is 0.05 m
    assert cost(0.05, goal) == pytest.approx(0.0, abs=1e-7)
    assert cost(0.1, goal) == cost(2.0 * margin, goal) == 0.0
    assert cost(0.02, goal) == pytest.approx(cost(0.02, 0.0) - cost(0.05, 0.0), rel=1e-4)
    assert cost(0.0, goal) > DT * SETTINGS.obstacle.collision


def test_every_critic_of_the_settings_has_weights_and_every_weight_belongs_to_one_critic():
    assert list(CRITICS) == list(SETTINGS.__dataclass_fields__)
    named = [name for critic in CRITICS for name in (*switches(critic), *CRITICS[critic].scales)]
    assert len(set(named)) == len(named)
    assert set(named) == set(CriticWeights._fields)


@pytest.mark.parametrize('critic', CRITICS)
def test_without_weight_a_critic_has_no_weight_in_the_rollout(critic):
    off = replace(getattr(SETTINGS, critic), weight=0.0)
    if hasattr(off, 'collision'):
        off = replace(off, collision=0.0)
    weights = CriticWeights.of(replace(SETTINGS, **{critic: off}), LIMITS, DT)
    zero = np.float32(0.0)
    wanted = WEIGHTS._replace(**dict.fromkeys(switches(critic), zero))
    # `backward` only bounds what `turning` charges, whatever it is.
    assert weights._replace(backward=zero) == wanted._replace(backward=zero)


@pytest.mark.parametrize('critic', CRITICS)
def test_only_keeps_the_named_weights_and_all_scales(critic):
    kept = WEIGHTS.only(critic)
    for other in CRITICS:
        for name in switches(other):
            expected = getattr(WEIGHTS, name) if other == critic else 0.0
            assert getattr(kept, name) == expected
    assert kept.margin == WEIGHTS.margin
    assert kept.tracking_scale == WEIGHTS.tracking_scale


def test_costs_over_the_horizon_do_not_depend_on_its_step():
    fine = CriticWeights.of(SETTINGS, LIMITS, 0.5 * DT)
    for critic, value in ((critics.obstacle, 0.05), (critics.path_tracking, 0.3),
                          (critics.twirling, 1.0), (critics.prefer_forward, -0.1),
                          (critics.goal_position, 0.7)):
        assert 2.0 * charged(critic, value, weights=fine) == pytest.approx(charged(critic, value))
    half_the_change = 2.0 * charged(critics.smoothness, 0.01, 0.02, weights=fine)
    assert half_the_change == pytest.approx(charged(critics.smoothness, 0.02, 0.04))


def test_nearness_costs_its_weight_at_contact_and_nothing_beyond_the_margin():
    margin = SETTINGS.obstacle.margin
    cost = over(critics.obstacle, np.linspace(1e-6, margin, 50))
    assert cost[0] == pytest.approx(SETTINGS.obstacle.weight * DT, rel=1e-3)
    assert np.all(np.diff(cost) < 0.0)
    assert cost[-1] == pytest.approx(0.0, abs=1e-9)
    assert not over(critics.obstacle, [1.01 * margin, 1.0, 1e4]).any()


def test_a_collision_costs_the_same_however_deep_and_more_than_any_nearness():
    price = (SETTINGS.obstacle.collision + SETTINGS.obstacle.weight) * DT
    np.testing.assert_allclose(over(critics.obstacle, [0.0, -0.1, -5.0]), price, rtol=1e-6)
    assert charged(critics.obstacle, 1e-6) < 0.1 * price


def test_speed_is_free_below_what_the_clearance_allows_and_the_same_both_ways():
    speed = SETTINGS.clearance_speed
    for clearance in (-0.1, 0.0, 0.05):
        at_contact, per_clearance = speed.free_speed(LIMITS.vx_max)
        allowed = at_contact + per_clearance * max(clearance, 0.0)
        for sign in (-1.0, 1.0):
            assert charged(critics.clearance_speed, clearance, sign * 0.99 * allowed) == 0.0
            too_fast = sign * (allowed + 0.5 * LIMITS.vx_max)
            fast = charged(critics.clearance_speed, clearance, too_fast)
            assert fast == pytest.approx(0.25 * speed.weight * DT, rel=1e-4)


def test_being_off_the_path_costs_square_nearby_half_at_one_scale_and_less_than_its_weight():
    scale, full = SETTINGS.path_tracking.scale, SETTINGS.path_tracking.weight * DT
    assert charged(critics.path_tracking, 0.0) == 0.0
    assert charged(critics.path_tracking, scale**2) == pytest.approx(0.5 * full)
    near = over(critics.path_tracking, np.square([0.02 * scale, 0.01 * scale]))
    assert near[0] == pytest.approx(4.0 * near[1], rel=1e-2)
    far = over(critics.path_tracking, np.square([scale, 2.0, 50.0, 1e4]))
    assert np.all(np.diff(far) > 0.0)
    assert far[-1] <= full * (1.0 + 1e-6)


def test_heading_costs_grow_with_the_angle():
    angles = np.linspace(0.0, math.pi, 20)
    path = np.array([charged(critics.path_heading, math.cos(a), 0.0) for a in angles])
    goal = np.array([charged(critics.goal_heading, math.cos(a), 1.0) for a in angles])
    np.testing.assert_allclose(
        path, SETTINGS.path_heading.weight * DT * (1.0 - np.cos(angles)), atol=1e-7)
    np.testing.assert_allclose(
        goal, SETTINGS.goal_heading.weight * DT * 2.0 * np.sin(angles / 2.0), atol=1e-4)


def test_near_the_goal_its_heading_takes_the_place_of_that_of_the_path():
    assert charged(critics.path_heading, -1.0, 1.0) == 0.0
    assert charged(critics.goal_heading, -1.0, 0.0) == 0.0
    halfway = charged(critics.path_heading, -1.0, 0.5), charged(critics.goal_heading, -1.0, 0.5)
    assert halfway == pytest.approx(
        (0.5 * charged(critics.path_heading, -1.0, 0.0),
         0.5 * charged(critics.goal_heading, -1.0, 1.0)))


def test_a_goal_heading_a_hair_beyond_exact_is_free_and_not_nan():
    assert charged(critics.goal_heading, 1.0 + 1e-6, 1.0) == 0.0


def test_speed_is_free_below_what_the_distance_to_the_goal_allows():
    stop = SETTINGS.goal_stop
    for distance in (0.0, 0.2, 1.0):
        allowed = stop.speed_per_metre * distance
        for sign in (-1.0, 1.0):
            assert charged(critics.goal_stop, distance, sign * 0.99 * allowed) == 0.0
            fast = charged(critics.goal_stop, distance, sign * (allowed + 0.5))
            assert fast == pytest.approx(0.25 * stop.weight * DT, rel=1e-4)


def test_turning_and_changing_the_command_at_their_limits_cost_their_weights():
    assert charged(critics.twirling, LIMITS.wz_max) == pytest.approx(SETTINGS.twirling.weight * DT)
    assert charged(critics.twirling, -1.0) == charged(critics.twirling, 1.0) > 0.0
    price = SETTINGS.smoothness.weight * DT
    linear = charged(critics.smoothness, LIMITS.ax_max * DT, 0.0)
    angular = charged(critics.smoothness, 0.0, -LIMITS.az_max * DT)
    assert linear == pytest.approx(price, rel=1e-5)
    assert angular == pytest.approx(price, rel=1e-5)
    both = charged(critics.smoothness, LIMITS.ax_max * DT, -LIMITS.az_max * DT)
    assert both == pytest.approx(linear + angular)


def test_only_the_wrong_direction_costs():
    assert charged(critics.prefer_forward, 0.5) == charged(critics.prefer_forward, 0.0) == 0.0
    price = SETTINGS.prefer_forward.weight * DT * 0.1 / LIMITS.vx_max
    assert charged(critics.prefer_forward, -0.1) == pytest.approx(price)


def test_progress_is_the_time_left_and_the_time_back_to_the_path():
    price = charged(critics.progress, 1.7, 0.3, 1.0)
    assert price == pytest.approx(SETTINGS.progress.weight * (1.7 + 0.3 / LIMITS.vx_max))


def test_facing_backward_costs_the_half_turn_but_no_more_than_reversing_would():
    far = charged(critics.progress, 100.0, 0.0, -1.0) - charged(critics.progress, 100.0, 0.0, 1.0)
    assert far == pytest.approx(SETTINGS.progress.weight * math.pi / LIMITS.wz_max, rel=1e-4)
    close = charged(critics.progress, 0.1, 0.0, -1.0)
    reversing = 0.1 * LIMITS.vx_max / -LIMITS.vx_min  # [s], and `forward` charges for the way
    disliked = SETTINGS.prefer_forward.weight * 0.1
    assert close == pytest.approx(SETTINGS.progress.weight * reversing + disliked)
    assert charged(critics.progress, 0.0, 0.0, -1.0) == 0.0


def test_a_robot_as_fast_backward_as_ahead_still_turns_round_unless_it_may_drive_sideways():
    fast = replace(LIMITS, vx_min=-LIMITS.vx_max)
    turning = {
        model: float(CriticWeights.of(SETTINGS, fast, DT, model).backward)
        for model in ('diff_drive', 'ackermann', 'omni')
    }
    assert turning['diff_drive'] == turning['ackermann'] == SETTINGS.prefer_forward.weight
    assert turning['omni'] == 0.0


def test_the_way_round_costs_its_time():
    assert charged(critics.detour, 4.2) == pytest.approx(4.2 * SETTINGS.progress.weight)


def test_a_metre_in_a_zone_costs_the_same_at_every_speed_and_standing_there_nothing():
    metre = [charged(critics.zone, 0.5, speed) / (abs(speed) * DT) for speed in (-0.1, 0.1, 0.5)]
    assert metre == pytest.approx([0.5 * SETTINGS.zone.weight] * 3)
    assert charged(critics.zone, 1.0, 0.0) == charged(critics.zone, 0.0, 0.5) == 0.0


def test_speed_is_free_below_what_the_zone_allows():
    slow = SETTINGS.zone_speed
    assert charged(critics.zone_speed, 0.0, LIMITS.vx_max) == 0.0
    for share, allowed in ((1.0, slow.speed_at_full_cost * LIMITS.vx_max),
                           (0.5, 0.5 * (1.0 + slow.speed_at_full_cost) * LIMITS.vx_max)):
        for sign in (-1.0, 1.0):
            assert charged(critics.zone_speed, share, sign * 0.99 * allowed) == 0.0
            fast = charged(critics.zone_speed, share, sign * (allowed + 0.5 * LIMITS.vx_max))
            assert fast == pytest.approx(0.25 * slow.weight * DT, rel=1e-4)
