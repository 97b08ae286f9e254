"""Simulated robot of any motion model with delay and lag, and erroneous odometry."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.control.inputs import Command, Odometry
from mppi_ros.driving.parameters import Limits
from mppi_ros.parameters.errors import InputError

MAX_INTEGRATION_STEP = 0.005  # [s]


@dataclass(frozen=True)
class PlantParameters:
    """
    Response of a robot to commands, and errors of its odometry.

    Attributes
    ----------
    lag_linear, lag_angular : float
        Time constants of speed and turning rate [s].
    delay_linear, delay_angular : float
        Time from a command to its first effect on the speed, and on turning or steering [s].
    dead_band_linear, dead_band_angular : float
        Speed [m/s] and turning rate [rad/s] below which commands have no effect.
    speed_gain, yaw_gain : float
        Ratio of achieved to commanded speed and turning rate.
    odom_scale_error : float
        Relative error of the measured distance and rotation.
    pose_noise, yaw_noise : float
        Standard deviation of a measured position [m] and heading [rad].
    speed_noise : float
        Standard deviation of a measured speed [m/s] and turning rate [rad/s].
    inflation : float
        Excess of the true body over that of the controller, on each side [m].
    drifts : bool
        The measured pose accumulates the scale error, as wheel odometry does; a robot that is
        localised on a map does not drift.
    motion_model : str
        'diff_drive', 'omni' or 'ackermann', as in the controller.
    grip : float
        Centripetal acceleration limit of the tyres of a car [m/s²], beyond which it turns less
        than its wheels; 0: limits.ay_max.
    limits : Limits
        Limits of the drives, independent of the commands.

    """

    lag_linear: float = 0.1
    lag_angular: float = 0.1
    delay_linear: float = 0.05
    delay_angular: float = 0.05
    dead_band_linear: float = 0.0
    dead_band_angular: float = 0.0
    speed_gain: float = 1.0
    yaw_gain: float = 1.0
    odom_scale_error: float = 0.01
    pose_noise: float = 0.003
    yaw_noise: float = 0.002
    speed_noise: float = 0.01
    inflation: float = 0.0
    drifts: bool = True
    motion_model: str = 'diff_drive'
    grip: float = 0.0
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Validate the values."""
        for name in (
            'lag_linear', 'lag_angular', 'delay_linear', 'delay_angular', 'dead_band_linear',
            'dead_band_angular', 'pose_noise', 'yaw_noise', 'speed_noise', 'inflation',
        ):
            value = getattr(self, name)
            if not 0.0 <= value <= 10.0:
                raise InputError(f'plant {name} = {value!r} is outside [0, 10]')


NOMINAL = PlantParameters()
HARD = PlantParameters(
    lag_linear=0.15, lag_angular=0.15, delay_linear=0.1, delay_angular=0.1, yaw_gain=0.8,
    odom_scale_error=0.02,
    pose_noise=0.006, yaw_noise=0.004, speed_noise=0.02, inflation=0.02,
)
EXTREME = PlantParameters(
    lag_linear=0.2, lag_angular=0.2, delay_linear=0.15, delay_angular=0.15, yaw_gain=0.75,
    odom_scale_error=0.03, pose_noise=0.009, yaw_noise=0.006, speed_noise=0.03,
    inflation=0.03,
)
HEAVY = replace(
    NOMINAL, lag_linear=0.3, lag_angular=0.3, delay_linear=0.15, delay_angular=0.15
)
IDEAL = PlantParameters(
    lag_linear=0.0, lag_angular=0.0, delay_linear=0.0, delay_angular=0.0, odom_scale_error=0.0,
    pose_noise=0.0, yaw_noise=0.0, speed_noise=0.0,
)
PLANTS = {
    'nominal': NOMINAL, 'hard': HARD, 'extreme': EXTREME, 'heavy': HEAVY, 'ideal': IDEAL,
}


