"""
Motion models of rollout, prediction and stopping check: limits, first-order lag, pose.

Each model is a named tuple of parameters for one step, with its equations as static methods. A
kernel is compiled for the type of its model, so each robot compiles and runs only its own
equations. Called from Python, the same equations run in double precision.

More than 400 lines: the models implement the same methods and are compared side by side.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from mppi_ros.driving.parameters import Limits, PredictionParameters
from mppi_ros.jit.simd import inline_jit, inline_njit, kernel, kernel_only, overload_by_type

Controls = tuple[float, ...]  # controls of one step, as a command
MIN_DIVISOR = 1e-9  # [m/s] [1/m] keeps divisions finite
MIN_REVERSE_SHARE = 1e-3  # of top speed: minimum semi-axis of the ellipse in reverse
MAX_DELAY_STEPS = 31  # maximum relative delay of two axes
M = TypeVar('M', 'DiffDrive', 'Omni', 'Ackermann')
MAX_SLIP_GROWTH = 2.0  # factor per step
MIN_LOAD = 0.2  # of the rear axle at rest, to which braking reduces its load at most
MAX_GRIP_SHARE = 0.95  # lateral acceleration relative to the grip of the tyres, of `spare`
GRAVITY = 9.81  # [m/s²]
MIN_SPEED_FOR_CURVATURE = 0.1  # [m/s] below which the turning rate hardly determines the curvature


class MotionState(NamedTuple):
    """
    Pose and velocity of the robot.

    x, y [m], yaw [rad] in the planning frame; forward speed v [m/s], turning rate w [rad/s],
    lateral speed to the left vy [m/s], and curvature of the wheels of a car [1/m].
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
    Return the pose after travelling `way` along the mean heading of a turn by `angle`.

    The heading (c, s) is rotated with polynomials of the small angle instead of sine and cosine.
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
    """Return the command outside the dead band, 0 within it."""
    return command if abs(command) >= dead else np.float32(0.0) * command


@inline_jit
def _reachable(wanted: Any, last: Any, rise: Any, fall: Any) -> Any:
    """
    Return the value closest to `wanted` that is reachable from `last` in one step.

    Speeding up is limited by `rise` and slowing down by `fall`, in both directions. A step through
    zero slows down for a part of its time and speeds up for the rest: for `last` from −fall to 0
    it ends at most at (1 − |last| / fall) rise. The largest increase is then the median of rise,
    fall and (rise / fall − 1) last + rise, and the largest decrease is symmetric.
    """
    least, most = min(rise, fall), max(rise, fall)
    bend = (rise - fall) / max(fall, np.float32(MIN_DIVISOR)) * last
    up = last + min(max(rise + bend, least), most)
    down = last - min(max(rise - bend, least), most)
    return min(max(wanted, down), up)


@inline_jit
def _rate_limited(wanted: Any, last: Any, low: Any, high: Any, rise: Any, fall: Any) -> Any:
    """Return the value closest to `wanted` in [low, high] that is reachable from `last`."""
    return _reachable(min(max(wanted, low), high), last, rise, fall)


@inline_jit
def _excess(v: Any, vy: Any, model: Any) -> Any:
    """Return (v / v_max)² + (vy / vy_max)², at most 1 inside the ellipse of the limits."""
    ahead = v * (model.inverse_v if v >= np.float32(0.0) else model.inverse_back)
    aside = vy * model.inverse_vy
    return ahead * ahead + aside * aside


@inline_jit
def clip_to_ellipse(v: Any, vy: Any, model: Any, one: Any) -> Any:
    """
    Return v and vy within the limits of both axes, scaled along their direction to the ellipse.

    `one` is 1 in the number type of the model, since a float32 constant would round the float64 of
    Python.
    """
    v = min(max(v, model.v_min), model.v_max)
    vy = min(max(vy, -model.vy_max), model.vy_max)
    shrink = one / np.sqrt(max(_excess(v, vy, model), one))
    return shrink * v, shrink * vy


