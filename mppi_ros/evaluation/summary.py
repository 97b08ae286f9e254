"""Observed drive: its signals over time, and their summary."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
import os
import platform
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mppi_ros import __version__
from mppi_ros.driving.costmap import Costmap
from mppi_ros.simulation.episode_result import Trace

MIN_MOVING_COMMAND = 1e-3  # [m/s] or [rad/s] least command that moves the robot
STATISTICS = ('smoothed_objective', 'ess', 'temperature', 'solve_ms')
PACKAGES = ('numpy', 'numba', 'rclpy')


@dataclass
class ObservedDrive:
    """
    Observations of one drive; all times are in [s] since 1970.

    Attributes
    ----------
    began : float
        Start time of the controller process.
    truth : list of (time, x, y, yaw, vx, vy, wz)
        True pose and velocity of the robot.
    clearance : list of float
        True clearance [m] at each of `truth`, 0 in contact.
    commands : list of (time, vx, vy, wz)
        Velocities sent to the robot.
    statistics : list of (time, {name: value})
        Published statistics of each tick.
    states : list of str
        State of the controller at each of `statistics`.
    plan : float64[P, 3]
        The last plan.
    touched : bool
        The simulator reported a contact.
    reached : bool
        The robot came to rest at the goal.
    reason : str
        Why the goal was not reached.

    """

    began: float = 0.0
    truth: list[tuple[float, ...]] = field(default_factory=list)
    clearance: list[float] = field(default_factory=list)
    commands: list[tuple[float, ...]] = field(default_factory=list)
    statistics: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    plan: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))
    touched: bool = False
    reached: bool = False
    reason: str = ''

    @property
    def contact(self) -> bool:
        """Return whether the robot was in contact with an obstacle."""
        return self.touched or min(self.clearance, default=1.0) <= 0.0

    @property
    def first_command(self) -> float | None:
        """Return the time of the first nonzero command [s since 1970]."""
        moving = (c[0] for c in self.commands if max(map(abs, c[1:])) > MIN_MOVING_COMMAND)
        return next(moving, None)


def summarise(drive: ObservedDrive) -> dict[str, Any]:
    """Return the content of summary.json; None marks values that were not observed."""
    first = drive.first_command
    truth = np.array(drive.truth).reshape(-1, 7)
    last = drive.statistics[-1][1] if drive.statistics else {}
    ticks = int(last.get('ticks', 0))
    missed = int(last.get('missed_ticks', 0))
    solve = np.array([values.get('solve_ms', np.nan) for _, values in drive.statistics])
    solve = solve[np.isfinite(solve)]
    return {
        'goal_reached': drive.reached,
        'contact': drive.contact,
        'reason': drive.reason,
        'time_s': _rounded(truth[-1, 0] - first) if first and len(truth) else None,
        'path_length_m': _rounded(np.hypot(*np.diff(truth[:, 1:3], axis=0).T).sum()),
        'min_clearance_m': _rounded(min(drive.clearance)) if drive.clearance else None,
        'first_command_s': _rounded(first - drive.began) if first else None,
        'ticks': ticks,
        'missed_ticks': missed,
        'missed_share': _rounded(missed / (ticks + missed), 5) if ticks else None,
        'solve_ms': {
            name: _rounded(np.percentile(solve, q)) if solve.size else None
            for name, q in (('p50', 50), ('p99', 99), ('max', 100))
        },
        'versions': versions(),
    }


def trace_of(
    drive: ObservedDrive,
    grid: Costmap,
    footprint: NDArray[np.float64],
    goal: tuple[float, float, float],
) -> Trace:
    """
    Return the drive as a Trace of the simulation, sampled at the published ticks.

    Parameters
    ----------
    drive : ObservedDrive
        With at least one tick and one true pose.
    grid : Costmap
        Map to draw it on.
    footprint : float64[p, 2]
        Corners of the body in the base frame [m].
    goal : (float, float, float)
        x [m], y [m], yaw [rad].

    """
    time = np.array([stamp for stamp, _ in drive.statistics])
    truth = _held(np.array(drive.truth), time)
    commands = _held(np.array(drive.commands or [(time[0], 0.0, 0.0, 0.0)]), time)
    known = np.column_stack([np.array(drive.truth)[: len(drive.clearance), 0], drive.clearance])
    return Trace(
        time=time - time[0],
        pose=truth[:, 1:4],
        twist=truth[:, 4:7],
        command=commands[:, 1:4],
        clearance=_held(known, time)[:, 1],
        statistics={
            name: np.array([values.get(name, np.nan) for _, values in drive.statistics])
            for name in STATISTICS
        },
        plan=drive.plan,
        map=grid,
        footprint=footprint,
        goal=goal,
        reasons=drive.states,
    )


def _held(rows: NDArray[np.float64], time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each time the last row (time, ...) up to it, or the first row."""
    before = np.searchsorted(rows[:, 0], time, side='right') - 1
    held: NDArray[np.float64] = rows[np.maximum(before, 0)]
    return held


def versions() -> dict[str, str]:
    """Return the versions of the packages, the ROS distribution and the machine."""
    found = {'mppi_ros': __version__, 'python': platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = 'unknown'
    found['ros_distro'] = os.environ.get('ROS_DISTRO', 'wheels')
    found['machine'] = f'{platform.machine()}, {os.cpu_count()} cores'
    return found


def _rounded(value: float, digits: int = 3) -> float:
    return round(float(value), digits)
