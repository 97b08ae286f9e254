"""Exceptions of mppi_ros; their messages name field, value, unit and range."""


class MppiError(Exception):
    """Base class of all errors that mppi_ros raises."""


class ParameterError(MppiError, ValueError):
    """A parameter has an unknown name, a wrong type or a value out of range."""


class InputError(MppiError, ValueError):
    """A costmap, path, pose, odometry or file is malformed, non-finite or of a wrong shape."""
