"""Images arrive in many encodings, transports and QoS, malformed, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
import re
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
    estimate,
    FACE,
    HEAD,
    image_message,
    NodeProcess,
    Peer,
    RELIABLE,
)
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage

from face_classification_ros.ros.compat import dds_profile_variable
from face_classification_ros.ros.node.inputs.input_monitor import SilenceLog

StartNode = Callable[..., NodeProcess]


def test_encodings_have_the_same_faces(start_node: StartNode, peer: Peer) -> None:
    """bgr8 and rgb8 have equal estimates; a gray image has the same face."""
    start_node('-p', 'smoothing_time:=0.0', '-p', 'detection_interval:=1')
    camera = Camera(peer)
    camera.connect()
    faces = {
        encoding: camera.result_of(image_message(HEAD, encoding)).faces[0]
        for encoding in ('bgr8', 'rgb8', 'mono8')
    }
    for face in faces.values():
        assert box_of(face).iou(FACE) > 0.6
        assert sum(estimate(face, 'emotion').probabilities) == pytest.approx(1, abs=1e-4)
    bgr, rgb = faces['bgr8'], faces['rgb8']
    assert box_of(rgb) == box_of(bgr)
    for one, other in zip(rgb.attributes, bgr.attributes, strict=True):
        assert np.allclose(one.probabilities, other.probabilities, atol=1e-5)


@pytest.mark.parametrize('suffix', ['jpeg', 'png'])
def test_compressed_images_are_read(start_node: StartNode, peer: Peer, suffix: str) -> None:
    """The topic is that of image_transport, also after a remapping."""
    node = start_node('-p', 'image_transport:=compressed', '-r', 'image:=/camera/image_raw')
    node.wait_for_log('/camera/image_raw/compressed (sensor_msgs/msg/CompressedImage')
    camera = Camera(peer, '/camera/image_raw/compressed', kind=CompressedImage)
    camera.connect(compressed_message(BLANK, suffix))
    result = camera.result_of(compressed_message(HEAD, suffix))
    assert (result.image_width, result.image_height) == (200, 200)
    (face,) = result.faces
    assert box_of(face).iou(FACE) > 0.6
    assert camera.result_of(compressed_message(BLANK, suffix)).faces == []


def too_short() -> ImageMessage:
    """Return an image whose last row is missing."""
    message = image_message(HEAD)
    message.data = message.data[:-601]
    return message


def depth() -> ImageMessage:
    """Return a depth image."""
    message = ImageMessage(height=10, width=10, encoding='16UC1', step=20)
    message.data.frombytes(bytes(200))
    return message


def of_encoding(encoding: str) -> ImageMessage:
    """Return an image that declares another encoding."""
    message = image_message(HEAD)
    message.encoding = encoding
    return message


MALFORMED = {
    'too_short': (too_short, "encoding 'bgr8', 200 x 200, step 600, 119399 bytes"),
    'depth': (depth, 'depth image'),
    'unknown_encoding': (lambda: of_encoding('h264'), 'unknown encoding, expected one of bgr8'),
    'step_too_small': (lambda: of_encoding('bgra8'), 'expected a step of at least 800'),
    'empty': (lambda: ImageMessage(encoding='bgr8'), 'is empty'),
}


@pytest.mark.parametrize('name', MALFORMED)
def test_malformed_image_is_logged_and_ignored(
    start_node: StartNode, peer: Peer, name: str
) -> None:
    """The log has the reason, and the next image is processed."""
    make, reason = MALFORMED[name]
    node = start_node()
    camera = Camera(peer)
    camera.connect()
    bad = camera.publish(make())
    line = node.wait_for_log('ignored a malformed image (1 so far)')
    assert 'ERROR' in line
    assert reason in line
    (face,) = camera.result_of(image_message(HEAD)).faces
    assert box_of(face).iou(FACE) > 0.6
    assert bad not in [each.header for each in camera.results]


def test_malformed_compressed_image_is_logged_and_ignored(
    start_node: StartNode, peer: Peer
) -> None:
    """A truncated JPEG, and other bytes."""
    node = start_node('-p', 'image_transport:=compressed')
    camera = Camera(peer, '/image/compressed', kind=CompressedImage)
    camera.connect(compressed_message(BLANK, 'jpeg'))
    cut = compressed_message(HEAD, 'jpeg')
    cut.data = cut.data[: len(cut.data) // 2]
    camera.publish(cut)
    line = node.wait_for_log('ignored a malformed image (1 so far)')
    assert 'JPEG' in line and 'truncated or corrupt' in line
    camera.publish(CompressedImage(format='jpeg', data=b'no image'))
    # Another reason does not wait.
    node.wait_for_log('ignored a malformed image (2 so far)')
    camera.publish(CompressedImage(format='16UC1; compressedDepth', data=bytes(50)))
    assert len(camera.result_of(compressed_message(HEAD, 'jpeg')).faces) == 1


def test_many_malformed_images_do_not_flood_the_log(start_node: StartNode, peer: Peer) -> None:
    """They are counted, and logged once in some seconds."""
    node = start_node()
    camera = Camera(peer)
    camera.connect()
    for _ in range(30):
        camera.publish(depth())
        peer.spin(0.005)
    assert len(camera.result_of(image_message(HEAD)).faces) == 1
    assert 1 <= node.log.count('ignored a malformed image') <= 3


@pytest.mark.parametrize('qos', [RELIABLE, BEST_EFFORT], ids=['reliable', 'best_effort'])
def test_default_matches_publishers_of_both_kinds(
    start_node: StartNode, peer: Peer, qos: QoSProfile
) -> None:
    """Reliable and best-effort cameras are received."""
    node = start_node()
    camera = Camera(peer, qos=qos)
    camera.connect()
    assert len(camera.result_of(image_message(HEAD)).faces) == 1
    assert 'incompatible publisher' not in node.log


def test_incompatible_publisher_is_logged(start_node: StartNode, peer: Peer) -> None:
    """The warning names the publisher and the parameter to change."""
    node = start_node('-p', 'image_reliability:=reliable')
    Camera(peer, qos=BEST_EFFORT)
    line = node.wait_for_log('incompatible publisher')
    assert 'WARN' in line
    assert '/image (sensor_msgs/msg/Image, reliable)' in line
    assert '/peer (sensor_msgs/msg/Image, best_effort)' in line
    assert 'set image_reliability to best_effort' in line


@pytest.fixture(scope='module')
def silent_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return the first warnings of nodes that receive no image, after five seconds."""
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
            yield {name: node.wait_for_log('no image for') for name, node in nodes.items()}
        peer.close()


