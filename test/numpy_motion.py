"""Reference implementation of the motion models in float64 NumPy."""
from __future__ import annotations

import math

import numpy as np

COLUMNS = {'diff_drive': 2, 'omni': 3, 'ackermann': 2}


def reachable(wanted, last, rise, fall):
    """
    Return the speed nearest to `wanted` that is reachable in one step after `last`.

    A reversal first decelerates to rest by at most `fall` per step; the rest of the step
    accelerates by at most `rise` per step.
    """
    def most(last):  # the lower bound follows from reversed signs
        part = np.minimum(np.maximum(-last, 0.0) / fall, 1.0)  # share of the step until rest
        return last + part * fall + (1.0 - part) * rise
    return np.clip(wanted, -most(-last), most(last))


def changed(wanted, last, low, high, rise, fall):
    """Return the speed within [low, high] that is reachable in one step after `last`."""
    return reachable(np.clip(wanted, low, high), last, rise, fall)


def over_ground(limits, wanted, last, dt):
    """Return v and vy, float64[K, 2], within the ellipse through the limits of both axes."""
    def excess(speed):
        top = np.where(speed[:, 0] >= 0.0, limits.vx_max,
                       max(-limits.vx_min, 1e-3 * limits.vx_max))
        return (speed[:, 0] / top) ** 2 + (speed[:, 1] / limits.vy_max) ** 2

    aim = np.stack([np.clip(wanted[:, 0], limits.vx_min, limits.vx_max),
                    np.clip(wanted[:, 1], -limits.vy_max, limits.vy_max)], axis=1)
    aim /= np.sqrt(np.maximum(excess(aim), 1.0))[:, None]
    slowest = np.maximum(np.abs(last[:, 1]) + limits.ay_min * dt, 0.0) / limits.vy_max
    left = np.sqrt(np.maximum(1.0 - slowest**2, 0.0))
    v = reachable(np.clip(aim[:, 0], left * limits.vx_min, left * limits.vx_max),
                  last[:, 0], limits.ax_max * dt, -limits.ax_min * dt)
    alone = excess(np.stack([v, np.zeros_like(v)], axis=1))
    left = limits.vy_max * np.sqrt(np.maximum(1.0 - alone, 0.0))
    vy = reachable(np.clip(aim[:, 1], -left, left),
                   last[:, 1], limits.ay_max * dt, -limits.ay_min * dt)
    return np.stack([v, vy], axis=1)


def turned(command, last, most, step):
    return np.clip(np.clip(command, -most, most), last - step, last + step)


def tyres(limits, prediction):
    """Return understeer [s²/m²], load shift [s²/m] and its effect on the understeer."""
    understeer = 1.0 / prediction.characteristic_speed**2
    shift = 2.0 * prediction.com_height / (9.81 * limits.wheelbase)
    return understeer, shift, 2.0 * shift * (understeer + prediction.rear_slip / limits.wheelbase)


def spare(limits, prediction):
    """Return the curvature [1/m] lost to slip at the grip limit, at constant speed."""
    if not prediction.characteristic_speed:
        return 0.0
    understeer, _, transfer = tyres(limits, prediction)
    grip, softer = prediction.tyre_grip * (prediction.rear_slip > 0.0), 1.0
    if grip:
        softer = (1.0 - min(limits.ay_max / grip, 0.95) ** 2) ** -0.5
    drag = softer * prediction.rear_slip * limits.ay_max**2
    return softer * limits.ay_max * (understeer + transfer * drag)


def slid(limits, prediction, dt, v, vy, w, curvature, gained):
    """Return v, vy and w after a step of a car with tyre slip, from two linear equations."""
    understeer, shift, transfer = tyres(limits, prediction)
    next_v, acceleration = v + gained + vy * w * dt, gained / dt
    out = np.empty((len(v), 2))
    for k, speed in enumerate(next_v):
        fast, softer = max(abs(speed), 0.1), 1.0
        if prediction.tyre_grip and prediction.rear_slip:
            angle = vy[k] / fast
            softer = math.hypot(1.0, angle / (prediction.rear_slip * prediction.tyre_grip))
        slip = softer * prediction.rear_slip / (1.0 + shift * acceleration[k]) * fast
        steered = softer * (understeer + transfer * acceleration[k])
        late = (2.0 * prediction.gyration_radius / limits.wheelbase) ** 2 * slip
        # w' = w + dt / (dt + late) (v κ − v u a − w); vy' = −slip a = vy + dt (a − v w')
        share = dt / (dt + late)
        a, turn = np.linalg.solve(
            [[share * speed * steered, 1.0], [slip + dt, -dt * speed]],
            [w[k] + share * (speed * curvature[k] - w[k]), -vy[k]])
        out[k] = -slip * a, turn
    return next_v, out[:, 0], out[:, 1]


