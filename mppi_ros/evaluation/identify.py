"""Identification of a robot from a recording: delay, lag and gain of each axis."""

from __future__ import annotations

from collections.abc import Sequence
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mppi_ros.control.identification import FopdtModel, Identification, ParameterEstimate
from mppi_ros.control.inputs import MAX_SPEED
from mppi_ros.evaluation import results
from mppi_ros.files import reading
from mppi_ros.parameters.errors import InputError

ODOMETRY = ('nav_msgs/msg/Odometry',)
COMMANDS = ('geometry_msgs/msg/TwistStamped', 'geometry_msgs/msg/Twist')
DEFAULT_TOPICS = {'--odom': '/odom', '--cmd': '/cmd_vel'}  # if there are several of a type
AXES = ('linear', 'lateral', 'angular')
MIN_AXIS_SPEED = 0.02  # [m/s] [rad/s] greatest command below which an axis is not identified
PRIOR_SPREAD = 5.0  # standard deviation of the prior, relative to PRIOR
PRIOR = FopdtModel(delay=0.05, lag=0.1)

Floats = NDArray[np.float64]


def identify(path: Path, odometry: str, commands: str) -> dict[str, ParameterEstimate]:
    """
    Identify each axis that is driven in a recording.

    Parameters
    ----------
    path : Path
        ROS 1 bag, rosbag2 folder or its MCAP or SQLite file.
    odometry, commands : str
        Topics; '' selects the default topic, or the only topic of the type.

    Raises
    ------
    InputError
        The file cannot be read, has no such topic, or no axis is driven.

    """
    measured, sent = _read(path, odometry, commands)
    driven = [k for k in range(3) if np.abs(sent[:, 1 + k]).max() > MIN_AXIS_SPEED]
    if not driven:
        raise InputError(f'{path}: no command of more than {MIN_AXIS_SPEED:g} m/s or rad/s')
    columns = [1 + k for k in driven]
    full = np.abs(sent[:, columns]).max(axis=0)
    found = Identification([PRIOR] * len(driven), full, memory=math.inf, spread=PRIOR_SPREAD)
    sent_axes = sent[:, [0, *columns]]
    for row in measured:
        found.observe(float(row[0]), row[columns], sent_axes)
    return {AXES[k]: found.estimate(index) for index, k in enumerate(driven)}


def content(path: Path, found: dict[str, ParameterEstimate]) -> dict[str, Any]:
    """Return the content of the result file."""
    return {
        'identification': str(path),
        'axes': [
            {
                'axis': name,
                'delay_s': estimate.value.delay, 'delay_deviation_s': estimate.deviation.delay,
                'lag_s': estimate.value.lag, 'lag_deviation_s': estimate.deviation.lag,
                'gain': estimate.value.gain, 'gain_deviation': estimate.deviation.gain,
                'explained': estimate.explained, 'excited_s': estimate.excited,
                'trusted': estimate.trusted,
            }
            for name, estimate in found.items()
        ],
    }  # fmt: skip


def _read(path: Path, odometry: str, commands: str) -> tuple[Floats, Floats]:
    """Return odometry and commands, float64[N, 4]: time [s], vx, vy [m/s], wz [rad/s]."""
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.interfaces import Connection
        from rosbags.typesys import Stores, get_typestore
    except ImportError:
        raise InputError('identify needs rosbags: pip install rosbags') from None
    rows: dict[str, list[tuple[float, ...]]] = {}
    types = get_typestore(Stores.ROS2_JAZZY)
    with (
        reading(path, 'a recording'),
        results.bounded_unpacking(path),
        AnyReader([path], default_typestore=types) as reader,
    ):
        known: Sequence[Connection] = reader.connections
        chosen = [
            _topic(path, known, odometry, ODOMETRY, '--odom'),
            _topic(path, known, commands, COMMANDS, '--cmd'),
        ]
        # If the commands have no stamps, both use the time of recording.
        stamped = all(each.msgtype != COMMANDS[1] for each in chosen[1])
        for connection, received, data in reader.messages([*chosen[0], *chosen[1]]):
            message: Any = reader.deserialize(data, connection.msgtype)
            time = 1e-9 * received
            if stamped:
                time = message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec
            twist = message if connection.msgtype == COMMANDS[1] else message.twist
            twist = getattr(twist, 'twist', twist)
            row = time, twist.linear.x, twist.linear.y, twist.angular.z
            rows.setdefault(connection.topic, []).append(row)
    found = []
    for connections in chosen:
        values = np.array(rows.get(connections[0].topic, []), dtype=np.float64).reshape(-1, 4)
        sane = np.isfinite(values).all(axis=1) & (np.abs(values[:, 1:]) <= MAX_SPEED).all(axis=1)
        values = values[sane]
        if len(values) < 2:
            raise InputError(f'{path}: {connections[0].topic} holds no messages')
        found.append(values[np.argsort(values[:, 0], kind='stable')])
    return found[0], found[1]


def _topic(
    path: Path, known: Sequence[Any], wanted: str, types: Sequence[str], option: str
) -> list[Any]:
    """Return the connections of the requested topic, or of the only topic of these types."""
    fitting = {each.topic for each in known if each.msgtype in types}
    kind = ' or '.join(types)
    if wanted and wanted not in fitting:
        raise InputError(f'{path} has no topic {wanted} of type {kind}')
    if not fitting:
        topics = ', '.join(f'{each.topic} ({each.msgtype})' for each in known) or 'nothing'
        raise InputError(f'{path} has no topic of type {kind}; it holds {topics}')
    usual = {topic for topic in fitting if topic.endswith(DEFAULT_TOPICS[option])}
    if not wanted and len(usual) == 1:
        fitting = usual
    if not wanted and len(fitting) > 1:
        raise InputError(f'{path} has several topics of type {kind}; use {option} with one of '
                         + ', '.join(sorted(fitting)))
    topic = wanted or fitting.pop()
    return [each for each in known if each.topic == topic and each.msgtype in types]