@inline_jit
def forward_share(last_vy: Any, model: Any, one: Any) -> Any:
    """Return the share of v_max that the ellipse allows beside the smallest |vy| reachable."""
    slowest = max(abs(last_vy) - model.fall_y, one - one) * model.inverse_vy
    return np.sqrt(max(one - slowest * slowest, one - one))


@inline_jit
def limit_forward_speed(v: Any, last: Any, share: Any, model: Any) -> Any:
    """Return the reachable v closest to `v`, limited to a share of its range."""
    v = min(max(v, share * model.v_min), share * model.v_max)
    return _reachable(v, last, model.rise, model.fall)


@inline_jit
def limit_lateral_speed(vy: Any, last: Any, v: Any, model: Any, one: Any) -> Any:
    """Return the reachable vy closest to `vy`, limited to what the ellipse allows beside v."""
    zero = one - one
    left = model.vy_max * np.sqrt(max(one - _excess(v, zero, model), zero))
    return _reachable(min(max(vy, -left), left), last, model.rise_y, model.fall_y)


@inline_jit
def limit_turning_rate(w: Any, last: Any, model: Any) -> Any:
    """Return the reachable turning rate closest to `w`."""
    w = min(max(w, -model.w_max), model.w_max)
    return min(max(w, last - model.turn), last + model.turn)


class DiffDrive(NamedTuple):
    """
    Differential drive for one step of dt [s] with the controls speed v and turning rate w.

    Speeds are in [m/s] and [rad/s]. rise, fall and turn are the maximum increase and decrease of
    the speed and the maximum change of the turning rate in a step; follow is the share 1 −
    exp(−dt/τ) of the difference to the command that is covered in a step. Commands below `dead`
    have no effect; an axis acts `later` steps after the fastest axis. The centripetal acceleration
    |v w| of a command is at most `grip` [m/s²].
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
    grip: Any

    @classmethod
    def of(
        cls, limits: Limits, prediction: PredictionParameters, dt: float, number: Any = np.float32
    ) -> DiffDrive:
        """Return the model for the given limits and plant, in a number type."""
        ahead = _ahead(limits, dt)
        values = (
            dt, *ahead[:2], limits.wz_max, *ahead[2:], limits.az_max * dt,
            *_response(prediction, dt), limits.ay_max,
        )  # fmt: skip
        return cls(*(number(value) for value in values))

    @staticmethod
    def controls() -> int:
        """Return m, the number of controls."""
        return 2

    @staticmethod
    def apply_limits(wanted: Any, last: Any, model: Any) -> Any:
        """Limit the speed to what the smallest turning rate reachable in one step allows."""
        fastest = model.grip / max(abs(last[1]) - model.turn, np.float32(MIN_DIVISOR))
        v = min(max(wanted[0], -fastest), fastest)
        v = _rate_limited(v, last[0], model.v_min, model.v_max, model.rise, model.fall)
        most = min(model.grip / max(abs(v), np.float32(MIN_DIVISOR)), model.w_max)
        turn = min(max(wanted[1], -most), most)
        return v, min(max(turn, last[1] - model.turn), last[1] + model.turn)

    @staticmethod
    def scale_rate_limits(model: Any, steps: Any) -> Any:
        """Return the model with rate limits for several steps at once."""
        return DiffDrive(
            model.dt, model.v_min, model.v_max, model.w_max, model.rise * steps,
            model.fall * steps, model.turn * steps, model.follow_v,
            model.follow_w, model.dead_v, model.dead_w, model.later_v,
            model.later_w, model.grip,
        )  # fmt: skip

    @staticmethod
    def brake_command(last: Any, curvature: Any, model: Any) -> Any:
        """Brake along an arc of the given curvature."""
        v, _ = apply_limits((0.0, 0.0), last, model)
        return apply_limits((v, curvature * v), last, model)

    @staticmethod
    def is_stop(command: Any, model: Any) -> Any:
        """Return whether both controls are zero."""
        return command[0] == 0.0 and command[1] == 0.0

    @staticmethod
    def integrate(state: Any, command: Any, model: Any) -> Any:
        """Lag of speed and turning rate; the pose moves with their means."""
        x, y, c, s, v, w, vy, curvature = state
        half = np.float32(0.5) * model.dt
        next_v = v + model.follow_v * (command[0] - v)
        next_w = w + model.follow_w * (command[1] - w)
        x, y, c, s = integrate_pose(x, y, c, s, half * (v + next_v), half * (w + next_w))
        return x, y, c, s, next_v, next_w, vy, curvature

    @staticmethod
    def ground_speed(v: Any, vy: Any, model: Any) -> Any:
        """Return the forward speed."""
        return v

    def with_speed_limit(self, speed: float, ahead: bool) -> DiffDrive:
        """Return the model with a limit of the speed [m/s], forward or backward."""
        return _with_speed_limit(self, speed, ahead)

    def twist(self, command: Controls) -> tuple[float, float, float]:
        """Return vx, vy [m/s], wz [rad/s] of a command."""
        return command[0], 0.0, command[1]

    def command_from_twist(self, state: MotionState, last: Controls) -> Controls:
        """Return the command that maintains a measured motion; `last` is the previous command."""
        return _within((state.v, state.w), self.bounds)

    def curvature(self, command: Controls) -> float:
        """Return the curvature of a command [1/m], 0 at low speed."""
        return command[1] / command[0] if abs(command[0]) > MIN_DRIVING_SPEED else 0.0

    def evasive_curvature(self, speed: float) -> float:
        """Return a curvature for evasion while braking from a speed [m/s], in [1/m]."""
        held = self.grip / max(speed * speed, np.float32(MIN_DIVISOR))
        return float(min(self.w_max / max(self.v_max, -self.v_min), held))

    def sigma_scale(self, speed: float) -> tuple[float, ...] | None:
        """
        Return the share of each control's standard deviation to sample with at a speed [m/s].

        The feasible turning rate decreases with the speed, and with it the useful samples.
        """
        held = self.grip / max(abs(speed), np.float32(MIN_DIVISOR))
        return 1.0, float(min(held / self.w_max, np.float32(1.0)))

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Minimum and maximum of each control."""
        return (self.v_min, self.v_max), (-self.w_max, self.w_max)


