"""What cameras send: encodings, transports, QoS, malformed pictures, and nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
import signal

from conftest import reserved_domain, running_nodes
import numpy as np
import pytest
from rclpy.qos import QoSProfile
from ros_peers import (
    BEST_EFFORT,
    BLANK,
    box_of,
    Camera,
    compressed_message,
    FACE,
    HEAD,
    image_message,
    NodeProcess,
    Peer,
    RELIABLE,
)
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage

StartNode = Callable[..., NodeProcess]


def test_encodings_give_the_same_faces(start_node: StartNode, peer: Peer) -> None:
    """bgr8 and rgb8 show the same; a gray picture has the same face."""
    start_node('-p', 'smoothing_time:=0.0', '-p', 'detection_interval:=1')
    camera = Camera(peer)
    camera.connect()
    faces = {
        encoding: camera.ask(image_message(HEAD, encoding)).faces[0]
        for encoding in ('bgr8', 'rgb8', 'mono8')
    }
    for face in faces.values():
        assert box_of(face).iou(FACE) > 0.6
        assert sum(face.emotion.probabilities) == pytest.approx(1, abs=1e-4)
    bgr, rgb = faces['bgr8'], faces['rgb8']
    assert box_of(rgb) == box_of(bgr)
    assert np.allclose(rgb.gender.probabilities, bgr.gender.probabilities, atol=1e-5)
    assert np.allclose(rgb.emotion.probabilities, bgr.emotion.probabilities, atol=1e-5)


@pytest.mark.parametrize('suffix', ['jpeg', 'png'])
def test_compressed_pictures_are_read(start_node: StartNode, peer: Peer, suffix: str) -> None:
    """They come on the topic that image_transport would use, also after a remapping."""
    node = start_node('-p', 'image_transport:=compressed', '-r', 'image:=/camera/image_raw')
    assert '/camera/image_raw/compressed (sensor_msgs/msg/CompressedImage' in node.log
    camera = Camera(peer, '/camera/image_raw/compressed', kind=CompressedImage)
    camera.connect(compressed_message(BLANK, suffix))
    answer = camera.ask(compressed_message(HEAD, suffix))
    assert (answer.image_width, answer.image_height) == (200, 200)
    (face,) = answer.faces
    assert box_of(face).iou(FACE) > 0.6
    assert camera.ask(compressed_message(BLANK, suffix)).faces == []


def too_short() -> ImageMessage:
    """Make a picture whose last rows are missing."""
    message = image_message(HEAD)
    message.data = message.data[:-601]
    return message


def depth() -> ImageMessage:
    """Make a depth picture."""
    message = ImageMessage(height=10, width=10, encoding='16UC1', step=20)
    message.data.frombytes(bytes(200))
    return message


def of_encoding(encoding: str) -> ImageMessage:
    """Make a picture that says it is of another encoding."""
    message = image_message(HEAD)
    message.encoding = encoding
    return message


MALFORMED = {
    'too_short': (too_short, "encoding 'bgr8', 200 x 200, step 600, 119399 bytes"),
    'depth': (depth, 'depth picture'),
    'unknown_encoding': (lambda: of_encoding('h264'), 'unknown encoding, expected one of bgr8'),
    'step_too_small': (lambda: of_encoding('bgra8'), 'expected a step of at least 800'),
    'empty': (lambda: ImageMessage(encoding='bgr8'), 'is empty'),
}


@pytest.mark.parametrize('name', MALFORMED)
def test_malformed_picture_is_told_and_skipped(
    start_node: StartNode, peer: Peer, name: str
) -> None:
    """The log says what is wrong, and the next good picture is answered."""
    make, reason = MALFORMED[name]
    node = start_node()
    camera = Camera(peer)
    camera.connect()
    bad = camera.publish(make())
    line = node.wait_for_log('skipped a malformed picture (1 so far)')
    assert 'ERROR' in line
    assert reason in line
    (face,) = camera.ask(image_message(HEAD)).faces
    assert box_of(face).iou(FACE) > 0.6
    assert bad not in [answer.header for answer in camera.answers]


def test_malformed_compressed_picture_is_told_and_skipped(
    start_node: StartNode, peer: Peer
) -> None:
    """A JPEG cut short, and bytes that are none."""
    node = start_node('-p', 'image_transport:=compressed')
    camera = Camera(peer, '/image/compressed', kind=CompressedImage)
    camera.connect(compressed_message(BLANK, 'jpeg'))
    cut = compressed_message(HEAD, 'jpeg')
    cut.data = cut.data[: len(cut.data) // 2]
    camera.publish(cut)
    line = node.wait_for_log('skipped a malformed picture (1 so far)')
    assert 'JPEG' in line and 'cut short or corrupt' in line
    camera.publish(CompressedImage(format='jpeg', data=b'no picture'))
    camera.publish(CompressedImage(format='16UC1; compressedDepth', data=bytes(50)))
    assert len(camera.ask(compressed_message(HEAD, 'jpeg')).faces) == 1


def test_many_malformed_pictures_do_not_flood_the_log(start_node: StartNode, peer: Peer) -> None:
    """They are counted, and told once in some seconds."""
    node = start_node()
    camera = Camera(peer)
    camera.connect()
    for _ in range(30):
        camera.publish(depth())
        peer.spin(0.005)
    assert len(camera.ask(image_message(HEAD)).faces) == 1
    assert 1 <= node.log.count('skipped a malformed picture') <= 3


@pytest.mark.parametrize('qos', [RELIABLE, BEST_EFFORT], ids=['reliable', 'best_effort'])
def test_default_matches_publishers_of_both_kinds(
    start_node: StartNode, peer: Peer, qos: QoSProfile
) -> None:
    """Whatever a camera driver offers, its pictures are seen."""
    node = start_node()
    camera = Camera(peer, qos=qos)
    camera.connect()
    assert len(camera.ask(image_message(HEAD)).faces) == 1
    assert 'cannot serve' not in node.log


def test_publisher_that_cannot_serve_is_named(start_node: StartNode, peer: Peer) -> None:
    """A reliable subscription never matches a best-effort camera; the warning says what to do."""
    node = start_node('-p', 'image_reliability:=reliable')
    Camera(peer, qos=BEST_EFFORT)
    line = node.wait_for_log('a publisher cannot serve')
    assert 'WARN' in line
    assert '/image (sensor_msgs/msg/Image, reliable)' in line
    assert '/peer (sensor_msgs/msg/Image, best_effort)' in line
    assert 'set image_reliability to best_effort' in line


@pytest.fixture(scope='module')
def silent_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Give the first warnings of nodes that get no picture, which takes them five seconds."""
    arguments = {
        'nobody': ('-r', 'image:=/nothing/here'),
        'simulated_time': ('-p', 'use_sim_time:=true', '-r', 'image:=/no/clock'),
        'wrong_type': ('-r', 'image:=/camera/image_raw/compressed'),
        'compressed': ('-p', 'image_transport:=compressed', '-r', 'image:=/not/compressed'),
    }
    with reserved_domain() as domain:
        peer = Peer(domain)
        kind, topic = CompressedImage, '/camera/image_raw/compressed'
        peer.node.create_publisher(kind, topic, RELIABLE)
        with running_nodes(domain, tmp_path_factory.mktemp('silent')) as start:
            nodes = {
                name: start(*each, '-r', f'__node:={name}', until_active=False)
                for name, each in arguments.items()
            }
            yield {name: node.wait_for_log('no picture for') for name, node in nodes.items()}
        peer.close()


