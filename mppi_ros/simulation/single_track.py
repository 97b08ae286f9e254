"""Simulated car with slipping tyres: the single-track model."""

from __future__ import annotations

from dataclasses import dataclass, replace
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.control.parameters import ControllerParameters
from mppi_ros.parameters.errors import InputError
from mppi_ros.simulation.physics import PhysicsParameters
from mppi_ros.simulation.plant import Plant, PlantParameters, apply_lag, held, move

GRAVITY = 9.81  # [m/s²]
KINEMATIC_SPEED, DYNAMIC_SPEED = 0.5, 1.0  # [m/s] between which the models are blended
SLIDING_STEP = 0.0025  # [s]

State = tuple[float, float]  # lateral speed of the centre of mass [m/s], turning rate [rad/s]


@dataclass(frozen=True)
class Car:
    """
    Parameters of a car.

    Attributes
    ----------
    friction : float
        Coefficient of friction μ.
    front_stiffness, rear_stiffness : float
        Cornering stiffness of an axle, relative to μ times its load [1/rad].
    front, rear : float
        Distance of the axles from the centre of mass [m].
    height : float
        Of the centre of mass [m].
    mass, inertia : float
        [kg] and about the vertical axis [kg m²].
    steering, steering_rate : float
        Largest angle [rad] and rate [rad/s].
    acceleration : float
        Of the drive [m/s²].

    """

    friction: float
    front_stiffness: float
    rear_stiffness: float
    front: float
    rear: float
    height: float
    mass: float
    inertia: float
    steering: float
    steering_rate: float
    acceleration: float

    @property
    def wheelbase(self) -> float:
        """Return the distance between the axles [m]."""
        return self.front + self.rear


# f1tenth: f1tenth_gym, f110_env.py. bmw_320i: vehicle 2 of commonroad-vehicle-models.
CARS = {
    'f1tenth': Car(
        1.0489, 4.718, 5.4562, 0.15875, 0.17145, 0.074, 3.74, 0.04712, 0.4189, 3.2, 9.51
    ),
    'bmw_320i': Car(
        1.0489, 20.898, 20.898, 1.1561957064, 1.4227170936, 0.61373004, 1093.2952334674046,
        1791.5995300122856, 1.066, 0.4, 11.5,
    ),
}  # fmt: skip


def car_of(configuration: ControllerParameters) -> str:
    """
    Return the name of the car with the nearest wheelbase.

    Raises
    ------
    InputError
        The robot is no car.

    """
    if configuration.motion_model != 'ackermann':
        raise InputError(
            f'--physics single_track is that of a car: motion_model = '
            f'{configuration.motion_model!r} is not ackermann'
        )
    wanted = configuration.limits.wheelbase
    return min(CARS, key=lambda name: abs(CARS[name].wheelbase - wanted))


