"""What a robot may do and should like: limits, body, plant model, goal, critics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

from mppi_ros.parameters.declaration import group, parameter
from mppi_ros.parameters.errors import ParameterError


@dataclass(frozen=True)
class Limits:
    """Bounds of speed and acceleration, in the robot's frame (x forward, yaw to the left)."""

    vx_max: float = parameter(0.5, 'top speed forward', unit='m/s', low=0.01, high=20.0)
    vx_min: float = parameter(
        -0.2, 'top speed backward (negative; 0 forbids reversing)', unit='m/s', low=-20.0, high=0.0
    )
    vy_max: float = parameter(
        0.5, 'top speed sideways (omni); an ellipse through it and vx_max bounds the speed',
        unit='m/s', low=0.01, high=20.0,
    )
    wz_max: float = parameter(1.9, 'top turning rate', unit='rad/s', low=0.01, high=20.0)
    ax_max: float = parameter(1.0, 'greatest acceleration', unit='m/s²', low=0.01, high=50.0)
    ax_min: float = parameter(
        -1.5, 'greatest deceleration (negative)', unit='m/s²', low=-50.0, high=-0.01
    )
    ay_max: float = parameter(
        1.0,
        'greatest acceleration sideways: of vy (omni), or centripetal in a curve (ackermann)',
        unit='m/s²',
        low=0.01,
        high=50.0,
    )
    ay_min: float = parameter(
        -1.5, 'greatest deceleration sideways (omni; negative)', unit='m/s²', low=-50.0,
        high=-0.01,
    )
    az_max: float = parameter(
        3.2, 'greatest angular acceleration', unit='rad/s²', low=0.01, high=100.0
    )
    turning_radius_min: float = parameter(
        0.75, 'radius of the turning circle, at the rear axle (ackermann)', unit='m', low=0.05,
        high=100.0,
    )
    wheelbase: float = parameter(
        0.33, 'distance between the axles (ackermann)', unit='m', low=0.01, high=20.0
    )
    steering_rate: float = parameter(
        3.2, 'top speed of the steering angle (ackermann)', unit='rad/s', low=0.01, high=100.0
    )

    @property
    def curvature_rate(self) -> float:
        """
        Return how fast the curvature of a car may change [1/(m s)].

        κ = tan(δ) / L changes by δ' / (L cos² δ): at δ = 0, so bounded, by no more than the wheels
        can at any angle δ.
        """
        return self.steering_rate / self.wheelbase


@dataclass(frozen=True)
class RobotParameters:
    """The body seen from above."""

    radius: float = parameter(
        0.22, 'radius of a round robot, used without footprint', unit='m', low=0.01, high=10.0
    )
    footprint: tuple[float, ...] = parameter(
        (),
        'corners of the body as x, y, x, y, ... in the base frame; empty for a round robot',
        unit='m',
        low=-20.0,
        high=20.0,
    )

    def __post_init__(self) -> None:
        if self.footprint and (len(self.footprint) < 6 or len(self.footprint) % 2):
            raise ParameterError(
                f'robot.footprint has {len(self.footprint)} numbers; at least three corners '
                f'x, y are expected'
            )


@dataclass(frozen=True)
class PredictionParameters:
    """
    The plant as the controller believes it: delay and lag between command and motion.

    The defaults are those of a robot between a light and a heavy one: a model that is too slow
    costs little, one that is too fast makes the robot weave.
    """

    delay_linear: float = parameter(
        0.1, 'time from a command to its first effect on the speed', unit='s', low=0.0, high=1.0
    )
    delay_angular: float = parameter(
        0.1, 'time from a command to its first effect on the turning rate, or on the steering',
        unit='s', low=0.0, high=1.0,
    )
    lag_linear: float = parameter(
        0.15, 'time constant of the speed', unit='s', low=0.0, high=2.0
    )
    lag_angular: float = parameter(
        0.2, 'time constant of the turning rate, or of the steering', unit='s', low=0.0, high=2.0
    )
    gain_linear: float = parameter(
        1.0, 'share of a commanded speed that the robot drives', low=0.5, high=1.5
    )
    gain_angular: float = parameter(
        1.0, 'share of a commanded turning rate that the robot turns by', low=0.5, high=1.5
    )
    dead_band_linear: float = parameter(
        0.0, 'speed below which a command does nothing', unit='m/s', low=0.0, high=1.0
    )
    dead_band_angular: float = parameter(
        0.0, 'turning rate below which a command does nothing (not ackermann)', unit='rad/s',
        low=0.0, high=2.0,
    )

    @property
    def first_delay(self) -> float:
        """Return the time from a command to its first effect on any axis [s]."""
        return min(self.delay_linear, self.delay_angular)


@dataclass(frozen=True)
class GoalParameters:
    """When the robot has arrived."""

    position_tolerance: float = parameter(
        0.15, 'distance to the goal at which it is reached', unit='m', low=0.01, high=5.0
    )
    heading_tolerance: float = parameter(
        0.2,
        'heading error at which the goal is reached; π accepts any heading',
        unit='rad',
        low=0.01,
        high=3.15,
    )

    def accepts(
        self, pose: Sequence[float], goal: Sequence[float], slack: float = 0.0
    ) -> bool:
        """
        Return whether a pose is within the tolerances of the goal.

        Parameters
        ----------
        pose, goal : (float, float, float)
            x [m], y [m], yaw [rad].
        slack : float
            Added to both tolerances [m] [rad].

        """
        near = math.dist(goal[:2], pose[:2]) <= self.position_tolerance + slack
        turn = abs(math.remainder(pose[2] - goal[2], math.tau))
        return near and turn <= self.heading_tolerance + slack