class Plant:
    """
    The robot: commands take effect after a delay, then the speeds follow with a lag.

    dv/dt = (v_commanded − v) / lag within the acceleration limits: speeding up is limited by
    ax_max and slowing down by ax_min, in both directions. The pose moves along circular arcs.

    The lateral speed of an omnidirectional robot behaves likewise, within ay_max and ay_min. The
    wheels of a car turn to atan(L w / v), with the lag of the turning rate and within the steering
    rate. A command without speed does not determine their angle: it remains unchanged.

    Attributes
    ----------
    time : float
        Elapsed time [s].
    pose : float64[3]
        True x [m], y [m], yaw [rad].
    twist : float64[3]
        True velocity in the robot's frame: vx, vy [m/s], wz [rad/s].

    """

    def __init__(self, parameters: PlantParameters, pose: ArrayLike, seed: int = 0) -> None:
        """Start at rest at pose float[3] (x, y [m], yaw [rad]) at time 0."""
        self.parameters = parameters
        self.time = 0.0
        self.pose: NDArray[np.float64] = np.array(pose, dtype=np.float64)
        self.twist: NDArray[np.float64] = np.zeros(3)
        self._odometric_pose = self.pose.copy()
        self._speeds: deque[tuple[float, float, float]] = deque()  # time, vx, vy
        self._turns: deque[tuple[float, float]] = deque()  # time, turning rate or steering angle
        self._speed = (0.0, 0.0)  # in effect [m/s]
        self._turn = 0.0  # in effect, [rad/s] or [rad]
        self._steering = 0.0  # [rad] angle of a car's wheels
        self._rng = np.random.default_rng(seed)

    @property
    def _steered(self) -> bool:
        return self.parameters.motion_model == 'ackermann'

    def command(self, command: Command, now: float) -> None:
        """Queue a command sent at the time `now` [s]; each axis executes it after its delay."""
        p, limits = self.parameters, self.parameters.limits
        vx = min(max(command.vx, limits.vx_min), limits.vx_max)
        vx = p.speed_gain * _apply_dead_band(vx, p.dead_band_linear)
        vy = 0.0
        if p.motion_model == 'omni':
            vy = p.speed_gain * _apply_dead_band(
                min(max(command.vy, -limits.vy_max), limits.vy_max), p.dead_band_linear
            )
        self._speeds.append((now + p.delay_linear, vx, vy))
        if not self._steered:
            wz = min(max(command.wz, -limits.wz_max), limits.wz_max)
            turn = p.yaw_gain * _apply_dead_band(wz, p.dead_band_angular)
        elif command.vx:
            most = math.atan(limits.wheelbase / limits.turning_radius_min)
            turn = math.atan(limits.wheelbase * command.wz / command.vx)
            turn = min(max(turn, -most), most)
        else:
            turn = self._turns[-1][1] if self._turns else self._turn
        self._turns.append((now + p.delay_angular, turn))

    def advance(self, duration: float) -> None:
        """Advance by a duration [s]."""
        end = self.time + duration
        while self.time < end - 1e-12:
            due = self.time + 1e-12
            while self._speeds and self._speeds[0][0] <= due:
                self._speed = self._speeds.popleft()[1:]
            while self._turns and self._turns[0][0] <= due:
                self._turn = self._turns.popleft()[1]
            until = min(end, self.time + MAX_INTEGRATION_STEP)
            for queue in (self._speeds, self._turns):
                if queue:
                    until = min(until, queue[0][0])
            self._step(until - self.time)
            self.time = until

    def odometry(self, stamp: float) -> Odometry:
        """Return a measurement of pose and twist with the given stamp [s]."""
        p = self.parameters
        noise = self._rng.standard_normal(5)
        pose = self._odometric_pose if p.drifts else self.pose
        scale = 1.0 + p.odom_scale_error
        vy = 0.0
        if p.motion_model == 'omni':
            vy = float(scale * self.twist[1] + p.speed_noise * self._rng.standard_normal())
        return Odometry(
            stamp=stamp,
            x=float(pose[0] + p.pose_noise * noise[0]),
            y=float(pose[1] + p.pose_noise * noise[1]),
            yaw=math.remainder(pose[2] + p.yaw_noise * noise[2], math.tau),
            vx=float(scale * self.twist[0] + p.speed_noise * noise[3]),
            vy=vy,
            wz=float(scale * self.twist[2] + p.speed_noise * noise[4]),
        )

    def _step(self, dt: float) -> None:
        p, limits = self.parameters, self.parameters.limits
        v, vy, w = self.twist
        share = apply_lag(dt, p.lag_linear)
        dv = held(share * (self._speed[0] - v), v, limits.ax_max * dt, -limits.ax_min * dt)
        dvy = held(share * (self._speed[1] - vy), vy, limits.ay_max * dt, -limits.ay_min * dt)
        if self._steered:
            dw = self._steer(dt, v + dv) - w
        else:
            most = limits.az_max * dt
            dw = min(max(apply_lag(dt, p.lag_angular) * (self._turn - w), -most), most)
        forward, lateral, turn = (v + 0.5 * dv) * dt, (vy + 0.5 * dvy) * dt, (w + 0.5 * dw) * dt
        self.twist[:] = v + dv, vy + dvy, w + dw
        move(self.pose, forward, lateral, turn)
        scale = 1.0 + p.odom_scale_error
        move(self._odometric_pose, scale * forward, scale * lateral, scale * turn)

    def _steer(self, dt: float, v: float) -> float:
        """Steer the wheels of a car for dt [s]; return its turning rate at a speed [rad/s]."""
        p, limits = self.parameters, self.parameters.limits
        turn = apply_lag(dt, p.lag_angular) * (self._turn - self._steering)
        most = limits.steering_rate * dt
        self._steering += min(max(turn, -most), most)
        turn = p.yaw_gain * v * math.tan(self._steering) / limits.wheelbase
        held = (p.grip or limits.ay_max) / max(abs(v), 1e-9)
        return min(max(turn, -held), held)


def _apply_dead_band(command: float, dead: float) -> float:
    """Return the command outside the dead band, 0 within it."""
    return command if abs(command) >= dead else 0.0


def held(change: float, speed: float, rise: float, fall: float) -> float:
    """Limit the change of a speed by speeding up and slowing down."""
    up, down = (rise if speed >= 0.0 else fall), (fall if speed > 0.0 else rise)
    return min(max(change, -down), up)


def apply_lag(dt: float, lag: float) -> float:
    """Return the share of the difference to the target that a lag covers in dt [s]."""
    return 1.0 - math.exp(-dt / lag) if lag > 0.0 else 1.0


def move(pose: NDArray[np.float64], forward: float, lateral: float, turn: float) -> None:
    """Move a pose along an arc: its chord, forward · sinc(turn/2), is at half of the turn."""
    half = 0.5 * turn
    share = math.sin(half) / half if half else 1.0
    ahead, left = share * forward, share * lateral
    c, s = math.cos(pose[2] + half), math.sin(pose[2] + half)
    pose[0] += ahead * c - left * s
    pose[1] += ahead * s + left * c
    pose[2] = math.remainder(pose[2] + turn, math.tau)
