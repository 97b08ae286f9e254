"""Rigid bodies and slipping tyres: the wheels obey, slip is where physics puts it."""
from __future__ import annotations

from dataclasses import replace
import json
import math
import sys

import numpy as np
import pytest

from mppi_ros.cli.evaluate import main
from mppi_ros.control.inputs import Command
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving.parameters import Limits
from mppi_ros.evaluation.request import Request, read_robot
from mppi_ros.evaluation.suites import cases_of
from mppi_ros.parameters.errors import InputError, MppiError
from mppi_ros.simulation.mujoco_robots import ROBOTS, model_of
from mppi_ros.simulation.physics import PhysicsParameters, create_robot
from mppi_ros.simulation.plant import IDEAL
from mppi_ros.simulation.single_track import CARS, SingleTrackPlant

START = (1.0, 2.0, 0.5)
LAID_OUT = [name for name, robot in ROBOTS.items() if robot.drive == 'diff']


@pytest.fixture
def mujoco():
    return pytest.importorskip('mujoco', reason="needs mujoco: pip install 'mppi_ros[physics]'")


def rigid(robot, **options):
    return create_robot(PhysicsParameters('mujoco', robot, **options), IDEAL, START, 1)


def driven(robot, command, seconds=4.0, **options):
    plant = rigid(robot, **options)
    plant.command(Command(*command), 0.0)
    for _ in range(round(seconds / 0.01)):
        plant.advance(0.01)
    return plant


def way(plant):
    """Return the motion since the start, ahead and aside [m], and the turn [rad]."""
    x, y = plant.pose[:2] - START[:2]
    c, s = math.cos(START[2]), math.sin(START[2])
    return c * x + s * y, c * y - s * x, math.remainder(plant.pose[2] - START[2], math.tau)


@pytest.mark.parametrize('robot', ROBOTS)
def test_wheels_obey_straight_ahead_within_2_percent(mujoco, robot):
    plant = driven(robot, (0.2, 0.0, 0.0))
    assert plant.twist[0] == pytest.approx(0.2, rel=0.02)
    ahead, aside, turn = way(plant)
    assert 0.7 < ahead <= 0.82
    assert abs(aside) < 0.01
    assert abs(turn) < 0.01


@pytest.mark.parametrize('robot', ROBOTS)
@pytest.mark.parametrize('floor', ['tile', 'carpet', 'wet', 'patches'])
def test_robot_without_a_command_stands_still(mujoco, robot, floor):
    plant = driven(robot, (0.0, 0.0, 0.0), 2.0, floor=floor)
    assert np.abs(plant.twist).max() < 1e-3
    np.testing.assert_allclose(plant.pose, START, atol=2e-3)


@pytest.mark.parametrize('robot', LAID_OUT)
def test_robot_turns_nearly_as_its_maker_configures(mujoco, robot):
    """The separation multipliers of Clearpath are what Coulomb's law gives for four wheels."""
    plant = driven(robot, (0.0, 0.0, 0.8))
    assert plant.twist[2] == pytest.approx(0.8, rel=0.08)


@pytest.mark.parametrize('robot', ['jackal', 'husky'])
def test_skid_steering_turns_less_than_its_wheels_and_the_same_each_time(mujoco, robot):
    """Relative to the true distance of the wheels the gain of turning is 1 / (1 + (l/w)²)."""
    turns = [driven(robot, (0.0, 0.0, 0.8)).twist[2] for _ in range(2)]
    assert turns[0] == turns[1]
    model = ROBOTS[robot]
    x, y = model.wheels[0]
    rolled = 0.8 * model.separation / (2.0 * y)
    assert turns[0] / rolled == pytest.approx(1.0 / (1.0 + (x / y) ** 2), rel=0.05)
    assert turns[0] < 0.75 * rolled


def test_wheels_under_a_turning_skid_steered_robot_slip_sideways(mujoco):
    plant = driven('jackal', (0.5, 0.0, 0.0))
    assert abs(plant.twist[1]) < 1e-3
    plant = driven('jackal', (0.5, 0.0, 1.0))
    assert abs(plant.twist[1]) > 0.005


@pytest.mark.parametrize(('robot', 'sign'), [('husky', 1.0), ('rosbot_mecanum', 1.0)])
def test_wheel_odometry_of_a_robot_that_turns_too_little_turns_too_far(mujoco, robot, sign):
    """It counts the turn of the wheels, of which slip takes a part; a gyroscope sees the turn."""
    told = {}
    for imu in (False, True):
        plant = create_robot(
            PhysicsParameters('mujoco', robot, imu=imu), replace(IDEAL, drifts=True), START, 1
        )
        plant.command(Command(0.0, 0.0, 0.8), 0.0)
        for _ in range(300):
            plant.advance(0.01)
        told[imu] = plant.odometry(3.0).yaw - START[2], plant.pose[2] - START[2]
    wheels, turned = told[False]
    assert sign * (wheels - turned) > 0.01 * turned
    fused, turned = told[True]
    assert fused == pytest.approx(turned, abs=0.06)


