"""Trajectories: discs that follow given curves and do not react to the robot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mppi_ros.parameters.errors import InputError

TENSION = 0.5  # of a cardinal spline: tangent = TENSION · (next − previous)


@dataclass(frozen=True)
class Trajectory:
    """
    A disc that moves along a curve.

    Attributes
    ----------
    curve : callable
        Maps time [s] to x, y [m], as the splines of scipy.interpolate do.
    radius : float
        Radius of the disc [m].
    begin, end : float
        Time on the curve at which the disc appears and disappears [s].
    phase : float
        Time on the curve at time 0 [s].
    periodic : bool
        The curve repeats after `end` − `begin`. Else there is no disc before `begin` and after
        `end`.

    """

    curve: Any
    radius: float
    begin: float
    end: float
    phase: float = 0.0
    periodic: bool = False

    def at(self, time: float) -> tuple[float, float, float] | None:
        """Return x, y, radius [m] at a time [s], or None where there is no disc."""
        on_curve = time + self.phase
        if self.periodic:
            on_curve = self.begin + (on_curve - self.begin) % (self.end - self.begin)
        elif not self.begin <= on_curve <= self.end:
            return None
        x, y = self.curve(on_curve).tolist()
        return x, y, self.radius


def cardinal_spline(times: ArrayLike, points: ArrayLike) -> Any:
    """
    Return the cardinal spline of Gazebo's PoseAnimation: time [s] to x, y [m].

    The tangent at a key frame, by the parameter that runs from 0 to 1 between two key frames, is
    TENSION times the difference of its neighbours. At both ends it is that of the closed curve if
    the first point is the last one, else TENSION times the difference to the only neighbour. The
    velocity therefore jumps where key frames are not evenly spaced in time.

    Parameters
    ----------
    times : float[N]
        Of the key frames, strictly increasing [s].
    points : float[N, 2]
        x, y [m].

    Raises
    ------
    InputError
        Fewer than two key frames, times that do not increase, or values that are not finite.

    """
    from scipy.interpolate import PPoly

    t, p = _key_frames(times, points)
    before, after = np.vstack([p[:1], p[:-1]]), np.vstack([p[1:], p[-1:]])
    if np.array_equal(p[0], p[-1]):
        before[0], after[-1] = p[-2], p[1]
    tangents = TENSION * (after - before)
    spans = np.diff(t)[:, None]
    step, m0, m1 = np.diff(p, axis=0), tangents[:-1], tangents[1:]
    coefficients = np.stack([
        (m0 + m1 - 2.0 * step) / spans**3, (3.0 * step - 2.0 * m0 - m1) / spans**2, m0 / spans,
        p[:-1],
    ])  # fmt: skip
    return PPoly(coefficients, t)


def smooth_track(times: ArrayLike, points: ArrayLike, extension: float) -> Any:
    """
    Return the cubic spline through annotated positions, which goes on at constant velocity.

    Parameters
    ----------
    times : float[N]
        Of the annotations, strictly increasing [s].
    points : float[N, 2]
        x, y [m].
    extension : float
        Time before the first and after the last annotation [s].

    Raises
    ------
    InputError
        As `cardinal_spline`.

    """
    from scipy.interpolate import CubicSpline

    t, p = _key_frames(times, points)
    first, last = (p[1] - p[0]) / (t[1] - t[0]), (p[-1] - p[-2]) / (t[-1] - t[-2])
    curve = CubicSpline(t, p, bc_type=((1, first), (1, last)))
    for velocity, place, end in (
        (first, p[0] - extension * first, t[0] - extension), (last, p[-1], t[-1] + extension),
    ):  # fmt: skip
        line = np.stack([0.0 * velocity, 0.0 * velocity, velocity, place])[:, None]
        curve.extend(line, np.array([end]))
    return curve


def polyline(times: ArrayLike, points: ArrayLike) -> Any:
    """Return the curve that is linear between positions: time [s] to x, y [m]."""
    from scipy.interpolate import PPoly

    t, p = _key_frames(times, points)
    return PPoly(np.stack([np.diff(p, axis=0) / np.diff(t)[:, None], p[:-1]]), t)


def positions(
    moving_obstacles: Sequence[Any], times: ArrayLike
) -> NDArray[np.float64]:
    """Return x, y, radius [m] at times float[N] [s], float64[N, n, 3], NaN where there is none."""
    nowhere = (math.nan, math.nan, math.nan)
    rows = [
        [obstacle.at(float(t)) or nowhere for obstacle in moving_obstacles]
        for t in np.atleast_1d(times)
    ]
    return np.array(rows, np.float64).reshape(len(rows), len(moving_obstacles), 3)


def _key_frames(
    times: ArrayLike, points: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    t, p = np.asarray(times, np.float64), np.asarray(points, np.float64)
    if t.ndim != 1 or len(t) < 2 or p.shape != (len(t), 2):
        raise InputError(
            f'key frames have shapes {list(t.shape)}, {list(p.shape)}; [N], [N, 2] with N ≥ 2 '
            f'are expected'
        )
    if not (np.isfinite(t).all() and np.isfinite(p).all()):
        raise InputError('a key frame is not finite')
    if not (np.diff(t) > 0.0).all():
        raise InputError('the times of the key frames must increase strictly')
    return t, p
