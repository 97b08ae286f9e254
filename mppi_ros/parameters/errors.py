"""Exceptions of mppi_ros; their messages name field, value, unit and range."""

import math

MAX_STAMP = 2.0**31  # [s] range of builtin_interfaces/Time


class MppiError(Exception):
    """Base class of all errors that mppi_ros raises."""


class ParameterError(MppiError, ValueError):
    """A parameter has an unknown name, a wrong type or a value out of range."""


class InputError(MppiError, ValueError):
    """A costmap, path, pose, odometry or file is malformed, non-finite or of a wrong shape."""


def check_frame(what: str, frame: str) -> None:
    """Raise ParameterError if a name is not that of a tf2 frame."""
    if not frame or frame.startswith('/') or any(map(str.isspace, frame)):
        raise ParameterError(
            f"{what} = {frame!r} is not a frame: a name without leading '/' and without spaces "
            'is expected'
        )


def check_stamp(what: str, stamp: float) -> None:
    """Raise InputError if a stamp [s] is not finite or beyond what a ROS message can hold."""
    if not math.isfinite(stamp):
        raise InputError(f'{what} stamp = {stamp!r} s is not finite')
    if not -MAX_STAMP <= stamp <= MAX_STAMP:
        raise InputError(
            f'{what} stamp = {stamp:g} s is outside [{-MAX_STAMP:.0f}, {MAX_STAMP:.0f}] s'
        )