class Omni(NamedTuple):
    """
    Omnidirectional base for one step of dt [s] with the controls v forward, vy left, and w.

    Its fields are those of DiffDrive without `grip`, with the same for vy. The speed over ground
    stays inside the ellipse (v / v_max)² + (vy / vy_max)² ≤ 1, with v_min instead of v_max in
    reverse: diagonally the robot is no faster than along the faster axis. The fields inverse_…
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
        """Return the model for the given limits and plant, in a number type."""
        ahead = _ahead(limits, dt)
        back = max(-limits.vx_min, MIN_REVERSE_SHARE * limits.vx_max)
        values = (
            dt, *ahead[:2], limits.vy_max, limits.wz_max, *ahead[2:], limits.ay_max * dt,
            -limits.ay_min * dt, limits.az_max * dt, *_response(prediction, dt),
            1.0 / limits.vx_max, 1.0 / back, 1.0 / limits.vy_max,
        )  # fmt: skip
        return cls(*(number(value) for value in values))

    @staticmethod
    def controls() -> int:
        """Return m, the number of controls."""
        return 3

    @staticmethod
    def apply_limits(wanted: Any, last: Any, model: Any) -> Any:
        """
        Limit the speed to the ellipse of both axes.

        v changes as fast as possible, and vy up to what the ellipse allows beside that v. From
        inside the ellipse both bounds can be satisfied, and on its boundary the robot never gets
        stuck.
        """
        v, vy = clip_to_ellipse(wanted[0], wanted[1], model, one(model))
        share = forward_share(last[1], model, one(model))
        v = limit_forward_speed(v, last[0], share, model)
        vy = limit_lateral_speed(vy, last[1], v, model, one(model))
        return v, vy, limit_turning_rate(wanted[2], last[2], model)

    @staticmethod
    def scale_rate_limits(model: Any, steps: Any) -> Any:
        """Return the model with rate limits for several steps at once."""
        return Omni(
            model.dt, model.v_min, model.v_max, model.vy_max, model.w_max,
            model.rise * steps, model.fall * steps, model.rise_y * steps,
            model.fall_y * steps, model.turn * steps, model.follow_v,
            model.follow_w, model.dead_v, model.dead_w, model.later_v, model.later_w,
            model.inverse_v, model.inverse_back, model.inverse_vy,
        )  # fmt: skip

    @staticmethod
    def brake_command(last: Any, curvature: Any, model: Any) -> Any:
        """Brake each axis, and turn with the given curvature of the forward motion."""
        v, vy, _ = apply_limits((0.0, 0.0, 0.0), last, model)
        return apply_limits((v, vy, curvature * v), last, model)

    @staticmethod
    def is_stop(command: Any, model: Any) -> Any:
        """Return whether all controls are zero."""
        return command[0] == 0.0 and command[1] == 0.0 and command[2] == 0.0

    @staticmethod
    def integrate(state: Any, command: Any, model: Any) -> Any:
        """Lag of both speeds and the turning rate; the pose moves with their means."""
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
        """Return the magnitude of the velocity."""
        return np.sqrt(v * v + vy * vy)

    def with_speed_limit(self, speed: float, ahead: bool) -> Omni:
        """Return the model with a limit of the speed [m/s] on all axes."""
        model = _with_speed_limit(_with_speed_limit(self, speed, True), speed, False)
        return model._replace(vy_max=min(self.vy_max, type(self.vy_max)(speed)))

    def twist(self, command: Controls) -> tuple[float, float, float]:
        """Return vx, vy [m/s], wz [rad/s] of a command."""
        return command[0], command[1], command[2]

    def command_from_twist(self, state: MotionState, last: Controls) -> Controls:
        """Return the command that maintains a measured motion; `last` is the previous command."""
        v, vy, w = _within((state.v, state.vy, state.w), self.bounds)
        shrink = 1.0 / math.sqrt(max(float(_excess(v, vy, self)), 1.0))
        return v * shrink, vy * shrink, w

    def curvature(self, command: Controls) -> float:
        """Return the curvature of the forward motion [1/m], 0 at low speed."""
        return command[2] / command[0] if abs(command[0]) > MIN_DRIVING_SPEED else 0.0

    def evasive_curvature(self, speed: float) -> float:
        """Return a curvature for evasion while braking from a speed [m/s], in [1/m]."""
        return float(self.w_max / max(self.v_max, -self.v_min))

    def sigma_scale(self, speed: float) -> tuple[float, ...] | None:
        """Return None: the standard deviations do not depend on the speed."""
        return None

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Minimum and maximum of each control."""
        w = self.w_max
        return (self.v_min, self.v_max), (-self.vy_max, self.vy_max), (-w, w)


