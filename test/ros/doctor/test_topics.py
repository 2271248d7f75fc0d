"""Topics are checked for publishers, QoS and types that do not fit the node."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from rclpy.qos import QoSProfile
from ros_peers import BEST_EFFORT, NodeProcess, Peer, RELIABLE
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage

from face_classification_ros.doctor.findings import ERROR, Finding, OK, WARN
from face_classification_ros.ros.doctor import topics

StartNode = Callable[..., NodeProcess]


def findings_of(peer: Peer) -> dict[str, Finding]:
    """Return the findings in the domain of a peer by subject."""
    found = topics.find_topics(peer.node)
    return {finding.subject: finding for finding in topics.evaluate_topics(found)}


@pytest.fixture(autouse=True)
def short_discovery(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the discovery, for which the tests wait themselves."""
    monkeypatch.setattr(topics, 'DISCOVERY_TIME', 0.2)


@pytest.fixture
def wait_for_node(start_node: StartNode, peer: Peer) -> Iterator[Callable[..., None]]:
    """Return a function that starts the node and waits until its subscription is known."""

    def start(*arguments: str, topic: str = '/image') -> None:
        start_node(*arguments)
        peer.wait_for(
            lambda: any(
                each.node_name == 'face_classification'
                for each in peer.node.get_subscriptions_info_by_topic(topic)
            ),
            'the subscription of the node',
        )

    yield start


def test_fitting_camera_is_ok(wait_for_node: Callable[..., None], peer: Peer) -> None:
    """With its name, type and reliability."""
    peer.node.create_publisher(ImageMessage, '/image', BEST_EFFORT)
    wait_for_node()
    finding = findings_of(peer)['topic /image']
    assert (finding.code, finding.status) == ('topic-ok', OK)
    assert '/peer (sensor_msgs/msg/Image, best_effort)' in finding.text


def test_incompatible_reliability_is_an_error(
    wait_for_node: Callable[..., None], peer: Peer
) -> None:
    """DDS silently does not connect a reliable subscriber with a best-effort camera."""
    peer.node.create_publisher(ImageMessage, '/image', BEST_EFFORT)
    wait_for_node('-p', 'image_reliability:=reliable')
    finding = findings_of(peer)['topic /image']
    assert (finding.code, finding.status) == ('topic-qos-incompatible', ERROR)
    assert '/peer' in finding.text
    assert finding.remedy == 'set image_reliability to best_effort'


def test_other_type_is_an_error(wait_for_node: Callable[..., None], peer: Peer) -> None:
    """The node expects raw images where compressed ones are published."""
    peer.node.create_publisher(CompressedImage, '/camera/compressed', RELIABLE)
    wait_for_node('-r', 'image:=/camera/compressed', topic='/camera/compressed')
    finding = findings_of(peer)['topic /camera/compressed']
    assert (finding.code, finding.status) == ('topic-type-mismatch', ERROR)
    assert 'sensor_msgs/msg/CompressedImage' in finding.text


def test_node_without_a_camera_is_an_error(wait_for_node: Callable[..., None], peer: Peer) -> None:
    """Nothing publishes the topic that it subscribes to."""
    wait_for_node()
    finding = findings_of(peer)['topic /image']
    assert (finding.code, finding.status) == ('topic-not-published', ERROR)


@pytest.mark.parametrize('qos', [RELIABLE, BEST_EFFORT], ids=['reliable', 'best_effort'])
def test_camera_without_a_node_is_compared_with_its_default(peer: Peer, qos: QoSProfile) -> None:
    """Both kinds would fit."""
    peer.node.create_publisher(ImageMessage, '/camera/image_raw', qos)
    assert findings_of(peer)['topic /camera/image_raw'].code == 'topic-ok'


def test_no_camera_is_a_warning(peer: Peer) -> None:
    """The robot may not have been started yet."""
    finding = findings_of(peer)['image topics']
    assert (finding.code, finding.status) == ('no-image-topics', WARN)
