"""Planar lidar with field of view, maximum range, noise and mounting pose."""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.driving.scan import Scan
from mppi_ros.simulation.world import World


@dataclass(frozen=True)
class Lidar:
    """
    A lidar with beams spaced evenly over the field of view, centred on its forward direction.

    Attributes
    ----------
    beams : int
        Number of beams.
    field_of_view : float
        Angle from the first to the last beam [rad]; 2π covers the full circle.
    max_range : float
        Maximum range [m].
    noise : float
        Standard deviation of a range [m].
    rate : float
        Scan rate [Hz].
    mount : (float, float, float)
        x, y [m] and yaw [rad] of the sensor in the base frame.

    """

    beams: int = 720
    field_of_view: float = math.radians(270.0)
    max_range: float = 12.0
    noise: float = 0.01
    rate: float = 20.0
    mount: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def angles(self) -> NDArray[np.float64]:
        """Return the direction of each beam in the base frame [rad]."""
        half = 0.5 * self.field_of_view
        full_circle = self.field_of_view > math.tau - 1e-6
        spread = np.linspace(-half, half, self.beams, endpoint=not full_circle)
        return spread + self.mount[2]

    def scan(
        self, world: World, pose: ArrayLike, rng: np.random.Generator, time: float = 0.0
    ) -> Scan:
        """
        Simulate one scan.

        Parameters
        ----------
        world : World
            World with the obstacles.
        pose : float[3]
            True pose of the robot: x [m], y [m], yaw [rad].
        rng : numpy.random.Generator
            Source of the noise; each scan draws `beams` numbers.
        time : float
            Time of the scan [s].

        """
        x, y, yaw = np.asarray(pose, dtype=np.float64)
        cos, sin = math.cos(yaw), math.sin(yaw)
        ahead, left = self.mount[:2]
        angles = self.angles()
        ranges = world.raycast(
            x + cos * ahead - sin * left, y + sin * ahead + cos * left, angles + yaw,
            self.max_range, time,
        )
        noise = self.noise * rng.standard_normal(self.beams, dtype=np.float32)
        return Scan(time, angles, np.maximum(ranges + noise, 0.0), (ahead, left), self.max_range)
