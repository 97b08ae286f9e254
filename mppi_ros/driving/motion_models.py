"""
The motion models that rollout, prediction and plan check share: limits, first-order lag, pose.

Each model is the type of its parameters for one step, with its laws as plain functions. A kernel
that takes a model is compiled for its type, so each robot compiles and runs its own laws alone;
called from Python the same laws run in double precision.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.parameters import Limits, PredictionParameters
from mppi_ros.jit.simd import inline_jit, inline_njit, kernel, kernel_only, overload_by_type

Controls = tuple[float, ...]  # the controls of one step, as a command
MIN_DIVISOR = 1e-9  # [m/s] [1/m] keeps divisions finite
MIN_REVERSE_SHARE = 1e-3  # of top speed: less in reverse is none, and bounded by v_min alone
MAX_DELAY_STEPS = 31  # steps by which one axis may act after another
M = TypeVar('M', 'DiffDrive', 'Omni', 'Ackermann')
MIN_SPEED_FOR_CURVATURE = (
    0.1  # [m/s] below which a measured turning rate says little of how the wheels are turned
)


class MotionState(NamedTuple):
    """
    Pose and velocity of the robot.

    x, y [m], yaw [rad] in the planning frame; speed ahead v [m/s], turning rate w [rad/s], speed
    to the left vy [m/s], and the curvature [1/m] to which the wheels of a car are turned.
    """

    x: float
    y: float
    yaw: float
    v: float
    w: float
    vy: float = 0.0
    curvature: float = 0.0


@inline_njit
def integrate_pose(x: Any, y: Any, c: Any, s: Any, way: Any, angle: Any) -> Any:
    """
    Return the pose after `way` along the mean heading of a turn by `angle`.

    The heading (c, s) is rotated by polynomials of the small angle: no sine, no cosine.
    """
    q = angle * angle
    sine = angle * (
        np.float32(1.0)
        + q * (np.float32(-1 / 6) + q * (np.float32(1 / 120) - q * np.float32(1 / 5040)))
    )
    cosine = np.float32(1.0) + q * (
        np.float32(-0.5) + q * (np.float32(1 / 24) - q * np.float32(1 / 720))
    )
    next_c = c * cosine - s * sine
    next_s = s * cosine + c * sine
    half = np.float32(0.5) * way
    return x + half * (c + next_c), y + half * (s + next_s), next_c, next_s


@inline_jit
def apply_dead_band(command: Any, dead: Any) -> Any:
    """Return what a motor makes of a command: nothing within its dead band."""
    return command if abs(command) >= dead else np.float32(0.0) * command


@inline_jit
def _reachable(wanted: Any, last: Any, rise: Any, fall: Any) -> Any:
    """
    Return the value nearest to `wanted` that one step after `last` may have.

    Speeding up is limited by `rise`, slowing down by `fall`, whatever the direction. A step that
    passes rest slows down in a part of its time and speeds up in what is left of it: for `last`
    from −fall to 0 it ends at most at (1 − |last| / fall) rise. The bound is then the middle one
    of last + rise, last + fall and (rise / fall) last + rise, and likewise below.
    """
    least, most = min(rise, fall), max(rise, fall)
    beyond = rise / max(fall, np.float32(MIN_DIVISOR)) * last
    up = max(last + least, min(last + most, beyond + rise))
    down = min(last - least, max(last - most, beyond - rise))
    return min(max(wanted, down), up)


@inline_jit
def _rate_limited(wanted: Any, last: Any, low: Any, high: Any, rise: Any, fall: Any) -> Any:
    """Return the value nearest to `wanted` in [low, high] that one step after `last` may have."""
    return _reachable(min(max(wanted, low), high), last, rise, fall)


@inline_jit
def _excess(v: Any, vy: Any, model: Any) -> Any:
    """Return (v / v_max)² + (vy / vy_max)², at most 1 within the ellipse through both limits."""
    ahead = v * (model.inverse_v if v >= np.float32(0.0) else model.inverse_back)
    aside = vy * model.inverse_vy
    return ahead * ahead + aside * aside


@inline_jit
def _over_ground(wanted: Any, last: Any, model: Any, one: Any) -> Any:
    """
    Return v and vy near those `wanted` that the limits of both axes and the ellipse allow.

    A wanted velocity outside of the ellipse is scaled down in its own direction. Then v changes
    as fast as it may, up to what the ellipse leaves beside the least |vy| that one step can reach,
    and vy up to what it leaves beside that v. From within the ellipse both bounds can be kept, and
    on its edge the robot is never stuck. `one` is 1 in the number type of the model: a float32
    constant would round the float64 of Python.
    """
    zero = one - one
    v = min(max(wanted[0], model.v_min), model.v_max)
    vy = min(max(wanted[1], -model.vy_max), model.vy_max)
    shrink = one / np.sqrt(max(_excess(v, vy, model), one))
    slowest = max(abs(last[1]) - model.fall_y, zero) * model.inverse_vy
    left = np.sqrt(max(one - slowest * slowest, zero))
    v = min(max(shrink * v, left * model.v_min), left * model.v_max)
    v = _reachable(v, last[0], model.rise, model.fall)
    left = model.vy_max * np.sqrt(max(one - _excess(v, zero, model), zero))
    vy = min(max(shrink * vy, -left), left)
    return v, _reachable(vy, last[1], model.rise_y, model.fall_y)


class DiffDrive(NamedTuple):
    """
    Differential drive for one step of dt [s]; its controls are speed v and turning rate w.

    Speeds in [m/s] and [rad/s]; rise, fall, turn: greatest gain and loss of speed and change of
    turning rate in a step; follow: share 1 − exp(−dt/τ) of the way to the command that it covers.
    Commands below `dead` do nothing; an axis acts `later` steps after the one that acts first.
    """

    dt: Any
    v_min: Any
    v_max: Any
    w_max: Any
    rise: Any
    fall: Any
    turn: Any
    follow_v: Any
    follow_w: Any
    dead_v: Any
    dead_w: Any
    later_v: Any
    later_w: Any

    @classmethod
    def of(
        cls, limits: Limits, prediction: PredictionParameters, dt: float, number: Any = np.float32
    ) -> DiffDrive:
        """Return the model of a robot with these limits and answers, in a kind of numbers."""
        ahead = _ahead(limits, dt)
        values = (
            dt, *ahead[:2], limits.wz_max, *ahead[2:], limits.az_max * dt,
            *_answers(prediction, dt),
        )  # fmt: skip
        return cls(*(number(value) for value in values))

    @staticmethod
    def controls() -> int:
        """Return m."""
        return 2

    @staticmethod
    def apply_limits(wanted: Any, last: Any, model: Any) -> Any:
        """Each control has limits of its own."""
        v = _rate_limited(wanted[0], last[0], model.v_min, model.v_max, model.rise, model.fall)
        w = min(max(wanted[1], -model.w_max), model.w_max)
        return v, min(max(w, last[1] - model.turn), last[1] + model.turn)

    @staticmethod
    def scale_rate_limits(model: Any, steps: Any) -> Any:
        """Commands may change for so many steps at once."""
        return DiffDrive(
            model.dt, model.v_min, model.v_max, model.w_max, model.rise * steps,
            model.fall * steps, model.turn * steps, model.follow_v,
            model.follow_w, model.dead_v, model.dead_w, model.later_v,
            model.later_w,
        )  # fmt: skip

    @staticmethod
    def brake_command(last: Any, curvature: Any, model: Any) -> Any:
        """Brake along an arc of this curvature."""
        v, _ = apply_limits((0.0, 0.0), last, model)
        return apply_limits((v, curvature * v), last, model)

    @staticmethod
    def is_stop(command: Any, model: Any) -> Any:
        """Neither drive nor turn."""
        return command[0] == 0.0 and command[1] == 0.0

    @staticmethod
    def integrate(state: Any, command: Any, model: Any) -> Any:
        """Speed and turning rate follow the command, the pose moves with their means."""
        x, y, c, s, v, w, vy, curvature = state
        half = np.float32(0.5) * model.dt
        next_v = v + model.follow_v * (command[0] - v)
        next_w = w + model.follow_w * (command[1] - w)
        x, y, c, s = integrate_pose(x, y, c, s, half * (v + next_v), half * (w + next_w))
        return x, y, c, s, next_v, next_w, vy, curvature

    @staticmethod
    def ground_speed(v: Any, vy: Any, model: Any) -> Any:
        """Return the speed ahead: there is no other."""
        return v

    def with_speed_limit(self, speed: float, ahead: bool) -> DiffDrive:
        """Return the model of a robot that drives no faster than a speed [m/s], ahead or back."""
        return _with_speed_limit(self, speed, ahead)

    def twist(self, command: Controls) -> tuple[float, float, float]:
        """Return vx, vy [m/s], wz [rad/s] of a command."""
        return command[0], 0.0, command[1]

    def command_from_twist(self, state: MotionState, last: Controls) -> Controls:
        """Return the command that would keep a measured motion; `last` was sent before."""
        return _within((state.v, state.w), self.bounds)

    def curvature(self, command: Controls) -> float:
        """Return the curvature [1/m] that a command drives, 0 where it hardly moves."""
        return command[1] / command[0] if abs(command[0]) > MIN_DRIVING_SPEED else 0.0

    def evasive_curvature(self, speed: float) -> float:
        """Return a curvature [1/m] that leads well aside while braking from a speed [m/s]."""
        return float(self.w_max / max(self.v_max, -self.v_min))

    def sigma_scale(self, speed: float) -> tuple[float, ...] | None:
        """Return None: sample with the whole standard deviations at any speed."""
        return None

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Least and greatest value of each control."""
        return (self.v_min, self.v_max), (-self.w_max, self.w_max)


