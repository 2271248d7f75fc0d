"""Read messages that wait in the middleware."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rclpy.subscription import Subscription


def waiting_messages(subscription: Subscription, limit: int) -> Iterator[Any]:
    """Return the messages that wait for a subscription, the oldest first.

    The executor would deliver them after its present callback, one per turn of its loop.

    Args:
        subscription: whose callback is not called.
        limit: number of messages after which reading ends, also if more arrive meanwhile.
    """
    for _ in range(limit):
        with subscription.handle:
            received = subscription.handle.take_message(subscription.msg_type, False)
        if received is None:
            return
        yield received[0]
