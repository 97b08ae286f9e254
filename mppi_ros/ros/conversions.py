"""
Conversion between ROS messages and plain arrays, with validation of the messages.

More than 400 lines: each message type has a function whose docstring states units and errors.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
import math
from typing import Any, NamedTuple, NoReturn

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import (
    Point,
    Pose,
    PoseStamped,
    Quaternion,
    TransformStamped,
    Twist,
    TwistStamped,
)
from nav_msgs.msg import OccupancyGrid, Path
from nav_msgs.msg import Odometry as OdometryMessage
import numpy as np
from numpy.typing import NDArray
from rclpy.clock import Clock
from sensor_msgs.msg import LaserScan

from mppi_ros.control.inputs import Command, Odometry
from mppi_ros.driving.costmap import Costmap
from mppi_ros.driving.obstacle_prediction import DynamicObstacle, ObstacleKind
from mppi_ros.driving.scan import Scan
from mppi_ros.parameters.errors import InputError

QUATERNION_NORM = (0.99, 1.01)  # accepted range, wider than float32 rounding
NEAR = 1e-3  # [m] [rad] difference below which transforms count as equal
LEVEL_TOLERANCE = 1e-3  # [rad] rotation of a grid's origin
MAX_PATH_POSES = 100_000
MAX_SCAN_BEAMS = 2000  # of a scan that is used; the tracker distinguishes 720 directions
# Cost values 0..255 of nav2_msgs/Costmap as OccupancyGrid values, with Nav2's conversion.
NAV2_COSTS = np.array(
    [0, *(1 + 97 * (cost - 1) // 251 for cost in range(1, 253)), 99, 100, -1], np.int8
)


class Transform2D(NamedTuple):
    """Pose of one frame in another: x [m], y [m], yaw [rad]."""

    x: float
    y: float
    yaw: float

    def apply(self, poses: NDArray[np.float64]) -> NDArray[np.float64]:
        """Transform poses float64[N, 3] from the child into the parent frame."""
        cosine, sine = np.cos(self.yaw), np.sin(self.yaw)
        x, y = poses[:, 0], poses[:, 1]
        return np.column_stack((
            self.x + cosine * x - sine * y, self.y + sine * x + cosine * y, poses[:, 2] + self.yaw
        ))  # fmt: skip

    def is_near(self, other: Transform2D | None) -> bool:
        """Return whether both transforms are equal within the tolerance NEAR."""
        return other is not None and all(
            abs(mine - its) < NEAR for mine, its in zip(self, other, strict=True)
        )


class SensorMount(NamedTuple):
    """
    Pose of a planar sensor in the base frame: x [m], y [m], yaw [rad].

    `sense` is 1 where its angles count counter-clockwise seen from above, −1 upside down.
    """

    x: float
    y: float
    yaw: float
    sense: float


def seconds_from_msg(stamp: Time) -> float:
    """Return a stamp in seconds since the epoch of its clock."""
    return float(stamp.sec) + 1e-9 * float(stamp.nanosec)


def stamp_or_now(stamp: Time, clock: Clock) -> float:
    """Return a stamp in seconds; by ROS convention a zero stamp means now."""
    return seconds_from_msg(stamp) or float(clock.now().nanoseconds) * 1e-9


def seconds_to_msg(seconds: float) -> Time:
    """Return seconds since the epoch as a stamp."""
    seconds_part = math.floor(seconds)
    nanoseconds = int((seconds - seconds_part) * 1e9)
    return Time(sec=seconds_part, nanosec=min(nanoseconds, 999_999_999))


def pose_from_msg(pose: Pose, name: str) -> tuple[float, float, float]:
    """
    Return x [m], y [m], yaw [rad] of a pose; errors refer to it as `name`.

    Raises
    ------
    InputError
        The position is not finite or the orientation is not a unit quaternion.

    """
    position, turn = pose.position, pose.orientation
    for axis, value in (('x', position.x), ('y', position.y)):
        _check_finite(f'{name}.position.{axis}', value, 'm')
    norm = math.hypot(turn.x, turn.y, turn.z, turn.w)
    if not QUATERNION_NORM[0] <= norm <= QUATERNION_NORM[1]:
        raise InputError(
            f'{name}.orientation = ({turn.x:g}, {turn.y:g}, {turn.z:g}, {turn.w:g}) is not a unit '
            f'quaternion: its norm {norm:g} is outside {list(QUATERNION_NORM)}'
        )
    return position.x, position.y, yaw_from_msg(turn)


def yaw_from_msg(turn: Quaternion) -> float:
    """Return the rotation about z [rad] of a unit quaternion, counter-clockwise."""
    return math.atan2(
        2.0 * (turn.w * turn.z + turn.x * turn.y), 1.0 - 2.0 * (turn.y**2 + turn.z**2)
    )


def pose_to_msg(x: float, y: float, yaw: float) -> Pose:
    """Return a planar pose as a message."""
    pose = Pose()
    pose.position.x, pose.position.y = float(x), float(y)
    pose.orientation.z, pose.orientation.w = math.sin(0.5 * yaw), math.cos(0.5 * yaw)
    return pose


def odometry_from_msg(message: OdometryMessage, stamp: float) -> Odometry:
    """
    Return the odometry of a message with the time `stamp` [s].

    Raises
    ------
    InputError
        A number is not finite or the orientation is not a unit quaternion.

    """
    x, y, yaw = pose_from_msg(message.pose.pose, 'odometry.pose.pose')
    linear, angular = message.twist.twist.linear, message.twist.twist.angular
    _check_finite('odometry.twist.twist.linear.x', linear.x, 'm/s')
    _check_finite('odometry.twist.twist.linear.y', linear.y, 'm/s')
    _check_finite('odometry.twist.twist.angular.z', angular.z, 'rad/s')
    return Odometry(stamp, x, y, yaw, linear.x, linear.y, angular.z)


def odometry_to_msg(odometry: Odometry, frame: str, child_frame: str) -> OdometryMessage:
    """Return odometry as a message: pose in `frame`, twist in `child_frame`."""
    message = OdometryMessage()
    message.header.stamp = seconds_to_msg(odometry.stamp)
    message.header.frame_id = frame
    message.child_frame_id = child_frame
    message.pose.pose = pose_to_msg(odometry.x, odometry.y, odometry.yaw)
    message.twist.twist = twist_to_msg(Command(odometry.vx, odometry.vy, odometry.wz))
    return message


def costmap_from_msg(message: OccupancyGrid, cells: NDArray[np.int8] | None = None) -> Costmap:
    """
    Return the costmap of a message; its cells share memory with the message.

    Parameters
    ----------
    message : OccupancyGrid
        The grid.
    cells : int8[N], optional
        Cells that were deserialised separately from the message.

    Raises
    ------
    InputError
        The number of cells is not width * height, a value is out of range, or the origin is
        rotated or not finite.

    """
    info = message.info
    if cells is None:
        cells = np.frombuffer(message.data, dtype=np.int8)
    if cells.size != info.width * info.height:
        raise InputError(
            f'costmap.data has {cells.size} cells; info.width * info.height = '
            f'{info.width} * {info.height} = {info.width * info.height} are expected'
        )
    x, y, yaw = pose_from_msg(info.origin, 'costmap.info.origin')
    if abs(yaw) > LEVEL_TOLERANCE:
        raise InputError(
            f'costmap.info.origin is rotated by {yaw:.3f} rad; grids aligned with their frame are '
            f'expected (at most {LEVEL_TOLERANCE} rad)'
        )
    return Costmap(cells.reshape(info.height, info.width), info.resolution, x, y)


def costmap_from_nav2_msg(message: Any) -> Costmap:
    """
    Return the costmap of a nav2_msgs/Costmap with costs 0..252, 253, 254 and 255 (unknown).

    Raises
    ------
    InputError
        As for `costmap_from_msg`.

    """
    grid = OccupancyGrid(header=message.header)
    meta = message.metadata
    grid.info.resolution, grid.info.origin = meta.resolution, meta.origin
    grid.info.width, grid.info.height = meta.size_x, meta.size_y
    return costmap_from_msg(grid, NAV2_COSTS[np.frombuffer(message.data, dtype=np.uint8)])


class UpdatedCells(NamedTuple):
    """Cells of a costmap update: first column and row, and occupancies int8[rows, columns]."""

    column: int
    row: int
    data: NDArray[np.int8]


def cells_from_update(costmap: Costmap, update: Any) -> UpdatedCells:
    """
    Return the cells of a map_msgs/OccupancyGridUpdate or nav2_msgs/CostmapUpdate.

    Raises
    ------
    InputError
        The number of cells is not width * height, or they exceed the costmap.

    """
    if hasattr(update, 'size_x'):  # of Nav2
        columns, rows = update.size_x, update.size_y
        cells = NAV2_COSTS[np.frombuffer(update.data, dtype=np.uint8)]
    else:
        columns, rows = update.width, update.height
        cells = np.frombuffer(update.data, dtype=np.int8)
    if len(cells) != columns * rows:
        raise InputError(
            f'costmap_updates.data has {len(cells)} cells; width * height = {columns} * {rows} '
            'are expected'
        )
    height, width = costmap.shape
    right, top = update.x + columns, update.y + rows
    if update.x < 0 or update.y < 0 or right > width or top > height:
        raise InputError(
            f'costmap_updates covers columns {update.x} to {right} and rows {update.y} to {top} '
            f'of a costmap of {width} x {height} cells'
        )
    return UpdatedCells(update.x, update.y, cells.reshape(rows, columns))


def updated_costmap(costmap: Costmap, updates: Iterable[UpdatedCells]) -> Costmap:
    """Return a copy of a costmap with updates applied."""
    data = costmap.data.copy()
    for column, row, cells in updates:
        rows, columns = cells.shape
        data[row : row + rows, column : column + columns] = cells
    return replace(costmap, data=data)


def costmap_to_msg(costmap: Costmap, stamp: float, frame: str) -> OccupancyGrid:
    """Return a costmap as a message."""
    message = OccupancyGrid()
    message.header.stamp = seconds_to_msg(stamp)
    message.header.frame_id = frame
    message.info.map_load_time = message.header.stamp
    message.info.resolution = float(costmap.resolution)
    message.info.height, message.info.width = costmap.shape
    message.info.origin = pose_to_msg(costmap.origin_x, costmap.origin_y, 0.0)
    message.data = array('b', np.ascontiguousarray(costmap.data).tobytes())
    return message


def path_from_msg(
    message: Path, numbers: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """
    Return the poses of a path, float64[N, 3] as x [m], y [m], yaw [rad].

    Parameters
    ----------
    message : Path
        The path.
    numbers : float64[N, 7], optional
        Separately deserialised poses: position x, y, z and quaternion x, y, z, w.

    Raises
    ------
    InputError
        A pose is malformed, is in another frame than the path, or there are too many poses.

    """
    if numbers is None:
        numbers = numbers_of_poses(message)
    count = len(numbers)
    if count > MAX_PATH_POSES:
        raise InputError(f'plan.poses has {count} poses; at most {MAX_PATH_POSES} are expected')
    place, (x, y, z, w) = numbers[:, :2], numbers[:, 3:].T
    with np.errstate(over='ignore', invalid='ignore'):
        norm = np.sqrt(x * x + y * y + z * z + w * w)
        valid = (
            np.isfinite(place).all(axis=1)
            & (norm >= QUATERNION_NORM[0])
            & (norm <= QUATERNION_NORM[1])
        )
    if not valid.all():
        _refuse(numbers, int(np.argmin(valid)))
    yaw = np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
    return np.column_stack([place, yaw])


def numbers_of_poses(message: Path) -> NDArray[np.float64]:
    """Return position and quaternion of each pose, float64[N, 7]; see `path_from_msg`."""
    frame = message.header.frame_id
    if len(message.poses) > MAX_PATH_POSES:
        raise InputError(
            f'plan.poses has {len(message.poses)} poses; at most {MAX_PATH_POSES} are expected'
        )
    numbers = np.empty((len(message.poses), 7))
    for i, stamped in enumerate(message.poses):
        if stamped.header.frame_id not in ('', frame):
            refuse_frame(i, stamped.header.frame_id, message)
        place, turn = stamped.pose.position, stamped.pose.orientation
        numbers[i] = place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w
    return numbers


def refuse_frame(index: int, frame: str, message: Path) -> NoReturn:
    """Raise InputError for a pose in another frame than its path."""
    raise InputError(
        f"plan.poses[{index}] is in frame '{frame}', the plan in '{message.header.frame_id}'"
    )


def _refuse(numbers: NDArray[np.float64], index: int) -> None:
    """Raise InputError for an invalid pose."""
    x, y, z, *turn = numbers[index].tolist()
    pose = Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion())
    pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w = turn
    pose_from_msg(pose, f'plan.poses[{index}].pose')


def path_to_msg(poses: Iterable[Sequence[float]], stamp: float, frame: str) -> Path:
    """Return poses x [m], y [m], yaw [rad] as a path."""
    message = Path()
    message.header.stamp = seconds_to_msg(stamp)
    message.header.frame_id = frame
    message.poses = [
        PoseStamped(header=message.header, pose=pose_to_msg(*map(float, pose))) for pose in poses
    ]
    return message


def command_from_msg(message: Twist) -> Command:
    """
    Return the planar velocity of a twist.

    Raises
    ------
    InputError
        A number is not finite.

    """
    _check_finite('cmd_vel.linear.x', message.linear.x, 'm/s')
    _check_finite('cmd_vel.linear.y', message.linear.y, 'm/s')
    _check_finite('cmd_vel.angular.z', message.angular.z, 'rad/s')
    return Command(message.linear.x, message.linear.y, message.angular.z)


def twist_to_msg(command: Command) -> Twist:
    """Return a planar velocity as a twist."""
    message = Twist()
    message.linear.x, message.linear.y = float(command.vx), float(command.vy)
    message.angular.z = float(command.wz)
    return message


def twist_stamped_to_msg(command: Command, stamp: float, frame: str) -> TwistStamped:
    """Return a planar velocity in `frame` as a stamped twist."""
    message = TwistStamped(twist=twist_to_msg(command))
    message.header.stamp = seconds_to_msg(stamp)
    message.header.frame_id = frame
    return message


def transform_to_msg(
    x: float, y: float, yaw: float, stamp: float, frame: str, child_frame: str
) -> TransformStamped:
    """Return the pose of `child_frame` in `frame` as a transform."""
    message = TransformStamped(child_frame_id=child_frame)
    message.header.stamp = seconds_to_msg(stamp)
    message.header.frame_id = frame
    pose = pose_to_msg(x, y, yaw)
    message.transform.translation.x = pose.position.x
    message.transform.translation.y = pose.position.y
    message.transform.rotation = pose.orientation
    return message


def scan_to_msg(
    angles: NDArray[np.floating[Any]],
    ranges: NDArray[np.floating[Any]],
    *,
    max_range: float,
    stamp: float,
    frame: str,
) -> LaserScan:
    """Return evenly spaced beams as a scan; a range beyond `max_range` [m] is no return (inf)."""
    message = LaserScan()
    message.header.stamp = seconds_to_msg(stamp)
    message.header.frame_id = frame
    message.angle_min, message.angle_max = float(angles[0]), float(angles[-1])
    message.angle_increment = float(angles[1] - angles[0]) if len(angles) > 1 else 0.0
    message.range_max = float(max_range)
    seen = np.where(ranges < max_range, ranges, np.inf).astype(np.float32)
    message.ranges = array('f', seen.tobytes())
    return message


def scan_from_msg(message: LaserScan, stamp: float, mount: SensorMount) -> Scan:
    """
    Return a scan with the time `stamp` [s], in the base frame.

    By REP 117 a range of +inf or from range_max on is no return; −inf is too close. Below
    range_min and at NaN nothing is known. A scan of more than MAX_SCAN_BEAMS is thinned out.

    Raises
    ------
    InputError
        There is no range, or angles or limits of the ranges are not valid.

    """
    start, increment = message.angle_min, message.angle_increment
    low, high = message.range_min, message.range_max
    _check_finite('scan.angle_min', start, 'rad')
    _check_finite('scan.angle_increment', increment, 'rad')
    ranges = np.frombuffer(message.ranges, np.float32)
    if not ranges.size:
        raise InputError('scan.ranges is empty')
    if not increment and ranges.size > 1:
        raise InputError('scan.angle_increment = 0.0 rad of several beams')
    if not 0.0 <= low < high < math.inf:
        raise InputError(
            f'scan.range_max = {high!r} m: 0 ≤ range_min = {low!r} m < range_max < inf is expected'
        )
    every = -(-ranges.size // MAX_SCAN_BEAMS)
    angles = mount.yaw + mount.sense * (start + increment * np.arange(0, ranges.size, every))
    ranges = ranges[::every].copy()
    ranges[ranges < low] = np.nan
    ranges[ranges >= high] = np.inf
    return Scan(stamp, angles, ranges, (mount.x, mount.y), high)


def obstacles_from_msg(
    message: Any, stamp: float, shift: Transform2D
) -> tuple[list[DynamicObstacle], list[int]]:
    """
    Return the obstacles of an autoware_perception_msgs/TrackedObjects, and their ids.

    A box or polygon becomes the disc about its centre that covers it. Objects without a shape are
    left out. The most probable class of each decides whether it is a person.

    Parameters
    ----------
    message : TrackedObjects
        The objects; the velocity of each is in its own frame.
    stamp : float
        Time of the message [s].
    shift : Transform2D
        Pose of the frame of the message in the frame of the result.

    Raises
    ------
    InputError
        A number is not finite, or an orientation is not a unit quaternion.

    """
    obstacles, ids = [], []
    for number, each in enumerate(message.objects):
        name = f'objects[{number}].kinematics'
        pose = pose_from_msg(each.kinematics.pose_with_covariance.pose, f'{name}.pose')
        linear = each.kinematics.twist_with_covariance.twist.linear
        _check_finite(f'{name}.twist.linear.x', linear.x, 'm/s')
        _check_finite(f'{name}.twist.linear.y', linear.y, 'm/s')
        size, shape = each.shape.dimensions, each.shape.type
        if shape == each.shape.POLYGON:
            radius = max((math.hypot(p.x, p.y) for p in each.shape.footprint.points), default=0.0)
        elif shape == each.shape.CYLINDER:
            radius = 0.5 * size.x
        else:
            radius = 0.5 * math.hypot(size.x, size.y)
        if not radius > 0.0:
            continue
        ((x, y, yaw),) = shift.apply(np.array([pose])).tolist()
        cos, sin = math.cos(yaw), math.sin(yaw)
        vx, vy = cos * linear.x - sin * linear.y, sin * linear.x + cos * linear.y
        kind = _kind_of(each.classification)
        obstacles.append(DynamicObstacle(stamp, x, y, vx, vy, radius, kind=kind))
        ids.append(int.from_bytes(bytes(each.object_id.uuid)[:4], 'big') & 0x7FFFFFFF)
    return obstacles, ids


def _kind_of(classes: Sequence[Any]) -> ObstacleKind:
    """Return what the most probable of autoware_perception_msgs/ObjectClassification means."""
    if not classes:
        return ObstacleKind.UNKNOWN
    best = max(classes, key=lambda each: each.probability)
    if best.label in (best.PEDESTRIAN, best.BICYCLE):
        return ObstacleKind.PERSON
    return ObstacleKind.UNKNOWN if best.label == best.UNKNOWN else ObstacleKind.OBJECT


def diagnostics_to_msg(
    stamp: float, name: str, level: bytes, message: str, values: Mapping[str, object]
) -> DiagnosticArray:
    """
    Return a DiagnosticArray with one status; floats are formatted with six digits.

    The hardware_id (REP-107) is the namespace in `name`, which identifies the robot.
    """
    status = DiagnosticStatus(level=level, name=name, message=message)
    status.hardware_id = name.split(':', 1)[0].rpartition('/')[0] or '/'
    status.values = [
        KeyValue(key=key, value=f'{value:.6g}' if isinstance(value, float) else str(value))
        for key, value in values.items()
    ]
    array_message = DiagnosticArray(status=[status])
    array_message.header.stamp = seconds_to_msg(stamp)
    return array_message


def _check_finite(name: str, value: float, unit: str) -> None:
    if not math.isfinite(value):
        raise InputError(f'{name} = {value!r} {unit} is not finite')
