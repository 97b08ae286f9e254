"""Start simulator, planner and controller; rviz:=true opens RViz."""
from pathlib import Path

from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription
from mppi_ros.ros.launch_arguments import boolean

SHARE = FindPackageShare('mppi_ros')
SWITCHES = ('use_sim_time', 'autostart', 'watchdog', 'dashboard', 'respawn', 'rviz')
SENSING = ('lidar', 'map')
OFFICE_GOAL = '8.0,5.0,0.0'
TOPICS = (
    ('odom_topic', 'odom', 'odometry topic'),
    ('costmap_topic', 'costmap', 'costmap topic'),
    ('scan_topic', 'scan', 'topic of the scan in which moving obstacles are tracked'),
    ('footprint_topic', 'footprint', 'topic of a footprint that changes'),
    ('plan_topic', 'plan', 'path topic'),
    ('cmd_vel_topic', 'cmd_vel', 'velocity command topic'),
)
REMAPPED = [(name.removesuffix('_topic'), LaunchConfiguration(name)) for name, *_ in TOPICS]
ARGUMENTS = (
    ('map', '', 'map (YAML file, or CSV file of circles); default: the office map'),
    ('start', '', 'start pose X,Y,YAW [m, m, rad]; default: the start pose of the office map'),
    ('goal', '', 'goal pose X,Y,YAW [m, m, rad]; default: the far room of the office map; on '
     'other maps, the robot waits for goal_pose'),
    ('sensing', 'lidar', 'source of the costmap: lidar or map'),
    ('params_file', PathJoinSubstitution([SHARE, 'config', 'mppi_controller.yaml']),
     'parameter file (YAML); footprint and limits apply to all nodes'),
    ('namespace', '', 'namespace of the nodes and their topics'),
    *TOPICS,
    ('use_sim_time', 'false', 'the simulator publishes /clock and the other nodes use it'),
    ('autostart', 'true', 'configure and activate at start; if false, a lifecycle manager does'),
    ('watchdog', 'false', 'start a process that publishes zero when cmd_vel stops'),
    ('dashboard', 'false', 'serve a live page at http://localhost:8750 (pip install nicegui)'),
    ('respawn', 'false', 'restart the simulator when it exits'),
    ('rviz', 'false', 'open RViz with the configuration of this package'),
)


def _nodes(context):
    """Create the nodes in an OpaqueFunction: no process starts if an argument is invalid."""
    given = {name: LaunchConfiguration(name).perform(context) for name, *_ in ARGUMENTS}
    switches = {name: boolean(name, given[name]) for name in SWITCHES}
    sim_time = switches['use_sim_time']
    for name in ('params_file', 'map'):
        if given[name] and not Path(given[name]).is_file():
            raise FileNotFoundError(f'{name} = {given[name]!r} is not a file')
    if given['sensing'] not in SENSING:
        raise ValueError(f'sensing = {given["sensing"]!r} must be {" or ".join(SENSING)}')
    common = {
        'namespace': given['namespace'],
        'output': 'screen',
        # one transform tree per namespace
        'remappings': [('/tf', 'tf'), ('/tf_static', 'tf_static'), *REMAPPED],
    }
    simulator = {
        'controller_params': given['params_file'],
        'world': given['map'],
        'sensing': given['sensing'],
        'publish_clock': sim_time,
    }
    planner = {'controller_params': given['params_file'], 'use_sim_time': sim_time}
    if not given['map'] and not given['goal']:
        given['goal'] = OFFICE_GOAL
    for name, parameters in (('start', simulator), ('goal', planner)):
        if given[name]:
            parameters[name] = _pose(name, given[name])
    nodes = [
        Node(package='mppi_ros', executable='kinematic_simulator', name='kinematic_simulator',
             parameters=[simulator], respawn=switches['respawn'], respawn_delay=1.0, **common),
        Node(package='mppi_ros', executable='path_planner', name='path_planner',
             parameters=[planner], **common),
    ]
    if switches['rviz']:
        view = PathJoinSubstitution([SHARE, 'config', 'rviz', 'simulation.rviz'])
        nodes.append(Node(package='rviz2', executable='rviz2', namespace=given['namespace'],
                          remappings=REMAPPED, arguments=['-d', view]))
    return nodes


def _pose(name, text):
    try:
        pose = [float(number) for number in text.split(',')]
    except ValueError:
        pose = []
    if len(pose) != 3:
        raise ValueError(f'{name} = {text!r} must be X,Y,YAW: three numbers [m, m, rad]')
    return pose


def generate_launch_description():
    """Declare the arguments; start the nodes and include the controller."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    controller = IncludeLaunchDescription(
        PathJoinSubstitution([SHARE, 'launch', 'mppi_controller.launch.py']),
        launch_arguments={
            name: LaunchConfiguration(name)
            for name in ('params_file', 'namespace', 'use_sim_time', 'autostart', 'watchdog',
                         'dashboard', *(name for name, *_ in TOPICS))
        }.items(),
    )
    return LaunchDescription([*declared, OpaqueFunction(function=_nodes), controller])
