"""
Reduction of the load of rclpy's executor: polled subscriptions, no default QoS event handlers.

The executor visits each entity at each message. By default each publisher and subscription has two
event handlers that report incompatible QoS and types, which took half of its time. Messages that
are only needed in a tick are polled and do not wake the executor.
"""

from __future__ import annotations

from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.subscription import Subscription

PUBLISHER = PublisherEventCallbacks(use_default_callbacks=False)
SUBSCRIPTION = SubscriptionEventCallbacks(use_default_callbacks=False)


class PolledCallbackGroup(CallbackGroup):
    """Callback group whose subscriptions the executor skips; use `poll_message`."""

    def can_execute(self, entity: Any) -> bool:
        """Exclude subscriptions from the executor; their events are still handled."""
        return not isinstance(entity, Subscription)

    def beginning_execution(self, entity: Any) -> bool:
        """Allow the execution of an event handler."""
        return True

    def ending_execution(self, entity: Any) -> None:
        """Do nothing: the executor has one thread."""


def poll_message(subscription: Subscription) -> Any:
    """Return the oldest pending message, as its callback would receive it; None without one."""
    found = poll_message_with_info(subscription)
    return None if found is None else found[0]


def poll_message_with_info(subscription: Subscription) -> tuple[Any, dict[str, int]] | None:
    """Return the oldest pending message and its message info; None without one."""
    with subscription.handle:
        found: tuple[Any, dict[str, int]] | None = subscription.handle.take_message(
            subscription.msg_type, subscription.raw
        )
    return found
