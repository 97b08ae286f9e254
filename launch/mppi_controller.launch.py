"""Start the controller on a robot that provides odometry, costmap and plan."""
from pathlib import Path

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription
from mppi_ros.ros.launch_arguments import boolean, given_booleans

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
    ('use_sim_time', '', 'use the time from /clock; default: the parameter file, or false'),
    ('autostart', '', 'configure and activate at start; if false, a lifecycle manager does; '
     'default: the parameter file, or true'),
    *TOPICS,
    ('follow_path', '', "serve Nav2's action follow_path, not plan and goal_pose; default: "
     'follow_path.enabled in the parameter file, or false'),
    ('watchdog', 'false', 'start a process that publishes zero when cmd_vel stops'),
    ('dashboard', 'false', 'serve a live page at http://localhost:8750 (pip install nicegui)'),
)


def _nodes(context):
    """Create the nodes in an OpaqueFunction: no process starts if an argument is invalid."""
    given = {name: LaunchConfiguration(name).perform(context) for name, *_ in ARGUMENTS}
    file = given['params_file']
    topics = [(name.removesuffix('_topic'), given[name]) for name, *_ in TOPICS]
    if not Path(file).is_file():  # launch itself only warns
        raise FileNotFoundError(f'params_file = {file!r} is not a file')
    clock = given_booleans(given, 'use_sim_time')
    switches = clock | given_booleans(given, 'autostart', 'follow_path')
    if 'follow_path' in switches:
        switches['follow_path.enabled'] = switches.pop('follow_path')
    common = {'package': 'mppi_ros', 'namespace': given['namespace'], 'output': 'screen'}
    started = [
        LifecycleNode(executable='mppi_controller', name='mppi_controller',
                      parameters=[file, *([switches] if switches else [])],
                      remappings=[*TF, *topics], **common),
    ]
    if boolean('watchdog', given['watchdog']):
        started.append(
            Node(executable='cmd_vel_watchdog', name='cmd_vel_watchdog',
                 parameters=[file, {'controller_params': file, **clock}],
                 remappings=topics, **common))
    if boolean('dashboard', given['dashboard']):
        started.append(
            Node(executable='mppi_dashboard', name='mppi_dashboard', remappings=TF, **common))
    return started


def generate_launch_description():
    """Declare the arguments and the nodes."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_nodes)])
