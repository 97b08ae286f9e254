"""Choice of the physics of the simulated robot, and what every simulated robot does."""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.control.inputs import Command, Odometry
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.plant import Plant, PlantParameters

KINDS = ('kinematic', 'single_track', 'mujoco')
FRICTIONS = ('tyre', 'solver')


class SimulatedRobot(Protocol):
    """A robot that executes commands and measures its motion."""

    time: float
    pose: NDArray[np.float64]
    twist: NDArray[np.float64]

    def command(self, command: Command, now: float) -> None:
        """Accept a command sent at the time `now` [s]."""

    def advance(self, duration: float) -> None:
        """Advance by a duration [s]."""

    def odometry(self, stamp: float) -> Odometry:
        """Return a measurement of pose and twist with the given stamp [s]."""


@dataclass(frozen=True)
class PhysicsParameters:
    """
    Physics of the simulated robot.

    Attributes
    ----------
    kind : str
        'kinematic': delay, lag and limits on ideal wheels; 'single_track': a car with slipping
        tyres; 'mujoco': rigid bodies.
    robot : str
        Model of the robot: of mujoco_robots.ROBOTS or single_track.CARS.
    floor : str
        Of mujoco_robots.FLOORS, or 'patches' of all of them.
    payload : float
        Additional mass [kg].
    slope : float
        Slope of the floor, uphill along the heading of the start [rad].
    sill : float
        Height of a door sill across the way ahead of the start; 0 for none [m].
    friction : str
        'tyre': Coulomb friction of the wheels; 'solver': the friction of MuJoCo's contacts.
    imu : bool
        The turning rate of the odometry is that of a gyroscope, not of the wheels.

    """

    kind: str = 'kinematic'
    robot: str = ''
    floor: str = 'tile'
    payload: float = 0.0
    slope: float = 0.0
    sill: float = 0.0
    friction: str = 'tyre'
    imu: bool = True

    def __post_init__(self) -> None:
        """Validate the values."""
        if self.kind not in KINDS:
            raise InputError(f'unknown physics {self.kind!r}; there are {", ".join(KINDS)}')
        for name, value, most, unit in (
            ('payload', self.payload, 500.0, 'kg'),
            ('slope', math.degrees(self.slope), 20.0, 'degrees'),
            ('sill', self.sill, 0.05, 'm'),
        ):
            if not 0.0 <= value <= most + 1e-9:
                raise InputError(f'{name} = {value:g} {unit} is outside [0, {most:g}] {unit}')


KINEMATIC = PhysicsParameters()


def create_robot(
    physics: PhysicsParameters, parameters: PlantParameters, pose: ArrayLike, seed: int
) -> SimulatedRobot:
    """
    Return a robot at rest at pose float[3] (x, y [m], yaw [rad]) at time 0.

    Raises
    ------
    MppiError
        The package that computes the physics is not installed, or the robot is unknown.

    """
    if physics.kind == 'mujoco':
        from mppi_ros.simulation.mujoco_plant import MujocoPlant

        return MujocoPlant(physics, parameters, pose, seed)
    if physics.kind == 'single_track':
        from mppi_ros.simulation.single_track import SingleTrackPlant

        return SingleTrackPlant(physics, parameters, pose, seed)
    return Plant(parameters, pose, seed)