def limited(model, limits, wanted, last, dt, prediction):
    """Return the controls, float64[K, m], limited with respect to `last`."""
    out = np.empty_like(wanted)
    speed = wanted[:, 0]
    if model == 'ackermann':
        reachable = np.maximum(np.abs(last[:, 1]) - limits.curvature_rate * dt, 1e-12)
        beyond = np.maximum(reachable - spare(limits, prediction), 1e-9)
        fastest = np.minimum(limits.wz_max / reachable, np.sqrt(limits.ay_max / beyond))
        speed = np.clip(speed, -fastest, fastest)
    if model == 'diff_drive':
        reachable = np.maximum(np.abs(last[:, 1]) - limits.az_max * dt, 1e-12)
        speed = np.clip(speed, -limits.ay_max / reachable, limits.ay_max / reachable)
    if model == 'omni':
        out[:, :2] = over_ground(limits, wanted, last, dt)
    else:
        out[:, 0] = changed(speed, last[:, 0], limits.vx_min, limits.vx_max, limits.ax_max * dt,
                            -limits.ax_min * dt)
    if model == 'ackermann':
        v = np.maximum(np.abs(out[:, 0]), 1e-12)
        sharpest = np.minimum.reduce(
            [np.full_like(v, 1.0 / limits.turning_radius_min), limits.wz_max / v,
             limits.ay_max / v**2 + spare(limits, prediction)])
        out[:, 1] = turned(wanted[:, 1], last[:, 1], sharpest, limits.curvature_rate * dt)
        return out
    fastest = limits.wz_max
    if model == 'diff_drive':
        fastest = np.minimum(fastest, limits.ay_max / np.maximum(np.abs(out[:, 0]), 1e-12))
    out[:, -1] = turned(wanted[:, -1], last[:, -1], fastest, limits.az_max * dt)
    return out


def delayed(sent, pending, later):
    """Return the acting commands, float64[K, T], of sent[K, T] and pending[P] commands."""
    whole = np.concatenate([np.tile(pending, (len(sent), 1)), sent], axis=1)
    since = np.concatenate([np.zeros((len(sent), 1)), np.cumsum(whole, axis=1)], axis=1)
    times = len(pending) - later + np.arange(sent.shape[1] + 1)
    index = np.minimum(np.floor(times + 1e-9).astype(int), whole.shape[1] - 1)
    part = times - index
    return np.diff(since[:, index] + part * whole[:, index], axis=1)


def drive(model, limits, prediction, dt, state, last, pending, controls, interval=None):
    """
    Simulate controls, float64[K, T, m], after `pending`, float64[P, m].

    The first control follows half an `interval` [s] and half a step after `last`.

    Return x, y, yaw, v, vy, w, each float64[T, K], the change of each control, float64[T, K, m],
    and the distance of each step to the nearest branch decision, float64[T, K].
    """
    count, steps, m = controls.shape
    commands, before = np.empty((steps, count, m)), np.tile(np.array(last, float), (count, 1))
    change, near = np.empty_like(commands), np.full((steps, count), np.inf)
    for t in range(steps):
        span = dt if t or interval is None else 0.5 * (interval + dt)
        commands[t] = limited(model, limits, controls[:, t], before, span, prediction)
        change[t] = commands[t] - before
        for axis in range(m - 1):
            near[t] = np.minimum(near[t], np.abs(before[:, axis]))
        before = commands[t]
    p = prediction
    delays = [p.delay_linear] * (m - 1) + [p.delay_angular]
    dead = [p.dead_band_linear] * (m - 1) + [
        p.dead_band_angular if model != 'ackermann' else 0.0]
    acts = np.empty_like(commands)
    for axis in range(m):
        later = (delays[axis] - min(delays)) / dt
        act = delayed(commands[:, :, axis].T, np.asarray(pending)[:, axis], later).T
        near = np.minimum(near, np.abs(np.abs(act) - dead[axis]) if dead[axis] else np.inf)
        acts[:, :, axis] = np.where(np.abs(act) >= dead[axis], act, 0.0)
    shares = [1.0 - math.exp(-dt / lag) if lag else 1.0
              for lag in [p.lag_linear] * (m - 1) + [p.lag_angular]]
    x, y, yaw = (np.full(count, value) for value in state[:3])
    v, vy, w = (np.full(count, value) for value in (state.v, state.vy, state.w))
    curvature = np.full(count, state.curvature)
    out = []
    for act in acts:
        next_v, next_vy = v + shares[0] * (act[:, 0] - v), np.zeros(count)
        if model == 'ackermann':
            curvature = curvature + shares[1] * (act[:, 1] - curvature)
            held = limits.ay_max / np.maximum(np.abs(next_v), 1e-12)
            next_w = np.clip(next_v * curvature, -held, held)
            if p.characteristic_speed:
                up, down = limits.ax_max * dt, -limits.ax_min * dt
                gained = np.clip(next_v - v, np.where(v >= 0.0, -down, -up),
                                 np.where(v >= 0.0, up, down))
                next_v, next_vy, next_w = slid(limits, p, dt, v, vy, w, curvature, gained)
        else:
            next_w = w + shares[-1] * (act[:, -1] - w)
        if model == 'omni':
            next_vy = vy + shares[1] * (act[:, 1] - vy)
        next_yaw = yaw + 0.5 * dt * (w + next_w)
        ahead, aside = 0.5 * dt * (v + next_v), 0.5 * dt * (vy + next_vy)
        c, s = (0.5 * (f(yaw) + f(next_yaw)) for f in (np.cos, np.sin))
        x, y = x + ahead * c - aside * s, y + ahead * s + aside * c
        yaw, v, vy, w = next_yaw, next_v, next_vy, next_w
        out.append((x, y, yaw, v, vy, w))
    return np.array(out).transpose(1, 0, 2), change, near