class Omni(NamedTuple):
    """
    Omnidirectional base for one step of dt [s]; its controls are v ahead, vy to the left, and w.

    Its fields are those of DiffDrive, and the same for vy. Speed over ground stays within the
    ellipse (v / v_max)² + (vy / vy_max)² ≤ 1, with v_min in the place of v_max where it reverses:
    across the axes the robot is no faster than along the faster of them. The fields inverse_…
    [s/m] are those of v_max, v_min and vy_max.
    """

    dt: Any
    v_min: Any
    v_max: Any
    vy_max: Any
    w_max: Any
    rise: Any
    fall: Any
    rise_y: Any
    fall_y: Any
    turn: Any
    follow_v: Any
    follow_w: Any
    dead_v: Any
    dead_w: Any
    later_v: Any
    later_w: Any
    inverse_v: Any
    inverse_back: Any
    inverse_vy: Any

    @classmethod
    def of(
        cls, limits: Limits, prediction: PredictionParameters, dt: float, number: Any = np.float32
    ) -> Omni:
        """Return the model of a robot with these limits and answers, in a kind of numbers."""
        ahead = _ahead(limits, dt)
        back = max(-limits.vx_min, MIN_REVERSE_SHARE * limits.vx_max)
        values = (
            dt, *ahead[:2], limits.vy_max, limits.wz_max, *ahead[2:], limits.ay_max * dt,
            -limits.ay_min * dt, limits.az_max * dt, *_answers(prediction, dt),
            1.0 / limits.vx_max, 1.0 / back, 1.0 / limits.vy_max,
        )  # fmt: skip
        return cls(*(number(value) for value in values))

    @staticmethod
    def controls() -> int:
        """Return m."""
        return 3

    @staticmethod
    def apply_limits(wanted: Any, last: Any, model: Any) -> Any:
        """Speed is bounded by the ellipse through the limits of both axes."""
        v, vy = _over_ground(wanted, last, model, one(model))
        w = min(max(wanted[2], -model.w_max), model.w_max)
        return v, vy, min(max(w, last[2] - model.turn), last[2] + model.turn)

    @staticmethod
    def scale_rate_limits(model: Any, steps: Any) -> Any:
        """Commands may change for so many steps at once."""
        return Omni(
            model.dt, model.v_min, model.v_max, model.vy_max, model.w_max,
            model.rise * steps, model.fall * steps, model.rise_y * steps,
            model.fall_y * steps, model.turn * steps, model.follow_v,
            model.follow_w, model.dead_v, model.dead_w, model.later_v, model.later_w,
            model.inverse_v, model.inverse_back, model.inverse_vy,
        )  # fmt: skip

    @staticmethod
    def brake_command(last: Any, curvature: Any, model: Any) -> Any:
        """Brake each axis, and turn by this curvature of the way ahead."""
        v, vy, _ = apply_limits((0.0, 0.0, 0.0), last, model)
        return apply_limits((v, vy, curvature * v), last, model)

    @staticmethod
    def is_stop(command: Any, model: Any) -> Any:
        """Neither drive nor turn."""
        return command[0] == 0.0 and command[1] == 0.0 and command[2] == 0.0

    @staticmethod
    def integrate(state: Any, command: Any, model: Any) -> Any:
        """Both speeds and the turning rate follow the command, the pose moves with their means."""
        x, y, c, s, v, w, vy, curvature = state
        half = np.float32(0.5) * model.dt
        next_v = v + model.follow_v * (command[0] - v)
        next_vy = vy + model.follow_v * (command[1] - vy)
        next_w = w + model.follow_w * (command[2] - w)
        x, y, next_c, next_s = integrate_pose(x, y, c, s, half * (v + next_v), half * (w + next_w))
        aside = np.float32(0.5) * half * (vy + next_vy)
        x, y = x - aside * (s + next_s), y + aside * (c + next_c)
        return x, y, next_c, next_s, next_v, next_w, next_vy, curvature

    @staticmethod
    def ground_speed(v: Any, vy: Any, model: Any) -> Any:
        """Return the speed in any direction."""
        return np.sqrt(v * v + vy * vy)

    def with_speed_limit(self, speed: float, ahead: bool) -> Omni:
        """Return the model of a robot that drives no faster than a speed [m/s] on any axis."""
        model = _with_speed_limit(_with_speed_limit(self, speed, True), speed, False)
        return model._replace(vy_max=min(self.vy_max, type(self.vy_max)(speed)))

    def twist(self, command: Controls) -> tuple[float, float, float]:
        """Return vx, vy [m/s], wz [rad/s] of a command."""
        return command[0], command[1], command[2]

    def command_from_twist(self, state: MotionState, last: Controls) -> Controls:
        """Return the command that would keep a measured motion; `last` was sent before."""
        v, vy, w = _within((state.v, state.vy, state.w), self.bounds)
        shrink = 1.0 / math.sqrt(max(float(_excess(v, vy, self)), 1.0))
        return v * shrink, vy * shrink, w

    def curvature(self, command: Controls) -> float:
        """Return the curvature [1/m] of the way ahead, 0 where there is hardly any."""
        return command[2] / command[0] if abs(command[0]) > MIN_DRIVING_SPEED else 0.0

    def evasive_curvature(self, speed: float) -> float:
        """Return a curvature [1/m] that leads well aside while braking from a speed [m/s]."""
        return float(self.w_max / max(self.v_max, -self.v_min))

    def sigma_scale(self, speed: float) -> tuple[float, ...] | None:
        """Return None: sample with the whole standard deviations at any speed."""
        return None

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Least and greatest value of each control."""
        w = self.w_max
        return (self.v_min, self.v_max), (-self.vy_max, self.vy_max), (-w, w)


class Ackermann(NamedTuple):
    """
    A car for one step of dt [s]; its controls are speed v and curvature [1/m] of the way.

    The pose is that of the middle of the rear axle. The curvature is bounded by the turning circle
    `sharpest`, by the turning rate |v · curvature| ≤ w_max and by the centripetal acceleration
    v² |curvature| ≤ grip [m/s²]; it changes by at most `steer` [1/m] in a step. The other fields
    are those of DiffDrive, w standing for the curvature.
    """

    dt: Any
    v_min: Any
    v_max: Any
    w_max: Any
    rise: Any
    fall: Any
    sharpest: Any
    steer: Any
    grip: Any
    follow_v: Any
    follow_w: Any
    dead_v: Any
    dead_w: Any
    later_v: Any
    later_w: Any

    @classmethod
    def of(
        cls, limits: Limits, prediction: PredictionParameters, dt: float, number: Any = np.float32
    ) -> Ackermann:
        """Return the model of a car with these limits and answers, in a kind of numbers."""
        ahead = _ahead(limits, dt)
        values = (
            dt, *ahead[:2], limits.wz_max, *ahead[2:], 1.0 / limits.turning_radius_min,
            limits.curvature_rate * dt, limits.ay_max, *_answers(prediction, dt),
        )  # fmt: skip
        # a servo turns the wheels by any angle, however small
        return cls(*(number(value) for value in values))._replace(dead_w=number(0.0))

    @staticmethod
    def controls() -> int:
        """Return m."""
        return 2

    @staticmethod
    def apply_limits(wanted: Any, last: Any, model: Any) -> Any:
        """Never faster than the least curvature allows that a step of steering can reach."""
        least = max(abs(last[1]) - model.steer, np.float32(MIN_DIVISOR))
        fastest = min(model.w_max / least, np.sqrt(model.grip / least))
        v = min(max(wanted[0], -fastest), fastest)
        v = _rate_limited(v, last[0], model.v_min, model.v_max, model.rise, model.fall)
        speed = max(abs(v), np.float32(MIN_DIVISOR))
        most = min(min(model.sharpest, model.w_max / speed), model.grip / (speed * speed))
        turn = min(max(wanted[1], -most), most)
        return v, min(max(turn, last[1] - model.steer), last[1] + model.steer)

    @staticmethod
    def scale_rate_limits(model: Any, steps: Any) -> Any:
        """Commands may change for so many steps at once."""
        return Ackermann(
            model.dt, model.v_min, model.v_max, model.w_max, model.rise * steps,
            model.fall * steps, model.sharpest, model.steer * steps, model.grip,
            model.follow_v, model.follow_w, model.dead_v, model.dead_w,
            model.later_v, model.later_w,
        )  # fmt: skip

    @staticmethod
    def brake_command(last: Any, curvature: Any, model: Any) -> Any:
        """Brake while the wheels turn to this curvature."""
        return apply_limits((0.0, curvature), last, model)

    @staticmethod
    def is_stop(command: Any, model: Any) -> Any:
        """Not drive; the wheels stay as they are turned."""
        return command[0] == 0.0

    @staticmethod
    def integrate(state: Any, command: Any, model: Any) -> Any:
        """
        Speed and curvature follow the command, and their product is the turning rate.

        Where the tyres do not hold that, the car turns less than its wheels are turned.
        """
        x, y, c, s, v, w, vy, curvature = state
        half = np.float32(0.5) * model.dt
        next_v = v + model.follow_v * (command[0] - v)
        curvature = curvature + model.follow_w * (command[1] - curvature)
        held = model.grip / max(abs(next_v), np.float32(MIN_DIVISOR))
        next_w = min(max(next_v * curvature, -held), held)
        x, y, c, s = integrate_pose(x, y, c, s, half * (v + next_v), half * (w + next_w))
        return x, y, c, s, next_v, next_w, vy, curvature

    @staticmethod
    def ground_speed(v: Any, vy: Any, model: Any) -> Any:
        """Return the speed ahead: there is no other."""
        return v

    def with_speed_limit(self, speed: float, ahead: bool) -> Ackermann:
        """Return the model of a robot that drives no faster than a speed [m/s], ahead or back."""
        return _with_speed_limit(self, speed, ahead)

    def twist(self, command: Controls) -> tuple[float, float, float]:
        """Return vx, vy [m/s], wz [rad/s] of a command."""
        return command[0], 0.0, command[0] * command[1]

    def command_from_twist(self, state: MotionState, last: Controls) -> Controls:
        """Return the command that would keep a measured motion; `last` was sent before."""
        return _within((state.v, with_wheel_angle(state, last[1]).curvature), self.bounds)

    def curvature(self, command: Controls) -> float:
        """Return the curvature [1/m] that a command drives."""
        return command[1]

    def evasive_curvature(self, speed: float) -> float:
        """Return a curvature [1/m] that leads well aside while braking from a speed [m/s]."""
        return float(min(self.grip / max(speed * speed, np.float32(MIN_DIVISOR)), self.sharpest))

    def sigma_scale(self, speed: float) -> tuple[float, ...] | None:
        """
        Return the share of each control's standard deviation to sample with at a speed [m/s].

        What the tyres hold shrinks with the square of the speed, and with it the curvatures that
        are worth trying.
        """
        held = self.grip / max(speed * speed, np.float32(MIN_DIVISOR))
        return 1.0, float(min(held / self.sharpest, np.float32(1.0)))

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Least and greatest value of each control."""
        return (self.v_min, self.v_max), (-self.sharpest, self.sharpest)