@inline_jit
def integrate_rolling(state: Any, command: Any, model: Any) -> Any:
    """
    Lag of speed and curvature of a car, whose product is the turning rate.

    If the tyres cannot hold it, the car turns less than its wheels.
    """
    x, y, c, s, v, w, vy, curvature = state
    half = np.float32(0.5) * model.dt
    next_v = v + model.follow_v * (command[0] - v)
    curvature = curvature + model.follow_w * (command[1] - curvature)
    held = model.grip / max(abs(next_v), np.float32(MIN_DIVISOR))
    next_w = min(max(next_v * curvature, -held), held)
    x, y, c, s = integrate_pose(x, y, c, s, half * (v + next_v), half * (w + next_w))
    return x, y, c, s, next_v, next_w, vy, curvature


@inline_jit
def integrate_slipping(state: Any, command: Any, model: Any) -> Any:
    """
    Lag of speed and curvature, and slip of the tyres, of a car; see `Ackermann`.

    The step of vy is implicit, so that it is stable at any speed: with a_next = −vy_next / (slip
    v), vy_next = vy + dt (a_next − v w_next). Beyond the critical speed of a car that oversteers,
    which braking may cause, it grows at most by MAX_SLIP_GROWTH in a step. The speed changes by
    vy w, too, as the car turns away from its motion.
    """
    x, y, c, s, v, w, vy, curvature = state
    one, half = np.float32(1.0), np.float32(0.5) * model.dt
    rise = model.rise if v >= np.float32(0.0) else model.fall
    fall = model.fall if v >= np.float32(0.0) else model.rise
    gained = min(max(model.follow_v * (command[0] - v), -fall), rise)
    acceleration = gained / max(model.dt, np.float32(MIN_DIVISOR))
    next_v = v + gained + vy * w * model.dt
    curvature = curvature + model.follow_w * (command[1] - curvature)
    speed = max(abs(next_v), np.float32(MIN_SPEED_FOR_CURVATURE))
    share = vy * model.saturation / speed
    softer = np.sqrt(one + share * share)
    load = max(one + model.shift * acceleration, np.float32(MIN_LOAD))
    slip = softer * model.slip / load * speed
    understeer = softer * (model.understeer + model.transfer * acceleration)
    follow = model.dt / (model.dt + model.inertia * slip)
    turning = w + follow * (next_v * curvature - w)
    understeer = follow * understeer
    sluggish = slip + model.dt * (one + understeer * next_v * next_v)
    sluggish = max(sluggish, (slip + model.dt) / np.float32(MAX_SLIP_GROWTH))
    held = (model.dt * next_v * turning - vy) / sluggish
    next_vy = -slip * held
    most = model.grip / speed if model.slip == np.float32(0.0) else np.float32(np.inf)
    next_w = min(max(turning - next_v * understeer * held, -most), most)
    x, y, next_c, next_s = integrate_pose(x, y, c, s, half * (v + next_v), half * (w + next_w))
    aside = np.float32(0.5) * half * (vy + next_vy)
    x, y = x - aside * (s + next_s), y + aside * (c + next_c)
    return x, y, next_c, next_s, next_v, next_w, next_vy, curvature


