"""Security policy: the allowed interfaces equal those of the running nodes."""
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
# Interfaces that require another parameter or optional ROS 2 packages.
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
SEEN = ('publisher', 'subscriber', 'service', 'client')  # actions are topics and services


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
    """Return the interfaces of a running node on the graph, by kind."""
    return {
        kind: {name for name, _ in getattr(
            watcher.node, f'get_{kind}_names_and_types_by_node')(node, '/')}
        for kind in SEEN
    }


@pytest.fixture
def robot(processes, watcher, tmp_path) -> Iterator[Watcher]:
    """Start all nodes and wait until the robot drives."""
    start_robot(processes, tmp_path)
    processes.start('cmd_vel_watchdog')
    watcher.wait_for(lambda: set(NODES) <= set(watcher.node.get_node_names()), 'all nodes')
    watcher.wait_for(lambda: watcher.state == 'driving', 'driving')
    end = time.monotonic() + 2.0
    watcher.wait_for(lambda: time.monotonic() > end, 'the graph to settle')
    return watcher


def test_policy_allows_exactly_the_interfaces_of_the_nodes(robot):
    for node in NODES:
        policy, graph = allowed(node), seen(robot, node)
        for kind in SEEN:
            assert graph[kind] <= policy[kind], f'{node} {kind}: not allowed'
            assert policy[kind] - graph[kind] <= OPTIONAL, f'{node} {kind}: allowed but not used'


@pytest.fixture
def controller(ros_domain, monkeypatch) -> Iterator[MppiController]:
    """Provide an active controller with stand-ins for all optional packages."""
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


def test_policy_allows_the_optional_ros_interfaces(controller):
    policy = allowed('mppi_controller')
    publishers = {each.topic_name for each in controller.publishers}
    assert '/bond' in publishers
    assert publishers <= policy['publisher']
    subscribers = {each.topic_name for each in controller.subscriptions}
    assert {'/bond', '/costmap_updates', '/speed_limit'} <= subscribers
    assert subscribers <= policy['subscriber']
    services = {controller.resolve_service_name(each.srv_name) for each in controller.services}
    assert '/mppi_controller/change_state' in services
    assert services <= policy['service']
    assert controller.actions == allowed('mppi_controller')['action'] == {'/follow_path'}


def test_each_node_has_its_own_enclave():
    root = ElementTree.parse(POLICY).getroot()
    assert [each.get('path') for each in root.iter('enclave')] == [f'/{node}' for node in NODES]
    text = POLICY.read_text('utf-8')
    assert '*' not in text.split('-->')[1]


def test_no_node_listens_for_tcp_connections(robot, processes):
    # DDS uses UDP; ROS_AUTOMATIC_DISCOVERY_RANGE selects its interfaces.
    for node in NODES:
        waiting = [each.laddr for each in psutil.Process(processes.pid(node)).net_connections()
                   if each.status == psutil.CONN_LISTEN]
        assert waiting == [], node
