"""A node tells of others with its name, but not of one that was killed a moment ago."""

from __future__ import annotations

from collections.abc import Iterator

from diagnostic_msgs.msg import DiagnosticStatus
import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from ros_peers import Monitor, Peer

from face_classification_ros.ros.node import name_conflicts
from face_classification_ros.ros.node.diagnostics.status import Level, Status
from face_classification_ros.ros.node.name_conflicts import LEASE, NameConflicts
from face_classification_ros.ros.node.node import FaceClassificationNode
from face_classification_ros.ros.runtime import ros_running

NAME = 'face_classification'


@pytest.fixture
def node(domain: int) -> Iterator[Node]:
    """Give a node of the name."""
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    node = Node(NAME, context=context, enable_rosout=False)
    yield node
    node.destroy_node()
    context.try_shutdown()


def test_namesake_is_told_once_it_has_been_there_for_a_while(
    node: Node, domain: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """DDS takes so long to forget one that was killed; when it ends, that is that."""
    watch = NameConflicts(node)
    assert watch.evaluate(0.0) is None
    other = Peer(domain, NAME)
    here = (NAME, '/')
    other.wait_for(lambda: node.get_node_names_and_namespaces().count(here) == 2)
    assert watch.evaluate(10.0) is None
    assert watch.evaluate(10.0 + LEASE - 0.1) is None
    told: list[Status | None] = [watch.evaluate(10.0 + LEASE + i) for i in range(3)]
    for each in told:
        assert each is not None
        assert each.level == Level.WARN
        assert each.message.startswith('2 nodes are called /face_classification')
    assert capfd.readouterr().err.count('start each in a namespace of its own') == 1
    other.close()
    third = Peer(domain, 'other')
    third.wait_for(lambda: node.get_node_names_and_namespaces().count(here) == 1)
    assert watch.evaluate(100.0) is None
    third.close()


def test_node_of_the_name_elsewhere_is_no_namesake(node: Node, domain: int) -> None:
    """Several cameras have a node each, in namespaces of their own."""
    other = Node(NAME, namespace='front', context=node.context, enable_rosout=False)
    watch = NameConflicts(node)
    assert [watch.evaluate(now) for now in (0.0, 100.0)] == [None, None]
    other.destroy_node()


def test_node_says_so_in_diagnostics(domain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an operator sees it."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    monkeypatch.setattr(name_conflicts, 'LEASE', 0.0)
    with ros_running([]):
        node = FaceClassificationNode()
        peer = Peer(domain, NAME)
        monitor = Monitor(peer)

        def is_told() -> bool:
            rclpy.spin_once(node, timeout_sec=0.05)
            status = monitor.status('name') if monitor.arrays else None
            return status is not None and status.level == DiagnosticStatus.WARN

        peer.wait_for(is_told)
        peer.close()
        node.destroy_node()
