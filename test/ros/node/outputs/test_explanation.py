"""The topic of explanations: what the network looks at, while somebody wants to see it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ros_peers import BLANK, Camera, HEAD, image_message, NodeProcess, Peer
from sensor_msgs.msg import Image as ImageMessage

from face_classification_ros.types import Image

TOPIC = '/face_classification/explanation'

StartNode = Callable[..., NodeProcess]


def pixels_of(message: ImageMessage) -> Image:
    """Give the pixels of a bgr8 message."""
    assert message.encoding == 'bgr8'
    return np.frombuffer(bytes(message.data), np.uint8).reshape(message.height, message.width, 3)


def newest(camera: Camera, peer: Peer, explained: list[ImageMessage]) -> Image:
    """Show a face until its own explanation comes, and give that."""

    def arrived() -> bool:
        header = camera.ask(image_message(HEAD)).header
        return bool(
            peer.happens(lambda: explained and explained[-1].header == header, timeout=0.5)
        )

    peer.wait_for(arrived, 'an explanation')
    return pixels_of(explained[-1])


def test_a_face_is_explained_once_somebody_subscribes(camera: Camera, peer: Peer) -> None:
    """Beside it what was looked at and the distribution; the header is the picture's."""
    explained = peer.collect(ImageMessage, TOPIC)
    panel = newest(camera, peer, explained)
    assert panel.shape == (240, 800, 3)
    assert explained[-1].header.frame_id == 'head_camera'
    assert panel[:, 240:480].std() > 10
    count = len(explained)
    camera.ask(image_message(BLANK))
    peer.spin(0.3)
    assert len(explained) == count


def test_attribute_and_method_can_be_changed_while_it_works(camera: Camera, peer: Peer) -> None:
    """The bars are the other attribute's, and the picture in the middle is another one."""
    explained = peer.collect(ImageMessage, TOPIC)
    emotion = newest(camera, peer, explained)
    assert peer.set_parameter('explanation_attribute', 'gender').successful
    gender = newest(camera, peer, explained)
    assert (emotion[:, 480:] != gender[:, 480:]).any()
    assert peer.set_parameter('explanation_method', 'grad_cam').successful
    heat = newest(camera, peer, explained)
    # Colors instead of grays.
    assert np.ptp(heat[:, 240:480].astype(int), axis=2).max() > 100
    assert np.ptp(gender[:, 240:480].astype(int), axis=2).max() == 0
    refused = peer.set_parameter('explanation_method', 'lime')
    assert not refused.successful
    assert "'lime' is none of guided, gradient, grad_cam" in refused.reason


def test_one_track_can_be_chosen(camera: Camera, peer: Peer) -> None:
    """By its id; while nobody has it, nothing is explained."""
    explained = peer.collect(ImageMessage, TOPIC)
    newest(camera, peer, explained)
    (face,) = camera.ask(image_message(HEAD)).faces
    assert peer.set_parameter('explanation_track', 'nobody').successful
    peer.spin(0.3)
    count = len(explained)
    camera.ask(image_message(HEAD))
    peer.spin(0.3)
    assert len(explained) == count
    assert peer.set_parameter('explanation_track', face.track_id).successful
    newest(camera, peer, explained)


def test_blurred_faces_are_not_explained(start_node: StartNode, peer: Peer) -> None:
    """The lines of a face would tell who it is."""
    start_node('-p', 'blur_faces:=true')
    camera = Camera(peer)
    camera.connect()
    explained = peer.collect(ImageMessage, TOPIC)
    for _ in range(5):
        camera.ask(image_message(HEAD))
    peer.spin(0.5)
    assert not explained
    assert peer.set_parameter('blur_faces', False).successful
    newest(camera, peer, explained)


def test_an_attribute_that_is_switched_off_cannot_be_explained(
    start_node: StartNode, peer: Peer
) -> None:
    """The log says so once, and faces come as before."""
    node = start_node('-p', "emotion_model:=''")
    camera = Camera(peer)
    camera.connect()
    peer.collect(ImageMessage, TOPIC)

    def told() -> bool:
        camera.ask(image_message(HEAD))
        return 'nothing is explained: emotion is switched off' in node.log

    peer.wait_for(told, 'the reason')
    for _ in range(3):
        assert len(camera.ask(image_message(HEAD)).faces) == 1
    assert node.log.count('nothing is explained') == 1