Model = DiffDrive | Omni | Ackermann
MODELS: dict[str, type[Model]] = {
    'diff_drive': DiffDrive, 'omni': Omni, 'ackermann': Ackermann,
}  # fmt: skip
MIN_DRIVING_SPEED = 0.02  # [m/s] below which a command has no curvature worth following


def apply_limits(wanted: Any, last: Any, model: Any) -> Any:
    """Return the command nearest to `wanted` that one step after `last` the limits allow."""
    return model.apply_limits(wanted, last, model)


def one(model: Any) -> Any:
    """Return 1 in the kind of numbers of a model."""
    return 1.0


@overload_by_type(one)
def _one(model: Any) -> Any:
    return lambda model: np.float32(1.0)


def scale_rate_limits(model: Any, steps: Any) -> Any:
    """Return the model with the changes of command that so many of its steps allow together."""
    return model.scale_rate_limits(model, steps)


def brake_command(last: Any, curvature: Any, model: Any) -> Any:
    """Return the command that brakes as hard as it may, by a curvature [1/m], after `last`."""
    return model.brake_command(last, curvature, model)


def is_stop(command: Any, model: Any) -> Any:
    """Tell whether a command is to stand."""
    return model.is_stop(command, model)


def integrate(state: Any, command: Any, model: Any) -> Any:
    """Return x, y, cos, sin, v, w, vy, curvature after one step under a command that acts."""
    return model.integrate(state, command, model)


