"""Start the controller alone, on a robot that brings odometry, costmap and plan."""
from pathlib import Path

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

TF = [('/tf', 'tf'), ('/tf_static', 'tf_static')]  # each robot's own, as in Nav2
TOPICS = (
    ('odom_topic', 'odom', 'topic of the odometry'),
    ('costmap_topic', 'costmap', 'topic of the costmap'),
    ('plan_topic', 'plan', 'topic of the plan'),
    ('cmd_vel_topic', 'cmd_vel', 'topic of the commands'),
)
ARGUMENTS = (
    ('params_file',
     PathJoinSubstitution([FindPackageShare('mppi_ros'), 'config', 'mppi_controller.yaml']),
     'YAML file of the parameters; its key /**/mppi_controller holds in every namespace'),
    ('namespace', '', 'namespace of the node and of its topics'),
    ('use_sim_time', 'false', 'take the time from /clock'),
    ('autostart', 'true', 'configure and activate at once; false leaves that to a manager'),
    *TOPICS,
    ('follow_path', 'false', "serve Nav2's action follow_path instead of plan and goal_pose"),
    ('watchdog', 'false', 'a process of its own sends zero when cmd_vel falls silent'),
)


def check_file(context):
    """Stop a launch whose file of parameters is missing: launch itself would only warn."""
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
    guard = Node(
        package='mppi_ros',
        executable='cmd_vel_watchdog',
        name='cmd_vel_watchdog',
        namespace=LaunchConfiguration('namespace'),
        output='screen',
        parameters=[LaunchConfiguration('params_file')],
        remappings=topics,
        condition=IfCondition(LaunchConfiguration('watchdog')),
    )
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=check_file), controller, guard])