@dataclass(frozen=True)
class Obstacle:
    """Keep away from obstacles; a collision costs more than any detour."""

    weight: float = parameter(
        1.0, 'cost rate at contact, falling to 0 over the margin', unit='s/s', low=0.0, high=1e4
    )
    margin: float = parameter(
        0.2, 'clearance below which nearness costs', unit='m', low=0.01, high=5.0
    )
    collision: float = parameter(
        100.0, 'cost of a step in collision', unit='s/s', low=0.0, high=1e6
    )


@dataclass(frozen=True)
class ClearanceSpeed:
    """Price speed near obstacles: what is free grows with the clearance, up to the top speed."""

    weight: float = parameter(
        8.0, 'cost rate of the squared excess, as a share of top speed', low=0.0, high=1e4
    )
    speed_at_contact: float = parameter(
        0.25, 'share of top speed that is free at contact', low=0.0, high=1.0
    )
    full_speed_clearance: float = parameter(
        0.25, 'clearance from which on top speed is free', unit='m', low=0.01, high=10.0
    )

    def free_speed(self, vx_max: float) -> tuple[float, float]:
        """Return the speed that is free at contact [m/s], and its growth with clearance [1/s]."""
        at_contact = self.speed_at_contact * vx_max
        return at_contact, (vx_max - at_contact) / self.full_speed_clearance


@dataclass(frozen=True)
class Tracking:
    """Stay on the path: a cost on the cross-track distance that is bounded far away."""

    weight: float = parameter(
        1.0, 'cost rate far off the path, half of it at one scale', low=0.0, high=1e4
    )
    scale: float = parameter(
        0.15, 'distance at which half of the weight is charged', unit='m', low=0.01, high=5.0
    )


@dataclass(frozen=True)
class PathHeading:
    """Point along the path."""

    weight: float = parameter(0.1, 'cost rate of 1 − cos(heading error)', low=0.0, high=1e4)


@dataclass(frozen=True)
class Progress:
    """
    Get on: the time to the end of the path, charged at the end of the horizon.

    Turning into the path takes its time, too, or driving backward.
    """

    weight: float = parameter(1.0, 'cost per second left to drive', low=0.0, high=1e4)


@dataclass(frozen=True)
class GoalPosition:
    """Be at the goal: a cost rate on the distance to it, felt near the goal only."""

    weight: float = parameter(4.0, 'cost rate at one metre off', low=0.0, high=1e4)


@dataclass(frozen=True)
class GoalHeading:
    """
    Face as the goal says: a cost rate on the heading error, felt near the goal only.

    It must grow more slowly towards the goal than the cost of the distance falls; else a robot
    that faces the wrong way stays where the heading begins to count.
    """

    weight: float = parameter(
        0.5, 'cost rate of 2 sin(heading error / 2)', low=0.0, high=1e4
    )


@dataclass(frozen=True)
class GoalStop:
    """Come to the goal slowly, so as not to overshoot: |v| above a share of the distance costs."""

    weight: float = parameter(
        10.0, 'cost rate per squared speed in excess', unit='s/m²·s', low=0.0, high=1e4
    )
    speed_per_metre: float = parameter(
        1.5,
        'speed that is free for each metre to the goal; heavy robots need less',
        unit='1/s',
        low=0.1,
        high=100.0,
    )


@dataclass(frozen=True)
class Twirling:
    """Turn no more than needed."""

    weight: float = parameter(
        0.05, 'cost rate at full turning rate, squared', low=0.0, high=1e4,
        former_name='critics.effort.weight',
    )  # fmt: skip


@dataclass(frozen=True)
class Smoothness:
    """Change the command gently."""

    weight: float = parameter(
        0.05, 'cost rate at the full acceleration limits, squared', low=0.0, high=1e4
    )


@dataclass(frozen=True)
class PreferForward:
    """Prefer driving forward."""

    weight: float = parameter(
        1.0, 'cost rate of reversing at full speed', low=0.0, high=1e4,
        former_name='critics.forward.weight',
    )  # fmt: skip


@dataclass(frozen=True)
class CriticParameters:
    """All critics; every cost is in seconds, so a weight of 1 is worth one second of delay."""

    obstacle: Obstacle = group(Obstacle)
    clearance_speed: ClearanceSpeed = group(ClearanceSpeed)
    path_tracking: Tracking = group(Tracking)
    path_heading: PathHeading = group(PathHeading)
    progress: Progress = group(Progress)
    goal_position: GoalPosition = group(GoalPosition)
    goal_heading: GoalHeading = group(GoalHeading)
    goal_stop: GoalStop = group(GoalStop)
    twirling: Twirling = group(Twirling)
    smoothness: Smoothness = group(Smoothness)
    prefer_forward: PreferForward = group(PreferForward)
