"""Simulated robot as rigid bodies in MuJoCo: wheels on a floor, driven by speed controllers."""

from __future__ import annotations

from collections import deque
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.control.inputs import Command, Odometry
from mppi_ros.parameters.errors import MppiError
from mppi_ros.simulation.mujoco_robots import (
    FLOORS,
    GRAVITY,
    PATCH_SIDE,
    PATCHES,
    TIME_STEP,
    mjcf,
    robot_model,
)
from mppi_ros.simulation.physics import PhysicsParameters
from mppi_ros.simulation.plant import PlantParameters, move
from mppi_ros.simulation.tyres import tyre_forces

SETTLING_TIME = 0.3  # [s] before the start
FLOOR_UPDATE = 10  # steps between two looks at the floor below each wheel
GYRO_NOISE = 0.003  # [rad/s] standard deviation of a measured turning rate
GYRO_BIAS = 0.002  # [rad/s] standard deviation of its constant error


class MujocoPlant:
    """
    A robot of rigid bodies; commands act through the base controller and its wheels.

    The base controller works like those of ros2_control: at its own rate it takes the latest
    command, limits speed and acceleration, and sets the speeds of the wheels by the inverse
    kinematics with the separation that the maker configures. The motor drives follow with limited
    torque. Odometry integrates the measured speeds of the wheels by the same formula, so that slip
    is not seen; with an IMU the turning rate is that of a gyroscope.

    Of `parameters` the delays of commands, the noise of a localised pose and `drifts` are used.

    Attributes
    ----------
    time, pose, twist
        As in simulation.plant.Plant.

    """

    def __init__(
        self,
        physics: PhysicsParameters,
        parameters: PlantParameters,
        pose: ArrayLike,
        seed: int = 0,
    ) -> None:
        """
        Start at rest at pose float[3] (x, y [m], yaw [rad]) at time 0.

        Raises
        ------
        MppiError
            mujoco is not installed, or the robot is unknown.

        """
        try:
            import mujoco
        except ImportError:
            raise MppiError(
                "--physics mujoco needs mujoco: pip install 'mppi_ros[physics]'"
            ) from None
        self._mujoco: Any = mujoco
        self.robot = robot_model(physics.robot)
        self._physics, self._parameters = physics, parameters
        self._model = mujoco.MjModel.from_xml_string(
            mjcf(
                self.robot, physics.payload, physics.slope, physics.sill, physics.friction
            )
        )
        self._data = mujoco.MjData(self._model)
        self._rng = np.random.default_rng(seed)
        self._start: NDArray[np.float64] = np.array(pose, dtype=np.float64)
        count = len(self.robot.wheels)
        joints = [self._model.joint(f'wheel{index}') for index in range(count)]
        self._wheel_qpos = np.array([int(each.qposadr[0]) for each in joints])
        self._wheel_dofs = np.array([int(each.dofadr[0]) for each in joints])
        self._wheel_geoms = np.array(
            [self._model.geom(f'wheel{index}').id for index in range(count)]
        )
        self._base = self._model.body('base').id
        self._floors = list(FLOORS.values())
        self._load = (self.robot.total_mass + physics.payload) * GRAVITY / count  # [N] on a wheel
        self._patch_seed = seed
        self._places = np.array(self.robot.wheels)
        self._ahead = np.tile([1.0, 0.0], (count, 1))  # directions of rolling
        signs = np.array([-1.0 if x * y > 0.0 else 1.0 for x, y in self.robot.wheels])
        self._rollers = signs * (self.robot.drive == 'mecanum')
        self._base_force, self._wheel_force = np.zeros(6), np.zeros(count)
        self._steer_qpos = np.array(
            [int(self._model.joint(f'steer{k}').qposadr[0]) for k in (0, 1)]
            if self.robot.drive == 'car' else [], int,
        )  # fmt: skip
        inertia = self.robot.wheel_inertia + self.robot.rotor_inertia
        lightness = self.robot.wheel_radius**2 / inertia + count / self.robot.total_mass  # [1/kg]
        self._softness = TIME_STEP * lightness  # of the friction, for stable steps
        self._grip = np.zeros(count)
        self._commands: deque[tuple[float, Command]] = deque()
        self._command = np.zeros(3)  # last command, limited
        self._steer = 0.0
        self._wheel_targets = np.zeros(count)
        self._steps = 0
        self._every = max(round(1.0 / (self.robot.rate * TIME_STEP)), 1)
        self._gyro_bias = GYRO_BIAS * float(self._rng.standard_normal())
        self.time = 0.0
        self._look_at_floor()
        self._step(round(SETTLING_TIME / TIME_STEP))
        self._offset = self._body_pose()  # where it has settled
        self._wheel_angles = self._data.qpos[self._wheel_qpos].copy()
        self._yaw = 0.0
        self._velocities: deque[NDArray[np.float64]] = deque(maxlen=self.robot.window)
        self._odometric_pose = self._start.copy()
        self.pose = self._start.copy()
        self.twist: NDArray[np.float64] = np.zeros(3)
        self._update_base()

    def command(self, command: Command, now: float) -> None:
        """Queue a command sent at the time `now` [s]."""
        self._commands.append((now, command))

    def advance(self, duration: float) -> None:
        """Advance by a duration [s]; the physics advance in whole time steps."""
        self.time += duration
        last = math.floor(self.time / TIME_STEP + 1e-6)
        while self._steps < last:
            if self._steps % self._every == 0:
                self._update_base()
            if self._steps % FLOOR_UPDATE == 0:
                self._look_at_floor()
            ahead = min(self._every - self._steps % self._every,
                        FLOOR_UPDATE - self._steps % FLOOR_UPDATE, last - self._steps)  # fmt: skip
            self._step(ahead)
            self._steps += ahead
        self._show()

    def odometry(self, stamp: float) -> Odometry:
        """Return a measurement of pose and twist with the given stamp [s]."""
        p = self._parameters
        pose = self._odometric_pose
        if not p.drifts:
            noise = self._rng.standard_normal(3)
            pose = self.pose + noise * (p.pose_noise, p.pose_noise, p.yaw_noise)
        vx, vy, wz = np.mean(self._velocities, axis=0)
        if self._physics.imu:
            wz = self._gyro()
        return Odometry(
            stamp=stamp, x=float(pose[0]), y=float(pose[1]),
            yaw=math.remainder(float(pose[2]), math.tau),
            vx=float(vx), vy=float(vy), wz=float(wz),
        )  # fmt: skip

    def _gyro(self) -> float:
        noise = GYRO_NOISE * float(self._rng.standard_normal())
        return float(self.twist[2]) + self._gyro_bias + noise

    def _show(self) -> None:
        """Set pose and twist from the state of the base, in the frame of the world."""
        x, y, yaw = self._body_pose() - self._offset
        c, s = math.cos(self._start[2]), math.sin(self._start[2])
        self.pose[0] = self._start[0] + c * x - s * y
        self.pose[1] = self._start[1] + s * x + c * y
        self.pose[2] = math.remainder(self._start[2] + yaw, math.tau)
        velocity = self._data.qvel[:3]
        heading = self._body_pose()[2]
        c, s = math.cos(heading), math.sin(heading)
        self.twist[0] = c * velocity[0] + s * velocity[1]
        self.twist[1] = c * velocity[1] - s * velocity[0]
        self.twist[2] = self._data.qvel[5]

    def _body_pose(self) -> NDArray[np.float64]:
        """Return x, y [m] and yaw [rad] of the base in the frame of the physics, float64[3]."""
        turned = self._data.xmat[self._base]
        x, y, _ = self._data.qpos[:3]
        return np.array([x, y, math.atan2(turned[3], turned[0])])

    def _update_base(self) -> None:
        """Update the base controller: measure, integrate odometry, and set the wheels."""
        self._show()
        period = self._every * TIME_STEP
        angles = self._data.qpos[self._wheel_qpos]
        speeds = (angles - self._wheel_angles) / period * self.robot.wheel_radius
        self._wheel_angles = angles.copy()
        measured = self._forward(speeds)
        self._velocities.append(measured)
        turned = math.remainder(self.pose[2] - self._start[2] - self._yaw, math.tau)
        self._yaw += turned
        turn = measured[2] * period
        if self._physics.imu:
            turn = turned + self._gyro_bias * period
        move(self._odometric_pose, measured[0] * period, measured[1] * period, turn)
        self._set_wheels(self._limited(period))

    def _limited(self, period: float) -> NDArray[np.float64]:
        """Return the command in effect, vx, vy [m/s] and wz [rad/s], within the limits."""
        p, robot = self._parameters, self.robot
        now = self._steps * TIME_STEP + 1e-9
        wanted = self._command.copy()
        due = [now - p.delay_linear, now - p.delay_angular]
        for axis, late in ((0, due[0]), (1, due[0]), (2, due[1])):
            acting = [command for sent, command in self._commands if sent <= late]
            if acting:
                wanted[axis] = (acting[-1].vx, acting[-1].vy, acting[-1].wz)[axis]
        while len(self._commands) > 1 and self._commands[1][0] <= min(due):
            self._commands.popleft()
        most = np.array([robot.speed, robot.speed, robot.turn_rate])
        rise = period * np.array(
            [robot.acceleration, robot.acceleration, robot.turn_acceleration]
        )
        wanted = np.clip(wanted, -most, most)
        self._command = np.clip(wanted, self._command - rise, self._command + rise)
        return self._command

    def _set_wheels(self, command: NDArray[np.float64]) -> None:
        """Set the speeds of the wheels, and the angles of those that are steered."""
        vx, vy, wz = command
        robot, control = self.robot, self._data.ctrl
        if robot.drive == 'car':
            self._set_car(vx, wz)
            return
        rim = np.array([
            vx - (vy if (x > 0.0) == (y > 0.0) else -vy) * (robot.drive == 'mecanum')
            - wz * (1.0 if y > 0.0 else -1.0) * self._lever
            for x, y in robot.wheels
        ])  # fmt: skip
        control[: len(rim)] = rim / robot.wheel_radius
        self._limit_windup()

    @property
    def _lever(self) -> float:
        """Return the speed of a wheel per turning rate [m]."""
        robot = self.robot
        return robot.separation if robot.drive == 'mecanum' else robot.separation / 2.0

    def _set_car(self, vx: float, wz: float) -> None:
        robot, control = self.robot, self._data.ctrl
        if vx:
            angle = math.atan(robot.wheelbase * wz / vx)
            wanted = min(max(angle, -robot.steering), robot.steering)
            most = robot.steering_rate * self._every * TIME_STEP
            self._steer += min(max(wanted - self._steer, -most), most)
        curvature = math.tan(self._steer) / robot.wheelbase
        control[0] = vx / robot.wheel_radius
        for index in (0, 1):
            y = robot.wheels[index][1]
            control[1 + index] = math.atan(robot.wheelbase * curvature / (1.0 - curvature * y))
        self._limit_windup()

    def _limit_windup(self) -> None:
        """Limit the integrated speed error of each drive to what its full torque needs."""
        count = len(self._data.act)
        gains = self._model.actuator_gainprm[:count, 0]
        most = self._model.actuator_forcerange[:count, 1]
        damping = self._model.actuator_biasprm[:count, 2] * self._data.actuator_velocity[:count]
        length = self._data.actuator_length[:count]
        low, high = (-most - damping) / gains, (most - damping) / gains
        self._data.act[:] = np.clip(self._data.act, length + low, length + high)

    def _forward(self, rim: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return vx, vy [m/s] and wz [rad/s] from the speeds of the rims [m/s], as odometry."""
        robot = self.robot
        vx = float(np.mean(rim))
        if robot.drive == 'car':
            return np.array([vx, 0.0, vx * math.tan(self._steer) / robot.wheelbase])
        signs = np.array([1.0 if y > 0.0 else -1.0 for _, y in robot.wheels])
        wz = -float(np.mean(signs * rim)) / self._lever
        if robot.drive != 'mecanum':
            return np.array([vx, 0.0, wz])
        return np.array([vx, float(np.mean(self._rollers * rim)), wz])

    def _step(self, count: int) -> None:
        if self._physics.friction == 'solver':
            self._mujoco.mj_step(self._model, self._data, count)
            return
        for _ in range(count):
            self._apply_friction()
            self._mujoco.mj_step(self._model, self._data)

    def _look_at_floor(self) -> None:
        """Set friction and rolling resistance of each wheel from the floor below it."""
        for index, geom in enumerate(self._wheel_geoms):
            self._grip[index], rolling = self._floor_below(index)
            self._model.geom_friction[geom, 0] = self._grip[index]
            self._model.dof_frictionloss[self._wheel_dofs[index]] = (
                rolling * self._load * self.robot.wheel_radius
            )

    def _floor_below(self, wheel: int) -> tuple[float, float]:
        if self._physics.floor != PATCHES:
            return FLOORS[self._physics.floor]
        x, y, _ = self._data.geom_xpos[self._wheel_geoms[wheel]]
        column, row = math.floor(x / PATCH_SIDE), math.floor(y / PATCH_SIDE)
        mixed = (column * 73856093 ^ row * 19349663 ^ self._patch_seed * 83492791) & 0x7FFFFFFF
        found: tuple[float, float] = self._floors[mixed // 7 % len(self._floors)]
        return found

    def _apply_friction(self) -> None:
        """
        Apply the friction between wheels and floor, with the normal forces that MuJoCo finds.

        The friction of MuJoCo itself depends on the inertia of the wheels: a skid-steered robot
        with light wheels turns at a quarter of the rate that Coulomb's law gives.
        """
        robot, data = self.robot, self._data
        if len(self._steer_qpos):
            angles = data.qpos[self._steer_qpos]
            self._ahead[:2, 0], self._ahead[:2, 1] = np.cos(angles), np.sin(angles)
        tyre_forces(
            self._places, self._ahead, self._rollers, self._grip * data.sensordata,
            robot.wheel_radius * data.qvel[self._wheel_dofs], data.xmat[self._base],
            data.qvel[:6], robot.wheel_radius, self._softness, 0.25 * robot.wheel_width,
            self._base_force, self._wheel_force,
        )  # fmt: skip
        data.qfrc_applied[:6] = self._base_force
        data.qfrc_applied[self._wheel_dofs] = self._wheel_force