class Ackermann(NamedTuple):
    """
    Car for one step of dt [s] with the controls speed v and curvature [1/m].

    The pose is that of the middle of the rear axle. The curvature is limited by the turning circle
    `sharpest`, by the turning rate |v · curvature| ≤ w_max and by the centripetal acceleration
    v² |curvature| ≤ grip [m/s²]; it changes by at most `steer` [1/m] in a step. The other fields
    are those of DiffDrive, where w denotes the curvature.

    Tyres slip if `understeer` = 1 / v_ch² [s²/m²] is not 0. The lateral acceleration a then
    follows from the slip angle of the rear tyres, α = −vy / v, which is `slip` [rad s²/m] times a,
    more the nearer a is to their grip. The turning rate is w = v (curvature − understeer · a),
    and vy changes by a − v w; at rest of vy, w = v curvature / (1 + (v / v_ch)²). An acceleration
    of the car shifts load between the axles, by the share `shift` [s²/m] of that of an axle, which
    changes understeer by `transfer` [s⁴/m³] per acceleration. `saturation` [s²/m] is 1 / (slip ·
    grip of the tyres), `spare` [1/m] the curvature beyond grip / v² that the slip takes at the
    limit of the grip.
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
    understeer: Any
    slip: Any
    saturation: Any
    shift: Any
    transfer: Any
    inertia: Any
    spare: Any

    @classmethod
    def of(
        cls, limits: Limits, prediction: PredictionParameters, dt: float, number: Any = np.float32
    ) -> Ackermann:
        """Return the model for the given limits and plant, in a number type."""
        ahead = _ahead(limits, dt)
        values = (
            dt, *ahead[:2], limits.wz_max, *ahead[2:], 1.0 / limits.turning_radius_min,
            limits.curvature_rate * dt, limits.ay_max, *_response(prediction, dt),
            *_tyres(limits, prediction),
        )  # fmt: skip
        # A steering servo has no dead band.
        return cls(*(number(value) for value in values))._replace(dead_w=number(0.0))

    @staticmethod
    def controls() -> int:
        """Return m, the number of controls."""
        return 2

    @staticmethod
    def apply_limits(wanted: Any, last: Any, model: Any) -> Any:
        """Limit the speed to what the smallest curvature reachable in one step allows."""
        least = max(abs(last[1]) - model.steer, np.float32(MIN_DIVISOR))
        left = max(least - model.spare, np.float32(MIN_DIVISOR))
        fastest = min(model.w_max / least, np.sqrt(model.grip / left))
        v = min(max(wanted[0], -fastest), fastest)
        v = _rate_limited(v, last[0], model.v_min, model.v_max, model.rise, model.fall)
        per_speed = one(model) / max(abs(v), np.float32(MIN_DIVISOR))
        held = model.grip * per_speed * per_speed + model.spare
        most = min(min(model.w_max * per_speed, held), model.sharpest)
        turn = min(max(wanted[1], -most), most)
        return v, min(max(turn, last[1] - model.steer), last[1] + model.steer)

    @staticmethod
    def scale_rate_limits(model: Any, steps: Any) -> Any:
        """Return the model with rate limits for several steps at once."""
        return Ackermann(
            model.dt, model.v_min, model.v_max, model.w_max, model.rise * steps,
            model.fall * steps, model.sharpest, model.steer * steps, model.grip,
            model.follow_v, model.follow_w, model.dead_v, model.dead_w,
            model.later_v, model.later_w, model.understeer, model.slip, model.saturation,
            model.shift, model.transfer, model.inertia, model.spare,
        )  # fmt: skip

    @staticmethod
    def brake_command(last: Any, curvature: Any, model: Any) -> Any:
        """Brake while the wheels turn to the given curvature."""
        return apply_limits((0.0, curvature), last, model)

    @staticmethod
    def is_stop(command: Any, model: Any) -> Any:
        """Return whether the speed is zero; the wheels keep their angle."""
        return command[0] == 0.0

    @staticmethod
    def integrate(state: Any, command: Any, model: Any) -> Any:
        """Advance a car whose tyres slip, or roll."""
        if model.understeer > np.float32(0.0):
            return integrate_slipping(state, command, model)
        return integrate_rolling(state, command, model)

    @staticmethod
    def ground_speed(v: Any, vy: Any, model: Any) -> Any:
        """Return the forward speed; the slip of a car adds a few percent to it at most."""
        return v

    def with_speed_limit(self, speed: float, ahead: bool) -> Ackermann:
        """Return the model with a limit of the speed [m/s], forward or backward."""
        return _with_speed_limit(self, speed, ahead)

    def twist(self, command: Controls) -> tuple[float, float, float]:
        """Return vx, vy [m/s], wz [rad/s] of a command."""
        return command[0], 0.0, command[0] * command[1]

    def command_from_twist(self, state: MotionState, last: Controls) -> Controls:
        """Return the command that maintains a measured motion; `last` is the previous command."""
        found = with_wheel_angle(state, last[1], float(self.understeer)).curvature
        return _within((state.v, found), self.bounds)

    def curvature(self, command: Controls) -> float:
        """
        Return the curvature of the path of a command [1/m].

        Without slip it is that of the wheels.
        """
        if not self.understeer:
            return command[1]
        squared = max(command[0] ** 2, MIN_DIVISOR)
        turned = command[1] / (1.0 + float(self.understeer) * squared)
        most = float(self.grip) / squared
        return min(max(turned, -most), most)

    def evasive_curvature(self, speed: float) -> float:
        """Return a curvature for evasion while braking from a speed [m/s], in [1/m]."""
        return float(min(self.grip / max(speed * speed, np.float32(MIN_DIVISOR)), self.sharpest))

    def sigma_scale(self, speed: float) -> tuple[float, ...] | None:
        """
        Return the share of each control's standard deviation to sample with at a speed [m/s].

        The feasible curvature decreases with the square of the speed, and with it the useful
        samples.
        """
        held = self.grip / max(speed * speed, np.float32(MIN_DIVISOR)) + self.spare
        return 1.0, float(min(held / self.sharpest, np.float32(1.0)))

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Minimum and maximum of each control."""
        return (self.v_min, self.v_max), (-self.sharpest, self.sharpest)


