"""Start simulator, planner and controller: a robot drives through a map; rviz:=true shows it."""
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

SHARE = FindPackageShare('mppi_ros')
OFFICE_GOAL = '8.0,5.0,0.0'
TOPICS = (
    ('odom_topic', 'odom', 'topic of the odometry'),
    ('costmap_topic', 'costmap', 'topic of the costmap'),
    ('plan_topic', 'plan', 'topic of the plan'),
    ('cmd_vel_topic', 'cmd_vel', 'topic of the commands'),
)
REMAPPED = [(name.removesuffix('_topic'), LaunchConfiguration(name)) for name, *_ in TOPICS]
ARGUMENTS = (
    ('map', '', 'YAML file of a map or CSV file of circles; empty is the office'),
    ('start', '', 'pose X,Y,YAW to start from [m, m, rad]; empty is the start of the office'),
    ('goal', '', 'pose X,Y,YAW to drive to; empty is the far room of the office, and on another '
     'map it waits for goal_pose'),
    ('sensing', 'lidar', 'what the costmap is made from: lidar or map'),
    ('params_file', PathJoinSubstitution([SHARE, 'config', 'mppi_controller.yaml']),
     'YAML file of the controller; body and limits hold for all nodes'),
    ('namespace', '', 'namespace of the nodes and of their topics'),
    *TOPICS,
    ('use_sim_time', 'false', 'the simulator publishes /clock and the other nodes follow it'),
    ('autostart', 'true', 'start driving at once; false leaves that to a manager'),
    ('watchdog', 'false', 'a process of its own sends zero when cmd_vel falls silent'),
    ('respawn', 'false', 'start the simulator again when it ends'),
    ('rviz', 'false', 'open RViz with a ready view'),
)


def _nodes(context):
    """Make the nodes; OpaqueFunction, because an empty argument must set no parameter."""
    given = {name: LaunchConfiguration(name).perform(context) for name, *_ in ARGUMENTS}
    sim_time = given['use_sim_time'].lower() in ('true', '1')
    common = {
        'namespace': given['namespace'],
        'output': 'screen',
        # transforms: each robot's own
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
    return [
        Node(package='mppi_ros', executable='kinematic_simulator', name='kinematic_simulator',
             parameters=[simulator], respawn=given['respawn'].lower() in ('true', '1'),
             respawn_delay=1.0, **common),
        Node(package='mppi_ros', executable='path_planner', name='path_planner',
             parameters=[planner], **common),
    ]


def _pose(name, text):
    try:
        pose = [float(number) for number in text.split(',')]
    except ValueError:
        pose = []
    if len(pose) != 3:
        raise ValueError(f'{name} = {text!r} must be X,Y,YAW: three numbers [m, m, rad]')
    return pose


def generate_launch_description():
    """Declare the arguments; include the controller; add the other nodes and RViz."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    controller = IncludeLaunchDescription(
        PathJoinSubstitution([SHARE, 'launch', 'mppi_controller.launch.py']),
        launch_arguments={
            name: LaunchConfiguration(name)
            for name in ('params_file', 'namespace', 'use_sim_time', 'autostart', 'watchdog',
                         *(name for name, *_ in TOPICS))
        }.items(),
    )
    rviz = Node(
        package='rviz2',
        executable='rviz2',
        namespace=LaunchConfiguration('namespace'),
        remappings=REMAPPED,
        arguments=['-d', PathJoinSubstitution([SHARE, 'config', 'rviz', 'simulation.rviz'])],
        condition=IfCondition(LaunchConfiguration('rviz')),
    )
    # A bad argument ends the launch in _nodes, before anything has started.
    return LaunchDescription([*declared, OpaqueFunction(function=_nodes), controller, rviz])