def ground_speed(v: Any, vy: Any, model: Any) -> Any:
    """Return the speed [m/s] at which the robot drives, its sign where it has one."""
    return model.ground_speed(v, vy, model)


def controls_at(mean: Any, t: Any, model: Any) -> Any:
    """Return the row t of controls, float[T, m], as a tuple."""
    return tuple(mean[t])


@overload_by_type(apply_limits)
def _apply_limits(wanted: Any, last: Any, model: Any) -> Any:
    return model.instance_class.apply_limits


@overload_by_type(scale_rate_limits)
def _scale_rate_limits(model: Any, steps: Any) -> Any:
    return model.instance_class.scale_rate_limits


@overload_by_type(brake_command)
def _brake_command(last: Any, curvature: Any, model: Any) -> Any:
    return model.instance_class.brake_command


@overload_by_type(is_stop)
def _is_stop(command: Any, model: Any) -> Any:
    return model.instance_class.is_stop


@overload_by_type(integrate)
def _integrate(state: Any, command: Any, model: Any) -> Any:
    return model.instance_class.integrate


@overload_by_type(ground_speed)
def _ground_speed(v: Any, vy: Any, model: Any) -> Any:
    return model.instance_class.ground_speed


@overload_by_type(controls_at)
def _controls_at(mean: Any, t: Any, model: Any) -> Any:
    if model.instance_class.controls() == 2:
        return lambda mean, t, model: (mean[t, 0], mean[t, 1])
    return lambda mean, t, model: (mean[t, 0], mean[t, 1], mean[t, 2])


