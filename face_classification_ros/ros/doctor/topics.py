"""Check whether the images of each topic reach the node, or would reach it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import time

from rclpy.node import Node
from rclpy.qos import (
    HistoryPolicy,
    qos_check_compatible,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.topic_endpoint_info import TopicEndpointInfo

from face_classification_ros.doctor.findings import ERROR, Finding, OK, WARN
from face_classification_ros.ros.doctor.environment import temporary_node
from face_classification_ros.ros.endpoints import describe_endpoint, endpoint_node, IMAGE_TYPES

DISCOVERY_TIME = 3.0
"""Seconds for the discovery of topics."""

# As the node subscribes unless `image_reliability` says otherwise.
_BEST_EFFORT = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT
)


@dataclass(frozen=True)
class ImageTopic:
    """A topic with images.

    Attributes:
        name: of the topic.
        publishers: of the images.
        subscribers: nodes of this package.
    """

    name: str
    publishers: Sequence[TopicEndpointInfo]
    subscribers: Sequence[TopicEndpointInfo]


def check_topics() -> Iterator[Finding]:
    """Discover the topics with images, and check each."""
    with temporary_node('face_classification_doctor') as node:
        yield from evaluate_topics(find_topics(node))


def find_topics(node: Node) -> list[ImageTopic]:
    """Return all topics with images that are discovered within `DISCOVERY_TIME`."""
    # Threads of DDS discover them.
    time.sleep(DISCOVERY_TIME)
    return [
        ImageTopic(
            name,
            node.get_publishers_info_by_topic(name),
            [
                info
                for info in node.get_subscriptions_info_by_topic(name)
                if info.node_name == 'face_classification'
            ],
        )
        for name, types in sorted(node.get_topic_names_and_types())
        if IMAGE_TYPES.intersection(types)
    ]


def evaluate_topics(topics: Sequence[ImageTopic]) -> Iterator[Finding]:
    """Check each topic, and whether there is one with a publisher."""
    if not any(topic.publishers for topic in topics):
        yield Finding(
            'no-image-topics',
            WARN,
            'image topics',
            'nothing publishes images',
            'start the camera driver; compare its ROS_DOMAIN_ID and '
            'ROS_AUTOMATIC_DISCOVERY_RANGE with those here',
        )
    for topic in topics:
        yield evaluate_topic(topic)


def evaluate_topic(topic: ImageTopic) -> Finding:
    """Compare QoS and types of publishers and subscribers, which DDS does silently."""
    subject = f'topic {topic.name}'
    if not topic.publishers:
        text, remedy = 'has no publisher', 'remap `image` to a topic that is published'
        if topic.subscribers:
            return Finding('topic-not-published', ERROR, subject, f'{text} for the node', remedy)
        return Finding('topic-not-used', WARN, subject, text, remedy)
    requested = [each.qos_profile for each in topic.subscribers] or [_BEST_EFFORT]
    for publisher in topic.publishers:
        for qos in requested:
            compatibility, reason = qos_check_compatible(publisher.qos_profile, qos)
            if compatibility == QoSCompatibility.ERROR:
                return Finding(
                    'topic-qos-incompatible',
                    ERROR,
                    subject,
                    f'the node cannot receive from {endpoint_node(publisher)}: '
                    f'{" ".join(reason.split())}',
                    'set image_reliability to best_effort',
                )
    published = topic.publishers[0].topic_type
    for subscriber in topic.subscribers:
        if subscriber.topic_type != published:
            return Finding(
                'topic-type-mismatch',
                ERROR,
                subject,
                f'is published as {published}, but the node subscribes to {subscriber.topic_type}',
                'set image_transport, and remap `image` without the name of the transport',
            )
    publishers = ', '.join(map(describe_endpoint, topic.publishers))
    text = f'{publishers}; {len(topic.subscribers)} subscribed face_classification node(s)'
    return Finding('topic-ok', OK, subject, text)
