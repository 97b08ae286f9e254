"""Each launch file connects all of its nodes to the topics that its arguments name."""
from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip('launch_ros', reason='launch_ros comes only with an installed ROS 2')

from launch.actions import ExecuteLocal  # noqa: E402
from launch.launch_description_sources import (  # noqa: E402
    get_launch_description_from_python_launch_file,
)
from launch_ros.actions import Node  # noqa: E402

from launch import LaunchContext  # noqa: E402

LAUNCH = Path(__file__).resolve().parents[2] / 'launch'
TOPICS = {'odom': 'odom', 'costmap': 'costmap', 'scan': 'scan', 'plan': 'plan',
          'cmd_vel': 'cmd_vel'}
NAV2 = TOPICS | {'costmap': 'local_costmap/costmap', 'cmd_vel': 'cmd_vel_nav'}
# For each launch file: default topic names, and the topics that each node uses.
FILES = {
    'mppi_controller': (TOPICS, {'mppi_controller': TOPICS, 'cmd_vel_watchdog': {'cmd_vel'}}),
    'nav2_controller': (NAV2, {'mppi_controller': TOPICS, 'cmd_vel_watchdog': {'cmd_vel'}}),
    'simulation': (TOPICS, {
        'mppi_controller': TOPICS, 'cmd_vel_watchdog': {'cmd_vel'}, 'path_planner': TOPICS,
        'kinematic_simulator': TOPICS, 'rviz2': TOPICS,
    }),
}  # fmt: skip


def remapped(name, **arguments):
    """Return {executable: {from: to}} of all nodes that a launch file starts."""
    context = LaunchContext()
    context.launch_configurations.update(arguments)
    nodes = {}

    def visit(entity):
        if isinstance(entity, Node):
            if entity.condition is None or entity.condition.evaluate(context):
                entity._perform_substitutions(context)
                rules = entity.expanded_remapping_rules
                nodes[entity.node_executable] = dict(rules)
            return
        assert not isinstance(entity, ExecuteLocal)
        for inner in entity.visit(context) or ():
            visit(inner)

    visit(get_launch_description_from_python_launch_file(str(LAUNCH / f'{name}.launch.py')))
    return nodes


@pytest.mark.parametrize('name', FILES)
def test_topics_have_their_default_names(name):
    expected, nodes = FILES[name]
    found = remapped(name, watchdog='true', rviz='true')
    assert set(found) == set(nodes)
    for node, topics in nodes.items():
        assert {topic: found[node][topic] for topic in topics} == {
            topic: expected[topic] for topic in topics}


@pytest.mark.parametrize('topic', TOPICS)
@pytest.mark.parametrize('name', FILES)
def test_topic_argument_applies_to_all_nodes_and_to_no_other_topic(name, topic):
    expected, nodes = FILES[name]
    found = remapped(
        name, watchdog='true', rviz='true', namespace='robot', **{f'{topic}_topic': '/base/other'})
    for node, topics in nodes.items():
        assert {each: found[node][each] for each in topics} == {
            each: '/base/other' if each == topic else expected[each] for each in topics}


def test_every_launch_file_is_covered():
    assert {path.name.removesuffix('.launch.py') for path in LAUNCH.glob('*.py')} == set(FILES)