class SingleTrackPlant(Plant):
    """
    A car whose tyres slip: front and rear axle are one wheel each.

    The lateral force of an axle is μ F_z tanh(C α) of its slip angle α: that of the linear model
    of commonroad-vehicle-models for small angles, and limited by friction, of which driving and
    braking leave the rest of the circle. Speed and steering follow commands with the delays and
    lags of `parameters`, within the limits of the car. Below KINEMATIC_SPEED and in reverse the
    wheels roll without slip.
    """

    def __init__(
        self,
        physics: PhysicsParameters,
        parameters: PlantParameters,
        pose: ArrayLike,
        seed: int = 0,
    ) -> None:
        """
        Start at rest at pose float[3] (x, y [m], yaw [rad] of the rear axle) at time 0.

        Raises
        ------
        InputError
            No such car.

        """
        if physics.robot not in CARS:
            raise InputError(f'unknown car {physics.robot!r}; there are {", ".join(CARS)}')
        self.car = car = CARS[physics.robot]
        limits = parameters.limits
        limits = replace(
            limits,
            wheelbase=car.wheelbase,
            turning_radius_min=car.wheelbase / math.tan(car.steering),
            steering_rate=car.steering_rate,
            ax_max=min(limits.ax_max, car.acceleration),
            ax_min=max(limits.ax_min, -car.acceleration),
        )
        super().__init__(replace(parameters, motion_model='ackermann', limits=limits), pose, seed)

    def _step(self, dt: float) -> None:
        p, limits = self.parameters, self.parameters.limits
        v = float(self.twist[0])
        most = limits.steering_rate * dt
        turn = apply_lag(dt, p.lag_angular) * (self._turn - self._steering)
        self._steering += min(max(turn, -most), most)
        dv = apply_lag(dt, p.lag_linear) * (self._speed[0] - v)
        dv = held(dv, v, limits.ax_max * dt, -limits.ax_min * dt)
        state = self.twist[1] + self.twist[2] * self.car.rear, self.twist[2]
        after = self._slide(dt, v + 0.5 * dv, dv / dt if dt > 0.0 else 0.0, state)
        if v > DYNAMIC_SPEED:  # a car that slides sideways has turned away from its motion
            dv += state[0] * state[1] * dt
        lateral = after[0] - after[1] * self.car.rear  # [m/s] of the rear axle
        motion: NDArray[np.float64] = np.array([v + dv, lateral, after[1]])
        middle = 0.5 * (self.twist + motion) * dt
        self.twist[:] = motion
        move(self.pose, *middle)
        scale = 1.0 + p.odom_scale_error
        move(self._odometric_pose, *(scale * middle))

    def _slide(self, dt: float, v: float, acceleration: float, state: State) -> State:
        """Return lateral speed and turning rate after dt [s] at a speed [m/s]."""
        turn = v * math.tan(self._steering) / self.car.wheelbase
        rolling = turn * self.car.rear, turn
        if v <= KINEMATIC_SPEED:
            return rolling
        steps = max(math.ceil(dt / SLIDING_STEP), 1)
        for _ in range(steps):
            state = self._integrate(dt / steps, v, acceleration, state)
        share = min((v - KINEMATIC_SPEED) / (DYNAMIC_SPEED - KINEMATIC_SPEED), 1.0)
        return (
            share * state[0] + (1.0 - share) * rolling[0],
            share * state[1] + (1.0 - share) * rolling[1],
        )

    def _integrate(self, dt: float, v: float, acceleration: float, state: State) -> State:
        """Integrate by Heun's method over dt [s]."""
        first = self.rates(v, acceleration, self._steering, state)
        guess = state[0] + dt * first[0], state[1] + dt * first[1]
        second = self.rates(v, acceleration, self._steering, guess)
        return (
            state[0] + 0.5 * dt * (first[0] + second[0]),
            state[1] + 0.5 * dt * (first[1] + second[1]),
        )

    def rates(self, v: float, acceleration: float, steering: float, state: State) -> State:
        """
        Return the rates of lateral speed [m/s²] and turning rate [rad/s²].

        Parameters
        ----------
        v, acceleration : float
            Forward speed [m/s] and its rate [m/s²].
        steering : float
            Angle of the front wheels [rad].
        state : (float, float)
            Lateral speed of the centre of mass [m/s] and turning rate [rad/s].

        """
        car = self.car
        lateral, turn = state
        shift = acceleration * car.height / car.wheelbase  # of load to the rear, per mass [m/s²]
        front = GRAVITY * car.rear / car.wheelbase - shift
        rear = GRAVITY * car.front / car.wheelbase + shift
        used = min(abs(acceleration) / (car.friction * GRAVITY), 1.0)
        grip = car.friction * math.sqrt(1.0 - used * used)
        slip_front = steering - math.atan2(lateral + turn * car.front, v)
        slip_rear = -math.atan2(lateral - turn * car.rear, v)
        of_front = grip * front * math.tanh(car.front_stiffness * slip_front)
        of_rear = grip * rear * math.tanh(car.rear_stiffness * slip_rear)
        return (
            of_front + of_rear - v * turn,
            car.mass * (car.front * of_front - car.rear * of_rear) / car.inertia,
        )