Model = DiffDrive | Omni | Ackermann
MODELS: dict[str, type[Model]] = {
    'diff_drive': DiffDrive, 'omni': Omni, 'ackermann': Ackermann,
}  # fmt: skip
MIN_DRIVING_SPEED = 0.02  # [m/s] below which the curvature of a command is ignored


def apply_limits(wanted: Any, last: Any, model: Any) -> Any:
    """Return the command closest to `wanted` that the limits allow one step after `last`."""
    return model.apply_limits(wanted, last, model)


def one(model: Any) -> Any:
    """Return 1 in the number type of a model."""
    return 1.0


@overload_by_type(one)
def _one(model: Any) -> Any:
    return lambda model: np.float32(1.0)


def scale_rate_limits(model: Any, steps: Any) -> Any:
    """Return the model with rate limits for `steps` steps at once."""
    return model.scale_rate_limits(model, steps)


def brake_command(last: Any, curvature: Any, model: Any) -> Any:
    """Return the command that brakes with the maximum deceleration at a curvature [1/m]."""
    return model.brake_command(last, curvature, model)


def is_stop(command: Any, model: Any) -> Any:
    """Return whether a command stops the robot."""
    return model.is_stop(command, model)


def integrate(state: Any, command: Any, model: Any) -> Any:
    """Return x, y, cos, sin, v, w, vy, curvature after one step under a command in effect."""
    return model.integrate(state, command, model)


