"""
Parameters of the robot and of driving: limits, footprint, plant model, goal, critics.

More than 400 lines: most are declarations, one for each parameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

from mppi_ros.parameters.declaration import group, parameter
from mppi_ros.parameters.errors import ParameterError


@dataclass(frozen=True)
class Limits:
    """Limits of speed and acceleration in the robot's frame (x forward, y and yaw left)."""

    vx_max: float = parameter(0.5, 'maximum forward speed', unit='m/s', low=0.01, high=20.0)
    vx_min: float = parameter(
        -0.2, 'maximum backward speed (negative; 0 forbids reversing)', unit='m/s', low=-20.0,
        high=0.0,
    )
    vy_max: float = parameter(
        0.5, 'maximum lateral speed (omni); an ellipse through it and vx_max limits the speed',
        unit='m/s', low=0.01, high=20.0,
    )
    wz_max: float = parameter(1.9, 'maximum turning rate', unit='rad/s', low=0.01, high=20.0)
    ax_max: float = parameter(1.0, 'maximum acceleration', unit='m/s²', low=0.01, high=50.0)
    ax_min: float = parameter(
        -1.5, 'maximum deceleration (negative)', unit='m/s²', low=-50.0, high=-0.01
    )
    ay_max: float = parameter(
        1.0,
        'maximum lateral acceleration: centripetal (diff_drive, ackermann), or of vy (omni)',
        unit='m/s²',
        low=0.01,
        high=50.0,
    )
    ay_min: float = parameter(
        -1.5, 'maximum lateral deceleration (omni; negative)', unit='m/s²', low=-50.0,
        high=-0.01,
    )
    az_max: float = parameter(
        3.2, 'maximum angular acceleration', unit='rad/s²', low=0.01, high=100.0
    )
    turning_radius_min: float = parameter(
        0.75, 'minimum turning radius at the rear axle (ackermann)', unit='m', low=0.05,
        high=100.0,
    )
    wheelbase: float = parameter(
        0.33, 'distance between the axles (ackermann)', unit='m', low=0.01, high=20.0
    )
    steering_rate: float = parameter(
        3.2, 'maximum rate of the steering angle (ackermann)', unit='rad/s', low=0.01, high=100.0
    )

    @property
    def curvature_rate(self) -> float:
        """
        Return the maximum rate of the curvature of a car [1/(m s)].

        The curvature κ = tan(δ) / L changes by δ' / (L cos² δ). The value at δ = 0 is the lowest,
        so the wheels can follow at any angle δ.
        """
        return self.steering_rate / self.wheelbase


