"""Start the controller alone, on a robot that brings odometry, costmap and plan."""
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

ARGUMENTS = (
    ('params_file',
     PathJoinSubstitution([FindPackageShare('mppi_ros'), 'config', 'mppi_controller.yaml']),
     'YAML file of the parameters'),
    ('namespace', '', 'namespace of the node and of its topics'),
    ('use_sim_time', 'false', 'take the time from /clock'),
    ('autostart', 'true', 'configure and activate at once; false leaves that to a manager'),
)


def generate_launch_description():
    """Declare the arguments and the node."""
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
        ],
    )
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*declared, controller])
