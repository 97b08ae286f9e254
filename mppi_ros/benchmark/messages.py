"""Processing time of long messages in the node: by rclpy, and from their serialised bytes."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from functools import partial
import time
from typing import Any

from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import OccupancyGrid, Odometry, Path
import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message, serialize_message

from mppi_ros.control.controller import Controller
from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.driving.costmap import Costmap
from mppi_ros.evaluation.results import times
from mppi_ros.ros import cdr, conversions

SIDES, POSES = (200, 1000, 4000, 10_000), (200, 10_000, 100_000)
POSE_SPACING = 0.05  # [m]
MAX_DURATION = 0.5  # [s] of a measurement with more than one call


def measure() -> Iterator[dict[str, Any]]:
    """Yield rows for odometry, costmaps and plans of many sizes."""
    odometry = Odometry()
    odometry.pose.pose.orientation.w = 1.0
    data, reader = serialize_message(odometry), cdr.OdometryReader()
    yield from _both(
        'odometry', lambda: deserialize_message(data, Odometry), lambda: reader.read(data)
    )
    for side in SIDES:
        grid = _grid_bytes(side)
        yield from _both(
            f'costmap of {side}² cells', partial(_grid_by_rclpy, grid),
            partial(_grid_from_bytes, grid),
        )  # fmt: skip
    controller = Controller(ControllerParameters())
    for count in POSES:
        plan = _path_bytes(count)
        yield from _both(
            f'plan of {count} poses', partial(_path_by_rclpy, plan),
            partial(_path_from_bytes, plan),
        )  # fmt: skip
        taken = _times(partial(controller.set_plan, 0.0, _path_from_bytes(plan)))
        yield {'what': f'plan of {count} poses, taken by the controller', **times(taken)}


def _grid_by_rclpy(data: bytes) -> Costmap:
    return conversions.costmap_from_msg(deserialize_message(data, OccupancyGrid))


def _grid_from_bytes(data: bytes) -> Costmap:
    return conversions.costmap_from_msg(*cdr.grid_from_bytes(data))


def _path_by_rclpy(data: bytes) -> NDArray[np.float64]:
    return conversions.path_from_msg(deserialize_message(data, Path))


def _path_from_bytes(data: bytes) -> NDArray[np.float64]:
    return conversions.path_from_msg(*cdr.path_from_bytes(data))


def _both(
    what: str, by_rclpy: Callable[[], object], from_bytes: Callable[[], object]
) -> Iterator[dict[str, Any]]:
    yield {'what': f'{what}, by rclpy', **times(_times(by_rclpy))}
    yield {'what': f'{what}, from the bytes', **times(_times(from_bytes))}


def _times(call: Callable[[], object]) -> list[float]:
    """Return the times of up to 200 calls [ms]."""
    taken: list[float] = []
    end = time.perf_counter() + MAX_DURATION
    while len(taken) < 200 and (not taken or time.perf_counter() < end):
        begun = time.perf_counter()
        call()
        taken.append(1e3 * (time.perf_counter() - begun))
    return taken


def _grid_bytes(side: int) -> bytes:
    grid = OccupancyGrid()
    grid.info.width = grid.info.height = side
    grid.info.resolution = 0.05
    grid.info.origin.orientation.w = 1.0
    grid.data = array('b', bytes(side * side))
    return bytes(serialize_message(grid))


def _path_bytes(count: int) -> bytes:
    path = Path()
    for i in range(count):
        pose = PoseStamped()
        pose.pose.position.x, pose.pose.orientation.w = POSE_SPACING * i, 1.0
        path.poses.append(pose)
    return bytes(serialize_message(path))
