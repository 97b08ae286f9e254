"""What the running nodes do on the graph is what the policy allows, no more and no less."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import time
from types import SimpleNamespace
from xml.etree import ElementTree

from nav_msgs.msg import OccupancyGrid
from nodes.test_controller_node import Bond
import psutil
import pytest
import rclpy
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_msgs.msg import Float64
from system.harness import Watcher, start_robot

from mppi_ros.nodes.controller import follow_path_server, inputs
from mppi_ros.nodes.controller.node import MppiController
from mppi_ros.ros import lifecycle as ros_lifecycle
from mppi_ros.share import share_path

NODES = ('mppi_controller', 'kinematic_simulator', 'path_planner', 'cmd_vel_watchdog')
POLICY = Path(share_path('config', 'security', 'mppi_ros.policy.xml'))
# What a node has only with another parameter, or where more of ROS 2 is installed than needed.
OPTIONAL = {
    '/clock', '/tf', '/tf_static', '/bond', '/costmap_updates', '/costmap_raw',
    '/costmap_raw_updates', '/speed_limit',
    '/obstacles', '/mppi_controller/timed_trajectory',
    '/follow_path', '/mppi_controller/get_type_description',
    '/kinematic_simulator/get_type_description', '/path_planner/get_type_description',
    '/cmd_vel_watchdog/get_type_description',
}
KINDS = {
    ('topics', 'publish'): 'publisher', ('topics', 'subscribe'): 'subscriber',
    ('services', 'reply'): 'service', ('services', 'request'): 'client',
    ('actions', 'execute'): 'action',
}
SEEN = ('publisher', 'subscriber', 'service', 'client')  # an action is topics and services


def allowed(node: str) -> dict[str, set[str]]:
    """Return the names that the policy allows, by kind."""
    profile = ElementTree.parse(POLICY).find(f".//profile[@node='{node}']")
    names: dict[str, set[str]] = {kind: set() for kind in KINDS.values()}
    for group in profile:
        for attribute in group.attrib:
            assert group.attrib[attribute] == 'ALLOW'
            names[KINDS[group.tag, attribute]] |= {each.text for each in group}
    return names


def seen(watcher: Watcher, node: str) -> dict[str, set[str]]:
    """Return the names that a running node has on the graph, by kind."""
    return {
        kind: {name for name, _ in getattr(
            watcher.node, f'get_{kind}_names_and_types_by_node')(node, '/')}
        for kind in SEEN
    }


@pytest.fixture
def robot(processes, watcher, tmp_path) -> Iterator[Watcher]:
    """Offer all nodes, driving."""
    start_robot(processes, tmp_path)
    processes.start('cmd_vel_watchdog')
    watcher.wait_for(lambda: set(NODES) <= set(watcher.node.get_node_names()), 'all nodes')
    watcher.wait_for(lambda: watcher.state == 'driving', 'driving')
    end = time.monotonic() + 2.0
    watcher.wait_for(lambda: time.monotonic() > end, 'the graph to settle')
    return watcher


def test_the_policy_allows_what_the_nodes_do_and_nothing_else(robot):
    for node in NODES:
        policy, graph = allowed(node), seen(robot, node)
        for kind in SEEN:
            assert graph[kind] <= policy[kind], f'{node} {kind}: not allowed'
            assert policy[kind] - graph[kind] <= OPTIONAL, f'{node} {kind}: allowed in vain'


@pytest.fixture
def complete(ros_domain, monkeypatch) -> Iterator[MppiController]:
    """Offer an active controller with stand-ins for all that may be installed beside ROS 2."""
    actions: set[str] = set()
    server = SimpleNamespace(destroy=lambda: None)
    monkeypatch.setattr('mppi_ros.nodes.controller.node.warm_up', lambda controller: None)
    monkeypatch.setattr(inputs, 'OccupancyGridUpdate', OccupancyGrid)
    monkeypatch.setattr(ros_lifecycle, 'bondpy', SimpleNamespace(Bond=Bond))
    monkeypatch.setattr(follow_path_server, 'FollowPath', SimpleNamespace(Result=None))
    monkeypatch.setattr(follow_path_server, 'SpeedLimit', Float64)
    monkeypatch.setattr(
        follow_path_server,
        'ActionServer',
        lambda node, kind, name, **_: actions.add(f'/{name}') or server,
    )
    rclpy.init()
    node = MppiController(parameter_overrides=[
        Parameter('follow_path.enabled', value=True), Parameter('autostart', value=False)])
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    node.actions = actions
    yield node
    node.stop()
    node.destroy_node()
    rclpy.shutdown()


def test_the_policy_allows_what_more_of_ros_brings(complete):
    policy = allowed('mppi_controller')
    publishers = {each.topic_name for each in complete.publishers}
    assert '/bond' in publishers
    assert publishers <= policy['publisher']
    subscribers = {each.topic_name for each in complete.subscriptions}
    assert {'/bond', '/costmap_updates', '/speed_limit'} <= subscribers
    assert subscribers <= policy['subscriber']
    services = {complete.resolve_service_name(each.srv_name) for each in complete.services}
    assert '/mppi_controller/change_state' in services
    assert services <= policy['service']
    assert complete.actions == allowed('mppi_controller')['action'] == {'/follow_path'}


def test_each_node_has_an_enclave_of_its_own():
    root = ElementTree.parse(POLICY).getroot()
    assert [each.get('path') for each in root.iter('enclave')] == [f'/{node}' for node in NODES]
    text = POLICY.read_text('utf-8')
    assert '*' not in text.split('-->')[1]


def test_no_node_waits_for_connections(robot, processes):
    # Sockets of DDS know no connections; where they listen is ROS_AUTOMATIC_DISCOVERY_RANGE's.
    for node in NODES:
        waiting = [each.laddr for each in psutil.Process(processes.pid(node)).net_connections()
                   if each.status == psutil.CONN_LISTEN]
        assert waiting == [], node