def test_silence_names_topic_type_and_qos(silent_nodes: dict[str, str]) -> None:
    """The warning has the topic that the node waits for, and other topics with images."""
    line = silent_nodes['nobody']
    assert 'WARN' in line
    assert re.search(
        r'no image for \d+ s on /nothing/here \(sensor_msgs/msg/Image, best_eff', line
    )
    assert 'nobody publishes it; images are published on /camera/image_raw/compressed' in line
    # Annotated images of the node are not from a camera.
    assert '/nobody/image_annotated' not in line


def test_silence_is_logged_while_simulated_time_stands_still(silent_nodes: dict[str, str]) -> None:
    """A recording that is not played publishes no clock."""
    assert 'on /no/clock' in silent_nodes['simulated_time']


def test_silence_is_logged_more_and_more_rarely() -> None:
    """The interval doubles up to minutes, and starts again after an image."""
    log = SilenceLog()
    logged = [silence for silence in range(2000) if log.admit(silence)]
    assert logged == [5, 10, 20, 40, 80, 160, 320, 620, 920, 1220, 1520, 1820]
    assert [silence for silence in range(12) if log.admit(silence)] == [5, 10]


def test_silence_names_a_publisher_of_another_type(silent_nodes: dict[str, str]) -> None:
    """The warning has both types."""
    line = silent_nodes['wrong_type']
    assert 'on /camera/image_raw/compressed (sensor_msgs/msg/Image, best_effort)' in line
    assert '/peer (sensor_msgs/msg/CompressedImage, reliable)' in line


