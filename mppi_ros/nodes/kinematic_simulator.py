"""Simulator node: moves a kinematic robot by cmd_vel and publishes its odometry and sensors."""

# ruff: noqa: E402 - the ROS 2 wheels must be found before rclpy is imported
from __future__ import annotations

from dataclasses import dataclass
import time
from typing import Any

from mppi_ros.ros import use_wheels

use_wheels()

from geometry_msgs.msg import Twist, TwistStamped
from nav_msgs.msg import OccupancyGrid, Odometry
import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import LaserScan
from std_msgs.msg import Bool, Float64
from std_srvs.srv import Trigger

from mppi_ros.control.inputs import Command
from mppi_ros.control.inputs import Odometry as Motion
from mppi_ros.driving.footprint import Footprint
from mppi_ros.parameters.declaration import group, parameter
from mppi_ros.parameters.errors import InputError, ParameterError, check_frame
from mppi_ros.ros import conversions
from mppi_ros.ros.parameters import ParameterMixin
from mppi_ros.ros.params_files import controller_parameters
from mppi_ros.ros.process import freeze_garbage, run
from mppi_ros.ros.qos import LATCHED
from mppi_ros.share import share_path
from mppi_ros.simulation.lidar import Lidar
from mppi_ros.simulation.plant import NOMINAL, Plant, PlantParameters
from mppi_ros.simulation.rolling_costmap import RollingCostmap
from mppi_ros.simulation.world import MovingDisc, World

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # not part of the ROS 2 wheels
    TFMessage = None


@dataclass(frozen=True)
class PlantNodeParameters:
    """Response of the simulated robot to commands, and errors of its odometry."""

    lag_linear: float = parameter(
        NOMINAL.lag_linear, 'time constant of the speed', unit='s', low=0.0, high=2.0, live=False
    )
    lag_angular: float = parameter(
        NOMINAL.lag_angular, 'time constant of the turning rate', unit='s', low=0.0, high=2.0,
        live=False,
    )
    delay_linear: float = parameter(
        NOMINAL.delay_linear, 'time from a command to its first effect on the speed', unit='s',
        low=0.0, high=1.0, live=False,
    )
    delay_angular: float = parameter(
        NOMINAL.delay_angular, 'time from a command to its first effect on turning or steering',
        unit='s', low=0.0, high=1.0, live=False,
    )
    dead_band_linear: float = parameter(
        NOMINAL.dead_band_linear, 'commands below this speed have no effect', unit='m/s', low=0.0,
        high=1.0, live=False,
    )
    dead_band_angular: float = parameter(
        NOMINAL.dead_band_angular, 'commands below this turning rate have no effect',
        unit='rad/s', low=0.0, high=2.0, live=False,
    )
    yaw_gain: float = parameter(
        NOMINAL.yaw_gain, 'achieved share of the commanded turning rate', low=0.1, high=2.0,
        live=False,
    )
    odom_scale_error: float = parameter(
        NOMINAL.odom_scale_error, 'relative error of the measured speeds', low=-0.5, high=0.5,
        live=False,
    )
    pose_noise: float = parameter(
        NOMINAL.pose_noise, 'standard deviation of the measured position', unit='m', low=0.0,
        high=1.0, live=False,
    )
    yaw_noise: float = parameter(
        NOMINAL.yaw_noise, 'standard deviation of the measured heading', unit='rad', low=0.0,
        high=1.0, live=False,
    )
    speed_noise: float = parameter(
        NOMINAL.speed_noise, 'standard deviation of the measured speeds', unit='m/s, rad/s',
        low=0.0, high=1.0, live=False,
    )


@dataclass(frozen=True)
class LidarNodeParameters:
    """Simulated lidar."""

    beams: int = parameter(360, 'beams of a scan', low=8, high=4096, live=False)
    field_of_view: float = parameter(
        6.2832, 'field of view, centred on the heading', unit='rad', low=0.1, high=6.2832,
        live=False,
    )
    max_range: float = parameter(8.0, 'maximum range', unit='m', low=0.5, high=100.0, live=False)
    noise: float = parameter(
        0.01, 'standard deviation of a range', unit='m', low=0.0, high=1.0, live=False
    )
    rate: float = parameter(
        10.0, 'scans and costmaps per second', unit='Hz', low=0.5, high=50.0, live=False
    )


