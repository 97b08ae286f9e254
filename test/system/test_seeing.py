"""The views of RViz and Foxglove name topics that the nodes have, of types that they show."""
from __future__ import annotations

import json
import re

import pytest
from system.harness import start_robot
import yaml

from mppi_ros.share import share_path

RVIZ = {  # class of a display or a tool: the type it shows or publishes
    'rviz_default_plugins/Map': 'nav_msgs/msg/OccupancyGrid',
    'rviz_default_plugins/LaserScan': 'sensor_msgs/msg/LaserScan',
    'rviz_default_plugins/Path': 'nav_msgs/msg/Path',
    'rviz_default_plugins/MarkerArray': 'visualization_msgs/msg/MarkerArray',
    'rviz_default_plugins/Polygon': 'geometry_msgs/msg/PolygonStamped',
    'rviz_default_plugins/Odometry': 'nav_msgs/msg/Odometry',
    'rviz_default_plugins/SetGoal': 'geometry_msgs/msg/PoseStamped',
}
SCENE = {*RVIZ.values()}  # what the 3D panel of Foxglove draws or publishes


@pytest.fixture
def robot(processes, watcher, tmp_path):
    """Offer the topics of all nodes, driving, and the newest statistics: {name: [type]}, keys."""
    start_robot(processes, tmp_path)
    watcher.wait_for(lambda: watcher.state == 'driving', 'driving')
    wanted = {'/map', '/scan', '/plan', '/goal_pose', '/diagnostics'}
    watcher.wait_for(lambda: wanted <= set(topics(watcher)), 'all topics')
    return watcher


def topics(watcher):
    return dict(watcher.node.get_topic_names_and_types())


def test_what_rviz_shows_is_there(robot):
    config = yaml.safe_load(share_path('config', 'rviz', 'simulation.rviz').read_text('utf-8'))
    manager = config['Visualization Manager']
    shown = [each for each in (*manager['Displays'], *manager['Tools']) if 'Topic' in each]
    assert len(shown) >= len(RVIZ)
    for each in shown:
        assert topics(robot)[f'/{each["Topic"]["Value"]}'] == [RVIZ[each['Class']]], each


def test_what_foxglove_shows_is_there(robot):
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