@inline_jit
def delayed_command(sent: Any, t: Any, control: Any, later: Any) -> Any:
    """Return the mean of a control, in rows sent float[n, m], over the step `later` before t."""
    row = t - int(later)
    part = later - np.floor(later)
    now = sent[max(row, 0), control]
    return now + part * (sent[max(row - 1, 0), control] - now)


@inline_jit
def _applied_command_two(sent: Any, t: Any, model: Any) -> Any:
    return (
        apply_dead_band(delayed_command(sent, t, 0, model.later_v), model.dead_v),
        apply_dead_band(delayed_command(sent, t, 1, model.later_w), model.dead_w),
    )


@inline_jit
def _applied_command_three(sent: Any, t: Any, model: Any) -> Any:
    return (
        apply_dead_band(delayed_command(sent, t, 0, model.later_v), model.dead_v),
        apply_dead_band(delayed_command(sent, t, 1, model.later_v), model.dead_v),
        apply_dead_band(delayed_command(sent, t, 2, model.later_w), model.dead_w),
    )


@kernel_only
def applied_command(sent: Any, t: Any, model: Any) -> Any:
    """Return what acts in step t of what was sent, float[n, m]: each axis late, or not at all."""


@overload_by_type(applied_command)
def _applied_command(sent: Any, t: Any, model: Any) -> Any:
    return _applied_command_two if model.instance_class.controls() == 2 else _applied_command_three


