"""The robots that come along, each with its own limits, and a heavy one that is known."""
from __future__ import annotations

import numpy as np
import pytest

from mppi_ros.control.parameters import ControllerParameters, read_yaml
from mppi_ros.parameters.declaration import replace
from mppi_ros.share import share_path
from mppi_ros.simulation.episode import Episode
from mppi_ros.simulation.plant import HEAVY, NOMINAL
from mppi_ros.simulation.world import World

ROBOTS = {path.stem: path for path in sorted(share_path('config', 'robots').glob('*.yaml'))}
OPEN = World.from_circles([(0.1, 0.1, 0.05)], (0.0, 0.0, 12.0, 6.0))


def straight(configuration, plant, aside=0.0, seed=0):
    """Drive 8 m straight ahead, from `aside` [m] of the plan on."""
    path = np.column_stack([np.linspace(1.0, 9.0, 81), np.full(81, 3.0), np.zeros(81)])
    return Episode(
        world=OPEN, start=(1.0, 3.0 + aside, 0.0), goal=(9.0, 3.0, 0.0), plant=plant,
        configuration=replace(configuration, {'threads': 1}), sensing='map', path=path,
        timeout=60.0, seed=seed).run()


@pytest.mark.parametrize('name', ROBOTS)
def test_every_robot_that_comes_along_drives_within_its_limits(name):
    robot = read_yaml(ROBOTS[name])
    result = straight(robot, NOMINAL, 0.1)
    limits, command = robot.limits, result.trace.command
    assert result.success
    # The race car is not made for stopping, and a mecanum base settles at its goal by millimetres.
    reversals = {'f1tenth_racing': 99, 'f1tenth_racing_tyres': 99, 'rosbot_mecanum': 2}
    assert result.reversals <= reversals.get(name, 0)
    assert result.trace.twist[:, 0].max() > 0.9 * min(limits.vx_max, 4.0)
    assert command[:, 0].max() <= limits.vx_max + 1e-6
    assert np.abs(command[:, 2]).max() <= limits.wz_max + 1e-6
    assert (np.abs(command[:, 1]).max() > 0.0) == (robot.motion_model == 'omni')


@pytest.mark.parametrize('plant', [NOMINAL, HEAVY], ids=['nominal', 'heavy'])
def test_a_robot_with_a_small_computer_drives_as_straight(plant):
    small = read_yaml(share_path('config', 'small_computer.yaml'))
    result, usual = (straight(each, plant, 0.1) for each in (small, ControllerParameters()))
    assert result.success
    assert result.reversals == 0
    assert result.time_s < 1.1 * usual.time_s
    assert result.cross_track_rms_m < usual.cross_track_rms_m + 0.02


@pytest.mark.parametrize('name', ['f1tenth', 'jackal'])
def test_a_robot_that_reverses_as_fast_as_it_drives_ahead_turns_round_to_a_goal_behind(name):
    robot = replace(read_yaml(ROBOTS[name]), {'threads': 1})
    assert robot.limits.vx_min == -robot.limits.vx_max
    results = [Episode(
        world=OPEN, start=(9.0, 3.0, 0.0), goal=(2.0, 3.5, 3.1), configuration=robot,
        timeout=15.0, seed=seed).run() for seed in range(3)]
    assert all(result.success for result in results)
    assert sum(result.reversals for result in results) <= 2 * len(results)
    assert all((result.trace.twist[:, 0] < -0.05).mean() < 0.2 for result in results)


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('aside', [0.0, 0.15])
def test_a_heavy_robot_that_is_known_neither_weaves_nor_overshoots(aside, seed):
    known = replace(ControllerParameters(), {
        'prediction.delay_linear': HEAVY.delay_linear, 'prediction.lag_linear': HEAVY.lag_linear,
        'prediction.delay_angular': HEAVY.delay_angular,
        'prediction.lag_angular': HEAVY.lag_angular})
    result = straight(known, HEAVY, aside, seed)
    turning = result.trace.twist[:, 2]
    turns = turning[np.abs(turning) > 0.06 * known.limits.wz_max]
    assert result.success
    assert np.count_nonzero(np.diff(np.sign(turns))) <= 2
    assert result.trace.pose[:, 0].max() <= 9.0 + 0.1
    assert result.cross_track_rms_m < 0.06
