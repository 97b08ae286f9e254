"""MPPI control of a mobile robot as score ascent, with a ROS 2 node around it."""

__version__ = '0.1.0'
