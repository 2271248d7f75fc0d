"""Describe nodes and the ends of topics with images in messages to the user."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.node import Node
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


def is_node(node: Node, name: str) -> bool:
    """Return whether a node knows another one of this full name."""
    namespace, _, base = name.rpartition('/')
    return (base, namespace or '/') in node.get_node_names_and_namespaces()


def similar_nodes(node: Node) -> list[str]:
    """Return the full names of all nodes that offer the services of this package."""
    wanted = 'face_classification_ros/srv/GetFaces'
    return sorted(
        service.removesuffix('/get_faces')
        for service, types in node.get_service_names_and_types()
        # Services without a server are listed, too, if they have a client.
        if wanted in types and node.count_services(service)
    )


def missing_node_text(name: str, others: Sequence[str]) -> str:
    """Return that there is no node of this name, and which others it may be."""
    hint = f'; did you mean {" or ".join(others)}?' if others else ''
    return f'there is no node {name}{hint}'