def delay_steps(model: Model) -> int:
    """Return how many steps of what was sent before still act on an axis that acts late."""
    return math.ceil(float(max(model.later_v, model.later_w)))


@kernel
def _limit(mean: Any, last: Any, model: Any, first: Any) -> None:
    """Replace mean, float32[T, m], by the commands that the limits allow, one after the other."""
    for t in range(mean.shape[0]):
        step = scale_rate_limits(model, first if t == 0 else np.float32(1.0))
        last = apply_limits(controls_at(mean, t, model), last, step)
        for n in range(len(last)):
            mean[t, n] = last[n]


@kernel
def _advance(commands: Any, first: Any, start: Any, model: Any, out: Any) -> None:
    """Fill out, float64[T + 1, 7], with the states that follow on commands[first:]."""
    zero = np.float32(0.0)
    state = (
        zero, zero, np.float32(math.cos(start[2])), np.float32(math.sin(start[2])),
        np.float32(start[3]), np.float32(start[4]), np.float32(start[5]), np.float32(start[6]),
    )  # fmt: skip
    half = np.float32(0.5) * model.dt
    yaw = start[2]
    for n in range(7):
        out[0, n] = start[n]
    for t in range(out.shape[0] - 1):
        before = state[5]
        state = integrate(state, applied_command(commands, first + t, model), model)
        yaw += half * (before + state[5])
        row = out[t + 1]
        row[0], row[1], row[2] = start[0] + state[0], start[1] + state[1], yaw
        row[3], row[4], row[5], row[6] = state[4], state[5], state[6], state[7]