def ground_speed(v: Any, vy: Any, model: Any) -> Any:
    """Return the speed over ground [m/s], with a sign for robots without lateral motion."""
    return model.ground_speed(v, vy, model)


def controls_at(mean: Any, t: Any, model: Any) -> Any:
    """Return row t of controls, float[T, m], as a tuple."""
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
    """Return the mean of a control of `sent`, float[n, m], over the step `later` before t."""
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
    """Return the command in effect in step t of `sent`, float[n, m], after delay and dead band."""


@overload_by_type(applied_command)
def _applied_command(sent: Any, t: Any, model: Any) -> Any:
    return _applied_command_two if model.instance_class.controls() == 2 else _applied_command_three


def delay_steps(model: Model) -> int:
    """Return the number of past commands that still act on the slower axis."""
    return math.ceil(float(max(model.later_v, model.later_w)))


@kernel
def _limit(mean: Any, last: Any, model: Any, first: Any) -> None:
    """Limit the commands of mean, float32[T, m], one after the other, in place."""
    for t in range(mean.shape[0]):
        step = scale_rate_limits(model, first if t == 0 else np.float32(1.0))
        last = apply_limits(controls_at(mean, t, model), last, step)
        for n in range(len(last)):
            mean[t, n] = last[n]


@kernel
def _advance(commands: Any, first: Any, start: Any, model: Any, out: Any) -> None:
    """Fill out, float64[T + 1, 7], with the states that result from commands[first:]."""
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
    Limit mean, float32[T, m], to what can be executed after the command `last`, in place.

    The first row is `first` steps after `last`, see `first_step_reach`; each other row is one
    step after the previous row.
    """
    _limit(mean, tuple(np.float32(value) for value in last), model, np.float32(first))


def first_step_reach(interval: float, time_step: float) -> float:
    """
    Return the number of steps between the last command and the first row of a sequence.

    A command is sent once per `interval` [s] and held, so it represents the middle of that time; a
    row represents the middle of its `time_step` [s]. A sequence that accelerates at the limit
    therefore has, over each interval, the mean of the commands that are sent.
    """
    return 0.5 * (interval / time_step + 1.0)


def held_command(mean: NDArray[np.float32], steps: float) -> Controls:
    """Return the mean of the rows, float32[T, m], over the first `steps` steps, at least one."""
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
    Return the states, float64[T + 1, 7], from `state` under commands, float32[T, m].

    The commands are not limited; see `limit`. `pending`, float32[n, m], contains previous commands
    that a delayed axis has still to execute; see `delay_steps`.
    """
    first = 0 if pending is None else len(pending)
    sent = np.concatenate([pending, commands]) if pending is not None and first else commands
    out = np.empty((len(commands) + 1, len(state)))
    _advance(sent, first, np.asarray(state, np.float64), model, out)
    return out