def braking_distance(**options):
    plant = driven('jackal', (2.0, 0.0, 0.0), 3.0, **options)
    before = way(plant)[0]
    plant.command(Command(0.0, 0.0, 0.0), plant.time)
    plant.advance(3.0)
    assert abs(plant.twist[0]) < 1e-2
    return way(plant)[0] - before


def test_braking_takes_longer_on_a_wet_floor_at_least_as_friction_demands(mujoco):
    tile, wet = braking_distance(floor='tile'), braking_distance(floor='wet')
    assert wet > 1.3 * tile
    assert tile > 2.0**2 / (2 * 0.7 * 9.81)
    assert wet > 2.0**2 / (2 * 0.3 * 9.81)


def test_kinetic_energy_does_not_grow_while_braking(mujoco):
    plant = driven('jackal', (2.0, 0.0, 0.0), 3.0, floor='wet')
    plant.command(Command(0.0, 0.0, 0.0), plant.time)
    energies = []
    for _ in range(100):
        plant.advance(0.01)
        energies.append(float(np.sum(plant.twist[:2] ** 2)))
    assert np.diff(energies).max() < 1e-3


def test_robot_climbs_a_ramp_and_a_sill(mujoco):
    for options in ({'slope': math.radians(5.0)}, {'sill': 0.01}):
        plant = driven('jackal', (0.5, 0.0, 0.0), 5.0, **options)
        assert way(plant)[0] > 2.0


def test_robot_whose_motors_cannot_overcome_the_friction_of_a_payload_turns_less(mujoco):
    turns = [driven('husky', (0.0, 0.0, 0.8), payload=payload).twist[2] for payload in (0.0, 50.0)]
    assert 0.3 * turns[0] < turns[1] < 0.85 * turns[0]


def test_commands_act_after_their_delay_and_within_the_limits_of_the_base(mujoco):
    plant = create_robot(
        PhysicsParameters('mujoco', 'jackal'), replace(IDEAL, delay_linear=0.2), START, 1
    )
    plant.command(Command(9.0, 0.0, 0.0), 0.0)
    plant.advance(0.19)
    assert abs(plant.twist[0]) < 1e-3
    plant.advance(3.0)
    assert plant.twist[0] == pytest.approx(2.0, rel=0.02)


def test_friction_of_the_solver_depends_on_the_inertia_of_the_wheels(mujoco):
    """Therefore the plant applies Coulomb's law itself."""
    plant = driven('jackal', (0.0, 0.0, 0.8), friction='solver')
    assert plant.twist[2] < 0.7 * driven('jackal', (0.0, 0.0, 0.8)).twist[2]


def test_the_way_does_not_depend_on_how_time_is_cut(mujoco):
    whole, cut = rigid('jackal'), rigid('jackal')
    for plant in (whole, cut):
        plant.command(Command(0.5, 0.0, 1.0), 0.0)
    whole.advance(1.0)
    for _ in range(100):
        cut.advance(0.01)
    np.testing.assert_array_equal(whole.pose, cut.pose)


