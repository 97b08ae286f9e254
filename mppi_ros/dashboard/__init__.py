"""Live page of a running controller: history, parameter model and web page, without ROS."""
