"""Subscriptions to latched topics that also work with volatile publishers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import QoSRequestedIncompatibleQoSInfo, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from mppi_ros.ros import executor

LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
VOLATILE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)


def subscribe_latched(
    node: Node,
    kind: type[Any],
    topic: str,
    callback: Callable[[Any], None],
    *,
    raw: bool = False,
    group: CallbackGroup | None = None,
) -> list[Subscription]:
    """
    Subscribe to a topic with latched or volatile publishers.

    DDS does not match a transient local subscription with a volatile publisher. A volatile
    subscription is therefore added when such a publisher appears; a message received through both
    is delivered once. With `raw` the callback receives serialised bytes. In a
    PolledCallbackGroup `group` only the newest message is kept, until `deliver` is called.

    Returns
    -------
    list of Subscription
        The subscriptions, which the caller destroys; a second one may be added later.

    """
    recent: deque[int] = deque(maxlen=8)
    subscriptions: list[Subscription] = []

    def receive(message: Any, info: dict[str, int]) -> None:
        if info['source_timestamp'] not in recent:
            recent.append(info['source_timestamp'])
            callback(message)

    def incompatible(info: QoSRequestedIncompatibleQoSInfo) -> None:
        if info.last_policy_kind == QoSPolicyKind.DURABILITY and len(subscriptions) == 1:
            subscriptions.append(
                node.create_subscription(
                    kind, topic, receive, VOLATILE, event_callbacks=executor.SUBSCRIPTION, raw=raw,
                    callback_group=group,
                )
            )  # fmt: skip

    subscriptions.append(
        node.create_subscription(
            kind,
            topic,
            receive,
            LATCHED,
            event_callbacks=SubscriptionEventCallbacks(
                incompatible_qos=incompatible, use_default_callbacks=False
            ),
            raw=raw,
            callback_group=group,
        )
    )
    return subscriptions


def deliver(subscriptions: list[Subscription]) -> None:
    """Call the callback of each subscription of `subscribe_latched` with its pending message."""
    for subscription in subscriptions:
        found = executor.poll_message_with_info(subscription)
        if found is not None:
            subscription.callback(*found)
