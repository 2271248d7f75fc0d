"""Warn if no images arrive: because nobody publishes, of losses, or of incompatible publishers."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any

from rclpy.event_handler import (
    QoSMessageLostInfo,
    QoSRequestedIncompatibleQoSInfo,
    SubscriptionEventCallbacks,
)
from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from rclpy.subscription import Subscription

from face_classification_ros.inference.model_zoo import dds_profile
from face_classification_ros.ros.compat import dds_profile_variable
from face_classification_ros.ros.endpoints import describe_endpoint, IMAGE_TYPES
from face_classification_ros.ros.node.inputs.reliability import Reliability
from face_classification_ros.ros.node.parameters.node_config import NodeConfig
from face_classification_ros.ros.node.statistics import ImageStatistics
from face_classification_ros.ros.node.steady_clock import STEADY

SILENCE = 5.0
"""Seconds without an image after which the log says what the node waits for."""

MAX_SILENCE_PERIOD = 300.0
"""Longest interval in seconds between two messages that no image has arrived."""

LOG_PERIOD = 5.0
"""Seconds between two messages about malformed or lost images."""


class SilenceLog:
    """Admits a message when no image has arrived for a while, then at doubling intervals."""

    def __init__(self) -> None:
        """Start with the first message at `SILENCE`."""
        self._next = SILENCE

    def admit(self, silence: float) -> bool:
        """Return whether so many seconds without an image are to be logged."""
        if silence < SILENCE:
            self._next = SILENCE
        if silence < self._next:
            return False
        self._next = silence + min(silence, MAX_SILENCE_PERIOD)
        return True


class InputMonitor:
    """Checks a subscription to images once a second, and logs warnings."""

    def __init__(
        self,
        node: Node,
        statistics: ImageStatistics,
        reliability: Reliability,
        resubscribe: Callable[[], None],
    ) -> None:
        """Create the monitor without a subscription, see `ImageInput`."""
        self._node = node
        self._statistics = statistics
        self._reliability = reliability
        self._resubscribe = resubscribe
        self._subscription: Subscription | None = None
        self._config = NodeConfig()
        self._last_sign = 0.0
        self._silence_log = SilenceLog()
        self._incompatible_since = float('inf')
        self._reported_lost = 0
        self._lost_reported_at = float('-inf')
        # Of the steady clock: with `use_sim_time` the time of ROS stands still while no recording
        # is played. It runs in every state, because rclpy may miss a SIGTERM while it is idle.
        self._timer = node.create_timer(1.0, self._report, clock=STEADY)

    @property
    def events(self) -> SubscriptionEventCallbacks:
        """Callbacks that the monitored subscription requires."""
        return SubscriptionEventCallbacks(
            incompatible_qos=self._record_incompatible_publisher,
            message_lost=self._record_lost_images,
        )

    @property
    def incompatible_publishers(self) -> list[str]:
        """Publishers that the subscription cannot receive from because of its reliability."""
        if self._subscription is None or self._config.image_reliability != 'reliable':
            return []
        return [
            describe_endpoint(each)
            for each in self._node.get_publishers_info_by_topic(self._subscription.topic_name)
            if each.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
        ]

    def start(self, subscription: Subscription, config: NodeConfig) -> None:
        """Monitor a subscription that was created with this configuration."""
        self._subscription, self._config = subscription, config
        self._last_sign = time.monotonic()
        self._incompatible_since = float('inf')

    def stop(self) -> None:
        """End the monitoring."""
        self._subscription = None

    def _report(self) -> None:
        if self._subscription is None:
            return
        now = time.monotonic()
        # Not immediately: the node name of a publisher is known some time after the publisher.
        if now - self._incompatible_since >= 1:
            self._incompatible_since = float('inf')
            self._report_incompatible_publisher(self._subscription)
        lost = self._statistics.lost
        if lost > self._reported_lost and now - self._lost_reported_at >= LOG_PERIOD:
            self._reported_lost, self._lost_reported_at = lost, now
            self._reliability.record_loss()
            self._report_lost_images(self._subscription)
        self._last_sign = max(self._last_sign, self._statistics.last_arrival)
        silence = now - self._last_sign
        if self._silence_log.admit(silence):
            self._report_silence(self._subscription, silence)
        present = self._subscription.qos_profile.reliability
        selected = self._reliability.select(self._subscription.topic_name, self._config)
        if selected != present:
            self._report_reliability(self._subscription.topic_name, selected)
            self._resubscribe()

    def _report_silence(self, subscription: Subscription, silence: float) -> None:
        """Log what the node waits for, and where images are published instead."""
        publishers = self._node.get_publishers_info_by_topic(subscription.topic_name)
        if publishers:
            found = 'its publishers: ' + ', '.join(map(describe_endpoint, publishers))
        else:
            own = self._node.get_publisher_names_and_types_by_node(
                self._node.get_name(), self._node.get_namespace()
            )
            others = sorted(
                name
                for name, types in self._node.get_topic_names_and_types()
                if IMAGE_TYPES.intersection(types)
                and name not in dict(own)
                and self._node.count_publishers(name)
            )
            found = 'nobody publishes it'
            found += f'; images are published on {", ".join(others)}' if others else ''
        self._node.get_logger().warning(
            f'no image for {silence:.0f} s on {describe(subscription)}: {found}'
        )

    def _report_reliability(self, topic: str, selected: ReliabilityPolicy) -> None:
        """Log that `auto` selects another reliability, and why."""
        if selected == ReliabilityPolicy.RELIABLE:
            reason = 'images were lost in transport and all publishers are reliable'
        else:
            reason = 'a publisher is best effort, or none is left'
        self._node.get_logger().info(
            f'image_reliability auto: subscribing to {topic} again as '
            f'{selected.name.lower()}, because {reason}'
        )

    def _record_incompatible_publisher(self, _: QoSRequestedIncompatibleQoSInfo) -> None:
        self._incompatible_since = time.monotonic()

    def _report_incompatible_publisher(self, subscription: Subscription) -> None:
        publishers = self._node.get_publishers_info_by_topic(subscription.topic_name)
        self._node.get_logger().warning(
            f'incompatible publisher of {describe(subscription)}: '
            f'{", ".join(map(describe_endpoint, publishers)) or "it is gone"}; '
            'set image_reliability to best_effort'
        )

    def _record_lost_images(self, event: QoSMessageLostInfo) -> None:
        self._statistics.record_lost(event.total_count_change)

    def _report_lost_images(self, subscription: Subscription) -> None:
        """Log that images do not arrive completely, and what helps."""
        other = {'raw': 'compressed', 'compressed': 'raw'}[self._config.image_transport]
        self._node.get_logger().warning(
            f'images lost in transport on {describe(subscription)}, '
            f'{self._statistics.lost} so far: start camera and node with '
            f'{dds_profile_variable()}={dds_profile()}, '
            f'or try image_transport {other}'
        )


def describe(subscription: Subscription) -> str:
    """Return the topic of a subscription to images with its type and reliability."""
    reliability = subscription.qos_profile.reliability.name.lower()
    # Its type hint in rclpy is that of a message.
    message_type: Any = subscription.msg_type
    return f'{subscription.topic_name} (sensor_msgs/msg/{message_type.__name__}, {reliability})'
