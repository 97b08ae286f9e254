"""Start the controller on a robot that provides odometry, costmap and plan."""
from pathlib import Path

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

TF = [('/tf', 'tf'), ('/tf_static', 'tf_static')]  # one transform tree per namespace, as in Nav2
TOPICS = (
    ('odom_topic', 'odom', 'odometry topic'),
    ('costmap_topic', 'costmap', 'costmap topic'),
    ('scan_topic', 'scan', 'topic of the scan in which moving obstacles are tracked'),
    ('footprint_topic', 'footprint', 'topic of a footprint that changes'),
    ('plan_topic', 'plan', 'path topic'),
    ('cmd_vel_topic', 'cmd_vel', 'velocity command topic'),
)
ARGUMENTS = (
    ('params_file',
     PathJoinSubstitution([FindPackageShare('mppi_ros'), 'config', 'mppi_controller.yaml']),
     'parameter file (YAML); the key /**/mppi_controller applies in every namespace'),
    ('namespace', '', 'namespace of the node and its topics'),
    ('use_sim_time', 'false', 'use the time from /clock'),
    ('autostart', 'true', 'configure and activate at start; if false, a lifecycle manager does'),
    *TOPICS,
    ('follow_path', 'false', "serve Nav2's action follow_path, not plan and goal_pose"),
    ('watchdog', 'false', 'start a process that publishes zero when cmd_vel stops'),
    ('dashboard', 'false', 'serve a live page at http://localhost:8750 (pip install nicegui)'),
)


def check_file(context):
    """Raise if the parameter file is missing; launch itself only warns."""
    file = LaunchConfiguration('params_file').perform(context)
    if not Path(file).is_file():
        raise FileNotFoundError(f'params_file = {file!r} is not a file')


def generate_launch_description():
    """Declare the arguments and the node."""
    topics = [(name.removesuffix('_topic'), LaunchConfiguration(name)) for name, *_ in TOPICS]
    controller = LifecycleNode(
        package='mppi_ros',
        executable='mppi_controller',
        name='mppi_controller',
        namespace=LaunchConfiguration('namespace'),
        output='screen',
        parameters=[
            LaunchConfiguration('params_file'),
            {
                name: ParameterValue(LaunchConfiguration(name), value_type=bool)
                for name in ('use_sim_time', 'autostart')
            },
            {
                'follow_path.enabled': ParameterValue(
                    LaunchConfiguration('follow_path'), value_type=bool
                )
            },
        ],
        remappings=[*TF, *topics],
    )
    watchdog = Node(
        package='mppi_ros',
        executable='cmd_vel_watchdog',
        name='cmd_vel_watchdog',
        namespace=LaunchConfiguration('namespace'),
        output='screen',
        parameters=[
            LaunchConfiguration('params_file'),
            {'controller_params': LaunchConfiguration('params_file')},
        ],
        remappings=topics,
        condition=IfCondition(LaunchConfiguration('watchdog')),
    )
    dashboard = Node(
        package='mppi_ros',
        executable='mppi_dashboard',
        name='mppi_dashboard',
        namespace=LaunchConfiguration('namespace'),
        output='screen',
        remappings=TF,
        condition=IfCondition(LaunchConfiguration('dashboard')),
    )
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    check = OpaqueFunction(function=check_file)
    return LaunchDescription([*declared, check, controller, watchdog, dashboard])
