"""Describe the ends of topics with images in messages to the user."""

from __future__ import annotations

from rclpy.topic_endpoint_info import TopicEndpointInfo

IMAGE_TYPES = frozenset({'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'})
"""Types of the topics with images."""

UNKNOWN_PARTS = ('_NODE_NAME_UNKNOWN_', '_NODE_NAMESPACE_UNKNOWN_')
"""What rmw has for a node that it has not discovered yet, or that does not use ROS."""


def endpoint_node(info: TopicEndpointInfo) -> str:
    """Return the full name of the node of an endpoint, "unknown node" if it is not known."""
    if info.node_name in UNKNOWN_PARTS or info.node_namespace in UNKNOWN_PARTS:
        return 'unknown node'
    return f'{info.node_namespace.rstrip("/")}/{info.node_name}'


def describe_endpoint(info: TopicEndpointInfo) -> str:
    """Return the node of an endpoint with type and reliability of its messages."""
    reliability = info.qos_profile.reliability.name.lower()
    return f'{endpoint_node(info)} ({info.topic_type}, {reliability})'
