"""A latched subscription hears publishers of every profile, each message once."""
from __future__ import annotations

import time

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2: source an installation or install the wheels')

import rclpy  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from mppi_ros.ros.qos import BEST_EFFORT, LATCHED, VOLATILE, subscribe_latched  # noqa: E402


@pytest.fixture
def graph(ros_domain):
    """Offer a node to publish with, one to hear with, and a function that spins until true."""
    rclpy.init()
    speaker, hearer = Node('speaker'), Node('hearer')
    executor = SingleThreadedExecutor()
    executor.add_node(speaker)
    executor.add_node(hearer)

    def spin_until(condition):
        end = time.monotonic() + 20.0
        while not condition():
            assert time.monotonic() < end
            executor.spin_once(timeout_sec=0.05)

    yield speaker, hearer, spin_until
    executor.shutdown()
    speaker.destroy_node()
    hearer.destroy_node()
    rclpy.shutdown()


def test_a_latched_message_reaches_who_comes_later(graph):
    speaker, hearer, spin_until = graph
    speaker.create_publisher(String, 'topic', LATCHED).publish(String(data='early'))
    heard = []
    subscribe_latched(hearer, String, 'topic', lambda message: heard.append(message.data))
    spin_until(lambda: heard)
    assert heard == ['early']


def test_latched_and_volatile_publishers_are_heard_once_each(graph):
    speaker, hearer, spin_until = graph
    heard = []
    subscriptions = subscribe_latched(
        hearer, String, 'topic', lambda message: heard.append(message.data))
    latched = speaker.create_publisher(String, 'topic', LATCHED)
    volatile = speaker.create_publisher(String, 'topic', VOLATILE)
    spin_until(lambda: len(subscriptions) == 2)
    spin_until(lambda: latched.get_subscription_count() == 2)
    spin_until(lambda: volatile.get_subscription_count() == 1)
    for number in range(5):
        latched.publish(String(data=f'latched {number}'))
        volatile.publish(String(data=f'volatile {number}'))
        spin_until(lambda: len(heard) >= 2 * (number + 1))  # noqa: B023
    assert len(heard) == len(set(heard)) == 10


def test_best_effort_publishers_are_heard_too(graph):
    speaker, hearer, spin_until = graph
    heard = []
    subscriptions = subscribe_latched(
        hearer, String, 'topic', lambda message: heard.append(message.data))
    best_effort = speaker.create_publisher(String, 'topic', BEST_EFFORT)
    latched = speaker.create_publisher(String, 'topic', LATCHED)
    spin_until(lambda: best_effort.get_subscription_count() == 1)
    spin_until(lambda: latched.get_subscription_count() == len(subscriptions))
    # A best-effort message may be lost.
    spin_until(lambda: best_effort.publish(String(data='sent')) or heard)
    latched.publish(String(data='latched'))
    latched.publish(String(data='last'))
    spin_until(lambda: 'last' in heard)
    assert heard.count('latched') <= 1
    assert heard.count('last') == 1
