"""Odometry and velocity command of the controller, and validation of poses and stamps."""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import ClassVar

from mppi_ros.parameters.errors import InputError, check_stamp

MAX_COORDINATE = 1e6  # [m] limit of millimetre resolution in float32
MAX_SPEED = 1e3  # [m/s] [rad/s]


@dataclass(frozen=True)
class Odometry:
    """
    One measurement of pose and twist.

    Attributes
    ----------
    stamp : float
        Time of the measurement on the controller's clock [s].
    x, y, yaw : float
        Pose in the planning frame [m] [m] [rad].
    vx, vy, wz : float
        Twist in the robot's frame [m/s] [m/s] [rad/s].

    """

    stamp: float
    x: float
    y: float
    yaw: float
    vx: float
    vy: float
    wz: float

    def check(self) -> None:
        """Raise InputError if a value is not finite or implausible."""
        check_stamp('odometry', self.stamp)
        check_pose('odometry', self.x, self.y, self.yaw)
        for name in ('vx', 'vy', 'wz'):
            value = getattr(self, name)
            if not -MAX_SPEED <= value <= MAX_SPEED:
                unit = 'rad/s' if name == 'wz' else 'm/s'
                raise InputError(
                    f'odometry {name} = {value!r} {unit} is outside '
                    f'[{-MAX_SPEED:g}, {MAX_SPEED:g}] {unit}'
                )


@dataclass(frozen=True)
class Command:
    """A velocity command in the robot's frame [m/s] [m/s] [rad/s]."""

    vx: float
    vy: float
    wz: float

    ZERO: ClassVar[Command]


Command.ZERO = Command(0.0, 0.0, 0.0)


def check_pose(what: str, x: float, y: float, yaw: float) -> None:
    """Raise InputError if a pose [m] [m] [rad] is not finite or implausibly far away."""
    for name, value in (('x', x), ('y', y)):
        if not -MAX_COORDINATE <= value <= MAX_COORDINATE:
            raise InputError(
                f'{what} {name} = {value!r} m is outside '
                f'[{-MAX_COORDINATE:g}, {MAX_COORDINATE:g}] m'
            )
    if not math.isfinite(yaw):
        raise InputError(f'{what} yaw = {yaw!r} rad is not finite')
