"""Nodes of publishers are named, also while DDS has not discovered them."""

from __future__ import annotations

import pytest
from ros_peers import Peer
from std_msgs.msg import Header

from face_classification_ros.ros.endpoints import endpoint_node


def test_node_of_a_publisher_is_named(peer: Peer) -> None:
    """With its namespace."""
    peer.node.create_publisher(Header, '/header', 1)
    (info,) = peer.wait_for(lambda: peer.node.get_publishers_info_by_topic('/header'))
    assert endpoint_node(info) == '/peer'


@pytest.mark.parametrize(
    'names',
    [
        {'node_name': '_NODE_NAME_UNKNOWN_', 'node_namespace': '_NODE_NAMESPACE_UNKNOWN_'},
        {'node_name': 'camera', 'node_namespace': '_NODE_NAMESPACE_UNKNOWN_'},
    ],
)
def test_unknown_node_has_no_placeholder_of_the_middleware(
    peer: Peer, names: dict[str, str]
) -> None:
    """Which rmw has instead of a name."""
    peer.node.create_publisher(Header, '/header', 1)
    (info,) = peer.wait_for(lambda: peer.node.get_publishers_info_by_topic('/header'))
    for name, value in names.items():
        setattr(info, name, value)
    assert 'UNKNOWN' not in endpoint_node(info)
