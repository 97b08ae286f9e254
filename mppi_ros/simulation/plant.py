"""Plant: a robot of any motion model that answers late and slowly, and its erring odometry."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.control.inputs import Command, Odometry
from mppi_ros.driving.settings import Limits
from mppi_ros.mppi.errors import InputError

STEP = 0.005  # [s] longest step of integration


@dataclass(frozen=True)
class PlantParameters:
    """
    How a robot answers commands and how its odometry errs.

    Attributes
    ----------
    lag_linear, lag_angular : float
        Time constants of speed and turning rate [s].
    delay : float
        Time from a command to its first effect [s].
    yaw_gain : float
        Share of the commanded turning rate that is made.
    odom_scale_error : float
        Relative error of the measured way and turn.
    pose_noise, yaw_noise : float
        Standard deviation of a measured position [m] and heading [rad].
    speed_noise : float
        Standard deviation of a measured speed [m/s] and turning rate [rad/s].
    inflation : float
        How much larger the body truly is than the controller believes, on each side [m].
    drifts : bool
        The measured pose carries the scale error along, as wheels do; a robot that finds itself on
        a map does not drift.
    motion_model : str
        'diff_drive' or 'ackermann', as the controller has them.
    limits : Limits
        What the drives can do, whatever is commanded.

    """

    lag_linear: float = 0.1
    lag_angular: float = 0.1
    delay: float = 0.05
    yaw_gain: float = 1.0
    odom_scale_error: float = 0.01
    pose_noise: float = 0.003
    yaw_noise: float = 0.002
    speed_noise: float = 0.01
    inflation: float = 0.0
    drifts: bool = True
    motion_model: str = 'diff_drive'
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Reject what no robot is like."""
        for name in (
            'lag_linear', 'lag_angular', 'delay', 'pose_noise', 'yaw_noise', 'speed_noise',
            'inflation',
        ):
            value = getattr(self, name)
            if not 0.0 <= value <= 10.0:
                raise InputError(f'plant {name} = {value!r} is outside [0, 10]')


NOMINAL = PlantParameters()
HARD = PlantParameters(
    lag_linear=0.15, lag_angular=0.15, delay=0.1, yaw_gain=0.8, odom_scale_error=0.02,
    pose_noise=0.006, yaw_noise=0.004, speed_noise=0.02, inflation=0.02,
)
EXTREME = PlantParameters(
    lag_linear=0.2, lag_angular=0.2, delay=0.15, yaw_gain=0.75, odom_scale_error=0.03,
    pose_noise=0.009, yaw_noise=0.006, speed_noise=0.03, inflation=0.03,
)
HEAVY = replace(NOMINAL, lag_linear=0.3, lag_angular=0.3, delay=0.15)
IDEAL = PlantParameters(
    lag_linear=0.0, lag_angular=0.0, delay=0.0, odom_scale_error=0.0, pose_noise=0.0,
    yaw_noise=0.0, speed_noise=0.0,
)
PLANTS = {
    'nominal': NOMINAL, 'hard': HARD, 'extreme': EXTREME, 'heavy': HEAVY, 'ideal': IDEAL,
}


