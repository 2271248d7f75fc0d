"""Tell a user why no pictures come: silence, losses, publishers that do not match."""

from __future__ import annotations

import time

from rclpy.event_handler import (
    QoSMessageLostInfo,
    QoSRequestedIncompatibleQoSInfo,
    SubscriptionEventCallbacks,
)
from rclpy.node import Node
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo

from face_classification_ros.inference.model_zoo import dds_profile
from face_classification_ros.ros.node.parameters import NodeConfig
from face_classification_ros.ros.node.result_cache import STEADY
from face_classification_ros.ros.node.statistics import ImageStatistics

SILENCE = 5.0
"""Seconds without a picture after which the node says what it waits for."""

LOG_PERIOD = 5.0
"""Seconds between two messages about malformed or lost pictures."""

PICTURES = {'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'}


class InputMonitor:
    """Looks at a subscription to pictures once a second, and warns."""

    def __init__(self, node: Node, counts: ImageStatistics) -> None:
        """Watch nothing yet."""
        self._node = node
        self._counts = counts
        self._subscription: Subscription | None = None
        self._parameters = NodeConfig()
        self._last_sign = 0.0
        self._incompatible_since = float('inf')
        self._lost_told = 0
        self._lost_told_at = float('-inf')
        # Of the steady clock: with `use_sim_time` and a recording that is not played, ROS's clock
        # stands still. It runs in every state, as rclpy now and then sleeps through a SIGTERM
        # while nothing happens.
        self._timer = node.create_timer(1.0, self._report, clock=STEADY)

    @property
    def events(self) -> SubscriptionEventCallbacks:
        """What the subscription that is to be watched has to call."""
        return SubscriptionEventCallbacks(
            incompatible_qos=self._record_incompatible_publisher,
            message_lost=self._record_lost_images,
        )

    def start(self, subscription: Subscription, parameters: NodeConfig) -> None:
        """Watch a subscription that was made with these parameters."""
        self._subscription, self._parameters = subscription, parameters
        self._last_sign = time.monotonic()
        self._incompatible_since = float('inf')

    def stop(self) -> None:
        """Watch nothing."""
        self._subscription = None

    def _report(self) -> None:
        if self._subscription is None:
            return
        now = time.monotonic()
        # Not at once: the name of a publisher's node comes a moment after the publisher.
        if now - self._incompatible_since >= 1:
            self._incompatible_since = float('inf')
            self._report_incompatible_publisher(self._subscription)
        if self._counts.lost > self._lost_told and now - self._lost_told_at >= LOG_PERIOD:
            self._lost_told, self._lost_told_at = self._counts.lost, now
            self._report_lost_images(self._subscription)
        self._last_sign = max(self._last_sign, self._counts.last_arrival)
        if now - self._last_sign >= SILENCE:
            self._last_sign = now
            self._report_silence(self._subscription)

    def _report_silence(self, subscription: Subscription) -> None:
        """Say what the node waits for when no picture came for some seconds."""
        publishers = self._node.get_publishers_info_by_topic(subscription.topic_name)
        if publishers:
            found = 'its publishers: ' + ', '.join(map(_describe_publisher, publishers))
        else:
            own = self._node.get_publisher_names_and_types_by_node(
                self._node.get_name(), self._node.get_namespace()
            )
            others = sorted(
                name
                for name, types in self._node.get_topic_names_and_types()
                if PICTURES & set(types)
                and name not in dict(own)
                and self._node.count_publishers(name)
            )
            found = 'nobody publishes it'
            found += f'; there are pictures on {", ".join(others)}' if others else ''
        self._node.get_logger().warning(
            f'no picture for {SILENCE:.0f} s on {describe(subscription, self._parameters)}: '
            f'{found}'
        )

    def _record_incompatible_publisher(self, event: QoSRequestedIncompatibleQoSInfo) -> None:
        self._incompatible_since = time.monotonic()

    def _report_incompatible_publisher(self, subscription: Subscription) -> None:
        publishers = self._node.get_publishers_info_by_topic(subscription.topic_name)
        self._node.get_logger().warning(
            f'a publisher cannot serve {describe(subscription, self._parameters)}: '
            f'{", ".join(map(_describe_publisher, publishers)) or "it is gone"}; '
            'set image_reliability to best_effort'
        )

    def _record_lost_images(self, event: QoSMessageLostInfo) -> None:
        self._counts.lost += event.total_count_change

    def _report_lost_images(self, subscription: Subscription) -> None:
        """Say that pictures do not get through, which happens before the node can see them."""
        other = {'raw': 'compressed', 'compressed': 'raw'}[self._parameters.image_transport]
        self._node.get_logger().warning(
            f'{self._counts.lost} pictures were lost so far on the way to '
            f'{describe(subscription, self._parameters)}: start camera and node with '
            f'FASTRTPS_DEFAULT_PROFILES_FILE={dds_profile()}, or try image_transport {other}'
        )


def describe(subscription: Subscription, parameters: NodeConfig) -> str:
    """Name a subscription to pictures with its type and reliability."""
    name = 'Image' if parameters.image_transport == 'raw' else 'CompressedImage'
    return f'{subscription.topic_name} (sensor_msgs/msg/{name}, {parameters.image_reliability})'


def _describe_publisher(info: TopicEndpointInfo) -> str:
    namespace = info.node_namespace.rstrip('/')
    reliability = info.qos_profile.reliability.name.lower()
    return f'{namespace}/{info.node_name} ({info.topic_type}, {reliability})'
