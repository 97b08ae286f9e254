"""World, lidar and robot plant: closed-loop episodes without ROS."""