def test_silence_names_the_topic_of_the_transport(silent_nodes: dict[str, str]) -> None:
    """The topic of compressed images ends with the name of the transport."""
    line = silent_nodes['compressed']
    assert 'on /not/compressed/compressed (sensor_msgs/msg/CompressedImage, best_effort)' in line


def lose_images(node: NodeProcess, peer: Peer, camera: Camera) -> None:
    """Publish images that do not fit into shared memory until the node reports a loss."""
    peer.wait_for(camera.matches, 'a subscriber to the images')
    large = image_message(np.zeros((1536, 2048, 3), np.uint8))

    def is_logged() -> bool:
        # A node that reads each part immediately needs no room.
        node.send(signal.SIGSTOP)
        try:
            for _ in range(2):
                camera.publish(large)
        finally:
            node.send(signal.SIGCONT)
        # Losses become known with the next image.
        camera.publish(image_message(BLANK))
        return 'images lost in transport' in node.log

    peer.wait_for(is_logged, 'a warning of lost images')


def test_images_lost_in_transport_are_logged(start_node: StartNode, peer: Peer) -> None:
    """Fast DDS with its defaults has no room for large images; the warning says what helps."""
    node = start_node()
    lose_images(node, peer, Camera(peer, qos=BEST_EFFORT))
    line = node.wait_for_log('images lost in transport')
    assert 'WARN' in line
    assert 'on /image (sensor_msgs/msg/Image, best_effort)' in line
    assert f'{dds_profile_variable()}=' in line
    assert Path(line.partition('PROFILES_FILE=')[2].partition(',')[0]).is_file()
    assert 'image_transport compressed' in line


def test_lost_images_make_the_subscriptions_reliable(start_node: StartNode, peer: Peer) -> None:
    """If the camera is; with one that is not they become best effort again, to receive it."""
    node = start_node('-p', 'use_depth:=true')
    camera = Camera(peer)
    depth = peer.node.create_publisher(ImageMessage, '/depth', RELIABLE)
    lose_images(node, peer, camera)
    line = node.wait_for_log('subscribing to /image again')
    assert 'reliable, because images were lost' in line
    node.wait_for_log('subscribed to /image (sensor_msgs/msg/Image, reliable)')
    peer.wait_for(lambda: reliabilities(peer, '/image') == ['RELIABLE'])
    # The subscriptions are made again one after the other, and discovery reports each by itself.
    peer.wait_for(lambda: reliabilities(peer, depth.topic_name) == ['RELIABLE'])
    assert len(camera.result_of(image_message(HEAD)).faces) == 1

    other = Camera(peer, qos=BEST_EFFORT)
    peer.wait_for(lambda: reliabilities(peer, '/image') == ['BEST_EFFORT'])
    other.connect()
    assert len(other.result_of(image_message(HEAD)).faces) == 1
    peer.wait_for(lambda: reliabilities(peer, depth.topic_name) == ['RELIABLE'])


def reliabilities(peer: Peer, topic: str) -> list[str]:
    """Return the reliabilities of the subscriptions to a topic."""
    found = peer.node.get_subscriptions_info_by_topic(topic)
    return [each.qos_profile.reliability.name for each in found]


def test_newest_image_is_processed(start_node: StartNode, peer: Peer) -> None:
    """Of images that arrived while the node was busy only the last are processed, in order."""
    node = start_node('-p', 'image_reliability:=reliable')
    camera = Camera(peer)
    camera.connect()
    node.send(signal.SIGSTOP)
    try:
        sent = [camera.publish(image_message(HEAD)) for _ in range(10)]
    finally:
        node.send(signal.SIGCONT)
    peer.wait_for(
        lambda: any(each.header == sent[-1] for each in camera.results), 'the last result'
    )
    processed = [sent.index(each.header) for each in camera.results]
    assert processed == sorted(processed)
    assert len(processed) < len(sent)
    assert len(camera.result_of(image_message(HEAD)).faces) == 1