def test_silence_names_topic_type_and_qos(silent_nodes: dict[str, str]) -> None:
    """Who waits for faces learns what the node waits for, and where pictures are instead."""
    line = silent_nodes['nobody']
    assert 'WARN' in line
    assert 'no picture for 5 s on /nothing/here (sensor_msgs/msg/Image, best_effort)' in line
    assert 'nobody publishes it; there are pictures on /camera/image_raw/compressed' in line
    # The annotated pictures of the node itself are no camera.
    assert '/nobody/image_annotated' not in line


def test_silence_is_told_while_simulated_time_stands_still(silent_nodes: dict[str, str]) -> None:
    """A recording that is not played sends no clock either."""
    assert 'no picture for 5 s on /no/clock' in silent_nodes['simulated_time']


def test_silence_names_a_publisher_of_another_type(silent_nodes: dict[str, str]) -> None:
    """A compressed picture on the raw topic is no picture, and the warning shows both types."""
    line = silent_nodes['wrong_type']
    assert 'on /camera/image_raw/compressed (sensor_msgs/msg/Image, best_effort)' in line
    assert '/peer (sensor_msgs/msg/CompressedImage, reliable)' in line


def test_silence_names_the_topic_of_the_transport(silent_nodes: dict[str, str]) -> None:
    """With compressed pictures the topic has the transport's name at its end."""
    line = silent_nodes['compressed']
    assert 'on /not/compressed/compressed (sensor_msgs/msg/CompressedImage, best_effort)' in line


def test_pictures_lost_on_the_way_are_told(start_node: StartNode, peer: Peer) -> None:
    """Fast DDS as it is installed has no room for large pictures; the warning names the cure."""
    node = start_node()
    camera = Camera(peer, qos=BEST_EFFORT)
    peer.wait_for(camera.matches, 'a subscriber to the pictures')
    large = image_message(np.zeros((1536, 2048, 3), np.uint8))

    def told() -> bool:
        # A node that takes each part at once needs no room.
        node.send(signal.SIGSTOP)
        try:
            for _ in range(2):
                camera.publish(large)
        finally:
            node.send(signal.SIGCONT)
        # Those that are missing are known by one that comes after them.
        camera.publish(image_message(BLANK))
        return 'were lost so far' in node.log

    peer.wait_for(told, 'a warning of lost pictures')
    line = node.wait_for_log('were lost so far')
    assert 'WARN' in line
    assert 'to /image (sensor_msgs/msg/Image, best_effort)' in line
    assert 'FASTRTPS_DEFAULT_PROFILES_FILE=' in line
    assert Path(line.partition('PROFILES_FILE=')[2].partition(',')[0]).is_file()
    assert 'image_transport compressed' in line


def test_newest_picture_is_worked_on(start_node: StartNode, peer: Peer) -> None:
    """Of pictures that came while the node was busy only the last ones are answered, in order."""
    node = start_node('-p', 'image_reliability:=reliable')
    camera = Camera(peer)
    camera.connect()
    node.send(signal.SIGSTOP)
    try:
        sent = [camera.publish(image_message(HEAD)) for _ in range(10)]
    finally:
        node.send(signal.SIGCONT)
    peer.wait_for(
        lambda: any(answer.header == sent[-1] for answer in camera.answers), 'the last answer'
    )
    answered = [sent.index(answer.header) for answer in camera.answers]
    assert answered == sorted(answered)
    assert len(answered) < len(sent)
    assert len(camera.ask(image_message(HEAD)).faces) == 1