def with_wheel_angle(
    state: MotionState, curvature: float, understeer: float = 0.0
) -> MotionState:
    """
    Return a measured state of a car with the curvature κ of its wheels.

    κ minimises (w − v κ)² + MIN_SPEED_FOR_CURVATURE² (κ − `curvature`)²: the turning rate
    determines it at speed, and the commanded `curvature` [1/m] at rest. For a car that
    understeers, v is v / (1 + `understeer` v²).
    """
    sure = MIN_SPEED_FOR_CURVATURE**2
    v = state.v / (1.0 + understeer * state.v**2)
    found = (v * state.w + sure * curvature) / (v**2 + sure)
    return state._replace(curvature=found)


def _with_speed_limit(model: M, speed: float, ahead: bool) -> M:
    cap = type(model.v_max)(speed)
    if ahead:
        return model._replace(v_max=min(model.v_max, cap))
    return model._replace(v_min=max(model.v_min, -cap))


def _ahead(limits: Limits, dt: float) -> tuple[float, float, float, float]:
    """Return v_min, v_max, rise and fall."""
    return limits.vx_min, limits.vx_max, limits.ax_max * dt, -limits.ax_min * dt


def _response(prediction: PredictionParameters, dt: float) -> tuple[float, ...]:
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


def _tyres(limits: Limits, prediction: PredictionParameters) -> tuple[float, ...]:
    """Return understeer, slip, saturation, shift, transfer, inertia and spare of a car."""
    p, most = prediction, limits.ay_max
    if p.characteristic_speed <= 0.0:
        return (0.0,) * 7
    understeer = 1.0 / p.characteristic_speed**2
    # The centre of mass is taken to be in the middle between the axles.
    shift = 2.0 * p.com_height / (limits.wheelbase * GRAVITY)
    transfer = 2.0 * shift * (understeer + p.rear_slip / limits.wheelbase)
    saturation, softer = 0.0, 1.0
    if p.tyre_grip > 0.0 and p.rear_slip > 0.0:
        saturation = 1.0 / (p.rear_slip * p.tyre_grip)
        softer = 1.0 / math.sqrt(1.0 - min(most / p.tyre_grip, MAX_GRIP_SHARE) ** 2)
    drag = softer * p.rear_slip * most**2  # [m/s²] of the slip, for which the drive makes up
    spare = softer * most * (understeer + transfer * drag)
    inertia = (2.0 * p.gyration_radius / limits.wheelbase) ** 2
    return understeer, p.rear_slip, saturation, shift, transfer, inertia, spare


def as_floats(command: Any) -> Controls:
    """Return a command as a tuple of Python floats."""
    return tuple(float(value) for value in command)


def _within(values: Controls, bounds: tuple[tuple[float, float], ...]) -> Controls:
    pairs = zip(values, bounds, strict=True)
    return tuple(float(min(max(value, low), high)) for value, (low, high) in pairs)
