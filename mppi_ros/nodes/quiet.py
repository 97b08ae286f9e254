"""
Entities without event handlers, for topics on which no offer of quality can be misunderstood.

rclpy gives every publisher and subscription two handlers, which warn of unequal qualities and
types. Its executor visits each of them at every message of any topic, which took it half of its
time.
"""

from __future__ import annotations

from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks

PUBLISHER = PublisherEventCallbacks(use_default_callbacks=False)
SUBSCRIPTION = SubscriptionEventCallbacks(use_default_callbacks=False)
