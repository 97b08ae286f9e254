"""Subscriptions to latched topics that also work with volatile and best-effort publishers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import QoSRequestedIncompatibleQoSInfo, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from mppi_ros.ros.executor import poll_message_with_info

LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
VOLATILE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
# Profile that matches a publisher whose policy of a kind does not.
FALLBACKS = {QoSPolicyKind.DURABILITY: VOLATILE, QoSPolicyKind.RELIABILITY: BEST_EFFORT}


def new_history() -> deque[int]:
    """Return an empty deque for the argument `seen` of `subscribe_latched`."""
    return deque(maxlen=8)


def subscribe_latched(
    node: Node,
    kind: type[Any],
    topic: str,
    callback: Callable[[Any], None],
    *,
    raw: bool = False,
    group: CallbackGroup | None = None,
    seen: deque[int] | None = None,
) -> list[Subscription]:
    """
    Subscribe to a topic with latched, volatile or best-effort publishers.

    DDS matches neither a transient local subscription with a volatile publisher nor a reliable one
    with a best-effort publisher. A volatile or a best-effort subscription is therefore added when
    such a publisher appears; a message received through several is delivered once. With `raw` the
    callback receives serialised bytes. In a PolledCallbackGroup `group` only the newest message is
    kept, until `deliver` is called. `seen` has the source timestamps of delivered messages, which
    are not delivered again; a later subscription with the same deque leaves them out too.

    Returns
    -------
    list of Subscription
        The subscriptions, which the caller destroys; others may be added later.

    """
    recent = new_history() if seen is None else seen
    subscriptions: list[Subscription] = []
    missing = dict(FALLBACKS)

    def receive(message: Any, info: dict[str, int]) -> None:
        if info['source_timestamp'] not in recent:
            recent.append(info['source_timestamp'])
            callback(message)

    def incompatible(info: QoSRequestedIncompatibleQoSInfo) -> None:
        profile = missing.pop(QoSPolicyKind(info.last_policy_kind), None)
        if profile is not None:
            subscribe(profile)

    def subscribe(profile: QoSProfile) -> None:
        events = SubscriptionEventCallbacks(
            incompatible_qos=incompatible, use_default_callbacks=False
        )
        subscriptions.append(
            node.create_subscription(
                kind, topic, receive, profile, event_callbacks=events, raw=raw,
                callback_group=group,
            )
        )  # fmt: skip

    subscribe(LATCHED)
    return subscriptions


def deliver(subscriptions: list[Subscription]) -> None:
    """Call the callback of each subscription of `subscribe_latched` with its pending message."""
    for subscription in subscriptions:
        found = poll_message_with_info(subscription)
        if found is not None:
            subscription.callback(*found)
