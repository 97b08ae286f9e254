"""
Entities that cost the executor nothing while they have nothing to say.

rclpy's executor visits everything that it waits for at every message of any topic. It gives every
publisher and subscription two handlers, which warn of unequal qualities and types; on topics on
which no offer of quality can be misunderstood they took half of its time. And what is needed only
in a tick need not wake anybody when it comes.
"""

from __future__ import annotations

from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.subscription import Subscription

PUBLISHER = PublisherEventCallbacks(use_default_callbacks=False)
SUBSCRIPTION = SubscriptionEventCallbacks(use_default_callbacks=False)


class PolledCallbackGroup(CallbackGroup):
    """Subscriptions that no executor waits for: `poll_message` asks for their messages."""

    def can_execute(self, entity: Any) -> bool:
        """Keep the executor from waiting for messages; events of a subscription go on."""
        return not isinstance(entity, Subscription)

    def beginning_execution(self, entity: Any) -> bool:
        """Let an event be handled."""
        return True

    def ending_execution(self, entity: Any) -> None:
        """Take note of nothing: there is one thread."""


def poll_message(subscription: Subscription) -> Any:
    """Return the oldest message that waits, as its callback would get it; None without one."""
    found = poll_message_with_info(subscription)
    return None if found is None else found[0]


def poll_message_with_info(subscription: Subscription) -> tuple[Any, dict[str, int]] | None:
    """Return the oldest message that waits and what the middleware says of it."""
    with subscription.handle:
        found: tuple[Any, dict[str, int]] | None = subscription.handle.take_message(
            subscription.msg_type, subscription.raw
        )
    return found
