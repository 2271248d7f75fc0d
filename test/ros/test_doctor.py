"""The doctor's look at topics: publishers and nodes whose QoS or types do not go together."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from rclpy.qos import QoSProfile
from ros_peers import BEST_EFFORT, NodeProcess, Peer, RELIABLE
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage

from face_classification_ros.doctor import Finding, HINT, OK, WRONG
from face_classification_ros.ros import doctor

StartNode = Callable[..., NodeProcess]


def findings_of(peer: Peer) -> dict[str, Finding]:
    """Give what the doctor finds in the peer's domain, by subject."""
    return {each.subject: each for each in doctor.evaluate_topics(doctor.find_topics(peer.node))}


@pytest.fixture(autouse=True)
def server_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give no time to discovery where a test waits for it by itself."""
    monkeypatch.setattr(doctor, 'DISCOVERY', 0.2)


@pytest.fixture
def wait_for_node(start_node: StartNode, peer: Peer) -> Iterator[Callable[..., None]]:
    """Give a function that starts the node and waits until its subscription is known."""

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


def test_camera_that_serves_the_node_is_well(
    wait_for_node: Callable[..., None], peer: Peer
) -> None:
    """Its topic, its node, its type and its reliability are told."""
    peer.node.create_publisher(ImageMessage, '/image', BEST_EFFORT)
    wait_for_node()
    finding = findings_of(peer)['topic /image']
    assert finding.verdict == OK
    assert '/peer (sensor_msgs/msg/Image, best_effort); 1 node(s) listen' in finding.text


def test_camera_that_cannot_serve_the_node_is_told(
    wait_for_node: Callable[..., None], peer: Peer
) -> None:
    """DDS says nothing where a reliable subscriber meets a best-effort camera."""
    peer.node.create_publisher(ImageMessage, '/image', BEST_EFFORT)
    wait_for_node('-p', 'image_reliability:=reliable')
    finding = findings_of(peer)['topic /image']
    assert finding.verdict == WRONG
    assert '/peer cannot serve the node' in finding.text
    assert finding.remedy == 'set image_reliability to best_effort'


def test_pictures_of_another_type_are_told(wait_for_node: Callable[..., None], peer: Peer) -> None:
    """The node wants raw pictures where compressed ones are sent."""
    peer.node.create_publisher(CompressedImage, '/camera/compressed', RELIABLE)
    wait_for_node('-r', 'image:=/camera/compressed', topic='/camera/compressed')
    finding = findings_of(peer)['topic /camera/compressed']
    assert finding.verdict == WRONG
    assert 'sensor_msgs/msg/CompressedImage is sent' in finding.text


def test_node_without_a_camera_is_told(wait_for_node: Callable[..., None], peer: Peer) -> None:
    """The topic that it waits for is nobody's."""
    wait_for_node()
    findings = findings_of(peer)
    assert findings['topic /image'].verdict == WRONG
    assert 'the node waits for it' in findings['topic /image'].text


@pytest.mark.parametrize('qos', [RELIABLE, BEST_EFFORT], ids=['reliable', 'best_effort'])
def test_camera_without_a_node_is_compared_with_its_default(peer: Peer, qos: QoSProfile) -> None:
    """Both kinds would serve it."""
    peer.node.create_publisher(ImageMessage, '/camera/image_raw', qos)
    finding = findings_of(peer)['topic /camera/image_raw']
    assert finding.verdict == OK
    assert '0 node(s) listen' in finding.text


def test_no_camera_is_a_hint(peer: Peer) -> None:
    """The doctor may be asked before the robot is started."""
    assert findings_of(peer)['camera topics'].verdict == HINT


@pytest.mark.parametrize(('arrived', 'verdict'), [(60, OK), (57, OK), (56, WRONG), (0, WRONG)])
def test_throughput_is_judged(arrived: int, verdict: str) -> None:
    """Some of a hundred may be lost on a busy machine; more is a matter of the profile."""
    finding = doctor.evaluate_throughput(arrived, 60)
    assert finding.verdict == verdict
    assert ('fastdds_large_images.xml' in finding.remedy) == (verdict == WRONG)