def limit(
    mean: NDArray[np.float32], last: Controls, model: Model, first: float = 1.0
) -> None:
    """
    Replace mean, float32[T, m], by what can be executed after the command `last`, in place.

    The first row lies `first` steps after `last`, see `first_step_reach`, each other row one step
    after the row before.
    """
    _limit(mean, tuple(np.float32(value) for value in last), model, np.float32(first))


def first_step_reach(interval: float, time_step: float) -> float:
    """
    Return how many steps lie between the last command and the first row of a sequence.

    A command is sent once in `interval` [s] and held: it stands for the middle of that time, and
    a row for the middle of its `time_step` [s]. So a sequence that speeds up as fast as it may
    has, over each interval, the mean of what is sent then.
    """
    return 0.5 * (interval / time_step + 1.0)


def held_command(mean: NDArray[np.float32], steps: float) -> Controls:
    """Return the mean of the rows, float32[T, m], over the first so many steps, at least one."""
    if steps <= 1.0:
        return tuple(mean[0].tolist())
    rows = mean[: math.ceil(steps - 1e-6)]
    shares = np.ones(len(rows))
    shares[-1] -= max(len(rows) - steps, 0.0)
    return tuple((shares @ rows / shares.sum()).tolist())


def trajectory(
    commands: NDArray[np.float32],
    state: MotionState,
    model: Model,
    pending: NDArray[np.float32] | None = None,
) -> NDArray[np.float64]:
    """
    Return the states, float64[T + 1, 7], from `state` on under commands, float32[T, m].

    The commands are taken as they are; see `limit`. `pending`, float32[waits, m], are those sent
    in the steps before, which an axis that acts late has still to obey.
    """
    first = 0 if pending is None else len(pending)
    sent = np.concatenate([pending, commands]) if pending is not None and first else commands
    out = np.empty((len(commands) + 1, len(state)))
    _advance(sent, first, np.asarray(state, np.float64), model, out)
    return out


