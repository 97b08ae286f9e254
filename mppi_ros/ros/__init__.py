"""ROS 2 adapters that the nodes share: messages, QoS, parameters, lifecycle, transforms."""
from __future__ import annotations

from importlib.util import find_spec
import os
import sys


def use_wheels() -> None:
    """
    Configure the environment for ROS 2 installed as Python wheels; call it before importing rclpy.

    A sourced installation sets ``AMENT_PREFIX_PATH``, where ROS 2 searches for its packages. A
    virtual environment with the wheels is not sourced, so the variable is set to its prefix.

    Raises
    ------
    SystemExit
        rclpy is not importable (exit code 2).

    """
    os.environ.setdefault('AMENT_PREFIX_PATH', sys.prefix)
    if find_spec('rclpy') is None:
        print('rclpy is not importable: source a ROS 2 installation (. /opt/ros/jazzy/setup.sh)'
              " or install the wheels (pip install '.[jazzy]' in the source tree)",
              file=sys.stderr)
        raise SystemExit(2)
