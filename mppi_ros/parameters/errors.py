"""The errors that mppi_ros raises: their messages name field, value, unit and range."""


class MppiError(Exception):
    """Base of every error that mppi_ros raises on purpose."""


class ParameterError(MppiError, ValueError):
    """A parameter has an unknown name, a wrong type or a value out of range."""


class InputError(MppiError, ValueError):
    """A costmap, path, pose, odometry or file is malformed, non-finite or of a wrong shape."""