def with_wheel_angle(state: MotionState, curvature: float) -> MotionState:
    """
    Return a measured state of a car with the curvature κ of its wheels.

    κ minimises (w − v κ)² + UNSURE² (κ − commanded)²: it is what the turning rate says at speed,
    and `curvature` [1/m], what was commanded, at rest.
    """
    sure = MIN_SPEED_FOR_CURVATURE**2
    found = (state.v * state.w + sure * curvature) / (state.v**2 + sure)
    return state._replace(curvature=found)


def _with_speed_limit(model: M, speed: float, ahead: bool) -> M:
    cap = type(model.v_max)(speed)
    if ahead:
        return model._replace(v_max=min(model.v_max, cap))
    return model._replace(v_min=max(model.v_min, -cap))


def _ahead(limits: Limits, dt: float) -> tuple[float, float, float, float]:
    """Return v_min, v_max, rise and fall."""
    return limits.vx_min, limits.vx_max, limits.ax_max * dt, -limits.ax_min * dt


def _answers(prediction: PredictionParameters, dt: float) -> tuple[float, ...]:
    """Return follow, dead and later of speed and turning."""

    def follow(lag: float) -> float:
        return 1.0 - math.exp(-dt / lag) if lag > 0.0 else 1.0

    p = prediction
    laters = (
        round((delay - p.first_delay) / dt, 6) if dt else 0.0
        for delay in (p.delay_linear, p.delay_angular)
    )
    return (
        follow(p.lag_linear), follow(p.lag_angular), p.dead_band_linear, p.dead_band_angular,
        *laters,
    )  # fmt: skip


def as_floats(command: Any) -> Controls:
    """Return what a law made of a command as numbers of Python."""
    return tuple(float(value) for value in command)


def _within(values: Controls, bounds: tuple[tuple[float, float], ...]) -> Controls:
    pairs = zip(values, bounds, strict=True)
    return tuple(float(min(max(value, low), high)) for value, (low, high) in pairs)
