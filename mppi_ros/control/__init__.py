"""One control cycle without ROS: predict, optimise, check, command or brake."""
