"""The ROS 2 executables."""
