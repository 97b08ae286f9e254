"""Arguments for the physics of the simulated robot, common to several command lines."""

from __future__ import annotations

import argparse
from dataclasses import replace
import math

from mppi_ros.cli.arguments import Parser
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.mujoco_robots import FLOORS, PATCHES
from mppi_ros.simulation.physics import FRICTIONS, KINDS, PhysicsParameters


def add_physics(parser: Parser) -> None:
    """Add the arguments for the physics of the simulated robot; see `physics_of`."""
    usual = PhysicsParameters()
    physics = parser.add_argument_group(
        'physics', 'options of the physics of the robot; those after --physics need mujoco'
    )
    physics.add_argument(
        '--physics', choices=KINDS, default=usual.kind,
        help='ideal wheels with delay and lag, a car with slipping tyres, or rigid bodies; '
        'default: %(default)s',
    )
    physics.add_argument(
        '--floor', choices=(*FLOORS, PATCHES), default=usual.floor,
        help='friction of the floor; patches: squares of 1 m of all of them; default: %(default)s',
    )
    physics.add_argument(
        '--payload', type=float, default=usual.payload, metavar='KG',
        help='additional mass, up to 500; default: %(default)s',
    )
    physics.add_argument(
        '--slope', type=float, default=0.0, metavar='DEG',
        help='slope of the floor, up to 20, uphill along the heading of the start; '
        'default: %(default)s',
    )
    physics.add_argument(
        '--sill', type=float, default=usual.sill, metavar='M',
        help='height of a door sill across the way, up to 0.05, 1.5 m ahead of the start',
    )
    physics.add_argument(
        '--friction', choices=FRICTIONS, default=usual.friction,
        help="Coulomb friction of tyres, or that of MuJoCo's contacts; default: %(default)s",
    )
    physics.add_argument(
        '--odometry', choices=('imu', 'wheels'), default='imu',
        help='source of the turning rate; default: %(default)s',
    )


def physics_of(options: argparse.Namespace) -> PhysicsParameters:
    """
    Return the requested physics.

    Raises
    ------
    InputError
        A value is out of its range, or an option of rigid bodies is used without them.

    """
    physics = PhysicsParameters(
        kind=options.physics, floor=options.floor, payload=options.payload,
        slope=math.radians(options.slope), sill=options.sill, friction=options.friction,
        imu=options.odometry == 'imu',
    )  # fmt: skip
    if options.physics != 'mujoco' and replace(physics, kind='mujoco') != PhysicsParameters(
        'mujoco'
    ):
        raise InputError(
            '--floor, --payload, --slope, --sill, --friction and --odometry need --physics mujoco'
        )
    return physics