SCENARIO = """
bounds: [0.0, 0.0, 6.0, 4.0]
start: [1, 2, 0]
goal: [3, 2, 0]
criteria: {}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'ahead.yaml').write_text(SCENARIO)
    return tmp_path


@pytest.mark.parametrize('options', [
    ('mujoco', '--robot', 'jackal'), ('mujoco', '--robot', 'jackal', '--floor', 'patches'),
    ('mujoco',), ('single_track', '--robot', 'f1tenth')])
def test_same_seed_gives_the_same_episodes(folder, tmp_path, options):
    if options[0] == 'mujoco':
        pytest.importorskip('mujoco', reason="needs mujoco: pip install 'mppi_ros[physics]'")
    told = []
    for name in ('a.json', 'b.json'):
        main(['scenarios', '--data', str(folder), '--jobs', '1', '--physics', *options,
              '--json', str(tmp_path / name)])
        episodes = json.loads((tmp_path / name).read_text())['episodes']
        for episode in episodes:
            del episode['solve_ms']
        told.append(episodes)
    assert told[0] == told[1]
    (episode,) = told[0]
    assert episode['physics'] == options[0]
    assert episode['inputs']['physics']['robot'] in (*ROBOTS, *CARS)
    assert episode['success']


def test_result_of_the_kinematic_robot_says_so(folder, tmp_path):
    main(['scenarios', '--data', str(folder), '--jobs', '1', '--plant', 'nominal', '--json',
          str(tmp_path / 'a.json')])
    (episode,) = json.loads((tmp_path / 'a.json').read_text())['episodes']
    assert episode['physics'] == 'kinematic'


def test_without_the_extra_the_message_says_what_to_install(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'mujoco', None)
    with pytest.raises(MppiError, match=r"pip install 'mppi_ros\[physics\]'"):
        rigid('jackal')
    code = main(['scenarios', '--data', str(folder), '--jobs', '1', '--physics', 'mujoco'])
    assert code == 2
    assert "pip install 'mppi_ros[physics]'" in capsys.readouterr().err


@pytest.mark.parametrize(('words', 'told'), [
    (['--floor', 'wet'], '--physics mujoco'),
    (['--physics', 'mujoco', '--payload', '-1'], 'payload'),
    (['--physics', 'single_track'], 'ackermann'),
])
def test_options_that_do_not_fit_are_refused(folder, capsys, words, told):
    assert main(['scenarios', '--data', str(folder), '--jobs', '1', *words]) == 2
    assert told in capsys.readouterr().err


def test_unknown_robots_are_named():
    with pytest.raises(InputError, match='unknown car'):
        create_robot(PhysicsParameters('single_track', 'tank'), IDEAL, START, 0)
    with pytest.raises(InputError, match='unknown physics'):
        PhysicsParameters('magic')


@pytest.mark.parametrize(('name', 'model'), [
    ('jackal', 'jackal'), ('husky', 'husky'), ('turtlebot4', 'turtlebot4'),
    ('turtlebot3', 'turtlebot3'), ('rosbot_mecanum', 'rosbot_mecanum'), ('f1tenth', 'f1tenth'),
    ('f1tenth_racing', 'f1tenth'), ('f1tenth_racing_tyres', 'f1tenth'), ('', 'turtlebot2')])
def test_each_robot_has_the_model_that_resembles_it(name, model):
    configuration = read_robot(name) if name else ControllerParameters()
    assert model_of(configuration) == model


def test_scenarios_are_driven_by_the_robots_that_they_name():
    cases = cases_of('scenarios', Request(physics=PhysicsParameters('mujoco')))
    robots = {case.scenario: case.physics.robot for case in cases}
    assert robots['car_slalom'] == 'f1tenth'
    assert robots['omni_slalom'] == 'rosbot_mecanum'
    assert robots['straight_full_speed'] == 'jackal'
    assert robots['u_turn'] == 'turtlebot2'
    assert len(cases) == len(robots)


WIDE = Limits(
    vx_max=20.0, vx_min=-5.0, wz_max=20.0, ax_max=5.0, ax_min=-5.0, ay_max=20.0,
    turning_radius_min=0.742, wheelbase=0.33, steering_rate=3.2,
)


def car(kind, speed, curvature, seconds=5.0):
    plant = create_robot(
        PhysicsParameters(kind, 'f1tenth'), replace(IDEAL, motion_model='ackermann', limits=WIDE),
        START, 1,
    )  # fmt: skip
    plant.command(Command(speed, 0.0, speed * curvature), 0.0)
    plant.advance(seconds)
    return plant


@pytest.mark.parametrize('speed', [0.3, 0.8, -1.0])
def test_single_track_agrees_with_the_kinematic_car_at_low_speed(speed):
    slipping, rolling = car('single_track', speed, 0.5), car('kinematic', speed, 0.5)
    np.testing.assert_allclose(slipping.twist[[0, 2]], rolling.twist[[0, 2]], rtol=0.01)
    np.testing.assert_allclose(slipping.pose, rolling.pose, atol=0.05)


def test_single_track_understeers_at_high_speed_and_its_tyres_hold_no_more_than_friction():
    gains = [car('single_track', v, 0.2).twist[2] / (0.2 * v) for v in (1.0, 3.0, 5.0, 8.0)]
    assert np.all(np.diff(gains) < 0.0)
    assert gains[-1] < 0.7
    for speed, curvature in ((8.0, 1.3), (15.0, 0.3)):
        plant = car('single_track', speed, curvature)
        assert abs(plant.twist[0] * plant.twist[2]) < 1.02 * 1.0489 * 9.81


def test_single_track_is_that_of_commonroad_for_small_slip():
    """Its slip angle is that of the velocity v at the centre of mass: β' = v_y' / v."""
    reason = "needs commonroad-vehicle-models: pip install 'mppi_ros[physics]'"
    pytest.importorskip('vehiclemodels', reason=reason)
    from vehiclemodels.parameters_vehicle2 import parameters_vehicle2
    from vehiclemodels.vehicle_dynamics_st import vehicle_dynamics_st

    told, known = parameters_vehicle2(), CARS['bmw_320i']
    assert (told.a, told.b, told.h_s, told.m, told.I_z) == (
        known.front, known.rear, known.height, known.mass, known.inertia)
    plant = SingleTrackPlant(
        PhysicsParameters('single_track', 'bmw_320i'),
        replace(IDEAL, motion_model='ackermann', limits=WIDE), START,
    )
    for v, steering, turn, slip in ((10.0, 2e-4, 1e-3, 1e-4), (25.0, -1e-4, 2e-3, -2e-4)):
        rates = vehicle_dynamics_st([0.0, 0.0, steering, v, 0.0, turn, slip], [0.0, 0.0], told)
        lateral, turning = plant.rates(v, 0.0, steering, (v * slip, turn))
        assert turning == pytest.approx(rates[5], rel=1e-3)
        assert lateral / v == pytest.approx(rates[6], rel=1e-3)
