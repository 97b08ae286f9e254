"""Start the controller as a replacement for Nav2's controller_server, in a Nav2 bringup."""
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

SHARE = FindPackageShare('mppi_ros')
ARGUMENTS = (
    ('params_file', PathJoinSubstitution([SHARE, 'config', 'mppi_controller.yaml']),
     'parameter file (YAML), for example the output of mppi_import_nav2'),
    ('namespace', '', 'namespace of the robot'),
    ('use_sim_time', '', 'use the time from /clock; default: the parameter file, or false'),
    ('autostart', 'false', "configure and activate at start; if false, add mppi_controller to "
     "node_names of Nav2's lifecycle manager"),
    ('odom_topic', 'odom', 'odometry topic'),
    ('costmap_topic', 'local_costmap/costmap', 'costmap topic (OccupancyGrid)'),
    ('scan_topic', 'scan', 'topic of the scan in which moving obstacles are tracked'),
    ('footprint_topic', 'footprint', 'topic of a footprint that changes'),
    ('plan_topic', 'plan', 'path topic, used if follow_path is false'),
    ('cmd_vel_topic', 'cmd_vel_nav', "velocity command topic; cmd_vel_nav for Nav2's velocity "
     'smoother'),
    ('follow_path', 'true', "serve Nav2's action follow_path, not plan and goal_pose"),
    ('watchdog', 'false', 'start a process that publishes zero when commands stop'),
    ('dashboard', 'false', 'serve a live page at http://localhost:8750 (pip install nicegui)'),
)


def generate_launch_description():
    """Declare the arguments and include the controller with Nav2's names."""
    controller = IncludeLaunchDescription(
        PathJoinSubstitution([SHARE, 'launch', 'mppi_controller.launch.py']),
        launch_arguments={name: LaunchConfiguration(name) for name, *_ in ARGUMENTS}.items(),
    )
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    # The group limits the scope of the arguments to this include.
    return LaunchDescription([*declared, GroupAction([controller])])