class Plant:
    """
    The robot itself: commands wait in a queue, then the speeds follow.

    dv/dt = (v_commanded − v) / lag, held within the acceleration limits; speeding up is limited by
    ax_max and slowing down by ax_min, whatever the direction. The pose moves along circular arcs.

    A car turns its wheels to atan(L w / v), with the lag of the turning rate and at most at the
    steering rate. A command without speed says nothing of them: they stay as they were told.

    Attributes
    ----------
    time : float
        Time that has passed [s].
    pose : float64[3]
        True x [m], y [m], yaw [rad].
    twist : float64[3]
        True velocity in the robot's frame: vx, vy [m/s], wz [rad/s].

    """

    def __init__(self, parameters: PlantParameters, pose: ArrayLike, seed: int = 0) -> None:
        """Stand still at pose float[3] (x, y [m], yaw [rad]), at time 0."""
        self.parameters = parameters
        self.time = 0.0
        self.pose: NDArray[np.float64] = np.array(pose, dtype=np.float64)
        self.twist: NDArray[np.float64] = np.zeros(3)
        self._believed = self.pose.copy()
        self._queue: deque[tuple[float, float, float]] = deque()
        self._steering = 0.0  # [rad] angle of a car's wheels, and what it was told to be
        self._target = (0.0, 0.0)
        self._rng = np.random.default_rng(seed)

    def command(self, command: Command, now: float) -> None:
        """Queue a command sent at time `now` [s]; it acts after the delay."""
        self._queue.append((now + self.parameters.delay, command.vx, command.wz))

    def advance(self, duration: float) -> None:
        """Move on by a duration [s]."""
        end = self.time + duration
        while self.time < end - 1e-12:
            while self._queue and self._queue[0][0] <= self.time + 1e-12:
                self._accept(*self._queue.popleft()[1:])
            until = min(end, self.time + STEP)
            if self._queue:
                until = min(until, self._queue[0][0])
            self._step(until - self.time)
            self.time = until

    def odometry(self, stamp: float) -> Odometry:
        """Return a measurement of pose and twist, stamped as told [s]."""
        p = self.parameters
        noise = self._rng.standard_normal(5)
        pose = self._believed if p.drifts else self.pose
        scale = 1.0 + p.odom_scale_error
        return Odometry(
            stamp=stamp,
            x=float(pose[0] + p.pose_noise * noise[0]),
            y=float(pose[1] + p.pose_noise * noise[1]),
            yaw=math.remainder(pose[2] + p.yaw_noise * noise[2], math.tau),
            vx=float(scale * self.twist[0] + p.speed_noise * noise[3]),
            vy=0.0,
            wz=float(scale * self.twist[2] + p.speed_noise * noise[4]),
        )

    def _accept(self, vx: float, wz: float) -> None:
        limits = self.parameters.limits
        speed = min(max(vx, limits.vx_min), limits.vx_max)
        if self.parameters.motion_model == 'ackermann':
            angle = math.atan(limits.wheelbase * wz / vx) if vx else self._target[1]
            most = math.atan(limits.wheelbase / limits.turning_radius_min)
            self._target = speed, min(max(angle, -most), most)
        else:
            wz = min(max(wz, -limits.wz_max), limits.wz_max)
            self._target = speed, self.parameters.yaw_gain * wz

    def _step(self, dt: float) -> None:
        p, limits = self.parameters, self.parameters.limits
        v, w = self.twist[0], self.twist[2]
        up = limits.ax_max if v >= 0.0 else -limits.ax_min
        down = -limits.ax_min if v > 0.0 else limits.ax_max
        dv = _share(dt, p.lag_linear) * (self._target[0] - v)
        dv = min(max(dv, -down * dt), up * dt)
        if p.motion_model == 'ackermann':
            dw = self._steered(dt, v + dv) - w
        else:
            dw = _share(dt, p.lag_angular) * (self._target[1] - w)
            dw = min(max(dw, -limits.az_max * dt), limits.az_max * dt)
        way, turn = (v + 0.5 * dv) * dt, (w + 0.5 * dw) * dt
        self.twist[0], self.twist[2] = v + dv, w + dw
        _move(self.pose, way, turn)
        scale = 1.0 + p.odom_scale_error
        _move(self._believed, scale * way, scale * turn)


    def _steered(self, dt: float, v: float) -> float:
        """Turn the wheels of a car for dt [s]; return its turning rate [rad/s] at a speed."""
        p, limits = self.parameters, self.parameters.limits
        turn = _share(dt, p.lag_angular) * (self._target[1] - self._steering)
        most = limits.steering_rate * dt
        self._steering += min(max(turn, -most), most)
        return p.yaw_gain * v * math.tan(self._steering) / limits.wheelbase


def _share(dt: float, lag: float) -> float:
    """Return the share of the way to the target that a first-order lag covers in dt [s]."""
    return 1.0 - math.exp(-dt / lag) if lag > 0.0 else 1.0


def _move(pose: NDArray[np.float64], way: float, turn: float) -> None:
    """Move a pose along an arc: its chord, way · sinc(turn/2), lies at half of the turn."""
    half = 0.5 * turn
    chord = way * (math.sin(half) / half if half else 1.0)
    heading = pose[2] + half
    pose[0] += chord * math.cos(heading)
    pose[1] += chord * math.sin(heading)
    pose[2] = math.remainder(pose[2] + turn, math.tau)
