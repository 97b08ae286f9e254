"""Start the controller in the place of Nav2's controller_server, for a Nav2 bringup to include."""
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

SHARE = FindPackageShare('mppi_ros')
ARGUMENTS = (
    ('params_file', PathJoinSubstitution([SHARE, 'config', 'mppi_controller.yaml']),
     'YAML file of the controller, as mppi_import_nav2 writes it from nav2_params.yaml'),
    ('namespace', '', 'namespace of the robot'),
    ('use_sim_time', 'false', 'take the time from /clock'),
    ('autostart', 'false', "false: mppi_controller is one of the node_names of Nav2's lifecycle "
     'manager; true: it starts by itself'),
    ('odom_topic', 'odom', 'topic of the odometry'),
    ('costmap_topic', 'local_costmap/costmap', 'topic of the costmap, an OccupancyGrid'),
    ('plan_topic', 'plan', 'topic of the plan, where follow_path is false'),
    ('cmd_vel_topic', 'cmd_vel_nav', "topic of the commands; with Nav2's velocity smoother "
     'cmd_vel_nav'),
    ('follow_path', 'true', "serve Nav2's action follow_path instead of plan and goal_pose"),
    ('watchdog', 'false', 'a process of its own sends zero when the commands fall silent'),
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
    # in a group, so that the arguments do not hold in what the bringup includes after this
    return LaunchDescription([*declared, GroupAction([controller])])