@dataclass(frozen=True)
class SimulatorParameters:
    """Parameters of the simulator."""

    world: str = parameter(
        '', 'YAML file of a map or CSV file of circles; empty uses the installed office map',
        live=False,
    )
    start: tuple[float, ...] = parameter(
        (), 'initial pose x, y, yaw; empty uses the start of the office map', unit='m, m, rad',
        low=-1e5, high=1e5, live=False,
    )
    controller_params: str = parameter(
        '', "YAML file of the controller, for the robot's body and limits; empty uses defaults",
        live=False,
    )
    moving_obstacles: tuple[float, ...] = parameter(
        (),
        'discs, of each x, y, radius, vx, vy and the time after which it turns back and forth',
        unit='m, m, m, m/s, m/s, s', low=-1e5, high=1e5, live=False,
    )
    sensing: str = parameter(
        'lidar', 'source of the costmap', choices=('lidar', 'map'), live=False
    )
    costmap_size: float = parameter(
        8.0, 'side length of the rolling costmap', unit='m', low=1.0, high=100.0, live=False
    )
    costmap_resolution: float = parameter(
        0.05, 'cell size of the rolling costmap', unit='m', low=0.01, high=1.0, live=False
    )
    seed: int = parameter(0, 'seed of the random noise', low=0, high=2**31 - 1, live=False)
    rate: float = parameter(
        50.0, 'steps and odometry messages per second', unit='Hz', low=5.0, high=500.0, live=False
    )
    command_timeout: float = parameter(
        0.5, 'age of the last command after which the robot stops', unit='s', low=0.05, high=60.0
    )
    cmd_vel_stamped: bool = parameter(
        True, 'cmd_vel is a TwistStamped; a Twist if this or the value of the controller is false',
        live=False,
    )
    publish_map: bool = parameter(True, 'publish the static map', live=False)
    publish_clock: bool = parameter(
        False, 'publish /clock, starting at zero, for nodes with use_sim_time', live=False
    )
    speed: float = parameter(
        1.0, 'simulated seconds per second; values other than 1 need publish_clock', low=0.05,
        high=50.0, live=False,
    )
    frame: str = parameter('map', 'frame of odometry, costmap and map', live=False)
    base_frame: str = parameter(
        '', "frame of the robot; empty uses the controller's", live=False
    )
    plant: PlantNodeParameters = group(PlantNodeParameters)
    lidar: LidarNodeParameters = group(LidarNodeParameters)

    def __post_init__(self) -> None:
        if len(self.start) not in (0, 3):
            raise ParameterError(f'start has {len(self.start)} numbers; x, y, yaw are expected')
        check_frame('frame', self.frame)
        if self.base_frame:
            check_frame('base_frame', self.base_frame)
        discs = self.moving_obstacles
        if len(discs) % 6 or min((*discs[2::6], *discs[5::6]), default=1.0) <= 0.0:
            raise ParameterError(
                f'moving_obstacles = {list(discs)}: six numbers each are expected, with a radius '
                f'and a time greater than 0'
            )
        if self.speed != 1.0 and not self.publish_clock:
            raise ParameterError(f'speed = {self.speed} needs publish_clock = true')


OFFICE_START = (1.0, 1.0, 0.0)
MAP_RATE = 2.0  # [Hz] of costmaps from the static map


