"""Compile or load all kernels before the first tick by driving a synthetic scene."""

from __future__ import annotations

import dataclasses

import numpy as np

from mppi_ros.control.controller import Controller
from mppi_ros.control.inputs import Odometry
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving import cost_to_go, path_segments
from mppi_ros.driving.costmap import LETHAL, Costmap
from mppi_ros.mppi.optimizer import FEW


def warm_up(configuration: ControllerParameters) -> None:
    """Compile or load the serial and parallel kernels that a configuration uses."""
    cost_to_go.warm_up()
    path_segments.warm_up()
    for threads, samples in ((1, 64), (2, FEW)):
        parameters = dataclasses.replace(configuration.mppi, threads=threads, samples=samples)
        safety = dataclasses.replace(configuration.safety, costmap_timeout=0.0)
        controller = Controller(
            dataclasses.replace(configuration, mppi=parameters, safety=safety)
        )
        controller.set_odometry(Odometry(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
        cells = np.zeros((200, 200), np.int8)
        cells[150, 150] = LETHAL
        controller.set_costmap(0.0, Costmap(cells, 0.1, -10.0, -10.0))
        controller.set_goal(0.0, 5.0, 0.0, 0.0)
        controller.tick(0.0)
        controller.tick(0.05)
        controller.warm_up_evasion()
        controller.optimal_trajectory()
        controller.candidate_trajectories(1)
