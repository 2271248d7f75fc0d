"""A node reports others with its name, but not one that was killed a moment ago."""

from __future__ import annotations

from collections.abc import Iterator

from diagnostic_msgs.msg import DiagnosticStatus
import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from ros_peers import Monitor, Peer

from face_classification_ros.ros.node import name_conflicts
from face_classification_ros.ros.node.diagnostics.status import Level
from face_classification_ros.ros.node.name_conflicts import LEASE, NameConflicts
from face_classification_ros.ros.node.node import FaceClassificationNode
from face_classification_ros.ros.runtime import ros_running

NAME = 'face_classification'


@pytest.fixture
def node(domain: int) -> Iterator[Node]:
    """Return a node of that name."""
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    node = Node(NAME, context=context, enable_rosout=False)
    yield node
    node.destroy_node()
    context.try_shutdown()


def test_conflict_is_reported_after_the_lease(
    node: Node, domain: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """DDS needs that time to forget a killed node; the conflict ends with the other node."""
    conflicts = NameConflicts(node)
    assert conflicts.evaluate(0.0) is None
    other = Peer(domain, NAME)
    own = (NAME, '/')
    other.wait_for(lambda: node.get_node_names_and_namespaces().count(own) == 2)
    assert conflicts.evaluate(10.0) is None
    assert conflicts.evaluate(10.0 + LEASE - 0.1) is None
    for number in range(3):
        status = conflicts.evaluate(10.0 + LEASE + number)
        assert status is not None
        assert (status.level, status.code) == (Level.WARN, 'name_conflict')
        assert status.message.startswith('2 nodes have the name /face_classification')
    # The log has it once.
    assert capfd.readouterr().err.count('2 nodes have the name') == 1
    other.close()
    third = Peer(domain, 'other')
    third.wait_for(lambda: node.get_node_names_and_namespaces().count(own) == 1)
    assert conflicts.evaluate(100.0) is None
    third.close()


def test_same_name_in_another_namespace_is_no_conflict(node: Node, domain: int) -> None:
    """Several cameras have a node each, in different namespaces."""
    other = Node(NAME, namespace='front', context=node.context, enable_rosout=False)
    conflicts = NameConflicts(node)
    assert [conflicts.evaluate(now) for now in (0.0, 100.0)] == [None, None]
    other.destroy_node()


def test_conflict_is_in_the_diagnostics(domain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The part `name` exists only then."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    monkeypatch.setattr(name_conflicts, 'LEASE', 0.0)
    with ros_running([]):
        node = FaceClassificationNode()
        peer = Peer(domain, NAME)
        monitor = Monitor(peer)

        def is_reported() -> bool:
            rclpy.spin_once(node, timeout_sec=0.05)
            status = monitor.status('name') if monitor.arrays else None
            return status is not None and status.level == DiagnosticStatus.WARN

        peer.wait_for(is_reported)
        peer.close()
        node.destroy_node()