class KinematicSimulator(ParameterMixin[SimulatorParameters], Node):
    """Steps a `simulation.Plant` in a `simulation.World` at a fixed rate."""

    def __init__(self, **options: Any) -> None:
        super().__init__('kinematic_simulator', **options)
        self.declare_configuration(SimulatorParameters())
        settings = self.configuration
        controller = controller_parameters(self, settings.controller_params)
        self._base_frame = settings.base_frame or controller.interface.base_frame
        self._stamped = settings.cmd_vel_stamped and controller.interface.cmd_vel_stamped
        self._footprint = Footprint.of(controller.robot)
        round_body = not controller.robot.footprint
        self._body = controller.robot.radius if round_body else self._footprint.polygon
        self._world = World.load(settings.world or share_path('config', 'worlds', 'office.yaml'))
        rows = np.reshape(settings.moving_obstacles, (-1, 6)).tolist()
        self._world = self._world.with_moving_obstacles([MovingDisc(*row) for row in rows])
        self._start_pose = np.array(settings.start or OFFICE_START)
        if self._world.clearance(self._body, self._start_pose) <= 0.0:
            x, y, yaw = self._start_pose
            raise InputError(f'start = ({x:g}, {y:g}) m, {yaw:g} rad is in an obstacle')
        # The robot is localised on the map; odometry drift is only for episodes without a map.
        self._plant_parameters = PlantParameters(
            motion_model=controller.motion_model, limits=controller.limits, drifts=False,
            **vars(settings.plant),
        )  # fmt: skip
        self._lidar = Lidar(**vars(settings.lidar))
        self._steps, self._time, self._last_step = 0, 0.0, time.monotonic()
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._period = 1.0 / settings.rate
        self._scan_every = max(round(settings.rate / settings.lidar.rate), 1)
        self._map_every = max(round(settings.rate / MAP_RATE), 1)
        self._advertise()
        self._place()

    def _advertise(self) -> None:
        settings = self.configuration
        kind = TwistStamped if self._stamped else Twist
        self.create_subscription(kind, 'cmd_vel', self._on_command, 1)
        self.create_service(Trigger, '~/reset', self._on_reset)
        self._odom = self.create_publisher(Odometry, 'odom', qos_profile_sensor_data)
        self._truth = self.create_publisher(Odometry, '~/ground_truth', 1)
        self._clearance = self.create_publisher(Float64, '~/clearance', 1)
        self._contact = self.create_publisher(Bool, '~/contact', LATCHED)
        # Create the map publisher before the costmap publisher, so that subscribers find both.
        if settings.publish_map:
            self._map = self.create_publisher(OccupancyGrid, 'map', LATCHED)
        self._costmap = self.create_publisher(OccupancyGrid, 'costmap', LATCHED)
        self._scan = self.create_publisher(LaserScan, 'scan', qos_profile_sensor_data)
        self._tf = self.create_publisher(TFMessage, '/tf', 100) if TFMessage else None
        if self._tf is None:
            self.get_logger().info('/tf is not published: tf2_msgs is not installed')
        self._time_publisher = self.create_publisher(ClockMessage, '/clock', 1)

    def start(self) -> None:
        """Compile the kernels with one step, then reset to the start."""
        self._step()
        freeze_garbage()
        self._place()
        if self.configuration.publish_map:
            frame = self.configuration.frame
            self._map.publish(
                conversions.costmap_to_msg(self._world.occupancy, self._stamp(), frame)
            )
        period = self._period / self.configuration.speed
        self.create_timer(period, self._step, clock=self._steady)

    def stop(self) -> None:
        """Do nothing: the simulated robot needs no stop command."""

    def _place(self) -> None:
        """Reset the robot to the start at rest, with an empty costmap."""
        settings = self.configuration
        self._plant = Plant(self._plant_parameters, self._start_pose, seed=settings.seed)
        self._rng = np.random.default_rng(settings.seed)
        self._mapping = RollingCostmap(
            settings.costmap_size, settings.costmap_resolution, self._footprint
        )
        self._commanded, self._moving = 0.0, False
        self._touched = False
        self._contact.publish(Bool(data=False))

    def _stamp(self) -> float:
        """Return the time of message stamps [s]: simulated with publish_clock, else system."""
        if self.configuration.publish_clock:
            return self._time
        return float(self.get_clock().now().nanoseconds) * 1e-9

    def _since_step(self) -> float:
        """Return the time since the last step [s], limited after a suspended process."""
        return min(time.monotonic() - self._last_step, 0.5)

    def _step(self) -> None:
        """Advance by the time since the last step and publish the sensors."""
        settings = self.configuration
        passed = self._period if settings.publish_clock else self._since_step()
        self._last_step = time.monotonic()
        self._time += passed
        if self._moving and self._time - self._commanded > settings.command_timeout:
            self._moving = False
            self._plant.command(Command.ZERO, self._plant.time)
        self._plant.advance(passed)
        stamp = self._stamp()
        if settings.publish_clock:
            self._time_publisher.publish(ClockMessage(clock=conversions.seconds_to_msg(stamp)))
        self._publish_motion(stamp)
        if settings.sensing == 'lidar' and self._steps % self._scan_every == 0:
            self._publish_scan(stamp)
        if settings.sensing == 'map' and self._steps % self._map_every == 0:
            self._costmap.publish(
                conversions.costmap_to_msg(self._world.occupancy, stamp, settings.frame)
            )
        self._steps += 1

    def _publish_motion(self, stamp: float) -> None:
        frame, base = self.configuration.frame, self._base_frame
        self._measured = self._plant.odometry(stamp)
        self._odom.publish(conversions.odometry_to_msg(self._measured, frame, base))
        x, y, yaw = (float(value) for value in self._plant.pose)
        truth = Motion(stamp, x, y, yaw, *(float(value) for value in self._plant.twist))
        self._truth.publish(conversions.odometry_to_msg(truth, frame, base))
        clearance = self._world.clearance(self._body, self._plant.pose, time=self._time)
        self._clearance.publish(Float64(data=clearance))
        if clearance <= 0.0 and not self._touched:
            self._touched = True
            self._contact.publish(Bool(data=True))
            self.get_logger().error(f'contact at ({x:.2f}, {y:.2f}) m')
        if self._tf is not None:
            m = self._measured
            self._tf.publish(
                TFMessage(
                    transforms=[conversions.transform_to_msg(m.x, m.y, m.yaw, stamp, frame, base)]
                )
            )

    def _publish_scan(self, stamp: float) -> None:
        settings = self.configuration
        scan = self._lidar.scan(self._world, self._plant.pose, self._rng, self._time)
        self._scan.publish(
            conversions.scan_to_msg(
                scan.angles,
                scan.ranges,
                max_range=scan.max_range,
                stamp=stamp,
                frame=self._base_frame,
            )
        )
        measured_pose = (self._measured.x, self._measured.y, self._measured.yaw)
        costmap = self._mapping.update(scan, measured_pose)
        self._costmap.publish(conversions.costmap_to_msg(costmap, stamp, settings.frame))

    def _on_command(self, message: Any) -> None:
        twist = message.twist if self._stamped else message
        try:
            command = conversions.command_from_msg(twist)
        except InputError as error:
            self.get_logger().error(str(error), throttle_duration_sec=1.0)
            return
        since = 0.0 if self.configuration.publish_clock else self._since_step()
        self._plant.command(command, self._plant.time + since)
        self._commanded, self._moving = self._time + since, command != Command.ZERO

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._place()
        response.success, response.message = True, 'robot reset to the start'
        return response


def main() -> None:
    """Run the node as a process."""
    run(KinematicSimulator, SimulatorParameters)