@dataclass(frozen=True)
class RobotParameters:
    """Shape of the body seen from above."""

    radius: float = parameter(
        0.22, 'radius of a round robot, used if footprint is empty', unit='m', low=0.01, high=10.0
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
    Model of the plant: delay, lag, gain and dead band between command and motion.

    The defaults are between those of a light and a heavy robot. A model that is too slow costs
    little; one that is too fast makes the robot weave.
    """

    delay_linear: float = parameter(
        0.1, 'time from a command to its first effect on the speed', unit='s', low=0.0, high=1.0
    )
    delay_angular: float = parameter(
        0.1, 'time from a command to its first effect on the turning rate or the steering',
        unit='s', low=0.0, high=1.0,
    )
    lag_linear: float = parameter(
        0.15, 'time constant of the speed', unit='s', low=0.0, high=2.0
    )
    lag_angular: float = parameter(
        0.2, 'time constant of the turning rate or the steering', unit='s', low=0.0, high=2.0
    )
    gain_linear: float = parameter(
        1.0, 'ratio of achieved to commanded speed', low=0.2, high=1.5
    )
    gain_angular: float = parameter(
        1.0, 'ratio of achieved to commanded turning rate', low=0.2, high=1.5
    )
    dead_band_linear: float = parameter(
        0.0, 'commands below this speed have no effect', unit='m/s', low=0.0, high=1.0
    )
    dead_band_angular: float = parameter(
        0.0, 'commands below this turning rate have no effect (not ackermann)', unit='rad/s',
        low=0.0, high=2.0,
    )
    characteristic_speed: float = parameter(
        0.0,
        'speed at which a car turns half as much as its wheels are steered, as its tyres slip '
        '(ackermann); 0: they do not slip',
        unit='m/s', low=0.0, high=1000.0,
    )
    rear_slip: float = parameter(
        0.0, 'slip angle of the rear tyres of a car per lateral acceleration (ackermann)',
        unit='rad s²/m', low=0.0, high=1.0,
    )
    tyre_grip: float = parameter(
        0.0,
        'lateral acceleration that the tyres of a car approach as their slip grows (ackermann); '
        '0: proportional to the slip',
        unit='m/s²', low=0.0, high=100.0,
    )
    com_height: float = parameter(
        0.0,
        'height of the centre of mass of a car, by which braking shifts the load to the front '
        'tyres (ackermann)',
        unit='m', low=0.0, high=5.0,
    )
    gyration_radius: float = parameter(
        0.0,
        'radius of gyration of a car about its vertical axis, by which its turning rate follows '
        'the forces of the tyres late (ackermann)',
        unit='m', low=0.0, high=20.0,
    )

    @property
    def first_delay(self) -> float:
        """Return the time from a command to its first effect on any axis [s]."""
        return min(self.delay_linear, self.delay_angular)


@dataclass(frozen=True)
class GoalParameters:
    """Tolerances at the goal, with the semantics of Nav2's goal checkers."""

    position_tolerance: float = parameter(
        0.15, 'distance at which the goal is reached', unit='m', low=0.01, high=5.0
    )
    heading_tolerance: float = parameter(
        0.2,
        'heading error at which the goal is reached; π accepts any heading',
        unit='rad',
        low=0.01,
        high=3.15,
    )
    symmetric_yaw_tolerance: bool = parameter(
        False,
        'the heading opposite to that of the goal is accepted, too, and the robot turns to the '
        'nearer one; for robots that work in both directions',
    )
    stateful: bool = parameter(
        False,
        'once the position of the goal is reached, only the heading is checked, even if the robot '
        'leaves the position as it turns',
    )
    position_tolerance_buffer: float = parameter(
        0.0,
        'distance beyond position_tolerance at which a stateful position is checked again; 0 '
        'never checks it again',
        unit='m',
        low=0.0,
        high=5.0,
    )
    trans_stopped_velocity: float = parameter(
        0.05, 'measured speed up to which the robot counts as stopped at the goal', unit='m/s',
        low=0.001, high=20.0,
    )
    rot_stopped_velocity: float = parameter(
        0.1, 'measured turning rate up to which the robot counts as stopped at the goal',
        unit='rad/s', low=0.001, high=20.0,
    )

    def accepts(
        self,
        pose: Sequence[float],
        goal: Sequence[float],
        slack: float = 0.0,
        position_reached: bool = False,
    ) -> bool:
        """
        Return whether a pose is within the tolerances of the goal.

        Parameters
        ----------
        pose, goal : (float, float, float)
            x [m], y [m], yaw [rad].
        slack : float
            Added to both tolerances [m] [rad].
        position_reached : bool
            Check the heading only.

        """
        away = 0.0 if position_reached else math.dist(goal[:2], pose[:2])
        period = math.pi if self.symmetric_yaw_tolerance else math.tau
        turn = abs(math.remainder(pose[2] - goal[2], period))
        return away <= self.position_tolerance + slack and turn <= self.heading_tolerance + slack

    def is_stopped(self, speed: float, turn_rate: float) -> bool:
        """Return whether a measured speed [m/s] and turning rate [rad/s] count as stopped."""
        return speed <= self.trans_stopped_velocity and abs(turn_rate) <= self.rot_stopped_velocity


@dataclass(frozen=True)
class Obstacle:
    """Cost of small clearance and of collision, which exceeds that of any detour."""

    weight: float = parameter(
        1.0, 'cost rate at contact, decreasing to 0 at the margin', unit='s/s', low=0.0, high=1e4
    )
    margin: float = parameter(
        0.2, 'clearance below which a cost applies', unit='m', low=0.01, high=5.0
    )
    collision: float = parameter(
        100.0, 'cost of a step in collision', unit='s/s', low=0.0, high=1e6
    )


@dataclass(frozen=True)
class MovingObstacle:
    """
    Cost of a small distance to the predicted moving obstacles, and expected cost of contact.

    It is larger than that of static obstacles, since people want room and may turn. A moving
    obstacle counts as a person if a detector says so, or without a detector by size and speed.
    """

    weight: float = parameter(
        1.0, 'cost rate at contact, decreasing to 0 at the comfort distance', unit='s/s', low=0.0,
        high=1e4,
    )
    comfort_distance: float = parameter(
        0.4, 'distance to a person below which a cost applies', unit='m', low=0.01, high=5.0
    )
    object_distance: float = parameter(
        0.2, 'distance to another moving obstacle, such as a vehicle, below which a cost applies',
        unit='m', low=0.01, high=5.0,
    )
    collision: float = parameter(
        100.0, 'cost rate of contact, multiplied by its chance', unit='s/s', low=0.0, high=1e6
    )


@dataclass(frozen=True)
class ClearanceSpeed:
    """Cost of speed near obstacles: the free speed grows with the clearance up to top speed."""

    weight: float = parameter(
        8.0, 'cost rate of the squared speed in excess, relative to top speed', low=0.0, high=1e4
    )
    speed_at_contact: float = parameter(
        0.25, 'share of top speed that is free at contact', low=0.0, high=1.0
    )
    full_speed_clearance: float = parameter(
        0.25, 'clearance from which on top speed is free', unit='m', low=0.01, high=10.0
    )

    def free_speed(self, vx_max: float) -> tuple[float, float]:
        """Return the free speed at contact [m/s] and its increase with clearance [1/s]."""
        at_contact = self.speed_at_contact * vx_max
        return at_contact, (vx_max - at_contact) / self.full_speed_clearance


@dataclass(frozen=True)
class Tracking:
    """Cost of the cross-track distance, bounded far from the path."""

    weight: float = parameter(
        1.0, 'cost rate far from the path, half of it at one scale', low=0.0, high=1e4
    )
    scale: float = parameter(
        0.15, 'distance at which half of the weight applies', unit='m', low=0.01, high=5.0
    )


@dataclass(frozen=True)
class PathHeading:
    """Cost of the heading error relative to the path."""

    weight: float = parameter(0.1, 'cost rate of 1 − cos(heading error)', low=0.0, high=1e4)


@dataclass(frozen=True)
class Progress:
    """Cost of the time to the end of the path after the horizon, with turning or reversing."""

    weight: float = parameter(1.0, 'cost per remaining second', low=0.0, high=1e4)


@dataclass(frozen=True)
class GoalPosition:
    """Cost of the distance to the goal, near the goal only."""

    weight: float = parameter(4.0, 'cost rate at a distance of one metre', low=0.0, high=1e4)


@dataclass(frozen=True)
class GoalHeading:
    """
    Cost of the heading error relative to the goal, near the goal only.

    It must increase more slowly toward the goal than the cost of the distance decreases. Otherwise
    a robot with a wrong heading stops where the heading begins to count.
    """

    weight: float = parameter(
        0.5, 'cost rate of 2 sin(heading error / 2)', low=0.0, high=1e4
    )


@dataclass(frozen=True)
class GoalStop:
    """Cost of the speed above a share of the distance to the goal, against overshoot."""

    weight: float = parameter(
        10.0, 'cost rate per squared speed in excess', unit='s/m²·s', low=0.0, high=1e4
    )
    speed_per_metre: float = parameter(
        1.5,
        'free speed per metre of distance to the goal; reduce it for heavy robots',
        unit='1/s',
        low=0.1,
        high=100.0,
    )


@dataclass(frozen=True)
class Twirling:
    """Cost of the turning rate."""

    weight: float = parameter(
        0.05, 'cost rate at full turning rate, squared', low=0.0, high=1e4,
        former_name='critics.effort.weight',
    )  # fmt: skip


@dataclass(frozen=True)
class Smoothness:
    """Cost of changes of the command."""

    weight: float = parameter(
        0.05, 'cost rate at the full acceleration limits, squared', low=0.0, high=1e4
    )


@dataclass(frozen=True)
class PreferForward:
    """Cost of reversing."""

    weight: float = parameter(
        1.0, 'cost rate of reversing at full speed', low=0.0, high=1e4,
        former_name='critics.forward.weight',
    )  # fmt: skip


@dataclass(frozen=True)
class Zone:
    """
    Cost of the way through graded costs of the costmap that are no inflation.

    It is charged per metre: standing still in a zone costs nothing.
    """

    weight: float = parameter(
        0.0, 'cost per metre at the highest graded cost, proportional to the cost of the cell',
        unit='s/m', low=0.0, high=1e4,
    )  # fmt: skip
    inflation_radius: float = parameter(
        0.55,
        'distance to an obstacle within which graded costs may be inflation; at least '
        'inflation_radius of the costmap',
        unit='m',
        low=0.0,
        high=10.0,
    )


@dataclass(frozen=True)
class ZoneSpeed:
    """Cost of speed in zones: the free speed decreases with the graded cost."""

    weight: float = parameter(
        0.0, 'cost rate of the squared speed in excess, relative to top speed', low=0.0, high=1e4
    )
    speed_at_full_cost: float = parameter(
        0.2, 'share of top speed that is free at the highest graded cost', low=0.01, high=1.0
    )


@dataclass(frozen=True)
class CriticParameters:
    """All critics; costs are in seconds, so a weight of 1 is worth one second of delay."""

    obstacle: Obstacle = group(Obstacle)
    moving_obstacle: MovingObstacle = group(MovingObstacle)
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
    zone: Zone = group(Zone)
    zone_speed: ZoneSpeed = group(ZoneSpeed)

    @property
    def charge_zones(self) -> bool:
        """Return whether a critic charges the graded costs of the costmap."""
        return self.zone.weight > 0.0 or self.zone_speed.weight > 0.0
