"""ROS 2 adapters that the nodes share: messages, QoS, parameters, lifecycle, transforms."""
from __future__ import annotations

from importlib.util import find_spec
import os
import sys


def use_wheels() -> None:
    """
    Make a ROS 2 that was installed as Python wheels usable; call it before importing rclpy.

    A sourced installation sets ``AMENT_PREFIX_PATH``, which ROS 2 searches for its packages.
    Nobody sources anything in a virtual environment that holds the wheels, and there the prefix
    of the environment is the right value.

    Raises
    ------
    SystemExit
        There is no rclpy, neither installed nor sourced (exit code 2).

    """
    os.environ.setdefault('AMENT_PREFIX_PATH', sys.prefix)
    if find_spec('rclpy') is None:
        print('rclpy is not importable: source a ROS 2 installation (. /opt/ros/jazzy/setup.sh)'
              " or install the wheels (pip install '.[jazzy]' in the source tree)",
              file=sys.stderr)
        raise SystemExit(2)
