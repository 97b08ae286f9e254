"""The RViz and Foxglove configurations name existing topics of displayable types."""
from __future__ import annotations

import json
import re

import pytest
from system.harness import start_robot
import yaml

from mppi_ros.share import share_path

RVIZ = {  # class of a display or tool: displayed or published type
    'rviz_default_plugins/Map': 'nav_msgs/msg/OccupancyGrid',
    'rviz_default_plugins/LaserScan': 'sensor_msgs/msg/LaserScan',
    'rviz_default_plugins/Path': 'nav_msgs/msg/Path',
    'rviz_default_plugins/MarkerArray': 'visualization_msgs/msg/MarkerArray',
    'rviz_default_plugins/Polygon': 'geometry_msgs/msg/PolygonStamped',
    'rviz_default_plugins/Odometry': 'nav_msgs/msg/Odometry',
    'rviz_default_plugins/SetGoal': 'geometry_msgs/msg/PoseStamped',
}
SCENE = {*RVIZ.values()}  # types that the 3D panel of Foxglove draws or publishes


@pytest.fixture
def robot(processes, watcher, tmp_path):
    """Start all nodes and wait until the robot drives and all topics exist."""
    start_robot(processes, tmp_path)
    watcher.wait_for(lambda: watcher.state == 'driving', 'driving')
    wanted = {'/map', '/scan', '/plan', '/goal_pose', '/diagnostics'}
    watcher.wait_for(lambda: wanted <= set(topics(watcher)), 'all topics')
    return watcher


def topics(watcher):
    return dict(watcher.node.get_topic_names_and_types())


def test_topics_of_the_rviz_configuration_exist(robot):
    config = yaml.safe_load(share_path('config', 'rviz', 'simulation.rviz').read_text('utf-8'))
    manager = config['Visualization Manager']
    shown = [each for each in (*manager['Displays'], *manager['Tools']) if 'Topic' in each]
    assert len(shown) >= len(RVIZ)
    for each in shown:
        assert topics(robot)[f'/{each["Topic"]["Value"]}'] == [RVIZ[each['Class']]], each


def test_topics_of_the_foxglove_layout_exist(robot):
    text = share_path('config', 'foxglove', 'mppi.json').read_text('utf-8')
    panels = json.loads(text)['configById']
    scene = panels['3D!scene']
    for topic in (*scene['topics'], scene['publish']['poseTopic']):
        assert set(topics(robot)[topic]) <= SCENE, topic
    assert panels['DiagnosticSummary!all']['topicToRender'] in topics(robot)
    plotted = [line['value'] for panel in panels.values() for line in panel.get('paths', ())]
    keys = {re.search('key=="(.*)"', path)[1] for path in plotted if 'statistics' in path}
    assert len(keys) >= 4
    assert keys <= set(robot.statistics)
    for value in ('/cmd_vel.twist.linear.x', '/cmd_vel.twist.angular.z'):
        assert value in plotted
    assert topics(robot)['/cmd_vel'] == ['geometry_msgs/msg/TwistStamped']
